/* supervisor.c - a supervisor: a process that starts others, and starts them again.
 *
 * It is a client of the rest: its children are linked with it, and their ends come as messages, which take their turn.
 * What takes time, the start of a child that says when it has started, and each stop, is waited for where it is called
 * for, in the middle of a handler, as Erlang's supervisors do; what arrives meanwhile is handled afterwards.  But a
 * terminate is met in those receives (not in the call by which a start is waited for, which has its time): then
 * on_terminate() runs upon the stack of what was going on, stops all children, and nobody comes back there.  So,
 * wherever something is received, a child's fields say what it is:
 *
 *   STOPPED --launch--> RUNNING --its end, stop--> STOPPED       (pid: null but while RUNNING)
 *                          `--its end, fail--> WAITING --its alarm: on_alarm, launch--> RUNNING
 *
 * An alarm is a message with a ref, sent after the delay; what takes it back forgets the ref, so that one which has
 * been sent already means nothing.  With PG_ONE_FOR_ONE each child has an alarm of its own; else there is one, the
 * supervisor's, for all who are WAITING.
 *
 * Invariants:
 *   1. The order of `children` is the order of start, for all of their life; stops go backwards.
 *   2. Who is WAITING has an alarm that is set, or on_alarm() is about to start him.
 *   3. A kept message is in one of: `kept`, a child, `held`, `serving`; whoever frees the structure frees it.
 *
 * Rejected: stopping as states, between which other messages are handled: start, stop and restart of others could then
 * come in between, and each pair of them would need a rule.  Recursion from a start that fails into the next: a restart
 * without delay is a message, too. */
#include "supervisor.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>

#include "runtime.h"

/* After a kill; pg_stop() has the same patience. */
static const int64_t kill_patience = PG_MS(500);

typedef struct alarm {
    pg_ref ref; /* {0}: it is not set */
    pg_timer timer;
} alarm;

typedef struct child {
    pg_child spec;          /* what it points to lies in the message, but for */
    pg_mailbox mailbox;     /* its limits, if it has some */
    const pg_message *kept; /* NULL: it is the supervisor's */
    pg_pid pid;
    pg_child_state state;
    alarm alarm;
    unsigned failures; /* one after the other */
    int64_t started;   /* when */
    int64_t patience;  /* until when its end is waited for; 0: it has not been told to end */
    uint64_t restarts;
} child;

typedef struct supervisor {
    pg_process *self;
    pg_supervisor_options o;
    const pg_message *kept; /* with the children that it began with */
    child **children;
    size_t count, room;
    alarm alarm;
    int64_t *failed; /* when, within the period; the oldest first */
    size_t failed_count, failed_room;
    pg_pid *left; /* behind, and still running */
    size_t left_count;
    const pg_message **held; /* requests, until all who are WAITING have been started */
    size_t held_count;
    const pg_message *serving;
    int64_t start_by; /* of the children that it begins with: when whoever waits for them waits no longer */
    pg_ref starter;   /* the monitor of who waits for its start, and is not linked yet */
    uint64_t unknown; /* messages */
    uint64_t random;  /* of the jitter; begun with the time, which in a simulation is the seed's */
} supervisor;

static const pg_pid nobody = {0};

static supervisor *of(pg_process *self)
{
    return pg_data(self);
}

static PG_FORMAT(2, 3) void say(const supervisor *s, const char *format, ...)
{
    char text[PGI_WHY_MAX + 400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pgi_log(s->self->rt, PG_LOG_WARNING, "supervisor \"%s\": %s", pg_name(s->self), text);
}

/* Room for one more of `size` bytes, by doubling.  False: no memory. */
static bool grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room) return true;
    size_t more = *room ? 2 * *room : 8;
    void **at = array, *larger = realloc(*at, more * size);
    if (!larger) return false;
    *at = larger;
    *room = more;
    return true;
}

/* ----------------------------------------------------------------------------------------------------------- alarms */

static alarm *alarm_of(supervisor *s, child *c)
{
    return s->o.strategy == PG_ONE_FOR_ONE ? &c->alarm : &s->alarm;
}

static void clear_alarm(alarm *a)
{
    if (a->ref.id == 0) return;
    pg_cancel_timer(a->timer);
    a->ref = (pg_ref){0};
}

