/* worker.h - the inside of the scheduler, shared by worker.c, idle.c, monitor.c and scheduler.c only.
 *
 * A worker is a thread, its queues and its wheel.  Fields are grouped by who writes them, each group on lines of its
 * own.
 *
 *   deque   newest first for the owner, oldest first for thieves
 *   lifo    the task made ready last: it runs next, while what it was sent is in the cache; only the monitor takes it
 *           from a worker that has not moved
 *   fifo    tasks that used up their slice; anybody may take from it
 *   inbox   the same of tasks that belong with others of this worker; thieves leave it alone, the monitor does not
 *
 * A worker is in one of these states; `idle` in the scheduler has a bit for each parked one:
 *
 *   running --no work--> searching --nothing found--> parked --woken--> searching
 *      `--one too many--> retired --needed again--> searching */
#ifndef PGS_WORKER_H
#define PGS_WORKER_H

#include <errno.h>
#include <pthread.h>

#include "alarm.h"
#include "atomic.h"
#include "clock.h"
#include "deque.h"
#include "guest.h"
#include "hostile.h"
#include "injector.h"
#include "poller.h"
#include "scheduler.h"
#include "sim.h"
#include "timer.h"

enum {
    PGS_LIFO_CAP = PGS_TUNED(32, 2),        /* turns that the LIFO slot may take in a row while others wait */
    PGS_QUEUES_EVERY = PGS_TUNED(61, 3),    /* turns between looks at the FIFO, the injector and the clock */
    PGS_OLDEST_EVERY = PGS_TUNED(3904, 12), /* turns between takes from the deque's old end, unless time brings one */
    PGS_INJECTED_BATCH = PGS_TUNED(16, 2),  /* tasks taken from the injector at once */
    PGS_SPARE_FIBERS = PGS_TUNED(32, 2),    /* kept by a worker in front of the stack pool */
    PGS_SEARCH_ROUNDS = PGS_TUNED(200, 2),  /* fruitless rounds over all queues before a worker parks: 20 to 50 us */
    PGS_SOURCES_EVERY = PGS_TUNED(20, 1),   /* of these rounds between looks at the sources */
    PGS_DEQUE_INITIAL = PGS_TUNED(256, 1),
    PGS_IDLE_WORDS = PGS_WORKERS_MAX / 64
};

/* Where tasks may lie for long while newer ones are taken. */
enum pgs_old_end { PGS_OLD_INJECTOR, PGS_OLD_REQUEUED, PGS_OLD_DEQUE, PGS_OLD_ENDS };

/* What the next fiber of a worker has to do for the one that was just left: only then is that one's context saved. */
typedef struct pgs_after {
    enum pgs_after_what { PGS_AFTER_NOTHING, PGS_AFTER_KEEP, PGS_AFTER_REMAKE, PGS_AFTER_COMMIT } what;
    pgs_fiber *fiber; /* KEEP, REMAKE */
    pgs_task *task;   /* COMMIT */
    const pgs_wait *wait;
    pgs_alarm *alarm;  /* COMMIT with a deadline */
    pgs_worker *inbox; /* where there is no wait: whose inbox it goes to; NULL: it stays in this worker's FIFO */
} pgs_after;

struct pgs_worker {
    /* Constant. */
    pgs_worker_face face; /* first: see scheduler.h */
    unsigned number;
    pthread_t thread;

    /* The owner's own. */
    PGS_ALIGNED pgs_fiber *fiber; /* on which the worker is now */
    pgs_task *handoff;            /* for the runner to go on with */
    pgs_after after;
    uint32_t turns_left; /* until the next look at the old ends of the queues */
    uint32_t looks;      /* at the old ends, for the number of turns, so far */
    uint32_t lifo_turns; /* taken from the LIFO slot in a row */
    uint32_t lent;       /* of both, what face.turns was when they were brought up to date last */
    uint32_t slices;     /* that the monitor has ended */
    bool aged;           /* the next look is for the time that has passed */
    bool inbox_first;    /* of FIFO and inbox */
    bool searching;
    bool gives_way; /* it parks after one round of the next search */
    uint64_t random;
    unsigned spares;
    pgs_fiber *spare[PGS_SPARE_FIBERS]; /* runner fibers that nobody uses, the newest last */
    pgs_fiber native;                   /* the thread's own stack */
    pgs_fiber_thread fiber_thread;

    /* Written by the monitor, or by whoever wakes this worker. */
    PGS_ALIGNED _Atomic(bool) retired;
    _Atomic(int) tid; /* of its thread, which writes it first thing; 0 until then */
    pgs_parker parker;
    /* The monitor's own. */
    uint64_t seen_steps;
    int64_t seen_at;
    bool reported;

