/* kill_test.c - pg_kill(): whatever a process waits for, it ends there, and its clean-ups run. */
#include "conformance.h"

static void ignore(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

/* ------------------------------------------------------------------------------------------------ who is killed */

static void cleaned(void *main_pid)
{
    pg_send((pg_pid){(uint64_t)(uintptr_t)main_pid}, "cleaned");
}

/* (main, how): waits in the way it is told to. */
static void wait_somehow(pg_process *self)
{
    const pg_message *msg;
    pg_pid main_pid = first_arg(self);
    const char *how = pg_get_str(self, pg_args(self), 1);
    pg_defer(self, cleaned, (void *)(uintptr_t)main_pid.id);
    pg_send(main_pid, "begun");
    if (strcmp(how, "rest") == 0) pg_receive(self, ignore, "nothing");
    if (strcmp(how, "receive") == 0) pg_recv(self, &msg, PG_FOREVER);
    if (strcmp(how, "match") == 0) pg_recv_match(self, &msg, PG_FOREVER, "nothing");
    if (strcmp(how, "sleep") == 0) pg_sleep(self, PG_SECONDS(3600));
    if (strcmp(how, "wait") == 0) pg_wait(main_pid, PG_FOREVER, NULL);
    if (strcmp(how, "call") == 0) pg_call(self, main_pid, &msg, PG_FOREVER, "a call");
    if (strcmp(how, "yield") == 0) {
        for (;;) pg_yield(self);
    }
}

/* Until it has ended: one who is on his way to where he waits is not touched. */
static pg_exit_info kill_it(pg_process *self, pg_pid pid)
{
    pg_exit_info why = {.kind = PG_EXIT_UNKNOWN};
    int64_t until = pg_now() + PATIENCE;
    CHECK_EQ(pg_kill(pid), PG_OK);
    while (pg_wait(pid, PG_MS(1), &why) == PG_ETIMEDOUT) {
        int status = pg_kill(pid);
        CHECK(status == PG_OK || status == PG_ENOPROC);
        CHECK(pg_now() < until);
        pg_yield(self);
    }
    return why;
}

static void wherever_it_waits(pg_process *self)
{
    static const char *const ways[] = {"rest", "receive", "match", "sleep", "wait", "call", "yield"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const pg_message *msg;
        pg_pid pid = good(pg_spawn(self, wait_somehow, .args = pg_tuple(self, ways[i])));
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "begun"), PG_OK);
        if (strcmp(ways[i], "call") == 0) CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "a call"), PG_OK);
        pg_exit_info why = kill_it(self, pid);
        if (the_kind == PG_OS) {
            CHECK_EQ(why.kind, PG_EXIT_CRASHED);
            CHECK(strstr(why.text, "killed by signal 9"));
        } else {
            CHECK_EQ(why.kind, PG_EXIT_KILLED);
            CHECK_STR(why.text, "ended by pg_kill() where it waited");
            EXPECT(self, "(\"cleaned\")");
        }
        CHECK_EQ(pg_kill(pid), PG_ENOPROC);
    }
    log_clear(); /* of crashes */
}

/* Those linked hear of it as of any other end. */
static void linked_are_told(pg_process *self)
{
    const pg_message *msg;
    pg_exit_info why;
    pg_receive(self, ignore, PG_EXIT, PG_PID);
    pg_pid pid = good(pg_spawn_link(self, wait_somehow, .args = pg_tuple(self, "sleep")));
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "begun"), PG_OK);
    kill_it(self, pid);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, pid), PG_OK);
    pg_get_exit(self, msg, 0, &why);
    CHECK_EQ(why.kind, the_kind == PG_OS ? PG_EXIT_CRASHED : PG_EXIT_KILLED);
    log_clear();
}

/* Others go on as they were, and wait as before. */
static void others_are_not(pg_process *self)
{
    const pg_message *msg;
    pg_pid pid[10];
    for (int i = 0; i < 10; i++) {
        pid[i] = good(pg_spawn(self, wait_somehow, .args = pg_tuple(self, i % 2 ? "match" : "rest")));
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "begun"), PG_OK);
    }
    for (int i = 0; i < 10; i += 3) kill_it(self, pid[i]);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(pg_is_alive(pid[i]), i % 3 != 0);
        if (i % 3 == 0) continue;
        CHECK_EQ(pg_send(pid[i], "nothing"), PG_OK);
        pg_terminate(pid[i]); /* some have ended by what they got */
        CHECK_EQ(end_of(pid[i]).kind, PG_EXIT_NORMAL);
    }
    log_clear();
}

