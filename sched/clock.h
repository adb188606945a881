/* clock.h - the one door for time and randomness.
 *
 * Nothing else in sched/ or runtime/ reads a clock or draws a random number: a seeded run on one thread replays only
 * what came through here.  Time is CLOCK_MONOTONIC in nanoseconds, so it neither jumps with the wall clock nor counts
 * while the machine sleeps; or a simulation's own.
 *
 * Rejected: a structure of function pointers handed to every caller.  A pointer per task and wheel to reach it, and
 * an indirect call that the compiler cannot see through, would be paid by every slice for the sake of a mode that is
 * rarely on.  pgs_now is an ordinary out-of-line function instead, which asks whether its thread is a simulation's
 * (sim.h), and the random generators are already in the callers' hands: whoever seeds them has made the choices
 * repeatable. */
#ifndef PGS_CLOCK_H
#define PGS_CLOCK_H

#include "base.h"

/* The deadline that does not come. */
#define PGS_NEVER INT64_MAX

/* The time now, in nanoseconds since some moment before the program's start; never negative.  Any thread; about 25
 * ns.  On the thread of a simulation, its time. */
int64_t pgs_now(void);

/* The deadline `timeout_ns` from now.  PGS_NEVER stays PGS_NEVER, and so does a sum beyond it; zero or less gives 0,
 * a deadline that has passed, without a look at the clock.  Any thread. */
int64_t pgs_deadline(int64_t timeout_ns);

/* A seed that differs from call to call and from process to process.  Any thread; a system call. */
uint64_t pgs_seed(void);

/* The next number of the sequence at *state; every state is a good one, 0 included.  splitmix64: Steele, Lea, Flood,
 * "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 17 with the constants of Stafford's mix 13.
 * Not for secrets.  The state belongs to one thread. */
static inline uint64_t pgs_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number in [0, n), n > 0, by multiplication instead of division; its bias is below n / 2^32. */
static inline uint32_t pgs_random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((pgs_random(state) >> 32) * n) >> 32);
}

#endif
