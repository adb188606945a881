/* idle.c - how workers go to sleep and are woken: with no processor time when there is no work, no wake-up that nobody
 * needs, and no task forgotten.
 *
 * The hand-over (after Go's scheduler, "proc.go", the essay on worker thread parking):
 *
 *   submit: put the task into a queue; fence; if somebody parks and nobody searches, wake one
 *   park:   stop searching; set the bit in `idle`; fence; look into every queue once more; sleep
 *
 * The two fences order each side's write before its read, so either the submitter sees the bit (or a searcher, who will
 * look), or the worker sees the task.  A searcher that finds something else than what was submitted meanwhile passes
 * the search on if there is more: pgs_idle_found_work().  Foreign threads and the injector keep to this strictly.  A
 * worker that pushes to its own deque leaves out its fence (pgs_idle_hint): it is awake, and will do the task itself at
 * the worst.
 *
 * Waking costs what a thousand messages cost, so at most one worker is on its way at a time: whoever takes `searching`
 * from 0 to 1 may wake one, and that one counts as searching from then on.
 *
 * A worker that parks while there are sources sleeps in epoll_wait, if nobody else does (poller.h).  When it comes
 * back it runs what the events made ready, and leaves the watch free: to wake another one for it would cost each
 * event a second core, while most tasks are done, and their worker back, before the next event.  Who is busy for
 * longer looks at the sources now and then; and after PGS_LOOK_EVERY_NS the monitor wakes a parked worker to watch.
 * A waker takes the one that watches last.
 *
 * An inbox has the same hand-over with one worker instead of all: whoever pushes to it wakes that one, or, when it has
 * retired, empties it for all; the worker looks into it last before it sleeps, for whichever reason.
 *
 * Invariants:
 *   1. A bit in `idle` is set by its worker and cleared by exactly one: by the waker, who owes an unpark and has
 *      counted the worker as searching, or by the worker itself.
 *   2. A worker that parks is offline in the epoch, and searches for nothing. */
#include "worker.h"

static bool clear_idle(pgs_sched *s, unsigned number)
{
    uint64_t bit = (uint64_t)1 << number % 64;
    /* Acquire: a waker finds the worker by its number, even if that was made just now; partner: set_idle.  Not release:
     * where the waker wins, the worker waits for its token, and sees by that what the waker did. */
    if (!(and_acquire(&s->idle[number / 64], ~bit) & bit)) return false;
    sub_seq_cst(&s->idle_count, 1); /* before the look at monitor_parked; partner: monitor_may_park */
    return true;
}

static void set_idle(pgs_sched *s, unsigned number)
{
    or_release(&s->idle[number / 64], (uint64_t)1 << number % 64); /* partner: clear_idle */
    add_relaxed(&s->idle_count, 1);                                /* before the fence in show_idle, as the bit is */
}

/* By the bits, not by idle_count, which is behind them for a moment: whoever waits for it to follow would spin.  Behind
 * a fence. */
static bool anyone_idle(pgs_sched *s)
{
    unsigned words = load_relaxed(&s->workers) / 64 + 1;
    for (unsigned i = 0; i < words && i < PGS_IDLE_WORDS; i++) {
        if (load_relaxed(&s->idle[i]) != 0) return true;
    }
    return false;
}

/* Unparks some parked worker but the one numbered `spared`, which counts as searching from then on. */
static bool wake_any_but(pgs_sched *s, unsigned spared)
{
    unsigned words = load_relaxed(&s->workers) / 64 + 1;
    for (unsigned i = 0; i < words && i < PGS_IDLE_WORDS; i++) {
        uint64_t bits, but = spared / 64 == i ? (uint64_t)1 << spared % 64 : 0;
        while ((bits = load_relaxed(&s->idle[i]) & ~but) != 0) {
            unsigned number = i * 64 + (unsigned)__builtin_ctzll(bits);
            if (!clear_idle(s, number)) continue;
            pgs_parker_unpark(&pgs_worker_at(s, number)->parker);
            return true;
        }
    }
    return false;
}

/* The one that watches the sources only if there is no other. */
static bool wake_some(pgs_sched *s)
{
    uint32_t watch = load_relaxed(&s->poller.watch);
    if (likely(watch == PGS_WATCH_FREE || watch == PGS_WATCH_MONITOR)) return wake_any_but(s, PGS_WORKERS_MAX);
    return wake_any_but(s, watch - 1) || wake_any_but(s, PGS_WORKERS_MAX);
}

void pgs_idle_wake_one(pgs_sched *s)
{
    do {
        int nobody = 0;
        if (!cas_seq_cst(&s->searching, &nobody, 1)) return; /* partner: stop_searching */
        pgs_delay(PGS_AT_WAKE);
        if (wake_some(s)) return;
        sub_relaxed(&s->searching, 1);
        /* While this stood as a searcher, a worker may have parked, and a submitter or whoever added a source relied on
         * this: look again, and behind a fence, for what is looked at is mostly read relaxed.  Partners: the fences in
         * show_idle, pgs_ready and pgs_source_add. */
        fence_after_rmw();
    } while (anyone_idle(s) && (pgs_idle_any_work(s) || pgs_poller_is_unwatched(&s->poller)));
}

