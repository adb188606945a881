/* wait.c - waiting for something else than a message: a time, or the end of another process.
 *
 * Who waits has a token (process.h), with one rule: whoever moves it from WAITING makes the waiter ready, nobody else.
 *
 *   AWAKE --commit, off its stack--> WAITING --a timer, pg_stop: by compare-and-swap---> WOKEN
 *     |                                   `----an end (TOLD), an answer: by exchange-----> WOKEN or TOLD
 *     `---- one that comes before the commit: by exchange; the commit then says no ------> WOKEN or TOLD
 *
 * These waits are no receives: a message that arrives, a terminate too, stays in the mailbox until its turn. */
#include <errno.h>

#include "far.h"
#include "link.h"
#include "runtime.h"
#include "sched/guest.h"

bool pgi_sleeper_commit(pgs_task *task)
{
    pgi_sleeper *sleeper = container_of(task, pgi_sleeper, task);
    uint32_t awake = PGI_AWAKE;
    /* Release: whoever wakes it hands on all that the waiter has done.  No acquire where it has been woken already: the
     * waiter asks for a lock then that the waker had, or for the token once more.  Partners: all who take it from
     * WAITING, by acquire. */
    return cas_release(&sleeper->token, &awake, PGI_WAITING);
}

bool pgi_sleeper_claim(pgs_task *task)
{
    pgi_sleeper *sleeper = container_of(task, pgi_sleeper, task);
    uint32_t waiting = PGI_WAITING;
    /* No release: the waiter learns by being made ready what was done before. */
    return cas_acquire(&sleeper->token, &waiting, PGI_WOKEN); /* partner: pgi_sleeper_commit */
}

bool pgi_sleeper_wake(pgs_sched *sched, pgi_sleeper *sleeper)
{
    /* No release: as in claim; and who had not committed yet asks for the caller's lock before it looks. */
    if (xchg_acquire(&sleeper->token, PGI_WOKEN) != PGI_WAITING) return false; /* partner: pgi_sleeper_commit */
    pgs_ready(sched, &sleeper->task);
    return true;
}

static const pgi_end killed = {.kind = PG_EXIT_KILLED,
                               .text = "ended by pg_stop() while it slept or waited",
                               .no_news = true /* pg_stop() has named it */};

static const pgi_end killed_alone = {.kind = PG_EXIT_KILLED, .text = "ended by pg_kill() where it waited"};

static PGS_COLD void end_if_meant(pg_process *p)
{
    if (load_relaxed(&p->rt->killing) == PGI_KILLING_ALL) pgi_die(p, &killed);
    pgi_lock(p);
    plain_read(&p->told);
    bool meant = p->told & PGI_TO_DIE;
    pgi_unlock(p);
    if (meant) pgi_die(p, &killed_alone);
}

void pgi_end_if_killed(pg_process *p)
{
    if (unlikely(load_relaxed(&p->rt->killing)) && !p->attached && p->phase != PGI_ENDING) end_if_meant(p);
}

int pg_sleep(pg_process *self, int64_t duration)
{
    if (!self) return PG_EINVAL;
    if (duration <= 0) return pg_yield(self);
    if (self->phase == PGI_ENDING) return PG_EENDED;
    pgi_end_if_killed(self);
    store_relaxed(&self->sleeper.token, PGI_AWAKE);
    pgs_wait wait = {pgi_sleeper_commit, pgi_sleeper_claim, pgs_deadline(duration)};
    int error = pgs_block(self->rt->sched, &self->sleeper.task, &wait);
    pgi_end_if_killed(self);
    return error == -ENOMEM ? PG_ENOMEM : PG_OK;
}

/* A thread lets others run; the host of a guest drives it for a moment. */
static void yield_thread(pg_process *p)
{
    if (!pgs_guest_turn(p->rt->sched)) pgs_yield(&p->sleeper.task);
}

