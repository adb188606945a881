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
 * Rejected: a source that stays armed for everything, edge-triggered, with the readiness kept in memory, as runtimes do
 * that own their descriptors.  It saves the system call, but not its price: a number that was closed by a plain
 * close(2), and given to another file, would wait for ever.  Rejected too: a source for each waiter, since a descriptor
 * can be in an epoll instance only once. */
#define _GNU_SOURCE /* ppoll */
#include "descriptor.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "runtime.h"
#include "sched/guest.h"

/* A process that waits, in its frame. */
typedef struct note {
    struct note *next, **at; /* in the list; at NULL: in none */
    pg_process *process;
    uint32_t events;
    bool closed;
} note;

struct pgi_descriptor {
    pgs_source source;
    _Atomic(bool) added; /* to the scheduler; written under the table's lock */
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

static int arm(pgi_descriptor *d, pgs_sched *sched)
{
    uint32_t events = 0;
    for (const note *n = d->notes; n; n = n->next) events |= n->events;
    return events ? pgs_source_arm(sched, &d->source, events | EPOLLET | EPOLLONESHOT) : 0;
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
    for (note *n = d->notes, *next; n; n = next) {
        next = n->next;
        if (n->events & events) tell(n);
    }
    if (d->notes && arm(d, d->notes->process->rt->sched) != 0) {
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
        store_release(&d->added, true); /* partners: wait_as_process, pgi_descriptor_wake */
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

static int wait_as_process(pg_process *self, int fd, int events, int64_t deadline)
{
    if (fd >= PGI_DESCRIPTOR_CHUNK * PGI_DESCRIPTOR_CHUNKS) return PG_ELIMIT;
    pgi_descriptor *d = find(&self->rt->descriptors, fd);
    if (!d || unlikely(!load_acquire(&d->added))) { /* partner: add_source */
        int error = add(self->rt, fd);
        if (error) return status_of(error);
        d = find(&self->rt->descriptors, fd);
    }
    pgi_end_if_killed(self);
    note n = {.process = self, .events = (uint32_t)events};
    store_relaxed(&self->sleeper.token, PGI_AWAKE);
    pthread_mutex_lock(&d->lock);
    put_in(d, &n);
    int error = arm(d, self->rt->sched);
    if (unlikely(error)) take_out(&n);
    pthread_mutex_unlock(&d->lock);
    if (unlikely(error)) return status_of(error);
    int status = suspend(self, d, &n, deadline);
    pgi_end_if_killed(self);
    return status;
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

void pgi_descriptor_wake(pg_runtime *rt, int fd, bool closed)
{
    pgi_descriptor *d = fd >= 0 ? find(&rt->descriptors, fd) : NULL;
    if (!d || !load_acquire(&d->added)) return; /* partner: add_source */
    pthread_mutex_lock(&d->lock);
    while (d->notes) {
        d->notes->closed = closed;
        tell(d->notes);
    }
    pthread_mutex_unlock(&d->lock);
}
