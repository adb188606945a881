/* timer.h - a timer wheel: adding and cancelling a deadline in constant time, whatever the number pending.
 *
 * Each worker has a wheel.  A sleeper's pgs_timer lives in its own stack frame or structure; nothing is allocated.
 *
 *   who may call        add   cancel   next   expire
 *   any thread          yes   yes      yes    yes      (all of them may overlap on one wheel)
 *   the wheel's callback no   no       yes    no       (it runs under the wheel's lock)
 *   two threads at once on one timer: cancel with cancel, and either with the expiry; never add with anything else
 *
 *     pgs_timer timer;
 *     pgs_timer_init(&timer, wake_me);
 *     pgs_wheel_add(wheel, &timer, pgs_deadline(timeout_ns));
 *     park();
 *     bool timed_out = !pgs_timer_cancel(&timer);         // from here on the frame may go
 */
#ifndef PGS_TIMER_H
#define PGS_TIMER_H

#include "atomic.h"
#include "base.h"
#include "clock.h"
#include "hostile.h"

/* A timer fires less than this long after its deadline, plus what the caller of pgs_wheel_expire adds. */
#define PGS_WHEEL_TICK_SHIFT 17
#define PGS_WHEEL_TICK_NS ((int64_t)1 << PGS_WHEEL_TICK_SHIFT)

#define PGS_WHEEL_BITS PGS_TUNED(6, 2)
#define PGS_WHEEL_SLOTS (1 << PGS_WHEEL_BITS)
#define PGS_WHEEL_LEVELS PGS_TUNED(8, 24) /* that is 48 bits of ticks */

typedef struct pgs_timer pgs_timer;
typedef struct pgs_wheel pgs_wheel;

/* Called when the deadline has passed, in the thread that expires the wheel, under the wheel's lock: short, no
 * blocking, no call into a wheel but pgs_timer_again.  It may make the timer's owner runnable or hand the timer's
 * memory on, provided that it does not touch the timer after that; the wheel does not either. */
typedef void (*pgs_timer_fire)(pgs_timer *timer);

typedef struct pgs_timer_link {
    struct pgs_timer_link *next, *prev;
} pgs_timer_link;

/* All fields but `fire` belong to timer.c. */
struct pgs_timer {
    pgs_timer_link link; /* in a slot's ring; next is NULL when not pending */
    int64_t deadline;
    pgs_wheel *wheel; /* the last that it was added to; NULL before */
    pgs_timer_fire fire;
};

/* Not to be moved once initialised: the rings point into it.  About 8 KiB. */
struct pgs_wheel {
    PGS_ALIGNED _Atomic int64_t next; /* written under the lock, read by anybody */
    _Atomic size_t pending;           /* likewise */

    PGS_ALIGNED _Atomic uint32_t lock;
    uint32_t levels; /* bit l: level l has a timer */
    uint64_t tick;   /* all ticks before it are done */
    uint64_t slots[PGS_WHEEL_LEVELS];
    pgs_timer_link rings[PGS_WHEEL_LEVELS * PGS_WHEEL_SLOTS];
    pgs_timer_link moving; /* taken from a slot whose time has come, to fire or to go down a level */
};

/* Makes an empty wheel.  now: the time in nanoseconds; deadlines before it fire at the first expiry. */
void pgs_wheel_init(pgs_wheel *w, int64_t now);

/* Makes a timer that is not pending.  The timer's own thread. */
static inline void pgs_timer_init(pgs_timer *timer, pgs_timer_fire fire)
{
    *timer = (pgs_timer){.fire = fire};
}

/* Adds a timer, which must not be pending; `deadline` in nanoseconds on pgs_now's scale.  PGS_NEVER is allowed:
 * pending until cancelled.  Returns whether pgs_wheel_next became earlier: then a worker that sleeps until the old
 * value has to be woken.  The new value is a relaxed store; a caller who reads next whether the worker sleeps puts
 * the same sequentially consistent fence between the two as anybody who gives a sleeper work. */
bool pgs_wheel_add(pgs_wheel *w, pgs_timer *timer, int64_t deadline);

/* Adds a timer and calls commit(arg), as one step for whoever expires the wheel or cancels the timer: a sleeper that
 * publishes itself in commit() is not missed by a deadline that passes meanwhile.  When commit says false the timer is
 * not pending.  Returns what commit said.  commit runs under the wheel's lock, as a callback does. */
bool pgs_wheel_add_with(pgs_wheel *w, pgs_timer *timer, int64_t deadline, bool (*commit)(void *), void *arg);

/* In the timer's own callback, as the last thing that is done with it there: adds it again, to the same wheel, for a
 * deadline that is to come. */
void pgs_timer_again(pgs_timer *timer, int64_t deadline);

/* true: the timer was pending, and will not fire.  false: it had fired, and its callback has returned, or it was
 * never added.  In each case the timer's memory may be reused when this returns. */
bool pgs_timer_cancel(pgs_timer *timer);

/* When to call pgs_wheel_expire next, PGS_NEVER if there is nothing to wait for.  It is at most a tick after the
 * earliest deadline, and never later than the first moment at which that timer can fire.  For a deadline beyond the
 * present block of 64 ticks (8 ms) it may come sooner, once for each level that the timer goes down: 4 in an hour. */
static inline int64_t pgs_wheel_next(const pgs_wheel *w)
{
    return load_relaxed(&w->next);
}

/* How many timers are pending. */
static inline size_t pgs_wheel_pending(const pgs_wheel *w)
{
    return load_relaxed(&w->pending);
}

/* pgs_wheel_expire when there may be something to do. */
unsigned pgs_wheel_expire_due(pgs_wheel *w, int64_t now);

/* Fires the timers that are due at `now`, in the order of their ticks and, within a tick, roughly that of addition;
 * never one whose deadline is after `now`.  Returns how many.  Nothing due: a load and a comparison. */
static inline unsigned pgs_wheel_expire(pgs_wheel *w, int64_t now)
{
    return likely(pgs_wheel_next(w) > now) ? 0 : pgs_wheel_expire_due(w, now);
}

#endif
