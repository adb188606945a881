/* link_test.c - links: who is told of an end, what it is told, and who ends of it. */
#include "conformance.h"

static void do_nothing(pg_process *self)
{
    (void)self;
}

static void on_end(pg_process *self, const pg_message *msg)
{
    const pg_term *how = pg_get(self, msg, 1);
    if (pg_matches(how, "normally")) pg_exit(self);
    pg_fail_with(self, how);
}

/* Ends as it is told. */
static void obedient(pg_process *self)
{
    pg_receive(self, on_end, "end", PG_ANY);
}

/* ---------------------------------------------------------------------------------------- what the other one gets */

/* Sends what it is told of to the first of its arguments. */
static void report_exit(pg_process *self, const pg_message *msg)
{
    pg_exit_info why;
    pg_get_exit(self, msg, 0, &why);
    CHECK(pg_same(why.pid, pg_get_pid(self, msg, 1)));
    const pg_term *error = pg_get_error(self, msg, 0);
    pg_send(*(pg_pid *)pg_data(self), why.pid, (int)why.kind, why.text, error ? pg_v_term(error) : PG_NIL);
}

static void spawn_for(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_send(*(pg_pid *)pg_data(self), good(pg_spawn_link(self, obedient, .name = "child")));
}

static void keep_main(pg_process *self)
{
    pg_pid *main_pid = malloc(sizeof *main_pid);
    CHECK(main_pid != NULL);
    *main_pid = first_arg(self);
    pg_defer(self, free, main_pid);
    pg_set_data(self, main_pid);
}

static void on_link(pg_process *self, const pg_message *msg)
{
    pg_pid *main_pid = pg_data(self);
    pg_send(*main_pid, "linked", pg_link(self, pg_get_pid(self, msg, 1)));
}

static void on_unlink(pg_process *self, const pg_message *msg)
{
    pg_pid *main_pid = pg_data(self);
    pg_send(*main_pid, "unlinked", pg_unlink(self, pg_get_pid(self, msg, 1)));
}

static void common(pg_process *self)
{
    keep_main(self);
    pg_receive(self, spawn_for, "spawn");
    pg_receive(self, on_link, "link", PG_PID);
    pg_receive(self, on_unlink, "unlink", PG_PID);
    pg_receive(self, on_end, "end", PG_ANY);
}

static void survivor(pg_process *self)
{
    common(self);
    pg_receive(self, report_exit, PG_EXIT, PG_PID);
}

static pg_pid spawn_child_of(pg_process *self, pg_pid parent)
{
    CHECK_EQ(pg_send(parent, "spawn"), PG_OK);
    return good(pg_get_pid(NULL, next_of(self), 0));
}

/* The next message has to be the report of an exit. */
static void expect_report(pg_process *self, pg_pid pid, pg_exit_kind kind, const char *text, const char *error)
{
    char printed[300];
    const pg_message *msg = next_of(self);
    CHECK(pg_same(pg_get_pid(NULL, msg, 0), pid));
    CHECK_EQ(pg_get_int(NULL, msg, 1), kind);
    CHECK_STR(pg_get_str(NULL, msg, 2), text);
    pg_format_term(printed, sizeof printed, pg_get(NULL, msg, 3));
    CHECK_STR(printed, error);
}

static void exits_say_why(pg_process *self)
{
    pg_pid parent = good(pg_spawn(self, survivor, .args = pg_tuple(self)));
    pg_pid child = spawn_child_of(self, parent);
    pg_send(child, "end", "normally");
    expect_report(self, child, PG_EXIT_NORMAL, "", "nil");
    child = spawn_child_of(self, parent);
    pg_send(child, "end", pg_tuple("code", 3));
    expect_report(self, child, PG_EXIT_FAILED, "(\"code\", 3)", "(\"code\", 3)");
    child = spawn_child_of(self, parent);
    pg_terminate(child);
    expect_report(self, child, PG_EXIT_NORMAL, "", "nil");
    child = spawn_child_of(self, parent);
    pg_terminate_with(child, 9);
    expect_report(self, child, PG_EXIT_FAILED, "9", "9");
    CHECK(pg_is_alive(parent));
    pg_terminate(parent);
    CHECK_EQ(end_of(parent).kind, PG_EXIT_NORMAL);
}