/* True: this was the last one that searched. */
static bool stop_searching(pgs_worker *w)
{
    if (!w->searching) return false;
    w->searching = false;
    return sub_seq_cst(&w->face.sched->searching, 1) == 1; /* before the look into the queues; partner: submit */
}

bool pgs_idle_any_work(pgs_sched *s)
{
    if (!pgs_injector_is_empty_final(&s->injector)) return true;
    unsigned n = load_relaxed(&s->workers);
    for (unsigned i = 0; i < n; i++) {
        pgs_worker *w = pgs_worker_at(s, i);
        if (w && (pgs_deque_size_hint(&w->deque) > 0 || !pgs_injector_is_empty_final(&w->fifo))) return true;
    }
    return false;
}

void pgs_idle_found_work(pgs_worker *w)
{
    if (stop_searching(w) && pgs_idle_any_work(w->face.sched)) pgs_idle_wake_one(w->face.sched);
}

/* This worker counts as awake again; a monitor that saw it asleep has to know. */
static void wake_monitor(pgs_sched *s)
{
    if (load_seq_cst(&s->monitor_parked)) pgs_monitor_wake(s); /* partner: monitor_may_park */
}

static void go_online(pgs_worker *w)
{
    pgs_epoch_member_online(&w->face.sched->epoch, &w->member);
    wake_monitor(w->face.sched);
}

/* Sleeps in epoll_wait if sources want a watcher, else in the futex.  True: with the worker's token. */
static bool sleep_until(pgs_worker *w, int64_t deadline, bool *watches)
{
    pgs_poller *poller = &w->face.sched->poller;
    *watches = pgs_poller_take(poller, w->number + 1);
    if (!*watches) return pgs_parker_park(&w->parker, deadline);
    if (!pgs_parker_poll_begin(&w->parker, poller->kick)) return true;
    pgs_poller_harvest(poller, deadline);
    return pgs_parker_poll_end(&w->parker);
}

/* The worker is awake, and tasks that it makes ready are its own. */
static void end_watch(pgs_sched *s)
{
    if (!load_relaxed(&s->stopping)) pgs_poller_fire(&s->poller); /* nothing is read that was written before it */
    pgs_poller_give_back(&s->poller);
}

/* Of one that is about to sleep: what it had of its own is tidied up, and it is none that others wait for to look. */
static void wind_up(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    store_relaxed(&w->face.running, NULL);
    if (s->ops.local_idle) s->ops.local_idle(s->ops.context, w->face.local);
    stop_searching(w);
}

/* Whether there is work after all, of which nobody may have told the worker. */
static bool show_idle(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    set_idle(s, w->number);
    pgs_delay(PGS_AT_PARK);
    fence_seq_cst(); /* partner: the fence in pgs_ready; the bit is before the look into the queues */
    return !pgs_injector_is_empty_final(&w->inbox) || pgs_idle_any_work(s);
}

bool pgs_idle_park(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    wind_up(w);
    if (show_idle(w) || load_relaxed(&s->stopping)) { /* read again before it ends */
        if (clear_idle(s, w->number)) {
            add_relaxed(&s->searching, 1); /* again: of several tasks it takes one, and passes the search on */
        } else {
            pgs_parker_park(&w->parker, PGS_NEVER); /* the waker's token is on its way */
        }
        w->searching = true;
        wake_monitor(s);
        return !load_acquire(&s->stopping); /* partner: pgs_sched_stop */
    }
    pgs_epoch_member_offline(&s->epoch, &w->member);
    bool watches, token = sleep_until(w, pgs_wheel_next(&w->wheel), &watches);
    if (!clear_idle(s, w->number)) {
        if (!token) pgs_parker_park(&w->parker, PGS_NEVER); /* as above */
        w->searching = true;
    }
    go_online(w);
    if (watches) end_watch(s);
    return !load_acquire(&s->stopping); /* partner: pgs_sched_stop */
}

/* ------------------------------------------------------------------------------------------------------ guests */

/* As for one that parks, but that its thread sleeps elsewhere, and that a token which is on its way is not waited
 * for. */
bool pgs_idle_arm(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    wind_up(w);
    if (!show_idle(w) && pgs_parker_poll_begin(&w->parker, s->poller.kick)) return true;
    if (!clear_idle(s, w->number)) w->searching = true; /* the waker has counted it */
    return false;
}

bool pgs_idle_is_armed(pgs_worker *w)
{
    bool idle = load_relaxed(&w->face.sched->idle[w->number / 64]) >> w->number % 64 & 1;
    return idle && !pgs_parker_has_token(&w->parker);
}

void pgs_idle_disarm(pgs_worker *w)
{
    pgs_parker_poll_end(&w->parker);
    if (!clear_idle(w->face.sched, w->number)) w->searching = true; /* as above */
}

/* ----------------------------------------------------------------------------------------------------- sources */

