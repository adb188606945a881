/* host_test.c - the program around a runtime: attached threads, starting and stopping, pictures and figures. */
#include <stdatomic.h>
#include <unistd.h>

#include "conformance.h"

static void do_nothing(pg_process *self)
{
    (void)self;
}

static void fail_at_once(pg_process *self)
{
    pg_fail(self, "at once");
}

static void answer(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), "answer", pg_get(self, msg, 2));
}

static void answers(pg_process *self)
{
    pg_receive(self, answer, "ask", PG_PID, PG_ANY);
}

/* --------------------------------------------------------------------------------------------- attached threads */

typedef struct visitor {
    pthread_t thread;
    pg_runtime *rt;
    pg_pid main;
    int number;
} visitor;

static void *visit(void *argument)
{
    visitor *v = argument;
    char name[20];
    const pg_message *msg;
    snprintf(name, sizeof name, "visitor %d", v->number);
    pg_process *self = pg_attach(v->rt, name);
    CHECK(self != NULL);
    CHECK_STR(pg_name(self), name);
    pg_pid friend = good(pg_spawn(self, answers));
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(pg_send(friend, "ask", self, i), PG_OK);
        CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
        CHECK_EQ(pg_get_int(NULL, msg, 1), i);
    }
    CHECK_EQ(pg_terminate(friend), PG_OK);
    CHECK_EQ(pg_send(v->main, self, v->number), PG_OK);
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    if (v->number % 2) pg_detach(self); /* the others leave it to the end of the thread */
    return NULL;
}

static void several_threads_attach(pg_process *self)
{
    enum { THREADS = 6 };
    visitor visitors[THREADS];
    pg_pid pids[THREADS];
    for (int i = 0; i < THREADS; i++) {
        visitors[i] = (visitor){.rt = pg_runtime_of(self), .main = pg_self(self), .number = i};
        CHECK_EQ(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        const pg_message *msg = next_of(self);
        pids[i] = pg_get_pid(NULL, msg, 0);
        CHECK(pg_is_alive(pids[i]));
        CHECK_EQ(pg_link(self, pids[i]), PG_OK);
    }
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pg_send(pids[i], "bye"), PG_OK);
    for (int i = 0; i < THREADS; i++) {
        const pg_message *msg;
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, PG_PID), PG_OK);
        CHECK_EQ(end_of(pids[i]).kind, PG_EXIT_NORMAL);
        pthread_join(visitors[i].thread, NULL);
    }
}

static void one_thread_attaches_often(pg_process *self)
{
    pg_runtime *rt = pg_runtime_of(self), *other = start_runtime();
    pg_process *again = pg_attach(rt, "again"), *there = pg_attach(other, "there");
    CHECK(again != NULL && there != NULL);
    CHECK(pg_same(pg_main(rt), pg_self(self)));
    CHECK(pg_same(pg_main(other), pg_self(there)));
    CHECK(pg_runtime_of(there) == other);
    CHECK_EQ(pg_send(pg_self(again), 1), PG_OK);
    CHECK_EQ(pg_send(pg_self(there), 2), PG_OK);
    CHECK_EQ(next_int(there), 2);
    CHECK_EQ(next_int(again), 1);
    pg_detach(again);
    pg_detach(there);
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
}

/* ------------------------------------------------------------------------------------------------------ pg_serve */

static int nested;

static void on_number(pg_process *self, const pg_message *msg)
{
    CHECK(pg_current() == self);
    int *sum = pg_data(self);
    *sum += (int)pg_get_int(self, msg, 0);
    nested = pg_serve(self, 0);
    CHECK_EQ(pg_stop(pg_runtime_of(self), 0), PG_EINSIDE);
    CHECK_EQ(pg_wait(pg_self(self), PG_MS(1), NULL), PG_EINSIDE);
}

