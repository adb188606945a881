/* delay.c - messages that are sent later: a table of timers, each with its message, in the wheels of the workers.
 *
 * A timer lies in the wheel of the worker on which it was set (sched/timer.h), and is sent from there: in the callback,
 * under the wheel's lock, by whoever expires the wheel.  Nothing is suspended or spawned for it.
 *
 * A handle is (node, generation, index), 12, 28 and 24 bits.  The generation is odd while the timer is pending, and
 * grows with each end and each use, so a handle never names two timers; an index whose generations are used up is not
 * used again.  The next runtime of the program that gets the number goes on with greater ones, as with pids (node.h).
 *
 *   free --set--> pending --expired, or cancelled: by compare-and-swap of `id`--> its message sent or freed --> free
 *
 * Nearly all timers are cancelled, so that is what is made cheap: a small message is kept in the timer itself, and only
 * becomes a block of its own when it is sent.  Where there is no memory for that the timer tries again.  All that a
 * cancellation needs is in the first cache line of the two, where a million are pending a miss each.
 *
 * Invariants:
 *   1. Whoever makes the generation even owns the timer and its message, and gives it back.
 *   2. Who cancels takes it out of the wheel after that, and so waits for a callback that is under way: it finds the
 *      generation even, and leaves the timer alone.  One that comes again and again may send once more before that;
 *      then it is out of the wheel, before the cancellation returns.
 *
 * The table grows by chunks, each twice as large as the one before, and never shrinks.  What is free is kept by the
 * workers, in two chains each, of which one at a time goes to the table or comes from there: none is walked, since each
 * step would be a miss.  That is the magazines of memory.h, linked by what they hold.
 *
 * Rejected: handles that are refs, of a hash table (a cache miss more at both ends); the block of the message as the
 * timer (blocks are used for other things, so that a stale handle would find anything). */
#include "delay.h"

#include "far.h"
#include "runtime.h"
#include "sched/timer.h"

/* Its own timer comes also where a limit of its mailbox is reached: nobody could be told that it does not. */
enum { ONCE = 0, OWN = -1 };

enum {
    INDEX_BITS = 24,
    FIRST_CHUNK = 1 << 10,
    CHAIN = PGS_TUNED(128, 2), /* free ones that go to the table together */
    SMALL = 3                  /* inline values that a timer has room for */
};

static const uint64_t GENERATION = UINT64_C(1) << INDEX_BITS;
static const uint64_t GENERATION_MAX = (UINT64_C(1) << 28) - 1;

struct pgi_delay {
    pgs_timer timer;
    _Atomic(uint64_t) id; /* the handle, while it is pending: bit 24 is set */
    union {
        pg_pid to;
        pgi_delay *next_free; /* in its chain */
    };
    union {
        int64_t interval;      /* or once: ONCE, or OWN, by whom it is sent to */
        pgi_delay *next_chain; /* of the first in a chain, in the table */
    };
    pg_message small; /* of which units is 0 where there is a block */
    union {
        pg_term terms[SMALL];
        pg_message *block;
    };
};

_Static_assert(sizeof(struct pgi_delay) == (size_t)2 * PGS_CACHE_LINE, "two lines");
_Static_assert(offsetof(struct pgi_delay, small) == PGS_CACHE_LINE, "what is sent is in the second");
_Static_assert(FIRST_CHUNK << PGI_DELAY_CHUNKS == 1 << INDEX_BITS, "an index fits into a handle");

static bool is_pending(uint64_t id)
{
    return id & GENERATION;
}

static uint32_t generation_of(pgi_delay *d)
{
    return (uint32_t)(load_relaxed(&d->id) / GENERATION & GENERATION_MAX);
}

/* ------------------------------------------------------------------------------------------------------- the table */

void pgi_delays_init(pgi_delays *delays)
{
    pthread_mutex_init(&delays->lock, NULL);
}

static unsigned chunk_of(uint32_t index)
{
    return 31 - (unsigned)__builtin_clz((index + FIRST_CHUNK) / FIRST_CHUNK);
}

static size_t chunk_size(unsigned chunk)
{
    return (size_t)FIRST_CHUNK << chunk;
}

static size_t place_in_chunk(uint32_t index)
{
    return index + FIRST_CHUNK - chunk_size(chunk_of(index));
}

