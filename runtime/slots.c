/* slots.c - see slots.h.
 *
 * Address space for all slots is reserved at the start; a page is committed when its first process is spawned, and once
 * there are many processes, some pages at a time.  A slot's memory is never unmapped before the runtime ends, so that a
 * sender with a stale pid reads a control block, whosever.
 *
 * Rejected: huge pages.  A million processes are spawned in half the time where the machine has used that memory
 * before, and in two to four times as much where a hypervisor has to find it, two megabytes at once. */
#define _GNU_SOURCE
#include "slots.h"

#include <sys/mman.h>

#include "limit.h"
#include "runtime.h"

/* Slots before pages are committed ahead, and bytes that are then committed at once. */
enum { PGI_SLOTS_FEW = 4096, PGI_SLOTS_AHEAD = 128 << 10 };

int pgi_slots_init(pgi_slots *slots, uint32_t max, uint32_t node, uint32_t first_generation, uint32_t last_generation)
{
    slots->bytes = ((size_t)max * sizeof(pg_process) + 4095) & ~(size_t)4095;
    void *base = mmap(NULL, slots->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return PG_ENOMEM;
    slots->base = base;
    slots->max = max;
    slots->node = node;
    slots->first_generation = first_generation;
    slots->last_generation = last_generation;
    slots->lists = NULL;
    store_relaxed(&slots->used, 0);
    pthread_mutex_init(&slots->lock, NULL);
    return PG_OK;
}

uint32_t pgi_slots_highest_generation(const pgi_slots *slots)
{
    uint32_t highest = slots->first_generation;
    uint32_t used = load_relaxed(&((pgi_slots *)(uintptr_t)slots)->used);
    for (uint32_t i = 0; i < used; i++) {
        uint32_t generation = pgi_slot_generation(&slots->base[i]);
        if (generation > highest) highest = generation;
    }
    return highest;
}

/* Messages of senders who were still under way when the process ended; and, of one that had limits, these. */
static PGS_COLD void drop_mail_rarely(pg_runtime *rt, pg_process *p)
{
    uint64_t dropped = 0;
    pgi_local *local = pgi_local_here(rt);
    pgs_mpsc_node *node;
    while ((node = pgs_mpsc_detach(&p->mailbox)) != NULL) {
        pg_message *msg = pgi_of_node(node);
        pgi_limits_dropped(rt, msg);
        dropped += pgi_message_is_sent(msg) && !(msg->flags & PGI_CONSUMED); /* the head, where a gap was behind it */
        pgi_free_message(msg);
    }
    pgs_mpsc_init(&p->mailbox, false);
    pgi_count_dropped(rt, local, dropped);
}

static inline void drop_mail(pg_runtime *rt, pg_process *p)
{
    if (unlikely(!pgi_slot_has_no_mail(p))) drop_mail_rarely(rt, p);
}

/* For others. */
static void give_list(pgi_slots *slots, pg_process *first, unsigned count)
{
    first->list_count = count;
    pthread_mutex_lock(&slots->lock);
    first->next_list = slots->lists;
    slots->lists = first;
    pthread_mutex_unlock(&slots->lock);
}

/* Makes the first PGI_BAG slots of a list free, but for those whose generations are used up.  Returns the others. */
static pg_process *empty_some(pg_runtime *rt, pgi_slot_cache *cache, pg_process *first)
{
    unsigned count = 0;
    pg_process **link = &first, *p;
    while ((p = *link) != NULL && count < PGI_BAG) {
        drop_mail(rt, p);
        if (likely(pgi_slot_generation(p) < rt->slots.last_generation)) {
            link = &p->next_free;
            count++;
        } else {
            *link = p->next_free;
        }
    }
    if (cache->free_count + PGI_BAG <= PGI_SLOTS_KEEP) {
        *link = cache->free;
        cache->free = first;
        cache->free_count += count;
    } else if (count > 0) {
        *link = NULL;
        give_list(&rt->slots, first, count);
    }
    return p;
}

/* A bag is one of many lists if it has grown. */
static void empty_bag(pg_runtime *rt, pgi_slot_cache *cache, pgi_bag *bag)
{
    pg_process *left = bag->first;
    *bag = (pgi_bag){0};
    while (left) left = empty_some(rt, cache, left);
}

static void empty_oldest_bag(pg_runtime *rt, pgi_slot_cache *cache)
{
    empty_bag(rt, cache, &cache->resting[cache->oldest]);
    cache->oldest = (cache->oldest + 1) % PGI_BAGS;
    cache->bags--;
}

static void seal(pg_runtime *rt, pgi_slot_cache *cache)
{
    if (cache->filling.count == 0 || cache->bags == PGI_BAGS) return; /* a full ring: the bag grows */
    cache->filling.stamp = pgs_epoch_now(pgs_sched_epoch(rt->sched));
    cache->resting[(cache->oldest + cache->bags++) % PGI_BAGS] = cache->filling;
    cache->filling = (pgi_bag){0};
}

static void empty_bags(pg_runtime *rt, pgi_slot_cache *cache)
{
    pgs_epoch *epoch = pgs_sched_epoch(rt->sched);
    if (cache->bags > 0) pgs_epoch_try_advance(epoch);
    while (cache->bags > 0 && pgs_epoch_passed(epoch, cache->resting[cache->oldest].stamp)) empty_oldest_bag(rt, cache);
}

void pgi_slots_tidy(pg_runtime *rt, pgi_slot_cache *cache)
{
    seal(rt, cache);
    empty_bags(rt, cache);
}

/* As many as allowed are alive.  Only asked once as many slots as that have been handed out: what ended processes rest
 * in, and what workers keep, comes out of the reserve. */
static bool is_full(pg_runtime *rt)
{
    if (likely(load_relaxed(&rt->slots.used) < rt->options.max_processes)) return false;
    return pgi_alive(rt) + load_relaxed(&rt->attached) >= rt->options.max_processes;
}

/* LeakSanitizer looks for pointers in what it is told of: slots, as they come into use. */
#if defined(PGI_SANITIZED)
void __lsan_register_root_region(const void *start, size_t size) __attribute__((weak));
void __lsan_unregister_root_region(const void *start, size_t size) __attribute__((weak));

enum { ROOTS = 4096 }; /* slots that are made known at once */

static void show_roots(const pgi_slots *slots, uint32_t before, uint32_t after)
{
    if (!__lsan_register_root_region) return;
    for (uint32_t i = (before + ROOTS - 1) / ROOTS * ROOTS; i < after; i += ROOTS) {
        uint32_t count = slots->max - i < ROOTS ? slots->max - i : ROOTS;
        __lsan_register_root_region(slots->base + i, count * sizeof(pg_process));
    }
}

static void hide_roots(const pgi_slots *slots)
{
    if (!__lsan_unregister_root_region) return;
    for (uint32_t i = 0; i < load_relaxed(&((pgi_slots *)(uintptr_t)slots)->used); i += ROOTS) {
        uint32_t count = slots->max - i < ROOTS ? slots->max - i : ROOTS;
        __lsan_unregister_root_region(slots->base + i, count * sizeof(pg_process));
    }
}
#else
static void show_roots(const pgi_slots *slots, uint32_t before, uint32_t after)
{
    (void)slots, (void)before, (void)after;
}

static void hide_roots(const pgi_slots *slots)
{
    (void)slots;
}
#endif

void pgi_slots_destroy(pgi_slots *slots)
{
    hide_roots(slots);
    munmap(slots->base, slots->bytes);
    pthread_mutex_destroy(&slots->lock);
}

/* A slot that was never used, and is all zeros. */
static pg_process *make_slot(pg_runtime *rt, uint32_t index)
{
    pg_process *p = &rt->slots.base[index];
    store_relaxed(&p->pid, pgi_pid_make(rt->slots.node, rt->slots.first_generation, index).id);
    pgs_mpsc_init(&p->mailbox, false);
    p->rt = rt;
    p->args = &pgi_no_args;
    return p;
}

/* Commits the pages that begin with slots from number `used` on, at each PGI_SLOTS_AHEAD bytes: one call for all of
 * them is cheaper than their faults, by a quarter of the time of a million spawns.  Not for the first slots, which most
 * programs make do with. */
static void commit_ahead(const pgi_slots *slots, uint32_t used)
{
#if defined(MADV_POPULATE_WRITE)
    const uintptr_t mask = PGI_SLOTS_AHEAD - 1, end = (uintptr_t)slots->base + slots->bytes;
    uintptr_t from = ((uintptr_t)(slots->base + used) + mask) & ~mask;
    if (used < PGI_SLOTS_FEW || from >= (uintptr_t)(slots->base + used + PGI_SLOTS_BATCH)) return;
    /* It may fail: there are kernels that do not know it, and then the faults do the same. */
    (void)madvise((void *)from, end - from < PGI_SLOTS_AHEAD ? end - from : PGI_SLOTS_AHEAD, MADV_POPULATE_WRITE);
#else
    (void)slots, (void)used;
#endif
}

/* New ones, under the table's lock. */
static void make_slots(pg_runtime *rt, pgi_slot_cache *cache)
{
    pgi_slots *slots = &rt->slots;
    uint32_t before = load_relaxed(&slots->used), used = before;
    commit_ahead(slots, before);
    while (cache->free_count < PGI_SLOTS_BATCH && used < slots->max) {
        pg_process *p = make_slot(rt, used++);
        p->next_free = cache->free;
        cache->free = p;
        cache->free_count++;
    }
    show_roots(slots, before, used);
    store_relaxed(&slots->used, used); /* a pid of these is handed out only after its id is published */
}

/* Takes some from the table for a cache that has none: used ones first. */
static bool refill(pg_runtime *rt, pgi_slot_cache *cache)
{
    pgi_slots *slots = &rt->slots;
    pthread_mutex_lock(&slots->lock);
    pg_process *list = slots->lists;
    if (list) {
        slots->lists = list->next_list;
        cache->free = list;
        cache->free_count = list->list_count;
    } else {
        make_slots(rt, cache);
    }
    pthread_mutex_unlock(&slots->lock);
    return cache->free_count > 0;
}

pg_process *pgi_slot_first(pg_runtime *rt)
{
    pg_process *p = make_slot(rt, 0);
    pgi_slot_advance(p);
    show_roots(&rt->slots, 0, 1);
    store_relaxed(&rt->slots.used, 1);
    return p;
}

/* Many slots rest: a worker is in a long handler, or has lost its processor.  Two steps make a grace period.  A visitor
 * cannot insist, since it is inside itself. */
static void insist(pg_runtime *rt, pgi_slot_cache *cache)
{
    pgs_epoch *epoch = pgs_sched_epoch(rt->sched);
    if (cache == &rt->foreign.slots) return;
    for (int step = 0; step < 2 && cache->bags >= PGI_BAGS / 2; step++) {
        if (!pgs_epoch_force_advance(epoch)) return;
        empty_bags(rt, cache);
    }
}

PGS_COLD pg_process *pgi_slot_take_rarely(pg_runtime *rt, pgi_slot_cache *cache)
{
    if (unlikely(is_full(rt))) return NULL;
    if (unlikely(cache->free_count == 0)) {
        if (cache == &rt->foreign.slots)
            seal(rt, cache); /* a worker's is sealed when it is idle; this one by nobody else */
        empty_bags(rt, cache);
        if (cache->free_count == 0) insist(rt, cache);
        if (cache->free_count == 0 && !refill(rt, cache)) return NULL;
    }
    pg_process *p = pgi_slot_pop(cache);
    pgi_slot_advance(p);
    return p;
}

void pgi_slots_bag_is_full(pg_runtime *rt, pgi_slot_cache *cache)
{
    pgi_slots_tidy(rt, cache);
    if (unlikely(cache->bags == PGI_BAGS)) insist(rt, cache);
}

void pgi_slots_drop_mail(pg_runtime *rt)
{
    uint32_t used = load_relaxed(&rt->slots.used);
    for (uint32_t i = 0; i < used; i++) drop_mail(rt, &rt->slots.base[i]);
}

void pgi_slots_drain(pg_runtime *rt, pgi_slot_cache *cache)
{
    while (cache->bags > 0) empty_oldest_bag(rt, cache);
    empty_bag(rt, cache, &cache->filling);
}
