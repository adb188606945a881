/* poller_test.c - descriptors that make tasks ready: how soon, from threads and from other processes, with all workers
 * idle and with all busy; that nothing is lost, nothing fires after its removal, and nothing runs while nothing
 * happens.  On 1, 2 and 4 workers. */
#define _GNU_SOURCE
#include "jobs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "proc.h"

enum { TIMES = 200 };

/* A task that rests until its source fires. */
typedef struct watched {
    pgs_source source;
    job job;
    _Atomic(uint32_t) queued; /* whoever takes it from 0 to 1 makes the task ready */
    _Atomic(int) fired;
    _Atomic(int) fired_by_worker;
    _Atomic(int64_t) fired_at, ran_at;
    _Atomic(int) busy_ms; /* that its task takes */
} watched;

static void fire_watched(pgs_source *source, uint32_t events)
{
    watched *d = container_of(source, watched, source);
    CHECK(events & EPOLLIN);
    store_relaxed(&d->fired_at, pgs_now());
    add_relaxed(&d->fired, 1);
    if (pgs_worker_self()) add_relaxed(&d->fired_by_worker, 1);
    if (xchg_acq_rel(&d->queued, 1) == 0) ready(&d->job); /* partner: run_watched */
}

static void run_watched(job *self)
{
    watched *d = container_of(self, watched, job);
    xchg_acq_rel(&d->queued,
                 0); /* partner: fire_watched; what has been written before is seen, later news fire again */
    store_relaxed(&d->ran_at, pgs_now());
    int busy_ms = load_relaxed(&d->busy_ms);
    add_acq_rel(&self->runs, 1); /* partner: await_runs, after which the memory may go */
    if (busy_ms == 0) return;
    spin_for(MS(busy_ms));
    finished();
}

static void watch(watched *d)
{
    memset(d, 0, sizeof *d);
    init(&d->job, run_watched);
    d->source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->source.fire = fire_watched;
    CHECK(d->source.fd >= 0);
    errno = 42;
    CHECK_EQ(pgs_source_add(sched, &d->source, EPOLLIN | EPOLLET), 0);
    CHECK_EQ(errno, 42);
}

static void unwatch(watched *d)
{
    errno = 42;
    pgs_source_remove(sched, &d->source);
    CHECK_EQ(errno, 42);
    close(d->source.fd);
}

static void ring(int fd)
{
    uint64_t one = 1;
    CHECK_EQ(write(fd, &one, sizeof one), sizeof one);
}

