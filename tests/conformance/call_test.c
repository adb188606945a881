/* call_test.c - calls: the answer, and what comes instead of one: an end, a timeout; and that no answer goes astray. */
#include <signal.h>

#include "conformance.h"

static void on_add(pg_process *self, const pg_message *msg)
{
    pg_reply(msg, pg_get_int(self, msg, 1) + 1);
}

static void on_long(pg_process *self, const pg_message *msg)
{
    (void)self;
    pg_reply(msg, "a text that does not fit into a value", pg_tuple(pg_get(NULL, msg, 1), pg_list(1, 2.5)));
}

/* Answers a call, and tells it to who is named where it was only sent. */
static void on_both(pg_process *self, const pg_message *msg)
{
    if (pg_reply(msg, "called") == PG_EINVAL) pg_send(pg_get_pid(self, msg, 1), "sent");
}

static void on_end(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void on_fail(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_fail(self, "asked to");
}

static void on_crash(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
    raise(SIGKILL);
}

/* Answers after so many milliseconds; says to the caller's mailbox what became of the answer. */
static void on_slow(pg_process *self, const pg_message *msg)
{
    pg_pid caller = pg_call_from(msg).pid;
    pg_sleep(self, PG_MS(pg_get_int(self, msg, 1)));
    int status = pg_reply(msg, "late");
    pg_send(caller, "told", status == PG_ENOPROC || (the_kind == PG_OS && status == PG_OK));
}

static void on_twice(pg_process *self, const pg_message *msg)
{
    (void)self;
    pg_pid caller = pg_call_from(msg).pid;
    CHECK_EQ(pg_reply(msg, 1), PG_OK);
    int again = pg_reply(msg, 2);
    CHECK(again == PG_ENOPROC || (the_kind == PG_OS && again == PG_OK));
    pg_send(caller, "answered");
}

/* Has another one answer, by the pid and the ref; and by handing the call on. */
static void work(pg_process *self)
{
    const pg_message *args = pg_args(self);
    pg_from from = {pg_get_pid(self, args, 0), pg_get_ref(self, args, 1)};
    CHECK_EQ(pg_reply_to(from, "by another"), PG_OK);
}

static void on_delegate(pg_process *self, const pg_message *msg)
{
    pg_from from = pg_call_from(msg);
    good(pg_spawn(self, work, .args = pg_tuple(from.pid, from.ref)));
}

static void on_hand_on(pg_process *self, const pg_message *msg)
{
    CHECK_EQ(pg_forward(pg_get_pid(self, msg, 1), msg), PG_OK);
}

static void on_handed(pg_process *self, const pg_message *msg)
{
    (void)self;
    pg_reply(msg, "by who got it");
}

/* Keeps a call, and answers it with the next. */
static void on_keep(pg_process *self, const pg_message *msg)
{
    const pg_message *kept = pg_data(self);
    if (kept) pg_reply(kept, pg_get_int(NULL, msg, 1));
    pg_release(kept);
    const pg_message *copy = pg_keep(self, msg);
    CHECK(copy != NULL);
    if (kept) {
        pg_release(copy);
        pg_reply(msg, 0);
    }
    pg_set_data(self, kept ? NULL : (void *)(uintptr_t)copy);
}

/* Asks the one named for the answer. */
static void on_ask(pg_process *self, const pg_message *msg)
{
    const pg_message *reply;
    CHECK_EQ(pg_call(self, pg_get_pid(self, msg, 1), &reply, PATIENCE, "add", 10), PG_OK);
    pg_reply(msg, pg_get_int(self, reply, 0) + pg_get_int(self, msg, 2));
}

static void on_echo(pg_process *self, const pg_message *msg)
{
    pg_reply(msg, pg_get(self, msg, 1));
}

static void serve(pg_process *self)
{
    pg_receive(self, on_echo, "echo", PG_ANY);
    pg_receive(self, on_add, "add", PG_INT);
    pg_receive(self, on_long, "long", PG_ANY);
    pg_receive(self, on_both, "both", PG_PID);
    pg_receive(self, on_end, "end");
    pg_receive(self, on_fail, "fail");
    pg_receive(self, on_crash, "crash");
    pg_receive(self, on_slow, "slow", PG_INT);
    pg_receive(self, on_twice, "twice");
    pg_receive(self, on_delegate, "delegate");
    pg_receive(self, on_handed, "hand on", pg_v_pid(pg_self(self)));
    pg_receive(self, on_hand_on, "hand on", PG_PID);
    pg_receive(self, on_keep, "keep", PG_INT);
    pg_receive(self, on_ask, "ask", PG_PID, PG_INT);
}

static pg_pid spawn_server(pg_process *self)
{
    return good(pg_spawn(self, serve, .name = "server"));
}

#define EXPECT_REPLY(reply, expected)                                \
    do {                                                             \
        char expect_text_[300];                                      \
        pg_format_message(expect_text_, sizeof expect_text_, reply); \
        CHECK_STR(expect_text_, expected);                           \
    } while (0)

static void answers(pg_process *self)
{
    const pg_message *reply;
    pg_pid server = spawn_server(self);
    CHECK_EQ(pg_send(pg_self(self), "mine"), PG_OK); /* stays where it is */
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "add", i), PG_OK);
        CHECK_EQ(pg_get_int(NULL, reply, 0), i + 1);
    }
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "long", "one more text, and a long one"), PG_OK);
    EXPECT_REPLY(reply, "(\"a text that does not fit into a value\", (\"one more text, and a long one\", [1, 2.5]))");
    const pg_message *kept = pg_keep(self, reply);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "both", self), PG_OK);
    EXPECT_REPLY(reply, "(\"called\")");
    CHECK_STR(pg_get_str(NULL, kept, 0), "a text that does not fit into a value");
    pg_release(kept);
    CHECK_EQ(pg_send(server, "both", self), PG_OK);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "twice"), PG_OK);
    EXPECT_REPLY(reply, "(1)");
    EXPECT(self, "(\"mine\")");
    EXPECT(self, "(\"sent\")");
    EXPECT(self, "(\"answered\")");
    expect_nothing(self);
}

