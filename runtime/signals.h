/* signals.h - signals as messages: the one signalfd of a runtime, and the processes that have asked. */
#ifndef PGI_SIGNALS_H
#define PGI_SIGNALS_H

#include <pthread.h>

#include "paragram.h"
#include "sched/poller.h"

typedef struct pgi_subscriber pgi_subscriber;

/* `setup` is taken before the poller's lock, `lock` after it. */
typedef struct pgi_signals {
    pthread_mutex_t setup; /* for the source, and for changes of the list */
    pgs_source source;     /* its fd is -1 while nobody asks */
    bool over;             /* the runtime has stopped */
    pthread_mutex_t lock;  /* for the list */
    pgi_subscriber *all;
} pgi_signals;

void pgi_signals_init(pgi_signals *signals);
void pgi_signals_destroy(pgi_signals *signals);

/* In the child of a fork: it has no more to do with the source. */
void pgi_signals_forget(pgi_signals *signals);

/* Before the scheduler stops: nothing comes any more, while attached processes may still have asked. */
void pgi_signals_stop(pg_runtime *rt);

#endif
