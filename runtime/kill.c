/* kill.c - see kill.h.
 *
 * It is what pg_stop() does to all that have not ended in time, done to one: what the process waits on, its token or
 * the idle bit of its mailbox, is claimed, and the process made ready.  Where it goes on it finds that it was woken
 * without a reason, looks whether it is to die (pgi_end_if_killed()), and ends in its own code, on its own stack.
 *
 * That look is asked for by `killing` of the runtime, which everybody reads who waits, for pg_stop()'s sake; so a kill
 * costs those nothing who are not killed, until the first one, and a lock in each wait from then on.
 *
 * Invariants:
 *   1. Both are done under the process's lock while it is not dying: so no slot is made ready that nobody has.
 *   2. Who is running is not touched.  It may have looked just before, and then waits: whoever kills asks again.
 *
 * Rejected: a look behind the commit of each wait, which would make asking once enough, and each wait dearer.  A signal
 * to the thread: the code that it would interrupt may hold a lock. */
#include "kill.h"

#include "ask.h"
#include "os.h"
#include "runtime.h"

/* Inside a look. */
static int kill_one(pg_runtime *rt, pg_process *p, pg_pid pid)
{
    pgi_lock(p);
    int status = p->dying || !pgi_slot_is(p, pid) ? PG_ENOPROC : p->attached ? PG_EINVAL : PG_OK;
    if (status == PG_OK) {
        uint8_t none = PGI_KILLING_NONE;
        p->told |= PGI_TO_DIE;
        plain_write(&p->told);
        cas_relaxed(&rt->killing, &none, PGI_KILLING_SOME); /* whoever is woken sees it by what it was woken by */
        if (pgi_sleeper_claim(&p->sleeper.task) || pgs_mpsc_claim(&p->mailbox)) pgs_ready(rt->sched, &p->sleeper.task);
    }
    pgi_unlock(p);
    return status;
}

static int kill_here(const pgi_visit *visit, pg_pid pid)
{
    pgi_look_begin(visit);
    pg_process *p = pgi_slot_find(&visit->rt->slots, pid);
    int status = p ? kill_one(visit->rt, p, pid) : PG_ENOPROC;
    pgi_look_end(visit);
    return status;
}

int pgi_kill_in(pg_runtime *rt, pg_pid pid)
{
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    int status = visit.rt ? kill_here(&visit, pid) : PG_ENOPROC;
    pgi_leave(&visit);
    return status;
}

int pgi_kill_child(pgi_bridge *bridge)
{
    if (load_relaxed(&bridge->ended) == bridge->root.id) return PG_ENOPROC; /* nothing is read behind it */
    pgi_os_kill(bridge);
    return PG_OK;
}

static int kill_far(pg_pid pid)
{
    uint32_t node = pgi_pid_node(pid);
    pgi_bridge *bridge = pgi_hold_bridge(node);
    if (!bridge) return PG_ENOPROC;
    bool is_child = !bridge->is_uplink && pg_same(bridge->root, pid);
    int status = is_child ? pgi_kill_child(bridge) : PG_OK;
    pgi_release_bridge(node);
    return is_child ? status : pgi_ask(PGI_ASK_KILL, pid, NULL, 0, NULL, PG_SECONDS(5), NULL, NULL, NULL);
}

int pg_kill(pg_pid pid)
{
    pgi_visit visit;
    pgi_visit_pid(&visit, pid);
    bool far = !visit.rt && pgi_pid_node(pid) != 0;
    int status = visit.rt ? kill_here(&visit, pid) : PG_ENOPROC;
    pgi_leave(&visit);
    return far ? kill_far(pid) : status;
}
