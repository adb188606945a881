/* io.c - reading, writing, accepting, connecting: each tries the system's call first, and waits only when there is
 * nothing to be had; a read from a connection that is known to be empty waits first (descriptor.c).
 *
 * The calls themselves are made by functions that are never inlined and return the errno with their result: a process
 * that has waited may go on in another thread, and compilers compute the address of errno once a function.
 *
 * Sockets are read and written by recv(2) and send(2), which can be told not to block and not to raise a SIGPIPE; what
 * is no socket says so, and is read and written as it is. */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <unistd.h>

#include "descriptor.h"
#include "runtime.h"

#define NOINLINE __attribute__((noinline))

/* How long a call may wait: the deadline is known from the first wait on. */
typedef struct patience {
    int64_t timeout, deadline; /* deadline < 0: not known yet */
} patience;

/* What a call of the system's has returned, or minus its errno. */
typedef ssize_t (*attempt)(int fd, void *data, size_t size);

/* Before each call: it counts towards the slice. */
static void take_turn(pg_process *self)
{
    pgs_worker *w = self->kind == PG_GREEN ? pgs_worker_self() : NULL;
    if (w && unlikely(pgs_worker_progress(w))) pg_yield(self);
}

static int wait_for(pg_process *self, int fd, int events, patience *p)
{
    if (pgi_is_simulated(self->rt) && p->timeout > 0) return PG_EUNSUPPORTED; /* the world is not simulated */
    if (p->deadline < 0) p->deadline = pgs_deadline(p->timeout);
    return pgi_descriptor_wait(self, fd, events, p->deadline);
}

/* Makes the attempt until it succeeds or fails: its result, or a status. */
static inline ssize_t persist(pg_process *self, int fd, void *data, size_t size, int events, patience *p, attempt try)
{
    for (;;) {
        ssize_t n = try(fd, data, size);
        if (likely(n >= 0)) return n;
        if (n == -EINTR) continue;
        if (n != -EAGAIN && n != -EWOULDBLOCK) return pgi_system_error((int)-n);
        int status = wait_for(self, fd, events, p);
        if (unlikely(status != PG_OK)) return status;
    }
}

/* --------------------------------------------------------------------------------------------------------- waiting */

static NOINLINE int poll_now(int fd, int events)
{
    struct pollfd look = {.fd = fd, .events = (short)events};
    int n = fd < 0 ? -1 : poll(&look, 1, 0);
    if (fd < 0 || (n > 0 && look.revents & POLLNVAL)) return pgi_system_error(EBADF);
    return n >= 0 ? look.revents : errno == EINTR ? 0 : pgi_system_error(errno);
}

static int wait_fd(pg_process *self, int fd, int events, patience *p)
{
    for (;;) {
        int there = poll_now(fd, events);
        if (there != 0) return there;
        int status = wait_for(self, fd, events, p);
        if (status != PG_OK) return status;
    }
}

int pg_wait_fd(pg_process *self, int fd, int events, int64_t timeout)
{
    const int known = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;
    if (!self || events == 0 || (events & ~known)) return PG_EINVAL;
    take_turn(self);
    return wait_fd(self, fd, events, &(patience){timeout, -1});
}

/* --------------------------------------------------------------------------------------------- reading and writing */

static NOINLINE ssize_t try_read(int fd, void *buffer, size_t size)
{
    ssize_t n = recv(fd, buffer, size, MSG_DONTWAIT);
    if (n < 0 && errno == ENOTSOCK) n = read(fd, buffer, size);
    return n < 0 ? -errno : n;
}

static NOINLINE ssize_t try_write(int fd, void *data, size_t size)
{
    ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK) n = write(fd, data, size);
    return n < 0 ? -errno : n;
}

/* Of a connection that is followed: it is not tried when it would find nothing. */
static ssize_t read_followed(pg_process *self, pgi_descriptor *d, int fd, void *buffer, size_t size, patience *p)
{
    for (;;) {
        if (pgi_descriptor_may_read(d)) {
            ssize_t n = try_read(fd, buffer, size);
            if (n != -EAGAIN && (n <= 0 || (size_t)n == size)) pgi_descriptor_has_more(d);
            if (likely(n >= 0)) return n;
            if (n == -EINTR) continue;
            if (n != -EAGAIN) return pgi_system_error((int)-n);
        }
        if (p->deadline < 0) p->deadline = pgs_deadline(p->timeout);
        int status = pgi_descriptor_wait_more(self, d, p->deadline);
        if (unlikely(status != PG_OK)) return status;
    }
}

