/* fiber_test.c - sched/fiber.h: what a switch keeps, and that any thread can continue a fiber. */
#define _GNU_SOURCE
#include "sched/fiber.h"

#include "sched/atomic.h"
#include "tests/support/check.h"
#include "tests/support/on_valgrind.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

#if defined(PGS_FIBER_TSAN) || defined(PGS_FIBER_ASAN)
enum { MANY_FIBERS = 1000 };
#else
enum { MANY_FIBERS = 10000 };
#endif

static pgs_stack_pool pool;
static pgs_fiber host; /* the main thread */

static NOINLINE void switch_to(pgs_fiber *from, pgs_fiber *to)
{
    pgs_fiber_thread thread;
    pgs_fiber_thread_init(&thread);
    pgs_fiber_switch(&thread, from, to);
}

/* Ping-pong: each side sees the other's count. */

static int pings;

static void pong(void *arg)
{
    pgs_fiber **self = arg;
    for (int expected = 1;; expected++) {
        CHECK_EQ(pings, expected);
        pings = -pings;
        switch_to(*self, &host);
    }
}

static void test_ping_pong(void)
{
    pgs_fiber *fiber = NULL;
    fiber = pgs_fiber_create(&pool, pong, &fiber);
    CHECK(fiber != NULL);
    CHECK_EQ((uintptr_t)fiber % PGS_CACHE_LINE, 0);
    for (int i = 1; i <= 1000; i++) {
        pings = i;
        switch_to(&host, fiber);
        CHECK_EQ(pings, -i);
    }
    pgs_fiber_destroy(&pool, fiber);
}

/* Deep recursion, left and continued at its deepest, on three fibers in turn. */

typedef struct deep {
    pgs_fiber *fiber;
    uint64_t seed, sum;
    bool done;
} deep;

static NOINLINE uint64_t descend(deep *d, int levels)
{
    volatile uint64_t frame[32];
    for (size_t i = 0; i < 32; i++) frame[i] = d->seed + (uint64_t)levels * 100 + i;
    if (levels == 0) switch_to(d->fiber, &host);
    uint64_t below = levels > 0 ? descend(d, levels - 1) : 0;
    for (size_t i = 0; i < 32; i++) below += frame[i];
    return below;
}

static void deep_entry(void *arg)
{
    deep *d = arg;
    for (;;) {
        d->sum = descend(d, 70);
        d->done = true;
        switch_to(d->fiber, &host);
    }
}

static void test_deep_recursion(void)
{
    deep all[3] = {{.seed = 1}, {.seed = 1000000}, {.seed = 77}};
    for (int i = 0; i < 3; i++) all[i].fiber = pgs_fiber_create(&pool, deep_entry, &all[i]);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3; i++) switch_to(&host, all[i].fiber);
    for (int i = 0; i < 3; i++) {
        uint64_t expected = 0;
        for (uint64_t level = 0; level <= 70; level++)
            for (uint64_t word = 0; word < 32; word++) expected += all[i].seed + level * 100 + word;
        CHECK(all[i].done);
        CHECK_EQ(all[i].sum, expected);
        size_t used = pgs_stack_used(all[i].fiber->stack);
        CHECK(used > 0 && used <= all[i].fiber->stack.size);
#ifndef PGS_FIBER_ASAN /* which may keep frames elsewhere */
        CHECK(used >= (size_t)71 * 32 * 8);
#endif
        pgs_fiber_destroy(&pool, all[i].fiber);
    }
}

/* Callee-saved registers: each side fills them with its own values around a switch. */

#define LOAD(type, name, value) register type name __asm__(#name) = (type)(value)

static NOINLINE void switch_with_registers(pgs_fiber *from, pgs_fiber *to, uint64_t seed)
{
#if defined(__x86_64__)
    LOAD(uint64_t, rbx, seed + 1);
    LOAD(uint64_t, r12, seed + 2);
    LOAD(uint64_t, r13, seed + 3);
    LOAD(uint64_t, r14, seed + 4);
    LOAD(uint64_t, r15, seed + 5);
    __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15));
    switch_to(from, to);
    __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15));
    uint64_t sum = (rbx - seed) + (r12 - seed) * 10 + (r13 - seed) * 100 + (r14 - seed) * 1000 + (r15 - seed) * 10000;
    CHECK_EQ(sum, 54321);
