/* parker_test.c - sched/parker: tokens, deadlines, a real sleep and a real wake. */
#include "parker.h"

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static void test_tokens(void)
{
    pgs_parker p;
    pgs_parker_init(&p);
    CHECK(!pgs_parker_try_take(&p));
    CHECK(!pgs_parker_unpark(&p)); /* nobody was asleep */
    CHECK(!pgs_parker_unpark(&p)); /* and two make one */
    CHECK(pgs_parker_park(&p, PGS_NEVER));
    CHECK(!pgs_parker_park(&p, 0));
    pgs_parker_unpark(&p);
    CHECK(pgs_parker_try_take(&p) && !pgs_parker_try_take(&p));
}

static void test_deadlines(void)
{
    pgs_parker p;
    pgs_parker_init(&p);
    errno = 42;
    int64_t start = check_now_ns();
    CHECK(!pgs_parker_park(&p, INT64_MIN));
    CHECK(!pgs_parker_park(&p, start - 1));
    CHECK(!pgs_parker_park(&p, start + 20 * 1000000));
    CHECK(check_now_ns() - start >= 20 * 1000000);
    CHECK_EQ(errno, 42);
    pgs_parker_unpark(&p);
    CHECK(pgs_parker_park(&p, INT64_MIN)); /* a token counts even when time is up */
}

static pgs_parker shared;
static int news;

static void *wake_later(void *unused)
{
    struct timespec pause = {0, 20 * 1000000};
    nanosleep(&pause, NULL);
    news = 7;
    pgs_parker_unpark(&shared);
    return unused;
}

static void test_wake(int64_t patience_ns)
{
    pthread_t thread;
    news = 0;
    pgs_parker_init(&shared);
    CHECK_EQ(pthread_create(&thread, NULL, wake_later, NULL), 0);
    CHECK(pgs_parker_park(&shared, patience_ns == PGS_NEVER ? patience_ns : check_now_ns() + patience_ns));
    CHECK_EQ(news, 7);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(void)
{
    test_tokens();
    test_deadlines();
    test_wake(PGS_NEVER);
    test_wake((int64_t)60 * 1000000000);
    return 0;
}
