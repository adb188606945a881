/* monitor.c - one thread that looks at every worker now and then, and keeps the promise that no process starves.
 *
 * Each look ends the slice of whoever runs, which so sees to its timers and its old tasks every few milliseconds,
 * however long its turns are.  A worker counts its steps: tasks begun and messages handled.  One whose count has not
 * moved between two looks is in the middle of something long: a system call that blocks, or a computation.  Then, in
 * this order:
 *
 *   after a look        the task in its LIFO slot and those in its inbox, which thieves cannot see, go to the injector;
 *                       its due timers are fired by the monitor
 *                       if its thread sleeps in the kernel, it no longer counts as a worker: another one is started,
 *                       or taken out of retirement, and steals its queue
 *   PGS_HANDOVER_NS     the same if it computes, or only waits for a processor
 *   stuck_after         it is reported, once
 *
 * Blockers come in crowds, and each new worker may take the next of them: so for every two that sleep there is one
 * worker more than asked for, and the crowd is met in a few looks.  There is no limit below PGS_WORKERS_MAX, since
 * blockers may wait for one another.
 *
 * When it moves again there is a worker too many, and whichever comes by next retires.  A retired worker sleeps, its
 * queues still open to thieves.
 *
 * The monitor looks while anybody runs, and parks some looks after the last worker has, so that an idle runtime is
 * really idle; the first worker that wakes up wakes it.  Some looks: where workers sleep for a moment, between a
 * message and its answer say, waking the monitor each time would be a good part of waking up.  It also mends the one
 * thing that pgs_idle_hint leaves open: work in a deque while somebody sleeps.
 *
 * Whoever has nothing to do is given one task of each inbox by some looks: of several groups that each belong together,
 * and have come together on one worker, one may go.  Not by each, since one that goes costs its group the caches.
 *
 * When nobody watches the sources it looks at them, and wakes a parked worker to watch if there is one, and no worker
 * has come from watching for a look: see idle.c. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

enum {
    PGS_LOOK_EVERY_NS = PGS_TUNED(2000000, 200000),
    PGS_HANDOVER_NS = PGS_TUNED(10000000, 1000000),
    PGS_GIVE_EVERY = PGS_TUNED(8, 1) /* looks, at one of which idle workers get something of the others' inboxes */
};

/* Looks at a runtime in which everyone sleeps, before the monitor does. */
#if defined(PGS_MODEL)
enum { PGS_IDLE_LOOKS = 0 };
#else
enum { PGS_IDLE_LOOKS = PGS_TUNED(5, 1) };
#endif

static bool sleeps(pgs_sched *s, pgs_worker *w)
{
    bool idle = load_relaxed(&s->idle[w->number / 64]) >> w->number % 64 & 1;
    return idle || load_relaxed(&w->retired) || !load_relaxed(&w->face.running);
}

/* Tasks of a worker that is stuck, and its timers, go to others. */
static void rescue(pgs_sched *s, pgs_worker *w, int64_t now)
{
    pgs_task *hidden = pgs_lifo_rob(&w->face.lifo);
    if (hidden) pgs_ready(s, hidden);
    while (pgs_idle_give_one(w)) continue;
    pgs_wheel_expire(&w->wheel, now);
}

/* Whether the thread sleeps in the kernel, by the state letter behind its name in parentheses.  False where that cannot
 * be read. */
static bool sleeps_in_kernel(int tid)
{
    char path[48], text[128];
    if (tid == 0) return false;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && (name_end[1] == ' ') && (name_end[2] == 'S' || name_end[2] == 'D');
}

/* How many workers are stuck, and of these, how many sleep; and what the look may do beside counting. */
typedef struct census {
    int stuck, asleep;
    bool gives; /* to those who are idle */
} census;

