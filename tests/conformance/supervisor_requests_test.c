/* supervisor_requests_test.c - supervisors: children that come and go, names, trees, and what is refused. */
#include "supervised.h"

/* ------------------------------------------------------------------------------------------------- dynamic children */

static void started_and_ended(pg_process *self)
{
    (void)self;
}

static void dynamic_children(pg_process *self)
{
    survive(self);
    pg_child a = worker(self, "a"), b = worker(self, "b");
    pg_pid sup = good(pg_supervise(self, &quick, 0, NULL));
    CHECK_EQ(pg_supervisor_children(self, sup, 0, NULL, PATIENCE), 0);
    pg_pid first = good(pg_supervisor_start(self, sup, &a, PATIENCE));
    CHECK(pg_same(EVENT(self, "started", "a"), first));
    CHECK_EQ(pg_pid_status(pg_supervisor_start(self, sup, &a, PATIENCE)), PG_ETAKEN);
    good(pg_supervisor_start(self, sup, &b, PATIENCE));
    EVENT(self, "started", "b");
    pg_send(first, "fail");
    pg_pid second = EVENT(self, "started", "a");
    CHECK_EQ(pg_supervisor_stop(self, sup, "a", PATIENCE), PG_OK);
    EVENT(self, "stopping", "a");
    CHECK_EQ(end_of(second).kind, PG_EXIT_NORMAL);
    CHECK_EQ(pg_supervisor_stop(self, sup, "a", PATIENCE), PG_OK);
    CHECK_EQ(info_of(self, sup, "a").state, PG_CHILD_STOPPED);
    pg_pid third = good(pg_supervisor_restart(self, sup, "a", PATIENCE));
    CHECK(pg_same(EVENT(self, "started", "a"), third));
    pg_pid fourth = good(pg_supervisor_restart(self, sup, "a", PATIENCE));
    EVENT(self, "stopping", "a");
    CHECK(pg_same(EVENT(self, "started", "a"), fourth));
    CHECK_EQ(info_of(self, sup, "a").restarts, 3);
    CHECK_EQ(pg_supervisor_remove(self, sup, "a", PATIENCE), PG_OK);
    EVENT(self, "stopping", "a");
    CHECK_EQ(pg_supervisor_children(self, sup, 0, NULL, PATIENCE), 1);
    CHECK_EQ(pg_supervisor_stop(self, sup, "a", PATIENCE), PG_EINVAL);
    /* One that cannot be started is not kept. */
    a.target = fail_at_once;
    CHECK_EQ(pg_pid_status(pg_supervisor_start(self, sup, &a, PATIENCE)), PG_ENOPROC);
    EVENT_ANY(self, "failing");
    CHECK_EQ(pg_supervisor_children(self, sup, 0, NULL, PATIENCE), 1);
    /* Those that come and go. */
    for (int i = 0; i < scaled(200, 50); i++) {
        char id[20];
        snprintf(id, sizeof id, "child %d", i);
        const pg_child child = {.id = id, .target = started_and_ended, .restart = PG_TEMPORARY};
        good(pg_supervisor_start(self, sup, &child, PATIENCE));
    }
    while (pg_supervisor_children(self, sup, 0, NULL, PATIENCE) > 1) pg_yield(self);
    pg_terminate(sup);
    EVENT(self, "stopping", "b");
    CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
    CHECK_EQ(pg_supervisor_children(self, sup, 0, NULL, PATIENCE), PG_ENOPROC);
    CHECK_EQ(pg_pid_status(pg_supervisor_start(self, sup, &b, PATIENCE)), PG_ENOPROC);
}

static void start_once(pg_process *self)
{
    if (pg_whereis(pg_runtime_of(self), "was here").id != 0) pg_fail(self, "it has been here before");
    CHECK_EQ(pg_register(pg_runtime_of(self), "was here", first_arg(self)), PG_OK);
    CHECK_EQ(pg_started(self), PG_OK);
    pg_receive(self, ignore, "nothing");
}

