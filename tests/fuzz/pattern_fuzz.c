/* pattern_fuzz.c - any bytes as patterns and as messages: compiled, printed, compared, and matched with one another,
 * alone and as the receivers of a set.
 *
 * An input is a row of patterns, then a row of messages.  A value is a byte that says its type, and what that needs;
 * where the input has come to its end all is nil.  What is no pattern, or no message, has to be refused.  Beside what
 * the sanitizers see: a set finds the first of its patterns that matches, and a copy says what its original does. */
#include "check.h"
#include "runtime/receiver.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATTERNS = 12, MESSAGES = 6, VALUES = 4096, DEEPEST = PG_DEPTH_MAX + 3 };

/* What is left of the input, and where values are put. */
static struct reader {
    const uint8_t *at, *end;
    pg_value values[VALUES];
    size_t used;
    const pg_message *terms_of; /* a message whose values may stand in others; NULL: none yet */
} in;

static uint8_t byte(void)
{
    return in.at < in.end ? *in.at++ : 0;
}

static uint64_t word(void)
{
    uint64_t w = 0;
    for (int i = 0; i < 8; i++) w = w << 8 | byte();
    return w;
}

/* Bytes of the input itself, so that what is read beyond them is seen. */
static pg_value text(pg_type type)
{
    size_t length = byte() % 40, left = (size_t)(in.end - in.at);
    if (length > left) length = left;
    const char *from = (const char *)in.at;
    in.at += length;
    return type == PG_T_STR ? pg_strn(from, length) : pg_bytes(from, length);
}

static bool odd_length(const pg_term *term)
{
    return pg_term_count(NULL, term) % 2 != 0;
}

static pg_value value(int depth);

static pg_value sequence(pg_type type, int depth)
{
    size_t count = byte() % 20;
    if (depth == DEEPEST || in.used + count > VALUES) count = 0;
    pg_value *values = &in.values[in.used];
    in.used += count;
    for (size_t i = 0; i < count; i++) values[i] = value(depth + 1);
    return type == PG_T_TUPLE  ? pg_tuple_of(count, values)
           : type == PG_T_LIST ? pg_list_of(count, values)
                               : pg_dict_of(count, values);
}

/* A value inside a message that was built before. */
static pg_value term(void)
{
    size_t count = in.terms_of ? pg_count(in.terms_of) : 0;
    return pg_v_term(count ? pg_get(NULL, in.terms_of, byte() % count) : NULL);
}

/* Small numbers, so that some are equal. */
static pg_value value(int depth)
{
    uint8_t type = byte() % (PG_T_INVALID + 3);
    switch (type) {
    case PG_T_NIL: return pg_v_nil();
    case PG_T_BOOL: return pg_v_bool(byte() & 1);
    case PG_T_INT: return pg_v_int(byte() % 4);
    case PG_T_FLOAT: {
        static const double some[] = {0.0, -0.0, 1.0, 2.5, (double)INFINITY, (double)NAN};
        return pg_v_float(some[byte() % (sizeof some / sizeof *some)]);
    }
    case PG_T_STR:
    case PG_T_BYTES: return text((pg_type)type);
    case PG_T_PID: return pg_v_pid((pg_pid){byte() % 4});
    case PG_T_REF: return pg_v_ref((pg_ref){byte() % 4});
    case PG_T_TUPLE:
    case PG_T_LIST:
    case PG_T_DICT: return sequence((pg_type)type, depth);
    case PG_T_PTR: return pg_v_ptr(byte() % 2 ? &in : NULL);
    case PG_T_ANY: return PG_ANY;
    case PG_T_ETC: return PG_ETC;
    case PG_T_TYPE: return pg_p_type((pg_type)byte());
    case PG_T_WHERE: return PG_WHERE(odd_length);
    case PG_T_TERM: return term();
    case PG_T_INVALID: return pg_v_make(byte(), 0, 0);
    case PG_T_INVALID + 1: return pg_v_int((int64_t)word());
    default: { /* a short text with anything in its place */
        uint64_t head = word(), body = word();
        pg_value v = pg_v_make(head & 1 ? PG_T_STR : PG_T_BYTES, head >> 8, body);
        return (v.body >> 56) == 255 ? pg_v_nil() : v;
    }
    }
}

