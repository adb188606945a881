/* supervise.c - what others ask of a supervisor, and how one begins.  It and supervisor.c are clients: processes,
 * messages, links, calls and timers as paragram.h has them, but for the line in the log, and the pid that says why
 * there is none. */
#include <stdlib.h>

#include "pid.h"
#include "process.h"
#include "supervisor.h"

/* ---------------------------------------------------------------------------------------------- what is well-formed */

static bool text_fits(const char *text, size_t most)
{
    size_t length = text ? strnlen(text, most + 1) : 0;
    return length >= 1 && length <= most;
}

static bool args_fit(pg_value args)
{
    unsigned type = args.head & 0xff;
    return (args.head | args.body) == 0 || type == PG_T_TUPLE ||
           (type == PG_T_TERM && pg_term_type((const pg_term *)(uintptr_t)args.body) == PG_T_TUPLE);
}

static bool child_fits(const pg_child *c)
{
    if (!c || !text_fits(c->id, PG_CHILD_ID_MAX) || (c->registered && !text_fits(c->registered, 255))) return false;
    if (!c->target && !c->spawn.table) return false;
    if ((unsigned)c->restart > PG_TEMPORARY || (unsigned)c->spawn.kind > PG_OS) return false;
    return args_fit(c->spawn.args) && c->start_timeout >= 0;
}

static bool options_fit(const pg_supervisor_options *o)
{
    if ((unsigned)o->strategy > PG_REST_FOR_ONE || (unsigned)o->kind > PG_OS || o->jitter > 100) return false;
    if (o->registered && !text_fits(o->registered, 255)) return false;
    if (o->period < 0 || o->backoff_max < 0 || o->backoff_reset < 0 || o->start_timeout < 0) return false;
    return o->backoff_max == 0 || o->backoff_min <= o->backoff_max;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_children(size_t count, const pg_child *children)
{
    if (count == 0) return PG_OK;
    if (!children) return PG_EINVAL;
    const char **ids = calloc(count, sizeof *ids);
    if (!ids) return PG_ENOMEM;
    int status = PG_OK;
    for (size_t i = 0; i < count && status == PG_OK; i++) {
        if (!child_fits(&children[i])) status = PG_EINVAL;
        ids[i] = children[i].id;
    }
    if (status == PG_OK) qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 1; i < count && status == PG_OK; i++) {
        if (strcmp(ids[i - 1], ids[i]) == 0) status = PG_EINVAL;
    }
    free(ids);
    return status;
}

/* ----------------------------------------------------------------------------------------------- how they travel */

static pg_value child_value(const pg_child *c, pg_value parts[PGI_CHILD_PARTS])
{
    parts[0] = pg_bytes(c, sizeof *c);
    parts[1] = pg_v_str(c->id);
    parts[2] = pg_v_str(c->registered);
    parts[3] = pg_v_str(c->spawn.name);
    parts[4] = c->spawn.args;
    parts[5] = c->spawn.mailbox ? pg_bytes(c->spawn.mailbox, sizeof *c->spawn.mailbox) : pg_v_nil();
    return pg_tuple_of(PGI_CHILD_PARTS, parts);
}

/* A list of children, in memory to be freed; NULL: there is none. */
static pg_value *children_value(size_t count, const pg_child *children, pg_value *list)
{
    pg_value *memory = malloc((count * (1 + PGI_CHILD_PARTS) + 1) * sizeof *memory);
    if (!memory) return NULL;
    for (size_t i = 0; i < count; i++) memory[i] = child_value(&children[i], memory + count + i * PGI_CHILD_PARTS);
    *list = pg_list_of(count, memory);
    return memory;
}

/* --------------------------------------------------------------------------------------------- when memory is short */

void pgi_tell_to_end(pg_process *self, pg_pid pid, int64_t timeout)
{
    int64_t since = pg_now();
    while (pg_terminate(pid) == PG_ENOMEM && pg_now() - since < timeout) pg_sleep(self, PG_MS(1));
}

int pgi_answer(pg_process *self, const pg_message *request, int status, pg_pid pid)
{
    for (int64_t since = pg_now();; pg_sleep(self, PG_MS(1))) {
        int sent = pid.id != 0 ? pg_reply(request, status, pid) : pg_reply(request, status);
        if (sent != PG_ENOMEM || pg_now() - since > PG_SECONDS(1)) return sent;
    }
}

