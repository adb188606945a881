/* watch.c - the process that watches the shards: its supervisor starts one anew that has ended, and this one says what
 * that means, and has the connections look for it again. */
#include <stdarg.h>
#include <stdio.h>

#include "server.h"

static const int64_t FIND_PATIENCE = PG_SECONDS(5);

void server_log(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "kv: %s\n", line);
}

void shard_name(char name[SHARD_NAME], unsigned shard)
{
    snprintf(name, SHARD_NAME, "shard %u", shard);
}

pg_pid find_shard(pg_process *self, const server *s, unsigned shard)
{
    char name[SHARD_NAME];
    shard_name(name, shard);
    int64_t start = pg_now(), waited = 0;
    while (waited < FIND_PATIENCE) {
        pg_pid pid = pg_whereis(s->rt, name);
        if (pid.id != 0 && pg_is_alive(pid)) return pid;
        pg_sleep(self, PG_MS(1) + waited / 8);
        waited = pg_now() - start;
    }
    return (pg_pid){0};
}

static server *the_server(pg_process *self)
{
    return pg_data(self);
}

/* Until it is found: it may have ended again. */
static void watch(pg_process *self, unsigned shard)
{
    pg_ref ref;
    pg_pid pid = find_shard(self, the_server(self), shard);
    if (pg_monitor(self, pid, &ref) == PG_OK) {
        the_server(self)->watched[shard] = pid;
    } else {
        pg_send_after(self, pg_self(self), PG_MS(100), "watch", (int)shard);
    }
}

static void on_watch(pg_process *self, const pg_message *msg)
{
    watch(self, (unsigned)pg_get_int(self, msg, 1));
}

static void on_down(pg_process *self, const pg_message *msg)
{
    server *s = the_server(self);
    pg_exit_info exit;
    pg_get_exit(self, msg, 3, &exit);
    for (unsigned i = 0; i < s->shards; i++) {
        if (!pg_same(s->watched[i], pg_get_pid(self, msg, 2))) continue;
        s->restarts++;
        server_log("shard %u of %u has ended: its keys are lost, and no others; it starts anew, empty: %s", i,
                   s->shards, exit.kind == PG_EXIT_NORMAL ? "it ended normally" : exit.text);
        watch(self, i);
        return;
    }
}

void watch_shards(pg_process *self)
{
    server *s = pg_get_ptr(self, pg_args(self), 0);
    pg_set_data(self, s);
    pg_receive(self, on_down, "down", PG_REF, PG_PID, PG_EXIT);
    pg_receive(self, on_watch, "watch", PG_INT);
    for (unsigned i = 0; i < s->shards; i++) watch(self, i);
}