static void on_quit(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void note_end(void *argument)
{
    ++*(int *)argument;
}

static void serving(pg_process *self)
{
    int sum = 0, cleaned = 0;
    const pg_message *msg;
    pg_process *server = pg_attach(pg_runtime_of(self), "server");
    CHECK(server != NULL);
    pg_set_data(server, &sum);
    CHECK_EQ(pg_receive(server, on_number, PG_INT), PG_OK);
    CHECK_EQ(pg_receive(server, on_quit, "quit"), PG_OK);
    CHECK_EQ(pg_defer(server, note_end, &cleaned), PG_OK);
    CHECK_EQ(pg_serve(server, 0), PG_ETIMEDOUT);
    for (int i = 1; i <= 4; i++) pg_send(pg_self(server), i);
    int64_t begin = pg_now();
    CHECK_EQ(pg_serve(server, PG_MS(10)), PG_ETIMEDOUT);
    CHECK(pg_now() - begin >= PG_MS(10));
    CHECK_EQ(sum, 10);
    CHECK_EQ(nested, PG_EINVAL);
    CHECK(pg_current() == NULL);
    pg_send(pg_self(server), "quit");
    CHECK_EQ(pg_serve(server, PG_FOREVER), PG_EENDED);
    CHECK_EQ(cleaned, 1);
    CHECK_EQ(pg_serve(server, PG_FOREVER), PG_EENDED);
    CHECK_EQ(pg_recv(server, &msg, PG_FOREVER), PG_EENDED);
    CHECK(!pg_is_alive(pg_self(server)));
    CHECK_EQ(end_of(pg_self(server)).kind, PG_EXIT_NORMAL);
    pg_detach(server);
}

static void serves_badly(pg_process *self)
{
    CHECK_EQ(pg_serve(self, 0), PG_EINVAL);
}

static void only_attached_ones_serve(pg_process *self)
{
    CHECK_EQ(end_of(good(pg_spawn(self, serves_badly))).kind, PG_EXIT_NORMAL);
    CHECK_EQ(pg_serve(NULL, 0), PG_EINVAL);
}

static void a_host_is_ended_by_links(pg_process *self)
{
    const pg_message *msg;
    pg_exit_info why;
    for (int how = 0; how < 4; how++) {
        int cleaned = 0;
        pg_process *victim = pg_attach(pg_runtime_of(self), "victim");
        CHECK(victim != NULL);
        pg_pid pid = pg_self(victim);
        CHECK_EQ(pg_defer(victim, note_end, &cleaned), PG_OK);
        if (how < 3) good(pg_spawn_link(victim, fail_at_once, .name = "brief"));
        if (how == 0) CHECK_EQ(pg_recv(victim, &msg, PATIENCE), PG_EENDED);
        if (how == 1) CHECK_EQ(pg_serve(victim, PATIENCE), PG_EENDED);
        if (how == 2) CHECK_EQ(pg_recv_match(victim, &msg, PATIENCE, "x", PG_ANY), PG_EENDED);
        if (how == 3) {
            CHECK_EQ(pg_send(pid, "nobody knows this"), PG_OK);
            CHECK_EQ(pg_serve(victim, PATIENCE), PG_EENDED);
        }
        CHECK_EQ(cleaned, 1);
        CHECK_EQ(pg_recv(victim, &msg, PATIENCE), PG_EENDED);
        CHECK_EQ(pg_send(pid, 1), PG_ENOPROC);
        CHECK_EQ(pg_why(pid, &why), PG_OK);
        CHECK_EQ(why.kind, how < 3 ? PG_EXIT_UNHANDLED_EXIT : PG_EXIT_UNHANDLED_MESSAGE);
        CHECK_EQ(pg_pid_status(pg_spawn_link(victim, do_nothing)), PG_EENDED);
        pg_detach(victim);
    }
}

/* ------------------------------------------------------------------------------------------------------- pg_stop */

static atomic_bool held = true; /* between cases, too: so another operating-system process sees it */

/* Keeps its thread in a system call, as a process should not. */
static void holds(pg_process *self)
{
    pg_send(first_arg(self), 1);
    while (atomic_load(&held)) usleep(1000);
}

static void a_stop_names_who_does_not_end(pg_process *self)
{
    const pg_message *msg;
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    good(pg_spawn(host, holds, .name = "the stubborn one", .args = pg_tuple(self)));
    CHECK_EQ(next_int(self), 1);
    int stopped = pg_stop(rt, PG_MS(10));
    CHECK(log_has("\"the stubborn one\""));
    if (the_kind == PG_OS) { /* whose code need not return */
        CHECK_EQ(stopped, PG_OK);
        log_clear();
        pg_detach(host);
        return;
    }
    CHECK_EQ(stopped, PG_ETIMEDOUT);
    CHECK_EQ(pg_pid_status(pg_spawn(host, do_nothing)), PG_ESTOPPED);
    CHECK_EQ(pg_pid_status(pg_spawn_in(rt, do_nothing, NULL)), PG_ESTOPPED);
    CHECK(pg_attach(rt, "too late") == NULL);
    CHECK_EQ(pg_recv(host, &msg, 0), PG_ETIMEDOUT);
    CHECK_EQ(pg_stop(rt, 0), PG_ETIMEDOUT);
    atomic_store(&held, false);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    atomic_store(&held, true);
    pg_detach(host);
}

static atomic_int cleaned_up;

static void count_clean_up(void *argument)
{
    (void)argument;
    atomic_fetch_add(&cleaned_up, 1);
}

static void sleeps(pg_process *self)
{
    pg_defer(self, count_clean_up, NULL);
    pg_send(first_arg(self), self);
    pg_sleep(self, PG_FOREVER);
    CHECK_FAIL("woke up");
}

static void waits(pg_process *self)
{
    pg_pid whom = pg_get_pid(self, pg_args(self), 1);
    pg_defer(self, count_clean_up, NULL);
    pg_send(first_arg(self), self);
    pg_wait(whom, PG_FOREVER, NULL);
    CHECK_FAIL("woke up");
}

static void on_wait(pg_process *self, const pg_message *msg)
{
    pg_wait(pg_get_pid(self, msg, 0), PG_FOREVER, NULL);
    CHECK_FAIL("woke up");
}

static void waits_in_handler(pg_process *self)
{
    pg_defer(self, count_clean_up, NULL);
    pg_receive(self, on_wait, PG_PID);
}

static void sleepers_are_ended_by_a_stop(pg_process *self)
{
    atomic_store(&cleaned_up, 0);
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    pg_pid main_pid = pg_self(self);
    pg_pid other = the_kind == PG_OS ? pg_self(host) : main_pid; /* who is of another runtime */
    for (int i = 0; i < 5; i++) {
        pg_pid sleeper = good(pg_spawn(host, sleeps, .name = "the sleeper", .args = pg_tuple(main_pid)));
        good(pg_spawn(host, waits, .args = pg_tuple(main_pid, sleeper)));
        good(pg_spawn(host, waits, .args = pg_tuple(main_pid, host)));
        pg_send(good(pg_spawn(host, waits_in_handler)), other);
    }
    for (int i = 0; i < 15; i++) next_of(self);
    pg_sleep(self, PG_MS(5));
    CHECK_EQ(pg_stop(rt, PG_MS(10)), PG_OK);
    pg_detach(host);
    if (the_kind != PG_OS) CHECK_EQ(atomic_load(&cleaned_up), 20); /* those are killed as they are */
    CHECK(log_has("\"the sleeper\""));
    log_clear();
}

static void *waits_for_main(void *argument)
{
    pg_exit_info why;
    int status = pg_wait(*(pg_pid *)argument, PATIENCE, &why);
    CHECK(status == PG_OK || status == PG_ENOPROC);
    return NULL;
}

/* A thread that waits for the very process that stops the runtime. */
static void waiters_for_hosts_come_back(pg_process *self)
{
    (void)self;
    pthread_t thread;
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    pg_pid pid = pg_self(host);
    CHECK_EQ(pthread_create(&thread, NULL, waits_for_main, &pid), 0);
    usleep(5000);
    int64_t begin = pg_now();
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    CHECK(pg_now() - begin < PATIENCE / 2);
    pthread_join(thread, NULL);
    pg_detach(host);
}

/* ---------------------------------------------------------------------------------------- during and after a stop */

static void spawn_in_clean_up(void *argument)
{
    pg_send(*(pg_pid *)argument, pg_pid_status(pg_spawn(pg_current(), do_nothing)));
    free(argument);
}

static void spawns_at_the_end(pg_process *self)
{
    pg_pid *main_pid = malloc(sizeof *main_pid);
    CHECK(main_pid != NULL);
    *main_pid = first_arg(self);
    pg_receive(self, answer, "ask", PG_PID, PG_ANY);
    CHECK_EQ(pg_defer(self, spawn_in_clean_up, main_pid), PG_OK);
    pg_send(first_arg(self), 1);
}

static void nothing_begins_during_a_stop(pg_process *self)
{
    pg_runtime *rt = start_runtime();
    pg_value main_pid = pg_v_process(self);
    const pg_spawn_options options = {.args = pg_tuple_of(1, &main_pid)};
    good(pg_spawn_in(rt, spawns_at_the_end, &options));
    CHECK_EQ(next_int(self), 1);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    CHECK_EQ(next_int(self), PG_ESTOPPED);
}

static void a_self_outlives_its_runtime(pg_process *self)
{
    const pg_message *msg;
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    pg_pid proc = good(pg_spawn(host, answers)), pid = pg_self(host);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    CHECK(pg_runtime_of(host) == NULL);
    CHECK_STR(pg_name(host), "host");
    CHECK(pg_same(pg_self(host), pid));
    CHECK_EQ(pg_pid_status(pg_spawn(host, do_nothing)), PG_ESTOPPED);
    CHECK_EQ(pg_pid_status(pg_spawn_link(host, do_nothing)), PG_ESTOPPED);
    CHECK_EQ(pg_recv(host, &msg, PG_FOREVER), PG_ESTOPPED);
    CHECK_EQ(pg_recv_match(host, &msg, PG_FOREVER, 1), PG_ESTOPPED);
    CHECK_EQ(pg_serve(host, 0), PG_ESTOPPED);
    CHECK_EQ(pg_link(host, proc), PG_ESTOPPED);
    CHECK_EQ(pg_unlink(host, proc), PG_ESTOPPED);
    CHECK_EQ(pg_sleep(host, PG_MS(1)), PG_OK); /* for these it needs no runtime */
    CHECK_EQ(pg_yield(host), PG_OK);
    CHECK_EQ(pg_send(pid, 1), PG_ENOPROC);
    CHECK_EQ(pg_send(proc, 1), PG_ENOPROC);
    CHECK_EQ(pg_terminate(proc), PG_ENOPROC);
    int known = the_kind == PG_OS ? PG_OK : PG_ENOPROC; /* the ends of operating-system processes outlive the runtime */
    CHECK_EQ(pg_wait(proc, PATIENCE, NULL), known);
    CHECK_EQ(pg_why(proc, NULL), known);
    CHECK(!pg_is_alive(proc));
    pg_receive(host, answer, "ask");
    CHECK_EQ(pg_defer(host, note_end, &nested), PG_OK);
    nested = 0;
    pg_detach(host);
    CHECK_EQ(nested, 1);
    pg_send(pg_self(self), 3);
    CHECK_EQ(next_int(self), 3);
}

static void stops(pg_process *self)
{
    const pg_message *args = pg_args(self);
    pg_send(first_arg(self), pg_stop(pg_runtime_of(self), PG_FOREVER));
    if (the_kind == PG_OS) return;                                          /* where there is no other one */
    pg_send(first_arg(self), pg_stop(pg_get_ptr(self, args, 1), PATIENCE)); /* which it may stop */
}

static void a_process_may_not_stop_its_own(pg_process *self)
{
    pg_runtime *other = start_runtime();
    pg_value its = the_kind == PG_OS ? PG_NIL : pg_v_ptr(other);
    good(pg_spawn(self, stops, .args = pg_tuple(self, its)));
    CHECK_EQ(next_int(self), PG_EINSIDE);
    CHECK_EQ(the_kind == PG_OS ? pg_stop(other, PATIENCE) : (int)next_int(self), PG_OK);
    CHECK_EQ(pg_stop(NULL, 0), PG_EINVAL);
}

static void a_hundred_times(pg_process *self)
{
    (void)self;
    for (int i = 0; i < (SANITIZED ? 20 : 100); i++) {
        pg_runtime *rt = start_runtime();
        pg_process *host = pg_attach(rt, "host");
        pg_pid proc = good(pg_spawn(host, answers));
        CHECK_EQ(pg_send(proc, "ask", host, i), PG_OK);
        CHECK_EQ(pg_get_int(NULL, next_of(host), 1), i);
        good(pg_spawn_link(host, fail_at_once));
        if (i % 2) pg_detach(host);
        CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
        if (i % 3 == 0 && i % 2 == 0) pg_detach(host); /* else the next pg_attach() sweeps it up */
    }
}

/* --------------------------------------------------------------------------------------------------- two runtimes */

static void asks(pg_process *self)
{
    const pg_message *msg;
    pg_pid there = pg_get_pid(self, pg_args(self), 1);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(pg_send(there, "ask", self, i), PG_OK);
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "answer", i), PG_OK);
    }
    CHECK_EQ(pg_terminate(there), PG_OK);
    CHECK_EQ(pg_wait(there, PATIENCE, NULL), PG_OK);
    pg_send(first_arg(self), there);
}