/* One that is temporary and cannot be started anew has ended, and is forgotten. */
static void temporary_ones(pg_process *self)
{
    survive(self);
    pg_child once = worker(self, "once");
    once.spawn.kind = PG_GREEN;
    once.target = start_once;
    once.restart = PG_TEMPORARY;
    pg_pid sup = good(pg_supervise(self, &quick, 1, &once));
    CHECK_EQ(info_of(self, sup, "once").state, PG_CHILD_RUNNING);
    CHECK_EQ(pg_pid_status(pg_supervisor_restart(self, sup, "once", PATIENCE)), PG_ENOPROC);
    CHECK_EQ(pg_supervisor_children(self, sup, 0, NULL, PATIENCE), 0);
    CHECK_EQ(pg_unregister(pg_runtime_of(self), "was here"), PG_OK);
    good(pg_supervisor_start(self, sup, &once, PATIENCE));
    CHECK_EQ(pg_supervisor_stop(self, sup, "once", PATIENCE), PG_OK);
    CHECK_EQ(pg_supervisor_children(self, sup, 0, NULL, PATIENCE), 0);
    end_supervisor(self, sup);
}

/* A start that comes while others wait to be started again is done after that. */
static void starts_wait(pg_process *self)
{
    survive(self);
    pg_supervisor_options o = {.strategy = PG_ONE_FOR_ALL, .backoff_min = PG_MS(50), .jitter = -1};
    pg_child a = worker(self, "a"), b = worker(self, "b");
    pg_pid sup = good(pg_supervise(self, &o, 1, &a));
    pg_send(EVENT(self, "started", "a"), "fail");
    await_waiting(self, sup, "a");
    good(pg_supervisor_start(self, sup, &b, PATIENCE));
    EVENT(self, "started", "a");
    EVENT(self, "started", "b");
    pg_terminate(sup);
    EVENT(self, "stopping", "b");
    EVENT(self, "stopping", "a");
    exit_of(self, sup);
}

/* A name leads to whoever has its place. */
static void names(pg_process *self)
{
    survive(self);
    pg_runtime *rt = pg_runtime_of(self);
    pg_child a = worker(self, "a");
    a.registered = "the name of a";
    pg_supervisor_options o = quick;
    o.registered = "the supervisor";
    pg_pid sup = good(pg_supervise(self, &o, 1, &a));
    CHECK(pg_same(pg_whereis(rt, "the supervisor"), sup));
    for (int i = 0; i < 5; i++) {
        pg_pid pid = EVENT(self, "started", "a");
        CHECK(pg_same(info_of(self, sup, "a").pid, pid)); /* answered when it has started */
        CHECK(pg_same(pg_whereis(rt, "the name of a"), pid));
        CHECK_EQ(pg_send(pg_whereis(rt, "the name of a"), "fail"), PG_OK);
    }
    EVENT(self, "started", "a");
    pg_terminate(sup);
    EVENT(self, "stopping", "a");
    exit_of(self, sup);
    CHECK_EQ(pg_whereis(rt, "the supervisor").id, 0);
}

/* --------------------------------------------------------------------------------------------- trees of supervisors */

/* (main, depth, supervisor's kind): a worker, and one level less. */
static void level(pg_process *self)
{
    pg_pid main_pid = first_arg(self);
    int depth = (int)pg_get_int(self, pg_args(self), 1);
    char id[20], below[20];
    snprintf(id, sizeof id, "worker %d", depth);
    snprintf(below, sizeof below, "level %d", depth - 1);
    const pg_value own[] = {pg_v_pid(main_pid)}, theirs[] = {pg_v_pid(main_pid), pg_v_int(depth - 1)};
    const pg_child children[] = {
        {.id = id, .target = work, .spawn = {.args = pg_tuple_of(1, own)}, .start_timeout = PATIENCE},
        {.id = below, .target = level, .supervisor = true, .spawn = {.args = pg_tuple_of(2, theirs)}}};
    pg_supervisor_options o = quick;
    o.strategy = PG_REST_FOR_ONE;
    o.intensity = 1;
    CHECK_EQ(pg_supervisor_become(self, &o, depth > 1 ? 2 : 1, children), PG_OK);
}

static pg_pid levels_start(pg_process *self, int from)
{
    pg_pid last = {0};
    for (int i = from; i >= 1; i--) {
        char id[20];
        snprintf(id, sizeof id, "worker %d", i);
        last = EVENT(self, "started", id);
    }
    return last;
}

static void levels_stop(pg_process *self, int to)
{
    for (int i = 1; i <= to; i++) {
        char id[20];
        snprintf(id, sizeof id, "worker %d", i);
        EVENT(self, "stopping", id);
    }
}