/* ------------------------------------------------------------------------------------------------------- beginnings */

static const pg_supervisor_options no_options;

/* The target of a supervisor that pg_supervise() starts. */
static void supervise(pg_process *self)
{
    const pg_message *kept = pg_keep(self, pg_args(self));
    pg_supervisor_options options;
    char why[PGI_WHY_MAX] = "no memory";
    int status = PG_ENOMEM;
    if (kept) {
        memcpy(&options, pg_get_bytes(NULL, kept, 1, NULL), sizeof options);
        const pgi_supervisor_start start = {.options = &options,
                                            .registered = pg_get_str(NULL, kept, 2),
                                            .children = pg_get(NULL, kept, 3),
                                            .kept = kept,
                                            .starter = pg_get_pid(NULL, kept, 0)};
        status = pgi_supervisor_begin(self, &start, why);
    }
    const pg_message *asked; /* now, before any child's end can be the supervisor's */
    if (pg_recv_match(self, &asked, PG_SECONDS(5), PGI_STARTED) == PG_OK &&
        pgi_answer(self, asked, status, (pg_pid){0}) == PG_ENOMEM)
        pg_fail(self, "no memory");
    if (status != PG_OK) pg_fail(self, "%s", why);
}

static pg_pid await_start(pg_process *self, pg_pid pid, const pg_supervisor_options *o)
{
    const pg_message *reply;
    int status = pg_call(self, pid, &reply, o->start_timeout ? o->start_timeout : PG_FOREVER, PGI_STARTED);
    bool ends = status == PG_OK || status == PG_ENOPROC;
    if (status == PG_OK) status = (int)pg_get_int(NULL, reply, 0);
    if (status == PG_OK) status = pg_link(self, pid); /* by the caller: what fails is not linked with him at any time */
    if (status == PG_OK) {
        pg_send(pid, PGI_SUPERVISOR, "linked");
        return pid;
    }
    pgi_tell_to_end(self, pid, PG_SECONDS(1));
    pg_exit_info why = {.kind = PG_EXIT_UNKNOWN, .pid = pid};
    if (o->why && ends) pg_wait(pid, PG_SECONDS(5), &why);
    if (o->why) *o->why = why;
    return pgi_refused(status);
}

pg_pid pg_supervise(pg_process *self, const pg_supervisor_options *options, size_t count, const pg_child *children)
{
    const pg_supervisor_options *o = options ? options : &no_options;
    if (!self || !options_fit(o)) return pgi_refused(PG_EINVAL);
    int status = check_children(count, children);
    if (status != PG_OK) return pgi_refused(status);
    pg_value list, *memory = children_value(count, children, &list);
    if (!memory) return pgi_refused(PG_ENOMEM);
    const pg_value args[] = {pg_v_pid(pg_self(self)), pg_bytes(o, sizeof *o), pg_v_str(o->registered), list};
    const pg_spawn_options spawn = {.name = o->name ? o->name : "supervisor",
                                    .kind = o->kind == PG_KIND_DEFAULT ? PG_GREEN : o->kind,
                                    .args = pg_tuple_of(sizeof args / sizeof *args, args)};
    pg_pid pid = pg_spawn_with(self, supervise, &spawn);
    free(memory);
    return pg_pid_status(pid) == PG_OK ? await_start(self, pid, o) : pid;
}

int pg_supervisor_become(pg_process *self, const pg_supervisor_options *options, size_t count, const pg_child *children)
{
    const pg_supervisor_options *o = options ? options : &no_options;
    if (!self || self->attached || !options_fit(o)) return PG_EINVAL;
    int status = check_children(count, children);
    if (status != PG_OK) return status;
    pg_value list, *memory = children_value(count, children, &list);
    if (!memory) return PG_ENOMEM;
    const pg_message *msg;
    char why[PGI_WHY_MAX] = "no memory";
    pg_ref ref = pg_make_ref();
    /* A message is a copy of all that they point to; and one's own timer comes where the mailbox is at its limit. */
    status = pg_timer_status(pg_send_after(self, pg_self(self), 0, PGI_BECOME, ref, list));
    free(memory);
    if (status == PG_OK) status = pg_recv_match(self, &msg, PG_FOREVER, PGI_BECOME, ref, PG_LIST);
    if (status != PG_OK) return status;
    const pg_message *kept = pg_keep(self, msg);
    if (!kept) return PG_ENOMEM;
    const pgi_supervisor_start start = {
        .options = o, .registered = o->registered, .children = pg_get(NULL, kept, 2), .kept = kept};
    if (pgi_supervisor_begin(self, &start, why) != PG_OK) pg_fail(self, "%s", why);
    return PG_OK;
}

