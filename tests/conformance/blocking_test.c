/* blocking_test.c - receiving, sleeping, yielding and waiting in the middle of the code, and how long messages live. */
#include "conformance.h"
#include "proc.h"

/* Late by at most this much, on a machine that has other things to do as well. */
static const int64_t slack = PG_MS(SANITIZED ? 2000 : 500);

/* ------------------------------------------------------------------------------------------------------ pg_recv */

static void echo_three(pg_process *self)
{
    const pg_message *msg;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
        CHECK_EQ(pg_forward(first_arg(self), msg), PG_OK);
    }
}

static void receives_whatever_comes(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, echo_three, .args = pg_tuple(self)));
    pg_sleep(self, PG_MS(2));
    pg_send(proc);
    pg_send(proc, 1, "two", pg_list(3.0));
    pg_send(proc, pg_dict("a", PG_TRUE));
    EXPECT(self, "()");
    EXPECT(self, "(1, \"two\", [3.0])");
    EXPECT(self, "({\"a\": true})");
    CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
}

/* -------------------------------------------------------------------------------------------------- pg_recv_match */

static void expect_match(pg_process *self, const char *name, int64_t number)
{
    const pg_message *msg;
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, name, PG_INT), PG_OK);
    CHECK_STR(pg_get_str(self, msg, 0), name);
    CHECK_EQ(pg_get_int(self, msg, 1), number);
}

static void tell(pg_process *self, const pg_message *msg)
{
    CHECK_EQ(pg_forward(*(pg_pid *)pg_data(self), msg), PG_OK);
}

static void keep_main(pg_process *self)
{
    pg_pid *main_pid = malloc(sizeof *main_pid);
    CHECK(main_pid != NULL);
    *main_pid = first_arg(self);
    CHECK_EQ(pg_defer(self, free, main_pid), PG_OK);
    pg_set_data(self, main_pid);
}

/* Picks from a mailbox of a0 a1 ... a9 b0 ... : first, last, middle, and again. */
static void picks(pg_process *self)
{
    const pg_message *msg;
    keep_main(self);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "go"), PG_OK); /* it stands last */
    expect_match(self, "a", 0);
    expect_match(self, "e", 4);
    expect_match(self, "c", 2);
    CHECK_EQ(pg_recv_match(self, &msg, 0, "c", PG_INT), PG_ETIMEDOUT);
    CHECK_EQ(pg_recv_match(self, &msg, PG_MS(1), "never"), PG_ETIMEDOUT);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_STR, 1), PG_OK);
    CHECK_STR(pg_get_str(self, msg, 0), "b");
    pg_receive(self, tell, PG_STR, PG_INT);
    pg_send(pg_self(self), "f", 5);
}

static void others_stay_queued(pg_process *self)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    pg_pid proc = good(pg_spawn(self, picks, .args = pg_tuple(self)));
    for (int i = 0; i < 5; i++) CHECK_EQ(pg_send(proc, names[i], i), PG_OK);
    pg_send(proc, "go");
    EXPECT(self, "(\"d\", 3)");
    EXPECT(self, "(\"f\", 5)");
    expect_nothing(self);
    pg_terminate(proc);
    end_of(proc);
}

/* Numbers are handled in order, but for those that handlers fetch out of turn. */
static void fetch(pg_process *self, const pg_message *msg)
{
    const pg_message *fetched;
    int64_t wanted = pg_get_int(self, msg, 1);
    CHECK_EQ(pg_recv_match(self, &fetched, PATIENCE, "number", wanted), PG_OK);
    CHECK_EQ(pg_get_int(self, msg, 1), wanted); /* the handler's own message is still there */
    tell(self, fetched);
}

static void fetches(pg_process *self)
{
    keep_main(self);
    pg_receive(self, tell, "number", PG_INT);
    pg_receive(self, fetch, "fetch", PG_INT);
}

