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
 * Invariants:
 *   1. Whoever makes the generation even owns the timer and its message, and gives it back.
 *   2. Who cancels takes it out of the wheel after that, and so waits for a callback that is under way: it finds the
 *      generation even, and leaves the timer alone.  One that comes again and again may send once more before that;
 *      then it is out of the wheel, before the cancellation returns.
 *
 * The table grows by chunks, each twice as large as the one before, and never shrinks; what is free is kept by the
 * workers, in lists that go to the table and come from there.
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
    KEEP = 256, /* free ones at a worker; half of them go to the table, or come from there */
    BATCH = 128
};

static const uint64_t GENERATION = UINT64_C(1) << INDEX_BITS;
static const uint64_t GENERATION_MAX = (UINT64_C(1) << 28) - 1;

struct pgi_delay {
    pgs_timer timer;
    _Atomic(uint64_t) id; /* the handle, while it is pending: bit 24 is set */
    pg_pid to;
    pg_message *msg;
    int64_t interval; /* or once: ONCE, or OWN, by whom it is sent to */
    union {
        pg_runtime *rt;
        pgi_delay *next_free;
    };
};

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
        chunk = pgi_alloc_zero(chunk_size(number) * sizeof *chunk);
        *status = PG_ENOMEM;
        if (!chunk) return NULL;
        store_release(&delays->chunks[number], chunk); /* partner: find */
    }
    pgi_delay *d = chunk + place_in_chunk(delays->used);
    store_relaxed(&d->id, pgi_pid_make(rt->node, 0, 0).id | delays->first_generation * GENERATION | delays->used++);
    return d;
}

/* Fills a cache, for one at least. */
static int refill(pg_runtime *rt, pgi_delay_cache *cache)
{
    pgi_delays *delays = &rt->delays;
    int status = PG_OK;
    pthread_mutex_lock(&delays->lock);
    while (cache->count < BATCH) {
        pgi_delay *d = delays->free;
        if (d) {
            delays->free = d->next_free;
        } else {
            d = take_new(rt, &status);
        }
        if (!d) break;
        d->next_free = cache->free;
        cache->free = d;
        cache->count++;
    }
    pthread_mutex_unlock(&delays->lock);
    return cache->free ? PG_OK : status;
}

/* Gives all but `keep` back to the table. */
static void spill(pg_runtime *rt, pgi_delay_cache *cache, unsigned keep)
{
    pthread_mutex_lock(&rt->delays.lock);
    while (cache->count > keep) {
        pgi_delay *d = cache->free;
        cache->free = d->next_free;
        cache->count--;
        d->next_free = rt->delays.free;
        rt->delays.free = d;
    }
    pthread_mutex_unlock(&rt->delays.lock);
}

/* `local` is the calling worker's own, or NULL. */
static pgi_delay *take(pg_runtime *rt, pgi_local *local, int *status)
{
    pgi_delay_cache none = {0}, *cache = local ? &local->delays : &none;
    *status = likely(cache->free) ? PG_OK : refill(rt, cache);
    pgi_delay *d = cache->free;
    if (unlikely(!d)) return NULL;
    cache->free = d->next_free;
    cache->count--;
    if (unlikely(none.count > 0)) spill(rt, &none, 0);
    return d;
}

/* Its generation is even already. */
static void give(pg_runtime *rt, pgi_local *local, pgi_delay *d)
{
    pgi_delay_cache none = {0}, *cache = local ? &local->delays : &none;
    if (unlikely(generation_of(d) == GENERATION_MAX - 1)) return; /* used up */
    d->next_free = cache->free;
    cache->free = d;
    if (unlikely(++cache->count > (local ? KEEP : 0))) spill(rt, cache, local ? BATCH : 0);
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

void pgi_delays_destroy(pgi_delays *delays)
{
    for (uint32_t i = 0; i < delays->used; i++) {
        pgi_delay *d = find(delays, i);
        if (is_pending(load_relaxed(&d->id))) pgi_message_free(NULL, d->msg);
    }
    for (unsigned i = 0; i < PGI_DELAY_CHUNKS; i++) {
        pgi_delay *chunk = load_relaxed(&delays->chunks[i]);
        if (chunk) pgi_free(chunk, chunk_size(i) * sizeof *chunk);
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

static void fire_once(pgi_delay *d)
{
    if (!claim(d, load_relaxed(&d->id))) return;
    pg_runtime *rt = d->rt;
    if (d->interval == OWN) {
        pgi_send_always(d->to, d->msg);
    } else {
        pgi_send_as_visitor(d->to, d->msg);
    }
    give(rt, pgi_local_here(rt), d);
}

/* The next time after now, in the same rhythm. */
static int64_t next_time(const pgi_delay *d)
{
    int64_t now = pgs_now(), passed = now - d->timer.deadline;
    int64_t left = d->interval - (passed > 0 ? passed % d->interval : passed);
    return left < PGS_NEVER - now ? now + left : PGS_NEVER;
}

static void fire_again(pgi_delay *d)
{
    pg_message *copy;
    uint64_t id = load_relaxed(&d->id);
    if (!is_pending(id)) return;
    int status = pgi_message_copy(pgi_cache_here(d->rt), d->msg, &copy);
    if (status == PG_OK) status = pgi_send_as_visitor(d->to, copy);
    if (status != PG_ENOPROC) {
        pgs_timer_again(&d->timer, next_time(d));
    } else if (claim(d, id)) {
        pg_runtime *rt = d->rt;
        pgi_message_free(pgi_cache_here(rt), d->msg);
        give(rt, pgi_local_here(rt), d);
    }
}

static void fire(pgs_timer *timer)
{
    pgi_delay *d = container_of(timer, pgi_delay, timer);
    if (d->interval <= ONCE) {
        fire_once(d);
    } else {
        fire_again(d);
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
        pgi_message_free(pgi_visit_cache(&visit), d->msg);
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

static int build(pgi_local *local, size_t count, const pg_value *values, pg_message **out)
{
    *out = local ? pgi_message_small(&local->cache, count, values) : NULL;
    return likely(*out) ? PG_OK : pgi_message_build(local ? &local->cache : NULL, count, values, out);
}

static pg_timer refused(int status)
{
    return (pg_timer){pgi_refused(status).id};
}

static pg_timer set(pg_process *self, pg_pid to, int64_t delay, int64_t interval, size_t count, const pg_value *values)
{
    pg_runtime *rt = self->rt;
    pgi_local *local = pgi_local_here(rt);
    pg_message *msg;
    int status = count > 0 && !values ? PG_EINVAL : build(local, count, values, &msg);
    if (unlikely(status != PG_OK)) return refused(status);
    pgi_delay *d = take(rt, local, &status);
    if (unlikely(!d)) {
        pgi_message_free(local ? &local->cache : NULL, msg);
        return refused(status);
    }
    uint64_t id = load_relaxed(&d->id) + GENERATION;
    pgs_timer_init(&d->timer, fire);
    d->to = to;
    d->msg = msg;
    d->interval = interval;
    d->rt = rt;
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
