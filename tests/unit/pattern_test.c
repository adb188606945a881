/* pattern_test.c - the rules of patterns by cases, and compiled patterns against a matcher that is slow and plain. */
#include <math.h>

#include "check.h"
#include "plain.h"
#include "runtime/pattern.h"

static pg_message *build(size_t count, const pg_value *values)
{
    pg_message *msg;
    CHECK_EQ(pgi_message_build(NULL, count, values, &msg), PG_OK);
    return msg;
}

/* Asks all ways there are of matching, which must agree. */
static bool matches(size_t count, const pg_value *values, size_t pattern_count, const pg_value *pattern)
{
    pgi_pattern_buffer buffer;
    pgi_pattern *p, *q, *r;
    pg_message *msg = build(count, values);
    CHECK_EQ(pgi_pattern_compile(pattern_count, pattern, &p), PG_OK);
    CHECK_EQ(pgi_pattern_compile_into(&buffer, pattern_count, pattern, &q), PG_OK);
    r = pgi_pattern_copy(q);
    bool result = pgi_pattern_match(p, msg);
    CHECK_EQ(pgi_pattern_match(q, msg), result);
    CHECK_EQ(pgi_pattern_match(r, msg), result);
    CHECK(pgi_pattern_same(p, q) && pgi_pattern_same(q, r) && pgi_pattern_hash(p) == pgi_pattern_hash(r));
    pgi_pattern_leave(&buffer, q);

    if (count == 1 && pattern_count == 1 && !p->open) {
        CHECK_EQ(pgi_pattern_match_term(p, pgi_message_terms(msg)), result);
        CHECK_EQ(pg_matches_value(pgi_message_terms(msg), pattern[0]), result);
    }
    pg_value whole = pg_tuple_of(count, values);
    pg_message *wrapped = build(1, &whole);
    CHECK_EQ(pg_matches_value(pgi_message_terms(wrapped), pg_tuple_of(pattern_count, pattern)), result);
    pgi_message_free(NULL, wrapped);
    pgi_pattern_free(p);
    pgi_pattern_free(r);
    pgi_message_free(NULL, msg);
    return result;
}

static int status_of(size_t count, const pg_value *pattern)
{
    pgi_pattern *p;
    int status = pgi_pattern_compile(count, pattern, &p);
    CHECK((p != NULL) == (status == PG_OK));
    pgi_pattern_free(p);
    return status;
}

/* CHECK() would print the condition, which macros have made longer than a string may be. */
#define EXPECT(got, expected)                                             \
    do {                                                                  \
        int got_ = (got);                                                 \
        if (got_ != (expected)) CHECK_FAIL("%d, not %d", got_, expected); \
    } while (0)
#define YES(message, pattern) EXPECT(matches(PG_VALUES message, PG_VALUES pattern), true)
#define NO(message, pattern) EXPECT(matches(PG_VALUES message, PG_VALUES pattern), false)
#define STATUS(pattern, status) EXPECT(status_of(PG_VALUES pattern), status)

static void test_plain(void)
{
    YES((), ());
    NO((1), ());
    NO((), (PG_ANY));
    YES(("hello"), ("hello"));
    NO(("hello"), ("hellp"));
    NO(("hello"), ("hello", 1));
    NO(("hello", 1), ("hello"));
    YES(("hello", 123), (PG_STR, PG_INT));
    YES(("hello", 123), ("hello", PG_ANY));
    NO((123, "hello"), (PG_STR, PG_INT));
    YES(("", 0), ("", 0));
    NO((""), (PG_NIL));
    YES((PG_NIL), (PG_NIL));
    YES((PG_NIL), (pg_p_type(PG_T_NIL)));
    YES((PG_TRUE), (PG_BOOL));
    NO((PG_TRUE), (PG_FALSE));
    NO(("ab"), (pg_bytes("ab", 2)));
    YES((pg_bytes("ab", 2)), (PG_BYTES));
    NO((pg_strn("a\0b", 3)), ("a"));
    YES((pg_strn("a\0b", 3)), (pg_strn("a\0b", 3)));
    NO((pg_strn("a\0", 2)), ("a"));
    YES((LONG_A), (LONG_A));
    NO((LONG_A), (LONG_B));
    NO((LONG_A), ("a"));
    NO(("a"), (LONG_A));
    NO((LONG_A), (pg_bytes(LONG_A, strlen(LONG_A))));
    YES((LONG_A), (PG_STR));
    YES(((pg_pid){7}), ((pg_pid){7}));
    NO(((pg_pid){7}), ((pg_ref){7}));
    YES(((pg_ref){7}), (PG_REF));
    YES(((void *)&(int){0}), (PG_PTR));
    NO(((pg_pid){7}), ((pg_pid){8}));
}

