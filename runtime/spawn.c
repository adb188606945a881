/* spawn.c - how a process begins: slot, arguments, link; then its pid is published, and it is made ready. */
#include "child.h"
#include "extra.h"
#include "limit.h"
#include "link.h"
#include "os.h"
#include "runtime.h"

int pg_pid_status(pg_pid pid)
{
    if (pgi_pid_node(pid) != 0) return PG_OK;
    return pid.id == 0 || pid.id > (uint64_t)-PG_ETAKEN ? PG_ENOPROC : -(int)pid.id;
}

/* What the usual spawn consists of is put together in one function, and none of its parts pass through memory. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* What a spawn gathers before it takes a slot; all of it is the process's afterwards. */
typedef struct parts {
    pg_kind kind;
    pg_message *args; /* NULL: none */
    char *name;
    const pgi_receivers *receivers;
    pgi_extra *extra; /* with limits; NULL: none */
    bool attached;
} parts;

static void free_extra(pgi_extra *extra)
{
    if (!extra) return;
    pgi_limits_free(extra->limits);
    pgi_free(extra, sizeof *extra);
}

static PGS_COLD void drop_parts(pgi_cache *cache, pg_message *args, const pgi_receivers *receivers, pgi_extra *extra,
                                char *name)
{
    pgi_message_free(cache, args);
    free_extra(extra);
    pgi_receivers_drop(receivers);
    if (name) pgi_free(name, strlen(name) + 1);
}

static int copy_name(const char *name, char **out)
{
    *out = NULL;
    if (!name) return PG_OK;
    size_t size = strlen(name) + 1;
    *out = pgi_alloc(size);
    if (!*out) return PG_ENOMEM;
    memcpy(*out, name, size);
    return PG_OK;
}

static pg_kind kind_of(const pg_runtime *rt, const pg_spawn_options *o)
{
    return o && o->kind ? o->kind : rt->options.kind;
}

/* What the usual process has, or less: it is green, and has neither a table nor a name nor limits. */
static inline bool is_usual(pg_runtime *rt, pg_target target, const pg_spawn_options *o)
{
    if (unlikely(load_relaxed(&rt->unusual)) || !target) return false;
    return !o || (o->kind <= PG_GREEN &&
                  ((uintptr_t)o->table | (uintptr_t)o->name | (uintptr_t)o->mailbox | (uint64_t)o->max_slice) == 0);
}

_Static_assert(PG_KIND_DEFAULT == 0 && PG_GREEN == 1, "both are what is usual");

/* An extra block with limits; none where none are asked for. */
static PGS_COLD int make_extra(pg_runtime *rt, const pgi_bounds *bounds, pgi_extra **out)
{
    *out = NULL;
    if (!bounds->limited && rt->options.memory == 0) return PG_OK;
    pgi_limits *limits;
    int status = pgi_limits_make(rt, bounds, &limits);
    if (status != PG_OK) return status;
    *out = pgi_alloc_zero(sizeof **out);
    if (*out) {
        (*out)->limits = limits;
        return PG_OK;
    }
    pgi_limits_free(limits);
    return PG_ENOMEM;
}

static int make_limits(pg_runtime *rt, const pg_spawn_options *o, pgi_extra **out)
{
    const pgi_bounds bounds = pgi_bounds_of(o);
    return make_extra(rt, &bounds, out);
}

static ALWAYS_INLINE int gather_args(pgi_cache *cache, const pg_spawn_options *o, parts *out)
{
    if (o->args.head == PG_T_NIL && o->args.body == 0) return PG_OK;
    pg_message *args; /* not of `out`, whose address is given to nobody where the process is the usual one */
    int status = pgi_message_build_args(cache, o->args, &args);
    if (likely(status == PG_OK)) out->args = args;
    return status;
}

static int gather(pg_runtime *rt, pgi_cache *cache, pg_target target, const pg_spawn_options *o, parts *out)
{
    *out = (parts){.kind = kind_of(rt, o)};
    if (out->kind == PG_THREAD && pgi_is_simulated(rt)) out->kind = PG_GREEN;
    if (out->kind != PG_GREEN && out->kind != PG_THREAD) return PG_EINVAL;
    if (!target && !(o && o->table)) return PG_EINVAL;
    if (rt->options.memory != 0 && !pgi_budget_has_room(rt)) return PG_ENOMEM;
    if (!o) return make_limits(rt, NULL, &out->extra);
    int status = gather_args(cache, o, out);
    if (status == PG_OK && o->table) status = pgi_table_use(&rt->receivers, o->table, &out->receivers);
    if (status == PG_OK) status = copy_name(o->name, &out->name);
    if (status == PG_OK) status = make_limits(rt, o, &out->extra);
    if (status != PG_OK) drop_parts(cache, out->args, out->receivers, out->extra, out->name);
    return status;
}