static void unhandled_exits_end(pg_process *self)
{
    char pid[60];
    for (int normal = 0; normal < 2; normal++) {
        pg_pid parent = good(pg_spawn(self, common, .args = pg_tuple(self)));
        pg_pid child = spawn_child_of(self, parent);
        pg_format_value(pid, sizeof pid, pg_v_pid(child));
        if (normal) {
            pg_send(child, "end", "normally");
        } else {
            pg_send(child, "end", "its reason");
        }
        pg_exit_info why = end_of(parent);
        CHECK_EQ(why.kind, PG_EXIT_UNHANDLED_EXIT);
        CHECK(strstr(why.text, pid) != NULL);
        CHECK(strstr(why.text, "\"child\"") != NULL);
        CHECK_EQ(strstr(why.text, "its reason") != NULL, !normal);
    }
}

/* A parent's end is its child's. */
static void links_go_both_ways(pg_process *self)
{
    pg_pid parent = good(pg_spawn(self, survivor, .name = "parent", .args = pg_tuple(self)));
    pg_pid child = spawn_child_of(self, parent);
    pg_terminate(parent);
    pg_exit_info why = end_of(child);
    CHECK_EQ(why.kind, PG_EXIT_UNHANDLED_EXIT);
    CHECK(strstr(why.text, "\"parent\"") != NULL);
}

static void unlinked_children_say_nothing(pg_process *self)
{
    pg_pid child = good(pg_spawn(self, obedient));
    pg_send(child, "end", "trouble");
    end_of(child);
    expect_nothing(self);
    child = good(pg_spawn_link(self, obedient));
    pg_send(child, "end", "trouble");
    const pg_message *msg;
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, child), PG_OK);
    CHECK_STR(pg_term_str(NULL, pg_get_error(NULL, msg, 0), NULL), "trouble");
}

/* ------------------------------------------------------------------------------------------------ link and unlink */

static void expect_status(pg_process *self, const char *what, int status)
{
    const pg_message *msg = next_of(self);
    CHECK_STR(pg_get_str(NULL, msg, 0), what);
    CHECK_EQ(pg_get_int(NULL, msg, 1), status);
}

/* What one process is told when it unlinks from a dead one.  Of one in another operating-system process it does not
 * know. */
static int of_the_dead(void)
{
    return the_kind == PG_OS ? PG_OK : PG_ENOPROC;
}

static void linking_to_the_dead(pg_process *self)
{
    pg_pid watcher = good(pg_spawn(self, survivor, .args = pg_tuple(self)));
    pg_pid dead = good(pg_spawn(self, obedient));
    pg_send(dead, "end", "long ago");
    end_of(dead);
    pg_send(watcher, "link", dead);
    expect_status(self, "linked", PG_OK);
    const pg_message *msg = next_of(self);
    CHECK(pg_same(pg_get_pid(NULL, msg, 0), dead));
    CHECK_EQ(pg_get_int(NULL, msg, 1), PG_EXIT_FAILED);
    CHECK_STR(pg_get_str(NULL, msg, 2), "\"long ago\"");

    dead = good(pg_spawn(self, do_nothing));
    end_of(dead);
    pg_send(watcher, "link", dead);
    expect_status(self, "linked", PG_OK);
    expect_report(self, dead, PG_EXIT_NORMAL, "", "nil");
    pg_send(watcher, "unlink", dead);
    expect_status(self, "unlinked", of_the_dead());

    pg_pid mortal = good(pg_spawn(self, common, .args = pg_tuple(self)));
    pg_send(mortal, "link", dead);
    expect_status(self, "linked", PG_OK);
    CHECK_EQ(end_of(mortal).kind, PG_EXIT_UNHANDLED_EXIT);
}

static void linking_twice_is_once(pg_process *self)
{
    pg_pid a = good(pg_spawn(self, survivor, .args = pg_tuple(self)));
    pg_pid b = good(pg_spawn(self, survivor, .args = pg_tuple(self)));
    pg_send(a, "link", b);
    expect_status(self, "linked", PG_OK);
    pg_send(a, "link", b);
    expect_status(self, "linked", PG_OK);
    pg_send(b, "link", a);
    expect_status(self, "linked", PG_OK);
    pg_terminate(b);
    expect_report(self, b, PG_EXIT_NORMAL, "", "nil");
    pg_send(a, "unlink", b);
    expect_status(self, "unlinked", of_the_dead());
    expect_nothing(self);
}

