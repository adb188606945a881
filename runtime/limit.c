/* limit.c - see limit.h. */
#include "limit.h"

#include <errno.h>

#include "extra.h"
#include "far.h"
#include "runtime.h"
#include "sched/guest.h"

/* ---------------------------------------------------------------------------------------------------- the one word */

enum { COUNT_BITS = 27, COUNT_SHIFT = 3, UNITS_SHIFT = COUNT_SHIFT + COUNT_BITS };

#define WAITING UINT64_C(1)
#define HIGH UINT64_C(2)
#define TOLD UINT64_C(4)
#define COUNT_MAX ((UINT32_C(1) << COUNT_BITS) - 1)
#define UNITS_MAX ((UINT64_C(1) << (64 - UNITS_SHIFT)) - 1)

static const int64_t warn_every = PG_SECONDS(1);

static uint32_t count_of(uint64_t room)
{
    return (uint32_t)(room >> COUNT_SHIFT) & COUNT_MAX;
}

static uint64_t units_of(uint64_t room)
{
    return room >> UNITS_SHIFT;
}

/* What a message adds. */
static uint64_t weight(uint64_t units)
{
    return units << UNITS_SHIFT | UINT64_C(1) << COUNT_SHIFT;
}

typedef enum how { AS_ANY, AS_WAITER, ALWAYS } how;

static bool fits(const pgi_limits *l, uint64_t room, uint64_t units, how who)
{
    pgi_limits *mutable = (pgi_limits *)(uintptr_t)l;
    uint32_t count = count_of(room);
    if (unlikely(count >= COUNT_MAX - 1) || unlikely(units > UNITS_MAX - units_of(room))) return false;
    if (who == ALWAYS) return true;
    if (who == AS_ANY && (room & WAITING)) return false;
    if (count >= load_relaxed(&mutable->max_messages)) return false;
    return count == 0 || units_of(room) + units <= load_relaxed(&mutable->max_units);
}

/* Whether the high mark is reached by this word for the first time: it says so then, and *alarm who is told, if
 * anybody. */
static bool reaches(pgi_limits *l, uint64_t *room, pg_pid *alarm)
{
    uint32_t high = load_relaxed(&l->high);
    if (likely(high == 0) || count_of(*room) < high || (*room & HIGH)) return false;
    alarm->id = load_relaxed(&l->alarm);
    *room |= alarm->id != 0 ? HIGH : HIGH | TOLD;
    return true;
}

static void note_alarm(pgi_limits *l, uint64_t room, pg_pid alarm, pgi_pushed *out)
{
    add_relaxed(&l->alarms, 1);
    if (alarm.id != 0) *out = (pgi_pushed){out->schedule, count_of(room), alarm};
}

/* Takes room for a message of so many units, which is about to be pushed.  False: there is none; *room is the word that
 * says so. */
static bool take_room(pgi_limits *l, uint64_t units, how who, uint64_t *room, pgi_pushed *out)
{
    *room = load_relaxed(&l->room);
    for (;;) {
        pg_pid alarm = {0};
        if (!fits(l, *room, units, who)) return false;
        uint64_t after = *room + weight(units);
        bool reached = unlikely(reaches(l, &after, &alarm));
        /* Acquire: what the receiver did before it made this room.  Release: to the other senders, who count on.
         * Partners: itself, pgi_limits_taken. */
        if (!cas_acq_rel(&l->room, room, after)) continue;
        if (reached) note_alarm(l, after, alarm, out);
        return true;
    }
}

int pgi_limits_push(pg_process *p, pgi_limits *l, pg_message *msg, bool always, pgi_pushed *out)
{
    uint64_t room;
    if (pgi_message_is_sent(msg)) {
        if (unlikely(l->budget != NULL) && !pgi_budget_add(l->budget, msg, always)) {
            add_relaxed(&l->refused, 1);
            return PG_ENOMEM;
        }
        if (!take_room(l, msg->units, always ? ALWAYS : AS_ANY, &room, out)) {
            if (l->budget) pgi_budget_remove(l->budget, msg);
            add_relaxed(&l->refused, 1);
            return PG_EFULL;
        }
        msg->flags |= PGI_COUNTED;
    }
    if (pgs_mpsc_push(&p->mailbox, &msg->node)) out->schedule = true;
    return PG_OK;
}

