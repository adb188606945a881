/* deque_test.c - sched/deque: order at both ends, growth, wrapping; one thread. */
#include "deque.h"

#include "check.h"

struct pgs_task {
    int number;
};

enum { MANY = 10000 };

static struct pgs_task tasks[MANY];

static int number(struct pgs_task *t)
{
    return t ? t->number : -1;
}

static void test_order(void)
{
    pgs_deque d;
    CHECK_EQ(pgs_deque_init(&d, 4), 0);
    CHECK(!pgs_deque_take(&d) && !pgs_deque_steal(&d) && !pgs_deque_take_oldest(&d));
    for (int i = 0; i < 4; i++) CHECK_EQ(pgs_deque_push(&d, &tasks[i]), 0);
    CHECK_EQ(pgs_deque_size_hint(&d), 4);
    CHECK_EQ(number(pgs_deque_take(&d)), 3);
    CHECK_EQ(number(pgs_deque_steal(&d)), 0);
    CHECK_EQ(number(pgs_deque_take_oldest(&d)), 1);
    CHECK_EQ(number(pgs_deque_take(&d)), 2);
    CHECK(!pgs_deque_take(&d) && !pgs_deque_take_oldest(&d));
    bool lost = true;
    CHECK(!pgs_deque_try_steal(&d, &lost) && !lost);
    CHECK_EQ(pgs_deque_size_hint(&d), 0);
    pgs_deque_destroy(&d);
}

/* From one cell to all of them, with a steal between so that the live part wraps around the end of the array. */
static void test_growth(void)
{
    pgs_deque d;
    CHECK_EQ(pgs_deque_init(&d, 1), 0);
    int stolen = 0;
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(pgs_deque_push(&d, &tasks[i]), 0);
        if (i % 3 == 0) CHECK_EQ(number(pgs_deque_steal(&d)), stolen++);
    }
    for (int i = MANY - 1; i >= stolen; i--) CHECK_EQ(number(pgs_deque_take(&d)), i);
    CHECK(!pgs_deque_take(&d));
    pgs_deque_destroy(&d);
}

/* A deque that never holds more than its capacity does not grow, however much passes through it. */
static void test_no_needless_growth(void)
{
    pgs_deque d;
    CHECK_EQ(pgs_deque_init(&d, 2), 0);
    struct pgs_deque_array *array = load_relaxed(&d.array);
    for (int i = 0; i < MANY - 1; i++) {
        CHECK_EQ(pgs_deque_push(&d, &tasks[i]), 0);
        CHECK_EQ(pgs_deque_push(&d, &tasks[i + 1]), 0);
        CHECK_EQ(number(pgs_deque_steal(&d)), i);
        CHECK_EQ(number(i % 2 ? pgs_deque_take(&d) : pgs_deque_take_oldest(&d)), i + 1);
    }
    CHECK(load_relaxed(&d.array) == array);
    pgs_deque_destroy(&d);
}

/* Against a plain array as the reference, by random operations. */
static void test_random(uint64_t seed)
{
    pgs_deque d;
    CHECK_EQ(pgs_deque_init(&d, 2), 0);
    int reference[MANY], top = 0, bottom = 0, next = 0;
    while (next < MANY) {
        switch (check_random(&seed) % 5) {
        case 0:
        case 1:
            CHECK_EQ(pgs_deque_push(&d, &tasks[next]), 0);
            reference[bottom++] = next++;
            break;
        case 2: CHECK_EQ(number(pgs_deque_take(&d)), bottom > top ? reference[--bottom] : -1); break;
        case 3: CHECK_EQ(number(pgs_deque_steal(&d)), bottom > top ? reference[top++] : -1); break;
        default: CHECK_EQ(number(pgs_deque_take_oldest(&d)), bottom > top ? reference[top++] : -1); break;
        }
        CHECK_EQ(pgs_deque_size_hint(&d), bottom - top);
    }
    pgs_deque_destroy(&d);
}

int main(void)
{
    for (int i = 0; i < MANY; i++) tasks[i].number = i;
    test_order();
    test_growth();
    test_no_needless_growth();
    test_random(check_seed());
    return 0;
}
