/* stack_pool_test.c - sched/stack_pool.h: order of reuse, guards of both kinds, memory returned, threads. */
#define _GNU_SOURCE
#include "sched/stack_pool.h"

#include "tests/support/check.h"
#include "tests/support/on_valgrind.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#if SANITIZED
enum { MANY = 30000 };
#else
enum { MANY = 200000 };
#endif

static void test_sizes(void)
{
    pgs_stack_pool pool;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    CHECK_EQ(pgs_stack_pool_init(&pool, 0, 0), -EINVAL);
    CHECK_EQ(pgs_stack_pool_init(&pool, SIZE_MAX, 1), -EINVAL);
    CHECK_EQ(pgs_stack_pool_init(&pool, (size_t)1 << 30, UINT32_MAX), -ENOMEM);
    CHECK_EQ(pgs_stack_pool_init(&pool, 1, 3), 0);
    CHECK_EQ(pool.slot_size, 4 * page);
    pgs_stack_pool_destroy(&pool);
    CHECK_EQ(pgs_stack_pool_init(&pool, 64 * page + 1, 3), 0);
    CHECK_EQ(pool.slot_size, 128 * page);
    pgs_stack stack;
    CHECK(pgs_stack_pool_take(&pool, &stack));
    CHECK_EQ(stack.size, 127 * page);
    CHECK_EQ(((uintptr_t)stack.base - page) % pool.slot_size, 0);
    pgs_stack_pool_destroy(&pool);
}

static void test_reuse(void)
{
    pgs_stack_pool pool;
    pgs_stack all[5], again[5];
    CHECK_EQ(pgs_stack_pool_init(&pool, 0, 5), 0);
    CHECK_EQ(pool.slot_size, 65536);
    for (int i = 0; i < 5; i++) {
        CHECK(pgs_stack_pool_take(&pool, &all[i]));
        CHECK_EQ(pgs_stack_pool_slot(&pool, all[i]), i);
        memset(all[i].base, i + 1, all[i].size);
    }
    CHECK(!pgs_stack_pool_take(&pool, &again[0]));
    pgs_stack_pool_give(&pool, all[3]);
    pgs_stack_pool_give(&pool, all[1]);
    CHECK(pgs_stack_pool_take(&pool, &again[0]));
    CHECK(again[0].base == all[1].base);
    CHECK(pgs_stack_pool_take(&pool, &again[0]));
    CHECK(again[0].base == all[3].base);
    CHECK_EQ(*(char *)again[0].base, 4);

    pgs_stack_pool_give_many(&pool, all, 5);
    CHECK_EQ(pgs_stack_pool_take_many(&pool, again, 2), 2);
    CHECK(again[0].base == all[4].base && again[1].base == all[3].base);
    /* 0, 1, 2 are free: keep the newest only, and the next are the emptied ones, lowest first. */
    CHECK_EQ(pgs_stack_pool_trim(&pool, 1), 2);
    pgs_stack_pool_stats stats = pgs_stack_pool_get_stats(&pool);
    CHECK(stats.warm == 1 && stats.cold == 2 && stats.in_use == 2 && stats.fresh == 0 && stats.trimmed == 2);
    CHECK_EQ(pgs_stack_pool_take_many(&pool, again, 5), 3);
    CHECK(again[0].base == all[2].base && again[1].base == all[0].base && again[2].base == all[1].base);
    CHECK_EQ(*(char *)again[0].base, 3);
    CHECK_EQ(*(char *)again[1].base, 0);

    pgs_stack_place place;
    CHECK(pgs_stack_pool_find(&pool, (char *)all[2].base - 1, &place));
    CHECK(place.slot == 2 && place.in_guard && place.stack.base == all[2].base && place.stack.size == all[2].size);
    CHECK(pgs_stack_pool_find(&pool, all[2].base, &place) && place.slot == 2 && !place.in_guard);
    CHECK(!pgs_stack_pool_find(&pool, &place, &place));
    CHECK(!pgs_stack_pool_find(&pool, pool.region - 1, &place));
    CHECK(!pgs_stack_pool_find(&pool, pool.region + 5 * pool.slot_size, &place));
    pgs_stack_pool_destroy(&pool);
}