static void handlers_and_receives_mix(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, fetches, .args = pg_tuple(self)));
    for (int round = 0; round < 20; round++) {
        pg_send(proc, "fetch", 3);
        for (int i = 0; i < 3; i++) pg_send(proc, "number", i);
        pg_send(proc, "fetch", 4);
        for (int i = 3; i < 6; i++) pg_send(proc, "number", i);
        static const int expected[] = {3, 0, 1, 2, 4, 5};
        for (int i = 0; i < 6; i++) {
            const pg_message *msg = next_of(self);
            CHECK_EQ(pg_get_int(NULL, msg, 1), expected[i]);
        }
    }
    expect_nothing(self);
    pg_terminate(proc);
    end_of(proc);
}

/* All orders in which 100 messages can be asked for, as far as a seed gets. */
static void picks_at_random(pg_process *self)
{
    enum { MESSAGES = 100 };
    uint64_t state = (uint64_t)pg_get_int(self, pg_args(self), 1);
    pg_pid main_pid = first_arg(self);
    bool taken[MESSAGES] = {false};
    const pg_message *msg;
    for (int i = 0; i < MESSAGES / 2; i++) {
        int n = (int)(check_random(&state) % MESSAGES);
        while (taken[n]) n = (n + 1) % MESSAGES;
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "m", n), PG_OK);
        taken[n] = true;
    }
    for (int i = 0; i < MESSAGES; i++) {
        if (taken[i]) continue;
        CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
        CHECK_EQ(pg_get_int(self, msg, 1), i);
    }
    pg_send(main_pid, pg_recv(self, &msg, 0));
}

static void any_order(pg_process *self)
{
    static uint64_t seed;
    if (seed == 0) seed = check_seed();
    for (int round = 0; round < 20; round++) {
        int64_t its = (int64_t)(check_random(&seed) >> 1);
        pg_pid proc = good(pg_spawn(self, picks_at_random, .args = pg_tuple(self, its)));
        for (int i = 0; i < 100; i++) CHECK_EQ(pg_send(proc, "m", i), PG_OK);
        CHECK_EQ(next_int(self), PG_ETIMEDOUT);
    }
}

/* ------------------------------------------------------------------------------------------------------ timeouts */

static int64_t time_of_recv(pg_process *self, int64_t timeout)
{
    const pg_message *msg;
    int64_t begin = pg_now();
    CHECK_EQ(pg_recv(self, &msg, timeout), PG_ETIMEDOUT);
    return pg_now() - begin;
}

static void timed(pg_process *self)
{
    static const int64_t timeouts[] = {PG_MS(1), PG_MS(3), PG_MS(10), 1};
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        int64_t took = time_of_recv(self, timeouts[i]);
        CHECK(took >= timeouts[i] && took < timeouts[i] + slack);
        int64_t begin = pg_now();
        CHECK_EQ(pg_sleep(self, timeouts[i]), PG_OK);
        took = pg_now() - begin;
        CHECK(took >= timeouts[i] && took < timeouts[i] + slack);
    }
    CHECK(time_of_recv(self, 0) < slack);
    CHECK(time_of_recv(self, -1) < slack);
    CHECK(time_of_recv(self, INT64_MIN) < slack);
    CHECK_EQ(pg_sleep(self, 0), PG_OK);
    CHECK_EQ(pg_sleep(self, -1), PG_OK);
    CHECK_EQ(pg_yield(self), PG_OK);
}

static void timeouts_are_kept(pg_process *self)
{
    timed(self);
    for (int i = 0; i < 10; i++) good(pg_spawn_link(self, timed));
    for (int i = 0; i < 10; i++) {
        const pg_message *msg;
        pg_exit_info why;
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, PG_PID), PG_OK);
        pg_get_exit(self, msg, 0, &why);
        CHECK_EQ(why.kind, PG_EXIT_NORMAL);
    }
}