/* Under the lock, since somebody may be reading the name of the one before. */
static PGS_COLD void change_name(pg_process *p, char *name)
{
    pgi_lock(p);
    char *before = p->name;
    p->name = name;
    pgi_unlock(p);
    if (before) pgi_free(before, strlen(before) + 1);
}

/* What a clean slot (slots.h) has not yet as a new process needs it.  Its mailbox is not idle: it is about to run. */
static ALWAYS_INLINE void init_process(pg_process *p, pg_target target, const parts *of)
{
    p->sleeper.task.parker = NULL;
    if (of->receivers) p->receivers = of->receivers;
    p->target = target;
    if (of->args) p->args = of->args;
    p->kind = (uint8_t)of->kind;
    p->phase = PGI_NEW;
    p->dying = false;
    p->attached = of->attached;
    p->told = 0;
    plain_write(&p->told); /* stands for all of these: who finds the process by its id sees them */
    p->data = NULL;
    if (unlikely(of->kind == PG_THREAD)) {
        p->sleeper.task.parker = &p->sleeper.parker;
        pgs_parker_init(&p->sleeper.parker);
        p->host = NULL;
    }
    if (unlikely(p->name || of->name)) change_name(p, of->name);
    if (unlikely(of->extra)) {
        p->extra = of->extra;
        pgi_limits_begin(p, of->extra->limits);
    }
}

/* What is to be published as its id. */
static ALWAYS_INLINE uint64_t id_of(const pg_process *p, const parts *of)
{
    return unlikely(of->extra) ? pgi_limits_id(of->extra->limits) : pgi_pid_of(p).id;
}

static ALWAYS_INLINE pg_process *take_slot(pg_runtime *rt, pgi_local *local)
{
    if (likely(local)) return pgi_slot_take(rt, &local->slots);
    pthread_mutex_lock(&rt->foreign_lock);
    pg_process *p = pgi_slot_take(rt, &rt->foreign.slots);
    pthread_mutex_unlock(&rt->foreign_lock);
    return p;
}

static void give_slot(pg_runtime *rt, pgi_local *local, pg_process *p)
{
    if (likely(local)) {
        pgi_slot_give(rt, &local->slots, p);
        return;
    }
    pthread_mutex_lock(&rt->foreign_lock);
    pgi_slot_give(rt, &rt->foreign.slots, p);
    pthread_mutex_unlock(&rt->foreign_lock);
}

static void return_slot(pg_runtime *rt, pgi_local *local, pg_process *p)
{
    if (unlikely(p->attached)) {
        sub_relaxed(&rt->attached, 1);
    } else {
        pgi_count_ended(rt, local);
    }
    give_slot(rt, local, p);
}

void pgi_slot_return(const pgi_visit *visit, pg_process *p)
{
    return_slot(visit->rt, visit->local, p);
}

/* Links parent and child, of which nobody knows yet.  False: the parent is ending. */
static bool link_to_parent(pgi_link *link, pg_process *parent, pg_process *child)
{
    link->side[1].process = child;
    pgi_lock(parent);
    bool possible = !parent->dying;
    if (possible) {
        pgi_link_insert(link, parent);
        pgi_link_insert(link, child);
    }
    pgi_unlock(parent);
    return possible;
}

static PGS_COLD pg_pid unspawn(pg_runtime *rt, pgi_local *local, pg_process *p, pgi_link *link, int status)
{
    store_relaxed(&p->id, 0); /* it has done nothing that whoever finds it gone would have to see */
    if (link) pgi_link_undo(link);
    pgi_lock(p);
    p->dying = true;
    pgi_unlock(p);
    pgi_cache *cache = local ? &local->cache : NULL;
    pgi_extra *extra = p->extra;
    pgi_limits *limits = extra ? extra->limits : NULL;
    drop_parts(cache, p->args, p->receivers, NULL, NULL); /* the name stays with the slot */
    p->args = &pgi_no_args;
    p->receivers = NULL;
    p->extra = NULL;
    if (extra) pgi_free(extra, sizeof *extra);
    if (limits) { /* it may have been found already */
        pgi_limits_close(p, limits);
        pgi_limits_retire(p, limits);
    }
    return_slot(rt, local, p);
    return pgi_refused(status);
}

