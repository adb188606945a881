/* names.c - see names.h.
 *
 * A name is an entry in a hash table of liburcu's, which is read without a lock.  Its entry has a watch of its process
 * (watch.h), which takes it out when that ends: the process itself knows nothing of its names, wherever it lives.
 *
 * Invariants:
 *   1. Whoever takes an entry out of the table, which only one can, retires it.
 *   2. An entry is put into the table before its process is watched, so that no end is missed, under the lock, so that
 *      nobody else ends a watch that has not begun.  Who tells of an end has the process's lock, and does not ask for
 *      this one.
 *   3. What is retired is freed an epoch of grace later (sched/epoch.h): whoever walks the table looks, as those do who
 *      look for a slot.  The read lock is only what cds_lfht asks for; every way in takes it, once.
 *   4. Who tells of an end takes the entry out and retires it under one hold of `retired_lock`, so that clearing the
 *      table finds it in one place or the other, or waits.
 *
 * Rejected: liburcu's own grace periods, which somebody would have to wait for, or a thread of its own.  A table that
 * grows: liburcu does so in a thread of its own, too. */
#include "names.h"

#include <urcu/urcu-bp.h>

#include <urcu/rculfhash.h>

#include "runtime.h"
#include "watch.h"

enum { BUCKETS = 4096, LONGEST = 255 };

struct pgi_name {
    struct cds_lfht_node node;
    pgi_watch watch;
    pg_pid pid;
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

static int has_name(struct cds_lfht_node *node, const void *name)
{
    pgi_name *n = entry_of(node);
    return load_acquire(&n->ready) && strcmp(n->text, name) == 0; /* partner: make */
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

/* Within a look, or under the lock. */
static pgi_name *find(pgi_names *names, const char *name)
{
    struct cds_lfht *table = load_acquire(&names->table); /* partner: table_for */
    if (!table) return NULL;
    struct cds_lfht_iter found;
    cds_lfht_lookup(table, hash_of(name), has_name, name, &found);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&found);
    return node ? entry_of(node) : NULL;
}

static bool put_in(struct cds_lfht *table, pgi_name *n)
{
    return cds_lfht_add_unique(table, hash_of(n->text), has_name, n->text, &n->node) == &n->node;
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

/* By whoever tells, under a lock of his; he may be of another runtime, and is a guest in the epoch of this one. */
static void process_ended(pgi_watch *watch, const pgi_end *end)
{
    (void)end;
    pgi_name *n = container_of(watch, pgi_name, watch);
    pgs_epoch *epoch = pgs_sched_epoch(n->rt->sched);
    pgs_epoch_guest guest = pgs_epoch_enter(epoch);
    urcu_bp_read_lock();
    retire(n);
    urcu_bp_read_unlock();
    pgs_epoch_leave(epoch, guest);
}

static pgi_name *make(pg_runtime *rt, const char *name, size_t length, pg_pid pid)
{
    pgi_name *n = pgi_alloc(sizeof *n + length + 1);
    if (!n) return NULL;
    cds_lfht_node_init(&n->node);
    n->pid = pid;
    n->rt = rt;
    n->length = length;
    memcpy(n->text, name, length + 1);
    store_release(&n->ready, true); /* partner: has_name */
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

int pg_register(pg_runtime *rt, const char *name, pg_pid pid)
{
    size_t length = name ? strnlen(name, LONGEST + 1) : 0;
    if (!rt || length == 0 || length > LONGEST) return PG_EINVAL;
    if (load_relaxed(&rt->stopping)) return PG_ESTOPPED;
    pgi_name *n = make(rt, name, length, pid);
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

/* Under the lock.  False: its process has ended meanwhile. */
static bool forget(pgi_name *n)
{
    if (!retire(n)) return false;
    pgi_watch_end(&n->watch, n->rt);
    return true;
}

int pg_unregister(pg_runtime *rt, const char *name)
{
    if (!rt || !name) return PG_EINVAL;
    pgi_visit visit;
    if (!enter(&visit, rt)) return PG_ESTOPPED;
    pgi_name *n = find(&rt->names, name);
    bool forgotten = n && forget(n);
    leave(&visit, rt);
    return forgotten ? PG_OK : PG_ENOPROC;
}

pg_pid pg_whereis(pg_runtime *rt, const char *name)
{
    pg_pid pid = {0};
    if (!rt || !name || !load_relaxed(&rt->names.table)) return pid;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    pgi_look_begin(&visit);
    urcu_bp_read_lock();
    const pgi_name *n = visit.rt ? find(&rt->names, name) : NULL;
    if (n) pid = n->pid;
    urcu_bp_read_unlock();
    pgi_look_end(&visit);
    pgi_leave(&visit);
    return pid;
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
    sweep(rt, true);
    pgs_assert(cds_lfht_destroy(table, NULL) == 0);
    store_relaxed(&rt->names.table, NULL);
}

void pgi_names_destroy(pgi_names *names)
{
    pthread_mutex_destroy(&names->lock);
    pthread_mutex_destroy(&names->retired_lock);
}
