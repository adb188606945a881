/* ref.c - pg_make_ref(): numbers that are given once.
 *
 * Called by programs, from any thread.  One counter for the whole program, not for each runtime, since a ref may travel
 * from one runtime to another; 0 is left for a ref that was never made.  In an operating-system process of its own the
 * counter begins with the bits that its pids begin with.
 *
 * Rejected: ranges for each worker, which would avoid the one shared line.  A ref goes with a request that is answered,
 * and that costs more than an addition that meets another core's. */
#include "runtime.h"

static _Atomic(uint64_t) last;

void pgi_ref_begin(uint32_t node, uint32_t generation)
{
    store_relaxed(&last, pgi_pid_make(node, generation, 0).id);
}

uint64_t pgi_ref_last(void)
{
    return load_relaxed(&last);
}

pg_ref pg_make_ref(void)
{
    return (pg_ref){add_relaxed(&last, 1) + 1};
}
