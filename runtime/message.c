/* message.c - packing values into one block, in one pass where all of them are inline and in two more otherwise.
 *
 * Called by senders on any thread, and by the end of processes for exits.  The first pass measures: it visits the
 * values as the second will, refuses what is malformed or nested too deeply, and adds up units of 16 bytes, so that the
 * block is allocated once.  The second fills: `cursor` goes through the block, the elements of a sequence first and
 * what lies beneath them after, which keeps the data of each term contiguous.
 *
 * Counts in values are the caller's and may be anything up to 2^56: a sum that exceeds PGI_UNITS_MAX ends the measuring
 * before any element is looked at.  Recursion is bounded by PG_DEPTH_MAX; a value that contains itself therefore ends
 * as one nested too deeply.
 *
 * The pairs of a dict are filled first and sorted then, with a copy of them at hand; those in order already stay.
 * Rejected: sorting the values before; they would have to be compared in their own form, in which a dict within a key
 * has no order. */
#include "message.h"

#include "buffer.h"

pg_message pgi_no_args = {.units = 1, .kind = PGI_USER, .flags = PGI_STATIC};

_Static_assert(PGI_SIGNAL_BYTES == sizeof(pg_message) + 5 * sizeof(pg_term), "header, exit, pid, three parts");
_Static_assert(PGI_NEWS_BYTES == sizeof(pg_message) + 7 * sizeof(pg_term), "header, four values, three parts");

/* --------------------------------------------------------------------------------------------------- measuring */

/* Units of a long text with its NUL. */
static inline size_t text_units(size_t length)
{
    return length / PGI_UNIT + 1;
}

/* What values take beside their own terms. */
typedef struct tally {
    size_t units;
    bool buffers; /* there are some among them */
} tally;

/* The depth of nesting below and with a term, the end of the data that belong to it, and whether there is a buffer. */
static unsigned term_extent(const pg_term *term, const char **end, bool *buffers)
{
    const char *mine;
    unsigned deepest = 0;
    if (pgi_in(term->head, PGI_TEXTS)) {
        size_t length;
        const char *text = pgi_term_text(term, &length);
        if (!pgi_term_is_long(term)) return 0;
        mine = text + text_units(length) * PGI_UNIT;
    } else if (pgi_in(term->head, PGI_SEQUENCES)) {
        const pg_term *elements = pgi_term_elements(term);
        size_t count = pgi_term_count(term);
        for (size_t i = 0; i < count; i++) {
            unsigned depth = term_extent(&elements[i], end, buffers);
            if (depth > deepest) deepest = depth;
        }
        if (count == 0) return 1;
        mine = (const char *)(elements + count);
        deepest++;
    } else {
        if (pgi_term_type(term) == PG_T_BUFFER) *buffers = true;
        return 0;
    }
    if (*end == NULL || mine > *end) *end = mine;
    return deepest;
}

/* The first byte of the data that belong to a term which has some. */
static inline const char *term_data(const pg_term *term)
{
    size_t length;
    return pgi_in(term->head, PGI_TEXTS) ? pgi_term_text(term, &length) : (const char *)pgi_term_elements(term);
}

static int add_units(tally *t, size_t more)
{
    t->units += more;
    return t->units <= PGI_UNITS_MAX ? PG_OK : PG_ENOMEM;
}

static int measure_term(const pg_term *term, unsigned levels, tally *t)
{
    const char *end = NULL;
    if (term == NULL) return PG_EINVAL;
    if (term_extent(term, &end, &t->buffers) > levels) return PG_ETOOMANY;
    return end != NULL ? add_units(t, (size_t)(end - term_data(term)) / PGI_UNIT) : PG_OK;
}

static int measure_values(const pg_value *values, size_t count, unsigned levels, tally *t);

