/* injector.c - the consumer's side of injector.h, which has the invariants. */
#include "injector.h"

void pgs_injector_init(pgs_injector *inj)
{
    store_relaxed(&inj->anchor.next, NULL);
    inj->head = &inj->anchor;
    store_relaxed(&inj->lock, 0);
    store_relaxed(&inj->tail, &inj->anchor);
}

/* Under the lock: the oldest link, or NULL when empty or in a gap. */
static pgs_link *pop_locked(pgs_injector *inj)
{
    pgs_link *first = inj->head;
    pgs_link *next = load_acquire(&first->next); /* partner: the link in push */
    if (first == &inj->anchor) {
        if (!next) return NULL;
        inj->head = first = next;
        next = load_acquire(&first->next); /* partner: push */
    }
    if (!next) {
        /* `first` is the last node, or a gap follows it.  The anchor is out of the chain here: its link has been
         * read. */
        pgs_link *expected = first;
        store_relaxed(&inj->anchor.next, NULL);
        /* Release: anchor.next is NULL before the producer that finds the anchor in its exchange links behind it. */
        if (cas_release(&inj->tail, &expected, &inj->anchor)) {
            inj->head = &inj->anchor;
            return first;
        }
        next = load_acquire(&first->next); /* partner: push */
        if (!next) return NULL;
    }
    inj->head = next;
    return first;
}

pgs_link *pgs_injector_pop_waiting(pgs_injector *inj)
{
    while (load_relaxed(&inj->lock) || xchg_acquire(&inj->lock, 1)) cpu_relax(); /* partner: as in pop */
    pgs_link *link = pop_locked(inj);
    store_release(&inj->lock, 0); /* partner: the exchanges, of the next holder */
    return link;
}

pgs_link *pgs_injector_pop(pgs_injector *inj)
{
    if (pgs_injector_is_empty(inj) || load_relaxed(&inj->lock)) return NULL;
    if (xchg_acquire(&inj->lock, 1)) return NULL; /* partner: the release below, by the last holder */
    pgs_link *link = pop_locked(inj);
    store_release(&inj->lock, 0);
    return link;
}
