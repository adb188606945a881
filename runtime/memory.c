/* memory.c - the allocator's door, and the slow paths of the block caches; memory.h says how they work together.
 *
 * Called by everything in runtime/.  A shelf's lock is held for a few instructions and never while the allocator is
 * called; it is taken once for 64 blocks at most. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* jemalloc's interface since version 4, spelled out so that it need not be there when paragram is built. */
__attribute__((weak)) void *mallocx(size_t size, int flags);
__attribute__((weak)) void sdallocx(void *p, size_t size, int flags);

#if defined(PGI_JEMALLOC) && !defined(PGI_SANITIZED)
#define HAS_JEMALLOC likely(mallocx != NULL && sdallocx != NULL)
#else
#define HAS_JEMALLOC false
#endif

enum { HUGE_BITS = 21, LINE_BITS = 6 }; /* the usual huge page; a cache line */

enum { JEMALLOC_ZERO = 0x40 }; /* the flags below it are the binary logarithm of the alignment */

_Atomic long pgi_memory_armed;

void pgi_memory_fail(long nth)
{
    store_relaxed(&pgi_memory_armed, nth);
}

/* Counts one allocation down; whether it is the one that must fail. */
static PGS_COLD bool must_fail(void)
{
    long left = load_relaxed(&pgi_memory_armed);
    while (left > 0 && !cas_relaxed(&pgi_memory_armed, &left, left - 1)) continue;
    return left == 1;
}

static inline bool refused(size_t size)
{
    return unlikely(size > PTRDIFF_MAX) || (unlikely(load_relaxed(&pgi_memory_armed) != 0) && must_fail());
}

/* ----------------------------------------------------------------------------------------------- the allocator */

void *pgi_alloc(size_t size)
{
    if (refused(size)) return NULL;
    if (HAS_JEMALLOC) return mallocx(size != 0 ? size : 1, 0);
    return malloc(size != 0 ? size : 1);
}

void *pgi_alloc_zero(size_t size)
{
    if (refused(size)) return NULL;
    if (HAS_JEMALLOC) return mallocx(size != 0 ? size : 1, JEMALLOC_ZERO);
    return calloc(1, size != 0 ? size : 1);
}

void *pgi_alloc_aligned(size_t size, size_t align)
{
    if (refused(size)) return NULL;
    if (HAS_JEMALLOC) return mallocx(size != 0 ? size : 1, __builtin_ctzl(align) | JEMALLOC_ZERO);
    void *p = NULL;
    if (posix_memalign(&p, align, size != 0 ? size : 1) != 0) return NULL;
    return memset(p, 0, size);
}

static int table_bits(size_t size)
{
    return size >> HUGE_BITS != 0 ? HUGE_BITS : LINE_BITS;
}

void *pgi_alloc_table(size_t size)
{
    if (refused(size)) return NULL;
    void *p = HAS_JEMALLOC ? mallocx(size, table_bits(size) | JEMALLOC_ZERO) : calloc(1, size);
    const uintptr_t mask = ((uintptr_t)1 << HUGE_BITS) - 1;
    uintptr_t begin = ((uintptr_t)p + mask) & ~mask, end = ((uintptr_t)p + size) & ~mask;
    if (p != NULL && begin < end) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* or without them */
    return p;
}

void pgi_free(void *p, size_t size)
{
    if (!HAS_JEMALLOC)
        free(p);
    else if (p != NULL)
        sdallocx(p, size != 0 ? size : 1, 0);
}

void pgi_free_table(void *p, size_t size)
{
    if (!HAS_JEMALLOC)
        free(p);
    else if (p != NULL)
        sdallocx(p, size, table_bits(size));
}

void pgi_free_aligned(void *p, size_t size, size_t align)
{
    if (!HAS_JEMALLOC)
        free(p);
    else if (p != NULL)
        sdallocx(p, size != 0 ? size : 1, __builtin_ctzl(align));
}

/* Not by pgi_alloc(): no test that counts allocations wants to see these. */
void pgi_memory_thread_begin(void)
{
    void *volatile block = HAS_JEMALLOC ? mallocx(1, 0) : malloc(1); /* volatile: compilers drop a pair without use */
    if (!HAS_JEMALLOC)
        free(block);
    else if (block != NULL)
        sdallocx(block, 1, 0);
}

/* --------------------------------------------------------------------------------------------------- the depot */

static size_t class_bytes(unsigned class_index)
{
    return (size_t)(4 * PGI_UNIT) << class_index;
}

static void free_magazine(pgi_magazine *magazine, uint32_t count, unsigned class_index)
{
    if (magazine == NULL) return;
    while (count != 0) pgi_free(magazine->blocks[--count], class_bytes(class_index));
    pgi_free(magazine, sizeof *magazine);
}

void pgi_depot_init(pgi_depot *depot)
{
    memset(depot, 0, sizeof *depot);
    for (unsigned i = 0; i < PGI_CLASSES; i++) {
        int failed = pthread_mutex_init(&depot->shelves[i].lock, NULL);
        pgs_assert(failed == 0);
    }
}

void pgi_depot_destroy(pgi_depot *depot)
{
    for (unsigned i = 0; i < PGI_CLASSES; i++) {
        pgi_shelf *shelf = &depot->shelves[i];
        while (shelf->full != NULL) {
            pgi_magazine *magazine = shelf->full;
            shelf->full = magazine->next;
            free_magazine(magazine, PGI_MAGAZINE, i);
        }
        while (shelf->empty != NULL) {
            pgi_magazine *magazine = shelf->empty;
            shelf->empty = magazine->next;
            free_magazine(magazine, 0, i);
        }
        shelf->full_count = 0;
        pthread_mutex_destroy(&shelf->lock);
    }
}

