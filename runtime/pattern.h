/* pattern.h - patterns, compiled: what a receiver, pg_recv_match() and pg_matches_value() ask of a message.
 *
 * A compiled pattern is one block, immutable, that holds no address of itself: a header; for each element a test of the
 * term's two words under masks; the elements as the user wrote them, as terms; and the data of those.
 *
 *     element                      test of head             test of body          slow check beside it
 *     any                          -                        -                     no
 *     a type                       its lowest byte          -                     no
 *     scalar, text up to 14 bytes  all bits                 all bits              no
 *     0.0, -0.0                    all bits                 all but the sign      no
 *     NaN                          never true               -                     no
 *     longer text                  all bits (length)        the mark              the bytes
 *     tuple or list                all bits (length)        -                     its elements, if any
 *       that ends with etc         its lowest byte          -                     the length and elements, if any
 *     dict                         its lowest byte          -                     its pairs, if any
 *     exit, as a literal           its lowest byte          -                     equality
 *     where(f)                     -                        -                     f
 *
 * So a pattern of atoms and types is matched without a branch on what they are.  A dict asks for its own keys only,
 * wherever in a pattern it stands, but for keys: what lies in a key is compared by equality.  A term of a received
 * message (pg_v_term) means what its value, written out, would mean.  Floats are compared by value, so that NaN matches
 * nothing.  That holds in keys too; only within a literal exit, equality is that of term.h.
 *
 * Rejected: a tree of nodes with masks at every level.  Patterns that nest are few, and their source, which printing
 * and identity need in any case, is walked nearly as fast as nodes would be.  Rejected too: a decision tree over all
 * patterns of a receiver set.  First match wins and predicates may look at anything, so it would end up testing what
 * the linear scan tests; the scan of receiver.h is 1 ns a receiver.
 *
 * All functions may be called from any thread. */
#ifndef PGI_PATTERN_H
#define PGI_PATTERN_H

#include "message.h"
#include "print.h"

/* The two words of a term, head and body, looked at together. */
typedef uint64_t pgi_words __attribute__((vector_size(16)));

/* (words & mask) == want */
typedef struct pgi_test {
    pgi_words mask;
    pgi_words want;
} pgi_test;

typedef struct pgi_pattern {
    uint32_t size; /* bytes of the block; a multiple of 16 */
    uint16_t slow; /* bit i: element i has a check beside its test */
    uint16_t deep; /* bit i: element i has data outside its term */
    uint8_t count; /* elements, a last etc left out */
    bool open;     /* there is a last etc */
    bool shareable;
    bool pure;
    uint8_t telling; /* the element that tells most messages apart: a ref, or the first */
    uint8_t unused[19];
    pgi_test tests[]; /* count of them, then the source terms, the etc included, then their data */
} pgi_pattern;

_Static_assert(sizeof(pgi_pattern) == 32, "the tests are aligned as a cache line is divided");

/* Room for a pattern on the stack: any that does not nest and has no long text fits. */
typedef struct pgi_pattern_buffer {
    _Alignas(16) unsigned char bytes[sizeof(pgi_pattern) + PG_VALUES_MAX * (sizeof(pgi_test) + sizeof(pg_term))];
} pgi_pattern_buffer;

/* Compiles the pattern that `count` values make; they may be changed or freed afterwards.  PG_OK; PG_ETOOMANY: more
 * than PG_VALUES_MAX elements, or nested deeper than PG_DEPTH_MAX; PG_EPATTERN: an etc that is not last in a tuple,
 * list or pattern, or a pattern element in the key of a dict; PG_EINVAL: a value is malformed; PG_ENOMEM: memory is
 * short, or the pattern is larger than 1 GiB.  *out is NULL unless PG_OK. */
int pgi_pattern_compile(size_t count, const pg_value *values, pgi_pattern **out);

/* The same into `buffer` where it fits, else into memory of its own; to be given back with pgi_pattern_leave() in
 * either case, while the buffer lives. */
int pgi_pattern_compile_into(pgi_pattern_buffer *buffer, size_t count, const pg_value *values, pgi_pattern **out);
void pgi_pattern_leave(pgi_pattern_buffer *buffer, pgi_pattern *pattern);