/* ---------------------------------------------------------------------------------------------------------- alarms */

static pg_message *build_alarm(const char *what, pg_pid pid, uint32_t count)
{
    pg_message *msg;
    const pg_value values[] = {pg_v_str("mailbox"), pg_v_str(what), pg_v_pid(pid), pg_v_int(count)};
    if (pgi_message_build(pgi_cache_here(NULL), 4, values, &msg) != PG_OK) return NULL;
    msg->kind = PGI_NOTICE;
    return msg;
}

/* If the low mark is reached after an alarm that has been sent: from now on the next one may come.  Returns the message
 * that says so, for *to.  NULL: it is not, or memory is short, and the next one who comes by tries again. */
static pg_message *end_alarm(pgi_limits *l, pg_pid pid, pg_pid *to)
{
    uint64_t room = load_relaxed(&l->room);
    for (;;) {
        if ((room & (HIGH | TOLD)) != (HIGH | TOLD) || count_of(room) > load_relaxed(&l->low)) return NULL;
        *to = (pg_pid){load_relaxed(&l->alarm)};
        pg_message *msg = to->id != 0 ? build_alarm("low", pid, count_of(room)) : NULL;
        if (to->id != 0 && !msg) return NULL;
        if (cas_acq_rel(&l->room, &room, room & ~(HIGH | TOLD))) return msg; /* partner: take_room */
        pgi_message_free(pgi_cache_here(NULL), msg);
    }
}

/* The alarm of that process has been sent, or could not be. */
static void alarm_is_told(pg_pid pid, bool sent)
{
    pg_pid to;
    pg_message *msg = NULL;
    pgi_visit visit;
    pgi_visit_pid(&visit, pid);
    if (visit.rt) {
        pgi_look_begin(&visit);
        pg_process *p = pgi_slot_find(&visit.rt->slots, pid);
        pgi_limits *l = p ? pgi_limits_of(p) : NULL;
        if (l && sent) {
            or_acq_rel(&l->room, TOLD); /* partners: end_alarm, by whomever */
            msg = end_alarm(l, pid, &to);
        } else if (l) {
            and_acq_rel(&l->room, ~HIGH); /* the next one who sends tries again */
        }
        pgi_look_end(&visit);
    }
    pgi_leave(&visit);
    if (msg) pgi_send_as_visitor(to, msg);
}

PGS_COLD void pgi_limits_alarm(pg_pid pid, const pgi_pushed *pushed)
{
    pg_message *msg = build_alarm("high", pid, pushed->high);
    if (msg) pgi_send_as_visitor(pushed->alarm, msg);
    alarm_is_told(pid, msg != NULL);
}

/* --------------------------------------------------------------------------------------------------------- waiters */

/* Somebody who waits for room: in his frame, and in the list under the lock of the process. */
struct pgi_waiter {
    pgi_waiter *next, *prev;
    pgi_limits *limits; /* whose list it is; alive while he is in it, though the process be dying */
    pgi_sleeper *sleeper;
    pgs_sched *sched;
    pg_message *msg;
    int status;      /* once he is not listed any more */
    bool has_memory; /* his message is in the budget of the runtime, if that has one */
    bool listed;
};

static void enlist(pgi_limits *l, pgi_waiter *w)
{
    w->next = NULL;
    w->prev = l->last;
    if (l->last) {
        l->last->next = w;
    } else {
        l->first = w;
    }
    l->last = w;
    l->waiting++;
    w->limits = l;
    w->listed = true;
}

static void delist(pgi_limits *l, pgi_waiter *w)
{
    if (w->next) {
        w->next->prev = w->prev;
    } else {
        l->last = w->prev;
    }
    if (w->prev) {
        w->prev->next = w->next;
    } else {
        l->first = w->next;
    }
    l->waiting--;
    w->listed = false;
    if (!l->first) and_acq_rel(&l->room, ~WAITING); /* partner: take_room */
}

