/* lifo.c - the rare half of lifo.h, which has the rules and why they are enough. */
#include "lifo.h"

#include "hostile.h"

/* The owner reads nothing by `claim` but names, so that its own looks at it need no order. */
struct pgs_task *pgs_lifo_settle(pgs_lifo *slot, struct pgs_task *before)
{
    fence_seq_cst(); /* where there are no heavy fences; partner: that in pgs_lifo_rob */
    uintptr_t claim = load_relaxed(&slot->claim);
    uintptr_t rest = claim & PGS_LIFO_FENCED;
    if (claim == rest) return before;
    pgs_delay(PGS_AT_SETTLE);
    /* A failure says that the monitor has been faster, or has given up.  Behind the fence, and so behind the swap. */
    if ((claim & PGS_LIFO_ASKED) && cas_relaxed(&slot->claim, &claim, rest)) return before;
    if (claim == rest) return before;
    struct pgs_task *robbed = (struct pgs_task *)(claim - rest);
    if (robbed != before) store_relaxed(&slot->task, NULL); /* it is what was put there just now */
    store_release(&slot->claim, rest); /* behind that; partner: the fences in pgs_lifo_rob, behind its look */
    return robbed == before ? NULL : before;
}

struct pgs_task *pgs_lifo_rob(pgs_lifo *slot)
{
    uintptr_t rest = load_relaxed(&slot->claim); /* before the fences: what settle() has done is seen behind them */
    if (pgs_lifo_is_empty(slot) || (rest & ~(uintptr_t)PGS_LIFO_FENCED)) return NULL;
    uintptr_t claim = rest | PGS_LIFO_ASKED;
    bool fenced = true;
    store_relaxed(&slot->claim, claim);
    pgs_delay(PGS_AT_ROB);
    if (rest) {
        fence_seq_cst(); /* where there are no heavy fences; partner: that in settle */
    } else {
        fenced = fence_heavy(); /* H of lifo.h; partner: the light fence in pgs_lifo_swap */
    }
    struct pgs_task *task = fenced ? load_acquire(&slot->task) : NULL; /* partner: the store in pgs_lifo_swap */
    return cas_relaxed(&slot->claim, &claim, (uintptr_t)task | rest) ? task : NULL;
}
