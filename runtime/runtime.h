/* runtime.h - a runtime: what its processes share, and how other threads reach it.
 *
 * Runtimes are found by the node number in a pid (node.h).  A thread that is not a worker of a runtime is a visitor
 * there: it enters before it touches anything and leaves afterwards, and pg_stop() waits for those that are inside. */
#ifndef PGI_RUNTIME_H
#define PGI_RUNTIME_H

#include <pthread.h>

#include "budget.h"
#include "child.h"
#include "delay.h"
#include "descriptor.h"
#include "host.h"
#include "names.h"
#include "node.h"
#include "os.h"
#include "pace.h"
#include "pool.h"
#include "process.h"
#include "signals.h"
#include "slots.h"

/* What each worker has of its own.  The counters are written by it alone, and read by anybody. */
typedef struct pgi_local {
    PGS_ALIGNED pgi_cache cache;
    pgi_slot_cache slots;
    pg_runtime *rt;
    uint32_t node; /* of rt */
    pgi_pace pace;
    pgi_delay_cache delays;
    _Atomic(uint64_t) spawned, ended, dropped, refused;
} pgi_local;

/* The last abnormal exits, the oldest overwritten first. */
enum { PGI_EXITS_KEPT = 1024 };

/* Who is to end where he waits. */
enum { PGI_KILLING_NONE, PGI_KILLING_SOME /* whoever has PGI_TO_DIE */, PGI_KILLING_ALL };

struct pg_runtime {
    /* Constant after the start. */
    pg_options options;
    pgs_sched *sched;
    pgi_slots slots;
    uint32_t node;

    pgi_receiver_store receivers;
    pgi_depot depot;

    PGS_ALIGNED _Atomic(bool) stopping; /* no process starts any more */
    _Atomic(bool) unusual;        /* a spawn has more to do than usual: stopping, a budget, another default kind */
    _Atomic(uint8_t) killing;     /* PGI_KILLING_...: who waits is to end */
    _Atomic(bool) dismissed;      /* of attached processes, too, it counts as their end */
    _Atomic(bool) stopped;        /* only attached hosts are left, which hold the structure */
    _Atomic(uint32_t) references; /* the runtime itself and its attached hosts */
    _Atomic(uint32_t) attached;   /* processes of hosts: not among those that pg_stop() waits for */
    _Atomic(uint64_t) attached_ever;
    _Atomic(uint64_t) main; /* the pid of the first attached process */
    _Atomic(uint64_t) stuck;
    pgs_parker stopper; /* where pg_stop() waits */
    pthread_mutex_t stop_lock;

    pthread_mutex_t foreign_lock;
    pgi_local foreign; /* of all threads that are no workers, under the lock */

    pgi_delays delays;
    pgi_descriptors descriptors;
    pgi_pool pool;       /* for calls that block */
    pgi_threads threads; /* of kind PG_THREAD */
    pgi_os os;           /* of kind PG_OS */
    pgi_child *child;    /* NULL: this is no child of another program's runtime */

    pgi_signals signals;
    pgi_names names;
    pgi_budget budget; /* unless options.memory is 0 */

    pthread_mutex_t exits_lock;
    pg_exit_info *exits;
    uint64_t exits_made;
    _Atomic(uint32_t) exits_forgotten; /* the highest generation of one that was overwritten; written under the lock */
};

/* Whether it has a seed: it is run on one thread, in a time of its own (seeded.h). */
static inline bool pgi_is_simulated(const pg_runtime *rt)
{
    return rt->options.seed != 0;
}

static inline pg_process *pgi_slot_take(pg_runtime *rt, pgi_slot_cache *cache)
{
    bool may_be_full = load_relaxed(&rt->slots.used) >= rt->options.max_processes;
    if (unlikely(!cache->free || may_be_full)) return pgi_slot_take_rarely(rt, cache);
    pg_process *p = pgi_slot_pop(cache);
    pgi_slot_advance(p);
    return p;
}

/* How a thread is inside a runtime. */
typedef struct pgi_visit {
    pg_runtime *rt;     /* NULL: there is none of that number any more */
    pgi_local *local;   /* of the worker that the caller is; NULL for a visitor */
    pgs_worker *worker; /* likewise */
    pgs_epoch_visitor visitor;
} pgi_visit;

void pgi_visit_rarely(pgi_visit *visit, uint32_t node);
void pgi_leave_rarely(const pgi_visit *visit);

/* The calling worker's own, if it is a worker of `rt`, or of whatever runtime where `rt` is NULL. */
static inline pgi_local *pgi_local_here(const pg_runtime *rt)
{
    pgs_worker *w = pgs_worker_self();
    if (!w) return NULL;
    pgi_local *local = pgs_worker_local(w);
    return !rt || local->rt == rt ? local : NULL;
}

static inline pgi_cache *pgi_cache_of(const pgs_worker *w)
{
    return &((pgi_local *)pgs_worker_local(w))->cache;
}

static inline pgi_pace *pgi_pace_of(const pgs_worker *w)
{
    return &((pgi_local *)pgs_worker_local(w))->pace;
}

static inline pgi_cache *pgi_cache_here(const pg_runtime *rt)
{
    pgi_local *local = pgi_local_here(rt);
    return local ? &local->cache : NULL;
}

