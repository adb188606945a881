/* stack_pool.c - one region of address space, cut into guarded stacks.
 *
 * fiber.c takes stacks from here for new fibers, workers in batches; a handler of SIGSEGV asks whose guard was hit.
 *
 * A slot is in exactly one of five places; the arrows are the functions that move it:
 *
 *     fresh --take--> in use --give--> warm --trim_batch--> (trimming) --trim_batch--> cold
 *                        ^--take--------+                                                |
 *                        ^--take---------------------------------------------------------+
 *
 * Invariants, under the lock:
 *   1. fresh <= writable <= max_stacks; slots below `writable` are mapped read-write, those above not at all.
 *   2. in use + warm + trimming + cold = fresh.
 *   3. A slot below `fresh` has had its one attempt at a guard before take returned it.  The guard stays until the pool
 *      is destroyed: MADV_DONTNEED keeps both kinds.
 *   4. No system call is made with the lock held, but the one that extends `writable`, once in GROW_SLOTS slots.
 *
 * The order of reuse is newest first, because the first touch of a page costs a thousand times what a cache miss does.
 * The oldest free stacks are thus the ones that a burst left behind, and trimming takes those, sorted into ranges.
 *
 * Rejected: free stacks chained through their own memory (reading the chain would fault returned pages in again);
 * MADV_FREE (resident memory does not fall until there is pressure, and containers count it); a guard for the whole
 * region at the start (page tables of 125 MB for a million slots of 64 KiB); one mmap a stack (two mappings each, and
 * the default limit of 65,530 mappings ends that at 32,000 stacks); a region that is writable from the start (refused
 * where overcommit is off, and a leak checker would read all of it). */
#define _GNU_SOURCE
#include "stack_pool.h"

#include "atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>) && !defined(NVALGRIND)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_DISABLE_ERROR_REPORTING
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING ((void)0)
#define RUNNING_ON_VALGRIND 0
#endif

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    DEFAULT_SLOT = 64 * 1024,
    GROW_SLOTS = 256,    /* slots made writable at once */
    TRIM_BATCH = 64,     /* stacks emptied at once, outside the lock */
    DEFAULT_KEEP = 4096, /* 16 to 32 MB of memory, as most stacks have touched one or two pages */
    USUAL_MAX_MAPS = 65530,
    VALGRIND_MAX_MAPS = 5000, /* it keeps a table of its own, of 30,000 at best, and dies when that is full */
};

#define LARGEST_SLOT ((size_t)1 << 30)

/* Present when LeakSanitizer is linked in, alone or with AddressSanitizer. */
void __lsan_register_root_region(const void *start, size_t size) __attribute__((weak));
void __lsan_unregister_root_region(const void *start, size_t size) __attribute__((weak));

/* Guard pages made by mprotect in all pools: the limit on mappings is one of the OS process, so the count is too. */
static _Atomic size_t mprotect_guards;

