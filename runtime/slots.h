/* slots.h - the pid table: control blocks in one reserved region, addressed by number.
 *
 * A pid is (node, generation, index): see pid.h.  The node names the runtime; the index its slot; the
 * generation which of the processes that have lived in that slot.  So finding a process is arithmetic and one
 * comparison, and a stale pid fails the comparison for ever: a slot whose generations are used up is not used again,
 * and a node number is given to another runtime only with generations above all that the one before it used.
 *
 * Reuse.  A sender compares, then exchanges the tail of a mailbox.  Between the two the process may end; the slot must
 * not be another's before the sender is done.  So a slot that is given back rests until an epoch of grace has passed
 * (sched/epoch.h).  Slots rest in bags of PGI_BAG, one stamp for each bag; what senders left in their mailboxes
 * meanwhile is dropped and counted when the bag is emptied.
 *
 * A free slot is clean: what a process leaves behind as the next one needs it is not written again.  `rt` and `args`
 * (none) are set; the mailbox is empty and not idle; `id`, `receivers`, `current`, `received`, `scan`, `extra`,
 * `links`, `watchers`, `defers` and the task's fiber are 0; the token does not say WAITING.  A new slot is made so, and
 * exit.c leaves it so, but for mail: the mailbox is emptied once the slot has rested.
 *
 * Free slots are kept by each worker, newest first, for their lines are warm; what is more than PGI_SLOTS_KEEP goes to
 * the table, as lists of PGI_BAG, and is taken from there so, under a mutex: where one worker spawns what another runs,
 * the mutex and one slot are touched for each list, not for each slot.
 *
 * The table has a reserve of slots beyond those that may be alive, so that what rests or is kept by others is nobody's
 * lack; once so many have been handed out, the living are counted before each spawn. */
#ifndef PGI_SLOTS_H
#define PGI_SLOTS_H

#include <pthread.h>

#include "process.h"

enum {
    PGI_BAG = PGS_TUNED(32, 2),
    PGI_BAGS = PGS_TUNED(64, 2),
    PGI_SLOTS_BATCH = PGS_TUNED(32, 1),
    PGI_SLOTS_KEEP = PGS_TUNED(256, 4)
};

/* Slots beyond those that may be alive: for what rests, and what workers keep. */
enum { PGI_RESERVE = 1 << 18 };

typedef struct pgi_bag {
    pg_process *first;
    unsigned count;
    uint64_t stamp;
} pgi_bag;

/* What a worker, or all foreign threads together under a lock, keep of slots. */
typedef struct pgi_slot_cache {
    pg_process *free;
    unsigned free_count;
    pgi_bag filling;
    pgi_bag resting[PGI_BAGS]; /* a ring, the oldest at `oldest` */
    unsigned oldest, bags;
} pgi_slot_cache;

typedef struct pgi_slots {
    pg_process *base;
    size_t bytes;
    uint32_t max;
    uint32_t node;
    uint32_t first_generation, last_generation; /* of those that its processes may have */
    _Atomic(uint32_t) used;                     /* slots from here on were never handed out */

    pthread_mutex_t lock;
    pg_process *lists; /* free slots, in lists of at most PGI_BAG; under the lock */
} pgi_slots;

/* Reserves address space for `max` processes.  PG_OK or PG_ENOMEM. */
int pgi_slots_init(pgi_slots *slots, uint32_t max, uint32_t node, uint32_t first_generation, uint32_t last_generation);
void pgi_slots_destroy(pgi_slots *slots);

/* The highest generation in use: for whoever gets the node number next.  When nobody uses the table any more. */
uint32_t pgi_slots_highest_generation(const pgi_slots *slots);

/* A clean slot, the generation of its pid advanced; NULL: as many as allowed are in use.  The caller is the cache's one
 * user, and in no look (runtime.h): it may ask for a grace period.  The other one is its path where there is no free
 * slot at hand, or the living have to be counted. */
static inline pg_process *pgi_slot_take(pg_runtime *rt, pgi_slot_cache *cache); /* runtime.h */
pg_process *pgi_slot_take_rarely(pg_runtime *rt, pgi_slot_cache *cache);

/* The slot of index 0, its generation advanced.  Before any other is taken. */
pg_process *pgi_slot_first(pg_runtime *rt);

/* Gives the slot of a process back, clean but for mail.  The other one is for the bag that this has filled. */
static inline void pgi_slot_give(pg_runtime *rt, pgi_slot_cache *cache, pg_process *p);
void pgi_slots_bag_is_full(pg_runtime *rt, pgi_slot_cache *cache);

