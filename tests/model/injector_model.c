/* injector_model.c - sched/injector.h and injector.c under the explorer.
 *
 * Invariants checked:
 *   1. Every link is popped exactly once, or is still there at the end; one producer's in their order.
 *   2. Whoever pops sees what was written before the push (happens-before).
 *   3. No producer touches a link that has been popped.
 *   4. Empty at the end: is_empty says so, and not before.
 *   5. A worker that announces its sleep and then finds the queue empty is seen by a producer that pushes after that;
 *      with a parker, it never sleeps on a queue that is not empty.
 *   6. All that is stored in a link is stored in one order (happens-before), the NULL in the anchor among it. */
#include "explorer.h"

/* The stores of the injector count as writes of plain memory, too: then two that are not ordered are a data race. */
#undef store_relaxed
#undef store_release
#define store_relaxed(p, v) (model_write((const void *)(p)), MODEL_STORE(p, v, MODEL_RELAXED))
#define store_release(p, v) (model_write((const void *)(p)), MODEL_STORE(p, v, MODEL_RELEASE))
#include "injector.c"

enum { NODES = 4 };

struct node {
    pgs_link link;
    int producer, number, payload;
    int popped;
};

static pgs_injector injector;
static struct node nodes[NODES];
static int pushed, popped, last_number[2];
static _Atomic(uint32_t) asleep;
static bool parked, seen_asleep;

static void setup(void)
{
    for (int i = 0; i < NODES; i++) nodes[i] = (struct node){.number = 0};
    pgs_injector_init(&injector);
    pushed = popped = last_number[0] = last_number[1] = 0;
    store_relaxed(&asleep, 0);
    parked = seen_asleep = false;
}

static void push(int i, int producer, int number)
{
    nodes[i].producer = producer;
    nodes[i].number = number;
    model_write(&nodes[i].payload);
    pushed++;
    (void)pgs_injector_push(&injector, &nodes[i].link);
}

static bool pop(void)
{
    pgs_link *link = pgs_injector_pop(&injector);
    if (!link) return false;
    struct node *n = container_of(link, struct node, link);
    MODEL_CHECK(n->popped++ == 0);
    model_write(&n->payload);
    model_free(n, sizeof *n);
    popped++;
    return true;
}

static bool pop_in_order(void)
{
    pgs_link *link = pgs_injector_pop(&injector);
    if (!link) return false;
    struct node *n = container_of(link, struct node, link);
    MODEL_CHECK(n->number == ++last_number[n->producer]);
    model_write(&n->payload);
    model_free(n, sizeof *n);
    popped++;
    return true;
}

static void producer_a(void)
{
    push(0, 0, 1);
    push(1, 0, 2);
}

static void producer_b(void)
{
    push(2, 1, 1);
}

static void consumer_twice(void)
{
    pop();
    pop();
}

static void consumer_until_empty(void)
{
    while (popped < 3) {
        if (!pop_in_order()) cpu_relax();
    }
    MODEL_CHECK(pgs_injector_is_empty(&injector));
}

static void finish(void)
{
    MODEL_CHECK(pgs_injector_is_empty(&injector) == (popped == pushed));
    while (pop()) {}
    MODEL_CHECK(popped == pushed && pgs_injector_is_empty(&injector));
}

static void producer_wakes(void)
{
    push(0, 0, 1);
    seen_asleep = load_seq_cst(&asleep);
}

static void worker_sleeps(void)
{
    store_seq_cst(&asleep, 1);
    parked = pgs_injector_is_empty_final(&injector);
}

static void finish_wakes(void)
{
    MODEL_CHECK(!parked || seen_asleep);
}

int main(void)
{
    static const struct model_case cases[] = {
        {"injector: two producers, two consumers",
         setup,
         {producer_a, producer_b, consumer_twice, consumer_twice},
         finish,
         3,
         1,
         0},
        {"injector: two producers, one consumer, order",
         setup,
         {producer_a, producer_b, consumer_until_empty},
         finish,
         3,
         2,
         0},
        {"injector: push against going to sleep", setup, {producer_wakes, worker_sleeps}, finish_wakes, 4, 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
