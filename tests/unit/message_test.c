/* message_test.c - building: every size and type, limits, malformed values, failing memory; copying; random values that
 * are packed and compared with a naive reading of them. */
#include "message.h"

#include <math.h>
#include <time.h>

#include "check.h"

__attribute__((weak, noreturn)) void pg_fail(pg_process *self, const char *format, ...)
{
    (void)self;
    fputs(format, stderr);
    abort();
}

static int embedded_freed;

static void fake_embedded_free(pg_message *message)
{
    (void)message;
    embedded_freed++;
}

__attribute__((weak, alias("fake_embedded_free"))) void pgi_embedded_free(pg_message *message);

/* Whether the term equals what `value` would become. */
static bool equals_value(const pg_term *term, pg_value value)
{
    return pgi_term_compare_value(term, value) == 0;
}

static pg_message *build(size_t count, const pg_value *values)
{
    pg_message *message;
    CHECK_EQ(pgi_message_build(NULL, count, values, &message), PG_OK);
    CHECK(message != NULL);
    return message;
}

static void check_refused(int status, size_t count, const pg_value *values)
{
    pg_message *message = &pgi_no_args;
    CHECK_EQ(pgi_message_build(NULL, count, values, &message), status);
    CHECK(message == NULL);
}

static void check_value_refused(int status, pg_value value)
{
    const pg_value values[2] = {PG_V(1), value};
    const pg_value inside = pg_list_of(2, values);
    check_refused(status, 2, values);
    check_refused(status, 1, &inside);
}

/* ------------------------------------------------------------------------------------------- sizes and malformed */

static void test_counts(void)
{
    pg_value values[PG_VALUES_MAX + 1];
    for (int i = 0; i <= PG_VALUES_MAX; i++) values[i] = PG_V(i * 3);
    for (size_t count = 0; count <= PG_VALUES_MAX; count++) {
        pg_message *message = build(count, values);
        CHECK_EQ(message->count, count);
        CHECK_EQ(message->kind, PGI_USER);
        CHECK_EQ(message->flags, 0);
        CHECK_EQ(message->units, pgi_block_units(1 + count));
        for (size_t i = 0; i < count; i++) CHECK_EQ(pg_get_int(NULL, message, i), (int64_t)i * 3);
        pgi_message_free(NULL, message);
    }
    check_refused(PG_ETOOMANY, PG_VALUES_MAX + 1, values);
    check_refused(PG_ETOOMANY, SIZE_MAX, values);
    check_refused(PG_ETOOMANY, SIZE_MAX, NULL);
    check_refused(PG_EINVAL, 1, NULL);
    pgi_message_free(NULL, build(0, NULL));
    pgi_message_free(NULL, NULL);
}

static void check_text(size_t length)
{
    char *data = malloc(length + 1);
    size_t found;
    for (size_t i = 0; i < length; i++) data[i] = (char)(i * 7 + 1);
    const pg_value texts[2] = {pg_strn(data, length), pg_bytes(data, length)};
    const pg_value values[3] = {texts[0], pg_list_of(2, texts), PG_V(5)};
    pg_message *message = build(3, values);
    memset(data, 0, length);
    const pg_term *terms[3] = {pg_get(NULL, message, 0), pg_term_at(NULL, pg_get(NULL, message, 1), 0),
                               pg_term_at(NULL, pg_get(NULL, message, 1), 1)};
    for (int k = 0; k < 3; k++) {
        const char *text = pgi_term_text(terms[k], &found);
        CHECK_EQ(found, length);
        CHECK_EQ(text[length], 0);
        CHECK_EQ(pgi_term_is_long(terms[k]), length > PG_INLINE_MAX);
        for (size_t i = 0; i < length; i++) CHECK(text[i] == (char)(i * 7 + 1));
    }
    CHECK_EQ(pg_get_int(NULL, message, 2), 5);
    pgi_message_free(NULL, message);
    free(data);
}

static void test_texts(void)
{
    for (size_t length = 0; length <= 100; length++) check_text(length);
    check_text(100000);

    size_t huge = 100000000;
    char *data = malloc(huge);
    memset(data, 'x', huge);
    const pg_value value = pg_strn(data, huge);
    pg_message *message = build(1, &value);
    free(data);
    size_t length;
    const char *text = pg_term_str(NULL, pg_get(NULL, message, 0), &length);
    CHECK(length == huge && text[0] == 'x' && text[huge - 1] == 'x' && text[huge] == 0);
    pgi_message_free(NULL, message);
}

