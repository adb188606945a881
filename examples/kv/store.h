/* store.h - the keys and values of a shard.  Of one process alone, so without a lock. */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "job.h"

typedef struct entry entry;

typedef struct store {
    entry *table;    /* uthash's head */
    entry *expiring; /* those that have a time, as a list */
    uint64_t keys, keys_expiring, bytes;
    /* Since the start. */
    uint64_t jobs, hits, misses, expired;
} store;

/* Does the job, and puts its reply behind `replies`.  `now`: milliseconds since some moment in the past. */
void store_do(store *s, job *j, int64_t now, buffer *replies);

/* Removes some of those whose time has passed: a bounded number of looks, so that nobody waits long for it. */
void store_expire(store *s, int64_t now);

void store_clear(store *s);

#endif
