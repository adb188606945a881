/* fiber.c - what both back ends share: creation, errno, C++ exceptions, and telling the tools.
 *
 * Callers: the workers, which switch between runner fibers and blocked processes; tests of lock-free code, which run
 * their threads as fibers.  The back end (fiber_ucontext.c, or switch_x86_64.S and switch_aarch64.S with the function
 * at the end of this file) knows how to save and continue a context, and nothing else.
 *
 * Invariants:
 *   1. What belongs to the flow of control but lives in the thread (errno, exception globals) is exchanged before the
 *      switch, while it is certain which thread runs: one look-up for both fibers, and no address to keep across it.
 *   2. The order in pgs_fiber_switch is errno, AddressSanitizer, ThreadSanitizer, jump.  The tools' calls come last,
 *      since each holds from there on that the other stack runs.  A fiber's first words are fiber_begin, later ones the
 *      end of pgs_fiber_switch: both complete what AddressSanitizer was told.
 *
 * Rejected: boost's fcontext and libco (no errno, no floating-point control, another dependency); saving the signal
 * mask (a system call, 300 ns against 9, for something that a library must leave to its host); exchanging errno after
 * the switch (a second look-up, and glibc's `const` accessor lets a compiler reuse the first one's address). */
#define _GNU_SOURCE
#include "fiber.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#ifdef PGS_FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef PGS_FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>) && !defined(NVALGRIND)
#include <valgrind/memcheck.h>
#define PGS_FIBER_VALGRIND 1
#endif
#endif

/* Through a volatile pointer, because the declaration of __errno_location carries `const`: a direct call may be merged
 * with an earlier one, made when another thread ran this code. */
static int *(*const volatile errno_location)(void) = __errno_location;

int pgs_errno(void)
{
    return *errno_location();
}

void pgs_set_errno(int value)
{
    *errno_location() = value;
}

/* Itanium C++ ABI, exception handling, 2.2.2.  Absent in programs without C++. */
pgs_fiber_exceptions *__cxa_get_globals(void) __attribute__((weak));

void pgs_fiber_thread_init(pgs_fiber_thread *thread)
{
    thread->error = errno_location();
    thread->exceptions = __cxa_get_globals ? __cxa_get_globals() : NULL;
}

static inline void exchange_thread_state(const pgs_fiber_thread *thread, pgs_fiber *from, const pgs_fiber *to)
{
    if (thread->exceptions) {
        from->exceptions = *thread->exceptions;
        *thread->exceptions = to->exceptions;
    }
    from->saved_errno = *thread->error;
    *thread->error = to->saved_errno;
}

/* Where the usable part of the fiber's stack ends. */
static char *top_of(const pgs_fiber *fiber)
{
    char *low = fiber->stack.base, *top = low + fiber->stack.size;
    if ((const char *)fiber >= low && (const char *)fiber < top) top = (char *)(uintptr_t)fiber;
    return (char *)((uintptr_t)top & ~(uintptr_t)15);
}

/* AddressSanitizer.  It must know the bounds of the running stack, and owns a "fake stack" for each fiber if it looks
 * for use after return. */
#ifdef PGS_FIBER_ASAN

static void asan_make(pgs_fiber *fiber)
{
    fiber->fake_stack = NULL;
    fiber->asan_base = fiber->stack.base;
    fiber->asan_size = (size_t)(top_of(fiber) - (char *)fiber->stack.base);
    /* Frames that never returned leave their red zones behind. */
    __asan_unpoison_memory_region(fiber->asan_base, fiber->asan_size);
}

static void asan_adopt(pgs_fiber *fiber)
{
    pthread_attr_t attributes;
    void *base = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &base, &size);
        pthread_attr_destroy(&attributes);
    }
    fiber->asan_base = base;
    fiber->asan_size = size;
}

/* Frees the fake stack of a suspended fiber.  The interface can only free that of a fiber that leaves, so the caller
 * pretends to be it and to leave, without moving. */