/* A message that comes while it sleeps stays for later. */
static void sleeps_then_receives(pg_process *self)
{
    const pg_message *msg;
    int64_t begin = pg_now();
    pg_send(first_arg(self), 0);
    CHECK_EQ(pg_sleep(self, PG_MS(20)), PG_OK);
    CHECK(pg_now() - begin >= PG_MS(20));
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    pg_send(first_arg(self), pg_get_int(self, msg, 0));
}

static void sleep_is_no_receive(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, sleeps_then_receives, .args = pg_tuple(self)));
    CHECK_EQ(next_int(self), 0);
    pg_send(proc, 7);
    CHECK_EQ(next_int(self), 7);
}

/* --------------------------------------------------------------------------------------------------- at any depth */

static int receive_sum(pg_process *self, int depth)
{
    const pg_message *msg;
    volatile int own = depth; /* to be found again after others have run */
    if (depth == 0) return 0;
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "add", PG_INT), PG_OK);
    int value = (int)pg_get_int(self, msg, 1);
    int rest = receive_sum(self, depth - 1);
    CHECK_EQ(own, depth);
    return value + rest;
}

static void on_sum(pg_process *self, const pg_message *msg)
{
    int count = (int)pg_get_int(self, msg, 1);
    int sum = receive_sum(self, count);
    CHECK_STR(pg_get_str(self, msg, 0), "sum");
    pg_send(*(pg_pid *)pg_data(self), sum);
}

static void sums(pg_process *self)
{
    keep_main(self);
    pg_receive(self, on_sum, "sum", PG_INT);
}

static void receives_nest(pg_process *self)
{
    pg_pid procs[20];
    for (int i = 0; i < 20; i++) {
        procs[i] = good(pg_spawn(self, sums, .args = pg_tuple(self)));
        pg_send(procs[i], "sum", 30);
    }
    for (int n = 1; n <= 30; n++) {
        for (int i = 0; i < 20; i++) pg_send(procs[i], "add", n);
    }
    for (int i = 0; i < 20; i++) CHECK_EQ(next_int(self), 465);
    for (int i = 0; i < 20; i++) pg_terminate(procs[i]);
}

static void short_life(pg_process *self)
{
    CHECK_EQ(pg_sleep(self, PG_MS(2)), PG_OK);
    pg_fail(self, "short");
}

static void on_wait(pg_process *self, const pg_message *msg)
{
    pg_exit_info why;
    pg_pid child = good(pg_spawn(self, short_life));
    CHECK_EQ(pg_wait(pg_self(self), PATIENCE, NULL), PG_EINSIDE);
    CHECK_EQ(pg_wait(child, PG_FOREVER, &why), PG_OK);
    CHECK_STR(why.text, "short");
    CHECK_EQ(pg_yield(self), PG_OK);
    tell(self, msg);
}

static void waits(pg_process *self)
{
    keep_main(self);
    pg_receive(self, on_wait, "wait");
}

static void handlers_wait(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, waits, .args = pg_tuple(self)));
    pg_send(proc, "wait");
    pg_send(proc, "wait");
    EXPECT(self, "(\"wait\")");
    EXPECT(self, "(\"wait\")");
    pg_terminate(proc);
    end_of(proc);
}

/* --------------------------------------------------------------------------------------------- lifetime of messages */

static const char long_text[] = "a text that needs memory of its own, and is looked at after the fact";

static void keeper(pg_process *self, const pg_message *msg)
{
    const pg_message *received;
    const pg_message *kept = pg_keep(self, msg);
    CHECK(kept != NULL);
    CHECK_EQ(pg_recv(self, &received, PATIENCE), PG_OK);
    CHECK_STR(pg_get_str(self, msg, 1), long_text);
    CHECK_STR(pg_get_str(self, received, 1), long_text);
    const pg_message *kept_too = pg_keep(self, received);
    CHECK(kept_too != NULL);
    CHECK_EQ(pg_recv(self, &received, 0), PG_ETIMEDOUT);
    CHECK_STR(pg_get_str(self, kept_too, 1), long_text);
    CHECK(pg_keep(self, kept) == NULL);
    pg_send(*(pg_pid *)pg_data(self), kept, kept_too);
}

