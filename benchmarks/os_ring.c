/* os_ring.c - sched/ring.h for os_bench.cc. The loops do for each frame what those of the bare ring there do. */
#include "os_ring.h"

#include "ring.h"

#include <stdlib.h>

enum { WORDS = 8 };

struct os_ring {
    pgs_ring_pair pair;
};

int os_ring_memory(void)
{
    return pgs_ring_memory(PGS_RING_CAPACITY);
}

os_ring *os_ring_open(int fd, int side)
{
    os_ring *ring = calloc(1, sizeof *ring);
    if (ring && pgs_ring_pair_map(&ring->pair, fd, side) == 0) return ring;
    free(ring);
    return NULL;
}

void os_ring_close(os_ring *ring)
{
    pgs_ring_pair_unmap(&ring->pair);
    free(ring);
}

void os_ring_write(os_ring *ring, uint64_t first, uint64_t count)
{
    pgs_ring_writer *w = &ring->pair.writer;
    for (uint64_t n = first; n != first + count; n++) {
        uint64_t *frame;
        while (!(frame = pgs_ring_reserve(w, WORDS * sizeof *frame))) cpu_relax();
        for (int i = 0; i < WORDS; i++) frame[i] = n;
        pgs_ring_commit(w, WORDS * sizeof *frame);
    }
}

uint64_t os_ring_read(os_ring *ring, uint64_t count)
{
    pgs_ring_reader *r = &ring->pair.reader;
    uint64_t sum = 0;
    for (uint64_t n = 0; n < count; n++) {
        const uint64_t *frame;
        size_t ready;
        while (!(frame = pgs_ring_peek(r, &ready))) cpu_relax();
        for (int i = 0; i < WORDS; i++) sum += frame[i];
        pgs_ring_release(r, WORDS * sizeof *frame);
    }
    return sum;
}
