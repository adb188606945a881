/* process.c - a process at work: its target, then one message after the other.
 *
 * pgi_run() is what a worker calls.  A process that returns from its handlers leaves nothing on that stack; when its
 * mailbox is empty it rests, and the next sender schedules it again.  The message being handled stays in the mailbox as
 * its head (sched/mpsc.h), and is freed when the next one is taken or the process rests.
 *
 * A slice ends when its time is over, which is looked for every PGI_SLICE messages, or when the monitor says so. */
#include "process.h"

#include <sched.h>

#include "limit.h"
#include "runtime.h"
#include "watch.h"

/* A slice is some messages, and then as many more as PGI_SLICE_NS allow: who is flooded must be able to handle more in
 * a turn than its senders send in theirs, or its mailbox grows out of every cache. */
enum { PGI_SLICE = PGS_TUNED(64, 2), PGI_SLICE_NS = PGS_TUNED(100000, 1000) };

PGS_COLD void pgi_lock_contended(pg_process *p)
{
    unsigned spins = 0;
    do {
        if (spins++ < 100) {
            cpu_relax();
        } else {
            sched_yield(); /* the holder has lost its processor */
        }
    } while (load_relaxed(&p->lock) != 0 || xchg_acquire(&p->lock, 1) != 0); /* partner: pgi_unlock */
}

static PGS_COLD void free_unusual(pg_message *msg, pgi_cache *cache)
{
    msg->flags &= (uint8_t)~PGI_IN_MAILBOX;
    pgi_message_free(cache, msg);
}

static inline void free_message(pg_message *msg, pgi_cache *cache)
{
    if (likely(msg->flags == 0) && likely(cache != NULL)) {
        pgi_block_free(cache, msg, msg->units);
    } else {
        free_unusual(msg, cache);
    }
}

__attribute__((noinline)) void pgi_free_message(pg_message *msg)
{
    pgs_worker *w = pgs_worker_at_entry();
    free_message(msg, likely(w) ? pgi_cache_of(w) : NULL);
}

void pgi_release(pg_process *p, pgs_mpsc_node *node)
{
    pg_message *msg = pgi_of_node(node);
    if (unlikely(msg == p->current || msg == p->ending)) {
        msg->flags |= PGI_LOOSE; /* freed when its handler has returned */
        store_relaxed(&node->next, NULL);
    } else {
        pgi_free_message(msg);
    }
}

static inline bool rest(pg_process *p, pgi_cache *cache)
{
    pgs_mpsc_node *released;
    pgs_delay(PGS_AT_REST);
    if (!pgs_mpsc_rest(&p->mailbox, &released)) return false;
    if (released) free_message(pgi_of_node(released), cache);
    return true;
}

bool pgi_rest(pg_process *p, pgi_cache *cache)
{
    return rest(p, cache);
}

void pgi_print_process(pgi_print *out, pg_process *p, pg_pid pid)
{
    pgi_print_pid(out, pid);
    if (!p) return;
    pgi_lock(p);
    if (p->name && pgi_slot_generation(p) == pgi_pid_generation(pid)) pgi_print_format(out, " \"%.200s\"", p->name);
    pgi_unlock(p);
}

/* ---------------------------------------------------------------------------------------------- the unexpected */

static void explain_unhandled(pg_process *p, const pg_message *msg, char *text)
{
    pgi_print out;
    pgi_print_init(&out, text, PGI_TEXT_MAX);
    pgi_print_text(&out, "unhandled message: process ");
    pgi_print_process(&out, p, pgi_pid_of(p));
    pgi_print_text(&out, " has no receiver for ");
    pgi_print_message(&out, msg);
    pgi_print_text(&out, p->receivers && p->receivers->count ? "; it has " : "; it has none");
    for (uint32_t i = 0; p->receivers && i < p->receivers->count; i++) {
        if (i > 0) pgi_print_text(&out, ", ");
        pgi_pattern_print(&out, p->receivers->list[i].pattern);
    }
}

/* Of one whose slot is in another operating-system process the exit says the name, if it is known. */
static void print_ended(pgi_print *out, const pg_process *p, const pg_message *msg, pg_pid pid)
{
    const pg_term *exit = pgi_message_terms(msg);
    bool here = pgi_pid_node(pid) == p->rt->node;
    pgi_print_process(out, here ? pgi_slot_of(&p->rt->slots, pid) : NULL, pid);
    if (here || pgi_term_count(exit) < 4) return;
    size_t length;
    pgi_print_format(out, " \"%.200s\"", pgi_term_text(&pgi_term_elements(exit)[3], &length));
}

/* Returns whether the other one had ended normally. */
static bool explain_exit(pg_process *p, const pg_message *msg, char *text)
{
    pgi_print out;
    pg_exit_info exit;
    pg_get_exit(NULL, msg, 0, &exit);
    pgi_print_init(&out, text, PGI_TEXT_MAX);
    pgi_print_text(&out, "unhandled exit: linked process ");
    print_ended(&out, p, msg, exit.pid);
    pgi_print_format(&out, " ended (%s)", pgi_exit_kind_name(exit.kind));
    if (exit.text[0]) pgi_print_text(&out, ": ");
    pgi_print_text(&out, exit.text);
    return exit.kind == PG_EXIT_NORMAL;
}