/* A child waits for it; it fails the supervisor where even a message cannot be had. */
static void set_alarm(supervisor *s, alarm *a, int64_t delay)
{
    pg_pid own = pg_self(s->self);
    clear_alarm(a);
    a->ref = pg_make_ref();
    a->timer = (pg_timer){0};
    if (delay <= 0 && pg_send(own, PGI_SUPERVISOR, "alarm", a->ref) == PG_OK) return;
    /* Its own timer also comes where its mailbox is at its limit. */
    a->timer = pg_send_after(s->self, own, delay, PGI_SUPERVISOR, "alarm", a->ref);
    if (pg_timer_status(a->timer) == PG_OK) return;
    if (pg_send(own, PGI_SUPERVISOR, "alarm", a->ref) != PG_OK) pg_fail(s->self, "no memory");
}

/* ------------------------------------------------------------------------------------------------------------ stops */

/* How long its end may take from now on. */
static int64_t rest_of(const child *c)
{
    int64_t now = pg_now();
    return c->patience == PG_FOREVER ? PG_FOREVER : c->patience > now ? c->patience - now : 0;
}

/* The end of a child.  True: *why is what it was. */
static bool hear_end(supervisor *s, pg_pid pid, int64_t timeout, pg_exit_info *why)
{
    const pg_message *msg;
    if (pg_recv_match(s->self, &msg, timeout, PG_EXIT, pid) != PG_OK) return false;
    if (why) pg_get_exit(NULL, msg, 0, why);
    return true;
}

static bool end_by_force(supervisor *s, const child *c)
{
    int64_t until = pg_now() + kill_patience;
    for (int64_t interval = PG_MS(1); pg_now() < until; interval = interval < PG_MS(50) ? 2 * interval : interval) {
        pg_kill(c->pid); /* again: it may have been on its way to where it waits */
        if (hear_end(s, c->pid, interval, NULL)) return true;
    }
    return false;
}

static void leave_behind(supervisor *s, child *c)
{
    say(s, "child \"%s\" did not end in time: its code has not returned, and it is left behind", c->spec.id);
    pg_unlink(s->self, c->pid);
    pg_runtime *rt = pg_runtime_of(s->self);
    if (c->spec.registered && pg_same(pg_whereis(rt, c->spec.registered), c->pid))
        pg_unregister(rt, c->spec.registered);
    pg_pid *left = realloc(s->left, (s->left_count + 1) * sizeof *left);
    if (!left) return;
    s->left = left;
    s->left[s->left_count++] = c->pid;
}

/* Its end is no failure, and nothing comes of it any more when this returns. */
static void stop(supervisor *s, child *c)
{
    clear_alarm(&c->alarm);
    if (c->pid.id != 0) {
        int64_t time = c->spec.shutdown;
        if (c->patience == 0) {
            int64_t now = pg_now();
            c->patience = time < 0 ? now : time > PG_FOREVER - now ? PG_FOREVER : now + time;
            if (time >= 0) pgi_tell_to_end(s->self, c->pid, rest_of(c));
        }
        bool ended = hear_end(s, c->pid, rest_of(c), NULL) || end_by_force(s, c);
        if (!ended) leave_behind(s, c);
    }
    c->pid = (pg_pid){0};
    c->state = PG_CHILD_STOPPED;
}

static void stop_all(supervisor *s)
{
    clear_alarm(&s->alarm);
    for (size_t i = s->count; i-- > 0;) stop(s, s->children[i]);
}

/* ----------------------------------------------------------------------------------------------------------- starts */

/* Of one that says when it has started.  What it says, or why it does not. */
static int hear_start(supervisor *s, child *c, char why[PGI_WHY_MAX])
{
    const pg_message *reply;
    pg_exit_info exit;
    int64_t left = s->start_by - pg_now(), timeout = c->spec.start_timeout;
    if (left < timeout) timeout = left > 0 ? left : 0;
    int status = pg_call(s->self, c->pid, &reply, timeout, PGI_STARTED);
    if (status == PG_OK) return PG_OK;
    snprintf(why, PGI_WHY_MAX, "%s",
             status == PG_ETIMEDOUT ? "it does not say that it has started in time" : pg_strerror(status));
    if (status != PG_ENOPROC || !hear_end(s, c->pid, PG_SECONDS(5), &exit)) return status;
    c->pid = (pg_pid){0};
    snprintf(why, PGI_WHY_MAX, "%s", exit.text[0] ? exit.text : "it ended before it said that it had started");
    return status;
}

