/* names.c - see names.h.
 *
 * A name is an entry in a hash table of liburcu's, which is read without a lock.  Its entry has a watch of its process
 * (watch.h), which takes it out when that ends: the process itself knows nothing of its names, wherever it lives.  A
 * member of a group is an entry, too, so a group is the entries of members that have one text.
 *
 * Invariants:
 *   1. Whoever takes an entry out of the table, which only one can, retires it.
 *   2. An entry is put into the table before its process is watched, so that no end is missed, under the lock, so that
 *      nobody else ends a watch that has not begun.  Who tells of an end has the process's lock, and does not ask for
 *      this one.
 *   3. What is retired is freed an epoch of grace later (sched/epoch.h): whoever walks the table looks, as those do who
 *      look for a slot.  The read lock is only what cds_lfht asks for; every way in takes it, once.
 *   4. Who tells of an end takes the entry out and retires it under one hold of `retired_lock`, so that clearing the
 *      table finds it in one place or the other, or waits.  He may be of another runtime, and counts in `tellers` from
 *      before that until he has left this one: clearing waits for him.
 *
 * Rejected: liburcu's own grace periods, which somebody would have to wait for, or a thread of its own.  A table that
 * grows: liburcu does so in a thread of its own, too. */
#include "names.h"

#include <sched.h>
#include <urcu/urcu-bp.h>

#include <urcu/rculfhash.h>

#include "runtime.h"
#include "watch.h"

enum { BUCKETS = 4096, LONGEST = 255 };

struct pgi_name {
    struct cds_lfht_node node;
    pgi_watch watch;
    pg_pid pid;
    bool is_member; /* of a group, and not who has the name */
    pg_runtime *rt;
    pgi_name *next; /* when it is retired */
    uint64_t stamp; /* likewise: since when */
    size_t length;
    _Atomic(bool) ready; /* liburcu is not compiled with sanitizers, which take the order from here */
    char text[];
};

static pgi_name *entry_of(struct cds_lfht_node *node)
{
    return container_of(node, pgi_name, node);
}

static size_t bytes_of(const pgi_name *n)
{
    return sizeof *n + n->length + 1;
}

/* FNV-1a (Fowler, Noll, Vo). */
static unsigned long hash_of(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return (unsigned long)(hash ^ hash >> 32);
}

/* What is looked for. */
typedef struct wanted {
    const char *text;
    pg_pid pid; /* null: whoever */
    bool is_member;
} wanted;

static int is_wanted(struct cds_lfht_node *node, const void *key)
{
    const wanted *w = key;
    pgi_name *n = entry_of(node);
    if (!load_acquire(&n->ready) || n->is_member != w->is_member) return 0; /* partner: make */
    return (w->pid.id == 0 || pg_same(w->pid, n->pid)) && strcmp(n->text, w->text) == 0;
}

/* ------------------------------------------------------------------------------------------------------- the table */

void pgi_names_init(pgi_names *names)
{
    pthread_mutex_init(&names->lock, NULL);
    pthread_mutex_init(&names->retired_lock, NULL);
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

/* In a look. */
static pgi_name *find(pgi_names *names, wanted w)
{
    struct cds_lfht *table = load_acquire(&names->table); /* partner: table_for */
    if (!table) return NULL;
    struct cds_lfht_iter found;
    cds_lfht_lookup(table, hash_of(w.text), is_wanted, &w, &found);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&found);
    return node ? entry_of(node) : NULL;
}

static bool put_in(struct cds_lfht *table, pgi_name *n)
{
    const wanted w = {n->text, n->is_member ? n->pid : (pg_pid){0}, n->is_member};
    return cds_lfht_add_unique(table, hash_of(n->text), is_wanted, &w, &n->node) == &n->node;
}

/* Whether this caller has taken it out. */
static bool take_out(pgi_name *n)
{
    return cds_lfht_del(load_relaxed(&n->rt->names.table), &n->node) == 0;
}

/* --------------------------------------------------------------------------------------------------------- retiring */

/* Takes it out, if it is in, to be freed later.  Whether this caller has. */
static bool retire(pgi_name *n)
{
    pgi_names *names = &n->rt->names;
    pthread_mutex_lock(&names->retired_lock);
    bool taken = take_out(n);
    if (taken) {
        n->stamp = pgs_epoch_now(pgs_sched_epoch(n->rt->sched));
        n->next = names->retired;
        names->retired = n;
    }
    pthread_mutex_unlock(&names->retired_lock);
    return taken;
}

