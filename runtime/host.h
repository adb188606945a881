/* host.h - processes that are bound to a thread: those of kind PG_THREAD, and host threads that have attached. */
#ifndef PGI_HOST_H
#define PGI_HOST_H

#include <pthread.h>
#include <setjmp.h>

#include "process.h"

/* Lives as long as the thread's part in the process; for an attached one, until pg_detach() or the thread's end. */
struct pgi_host {
    pg_process *process;
    pg_runtime *rt;
    const pgi_end *end;    /* while it ends */
    struct pgi_host *next; /* of this host thread's attachments, or of the threads to be joined */
    pg_process *outer;     /* what the thread ran before pg_serve() */
    pthread_t thread;
    bool serving; /* `base` is set: code of the process is on the stack above it */
    jmp_buf base; /* where a process that ends deep in its code goes on */
};

/* The threads of a runtime. */
typedef struct pgi_threads {
    pthread_mutex_t lock;
    pgi_host *ended; /* to be joined */
    unsigned running;
} pgi_threads;

/* Starts the thread of `p`, whose id has been published.  PG_OK or PG_ENOMEM. */
int pgi_thread_start(pg_process *p);

/* Joins threads that have ended; all, when `wait` is true. */
void pgi_threads_join(pg_runtime *rt, bool wait);

/* The thread-bound process whose code the calling thread runs, or NULL. */
pg_process *pgi_host_current(void);

/* Whether `pid` names an attached process of the calling thread that has not ended. */
bool pgi_host_is_me(pg_pid pid);

#endif
