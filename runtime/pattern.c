/* pattern.c - compiling patterns, matching what their tests cannot say, identity, and pg_matches().
 *
 * Called by receiver.c and table.c for receivers, by the receive functions, and by handlers through pg_matches_value().
 *
 * A pattern arrives as values, within which terms of received messages may stand.  A `source` is either of them with
 * its address made absolute, so that measuring, emitting, comparing and matching are written once.  Compiling takes two
 * passes, as building a message does: measure() refuses what is no pattern and adds up bytes, emit() cannot fail.
 *
 * What emit() writes is determined by the source alone, unused bytes being zero, so that patterns are the same when
 * their blocks are.  The pairs of a dict stay in the order written, since each is looked up by itself; those of a dict
 * that is, or lies in, a key or an exit are sorted as in a message, since there order is what equality goes by.
 *
 * Recursion is bounded by PG_DEPTH_MAX: measure() sees to it, same_source() goes no deeper than the compiled
 * pattern. */
#include "pattern.h"

#define PATTERN_BYTES_MAX ((size_t)1 << 30)

typedef struct source {
    uint64_t head;
    uint64_t body; /* of a sequence or long text: with the address of the data */
    bool term;     /* the elements of the sequence are terms */
} source;

/* What measure() finds out. */
typedef struct tally {
    size_t bytes; /* of data outside the terms at the top */
    bool shareable;
    bool pure;
} tally;

/* What is being asked for. */
enum { PATTERN = 0, LITERAL = 1 };

/* --------------------------------------------------------------------------------------------------- sources */

static inline bool is_long_text(uint64_t head, uint64_t body)
{
    return pgi_in(head, PGI_TEXTS) && body >= PG_LONG_MARK;
}

static inline source source_of_term(const pg_term *term)
{
    if (pgi_in(term->head, PGI_SEQUENCES))
        return (source){term->head, (uint64_t)(uintptr_t)pgi_term_elements(term), true};
    if (is_long_text(term->head, term->body)) {
        size_t length;
        return (source){term->head, (uint64_t)(uintptr_t)pgi_term_text(term, &length) | PG_LONG_MARK, true};
    }
    return (source){term->head, term->body, true};
}

static inline source source_of_value(pg_value value)
{
    if ((value.head & 0xff) == PG_T_TERM && value.body != 0)
        return source_of_term((const pg_term *)(uintptr_t)value.body);
    return (source){value.head, value.body, false};
}

static inline source source_at(source s, size_t index)
{
    if (s.term) return source_of_term((const pg_term *)(uintptr_t)s.body + index);
    return source_of_value(((const pg_value *)(uintptr_t)s.body)[index]);
}

static inline pg_type source_type(source s)
{
    return (pg_type)(s.head & 0xff);
}

static inline size_t source_count(source s)
{
    return (size_t)(s.head >> 8);
}

static inline const char *source_text(source s)
{
    return (const char *)(uintptr_t)(s.body & PGI_BODY_MASK);
}

/* Elements of a tuple or list, a last etc left out. */
static inline size_t fixed_count(source s, bool *open)
{
    size_t count = source_count(s);
    *open = count != 0 && source_type(s) != PG_T_DICT && source_type(source_at(s, count - 1)) == PG_T_ETC;
    return count - *open;
}

/* ------------------------------------------------------------------------------------------------- measuring */

static inline size_t text_bytes(size_t length)
{
    return (length / 16 + 1) * 16;
}

static int add_bytes(tally *t, size_t more)
{
    t->bytes += more;
    return t->bytes <= PATTERN_BYTES_MAX ? PG_OK : PG_ENOMEM;
}

static int measure(tally *t, source s, unsigned levels, int wanted);

static int measure_sequence(tally *t, source s, unsigned levels, int wanted)
{
    size_t count = source_count(s);
    pg_type type = source_type(s);
    bool open = false;
    if (levels == 0) return PG_ETOOMANY;
    if (count == 0) return PG_OK;
    if (s.body == 0 || (type == PG_T_DICT && count % 2 != 0)) return PG_EINVAL;
    if (count > PATTERN_BYTES_MAX / sizeof(pg_term)) return PG_ENOMEM;
    int status = add_bytes(t, count * sizeof(pg_term));
    if (status != PG_OK) return status;
    if (wanted == PATTERN) count = fixed_count(s, &open);
    for (size_t i = 0; i < count; i++) {
        bool key = type == PG_T_DICT && i % 2 == 0;
        status = measure(t, source_at(s, i), levels - 1, key ? LITERAL : wanted);
        if (status != PG_OK) return status;
    }
    return PG_OK;
}

