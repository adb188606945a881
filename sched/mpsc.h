/* mpsc.h - the core of a mailbox: an intrusive queue, many producers, one consumer, that knows whether its consumer
 * sleeps.
 *
 * After Vyukov's intrusive MPSC queue (1024cores.net, 2010): a producer exchanges the tail for its node, then links the
 * node behind the one it found there.  Two things are added.
 *
 *   The tail word carries an IDLE bit.  A consumer that goes to rest sets it; the exchange or claim that takes it away
 *   has, alone, the duty to schedule the consumer.  So one atomic instruction both enqueues and tells whether to wake.
 *
 *   The last consumed node stays in the queue as its head while its message is handled.  It leaves when the consumer
 *   advances past it, or when it rests, which puts the embedded anchor in its place.  So a message costs its sender one
 *   exchange, and its receiver one compare-and-swap when it goes to rest, and nothing more while mail is waiting.
 *
 *        idle --push() or claim() returns true--> scheduled --the task runs--> running --rest() or sleep()--> idle
 *
 * Invariants:
 *   1. IDLE is set only by the consumer, and only on a tail that it has reached by links: nobody is between exchange
 *      and link.  A node leaves the queue only as such a tail, by the compare-and-swap that proves it, or when its link
 *      has been read.  Hence no node is ever released while a producer may still write its link.
 *   2. Between two times that IDLE is set it is taken away exactly once: one schedule for one rest.
 *   3. `head` belongs to whoever runs the consumer.  It is plain memory, handed over by the IDLE bit (release in rest
 *      and sleep, acquire in push and claim) and then by whatever queue carries the task to its worker.
 *   4. The anchor is in the chain only as the head.  A consumer past it has read its link, so its producer is done with
 *      it, and rest() may use it again.
 *   5. A node's link is read by the consumer alone, and written once by who pushes what is behind it; once it is read,
 *      it is the consumer's to write (unlink).  A consumed node that is still the head must not be freed or pushed
 *      again.
 *
 * Who may call with whom (yes: at the same time on one queue):
 *
 *                          push   claim   idle_hint   consumer's: all the others
 *      push                yes    yes     yes         yes
 *      claim               yes    yes     yes         yes
 *      idle_hint           yes    yes     yes         yes
 *      consumer's          yes    yes     yes         no: one at a time, and only while IDLE is clear
 *
 * A gap: a producer preempted between its exchange and its link hides all later nodes.  peek() then says NULL while
 * rest() says false; the caller treats its task as still runnable and never waits for the producer.
 *
 * Linearisation: push at its exchange, rest and sleep at their successful compare-and-swap, claim at its fetch-and.
 *
 * Rejected: a counter beside the queue (a second contended line for each message); re-inserting the anchor by a push,
 * as Vyukov does (a second exchange for each message of an idle consumer); a separate state word for idle (the queue
 * could then be empty and not idle, and both sides need a full fence to agree). */
#ifndef PGS_MPSC_H
#define PGS_MPSC_H

#include "atomic.h"
#include "base.h"
#include "hostile.h"

typedef struct pgs_link {
    _Atomic(struct pgs_link *) next;
} pgs_link;

typedef pgs_link pgs_mpsc_node;

typedef struct pgs_mpsc {
    _Atomic(uintptr_t) tail; /* everyone: the node pushed last, and IDLE */
    pgs_mpsc_node *head;     /* consumer: the node consumed last, or the anchor */
    pgs_mpsc_node anchor;
} pgs_mpsc;

_Static_assert(sizeof(pgs_mpsc) == 3 * sizeof(void *), "a mailbox pays for three words");

#define PGS_MPSC_IDLE ((uintptr_t)1)

/* Makes an empty queue; `idle` says whether the first push has to schedule the consumer.  Before the queue is
 * shared. */
static inline void pgs_mpsc_init(pgs_mpsc *q, bool idle)
{
    plain_write(q); /* as C11 has it of an atomic that is made: no push may race with it */
    store_relaxed(&q->anchor.next, NULL);
    q->head = &q->anchor;
    store_relaxed(&q->tail, (uintptr_t)&q->anchor | (idle ? PGS_MPSC_IDLE : 0));
}

/* Appends the nodes from `first` to `node`, which the caller has linked by pgs_mpsc_link(); they belong to the queue
 * now.  True: the consumer was idle, and this caller and nobody else must now schedule it.  Any thread; wait-free. */
static inline bool pgs_mpsc_push_chain(pgs_mpsc *q, pgs_mpsc_node *first, pgs_mpsc_node *node)
{
    plain_read(q); /* it has been made */
    store_relaxed(&node->next, NULL);
    /* Release: the NULL above is before the link that the next producer writes here; partner: the acquire half of that
     * producer's push.  Acquire: the consumer's private state before its rest() or sleep() is visible to whomever this
     * caller schedules. */
    uintptr_t before = xchg_acq_rel(&q->tail, (uintptr_t)node);
    pgs_mpsc_node *last = (pgs_mpsc_node *)(before & ~PGS_MPSC_IDLE);
    pgs_delay(PGS_AT_PUSH);
    store_release(&last->next, first); /* partner: the acquire in pgs_mpsc_next; publishes the messages themselves */
    return before & PGS_MPSC_IDLE;
}

/* The same for one node. */
static inline bool pgs_mpsc_push(pgs_mpsc *q, pgs_mpsc_node *node)
{
    return pgs_mpsc_push_chain(q, node, node);
}

/* Puts `node` behind another that will be pushed together with it. */
static inline void pgs_mpsc_link(pgs_mpsc_node *before, pgs_mpsc_node *node)
{
    store_relaxed(&before->next, node); /* published by the push */
}

