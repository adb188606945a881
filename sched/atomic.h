/* atomic.h - the only place that spells a memory order.
 *
 * Each operation carries its order in its name, so that `grep _acquire` finds every place that relies on one, and a
 * reviewer asks of each: who is the partner?  Every use that is not relaxed says so in a comment beside it.
 *
 * The operations are macros over C11 atomics, generic in the type.  Built with PGS_MODEL they become calls into the
 * explorer of tests/model, which runs the same source under every interleaving of a small case, store buffers included;
 * for that reason lock-free code of this project touches shared memory through these names only.
 *
 * A compare-and-swap takes a pointer to the expected value and overwrites it with the value found, as C11's does.
 *
 * What the orders protect is plain memory, of which the explorer knows only what it is told: plain_read and plain_write
 * stand beside an access, or one of several, and are nothing outside of models.  A race for such a word is found. */
#ifndef PGS_ATOMIC_H
#define PGS_ATOMIC_H

#include <stdatomic.h>

#if defined(PGS_MODEL)
#include "model_atomic.h"
#else

#define load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)

#define store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define store_seq_cst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)

#define xchg_relaxed(p, v) atomic_exchange_explicit((p), (v), memory_order_relaxed)
#define xchg_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define xchg_release(p, v) atomic_exchange_explicit((p), (v), memory_order_release)
#define xchg_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define xchg_seq_cst(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)

#define cas_relaxed(p, e, v) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_relaxed, memory_order_relaxed)
#define cas_acquire(p, e, v) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_acquire, memory_order_acquire)
#define cas_release(p, e, v) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_release, memory_order_relaxed)
#define cas_acq_rel(p, e, v) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_acq_rel, memory_order_acquire)
#define cas_seq_cst(p, e, v) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_seq_cst, memory_order_seq_cst)

#define add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define add_release(p, v) atomic_fetch_add_explicit((p), (v), memory_order_release)
#define add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define add_seq_cst(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define sub_release(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_release)
#define sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define sub_seq_cst(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define or_acq_rel(p, v) atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define or_release(p, v) atomic_fetch_or_explicit((p), (v), memory_order_release)
#define and_acquire(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acquire)
#define and_acq_rel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)

/* clang makes an MFENCE of the standard fence, which takes five times as long as the locked instruction that gcc takes;
 * both order all accesses to ordinary memory. */
#if defined(__clang__) && defined(__x86_64__)
#define fence_seq_cst() __asm__ volatile("lock; orl $0, (%%rsp)" ::: "memory", "cc")
#else
#define fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)
#endif

/* One half of an asymmetric pair: it costs nothing and is a full fence towards a heavy fence of another thread only,
 * which is fence_heavy() in fence.h. */
#define fence_light() atomic_signal_fence(memory_order_seq_cst)

/* For the compiler alone: what was copied before it out of memory that others write to is not read there again. */
#define fence_compiler() atomic_signal_fence(memory_order_seq_cst)

/* fence_seq_cst() where an atomic read-modify-write of this thread's is just before: on x86 that is a fence itself. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define fence_after_rmw() atomic_signal_fence(memory_order_seq_cst)
#else
#define fence_after_rmw() fence_seq_cst()
#endif

#define plain_read(p) ((void)0)
#define plain_write(p) ((void)0)

#endif /* PGS_MODEL */

/* A hint to the processor, and to the explorer, that the caller spins. */
static inline void cpu_relax(void)
{
#if defined(PGS_MODEL)
    model_spin();
#elif defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Asks for the line of `p`, which will be written soon, as one that no other core has: a store that has to wait for it
 * keeps all later ones of this thread waiting, and so every atomic operation.  `p` need not be mapped.  (Compilers make
 * a prefetch for reading of it, for old processors' sake.) */
static inline void prefetch_to_write(const void *p)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw (%0)" : : "r"(p));
#else
    __builtin_prefetch(p, 1);
#endif
}

#endif