static void two_runtimes_talk(pg_process *self)
{
    pg_runtime *other = start_runtime();
    pg_pid there = good(pg_spawn_in(other, answers, NULL));
    good(pg_spawn(self, asks, .args = pg_tuple(self, there)));
    CHECK(pg_same(pg_get_pid(NULL, next_of(self), 0), there));
    CHECK(!pg_is_alive(there));
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
}

/* Two operating-system processes of different runtimes cannot be linked: an exit says so. */
static void links_abroad(pg_process *self)
{
    const pg_message *msg;
    pg_exit_info why;
    pg_pid there = pg_get_pid(self, pg_args(self), 1);
    CHECK_EQ(pg_link(self, there), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, PG_PID), PG_OK);
    pg_get_exit(self, msg, 0, &why);
    CHECK(pg_same(why.pid, there));
    pg_send(first_arg(self), (int)why.kind, why.text);
}

static void nobody_is_linked_abroad(pg_process *self)
{
    pg_runtime *other = start_runtime();
    pg_pid there = good(pg_spawn_in(other, answers, &(pg_spawn_options){.kind = PG_OS}));
    good(pg_spawn(self, links_abroad, .kind = PG_OS, .args = pg_tuple(self, there)));
    const pg_message *msg = next_of(self);
    CHECK_EQ(pg_get_int(NULL, msg, 0), PG_EXIT_UNKNOWN);
    CHECK_STR(pg_get_str(NULL, msg, 1), "it is of another runtime, and cannot be linked");
    CHECK(pg_is_alive(there));
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
}

