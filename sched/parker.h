/* parker.h - where one thread sleeps until another hands it a token, or time is up.
 *
 * A parker belongs to one thread, which alone parks on it; any thread unparks.  It holds at most one token: unparking
 * twice before a park is unparking once.  Whoever parks treats a token as "look again", never as news in itself.
 *
 *        EMPTY --park--> PARKED --unpark, with a futex wake--> NOTIFIED --park returns true--> EMPTY
 *          |               |
 *          |               `--park, time is up: returns false--> EMPTY
 *          |--unpark, no system call--> NOTIFIED
 *          `--poll_begin--> POLLING --unpark, with a write to the kick--> NOTIFIED --poll_end returns true--> EMPTY
 *                              `--poll_end returns false--> EMPTY
 *
 * POLLING is for an owner that sleeps in epoll_wait instead of in here (poller.h): its state names an eventfd, the
 * kick, that is among what it waits for.
 *
 * Invariants:
 *   1. PARKED only between the owner's entry into park() and its return; POLLING only from poll_begin() to poll_end().
 *   2. A token put by unpark() is consumed by exactly one park() that returns true; the timeout of a park takes the
 *      state by an exchange, so that a token that arrives in the same moment is returned and not lost.
 *      poll_end() does likewise.
 *   3. What was done before unpark() is visible after the park() or poll_end() that consumed its token.
 *   4. Who finds POLLING writes to the kick, perhaps when the owner has gone on: a kick means nothing by itself.
 *
 * Who may call with whom: unpark with everything; all others by the owner only.
 *
 * Rejected: eventfd in each case (a system call for each unpark, whether or not anybody sleeps); a condition variable
 * (a lock, and two lines touched for one word of news); the kick in a field beside the state (who unparks would have
 * to read it behind the exchange, when the owner may have changed it). */
#ifndef PGS_PARKER_H
#define PGS_PARKER_H

#include "atomic.h"
#include "base.h"
#include "clock.h"

enum pgs_parker_state {
    PGS_PARKER_EMPTY,
    PGS_PARKER_NOTIFIED,
    PGS_PARKER_PARKED, /* and all beyond: to be woken */
    PGS_PARKER_POLLING /* plus the number of the kick's descriptor */
};

typedef struct pgs_parker {
    _Atomic(uint32_t) state;
} pgs_parker;

/* Before the parker is shared. */
static inline void pgs_parker_init(pgs_parker *p)
{
    store_relaxed(&p->state, PGS_PARKER_EMPTY);
}

/* Sleeps until there is a token, and consumes it: true; or until CLOCK_MONOTONIC reaches `deadline_ns` (nanoseconds;
 * one in the past does not sleep; PGS_NEVER): false.  Owner only.  Leaves errno alone.  The thread of a simulation runs
 * that meanwhile (sim.h), in its time; only there may PGS_NEVER come. */
bool pgs_parker_park(pgs_parker *p, int64_t deadline_ns);

/* Consumes a token if there is one, without sleeping.  Owner only. */
static inline bool pgs_parker_try_take(pgs_parker *p)
{
    uint32_t expected = PGS_PARKER_NOTIFIED;
    return cas_acquire(&p->state, &expected, PGS_PARKER_EMPTY); /* partner: the exchange in unpark */
}

/* Whether there is a token, at this moment.  Owner only. */
static inline bool pgs_parker_has_token(pgs_parker *p)
{
    return load_relaxed(&p->state) == PGS_PARKER_NOTIFIED;
}

/* From now until poll_end() an unpark writes 8 bytes to the eventfd `kick`; false: there was a token, which is
 * consumed, and poll_end() is not to be called.  Owner only. */
static inline bool pgs_parker_poll_begin(pgs_parker *p, int kick)
{
    uint32_t expected = PGS_PARKER_EMPTY;
    if (cas_relaxed(&p->state, &expected, PGS_PARKER_POLLING + (uint32_t)kick)) return true;
    pgs_assert(expected == PGS_PARKER_NOTIFIED);
    xchg_acquire(&p->state, PGS_PARKER_EMPTY); /* partner: the exchange in unpark */
    return false;
}

/* Consumes a token if there is one.  Owner only. */
static inline bool pgs_parker_poll_end(pgs_parker *p)
{
    return xchg_acquire(&p->state, PGS_PARKER_EMPTY) == PGS_PARKER_NOTIFIED; /* partner: the exchange in unpark */
}

/* Puts a token; wakes the owner if it is asleep, and only then makes a system call.  True: it was asleep.  Any thread.
 * Leaves errno alone. */
bool pgs_parker_unpark(pgs_parker *p);

#endif