/* Adds the units that the value takes beside its own term.  `levels` of nesting are allowed to it. */
static int measure(const pg_value *value, unsigned levels, tally *t)
{
    if (pgi_value_is_inline(value)) return PG_OK;
    size_t count = pgi_value_count(*value);
    int status;
    switch (value->head & 0xff) {
    case PG_T_STR:
    case PG_T_BYTES:
        if (value->body < PG_LONG_MARK || count <= PG_INLINE_MAX || pgi_value_text(*value) == NULL) return PG_EINVAL;
        return add_units(t, text_units(count));
    case PG_T_DICT:
        if (count % 2 != 0) return PG_EINVAL;
        /* fall through */
    case PG_T_TUPLE:
    case PG_T_LIST:
        if (levels == 0) return PG_ETOOMANY;
        if (count == 0) return PG_OK;
        if (value->body == 0) return PG_EINVAL;
        status = add_units(t, count);
        return status == PG_OK ? measure_values(pgi_value_elements(*value), count, levels - 1, t) : status;
    case PG_T_TERM: return measure_term((const pg_term *)(uintptr_t)value->body, levels, t);
    case PG_T_BUFFER: t->buffers = true; return PG_OK;
    default: return PG_EINVAL;
    }
}

static int measure_values(const pg_value *values, size_t count, unsigned levels, tally *t)
{
    for (size_t i = 0; i < count; i++) {
        int status = measure(&values[i], levels, t);
        if (status != PG_OK) return status;
    }
    return PG_OK;
}

/* ------------------------------------------------------------------------------------------------------- dicts */

typedef struct pair {
    pg_term key, value;
} pair;

/* Writes a term to another place than its distance was reckoned from. */
static inline void move_term(pg_term *to, const pg_term *words, const pg_term *from)
{
    bool has_data = pgi_in(words->head, PGI_TEXTS) ? pgi_term_is_long(words)
                                                   : pgi_in(words->head, PGI_SEQUENCES) && pgi_term_count(words) != 0;
    uint64_t distance = (uint64_t)(uintptr_t)from - (uint64_t)(uintptr_t)to;
    to->head = words->head;
    to->body = has_data ? words->body + distance : words->body;
}

static void move_pair(pair *to, const pair *words, const pair *from)
{
    move_term(&to->key, &words->key, &from->key);
    move_term(&to->value, &words->value, &from->value);
}

/* Whether the pairs are in order and no two are equal, as they are in a dict that comes from a sorted table. */
static bool in_order(const pair *pairs, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (pgi_term_compare(&pairs[i - 1].key, &pairs[i].key) >= 0) return false;
    return true;
}

/* Sorts the numbers of the pairs by key, stably: bottom-up merging from `a` to `b` and back.  Returns the one of the
 * two that holds the result. */
static size_t *merge_sort(const pair *pairs, size_t count, size_t *a, size_t *b)
{
    for (size_t i = 0; i < count; i++) a[i] = i;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            size_t middle = count - begin > width ? begin + width : count;
            size_t end = count - begin > 2 * width ? begin + 2 * width : count;
            size_t left = begin, right = middle;
            for (size_t i = begin; i < end; i++) {
                bool take_left =
                    right == end || (left < middle && pgi_term_compare(&pairs[a[left]].key, &pairs[a[right]].key) <= 0);
                b[i] = take_left ? a[left++] : a[right++];
            }
        }
        size_t *other = a;
        a = b;
        b = other;
    }
    return a;
}

/* Sorts pairs, keeping the last of those with equal keys, with room for a copy of the pairs and twice their numbers.
 * Returns how many are left. */
static size_t sort_pairs(pair *pairs, size_t count, pair *copy, size_t *numbers)
{
    size_t left = 0;
    size_t *sorted = merge_sort(pairs, count, numbers, numbers + count);
    for (size_t i = 0; i < count; i++) {
        bool replaced = i + 1 < count && pgi_term_compare(&pairs[sorted[i]].key, &pairs[sorted[i + 1]].key) == 0;
        if (!replaced) sorted[left++] = sorted[i];
    }
    memcpy(copy, pairs, count * sizeof *pairs);
    for (size_t i = 0; i < left; i++) move_pair(&pairs[i], &copy[sorted[i]], &pairs[sorted[i]]);
    return left;
}

enum { FEW = 16 };

