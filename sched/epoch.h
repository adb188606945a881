/* epoch.h - grace periods: when may a slot that was unlinked be used again?
 *
 * A reader finds a slot by its index, checks its generation, and then touches it for a moment.  Whoever retires the
 * slot bumps the generation (unlinks it), takes a stamp, and uses the slot again once the stamp has passed: every
 * reader that may have seen the old generation is then done with it.  Nobody waits; what has not passed is looked at
 * later.
 *
 * Two kinds of reader.  Members are workers: each is inside only around a single operation that uses the table, and
 * says so in a counter of its own, without a locked instruction; beside that it announces from time to time, between
 * two tasks, that it holds nothing.  Visitors are foreign threads: they enter for one operation and leave.
 *
 * The domain has a global epoch.  A member's word is the epoch that it saw at its last quiescent moment, or 0 when it
 * is offline; its counter says how many operations, nested, it is in.  Visitors are counted by the parity of the epoch
 * in which they entered.  The epoch goes from g to g+1 only if (a) for each member the word is g or 0, or the step is
 * forced and the counter is 0 after a heavy fence, and (b) no visitor of epoch g-1 is inside; its parity is that of
 * g+1, whose visitors are still to come.
 *
 * Two ways to move it.  The cheap attempt looks at words only: some loads, but a member that the system has preempted,
 * or that sits in a long handler, has an old word and stops it.  The forced one costs a system call that interrupts all
 * processors that run this program, and only a member that is in the middle of one operation stops it.
 *
 * Claim: if the stamp s was taken after X was unlinked, then at global epoch >= s+2 no reader holds X, and all that
 * readers did with X happens before whatever the caller of passed() does next.
 *
 * Why.  U unlinks X, does a full fence FU, and reads the stamp s from the global epoch.  Let R be a reader that holds
 * X, so that it read the link before the unlinking; R did a full fence FR between announcing or entering and that read.
 * (A member did FR at its last announcement, which may be long ago.)  By A let us call the advance from s+1 to s+2: it
 * read s+1, did a full fence FA, then read the members and visitors.
 *   1. R's epoch is at most s.  Had R read s+1 or more before FR while U after FU still read s, FU would precede FR in
 *      the order of fences, and R would have found X unlinked.  So a member that holds X has a word of at most s, and a
 *      visitor that holds X is counted under s or earlier.
 *   2. FR precedes FA.  U read s after FU, A read s+1 before FA, so FU precedes FA; and if FA preceded FR, then FU
 *      would precede FR, and R would have found X unlinked.
 *   3. So A sees R's word, or a later one.  If it is a later one, R was quiescent in between and has dropped X: its
 *      release store and A's acquire load order this before the swap of the epoch, whose release meets the acquire in
 *      passed().  If the word is R's, it is neither s+1 nor 0, and A fails unless it is forced and finds the counter 0.
 *   4. A forced A finds the counter 0 only when R has dropped X.  Between FA and that look, A does a heavy fence FH;
 *      in the operation in which it found X, R raised its counter, did a light fence L, and read the link.  A light
 *      fence only keeps the compiler from changing their order; the processor may still hold the raised counter in its
 *      store buffer while it reads the link.  But FH makes every running thread do a full fence at some moment between
 *      FH's beginning and its end, and one that does not run has done one when it was switched off: so either L is
 *      before that moment, and what R stored before L is visible to all that A reads after FH; or that moment is before
 *      L, and R's reads after L find all that was visible before FH.  The second cannot be: FU precedes FA, which is
 *      before FH, and R would have found X unlinked.  So A sees the counter that R raised, or what R wrote later; and
 *      the next 0 that R wrote is that of its leave, or of a later one, after its last touch of X.  That is a release
 *      store, A's look an acquire load; on to passed() as in 3.
 *   5. A visitor counts itself, does FR, and reads the epoch a second time; unless it reads the same e it steps back.
 *      An advance from e+1 to e+2 that misses it would have read e+1 before FA and FA would precede FR, so the second
 *      look would have read at least e+1.  Hence a visitor of epoch e that is inside stops the advance from e+1.  With
 *      e <= s (1), and since the epoch cannot leave e+1 while it is inside, X has not passed.
 * Why not +1: a member may announce s, then find X, then U unlinks and stamps s.  The advance to s+1 asks only for s.
 * A forced advance from s does not help: it may have looked at the counter just before R found X, and U may have
 * stamped s just before it swapped.  Of the advance from s+1 we know that it looked after the stamp.
 * Steps 1, 2 and 5 speak of an epoch that a thread has read before its fence, and another has written.  That a fence
 * orders this as well is what C++20 says, and what processors do; for C17 the swap of the epoch is sequentially
 * consistent, and so before the fence of whoever has read it.
 * The fences are needed: on x86 too, a store and a later load change places without one.
 *
 * A stale read of the epoch by a member only delays; a reader that never comes back (a preempted visitor, a member that
 * is preempted inside) delays reuse and nothing else.  A member that calls the advance while it is inside holds back
 * the forced one like any other.
 *
 * Who may call with whom: everything with everything, but for each member enter, leave, quiesce, online and offline
 * come from the one thread that it stands for, and the last three only while it is outside.  Members are never removed;
 * they live as long as the domain.
 *
 * The asymmetric pair of fences is that of fence.h.
 *
 * Rejected: quiescence between tasks only, for what it keeps waiting (one preempted worker of two made a tree of a
 * million processes touch 80,000 slots instead of 1,600).  A locked instruction in enter: 5 ns and more for each
 * message sent.  The flavours of liburcu.  Their synchronize_rcu() blocks until every reader thread of the whole host
 * program has been quiescent; call_rcu() needs a thread that outlives the runtime; and the turnaround, which decides
 * how much memory a million short processes touch, is out of our hands.  Hazard pointers: a full fence for each message
 * sent, or this same pair of fences and a scan for each slot. */
