/* links.c - a parent that survives its failing worker and starts another one.
 *
 * Links go both ways.  When one side ends, the other gets (exit, pid); a process that has no receiver for that ends
 * too. So a receiver for (PG_EXIT, PG_PID) is all that makes a parent a supervisor. */
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>

/* ----------------------------------------------------------------------------------------------------- the worker */

static void close_books(void *name)
{
    printf("%s: clean-up\n", (const char *)name);
}

static void divide(pg_process *self, const pg_message *msg)
{
    int64_t a = pg_get_int(self, msg, 1), b = pg_get_int(self, msg, 2);
    if (b == 0) pg_fail(self, "%lld divided by zero", (long long)a);
    pg_send(pg_get_pid(self, msg, 3), "quotient", a / b);
}

/* The end of the parent is the worker's, too, and no failure. */
static void parent_ended(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void work(pg_process *self)
{
    pg_defer(self, close_books, (void *)(uintptr_t)pg_name(self)); /* runs however the worker ends */
    pg_receive(self, divide, "divide", PG_INT, PG_INT, PG_PID);
    pg_receive(self, parent_ended, PG_EXIT, PG_PID);
}

/* ----------------------------------------------------------------------------------------------------- the parent */

typedef struct parent {
    pg_pid worker, client;
    int started;
} parent;

static void start_worker(pg_process *self)
{
    parent *p = pg_data(self);
    char name[32];
    snprintf(name, sizeof name, "worker %d", ++p->started);
    p->worker = pg_spawn_link(self, work, .name = name);
    printf("%s: started\n", name);
}

static void pass_on(pg_process *self, const pg_message *msg)
{
    parent *p = pg_data(self);
    p->client = pg_get_pid(self, msg, 3);
    pg_forward(p->worker, msg);
}

static void on_exit_of(pg_process *self, const pg_message *msg)
{
    parent *p = pg_data(self);
    pg_exit_info info;
    pg_get_exit(self, msg, 0, &info);
    if (!pg_same(info.pid, p->worker)) pg_exit(self); /* it was main */
    printf("parent: my worker has failed: %s\n", info.text);
    start_worker(self);
    pg_send(p->client, "failed", info.text);
}

static void supervise(pg_process *self)
{
    parent *p = calloc(1, sizeof *p);
    if (!p) pg_fail(self, "no memory");
    pg_defer(self, free, p);
    pg_set_data(self, p);
    pg_receive(self, pass_on, "divide", PG_ANY, PG_ANY, PG_PID);
    pg_receive(self, on_exit_of, PG_EXIT, PG_PID);
    start_worker(self);
}

/* ------------------------------------------------------------------------------------------------------------ main */

static void ask(pg_process *self, pg_pid whom, int a, int b)
{
    const pg_message *answer;
    char text[100] = "no answer";
    pg_send(whom, "divide", a, b, self);
    if (pg_recv(self, &answer, PG_SECONDS(30)) == PG_OK) pg_format_message(text, sizeof text, answer);
    printf("main: %d / %d: %s\n", a, b, text);
}

int main(void)
{
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    if (!self) return 1;
    pg_pid pid = pg_spawn_link(self, supervise, .name = "parent");
    ask(self, pid, 84, 2);
    ask(self, pid, 1, 0);
    ask(self, pid, 15, 5);

    pg_unlink(self, pid); /* else its end would be main's */
    pg_terminate(pid);
    pg_exit_info info;
    pg_wait(pid, PG_FOREVER, &info);
    puts(info.kind == PG_EXIT_NORMAL ? "main: the parent has ended" : info.text);
    return pg_stop(rt, PG_SECONDS(5));
}
