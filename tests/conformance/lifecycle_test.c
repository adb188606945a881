/* lifecycle_test.c - the life of a process: its target, its handlers, its end, and what others see of it. */
#include <unistd.h>

#include "conformance.h"

/* ----------------------------------------------------------------------------------------------- the quickstart */

static void go_away(pg_process *self, const pg_message *msg)
{
    (void)msg;
    puts("process ending.");
    pg_exit(self);
}

static void init_process(pg_process *self)
{
    puts("process started!");
    pg_receive(self, go_away, "go away");
}

static const char by_itself[] = "--quickstart";

/* The program of the manual, but for the kind of its process. */
static int quickstart_by_itself(const char *kind)
{
    pg_runtime *rt = pg_start(&(pg_options){.kind = (pg_kind)atoi(kind)});
    pg_process *self = pg_attach(rt, "main");
    pg_pid proc = pg_spawn_link(self, init_process, .name = "my first process");
    pg_send(proc, "go away");
    pg_wait(proc, PG_FOREVER, NULL);
    return pg_stop(rt, PG_SECONDS(5));
}

/* In a program of its own, whose stdout is caught: an operating-system process has the one that the program began
 * with. */
static void quickstart(pg_process *self)
{
    char program[300] = "", command[400], text[100] = "";
    (void)self;
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    snprintf(command, sizeof command, "'%s' %s %d", program, by_itself, (int)the_kind);
    FILE *output = popen(command, "r");
    CHECK(output != NULL);
    text[fread(text, 1, sizeof text - 1, output)] = '\0';
    CHECK_EQ(pclose(output), 0);
    CHECK_STR(text, "process started!\nprocess ending.\n");
}

/* -------------------------------------------------------------------------------------------- order of messages */

static void relay_first(pg_process *self, const pg_message *msg)
{
    pg_pid *to = pg_data(self);
    pg_send(*to, "late", pg_get_int(self, msg, 0));
}

static void end_politely(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void keep_first_arg(pg_process *self)
{
    pg_pid *to = malloc(sizeof *to);
    CHECK(to != NULL);
    *to = first_arg(self);
    CHECK_EQ(pg_defer(self, free, to), PG_OK);
    pg_set_data(self, to);
}

static void relay_target(pg_process *self)
{
    keep_first_arg(self);
    pg_send(first_arg(self), "target");
    CHECK_EQ(pg_receive(self, relay_first, PG_INT), PG_OK);
    CHECK_EQ(pg_receive(self, end_politely, "end"), PG_OK);
    pg_send(first_arg(self), "set up");
}

static void handlers_follow_the_target_in_order(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, relay_target, .args = pg_tuple(self)));
    for (int i = 0; i < 1000; i++) CHECK_EQ(pg_send(proc, i), PG_OK);
    CHECK_EQ(pg_send(proc, "end"), PG_OK);
    EXPECT(self, "(\"target\")");
    EXPECT(self, "(\"set up\")");
    for (int i = 0; i < 1000; i++) {
        const pg_message *msg = next_of(self);
        CHECK_STR(pg_get_str(NULL, msg, 0), "late");
        CHECK_EQ(pg_get_int(NULL, msg, 1), i);
    }
    CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
    expect_nothing(self);
}

enum { SENDERS = 8, EACH = 300 };

static void sender_target(pg_process *self)
{
    const pg_message *args = pg_args(self);
    static const char filler[2000];
    for (int i = 0; i < EACH; i++) {
        /* Of different sizes, so that they come from different places in memory. */
        int status =
            pg_send(pg_get_pid(self, args, 0), pg_get_int(self, args, 1), i, pg_bytes(filler, (size_t)i % 7 * 300));
        CHECK_EQ(status, PG_OK);
        if (i % 50 == 0) pg_yield(self);
    }
}

static void one_sender_arrives_in_order(pg_process *self)
{
    int64_t next[SENDERS] = {0};
    for (int i = 0; i < SENDERS; i++) good(pg_spawn(self, sender_target, .args = pg_tuple(self, i)));
    for (int i = 0; i < SENDERS * EACH; i++) {
        const pg_message *msg = next_of(self);
        int64_t sender = pg_get_int(NULL, msg, 0);
        CHECK(sender >= 0 && sender < SENDERS);
        CHECK_EQ(pg_get_int(NULL, msg, 1), next[sender]++);
    }
}

