/* exit.c - how a process ends, and what is remembered of it; and its target, with whose return most of them end.
 *
 * Every end is in the process's own code and on its own stack, in numbered steps:
 *
 *   1. clean-ups run, newest first.  One that fails comes back here by pgi_die(): the rest runs, the reason stays
 *   2. an abnormal exit is remembered, so that whoever asks later finds it
 *   3. under the lock: the pid becomes stale, watchers are told, the list of links is taken away
 *   4. those linked are told
 *   5. what it owned is freed; mail that it never saw is counted as dropped
 *   6. the slot goes back, clean (slots.h), to rest for a grace period
 *
 * One that returns from its target without receivers and clean-ups has little of all that to do: it comes to
 * leave_the_world_quietly().  All others come to pgi_finish().
 *
 * An end in the middle of the code gives up its stack: a green process by pgs_abandon(), a thread by longjmp() to its
 * base.  Neither unwinds the frames in between; that is what clean-ups are for.
 *
 * Where somebody has registered for it (pg_defer_unwinding()), the frames are left one by one before that, by an
 * exception: pgi_die() does not come back then, and the end goes on at the base, in pg_unwound().  Its reason, which
 * may stand in those frames, goes with it as a message, as if a terminate had asked for it: p->ending. */
#include <stdarg.h>

#include "extra.h"
#include "limit.h"
#include "link.h"
#include "runtime.h"

struct pgi_defer {
    pgi_defer *next;
    void (*f)(void *argument);
    void (*unwind)(void *argument); /* NULL: it is not for that */
    void *argument;
};

int pg_defer(pg_process *self, void (*f)(void *argument), void *argument)
{
    return pg_defer_unwinding(self, f, NULL, argument);
}

int pg_defer_unwinding(pg_process *self, void (*f)(void *argument), void (*unwind)(void *argument), void *argument)
{
    if (!self || !f) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    pgi_defer *defer = pgi_alloc(sizeof *defer);
    if (!defer) return PG_ENOMEM;
    *defer = (pgi_defer){.next = self->defers, .f = f, .unwind = unwind, .argument = argument};
    self->defers = defer;
    return PG_OK;
}

int pg_undefer(pg_process *self, void (*f)(void *argument), void *argument)
{
    if (!self || !f) return PG_EINVAL;
    for (pgi_defer **at = &self->defers; *at; at = &(*at)->next) {
        pgi_defer *defer = *at;
        if (defer->f != f || defer->argument != argument) continue;
        *at = defer->next;
        pgi_free(defer, sizeof *defer);
        return PG_OK;
    }
    return PG_EINVAL;
}

/* Those that are newer than `last`; NULL: all. */
static void run_defers(pg_process *p, const pgi_defer *last)
{
    while (p->defers != last) {
        pgi_defer defer = *p->defers;
        pgi_free(p->defers, sizeof *p->defers);
        p->defers = defer.next;
        defer.f(defer.argument);
    }
}

static const pgi_end returned = {.kind = PG_EXIT_NORMAL};

/* ----------------------------------------------------------------------------------------------- what is remembered */

void pgi_exits_add(pg_runtime *rt, const pg_exit_info *info)
{
    pthread_mutex_lock(&rt->exits_lock);
    pg_exit_info *at = &rt->exits[rt->exits_made++ % PGI_EXITS_KEPT];
    uint32_t generation = pgi_pid_generation(at->pid); /* 0 of one that is not in use yet */
    if (generation > load_relaxed(&rt->exits_forgotten)) store_relaxed(&rt->exits_forgotten, generation);
    *at = *info;
    pthread_mutex_unlock(&rt->exits_lock);
}

bool pgi_exits_find(pg_runtime *rt, pg_pid pid, pg_exit_info *info)
{
    bool found = false;
    pthread_mutex_lock(&rt->exits_lock);
    uint64_t kept = rt->exits_made < PGI_EXITS_KEPT ? rt->exits_made : PGI_EXITS_KEPT;
    for (uint64_t i = 0; i < kept && !found; i++) {
        found = pg_same(rt->exits[i].pid, pid);
        if (found) *info = rt->exits[i];
    }
    pthread_mutex_unlock(&rt->exits_lock);
    return found;
}

static void describe(pg_exit_info *info, pg_pid pid, const pgi_end *end)
{
    info->kind = end->kind;
    info->pid = pid;
    info->text[0] = '\0';
    if (end->text) snprintf(info->text, sizeof info->text, "%s", end->text);
}

