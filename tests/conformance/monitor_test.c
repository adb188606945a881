/* monitor_test.c - monitors: who is told of an end, once, and what; and what is taken back is never seen. */
#include <signal.h>

#include "conformance.h"

static void on_end(pg_process *self, const pg_message *msg)
{
    const char *how = pg_get_str(self, msg, 1);
    if (strcmp(how, "normally") == 0) pg_exit(self);
    pg_fail(self, "%s", how);
}

/* Sends the rest of the message to who is named in it. */
static void on_say(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), pg_get_int(self, msg, 2));
}

/* Ends as it is told. */
static void obedient(pg_process *self)
{
    pg_receive(self, on_end, "end", PG_STR);
    pg_receive(self, on_say, "say", PG_PID, PG_INT);
}

static pg_pid spawn_obedient(pg_process *self)
{
    return good(pg_spawn(self, obedient, .name = "obedient"));
}

static pg_ref monitored(pg_process *self, pg_pid pid)
{
    pg_ref ref = {0};
    CHECK_EQ(pg_monitor(self, pid, &ref), PG_OK);
    CHECK(ref.id != 0);
    return ref;
}

/* The next message has to be the news of that monitor. */
static pg_exit_info expect_down(pg_process *self, pg_ref ref, pg_pid pid, pg_exit_kind kind)
{
    pg_exit_info exit;
    const pg_message *msg = next_of(self);
    CHECK_EQ(pg_count(msg), 4);
    CHECK_STR(pg_get_str(NULL, msg, 0), "down");
    CHECK(pg_get_ref(NULL, msg, 1).id == ref.id);
    CHECK(pg_same(pg_get_pid(NULL, msg, 2), pid));
    pg_get_exit(NULL, msg, 3, &exit);
    CHECK_EQ(exit.kind, kind);
    CHECK(pg_same(exit.pid, pid));
    return exit;
}

static void tells_how_it_ended(pg_process *self)
{
    pg_pid pid = spawn_obedient(self);
    pg_ref ref = monitored(self, pid);
    CHECK_EQ(pg_send(pid, "say", self, 1), PG_OK);
    CHECK_EQ(pg_send(pid, "end", "normally"), PG_OK);
    CHECK_EQ(next_int(self), 1); /* what it had sent before comes before */
    CHECK_STR(expect_down(self, ref, pid, PG_EXIT_NORMAL).text, "");

    pid = spawn_obedient(self);
    ref = monitored(self, pid);
    CHECK_EQ(pg_send(pid, "end", "a reason of more than a few bytes"), PG_OK);
    CHECK_STR(expect_down(self, ref, pid, PG_EXIT_FAILED).text, "a reason of more than a few bytes");
    end_of(pid);
    expect_nothing(self);
}

static void of_the_ended(pg_process *self)
{
    pg_pid pid = spawn_obedient(self);
    CHECK_EQ(pg_send(pid, "end", "badly"), PG_OK);
    end_of(pid);
    pg_ref ref = monitored(self, pid);
    CHECK_STR(expect_down(self, ref, pid, PG_EXIT_FAILED).text, "badly");
    expect_nothing(self);
    CHECK_EQ(pg_demonitor(self, ref), PG_EINVAL);
}

static void each_is_told(pg_process *self)
{
    enum { MONITORS = 40 };
    pg_ref refs[MONITORS];
    pg_pid pid = spawn_obedient(self);
    for (int i = 0; i < MONITORS; i++) refs[i] = monitored(self, pid);
    for (int i = 0; i < MONITORS; i += 2) CHECK_EQ(pg_demonitor(self, refs[i]), PG_OK);
    CHECK_EQ(pg_send(pid, "end", "badly"), PG_OK);
    for (int i = 1; i < MONITORS; i += 2) {
        const pg_message *msg;
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "down", refs[i], PG_PID, PG_EXIT), PG_OK);
    }
    end_of(pid);
    expect_nothing(self);
}

