/* budget.h - what the processes of a runtime take together, where its options say how much that may be.
 *
 * Counted are: the blocks of messages that wait in mailboxes, and of those that wait for room there, exactly, in one
 * word that all senders of the runtime share; and what processes and stacks take, by number: a control block with its
 * limits for each process, a page for each stack that may hold memory.  The latter is summed up when something is
 * spawned, when the messages have grown by another PGI_BUDGET_STEP, and before anything is refused.
 *
 * Every process of such a runtime has limits (limit.h), be they none, so that its messages are looked at as they come
 * and go.  Others have not one instruction for it. */
#ifndef PGI_BUDGET_H
#define PGI_BUDGET_H

#include "message.h"

enum { PGI_BUDGET_STEP = 1 << 16 };

typedef struct pgi_budget {
    PGS_ALIGNED _Atomic(uint64_t) mail; /* bytes */
    _Atomic(uint64_t) others;           /* as summed up last */
} pgi_budget;

static inline uint64_t pgi_budget_bytes(const pg_message *msg)
{
    return (uint64_t)msg->units * PGI_UNIT;
}

/* Takes a message in.  False: it would be too much, and is not in; unless it has to be, `always`.  Any thread that may
 * touch the runtime. */
bool pgi_budget_add(pg_runtime *rt, const pg_message *msg, bool always);
void pgi_budget_remove(pg_runtime *rt, const pg_message *msg);

/* Whether there is room for one more process. */
bool pgi_budget_has_room(pg_runtime *rt);

/* All that is counted, in bytes; 0: the runtime has no budget. */
uint64_t pgi_budget_used(pg_runtime *rt);

#endif