/* The name that one before has had may still be there for a moment, where that ended elsewhere. */
static int give_name(const supervisor *s, const child *c)
{
    const char *name = c->spec.registered;
    pg_runtime *rt = pg_runtime_of(s->self);
    if (!name) return PG_OK;
    int status = pg_register(rt, name, c->pid);
    if (status == PG_ETAKEN && !pg_is_alive(pg_whereis(rt, name))) {
        pg_unregister(rt, name);
        status = pg_register(rt, name, c->pid);
    }
    return status == PG_ENOPROC ? PG_OK : status; /* its end is told, too */
}

/* PG_OK: it runs, or did, and its end is in the mailbox.  Else why[] says why it could not be started. */
static int launch(supervisor *s, child *c, char why[PGI_WHY_MAX])
{
    pg_pid pid = pg_spawn_link_with(s->self, c->spec.target, &c->spec.spawn);
    int status = pg_pid_status(pid);
    if (status != PG_OK) {
        snprintf(why, PGI_WHY_MAX, "%s", pg_strerror(status));
        c->state = PG_CHILD_STOPPED;
        return status;
    }
    c->pid = pid;
    c->state = PG_CHILD_RUNNING;
    c->started = pg_now();
    c->patience = 0;
    status = give_name(s, c);
    if (status != PG_OK) snprintf(why, PGI_WHY_MAX, "\"%s\": %s", c->spec.registered, pg_strerror(status));
    if (status == PG_OK && c->spec.start_timeout != 0) status = hear_start(s, c, why);
    if (status != PG_OK) stop(s, c);
    return status;
}

/* --------------------------------------------------------------------------------------------------- its children */

static child *child_of_id(const supervisor *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->children[i]->spec.id, id) == 0) return s->children[i];
    }
    return NULL;
}

static child *child_of_pid(const supervisor *s, pg_pid pid)
{
    for (size_t i = 0; i < s->count; i++) {
        if (pg_same(s->children[i]->pid, pid)) return s->children[i];
    }
    return NULL;
}

static size_t place_of(const supervisor *s, const child *c)
{
    size_t i = 0;
    while (s->children[i] != c) i++;
    return i;
}

static void free_child(child *c)
{
    pg_release(c->kept);
    free(c);
}

/* It is stopped. */
static void forget(supervisor *s, child *c)
{
    size_t at = place_of(s, c);
    memmove(&s->children[at], &s->children[at + 1], (s->count - at - 1) * sizeof *s->children);
    s->count--;
    free_child(c);
}

static void complete(pg_child *c)
{
    if (c->supervisor && c->start_timeout == 0) c->start_timeout = PG_FOREVER;
    if (c->shutdown == 0) c->shutdown = c->supervisor ? PG_FOREVER : PG_SECONDS(5);
}

/* A child from its value, the last in order.  NULL: no memory. */
static child *add(supervisor *s, const pg_term *term)
{
    child *c = calloc(1, sizeof *c);
    if (!c || !grow(&s->children, s->count, &s->room, sizeof *s->children)) {
        free(c);
        return NULL;
    }
    const pg_term *args = pg_term_at(NULL, term, 4), *mailbox = pg_term_at(NULL, term, 5);
    memcpy(&c->spec, pg_term_bytes(NULL, pg_term_at(NULL, term, 0), NULL), sizeof c->spec);
    c->spec.id = pg_term_str(NULL, pg_term_at(NULL, term, 1), NULL);
    c->spec.registered = pg_term_str(NULL, pg_term_at(NULL, term, 2), NULL);
    c->spec.spawn.name = pg_term_str(NULL, pg_term_at(NULL, term, 3), NULL);
    c->spec.spawn.args = pg_term_type(args) == PG_T_NIL ? (pg_value){0} : pg_v_term(args);
    if (!c->spec.spawn.name) c->spec.spawn.name = c->spec.id;
    if (pg_term_type(mailbox) != PG_T_NIL) {
        memcpy(&c->mailbox, pg_term_bytes(NULL, mailbox, NULL), sizeof c->mailbox);
        c->spec.spawn.mailbox = &c->mailbox;
    }
    complete(&c->spec);
    c->state = PG_CHILD_STOPPED;
    s->children[s->count++] = c;
    return c;
}

/* ------------------------------------------------------------------------------------------------------- failures */