/* Brings a filled dict into its form.  Not inlined, so that the recursion of fill() does not carry its arrays. */
static __attribute__((noinline)) int settle_dict(pg_term *dict)
{
    pair few[FEW];
    size_t few_numbers[2 * FEW];
    pair *pairs = (pair *)(void *)((char *)dict + dict->body);
    size_t count = pgi_term_count(dict) / 2, left;
    if (in_order(pairs, count)) return PG_OK;
    if (count <= FEW) {
        left = sort_pairs(pairs, count, few, few_numbers);
    } else {
        size_t bytes = count * (sizeof(pair) + 2 * sizeof(size_t));
        char *room = pgi_alloc(bytes);
        if (room == NULL) return PG_ENOMEM;
        left = sort_pairs(pairs, count, (pair *)(void *)room, (size_t *)(void *)(room + count * sizeof(pair)));
        pgi_free(room, bytes);
    }
    dict->head = (uint64_t)PG_T_DICT | (uint64_t)(2 * left) << 8;
    return PG_OK;
}

/* ----------------------------------------------------------------------------------------------------- filling */

static void fill_text(pg_term *to, const pg_value *value, char **cursor)
{
    size_t length = pgi_value_count(*value), bytes = text_units(length) * PGI_UNIT;
    memset(*cursor + bytes - PGI_UNIT, 0, PGI_UNIT);
    memcpy(*cursor, pgi_value_text(*value), length);
    to->head = value->head;
    to->body = (uint64_t)(*cursor - (char *)to) | PG_LONG_MARK;
    *cursor += bytes;
}

static void fill_term(pg_term *to, const pg_term *term, char **cursor)
{
    const char *end = NULL;
    bool ignored;
    (void)term_extent(term, &end, &ignored);
    *to = *term;
    if (end == NULL) return;
    const char *data = term_data(term);
    memcpy(*cursor, data, (size_t)(end - data));
    to->body = (uint64_t)(*cursor - (char *)to) | (pgi_in(term->head, PGI_TEXTS) ? PG_LONG_MARK : 0);
    *cursor += end - data;
}

/* Writes the terms of `count` values at `to`, and what lies beneath them at the cursor.  PG_OK or PG_ENOMEM. */
static int fill(pg_term *to, const pg_value *values, size_t count, char **cursor)
{
    for (size_t i = 0; i < count; i++, to++) {
        const pg_value *value = &values[i];
        unsigned type = (unsigned)(value->head & 0xff);
        if (pgi_value_is_inline(value) || type == PG_T_BUFFER) {
            *to = (pg_term){value->head, value->body};
        } else if (pgi_in(type, PGI_TEXTS)) {
            fill_text(to, value, cursor);
        } else if (type == PG_T_TERM) {
            fill_term(to, (const pg_term *)(uintptr_t)value->body, cursor);
        } else {
            size_t inner = pgi_value_count(*value);
            pg_term *elements = (pg_term *)(void *)*cursor;
            *to = (pg_term){value->head, inner != 0 ? (uint64_t)(*cursor - (char *)to) : 0};
            *cursor += inner * sizeof(pg_term);
            int status = fill(elements, pgi_value_elements(*value), inner, cursor);
            if (status == PG_OK && type == PG_T_DICT) status = settle_dict(to);
            if (status != PG_OK) return status;
        }
    }
    return PG_OK;
}

/* ---------------------------------------------------------------------------------------------------- building */

static inline void start_message(pg_message *message, size_t units, size_t count, uint8_t kind, uint8_t flags)
{
    message->units = (uint32_t)units;
    message->count = (uint16_t)count;
    message->kind = kind;
    message->flags = flags;
}

/* Any values; `levels` of nesting are allowed. */
static __attribute__((noinline)) int build_deep(pgi_cache *cache, size_t count, const pg_value *values, unsigned levels,
                                                const pg_from *from, pg_message **out)
{
    size_t extra = from != NULL;
    tally t = {.units = 1 + count + extra};
    int status = measure_values(values, count, levels, &t);
    if (status != PG_OK) return status;
    pg_message *message = pgi_block_alloc(cache, t.units);
    if (unlikely(message == NULL)) return PG_ENOMEM;
    start_message(message, pgi_block_units(t.units), count, PGI_USER, 0);
    pg_term *terms = (pg_term *)(void *)(message + 1);
    char *cursor = (char *)(terms + count + extra);
    if (extra) memcpy(terms + count, from, sizeof *from);
    status = fill(terms, values, count, &cursor);
    if (status == PG_OK && unlikely(t.buffers)) status = pgi_buffers_take(message);
    if (unlikely(status != PG_OK)) {
        pgi_message_free(cache, message);
        return status;
    }
    pgs_assert(cursor <= (char *)message + t.units * PGI_UNIT);
    *out = message;
    return PG_OK;
}

