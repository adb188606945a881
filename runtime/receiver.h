/* receiver.h - sets of receivers: which handler gets a message, and how a million processes share the answer.
 *
 * A set is a list of receivers in order of registration.  A process points at one, and at another after registering.
 * There are three kinds:
 *
 *     shared    made by pgi_receivers_add().  Immutable, of the store, alive until it is destroyed.
 *               The same receiver added to the same set gives the same set.
 *     table     made of a pg_table, once for each store.  Immutable, of the store.  Adding to it
 *               gives a shared set.
 *     private   of one process: its patterns hold a pid, a ref or a pointer, or it has more than
 *               PGI_SHARED_RECEIVERS receivers, or the store has PGI_SHARED_SETS already.  It grows
 *               in place, and is freed by its process.
 *
 *     who                           may call
 *     any thread                    find on a shared or table set; add to one, or to none; pgi_table_use()
 *     the process that owns it      find on, add to and drop a private set
 *     one thread, nobody else left  init and destroy of a store
 *
 * A set finds a receiver by the gates of all of them, in one flat array: the number of values that a pattern takes and
 * the tests of the first two.  For most patterns, such as ("add", PG_INT), that is all; else the pattern is
 * asked.  Sets of more than PGI_SCANNED receivers have an index by the first value as well: see receiver.c. */
#ifndef PGI_RECEIVER_H
#define PGI_RECEIVER_H

#include "pattern.h"
#include "sched/atomic.h"
#include "sched/hostile.h"

enum {
    PGI_SCANNED = PGS_TUNED(8, 1), /* receivers up to which a set has no index */
    PGI_SHARED_RECEIVERS = 64,     /* in a shared set */
    PGI_SHARED_SETS = 4096,        /* in a store */
    PGI_ROOTS = PGS_TUNED(64, 1),  /* sets of one receiver that a store has at hand; a power of two */
    PGI_TABLE_CHUNKS = 64,         /* tables beyond chunks * 64 are put together anew for each use */
    PGI_TABLE_CHUNK = 64
};

#define PGI_NO_RECEIVER UINT32_MAX

typedef struct pgi_receiver {
    /* The gate. */
    pgi_test first;  /* of the first value */
    pgi_test second; /* of the second; of none, always true */
    uint32_t least;  /* values that the pattern takes */
    uint32_t span;   /* more that it takes */
    bool whole;      /* the gate says all that the pattern says */
    bool plain;      /* the pattern's tests do: it has no checks beside them */

    pg_handler handler;
    const pgi_pattern *pattern;
} pgi_receiver;

/* The receivers whose first value has one hash, in order: numbers, linked through `next` of the set. */
typedef struct pgi_chain {
    uint32_t first;
    uint32_t last;
} pgi_chain;

typedef struct pgi_receivers pgi_receivers;
struct pgi_receivers {
    uint32_t scanned; /* receivers to be asked in turn: all of them, or none where there is an index */
    uint32_t count;
    pgi_receiver *list; /* has a first one that nothing passes where there is none */
    uint32_t slots;     /* chains by hash, a power of two, and after them one of all other receivers; 0: no index */
    uint32_t *next;
    pgi_chain *chains;
    /* What has been added last, so that doing that again is recognised at once.  Not for private sets. */
    pgi_receivers *_Atomic child;
};

typedef struct pgi_table_chunk {
    /* NULL: not yet compiled; below 0: the status that it is refused with. */
    pgi_receivers *_Atomic sets[PGI_TABLE_CHUNK];
} pgi_table_chunk;

struct cds_lfht;

/* The sets of one runtime. */
typedef struct pgi_receiver_store {
    struct cds_lfht *shared;                 /* shared sets by (set before, handler, pattern) */
    _Atomic uint32_t shared_count;           /* of them, those being made included */
    pgi_receivers *_Atomic roots[PGI_ROOTS]; /* shared sets of one receiver, by handler: children of no set */
    pgi_table_chunk *_Atomic chunks[PGI_TABLE_CHUNKS];
} pgi_receiver_store;

/* PG_OK or PG_ENOMEM.  Destroying frees all shared and table sets; private ones must have been dropped. */
int pgi_receiver_store_init(pgi_receiver_store *store);
void pgi_receiver_store_destroy(pgi_receiver_store *store);

/* The set `set`, which is of this store, or NULL for none, and one receiver more.  `values` are copied.
 * A private `set` is consumed: it lives on in *out only, and what pgi_receivers_find() gave of it is void.  A result
 * that is private belongs to the caller's process.  PG_OK; PG_EINVAL also for a NULL handler, the others as
 * pgi_pattern_compile() says: then `set` stays as it was, and *out is not written.  From any thread, for a private set
 * its owner. */
