/* world.h - the real runtime, all of runtime/, under the explorer, over a scheduler of the model's.
 *
 * Runtime and scheduler meet in scheduler.h alone, and so the scheduler can be another one: here a worker is a thread
 * of the explorer.  What it makes ready it runs when it calls world_work(), as a worker would, or while one of its own
 * processes is blocked; a blocked process keeps its thread's stack, and goes on there whoever has woken it.  Real are,
 * of sched/: the epoch, the wheels, alarms, parkers, LIFO slots, injector and mailboxes.
 *
 * A case starts a runtime in its setup and stops it in its check:
 *
 *     setup     world_start(2, 0); victim = world_spawn(target); world_settle();
 *     thread    world_enter(0); pgi_send(victim, world_message(1)); world_work(); world_leave();
 *     check     world_stop();
 *
 * world_stop() ends what still lives, by a terminate, and checks that nothing is left.
 *
 * Memory is never used twice in an execution, and given back to nobody: what is freed must not be touched by an atomic
 * operation any more (model_free), and no place has the past of another.  Time stands still but for timeouts, which set
 * it to their deadline. */
#ifndef WORLD_H
#define WORLD_H

#include "explorer.h"
#include "runtime/runtime.h"

enum { WORLD_WORKERS = 3 };

extern pg_runtime *world_rt;

/* Setup: a runtime; `serving` threads of the case call world_serve().  A process that is ready on worker 0, and all
 * that is ready there is run. */
void world_start(unsigned workers, unsigned serving);
pg_pid world_spawn(pg_target target);
void world_settle(void);

/* Setup: whoever stops the runtime is worker 0 while he waits, and no thread serves. */
void world_drive(void);

/* From now on a process begins in a slot that was another's, or not at all. */
void world_no_more_slots(void);

/* Check: stops the runtime, unless a thread has called pg_stop(); and gives its memory back. */
void world_stop(void);
void world_end(void);

/* Called by who has learned that the runtime has stopped: nobody may be at work any more, as far as he can see. */
void world_is_over(void);

/* A thread that is worker `number` from now on; and is parked. */
void world_enter(unsigned number);
void world_leave(void);

/* Runs what is ready on this worker, until nothing is. */
void world_work(void);

/* A thread that is worker `number` until the runtime is stopped, by pg_stop() in another thread. */
void world_serve(unsigned number);

/* What a worker does before it parks. */
void world_tidy(void);

/* A message of one number, made without a step of the explorer. */
pg_message *world_message(int number);
int world_number(const pg_message *msg);

/* Expires the wheel of a worker, at a time beyond all deadlines but PGS_NEVER. */
void world_expire(unsigned number);

/* Messages that were counted as dropped. */
uint64_t world_dropped(void);

#endif
