/* ring_model.c - sched/ring.h under the explorer: a ring of two records, both sides asleep whenever they can be.
 *
 * A doorbell is what an eventfd is: it stays rung until somebody waits for it. Its operations are relaxed, so that what
 * one side sees of the other comes from the ring and not from the bell.
 *
 * Invariants checked:
 *   1. Every record is read once, in order, with what was written before its commit (happens-before).
 *   2. A record's place is not written again before its reader is done with it (happens-before).
 *   3. No wake-up is lost: neither side sleeps for ever while the other has done what it waits for (else: deadlock).
 *   4. A bell is rung at most once for an announcement.
 *   5. An honest peer never breaks the ring.
 *   6. A peer that is killed at any moment leaves whole records: its reader reads all that were committed, and no more;
 *      and no side hangs that hears of the death. */
#include "explorer.h"
#include "ring.h"

enum { UNIT = 16, CAPACITY = 2 * UNIT };

static pgs_ring_shared shared;
static unsigned char data[2 * CAPACITY] __attribute__((aligned(16)));
static pgs_ring_writer writer;
static pgs_ring_reader reader;
static _Atomic(uint32_t) reader_bell, writer_bell, has_writer;
static _Atomic(uint32_t) dead;
static int written, taken, total, wish;
static int announced[2], rung[2]; /* by the reader and for it, by the writer and for it */

static void start(int records, int room)
{
    store_relaxed(&shared.tail, 0);
    store_relaxed(&shared.head, 0);
    store_relaxed(&shared.reader_sleeps, 0);
    store_relaxed(&shared.writer_waits, 0);
    store_relaxed(&reader_bell, 0);
    store_relaxed(&writer_bell, 0);
    store_relaxed(&has_writer, 1);
    store_relaxed(&dead, 0);
    pgs_ring_writer_init(&writer, &shared, data, CAPACITY);
    pgs_ring_reader_init(&reader, &shared, data, CAPACITY);
    written = taken = 0;
    total = records;
    wish = room;
    announced[0] = announced[1] = rung[0] = rung[1] = 0;
}

static void ring(_Atomic(uint32_t) *bell)
{
    xchg_relaxed(bell, 1);
    model_futex_wake(bell);
}

static void await(_Atomic(uint32_t) *bell)
{
    while (!xchg_relaxed(bell, 0)) model_futex_wait(bell, 0, INT64_MAX);
}

static void ring_reader(void)
{
    if (!pgs_ring_reader_sleeps(&writer)) return;
    rung[0]++;
    ring(&reader_bell);
}

static void ring_writer(void)
{
    if (!pgs_ring_writer_wake(&reader)) return;
    rung[1]++;
    ring(&writer_bell);
}

/* Writes one record, and sleeps until there is room for it; a writer that batches has rung before. */
static void put(void)
{
    unsigned char *room;
    while (!(room = pgs_ring_reserve(&writer, UNIT))) {
        MODEL_CHECK(!writer.broken);
        ring_reader();
        announced[1]++;
        if (pgs_ring_writer_sleep(&writer, (size_t)wish)) await(&writer_bell);
    }
    MODEL_CHECK(room == &data[written % 2 * UNIT]);
    model_write(room);
    *room = (unsigned char)++written;
    pgs_ring_commit(&writer, UNIT);
}

static void write_each(void)
{
    while (written < total) {
        put();
        ring_reader();
    }
}

static void write_batches(void)
{
    while (written < total) {
        put();
        if (written % 2 == 0) ring_reader();
    }
    ring_reader();
}

/* Gives the writer's part up before it looks whether the reader sleeps, as one does whom another may follow. */
static void write_and_leave(void)
{
    put();
    xchg_release(&has_writer, 0);
    if (!pgs_ring_reader_slept(&writer)) return;
    rung[0]++;
    ring(&reader_bell);
}

/* Reads what there is; false: nothing. */
static bool get(bool at_once)
{
    size_t ready;
    const unsigned char *record = pgs_ring_peek(&reader, &ready);
    MODEL_CHECK(!reader.broken && ready <= CAPACITY && ready % UNIT == 0);
    if (!record) return false;
    for (size_t i = 0; i < ready; i += UNIT) {
        const unsigned char *place = &data[taken % 2 * UNIT]; /* the mirror of data[] is the same memory */
        MODEL_CHECK(i > 0 || place == record);
        model_read(place);
        MODEL_CHECK(*place == ++taken);
        if (!at_once) {
            pgs_ring_release(&reader, UNIT);
            ring_writer();
        }
    }
    if (at_once) {
        pgs_ring_release(&reader, ready);
        ring_writer();
    }
    return true;
}

