#include "check.h"

#include <time.h>

uint64_t check_seed(void)
{
    const char *given = getenv("PG_TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_nsec * 1000003u ^ (uint64_t)now.tv_sec;
    printf("seed: PG_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

uint64_t check_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t check_duration_ms(int64_t usual)
{
    const char *given = getenv("PG_TEST_MS");
    return given ? strtoll(given, NULL, 0) : usual;
}
