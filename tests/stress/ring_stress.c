/* ring_stress.c - sched/ring.h between two OS processes, and between two threads; then with a peer that writes at
 * random.
 *
 * Honest peers pass records of random sizes and contents, with a number and a checksum, through a ring of one page,
 * now busy, now slow; both sides sleep on an eventfd whenever the ring says that they may. A lost wake-up makes the
 * test hang, which its time limit ends.
 *
 * The hostile peer scribbles over all the memory that both share, at random and where it hurts most. This side reads
 * and writes on, within bounds, until its rings are broken; then it begins anew. */
#define _GNU_SOURCE
#include "ring.h"

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A record: this, then bytes that follow from the checksum's seed. */
struct record {
    uint64_t number;
    uint32_t bytes; /* of all of it; 0: the last record */
    uint32_t sum;
};

static size_t page;
static uint64_t seed;

/* What one side knows of the pair it has to do with. */
struct end {
    pgs_ring_writer *writer;
    pgs_ring_reader *reader;
    int own_bell, other_bell;
    int64_t until;
    uint64_t random, records, bells, sleeps;
};

static void ring_bell(struct end *e)
{
    uint64_t one = 1;
    e->bells++;
    CHECK_EQ(write(e->other_bell, &one, sizeof one), sizeof one);
}

static void wait_bell(struct end *e)
{
    uint64_t count;
    ssize_t got;
    e->sleeps++;
    do {
        got = read(e->own_bell, &count, sizeof count);
    } while (got < 0 && errno == EINTR);
    CHECK_EQ(got, sizeof count);
}

/* Now and then a side is slow, so that the other one runs into the end of the ring. */
static void dawdle(struct end *e)
{
    uint64_t r = check_random(&e->random);
    if (r % 1024 == 0) usleep(100);
    if (r % 8 == 0) {
        for (uint64_t i = r / 1024 % 512; i > 0; i--) cpu_relax();
    }
}

static uint32_t sum_of(const unsigned char *data, size_t bytes)
{
    uint32_t sum = 2166136261U; /* FNV-1a */
    for (size_t i = 0; i < bytes; i++) sum = (sum ^ data[i]) * 16777619U;
    return sum;
}

static void write_record(struct end *e, uint64_t number, size_t bytes, bool last)
{
    struct record *record;
    while (!(record = pgs_ring_reserve(e->writer, bytes))) {
        CHECK(!e->writer->broken);
        if (pgs_ring_reader_sleeps(e->writer)) ring_bell(e);
        size_t wish = check_random(&e->random) % 2 ? bytes : page;
        if (pgs_ring_writer_sleep(e->writer, wish)) wait_bell(e);
    }
    unsigned char *body = (unsigned char *)(record + 1);
    uint64_t value = check_random(&e->random);
    for (size_t i = 0; i < bytes - sizeof *record; i++) body[i] = (unsigned char)(value >> i % 8 * 8);
    *record = (struct record){number, last ? 0 : (uint32_t)bytes, sum_of(body, bytes - sizeof *record)};
    pgs_ring_commit(e->writer, bytes);
}

static void *write_all(void *arg)
{
    struct end *e = arg;
    bool last = false;
    for (uint64_t number = 0; !last; number++) {
        last = number % 64 == 0 && check_now_ns() > e->until;
        uint64_t r = check_random(&e->random);
        size_t units = r % 16 == 0 ? 1 + r / 16 % (page / PGS_RING_UNIT) : 1 + r / 16 % 8;
        write_record(e, number, last ? sizeof(struct record) : units * PGS_RING_UNIT, last);
        if ((last || r / 1024 % 4) && pgs_ring_reader_sleeps(e->writer)) ring_bell(e);
        dawdle(e);
        e->records++;
    }
    return NULL;
}

static void *read_all(void *arg)
{
    struct end *e = arg;
    for (;;) {
        size_t ready;
        const unsigned char *data = pgs_ring_peek(e->reader, &ready);
        CHECK(!e->reader->broken);
        if (!data) {
            if (pgs_ring_reader_sleep(e->reader)) wait_bell(e);
            continue;
        }
        for (size_t bytes; ready > 0; ready -= bytes, data += bytes) {
            struct record record;
            memcpy(&record, data, sizeof record);
            CHECK_EQ(record.number, e->records);
            e->records++;
            bytes = record.bytes ? record.bytes : sizeof record;
            CHECK(bytes <= ready && bytes >= sizeof record);
            CHECK_EQ(sum_of(data + sizeof record, bytes - sizeof record), record.sum);
            pgs_ring_release(e->reader, bytes);
            bool last = record.bytes == 0;
            if ((last || bytes == ready || e->records % 4) && pgs_ring_writer_wake(e->reader)) ring_bell(e);
            if (last) return NULL;
            dawdle(e);
        }
    }
}

