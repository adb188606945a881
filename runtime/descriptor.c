/* descriptor.c - processes that wait for descriptors, each by a note in its own frame, in the list of that number.
 *
 * The list of a number has one source with the scheduler (sched/poller.h).  Who comes to wait puts its note there and
 * arms the source for all that the list waits for, once; when it fires, those whose events have come are told, and it
 * is armed again for the rest.  So a descriptor that nobody waits for fires nothing, whatever arrives, and a connection
 * that waits again and again pays one system call each time, and none that were needless.
 *
 * That call also finds out whether the number is another file's by now: the kernel has then forgotten what was armed,
 * and it is armed anew.  Hence nobody has to say that he closes a descriptor.  An event says no more than that it is
 * time to look: it may be the old file's, or another process may have been quicker.  So whoever returns from here tries
 * his call, or asks poll(2), and comes back if there is nothing.
 *
 * Invariants:
 *   1. A note is in its list from before the source is armed until it is told, or its owner takes it out.
 *   2. Whenever the lock is free, the source is armed for all events of the list, or one that was has fired and waits
 *      for the lock.
 *   3. Who tells a waiter has taken its note out before, and does not touch it after the exchange of the token
 *      (wait.c); a thread, whose parker is touched after that, waits for the lock.
 *   Locks: the table's, then the poller's, then a list's.
 *
 * Attached processes wait in poll(2): nothing ends them where they wait, and their runtime may stop meanwhile.
 *
 * Connections.  A TCP connection that pg_accept() has made is *followed* until pg_close(): its source stays armed for
 * everything, edge-triggered, and what the events said is kept here.  After a short read nothing is there until the
 * next event, so whoever reads again waits at once: a request costs one read, and neither a second one that finds
 * nothing, nor the arming.  A bit is cleared before each read and set by each event, so an event that comes in between
 * is not lost, and at worst brings one read that finds nothing.  Should such a connection be closed by a plain close(2)
 * after all, and its number be another file's, that wait would be for what the kernel has forgotten: so one that is
 * longer than DOUBT_NS arms the source, once, which finds that out, and the file is followed no longer.
 *
 * Rejected: to follow everything, as runtimes do that own their descriptors: pipes, sockets and timers are made and
 * closed without us, and each of those would wait for DOUBT_NS.  Rejected too: a source for each waiter, since a
 * descriptor can be in an epoll instance only once. */
#define _GNU_SOURCE /* ppoll */
#include "descriptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "runtime.h"
#include "sched/guest.h"

static const int64_t DOUBT_NS = 1000000000;
static const uint32_t EVERYTHING = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;

/* A process that waits, in its frame. */
typedef struct note {
    struct note *next, **at; /* in the list; at NULL: in none */
    pg_process *process;
    uint32_t events;
    bool closed;
} note;

struct pgi_descriptor {
    pgs_source source;
    _Atomic(uint32_t) known; /* PGI_FOLLOWED and so on */
    _Atomic(bool) added;     /* to the scheduler; written under the table's lock */
    pthread_mutex_t lock;
    note *notes;
};

/* ----------------------------------------------------------------------------------------------------- the list */

static void put_in(pgi_descriptor *d, note *n)
{
    n->next = d->notes;
    n->at = &d->notes;
    if (n->next) n->next->at = &n->next;
    d->notes = n;
}

static void take_out(note *n)
{
    pgs_assert(n->at != NULL);
    *n->at = n->next;
    if (n->next) n->next->at = n->at;
    n->at = NULL;
}

/* What is there already fires.  0, or what it failed with. */
static int arm(pgi_descriptor *d, pgs_sched *sched)
{
    uint32_t events = 0;
    for (const note *n = d->notes; n; n = n->next) events |= n->events;
    if (events == 0) return 0;
    if (load_relaxed(&d->known) & PGI_FOLLOWED) {
        int result = pgs_source_arm(sched, &d->source, EVERYTHING);
        if (result <= 0) return result;
        store_relaxed(&d->known, 0); /* another file: of that nothing is known */
    }
    int result = pgs_source_arm(sched, &d->source, events | EPOLLET | EPOLLONESHOT);
    return result < 0 ? result : 0;
}