/* Without a zygote there are no operating-system processes, and the log says why. */
static void no_zygote_no_process(pg_process *self)
{
    (void)self;
    pg_runtime *other = pg_start(&(pg_options){.workers = 1, .no_os = true, .log = log_line, .log_context = &the_log});
    CHECK(other);
    pg_pid pid = pg_spawn_in(other, do_nothing, &(pg_spawn_options){.kind = PG_OS});
    CHECK_EQ(pg_pid_status(pid), PG_EUNSUPPORTED);
    CHECK(log_has("is refused: the runtime was started with .no_os"));
    log_clear();
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
}

/* --------------------------------------------------------------------------------------------- graph and figures */

static void spawns_two(pg_process *self)
{
    good(pg_spawn_link(self, answers, .name = "left \"quoted\\"));
    good(pg_spawn_link(self, answers, .name = "right\n"));
    pg_receive(self, answer, "ask", PG_PID, PG_ANY);
    pg_send(first_arg(self), 1);
}

static size_t occurrences(const char *text, const char *part)
{
    size_t n = 0;
    while ((text = strstr(text, part)) != NULL) {
        n++;
        text += strlen(part);
    }
    return n;
}

static void a_graph_is_drawn(pg_process *self)
{
    char text[4000];
    pg_pid root = good(pg_spawn_link(self, spawns_two, .name = "root", .args = pg_tuple(self)));
    CHECK_EQ(next_int(self), 1);
    FILE *file = tmpfile();
    CHECK_EQ(pg_graph(pg_runtime_of(self), file), PG_OK);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    CHECK(begins(text, "graph "));
    CHECK(strstr(text, "subgraph cluster") != NULL);
    CHECK_EQ(occurrences(text, " -- "), the_kind == PG_OS ? 1 : 3); /* links among others are theirs to know */
    CHECK_EQ(occurrences(text, "[label="), 4);
    CHECK(strstr(text, "main") != NULL && strstr(text, "root") != NULL);
    CHECK(strstr(text, "left \\\"quoted\\\\") != NULL);
    if (system("command -v dot >/dev/null 2>&1") == 0) {
        FILE *dot = popen("dot -Tsvg >/dev/null", "w");
        CHECK(dot != NULL);
        fputs(text, dot);
        CHECK_EQ(pclose(dot), 0);
    }
    CHECK_EQ(pg_graph(NULL, stdout), PG_EINVAL);
    CHECK_EQ(pg_graph(pg_runtime_of(self), NULL), PG_EINVAL);
    CHECK_EQ(pg_unlink(self, root), PG_OK);
}