static void await_runs(watched *d, int runs)
{
    until_at_least(&d->job.runs, runs);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All workers sleep, but for what the machine makes of it. */
static void settle(void)
{
    for (int i = 0; i < 2000 && load_relaxed(&sched->idle_count) < (int)workers; i++) pause_ns(100000);
}

static int64_t median(int64_t *samples, int count)
{
    qsort(samples, (size_t)count, sizeof *samples, by_value);
    return samples[count / 2];
}

/* From an event until its task runs: the median of so many. */
static int64_t median_event(watched *d, int count)
{
    int64_t samples[TIMES];
    for (int i = 0; i < count; i++) {
        pause_ns(MS(1));
        int before = load_relaxed(&d->job.runs);
        int64_t rung_at = pgs_now();
        ring(d->source.fd);
        await_runs(d, before + 1);
        samples[i] = load_relaxed(&d->ran_at) - rung_at;
    }
    return median(samples, count);
}

/* ------------------------------------------------------------------------------------------------------- latency */

static _Atomic(int64_t) plain_ran_at;

static void note_time(job *self)
{
    (void)self;
    store_relaxed(&plain_ran_at, pgs_now());
    finished();
}

/* From pgs_ready() of this thread to the task, all workers asleep: in futexes, or one of them in epoll_wait. */
static int64_t ready_latency(void)
{
    static int64_t samples[TIMES];
    job j;
    for (int i = 0; i < TIMES; i++) {
        init(&j, note_time);
        settle();
        pause_ns(200000);
        int before = load_relaxed(&done);
        int64_t began = pgs_now();
        ready(&j);
        until(&done, before + 1);
        samples[i] = load_relaxed(&plain_ran_at) - began;
    }
    return median(samples, TIMES);
}

static int64_t event_latency(watched *d, int64_t *worst)
{
    static int64_t samples[TIMES];
    for (int i = 0; i < TIMES; i++) {
        settle();
        pause_ns(200000);
        int before = load_relaxed(&d->job.runs);
        int64_t began = pgs_now();
        ring(d->source.fd);
        await_runs(d, before + 1);
        samples[i] = load_relaxed(&d->ran_at) - began;
    }
    int64_t middle = median(samples, TIMES);
    *worst = samples[TIMES - 1];
    return middle;
}

/* Another process writes its clock's reading down, then rings; the clock is the same one. */
static int64_t other_process_latency(watched *d)
{
    int64_t samples[TIMES / 4];
    int times[2];
    CHECK_EQ(pipe2(times, O_CLOEXEC), 0);
    int before = load_relaxed(&d->job.runs);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < TIMES / 4; i++) {
            pause_ns(1000000);
            int64_t now = pgs_now();
            uint64_t one = 1;
            if (write(times[1], &now, sizeof now) != sizeof now) _exit(1);
            if (write(d->source.fd, &one, sizeof one) != sizeof one) _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < TIMES / 4; i++) {
        CHECK_EQ(read(times[0], &samples[i], sizeof samples[i]), sizeof samples[i]);
        while (load_relaxed(&d->ran_at) < samples[i]) pause_ns(20000);
        samples[i] = load_relaxed(&d->ran_at) - samples[i];
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(load_relaxed(&d->job.runs) > before);
    close(times[0]);
    close(times[1]);
    return median(samples, TIMES / 4);
}

static void test_latency(void)
{
    start();
    int before = proc_count_fds(getpid());
    CHECK_EQ(load_relaxed(&sched->poller.sources), 0);
    int64_t by_futex = ready_latency();
    CHECK_EQ(proc_count_fds(getpid()), before); /* nothing is opened */
    watched d;
    watch(&d);
    settle();
    int64_t by_kick = ready_latency(), worst, by_event = event_latency(&d, &worst);
    int64_t by_process = other_process_latency(&d);
    printf("%u workers: pgs_ready, futex %.1f us, beside a watch %.1f us; event of a thread %.1f us (worst %.1f), of a "
           "process %.1f us\n",
           workers, (double)by_futex / 1e3, (double)by_kick / 1e3, (double)by_event / 1e3, (double)worst / 1e3,
           (double)by_process / 1e3);
    if (!SANITIZED) CHECK(by_event < MS(1) && by_process < MS(1) && by_kick < MS(1));
    CHECK(load_relaxed(&d.fired) >= TIMES);
    unwatch(&d);
    stop();
    CHECK_EQ(proc_count_fds(getpid()), before);
}

/* ---------------------------------------------------------------------------------------------------- busy workers */

static _Atomic(int) sitting;

static void compute(job *self)
{
    add_relaxed(&sitting, 1);
    spin_for(MS(self->value));
    finished();
}

/* All workers compute for 50 ms: the event is seen within some looks of the monitor, and its task runs before they are
 * done, on a spare worker or on the first that is free. */
static void test_all_busy(void)
{
    start();
    watched d;
    watch(&d);
    job *busy = make((int)workers, compute);
    store_relaxed(&sitting, 0);
    for (unsigned i = 0; i < workers; i++) {
        busy[i].value = 50;
        ready(&busy[i]);
    }
    until(&sitting, (int)workers);
    int64_t began = pgs_now();
    ring(d.source.fd);
    await_runs(&d, 1);
    int64_t seen = load_relaxed(&d.fired_at) - began, ran = load_relaxed(&d.ran_at) - began;
    printf("%u workers, all busy: seen after %.1f ms, run after %.1f ms\n", workers, (double)seen / 1e6,
           (double)ran / 1e6);
    if (!SANITIZED) CHECK(seen < MS(40) && ran < MS(400));
    until(&done, (int)workers);
    unwatch(&d);
    stop();
    free(busy);
}

static bool watched_by_worker(void)
{
    uint32_t watch = load_relaxed(&sched->poller.watch);
    return watch != PGS_WATCH_FREE && watch != PGS_WATCH_MONITOR;
}

/* The worker that watched has found work for long, another one is asleep in its futex: it comes to watch, without any
 * event, and the next event finds it. */
static void test_watch_changes_hands(void)
{
    if (workers < 2) return;
    start();
    watched busy, d;
    watch(&busy);
    watch(&d);
    store_relaxed(&busy.busy_ms, 150);
    settle();
    ring(busy.source.fd);
    await_runs(&busy, 1);
    int64_t began = pgs_now();
    while (!watched_by_worker()) {
        CHECK(pgs_now() - began < MS(100));
        pause_ns(100000);
    }
    int64_t vacant = pgs_now() - began, later = median_event(&d, 15);
    printf("%u workers, the one that watched is busy: another one watches after %.1f us, event run after %.1f us\n",
           workers, (double)vacant / 1e3, (double)later / 1e3);
    if (!SANITIZED) CHECK(later < MS(20));
    unwatch(&d);
    unwatch(&busy);
    until(&done, 1);
    stop();
}

static _Atomic(bool) enough;

static void go_round(job *self)
{
    if (load_relaxed(&enough)) {
        finished();
        return;
    }
    spin_for(1000);
    ready(self);
}

/* Workers that are never idle, with short turns, look by themselves. */
static void test_short_turns(void)
{
    start();
    watched d;
    watch(&d);
    store_relaxed(&enough, false);
    job *rounds = make((int)workers, go_round);
    for (unsigned i = 0; i < workers; i++) ready(&rounds[i]);
    int64_t middle = median_event(&d, 50);
    printf("%u workers, short turns: event run after %.1f us\n", workers, (double)middle / 1e3);
    if (!SANITIZED) CHECK(middle < MS(20));
    CHECK(load_relaxed(&d.fired_by_worker) > 10); /* and not by the monitor, which looks more rarely */
    store_relaxed(&enough, true);
    until(&done, (int)workers);
    unwatch(&d);
    stop();
    free(rounds);
}

/* ---------------------------------------------------------------------------------------------------- many, storms */

static void test_thousand(void)
{
    enum { SOURCES = 1000 };
    struct rlimit files;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < SOURCES + 100) {
        files.rlim_cur = files.rlim_max < SOURCES + 100 ? files.rlim_max : SOURCES + 100;
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    }
    int count = files.rlim_cur < SOURCES + 100 ? (int)files.rlim_cur / 2 : SOURCES;
    start();
    watched *all = malloc((size_t)count * sizeof *all);
    CHECK(all);
    for (int i = 0; i < count; i++) watch(&all[i]);
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < count; i++) ring(all[i].source.fd);
        for (int i = 0; i < count; i++) await_runs(&all[i], round);
    }
    for (int i = 0; i < count; i += 2) unwatch(&all[i]); /* slots are used again */
    for (int i = 0; i < count; i += 2) watch(&all[i]);
    for (int i = 0; i < count; i++) {
        int before = load_relaxed(&all[i].job.runs);
        ring(all[i].source.fd);
        await_runs(&all[i], before + 1);
    }
    for (int i = 0; i < count; i++) unwatch(&all[i]);
    stop();
    free(all);
}

