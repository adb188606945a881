/* injector_stress.c - sched/injector with two producers and two workers that park: nothing lost, nothing twice, and no
 * worker asleep while there is work.
 *
 * A worker parks as the scheduler does: announce, look a last time, sleep.  A producer that stays quiet for a moment
 * lets them all fall asleep; a wake-up that is lost shows as a park that times out. */
#include "injector.h"
#include "parker.h"

#include "check.h"

#include <pthread.h>
#include <time.h>

enum { PRODUCERS = 2, WORKERS = 2, BURST = 64 };

struct node {
    pgs_link link;
    uint64_t number;
    int producer;
    int popped; /* plain: a second popper is also a data race */
};

static pgs_injector injector;
static pgs_parker parkers[WORKERS];
static _Atomic(uint32_t) asleep[WORKERS];
static _Atomic(bool) stop, complete; /* producers are to end; producers have ended */
static _Atomic(uint64_t) sent, received, parks;

static void wake(bool all)
{
    for (int i = 0; i < WORKERS; i++) {
        if (!load_seq_cst(&asleep[i]) && !all) continue; /* partner: the announcement in fall_asleep */
        pgs_parker_unpark(&parkers[i]);
        if (!all) return;
    }
}

static void *producer(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg, count = 0;
    while (!load_relaxed(&stop)) {
        for (uint64_t n = check_random(&random) % BURST; n > 0; n--) {
            struct node *node = calloc(1, sizeof *node);
            CHECK(node);
            node->number = count++;
            pgs_injector_push(&injector, &node->link);
            wake(false);
        }
        if (check_random(&random) % 4 == 0) {
            struct timespec pause = {0, (long)(check_random(&random) % 100000)};
            nanosleep(&pause, NULL);
        }
    }
    add_relaxed(&sent, count);
    return NULL;
}

static void fall_asleep(int me)
{
    store_seq_cst(&asleep[me], 1); /* partner: the look in wake */
    if (pgs_injector_is_empty_final(&injector) && !load_seq_cst(&complete)) {
        if (!pgs_parker_park(&parkers[me], check_now_ns() + (int64_t)20 * 1000000000)) CHECK_FAIL("a wake-up was lost");
        add_relaxed(&parks, 1u);
    }
    store_relaxed(&asleep[me], 0);
}

static void *worker(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t count = 0;
    while (!load_seq_cst(&complete) || !pgs_injector_is_empty(&injector)) {
        pgs_link *link = pgs_injector_pop(&injector);
        if (!link) {
            fall_asleep(me);
            continue;
        }
        struct node *node = container_of(link, struct node, link);
        CHECK_EQ(node->popped++, 0);
        free(node);
        count++;
    }
    add_relaxed(&received, count);
    return NULL;
}

int main(void)
{
    uint64_t random = check_seed();
    int64_t limit = check_duration_ms(1000);
    pthread_t producers[PRODUCERS], workers[WORKERS];
    pgs_injector_init(&injector);
    for (int i = 0; i < WORKERS; i++) pgs_parker_init(&parkers[i]);
    for (intptr_t i = 0; i < WORKERS; i++) CHECK_EQ(pthread_create(&workers[i], NULL, worker, (void *)i), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        CHECK_EQ(pthread_create(&producers[i], NULL, producer, (void *)(uintptr_t)check_random(&random)), 0);
    }
    struct timespec pause = {limit / 1000, limit % 1000 * 1000000};
    nanosleep(&pause, NULL);
    store_relaxed(&stop, true);
    for (int i = 0; i < PRODUCERS; i++) pthread_join(producers[i], NULL);
    store_seq_cst(&complete, true);
    wake(true);
    for (int i = 0; i < WORKERS; i++) pthread_join(workers[i], NULL);
    CHECK_EQ(load_relaxed(&received), load_relaxed(&sent));
    CHECK(pgs_injector_is_empty(&injector));
    printf("%" PRIu64 " tasks, %" PRIu64 " parks\n", load_relaxed(&sent), load_relaxed(&parks));
    return 0;
}
