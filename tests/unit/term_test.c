/* term_test.c - the order of terms, look-up in dicts, and the accessors: what they return and what they refuse. */
#include "term.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include "check.h"
#include "message.h"

/* Stand-ins for what the rest of the runtime does; weak, so that the real ones are used where they are linked. */
static jmp_buf failure;
static char reason[600];

__attribute__((noreturn, format(printf, 2, 3))) static void fake_fail(pg_process *self, const char *format, ...)
{
    va_list arguments;
    (void)self;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    longjmp(failure, 1);
}

__attribute__((weak, alias("fake_fail"))) void pg_fail(pg_process *self, const char *format, ...);

__attribute__((weak)) void pgi_embedded_free(pg_message *message)
{
    (void)message;
}

/* Whether the term equals what `value` would become. */
static bool equals_value(const pg_term *term, pg_value value)
{
    return pgi_term_compare_value(term, value) == 0;
}

static pg_message *build(size_t count, const pg_value *values)
{
    pg_message *message;
    CHECK_EQ(pgi_message_build(NULL, count, values, &message), PG_OK);
    return message;
}

/* In ascending order; what stands in one line is equal. */
static void test_order(void)
{
    static const char big[] = "a string of more than fourteen bytes",
                      bigger[] = "a string of more than fourteen bytes!";
    double negative_nan = copysign(NAN, -1.0);
    const pg_value rows[][2] = {
        {PG_NIL, PG_NIL},
        {PG_FALSE, PG_FALSE},
        {PG_TRUE, PG_TRUE},
        {PG_V(INT64_MIN), PG_V(INT64_MIN)},
        {PG_V(-1), PG_V(-1L)},
        {PG_V(0), PG_V('\0')},
        {PG_V(INT64_MAX), PG_V(UINT64_MAX / 2)},
        {PG_V(-INFINITY), PG_V(-(double)INFINITY)},
        {PG_V(-1.5), PG_V(-1.5f)},
        {PG_V(-0.0), PG_V(0.0)},
        {PG_V(1e-300), PG_V(1e-300)},
        {PG_V(INFINITY), PG_V((double)INFINITY)},
        {PG_V(NAN), PG_V(negative_nan)},
        {PG_V(""), pg_strn(NULL, 0)},
        {pg_strn("\0", 1), pg_strn("\0", 1)},
        {PG_V("a"), pg_strn("abc", 1)},
        {PG_V(big), pg_strn(bigger, sizeof bigger - 2)},
        {PG_V(bigger), pg_strn(bigger, sizeof bigger - 1)},
        {PG_V("ab"), PG_V("ab")},
        {PG_V("abcdefghijklmn"), PG_V("abcdefghijklmn")},
        {PG_V("abcdefghijklmno"), PG_V("abcdefghijklmno")},
        {PG_V("b"), PG_V("b")},
        {PG_V("\xff"), PG_V("\xff")},
        {pg_bytes("", 0), pg_bytes(NULL, 0)},
        {pg_bytes("a", 1), pg_bytes("a", 1)},
        {PG_V((pg_pid){1}), PG_V((pg_pid){1})},
        {PG_V((pg_pid){UINT64_MAX}), PG_V((pg_pid){UINT64_MAX})},
        {PG_V((pg_ref){5}), PG_V((pg_ref){5})},
        {pg_tuple(), pg_tuple_of(0, NULL)},
        {pg_tuple(2), pg_tuple(2)},
        {pg_tuple(1, 2.0), pg_tuple(1, 2.0)},
        {pg_tuple(1, 3.0), pg_tuple(1, 3.0)},
        {pg_list(), pg_list()},
        {pg_list(-0.0), pg_list(0.0)},
        {pg_list(pg_list(1)), pg_list(pg_list(1))},
        {pg_list(pg_list(2)), pg_list(pg_list(2))},
        {pg_dict(), pg_dict()},
        {pg_dict("a", 1), pg_dict("a", 1)},
        {pg_dict("a", 2), pg_dict("a", 1, "a", 2)},
        {pg_dict("a", 1, "b", 1), pg_dict("b", 1, "a", 1)},
        {pg_dict("a", 1, "b", pg_dict(1, 2, 3, 4)), pg_dict("b", pg_dict(3, 4, 1, 2), "a", 1)},
        {PG_V((void *)0), PG_V((void *)0)},
        {PG_V((void *)8), PG_V((void *)8)},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    pg_message *messages[ROWS];
    for (int i = 0; i < ROWS; i++) messages[i] = build(2, rows[i]);
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < ROWS; j++) {
            for (int k = 0; k < 4; k++) {
                const pg_term *a = &pgi_message_terms(messages[i])[k & 1], *b = &pgi_message_terms(messages[j])[k >> 1];
                int found = pgi_term_compare(a, b), of_value = pgi_term_compare_value(a, rows[j][k >> 1]);
                CHECK_EQ((found > 0) - (found < 0), (i > j) - (i < j));
                CHECK_EQ((of_value > 0) - (of_value < 0), (i > j) - (i < j));
                CHECK_EQ(pgi_term_equal(a, b), i == j);
                CHECK_EQ(equals_value(a, rows[j][k >> 1]), i == j);
                CHECK_EQ(equals_value(a, pg_v_term(b)), i == j);
            }
        }
        CHECK(!equals_value(pgi_message_terms(messages[i]), PG_ANY));
        CHECK(!equals_value(pgi_message_terms(messages[i]), PG_ETC));
        CHECK(!equals_value(pgi_message_terms(messages[i]), PG_INT));
        CHECK(!equals_value(pgi_message_terms(messages[i]), pg_v_term(NULL)));
    }
    for (int i = 0; i < ROWS; i++) pgi_message_free(NULL, messages[i]);
}

