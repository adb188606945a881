/* watch.c - see watch.h.
 *
 * A monitor is the watch of one process by another, with the memory for the message that tells of the end.  Its owner
 * finds it by its ref in a table of its own.  The message, of kind PGI_NEWS, is an ordinary one, but that it is
 * received only while its monitor is in that table: so taking a monitor back is taking it out, wherever its message is,
 * and who has no monitors pays nothing for that.
 *
 * Invariants:
 *   1. The table is its owner's alone.  A monitor leaves it when its message is received, when it is taken back, or
 *      when its owner ends.
 *   2. `references`: one is the table's, one the watch's.  That becomes the message's when the watch is told, if the
 *      message lies in the monitor.
 *   3. An owner that ends ends its watches before its mailbox is emptied: nothing is put there afterwards.
 *
 * Rejected: looking for the message in the mailbox when a monitor is taken back, which takes as long as that is full.
 * One-way links: an owner could not find one among many, nor tell two of the same process apart. */
#include "watch.h"

#include "extra.h"
#include "far.h"
#include "runtime.h"

/* ---------------------------------------------------------------------------------------------------------- watches */

static void told_here(pgi_watcher *watcher, const pg_exit_info *info, const pgi_end *end)
{
    (void)info;
    pgi_watch *watch = container_of(watcher, pgi_watch, here);
    watch->told(watch, end);
}

static void tell_exit(pgi_watch *watch, const pg_exit_info *exit)
{
    const pgi_end end = {.kind = exit->kind, .text = exit->text[0] ? exit->text : NULL, .error = pg_v_nil()};
    watch->told(watch, &end);
}

static void told_far(pgi_question *question, int status, const pg_exit_info *exit)
{
    pgi_watch *watch = container_of(question, pgi_watch, far);
    pg_exit_info known = {.kind = PG_EXIT_UNKNOWN};
    if (status == PG_OK && exit) {
        tell_exit(watch, exit);
    } else if (status == PG_ENOPROC && pgi_look_back_far(watch->pid, &known) == PG_OK) {
        tell_exit(watch, &known);
    } else {
        watch->told(watch, &(pgi_end){.kind = PG_EXIT_UNKNOWN, .text = pg_strerror(status), .error = pg_v_nil()});
    }
}

static int begin_far(pgi_watch *watch, pg_pid pid, pg_exit_info *exit)
{
    watch->is_far = true;
    int status = pgi_ask_to_be_told(&watch->far, pid, told_far);
    if (status != PG_ENOPROC) return status;
    return pgi_look_back_far(pid, exit) == PG_OK ? PG_EENDED : PG_ENOPROC;
}

/* The runtime of the process, if it is one of this program: its own, or one to be left by leave(). */
static pg_runtime *enter(pg_runtime *own, pg_pid pid)
{
    return pgi_pid_node(pid) == own->node ? own : pgi_hold_node(pgi_pid_node(pid));
}

static void leave(const pg_runtime *own, pg_pid pid)
{
    if (pgi_pid_node(pid) != own->node) pgi_release_node(pgi_pid_node(pid));
}

int pgi_watch_begin(pgi_watch *watch, pg_runtime *own, pg_pid pid, pgi_watch_told told, pg_exit_info *exit)
{
    if (pgi_pid_node(pid) == 0) return PG_ENOPROC;
    watch->told = told;
    watch->pid = pid;
    watch->is_far = false;
    pg_runtime *rt = enter(own, pid);
    if (!rt) return begin_far(watch, pid, exit);
    watch->here = (pgi_watcher){.tell = told_here};
    int status = pgi_look(rt, pid, &watch->here, exit);
    leave(own, pid);
    return status == PG_ETIMEDOUT ? PG_OK : status == PG_OK ? PG_EENDED : status;
}

