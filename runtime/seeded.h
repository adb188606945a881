/* seeded.h - a runtime with a seed: what is different in it above the scheduler (sched/sim.h), and its trace.
 *
 * The trace has a line for each step of a process, for what it sends and spawns, and for how the step ended; with the
 * time, and the pid without what other runtimes of the program have made of it.  No line has an address. */
#ifndef PGI_SEEDED_H
#define PGI_SEEDED_H

#include "process.h"

/* Fills in the options of a runtime that may have a seed.  PG_EUNSUPPORTED: the thread is another simulation's. */
int pgi_seeded_complete(pg_options *options);

/* Operations of the scheduler (pgs_ops). */
void pgi_seeded_watch(void *context, pgs_task *task, bool begins);
void pgi_seeded_deadlock(void *context);

/* To the trace, if there is one: `p` has sent, or spawned where `to` is null; and is suspended behind that. */
void pgi_seeded_sent(pg_process *p, pg_pid to, int status);
void pgi_seeded_suspended(pg_process *p);

#endif
