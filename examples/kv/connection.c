/* connection.c - the process of a client.
 *
 *     read what is there  ->  all whole requests in it become jobs, each in the batch of its key's shard
 *     ^                                                              |
 *     |                                                              v
 *     `--  one write for all replies, in order  <-  each shard that has jobs is called once, with all of them
 *
 * So sixteen requests in a row cost one read, one call and one write, as one does.  Jobs point into what was read, and
 * the shard puts its replies where they are written from: nothing is copied on the way but into the shard's memory and
 * out of it, except where replies of several shards have to be brought into order.
 *
 * The order of the requests is kept for each key, which is what a client can see: those of one key go to one shard, in
 * order, and nothing is read before all are answered. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"

enum { READ_ROOM = 1024, ROOM_KEPT = 64 << 10, TRIES = 5 };

/* ------------------------------------------------------------------------------------------- jobs and answers */

/* Room for one more in an array that grows; NULL: no memory. */
static void *grown(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return array;
    uint32_t more = *capacity ? 2 * *capacity : 4;
    void *larger = realloc(array, more * size);
    if (larger) *capacity = more;
    return larger;
}

job *connection_job_for(connection *c, job_kind kind, unsigned shard)
{
    job *jobs = grown(c->jobs, c->job_count, &c->job_capacity, sizeof *jobs);
    if (!jobs) {
        c->failed = true;
        return NULL;
    }
    c->jobs = jobs;
    uint32_t index = c->job_count++;
    batch *b = &c->parts[shard].batch;
    if (b->count++ == 0) {
        b->first = index;
    } else {
        jobs[b->last].next = index;
    }
    b->last = index;
    jobs[index] = (job){.kind = (uint8_t)kind, .shard = (uint16_t)shard};
    return &jobs[index];
}

job *connection_job(connection *c, job_kind kind, slice key)
{
    uint64_t hash = hash_of(c->server->key, key);
    /* By its upper half, for the table of the shard goes by the lower one. */
    job *j = connection_job_for(c, kind, (unsigned)((hash >> 32) * c->server->shards >> 32));
    if (!j) return NULL;
    j->hash = hash;
    j->key = key;
    return j;
}

void connection_answer(connection *c, answer_kind kind, size_t from)
{
    answer *answers = grown(c->answers, c->answer_count, &c->answer_capacity, sizeof *answers);
    if (!answers) {
        c->failed = true;
        return;
    }
    c->answers = answers;
    answer a = {.kind = kind, .from = from};
    if (kind == ANSWER_TEXT) {
        a.size = c->text.length - from;
    } else {
        a.jobs = c->job_count - (uint32_t)from;
    }
    answers[c->answer_count++] = a;
}

void connection_error(connection *c, const char *text)
{
    size_t from = c->text.length;
    reply_error(&c->text, text);
    connection_answer(c, ANSWER_TEXT, from);
}

/* ------------------------------------------------------------------------------------------------- the shards */

static int call_bytes(connection *c, part *p)
{
    const pg_message *reply;
    slice bytes;
    c->bytes.length = 0;
    job_encode(&c->bytes, &p->batch);
    if (c->bytes.failed) return PG_ENOMEM;
    int status = pg_call(c->self, p->shard, &reply, PG_SECONDS(60), "jobs", pg_bytes(c->bytes.data, c->bytes.length));
    if (status != PG_OK) return status;
    bytes.data = pg_get_bytes(c->self, reply, 0, &bytes.length);
    return job_decode_replies(bytes, &p->batch) ? PG_OK : PG_EINVAL;
}

static int call_once(connection *c, part *p, unsigned shard)
{
    const pg_message *reply;
    if (p->shard.id == 0) p->shard = find_shard(c->self, c->server, shard);
    if (c->server->os_shards) return call_bytes(c, p);
    return pg_call(c->self, p->shard, &reply, PG_FOREVER, "batch", (void *)&p->batch);
}

