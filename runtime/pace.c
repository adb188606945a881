/* pace.c - see pace.h.
 *
 * A look compares the worker's steps with those at the look before: if no task and no message has begun meanwhile, all
 * that was sent was sent by this process, in one go.  It compares the receivers, too, and the times.
 *
 * Who yields of its own accord, after fewer sends than PGI_PACE, is looked at then.  Its receiver is not known by that,
 * so the look after a yield comes early: after PGI_PACE_PROBE sends.
 *
 * Rejected: having who sends to many make way as well (it is no faster, and a fan of a hundred costs a stack); moving
 * the receiver to its senders (there are many of them, on several workers). */
#include "pace.h"

#include <sched.h>

#include "runtime.h"
#include "sched/sim.h"
#include "seeded.h"

enum {
    PGI_PACE_PROBE = PGS_TUNED(16, 2),
    PGI_PACE_ENOUGH = PGS_TUNED(64, 10),      /* sends in one go that make one who yields a flooder */
    PGI_PACE_SEND_NS = PGS_TUNED(250, 100000) /* each, at most, by one who does nothing else */
};

static bool is_simulated(pgs_worker *w)
{
    return pgi_is_simulated(((pgi_local *)pgs_worker_local(w))->rt);
}

/* `timed`: the next look will want to know how long that has taken. */
static void begin(pgs_worker *w, pg_pid to, int32_t sends, bool timed)
{
    *pgi_pace_of(w) =
        (pgi_pace){.left = sends, .given = sends, .steps = pgs_worker_steps(w), .at = timed ? pgs_now() : 0, .to = to};
}

/* Where a receiver is flooded: the number of the worker; -1: it is not, at this moment.  Elsewhere it need not run just
 * now: its worker may run another sender, or have lost its processor in the middle of one, and what waits for it grows
 * all the while. */
typedef struct flood {
    int worker;
    bool waits; /* there are messages that it has not handled */
} flood;

static flood where_flooded(pgs_worker *w, pg_pid to)
{
    pgi_local *local = pgs_worker_local(w);
    pgs_epoch_member *member = pgs_worker_member(w);
    if (local->rt->options.workers == 1 || local->node != pgi_pid_node(to)) return (flood){-1, false};
    pgs_epoch_member_enter(member);
    pg_process *p = pgi_slot_find(&local->rt->slots, to);
    flood f = {p ? load_relaxed(&p->flooded_on) - 1 : -1, p && !pgs_mpsc_idle_hint(&p->mailbox)};
    pgs_epoch_member_leave(member);
    if (!f.waits && f.worker != (int)pgs_worker_number(w)) f.worker = -1;
    return f;
}

/* Not a service, not one that ends, and none that holds something. */
static bool may_yield(pgs_worker *w, pgs_task *task)
{
    return task && pgi_of_task(task)->phase == PGI_RUNNING && !pgs_epoch_member_is_inside(pgs_worker_member(w));
}

/* Has one that floods `to`, by `sent` messages and nothing else since the last look, let others run, where there are
 * any; it goes on where its receiver is.  The first look at which that is somewhere only asks for the time: it returns
 * true.  Where nobody else is here, and the receiver has mail, that is on a worker which may have lost its processor,
 * to this one, too. */
static bool yield(pgs_worker *w, pgs_task *task, pg_pid to, int32_t sent)
{
    const pgi_pace *pace = pgi_pace_of(w);
    flood f = to.id != 0 ? where_flooded(w, to) : (flood){-1, false};
    bool quick = f.worker >= 0 && pace->at != 0 && pgs_now() - pace->at <= (int64_t)sent * PGI_PACE_SEND_NS;
    bool there = quick && f.worker != (int)pgs_worker_number(w), alone = pgs_worker_alone(w);
    if (alone && f.waits && !there) sched_yield();
    if (there || (quick && !alone)) {
        pgs_yield_to(task, (unsigned)f.worker);
    } else {
        pgs_yield(task);
    }
    return f.worker >= 0;
}

/* In a simulation each send and spawn is a look, by which the seed may have others run. */
static int make_way_by_seed(pgs_worker *w, pg_pid to, int status)
{
    pgs_task *task = pgs_worker_task(w);
    pgi_pace_of(w)->left = 0;
    pgi_seeded_sent(pgi_of_task(task), to, status);
    if (may_yield(w, task) && pgs_sim_suspends(pgs_worker_sched(w))) {
        pgi_seeded_suspended(pgi_of_task(task));
        pgs_yield(task);
    }
    return status;
}

int pgi_make_way(pgs_worker *w, pg_pid to, int status)
{
    if (unlikely(is_simulated(w))) return make_way_by_seed(w, to, status);
    const pgi_pace *pace = pgi_pace_of(w);
    pgs_task *task = pgs_worker_task(w);
    bool probe = pace->given == PGI_PACE_PROBE;
    if (!probe && pgs_worker_steps(w) == pace->steps && pg_same(pace->to, to) && may_yield(w, task)) {
        bool timed = yield(w, task, to, PGI_PACE);
        begin(pgs_worker_self(), to, PGI_PACE, timed);
    } else {
        begin(w, to, PGI_PACE, pace->at != 0);
    }
    return status;
}

void pgi_pace_yield(pgs_worker *w, pgs_task *task)
{
    if (unlikely(is_simulated(w))) {
        pgs_yield(task);
        return;
    }
    const pgi_pace *pace = pgi_pace_of(w);
    int32_t sent = pace->given - pace->left;
    bool floods = pgs_worker_steps(w) == pace->steps && sent >= PGI_PACE_ENOUGH && may_yield(w, task);
    bool timed = yield(w, task, floods ? pace->to : (pg_pid){0}, sent);
    begin(pgs_worker_self(), (pg_pid){0}, PGI_PACE_PROBE, timed);
}
