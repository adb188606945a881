/* poller.h - descriptors that make tasks ready: the one epoll instance of a scheduler, and who sleeps in it.
 *
 * There is no thread for it.  Waking a sleeping core costs what a thousand messages cost, so a descriptor's news must
 * not pay it twice: the thread that sleeps in epoll_wait is an idle worker, which then runs the task itself.  One
 * thread at a time has the *watch*: it alone harvests events, and fires them.
 *
 *   a worker that parks and finds the watch free   sleeps in epoll_wait instead of in its futex, until its deadline; to
 *                                                  unpark it is to write to the kick (parker.h, POLLING)
 *   a worker that searches, or is busy             takes the watch now and then for a look that does not sleep, when
 *                                                  nobody else has it
 *   the monitor                                    likewise at each of its looks
 *
 * Invariants:
 *   1. Only whoever has the watch is in epoll_wait, reads `batch`, and calls fire.  A worker's parker is POLLING only
 *      while it has the watch, so that a kick that it needs is harvested by nobody else.  A kick may come when its
 *      addressee has gone: then it wakes whoever watches for nothing.
 *   2. When there are sources, and all workers sleep, one of them watches, or the monitor is awake and sees to it.  A
 *      worker tries for the watch after its idle bit is set; pgs_source_add looks for idle workers after the source
 *      is counted; between the two writes and the two reads stand fences.  Whoever had the watch when a worker tried
 *      in vain sleeps with it, or is awake: a worker tries again when it parks, and the monitor, which is awake as
 *      long as any worker, does not park while nobody watches.
 *   3. fire is called under the lock, with a look at the source's slot: an event harvested before the source was
 *      removed finds another generation there.  Hence no call after pgs_poller_remove has returned.
 *   4. Without sources nothing is opened, and nobody takes the watch; but that of a guest (guest.h) is open from its
 *      start on, and its worker has the watch for good.
 *
 *   who may call with whom: add, remove, arm with everything, but for one source one at a time; the rest by whoever has
 *   the watch.
 *
 * The kick and the sources are edge-triggered, so nobody reads the counter of an eventfd: each write to it is an event.
 *
 * Rejected: a thread of its own (each event wakes two cores); every idle worker in epoll_wait (each event wakes all
 * of them, or with EPOLLEXCLUSIVE some, and each unpark is a write to an eventfd of its own); pointers to sources in
 * the events (one that is harvested may be removed and freed before it is fired); io_uring (what it saves in system
 * calls is not what costs here, and containers forbid it). */
#ifndef PGS_POLLER_H
#define PGS_POLLER_H

#include <pthread.h>
#include <sys/epoll.h>

#include "atomic.h"
#include "base.h"
#include "clock.h"
#include "hostile.h"

enum {
    PGS_POLL_BATCH = PGS_TUNED(64, 2),  /* events harvested at once */
    PGS_POLL_ROUNDS = PGS_TUNED(16, 1), /* full batches fired in a row, before the worker looks after its tasks */
    PGS_POLL_EVERY_NS = 100000,         /* a busy worker looks at the sources when nobody has for so long */
    PGS_WATCH_FREE = 0,                 /* nobody has the watch; else the number of a worker plus one, or: */
    PGS_WATCH_MONITOR = 0x7fffffff
};

/* A descriptor that is watched, embedded in what it makes ready.  See pgs_source_add in scheduler.h. */
typedef struct pgs_source pgs_source;
struct pgs_source {
    int fd;
    void (*fire)(pgs_source *source, uint32_t events);
    uint32_t slot, generation; /* the poller's */
};

struct pgs_poller_slot {
    pgs_source *source;  /* NULL: free */
    uint32_t generation; /* grows with each removal; the events of a source carry the one that it was added with */
    uint32_t next_free;
};

