/* cxx_test.cc - the header as C++17 sees it: templates in place of macros, with which everything works. */
#include <paragram.h>

#include "check.h"

#include <string>

namespace
{

constexpr int64_t patience = PG_SECONDS(30);

struct counter {
    pg_pid main;
    int64_t sum = 0;
};

bool is_odd(const pg_term *term)
{
    return pg_term_type(term) == PG_T_INT && pg_term_int(nullptr, term) % 2 != 0;
}

void on_add(pg_process *self, const pg_message *msg)
{
    static_cast<counter *>(pg_data(self))->sum += pg_get_int(self, msg, 1);
}

void on_ask(pg_process *self, const pg_message *msg)
{
    auto *c = static_cast<counter *>(pg_data(self));
    pg_send(pg_get_pid(self, msg, 1), "sum", c->sum, pg_tuple(c->sum, pg_list("x", 2.5), pg_dict("k", true)));
}

void on_odd(pg_process *self, const pg_message *msg)
{
    pg_fail_with(self, pg_tuple("odd", pg_get(self, msg, 0)));
}

void on_empty(pg_process *self, const pg_message *)
{
    pg_send(static_cast<counter *>(pg_data(self))->main);
}

void free_counter(void *argument)
{
    delete static_cast<counter *>(argument);
}

void count(pg_process *self)
{
    const pg_message *args = pg_args(self);
    auto *c = new counter{pg_get_pid(self, args, 0)};
    pg_set_data(self, c);
    CHECK_EQ(pg_defer(self, free_counter, c), PG_OK);
    CHECK_STR(pg_get_str(self, args, 1), "argument");
    CHECK_EQ(pg_receive(self, on_add, "add", PG_INT), PG_OK);
    CHECK_EQ(pg_receive(self, on_ask, "ask", PG_PID), PG_OK);
    CHECK_EQ(pg_receive(self, on_odd, PG_WHERE(is_odd)), PG_OK);
    CHECK_EQ(pg_receive(self, on_empty), PG_OK);
    CHECK_EQ(pg_receive(self, on_add, pg_tuple(PG_ETC, 1)), PG_EPATTERN);
}

pg_pid spawn_counter(pg_process *self)
{
    pg_spawn_options options = {};
    options.name = "counter";
    auto args = pg_tuple(self, "argument"); /* named, since it has to live until the spawn */
    options.args = args;
    pg_pid proc = pg_spawn(self, count, options);
    CHECK_EQ(pg_pid_status(proc), PG_OK);
    return proc;
}

void messages_and_receivers(pg_process *self)
{
    const pg_message *msg;
    pg_pid proc = spawn_counter(self);
    for (short i = 1; i <= 10; i++) CHECK_EQ(pg_send(proc, "add", i), PG_OK);
    CHECK_EQ(pg_send(proc), PG_OK);
    CHECK_EQ(pg_send(proc, "ask", self), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, patience, "sum", PG_INT, pg_tuple(PG_INT, PG_ETC)), PG_OK);
    CHECK_EQ(pg_get_int(nullptr, msg, 1), 55);
    CHECK(pg_matches(pg_get(nullptr, msg, 2), pg_tuple(55, pg_list("x", PG_FLOAT), pg_dict("k", true))));
    CHECK(!pg_matches(pg_get(nullptr, msg, 1), 55.0));
    const pg_term *dict = pg_term_at(nullptr, pg_get(nullptr, msg, 2), 2);
    CHECK(pg_term_bool(nullptr, pg_term_lookup(nullptr, dict, "k")));
    CHECK_EQ(pg_recv_match(self, &msg, 0), PG_OK); /* the empty one */
    CHECK_EQ(pg_recv_match(self, &msg, 0), PG_ETIMEDOUT);