int pgi_receivers_add(pgi_receiver_store *store, const pgi_receivers *set, pg_handler handler, size_t count,
                      const pg_value *values, const pgi_receivers **out);

/* Frees a private set; does nothing for others, and for NULL. */
void pgi_receivers_drop(const pgi_receivers *set);

bool pgi_receivers_is_private(const pgi_receivers *set);

/* The paths of pgi_receivers_find(): from receiver `i` on; for a set with an index. */
const pgi_receiver *pgi_receivers_find_from(const pgi_receivers *set, const pg_message *msg, uint32_t i);
const pgi_receiver *pgi_receivers_find_indexed(const pgi_receivers *set, const pg_message *msg);

/* For table.c.  A private set of no receivers, or NULL; a private set and one receiver more, where the pattern, in
 * memory of its own, is consumed with the set if PG_OK, else PG_ENOMEM; a private set, made one of a table. */
const pgi_receivers *pgi_receivers_empty(void);
int pgi_receivers_append(const pgi_receivers *set, pg_handler handler, pgi_pattern *pattern, const pgi_receivers **out);
void pgi_receivers_seal(const pgi_receivers *set);

/* The path of pgi_table_use() where the table has no set in the store. */
PGS_COLD int pgi_table_compile(pgi_receiver_store *store, pg_table *table, const pgi_receivers **out);

static inline size_t pgi_receivers_count(const pgi_receivers *set)
{
    return set != NULL ? set->count : 0;
}

/* The value at `index` of a message, or nil, so that gates can be tried on a message that is too short for them. */
static inline const pg_term *pgi_gate_term(const pg_message *msg, unsigned index)
{
    static const pg_term none = {0, 0};
    return index < msg->count ? pgi_message_terms(msg) + index : &none;
}

/* Whether a message of `count` values passes, whose first two are given. */
static inline bool pgi_gate_passes(const pgi_receiver *r, unsigned count, const pg_term *first, const pg_term *second)
{
    if (count - r->least > r->span) return false;
    return pgi_no_misses(pgi_test_misses(&r->first, first) | pgi_test_misses(&r->second, second));
}

/* The first receiver that matches, or NULL.  `set` may be NULL.  The result lives as long as the set does.  What is not
 * said by gates is left to functions that are called last, so that nothing is saved on the stack for them. */
static inline const pgi_receiver *pgi_receivers_find(const pgi_receivers *set, const pg_message *msg)
{
    if (unlikely(set == NULL)) return NULL;
    /* Every block has room for two terms, and gates do not look at what a pattern of fewer does not have. */
    const pg_term *first = pgi_message_terms(msg), *second = first + 1;
    const pgi_receiver *r = set->list;
    /* The first of all, which wins where it matches, whatever else there is. */
    if (likely(pgi_gate_passes(r, msg->count, first, second)) && likely(r->whole)) return r;
    for (const pgi_receiver *end = r + set->scanned; r < end; r++) {
        if (!pgi_gate_passes(r, msg->count, first, second)) continue;
        if (likely(r->whole)) return r;
        if (unlikely(!r->plain)) return pgi_receivers_find_from(set, msg, (uint32_t)(r - set->list));
        if (pgi_pattern_tests_pass(r->pattern, 2, first)) return r;
    }
    return unlikely(set->slots != 0) ? pgi_receivers_find_indexed(set, msg) : NULL;
}

/* The set of a table in this store; compiled at its first use there.  A set of no receivers is a set, too.  PG_OK;
 * PG_EINVAL: no table, no function in it, or called while a table is being defined; the first error that pg_on() met:
 * such a table is refused each time, but for PG_ENOMEM, after which it may be tried again.  *out is written if PG_OK;
 * it is private for the tables beyond the first 4,096 of a program, in some cases.  From any thread. */
static inline int pgi_table_use(pgi_receiver_store *store, pg_table *table, const pgi_receivers **out)
{
    if (unlikely(table == NULL)) return PG_EINVAL;
    uint64_t number = load_relaxed((_Atomic uint64_t *)&table->id) - 1;
    if (likely(number < (uint64_t)PGI_TABLE_CHUNKS * PGI_TABLE_CHUNK)) {
        /* Both acquire what pgi_table_compile() releases. */
        const pgi_table_chunk *chunk = load_acquire(&store->chunks[number / PGI_TABLE_CHUNK]);
        const pgi_receivers *set = chunk != NULL ? load_acquire(&chunk->sets[number % PGI_TABLE_CHUNK]) : NULL;
        if (likely((intptr_t)set > 0)) {
            *out = set;
            return PG_OK;
        }
    }
    return pgi_table_compile(store, table, out);
}

#endif
