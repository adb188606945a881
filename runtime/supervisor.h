/* supervisor.h - what supervise.c, which asks, and supervisor.c, which is asked, have in common: how children travel in
 * messages.
 *
 *   pg_supervise:   arguments of the supervisor: (pid of who called, options, registered, children)
 *   linked:         (PGI_SUPERVISOR, "linked"): who called is linked now, and need not be monitored any more
 *   become:         to itself: (PGI_BECOME, ref, children)
 *   start:          (PGI_SUPERVISOR, "start", ptr, child), answered by (status, pid), or (status)
 *   stop, remove:   (PGI_SUPERVISOR, what, id), answered by (status)
 *   restart:        likewise, answered as a start
 *   children:       (PGI_SUPERVISOR, "children", ""), answered by ([(id, pid, state, restarts), ...])
 *   has it started: (PGI_STARTED), asked of a child by its supervisor, and of that by pg_supervise(); answered by
 *                   (status)
 *
 * Options are the bytes of the structure.  A child is a tuple: the bytes of its structure, which has addresses of code,
 * and, in place of what else it points to, id, registered, name, arguments, mailbox; nil: none.
 *
 * Whoever may say what code runs has to be of this operating-system process: others, which may be hostile, could send
 * any bytes.  So a start has a ptr in it, of no use but this: no message with one comes from elsewhere (wire.h). */
#ifndef PGI_SUPERVISOR_H
#define PGI_SUPERVISOR_H

#include "paragram.h"

enum { PGI_CHILD_PARTS = 6 };

#define PGI_SUPERVISOR "pg_supervisor"
#define PGI_BECOME "pg_become"
#define PGI_STARTED "pg_started?"

/* What a supervisor begins with. */
typedef struct pgi_supervisor_start {
    const pg_supervisor_options *options; /* copied */
    const char *registered;               /* NULL: by no name */
    const pg_term *children;              /* a list; in `kept` */
    const pg_message *kept;               /* becomes the supervisor's in any case */
    pg_pid starter;                       /* with whom it ends until he is linked; {0}: nobody */
} pgi_supervisor_start;

/* Makes `self` a supervisor.  PG_OK; or a status, with what there is to say in why[], and no child is left. */
enum { PGI_WHY_MAX = 512 };
int pgi_supervisor_begin(pg_process *self, const pgi_supervisor_start *start, char why[PGI_WHY_MAX]);

/* Both do again for a while what memory is too short for: who is not told to end, or not answered, may be waited for,
 * or wait, for ever. */
void pgi_tell_to_end(pg_process *self, pg_pid pid, int64_t timeout);
int pgi_answer(pg_process *self, const pg_message *request, int status, pg_pid pid); /* null: the status alone */

#endif
