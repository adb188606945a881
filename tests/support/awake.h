/* awake.h - has all workers of a runtime do something: those that sleep, and now and then those that have retired.
 *
 * What was sent to one that was just ending is counted once its slot has rested, by the worker that has the slot, when
 * that is awake.  Whoever waits for books to balance calls this in between. */
#ifndef AWAKE_H
#define AWAKE_H

#include <paragram.h>

#include "check.h"

/* Long enough for several workers to be woken by a few of these. */
static inline void awake_shortly(pg_process *self)
{
    (void)self;
    for (int64_t until = check_now_ns() + 20000; check_now_ns() < until;) continue;
}

/* Long enough for the monitor to have others stand in. */
static inline void awake_for_long(pg_process *self)
{
    (void)self;
    for (int64_t until = check_now_ns() + 30000000; check_now_ns() < until;) continue;
}

/* Spawns processes that compute and end, for the time that it is called for the nth; returns how many. */
static inline unsigned awake_workers(pg_runtime *rt, int nth)
{
    bool for_long = nth % 64 == 63;
    unsigned count = for_long ? 8 : 20;
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(pg_pid_status(pg_spawn_in(rt, for_long ? awake_for_long : awake_shortly, NULL)), PG_OK);
    }
    return count;
}

#endif
