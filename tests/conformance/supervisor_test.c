/* supervisor_test.c - supervisors: who is started again when, and in which order all begins and ends. */
#include "supervised.h"

/* ------------------------------------------------------------------------------------------------------ strategies */

static const char *const ways[] = {"exit", "fail", "terminate", "kill"};

static void end_child(pg_process *self, pg_pid pid, const char *way)
{
    if (strcmp(way, "terminate") == 0) {
        CHECK_EQ(pg_terminate(pid), PG_OK);
        EVENT(self, "stopping", "b");
    } else if (strcmp(way, "kill") == 0) {
        pg_exit_info why;
        do pg_kill(pid);
        while (pg_wait(pid, PG_MS(1), &why) == PG_ETIMEDOUT);
    } else {
        CHECK_EQ(pg_send(pid, way), PG_OK);
    }
}

static void try_strategy(pg_process *self, pg_strategy strategy, pg_restart restart, const char *way)
{
    pg_child children[] = {worker(self, "a"), worker(self, "b"), worker(self, "c")};
    children[1].restart = restart;
    pg_supervisor_options o = quick;
    o.strategy = strategy;
    pg_pid sup = good(pg_supervise(self, &o, 3, children));
    EVENT(self, "started", "a");
    pg_pid b = EVENT(self, "started", "b"), again = {0};
    EVENT(self, "started", "c");
    CHECK(pg_same(info_of(self, sup, "b").pid, b));
    end_child(self, b, way);
    bool abnormal = strcmp(way, "fail") == 0 || strcmp(way, "kill") == 0;
    bool restarts = restart == PG_PERMANENT || (restart == PG_TRANSIENT && abnormal);
    if (restarts) {
        if (strategy != PG_ONE_FOR_ONE) EVENT(self, "stopping", "c");
        if (strategy == PG_ONE_FOR_ALL) EVENT(self, "stopping", "a");
        if (strategy == PG_ONE_FOR_ALL) EVENT(self, "started", "a");
        again = EVENT(self, "started", "b");
        if (strategy != PG_ONE_FOR_ONE) EVENT(self, "started", "c");
        CHECK(!pg_same(b, again));
    } else {
        end_of(b);
    }
    /* A request may arrive before the news of the end. */
    pg_child_info info;
    int64_t until = pg_now() + PATIENCE;
    for (;;) {
        info = info_of(self, sup, "b");
        if (restarts ? pg_same(info.pid, again) : info.pid.id == 0) break;
        CHECK(pg_now() < until);
        pg_yield(self);
    }
    CHECK_STR(info.id, restart == PG_TEMPORARY ? "" : "b");
    CHECK_EQ(info.state, !restarts && restart != PG_TEMPORARY ? PG_CHILD_STOPPED : PG_CHILD_RUNNING);
    CHECK_EQ(info.restarts, restarts);
    CHECK_EQ(info_of(self, sup, "a").restarts, restarts && strategy == PG_ONE_FOR_ALL);
    CHECK_EQ(info_of(self, sup, "c").restarts, restarts && strategy != PG_ONE_FOR_ONE);
    CHECK_EQ(pg_terminate(sup), PG_OK);
    EVENT(self, "stopping", "c");
    if (restarts) EVENT(self, "stopping", "b");
    EVENT(self, "stopping", "a");
    CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
    expect_nothing(self);
}

static void strategies(pg_process *self)
{
    survive(self);
    for (int strategy = PG_ONE_FOR_ONE; strategy <= PG_REST_FOR_ONE; strategy++) {
        for (int restart = PG_PERMANENT; restart <= PG_TEMPORARY; restart++) {
            for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
                /* Of kind PG_OS they cost more, and only how the exit comes is different. */
                if (the_kind == PG_OS && way != 1 && !(way == 0 && restart == PG_TRANSIENT)) continue;
                try_strategy(self, (pg_strategy)strategy, (pg_restart)restart, ways[way]);
            }
        }
    }
    log_clear();
}

/* A temporary one that is stopped with others is forgotten; one that has ended in good order, and one that was stopped,
 * stay as they are. */