static void keepers(pg_process *self)
{
    keep_main(self);
    pg_receive(self, keeper, "keep", PG_STR);
}

static void kept_messages_live(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, keepers, .args = pg_tuple(self)));
    pg_send(proc, "keep", long_text);
    pg_send(proc, "keep", long_text);
    const pg_message *msg = next_of(self);
    const pg_message *kept[2] = {pg_get_ptr(NULL, msg, 0), pg_get_ptr(NULL, msg, 1)};
    pg_terminate(proc);
    end_of(proc);
    for (int i = 0; i < 2; i++) {
        CHECK_STR(pg_get_str(NULL, kept[i], 1), long_text);
        CHECK_EQ(pg_forward(pg_self(self), kept[i]), PG_OK);
        pg_release(kept[i]);
        CHECK_STR(pg_get_str(NULL, next_of(self), 1), long_text);
    }
    CHECK(pg_keep(self, NULL) == NULL);
    CHECK(pg_keep(NULL, NULL) == NULL);
    pg_release(NULL);
}

/* ----------------------------------------------------------------------------------------- ends met in a receive */

static void note_end(void *argument)
{
    pg_send(*(pg_pid *)argument, "cleaned");
}

static void blocks(pg_process *self)
{
    const pg_message *msg;
    int64_t how = pg_get_int(self, pg_args(self), 1);
    keep_main(self);
    pg_defer(self, note_end, pg_data(self));
    pg_send(first_arg(self), "ready");
    if (how == 0) pg_recv(self, &msg, PG_FOREVER);
    if (how == 1) pg_recv_match(self, &msg, PATIENCE, "never comes", PG_ANY);
    if (how == 2) { /* a pattern that is too large for the stack, and has to be freed */
        char text[2000];
        memset(text, 'x', sizeof text);
        pg_recv_match(self, &msg, PATIENCE, pg_strn(text, sizeof text), PG_ANY);
    }
    CHECK_FAIL("came back from a receive");
}

static void a_terminate_ends_a_receive(pg_process *self)
{
    for (int how = 0; how < 3; how++) {
        pg_pid proc = good(pg_spawn(self, blocks, .args = pg_tuple(self, how)));
        EXPECT(self, "(\"ready\")");
        pg_sleep(self, PG_MS(2));
        CHECK_EQ(pg_terminate_with(proc, "why not"), PG_OK);
        EXPECT(self, "(\"cleaned\")");
        pg_exit_info why = end_of(proc);
        CHECK_EQ(why.kind, PG_EXIT_FAILED);
        CHECK_STR(why.text, "why not");
    }
}

static void do_nothing(pg_process *self)
{
    (void)self;
}

static void blocks_linked(pg_process *self)
{
    good(pg_spawn_link(self, do_nothing, .name = "brief"));
    blocks(self);
}

static void an_exit_ends_a_receive(pg_process *self)
{
    for (int how = 0; how < 3; how++) {
        pg_pid proc = good(pg_spawn(self, blocks_linked, .args = pg_tuple(self, how)));
        EXPECT(self, "(\"ready\")");
        EXPECT(self, "(\"cleaned\")");
        pg_exit_info why = end_of(proc);
        CHECK_EQ(why.kind, PG_EXIT_UNHANDLED_EXIT);
        CHECK(strstr(why.text, "\"brief\"") != NULL);
    }
}

static void on_exit_of_child(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_send(*(pg_pid *)pg_data(self), "handled");
    pg_exit(self);
}

