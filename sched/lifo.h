/* lifo.h - a place for one task that its worker puts there and takes away without a locked instruction, and that the
 * monitor can rob when the worker is stuck: the LIFO slot.
 *
 * `claim` says what the monitor does:
 *
 *     rest --the monitor asks--> ASKED --the owner removes a task first, or there is none--> rest
 *                                  `---the monitor takes what it sees--> that task --the owner notices--> rest
 *
 * Invariants:
 *   1. `task` is written by the owner alone.  After a robbery it still names the task that is gone, until the owner's
 *      next swap; nobody looks at a task by it.
 *   2. `claim` leaves rest by the monitor alone, and a task by the owner alone.  From ASKED both want to move it, by
 *      compare-and-swap.
 *
 * Claim: a task is removed by the owner or robbed, and not both.  Let the monitor store ASKED, do a heavy fence H, read
 * the task T, and swap ASKED for it; and let the owner remove T by a store S, do a light fence L, and read `claim`.  If
 * L is before H's moment in the owner, S is visible to the monitor's read, which then has not read T, unless T was put
 * there again.  If L is after it, the owner reads ASKED or what was robbed, and one compare-and-swap of the two
 * succeeds.  Where T was put there again the same holds for its next removal; and had the owner moved ASKED to rest
 * meanwhile, the monitor's swap fails.  What was robbed may be what the owner's swap has removed, or what it has put
 * there: so its name is in `claim`.
 *
 * Where the system has no heavy fences, rest is a value that sends the owner into the rare path each time, and there
 * both sides do full fences.
 *
 * Who may call with whom: the owner's swap with the monitor's rob.  One owner, one robber.
 *
 * Rejected: an exchange on both sides.  It is what a worker does twice for each message between two that wait for one
 * another (a tenth of a hop in a ring), for a robbery that comes once in some million of them. */
#ifndef PGS_LIFO_H
#define PGS_LIFO_H

#include "fence.h"

struct pgs_task;

/* Of `claim`: at rest, nothing but PGS_LIFO_FENCED where there are no heavy fences; beside that, PGS_LIFO_ASKED or the
 * address of a task. */
enum { PGS_LIFO_ASKED = 1, PGS_LIFO_FENCED = 2 };

typedef struct pgs_lifo {
    _Atomic(struct pgs_task *) task; /* the owner's */
    _Atomic(uintptr_t) claim;
} pgs_lifo;

/* Makes an empty one, before it is shared.  `heavy`: what register_heavy() has said. */
static inline void pgs_lifo_init(pgs_lifo *slot, bool heavy)
{
    store_relaxed(&slot->task, NULL);
    store_relaxed(&slot->claim, heavy ? 0 : PGS_LIFO_FENCED);
}

/* Whether there was a task a moment ago; it may have been robbed.  Any thread. */
static inline bool pgs_lifo_is_empty(pgs_lifo *slot)
{
    return !load_relaxed(&slot->task);
}

/* The path of pgs_lifo_swap() while the monitor asks, or has robbed something.  Returns what is left of `before`. */
struct pgs_task *pgs_lifo_settle(pgs_lifo *slot, struct pgs_task *before);

/* Puts `task`, or nothing, in the place of what is there, and returns that; NULL: there was none, or it was robbed.
 * The owner. */
static inline struct pgs_task *pgs_lifo_swap(pgs_lifo *slot, struct pgs_task *task)
{
    struct pgs_task *before = load_relaxed(&slot->task);
    store_release(&slot->task, task); /* publishes what the task is; partner: pgs_lifo_rob */
    if (!before) return NULL;
    fence_light(); /* L above; partner: the heavy fence in pgs_lifo_rob */
    return likely(load_relaxed(&slot->claim) == 0) ? before : pgs_lifo_settle(slot, before);
}

/* Takes what is there for the caller; NULL: nothing, or the owner is faster, or has not noticed the last robbery yet.
 * The monitor. */
struct pgs_task *pgs_lifo_rob(pgs_lifo *slot);

#endif
