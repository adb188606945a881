/* call.c - calls and replies: a message with who asks beside it, and a place where the answer is put.
 *
 * The caller waits on its token (wait.c), with what it waits for in its own frame, which hangs on its extra block while
 * it may be answered.  Who answers finds the caller by its pid and compares the ref, under the caller's lock: either
 * the answer is put there and the caller woken, or nobody waits for it and it is dropped.  So it passes by the mailbox,
 * and a late one reaches nobody.  A watch of the callee (watch.h) wakes the caller when nobody will answer.
 *
 * Three may end the wait: the answer, the callee's end, the time; and, of a host thread, that its runtime has stopped,
 * so that no answer finds it.  The answer sets the token to TOLD as its last act, so a caller who finds that owns its
 * frame again; in the other cases it takes the frame off under its lock, and may find that the answer has just come.
 *
 * Rejected: the answer as a message with a ref, for which the mailbox is searched, and from which it has to be taken
 * when it comes late.  Who asks as the first values of the message: receivers would have to have two patterns. */
#include "call.h"

#include <errno.h>

#include "extra.h"
#include "far.h"
#include "runtime.h"
#include "watch.h"

/* In the caller's frame. */
struct pgi_call {
    pgi_watch watch; /* of the callee */
    pg_process *caller;
    pg_ref ref;
    pg_message *reply; /* under the caller's lock, until its token says TOLD */
};

/* ---------------------------------------------------------------------------------------------------------- callers */

/* The callee has ended.  Who tells holds a lock that the caller asks for before it leaves the frame. */
static void callee_ended(pgi_watch *watch, const pgi_end *end)
{
    (void)end;
    pg_process *caller = container_of(watch, pgi_call, watch)->caller;
    pgi_sleeper_wake(caller->rt->sched, &caller->sleeper);
}

static void put_up(pg_process *self, pgi_call *call)
{
    pgi_lock(self);
    self->extra->call = call;
    pgi_unlock(self);
}

bool pgi_call_dismiss(pg_process *p)
{
    pgi_lock(p);
    bool calls = p->extra && p->extra->call;
    if (calls) pgi_sleeper_wake(p->rt->sched, &p->sleeper);
    pgi_unlock(p);
    return calls;
}

/* Whether the answer has come; from now on it does not. */
static bool take_down(pg_process *self, const pgi_call *call)
{
    if (load_acquire(&self->sleeper.token) == PGI_TOLD) return true; /* partner: hand_over, which took it down */
    pgi_lock(self);
    self->extra->call = NULL;
    pgi_unlock(self);
    return call->reply != NULL;
}

/* ------------------------------------------------------------------------------------------ who wait for each other */

/* Whom a process waits for in a call, which is written after it; a null pid: nobody, or it is not here. */
static pg_pid step(pg_pid pid, pgi_print *out)
{
    pg_pid next = {0};
    pgi_visit visit;
    pgi_visit_pid(&visit, pid);
    if (visit.rt) {
        pgi_look_begin(&visit);
        pg_process *p = pgi_slot_find(&visit.rt->slots, pid);
        if (p) {
            pgi_lock(p);
            if (p->extra && p->extra->call) next = p->extra->call->watch.pid;
            pgi_unlock(p);
            pgi_print_text(out, " calls ");
            pgi_print_process(out, p, pid);
        }
        pgi_look_end(&visit);
    }
    pgi_leave(&visit);
    return next;
}

/* Whether the callee waits for the caller, whose call has been put up: of several that close a circle at once one sees
 * it at least.  Others may wait in circles that it is not in: a chain is followed for as far as it is worth reading. */
static PGS_COLD bool waits_for_itself(pg_process *self, pg_pid pid)
{
    enum { LONGEST = 100 };
    char text[1000];
    pgi_print out;
    const pg_pid own = pgi_pid_of(self);
    pgi_print_init(&out, text, sizeof text);
    pgi_print_process(&out, self, own);
    for (int i = 0; i < LONGEST && pid.id != 0 && !pg_same(pid, own); i++) pid = step(pid, &out);
    if (!pg_same(pid, own)) return false;
    pgi_log(self->rt, PG_LOG_WARNING, "processes wait for each other: %s calls the first", text);
    return true;
}

/* What is looked at rarely, now that the call has been put up: whether it is in vain. */
static PGS_COLD int look_rarely(pg_process *self, pg_pid pid)
{
    if (load_relaxed(&self->rt->dismissed)) return PG_ESTOPPED; /* else it is seen by unpublish; partner: by the lock */
    return self->rt->options.debug_calls && waits_for_itself(self, pid) ? PG_EINSIDE : PG_OK;
}

static PGS_COLD int without_reply(const pg_process *self, bool ended, int error)
{
    if (load_relaxed(&self->rt->dismissed)) return PG_ESTOPPED;
    return ended ? PG_ENOPROC : error == -ENOMEM ? PG_ENOMEM : PG_ETIMEDOUT;
}

