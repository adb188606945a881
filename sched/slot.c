/* slot.c - the rare half of slot.h, which has the rules and why they are enough. */
#include "slot.h"

struct pgs_task *pgs_slot_settle(pgs_slot *slot, struct pgs_task *before)
{
    fence_seq_cst();                              /* where there are no heavy fences; partner: that in pgs_slot_rob */
    uintptr_t claim = load_acquire(&slot->claim); /* partner: pgs_slot_rob */
    uintptr_t rest = claim & PGS_SLOT_FENCED;
    if (claim == rest) return before;
    /* A failure says that the monitor has been faster, or has given up. */
    if ((claim & PGS_SLOT_ASKED) && cas_acq_rel(&slot->claim, &claim, rest)) return before; /* partner: pgs_slot_rob */
    if (claim == rest) return before;
    struct pgs_task *robbed = (struct pgs_task *)(claim - rest);
    if (robbed != before) store_relaxed(&slot->task, NULL); /* it is what was put there just now */
    store_release(&slot->claim, rest);                      /* behind that; partner: the look in pgs_slot_rob */
    return robbed == before ? NULL : before;
}

struct pgs_task *pgs_slot_rob(pgs_slot *slot)
{
    uintptr_t rest = load_acquire(&slot->claim); /* partner: settle */
    if (pgs_slot_is_empty(slot) || (rest & ~(uintptr_t)PGS_SLOT_FENCED)) return NULL;
    uintptr_t claim = rest | PGS_SLOT_ASKED;
    store_relaxed(&slot->claim, claim);
    fence_seq_cst();                     /* where there are no heavy fences; partner: that in settle */
    bool fenced = rest || fence_heavy(); /* H of slot.h; partner: the light fence in pgs_slot_swap */
    struct pgs_task *task = fenced ? load_acquire(&slot->task) : NULL; /* partner: the store in pgs_slot_swap */
    return cas_acq_rel(&slot->claim, &claim, (uintptr_t)task | rest) ? task : NULL; /* partner: settle */
}
