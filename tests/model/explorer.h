/* explorer.h - runs a small concurrent case under every interleaving within bounds.
 *
 * A case is a setup, up to five threads, and a check.  The explorer runs it again and again, from setup to check, each
 * time with another sequence of choices, until all sequences within the bounds are done (depth first, by replay).  The
 * choices are: which thread goes on before each atomic operation; whether an operation sees the plain stores (relaxed
 * or release) that are still in another thread's store buffer; whether a sleep on a futex times out or wakes for
 * nothing.
 *
 * Bounds: a preemption takes the processor from a thread that could have gone on; a delay lets an
 * operation overlook such a store; a spurious wake ends a futex sleep with EINTR.
 *
 * A case fails, with a trace of the operations that led there, when
 *   - a MODEL_CHECK or a pgs_assert is not true,
 *   - no thread can go on and not all are done: a deadlock, or a wake-up that was lost,
 *   - one execution does not end (2,000 steps),
 *   - plain memory announced by model_read and model_write is raced for: not ordered by happens-before as C11 defines
 *     it from the orders that the code spelled, whatever the processor would have done,
 *   - an atomic operation touches memory that model_free has given up.
 *
 * A heavy fence writes the buffer of each other thread, one after the other: what that thread stored before its last
 * light fence for certain; later stores stay, since without a light fence a compiler may delay them.
 *
 * What it does not see: loads that are satisfied out of order, as processors weaker than x86 allow; it judges the code
 * by total store order, plus happens-before.  A release sequence is continued by read-modify-writes only. */
#ifndef EXPLORER_H
#define EXPLORER_H

#include "atomic.h"
#include "base.h"

#define MODEL_MAX_THREADS 5

struct model_case {
    const char *name;
    void (*setup)(void);
    void (*thread[MODEL_MAX_THREADS])(void);
    void (*check)(void); /* after all threads are done and all buffers are empty; may be NULL */
    int preemptions;
    int delays;
    int spurious;
};

/* Explores the case; prints its size and bounds, or the failing trace, and then ends the program with status 1. */
void model_explore(const struct model_case *c);

/* Ends the exploration as failed. */
PGS_NORETURN void model_fail(const char *format, ...) PGS_PRINTF(1, 2);

#define MODEL_CHECK(x) ((x) ? (void)0 : model_fail("%s:%d: not true: %s", __FILE__, __LINE__, #x))

/* Operations of all threads but the calling one, so far: one who looks around in a loop spins only if there have been
 * none since the loop began. */
uint64_t model_moves_of_others(void);

/* The calling thread reads or writes plain memory, named by its address. */
void model_read(const void *address);
void model_write(const void *address);

/* The bytes must not be touched by an atomic operation from now on; and may be again. */
void model_free(const void *address, size_t size);
void model_revive(const void *address);

#endif