pgi_end pgi_end_asked_for(const pg_message *msg)
{
    const pg_term *part = pgi_term_elements(pgi_message_terms(msg));
    size_t length;
    return (pgi_end){
        .kind = (pg_exit_kind)part[0].body, .text = pgi_term_text(&part[1], &length), .error = pg_v_term(&part[2])};
}

bool pgi_handle(pg_process *p, pg_message *msg, pgi_end *end, char text[PGI_TEXT_MAX])
{
    const pgi_receiver *r = pgi_receivers_find(p->receivers, msg);
    if (r) r->handler(p, msg);
    switch (msg->kind) {
    case PGI_TERMINATE: *end = pgi_end_asked_for(msg); return true;
    case PGI_DOWN:
        if (r) return false;
        *end = (pgi_end){.kind = PG_EXIT_UNHANDLED_EXIT, .text = text, .no_news = explain_exit(p, msg, text)};
        return true;
    default:
        if (r) return false;
        explain_unhandled(p, msg, text);
        *end = (pgi_end){.kind = PG_EXIT_UNHANDLED_MESSAGE, .text = text};
        return true;
    }
}

static __attribute__((noinline)) bool handle_unexpected(pg_process *p, pg_message *msg)
{
    char text[PGI_TEXT_MAX];
    pgi_end end;
    if (!pgi_handle(p, msg, &end, text)) return false;
    pgi_finish(p, &end);
    return true;
}

/* A message that has flags, a signal, or one without a receiver.  The text is beneath no handler of the first. */
static bool handle_other(pg_process *p, pg_message *msg)
{
    if (msg->kind == PGI_NEWS && !pgi_news_take(p, msg)) return false; /* taken back */
    bool is_signal = msg->kind == PGI_TERMINATE || msg->kind == PGI_DOWN;
    const pgi_receiver *r = is_signal ? NULL : pgi_receivers_find(p->receivers, msg);
    if (!r) return handle_unexpected(p, msg);
    r->handler(p, msg);
    return false;
}

static __attribute__((noinline)) bool handle_timed(pg_process *p, pg_message *msg)
{
    const pgi_stretch stretch = pgi_limits_time();
    if (handle_other(p, msg)) return true;
    pgi_limits_timed(p, &stretch);
    return false;
}

static __attribute__((noinline)) bool handle_rare(pg_process *p, pg_message *msg)
{
    if (msg->flags & PGI_CONSUMED) return false; /* received earlier, out of turn */
    if (msg->flags & PGI_COUNTED) pgi_limits_taken(p, msg);
    const pgi_limits *limits = pgi_limits_of(p);
    return limits && limits->max_slice > 0 ? handle_timed(p, msg) : handle_other(p, msg);
}

/* ---------------------------------------------------------------------------------------------------- the usual */

static PGS_COLD void after_receives(pg_process *p, pg_message *msg)
{
    pgi_drop_received(p);
    if (msg->flags & PGI_LOOSE) pgi_free_message(msg);
}

static inline bool handle_next(pg_process *p, pgs_mpsc_node *node, pgi_cache *cache)
{
    pg_message *msg = pgi_of_node(node);
    pgs_mpsc_node *before = pgs_mpsc_advance(&p->mailbox, node);
    p->scan = NULL;
    if (before) free_message(pgi_of_node(before), cache);
    p->current = msg;
    bool usual = likely(msg->kind == PGI_USER && msg->flags == 0);
    const pgi_receiver *r = usual ? pgi_receivers_find(p->receivers, msg) : NULL;
    if (likely(r != NULL)) {
        r->handler(p, msg);
    } else if (handle_rare(p, msg)) {
        return true;
    }
    p->current = NULL;
    if (unlikely(p->received || msg->flags & PGI_LOOSE)) after_receives(p, msg);
    return false;
}

bool pgi_handle_next(pg_process *p, pgs_mpsc_node *node, pgi_cache *cache)
{
    return handle_next(p, node, cache);
}

/* After `n` messages of a slice: whether it has lasted long.  *end is when it does, known from the first PGI_SLICE
 * on. */
static inline bool slice_is_over(pg_process *p, pgs_worker *w, unsigned n, int64_t *end)
{
    if (unlikely(n % PGI_SLICE == 0)) {
        int64_t now = pgs_now();
        if (n == PGI_SLICE) {
            *end = now + PGI_SLICE_NS;
            store_relaxed(&p->flooded_on, (uint16_t)(pgs_worker_number(w) + 1));
        }
        if (now >= *end) return true;
    }
    return pgs_worker_progress(w);
}

/* A task that has no mail, or none yet: it was claimed, or a sender stands between its exchange and its link.  Returns
 * the message that has come meanwhile, or NULL: it is at rest, or requeued. */
