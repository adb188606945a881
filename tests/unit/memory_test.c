/* memory_test.c - the allocator's door, its failures on demand, and the caches: no block is lost, shared or
 * mistaken. */
#include "memory.h"

#include <pthread.h>

#include "check.h"

static bool all_zero(const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != 0) return false;
    return true;
}

static void test_door(void)
{
    for (size_t size = 1; size < 5000; size = size * 3 / 2 + 1) {
        unsigned char *p = pgi_alloc(size);
        CHECK(p != NULL && (uintptr_t)p % 16 == 0);
        memset(p, 0xee, size);
        pgi_free(p, size);
        p = pgi_alloc_zero(size);
        CHECK(p != NULL && all_zero(p, size));
        memset(p, 0xee, size);
        pgi_free(p, size);
        for (size_t align = 16; align <= 4096; align *= 4) {
            p = pgi_alloc_aligned(size, align);
            CHECK(p != NULL && (uintptr_t)p % align == 0 && all_zero(p, size));
            memset(p, 0xee, size);
            pgi_free_aligned(p, size, align);
        }
    }
    for (size_t size = 1000; size < (size_t)32 << 20; size *= 8) {
        unsigned char *p = pgi_alloc_table(size);
        CHECK(p != NULL && (uintptr_t)p % 16 == 0 && all_zero(p, size));
        memset(p, 0xee, size);
        pgi_free_table(p, size);
    }
    CHECK(pgi_alloc_table(SIZE_MAX - 100) == NULL);
    CHECK(pgi_alloc(SIZE_MAX - 100) == NULL);
    CHECK(pgi_alloc_zero(SIZE_MAX - 100) == NULL);
    pgi_free(NULL, 64);
    pgi_free_table(NULL, 64);
    pgi_free_aligned(NULL, 64, 64);
}

static void test_failing(void)
{
    pgi_depot *depot = pgi_alloc_aligned(sizeof *depot, _Alignof(pgi_depot));
    pgi_cache cache;
    pgi_depot_init(depot);
    pgi_cache_init(&cache, depot);
    void *first = pgi_block_alloc(&cache, 4);
    pgi_block_free(&cache, first, 4); /* the cache has one now, if it is on */

    for (long nth = 1; nth <= 5; nth++) {
        pgi_memory_fail(nth);
        for (long i = 1; i <= 8; i++) {
            void *p = i % 2 == 0 ? pgi_block_alloc(&cache, 4) : pgi_alloc(100);
            CHECK_EQ(p == NULL, i == nth);
            if (p == NULL) continue;
            if (i % 2 == 0)
                pgi_block_free(&cache, p, 4);
            else
                pgi_free(p, 100);
        }
    }
    pgi_memory_fail(3);
    pgi_memory_fail(0);
    for (int i = 0; i < 5; i++) {
        void *p = pgi_alloc(10);
        CHECK(p != NULL);
        pgi_free(p, 10);
    }
    pgi_cache_drain(&cache);
    pgi_depot_destroy(depot);
    pgi_free_aligned(depot, sizeof *depot, _Alignof(pgi_depot));
}

static void test_classes(void)
{
    for (size_t units = 1; units <= 40; units++) {
        size_t real = pgi_block_units(units);
        CHECK(real >= units);
        CHECK_EQ(real, units <= 4 ? 4 : units <= 8 ? 8 : units <= 16 ? 16 : units);
        CHECK_EQ(pgi_class_of(real), pgi_class_of(units));
    }
}

/* Blocks that are held at once are distinct and keep what was written into them, however they move between caches. */
static void test_exchange(void)
{
    enum { BLOCKS = 1000 };
    static _Alignas(128) pgi_depot depot;
    static uint64_t *blocks[BLOCKS];
    pgi_cache caches[3];
    pgi_depot_init(&depot);
    for (int i = 0; i < 3; i++) pgi_cache_init(&caches[i], &depot);
    for (size_t round = 0; round < 30; round++) {
        size_t units = (size_t)4 << round % PGI_CLASSES;
        pgi_cache *maker = round % 7 == 3 ? NULL : &caches[round % 2], *taker = round % 5 == 2 ? NULL : &caches[2];
        for (size_t i = 0; i < BLOCKS; i++) {
            blocks[i] = pgi_block_alloc(maker, units);
            CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0);
            for (size_t w = 0; w < units * 2; w++) blocks[i][w] = i * 1000003 + w + round;
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            for (size_t w = 0; w < units * 2; w++) CHECK(blocks[i][w] == i * 1000003 + w + round);
            pgi_block_free(taker, blocks[i], units);
        }
    }
    CHECK(PGI_CACHE_OFF || HOSTILE_BUILD || depot.shelves[0].full_count > 5);
    for (int i = 0; i < 3; i++) pgi_cache_drain(&caches[i]);
    pgi_depot_destroy(&depot);
}

