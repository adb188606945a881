/* guest.h - a scheduler that a thread of the caller's drives, step by step, and that has no thread of its own.
 *
 * The one worker (pgs_config.guest) is whatever thread calls pgs_guest_step(), until nothing is left to do or its time
 * has passed.  Between two steps it is parked, as idle.c means it, but that its thread is elsewhere: in a poll(2) of
 * its own, most likely, with pgs_guest_fd() among what it waits for.  That is the epoll instance of the scheduler,
 * which has the sources in it, and the kick (poller.h).
 *
 *   who                              may
 *   one thread at a time             step, and ask for the next deadline
 *   the host: who stepped last       park by pgs_sched_park(): the scheduler is driven meanwhile
 *   all others                       make tasks ready, add timers and sources; park as anywhere
 *
 * The hand-over is that of idle.c.  Who makes something ready that the worker has not seen finds its idle bit set,
 * takes it away, and puts a token into its parker, which is POLLING: so it writes to the kick, and pgs_guest_fd() is
 * readable until the next step has harvested it.  The next to come finds no bit, and writes nothing: one write for each
 * sleep. Hence the halves pgs_idle_arm() and pgs_idle_disarm(), at the end of a step and at the beginning of the next:
 *
 *   another thread: push; fence; bit set? take it, unpark ---> the kick
 *   arm:            set the bit; fence; anything in a queue? take the bit back.  Else POLLING, unless there is a token
 *   disarm:         not POLLING any more; take the bit back, if nobody has; harvest the kick, and what else there is
 *
 * What is not seen by the arming sees the bit; a token that comes before POLLING makes the arming fail, one after it
 * kicks.  A waker that has taken the bit, and has lost its processor before its unpark, is not waited for: its token
 * makes some later arming fail, or kicks for nothing.  A step that ends with work left kicks itself, so that who only
 * polls comes back.
 *
 * There is no monitor, and so nobody who ends slices or looks at the clock.  The face's slice_over is PGS_SLICE_ASKS:
 * between two messages of a process, and every few turns, a step looks at the clock, as seldom as the last looks allow:
 * quick ones are not slowed down by it, and slow ones do not come 32 in a row.  What it cannot do is to interrupt.
 *
 * Rejected: a timer descriptor in the epoll instance, so that the descriptor alone would do (two system calls for each
 * change of the deadline; event loops have timers); waking by a write for each message. */
#ifndef PGS_GUEST_H
#define PGS_GUEST_H

#include "atomic.h"
#include "base.h"
#include "parker.h"

struct pgs_sched;
struct pgs_worker;

typedef struct pgs_guest pgs_guest;

/* What is readable when a step has something to do, but for timers. */
int pgs_guest_fd(struct pgs_sched *sched);

/* Nanoseconds until the next step: 0: there is work; PGS_NEVER: none, as long as the descriptor is not readable.  By
 * the thread that steps. */
int64_t pgs_guest_next(struct pgs_sched *sched);

/* Runs what is ready for about `ns`, and at least one turn.  1: there is more; 0: there is not; -EBUSY: another thread
 * is in here; -EDEADLK: the calling thread is a worker, of whatever scheduler.  Never blocks. */
int pgs_guest_step(struct pgs_sched *sched, int64_t ns);

/* A short step, if the calling thread is the host: true.  Else nothing. */
bool pgs_guest_turn(struct pgs_sched *sched);

/* poll(2) of one descriptor, while the host drives the scheduler: the events that there are, 0 when the deadline has
 * come, or -errno; -EAGAIN: the calling thread is not the host, or is no longer. */
int pgs_guest_poll(struct pgs_sched *sched, int fd, short events, int64_t deadline);

/* Makes the calling thread the host, so that no other steps until it gives that back, to whoever was the host before:
 * true.  False: another is in the middle of a step, and has been until the deadline.  For one that is no guest: true,
 * and nothing. */
bool pgs_guest_take(struct pgs_sched *sched, int64_t deadline);
void pgs_guest_give_back(struct pgs_sched *sched);

/* In the child of a fork: nobody is its host any more. */
void pgs_guest_forget(struct pgs_sched *sched);

/* scheduler.c: 0, or -errno and nothing is left. */
int pgs_guest_begin(struct pgs_sched *sched);
void pgs_guest_end(struct pgs_sched *sched); /* the worker; nobody is the host from then on */

/* worker.c: a turn look, of the guest's worker: the clock is `now`.  How many turns there may be until the next. */
uint32_t pgs_guest_look(struct pgs_sched *sched, int64_t now);

/* worker.c: between two messages: whether the slice is over. */
bool pgs_guest_ends_slice(struct pgs_sched *sched);

#endif