static void test_malformed(void)
{
    static const pg_value one = {PG_T_INT, 1};
    check_value_refused(PG_EINVAL, PG_ANY);
    check_value_refused(PG_EINVAL, PG_ETC);
    check_value_refused(PG_EINVAL, PG_INT);
    check_value_refused(PG_EINVAL, pg_v_make(PG_T_WHERE, 0, 1));
    check_value_refused(PG_EINVAL, PG_V(UINT64_MAX));
    check_value_refused(PG_EINVAL, pg_v_term(NULL));
    check_value_refused(PG_EINVAL, pg_v_make(PG_T_TERM, 0, 0));
    check_value_refused(PG_EINVAL, pg_list_of(1, NULL));
    check_value_refused(PG_EINVAL, pg_tuple_of(SIZE_MAX >> 8, NULL));
    check_value_refused(PG_EINVAL, pg_dict_of(1, &one));
    check_value_refused(PG_EINVAL, pg_v_make(PG_T_DICT, 3, (uint64_t)(uintptr_t)&one));
    check_value_refused(PG_EINVAL, pg_v_make(PG_T_EXIT, 1, (uint64_t)(uintptr_t)&one));
    check_value_refused(PG_EINVAL, pg_strn(NULL, 15));
    check_value_refused(PG_EINVAL, pg_v_make(PG_T_STR, 14, PG_LONG_MARK | 4096));
    check_value_refused(PG_EINVAL, pg_v_make(PG_T_BOOL, 0, 2));
    check_value_refused(PG_EINVAL, pg_v_make(PG_T_NIL, 0, 1));
    check_value_refused(PG_EINVAL, pg_v_make(PG_T_INT, 1, 1));
    for (unsigned mark = PG_INLINE_MAX + 1; mark < 255; mark++)
        check_value_refused(PG_EINVAL, pg_v_make(PG_T_BYTES, 0, (uint64_t)mark << 56));
    for (unsigned type = PG_T_INVALID; type < 256; type++)
        check_value_refused(PG_EINVAL, pg_v_make((pg_type)type, 0, 0));

    /* Sizes that no block has: refused before anything is read. */
    check_value_refused(PG_ENOMEM, pg_list_of(SIZE_MAX >> 8, &one));
    check_value_refused(PG_ENOMEM, pg_dict_of((SIZE_MAX >> 8) - 1, &one));
    check_value_refused(PG_ENOMEM, pg_strn((const char *)&one, SIZE_MAX >> 8));
    const pg_value both[2] = {pg_strn((const char *)&one, UINT64_C(0x900000000)),
                              pg_strn((const char *)&one, UINT64_C(0x900000000))};
    check_refused(PG_ENOMEM, 2, both);
}

static void test_depth(void)
{
    static pg_value levels[PG_DEPTH_MAX + 2];
    pg_message *message;
    pg_value value = PG_V(7);
    for (int depth = 1; depth <= PG_DEPTH_MAX + 1; depth++) {
        levels[depth] = value;
        value = depth % 2 ? pg_list_of(1, &levels[depth]) : pg_tuple_of(1, &levels[depth]);
        int status = pgi_message_build(NULL, 1, &value, &message);
        CHECK_EQ(status, depth <= PG_DEPTH_MAX ? PG_OK : PG_ETOOMANY);
        if (status != PG_OK) continue;

        /* The same as a term: alone it fits; one level deeper it is refused at the limit. */
        const pg_value term = pg_v_term(pg_get(NULL, message, 0)), inside = pg_list_of(1, &term);
        pg_message *again;
        CHECK_EQ(pgi_message_build(NULL, 1, &term, &again), PG_OK);
        CHECK(equals_value(pg_get(NULL, again, 0), value));
        pgi_message_free(NULL, again);
        status = pgi_message_build(NULL, 1, &inside, &again);
        CHECK_EQ(status, depth < PG_DEPTH_MAX ? PG_OK : PG_ETOOMANY);
        pgi_message_free(NULL, again);

        /* An exit may carry it, once. */
        CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "x", term, (pg_pid){1}, PGI_DOWN, &again), PG_OK);
        CHECK(equals_value(pg_get_error(NULL, again, 0), value));
        pg_message *third;
        const pg_value first = pg_v_term(pg_get(NULL, again, 0));
        status = pgi_message_build_exit(NULL, PG_EXIT_FAILED, "y", first, (pg_pid){1}, PGI_DOWN, &third);
        CHECK_EQ(status, depth < PG_DEPTH_MAX ? PG_OK : PG_ETOOMANY);
        pgi_message_free(NULL, third);
        pgi_message_free(NULL, again);
        pgi_message_free(NULL, message);
    }
    static pg_value self[2];
    self[0] = self[1] = pg_list_of(2, self);
    check_refused(PG_ETOOMANY, 1, self);
    self[0] = self[1] = pg_dict_of(2, self);
    check_refused(PG_ETOOMANY, 1, self);
}

