/* pool.c - pg_blocking(): a call that blocks is made by a thread of a pool, while its process is suspended.
 *
 * The pool is elastic.  A call goes to the thread that was busy last, or to a new one, never into a queue behind
 * another call: calls may wait for one another, and a queue would have them wait for ever.  A thread that has had
 * nothing to do for IDLE_NS ends.
 *
 *   busy --call returns--> idle --a call--> busy
 *                           `--IDLE_NS, or the stop--> ended --joined by whoever starts one next, or the stop--> gone
 *
 * Invariants:
 *   1. Whoever takes a thread out of the idle list, under the lock, owes it an unpark, and has given it a call or set
 *      `stopping`.  The thread takes itself out when its time has passed.
 *   2. While the call runs its process is AWAY (process.h), where pg_stop() does not end it: the argument is in its
 *      frame most likely.  pg_stop() names it as one whose code has not returned. */
#include "pool.h"

#include <time.h>

#include "crash.h"
#include "overflow.h"
#include "runtime.h"

static const int64_t IDLE_NS = PG_SECONDS(5);

/* In the frame of its process. */
typedef struct call {
    void (*f)(void *argument);
    void *argument;
    pg_process *process;
} call;

struct pgi_pool_thread {
    pgs_parker parker;
    const call *call; /* NULL: none, and it is to end where it is not idle */
    pgi_pool_thread *next;
    pg_runtime *rt;
    pthread_t thread;
};

void pgi_pool_init(pgi_pool *pool)
{
    pthread_mutex_init(&pool->lock, NULL);
}

void pgi_pool_destroy(pgi_pool *pool)
{
    pthread_mutex_destroy(&pool->lock);
}

/* ---------------------------------------------------------------------------------------------------- the threads */

static void make(const call *c)
{
    pg_process *p = c->process;
    c->f(c->argument);
    /* The last touch of the call.  Release: all that f has done; partner: commit. */
    if (xchg_acq_rel(&p->sleeper.token, PGI_WOKEN) == PGI_AWAY) pgs_ready(p->rt->sched, &p->sleeper.task);
}

/* The thread's time has passed.  False: somebody has just taken it, and is about to unpark it. */
static bool leave_idle(pgi_pool *pool, const pgi_pool_thread *me)
{
    pthread_mutex_lock(&pool->lock);
    pgi_pool_thread **at = &pool->idle;
    while (*at && *at != me) at = &(*at)->next;
    bool found = *at;
    if (found) *at = me->next;
    pthread_mutex_unlock(&pool->lock);
    return found;
}

/* The next call for this thread; NULL: it ends. */
static const call *next_call(pgi_pool *pool, pgi_pool_thread *me)
{
    me->call = NULL;
    pthread_mutex_lock(&pool->lock);
    bool stopping = pool->stopping;
    if (!stopping) {
        me->next = pool->idle;
        pool->idle = me;
    }
    pthread_mutex_unlock(&pool->lock);
    if (stopping) return NULL;
    if (!pgs_parker_park(&me->parker, pgs_deadline(IDLE_NS))) {
        if (leave_idle(pool, me)) return NULL;
        pgs_parker_park(&me->parker, PGS_NEVER);
    }
    return me->call;
}

static void *thread_main(void *arg)
{
    pgi_pool_thread *me = arg;
    pg_runtime *rt = me->rt;
    pgi_pool *pool = &rt->pool;
    pgi_memory_thread_begin();
    if (rt->child) pgi_crash_thread_begin(false);
    if (rt->options.report_overflow) pgi_overflow_thread_begin(false);
    for (const call *c = me->call; c; c = next_call(pool, me)) make(c);
    if (rt->options.report_overflow) pgi_overflow_thread_end();
    if (rt->child) pgi_crash_thread_end();
    pthread_mutex_lock(&pool->lock);
    me->next = pool->ended;
    pool->ended = me;
    pool->threads--;
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void join(pgi_pool_thread *ended)
{
    for (pgi_pool_thread *next; ended; ended = next) {
        next = ended->next;
        pthread_join(ended->thread, NULL);
        pgi_free(ended, sizeof *ended);
    }
}

static int start(pg_runtime *rt, const call *c)
{
    pgi_pool_thread *thread = pgi_alloc_zero(sizeof *thread);
    if (!thread) return PG_ENOMEM;
    thread->call = c;
    thread->rt = rt;
    pgs_parker_init(&thread->parker);
    if (pgs_sched_thread(&thread->thread, thread_main, thread, "pg-blocking") == 0) return PG_OK;
    pgi_free(thread, sizeof *thread);
    return PG_ENOMEM;
}

/* Has some thread make the call. */
static int give(pg_runtime *rt, const call *c)
{
    pgi_pool *pool = &rt->pool;
    pthread_mutex_lock(&pool->lock);
    pgi_pool_thread *thread = pool->idle, *ended = pool->ended;
    bool grows = !thread && pool->threads < PGI_POOL_MAX;
    if (thread) {
        pool->idle = thread->next;
        thread->call = c;
    }
    pool->ended = NULL;
    pool->threads += grows;
    pthread_mutex_unlock(&pool->lock);
    join(ended);
    if (thread) {
        pgs_parker_unpark(&thread->parker);
        return PG_OK;
    }
    int status = grows ? start(rt, c) : PG_ELIMIT;
    if (grows && status != PG_OK) {
        pthread_mutex_lock(&pool->lock);
        pool->threads--;
        pthread_mutex_unlock(&pool->lock);
    }
    return status;
}

void pgi_pool_stop(pgi_pool *pool)
{
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        pool->stopping = true;
        pgi_pool_thread *idle = pool->idle, *ended = pool->ended;
        unsigned left = pool->threads;
        pool->idle = pool->ended = NULL;
        pthread_mutex_unlock(&pool->lock);
        for (pgi_pool_thread *next; idle; idle = next) {
            next = idle->next;
            pgs_parker_unpark(&idle->parker);
        }
        join(ended);
        if (left == 0) return;
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL); /* they are on their way out */
    }
}

/* ---------------------------------------------------------------------------------------------------- the process */

static bool commit(pgs_task *task)
{
    pgi_sleeper *sleeper = container_of(task, pgi_sleeper, task);
    uint32_t awake = PGI_AWAKE;
    return cas_acq_rel(&sleeper->token, &awake, PGI_AWAY); /* partner: make */
}

int pg_blocking(pg_process *self, void (*f)(void *argument), void *argument)
{
    if (!self || !f) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    pgi_end_if_killed(self);
    if (self->sleeper.task.parker || pgi_is_simulated(self->rt)) {
        f(argument);
    } else {
        const call c = {f, argument, self};
        const pgs_wait wait = {.commit = commit, .deadline = PGS_NEVER};
        store_relaxed(&self->sleeper.token, PGI_AWAKE);
        int status = give(self->rt, &c);
        if (status != PG_OK) return status;
        int blocked = pgs_block(self->rt->sched, &self->sleeper.task, &wait);
        /* Where there was no stack for the worker, it waits with its process.  Partner: make. */
        while (blocked != 0 && load_acquire(&self->sleeper.token) != PGI_WOKEN) {
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        }
    }
    pgi_end_if_killed(self);
    return PG_OK;
}