int pgs_source_add(pgs_sched *s, pgs_source *source, uint32_t events)
{
    int error = pgs_poller_add(&s->poller, source, events);
    if (error) return error;
    fence_seq_cst(); /* partner: the fence in show_idle; the source is counted before the look at who sleeps */
    if (pgs_poller_is_unwatched(&s->poller)) pgs_idle_wake_one(s);
    return 0;
}

int pgs_source_arm(pgs_sched *s, pgs_source *source, uint32_t events)
{
    return pgs_poller_arm(&s->poller, source, events); /* who watches is seen to since the source was added */
}

void pgs_source_remove(pgs_sched *s, pgs_source *source)
{
    pgs_poller_remove(&s->poller, source);
}

/* ---------------------------------------------------------------------------------------------------- retiring */

static bool take_one(_Atomic(int) *count)
{
    int n = load_relaxed(count);
    while (n > 0) {
        if (cas_relaxed(count, &n, n - 1)) return true;
    }
    return false;
}

/* Counts one more as retired.  False: as many as were asked for would not be left; the monitor may have written
 * `surplus` from a count that was too old, and with everybody retired nobody could be woken. */
static bool may_retire(pgs_sched *s)
{
    int retired = load_relaxed(&s->retired);
    while ((int)load_relaxed(&s->workers) - retired > (int)s->config.workers) {
        if (cas_relaxed(&s->retired, &retired, retired + 1)) return true;
    }
    return false;
}

bool pgs_idle_give_one(pgs_worker *w)
{
    pgs_link *link = pgs_injector_pop(&w->inbox);
    if (link) pgs_injector_push(&w->face.sched->injector, link);
    return link;
}

/* Of a worker that is retired, or just does: what is behind a gap is given by whoever is in it, and comes by next. */
static void give_inbox(pgs_worker *w)
{
    pgs_link *link;
    while ((link = pgs_injector_pop_waiting(&w->inbox)) != NULL) pgs_injector_push(&w->face.sched->injector, link);
}

void pgs_idle_hand_over(pgs_worker *to, pgs_task *task)
{
    pgs_sched *s = to->face.sched;
    uint64_t bit = (uint64_t)1 << to->number % 64;
    pgs_injector_push(&to->inbox, &task->link);
    /* The push, its link too, is before the looks.  Partners: the fences behind set_idle, and behind the store of
     * `retired`. */
    fence_seq_cst();
    bool sleeps = load_relaxed(&s->idle[to->number / 64]) & bit;
    if (unlikely(sleeps) && clear_idle(s, to->number)) {
        add_relaxed(&s->searching, 1); /* before it can run, and stop */
        pgs_parker_unpark(&to->parker);
    }
    if (likely(!load_relaxed(&to->retired))) return;
    give_inbox(to);
    fence_seq_cst(); /* partner: the fence in show_idle */
    pgs_idle_hint(s);
}

/* What this worker has goes to all: those that are busy do not steal, and nobody else would come by. */
static void give_away(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    pgs_task *task = pgs_lifo_swap(&w->face.lifo, NULL);
    if (task) pgs_injector_push(&s->injector, &task->link);
    while ((task = pgs_deque_take_oldest(&w->deque)) != NULL) pgs_injector_push(&s->injector, &task->link);
    while (!pgs_injector_is_empty(&w->fifo)) {
        pgs_link *link = pgs_injector_pop(&w->fifo);
        if (link) {
            pgs_injector_push(&s->injector, link);
        } else {
            cpu_relax(); /* a thief is inside */
        }
    }
}

bool pgs_idle_retire_if_surplus(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    if (likely(load_relaxed(&s->surplus) <= 0) || !take_one(&s->surplus) || !may_retire(s)) return false;
    give_away(w);
    wind_up(w);
    pgs_delay(PGS_AT_RETIRE);
    store_release(&w->retired, true); /* behind the count; partner: unretire_one, which counts back */
    /* Then the look into the inbox: this, or whoever hands something over, sees the other. */
    fence_seq_cst(); /* partner: the fence in pgs_idle_hand_over */
    give_inbox(w);
    if (pgs_idle_any_work(s)) pgs_idle_wake_one(s);
    pgs_epoch_member_offline(&s->epoch, &w->member);
    while (load_relaxed(&w->retired) && !load_relaxed(&s->stopping)) { /* who stops it is seen before it parks */
        pgs_parker_park(&w->parker, pgs_wheel_next(&w->wheel));
        pgs_wheel_expire(&w->wheel, pgs_now());
    }
    go_online(w);
    return true;
}

bool pgs_idle_unretire_one(pgs_sched *s)
{
    unsigned n = load_relaxed(&s->workers);
    for (unsigned i = 0; i < n; i++) {
        pgs_worker *w = pgs_worker_at(s, i);
        bool retired = true;
        if (!cas_acquire(&w->retired, &retired, false)) continue; /* partner: the store in retire_if_surplus */
        sub_relaxed(&s->retired, 1);
        pgs_parker_unpark(&w->parker);
        return true;
    }
    return false;
}
