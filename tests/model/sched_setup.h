/* sched_setup.h - a scheduler without threads and its workers, as models of sched/ begin with them: all search. */
#ifndef SCHED_SETUP_H
#define SCHED_SETUP_H

#include "worker.h"

static inline void sched_setup(pgs_sched *s, unsigned workers)
{
    s->config.workers = workers;
    store_relaxed(&s->workers, workers);
    store_relaxed(&s->stopping, false);
    store_relaxed(&s->idle_count, 0);
    store_relaxed(&s->searching, (int)workers);
    store_relaxed(&s->surplus, 0);
    store_relaxed(&s->retired, 0);
    store_relaxed(&s->idle[0], 0);
    store_relaxed(&s->monitor_parked, false);
    store_relaxed(&s->poller.sources, 0);
    store_relaxed(&s->poller.watch, PGS_WATCH_FREE);
    s->poller.found = 0;
    store_relaxed(&s->begun, 0);
    pgs_parker_init(&s->monitor_parker);
    pgs_parker_init(&s->starter);
    pgs_injector_init(&s->injector);
    store_relaxed(&s->epoch.global, 1); /* nobody asks for a grace period: without members */
}

/* `w` is zero at first, or from the execution before. */
static inline void worker_setup(pgs_sched *s, pgs_worker *w, unsigned number)
{
    w->face.sched = s;
    w->number = number;
    w->thread = number;
    w->searching = true;
    w->seen_steps = 0;
    w->seen_at = 0;
    w->reported = false;
    store_relaxed(&w->face.running, NULL);
    store_relaxed(&w->face.steps, 0);
    store_relaxed(&w->face.slice_over, false);
    pgs_lifo_init(&w->face.lifo, true);
    store_relaxed(&w->retired, false);
    store_relaxed(&w->member.announced, 0);
    store_relaxed(&w->member.inside, 0);
    store_relaxed(&w->wheel.next, PGS_NEVER);
    store_relaxed(&s->worker[number], w);
    pgs_parker_init(&w->parker);
    pgs_injector_init(&w->fifo);
    pgs_injector_init(&w->inbox);
    if (load_relaxed(&w->deque.array)) pgs_deque_destroy(&w->deque);
    pgs_assert(pgs_deque_init(&w->deque, 4) == 0);
}

#endif
