/* hostile.c - what happens at the points of hostile.h, which says what they are for.  Empty in all other builds.
 *
 * Called anywhere: under locks, with the registers of a task half saved, in a sandbox.  So it allocates nothing, takes
 * no lock, keeps errno, and its system calls are two that every sandbox allows. */
#define _GNU_SOURCE /* secure_getenv */
#include "hostile.h"

#if defined(PGS_HOSTILE)

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "atomic.h"
#include "clock.h"

static const char *const names[PGS_POINTS] = {
    [PGS_AT_PUSH] = "push",       [PGS_AT_TAKE] = "take", [PGS_AT_STEAL] = "steal",     [PGS_AT_ROB] = "rob",
    [PGS_AT_SETTLE] = "settle",   [PGS_AT_PARK] = "park", [PGS_AT_WAKE] = "wake",       [PGS_AT_RETIRE] = "retire",
    [PGS_AT_COMMIT] = "commit",   [PGS_AT_FIRE] = "fire", [PGS_AT_ADVANCE] = "advance", [PGS_AT_BELL] = "bell",
    [PGS_AT_DELIVER] = "deliver", [PGS_AT_REST] = "rest", [PGS_AT_END] = "end",         [PGS_AT_LINK] = "link",
    [PGS_AT_READY] = "ready",     [PGS_AT_NEXT] = "next", [PGS_AT_RECEIVE] = "receive",
};

/* One time in so many. */
enum { SPIN_IN = 16, YIELD_IN = 128, SLEEP_IN = 2048, FORCE_IN = 4, ALONE_IN = 8 };

static _Atomic(unsigned long) counts[PGS_POINTS];
static _Thread_local uint64_t random_state;

/* The point that PG_HOSTILE_AT names; PGS_POINTS: all of them. */
static enum pgs_point only = PGS_POINTS;

__attribute__((constructor)) static void choose(void)
{
    const char *name = secure_getenv("PG_HOSTILE_AT");
    for (int i = 0; name && i < PGS_POINTS; i++) {
        if (strcmp(names[i], name) == 0) only = (enum pgs_point)i;
    }
}

/* Whether it happens this time, at one chance in `in`. */
static bool chance(unsigned in)
{
    if (unlikely(random_state == 0)) random_state = pgs_seed();
    return pgs_random_below(&random_state, in) == 0;
}

static void spin(void)
{
    for (unsigned i = 0, n = pgs_random_below(&random_state, 100); i < n; i++) cpu_relax();
}

__attribute__((noinline)) void pgs_hostile_delay(enum pgs_point point)
{
    if (only != PGS_POINTS && only != point) return;
    if (!chance(only == point ? ALONE_IN : SPIN_IN)) return;
    int saved = errno;
    add_relaxed(&counts[point], 1);
    if (chance(SLEEP_IN / SPIN_IN)) {
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    } else if (chance(YIELD_IN / SPIN_IN)) {
        sched_yield();
    } else {
        spin();
    }
    errno = saved;
}

__attribute__((noinline)) bool pgs_hostile_forced(enum pgs_point point)
{
    if ((only != PGS_POINTS && only != point) || !chance(FORCE_IN)) return false;
    add_relaxed(&counts[point], 1);
    return true;
}

unsigned long pgs_hostile_count(enum pgs_point point)
{
    return load_relaxed(&counts[point]);
}

#endif