    pg_exit_info why;
    CHECK_EQ(pg_send(proc, 7u), PG_OK);
    CHECK_EQ(pg_wait(proc, patience, &why), PG_OK);
    CHECK_STR(why.text, "(\"odd\", 7)");
    proc = spawn_counter(self);
    CHECK_EQ(pg_terminate_with(proc, "enough"), PG_OK);
    CHECK_EQ(pg_wait(proc, patience, &why), PG_OK);
    CHECK_EQ(why.kind, PG_EXIT_FAILED);
}

void buffers(pg_process *self)
{
    const pg_message *msg;
    size_t size;
    pg_buffer *buffer = pg_buffer_new(6);
    memcpy(pg_buffer_data(buffer), "hello", 6);
    CHECK_EQ(pg_send(pg_self(self), "buffer", buffer), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, 0, "buffer", PG_BUFFER), PG_OK);
    CHECK(pg_matches(pg_get(nullptr, msg, 1), buffer));
    CHECK_STR(static_cast<const char *>(pg_get_buffer(nullptr, msg, 1, &size)), "hello");
    CHECK_EQ(size, 6);
    pg_buffer_release(buffer);
}

void every_type(pg_process *self)
{
    const pg_message *msg;
    char text[300];
    std::string s = "a string of the library's own";
    int object = 0;
    enum colour { red, green };
    CHECK_EQ(pg_send(pg_self(self), 'c', static_cast<signed char>(-1), static_cast<unsigned short>(2), 3L, 4ULL, 1.5f,
                     2.5, true, s.c_str(), green, static_cast<const char *>(nullptr), PG_NIL, pg_bytes("b", 1)),
             PG_OK);
    CHECK_EQ(pg_recv(self, &msg, 0), PG_OK);
    pg_format_message(text, sizeof text, msg);
    CHECK_STR(text, "(99, -1, 2, 3, 4, 1.5, 2.5, true, \"a string of the library's own\", 1, nil, nil, b\"b\")");
    CHECK_EQ(pg_send(pg_self(self), &object, pg_self(self), pg_make_ref(), pg_get(nullptr, msg, 8)), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, 0, PG_PTR, self, PG_REF, s.c_str()), PG_OK);
    CHECK(pg_get_ptr(nullptr, msg, 0) == &object);
    CHECK_EQ(pg_send(pg_self(self), UINT64_MAX), PG_EINVAL);
    CHECK_EQ(pg_send(pg_self(self), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17), PG_ETOOMANY);
}

void define(pg_table *table)
{
    CHECK_EQ(pg_on(table, on_empty), PG_OK);
    CHECK_EQ(pg_on(table, on_odd, PG_INT), PG_OK);
}

pg_table table = PG_TABLE(define);

void fail_at_once(pg_process *self)
{
    pg_fail(self, "at %s", "once");
}

void tables_and_links(pg_process *self)
{
    const pg_message *msg;
    pg_spawn_options options = {};
    options.table = &table;
    pg_pid proc = pg_spawn(self, nullptr, options);
    CHECK_EQ(pg_send(proc, 3), PG_OK);
    CHECK_EQ(pg_wait(proc, patience, nullptr), PG_OK);
    proc = pg_spawn_link(self, fail_at_once);
    CHECK_EQ(pg_recv_match(self, &msg, patience, PG_EXIT, proc), PG_OK);
    CHECK_STR(pg_term_str(nullptr, pg_get_error(nullptr, msg, 0), nullptr), "at once");
}

void ignore_log(void *, pg_log_level, const char *)
{
}

} // namespace

int main()
{
    for (pg_kind kind : {PG_GREEN, PG_THREAD, PG_OS}) {
        pg_options options = {};
        options.kind = kind;
        options.log = ignore_log;
        pg_runtime *rt = pg_start(&options);
        CHECK(rt != nullptr);
        pg_process *self = pg_attach(rt, "main");
        CHECK(self != nullptr);
        messages_and_receivers(self);
        every_type(self);
        buffers(self);
        tables_and_links(self);
        pg_detach(self);
        CHECK_EQ(pg_stop(rt, patience), PG_OK);
    }
    return 0;
}
