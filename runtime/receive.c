/* receive.c - receiving in the middle of the code: the next message, or the first that a pattern matches.
 *
 * The mailbox is one chain of nodes, and skipped messages stay in it, where they are:
 *
 *     head            scan
 *      |               |
 *     [handled] ----> [skipped] ----> [skipped] ----> [new] ----> ...  <---- tail
 *
 * A selective receive walks from the head, or, when the one before it asked for the same pattern, from where that one
 * stopped; it looks at each node once and sleeps behind the last.  So does one that asks for a ref which is newer
 * than all that was looked at then: no message there can have it, and whoever asks and waits for the answer passes
 * over what lies in the mailbox once, not with each question.  (Erlang/OTP does the like by a mark that is set as the
 * ref is made; numbers that grow need no mark.)  A message that it takes from the middle is unlinked; the very last
 * node cannot be, since a sender may be about to link behind it: it stays, marked as consumed, and whoever comes by
 * later passes over it.
 *
 * Invariants:
 *   1. All nodes from behind the head up to `scan` were looked at, for signals too, and none matches the pattern in
 *      `extra`, nor has a ref of this program's of a number above `extra->refs`.
 *   2. A message marked PGI_CONSUMED is linked; one marked PGI_LOOSE is not.
 *   3. `scan` is forgotten whenever nodes before it may go: by the handler loop, a plain receive, another pattern; and
 *      when receivers go, which signals were left to.
 *   4. Between two receives `scan` is no consumed node: the next walk begins behind it, and nobody would free it. */
#include <errno.h>

#include "extra.h"
#include "limit.h"
#include "runtime.h"
#include "seeded.h"
#include "watch.h"

enum { TAKEN_BACK = 1 }; /* no status: it counts as consumed */

static bool commit_receive(pgs_task *task)
{
    pg_process *p = pgi_of_task(task);
    return pgs_mpsc_sleep(&p->mailbox, p->scan);
}

static bool claim_receive(pgs_task *task)
{
    return pgs_mpsc_claim(&pgi_of_task(task)->mailbox);
}

/* The node behind `last`, for which it waits; NULL with *status set when there is none in time. */
static pgs_mpsc_node *next_node(pg_process *p, pgs_mpsc_node *last, int64_t deadline, int *status)
{
    for (;;) {
        pgs_mpsc_node *node = pgs_mpsc_next(last);
        if (node) return node;
        *status = PG_ETIMEDOUT;
        if (deadline <= 0) return NULL;
        p->scan = last;
        pgs_wait wait = {commit_receive, claim_receive, deadline};
        int error = pgs_block(p->rt->sched, &p->sleeper.task, &wait);
        if (error == -ENOMEM) *status = PG_ENOMEM;
        if (error) return pgs_mpsc_next(last);
        if (unlikely(!pgs_mpsc_next(last))) pgi_end_if_killed(p);
    }
}

/* `node` is the first behind the head, and becomes the head. */
static pgs_mpsc_node *advance(pg_process *p, pgs_mpsc_node *node)
{
    pgs_mpsc_node *released = pgs_mpsc_advance(&p->mailbox, node);
    if (released) pgi_release(p, released);
    return node;
}

/* Takes `node`, which stands behind `before`, as what is received.  Returns the node to go on from. */
static pgs_mpsc_node *take(pg_process *p, pgs_mpsc_node *before, pgs_mpsc_node *node)
{
    pg_message *msg = pgi_of_node(node);
    p->received = msg;
    if (before == p->mailbox.head) return advance(p, node);
    msg->flags |= pgs_mpsc_unlink(before, node) ? PGI_LOOSE : PGI_CONSUMED;
    return before;
}

/* A consumed node, met again: it goes if it can.  Returns the node to go on from; NULL: it is the last, and has to stay
 * until it is not. */
static pgs_mpsc_node *pass_consumed(pg_process *p, pgs_mpsc_node *before, pgs_mpsc_node *node)
{
    if (before == p->mailbox.head) return advance(p, node);
    if (!pgs_mpsc_unlink(before, node)) return NULL;
    pgi_release(p, node);
    return before;
}