/* Sends the request and waits.  PG_OK: call->reply is the answer. */
static int wait_for_reply(pg_process *self, pg_pid pid, pgi_call *call, pg_message *request, int64_t timeout)
{
    pg_exit_info exit;
    int status = pgi_watch_begin(&call->watch, self->rt, pid, callee_ended, &exit);
    if (status != PG_OK) {
        pgi_message_free(pgi_cache_here(NULL), request);
        return status == PG_EENDED || status == PG_ENOPROC ? without_reply(self, true, 0) : status;
    }
    put_up(self, call);
    bool rare = self->rt->options.debug_calls | load_relaxed(&self->rt->dismissed);
    if (unlikely(rare)) status = look_rarely(self, pid);
    if (likely(status == PG_OK)) {
        status = pgi_send(pid, request);
    } else {
        pgi_message_free(pgi_cache_here(NULL), request);
    }
    int error = 0;
    if (status == PG_OK) {
        pgs_wait wait = {pgi_sleeper_commit, pgi_sleeper_claim, pgs_deadline(timeout)};
        error = pgs_block(self->rt->sched, &self->sleeper.task, &wait);
    }
    bool ended = !pgi_watch_end(&call->watch, self->rt);
    if (take_down(self, call)) return PG_OK;
    if (status != PG_OK) return status;
    return without_reply(self, ended, error);
}

static int may_call(const pg_process *self, pg_pid pid, const pg_message **reply)
{
    if (!self || !reply) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    if (load_relaxed(&((pg_process *)(uintptr_t)self)->rt->stopped)) return PG_ESTOPPED;
    return pg_same(pid, pgi_pid_of(self)) ? PG_EINSIDE : PG_OK;
}

int pg_call_values(pg_process *self, pg_pid pid, const pg_message **reply, int64_t timeout, size_t count,
                   const pg_value *values)
{
    int status = may_call(self, pid, reply);
    if (status != PG_OK) return status;
    pgi_end_if_killed(self);
    if (!pgi_extra_of(self, 0)) return PG_ENOMEM;
    pgi_call call;
    call.caller = self;
    call.ref = pg_make_ref();
    call.reply = NULL;
    pg_message *request;
    const pg_from from = {pgi_pid_of(self), call.ref};
    status = pgi_message_build_call(pgi_cache_here(NULL), PGI_CALL, from, count, values, &request);
    if (status != PG_OK) return status;
    store_relaxed(&self->sleeper.token, PGI_AWAKE);
    status = wait_for_reply(self, pid, &call, request, timeout);
    if (status == PG_OK) {
        pgi_drop_received(self);
        call.reply->flags |= PGI_LOOSE;
        self->received = call.reply;
        *reply = call.reply;
    }
    pgi_end_if_killed(self);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- answers */

/* Puts an answer where it is waited for, and wakes the caller, whose look or visit this is.  False: it is not waited
 * for. */
static bool hand_over(pg_process *p, pg_ref ref, pg_message *msg)
{
    pgi_lock(p);
    pgi_call *call = p->extra ? p->extra->call : NULL;
    bool waits = call && call->ref.id == ref.id;
    if (waits) {
        p->extra->call = NULL;
        call->reply = msg;
        /* The last touch of the frame; partners: as in pgi_sleeper_wake, and take_down. */
        if (xchg_acq_rel(&p->sleeper.token, PGI_TOLD) == PGI_WAITING) pgs_ready(p->rt->sched, &p->sleeper.task);
    }
    pgi_unlock(p);
    return waits;
}

static int reply_here(const pgi_visit *visit, pg_from from, pg_message *msg)
{
    pgi_look_begin(visit);
    pg_process *p = pgi_slot_find(&visit->rt->slots, from.pid);
    bool waits = p && hand_over(p, from.ref, msg);
    pgi_look_end(visit);
    if (waits) return PG_OK;
    pgi_message_free(pgi_visit_cache(visit), msg);
    return PG_ENOPROC;
}

static int reply_arrived(pg_pid to, pg_message *msg)
{
    pgi_visit visit;
    pg_from from = *pgi_message_from(msg);
    from.pid = to;
    msg->kind = PGI_USER;
    pgi_visit_pid(&visit, to);
    int status = PG_ENOPROC;
    if (visit.rt) {
        status = reply_here(&visit, from, msg);
    } else {
        pgi_message_free(pgi_cache_here(NULL), msg);
    }
    pgi_leave(&visit);
    return status;
}

int pgi_send_arrived(pg_pid to, pg_message *msg)
{
    bool ends_here = msg->kind == PGI_REPLY && !pgi_node_is_far(pgi_pid_node(to));
    return ends_here ? reply_arrived(to, msg) : pgi_send(to, msg);
}

static int reply_far(pg_from from, size_t count, const pg_value *values)
{
    pg_message *msg;
    int status = pgi_message_build_call(pgi_cache_here(NULL), PGI_REPLY, from, count, values, &msg);
    return status == PG_OK ? pgi_send_far(from.pid, msg) : status;
}

int pg_reply_to_values(pg_from from, size_t count, const pg_value *values)
{
    if (pgi_pid_node(from.pid) == 0) return PG_EINVAL;
    pg_message *msg = NULL;
    pgi_visit visit;
    pgi_visit_pid(&visit, from.pid);
    int status = PG_OK;
    if (likely(visit.rt)) {
        status = pgi_message_build(pgi_cache_here(NULL), count, values, &msg);
        if (likely(status == PG_OK)) status = reply_here(&visit, from, msg);
    }
    bool far = !visit.rt;
    pgi_leave(&visit);
    return far ? reply_far(from, count, values) : status;
}

pg_from pg_call_from(const pg_message *msg)
{
    return msg && msg->kind == PGI_CALL ? *pgi_message_from(msg) : (pg_from){{0}, {0}};
}

int pg_reply_values(const pg_message *msg, size_t count, const pg_value *values)
{
    return pg_reply_to_values(pg_call_from(msg), count, values);
}