static PGS_COLD pg_pid publish_thread(pg_runtime *rt, pgi_local *local, pg_process *p, pgi_link *link, uint64_t id)
{
    pg_pid pid = pgi_pid_of(p);
    store_release(&p->id, id); /* partner: the acquire in pgi_slot_holds */
    int status = pgi_thread_start(p);
    return status == PG_OK ? pid : unspawn(rt, local, p, link, status);
}

static ALWAYS_INLINE pg_pid publish(pg_runtime *rt, pgs_worker *w, pg_process *p, uint64_t id)
{
    pg_pid pid = pgi_pid_of(p);
    store_release(&p->id, id); /* partner: the acquire in pgi_slot_holds */
    if (likely(w)) {
        pgs_ready_on(w, &p->sleeper.task);
    } else {
        pgs_ready(rt->sched, &p->sleeper.task);
    }
    return pid;
}

/* All that is left to do for one that has its parts.  By a worker of `rt`, with what it has of its own there, or by a
 * visitor, NULL and NULL. */
static ALWAYS_INLINE pg_pid assemble(pg_runtime *rt, pgs_worker *w, pgi_local *local, pg_process *parent,
                                     pg_target target, const parts *parts_of_it)
{
    const parts of = *parts_of_it;
    pgi_cache *cache = local ? &local->cache : NULL;
    pgi_link *link = NULL;
    if (parent && !(link = pgi_link_new(parent, NULL))) {
        drop_parts(cache, of.args, of.receivers, of.extra, of.name);
        return pgi_refused(PG_ENOMEM);
    }
    pg_process *p = take_slot(rt, local);
    if (unlikely(!p)) {
        if (link) pgi_link_free(link);
        drop_parts(cache, of.args, of.receivers, of.extra, of.name);
        return pgi_refused(PG_ELIMIT);
    }
    init_process(p, target, &of);
    pgi_count_spawned(rt, local);
    /* Once more, now that it is counted: either pg_stop() waits for it, or it is seen here; partner: close_to_spawns.
     * A process of this runtime that spawns is counted itself. */
    if (unlikely(!local && load_seq_cst(&rt->stopping))) {
        if (link) pgi_link_free(link);
        return unspawn(rt, local, p, NULL, PG_ESTOPPED);
    }
    if (link && !link_to_parent(link, parent, p)) {
        pgi_link_free(link);
        return unspawn(rt, local, p, NULL, PG_EENDED);
    }
    uint64_t id = id_of(p, &of);
    return likely(of.kind == PG_GREEN) ? publish(rt, w, p, id) : publish_thread(rt, local, p, link, id);
}

/* Of any kind but PG_OS, by anybody. */
static __attribute__((noinline)) pg_pid spawn(const pgi_visit *visit, pg_process *parent, pg_target target,
                                              const pg_spawn_options *options)
{
    parts of;
    if (load_relaxed(&visit->rt->stopping)) return pgi_refused(PG_ESTOPPED);
    int status = gather(visit->rt, pgi_visit_cache(visit), target, options, &of);
    if (status != PG_OK) return pgi_refused(status);
    return assemble(visit->rt, visit->worker, visit->local, parent, target, &of);
}

/* The usual one, by a worker for a process of its runtime. */
static ALWAYS_INLINE pg_pid spawn_usual(pg_runtime *rt, pgs_worker *w, pgi_local *local, pg_process *parent,
                                        pg_target target, const pg_spawn_options *options)
{
    parts of = {.kind = PG_GREEN};
    int status = options ? gather_args(&local->cache, options, &of) : PG_OK;
    return likely(status == PG_OK) ? assemble(rt, w, local, parent, target, &of) : pgi_refused(status);
}

/* Whether the table is one: who asks has to know now, not who is started. */
static int check_table(pg_runtime *rt, const pg_spawn_options *o)
{
    const pgi_receivers *receivers = NULL;
    int status = o && o->table ? pgi_table_use(&rt->receivers, o->table, &receivers) : PG_OK;
    if (status == PG_OK) pgi_receivers_drop(receivers);
    return status;
}

/* In an operating-system process of its own: the hub starts it.  `linked`: whom it is to be linked with, or NULL. */
static pg_pid spawn_far(pg_runtime *rt, pg_process *linked, pg_target target, const pg_spawn_options *o)
{
    pg_message *args = NULL;
    if (!target && !(o && o->table)) return pgi_refused(PG_EINVAL);
    if (load_relaxed(&rt->stopping)) return pgi_refused(PG_ESTOPPED);
    const pgi_bounds bounds = pgi_bounds_of(o);
    int status = check_table(rt, o);
    if (status == PG_OK) status = pgi_bounds_check(&bounds);
    if (status == PG_OK && o) status = pgi_message_build_args(NULL, o->args, &args);
    if (status != PG_OK) return pgi_refused(status);
    if (args && args->count == 0) {
        pgi_message_free(NULL, args);
        args = NULL;
    }
    return rt->child ? pgi_child_spawn(linked, target, o, args) : pgi_os_spawn(rt, linked, target, o, args);
}

