/* worker_test.c - what sched/worker.h promises of all tasks together: nobody is hidden by a hot neighbour, nor by one
 * that keeps its worker; on 1, 2 and 4 workers. */
#define _GNU_SOURCE
#include "jobs.h"

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
    if (workers > 1 || HOSTILE_BUILD) return;
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
enum { MANY = 3 * PGS_OLDEST_EVERY, SLOW_ONES = 200 };
static int place[MANY > SLOW_ONES ? MANY : SLOW_ONES];

static void note_place(job *self)
{
    if (self->number >= 0) place[self->number] = add_relaxed(&order, 1);
    finished();
}

static void push_some(job *self)
{
    for (int i = 0; i < self->value; i++) {
        ready(&self->peer[i]);
        pgs_worker_progress(pgs_worker_self()); /* it is not stuck: nobody is to help */
    }
    finished();
}

/* One worker, newest first: yet the oldest of many does not come last. */
static void test_oldest_first(void)
{
    if (workers > 1) return;
    start();
    store_relaxed(&order, 0);
    job *jobs = make(MANY, note_place);
    job pusher;
    init(&pusher, push_some);
    pusher.peer = jobs;
    pusher.value = MANY;
    ready(&pusher);
    until(&done, MANY + 1);
    CHECK(place[MANY - 1] < 10);
    CHECK(place[0] < 2 * PGS_OLDEST_EVERY); /* the looks for the time delay the others a little */
    stop();
    free(jobs);
}

static void note_place_slowly(job *self)
{
    spin_for(MS(1));
    note_place(self);
}

/* Nor when its neighbours are so slow that it is not the number of turns that counts. */
static void test_oldest_of_the_slow(void)
{
    if (workers > 1) return;
    start();
    store_relaxed(&order, 0);
    int n = SLOW_ONES;
    job *jobs = make(n, note_place_slowly), pusher;
    init(&pusher, push_some);
    pusher.peer = jobs;
    pusher.value = n;
    ready(&pusher);
    until(&done, n + 1);
    CHECK(place[0] < n / 2);
    stop();
    free(jobs);
}

/* ---------------------------------------------------------------------------------------------------- stuck ones */

static _Atomic(bool) go_on;
static _Atomic(int) sitting;

static void sit(job *self)
{
    (void)self;
    add_relaxed(&sitting, 1);
    while (!load_acquire(&go_on)) usleep(500); /* partner: the test */
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
    /* And stuck again: the retired are taken back, until they are too many once more. */
    int retired = load_relaxed(&sched->retired), before = load_relaxed(&done);
    bool taken_back = false;
    store_relaxed(&go_on, false);
    store_relaxed(&sitting, 0);
    for (unsigned i = 0; i < workers; i++) {
        sitters[i].run = sit;
        ready(&sitters[i]);
    }
    until(&sitting, (int)workers);
    for (int i = 0; i < 100; i++) {
        more[i].run = wait_once;
        ready(&more[i]);
    }
    for (bool over = false; !over; usleep(50)) {
        over = load_relaxed(&done) == before + 100;
        taken_back |= load_relaxed(&sched->retired) < retired;
    }
    CHECK(taken_back);
    store_release(&go_on, true); /* partner: sit */
    until(&done, before + 100 + (int)workers);
    stop();
    free(sitters);
    free(behind);
    free(more);
}

/* Keeps its worker until there is a spare one, and then blocks again and again: nobody is asked to retire but between
 * two tasks, so none of these is lost. */
static _Atomic(bool) spared;

static void sit_then_yield(job *self)
{
    while (self->number == 0 && !load_relaxed(&spared)) {
        usleep(200);
        if (pgs_sched_workers(sched) > workers) store_relaxed(&spared, true); /* who is late may see it gone again */
    }
    unsigned to = 0;
    for (int64_t end = pgs_now() + MS(20); pgs_now() < end;) {
        pgs_yield(&self->task);
        pgs_yield_to(&self->task,
                     to++ % load_relaxed(&sched->workers)); /* maybe one that has retired, or is about to */
    }
    finished();
}