#elif defined(__aarch64__)
    LOAD(uint64_t, x21, seed + 1);
    LOAD(uint64_t, x22, seed + 2);
    LOAD(uint64_t, x23, seed + 3);
    LOAD(uint64_t, x24, seed + 4);
    LOAD(uint64_t, x25, seed + 5);
    LOAD(double, d8, seed + 1);
    LOAD(double, d11, seed + 2);
    LOAD(double, d12, seed + 3);
    LOAD(double, d15, seed + 4);
    __asm__ volatile("" : "+r"(x21), "+r"(x22), "+r"(x23), "+r"(x24), "+r"(x25));
    __asm__ volatile("" : "+w"(d8), "+w"(d11), "+w"(d12), "+w"(d15));
    switch_to(from, to);
    __asm__ volatile("" : "+r"(x21), "+r"(x22), "+r"(x23), "+r"(x24), "+r"(x25));
    __asm__ volatile("" : "+w"(d8), "+w"(d11), "+w"(d12), "+w"(d15));
    uint64_t sum = (x21 - seed) + (x22 - seed) * 10 + (x23 - seed) * 100 + (x24 - seed) * 1000 + (x25 - seed) * 10000;
    double base = (double)seed;
    CHECK_EQ(sum, 54321);
    CHECK_EQ((d8 - base) + (d11 - base) * 10 + (d12 - base) * 100 + (d15 - base) * 1000, 4321);
#else
    volatile double value = (double)seed;
    switch_to(from, to);
    CHECK_EQ(value, seed);
#endif
}

/* The floating-point control word, x87's in the upper half; rounding upwards or to nearest. */

static uint64_t get_control(void)
{
#if defined(__x86_64__)
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (mxcsr & ~0x3fu) | (uint64_t)x87 << 32;
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
#else
    return 0;
#endif
}

static void set_control(uint64_t value)
{
#if defined(__x86_64__)
    uint32_t mxcsr = (uint32_t)value;
    uint16_t x87 = (uint16_t)(value >> 32);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(value));
#else
    (void)value;
#endif
}

#if defined(__x86_64__)
static const uint64_t rounding[] = {(uint64_t)0x800 << 32, 0x4000}; /* only x87; only MXCSR: upwards */
#else
static const uint64_t rounding[] = {1u << 22, 1u << 23};
#endif

static void registers_entry(void *arg)
{
    pgs_fiber **self = arg;
    uint64_t usual = get_control();
    for (int i = 0;; i++) {
#if defined(__x86_64__) || defined(__aarch64__)
        uint64_t own = usual | rounding[i % 2];
#else
        uint64_t own = usual;
#endif
        set_control(own);
        switch_with_registers(*self, &host, 0x1234567800u + (uint64_t)i);
        CHECK_EQ(get_control(), own);
    }
}

static void test_registers(void)
{
    uint64_t usual = get_control();
    (void)rounding;
    pgs_fiber *fiber = NULL;
    fiber = pgs_fiber_create(&pool, registers_entry, &fiber);
    for (uint64_t i = 0; i < 100; i++) {
        switch_with_registers(&host, fiber, 0x8765432100u - i);
        CHECK_EQ(get_control(), usual);
    }
    pgs_fiber_destroy(&pool, fiber);
}

/* errno and the exception globals of each fiber.  The program has no C++, so it can bring its own globals. */

pgs_fiber_exceptions *__cxa_get_globals(void);

NOINLINE pgs_fiber_exceptions *__cxa_get_globals(void)
{
    static _Thread_local pgs_fiber_exceptions globals;
    return &globals;
}

typedef struct state {
    pgs_fiber *fiber;
    int number;
} state;

