/* watch.h - being told of the end of a process, wherever that is; and monitors, who are told by a message.
 *
 * A watch is a watcher in the list of a process of this program (link.h), or a question to another one's node (ask.h).
 * Either way it is told once, or ended before; who ends it knows which. */
#ifndef PGI_WATCH_H
#define PGI_WATCH_H

#include "ask.h"
#include "link.h"

typedef struct pgi_watch pgi_watch;

/* Called when the process has ended, under a lock of the teller's, which may be the process's: must not block, nor lock
 * that process.  The watch may go with it. */
typedef void (*pgi_watch_told)(pgi_watch *watch, const pgi_end *end);

struct pgi_watch {
    union {
        pgi_watcher here;
        pgi_question far;
    };
    pgi_watch_told told;
    pg_pid pid; /* of whom it watches */
    bool is_far;
};

/* Begins to watch `pid` on behalf of a runtime, or a process of it.  PG_OK.  PG_EENDED: it has ended before, as *exit
 * says, and nobody will be told.  PG_ENOPROC, PG_ENOMEM. */
int pgi_watch_begin(pgi_watch *watch, pg_runtime *own, pg_pid pid, pgi_watch_told told, pg_exit_info *exit);

/* Ends a watch of that runtime's.  True: it was not told, and will not be.  False: it has been told, and whoever did so
 * has left it; it must still be there, since that is looked for in it. */
bool pgi_watch_end(pgi_watch *watch, pg_runtime *own);

/* News that has come to `p`.  Takes its monitor from those of `p`, and returns true; false: it was taken back. */
bool pgi_news_take(pg_process *p, const pg_message *msg);

/* Whether it has not been taken back. */
bool pgi_news_is_wanted(const pg_process *p, const pg_message *msg);

/* For pgi_embedded_free(). */
void pgi_news_free(pg_message *msg);

/* Ends all monitors of a process that ends, which has an extra block. */
void pgi_monitors_free(pg_process *p);

#endif
