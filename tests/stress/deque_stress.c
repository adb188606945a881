/* deque_stress.c - sched/deque with three thieves: nothing lost, nothing twice, each thief in order.
 *
 * The owner pushes, takes and takes the oldest at random; each round has a new deque, often of one cell, so that growth
 * happens under theft. */
#include "deque.h"

#include "check.h"

#include <pthread.h>
#include <time.h>

enum { ITEMS = 20000, THIEVES = 3 };

struct pgs_task {
    uint32_t number;
    uint32_t got; /* plain: a second taker is also a data race */
};

static struct pgs_task tasks[ITEMS];
static pgs_deque deque;
static _Atomic(bool) done;

static void got(struct pgs_task *t)
{
    if (t->got++) CHECK_FAIL("item %u twice", t->number);
}

static void *thief(void *unused)
{
    int64_t last = -1;
    for (;;) {
        bool finished = load_acquire(&done), lost; /* partner: the release in owner */
        struct pgs_task *t = pgs_deque_try_steal(&deque, &lost);
        if (t) {
            got(t);
            CHECK(t->number > last);
            last = t->number;
        } else if (finished && !lost) {
            return unused;
        }
    }
}

static void owner(uint64_t *random)
{
    uint32_t next = 0;
    while (next < ITEMS) {
        uint64_t r = check_random(random);
        uint32_t pushes = r % 7;
        for (uint32_t i = 0; i < pushes && next < ITEMS; i++) CHECK_EQ(pgs_deque_push(&deque, &tasks[next++]), 0);
        uint32_t takes = (r >> 8) % 6;
        for (uint32_t i = 0; i < takes; i++) {
            struct pgs_task *t = r >> 16 & 3 ? pgs_deque_take(&deque) : pgs_deque_take_oldest(&deque);
            if (t) got(t);
        }
    }
    store_release(&done, true); /* partner: the acquire in thief */
}

static void round_of(uint64_t *random)
{
    pthread_t threads[THIEVES];
    for (uint32_t i = 0; i < ITEMS; i++) tasks[i] = (struct pgs_task){.number = i};
    CHECK_EQ(pgs_deque_init(&deque, (size_t)1 << check_random(random) % 5), 0);
    store_relaxed(&done, false);
    for (int i = 0; i < THIEVES; i++) CHECK_EQ(pthread_create(&threads[i], NULL, thief, NULL), 0);
    owner(random);
    for (int i = 0; i < THIEVES; i++) pthread_join(threads[i], NULL);
    CHECK(!pgs_deque_take(&deque));
    for (uint32_t i = 0; i < ITEMS; i++) CHECK_EQ(tasks[i].got, 1);
    pgs_deque_destroy(&deque);
}

int main(void)
{
    uint64_t random = check_seed();
    int64_t limit = check_duration_ms(1000);
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int rounds = 0;
    do {
        round_of(&random);
        rounds++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < limit);
    printf("%d rounds of %d items\n", rounds, ITEMS);
    return 0;
}