static void state_entry(void *arg)
{
    state *s = arg;
    CHECK_EQ(pgs_errno(), 0);
    CHECK(__cxa_get_globals()->caught == NULL);
    for (int i = 0;; i++) {
        pgs_set_errno(s->number + i);
        *__cxa_get_globals() = (pgs_fiber_exceptions){s, (unsigned)(s->number + i)};
        switch_to(s->fiber, &host);
        CHECK_EQ(pgs_errno(), s->number + i);
        CHECK(__cxa_get_globals()->caught == s);
        CHECK_EQ(__cxa_get_globals()->uncaught, s->number + i);
    }
}

static void test_thread_state(void)
{
    state all[3];
    for (int i = 0; i < 3; i++) {
        all[i].number = 100 * (i + 1);
        all[i].fiber = pgs_fiber_create(&pool, state_entry, &all[i]);
    }
    pgs_set_errno(7);
    for (int i = 0; i < 30; i++) {
        switch_to(&host, all[i % 3].fiber);
        CHECK_EQ(pgs_errno(), 7);
        CHECK(__cxa_get_globals()->caught == NULL);
    }
    for (int i = 0; i < 3; i++) pgs_fiber_destroy(&pool, all[i].fiber);
}

/* Migration: two threads take turns at continuing one fiber. */

enum { MIGRATIONS = 2000 };

static _Thread_local int thread_number;
static pgs_fiber thread_hosts[2];
static pgs_fiber *migrant;
static _Atomic int turn;

static NOINLINE int current_thread(void)
{
    __asm__ volatile("" ::: "memory");
    return thread_number;
}

/* Everything in one function and one loop, as a compiler would like it for keeping addresses. */
static void migrant_entry(void *arg)
{
    (void)arg;
    for (int i = 0;; i++) {
        CHECK_EQ(current_thread(), i % 2);
        CHECK_EQ(pgs_errno(), i);
        pgs_set_errno(i + 1);
        CHECK(__cxa_get_globals()->uncaught == (unsigned)i);
        __cxa_get_globals()->uncaught++;
        switch_to(migrant, &thread_hosts[i % 2]);
    }
}

static void *migration_thread(void *arg)
{
    int number = (int)(intptr_t)arg;
    thread_number = number;
    pgs_fiber_adopt(&thread_hosts[number]);
    for (int i = number; i < MIGRATIONS; i += 2) {
        while (load_acquire(&turn) != i) sched_yield(); /* with the store below */
        pgs_set_errno(-i - 1);
        switch_to(&thread_hosts[number], migrant);
        CHECK_EQ(pgs_errno(), -i - 1);
        CHECK_EQ(__cxa_get_globals()->uncaught, 0);
        store_release(&turn, i + 1); /* with the load above */
    }
    return NULL;
}

static void test_migration(void)
{
    migrant = pgs_fiber_create(&pool, migrant_entry, NULL);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, migration_thread, (void *)(intptr_t)i);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(turn, MIGRATIONS);
    pgs_fiber_destroy(&pool, migrant);
}

/* Many at once: each passes on to the next, the last to the host. */

typedef struct chain_link {
    pgs_fiber *fiber, **next;
    int runs;
} chain_link;

static void link_entry(void *arg)
{
    chain_link *l = arg;
    for (;;) {
        l->runs++;
        switch_to(l->fiber, *l->next);
    }
}

static void test_many(void)
{
    int count = RUNNING_ON_VALGRIND ? 300 : MANY_FIBERS;
    chain_link *links = calloc((size_t)count, sizeof *links);
    pgs_fiber *last = &host;
    for (int i = 0; i < count; i++) {
        links[i].next = i + 1 < count ? &links[i + 1].fiber : &last;
        links[i].fiber = pgs_fiber_create(&pool, link_entry, &links[i]);
        CHECK(links[i].fiber != NULL);
    }
    for (int i = 0; i < 5; i++) switch_to(&host, links[0].fiber);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(links[i].runs, 5);
        pgs_fiber_destroy(&pool, links[i].fiber);
    }
    free(links);
    CHECK_EQ(pgs_stack_pool_get_stats(&pool).in_use, 0);
}

/* Remaking: abandoned at a different depth each time, then made anew. */