/* The last touch of the waiter is the exchange, or the lock that is opened after it: see watch() in wait.c. */
static void tell(pgi_waiter *w, int status)
{
    pgi_sleeper *sleeper = w->sleeper;
    pgs_sched *sched = w->sched;
    w->status = status;
    if (xchg_acq_rel(&sleeper->token, PGI_TOLD) == PGI_WAITING) pgs_ready(sched, &sleeper->task); /* as in wait.c */
}

/* Lets in who waits, in order, as far as there is room.  Under the lock. */
static void grant(pg_process *p, pgi_limits *l, pgi_pushed *out)
{
    uint64_t room;
    for (pgi_waiter *w; (w = l->first) != NULL;) {
        if (!take_room(l, w->msg->units, AS_WAITER, &room, out)) return;
        delist(l, w);
        w->msg->flags |= PGI_COUNTED;
        pgs_delay(PGS_AT_DELIVER);
        if (pgs_mpsc_push(&p->mailbox, &w->msg->node)) out->schedule = true;
        tell(w, PG_OK);
    }
}

/* What a grant or a push has left to do, for `p`, which is scheduled by nobody else, or is the caller. */
static void conclude(pg_runtime *rt, pg_process *p, pg_pid pid, const pgi_pushed *pushed)
{
    if (pushed->schedule) pgs_ready(rt->sched, &p->sleeper.task);
    if (unlikely(pushed->high != 0)) pgi_limits_alarm(pid, pushed);
}

static void tell_low(pg_process *p, pgi_limits *l)
{
    pg_pid to;
    pg_message *msg = end_alarm(l, pgi_pid_of(p), &to);
    if (msg) pgi_send_as_visitor(to, msg);
}

static __attribute__((noinline)) void look_around(pg_process *p, pgi_limits *l, uint64_t room)
{
    pgi_pushed pushed = {0};
    if (room & WAITING) {
        pgi_lock(p);
        grant(p, l, &pushed);
        pgi_unlock(p);
        conclude(p->rt, p, pgi_pid_of(p), &pushed);
    }
    if (room & HIGH) tell_low(p, l);
}

void pgi_limits_taken(pg_process *p, pg_message *msg)
{
    pgi_limits *l = pgi_limits_of(p);
    const uint64_t less = weight(msg->units);
    msg->flags &= (uint8_t)~PGI_COUNTED;
    if (unlikely(l->budget != NULL)) pgi_budget_remove(l->budget, msg);
    /* Release: this room is given with all that was done.  Acquire: whoever has set WAITING.  Partner: take_room,
     * wait_for_room. */
    uint64_t room = sub_acq_rel(&l->room, less) - less;
    if (unlikely(room & (WAITING | HIGH))) look_around(p, l, room);
}

enum { THERE_IS_ROOM = 1 }; /* no status */

/* Pushes the waiter's message, or enlists him.  THERE_IS_ROOM: it is pushed.  PG_OK: he is enlisted.  PG_ENOPROC;
 * PG_ENOMEM, PG_EFULL: he is not, since he has no memory, or would not wait.  Under the lock of `p`. */
static int push_or_enlist(pg_process *p, pg_pid pid, pgi_waiter *w, bool waits, pgi_pushed *out)
{
    uint64_t room;
    if (!pgi_slot_is(p, pid) || p->dying) return PG_ENOPROC;
    pgi_limits *l = pgi_limits_of(p); /* NULL: none, and it gives itself its first under this lock */
    if (l && !w->has_memory) {
        add_relaxed(&l->refused, 1);
        return PG_ENOMEM;
    }
    /* Who comes later does not come before those who wait. */
    while (l && !take_room(l, w->msg->units, AS_ANY, &room, out)) {
        if (!waits) {
            add_relaxed(&l->refused, 1);
            return PG_EFULL;
        }
        /* Partner: pgi_limits_taken. */
        if (!(room & WAITING) && !cas_acq_rel(&l->room, &room, room | WAITING)) continue;
        enlist(l, w);
        return PG_OK;
    }
    if (l) w->msg->flags |= PGI_COUNTED;
    if (pgs_mpsc_push(&p->mailbox, &w->msg->node)) out->schedule = true;
    return THERE_IS_ROOM;
}

