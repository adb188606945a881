/* mpsc_stress.c - sched/mpsc.h with three producers and a claimer: nothing lost, each producer in order, one consumer.
 *
 * Whoever is told to schedule the consumer runs it on the spot, so it wanders between all threads.  It sleeps in the
 * middle of messages, rests, or meets gaps, at random.  Nodes are freed as soon as they are released. */
#include "mpsc.h"

#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

enum { PRODUCERS = 3 };

struct node {
    pgs_mpsc_node link;
    int producer;
    uint64_t number;
};

static pgs_mpsc queue;
static _Atomic(bool) stop;
static uint64_t sent[PRODUCERS];

/* The consumer's private state: plain, handed from run to run by the idle bit alone. */
static struct {
    bool running, in_message;
    uint64_t random, received[PRODUCERS], runs, gaps;
} own;

static void release(pgs_mpsc_node *link)
{
    if (link) free(container_of(link, struct node, link));
}

static void handle(pgs_mpsc_node *link)
{
    struct node *n = container_of(link, struct node, link);
    release(pgs_mpsc_advance(&queue, link));
    CHECK_EQ(n->number, own.received[n->producer]);
    own.received[n->producer]++;
    own.in_message = check_random(&own.random) % 4 == 0;
}

static void run_consumer(void)
{
    CHECK(!own.running);
    own.running = true;
    own.runs++;
    for (;;) {
        pgs_mpsc_node *link = pgs_mpsc_peek(&queue), *last = NULL;
        if (link) {
            handle(link);
            continue;
        }
        bool blocks = own.in_message;
        own.in_message = own.running = false;
        if (blocks ? pgs_mpsc_sleep(&queue, queue.head) : pgs_mpsc_rest(&queue, &last)) {
            release(last);
            return;
        }
        own.running = true;
        if (!pgs_mpsc_peek(&queue)) {
            own.gaps++;
            sched_yield();
        }
    }
}

static void *producer(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t n = 0;
    while (!load_relaxed(&stop)) {
        for (int i = 0; i < 64; i++) {
            struct node *node = malloc(sizeof *node);
            CHECK(node);
            node->producer = me;
            node->number = n++;
            if (pgs_mpsc_push(&queue, &node->link)) run_consumer();
        }
    }
    sent[me] = n;
    return NULL;
}

static void *claimer(void *unused)
{
    uint64_t random = 1;
    while (!load_relaxed(&stop)) {
        if (pgs_mpsc_claim(&queue)) run_consumer();
        for (uint64_t i = check_random(&random) % 256; i > 0; i--) cpu_relax();
    }
    return unused;
}

int main(void)
{
    own.random = check_seed();
    int64_t limit = check_duration_ms(1000);
    pthread_t threads[PRODUCERS + 1];
    pgs_mpsc_init(&queue, true);
    for (intptr_t i = 0; i < PRODUCERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, producer, (void *)i), 0);
    CHECK_EQ(pthread_create(&threads[PRODUCERS], NULL, claimer, NULL), 0);
    struct timespec pause = {limit / 1000, limit % 1000 * 1000000};
    nanosleep(&pause, NULL);
    store_relaxed(&stop, true);
    for (int i = 0; i <= PRODUCERS; i++) pthread_join(threads[i], NULL);
    CHECK(pgs_mpsc_idle_hint(&queue) && pgs_mpsc_is_empty_hint(&queue));
    uint64_t total = 0;
    for (int i = 0; i < PRODUCERS; i++) {
        CHECK_EQ(own.received[i], sent[i]);
        total += sent[i];
    }
    CHECK(pgs_mpsc_claim(&queue));
    release(pgs_mpsc_detach(&queue)); /* the message that a sleeper still held */
    printf("%" PRIu64 " messages in %" PRIu64 " runs, %" PRIu64 " gaps\n", total, own.runs, own.gaps);
    return 0;
}
