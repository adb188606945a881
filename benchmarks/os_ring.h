/* os_ring.h - sched/ring.h for os_bench.cc: C++17 does not read C's atomics. */
#ifndef BENCHMARKS_OS_RING_H
#define BENCHMARKS_OS_RING_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct os_ring os_ring;

/* The memory of two rings of 256 KiB; a descriptor, or negative. */
int os_ring_memory(void);

/* Maps it as side 0 or 1; NULL when it cannot. */
os_ring *os_ring_open(int fd, int side);
void os_ring_close(os_ring *ring);

/* Writes `count` frames of 64 bytes, each filled with its number, from `first` on; polls while there is no room. */
void os_ring_write(os_ring *ring, uint64_t first, uint64_t count);

/* Reads `count` frames, polling, and gives the sum of all their words. */
uint64_t os_ring_read(os_ring *ring, uint64_t count);

#ifdef __cplusplus
}
#endif

#endif
