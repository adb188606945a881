/* link.c - see link.h.
 *
 * Linking and ending are done under the locks of the two processes, not by messages, so that linking to one that is
 * just ending is decided at once.  What travels by message is the exit itself: it takes its turn in the mailbox, behind
 * all that the ended one had sent.
 *
 * Rejected: one lock for all links of a runtime (every spawn_link and every end would meet there). */
#include "link.h"

#include "far.h"
#include "limit.h"
#include "runtime.h"
#include "watch.h"

pgi_link *pgi_link_new(pg_process *a, pg_process *b)
{
    pgi_link *link = pgi_alloc(sizeof *link);
    if (!link) return NULL;
    link->side[0] = (struct pgi_link_side){.process = a};
    link->side[1] = (struct pgi_link_side){.process = b};
    link->far = (pg_pid){0};
    link->gone = false;
    link->unlinking = 0;
    store_relaxed(&link->references, 2);
    return link;
}

void pgi_link_free(pgi_link *link)
{
    pgi_free(link, sizeof *link);
}

static void drop(pgi_link *link)
{
    plain_read(link); /* stands for all that this side did with it */
    /* Release: what this side did; acquire: what the other did, before the memory goes.  Partner: the other side's
     * drop. */
    if (sub_acq_rel(&link->references, 1) == 1) pgi_link_free(link);
}

/* A signal that was sent in the link's own memory has been handled; or news, in a monitor's; or limits are left. */
void pgi_embedded_free(pg_message *message)
{
    if (message->kind == PGI_NEWS) {
        pgi_news_free(message);
    } else if (message->kind == PGI_RETIRED) {
        pgi_limits_free((pgi_limits *)(void *)message);
    } else {
        drop((pgi_link *)(void *)message);
    }
}

static struct pgi_link_side *side_of(pgi_link *link, const pg_process *p)
{
    return &link->side[link->side[0].process == p ? 0 : 1];
}

static pg_process *other_end(pgi_link *link, const pg_process *p)
{
    return link->side[link->side[0].process == p ? 1 : 0].process;
}

void pgi_link_insert(pgi_link *link, pg_process *p)
{
    struct pgi_link_side *side = side_of(link, p);
    side->prev = NULL;
    side->next = p->links;
    if (p->links) side_of(p->links, p)->prev = link;
    p->links = link;
}

static void take_out(pgi_link *link, pg_process *p)
{
    struct pgi_link_side *side = side_of(link, p);
    if (side->next) side_of(side->next, p)->prev = side->prev;
    if (side->prev) {
        side_of(side->prev, p)->next = side->next;
    } else {
        p->links = side->next;
    }
}

/* Whether a link in the list of one process is its link with the other. */
static bool leads_to(pgi_link *link, const pg_process *from, const pg_process *to, pg_pid far)
{
    return other_end(link, from) == to && pg_same(link->far, far) && !link->gone;
}

/* Both lists at once, as far as the shorter one goes. */
pgi_link *pgi_link_find(pg_process *a, pg_process *b, pg_pid far)
{
    pgi_link *in_a = a->links, *in_b = b->links;
    while (in_a && in_b) {
        if (leads_to(in_a, a, b, far)) return in_a;
        if (leads_to(in_b, b, a, far)) return in_b;
        in_a = side_of(in_a, a)->next;
        in_b = side_of(in_b, b)->next;
    }
    return NULL;
}

void pgi_lock_two(pg_process *a, pg_process *b)
{
    pgi_lock(a < b ? a : b);
    pgi_lock(a < b ? b : a);
}

void pgi_unlock_two(pg_process *a, pg_process *b)
{
    pgi_unlock(a);
    pgi_unlock(b);
}

void pgi_link_take_out(pgi_link *link)
{
    take_out(link, link->side[0].process);
    take_out(link, link->side[1].process);
}

void pgi_link_undo(pgi_link *link)
{
    pg_process *a = link->side[0].process, *b = link->side[1].process;
    pgi_lock_two(a, b);
    int gone = 0;
    if (!a->dying) {
        take_out(link, a);
        gone++;
    }
    take_out(link, b); /* the child that never was: nobody else could end it */
    b->dying = true;
    gone++;
    pgi_unlock_two(a, b);
    while (gone-- > 0) drop(link);
}

/* ------------------------------------------------------------------------------------------------ telling of ends */

/* An exit for the mailbox of another: in memory of its own, or, when small or when memory is short, in the link's,
 * which then belongs to the message.  Either way one side's reference is used up. */