/* The kernel's limit on mappings, from which the default budget of mprotect guards follows. */
static size_t max_mappings(void)
{
    if (RUNNING_ON_VALGRIND) return VALGRIND_MAX_MAPS;
    char text[32] = "";
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return USUAL_MAX_MAPS;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    size_t value = 0;
    for (ssize_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (size_t)(text[i] - '0');
    return value ? value : USUAL_MAX_MAPS;
}

/* Whether MADV_GUARD_INSTALL makes pages that trap.  Its success alone proves nothing, since emulators accept advice
 * that they do not know; populating a true guard fails with EFAULT.  Leaves a guard in the page when it returns true.
 *
 * LeakSanitizer reads every readable mapping of a root region and would run into such a guard; mappings that mprotect
 * closed it skips. */
static bool guards_by_madvise(void *page, size_t page_size)
{
    if (__lsan_register_root_region) return false;
    if (madvise(page, page_size, MADV_GUARD_INSTALL) != 0) return false;
    return madvise(page, page_size, MADV_POPULATE_READ) != 0 && errno == EFAULT;
}

static void *map_lazily(size_t size, int protection)
{
    void *at = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Extends the writable slots by a step.  With the lock held. */
static bool grow(pgs_stack_pool *pool)
{
    size_t count = pool->max_stacks - pool->writable;
    if (count > GROW_SLOTS) count = GROW_SLOTS;
    if (count == 0) return false;
    char *from = pool->region + pool->writable * pool->slot_size;
    if (mprotect(from, count * pool->slot_size, PROT_READ | PROT_WRITE) != 0) return false;
    pool->writable += count;
    return true;
}

int pgs_stack_pool_init(pgs_stack_pool *pool, size_t stack_size, size_t max_stacks)
{
    return pgs_stack_pool_init_with(pool, stack_size, max_stacks, 0);
}

int pgs_stack_pool_init_with(pgs_stack_pool *pool, size_t stack_size, size_t max_stacks, unsigned flags)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t slot = 4 * page;
    if (stack_size == 0) stack_size = DEFAULT_SLOT;
    if (stack_size > LARGEST_SLOT) return -EINVAL;
    while (slot < stack_size) slot *= 2;
    if (max_stacks == 0 || max_stacks > UINT32_MAX || max_stacks > SIZE_MAX / slot - 1) return -EINVAL;

    memset(pool, 0, sizeof *pool);
    pool->slot_size = slot;
    pool->page_size = page;
    pool->max_stacks = max_stacks;
    pool->keep = DEFAULT_KEEP;
    pool->mprotect_limit = max_mappings() / 2 / 4 * 3; /* a guard costs two mappings; a quarter is left to others */
    pool->mapping_size = (max_stacks + 1) * slot;      /* one more, to align by */
    pool->mapping = map_lazily(pool->mapping_size, PROT_NONE);
    pool->warm = map_lazily(2 * max_stacks * sizeof *pool->warm, PROT_READ | PROT_WRITE);
    if (!pool->mapping || !pool->warm) goto no_memory;
    pool->cold = pool->warm + max_stacks;
    pool->region = (char *)(((uintptr_t)pool->mapping + slot - 1) & ~(uintptr_t)(slot - 1));
    /* Fails on a kernel without huge pages, where it is not needed. */
    (void)madvise(pool->mapping, pool->mapping_size, MADV_NOHUGEPAGE);
    if (!grow(pool)) goto no_memory;

    bool force_mprotect = flags & PGS_STACKS_MPROTECT;
    pool->guard_kind =
        !force_mprotect && guards_by_madvise(pool->region, page) ? PGS_GUARD_MADVISE : PGS_GUARD_MPROTECT;
    pthread_mutex_init(&pool->lock, NULL);
    if (__lsan_register_root_region) __lsan_register_root_region(pool->mapping, pool->mapping_size);
    return 0;

no_memory:
    if (pool->mapping) munmap(pool->mapping, pool->mapping_size);
    if (pool->warm) munmap(pool->warm, 2 * max_stacks * sizeof *pool->warm);
    return -ENOMEM;
}

void pgs_stack_pool_destroy(pgs_stack_pool *pool)
{
    if (__lsan_unregister_root_region) __lsan_unregister_root_region(pool->mapping, pool->mapping_size);
    sub_relaxed(&mprotect_guards, pool->mprotected);
    munmap(pool->mapping, pool->mapping_size);
    munmap(pool->warm, 2 * pool->max_stacks * sizeof *pool->warm);
    pthread_mutex_destroy(&pool->lock);
}

static pgs_stack stack_of(const pgs_stack_pool *pool, size_t slot)
{
    return (pgs_stack){pool->region + slot * pool->slot_size + pool->page_size, pool->slot_size - pool->page_size};
}

/* One attempt at a guard for a slot that was never used; without the lock, for the slot is the caller's. */
static bool install_guard(pgs_stack_pool *pool, size_t slot)
{
    char *page = pool->region + slot * pool->slot_size;
    if (pool->guard_kind == PGS_GUARD_MADVISE) return madvise(page, pool->page_size, MADV_GUARD_INSTALL) == 0;
    if (add_relaxed(&mprotect_guards, 1) < pool->mprotect_limit && mprotect(page, pool->page_size, PROT_NONE) == 0)
        return true;
    sub_relaxed(&mprotect_guards, 1);
    return false;
}

/* Guards the slots from..to-1, fresh until now and already the caller's. */
static void install_guards(pgs_stack_pool *pool, size_t from, size_t to)
{
    size_t made = 0;
    for (size_t slot = from; slot < to; slot++) made += install_guard(pool, slot);
    if (made == to - from && pool->guard_kind == PGS_GUARD_MADVISE) return;
    pthread_mutex_lock(&pool->lock);
    pool->unguarded += to - from - made;
    if (pool->guard_kind == PGS_GUARD_MPROTECT) pool->mprotected += made;
    pthread_mutex_unlock(&pool->lock);
}

/* Takes from what is free, newest first, up to `count`.  With the lock held. */
static size_t take_free(pgs_stack_pool *pool, pgs_stack *out, size_t count)
{
    size_t taken = 0;
    for (; taken < count && pool->warm_count > 0; taken++) {
        size_t at = pool->warm_first + --pool->warm_count;
        out[taken] = stack_of(pool, pool->warm[at < pool->max_stacks ? at : at - pool->max_stacks]);
    }
    for (; taken < count && pool->cold_count > 0; taken++) out[taken] = stack_of(pool, pool->cold[--pool->cold_count]);
    return taken;
}

size_t pgs_stack_pool_take_many(pgs_stack_pool *pool, pgs_stack *out, size_t count)
{
    pthread_mutex_lock(&pool->lock);
    size_t taken = take_free(pool, out, count);
    size_t first_fresh = pool->fresh;
    while (taken < count && (pool->fresh < pool->writable || grow(pool))) out[taken++] = stack_of(pool, pool->fresh++);
    size_t end_fresh = pool->fresh;
    while (taken == 0 && count > 0 && pool->trimming > 0) {
        /* Another thread is emptying the last free ones: they are not lost, only late. */
        pthread_mutex_unlock(&pool->lock);
        sched_yield();
        pthread_mutex_lock(&pool->lock);
        taken = take_free(pool, out, count);
    }
    pthread_mutex_unlock(&pool->lock);
    if (end_fresh > first_fresh) install_guards(pool, first_fresh, end_fresh);
    return taken;
}

bool pgs_stack_pool_take(pgs_stack_pool *pool, pgs_stack *out)
{
    return pgs_stack_pool_take_many(pool, out, 1) == 1;
}

static void sort(uint32_t *slots, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint32_t slot = slots[i];
        size_t at = i;
        for (; at > 0 && slots[at - 1] > slot; at--) slots[at] = slots[at - 1];
        slots[at] = slot;
    }
}