/* ------------------------------------------------------------------------------------------------- random values */

enum { POOL = 4000 };
static pg_value pool[POOL];
static size_t pool_used;
static char texts[1 << 16];
static uint64_t state;

static uint64_t random_below(uint64_t n)
{
    return check_random(&state) % n;
}

static pg_value random_value(unsigned depth)
{
    static const double floats[] = {0.0, -0.0, 1.5, NAN, INFINITY, -1e300};
    uint64_t kind = random_below(depth == 0 || pool_used + 40 > POOL ? 9 : 13);
    if (kind == 4 || kind == 5) {
        size_t length = random_below(4) != 0 ? random_below(4) : random_below(60);
        const char *at = texts + random_below(4) + (length > 14 ? random_below(1000) : 0);
        return kind == 4 ? pg_strn(at, length) : pg_bytes(at, length);
    }
    switch (kind) {
    case 0: return PG_NIL;
    case 1: return pg_v_bool(random_below(2) != 0);
    case 2: return PG_V((int64_t)random_below(12) - 5);
    case 3: return PG_V(floats[random_below(6)]);
    case 6: return PG_V((pg_pid){random_below(5)});
    case 7: return PG_V((pg_ref){random_below(5)});
    case 8: return PG_V((void *)(uintptr_t)random_below(5));
    default: break;
    }
    size_t count = random_below(kind >= 11 ? 40 : 6);
    if (kind >= 11) count -= count % 2;
    if (pool_used + count > POOL) count = 0;
    pg_value *elements = &pool[pool_used];
    pool_used += count;
    for (size_t i = 0; i < count; i++) elements[i] = random_value(depth - 1);
    return kind == 9    ? pg_tuple_of(count, elements)
           : kind == 10 ? pg_list_of(count, elements)
                        : pg_dict_of(count, elements);
}

/* The naive reading: does the term say what the value says?  Knows nothing of order: a key of a dict means its last
 * pair, which is looked for among all. */
static bool same(const pg_term *term, pg_value value);

static bool same_key(pg_value a, pg_value b)
{
    pg_message *message;
    CHECK_EQ(pgi_message_build(NULL, 1, &a, &message), PG_OK);
    bool found = same(pgi_message_terms(message), b);
    pgi_message_free(NULL, message);
    return found;
}

static bool same_dict(const pg_term *term, pg_value value)
{
    const pg_value *pairs = pgi_value_elements(value);
    size_t count = pgi_value_count(value) / 2, distinct = 0;
    for (size_t i = 0; i < count; i++) {
        bool replaced = false;
        for (size_t j = i + 1; j < count; j++) replaced = replaced || same_key(pairs[2 * i], pairs[2 * j]);
        if (replaced) continue;
        distinct++;
        bool found = false;
        for (size_t j = 0; j < pg_term_count(NULL, term); j++)
            if (same(pg_term_key(NULL, term, j), pairs[2 * i]))
                found = same(pg_term_val(NULL, term, j), pairs[2 * i + 1]);
        if (!found || pg_term_lookup_value(NULL, term, pairs[2 * i]) == NULL) return false;
    }
    return distinct == pg_term_count(NULL, term);
}

