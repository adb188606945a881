/* walk.c - see walk.h.  Every reader gets all terms, of the wrong types too; what takes time in proportion to a
 * term and all beneath it, printing, matching and copying, gets those at the top. */
#include "walk.h"

#include "check.h"
#include "runtime/message.h"
#include "runtime/pattern.h"
#include "runtime/print.h"

static volatile uint64_t sink;

/* Reads each byte; a compiler would leave out what nobody wants to know. */
static void read_bytes(const char *data, size_t length)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) sum += (unsigned char)data[i];
    sink = sum;
}

static void walk_text(const pg_term *term)
{
    size_t length;
    const char *text = pg_term_str(NULL, term, &length);
    if (text == NULL) text = pg_term_bytes(NULL, term, &length);
    CHECK(text != NULL);
    read_bytes(text, length);
    CHECK_EQ(text[length], 0);
}

static void walk_term(const pg_term *term, unsigned depth);

static void walk_dict(const pg_term *term, unsigned depth)
{
    size_t count = pg_term_count(NULL, term);
    for (size_t i = 0; i < count; i++) {
        const pg_term *key = pg_term_key(NULL, term, i), *value = pg_term_val(NULL, term, i);
        CHECK(pg_term_lookup_value(NULL, term, pg_v_term(key)) == value);
        if (i != 0) CHECK(pgi_term_compare(pg_term_key(NULL, term, i - 1), key) < 0);
        walk_term(key, depth + 1);
        walk_term(value, depth + 1);
    }
    CHECK(pg_term_key(NULL, term, count) == NULL && pg_term_val(NULL, term, count) == NULL);
}

static void walk_term(const pg_term *term, unsigned depth)
{
    pg_type type = pg_term_type(term);
    CHECK(type <= PG_T_PTR || type == PG_T_BUFFER);
    CHECK(depth <= PG_DEPTH_MAX + 1);
    sink = (uint64_t)pg_term_int(NULL, term) ^ (uint64_t)pg_term_bool(NULL, term) ^ pg_term_pid(NULL, term).id ^
           pg_term_ref(NULL, term).id ^ (uint64_t)(uintptr_t)pg_term_ptr(NULL, term);
    CHECK(pg_term_float(NULL, term) == 0 || type == PG_T_FLOAT);
    if (type == PG_T_STR || type == PG_T_BYTES) {
        walk_text(term);
    } else if (type == PG_T_DICT) {
        walk_dict(term, depth);
    } else if (type == PG_T_TUPLE || type == PG_T_LIST) {
        size_t count = pg_term_count(NULL, term);
        for (size_t i = 0; i < count; i++) walk_term(pg_term_at(NULL, term, i), depth + 1);
        CHECK(pg_term_at(NULL, term, count) == NULL);
    } else if (type == PG_T_EXIT) {
        size_t count = pgi_term_count(term); /* the fourth, which not all have, is a name */
        CHECK(count == 3 || count == 4);
        for (size_t i = 0; i < count; i++) walk_term(&pgi_term_elements(term)[i], depth + 1);
    }
}

/* By index, each with all the types. */
static void walk_values(const pg_message *message)
{
    pg_exit_info info;
    size_t length;
    for (size_t i = 0; i <= pg_count(message); i++) {
        const pg_term *term = pg_get(NULL, message, i);
        CHECK((term != NULL) == (i < pg_count(message)));
        sink = (uint64_t)pg_get_int(NULL, message, i) ^ pg_get_pid(NULL, message, i).id ^
               pg_get_ref(NULL, message, i).id ^ (uint64_t)(uintptr_t)pg_get_ptr(NULL, message, i) ^
               (uint64_t)pg_get_bool(NULL, message, i);
        CHECK(pg_get_float(NULL, message, i) == 0 || pg_term_type(term) == PG_T_FLOAT);
        const void *data = pg_get_buffer(NULL, message, i, &length);
        if (data != NULL) read_bytes(data, length);
        const char *text = pg_get_str(NULL, message, i);
        if (text != NULL) read_bytes(text, strlen(text));
        text = pg_get_bytes(NULL, message, i, &length);
        if (text != NULL) read_bytes(text, length);
        pg_get_exit(NULL, message, i, &info);
        CHECK(info.kind <= PG_EXIT_UNKNOWN);
        read_bytes(info.text, strlen(info.text));
        const pg_term *error = pg_get_error(NULL, message, i);
        if (error != NULL) walk_term(error, 1);
        if (term != NULL) walk_term(term, 0);
    }
}