static void report(const char *what, const struct end *e)
{
    printf("%s: %" PRIu64 " records, %" PRIu64 " sleeps, %" PRIu64 " bells\n", what, e->records, e->sleeps, e->bells);
    fflush(stdout);
}

static int make_bell(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

/* A child of this process that dies with it. */
static pid_t fork_child(void)
{
    fflush(stdout);
    pid_t parent = getpid(), child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
    }
    return child;
}

static void join_child(pid_t child)
{
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

/* Parent and child; `parent_writes` says who does what. */
static void two_processes(int64_t ms, bool parent_writes)
{
    int fd = pgs_ring_memory(page), parent_bell = make_bell(), child_bell = make_bell();
    CHECK(fd >= 0);
    pid_t child = fork_child();
    bool is_child = child == 0;
    pgs_ring_pair pair;
    CHECK_EQ(pgs_ring_pair_map(&pair, fd, is_child), 0);
    struct end e = {.writer = &pair.writer,
                    .reader = &pair.reader,
                    .own_bell = is_child ? child_bell : parent_bell,
                    .other_bell = is_child ? parent_bell : child_bell,
                    .until = check_now_ns() + ms * 1000000,
                    .random = seed + is_child};
    if (parent_writes != is_child)
        write_all(&e);
    else
        read_all(&e);
    pgs_ring_pair_unmap(&pair);
    report(is_child ? "child" : "parent", &e);
    if (is_child) _exit(0);
    join_child(child);
    close(fd);
    close(parent_bell);
    close(child_bell);
}

/* Two threads on one mapping, where ThreadSanitizer sees both. */
static void two_threads(int64_t ms)
{
    int fd = pgs_ring_memory(page), bells[2] = {make_bell(), make_bell()};
    pgs_ring_pair pair;
    CHECK_EQ(pgs_ring_pair_map(&pair, fd, 0), 0);
    pgs_ring_reader reader;
    pgs_ring_reader_init(&reader, pair.writer.shared, pair.writer.data, page);
    struct end out = {.writer = &pair.writer, .own_bell = bells[0], .other_bell = bells[1], .random = seed};
    struct end in = {.reader = &reader, .own_bell = bells[1], .other_bell = bells[0], .random = seed + 1};
    out.until = check_now_ns() + ms * 1000000;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, read_all, &in), 0);
    write_all(&out);
    pthread_join(thread, NULL);
    CHECK_EQ(in.records, out.records);
    report("writing thread", &out);
    report("reading thread", &in);
    pgs_ring_pair_unmap(&pair);
    close(fd);
    close(bells[0]);
    close(bells[1]);
}

/* ------------------------------------------------------------------------------------------------ the hostile peer */

/* An index that may pass, or one that is off by a little, or by anything. */
static uint64_t nasty(uint64_t *random, uint64_t near)
{
    uint64_t r = check_random(random);
    switch (r % 8) {
    case 0: return r;
    case 1: return near + r / 8 % 64;
    case 2: return near + page + r / 8 % 3 * PGS_RING_UNIT;
    case 3: return near - PGS_RING_UNIT;
    default: return near + (1 + r / 8 % (page / PGS_RING_UNIT)) * PGS_RING_UNIT;
    }
}

/* Writes at random for so long: everywhere, and above all into the lines of both rings. In bursts, or else its victim
 * would hardly ever find anything readable before it is spoilt, least of all on a processor that both share. */
__attribute__((no_sanitize("thread"))) static void scribble(pgs_ring_pair *pair, int64_t until)
{
    uint64_t random = seed * 3;
    pgs_ring_shared *lines[2] = {pair->writer.shared, pair->reader.shared};
    volatile uint64_t *words = pair->base;
    size_t count = (pair->size - page) / sizeof *words; /* the last page has no access */
    for (uint64_t n = 0; n % 1024 || check_now_ns() < until; n++) {
        uint64_t r = check_random(&random);
        pgs_ring_shared *s = lines[r >> 8 & 1];
        if (r >> 56 < 8) sched_yield();
        switch (r % 8) {
        case 0: store_relaxed(&s->tail, nasty(&random, load_relaxed(&s->head))); break;
        case 1: store_relaxed(&s->head, nasty(&random, load_relaxed(&s->tail) - page)); break;
        case 2: store_relaxed(&s->reader_sleeps, (uint32_t)(r >> 16)); break;
        case 3: store_relaxed(&s->writer_waits, nasty(&random, load_relaxed(&s->head)) | 1); break;
        case 4: words[(r >> 16) % count] = check_random(&random); break;
        default: /* lengths of records, most of them plausible */
            words[3 * page / sizeof *words + (r >> 16) % (4 * page / sizeof *words)] = (r >> 40) % 512;
        }
    }
}