static void trees(pg_process *self)
{
    survive(self);
    int depth = the_kind == PG_OS ? 3 : 30;
    const pg_child top = {.id = "top", .target = level, .supervisor = true, .spawn = {.args = pg_tuple(self, depth)}};
    pg_pid sup = good(pg_supervise(self, &quick, 1, &top));
    /* The innermost may fail once; the second time its supervisor does, and so does that one's at last. */
    pg_pid last = levels_start(self, depth);
    pg_send(last, "fail");
    pg_send(EVENT(self, "started", "worker 1"), "fail");
    pg_send(EVENT(self, "started", "worker 1"), "fail");
    pg_send(EVENT(self, "started", "worker 1"), "fail");
    /* Now that of level 2, and with it what was started behind the first in it: nothing else. */
    EVENT(self, "stopping", "worker 2");
    last = levels_start(self, 2);
    CHECK_EQ(pg_terminate(sup), PG_OK);
    levels_stop(self, depth);
    CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
    expect_nothing(self);
}

/* What cannot be started far below says so at the top. */
static void ill_level(pg_process *self)
{
    const pg_value own[] = {pg_v_pid(first_arg(self))};
    const pg_child bad = {
        .id = "bad", .target = fail_at_once, .start_timeout = PATIENCE, .spawn = {.args = pg_tuple_of(1, own)}};
    pg_supervisor_become(self, NULL, 1, &bad);
}

static void trees_that_do_not_start(pg_process *self)
{
    survive(self);
    pg_exit_info why;
    pg_supervisor_options o = quick;
    o.why = &why;
    pg_child children[] = {worker(self, "a"), {.id = "ill", .target = ill_level, .supervisor = true}};
    children[1].spawn.args = children[0].spawn.args;
    CHECK_EQ(pg_pid_status(pg_supervise(self, &o, 2, children)), PG_ENOPROC);
    EVENT(self, "started", "a");
    EVENT_ANY(self, "failing");
    EVENT(self, "stopping", "a");
    CHECK_STR(why.text, "child \"ill\" could not be started: child \"bad\" could not be started: it always fails");
}

/* -------------------------------------------------------------------------------------------- what else may happen */

/* By force, or by the end of who has called for it. */
static void with_its_supervisor(pg_process *self)
{
    survive(self);
    pg_child children[] = {worker(self, "a"), worker(self, "b")};
    pg_pid sup = good(pg_supervise(self, &quick, 2, children));
    pg_pid a = EVENT(self, "started", "a"), b = EVENT(self, "started", "b");
    pg_exit_info why;
    do pg_kill(sup);
    while (pg_wait(sup, PG_MS(1), &why) == PG_ETIMEDOUT);
    CHECK_EQ(why.kind, PG_EXIT_KILLED);
    CHECK_EQ(end_of(a).kind, PG_EXIT_UNHANDLED_EXIT);
    CHECK_EQ(end_of(b).kind, PG_EXIT_UNHANDLED_EXIT);
    exit_of(self, sup);
    expect_nothing(self);
}

static void start_and_end(pg_process *self)
{
    pg_pid main_pid = first_arg(self);
    bool well = pg_get_bool(self, pg_args(self), 1);
    const pg_value own[] = {pg_v_pid(main_pid)};
    const pg_child child = {
        .id = "a", .target = work, .start_timeout = PATIENCE, .spawn = {.args = pg_tuple_of(1, own)}};
    pg_pid sup = pg_supervise(self, &quick, 1, &child);
    pg_send(main_pid, "supervisor", sup);
    if (!well) pg_fail(self, "the parent fails");
}

static void with_its_parent(pg_process *self)
{
    for (int well = 0; well < 2; well++) {
        const pg_message *msg;
        good(pg_spawn(self, start_and_end, .kind = PG_GREEN, .args = pg_tuple(self, (bool)well)));
        EVENT(self, "started", "a");
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "supervisor", PG_PID), PG_OK);
        pg_exit_info why = end_of(pg_get_pid(self, msg, 1));
        CHECK_EQ(why.kind, well ? PG_EXIT_NORMAL : PG_EXIT_FAILED);
        if (!well) CHECK(strstr(why.text, "the parent fails"));
        EVENT(self, "stopping", "a");
    }
}

static void rests(pg_process *self)
{
    pg_receive(self, ignore, "nothing");
}

