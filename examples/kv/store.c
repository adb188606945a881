/* store.c - see store.h.  The table is uthash's, the list of those that expire utlist's (both of Debian's uthash-dev).
 *
 * A key whose time has passed is gone for everybody who asks.  Its memory goes when it is asked for, or at one of the
 * looks of store_expire(), which come by all that have a time, by turns. */
#include "store.h"

#include <stdlib.h>

/* Out of memory in a table: the new entry is not in there, and says so by its null head. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(e) ((e)->lost = true)
#include <uthash.h>
#include <utlist.h>

enum { LOOKS = 64, LOOKS_AGAIN = 16, ROUNDS = 32 };

struct entry {
    UT_hash_handle hh;
    entry *next, *prev; /* in the list */
    int64_t expires;    /* 0: never */
    char *value;
    size_t value_length, value_room;
    bool lost;
    size_t key_length;
    char key[];
};

/* ---------------------------------------------------------------------------------------------------- entries */

static void set_expiry(store *s, entry *e, int64_t expires)
{
    if ((e->expires != 0) != (expires != 0)) {
        if (expires) {
            DL_APPEND(s->expiring, e);
            s->keys_expiring++;
        } else {
            DL_DELETE(s->expiring, e);
            s->keys_expiring--;
        }
    }
    e->expires = expires;
}

static void drop(store *s, entry *e)
{
    free(e->value);
    free(e);
    s->keys--;
}

static void remove_entry(store *s, entry *e)
{
    set_expiry(s, e, 0);
    HASH_DELETE(hh, s->table, e);
    s->bytes -= e->key_length + e->value_length;
    drop(s, e);
}

static entry *find(store *s, const job *j, int64_t now)
{
    entry *e;
    HASH_FIND_BYHASHVALUE(hh, s->table, j->key.data, j->key.length, (unsigned)j->hash, e);
    if (e && e->expires && e->expires <= now) {
        remove_entry(s, e);
        s->expired++;
        return NULL;
    }
    return e;
}

static bool set_value(store *s, entry *e, slice value)
{
    size_t room = value.length > 16 ? value.length : 16;
    if (room > e->value_room || room < e->value_room / 2) {
        char *data = realloc(e->value, room);
        if (!data) return false;
        e->value = data;
        e->value_room = room;
    }
    if (value.length > 0) memcpy(e->value, value.data, value.length);
    s->bytes += value.length - e->value_length;
    e->value_length = value.length;
    return true;
}

/* A new one with that value, or NULL: no memory. */
static entry *add(store *s, const job *j, slice value)
{
    entry *e = malloc(sizeof *e + j->key.length);
    if (!e) return NULL;
    memset(e, 0, sizeof *e);
    e->key_length = j->key.length;
    if (j->key.length > 0) memcpy(e->key, j->key.data, j->key.length);
    s->keys++;
    if (!set_value(s, e, value)) {
        drop(s, e);
        return NULL;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, s->table, e->key, e->key_length, (unsigned)j->hash, e);
    if (e->lost) {
        s->bytes -= e->value_length;
        drop(s, e);
        return NULL;
    }
    s->bytes += e->key_length;
    return e;
}

/* ------------------------------------------------------------------------------------------------------- jobs */

static const char no_memory[] = "OOM command not allowed: out of memory";

/* INT64_MAX milliseconds from now are for ever, as good as. */
static int64_t expiry(int64_t now, int64_t ms)
{
    int64_t at;
    return __builtin_add_overflow(now, ms, &at) ? INT64_MAX : at ? at : 1;
}

static void set(store *s, job *j, int64_t now, buffer *replies)
{
    entry *e = find(s, j, now);
    if ((j->flags & SET_NX && e) || (j->flags & SET_XX && !e)) {
        reply_nil(replies);
        return;
    }
    bool done = e ? set_value(s, e, j->value) : (e = add(s, j, j->value)) != NULL;
    if (!done) {
        reply_error(replies, no_memory);
        return;
    }
    if (j->flags & SET_EXPIRES) {
        set_expiry(s, e, expiry(now, j->number));
    } else if (!(j->flags & SET_KEEP_TTL) && e->expires) {
        set_expiry(s, e, 0);
    }
    j->result = 1;
    reply_ok(replies);
}

