/* process.h - the control block of a process, and what its parts call each other for.
 *
 * A control block is 192 bytes in a slot of the pid table (slots.h).  Its fields are grouped by who writes them: the
 * first line is the senders' and whoever wakes the process; the second is the process's own, all that it needs for a
 * message; the third is for its neighbours, under the lock, and for its beginning and its end.
 *
 *   state      stack                    mailbox idle bit   may be made ready by
 *   at rest    none                     set                the sender whose message takes the bit
 *   ready      none, or its own         clear              nobody: it is in a queue
 *   running    borrowed                 clear              nobody
 *   receiving  its own (blocked)        set                the sender, or its deadline, whichever takes the bit
 *   waiting    its own (blocked)        clear              whoever moves `token` from WAITING: a timer, an exit, a stop
 *   ended      none                     clear              nobody; senders fail the check of `id`
 *
 * The file of each verb:  slots.c allocate and find | spawn.c begin | process.c run | send.c | receive.c | wait.c |
 * kill.c | link.c | exit.c end | host.c threads and attached hosts | runtime.c start and stop. */
#ifndef PGI_PROCESS_H
#define PGI_PROCESS_H

#include "memory.h"
#include "message.h"
#include "paragram.h"
#include "pid.h"
#include "print.h"
#include "receiver.h"
#include "sched/atomic.h"
#include "sched/base.h"
#include "sched/clock.h"
#include "sched/mpsc.h"
#include "sched/scheduler.h"

_Static_assert(PG_FOREVER == PGS_NEVER, "a timeout that never comes is a deadline that never comes");

typedef struct pgi_link pgi_link;
typedef struct pgi_watcher pgi_watcher;
typedef struct pgi_defer pgi_defer;
typedef struct pgi_extra pgi_extra;
typedef struct pgi_host pgi_host;

/* A slice of a service; returns as pgi_run(). */
typedef pgs_worker *(*pgi_service)(pgs_worker *worker, pg_process *service);

/* What can be waited on besides the mailbox.  A plain host thread that waits has one of these and no process. */
typedef enum pgi_token {
    PGI_AWAKE,
    PGI_WAITING,
    PGI_WOKEN,
    PGI_TOLD, /* woken too: the watcher has been told, and is nobody else's any more */
    PGI_AWAY  /* waiting for a call of its own that another thread makes; only that one wakes it: see pool.c */
} pgi_token;

typedef struct pgi_sleeper {
    pgs_task task;
    _Atomic(uint32_t) token;
    pgs_parker parker;
} pgi_sleeper;

/* Why a process ends, while it does.  What it points to is alive until pgi_finish() has returned. */
typedef struct pgi_end {
    pg_exit_kind kind;
    const char *text; /* NULL: none */
    pg_value error;   /* nil: none */
    bool no_news;     /* abnormal, yet nothing that an operator should see */
} pgi_end;

enum pgi_phase {
    PGI_NEW,
    PGI_RUNNING,
    PGI_ENDING,
    PGI_SERVICE /* no process at all: a bridge, which is run and has a mailbox like one */
};

/* In pg_process.told. */
enum {
    PGI_TO_END = 1, /* pg_stop() has sent it a terminate */
    PGI_TO_DIE = 2  /* pg_kill() wants it to end where it waits */
};

struct pg_process {
    /* Whoever sends to it or wakes it. */
    _Atomic(uint64_t) id; /* its pid while it lives, or the address of its limits (limit.h), else 0 */
    pgs_mpsc mailbox;
    pgi_sleeper sleeper;

    /* Its own. */
    pg_runtime *rt;
    const pgi_receivers *receivers; /* NULL: none */
    union {
        pg_target target;      /* until it has begun */
        pgi_service serve;     /* of a service */
        pg_message *ending;    /* afterwards: the signal, met in a receive, by which it ends; NULL: none */
        pg_process *next_list; /* of the first slot in a list of the table's */
    };
    pg_message *current;  /* which a handler is handling */
    pg_message *received; /* by pg_recv, until the next */
    pgs_mpsc_node *scan;  /* the last node that was looked at, as `extra` says; NULL: none */
    union {
        void *data;
        unsigned list_count; /* of the first slot in a list of the table's */
    };
    _Atomic(uint8_t) lock;        /* for last_kind, dying, told, links, watchers, name, extra */
    uint8_t last_kind;            /* pg_exit_kind, once it is dying, and until the next who has the slot is */
    uint8_t phase;                /* pgi_phase */
    uint8_t kind : 4;             /* pg_kind */
    bool attached : 1;            /* stands for a host thread */
    bool dying;                   /* its links and watchers have been taken away */
    uint8_t told;                 /* PGI_TO_END, PGI_TO_DIE: what others have decided */
    _Atomic(uint16_t) flooded_on; /* the number of the worker, and 1, on which it had many messages in one go last */