/* Frees what can be freed, and gives away what others may lack: of a worker that is about to idle. */
void pgi_slots_tidy(pg_runtime *rt, pgi_slot_cache *cache);

/* Empties all mailboxes that rest; when nobody else runs any more. */
void pgi_slots_drain(pg_runtime *rt, pgi_slot_cache *cache);

/* Drops what is in any mailbox; when nobody uses the table any more. */
void pgi_slots_drop_mail(pg_runtime *rt);

static inline uint32_t pgi_slot_index(const pgi_slots *slots, const pg_process *p)
{
    return (uint32_t)(p - slots->base);
}

static inline uint32_t pgi_slot_generation(const pg_process *p)
{
    return pgi_pid_generation(pgi_pid_of(p));
}

static inline void pgi_slot_advance(pg_process *p)
{
    store_relaxed(&p->pid, pgi_pid_of(p).id + (UINT64_C(1) << PGI_INDEX_BITS));
}

/* Whether there is nothing in the mailbox of a process that has ended, and its idle bit is clear. */
static inline bool pgi_slot_has_no_mail(pg_process *p)
{
    return p->mailbox.head == &p->mailbox.anchor && load_relaxed(&p->mailbox.tail) == (uintptr_t)&p->mailbox.anchor;
}

/* From a cache that has some. */
static inline pg_process *pgi_slot_pop(pgi_slot_cache *cache)
{
    pg_process *p = cache->free;
    cache->free = p->next_free;
    cache->free_count--;
    return p;
}

static inline void pgi_slot_give(pg_runtime *rt, pgi_slot_cache *cache, pg_process *p)
{
    p->next_free = cache->filling.first;
    cache->filling.first = p;
    if (unlikely(++cache->filling.count >= PGI_BAG)) pgi_slots_bag_is_full(rt, cache);
}

/* The slot that a pid names, whoever lives there; NULL: out of range. */
static inline pg_process *pgi_slot_of(const pgi_slots *slots, pg_pid pid)
{
    uint32_t index = pgi_pid_index(pid);
    return likely(index < load_relaxed(&((pgi_slots *)(uintptr_t)slots)->used)) ? slots->base + index : NULL;
}

/* The place of the slot that a pid names, which may be out of range: only an address. */
static inline pg_process *pgi_slot_named(const pgi_slots *slots, pg_pid pid)
{
    return slots->base + pgi_pid_index(pid);
}

/* The pid of the process that lives in a slot; null: none does.  The slot must not be another's meanwhile: within a
 * look or a visit, or under its lock. */
static inline pg_pid pgi_slot_pid(const pg_process *p)
{
    uint64_t id = load_acquire(&((pg_process *)(uintptr_t)p)->id); /* partner: publish in spawn.c */
    return id != 0 ? pgi_pid_of(p) : (pg_pid){0};
}

/* Whether the process that a pid names lives in the slot that it names, and has no limits.  It may end at any time; its
 * slot stays its own until the caller's look, or its visit as a visitor, has ended (runtime.h). */
static inline bool pgi_slot_holds(const pgi_slots *slots, pg_process *p, pg_pid pid)
{
    if (unlikely(pgi_pid_index(pid) >= load_relaxed(&((pgi_slots *)(uintptr_t)slots)->used))) return false;
    return likely(load_acquire(&p->id) == pid.id); /* partner: the publishing store in spawn.c */
}

/* Whether it is that process which lives in a slot, with limits or without. */
static inline bool pgi_slot_is(const pg_process *p, pg_pid pid)
{
    uint64_t id = load_acquire(&((pg_process *)(uintptr_t)p)->id); /* partner: publish in spawn.c */
    return likely(id == pid.id) || (id != 0 && pg_same(pgi_pid_of(p), pid));
}

/* The living process that a pid of this table names, or NULL; as above. */
static inline pg_process *pgi_slot_find(const pgi_slots *slots, pg_pid pid)
{
    pg_process *p = pgi_slot_named(slots, pid);
    if (!p) __builtin_unreachable(); /* as callers would look */
    if (unlikely(pgi_pid_index(pid) >= load_relaxed(&((pgi_slots *)(uintptr_t)slots)->used))) return NULL;
    return likely(pgi_slot_is(p, pid)) ? p : NULL;
}

#endif