/* What one frees, another one gets, all of it but the two magazines that the first one keeps. */
static void test_conserved(void)
{
    enum { FREED = 10 * PGI_MAGAZINE, TAKEN = 8 * PGI_MAGAZINE };
    static _Alignas(128) pgi_depot depot;
    static void *freed[FREED], *taken[TAKEN];
    pgi_cache caches[2];
    if (PGI_CACHE_OFF) return;
    pgi_depot_init(&depot);
    for (int i = 0; i < 2; i++) pgi_cache_init(&caches[i], &depot);
    for (int i = 0; i < FREED; i++) freed[i] = pgi_block_alloc(NULL, 8);
    for (int i = 0; i < FREED; i++) pgi_block_free(&caches[0], freed[i], 8);
    for (int i = 0; i < TAKEN; i++) {
        bool found = false;
        taken[i] = pgi_block_alloc(&caches[1], 8);
        for (int j = 0; j < FREED; j++) found = found || freed[j] == taken[i];
        for (int j = 0; j < i; j++) CHECK(taken[j] != taken[i]);
        CHECK(found);
    }
    for (int i = 0; i < TAKEN; i++) pgi_block_free(&caches[1], taken[i], 8);
    for (int i = 0; i < 2; i++) pgi_cache_drain(&caches[i]);
    pgi_depot_destroy(&depot);
}

static void test_bound(void)
{
    enum { BLOCKS = PGI_MAGAZINE * (PGI_DEPOT_FULL + 5) };
    static _Alignas(128) pgi_depot depot;
    static void *blocks[BLOCKS];
    pgi_cache cache;
    pgi_depot_init(&depot);
    pgi_cache_init(&cache, &depot);
    for (int i = 0; i < BLOCKS; i++) blocks[i] = pgi_block_alloc(NULL, 4);
    for (int i = 0; i < BLOCKS; i++) pgi_block_free(&cache, blocks[i], 4);
    if (!PGI_CACHE_OFF) CHECK_EQ(depot.shelves[0].full_count, PGI_DEPOT_FULL);
    pgi_cache_drain(&cache);
    pgi_depot_destroy(&depot);
}

/* Threads, each with a cache of its own, that leave blocks where another one finds and frees them. */
enum { THREADS = 4, STEPS = 40000, SLOTS = 64 };

static _Alignas(128) pgi_depot shared;
static _Atomic(uint64_t *) ring[THREADS / 2][SLOTS];

static void check_and_free(pgi_cache *cache, uint64_t *block)
{
    if (block == NULL) return;
    CHECK(block[0] == (uint64_t)(uintptr_t)block && block[7] == ~block[0]);
    block[0] = 0;
    pgi_block_free(cache, block, 4);
}

static void *work(void *argument)
{
    size_t me = (size_t)(uintptr_t)argument;
    pgi_cache cache;
    pgi_cache_init(&cache, &shared);
    for (size_t i = 0; i < STEPS; i++) {
        uint64_t *block = pgi_block_alloc(&cache, 4);
        CHECK(block != NULL);
        block[0] = (uint64_t)(uintptr_t)block;
        block[7] = ~block[0];
        check_and_free(&cache, xchg_acq_rel(&ring[me / 2][i % SLOTS], block)); /* with itself, in all threads */
    }
    pgi_cache_drain(&cache);
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    pgi_depot_init(&shared);
    for (size_t i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < THREADS / 2; i++)
        for (size_t j = 0; j < SLOTS; j++) check_and_free(NULL, load_relaxed(&ring[i][j]));
    pgi_depot_destroy(&shared);
}

int main(void)
{
    test_door();
    test_failing();
    test_classes();
    test_exchange();
    test_conserved();
    test_bound();
    test_threads();
    return 0;
}
