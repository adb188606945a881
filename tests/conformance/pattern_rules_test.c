/* pattern_rules_test.c - which receiver gets which message: each rule of patterns, by messages that really travel.
 *
 * A subject is a process with numbered handlers, each of which answers with its number.  GIVES says which handler has
 * to answer a message; ENDS, that no pattern matches it, so that the process ends. */
#include "conformance.h"

static pg_pid subject;
static pg_target set_up; /* of the subject */

/* To the main process. */
static void answer(pg_process *self, int number)
{
    pg_send(pg_main(pg_runtime_of(self)), number);
}

#define HANDLER(n)                                            \
    static void h##n(pg_process *self, const pg_message *msg) \
    {                                                         \
        (void)msg;                                            \
        answer(self, n);                                      \
    }

HANDLER(0)
HANDLER(1)
HANDLER(2)
HANDLER(3)
HANDLER(4)
HANDLER(5)
HANDLER(6)
HANDLER(7)
HANDLER(8)
HANDLER(9)
HANDLER(10)
HANDLER(11)
HANDLER(12)

static void begin(pg_process *self, pg_target target)
{
    set_up = target;
    subject = good(pg_spawn(self, target, .name = "subject"));
}

/* A pattern that matches anything matches the terminate, too: its answer is taken away. */
static void finish(pg_process *self)
{
    const pg_message *msg;
    CHECK_EQ(pg_terminate(subject), PG_OK);
    end_of(subject);
    while (pg_recv(self, &msg, 0) == PG_OK) continue;
}

static void ends(pg_process *self, int status)
{
    CHECK_EQ(status, PG_OK);
    pg_exit_info why = end_of(subject);
    CHECK_EQ(why.kind, PG_EXIT_UNHANDLED_MESSAGE);
    expect_nothing(self);
    begin(self, set_up);
}

/* The calls are not inside CHECK_EQ: it would spell out what the macros of sugar.h expand to. */
#define ON(handler, ...)                                      \
    do {                                                      \
        int status_ = pg_receive(self, handler, __VA_ARGS__); \
        CHECK_EQ(status_, PG_OK);                             \
    } while (0)
#define GIVES(n, ...)                                \
    do {                                             \
        int status_ = pg_send(subject, __VA_ARGS__); \
        CHECK_EQ(status_, PG_OK);                    \
        CHECK_EQ(next_int(self), n);                 \
    } while (0)
#define ENDS(...) ends(self, pg_send(subject, __VA_ARGS__))

/* ------------------------------------------------------------------------------------------------ any and types */

static void on_types(pg_process *self)
{
    ON(h0, PG_INT);
    ON(h1, PG_FLOAT);
    ON(h2, PG_BOOL);
    ON(h3, PG_STR);
    ON(h4, PG_BYTES);
    ON(h5, PG_PID);
    ON(h6, PG_REF);
    ON(h7, PG_TUPLE);
    ON(h8, PG_LIST);
    ON(h9, PG_DICT);
    ON(h10, PG_PTR);
    ON(h11, PG_NIL);
}

static void types(pg_process *self)
{
    static const char long_text[] = "a text that does not fit into a value";
    enum { AN_ENUM = 3 };
    int object = 0;
    begin(self, on_types);
    GIVES(0, 1);
    GIVES(0, (char)'c');
    GIVES(0, (short)-5);
    GIVES(0, AN_ENUM);
    GIVES(0, UINT64_C(9223372036854775807));
    GIVES(0, INT64_MIN);
    GIVES(1, 1.0);
    GIVES(1, 2.5f);
    GIVES(2, PG_TRUE);
    GIVES(2, (bool)0);
    GIVES(3, "short");
    GIVES(3, long_text);
    GIVES(3, "");
    GIVES(3, pg_strn("a\0b", 3));
    GIVES(4, pg_bytes("x", 1));
    GIVES(4, pg_bytes(long_text, sizeof long_text));
    GIVES(5, self);
    GIVES(5, subject);
    GIVES(6, pg_make_ref());
    GIVES(7, pg_tuple(1, 2));
    GIVES(7, pg_tuple());
    GIVES(8, pg_list(1));
    GIVES(8, pg_list());
    GIVES(9, pg_dict("a", 1));
    GIVES(9, pg_dict());
    if (the_kind != PG_OS) {
        GIVES(10, &object);
    } else {
        CHECK_EQ(pg_send(subject, &object), PG_EINVAL); /* it means nothing there */
    }
    GIVES(11, PG_NIL);
    GIVES(11, (const char *)NULL);
    ENDS(1, 2);
    finish(self);
}

