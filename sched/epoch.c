/* epoch.c - the domain's own side of epoch.h, which has the rules and why they are enough. */
#include "epoch.h"

#include "fence.h"

#if defined(PGS_MODEL)
enum { LOOKS = 1 }; /* at a member that is inside */
#else
enum { LOOKS = PGS_TUNED(64, 1) }; /* a microsecond or two; an operation takes some tens of nanoseconds */
#endif

void pgs_epoch_init(pgs_epoch *domain)
{
    store_relaxed(&domain->global, 1);
    store_relaxed(&domain->members, NULL);
    for (size_t i = 0; i < 2 * PGS_EPOCH_SHARDS; i++) store_relaxed(&domain->visitors[i].inside, 0);
    domain->can_force = register_heavy();
}

void pgs_epoch_register(pgs_epoch *domain, pgs_epoch_member *member)
{
    store_relaxed(&member->announced, 0);
    store_relaxed(&member->inside, 0);
    member->next = load_relaxed(&domain->members);
    while (!cas_release(&domain->members, &member->next, member)) { /* partner: the acquire in members_allow */
    }
}

/* Whether the member is seen outside, at one moment at least. */
static bool is_outside(pgs_epoch_member *m)
{
    for (int looks = 0; load_acquire(&m->inside) != 0; cpu_relax()) { /* partner: member_leave */
        if (++looks == LOOKS) return false;
    }
    return true;
}

/* Whether all members let the epoch go on from `now`.  With `fenced`, after a heavy fence, their counters count too. */
static bool members_allow(pgs_epoch *domain, uint64_t now, bool fenced)
{
    /* A member that is not seen here yet is one that is seen offline. */
    for (pgs_epoch_member *m = load_acquire(&domain->members); m; m = m->next) { /* partner: register */
        uint64_t announced = load_acquire(&m->announced);                        /* partner: online, quiesce, offline */
        if (announced == 0 || announced == now) continue;
        if (!fenced || !is_outside(m)) return false;
    }
    return true;
}

static bool visitors_allow(pgs_epoch *domain, uint64_t now)
{
    size_t previous = (size_t)((now + 1) & 1) * PGS_EPOCH_SHARDS;
    for (size_t i = 0; i < PGS_EPOCH_SHARDS; i++) {
        if (load_acquire(&domain->visitors[previous + i].inside)) return false; /* partner: leave */
    }
    return true;
}

static bool has_moved(pgs_epoch *domain, uint64_t now)
{
    return load_relaxed(&domain->global) != now;
}

static bool step(pgs_epoch *domain, uint64_t now)
{
    pgs_delay(PGS_AT_ADVANCE);
    /* Release: what readers did before they let go is before any passed().  What earlier advances released goes on
     * through this swap, as a release sequence does.  Sequentially consistent, for the fences FR and FU of those that
     * have read this epoch: by the letter of C17 a fence alone orders only what its own thread wrote.  A failure means
     * that another has moved the epoch. */
    (void)cas_seq_cst(&domain->global, &now, now + 1);
    return true;
}

bool pgs_epoch_try_advance(pgs_epoch *domain)
{
    uint64_t now = load_relaxed(&domain->global);
    fence_seq_cst(); /* FA of epoch.h; partners: FR and FU */
    if (!members_allow(domain, now, false) || !visitors_allow(domain, now)) return has_moved(domain, now);
    return step(domain, now);
}

bool pgs_epoch_force_advance(pgs_epoch *domain)
{
    if (pgs_epoch_try_advance(domain)) return true;
    if (!domain->can_force) return false;
    uint64_t now = load_relaxed(&domain->global);
    fence_seq_cst(); /* FA of epoch.h; partners: FR and FU */
    if (!visitors_allow(domain, now) || !fence_heavy() || !members_allow(domain, now, true)) {
        return has_moved(domain, now);
    }
    return step(domain, now);
}
