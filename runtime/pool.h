/* pool.h - threads for calls that block: pg_blocking(). */
#ifndef PGI_POOL_H
#define PGI_POOL_H

#include <pthread.h>

#include "process.h"

enum { PGI_POOL_MAX = 512 }; /* threads of a runtime */

typedef struct pgi_pool_thread pgi_pool_thread;

/* Of a runtime; all under the lock. */
typedef struct pgi_pool {
    pthread_mutex_t lock;
    pgi_pool_thread *idle;  /* the one that was busy last is first */
    pgi_pool_thread *ended; /* to be joined */
    unsigned threads;       /* busy or idle */
    bool stopping;
} pgi_pool;

void pgi_pool_init(pgi_pool *pool);
void pgi_pool_destroy(pgi_pool *pool);

/* Ends all threads, of which none may be busy, nor become so. */
void pgi_pool_stop(pgi_pool *pool);

#endif
