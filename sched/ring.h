/* ring.h - a ring of bytes in shared memory: one writer and one reader in two address spaces, records of any size,
 * and a peer that may be hostile.
 *
 * The bridges between OS processes move their frames through a pair of these, one each way, that lie in one memfd.
 * The data is mapped twice, back to back, so that whatever begins inside the ring is contiguous, past its end as
 * well. An index counts all bytes ever written or released and never wraps; its low bits are the position.
 *
 * A side that finds nothing to do announces that, and sleeps by whatever means it likes. The other side looks for an
 * announcement after each batch, and who takes it away has, alone, the duty to ring the sleeper's doorbell. So a
 * doorbell is rung once for one sleep, and no system call is made while both sides are busy.
 *
 *     writer: reserve, write, commit, ..., reader_sleeps: ring     reserve says NULL: writer_sleep, wait for the bell
 *     reader: peek, copy, release, ..., writer_wake: ring          peek says NULL: reader_sleep, wait for the bell
 *
 * Invariants:
 *   1. head <= tail <= head + capacity, all multiples of 16.
 *   2. Each side's own index lives in its private memory, and is only published in the shared page: what is read
 *      there is never this side's own. The peer's index is loaded once, then checked: it has to be within invariant
 *      1 and not behind what was seen of it before. If it is not, the ring is broken for good, and empty or full for
 *      this side.
 *   3. Hence the addresses that reserve and peek return are inside the two mappings, and the number of bytes at most
 *      the capacity, whatever the peer writes and whenever. What the bytes say is another matter: they may change
 *      while they are read, so a reader copies before it judges.
 *   4. Bytes between tail and head + capacity belong to the writer, those between head and tail to the reader; handed
 *      over by commit (release) to peek (acquire), and by release (release) to reserve (acquire).
 *   5. Sleeping: the sleeper stores its announcement, then loads the other's index; the other stores its index, then
 *      loads the announcement; between the two a full fence on both sides. So one of them sees the other.
 *   6. reader_sleeps is set by the reader only, writer_waits by the writer only, and each is cleared by both. A bell
 *      may thus come for an announcement that was withdrawn at the same moment: sleepers look again when they wake.
 *   7. A record becomes visible as a whole, by its commit: a peer that is killed at any instruction leaves whole
 *      records.
 *
 * Who may call with whom: the writer's functions and the reader's at the same time; two of one side never. A side
 * may move between threads when the hand-over orders them.
 *
 * The lines of the shared page have one purpose each: the index of a busy side must not take the other's
 * announcement, which is looked at after each batch and hardly ever changes, out of a cache.
 *
 * Rejected: slots of a fixed size (a letter of 100 bytes and one of 10,000 would both pay for the larger); a length
 * that says "go on at the start" at the end of the data (wastes up to one record, and is one more thing that a
 * hostile writer can say); a lock or a robust mutex (its owner dies by kill -9, or holds it for ever); lengths in
 * front of records as the only index (a reader would trust them for where to look next, and could not release in
 * batches); ringing whenever the ring was empty before (a system call for each message of a reader that polls). */
#ifndef PGS_RING_H
#define PGS_RING_H

#include "atomic.h"
#include "base.h"
#include "hostile.h"

/* Records begin at multiples of it, and so do lengths. */
#define PGS_RING_UNIT ((size_t)16)

/* What a ring holds unless somebody asks for something else. */
#define PGS_RING_CAPACITY ((size_t)PGS_TUNED(256, 16) * 1024)

/* Bytes ahead of the last record whose lines the writer asks for: the reader has them from the last time round, and a
 * writer that meets them one by one, with an atomic operation between two records, waits for each. */
#define PGS_RING_AHEAD ((size_t)1024)

/* Bytes set aside in the memory of a pair that belong to no ring. */
#define PGS_RING_WORDS ((size_t)4096)

