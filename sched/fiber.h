/* fiber.h - fibers: stacks that a thread can leave and that any thread can continue.
 *
 * A fiber is a saved stack pointer with what else belongs to a flow of control: callee-saved registers, the rounding
 * and masking bits of the floating-point unit, errno, and the C++ exceptions being handled.  Switching makes no system
 * call. The signal mask is the thread's, not the fiber's.
 *
 * Who may do what: exactly one thread runs a fiber at a time, and only a fiber that nobody runs may be switched to,
 * remade or unmade.  Handing a fiber from thread to thread is the caller's business, and must order the switch away
 * before the switch back (release and acquire, or a lock).
 *
 * Code on a fiber may go on on another thread after each pgs_fiber_switch, thus must not keep the address of anything
 * thread-local across one.  Compilers do so unasked: they compute such an address once a function.  Read thread-locals
 * through functions that cannot be inlined.  errno is the worst case, as glibc declares its accessor `const`: the
 * library itself uses pgs_errno and pgs_set_errno wherever a switch may lie between two uses.
 *
 * Two back ends, chosen when compiling: assembly (x86-64, aarch64), and ucontext (any processor) with
 * -DPGS_FIBER_UCONTEXT.  All files that include this header must agree. */
#ifndef PGS_FIBER_H
#define PGS_FIBER_H

#include "base.h"
#include "stack_pool.h"

#if !defined(PGS_FIBER_UCONTEXT) && !(defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__)))
#define PGS_FIBER_UCONTEXT 1
#endif
#ifdef PGS_FIBER_UCONTEXT
#include <ucontext.h>
#endif

#ifndef __has_feature
#define PGS_HAS_FEATURE(x) 0
#else
#define PGS_HAS_FEATURE(x) __has_feature(x)
#endif
#if defined(__SANITIZE_ADDRESS__) || PGS_HAS_FEATURE(address_sanitizer)
#define PGS_FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || PGS_HAS_FEATURE(thread_sanitizer)
#define PGS_FIBER_TSAN 1
#endif

/* What a fiber runs.  It never returns: its last act is a switch away. */
typedef void (*pgs_fiber_entry)(void *arg);

/* What the C++ ABI calls __cxa_eh_globals. */
typedef struct pgs_fiber_exceptions {
    void *caught;
    unsigned uncaught;
} pgs_fiber_exceptions;

/* The first five fields are what a switch touches, one cache line.  The struct may lie at the top of its own stack. */
typedef struct pgs_fiber {
    void *sp;                        /* where it left off; meaningless while it runs */
    int saved_errno;                 /* likewise */
    unsigned valgrind_id;            /* of its stack, from make to unmake */
    pgs_fiber_exceptions exceptions; /* meaningless while it runs */
    pgs_stack stack;                 /* whole, even where this struct takes its top; empty if adopted */
    pgs_fiber_entry entry;
    void *arg;
#ifdef PGS_FIBER_ASAN
    void *fake_stack; /* AddressSanitizer's, while it is suspended */
    const void *asan_base;
    size_t asan_size;
#endif
#ifdef PGS_FIBER_TSAN
    void *tsan; /* ThreadSanitizer's state of this flow of control */
#endif
#ifdef PGS_FIBER_UCONTEXT
    ucontext_t context;
#endif
} pgs_fiber;

/* Makes `fiber` stand for the stack that the calling thread is on, so that it can be switched away from and back to. It
 * must be continued on this thread only.  Nothing needs to be undone, but the thread must end on this stack. */
void pgs_fiber_adopt(pgs_fiber *fiber);

/* Prepares a fiber: the first switch to it calls entry(arg) on `stack`, with errno 0, no exceptions, and the
 * floating-point control bits of whoever makes it.  If `fiber` lies within `stack`, what is below it is used.  Does not
 * fail. */
void pgs_fiber_make(pgs_fiber *fiber, pgs_stack stack, pgs_fiber_entry entry, void *arg);

/* What a switch exchanges of the thread that it is on.  Looked up once, by the thread itself: where its errno is, and
 * its C++ exceptions (NULL: the program has none). */
typedef struct pgs_fiber_thread {
    int *error;
    pgs_fiber_exceptions *exceptions;
} pgs_fiber_thread;

void pgs_fiber_thread_init(pgs_fiber_thread *thread);

/* Leaves `from`, which the calling thread runs, and goes on with `to`: returns when somebody switches back to `from`,
 * maybe on another thread.  Everything that the thread wrote before is visible to `to`; `to` is the fiber to publish
 * `from` to others, who may then continue it at once. */
void pgs_fiber_switch(const pgs_fiber_thread *thread, pgs_fiber *from, pgs_fiber *to);

/* Makes a suspended fiber anew on its stack, as pgs_fiber_make does: the frames on it are abandoned and no code of them
 * runs again.  Costs no more than a few stores. */
void pgs_fiber_remake(pgs_fiber *fiber, pgs_fiber_entry entry, void *arg);

/* Ends a suspended fiber: afterwards its stack is plain memory again.  Sanitizers and Valgrind are told. */
void pgs_fiber_unmake(pgs_fiber *fiber);

/* A fiber at the top of a stack of `pool`, so that a suspended one with little on its stack occupies one page.  Returns
 * NULL when the pool has no stack. */
pgs_fiber *pgs_fiber_create(pgs_stack_pool *pool, pgs_fiber_entry entry, void *arg);

/* Unmakes a fiber of pgs_fiber_create, and gives its stack, and the fiber with it, back to `pool`. */
void pgs_fiber_destroy(pgs_stack_pool *pool, pgs_fiber *fiber);

/* The errno of the thread that runs the caller now, however often the caller migrated. */
int pgs_errno(void);
void pgs_set_errno(int value);

/* Between fiber.c and its back ends.
 *
 * pgs_fiber_context_make: the first pgs_fiber_context_switch to `fiber` calls begin(fiber) on the stack that ends at
 * `top` (aligned to 16) and starts at `low`.  pgs_fiber_context_switch saves into `from` and continues `to`. */
void pgs_fiber_context_make(pgs_fiber *fiber, void *low, void *top, void (*begin)(pgs_fiber *));
#ifdef PGS_FIBER_UCONTEXT
void pgs_fiber_context_switch(pgs_fiber *from, pgs_fiber *to);
#else
/* `sp` is the first field of each. */
__attribute__((visibility("hidden"))) void pgs_fiber_context_switch(pgs_fiber *from, pgs_fiber *to);
/* Where a new fiber begins; never called, only returned to. */
__attribute__((visibility("hidden"))) void pgs_fiber_context_begin(void);
#endif

#endif