static __attribute__((noinline)) pg_pid spawn_other(pg_runtime *rt, pg_process *linked, pg_target target,
                                                    const pg_spawn_options *options)
{
    if (kind_of(rt, options) == PG_OS) return spawn_far(rt, linked, target, options);
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    if (!visit.rt) return pgi_refused(PG_ESTOPPED);
    pg_pid pid = spawn(&visit, linked, target, options);
    pgi_leave(&visit);
    if (visit.worker) (void)pgi_pace_count(visit.worker, &visit.local->pace, (pg_pid){0}, PGI_PACE_SPAWN, PG_OK);
    return pid;
}

static ALWAYS_INLINE pg_pid spawn_from(pg_process *self, bool linked, pg_target target, const pg_spawn_options *options)
{
    if (unlikely(!self)) return pgi_refused(PG_EINVAL);
    pg_runtime *rt = self->rt;
    pgs_worker *w = pgs_worker_self();
    pgi_local *local = likely(w) ? pgs_worker_local(w) : NULL;
    bool usual = local && local->rt == rt && is_usual(rt, target, options);
    if (unlikely(!usual)) return spawn_other(rt, linked ? self : NULL, target, options);
    pg_pid pid = spawn_usual(rt, w, local, linked ? self : NULL, target, options);
    (void)pgi_pace_count(w, &local->pace, (pg_pid){0}, PGI_PACE_SPAWN, PG_OK);
    return pid;
}

pg_pid pg_spawn_with(pg_process *self, pg_target target, const pg_spawn_options *options)
{
    return spawn_from(self, false, target, options);
}

pg_pid pg_spawn_link_with(pg_process *self, pg_target target, const pg_spawn_options *options)
{
    return spawn_from(self, true, target, options);
}

pg_pid pg_spawn_in(pg_runtime *rt, pg_target target, const pg_spawn_options *options)
{
    if (!rt) return pgi_refused(PG_EINVAL);
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    if (!visit.rt) return pgi_refused(PG_ESTOPPED);
    bool far = kind_of(rt, options) == PG_OS;
    pg_pid pid = far ? (pg_pid){0} : spawn(&visit, NULL, target, options);
    pgi_leave(&visit);
    return far ? spawn_far(rt, NULL, target, options) : pid;
}

int pgi_spawn_root(pg_runtime *rt, pg_target target, pg_table *table, const char *name, const pgi_bounds *bounds,
                   pg_message *args)
{
    parts of = {.kind = PG_GREEN, .args = args};
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    int status = table ? pgi_table_use(&rt->receivers, table, &of.receivers) : PG_OK;
    if (status == PG_OK) status = copy_name(name[0] ? name : NULL, &of.name);
    if (status == PG_OK) status = make_extra(rt, bounds, &of.extra);
    if (status == PG_OK) {
        pg_process *p = pgi_slot_first(rt);
        init_process(p, target, &of);
        pgi_count_spawned(rt, visit.local);
        publish(rt, visit.worker, p, id_of(p, &of));
    }
    pgi_leave(&visit);
    return status;
}

/* A process for a host thread: it has no code of its own to begin with. */
pg_process *pgi_spawn_attached(pg_runtime *rt, const char *name)
{
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    if (!visit.rt) return NULL;
    parts of = {.kind = PG_THREAD, .attached = true};
    pg_process *p = NULL;
    bool ready = !load_relaxed(&rt->stopping) && make_limits(rt, NULL, &of.extra) == PG_OK;
    if (ready && copy_name(name, &of.name) != PG_OK) {
        free_extra(of.extra);
        ready = false;
    }
    if (ready) {
        p = take_slot(rt, visit.local);
        if (p) {
            init_process(p, NULL, &of);
            p->phase = PGI_RUNNING;
            add_relaxed(&rt->attached, 1);
            add_relaxed(&rt->attached_ever, 1);
            /* Published, then asked: either pg_stop() tells it, or it is seen here; partners: pgi_slot_pid,
             * close_to_spawns. */
            store_seq_cst(&p->id, id_of(p, &of));
            if (unlikely(load_seq_cst(&rt->stopping))) {
                unspawn(rt, visit.local, p, NULL, PG_ESTOPPED);
                p = NULL;
            }
        } else {
            drop_parts(NULL, NULL, NULL, of.extra, of.name);
        }
    }
    pgi_leave(&visit);
    return p;
}