/* The block is allocated, and given back for the rare value that is not inline, before any is looked at: so the words
 * of a value are loaded once.  They are kept in two registers by force: senders have stored them one by one just
 * before, and a load of both at once, which compilers like, would find neither whole in the store buffer and wait for
 * the cache. */
static inline __attribute__((always_inline)) int build(pgi_cache *cache, size_t count, const pg_value *values,
                                                       const pg_from *from, pg_message **out)
{
    *out = NULL;
    if (unlikely(count > PG_VALUES_MAX)) return PG_ETOOMANY;
    if (unlikely(values == NULL) && count != 0) return PG_EINVAL;
    size_t units = 1 + count + (from != NULL);
    pg_message *message = pgi_block_alloc(cache, units);
    if (unlikely(message == NULL)) return PG_ENOMEM;
    start_message(message, pgi_block_units(units), count, PGI_USER, 0);
    pg_term *terms = (pg_term *)(void *)(message + 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t head = values[i].head, body = values[i].body;
        __asm__("" : "+r"(head), "+r"(body));
        if (unlikely(!pgi_words_are_inline(head, body))) {
            pgi_block_free(cache, message, units);
            return build_deep(cache, count, values, PG_DEPTH_MAX, from, out);
        }
        terms[i] = (pg_term){head, body};
    }
    if (from) memcpy(terms + count, from, sizeof *from);
    *out = message;
    return PG_OK;
}

int pgi_message_build(pgi_cache *cache, size_t count, const pg_value *values, pg_message **out)
{
    return build(cache, count, values, NULL, out);
}

int pgi_message_build_call(pgi_cache *cache, uint8_t kind, pg_from from, size_t count, const pg_value *values,
                           pg_message **out)
{
    int status = build(cache, count, values, &from, out);
    if (likely(status == PG_OK)) (*out)->kind = kind;
    return status;
}

int pgi_message_build_args(pgi_cache *cache, pg_value args, pg_message **out)
{
    pg_value copies[PG_VALUES_MAX];
    *out = NULL;
    if (args.head == PG_T_NIL && args.body == 0) {
        *out = &pgi_no_args;
        return PG_OK;
    }
    if ((args.head & 0xff) == PG_T_TUPLE) {
        size_t count = pgi_value_count(args);
        const pg_value *values = pgi_value_elements(args);
        *out = likely(cache != NULL) ? pgi_message_small(cache, count, values) : NULL;
        return likely(*out != NULL) ? PG_OK : pgi_message_build(cache, count, values, out);
    }

    const pg_term *term = (args.head & 0xff) == PG_T_TERM ? (const pg_term *)(uintptr_t)args.body : NULL;
    if (term == NULL || pgi_term_type(term) != PG_T_TUPLE) return PG_EINVAL;
    size_t count = pgi_term_count(term);
    if (count > PG_VALUES_MAX) return PG_ETOOMANY;
    for (size_t i = 0; i < count; i++) copies[i] = pg_v_term(&pgi_term_elements(term)[i]);
    return pgi_message_build(cache, count, copies, out);
}

/* Makes an exit of the tuple at `index`. */
static void make_exit(pg_message *message, size_t index)
{
    pg_term *exit = (pg_term *)(void *)(message + 1) + index;
    exit->head = (exit->head & ~UINT64_C(0xff)) | PG_T_EXIT;
}

int pgi_message_build_exit(pgi_cache *cache, pg_exit_kind kind, const char *text, pg_value error, pg_pid pid,
                           uint8_t message_kind, pg_message **out)
{
    return pgi_message_build_named_exit(cache, kind, text, error, pid, NULL, message_kind, out);
}