static void unlinking(pg_process *self)
{
    pg_pid a = good(pg_spawn(self, common, .args = pg_tuple(self)));
    pg_pid b = good(pg_spawn(self, common, .args = pg_tuple(self)));
    pg_send(a, "unlink", b);
    expect_status(self, "unlinked", PG_OK);
    pg_send(a, "link", b);
    expect_status(self, "linked", PG_OK);
    pg_send(b, "unlink", a);
    expect_status(self, "unlinked", PG_OK);
    pg_send(b, "end", "alone");
    CHECK_EQ(end_of(b).kind, PG_EXIT_FAILED);
    CHECK_EQ(pg_wait(a, PG_MS(10), NULL), PG_ETIMEDOUT);
    pg_terminate(a);
    end_of(a);
}

static void refusals(pg_process *self)
{
    pg_pid a = good(pg_spawn(self, survivor, .args = pg_tuple(self)));
    pg_send(a, "link", a);
    expect_status(self, "linked", PG_EINVAL);
    pg_send(a, "unlink", a);
    expect_status(self, "unlinked", PG_EINVAL);
    pg_send(a, "link", (pg_pid){0});
    expect_status(self, "linked", PG_ENOPROC);
    CHECK_EQ(pg_link(self, pg_self(self)), PG_EINVAL);
    CHECK_EQ(pg_link(NULL, a), PG_EINVAL);
    CHECK_EQ(pg_unlink(NULL, a), PG_EINVAL);
    pg_pid never = {a.id + (UINT64_C(1000) << 28)};
    if (the_kind == PG_OS) {
        const pg_message *msg; /* who is asked is far: the answer is an exit */
        CHECK_EQ(pg_link(self, never), PG_OK);
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, never), PG_OK);
    } else {
        CHECK_EQ(pg_link(self, never), PG_ENOPROC);
    }

    pg_runtime *other = start_runtime();
    pg_pid foreign = good(pg_spawn_in(other, obedient, NULL));
    CHECK_EQ(pg_link(self, foreign), PG_EINVAL);
    CHECK_EQ(pg_unlink(self, foreign), PG_EINVAL);
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
}

/* ---------------------------------------------------------------------------------------------- chains and rings */

static void link_of_chain(pg_process *self)
{
    const pg_message *args = pg_args(self);
    int64_t left = pg_get_int(self, args, 1);
    pg_pid main_pid = first_arg(self);
    if (left > 0) good(pg_spawn_link(self, link_of_chain, .args = pg_tuple(main_pid, left - 1)));
    pg_send(main_pid, self);
    pg_receive(self, on_end, "end", PG_ANY);
}

static void chain_of(pg_process *self, int length, int victim)
{
    pg_pid *pids = calloc((size_t)length, sizeof *pids);
    CHECK(pids != NULL);
    good(pg_spawn(self, link_of_chain, .args = pg_tuple(self, length - 1)));
    for (int i = 0; i < length; i++) pids[i] = pg_get_pid(NULL, next_of(self), 0);
    pg_send(pids[victim], "end", "chained");
    for (int i = 0; i < length; i++) {
        pg_exit_info why = end_of(pids[i]);
        CHECK_EQ(why.kind, i == victim ? PG_EXIT_FAILED : PG_EXIT_UNHANDLED_EXIT);
    }
    free(pids);
}

static void chains(pg_process *self)
{
    for (int victim = 0; victim < 3; victim++) chain_of(self, 3, victim);
    chain_of(self, scaled(1000, 50), 7);
}

static void link_of_ring(pg_process *self)
{
    const pg_message *msg;
    pg_pid main_pid = first_arg(self);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "next", PG_PID), PG_OK);
    CHECK_EQ(pg_link(self, pg_get_pid(self, msg, 1)), PG_OK);
    pg_receive(self, on_end, "end", PG_ANY);
    pg_send(main_pid, 1);
}

static void ring_of_100(pg_process *self)
{
    enum { RING = 100 };
    pg_pid pids[RING];
    for (int i = 0; i < RING; i++) pids[i] = good(pg_spawn(self, link_of_ring, .args = pg_tuple(self)));
    for (int i = 0; i < RING; i++) CHECK_EQ(pg_send(pids[i], "next", pids[(i + 1) % RING]), PG_OK);
    for (int i = 0; i < RING; i++) CHECK_EQ(next_int(self), 1);
    pg_send(pids[50], "end", "ring");
    for (int i = 0; i < RING; i++) {
        CHECK_EQ(end_of(pids[i]).kind, i == 50 ? PG_EXIT_FAILED : PG_EXIT_UNHANDLED_EXIT);
    }
}

/* --------------------------------------------------------------------------------------------------- many children */