static _Atomic(bool) storm_over;
static _Atomic(int) live_fires;

typedef struct mortal {
    pgs_source source;
    _Atomic(bool) alive;
} mortal;

static void fire_mortal(pgs_source *source, uint32_t events)
{
    (void)events;
    mortal *m = container_of(source, mortal, source);
    CHECK(load_acquire(&m->alive)); /* else it was removed; partner: storm_turn */
    add_relaxed(&live_fires, 1);
}

/* A source is added, rung and removed, and its memory freed: where the event is by then, nobody knows. */
static void storm_turn(uint64_t *random)
{
    mortal *m = malloc(sizeof *m);
    CHECK(m);
    m->source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    m->source.fire = fire_mortal;
    store_release(&m->alive, true); /* partner: fire_mortal */
    CHECK_EQ(pgs_source_add(sched, &m->source, EPOLLIN | EPOLLET), 0);
    ring(m->source.fd);
    if (check_random(random) % 4 == 0) pause_ns((int64_t)(check_random(random) % 100000));
    ring(m->source.fd);
    pgs_source_remove(sched, &m->source);
    store_release(&m->alive, false); /* partner: fire_mortal */
    close(m->source.fd);
    free(m);
}

static void *storm_thread(void *arg)
{
    uint64_t random = (uintptr_t)arg;
    while (!load_relaxed(&storm_over)) storm_turn(&random);
    return NULL;
}

/* The same by a task, on a worker. */
static void storm_job(job *self)
{
    uint64_t random = (uint64_t)self->number + 100;
    storm_turn(&random);
    if (load_relaxed(&storm_over)) {
        finished();
    } else {
        pgs_yield(&self->task);
        ready(self);
    }
}

static void test_storm(void)
{
    enum { THREADS = 3 };
    start();
    store_relaxed(&storm_over, false);
    store_relaxed(&live_fires, 0);
    watched d;
    watch(&d);
    pthread_t thread[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&thread[i], NULL, storm_thread, (void *)i), 0);
    job j;
    init(&j, storm_job);
    ready(&j);
    int64_t end = pgs_now() + MS(150);
    for (int runs = 1; pgs_now() < end; runs++) { /* and all the time this one is heard */
        ring(d.source.fd);
        await_runs(&d, runs);
    }
    store_relaxed(&storm_over, true);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    until(&done, 1);
    unwatch(&d);
    CHECK(load_relaxed(&live_fires) > 0);
    CHECK_EQ(load_relaxed(&sched->poller.sources), 0);
    stop();
}

