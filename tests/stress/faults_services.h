/* faults_services.h - the chapters of faults_stress.c that are no sending, spawning or linking: monitors, calls,
 * names, groups, timers, descriptors, calls that block, and supervisors.  Included there, behind what it uses. */
#ifndef FAULTS_SERVICES_H
#define FAULTS_SERVICES_H

#include <sys/socket.h>

/* An answer that finds nobody: the call has failed, and is made again. */
static void on_question(pg_process *self, const pg_message *msg)
{
    (void)self;
    int64_t number = pg_get_int(NULL, msg, 1) + 1;
    int status = pg_reply(msg, "longer than what a value holds", number);
    if (status == PG_ENOPROC || !excused(status, "pg_reply", __LINE__)) {
        CHECK(status == PG_OK || (faults_injected() && status == PG_ENOPROC));
        return;
    }
    status = pg_reply(msg, "longer than what a value holds", number);
    CHECK(status == PG_OK || status == PG_ENOPROC);
}

static void on_bid(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_fail(self, "a reason that is longer than what a value holds");
}

static void serves(pg_process *self)
{
    SURE(pg_receive(self, on_question, "question", PG_INT));
    SURE(pg_receive(self, on_bid, "end badly"));
    SURE(pg_receive(self, ignore, "to all", PG_STR));
}

/* False: who was called has been lost by the failure. */
static bool ask_by_call(pg_process *self, pg_pid server)
{
    for (int i = 0; i < 20; i++) {
        const pg_message *reply;
        int status = pg_call(self, server, &reply, far ? PG_SECONDS(1) : PATIENCE, "question", i);
        if (far && status == PG_ENOPROC) return false;
        if (far && faults_injected() && status == PG_ETIMEDOUT) continue; /* one of both was dropped */
        if (excused(status, "pg_call", __LINE__)) continue;
        CHECK_EQ(pg_get_int(NULL, reply, 1), i + 1);
        const pg_message *kept;
        SURE_POINTER(kept, pg_keep(self, reply));
        pg_release(kept);
        return true;
    }
    CHECK_FAIL("no call is answered");
}

static void watch_one(pg_process *self, pg_pid server)
{
    pg_ref refs[12];
    const pg_message *msg;
    for (int i = 0; i < 12; i++) SURE(pg_monitor(self, server, &refs[i])); /* their table grows */
    for (int i = 1; i < 12; i++) CHECK_EQ(pg_demonitor(self, refs[i]), PG_OK);
    int status = pg_send(server, "end badly");
    if (!(far && status == PG_ENOPROC) && excused(status, "the end", __LINE__)) SURE(pg_send(server, "end badly"));
    while (!RECEIVE(self, &msg, far ? PG_SECONDS(1) : PATIENCE, "down", refs[0], server, PG_EXIT)) {
        CHECK(far && faults_injected()); /* the bidding was dropped */
        pg_send(server, "end badly");
    }
    CHECK(!RECEIVE(self, &msg, 0, "down", PG_ETC));
    SURE(pg_monitor(self, server, NULL)); /* who has ended is told of at once */
    CHECK(RECEIVE(self, &msg, PATIENCE, "down", PG_REF, server, PG_EXIT));
}

static void name_one(pg_process *self, pg_pid server)
{
    pg_runtime *own = pg_runtime_of(self);
    SURE(pg_register(own, "a name", server));
    CHECK(pg_same(pg_whereis(own, "a name"), server));
    int status = pg_register(own, "a name", server);
    if (status != PG_ETAKEN && excused(status, "pg_register", __LINE__)) status = pg_register(own, "a name", server);
    CHECK_EQ(status, PG_ETAKEN);
    CHECK_EQ(pg_unregister(own, "a name"), PG_OK);
    SURE(pg_register(own, "another name", server)); /* goes with it */
    SURE(pg_join(own, "a group", server));
    SURE(pg_join(own, "a group", pg_self(self)));
    CHECK_EQ(pg_members(own, "a group", 0, NULL), 2);
    int sent = pg_broadcast(own, "a group", "to all", "a text that is longer than a value");
    if (sent < 0 && excused(sent, "pg_broadcast", __LINE__))
        sent = pg_broadcast(own, "a group", "to all", "a text that is longer than a value");
    CHECK(sent == 2);
    CHECK_EQ(pg_leave(own, "a group", pg_self(self)), PG_OK);
}

