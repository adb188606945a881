/* explorer.h - runs a small concurrent case under every interleaving within bounds.
 *
 * A case is a setup, up to five threads, and a check.  The explorer runs it again and again, from setup to check, each
 * time with another sequence of choices, until all sequences within the bounds are done (depth first, by replay).  The
 * choices are: which thread goes on before each atomic operation; what the operation sees of the others; whether a
 * sleep on a futex times out or wakes for nothing.  It does so in two rounds, which differ in what operations see:
 *
 *   tso   what x86 does: a plain store (relaxed or release) waits in its thread's store buffer, and others see it once
 *         it has left.
 *   weak  what C11 allows, as far as an execution that goes forward can show it: a load may read an old value of its
 *         place, unless a later one happens before the load or was read by something that happens before it
 *         (coherence).
 *
 * A sleep with a deadline times out at whatever moment; after two of these in an execution, when nobody else can go on.
 *
 * Bounds: a preemption takes the processor from a thread that could have gone on; a delay (tso) lets an operation
 * overlook a store, a stale read (weak) lets a load read an old value; a spurious wake ends a futex sleep with EINTR.
 * Stale reads are bounded by the case's delays, and at least one; the round has one preemption less when the first one
 * took more than 2.5 million operations.  MODEL_DEEPER=1 in the environment, or more, adds so much to preemptions,
 * delays and stale reads; MODEL_ONLY=text leaves out the cases that do not have it in their names; with
 * MODEL_PLAIN=1 everything is seen at once, in one round: what is found then needs neither store buffers nor weak
 * orders; with MODEL_WEAK=1 the first round is left out, and the second one is as if it had been large.
 *
 * A case fails, with a trace of the operations that led there, when
 *   - a MODEL_CHECK or a pgs_assert is not true,
 *   - no thread can go on and not all are done: a deadlock, or a wake-up that was lost,
 *   - one execution does not end (3,000 steps),
 *   - plain memory announced by model_read and model_write (in sources: plain_read, plain_write) is raced for: not
 *     ordered by happens-before as C11 defines it from the orders that the code spelled, whatever the processor would
 *     have done,
 *   - an atomic operation touches memory that model_free has given up.
 *
 * A heavy fence writes the buffer of each other thread, one after the other: what that thread stored before its last
 * light fence for certain; later stores stay, since without a light fence a compiler may delay them.  With weak orders
 * the same, and the thread may not overlook what came before the heavy fence, from its next light fence on.
 *
 * What C11 allows and weak does not show; what it shows is a subset, so that no failure is false:
 *   - The order in which the stores to a place are executed is its modification order, and a load never reads what is
 *     stored later (the "load buffering" that no compiler and few processors do).
 *   - Sequentially consistent fences, loads and stores take place in the order in which they are executed.  Such a
 *     store shows what its thread has written, where the standard has it show no more than itself; such a load
 *     overlooks nothing that was shown; a fence does the one, and the other for all that comes after it, and so does a
 *     system call that sleeps or wakes.  A plain load behind a consistent store or load, or behind a read-modify-write
 *     of whatever order, may still be stale.
 *   - A compare-and-swap that fails may have read an old value; other read-modify-writes read the last, as they must.
 *   - A place remembers its last 16 values.
 * It is stricter than C17 in one thing, as C++20 is: only read-modify-writes continue a release sequence, and not a
 * plain store of the same thread.  litmus_model.c shows what is seen of the well-known small cases. */
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

/* Another thread goes no further, wherever it is, like a process that is killed; the caller has been told of its death,
 * and sees all that it has done. */
void model_kill(int thread);

/* Whether sequentially consistent fences order, in the round with weak orders, only what their own threads wrote, as
 * C17 has it by its letter, and nothing that their threads had read or been told of: on, at first.  C++20 mended that,
 * and no processor is so weak. */
extern bool model_fences_by_c17;

/* Whether this is the round with weak orders. */
bool model_is_weak(void);

/* A thread-local variable of the subject, NULL at first: all threads of the explorer are one to the system. */
void model_thread_local(void **word);

/* The time in nanoseconds: it stands still, but a sleep that times out sets it to its deadline. */
int64_t model_now(void);

/* The bytes must not be touched by an atomic operation from now on; and may be again. */
void model_free(const void *address, size_t size);
void model_revive(const void *address);

#endif