/* Frees what nobody looks at any more; with `all`, all. */
static void sweep(pg_runtime *rt, bool all)
{
    pgs_epoch *epoch = pgs_sched_epoch(rt->sched);
    pthread_mutex_lock(&rt->names.retired_lock);
    if (!all && rt->names.retired) pgs_epoch_try_advance(epoch);
    for (pgi_name **at = &rt->names.retired; *at;) {
        pgi_name *n = *at;
        if (all || pgs_epoch_passed(epoch, n->stamp)) {
            *at = n->next;
            pgi_free(n, bytes_of(n));
        } else {
            at = &n->next;
        }
    }
    pthread_mutex_unlock(&rt->names.retired_lock);
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

/* By whoever tells, under a lock of his; he may be of another runtime, and is a visitor in the epoch of this one. */
static void process_ended(pgi_watch *watch, const pgi_end *end)
{
    (void)end;
    pgi_name *n = container_of(watch, pgi_name, watch);
    pgi_names *names = &n->rt->names;
    pgs_epoch *epoch = pgs_sched_epoch(n->rt->sched);
    add_relaxed(&names->tellers, 1); /* before `n` is taken out, under the lock by which pgi_names_clear sees it */
    pgs_epoch_visitor visitor = pgs_epoch_enter(epoch);
    urcu_bp_read_lock();
    retire(n);
    pgs_delay(PGS_AT_END);
    urcu_bp_read_unlock();
    pgs_epoch_leave(epoch, visitor);
    sub_release(&names->tellers, 1); /* the last touch of this runtime; partner: pgi_names_clear */
}

static pgi_name *make(pg_runtime *rt, const char *name, size_t length, pg_pid pid, bool is_member)
{
    pgi_name *n = pgi_alloc(sizeof *n + length + 1);
    if (!n) return NULL;
    cds_lfht_node_init(&n->node);
    n->pid = pid;
    n->is_member = is_member;
    n->rt = rt;
    n->length = length;
    memcpy(n->text, name, length + 1);
    store_release(&n->ready, true); /* partner: is_wanted */
    return n;
}

/* Under the lock, in a look. */
static int put_up(pg_runtime *rt, pgi_name *n)
{
    struct cds_lfht *table = table_for(&rt->names);
    if (!table || !put_in(table, n)) {
        pgi_free(n, bytes_of(n));
        return table ? PG_ETAKEN : PG_ENOMEM;
    }
    pg_exit_info exit;
    int status = pgi_watch_begin(&n->watch, rt, n->pid, process_ended, &exit);
    if (status != PG_OK) retire(n);
    return status == PG_EENDED ? PG_ENOPROC : status;
}

static int put(pg_runtime *rt, const char *name, pg_pid pid, bool is_member)
{
    size_t length = name ? strnlen(name, LONGEST + 1) : 0;
    if (!rt || length == 0 || length > LONGEST) return PG_EINVAL;
    if (pgi_pid_node(pid) == 0) return PG_ENOPROC;
    if (load_relaxed(&rt->stopping)) return PG_ESTOPPED;
    pgi_name *n = make(rt, name, length, pid, is_member);
    if (!n) return PG_ENOMEM;
    pgi_visit visit;
    if (!enter(&visit, rt)) {
        pgi_free(n, bytes_of(n));
        return PG_ESTOPPED;
    }
    sweep(rt, false);
    int status = put_up(rt, n);
    leave(&visit, rt);
    return status;
}

int pg_register(pg_runtime *rt, const char *name, pg_pid pid)
{
    return put(rt, name, pid, false);
}

int pg_join(pg_runtime *rt, const char *group, pg_pid pid)
{
    int status = put(rt, group, pid, true);
    return status == PG_ETAKEN ? PG_OK : status; /* it is a member already */
}

/* Under the lock.  False: its process has ended meanwhile. */
static bool forget(pgi_name *n)
{
    if (!retire(n)) return false;
    pgi_watch_end(&n->watch, n->rt);
    return true;
}

static int take(pg_runtime *rt, wanted w)
{
    if (!rt || !w.text) return PG_EINVAL;
    pgi_visit visit;
    if (!enter(&visit, rt)) return PG_ESTOPPED;
    pgi_name *n = find(&rt->names, w);
    bool forgotten = n && forget(n);
    leave(&visit, rt);
    return forgotten ? PG_OK : PG_ENOPROC;
}

int pg_unregister(pg_runtime *rt, const char *name)
{
    return take(rt, (wanted){.text = name});
}

int pg_leave(pg_runtime *rt, const char *group, pg_pid pid)
{
    return pid.id == 0 ? PG_ENOPROC : take(rt, (wanted){group, pid, true});
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
    const pgi_name *n = visit.rt ? find(&rt->names, (wanted){.text = name}) : NULL;
    if (n) pid = n->pid;
    urcu_bp_read_unlock();
    pgi_look_end(&visit);
    pgi_leave(&visit);
    return pid;
}

size_t pg_members(pg_runtime *rt, const char *group, size_t max, pg_pid *members)
{
    if (!rt || !group || (max > 0 && !members) || !load_relaxed(&rt->names.table)) return 0;
    const wanted w = {.text = group, .is_member = true};
    size_t count = 0;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    pgi_look_begin(&visit);
    urcu_bp_read_lock();
    struct cds_lfht *table = visit.rt ? load_acquire(&rt->names.table) : NULL; /* partner: table_for */
    struct cds_lfht_iter i = {0};
    if (table) cds_lfht_lookup(table, hash_of(group), is_wanted, &w, &i);
    for (struct cds_lfht_node *node; (node = cds_lfht_iter_get_node(&i)) != NULL; count++) {
        if (count < max) members[count] = entry_of(node)->pid;
        cds_lfht_next_duplicate(table, is_wanted, &w, &i);
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
        forget(entry_of(node));
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
    pthread_mutex_destroy(&names->retired_lock);
}
