/* guest.h - a runtime in the event loop of the program, without a thread of its own.  Included by paragram.h.
 *
 * For programs that have a loop already, and want processes in it: a user interface, a game, a server on libuv.  The
 * loop waits for what it waits for, and for pg_fd() too, at most until pg_next_deadline(), and calls pg_step():
 *
 *     pg_runtime *rt = pg_start(&(pg_options){.guest = true});
 *     for (;;) {
 *         struct pollfd fds[] = {{.fd = pg_fd(rt), .events = POLLIN}, ...};
 *         struct timespec timeout, *until = milliseconds or a timespec from pg_next_deadline(rt);
 *         ppoll(fds, ..., until, NULL);
 *         while (pg_step(rt, PG_MS(2)) == 1) draw_the_next_frame();
 *         ...
 *     }
 *
 * examples/guest.c does so with libuv.
 *
 * GUEST RUNTIMES
 *   Threads.  Green processes, timers and descriptors need none: processes run in pg_step(), on the thread that calls
 *             it, and nowhere else, so that they may call what belongs to that thread, such as its user interface.
 *             pg_blocking() and PG_THREAD start a thread when they are used, and PG_OS forks.  .workers counts as 1.
 *   The host  is the thread that has called pg_start(), or pg_step() last.  Where it waits in a call - as an attached
 *             process in pg_recv(), pg_serve(), pg_sleep(), pg_call(), pg_read() and so on, or in pg_wait() for a
 *             process of this runtime - it drives the runtime meanwhile, as the loop would; so does pg_stop(), from
 *             whatever thread (but not from a green process of whatever runtime: PG_EINSIDE), and leaves it to the host
 *             again where it returns PG_ETIMEDOUT.  It does not drive another guest runtime then, nor in what waits
 *             elsewhere, as in its own locks, or its pg_blocking(), which calls in place.
 *   Others.   Threads may attach, send and wait, as anywhere: they wait in the kernel until the host has had the step
 *             that they wait for.  Their sends wake the loop, by one system call for each time that it sleeps.
 *   Slices.   A step looks at the clock every few turns, and ends when its time is over, or nothing is left; but it
 *             does not interrupt a handler or target.  One that computes for long, or blocks in a system call, holds up
 *             the loop and all other processes: no other thread takes over, and PG_LOG_STUCK is not reported.
 *             pg_yield() now and then lets the step end.
 *   Stacks.   Processes run on stacks of .stack_size.  A handler of the host's for signals runs there too, if one comes
 *             during a step, unless it has an alternate stack (SA_ONSTACK).  .report_overflow is for overflows in the
 *             thread that has called pg_start().
 *   Idle.     Nothing runs, and pg_fd() is not readable, unless there is something to do. */
#ifndef PARAGRAM_GUEST_H
#define PARAGRAM_GUEST_H

#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pg_runtime pg_runtime;

/* A descriptor that is readable, by poll(2), epoll and so on, as long as pg_step() has something to do: something came
 * from outside, a message of another thread or an event of a descriptor that a process waits for, or the last step left
 * something.  Of timers it says nothing.  A loop that is told of changes only (EPOLLET) steps until that returns 0.
 * It is the runtime's: not to be read or closed, and the same until pg_stop(), before which the loop has to let go of
 * it.  PG_EINVAL: NULL, or no guest; PG_ESTOPPED: it has stopped; in the child of a fork. */
PG_API int pg_fd(const pg_runtime *rt);

/* Nanoseconds from now until pg_step() is to be called even if pg_fd() is not readable: 0: now; PG_FOREVER: there are
 * no timers.  It may be early, and then there is nothing to do.  To be asked after a step, and after what the host
 * itself has sent or set, by the thread that steps.  Errors as for pg_fd(). */
PG_API int64_t pg_next_deadline(pg_runtime *rt);

/* Runs what is ready, and fires what is due, for about `max_ns` nanoseconds, and at least a little; PG_FOREVER: until
 * nothing is left.  It never waits.
 * 1: there is more to do.  0: there is not, until pg_fd() is readable or pg_next_deadline() has come.
 * PG_EINSIDE: called by a green process, or while another thread is in it, or in a call that drives the runtime.
 * PG_EINVAL: NULL, or no guest.  PG_ESTOPPED: it has stopped; in the child of a fork.
 * Any thread, one at a time: it is the host from then on. */
PG_API int pg_step(pg_runtime *rt, int64_t max_ns);

#ifdef __cplusplus
}
#endif

#endif
