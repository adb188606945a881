/* fiber_pair.h - sched/fiber.h for floor_bench.cc: C++17 does not read C's atomics. */
#ifndef BENCHMARKS_FIBER_PAIR_H
#define BENCHMARKS_FIBER_PAIR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Switches `count` times between two fibers, each of them suspended while the other runs, and returns how often one of
 * them has run; 0: there was no memory. */
uint64_t fiber_pair_switch(uint64_t count);

#ifdef __cplusplus
}
#endif

#endif