/* Longer than a frame between operating-system processes may be; and a dict, which is sent in another form than it is
 * written in. */
static void long_ones(pg_process *self)
{
    enum { LENGTH = 3 << 20 };
    const pg_message *reply;
    size_t length;
    char *bytes = malloc(LENGTH);
    CHECK(bytes != NULL);
    for (int i = 0; i < LENGTH; i++) bytes[i] = (char)(i % 251);
    pg_pid server = spawn_server(self);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "echo", pg_bytes(bytes, LENGTH)), PG_OK);
    const void *echo = pg_get_bytes(NULL, reply, 0, &length);
    CHECK_EQ(length, LENGTH);
    CHECK(memcmp(echo, bytes, LENGTH) == 0);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "echo", pg_dict(2, "a text that is long", 1, "one", 2, "two")),
             PG_OK);
    EXPECT_REPLY(reply, "({1: \"one\", 2: \"two\"})");
    free(bytes);
}

static void answered_elsewhere(pg_process *self)
{
    const pg_message *reply;
    pg_pid server = spawn_server(self), other = spawn_server(self);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "delegate"), PG_OK);
    EXPECT_REPLY(reply, "(\"by another\")");
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "hand on", other), PG_OK);
    EXPECT_REPLY(reply, "(\"by who got it\")");
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "ask", other, 5), PG_OK);
    EXPECT_REPLY(reply, "(16)");
    expect_nothing(self);
}

/* One process calls, and its answer is given when another one calls. */
static void call_once(pg_process *self)
{
    const pg_message *reply;
    CHECK_EQ(pg_call(self, first_arg(self), &reply, PATIENCE, "keep", 1), PG_OK);
    pg_send(pg_get_pid(NULL, pg_args(self), 1), pg_get_int(NULL, reply, 0));
}