/* With a receiver for exits, pg_recv() returns them, and pg_recv_match() leaves them for the receiver. */
static void expects_exits(pg_process *self)
{
    const pg_message *msg;
    pg_exit_info why;
    keep_main(self);
    good(pg_spawn_link(self, do_nothing));
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, PG_PID), PG_OK); /* by the pattern alone */
    pg_get_exit(self, msg, 0, &why);
    CHECK_EQ(why.kind, PG_EXIT_NORMAL);
    CHECK(pg_get_error(self, msg, 0) == NULL);
    pg_receive(self, on_exit_of_child, PG_EXIT, PG_PID);
    good(pg_spawn_link(self, do_nothing));
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    CHECK_EQ(pg_count(msg), 2);
    pg_pid third = good(pg_spawn_link(self, do_nothing));
    CHECK_EQ(pg_wait(third, PATIENCE, NULL), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, PG_MS(5), "something else"), PG_ETIMEDOUT);
    pg_send(first_arg(self), "returned");
}

static void exits_that_are_expected(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, expects_exits, .args = pg_tuple(self)));
    EXPECT(self, "(\"returned\")");
    EXPECT(self, "(\"handled\")");
    CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
}

/* A handler for (PG_EXIT) that itself receives, run by a receive which has met a terminate. */
static void on_terminate(pg_process *self, const pg_message *msg)
{
    const pg_message *other;
    CHECK_EQ(pg_count(msg), 1);
    int status = pg_recv_match(self, &other, PG_MS(20), "last words");
    pg_send(*(pg_pid *)pg_data(self), "bye", status);
}

static void receives_at_the_end(pg_process *self)
{
    const pg_message *msg;
    keep_main(self);
    pg_receive(self, on_terminate, PG_EXIT);
    if (pg_get_bool(self, pg_args(self), 1)) pg_recv_match(self, &msg, PATIENCE, "never comes");
}

static void the_last_handler_may_receive(pg_process *self)
{
    for (int blocked = 0; blocked < 2; blocked++) {
        for (int words = 0; words < 2; words++) {
            pg_pid proc = good(pg_spawn(self, receives_at_the_end, .args = pg_tuple(self, (bool)blocked)));
            if (words) pg_send(proc, "last words");
            if (words && !blocked) end_of(proc); /* nothing handles them */
            if (words && !blocked) continue;
            pg_terminate(proc);
            const pg_message *msg = next_of(self);
            CHECK_EQ(pg_get_int(NULL, msg, 1), words ? PG_OK : PG_ETIMEDOUT);
            CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
        }
    }
}

/* Told to end again and again, it hears of it once: upon itself that handler would use up the stack. */
static void hear_last_words(pg_process *self, const pg_message *msg)
{
    const pg_message *other;
    CHECK_EQ(pg_count(msg), 1);
    pg_send(*(pg_pid *)pg_data(self), "bye");
    CHECK_EQ(pg_recv_match(self, &other, PATIENCE, "last words"), PG_OK);
    pg_send(*(pg_pid *)pg_data(self), "heard");
}

static void waits_for_last_words(pg_process *self)
{
    const pg_message *msg;
    keep_main(self);
    pg_receive(self, hear_last_words, PG_EXIT);
    if (pg_get_bool(self, pg_args(self), 1)) pg_recv_match(self, &msg, PATIENCE, "never comes");
}

static void told_to_end_again_and_again(pg_process *self)
{
    for (int blocked = 0; blocked < 2; blocked++) {
        pg_pid proc = good(pg_spawn(self, waits_for_last_words, .args = pg_tuple(self, (bool)blocked)));
        pg_terminate(proc);
        EXPECT(self, "(\"bye\")");
        for (int i = 0; i < 1000; i++) CHECK_EQ(pg_terminate_with(proc, "again"), PG_OK);
        CHECK_EQ(pg_send(proc, "last words"), PG_OK);
        EXPECT(self, "(\"heard\")");
        CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL); /* as it was told first */
        expect_nothing(self);
    }
}