static pg_timer set_timer(pg_process *self, int64_t delay, bool again)
{
    pg_timer timer = {0};
    for (int i = 0; i < 2; i++) {
        timer = again ? pg_send_every(self, pg_self(self), delay, "late", "longer than what a value holds")
                      : pg_send_after(self, pg_self(self), delay, "late", "longer than what a value holds");
        if (!excused(pg_timer_status(timer), "a timer", __LINE__)) break;
    }
    CHECK_EQ(pg_timer_status(timer), PG_OK);
    return timer;
}

static void wait_for_timers(pg_process *self)
{
    const pg_message *msg;
    set_timer(self, PG_MS(1), false);
    CHECK(RECEIVE(self, &msg, PATIENCE, "late", PG_STR));
    CHECK(pg_cancel_timer(set_timer(self, PG_SECONDS(1000), false)));
    pg_timer timer = set_timer(self, PG_MS(1), true);
    for (int i = 0; i < 3; i++) CHECK(RECEIVE(self, &msg, PATIENCE, "late", PG_STR));
    CHECK(pg_cancel_timer(timer));
    while (RECEIVE(self, &msg, 0, "late", PG_STR)) continue;
    set_timer(self, PG_SECONDS(1000), false); /* pending when all is stopped */
}

static bool excused_system(ssize_t status, const char *call, int line)
{
    if (pg_errno(status) == 0) return excused(status < 0 ? (int)status : PG_OK, call, line);
    if (!faults_injected()) CHECK_FAIL("line %d: %s: %s", line, call, pg_strerror((int)status));
    return true;
}

static void write_later(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    CHECK_EQ(pg_sleep(self, PG_MS(1)), PG_OK);
    CHECK_EQ(pg_write(self, fd, "x", 1, 0), 1);
}

static void read_and_write(pg_process *self, pg_kind kind)
{
    int fd[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) != 0)
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    ssize_t n = pg_wait_fd(self, fd[0], POLLIN, PG_MS(1));
    if (n != PG_ETIMEDOUT && excused_system(n, "pg_wait_fd", __LINE__)) n = pg_wait_fd(self, fd[0], POLLIN, PG_MS(1));
    CHECK_EQ(n, PG_ETIMEDOUT);
    spawn(self, write_later, false, (pg_spawn_options){.kind = kind, .args = pg_tuple(fd[1])});
    n = pg_read(self, fd[0], &byte, 1, PATIENCE);
    if (excused_system(n, "pg_read", __LINE__)) n = pg_read(self, fd[0], &byte, 1, PATIENCE);
    CHECK_EQ(n, 1);
    CHECK_EQ(pg_close(self, fd[0]), PG_OK);
    CHECK_EQ(pg_close(self, fd[1]), PG_OK);
}

static void count_one(void *argument)
{
    ++*(int *)argument;
}

/* The life of one who uses all of it, and of who serves it. */
static void uses_services(pg_process *self)
{
    int count = 0;
    pg_pid parent = pg_get_pid(self, pg_args(self), 0);
    pg_kind kind = (pg_kind)pg_get_int(self, pg_args(self), 1);
    pg_pid server = spawn(self, serves, false, (pg_spawn_options){.kind = kind});
    CHECK(ask_by_call(self, server));
    name_one(self, server);
    wait_for_timers(self);
    read_and_write(self, kind);
    SURE(pg_blocking(self, count_one, &count));
    CHECK_EQ(count, 1);
    watch_one(self, server);
    CHECK_EQ(pg_whereis(pg_runtime_of(self), "another name").id, 0);
    CHECK_EQ(pg_members(pg_runtime_of(self), "a group", 0, NULL), 0);
    SURE(pg_send(parent, "served"));
}

static void services(pg_process *self)
{
    for (pg_kind kind = PG_GREEN; kind <= PG_THREAD; kind++) {
        const pg_message *msg;
        spawn(self, uses_services, true, (pg_spawn_options){.kind = kind, .args = pg_tuple(self, kind)});
        CHECK(RECEIVE(self, &msg, PATIENCE, "served"));
    }
}

/* By the program, of one in another operating-system process. */
static void far_services(pg_process *self)
{
    for (int tries = 0; tries < 3; tries++) {
        pg_pid server = spawn(self, serves, false, (pg_spawn_options){.kind = PG_OS});
        if (!ask_by_call(self, server)) {
            CHECK(faults_injected()); /* it could not begin */
            continue;
        }
        SURE(pg_register(pg_runtime_of(self), "far", server));
        watch_one(self, server);
        return;
    }
    CHECK_FAIL("none of three has lived");
}

