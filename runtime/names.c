/* names.c - see names.h.
 *
 * A name is an entry in a hash table of liburcu's, which is read without a lock, and so is a group.  A name has a watch
 * of its process (watch.h), which takes it out when that ends: the process itself knows nothing of its names, wherever
 * it lives.  A group has its members in a list, which is read without a lock, too, each with a watch of its own; and in
 * chains by their pids, by which one is found among many.  So joining, leaving and ending take the same time however
 * many there are, but for a join that makes more chains, which many joins have paid for.
 *
 * Invariants:
 *   1. Whoever takes a name out of the table, or a member out of its group, which only one can, retires it.  Who takes
 *      out the last member does the same to the group.
 *   2. A name or a member is put in before its process is watched, so that no end is missed, under the lock, so that
 *      nobody else ends a watch that has not begun.  Who tells of an end has the process's lock, and does not ask for
 *      this one.
 *   3. What is retired is freed an epoch of grace later (sched/epoch.h), under the lock: whoever walks the table or a
 *      list looks, as those do who look for a slot, or has the lock.  The read lock is only what cds_lfht asks for;
 *      every way in takes it, once.
 *   4. Who tells of an end takes out and retires under one hold of `entries_lock`, so that clearing the table finds it
 *      in one place or the other, or waits.  He may be of another runtime, and counts in `tellers` from
 *      before that until he has left this one: clearing waits for him.
 *   5. Lists and chains change under `entries_lock` only.  A member comes in at the head of the list, and keeps its
 *      `after` when it is taken out: who stands at it goes on to those who were there before, and meets nobody twice,
 *      not even who has left and joined again meanwhile.
 *
 * Rejected: liburcu's own grace periods, which somebody would have to wait for, or a thread of its own.  A table that
 * grows: liburcu does so in a thread of its own, too.  Members as entries of that table: of one text, they are one
 * chain, and of a text and a pid, there are too few chains in a table that does not grow, and no list. */
#include "names.h"

#include <sched.h>
#include <urcu/urcu-bp.h>

#include <urcu/rculfhash.h>

#include "runtime.h"
#include "watch.h"

enum { BUCKETS = 4096, LONGEST = 255 };

/* What is taken out and may still be looked at: the first thing in whatever is. */
struct pgi_retired {
    pgi_retired *next;
    uint64_t stamp; /* since when */
    size_t bytes;
};

typedef struct holder holder;

/* A process with the name, or in the group. */
struct holder {
    pgi_watch watch;
    pg_pid pid;
    pg_runtime *rt;
};

typedef struct group_entry group_entry;
typedef struct member member;

struct member {
    pgi_retired retired;
    holder who;
    group_entry *group;        /* NULL: taken out.  This and the next two: under entries_lock */
    _Atomic(member *) *before; /* what leads to this one in the list */
    member *chained;
    _Atomic(member *) after;
};

/* What is in the table: a name or a group. */
typedef struct entry {
    pgi_retired retired;
    struct cds_lfht_node node;
    bool is_group;
    _Atomic(bool) ready; /* liburcu is not compiled with sanitizers, which take the order from here */
    const char *text;    /* at its end */
} entry;

typedef struct name_entry {
    entry entry;
    holder who;
    char text[];
} name_entry;

/* `chains`: a power of two; as many members as chains at most, unless memory is short. */
struct group_entry {
    entry entry;
    _Atomic(member *) first;
    member **chain; /* this and the rest: under entries_lock */
    member *only_chain;
    size_t chains, members;
    char text[];
};

static entry *entry_of(struct cds_lfht_node *node)
{
    return container_of(node, entry, node);
}

static name_entry *name_of(entry *e)
{
    return container_of(e, name_entry, entry);
}

static group_entry *group_of(entry *e)
{
    return container_of(e, group_entry, entry);
}

/* FNV-1a (Fowler, Noll, Vo). */
static unsigned long hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = text; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return (unsigned long)(hash ^ hash >> 32);
}

/* What is looked for. */
typedef struct wanted {
    const char *text;
    bool is_group;
} wanted;

static int is_wanted(struct cds_lfht_node *node, const void *key)
{
    const wanted *w = key;
    entry *e = entry_of(node);
    if (!load_acquire(&e->ready)) return 0; /* partner: put_in */
    return e->is_group == w->is_group && strcmp(e->text, w->text) == 0;
}

