/* simulation_stress.c - the scenario of mixed.h with many seeds: PG_TEST_SEEDS of them, from PG_TEST_SEED on.
 *
 * With a seed for an argument it is run with that one only, as tools/seedhunt does, and its trace is printed. */
#include "check.h"
#include "mixed.h"

#if SANITIZED
enum { SEEDS = 300 };
#else
enum { SEEDS = 2000 };
#endif

int main(int argc, char **argv)
{
    if (argc > 1) {
        mixed_run(strtoull(argv[1], NULL, 0), stdout);
        return 0;
    }
    const char *given = getenv("PG_TEST_SEEDS");
    uint64_t first = check_seed(), seeds = given ? strtoull(given, NULL, 0) : SEEDS;
    int64_t begin = check_now_ns();
    for (uint64_t i = 0; i < seeds; i++) {
        uint64_t seed = first + i;
        if (seed != 0) mixed_run(seed, NULL);
    }
    printf("%" PRIu64 " seeds in %" PRId64 " ms\n", seeds, (check_now_ns() - begin) / 1000000);
    return 0;
}