bool pgi_watch_end(pgi_watch *watch, pg_runtime *own)
{
    if (watch->is_far) return pgi_ask_no_more(&watch->far);
    pg_runtime *rt = enter(own, watch->pid);
    if (!rt) return false;                               /* all its processes have ended */
    pg_process *p = pgi_slot_of(&rt->slots, watch->pid); /* whoever lives there now: it is the lock that counts */
    pgi_lock(p);
    bool listed = watch->here.listed;
    if (listed) pgi_watcher_remove(p, &watch->here);
    pgi_unlock(p);
    leave(own, watch->pid);
    return listed;
}

/* --------------------------------------------------------------------------------------------------------- monitors */

typedef struct pgi_monitor pgi_monitor;
struct pgi_monitor {
    /* First: the message, when memory is short, or small. */
    _Alignas(16) unsigned char news[PGI_NEWS_BYTES];
    pgi_watch watch;
    pgi_monitor *next; /* in its bucket */
    pg_ref ref;
    pg_process *owner;
    pg_pid owner_pid;
    _Atomic(uint32_t) references;
};

/* A hash table, of a power of two of buckets; as many monitors as buckets at most, unless memory is short.  Refs are
 * numbers in a row, and hash themselves. */
struct pgi_monitors {
    size_t count, buckets;
    pgi_monitor *bucket[];
};

enum { FEWEST_BUCKETS = 8 };

static void drop(pgi_monitor *m)
{
    /* Release: what this side did; acquire: what the other did, before the memory goes.  Partner: the other drop. */
    if (sub_acq_rel(&m->references, 1) == 1) pgi_free(m, sizeof *m);
}

void pgi_news_free(pg_message *msg)
{
    drop((pgi_monitor *)(void *)msg);
}

static size_t table_bytes(size_t buckets)
{
    return sizeof(pgi_monitors) + buckets * sizeof(pgi_monitor *);
}

static pgi_monitor **bucket_of(pgi_monitors *t, pg_ref ref)
{
    return &t->bucket[ref.id & (t->buckets - 1)];
}

static void put_in(pgi_monitors *t, pgi_monitor *m)
{
    pgi_monitor **bucket = bucket_of(t, m->ref);
    m->next = *bucket;
    *bucket = m;
    t->count++;
}

/* A table with room for one more; NULL: memory is short, and there is none at all. */
static pgi_monitors *with_room(pgi_extra *extra)
{
    pgi_monitors *t = extra->monitors;
    if (t && t->count < t->buckets) return t;
    size_t buckets = t ? 2 * t->buckets : FEWEST_BUCKETS;
    pgi_monitors *larger = pgi_alloc_zero(table_bytes(buckets));
    if (!larger) return t;
    larger->buckets = buckets;
    for (size_t i = 0; t && i < t->buckets; i++) {
        for (pgi_monitor *m = t->bucket[i], *next; m; m = next) {
            next = m->next;
            put_in(larger, m);
        }
    }
    if (t) pgi_free(t, table_bytes(t->buckets));
    extra->monitors = larger;
    return larger;
}

/* Where the monitor of this ref hangs; where it would, if there is none; NULL: there are no monitors. */
static pgi_monitor **find(const pg_process *p, pg_ref ref)
{
    pgi_monitors *t = p->extra ? p->extra->monitors : NULL;
    if (!t) return NULL;
    pgi_monitor **at = bucket_of(t, ref);
    while (*at && (*at)->ref.id != ref.id) at = &(*at)->next;
    return at;
}

static pgi_monitor *take_out(pg_process *p, pg_ref ref)
{
    pgi_monitor **at = find(p, ref);
    pgi_monitor *m = at ? *at : NULL;
    if (!m) return NULL;
    *at = m->next;
    p->extra->monitors->count--;
    return m;
}

static pg_ref ref_of(const pg_message *news)
{
    return (pg_ref){pgi_message_terms(news)[1].body};
}

bool pgi_news_is_wanted(const pg_process *p, const pg_message *msg)
{
    pgi_monitor **at = find(p, ref_of(msg));
    return at && *at;
}