static pg_message *make_signal(pgi_cache *cache, pgi_link *link, pg_pid pid, const pgi_end *end)
{
    pg_message *msg = NULL;
    bool small = end->kind == PG_EXIT_NORMAL && !end->text;
    if (!small && pgi_message_build_exit(cache, end->kind, end->text, end->error, pid, PGI_DOWN, &msg) == PG_ETOOMANY) {
        /* As deep as an error may be, one level more as part of an exit: the text has to do. */
        pgi_message_build_exit(cache, end->kind, end->text, pg_v_nil(), pid, PGI_DOWN, &msg);
    }
    if (!msg) return pgi_signal_build(link->signal, end->kind, small ? NULL : "(no memory)", pid, PGI_DOWN);
    drop(link);
    return msg;
}

void pgi_push_signal(pg_process *to, pg_message *msg)
{
    if (pgs_mpsc_push(&to->mailbox, &msg->node)) pgs_ready(to->rt->sched, &to->sleeper.task);
}

pgi_link *pgi_links_detach(pg_process *bridge, uint32_t node)
{
    pgi_link *detached = NULL;
    pgi_lock(bridge);
    for (pgi_link *link = bridge->links, *next; link; link = next) {
        next = link->side[1].next;
        if (pgi_pid_node(link->far) != node) continue;
        take_out(link, bridge);
        link->gone = true;
        link->side[1].next = detached;
        detached = link;
    }
    pgi_unlock(bridge);
    return detached;
}

/* `pid` has ended, one end of the link; the other one hears of it, whose side it is taken out of. */
static void tell_other_end(pgi_link *link, pg_process *other, pg_pid pid, const pgi_end *end)
{
    if (likely(link->far.id == 0)) {
        pgi_push_signal(other, make_signal(pgi_cache_here(other->rt), link, pid, end));
    } else if (other == link->side[0].process) {
        pgi_push_signal(other, make_signal(pgi_cache_here(other->rt), link, link->far, end));
    } else {
        pgi_tell_far(link->far, pid, other_end(link, other)->name, end);
        drop(link);
    }
}

size_t pgi_links_tell(pg_process *p, pg_pid pid, pgi_link *links, const pgi_end *end)
{
    size_t told = 0;
    for (pgi_link *link = links, *next; link; link = next) {
        next = side_of(link, p)->next;
        pg_process *other = other_end(link, p);
        pgs_delay(PGS_AT_LINK);
        pgi_lock(other);
        bool listens = !other->dying && !(unlikely(link->gone) && other == link->side[1].process);
        if (listens) take_out(link, other);
        bool counts = listens && likely(link->unlinking == 0);
        pgi_unlock(other);
        if (counts) {
            tell_other_end(link, other, pid, end);
            told++;
        } else if (listens) {
            drop(link);
        }
        drop(link);
    }
    return told;
}

/* -------------------------------------------------------------------------------------------------- link, unlink */

static int tell_at_once(pg_process *self, pg_pid pid)
{
    pg_exit_info info;
    int status = pg_why(pid, &info);
    if (status != PG_OK) return status == PG_ETIMEDOUT ? PG_ENOPROC : status;
    pg_message *msg;
    status = pgi_message_build_exit(pgi_cache_here(self->rt), info.kind, info.text, pg_v_nil(), pid, PGI_DOWN, &msg);
    if (status == PG_OK) pgi_push_signal(self, msg);
    return status;
}

static int link_in(pg_process *self, pg_pid pid, pgi_link *link)
{
    pg_process *other = pgi_slot_find(&self->rt->slots, pid);
    if (!other) {
        pgi_link_free(link);
        return tell_at_once(self, pid);
    }
    link->side[1].process = other;
    pgs_delay(PGS_AT_LINK);
    pgi_lock_two(self, other);
    bool ended = other->dying || !pgi_slot_is(other, pid);
    bool insert = !ended && !pgi_link_find(self, other, (pg_pid){0});
    if (insert) {
        pgi_link_insert(link, self);
        pgi_link_insert(link, other);
    }
    pgi_unlock_two(self, other);
    if (!insert) pgi_link_free(link);
    return ended ? tell_at_once(self, pid) : PG_OK;
}

static int check_pair(pg_process *self, pg_pid pid)
{
    if (!self) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    if (pgi_pid_node(pid) == 0) return PG_ENOPROC;
    return pg_same(pid, pgi_pid_of(self)) ? PG_EINVAL : PG_OK;
}

