/* delay.h - messages that are sent later: the timers of paragram/timer.h. */
#ifndef PGI_DELAY_H
#define PGI_DELAY_H

#include <pthread.h>

#include "sched/atomic.h"
#include "sched/base.h"

enum { PGI_DELAY_CHUNKS = 14 };

typedef struct pgi_delay pgi_delay;

/* Free ones. */
typedef struct pgi_delay_chain {
    pgi_delay *first;
    unsigned count;
} pgi_delay_chain;

/* Those that a worker keeps: it takes from `loaded` and gives to it; `spare` is full or empty. */
typedef struct pgi_delay_cache {
    pgi_delay_chain loaded, spare;
} pgi_delay_cache;

/* Of a runtime. */
typedef struct pgi_delays {
    pthread_mutex_t lock;      /* for all but the reading of chunks */
    pgi_delay *chains;         /* full ones */
    pgi_delay_chain loose;     /* what threads that are no workers take and give */
    uint32_t used;             /* from here on none was ever handed out */
    uint32_t first_generation; /* even */
    _Atomic(pgi_delay *) chunks[PGI_DELAY_CHUNKS];
} pgi_delays;

void pgi_delays_init(pgi_delays *delays);

/* What the next runtime with the number begins with: above all generations of this one's.  When nobody uses it any
 * more.  UINT32_MAX: there is nothing left. */
uint32_t pgi_delays_next_generation(const pgi_delays *delays);

/* When no thread of the scheduler's runs any more, and nobody finds the runtime: what is pending is dropped. */
void pgi_delays_destroy(pgi_delays *delays);

#endif
