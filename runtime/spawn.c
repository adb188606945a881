/* spawn.c - how a process begins: slot, arguments, link; then its pid is published, and it is made ready. */
#include "child.h"
#include "link.h"
#include "os.h"
#include "runtime.h"

int pg_pid_status(pg_pid pid)
{
    if (pgi_pid_node(pid) != 0) return PG_OK;
    return pid.id == 0 || pid.id > (uint64_t)-PG_EFULL ? PG_ENOPROC : -(int)pid.id;
}

/* What a spawn gathers before it takes a slot; all of it is the process's afterwards. */
typedef struct parts {
    pg_kind kind;
    pg_message *args;
    char *name;
    const pgi_receivers *receivers;
    bool attached;
} parts;

static void drop_parts(pgi_cache *cache, parts *of)
{
    pgi_message_free(cache, of->args);
    pgi_receivers_drop(of->receivers);
    if (of->name) pgi_free(of->name, strlen(of->name) + 1);
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

static int gather(pg_runtime *rt, pgi_cache *cache, pg_target target, const pg_spawn_options *o, parts *out)
{
    *out = (parts){.kind = kind_of(rt, o), .args = &pgi_no_args};
    if (out->kind != PG_GREEN && out->kind != PG_THREAD) return PG_EINVAL;
    if (!target && !(o && o->table)) return PG_EINVAL;
    if (!o) return PG_OK;
    int status = o->table ? pgi_table_use(&rt->receivers, o->table, &out->receivers) : PG_OK;
    if (status == PG_OK) status = pgi_message_build_args(cache, o->args, &out->args);
    if (status == PG_OK) status = copy_name(o->name, &out->name);
    if (status != PG_OK) drop_parts(cache, out);
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

/* All fields but the generation, which is the slot's. */
static void init_process(pg_runtime *rt, pg_process *p, pg_target target, const parts *of)
{
    pgs_mpsc_init(&p->mailbox, false); /* it is about to run */
    p->sleeper.task.fiber = NULL;
    p->sleeper.task.parker = of->kind == PG_THREAD ? &p->sleeper.parker : NULL;
    store_relaxed(&p->sleeper.token, PGI_AWAKE);
    pgs_parker_init(&p->sleeper.parker);
    p->rt = rt;
    p->receivers = of->receivers;
    p->target = target;
    p->args = of->args;
    p->current = p->received = NULL;
    p->scan = NULL;
    p->scanned = NULL;
    p->kind = (uint8_t)of->kind;
    p->phase = PGI_NEW;
    p->links = NULL;
    p->watchers = NULL;
    p->defers = NULL;
    p->data = NULL;
    p->host = NULL;
    p->attached = of->attached;
    p->dying = p->told = false;
    if (unlikely(p->name || of->name)) change_name(p, of->name);
}

static pg_process *take_slot(pg_runtime *rt, pgi_local *local)
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

void pgi_slot_return(const pgi_visit *visit, pg_process *p)
{
    if (unlikely(p->attached)) {
        sub_relaxed(&visit->rt->attached, 1);
    } else {
        pgi_count_ended(visit);
    }
    give_slot(visit->rt, visit->local, p);
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

static pg_pid unspawn(const pgi_visit *visit, pg_process *p, pgi_link *link, int status)
{
    store_release(&p->id, 0); /* partner: the check in pgi_slot_find */
    if (link) pgi_link_undo(link);
    pgi_lock(p);
    p->dying = true;
    pgi_unlock(p);
    parts of = {.args = p->args, .receivers = p->receivers}; /* the name stays with the slot */
    drop_parts(pgi_visit_cache(visit), &of);
    pgi_slot_return(visit, p);
    return pgi_refused(status);
}

static pg_pid publish(const pgi_visit *visit, pg_process *p, pgi_link *link)
{
    pg_pid pid = pgi_pid_of(p);
    store_release(&p->id, pid.id); /* partner: the acquire in pgi_slot_find */
    if (likely(p->kind == PG_GREEN)) {
        if (likely(visit->worker)) {
            pgs_ready_on(visit->worker, &p->sleeper.task);
        } else {
            pgs_ready(visit->rt->sched, &p->sleeper.task);
        }
        return pid;
    }
    int status = pgi_thread_start(p);
    return status == PG_OK ? pid : unspawn(visit, p, link, status);
}

static pg_pid spawn(const pgi_visit *visit, pg_process *parent, pg_target target, const pg_spawn_options *options)
{
    pg_runtime *rt = visit->rt;
    pgi_cache *cache = pgi_visit_cache(visit);
    if (unlikely(load_relaxed(&rt->stopping))) return pgi_refused(PG_ESTOPPED);
    parts of;
    int status = gather(rt, cache, target, options, &of);
    if (unlikely(status != PG_OK)) return pgi_refused(status);

    pgi_link *link = NULL;
    if (parent && !(link = pgi_link_new(parent, NULL))) {
        drop_parts(cache, &of);
        return pgi_refused(PG_ENOMEM);
    }
    pg_process *p = take_slot(rt, visit->local);
    if (unlikely(!p)) {
        if (link) pgi_link_free(link);
        drop_parts(cache, &of);
        return pgi_refused(PG_ELIMIT);
    }
    init_process(rt, p, target, &of);
    pgi_count_spawned(visit);
    /* Once more, now that it is counted: either pg_stop() waits for it, or it is seen here; partner: end_all.  A
     * process of this runtime that spawns is counted itself. */
    if (unlikely(!visit->local && load_seq_cst(&rt->stopping))) {
        if (link) pgi_link_free(link);
        return unspawn(visit, p, NULL, PG_ESTOPPED);
    }
    if (link && !link_to_parent(link, parent, p)) {
        pgi_link_free(link);
        return unspawn(visit, p, NULL, PG_EENDED);
    }
    return publish(visit, p, link);
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
    int status = check_table(rt, o);
    if (status == PG_OK && o) status = pgi_message_build_args(NULL, o->args, &args);
    if (status != PG_OK) return pgi_refused(status);
    if (args && args->count == 0) {
        pgi_message_free(NULL, args);
        args = NULL;
    }
    return rt->child ? pgi_child_spawn(linked, target, o, args) : pgi_os_spawn(rt, linked, target, o, args);
}

static pg_pid spawn_from(pg_process *self, bool linked, pg_target target, const pg_spawn_options *options)
{
    if (!self) return pgi_refused(PG_EINVAL);
    if (unlikely(kind_of(self->rt, options) == PG_OS))
        return spawn_far(self->rt, linked ? self : NULL, target, options);
    pgi_visit visit;
    pgi_visit_runtime(&visit, self->rt);
    if (!visit.rt) return pgi_refused(PG_ESTOPPED);
    pg_pid pid = spawn(&visit, linked ? self : NULL, target, options);
    pgi_leave(&visit);
    if (likely(visit.worker))
        (void)pgi_pace_count(visit.worker, &visit.local->pace, (pg_pid){0}, PGI_PACE_SPAWN, PG_OK);
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

int pgi_spawn_root(pg_runtime *rt, pg_target target, pg_table *table, const char *name, pg_message *args)
{
    parts of = {.kind = PG_GREEN, .args = args ? args : &pgi_no_args};
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    int status = table ? pgi_table_use(&rt->receivers, table, &of.receivers) : PG_OK;
    if (status == PG_OK) status = copy_name(name[0] ? name : NULL, &of.name);
    if (status == PG_OK) {
        pg_process *p = pgi_slot_first(&rt->slots);
        init_process(rt, p, target, &of);
        pgi_count_spawned(&visit);
        publish(&visit, p, NULL);
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
    parts of = {.kind = PG_THREAD, .args = &pgi_no_args, .attached = true};
    pg_process *p = NULL;
    if (!load_relaxed(&rt->stopping) && copy_name(name, &of.name) == PG_OK) {
        p = take_slot(rt, visit.local);
        if (p) {
            init_process(rt, p, NULL, &of);
            p->phase = PGI_RUNNING;
            add_relaxed(&rt->attached, 1);
            add_relaxed(&rt->attached_ever, 1);
            /* Published, then asked: either pg_stop() tells it, or it is seen here; partners: pgi_slot_find,
             * end_all. */
            store_seq_cst(&p->id, pgi_pid_of(p).id);
            if (unlikely(load_seq_cst(&rt->stopping))) {
                unspawn(&visit, p, NULL, PG_ESTOPPED);
                p = NULL;
            }
        } else {
            drop_parts(NULL, &of);
        }
    }
    pgi_leave(&visit);
    return p;
}