static void test_numbers(void)
{
    NO((1), (1.0));
    NO((1.0), (1));
    NO((1), (PG_TRUE));
    NO((PG_TRUE), (1));
    NO((1), (PG_FLOAT));
    YES((1.5), (1.5));
    NO((1.5), (-1.5));
    YES((0.0), (-0.0));
    YES((-0.0), (0.0));
    YES((-0.0), (-0.0));
    NO((1e-320), (0.0));
    NO((0), (0.0));
    NO((NAN), (NAN));
    NO((0.0), (NAN));
    YES((NAN), (PG_FLOAT));
    YES((pg_tuple(0.0)), (pg_tuple(-0.0)));
    NO((pg_tuple(NAN)), (pg_tuple(NAN)));
    NO((pg_dict(NAN, 1)), (pg_dict(NAN, 1)));
    NO((pg_dict(pg_tuple(1, NAN), 1)), (pg_dict(pg_tuple(1, NAN), 1)));
    YES((pg_dict(0.0, 1)), (pg_dict(-0.0, 1)));
    NO((pg_dict(0, 1)), (pg_dict(0.0, 1)));
    YES((INT64_MIN, INT64_MAX), (INT64_MIN, INT64_MAX));
}

static void test_predicates(void)
{
    YES((1), (PG_WHERE(is_positive)));
    NO((0), (PG_WHERE(is_positive)));
    NO((1.0), (PG_WHERE(is_positive)));
    YES((pg_tuple(1, "x")), (pg_tuple(PG_WHERE(is_positive), PG_ETC)));
    NO((pg_list(-1, "x")), (pg_list(PG_WHERE(is_positive), PG_ETC)));
    YES((pg_dict("a", 1)), (pg_dict("a", PG_WHERE(is_positive))));
    NO((pg_dict("a", -1)), (pg_dict("a", PG_WHERE(is_positive))));
}

static void test_sequences(void)
{
    YES((pg_tuple()), (pg_tuple()));
    NO((pg_tuple()), (pg_list()));
    NO((pg_tuple(1)), (pg_tuple()));
    YES((pg_tuple(1)), (PG_TUPLE));
    NO((pg_tuple(1)), (PG_LIST));
    YES((pg_tuple(1, "x")), (pg_tuple(PG_INT, "x")));
    NO((pg_tuple(1, "x")), (pg_list(PG_INT, "x")));
    NO((pg_tuple(1, "x", 2)), (pg_tuple(PG_INT, "x")));
    YES((pg_list(1, pg_list(2, LONG_A))), (pg_list(1, pg_list(2, LONG_A))));
    NO((pg_list(1, pg_list(2, LONG_A))), (pg_list(1, pg_list(2, LONG_B))));
    NO((pg_tuple(1)), (1));

    YES((), (PG_ETC));
    YES((1, 2), (PG_ETC));
    YES((1), (1, PG_ETC));
    YES((1, 2, 3), (1, PG_ETC));
    NO((), (1, PG_ETC));
    NO((2), (1, PG_ETC));
    YES((pg_tuple()), (pg_tuple(PG_ETC)));
    NO((pg_list()), (pg_tuple(PG_ETC)));
    YES((pg_tuple(1)), (pg_tuple(1, PG_ETC)));
    YES((pg_tuple(1, 2, 3)), (pg_tuple(1, PG_ETC)));
    NO((pg_tuple()), (pg_tuple(1, PG_ETC)));
    YES((pg_list(pg_tuple(1, 2), 3)), (pg_list(pg_tuple(PG_ETC), PG_ETC)));
    CHECK_EQ(pg_matches_value(NULL, PG_ANY), false);
}

