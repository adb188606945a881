/* timer.c - hierarchical timing wheel: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme
 * 7 (section 6.2), with bitmaps instead of a tick that visits empty slots.
 *
 * Called by workers (sleeps and timeouts, expiry between slices and before parking), by whoever wakes a sleeper
 * early, and by the monitor, which expires the wheel of a stuck worker.
 *
 * Time is cut into ticks of 2^17 ns.  A timer belongs to the first tick that begins at or after its deadline, so it
 * is never early and less than 0.14 ms late.  Ticks are written in base 64; a timer lies at the level of the highest
 * digit in which its tick differs from the wheel's, in the slot that this digit names.  Eight levels hold every
 * int64_t.
 *
 * Invariants, whenever the lock is free:
 *  1. wheel.tick only grows, and no timer that is not in `moving` belongs to an earlier slot.
 *  2. A timer at level l > 0 agrees with wheel.tick in the digits above l and is greater in digit l.  Hence each
 *     timer of a level is before each of the next level, a level's slots are in the order of their bits, and the
 *     earliest slot of all is the lowest bit of the lowest level that has one: no rotation, no search.
 *  3. At level 0 the slot of wheel.tick itself may be in use: timers added after their tick had come.
 *  4. slots and levels have a bit set exactly where a ring has a timer.  A cancellation that empties a ring clears
 *     it, so that a cancelled timeout wakes nobody.
 *  5. next is the time of the earliest slot, or of wheel.tick while `moving` has a timer.  Moving wheel.tick up to
 *     any tick before the earliest slot breaks none of this: the digits above the slot's level cannot change on the
 *     way.
 *  6. A timer is out of its ring before its callback is called, and the callback runs under the lock: who holds the
 *     lock and finds a timer unlinked knows that its callback has returned.
 *
 * A slot whose time has come goes as a whole into `moving`; from there each timer fires or goes down, and every BATCH
 * timers the lock is let go, so that a slot of a hundred thousand does not hold up a cancellation for all that time.
 *
 * The lock is a word with a futex behind a short spin (Drepper, "Futexes Are Tricky", mutex 2): sections are some ten
 * nanoseconds long and mostly the owner's, so the cost of an uncontended pair is what matters, two atomic exchanges.
 *
 * Rejected: a pthread mutex, 40 bytes and two library calls for the same; a pure spin lock, because on a machine with
 * fewer cores than threads a preempted holder burns everybody's time slices; cancellation by a message to the owner,
 * since the memory of a timer on a stack must be free when cancel returns, and the owner may be stuck in a system
 * call; a heap, logarithmic for the common case, the timeout that is cancelled; finer ticks, since waking a sleeping
 * core takes 0.04 ms and more, and nearby deadlines would cost a wake-up each. */
#include "timer.h"

enum { FREE, HELD, CONTENDED };

#if defined(PGS_MODEL)

enum { SPINS = 1, BATCH = 2 }; /* fewer steps; several batches */

#define futex_wait(word, value) ((void)model_futex_wait((word), (value), PGS_NEVER))
#define futex_wake(word) model_futex_wake(word)

#else

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = PGS_TUNED(100, 1), BATCH = PGS_TUNED(64, 1) };

static PGS_COLD void futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
    int saved = errno;
    syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
    errno = saved;
}

#define futex_wait(word, value) futex((word), FUTEX_WAIT_PRIVATE, (value))
#define futex_wake(word) futex((word), FUTEX_WAKE_PRIVATE, 1)

#endif

static PGS_COLD void lock_slowly(pgs_wheel *w)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t expected = FREE;
        /* partner: unlock */
        if (load_relaxed(&w->lock) == FREE && cas_acquire(&w->lock, &expected, HELD)) return;
        cpu_relax();
    }
    /* Having slept, the new holder cannot know whether others still do, so it takes the lock as contended.
     * partner: unlock */
    while (xchg_acquire(&w->lock, CONTENDED) != FREE) futex_wait(&w->lock, CONTENDED);
}

static inline void lock(pgs_wheel *w)
{
    uint32_t expected = FREE;
    /* partner: unlock */
    if (unlikely(!cas_acquire(&w->lock, &expected, HELD))) lock_slowly(w);
}

