/* epoch.c - the domain's own side of epoch.h, which has the rules and why they are enough. */
#include "epoch.h"

void pgs_epoch_init(pgs_epoch *domain)
{
    store_relaxed(&domain->global, 1);
    store_relaxed(&domain->members, NULL);
    for (size_t i = 0; i < 2 * PGS_EPOCH_SHARDS; i++) store_relaxed(&domain->guests[i].inside, 0);
}

void pgs_epoch_register(pgs_epoch *domain, pgs_epoch_member *member)
{
    store_relaxed(&member->announced, 0);
    member->next = load_relaxed(&domain->members);
    while (!cas_release(&domain->members, &member->next, member)) { /* partner: the acquire in try_advance */
    }
}

bool pgs_epoch_try_advance(pgs_epoch *domain)
{
    uint64_t now = load_relaxed(&domain->global);
    fence_seq_cst(); /* FA of epoch.h; partners: FR and FU */
    /* A member that is not seen here yet is one that is seen offline. */
    for (pgs_epoch_member *m = load_acquire(&domain->members); m; m = m->next) {
        uint64_t announced = load_acquire(&m->announced); /* partner: online, quiesce, offline */
        if (announced != 0 && announced != now) return load_relaxed(&domain->global) != now;
    }
    size_t previous = (size_t)((now + 1) & 1) * PGS_EPOCH_SHARDS;
    for (size_t i = 0; i < PGS_EPOCH_SHARDS; i++) {
        /* partner: leave */
        if (load_acquire(&domain->guests[previous + i].inside)) return load_relaxed(&domain->global) != now;
    }
    /* Release: what readers did before they let go is before any passed().  What earlier advances released goes on
     * through this swap, as a release sequence does.  A failure means that another has moved the epoch. */
    uint64_t expected = now;
    (void)cas_release(&domain->global, &expected, now + 1);
    return true;
}