static PGS_COLD void remember(pg_runtime *rt, pg_pid pid, const pgi_end *end)
{
    pg_exit_info info;
    describe(&info, pid, end);
    pgi_exits_add(rt, &info);
    if (rt->child) pgi_child_failed(&info);
}

static PGS_COLD void report(pg_process *p, pg_pid pid, const pgi_end *end)
{
    char who[256];
    pg_exit_info info;
    pgi_print out;
    describe(&info, pid, end);
    pgi_print_init(&out, who, sizeof who);
    pgi_print_process(&out, p, pid);
    pgi_log(p->rt, PG_LOG_FAILED, "process %s ended (%s): %s", who, pgi_exit_kind_name(info.kind), info.text);
}

/* --------------------------------------------------------------------------------------------------- the last steps */

/* Mostly there is one message, the one in whose handler the process has ended. */
static void drop_mail(pg_process *p, pg_runtime *rt, pgi_local *local, pgi_cache *cache)
{
    uint64_t dropped = 0;
    pgs_mpsc_node *node = p->mailbox.head;
    if (node != &p->mailbox.anchor) pgi_of_node(node)->flags |= PGI_CONSUMED;
    while ((node = pgs_mpsc_detach(&p->mailbox)) != NULL) {
        pg_message *msg = pgi_of_node(node);
        pgi_limits_dropped(rt, msg);
        dropped += pgi_message_is_sent(msg) && !(msg->flags & PGI_CONSUMED);
        msg->flags &= (uint8_t)~PGI_IN_MAILBOX;
        pgi_message_free(cache, msg);
    }
    if (dropped) pgi_count_dropped(rt, local, dropped);
}

/* The chain of those messages that it ends by and that are in no queue, the newest first. */
static pgs_mpsc_node *held_ends(const pg_process *p)
{
    return p->ending && p->ending->flags & PGI_LOOSE ? &p->ending->node : NULL;
}

void pgi_end_by(pg_process *p, pg_message *msg)
{
    if (msg->flags & PGI_LOOSE) {
        store_relaxed(&msg->node.next, held_ends(p));
    } else if (held_ends(p)) {
        return; /* it is in the mailbox, and goes with that */
    }
    p->ending = msg;
}

/* What one that ends in the middle of its code may have in its hands. */
static void free_what_it_held(pg_process *p, pgi_cache *cache)
{
    pgi_drop_received(p);
    if (p->current && p->current->flags & PGI_LOOSE) pgi_free_message(p->current);
    p->current = NULL;
    for (pgs_mpsc_node *node = held_ends(p), *next; node; node = next) {
        next = load_relaxed(&node->next);
        pgi_free_message(pgi_of_node(node));
    }
    p->ending = NULL;
    pgi_message_free(cache, p->args);
    p->args = &pgi_no_args;
    pgi_receivers_drop(p->receivers);
    p->receivers = NULL;
    p->scan = NULL;
}

/* Of one that has an extra block: no news comes any more, and then the mail can go; limits go behind it. */
static PGS_COLD void free_extra_and_mail(pg_process *p, pg_runtime *rt, pgi_local *local, pgi_cache *cache)
{
    pgi_limits *limits = p->extra->limits;
    if (limits) pgi_limits_close(p, limits);
    pgi_extra_free(p);
    p->scan = NULL;
    drop_mail(p, rt, local, cache);
    if (limits) pgi_limits_retire(p, limits);
}

static __attribute__((noinline)) size_t tell_watchers(pg_process *p, pgs_worker *w, pg_pid pid, const pgi_end *end)
{
    pg_exit_info info;
    describe(&info, pid, end);
    return pgi_watchers_tell(p, &info, end, w);
}

static PGS_COLD void tell_hub(pg_runtime *rt, pg_pid pid, const pgi_end *end)
{
    pg_exit_info info;
    describe(&info, pid, end);
    pgi_child_ended(rt, &info);
}

/* Steps 3 and 4, by a worker, or by a visitor or when the runtime has stopped: then `w` is NULL.  Returns how many were
 * told. */