static inline void unlock(pgs_wheel *w)
{
    /* partners: lock, lock_slowly */
    if (unlikely(xchg_release(&w->lock, FREE) == CONTENDED)) futex_wake(&w->lock);
}

/* The first tick that begins at or after a time. */
static inline uint64_t tick_after(int64_t time)
{
    return time <= 0 ? 0 : ((uint64_t)time + (PGS_WHEEL_TICK_NS - 1)) >> PGS_WHEEL_TICK_SHIFT;
}

/* When a tick begins; the one at 2^63 ns is beyond what a clock can say. */
static inline int64_t tick_time(uint64_t tick)
{
    return tick > (uint64_t)INT64_MAX >> PGS_WHEEL_TICK_SHIFT ? PGS_NEVER : (int64_t)(tick << PGS_WHEEL_TICK_SHIFT);
}

static inline bool ring_empty(const pgs_timer_link *ring)
{
    return ring->next == ring;
}

static inline void ring_append(pgs_timer_link *ring, pgs_timer_link *link)
{
    link->next = ring;
    link->prev = ring->prev;
    ring->prev->next = link;
    ring->prev = link;
}

/* The earliest slot that has a timer; there must be one.  Its index in rings; *tick: when it begins. */
static inline unsigned earliest_slot(const pgs_wheel *w, uint64_t *tick)
{
    unsigned level = (unsigned)__builtin_ctz(w->levels);
    unsigned slot = (unsigned)__builtin_ctzll(w->slots[level]);
    unsigned shift = level * PGS_WHEEL_BITS;
    *tick = (w->tick >> (shift + PGS_WHEEL_BITS) << PGS_WHEEL_BITS | slot) << shift;
    return level * PGS_WHEEL_SLOTS + slot;
}

/* Brings `next` up to date (invariant 5), leaving the line alone that others read if nothing changed. */
static inline void refresh_next(pgs_wheel *w)
{
    int64_t next = PGS_NEVER;
    if (unlikely(!ring_empty(&w->moving))) {
        next = tick_time(w->tick);
    } else if (w->levels) {
        uint64_t tick;
        earliest_slot(w, &tick);
        next = tick_time(tick);
    }
    if (load_relaxed(&w->next) != next) store_relaxed(&w->next, next);
}

static inline void clear_slot(pgs_wheel *w, unsigned index)
{
    unsigned level = index / PGS_WHEEL_SLOTS;
    w->slots[level] &= ~((uint64_t)1 << index % PGS_WHEEL_SLOTS);
    if (!w->slots[level]) w->levels &= ~(1u << level);
}

/* Puts a timer where invariant 2 wants it.  Returns whether the slot was empty, so that `next` may have changed. */
static inline bool insert(pgs_wheel *w, pgs_timer *timer)
{
    uint64_t tick = tick_after(timer->deadline);
    if (tick < w->tick) tick = w->tick;
    uint64_t differs = (tick ^ w->tick) | 1;
    unsigned level = (63 - (unsigned)__builtin_clzll(differs)) / PGS_WHEEL_BITS;
    unsigned slot = tick >> level * PGS_WHEEL_BITS & (PGS_WHEEL_SLOTS - 1);
    uint64_t bit = (uint64_t)1 << slot;

    ring_append(&w->rings[level * PGS_WHEEL_SLOTS + slot], &timer->link);
    if (w->slots[level] & bit) return false;
    w->slots[level] |= bit;
    w->levels |= 1u << level;
    return true;
}

/* Takes a pending timer out of its ring.  Returns whether the ring became empty. */
static inline bool take_out(pgs_wheel *w, pgs_timer *timer)
{
    pgs_timer_link *next = timer->link.next, *prev = timer->link.prev;
    next->prev = prev;
    prev->next = next;
    timer->link.next = NULL;
    if (next != prev) return false;
    /* Two neighbours that are one: the ring's head, whose place says which slot it is, and nothing else is left. */
    if (next != &w->moving) clear_slot(w, (unsigned)(next - w->rings));
    return true;
}