/* Ends the process in its receive.  Returns only for an attached one outside pg_serve(). */
static int end_here(pg_process *p, const pgi_end *end)
{
    if (p->kind == PG_GREEN || p->host->serving) pgi_die(p, end);
    pgi_finish(p, end);
    return PG_EENDED;
}

/* A terminate, or an exit, met while receiving.  PG_OK: it is not for the runtime to act on it. */
static int meet_signal(pg_process *p, pgs_mpsc_node *before, pgs_mpsc_node *node, const pgi_pattern *pattern)
{
    pg_message *msg = pgi_of_node(node);
    char text[PGI_TEXT_MAX];
    pgi_end end;
    if (msg->kind == PGI_DOWN) {
        if (pattern && pgi_pattern_match(pattern, msg)) return PG_OK;
        if (pgi_receivers_find(p->receivers, msg)) return PG_OK;
    }
    p->scan = NULL; /* it is where this receive slept */
    /* Taken out first: a handler for (exit) may receive, and must not meet it again; nor may it free it, since the end
     * tells what stands in it. */
    take(p, before, node);
    p->received = NULL;
    pgi_end_by(p, msg);
    pgi_handle(p, msg, &end, text); /* always an end: a terminate, or an exit without a receiver */
    return end_here(p, &end);
}

/* News of a monitored process: PG_OK, or they have been taken back, and count as consumed. */
static int meet_news(pg_process *p, pg_message *msg, const pgi_pattern *pattern)
{
    bool is_it = !pattern || pgi_pattern_match(pattern, msg);
    if (is_it ? pgi_news_take(p, msg) : pgi_news_is_wanted(p, msg)) return PG_OK;
    msg->flags |= PGI_CONSUMED;
    return TAKEN_BACK;
}

/* A terminate, met by the handler for the one before: the process is ending already.  To call that handler again, upon
 * itself, would use its stack up where it is told often enough. */
static bool ends_already(const pg_process *p)
{
    return p->ending || (p->current && p->current->kind == PGI_TERMINATE);
}

/* A message that is not PGI_USER, met while receiving.  PG_OK: it is one as any other. */
static PGS_COLD int meet_unusual(pg_process *p, pgs_mpsc_node *before, pgs_mpsc_node *node, const pgi_pattern *pattern)
{
    pg_message *msg = pgi_of_node(node);
    switch (msg->kind) {
    case PGI_NEWS: return meet_news(p, msg, pattern);
    case PGI_NOTICE:
    case PGI_CALL: return PG_OK;
    case PGI_TERMINATE:
        if (!ends_already(p)) return meet_signal(p, before, node, pattern);
        msg->flags |= PGI_CONSUMED;
        return TAKEN_BACK;
    default: return meet_signal(p, before, node, pattern);
    }
}

/* What a receive does next that has met a message. */
typedef enum step {
    TAKE, /* that is it */
    PASS, /* it goes on from *last */
    WAIT, /* it waits for what comes behind, and then looks again */
    LEAVE /* it ends, with *status */
} step;

/* One that has flags, or is not PGI_USER. */
static __attribute__((noinline)) step meet_other(pg_process *p, pgs_mpsc_node **last, pgs_mpsc_node *node,
                                                 const pgi_pattern *pattern, int *status)
{
    pg_message *msg = pgi_of_node(node);
    if (msg->flags & PGI_CONSUMED) {
        pgs_mpsc_node *on = pass_consumed(p, *last, node);
        if (on) *last = on;
        return on ? PASS : WAIT;
    }
    if (msg->kind != PGI_USER && (*status = meet_unusual(p, *last, node, pattern)) != PG_OK)
        return *status == TAKEN_BACK ? PASS : LEAVE;
    if (pattern && !pgi_pattern_match(pattern, msg)) {
        *last = node;
        return PASS;
    }
    if (msg->flags & PGI_COUNTED) pgi_limits_taken(p, msg);
    return TAKE;
}

/* Where to begin: behind what this pattern cannot match. */
static pgs_mpsc_node *first_to_look_at(const pg_process *p, const pgi_pattern *pattern)
{
    if (!p->scan || !pattern || !pgi_pattern_pure(pattern)) return p->mailbox.head;
    bool passes_over = pgi_pattern_same(pgi_extra_pattern(p->extra), pattern) ||
                       pgi_pattern_asks_for_ref(pattern, p->extra->refs, pgi_ref_last());
    return passes_over ? p->scan : p->mailbox.head;
}

