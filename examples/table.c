/* table.c - a static table of receivers, and a server with many clients.
 *
 * A table is compiled once and shared by all processes that use it, so a process with receivers costs no more than one
 * without.  A process that is given a table needs no target at all. */
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 1000, ADDITIONS = 100 };

static void add(pg_process *self, const pg_message *msg)
{
    intptr_t count = (intptr_t)pg_data(self); /* a small number fits where the pointer to the state would be */
    pg_set_data(self, (void *)(count + (intptr_t)pg_get_int(self, msg, 1)));
}

static void get(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), "count", (intptr_t)pg_data(self));
}

static void stop(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void define_counter(pg_table *t)
{
    pg_on(t, add, "add", PG_INT);
    pg_on(t, get, "get", PG_PID);
    pg_on(t, stop, "stop");
}

static pg_table counter = PG_TABLE(define_counter);

static void client(pg_process *self)
{
    pg_pid server = pg_get_pid(self, pg_args(self), 0);
    for (int i = 0; i < ADDITIONS; i++) pg_send(server, "add", 1);
}

int main(void)
{
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    if (!self) return 1;
    pg_pid server = pg_spawn(self, NULL, .name = "counter", .table = &counter);

    pg_pid clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) clients[i] = pg_spawn(self, client, .args = pg_tuple(server));
    for (int i = 0; i < CLIENTS; i++) pg_wait(clients[i], PG_FOREVER, NULL);

    /* Whatever they have sent is in the mailbox by now, before the question. */
    const pg_message *msg;
    pg_send(server, "get", self);
    if (pg_recv_match(self, &msg, PG_SECONDS(30), "count", PG_INT) != PG_OK) return 1;
    printf("%d clients have added %d each: %lld\n", CLIENTS, ADDITIONS, (long long)pg_get_int(self, msg, 1));

    pg_send(server, "stop");
    pg_wait(server, PG_FOREVER, NULL);
    printf("after its end: %s\n", pg_strerror(pg_send(server, "add", 1)));
    return pg_stop(rt, PG_SECONDS(5));
}
