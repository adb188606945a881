/* injector_test.c - sched/injector: order, emptiness, the gap, the try-lock; one thread. */
#include "injector.h"

#include "check.h"

enum { MANY = 100 };

static pgs_injector inj;
static pgs_link link_of[MANY];

static void test_order(void)
{
    pgs_injector_init(&inj);
    CHECK(pgs_injector_is_empty(&inj) && pgs_injector_is_empty_final(&inj) && !pgs_injector_pop(&inj));
    for (int round = 1; round < 10; round++) {
        for (int i = 0; i < MANY; i++) CHECK_EQ(pgs_injector_push(&inj, &link_of[i]), i == 0);
        for (int i = 0; i < MANY; i++) {
            CHECK(!pgs_injector_is_empty(&inj) && !pgs_injector_is_empty_final(&inj));
            CHECK(pgs_injector_pop(&inj) == &link_of[i]);
            if (i % round == 0) { /* a popped link may come again at once */
                pgs_injector_push(&inj, &link_of[i]);
                for (int k = i + 1; k < MANY; k++) CHECK(pgs_injector_pop(&inj) == &link_of[k]);
                CHECK(pgs_injector_pop(&inj) == &link_of[i]);
                break;
            }
        }
        CHECK(pgs_injector_is_empty(&inj) && !pgs_injector_pop(&inj));
    }
}

/* A producer that stands between its exchange and its link, played by hand: not empty, and nothing to pop. */
static void test_gap(void)
{
    pgs_injector_init(&inj);
    pgs_injector_push(&inj, &link_of[0]);
    store_relaxed(&link_of[1].next, NULL);
    pgs_link *before = xchg_seq_cst(&inj.tail, &link_of[1]);
    pgs_injector_push(&inj, &link_of[2]);
    CHECK(!pgs_injector_pop(&inj) && !pgs_injector_is_empty(&inj)); /* link 0 cannot be let go yet either */
    store_release(&before->next, &link_of[1]);
    for (int i = 0; i < 3; i++) CHECK(pgs_injector_pop(&inj) == &link_of[i]);
    CHECK(!pgs_injector_pop(&inj) && pgs_injector_is_empty(&inj));
}

static void test_lock(void)
{
    pgs_injector_init(&inj);
    pgs_injector_push(&inj, &link_of[0]);
    store_relaxed(&inj.lock, 1);
    CHECK(!pgs_injector_pop(&inj) && !pgs_injector_is_empty_final(&inj));
    store_relaxed(&inj.lock, 0);
    CHECK(pgs_injector_pop(&inj) == &link_of[0]);
}

int main(void)
{
    test_order();
    test_gap();
    test_lock();
    return 0;
}