/* The news are in the mailbox: before others, behind others, among those that a receive has passed over. */
static void taken_back_late(pg_process *self)
{
    const pg_message *msg;
    pg_pid first = spawn_obedient(self), second = spawn_obedient(self), third = spawn_obedient(self);
    pg_ref refs[3] = {monitored(self, first), monitored(self, second), monitored(self, third)};
    CHECK_EQ(pg_send(first, "end", "badly"), PG_OK);
    end_of(first);
    CHECK_EQ(pg_send(pg_self(self), "own", 1), PG_OK);
    CHECK_EQ(pg_send(second, "end", "normally"), PG_OK);
    end_of(second);
    CHECK_EQ(pg_send(pg_self(self), "own", 2), PG_OK);
    CHECK_EQ(pg_send(third, "end", "normally"), PG_OK);
    end_of(third);
    pg_sleep(self, the_kind == PG_OS ? PG_MS(20) : 0); /* an end may be known before its news have come */
    CHECK_EQ(pg_recv_match(self, &msg, 0, "own", 2), PG_OK);
    for (int i = 0; i < 3; i++) CHECK_EQ(pg_demonitor(self, refs[i]), PG_OK);
    for (int i = 0; i < 3; i++) CHECK_EQ(pg_demonitor(self, refs[i]), PG_EINVAL);
    CHECK_EQ(pg_recv_match(self, &msg, 0, "down", PG_ETC), PG_ETIMEDOUT);
    EXPECT(self, "(\"own\", 1)");
    expect_nothing(self);
}

/* In a process with handlers, whose patterns do not know the message, or do. */
static void report_down(pg_process *self, const pg_message *msg)
{
    pg_pid *main_pid = pg_data(self);
    pg_send(*main_pid, "reported", pg_get_pid(self, msg, 2));
}

static void forget(pg_process *self, const pg_message *msg)
{
    CHECK_EQ(pg_demonitor(self, pg_get_ref(self, msg, 1)), PG_OK);
    pg_pid *main_pid = pg_data(self);
    pg_send(*main_pid, "forgotten");
}

static void watch_one(pg_process *self, const pg_message *msg)
{
    pg_ref ref;
    CHECK_EQ(pg_monitor(self, pg_get_pid(self, msg, 1), &ref), PG_OK);
    pg_pid *main_pid = pg_data(self);
    pg_send(*main_pid, ref);
}

/* Not to return to its mailbox before the news are in there. */
static void wait_for(pg_process *self, const pg_message *msg)
{
    CHECK_EQ(pg_wait(pg_get_pid(self, msg, 1), PATIENCE, NULL), PG_OK);
}

static void deaf(pg_process *self)
{
    pg_pid *main_pid = malloc(sizeof *main_pid);
    CHECK(main_pid != NULL);
    *main_pid = first_arg(self);
    pg_defer(self, free, main_pid);
    pg_set_data(self, main_pid);
    pg_receive(self, watch_one, "watch", PG_PID);
    pg_receive(self, wait_for, "wait", PG_PID);
    pg_receive(self, forget, "forget", PG_REF);
}

static void hearing(pg_process *self)
{
    deaf(self);
    pg_receive(self, report_down, "down", PG_REF, PG_PID, PG_EXIT);
}

static pg_ref watched_by(pg_process *self, pg_pid watcher, pg_pid pid)
{
    CHECK_EQ(pg_send(watcher, "watch", pid), PG_OK);
    const pg_message *msg;
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_REF), PG_OK);
    return pg_get_ref(NULL, msg, 0);
}

static void handlers_are_told(pg_process *self)
{
    pg_pid watcher = good(pg_spawn(self, hearing, .args = pg_tuple(self)));
    pg_pid pid = spawn_obedient(self);
    watched_by(self, watcher, pid);
    CHECK_EQ(pg_send(pid, "end", "badly"), PG_OK);
    const pg_message *msg = next_of(self);
    CHECK_STR(pg_get_str(NULL, msg, 0), "reported");
    CHECK(pg_same(pg_get_pid(NULL, msg, 1), pid));

    pid = spawn_obedient(self); /* taken back in a handler while the news lie in the mailbox, or are on their way */
    pg_ref ref = watched_by(self, watcher, pid);
    CHECK_EQ(pg_send(watcher, "wait", pid), PG_OK);
    CHECK_EQ(pg_send(watcher, "forget", ref), PG_OK);
    CHECK_EQ(pg_send(pid, "end", "normally"), PG_OK);
    EXPECT(self, "(\"forgotten\")");
    pg_terminate(watcher);
    CHECK_EQ(end_of(watcher).kind, PG_EXIT_NORMAL);
    expect_nothing(self);
}

static void it_is_an_ordinary_message(pg_process *self)
{
    pg_pid watcher = good(pg_spawn(self, deaf, .args = pg_tuple(self)));
    pg_pid pid = spawn_obedient(self);
    watched_by(self, watcher, pid);
    CHECK_EQ(pg_send(pid, "end", "normally"), PG_OK);
    CHECK_EQ(end_of(watcher).kind, PG_EXIT_UNHANDLED_MESSAGE);
}

