/* memory.h - the one door to the allocator, and caches of small blocks in front of it.
 *
 * Everything that the runtime allocates comes from pgi_alloc() and goes back with its size to pgi_free().  Beneath is
 * jemalloc where the program has it, linked or preloaded, else malloc.  The references to jemalloc are weak, so that a
 * guest does not bring an allocator along: Debian's takes the place of the whole program's malloc, and cannot be loaded
 * by dlopen().  They are bound when the library is loaded and not again, so that every block is freed by what made it,
 * whatever is loaded later.  Without PGI_JEMALLOC, and under sanitizers, which watch malloc, there are none.
 *
 * Messages are blocks of at most 256 bytes nearly always, made on one worker and freed on another.  Each worker has a
 * cache, with for each class of 64, 128 and 256 bytes two magazines, arrays of 64 blocks: one from which it
 * takes and to which it gives, and one behind it, so that a load that goes up and down by one at the brink does not
 * exchange each time.  All caches of a runtime exchange full magazines for empty ones through its depot.  This is
 * J. Bonwick and J. Adams, "Magazines and Vmem" (USENIX 2001), section 3.1 and 3.2.
 *
 * Invariants:
 *   1. A cache is used by one thread at a time; nothing in it is atomic.
 *   2. A block may be given to any cache, or to none: what a cache holds is what pgi_alloc() gave, of its class's size.
 *   3. A magazine in the depot's list of full ones holds PGI_MAGAZINE blocks; one in its list of empty ones, none.
 *   4. The depot holds at most PGI_DEPOT_FULL full magazines of a class; what is more goes back to the allocator.
 *
 * Rejected: chains of blocks linked through their first word.  They need no arrays, but taking a block then waits for
 * the line of that block to arrive from the core that freed it, where with an array only the first write to it meets
 * that line, and the store buffer hides it.  Rejected too: returning blocks to the cache that they came from; it costs
 * a queue for each pair of workers and a word in each block, for memory that is equal everywhere. */
#ifndef PGI_MEMORY_H
#define PGI_MEMORY_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/atomic.h"
#include "sched/base.h"
#include "sched/hostile.h"

/* Sanitizers look at every allocation: there the caches hold nothing.  PGI_CACHE_ALWAYS builds them in all the same. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PGI_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PGI_SANITIZED 1
#endif
#if defined(PGI_SANITIZED) && !defined(PGI_CACHE_ALWAYS)
#define PGI_CACHE_OFF 1
#else
#define PGI_CACHE_OFF 0
#endif

/* `size` bytes, at least 1, aligned to 16; NULL when memory is short.  From any thread. */
void *pgi_alloc(size_t size);

/* The same, all bytes zero. */
void *pgi_alloc_zero(size_t size);

/* The same, all bytes zero, aligned to `align`, a power of two of at least 16; freed by pgi_free_aligned(). */
void *pgi_alloc_aligned(size_t size, size_t align);

/* The same, all bytes zero, for a large table that is used from its beginning on: in huge pages where the kernel has
 * them, which are cheaper to come by and to find again; freed by pgi_free_table(). */
void *pgi_alloc_table(size_t size);

/* Gives back what pgi_alloc() or pgi_alloc_zero() gave for the same `size`.  `p` may be NULL. */
void pgi_free(void *p, size_t size);
void pgi_free_aligned(void *p, size_t size, size_t align);
void pgi_free_table(void *p, size_t size);

/* Allocates and frees, first thing in every thread of the library's: jemalloc 5.3 gives a thread its arena with its
 * first block, and crashes in that when no address space is left, where it only returns NULL later on. */
void pgi_memory_thread_begin(void);

/* For tests: the nth allocation from now on, of any thread, fails, and only that one; 0: none.  While it is awaited the
 * caches are passed by, so that every block counts. */
void pgi_memory_fail(long nth);

/* What is left of the count; private to the functions below. */
extern __attribute__((visibility("hidden"))) _Atomic long pgi_memory_armed;