/* Up to one more than a message may have. */
static size_t row(pg_value *values)
{
    size_t count = byte() % (PG_VALUES_MAX + 2);
    for (size_t i = 0; i < count; i++) values[i] = value(1);
    return count;
}

static void handler(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

/* What has to be true of any pattern. */
static void check_pattern(const pgi_pattern *pattern, size_t count, const pg_value *values)
{
    char text[600];
    pgi_print out;
    pgi_pattern *copy = pgi_pattern_copy(pattern), *again;
    CHECK(copy && pgi_pattern_same(pattern, copy) && pgi_pattern_hash(pattern) == pgi_pattern_hash(copy));
    CHECK_EQ(pgi_pattern_compile(count, values, &again), PG_OK);
    CHECK(pgi_pattern_same(pattern, again));
    pgi_pattern_same_as_values(pattern, count, values); /* may say no to a dict */
    pgi_print_init(&out, text, sizeof text);
    pgi_pattern_print(&out, copy);
    CHECK(strlen(text) < sizeof text);
    pgi_pattern_free(again);
    pgi_pattern_free(copy);
}

/* Compiles a row, and adds it to the set, which refuses it for the same reason.  NULL: it is no pattern. */
static pgi_pattern *compile(pgi_receiver_store *store, const pgi_receivers **set)
{
    pg_value values[PG_VALUES_MAX + 1];
    pgi_pattern *pattern;
    size_t count = row(values);
    int status = pgi_pattern_compile(count, values, &pattern);
    CHECK(!pattern == (status != PG_OK));
    CHECK(status == PG_OK || status == PG_ETOOMANY || status == PG_EPATTERN || status == PG_EINVAL);
    CHECK_EQ(pgi_receivers_add(store, *set, handler, count, values, set), status);
    if (pattern) check_pattern(pattern, count, values);
    return pattern;
}

static void match(pgi_pattern *const *patterns, int count, const pgi_receivers *set, const pg_message *msg)
{
    const pgi_receiver *receiver = pgi_receivers_find(set, msg);
    const pgi_pattern *first = NULL;
    for (int i = count - 1; i >= 0; i--) {
        pgi_pattern *copy = pgi_pattern_copy(patterns[i]);
        bool matches = pgi_pattern_match(patterns[i], msg);
        CHECK_EQ(pgi_pattern_match(copy, msg), matches);
        if (patterns[i]->count == 1 && !patterns[i]->open && pg_count(msg) == 1) {
            CHECK_EQ(pgi_pattern_match_term(copy, pg_get(NULL, msg, 0)), matches);
        }
        if (matches) first = patterns[i];
        pgi_pattern_free(copy);
    }
    CHECK(!receiver == !first);
    if (first) CHECK(pgi_pattern_same(receiver->pattern, first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    in.at = data;
    in.end = data + size;
    in.used = 0;
    in.terms_of = NULL;
    pgi_pattern *patterns[PATTERNS];
    pg_message *messages[MESSAGES];
    int compiled = 0, built = 0, tried = byte() % (PATTERNS + 1);
    pgi_receiver_store store;
    const pgi_receivers *set = NULL;
    CHECK_EQ(pgi_receiver_store_init(&store), PG_OK);
    while (tried-- > 0) {
        pgi_pattern *pattern = compile(&store, &set);
        if (pattern) patterns[compiled++] = pattern;
    }
    while (in.at < in.end && built < MESSAGES) {
        pg_value values[PG_VALUES_MAX + 1];
        size_t count = row(values);
        if (pgi_message_build(NULL, count, values, &messages[built]) != PG_OK) continue;
        match(patterns, compiled, set, messages[built]);
        in.terms_of = messages[built++];
    }
    while (built > 0) pgi_message_free(NULL, messages[--built]);
    while (compiled > 0) pgi_pattern_free(patterns[--compiled]);
    pgi_receivers_drop(set);
    pgi_receiver_store_destroy(&store);
    return 0;
}
