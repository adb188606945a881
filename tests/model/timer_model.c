/* timer_model.c - sched/timer.c and alarm.h under the explorer: a deadline that passes while its sleeper goes to sleep,
 * is woken, and cancels it, and while several look at one wheel.
 *
 * The futex is the explorer's, and who expires a wheel lets go of its lock after two timers.
 *
 * Invariants checked:
 *   1. A sleeper is made ready by exactly one: by its deadline, by whoever wakes it, or by its own commit.  It says
 *      "timed out" exactly when the deadline was the one.
 *   2. When cancel has returned nobody touches the timer any more, and what its callback did is seen (happens-before).
 *   3. A timer fires once or is cancelled, and not both; it fires when its deadline has passed, and is not forgotten.
 *   4. Callback and commit run one at a time, under the lock.
 *   5. `next` and `pending` are right when nobody is in the wheel, and its time only grows.
 *   6. A worker that sleeps until `next` is not too late for a timer that is added meanwhile, or is woken for it. */
#include "alarm.h"
#include "explorer.h"

enum { TIMERS = 3 };

#define TICK PGS_WHEEL_TICK_NS

static pgs_wheel wheel;

/* ------------------------------------------------------------------------------------------------- one that sleeps */

enum { AWAKE, WAITING, WOKEN };

static pgs_alarm alarm;
static pgs_task task;
static _Atomic(uint32_t) token, ready, committing;
static int made_ready, claimed;

static bool commit(pgs_task *t)
{
    uint32_t awake = AWAKE;
    MODEL_CHECK(t == &task);
    model_write(&wheel);
    model_write(&alarm);
    bool waits = cas_acq_rel(&token, &awake, WAITING);
    (void)load_relaxed(&token); /* a moment in which it may be woken */
    return waits;
}

static bool claim(pgs_task *t)
{
    uint32_t waiting = WAITING;
    MODEL_CHECK(t == &task);
    model_write(&wheel);
    model_write(&alarm);
    bool mine = cas_acq_rel(&token, &waiting, WOKEN);
    claimed += mine;
    return mine;
}

static pgs_wait wait = {commit, claim, 5 * TICK};

void pgs_ready(pgs_sched *sched, pgs_task *t)
{
    MODEL_CHECK(!sched && t == &task);
    made_ready++;
    MODEL_CHECK(made_ready == 1);
    store_release(&ready, 1); /* partner: sleeper */
}

static void setup_sleeper(void)
{
    pgs_wheel_init(&wheel, 0);
    store_relaxed(&token, AWAKE);
    store_relaxed(&ready, 0);
    store_relaxed(&committing, 0);
    made_ready = claimed = 0;
}

/* Has left its stack to its worker, and goes on wherever it is made ready. */
static void sleeper(void)
{
    model_write(&alarm);
    pgs_alarm_init(&alarm, NULL, &task, &wait);
    store_release(&committing, 1); /* partner: its_worker */
    while (!load_acquire(&ready)) cpu_relax();
    bool timed_out = pgs_alarm_cancel(&alarm);
    model_write(&alarm);
    MODEL_CHECK(timed_out == (claimed == 1));
}

static void its_worker(void)
{
    while (!load_acquire(&committing)) cpu_relax(); /* partner: sleeper */
    if (pgs_alarm_set(&alarm, &wheel)) return;
    MODEL_CHECK(pgs_wheel_pending(&wheel) == 0);
    pgs_ready(NULL, &task);
}

static void waker(void)
{
    if (xchg_acq_rel(&token, WOKEN) == WAITING) pgs_ready(NULL, &task);
}

static void expire(void)
{
    pgs_wheel_expire(&wheel, 9 * TICK);
}

static void check_empty(void)
{
    MODEL_CHECK(pgs_wheel_pending(&wheel) == 0 && pgs_wheel_next(&wheel) == PGS_NEVER);
}

static void check_sleeper(void)
{
    MODEL_CHECK(made_ready == 1);
    check_empty();
}

/* --------------------------------------------------------------------------------------------------------- several */

static struct one {
    pgs_timer timer;
    int fired, cancelled;
} ones[TIMERS + 1]; /* one of them is added by the way */

static void fire(pgs_timer *timer)
{
    struct one *o = container_of(timer, struct one, timer);
    model_write(&wheel);
    model_write(o);
    o->fired++;
    MODEL_CHECK(o->fired == 1 && !o->cancelled);
}

static void setup_several(void)
{
    pgs_wheel_init(&wheel, 0);
    for (int i = 0; i < TIMERS; i++) {
        ones[i].fired = ones[i].cancelled = 0;
        pgs_timer_init(&ones[i].timer, fire);
        pgs_wheel_add(&wheel, &ones[i].timer, 5 * TICK);
    }
}

