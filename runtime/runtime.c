/* runtime.c - starting and stopping a runtime, and finding it by number.
 *
 * Stopping, in numbered steps (pg_stop):
 *   1. `stopping`: nothing is spawned any more; every process is sent a terminate
 *   2. until the deadline it waits for them to end; it looks again now and then for those that were being spawned
 *   3. `killing`: who still sleeps or waits is woken, and ends where it is
 *   4. who runs even then is named in the log, and the call returns; the runtime goes on, and may be stopped again
 *   5. attached processes are told, and who watches them or waits in one; the number is taken out of the table, and
 *      visitors that are inside leave
 *   6. threads end: those of PG_THREAD processes, those for calls that block, workers, monitor.  A guest has no such,
 *      and is driven by this thread from step 1 on
 *   7. the structure itself, with the slots, goes with its last reference: hosts that have not detached keep it */
#define _GNU_SOURCE
#include "runtime.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "call.h"
#include "crash.h"
#include "limit.h"
#include "link.h"
#include "overflow.h"
#include "sched/cpus.h"
#include "sched/guest.h"
#include "sched/sim.h"
#include "seeded.h"

enum { DEFAULT_PROCESSES = 1 << 22 };

static const int64_t default_stuck_after = PG_MS(100);
static const int64_t kill_patience = PG_MS(500);

/* ------------------------------------------------------------------------------------------------------ visits */

void pgi_visit_rarely(pgi_visit *visit, uint32_t node)
{
    visit->local = NULL;
    visit->worker = NULL;
    visit->rt = pgi_hold_node(node);
    if (visit->rt) visit->visitor = pgs_epoch_enter(pgs_sched_epoch(visit->rt->sched));
}

void pgi_leave_rarely(const pgi_visit *visit)
{
    pgs_epoch_leave(pgs_sched_epoch(visit->rt->sched), visit->visitor);
    pgi_release_node(visit->rt->node);
}

/* In the child of a fork there is none of a runtime's threads: it has stopped there, and everything says so. */
static void after_fork(void)
{
    pg_runtime *rt;
    while ((rt = pgi_node_forget_one()) != NULL) {
        store_relaxed(&rt->stopped, true);
        pgs_guest_forget(rt->sched);
        pgi_signals_forget(&rt->signals);
    }
    pgs_sim_forget();
}

static bool watch_forks(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool watched;
    pthread_mutex_lock(&lock);
    if (!watched) watched = pthread_atfork(NULL, NULL, after_fork) == 0;
    bool are_watched = watched;
    pthread_mutex_unlock(&lock);
    return are_watched;
}

/* ------------------------------------------------------------------------------------------------------ counters */

void pgi_count_dropped(pg_runtime *rt, pgi_local *local, uint64_t n)
{
    if (local) {
        pgi_count(&local->dropped, n);
    } else {
        add_relaxed(&rt->foreign.dropped, n);
    }
}

void pgi_count_refused(pg_runtime *rt, pgi_local *local, uint64_t n)
{
    if (local) {
        pgi_count(&local->refused, n);
    } else {
        add_relaxed(&rt->foreign.refused, n);
    }
}

typedef struct totals {
    uint64_t spawned, ended, dropped, refused;
} totals;

static void add_ended(void *context, void *local)
{
    /* Partners: pgi_count, pgi_count_ended. */
    ((totals *)context)->ended += load_acquire(&((pgi_local *)local)->ended);
}

static void add_spawned(void *context, void *local)
{
    ((totals *)context)->dropped += load_relaxed(&((pgi_local *)local)->dropped);
    ((totals *)context)->refused += load_relaxed(&((pgi_local *)local)->refused);
    /* Behind the store to `stopping`; partner: pgi_count_spawned. */
    ((totals *)context)->spawned += load_seq_cst(&((pgi_local *)local)->spawned);
}

/* All but the attached.  What has ended is read first: a process whose end is seen has its children's beginnings seen
 * too. */