static void answered_later(pg_process *self)
{
    const pg_message *reply;
    pg_pid server = spawn_server(self);
    good(pg_spawn(self, call_once, .args = pg_tuple(server, self)));
    pg_sleep(self, PG_MS(30)); /* it is mostly the first then; either way both are answered */
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "keep", 7), PG_OK);
    int64_t mine = pg_get_int(NULL, reply, 0), its = next_int(self);
    CHECK((mine == 0 && its == 7) || (mine == 1 && its == 0));
}

static void the_dead(pg_process *self)
{
    const pg_message *reply;
    pg_pid server = spawn_server(self);
    pg_terminate(server);
    end_of(server);
    CHECK_EQ(pg_call(self, server, &reply, PG_FOREVER, "add", 1), PG_ENOPROC);
    CHECK_EQ(pg_call(self, (pg_pid){0}, &reply, PG_FOREVER, "add", 1), PG_ENOPROC);
    CHECK_EQ(pg_call(self, (pg_pid){pg_self(self).id + 12345}, &reply, PG_FOREVER, "add", 1), PG_ENOPROC);
}

static void the_dying(pg_process *self)
{
    const pg_message *reply;
    pg_exit_info why;
    pg_pid server = spawn_server(self);
    CHECK_EQ(pg_call(self, server, &reply, PG_FOREVER, "end"), PG_ENOPROC);
    CHECK_EQ(pg_why(server, &why), PG_OK);
    CHECK_EQ(why.kind, PG_EXIT_NORMAL);
    server = spawn_server(self);
    CHECK_EQ(pg_call(self, server, &reply, PG_FOREVER, "fail"), PG_ENOPROC);
    CHECK_EQ(pg_why(server, &why), PG_OK);
    CHECK_STR(why.text, "asked to");
    server = spawn_server(self);
    CHECK_EQ(pg_call(self, server, &reply, PG_FOREVER, "what it does not know"), PG_ENOPROC);
    CHECK_EQ(end_of(server).kind, PG_EXIT_UNHANDLED_MESSAGE);
    if (the_kind == PG_OS) {
        server = spawn_server(self);
        CHECK_EQ(pg_call(self, server, &reply, PG_FOREVER, "crash"), PG_ENOPROC);
        CHECK_EQ(end_of(server).kind, PG_EXIT_CRASHED);
        log_clear(); /* as it should be */
    }
    expect_nothing(self);
}

static void the_slow(pg_process *self)
{
    const pg_message *reply;
    pg_pid server = spawn_server(self);
    int at_once = pg_call(self, server, &reply, 0, "add", 1); /* another worker may have been so fast */
    CHECK(at_once == PG_ETIMEDOUT || at_once == PG_OK);
    for (int i = 0; i < 3; i++) CHECK_EQ(pg_call(self, server, &reply, PG_MS(1), "slow", 100), PG_ETIMEDOUT);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "add", 41), PG_OK); /* not one of the late ones */
    EXPECT_REPLY(reply, "(42)");
    for (int i = 0; i < 3; i++) EXPECT(self, "(\"told\", 1)");
    expect_nothing(self);
}

static void misuse(pg_process *self)
{
    const pg_message *reply;
    pg_pid server = spawn_server(self);
    CHECK_EQ(pg_call(NULL, server, &reply, PATIENCE, "add", 1), PG_EINVAL);
    CHECK_EQ(pg_call(self, server, NULL, PATIENCE, "add", 1), PG_EINVAL);
    CHECK_EQ(pg_call(self, pg_self(self), &reply, PATIENCE, "add", 1), PG_EINSIDE);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "add", PG_ANY), PG_EINVAL);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17),
             PG_ETOOMANY);
    CHECK_EQ(pg_reply(NULL, 1), PG_EINVAL);
    CHECK_EQ(pg_reply(pg_args(self), 1), PG_EINVAL);
    pg_from nobody = {pg_self(self), pg_make_ref()};
    CHECK_EQ(pg_reply_to(nobody, 1), PG_ENOPROC);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "add", 1), PG_OK);
    EXPECT_REPLY(reply, "(2)");
}