static void those_that_do_not_run(pg_process *self)
{
    survive(self);
    pg_child children[] = {worker(self, "a"), worker(self, "b"), worker(self, "c"), worker(self, "d")};
    children[1].restart = PG_TRANSIENT;
    children[2].restart = PG_TEMPORARY;
    pg_supervisor_options o = quick;
    o.strategy = PG_ONE_FOR_ALL;
    pg_pid sup = good(pg_supervise(self, &o, 4, children));
    pg_pid a = EVENT(self, "started", "a"), b = EVENT(self, "started", "b");
    EVENT(self, "started", "c");
    EVENT(self, "started", "d");
    pg_send(b, "exit");
    end_of(b);
    CHECK_EQ(pg_supervisor_stop(self, sup, "d", PATIENCE), PG_OK);
    EVENT(self, "stopping", "d");
    pg_send(a, "fail");
    EVENT(self, "stopping", "c");
    EVENT(self, "started", "a");
    CHECK_EQ(pg_supervisor_children(self, sup, 0, NULL, PATIENCE), 3);
    CHECK_EQ(info_of(self, sup, "b").state, PG_CHILD_STOPPED);
    CHECK_EQ(info_of(self, sup, "d").state, PG_CHILD_STOPPED);
    CHECK_EQ(pg_terminate(sup), PG_OK);
    EVENT(self, "stopping", "a");
    exit_of(self, sup);
}

/* ---------------------------------------------------------------------------------------------- how often, and when */

static void intensity(pg_process *self)
{
    survive(self);
    pg_child children[] = {worker(self, "a"), worker(self, "b"), {.id = "bad", .target = fail_at_once}};
    children[2].spawn.args = children[0].spawn.args;
    static const int allowed[] = {-1, 1, 5};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        pg_supervisor_options o = quick;
        o.intensity = allowed[i];
        o.period = PG_FOREVER;
        if (i == 1) o.backoff_min = o.backoff_max = 0;
        if (i == 2) o.backoff_min = -1;
        pg_pid sup = good(pg_supervise(self, &o, 3, children));
        EVENT(self, "started", "a");
        EVENT(self, "started", "b");
        int most = allowed[i] < 0 ? 0 : allowed[i];
        for (int n = 0; n <= most; n++) {
            EVENT_ANY(self, "failing");
        }
        EVENT(self, "stopping", "b");
        EVENT(self, "stopping", "a");
        pg_exit_info why = exit_of(self, sup);
        CHECK_EQ(why.kind, PG_EXIT_FAILED);
        CHECK(strstr(why.text, "child \"bad\"") && strstr(why.text, "it always fails"));
        expect_nothing(self);
    }
}

/* What is older than the period does not count. */
static void intensity_is_per_period(pg_process *self)
{
    if (the_seed == 0) return; /* it takes hours */
    survive(self);
    pg_child a = worker(self, "a");
    pg_supervisor_options o = quick;
    o.intensity = 2;
    o.period = PG_SECONDS(3600);
    pg_pid sup = good(pg_supervise(self, &o, 1, &a));
    for (int i = 0; i < 20; i++) {
        pg_send(EVENT(self, "started", "a"), "fail");
        if (i % 2 == 1) pg_sleep(self, PG_SECONDS(3601));
    }
    EVENT(self, "started", "a");
    end_supervisor(self, sup);
    EVENT(self, "stopping", "a");
}

/* Up to 5 ms late (sched/sim.h), and the steps in between. */
enum { LATE_MS = 20 };

static int64_t failing_at(pg_process *self)
{
    const pg_message *msg = next_of(self);
    CHECK(pg_matches(pg_get(NULL, msg, 0), "failing"));
    return pg_get_int(NULL, msg, 2);
}

static void check_delay(int64_t delay, int64_t least, int64_t most)
{
    bool late = the_seed != 0 && delay > most + PG_MS(LATE_MS);
    if (delay < least || late)
        CHECK_FAIL("%.3f ms, wanted %.3f to %.3f", (double)delay / 1e6, (double)least / 1e6, (double)most / 1e6);
}

