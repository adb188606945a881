/* poller.c - the epoll instance and the table of sources; poller.h has the roles and invariants.
 *
 * Called by idle.c (workers that sleep), worker.c and monitor.c (looks), and by whoever adds and removes sources.  An
 * event carries the number of a slot and its generation, never a pointer: what it means is decided under the lock. */
#include "poller.h"

#include <errno.h>
#include <linux/time_types.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint32_t NO_SLOT = UINT32_MAX;
static const uint64_t KICK = UINT64_MAX; /* of the kick's events: a slot that there is not */

int pgs_poller_init(pgs_poller *p)
{
    p->epoll = p->kick = -1;
    p->first_free = NO_SLOT;
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes) != 0) return -ENOMEM;
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    int error = pthread_mutex_init(&p->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return error ? -ENOMEM : 0;
}

void pgs_poller_destroy(pgs_poller *p)
{
    if (p->epoll >= 0) {
        close(p->kick);
        close(p->epoll);
    }
    free(p->slots);
    pthread_mutex_destroy(&p->lock);
}

static void lock(pgs_poller *p)
{
    int error = pthread_mutex_lock(&p->lock);
    if (unlikely(error)) pgs_panic(__FILE__, __LINE__, "a source was added or removed by a source's fire");
}

static void unlock(pgs_poller *p)
{
    pthread_mutex_unlock(&p->lock);
}

/* ----------------------------------------------------------------------------------------------------- the table */

/* A free slot, or NO_SLOT: no memory. */
static uint32_t take_slot(pgs_poller *p)
{
    uint32_t slot = p->first_free;
    if (slot != NO_SLOT) {
        p->first_free = p->slots[slot].next_free;
        return slot;
    }
    if (p->slot_count == p->slot_capacity) {
        uint32_t capacity = p->slot_capacity ? 2 * p->slot_capacity : 16;
        struct pgs_poller_slot *more = realloc(p->slots, capacity * sizeof *more);
        if (!more) return NO_SLOT;
        p->slots = more;
        p->slot_capacity = capacity;
    }
    p->slots[p->slot_count] = (struct pgs_poller_slot){.source = NULL};
    return p->slot_count++;
}

static void free_slot(pgs_poller *p, uint32_t slot)
{
    p->slots[slot].source = NULL;
    p->slots[slot].generation++;
    p->slots[slot].next_free = p->first_free;
    p->first_free = slot;
}

/* The epoll instance with the kick in it, at the first source. */
int pgs_poller_open(pgs_poller *p)
{
    if (p->epoll >= 0) return 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int kick = epoll < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = KICK};
    if (kick < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, kick, &event) != 0) {
        int error = errno;
        if (kick >= 0) close(kick);
        if (epoll >= 0) close(epoll);
        return -error;
    }
    p->kick = kick;
    p->epoll = epoll;
    return 0;
}

void pgs_poller_kick(pgs_poller *p)
{
    int saved = errno;
    uint64_t one = 1;
    ssize_t written = write(p->kick, &one, sizeof one);
    pgs_assert(written == (ssize_t)sizeof one);
    errno = saved;
}

/* 0 or what epoll_ctl failed with. */
static int control(pgs_poller *p, int operation, const pgs_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)source->generation << 32 | source->slot};
    return epoll_ctl(p->epoll, operation, source->fd, &event) == 0 ? 0 : -errno;
}

static int add_locked(pgs_poller *p, pgs_source *source, uint32_t events)
{
    int error = pgs_poller_open(p);
    if (error) return error;
    uint32_t slot = take_slot(p);
    if (slot == NO_SLOT) return -ENOMEM;
    p->slots[slot].source = source;
    source->slot = slot;
    source->generation = p->slots[slot].generation;
    error = control(p, EPOLL_CTL_ADD, source, events);
    if (error) {
        free_slot(p, slot);
        return error;
    }
    add_seq_cst(&p->sources, 1); /* release: the descriptors; partner: pgs_poller_take */
    return 0;
}