/* He waits no longer, or has been told.  Returns what has become of it. */
static int leave_list(pg_runtime *rt, pg_process *p, pg_pid pid, pgi_waiter *w)
{
    pgi_pushed pushed = {0};
    pgi_lock(p); /* whoever lives there now: it is the lock that counts */
    bool listed = w->listed;
    if (listed) { /* then `p` is still the one; yet it may be dying, and then its limits are not found any more */
        pgi_limits *l = w->limits;
        delist(l, w);
        add_relaxed(&l->refused, 1);
        if (!p->dying) grant(p, l, &pushed); /* to those behind him, whose messages are smaller */
    }
    pgi_unlock(p);
    conclude(rt, p, pid, &pushed);
    return listed ? PG_ETIMEDOUT : w->status;
}

/* Sends to a process of `rt`, which is held.  The message is consumed. */
static int wait_for_room(pg_runtime *rt, pg_process *self, pg_pid pid, pg_message *msg, int64_t timeout)
{
    pg_process *p = pgi_slot_of(&rt->slots, pid);
    if (!p) return pgi_send(pid, msg);
    bool drives = self->sleeper.task.parker && rt->options.guest; /* as in wait_as_process() */
    pgs_sched *sched = drives ? rt->sched : self->rt->sched;
    bool counts = rt->options.memory != 0 && pgi_budget_add(rt, msg, false); /* already while it waits */
    pgi_waiter w = {
        .sleeper = &self->sleeper, .sched = sched, .msg = msg, .has_memory = counts || rt->options.memory == 0};
    pgi_pushed pushed = {0};
    store_relaxed(&self->sleeper.token, PGI_AWAKE);
    pgi_lock(p);
    int status = push_or_enlist(p, pid, &w, timeout > 0, &pushed);
    pgi_unlock(p);
    conclude(rt, p, pid, &pushed);
    if (status == THERE_IS_ROOM) return PG_OK;
    int error = 0;
    if (status == PG_OK) {
        pgs_wait wait = {pgi_sleeper_commit, pgi_sleeper_claim, pgs_deadline(timeout)};
        error = pgs_block(sched, &self->sleeper.task, &wait);
        status = leave_list(rt, p, pid, &w);
    }
    if (status == PG_OK) return PG_OK;
    if (status != PG_ENOPROC) pgi_count_refused(rt, pgi_local_here(rt), 1);
    if (counts) pgi_budget_remove(rt, msg);
    pgi_message_free(pgi_cache_here(NULL), msg);
    /* Who asks again and again would do so in vain, unless others have a turn: as in a receive. */
    if (status == PG_EFULL && !(drives && pgs_guest_turn(rt->sched))) pgi_looked(self);
    return status != PG_ETIMEDOUT ? status == PG_EFULL ? PG_ETIMEDOUT : status : error == -ENOMEM ? PG_ENOMEM : status;
}

static int may_wait(const pg_process *self, pg_pid pid)
{
    if (!self) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    if (load_relaxed(&((pg_process *)(uintptr_t)self)->rt->stopped)) return PG_ESTOPPED;
    return pg_same(pid, pgi_pid_of(self)) ? PG_EINSIDE : PG_OK;
}

int pg_send_wait_values(pg_process *self, pg_pid pid, int64_t timeout, size_t count, const pg_value *values)
{
    pg_message *msg;
    int status = may_wait(self, pid);
    if (status == PG_OK) pgi_end_if_killed(self);
    if (status == PG_OK) status = pgi_message_build(pgi_cache_here(NULL), count, values, &msg);
    if (status != PG_OK) return status;
    uint32_t node = pgi_pid_node(pid);
    bool at_home = self->rt->node == node && !self->attached;  /* then that is there for as long as it lives */
    pg_runtime *rt = at_home ? self->rt : pgi_hold_node(node); /* not the epoch, as in pg_wait() */
    status = rt ? wait_for_room(rt, self, pid, msg, timeout) : pgi_send(pid, msg);
    if (rt && !at_home) pgi_release_node(node);
    pgi_end_if_killed(self);
    pgs_worker *w = pgs_worker_self();
    return w ? pgi_pace_count(w, pgi_pace_of(w), pid, 1, status) : status;
}