typedef struct pgs_poller {
    /* Everyone's. */
    PGS_ALIGNED _Atomic(uint32_t) sources; /* added and not removed */
    _Atomic(uint32_t) watch;               /* who has it */
    _Atomic(int64_t) polled_at;            /* when somebody last came from epoll_wait */
    _Atomic(int64_t) slept_at;             /* when a worker last came from sleeping in it */

    /* Opened with the first source, constant from then on; published by `sources`. */
    int epoll, kick;

    /* Of whoever has the watch. */
    PGS_ALIGNED int found; /* events in `batch` that are still to be fired */
    bool full;             /* the last harvest was: there may be more */
    bool coarse;           /* the system has no timeouts in nanoseconds */
    struct epoll_event batch[PGS_POLL_BATCH];

    /* Under the lock, which is held while sources fire. */
    PGS_ALIGNED pthread_mutex_t lock;
    struct pgs_poller_slot *slots;
    uint32_t slot_count, slot_capacity, first_free;
} pgs_poller;

/* Before the scheduler's first thread; opens nothing.  0 or -ENOMEM. */
int pgs_poller_init(pgs_poller *p);

/* After its last thread: closes what was opened.  Sources that are still there are forgotten. */
void pgs_poller_destroy(pgs_poller *p);

/* Opens the epoll instance and the kick before there is a source.  By whoever has the poller for itself.  0 or
 * -errno. */
int pgs_poller_open(pgs_poller *p);

/* Who sleeps in the epoll instance comes back.  Any thread, once it is open. */
void pgs_poller_kick(pgs_poller *p);

/* As pgs_source_add and so on in scheduler.h, but that nobody is woken to watch. */
int pgs_poller_add(pgs_poller *p, pgs_source *source, uint32_t events);
int pgs_poller_arm(pgs_poller *p, pgs_source *source, uint32_t events);
void pgs_poller_remove(pgs_poller *p, pgs_source *source);

/* There are sources, and nobody has the watch.  A hint, unless a fence or a sequentially consistent operation is before
 * it.  Any thread. */
static inline bool pgs_poller_is_unwatched(pgs_poller *p)
{
    return load_relaxed(&p->sources) > 0 && load_relaxed(&p->watch) == PGS_WATCH_FREE;
}

/* Nor has anybody looked for some time before `now`.  Any thread; one load when there are no sources. */
static inline bool pgs_poller_is_due(pgs_poller *p, int64_t now)
{
    return unlikely(pgs_poller_is_unwatched(p)) && now - load_relaxed(&p->polled_at) >= PGS_POLL_EVERY_NS;
}

/* Takes the watch for `who`, if there are sources and it is free.  Any thread. */
static inline bool pgs_poller_take(pgs_poller *p, uint32_t who)
{
    if (likely(load_acquire(&p->sources) == 0)) return false; /* partner: pgs_poller_add, for the descriptors */
    uint32_t nobody = PGS_WATCH_FREE;
    return load_relaxed(&p->watch) == nobody && cas_acquire(&p->watch, &nobody, who); /* partner: give_back */
}

static inline void pgs_poller_give_back(pgs_poller *p)
{
    store_release(&p->watch, PGS_WATCH_FREE); /* partner: take */
}

/* Sleeps until there are events, or a kick, or CLOCK_MONOTONIC reaches `deadline` (nanoseconds; one in the past does
 * not sleep; PGS_NEVER), or for nothing; what is found waits in the batch.  Leaves errno alone. */
void pgs_poller_harvest(pgs_poller *p, int64_t deadline);

/* Calls fire for each event of the batch, and harvests again without sleeping while batches are full.  Leaves errno
 * alone. */
void pgs_poller_fire(pgs_poller *p);

/* A look without sleeping, if the watch is to be had: true if there was something.  Any thread of the scheduler's. */
static inline bool pgs_poller_look(pgs_poller *p, uint32_t who)
{
    if (!pgs_poller_take(p, who)) return false;
    pgs_poller_harvest(p, 0);
    bool any = p->found > 0;
    if (any) pgs_poller_fire(p);
    pgs_poller_give_back(p);
    return any;
}

#endif
