/* print_test.c - what messages, values and patterns look like as text, in full, cut short, and when they are
 * malformed. */
#include "print.h"

#include <locale.h>
#include <math.h>

#include "check.h"

__attribute__((weak, noreturn)) void pg_fail(pg_process *self, const char *format, ...)
{
    (void)self;
    fputs(format, stderr);
    abort();
}

__attribute__((weak)) void pgi_embedded_free(pg_message *message)
{
    (void)message;
}

/* The text of a value, and of the message of it alone, which must agree where it can be sent. */
static const char *text_of(pg_value value)
{
    static char text[20000], sent[20000];
    pg_message *message;
    size_t length = pg_format_value(text, sizeof text, value);
    CHECK_EQ(length, strlen(text));
    if (pgi_message_build(NULL, 1, &value, &message) != PG_OK) return text;
    length = pg_format_term(sent, sizeof sent, pg_get(NULL, message, 0));
    CHECK_EQ(length, strlen(sent));
    CHECK_STR(sent, text);
    char *whole = malloc(length + 3);
    CHECK_EQ(pg_format_message(whole, length + 3, message), length + 2);
    CHECK(whole[0] == '(' && whole[length + 1] == ')' && memcmp(whole + 1, text, length) == 0);
    free(whole);
    pgi_message_free(NULL, message);
    return text;
}

static bool always(const pg_term *term)
{
    (void)term;
    return true;
}

static void test_scalars(void)
{
    CHECK_STR(text_of(PG_NIL), "nil");
    CHECK_STR(text_of(PG_TRUE), "true");
    CHECK_STR(text_of(PG_FALSE), "false");
    CHECK_STR(text_of(PG_V(0)), "0");
    CHECK_STR(text_of(PG_V(INT64_MIN)), "-9223372036854775808");
    CHECK_STR(text_of(PG_V(INT64_MAX)), "9223372036854775807");
    CHECK_STR(text_of(PG_V((pg_pid){(uint64_t)1 << 52 | (uint64_t)5 << 28 | 17})), "<pid 1.5.17>");
    CHECK_STR(text_of(PG_V((pg_pid){UINT64_MAX})), "<pid 4095.16777215.268435455>");
    CHECK_STR(text_of(PG_V((pg_pid){0})), "<pid none>");
    CHECK_STR(text_of(PG_V((pg_ref){42})), "<ref 42>");
    CHECK_STR(text_of(PG_V((void *)0xabc)), "<ptr 0xabc>");
    CHECK_STR(text_of(PG_V(UINT64_MAX)), "<invalid>");
}

static void test_floats(void)
{
    CHECK_STR(text_of(PG_V(2.5)), "2.5");
    CHECK_STR(text_of(PG_V(1.0)), "1.0");
    CHECK_STR(text_of(PG_V(-0.0)), "-0.0");
    CHECK_STR(text_of(PG_V(0.1)), "0.1");
    CHECK_STR(text_of(PG_V(0.1 + 0.2)), "0.30000000000000004");
    CHECK_STR(text_of(PG_V(1e300)), "1e+300");
    CHECK_STR(text_of(PG_V(5e-324)), "4.94065645841247e-324");
    CHECK_STR(text_of(PG_V(1.7976931348623157e308)), "1.7976931348623157e+308");
    CHECK_STR(text_of(PG_V(INFINITY)), "inf");
    CHECK_STR(text_of(PG_V(-INFINITY)), "-inf");
    CHECK_STR(text_of(PG_V(NAN)), "nan");
    CHECK_STR(text_of(PG_V(copysign(NAN, -1))), "nan");

    uint64_t state = check_seed();
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = check_random(&state);
        double d;
        memcpy(&d, &bits, sizeof d);
        if (!isfinite(d)) continue;
        CHECK(strtod(text_of(PG_V(d)), NULL) == d);
    }
    const char *locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    for (int i = 0; i < 3; i++) {
        if (setlocale(LC_NUMERIC, locales[i]) == NULL) continue;
        CHECK_STR(text_of(PG_V(2.5)), "2.5");
        CHECK_STR(text_of(PG_V(1.0)), "1.0");
    }
    setlocale(LC_NUMERIC, "C");
}