#ifndef PGS_EPOCH_H
#define PGS_EPOCH_H

#include "atomic.h"
#include "base.h"
#include "hostile.h"

#if defined(PGS_MODEL)
#define PGS_EPOCH_SHARDS 1 /* fewer loads, fewer interleavings */
#else
#define PGS_EPOCH_SHARDS PGS_TUNED(4, 1)
#endif

typedef struct pgs_epoch_member {
    PGS_ALIGNED _Atomic(uint64_t) announced; /* the member: an epoch, or 0 when offline */
    _Atomic(uint32_t) inside;                /* the member: operations that it is in, nested */
    struct pgs_epoch_member *next;           /* fixed once registered */
} pgs_epoch_member;

struct pgs_epoch_shard {
    PGS_ALIGNED _Atomic(uint32_t) inside;
};

typedef struct pgs_epoch {
    PGS_ALIGNED _Atomic(uint64_t) global;                  /* whoever advances */
    _Atomic(pgs_epoch_member *) members;                   /* grows only */
    bool can_force;                                        /* constant: the system has heavy fences */
    struct pgs_epoch_shard visitors[2 * PGS_EPOCH_SHARDS]; /* by parity, then shard */
} pgs_epoch;

/* What enter() returns and leave() wants back. */
typedef struct pgs_epoch_visitor {
    uint32_t index;
} pgs_epoch_visitor;

/* Makes a domain without members, before it is shared.  The first domain of a program registers it for heavy fences,
 * which may take some milliseconds if it has threads already. */
void pgs_epoch_init(pgs_epoch *domain);

/* Adds `member`, offline.  It must outlive the domain.  Any thread. */
void pgs_epoch_register(pgs_epoch *domain, pgs_epoch_member *member);

/* The member holds nothing now, and may enter from now on.  The member's thread. */
static inline void pgs_epoch_member_online(pgs_epoch *domain, pgs_epoch_member *member)
{
    pgs_assert(load_relaxed(&member->inside) == 0);
    uint64_t now = load_relaxed(&domain->global);
    store_release(&member->announced, now); /* partner: the acquire in try_advance */
    fence_seq_cst();                        /* FR above; partners: the fences of now() and try_advance() */
}

/* The member holds nothing until it is online again: a worker about to park.  The member's thread. */
static inline void pgs_epoch_member_offline(pgs_epoch *domain, pgs_epoch_member *member)
{
    (void)domain;
    pgs_assert(load_relaxed(&member->inside) == 0);
    store_release(&member->announced, 0); /* partner: the acquire in try_advance */
}