/* When all are told to end, in no order, one that does so before its supervisor is told has not failed. */
static void with_all_others(pg_process *self)
{
    enum { MANY = 3000 };
    static pg_pid before[MANY];
    (void)self;
    if (the_seed != 0 || the_kind != PG_GREEN || the_guest) return;
    int many = SLOWED ? 300 : MANY;
    pg_runtime *rt = start_runtime();
    pg_process *own = pg_attach(rt, "own");
    CHECK(own);
    survive(own);
    for (int i = 0; i < many; i++) before[i] = good(pg_spawn(own, rests));
    pg_supervisor_options o = {.intensity = -1};
    pg_pid sup = good(pg_supervise(own, &o, 0, NULL));
    for (int i = 0; i < many; i++) pg_terminate(before[i]);
    for (int i = 0; i < many; i++) end_of(before[i]);
    for (int i = 0; i < many; i++) { /* in the places of those: they are told before it is */
        char id[20];
        snprintf(id, sizeof id, "child %d", i);
        const pg_child child = {.id = id, .target = rests};
        good(pg_supervisor_start(own, sup, &child, PATIENCE));
    }
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    pg_detach(own);
    CHECK(!log_has("0 restarts") && !log_has("it is started again"));
}

/* (main): the strategy is such that it waits for its second child when the first one fails. */
static void limited(pg_process *self)
{
    const pg_value own[] = {pg_v_pid(first_arg(self))};
    pg_child children[2] = {{.id = "a"}, {.id = "b", .shutdown = PG_MS(100)}};
    for (int i = 0; i < 2; i++) {
        children[i].target = work;
        children[i].start_timeout = PATIENCE;
        children[i].spawn.args = pg_tuple_of(1, own);
    }
    const pg_supervisor_options o = {.strategy = PG_ONE_FOR_ALL, .backoff_min = -1};
    CHECK_EQ(pg_supervisor_become(self, &o, 2, children), PG_OK);
}

/* What a supervisor tells itself comes though its mailbox is at its limit. */
static void with_a_full_mailbox(pg_process *self)
{
    survive(self);
    static const pg_mailbox small = {.max_messages = 1};
    const pg_child child = {
        .id = "top", .target = limited, .supervisor = true, .spawn = {.args = ARGS(self), .mailbox = &small}};
    pg_pid sup = good(pg_supervise(self, &quick, 1, &child));
    pg_pid a = EVENT(self, "started", "a"), b = EVENT(self, "started", "b");
    pg_pid top = info_of(self, sup, "top").pid;
    pg_send(b, "hang");
    pg_send(a, "fail");
    end_of(a);
    pg_sleep(self, PG_MS(20)); /* it waits for b now */
    for (int i = 0; i < 100; i++) pg_send(top, "what is this");
    EVENT(self, "started", "a");
    EVENT(self, "started", "b");
    CHECK(pg_same(info_of(self, sup, "top").pid, top));
    pg_terminate(sup);
    EVENT(self, "stopping", "b");
    EVENT(self, "stopping", "a");
    CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
    log_clear();
}

/* Who has called for it ends while it starts: it does not stay. */
static void start_in_vain(pg_process *self)
{
    const pg_value own[] = {pg_v_pid(first_arg(self))};
    const pg_child children[] = {
        {.id = "a", .target = work, .start_timeout = PATIENCE, .spawn = {.args = pg_tuple_of(1, own)}},
        {.id = "slow", .target = never_say, .start_timeout = PG_MS(100), .shutdown = -1},
        {.id = "c", .target = work, .start_timeout = PATIENCE, .spawn = {.args = pg_tuple_of(1, own)}}};
    pg_supervise(self, &quick, 3, children);
}

static void start_slowly(pg_process *self)
{
    pg_sleep(self, PG_MS(500));
    int status = pg_started(self);
    CHECK(status == PG_OK || status == PG_ENOPROC); /* the latter: nobody waits any more */
}

static void start_in_time(pg_process *self)
{
    const pg_value own[] = {pg_v_pid(first_arg(self))};
    const pg_child children[] = {
        {.id = "a", .target = work, .start_timeout = PATIENCE, .spawn = {.args = pg_tuple_of(1, own)}},
        {.id = "slow", .target = start_slowly, .start_timeout = PATIENCE}};
    pg_supervise(self, &quick, 2, children);
}

static void before_it_has_started(pg_process *self)
{
    static const pg_target targets[] = {start_in_vain, start_in_time};
    for (int i = 0; i < 2; i++) {
        pg_pid starter = good(pg_spawn(self, targets[i], .kind = PG_GREEN, .args = pg_tuple(self)));
        EVENT(self, "started", "a");
        pg_exit_info why;
        do pg_kill(starter);
        while (pg_wait(starter, PG_MS(1), &why) == PG_ETIMEDOUT);
        EVENT(self, "stopping", "a"); /* and if this thread was late, the starter has ended by itself */
        expect_nothing(self);
    }
}

