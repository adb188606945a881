/* os.h - the hub's side of processes of kind PG_OS: their beginning, their death, their stop. */
#ifndef PGI_OS_H
#define PGI_OS_H

#include "bridge.h"
#include "sandbox.h"

/* What a runtime has of it. */
typedef struct pgi_os {
    bool zygote;                   /* it is there: acquired at the start, released at the end */
    pthread_mutex_t lock;          /* for births */
    int client;                    /* connection with the zygote; -1: none yet */
    bool listening;                /* to it */
    _Atomic(bool) lost;            /* it was closed by the zygote, or that has ended */
    pgs_source source;             /* of the client */
    int spare;                     /* memory for the rings of the next child; -1: none.  Under the lock */
    _Atomic(pgi_bridge *) bridges; /* all that there ever were: memory of bridges stays memory of bridges */
    _Atomic(uint32_t) alive;
    _Atomic(uint64_t) born; /* since the start */
} pgi_os;

/* What a child begins with: in the opaque part of its birth. */
typedef struct pgi_child_config {
    pgi_isolation isolation;
    uint64_t main; /* the pid of the hub's main process */
    uint64_t stack_size;
    int64_t stuck_after;
    uint32_t hub, first_generation; /* the node of the hub's runtime; of its own node */
    uint32_t max_processes;
    uint8_t kind; /* the default one */
    bool report_overflow;
} pgi_child_config;

_Static_assert(sizeof(pgi_child_config) <= sizeof(((pgi_birth *)0)->isolation), "it travels with the birth");

/* First and last in a runtime's life, before its first thread and after its last.  PG_OK, also where the program cannot
 * have a zygote: processes of kind PG_OS are refused then; PG_ENOMEM. */
int pgi_os_start(pg_runtime *rt);
void pgi_os_stop(pg_runtime *rt);

/* Starts a process of kind PG_OS, linked with `self` from before its start unless that is NULL; `args` is consumed.
 * Returns as pg_spawn_with(). */
pg_pid pgi_os_spawn(pg_runtime *rt, pg_process *self, pg_target target, const pg_spawn_options *options,
                    pg_message *args);

/* The same for a child that asks for it, and for its process `linked`, or none, which links itself there.  The question
 * `asker` is answered. */
void pgi_os_spawn_for(pgi_bridge *bridge, pg_pid linked, pg_pid asker, const pgi_spawn_body *body);

/* What a spawn asks for. */
pgi_isolation pgi_os_isolation_of(const pg_spawn_options *options);

/* Told by a bridge: its child must die; it has died, and all that it had sent has been read; nothing of it is left. */
void pgi_os_kill(pgi_bridge *bridge);
void pgi_os_closed(pgi_bridge *bridge);
void pgi_os_gone(pg_runtime *rt);

/* For pg_stop(): tells all children to end their processes; kills them. */
void pgi_os_tell_stop(pg_runtime *rt);
void pgi_os_kill_all(pg_runtime *rt);

/* Remembers how a child has ended abnormally, or its first process in whatever way, or another of its processes; says
 * how one of them has ended. */
void pgi_os_remember(const pg_exit_info *exit, bool first);
void pgi_os_look_back(pg_pid pid, pg_exit_info *exit);

#endif
