/* limit.h - a process with limits: a mailbox that is full at some point, with senders who wait for room in it; an
 * alarm before that; handlers that are timed.
 *
 * It costs nothing to those who have none.  The `id` of a process with limits is not its pid but the address of this
 * structure, which no pid is like, since its node would be 0.  So the one comparison by which a sender finds a process
 * fails, and where it has failed the sender looks once more.  A message that takes room is flagged, and so takes the
 * path of the unusual ones at the receiver's, too.
 *
 * Invariants:
 *   1. `room` is one word: messages, their units, and three flags.  All of it changes by one atomic operation, so
 *      what one finds out is always about all of it.
 *   2. A message marked PGI_COUNTED is in `room`, from before it is pushed until it is taken.  One that is dropped
 *      with its process is not taken off any more: nobody comes in.
 *   3. WAITING is set exactly while there are waiters, seen from under the lock of the process.  It is set by a
 *      compare-and-swap from a word that has no room; so whoever makes room afterwards finds it in what his own
 *      operation gives back, and whoever did before has made the swap fail.  No wake-up is lost, and no fence is
 *      needed.
 *   4. While WAITING is set nobody else comes in: first come, first served.  The message of a waiter is pushed by
 *      whoever makes the room, under the lock; the waiter need not be there for it.
 *   5. HIGH is set by the send that reaches the mark, or the pg_limit() that lowers it; TOLD when its alarm is on its
 *      way; both are taken away together, by whoever finds the messages at the low mark after that.  So alarms
 *      alternate, and are sent one after the other.
 *   6. The structure is alive for whoever finds it within a look, or under the lock of a process that is not dying.
 *      It leaves by the mailbox of its process: pushed as the last message there, it is freed when the slot has
 *      rested, as what senders left is.
 *
 *                      not full                        full
 *      pg_send         counts and pushes, no lock      PG_EFULL
 *      pg_send_wait    the same, under the lock        waits, enlisted, until grant(), close() or the time
 *
 * Rejected: two counters (a sender between them sees a limit that never was; and the handshake of WAITING with two
 * words takes a full fence on both sides).  A lock for each send.  Waking the waiters to try again: who wakes late
 * finds
 * the room taken, and has to wait anew; here nobody is overtaken.  A field in the control block: it has none left. */
#ifndef PGI_LIMITS_H
#define PGI_LIMITS_H

#include "process.h"
#include "runtime.h"
#include "slots.h"
#include "wire.h"

typedef struct pgi_waiter pgi_waiter;

struct pgi_limits {
    pg_message retired; /* first: how it leaves */

    /* The process's own; the marks are read by senders. */
    _Atomic(uint64_t) max_units;
    _Atomic(uint32_t) max_messages, high, low;
    _Atomic(uint64_t) alarm; /* a pid */
    pg_runtime *budget;      /* whose memory its messages count in (budget.h); NULL: nobody's */
    int64_t max_slice;       /* 0: none */
    int64_t warned;          /* when it was last */
    pg_target target;        /* the one that is timed */
    _Atomic(uint64_t) slow;

    /* Everyone's. */
    PGS_ALIGNED _Atomic(uint64_t) room;
    _Atomic(uint64_t) refused, alarms;

    /* Under the lock of the process. */
    pgi_waiter *first, *last;
    uint32_t waiting;
};

typedef struct pgi_limits pgi_limits;

/* What a push leaves to do when the look has ended. */
typedef struct pgi_pushed {
    bool schedule; /* the process was idle, and is to be made ready */
    uint32_t high; /* messages, since the mark has been reached; 0: it has not */
    pg_pid alarm;  /* who is told of that */
} pgi_pushed;

/* The limits of a process, or NULL.  By its own code, or as invariant 6 says. */
static inline pgi_limits *pgi_limits_of(pg_process *p)
{
    uint64_t id = load_acquire(&p->id); /* partner: publish in spawn.c, pg_limit */
    return pgi_pid_node((pg_pid){id}) == 0 ? (pgi_limits *)(uintptr_t)id : NULL;
}

/* What is stored as the id of a process that has these. */
static inline uint64_t pgi_limits_id(const pgi_limits *l)
{
    return (uint64_t)(uintptr_t)l;
}

/* What the options of a spawn say, which may be NULL; and whether it can be: PG_OK, PG_EINVAL. */
pgi_bounds pgi_bounds_of(const pg_spawn_options *options);
int pgi_bounds_check(const pgi_bounds *bounds);

/* Makes limits for a process that is to be spawned.  PG_OK, PG_EINVAL, PG_ENOMEM.  The other one is for those that have
 * not been put to use. */
int pgi_limits_make(pg_runtime *rt, const pgi_bounds *bounds, pgi_limits **out);
void pgi_limits_free(pgi_limits *l);

/* Puts limits to use for a process that nobody knows yet, and has its target. */
void pgi_limits_begin(pg_process *p, pgi_limits *l);

/* Pushes a message, within a look; `always`: also where there is no room.  PG_OK, or PG_EFULL or PG_ENOMEM: nothing has
 * happened but that it was counted. */
int pgi_limits_push(pg_process *p, pgi_limits *l, pg_message *msg, bool always, pgi_pushed *out);

/* Sends the alarm that a push has found due, about that process.  Outside of a look. */
void pgi_limits_alarm(pg_pid pid, const pgi_pushed *pushed);

/* A message marked PGI_COUNTED is taken by its process; or dropped with a process of `rt`. */
void pgi_limits_taken(pg_process *p, pg_message *msg);

static inline void pgi_limits_dropped(pg_runtime *rt, const pg_message *msg)
{
    if (unlikely(msg->flags & PGI_COUNTED) && rt->options.memory != 0) pgi_budget_remove(rt, msg);
}

/* Around a handler of a process whose max_slice is not 0. */
typedef struct pgi_stretch {
    int64_t begin;
    uint64_t steps;
    pgs_worker *worker; /* NULL: none */
} pgi_stretch;

pgi_stretch pgi_limits_time(void);
void pgi_limits_timed(pg_process *p, const pgi_stretch *stretch);

/* Nobody waits for room any more: `p` is dying.  Then, when its mail has been dropped, the structure goes. */
void pgi_limits_close(pg_process *p, pgi_limits *l);
void pgi_limits_retire(pg_process *p, pgi_limits *l);

/* Nobody may wait for room any more, and none comes: of an attached process when its runtime has stopped.  Returns how
 * many did. */
unsigned pgi_limits_dismiss(pg_process *p);

#endif