static totals sum(pg_runtime *rt)
{
    totals t = {0};
    pgs_sched_each_local(rt->sched, add_ended, &t);
    add_ended(&t, &rt->foreign);
    pgs_sched_each_local(rt->sched, add_spawned, &t);
    add_spawned(&t, &rt->foreign);
    return t;
}

uint64_t pgi_alive(pg_runtime *rt)
{
    totals t = sum(rt);
    return t.spawned - t.ended + load_acquire(&rt->os.alive); /* partner: pgi_os_closed */
}

int pg_get_stats(const pg_runtime *rt, pg_stats *stats)
{
    if (!rt || !stats) return PG_EINVAL;
    pg_runtime *mutable = (pg_runtime *)(uintptr_t)rt;
    totals t = sum(mutable);
    *stats =
        (pg_stats){.alive = t.spawned - t.ended + load_relaxed(&mutable->attached) + load_relaxed(&mutable->os.alive),
                   .spawned = t.spawned + load_relaxed(&mutable->attached_ever) + load_relaxed(&mutable->os.born),
                   .dropped = t.dropped,
                   .refused = t.refused,
                   .memory = pgi_budget_used(mutable),
                   .stuck = load_relaxed(&mutable->stuck),
                   .unguarded = pgs_stack_pool_get_stats(pgs_sched_stacks(rt->sched)).unguarded,
                   .workers = pgs_sched_workers(rt->sched)};
    return PG_OK;
}

/* ---------------------------------------------------------------------------------------------------------- logging */

static void log_to_stderr(void *context, pg_log_level level, const char *line)
{
    (void)context;
    (void)level;
    fprintf(stderr, "paragram: %s\n", line);
}

void pgi_log(pg_runtime *rt, pg_log_level level, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    rt->options.log(rt->options.log_context, level, line);
}

static void on_stuck(void *context, pgs_task *task, int64_t ns)
{
    pg_runtime *rt = context;
    pg_process *p = pgi_of_task(task);
    char who[256];
    pgi_print out;
    pgi_print_init(&out, who, sizeof who);
    pg_pid pid = pgi_slot_pid(p);
    if (pid.id == 0) return;
    add_relaxed(&rt->stuck, 1);
    pgi_print_process(&out, p, pid);
    pgi_log(rt, PG_LOG_STUCK, "process %s has kept its worker for %lld ms", who, (long long)(ns / 1000000));
}

/* ---------------------------------------------------------------------------------------------------- each worker's */

static void *local_make(void *context)
{
    pgi_local *local = pgi_alloc_aligned(sizeof *local, _Alignof(pgi_local));
    if (!local) return NULL;
    local->rt = context;
    local->node = local->rt->node;
    pgi_cache_init(&local->cache, &local->rt->depot);
    return local;
}

static void local_free(void *context, void *memory)
{
    pgi_local *local = memory;
    pgi_slots_drain(context, &local->slots);
    pgi_cache_drain(&local->cache);
    pgi_free_aligned(local, sizeof *local, _Alignof(pgi_local));
}

static void local_idle(void *context, void *memory)
{
    pgi_slots_tidy(context, &((pgi_local *)memory)->slots);
}

static void thread_begin(void *context)
{
    pgi_memory_thread_begin();
    const pg_runtime *rt = context;
    if (rt->child) pgi_crash_thread_begin(false);
    if (rt->options.report_overflow) pgi_overflow_thread_begin(false);
}

static void thread_end(void *context)
{
    const pg_runtime *rt = context;
    if (rt->options.report_overflow) pgi_overflow_thread_end();
    if (rt->child) pgi_crash_thread_end();
}

/* ------------------------------------------------------------------------------------------------------------ start */

static int complete(pg_options *o)
{
    if (o->workers == 0) o->workers = pgs_cpus();
    if (o->workers > PGS_WORKERS_TARGET_MAX) return PG_EINVAL;
    if (o->kind == PG_KIND_DEFAULT) o->kind = PG_GREEN;
    if (o->kind != PG_GREEN && o->kind != PG_THREAD && o->kind != PG_OS) return PG_EINVAL;
    if (o->max_processes == 0) o->max_processes = DEFAULT_PROCESSES;
    if (o->max_processes > PGI_INDEX_MAX - PGI_RESERVE) return PG_EINVAL;
    if (o->stuck_after == 0) o->stuck_after = default_stuck_after;
    if (o->stuck_after < 0) return PG_EINVAL;
    if (!o->log) o->log = log_to_stderr;
    if (o->guest && o->seed != 0) return PG_EINVAL;
    if (o->guest) o->workers = 1;
    return pgi_seeded_complete(o);
}

