/* shard.c - the process that owns a part of the keys: does batches of jobs, one at a time, in the order they come in.
 *
 *     ("batch", PG_PTR)     jobs of a connection in this operating-system process, which waits in a call
 *     ("jobs", PG_BYTES)    the same to a shard of kind PG_OS: answered with the bytes of the replies
 *     ("expire")            now and then while there are keys that have a time
 *     ("fail")              DEBUG KILLSHARD
 *
 * Keys whose time has passed are removed when they are asked for, and in passing, by a timer, which is set while there
 * are any: a server that nobody uses takes no processor time. */
#include <signal.h>
#include <stdlib.h>

#include "server.h"
#include "store.h"

static const int64_t EXPIRE_EVERY = PG_MS(100);

typedef struct shard {
    store store;
    bool os, ticks;
    pg_timer timer;
    buffer replies, bytes; /* of a shard of kind PG_OS */
} shard;

static int64_t now_ms(void)
{
    return pg_now() / 1000000;
}

static void tick_while_needed(pg_process *self, shard *s)
{
    bool needed = s->store.expiring;
    if (needed == s->ticks) return;
    s->ticks = needed;
    if (needed) {
        s->timer = pg_send_every(self, pg_self(self), EXPIRE_EVERY, "expire");
        s->ticks = pg_timer_status(s->timer) == PG_OK; /* no: it is tried again behind the next batch */
    } else {
        pg_cancel_timer(s->timer);
    }
}

static void on_batch(pg_process *self, const pg_message *msg)
{
    shard *s = pg_data(self);
    batch *b = pg_get_ptr(self, msg, 1);
    int64_t now = now_ms();
    uint32_t i = b->first;
    for (uint32_t n = 0; n < b->count; n++) {
        store_do(&s->store, &b->jobs[i], now, &b->replies);
        i = b->jobs[i].next;
    }
    pg_reply(msg);
    tick_while_needed(self, s);
}

static void on_jobs(pg_process *self, const pg_message *msg)
{
    shard *s = pg_data(self);
    slice left;
    job j;
    left.data = pg_get_bytes(self, msg, 1, &left.length);
    int64_t now = now_ms();
    s->bytes.length = 0;
    while (job_decode(&left, &j)) {
        s->replies.length = 0;
        store_do(&s->store, &j, now, &s->replies);
        job_encode_reply(&s->bytes, &j, &s->replies);
    }
    if (s->bytes.failed || s->replies.failed) pg_fail(self, "out of memory for replies");
    pg_reply(msg, pg_bytes(s->bytes.data, s->bytes.length));
    tick_while_needed(self, s);
}

static void on_expire(pg_process *self, const pg_message *msg)
{
    (void)msg;
    shard *s = pg_data(self);
    store_expire(&s->store, now_ms());
    tick_while_needed(self, s);
}

static void on_fail(pg_process *self, const pg_message *msg)
{
    (void)msg;
    shard *s = pg_data(self);
    if (s->os) raise(SIGKILL);
    pg_fail(self, "killed by DEBUG KILLSHARD");
}

static void clean_up(void *argument)
{
    shard *s = argument;
    if (s->ticks) pg_cancel_timer(s->timer);
    store_clear(&s->store);
    buffer_free(&s->replies);
    buffer_free(&s->bytes);
    free(s);
}

static void define(pg_table *t)
{
    pg_on(t, on_batch, "batch", PG_PTR);
    pg_on(t, on_jobs, "jobs", PG_BYTES);
    pg_on(t, on_expire, "expire");
    pg_on(t, on_fail, "fail");
}

static pg_table receivers = PG_TABLE(define);

void serve_shard(pg_process *self)
{
    shard *s = calloc(1, sizeof *s);
    if (!s || pg_defer(self, clean_up, s) != PG_OK) {
        free(s);
        pg_fail(self, "out of memory for a shard");
    }
    s->os = pg_get_bool(self, pg_args(self), 1);
    pg_set_data(self, s);
    if (pg_use(self, &receivers) != PG_OK) pg_fail(self, "out of memory for receivers");
}

int fail_shard(pg_pid pid)
{
    return pg_send(pid, "fail");
}
