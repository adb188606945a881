/* clock.c - monotonic time and seeds; see clock.h for why there is one door. */
#include "clock.h"
#include "atomic.h"
#include "sim.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int64_t pgs_now(void)
{
    if (unlikely(pgs_sim_here != NULL)) return pgs_sim_now();
    struct timespec t;
    int failed = clock_gettime(CLOCK_MONOTONIC, &t);
    pgs_assert(!failed);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t pgs_deadline(int64_t timeout_ns)
{
    if (timeout_ns <= 0) return 0;
    if (timeout_ns == PGS_NEVER) return PGS_NEVER;
    int64_t now = pgs_now();
    return timeout_ns > PGS_NEVER - now ? PGS_NEVER : now + timeout_ns;
}

uint64_t pgs_seed(void)
{
    static _Atomic uint64_t calls;
    uint64_t seed;
    int saved = errno;
    /* Early in a boot, or under a filter of system calls, there is no entropy to be had: time, pid and the count of
     * calls then still tell two seeds apart. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        seed = (uint64_t)pgs_now() ^ (uint64_t)getpid() << 40;
        seed += add_relaxed(&calls, 1) * 0x9e3779b97f4a7c15u;
    }
    errno = saved;
    return pgs_random(&seed);
}
