/* simulation_test.c - runtimes with a seed: what one seed decides, what two do differently, and the time of their own.
 *
 * That all which processes do is the same in a simulation is shown by the other conformance tests, which run simulated
 * as well.  Many seeds of one scenario (mixed.h), whose trace is compared here, are tried in simulation_stress.c.
 *
 * The program runs itself to see what another one with the same seed does, whose addresses are others: with the
 * arguments `trace SEED` it runs the scenario and prints its trace. */
#include <sys/wait.h>

#include "conformance.h"
#include "mixed.h"

/* A runtime with that seed, and main in it. */
static pg_runtime *begin(uint64_t seed, pg_process **self)
{
    pg_runtime *rt = pg_start(&(pg_options){.seed = seed, .log = log_line, .log_context = &the_log});
    CHECK(rt != NULL);
    *self = pg_attach(rt, "main");
    CHECK(*self != NULL);
    return rt;
}

static void end(pg_runtime *rt)
{
    CHECK_EQ(pg_stop(rt, PG_SECONDS(30)), PG_OK);
}

/* ------------------------------------------------------------------------------------------------- the same, others */

/* What another process prints for the seed; to be freed. */
static char *trace_of_another(uint64_t seed, size_t *length)
{
    char command[64];
    snprintf(command, sizeof command, "/proc/%d/exe trace %" PRIu64, (int)getpid(), seed);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    size_t room = 1 << 20;
    char *text = malloc(room);
    CHECK(text != NULL);
    *length = fread(text, 1, room, pipe);
    CHECK(*length > 0 && *length < room);
    CHECK_EQ(pclose(pipe), 0);
    return text;
}

static void one_seed_is_one_trace(void)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        size_t length[2];
        char *trace[2];
        for (int i = 0; i < 2; i++) trace[i] = trace_of_another(seed, &length[i]);
        CHECK_EQ(length[0], length[1]);
        CHECK(memcmp(trace[0], trace[1], length[0]) == 0);
        free(trace[0]);
        free(trace[1]);
    }
}

/* In this process, too, whatever has been in it before. */
static void on_ask(pg_process *self, const pg_message *msg)
{
    pg_reply(msg, "answer");
    pg_sleep(self, PG_SECONDS(1)); /* so that the other one rests */
    pg_exit(self);
}

static void answer_once(pg_process *self)
{
    pg_receive(self, on_ask, "ask");
}

static void on_down(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void ask_and_watch(pg_process *self)
{
    const pg_message *reply;
    pg_pid pid = pg_get_pid(self, pg_args(self), 0);
    pg_receive(self, on_down, "down", PG_ETC);
    CHECK_EQ(pg_monitor(self, pid, NULL), PG_OK);
    CHECK_EQ(pg_call(self, pid, &reply, PG_FOREVER, "ask"), PG_OK);
}

/* A call, and the news of an end, are messages, and told as such. */
static void a_trace_tells_messages(void)
{
    char *trace;
    size_t length;
    FILE *file = open_memstream(&trace, &length);
    pg_runtime *rt = pg_start(&(pg_options){.seed = 1, .log = log_line, .log_context = &the_log, .trace = file});
    pg_process *self = pg_attach(rt, "main");
    CHECK(self != NULL);
    pg_pid server = good(pg_spawn(self, answer_once));
    end_of(good(pg_spawn(self, ask_and_watch, .args = pg_tuple(server))));
    pg_detach(self);
    end(rt);
    fclose(file);
    CHECK(strstr(trace, "handles (\"ask\")") != NULL);
    CHECK(strstr(trace, "handles (\"down\", and 3 more)") != NULL);
    CHECK(strstr(trace, "(exit") == NULL);
    free(trace);
}

static void one_seed_is_one_trace_in_one_program(void)
{
    char *trace[2];
    size_t length[2];
    for (int i = 0; i < 2; i++) {
        FILE *file = open_memstream(&trace[i], &length[i]);
        CHECK(file != NULL);
        mixed_run(1234, file);
        fclose(file);
    }
    CHECK_EQ(length[0], length[1]);
    CHECK(memcmp(trace[0], trace[1], length[0]) == 0);
    free(trace[0]);
    free(trace[1]);
}

static void says_its_number(pg_process *self)
{
    pg_send(pg_get_pid(self, pg_args(self), 0), pg_get_int(self, pg_args(self), 1));
}

/* Three processes send a number each: which order it is. */
static int order_of_three(uint64_t seed)
{
    pg_process *self;
    pg_runtime *rt = begin(seed, &self);
    int order = 0;
    for (int i = 1; i <= 3; i++) pg_spawn(self, says_its_number, .args = pg_tuple(self, i));
    for (int i = 0; i < 3; i++) {
        const pg_message *msg;
        CHECK_EQ(pg_recv(self, &msg, PG_FOREVER), PG_OK);
        order = 10 * order + (int)pg_get_int(NULL, msg, 0);
    }
    end(rt);
    return order;
}

static void seeds_bring_all_orders(void)
{
    bool seen[400] = {false};
    int orders = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        int order = order_of_three(seed);
        CHECK_EQ(order, order_of_three(seed));
        orders += !seen[order];
        seen[order] = true;
    }
    CHECK_EQ(orders, 6);
}

