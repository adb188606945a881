/* header.c - uses every macro and template of the public header, and includes nothing else: header_test.sh compiles it
 * as C and as C++, with every warning that a strict program would ask for. */
#include <paragram.h>

void everything(pg_process *self, const pg_message *msg);

static bool yes(const pg_term *term)
{
    return pg_matches(term, PG_INT) || pg_matches(term, 1) || pg_matches(term, "text");
}

static void handler(pg_process *self, const pg_message *msg)
{
    (void)msg;
    (void)yes;
    pg_set_data(self, self);
}

static void target(pg_process *self)
{
    pg_receive(self, handler);
    pg_receive(self, handler, "one");
    pg_receive(self, handler, PG_NIL, PG_TRUE, PG_FALSE, PG_ANY, PG_BOOL, PG_INT, PG_FLOAT, PG_STR, PG_BYTES, PG_PID,
               PG_REF, PG_PTR, PG_BUFFER, PG_ETC);
    pg_receive(self, handler, PG_TUPLE, PG_LIST, PG_DICT, PG_EXIT, PG_WHERE(yes));
}

static void define(pg_table *table)
{
    pg_on(table, handler);
    pg_on(table, handler, "one", PG_ETC);
}

static pg_table table = PG_TABLE(define);

static void send_all(pg_process *self, pg_pid pid)
{
    char c = 'c';
    signed char sc = 1;
    unsigned char uc = 1;
    short s = 1;
    unsigned short us = 1;
    long l = 1;
    unsigned long ul = 1;
    long long ll = 1;
    unsigned long long ull = 1;
    char text[] = "text";
    const void *pointer = text;
    pg_send(pid);
    pg_send(pid, c, sc, uc, s, us, 1, 1u, l, ul, ll, ull, 1.0f, 1.0, text, "text", pointer);
    pg_send(pid, true, pid, pg_make_ref(), self, PG_NIL);
    pg_send(pid, pg_tuple(), pg_list(), pg_dict());
    pg_send(pid, pg_tuple(1), pg_list(1, "two"), pg_dict("key", pg_tuple(1, 2, 3)), pg_bytes(text, 4));
    pg_send(pid, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
            29, 30, 31);
    pg_terminate_with(pid, "error");
    pg_buffer *buffer = pg_buffer_new(1);
    pg_send(pid, buffer, (const pg_buffer *)buffer);
    pg_buffer_release(buffer);
    pg_terminate_with(pid, 1);
}

static void time_it(pg_process *self, pg_pid pid)
{
    pg_timer timer = pg_send_after(self, pid, PG_MS(1));
    if (pg_timer_status(timer) == PG_OK) pg_cancel_timer(timer);
    timer = pg_send_after(self, pid, PG_SECONDS(1), "late", 123);
    timer = pg_send_every(self, pid, PG_SECONDS(1));
    pg_cancel_timer(pg_send_every(self, pid, PG_SECONDS(1), "tick", timer.id));
}

static void work(void *argument)
{
    *(int *)argument = 1;
}

static void do_io(pg_process *self, int fd)
{
    char buffer[1];
    struct sockaddr address;
    socklen_t length = sizeof address;
    ssize_t n = pg_read(self, fd, buffer, sizeof buffer, PG_FOREVER);
    if (n > 0 && pg_write(self, fd, buffer, (size_t)n, 0) < n) pg_write_all(self, fd, buffer, (size_t)n, PG_MS(1));
    if (pg_errno(n) != 0 || pg_wait_fd(self, fd, POLLIN | POLLOUT, 0) == PG_ESYSTEM) pg_close(self, fd);
    pg_connect(self, pg_accept(self, fd, &address, &length, 0), &address, length, 0);
}

void everything(pg_process *self, const pg_message *msg)
{
    const pg_message *got;
    int64_t until[] = {PG_MS(1), PG_SECONDS(1), PG_FOREVER};
    pg_recv_match(self, &got, until[0]);
    pg_recv_match(self, &got, until[1], "one");
    pg_recv_match(self, &got, until[2], "one", PG_ANY, PG_ETC);
    pg_term_lookup(self, pg_get(self, msg, 0), "key");
    send_all(self, pg_spawn(self, target));
    send_all(self, pg_spawn_link(self, target));
#ifndef __cplusplus /* where these are C++20 */
    send_all(self, pg_spawn(self, target, .name = "name", .args = pg_tuple(1, 2)));
    send_all(self, pg_spawn_link(self, NULL, .table = &table, .kind = PG_THREAD));
    pg_send(pg_self(self), PG_V(1), PG_V("text"));
#else
    pg_send(pg_self(self), pg_v(1), pg_v("text"));
#endif
    pg_use(self, &table);
    pg_ref ref;
    if (pg_monitor(self, pg_self(self), &ref) == PG_OK) pg_demonitor(self, ref);
    pg_from from = pg_call_from(got);
    pg_register(pg_runtime_of(self), "name", from.pid);
    pg_send(pg_whereis(pg_runtime_of(self), "name"), "one");
    pg_unregister(pg_runtime_of(self), "name");
    pg_join(pg_runtime_of(self), "group", from.pid);
    pg_broadcast(pg_runtime_of(self), "group");
    pg_broadcast(pg_runtime_of(self), "group", "one", 2);
    pg_call(self, from.pid, &got, until[0]);
    pg_call(self, from.pid, &got, until[0], "one", 2);
    pg_reply(got);
    pg_reply(got, "one", 2);
    pg_reply_to(from);
    pg_reply_to(from, "one", 2);
    time_it(self, pg_self(self));
    int done = 0;
    if (pg_blocking(self, work, &done) == PG_OK) do_io(self, done);
    pg_fail_with(self, "error");
}