/* How long its restart is put off, and one failure more; it has lived for so long. */
static int64_t put_off(supervisor *s, child *c, int64_t lived)
{
    int64_t delay = s->o.backoff_min;
    if (lived >= s->o.backoff_reset) c->failures = 0;
    for (unsigned i = 0; i < c->failures && delay > 0 && delay < s->o.backoff_max; i++)
        delay = delay > s->o.backoff_max / 2 ? s->o.backoff_max : 2 * delay;
    if (c->failures < UINT32_MAX) c->failures++;
    if (delay <= 0) return 0;
    uint64_t part = (uint64_t)(delay / 100) * (uint64_t)s->o.jitter;
    return delay - (int64_t)(pgs_random(&s->random) % (part + 1));
}

/* Whether there may be one more restart, which is counted. */
static bool may_restart(supervisor *s)
{
    int64_t now = pg_now();
    size_t old = 0;
    if (s->o.intensity == INT_MAX) return true;
    while (old < s->failed_count && now - s->failed[old] > s->o.period) old++;
    s->failed_count -= old;
    if (old > 0) memmove(s->failed, s->failed + old, s->failed_count * sizeof *s->failed);
    if ((int64_t)s->failed_count >= s->o.intensity) return false;
    if (!grow(&s->failed, s->failed_count, &s->failed_room, sizeof *s->failed)) pg_fail(s->self, "no memory");
    s->failed[s->failed_count++] = now;
    return true;
}

static PG_NORETURN void give_up(supervisor *s, const child *c, const char *why)
{
    char text[PGI_WHY_MAX];
    int most = s->o.intensity < 0 ? 0 : s->o.intensity;
    snprintf(text, sizeof text, "child \"%s\" failed where %d restarts in %.3f s are allowed and used up: %.350s",
             c->spec.id, most, (double)s->o.period / 1e9, why);
    stop_all(s);
    pg_fail(s->self, "%s", text);
}

/* pg_stop() tells all to end, in no order: a child that does so first has not failed. */
static PG_NORETURN void end_in_order(supervisor *s)
{
    stop_all(s);
    pg_exit(s->self);
}

/* Those who have to be started again with a child, which has ended, are stopped, and wait with it. */
static void stop_with(supervisor *s, child *c)
{
    size_t first = s->o.strategy == PG_ONE_FOR_ALL ? 0 : place_of(s, c) + 1;
    if (s->o.strategy == PG_ONE_FOR_ONE) return;
    for (size_t i = s->count; i-- > first;) {
        child *other = s->children[i];
        if (other == c || other->state == PG_CHILD_STOPPED) continue;
        stop(s, other);
        if (other->spec.restart == PG_TEMPORARY) {
            forget(s, other);
        } else {
            other->state = PG_CHILD_WAITING;
        }
    }
}

/* A child that has to be started again has ended, or could not be started, and has not lived at all. */
static void fail(supervisor *s, child *c, int64_t lived, const char *why)
{
    c->pid = (pg_pid){0};
    c->state = PG_CHILD_WAITING;
    if (load_relaxed(&s->self->rt->stopping)) end_in_order(s);
    if (!may_restart(s)) give_up(s, c, why);
    int64_t delay = put_off(s, c, lived), since = pg_now();
    say(s, "child \"%s\" %s; it is started again in %.3f ms", c->spec.id, why, (double)delay / 1e6);
    stop_with(s, c);
    set_alarm(s, alarm_of(s, c), delay - (pg_now() - since));
}

static void describe(const pg_exit_info *info, char why[PGI_WHY_MAX])
{
    const char *kind = info->kind == PG_EXIT_NORMAL ? "has ended normally" : "has failed";
    snprintf(why, PGI_WHY_MAX, "%s%s%.480s", kind, info->text[0] ? ": " : "", info->text);
}

static void child_ended(supervisor *s, child *c, const pg_exit_info *info)
{
    char why[PGI_WHY_MAX];
    bool abnormal = info->kind != PG_EXIT_NORMAL;
    describe(info, why);
    if (c->spec.restart == PG_PERMANENT || (c->spec.restart == PG_TRANSIENT && abnormal)) {
        fail(s, c, pg_now() - c->started, why);
        return;
    }
    if (abnormal) say(s, "child \"%s\" %s; it is not started again", c->spec.id, why);
    c->pid = (pg_pid){0};
    c->state = PG_CHILD_STOPPED;
    if (c->spec.restart == PG_TEMPORARY) forget(s, c);
}