static pgi_delay *find(pgi_delays *delays, uint32_t index)
{
    unsigned number = chunk_of(index);
    if (number >= PGI_DELAY_CHUNKS) return NULL;
    pgi_delay *chunk = load_acquire(&delays->chunks[number]); /* partner: take_new */
    return chunk ? chunk + place_in_chunk(index) : NULL;
}

/* One that was never handed out; NULL: as many as there may be, or no memory.  The lock is held. */
static pgi_delay *take_new(pg_runtime *rt, int *status)
{
    pgi_delays *delays = &rt->delays;
    unsigned number = chunk_of(delays->used);
    *status = PG_ELIMIT;
    if (number >= PGI_DELAY_CHUNKS) return NULL;
    pgi_delay *chunk = load_relaxed(&delays->chunks[number]);
    if (!chunk) {
        chunk = pgi_alloc_table(chunk_size(number) * sizeof *chunk);
        *status = PG_ENOMEM;
        if (!chunk) return NULL;
        store_release(&delays->chunks[number], chunk); /* partner: find */
    }
    pgi_delay *d = chunk + place_in_chunk(delays->used);
    store_relaxed(&d->id, pgi_pid_make(rt->node, 0, 0).id | delays->first_generation * GENERATION | delays->used++);
    return d;
}

static void push(pgi_delay_chain *chain, pgi_delay *d)
{
    d->next_free = chain->first;
    chain->first = d;
    chain->count++;
}

/* The chain is not empty. */
static pgi_delay *pop(pgi_delay_chain *chain)
{
    pgi_delay *d = chain->first;
    chain->first = d->next_free;
    chain->count--;
    if (likely(chain->first)) { /* the next one will be written to */
        __builtin_prefetch(&chain->first->timer, 1);
        __builtin_prefetch(&chain->first->small, 1);
    }
    return d;
}

/* Takes a chain from the table, or makes one: of CHAIN, or of fewer where there are no more.  The lock is held. */
static pgi_delay_chain take_chain(pg_runtime *rt, int *status)
{
    pgi_delays *delays = &rt->delays;
    pgi_delay_chain chain = {delays->chains, CHAIN};
    *status = PG_OK;
    if (chain.first) {
        delays->chains = chain.first->next_chain;
        return chain;
    }
    chain.count = 0;
    for (pgi_delay *d; chain.count < CHAIN && (d = take_new(rt, status));) push(&chain, d);
    if (!chain.first) {
        chain = delays->loose;
        delays->loose = (pgi_delay_chain){0};
    }
    return chain;
}

/* Gives a chain of CHAIN to the table.  The lock is held. */
static void give_chain(pgi_delays *delays, pgi_delay_chain *chain)
{
    chain->first->next_chain = delays->chains;
    delays->chains = chain->first;
    *chain = (pgi_delay_chain){0};
}

static void exchange(pgi_delay_cache *cache)
{
    pgi_delay_chain loaded = cache->loaded;
    cache->loaded = cache->spare;
    cache->spare = loaded;
}

/* A chain for a worker that has none. */
static PGS_COLD int refill(pg_runtime *rt, pgi_delay_chain *chain)
{
    int status;
    pthread_mutex_lock(&rt->delays.lock);
    *chain = take_chain(rt, &status);
    pthread_mutex_unlock(&rt->delays.lock);
    return chain->first ? PG_OK : status;
}

static PGS_COLD void spill(pg_runtime *rt, pgi_delay_chain *chain)
{
    pthread_mutex_lock(&rt->delays.lock);
    give_chain(&rt->delays, chain);
    pthread_mutex_unlock(&rt->delays.lock);
}

/* For a thread that is no worker. */
static PGS_COLD pgi_delay *take_loose(pg_runtime *rt, int *status)
{
    pgi_delays *delays = &rt->delays;
    *status = PG_OK;
    pthread_mutex_lock(&delays->lock);
    if (!delays->loose.first) delays->loose = take_chain(rt, status);
    pgi_delay *d = delays->loose.first ? pop(&delays->loose) : NULL;
    pthread_mutex_unlock(&delays->lock);
    if (d) *status = PG_OK;
    return d;
}

static PGS_COLD void give_loose(pg_runtime *rt, pgi_delay *d)
{
    pgi_delays *delays = &rt->delays;
    pthread_mutex_lock(&delays->lock);
    push(&delays->loose, d);
    if (delays->loose.count == CHAIN) give_chain(delays, &delays->loose);
    pthread_mutex_unlock(&delays->lock);
}