static bool same(const pg_term *term, pg_value value)
{
    size_t length, count = pgi_value_count(value);
    pg_type type = (pg_type)(value.head & 0xff);
    if (pg_term_type(term) != type) return false;
    if (type == PG_T_STR || type == PG_T_BYTES) {
        const char *text = pgi_term_text(term, &length), *data = pgi_value_text(value);
        if (pgi_value_is_inline(&value)) {
            data = (const char *)&value + 1;
            count = 14 - (value.body >> 56);
        }
        return length == count && memcmp(text, data, count) == 0 && text[count] == 0;
    }
    if (type == PG_T_FLOAT) {
        double d;
        memcpy(&d, &value.body, sizeof d);
        return d == pgi_term_double(term) || (isnan(d) && isnan(pgi_term_double(term)));
    }
    if (type == PG_T_DICT) return same_dict(term, value);
    if (type != PG_T_LIST && type != PG_T_TUPLE) return term->body == value.body;
    if (count != pg_term_count(NULL, term)) return false;
    for (size_t i = 0; i < count; i++)
        if (!same(pg_term_at(NULL, term, i), pgi_value_elements(value)[i])) return false;
    return true;
}

/* In order, without duplicates, at every level. */
static bool well_formed(const pg_term *term)
{
    if (!pgi_in(term->head, PGI_SEQUENCES)) return true;
    const pg_term *elements = pgi_term_elements(term);
    bool dict = pgi_term_type(term) == PG_T_DICT;
    for (size_t i = 0; i < pgi_term_count(term); i++) {
        if (!well_formed(&elements[i])) return false;
        if (dict && i % 2 == 0 && i != 0 && pgi_term_compare(&elements[i - 2], &elements[i]) >= 0) return false;
    }
    return true;
}

static void test_random(void)
{
    for (size_t i = 0; i < sizeof texts; i++) texts[i] = (char)random_below(3); /* few, so that keys collide */
    for (int round = 0; round < 1000; round++) {
        pg_value values[PG_VALUES_MAX], again[PG_VALUES_MAX];
        pool_used = 0;
        size_t count = random_below(5);
        for (size_t i = 0; i < count; i++) values[i] = random_value(4);
        pg_message *message = build(count, values), *copy, *second;
        for (size_t i = 0; i < count; i++) {
            const pg_term *term = pg_get(NULL, message, i);
            CHECK(same(term, values[i]));
            CHECK(well_formed(term));
            CHECK(equals_value(term, values[i]));
            again[i] = pg_v_term(term);
        }
        /* Terms copied, at the top and inside of something, and the block copied, all outlive their source. */
        const pg_value wrapped[2] = {pg_list_of(count, again), pg_tuple_of(count, again)};
        second = build(2, wrapped);
        pg_message *terms = build(count, again);
        CHECK_EQ(pgi_message_copy(NULL, message, &copy), PG_OK);
        memset((char *)message + 16, 0xdd, 16 * (size_t)message->units - 16);
        pgi_message_free(NULL, message);
        for (size_t i = 0; i < count; i++) {
            CHECK(same(pg_get(NULL, copy, i), values[i]));
            CHECK(pgi_term_equal(pg_get(NULL, copy, i), pg_get(NULL, terms, i)));
            CHECK(pgi_term_equal(pg_get(NULL, copy, i), pg_term_at(NULL, pg_get(NULL, second, 0), i)));
            CHECK(same(pg_term_at(NULL, pg_get(NULL, second, 1), i), values[i]));
        }
        pgi_message_free(NULL, second);
        pgi_message_free(NULL, terms);
        pgi_message_free(NULL, copy);
    }
}

static void test_large_dict(void)
{
    enum { PAIRS = 50000 };
    static pg_value pairs[2 * PAIRS];
    for (int shape = 0; shape < 4; shape++) { /* sorted, reversed, all equal, scattered */
        int64_t last = -1;
        for (int64_t i = 0; i < PAIRS; i++) {
            int64_t key = shape == 0 ? i : shape == 1 ? PAIRS - i : shape == 2 ? 1 : i * 7919 % 1009;
            pairs[2 * i] = PG_V(key);
            pairs[2 * i + 1] = PG_V(i);
            if (key == 1) last = i;
        }
        const pg_value dict = pg_dict_of(2 * PAIRS, pairs);
        pg_message *message = build(1, &dict);
        const pg_term *term = pg_get(NULL, message, 0);
        CHECK_EQ(pg_term_count(NULL, term), shape < 2 ? PAIRS : shape == 2 ? 1 : 1009);
        CHECK(well_formed(term));
        CHECK_EQ(pg_term_int(NULL, pg_term_lookup(NULL, term, 1)), last);
        pgi_message_free(NULL, message);
    }
}