static void backoff(pg_process *self)
{
    survive(self);
    for (int with_jitter = 0; with_jitter < 2; with_jitter++) {
        pg_supervisor_options o = {
            .backoff_min = PG_MS(2), .backoff_max = PG_MS(50), .backoff_reset = PG_SECONDS(3600), .intensity = 9};
        o.jitter = with_jitter ? 0 : -1;
        pg_child bad = {.id = "bad", .target = fail_at_once, .spawn = {.args = ARGS(self)}};
        pg_pid sup = good(pg_supervise(self, &o, 1, &bad));
        int64_t before = failing_at(self), wanted = PG_MS(2), sum = 0;
        for (int i = 0; i < 9; i++) {
            int64_t at = failing_at(self);
            check_delay(at - before, with_jitter ? wanted / 2 : wanted, wanted);
            sum += at - before;
            before = at;
            wanted = 2 * wanted < PG_MS(50) ? 2 * wanted : PG_MS(50);
        }
        if (with_jitter && the_seed != 0) CHECK(sum < PG_MS(2 + 4 + 8 + 16 + 32 + 4 * 50 + 9 * 5));
        CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_FAILED);
    }
}

/* (main, ms): lives for so long, then fails. */
static void live_for(pg_process *self)
{
    pg_send(first_arg(self), "failing", pg_name(self), pg_now());
    pg_sleep(self, PG_MS(pg_get_int(self, pg_args(self), 1)));
    pg_fail(self, "it has lived for long enough");
}

static void backoff_begins_anew(pg_process *self)
{
    if (the_seed == 0) return; /* how long it lives elsewhere is not for a test to say */
    survive(self);
    pg_supervisor_options o = {.backoff_min = PG_MS(50), .backoff_max = PG_SECONDS(10), .jitter = -1};
    o.backoff_reset = PG_MS(500);
    o.intensity = 100;
    for (int lives = 400; lives <= 600; lives += 200) {
        pg_child child = {.id = "child", .target = live_for, .spawn = {.args = pg_tuple(self, lives)}};
        pg_pid sup = good(pg_supervise(self, &o, 1, &child));
        int64_t before = failing_at(self), wanted = PG_MS(50);
        for (int i = 0; i < 5; i++) {
            int64_t at = failing_at(self);
            check_delay(at - before, PG_MS(lives) + wanted, PG_MS(lives) + wanted);
            before = at;
            if (lives < 500) wanted *= 2;
        }
        pg_terminate(sup);
        exit_of(self, sup);
        const pg_message *msg;
        while (pg_recv(self, &msg, 0) == PG_OK) {}
    }
}

/* Times that are longer than time itself. */
static void backoff_for_ever(pg_process *self)
{
    survive(self);
    pg_supervisor_options o = {.backoff_min = PG_FOREVER, .jitter = -1, .period = PG_FOREVER};
    pg_child a = worker(self, "a");
    pg_pid sup = good(pg_supervise(self, &o, 1, &a));
    pg_send(EVENT(self, "started", "a"), "fail");
    await_waiting(self, sup, "a");
    good(pg_supervisor_restart(self, sup, "a", PATIENCE));
    EVENT(self, "started", "a");
    end_supervisor(self, sup);
    EVENT(self, "stopping", "a");
}

/* ------------------------------------------------------------------------------------------------------------ stops */

/* One that waits in the middle of its code when it is told to end is ended there. */
static void deadlines(pg_process *self)
{
    survive(self);
    for (int at_once = 0; at_once < 2; at_once++) {
        pg_child children[] = {worker(self, "a"), worker(self, "b"), worker(self, "c")};
        children[1].shutdown = at_once ? -1 : PG_MS(30);
        pg_pid sup = good(pg_supervise(self, &quick, 3, children));
        EVENT(self, "started", "a");
        pg_pid b = EVENT(self, "started", "b");
        EVENT(self, "started", "c");
        pg_send(b, "hang");
        int64_t begun = pg_now();
        CHECK_EQ(pg_terminate(sup), PG_OK);
        EVENT(self, "stopping", "c");
        EVENT(self, "stopping", "a");
        if (!at_once) CHECK(pg_now() - begun >= PG_MS(30));
        CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
        CHECK_EQ(end_of(b).kind, the_kind == PG_OS ? PG_EXIT_CRASHED : PG_EXIT_KILLED);
        expect_nothing(self);
    }
    log_clear();
}