static void across_runtimes(pg_process *self)
{
    const pg_message *reply;
    pg_runtime *other = start_runtime();
    pg_process *there = pg_attach(other, "main of the other");
    CHECK(there != NULL);
    pg_pid server = spawn_server(there), near = spawn_server(self);
    CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "add", 1), PG_OK);
    EXPECT_REPLY(reply, "(2)");
    if (the_kind != PG_OS) { /* what is within one may only send to the green and attached of another runtime */
        CHECK_EQ(pg_call(self, server, &reply, PATIENCE, "ask", near, 1), PG_OK);
        EXPECT_REPLY(reply, "(12)");
    }
    CHECK_EQ(pg_call(self, server, &reply, PG_FOREVER, "end"), PG_ENOPROC);
    pg_detach(there);
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
    CHECK_EQ(pg_call(self, server, &reply, PG_FOREVER, "add", 1), PG_ENOPROC);
}

/* A host thread answers while it serves. */
static void call_and_end(pg_process *self)
{
    const pg_message *reply;
    CHECK_EQ(pg_call(self, first_arg(self), &reply, PATIENCE, "add", 1), PG_OK);
    EXPECT_REPLY(reply, "(2)");
    pg_send(first_arg(self), "end");
}

static void a_host_answers(pg_process *self)
{
    pg_process *host = pg_attach(pg_runtime_of(self), "host");
    CHECK(host != NULL);
    serve(host);
    pg_pid caller = good(pg_spawn(self, call_and_end, .args = pg_tuple(host)));
    CHECK_EQ(pg_serve(host, PATIENCE), PG_EENDED);
    end_of(caller);
    pg_detach(host);
}

/* A runtime is stopped whose processes wait for an answer that does not come in time. */
static void call_slow(pg_process *self)
{
    const pg_message *reply;
    pg_send(pg_get_pid(self, pg_args(self), 1), "calling");
    pg_call(self, first_arg(self), &reply, PG_FOREVER, "slow", 1000000);
}

static void stopped_in_a_call(pg_process *self)
{
    pg_runtime *rt = start_runtime();
    pg_pid server = good(pg_spawn_in(rt, serve, &(pg_spawn_options){.name = "slow"}));
    for (int i = 0; i < 3; i++) good(pg_spawn_in(rt, call_slow, &(pg_spawn_options){.args = pg_tuple(server, self)}));
    for (int i = 0; i < 3; i++) EXPECT(self, "(\"calling\")");
    CHECK_EQ(pg_stop(rt, PG_MS(20)), PG_OK);
    expect_nothing(self);
    log_clear(); /* operating-system processes that were killed are as it should be */
}

/* A host's process is no more when its runtime has stopped, also where the host has not let go of it: who calls it from
 * another runtime is told, and is left alone when it does let go. */
static void call_host(pg_process *self)
{
    const pg_message *reply;
    pg_pid main_pid = pg_get_pid(self, pg_args(self), 1);
    int64_t timeout = pg_get_int(self, pg_args(self), 2);
    pg_send(main_pid, "calling");
    int status = pg_call(self, first_arg(self), &reply, timeout, "never answered");
    CHECK(status == PG_ENOPROC || (status == PG_ETIMEDOUT && timeout != PG_FOREVER));
    char mine[4096]; /* where its call was */
    memset(mine, 0, sizeof mine);
    pg_send(main_pid, "returned");
    CHECK_EQ(pg_sleep(self, PG_MS(50)), PG_OK);
    for (size_t i = 0; i < sizeof mine; i++) CHECK_EQ(mine[i], 0);
}

