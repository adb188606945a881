/* scheduler.c - starting and stopping: the threads, and what they share. */
#define _GNU_SOURCE
#include "worker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A guest's threads take none of the host's signals. */
static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

int pgs_sched_thread(pthread_t *thread, void *(*entry)(void *), void *arg, const char *name)
{
    sigset_t before;
    block_signals(&before);
    int error = pthread_create(thread, NULL, entry, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error && name) pthread_setname_np(*thread, name);
    return error;
}

static void begin(pgs_sched *s)
{
    if (s->ops.thread_begin) s->ops.thread_begin(s->ops.context);
}

void pgs_thread_begin(pgs_sched *s)
{
    begin(s);
    add_acq_rel(&s->begun, 1); /* partner: wait_for_threads */
    pgs_parker_unpark(&s->starter);
}

void pgs_thread_end(pgs_sched *s)
{
    if (s->ops.thread_end) s->ops.thread_end(s->ops.context);
}

static void wait_for_threads(pgs_sched *s)
{
    unsigned all = s->config.workers + 1 - s->config.lent; /* and the monitor; who was lent is not waited for */
    while (load_acquire(&s->begun) < all) {                /* partner: pgs_thread_begin */
        pgs_parker_park(&s->starter, PGS_NEVER);
    }
}

static void free_parts(pgs_sched *s)
{
    pgs_poller_destroy(&s->poller);
    pgs_stack_pool_destroy(&s->stacks);
}

static void free_sched(pgs_sched *s)
{
    free_parts(s);
    free(s);
}

/* The one worker of a simulation, on the calling thread. */
static int start_sim(pgs_sched *s)
{
    s->epoch.can_force = false; /* wherever: what the system offers is to make no difference */
    s->sim = pgs_sim_new(s, s->config.seed);
    pgs_worker *w = s->sim ? pgs_worker_lend(s) : NULL;
    if (w) {
        begin(s);
        pgs_sim_begin(s->sim, w);
        s->driven = true;
        return 0;
    }
    if (s->sim) pgs_sim_end(s->sim);
    return -ENOMEM;
}

static void stop_sim(pgs_sched *s)
{
    pgs_worker_free(pgs_worker_at(s, 0));
    pgs_sim_end(s->sim);
    pgs_thread_end(s);
}

static int start_guest(pgs_sched *s)
{
    int error = pgs_guest_begin(s);
    s->driven = true;
    if (!error) begin(s);
    return error;
}

static void stop_threads(pgs_sched *s, bool with_monitor)
{
    store_release(&s->stopping, true); /* partners: the loads in idle.c and monitor.c */
    if (with_monitor) {
        pgs_parker_unpark(&s->monitor_parker);
        pthread_join(s->monitor, NULL); /* first: it alone starts workers */
    }
    unsigned n = load_relaxed(&s->workers);
    for (unsigned i = 0; i < n; i++) pgs_parker_unpark(&pgs_worker_at(s, i)->parker);
    for (unsigned i = 0; i < n; i++) pthread_join(pgs_worker_at(s, i)->thread, NULL);
    for (unsigned i = 0; i < n; i++) pgs_worker_free(pgs_worker_at(s, i));
}

int pgs_sched_watch(pgs_sched *s)
{
    if (pgs_sched_thread(&s->monitor, pgs_monitor_main, s, "pg-monitor") != 0) return -EAGAIN;
    wait_for_threads(s);
    return 0;
}

void pgs_sched_work(pgs_sched *s)
{
    block_signals(NULL);
    begin(s);
    pgs_worker_work(pgs_worker_at(s, 0));
    pgs_panic(__FILE__, __LINE__, "a scheduler with a thread that is lent was stopped");
}

int pgs_sched_start(pgs_sched **out, const pgs_config *config, const pgs_ops *ops)
{
    bool one = config->lent || config->guest || config->seed != 0;
    if (config->workers < 1 || config->workers > (one ? 1 : PGS_WORKERS_TARGET_MAX)) return -EINVAL;
    pgs_sched *s = aligned_alloc(_Alignof(pgs_sched), sizeof(pgs_sched));
    if (!s) return -ENOMEM;
    memset(s, 0, sizeof *s);
    s->ops = *ops;
    s->config = *config;
    pgs_parker_init(&s->monitor_parker);
    pgs_parker_init(&s->starter);
    pgs_injector_init(&s->injector);
    pgs_epoch_init(&s->epoch);
    int error = pgs_poller_init(&s->poller);
    if (!error) {
        error = pgs_stack_pool_init(&s->stacks, config->stack_size, config->stacks);
        if (error) pgs_poller_destroy(&s->poller);
    }
    if (error) {
        free(s);
        return error;
    }
    *out = s; /* before the first worker, which may call ops that read it */
    if (config->guest || config->seed != 0) {
        error = config->guest ? start_guest(s) : start_sim(s);
        if (error) free_sched(s);
        return error;
    }
    for (unsigned i = 0; i < config->workers; i++) {
        if (config->lent ? pgs_worker_lend(s) : pgs_worker_new(s)) continue;
        stop_threads(s, false);
        free_sched(s);
        return -ENOMEM;
    }
    error = config->lent ? 0 : pgs_sched_watch(s);
    if (error == 0) return 0;
    stop_threads(s, false);
    free_sched(s);
    return error;
}

void pgs_sched_stop(pgs_sched *s)
{
    if (s->guest) {
        pgs_guest_end(s);
        pgs_thread_end(s);
        free_parts(s);
        return;
    }
    if (s->sim) {
        stop_sim(s);
    } else {
        stop_threads(s, true);
    }
    free_sched(s);
}

void pgs_sched_forget(pgs_sched *s)
{
    if (!s->guest) return;
    free(s->guest);
    free(s);
}

pgs_epoch *pgs_sched_epoch(pgs_sched *s)
{
    return &s->epoch;
}

pgs_stack pgs_worker_stack(const pgs_worker *worker)
{
    return worker->fiber->stack;
}

pgs_stack_pool *pgs_sched_stacks(pgs_sched *s)
{
    return &s->stacks;
}

unsigned pgs_sched_workers(pgs_sched *s)
{
    return load_relaxed(&s->workers) - (unsigned)load_relaxed(&s->retired);
}

void pgs_sched_each_local(pgs_sched *s, void (*f)(void *context, void *local), void *context)
{
    unsigned n = load_acquire(&s->workers); /* partner: pgs_worker_new */
    for (unsigned i = 0; i < n; i++) f(context, pgs_worker_at(s, i)->face.local);
}