/* -------------------------------------------------------------------------------------------------- normal ends */

static void do_nothing(pg_process *self)
{
    (void)self;
}

static void recv_two(pg_process *self)
{
    const pg_message *msg;
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
}

static void without_receivers_it_ends(pg_process *self)
{
    pg_exit_info why = end_of(good(pg_spawn(self, do_nothing)));
    CHECK_EQ(why.kind, PG_EXIT_NORMAL);
    CHECK_STR(why.text, "");

    pg_stats before, after;
    CHECK_EQ(pg_get_stats(pg_runtime_of(self), &before), PG_OK);
    pg_pid proc = good(pg_spawn(self, recv_two));
    for (int i = 0; i < 2; i++) CHECK_EQ(pg_send(proc, i), PG_OK);
    CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
    CHECK_EQ(pg_send(proc, 3), PG_ENOPROC);
    CHECK_EQ(pg_get_stats(pg_runtime_of(self), &after), PG_OK);
    CHECK_EQ(after.spawned - before.spawned, 1);
    CHECK_EQ(after.workers, the_workers);
}

static __attribute__((noinline)) int deep(pg_process *self, int depth, bool fail)
{
    volatile int frame[20];
    frame[0] = depth;
    if (depth < 0) return 0;
    if (depth == 0 && fail) pg_fail(self, "deep %s %d", "trouble", 42);
    if (depth == 0) pg_exit(self);
    return frame[0] + deep(self, depth - 1, fail);
}

static void exits_deep(pg_process *self)
{
    deep(self, 10, false);
}

static void fails_deep(pg_process *self)
{
    deep(self, 10, true);
}

static void on_deep(pg_process *self, const pg_message *msg)
{
    deep(self, 10, pg_get_bool(self, msg, 0));
}

static void on_value(pg_process *self, const pg_message *msg)
{
    pg_fail_with(self, pg_tuple("code", pg_get(self, msg, 0)));
}

static void waits_for_order(pg_process *self)
{
    pg_receive(self, on_deep, PG_BOOL);
    pg_receive(self, on_value, PG_INT);
}

static void ends_from_any_depth(pg_process *self)
{
    CHECK_EQ(end_of(good(pg_spawn(self, exits_deep))).kind, PG_EXIT_NORMAL);
    pg_exit_info why = end_of(good(pg_spawn(self, fails_deep)));
    CHECK_EQ(why.kind, PG_EXIT_FAILED);
    CHECK_STR(why.text, "deep trouble 42");

    pg_pid proc = good(pg_spawn(self, waits_for_order));
    pg_send(proc, PG_FALSE);
    CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
    proc = good(pg_spawn(self, waits_for_order));
    pg_send(proc, PG_TRUE);
    why = end_of(proc);
    CHECK_EQ(why.kind, PG_EXIT_FAILED);
    CHECK_STR(why.text, "deep trouble 42");
    proc = good(pg_spawn(self, waits_for_order));
    pg_send(proc, 7);
    why = end_of(proc);
    CHECK_EQ(why.kind, PG_EXIT_FAILED);
    CHECK_STR(why.text, "(\"code\", 7)");
}

/* A failure of which nobody is told goes to the log, with the name. */
static void unseen_failures_are_logged(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, fails_deep, .name = "lonely"));
    int64_t limit = pg_now() + PATIENCE;
    while (pg_is_alive(proc) && pg_now() < limit) pg_sleep(self, PG_MS(1));
    while (!log_has("deep trouble 42") && pg_now() < limit) pg_sleep(self, PG_MS(1));
    CHECK(log_has("\"lonely\""));
}

/* ---------------------------------------------------------------------------------------------------- terminate */

static void see_exit(pg_process *self, const pg_message *msg)
{
    pg_exit_info why;
    pg_get_exit(self, msg, 0, &why);
    const pg_term *error = pg_get_error(self, msg, 0);
    CHECK_EQ(error != NULL, why.kind != PG_EXIT_NORMAL);
    pg_send(*(pg_pid *)pg_data(self), "exit", (int)why.kind, why.text, error ? pg_v_term(error) : PG_NIL);
}

static void watches_exit(pg_process *self)
{
    keep_first_arg(self);
    pg_receive(self, relay_first, PG_INT);
    pg_receive(self, see_exit, PG_EXIT);
}

