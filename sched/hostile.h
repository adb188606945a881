/* hostile.h - the rare paths made common: what a build with PARAGRAM_HOSTILE does otherwise.
 *
 * Such a build has the same code with sizes so small that each queue grows, each cache overflows and each slice ends
 * all the time; it stops threads where a race has its window; and it takes the rare one of two ways that are both
 * right, one time in some.  All tests pass in it.  Every other build has the usual sizes, and none of the rest: not an
 * instruction.
 *
 * Three words, for all of it, so that `grep` finds every place:
 *
 *     PGS_TUNED(usual, hostile)   a size or a number that may be any: what it is in the one build and in the other
 *     pgs_delay(POINT)            a window: whoever passes it is held up for a moment, now and then
 *     pgs_forced(POINT)           whether the rare way is to be taken this time; a constant false in other builds
 *
 * A point has a name, so that a test can see that each is passed (tests/unit/hostile_test.c), and a person who looks
 * for a race can hold up everybody in one window by PG_HOSTILE_AT=name in the environment, and nobody in others.
 *
 * A delay is mostly a spin of a microsecond or two, seldom a yield of the processor, and more seldom a sleep: what a
 * preemption, a slow core or another guest of the machine does.  Which of them is drawn for each thread by its own
 * random numbers.  A failure therefore does not replay by a seed; that is what the models are for.
 *
 * Rejected: environment variables for the sizes (they would no longer be constants of the usual build); delays by a
 * preloaded library at the calls that it can catch (no window that matters has one). */
#ifndef PGS_HOSTILE_H
#define PGS_HOSTILE_H

#include "base.h"

enum pgs_point {
    PGS_AT_PUSH,    /* between a push's exchange and its link: a gap in a mailbox or an injector */
    PGS_AT_TAKE,    /* the owner of a deque has lowered the bottom, and not looked at the top */
    PGS_AT_STEAL,   /* a thief has read the cell, and not moved the top */
    PGS_AT_ROB,     /* the monitor has asked for what is in a LIFO slot */
    PGS_AT_SETTLE,  /* the owner of a LIFO slot has seen that */
    PGS_AT_PARK,    /* a worker has announced its sleep, and not looked into the queues once more */
    PGS_AT_WAKE,    /* whoever wakes a worker counts as searching, and has woken nobody */
    PGS_AT_RETIRE,  /* a worker has given its tasks away, and does not count as retired */
    PGS_AT_COMMIT,  /* a task has left its stack, and is not published */
    PGS_AT_FIRE,    /* a timer has claimed its task, and not made it ready */
    PGS_AT_ADVANCE, /* the epoch may move on, and has not */
    PGS_AT_BELL,    /* a record was written, and its reader's sleep not looked at */
    PGS_AT_DELIVER, /* the receiver was found, and has no message yet */
    PGS_AT_REST,    /* a process saw its mailbox empty, and is not at rest */
    PGS_AT_END,     /* a process can no longer be found, and has told nobody; or told of a name, and not left */
    PGS_AT_LINK,    /* the other end of a link was found, and is not locked */
    PGS_AT_READY,   /* forced: what is made ready goes where thieves can have it, not into the LIFO slot */
    PGS_AT_NEXT,    /* forced: a worker steals its next task, its own included */
    PGS_AT_RECEIVE, /* forced: a receive suspends its process first, whatever there is */
    PGS_POINTS
};

#if defined(PGS_HOSTILE) && !defined(PGS_MODEL)

#define PGS_TUNED(usual, hostile) (hostile)
#define pgs_delay(point) pgs_hostile_delay(point)
#define pgs_forced(point) pgs_hostile_forced(point)

void pgs_hostile_delay(enum pgs_point point);
bool pgs_hostile_forced(enum pgs_point point);

/* How often a point has done something to whoever passed it: for the test. */
unsigned long pgs_hostile_count(enum pgs_point point);

#else

#define PGS_TUNED(usual, hostile) (usual)
#define pgs_delay(point) ((void)0)
#define pgs_forced(point) false

#endif

#endif