/* In shared memory, zero at first. */
typedef struct pgs_ring_shared {
    PGS_ALIGNED _Atomic(uint64_t) tail;          /* writer: bytes ever committed */
    PGS_ALIGNED _Atomic(uint64_t) head;          /* reader: bytes ever released */
    PGS_ALIGNED _Atomic(uint32_t) reader_sleeps; /* 1: the reader wants the doorbell */
    _Atomic(uint32_t) reader_place;              /* where the reader was when it looked last: see pgs_ring_reader_at */
    PGS_ALIGNED _Atomic(uint64_t) writer_waits; /* the head from which on the writer wants the doorbell, plus 1; or 0 */
} pgs_ring_shared;

typedef struct pgs_ring_writer {
    pgs_ring_shared *shared;
    unsigned char *data; /* mapped twice */
    uint64_t mask;       /* capacity - 1 */
    uint64_t tail;       /* its own index */
    uint64_t limit;      /* the last head that it has seen + capacity; tail, when broken */
    bool broken;
} pgs_ring_writer;

typedef struct pgs_ring_reader {
    pgs_ring_shared *shared;
    const unsigned char *data; /* mapped twice */
    uint64_t mask;             /* capacity - 1 */
    uint64_t head;             /* its own index */
    uint64_t tail;             /* the last tail that it has seen; head, when broken */
    bool broken;
} pgs_ring_reader;

/* One side's view of the memory of two rings. */
typedef struct pgs_ring_pair {
    pgs_ring_writer writer;
    pgs_ring_reader reader;
    void *words; /* PGS_RING_WORDS bytes, zero at first, that both sides may use as they agree */
    void *base;
    size_t size;
} pgs_ring_pair;

/* Makes the memory of two rings that hold `capacity` bytes each: a power of two and at least a page. Returns a
 * descriptor of it, closed on exec, or a negative errno: -EINVAL: the capacity; -ENOMEM, -ENOSPC, -EMFILE, ...: what
 * the system said. The memory is allocated now, and its size is sealed, so that nobody's later access can fail for
 * want of memory or because the peer has made the file shorter. Any thread. */
int pgs_ring_memory(size_t capacity);

/* Maps the memory of `fd`, which stays the caller's and may be closed at once. Side 0 writes the first ring and
 * reads the second, side 1 the other way round; each side is mapped once in its life, before anything was written by
 * it. 0, or a negative errno: -EINVAL: this is no such memory, or its size is not sealed. */
int pgs_ring_pair_map(pgs_ring_pair *pair, int fd, int side);

/* Takes the mapping away, and with it all that peek and reserve have returned. A zeroed pair is let pass. */
void pgs_ring_pair_unmap(pgs_ring_pair *pair);

/* The two sides of a ring in memory that somebody else has mapped: `data` twice, `capacity` bytes each time; *shared
 * zero. */
static inline void pgs_ring_writer_init(pgs_ring_writer *w, pgs_ring_shared *shared, void *data, size_t capacity)
{
    *w = (pgs_ring_writer){.shared = shared, .data = data, .mask = capacity - 1, .limit = capacity};
}

static inline void pgs_ring_reader_init(pgs_ring_reader *r, pgs_ring_shared *shared, const void *data, size_t capacity)
{
    *r = (pgs_ring_reader){.shared = shared, .data = data, .mask = capacity - 1};
}

/* Whether the peer has written an index that cannot be, into either ring. Then that ring stays as it is: nothing to
 * read, no room, nobody to wake. A caller that gets NULL looks here before it goes to sleep. */
static inline bool pgs_ring_is_broken(const pgs_ring_pair *pair)
{
    return pair->writer.broken || pair->reader.broken;
}

/* ------------------------------------------------------------------------------------------------------- the writer */

/* Looks how far the reader is. Returns the room in bytes. */
static inline uint64_t pgs_ring_writer_look(pgs_ring_writer *w)
{
    if (unlikely(w->broken)) return 0;
    uint64_t head = load_acquire(&w->shared->head); /* partner: pgs_ring_release; it may be overwritten */
    uint64_t used = w->tail - head, used_before = w->tail + w->mask + 1 - w->limit;
    if (unlikely(used > used_before || used % PGS_RING_UNIT)) {
        w->broken = true;
        w->limit = w->tail;
        return 0;
    }
    w->limit = head + w->mask + 1;
    return w->limit - w->tail;
}