static PGS_COLD pgs_mpsc_node *nothing_yet(pg_process *p, pgs_worker *w)
{
    if (unlikely(load_relaxed(&p->rt->killing))) pgi_end_if_killed(p); /* why it runs, maybe */
    if (pgi_rest(p, pgi_cache_of(w))) return NULL;
    pgs_mpsc_node *node = pgs_mpsc_peek(&p->mailbox);
    if (!node) pgs_requeue(w, &p->sleeper.task);
    return node;
}

/* One slice.  The worker may be another one after each handler: a handler may block. */
static inline __attribute__((always_inline)) pgs_worker *run_slice(pgs_worker *w, pgs_task *task)
{
    pg_process *p = pgi_of_task(task);
    if (unlikely(p->phase != PGI_RUNNING)) {
        if (p->phase == PGI_SERVICE) return p->serve(w, p);
        pgs_worker *ended_on = pgi_begin_on(w, p);
        if (likely(ended_on)) return ended_on;
        w = pgs_worker_still(w, task);
    }
    pgs_mpsc_node *node = pgs_mpsc_peek(&p->mailbox);
    if (unlikely(!node) && !(node = nothing_yet(p, w))) return w;
    int64_t slice_end = 0;
    unsigned n = 1;
    for (;; n++) {
        if (handle_next(p, node, pgi_cache_of(w))) return pgs_worker_self();
        w = pgs_worker_still(w, task);
        node = pgs_mpsc_peek(&p->mailbox);
        if (!node) {
            if (likely(rest(p, pgi_cache_of(w)))) return w;
            node = pgs_mpsc_peek(&p->mailbox);
            if (!node) break; /* a sender stands between its exchange and its link */
        }
        if (unlikely(slice_is_over(p, w, n, &slice_end))) break;
    }
    if (n >= PGI_SLICE) {
        pgs_requeue_beside(w, task);
    } else {
        pgs_requeue(w, task);
    }
    return w;
}

pgs_worker *pgi_run(pgs_worker *w, pgs_task *task)
{
    do {
        w = run_slice(w, task);
        task = pgs_worker_next(w);
    } while (task);
    return w;
}

/* -------------------------------------------------------------------------------------------------- about itself */

pg_process *pg_current(void)
{
    pgs_worker *w = pgs_worker_self();
    pgs_task *task = w ? pgs_worker_task(w) : NULL;
    pg_process *p = task ? pgi_of_task(task) : pgi_host_current();
    return p && p->phase != PGI_SERVICE ? p : NULL;
}

pg_pid pg_self(const pg_process *self)
{
    return self ? pgi_pid_of(self) : (pg_pid){0};
}

const char *pg_name(const pg_process *self)
{
    return self && self->name ? self->name : "";
}

pg_kind pg_kind_of(const pg_process *self)
{
    if (!self) return PG_KIND_DEFAULT;
    bool root = self->rt->child && pg_same(pgi_pid_of(self), self->rt->child->root);
    return root ? PG_OS : (pg_kind)self->kind;
}

pg_runtime *pg_runtime_of(const pg_process *self)
{
    return self && !load_acquire(&self->rt->stopped) ? self->rt : NULL; /* partner: the end of pg_stop */
}

const pg_message *pg_args(const pg_process *self)
{
    return self ? self->args : &pgi_no_args;
}

void pg_set_data(pg_process *self, void *data)
{
    if (self) self->data = data;
}

void *pg_data(const pg_process *self)
{
    return self ? self->data : NULL;
}

/* --------------------------------------------------------------------------------------------------- receivers */

static PGS_COLD int refuse(pg_process *p, const char *what, size_t count, const pg_value *values, int status)
{
    char text[512];
    pgi_print out;
    pgi_print_init(&out, text, sizeof text);
    pgi_print_text(&out, "process ");
    pgi_print_process(&out, p, pgi_pid_of(p));
    pgi_print_format(&out, ": %s", what);
    if (values) pgi_print_values(&out, count, values);
    pgi_log(p->rt, PG_LOG_WARNING, "%s is refused: %s", text, pg_strerror(status));
    return status;
}

int pg_receive_values(pg_process *self, pg_handler handler, size_t count, const pg_value *pattern)
{
    if (!self || !handler || (count > 0 && !pattern)) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    const pgi_receivers *set;
    int status = pgi_receivers_add(&self->rt->receivers, self->receivers, handler, count, pattern, &set);
    if (unlikely(status != PG_OK)) return refuse(self, "the pattern ", count > 32 ? 0 : count, pattern, status);
    self->receivers = set;
    return PG_OK;
}

int pg_use(pg_process *self, pg_table *table)
{
    if (!self || !table) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    const pgi_receivers *set;
    int status = pgi_table_use(&self->rt->receivers, table, &set);
    if (unlikely(status != PG_OK)) return refuse(self, "a table of receivers", 0, NULL, status);
    pgi_receivers_drop(self->receivers);
    self->receivers = set;
    self->scan = NULL;
    return PG_OK;
}