static void terminate_takes_its_turn(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, relay_target, .args = pg_tuple(self)));
    for (int i = 0; i < 5; i++) pg_send(proc, i);
    CHECK_EQ(pg_terminate(proc), PG_OK);
    pg_send(proc, 5);
    CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
    EXPECT(self, "(\"target\")");
    EXPECT(self, "(\"set up\")");
    for (int i = 0; i < 5; i++) CHECK_EQ(pg_get_int(NULL, next_of(self), 1), i);
    expect_nothing(self);
    CHECK_EQ(pg_terminate(proc), PG_ENOPROC);
}

static void a_handler_sees_the_terminate(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, watches_exit, .args = pg_tuple(self)));
    pg_send(proc, 1);
    CHECK_EQ(pg_terminate(proc), PG_OK);
    CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
    EXPECT(self, "(\"late\", 1)");
    EXPECT(self, "(\"exit\", 0, \"\", nil)");

    proc = good(pg_spawn(self, watches_exit, .args = pg_tuple(self)));
    CHECK_EQ(pg_terminate_with(proc, pg_tuple("bad", 7)), PG_OK);
    pg_exit_info why = end_of(proc);
    CHECK_EQ(why.kind, PG_EXIT_FAILED);
    CHECK_STR(why.text, "(\"bad\", 7)");
    EXPECT(self, "(\"exit\", 1, \"(\\\"bad\\\", 7)\", (\"bad\", 7))");
}

/* ------------------------------------------------------------------------------------------------------ waiting */

static void wait_for_end(pg_process *self)
{
    pg_receive(self, end_politely, "end");
}

static void waiting_has_timeouts(pg_process *self)
{
    pg_exit_info why;
    pg_pid proc = good(pg_spawn(self, wait_for_end));
    CHECK(pg_is_alive(proc));
    CHECK_EQ(pg_why(proc, &why), PG_ETIMEDOUT);
    CHECK_EQ(pg_wait(proc, 0, &why), PG_ETIMEDOUT);
    CHECK_EQ(pg_wait(proc, -5, NULL), PG_ETIMEDOUT);
    int64_t begin = pg_now();
    CHECK_EQ(pg_wait(proc, PG_MS(20), &why), PG_ETIMEDOUT);
    CHECK(pg_now() - begin >= PG_MS(20));
    pg_send(proc, "end");
    CHECK_EQ(pg_wait(proc, PG_FOREVER, &why), PG_OK);
    CHECK_EQ(why.kind, PG_EXIT_NORMAL);
}

static void the_reason_is_kept(pg_process *self)
{
    pg_pid failed = good(pg_spawn(self, fails_deep));
    end_of(failed);
    for (int i = 0; i < scaled(500, 50); i++) end_of(good(pg_spawn(self, do_nothing)));
    pg_exit_info why = end_of(failed);
    CHECK_EQ(why.kind, PG_EXIT_FAILED);
    CHECK_STR(why.text, "deep trouble 42");
    CHECK_EQ(pg_why(failed, &why), PG_OK);
    CHECK_STR(why.text, "deep trouble 42");
    CHECK_EQ(pg_why(failed, NULL), PG_OK);
}

static void waiter_target(pg_process *self)
{
    const pg_message *args = pg_args(self);
    pg_exit_info why;
    CHECK_EQ(pg_wait(pg_get_pid(self, args, 1), PATIENCE, &why), PG_OK);
    pg_send(pg_get_pid(self, args, 0), (int)why.kind);
}

static void *waiting_thread(void *argument)
{
    pg_pid pid = *(pg_pid *)argument;
    CHECK(pg_current() == NULL);
    CHECK_EQ(end_of(pid).kind, PG_EXIT_FAILED);
    return NULL;
}

static void many_wait_for_one(pg_process *self)
{
    enum { PROCESSES = 50, THREADS = 4 };
    pthread_t threads[THREADS];
    pg_pid proc = good(pg_spawn(self, waits_for_order));
    for (int i = 0; i < PROCESSES; i++) good(pg_spawn(self, waiter_target, .args = pg_tuple(self, proc)));
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, waiting_thread, &proc), 0);
    pg_sleep(self, PG_MS(5));
    pg_send(proc, PG_TRUE);
    for (int i = 0; i < PROCESSES; i++) CHECK_EQ(next_int(self), PG_EXIT_FAILED);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