static NOINLINE void abandon(pgs_fiber *fiber, int levels)
{
    volatile char bytes[200];
    memset((char *)bytes, levels, sizeof bytes);
    if (levels == 0)
        switch_to(fiber, &host);
    else
        abandon(fiber, levels - 1);
    CHECK(bytes[0] == levels);
}

static int remade;

static void abandoned_entry(void *arg)
{
    CHECK_EQ(pgs_errno(), 0);
    pgs_set_errno(1);
    remade++;
    abandon(*(pgs_fiber **)arg, remade % 100);
    CHECK_FAIL("an abandoned fiber went on");
}

static void test_remake(void)
{
    pgs_fiber *fiber = NULL;
    fiber = pgs_fiber_create(&pool, abandoned_entry, &fiber);
    pgs_fiber_remake(fiber, abandoned_entry, &fiber);
    for (int i = 1; i <= 500; i++) {
        switch_to(&host, fiber);
        CHECK_EQ(remade, i);
        pgs_fiber_remake(fiber, abandoned_entry, &fiber);
    }
    pgs_fiber_destroy(&pool, fiber);
}

/* A stack of somebody else's, with the fiber outside it; and the frames that an unwinder sees end at the fiber's. */

static int frames;

static void backtrace_entry(void *arg)
{
    void *addresses[64];
    frames = backtrace(addresses, 64);
    switch_to(arg, &host);
    CHECK_FAIL("went on");
}

static void test_own_stack(void)
{
    size_t size = 256 * 1024;
    pgs_stack stack = {malloc(size), size};
    pgs_fiber fiber;
    pgs_fiber_make(&fiber, stack, backtrace_entry, &fiber);
    switch_to(&host, &fiber);
    CHECK(frames >= 1 && frames <= 8);
    pgs_fiber_unmake(&fiber);
    free(stack.base);
}

/* An overflow hits the guard, and the handler can say whose. */

static pgs_fiber *volatile overflowing;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    pgs_stack_place place;
    bool found = pgs_stack_pool_find(&pool, info->si_addr, &place);
    _exit(found && place.in_guard && place.stack.base == overflowing->stack.base ? 42 : 43);
}

static NOINLINE int overflow(volatile int *above)
{
    volatile int frame[64];
    frame[0] = *above + 1;
    return *above >= 0 ? overflow(frame) + frame[0] : 0;
}

static void overflow_entry(void *arg)
{
    volatile int start = 0;
    (void)arg;
    int levels = overflow(&start);
    CHECK_FAIL("%d calls without end", levels);
}

static void test_overflow(void)
{
    pid_t child = fork();
    if (child == 0) {
        stack_t alternative = {.ss_sp = malloc(65536), .ss_size = 65536};
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaltstack(&alternative, NULL);
        sigaction(SIGSEGV, &action, NULL);
        overflowing = pgs_fiber_create(&pool, overflow_entry, NULL);
        switch_to(&host, overflowing);
        _exit(44);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
}

/* A leak checker, where there is one, finds the only pointer to a block on a suspended stack: at exit it says so. */

static void holding_entry(void *arg)
{
    void *volatile block = malloc(100);
    switch_to(arg, &host);
    free(block);
}

static void test_held_memory(void)
{
    static pgs_stack_pool alive_at_exit;
    static pgs_fiber fiber;
    pgs_stack stack;
    CHECK_EQ(pgs_stack_pool_init(&alive_at_exit, 0, 300), 0);
    CHECK(pgs_stack_pool_take(&alive_at_exit, &stack));
    pgs_fiber_make(&fiber, stack, holding_entry, &fiber);
    switch_to(&host, &fiber);
}

int main(void)
{
    CHECK_EQ(pgs_stack_pool_init(&pool, 0, MANY_FIBERS + 10), 0);
    pgs_fiber_adopt(&host);
    test_ping_pong();
    test_deep_recursion();
    test_registers();
    test_thread_state();
    test_migration();
    test_many();
    test_remake();
    test_own_stack();
    test_overflow();
    test_held_memory();
    pgs_stack_pool_destroy(&pool);
    return 0;
}