static void on_any(pg_process *self)
{
    ON(h0, PG_ANY);
    ON(h1, PG_ANY, PG_ANY);
    ON(h2, PG_STR, PG_INT, PG_ANY);
}

static void any(pg_process *self)
{
    begin(self, on_any);
    GIVES(0, 1);
    GIVES(0, PG_NIL);
    GIVES(0, pg_tuple(1, pg_list(2, 3)));
    GIVES(1, "hello", 2.5);
    GIVES(2, "hello", 1, pg_dict());
    ENDS("hello", 2.5, 3);
    ENDS(1, 2, 3, 4);
    ENDS(1, "hello", 3);
    finish(self);
}

/* ----------------------------------------------------------------------------------------------------- literals */

static void on_literals(pg_process *self)
{
    ON(h0, 1);
    ON(h1, 1.0);
    ON(h2, PG_TRUE);
    ON(h3, "1");
    ON(h4, pg_bytes("1", 1));
    ON(h5, "a literal that is longer than fourteen bytes");
    ON(h6, "hello", 123);
    ON(h7, pg_tuple(1, 2), pg_list(1, 2));
    ON(h8, self);
    ON(h9, PG_NIL);
    ON(h10, "hello");
}

static void literals(pg_process *self)
{
    char text[] = "a literal that is longer than fourteen bytes";
    begin(self, on_literals);
    GIVES(0, 1);
    GIVES(0, (unsigned char)1);
    GIVES(1, 1.0);
    GIVES(2, PG_TRUE);
    GIVES(3, "1");
    GIVES(4, pg_bytes("1", 1));
    GIVES(5, text);
    GIVES(6, "hello", 123);
    GIVES(7, pg_tuple(1, 2), pg_list(1, 2));
    GIVES(8, subject);
    GIVES(9, PG_NIL);
    GIVES(10, "hello");
    ENDS(2);
    ENDS(1.5);
    ENDS(PG_FALSE);
    ENDS("2");
    text[20]++;
    ENDS(text);
    ENDS("hello", 124);
    ENDS("hello", 123, 0);
    ENDS(pg_list(1, 2), pg_list(1, 2));
    ENDS(pg_tuple(1, 2), pg_tuple(1, 2));
    ENDS(pg_tuple(1, 2.0), pg_list(1, 2));
    ENDS(self);
    ENDS(pg_strn("hello\0", 6));
    finish(self);
}

/* --------------------------------------------------------------------------------------------------- predicates */

static bool is_even(const pg_term *term)
{
    return pg_term_type(term) == PG_T_INT && pg_term_int(NULL, term) % 2 == 0;
}

static bool starts_with_x(const pg_term *term)
{
    const char *text = pg_term_str(NULL, term, NULL);
    return text != NULL && text[0] == 'x';
}

static bool has_one_element(const pg_term *term)
{
    pg_type type = pg_term_type(term);
    return (type == PG_T_LIST || type == PG_T_TUPLE) && pg_term_count(NULL, term) == 1;
}

static void on_predicates(pg_process *self)
{
    ON(h0, PG_WHERE(is_even));
    ON(h1, PG_WHERE(starts_with_x));
    ON(h2, "list", PG_WHERE(has_one_element));
    ON(h3, pg_list(PG_WHERE(is_even), PG_ETC));
}

static void predicates(pg_process *self)
{
    begin(self, on_predicates);
    GIVES(0, 42);
    GIVES(1, "xyz");
    GIVES(2, "list", pg_list(1));
    GIVES(2, "list", pg_tuple(1));
    GIVES(3, pg_list(2, 3));
    ENDS(43);
    ENDS("abc");
    ENDS(PG_TRUE);
    ENDS("list", pg_list(1, 2));
    ENDS(pg_list(3, 2));
    finish(self);
}

/* -------------------------------------------------------------------------------------------- tuples, lists, etc */

static void on_sequences(pg_process *self)
{
    ON(h0, pg_tuple("a", PG_INT));
    ON(h1, pg_list("a", PG_INT));
    ON(h2, pg_tuple("a", PG_ETC));
    ON(h3, pg_list("a", PG_ETC));
    ON(h4, pg_tuple());
    ON(h5, pg_list());
    ON(h6, "rest", PG_INT, PG_ETC);
    ON(h7, pg_tuple(PG_ANY, PG_ANY, PG_ANY, PG_ETC));
    ON(h8, "inner", pg_list(PG_ETC));
    ON(h9, PG_INT, PG_ETC);
}