/* Says what is wrong with a source, or adds what it needs; `levels` of nesting are allowed to it. */
static int measure(tally *t, source s, unsigned levels, int wanted)
{
    const pg_value words = {s.head, s.body};
    pg_type type = source_type(s);
    bool formed;
    if (pgi_value_is_inline(&words)) {
        if (pgi_in(type, PGI_BIT(PG_T_PID) | PGI_BIT(PG_T_REF) | PGI_BIT(PG_T_PTR))) t->shareable = false;
        return PG_OK;
    }
    switch (type) {
    case PG_T_BUFFER: t->shareable = false; return PG_OK;
    case PG_T_STR:
    case PG_T_BYTES:
        if (s.body < PG_LONG_MARK || source_count(s) <= PG_INLINE_MAX || source_text(s) == NULL) return PG_EINVAL;
        return source_count(s) < PATTERN_BYTES_MAX ? add_bytes(t, text_bytes(source_count(s))) : PG_ENOMEM;
    case PG_T_EXIT: return s.term ? measure_sequence(t, s, levels, LITERAL) : PG_EINVAL;
    case PG_T_TUPLE:
    case PG_T_LIST:
    case PG_T_DICT: return measure_sequence(t, s, levels, wanted);
    case PG_T_ANY:
    case PG_T_ETC: formed = s.head == type && s.body == 0; break;
    case PG_T_TYPE: formed = s.body == 0 && source_count(s) <= PG_T_BUFFER; break;
    case PG_T_WHERE:
        t->pure = false;
        formed = s.head == type && s.body != 0;
        break;
    default: return PG_EINVAL;
    }
    if (!formed) return PG_EINVAL;
    return wanted == LITERAL || type == PG_T_ETC ? PG_EPATTERN : PG_OK;
}

/* ------------------------------------------------------------------------------------------------- emitting */

/* Writes a term to another place than its distance was reckoned from. */
static inline void move_term(pg_term *to, pg_term words, const pg_term *from)
{
    bool has_data =
        pgi_in(words.head, PGI_SEQUENCES) ? pgi_term_count(&words) != 0 : is_long_text(words.head, words.body);
    uint64_t distance = (uint64_t)(uintptr_t)from - (uint64_t)(uintptr_t)to;
    to->head = words.head;
    to->body = has_data ? words.body + distance : words.body;
}

/* Exchanges the pairs at `a` and `b`. */
static void exchange_pairs(pg_term *a, pg_term *b)
{
    for (unsigned part = 0; part < 2; part++) {
        pg_term words = b[part];
        move_term(&b[part], a[part], &a[part]);
        move_term(&a[part], words, &b[part]);
    }
}

/* Puts a literal dict into the form that it has in a message: ascending keys, the last of equal ones kept.  By
 * insertion: these are dicts within keys, whose pairs are few. */
static void sort_pairs(pg_term *dict)
{
    pg_term *pairs = (pg_term *)(uintptr_t)pgi_term_elements(dict);
    size_t count = pgi_term_count(dict) / 2, left = 0;
    for (size_t i = 1; i < count; i++) {
        for (size_t j = i; j > 0 && pgi_term_compare(&pairs[2 * j - 2], &pairs[2 * j]) > 0; j--)
            exchange_pairs(&pairs[2 * j - 2], &pairs[2 * j]);
    }
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && pgi_term_compare(&pairs[2 * i], &pairs[2 * i + 2]) == 0) continue;
        if (left != i) exchange_pairs(&pairs[2 * left], &pairs[2 * i]);
        left++;
    }
    dict->head = PG_T_DICT | (uint64_t)(2 * left) << 8;
}