__attribute__((noinline, no_sanitize_address)) static void asan_unmake(pgs_fiber *fiber)
{
    if (fiber->fake_stack) {
        void *mine = NULL;
        const void *base = NULL;
        size_t size = 0;
        __sanitizer_start_switch_fiber(&mine, fiber->asan_base, fiber->asan_size);
        __sanitizer_finish_switch_fiber(fiber->fake_stack, &base, &size);
        __sanitizer_start_switch_fiber(NULL, base, size);
        __sanitizer_finish_switch_fiber(mine, NULL, NULL);
        fiber->fake_stack = NULL;
    }
    __asan_unpoison_memory_region(fiber->asan_base, fiber->asan_size);
}

#define asan_leave(from, to) __sanitizer_start_switch_fiber(&(from)->fake_stack, (to)->asan_base, (to)->asan_size)
#define asan_arrive(fiber) __sanitizer_finish_switch_fiber((fiber)->fake_stack, NULL, NULL)
#else
#define asan_make(fiber) ((void)(fiber))
#define asan_adopt(fiber) ((void)(fiber))
#define asan_unmake(fiber) ((void)(fiber))
#define asan_leave(from, to) ((void)(from), (void)(to))
#define asan_arrive(fiber) ((void)(fiber))
#endif

/* ThreadSanitizer.  Flag 0: a switch orders what was done before it. */
#ifdef PGS_FIBER_TSAN
#define tsan_make(fiber) ((void)((fiber)->tsan = __tsan_create_fiber(0)))
#define tsan_adopt(fiber) ((void)((fiber)->tsan = __tsan_get_current_fiber()))
#define tsan_unmake(fiber) __tsan_destroy_fiber((fiber)->tsan)
#define tsan_leave(to) __tsan_switch_to_fiber((to)->tsan, 0)
#else
#define tsan_make(fiber) ((void)(fiber))
#define tsan_adopt(fiber) ((void)(fiber))
#define tsan_unmake(fiber) ((void)(fiber))
#define tsan_leave(to) ((void)(to))
#endif

/* Valgrind.  It takes a jump of the stack pointer for a huge frame unless both ends lie in known stacks. */
#ifdef PGS_FIBER_VALGRIND
#define valgrind_register(fiber) \
    ((void)((fiber)->valgrind_id = VALGRIND_STACK_REGISTER((fiber)->stack.base, top_of(fiber))))
#define valgrind_deregister(fiber) VALGRIND_STACK_DEREGISTER((fiber)->valgrind_id)
/* Frames that returned left their part of the stack marked as out of bounds. */
#define valgrind_renew(fiber) \
    ((void)VALGRIND_MAKE_MEM_UNDEFINED((fiber)->stack.base, top_of(fiber) - (char *)(fiber)->stack.base))
#else
#define valgrind_register(fiber) ((void)(fiber))
#define valgrind_deregister(fiber) ((void)(fiber))
#define valgrind_renew(fiber) ((void)(fiber))
#endif

/* The first C function on a new fiber. */
static void fiber_begin(pgs_fiber *fiber)
{
    asan_arrive(fiber);
    fiber->entry(fiber->arg);
    pgs_panic(__FILE__, __LINE__, "the entry function of a fiber returned");
}

/* All of make and remake that is not telling the tools of a new stack. */
static void prepare(pgs_fiber *fiber, pgs_fiber_entry entry, void *arg)
{
    fiber->saved_errno = 0;
    fiber->exceptions = (pgs_fiber_exceptions){0};
    fiber->entry = entry;
    fiber->arg = arg;
    valgrind_renew(fiber);
    asan_make(fiber);
    tsan_make(fiber);
    pgs_fiber_context_make(fiber, fiber->stack.base, top_of(fiber), fiber_begin);
}

void pgs_fiber_adopt(pgs_fiber *fiber)
{
    memset(fiber, 0, sizeof *fiber);
    asan_adopt(fiber);
    tsan_adopt(fiber);
}

void pgs_fiber_make(pgs_fiber *fiber, pgs_stack stack, pgs_fiber_entry entry, void *arg)
{
    fiber->stack = stack;
    valgrind_register(fiber);
    prepare(fiber, entry, arg);
}