/* Guards: a child touches an address, and its handler says whether that was a guard. */

static pgs_stack_pool *volatile faulting_pool;
static volatile size_t faulting_slot;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    pgs_stack_place place;
    bool found = pgs_stack_pool_find(faulting_pool, info->si_addr, &place);
    _exit(found && place.in_guard && place.slot == faulting_slot ? 42 : 43);
}

static bool has_guard(pgs_stack_pool *pool, pgs_stack stack)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, NULL);
        faulting_pool = pool;
        faulting_slot = pgs_stack_pool_slot(pool, stack);
        ((volatile char *)stack.base)[0] = 1;
        ((volatile char *)stack.base)[-8] = 1;
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0) CHECK_EQ(WEXITSTATUS(status), 42);
    return WEXITSTATUS(status) == 42;
}

static void test_guards(unsigned flags)
{
    pgs_stack_pool pool;
    pgs_stack all[20];
    CHECK_EQ(pgs_stack_pool_init_with(&pool, 0, 20, flags), 0);
    if (flags & PGS_STACKS_MPROTECT) CHECK_EQ(pool.guard_kind, PGS_GUARD_MPROTECT);
    CHECK_EQ(pgs_stack_pool_take_many(&pool, all, 20), 20);
    CHECK_EQ(pgs_stack_pool_get_stats(&pool).unguarded, 0);
    for (int i = 0; i < 20; i += 19) {
        CHECK(has_guard(&pool, all[i]));
        *(char *)all[i].base = 1;
    }
    pgs_stack_pool_give_many(&pool, all, 20);
    CHECK_EQ(pgs_stack_pool_trim(&pool, 0), 20);
    for (int i = 0; i < 20; i += 19) CHECK(has_guard(&pool, all[i]));
    pgs_stack_pool_destroy(&pool);
}

static void test_guard_budget(void)
{
    pgs_stack_pool pool;
    pgs_stack all[20];
    for (int round = 0; round < 2; round++) { /* the second shows that the first returned its share */
        CHECK_EQ(pgs_stack_pool_init_with(&pool, 0, 20, PGS_STACKS_MPROTECT), 0);
        pool.mprotect_limit = 8;
        for (int i = 0; i < 20; i++) CHECK(pgs_stack_pool_take(&pool, &all[i]));
        CHECK_EQ(pgs_stack_pool_get_stats(&pool).unguarded, 12);
        CHECK(has_guard(&pool, all[7]));
        CHECK(!has_guard(&pool, all[8]));
        pgs_stack_pool_destroy(&pool);
    }
}

static void test_many(unsigned flags)
{
    size_t many = RUNNING_ON_VALGRIND ? 4000 : MANY;
    pgs_stack_pool pool;
    CHECK_EQ(pgs_stack_pool_init_with(&pool, 0, many, flags), 0);
    pgs_stack *all = malloc(many * sizeof *all);
    for (size_t i = 0; i < many; i++) {
        CHECK(pgs_stack_pool_take(&pool, &all[i]));
        if (i % 64 == 0) *(char *)all[i].base = 1;
    }
    pgs_stack extra;
    CHECK(!pgs_stack_pool_take(&pool, &extra));
    size_t unguarded = pgs_stack_pool_get_stats(&pool).unguarded;
    if (pool.guard_kind == PGS_GUARD_MADVISE)
        CHECK_EQ(unguarded, 0);
    else
        CHECK_EQ(unguarded, many > pool.mprotect_limit ? many - pool.mprotect_limit : 0);
    pgs_stack_pool_give_many(&pool, all, many);
    CHECK(pgs_stack_pool_get_stats(&pool).warm <= pool.keep);
    free(all);
    pgs_stack_pool_destroy(&pool);
}