static void read_with(bool at_once)
{
    while (taken < total) {
        if (get(at_once)) continue;
        announced[0]++;
        if (pgs_ring_reader_sleep(&reader)) await(&reader_bell);
    }
}

static void read_each(void)
{
    read_with(false);
}

static void read_at_once(void)
{
    read_with(true);
}

/* Finds its mail by itself once it has announced its sleep, as one that something else has woken. */
static void read_awake(void)
{
    while (taken < total) {
        if (get(true)) continue;
        announced[0]++;
        if (!pgs_ring_reader_sleep(&reader)) continue;
        if (taken == 0) {
            await(&reader_bell);
        } else {
            pgs_ring_reader_awake(&reader);
            while (!get(true)) cpu_relax();
        }
    }
}

/* Asks the system, which knows for certain. */
static bool peer_is_dead(void)
{
    return add_acq_rel(&dead, 0) != 0; /* partner: death_of */
}

/* What the system does when a peer has died: it tells the other side, which looks once more and gives up. */
static void death_of(int thread)
{
    model_kill(thread);
    add_acq_rel(&dead, 1); /* partner: peer_is_dead */
    ring(&reader_bell);
    ring(&writer_bell);
}

static void writer_dies(void)
{
    death_of(1);
}

static void reader_dies(void)
{
    death_of(0);
}

static void read_until_death(void)
{
    for (;;) {
        bool last_look = peer_is_dead();
        if (get(false)) continue;
        if (last_look) return;
        announced[0]++;
        if (pgs_ring_reader_sleep(&reader)) await(&reader_bell);
    }
}

static void write_until_death(void)
{
    while (written < total && !peer_is_dead()) {
        unsigned char *room = pgs_ring_reserve(&writer, UNIT);
        MODEL_CHECK(!writer.broken);
        if (room) {
            model_write(room);
            *room = (unsigned char)++written;
            pgs_ring_commit(&writer, UNIT);
        }
        ring_reader();
        if (room) continue;
        announced[1]++;
        if (pgs_ring_writer_sleep(&writer, UNIT)) await(&writer_bell);
    }
}

static void setup_one(void)
{
    start(1, UNIT);
}

static void setup_two(void)
{
    start(2, UNIT);
}

static void setup_four(void)
{
    start(4, UNIT);
}

static void setup_five_for_all(void)
{
    start(5, CAPACITY);
}

static void finish_dead(void)
{
    MODEL_CHECK(!writer.broken && !reader.broken);
    MODEL_CHECK((uint64_t)taken * UNIT == load_relaxed(&shared.tail));
}

static void finish_reader_dead(void)
{
    MODEL_CHECK(!writer.broken && !reader.broken);
    MODEL_CHECK(load_relaxed(&shared.head) <= load_relaxed(&shared.tail));
}

static void finish(void)
{
    MODEL_CHECK(written == total && taken == total);
    MODEL_CHECK(!writer.broken && !reader.broken);
    MODEL_CHECK(load_relaxed(&shared.tail) == load_relaxed(&shared.head));
    MODEL_CHECK(rung[0] <= announced[0] && rung[1] <= announced[1]);
}

int main(void)
{
    static const struct model_case cases[] = {
        {"ring: going to sleep against a commit", setup_one, {read_each, write_each}, finish, 6, 3, 1},
        {"ring: going to sleep against a writer that leaves", setup_one, {read_each, write_and_leave}, finish, 6, 3, 1},
        {"ring: a reader that wakes by itself", setup_two, {read_awake, write_each}, finish, 4, 2, 0},
        {"ring: round twice, each record released", setup_four, {read_each, write_each}, finish, 3, 2, 0},
        {"ring: round twice, in batches", setup_four, {read_at_once, write_batches}, finish, 4, 2, 0},
        {"ring: a writer that waits for an empty ring",
         setup_five_for_all,
         {read_each, write_batches},
         finish,
         3,
         2,
         0},
        {"ring: the writer is killed",
         setup_four,
         {read_until_death, write_until_death, writer_dies},
         finish_dead,
         3,
         1,
         0},
        {"ring: the reader is killed",
         setup_four,
         {read_until_death, write_until_death, reader_dies},
         finish_reader_dead,
         3,
         1,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