static void test_surplus(void)
{
    int n = (int)workers;
    start();
    store_relaxed(&spared, false);
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

/* Goes from worker to worker, also to those that sleep. */
static void move_around(job *self)
{
    uint64_t random = (uint64_t)self->number;
    for (int i = 0; i < 1000; i++) {
        unsigned to = pgs_random_below(&random, workers);
        pgs_yield_to(&self->task, to);
        self->value += pgs_worker_number(pgs_worker_self()) == to;
    }
    finished();
}

static void test_inbox(void)
{
    enum { MOVERS = 8 };
    start();
    job *movers = make(MOVERS, move_around);
    for (int i = 0; i < MOVERS; i++) ready(&movers[i]);
    until(&done, MOVERS);
    /* Whom the monitor sends elsewhere is one for each of its looks, and all of them while a worker has lost its
     * processor. */
    int arrived = 0;
    for (int i = 0; i < MOVERS; i++) arrived += movers[i].value;
    CHECK(arrived > MOVERS * 1000 / 4);
    stop();
    free(movers);
}

/* Computes until the other one has gone on, which lies in its worker's inbox. */
static void compute(job *self)
{
    store_relaxed(&self->runs, 1 + (int)pgs_worker_number(pgs_worker_self()));
    while (load_relaxed(&done) == 0) cpu_relax();
    finished();
}

static void join(job *self)
{
    int number;
    while ((number = load_relaxed(&self->peer->runs)) == 0) pgs_yield(&self->task);
    pgs_yield_to(&self->task, (unsigned)number - 1);
    finished();
}

static void yield_until_enough(job *self)
{
    while (!load_relaxed(&enough)) {
        spin_for(20000);
        self->value++;
        pgs_yield(&self->task);
    }
    finished();
}

static void return_until_enough(job *self)
{
    while (!load_relaxed(&enough)) {
        spin_for(20000);
        self->value++;
        pgs_yield_to(&self->task, pgs_worker_number(pgs_worker_self()));
    }
    finished();
}

/* One worker: `beside` and two that lie in its inbox between their turns, for a while. */
static void check_inbox_beside(job *beside, int count)
{
    job *kept = make(2, return_until_enough);
    for (int i = 0; i < 2; i++) ready(&kept[i]);
    for (int i = 0; i < count; i++) ready(&beside[i]);
    pause_ns(MS(100));
    store_relaxed(&enough, true);
    until(&done, 4);
    int inside = kept[0].value + kept[1].value, outside = beside[0].value + beside[1].value;
    CHECK(HOSTILE_BUILD || inside > outside / (2 * PGS_LIFO_CAP)); /* the most turns that the LIFO slot has in a row */
    CHECK(inside > 100);
    free(kept);
}

static void test_inbox_has_its_turns(void)
{
    if (workers > 1) return;
    start();
    store_relaxed(&enough, false);
    job *yielding = make(2, yield_until_enough);
    check_inbox_beside(yielding, 2);
    stop();
    start();
    store_relaxed(&enough, false);
    job *pair = make(2, ping);
    pair[0].peer = &pair[1];
    pair[1].peer = &pair[0];
    check_inbox_beside(pair, 1);
    stop();
    free(pair);
    free(yielding);
}

/* No task waits in the inbox of one that is stuck. */
static void test_inbox_of_the_stuck(void)
{
    if (workers == 1) return;
    start();
    job computing, joining;
    init(&computing, compute);
    init(&joining, join);
    joining.peer = &computing;
    ready(&joining);
    ready(&computing);
    until(&done, 2);
    stop();
}

/* Between two messages of one task it is seen to move; and its slice is over when the monitor has said so, once. */
static void progress(job *self)
{
    (void)self;
    pgs_worker *w = pgs_worker_self();
    for (int i = 0; i < 100; i++) {
        uint64_t steps = pgs_worker_steps(w);
        pgs_worker_progress(w);
        CHECK_EQ(pgs_worker_steps(w), steps + 1);
    }
    for (int64_t end = pgs_now() + MS(20000); !load_relaxed(&w->face.slice_over);) CHECK(pgs_now() < end);
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

int main(void)
{
    static void (*const tests[])(void) = {
        test_lifo_cap, test_lifo_turns, test_surplus, test_oldest_first,       test_oldest_of_the_slow,
        test_stuck,    test_progress,   test_inbox,   test_inbox_of_the_stuck, test_inbox_has_its_turns,
    };
    return RUN_TESTS(tests);
}
