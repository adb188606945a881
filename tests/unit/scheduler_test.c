/* scheduler_test.c - what sched/scheduler.h promises of a task: run once for each ready, blocks and deadlines, yields,
 * abandoned stacks, migration, threads of their own, start and stop; on 1, 2 and 4 workers. */
#define _GNU_SOURCE
#include "jobs.h"
#include "proc.h"

/* ------------------------------------------------------------------------------------------------ once per ready */

static void count_run(job *self)
{
    add_relaxed(&self->runs, 1);
    finished();
}

static void *ready_some(void *arg)
{
    job *jobs = arg;
    for (int i = 0; i < 1000; i++) ready(&jobs[i]);
    return NULL;
}

static void spawn_two(job *self)
{
    if (self->number < 1000) {
        ready(self + 1000);
        ready(self + 2000);
    }
    count_run(self);
}

static void test_once_per_ready(void)
{
    start();
    job *jobs = make(4000, count_run);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, ready_some, jobs + 1000 * i);
    for (int i = 2000; i < 4000; i++) ready(&jobs[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    until(&done, 4000);
    for (int i = 0; i < 4000; i++) jobs[i].run = spawn_two; /* from tasks: LIFO slot, deque, thieves */
    for (int i = 0; i < 1000; i++) ready(&jobs[i]);
    until(&done, 7000);
    for (int i = 0; i < 4000; i++) CHECK_EQ(load_relaxed(&jobs[i].runs), i < 3000 ? 2 : 1);
    stop();
    free(jobs);
}

static void requeue_thrice(job *self)
{
    add_relaxed(&self->runs, 1);
    if (++self->value < 3) {
        pgs_requeue(pgs_worker_self(), &self->task);
    } else {
        finished();
    }
}

static void test_requeue(void)
{
    start();
    job *jobs = make(500, requeue_thrice);
    for (int i = 0; i < 500; i++) ready(&jobs[i]);
    until(&done, 500);
    for (int i = 0; i < 500; i++) CHECK_EQ(load_relaxed(&jobs[i].runs), 3);
    stop();
    free(jobs);
}

/* ------------------------------------------------------------------------------------------------------ blocking */

static __attribute__((noinline)) void wait_deep(job *self, int depth)
{
    volatile char frame[200];
    frame[depth] = (char)depth;
    if (depth > 0) {
        wait_deep(self, depth - 1);
    } else {
        CHECK_EQ(wait_until(self, PGS_NEVER), 0);
    }
    CHECK_EQ(frame[depth], depth);
}

static void wait_often(job *self)
{
    for (int i = 0; i < 20; i++) {
        wait_deep(self, 10);
        self->value++;
        CHECK(pgs_worker_task(pgs_worker_self()) == &self->task);
    }
    finished();
}

static void wake_others(job *self)
{
    for (;;) {
        bool all = true;
        for (int i = 0; i < self->number; i++) {
            all = all && load_relaxed(&self->peer[i].runs);
            if (load_relaxed(&self->peer[i].token) == WAITING) wake(&self->peer[i]);
        }
        if (all || load_acquire(&done) >= self->number) break; /* partner: finished */
        pgs_yield(&self->task);
    }
    finished();
}

static void test_block(void)
{
    start();
    job *jobs = make(100, wait_often);
    job waker;
    init(&waker, wake_others);
    waker.peer = jobs;
    waker.number = 100;
    for (int i = 0; i < 100; i++) ready(&jobs[i]);
    ready(&waker);
    until(&done, 101);
    for (int i = 0; i < 100; i++) CHECK_EQ(jobs[i].value, 20);
    stop();
    free(jobs);
}

static void wait_for_what_is_there(job *self)
{
    for (int i = 0; i < 100; i++) {
        store_relaxed(&self->token, WOKEN); /* commit says no */
        CHECK_EQ(wait_until(self, i % 2 ? PGS_NEVER : pgs_now() + MS(10000)), 0);
    }
    finished();
}

static void test_commit_says_no(void)
{
    start();
    job *jobs = make(50, wait_for_what_is_there);
    for (int i = 0; i < 50; i++) ready(&jobs[i]);
    until(&done, 50);
    stop();
    free(jobs);
}

static void wait_with_deadline(job *self)
{
    for (int i = 0; i < 5; i++) {
        int64_t deadline = pgs_now() + MS(1 + (self->number + i) % 4);
        int rc = wait_until(self, deadline);
        CHECK(rc == 0 || rc == -ETIME);
        if (rc == -ETIME) CHECK(pgs_now() >= deadline);
        self->value += rc == -ETIME ? 1 : 100;
    }
    int rc = wait_until(self, 1); /* long ago: nobody waits for that, but somebody may wake it all the same */
    CHECK(rc == -ETIME || (rc == 0 && self->number % 2 == 0));
    add_relaxed(&self->runs, 1);
    finished();
}

/* Claim against wake: each wait ends in one of the two ways, and none ends twice. */
static void test_deadlines(void)
{
    start();
    job *jobs = make(100, wait_with_deadline);
    int woken = 0;
    for (int i = 0; i < 100; i++) ready(&jobs[i]);
    while (load_acquire(&done) < 100) { /* partner: finished */
        for (int i = 0; i < 100; i += 2) woken += load_relaxed(&jobs[i].token) == WAITING && wake(&jobs[i]);
        nanosleep(&(struct timespec){.tv_nsec = 700000}, NULL);
    }
    int in_time = 0;
    for (int i = 0; i < 100; i++) {
        in_time += jobs[i].value / 100;
        CHECK_EQ(jobs[i].value / 100 + jobs[i].value % 100, 5);
        if (i % 2) CHECK_EQ(jobs[i].value, 5);
    }
    CHECK(in_time <= woken); /* the last wait of each is not counted */
    stop();
    free(jobs);
}

/* The deadline passes when somebody else has won already: the task is woken, but does not get to run yet. */
static void wait_a_little(job *self)
{
    self->value = wait_until(self, pgs_now() + MS(6));
    add_relaxed(&self->runs, 1);
    finished();
}

static void wake_and_sit(job *self)
{
    while (load_relaxed(&self->peer->token) == AWAKE && load_relaxed(&self->peer->runs) == 0) cpu_relax();
    self->value = load_relaxed(&self->peer->token) == WAITING && wake(self->peer);
    finished();
    spin_for(MS(15)); /* the monitor fires the timers of a worker that does not move */
    finished();
}

static void test_wake_against_claim(void)
{
    start();
    job waits, wakes;
    init(&waits, wait_a_little);
    init(&wakes, wake_and_sit);
    wakes.peer = &waits;
    ready(&waits);
    ready(&wakes);
    until(&done, 3);
    CHECK_EQ(load_relaxed(&waits.runs), 1);
    CHECK_EQ(waits.value, wakes.value ? 0 : -ETIME);
    stop();
}

static void test_yield(void)
{
    start_with(100000, MS(20));
    job *jobs = make(100, yield_some);
    for (int i = 0; i < 100; i++) ready(&jobs[i]);
    until(&done, 100);
    for (int i = 0; i < 100; i++) CHECK_EQ(jobs[i].value, 50);
    stop();
    free(jobs);
}

static void yield_alone(job *self)
{
    for (int i = 0; i < 100; i++) {
        uint64_t steps = pgs_worker_steps(pgs_worker_self());
        pgs_yield(&self->task);
        CHECK(pgs_worker_steps(pgs_worker_self()) > steps);
    }
    finished();
}

/* Who yields is not stuck, even if nobody takes the turn. */
static void test_yield_alone(void)
{
    start();
    job j;
    init(&j, yield_alone);
    ready(&j);
    until(&done, 1);
    stop();
}

static void abandon_deep(job *self)
{
    if (self->number % 2) CHECK_EQ(wait_until(self, pgs_now() + 1000), -ETIME);
    volatile char frame[500];
    frame[self->number % 500] = 1;
    CHECK_EQ(frame[self->number % 500], 1);
    finished();
    pgs_abandon();
}

/* Ten times as many as there are stacks: each is used again. */
static void test_abandon(void)
{
    start_with(300, MS(10000));
    job *jobs = make(3000, abandon_deep);
    for (int i = 0; i < 3000; i += 100) {
        for (int k = 0; k < 100; k++) ready(&jobs[i + k]);
        until(&done, i + 100);
    }
    stop();
    free(jobs);
}

static void wait_or_do_without(job *self)
{
    int rc = wait_until(self, PGS_NEVER);
    self->value = rc == -ENOMEM ? 2 : 1;
    finished();
}

/* Few stacks: who finds none is told so, and goes on. */
static void test_no_stack(void)
{
    enum { JOBS = 100 };
    start_with(2 * workers + 10, MS(10000));
    job *jobs = make(JOBS, wait_or_do_without);
    for (int i = 0; i < JOBS; i++) ready(&jobs[i]);
    int waiting, without, woken = 0;
    int64_t deadline = pgs_now() + MS(10000);
    do {
        CHECK(pgs_now() < deadline);
        waiting = 0;
        without = load_acquire(&done); /* partner: finished */
        for (int i = 0; i < JOBS; i++) waiting += load_relaxed(&jobs[i].token) == WAITING;
    } while (waiting + without < JOBS);
    CHECK(waiting > 0 && without > 0);
    for (int i = 0; i < JOBS; i++) woken += load_relaxed(&jobs[i].token) == WAITING && wake(&jobs[i]);
    until(&done, JOBS);
    for (int i = 0; i < JOBS; i++) woken -= jobs[i].value == 1;
    CHECK_EQ(woken, 0);
    stop();
    free(jobs);
}

/* ----------------------------------------------------------------------------------------------------- migration */

static void check_worker(job *self)
{
    for (int i = 0; i < 200; i++) {
        CHECK(pgs_worker_task(pgs_worker_self()) == &self->task);
        pgs_set_errno(self->number);
        CHECK_EQ(wait_until(self, pgs_now() + 1000 * (self->number % 7)), -ETIME);
        CHECK_EQ(pgs_errno(), self->number);
        CHECK(pthread_equal(pgs_worker_self()->thread, pthread_self()));
    }
    finished();
}

static void test_migration(void)
{
    start();
    job *jobs = make(50, check_worker);
    for (int i = 0; i < 50; i++) ready(&jobs[i]);
    until(&done, 50);
    CHECK(!pgs_worker_self());
    stop();
    free(jobs);
}

/* ------------------------------------------------------------------------------------------ threads of their own */

static void *thread_task(void *arg)
{
    job *self = arg;
    CHECK(!pgs_worker_self());
    for (int i = 0; i < 50; i++) CHECK_EQ(wait_until(self, PGS_NEVER), 0);
    CHECK_EQ(wait_until(self, pgs_now() + MS(2)), -ETIME);
    store_relaxed(&self->token, WOKEN);
    CHECK_EQ(wait_until(self, PGS_NEVER), 0); /* commit says no */
    pgs_yield(&self->task);
    finished();
    return NULL;
}

static void wake_peer(job *self)
{
    int woken = 0;
    while (woken < 50) {
        woken += load_relaxed(&self->peer->token) == WAITING && wake(self->peer);
        pgs_yield(&self->task);
    }
    finished();
}

static void test_bound(void)
{
    start();
    job bound, waker;
    init(&bound, NULL);
    pgs_parker_init(&bound.parker);
    bound.task.parker = &bound.parker;
    init(&waker, wake_peer);
    waker.peer = &bound;
    pthread_t thread;
    CHECK_EQ(pgs_sched_thread(&thread, thread_task, &bound, "bound"), 0);
    ready(&waker);
    until(&done, 2);
    pthread_join(thread, NULL);
    stop();
}

/* ------------------------------------------------------------------------------------------------ start and stop */

static void count_local(void *context, void *local)
{
    CHECK(local == &dummy_local);
    ++*(int *)context;
}

static void test_start_stop(void)
{
    for (int i = 0; i < 20; i++) {
        start();
        if (i % 2) {
            job *jobs = make(20, quick);
            for (int k = 0; k < 20; k++) ready(&jobs[k]);
            until(&done, 20); /* the last worker may still be in it */
            stop();
            free(jobs);
        } else {
            stop();
        }
    }
    start();
    int n = 0;
    pgs_sched_each_local(sched, count_local, &n);
    CHECK_EQ(n, workers);
    CHECK_EQ(pgs_sched_workers(sched), workers);
    int before = load_relaxed(&idled);
    usleep(5000);
    CHECK(load_relaxed(&idled) <= before + 2 * (int)workers); /* parked, and not again and again */
    stop();
    pgs_sched *none;
    CHECK_EQ(pgs_sched_start(&none, &(pgs_config){.workers = 0, .stacks = 100}, &job_ops), -EINVAL);
    CHECK_EQ(pgs_sched_start(&none, &(pgs_config){.workers = PGS_WORKERS_TARGET_MAX + 1, .stacks = 9999}, &job_ops),
             -EINVAL);
    CHECK_EQ(pgs_sched_start(&none, &(pgs_config){.workers = 4, .stacks = 3}, &job_ops), -ENOMEM);
    CHECK_EQ(load_relaxed(&locals), 0);
}

/* ---------------------------------------------------------------------------------------------------------- lent */

static pthread_t lent;

static void *lend(void *arg)
{
    (void)arg;
    lent = pthread_self();
    pgs_sched_work(sched);
}

static void run_lent(job *self)
{
    CHECK(pthread_equal(pthread_self(), lent));
    count_run(self);
}

/* Such a scheduler ends with the program, which is one of its own. */
static void live_lent(void)
{
    static job jobs[100];
    pthread_t thread;
    pgs_config config = {.workers = 2, .stacks = 100, .stuck_after = MS(10000), .lent = true};
    CHECK_EQ(pgs_sched_start(&sched, &config, &job_ops), -EINVAL);
    config.workers = 1;
    CHECK_EQ(pgs_sched_start(&sched, &config, &job_ops), 0);
    CHECK_EQ(load_relaxed(&begun), 0);
    store_relaxed(&done, 0);
    for (int i = 0; i < 100; i++) init(&jobs[i], run_lent);
    for (int i = 0; i < 50; i++) ready(&jobs[i]); /* before anybody is there to run them */
    CHECK_EQ(pgs_sched_workers(sched), 1);
    CHECK_EQ(pthread_create(&thread, NULL, lend, NULL), 0);
    CHECK_EQ(pthread_detach(thread), 0);
    until(&done, 50);
    CHECK_EQ(load_relaxed(&begun), 1);
    CHECK_EQ(pgs_sched_watch(sched), 0);
    CHECK_EQ(load_relaxed(&begun), 2); /* it has waited for the monitor */
    for (int i = 50; i < 100; i++) ready(&jobs[i]);
    until(&done, 100);
}

static void test_lent(void)
{
    proc_run(live_lent);
}

int main(void)
{
    static void (*const tests[])(void) = {
        test_once_per_ready, test_requeue, test_block,    test_commit_says_no, test_deadlines,          test_yield,
        test_yield_alone,    test_abandon, test_no_stack, test_migration,      test_wake_against_claim, test_bound,
        test_start_stop,     test_lent,
    };
    return RUN_TESTS(tests);
}