/* --------------------------------------------------------------------------------------------------- supervisors */

/* A supervisor, too. */
static void lower(pg_process *self)
{
    const pg_child child = {.id = "one that serves, below", .target = serves, .registered = "below"};
    SURE(pg_supervisor_become(self, NULL, 1, &child));
}

static pg_pid start_tree(pg_process *self)
{
    const pg_child children[] = {
        {.id = "lower", .target = lower, .supervisor = true},
        {.id = "one that serves", .target = serves, .registered = "serves", .shutdown = PG_FOREVER}};
    const pg_supervisor_options o = {
        .strategy = PG_ONE_FOR_ALL, .backoff_min = PG_MS(1), .backoff_max = PG_MS(2), .registered = "tree"};
    for (int64_t since = check_now_ns();;) {
        pg_pid tree = pg_supervise(self, &o, 2, children);
        if (pg_pid_status(tree) == PG_OK) return tree;
        /* One that could not be started is on its way out. */
        CHECK(faults_injected() && check_now_ns() - since < PATIENCE);
        CHECK_EQ(pg_sleep(self, PG_MS(1)), PG_OK);
    }
}

/* What a request has come to: PG_OK; PG_ENOPROC: the tree has ended by the failure; or it may be made again. */
#define REQUEST(call)                                                                     \
    do {                                                                                  \
        int status_ = (call);                                                             \
        if (status_ != PG_ENOPROC && excused(status_, #call, __LINE__)) status_ = (call); \
        if (status_ == PG_ENOPROC) return false;                                          \
        CHECK_EQ(status_, PG_OK);                                                         \
    } while (0)

/* It fails, and another one serves in its place; false: the tree has ended by the failure. */
static bool is_replaced(pg_process *self, pg_pid tree)
{
    pg_runtime *own = pg_runtime_of(self);
    pg_pid before = pg_whereis(own, "serves"), now;
    SURE(pg_send(before, "end badly"));
    for (int64_t since = check_now_ns();;) {
        now = pg_whereis(own, "serves");
        if (now.id != 0 && !pg_same(now, before)) break;
        if (!pg_is_alive(tree)) return false;
        CHECK(check_now_ns() - since < PATIENCE);
        CHECK_EQ(pg_sleep(self, PG_MS(1)), PG_OK);
    }
    return ask_by_call(self, now);
}

/* False: the tree has ended by the failure. */
static bool tree_lives(pg_process *self, pg_pid tree)
{
    pg_child_info info[3];
    const pg_child more = {.id = "one more", .target = serves, .restart = PG_TRANSIENT};
    CHECK(ask_by_call(self, pg_whereis(pg_runtime_of(self), "serves")));
    CHECK(ask_by_call(self, pg_whereis(pg_runtime_of(self), "below")));
    if (!is_replaced(self, tree)) return false;
    REQUEST(pg_pid_status(pg_supervisor_start(self, tree, &more, PATIENCE)));
    REQUEST(pg_pid_status(pg_supervisor_restart(self, tree, "one more", PATIENCE)));
    REQUEST(pg_supervisor_stop(self, tree, "one more", PATIENCE));
    int64_t count;
    REQUEST((int)(count = pg_supervisor_children(self, tree, 3, info, PATIENCE)) < 0 ? (int)count : PG_OK);
    CHECK_EQ(count, 3);
    CHECK_EQ(info[1].state, PG_CHILD_RUNNING);
    CHECK_EQ(info[2].state, PG_CHILD_STOPPED);
    REQUEST(pg_supervisor_remove(self, tree, "one more", PATIENCE));
    return true;
}

static void supervisor(pg_process *self)
{
    pg_pid tree = start_tree(self);
    if (!tree_lives(self, tree)) {
        CHECK(faults_injected());
        CHECK_EQ(exit_of(self, tree).kind, PG_EXIT_FAILED);
        tree = start_tree(self);
        CHECK(tree_lives(self, tree));
    }
    SURE(pg_terminate(tree));
    CHECK_EQ(exit_of(self, tree).kind, PG_EXIT_NORMAL);
    CHECK_EQ(pg_whereis(pg_runtime_of(self), "serves").id, 0);
    CHECK_EQ(pg_whereis(pg_runtime_of(self), "below").id, 0);
}

#endif