static int start_sched(pg_runtime *rt)
{
    const pgs_ops ops = {.run = pgi_run,
                         .stuck = on_stuck,
                         .local_make = local_make,
                         .local_free = local_free,
                         .local_idle = local_idle,
                         .thread_begin = thread_begin,
                         .thread_end = thread_end,
                         .watch = rt->options.trace ? pgi_seeded_watch : NULL,
                         .deadlock = pgi_seeded_deadlock,
                         .context = rt};
    const pgs_config config = {.workers = rt->options.workers,
                               .stack_size = rt->options.stack_size,
                               .stacks = (size_t)rt->options.max_processes + 2 * (size_t)PGS_WORKERS_MAX,
                               .stuck_after = rt->options.stuck_after,
                               .lent = rt->child != NULL,
                               .seed = rt->options.seed,
                               .guest = rt->options.guest,
                               .outlived = true};
    int error = pgs_sched_start(&rt->sched, &config, &ops);
    return error == 0 ? PG_OK : error == -EINVAL ? PG_EINVAL : PG_ENOMEM;
}

static void init_locks(pg_runtime *rt)
{
    pgs_parker_init(&rt->stopper);
    pthread_mutex_init(&rt->stop_lock, NULL);
    pthread_mutex_init(&rt->foreign_lock, NULL);
    pgi_names_init(&rt->names);
    pgi_delays_init(&rt->delays);
    pgi_descriptors_init(&rt->descriptors);
    pgi_pool_init(&rt->pool);
    pgi_signals_init(&rt->signals);
    pthread_mutex_init(&rt->threads.lock, NULL);
    pthread_mutex_init(&rt->exits_lock, NULL);
}

static void free_structure(pg_runtime *rt)
{
    pthread_mutex_destroy(&rt->stop_lock);
    pthread_mutex_destroy(&rt->foreign_lock);
    pgi_names_destroy(&rt->names);
    pgi_delays_destroy(&rt->delays);
    pgi_descriptors_destroy(&rt->descriptors);
    pgi_pool_destroy(&rt->pool);
    pgi_signals_destroy(&rt->signals);
    pthread_mutex_destroy(&rt->threads.lock);
    pthread_mutex_destroy(&rt->exits_lock);
    free(rt->exits);
    pgi_free_aligned(rt, sizeof *rt, _Alignof(pg_runtime));
}

static int start_parts(pg_runtime *rt, uint32_t first_generation, uint32_t last_generation)
{
    uint32_t slots = rt->options.max_processes + PGI_RESERVE;
    int status = pgi_slots_init(&rt->slots, slots, rt->node, first_generation, last_generation);
    if (status == PG_OK) {
        status = pgi_receiver_store_init(&rt->receivers);
        if (status == PG_OK) {
            pgi_depot_init(&rt->depot);
            pgi_cache_init(&rt->foreign.cache, &rt->depot);
            rt->foreign.rt = rt;
            rt->foreign.node = rt->node;
            status = start_sched(rt);
            if (status == PG_OK) return PG_OK;
            pgi_depot_destroy(&rt->depot);
            pgi_receiver_store_destroy(&rt->receivers);
        }
        pgi_slots_destroy(&rt->slots);
    }
    return status;
}

static pg_runtime *make_structure(const pg_options *options)
{
    pg_runtime *rt = pgi_alloc_aligned(sizeof *rt, _Alignof(pg_runtime));
    if (!rt) return NULL;
    rt->options = *options;
    store_relaxed(&rt->unusual, options->memory != 0 || options->kind != PG_GREEN);
    store_relaxed(&rt->references, 1);
    init_locks(rt);
    rt->exits = calloc(PGI_EXITS_KEPT, sizeof *rt->exits); /* untouched, and so no memory, until something fails */
    if (rt->exits) return rt;
    free_structure(rt);
    return NULL;
}