static void test_dicts(void)
{
    YES((pg_dict()), (pg_dict()));
    YES((pg_dict("a", 1)), (pg_dict()));
    YES((pg_dict("a", 1)), (PG_DICT));
    NO((pg_list("a", 1)), (pg_dict()));
    YES((pg_dict("a", 1, "b", 2)), (pg_dict("b", 2)));
    YES((pg_dict("a", 1, "b", 2)), (pg_dict("b", PG_INT, "a", PG_ANY)));
    NO((pg_dict("a", 1, "b", 2)), (pg_dict("b", PG_STR)));
    NO((pg_dict("a", 1)), (pg_dict("a", 1, "b", 2)));
    NO((pg_dict(1, 1)), (pg_dict(1.0, 1)));
    YES((pg_dict(LONG_A, 1, pg_tuple(1, LONG_B), 2)), (pg_dict(pg_tuple(1, LONG_B), 2, LONG_A, PG_ANY)));
    YES((pg_dict("a", pg_dict("b", 1, "c", 2))), (pg_dict("a", pg_dict("c", 2))));
    /* A dict within a key is equal or not, whatever the order of its pairs, and the last of equal keys counts. */
    YES((pg_dict(pg_dict("x", 1, "y", LONG_A), 1)), (pg_dict(pg_dict("y", LONG_A, "x", 1), 1)));
    NO((pg_dict(pg_dict("x", 1, "y", 2), 1)), (pg_dict(pg_dict("y", 2), 1)));
    YES((pg_dict(pg_list(pg_dict("x", LONG_A, "y", pg_tuple(2))), 1)),
        (pg_dict(pg_list(pg_dict("y", 9, "y", pg_tuple(2), "x", LONG_B, "x", LONG_A)), 1)));
}

/* A part of a message as part of a pattern means what its value would. */
static void test_terms(void)
{
    pg_message *msg = build(PG_VALUES(1, LONG_A, pg_tuple(1, pg_list(LONG_B)), pg_dict("a", 1, "b", pg_tuple(2)), 2.5,
                                      pg_dict("b", pg_tuple(2), "a", 1, "c", 3)));
    const pg_term *t = pgi_message_terms(msg);
    for (unsigned i = 0; i < msg->count; i++) {
        for (unsigned j = 0; j < msg->count; j++)
            CHECK_EQ(pg_matches(&t[i], pg_v_term(&t[j])), i == j || (i == 5 && j == 3));
    }
    YES((1, pg_tuple(LONG_A, 7)), (&t[0], pg_tuple(&t[1], PG_INT)));
    NO((1, pg_tuple(LONG_B, 7)), (&t[0], pg_tuple(&t[1], PG_INT)));
    YES((pg_dict(pg_tuple(1, pg_list(LONG_B)), 7)), (pg_dict(&t[2], 7)));
    YES((pg_dict(pg_dict("a", 1, "b", pg_tuple(2)), 7)), (pg_dict(&t[3], 7)));

    /* What is compiled from terms is the same as what is compiled from values, and is recognised by them. */
    pgi_pattern *a, *b;
    CHECK_EQ(pgi_pattern_compile(PG_VALUES(&t[1], &t[2], &t[3], &t[0]), &a), PG_OK);
    CHECK_EQ(
        pgi_pattern_compile(PG_VALUES(LONG_A, pg_tuple(1, pg_list(LONG_B)), pg_dict("a", 1, "b", pg_tuple(2)), 1), &b),
        PG_OK);
    CHECK(pgi_pattern_same(a, b));
    CHECK(pgi_pattern_same_as_values(b, PG_VALUES(&t[1], &t[2], &t[3], &t[0])));
    CHECK(!pgi_pattern_same_as_values(b, PG_VALUES(&t[1], &t[2], &t[3], &t[4])));
    pgi_pattern_free(a);
    pgi_pattern_free(b);
    pgi_message_free(NULL, msg);
}