static inline size_t part(pg_process *p, pgs_worker *w, pg_pid pid, const pgi_end *end)
{
    pgi_lock(p);
    pgi_link *links = p->links;
    bool looks = unlikely(links || p->watchers) && w;
    /* From before it is dying: the other ends keep their slots until they have been told. */
    if (unlikely(looks)) pgs_epoch_member_enter(pgs_worker_member(w));
    p->last_kind = (uint8_t)end->kind;
    p->dying = true;
    store_release(&p->id, 0); /* partner: the acquire in pgi_slot_holds */
    pgs_delay(PGS_AT_END);
    if (unlikely(links)) p->links = NULL;
    size_t told = unlikely(p->watchers) ? tell_watchers(p, w, pid, end) : 0;
    pgi_unlock(p);
    if (unlikely(links)) told += pgi_links_tell(p, pid, links, end);
    if (unlikely(looks)) pgs_epoch_member_leave(pgs_worker_member(w));
    return told;
}

/* The rest of step 5: whatever the process was doing, it may have had mail, and receives that looked for some. */
static inline void free_the_rest(pg_process *p, pg_runtime *rt, pgi_local *local, pgi_cache *cache)
{
    if (unlikely(p->extra)) {
        free_extra_and_mail(p, rt, local, cache);
    } else if (unlikely(!pgi_slot_has_no_mail(p))) {
        drop_mail(p, rt, local, cache);
    }
}

/* Steps 2 to 6. */
static void leave_the_world(pg_process *p, const pgi_end *end)
{
    pg_runtime *rt = p->rt;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt); /* without one, the runtime has stopped: nobody else is left */
    pgi_cache *cache = pgi_visit_cache(&visit);
    pg_pid pid = pgi_pid_of(p);
    bool abnormal = end->kind != PG_EXIT_NORMAL;
    pg_exit_info for_hub; /* for the text may be in a message that is freed before */
    if (unlikely(rt->child != NULL)) describe(&for_hub, pid, end);
    if (unlikely(abnormal)) remember(rt, pid, end);
    size_t told = part(p, visit.worker, pid, end);
    if (unlikely(abnormal && told == 0 && !end->no_news)) report(p, pid, end);
    free_what_it_held(p, cache);
    free_the_rest(p, rt, visit.local, cache);
    if (visit.rt && !p->attached) pgi_slot_return(&visit, p); /* an attached one keeps it until pg_detach() */
    if (unlikely(rt->child != NULL)) pgi_child_ended(rt, &for_hub);
    if (unlikely(load_relaxed(&rt->stopping))) pgs_parker_unpark(&rt->stopper);
    pgi_leave(&visit);
}

/* The same for one on a worker of its runtime that has returned from its target, and has nothing in its hands. */
static inline void leave_the_world_quietly(pg_process *p, pgs_worker *w)
{
    pgi_local *local = pgs_worker_local(w);
    pg_runtime *rt = local->rt;
    pg_pid pid = pgi_pid_of(p);
    p->phase = PGI_ENDING;
    part(p, w, pid, &returned);
    free_the_rest(p, rt, local, &local->cache);
    pgi_count_ended(rt, local);
    pgi_slot_give(rt, &local->slots, p);
    if (unlikely(rt->child != NULL)) tell_hub(rt, pid, &returned);
    if (unlikely(load_relaxed(&rt->stopping))) pgs_parker_unpark(&rt->stopper);
}

/* Where the reason is kept while the process ends. */
static const pgi_end **end_of(pg_process *p)
{
    pgi_host *host = p->kind == PG_GREEN ? NULL : p->host;
    return host ? &host->end : &p->end;
}

void pgi_finish(pg_process *p, const pgi_end *end)
{
    if (p->phase != PGI_ENDING) {
        p->phase = PGI_ENDING;
        *end_of(p) = end;
    }
    run_defers(p, NULL);
    leave_the_world(p, *end_of(p));
}

/* Takes the reason out of the frames that are about to be left.  False: memory is short. */
static bool keep(pg_process *p, const pgi_end *end)
{
    pg_message *msg;
    int status = pgi_message_build_exit(NULL, end->kind, end->text, end->error, (pg_pid){0}, PGI_TERMINATE, &msg);
    if (status != PG_OK && status != PG_ENOMEM) { /* the error is none */
        status = pgi_message_build_exit(NULL, end->kind, end->text, pg_v_nil(), (pg_pid){0}, PGI_TERMINATE, &msg);
    }
    if (status != PG_OK) return false;
    msg->flags |= (uint8_t)(PGI_LOOSE | (end->no_news ? PGI_NO_NEWS : 0));
    pgi_end_by(p, msg);
    return true;
}

static pgi_end kept(const pg_process *p)
{
    pgi_end end = pgi_end_asked_for(p->ending);
    end.no_news = p->ending->flags & PGI_NO_NEWS;
    return end;
}

/* Has the frames left one by one, if somebody has registered for that: then this does not come back, unless nothing is
 * to be left.  *own is room for the reason that holds from here on, which is returned. */