/* The member, online, holds nothing at this moment.  Two loads and a comparison unless the epoch has moved.  The
 * member's thread. */
static inline void pgs_epoch_quiesce(pgs_epoch *domain, pgs_epoch_member *member)
{
    if (unlikely(load_relaxed(&domain->global) != load_relaxed(&member->announced))) {
        pgs_epoch_member_online(domain, member);
    }
}

/* Begins an operation of a member that is online: it may hold what it finds until it leaves.  Nests, signal handlers on
 * its thread included.  Two moves and an addition; the counter is in the member's own cache line.  The member's thread,
 * which must not park, nor go on as another, before it leaves. */
static inline void pgs_epoch_member_enter(pgs_epoch_member *member)
{
    store_relaxed(&member->inside, load_relaxed(&member->inside) + 1);
    fence_light(); /* L above; partner: fence_heavy in force_advance */
}

/* Ends the operation.  The member's thread. */
static inline void pgs_epoch_member_leave(pgs_epoch_member *member)
{
    store_release(&member->inside, load_relaxed(&member->inside) - 1); /* partner: the acquire in force_advance */
}

/* Whether the member is in an operation.  The member's thread. */
static inline bool pgs_epoch_member_is_inside(pgs_epoch_member *member)
{
    return load_relaxed(&member->inside) != 0;
}

/* A stamp for something that has just been unlinked (its generation changed, by a store of any order).  Any thread. */
static inline uint64_t pgs_epoch_now(pgs_epoch *domain)
{
    fence_seq_cst(); /* FU above; partner: FR, the fence of each reader */
    return load_relaxed(&domain->global);
}

/* Whether what carries this stamp may be used again.  Any thread. */
static inline bool pgs_epoch_passed(pgs_epoch *domain, uint64_t stamp)
{
    return load_acquire(&domain->global) >= stamp + 2; /* partner: the swap in try_advance */
}

/* Moves the epoch on by one if all readers allow it.  True: it has moved, by this call or by another's.  Its cost is
 * one load for each member and shard: call it when something waits to pass, not for each task.  Any thread;
 * wait-free. */
bool pgs_epoch_try_advance(pgs_epoch *domain);

/* The same for when something waits for long: members that have not announced the epoch but are outside do not stop it.
 * A member inside is given a microsecond or so to leave.  It costs a system call of some microseconds unless the cheap
 * attempt succeeds or a visitor is in the way; where the system refuses the call it is the cheap attempt and no more.
 * To be called outside: the caller's own operation stops it.  Any thread; wait-free but for the system. */
bool pgs_epoch_force_advance(pgs_epoch *domain);

/* A shard for the calling thread: stacks of different threads are far apart. */
static inline uint32_t pgs_epoch_shard_of_caller(void)
{
    char here;
    return (uint32_t)(((uint64_t)(uintptr_t)&here >> 16) * 0x9e3779b97f4a7c15u >> 40) % PGS_EPOCH_SHARDS;
}

/* Begins an operation of a thread that is no member.  Operations may be nested.  Any thread; lock-free (it tries again
 * only when the epoch has moved). */
static inline pgs_epoch_visitor pgs_epoch_enter(pgs_epoch *domain)
{
    uint32_t shard = pgs_epoch_shard_of_caller();
    for (;;) {
        uint64_t now = load_relaxed(&domain->global);
        uint32_t index = (uint32_t)(now & 1) * PGS_EPOCH_SHARDS + shard;
        add_relaxed(&domain->visitors[index].inside, 1u);
        fence_seq_cst(); /* FR above; partners: the fences of now() and try_advance() */
        if (likely(load_relaxed(&domain->global) == now)) return (pgs_epoch_visitor){index};
        sub_relaxed(&domain->visitors[index].inside, 1u);
    }
}

/* Ends the operation.  The thread that entered. */
static inline void pgs_epoch_leave(pgs_epoch *domain, pgs_epoch_visitor visitor)
{
    sub_release(&domain->visitors[visitor.index].inside, 1u); /* partner: the acquire in try_advance */
}

#endif
