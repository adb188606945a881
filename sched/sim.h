/* sim.h - a scheduler that is simulated: one thread, a time of its own, and every choice drawn from a seed.
 *
 * The thread that starts it (pgs_config.seed) is all that there is.  Where it would sleep, in pgs_parker_park(), it is
 * the one worker instead, until its token has come, or its deadline, and the seed says that it is its turn.  So the
 * futex of parker.c is the one door between the two: what sleeps, waits for ever or for a time, runs the others.
 *
 *   what is chosen                  how
 *   who runs next                   any of those that are ready, the thread itself among them, alike likely
 *   when one that was made ready    at once; or now and then some time later, as if its worker, or the one that was to
 *   can run                         steal it, had lost its processor
 *   where a task is suspended       between two messages, always; where it asks by pgs_sim_suspends(), now and then
 *   what time it is                 a step takes PGS_SIM_STEP_NS; when nobody can run it is the next deadline
 *
 * How often "now and then" is, is drawn as well: some seeds have hardly any delays, others many.
 *
 * Nothing else may tell one run from another: neither an address, nor the clock, nor another thread, nor what the
 * kernel offers.  Two runs with one seed, of one program that keeps to that as well, are the same.
 *
 * A deadline of PGS_NEVER is the last one: when nothing can happen before it, ops->deadlock is told, and the thread's
 * wait ends as one does whose time has passed.
 *
 * How it is hung in.  The face of its worker has slice_over set for good, so that a task handles one message in a turn,
 * pgs_worker_next() has nothing, and all comes back to find_work(), which asks pgs_sim_next().  No path that others use
 * has an instruction for it, but for the clock, the futex, and what is rare anyway.
 *
 * Rejected: a worker on a thread of its own, with a baton between the two (each wait of the host would be two switches
 * of threads, and what the kernel does in between an order that no seed decides); a worker for each processor that is
 * simulated, with its queues, and a seed for the thief (any order that those can bring is one of those drawn here, and
 * most of their state would only be there to be drained). */
#ifndef PGS_SIM_H
#define PGS_SIM_H

#include "atomic.h"
#include "base.h"

struct pgs_sched;
struct pgs_task;
struct pgs_worker;

typedef struct pgs_sim pgs_sim;

enum { PGS_SIM_STEP_NS = 1000 };

/* The time at which each simulation begins. */
#define PGS_SIM_BEGIN_NS INT64_C(1000000000)

/* The simulation whose thread this is, or NULL. */
extern __attribute__((visibility("hidden"), tls_model("initial-exec"))) _Thread_local pgs_sim *pgs_sim_here;

/* Whether this thread has to leave the scheduler alone: it is simulated by another, or this one simulates another. */
bool pgs_sim_is_elsewhere(struct pgs_sched *sched);

/* In the child of a fork: the thread is no simulation's any more. */
void pgs_sim_forget(void);

/* The time, of the simulation that this thread is. */
int64_t pgs_sim_now(void);

/* In place of the futex: goes on until *word is no longer `value` (0), or the deadline has come (ETIMEDOUT). */
int pgs_sim_wait(_Atomic(uint32_t) *word, uint32_t value, int64_t deadline);

/* In place of sched_yield: others may have a turn.  False: this thread is no simulation. */
bool pgs_sim_yield(void);

/* Whether the task that runs is to be suspended where it is, by pgs_yield(). */
bool pgs_sim_suspends(struct pgs_sched *sched);

/* scheduler.c: before and after the worker is made; NULL: no memory. */
pgs_sim *pgs_sim_new(struct pgs_sched *sched, uint64_t seed);
void pgs_sim_begin(pgs_sim *sim, struct pgs_worker *worker);
void pgs_sim_end(pgs_sim *sim);

/* worker.c: the task that has its turn; NULL: it is the thread's. */
struct pgs_task *pgs_sim_next(pgs_sim *sim);

#endif