static void test_strings(void)
{
    CHECK_STR(text_of(PG_V("")), "\"\"");
    CHECK_STR(text_of(PG_V("hello")), "\"hello\"");
    CHECK_STR(text_of(PG_V("12345678901234")), "\"12345678901234\"");
    CHECK_STR(text_of(PG_V("123456789012345")), "\"123456789012345\"");
    CHECK_STR(text_of(PG_V("say \"hi\" \\ there\n\t\x01\x7f\a\r")),
              "\"say \\\"hi\\\" \\\\ there\\n\\t\\x01\\x7f\\a\\r\"");
    CHECK_STR(text_of(pg_strn("a\0b", 3)), "\"a\\x00b\"");
    CHECK_STR(text_of(PG_V("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80")),
              "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"");
    CHECK_STR(text_of(PG_V("\xc3")), "\"\\xc3\"");
    CHECK_STR(text_of(PG_V("\xc0\x80")), "\"\\xc0\\x80\"");
    CHECK_STR(text_of(PG_V("\xed\xa0\x80")), "\"\\xed\\xa0\\x80\"");
    CHECK_STR(text_of(PG_V("\xf4\x90\x80\x80")), "\"\\xf4\\x90\\x80\\x80\"");
    CHECK_STR(text_of(PG_V("\xe2\x82")), "\"\\xe2\\x82\"");
    CHECK_STR(text_of(pg_bytes("ab\0\xc3\xbc\"", 6)), "b\"ab\\x00\\xc3\\xbc\\\"\"");
    CHECK_STR(text_of(pg_bytes("", 0)), "b\"\"");
}

static void test_sequences(void)
{
    CHECK_STR(text_of(pg_tuple()), "()");
    CHECK_STR(text_of(pg_list()), "[]");
    CHECK_STR(text_of(pg_dict()), "{}");
    CHECK_STR(text_of(pg_tuple("hello", 123, 2.5, PG_TRUE, PG_NIL)), "(\"hello\", 123, 2.5, true, nil)");
    CHECK_STR(text_of(pg_list(1, pg_list(2), pg_tuple(3))), "[1, [2], (3)]");
    CHECK_STR(text_of(pg_dict("k", 1, "l", pg_dict(1, 2))), "{\"k\": 1, \"l\": {1: 2}}");
    char text[100];
    CHECK_EQ(pg_format_message(text, sizeof text, &pgi_no_args), 2);
    CHECK_STR(text, "()");
    pg_format_message(text, sizeof text, NULL);
    CHECK_STR(text, "<no message>");
    pg_format_term(text, sizeof text, NULL);
    CHECK_STR(text, "<no term>");
}

static void test_patterns(void)
{
    char text[300], expected[300];
    pgi_print p;
    const pg_value pattern[] = {
        PG_V("hello"),      PG_INT,  PG_STR,  PG_BOOL, PG_FLOAT, PG_BYTES, PG_PID,           PG_REF,
        PG_TUPLE,           PG_LIST, PG_DICT, PG_EXIT, PG_PTR,   PG_ANY,   PG_WHERE(always), pg_dict("k", PG_ANY),
        pg_list(1, PG_ETC), PG_ETC};
    pgi_print_init(&p, text, sizeof text);
    pgi_print_values(&p, sizeof pattern / sizeof pattern[0], pattern);
    snprintf(expected, sizeof expected,
             "(\"hello\", int, str, bool, float, bytes, pid, ref, tuple, list, dict, exit, ptr, any, where(0x%zx), "
             "{\"k\": any}, [1, etc], etc)",
             (size_t)(uintptr_t)always);
    CHECK_STR(text, expected);
    CHECK_EQ(p.length, strlen(expected));
    pgi_print_init(&p, text, sizeof text);
    pgi_print_text(&p, "x");
    pgi_print_values(&p, 0, NULL);
    pgi_print_format(&p, " %d%%", 5);
    CHECK_STR(text, "x() 5%");
    CHECK_STR(pgi_type_name(PG_T_WHERE), "where");
    CHECK_STR(pgi_type_name(PG_T_TERM), "term");
    CHECK_STR(pgi_type_name(PG_T_INVALID), "invalid");
    CHECK_STR(pgi_type_name(77), "invalid");
}

static void check_exit_text(const char *expected, pg_exit_kind kind, const char *text, pg_value error, pg_pid pid)
{
    char found[300];
    pg_message *message;
    CHECK_EQ(pgi_message_build_exit(NULL, kind, text, error, pid, PGI_DOWN, &message), PG_OK);
    pg_format_message(found, sizeof found, message);
    CHECK_STR(found, expected);
    pgi_message_free(NULL, message);
}

static void test_exits(void)
{
    pg_pid none = {0}, pid = {17};
    check_exit_text("(exit(normal))", PG_EXIT_NORMAL, NULL, PG_NIL, none);
    check_exit_text("(exit(failed: it is\\nbroken), <pid 0.0.17>)", PG_EXIT_FAILED, "it is\nbroken", PG_NIL, pid);
    check_exit_text("(exit(failed: x, 42))", PG_EXIT_FAILED, "x", PG_V(42), none);
    check_exit_text("(exit(failed: 42))", PG_EXIT_FAILED, "", PG_V(42), none);
    check_exit_text("(exit(failed: same))", PG_EXIT_FAILED, "same", PG_V("same"), none);
    check_exit_text("(exit(killed))", PG_EXIT_KILLED, "", PG_NIL, none);
    check_exit_text("(exit(unknown))", (pg_exit_kind)99, "", PG_NIL, none);
    CHECK_STR(pgi_exit_kind_name(PG_EXIT_UNHANDLED_MESSAGE), "unhandled message");
    CHECK_STR(pgi_exit_kind_name(PG_EXIT_UNHANDLED_EXIT), "unhandled exit");
    CHECK_STR(pgi_exit_kind_name(-1), "unknown");
}

/* Every size of buffer: what fits is there and terminated, nothing behind it is touched, the length is the same. */
static void test_cut(void)
{
    const pg_value value = pg_tuple("a \"quoted\" one", 2.5, pg_list(PG_NIL, (pg_pid){5}), pg_bytes("\1\2", 2));
    char whole[200];
    size_t length = pg_format_value(whole, sizeof whole, value);
    CHECK_EQ(length, strlen(whole));
    CHECK_EQ(pg_format_value(NULL, 0, value), length);
    CHECK_EQ(pg_format_value(NULL, 50, value), length);
    for (size_t size = 0; size <= length + 5; size++) {
        char *text = malloc(size + 8);
        memset(text, 'Z', size + 8);
        CHECK_EQ(pg_format_value(text, size, value), length);
        for (size_t i = size; i < size + 8; i++) CHECK_EQ(text[i], 'Z');
        if (size != 0) {
            size_t part = length < size - 1 ? length : size - 1;
            CHECK_EQ(strlen(text), part);
            CHECK(memcmp(text, whole, part) == 0);
        }
        free(text);
    }
}

static void test_malformed(void)
{
    CHECK_STR(text_of(pg_list_of(5, NULL)), "<invalid>");
    CHECK_STR(text_of(pg_v_make(PG_T_STR, 100, PG_LONG_MARK)), "<invalid>");
    CHECK_STR(text_of(pg_v_make(PG_T_BYTES, 100, UINT64_C(100) << 56)), "<invalid>");
    CHECK_STR(text_of(pg_v_make((pg_type)99, 1, 1)), "<invalid>");
    CHECK_STR(text_of(pg_v_term(NULL)), "<invalid>");
    CHECK_STR(text_of(pg_dict_of(3, NULL)), "<invalid>");
    CHECK_STR(text_of(pg_p_where(NULL)), "<invalid>");
    CHECK_STR(text_of(pg_p_type((pg_type)99)), "invalid");

    /* A list of two elements that are itself: the text ends, and soon. */
    static pg_value self[2];
    self[0] = self[1] = pg_list_of(2, self);
    size_t length = pg_format_value(NULL, 0, self[0]);
    CHECK(length > 10 && length < 1000);

    pg_value nested = PG_V(1);
    static pg_value levels[PG_DEPTH_MAX];
    for (int i = 0; i < PG_DEPTH_MAX; i++) {
        levels[i] = nested;
        nested = pg_list_of(1, &levels[i]);
    }
    CHECK_EQ(strlen(text_of(nested)), 2 * PG_DEPTH_MAX + 1);
}

int main(void)
{
    test_scalars();
    test_floats();
    test_strings();
    test_sequences();
    test_patterns();
    test_exits();
    test_cut();
    test_malformed();
    return 0;
}