static void walk_print(const pg_message *message)
{
    char some[64];
    size_t length = pg_format_message(NULL, 0, message);
    char *all = malloc(length + 1);
    CHECK_EQ(pg_format_message(all, length + 1, message), length);
    CHECK_EQ(memchr(all, 0, length) == NULL, true);
    CHECK_EQ(pg_format_message(some, sizeof some, message), length);
    CHECK(strlen(some) < sizeof some && memcmp(some, all, strlen(some)) == 0);
    free(all);
    for (size_t i = 0; i < pg_count(message); i++) {
        length = pg_format_term(some, sizeof some, pg_get(NULL, message, i));
        CHECK_EQ(pg_format_value(some, sizeof some, pg_v_term(pg_get(NULL, message, i))), length);
    }
}

static void walk_order(const pg_message *message)
{
    const pg_term *terms = pgi_message_terms(message);
    size_t count = pg_count(message);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(pgi_term_compare(&terms[i], &terms[i]), 0);
        CHECK(pgi_term_equal(&terms[i], &terms[i]));
        for (size_t j = 0; j < i; j++) {
            int there = pgi_term_compare(&terms[i], &terms[j]), back = pgi_term_compare(&terms[j], &terms[i]);
            CHECK_EQ((there > 0) - (there < 0), (back < 0) - (back > 0));
            CHECK(pgi_term_equal(&terms[i], &terms[j]) == (there == 0));
        }
    }
}

/* As patterns: the values themselves, their types, the rest, and elements of them with a rest.  NaNs match nothing,
 * and an exit may be deeper than a pattern: that the first one matches is for the caller to know. */
static void walk_patterns(const pg_message *message)
{
    pg_value values[PG_VALUES_MAX], types[PG_VALUES_MAX], etc = PG_ETC;
    char text[64];
    size_t count = pg_count(message);
    for (size_t i = 0; i < count; i++) {
        const pg_term *term = pg_get(NULL, message, i);
        pg_type type = pg_term_type(term);
        values[i] = pg_v_term(term);
        types[i] = pg_p_type(type);
        CHECK(pg_matches_value(term, types[i]));
        CHECK(pg_matches_value(term, PG_ANY));
        (void)pg_matches_value(term, values[i]);
        CHECK(pg_matches_value(term, pg_tuple_of(1, &etc)) == (type == PG_T_TUPLE));
        CHECK(pg_matches_value(term, pg_list_of(1, &etc)) == (type == PG_T_LIST));
        CHECK(pg_matches_value(term, pg_dict_of(0, NULL)) == (type == PG_T_DICT));
    }
    const pg_value *const all[3] = {values, types, &etc};
    for (int which = 0; which < 3; which++) {
        pgi_pattern *pattern;
        int status = pgi_pattern_compile(which == 2 ? 1 : count, all[which], &pattern);
        if (status != PG_OK) {
            CHECK(which == 0 && status == PG_ETOOMANY);
            continue;
        }
        bool matched = pgi_pattern_match(pattern, message);
        CHECK(matched || which == 0);
        CHECK(pgi_pattern_same_as_values(pattern, which == 2 ? 1 : count, all[which]) || which == 0);
        pgi_print p;
        pgi_print_init(&p, text, sizeof text);
        pgi_pattern_print(&p, pattern);
        pgi_pattern_free(pattern);
    }
}

/* The block, and each value, outlive their source. */
static void walk_copies(const pg_message *message)
{
    pg_value values[PG_VALUES_MAX];
    size_t count = pg_count(message);
    pg_message *copy, *built;
    CHECK_EQ(pgi_message_copy(NULL, message, &copy), PG_OK);
    for (size_t i = 0; i < count; i++) {
        CHECK(pgi_term_equal(pg_get(NULL, message, i), pg_get(NULL, copy, i)));
        values[i] = pg_v_term(pg_get(NULL, copy, i));
    }
    int status = pgi_message_build(NULL, count, values, &built);
    pgi_message_free(NULL, copy);
    if (status != PG_OK) {
        CHECK_EQ(status, PG_ETOOMANY); /* an exit with an error that is as deep as a value may be */
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const pg_term *term = pg_get(NULL, built, i);
        CHECK(pgi_term_equal(pg_get(NULL, message, i), term));
        walk_term(term, 0);
    }
    pgi_message_free(NULL, built);
}

void walk_message(const pg_message *message)
{
    walk_values(message);
    walk_print(message);
    walk_order(message);
    walk_patterns(message);
    walk_copies(message);
}