/* ---------------------------------------------------------------------------------------------------- clean-ups */

typedef struct note {
    pg_pid to;
    int number;
} note;

static note notes[4];

static void take_note(void *argument)
{
    note *n = argument;
    CHECK(pg_current() != NULL);
    pg_send(n->to, n->number);
}

static void fail_in_clean_up(void *argument)
{
    (void)argument;
    pg_fail(pg_current(), "a clean-up that fails");
}

static void exit_in_clean_up(void *argument)
{
    (void)argument;
    pg_exit(pg_current());
}

static void registers_clean_ups(pg_process *self)
{
    for (int i = 0; i < 4; i++) {
        notes[i] = (note){first_arg(self), i};
        CHECK_EQ(pg_defer(self, take_note, &notes[i]), PG_OK);
        if (i == 1) CHECK_EQ(pg_defer(self, fail_in_clean_up, NULL), PG_OK);
        if (i == 2) CHECK_EQ(pg_defer(self, exit_in_clean_up, NULL), PG_OK);
    }
    CHECK_EQ(pg_undefer(self, take_note, &notes[2]), PG_OK);
    CHECK_EQ(pg_undefer(self, take_note, &notes[2]), PG_EINVAL);
    CHECK_EQ(pg_undefer(self, free, NULL), PG_EINVAL);
    pg_receive(self, on_deep, PG_BOOL);
}

static void clean_up_case(pg_process *self, int how, pg_exit_kind kind)
{
    pg_pid proc = good(pg_spawn(self, registers_clean_ups, .args = pg_tuple(self)));
    if (how == 0) pg_send(proc, PG_TRUE);
    if (how == 1) pg_send(proc, PG_FALSE);
    if (how == 2) pg_send(proc, "nobody knows this");
    if (how == 3) pg_terminate(proc);
    pg_exit_info why = end_of(proc);
    CHECK_EQ(why.kind, kind);
    CHECK(!strstr(why.text, "clean-up"));
    CHECK_EQ(next_int(self), 3);
    CHECK_EQ(next_int(self), 1);
    CHECK_EQ(next_int(self), 0);
    expect_nothing(self);
}

static void clean_ups_run_at_every_end(pg_process *self)
{
    clean_up_case(self, 0, PG_EXIT_FAILED);
    clean_up_case(self, 1, PG_EXIT_NORMAL);
    clean_up_case(self, 2, PG_EXIT_UNHANDLED_MESSAGE);
    clean_up_case(self, 3, PG_EXIT_NORMAL);
}

/* ----------------------------------------------------------------------------------------------- about itself */

static void checks_after_target(pg_process *self, const pg_message *msg)
{
    (void)msg;
    CHECK_EQ(pg_count(pg_args(self)), 0);
    CHECK(pg_current() == self);
    CHECK_STR(pg_data(self), "data");
    pg_send(pg_get_pid(self, msg, 0), "checked");
}

static void checks_itself(pg_process *self)
{
    static char data[] = "data";
    const pg_message *args = pg_args(self);
    CHECK(pg_current() == self);
    CHECK_STR(pg_name(self), "itself");
    CHECK_EQ(pg_kind_of(self), the_kind);
    CHECK_EQ(pg_count(args), 2);
    CHECK(pg_runtime_of(self) != NULL);
    if (the_kind != PG_OS) CHECK(pg_runtime_of(self) == pg_get_ptr(self, args, 1)); /* which has one of its own */
    CHECK(pg_same(pg_main(pg_runtime_of(self)), first_arg(self)));
    CHECK(pg_data(self) == NULL);
    pg_set_data(self, data);
    pg_receive(self, checks_after_target, PG_PID);
    pg_send(first_arg(self), self);
}

static void unnamed(pg_process *self)
{
    CHECK_STR(pg_name(self), "");
    CHECK_EQ(pg_count(pg_args(self)), 0);
}

