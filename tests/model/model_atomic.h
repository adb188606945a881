/* model_atomic.h - the operations of sched/atomic.h as calls into the explorer; included by it under PGS_MODEL.
 *
 * Every shared object is an integer or a pointer of at most 8 bytes and travels as a uint64_t. */
#ifndef MODEL_ATOMIC_H
#define MODEL_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

enum model_order { MODEL_RELAXED, MODEL_ACQUIRE, MODEL_RELEASE, MODEL_ACQ_REL, MODEL_SEQ_CST };
enum model_rmw { MODEL_XCHG, MODEL_ADD, MODEL_SUB, MODEL_OR, MODEL_AND };

uint64_t model_load(const volatile void *address, unsigned size, enum model_order order);
void model_store(volatile void *address, unsigned size, uint64_t value, enum model_order order);
uint64_t model_rmw(volatile void *address, unsigned size, enum model_rmw kind, uint64_t operand,
                   enum model_order order);
bool model_cas(volatile void *address, unsigned size, void *expected, uint64_t desired, enum model_order success,
               enum model_order failure);
void model_fence(void);
void model_fence_light(void);
void model_spin(void);

/* The calling thread reads or writes plain memory, named by its address. */
void model_read(const volatile void *address);
void model_write(const volatile void *address);

/* The doors of epoch.c: membarrier, which is always there. */
bool model_register_heavy(void);
bool model_fence_heavy(void);

/* The doors of parker.c: as the system call, with one waiter woken. */
int model_futex_wait(_Atomic(uint32_t) *word, uint32_t value, int64_t deadline_ns);
void model_futex_wake(_Atomic(uint32_t) *word);

/* An epoll instance, with edge-triggered events: what parker.c writes its kicks to, and a model of poller.c sleeps in.
 * Post: any thread.  Wait: harvests what was posted, or sleeps until something is, the time is up, or for nothing; a
 * deadline of 0 does not sleep. */
enum { MODEL_EPOLL_KICK = 1, MODEL_EPOLL_EVENT = 2 };
void model_epoll_post(uint32_t events);
uint32_t model_epoll_wait(int64_t deadline_ns);

/* The comma takes the _Atomic off the type. */
#define MODEL_TYPE(p) __typeof__((void)0, *(p))
#define MODEL_LOAD(p, order) ((MODEL_TYPE(p))model_load((p), sizeof *(p), (order)))
#define MODEL_STORE(p, v, order) model_store((p), sizeof *(p), (uint64_t)(v), (order))
#define MODEL_RMW(p, kind, v, order) \
    __extension__({ (MODEL_TYPE(p)) model_rmw((p), sizeof *(p), (kind), (uint64_t)(v), (order)); }) /* may be unused \
                                                                                                     */
#define MODEL_CAS(p, e, v, success, failure) model_cas((p), sizeof *(p), (e), (uint64_t)(v), (success), (failure))

#define load_relaxed(p) MODEL_LOAD(p, MODEL_RELAXED)
#define load_acquire(p) MODEL_LOAD(p, MODEL_ACQUIRE)
#define load_seq_cst(p) MODEL_LOAD(p, MODEL_SEQ_CST)

#define store_relaxed(p, v) MODEL_STORE(p, v, MODEL_RELAXED)
#define store_release(p, v) MODEL_STORE(p, v, MODEL_RELEASE)
#define store_seq_cst(p, v) MODEL_STORE(p, v, MODEL_SEQ_CST)

#define xchg_relaxed(p, v) MODEL_RMW(p, MODEL_XCHG, v, MODEL_RELAXED)
#define xchg_acquire(p, v) MODEL_RMW(p, MODEL_XCHG, v, MODEL_ACQUIRE)
#define xchg_release(p, v) MODEL_RMW(p, MODEL_XCHG, v, MODEL_RELEASE)
#define xchg_acq_rel(p, v) MODEL_RMW(p, MODEL_XCHG, v, MODEL_ACQ_REL)
#define xchg_seq_cst(p, v) MODEL_RMW(p, MODEL_XCHG, v, MODEL_SEQ_CST)

#define cas_relaxed(p, e, v) MODEL_CAS(p, e, v, MODEL_RELAXED, MODEL_RELAXED)
#define cas_acquire(p, e, v) MODEL_CAS(p, e, v, MODEL_ACQUIRE, MODEL_ACQUIRE)
#define cas_release(p, e, v) MODEL_CAS(p, e, v, MODEL_RELEASE, MODEL_RELAXED)
#define cas_acq_rel(p, e, v) MODEL_CAS(p, e, v, MODEL_ACQ_REL, MODEL_ACQUIRE)
#define cas_seq_cst(p, e, v) MODEL_CAS(p, e, v, MODEL_SEQ_CST, MODEL_SEQ_CST)

#define add_relaxed(p, v) MODEL_RMW(p, MODEL_ADD, v, MODEL_RELAXED)
#define add_release(p, v) MODEL_RMW(p, MODEL_ADD, v, MODEL_RELEASE)
#define add_acq_rel(p, v) MODEL_RMW(p, MODEL_ADD, v, MODEL_ACQ_REL)
#define add_seq_cst(p, v) MODEL_RMW(p, MODEL_ADD, v, MODEL_SEQ_CST)
#define sub_relaxed(p, v) MODEL_RMW(p, MODEL_SUB, v, MODEL_RELAXED)
#define sub_release(p, v) MODEL_RMW(p, MODEL_SUB, v, MODEL_RELEASE)
#define sub_acq_rel(p, v) MODEL_RMW(p, MODEL_SUB, v, MODEL_ACQ_REL)
#define sub_seq_cst(p, v) MODEL_RMW(p, MODEL_SUB, v, MODEL_SEQ_CST)
#define or_acq_rel(p, v) MODEL_RMW(p, MODEL_OR, v, MODEL_ACQ_REL)
#define or_release(p, v) MODEL_RMW(p, MODEL_OR, v, MODEL_RELEASE)
#define and_acquire(p, v) MODEL_RMW(p, MODEL_AND, v, MODEL_ACQUIRE)
#define and_acq_rel(p, v) MODEL_RMW(p, MODEL_AND, v, MODEL_ACQ_REL)

#define fence_seq_cst() model_fence()
#define fence_after_rmw() model_fence()
#define fence_light() model_fence_light()
#define fence_compiler() ((void)0)

#define plain_read(p) model_read(p)
#define plain_write(p) model_write(p)

#endif
