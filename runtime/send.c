/* send.c - sending: copy the values, find the process, one exchange.
 *
 * One that has limits is not found by that, and those who are not found are looked for once more: limit.h.
 *
 * The message is built first, outside the epoch, and the process is found after that: whatever the copying takes, a
 * slot is looked at for a few instructions only. */
#include "far.h"
#include "limit.h"
#include "runtime.h"

static inline __attribute__((always_inline)) int send_as_visitor(pg_pid pid, pg_message *msg, bool always)
{
    if (pgi_node_is_far(pgi_pid_node(pid))) return pgi_send_far(pid, msg);
    pgi_visit visit;
    pgi_visit_rarely(&visit, pgi_pid_node(pid));
    if (!visit.rt && pgi_pid_node(pid) != 0) return pgi_send_far(pid, msg);
    pg_process *p = visit.rt ? pgi_slot_find(&visit.rt->slots, pid) : NULL;
    pgi_limits *limits = p ? pgi_limits_of(p) : NULL;
    pgi_pushed pushed = {0};
    int status = PG_OK;
    pgs_delay(PGS_AT_DELIVER);
    if (!p) {
        status = PG_ENOPROC;
    } else if (unlikely(limits != NULL)) {
        status = pgi_limits_push(p, limits, msg, always, &pushed);
        if (status != PG_OK) pgi_count_refused(visit.rt, pgi_local_here(visit.rt), 1);
    } else {
        pushed.schedule = pgs_mpsc_push(&p->mailbox, &msg->node);
    }
    if (pushed.schedule) pgs_ready(visit.rt->sched, &p->sleeper.task);
    if (status != PG_OK) pgi_message_free(pgi_cache_here(NULL), msg);
    pgi_leave(&visit);
    if (unlikely(pushed.high != 0)) pgi_limits_alarm(pid, &pushed);
    return status;
}

/* To a process of another runtime than the caller's, or from a thread that is no worker. */
__attribute__((noinline)) int pgi_send_as_visitor(pg_pid pid, pg_message *msg)
{
    return send_as_visitor(pid, msg, false);
}

int pgi_send_always(pg_pid pid, pg_message *msg)
{
    return send_as_visitor(pid, msg, true);
}

/* Where a chain is sent, whose sender is told nothing. */
enum { UNTOLD = -1 };

/* To one that has limits, or nobody.  The message is consumed. */
static int send_again(pgs_worker *w, pgi_local *local, pg_pid pid, pg_message *msg)
{
    pgi_pushed pushed = {0};
    int status = PG_ENOPROC;
    pgs_epoch_member *member = pgs_worker_member(w);
    pgs_epoch_member_enter(member);
    pg_process *p = pgi_slot_find(&local->rt->slots, pid);
    pgi_limits *limits = p ? pgi_limits_of(p) : NULL;
    pgs_delay(PGS_AT_DELIVER);
    if (limits) {
        status = pgi_limits_push(p, limits, msg, false, &pushed);
    } else if (p) { /* the pid was given out only just now */
        pushed.schedule = pgs_mpsc_push(&p->mailbox, &msg->node);
        status = PG_OK;
    }
    pgs_epoch_member_leave(member);
    if (status != PG_OK) pgi_message_free(&local->cache, msg);
    if (status != PG_OK && status != PG_ENOPROC) pgi_count_refused(local->rt, local, 1);
    pgs_task *elsewhere = pushed.schedule ? pgs_ready_next(w, &p->sleeper.task) : NULL;
    if (elsewhere) pgs_ready_elsewhere(w, elsewhere);
    if (unlikely(pushed.high != 0)) pgi_limits_alarm(pid, &pushed);
    return status;
}

/* The paths of deliver() that call something: called last, so that nothing is saved on the stack for them. */
static __attribute__((noinline)) int find_again(pgs_worker *w, pg_pid pid, pg_message *first, const pg_message *last,
                                                int sends)
{
    pgi_local *local = pgs_worker_local(w);
    int status = PG_OK;
    for (pg_message *msg = first, *next = NULL; msg; msg = next) {
        next = pgi_message_behind(msg, last);
        status = send_again(w, local, pid, msg);
        bool is_refused = status != PG_OK && status != PG_ENOPROC;
        if (sends == UNTOLD && is_refused) pgi_count_dropped(local->rt, local, 1);
    }
    return pgi_pace_count(w, &local->pace, pid, sends, status);
}

static __attribute__((noinline)) int ready_elsewhere(pgs_worker *w, pg_pid pid, pgs_task *task, int sends)
{
    pgs_ready_elsewhere(w, task);
    return pgi_pace_count(w, pgi_pace_of(w), pid, sends, PG_OK);
}

/* Delivers messages that are the caller's, those from `first` to `last`; frees them when there is nobody.  `w` is the
 * worker that the caller is, and the process one of its runtime's, in the slot `p`.  `sends`: see pgi_pace_count(). */