ssize_t pg_read(pg_process *self, int fd, void *buffer, size_t size, int64_t timeout)
{
    if (!self || (!buffer && size > 0)) return PG_EINVAL;
    take_turn(self);
    bool waits = !self->attached && self->phase != PGI_ENDING && size > 0 && timeout > 0;
    pgi_descriptor *d = waits ? pgi_descriptor_followed(self->rt, fd) : NULL;
    if (d) return read_followed(self, d, fd, buffer, size, &(patience){timeout, -1});
    return persist(self, fd, buffer, size, POLLIN, &(patience){timeout, -1}, try_read);
}

static ssize_t write_some(pg_process *self, int fd, const void *data, size_t size, patience *p)
{
    return persist(self, fd, (void *)(uintptr_t)data, size, POLLOUT, p, try_write);
}

ssize_t pg_write(pg_process *self, int fd, const void *data, size_t size, int64_t timeout)
{
    if (!self || (!data && size > 0)) return PG_EINVAL;
    take_turn(self);
    return write_some(self, fd, data, size, &(patience){timeout, -1});
}

int pg_write_all(pg_process *self, int fd, const void *data, size_t size, int64_t timeout)
{
    if (!self || (!data && size > 0)) return PG_EINVAL;
    patience p = {timeout, -1};
    const char *at = data;
    while (size > 0) {
        take_turn(self);
        ssize_t n = write_some(self, fd, at, size, &p);
        if (n < 0) return (int)n;
        at += n;
        size -= (size_t)n;
    }
    return PG_OK;
}

/* ----------------------------------------------------------------------------------------------------- connections */

typedef struct peer {
    struct sockaddr *address;
    socklen_t *length;
} peer;

/* A connection that was given up while it waited is passed over. */
static NOINLINE ssize_t try_accept(int fd, void *data, size_t size)
{
    const peer *from = data;
    (void)size;
    int n;
    do {
        n = accept4(fd, from->address, from->length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (n < 0 && (errno == ECONNABORTED || errno == EPROTO));
    return n < 0 ? -errno : n;
}

int pg_accept(pg_process *self, int fd, struct sockaddr *address, socklen_t *length, int64_t timeout)
{
    if (!self) return PG_EINVAL;
    peer from = {.address = address};
    from.length = length;
    take_turn(self);
    int connection = (int)persist(self, fd, &from, 0, POLLIN, &(patience){timeout, -1}, try_accept);
    /* Partner: the end of pg_stop, which an attached process may outlive. */
    bool lives = connection >= 0 && !load_acquire(&self->rt->stopped);
    if (lives && !pgi_is_simulated(self->rt)) pgi_descriptor_accepted(self->rt, connection);
    return connection;
}

/* 0, or minus an errno. */
static NOINLINE int try_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return connect(fd, address, length) == 0 || errno == EISCONN ? 0 : -errno;
}

/* What became of a connection that was under way: 0 or an errno. */
static NOINLINE int connection_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

int pg_connect(pg_process *self, int fd, const struct sockaddr *address, socklen_t length, int64_t timeout)
{
    if (!self || !address) return PG_EINVAL;
    patience p = {timeout, -1};
    take_turn(self);
    int error = try_connect(fd, address, length);
    /* A local listener whose backlog is full: there is no event to wait for when it has room. */
    while (error == -EAGAIN && address->sa_family == AF_UNIX) {
        if (p.deadline < 0) p.deadline = pgs_deadline(timeout);
        if (p.deadline <= pgs_now()) return PG_ETIMEDOUT;
        int status = pg_sleep(self, PG_MS(1));
        if (status != PG_OK) return status;
        error = try_connect(fd, address, length);
    }
    if (error == 0) return PG_OK;
    if (error != -EINPROGRESS && error != -EINTR && error != -EALREADY) return pgi_system_error(-error);
    int there = wait_fd(self, fd, POLLOUT, &p);
    if (there < 0) return there;
    error = connection_error(fd);
    return error ? pgi_system_error(error) : PG_OK;
}

/* Those who wait are told before, when the number can be nobody else's yet.  Who comes between that and the close has
 * armed a file that goes, of which no event comes any more: he is woken behind it, and finds out by his call. */
int pg_close(pg_process *self, int fd)
{
    if (!self) return PG_EINVAL;
    pg_runtime *rt = load_acquire(&self->rt->stopped) ? NULL : self->rt; /* partner: the end of pg_stop */
    if (rt) pgi_descriptor_wake(rt, fd, true);
    int error = close(fd) == 0 ? 0 : errno; /* Linux has closed it, interrupted or not */
    if (rt) pgi_descriptor_wake(rt, fd, false);
    return error == 0 || error == EINTR ? PG_OK : pgi_system_error(error);
}