/* ------------------------------------------------------------------------------------------------- their beginning */

static pgi_bounds bounds_of(const pg_mailbox *m, int64_t max_slice)
{
    return (pgi_bounds){.max_bytes = m->max_bytes,
                        .alarm = m->alarm.id,
                        .max_slice = max_slice,
                        .max_messages = m->max_messages,
                        .high = m->high,
                        .low = m->low,
                        .limited = 1};
}

pgi_bounds pgi_bounds_of(const pg_spawn_options *o)
{
    static const pg_mailbox none;
    if (!o || (!o->mailbox && o->max_slice == 0)) return (pgi_bounds){0};
    return bounds_of(o->mailbox ? o->mailbox : &none, o->max_slice);
}

int pgi_bounds_check(const pgi_bounds *b)
{
    bool too_much = b->max_messages >= COUNT_MAX || b->max_bytes / PGI_UNIT > UNITS_MAX;
    return too_much || b->max_slice < 0 || (b->low != 0 && b->low >= b->high) ? PG_EINVAL : PG_OK;
}

static void set(pgi_limits *l, const pgi_bounds *b)
{
    store_relaxed(&l->max_messages, b->max_messages != 0 ? b->max_messages : COUNT_MAX);
    store_relaxed(&l->max_units, b->max_bytes != 0 ? b->max_bytes / PGI_UNIT : UNITS_MAX);
    store_relaxed(&l->low, b->low != 0 ? b->low : b->high / 2);
    store_relaxed(&l->alarm, b->alarm);
    store_relaxed(&l->high, b->high);
}

int pgi_limits_make(pg_runtime *rt, const pgi_bounds *bounds, pgi_limits **out)
{
    int status = pgi_bounds_check(bounds);
    if (status != PG_OK) return status;
    pgi_limits *l = pgi_alloc_aligned(sizeof *l, _Alignof(pgi_limits));
    if (!l) return PG_ENOMEM;
    pgs_assert(pgi_pid_node((pg_pid){pgi_limits_id(l)}) == 0);
    l->budget = rt->options.memory != 0 ? rt : NULL;
    l->max_slice = bounds->max_slice;
    set(l, bounds);
    *out = l;
    return PG_OK;
}

void pgi_limits_free(pgi_limits *l)
{
    pgi_free_aligned(l, sizeof *l, _Alignof(pgi_limits));
}

/* What is there already may be more than the new high mark, and nobody comes in any more who would see it. */
static void look_at_high(pgi_limits *l, pgi_pushed *out)
{
    pg_pid alarm = {0};
    uint64_t room = load_relaxed(&l->room), after = room;
    while (reaches(l, &after, &alarm)) {
        if (cas_acq_rel(&l->room, &room, after)) { /* partner: end_alarm */
            note_alarm(l, after, alarm, out);
            return;
        }
        after = room;
    }
}

int pg_limit(pg_process *self, const pg_mailbox *mailbox)
{
    pgi_pushed pushed = {0};
    if (!self || !mailbox) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    if (load_relaxed(&self->rt->stopped)) return PG_ESTOPPED;
    const pgi_bounds bounds = bounds_of(mailbox, 0);
    int status = pgi_bounds_check(&bounds);
    if (status != PG_OK) return status;
    pgi_limits *l = pgi_limits_of(self);
    if (!l) {
        if (!pgi_extra_of(self, 0)) return PG_ENOMEM;
        status = pgi_limits_make(self->rt, &bounds, &l);
        if (status != PG_OK) return status;
        pgi_lock(self);
        self->extra->limits = l;
        store_release(&self->id, pgi_limits_id(l)); /* partner: pgi_limits_of */
        pgi_unlock(self);
        return PG_OK;
    }
    pgi_lock(self);
    set(l, &bounds);
    grant(self, l, &pushed);
    pgi_unlock(self);
    tell_low(self, l);
    look_at_high(l, &pushed);
    conclude(self->rt, self, pgi_pid_of(self), &pushed);
    return PG_OK;
}

/* ------------------------------------------------------------------------------------------------------------ time */

