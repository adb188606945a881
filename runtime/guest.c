/* guest.c - the interface of a runtime that is driven by the program's own loop; sched/guest.h has how. */
#include "sched/guest.h"

#include <errno.h>

#include "runtime.h"

/* PG_OK: it is a guest, of this program. */
static int look(const pg_runtime *rt)
{
    if (!rt || !rt->options.guest) return PG_EINVAL;
    return load_acquire(&((pg_runtime *)(uintptr_t)rt)->stopped) ? PG_ESTOPPED : PG_OK; /* partner: the end of pg_stop */
}

int pg_fd(const pg_runtime *rt)
{
    int status = look(rt);
    return status == PG_OK ? pgs_guest_fd(rt->sched) : status;
}

int64_t pg_next_deadline(pg_runtime *rt)
{
    int status = look(rt);
    return status == PG_OK ? pgs_guest_next(rt->sched) : status;
}

int pg_step(pg_runtime *rt, int64_t max_ns)
{
    int status = look(rt);
    if (status != PG_OK) return status;
    uint32_t node = rt->node;
    if (!pgi_hold_node(node)) return PG_ESTOPPED; /* pg_stop() waits for a step that has begun */
    int more = pgs_guest_step(rt->sched, max_ns);
    pgi_release_node(node);
    return more < 0 ? PG_EINSIDE : more;
}
