/* hostile_test.c - the seam of sched/hostile.h: in the hostile build each of its points is passed, and does something
 * to who passes; in all others there is nothing of it, and sizes are the usual ones. */
#include "check.h"
#include "runtime.h"
#include "sched/deque.h"
#include "sched/worker.h"

#if !HOSTILE_BUILD

static int state;

int main(void)
{
    _Static_assert(PGS_TUNED(1, 2) == 1 && PGS_DEQUE_INITIAL == 256 && PGI_BAG == 32, "the usual sizes");
    _Static_assert(!pgs_forced(PGS_AT_NEXT), "known when it is compiled");
    pgs_delay(state++); /* not even looked at */
    CHECK_EQ(state, 0);
    return 0;
}

#else

#include <time.h>

_Static_assert(PGS_TUNED(1, 2) == 2 && PGS_DEQUE_INITIAL == 1 && PGI_BAG == 2, "the hostile sizes");

/* Computes, or sleeps in the kernel, until its worker's queue is handed over. */
static void be_stuck(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), "word", 1); /* into the LIFO slot, to be robbed */
    struct timespec time = {.tv_nsec = 5000000};
    if (pg_get_bool(self, msg, 2)) nanosleep(&time, NULL);
    for (int64_t until = check_now_ns() + PG_MS(5); check_now_ns() < until;) continue;
}

static void take(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

/* Receives and sleeps, with time-outs; links, and ends. */
static void live_shortly(pg_process *self)
{
    pg_pid peer = pg_get_pid(self, pg_args(self), 0);
    const pg_message *msg;
    pg_link(self, peer);
    pg_send(peer, "word", 2);
    pg_recv(self, &msg, PG_MS(1));
    pg_sleep(self, 100000);
}

static void be_there(pg_process *self)
{
    pg_receive(self, take, "word", PG_INT);
    pg_receive(self, be_stuck, "stuck", PG_PID, PG_BOOL);
    pg_receive(self, take, PG_EXIT, PG_PID);
}

static void one_round(pg_process *main, const pg_pid *all, int count, pg_pid far)
{
    for (int i = 0; i < count; i++) {
        pg_send(all[i], "stuck", all[(i + 1) % count], (bool)(i % 2));
        for (int j = 0; j < 5; j++) pg_send(all[(i + j) % count], "word", j);
        pg_spawn(main, live_shortly, .args = pg_tuple(all[i]));
        pg_send(far, "word", i);
    }
    pg_sleep(main, PG_MS(20));
}

/* How many points have done nothing yet. */
static int missing(void)
{
    int n = 0;
    for (int point = 0; point < PGS_POINTS; point++) n += pgs_hostile_count((enum pgs_point)point) == 0;
    return n;
}

int main(void)
{
    enum { ALL = 6 };
    pg_runtime *rt = pg_start(&(pg_options){.workers = 2, .stuck_after = PG_SECONDS(60)});
    CHECK(rt);
    pg_process *main = pg_attach(rt, "main");
    pg_pid all[ALL], far = pg_spawn(main, be_there, .kind = PG_OS);
    CHECK_EQ(pg_pid_status(far), PG_OK);
    for (int i = 0; i < ALL; i++) all[i] = pg_spawn(main, be_there);
    for (int64_t end = check_now_ns() + PG_SECONDS(30); missing() > 0 && check_now_ns() < end;) {
        one_round(main, all, ALL, far);
    }
    for (int point = 0; point < PGS_POINTS; point++) {
        printf("point %d: %lu times\n", point, pgs_hostile_count((enum pgs_point)point));
    }
    CHECK_EQ(missing(), 0);
    pg_detach(main);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(20)), PG_OK);
    return 0;
}

#endif
