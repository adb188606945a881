/* scheduler.h - an M:N scheduler of tasks: what the rest of the library needs to know of it.
 *
 * A task is something that runs for a while on a worker's stack, and then is at rest, or ready again, or gone.  Running
 * means that the scheduler calls ops->run(task).  That call may block anywhere inside (pgs_block): then, and only then,
 * the stack that it stands on becomes the task's own until it goes on.  A task at rest has no stack.
 *
 *          pgs_ready                 a worker takes it               ops->run returns
 *   rest ------------> in a queue ------------------------> running ------------------> rest, gone, or in a queue
 *                          ^                                  |  ^                       (run itself has decided)
 *                          |            commit said no        |  |
 *                          |<---------------------------------|  | a worker switches to its fiber
 *                          |                                  v  |
 *                          `---------- pgs_ready ---------- blocked
 *
 *   state     stack                        queue link            memory
 *   rest      none                         free                  the owner's
 *   queued    none, or its own if blocked  the queue's           the owner's
 *   running   the worker's current fiber   free                  the owner's
 *   blocked   its own: task->fiber         free                  the owner's; its frames are alive
 *
 * The one rule: a task is made ready by exactly one caller for each time that it rests or blocks.  Who that is must be
 * decided by an atomic operation of the caller's (the idle bit of a mailbox, a token): the scheduler does not
 * arbitrate.
 *
 * A task may be bound to a thread of its own by giving it a parker; then the same calls block and wake that thread. */
#ifndef PGS_SCHEDULER_H
#define PGS_SCHEDULER_H

#include <pthread.h>

#include "atomic.h"
#include "base.h"
#include "epoch.h"
#include "fiber.h"
#include "lifo.h"
#include "mpsc.h"
#include "parker.h"
#include "poller.h"

typedef struct pgs_sched pgs_sched;
typedef struct pgs_worker pgs_worker;
typedef struct pgs_timer pgs_timer;

typedef struct pgs_task {
    pgs_link link;      /* the queue's while it is in one that is intrusive */
    pgs_fiber *fiber;   /* where it goes on; NULL: from the top, by ops->run */
    pgs_parker *parker; /* of the thread that it is bound to; NULL: workers run it */
} pgs_task;

/* What the scheduler needs from above. */
typedef struct pgs_ops {
    /* Runs `task` on the stack of the caller.  The task must not be touched after it has come to rest or was
     * requeued; what pgs_worker_next() gives then is run in the same call.  Returns the worker that the call has ended
     * on. */
    pgs_worker *(*run)(pgs_worker *worker, pgs_task *task);
    /* `task` has kept a worker for `ns` nanoseconds.  From the monitor's thread: the task may have moved on
     * meanwhile. */
    void (*stuck)(void *context, pgs_task *task, int64_t ns);
    /* Memory of the embedder's for each worker, see pgs_worker_local.  make returns NULL when there is none. */
    void *(*local_make)(void *context);
    void (*local_free)(void *context, void *local);
    /* The worker is about to park: tidy up what it alone can. */
    void (*local_idle)(void *context, void *local);
    /* First and last on each thread, the workers' and the monitor's.  Both may be NULL. */
    void (*thread_begin)(void *context);
    void (*thread_end)(void *context);
    /* Of a simulation; both may be NULL.  A step of `task` begins, or has just ended, and the task may be gone; NULL:
     * the thread goes on.  And: nobody can ever run again, while the thread waits for ever. */
    void (*watch)(void *context, pgs_task *task, bool begins);
    void (*deadlock)(void *context);
    void *context;
} pgs_ops;

typedef struct pgs_config {
    unsigned workers;    /* 1 to PGS_WORKERS_TARGET_MAX */
    size_t stack_size;   /* bytes, 0: 64 KiB */
    size_t stacks;       /* at most so many fibers at once */
    int64_t stuck_after; /* ns until ops->stuck is called */
    bool lent;           /* the one worker is a thread of the caller's: see pgs_sched_work */
    uint64_t seed;       /* not 0: the one worker is simulated, on the calling thread: see sim.h */
    bool guest;          /* the one worker is whatever thread drives it: see guest.h */
    bool outlived;       /* pgs_sched_stop() leaves a shell, for threads that are about to park by pgs_sched_park() */
} pgs_config;

enum { PGS_WORKERS_TARGET_MAX = 256, PGS_WORKERS_MAX = 1024 };

/* Starts the workers and the monitor, and returns when ops->thread_begin has, on all of them.  `*out` is set before the
 * first of them runs, and meaningless on failure.  0, -ENOMEM, -EAGAIN (threads), -EINVAL. */
