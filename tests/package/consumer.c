/* consumer.c - a stranger's program, compiled as C17 and as C++17 against an installed paragram.  Says ok. */
#include <paragram.h>
#include <stdio.h>

static void stop(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void target(pg_process *self)
{
    pg_receive(self, stop, "stop", PG_INT);
}

int main(void)
{
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    pg_pid proc = pg_spawn(self, target);
    bool right = pg_send(proc, "stop", 1) == PG_OK && pg_wait(proc, PG_SECONDS(20), NULL) == PG_OK;
    right = pg_stop(rt, PG_SECONDS(20)) == PG_OK && right;
    puts(right ? "ok" : "wrong");
    return right ? 0 : 1;
}