enum { PGI_CLASSES = 3, PGI_MAGAZINE = PGS_TUNED(64, 2), PGI_DEPOT_FULL = PGS_TUNED(1024, 2) };
enum { PGI_UNIT = 16 }; /* bytes: sizes of blocks are counted in units */

typedef struct pgi_magazine {
    struct pgi_magazine *next; /* in the depot */
    void *blocks[PGI_MAGAZINE];
} pgi_magazine;

/* One class of a depot. */
typedef struct pgi_shelf {
    PGS_ALIGNED pthread_mutex_t lock;
    pgi_magazine *full;
    pgi_magazine *empty;
    size_t full_count;
} pgi_shelf;

typedef struct pgi_depot {
    pgi_shelf shelves[PGI_CLASSES];
} pgi_depot;

/* One class of a cache.  `top` is in the loaded magazine, behind its last block: blocks lie from `bottom` up to it, and
 * there is room up to `limit`.  All three are NULL while none is loaded.  `spare` is full or empty or NULL. */
typedef struct pgi_rack {
    void **top;
    void **bottom;
    void **limit;
    pgi_magazine *spare;
    uint32_t spare_count; /* 0 or PGI_MAGAZINE */
} pgi_rack;

typedef struct pgi_cache {
    pgi_rack racks[PGI_CLASSES];
    pgi_depot *depot;
} pgi_cache;

/* An empty depot, at an address aligned as its type is (pgi_alloc_aligned() where it is allocated).  Destroying it
 * frees what it holds; all its caches must have been drained before. */
void pgi_depot_init(pgi_depot *depot);
void pgi_depot_destroy(pgi_depot *depot);

/* An empty cache of that depot; allocates nothing.  Draining frees what it holds and leaves it empty and usable. */
void pgi_cache_init(pgi_cache *cache, pgi_depot *depot);
void pgi_cache_drain(pgi_cache *cache);

/* The paths beneath pgi_block_alloc() and pgi_block_free() where the loaded magazine does not serve. */
void *pgi_rack_alloc(pgi_cache *cache, unsigned class_index);
void pgi_rack_free(pgi_cache *cache, unsigned class_index, void *block);

/* The class of a block of so many units, at least 1; PGI_CLASSES: it has none. */
static inline unsigned pgi_class_of(size_t units)
{
    return units <= 4 ? 0 : units <= 8 ? 1 : units <= 16 ? 2 : PGI_CLASSES;
}

/* The units that a block of `units` really has: those of its class, where it has one. */
static inline size_t pgi_block_units(size_t units)
{
    unsigned class_index = pgi_class_of(units);
    return likely(class_index < PGI_CLASSES) ? (size_t)4 << class_index : units;
}

/* A block of `units`, aligned to 16.  `cache` is the calling thread's own, or NULL.  NULL when memory is short. */
static inline void *pgi_block_alloc(pgi_cache *cache, size_t units)
{
    unsigned class_index = pgi_class_of(units);
    if (!PGI_CACHE_OFF && likely(cache != NULL) && likely(class_index < PGI_CLASSES) &&
        likely(load_relaxed(&pgi_memory_armed) == 0)) {
        pgi_rack *rack = &cache->racks[class_index];
        if (likely(rack->top != rack->bottom)) return *--rack->top;
        return pgi_rack_alloc(cache, class_index);
    }
    return pgi_alloc(pgi_block_units(units) * PGI_UNIT);
}

/* Gives a block back, to any cache that is the calling thread's own, or to none.  `units` as when it was allocated, or
 * what pgi_block_units() makes of them. */
static inline void pgi_block_free(pgi_cache *cache, void *block, size_t units)
{
    unsigned class_index = pgi_class_of(units);
    if (!PGI_CACHE_OFF && likely(cache != NULL) && likely(class_index < PGI_CLASSES)) {
        pgi_rack *rack = likely(class_index == 0) ? &cache->racks[0] : &cache->racks[class_index];
        if (likely(rack->top != rack->limit))
            *rack->top++ = block;
        else
            pgi_rack_free(cache, class_index, block);
        return;
    }
    pgi_free(block, pgi_block_units(units) * PGI_UNIT);
}

#endif
