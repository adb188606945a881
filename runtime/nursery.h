/* nursery.h - what the zygote does from its fork to its end; and the language in which the program speaks to it.
 *
 * All sockets are SOCK_SEQPACKET: a message comes whole or not at all.  Over the master the program sends one byte and
 * one end of a connection's socket; over a connection pgi_request, and pgi_death comes back.  Once, when it is ready,
 * the zygote sends an int over the master: 0, or the errno for which it has ended. */
#ifndef PGI_NURSERY_H
#define PGI_NURSERY_H

#include <sys/types.h>

#include "codemap.h"
#include "sched/base.h"
#include "zygote.h"

enum { PGI_REQUEST_SPAWN = 1, PGI_REQUEST_KILL };

typedef struct pgi_request {
    uint32_t what;
    int32_t signal;  /* PGI_REQUEST_KILL */
    pgi_birth birth; /* of PGI_REQUEST_KILL only `node` */
} pgi_request;

/* How long children live on whose connection is closed, in nanoseconds: they are not told by the zygote, but may see
 * for themselves that the program has gone, and put their affairs in order. */
#define PGI_ZYGOTE_GRACE INT64_C(300000000)

/* How long the zygote waits for children that it has killed, in nanoseconds; the program has twice as much patience
 * with the zygote. */
#define PGI_ZYGOTE_PATIENCE INT64_C(1000000000)

/* The life of the zygote, in a process that has just been forked from `host`, has one thread and all signals blocked.
 * `master` is its end of the socket, `known` what may be called in children. */
PGS_NORETURN void pgi_nursery_run(int master, pid_t host, const pgi_codemap *known);

/* Sends one message with `n` descriptors, at most PGI_BIRTH_FDS; `flags` as for sendmsg().  0 or an errno. */
int pgi_send_message(int fd, const void *data, size_t size, const int *fds, unsigned n, int flags);

#endif
