/* parker_stress.c - sched/parker: two threads throw a ball; no token is lost however timeouts and unparks collide.
 *
 * The ball is plain memory and belongs to whoever received the last token.  Each waits with deadlines around the time
 * that a wake takes, so that many expire just as the token arrives. */
#include "parker.h"

#include "check.h"

#include <pthread.h>
#include <time.h>

static pgs_parker parkers[2];
static struct {
    uint64_t throws;
    bool last;
} ball;
static int64_t end_ns;
static uint64_t timeouts[2], seeds[2];

static void wait_for_ball(int me)
{
    int64_t patience = check_now_ns() + (int64_t)20 * 1000000000;
    for (;;) {
        uint64_t r = check_random(&seeds[me]);
        int64_t deadline = r % 4 ? check_now_ns() + (int64_t)(r % 60000) : patience;
        if (pgs_parker_park(&parkers[me], deadline)) return;
        timeouts[me]++;
        if (check_now_ns() >= patience) CHECK_FAIL("a token was lost");
    }
}

static void *player(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (uint64_t mine = (uint64_t)me;; mine += 2) {
        wait_for_ball(me);
        if (ball.last) return NULL;
        CHECK_EQ(ball.throws, mine);
        ball.throws++;
        ball.last = check_now_ns() >= end_ns;
        bool last = ball.last;
        pgs_parker_unpark(&parkers[!me]);
        if (last) return NULL;
    }
}

int main(void)
{
    uint64_t random = check_seed();
    end_ns = check_now_ns() + check_duration_ms(1000) * 1000000;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        pgs_parker_init(&parkers[i]);
        seeds[i] = check_random(&random);
    }
    for (intptr_t i = 0; i < 2; i++) CHECK_EQ(pthread_create(&threads[i], NULL, player, (void *)i), 0);
    pgs_parker_unpark(&parkers[0]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK(!pgs_parker_try_take(&parkers[0]) && !pgs_parker_try_take(&parkers[1]));
    printf("%" PRIu64 " throws, %" PRIu64 " timeouts\n", ball.throws, timeouts[0] + timeouts[1]);
    return 0;
}
