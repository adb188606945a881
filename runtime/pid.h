/* pid.h - what a pid is made of: (node, generation, index), 12, 24 and 28 bits; slots.h says what they mean.
 *
 * Node 0 is no runtime's.  A pid of that node names no process, and its other bits are the status of the call that gave
 * it (spawn.c). */
#ifndef PGI_PID_H
#define PGI_PID_H

#include "paragram.h"

enum { PGI_INDEX_BITS = 28, PGI_GENERATION_BITS = 24, PGI_NODE_BITS = 12 };

#define PGI_INDEX_MAX ((UINT32_C(1) << PGI_INDEX_BITS) - 1)
#define PGI_GENERATION_MAX ((UINT32_C(1) << PGI_GENERATION_BITS) - 1)

static inline pg_pid pgi_pid_make(uint32_t node, uint32_t generation, uint32_t index)
{
    return (pg_pid){(uint64_t)node << (64 - PGI_NODE_BITS) | (uint64_t)generation << PGI_INDEX_BITS | index};
}

static inline uint32_t pgi_pid_node(pg_pid pid)
{
    return (uint32_t)(pid.id >> (64 - PGI_NODE_BITS));
}

static inline uint32_t pgi_pid_generation(pg_pid pid)
{
    return (uint32_t)(pid.id >> PGI_INDEX_BITS) & PGI_GENERATION_MAX;
}

static inline uint32_t pgi_pid_index(pg_pid pid)
{
    return (uint32_t)pid.id & PGI_INDEX_MAX;
}

/* A pid that names nobody, and says why: what a spawn that failed returns. */
static inline pg_pid pgi_refused(int status)
{
    return (pg_pid){(uint64_t)-status};
}

#endif