static void test_malformed_literals(void)
{
    const pg_value values[] = {pg_list(1, 2), PG_V("a string of more than fourteen bytes"), pg_dict(1, 2)};
    pg_message *message = build(3, values);
    const pg_term *terms = pgi_message_terms(message);
    CHECK(!equals_value(&terms[0], pg_list_of(2, NULL)));
    CHECK(!equals_value(&terms[1], pg_v_make(PG_T_STR, 36, PG_LONG_MARK)));
    CHECK(!equals_value(&terms[1], pg_v_make(PG_T_STR, 36, UINT64_C(77) << 56)));
    CHECK(!equals_value(&terms[2], pg_v_make(PG_T_DICT, 2, 0)));
    CHECK(!equals_value(&terms[2], pg_dict(1, PG_ANY)));
    CHECK(!equals_value(&terms[0], pg_v_make((pg_type)200, 2, 0)));
    pgi_message_free(NULL, message);
}

static void test_dict(void)
{
    enum { KEYS = 200 };
    pg_value pairs[4 * KEYS];
    char texts[KEYS][40];
    for (int i = 0; i < KEYS; i++) {
        int number = (i * 77) % KEYS;
        snprintf(texts[i], sizeof texts[i], number % 2 ? "k%d" : "a key of more than 14 bytes %d", number);
        pairs[4 * i] = PG_V(texts[i]);
        pairs[4 * i + 1] = PG_V(number);
        pairs[4 * i + 2] = PG_V(number);
        pairs[4 * i + 3] = PG_V(texts[i]);
    }
    const pg_value dict = pg_dict_of(4 * KEYS, pairs);
    pg_message *message = build(1, &dict);
    const pg_term *term = pg_get(NULL, message, 0);
    CHECK_EQ(pg_term_count(NULL, term), 2 * KEYS);
    for (int i = 0; i < KEYS; i++) {
        CHECK_EQ(pg_term_int(NULL, pg_term_lookup(NULL, term, texts[i])), (i * 77) % KEYS);
        CHECK_STR(pg_term_str(NULL, pg_term_lookup(NULL, term, (i * 77) % KEYS), NULL), texts[i]);
        const pg_term *key = pg_term_key(NULL, term, (size_t)i);
        CHECK(pgi_dict_find(term, key) == pg_term_val(NULL, term, (size_t)i));
        CHECK(pg_term_lookup(NULL, term, key) == pg_term_val(NULL, term, (size_t)i));
    }
    CHECK(pg_term_lookup(NULL, term, "no such key") == NULL);
    CHECK(pg_term_lookup(NULL, term, "no such key, and it is long") == NULL);
    CHECK(pg_term_lookup(NULL, term, KEYS) == NULL);
    CHECK(pg_term_lookup(NULL, term, 1.0) == NULL);
    CHECK(pg_term_lookup(NULL, term, PG_ANY) == NULL);
    pgi_message_free(NULL, message);
}