int pgs_sched_start(pgs_sched **out, const pgs_config *config, const pgs_ops *ops);

/* Where config.lent is set, pgs_sched_start() starts no thread.  What is made ready waits until the caller, or another
 * thread, becomes the worker by pgs_sched_work(), which does not return; and nobody keeps the promises of monitor.c
 * before pgs_sched_watch(), which starts the monitor, and returns when ops->thread_begin has on it: 0 or -EAGAIN.  Each
 * once, in any order, by any thread.  Such a scheduler is not stopped: it ends with the program. */
PGS_NORETURN void pgs_sched_work(pgs_sched *sched);
int pgs_sched_watch(pgs_sched *sched);

/* Ends all threads, and frees.  No task may be queued, running or blocked, and none become ready any more: sources have
 * been removed, or are silent.  Not from a worker; not where config.lent is set.  Of a guest, by who has taken it. */
void pgs_sched_stop(pgs_sched *sched);

/* Where config.outlived is set, frees what that has left. */
void pgs_sched_forget(pgs_sched *sched);

/* pgs_parker_park(), of a thread that waits for what a task of this scheduler does, perhaps.  The host of a guest
 * drives it meanwhile.  `sched` may be NULL. */
bool pgs_sched_park(pgs_sched *sched, pgs_parker *parker, int64_t deadline);

/* Makes a task that is at rest, or blocked, runnable; see the one rule.  Any thread. */
void pgs_ready(pgs_sched *sched, pgs_task *task);

/* Puts the running task behind all others of this worker: its slice has ended.  For ops->run, just before it
 * returns. */
void pgs_requeue(pgs_worker *worker, pgs_task *task);

/* The same; but where tasks wait in the worker's inbox, it waits there as well: whoever is flooded by them is not to be
 * taken from them. */
void pgs_requeue_beside(pgs_worker *worker, pgs_task *task);

/* The same for a task that only looks around: nobody is woken to take it. */
void pgs_linger(pgs_worker *worker, pgs_task *task);

/* The worker is not to search for long when it has nothing to do next, since somebody else waits for its processor. */
void pgs_worker_give_way(pgs_worker *worker);

/* How to wait.  All functions are called at most once for each wait, with the task; none may block. */
typedef struct pgs_wait {
    /* Publishes that the task waits, once it has left its stack.  True: from this moment others may make it ready.
     * False: what it waits for is there already, go on. */
    bool (*commit)(pgs_task *task);
    /* Tries to become the one who makes the task ready, because its time has passed. */
    bool (*claim)(pgs_task *task);
    int64_t deadline; /* PGS_NEVER: none, and no claim needed */
} pgs_wait;

/* Blocks the running task until somebody makes it ready (0) or its deadline has passed (-ETIME: claim succeeded);
 * -ENOMEM: no stack is left for the worker, nothing was done.  The caller may go on on another thread.  From the task's
 * own code. */
int pgs_block(pgs_sched *sched, pgs_task *task, const pgs_wait *wait);

/* Lets others run, then goes on.  From the task's own code. */
void pgs_yield(pgs_task *task);

/* The same, and goes on on the worker with that number, which no other takes it from unless that one is stuck, or some
 * idle while the monitor looks: for a task that would be in the way of another's caches anywhere else.  Where there is
 * no stack for the worker that it leaves it goes on at once.  Not for tasks that are bound to a thread. */
void pgs_yield_to(pgs_task *task, unsigned worker);

/* The number of a worker, below PGS_WORKERS_MAX. */
unsigned pgs_worker_number(const pgs_worker *worker);

/* Ends the running task in the middle of its stack, which is given up: no code of it runs again.  Only for a task that
 * workers run, which the caller has brought to its end already. */
void pgs_abandon(void) __attribute__((noreturn));

/* The worker that the calling thread is, or NULL.  Never inlined: the answer changes across each block, and so does the
 * address that it is read from, which a compiler would compute once a function.
 *
 * Rejected: reading it in place by two instructions of assembler (a tenth of a message that is received by blocking):
 * the symbol that they name is lost when a whole program is optimised as one. */
pgs_worker *pgs_worker_self(void);

/* Of what a worker's path reads, the only thread-local: initial-exec, so that reading it is one instruction. */
extern __attribute__((visibility("hidden"), tls_model("initial-exec"))) _Thread_local pgs_worker *pgs_worker_current;

/* The same as pgs_worker_self() without a call, for a function that is never inlined itself, in its first statement:
 * then no address that was computed before a block is read from after it. */