static size_t resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_trim(void)
{
    enum { COUNT = 1000 };
    pgs_stack_pool pool;
    static pgs_stack all[COUNT];
    CHECK_EQ(pgs_stack_pool_init(&pool, 0, COUNT), 0);
    pool.keep = 100;
    for (int i = 0; i < COUNT; i++) {
        CHECK(pgs_stack_pool_take(&pool, &all[i]));
        CHECK_EQ(pgs_stack_used(all[i]), 0);
        memset(all[i].base, 1, all[i].size);
        CHECK_EQ(pgs_stack_used(all[i]), all[i].size);
    }
    size_t before = resident_bytes();
    for (int i = 0; i < COUNT; i++) pgs_stack_pool_give(&pool, all[(i * 7) % COUNT]);
    size_t after = resident_bytes();
    pgs_stack_pool_stats stats = pgs_stack_pool_get_stats(&pool);
    CHECK(stats.warm >= 100 && stats.warm <= 100 + 64);
    CHECK_EQ(stats.warm + stats.cold, COUNT);
    CHECK_EQ(stats.trimmed, stats.cold);
    size_t freed = stats.cold * all[0].size;
    /* An emulator's memory need not follow its guest's. */
    if (getenv("PG_TEST_NO_RSS") == NULL) CHECK(before > after && before - after > freed / 10 * 9);
    CHECK_EQ(pgs_stack_pool_take_many(&pool, all, COUNT), COUNT);
    for (size_t i = 0; i < COUNT; i++) CHECK_EQ(*(char *)all[i].base, i < stats.warm);
    pgs_stack_pool_destroy(&pool);
}

static void test_used(void)
{
    pgs_stack_pool pool;
    pgs_stack stack;
    CHECK_EQ(pgs_stack_pool_init(&pool, 1 << 20, 2), 0);
    CHECK(pgs_stack_pool_take(&pool, &stack));
    char *top = (char *)stack.base + stack.size;
    CHECK_EQ(pgs_stack_used(stack), 0);
    top[-8] = 1;
    CHECK_EQ(pgs_stack_used(stack), 8);
    top[-5000] = 1;
    CHECK_EQ(pgs_stack_used(stack), 5000);
    top[-700000] = 1;
    CHECK_EQ(pgs_stack_used(stack), 700000);
    pgs_stack_pool_destroy(&pool);
}

/* Threads: nobody is handed a stack that another one holds, with exhaustion and trimming under way. */

enum { THREADS = 4, SHARED = 40 };
static pgs_stack_pool shared;

static void *take_and_give(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg, id = random;
    for (int i = 0; i < 3000; i++) {
        pgs_stack mine[16];
        size_t wanted = check_random(&random) % 16 + 1;
        size_t count = pgs_stack_pool_take_many(&shared, mine, wanted);
        CHECK(count <= wanted);
        for (size_t k = 0; k < count; k++) *(uint64_t *)mine[k].base = id + k;
        if (check_random(&random) % 16 == 0) pgs_stack_pool_trim(&shared, 0);
        for (size_t k = 0; k < count; k++) CHECK_EQ(*(uint64_t *)mine[k].base, id + k);
        pgs_stack_pool_give_many(&shared, mine, count);
    }
    return NULL;
}

static void test_threads(uint64_t seed)
{
    pthread_t threads[THREADS];
    CHECK_EQ(pgs_stack_pool_init(&shared, 0, SHARED), 0);
    for (size_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, take_and_give, (void *)(seed + i * 1000));
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pgs_stack_pool_stats stats = pgs_stack_pool_get_stats(&shared);
    CHECK_EQ(stats.in_use, 0);
    CHECK_EQ(stats.warm + stats.cold + stats.fresh, SHARED);
    pgs_stack_pool_destroy(&shared);
}

int main(void)
{
    uint64_t seed = check_seed();
    test_sizes();
    test_reuse();
    test_guards(0);
    test_guards(PGS_STACKS_MPROTECT);
    test_guard_budget();
    test_many(0);
    test_many(PGS_STACKS_MPROTECT);
    test_trim();
    test_used();
    test_threads(seed);
    return 0;
}