/* Neither a sleep nor a wait is a receive: they last as long as they would. */
static void sleeps_through(pg_process *self)
{
    pg_pid main_pid = first_arg(self);
    pg_pid child = good(pg_spawn(self, short_life));
    keep_main(self);
    pg_receive(self, tell, "never");
    pg_send(main_pid, "sleeping");
    CHECK_EQ(pg_sleep(self, PG_MS(20)), PG_OK);
    pg_send(main_pid, "slept");
    CHECK_EQ(pg_wait(child, PATIENCE, NULL), PG_OK);
    pg_send(main_pid, "waited");
}

static void a_terminate_waits_for_sleepers(pg_process *self)
{
    pg_pid proc = good(pg_spawn(self, sleeps_through, .args = pg_tuple(self)));
    EXPECT(self, "(\"sleeping\")");
    pg_terminate(proc);
    EXPECT(self, "(\"slept\")");
    EXPECT(self, "(\"waited\")");
    CHECK_EQ(end_of(proc).kind, PG_EXIT_NORMAL);
}

/* -------------------------------------------------------------------------------------------------------- many */

static void blocked_one(pg_process *self)
{
    const pg_message *msg;
    pg_pid main_pid = first_arg(self);
    pg_send(main_pid, 1);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "number", PG_INT), PG_OK);
    pg_send(main_pid, pg_get_int(self, msg, 1));
}

static void a_thousand_blocked(pg_process *self)
{
    enum { MOST = 1000 };
    static pg_pid pids[MOST];
    int count = scaled(MOST, 100);
    int64_t sum = 0;
    for (int i = 0; i < count; i++) pids[i] = good(pg_spawn(self, blocked_one, .args = pg_tuple(self)));
    for (int i = 0; i < count; i++) CHECK_EQ(next_int(self), 1);
    for (int i = 0; i < count; i++) CHECK_EQ(pg_send(pids[i], "number", i), PG_OK);
    for (int i = 0; i < count; i++) sum += next_int(self);
    CHECK_EQ(sum, (int64_t)count * (count - 1) / 2);
    for (int i = 0; i < count; i++) CHECK_EQ(end_of(pids[i]).kind, PG_EXIT_NORMAL);
}

/* Answers "ping" behind so many messages that it never asks for; the time for all pings. */
static void skips(pg_process *self)
{
    enum { PINGS = 2000 };
    const pg_message *msg;
    pg_pid own = pg_self(self);
    int64_t skipped = pg_get_int(self, pg_args(self), 1);
    for (int64_t i = 0; i < skipped; i++) pg_send(own, "skipped", i);
    int64_t begin = pg_now();
    for (int i = 0; i < PINGS; i++) {
        pg_send(own, "ping", i);
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "ping", PG_INT), PG_OK);
        CHECK_EQ(pg_get_int(self, msg, 1), i);
    }
    pg_send(first_arg(self), pg_now() - begin);
    for (int64_t i = 0; i < skipped; i++) {
        CHECK_EQ(pg_recv(self, &msg, 0), PG_OK);
        CHECK_EQ(pg_get_int(self, msg, 1), i);
    }
}

/* Looking at each skipped message again and again would take some hundred times longer than not skipping any. */
static void skipped_messages_are_looked_at_once(pg_process *self)
{
    int64_t times[2] = {INT64_MAX, INT64_MAX};
    for (int run = 0; run < 6; run++) {
        good(pg_spawn(self, skips, .args = pg_tuple(self, run % 2 ? 20000 : 0)));
        int64_t took = next_int(self);
        if (took < times[run % 2]) times[run % 2] = took;
    }
    printf("    2000 selective receives: %lld us, behind 20,000 messages: %lld us\n", (long long)times[0] / 1000,
           (long long)times[1] / 1000);
    CHECK(times[1] < 20 * times[0] + PG_MS(5));
}

static int64_t expect_reply(pg_process *self, pg_ref ref, int64_t timeout)
{
    const pg_message *msg;
    int status = pg_recv_match(self, &msg, timeout, "reply", ref, PG_INT);
    return status == PG_OK ? pg_get_int(self, msg, 2) : status;
}