static void leaf(pg_process *self)
{
    pg_receive(self, on_end, "end", PG_ANY);
    pg_send(first_arg(self), 1);
}

static void parent_of_many(pg_process *self)
{
    int64_t children = pg_get_int(self, pg_args(self), 1);
    common(self);
    for (int64_t i = 0; i < children; i++) good(pg_spawn_link(self, leaf, .args = pg_tuple(first_arg(self))));
}

static void ten_thousand_children(pg_process *self)
{
    int children = scaled(10000, 200);
    pg_stats stats;
    pg_pid parent = good(pg_spawn(self, parent_of_many, .args = pg_tuple(self, children)));
    for (int i = 0; i < children; i++) CHECK_EQ(next_int(self), 1);
    CHECK_EQ(pg_get_stats(pg_runtime_of(self), &stats), PG_OK);
    CHECK_EQ(stats.alive, (uint64_t)children + 2);
    pg_send(parent, "end", "normally");
    CHECK_EQ(end_of(parent).kind, PG_EXIT_NORMAL);
    int64_t limit = check_now_ns() + PATIENCE;
    do {
        pg_sleep(self, PG_MS(1));
        CHECK_EQ(pg_get_stats(pg_runtime_of(self), &stats), PG_OK);
    } while (stats.alive > 1 && check_now_ns() < limit);
    CHECK_EQ(stats.alive, 1);
}

static void count_exit(pg_process *self, const pg_message *msg)
{
    (void)msg;
    int *left = pg_data(self);
    if (--*left == 0) pg_exit(self);
}

static void outlives_many(pg_process *self)
{
    static int left;
    int64_t children = pg_get_int(self, pg_args(self), 0);
    left = (int)children;
    pg_set_data(self, &left);
    pg_receive(self, count_exit, PG_EXIT, PG_PID);
    for (int64_t i = 0; i < children; i++) good(pg_spawn_link(self, do_nothing));
}

static void many_exits_to_one(pg_process *self)
{
    CHECK_EQ(end_of(good(pg_spawn(self, outlives_many, .args = pg_tuple(scaled(10000, 200))))).kind, PG_EXIT_NORMAL);
}

/* An exit handed on is a message like others: it ends nobody. */
static void forwarded_exits_are_news(pg_process *self)
{
    pg_pid watcher = good(pg_spawn(self, survivor, .args = pg_tuple(self)));
    pg_pid child = good(pg_spawn_link(self, obedient));
    pg_send(child, "end", "told on");
    const pg_message *msg;
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, PG_PID), PG_OK);
    CHECK_EQ(pg_forward(watcher, msg), PG_OK);
    expect_report(self, child, PG_EXIT_FAILED, "\"told on\"", "\"told on\"");
    CHECK(pg_is_alive(watcher));
}

/* Fails with an error of so many levels, or, where that is too deep for an error, for that reason. */
static void fails_deep(pg_process *self)
{
    pg_value levels[PG_DEPTH_MAX + 1];
    int64_t depth = pg_get_int(self, pg_args(self), 0);
    levels[0] = pg_v_int(1);
    for (int64_t i = 1; i < depth; i++) levels[i] = pg_tuple_of(1, &levels[i - 1]);
    pg_fail_value(self, levels[depth - 1]);
}

/* An exit is a level itself: where its error does not fit below, the text still tells it. */
static void deep_errors_arrive(pg_process *self)
{
    for (int depth = PG_DEPTH_MAX - 3; depth <= PG_DEPTH_MAX + 1; depth++) {
        pg_pid child = good(pg_spawn_link(self, fails_deep, .args = pg_tuple(depth)));
        const pg_message *msg;
        pg_exit_info why;
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, PG_PID), PG_OK);
        pg_get_exit(NULL, msg, 0, &why);
        CHECK(pg_same(why.pid, child));
        CHECK_EQ(why.kind, PG_EXIT_FAILED);
        CHECK(strlen(why.text) > 0);
    }
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(exits_say_why),
        CASE(unhandled_exits_end),
        CASE(links_go_both_ways),
        CASE(unlinked_children_say_nothing),
        CASE(linking_to_the_dead),
        CASE(linking_twice_is_once),
        CASE(unlinking),
        CASE_REAL(refusals, "it starts another runtime"),
        CASE(chains),
        CASE(ring_of_100),
        CASE(ten_thousand_children),
        CASE(many_exits_to_one),
        CASE(forwarded_exits_are_news),
        CASE(deep_errors_arrive),
    };
    return RUN_CASES(cases);
}
