/* scheduler_test.c - sched/scheduler.h with tasks that are nothing but a function: each run once for each ready, blocks
 * and deadlines, yields, abandoned stacks, stuck workers, threads of their own, start and stop; on 1, 2 and 4
 * workers. */
#define _GNU_SOURCE
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

static job *of_task(pgs_task *task)
{
    return container_of(task, job, task);
}

static void run(pgs_worker *w, pgs_task *task)
{
    CHECK(w == pgs_worker_self() && pgs_worker_task(w) == task && pgs_worker_sched(w) == sched);
    CHECK(pgs_worker_local(w) == &dummy_local);
    of_task(task)->run(of_task(task));
}

static void stuck(void *context, pgs_task *task, int64_t ns)
{
    CHECK(context == &dummy_local && ns > 0);
    store_relaxed(&reported, task);
    add_relaxed(&reports, 1);
}

static void *local_make(void *context)
{
    add_relaxed(&locals, 1);
    return context;
}

static void local_free(void *context, void *local)
{
    CHECK(context == local);
    sub_relaxed(&locals, 1);
}

static void local_idle(void *context, void *local)
{
    CHECK(context == local);
    add_relaxed(&idled, 1);
}

static void thread_begin(void *context)
{
    CHECK(context == &dummy_local && pgs_worker_self());
    add_relaxed(&begun, 1);
}

static void thread_end(void *context)
{
    (void)context;
    sub_relaxed(&begun, 1);
}

static void start_with(size_t stacks, int64_t stuck_after)
{
    const pgs_ops ops = {run, stuck, local_make, local_free, local_idle, thread_begin, thread_end, &dummy_local};
    const pgs_config config = {.workers = workers, .stacks = stacks, .stuck_after = stuck_after};
    store_relaxed(&done, 0);
    store_relaxed(&reports, 0);
    CHECK_EQ(pgs_sched_start(&sched, &config, &ops), 0);
}

static void start(void)
{
    start_with(100000, MS(10000));
}

static void stop(void)
{
    pgs_sched_stop(sched);
    CHECK_EQ(load_relaxed(&locals), 0);
    CHECK_EQ(load_relaxed(&begun), 0);
}