/* Moves on to the next timer that is to be handled by `target`, into `moving`.  false: none is left. */
static bool advance(pgs_wheel *w, uint64_t target)
{
    /* Another thread, with a later clock, was here after the caller had looked at `next`, or is in the gap between two
     * of its batches: the rest is its own to do. */
    if (w->tick > target) return false;
    if (!ring_empty(&w->moving)) return true;
    uint64_t tick = 0;
    unsigned index = w->levels ? earliest_slot(w, &tick) : 0;
    if (!w->levels || tick > target) {
        w->tick = target;
        return false;
    }
    w->tick = tick;
    pgs_timer_link *ring = &w->rings[index];
    w->moving = *ring;
    w->moving.next->prev = w->moving.prev->next = &w->moving;
    ring->next = ring->prev = ring;
    clear_slot(w, index);
    return true;
}

void pgs_wheel_init(pgs_wheel *w, int64_t now)
{
    *w = (pgs_wheel){.next = PGS_NEVER, .tick = now <= 0 ? 0 : (uint64_t)now >> PGS_WHEEL_TICK_SHIFT};
    w->moving.next = w->moving.prev = &w->moving;
    for (size_t i = 0; i < sizeof w->rings / sizeof *w->rings; i++) {
        w->rings[i].next = w->rings[i].prev = &w->rings[i];
    }
}

static void remove_pending(pgs_wheel *w, pgs_timer *timer)
{
    if (take_out(w, timer)) refresh_next(w);
    store_relaxed(&w->pending, load_relaxed(&w->pending) - 1);
}

static bool add(pgs_wheel *w, pgs_timer *timer, int64_t deadline)
{
    bool earlier = false;
    pgs_assert(!timer->link.next);
    timer->deadline = deadline;
    timer->wheel = w;
    if (insert(w, timer)) {
        int64_t before = load_relaxed(&w->next);
        refresh_next(w);
        earlier = load_relaxed(&w->next) < before;
    }
    store_relaxed(&w->pending, load_relaxed(&w->pending) + 1);
    return earlier;
}

bool pgs_wheel_add(pgs_wheel *w, pgs_timer *timer, int64_t deadline)
{
    lock(w);
    bool earlier = add(w, timer, deadline);
    unlock(w);
    return earlier;
}

bool pgs_wheel_add_with(pgs_wheel *w, pgs_timer *timer, int64_t deadline, bool (*commit)(void *), void *arg)
{
    lock(w);
    /* Whoever wakes the sleeper after its commit has it cancel the timer, which waits for this lock. */
    add(w, timer, deadline);
    bool committed = commit(arg);
    if (!committed) remove_pending(w, timer);
    unlock(w);
    return committed;
}

void pgs_timer_again(pgs_timer *timer, int64_t deadline)
{
    pgs_wheel *w = timer->wheel;
    timer->deadline = deadline;
    insert(w, timer); /* `next` is brought up to date by whoever called the callback */
    store_relaxed(&w->pending, load_relaxed(&w->pending) + 1);
}

bool pgs_timer_cancel(pgs_timer *timer)
{
    pgs_wheel *w = timer->wheel;
    if (!w) return false;
    lock(w);
    bool pending = timer->link.next;
    if (pending) remove_pending(w, timer);
    unlock(w);
    return pending;
}

unsigned pgs_wheel_expire_due(pgs_wheel *w, int64_t now)
{
    if (now < 0) return 0;
    uint64_t target = (uint64_t)now >> PGS_WHEEL_TICK_SHIFT;
    unsigned fired = 0, handled = 0;
    lock(w);
    while (advance(w, target)) {
        pgs_timer *timer = container_of(w->moving.next, pgs_timer, link);
        take_out(w, timer);
        if (tick_after(timer->deadline) <= w->tick) {
            store_relaxed(&w->pending, load_relaxed(&w->pending) - 1);
            timer->fire(timer);
            fired++;
        } else {
            insert(w, timer);
        }
        if (++handled % BATCH == 0) {
            refresh_next(w);
            unlock(w);
            lock(w);
        }
    }
    refresh_next(w);
    unlock(w);
    return fired;
}
