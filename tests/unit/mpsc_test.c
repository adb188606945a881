/* mpsc_test.c - sched/mpsc.h: the idle bit, rest and sleep, the gap, claims, scans, the end of life; one thread. */
#include "mpsc.h"

#include "check.h"

static pgs_mpsc q;
static pgs_mpsc_node node[4];

static void test_idle_and_rest(void)
{
    pgs_mpsc_node *released = &node[3];
    pgs_mpsc_init(&q, true);
    CHECK(pgs_mpsc_idle_hint(&q) && pgs_mpsc_is_empty_hint(&q));
    CHECK(pgs_mpsc_push(&q, &node[0]));  /* the first is told to schedule, */
    CHECK(!pgs_mpsc_push(&q, &node[1])); /* the second is not */
    CHECK(!pgs_mpsc_rest(&q, &released) && !released);
    CHECK(!pgs_mpsc_sleep(&q, q.head));
    CHECK(pgs_mpsc_peek(&q) == &node[0] && pgs_mpsc_next(&node[0]) == &node[1]);
    CHECK(pgs_mpsc_advance(&q, &node[0]) == NULL); /* what it leaves behind is the anchor */
    CHECK(pgs_mpsc_peek(&q) == &node[1]);
    CHECK(pgs_mpsc_advance(&q, &node[1]) == &node[0]);
    CHECK(!pgs_mpsc_peek(&q) && pgs_mpsc_is_empty_hint(&q));
    CHECK(pgs_mpsc_rest(&q, &released) && released == &node[1]);
    CHECK(pgs_mpsc_idle_hint(&q) && pgs_mpsc_is_empty_hint(&q));
    CHECK(pgs_mpsc_push(&q, &node[1])); /* and a released node may come again */
    CHECK(pgs_mpsc_peek(&q) == &node[1]);
}

static void test_sleep(void)
{
    pgs_mpsc_node *released;
    pgs_mpsc_init(&q, true);
    CHECK(pgs_mpsc_push(&q, &node[0]));
    CHECK(!pgs_mpsc_advance(&q, pgs_mpsc_peek(&q)));
    CHECK(pgs_mpsc_sleep(&q, q.head) && pgs_mpsc_idle_hint(&q));
    CHECK(pgs_mpsc_push(&q, &node[1])); /* wakes the sleeper, whose message is still there */
    CHECK(pgs_mpsc_advance(&q, pgs_mpsc_peek(&q)) == &node[0]);
    CHECK(pgs_mpsc_rest(&q, &released) && released == &node[1]);
    CHECK(pgs_mpsc_claim(&q));
    CHECK(pgs_mpsc_sleep(&q, q.head)); /* with the anchor for a head, too */
    CHECK(pgs_mpsc_push(&q, &node[0]));
}

static void test_claim(void)
{
    pgs_mpsc_node *released;
    pgs_mpsc_init(&q, true);
    CHECK(pgs_mpsc_claim(&q));           /* the claimer schedules, */
    CHECK(!pgs_mpsc_claim(&q));          /* once, */
    CHECK(!pgs_mpsc_push(&q, &node[0])); /* and a pusher after it does not */
    CHECK(!pgs_mpsc_advance(&q, pgs_mpsc_peek(&q)));
    CHECK(!pgs_mpsc_claim(&q));
    CHECK(pgs_mpsc_rest(&q, &released) && released == &node[0]);
    CHECK(pgs_mpsc_claim(&q));
    CHECK(pgs_mpsc_rest(&q, &released) && !released);
    pgs_mpsc_init(&q, false);
    CHECK(!pgs_mpsc_claim(&q) && !pgs_mpsc_push(&q, &node[0]));
}

/* A producer that stands between its exchange and its link, played by hand. */
static void test_gap(void)
{
    pgs_mpsc_node *released;
    pgs_mpsc_init(&q, false);
    store_relaxed(&node[0].next, NULL);
    uintptr_t before = xchg_acq_rel(&q.tail, (uintptr_t)&node[0]);
    CHECK(!pgs_mpsc_push(&q, &node[1]));
    CHECK(!pgs_mpsc_peek(&q) && !pgs_mpsc_is_empty_hint(&q));
    CHECK(!pgs_mpsc_rest(&q, &released) && !pgs_mpsc_sleep(&q, q.head) && !pgs_mpsc_detach(&q));
    store_release(&((pgs_mpsc_node *)before)->next, &node[0]);
    CHECK(pgs_mpsc_detach(&q) == &node[0]);
    CHECK(pgs_mpsc_detach(&q) == &node[1]);
    CHECK(!pgs_mpsc_detach(&q) && pgs_mpsc_is_empty_hint(&q));
}

/* A consumer that looks for one node, takes it out of the middle, and goes idle behind those that it leaves. */
static void test_scan(void)
{
    pgs_mpsc_init(&q, false);
    for (int i = 0; i < 3; i++) CHECK(!pgs_mpsc_push(&q, &node[i]));
    CHECK(pgs_mpsc_unlink(&node[0], &node[1]));
    CHECK(!pgs_mpsc_unlink(&node[0], &node[2])); /* the last one stays */
    CHECK(!pgs_mpsc_sleep(&q, q.head) && !pgs_mpsc_sleep(&q, &node[0]));
    CHECK(pgs_mpsc_sleep(&q, &node[2]) && !pgs_mpsc_is_empty_hint(&q));
    CHECK(pgs_mpsc_push(&q, &node[1]) && pgs_mpsc_next(&node[2]) == &node[1]);
    CHECK(pgs_mpsc_unlink(&q.anchor, &node[0])); /* the first, with the anchor before it */
    CHECK(pgs_mpsc_peek(&q) == &node[2]);
    CHECK(pgs_mpsc_detach(&q) == &node[2] && pgs_mpsc_detach(&q) == &node[1] && !pgs_mpsc_detach(&q));
}

static void test_detach(void)
{
    pgs_mpsc_init(&q, true);
    CHECK(pgs_mpsc_push(&q, &node[0]));
    CHECK(!pgs_mpsc_push(&q, &node[1]));
    CHECK(!pgs_mpsc_push(&q, &node[2]));
    CHECK(!pgs_mpsc_advance(&q, pgs_mpsc_peek(&q)));
    for (int i = 0; i < 3; i++) CHECK(pgs_mpsc_detach(&q) == &node[i]); /* the one being handled comes, too */
    CHECK(!pgs_mpsc_detach(&q));
    CHECK(!pgs_mpsc_push(&q, &node[0])); /* nobody is to schedule the dead */
    CHECK(pgs_mpsc_detach(&q) == &node[0] && !pgs_mpsc_detach(&q));
}

int main(void)
{
    test_idle_and_rest();
    test_sleep();
    test_claim();
    test_gap();
    test_scan();
    test_detach();
    return 0;
}
