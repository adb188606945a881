/* injector.h - a FIFO of runnable tasks that any thread may fill and any worker may empty.
 *
 * Used as the way in for foreign threads (one for a scheduler), and as each worker's queue of tasks that used up their
 * slice.  The links are embedded in the tasks (pgs_link of mpsc.h): a push allocates nothing and cannot fail.
 *
 * The queue is Vyukov's intrusive MPSC queue as in mpsc.h, but `head` is the next node to take, so that what pop()
 * returns is the caller's own at once.  Which worker is the one consumer is decided by a try-lock: who does not get it
 * goes elsewhere for work instead of waiting.
 *
 * Invariants:
 *   1. tail == &anchor exactly when the queue is empty: taking the last node swings the tail to the anchor in the same
 *      compare-and-swap that proves it the last.  So emptiness is one load, by any thread, without the lock.
 *   2. `head` and the anchor's reuse belong to the holder of the lock.
 *   3. A popped node has been linked past, or was the tail: no producer will touch it again.
 *
 * Who may call with whom: everything with everything, but init.
 *
 * Before a worker parks it must not miss a task.  It announces that it sleeps (a seq_cst exchange or store), then asks
 * pgs_injector_is_empty_final(); a producer pushes (a seq_cst exchange), then reads the announcements with a seq_cst
 * load.  The four are in one total order, so the worker sees the task or the producer sees the sleeper.  A queue that
 * is not empty while pop() says NULL (a gap, or another worker holds the lock) is seen as not empty: such a worker
 * looks again instead of parking.
 *
 * Rejected: a lock around both ends (a preempted holder would stop every foreign sender); a bounded array (a push could
 * fail, or wait, for a task that must not be lost). */
#ifndef PGS_INJECTOR_H
#define PGS_INJECTOR_H

#include "atomic.h"
#include "base.h"
#include "hostile.h"
#include "mpsc.h"

typedef struct pgs_injector {
    PGS_ALIGNED _Atomic(pgs_link *) tail; /* producers; and the consumer when it takes the last node */
    PGS_ALIGNED _Atomic(uint32_t) lock;   /* consumers: 1 while one of them is inside pop */
    pgs_link *head;                       /* the holder of the lock */
    pgs_link anchor;
} pgs_injector;

/* Makes an empty queue, before it is shared. */
void pgs_injector_init(pgs_injector *inj);

/* Appends `link`, which belongs to the queue until popped.  True: the queue was empty before (a hint that a worker may
 * have to be woken).  Any thread; wait-free. */
static inline bool pgs_injector_push(pgs_injector *inj, pgs_link *link)
{
    store_relaxed(&link->next, NULL);
    /* Release: the NULL is before the next producer's link; acquire: its partner.  Sequentially consistent for the
     * sleep protocol above; partner: is_empty_final. */
    pgs_link *last = xchg_seq_cst(&inj->tail, link);
    bool was_empty = last == &inj->anchor;
    pgs_delay(PGS_AT_PUSH);
    store_release(&last->next, link); /* partner: the acquire loads in pop; publishes the task */
    return was_empty;
}

/* Takes the oldest link, or NULL: empty, a gap, or another thread is inside pop.  Any thread; never waits. */
pgs_link *pgs_injector_pop(pgs_injector *inj);

/* The same, but waits while another thread is inside: NULL says that it is empty, or that a push has not linked yet.
 * Any thread. */
pgs_link *pgs_injector_pop_waiting(pgs_injector *inj);

/* Whether the queue was empty a moment ago.  Any thread; one relaxed load. */
static inline bool pgs_injector_is_empty(pgs_injector *inj)
{
    return load_relaxed(&inj->tail) == &inj->anchor;
}

/* The last look of a worker that has announced its sleep: see above.  Any thread. */
static inline bool pgs_injector_is_empty_final(pgs_injector *inj)
{
    return load_seq_cst(&inj->tail) == &inj->anchor; /* partner: the exchange in push */
}

#endif
