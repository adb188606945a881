/* pace.h - sends and spawns count towards a slice, so that nobody's queue becomes as long as another's loop.
 *
 * A process that does little else than send to one and the same, or spawn, in one handler or between two waits, makes
 * way after PGI_PACE of these: the messages are handled, and what was spawned runs, while they are in the cache.  Who
 * sends to many has no such queue, and goes on.
 *
 * It also goes where its receiver is flooded.  Messages that cross between two cores take three to five times as long
 * as those that do not, more than a second core can make up for: a sender that only sends had better wait there for its
 * turn, and then the receiver keeps up with its senders, too.  That one waits for its own next turn beside them
 * (pgi_run), or idle workers would take it away.  Who computes between its sends stays where it is.
 *
 * And it gives its processor away where it is alone on its worker, while its receiver has mail: that is on a worker
 * which may have lost its processor, for milliseconds, in which a hundred thousand messages would come together. */
#ifndef PGI_PACE_H
#define PGI_PACE_H

#include "paragram.h"
#include "sched/base.h"
#include "sched/hostile.h"
#include "sched/scheduler.h"

/* Sends from a worker between two looks at who does all that, and the sends that a spawn counts for.  A worker looks at
 * its oldest tasks every PGS_QUEUES_EVERY turns, and no more must have been spawned meanwhile. */
enum { PGI_PACE = PGS_TUNED(128, 20), PGI_PACE_SPAWN = 3 };

/* What a worker remembers of its last look. */
typedef struct pgi_pace {
    int32_t left;   /* sends until the next one */
    int32_t given;  /* what that was */
    uint64_t steps; /* of the worker */
    int64_t at;     /* the time */
    pg_pid to;      /* the receiver of the send at which it was; none: it was a spawn */
} pgi_pace;

/* The path of pgi_pace_count() for a look. */
PGS_COLD int pgi_make_way(pgs_worker *w, pg_pid to, int status);

/* After a send to `to`, or a spawn, to none, which counts for so many sends; 0: the caller must not be suspended.  By a
 * worker, of its own `pace`.  Returns `status`, so that a send can end with it; the caller may go on on another
 * worker. */
static inline int pgi_pace_count(pgs_worker *w, pgi_pace *pace, pg_pid to, int sends, int status)
{
    return sends > 0 && unlikely((pace->left -= sends) < 0) ? pgi_make_way(w, to, status) : status;
}

/* Lets others run, where that is best.  By a worker, which runs `task`. */
void pgi_pace_yield(pgs_worker *w, pgs_task *task);

#endif