/* Empties up to TRIM_BATCH of the oldest warm stacks, as long as more than `keep` are warm.  A range of neighbours is
 * one call, guards included, which it leaves in place.  A failure (locked memory) costs nothing but the memory. */
static size_t trim_batch(pgs_stack_pool *pool, size_t keep)
{
    uint32_t slots[TRIM_BATCH];
    size_t count = 0;
    pthread_mutex_lock(&pool->lock);
    for (; count < TRIM_BATCH && pool->warm_count > keep; count++, pool->warm_count--) {
        slots[count] = pool->warm[pool->warm_first];
        if (++pool->warm_first == pool->max_stacks) pool->warm_first = 0;
    }
    pool->trimming += count;
    pthread_mutex_unlock(&pool->lock);
    if (count == 0) return 0;

    sort(slots, count);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && slots[to] == slots[to - 1] + 1; to++) continue;
        (void)madvise(pool->region + slots[from] * pool->slot_size, (to - from) * pool->slot_size, MADV_DONTNEED);
    }

    pthread_mutex_lock(&pool->lock);
    /* The highest first, so that the lowest is the next to be taken: what is in use stays together. */
    for (size_t i = count; i-- > 0;) pool->cold[pool->cold_count++] = slots[i];
    pool->trimming -= count;
    pool->trimmed += count;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

