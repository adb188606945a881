/* sandbox.h - what a process of kind PG_OS may use up, and what it may ask of the system.
 *
 * A child confines itself, before any code of its process runs; nothing of it can be taken back.  The levels:
 *
 *   PG_SANDBOX_NONE           what the program may, the child may
 *   PG_SANDBOX_NO_PRIVILEGES  no capabilities, and none to be had by exec; no core; not to be traced or read by others
 *                             of its user
 *   PG_SANDBOX_COMPUTE        memory, threads, time, and the descriptors that are open already: no files, no sockets,
 *                             no other processes, no new executable memory.  Buffers may be made and sent (buffer.h);
 *                             what a child keeps in memfds without mapping it is bounded by no limit but that on their
 *                             number, as open files
 *
 * At the last level a forbidden system call is SIGSYS, and so the end, with its name in the exit's text (crash.h). Not
 * so where libraries ask in passing and have an answer to a no: whatever opens or looks for a file by name gets EACCES,
 * clone3 gets ENOSYS (glibc then uses clone).  Calls of another ABI of the processor (i386, x32), and calls while
 * SIGSYS is blocked, as in system(), end the process without their name.  The system's Landlock is put under it where
 * the kernel has that. */
#ifndef PGI_SANDBOX_H
#define PGI_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "paragram.h"

/* Zeros: no limit but the program's own.  Plain data, as it goes to the zygote. */
typedef struct pgi_isolation {
    uint64_t address_space; /* bytes, beyond what is mapped when the runtime of the child has started */
    uint32_t cpu_seconds;   /* processor time of all its threads together */
    uint32_t open_files;    /* the runtime's own included, some ten */
    uint32_t level;         /* pg_sandbox */
    uint32_t spare;         /* 0 */
} pgi_isolation;

/* Whether a child can be confined so: PG_OK; PG_EINVAL: no such level; PG_EUNSUPPORTED: this build, or this system, has
 * no filter for system calls.  Any thread. */
int pgi_isolation_check(const pgi_isolation *isolation);

/* What a child of a process confined by `own` gets when it asks for `asked`: whatever is tighter of each. */
pgi_isolation pgi_isolation_merge(pgi_isolation own, pgi_isolation asked);

/* In the child, on its only thread, before its runtime starts: everything but the limits.  pgi_crash_listen() has been
 * called, if at all.  PG_OK, or PG_EUNSUPPORTED or PG_ENOMEM; then the reason has been given to pgi_crash_say(), and
 * the child must end, since it may be confined in part. */
int pgi_isolation_apply(const pgi_isolation *isolation);

/* In the child, once its runtime has started: the limits.  Any thread; returns as pgi_isolation_apply(). */
int pgi_isolation_apply_limits(const pgi_isolation *isolation);

/* The name of a system call, by the si_arch and si_syscall of a SIGSYS; false: unknown.  Any thread. */
bool pgi_sandbox_call_name(uint32_t arch, int call, char *out, size_t size);

#endif
