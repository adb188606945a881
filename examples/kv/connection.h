/* connection.h - a client: its requests, the jobs that they are made into, and the replies in their order. */
#ifndef KV_CONNECTION_H
#define KV_CONNECTION_H

#include "resp.h"
#include "server.h"

/* What is said to one request: of its jobs, or by the connection itself. */
typedef enum answer_kind {
    ANSWER_TEXT,  /* bytes of `text` */
    ANSWER_JOB,   /* the reply to the job */
    ANSWER_SUM,   /* the jobs' results, added up */
    ANSWER_ARRAY, /* all their replies */
    ANSWER_OK     /* OK, if none of them is an error */
} answer_kind;

typedef struct answer {
    answer_kind kind;
    uint32_t jobs;     /* how many they are */
    size_t from, size; /* the first of the jobs; of a text where it stands, and its length */
} answer;

typedef struct part {
    batch batch;
    pg_pid shard;
    int status; /* of the call: of others than PG_OK there are no replies */
} part;

typedef struct connection {
    server *server;
    pg_process *self;
    int fd;
    bool closes, failed; /* when all is said; memory is short */
    uint64_t restarts;   /* of shards, that are known here */
    buffer in, text, out, bytes;
    size_t start; /* of the first request in `in` that is not understood yet */
    resp_parser parser;
    job *jobs;
    uint32_t job_count, job_capacity;
    answer *answers;
    uint32_t answer_count, answer_capacity;
    part parts[]; /* one for each shard */
} connection;

/* A job about a key; NULL: memory is short, and the connection has failed.  Lives until the next one. */
job *connection_job(connection *c, job_kind kind, slice key);
/* One for a shard as a whole. */
job *connection_job_for(connection *c, job_kind kind, unsigned shard);

/* What is said to the request: about its jobs, from `from` on; or all of `text` from there on. */
void connection_answer(connection *c, answer_kind kind, size_t from);
void connection_error(connection *c, const char *text);

/* Has the jobs done: then each part has its replies. */
void connection_run(connection *c);
/* Forgets jobs and answers. */
void connection_reset(connection *c);
/* Has them done, writes all that is to be said, and forgets it. */
void connection_flush(connection *c);

/* command.c: what a request means. */
void command_run(connection *c, size_t count, slice *args);

#endif
