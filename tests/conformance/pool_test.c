/* pool_test.c - pg_blocking(), for every kind of process: the call is made, others run meanwhile, calls may wait for
 * one another, the pool has a limit, and pg_stop() waits for what is under way. */
#include <signal.h>
#include <unistd.h>

#include "conformance.h"

typedef struct sum {
    int a, b, result;
    bool in_process, takes_signals;
} sum;

static void add(void *argument)
{
    sum *s = argument;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    s->takes_signals = !sigismember(&blocked, SIGTERM);
    s->in_process = pg_current() != NULL;
    s->result = s->a + s->b;
}

static void add_up(pg_process *self)
{
    for (int i = 0; i < 100; i++) {
        sum s = {.a = i, .b = 1};
        CHECK_EQ(pg_blocking(self, add, &s), PG_OK);
        CHECK_EQ(s.result, i + 1);
        CHECK(!s.takes_signals);
        CHECK_EQ(s.in_process, the_kind == PG_THREAD);
    }
    CHECK_EQ(pg_blocking(self, NULL, NULL), PG_EINVAL);
    CHECK_EQ(pg_blocking(NULL, add, NULL), PG_EINVAL);
}

static void makes_calls(pg_process *self)
{
    CHECK_EQ(end_of(good(pg_spawn(self, add_up))).kind, PG_EXIT_NORMAL);
}

/* As many as wait for one another have a thread each: each reads what the one before it writes. */
typedef struct link_of_chain {
    int from, to;
} link_of_chain;

static void pass_on(void *argument)
{
    const link_of_chain *l = argument;
    char c;
    CHECK_EQ(read(l->from, &c, 1), 1);
    CHECK_EQ(write(l->to, &c, 1), 1);
}

static void pass_in_pool(pg_process *self)
{
    link_of_chain l = {(int)pg_get_int(self, pg_args(self), 0), (int)pg_get_int(self, pg_args(self), 1)};
    CHECK_EQ(pg_blocking(self, pass_on, &l), PG_OK);
}

static void calls_wait_for_one_another(pg_process *self)
{
    enum { LINKS = 40 };
    int fd[LINKS + 1][2];
    pg_pid link[LINKS];
    char c = 'x';
    if (the_kind == PG_OS) return; /* it would have none of the pipes */
    for (int i = 0; i <= LINKS; i++) CHECK_EQ(pipe(fd[i]), 0);
    for (int i = 0; i < LINKS; i++) {
        link[i] = good(pg_spawn(self, pass_in_pool, .args = pg_tuple(fd[i][0], fd[i + 1][1])));
    }
    CHECK_EQ(write(fd[0][1], &c, 1), 1);
    CHECK_EQ(read(fd[LINKS][0], &c, 1), 1);
    for (int i = 0; i < LINKS; i++) CHECK_EQ(end_of(link[i]).kind, PG_EXIT_NORMAL);
    for (int i = 0; i <= LINKS; i++) {
        close(fd[i][0]);
        close(fd[i][1]);
    }
}

/* ------------------------------------------------------------------------------------------------------- the limit */

static void wait_for_byte(void *argument)
{
    char c;
    CHECK_EQ(read(*(int *)argument, &c, 1), 1);
}

static void take_a_thread(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 1);
    pg_send(first_arg(self), pg_blocking(self, wait_for_byte, &fd));
}

static void has_a_limit(pg_process *self)
{
    enum { LIMIT = 512, MORE = 5 };
    int fd[2];
    if (the_kind != PG_GREEN) return;
    CHECK_EQ(pipe(fd), 0);
    for (int i = 0; i < LIMIT + MORE; i++) good(pg_spawn(self, take_a_thread, .args = pg_tuple(self, fd[0])));
    for (int i = 0; i < MORE; i++) CHECK_EQ(next_int(self), PG_ELIMIT);
    expect_nothing(self);
    static const char bytes[LIMIT];
    CHECK_EQ(write(fd[1], bytes, LIMIT), LIMIT);
    for (int i = 0; i < LIMIT; i++) CHECK_EQ(next_int(self), PG_OK);
    CHECK_EQ(end_of(good(pg_spawn(self, add_up))).kind, PG_EXIT_NORMAL);
    close(fd[0]);
    close(fd[1]);
}

/* ------------------------------------------------------------------------------------------------------------ ends */

static void call_for_long(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 1);
    pg_send(first_arg(self), 1);
    pg_blocking(self, wait_for_byte, &fd);
    CHECK_FAIL("it was to end there");
}

/* The process is not ended under a call of its own, and is ended right after it. */
static void stop_waits(pg_process *self)
{
    (void)self;
    int fd[2];
    if (the_kind == PG_OS) return;
    CHECK_EQ(pipe(fd), 0);
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    good(pg_spawn(host, call_for_long, .name = "calls", .args = pg_tuple(host, fd[0])));
    CHECK_EQ(next_int(host), 1);
    pg_detach(host);
    CHECK_EQ(pg_stop(rt, PG_MS(20)), PG_ETIMEDOUT);
    CHECK(log_has("\"calls\" did not end in time: its code has not returned"));
    CHECK_EQ(write(fd[1], "x", 1), 1);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    log_clear();
    close(fd[0]);
    close(fd[1]);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE_REAL(makes_calls, "threads are not simulated"),
        CASE_LOOSE(calls_wait_for_one_another, "threads are not simulated", "main reads by read(2)"),
        CASE_REAL(has_a_limit, "threads are not simulated"),
        CASE_REAL(stop_waits, "threads are not simulated"),
    };
    return RUN_CASES(cases);
}