/* Takes its note out, and wakes it. */
static void tell(note *n)
{
    pg_process *p = n->process;
    take_out(n);
    if (xchg_acq_rel(&p->sleeper.token, PGI_TOLD) != PGI_WAITING) return; /* partner: pgi_sleeper_commit */
    pgs_ready(p->rt->sched, &p->sleeper.task);
}

/* Those that wait for one of the events; the others are looked after by arming the source for them. */
static void fire(pgs_source *source, uint32_t events)
{
    pgi_descriptor *d = container_of(source, pgi_descriptor, source);
    if (events & (EPOLLERR | EPOLLHUP)) events = UINT32_MAX;
    pthread_mutex_lock(&d->lock);
    bool follows = load_relaxed(&d->known) & PGI_FOLLOWED;
    if (follows) {
        uint32_t bits = events & ~(uint32_t)EPOLLOUT ? PGI_READABLE : 0;
        if (events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) bits |= PGI_SPECIAL;
        or_acq_rel(&d->known, bits); /* partner: pgi_descriptor_may_read */
    }
    for (note *n = d->notes, *next; n; n = next) {
        next = n->next;
        if (n->events & events) tell(n);
    }
    if (d->notes && !follows && arm(d, d->notes->process->rt->sched) != 0) {
        while (d->notes) tell(d->notes); /* it was closed: let them see */
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---------------------------------------------------------------------------------------------------- the table */

void pgi_descriptors_init(pgi_descriptors *table)
{
    pthread_mutex_init(&table->lock, NULL);
}

void pgi_descriptors_destroy(pgi_descriptors *table)
{
    for (unsigned i = 0; i < PGI_DESCRIPTOR_CHUNKS; i++) {
        pgi_descriptor *chunk = load_relaxed(&table->chunks[i]);
        if (!chunk) continue;
        for (unsigned j = 0; j < PGI_DESCRIPTOR_CHUNK; j++) {
            if (load_relaxed(&chunk[j].added)) pthread_mutex_destroy(&chunk[j].lock);
        }
        pgi_free(chunk, PGI_DESCRIPTOR_CHUNK * sizeof *chunk);
    }
    pthread_mutex_destroy(&table->lock);
}

static pgi_descriptor *find(pgi_descriptors *table, int fd)
{
    unsigned number = (unsigned)fd;
    if (number >= (unsigned)PGI_DESCRIPTOR_CHUNK * PGI_DESCRIPTOR_CHUNKS) return NULL;
    pgi_descriptor *chunk = load_acquire(&table->chunks[number / PGI_DESCRIPTOR_CHUNK]); /* partner: add_chunk */
    return chunk ? chunk + number % PGI_DESCRIPTOR_CHUNK : NULL;
}

/* The table's lock is held. */
static int add_chunk(pgi_descriptors *table, unsigned index)
{
    pgi_descriptor *chunk = pgi_alloc_zero(PGI_DESCRIPTOR_CHUNK * sizeof *chunk);
    if (!chunk) return -ENOMEM;
    store_release(&table->chunks[index], chunk); /* partner: find */
    return 0;
}

/* Makes the list of a number known to the scheduler.  The table's lock is held. */
static int add_source(pg_runtime *rt, pgi_descriptor *d, int fd)
{
    if (load_relaxed(&d->added)) return 0;
    d->source = (pgs_source){.fd = fd, .fire = fire};
    pthread_mutex_init(&d->lock, NULL);
    int error = pgs_source_add(rt->sched, &d->source, EPOLLET | EPOLLONESHOT);
    if (error) {
        pthread_mutex_destroy(&d->lock);
    } else {
        store_release(&d->added, true); /* partners: list_of, pgi_descriptor_wake */
    }
    return error;
}

/* The list of a number, for the first time: 0 or an error. */
static int add(pg_runtime *rt, int fd)
{
    pgi_descriptors *table = &rt->descriptors;
    pthread_mutex_lock(&table->lock);
    int error = find(table, fd) ? 0 : add_chunk(table, (unsigned)fd / PGI_DESCRIPTOR_CHUNK);
    if (!error) error = add_source(rt, find(table, fd), fd);
    pthread_mutex_unlock(&table->lock);
    return error;
}

/* ----------------------------------------------------------------------------------------------------- waiting */

static int status_of(int error)
{
    return error == 0         ? PG_OK
           : error == -ENOMEM ? PG_ENOMEM
           : error == -EPERM  ? PG_EUNSUPPORTED
                              : pgi_system_error(-error);
}

/* With the note in the list, and the source armed. */
static int suspend(pg_process *self, pgi_descriptor *d, note *n, int64_t deadline)
{
    const pgs_wait wait = {pgi_sleeper_commit, pgi_sleeper_claim, deadline};
    int blocked = pgs_block(self->rt->sched, &self->sleeper.task, &wait);
    /* Acquire: `closed`; partner: tell. */
    bool told = load_acquire(&self->sleeper.token) == PGI_TOLD;
    if (unlikely(!told || self->sleeper.task.parker)) {
        pthread_mutex_lock(&d->lock);
        told = !n->at;
        if (!told) take_out(n);
        pthread_mutex_unlock(&d->lock);
    }
    if (n->closed) return pgi_system_error(EBADF);
    return told || blocked == 0 ? PG_OK : blocked == -ENOMEM ? PG_ENOMEM : PG_ETIMEDOUT;
}

/* The list of a number, which is made when there is none: NULL, and an error. */
static pgi_descriptor *list_of(pg_runtime *rt, int fd, int *error)
{
    pgi_descriptor *d = find(&rt->descriptors, fd);
    *error = 0;
    if (d && likely(load_acquire(&d->added))) return d; /* partner: add_source */
    *error = add(rt, fd);
    return *error ? NULL : find(&rt->descriptors, fd);
}

/* Waits, behind an arming of the source, or without one, when the source is known to be armed. */
static int wait_in_list(pg_process *self, pgi_descriptor *d, int events, bool arms, int64_t deadline)
{
    pgi_end_if_killed(self);
    note n = {.process = self, .events = (uint32_t)events};
    store_relaxed(&self->sleeper.token, PGI_AWAKE);
    pthread_mutex_lock(&d->lock);
    uint32_t known = load_relaxed(&d->known);
    bool waits = arms || (known & (PGI_FOLLOWED | PGI_READABLE)) == PGI_FOLLOWED;
    int error = 0;
    if (waits) put_in(d, &n);
    if (arms) error = arm(d, self->rt->sched);
    if (unlikely(error)) take_out(&n);
    pthread_mutex_unlock(&d->lock);
    if (unlikely(error)) return status_of(error);
    if (!waits) return PG_OK;
    int status = suspend(self, d, &n, deadline);
    pgi_end_if_killed(self);
    return status;
}

static int wait_as_process(pg_process *self, int fd, int events, int64_t deadline)
{
    if (fd >= PGI_DESCRIPTOR_CHUNK * PGI_DESCRIPTOR_CHUNKS) return PG_ELIMIT;
    int error;
    pgi_descriptor *d = list_of(self->rt, fd, &error);
    return d ? wait_in_list(self, d, events, true, deadline) : status_of(error);
}

static int wait_in_poll(int fd, int events, int64_t deadline)
{
    struct pollfd look = {.fd = fd, .events = (short)events};
    struct timespec left = {0, 0};
    if (deadline != PGS_NEVER) {
        int64_t ns = deadline - pgs_now();
        if (ns > 0) left = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    }
    int n = ppoll(&look, 1, deadline == PGS_NEVER ? NULL : &left, NULL);
    return n > 0 || (n < 0 && errno == EINTR) ? PG_OK : n == 0 ? PG_ETIMEDOUT : pgi_system_error(errno);
}

/* The host of a guest drives it meanwhile. */
static int wait_as_host(pg_process *self, int fd, int events, int64_t deadline)
{
    int there = pgs_guest_poll(self->rt->sched, fd, (short)events, deadline);
    if (there == -EAGAIN) return wait_in_poll(fd, events, deadline);
    return there > 0 || there == -EINTR ? PG_OK : there == 0 ? PG_ETIMEDOUT : pgi_system_error(-there);
}

int pgi_descriptor_wait(pg_process *self, int fd, int events, int64_t deadline)
{
    if (fd < 0) return pgi_system_error(EBADF);
    if (self->phase == PGI_ENDING) return PG_EENDED;
    if (deadline <= 0) return PG_ETIMEDOUT;
    if (!self->attached) return wait_as_process(self, fd, events, deadline);
    bool drives = self->rt->options.guest && !load_relaxed(&self->rt->stopped);
    return drives ? wait_as_host(self, fd, events, deadline) : wait_in_poll(fd, events, deadline);
}

/* Whoever waits is told.  The lock is held. */
static void tell_all(pgi_descriptor *d, bool closed)
{
    while (d->notes) {
        d->notes->closed = closed;
        tell(d->notes);
    }
}

void pgi_descriptor_wake(pg_runtime *rt, int fd, bool closed)
{
    pgi_descriptor *d = fd >= 0 ? find(&rt->descriptors, fd) : NULL;
    if (!d || !load_acquire(&d->added)) return; /* partner: add_source */
    pthread_mutex_lock(&d->lock);
    if (closed && load_relaxed(&d->known) & PGI_FOLLOWED) {
        store_relaxed(&d->known, 0);
        pgs_source_arm(rt->sched, &d->source, EPOLLET | EPOLLONESHOT); /* for duplicates of it, which live on */
    }
    tell_all(d, closed);
    pthread_mutex_unlock(&d->lock);
}

/* ------------------------------------------------------------------------------------------------- connections */

/* Of others a short read does not say that nothing more is there. */
static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == IPPROTO_TCP;
}

void pgi_descriptor_accepted(pg_runtime *rt, int fd)
{
    int error;
    if (fd >= PGI_DESCRIPTOR_CHUNK * PGI_DESCRIPTOR_CHUNKS || !is_tcp(fd)) return;
    pgi_descriptor *d = list_of(rt, fd, &error);
    if (!d) return;
    pthread_mutex_lock(&d->lock);
    store_relaxed(&d->known, PGI_FOLLOWED | PGI_READABLE);
    if (pgs_source_arm(rt->sched, &d->source, EVERYTHING) < 0) store_relaxed(&d->known, 0);
    tell_all(d, false); /* of a file that had the number before */
    pthread_mutex_unlock(&d->lock);
}

pgi_descriptor *pgi_descriptor_followed(pg_runtime *rt, int fd)
{
    pgi_descriptor *d = find(&rt->descriptors, fd);
    return d && load_relaxed(&d->known) & PGI_FOLLOWED ? d : NULL;
}

bool pgi_descriptor_may_read(pgi_descriptor *d)
{
    uint32_t known = load_relaxed(&d->known);
    if ((known & (PGI_FOLLOWED | PGI_READABLE)) == PGI_FOLLOWED) return known & PGI_SPECIAL;
    and_acq_rel(&d->known, ~(uint32_t)PGI_READABLE); /* partner: fire; what it told of is there to be read */
    return true;
}

void pgi_descriptor_has_more(pgi_descriptor *d)
{
    pthread_mutex_lock(&d->lock);
    if (load_relaxed(&d->known) & PGI_FOLLOWED) {
        or_acq_rel(&d->known, PGI_READABLE); /* partner: pgi_descriptor_may_read, of another reader */
        tell_all(d, false);
    }
    pthread_mutex_unlock(&d->lock);
}

int pgi_descriptor_wait_more(pg_process *self, pgi_descriptor *d, int64_t deadline)
{
    if (self->phase == PGI_ENDING) return PG_EENDED;
    if (deadline <= 0) return PG_ETIMEDOUT;
    int64_t doubt = pgs_now() + DOUBT_NS;
    int status = wait_in_list(self, d, POLLIN, false, doubt < deadline ? doubt : deadline);
    if (status != PG_ETIMEDOUT || deadline <= doubt) return status;
    return wait_in_list(self, d, POLLIN, true, deadline);
}