static pg_runtime *start(const pg_options *options, int *status)
{
    pg_options complete_options = options ? *options : (pg_options){0};
    *status = complete(&complete_options);
    if (*status != PG_OK) return NULL;
    *status = pgi_node_is_child() ? PG_EUNSUPPORTED : PG_ENOMEM; /* the numbers of nodes are the hub's to give */
    pg_runtime *rt = *status == PG_ENOMEM ? make_structure(&complete_options) : NULL;
    if (!rt) return NULL;
    uint32_t first_generation = 0;
    rt->node = pgi_node_reserve(1, &first_generation);
    rt->delays.first_generation = pgi_node_timers(rt->node);
    *status = rt->node == 0 ? PG_ELIMIT : PG_OK;
    if (*status == PG_OK) {
        *status = pgi_os_start(rt); /* before the first thread */
        if (*status == PG_OK) {
            *status = start_parts(rt, first_generation, PGI_GENERATION_MAX);
            if (*status != PG_OK) pgi_os_stop(rt);
        }
        if (*status != PG_OK) pgi_node_free(rt->node, first_generation);
    }
    if (*status != PG_OK) {
        free_structure(rt);
        return NULL;
    }
    if (rt->options.report_overflow) pgi_overflow_ask();
    pgi_node_publish(rt->node, rt);
    return rt;
}

pg_runtime *pg_start(const pg_options *options)
{
    int status = PG_ENOMEM;
    pg_runtime *rt = watch_forks() ? start(options, &status) : NULL;
    if (options && options->status) *options->status = status;
    return rt;
}

int pg_zygote_early(void)
{
    return watch_forks() ? pgi_zygote_acquire(true) : PG_ENOMEM;
}

pg_runtime *pgi_start_child(const pg_options *options, uint32_t node, uint32_t first_generation, pgi_child *child,
                            uint64_t main)
{
    pg_options complete_options = *options;
    pg_runtime *rt = complete(&complete_options) == PG_OK ? make_structure(&complete_options) : NULL;
    if (!rt) return NULL;
    rt->node = node;
    rt->child = child;
    store_relaxed(&rt->main, main);
    if (pgi_os_start(rt) != PG_OK) return NULL;
    if (start_parts(rt, first_generation, first_generation + PGI_GENERATION_WINDOW) != PG_OK) return NULL;
    pgi_node_publish(node, rt);
    return rt;
}

/* ------------------------------------------------------------------------------------------------------------- stop */

/* The visit keeps the slots of those that end meanwhile from being used again; without one nobody is left to do so. */
static void each_process(pg_runtime *rt, void (*f)(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n), unsigned *n)
{
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    uint32_t used = load_relaxed(&rt->slots.used);
    for (uint32_t i = 0; i < used; i++) {
        pg_process *p = &rt->slots.base[i];
        pg_pid pid = pgi_slot_pid(p);
        if (pid.id != 0) f(rt, p, pid, n);
    }
    pgi_leave(&visit);
}

static void tell(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n)
{
    (void)rt;
    pgi_lock(p);
    plain_write(&p->told);
    bool tell_it = !p->attached && !(p->told & PGI_TO_END) && pgi_slot_is(p, pid);
    /* Once: the handler for (exit) of one that takes its time is not called again. */
    if (tell_it) p->told |= PGI_TO_END;
    pgi_unlock(p);
    if (!tell_it || pg_terminate(pid) != PG_ENOMEM) return;
    pgi_lock(p);
    p->told &= (uint8_t)~PGI_TO_END;
    pgi_unlock(p);
    ++*n;
}

static void tell_attached(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n)
{
    (void)rt;
    if (!p->attached) return;
    pg_terminate(pid);
    ++*n;
}