/* Takes a full magazine and leaves `empty`, which may be NULL; NULL and nothing done when there is no full one. */
static pgi_magazine *take_full(pgi_shelf *shelf, pgi_magazine *empty)
{
    pthread_mutex_lock(&shelf->lock);
    pgi_magazine *full = shelf->full;
    if (full != NULL) {
        shelf->full = full->next;
        shelf->full_count--;
        if (empty != NULL) {
            empty->next = shelf->empty;
            shelf->empty = empty;
        }
    }
    pthread_mutex_unlock(&shelf->lock);
    return full;
}

/* Leaves a full magazine, and takes an empty one, NULL when there is none.  False when the shelf has no room. */
static bool give_full(pgi_shelf *shelf, pgi_magazine *full, pgi_magazine **empty)
{
    *empty = NULL;
    pthread_mutex_lock(&shelf->lock);
    bool room = shelf->full_count < PGI_DEPOT_FULL;
    if (room) {
        full->next = shelf->full;
        shelf->full = full;
        shelf->full_count++;
        *empty = shelf->empty;
        if (*empty != NULL) shelf->empty = (*empty)->next;
    }
    pthread_mutex_unlock(&shelf->lock);
    return room;
}

/* -------------------------------------------------------------------------------------------------- the caches */

void pgi_cache_init(pgi_cache *cache, pgi_depot *depot)
{
    memset(cache, 0, sizeof *cache);
    cache->depot = depot;
}

static pgi_magazine *loaded_of(const pgi_rack *rack)
{
    return rack->bottom != NULL ? container_of(rack->bottom, pgi_magazine, blocks) : NULL;
}

static uint32_t count_of(const pgi_rack *rack)
{
    return (uint32_t)(rack->top - rack->bottom);
}

/* `magazine`, which has `count` blocks, is the loaded one from now on; it may be NULL. */
static void load(pgi_rack *rack, pgi_magazine *magazine, uint32_t count)
{
    rack->bottom = magazine != NULL ? magazine->blocks : NULL;
    rack->limit = magazine != NULL ? magazine->blocks + PGI_MAGAZINE : NULL;
    rack->top = magazine != NULL ? magazine->blocks + count : NULL;
}

void pgi_cache_drain(pgi_cache *cache)
{
    for (unsigned i = 0; i < PGI_CLASSES; i++) {
        pgi_rack *rack = &cache->racks[i];
        free_magazine(loaded_of(rack), count_of(rack), i);
        free_magazine(rack->spare, rack->spare_count, i);
        memset(rack, 0, sizeof *rack);
    }
}

static void swap_magazines(pgi_rack *rack)
{
    pgi_magazine *magazine = loaded_of(rack);
    uint32_t count = count_of(rack);
    load(rack, rack->spare, rack->spare_count);
    rack->spare = magazine;
    rack->spare_count = count;
}

/* The loaded magazine is empty or missing: the spare one takes its place if it is full; else one of the depot's
 * does. */
void *pgi_rack_alloc(pgi_cache *cache, unsigned class_index)
{
    pgi_rack *rack = &cache->racks[class_index];
    if (rack->spare_count != 0) {
        swap_magazines(rack);
    } else {
        pgi_magazine *full = take_full(&cache->depot->shelves[class_index], rack->spare);
        if (full == NULL) return pgi_alloc(class_bytes(class_index));
        rack->spare = loaded_of(rack);
        rack->spare_count = 0;
        load(rack, full, PGI_MAGAZINE);
    }
    pgs_assert(rack->top != rack->bottom);
    return *--rack->top;
}

/* Makes the loaded magazine, which is full, the spare one, and loads an empty one: from the depot, which gets the
 * former spare one, or a new one, or the former spare one itself, its blocks given back to the allocator.  False where
 * memory for a new one is short; the loaded one is then still full. */
static bool load_empty(pgi_rack *rack, pgi_shelf *shelf, unsigned class_index)
{
    pgi_magazine *empty = NULL;
    if (rack->spare != NULL && !give_full(shelf, rack->spare, &empty)) {
        while (rack->spare_count != 0) pgi_free(rack->spare->blocks[--rack->spare_count], class_bytes(class_index));
        swap_magazines(rack);
        return true;
    }
    rack->spare = NULL;
    rack->spare_count = 0;
    if (empty == NULL) empty = pgi_alloc(sizeof *empty);
    if (empty == NULL) return false;
    rack->spare = loaded_of(rack);
    rack->spare_count = count_of(rack);
    load(rack, empty, 0);
    return true;
}

/* The loaded magazine is full or missing. */
void pgi_rack_free(pgi_cache *cache, unsigned class_index, void *block)
{
    pgi_rack *rack = &cache->racks[class_index];
    bool room = true;
    if (unlikely(load_relaxed(&pgi_memory_armed) != 0)) {
        room = false; /* a magazine is no allocation that a test wants to see fail */
    } else if (rack->bottom == NULL) {
        load(rack, pgi_alloc(sizeof(pgi_magazine)), 0);
        room = rack->bottom != NULL;
    } else if (rack->spare != NULL && rack->spare_count == 0) {
        swap_magazines(rack);
    } else {
        room = load_empty(rack, &cache->depot->shelves[class_index], class_index);
    }
    if (likely(room)) {
        pgs_assert(rack->top != rack->limit);
        *rack->top++ = block;
    } else {
        pgi_free(block, class_bytes(class_index));
    }
}