/* ------------------------------------------------------------------------------------------------------- the table */

void pgi_names_init(pgi_names *names)
{
    pthread_mutex_init(&names->lock, NULL);
    pthread_mutex_init(&names->entries_lock, NULL);
}

/* The table, made with the first name; NULL: memory is short.  Under the lock. */
static struct cds_lfht *table_for(pgi_names *names)
{
    struct cds_lfht *table = load_relaxed(&names->table);
    if (table) return table;
    table = cds_lfht_new_flavor(BUCKETS, BUCKETS, BUCKETS, 0, &urcu_bp_flavor, NULL);
    store_release(&names->table, table); /* partner: find */
    return table;
}

/* In a look, or under the lock. */
static entry *find(pgi_names *names, wanted w)
{
    struct cds_lfht *table = load_acquire(&names->table); /* partner: table_for */
    if (!table) return NULL;
    struct cds_lfht_iter found;
    cds_lfht_lookup(table, hash_of(w.text), is_wanted, &w, &found);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&found);
    return node ? entry_of(node) : NULL;
}

static group_entry *find_group(pgi_names *names, const char *text)
{
    entry *e = find(names, (wanted){text, true});
    return e ? group_of(e) : NULL;
}

/* Where there is none like it. */
static bool put_in(struct cds_lfht *table, entry *e)
{
    const wanted w = {e->text, e->is_group};
    cds_lfht_node_init(&e->node);
    store_release(&e->ready, true); /* partner: is_wanted */
    return cds_lfht_add_unique(table, hash_of(e->text), is_wanted, &w, &e->node) == &e->node;
}

/* --------------------------------------------------------------------------------------------------------- retiring */

/* Under entries_lock: what has been taken out, to be freed later. */
static void retire(pg_runtime *rt, pgi_retired *r)
{
    r->stamp = pgs_epoch_now(pgs_sched_epoch(rt->sched));
    r->next = rt->names.retired;
    rt->names.retired = r;
}

/* Frees what nobody looks at any more; with `all`, all.  Under the lock, unless all is at an end. */
static void sweep(pg_runtime *rt, bool all)
{
    pgs_epoch *epoch = pgs_sched_epoch(rt->sched);
    pthread_mutex_lock(&rt->names.entries_lock);
    if (!all && rt->names.retired) pgs_epoch_try_advance(epoch);
    /* The later a thing was retired, the further in front it is. */
    pgi_retired **at = &rt->names.retired;
    while (*at && !all && !pgs_epoch_passed(epoch, (*at)->stamp)) at = &(*at)->next;
    pgi_retired *passed = *at;
    *at = NULL;
    pthread_mutex_unlock(&rt->names.entries_lock);
    for (pgi_retired *next; passed; passed = next) {
        next = passed->next;
        pgi_free(passed, passed->bytes);
    }
}