pgi_stretch pgi_limits_time(void)
{
    pgs_worker *w = pgs_worker_self();
    return (pgi_stretch){.begin = w ? pgs_now() : 0, .steps = w ? pgs_worker_steps(w) : 0, .worker = w};
}

static PGS_COLD void warn(pg_process *p, pgi_limits *l, int64_t now, int64_t took)
{
    char who[256];
    pgi_print out;
    if (l->warned != 0 && now - l->warned < warn_every) return;
    l->warned = now;
    pgi_print_init(&out, who, sizeof who);
    pgi_print_process(&out, p, pgi_pid_of(p));
    pgi_log(p->rt, PG_LOG_WARNING, "process %s has kept its worker for %lld us, of %lld that it may; %llu times so far",
            who, (long long)(took / 1000), (long long)(l->max_slice / 1000),
            (unsigned long long)load_relaxed(&l->slow));
}

void pgi_limits_timed(pg_process *p, const pgi_stretch *stretch)
{
    pgi_limits *l = pgi_limits_of(p);
    pgs_worker *w = pgs_worker_self();
    if (!w || w != stretch->worker || pgs_worker_steps(w) != stretch->steps) return; /* it has waited in between */
    int64_t now = pgs_now(), took = now - stretch->begin;
    if (likely(took <= l->max_slice)) return;
    add_relaxed(&l->slow, 1);
    warn(p, l, now, took);
}

static void timed_target(pg_process *p)
{
    pg_target target = pgi_limits_of(p)->target;
    const pgi_stretch stretch = pgi_limits_time();
    target(p);
    pgi_limits_timed(p, &stretch);
}

void pgi_limits_begin(pg_process *p, pgi_limits *l)
{
    if (l->max_slice == 0 || !p->target) return;
    l->target = p->target;
    p->target = timed_target;
}

/* --------------------------------------------------------------------------------------------------------- the end */

/* Under the lock. */
static unsigned tell_all(pgi_limits *l)
{
    unsigned n = 0;
    for (pgi_waiter *w; (w = l->first) != NULL; n++) {
        delist(l, w);
        tell(w, PG_ENOPROC);
    }
    return n;
}

void pgi_limits_close(pg_process *p, pgi_limits *l)
{
    pgi_lock(p);
    tell_all(l);
    pgi_unlock(p);
}

unsigned pgi_limits_dismiss(pg_process *p)
{
    pgi_lock(p);
    pgi_limits *l = p->dying ? NULL : pgi_limits_of(p);
    unsigned n = l ? tell_all(l) : 0;
    pgi_unlock(p);
    return n;
}

void pgi_limits_retire(pg_process *p, pgi_limits *l)
{
    l->retired.kind = PGI_RETIRED;
    l->retired.flags = PGI_EMBEDDED;
    (void)pgs_mpsc_push(&p->mailbox, &l->retired.node); /* its idle bit is clear: it does not run any more */
}

/* -------------------------------------------------------------------------------------------------------- counters */

static void read_counters(pg_process *p, pgi_limits *l, pg_mailbox_stats *stats)
{
    uint64_t room = load_relaxed(&l->room);
    pgi_lock(p);
    *stats = (pg_mailbox_stats){.messages = count_of(room),
                                .bytes = units_of(room) * PGI_UNIT,
                                .refused = load_relaxed(&l->refused),
                                .alarms = load_relaxed(&l->alarms),
                                .slow = load_relaxed(&l->slow),
                                .waiting = l->waiting};
    pgi_unlock(p);
}

int pg_get_mailbox_stats(pg_pid pid, pg_mailbox_stats *stats)
{
    if (!stats) return PG_EINVAL;
    pgi_visit visit;
    pgi_visit_pid(&visit, pid);
    int status = visit.rt || pgi_pid_node(pid) == 0 ? PG_ENOPROC : PG_EUNSUPPORTED;
    if (visit.rt) {
        pgi_look_begin(&visit);
        pg_process *p = pgi_slot_find(&visit.rt->slots, pid);
        pgi_limits *l = p ? pgi_limits_of(p) : NULL;
        if (p) status = l ? PG_OK : PG_EINVAL;
        if (l) read_counters(p, l, stats);
        pgi_look_end(&visit);
    }
    pgi_leave(&visit);
    return status;
}
