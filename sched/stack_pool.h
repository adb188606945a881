/* stack_pool.h - stacks for fibers: a million of them, guarded, in one reserved region.
 *
 * A pool reserves address space once and cuts it into slots of equal size.  A slot is a power of two, its lowest page
 * is the guard, the rest is the stack.  Memory is committed when it is first touched, and a stack that is given back is
 * handed out again before any colder one.  Every function may be called from any thread, except where it says so.
 *
 * The functions take one mutex for a few instructions.  Whoever needs stacks often keeps some in front of the pool and
 * moves them in batches (pgs_stack_pool_take_many, pgs_stack_pool_give_many). */
#ifndef PGS_STACK_POOL_H
#define PGS_STACK_POOL_H

#include "base.h"

#include <pthread.h>

/* The usable part of a slot, guard excluded.  The stack grows from base + size down to base. */
typedef struct pgs_stack {
    void *base;
    size_t size; /* bytes */
} pgs_stack;

/* How the guard pages of a pool are made. */
typedef enum pgs_guard_kind {
    PGS_GUARD_MADVISE,  /* MADV_GUARD_INSTALL: costs no mapping, so every stack has one */
    PGS_GUARD_MPROTECT, /* splits a mapping in two: only as many as the kernel's limit on mappings allows */
} pgs_guard_kind;

/* Flags of pgs_stack_pool_init_with. */
#define PGS_STACKS_MPROTECT 1u /* use mprotect even where the kernel offers better: for tests */

typedef struct pgs_stack_pool {
    /* Constant after pgs_stack_pool_init; mprotect_limit and keep may be set before the first take. */
    char *region; /* aligned to slot_size */
    size_t slot_size, page_size, max_stacks;
    void *mapping;
    size_t mapping_size;
    pgs_guard_kind guard_kind;
    size_t mprotect_limit; /* guards of the whole OS process, from which on stacks go unguarded */
    size_t keep;           /* free stacks that keep their memory; the oldest beyond are emptied */

    pthread_mutex_t lock;
    /* All below belong to the holder of `lock`. */
    uint32_t *warm; /* ring of free slots that may hold memory, the newest last */
    size_t warm_first, warm_count;
    uint32_t *cold; /* free slots that hold none, the newest last */
    size_t cold_count;
    size_t fresh;     /* slots from here on were never handed out */
    size_t writable;  /* slots below are mapped for reading and writing */
    size_t trimming;  /* on their way from warm to cold, in nobody's list */
    size_t unguarded; /* slots that could not be given a guard */
    uint64_t trimmed; /* stacks emptied so far */
    size_t mprotected;
} pgs_stack_pool;

typedef struct pgs_stack_pool_stats {
    size_t in_use;    /* taken and not given back */
    size_t warm;      /* free, memory kept */
    size_t cold;      /* free, memory returned to the system */
    size_t fresh;     /* never used */
    size_t unguarded; /* of those ever used: how many have no guard page */
    uint64_t trimmed; /* how often a stack's memory was returned */
} pgs_stack_pool_stats;

/* Where an address lies in a pool. */
typedef struct pgs_stack_place {
    size_t slot;     /* number of the stack, from 0; see pgs_stack_pool_slot */
    pgs_stack stack; /* the stack of that slot */
    bool in_guard;   /* in the guard page below it: this stack overflowed */
} pgs_stack_place;

/* Reserves room for `max_stacks` stacks.  `stack_size` is that of a slot, guard included, in bytes: 0 means 64 KiB,
 * anything else is rounded up to a power of two, at least four pages.  Returns 0, -EINVAL for sizes that make no sense,
 * or -ENOMEM when the address space cannot be reserved (then a smaller max_stacks may do). */
int pgs_stack_pool_init(pgs_stack_pool *pool, size_t stack_size, size_t max_stacks);

/* The same, with flags (PGS_STACKS_...). */
int pgs_stack_pool_init_with(pgs_stack_pool *pool, size_t stack_size, size_t max_stacks, unsigned flags);

/* Unmaps everything.  No stack of the pool may be in use, and no other call may be under way. */
void pgs_stack_pool_destroy(pgs_stack_pool *pool);

/* Takes a stack: the one given back last, else one whose memory was returned, else one never used.  The contents are
 * arbitrary.  False when all max_stacks are taken, or when the system refuses memory. */
bool pgs_stack_pool_take(pgs_stack_pool *pool, pgs_stack *out);

/* Takes up to `count` stacks; returns how many.  out[0] is the one that pgs_stack_pool_take would have returned. */
size_t pgs_stack_pool_take_many(pgs_stack_pool *pool, pgs_stack *out, size_t count);

/* Gives a stack back.  The caller must be running on another one.  When more than `keep` free stacks hold memory, some
 * of the oldest are emptied on the spot. */
void pgs_stack_pool_give(pgs_stack_pool *pool, pgs_stack stack);

/* Gives `count` stacks back, the last of them to be reused first. */
void pgs_stack_pool_give_many(pgs_stack_pool *pool, const pgs_stack *stacks, size_t count);

/* Returns the memory of all free stacks but the `keep` newest to the system; returns how many were emptied.  For an
 * idle moment: 0.3 us a stack or more. */
size_t pgs_stack_pool_trim(pgs_stack_pool *pool, size_t keep);

/* Whether the pool holds `address`, and where.  Arithmetic only, so a handler of SIGSEGV may call it (with si_addr) and
 * name the stack that overflowed.  A frame larger than a page can step over the guard: then the address is in the slot
 * below, unless the code was compiled with -fstack-clash-protection. */
bool pgs_stack_pool_find(const pgs_stack_pool *pool, const void *address, pgs_stack_place *out);

/* The number of the slot of `stack`, from 0 to max_stacks - 1: an index for tables kept beside the pool. */
static inline size_t pgs_stack_pool_slot(const pgs_stack_pool *pool, pgs_stack stack)
{
    return (size_t)((char *)stack.base - pool->region) / pool->slot_size;
}

/* A snapshot of the counters. */
pgs_stack_pool_stats pgs_stack_pool_get_stats(pgs_stack_pool *pool);

/* How many bytes of `stack`, counted from its top, were ever written since its memory was last returned: the high-water
 * mark over all fibers that it served, exact unless the deepest words written were zeros.  Reads resident pages only,
 * from the lowest to the first that is not all zeros; one that was swapped out counts as untouched.  For diagnostics,
 * from any thread, though not while the stack is being given back. */
size_t pgs_stack_used(pgs_stack stack);

#endif