/* A child that was to be started again could not be: a failure as another. */
static void restart_failed(supervisor *s, child *c, const char *why)
{
    char text[PGI_WHY_MAX];
    snprintf(text, sizeof text, "could not be started again: %.450s", why);
    fail(s, c, 0, text);
}

/* All who wait, in order, or one: until one fails, who then waits again, with those behind it. */
static void start_waiting(supervisor *s, child *only)
{
    char why[PGI_WHY_MAX];
    for (size_t i = 0; i < s->count; i++) {
        child *c = s->children[i];
        if (c->state != PG_CHILD_WAITING || (only && c != only)) continue;
        c->restarts++;
        if (launch(s, c, why) == PG_OK) continue;
        restart_failed(s, c, why);
        return;
    }
}

/* ------------------------------------------------------------------------------------------------------- requests */

static void serve(supervisor *s, const pg_message *request);

/* Whether some are WAITING whom others have to wait for. */
static bool is_in_between(const supervisor *s)
{
    return s->o.strategy != PG_ONE_FOR_ONE && s->alarm.ref.id != 0;
}

static void serve_held(supervisor *s)
{
    while (s->held_count > 0 && !is_in_between(s)) {
        const pg_message *request = s->held[0];
        memmove(s->held, s->held + 1, --s->held_count * sizeof *s->held);
        serve(s, request);
    }
}

static void start_one_more(supervisor *s, const pg_message *request)
{
    char why[PGI_WHY_MAX];
    const pg_term *term = pg_get(NULL, request, 3);
    const char *id = pg_term_str(NULL, pg_term_at(NULL, term, 1), NULL);
    child *c = child_of_id(s, id) ? NULL : add(s, term);
    int status = c ? PG_OK : child_of_id(s, id) ? PG_ETAKEN : PG_ENOMEM;
    if (c) {
        c->kept = request;
        s->serving = NULL;
        status = launch(s, c, why);
    }
    pgi_answer(s->self, request, status, c ? c->pid : nobody);
    if (!c || status == PG_OK) return;
    say(s, "child \"%s\" could not be started: %s", c->spec.id, why);
    forget(s, c);
}

/* It alone, and now. */
static void start_anew(supervisor *s, child *c, const pg_message *request)
{
    char why[PGI_WHY_MAX];
    stop(s, c);
    c->failures = 0;
    c->restarts++;
    int status = launch(s, c, why);
    pgi_answer(s->self, request, status, c->pid);
    if (status == PG_OK) return;
    say(s, "child \"%s\" could not be started: %s", c->spec.id, why);
    if (c->spec.restart == PG_TEMPORARY) forget(s, c);
}

static void list_children(const supervisor *s, const pg_message *request)
{
    enum { PARTS = 4 };
    pg_value *values = malloc((s->count * (1 + PARTS) + 1) * sizeof *values);
    for (size_t i = 0; values && i < s->count; i++) {
        const child *c = s->children[i];
        pg_value *parts = values + s->count + i * PARTS;
        parts[0] = pg_v_str(c->spec.id);
        parts[1] = pg_v_pid(c->pid);
        parts[2] = pg_v_int(c->state);
        parts[3] = pg_v_uint(c->restarts);
        values[i] = pg_tuple_of(PARTS, parts);
    }
    int sent = values ? pg_reply(request, pg_list_of(s->count, values)) : PG_ENOMEM;
    if (sent == PG_ENOMEM) pgi_answer(s->self, request, PG_ENOMEM, nobody);
    free(values);
}

static void serve_for_child(supervisor *s, const char *what, child *c, const pg_message *request)
{
    if (strcmp(what, "restart") == 0) {
        start_anew(s, c, request);
        return;
    }
    stop(s, c);
    if (strcmp(what, "remove") == 0 || c->spec.restart == PG_TEMPORARY) forget(s, c);
    pgi_answer(s->self, request, PG_OK, nobody);
}

static void serve(supervisor *s, const pg_message *request)
{
    const char *what = pg_get_str(NULL, request, 1);
    const char *id = pg_get_str(NULL, request, 2); /* NULL: of a start */
    s->serving = request;
    child *c = id ? child_of_id(s, id) : NULL;
    if (strcmp(what, "start") == 0) {
        start_one_more(s, request);
    } else if (strcmp(what, "children") == 0) {
        list_children(s, request);
    } else if (c) {
        serve_for_child(s, what, c, request);
    } else {
        pgi_answer(s->self, request, PG_EINVAL, nobody);
    }
    if (s->serving) pg_release(s->serving);
    s->serving = NULL;
}

