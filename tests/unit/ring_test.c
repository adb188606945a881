/* ring_test.c - sched/ring.h: its memory, wrapping, full and empty, announcements, and indices that cannot be. */
#define _GNU_SOURCE
#include "sched/ring.h"

#include "tests/support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t page;
static pgs_ring_pair a, b;

static void open_pair(size_t capacity)
{
    int fd = pgs_ring_memory(capacity);
    CHECK(fd >= 0);
    CHECK_EQ(pgs_ring_pair_map(&a, fd, 0), 0);
    CHECK_EQ(pgs_ring_pair_map(&b, fd, 1), 0);
    close(fd);
}

static void close_pair(void)
{
    pgs_ring_pair_unmap(&a);
    pgs_ring_pair_unmap(&b);
    pgs_ring_pair_unmap(&b);
}

static void put(pgs_ring_writer *w, size_t bytes, int value)
{
    void *room = pgs_ring_reserve(w, bytes);
    CHECK(room && (uintptr_t)room % PGS_RING_UNIT == 0);
    memset(room, value, bytes);
    pgs_ring_commit(w, bytes);
}

/* Reads `bytes` bytes that all have this value, in as many steps as it takes. */
static void get(pgs_ring_reader *r, size_t bytes, int value)
{
    for (size_t ready; bytes > 0; bytes -= ready) {
        const unsigned char *data = pgs_ring_peek(r, &ready);
        CHECK(data && ready > 0);
        if (ready > bytes) ready = bytes;
        for (size_t i = 0; i < ready; i++) CHECK_EQ(data[i], value);
        pgs_ring_release(r, ready);
    }
}

static void test_memory(void)
{
    CHECK_EQ(pgs_ring_memory(0), -EINVAL);
    CHECK_EQ(pgs_ring_memory(page / 2), -EINVAL);
    CHECK_EQ(pgs_ring_memory(3 * page), -EINVAL);
    CHECK_EQ(pgs_ring_memory((size_t)1 << 40), -EINVAL);
    int fd = pgs_ring_memory(PGS_RING_CAPACITY);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    struct stat status;
    CHECK_EQ(fstat(fd, &status), 0);
    CHECK(status.st_blocks * 512 >= status.st_size); /* allocated */
    CHECK(ftruncate(fd, 0) < 0 && ftruncate(fd, status.st_size * 2) < 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
    CHECK_EQ(pgs_ring_pair_map(&a, fd, 2), -EINVAL);
    CHECK_EQ(pgs_ring_pair_map(&a, fd, 0), 0);
    close(fd);
    CHECK_EQ(a.writer.mask + 1, PGS_RING_CAPACITY);
    memset(a.words, 0xff, PGS_RING_WORDS); /* touches nothing else */
    CHECK(!pgs_ring_is_broken(&a));
    put(&a.writer, PGS_RING_CAPACITY, 1);
    pgs_ring_pair_unmap(&a);

    CHECK_EQ(pgs_ring_pair_map(&a, -1, 0), -EBADF);
    fd = memfd_create("none", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, (off_t)(5 * page)), 0);
    CHECK_EQ(pgs_ring_pair_map(&a, fd, 0), -EINVAL); /* nothing is sealed */
    CHECK_EQ(ftruncate(fd, (off_t)(9 * page)), 0);
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    CHECK_EQ(pgs_ring_pair_map(&a, fd, 0), -EINVAL); /* three pages each */
    close(fd);
}

/* Both directions, and words that both see. */
static void test_both_ways(void)
{
    size_t ready;
    open_pair(page);
    CHECK(!pgs_ring_peek(&a.reader, &ready) && ready == 0);
    CHECK(!pgs_ring_peek(&b.reader, &ready) && ready == 0);
    put(&a.writer, 32, 7);
    CHECK(!pgs_ring_peek(&a.reader, &ready));
    put(&b.writer, 48, 8);
    get(&b.reader, 32, 7);
    get(&a.reader, 48, 8);
    CHECK(!pgs_ring_peek(&a.reader, &ready) && !pgs_ring_peek(&b.reader, &ready));
    memcpy(a.words, "last words", 11);
    CHECK_STR((const char *)b.words, "last words");
    close_pair();
}