static void sequences(pg_process *self)
{
    begin(self, on_sequences);
    GIVES(0, pg_tuple("a", 1));
    GIVES(1, pg_list("a", 1));
    GIVES(2, pg_tuple("a"));
    GIVES(2, pg_tuple("a", 2, 3, 4));
    GIVES(3, pg_list("a"));
    GIVES(3, pg_list("a", "b", "c"));
    GIVES(4, pg_tuple());
    GIVES(5, pg_list());
    GIVES(6, "rest", 1);
    GIVES(6, "rest", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
    GIVES(7, pg_tuple(1, 2, 3));
    GIVES(7, pg_tuple(1, 2, 3, 4));
    GIVES(8, "inner", pg_list());
    GIVES(8, "inner", pg_list(1, pg_tuple()));
    GIVES(9, 1);
    GIVES(9, 1, "x");
    ENDS(pg_tuple("b", 1));
    ENDS(pg_list("b"));
    ENDS(pg_list(1, 2, 3));
    ENDS("rest");
    ENDS("rest", "x");
    ENDS("inner", pg_tuple());
    ENDS("a", 1);
    finish(self);
}

static void on_everything(pg_process *self)
{
    ON(h0, "one");
    ON(h1, PG_ETC);
}

static void etc_alone_is_everything(pg_process *self)
{
    begin(self, on_everything);
    GIVES(0, "one");
    GIVES(1, "two");
    GIVES(1, 1, 2, 3);
    CHECK_EQ(pg_send(subject), PG_OK);
    CHECK_EQ(next_int(self), 1);
    finish(self);
}

static void on_empty(pg_process *self)
{
    CHECK_EQ(pg_receive(self, h0), PG_OK);
    ON(h1, PG_ANY);
}

static void the_empty_message(pg_process *self)
{
    begin(self, on_empty);
    CHECK_EQ(pg_send(subject), PG_OK);
    CHECK_EQ(next_int(self), 0);
    GIVES(1, pg_tuple());
    finish(self);
}

/* Of one value, the pattern and the message are that value; a tuple in a message of its own is one value. */
static void on_one(pg_process *self)
{
    ON(h0, pg_tuple("hello"));
    ON(h1, "hello");
    ON(h2, pg_tuple(PG_STR, PG_INT));
    ON(h3, PG_STR, PG_INT);
}

static void one_value(pg_process *self)
{
    begin(self, on_one);
    GIVES(1, "hello");
    GIVES(0, pg_tuple("hello"));
    GIVES(3, "a", 1);
    GIVES(2, pg_tuple("a", 1));
    finish(self);
}

/* -------------------------------------------------------------------------------------------------------- dicts */

static void on_dicts(pg_process *self)
{
    ON(h0, pg_dict("name", PG_STR, "age", PG_INT));
    ON(h1, pg_dict(1, "int", 2.0, "float", PG_TRUE, "bool"));
    ON(h2, pg_dict(pg_tuple(1, 2), PG_ANY));
    ON(h3, pg_dict("in", pg_dict("deeper", pg_list(PG_INT, PG_ETC))));
    ON(h4, pg_dict("a key that is longer than fourteen bytes", 1));
    ON(h5, "empty", pg_dict());
    ON(h6, pg_dict("name", PG_STR));
}

static void dicts(pg_process *self)
{
    begin(self, on_dicts);
    GIVES(0, pg_dict("name", "x", "age", 3));
    GIVES(0, pg_dict("age", 3, "more", pg_list(), "name", "x", 7, 8));
    GIVES(6, pg_dict("name", "x", "age", "unknown"));
    GIVES(6, pg_dict("name", "x"));
    GIVES(1, pg_dict(PG_TRUE, "bool", 1, "int", 2.0, "float", "extra", 0));
    GIVES(2, pg_dict("a", 1, pg_tuple(1, 2), PG_NIL));
    GIVES(3, pg_dict("in", pg_dict("deeper", pg_list(1, "x"), "other", 2)));
    GIVES(4, pg_dict("a key that is longer than fourteen bytes", 1));
    GIVES(5, "empty", pg_dict("whatever", 1));
    ENDS(pg_dict("name", 3));
    ENDS(pg_dict(1, "int", 2, "float", PG_TRUE, "bool"));
    ENDS(pg_dict(1.0, "int", 2.0, "float", PG_TRUE, "bool"));
    ENDS(pg_dict(pg_list(1, 2), 1));
    ENDS(pg_dict());
    ENDS(pg_list("name", "x"));
    ENDS(pg_dict("in", pg_dict("deeper", pg_list("x", 1))));
    finish(self);
}

/* ------------------------------------------------------------------------------------------------------ nesting */

static void on_nested(pg_process *self)
{
    ON(h0, "n", pg_tuple(pg_list(pg_dict("k", pg_tuple(PG_INT, pg_list(PG_ETC))), PG_STR), PG_ETC));
    ON(h1, "n", PG_ANY);
}

static void nesting(pg_process *self)
{
    begin(self, on_nested);
    GIVES(0, "n", pg_tuple(pg_list(pg_dict("k", pg_tuple(1, pg_list())), "s")));
    GIVES(0, "n", pg_tuple(pg_list(pg_dict("k", pg_tuple(1, pg_list(2)), "l", 0), "s"), 3));
    GIVES(1, "n", pg_tuple(pg_list(pg_dict("k", pg_tuple(1.0, pg_list())), "s")));
    GIVES(1, "n", pg_tuple(pg_list(pg_dict("k", pg_tuple(1, pg_tuple())), "s")));
    GIVES(1, "n", pg_tuple(pg_list(pg_dict("k", pg_tuple(1, pg_list())))));
    finish(self);
}

/* ---------------------------------------------------------------------------------------- order, re-registration */

static void on_first(pg_process *self)
{
    ON(h0, "a", PG_INT);
    ON(h1, PG_STR, PG_INT);
    ON(h2, "a", 5);
    ON(h3, PG_STR, PG_INT);
    ON(h4, "b", PG_ETC);
    ON(h5, PG_ANY);
    ON(h6, 17);
}

static void first_registered_wins(pg_process *self)
{
    begin(self, on_first);
    GIVES(0, "a", 5);
    GIVES(1, "b", 5);
    GIVES(4, "b", "c");
    GIVES(5, 17);
    finish(self);
}

static void adds_more(pg_process *self, const pg_message *msg)
{
    (void)msg;
    ON(h1, "new");
    ON(h2, "same");
    answer(self, 100);
}

static void on_change(pg_process *self)
{
    ON(h0, "same");
    ON(adds_more, "add");
    ON(h3, "new", PG_ETC);
}

static void registering_later(pg_process *self)
{
    begin(self, on_change);
    GIVES(3, "new");
    GIVES(100, "add");
    GIVES(3, "new");
    GIVES(0, "same");
    GIVES(100, "add");
    finish(self);
}

static void on_many(pg_process *self)
{
    for (int i = 0; i < 100; i++) ON(i % 2 ? h1 : h0, "number", i);
    for (int i = 0; i < 100; i++) {
        char text[40];
        snprintf(text, sizeof text, "a rather long name, number %d", i);
        ON(i % 2 ? h3 : h2, text);
    }
}

static void many_receivers(pg_process *self)
{
    begin(self, on_many);
    for (int i = 0; i < 100; i++) {
        char text[40];
        snprintf(text, sizeof text, "a rather long name, number %d", i);
        GIVES(i % 2, "number", i);
        GIVES(2 + i % 2, text);
    }
    ENDS("number", 100);
    finish(self);
}

/* ------------------------------------------------------------------------------------------------------- tables */

static void define_table(pg_table *t)
{
    CHECK_EQ(pg_on(t, h0, "zero"), PG_OK);
    CHECK_EQ(pg_on(t, h1, "one", PG_INT), PG_OK);
    CHECK_EQ(pg_on(t, h2), PG_OK);
    CHECK_EQ(pg_on(t, h3, PG_ANY, PG_ETC), PG_OK);
}

static void define_other(pg_table *t)
{
    CHECK_EQ(pg_on(t, h4, "zero"), PG_OK);
}

static pg_table table = PG_TABLE(define_table);
static pg_table other_table = PG_TABLE(define_other);

static void change_table(pg_process *self, const pg_message *msg)
{
    (void)msg;
    CHECK_EQ(pg_use(self, &other_table), PG_OK);
    answer(self, 100);
}

static void on_table(pg_process *self)
{
    ON(h12, "forgotten");
    CHECK_EQ(pg_use(self, &table), PG_OK);
}

static void on_table_and_more(pg_process *self)
{
    CHECK_EQ(pg_use(self, &other_table), PG_OK);
    ON(change_table, "change");
    ON(h5, PG_ANY);
}

static void tables(pg_process *self)
{
    begin(self, on_table);
    GIVES(0, "zero");
    GIVES(1, "one", 1);
    GIVES(3, "one", "x");
    GIVES(3, "forgotten");
    CHECK_EQ(pg_send(subject), PG_OK);
    CHECK_EQ(next_int(self), 2);
    finish(self);
    begin(self, on_table_and_more);
    GIVES(4, "zero");
    GIVES(5, "one");
    GIVES(100, "change");
    GIVES(4, "zero");
    ENDS("one");
    finish(self);
    subject = good(pg_spawn(self, NULL, .table = &table));
    GIVES(0, "zero");
    GIVES(1, "one", 1);
    finish(self);
    subject = good(pg_spawn(self, on_types, .table = &other_table));
    GIVES(4, "zero");
    GIVES(3, "one");
    finish(self);
}

/* ---------------------------------------------------------------------------------------------------- unhandled */

static void on_few(pg_process *self)
{
    ON(h0, "hello", PG_INT);
    ON(h1, pg_dict("k", PG_ANY), PG_ETC);
    pg_send(pg_main(pg_runtime_of(self)), "ready");
}

static void unhandled_says_all(pg_process *self)
{
    char pid[60];
    begin(self, on_few);
    EXPECT(self, "(\"ready\")");
    pg_format_value(pid, sizeof pid, pg_v_pid(subject));
    CHECK_EQ(pg_send(subject, "hello", 1.5, pg_list(1)), PG_OK);
    pg_exit_info why = end_of(subject);
    CHECK_EQ(why.kind, PG_EXIT_UNHANDLED_MESSAGE);
    CHECK(strstr(why.text, pid) != NULL);
    CHECK(strstr(why.text, "\"subject\"") != NULL);
    CHECK(strstr(why.text, "(\"hello\", 1.5, [1])") != NULL);
    CHECK(strstr(why.text, "(\"hello\", int)") != NULL);
    CHECK(strstr(why.text, "({\"k\": any}, etc)") != NULL);
}

/* ---------------------------------------------------------------------------------- patterns outside of receivers */

static void matching_by_hand(pg_process *self)
{
    pg_send(pg_self(self), pg_tuple(1, "two", pg_list(3)), pg_dict("k", 4, 5, "v"));
    const pg_message *msg = next_of(self);
    const pg_term *tuple = pg_get(NULL, msg, 0), *dict = pg_get(NULL, msg, 1);
    CHECK(pg_matches(tuple, PG_TUPLE));
    CHECK(pg_matches(tuple, pg_tuple(PG_INT, PG_ETC)));
    CHECK(pg_matches(tuple, pg_tuple(1, "two", pg_list(3))));
    CHECK(!pg_matches(tuple, pg_tuple(1, "two", pg_list(4))));
    CHECK(!pg_matches(tuple, pg_tuple(PG_ETC, 1)));
    CHECK(!pg_matches(NULL, PG_ANY));
    CHECK(pg_matches(dict, pg_dict("k", PG_INT)));
    CHECK(pg_matches(pg_term_at(NULL, tuple, 2), PG_WHERE(has_one_element)));
    CHECK_EQ(pg_term_int(NULL, pg_term_lookup(NULL, dict, "k")), 4);
    CHECK_STR(pg_term_str(NULL, pg_term_lookup(NULL, dict, 5), NULL), "v");
    CHECK(pg_term_lookup(NULL, dict, "absent") == NULL);
    CHECK_EQ(pg_term_count(NULL, dict), 2);
    for (size_t i = 0; i < 2; i++) {
        CHECK(pg_term_type(pg_term_key(NULL, dict, i)) != pg_term_type(pg_term_val(NULL, dict, i)));
    }
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(types),
        CASE(any),
        CASE(literals),
        CASE(predicates),
        CASE(sequences),
        CASE(etc_alone_is_everything),
        CASE(the_empty_message),
        CASE(one_value),
        CASE(dicts),
        CASE(nesting),
        CASE(first_registered_wins),
        CASE(registering_later),
        CASE(many_receivers),
        CASE(tables),
        CASE(unhandled_says_all),
        CASE(matching_by_hand),
    };
    return RUN_CASES(cases);
}