/* ------------------------------------------------------------------------------------------------ exits and others */

static void test_exits(void)
{
    pg_message *message, *copy;
    static _Alignas(16) unsigned char block[PGI_SIGNAL_BYTES + 16];
    const char *list[] = {NULL, "", "short", "exactly fourtn", "exactly fifteen", "much longer than fifteen bytes"};
    for (int i = 0; i < 6; i++) {
        for (uint64_t pid = 0; pid < 2; pid++) {
            const char *text = list[i] != NULL ? list[i] : "";
            char cut[PG_INLINE_MAX + 1];
            snprintf(cut, sizeof cut, "%s", text);
            CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_KILLED, list[i], PG_NIL, (pg_pid){pid},
                                            pid ? PGI_DOWN : PGI_TERMINATE, &message),
                     PG_OK);
            CHECK_EQ(message->count, 1 + pid);
            CHECK_EQ(message->kind, pid ? PGI_DOWN : PGI_TERMINATE);
            CHECK_EQ(pg_term_type(pg_get(NULL, message, 0)), PG_T_EXIT);
            const pg_term *parts = pgi_term_elements(pg_get(NULL, message, 0));
            CHECK_EQ(parts[0].body, PG_EXIT_KILLED);
            CHECK_STR(pg_term_str(NULL, &parts[1], NULL), text);
            CHECK_EQ(pg_term_type(&parts[2]), PG_T_NIL);
            if (pid) CHECK_EQ(pg_get_pid(NULL, message, 1).id, pid);
            pgi_message_free(NULL, message);

            memset(block, 0xee, sizeof block);
            message = pgi_signal_build(block, PG_EXIT_FAILED, list[i], (pg_pid){pid}, PGI_DOWN);
            CHECK((void *)message == (void *)block && message->flags == PGI_EMBEDDED && message->kind == PGI_DOWN);
            for (int j = 0; j < 16; j++) CHECK_EQ(block[PGI_SIGNAL_BYTES + j], 0xee);
            CHECK_EQ(message->count, 1 + pid);
            parts = pgi_term_elements(pg_get(NULL, message, 0));
            CHECK_EQ(parts[0].body, PG_EXIT_FAILED);
            CHECK_STR(pg_term_str(NULL, &parts[1], NULL), cut);
            CHECK_EQ(pg_term_type(&parts[2]), PG_T_NIL);
            CHECK_EQ(pgi_message_copy(NULL, message, &copy), PG_OK);
            CHECK_EQ(copy->flags, 0);
            CHECK(pgi_term_equal(pg_get(NULL, message, 0), pg_get(NULL, copy, 0)));
            pgi_message_free(NULL, copy);
        }
    }
    CHECK_EQ(pgi_message_build_exit(NULL, PG_EXIT_FAILED, "", PG_ANY, (pg_pid){0}, PGI_USER, &message), PG_EINVAL);
    CHECK(message == NULL);

    /* The hook, where it is the one of this file: the real one needs a real owner. */
    void (*volatile linked)(pg_message *) = pgi_embedded_free;
    if (linked != fake_embedded_free) return;
    pgi_message_free(NULL, pgi_signal_build(block, PG_EXIT_NORMAL, NULL, (pg_pid){1}, PGI_DOWN));
    CHECK_EQ(embedded_freed, 1);
}