/* Whose slot another has by now is not meant. */
static void short_lived(pg_process *self)
{
    pg_send(first_arg(self), "been");
}

static void the_dead_are_left_alone(pg_process *self)
{
    for (int i = 0; i < scaled(2000, 50); i++) {
        pg_pid pid = good(pg_spawn(self, short_lived, .args = pg_tuple(self)));
        int status = pg_kill(pid);
        CHECK(status == PG_OK || status == PG_ENOPROC);
        end_of(pid);
        CHECK_EQ(pg_kill(pid), PG_ENOPROC);
    }
    const pg_message *msg;
    pg_pid pid = good(pg_spawn(self, wait_somehow, .args = pg_tuple(self, "match")));
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "begun"), PG_OK);
    CHECK_EQ(pg_send(pid, "nothing"), PG_OK);
    CHECK_EQ(end_of(pid).kind, PG_EXIT_NORMAL);
    log_clear();
}

static void misuse(pg_process *self)
{
    CHECK_EQ(pg_kill(pg_self(self)), PG_EINVAL);
    CHECK_EQ(pg_kill((pg_pid){0}), PG_ENOPROC);
    CHECK_EQ(pg_kill((pg_pid){12345}), PG_ENOPROC);
    CHECK_EQ(pg_kill((pg_pid){UINT64_MAX}), PG_ENOPROC);
    CHECK_EQ(pg_kill(pg_spawn(self, NULL)), PG_ENOPROC);
}

/* ------------------------------------------------------------------------ from within an operating-system process */

/* (main, victim): kills, and says what came of it. */
static void killer(pg_process *self)
{
    pg_pid main_pid = first_arg(self), victim = pg_get_pid(self, pg_args(self), 1);
    int status = pg_kill(victim);
    pg_exit_info why = {.kind = PG_EXIT_UNKNOWN};
    while (pg_wait(victim, PG_MS(50), &why) == PG_ETIMEDOUT) pg_kill(victim);
    pg_send(main_pid, "killed", status, (int)why.kind, pg_kill(victim), pg_kill(main_pid));
}

static void host_of_one(pg_process *self)
{
    pg_pid main_pid = first_arg(self);
    pg_spawn(self, wait_somehow, .kind = PG_GREEN, .args = pg_tuple(main_pid, "rest"));
    pg_pid pid = pg_spawn(self, wait_somehow, .kind = PG_GREEN, .args = pg_tuple(main_pid, "sleep"));
    pg_send(main_pid, "within", pid);
    pg_receive(self, ignore, "nothing");
}

static void between_operating_system_processes(pg_process *self)
{
    const pg_message *msg;
    char text[100];
    if (the_kind != PG_OS) return;
    static const pg_kind kinds[] = {PG_OS, PG_GREEN};
    for (int i = 0; i < 2; i++) {
        pg_pid victim = good(pg_spawn(self, wait_somehow, .kind = kinds[i], .args = pg_tuple(self, "sleep")));
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "begun"), PG_OK);
        good(pg_spawn(self, killer, .args = pg_tuple(self, victim)));
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "killed", PG_ETC), PG_OK);
        snprintf(text, sizeof text, "(\"killed\", 0, %d, -1, -2)",
                 kinds[i] == PG_OS ? PG_EXIT_CRASHED : PG_EXIT_KILLED);
        char got[100];
        pg_format_message(got, sizeof got, msg);
        CHECK_STR(got, text);
    }
    /* One within another one's, by the program. */
    pg_pid host = good(pg_spawn(self, host_of_one, .args = pg_tuple(self)));
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "within", PG_PID), PG_OK);
    pg_pid within = pg_get_pid(self, msg, 1);
    CHECK_EQ(kill_it(self, within).kind, PG_EXIT_KILLED);
    CHECK(pg_is_alive(host));
    CHECK_EQ(pg_kill(host), PG_OK);
    CHECK_EQ(end_of(host).kind, PG_EXIT_CRASHED);
    log_clear();
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(wherever_it_waits),       CASE(linked_are_told), CASE(others_are_not),
        CASE(the_dead_are_left_alone), CASE(misuse),          CASE(between_operating_system_processes)};
    return RUN_CASES(cases);
}
