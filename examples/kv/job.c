/* job.c - see job.h. */
#include "job.h"

/* A job and its reply as bytes: these, and behind them the key and the value, or the reply.  Both sides are the same
 * program. */
typedef struct job_head {
    uint64_t hash;
    int64_t number;
    uint32_t key_length, value_length;
    uint8_t kind, flags;
} job_head;

typedef struct reply_head_bytes {
    int64_t result;
    uint64_t length;
} reply_head_bytes;

void job_encode(buffer *to, const batch *b)
{
    uint32_t i = b->first;
    for (uint32_t n = 0; n < b->count; n++) {
        const job *j = &b->jobs[i];
        job_head head = {.hash = j->hash,
                         .number = j->number,
                         .key_length = (uint32_t)j->key.length,
                         .value_length = (uint32_t)j->value.length,
                         .kind = j->kind,
                         .flags = j->flags};
        buffer_put(to, &head, sizeof head);
        buffer_put(to, j->key.data, j->key.length);
        buffer_put(to, j->value.data, j->value.length);
        i = j->next;
    }
}

static bool take(slice *from, size_t length, const char **data)
{
    if (from->length < length) return false;
    *data = from->data;
    from->data += length;
    from->length -= length;
    return true;
}

bool job_decode(slice *from, job *j)
{
    const char *data;
    job_head head;
    if (!take(from, sizeof head, &data)) return false;
    memcpy(&head, data, sizeof head);
    if (head.kind >= JOB_KINDS) return false;
    *j = (job){.kind = head.kind, .flags = head.flags, .hash = head.hash, .number = head.number};
    j->key.length = head.key_length;
    j->value.length = head.value_length;
    return take(from, j->key.length, &j->key.data) && take(from, j->value.length, &j->value.data);
}

void job_encode_reply(buffer *to, const job *j, const buffer *replies)
{
    reply_head_bytes head = {j->result, j->reply_length};
    buffer_put(to, &head, sizeof head);
    if (replies->data) buffer_put(to, replies->data + j->reply, j->reply_length);
}

bool job_decode_replies(slice from, batch *b)
{
    uint32_t i = b->first;
    for (uint32_t n = 0; n < b->count; n++) {
        const char *data;
        reply_head_bytes head;
        if (!take(&from, sizeof head, &data)) return false;
        memcpy(&head, data, sizeof head);
        if (!take(&from, head.length, &data)) return false;
        job *j = &b->jobs[i];
        j->result = head.result;
        j->reply = b->replies.length;
        j->reply_length = head.length;
        buffer_put(&b->replies, data, head.length);
        i = j->next;
    }
    return from.length == 0;
}

/* ------------------------------------------------------------------------------------------------------ the hash */

static inline uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

uint64_t hash_of(hash_key key, slice s)
{
    uint64_t v[4] = {key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d, key.k0 ^ 0x6c7967656e657261,
                     key.k1 ^ 0x7465646279746573};
    size_t whole = s.length / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t m;
        memcpy(&m, s.data + i, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = 0;
    if (s.length > whole) memcpy(&last, s.data + whole, s.length - whole);
    last |= (uint64_t)s.length << 56;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