/* ------------------------------------------------------------------------------------------------------- handlers */

static bool is_start(const pg_message *request)
{
    return pg_matches(pg_get(NULL, request, 1), "start") || pg_matches(pg_get(NULL, request, 1), "restart");
}

static void on_request(pg_process *self, const pg_message *msg)
{
    supervisor *s = of(self);
    const pg_message *kept = pg_keep(self, msg);
    if (!kept) {
        pgi_answer(self, msg, PG_ENOMEM, nobody);
        return;
    }
    if (!is_start(kept) || !is_in_between(s)) {
        serve(s, kept);
        return;
    }
    const pg_message **held = realloc(s->held, (s->held_count + 1) * sizeof *held);
    if (held) {
        s->held = held;
        s->held[s->held_count++] = kept;
    } else {
        pgi_answer(self, kept, PG_ENOMEM, nobody);
        pg_release(kept);
    }
}

static void on_alarm(pg_process *self, const pg_message *msg)
{
    supervisor *s = of(self);
    pg_ref ref = pg_get_ref(NULL, msg, 2);
    child *only = NULL;
    alarm *a = s->alarm.ref.id == ref.id ? &s->alarm : NULL;
    for (size_t i = 0; i < s->count && !a; i++) {
        if (s->children[i]->alarm.ref.id != ref.id) continue;
        only = s->children[i];
        a = &only->alarm;
    }
    if (!a) return; /* it was taken back */
    a->ref = (pg_ref){0};
    start_waiting(s, only);
    serve_held(s);
}

/* Of those left behind. */
static bool is_left(supervisor *s, pg_pid pid)
{
    for (size_t i = 0; i < s->left_count; i++) {
        if (!pg_same(s->left[i], pid)) continue;
        s->left[i] = s->left[--s->left_count];
        return true;
    }
    return false;
}

static PG_NORETURN void end_with(supervisor *s, const pg_exit_info *other)
{
    stop_all(s);
    if (other->kind == PG_EXIT_NORMAL) pg_exit(s->self);
    pg_fail(s->self, "a process that it was linked to has ended: %s", other->text);
}

static void on_exit_of(pg_process *self, const pg_message *msg)
{
    supervisor *s = of(self);
    pg_exit_info info;
    pg_pid pid = pg_get_pid(NULL, msg, 1);
    pg_get_exit(NULL, msg, 0, &info);
    child *c = child_of_pid(s, pid);
    if (c) {
        child_ended(s, c, &info);
    } else if (!is_left(s, pid)) {
        end_with(s, &info);
    }
}

/* Of who has called pg_supervise(), and was not linked yet. */
static void on_down(pg_process *self, const pg_message *msg)
{
    supervisor *s = of(self);
    pg_exit_info info;
    pg_get_exit(NULL, msg, 3, &info);
    if (pg_get_ref(NULL, msg, 1).id == s->starter.id) end_with(s, &info);
}

static void on_linked(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_demonitor(self, of(self)->starter);
}

static void on_terminate(pg_process *self, const pg_message *msg)
{
    (void)msg; /* it ends afterwards, as that says */
    stop_all(of(self));
}

static void on_started(pg_process *self, const pg_message *msg)
{
    pgi_answer(self, msg, PG_OK, nobody);
}

/* The first, the second, the fourth, and so on: a log is no place to be flooded. */
static void on_unknown(pg_process *self, const pg_message *msg)
{
    supervisor *s = of(self);
    char text[200];
    s->unknown++;
    if ((s->unknown & (s->unknown - 1)) != 0) return;
    pg_format_message(text, sizeof text, msg);
    say(s, "a message that it does not know is dropped, number %" PRIu64 ": %s", s->unknown, text);
}

/* ------------------------------------------------------------------------------------------------------ beginning */

static void free_supervisor(void *argument)
{
    supervisor *s = argument;
    for (size_t i = 0; i < s->count; i++) free_child(s->children[i]);
    for (size_t i = 0; i < s->held_count; i++) pg_release(s->held[i]);
    pg_release(s->serving);
    pg_release(s->kept);
    free(s->children);
    free(s->failed);
    free(s->left);
    free(s->held);
    free(s);
}

