/* jobs.h - a scheduler with tasks that are nothing but a function: what the tests of sched/scheduler.h share. */
#ifndef JOBS_H
#define JOBS_H

#include <errno.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "scheduler.h"
#include "worker.h"

#define MS(n) ((int64_t)(n)*1000000)

/* A task of this test: `run` decides what it does; whoever moves `token` from WAITING makes it ready. */
enum token { AWAKE, WAITING, WOKEN };

typedef struct job {
    pgs_task task;
    void (*run)(struct job *self);
    _Atomic(uint32_t) token;
    _Atomic(int) runs;
    int number, value;
    struct job *peer;
    pgs_parker parker;
} job;

static pgs_sched *sched;
static unsigned workers;
static _Atomic(int) done, reports;
static _Atomic(pgs_task *) reported;
static _Atomic(int) locals, begun, idled;
static int dummy_local;

static inline job *of_task(pgs_task *task)
{
    return container_of(task, job, task);
}

static inline pgs_worker *run(pgs_worker *w, pgs_task *task)
{
    CHECK(w == pgs_worker_self() && pgs_worker_task(w) == task && pgs_worker_sched(w) == sched);
    CHECK(pgs_worker_local(w) == &dummy_local);
    of_task(task)->run(of_task(task));
    return pgs_worker_self();
}

static inline void stuck(void *context, pgs_task *task, int64_t ns)
{
    CHECK(context == &dummy_local && ns > 0);
    store_relaxed(&reported, task);
    add_relaxed(&reports, 1);
}

static inline void *local_make(void *context)
{
    add_relaxed(&locals, 1);
    return context;
}

static inline void local_free(void *context, void *local)
{
    CHECK(context == local);
    sub_relaxed(&locals, 1);
}

static inline void local_idle(void *context, void *local)
{
    CHECK(context == local);
    add_relaxed(&idled, 1);
}

static inline void thread_begin(void *context)
{
    CHECK(context == &dummy_local);
    add_relaxed(&begun, 1);
}

static inline void thread_end(void *context)
{
    (void)context;
    sub_relaxed(&begun, 1);
}

static const pgs_ops job_ops = {.run = run,
                                .stuck = stuck,
                                .local_make = local_make,
                                .local_free = local_free,
                                .local_idle = local_idle,
                                .thread_begin = thread_begin,
                                .thread_end = thread_end,
                                .context = &dummy_local};

static inline void start_with(size_t stacks, int64_t stuck_after)
{
    const pgs_config config = {.workers = workers, .stacks = stacks, .stuck_after = stuck_after};
    store_relaxed(&done, 0);
    store_relaxed(&reports, 0);
    CHECK_EQ(pgs_sched_start(&sched, &config, &job_ops), 0);
    CHECK(load_relaxed(&begun) >= (int)workers + 1); /* it has waited for them, and for the monitor */
}

static inline void start(void)
{
    start_with(100000, MS(10000));
}

static inline void stop(void)
{
    pgs_sched_stop(sched);
    CHECK_EQ(load_relaxed(&locals), 0);
    CHECK_EQ(load_relaxed(&begun), 0);
}

static inline void pause_ns(int64_t ns)
{
    nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
}

static inline void until_at_least(_Atomic(int) *count, int value)
{
    int64_t deadline = pgs_now() + MS(20000);
    while (load_acquire(count) < value) { /* partner: finished, or whoever counts */
        if (pgs_now() > deadline) CHECK_FAIL("%d instead of %d", load_relaxed(count), value);
        pause_ns(20000);
    }
}

static inline void until(_Atomic(int) *count, int value)
{
    until_at_least(count, value);
    CHECK_EQ(load_relaxed(count), value);
}

static inline void finished(void)
{
    add_acq_rel(&done, 1); /* partner: until */
}

static inline void init(job *j, void (*what)(job *self))
{
    memset(j, 0, sizeof *j);
    j->run = what;
}

static inline job *make(int count, void (*what)(job *self))
{
    job *jobs = malloc((size_t)count * sizeof *jobs);
    CHECK(jobs);
    for (int i = 0; i < count; i++) {
        init(&jobs[i], what);
        jobs[i].number = i;
    }
    return jobs;
}

static inline void ready(job *j)
{
    pgs_ready(sched, &j->task);
}

static inline void spin_for(int64_t ns)
{
    for (int64_t end = pgs_now() + ns; pgs_now() < end;) cpu_relax();
}

/* -------------------------------------------------------------------------------------------- waiting on a token */

static inline bool commit(pgs_task *task)
{
    uint32_t awake = AWAKE;
    return cas_acq_rel(&of_task(task)->token, &awake, WAITING); /* partner: wake */
}

static inline bool claim(pgs_task *task)
{
    uint32_t waiting = WAITING;
    return cas_acq_rel(&of_task(task)->token, &waiting, WOKEN); /* partner: commit */
}

static inline bool wake(job *j)
{
    if (xchg_acq_rel(&j->token, WOKEN) != WAITING) return false; /* partner: commit */
    ready(j);
    return true;
}

static inline int wait_until(job *j, int64_t deadline)
{
    const pgs_wait wait = {commit, claim, deadline};
    int rc = pgs_block(sched, &j->task, &wait);
    if (rc == -ENOMEM) return rc;
    CHECK_EQ(load_relaxed(&j->token), WOKEN); /* somebody has won, be it the deadline */
    store_relaxed(&j->token, AWAKE);
    return rc;
}

/* --------------------------------------------------------------------------------------------- jobs and a runner */

static inline void quick(job *self)
{
    (void)self;
    finished();
}

static inline void yield_some(job *self)
{
    for (int i = 0; i < 50; i++) {
        pgs_yield(&self->task);
        self->value++;
    }
    finished();
}

/* Runs each test on 1, 2 and 4 workers. */
static inline int run_tests(void (*const *tests)(void), size_t count)
{
    static const unsigned counts[] = {1, 2, 4};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        workers = counts[i];
        for (size_t k = 0; k < count; k++) {
            int64_t began = pgs_now();
            tests[k]();
            if (getenv("PG_TEST_VERBOSE")) {
                printf("%u workers, test %zu: %.1f ms\n", workers, k, (double)(pgs_now() - began) / 1e6);
                fflush(stdout);
            }
        }
    }
    return 0;
}

#define RUN_TESTS(tests) run_tests(tests, sizeof(tests) / sizeof(tests)[0])

#endif