bool pgi_news_take(pg_process *p, const pg_message *msg)
{
    pgi_monitor *m = take_out(p, ref_of(msg));
    if (m) drop(m);
    return m != NULL;
}

/* The message, in memory of its own, or, when small or when memory is short, in the monitor's.  The watch's reference
 * is used up, or the message's now. */
static pg_message *make_news(pgi_monitor *m, const pgi_end *end)
{
    pgi_cache *cache = pgi_cache_here(NULL);
    pg_message *msg = NULL;
    pg_pid pid = m->watch.pid;
    bool small = end->kind == PG_EXIT_NORMAL && !end->text;
    if (!small && pgi_message_build_news(cache, m->ref, pid, end->kind, end->text, end->error, &msg) == PG_ETOOMANY) {
        /* As deep as an error may be, one level more as part of an exit: the text has to do. */
        pgi_message_build_news(cache, m->ref, pid, end->kind, end->text, pg_v_nil(), &msg);
    }
    if (!msg) return pgi_news_build(m->news, m->ref, pid, end->kind, small ? NULL : "(no memory)");
    drop(m);
    return msg;
}

/* To one of the runtime that the teller is in, who looks: the watch was listed, so the owner has not ended its watches,
 * and has its mailbox.  From elsewhere it is found by its pid. */
static void tell_owner(pgi_watch *watch, const pgi_end *end)
{
    pgi_monitor *m = container_of(watch, pgi_monitor, watch);
    pg_process *owner = m->owner;
    pg_pid pid = m->owner_pid;
    bool at_home = !watch->is_far && pgi_pid_node(watch->pid) == pgi_pid_node(pid);
    pg_message *msg = make_news(m, end);
    if (at_home) {
        pgi_push_signal(owner, msg);
    } else {
        pgi_send(pid, msg);
    }
}

static int monitor(pg_process *self, pg_pid pid, pgi_monitor *m)
{
    pg_exit_info exit = {.kind = PG_EXIT_UNKNOWN};
    int status = pgi_watch_begin(&m->watch, self->rt, pid, tell_owner, &exit);
    if (status == PG_OK) return PG_OK;
    if (status == PG_EENDED) {
        tell_exit(&m->watch, &exit);
        return PG_OK;
    }
    take_out(self, m->ref);
    pgi_free(m, sizeof *m);
    return status;
}

int pg_monitor(pg_process *self, pg_pid pid, pg_ref *ref)
{
    if (!self || pg_same(pid, pgi_pid_of(self))) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    if (load_relaxed(&self->rt->stopped)) return PG_ESTOPPED;
    pgi_extra *extra = pgi_extra_of(self, 0);
    pgi_monitors *table = extra ? with_room(extra) : NULL;
    pgi_monitor *m = table ? pgi_alloc(sizeof *m) : NULL;
    if (!m) return PG_ENOMEM;
    m->ref = pg_make_ref();
    m->owner = self;
    m->owner_pid = pgi_pid_of(self);
    store_relaxed(&m->references, 2);
    pg_ref made = m->ref;
    put_in(table, m);
    int status = monitor(self, pid, m);
    if (status == PG_OK && ref) *ref = made;
    return status;
}

static void end_monitor(pg_process *self, pgi_monitor *m)
{
    if (pgi_watch_end(&m->watch, self->rt)) drop(m);
    drop(m);
}

int pg_demonitor(pg_process *self, pg_ref ref)
{
    pgi_monitor *m = self ? take_out(self, ref) : NULL;
    if (!m) return PG_EINVAL;
    end_monitor(self, m);
    return PG_OK;
}

void pgi_monitors_free(pg_process *p)
{
    pgi_monitors *t = p->extra->monitors;
    if (!t) return;
    for (size_t i = 0; i < t->buckets; i++) {
        for (pgi_monitor *m = t->bucket[i], *next; m; m = next) {
            next = m->next;
            end_monitor(p, m);
        }
    }
    pgi_free(t, table_bytes(t->buckets));
    p->extra->monitors = NULL;
}