static inline __attribute__((always_inline)) int deliver(pgs_worker *w, pgi_local *local, pg_process *p, pg_pid pid,
                                                         pg_message *first, pg_message *last, int sends)
{
    pgs_epoch_member *member = pgs_worker_member(w);
    pgs_epoch_member_enter(member);
    if (unlikely(!pgi_slot_holds(&local->rt->slots, p, pid))) p = NULL;
    pgs_delay(PGS_AT_DELIVER);
    bool schedule = likely(p) && pgs_mpsc_push_chain(&p->mailbox, &first->node, &last->node);
    pgs_epoch_member_leave(member);
    if (unlikely(!p)) return find_again(w, pid, first, last, sends);
    if (schedule) { /* it cannot end before it runs, and only this makes it run */
        prefetch_to_write(&p->rt);
        pgs_task *elsewhere = pgs_ready_next(w, &p->sleeper.task);
        if (elsewhere) return ready_elsewhere(w, pid, elsewhere, sends);
    }
    return pgi_pace_count(w, &local->pace, pid, sends, PG_OK);
}

__attribute__((noinline)) int pgi_send(pg_pid pid, pg_message *msg)
{
    pgs_worker *w = pgs_worker_self();
    pgi_local *local = w ? pgs_worker_local(w) : NULL;
    if (unlikely(!local) || unlikely(local->node != pgi_pid_node(pid))) return pgi_send_as_visitor(pid, msg);
    return deliver(w, local, pgi_slot_named(&local->rt->slots, pid), pid, msg, msg, 0);
}

void pgi_send_chain(pg_pid pid, pg_message *first, pg_message *last)
{
    pgs_worker *w = pgs_worker_self();
    pgi_local *local = pgs_worker_local(w);
    deliver(w, local, pgi_slot_named(&local->rt->slots, pid), pid, first, last, UNTOLD);
}

/* Any message, from any thread. */
static __attribute__((noinline)) int send_any(pg_pid pid, size_t count, const pg_value *values)
{
    pg_message *msg;
    int status = pgi_message_build(pgi_cache_here(NULL), count, values, &msg);
    return status == PG_OK ? pgi_send(pid, msg) : status;
}

/* From a worker to another runtime's. */
static __attribute__((noinline)) int send_abroad(pgs_worker *w, pg_pid pid, size_t count, const pg_value *values)
{
    bool far = pgi_node_is_far(pgi_pid_node(pid));
    int status = likely(far) ? pgi_send_far_values(pid, count, values) : send_any(pid, count, values);
    return pgi_pace_count(w, pgi_pace_of(w), pid, 1, status);
}

/* From a worker to one of its runtime's. */
static __attribute__((noinline)) int send_larger(pgs_worker *w, pg_process *p, pg_pid pid, size_t count,
                                                 const pg_value *values)
{
    pgi_local *local = pgs_worker_local(w);
    pg_message *msg = pgi_message_medium(&local->cache, count, values);
    int status = likely(msg) ? PG_OK : pgi_message_build(&local->cache, count, values, &msg);
    if (unlikely(status != PG_OK)) return status;
    return deliver(w, local, p, pid, msg, msg, 1);
}

/* The usual path calls nothing, so that nothing has to be saved for a call. */
__attribute__((noinline)) int pg_send_values(pg_pid pid, size_t count, const pg_value *values)
{
    pgs_worker *w = pgs_worker_at_entry();
    if (unlikely(!w)) return send_any(pid, count, values);
    pgi_local *local = pgs_worker_local(w);
    if (unlikely(local->node != pgi_pid_node(pid))) return send_abroad(w, pid, count, values);
    pg_process *p = pgi_slot_named(&local->rt->slots, pid);
    prefetch_to_write(p); /* it comes while the message is built */
    pg_message *msg = pgi_message_small(&local->cache, count, values);
    if (unlikely(!msg)) return send_larger(w, p, pid, count, values);
    return deliver(w, local, p, pid, msg, msg, 1);
}

int pg_forward(pg_pid pid, const pg_message *msg)
{
    pg_message *copy;
    if (!msg) return PG_EINVAL;
    int status = pgi_message_copy(pgi_cache_here(NULL), msg, &copy);
    if (status != PG_OK) return status;
    if (copy->kind != PGI_CALL) copy->kind = PGI_USER; /* an exit that is passed on is news, and no longer a signal */
    return pgi_send(pid, copy);
}

static int terminate(pg_pid pid, pg_exit_kind kind, pg_value error)
{
    pg_message *msg;
    char text[PGI_TEXT_MAX] = "";
    if (kind != PG_EXIT_NORMAL) pgi_error_text(text, error);
    int status = pgi_message_build_exit(pgi_cache_here(NULL), kind, text, error, (pg_pid){0}, PGI_TERMINATE, &msg);
    return status == PG_OK ? pgi_send(pid, msg) : status;
}

int pg_terminate(pg_pid pid)
{
    return terminate(pid, PG_EXIT_NORMAL, pg_v_nil());
}

int pg_terminate_value(pg_pid pid, pg_value error)
{
    return terminate(pid, PG_EXIT_FAILED, error);
}

bool pg_is_alive(pg_pid pid)
{
    pgi_visit visit;
    pgi_visit_pid(&visit, pid);
    bool alive = visit.rt && pgi_slot_find(&visit.rt->slots, pid); /* compared only: no look is needed */
    bool far = !visit.rt && pgi_pid_node(pid) != 0;
    pgi_leave(&visit);
    return far ? pg_why(pid, NULL) == PG_ETIMEDOUT : alive;
}