/* One fires at once, and the last lies a level higher, and has to go down first. */
static void setup_levels(void)
{
    static const int64_t at[TIMERS] = {5 * TICK, 70 * TICK, 75 * TICK};
    setup_several();
    for (int i = 0; i < TIMERS; i++) {
        pgs_timer_cancel(&ones[i].timer);
        pgs_wheel_add(&wheel, &ones[i].timer, at[i]);
    }
}

static void expire_levels(void)
{
    pgs_wheel_expire(&wheel, 72 * TICK);
}

static void expire_all(void)
{
    pgs_wheel_expire(&wheel, 80 * TICK);
}

static void cancel(int i)
{
    struct one *o = &ones[i];
    bool was_pending = pgs_timer_cancel(&o->timer);
    model_write(o);
    MODEL_CHECK(was_pending != (o->fired == 1));
    o->cancelled = was_pending;
}

static void cancel_two(void)
{
    cancel(2);
    cancel(1);
}

static void cancel_one(void)
{
    cancel(1);
}

static void check_several(void)
{
    pgs_wheel_expire(&wheel, 100 * TICK);
    for (int i = 0; i < TIMERS; i++) MODEL_CHECK(ones[i].fired + ones[i].cancelled == 1);
    check_empty();
}

static void check_levels(void)
{
    MODEL_CHECK(wheel.tick == 80);
    check_several();
}

/* ------------------------------------------------------------------------------------ going to sleep until next */

static _Atomic(bool) asleep;
static bool woken;
static int64_t until;

static void setup_next(void)
{
    pgs_wheel_init(&wheel, 0);
    store_relaxed(&asleep, false);
    woken = false;
    for (int i = 0; i < 2; i++) {
        ones[i].fired = ones[i].cancelled = 0;
        pgs_timer_init(&ones[i].timer, fire);
    }
    pgs_wheel_add(&wheel, &ones[0].timer, 30 * TICK);
}

static void worker_sleeps(void)
{
    store_relaxed(&asleep, true);
    fence_seq_cst(); /* partner: the fence in adds_earlier; as in show_idle */
    until = pgs_wheel_next(&wheel);
}

static void adds_earlier(void)
{
    bool earlier = pgs_wheel_add(&wheel, &ones[1].timer, 5 * TICK);
    fence_seq_cst(); /* partner: the fence in worker_sleeps */
    if (earlier && load_relaxed(&asleep)) woken = true;
}

static void cancels_first(void)
{
    MODEL_CHECK(pgs_timer_cancel(&ones[0].timer));
}

/* As many are due as who expires them handles in a row, and one is left that is late; another is added meanwhile. */
static void setup_batch(void)
{
    setup_several();
    pgs_timer_cancel(&ones[2].timer);
    pgs_wheel_add(&wheel, &ones[2].timer, 30 * TICK);
    ones[TIMERS].fired = ones[TIMERS].cancelled = 0;
    pgs_timer_init(&ones[TIMERS].timer, fire);
    store_relaxed(&asleep, false);
    woken = false;
}

static void expire_batch(void)
{
    pgs_wheel_expire(&wheel, 6 * TICK);
}

static void adds_between(void)
{
    bool earlier = pgs_wheel_add(&wheel, &ones[TIMERS].timer, 8 * TICK);
    fence_seq_cst(); /* partner: the fence in worker_sleeps */
    if (earlier && load_relaxed(&asleep)) woken = true;
}

static void check_batch(void)
{
    MODEL_CHECK(woken || until <= 8 * TICK);
    MODEL_CHECK(pgs_wheel_next(&wheel) == 8 * TICK && pgs_wheel_pending(&wheel) == 2);
}

static void check_next(void)
{
    MODEL_CHECK(woken || until <= 5 * TICK);
    MODEL_CHECK(pgs_wheel_next(&wheel) == 5 * TICK && pgs_wheel_pending(&wheel) == 1);
}

int main(void)
{
    static const struct model_case cases[] = {
        {"timer: a sleep, its deadline, a waker",
         setup_sleeper,
         {sleeper, its_worker, waker, expire},
         check_sleeper,
         2,
         1,
         0},
        {"timer: the same, with two who expire",
         setup_sleeper,
         {sleeper, its_worker, waker, expire, expire},
         check_sleeper,
         1,
         1,
         0},
        {"timer: three in a slot, cancelled and expired",
         setup_several,
         {cancel_two, expire, expire},
         check_several,
         3,
         1,
         0},
        {"timer: two levels, two clocks, a cancel",
         setup_levels,
         {cancel_one, expire_levels, expire_all},
         check_levels,
         3,
         1,
         0},
        {"timer: going to sleep against an earlier one",
         setup_next,
         {worker_sleeps, adds_earlier, cancels_first},
         check_next,
         4,
         2,
         0},
        {"timer: the same, while a batch is expired",
         setup_batch,
         {worker_sleeps, adds_between, expire_batch},
         check_batch,
         3,
         1,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
