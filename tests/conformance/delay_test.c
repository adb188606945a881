/* delay_test.c - messages that are sent later, for every kind of process: once and again, cancelled in time or not, a
 * million at once, cancellations that race with the time. */
#include "conformance.h"
#include "runtime/node.h"

static int64_t arg(pg_process *self, size_t index)
{
    return pg_get_int(self, pg_args(self), index);
}

static pg_timer set_well(pg_timer timer)
{
    CHECK_EQ(pg_timer_status(timer), PG_OK);
    return timer;
}

static void run_in_process(pg_process *self, pg_target body)
{
    pg_exit_info why = end_of(good(pg_spawn(self, body, .args = pg_tuple(self))));
    if (why.kind != PG_EXIT_NORMAL) CHECK_FAIL("it ended so: %s", why.text);
}

/* ------------------------------------------------------------------------------------------------------------ once */

static void get_some(pg_process *self)
{
    pg_pid me = pg_self(self);
    int64_t began = pg_now();
    set_well(pg_send_after(self, me, PG_MS(30), "third", 3, pg_list(1, "a string of more than fourteen bytes")));
    set_well(pg_send_after(self, me, PG_MS(10), "second"));
    set_well(pg_send_after(self, me, -1));
    set_well(pg_send_after(self, me, PG_FOREVER, "never"));
    EXPECT(self, "()");
    EXPECT(self, "(\"second\")");
    CHECK(pg_now() - began >= PG_MS(10));
    EXPECT(self, "(\"third\", 3, [1, \"a string of more than fourteen bytes\"])");
    CHECK(pg_now() - began >= PG_MS(30));
    expect_nothing(self);
}

static void arrives_when_it_is_time(pg_process *self)
{
    get_some(self);
    run_in_process(self, get_some);
}

/* Its timer goes on, whoever of this runtime has set it; one of kind PG_OS has a runtime of its own. */
static void set_and_end(pg_process *self)
{
    set_well(pg_send_after(self, first_arg(self), PG_MS(5), "from the dead"));
}

static void end_at_once(pg_process *self)
{
    (void)self;
}

static void ends_do_not_matter(pg_process *self)
{
    pg_kind kind = the_kind == PG_OS ? PG_GREEN : the_kind;
    pg_pid setter = good(pg_spawn(self, set_and_end, .kind = kind, .args = pg_tuple(self)));
    EXPECT(self, "(\"from the dead\")");
    end_of(setter);
    pg_pid dead = good(pg_spawn(self, end_at_once));
    end_of(dead);
    pg_timer once = set_well(pg_send_after(self, dead, 0, "nobody"));
    pg_timer often = set_well(pg_send_every(self, dead, PG_MS(1), "nobody"));
    pg_sleep(self, PG_MS(50));
    CHECK(!pg_cancel_timer(once));
    if (the_kind != PG_OS) CHECK(!pg_cancel_timer(often)); /* it has seen that there is nobody */
    pg_cancel_timer(often);
}

static void refuses_what_is_wrong(pg_process *self)
{
    pg_pid me = pg_self(self);
    CHECK_EQ(pg_timer_status(pg_send_after(NULL, me, 0, 1)), PG_EINVAL);
    CHECK_EQ(pg_timer_status(pg_send_after(self, (pg_pid){0}, 0, 1)), PG_EINVAL);
    CHECK_EQ(pg_timer_status(pg_send_every(self, me, 0, 1)), PG_EINVAL);
    CHECK_EQ(pg_timer_status(pg_send_after(self, me, 0, PG_ANY)), PG_EINVAL);
    CHECK_EQ(pg_timer_status(pg_send_after(self, me, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)),
             PG_ETOOMANY);
    CHECK(!pg_cancel_timer((pg_timer){0}));
    CHECK(!pg_cancel_timer((pg_timer){UINT64_MAX}));
    CHECK(!pg_cancel_timer(pg_send_every(self, me, 0, 1)));
    CHECK_EQ(pg_timer_status((pg_timer){0}), PG_ENOPROC);
    expect_nothing(self);
}

/* ----------------------------------------------------------------------------------------------------------- again */