static void test_args(void)
{
    pg_message *message;
    CHECK_EQ(pgi_message_build_args(NULL, (pg_value){0}, &message), PG_OK);
    CHECK(message == &pgi_no_args && pg_count(message) == 0);
    pgi_message_free(NULL, message);
    CHECK_EQ(pgi_message_build_args(NULL, pg_tuple(1, "a string that is a long one"), &message), PG_OK);
    CHECK_EQ(pg_count(message), 2);
    CHECK_EQ(pg_get_int(NULL, message, 0), 1);
    CHECK_STR(pg_get_str(NULL, message, 1), "a string that is a long one");
    pgi_message_free(NULL, message);

    const pg_value nested = pg_tuple(pg_list(1, 2), 3);
    pg_message *source = build(1, &nested), *refused = NULL;
    CHECK_EQ(pgi_message_build_args(NULL, PG_V(pg_get(NULL, source, 0)), &message), PG_OK);
    CHECK_EQ(pg_count(message), 2);
    CHECK_EQ(pg_term_count(NULL, pg_get(NULL, message, 0)), 2);
    pgi_message_free(NULL, message);
    CHECK_EQ(pgi_message_build_args(NULL, PG_V(pg_term_at(NULL, pg_get(NULL, source, 0), 0)), &refused), PG_EINVAL);
    pgi_message_free(NULL, source);

    CHECK_EQ(pgi_message_build_args(NULL, pg_tuple(), &message), PG_OK);
    CHECK_EQ(pg_count(message), 0);
    pgi_message_free(NULL, message);
    CHECK_EQ(pgi_message_build_args(NULL, PG_V(1), &refused), PG_EINVAL);
    CHECK_EQ(pgi_message_build_args(NULL, pg_list(1), &refused), PG_EINVAL);
    CHECK_EQ(pgi_message_build_args(NULL, pg_tuple_of(17, NULL), &refused), PG_ETOOMANY);
    CHECK_EQ(pgi_message_build_args(NULL, pg_tuple_of(1, NULL), &refused), PG_EINVAL);
    CHECK_EQ(pgi_message_build_args(NULL, pg_tuple(PG_ANY), &refused), PG_EINVAL);
    CHECK_EQ(pgi_message_build_args(NULL, pg_v_term(NULL), &refused), PG_EINVAL);
    CHECK(refused == NULL);
}

/* Each allocation of each kind of build fails in turn, until none does: the status says so and nothing leaks. */
static void test_failing(void)
{
    enum { PAIRS = 40 };
    pg_value pairs[2 * PAIRS];
    for (int i = 0; i < 2 * PAIRS; i++) pairs[i] = PG_V(100 - i);
    const pg_value inner[2] = {pg_dict_of(2 * PAIRS, pairs), PG_V("a string of more than fourteen bytes")};
    const pg_value values[3] = {pg_dict_of(2 * PAIRS, pairs), pg_list_of(2, inner), PG_V(1)};
    pg_message *source = build(3, values);
    int failures = 0;
    for (int kind = 0; kind < 4; kind++) {
        int status = PG_ENOMEM;
        for (long nth = 1; status != PG_OK; nth++) {
            pg_message *message = source;
            pgi_memory_fail(nth);
            status = kind == 0   ? pgi_message_build(NULL, 3, values, &message)
                     : kind == 1 ? pgi_message_build(NULL, 1, &values[2], &message)
                     : kind == 2 ? pgi_message_copy(NULL, source, &message)
                                 : pgi_message_build_exit(NULL, PG_EXIT_FAILED, "x", values[1], (pg_pid){1}, PGI_DOWN,
                                                          &message);
            pgi_memory_fail(0);
            CHECK_EQ(message == NULL, status != PG_OK);
            CHECK(status == PG_OK || status == PG_ENOMEM);
            failures += status != PG_OK;
            pgi_message_free(NULL, message);
        }
    }
    CHECK_EQ(failures, 4 + 1 + 1 + 2); /* tried block, block, two sorted dicts; block; block; block, dict */
    pgi_message_free(NULL, source);
}

/* Through a cache, and with a figure for people: what a small message costs to build and free. */
static void test_cache(void)
{
    static _Alignas(128) pgi_depot depot;
    enum { TIMES = 1000000 };
    pgi_cache cache;
    pg_message *message;
    pgi_depot_init(&depot);
    pgi_cache_init(&cache, &depot);
    for (int warm = 0; warm < 2; warm++) {
        int64_t begin = check_now_ns();
        for (int i = 0; i < TIMES; i++) {
            const pg_value values[3] = {PG_V("ping"), PG_V((pg_pid){77}), PG_V(i)};
            CHECK_EQ(pgi_message_build(&cache, 3, values, &message), PG_OK);
            pgi_message_free(&cache, message);
        }
        if (warm) printf("(\"ping\", pid, 1): %.1f ns to build and free\n", (double)(check_now_ns() - begin) / TIMES);
    }
    pgi_cache_drain(&cache);
    pgi_depot_destroy(&depot);
}

int main(void)
{
    state = check_seed();
    test_counts();
    test_texts();
    test_malformed();
    test_depth();
    test_random();
    test_large_dict();
    test_exits();
    test_args();
    test_failing();
    test_cache();
    return 0;
}