/* A shard that has ended without an answer may have done the batch, or a part of it, but what that did ended with its
 * keys, and nobody was told of it: so the one that is started anew does all of it, on no keys, as if the end had been
 * before.  That is not so for one that is late: it may do it yet.  Nor is it tried for ever, for the batch may be what
 * ends them. */
static void call(connection *c, unsigned shard)
{
    part *p = &c->parts[shard];
    p->batch.jobs = c->jobs;
    for (int tries = 0; tries < TRIES; tries++) {
        p->batch.replies.length = 0;
        p->status = call_once(c, p, shard);
        if (p->status != PG_ENOPROC) break;
        p->shard.id = 0;
    }
    if (p->batch.replies.failed) c->failed = true;
}

void connection_run(connection *c)
{
    uint64_t restarts = c->server->restarts;
    bool news = restarts != c->restarts;
    c->restarts = restarts;
    for (unsigned i = 0; i < c->server->shards; i++) {
        if (news) c->parts[i].shard.id = 0;
        if (c->parts[i].batch.count > 0) call(c, i);
    }
}

static void empty(buffer *b)
{
    b->length = 0;
    if (b->capacity > ROOM_KEPT) buffer_free(b);
}

void connection_reset(connection *c)
{
    for (unsigned i = 0; i < c->server->shards; i++) {
        batch *b = &c->parts[i].batch;
        b->count = 0;
        c->parts[i].status = PG_OK;
        empty(&b->replies);
    }
    c->job_count = c->answer_count = 0;
    empty(&c->text);
    empty(&c->out);
    empty(&c->bytes);
}

/* ------------------------------------------------------------------------------------------------ the replies */

/* Whether a job was done; what is said instead is put behind `out`, once for a request. */
static bool is_there(connection *c, uint32_t index, bool *said)
{
    int status = c->parts[c->jobs[index].shard].status;
    if (status == PG_OK) return true;
    if (!*said) {
        reply_error(&c->out, status == PG_ENOPROC ? "ERR the key's shard ends again and again; its keys are lost"
                                                  : "ERR the key's shard does not answer");
    }
    *said = true;
    return false;
}

static void put_reply(connection *c, const job *j)
{
    const buffer *replies = &c->parts[j->shard].batch.replies;
    buffer_put(&c->out, replies->data + j->reply, j->reply_length);
}

static void gather(connection *c, const answer *a)
{
    bool said = false, error = false;
    int64_t sum = 0;
    if (a->kind == ANSWER_TEXT) {
        buffer_put(&c->out, c->text.data + a->from, a->size);
        return;
    }
    uint32_t first = (uint32_t)a->from, end = first + a->jobs;
    for (uint32_t i = first; i < end; i++) {
        if (!is_there(c, i, &said)) return;
    }
    if (a->kind == ANSWER_ARRAY) reply_head(&c->out, '*', a->jobs);
    for (uint32_t i = first; i < end; i++) {
        const job *j = &c->jobs[i];
        sum += j->result;
        if (a->kind == ANSWER_ARRAY || a->kind == ANSWER_JOB) put_reply(c, j);
        if (a->kind != ANSWER_OK || error) continue;
        error = c->parts[j->shard].batch.replies.data[j->reply] == '-';
        if (error) put_reply(c, j);
    }
    if (a->kind == ANSWER_SUM) reply_head(&c->out, ':', sum);
    if (a->kind == ANSWER_OK && !error) reply_ok(&c->out);
}

/* The only buffer with replies, if they are in order as they are; else NULL. */
static const buffer *in_order(connection *c)
{
    const buffer *only = NULL;
    if (c->answer_count != c->job_count) return NULL;
    for (uint32_t i = 0; i < c->answer_count; i++) {
        if (c->answers[i].kind != ANSWER_JOB) return NULL;
    }
    for (unsigned i = 0; i < c->server->shards; i++) {
        const part *p = &c->parts[i];
        if (p->batch.count == 0) continue;
        if (p->status != PG_OK || only) return NULL;
        only = &p->batch.replies;
    }
    return only;
}