/* Writes a source that measure() has let pass to `at`, and its data to *cursor, which moves on. */
static void emit(char **cursor, pg_term *at, source s, int wanted)
{
    at->head = s.head;
    at->body = s.body;
    if (is_long_text(s.head, s.body)) {
        size_t length = source_count(s), bytes = text_bytes(length);
        at->body = (uint64_t)(*cursor - (char *)at) | PG_LONG_MARK;
        memcpy(*cursor, source_text(s), length);
        memset(*cursor + length, 0, bytes - length);
        *cursor += bytes;
        return;
    }
    if (!pgi_in(s.head, PGI_SEQUENCES)) return;
    size_t count = source_count(s);
    pg_term *elements = (pg_term *)(void *)*cursor;
    if (source_type(s) == PG_T_EXIT) wanted = LITERAL;
    at->body = count != 0 ? (uint64_t)(*cursor - (char *)at) : 0;
    *cursor += count * sizeof(pg_term);
    for (size_t i = 0; i < count; i++) {
        bool key = source_type(s) == PG_T_DICT && i % 2 == 0;
        emit(cursor, &elements[i], source_at(s, i), key ? LITERAL : wanted);
    }
    if (source_type(s) == PG_T_DICT && wanted == LITERAL) sort_pairs(at);
}

/* Says with masks what can be said so of an element.  Returns whether a check beside is needed. */
static bool make_test(pgi_test *test, const pg_term *term)
{
    const uint64_t all = ~UINT64_C(0);
    pg_type type = pgi_term_type(term);
    source s = source_of_term(term);
    bool open;
    *test = (pgi_test){{all, all}, {term->head, term->body}};
    switch (type) {
    case PG_T_ANY: *test = (pgi_test){{0, 0}, {0, 0}}; return false;
    case PG_T_WHERE: *test = (pgi_test){{0, 0}, {0, 0}}; return true;
    case PG_T_TYPE: *test = (pgi_test){{0xff, 0}, {term->head >> 8, 0}}; return false;
    case PG_T_FLOAT:
        if (pgi_term_double(term) != pgi_term_double(term)) *test = (pgi_test){{0, 0}, {1, 0}};
        if (pgi_term_double(term) == 0) *test = (pgi_test){{all, all >> 1}, {type, 0}};
        return false;
    case PG_T_STR:
    case PG_T_BYTES:
        if (!pgi_term_is_long(term)) return false;
        *test = (pgi_test){{all, PG_LONG_MARK}, {term->head, PG_LONG_MARK}};
        return true;
    case PG_T_TUPLE:
    case PG_T_LIST: {
        size_t count = fixed_count(s, &open);
        *test = open ? (pgi_test){{0xff, 0}, {type, 0}} : (pgi_test){{all, 0}, {term->head, 0}};
        return count != 0;
    }
    case PG_T_DICT: *test = (pgi_test){{0xff, 0}, {type, 0}}; return pgi_term_count(term) != 0;
    case PG_T_EXIT: *test = (pgi_test){{0xff, 0}, {type, 0}}; return true;
    default: return false;
    }
}

/* A hash over words: multiplication and folding, as multiplicative hashing (Knuth, volume 3, 6.4) with feedback. */
static uint64_t hash_words(const void *data, size_t bytes)
{
    uint64_t hash = bytes * UINT64_C(0x9e3779b97f4a7c15);
    for (const char *p = data, *end = p + bytes; p != end; p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        hash = (hash ^ word) * UINT64_C(0xd6e8feb86659fd93);
        hash ^= hash >> 32;
    }
    return hash;
}

/* ------------------------------------------------------------------------------------------------- compiling */

/* Fills a block of the size that measuring has found. */
static void fill(pgi_pattern *p, size_t size, const tally *t, size_t count, const pg_value *values)
{
    bool open = count != 0 && (values[count - 1].head & 0xff) == PG_T_ETC;
    memset(p, 0, sizeof *p);
    p->size = (uint32_t)size;
    p->count = (uint8_t)(count - open);
    p->open = open;
    p->shareable = t->shareable;
    p->pure = t->pure;
    pg_term *terms = (pg_term *)(void *)(p->tests + p->count);
    char *cursor = (char *)(terms + count);
    for (size_t i = 0; i < count; i++) {
        emit(&cursor, &terms[i], source_of_value(values[i]), PATTERN);
        if (i == p->count) break;
        if (make_test(&p->tests[i], &terms[i])) p->slow |= (uint16_t)(1u << i);
        if (terms[i].head == PG_T_REF) p->telling = (uint8_t)i;
        if (pgi_in(terms[i].head, PGI_SEQUENCES) || is_long_text(terms[i].head, terms[i].body))
            p->deep |= (uint16_t)(1u << i);
    }
    pgs_assert(cursor == (char *)p + size);
}

