/* io.h - waiting for the world outside: descriptors, and calls that block.  Included by paragram.h.
 *
 * A process that waits here lets others run meanwhile, as in a receive; a green one costs no thread, and no processor
 * time.  These are no receives: a message that arrives, a terminate too, takes its turn later.
 *
 *     static void serve(pg_process *self)
 *     {
 *         char buffer[4096];
 *         int fd = (int)pg_get_int(self, pg_args(self), 0);
 *         ssize_t n;
 *         while ((n = pg_read(self, fd, buffer, sizeof buffer, PG_SECONDS(60))) > 0) {
 *             if (pg_write_all(self, fd, buffer, (size_t)n, PG_SECONDS(60)) != PG_OK) break;
 *         }
 *         pg_close(self, fd);
 *     }
 *
 * DESCRIPTORS
 *   Non-blocking.  A descriptor is to be non-blocking (O_NONBLOCK, SOCK_NONBLOCK), as pg_accept() makes them, or a call
 *             on it may block the worker, and last longer than its timeout.  On a socket pg_read() and pg_write() never
 *             do.
 *   Errors.   Results below 0 are errors, a pg_status each.  An error of the system's is PG_ESYSTEM minus its errno:
 *             pg_errno(result) is that errno, or 0 for any other status, and pg_strerror(result) is its text.  Calls
 *             that a signal has interrupted are made again.
 *   Time.     A timeout is for the whole call.  One of 0 or less tries, and does not wait.
 *   Turns.    Each call counts towards a green process's slice: one that never has to wait may still be suspended in
 *             it, as by pg_yield(), while others have their turn.
 *   Sharing.  Any number of processes may wait for one descriptor, for the same events or for others; an event wakes
 *             all that wait for it, and those who find nothing any more wait again.  A duplicate (dup(2)) is a
 *             descriptor of its own.
 *   Closing.  Nothing has to be said or undone about a descriptor.  It may be closed by whatever means when nobody
 *             waits for it, and its number may be another file's at once.  Who closes it while others wait for it uses
 *             pg_close(), which wakes them; after a plain close(2) they wait until their time has passed.  A connection
 *             of pg_accept() is best closed by pg_close() in any case: after a plain close(2), the first pg_read() of
 *             another file by its number may notice what is there as late as a second after that has come.
 *   Ends.     In clean-ups these calls do what can be done at once; where they would wait they return PG_EENDED.  A
 *             descriptor belongs to nobody: register its pg_close() or close() with pg_defer().
 *   Kinds.    All do the same.  An attached process waits in poll(2).  PG_SANDBOX_COMPUTE allows pg_wait_fd(),
 *             pg_read(), pg_write() and pg_close().  In a simulation what would wait for a descriptor is
 *             PG_EUNSUPPORTED, and pg_blocking() calls in place. */
#ifndef PARAGRAM_IO_H
#define PARAGRAM_IO_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The errno in a result that is PG_ESYSTEM minus an errno; 0 in any other. */
PG_API int pg_errno(int64_t result);

/* Waits until one of `events` is there: POLLIN, POLLOUT, POLLPRI, POLLRDHUP, as of poll(2).  Returns those that are,
 * and POLLERR and POLLHUP, which are waited for in any case: more than 0.  What is there already is returned at once,
 * as a regular file always is readable and writable.
 * PG_ETIMEDOUT; PG_EINVAL: other events, or none; EBADF as a system's error: not an open descriptor, or pg_close() has
 * closed it meanwhile; PG_EUNSUPPORTED: one that cannot be waited for, such as a regular file for POLLPRI; PG_ELIMIT: a
 * number of 4,194,304 or above; PG_ENOMEM; PG_EENDED. */
PG_API int pg_wait_fd(pg_process *self, int fd, int events, int64_t timeout);

/* As read(2) and write(2) on a descriptor that blocks, but for the timeout: at least one byte, unless `size` is 0, and
 * not necessarily all.  pg_read() returns 0 at the end of the file.  Writing to a socket that the other side has closed
 * is EPIPE, and no SIGPIPE.  Errors as for pg_wait_fd(), and the system's. */
PG_API ssize_t pg_read(pg_process *self, int fd, void *buffer, size_t size, int64_t timeout);
PG_API ssize_t pg_write(pg_process *self, int fd, const void *data, size_t size, int64_t timeout);

/* Writes all of it: PG_OK.  After an error some of it may have been written, and how much is not known. */
PG_API int pg_write_all(pg_process *self, int fd, const void *data, size_t size, int64_t timeout);

/* The next connection to the socket `fd`, which listens: a descriptor that is non-blocking and closed by exec().
 * `address` and `length` as of accept(2); both may be NULL.  A TCP connection is watched until pg_close(), so that a
 * pg_read() of it costs one system call, whether it waits or not.  Errors as for pg_wait_fd(), and the system's:
 * EMFILE, ... */
PG_API int pg_accept(pg_process *self, int fd, struct sockaddr *address, socklen_t *length, int64_t timeout);

/* Connects the socket `fd`.  After PG_ETIMEDOUT it still may come to be connected: the call may be repeated.  Errors as
 * for pg_wait_fd(), and the system's: ECONNREFUSED, ... */
PG_API int pg_connect(pg_process *self, int fd, const struct sockaddr *address, socklen_t length, int64_t timeout);

/* Closes a descriptor.  Processes of the runtime of `self` that wait for it return from that with EBADF as a system's
 * error.  PG_OK, or the system's error; it is closed then, too, unless it is EBADF. */
PG_API int pg_close(pg_process *self, int fd);

/* Calls f(argument), which may block for as long as it likes: a system call on a file, a look-up of a name, a library
 * that knows nothing of processes.  A green process is suspended meanwhile, and f runs in a thread of a pool, which
 * grows while all of its threads are busy, up to 512, and shrinks when they are not; for others, f is just called.
 * f is none of the process's code: it must not use `self`, and in the pool it is no process; it may call what any
 * thread may, pg_send() say.  Signals are blocked in it.  What it has to say, errno too, goes through `argument`, which
 * may be in the caller's frame: the process is not ended before f has returned, by pg_stop() neither.
 * PG_OK: f has returned.  PG_ELIMIT: all 512 threads are busy; PG_ENOMEM: memory or threads are short; PG_EINVAL;
 * PG_EENDED.  f was not called then. */
PG_API int pg_blocking(pg_process *self, void (*f)(void *argument), void *argument);

#ifdef __cplusplus
}
#endif

#endif