static void test_exits(void)
{
    pg_message *down, *other, *terminate;
    pgi_pattern *p;
    const pg_pid pid = {99};
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "no disk", pg_dict("code", 5), pid, PGI_DOWN, &down), PG_OK);
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "no disk", PG_NIL, pid, PGI_DOWN, &other), PG_OK);
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_NORMAL, NULL, PG_NIL, (pg_pid){0}, PGI_TERMINATE, &terminate), PG_OK);
    CHECK_EQ(pgi_pattern_compile(PG_VALUES(PG_EXIT, PG_PID), &p), PG_OK);
    CHECK(pgi_pattern_match(p, down) && pgi_pattern_match(p, other) && !pgi_pattern_match(p, terminate));
    pgi_pattern_free(p);
    CHECK_EQ(pgi_pattern_compile(PG_VALUES(PG_EXIT), &p), PG_OK);
    CHECK(!pgi_pattern_match(p, down) && pgi_pattern_match(p, terminate));
    pgi_pattern_free(p);
    CHECK_EQ(pgi_pattern_compile(PG_VALUES(pgi_message_terms(down), PG_ANY), &p), PG_OK);
    CHECK(pgi_pattern_match(p, down) && !pgi_pattern_match(p, other));
    CHECK(pgi_pattern_same_as_values(p, PG_VALUES(pgi_message_terms(down), PG_ANY)));
    CHECK(!pgi_pattern_same_as_values(p, PG_VALUES(pgi_message_terms(other), PG_ANY)));
    pgi_pattern_free(p);
    CHECK(pg_matches(pgi_message_terms(down), pgi_message_terms(down)));
    CHECK(!pg_matches(pgi_message_terms(down), pgi_message_terms(other)));
    CHECK(!pg_matches(pgi_message_terms(down), pgi_message_terms(terminate)));
    pgi_message_free(NULL, down);
    pgi_message_free(NULL, other);
    pgi_message_free(NULL, terminate);
}

static void test_refusals(void)
{
    STATUS((PG_ETC, 1), PG_EPATTERN);
    STATUS((1, PG_ETC, PG_ETC), PG_EPATTERN);
    STATUS((pg_tuple(PG_ETC, 1)), PG_EPATTERN);
    STATUS((pg_list(1, pg_list(PG_ETC, 1))), PG_EPATTERN);
    STATUS((pg_dict("a", PG_ETC)), PG_EPATTERN);
    STATUS((pg_dict(PG_ETC, 1)), PG_EPATTERN);
    STATUS((pg_dict(PG_ANY, 1)), PG_EPATTERN);
    STATUS((pg_dict(PG_INT, 1)), PG_EPATTERN);
    STATUS((pg_dict(PG_WHERE(is_positive), 1)), PG_EPATTERN);
    STATUS((pg_dict(pg_tuple(1, PG_ETC), 1)), PG_EPATTERN);
    STATUS((pg_dict(pg_tuple(PG_ANY), 1)), PG_EPATTERN);
    STATUS((pg_dict("a", pg_tuple(PG_ETC))), PG_OK);
    STATUS((UINT64_MAX), PG_EINVAL);
    STATUS((pg_tuple(1, PG_WHERE(NULL))), PG_EINVAL);
    STATUS(((const pg_term *)NULL), PG_EINVAL);
    STATUS((pg_dict(1)), PG_EINVAL);
    STATUS((pg_tuple_of(3, NULL)), PG_EINVAL);
    STATUS((pg_strn(NULL, 40)), PG_EINVAL);
    STATUS((pg_p_type(PG_T_ANY)), PG_EINVAL);
    STATUS((pg_p_type((pg_type)200)), PG_EINVAL);
    STATUS((pg_v_make(PG_T_EXIT, 0, 0)), PG_EINVAL);
    STATUS((pg_v_make((pg_type)77, 0, 0)), PG_EINVAL);
    STATUS((pg_tuple_of((size_t)1 << 50, &(pg_value){0, 0})), PG_ENOMEM);
    STATUS((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), PG_OK);
    STATUS((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17), PG_ETOOMANY);
    CHECK_EQ(status_of(1, NULL), PG_EINVAL);

    pg_message *msg = build(PG_VALUES(1));
    const pg_value bad[] = {PG_ETC, pg_dict(PG_ANY, 1), pg_p_where(NULL), pg_tuple(PG_ETC, 1), pg_v_uint(UINT64_MAX)};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!pg_matches(pgi_message_terms(msg), bad[i]));
    pgi_message_free(NULL, msg);
}