/* A start that takes too long leaves nothing behind, and no exit comes of it. */
static void too_slow(pg_process *self)
{
    pg_child children[] = {worker(self, "a"), {.id = "slow", .target = start_slowly, .start_timeout = PATIENCE}};
    pg_supervisor_options o = quick;
    o.start_timeout = PG_MS(400); /* which the first one needs, on a slow machine */
    CHECK_EQ(pg_pid_status(pg_supervise(self, &o, 2, children)), PG_ETIMEDOUT);
    const pg_message *msg;
    while (pg_recv(self, &msg, PATIENCE) == PG_OK && !pg_matches(pg_get(NULL, msg, 0), "stopping")) {}
    pg_sleep(self, PG_MS(20));
    expect_nothing(self);
}

static void what_it_does_not_know(pg_process *self)
{
    survive(self);
    pg_pid sup = good(pg_supervise(self, &quick, 0, NULL));
    CHECK_EQ(pg_send(sup, "what is this", 1), PG_OK);
    CHECK_EQ(pg_send(sup, "pg_supervisor", "alarm", pg_make_ref()), PG_OK);
    /* As one in another operating-system process could say it. */
    CHECK_EQ(pg_send(sup, "pg_supervisor", "start", 123, pg_tuple(1, 2)), PG_OK);
    for (int i = 0; i < 1000; i++) CHECK_EQ(pg_send(sup), PG_OK);
    CHECK_EQ(pg_supervisor_children(self, sup, 0, NULL, PATIENCE), 0);
    CHECK(log_has("a message that it does not know is dropped, number 1: (\"what is this\", 1)"));
    CHECK(log_has("number 2: (\"pg_supervisor\", \"start\", 123, (1, 2))"));
    CHECK(log_has("number 512: ") && !log_has("number 513: "));
    end_supervisor(self, sup);
}

static void crashes(pg_process *self)
{
    if (the_seed != 0) return; /* there are none */
    survive(self);
    pg_child children[] = {worker(self, "a"), worker(self, "b")};
    children[0].spawn.kind = PG_GREEN;
    children[1].spawn.kind = PG_OS;
    children[1].restart = PG_TRANSIENT;
    children[1].registered = "crashing";
    pg_supervisor_options o = quick;
    o.intensity = 50;
    pg_pid sup = good(pg_supervise(self, &o, 2, children));
    EVENT(self, "started", "a");
    pg_pid pid = EVENT(self, "started", "b");
    for (int i = 0; i < 8; i++) {
        pg_send(pid, "segv");
        pid = EVENT(self, "started", "b");
        CHECK(pg_same(info_of(self, sup, "b").pid, pid));
        CHECK(pg_same(pg_whereis(pg_runtime_of(self), "crashing"), pid));
    }
    CHECK(log_has("signal 11") || SANITIZED);
    pg_send(pid, "exit");
    while (info_of(self, sup, "b").state != PG_CHILD_STOPPED) pg_yield(self);
    pg_terminate(sup);
    EVENT(self, "stopping", "a");
    exit_of(self, sup);
    log_clear();
}

/* The supervisor in an operating-system process of its own: nobody outside says what runs there. */
static void elsewhere(pg_process *self)
{
    if (the_kind != PG_OS) return;
    survive(self);
    pg_child children[] = {worker(self, "a"), worker(self, "b")};
    children[0].spawn.kind = PG_GREEN;
    children[0].registered = "a there";
    children[1].shutdown = PG_MS(50);
    pg_supervisor_options o = quick;
    o.kind = PG_OS;
    pg_pid sup = good(pg_supervise(self, &o, 2, children));
    pg_pid a = EVENT(self, "started", "a"), b = EVENT(self, "started", "b");
    pg_send(a, "fail");
    EVENT(self, "started", "a");
    pg_send(b, "fail");
    b = EVENT(self, "started", "b");
    CHECK_EQ(pg_pid_status(pg_supervisor_start(self, sup, &children[0], PATIENCE)), PG_EINVAL);
    good(pg_supervisor_restart(self, sup, "a", PATIENCE));
    EVENT(self, "stopping", "a");
    EVENT(self, "started", "a");
    CHECK_EQ(info_of(self, sup, "a").restarts, 2);
    CHECK_EQ(pg_whereis(pg_runtime_of(self), "a there").id, 0); /* a registry of its own */
    pg_send(b, "hang");
    CHECK_EQ(pg_supervisor_remove(self, sup, "b", PATIENCE), PG_OK);
    CHECK_EQ(end_of(b).kind, PG_EXIT_CRASHED);
    pg_terminate(sup);
    EVENT(self, "stopping", "a");
    exit_of(self, sup);
    log_clear();
}