/* Told to end while it waits for a child, again and again: it is stopping already. */
static void stopped_again_and_again(pg_process *self)
{
    survive(self);
    pg_child children[] = {worker(self, "a"), worker(self, "b")};
    children[1].shutdown = PG_MS(50);
    pg_pid sup = good(pg_supervise(self, &quick, 2, children));
    EVENT(self, "started", "a");
    pg_send(EVENT(self, "started", "b"), "hang");
    int status = pg_terminate(sup);
    for (int i = 1; i < 1000 && status == PG_OK; i++) status = pg_terminate(sup);
    CHECK(status == PG_OK || status == PG_ENOPROC); /* the latter: the child's time was over before all of them */
    EVENT(self, "stopping", "a");
    CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
    expect_nothing(self);
    log_clear();
}

static void say_nothing(pg_process *self)
{
    pg_send(first_arg(self), "started", pg_name(self), self);
    pg_recv_match(self, &(const pg_message *){NULL}, PG_FOREVER, "never");
}

/* A child never says that it has started: who waits for all of them does so for his time, and nothing is left. */
static void starts_in_its_time(pg_process *self)
{
    survive(self);
    pg_child silent = {.id = "b", .target = say_nothing, .spawn = {.args = ARGS(self)}, .start_timeout = PG_FOREVER};
    pg_child children[] = {worker(self, "a"), silent};
    pg_supervisor_options o = quick;
    o.start_timeout = PG_MS(700);
    CHECK_EQ(pg_pid_status(pg_supervise(self, &o, 2, children)), PG_ETIMEDOUT);
    EVENT(self, "started", "a");
    pg_pid b = EVENT(self, "started", "b");
    EVENT(self, "stopping", "a");
    end_of(b);
    log_clear();
}

static atomic_bool go_on;

static void compute(pg_process *self)
{
    pg_send(first_arg(self), "started", pg_name(self), self);
    while (!atomic_load(&go_on)) {}
    pg_recv(self, &(const pg_message *){NULL}, PG_FOREVER);
}

/* One that computes is left behind, and another one takes its place and its name. */
static void what_computes(pg_process *self)
{
    if (the_kind == PG_GREEN && the_workers < 2) return; /* it may take its time until another thread takes over */
    survive(self);
    pg_child child = {.id = "busy", .target = compute, .spawn = {.args = ARGS(self)}, .shutdown = PG_MS(5)};
    child.registered = "busy";
    pg_pid sup = good(pg_supervise(self, &quick, 1, &child));
    pg_pid first = EVENT(self, "started", "busy");
    pg_pid second = good(pg_supervisor_restart(self, sup, "busy", PATIENCE));
    CHECK(pg_same(EVENT(self, "started", "busy"), second));
    CHECK(pg_same(pg_whereis(pg_runtime_of(self), "busy"), second));
    CHECK_EQ(log_has("child \"busy\" did not end in time"), the_kind != PG_OS);
    CHECK_EQ(pg_is_alive(first), the_kind != PG_OS);
    atomic_store(&go_on, true);
    CHECK_EQ(end_of(first).kind, the_kind == PG_OS ? PG_EXIT_CRASHED : PG_EXIT_NORMAL); /* it was told to */
    pg_terminate(sup);
    CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
    atomic_store(&go_on, false); /* what the next runtime's operating-system processes begin with */
    log_clear();
}

