/* link.h - links between processes, and those who wait for an end. */
#ifndef PGI_LINK_H
#define PGI_LINK_H

#include "process.h"

/* One link, in the lists of both processes.
 *
 * Invariants:
 *   1. side[i] is in the list of side[i].process, under that one's lock, until it is taken out or that process is
 *      dying.
 *   2. A process that is dying has detached its whole list, and drops its side of each link itself.
 *   3. Each side counts once in `references`; a signal on its way to a mailbox counts in place of the side it is for.
 *   4. The exit of one end is delivered at most once, to an end that is not dying. */
struct pgi_link {
    /* First: a message that is sent when memory is short, or small. */
    _Alignas(16) unsigned char signal[PGI_SIGNAL_BYTES];
    struct pgi_link_side {
        pg_process *process;
        pgi_link *next, *prev;
    } side[2];
    _Atomic(uint16_t) references;
    bool gone;          /* taken out of the list of side[1], a bridge, since the far node is gone; under its lock */
    uint32_t unlinking; /* it is no link any more, but the far end has not yet said that it knows: what it is to say
                           (far.c); 0: it is one.  Written under the locks of both ends */
    pg_pid far;         /* the end beyond the bridge that is side[1]; null: both are here */
};

/* Makes a link that is in no list yet; NULL when memory is short. */
pgi_link *pgi_link_new(pg_process *a, pg_process *b);
void pgi_link_free(pgi_link *link);

/* Puts `link` into the list of its end `p`, whose lock is held or which nobody else knows. */
void pgi_link_insert(pgi_link *link, pg_process *p);

/* Takes both ends out again, whichever are still in: a spawn that has failed. */
void pgi_link_undo(pgi_link *link);

/* The link between two processes whose locks are held, or NULL; where `b` is a bridge, with the process beyond it, also
 * one that is being unlinked. */
pgi_link *pgi_link_find(pg_process *a, pg_process *b, pg_pid far);

/* Takes a link, which that has found, out of both lists; it is the caller's to free. */
void pgi_link_take_out(pgi_link *link);

void pgi_lock_two(pg_process *a, pg_process *b);
void pgi_unlock_two(pg_process *a, pg_process *b);

/* Puts a message of the runtime's own into a mailbox, which is there: the caller looks, or knows that. */
void pgi_push_signal(pg_process *to, pg_message *msg);

/* Takes the links with processes of a node out of the list of a bridge, for pgi_links_tell(). */
pgi_link *pgi_links_detach(pg_process *bridge, uint32_t node);

/* Tells the other ends of a detached list that `p` has ended.  Returns how many were told.  The caller visits. */
size_t pgi_links_tell(pg_process *p, pg_pid pid, pgi_link *links, const pgi_end *end);

/* Tells a watcher that does not sleep, and is in no list any more; under the lock of the process that has ended. `info`
 * is what fits of `end`. */
typedef void (*pgi_tell)(pgi_watcher *watcher, const pg_exit_info *info, const pgi_end *end);

/* Somebody who is told of an end; in the list of the process concerned, under its lock, and mostly in a frame of who
 * waits for it. */
struct pgi_watcher {
    pgi_watcher *next, *prev;
    pgi_sleeper *sleeper; /* NULL: he is told otherwise */
    union {
        pgs_sched *sched; /* of the sleeper */
        pgi_tell tell;
    };
    pg_exit_info *info; /* of the sleeper, to be filled in */
    bool listed;
};

/* wait.c: how a process of `rt` has ended, in *info: PG_OK; PG_ENOPROC: there never was one.  PG_ETIMEDOUT: it lives,
 * and the watcher, unless it is NULL, is in its list. */
int pgi_look(pg_runtime *rt, pg_pid pid, pgi_watcher *watcher, pg_exit_info *info);

void pgi_watcher_insert(pg_process *p, pgi_watcher *watcher);
void pgi_watcher_remove(pg_process *p, pgi_watcher *watcher);

/* Tells and wakes all; under the lock of `p`.  By code of a task on that worker, or NULL.  Returns how many. */
size_t pgi_watchers_tell(pg_process *p, const pg_exit_info *info, const pgi_end *end, pgs_worker *worker);

#endif