static void dismiss_watchers(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n)
{
    (void)rt;
    const pg_exit_info info = {.kind = PG_EXIT_NORMAL, .pid = pid};
    const pgi_end end = {.kind = PG_EXIT_NORMAL};
    pgi_lock(p);
    *n += (unsigned)pgi_watchers_tell(p, &info, &end, NULL);
    pgi_unlock(p);
}

/* Also those who come for room after that: they hold the runtime while they wait. */
static void dismiss_senders(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n)
{
    (void)rt, (void)pid;
    *n += pgi_limits_dismiss(p);
}

static void dismiss_caller(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n)
{
    (void)rt, (void)pid;
    *n += pgi_call_dismiss(p);
}

/* Nobody comes in any more, and those who are inside leave.  Only attached processes are left: who watches one, for as
 * long as it likes and from wherever, is told before that it has ended, and nobody else comes to watch one (pgi_look);
 * so no watch of this runtime's is told by somebody who is not seen to be here.  Nor will they be answered. */
static void unpublish(pg_runtime *rt)
{
    unsigned n = 0;
    store_relaxed(&rt->dismissed, true); /* before the locks of the processes are taken; partners: pgi_look, pg_call */
    each_process(rt, dismiss_watchers, &n);
    pgi_node_unpublish(rt->node);
    each_process(rt, dismiss_caller, &n);
    while (pgi_node_is_held(rt->node)) {
        each_process(rt, dismiss_senders, &n);
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
}

enum { NAMED = 20 };

/* Says of one more process what became of it; of the first ones by name. */
static void name_one(pg_runtime *rt, pg_process *p, pg_pid pid, const char *what, unsigned *n)
{
    if (++*n > NAMED) return;
    char who[256];
    pgi_print out;
    pgi_print_init(&out, who, sizeof who);
    pgi_print_process(&out, p, pid);
    pgi_log(rt, PG_LOG_WARNING, "process %s did not end in time: %s", who, what);
}

static void name_rest(pg_runtime *rt, const char *what, unsigned n)
{
    if (n > NAMED) pgi_log(rt, PG_LOG_WARNING, "%u more processes did not end in time: %s", n - NAMED, what);
}

static const char *const is_killed = "it is ended where it sleeps or waits";
static const char *const still_runs = "its code has not returned";

static void kill_waiting(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n)
{
    /* Its token, or the idle bit of its mailbox: what it waits on, and neither takes memory. */
    if (p->attached || !(pgi_sleeper_claim(&p->sleeper.task) || pgs_mpsc_claim(&p->mailbox))) return;
    name_one(rt, p, pid, is_killed, n);
    pgs_ready(rt->sched, &p->sleeper.task);
}

static void name_running(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n)
{
    if (!p->attached) name_one(rt, p, pid, still_runs, n);
}

/* Waits until all have ended or the deadline has passed, which is put off to `patience` from now whenever some have;
 * does f to each process at growing intervals. */
static bool wait_for_all(pg_runtime *rt, int64_t deadline, int64_t patience,
                         void (*f)(pg_runtime *rt, pg_process *p, pg_pid pid, unsigned *n), unsigned *n)
{
    int64_t interval = PG_MS(1);
    int64_t again = pgs_now();
    uint64_t fewest = UINT64_MAX;
    for (;;) {
        uint64_t alive = pgi_alive(rt); /* without the attached */
        if (alive == 0) return true;
        int64_t now = pgs_now();
        if (alive < fewest && now + patience > deadline) deadline = now + patience;
        if (alive < fewest) fewest = alive;
        if (now >= again) {
            each_process(rt, f, n);
            again = pgs_deadline(interval);
            /* What is missed now was being spawned: there cannot be much of that. */
            interval = interval > PGS_NEVER / 4 ? PGS_NEVER : 4 * interval;
            continue;
        }
        if (now >= deadline) return false;
        int64_t until = again < deadline ? again : deadline;
        if (!pgs_sched_park(rt->sched, &rt->stopper, until) && until == PGS_NEVER)
            return false; /* it has come: see sched/sim.h */
    }
}

static bool called_from_inside(const pg_runtime *rt)
{
    const pg_process *self = pg_current();
    return self && self->rt == rt;
}

/* A process on a worker that has not seen `unusual` yet may spawn another, and is counted itself until that is. */
static void close_to_spawns(pg_runtime *rt)
{
    store_seq_cst(&rt->stopping, true); /* before the living are counted; partners: the loads in spawn.c and os.c */
    store_relaxed(&rt->unusual, true);
}

static bool end_all(pg_runtime *rt, int64_t timeout)
{
    close_to_spawns(rt);
    int64_t deadline = pgs_deadline(timeout);
    unsigned n = 0;
    pgi_os_tell_stop(rt);
    if (wait_for_all(rt, deadline, 0, tell, &n)) return true;
    store_relaxed(&rt->killing, PGI_KILLING_ALL); /* whoever is woken then sees it by what it was woken by */
    pgi_os_kill_all(rt);
    n = 0;
    bool ended = wait_for_all(rt, 0, kill_patience, kill_waiting, &n);
    name_rest(rt, is_killed, n);
    if (ended) return true;
    n = 0;
    each_process(rt, name_running, &n);
    name_rest(rt, still_runs, n);
    return false;
}

void pgi_end_all(pg_runtime *rt)
{
    unsigned n = 0;
    close_to_spawns(rt);
    each_process(rt, tell, &n);
}

int pg_stop(pg_runtime *rt, int64_t timeout)
{
    if (!rt) return PG_EINVAL;
    if (load_relaxed(&rt->stopped)) return PG_ESTOPPED; /* the child of a fork */
    if (called_from_inside(rt) || (rt->options.guest && pgs_worker_self())) return PG_EINSIDE;
    if (pgs_sim_is_elsewhere(rt->sched)) return PG_EUNSUPPORTED;
    pthread_mutex_lock(&rt->stop_lock);
    bool driven = pgs_guest_take(rt->sched, pgs_deadline(timeout));
    bool ended = end_all(rt, timeout);
    if (driven && !ended) pgs_guest_give_back(rt->sched);
    pthread_mutex_unlock(&rt->stop_lock);
    if (!ended) return PG_ETIMEDOUT;
    if (!driven) pgs_guest_take(rt->sched, PGS_NEVER); /* whoever drives has nothing more to do */

    unsigned n = 0;
    each_process(rt, tell_attached, &n);
    unpublish(rt);
    pgi_names_clear(rt);
    pgi_threads_join(rt, true);
    pgi_pool_stop(&rt->pool);
    pgi_signals_stop(rt);
    pgs_sched_stop(rt->sched);
    pgi_os_stop(rt);
    pgi_slots_drain(rt, &rt->foreign.slots); /* now: idle workers hand slots over to it */
    pgi_cache_drain(&rt->foreign.cache);
    if (rt->options.report_overflow) pgi_overflow_release();
    pgi_depot_destroy(&rt->depot);
    store_release(&rt->stopped, true); /* partners: drop_stopped, pg_runtime_of */
    pgi_runtime_drop(rt);
    return PG_OK;
}

static void free_names(pg_runtime *rt)
{
    uint32_t used = load_relaxed(&rt->slots.used);
    for (uint32_t i = 0; i < used; i++) {
        char *name = rt->slots.base[i].name;
        if (name) pgi_free(name, strlen(name) + 1);
    }
}

void pgi_runtime_drop(pg_runtime *rt)
{
    plain_read(rt); /* stands for all that this one did with it */
    /* Release and acquire: the last one frees what the others have done with it. */
    if (sub_acq_rel(&rt->references, 1) != 1) return;
    pgi_slots_drop_mail(rt); /* attached hosts that detached after the stop have told one another */
    free_names(rt);
    uint32_t timers = pgi_delays_next_generation(&rt->delays);
    pgi_node_used_timers(rt->node, timers);
    pgi_node_free(rt->node, timers == UINT32_MAX ? timers : pgi_slots_highest_generation(&rt->slots) + 1);
    pgi_slots_destroy(&rt->slots);
    pgi_receiver_store_destroy(&rt->receivers);
    pgs_sched_forget(rt->sched);
    free_structure(rt);
}