/* `local` is the calling worker's own, or NULL. */
static pgi_delay *take(pg_runtime *rt, pgi_local *local, int *status)
{
    if (unlikely(!local)) return take_loose(rt, status);
    pgi_delay_cache *cache = &local->delays;
    *status = PG_OK;
    if (unlikely(!cache->loaded.first)) {
        exchange(cache);
        if (!cache->loaded.first) *status = refill(rt, &cache->loaded);
    }
    return likely(cache->loaded.first) ? pop(&cache->loaded) : NULL;
}

/* Its generation is even already. */
static void give(pg_runtime *rt, pgi_local *local, pgi_delay *d)
{
    if (unlikely(generation_of(d) == GENERATION_MAX - 1)) return; /* used up */
    if (unlikely(!local)) {
        give_loose(rt, d);
        return;
    }
    pgi_delay_cache *cache = &local->delays;
    push(&cache->loaded, d);
    if (unlikely(cache->loaded.count == CHAIN)) {
        exchange(cache);
        if (cache->loaded.count == CHAIN) spill(rt, &cache->loaded);
    }
}

uint32_t pgi_delays_next_generation(const pgi_delays *delays)
{
    uint32_t next = delays->first_generation;
    for (uint32_t i = 0; i < delays->used; i++) {
        uint32_t generation = generation_of(find((pgi_delays *)(uintptr_t)delays, i));
        if (generation >= next) next = (generation + 1) & ~1u; /* one that is pending is even with the next */
    }
    return next < GENERATION_MAX - 1 ? next : UINT32_MAX;
}

/* Its message, which is not sent any more. */
static void drop_message(pgi_cache *cache, pgi_delay *d)
{
    if (unlikely(d->small.units == 0)) pgi_message_free(cache, d->block);
}

void pgi_delays_destroy(pgi_delays *delays)
{
    for (uint32_t i = 0; i < delays->used; i++) {
        pgi_delay *d = find(delays, i);
        if (is_pending(load_relaxed(&d->id))) drop_message(NULL, d);
    }
    for (unsigned i = 0; i < PGI_DELAY_CHUNKS; i++) {
        pgi_delay *chunk = load_relaxed(&delays->chunks[i]);
        pgi_free_table(chunk, chunk_size(i) * sizeof *chunk);
    }
    pthread_mutex_destroy(&delays->lock);
}

/* --------------------------------------------------------------------------------------------------------- the end */

/* Becomes the one who ends it. */
static bool claim(pgi_delay *d, uint64_t id)
{
    /* Acquire: what the timer is; release: that it was.  Partners: another claim, and the store in set. */
    return is_pending(id) && cas_acq_rel(&d->id, &id, id + GENERATION);
}

static void fire_once(pg_runtime *rt, pgi_delay *d, uint64_t id)
{
    pg_message *msg = d->small.units == 0 ? d->block : NULL, *copy = NULL;
    if (!msg && pgi_message_copy(pgi_cache_here(rt), &d->small, &copy) != PG_OK) {
        /* There is no memory: once more, soon. */
        pgs_timer_again(&d->timer, pgs_deadline(PG_MS(1)));
    } else if (!claim(d, id)) {
        if (copy) pgi_message_free(pgi_cache_here(rt), copy);
    } else {
        if (copy) msg = copy;
        if (d->interval == OWN) {
            pgi_send_always(d->to, msg);
        } else {
            pgi_send_as_visitor(d->to, msg);
        }
        give(rt, pgi_local_here(rt), d);
    }
}

/* The next time after now, in the same rhythm. */
static int64_t next_time(const pgi_delay *d)
{
    int64_t now = pgs_now(), passed = now - d->timer.deadline;
    int64_t left = d->interval - (passed > 0 ? passed % d->interval : passed);
    return left < PGS_NEVER - now ? now + left : PGS_NEVER;
}

static void fire_again(pg_runtime *rt, pgi_delay *d, uint64_t id)
{
    pg_message *copy;
    const pg_message *msg = d->small.units == 0 ? d->block : &d->small;
    int status = pgi_message_copy(pgi_cache_here(rt), msg, &copy);
    if (status == PG_OK) status = pgi_send_as_visitor(d->to, copy);
    if (status != PG_ENOPROC) {
        pgs_timer_again(&d->timer, next_time(d));
    } else if (claim(d, id)) {
        drop_message(pgi_cache_here(rt), d);
        give(rt, pgi_local_here(rt), d);
    }
}