/* What was to come after a delay does not come when it is taken back.  Only a simulation waits until it would have. */
static void stop_while_waiting(pg_process *self)
{
    survive(self);
    bool sim = the_seed != 0;
    for (int strategy = PG_ONE_FOR_ONE; strategy <= PG_REST_FOR_ONE; strategy++) {
        pg_supervisor_options o = {.strategy = (pg_strategy)strategy, .backoff_min = PG_SECONDS(60), .jitter = -1};
        o.backoff_max = o.backoff_min;
        bool alone = strategy == PG_ONE_FOR_ONE;
        pg_child children[] = {worker(self, "a"), worker(self, "b")};
        pg_pid sup = good(pg_supervise(self, &o, 2, children));
        pg_pid a = EVENT(self, "started", "a");
        EVENT(self, "started", "b");
        pg_send(a, "fail");
        if (!alone) EVENT(self, "stopping", "b");
        await_waiting(self, sup, "a");
        CHECK_EQ(info_of(self, sup, "a").state, PG_CHILD_WAITING);
        CHECK_EQ(pg_supervisor_stop(self, sup, "a", PATIENCE), PG_OK);
        CHECK_EQ(info_of(self, sup, "a").state, PG_CHILD_STOPPED);
        if (!alone && sim) {
            const pg_message *msg;
            CHECK_EQ(pg_recv_match(self, &msg, PG_SECONDS(100), "started", "b", PG_PID), PG_OK);
        } /* alone, when its time has come */
        if (sim) pg_sleep(self, PG_SECONDS(100));
        expect_nothing(self);
        CHECK_EQ(info_of(self, sup, "a").state, PG_CHILD_STOPPED);
        bool b_runs = alone || sim;
        if (b_runs) { /* else a start would wait for b */
            good(pg_supervisor_restart(self, sup, "a", PATIENCE));
            pg_send(EVENT(self, "started", "a"), "fail");
            if (!alone) EVENT(self, "stopping", "b");
            await_waiting(self, sup, "a");
        }
        CHECK_EQ(pg_terminate(sup), PG_OK);
        if (alone) EVENT(self, "stopping", "b");
        CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
        if (sim) pg_sleep(self, PG_SECONDS(100));
        expect_nothing(self);
    }
}

/* -------------------------------------------------------------------------------------------------- what begins ill */

static void starts_that_fail(pg_process *self)
{
    survive(self);
    pg_exit_info why = {.kind = PG_EXIT_NORMAL};
    pg_supervisor_options o = quick;
    o.why = &why;
    pg_child children[] = {worker(self, "a"), worker(self, "b"), worker(self, "bad"), worker(self, "d")};
    children[2].target = fail_at_once;
    CHECK_EQ(pg_pid_status(pg_supervise(self, &o, 4, children)), PG_ENOPROC);
    EVENT(self, "started", "a");
    EVENT(self, "started", "b");
    EVENT_ANY(self, "failing");
    EVENT(self, "stopping", "b");
    EVENT(self, "stopping", "a");
    CHECK_EQ(why.kind, PG_EXIT_FAILED);
    CHECK_STR(why.text, "child \"bad\" could not be started: it always fails");
    expect_nothing(self);
    /* One that never says it. */
    pg_child silent[] = {children[0], children[2]};
    silent[1].target = never_say;
    silent[1].start_timeout = PG_MS(20);
    silent[1].shutdown = -1;
    CHECK_EQ(pg_pid_status(pg_supervise(self, &o, 2, silent)), PG_ETIMEDOUT);
    EVENT(self, "started", "a");
    EVENT(self, "stopping", "a");
    CHECK(strstr(why.text, "does not say that it has started"));
    /* A name that another has. */
    CHECK_EQ(pg_register(pg_runtime_of(self), "taken", pg_self(self)), PG_OK);
    children[1].registered = "taken";
    CHECK_EQ(pg_pid_status(pg_supervise(self, &o, 2, children)), PG_ETAKEN);
    EVENT(self, "started", "a");
    const pg_message *msg; /* b may have got as far as to say so */
    while (pg_recv(self, &msg, 0) == PG_OK) {}
    CHECK_STR(why.text, "child \"b\" could not be started: \"taken\": another process has that name");
    CHECK(pg_same(pg_whereis(pg_runtime_of(self), "taken"), pg_self(self)));
    CHECK_EQ(pg_unregister(pg_runtime_of(self), "taken"), PG_OK);
    /* The supervisor's own time. */
    o.start_timeout = PG_MS(20);
    silent[1].start_timeout = PG_MS(200);
    CHECK_EQ(pg_pid_status(pg_supervise(self, &o, 1, &silent[1])), PG_ETIMEDOUT);
    log_clear();
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(strategies),
        CASE(those_that_do_not_run),
        CASE(intensity),
        CASE(intensity_is_per_period),
        CASE(backoff),
        CASE(backoff_begins_anew),
        CASE(backoff_for_ever),
        CASE(deadlines),
        CASE(stopped_again_and_again),
        CASE(starts_in_its_time),
        CASE_REAL(what_computes, "nothing else runs meanwhile"),
        CASE(stop_while_waiting),
        CASE(starts_that_fail),
    };
    return RUN_CASES(cases);
}