int pgs_poller_add(pgs_poller *p, pgs_source *source, uint32_t events)
{
    int saved = errno;
    lock(p);
    int error = add_locked(p, source, events);
    unlock(p);
    errno = saved;
    return error;
}

int pgs_poller_arm(pgs_poller *p, pgs_source *source, uint32_t events)
{
    int saved = errno;
    int result = control(p, EPOLL_CTL_MOD, source, events);
    if (result == -ENOENT) { /* another file by the same number */
        result = control(p, EPOLL_CTL_ADD, source, events);
        if (result == 0) result = 1;
    }
    errno = saved;
    return result;
}

void pgs_poller_remove(pgs_poller *p, pgs_source *source)
{
    int saved = errno;
    lock(p);
    pgs_assert(source->slot < p->slot_count && p->slots[source->slot].source == source);
    epoll_ctl(p->epoll, EPOLL_CTL_DEL, source->fd,
              NULL); /* fails when it is closed already, and is not in there then */
    free_slot(p, source->slot);
    unlock(p);
    sub_relaxed(&p->sources, 1);
    errno = saved;
}

/* ---------------------------------------------------------------------------------------------------- the watch */

/* Sleeps for at most `left` nanoseconds, or without end.  The number of events, or -1. */
static int wait_for_events(pgs_poller *p, int64_t left)
{
    if (left == 0) return epoll_wait(p->epoll, p->batch, PGS_POLL_BATCH, 0);
    if (left == PGS_NEVER) return epoll_wait(p->epoll, p->batch, PGS_POLL_BATCH, -1);
#if defined(SYS_epoll_pwait2)
    if (likely(!p->coarse)) {
        struct __kernel_timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        long n = syscall(SYS_epoll_pwait2, p->epoll, p->batch, PGS_POLL_BATCH, &timeout, NULL, 0);
        if (likely(n >= 0 || (errno != ENOSYS && errno != EPERM))) return (int)n;
        p->coarse = true; /* before Linux 5.11, or behind a filter that does not know it */
    }
#endif
    int64_t ms = (left - 1) / 1000000 + 1;
    return epoll_wait(p->epoll, p->batch, PGS_POLL_BATCH, ms < INT32_MAX ? (int)ms : INT32_MAX);
}

void pgs_poller_harvest(pgs_poller *p, int64_t deadline)
{
    int saved = errno;
    int64_t left = deadline;
    if (deadline != PGS_NEVER && deadline != 0) left = deadline - pgs_now();
    int n = wait_for_events(p, left > 0 ? left : 0);
    if (unlikely(n < 0 && errno != EINTR)) pgs_panic(__FILE__, __LINE__, "epoll_wait failed: error %d", errno);
    p->found = n > 0 ? n : 0;
    p->full = n == PGS_POLL_BATCH;
    int64_t now = pgs_now();
    store_relaxed(&p->polled_at, now);
    if (deadline != 0) store_relaxed(&p->slept_at, now);
    errno = saved;
}

static void fire_batch(pgs_poller *p)
{
    lock(p);
    for (int i = 0; i < p->found; i++) {
        uint32_t number = (uint32_t)p->batch[i].data.u64, generation = (uint32_t)(p->batch[i].data.u64 >> 32);
        if (number >= p->slot_count) continue; /* the kick */
        struct pgs_poller_slot *slot = &p->slots[number];
        if (slot->source && slot->generation == generation) slot->source->fire(slot->source, p->batch[i].events);
    }
    unlock(p);
}

void pgs_poller_fire(pgs_poller *p)
{
    int saved = errno;
    for (int round = 1; p->found > 0; round++) {
        fire_batch(p);
        p->found = 0;
        if (p->full && round < PGS_POLL_ROUNDS) pgs_poller_harvest(p, 0);
    }
    errno = saved;
}