static void of_a_host_that_stays(pg_process *self)
{
    enum { CALLERS = 3 };
    static const int64_t timeouts[CALLERS] = {PG_FOREVER, PG_MS(40), PG_MS(80)};
    pg_runtime *other = start_runtime();
    pg_process *host = pg_attach(other, "host");
    CHECK(host != NULL);
    pg_kind kind = the_kind == PG_OS ? PG_GREEN : the_kind; /* from within one, nobody reaches another runtime */
    pg_pid caller[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        const pg_message *msg;
        caller[i] = good(pg_spawn(self, call_host, .kind = kind, .args = pg_tuple(host, self, timeouts[i])));
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "calling"), PG_OK);
    }
    pg_sleep(self, PG_MS(20));
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
    for (int i = 0; i < CALLERS; i++) EXPECT(self, "(\"returned\")");
    pg_detach(host);
    for (int i = 0; i < CALLERS; i++) CHECK_EQ(end_of(caller[i]).kind, PG_EXIT_NORMAL);
}

/* A host thread in a call, whose own runtime is stopped: no answer could reach it, wherever the callee is. */
typedef struct host_call {
    pg_runtime *rt;
    pg_pid callee;
} host_call;

static void *call_from_host(void *argument)
{
    const host_call *call = argument;
    const pg_message *reply;
    pg_process *host = pg_attach(call->rt, "caller");
    CHECK(host != NULL);
    int status = pg_call(host, call->callee, &reply, PG_FOREVER, "never answered");
    CHECK_EQ(status, PG_ESTOPPED);
    CHECK_EQ(pg_call(host, call->callee, &reply, PG_FOREVER, "refused"), PG_ESTOPPED);
    pg_detach(host);
    return NULL;
}

static void hosts_are_let_go(pg_process *self)
{
    for (int at_home = 0; at_home < 2; at_home++) {
        pthread_t thread;
        const pg_message *msg;
        pg_runtime *other = start_runtime();
        pg_process *there = pg_attach(other, "main of the other"), *callee = at_home ? there : self;
        CHECK(there != NULL);
        host_call call = {other, pg_self(callee)};
        CHECK_EQ(pthread_create(&thread, NULL, call_from_host, &call), 0);
        CHECK_EQ(pg_recv(callee, &msg, PATIENCE), PG_OK);
        pg_from from = pg_call_from(msg);
        CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(pg_reply_to(from, "too late"), PG_ENOPROC);
        pg_detach(there);
    }
}

/* Has the next of a circle call the next. */
static void on_round(pg_process *self, const pg_message *msg)
{
    const pg_message *reply;
    pg_pid *next = pg_data(self);
    int status = pg_call(self, *next, &reply, PATIENCE, "round");
    pg_reply(msg, status == PG_OK ? (int)pg_get_int(self, reply, 0) : status);
}

static void on_next(pg_process *self, const pg_message *msg)
{
    pg_pid *next = malloc(sizeof *next);
    CHECK(next != NULL);
    *next = pg_get_pid(self, msg, 1);
    pg_defer(self, free, next);
    pg_set_data(self, next);
}

static void in_a_circle(pg_process *self)
{
    pg_receive(self, on_next, "next", PG_PID);
    pg_receive(self, on_round, "round");
    serve(self);
}