/* Enters the runtime of a pid; to be left on the same thread, without blocking in between.  The visit is filled in
 * where it lies: one that is returned is copied in halves that were not stored as such, and each copy waits for the
 * store buffer. */
static inline void pgi_visit_pid(pgi_visit *visit, pg_pid pid)
{
    uint32_t node = pgi_pid_node(pid);
    pgs_worker *w = pgs_worker_self();
    pgi_local *local = w ? pgs_worker_local(w) : NULL;
    if (unlikely(!local || local->node != node)) {
        pgi_visit_rarely(visit, node);
        return;
    }
    visit->rt = local->rt;
    visit->local = local;
    visit->worker = w;
}

/* The same for a runtime that is known to exist. */
static inline void pgi_visit_runtime(pgi_visit *visit, pg_runtime *rt)
{
    pgi_visit_pid(visit, pgi_pid_make(rt->node, 0, 0));
}

static inline void pgi_leave(const pgi_visit *visit)
{
    if (unlikely(!visit->local && visit->rt)) pgi_leave_rarely(visit);
}

/* The block cache that the visitor may use: its own, or none. */
static inline pgi_cache *pgi_visit_cache(const pgi_visit *visit)
{
    return visit->local ? &visit->local->cache : NULL;
}

/* Between these two, what a look-up has found keeps its slot.  A visitor's visit does that by itself; a worker's begins
 * and ends here, and is as short as the look-up, so that no handler holds up the reuse of slots. */
static inline void pgi_look_begin(const pgi_visit *visit)
{
    if (likely(visit->worker)) pgs_epoch_member_enter(pgs_worker_member(visit->worker));
}

static inline void pgi_look_end(const pgi_visit *visit)
{
    if (likely(visit->worker)) pgs_epoch_member_leave(pgs_worker_member(visit->worker));
}

/* spawn.c: gives back the slot of a process that has ended, and counts it; makes the process of an attached host, or
 * returns NULL. */
void pgi_slot_return(const pgi_visit *visit, pg_process *p);
pg_process *pgi_spawn_attached(pg_runtime *rt, const char *name);

/* The same for the first process of a child, of index 0; `args` is consumed, and may be NULL.  PG_OK or an error. */
int pgi_spawn_root(pg_runtime *rt, pg_target target, pg_table *table, const char *name, const pgi_bounds *bounds,
                   pg_message *args);

/* send.c: sends a message, which is consumed, to a process of whatever runtime or node. */
int pgi_send(pg_pid pid, pg_message *msg);

/* The same from any thread, which need not be where a task of its runtime's runs: from a timer, say. */
int pgi_send_as_visitor(pg_pid pid, pg_message *msg);

/* The same for a message that comes also where a limit of the mailbox is reached. */
int pgi_send_always(pg_pid pid, pg_message *msg);

/* The same for linked messages, those from `first` to `last`, to a process of the calling worker's runtime.  What a
 * limit keeps out is counted as dropped. */
void pgi_send_chain(pg_pid pid, pg_message *first, pg_message *last);

/* runtime.c: pg_start() of a child, as the node that the hub has chosen; NULL: it could not. */
pg_runtime *pgi_start_child(const pg_options *options, uint32_t node, uint32_t first_generation, pgi_child *child,
                            uint64_t main);

/* Nothing is spawned any more, and every process is sent a terminate. */
void pgi_end_all(pg_runtime *rt);

/* ref.c: refs of this operating-system process are those of a node. */
void pgi_ref_begin(uint32_t node, uint32_t generation);

/* The ref that this program has made last, as a number: none of a greater one can be in a message that is seen now. */
uint64_t pgi_ref_last(void);

/* Counters: of a worker's own; `local` is NULL for all others. */
static inline void pgi_count(_Atomic(uint64_t) *counter, uint64_t n)
{
    store_release(counter, load_relaxed(counter) + n); /* partner: add_ended, which is read first */
}

static inline void pgi_count_spawned(pg_runtime *rt, pgi_local *local)
{
    if (likely(local)) {
        pgi_count(&local->spawned, 1);
    } else {
        add_seq_cst(&rt->foreign.spawned, 1); /* partner: add_spawned; before the look at `stopping` in spawn.c */
    }
}

static inline void pgi_count_ended(pg_runtime *rt, pgi_local *local)
{
    if (likely(local)) {
        pgi_count(&local->ended, 1);
    } else {
        add_release(&rt->foreign.ended, 1); /* partner: add_ended */
    }
}

void pgi_count_dropped(pg_runtime *rt, pgi_local *local, uint64_t n);
void pgi_count_refused(pg_runtime *rt, pgi_local *local, uint64_t n);
uint64_t pgi_alive(pg_runtime *rt); /* without the attached, with operating-system processes */

void pgi_log(pg_runtime *rt, pg_log_level level, const char *format, ...) PG_FORMAT(3, 4);

/* Drops a reference; the last frees. */
void pgi_runtime_drop(pg_runtime *rt);

/* Remembers an abnormal exit, and looks one up: false when it is not among those kept. */
void pgi_exits_add(pg_runtime *rt, const pg_exit_info *info);
bool pgi_exits_find(pg_runtime *rt, pg_pid pid, pg_exit_info *info);

#endif
