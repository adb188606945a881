/* keep.c - the process that keeps the shards: spawns them, linked, gives them their names, and spawns those anew that
 * have ended.  A shard's keys are lost with it, those of the others are not, and the log says so. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

static const int64_t HURRY = PG_SECONDS(1); /* who ends sooner than that after its start waits before the next one */

typedef struct keeper {
    server *server;
    pg_pid shards[SHARDS_MAX];
    int64_t started[SHARDS_MAX];
} keeper;

void server_log(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "kv: %s\n", line);
}

static void name_of(char name[32], unsigned shard)
{
    snprintf(name, 32, "shard %u", shard);
}

static void start(pg_process *self, keeper *k, unsigned i)
{
    char name[32];
    name_of(name, i);
    bool os = k->server->os_shards;
    k->started[i] = pg_now();
    k->shards[i] = pg_spawn_link(self, serve_shard, .name = name, .kind = os ? PG_OS : PG_GREEN,
                                 .args = pg_tuple((int)i, (bool)os));
    int status = pg_pid_status(k->shards[i]);
    if (status == PG_OK) status = pg_register(k->server->rt, name, k->shards[i]);
    if (status == PG_OK || status == PG_ENOPROC) return; /* no process: its exit is on the way */
    server_log("%s cannot be started: %s", name, pg_strerror(status));
    pg_send_after(self, pg_self(self), PG_SECONDS(1), "start", (int)i);
}

static void on_start(pg_process *self, const pg_message *msg)
{
    start(self, pg_data(self), (unsigned)pg_get_int(self, msg, 1));
}

static void on_end(pg_process *self, const pg_message *msg)
{
    keeper *k = pg_data(self);
    pg_pid pid = pg_get_pid(self, msg, 1);
    pg_exit_info exit;
    pg_get_exit(self, msg, 0, &exit);
    for (unsigned i = 0; i < k->server->shards; i++) {
        if (!pg_same(k->shards[i], pid)) continue;
        server_log("shard %u of %u has ended, its keys are lost, and no others; it starts anew: %s", i,
                   k->server->shards, exit.kind == PG_EXIT_NORMAL ? "it ended normally" : exit.text);
        if (pg_now() - k->started[i] < HURRY) {
            pg_send_after(self, pg_self(self), PG_MS(50), "start", (int)i);
        } else {
            start(self, k, i);
        }
        k->server->restarts++;
    }
}

void keep_shards(pg_process *self)
{
    keeper *k = calloc(1, sizeof *k);
    if (!k || pg_defer(self, free, k) != PG_OK) pg_fail(self, "out of memory for the keeper");
    k->server = pg_get_ptr(self, pg_args(self), 0);
    pg_set_data(self, k);
    pg_receive(self, on_end, PG_EXIT, PG_PID);
    pg_receive(self, on_start, "start", PG_INT);
    for (unsigned i = 0; i < k->server->shards; i++) start(self, k, i);
}

pg_pid find_shard(pg_process *self, const server *s, unsigned shard)
{
    char name[32];
    name_of(name, shard);
    for (int patience = 0; patience < 1000; patience++) {
        pg_pid pid = pg_whereis(s->rt, name);
        if (pg_pid_status(pid) == PG_OK && pg_is_alive(pid)) return pid;
        pg_sleep(self, PG_MS(1));
    }
    return (pg_pid){0};
}
