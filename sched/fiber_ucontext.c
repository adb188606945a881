/* fiber_ucontext.c - the portable back end of fiber.h: makecontext and swapcontext, on any processor.
 *
 * The reference that the assembly is tested against, and what runs where there is none.  Each switch saves and sets the
 * signal mask, a system call: 300 ns instead of 9.  Compiled to nothing unless PGS_FIBER_UCONTEXT is defined. */
#define _GNU_SOURCE
#include "fiber.h"

#ifdef PGS_FIBER_UCONTEXT

typedef void (*begin_function)(pgs_fiber *);

/* makecontext passes integers only: two pointers in two halves each. */
static void start(unsigned begin_high, unsigned begin_low, unsigned fiber_high, unsigned fiber_low)
{
    uintptr_t begin = (uintptr_t)((uint64_t)begin_high << 32 | begin_low);
    uintptr_t fiber = (uintptr_t)((uint64_t)fiber_high << 32 | fiber_low);
    ((begin_function)begin)((pgs_fiber *)fiber);
}

void pgs_fiber_context_make(pgs_fiber *fiber, void *low, void *top, void (*begin)(pgs_fiber *))
{
    pgs_assert(getcontext(&fiber->context) == 0);
    fiber->context.uc_link = NULL;
    fiber->context.uc_stack.ss_sp = low;
    fiber->context.uc_stack.ss_size = (size_t)((char *)top - (char *)low);
    uint64_t function = (uintptr_t)begin, argument = (uintptr_t)fiber;
    makecontext(&fiber->context, (void (*)(void))(uintptr_t)start, 4, (unsigned)(function >> 32), (unsigned)function,
                (unsigned)(argument >> 32), (unsigned)argument);
}

void pgs_fiber_context_switch(pgs_fiber *from, pgs_fiber *to)
{
    if (swapcontext(&from->context, &to->context) != 0) pgs_panic(__FILE__, __LINE__, "swapcontext failed");
}

#else

/* ISO C wants a declaration in every file. */
typedef int pgs_fiber_ucontext_unused;

#endif
