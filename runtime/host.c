/* host.c - see host.h.
 *
 * A thread of kind PG_THREAD runs its process as a worker would, and sleeps on the parker in the control block where a
 * green process would rest.  An attached host thread does so only inside pg_serve().
 *
 * A host thread keeps a list of its attachments; what it has not detached when it ends is detached by a destructor of
 * thread-specific data. */
#include "host.h"

#include <stdlib.h>
#include <time.h>

#include "crash.h"
#include "overflow.h"
#include "runtime.h"
#include "sched/fiber.h"
#include "sched/sim.h"
#include "seeded.h"

#define INITIAL_EXEC __attribute__((tls_model("initial-exec")))

static INITIAL_EXEC _Thread_local pg_process *running;
static INITIAL_EXEC _Thread_local pgi_host *attachments;

pg_process *pgi_host_current(void)
{
    return running;
}

bool pgi_host_is_me(pg_pid pid)
{
    for (const pgi_host *host = attachments; host; host = host->next) {
        if (pg_same(pgi_pid_of(host->process), pid)) return host->process->phase != PGI_ENDING;
    }
    return false;
}

/* The next message; waits for it.  NULL: the deadline has passed. */
static pgs_mpsc_node *next_message(pg_process *p, int64_t deadline)
{
    for (;;) {
        pgs_mpsc_node *node = pgs_mpsc_peek(&p->mailbox);
        if (node) return node;
        if (deadline <= 0) {
            pgi_looked(p);
            return NULL;
        }
        if (!pgi_rest(p, NULL)) {
            cpu_relax(); /* a sender stands between its exchange and its link */
            continue;
        }
        if (pgs_sched_park(p->rt->sched, &p->sleeper.parker, deadline)) {
            pgi_end_if_killed(p);
            continue;
        }
        if (pgs_mpsc_claim(&p->mailbox)) return pgs_mpsc_peek(&p->mailbox);
        pgs_parker_park(&p->sleeper.parker, PGS_NEVER); /* a sender is about to unpark */
    }
}

/* Handles messages until the process ends (true) or the deadline has passed. */
static bool handle_until(pg_process *p, int64_t deadline)
{
    pgs_mpsc_node *node;
    while ((node = next_message(p, deadline)) != NULL) {
        if (pgi_handle_next(p, node, NULL)) return true;
        if (deadline != PGS_NEVER && pgs_now() >= deadline) return false;
    }
    return false;
}

/* ----------------------------------------------------------------------------------------------------- PG_THREAD */

static void *thread_main(void *arg)
{
    pgi_host *host = arg;
    pg_runtime *rt = host->rt;
    pgi_memory_thread_begin();
    if (rt->child) pgi_crash_thread_begin(true);
    if (rt->options.report_overflow) pgi_overflow_thread_begin(true);
    running = host->process;
    host->serving = true;
    if (setjmp(host->base) == 0) {
        if (!pgi_begin(running)) handle_until(running, PGS_NEVER);
    }
    running = NULL;
    if (rt->options.report_overflow) pgi_overflow_thread_end();
    if (rt->child) pgi_crash_thread_end();
    pgi_threads_join(rt, false); /* those before this one: at most one thread waits to be joined */
    pthread_mutex_lock(&rt->threads.lock);
    host->next = rt->threads.ended;
    rt->threads.ended = host;
    rt->threads.running--;
    pthread_mutex_unlock(&rt->threads.lock);
    return NULL;
}

static void thread_name(const pg_process *p, char out[16])
{
    snprintf(out, 16, "%s", p->name ? p->name : "pg-process");
}

int pgi_thread_start(pg_process *p)
{
    pg_runtime *rt = p->rt;
    pgi_threads_join(rt, false);
    pgi_host *host = pgi_alloc_zero(sizeof *host);
    if (!host) return PG_ENOMEM;
    host->process = p;
    host->rt = rt;
    p->host = host;
    char name[16];
    thread_name(p, name);
    pthread_mutex_lock(&rt->threads.lock);
    int error = pgs_sched_thread(&host->thread, thread_main, host, name);
    rt->threads.running += !error;
    pthread_mutex_unlock(&rt->threads.lock);
    if (!error) return PG_OK;
    p->host = NULL;
    pgi_free(host, sizeof *host);
    return PG_ENOMEM;
}