/* Remembers that `pattern` matches nothing up to `last`, if that is worth it. */
static void remember_scan(pg_process *p, pgs_mpsc_node *last, const pgi_pattern *pattern)
{
    p->scan = NULL;
    if (last == p->mailbox.head || !pgi_pattern_pure(pattern)) return;
    pgi_extra *extra = pgi_extra_of(p, pattern->size);
    if (!extra) return;
    memcpy(pgi_extra_pattern(extra), pattern, pattern->size);
    extra->refs = pgi_ref_last();
    p->scan = last;
}

static int receive(pg_process *p, const pg_message **out, int64_t timeout, const pgi_pattern *pattern)
{
    int64_t deadline = timeout == PG_FOREVER ? PGS_NEVER : pgs_deadline(timeout);
    pgs_mpsc_node *last = first_to_look_at(p, pattern);
    int status;
    if (deadline > 0 && pgs_forced(PGS_AT_RECEIVE)) pgs_yield(&p->sleeper.task);
    pgi_drop_received(p);
    p->scan = NULL;
    for (;;) {
        pgs_mpsc_node *node = next_node(p, last, deadline, &status);
        if (!node) {
            if (deadline <= 0) pgi_looked(p);
            break;
        }
        pg_message *msg = pgi_of_node(node);
        if (likely(msg->kind == PGI_USER && msg->flags == 0)) {
            if (pattern && !pgi_pattern_match(pattern, msg)) {
                last = node;
                continue;
            }
        } else {
            step next = meet_other(p, &last, node, pattern, &status);
            if (next == LEAVE) return status;
            if (next == WAIT && !next_node(p, node, deadline, &status)) break;
            if (next != TAKE) continue;
        }
        last = take(p, last, node);
        *out = p->received;
        status = PG_OK;
        break;
    }
    p->scan = NULL;
    if (pattern) remember_scan(p, last, pattern);
    return status;
}

static int may_receive(const pg_process *self, const pg_message **msg)
{
    if (!self || !msg) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    return load_relaxed(&((pg_process *)(uintptr_t)self)->rt->stopped) ? PG_ESTOPPED : PG_OK;
}

int pg_recv(pg_process *self, const pg_message **msg, int64_t timeout)
{
    int status = may_receive(self, msg);
    if (status != PG_OK) return status;
    return receive(self, msg, timeout, NULL);
}

static void free_pattern(void *pattern)
{
    pgi_pattern_free(pattern);
}

int pg_recv_match_values(pg_process *self, const pg_message **msg, int64_t timeout, size_t count,
                         const pg_value *pattern)
{
    int status = may_receive(self, msg);
    if (status != PG_OK) return status;
    if (count > 0 && !pattern) return PG_EINVAL;
    pgi_pattern_buffer buffer;
    pgi_pattern *compiled;
    status = pgi_pattern_compile_into(&buffer, count, pattern, &compiled);
    if (status != PG_OK) return status;
    bool inside = (void *)compiled == (void *)buffer.bytes;
    /* The process may end in the receive, and then nobody comes back here. */
    if (!inside && pg_defer(self, free_pattern, compiled) != PG_OK) {
        pgi_pattern_leave(&buffer, compiled);
        return PG_ENOMEM;
    }
    status = receive(self, msg, timeout, compiled);
    if (!inside) pg_undefer(self, free_pattern, compiled);
    pgi_pattern_leave(&buffer, compiled);
    return status;
}

const pg_message *pg_keep(pg_process *self, const pg_message *msg)
{
    if (!self || !msg || (msg != self->current && msg != self->received && msg != self->args)) return NULL;
    pg_message *copy;
    if (pgi_message_copy(pgi_cache_here(NULL), msg, &copy) != PG_OK) return NULL;
    if (copy->kind != PGI_CALL) copy->kind = PGI_USER;
    return copy;
}

void pg_release(const pg_message *msg)
{
    pgi_message_free(pgi_cache_here(NULL), (pg_message *)(uintptr_t)msg);
}