static void ends_with_its_owner(pg_process *self)
{
    pg_pid pid = spawn_obedient(self);
    for (int i = 0; i < 20; i++) {
        pg_pid watcher = good(pg_spawn(self, hearing, .args = pg_tuple(self)));
        watched_by(self, watcher, pid);
        watched_by(self, watcher, pid);
        if (i == 10) CHECK_EQ(pg_send(pid, "end", "badly"), PG_OK); /* and some are told as they end */
        pg_terminate(watcher);
        end_of(watcher);
    }
    end_of(pid);
}

static void misuse(pg_process *self)
{
    pg_ref ref;
    pg_pid pid = spawn_obedient(self);
    CHECK_EQ(pg_monitor(NULL, pid, &ref), PG_EINVAL);
    CHECK_EQ(pg_monitor(self, pg_self(self), &ref), PG_EINVAL);
    CHECK_EQ(pg_monitor(self, (pg_pid){0}, &ref), PG_ENOPROC);
    CHECK_EQ(pg_monitor(self, (pg_pid){pg_self(self).id + 12345}, &ref), PG_ENOPROC);
    CHECK_EQ(pg_demonitor(NULL, ref), PG_EINVAL);
    CHECK_EQ(pg_demonitor(self, (pg_ref){0}), PG_EINVAL);
    CHECK_EQ(pg_demonitor(self, pg_make_ref()), PG_EINVAL);
    CHECK_EQ(pg_monitor(self, pid, NULL), PG_OK);
    pg_terminate(pid);
    CHECK_STR(pg_get_str(NULL, next_of(self), 0), "down");
}

/* A process of another runtime, which stops while it is watched from here; and the other way round. */
static void across_runtimes(pg_process *self)
{
    pg_runtime *other = start_runtime();
    pg_process *there = pg_attach(other, "main of the other");
    CHECK(there != NULL);
    pg_pid pid = spawn_obedient(there), near = spawn_obedient(self);
    pg_ref ref = monitored(self, pid), again = monitored(self, pid), back = monitored(there, near);
    CHECK_EQ(pg_demonitor(self, again), PG_OK);
    pg_ref unused = monitored(there, near);
    CHECK(unused.id != back.id);
    CHECK_EQ(pg_send(near, "end", "badly"), PG_OK);
    const pg_message *msg;
    CHECK_EQ(pg_recv_match(there, &msg, PATIENCE, "down", back, near, PG_EXIT), PG_OK);
    monitored(there, pg_self(self)); /* ends with its owner */
    monitored(self, pg_self(there));
    pg_detach(there);
    CHECK_STR(pg_get_str(NULL, next_of(self), 0), "down");
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
    expect_down(self, ref, pid, PG_EXIT_NORMAL);
    CHECK_EQ(pg_demonitor(self, ref), PG_EINVAL);
}

static void crash(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
    raise(SIGKILL);
}

static void mortal(pg_process *self)
{
    pg_receive(self, crash, "crash");
}

/* The operating-system process is killed: nobody in it tells of anything. */
static void of_a_crash(pg_process *self)
{
    if (the_kind != PG_OS) return;
    pg_pid pid = good(pg_spawn(self, mortal));
    pg_ref refs[3] = {monitored(self, pid), monitored(self, pid), monitored(self, pid)};
    CHECK_EQ(pg_demonitor(self, refs[1]), PG_OK);
    CHECK_EQ(pg_send(pid, "crash"), PG_OK);
    for (int i = 0; i < 3; i += 2) {
        const pg_message *msg;
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "down", refs[i], pid, PG_EXIT), PG_OK);
        pg_exit_info exit;
        pg_get_exit(NULL, msg, 3, &exit);
        CHECK_EQ(exit.kind, PG_EXIT_CRASHED);
    }
    pg_ref late = monitored(self, pid);
    expect_down(self, late, pid, PG_EXIT_CRASHED);
    expect_nothing(self);
    log_clear(); /* that one has crashed is as it should be */
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(tells_how_it_ended),
        CASE(of_the_ended),
        CASE(each_is_told),
        CASE(taken_back_late),
        CASE(handlers_are_told),
        CASE(ends_with_its_owner),
        CASE(misuse),
        CASE_LOOSE(across_runtimes, "it starts another runtime",
                   "main waits for the other one's processes"),
        CASE(it_is_an_ordinary_message),
        CASE(of_a_crash),
    };
    return RUN_CASES(cases);
}