static void figures_add_up(pg_process *self)
{
    pg_stats stats;
    pg_runtime *rt = pg_runtime_of(self);
    for (int i = 0; i < 10; i++) good(pg_spawn(self, answers));
    for (int i = 0; i < 10; i++) end_of(good(pg_spawn(self, do_nothing)));
    int64_t limit = pg_now() + PATIENCE;
    do {
        CHECK_EQ(pg_get_stats(rt, &stats), PG_OK); /* a process is counted out a moment after it is seen to end */
    } while (stats.alive != 11 && pg_now() < limit);
    CHECK_EQ(stats.alive, 11);
    CHECK_EQ(stats.spawned, 21);
    CHECK_EQ(stats.dropped, 0);
    CHECK(stats.workers >= the_workers); /* more where one has seemed stuck */

    pg_process *full = pg_attach(rt, "full");
    for (int i = 0; i < 5; i++) CHECK_EQ(pg_send(pg_self(full), i), PG_OK);
    pg_detach(full);
    CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
    CHECK_EQ(stats.dropped, 5);
    CHECK_EQ(stats.alive, 11);
    CHECK_EQ(pg_get_stats(rt, NULL), PG_EINVAL);
    CHECK_EQ(pg_get_stats(NULL, &stats), PG_EINVAL);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE_REAL(several_threads_attach, "other threads attach"),
        CASE_REAL(one_thread_attaches_often, "it starts another runtime"),
        CASE(serving),
        CASE(only_attached_ones_serve),
        CASE(a_host_is_ended_by_links),
        CASE_REAL(a_stop_names_who_does_not_end, "it starts another runtime"),
        CASE_REAL(sleepers_are_ended_by_a_stop, "it starts another runtime"),
        CASE_REAL(waiters_for_hosts_come_back, "it starts another runtime"),
        CASE_REAL(nothing_begins_during_a_stop, "it starts another runtime"),
        CASE_REAL(a_self_outlives_its_runtime, "it starts another runtime"),
        CASE_REAL(a_process_may_not_stop_its_own, "it starts another runtime"),
        CASE_REAL(a_hundred_times, "it starts another runtime"),
        CASE_REAL(two_runtimes_talk, "it starts another runtime"),
        CASE_REAL(nobody_is_linked_abroad, "it starts another runtime"),
        CASE_REAL(no_zygote_no_process, "it starts another runtime"),
        CASE(a_graph_is_drawn),
        CASE(figures_add_up),
    };
    return RUN_CASES(cases);
}