/* --------------------------------------------------------------------------------------------------------- misuse */

static void refused(pg_process *self, const pg_supervisor_options *o, size_t count, const pg_child *children)
{
    CHECK_EQ(pg_pid_status(pg_supervise(self, o, count, children)), PG_EINVAL);
}

static void misuse(pg_process *self)
{
    char id[100];
    memset(id, 'x', sizeof id);
    id[PG_CHILD_ID_MAX + 1] = '\0';
    const pg_child a = worker(self, "a");
    const pg_child bad[] = {
        {.target = work},
        {.id = "", .target = work},
        {.id = id, .target = work},
        {.id = "a"},
        {.id = "a", .target = work, .restart = (pg_restart)3},
        {.id = "a", .target = work, .spawn = {.kind = (pg_kind)9}},
        {.id = "a", .target = work, .spawn = {.args = pg_v_int(1)}},
        {.id = "a", .target = work, .registered = ""},
        {.id = "a", .target = work, .start_timeout = -1},
    };
    static const pg_supervisor_options ill[] = {{.strategy = (pg_strategy)3},
                                                {.kind = (pg_kind)9},
                                                {.jitter = 101},
                                                {.period = -1},
                                                {.backoff_max = -1},
                                                {.backoff_min = 2, .backoff_max = 1},
                                                {.backoff_reset = -1},
                                                {.start_timeout = -1},
                                                {.registered = ""}};
    pg_pid sup = good(pg_supervise(self, NULL, 0, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refused(self, NULL, 1, &bad[i]);
        CHECK_EQ(pg_pid_status(pg_supervisor_start(self, sup, &bad[i], PATIENCE)), PG_EINVAL);
    }
    for (size_t i = 0; i < sizeof ill / sizeof *ill; i++) {
        refused(self, &ill[i], 0, NULL);
        CHECK_EQ(pg_supervisor_become(self, &ill[i], 0, NULL), PG_EINVAL);
    }
    refused(self, NULL, 1, NULL);
    refused(self, NULL, 2, (const pg_child[]){a, a});
    refused(NULL, NULL, 0, NULL);
    CHECK_EQ(pg_supervisor_become(self, NULL, 0, NULL), PG_EINVAL); /* it is attached */
    CHECK_EQ(pg_pid_status(pg_supervisor_start(self, sup, NULL, PATIENCE)), PG_EINVAL);
    CHECK_EQ(pg_supervisor_stop(self, sup, NULL, PATIENCE), PG_EINVAL);
    CHECK_EQ(pg_supervisor_stop(self, sup, "", PATIENCE), PG_EINVAL);
    CHECK_EQ(pg_supervisor_stop(NULL, sup, "a", PATIENCE), PG_EINVAL);
    CHECK_EQ(pg_supervisor_remove(self, sup, "a", PATIENCE), PG_EINVAL);
    CHECK_EQ(pg_pid_status(pg_supervisor_restart(self, sup, "a", PATIENCE)), PG_EINVAL);
    CHECK_EQ(pg_supervisor_children(self, sup, 1, NULL, PATIENCE), PG_EINVAL);
    CHECK_EQ(pg_supervisor_children(self, (pg_pid){0}, 0, NULL, PATIENCE), PG_ENOPROC);
    CHECK_EQ(pg_started(NULL), PG_EINVAL);
    survive(self);
    end_supervisor(self, sup);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(dynamic_children),
        CASE(temporary_ones),
        CASE(starts_wait),
        CASE(names),
        CASE(trees),
        CASE(trees_that_do_not_start),
        CASE(with_its_supervisor),
        CASE(with_all_others),
        CASE(with_a_full_mailbox),
        CASE(with_its_parent),
        CASE(before_it_has_started),
        CASE(too_slow),
        CASE(what_it_does_not_know),
        CASE(crashes),
        CASE(elsewhere),
        CASE(misuse),
    };
    return RUN_CASES(cases);
}