static void until(_Atomic(int) *count, int value)
{
    int64_t deadline = pgs_now() + MS(20000);
    while (load_acquire(count) < value) { /* partner: finished */
        if (pgs_now() > deadline) CHECK_FAIL("%d instead of %d", load_relaxed(count), value);
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    CHECK_EQ(load_relaxed(count), value);
}

static void finished(void)
{
    add_acq_rel(&done, 1); /* partner: until */
}

static void init(job *j, void (*what)(job *self))
{
    memset(j, 0, sizeof *j);
    j->run = what;
}

static job *make(int count, void (*what)(job *self))
{
    job *jobs = malloc((size_t)count * sizeof *jobs);
    CHECK(jobs);
    for (int i = 0; i < count; i++) {
        init(&jobs[i], what);
        jobs[i].number = i;
    }
    return jobs;
}

static void ready(job *j)
{
    pgs_ready(sched, &j->task);
}

static void spin_for(int64_t ns)
{
    for (int64_t end = pgs_now() + ns; pgs_now() < end;) cpu_relax();
}

/* -------------------------------------------------------------------------------------------- waiting on a token */

static bool commit(pgs_task *task)
{
    uint32_t awake = AWAKE;
    return cas_acq_rel(&of_task(task)->token, &awake, WAITING); /* partner: wake */
}

static bool claim(pgs_task *task)
{
    uint32_t waiting = WAITING;
    return cas_acq_rel(&of_task(task)->token, &waiting, WOKEN); /* partner: commit */
}

static bool wake(job *j)
{
    if (xchg_acq_rel(&j->token, WOKEN) != WAITING) return false; /* partner: commit */
    ready(j);
    return true;
}

static int wait_until(job *j, int64_t deadline)
{
    const pgs_wait wait = {commit, claim, deadline};
    int rc = pgs_block(sched, &j->task, &wait);
    if (rc == -ENOMEM) return rc;
    CHECK_EQ(load_relaxed(&j->token), WOKEN); /* somebody has won, be it the deadline */
    store_relaxed(&j->token, AWAKE);
    return rc;
}

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
        pgs_yield(sched, &self->task);
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
    CHECK_EQ(wait_until(self, 1), -ETIME); /* long ago */
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

static void yield_some(job *self)
{
    for (int i = 0; i < 50; i++) {
        pgs_yield(sched, &self->task);
        self->value++;
    }
    finished();
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
        uint64_t steps = load_relaxed(&pgs_worker_self()->steps);
        pgs_yield(sched, &self->task);
        CHECK(load_relaxed(&pgs_worker_self()->steps) > steps);
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

/* ------------------------------------------------------------------------------------------------------ fairness */

static _Atomic(bool) enough;

static void ping(job *self)
{
    if (load_relaxed(&enough)) {
        finished();
        if (self->peer->peer) {
            job *peer = self->peer;
            self->peer = NULL;
            ready(peer);
        }
        return;
    }
    self->value++;
    ready(self->peer);
}

static void set_enough(job *self)
{
    (void)self;
    store_relaxed(&enough, true);
    finished();
}

/* A pair that keeps the LIFO slot busy hides nobody: what waits in the deque and in the injector runs all the same. */
static void test_lifo_cap(void)
{
    start();
    store_relaxed(&enough, false);
    job *pair = make(2, ping);
    pair[0].peer = &pair[1];
    pair[1].peer = &pair[0];
    ready(&pair[0]);
    spin_for(MS(2));
    job other;
    init(&other, set_enough);
    ready(&other);
    until(&done, 3);
    stop();
    free(pair);
}

static void note_pings(job *self)
{
    self->value = self->peer[0].value + self->peer[1].value;
    set_enough(self);
}

static void push_pair_and_other(job *self)
{
    ready(&self->peer[2]); /* to be displaced into the deque */
    ready(&self->peer[0]);
    finished();
}

/* One worker: how long the LIFO slot makes what is beside it wait. */
static void test_lifo_turns(void)
{
    if (workers > 1) return;
    start();
    store_relaxed(&enough, false);
    job *jobs = make(3, ping), first;
    jobs[0].peer = &jobs[1];
    jobs[1].peer = &jobs[0];
    jobs[2].run = note_pings;
    jobs[2].peer = jobs;
    init(&first, push_pair_and_other);
    first.peer = jobs;
    ready(&first);
    until(&done, 4);
    CHECK(jobs[2].value > 0 && jobs[2].value <= 2 * PGS_LIFO_CAP);
    stop();
    free(jobs);
}

static _Atomic(int) order;
static int place[3000];

static void note_place(job *self)
{
    if (self->number >= 0) place[self->number] = add_relaxed(&order, 1);
    finished();
}

static void push_all(job *self)
{
    for (int i = 0; i < 3000; i++) ready(&self->peer[i]);
    finished();
}

/* One worker, newest first: yet the oldest of 3,000 does not come last. */
static void test_oldest_first(void)
{
    if (workers > 1) return;
    start();
    store_relaxed(&order, 0);
    job *jobs = make(3000, note_place);
    job pusher;
    init(&pusher, push_all);
    pusher.peer = jobs;
    ready(&pusher);
    until(&done, 3001);
    CHECK(place[2999] < 10);
    CHECK(place[0] < 1000);
    stop();
    free(jobs);
}

/* ---------------------------------------------------------------------------------------------------- stuck ones */

static _Atomic(bool) go_on;

static void sit(job *self)
{
    (void)self;
    while (!load_acquire(&go_on)) usleep(500); /* partner: the test */
    finished();
}

static void quick(job *self)
{
    (void)self;
    finished();
}

static void wait_once(job *self)
{
    CHECK_EQ(wait_until(self, pgs_now() + MS(1)), -ETIME);
    finished();
}

/* A sitter has something of its own behind it, in the LIFO slot and in the deque. */
static void sit_on_others(job *self)
{
    for (int i = 0; i < 10; i++) ready(&self->peer[i]);
    sit(self);
}

static void test_stuck(void)
{
    start_with(10000, MS(15));
    store_relaxed(&go_on, false);
    job *sitters = make((int)workers, sit_on_others), *behind = make(10 * (int)workers, quick);
    for (unsigned i = 0; i < workers; i++) {
        sitters[i].peer = behind + 10 * i;
        ready(&sitters[i]);
    }
    int64_t began = pgs_now();
    until(&done, 10 * (int)workers);                /* spares do them */
    while (load_relaxed(&reports) < (int)workers) { /* or more, where the machine is busy with something else */
        CHECK(pgs_now() - began < MS(20000));
        usleep(500);
    }
    CHECK(load_relaxed(&reported) >= &sitters[0].task);
    job *more = make(100, wait_once);
    for (int i = 0; i < 100; i++) ready(&more[i]);
    until(&done, 10 * (int)workers + 100);
    store_release(&go_on, true); /* partner: sit */
    until(&done, 11 * (int)workers + 100);
    /* Now there are too many; they retire while tasks block, and no task retires with them. */
    bool fewer = false;
    for (int round = 0; round < 1000 && !fewer; round++) {
        int before = load_relaxed(&done);
        for (int i = 0; i < 100; i++) {
            more[i].run = round % 2 ? wait_once : yield_some;
            ready(&more[i]);
        }
        until(&done, before + 100);
        fewer = pgs_sched_workers(sched) <= workers;
    }
    CHECK(fewer);
    /* And stuck again: the retired are taken back. */
    int retired = load_relaxed(&sched->retired), before = load_relaxed(&done);
    store_relaxed(&go_on, false);
    for (unsigned i = 0; i < workers; i++) {
        sitters[i].run = sit;
        ready(&sitters[i]);
    }
    for (int i = 0; i < 100; i++) ready(&more[i]);
    until(&done, before + 100);
    CHECK(load_relaxed(&sched->retired) < retired);
    store_release(&go_on, true); /* partner: sit */
    until(&done, before + 100 + (int)workers);
    stop();
    free(sitters);
    free(behind);
    free(more);
}

/* Keeps its worker until there is a spare one, and then blocks again and again: nobody is asked to retire but between
 * two tasks, so none of these is lost. */
static void sit_then_yield(job *self)
{
    while (self->number == 0 && pgs_sched_workers(sched) <= workers) usleep(200);
    for (int64_t end = pgs_now() + MS(20); pgs_now() < end;) pgs_yield(sched, &self->task);
    finished();
}

static void test_surplus(void)
{
    int n = (int)workers;
    start();
    job *sitters = make(n, sit_then_yield), *others = make(4 * n, sit_then_yield);
    for (int i = 0; i < n; i++) {
        sitters[i].number = 0;
        ready(&sitters[i]);
    }
    for (int i = 0; i < 4 * n; i++) {
        others[i].number = 1;
        ready(&others[i]);
    }
    until(&done, 5 * n);
    stop();
    free(sitters);
    free(others);
}

/* Between two messages of one task it is seen to move; and its slice is over when the monitor has said so, once. */
static void progress(job *self)
{
    (void)self;
    pgs_worker *w = pgs_worker_self();
    for (int i = 0; i < 100; i++) {
        uint64_t steps = load_relaxed(&w->steps);
        pgs_worker_progress(w);
        CHECK_EQ(load_relaxed(&w->steps), steps + 1);
    }
    for (int64_t end = pgs_now() + MS(20000); !load_relaxed(&w->slice_over);) CHECK(pgs_now() < end);
    CHECK(pgs_worker_progress(w));
    finished();
}

static void test_progress(void)
{
    start();
    job j;
    init(&j, progress);
    ready(&j);
    until(&done, 1);
    stop();
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
    pgs_yield(sched, &self->task);
    finished();
    return NULL;
}

static void wake_peer(job *self)
{
    int woken = 0;
    while (woken < 50) {
        woken += load_relaxed(&self->peer->token) == WAITING && wake(self->peer);
        pgs_yield(sched, &self->task);
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
    const pgs_ops ops = {run, stuck, local_make, local_free, NULL, NULL, NULL, &dummy_local};
    CHECK_EQ(pgs_sched_start(&none, &(pgs_config){.workers = 0, .stacks = 100}, &ops), -EINVAL);
    CHECK_EQ(pgs_sched_start(&none, &(pgs_config){.workers = PGS_WORKERS_TARGET_MAX + 1, .stacks = 9999}, &ops),
             -EINVAL);
    CHECK_EQ(pgs_sched_start(&none, &(pgs_config){.workers = 4, .stacks = 3}, &ops), -ENOMEM);
    CHECK_EQ(load_relaxed(&locals), 0);
}

int main(void)
{
    static const unsigned counts[] = {1, 2, 4};
    static void (*const tests[])(void) = {
        test_once_per_ready,     test_requeue, test_block,        test_commit_says_no, test_deadlines, test_yield,
        test_yield_alone,        test_abandon, test_no_stack,     test_migration,      test_lifo_cap,  test_lifo_turns,
        test_wake_against_claim, test_surplus, test_oldest_first, test_stuck,          test_progress,  test_bound,
        test_start_stop,
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        workers = counts[i];
        for (size_t k = 0; k < sizeof tests / sizeof tests[0]; k++) {
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
