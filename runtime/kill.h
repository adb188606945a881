/* kill.h - the end of one process by force. */
#ifndef PGI_KILL_H
#define PGI_KILL_H

#include "bridge.h"
#include "process.h"

/* Ends a process of `rt` where it waits.  PG_OK, PG_ENOPROC, PG_EINVAL: as pg_kill(). */
int pgi_kill_in(pg_runtime *rt, pg_pid pid);

/* Kills the child of a bridge of the hub's, which is held.  PG_OK; PG_ENOPROC: its first process has ended. */
int pgi_kill_child(pgi_bridge *bridge);

#endif
