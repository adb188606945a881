/* status.c - what a pg_status means, in a line. */
#define _GNU_SOURCE /* strerrordesc_np: static strings, for any thread */
#include "paragram.h"

int pg_errno(int64_t result)
{
    return result < PG_ESYSTEM && result > PG_ESYSTEM - 4096 ? (int)(PG_ESYSTEM - result) : 0;
}

static const char *system_text(int status)
{
    const char *text = strerrordesc_np(pg_errno(status));
    return text && pg_errno(status) != 0 ? text : "unknown status";
}

const char *pg_strerror(int status)
{
    switch (status) {
    case PG_OK: return "success";
    case PG_ENOPROC: return "no such process: it has ended, or the pid names none";
    case PG_EINVAL: return "invalid argument: NULL where something is needed, or a value that cannot be sent";
    case PG_ENOMEM: return "out of memory, stacks or threads; nothing has changed";
    case PG_ETIMEDOUT: return "the time has passed";
    case PG_ETOOMANY:
        return "too many values in a message or pattern (16 at most), or nested too deeply (64 levels at most)";
    case PG_EPATTERN:
        return "not a pattern: PG_ETC may only stand last in a tuple, list or pattern, and dict keys are literals";
    case PG_ESTOPPED: return "the runtime is stopping or has stopped";
    case PG_EINSIDE: return "called from a process that would wait for itself";
    case PG_ELIMIT: return "as many processes as the runtime's options allow; see max_processes";
    case PG_EENDED: return "this process has ended, or is ending";
    case PG_EUNSUPPORTED: return "not supported by this build or system";
    case PG_EFULL: return "the mailbox is at its limit, or too much is on its way to that process; try again later";
    case PG_ETAKEN: return "another process has that name";
    default: return system_text(status);
    }
}
