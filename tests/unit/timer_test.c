/* timer_test.c - the wheel against made-up clocks, against a brute-force model, and with three threads at once. */
#include "../../sched/timer.h"
#include "../support/check.h"

#include <pthread.h>
#include <time.h>

#define TICK PGS_WHEEL_TICK_NS
#define MS ((int64_t)1000000)
#define HOUR (3600 * 1000 * MS)

typedef struct {
    pgs_timer timer;
    int64_t deadline;
    int fired;
    bool pending;
} entry;

static pgs_wheel wheel;
static int64_t clock_now; /* what the running expiry was given */
static int64_t last_tick; /* of the timer that fired last in this expiry */
static bool ordered;      /* whether ticks must not decrease: not when timers were added after their tick */
static unsigned fired_total;

/* The first tick at or after a time, computed in another way than the wheel does. */
static int64_t model_tick(int64_t time)
{
    return time <= 0 ? 0 : (time - 1) / TICK + 1;
}

static void on_fire(pgs_timer *timer)
{
    entry *e = container_of(timer, entry, timer);
    CHECK(e->deadline <= clock_now);
    int64_t tick = model_tick(e->deadline);
    CHECK(!ordered || tick >= last_tick);
    last_tick = tick;
    e->fired++;
    e->pending = false;
    fired_total++;
    memset(timer, 0xa5, sizeof *timer); /* the wheel may not look at it again */
}

static void add(entry *e, int64_t deadline)
{
    *e = (entry){.deadline = deadline, .pending = true};
    pgs_timer_init(&e->timer, on_fire);
    int64_t before = pgs_wheel_next(&wheel);
    bool earlier = pgs_wheel_add(&wheel, &e->timer, deadline);
    CHECK_EQ(earlier, pgs_wheel_next(&wheel) < before);
}

static unsigned expire(int64_t now)
{
    clock_now = now;
    last_tick = 0;
    return pgs_wheel_expire(&wheel, now);
}

/* Adds itself again, to be due in the very tick that is expired, or some time later. */
static int64_t again_after;

static void on_fire_again(pgs_timer *timer)
{
    entry *e = container_of(timer, entry, timer);
    CHECK(e->deadline <= clock_now);
    if (++e->fired % 10 == 0) return;
    e->deadline += again_after;
    pgs_timer_again(timer, e->deadline);
}

static void test_again(void)
{
    static const int64_t steps[] = {TICK, TICK + 1, 5 * MS, 20 * MS, HOUR};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        entry e = {.deadline = HOUR + steps[i]}, other;
        again_after = steps[i];
        pgs_wheel_init(&wheel, HOUR);
        pgs_timer_init(&e.timer, on_fire_again);
        pgs_wheel_add(&wheel, &e.timer, e.deadline);
        add(&other, HOUR + 1000 * HOUR);
        for (int n = 1; n < 10; n++) {
            CHECK_EQ(pgs_wheel_pending(&wheel), 2);
            CHECK_EQ(expire(model_tick(e.deadline) * TICK - 1), 0);
            CHECK_EQ(expire(model_tick(e.deadline) * TICK), 1);
            CHECK_EQ(e.fired, n);
            CHECK(pgs_wheel_next(&wheel) <= model_tick(e.deadline) * TICK);
        }
        CHECK_EQ(expire(HOUR + 11 * steps[i] + TICK), 1); /* the last, which is not added again */
        CHECK_EQ(pgs_wheel_pending(&wheel), 1);
        CHECK(!pgs_timer_cancel(&e.timer));
        e.fired = 0;
        e.deadline = HOUR + 20 * steps[i];
        pgs_wheel_add(&wheel, &e.timer, e.deadline);
        CHECK_EQ(expire(model_tick(e.deadline) * TICK), 1);
        CHECK(pgs_timer_cancel(&e.timer)); /* one that was added again */
        CHECK(pgs_timer_cancel(&other.timer));
        CHECK_EQ(pgs_wheel_next(&wheel), PGS_NEVER);
    }
}