static void adds_in_two_steps(pg_process *self)
{
    int *sum = pg_get_ptr(self, pg_args(self), 0);
    int before = *sum;
    pg_send(pg_self(self), "anything");
    *sum = before + 1;
}

/* What both have added, where one is suspended between its two steps, and the other is not. */
static void a_send_is_where_others_may_run(void)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        int sum = 0;
        pg_process *self;
        pg_runtime *rt = begin(seed, &self);
        for (int i = 0; i < 2; i++) pg_spawn(self, adds_in_two_steps, .args = pg_tuple((void *)&sum));
        end(rt);
        CHECK(sum == 1 || sum == 2);
        lost += sum == 1;
    }
    CHECK(lost > 0 && lost < 150);
}

/* ---------------------------------------------------------------------------------------------------------- time */

static void sleeps(pg_process *self)
{
    int64_t hours = pg_get_int(self, pg_args(self), 1);
    pg_sleep(self, hours * PG_SECONDS(3600));
    pg_send(pg_get_pid(self, pg_args(self), 0), hours);
}

static void hours_take_no_time(void)
{
    pg_process *self;
    int64_t real = check_now_ns();
    CHECK(pg_now() >= real && pg_now() <= check_now_ns());
    pg_runtime *rt = begin(1, &self);
    int64_t time = pg_now();
    static const int hours[] = {3, 1, 200, 2};
    for (int i = 0; i < 4; i++) pg_spawn(self, sleeps, .args = pg_tuple(self, hours[i]));
    static const int in_order[] = {1, 2, 3, 200};
    for (int i = 0; i < 4; i++) {
        const pg_message *msg;
        CHECK_EQ(pg_recv(self, &msg, PG_FOREVER), PG_OK);
        CHECK_EQ(pg_get_int(NULL, msg, 0), in_order[i]);
        int64_t late = pg_now() - time - in_order[i] * PG_SECONDS(3600);
        CHECK(late >= 0 && late < PG_MS(100));
    }
    CHECK_EQ(pg_sleep(self, PG_SECONDS(60)), PG_OK);
    end(rt);
    CHECK(check_now_ns() - real < PG_SECONDS(30));
    CHECK(pg_now() >= real && pg_now() <= check_now_ns());
}

static void answers_late(pg_process *self)
{
    const pg_message *msg;
    pg_pid main = pg_get_pid(self, pg_args(self), 0);
    while (pg_recv(self, &msg, PG_MS(7)) == PG_ETIMEDOUT) pg_send(main, "nothing");
    pg_send(main, "got it");
}

static void timeouts_come(void)
{
    pg_process *self;
    const pg_message *msg;
    pg_runtime *rt = begin(3, &self);
    pg_pid proc = pg_spawn(self, answers_late, .args = pg_tuple(self));
    for (int i = 0; i < 5; i++) CHECK_EQ(pg_recv_match(self, &msg, PG_SECONDS(1), "nothing"), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, PG_SECONDS(1), "got it"), PG_ETIMEDOUT);
    pg_send(proc, "this");
    CHECK_EQ(pg_recv_match(self, &msg, PG_SECONDS(1), "got it"), PG_OK);
    end(rt);
}

/* Who only looks, again and again, does not wait for ever: others run meanwhile. */
static void looks_for_it(pg_process *self)
{
    const pg_message *msg;
    while (pg_recv(self, &msg, 0) == PG_ETIMEDOUT) continue;
    pg_send(pg_get_pid(self, pg_args(self), 0), "found");
}

static void looking_is_enough(void)
{
    pg_process *self;
    const pg_message *msg;
    pg_runtime *rt = begin(5, &self);
    pg_pid proc = pg_spawn(self, looks_for_it, .args = pg_tuple(self));
    for (int i = 0; i < 100; i++) CHECK_EQ(pg_yield(self), PG_OK);
    pg_send(proc, 1);
    while (pg_recv(self, &msg, 0) == PG_ETIMEDOUT) continue;
    CHECK_STR(pg_get_str(NULL, msg, 0), "found");
    proc = pg_spawn(self, says_its_number, .args = pg_tuple(self, 1));
    while (pg_is_alive(proc)) pg_yield(self);
    while (pg_serve(self, 0) == PG_ETIMEDOUT) continue; /* a number is not what it handles: it ends */
    end(rt);
}

/* ------------------------------------------------------------------------------------------------------ deadlocks */

static void waits_for(pg_process *self)
{
    const pg_message *msg;
    if (pg_count(pg_args(self)) > 0) pg_wait(pg_get_pid(self, pg_args(self), 0), PG_FOREVER, NULL);
    pg_recv_match(self, &msg, PG_FOREVER, "never");
}

static void any(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
}

static void at_rest(pg_process *self)
{
    pg_receive(self, any, PG_ETC);
}