static void circles_are_found(pg_process *self)
{
    (void)self;
    const pg_message *reply;
    pg_kind kind = the_kind == PG_OS ? PG_GREEN : the_kind;
    pg_runtime *rt = pg_start(&(pg_options){
        .workers = the_workers, .kind = kind, .debug_calls = true, .log = log_line, .log_context = &the_log});
    CHECK(rt != NULL);
    pg_process *mine = pg_attach(rt, "main");
    pg_pid a = good(pg_spawn(mine, in_a_circle, .name = "a")), b = good(pg_spawn(mine, in_a_circle, .name = "b"));
    pg_pid c = good(pg_spawn(mine, in_a_circle, .name = "c"));
    CHECK_EQ(pg_call(mine, a, &reply, PATIENCE, "ask", b, 1), PG_OK); /* a chain is no circle */
    EXPECT_REPLY(reply, "(12)");
    CHECK(!log_has("wait for each other"));
    pg_send(a, "next", b);
    pg_send(b, "next", c);
    pg_send(c, "next", a);
    CHECK_EQ(pg_call(mine, a, &reply, PATIENCE, "round"), PG_OK);
    CHECK_EQ(pg_get_int(NULL, reply, 0), PG_EINSIDE);
    CHECK(log_has("processes wait for each other: <pid ") && log_has("\"c\" calls <pid ") &&
          log_has("\"b\" calls the first"));
    pg_detach(mine);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

/* ------------------------------------------------------------------------------------------------------ many calls */

enum { CALLERS = 4 };

/* Answers most calls at once, and some so late that their callers may have given up, or do so just then. */
static void on_number(pg_process *self, const pg_message *msg)
{
    int64_t number = pg_get_int(self, msg, 1);
    const pg_message *late = pg_data(self);
    if (number % 100 == 99) {
        pg_release(late);
        pg_set_data(self, (void *)(uintptr_t)pg_keep(self, msg));
        return;
    }
    pg_reply(msg, number);
    if (late && number % 200 == 0) {
        pg_reply(late, pg_get_int(self, late, 1));
        pg_release(late);
        pg_set_data(self, NULL);
    }
}

static void release_late(void *self)
{
    pg_release(pg_data(self));
}

static void number_server(pg_process *self)
{
    pg_defer(self, release_late, self);
    pg_receive(self, on_number, "number", PG_INT);
}

static void call_often(pg_process *self)
{
    pg_pid server = pg_get_pid(self, pg_args(self), 0), main_pid = pg_get_pid(self, pg_args(self), 1);
    int64_t calls = pg_get_int(self, pg_args(self), 2), timeouts = 0;
    const pg_message *reply;
    for (int64_t i = 0; i < calls; i++) {
        int status = pg_call(self, server, &reply, i % 100 == 99 ? 1000 * (i % 70) : PATIENCE, "number", i);
        if (status == PG_ETIMEDOUT && i % 100 == 99) {
            timeouts++;
        } else {
            CHECK_EQ(status, PG_OK);
            CHECK_EQ(pg_get_int(self, reply, 0), i);
        }
    }
    CHECK_EQ(pg_recv(self, &reply, 0), PG_ETIMEDOUT); /* nothing is astray */
    pg_send(main_pid, timeouts);
}

static void no_stray_reply(pg_process *self)
{
    const char *asked = getenv("PG_TEST_CALLS");
    int64_t calls = asked ? atoll(asked) / CALLERS : scaled(100000, 20000) / CALLERS / (SANITIZED ? 5 : 1);
    pg_pid server = good(pg_spawn(self, number_server));
    for (int i = 0; i < CALLERS; i++) good(pg_spawn(self, call_often, .args = pg_tuple(server, self, calls)));
    int64_t timeouts = 0;
    for (int i = 0; i < CALLERS; i++) { /* which takes as long as there are calls */
        const pg_message *msg;
        CHECK_EQ(pg_recv(self, &msg, PG_FOREVER), PG_OK);
        timeouts += pg_get_int(self, msg, 0);
    }
    printf("%d times %" PRId64 " calls, %" PRId64 " timeouts\n", CALLERS, calls, timeouts);
    CHECK(timeouts > 0);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(answers),
        CASE(answered_elsewhere),
        CASE(answered_later),
        CASE(the_dead),
        CASE(the_dying),
        CASE(the_slow),
        CASE(misuse),
        CASE_REAL(across_runtimes, "it starts another runtime"),
        CASE(no_stray_reply),
        CASE(long_ones),
        CASE_REAL(circles_are_found, "it starts another runtime"),
        CASE(a_host_answers),
        CASE_REAL(stopped_in_a_call, "it starts another runtime"),
        CASE_REAL(of_a_host_that_stays, "it starts another runtime"),
        CASE_REAL(hosts_are_let_go, "it starts another runtime"),
    };
    return RUN_CASES(cases);
}