static void test_order(void)
{
    enum { N = 500 };
    static entry e[N];
    pgs_wheel_init(&wheel, 10 * HOUR);
    CHECK_EQ(pgs_wheel_next(&wheel), PGS_NEVER);
    CHECK_EQ(expire(11 * HOUR), 0);
    uint64_t random = 1;
    for (int i = 0; i < N; i++) add(&e[i], 11 * HOUR + (int64_t)(pgs_random(&random) % (uint64_t)(5 * HOUR)));
    CHECK_EQ(pgs_wheel_pending(&wheel), N);
    CHECK_EQ(expire(11 * HOUR), 0);
    CHECK_EQ(expire(16 * HOUR + TICK), N); /* order is checked by on_fire */
    for (int i = 0; i < N; i++) CHECK_EQ(e[i].fired, 1);
    CHECK_EQ(pgs_wheel_pending(&wheel), 0);
    CHECK_EQ(pgs_wheel_next(&wheel), PGS_NEVER);
}

/* Sleeps as a parked worker does, from `next` to `next`.  Returns how often it woke until the timer fired. */
static int wakes_until_fired(entry *e, int64_t now)
{
    int wakes = 0;
    while (!e->fired) {
        int64_t next = pgs_wheel_next(&wheel);
        CHECK(next != PGS_NEVER);
        CHECK(wakes == 0 || next > now);
        CHECK(next < e->deadline + TICK);
        if (next > now) now = next;
        expire(now);
        wakes++;
    }
    CHECK(now >= e->deadline && now < e->deadline + TICK);
    return wakes;
}

static void test_levels(void)
{
    entry e;
    for (int shift = 0; shift < 62; shift++) {
        for (int around = -1; around <= 1; around++) {
            for (int64_t start = 0; start < 3 * HOUR; start += HOUR + 12345) {
                pgs_wheel_init(&wheel, start);
                int64_t deadline = start + ((int64_t)1 << shift) + around;
                add(&e, deadline);
                int wakes = wakes_until_fired(&e, start);
                CHECK(wakes <= PGS_WHEEL_LEVELS);
                if (deadline - start < HOUR) CHECK(wakes <= PGS_TUNED(5, 14)); /* one for each level */
            }
        }
    }
    /* Not one tick too soon, nor one nanosecond. */
    for (int shift = 0; shift < 62; shift++) {
        int64_t deadline = ((int64_t)1 << shift) + 3;
        pgs_wheel_init(&wheel, 0);
        add(&e, deadline);
        CHECK_EQ(expire(deadline - 1), 0);
        CHECK_EQ(expire(deadline + TICK - 1), 1);
    }
}

static void test_past_and_far(void)
{
    entry past, zero, negative, now, never, almost, far;
    pgs_wheel_init(&wheel, HOUR);
    CHECK_EQ(expire(2 * HOUR), 0);
    add(&past, HOUR);
    add(&zero, 0);
    add(&negative, INT64_MIN);
    add(&now, 2 * HOUR);
    CHECK(pgs_wheel_next(&wheel) <= 2 * HOUR);
    CHECK_EQ(pgs_wheel_expire(&wheel, 0), 0); /* a late clock fires nothing */
    CHECK(expire(2 * HOUR) >= 3);
    expire(2 * HOUR + TICK);
    CHECK(past.fired == 1 && zero.fired == 1 && negative.fired == 1 && now.fired == 1);

    add(&never, PGS_NEVER);
    add(&almost, PGS_NEVER - 1);
    CHECK_EQ(pgs_wheel_next(&wheel), PGS_NEVER);
    add(&far, PGS_NEVER - 2 * TICK);
    CHECK(pgs_wheel_next(&wheel) < PGS_NEVER);
    CHECK_EQ(expire(PGS_NEVER - 3 * TICK), 0);
    CHECK_EQ(expire(PGS_NEVER - TICK), 1);
    CHECK_EQ(expire(PGS_NEVER), 0);
    CHECK_EQ(never.fired + almost.fired, 0);
    CHECK(pgs_timer_cancel(&never.timer));
    CHECK(pgs_timer_cancel(&almost.timer));
    CHECK_EQ(pgs_wheel_pending(&wheel), 0);
}

static void on_fire_keep(pgs_timer *timer)
{
    container_of(timer, entry, timer)->fired++;
}