static void test_accessors(void)
{
    int x;
    const pg_value values[] = {PG_V(-5),          PG_V(2.5),         PG_TRUE,  PG_V("text"),   pg_bytes("a\0b", 3),
                               PG_V((pg_pid){7}), PG_V((pg_ref){8}), PG_V(&x), pg_tuple(1, 2), pg_dict("k", 3, "a", 4)};
    pg_message *m = build(10, values);
    size_t length = 99;
    CHECK_EQ(pg_count(m), 10);
    CHECK_EQ(pg_count(NULL), 0);
    CHECK_EQ(pg_get_int(NULL, m, 0), -5);
    CHECK(pg_get_float(NULL, m, 1) == 2.5);
    CHECK(pg_get_bool(NULL, m, 2));
    CHECK_STR(pg_get_str(NULL, m, 3), "text");
    CHECK(memcmp(pg_get_bytes(NULL, m, 4, &length), "a\0b", 3) == 0 && length == 3);
    CHECK(pg_get_bytes(NULL, m, 4, NULL) != NULL);
    CHECK_EQ(pg_get_pid(NULL, m, 5).id, 7);
    CHECK_EQ(pg_get_ref(NULL, m, 6).id, 8);
    CHECK(pg_get_ptr(NULL, m, 7) == &x);
    CHECK_EQ(pg_term_int(NULL, pg_get(NULL, m, 0)), -5);
    CHECK(pg_term_float(NULL, pg_get(NULL, m, 1)) == 2.5);
    CHECK(pg_term_bool(NULL, pg_get(NULL, m, 2)));
    CHECK_STR(pg_term_str(NULL, pg_get(NULL, m, 3), &length), "text");
    CHECK_EQ(length, 4);
    CHECK(pg_term_bytes(NULL, pg_get(NULL, m, 4), &length) != NULL && length == 3);
    CHECK_EQ(pg_term_pid(NULL, pg_get(NULL, m, 5)).id, 7);
    CHECK_EQ(pg_term_ref(NULL, pg_get(NULL, m, 6)).id, 8);
    CHECK(pg_term_ptr(NULL, pg_get(NULL, m, 7)) == &x);
    CHECK_EQ(pg_term_count(NULL, pg_get(NULL, m, 8)), 2);
    CHECK_EQ(pg_term_int(NULL, pg_term_at(NULL, pg_get(NULL, m, 8), 1)), 2);
    CHECK_EQ(pg_term_count(NULL, pg_get(NULL, m, 9)), 2);
    CHECK_EQ(pg_term_type(pg_get(NULL, m, 9)), PG_T_DICT);
    CHECK_EQ(pg_term_type(NULL), PG_T_INVALID);

    /* Neutral values: each accessor on each value that is of another type, out of range, and on nothing. */
    for (size_t i = 0; i <= 10; i++) {
        const pg_term *t = pg_get(NULL, m, i);
        CHECK_EQ(t == NULL, i == 10);
        if (i != 0) CHECK(pg_get_int(NULL, m, i) == 0 && pg_term_int(NULL, t) == 0);
        if (i != 1) CHECK(pg_get_float(NULL, m, i) == 0 && pg_term_float(NULL, t) == 0);
        if (i != 2) CHECK(!pg_get_bool(NULL, m, i) && !pg_term_bool(NULL, t));
        if (i != 3) CHECK(pg_get_str(NULL, m, i) == NULL && pg_term_str(NULL, t, &length) == NULL && length == 0);
        if (i != 4) CHECK(pg_get_bytes(NULL, m, i, &length) == NULL && pg_term_bytes(NULL, t, &length) == NULL);
        if (i != 5) CHECK(pg_get_pid(NULL, m, i).id == 0 && pg_term_pid(NULL, t).id == 0);
        if (i != 6) CHECK(pg_get_ref(NULL, m, i).id == 0 && pg_term_ref(NULL, t).id == 0);
        if (i != 7) CHECK(pg_get_ptr(NULL, m, i) == NULL && pg_term_ptr(NULL, t) == NULL);
        if (i < 8) CHECK(pg_term_count(NULL, t) == 0);
        if (i != 8) CHECK(pg_term_at(NULL, t, 0) == NULL);
        if (i != 9) CHECK(pg_term_key(NULL, t, 0) == NULL && pg_term_val(NULL, t, 0) == NULL);
        if (i != 9) CHECK(pg_term_lookup(NULL, t, "k") == NULL);
        CHECK(pg_get_error(NULL, m, i) == NULL);
    }
    CHECK(pg_term_at(NULL, pg_get(NULL, m, 8), 2) == NULL);
    CHECK(pg_term_key(NULL, pg_get(NULL, m, 9), 2) == NULL && pg_term_val(NULL, pg_get(NULL, m, 9), SIZE_MAX) == NULL);
    CHECK(pg_get(NULL, NULL, 0) == NULL && pg_get_int(NULL, NULL, 0) == 0);
    pgi_message_free(NULL, m);
}

