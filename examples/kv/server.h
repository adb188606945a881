/* server.h - what all processes of the server know of it, and how they find each other. */
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include <paragram.h>

#include "job.h"

enum { SHARDS_MAX = 64, SHARD_NAME = 32 };

typedef struct server {
    /* Constant once it serves. */
    pg_runtime *rt;
    int port, listener;
    unsigned shards, workers;
    bool os_shards;
    hash_key key;
    int64_t started;
    unsigned descriptors; /* their numbers are below that */

    /* Everyone's. */
    _Atomic(uint64_t) connections; /* ever accepted */
    _Atomic(uint64_t) clients;     /* connected */
    _Atomic(uint64_t) restarts;    /* of shards: who has seen another number looks for their pids again */
    _Atomic(bool) *connected;      /* by descriptor: a client's */

    pg_pid watched[SHARDS_MAX]; /* of watch_shards() alone */
} server;

/* Spawned with the server's pointer as argument: watch.c, accept.c. */
void watch_shards(pg_process *self);
void accept_clients(pg_process *self);

/* Spawned with the server's pointer and a connected socket. */
void serve_client(pg_process *self);

/* Spawned with its number and whether it is in an operating-system process of its own: so the program's memory is that
 * of pg_start(), where there was no server yet. */
void serve_shard(pg_process *self);

/* Sends the shard a message that fails it. */
int fail_shard(pg_pid pid);

/* The name that it is registered by. */
void shard_name(char name[SHARD_NAME], unsigned shard);

/* The shard's pid; while it is being restarted, waits for that up to five seconds, and is null then. */
pg_pid find_shard(pg_process *self, const server *s, unsigned shard);

/* A line of the server's log, on stderr. */
void server_log(const char *format, ...) PG_FORMAT(1, 2);

#endif