static void test_cancel(void)
{
    entry a, b;
    pgs_wheel_init(&wheel, 0);
    pgs_timer_init(&a.timer, on_fire);
    CHECK(!pgs_timer_cancel(&a.timer)); /* never added */

    add(&a, 5 * MS);
    add(&b, 500 * MS);
    CHECK_EQ(pgs_wheel_next(&wheel), PGS_TUNED(model_tick(5 * MS), 32) * TICK); /* its slot, in a smaller wheel */
    CHECK(pgs_timer_cancel(&a.timer));
    CHECK(!pgs_timer_cancel(&a.timer));
    memset(&a, 0xa5, sizeof a);
    CHECK(pgs_wheel_next(&wheel) > 100 * MS); /* nobody wakes for what was cancelled */
    CHECK(pgs_timer_cancel(&b.timer));
    CHECK_EQ(pgs_wheel_next(&wheel), PGS_NEVER);
    CHECK_EQ(expire(HOUR), 0);

    a = (entry){0};
    pgs_timer_init(&a.timer, on_fire_keep);
    for (int i = 1; i <= 3; i++) { /* the same timer again, after firing and after cancelling */
        pgs_wheel_add(&wheel, &a.timer, HOUR);
        CHECK_EQ(expire(HOUR + TICK), 1);
        CHECK_EQ(a.fired, i);
        CHECK(!pgs_timer_cancel(&a.timer));
        pgs_wheel_add(&wheel, &a.timer, 3 * HOUR);
        CHECK(pgs_timer_cancel(&a.timer));
    }
    CHECK_EQ(pgs_wheel_pending(&wheel), 0);
}

static void check_against_model(const entry *e, int n, int64_t now, bool expired)
{
    int64_t earliest = PGS_NEVER;
    size_t pending = 0;
    for (int i = 0; i < n; i++) {
        if (!e[i].pending) continue;
        pending++;
        if (e[i].deadline < earliest) earliest = e[i].deadline;
    }
    CHECK_EQ(pgs_wheel_pending(&wheel), pending);
    int64_t next = pgs_wheel_next(&wheel);
    if (!pending) {
        CHECK_EQ(next, PGS_NEVER);
        return;
    }
    CHECK(next <= model_tick(earliest) * TICK || next <= now);
    if (!expired) return;
    CHECK(next > now);
    CHECK(model_tick(earliest) > now / TICK); /* whatever was due has fired */
    /* Within the present slots of the lowest level next is exact. */
    if (model_tick(earliest) / PGS_WHEEL_SLOTS == now / TICK / PGS_WHEEL_SLOTS)
        CHECK_EQ(next, model_tick(earliest) * TICK);
}

static void test_model(uint64_t seed)
{
    enum { N = 300, OPERATIONS = 60000 };
    static entry e[N];
    uint64_t random = seed;
    int64_t now = (int64_t)(pgs_random(&random) >> 20);
    pgs_wheel_init(&wheel, now);
    fired_total = 0;
    for (int i = 0; i < N; i++) e[i] = (entry){0};
    for (int i = 0; i < OPERATIONS; i++) {
        entry *one = &e[pgs_random_below(&random, N)];
        bool expired = false;
        switch (pgs_random_below(&random, 4)) {
        case 0:
        case 1:
            if (one->pending) {
                CHECK(pgs_timer_cancel(&one->timer));
                one->pending = false;
            } else {
                /* All magnitudes up to 2^46 ns (20 hours) alike; now and then in the past. */
                int64_t timeout = (int64_t)(pgs_random(&random) >> (18 + pgs_random_below(&random, 46)));
                add(one, pgs_random_below(&random, 20) ? now + timeout : now - timeout);
            }
            break;
        case 2: /* as a parked worker */
            if (pgs_wheel_next(&wheel) != PGS_NEVER && pgs_wheel_next(&wheel) > now) now = pgs_wheel_next(&wheel);
            expired = true;
            break;
        default: /* as a busy one */
            now += (int64_t)(pgs_random(&random) >> (34 + pgs_random_below(&random, 30)));
            expired = true;
        }
        if (expired) {
            unsigned before = fired_total, due = 0;
            for (int k = 0; k < N; k++) due += e[k].pending && model_tick(e[k].deadline) <= now / TICK;
            CHECK_EQ(expire(now), due);
            CHECK_EQ(fired_total - before, due);
        }
        if (i % 8 == 0 || expired) check_against_model(e, N, now, expired);
    }
    CHECK(fired_total > OPERATIONS / 50);
    for (int i = 0; i < N; i++) {
        if (e[i].pending) CHECK(pgs_timer_cancel(&e[i].timer));
    }
    CHECK_EQ(pgs_wheel_next(&wheel), PGS_NEVER);
}