/* Compiles into `buffer` where it is given and suffices. */
static int compile(void *buffer, size_t room, size_t count, const pg_value *values, pgi_pattern **out)
{
    tally t = {.shareable = true, .pure = true};
    *out = NULL;
    if (count > PG_VALUES_MAX) return PG_ETOOMANY;
    if (count != 0 && values == NULL) return PG_EINVAL;
    bool open = count != 0 && values[count - 1].head == PG_T_ETC && values[count - 1].body == 0;
    for (size_t i = 0; i < count - open; i++) {
        int status = measure(&t, source_of_value(values[i]), PG_DEPTH_MAX, PATTERN);
        if (status != PG_OK) return status;
    }
    size_t size = sizeof(pgi_pattern) + (count - open) * sizeof(pgi_test) + count * sizeof(pg_term) + t.bytes;
    pgi_pattern *p = size <= room ? buffer : pgi_alloc(size);
    if (p == NULL) return PG_ENOMEM;
    fill(p, size, &t, count, values);
    *out = p;
    return PG_OK;
}

int pgi_pattern_compile(size_t count, const pg_value *values, pgi_pattern **out)
{
    return compile(NULL, 0, count, values, out);
}

/* The usual pattern, in one pass: of literals that are in their words, types and anything.  False: it is none of
 * these. */
static bool compile_plain(pgi_pattern *p, size_t count, const pg_value *values)
{
    const uint64_t all = ~UINT64_C(0);
    pg_term *terms = (pg_term *)(void *)(p->tests + count);
    bool shareable = true;
    uint8_t telling = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t head = values[i].head, body = values[i].body;
        pgi_test test = {{all, all}, {head, body}};
        if (pgi_words_are_inline(head, body) && head != PG_T_FLOAT) {
            shareable &= !pgi_in(head, PGI_BIT(PG_T_PID) | PGI_BIT(PG_T_REF) | PGI_BIT(PG_T_PTR));
        } else if ((head & 0xff) == PG_T_TYPE && head >> 8 <= PG_T_BUFFER && body == 0) {
            test = (pgi_test){{0xff, 0}, {head >> 8, 0}};
        } else if (head == PG_T_ANY && body == 0) {
            test = (pgi_test){{0, 0}, {0, 0}};
        } else {
            return false;
        }
        if (head == PG_T_REF) telling = (uint8_t)i;
        p->tests[i] = test;
        terms[i] = (pg_term){head, body};
    }
    size_t size = sizeof *p + count * (sizeof(pgi_test) + sizeof(pg_term));
    *p = (pgi_pattern){
        .size = (uint32_t)size, .count = (uint8_t)count, .shareable = shareable, .pure = true, .telling = telling};
    return true;
}

int pgi_pattern_compile_into(pgi_pattern_buffer *buffer, size_t count, const pg_value *values, pgi_pattern **out)
{
    pgi_pattern *p = (pgi_pattern *)(void *)buffer;
    if (unlikely(count > PG_VALUES_MAX) || unlikely(!values) || unlikely(!compile_plain(p, count, values)))
        return compile(buffer, sizeof *buffer, count, values, out);
    *out = p;
    return PG_OK;
}

void pgi_pattern_leave(pgi_pattern_buffer *buffer, pgi_pattern *pattern)
{
    if ((void *)pattern != (void *)buffer) pgi_pattern_free(pattern);
}

pgi_pattern *pgi_pattern_copy(const pgi_pattern *pattern)
{
    pgi_pattern *copy = pgi_alloc(pattern->size);
    if (copy != NULL) memcpy(copy, pattern, pattern->size);
    return copy;
}

void pgi_pattern_free(pgi_pattern *pattern)
{
    if (pattern != NULL) pgi_free(pattern, pattern->size);
}

/* ------------------------------------------------------------------------------------------------- matching */

/* Whether a float is the one of a pattern. */
static inline bool match_float(uint64_t body, const pg_term *t)
{
    double wanted;
    memcpy(&wanted, &body, sizeof wanted);
    return pgi_term_type(t) == PG_T_FLOAT && pgi_term_double(t) == wanted;
}

/* Whether a sequence is a tuple or list of the same type, whose length is `count`, or at least that. */
static inline bool match_length(pg_type type, size_t count, bool open, const pg_term *t)
{
    if (pgi_term_type(t) != type) return false;
    return open ? pgi_term_count(t) >= count : pgi_term_count(t) == count;
}