    /* What a message does not need. */
    _Atomic(uint64_t) pid; /* of who has the slot, or had it last; written by whoever takes it, read by anybody */
    pgi_link *links;
    pgi_watcher *watchers;
    pgi_defer *defers;
    char *name;       /* kept after the end, until the slot is used again: exits are told by name */
    pg_message *args; /* until the target has returned */
    pgi_extra *extra; /* what few need (extra.h); changed under the lock; NULL: nothing */
    union {
        pgi_host *host;        /* of a process that is bound to a thread */
        const pgi_end *end;    /* of a green one that is ending */
        pg_process *next_free; /* in a list of slots */
    };
};

_Static_assert(sizeof(struct pg_process) == 192, "a process at rest is three cache lines");
_Static_assert(offsetof(struct pg_process, rt) == 64 && offsetof(struct pg_process, pid) == 128,
               "one line to send to it, one more to run it");

static inline pg_process *pgi_of_task(pgs_task *task)
{
    return container_of(task, pg_process, sleeper.task);
}

static inline pg_message *pgi_of_node(pgs_mpsc_node *node)
{
    return container_of(node, pg_message, node);
}

/* Its pid, also when it has ended already; 0: of a service. */
static inline pg_pid pgi_pid_of(const pg_process *p)
{
    return (pg_pid){load_relaxed(&((pg_process *)(uintptr_t)p)->pid)};
}

/* A lock for a few instructions; holders never block.  Two at once: the lower address first. */
void pgi_lock_contended(pg_process *p);

static inline void pgi_lock(pg_process *p)
{
    if (unlikely(xchg_acquire(&p->lock, 1) != 0)) pgi_lock_contended(p); /* partner: pgi_unlock */
}

static inline void pgi_unlock(pg_process *p)
{
    store_release(&p->lock, 0); /* partner: pgi_lock */
}

/* ---- process.c */

/* ops->run: a slice of a green process. */
pgs_worker *pgi_run(pgs_worker *worker, pgs_task *task);

/* Handles `node`, which is the next of the mailbox.  True: the process has ended, and is gone. */
bool pgi_handle_next(pg_process *p, pgs_mpsc_node *node, pgi_cache *cache);

/* Goes to rest, and frees the last message.  True: `p` belongs to whoever takes the idle bit.  False: there is mail. */
bool pgi_rest(pg_process *p, pgi_cache *cache);

/* Handles a message that is not the usual one: of the runtime's, or without a receiver.  True: the process has to end,
 * by *end, whose text may be in `text`. */
enum { PGI_TEXT_MAX = 2048 };
bool pgi_handle(pg_process *p, pg_message *msg, pgi_end *end, char text[PGI_TEXT_MAX]);

/* What a terminate asks for. */
pgi_end pgi_end_asked_for(const pg_message *msg);

/* `node` has left the mailbox: frees its message, unless a handler is handling it. */
void pgi_release(pg_process *p, pgs_mpsc_node *node);
void pgi_free_message(pg_message *msg);

/* The message that was received last is not needed any more. */
static inline void pgi_drop_received(pg_process *p)
{
    pg_message *msg = p->received;
    if (!msg) return;
    p->received = NULL;
    if (unlikely(msg->flags & PGI_LOOSE)) pgi_free_message(msg); /* else it is in the mailbox, marked or as its head */
}

/* Writes <pid> "name". */
void pgi_print_process(pgi_print *out, pg_process *p, pg_pid pid);

/* ---- exit.c */

/* The text for an error that is a value: a string's own, else the value as it is printed. */
void pgi_error_text(char text[PGI_TEXT_MAX], pg_value error);

/* `msg` is what the process ends by from here on.  Those before stay, in a chain of those that are in no queue, until
 * their handlers' frames have been left, which may look at them. */
void pgi_end_by(pg_process *p, pg_message *msg);

/* Runs the target of a new process: by the thread that is its own, or by a worker.  True, or the worker that it has
 * ended on: the process is gone.  False or NULL: it goes on, maybe on another worker. */
bool pgi_begin(pg_process *p);
pgs_worker *pgi_begin_on(pgs_worker *worker, pg_process *p);

/* Ends a process, in its own code: clean-ups, links, watchers, mailbox, slot.  `p` is gone when this returns. */
void pgi_finish(pg_process *p, const pgi_end *end);

/* The same from any depth of it: does not return. */
PGS_NORETURN void pgi_die(pg_process *p, const pgi_end *end);

/* ---- wait.c */

/* When pg_stop() has lost its patience, or pg_kill() was called for it, this process ends here: wherever it would wait,
 * or has been woken without a reason.  Not for attached ones. */
void pgi_end_if_killed(pg_process *p);

/* `p` has looked for a message without waiting: in a simulation, or in a guest, others have a turn then, or who looks
 * again and again would do so in vain. */
void pgi_looked(pg_process *p);

bool pgi_sleeper_commit(pgs_task *task);
bool pgi_sleeper_claim(pgs_task *task);

/* Wakes it if it waits: true for the one caller who did.  What it is to see has been written under a lock that it asks
 * for when it goes on, and that the caller has. */
bool pgi_sleeper_wake(pgs_sched *sched, pgi_sleeper *sleeper);

#endif