static void tick(pg_process *self)
{
    int64_t began = pg_now();
    pg_timer timer = set_well(pg_send_every(self, pg_self(self), PG_MS(5), "tick", 1));
    for (int i = 0; i < 10; i++) {
        EXPECT(self, "(\"tick\", 1)");
        CHECK(pg_now() - began >= (i + 1) * PG_MS(5));
    }
    CHECK(pg_cancel_timer(timer));
    const pg_message *msg;
    while (pg_recv(self, &msg, 0) == PG_OK) continue; /* what it has sent before that */
    pg_sleep(self, PG_MS(20));
    expect_nothing(self);
    CHECK(!pg_cancel_timer(timer));
}

static void comes_again_and_again(pg_process *self)
{
    tick(self);
    run_in_process(self, tick);
}

/* ------------------------------------------------------------------------------------------------------- cancelled */

static void cancel_some(pg_process *self)
{
    enum { SOME = 1000 };
    static pg_timer timer[SOME];
    for (int i = 0; i < SOME; i++) timer[i] = set_well(pg_send_after(self, pg_self(self), PG_MS(50), i));
    for (int i = 0; i < SOME; i++) {
        if (i % 10 != 0) CHECK(pg_cancel_timer(timer[i]));
    }
    pg_timer other = set_well(pg_send_after(self, pg_self(self), PG_SECONDS(100), "later")); /* in a used place */
    for (int i = 0; i < SOME; i++) {
        if (i % 10 != 0) CHECK(!pg_cancel_timer(timer[i]));
    }
    for (int i = 0; i < SOME; i += 10) CHECK_EQ(next_int(self), i);
    for (int i = 0; i < SOME; i++) CHECK(!pg_cancel_timer(timer[i]));
    expect_nothing(self);
    CHECK(pg_cancel_timer(other));
}

static void says_whether_it_was_in_time(pg_process *self)
{
    cancel_some(self);
    run_in_process(self, cancel_some);
}

/* One sets timers that are just due, and hands them to another one, which cancels: each is either cancelled or sent. */
static void cancel_others(pg_process *self)
{
    int64_t cancelled = 0, more = arg(self, 1);
    while (more-- > 0) {
        const pg_message *msg = next_of(self);
        cancelled += pg_cancel_timer((pg_timer){(uint64_t)pg_get_int(self, msg, 0)});
    }
    pg_send(first_arg(self), "cancelled", cancelled);
}

static void race(pg_process *self)
{
    const int64_t count = SANITIZED ? 5000 : 20000;
    pg_kind kind = the_kind == PG_OS ? PG_GREEN : the_kind;
    pg_pid canceller = good(pg_spawn(self, cancel_others, .kind = kind, .args = pg_tuple(self, count)));
    uint64_t random = check_seed();
    for (int64_t i = 0; i < count; i++) {
        int64_t delay = (int64_t)(check_random(&random) % (uint64_t)PG_MS(1));
        pg_timer timer = set_well(pg_send_after(self, pg_self(self), delay, "sent"));
        CHECK_EQ(pg_send(canceller, (int64_t)timer.id), PG_OK);
    }
    int64_t cancelled = 0, sent = 0;
    const pg_message *msg;
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "cancelled", PG_INT), PG_OK);
    cancelled = pg_get_int(self, msg, 1);
    pg_sleep(self, PG_MS(10));
    while (pg_recv_match(self, &msg, sent + cancelled < count ? PATIENCE : PG_MS(10), "sent") == PG_OK) sent++;
    printf("%lld cancelled, %lld sent\n", (long long)cancelled, (long long)sent);
    CHECK_EQ(cancelled + sent, count);
}

static void cancelling_races_with_time(pg_process *self)
{
    race(self);
    run_in_process(self, race);
}

/* A million set, all but one of a hundred cancelled, from where they were set. */
static void set_a_million(pg_process *self)
{
    const size_t count = SANITIZED ? 50000 : the_kind == PG_GREEN ? 1000000 : 100000;
    pg_timer *timer = malloc(count * sizeof *timer);
    CHECK(timer != NULL);
    int64_t began = check_now_ns(), due = pg_now() + PG_SECONDS(1);
    for (size_t i = 0; i < count; i++) timer[i] = pg_send_after(self, pg_self(self), PG_SECONDS(1) + (int64_t)i, "x");
    int64_t set = check_now_ns();
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % 100 != 0 && pg_cancel_timer(timer[i])) continue;
        CHECK(i % 100 == 0 || pg_now() >= due); /* a machine that has much else to do */
        kept++;
    }
    int64_t cancelled = check_now_ns();
    printf("%zu timers: %lld ns to set one, %lld ns to cancel it\n", count, (long long)(set - began) / (int64_t)count,
           (long long)(cancelled - set) / (int64_t)count);
    const pg_message *msg;
    for (size_t i = 0; i < kept; i++) CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    expect_nothing(self);
    free(timer);
}