void connection_flush(connection *c)
{
    if (c->answer_count > 0 && !c->failed) {
        connection_run(c);
        const buffer *replies = in_order(c);
        if (!replies && !c->failed) {
            for (uint32_t i = 0; i < c->answer_count; i++) gather(c, &c->answers[i]);
            replies = &c->out;
        }
        if (c->text.failed || c->out.failed) c->failed = true;
        if (!c->failed && pg_write_all(c->self, c->fd, replies->data, replies->length, PG_SECONDS(60)) != PG_OK) {
            c->closes = true;
        }
    }
    connection_reset(c);
}

/* ----------------------------------------------------------------------------------------------- the requests */

/* All whole requests that are there.  False: the connection is to be closed. */
static bool understand(connection *c)
{
    while (!c->closes && !c->failed) {
        resp_parser *p = &c->parser;
        resp_status status = resp_parse(p, c->in.data + c->start, c->in.length - c->start);
        if (status == RESP_MORE) break;
        if (status == RESP_ERROR) {
            connection_error(c, p->error);
            c->closes = true;
            break;
        }
        if (p->count > 0) command_run(c, p->count, p->args);
        c->start += p->used;
        resp_next(p);
        if (c->job_count >= JOBS_MAX || c->text.length >= ROOM_KEPT) connection_flush(c);
    }
    connection_flush(c);
    return !c->closes && !c->failed;
}

/* Room for at least a byte more, behind what is not understood yet. */
static bool make_room(connection *c)
{
    buffer *in = &c->in;
    size_t left = in->length - c->start;
    if (left == 0 && in->capacity > ROOM_KEPT) buffer_free(in);
    if (left > 0 && c->start > 0) memmove(in->data, in->data + c->start, left);
    in->length = left;
    c->start = 0;
    return in->capacity > in->length || buffer_reserve(in, in->capacity ? in->capacity : READ_ROOM);
}

/* The last answer has been sent.  What the client still sends is read for a second: with bytes unread, closing would
 * take that answer back from him. */
static void see_off(const connection *c)
{
    char rest[4096];
    if (shutdown(c->fd, SHUT_WR) != 0) return;
    for (int64_t end = pg_now() + PG_SECONDS(1), left = PG_SECONDS(1); left > 0; left = end - pg_now()) {
        if (pg_read(c->self, c->fd, rest, sizeof rest, left) <= 0) break;
    }
}

static void clean_up(void *argument)
{
    connection *c = argument;
    server *s = c->server;
    s->connected[c->fd] = false;
    s->clients--;
    pg_close(c->self, c->fd);
    for (unsigned i = 0; i < s->shards; i++) buffer_free(&c->parts[i].batch.replies);
    buffer_free(&c->in);
    buffer_free(&c->text);
    buffer_free(&c->out);
    buffer_free(&c->bytes);
    resp_free(&c->parser);
    free(c->jobs);
    free(c->answers);
    free(c);
}

void serve_client(pg_process *self)
{
    server *s = pg_get_ptr(self, pg_args(self), 0);
    int fd = (int)pg_get_int(self, pg_args(self), 1);
    connection *c = calloc(1, sizeof *c + s->shards * sizeof c->parts[0]);
    if (!c || pg_defer(self, clean_up, c) != PG_OK) {
        free(c);
        pg_close(self, fd);
        pg_fail(self, "out of memory for a client");
    }
    c->server = s;
    c->self = self;
    c->fd = fd;
    c->restarts = s->restarts;
    s->clients++;
    s->connected[fd] = true;
    while (make_room(c)) {
        ssize_t n = pg_read(self, fd, c->in.data + c->in.length, c->in.capacity - c->in.length, PG_FOREVER);
        if (n <= 0) break;
        c->in.length += (size_t)n;
        if (understand(c)) continue;
        see_off(c);
        break;
    }
}