static void fire(pgs_timer *timer)
{
    pgi_delay *d = container_of(timer, pgi_delay, timer);
    pg_runtime *rt = ((const pgi_local *)pgs_timer_local(timer))->rt;
    uint64_t id = load_relaxed(&d->id);
    if (!is_pending(id)) return;
    if (d->interval <= ONCE) {
        fire_once(rt, d, id);
    } else {
        fire_again(rt, d, id);
    }
}

bool pg_cancel_timer(pg_timer timer)
{
    pgi_visit visit;
    pgi_visit_pid(&visit, (pg_pid){timer.id}); /* which begins with the node, too */
    pg_runtime *rt = visit.rt;
    pgi_delay *d = rt ? find(&rt->delays, (uint32_t)(timer.id & (GENERATION - 1))) : NULL;
    bool mine = d && claim(d, timer.id);
    if (mine) {
        pgs_timer_cancel(&d->timer);
        drop_message(pgi_visit_cache(&visit), d);
        give(rt, visit.local, d);
    }
    pgi_leave(&visit);
    return mine;
}

int pg_timer_status(pg_timer timer)
{
    pg_pid as_pid = {timer.id};
    return pg_pid_status(as_pid);
}

/* ---------------------------------------------------------------------------------------------------------- the set */

/* Makes its message, in the timer if it is small. */
static int build(pgi_local *local, pgi_delay *d, size_t count, const pg_value *values)
{
    if (unlikely(count > 0 && !values)) return PG_EINVAL;
    d->small = (pg_message){.units = sizeof(pg_message) / PGI_UNIT + SMALL, .count = (uint16_t)count, .kind = PGI_USER};
    if (likely(count <= SMALL) && likely(pgi_copy_small(d->terms, count, values))) return PG_OK;
    d->small.units = 0;
    return pgi_message_build(local ? &local->cache : NULL, count, values, &d->block);
}

static pg_timer refused(int status)
{
    return (pg_timer){pgi_refused(status).id};
}

static pg_timer set(pg_process *self, pg_pid to, int64_t delay, int64_t interval, size_t count, const pg_value *values)
{
    pg_runtime *rt = self->rt;
    pgi_local *local = pgi_local_here(rt);
    int status;
    pgi_delay *d = take(rt, local, &status);
    if (unlikely(!d)) return refused(status);
    status = build(local, d, count, values);
    if (unlikely(status != PG_OK)) {
        give(rt, local, d);
        return refused(status);
    }
    uint64_t id = load_relaxed(&d->id) + GENERATION;
    pgs_timer_init(&d->timer, fire);
    d->to = to;
    d->interval = interval;
    store_release(&d->id, id); /* partner: claim */
    pgs_timer_set(rt->sched, &d->timer, pgs_deadline(delay));
    return (pg_timer){id};
}

/* The runtime of one that is attached may be stopped meanwhile, with the wheels. */
static PGS_COLD pg_timer set_as_visitor(pg_process *self, pg_pid to, int64_t delay, int64_t interval, size_t count,
                                        const pg_value *values)
{
    pgi_visit visit;
    pgi_visit_runtime(&visit, self->rt);
    pg_timer timer = visit.rt ? set(self, to, delay, interval, count, values) : refused(PG_ESTOPPED);
    pgi_leave(&visit);
    return timer;
}

pg_timer pg_send_after_values(pg_process *self, pg_pid pid, int64_t delay, size_t count, const pg_value *values)
{
    if (!self || pgi_pid_node(pid) == 0) return refused(PG_EINVAL);
    int64_t interval = pg_same(pid, pgi_pid_of(self)) ? OWN : ONCE;
    if (unlikely(self->attached)) return set_as_visitor(self, pid, delay, interval, count, values);
    return set(self, pid, delay, interval, count, values);
}

pg_timer pg_send_every_values(pg_process *self, pg_pid pid, int64_t interval, size_t count, const pg_value *values)
{
    if (!self || interval <= 0 || pgi_pid_node(pid) == 0) return refused(PG_EINVAL);
    if (unlikely(self->attached)) return set_as_visitor(self, pid, interval, interval, count, values);
    return set(self, pid, interval, interval, count, values);
}