    pgs_epoch_member member;
    pgs_deque deque;
    pgs_injector fifo;
    pgs_injector inbox;
    pgs_wheel wheel;
};

struct pgs_sched {
    /* Constant. */
    pgs_ops ops;
    pgs_config config;
    pthread_t monitor;
    pgs_sim *sim;     /* NULL: it is real */
    pgs_guest *guest; /* NULL: it has threads */
    bool driven;      /* one of both: a thread of the caller's is the worker now and then */

    /* Rarely written. */
    PGS_ALIGNED _Atomic(pgs_worker *) worker[PGS_WORKERS_MAX]; /* published with release, never removed */
    _Atomic(unsigned) workers;                                 /* threads ever started */
    _Atomic(bool) stopping;
    pgs_stack_pool stacks;

    /* The start's. */
    _Atomic(unsigned) begun; /* threads that have called ops->thread_begin */
    pgs_parker starter;      /* of the thread that starts all this, and waits for them */

    /* Everyone's. */
    PGS_ALIGNED _Atomic(int) idle_count;
    _Atomic(int) searching;
    _Atomic(int) surplus; /* workers that should retire */
    _Atomic(int) retired;
    _Atomic(uint64_t) idle[PGS_IDLE_WORDS];

    PGS_ALIGNED _Atomic(bool) monitor_parked;
    pgs_parker monitor_parker;

    pgs_injector injector;
    pgs_epoch epoch;
    pgs_poller poller;
};

/* scheduler.c: what each thread calls first and last. */
void pgs_thread_begin(pgs_sched *sched);
void pgs_thread_end(pgs_sched *sched);

/* worker.c */
void *pgs_worker_main(void *arg);
pgs_worker *pgs_worker_new(pgs_sched *sched);  /* started and searching, or NULL */
pgs_worker *pgs_worker_lend(pgs_sched *sched); /* the same, but for its thread: that calls pgs_worker_work */
void pgs_worker_begin(pgs_worker *worker);     /* by its thread, once */
void pgs_worker_turn(pgs_worker *worker);      /* its thread is the worker until there is nothing to do */
void pgs_worker_work(pgs_worker *worker);      /* what its thread does until the scheduler stops: both of these */
void pgs_worker_free(pgs_worker *worker);

/* idle.c: parking and waking. */
bool pgs_idle_park(pgs_worker *worker);              /* false: the scheduler stops */
void pgs_idle_wake_one(pgs_sched *sched);            /* some parked worker, if none searches already */
void pgs_idle_found_work(pgs_worker *worker);        /* a searching worker stops searching, and passes the search on */
bool pgs_idle_retire_if_surplus(pgs_worker *worker); /* true: it was retired for a while */
bool pgs_idle_unretire_one(pgs_sched *sched);
void pgs_idle_hand_over(pgs_worker *to, pgs_task *task); /* into its inbox */
bool pgs_idle_give_one(pgs_worker *worker); /* of its inbox, to all; false: there is none, or somebody else is there */
bool pgs_idle_any_work(pgs_sched *sched);   /* something in some queue */
bool pgs_idle_arm(pgs_worker *worker);      /* of a guest: true: it sleeps; false: there is something to do */
bool pgs_idle_is_armed(pgs_worker *worker); /* nobody has woken it since */
void pgs_idle_disarm(pgs_worker *worker);   /* after an arming that said true */

/* Work has been put where other workers can take it.  Not a promise: without a fence a worker that parks at this moment
 * may be missed.  The caller goes on to do the work itself then, or the monitor wakes somebody at its next look. */
static inline void pgs_idle_hint(pgs_sched *sched)
{
    if (unlikely(load_relaxed(&sched->idle_count) > 0) && load_relaxed(&sched->searching) == 0) {
        pgs_idle_wake_one(sched);
    }
}

/* monitor.c */
void *pgs_monitor_main(void *arg);
void pgs_monitor_wake(pgs_sched *sched);

/* The task that a queue's link stands in, or NULL. */
static inline pgs_task *pgs_task_of(pgs_link *link)
{
    return link ? container_of(link, pgs_task, link) : NULL;
}

/* The worker with this number, or NULL when it has not been published yet. */
static inline pgs_worker *pgs_worker_at(pgs_sched *sched, unsigned number)
{
    return load_acquire(&sched->worker[number]); /* partner: the store in pgs_worker_new */
}

#endif