/* Whether a key holds a NaN, which equals nothing, though look-up finds it.  Nearly all keys are texts and ints. */
static bool holds_nan(const pg_term *key)
{
    if (pgi_term_type(key) == PG_T_FLOAT) return pgi_term_double(key) != pgi_term_double(key);
    if (!pgi_in(key->head, PGI_SEQUENCES)) return false;
    for (size_t i = 0; i < pgi_term_count(key); i++)
        if (holds_nan(&pgi_term_elements(key)[i])) return true;
    return false;
}

/* Whether a term of a compiled pattern matches a term of a message. */
static bool match(const pg_term *p, const pg_term *t)
{
    switch (pgi_term_type(p)) {
    case PG_T_ANY: return true;
    case PG_T_TYPE: return (t->head & 0xff) == p->head >> 8;
    case PG_T_WHERE: return ((pg_predicate)(uintptr_t)p->body)(t);
    case PG_T_FLOAT: return match_float(p->body, t);
    case PG_T_TUPLE:
    case PG_T_LIST: {
        const pg_term *elements = pgi_term_elements(p);
        size_t count = pgi_term_count(p);
        bool open = count != 0 && pgi_term_type(&elements[count - 1]) == PG_T_ETC;
        count -= open;
        if (!match_length(pgi_term_type(p), count, open, t)) return false;
        for (size_t i = 0; i < count; i++)
            if (!match(&elements[i], &pgi_term_elements(t)[i])) return false;
        return true;
    }
    case PG_T_DICT: {
        const pg_term *pairs = pgi_term_elements(p);
        if (pgi_term_type(t) != PG_T_DICT) return false;
        for (size_t i = 0; i < pgi_term_count(p); i += 2) {
            const pg_term *value = pgi_dict_find(t, &pairs[i]);
            if (value == NULL || !match(&pairs[i + 1], value) || holds_nan(value - 1)) return false;
        }
        return true;
    }
    default: return pgi_term_equal(p, t);
    }
}

bool pgi_pattern_match_slow(const pgi_pattern *pattern, const pg_term *terms)
{
    const pg_term *elements = pgi_pattern_source(pattern);
    for (unsigned rest = pattern->slow; rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctz(rest);
        if (!match(&elements[i], &terms[i])) return false;
    }
    return true;
}

bool pgi_pattern_match_term(const pgi_pattern *pattern, const pg_term *term)
{
    if (pattern->count != 1 || pattern->open || !pgi_test_passes(&pattern->tests[0], term)) return false;
    return pattern->slow == 0 || pgi_pattern_match_slow(pattern, term);
}

/* The same for a source that measure() has let pass: without compiling, so that pg_matches() cannot run out of
 * memory. */
static bool match_source(source s, const pg_term *t)
{
    const pg_term words = {s.head, s.body};
    size_t length, count;
    bool open;
    switch (source_type(s)) {
    case PG_T_TUPLE:
    case PG_T_LIST:
        count = fixed_count(s, &open);
        if (!match_length(source_type(s), count, open, t)) return false;
        for (size_t i = 0; i < count; i++)
            if (!match_source(source_at(s, i), &pgi_term_elements(t)[i])) return false;
        return true;
    case PG_T_DICT:
        if (pgi_term_type(t) != PG_T_DICT) return false;
        for (size_t i = 0; i < source_count(s); i += 2) {
            const pg_term *value = s.term ? pgi_dict_find(t, (const pg_term *)(uintptr_t)s.body + i)
                                          : pgi_dict_find_value(t, ((const pg_value *)(uintptr_t)s.body)[i]);
            if (value == NULL || !match_source(source_at(s, i + 1), value) || holds_nan(value - 1)) return false;
        }
        return true;
    case PG_T_EXIT:
        if (t->head != s.head) return false;
        for (size_t i = 0; i < source_count(s); i++)
            if (!pgi_term_equal((const pg_term *)(uintptr_t)s.body + i, &pgi_term_elements(t)[i])) return false;
        return true;
    case PG_T_STR:
    case PG_T_BYTES:
        if (!is_long_text(s.head, s.body)) return t->head == s.head && t->body == s.body;
        return t->head == s.head && pgi_term_is_long(t) &&
               memcmp(pgi_term_text(t, &length), source_text(s), source_count(s)) == 0;
    default: return match(&words, t);
    }
}