/* Records of all sizes, so that they cross the end everywhere; the bytes are the record's number. */
static void test_wrap(void)
{
    open_pair(page);
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        size_t bytes = (1 + check_random(&seed) % (page / PGS_RING_UNIT)) * PGS_RING_UNIT;
        put(&a.writer, bytes, i & 0xff);
        get(&b.reader, bytes, i & 0xff);
    }
    CHECK(!pgs_ring_is_broken(&a) && !pgs_ring_is_broken(&b));
    close_pair();
}

static void test_full(void)
{
    size_t ready;
    open_pair(page);
    CHECK(!pgs_ring_reserve(&a.writer, page + 16));
    CHECK(pgs_ring_reserve(&a.writer, page) == pgs_ring_reserve(&a.writer, 16));
    for (size_t i = 0; i < page / 16; i++) put(&a.writer, 16, (int)(i & 0xff));
    CHECK(!pgs_ring_reserve(&a.writer, 16));
    CHECK(pgs_ring_peek(&b.reader, &ready) && ready == page);
    get(&b.reader, 16, 0);
    CHECK(!pgs_ring_reserve(&a.writer, 32));
    put(&a.writer, 16, 0);
    CHECK(!pgs_ring_reserve(&a.writer, 16));
    for (size_t i = 1; i <= page / 16; i++) get(&b.reader, 16, (int)(i % (page / 16) & 0xff));
    CHECK(!pgs_ring_peek(&b.reader, &ready) && ready == 0);
    CHECK(pgs_ring_reserve(&a.writer, page));
    close_pair();
}

static void test_reader_sleeps(void)
{
    open_pair(page);
    put(&a.writer, 16, 1);
    CHECK(!pgs_ring_reader_sleeps(&a.writer));
    CHECK(!pgs_ring_reader_sleep(&b.reader)); /* something is there */
    put(&a.writer, 16, 2);
    CHECK(!pgs_ring_reader_sleeps(&a.writer)); /* the announcement was withdrawn */
    get(&b.reader, 16, 1);
    CHECK(!pgs_ring_reader_sleep(&b.reader));
    get(&b.reader, 16, 2);
    CHECK(pgs_ring_reader_sleep(&b.reader));
    put(&a.writer, 16, 3);
    CHECK(pgs_ring_reader_sleeps(&a.writer));
    CHECK(!pgs_ring_reader_sleeps(&a.writer)); /* once */
    get(&b.reader, 16, 3);
    CHECK(pgs_ring_reader_sleep(&b.reader));
    pgs_ring_reader_awake(&b.reader);
    put(&a.writer, 16, 4);
    CHECK(!pgs_ring_reader_sleeps(&a.writer));
    close_pair();
}

static void test_writer_waits(void)
{
    open_pair(page);
    CHECK(!pgs_ring_writer_sleep(&a.writer, page)); /* there is room */
    CHECK(!pgs_ring_writer_wake(&b.reader));
    put(&a.writer, page, 1);
    CHECK(pgs_ring_writer_sleep(&a.writer, 64));
    CHECK(!pgs_ring_writer_wake(&b.reader));
    get(&b.reader, 48, 1);
    CHECK(!pgs_ring_writer_wake(&b.reader)); /* not yet enough */
    get(&b.reader, 16, 1);
    CHECK(pgs_ring_writer_wake(&b.reader));
    CHECK(!pgs_ring_writer_wake(&b.reader));
    put(&a.writer, 64, 1);
    CHECK(pgs_ring_writer_sleep(&a.writer, page)); /* an empty ring */
    get(&b.reader, page - 16, 1);
    CHECK(!pgs_ring_writer_wake(&b.reader));
    get(&b.reader, 16, 1);
    CHECK(pgs_ring_writer_wake(&b.reader));
    put(&a.writer, page, 1);
    CHECK(pgs_ring_writer_sleep(&a.writer, 16));
    pgs_ring_writer_awake(&a.writer);
    get(&b.reader, page, 1);
    CHECK(!pgs_ring_writer_wake(&b.reader));
    close_pair();
}