void pgs_fiber_switch(const pgs_fiber_thread *thread, pgs_fiber *from, pgs_fiber *to)
{
    exchange_thread_state(thread, from, to);
    asan_leave(from, to);
    tsan_leave(to);
    pgs_fiber_context_switch(from, to);
    asan_arrive(from);
}

void pgs_fiber_remake(pgs_fiber *fiber, pgs_fiber_entry entry, void *arg)
{
    asan_unmake(fiber);
    tsan_unmake(fiber);
    prepare(fiber, entry, arg);
}

void pgs_fiber_unmake(pgs_fiber *fiber)
{
    asan_unmake(fiber);
    tsan_unmake(fiber);
    valgrind_deregister(fiber);
    valgrind_renew(fiber);
}

/* Stacks lie 64 KiB apart, so that the busy ends of all of them would compete for the same few sets of a cache, which
 * is indexed by the low bits of an address.  Fibers are therefore placed at one of COLOURS distances from the top.  A
 * switch in a ring of 64 fibers takes 9 ns so and 14 without, of 1,000 19 and 24; from 10,000 on it makes no
 * difference, as they fit in no cache. */
enum { COLOURS = 16, COLOUR_STEP = 2 * PGS_CACHE_LINE };

pgs_fiber *pgs_fiber_create(pgs_stack_pool *pool, pgs_fiber_entry entry, void *arg)
{
    pgs_stack stack;
    if (!pgs_stack_pool_take(pool, &stack)) return NULL;
    size_t colour = pgs_stack_pool_slot(pool, stack) % COLOURS;
    uintptr_t at = (uintptr_t)stack.base + stack.size - sizeof(pgs_fiber) - colour * COLOUR_STEP;
    pgs_fiber *fiber = (pgs_fiber *)(at & ~(uintptr_t)(PGS_CACHE_LINE - 1));
    pgs_fiber_make(fiber, stack, entry, arg);
    return fiber;
}

void pgs_fiber_destroy(pgs_stack_pool *pool, pgs_fiber *fiber)
{
    pgs_stack stack = fiber->stack;
    pgs_fiber_unmake(fiber);
    pgs_stack_pool_give(pool, stack);
}

#if !defined(PGS_FIBER_UCONTEXT) && defined(__x86_64__)

/* What pgs_fiber_context_switch of switch_x86_64.S pops, from low to high. */
struct frame {
    uint32_t mxcsr;
    uint16_t x87_control, unused;
    void *r15, *r14;
    uintptr_t r13; /* called by pgs_fiber_context_begin, with r12 */
    pgs_fiber *r12;
    void *rbx, *rbp;
    uintptr_t rip;
    void *end_of_frames[2]; /* zeros, for who walks the chain of rbp */
};

void pgs_fiber_context_make(pgs_fiber *fiber, void *low, void *top, void (*begin)(pgs_fiber *))
{
    (void)low;
    struct frame *frame = (struct frame *)top - 1;
    *frame = (struct frame){.r13 = (uintptr_t)begin, .r12 = fiber, .rip = (uintptr_t)pgs_fiber_context_begin};
    __asm__("stmxcsr %0" : "=m"(frame->mxcsr));
    __asm__("fnstcw %0" : "=m"(frame->x87_control));
    fiber->sp = frame;
}

#elif !defined(PGS_FIBER_UCONTEXT) && defined(__aarch64__)

/* What pgs_fiber_context_switch of switch_aarch64.S pops, from low to high. */
struct frame {
    uint64_t d[8]; /* d8 to d15 */
    pgs_fiber *x19;
    uintptr_t x20; /* called by pgs_fiber_context_begin, with x19 */
    void *x21_to_x28[8];
    void *x29;
    uintptr_t x30;
    uint64_t fpcr, unused;
};

void pgs_fiber_context_make(pgs_fiber *fiber, void *low, void *top, void (*begin)(pgs_fiber *))
{
    (void)low;
    struct frame *frame = (struct frame *)top - 1;
    *frame = (struct frame){.x19 = fiber, .x20 = (uintptr_t)begin, .x30 = (uintptr_t)pgs_fiber_context_begin};
    __asm__("mrs %0, fpcr" : "=r"(frame->fpcr));
    fiber->sp = frame;
}

#endif