void pgi_threads_join(pg_runtime *rt, bool wait)
{
    for (;;) {
        pthread_mutex_lock(&rt->threads.lock);
        pgi_host *ended = rt->threads.ended;
        unsigned running_still = rt->threads.running;
        rt->threads.ended = NULL;
        pthread_mutex_unlock(&rt->threads.lock);
        for (pgi_host *next; ended; ended = next) {
            next = ended->next;
            pthread_join(ended->thread, NULL);
            pgi_free(ended, sizeof *ended);
        }
        if (!wait || running_still == 0) return;
        /* Their processes have ended: they are on their way out. */
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

/* -------------------------------------------------------------------------------------------------- attached hosts */

static void release_host(pgi_host *host)
{
    pg_process *p = host->process;
    pg_runtime *rt = host->rt;
    if (p->phase != PGI_ENDING) pgi_finish(p, &(pgi_end){.kind = PG_EXIT_NORMAL});
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    uint64_t pid = pgi_pid_of(p).id;
    cas_relaxed(&rt->main, &pid, 0);
    if (visit.rt) pgi_slot_return(&visit, p);
    pgi_leave(&visit);
    pgi_free(host, sizeof *host);
    pgi_runtime_drop(rt);
}

static pthread_key_t thread_end;

static void detach_all(void *unused)
{
    (void)unused;
    while (attachments) {
        pgi_host *host = attachments;
        attachments = host->next;
        release_host(host);
    }
}

/* What this thread still holds of runtimes that have stopped. */
static void drop_stopped(void)
{
    for (pgi_host **at = &attachments; *at;) {
        pgi_host *host = *at;
        if (load_acquire(&host->rt->stopped)) { /* partner: the end of pg_stop */
            *at = host->next;
            release_host(host);
        } else {
            at = &host->next;
        }
    }
}

/* A thread that calls exit(), as main() does by returning, runs no destructors of keys.  What it holds of stopped
 * runtimes goes at exit, or else leak checkers would report it; runtimes that still run are left alone. */
static bool make_key(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool made;
    pthread_mutex_lock(&lock);
    if (!made && pthread_key_create(&thread_end, detach_all) == 0) {
        made = true;
        atexit(drop_stopped);
    }
    bool have_key = made;
    pthread_mutex_unlock(&lock);
    return have_key;
}

pg_process *pg_attach(pg_runtime *rt, const char *name)
{
    if (!rt || pgs_worker_self()) return NULL; /* a worker's thread is nobody's to keep */
    if (pgs_sim_is_elsewhere(rt->sched)) return NULL;
    drop_stopped();
    if (!make_key() || pthread_setspecific(thread_end, rt) != 0) return NULL; /* any value: it is there */
    pgi_host *host = pgi_alloc_zero(sizeof *host);
    if (!host) return NULL;
    add_relaxed(&rt->references, 1);
    pg_process *p = pgi_spawn_attached(rt, name);
    if (!p) {
        pgi_free(host, sizeof *host);
        pgi_runtime_drop(rt);
        return NULL;
    }
    host->process = p;
    host->rt = rt;
    host->next = attachments;
    attachments = host;
    p->host = host;
    p->sleeper.task.parker = &p->sleeper.parker;
    uint64_t none = 0;
    cas_relaxed(&rt->main, &none, pgi_pid_of(p).id);
    return p;
}

void pg_detach(pg_process *self)
{
    for (pgi_host **at = &attachments; *at; at = &(*at)->next) {
        pgi_host *host = *at;
        if (host->process != self || host->serving) continue;
        *at = host->next;
        release_host(host);
        return;
    }
}

/* Apart from pg_serve(), so that nothing of this frame changes between setjmp and longjmp.  Frames that are given up
 * may have been handling C++ exceptions: the host's thread goes on with those that it had before. */
static __attribute__((noinline)) bool serve(pgi_host *host, int64_t deadline)
{
    pgs_fiber_thread thread;
    pgs_fiber_thread_init(&thread);
    const pgs_fiber_exceptions before = thread.exceptions ? *thread.exceptions : (pgs_fiber_exceptions){0};
    if (setjmp(host->base) != 0) {
        if (thread.exceptions) *thread.exceptions = before;
        return true;
    }
    return handle_until(host->process, deadline);
}

int pg_serve(pg_process *self, int64_t timeout)
{
    if (!self || !self->attached) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    if (load_acquire(&self->rt->stopped)) return PG_ESTOPPED; /* partner: the end of pg_stop */
    pgi_host *host = self->host;
    if (host->serving) return PG_EINVAL;
    pgi_drop_received(self); /* serving goes to rest, and that frees the last message */
    self->scan = NULL;
    host->serving = true;
    host->outer = running;
    running = self;
    bool ended = serve(host, pgs_deadline(timeout));
    running = host->outer;
    host->serving = false;
    return ended ? PG_EENDED : PG_ETIMEDOUT;
}

pg_pid pg_main(const pg_runtime *rt)
{
    return rt ? (pg_pid){load_relaxed(&((pg_runtime *)(uintptr_t)rt)->main)} : (pg_pid){0};
}