static void a_deadlock_is_told(void)
{
    pg_process *self;
    const pg_message *msg;
    pg_runtime *rt = begin(7, &self);
    pg_pid rests = pg_spawn(self, at_rest, .name = "third");
    pg_pid first = pg_spawn(self, waits_for, .name = "first");
    pg_spawn(self, waits_for, .name = "second", .args = pg_tuple(first));
    log_clear();
    CHECK_EQ(pg_wait(first, PG_FOREVER, NULL), PG_ETIMEDOUT);
    CHECK(log_has("deadlock, with seed 7"));
    CHECK(log_has("\"first\" receives, and no message"));
    CHECK(log_has("\"second\" waits, for the end of another, an answer or room"));
    CHECK(log_has("1 more processes"));
    CHECK_EQ(pg_recv(self, &msg, PG_FOREVER), PG_ETIMEDOUT);
    CHECK_EQ(pg_serve(self, PG_FOREVER), PG_ETIMEDOUT);
    log_clear();
    CHECK_EQ(pg_recv(self, &msg, PG_SECONDS(1000)),
             PG_ETIMEDOUT); /* that is no deadlock: it may go on to do something */
    CHECK(!log_has("deadlock"));
    pg_send(first, "never");
    CHECK_EQ(pg_wait(first, PG_FOREVER, NULL), PG_OK);
    CHECK_EQ(pg_terminate(rests), PG_OK);
    CHECK_EQ(pg_stop(rt, PG_FOREVER), PG_OK);
}

static void never_ends(void *argument)
{
    (void)argument;
}

static void sleeps_for_ever(pg_process *self)
{
    pg_defer(self, never_ends, NULL);
    for (;;) pg_sleep(self, PG_FOREVER);
}

/* For ever is a time like others for pg_stop(), too. */
static void a_stop_for_ever_comes_to_its_end(void)
{
    pg_process *self;
    pg_runtime *rt = begin(8, &self);
    pg_spawn(self, sleeps_for_ever, .name = "sleeper");
    pg_yield(self);
    log_clear();
    CHECK_EQ(pg_stop(rt, PG_FOREVER), PG_OK);
    CHECK(log_has("\"sleeper\" did not end in time"));
}

/* ------------------------------------------------------------------------------------------------- what is refused */

static void says_its_kind(pg_process *self)
{
    pg_send(pg_get_pid(self, pg_args(self), 0), (int)pg_kind_of(self));
}

static void *comes_from_another_thread(void *rt)
{
    CHECK(pg_attach(rt, "other") == NULL);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(1)), PG_EUNSUPPORTED);
    pg_runtime *real = pg_start(&(pg_options){.workers = 1});
    CHECK(real != NULL);
    CHECK_EQ(pg_stop(real, PG_SECONDS(30)), PG_OK);
    return NULL;
}

static void one_thread_runs_it(void)
{
    int status = PG_OK;
    pg_process *self;
    const pg_message *msg;
    pg_stats stats;
    pthread_t thread;
    pg_runtime *rt =
        pg_start(&(pg_options){.seed = 1, .workers = 7, .kind = PG_THREAD, .log = log_line, .log_context = &the_log});
    CHECK(rt != NULL);
    CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
    CHECK_EQ(stats.workers, 1);
    CHECK(pg_start(&(pg_options){.seed = 2, .status = &status}) == NULL);
    CHECK_EQ(status, PG_EUNSUPPORTED);
    CHECK(pg_start(&(pg_options){.workers = 1, .status = &status}) == NULL);
    CHECK_EQ(status, PG_EUNSUPPORTED);
    CHECK_EQ(pthread_create(&thread, NULL, comes_from_another_thread, rt), 0);
    pthread_join(thread, NULL);
    self = pg_attach(rt, "main");
    CHECK(self != NULL);
    for (pg_kind kind = PG_KIND_DEFAULT; kind <= PG_THREAD; kind++) {
        pg_spawn(self, says_its_kind, .kind = kind, .args = pg_tuple(self));
        CHECK_EQ(pg_recv(self, &msg, PG_FOREVER), PG_OK);
        CHECK_EQ(pg_get_int(NULL, msg, 0), PG_GREEN);
    }
    CHECK_EQ(pg_pid_status(pg_spawn(self, says_its_kind, .kind = PG_OS)), PG_EUNSUPPORTED);
    CHECK(log_has("a .seed"));
    end(rt);
}

/* In the child of a fork there is no simulation any more, and the time is the system's. */
static void a_fork_leaves_it(void)
{
    pg_process *self;
    pg_runtime *rt = begin(1, &self);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(pg_now() > check_now_ns() - PG_SECONDS(30) && pg_stop(rt, 0) == PG_ESTOPPED ? 0 : 1);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    end(rt);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "trace") == 0) {
        mixed_run(strtoull(argv[2], NULL, 0), stdout);
        return 0;
    }
    one_seed_is_one_trace();
    one_seed_is_one_trace_in_one_program();
    a_trace_tells_messages();
    seeds_bring_all_orders();
    a_send_is_where_others_may_run();
    hours_take_no_time();
    timeouts_come();
    looking_is_enough();
    a_deadlock_is_told();
    a_stop_for_ever_comes_to_its_end();
    one_thread_runs_it();
    a_fork_leaves_it();
    return 0;
}