/* Under entries_lock.  Whether this caller has taken it out. */
static bool take_out_name(name_entry *n)
{
    if (cds_lfht_del(load_relaxed(&n->who.rt->names.table), &n->entry.node) != 0) return false;
    retire(n->who.rt, &n->entry.retired);
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- members */

/* Under entries_lock, as all of these.  Pids are spread by Fibonacci's number (Knuth). */
static member **chain_of(const group_entry *g, pg_pid pid)
{
    uint64_t hash = pid.id * UINT64_C(0x9e3779b97f4a7c15);
    return &g->chain[(size_t)(hash >> 32) & (g->chains - 1)];
}

/* What leads to the member in its chain; to NULL: it is none. */
static member **find_member(const group_entry *g, pg_pid pid)
{
    member **at = chain_of(g, pid);
    while (*at && !pg_same((*at)->who.pid, pid)) at = &(*at)->chained;
    return at;
}

static void chain_up(group_entry *g, member *m)
{
    member **chain = chain_of(g, m->who.pid);
    m->chained = *chain;
    *chain = m;
}

static void free_chains(group_entry *g)
{
    if (g->chain != &g->only_chain) pgi_free(g->chain, g->chains * sizeof *g->chain);
}

/* If memory is short, there remain fewer chains, which are longer. */
static void make_room(group_entry *g)
{
    if (g->members < g->chains) return;
    size_t chains = 4 * g->chains;
    member **chain = pgi_alloc_zero(chains * sizeof *chain);
    if (!chain) return;
    free_chains(g);
    g->chain = chain;
    g->chains = chains;
    for (member *m = load_relaxed(&g->first); m; m = load_relaxed(&m->after)) chain_up(g, m);
}

static void link_in(group_entry *g, member *m)
{
    make_room(g);
    chain_up(g, m);
    member *second = load_relaxed(&g->first);
    m->group = g;
    m->before = &g->first;
    store_relaxed(&m->after, second);
    if (second) second->before = &m->after;
    store_release(&g->first, m); /* partner: pg_members */
    g->members++;
}

/* Whether this caller has taken it out, and with the last the group. */
static bool take_out_member(member *m)
{
    group_entry *g = m->group;
    if (!g) return false;
    m->group = NULL;
    *find_member(g, m->who.pid) = m->chained;
    member *after = load_relaxed(&m->after);
    if (after) after->before = m->before;
    store_release(m->before, after); /* partner: pg_members */
    retire(m->who.rt, &m->retired);
    if (--g->members > 0) return true;
    cds_lfht_del(load_relaxed(&m->who.rt->names.table), &g->entry.node);
    free_chains(g);
    retire(m->who.rt, &g->entry.retired);
    return true;
}

/* ------------------------------------------------------------------------------------------------------ registering */

/* Comes into the runtime, if that has not stopped, to change the table: in a look, and with the lock. */
static bool enter(pgi_visit *visit, pg_runtime *rt)
{
    pgi_visit_runtime(visit, rt);
    if (!visit->rt) return false;
    pthread_mutex_lock(&rt->names.lock);
    pgi_look_begin(visit);
    urcu_bp_read_lock();
    return true;
}

static void leave(const pgi_visit *visit, pg_runtime *rt)
{
    urcu_bp_read_unlock();
    pgi_look_end(visit);
    pthread_mutex_unlock(&rt->names.lock);
    pgi_leave(visit);
}

static bool lock_and_take_out(pg_runtime *rt, name_entry *n, member *m)
{
    pthread_mutex_lock(&rt->names.entries_lock);
    bool taken = n ? take_out_name(n) : take_out_member(m);
    pthread_mutex_unlock(&rt->names.entries_lock);
    return taken;
}

/* By whoever tells, under a lock of his; he may be of another runtime, and is a visitor in the epoch of this one. */
static void holder_ended(pg_runtime *rt, name_entry *n, member *m)
{
    pgi_names *names = &rt->names;
    pgs_epoch *epoch = pgs_sched_epoch(rt->sched);
    add_relaxed(&names->tellers, 1); /* before it is taken out, under the lock by which pgi_names_clear sees it */
    pgs_epoch_visitor visitor = pgs_epoch_enter(epoch);
    urcu_bp_read_lock();
    lock_and_take_out(rt, n, m);
    pgs_delay(PGS_AT_END);
    urcu_bp_read_unlock();
    pgs_epoch_leave(epoch, visitor);
    sub_release(&names->tellers, 1); /* the last touch of this runtime; partner: pgi_names_clear */
}

static void named_ended(pgi_watch *watch, const pgi_end *end)
{
    (void)end;
    name_entry *n = container_of(watch, name_entry, who.watch);
    holder_ended(n->who.rt, n, NULL);
}

static void member_ended(pgi_watch *watch, const pgi_end *end)
{
    (void)end;
    member *m = container_of(watch, member, who.watch);
    holder_ended(m->who.rt, NULL, m);
}

/* Under the lock.  A process that has ended meanwhile: PG_ENOPROC, and it is to be taken out. */
static int watch_holder(holder *who, pgi_watch_told told)
{
    pg_exit_info exit;
    int status = pgi_watch_begin(&who->watch, who->rt, who->pid, told, &exit);
    return status == PG_EENDED ? PG_ENOPROC : status;
}

static void init_entry(entry *e, size_t bytes, bool is_group, char *text, const char *source)
{
    e->retired.bytes = bytes;
    e->is_group = is_group;
    e->text = memcpy(text, source, strlen(source) + 1);
}

/* Under the lock, as the following ones are. */
static int put_name(pg_runtime *rt, struct cds_lfht *table, const char *text, pg_pid pid)
{
    size_t bytes = sizeof(name_entry) + strlen(text) + 1;
    name_entry *n = pgi_alloc(bytes);
    if (!n) return PG_ENOMEM;
    init_entry(&n->entry, bytes, false, n->text, text);
    n->who.pid = pid;
    n->who.rt = rt;
    if (!put_in(table, &n->entry)) {
        pgi_free(n, bytes);
        return PG_ETAKEN;
    }
    int status = watch_holder(&n->who, named_ended);
    if (status != PG_OK) lock_and_take_out(rt, n, NULL);
    return status;
}

/* Under entries_lock, too.  NULL: memory is short. */
static group_entry *group_for(pg_runtime *rt, struct cds_lfht *table, const char *text)
{
    group_entry *g = find_group(&rt->names, text);
    if (g) return g;
    size_t bytes = sizeof(group_entry) + strlen(text) + 1;
    g = pgi_alloc_zero(bytes);
    if (!g) return NULL;
    init_entry(&g->entry, bytes, true, g->text, text);
    g->chain = &g->only_chain;
    g->chains = 1;
    pgs_assert(put_in(table, &g->entry));
    return g;
}

/* PG_ETAKEN: there is one of that pid. */
static int add_member(pg_runtime *rt, struct cds_lfht *table, const char *text, member *m)
{
    pthread_mutex_lock(&rt->names.entries_lock);
    group_entry *g = group_for(rt, table, text);
    int status = !g ? PG_ENOMEM : *find_member(g, m->who.pid) ? PG_ETAKEN : PG_OK;
    if (status == PG_OK) link_in(g, m);
    pthread_mutex_unlock(&rt->names.entries_lock);
    return status;
}

static int put_member(pg_runtime *rt, struct cds_lfht *table, const char *text, pg_pid pid)
{
    member *m = pgi_alloc(sizeof *m);
    if (!m) return PG_ENOMEM;
    m->retired.bytes = sizeof *m;
    m->who.pid = pid;
    m->who.rt = rt;
    int status = add_member(rt, table, text, m);
    if (status != PG_OK) {
        pgi_free(m, sizeof *m);
        return status == PG_ETAKEN ? PG_OK : status; /* it is a member already */
    }
    status = watch_holder(&m->who, member_ended);
    if (status != PG_OK) lock_and_take_out(rt, NULL, m);
    return status;
}

typedef int put_function(pg_runtime *rt, struct cds_lfht *table, const char *text, pg_pid pid);

static int put(pg_runtime *rt, const char *text, pg_pid pid, put_function *how)
{
    size_t length = text ? strnlen(text, LONGEST + 1) : 0;
    if (!rt || length == 0 || length > LONGEST) return PG_EINVAL;
    if (pgi_pid_node(pid) == 0) return PG_ENOPROC;
    if (load_relaxed(&rt->stopping)) return PG_ESTOPPED;
    pgi_visit visit;
    if (!enter(&visit, rt)) return PG_ESTOPPED;
    sweep(rt, false);
    struct cds_lfht *table = table_for(&rt->names);
    int status = table ? how(rt, table, text, pid) : PG_ENOMEM;
    leave(&visit, rt);
    return status;
}

int pg_register(pg_runtime *rt, const char *name, pg_pid pid)
{
    return put(rt, name, pid, put_name);
}

int pg_join(pg_runtime *rt, const char *group, pg_pid pid)
{
    return put(rt, group, pid, put_member);
}

/* Under the lock.  False: its process has ended meanwhile. */
static bool forget_name(name_entry *n)
{
    if (!lock_and_take_out(n->who.rt, n, NULL)) return false;
    pgi_watch_end(&n->who.watch, n->who.rt);
    return true;
}

static bool forget_member(member *m)
{
    if (!lock_and_take_out(m->who.rt, NULL, m)) return false;
    pgi_watch_end(&m->who.watch, m->who.rt);
    return true;
}

int pg_unregister(pg_runtime *rt, const char *name)
{
    if (!rt || !name) return PG_EINVAL;
    pgi_visit visit;
    if (!enter(&visit, rt)) return PG_ESTOPPED;
    entry *e = find(&rt->names, (wanted){name, false});
    bool forgotten = e && forget_name(name_of(e));
    leave(&visit, rt);
    return forgotten ? PG_OK : PG_ENOPROC;
}

/* Under the lock, by which it stays until it is forgotten. */
static member *member_with(pgi_names *names, const char *text, pg_pid pid)
{
    pthread_mutex_lock(&names->entries_lock);
    group_entry *g = find_group(names, text);
    member *m = g ? *find_member(g, pid) : NULL;
    pthread_mutex_unlock(&names->entries_lock);
    return m;
}

int pg_leave(pg_runtime *rt, const char *group, pg_pid pid)
{
    if (pid.id == 0) return PG_ENOPROC;
    if (!rt || !group) return PG_EINVAL;
    pgi_visit visit;
    if (!enter(&visit, rt)) return PG_ESTOPPED;
    member *m = member_with(&rt->names, group, pid);
    bool forgotten = m && forget_member(m);
    leave(&visit, rt);
    return forgotten ? PG_OK : PG_ENOPROC;
}

/* ------------------------------------------------------------------------------------------------------ looking up */

pg_pid pg_whereis(pg_runtime *rt, const char *name)
{
    pg_pid pid = {0};
    if (!rt || !name || !load_relaxed(&rt->names.table)) return pid;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    pgi_look_begin(&visit);
    urcu_bp_read_lock();
    entry *e = visit.rt ? find(&rt->names, (wanted){name, false}) : NULL;
    if (e) pid = name_of(e)->who.pid;
    urcu_bp_read_unlock();
    pgi_look_end(&visit);
    pgi_leave(&visit);
    return pid;
}

size_t pg_members(pg_runtime *rt, const char *group, size_t max, pg_pid *members)
{
    if (!rt || !group || (max > 0 && !members) || !load_relaxed(&rt->names.table)) return 0;
    size_t count = 0;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    pgi_look_begin(&visit);
    urcu_bp_read_lock();
    group_entry *g = visit.rt ? find_group(&rt->names, group) : NULL;
    member *m = g ? load_acquire(&g->first) : NULL; /* partners: link_in, take_out_member */
    for (; m; m = load_acquire(&m->after)) {
        if (count < max) members[count] = m->who.pid;
        count++;
    }
    urcu_bp_read_unlock();
    pgi_look_end(&visit);
    pgi_leave(&visit);
    return count;
}

int pg_broadcast_values(pg_runtime *rt, const char *group, size_t count, const pg_value *values)
{
    enum { FEW = 64 };
    pg_pid few[FEW], *members = few;
    if (!rt || !group) return PG_EINVAL;
    size_t room = FEW, found;
    while ((found = pg_members(rt, group, room, members)) > room) { /* outside of the look: sending looks itself */
        if (members != few) pgi_free(members, room * sizeof *members);
        room = found + found / 4;
        members = pgi_alloc(room * sizeof *members);
        if (!members) return PG_ENOMEM;
    }
    int sent = 0;
    for (size_t i = 0; i < found && sent >= 0; i++) {
        int status = pg_send_values(members[i], count, values);
        sent = status == PG_OK ? sent + 1 : status == PG_ENOPROC || status == PG_EFULL ? sent : status;
    }
    if (members != few) pgi_free(members, room * sizeof *members);
    return sent;
}

/* -------------------------------------------------------------------------------------------------------------- end */

/* Under the lock.  Whoever is told of an end meanwhile takes out, too, and the group goes with the last. */
static void clear(entry *e)
{
    if (!e->is_group) {
        forget_name(name_of(e));
        return;
    }
    for (member *m; (m = load_acquire(&group_of(e)->first)) != NULL;) forget_member(m); /* partner: take_out_member */
}

void pgi_names_clear(pg_runtime *rt)
{
    struct cds_lfht *table = load_relaxed(&rt->names.table);
    if (!table) return;
    pthread_mutex_lock(&rt->names.lock);
    struct cds_lfht_iter i;
    struct cds_lfht_node *node;
    urcu_bp_read_lock();
    cds_lfht_for_each(table, &i, node)
    {
        clear(entry_of(node));
    }
    urcu_bp_read_unlock();
    pthread_mutex_unlock(&rt->names.lock);
    /* Nothing is left to be told of, but by those who were faster than this. */
    while (load_acquire(&rt->names.tellers) > 0) sched_yield(); /* partner: process_ended */
    sweep(rt, true);
    pgs_assert(cds_lfht_destroy(table, NULL) == 0);
    store_relaxed(&rt->names.table, NULL);
}

void pgi_names_destroy(pgi_names *names)
{
    pthread_mutex_destroy(&names->lock);
    pthread_mutex_destroy(&names->entries_lock);
}