static inline pgs_worker *pgs_worker_at_entry(void)
{
    return pgs_worker_current;
}

/* What becomes of the slice of what runs. */
enum pgs_slice {
    PGS_SLICE_LASTS,
    PGS_SLICE_OVER, /* by the monitor, until end_slice; in a simulation, for good; of a guest, with its step */
    PGS_SLICE_ASKS  /* a guest's: see guest.h */
};

/* How a worker begins, so that what is asked for with each message is read without a call. */
typedef struct pgs_worker_face {
    pgs_sched *sched;
    void *local; /* from ops->local_make */
    pgs_epoch_member *member;
    pgs_lifo lifo;               /* the task made ready last; robbed by the monitor, when the owner is stuck */
    _Atomic(pgs_task *) running; /* NULL between tasks; written by the owner */
    _Atomic(uint64_t) steps;     /* grows with each task and each message; written by the owner */
    uint32_t turns;              /* that pgs_worker_next() may still give; the owner's own */
    _Atomic(uint8_t) slice_over; /* an enum pgs_slice; written by the monitor; cleared by the owner, in end_slice */
} pgs_worker_face;

_Static_assert(sizeof(pgs_worker_face) == 64, "what each message needs of its worker is one cache line");

/* pgs_ready_on(): pgs_ready() from a task's code on `worker`, a worker of the task's scheduler.  The other is its path
 * for a task that is bound to a thread, and for the one that leaves the LIFO slot. */
void pgs_ready_elsewhere(pgs_worker *worker, pgs_task *task);

/* The first step of pgs_ready_on(): the task runs next.  Returns the one that has to make room for it, or is bound to a
 * thread, for pgs_ready_elsewhere(); NULL: none. */
static inline pgs_task *pgs_ready_next(pgs_worker *worker, pgs_task *task)
{
    if (unlikely(task->parker)) return task;
    return pgs_lifo_swap(&((pgs_worker_face *)(void *)worker)->lifo, task);
}

static inline void pgs_ready_on(pgs_worker *worker, pgs_task *task)
{
    task = pgs_ready_next(worker, task);
    if (task) pgs_ready_elsewhere(worker, task);
}

/* What it runs now, or NULL. */
static inline pgs_task *pgs_worker_task(const pgs_worker *worker)
{
    return load_relaxed(&((pgs_worker_face *)(uintptr_t)worker)->running);
}

/* The worker that the caller, code of `task`, is on, where it was on `worker` some time before: a look instead of a
 * call.  A worker that a task has left does not have it as its running one before it has come back. */
static inline pgs_worker *pgs_worker_still(pgs_worker *worker, const pgs_task *task)
{
    return likely(pgs_worker_task(worker) == task) ? worker : pgs_worker_self();
}

static inline void *pgs_worker_local(const pgs_worker *worker)
{
    return ((const pgs_worker_face *)(const void *)worker)->local;
}

static inline pgs_epoch_member *pgs_worker_member(const pgs_worker *worker)
{
    return ((const pgs_worker_face *)(const void *)worker)->member;
}

static inline pgs_sched *pgs_worker_sched(const pgs_worker *worker)
{
    return ((const pgs_worker_face *)(const void *)worker)->sched;
}

/* What the worker has done so far: tasks begun, and messages that pgs_worker_progress() was told of. */
static inline uint64_t pgs_worker_steps(const pgs_worker *worker)
{
    return load_relaxed(&((pgs_worker_face *)(uintptr_t)worker)->steps);
}

static inline void pgs_worker_step(pgs_worker *worker)
{
    pgs_worker_face *face = (pgs_worker_face *)(void *)worker;
    store_relaxed(&face->steps, load_relaxed(&face->steps) + 1);
}

/* The path of pgs_worker_progress() where a slice does not just last. */
PGS_COLD bool pgs_worker_slice_ends(pgs_worker *worker);

/* Between two messages of one task: tells the monitor that work goes on.  True: the slice has lasted long, end it. */
static inline bool pgs_worker_progress(pgs_worker *worker)
{
    pgs_worker_step(worker);
    bool lasts = load_relaxed(&((pgs_worker_face *)(void *)worker)->slice_over) == PGS_SLICE_LASTS;
    return unlikely(!lasts) && pgs_worker_slice_ends(worker);
}

/* The paths of pgs_worker_next(): for a task that goes on on its own stack, NULL; where the LIFO slot is empty. */
pgs_task *pgs_worker_hand(pgs_worker *worker, pgs_task *task);
pgs_task *pgs_worker_next_of_deque(pgs_worker *worker);