int pg_started(pg_process *self)
{
    const pg_message *msg;
    int status = pg_recv_match(self, &msg, PG_SECONDS(5), PGI_STARTED);
    return status == PG_OK ? pgi_answer(self, msg, PG_OK, (pg_pid){0}) : status;
}

/* --------------------------------------------------------------------------------------------------------- requests */

/* The status in an answer, which may be any process's that was taken for a supervisor. */
static int status_of(const pg_message *reply)
{
    const pg_term *status = pg_count(reply) > 0 ? pg_get(NULL, reply, 0) : NULL;
    return status && pg_term_type(status) == PG_T_INT ? (int)pg_term_int(NULL, status) : PG_EINVAL;
}

static pg_pid pid_of(int status, const pg_message *reply)
{
    if (status == PG_OK) status = status_of(reply);
    return status == PG_OK ? pg_get_pid(NULL, reply, 1) : pgi_refused(status);
}

pg_pid pg_supervisor_start(pg_process *self, pg_pid supervisor, const pg_child *child, int64_t timeout)
{
    const pg_message *reply = NULL;
    pg_value parts[PGI_CHILD_PARTS];
    if (!self || !child_fits(child)) return pgi_refused(PG_EINVAL);
    int status =
        pg_call(self, supervisor, &reply, timeout, PGI_SUPERVISOR, "start", pg_v_ptr(child), child_value(child, parts));
    return pid_of(status, reply);
}

static int ask(pg_process *self, pg_pid supervisor, const pg_message **reply, int64_t timeout, const char *what,
               const char *id)
{
    if (!self || !text_fits(id, PG_CHILD_ID_MAX)) return PG_EINVAL;
    return pg_call(self, supervisor, reply, timeout, PGI_SUPERVISOR, what, id);
}

int pg_supervisor_stop(pg_process *self, pg_pid supervisor, const char *id, int64_t timeout)
{
    const pg_message *reply;
    int status = ask(self, supervisor, &reply, timeout, "stop", id);
    return status == PG_OK ? status_of(reply) : status;
}

int pg_supervisor_remove(pg_process *self, pg_pid supervisor, const char *id, int64_t timeout)
{
    const pg_message *reply;
    int status = ask(self, supervisor, &reply, timeout, "remove", id);
    return status == PG_OK ? status_of(reply) : status;
}

pg_pid pg_supervisor_restart(pg_process *self, pg_pid supervisor, const char *id, int64_t timeout)
{
    const pg_message *reply = NULL;
    int status = ask(self, supervisor, &reply, timeout, "restart", id);
    return pid_of(status, reply);
}

static void read_child(const pg_term *term, pg_child_info *info)
{
    *info = (pg_child_info){.pid = pg_term_pid(NULL, pg_term_at(NULL, term, 1)),
                            .state = (pg_child_state)pg_term_int(NULL, pg_term_at(NULL, term, 2)),
                            .restarts = (uint64_t)pg_term_int(NULL, pg_term_at(NULL, term, 3))};
    const char *id = pg_term_str(NULL, pg_term_at(NULL, term, 0), NULL);
    snprintf(info->id, sizeof info->id, "%s", id ? id : "");
}

int64_t pg_supervisor_children(pg_process *self, pg_pid supervisor, size_t max, pg_child_info *children,
                               int64_t timeout)
{
    const pg_message *reply;
    if (!self || (max > 0 && !children)) return PG_EINVAL;
    int status = pg_call(self, supervisor, &reply, timeout, PGI_SUPERVISOR, "children", "");
    if (status != PG_OK) return status;
    const pg_term *list = pg_count(reply) == 1 ? pg_get(NULL, reply, 0) : NULL;
    if (!list || pg_term_type(list) != PG_T_LIST) return status_of(reply) < 0 ? status_of(reply) : PG_EINVAL;
    size_t count = pg_term_count(NULL, list);
    for (size_t i = 0; i < count && i < max; i++) read_child(pg_term_at(NULL, list, i), &children[i]);
    return (int64_t)count;
}