void pgs_stack_pool_give_many(pgs_stack_pool *pool, const pgs_stack *stacks, size_t count)
{
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < count; i++) {
        size_t at = pool->warm_first + pool->warm_count++;
        pgs_assert(pool->warm_count + pool->cold_count + pool->trimming <= pool->fresh);
        pool->warm[at < pool->max_stacks ? at : at - pool->max_stacks] = (uint32_t)pgs_stack_pool_slot(pool, stacks[i]);
    }
    bool too_many = pool->warm_count > TRIM_BATCH && pool->warm_count - TRIM_BATCH > pool->keep;
    pthread_mutex_unlock(&pool->lock);
    /* A full batch at a time, so that a give costs nothing most of the time. */
    if (unlikely(too_many)) pgs_stack_pool_trim(pool, pool->keep);
}

void pgs_stack_pool_give(pgs_stack_pool *pool, pgs_stack stack)
{
    pgs_stack_pool_give_many(pool, &stack, 1);
}

size_t pgs_stack_pool_trim(pgs_stack_pool *pool, size_t keep)
{
    size_t total = 0, count;
    while ((count = trim_batch(pool, keep)) > 0) total += count;
    return total;
}

bool pgs_stack_pool_find(const pgs_stack_pool *pool, const void *address, pgs_stack_place *out)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)pool->region;
    if ((uintptr_t)address < (uintptr_t)pool->region || offset >= pool->max_stacks * pool->slot_size) return false;
    out->slot = offset / pool->slot_size;
    out->stack = stack_of(pool, out->slot);
    out->in_guard = offset % pool->slot_size < pool->page_size;
    return true;
}

pgs_stack_pool_stats pgs_stack_pool_get_stats(pgs_stack_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t free_count = pool->warm_count + pool->trimming + pool->cold_count;
    pgs_stack_pool_stats stats = {
        .in_use = pool->fresh - free_count,
        .warm = pool->warm_count,
        .cold = pool->cold_count + pool->trimming,
        .fresh = pool->max_stacks - pool->fresh,
        .unguarded = pool->unguarded,
        .trimmed = pool->trimmed,
    };
    pthread_mutex_unlock(&pool->lock);
    return stats;
}

/* The frames of a foreign stack are read as plain words: red zones and concurrent writes are expected. */
#if defined(__clang__)
__attribute__((no_sanitize("address", "thread", "memory")))
#else
__attribute__((no_sanitize_address, no_sanitize_thread))
#endif
static size_t
zeros_at(const volatile uint64_t *words, size_t size)
{
    size_t i = 0;
    VALGRIND_DISABLE_ERROR_REPORTING;
    while (i < size / sizeof *words && words[i] == 0) i++;
    VALGRIND_ENABLE_ERROR_REPORTING;
    return i * sizeof *words;
}

size_t pgs_stack_used(pgs_stack stack)
{
    unsigned char resident[64];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t offset = 0; offset < stack.size; offset += sizeof resident * page) {
        size_t length = stack.size - offset;
        if (length > sizeof resident * page) length = sizeof resident * page;
        if (mincore((char *)stack.base + offset, length, resident) != 0) return 0;
        for (size_t i = 0; i < length / page; i++) {
            if (!(resident[i] & 1)) continue;
            size_t zeros = zeros_at((const volatile uint64_t *)((char *)stack.base + offset + i * page), page);
            if (zeros < page) return stack.size - offset - i * page - zeros;
        }
    }
    return 0;
}