static void get(store *s, job *j, int64_t now, buffer *replies)
{
    entry *e = find(s, j, now);
    if (e) {
        s->hits++;
        reply_bulk(replies, e->value, e->value_length);
    } else {
        s->misses++;
        reply_nil(replies);
    }
}

static void answer(job *j, int64_t n, buffer *replies)
{
    j->result = n;
    reply_head(replies, ':', n);
}

static void add_number(store *s, job *j, int64_t now, buffer *replies)
{
    entry *e = find(s, j, now);
    int64_t n = 0;
    if (e && !slice_number((slice){e->value, e->value_length}, &n)) {
        reply_error(replies, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(n, j->number, &n)) {
        reply_error(replies, "ERR increment or decrement would overflow");
        return;
    }
    char room[32];
    buffer text = {.data = room, .capacity = sizeof room};
    reply_head(&text, ':', n);
    slice digits = {room + 1, text.length - 3};
    if (e ? set_value(s, e, digits) : add(s, j, digits) != NULL) {
        answer(j, n, replies);
    } else {
        reply_error(replies, no_memory);
    }
}

static void expire(store *s, job *j, int64_t now, buffer *replies)
{
    entry *e = find(s, j, now);
    if (!e) {
        answer(j, 0, replies);
        return;
    }
    if (j->number <= 0) {
        remove_entry(s, e);
    } else {
        set_expiry(s, e, expiry(now, j->number));
    }
    answer(j, 1, replies);
}

static void time_left(store *s, job *j, int64_t now, buffer *replies)
{
    entry *e = find(s, j, now);
    int64_t unit = j->number > 0 ? j->number : 1;
    answer(j, !e ? -2 : !e->expires ? -1 : (e->expires - now + unit / 2) / unit, replies);
}

static void stats(store *s, buffer *replies)
{
    const uint64_t numbers[STATS] = {
        [STAT_KEYS] = s->keys, [STAT_EXPIRING] = s->keys_expiring, [STAT_BYTES] = s->bytes,    [STAT_JOBS] = s->jobs,
        [STAT_HITS] = s->hits, [STAT_MISSES] = s->misses,          [STAT_EXPIRED] = s->expired};
    buffer_put(replies, numbers, sizeof numbers);
}

void store_do(store *s, job *j, int64_t now, buffer *replies)
{
    entry *e;
    j->reply = replies->length;
    j->result = 0;
    s->jobs++;
    switch ((job_kind)j->kind) {
    case JOB_GET: get(s, j, now, replies); break;
    case JOB_SET: set(s, j, now, replies); break;
    case JOB_DEL:
        e = find(s, j, now);
        if (e) remove_entry(s, e);
        answer(j, e != NULL, replies);
        break;
    case JOB_EXISTS: answer(j, find(s, j, now) != NULL, replies); break;
    case JOB_ADD: add_number(s, j, now, replies); break;
    case JOB_EXPIRE: expire(s, j, now, replies); break;
    case JOB_TTL: time_left(s, j, now, replies); break;
    case JOB_PERSIST:
        e = find(s, j, now);
        j->result = e && e->expires;
        if (j->result) set_expiry(s, e, 0);
        answer(j, j->result, replies);
        break;
    case JOB_SIZE: answer(j, (int64_t)s->keys, replies); break;
    case JOB_FLUSH:
        store_clear(s);
        reply_ok(replies);
        break;
    case JOB_STATS: stats(s, replies); break;
    case JOB_KINDS: break;
    }
    j->reply_length = replies->length - j->reply;
}

/* ------------------------------------------------------------------------------------------------- in passing */

/* Looks at the first of the list, and puts those that stay at its end: how many are gone. */
static unsigned look(store *s, int64_t now)
{
    unsigned gone = 0;
    for (unsigned i = 0; i < LOOKS && s->expiring; i++) {
        entry *e = s->expiring;
        if (e->expires <= now) {
            remove_entry(s, e);
            s->expired++;
            gone++;
        } else {
            DL_DELETE(s->expiring, e);
            DL_APPEND(s->expiring, e);
        }
    }
    return gone;
}

void store_expire(store *s, int64_t now)
{
    for (unsigned round = 0; round < ROUNDS && look(s, now) >= LOOKS_AGAIN; round++) {}
}

void store_clear(store *s)
{
    entry *e, *next;
    HASH_ITER(hh, s->table, e, next)
    {
        remove_entry(s, e);
    }
}
