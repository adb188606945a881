/* guest.c - the interface of a runtime that is driven by the program's own loop; sched/guest.h has how. */
#include "sched/guest.h"

#include <errno.h>

#include "runtime.h"

/* PG_OK: it is a guest, of this program, and pg_stop() waits until its node is released. */
static int enter(const pg_runtime *rt)
{
    if (!rt || !rt->options.guest) return PG_EINVAL;
    pg_runtime *mutable = (pg_runtime *)(uintptr_t)rt;
    if (load_acquire(&mutable->stopped)) return PG_ESTOPPED; /* partner: the end of pg_stop */
    return pgi_hold_node(rt->node) ? PG_OK : PG_ESTOPPED;
}

int pg_fd(const pg_runtime *rt)
{
    int status = enter(rt);
    if (status != PG_OK) return status;
    int fd = pgs_guest_fd(rt->sched);
    pgi_release_node(rt->node);
    return fd;
}

int64_t pg_next_deadline(pg_runtime *rt)
{
    int status = enter(rt);
    if (status != PG_OK) return status;
    int64_t ns = pgs_guest_next(rt->sched);
    pgi_release_node(rt->node);
    return ns;
}

int pg_step(pg_runtime *rt, int64_t max_ns)
{
    int status = enter(rt);
    if (status != PG_OK) return status;
    int more = pgs_guest_step(rt->sched, max_ns);
    pgi_release_node(rt->node);
    return more < 0 ? PG_EINSIDE : more;
}