bool pg_matches_value(const pg_term *term, pg_value pattern)
{
    tally t = {0};
    if (unlikely(term == NULL)) return false;
    if (pgi_value_is_inline(&pattern) && (pattern.head & 0xff) != PG_T_FLOAT)
        return term->head == pattern.head && term->body == pattern.body;
    source s = source_of_value(pattern);
    return measure(&t, s, PG_DEPTH_MAX, PATTERN) == PG_OK && match_source(s, term);
}

/* ------------------------------------------------------------------------------------------------- identity */

bool pgi_pattern_same(const pgi_pattern *a, const pgi_pattern *b)
{
    return a->size == b->size && memcmp(a, b, a->size) == 0;
}

uint64_t pgi_pattern_hash(const pgi_pattern *pattern)
{
    const char *terms = (const char *)pgi_pattern_source(pattern);
    return hash_words(terms, (size_t)((const char *)pattern + pattern->size - terms));
}

bool pgi_pattern_asks_for_ref(const pgi_pattern *pattern, uint64_t after, uint64_t last)
{
    const pg_term *terms = pgi_pattern_source(pattern);
    for (unsigned i = 0; i < pattern->count; i++) {
        if (terms[i].head == PG_T_REF && terms[i].body > after && terms[i].body <= last) return true;
    }
    return false;
}

/* Whether emit() would write what is there.  A sequence whose address is missing is no pattern. */
static bool same_source(const pg_term *p, source s)
{
    if (p->head != s.head) return false;
    if (pgi_in(s.head, PGI_SEQUENCES)) {
        size_t count = source_count(s);
        if (count != 0 && s.body == 0) return false;
        if (source_type(s) == PG_T_EXIT && !s.term) return false;
        for (size_t i = 0; i < count; i++)
            if (!same_source(&pgi_term_elements(p)[i], source_at(s, i))) return false;
        return true;
    }
    if (!pgi_in(s.head, PGI_TEXTS) || !pgi_term_is_long(p)) return p->body == s.body;
    size_t length;
    return s.body >= PG_LONG_MARK && source_text(s) != NULL &&
           memcmp(pgi_term_text(p, &length), source_text(s), source_count(s)) == 0;
}

bool pgi_pattern_same_as_values(const pgi_pattern *pattern, size_t count, const pg_value *values)
{
    const pg_term *terms = pgi_pattern_source(pattern);
    if (count != (size_t)pattern->count + pattern->open || (count != 0 && values == NULL)) return false;
    for (size_t i = 0; i < count; i++) {
        if (likely((pattern->deep >> i & 1) == 0) && likely((values[i].head & 0xff) != PG_T_TERM)) {
            if (terms[i].head != values[i].head || terms[i].body != values[i].body) return false;
        } else if (!same_source(&terms[i], source_of_value(values[i]))) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- printing */

static void print_elements(pgi_print *p, const char *brackets, const pg_term *elements, size_t count);

static void print_term(pgi_print *p, const pg_term *term)
{
    switch (pgi_term_type(term)) {
    case PG_T_TUPLE: print_elements(p, "()", pgi_term_elements(term), pgi_term_count(term)); break;
    case PG_T_LIST: print_elements(p, "[]", pgi_term_elements(term), pgi_term_count(term)); break;
    case PG_T_DICT: print_elements(p, "{}", pgi_term_elements(term), pgi_term_count(term)); break;
    case PG_T_ANY:
    case PG_T_ETC:
    case PG_T_TYPE:
    case PG_T_WHERE: pgi_print_value(p, (pg_value){term->head, term->body}); break;
    default: pgi_print_term(p, term);
    }
}

static void print_elements(pgi_print *p, const char *brackets, const pg_term *elements, size_t count)
{
    pgi_print_bytes(p, brackets, 1);
    for (size_t i = 0; i < count; i++) {
        if (i != 0) pgi_print_text(p, *brackets == '{' && i % 2 != 0 ? ": " : ", ");
        print_term(p, &elements[i]);
    }
    pgi_print_bytes(p, brackets + 1, 1);
}

void pgi_pattern_print(pgi_print *p, const pgi_pattern *pattern)
{
    print_elements(p, "()", pgi_pattern_source(pattern), (size_t)pattern->count + pattern->open);
}
