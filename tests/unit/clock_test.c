/* clock_test.c - time does not run backwards, deadlines saturate, random numbers are the published sequence. */
#include "../../sched/clock.h"
#include "../support/check.h"

#include <errno.h>

static void test_now(void)
{
    int64_t last = pgs_now();
    CHECK(last > 0);
    for (int i = 0; i < 10000; i++) {
        int64_t now = pgs_now();
        CHECK(now >= last);
        last = now;
    }
}

static void test_deadline(void)
{
    CHECK_EQ(pgs_deadline(0), 0);
    CHECK_EQ(pgs_deadline(-1), 0);
    CHECK_EQ(pgs_deadline(INT64_MIN), 0);
    CHECK_EQ(pgs_deadline(PGS_NEVER), PGS_NEVER);
    CHECK_EQ(pgs_deadline(PGS_NEVER - 1), PGS_NEVER);
    int64_t before = pgs_now(), deadline = pgs_deadline(1000), after = pgs_now();
    CHECK(deadline >= before + 1000 && deadline <= after + 1000);
    CHECK(pgs_deadline(1) > 0);
}

static void test_random(void)
{
    /* The reference output of splitmix64 for seed 1234567. */
    uint64_t state = 1234567;
    CHECK(pgs_random(&state) == 6457827717110365317u);
    CHECK(pgs_random(&state) == 3203168211198807973u);
    CHECK(pgs_random(&state) == 9817491932198370423u);

    uint64_t zero = 0, a = 42, b = 42;
    CHECK(pgs_random(&zero) != pgs_random(&zero));
    for (int i = 0; i < 100; i++) CHECK(pgs_random(&a) == pgs_random(&b));

    unsigned seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t n = pgs_random_below(&a, 7);
        CHECK(n < 7);
        seen[n]++;
    }
    for (int i = 0; i < 7; i++) CHECK(seen[i] > 9000 && seen[i] < 11000);
    CHECK_EQ(pgs_random_below(&a, 1), 0);
}

static void test_seed(void)
{
    errno = 7;
    uint64_t a = pgs_seed(), b = pgs_seed();
    CHECK(a != b);
    CHECK_EQ(errno, 7);
}

int main(void)
{
    test_now();
    test_deadline();
    test_random();
    test_seed();
    return 0;
}