void pgi_looked(pg_process *p)
{
    if (likely(p->rt->options.seed == 0 && !p->rt->options.guest)) return;
    if (p->sleeper.task.parker) {
        yield_thread(p);
    } else {
        pgs_yield(&p->sleeper.task);
    }
}

int pg_yield(pg_process *self)
{
    if (!self) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    pgi_end_if_killed(self);
    if (self->kind == PG_GREEN) {
        pgi_pace_yield(pgs_worker_self(), &self->sleeper.task);
    } else {
        yield_thread(self);
    }
    return PG_OK;
}

int64_t pg_now(void)
{
    return pgs_now();
}

/* ------------------------------------------------------------------------------------------------------ pg_wait */

static bool was_ever(const pgi_slots *slots, const pg_process *p, pg_pid pid)
{
    uint32_t generation = pgi_pid_generation(pid);
    return p && generation > slots->first_generation && generation <= pgi_slot_generation(p);
}

/* The exit of a process that has ended; PG_ENOPROC for one that never was.  The slot's lock is held. */
static int look_back(pg_runtime *rt, const pg_process *p, pg_pid pid, pg_exit_info *info)
{
    if (!was_ever(&rt->slots, p, pid)) return PG_ENOPROC;
    if (pgi_exits_find(rt, pid, info)) return PG_OK;
    bool last = pgi_slot_generation(p) == pgi_pid_generation(pid);
    info->pid = pid;
    bool kept = pgi_pid_generation(pid) > load_relaxed(&rt->exits_forgotten);
    info->kind = last ? (pg_exit_kind)p->last_kind : kept ? PG_EXIT_NORMAL : PG_EXIT_UNKNOWN;
    info->text[0] = '\0';
    if (info->kind != PG_EXIT_NORMAL) snprintf(info->text, sizeof info->text, "no longer remembered");
    return PG_OK;
}

int pgi_look(pg_runtime *rt, pg_pid pid, pgi_watcher *watcher, pg_exit_info *info)
{
    pg_process *p = pgi_slot_of(&rt->slots, pid);
    if (!p) return PG_ENOPROC;
    pgi_lock(p);
    int status = PG_ETIMEDOUT;
    if (!pgi_slot_is(p, pid)) {
        status = look_back(rt, p, pid, info);
    } else if (watcher && unlikely(load_relaxed(&rt->dismissed))) { /* partner: unpublish, by the lock */
        *info = (pg_exit_info){.kind = PG_EXIT_NORMAL, .pid = pid};
        status = PG_OK;
    } else if (watcher) {
        pgi_watcher_insert(p, watcher);
    }
    pgi_unlock(p);
    return status;
}

int pg_why(pg_pid pid, pg_exit_info *exit)
{
    pg_exit_info ignored;
    pgi_visit visit;
    pgi_visit_pid(&visit, pid);
    bool far = !visit.rt && pgi_pid_node(pid) != 0;
    int status = visit.rt ? pgi_look(visit.rt, pid, NULL, exit ? exit : &ignored) : PG_ENOPROC;
    pgi_leave(&visit);
    return far ? pgi_wait_far(pid, 0, exit ? exit : &ignored) : status;
}

/* Waits with a watcher in the list of `pid`, on the token of `sleeper`.  Who tells has the lock until it has made the
 * waiter ready: it may still be in the middle of unparking a thread, by a parker in the frame of this, or in the
 * scheduler of another runtime, which may be stopped once the waiter has gone.  A green process that waits for one of
 * its own runtime and finds TOLD need not ask for the lock: nobody has its watcher any more; its scheduler stays. */