/* More than a batch in one slot, and another thread's cancellations in the gaps. */
static void test_crowded_slot(void)
{
    enum { N = 5000 };
    static entry e[N];
    pgs_wheel_init(&wheel, 0);
    for (int i = 0; i < N; i++) add(&e[i], HOUR + (i % 3) * MS);
    for (int i = 0; i < N; i += 2) {
        CHECK(pgs_timer_cancel(&e[i].timer));
        e[i].pending = false;
    }
    CHECK_EQ(expire(HOUR - 1), 0);
    CHECK_EQ(expire(HOUR + 3 * MS), N / 2);
    for (int i = 0; i < N; i++) CHECK_EQ(e[i].fired, i % 2);
}

/* Threads: two add and cancel timers of their own, each timer in memory that is overwritten at once when cancel
 * returns; one expires, and so do the others now and then. */
enum { THREADS = 3, TIMERS = 64 };

static _Atomic bool stop;
static _Atomic uint64_t thread_fired, thread_cancelled;

static void on_fire_threads(pgs_timer *timer)
{
    entry *e = container_of(timer, entry, timer);
    CHECK(e->deadline <= pgs_now());
    CHECK_EQ(e->fired, 0);
    e->fired = 1; /* not atomic: cancel must order it */
}

static void finish(entry *e)
{
    bool cancelled = pgs_timer_cancel(&e->timer);
    CHECK_EQ(e->fired, cancelled ? 0 : 1);
    if (cancelled)
        add_relaxed(&thread_cancelled, 1);
    else
        add_relaxed(&thread_fired, 1);
    memset(e, 0xa5, sizeof *e);
}

static void *work(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    entry e[TIMERS];
    int used = 0;
    while (!load_relaxed(&stop)) {
        if (used < TIMERS && pgs_random_below(&random, 3)) {
            int64_t timeout = pgs_random_below(&random, 3 * (uint32_t)MS);
            e[used] = (entry){.deadline = pgs_now() + (pgs_random_below(&random, 4) ? timeout : 1000 * timeout)};
            pgs_timer_init(&e[used].timer, on_fire_threads);
            pgs_wheel_add(&wheel, &e[used].timer, e[used].deadline);
            used++;
        } else if (used) {
            int which = (int)pgs_random_below(&random, (uint32_t)used);
            if (pgs_random_below(&random, 50) == 0) { /* wait for it to fire */
                while (e[which].deadline > pgs_now() - TICK && e[which].deadline < pgs_now() + 2 * MS)
                    pgs_wheel_expire(&wheel, pgs_now());
            }
            finish(&e[which]);
            /* A pending timer cannot move: move a copy of its facts and add it anew. */
            if (which != --used) {
                entry last = {.deadline = e[used].deadline};
                finish(&e[used]);
                e[which] = last;
                pgs_timer_init(&e[which].timer, on_fire_threads);
                pgs_wheel_add(&wheel, &e[which].timer, last.deadline);
            }
        }
    }
    while (used) finish(&e[--used]);
    return NULL;
}

static void *expire_all(void *unused)
{
    (void)unused;
    while (!load_relaxed(&stop)) {
        int64_t now = pgs_now();
        pgs_wheel_expire(&wheel, now);
        cpu_relax();
    }
    return NULL;
}

static void test_threads(uint64_t seed)
{
    pthread_t threads[THREADS];
    pgs_wheel_init(&wheel, pgs_now());
    for (int i = 0; i < THREADS; i++) {
        void *argument = (void *)(uintptr_t)(seed + (uint64_t)i);
        CHECK_EQ(pthread_create(&threads[i], NULL, i ? work : expire_all, argument), 0);
    }
    int64_t end = pgs_deadline(check_duration_ms(300) * MS);
    while (pgs_now() < end) nanosleep(&(struct timespec){.tv_nsec = MS}, NULL);
    store_relaxed(&stop, true);
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(pgs_wheel_pending(&wheel), 0);
    CHECK_EQ(pgs_wheel_next(&wheel), PGS_NEVER);
    printf("threads: %" PRIu64 " fired, %" PRIu64 " cancelled\n", load_relaxed(&thread_fired),
           load_relaxed(&thread_cancelled));
    CHECK(load_relaxed(&thread_fired) > 0 && load_relaxed(&thread_cancelled) > 0);
}

int main(void)
{
    uint64_t seed = check_seed();
    ordered = true;
    test_order();
    test_again();
    test_levels();
    test_cancel();
    test_crowded_slot();
    ordered = false;
    test_past_and_far();
    test_model(seed);
    test_threads(seed);
    return 0;
}