static void test_exit(void)
{
    pg_message *m;
    pg_exit_info info;
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "it broke", PG_V(42), (pg_pid){9}, PGI_DOWN, &m), PG_OK);
    pg_get_exit(NULL, m, 0, &info);
    CHECK_EQ(info.kind, PG_EXIT_FAILED);
    CHECK_STR(info.text, "it broke");
    CHECK_EQ(info.pid.id, 9);
    CHECK_EQ(pg_term_int(NULL, pg_get_error(NULL, m, 0)), 42);
    pg_get_exit(NULL, m, 0, NULL);
    pg_get_exit(NULL, m, 1, &info);
    CHECK(info.kind == PG_EXIT_UNKNOWN && info.pid.id == 0 && info.text[0] == 0);
    CHECK(pg_get_error(NULL, m, 1) == NULL);
    pgi_message_free(NULL, m);

    char long_text[1000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_NORMAL, long_text, PG_NIL, (pg_pid){0}, PGI_TERMINATE, &m), PG_OK);
    pg_get_exit(NULL, m, 0, &info);
    CHECK_EQ(strlen(info.text), sizeof info.text - 1);
    CHECK_EQ(info.pid.id, 0);
    CHECK(pg_get_error(NULL, m, 0) == NULL);
    pgi_message_free(NULL, m);
}

#define CHECK_FAILS(text, call)                   \
    do {                                          \
        if (setjmp(failure) == 0) {               \
            (void)(call);                         \
            CHECK_FAIL("%s did not fail", #call); \
        }                                         \
        CHECK_STR(reason, text);                  \
    } while (0)

static void test_failures(void)
{
    int anything;
    pg_process *self = (pg_process *)(void *)&anything;
    const pg_value values[] = {PG_V("x"), PG_V(1), pg_list(1, 2), pg_dict("k", 1)};
    pg_message *m = build(4, values);
    CHECK_FAILS("argument 0 is str, not int: (\"x\", 1, [1, 2], {\"k\": 1})", pg_get_int(self, m, 0));
    CHECK_FAILS("argument 1 is int, not str: (\"x\", 1, [1, 2], {\"k\": 1})", pg_get_str(self, m, 1));
    CHECK_FAILS("argument 7 is asked for, but there are 4: (\"x\", 1, [1, 2], {\"k\": 1})", pg_get(self, m, 7));
    CHECK_FAILS("argument 0 of a message that is NULL", pg_get_int(self, NULL, 0));
    CHECK_FAILS("a term is int, not float: 1", pg_term_float(self, pg_get(self, m, 1)));
    CHECK_FAILS("a term is wanted, int, but NULL is given", pg_term_int(self, NULL));
    CHECK_FAILS("a term is int, not tuple, list or dict: 1", pg_term_count(self, pg_get(self, m, 1)));
    CHECK_FAILS("element 2 of a list is asked for, but it has 2: [1, 2]", pg_term_at(self, pg_get(self, m, 2), 2));
    CHECK_FAILS("element 1 of a dict is asked for, but it has 1: {\"k\": 1}", pg_term_val(self, pg_get(self, m, 3), 1));
    CHECK(pg_term_lookup(self, pg_get(self, m, 3), "absent") == NULL);
    pgi_message_free(NULL, m);
}

/* Whether this file's pg_fail() is the one that was linked: the real one needs a real process. */
static bool stands_in(void)
{
    void (*volatile linked)(pg_process *, const char *, ...) = pg_fail;
    return linked == fake_fail;
}

int main(void)
{
    test_order();
    test_malformed_literals();
    test_dict();
    test_accessors();
    test_exit();
    if (stands_in()) test_failures();
    return 0;
}