/* Takes the idle bit away without a message (a timer, a kill).  True: the caller must schedule the consumer, exactly as
 * if it had pushed.  False: the consumer is scheduled or running.  Then what the caller wrote before is visible to the
 * consumer after its next successful rest() or sleep(): a consumer that can be claimed looks for such news once it is
 * idle, and if there are any claims itself back.  Any thread; wait-free. */
static inline bool pgs_mpsc_claim(pgs_mpsc *q)
{
    /* Acquire: partner rest/sleep, as in push.  Release: partner the acquire half of the consumer's next rest/sleep;
     * for this a claim writes the tail even when it finds it busy, and is not preceded by a load. */
    return and_acq_rel(&q->tail, ~PGS_MPSC_IDLE) & PGS_MPSC_IDLE;
}

/* Whether the consumer was idle a moment ago.  Any thread. */
static inline bool pgs_mpsc_idle_hint(pgs_mpsc *q)
{
    return load_relaxed(&q->tail) & PGS_MPSC_IDLE;
}

/* The node behind `node`, or NULL: none, or a gap.  Consumer only; `node` is the head or one reached from it. */
static inline pgs_mpsc_node *pgs_mpsc_next(pgs_mpsc_node *node)
{
    return load_acquire(&node->next); /* partner: the link in push */
}

/* The first unconsumed node, which stays where it is, or NULL: the queue is empty or has a gap.  Consumer only. */
static inline pgs_mpsc_node *pgs_mpsc_peek(pgs_mpsc *q)
{
    return pgs_mpsc_next(q->head);
}

/* Consumes `node`, which peek() returned.  It becomes the head and must stay valid until a later call returns it.
 * Returns the node that was the head, now the caller's own, or NULL when that was the anchor.  Consumer only. */
static inline pgs_mpsc_node *pgs_mpsc_advance(pgs_mpsc *q, pgs_mpsc_node *node)
{
    pgs_mpsc_node *before = q->head;
    q->head = node;
    return before == &q->anchor ? NULL : before;
}

/* Puts the anchor in the place of the last consumed node, with `flag` in the tail.  False, and nothing changed, when
 * something has been pushed. */
static inline bool pgs_mpsc_swap_anchor(pgs_mpsc *q, pgs_mpsc_node **released, uintptr_t flag)
{
    pgs_mpsc_node *last = q->head;
    uintptr_t expected = (uintptr_t)last;
    if (last != &q->anchor) {
        store_relaxed(&q->anchor.next, NULL);
        q->head = &q->anchor; /* before the swap: after it, the next consumer may already run */
    }
    /* Release: all that this consumer did is before the run that the next push or claim schedules, and anchor.next is
     * NULL before a producer links behind it.  Acquire: partner the release half of a claim that found us busy. */
    if (likely(cas_acq_rel(&q->tail, &expected, (uintptr_t)&q->anchor | flag))) {
        *released = last == &q->anchor ? NULL : last;
        return true;
    }
    q->head = last;
    *released = NULL;
    return false;
}

/* Goes idle with nothing left to do.  True: the queue, and all private state of the consumer, belongs from this moment
 * to whoever takes the idle bit; *released is the last consumed node, now the caller's own, or NULL.  False: somebody
 * has pushed meanwhile; go on (peek() may still say NULL for a moment).  Consumer only. */
static inline bool pgs_mpsc_rest(pgs_mpsc *q, pgs_mpsc_node **released)
{
    return pgs_mpsc_swap_anchor(q, released, PGS_MPSC_IDLE);
}

/* Goes idle behind `last`, the head or a node reached from it: a consumer that has looked at all nodes up to `last` and
 * has left them in the queue; with the head for `last`, one that is in the middle of a message.  True and false as for
 * rest(); false also when there are nodes behind `last`.  Consumer only. */
static inline bool pgs_mpsc_sleep(pgs_mpsc *q, pgs_mpsc_node *last)
{
    uintptr_t expected = (uintptr_t)last;
    return cas_acq_rel(&q->tail, &expected, expected | PGS_MPSC_IDLE); /* partners as in swap_anchor */
}

/* Takes `node` out, which stands behind `before`, the head or a node reached from it, and returns true; false when it
 * is the last: a producer may be about to link behind it, so it has to stay.  Consumer only. */
static inline bool pgs_mpsc_unlink(pgs_mpsc_node *before, pgs_mpsc_node *node)
{
    pgs_mpsc_node *behind = pgs_mpsc_next(node);
    if (!behind) return false;
    store_relaxed(&before->next, behind);
    return true;
}

/* Whether everything pushed has been consumed; a gap counts as "no".  Consumer only. */
static inline bool pgs_mpsc_is_empty_hint(pgs_mpsc *q)
{
    return (load_relaxed(&q->tail) & ~PGS_MPSC_IDLE) == (uintptr_t)q->head;
}

/* The end of life: takes nodes out, consumed or not, oldest first, one for each call, and leaves IDLE clear so that
 * nobody is ever told to schedule.  NULL: empty, or a gap (then is_empty_hint() is false, and the caller comes back).
 * After a grace period for producers there is no gap.  Consumer only. */
static inline pgs_mpsc_node *pgs_mpsc_detach(pgs_mpsc *q)
{
    for (;;) {
        pgs_mpsc_node *node = pgs_mpsc_peek(q);
        pgs_mpsc_node *released = NULL;
        if (!node) {
            (void)(q->head != &q->anchor && pgs_mpsc_swap_anchor(q, &released, 0));
            return released;
        }
        released = pgs_mpsc_advance(q, node);
        if (released) return released;
    }
}

#endif