static void look_at(pgs_sched *s, pgs_worker *w, int64_t now, census *found)
{
    uint64_t steps = pgs_worker_steps(w);
    pgs_task *task = load_relaxed(&w->face.running);
    bool asleep = sleeps(s, w);
    if (!asleep) store_relaxed(&w->face.slice_over, PGS_SLICE_OVER); /* who moves, too: its turns may be long */
    int idle = found->gives && !asleep ? load_relaxed(&s->idle_count) : 0;
    while (idle > 0 && pgs_idle_give_one(w)) idle--;
    if (steps != w->seen_steps || asleep) {
        w->seen_steps = steps;
        w->seen_at = now;
        w->reported = false;
        return;
    }
    int64_t stuck_for = now - w->seen_at;
    rescue(s, w, now);
    if (stuck_for >= s->config.stuck_after && !w->reported && task) {
        w->reported = true;
        s->ops.stuck(s->ops.context, task, stuck_for);
    }
    bool asleep_in_kernel = sleeps_in_kernel(load_relaxed(&w->tid));
    found->asleep += asleep_in_kernel;
    found->stuck += asleep_in_kernel || stuck_for >= PGS_HANDOVER_NS;
}

static void look_at_sources(pgs_sched *s, int64_t now)
{
    if (likely(!pgs_poller_is_unwatched(&s->poller))) return;
    pgs_poller_look(&s->poller, PGS_WATCH_MONITOR);
    if (now - load_relaxed(&s->poller.slept_at) < PGS_LOOK_EVERY_NS) return;
    if (load_relaxed(&s->idle_count) > 0) pgs_idle_wake_one(s);
}

/* Keeps as many workers moving as were asked for, and some for a crowd of blockers. */
static void balance(pgs_sched *s, const census *found)
{
    int moving = (int)load_relaxed(&s->workers) - load_relaxed(&s->retired) - found->stuck;
    int wanted = (int)s->config.workers + found->asleep / 2;
    store_relaxed(&s->surplus, moving > wanted ? moving - wanted : 0);
    if (!pgs_idle_any_work(s)) return;
    if (load_relaxed(&s->idle_count) > 0) {
        pgs_idle_wake_one(s);
        return;
    }
    for (; moving < wanted; moving++) {
        if (!pgs_idle_unretire_one(s) && !pgs_worker_new(s)) return; /* tried again at the next look */
    }
}

static bool everyone_sleeps(pgs_sched *s)
{
    int idle = load_seq_cst(&s->idle_count); /* partner: clear_idle, before the look at monitor_parked */
    return idle + load_relaxed(&s->retired) >= (int)load_relaxed(&s->workers);
}

/* Announces that the monitor parks, then makes sure that nobody has just woken up. */
static bool monitor_may_park(pgs_sched *s)
{
    store_seq_cst(&s->monitor_parked, true); /* partner: wake_monitor in idle.c, after idle_count */
    bool watched = !pgs_poller_is_unwatched(&s->poller);
    if (watched && everyone_sleeps(s) && !pgs_idle_any_work(s)) return true;
    store_relaxed(&s->monitor_parked, false);
    return false;
}

void pgs_monitor_wake(pgs_sched *s)
{
    if (xchg_relaxed(&s->monitor_parked, false)) pgs_parker_unpark(&s->monitor_parker); /* one waker is enough */
}

void *pgs_monitor_main(void *arg)
{
    pgs_sched *s = arg;
    pgs_thread_begin(s);
    unsigned looks = 0, idle = 0;         /* in all; in a row, at which everyone slept */
    while (!load_acquire(&s->stopping)) { /* partner: pgs_sched_stop */
        idle = everyone_sleeps(s) ? idle + 1 : 0;
        if (idle > PGS_IDLE_LOOKS && monitor_may_park(s)) {
            pgs_parker_park(&s->monitor_parker, PGS_NEVER);
            store_relaxed(&s->monitor_parked, false);
        } else {
            pgs_parker_park(&s->monitor_parker, pgs_deadline(PGS_LOOK_EVERY_NS));
        }
        int64_t now = pgs_now();
        look_at_sources(s, now);
        census found = {.gives = ++looks % PGS_GIVE_EVERY == 0};
        unsigned n = load_relaxed(&s->workers); /* written by this thread, or before it began */
        for (unsigned i = 0; i < n; i++) look_at(s, pgs_worker_at(s, i), now, &found);
        balance(s, &found);
    }
    pgs_thread_end(s);
    return NULL;
}
