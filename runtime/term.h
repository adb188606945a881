/* term.h - values inside messages: their form in memory, their order, and what the public accessors stand on.
 *
 * A term has the two words of a pg_value, with one difference: where a value holds an address, a term holds the
 * distance from its own first byte to the data, so that a message may be copied anywhere.  Data of a long string or of
 * bytes are followed by a NUL.  A sequence leads to its elements, which are terms one after the other.  An exit is a
 * sequence of three: the kind (int), the text (str), the error (any).  The pairs of a dict are key, value, key, value,
 * ..., in ascending order of their keys, no two of which are equal.
 *
 * A scalar and a short string are the same two words in a value and in a term, and have one form only, so that they are
 * equal when their words are; floats alone have exceptions, -0.0 and 0.0, and the NaNs.
 *
 * The order of terms, pgi_term_compare(), is total.  First comes the type, in the order of pg_type; then numbers by
 * value, -0.0 equal to 0.0, every NaN equal to every other and above all numbers; pids, refs and pointers by their
 * bits; buffers by their names, which mean the same everywhere (buffer.h); strings and bytes byte by byte, and a prefix
 * before what it begins; sequences by their number of elements, then element by element.  Equality is this order's;
 * only the literals of patterns see NaNs otherwise (pattern.h).
 *
 * All functions here are pure readers: from any thread that may read the message. */
#ifndef PGI_TERM_H
#define PGI_TERM_H

#include "paragram.h"
#include "sched/base.h"

struct pg_term {
    uint64_t head;
    uint64_t body;
};

_Static_assert(sizeof(struct pg_term) == 16 && sizeof(pg_value) == 16, "values and terms are two words");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the layout of values is little-endian");

/* Sets of types, to be tested with pgi_in(). */
#define PGI_BIT(type) (UINT32_C(1) << (type))
#define PGI_TEXTS (PGI_BIT(PG_T_STR) | PGI_BIT(PG_T_BYTES))
#define PGI_SEQUENCES (PGI_BIT(PG_T_TUPLE) | PGI_BIT(PG_T_LIST) | PGI_BIT(PG_T_DICT) | PGI_BIT(PG_T_EXIT))
#define PGI_SCALARS                                                                                         \
    (PGI_BIT(PG_T_NIL) | PGI_BIT(PG_T_BOOL) | PGI_BIT(PG_T_INT) | PGI_BIT(PG_T_FLOAT) | PGI_BIT(PG_T_PID) | \
     PGI_BIT(PG_T_REF) | PGI_BIT(PG_T_PTR))

#define PGI_BODY_MASK (~PG_LONG_MARK) /* what a long text's body is beneath its mark */

/* Whether the type in the lowest byte of a head is in the set; false for a byte that is no type. */
static inline bool pgi_in(uint64_t head, uint32_t set)
{
    unsigned type = (unsigned)(head & 0xff);
    return type < 32 && (set >> type & 1);
}

static inline pg_type pgi_term_type(const pg_term *term)
{
    return (pg_type)(term->head & 0xff);
}

/* Elements of a sequence (two for each pair of a dict); the length of a long text. */
static inline size_t pgi_term_count(const pg_term *term)
{
    return (size_t)(term->head >> 8);
}

/* The first element of a sequence. */
static inline const pg_term *pgi_term_elements(const pg_term *term)
{
    return (const pg_term *)(const void *)((const char *)term + term->body);
}

/* Whether a text lies outside its term. */
static inline bool pgi_term_is_long(const pg_term *term)
{
    return term->body >= PG_LONG_MARK;
}

/* The first byte of a str or bytes, and its length. */
static inline const char *pgi_term_text(const pg_term *term, size_t *length)
{
    if (pgi_term_is_long(term)) {
        *length = pgi_term_count(term);
        return (const char *)term + (term->body & PGI_BODY_MASK);
    }
    *length = (size_t)(PG_INLINE_MAX - (term->body >> 56));
    return (const char *)term + 1;
}

static inline double pgi_term_double(const pg_term *term)
{
    double d;
    memcpy(&d, &term->body, sizeof d);
    return d;
}

/* Whether two words of a value are those of the term too: a well-formed scalar or short text.  The usual types first,
 * and no constant that would take a register.  (Types nil and bool are 0 and 1, and so are the largest bodies that they
 * may have.) */
static inline bool pgi_words_are_inline(uint64_t head, uint64_t body)
{
    if (head == PG_T_INT) return true;
    if ((head & 0xfe) == PG_T_STR) return body >> 56 <= PG_INLINE_MAX; /* or PG_T_BYTES, the next one */
    if (head <= PG_T_BOOL) return body <= head;
    return head <= PG_T_REF || head == PG_T_PTR; /* float, pid, ref, ptr */
}

_Static_assert(PG_T_NIL == 0 && PG_T_BOOL == 1 && PG_T_STR == 4 && PG_T_BYTES == 5 && PG_T_REF == 7,
               "nothing but scalars and texts up to PG_T_REF");

static inline bool pgi_value_is_inline(const pg_value *value)
{
    return pgi_words_are_inline(value->head, value->body);
}

/* The number of elements, or the length of a long text, that a value has; and where they are. */
static inline size_t pgi_value_count(pg_value value)
{
    return (size_t)(value.head >> 8);
}

static inline const pg_value *pgi_value_elements(pg_value value)
{
    return (const pg_value *)(uintptr_t)value.body;
}

static inline const char *pgi_value_text(pg_value value)
{
    return (const char *)(uintptr_t)(value.body & PGI_BODY_MASK);
}

/* Below 0, 0 or above 0 as `a` comes before `b`, equals it or comes after it. */
int pgi_term_compare(const pg_term *a, const pg_term *b);

/* As pgi_term_compare() of the term that `value` would become, which is not built, but for a dict within it.  What
 * could not be sent (a pattern element, an invalid value) comes after all terms and equals none. */
int pgi_term_compare_value(const pg_term *term, pg_value value);

/* Equality of terms whose heads are equal and that are not both inline. */
bool pgi_term_equal_deep(const pg_term *a, const pg_term *b);

static inline bool pgi_term_equal(const pg_term *a, const pg_term *b)
{
    if (a->head != b->head) return false;
    if (pgi_in(a->head, PGI_SEQUENCES | PGI_BIT(PG_T_FLOAT))) return pgi_term_equal_deep(a, b);
    if (pgi_in(a->head, PGI_TEXTS) && pgi_term_is_long(a)) return pgi_term_equal_deep(a, b);
    return a->body == b->body;
}

/* The value that a key has in a dict, found by binary search, or NULL. */
const pg_term *pgi_dict_find(const pg_term *dict, const pg_term *key);
const pg_term *pgi_dict_find_value(const pg_term *dict, pg_value key);

/* "int" for PG_T_INT and so on, the pattern elements too; "invalid" for what is no type. */
const char *pgi_type_name(unsigned type);

#endif