static void it_knows_itself(pg_process *self)
{
    CHECK(pg_current() == NULL);
    CHECK_STR(pg_name(self), "main");
    CHECK_EQ(pg_kind_of(self), PG_THREAD);
    CHECK(pg_same(pg_main(pg_runtime_of(self)), pg_self(self)));
    pg_value rt = the_kind == PG_OS ? PG_NIL : pg_v_ptr(pg_runtime_of(self));
    pg_pid proc = good(pg_spawn(self, checks_itself, .name = "itself", .args = pg_tuple(self, rt)));
    CHECK(pg_same(pg_get_pid(NULL, next_of(self), 0), proc));
    pg_send(proc, self);
    EXPECT(self, "(\"checked\")");
    CHECK_EQ(end_of(good(pg_spawn(self, unnamed))).kind, PG_EXIT_NORMAL);
}

static void says_kind(pg_process *self)
{
    pg_send(first_arg(self), (int)pg_kind_of(self));
}

static void kinds_mix(pg_process *self)
{
    good(pg_spawn(self, says_kind, .args = pg_tuple(self)));
    CHECK_EQ(next_int(self), the_kind);
    good(pg_spawn(self, says_kind, .args = pg_tuple(self), .kind = PG_THREAD));
    CHECK_EQ(next_int(self), PG_THREAD);
    good(pg_spawn(self, says_kind, .args = pg_tuple(self), .kind = PG_GREEN));
    CHECK_EQ(next_int(self), PG_GREEN);
    good(pg_spawn(self, says_kind, .args = pg_tuple(self), .kind = PG_OS));
    CHECK_EQ(next_int(self), PG_OS);
}

/* ----------------------------------------------------------------------------------------- spawning from anywhere */

static void grandchild(pg_process *self)
{
    pg_send(first_arg(self), "grandchild");
}

static void child(pg_process *self)
{
    good(pg_spawn(self, grandchild, .args = pg_tuple(first_arg(self))));
    const pg_spawn_options options = {.args = pg_tuple(first_arg(self))};
    good(pg_spawn_in(pg_runtime_of(self), grandchild, &options));
}

typedef struct place {
    pg_runtime *rt;
    pg_pid main;
} place;

static void *spawning_thread(void *argument)
{
    place *p = argument;
    const pg_spawn_options options = {.name = "from a thread", .args = pg_tuple(p->main)};
    good(pg_spawn_in(p->rt, grandchild, &options));
    pg_process *self = pg_attach(p->rt, NULL);
    CHECK(self != NULL);
    CHECK_STR(pg_name(self), "");
    good(pg_spawn_with(self, grandchild, &options));
    good(pg_spawn_link_with(self, grandchild, &options));
    CHECK(!pg_same(pg_main(p->rt), pg_self(self)));
    pg_detach(self);
    return NULL;
}

static void spawns_from_anywhere(pg_process *self)
{
    pthread_t thread;
    place p = {pg_runtime_of(self), pg_self(self)};
    good(pg_spawn(self, child, .args = pg_tuple(self)));
    CHECK_EQ(pthread_create(&thread, NULL, spawning_thread, &p), 0);
    for (int i = 0; i < 5; i++) EXPECT(self, "(\"grandchild\")");
    pthread_join(thread, NULL);
}

static void refs_are_unique(pg_process *self)
{
    pg_ref a = pg_make_ref(), b = pg_make_ref();
    CHECK(a.id != b.id && a.id != 0);
    pg_send(pg_self(self), a, b);
    const pg_message *msg = next_of(self);
    CHECK(pg_get_ref(NULL, msg, 0).id == a.id);
    CHECK(pg_term_ref(NULL, pg_get(NULL, msg, 1)).id == b.id);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], by_itself) == 0) return quickstart_by_itself(argv[2]);
    static const test_case cases[] = {
        CASE(quickstart),
        CASE(handlers_follow_the_target_in_order),
        CASE(one_sender_arrives_in_order),
        CASE(without_receivers_it_ends),
        CASE(ends_from_any_depth),
        CASE(unseen_failures_are_logged),
        CASE(terminate_takes_its_turn),
        CASE(a_handler_sees_the_terminate),
        CASE(waiting_has_timeouts),
        CASE(the_reason_is_kept),
        CASE(many_wait_for_one),
        CASE(clean_ups_run_at_every_end),
        CASE(it_knows_itself),
        CASE_REAL(kinds_mix, "it asks for a thread"),
        CASE_REAL(spawns_from_anywhere, "another thread attaches"),
        CASE(refs_are_unique),
    };
    return RUN_CASES(cases);
}