static void complete_options(pg_supervisor_options *o)
{
    if (o->intensity == 0) o->intensity = 10;
    if (o->period == 0) o->period = PG_SECONDS(60);
    if (o->backoff_min == 0)
        o->backoff_min = o->backoff_max > 0 && o->backoff_max < PG_MS(20) ? o->backoff_max : PG_MS(20);
    if (o->backoff_max == 0) o->backoff_max = o->backoff_min > PG_SECONDS(5) ? o->backoff_min : PG_SECONDS(5);
    if (o->backoff_reset == 0) o->backoff_reset = o->backoff_max;
    o->jitter = o->jitter == 0 ? 50 : o->jitter < 0 ? 0 : o->jitter;
    o->name = o->registered = NULL; /* they are the caller's */
    o->why = NULL;
}

static int receive_all(pg_process *self)
{
    int status = pg_receive(self, on_terminate, PG_EXIT);
    if (status == PG_OK) status = pg_receive(self, on_exit_of, PG_EXIT, PG_PID);
    if (status == PG_OK) status = pg_receive(self, on_started, PGI_STARTED);
    if (status == PG_OK) status = pg_receive(self, on_down, "down", PG_REF, PG_PID, PG_EXIT);
    if (status == PG_OK) status = pg_receive(self, on_linked, PGI_SUPERVISOR, "linked");
    if (status == PG_OK) status = pg_receive(self, on_alarm, PGI_SUPERVISOR, "alarm", PG_REF);
    if (status == PG_OK) status = pg_receive(self, on_request, PGI_SUPERVISOR, "start", PG_PTR, PG_TUPLE);
    static const char *const requests[] = {"stop", "remove", "restart", "children"};
    for (size_t i = 0; i < sizeof requests / sizeof *requests && status == PG_OK; i++)
        status = pg_receive(self, on_request, PGI_SUPERVISOR, requests[i], PG_STR);
    return status == PG_OK ? pg_receive(self, on_unknown, PG_ETC) : status;
}

static int start_all(supervisor *s, const pgi_supervisor_start *start, char why[PGI_WHY_MAX])
{
    char text[PGI_WHY_MAX];
    size_t count = pg_term_count(NULL, start->children);
    int status = receive_all(s->self);
    if (status == PG_OK && start->starter.id != 0) status = pg_monitor(s->self, start->starter, &s->starter);
    for (size_t i = 0; i < count && status == PG_OK; i++) {
        if (!add(s, pg_term_at(NULL, start->children, i))) status = PG_ENOMEM;
    }
    if (status == PG_OK && start->registered) {
        status = pg_register(pg_runtime_of(s->self), start->registered, pg_self(s->self));
        if (status != PG_OK) snprintf(why, PGI_WHY_MAX, "\"%s\": %s", start->registered, pg_strerror(status));
    } else if (status != PG_OK) {
        snprintf(why, PGI_WHY_MAX, "%s", pg_strerror(status));
    }
    for (size_t i = 0; i < s->count && status == PG_OK; i++) {
        status = launch(s, s->children[i], text);
        if (status != PG_OK)
            snprintf(why, PGI_WHY_MAX, "child \"%s\" could not be started: %.400s", s->children[i]->spec.id, text);
    }
    if (status != PG_OK) stop_all(s);
    return status;
}

int pgi_supervisor_begin(pg_process *self, const pgi_supervisor_start *start, char why[PGI_WHY_MAX])
{
    supervisor *s = calloc(1, sizeof *s);
    if (!s || pg_defer(self, free_supervisor, s) != PG_OK) {
        snprintf(why, PGI_WHY_MAX, "%s", pg_strerror(PG_ENOMEM));
        pg_release(start->kept);
        free(s);
        return PG_ENOMEM;
    }
    s->self = self;
    s->o = *start->options;
    s->kept = start->kept;
    s->random = (uint64_t)pg_now();
    complete_options(&s->o);
    pg_set_data(self, s);
    int64_t timeout = start->starter.id != 0 ? s->o.start_timeout : 0;
    s->start_by = pgs_deadline(timeout > 0 ? timeout : PG_FOREVER);
    int status = start_all(s, start, why);
    s->start_by = PG_FOREVER;
    return status;
}