static int watch(pg_runtime *rt, pg_pid pid, pgs_sched *sched, pgi_sleeper *sleeper, int64_t timeout,
                 pg_exit_info *exit)
{
    pgi_watcher watcher = {.sleeper = sleeper, .sched = sched, .info = exit};
    store_relaxed(&sleeper->token, PGI_AWAKE);
    int status = pgi_look(rt, pid, &watcher, exit);
    if (status != PG_ETIMEDOUT) return status;
    int64_t deadline = timeout == PG_FOREVER ? PGS_NEVER : pgs_deadline(timeout);
    pgs_wait wait = {pgi_sleeper_commit, pgi_sleeper_claim, deadline};
    int error = pgs_block(sched, &sleeper->task, &wait);
    /* Acquire: what the watcher was told; partner: wake_watcher in link.c. */
    bool told = load_acquire(&sleeper->token) == PGI_TOLD;
    if (likely(told && sched == rt->sched && !sleeper->task.parker)) return PG_OK;
    pg_process *p = pgi_slot_of(&rt->slots, pid); /* whoever lives there now: it is the lock that counts */
    pgi_lock(p);
    bool ended = !watcher.listed;
    if (!ended) pgi_watcher_remove(p, &watcher);
    pgi_unlock(p);
    return ended ? PG_OK : error == -ENOMEM ? PG_ENOMEM : PG_ETIMEDOUT;
}

static int wait_as_stranger(pg_runtime *rt, pg_pid pid, int64_t timeout, pg_exit_info *exit)
{
    pgi_sleeper sleeper = {.task = {.parker = &sleeper.parker}};
    pgs_parker_init(&sleeper.parker);
    return watch(rt, pid, rt->sched, &sleeper, timeout, exit);
}

static int wait_as_process(pg_runtime *rt, pg_process *self, pg_pid pid, int64_t timeout, pg_exit_info *exit)
{
    bool is_thread = self->sleeper.task.parker; /* that drives the other's, where that is a guest */
    pgs_sched *sched = is_thread && rt->options.guest ? rt->sched : self->rt->sched;
    return watch(rt, pid, sched, &self->sleeper, timeout, exit);
}

/* A green process waits for one of its own runtime, which is there for as long as it lives: the node need not be
 * held. */
static int wait_at_home(pg_process *self, pg_pid pid, int64_t timeout, pg_exit_info *exit)
{
    if (pg_same(pid, pgi_pid_of(self))) return PG_EINSIDE;
    pgi_end_if_killed(self);
    int status = wait_as_process(self->rt, self, pid, timeout, exit);
    pgi_end_if_killed(self);
    return status;
}

int pg_wait(pg_pid pid, int64_t timeout, pg_exit_info *exit)
{
    pg_exit_info ignored;
    if (!exit) exit = &ignored;
    pgs_worker *w = pgs_worker_self();
    pgs_task *task = w ? pgs_worker_task(w) : NULL;
    bool at_home = task && timeout > 0 && pgi_of_task(task)->phase == PGI_RUNNING &&
                   ((pgi_local *)pgs_worker_local(w))->node == pgi_pid_node(pid);
    if (likely(at_home)) return wait_at_home(pgi_of_task(task), pid, timeout, exit);
    pg_process *self = pg_current();
    if ((!w && pgi_host_is_me(pid)) || (self && pg_same(pid, pgi_pid_of(self)))) return PG_EINSIDE;
    if (timeout <= 0) return pg_why(pid, exit);
    if (self) pgi_end_if_killed(self);
    uint32_t node = pgi_pid_node(pid);
    pg_runtime *rt = pgi_hold_node(node); /* not the epoch: nobody holds that while he waits */
    if (!rt) {
        int status = node == 0 ? PG_ENOPROC : pgi_wait_far(pid, timeout, exit);
        if (self) pgi_end_if_killed(self);
        return status;
    }
    int status = self && self->phase != PGI_ENDING ? wait_as_process(rt, self, pid, timeout, exit)
                                                   : wait_as_stranger(rt, pid, timeout, exit);
    pgi_release_node(node);
    if (self) pgi_end_if_killed(self); /* not before: who ends here does not come back to release the node */
    return status;
}