static void asks_with_refs(pg_process *self)
{
    pg_pid me = pg_self(self);
    pg_ref old = pg_make_ref(), older = pg_make_ref();
    for (int i = 0; i < 100; i++) pg_send(me, "noise", i);
    pg_send(me, "reply", old, 1);
    for (int i = 0; i < 100; i++) pg_send(me, "noise", i);
    CHECK_EQ(expect_reply(self, older, 0), PG_ETIMEDOUT); /* and has looked at all */
    pg_ref new = pg_make_ref();
    pg_send(me, "reply", new, 2);
    CHECK_EQ(expect_reply(self, new, PATIENCE), 2); /* behind all that */
    CHECK_EQ(expect_reply(self, new, 0), PG_ETIMEDOUT);
    CHECK_EQ(expect_reply(self, old, PATIENCE), 1); /* in the midst of it */

    /* An answer that came before the receive that passes it over. */
    pg_ref early = pg_make_ref(), late = pg_make_ref();
    pg_send(me, "reply", early, 3);
    CHECK_EQ(expect_reply(self, late, 0), PG_ETIMEDOUT);
    CHECK_EQ(expect_reply(self, early, PATIENCE), 3);

    /* A terminate is met, whatever is asked for. */
    pg_terminate(me);
    expect_reply(self, pg_make_ref(), PATIENCE);
    pg_fail(self, "the terminate was passed over");
}

static long resident_kb(void)
{
    return proc_number("/proc/self/status", "VmRSS");
}

static void reply(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 0), "reply", pg_get_ref(self, msg, 1), pg_get_int(self, msg, 2));
}

static void replies(pg_process *self)
{
    pg_receive(self, reply, PG_PID, PG_REF, PG_INT);
}

/* Calls, each with a ref of its own, while something else lies in the mailbox: what was answered does not stay. */
static void many_calls(pg_process *self)
{
    const int calls = scaled(SANITIZED ? 20000 : 200000, 2000);
    pg_pid server = good(pg_spawn_link(self, replies));
    long before = 0;
    pg_send(pg_self(self), "noise", 0);
    for (int i = 0; i < calls; i++) {
        pg_ref ref = pg_make_ref();
        pg_send(server, self, ref, i);
        CHECK_EQ(expect_reply(self, ref, PATIENCE), i);
        if (i == calls / 10) before = resident_kb();
    }
    if (!SANITIZED) CHECK(resident_kb() - before < 4096);
}

static void what_was_received_does_not_stay(pg_process *self)
{
    CHECK_EQ(end_of(good(pg_spawn(self, many_calls))).kind, PG_EXIT_NORMAL);
}

static void new_refs_pass_over_what_is_old(pg_process *self)
{
    for (int i = 0; i < 20; i++) CHECK_EQ(end_of(good(pg_spawn(self, asks_with_refs))).kind, PG_EXIT_NORMAL);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(receives_whatever_comes),
        CASE(others_stay_queued),
        CASE(handlers_and_receives_mix),
        CASE(any_order),
        CASE(timeouts_are_kept),
        CASE(sleep_is_no_receive),
        CASE(receives_nest),
        CASE(handlers_wait),
        CASE_SHARED(kept_messages_live, "a kept message outlives who has kept it, in memory that is read by another"),
        CASE(a_terminate_ends_a_receive),
        CASE(an_exit_ends_a_receive),
        CASE(exits_that_are_expected),
        CASE(the_last_handler_may_receive),
        CASE(told_to_end_again_and_again),
        CASE(a_terminate_waits_for_sleepers),
        CASE(a_thousand_blocked),
        CASE(skipped_messages_are_looked_at_once),
        CASE(new_refs_pass_over_what_is_old),
        CASE(what_was_received_does_not_stay),
    };
    return RUN_CASES(cases);
}