int pgi_message_build_named_exit(pgi_cache *cache, pg_exit_kind kind, const char *text, pg_value error, pg_pid pid,
                                 const char *name, uint8_t message_kind, pg_message **out)
{
    const pg_value parts[4] = {pg_v_int((int64_t)kind), pg_v_str(text != NULL ? text : ""), error, pg_v_str(name)};
    const pg_value values[2] = {pg_tuple_of(name != NULL ? 4 : 3, parts), pg_v_pid(pid)};
    *out = NULL;
    int status = build_deep(cache, pid.id != 0 ? 2 : 1, values, PG_DEPTH_MAX + 1, NULL, out);
    if (status != PG_OK) return status;
    make_exit(*out, 0);
    (*out)->kind = message_kind;
    return PG_OK;
}

static pg_message *build_embedded(void *block, size_t bytes, size_t count, const pg_value *values, uint8_t kind)
{
    pg_message *message = block;
    pg_term *terms = (pg_term *)(void *)(message + 1);
    char *cursor = (char *)(terms + count);
    start_message(message, bytes / PGI_UNIT, count, kind, PGI_EMBEDDED);
    (void)fill(terms, values, count, &cursor);
    return message;
}

pg_message *pgi_signal_build(void *block, pg_exit_kind kind, const char *text, pg_pid pid, uint8_t message_kind)
{
    size_t length = text != NULL ? strnlen(text, PG_INLINE_MAX) : 0;
    const pg_value parts[3] = {pg_v_int((int64_t)kind), pg_strn(text, length), pg_v_nil()};
    const pg_value values[2] = {pg_tuple_of(3, parts), pg_v_pid(pid)};
    pg_message *message = build_embedded(block, PGI_SIGNAL_BYTES, pid.id != 0 ? 2 : 1, values, message_kind);
    make_exit(message, 0);
    return message;
}

int pgi_message_build_news(pgi_cache *cache, pg_ref ref, pg_pid pid, pg_exit_kind kind, const char *text,
                           pg_value error, pg_message **out)
{
    const pg_value parts[3] = {pg_v_int((int64_t)kind), pg_v_str(text != NULL ? text : ""), error};
    const pg_value values[4] = {pg_v_str("down"), pg_v_ref(ref), pg_v_pid(pid), pg_tuple_of(3, parts)};
    *out = NULL;
    int status = build_deep(cache, 4, values, PG_DEPTH_MAX + 1, NULL, out);
    if (status != PG_OK) return status;
    make_exit(*out, 3);
    (*out)->kind = PGI_NEWS;
    return PG_OK;
}

pg_message *pgi_news_build(void *block, pg_ref ref, pg_pid pid, pg_exit_kind kind, const char *text)
{
    size_t length = text != NULL ? strnlen(text, PG_INLINE_MAX) : 0;
    const pg_value parts[3] = {pg_v_int((int64_t)kind), pg_strn(text, length), pg_v_nil()};
    const pg_value values[4] = {pg_v_str("down"), pg_v_ref(ref), pg_v_pid(pid), pg_tuple_of(3, parts)};
    pg_message *message = build_embedded(block, PGI_NEWS_BYTES, 4, values, PGI_NEWS);
    make_exit(message, 3);
    return message;
}

/* --------------------------------------------------------------------------------------------- copying, freeing */

int pgi_message_copy(pgi_cache *cache, const pg_message *message, pg_message **out)
{
    size_t units = message->units;
    pg_message *copy = pgi_block_alloc(cache, units);
    *out = copy;
    if (unlikely(copy == NULL)) return PG_ENOMEM;
    start_message(copy, pgi_block_units(units), message->count, message->kind, 0);
    memcpy(copy + 1, message + 1, (units - 1) * PGI_UNIT);
    if (unlikely(message->flags & PGI_BUFFERS)) pgi_buffers_take(copy); /* the original has them, so they are there */
    return PG_OK;
}

void pgi_message_free_flagged(pgi_cache *cache, pg_message *message)
{
    if (message->flags & PGI_STATIC) return;
    if (message->flags & PGI_BUFFERS) pgi_buffers_drop(message);
    if (message->flags & PGI_EMBEDDED)
        pgi_embedded_free(message);
    else
        pgi_block_free(cache, message, message->units);
}
