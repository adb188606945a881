/* mixed.h - a scenario for simulated runtimes: all that processes do, at random, with books that have to balance.
 *
 * A supervisor spawns workers, linked, and a new one for each that ends, until there have been MIXED_WORKERS of them.
 * Each message has its receiver do some things: send, report, sleep, receive, wait, link, unlink, terminate another,
 * fail, exit.  At the end:
 *
 *   1. Each message whose send said PG_OK was handled, or received, or is counted in pg_stats.dropped; none came to
 *      another than it was for, and none to one that had ended.
 *   2. The supervisor has got what each worker reported, in order, and then its exit, once, with the reason.
 *   3. Who survives exits has got one from a process only after a link with it, and no more than there were links.
 *   4. No timeout was early.
 *   5. All processes have ended, and are counted. */
#ifndef MIXED_H
#define MIXED_H

#include <inttypes.h>
#include <stdio.h>

/* Runs it with a seed; `trace` may be NULL.  What does not balance ends the program, and the seed is told. */
void mixed_run(uint64_t seed, FILE *trace);

#endif