/* What a hostile writer publishes as its tail, when 64 bytes were written and `released` of them released. */
static void bad_tail(size_t released, uint64_t tail)
{
    size_t ready;
    open_pair(page);
    put(&a.writer, 64, 1);
    get(&b.reader, released, 1);
    store_relaxed(&a.writer.shared->tail, tail);
    if (released < 64) get(&b.reader, 64 - released, 1); /* what was seen stays good */
    CHECK(!pgs_ring_peek(&b.reader, &ready) && ready == 0);
    CHECK(pgs_ring_is_broken(&b) && b.reader.broken && !b.writer.broken);
    store_relaxed(&a.writer.shared->tail, 128); /* for good */
    CHECK(!pgs_ring_peek(&b.reader, &ready) && ready == 0);
    CHECK(!pgs_ring_reader_sleep(&b.reader));
    pgs_ring_release(&b.reader, 16);
    CHECK_EQ(load_relaxed(&b.reader.shared->head), 64);
    close_pair();
}

/* What a hostile reader publishes as its head, when 64 bytes are in the ring behind 32 that were released. */
static void bad_head(uint64_t head)
{
    open_pair(page);
    put(&a.writer, 32, 1);
    get(&b.reader, 32, 1);
    put(&a.writer, page - 64, 2);
    CHECK(!pgs_ring_reserve(&a.writer, 80));
    put(&a.writer, 64, 3);
    CHECK(!pgs_ring_reserve(&a.writer, 16));
    store_relaxed(&b.reader.shared->head, head);
    CHECK(!pgs_ring_reserve(&a.writer, 16));
    CHECK(pgs_ring_is_broken(&a) && a.writer.broken && !a.reader.broken);
    store_relaxed(&b.reader.shared->head, 64);
    CHECK(!pgs_ring_reserve(&a.writer, 16));
    CHECK(!pgs_ring_writer_sleep(&a.writer, 16));
    pgs_ring_commit(&a.writer, 16);
    CHECK_EQ(load_relaxed(&a.writer.shared->tail), page + 32);
    close_pair();
}

static void test_hostile(void)
{
    static const uint64_t far[] = {1, UINT64_MAX, UINT64_MAX - 15, (uint64_t)1 << 63, (uint64_t)1 << 32};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        bad_tail(64, 64 + far[i]);
        bad_tail(16, 64 + far[i]);
        bad_head(32 + far[i]);
    }
    bad_tail(64, 48); /* backwards */
    bad_tail(64, 0);
    bad_tail(64, 64 + page + 16); /* more than there can be */
    bad_tail(64, 65);
    bad_head(16);
    bad_head(0);
    bad_head(32 + page + 16); /* more than was written */
    bad_head(40);

    /* A frame's length that leads past the end of what is there. */
    size_t ready;
    open_pair(page);
    put(&a.writer, 64, 1);
    CHECK(pgs_ring_peek(&b.reader, &ready));
    pgs_ring_release(&b.reader, 80);
    CHECK(pgs_ring_is_broken(&b) && !pgs_ring_peek(&b.reader, &ready) && ready == 0);
    close_pair();

    /* Announcements that say anything. */
    open_pair(page);
    store_relaxed(&a.writer.shared->writer_waits, UINT64_MAX);
    store_relaxed(&a.writer.shared->reader_sleeps, 77);
    CHECK(pgs_ring_writer_wake(&b.reader) && !pgs_ring_writer_wake(&b.reader));
    store_relaxed(&a.writer.shared->writer_waits, 1000000);
    CHECK(!pgs_ring_writer_wake(&b.reader));
    CHECK(pgs_ring_reader_sleeps(&a.writer) && !pgs_ring_reader_sleeps(&a.writer));
    close_pair();
}

int main(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    test_memory();
    test_both_ways();
    test_wrap();
    test_full();
    test_reader_sleeps();
    test_writer_waits();
    test_hostile();
    return 0;
}
