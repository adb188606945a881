/* names.h - the registry of a runtime: which process has a name, and which are in a group. */
#ifndef PGI_NAMES_H
#define PGI_NAMES_H

#include <pthread.h>

#include "paragram.h"
#include "sched/atomic.h"

struct cds_lfht;
typedef struct pgi_retired pgi_retired;

typedef struct pgi_names {
    pthread_mutex_t lock;             /* for registering and unregistering */
    _Atomic(struct cds_lfht *) table; /* NULL until the first name */
    pthread_mutex_t entries_lock;     /* for what follows, and for taking out; the last to be taken */
    pgi_retired *retired;             /* taken out, and maybe still being looked at */
    _Atomic(uint32_t) tellers;        /* of ends, who are at it */
} pgi_names;

void pgi_names_init(pgi_names *names);

/* Forgets all names, when nobody comes into the runtime any more. */
void pgi_names_clear(pg_runtime *rt);

void pgi_names_destroy(pgi_names *names);

#endif
