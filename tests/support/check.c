/* check.c - see check.h. */
#include "check.h"

#include <time.h>

uint64_t check_seed(void)
{
    const char *given = getenv("PG_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)check_now_ns() * 1000003u;
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

int64_t check_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void check_pause_us(int us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000L}, NULL);
}

int64_t check_duration_ms(int64_t usual)
{
    const char *given = getenv("PG_TEST_MS");
    return given ? strtoll(given, NULL, 0) : usual;
}

unsigned check_workers(unsigned usual)
{
    const char *given = getenv("PG_TEST_WORKERS");
    return given ? (unsigned)strtoul(given, NULL, 0) : usual;
}