struct victim {
    pgs_ring_pair pair;
    uint64_t bytes, records, bad_records, broken, sum;
};

/* Reads once, as a bridge does: a copy first, judged afterwards. */
static void suffer_reading(struct victim *v)
{
    static unsigned char copy[64 * 1024];
    pgs_ring_reader *r = &v->pair.reader;
    size_t ready, bytes;
    const unsigned char *data = pgs_ring_peek(r, &ready);
    CHECK(!data == !ready && ready <= page && ready % PGS_RING_UNIT == 0);
    CHECK(!data || (data >= r->data && data + ready <= r->data + 2 * page));
    v->bytes += ready;
    for (size_t at = 0; at < ready; at += bytes) {
        struct record record;
        memcpy(&record, data + at, sizeof record);
        bytes = (record.bytes + PGS_RING_UNIT - 1) & ~(PGS_RING_UNIT - 1);
        if (bytes < sizeof record || bytes > ready - at) {
            v->bad_records++;
            pgs_ring_release(r, bytes > ready - at ? bytes : ready - at); /* breaks it, or skips the rest */
            return;
        }
        memcpy(copy, data + at, bytes);
        v->sum += sum_of(copy, bytes);
        v->records++;
        pgs_ring_release(r, bytes);
        (void)pgs_ring_writer_wake(r);
    }
    if (pgs_ring_reader_sleep(r)) pgs_ring_reader_awake(r);
}

static void suffer_writing(struct victim *v, uint64_t r)
{
    pgs_ring_writer *w = &v->pair.writer;
    size_t bytes = (1 + r % (page / PGS_RING_UNIT)) * PGS_RING_UNIT;
    unsigned char *room = pgs_ring_reserve(w, bytes);
    if (room) {
        CHECK(room >= w->data && room + bytes <= w->data + 2 * page);
        memset(room, (int)r, bytes);
        pgs_ring_commit(w, bytes);
        (void)pgs_ring_reader_sleeps(w);
    } else if (pgs_ring_writer_sleep(w, bytes)) {
        pgs_ring_writer_awake(w);
    }
}

/* A broken ring says nothing any more. Both indices begin anew where the peer happens to be. */
static void begin_anew(struct victim *v)
{
    pgs_ring_writer *w = &v->pair.writer;
    pgs_ring_reader *r = &v->pair.reader;
    size_t ready;
    v->broken++;
    if (r->broken) {
        CHECK(!pgs_ring_peek(r, &ready) && ready == 0 && !pgs_ring_reader_sleep(r));
        r->broken = false;
        r->head = r->tail = load_relaxed(&r->shared->tail) & ~(uint64_t)15;
        store_relaxed(&r->shared->head, r->head);
        store_relaxed(&r->shared->tail, r->tail);
    }
    if (w->broken) {
        CHECK(!pgs_ring_reserve(w, PGS_RING_UNIT) && !pgs_ring_writer_sleep(w, PGS_RING_UNIT));
        w->broken = false;
        w->tail = load_relaxed(&w->shared->head) & ~(uint64_t)15;
        w->limit = w->tail + page;
        store_relaxed(&w->shared->tail, w->tail);
        store_relaxed(&w->shared->head, w->tail);
    }
}

static void hostile(int64_t ms)
{
    int fd = pgs_ring_memory(page);
    CHECK(fd >= 0);
    int64_t until = check_now_ns() + ms * 1000000;
    pid_t child = fork_child();
    struct victim v = {.sum = 0};
    CHECK_EQ(pgs_ring_pair_map(&v.pair, fd, child == 0), 0);
    close(fd);
    if (child == 0) {
        scribble(&v.pair, until);
        _exit(0);
    }
    uint64_t random = seed;
    for (uint64_t n = 0; n % 256 || check_now_ns() < until; n++) {
        suffer_reading(&v);
        suffer_writing(&v, check_random(&random));
        if (pgs_ring_is_broken(&v.pair)) begin_anew(&v);
        if (n % 64 == 0) sched_yield();
    }
    join_child(child);
    printf("hostile: %" PRIu64 " bytes and %" PRIu64 " records read, %" PRIu64 " of them bad, broken %" PRIu64
           " times, sum %" PRIx64 "\n",
           v.bytes, v.records, v.bad_records, v.broken, v.sum);
    CHECK(v.broken > 0 && v.bytes > 0);
    pgs_ring_pair_unmap(&v.pair);
}

int main(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    seed = check_seed();
    int64_t ms = check_duration_ms(1500);
    two_processes(ms / 5, true);
    two_processes(ms / 5, false);
    two_threads(ms / 5);
    hostile(ms * 2 / 5);
    return 0;
}