/* Room for `bytes` contiguous bytes, a multiple of 16, at an address that is one, too; or NULL: there is none now, or
 * not ever, since `bytes` is more than the capacity or the ring is broken. Reserving again before the commit gives
 * the same address: so room can be asked for in steps. */
static inline void *pgs_ring_reserve(pgs_ring_writer *w, size_t bytes)
{
    if (unlikely(bytes > w->limit - w->tail) && bytes > pgs_ring_writer_look(w)) return NULL;
    return w->data + (w->tail & w->mask);
}

/* Publishes the first `bytes` of what was reserved, a multiple of 16. Nothing happens when the ring is broken. */
static inline void pgs_ring_commit(pgs_ring_writer *w, size_t bytes)
{
    if (unlikely(bytes > w->limit - w->tail || bytes % PGS_RING_UNIT)) {
        pgs_assert(w->broken);
        return;
    }
    w->tail += bytes;
    store_release(&w->shared->tail, w->tail); /* partner: pgs_ring_reader_look; publishes the records */
    if (unlikely(w->limit - w->tail < PGS_RING_AHEAD + 2 * PGS_CACHE_LINE)) return; /* the reader's, for all we know */
    const unsigned char *ahead = w->data + (w->tail & w->mask) + PGS_RING_AHEAD;
    prefetch_to_write(ahead);
    prefetch_to_write(ahead + PGS_CACHE_LINE);
}

/* After one or more commits, and before this side sleeps: true when the reader has announced that it sleeps. The
 * announcement is gone then, and this caller must ring the reader's doorbell. */
static inline bool pgs_ring_reader_sleeps(pgs_ring_writer *w)
{
    pgs_delay(PGS_AT_BELL);
    fence_seq_cst(); /* partner: the fence in pgs_ring_reader_sleep: it sees the tail, or this the announcement */
    return unlikely(load_relaxed(&w->shared->reader_sleeps)) && xchg_relaxed(&w->shared->reader_sleeps, 0);
}

/* The same for whoever has just given the writer's part up by an atomic read-modify-write, and so may call it no longer
 * being the writer. */
static inline bool pgs_ring_reader_slept(pgs_ring_writer *w)
{
    pgs_delay(PGS_AT_BELL);
    fence_after_rmw(); /* as above */
    return unlikely(load_relaxed(&w->shared->reader_sleeps)) && xchg_relaxed(&w->shared->reader_sleeps, 0);
}

/* Takes back the announcement of pgs_ring_writer_sleep(), for a writer that was woken by something else. */
static inline void pgs_ring_writer_awake(pgs_ring_writer *w)
{
    store_relaxed(&w->shared->writer_waits, 0);
}

/* Whether a writer that has announced that it waits has got what it wants. Any thread; a hint. */
static inline bool pgs_ring_writer_may_go_on(const pgs_ring_shared *shared)
{
    uint64_t wanted = load_relaxed(&((pgs_ring_shared *)(uintptr_t)shared)->writer_waits);
    return wanted == 0 || (int64_t)(load_relaxed(&((pgs_ring_shared *)(uintptr_t)shared)->head) + 1 - wanted) >= 0;
}

/* Announces that the writer waits for room for `bytes`, at most the capacity. True: it may sleep, and its doorbell
 * is rung when there is that much room; asking for more than the next record needs, half a ring say, makes for fewer
 * bells. False: no announcement stands, for there is room now or the ring is broken. */
static inline bool pgs_ring_writer_sleep(pgs_ring_writer *w, size_t bytes)
{
    pgs_assert(bytes <= w->mask + 1);
    if (w->broken || bytes <= w->limit - w->tail) return false;
    store_relaxed(&w->shared->writer_waits, (w->tail + bytes - w->mask - 1) | 1);
    fence_seq_cst(); /* partner: pgs_ring_writer_wake's fence: it sees the announcement, or this the head */
    uint64_t room = pgs_ring_writer_look(w);
    if (likely(room < bytes && !w->broken)) return true;
    pgs_ring_writer_awake(w);
    return false;
}

