/* deque_model.c - sched/deque.h and deque.c under the explorer.
 *
 * Invariants checked:
 *   1. Every item that was pushed is taken or stolen exactly once, or is still there at the end.
 *   2. Whoever gets an item sees what its owner wrote before pushing it (happens-before).
 *   3. One thief gets items in the order in which they were pushed; so does an owner that takes the oldest.
 *   4. An owner's take or take_oldest says "empty" only when thieves have the rest.
 *   5. A cell is written again only after the thief that has emptied it has read it (happens-before).
 *   6. A worker that announces its sleep and then finds the deque empty is seen by the owner that pushes after that. */
#include "deque.h"
#include "explorer.h"

#include <stdlib.h>

enum { ITEMS = 8 };

struct pgs_task {
    int number;
    int got;
};

static pgs_deque deque;
static struct pgs_task tasks[ITEMS];
static int pushed;
static _Atomic(uint32_t) asleep;
static bool parked, seen_asleep;
static int cell; /* stands for the only one, for who reads it when, and who writes it again */

static void start(size_t capacity)
{
    for (int i = 0; i < ITEMS; i++) tasks[i] = (struct pgs_task){.number = i};
    pushed = 0;
    MODEL_CHECK(pgs_deque_init(&deque, capacity) == 0);
    store_relaxed(&asleep, 0);
    parked = seen_asleep = false;
}

static void push(void)
{
    struct pgs_task *t = &tasks[pushed++];
    model_write(&t->number);
    MODEL_CHECK(pgs_deque_push(&deque, t) == 0);
}

static int got(struct pgs_task *t)
{
    if (!t) return -1;
    MODEL_CHECK(t >= tasks && t < tasks + ITEMS);
    model_read(&t->number);
    t->got++;
    MODEL_CHECK(t->got == 1);
    return t->number;
}

static void finish(void)
{
    for (;;) {
        struct pgs_task *t = pgs_deque_take(&deque);
        if (!t) break;
        got(t);
    }
    for (int i = 0; i < pushed; i++) MODEL_CHECK(tasks[i].got == 1);
    pgs_deque_destroy(&deque);
}

static void setup_full(void)
{
    start(2);
    push();
    push();
}

static void setup_wide(void)
{
    start(4);
}

static void setup_tiny(void)
{
    start(1);
}

static void thief(void)
{
    int last = -1;
    for (int i = 0; i < 2; i++) {
        bool lost;
        int number = got(pgs_deque_try_steal(&deque, &lost));
        if (number < 0) continue;
        MODEL_CHECK(number > last);
        last = number;
    }
}

static void thief_once(void)
{
    got(pgs_deque_steal(&deque));
}

static void owner_two(void)
{
    push();
    push();
    int a = got(pgs_deque_take(&deque));
    int b = got(pgs_deque_take(&deque));
    MODEL_CHECK(a == 1 || a == -1 || b == -1); /* newest first */
    MODEL_CHECK(b == -1 || b < a);
}

static void owner_grows(void)
{
    push();
    push();
    push();
    got(pgs_deque_take(&deque));
}

/* The array of two is full: pushing reuses the cells that thieves have emptied, or grows. */
static void owner_wraps(void)
{
    push();
    int oldest = got(pgs_deque_take_oldest(&deque));
    int newest = got(pgs_deque_take(&deque));
    MODEL_CHECK(newest == -1 || newest > oldest);
    push();
}

/* The only item in the only cell: nobody is in this thief's way but an owner that takes it. */
static void setup_one_cell(void)
{
    start(1);
    push();
}

static void thief_of_cell(void)
{
    model_read(&cell);
    thief_once();
}

/* Where the thief has been faster, its cell is used again, unless there is another array. */
static void push_into_cell(struct pgs_task *taken)
{
    if (got(taken) >= 0) return;
    struct pgs_deque_array *array = load_relaxed(&deque.array);
    push();
    if (load_relaxed(&deque.array) == array) model_write(&cell);
}

static void owner_reuses(void)
{
    push_into_cell(NULL);
}

static void owner_takes_and_reuses(void)
{
    push_into_cell(pgs_deque_take(&deque));
}

static void owner_takes_oldest_and_reuses(void)
{
    push_into_cell(pgs_deque_take_oldest(&deque));
}

static void owner_wakes(void)
{
    push();
    fence_seq_cst();
    seen_asleep = load_relaxed(&asleep);
}

static void worker_sleeps(void)
{
    store_relaxed(&asleep, 1);
    fence_seq_cst();
    parked = pgs_deque_size_hint(&deque) == 0;
}

static void finish_wakes(void)
{
    MODEL_CHECK(!parked || seen_asleep);
    finish();
}

int main(void)
{
    static const struct model_case cases[] = {
        {"deque: push, take; two thieves", setup_wide, {owner_two, thief_once, thief_once}, finish, 3, 2, 0},
        {"deque: push, take; one thief, more preemptions", setup_wide, {owner_two, thief}, finish, 5, 2, 0},
        {"deque: growth from one cell; one thief", setup_tiny, {owner_grows, thief}, finish, 4, 1, 0},
        {"deque: growth from one cell; two thieves",
         setup_tiny,
         {owner_grows, thief_once, thief_once},
         finish,
         3,
         1,
         0},
        {"deque: full array wraps, oldest and newest; thieves",
         setup_full,
         {owner_wraps, thief, thief_once},
         finish,
         3,
         1,
         0},
        {"deque: a push looks whether the cell is free",
         setup_one_cell,
         {owner_reuses, thief_of_cell},
         finish,
         5,
         2,
         0},
        {"deque: a take learns that the cell is free",
         setup_one_cell,
         {owner_takes_and_reuses, thief_of_cell},
         finish,
         5,
         2,
         0},
        {"deque: taking the oldest learns that the cell is free",
         setup_one_cell,
         {owner_takes_oldest_and_reuses, thief_of_cell},
         finish,
         5,
         2,
         0},
        {"deque: push against going to sleep", setup_wide, {owner_wakes, worker_sleeps}, finish_wakes, 4, 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
