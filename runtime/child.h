/* child.h - the life of an operating-system process of kind PG_OS, from its fork to its end. */
#ifndef PGI_CHILD_H
#define PGI_CHILD_H

#include "bridge.h"

/* What its runtime has beside that of others. */
typedef struct pgi_child {
    pgi_bridge *uplink;
    uint32_t hub;               /* the node of the hub's runtime */
    pg_pid root;                /* its first process */
    _Atomic(bool) begun, ended; /* that one has */
    _Atomic(bool) dismissed;    /* nothing comes any more */
    _Atomic(bool) orphaned;     /* the hub is no more */
} pgi_child;

/* What the zygote calls in a new process, on its only thread.  The process exits when all has ended. */
PGS_NORETURN void pgi_child_main(const pgi_birth *birth, const int fds[PGI_BIRTH_FDS]);

/* The hub says: this is your first process; end all processes; nothing comes any more. */
void pgi_child_begin(pg_runtime *rt, const pgi_spawn_body *body);
void pgi_child_stop(pg_runtime *rt);
void pgi_child_dismiss(pg_runtime *rt);

/* The hub has ended, and all that it had sent has been read: the processes here are told to end, as by pg_stop(). */
void pgi_child_orphan(pg_runtime *rt);

/* A process of this runtime ends abnormally, and is to be remembered elsewhere, too; nobody has been told yet. */
void pgi_child_failed(const pg_exit_info *exit);

/* A process of this runtime has ended, and those linked have been told; what waits for its end is to be told.  Called
 * where `rt` has a child. */
void pgi_child_ended(pg_runtime *rt, const pg_exit_info *exit);

/* Asks the hub for a process of kind PG_OS, linked with `self` from before its start unless that is NULL.  `args` is
 * consumed.  Returns as pg_spawn_with(). */
pg_pid pgi_child_spawn(pg_process *self, pg_target target, const pg_spawn_options *options, pg_message *args);

#endif