/* ------------------------------------------------------------------------------------------------------- the reader */

/* Looks how far the writer is. Returns how many bytes can be read. */
static inline uint64_t pgs_ring_reader_look(pgs_ring_reader *r)
{
    if (unlikely(r->broken)) return 0;
    uint64_t tail = load_acquire(&r->shared->tail); /* partner: pgs_ring_commit; the records are visible */
    uint64_t ready = tail - r->head;
    if (unlikely(ready > r->mask + 1 || ready < r->tail - r->head || ready % PGS_RING_UNIT)) {
        r->broken = true;
        r->tail = r->head;
        return 0;
    }
    r->tail = tail;
    return ready;
}

/* All that is known to be readable, contiguous; it looks for more only when all of that has been released. *bytes is
 * a multiple of 16, and 0 with NULL when there is nothing or the ring is broken. The bytes stay until they are
 * released, but an honest writer alone leaves them unchanged until then. */
static inline const void *pgs_ring_peek(pgs_ring_reader *r, size_t *bytes)
{
    uint64_t ready = r->tail - r->head;
    if (ready == 0) ready = pgs_ring_reader_look(r);
    *bytes = ready;
    return ready ? r->data + (r->head & r->mask) : NULL;
}

/* Gives the first `bytes` of what peek returned back to the writer. More than that, or no multiple of 16, breaks the
 * ring: it can only come from a length that the peer wrote. */
static inline void pgs_ring_release(pgs_ring_reader *r, size_t bytes)
{
    if (unlikely(bytes > r->tail - r->head || bytes % PGS_RING_UNIT)) {
        r->broken = true;
        r->tail = r->head;
        return;
    }
    r->head += bytes;
    store_release(&r->shared->head, r->head); /* partner: pgs_ring_writer_look; read before it is overwritten */
}

/* After one or more releases, and before this side sleeps: true when the writer waits for room and there is now as
 * much as it wants. The announcement is gone then, and this caller must ring the writer's doorbell. */
static inline bool pgs_ring_writer_wake(pgs_ring_reader *r)
{
    fence_seq_cst(); /* partner: the fence in pgs_ring_writer_sleep: it sees the head, or this the announcement */
    uint64_t wanted = load_relaxed(&r->shared->writer_waits);
    if (likely(wanted == 0) || (int64_t)(r->head + 1 - wanted) < 0) return false;
    return xchg_relaxed(&r->shared->writer_waits, 0) != 0;
}

/* Takes back the announcement of pgs_ring_reader_sleep(), for a reader that was woken by something else. */
static inline void pgs_ring_reader_awake(pgs_ring_reader *r)
{
    store_relaxed(&r->shared->reader_sleeps, 0);
}

/* Says where the reader is, a processor's number plus one, say, for the writer to see: a hint, which nothing here
 * depends on. The reader's, and the writer's function; 0: the reader has not said. */
static inline void pgs_ring_reader_at(pgs_ring_reader *r, uint32_t place)
{
    if (load_relaxed(&r->shared->reader_place) != place) store_relaxed(&r->shared->reader_place, place);
}

static inline uint32_t pgs_ring_reader_place(const pgs_ring_writer *w)
{
    return load_relaxed(&w->shared->reader_place);
}

/* Announces that the reader sleeps. True: it may, and its doorbell is rung after the next commit. False: no
 * announcement stands, for there is something to read or the ring is broken. */
static inline bool pgs_ring_reader_sleep(pgs_ring_reader *r)
{
    if (r->broken || r->tail != r->head) return false;
    store_relaxed(&r->shared->reader_sleeps, 1);
    fence_seq_cst(); /* partner: the fence in pgs_ring_reader_sleeps: it sees the announcement, or this the tail */
    if (likely(pgs_ring_reader_look(r) == 0 && !r->broken)) return true;
    pgs_ring_reader_awake(r);
    return false;
}

#endif