/* As deep as a message may be, and no deeper; and a value that contains itself. */
static void test_depth(void)
{
    pg_value levels[PG_DEPTH_MAX + 2], loop[1];
    levels[0] = pg_v_str(LONG_A);
    for (int i = 1; i < PG_DEPTH_MAX + 2; i++)
        levels[i] = i % 2 != 0 ? pg_tuple_of(1, &levels[i - 1]) : pg_list_of(1, &levels[i - 1]);
    CHECK(matches(1, &levels[PG_DEPTH_MAX - 1], 1, &levels[PG_DEPTH_MAX - 1]));
    CHECK(!matches(1, &levels[PG_DEPTH_MAX - 1], 1, &levels[PG_DEPTH_MAX - 2]));
    CHECK_EQ(status_of(1, &levels[PG_DEPTH_MAX + 1]), PG_ETOOMANY);
    pg_message *msg = build(1, &levels[PG_DEPTH_MAX]);
    CHECK(pg_matches_value(pgi_message_terms(msg), levels[PG_DEPTH_MAX]));
    CHECK(!pg_matches_value(pgi_message_terms(msg), levels[PG_DEPTH_MAX + 1]));
    pgi_message_free(NULL, msg);
    CHECK_EQ(pgi_message_build(NULL, 1, &levels[PG_DEPTH_MAX + 1], &msg), PG_ETOOMANY);
    loop[0] = pg_tuple_of(1, loop);
    CHECK_EQ(status_of(1, loop), PG_ETOOMANY);
    pgi_pattern *p;
    CHECK_EQ(pgi_pattern_compile(1, &levels[PG_DEPTH_MAX], &p), PG_OK);
    CHECK(!pgi_pattern_same_as_values(p, 1, loop));
    CHECK(pgi_pattern_same_as_values(p, 1, &levels[PG_DEPTH_MAX]));
    pgi_pattern_free(p);
}

static void test_identity(void)
{
    static const struct {
        bool shareable, pure;
    } expected[] = {{true, true}, {false, true}, {false, true}, {true, false}, {false, true}};
    const pg_value inner[] = {pg_v_ref((pg_ref){3})};
    const pg_value patterns[][2] = {{pg_v_str("a"), PG_INT},
                                    {pg_v_str("a"), pg_v_pid((pg_pid){4})},
                                    {pg_v_str("a"), pg_tuple_of(1, inner)},
                                    {pg_v_str("a"), pg_p_where(is_positive)},
                                    {pg_v_ptr(inner), PG_ETC}};
    pgi_pattern *compiled[5];
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(pgi_pattern_compile(2, patterns[i], &compiled[i]), PG_OK);
        CHECK_EQ(pgi_pattern_shareable(compiled[i]), expected[i].shareable);
        CHECK_EQ(pgi_pattern_pure(compiled[i]), expected[i].pure);
    }
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 5; j++) {
            CHECK_EQ(pgi_pattern_same(compiled[i], compiled[j]), i == j);
            CHECK_EQ(pgi_pattern_same_as_values(compiled[i], 2, patterns[j]), i == j);
        }
        CHECK(!pgi_pattern_same_as_values(compiled[i], 1, patterns[i]));
        CHECK(!pgi_pattern_same_as_values(compiled[i], 2, NULL));
    }
    for (size_t i = 0; i < 5; i++) pgi_pattern_free(compiled[i]);
}