static void a_million_at_once(pg_process *self)
{
    run_in_process(self, set_a_million);
}

/* ------------------------------------------------------------------------------------------------------------ ends */

static void stopping_drops_what_is_pending(pg_process *self)
{
    (void)self;
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    pg_timer timer[100];
    for (int i = 0; i < 100; i++) timer[i] = set_well(pg_send_after(host, pg_self(host), PG_SECONDS(100), "x", i));
    set_well(pg_send_every(host, pg_self(host), PG_MS(1), "tick"));
    pg_sleep(host, PG_MS(5));
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    CHECK(!pg_cancel_timer(timer[0]));
    CHECK_EQ(pg_timer_status(pg_send_after(host, pg_self(host), 0, 1)), PG_ESTOPPED);
    pg_detach(host);
}

static pg_timer timer_of_a_runtime(uint32_t *node, pg_timer old)
{
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    CHECK(host != NULL);
    *node = pgi_pid_node(pg_self(host));
    pg_timer timer = set_well(pg_send_after(host, pg_self(host), PG_SECONDS(100), "x"));
    CHECK(!pg_cancel_timer(old));
    pg_detach(host);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    return timer;
}

/* When all the numbers of runtimes are taken but one, the next runtime gets that: what was a timer of who had it before
 * is none of its timers. */
static void a_name_is_for_ever(pg_process *self)
{
    enum { NODES = 1 << PGI_NODE_BITS };
    static uint32_t generation[NODES];
    (void)self;
    uint32_t node, again, taken[NODES], count = 0;
    pg_timer old = timer_of_a_runtime(&node, (pg_timer){0});
    for (uint32_t first, n; (n = pgi_node_reserve(1, &first)) != 0;) {
        generation[n] = first;
        if (n != node) taken[count++] = n;
    }
    pgi_node_free(node, generation[node]);
    timer_of_a_runtime(&again, old);
    CHECK_EQ(again, node);
    for (uint32_t i = 0; i < count; i++) pgi_node_free(taken[i], generation[taken[i]]);
}

/* Host threads set timers while their runtime is stopped, until they are told. */
static pthread_barrier_t all_attached;

static void *set_until_stopped(void *rt)
{
    pg_process *host = pg_attach(rt, "setter");
    CHECK(host != NULL);
    pthread_barrier_wait(&all_attached);
    pg_timer timer;
    do {
        timer = pg_send_after(host, pg_self(host), PG_SECONDS(100), "x");
    } while (pg_timer_status(timer) == PG_OK);
    CHECK_EQ(pg_timer_status(timer), PG_ESTOPPED);
    pg_detach(host);
    return NULL;
}

static void setting_races_with_stopping(pg_process *self)
{
    enum { SETTERS = 2 };
    (void)self;
    pthread_barrier_init(&all_attached, NULL, SETTERS + 1);
    for (int round = 0; round < (the_kind == PG_GREEN ? 20 : 5); round++) {
        pthread_t setter[SETTERS];
        pg_runtime *rt = start_runtime();
        for (int i = 0; i < SETTERS; i++) CHECK_EQ(pthread_create(&setter[i], NULL, set_until_stopped, rt), 0);
        pthread_barrier_wait(&all_attached);
        CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
        for (int i = 0; i < SETTERS; i++) CHECK_EQ(pthread_join(setter[i], NULL), 0);
    }
    pthread_barrier_destroy(&all_attached);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(arrives_when_it_is_time),     CASE(ends_do_not_matter),
        CASE(refuses_what_is_wrong),       CASE(comes_again_and_again),
        CASE(says_whether_it_was_in_time), CASE(cancelling_races_with_time),
        CASE(a_million_at_once),           CASE_REAL(stopping_drops_what_is_pending, "it starts another runtime"),
        CASE_REAL(a_name_is_for_ever, "it starts other runtimes"),
        CASE_REAL(setting_races_with_stopping, "it starts another runtime"),
    };
    return RUN_CASES(cases);
}
