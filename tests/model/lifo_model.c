/* lifo_model.c - sched/lifo.h and lifo.c under the explorer.
 *
 * Invariants checked:
 *   1. Every task that was put into the slot is removed by its owner or robbed, once, and never both.
 *   2. Whoever gets a task sees what the owner wrote before putting it there (happens-before), also of one that comes
 *      back.
 *   3. The monitor may ask again after each robbery, once the owner has noticed. */
#include "explorer.h"
#include "lifo.h"

enum { TASKS = 3 };

struct pgs_task {
    int content;
    int in; /* puts less gets */
};

static pgs_lifo slot;
static struct pgs_task tasks[TASKS];
static int put_count, got_count;
static bool with_heavy;

static void setup(void)
{
    pgs_lifo_init(&slot, with_heavy);
    for (int i = 0; i < TASKS; i++) tasks[i] = (struct pgs_task){0, 0};
    put_count = got_count = 0;
}

static void got(struct pgs_task *task)
{
    if (!task) return;
    model_read(&task->content);
    MODEL_CHECK(--task->in == 0);
    got_count++;
}

static void put(int i)
{
    model_write(&tasks[i].content);
    MODEL_CHECK(++tasks[i].in == 1);
    put_count++;
    got(pgs_lifo_swap(&slot, &tasks[i]));
}

static void take(void)
{
    got(pgs_lifo_swap(&slot, NULL));
}

static void owner_takes(void)
{
    put(0);
    take();
}

static void owner_displaces(void)
{
    put(0);
    put(1);
    take();
}

/* The same task comes back, if it is the owner's. */
static void owner_puts_again(void)
{
    put(0);
    take();
    if (tasks[0].in == 0 && got_count == put_count) put(1);
    take();
    put(2);
    take();
}

static void owner_repeats(void)
{
    for (int i = 0; i < 2; i++) {
        model_write(&tasks[0].content);
        tasks[0].in++;
        put_count++;
        struct pgs_task *before = pgs_lifo_swap(&slot, &tasks[0]);
        MODEL_CHECK(!before);
        before = pgs_lifo_swap(&slot, NULL);
        got(before);
        if (!before) return; /* robbed: it is not the owner's to put there again */
    }
}

static void monitor_robs(void)
{
    got(pgs_lifo_rob(&slot));
}

static void monitor_robs_twice(void)
{
    monitor_robs();
    monitor_robs();
}

static void check(void)
{
    take();
    MODEL_CHECK(put_count == got_count);
    for (int i = 0; i < TASKS; i++) MODEL_CHECK(tasks[i].in == 0);
    MODEL_CHECK(pgs_lifo_is_empty(&slot));
    MODEL_CHECK((load_relaxed(&slot.claim) & ~(uintptr_t)PGS_LIFO_FENCED) == 0);
}

static void explore(void)
{
    static const struct model_case cases[] = {
        {"lifo: one task, taken or robbed", setup, {owner_takes, monitor_robs}, check, 4, 2, 0},
        {"lifo: one displaces another", setup, {owner_displaces, monitor_robs}, check, 4, 2, 0},
        {"lifo: one displaces another, and asked again", setup, {owner_displaces, monitor_robs_twice}, check, 4, 2, 0},
        {"lifo: several, and asked again", setup, {owner_puts_again, monitor_robs_twice}, check, 3, 2, 0},
        {"lifo: one that comes back", setup, {owner_repeats, monitor_robs_twice}, check, 4, 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
}

int main(void)
{
    with_heavy = true;
    explore();
    with_heavy = false; /* full fences on both sides */
    explore();
    return 0;
}