/* For ops->run, whose task has come to rest, or was requeued, or is gone: the task to go on with by a call, as if this
 * were its run; NULL: return.  It is the newest one, while nothing else has its turn: a process and those that it sends
 * to, or spawns, go on without a way back into the scheduler. */
static inline pgs_task *pgs_worker_next(pgs_worker *worker)
{
    pgs_worker_face *face = (pgs_worker_face *)(void *)worker;
    if (unlikely(face->turns == 0) || unlikely(load_relaxed(&face->slice_over) == PGS_SLICE_OVER)) return NULL;
    pgs_task *task = pgs_lifo_swap(&face->lifo, NULL);
    if (!task) return pgs_worker_next_of_deque(worker);
    face->turns--;
    if (unlikely(task->fiber)) return pgs_worker_hand(worker, task);
    pgs_worker_step(worker);
    store_relaxed(&face->running, task);
    return task;
}

/* Sources: descriptors whose events make tasks ready.  The caller sets fd and fire, and keeps both the structure and
 * the descriptor until it has removed the source; close it only after that.
 *
 * fire(source, events) is called on a worker between two tasks, or on the monitor's thread, one source at a time.  It
 * may claim tasks and call pgs_ready() and pgs_source_arm(); it must not block, add or remove a source (which panics),
 * or use what grace periods protect.  It may be called for nothing.  While a worker is parked it is called at once, or
 * within some 2 ms when that worker has still to be woken to watch; while all are busy, after 100 us and the turn that
 * runs then, or at the monitor's next look, within 2 ms.
 *
 * events: as of epoll_ctl(2), with EPOLLET: the next event of a source may come before its task has run, and without
 * EPOLLET it comes again and again until the descriptor has been read.  The counter of an eventfd need not be read.
 *
 * pgs_source_add: 0; -ENOMEM, or what opening the epoll instance (the first time) or epoll_ctl failed with: -EMFILE,
 * -EPERM (not a descriptor that can be waited for), -EEXIST, ...  Nothing has been added then.  An event that is there
 * already fires.  After pgs_source_remove has returned fire does not run, and is never called again; it waits for a
 * call that is under way.  Both: any thread; they leave errno alone.
 *
 * pgs_source_arm: what the source waits for from now on, in the place of what it did; with EPOLLONESHOT, until it has
 * fired once.  Here the descriptor may have been closed, and may be another file's by now, which is taken for it then;
 * an event of the old one that is still on its way fires for nothing: then it is 1, and two system calls, else 0, and
 * one.  Or what epoll_ctl failed with, -EBADF or -EPERM mostly.  Any thread; for one source one at a time, and after it
 * has been added.  It leaves errno alone. */
int pgs_source_add(pgs_sched *sched, pgs_source *source, uint32_t events);
int pgs_source_arm(pgs_sched *sched, pgs_source *source, uint32_t events);
void pgs_source_remove(pgs_sched *sched, pgs_source *source);

/* Adds a timer (timer.h) to the wheel of the calling worker, or, from any other thread, to that of some worker, which
 * is woken if it sleeps for longer.  The callback is called between two tasks, or by the monitor, and may call
 * pgs_ready() as a source's may.  The timer outlives the scheduler, or is cancelled.  Any thread. */
void pgs_timer_set(pgs_sched *sched, pgs_timer *timer, int64_t deadline);

/* What that worker has as its local, whoever calls the callback.  In the callback. */
void *pgs_timer_local(const pgs_timer *timer);

/* Whether nothing else waits to be run by this worker or for any: a task may as well look around for a while.  By the
 * worker. */
bool pgs_worker_alone(pgs_worker *worker);

/* Grace periods.  Workers are members: around each use of what must not go away they enter and leave.  All other
 * threads are visitors. */
pgs_epoch *pgs_sched_epoch(pgs_sched *sched);

/* Starts a thread that takes none of the host's signals.  `name` may be NULL; 15 bytes of it are shown.  0 or an
 * errno. */
int pgs_sched_thread(pthread_t *thread, void *(*entry)(void *), void *arg, const char *name);

/* Calls f(context, local) for each worker there ever was, those that run too: read only what is atomic. */
void pgs_sched_each_local(pgs_sched *sched, void (*f)(void *context, void *local), void *context);
unsigned pgs_sched_workers(pgs_sched *sched);
pgs_stack_pool *pgs_sched_stacks(pgs_sched *sched);

/* The stack that the calling worker is on.  Async-signal-safe. */
pgs_stack pgs_worker_stack(const pgs_worker *worker);

#endif