/* Events against jobs from outside, the workers in and out of their sleep: each is answered. */
static void test_both_ways(void)
{
    start();
    watched d;
    watch(&d);
    uint64_t random = check_seed();
    job j;
    for (int i = 1; i <= 1000; i++) {
        init(&j, quick);
        bool ring_first = check_random(&random) % 2;
        if (ring_first) ring(d.source.fd);
        ready(&j);
        if (!ring_first) ring(d.source.fd);
        until(&done, i);
        await_runs(&d, i);
        if (check_random(&random) % 2) spin_for((int64_t)(check_random(&random) % 100000));
    }
    unwatch(&d);
    stop();
}

/* -------------------------------------------------------------------------------------------------- idle, errors */

static int64_t processor_ns(void)
{
    struct timespec t;
    CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void test_idle(void)
{
    start();
    watched d;
    watch(&d);
    settle();
    pause_ns(MS(10));
    int64_t before = processor_ns();
    pause_ns(MS(200));
    int64_t used = processor_ns() - before;
    printf("%u workers, idle: %.3f ms of processor time in 200 ms\n", workers, (double)used / 1e6);
    if (!SANITIZED) CHECK(used < MS(2));
    CHECK(load_relaxed(&sched->monitor_parked));
    ring(d.source.fd); /* and yet awake */
    await_runs(&d, 1);
    unwatch(&d);
    settle();
    ready(&d.job); /* the last one that watched, without sources */
    await_runs(&d, 2);
    stop();
}

static void fire_nothing(pgs_source *source, uint32_t events)
{
    (void)source;
    (void)events;
}

static void test_errors(void)
{
    start();
    pgs_source bad = {.fd = -1, .fire = fire_nothing};
    CHECK_EQ(pgs_source_add(sched, &bad, EPOLLIN), -EBADF);
    bad.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* a regular file is not waited for */
    CHECK(bad.fd >= 0);
    CHECK_EQ(pgs_source_add(sched, &bad, EPOLLIN), -EPERM);
    close(bad.fd);
    CHECK_EQ(load_relaxed(&sched->poller.sources), 0);
    watched d;
    watch(&d);
    pgs_source twice = d.source;
    CHECK_EQ(pgs_source_add(sched, &twice, EPOLLIN), -EEXIST);
    CHECK_EQ(fcntl(sched->poller.epoll, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ(fcntl(sched->poller.kick, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ring(d.source.fd);
    await_runs(&d, 1);
    unwatch(&d);
    stop();
}

/* Armed for one event at a time; a number that another file has got meanwhile is armed for that one. */
static void test_arm(void)
{
    start();
    watched d;
    watch(&d);
    await_runs(&d, 0);
    CHECK_EQ(pgs_source_arm(sched, &d.source, EPOLLIN | EPOLLET | EPOLLONESHOT), 0);
    ring(d.source.fd);
    await_runs(&d, 1);
    ring(d.source.fd);
    pause_ns(MS(5));
    CHECK_EQ(load_relaxed(&d.job.runs), 1);
    CHECK_EQ(pgs_source_arm(sched, &d.source, EPOLLIN | EPOLLET | EPOLLONESHOT), 0); /* what is there fires */
    await_runs(&d, 2);
    int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK_EQ(dup2(other, d.source.fd), d.source.fd);
    close(other);
    errno = 42;
    CHECK_EQ(pgs_source_arm(sched, &d.source, EPOLLIN | EPOLLET | EPOLLONESHOT), 1);
    CHECK_EQ(errno, 42);
    ring(d.source.fd);
    await_runs(&d, 3);
    close(d.source.fd);
    CHECK_EQ(pgs_source_arm(sched, &d.source, EPOLLIN | EPOLLET | EPOLLONESHOT), -EBADF);
    d.source.fd = eventfd(0, EFD_CLOEXEC);
    unwatch(&d);
    stop();
}

static void wait_a_bit(job *self)
{
    CHECK_EQ(wait_until(self, pgs_now() + MS(3)), -ETIME);
    finished();
}

/* Timers end the sleep in epoll_wait as they end the other. */
static void test_timers(bool coarse)
{
    start();
    watched d;
    watch(&d);
    settle();
    sched->poller.coarse = coarse; /* read when the next sleep begins, by whoever watches */
    job *waiters = make(20, wait_a_bit);
    int64_t began = pgs_now();
    for (int i = 0; i < 20; i++) {
        ready(&waiters[i]);
        pause_ns(200000);
    }
    until(&done, 20);
    if (!SANITIZED) CHECK(pgs_now() - began < MS(200));
    unwatch(&d);
    stop();
    free(waiters);
}

static void test_fine_timers(void)
{
    test_timers(false);
}

static void test_coarse_timers(void)
{
    test_timers(true);
}

int main(void)
{
    static void (*const tests[])(void) = {test_latency,  test_all_busy, test_watch_changes_hands, test_short_turns,
                                          test_thousand, test_storm,    test_both_ways,           test_idle,
                                          test_errors,   test_arm,      test_fine_timers,         test_coarse_timers};
    return RUN_TESTS(tests);
}
