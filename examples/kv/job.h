/* job.h - what a connection asks of a shard: one thing about one key; and a batch of them, which goes as one message.
 *
 * To a shard in the same operating-system process a batch goes as a pointer.  It belongs to the connection, which waits
 * in a call until the shard has answered or ended, and so does what the jobs point to: nothing is copied.  To one in an
 * operating-system process of its own its jobs go as bytes, and the replies come back as bytes. */
#ifndef KV_JOB_H
#define KV_JOB_H

#include "buffer.h"

enum { JOBS_MAX = 256 }; /* of a batch; a request of many keys may go beyond */

typedef enum job_kind {
    JOB_GET,
    JOB_SET,
    JOB_DEL,
    JOB_EXISTS,
    JOB_ADD,     /* the number to the value: INCR */
    JOB_EXPIRE,  /* in `number` milliseconds */
    JOB_TTL,     /* in units of `number` milliseconds */
    JOB_PERSIST, /* never */
    JOB_SIZE,    /* how many keys there are; of the shard, as those that follow */
    JOB_FLUSH,
    JOB_STATS, /* its numbers, as in memory: STAT_KEYS and so on */
    JOB_KINDS
} job_kind;

/* uint64_t each, the answer to JOB_STATS. */
enum { STAT_KEYS, STAT_EXPIRING, STAT_BYTES, STAT_JOBS, STAT_HITS, STAT_MISSES, STAT_EXPIRED, STATS };

/* Of JOB_SET. */
enum { SET_NX = 1, SET_XX = 2, SET_KEEP_TTL = 4, SET_EXPIRES = 8 };

typedef struct job {
    uint8_t kind, flags;
    uint16_t shard;
    uint32_t next; /* job of the same batch and shard, by its index; 0: the last */
    uint64_t hash; /* of the key */
    slice key, value;
    int64_t number; /* what the kind says; of JOB_SET the milliseconds until it expires */
    /* The answer: where it stands in the shard's replies, and of those that are added up, its number. */
    size_t reply, reply_length;
    int64_t result;
} job;

/* The jobs of one shard in a batch, from `first` on, and its replies. */
typedef struct batch {
    job *jobs;
    uint32_t first, last, count;
    buffer replies;
} batch;

/* The jobs as bytes, and one of them back, pointing into the bytes: false at their end, or if they make no sense. */
void job_encode(buffer *to, const batch *b);
bool job_decode(slice *from, job *j);

/* The replies to jobs as bytes, written one by one, and into the batch: false if they make no sense. */
void job_encode_reply(buffer *to, const job *j, const buffer *replies);
bool job_decode_replies(slice from, batch *b);

/* SipHash-1-3 (Aumasson and Bernstein, 2012) by a key of the program's own: who does not know it cannot make keys that
 * meet in a table. */
typedef struct hash_key {
    uint64_t k0, k1;
} hash_key;
uint64_t hash_of(hash_key key, slice s);

#endif
