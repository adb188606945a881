/* quickstart.c - one process, one message.  Prints "process started!" and "process ending." */
#include <paragram.h>
#include <stdio.h>

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

int main(void)
{
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    pg_pid proc = pg_spawn_link(self, init_process, .name = "my first process");
    pg_send(proc, "go away");
    pg_wait(proc, PG_FOREVER, NULL);
    return pg_stop(rt, PG_SECONDS(5));
}
