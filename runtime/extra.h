/* extra.h - what few processes need, in one block that hangs on the control block's last free word.
 *
 * It is its process's own; others look into it under the process's lock, and so it is replaced and freed under that.
 * Rejected: a field for each in the control block, which a million processes would pay for. */
#ifndef PGI_EXTRA_H
#define PGI_EXTRA_H

#include "process.h"

typedef struct pgi_monitors pgi_monitors;
typedef struct pgi_call pgi_call;
struct pgi_limits;

struct pgi_extra {
    _Alignas(16) pgi_monitors *monitors; /* watch.c; NULL: none */

    /* What the selective receive before has found out (receive.c). */
    uint64_t refs; /* pgi_ref_last() when it had looked */
    size_t room;   /* bytes for its pattern, which follow */

    pgi_call *call; /* that it waits in; under the lock; NULL: it does not (call.c) */

    struct pgi_limits *limits; /* limit.c; NULL: none.  They are found by `id`; here is what the end looks for */
};

_Static_assert(sizeof(pgi_extra) % 16 == 0, "the pattern follows, aligned");

static inline pgi_pattern *pgi_extra_pattern(pgi_extra *extra)
{
    return (pgi_pattern *)(void *)(extra + 1);
}

/* Makes it, or makes room in it, where that has to be done. */
pgi_extra *pgi_extra_make(pg_process *p, size_t room);

/* The block of `p`, with room for a pattern of so many bytes; NULL: memory is short. */
static inline pgi_extra *pgi_extra_of(pg_process *p, size_t room)
{
    if (likely(p->extra) && likely(p->extra->room >= room)) return p->extra;
    return pgi_extra_make(p, room);
}

/* Of a process that ends and has one: gives up whatever is in it. */
void pgi_extra_free(pg_process *p);

#endif