/* A copy in memory of its own; NULL when memory is short. */
pgi_pattern *pgi_pattern_copy(const pgi_pattern *pattern);

/* Frees what pgi_pattern_compile() or pgi_pattern_copy() gave.  May be NULL. */
void pgi_pattern_free(pgi_pattern *pattern);

/* The part of pgi_pattern_match() that the tests cannot say; `terms` are the message's. */
bool pgi_pattern_match_slow(const pgi_pattern *pattern, const pg_term *terms);

/* Whether a pattern of one element matches a term; false for other patterns. */
bool pgi_pattern_match_term(const pgi_pattern *pattern, const pg_term *term);

/* Whether both were written alike, element for element; then they match the same.  (0.0 and -0.0 are not alike.) */
bool pgi_pattern_same(const pgi_pattern *a, const pgi_pattern *b);

/* Whether one of its elements is a ref, of a number above `after` and up to `last`. */
bool pgi_pattern_asks_for_ref(const pgi_pattern *pattern, uint64_t after, uint64_t last);

/* Whether compiling the values would give a pattern that is the same.  Compiles and allocates nothing.  May say no to
 * a dict as a key whose pairs come in another order.  The values need not be a pattern; then it says no. */
bool pgi_pattern_same_as_values(const pgi_pattern *pattern, size_t count, const pg_value *values);

/* Writes the pattern as a tuple, as it was written. */
void pgi_pattern_print(pgi_print *p, const pgi_pattern *pattern);

/* A hash of what it was written as: equal for patterns that are the same. */
uint64_t pgi_pattern_hash(const pgi_pattern *pattern);

/* False when it holds a pid, a ref or a pointer, of which there may be any number during a run. */
static inline bool pgi_pattern_shareable(const pgi_pattern *pattern)
{
    return pattern->shareable;
}

/* False when it holds a predicate, which may say yes to what it has said no to before. */
static inline bool pgi_pattern_pure(const pgi_pattern *pattern)
{
    return pattern->pure;
}

/* The elements as written, `count` of them, and an etc after them if the pattern is open. */
static inline const pg_term *pgi_pattern_source(const pgi_pattern *pattern)
{
    return (const pg_term *)(const void *)(pattern->tests + pattern->count);
}

/* What is wrong with a term: no bit where the test passes.  (One load of both words: they have been in the cache since
 * the exchange that has put the message into a mailbox.) */
static inline pgi_words pgi_test_misses(const pgi_test *test, const pg_term *term)
{
    pgi_words words;
    memcpy(&words, term, sizeof words);
    return (words & test->mask) ^ test->want;
}

static inline bool pgi_no_misses(pgi_words misses)
{
    return (misses[0] | misses[1]) == 0;
}

static inline bool pgi_test_passes(const pgi_test *test, const pg_term *term)
{
    return pgi_no_misses(pgi_test_misses(test, term));
}

/* Whether the tests of the elements from `first` on pass, for a message that has terms enough.  All of them are made:
 * what they find is asked once. */
static inline bool pgi_pattern_tests_pass(const pgi_pattern *pattern, unsigned first, const pg_term *terms)
{
    pgi_words misses = {0};
    for (unsigned i = first; i < pattern->count; i++) misses |= pgi_test_misses(&pattern->tests[i], &terms[i]);
    return pgi_no_misses(misses);
}

/* The same with all checks beside the tests. */
static inline bool pgi_pattern_match_from(const pgi_pattern *pattern, unsigned first, const pg_term *terms)
{
    return pgi_pattern_tests_pass(pattern, first, terms) &&
           (likely(pattern->slow == 0) || pgi_pattern_match_slow(pattern, terms));
}

/* Whether the pattern matches the message. */
static inline bool pgi_pattern_match(const pgi_pattern *pattern, const pg_message *msg)
{
    const pg_term *terms = pgi_message_terms(msg);
    if (msg->count != pattern->count && !(pattern->open && msg->count > pattern->count)) return false;
    if (pattern->count > 0 && !pgi_test_passes(&pattern->tests[pattern->telling], &terms[pattern->telling]))
        return false;
    return pgi_pattern_match_from(pattern, 0, terms);
}

#endif