static PGS_COLD const pgi_end *unwind(pg_process *p, const pgi_end *end, pgi_end *own)
{
    const pgi_defer *who = p->defers;
    while (who && !who->unwind) who = who->next;
    if (!who) return end;
    if (p->phase != PGI_ENDING) {
        if (!keep(p, end)) return end;
        *own = kept(p);
        end = own;
        p->phase = PGI_ENDING;
        *end_of(p) = end;
    }
    run_defers(p, who); /* what they were given may be in the frames */
    who->unwind(who->argument);
    return end;
}

void pgi_die(pg_process *p, const pgi_end *end)
{
    pgi_end own;
    if (p->kind == PG_GREEN) {
        if (unlikely(p->defers)) end = unwind(p, end, &own);
        pgi_finish(p, end);
        pgs_abandon();
    }
    pgi_host *host = p->host;
    if (host->serving && p->defers) end = unwind(p, end, &own);
    if (!host->serving) {
        pgs_panic(__FILE__, __LINE__, "attached process \"%s\" ended outside pg_serve(): %s", pg_name(p),
                  end->text ? end->text : "pg_exit()");
    }
    pgi_finish(p, end);
    longjmp(host->base, 1);
}

/* ---------------------------------------------------------------------------------------------------------- targets */

static inline void run_target(pg_process *p)
{
    pg_target target = p->target;
    p->ending = NULL; /* in the place of the target */
    p->phase = PGI_RUNNING;
    store_relaxed(&p->flooded_on, 0);
    if (likely(target)) target(p);
    if (unlikely(p->received)) pgi_drop_received(p);
}

static inline void free_args(pg_process *p, pgi_cache *cache)
{
    pg_message *args = p->args;
    if (args == &pgi_no_args) return;
    p->args = &pgi_no_args;
    pgi_message_free(cache, args);
}

bool pgi_begin(pg_process *p)
{
    run_target(p);
    free_args(p, NULL);
    if (p->receivers) return false;
    pgi_finish(p, &returned);
    return true;
}

pgs_worker *pgi_begin_on(pgs_worker *w, pg_process *p)
{
    run_target(p);
    w = pgs_worker_still(w, &p->sleeper.task);
    free_args(p, pgi_cache_of(w));
    if (p->receivers) return NULL;
    if (likely(!p->defers)) {
        leave_the_world_quietly(p, w);
        return w;
    }
    pgi_finish(p, &returned);
    return pgs_worker_self();
}

/* -------------------------------------------------------------------------------------------------------- public */

static PGS_NORETURN void nobody(const char *what)
{
    pgs_panic(__FILE__, __LINE__, "%s: no process was given", what);
}

void pg_exit(pg_process *self)
{
    if (!self) nobody("pg_exit");
    pgi_die(self, &(pgi_end){.kind = PG_EXIT_NORMAL});
}

void pg_unwound(pg_process *self)
{
    if (!self) nobody("pg_unwound");
    if (self->phase != PGI_ENDING || !self->ending) pg_exit(self);
    const pgi_end end = kept(self);
    *end_of(self) = &end;
    pgi_die(self, &end);
}

void pg_fail(pg_process *self, const char *format, ...)
{
    char text[PGI_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!self) nobody(text);
    pgi_die(self, &(pgi_end){.kind = PG_EXIT_FAILED, .text = text, .error = pg_v_str(text)});
}

void pgi_error_text(char text[PGI_TEXT_MAX], pg_value error)
{
    bool is_long = error.body > PG_LONG_MARK; /* and not NULL, which is refused later */
    if ((error.head & 0xff) != PG_T_STR || !(is_long || pgi_value_is_inline(&error))) {
        pg_format_value(text, PGI_TEXT_MAX, error);
        return;
    }
    const pg_term as_term = {error.head, error.body}; /* of a short string: the same words */
    size_t length = pgi_value_count(error);
    const char *bytes = is_long ? pgi_value_text(error) : pgi_term_text(&as_term, &length);
    if (length >= PGI_TEXT_MAX) length = PGI_TEXT_MAX - 1;
    memcpy(text, bytes, length);
    text[length] = '\0';
}

void pg_fail_value(pg_process *self, pg_value error)
{
    char text[PGI_TEXT_MAX];
    pgi_error_text(text, error);
    if (!self) nobody(text);
    pgi_die(self, &(pgi_end){.kind = PG_EXIT_FAILED, .text = text, .error = error});
}
