/* lifo_stress.c - sched/lifo.h: an owner that swaps tasks as fast as it can, and a monitor that robs it all the time.
 *
 * A task is plain memory, and belongs to whoever got it last: the owner writes it before it puts it into the slot, and
 * both count it when they get it.  Each that was put there comes out once.  With heavy fences, and with full ones. */
#include "lifo.h"

#include "check.h"

#include <pthread.h>

enum { TASKS = 64 };

struct pgs_task {
    uint64_t put, got;  /* of whoever has it */
    _Atomic(bool) busy; /* in the slot, or just robbed */
};

static pgs_lifo slot;
static struct pgs_task tasks[TASKS];
static _Atomic(bool) over;
static uint64_t robbed;

static void get(struct pgs_task *task)
{
    if (!task) return;
    CHECK_EQ(task->put, task->got + 1);
    task->got++;
    store_release(&task->busy, false); /* partner: the look in own() */
}

static void *rob(void *unused)
{
    (void)unused;
    while (!load_acquire(&over)) { /* partner: run() */
        struct pgs_task *task = pgs_lifo_rob(&slot);
        robbed += task != NULL;
        get(task);
    }
    return NULL;
}

/* Puts what it has at hand, or nothing, into the slot. */
static void own(uint64_t *random)
{
    uint64_t r = check_random(random);
    struct pgs_task *task = r % 3 == 0 ? NULL : &tasks[r % TASKS];
    if (task && load_acquire(&task->busy)) task = NULL; /* partner: get() */
    if (task) {
        task->put++;
        store_relaxed(&task->busy, true);
    }
    get(pgs_lifo_swap(&slot, task));
}

static void run(bool heavy, int64_t ms, uint64_t *random)
{
    pthread_t monitor;
    uint64_t put = 0;
    pgs_lifo_init(&slot, heavy);
    memset(tasks, 0, sizeof tasks);
    robbed = 0;
    store_relaxed(&over, false);
    CHECK_EQ(pthread_create(&monitor, NULL, rob, NULL), 0);
    for (int64_t end = check_now_ns() + ms * 1000000; check_now_ns() < end;)
        for (int i = 0; i < 1000; i++) own(random);
    store_release(&over, true); /* partner: rob() */
    pthread_join(monitor, NULL);
    get(pgs_lifo_swap(&slot, NULL));
    CHECK(pgs_lifo_is_empty(&slot));
    for (int i = 0; i < TASKS; i++) {
        put += tasks[i].put;
        CHECK_EQ(tasks[i].put, tasks[i].got);
    }
    printf("%s fences: %" PRIu64 " put, %" PRIu64 " robbed\n", heavy ? "heavy" : "full", put, robbed);
    CHECK(put > 0);
}

int main(void)
{
    uint64_t random = check_seed();
    int64_t ms = check_duration_ms(1000);
    run(register_heavy(), ms / 2, &random);
    run(false, ms / 2, &random);
    return 0;
}
