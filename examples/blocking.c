/* blocking.c - a process may wait anywhere: in a handler, ten calls deep, for one message of many, for a time.
 *
 * Only the process waits.  A green one borrows its stack from the worker until it goes on, and the worker takes
 * another: 10,000 of them sleep at once here, over as many threads as there are processors. */
#include <paragram.h>
#include <stdio.h>
#include <time.h>

enum { SLEEPERS = 10000, DEPTH = 10 };

/* Asks, and waits for the answer to this very question; -1 when it does not come in time.  Whatever else arrives stays
 * in the mailbox, in order. */
static int64_t ask(pg_process *self, pg_pid server, int64_t n, int64_t timeout)
{
    const pg_message *answer;
    pg_ref question = pg_make_ref();
    pg_send(server, "square", n, self, question);
    int status = pg_recv_match(self, &answer, timeout, question, PG_INT);
    return status == PG_OK ? pg_get_int(self, answer, 1) : -1;
}

static int64_t sum_of_squares(pg_process *self, pg_pid server, int64_t n)
{
    return n == 0 ? 0 : sum_of_squares(self, server, n - 1) + ask(self, server, n, PG_SECONDS(30));
}

static void square(pg_process *self, const pg_message *msg)
{
    int64_t n = pg_get_int(self, msg, 1);
    if (n < 0) pg_sleep(self, PG_MS(500)); /* this one takes too long for its client */
    pg_send(pg_get_pid(self, msg, 2), pg_get(self, msg, 3), n * n);
}

static void serve(pg_process *self)
{
    pg_receive(self, square, "square", PG_INT, PG_PID, PG_REF);
}

static void client(pg_process *self)
{
    const pg_message *args = pg_args(self), *msg;
    pg_pid main = pg_get_pid(self, args, 0), server = pg_get_pid(self, args, 1);
    pg_send(pg_self(self), "first");
    pg_send(pg_self(self), "second");
    printf("the sum of the squares from 1 to %d is %lld\n", DEPTH, (long long)sum_of_squares(self, server, DEPTH));
    printf("an answer that comes too late is taken for %lld\n", (long long)ask(self, server, -3, PG_MS(50)));

    /* The two have waited meanwhile. */
    while (pg_recv_match(self, &msg, 0, PG_STR) == PG_OK) printf("%s\n", pg_get_str(self, msg, 0));
    /* So does the late answer, in its time. */
    if (pg_recv_match(self, &msg, PG_SECONDS(30), PG_REF, 9) == PG_OK) puts("the late answer is 9");
    pg_send(main, "client done");
}

static void nap(pg_process *self)
{
    pg_pid main = pg_get_pid(self, pg_args(self), 0);
    pg_sleep(self, PG_MS(100));
    pg_send(main, "awake");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
    const pg_message *msg;
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    if (!self) return 1;
    pg_pid server = pg_spawn(self, serve, .name = "server");
    pg_spawn(self, client, .name = "client", .args = pg_tuple(self, server));
    pg_recv_match(self, &msg, PG_SECONDS(30), "client done");

    double begin = now();
    int awake = 0;
    for (int i = 0; i < SLEEPERS; i++) pg_spawn(self, nap, .args = pg_tuple(self));
    while (awake < SLEEPERS && pg_recv_match(self, &msg, PG_SECONDS(30), "awake") == PG_OK) awake++;
    fprintf(stderr, "(in %.0f ms)\n", (now() - begin) * 1e3);
    printf("%d slept for 100 ms at once\n", awake);
    return pg_stop(rt, PG_SECONDS(5));
}
