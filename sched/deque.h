/* deque.h - a work-stealing deque: its owner pushes and takes at the bottom, thieves steal at the top.
 *
 * Chase and Lev (SPAA 2005) with the C11 orders of Le, Pop, Cohen and Zappa Nardelli (PPoPP 2013, figure 1), but for
 * five differences:
 *   - push stores the bottom with release instead of a release fence and a relaxed store, and so does take where there
 *     may be items below it: the same instructions on x86, no dependence on release sequences of one thread's plain
 *     stores, and ThreadSanitizer, which does not model free-standing fences, can follow.
 *   - the owner's own swaps of the top are no more than acquire: see take and take_oldest.
 *   - the owner keeps the last top that it has seen.  The top only grows, so `top_seen` is a lower bound: a push reads
 *     the thieves' line only when the array looks full, and a take from an empty deque needs no fence.
 *   - replaced arrays are kept until destroy.  Sizes double, so together they cost at most as much as the live one.
 *   - a thief first looks without a fence, since most looks of idle workers find nothing.
 *
 * Invariants:
 *   1. top <= bottom + 1, and top never shrinks.  The items are at indices top .. bottom-1, modulo the size.
 *   2. Only the owner writes bottom, array, cells; cells of a replaced array are never written again.
 *   3. An index below bottom-1 is taken by whoever moves the top over it.  For the last one, owner and thieves decide
 *      by the same compare-and-swap.  The owner takes others freely: having lowered the bottom and then, after a full
 *      fence, read the top, it knows that a thief that could still want them will see the lowered bottom.
 *   4. A cell is overwritten only when top_seen has passed it; a thief that still reads it fails its swap.
 *
 * Who may call with whom (yes: at the same time on one deque):
 *
 *                             owner's: push take take_oldest     try_steal steal size_hint
 *      owner's                no: one thread at a time           yes
 *      try_steal, steal       yes                                yes
 *
 * The owner may be a different thread from time to time, when the hand-over orders the one before the other.
 *
 * Before a worker parks: after announcing its sleep it calls fence_seq_cst(), then size_hint() or steal() of each
 * deque; a worker that has pushed calls fence_seq_cst() before it reads the announcements. */
#ifndef PGS_DEQUE_H
#define PGS_DEQUE_H

#include "atomic.h"
#include "base.h"
#include "hostile.h"

struct pgs_task;

struct pgs_deque_array {
    int64_t mask;                  /* capacity - 1 */
    struct pgs_deque_array *older; /* the array that this one replaced */
    _Atomic(struct pgs_task *) cell[];
};

typedef struct pgs_deque {
    PGS_ALIGNED _Atomic(int64_t) top; /* thieves and owner, growing: next index to steal */

    PGS_ALIGNED _Atomic(int64_t) bottom; /* owner: next index to push */
    _Atomic(struct pgs_deque_array *) array;
    int64_t top_seen; /* owner's own: some earlier value of top */
} pgs_deque;

/* Makes an empty deque of `capacity` cells, a power of two.  0 or -ENOMEM.  Before it is shared. */
int pgs_deque_init(pgs_deque *d, size_t capacity);

/* Frees the arrays.  Nobody else may use the deque any more; items still in it are the caller's to care for. */
void pgs_deque_destroy(pgs_deque *d);

/* For push: makes room, doubling the array if it is truly full.  0 or -ENOMEM.  Owner only. */
int pgs_deque_make_room(pgs_deque *d);

/* Appends `item` at the bottom.  0, or -ENOMEM: the deque is full and could not grow, and `item` is still the caller's.
 * Owner only. */
static inline int pgs_deque_push(pgs_deque *d, struct pgs_task *item)
{
    int64_t b = load_relaxed(&d->bottom);
    struct pgs_deque_array *a = load_relaxed(&d->array);
    if (unlikely(b - d->top_seen > a->mask)) {
        int rc = pgs_deque_make_room(d);
        if (rc) return rc;
        a = load_relaxed(&d->array);
    }
    store_relaxed(&a->cell[b & a->mask], item);
    store_release(&d->bottom, b + 1); /* partner: the acquire of bottom in try_steal; publishes cell, array and task */
    return 0;
}

/* Takes the newest item, or NULL when empty.  Owner only. */
static inline struct pgs_task *pgs_deque_take(pgs_deque *d)
{
    int64_t b = load_relaxed(&d->bottom) - 1;
    if (b < d->top_seen) return NULL;
    struct pgs_deque_array *a = load_relaxed(&d->array);
    store_release(&d->bottom, b); /* partner: as in push; a thief may read this bottom instead of push's */
    pgs_delay(PGS_AT_TAKE);
    fence_seq_cst();                   /* partner: the fence in try_steal: one of the two sees the other's index */
    int64_t t = load_acquire(&d->top); /* partner: the swap in try_steal, before push reuses a stolen cell */
    d->top_seen = t;
    if (likely(t < b)) return load_relaxed(&a->cell[b & a->mask]);
    struct pgs_task *item = NULL;
    if (t == b) {
        item = load_relaxed(&a->cell[b & a->mask]);
        /* Acquire, for when a thief was faster, whose swap in try_steal is the partner.  No more than that: whoever
         * reads this top has a fence behind the reading, and here is one before, which shows the bottom. */
        if (!cas_acquire(&d->top, &t, t + 1)) item = NULL;
        d->top_seen = b + 1;
    }
    store_relaxed(&d->bottom,
                  b + 1); /* publishes nothing: the top is there, too, so who reads this gets nothing by it */
    return item;
}

/* Takes the oldest item, or NULL when empty.  Owner only. */
struct pgs_task *pgs_deque_take_oldest(pgs_deque *d);

/* Takes the oldest item; NULL: empty, or, with *lost set to true, another thread was faster and there may be more.  Any
 * thread; wait-free. */
struct pgs_task *pgs_deque_try_steal(pgs_deque *d, bool *lost);

/* The same, trying again after a lost race: NULL means empty.  Any thread; lock-free. */
struct pgs_task *pgs_deque_steal(pgs_deque *d);

/* How many items there were a moment ago.  Any thread. */
static inline size_t pgs_deque_size_hint(pgs_deque *d)
{
    int64_t size = load_relaxed(&d->bottom) - load_relaxed(&d->top);
    return size > 0 ? (size_t)size : 0;
}

#endif