/* Whether a process is on another node; PG_EINVAL: in another runtime of this program. */
static int is_far(const pg_process *self, pg_pid pid, bool *far)
{
    *far = pgi_pid_node(pid) != self->rt->node;
    pg_runtime *other = *far ? pgi_hold_node(pgi_pid_node(pid)) : NULL;
    if (!other) return *far && load_relaxed(&self->rt->stopped) ? PG_ESTOPPED : PG_OK;
    pgi_release_node(pgi_pid_node(pid));
    return PG_EINVAL;
}

int pg_link(pg_process *self, pg_pid pid)
{
    bool far;
    int status = check_pair(self, pid);
    if (status == PG_OK) status = is_far(self, pid, &far);
    if (status != PG_OK) return status;
    if (far) return pgi_link_far(self, pid);
    pgi_link *link = pgi_link_new(self, NULL);
    if (!link) return PG_ENOMEM;
    pgi_visit visit;
    pgi_visit_runtime(&visit, self->rt);
    if (visit.rt) {
        pgi_look_begin(&visit);
        status = link_in(self, pid, link);
        pgi_look_end(&visit);
    } else {
        pgi_link_free(link);
        status = PG_ESTOPPED;
    }
    pgi_leave(&visit);
    return status;
}

int pg_unlink(pg_process *self, pg_pid pid)
{
    bool far;
    int status = check_pair(self, pid);
    if (status == PG_OK) status = is_far(self, pid, &far);
    if (status != PG_OK) return status;
    if (far) return pgi_unlink_far(self, pid);
    pgi_visit visit;
    pgi_visit_runtime(&visit, self->rt);
    pgi_look_begin(&visit);
    pg_process *other = visit.rt ? pgi_slot_find(&self->rt->slots, pid) : NULL;
    if (other) {
        pgi_lock_two(self, other);
        pgi_link *link = other->dying ? NULL : pgi_link_find(self, other, (pg_pid){0});
        if (link) {
            take_out(link, self);
            take_out(link, other);
        }
        pgi_unlock_two(self, other);
        if (link) pgi_link_free(link);
    }
    pgi_look_end(&visit);
    pgi_leave(&visit);
    return other ? PG_OK : visit.rt ? PG_ENOPROC : PG_ESTOPPED;
}

/* ------------------------------------------------------------------------------------------------------ watchers */

void pgi_watcher_insert(pg_process *p, pgi_watcher *watcher)
{
    watcher->listed = true;
    watcher->prev = NULL;
    watcher->next = p->watchers;
    if (p->watchers) p->watchers->prev = watcher;
    p->watchers = watcher;
}

void pgi_watcher_remove(pg_process *p, pgi_watcher *watcher)
{
    if (watcher->next) watcher->next->prev = watcher->prev;
    if (watcher->prev) {
        watcher->prev->next = watcher->next;
    } else {
        p->watchers = watcher->next;
    }
    watcher->listed = false;
}

/* The last touch of the watcher is the exchange: from there on it is its owner's, or, where that is a thread or of
 * another runtime, from when the lock is open: see watch() in wait.c. */
static void wake_watcher(pgi_watcher *w, pgs_worker *worker)
{
    pgi_sleeper *sleeper = w->sleeper;
    pgs_sched *sched = w->sched;
    if (xchg_acq_rel(&sleeper->token, PGI_TOLD) != PGI_WAITING) return; /* partners: as in pgi_sleeper_wake; watch */
    if (likely(worker && pgs_worker_sched(worker) == sched)) {
        pgs_ready_on(worker, &sleeper->task);
    } else {
        pgs_ready(sched, &sleeper->task);
    }
}

size_t pgi_watchers_tell(pg_process *p, const pg_exit_info *info, const pgi_end *end, pgs_worker *worker)
{
    size_t told = 0;
    for (pgi_watcher *w = p->watchers, *next; w; w = next, told++) {
        next = w->next;
        w->listed = false;
        if (unlikely(!w->sleeper)) {
            w->tell(w, info, end);
            continue;
        }
        plain_write(w->info);
        w->info->kind = info->kind;
        w->info->pid = info->pid;
        w->info->text[0] = '\0';
        if (info->text[0]) memcpy(w->info->text, info->text, strlen(info->text) + 1);
        wake_watcher(w, worker);
    }
    p->watchers = NULL;
    return told;
}