static void check_text(size_t count, const pg_value *values, const char *text)
{
    char printed[512], wanted[512];
    pgi_pattern *p;
    pgi_print printer;
    CHECK_EQ(pgi_pattern_compile(count, values, &p), PG_OK);
    pgi_print_init(&printer, printed, sizeof printed);
    pgi_pattern_print(&printer, p);
    pgi_print_init(&printer, wanted, sizeof wanted);
    pgi_print_values(&printer, count, values);
    CHECK_STR(printed, wanted);
    if (text != NULL) CHECK_STR(printed, text);
    pgi_pattern_free(p);
}

static void test_printing(void)
{
    check_text(0, NULL, "()");
    check_text(PG_VALUES("hello", PG_INT, PG_ANY, PG_ETC), "(\"hello\", int, any, etc)");
    check_text(PG_VALUES(pg_tuple(1, pg_list(2.5, PG_ETC)), pg_dict("b", PG_STR, "a", pg_tuple())),
               "((1, [2.5, etc]), {\"b\": str, \"a\": ()})");
    check_text(PG_VALUES(LONG_A, PG_WHERE(is_positive), (pg_pid){5}, PG_EXIT, pg_bytes(LONG_B, 20)), NULL);
}

static void test_memory(void)
{
    pgi_pattern *p;
    pgi_pattern_buffer buffer;
    const pg_value pattern[] = {pg_v_str(LONG_A), PG_ETC}, large[] = {pg_strn(LONG_A LONG_A, 70)};
    const pg_value larger[] = {large[0], large[0], large[0], large[0], large[0], large[0], large[0], large[0]};
    pgi_memory_fail(1);
    CHECK_EQ(pgi_pattern_compile(2, pattern, &p), PG_ENOMEM);
    CHECK(p == NULL);
    pgi_memory_fail(1);
    CHECK_EQ(pgi_pattern_compile_into(&buffer, 2, pattern, &p), PG_OK); /* without allocating */
    CHECK((void *)p == (void *)&buffer);
    CHECK(pgi_pattern_copy(p) == NULL);
    pgi_pattern_leave(&buffer, p);
    pgi_memory_fail(1);
    CHECK_EQ(pgi_pattern_compile_into(&buffer, 8, larger, &p), PG_ENOMEM);
    pgi_memory_fail(0);
    CHECK_EQ(pgi_pattern_compile_into(&buffer, 8, larger, &p), PG_OK);
    CHECK((void *)p != (void *)&buffer);
    pgi_pattern_leave(&buffer, p);
}

/* ------------------------------------------------------------------------------------------------ random patterns */

static void test_random(void)
{
    static world w;
    unsigned yes = 0, rounds = 0;
    w.random = check_seed();
    int64_t until = check_now_ns() + check_duration_ms(SANITIZED ? 2000 : 500) * 1000000;
    for (unsigned i = 0; check_now_ns() < until; i++, rounds++) {
        w.used = 0;
        pg_value tuple = random_message(&w, 4), pattern = random_receiver(&w, tuple, 4);
        size_t count = pgi_value_count(tuple), elements = pgi_value_count(pattern);
        const pg_value *values = pgi_value_elements(tuple), *wanted = pgi_value_elements(pattern);
        bool expected = plainly_matches(pattern, tuple);
        bool got = matches(count, values, elements, wanted);
        if (got != expected) {
            char m[1000], p[1000];
            pg_format_value(m, sizeof m, tuple);
            pg_format_value(p, sizeof p, pattern);
            CHECK_FAIL("round %u: %s by %s is %d", i, m, p, got);
        }
        yes += got;
        pgi_pattern *compiled;
        CHECK_EQ(pgi_pattern_compile(elements, wanted, &compiled), PG_OK);
        CHECK(pgi_pattern_same_as_values(compiled, elements, wanted));
        pgi_pattern_free(compiled);
        if (i % 16 == 0) check_text(elements, wanted, NULL);
    }
    printf("%u random patterns and messages, %u of them match\n", rounds, yes);
    CHECK(yes > rounds / 10 && yes < rounds - rounds / 10); /* else it tests little */
}

int main(void)
{
    test_plain();
    test_numbers();
    test_predicates();
    test_sequences();
    test_dicts();
    test_terms();
    test_exits();
    test_refusals();
    test_depth();
    test_identity();
    test_printing();
    test_memory();
    test_random();
    return 0;
}
