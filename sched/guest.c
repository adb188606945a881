/* guest.c - see guest.h.
 *
 * Invariants:
 *   1. `driver` is the thread that is in a step, or in a wait that drives; from pgs_guest_take() on it stays.  Whoever
 *      is not the driver touches nothing here but `driver`, `host`, `before`, `wanted`, `armed` and the kick.
 *   2. Outside a step the worker is armed, or the kick is in the epoll instance.
 *   3. The guest has the watch of the poller from its beginning to its end: nobody else harvests.
 *   4. The structure outlives the scheduler: a host that is about to park asks it first whether it drives.
 *   5. What a wait has harvested is fired before it lets go: of that no event comes any more to whoever polls. */
#define _GNU_SOURCE /* ppoll */
#include "guest.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "worker.h"

enum {
    LOOK_NS = PGS_TUNED(20000, 1000),      /* between two looks at the clock, about */
    LOOK_TURNS = PGS_TUNED(32, 2),         /* at most, between two of them */
    SLICE_NS = PGS_TUNED(2000000, 200000), /* after that a process that has not waited lets others run */
    TURN_NS = 100000,                      /* a step of a host that looks in vain */
    WAIT_NS = 1000000,                     /* the steps of a host that waits, between looks at who wants to take over */
    BACK_NS = 5000000                      /* between its looks at whether that one has given it back */
};

struct pgs_guest {
    _Atomic(uintptr_t) driver; /* 0: nobody */
    _Atomic(uintptr_t) host;
    _Atomic(uintptr_t) before; /* who was the host when this driver came */
    _Atomic(bool) wanted;      /* pgs_guest_take() has it, or the driver is to let go where it waits */
    _Atomic(bool) armed;       /* written by the driver */

    /* The driver's. */
    PGS_ALIGNED pgs_sched *sched;
    pgs_worker *worker;
    uintptr_t inside; /* the thread that the worker is set up for */
    bool harvested;
    int64_t until, looked_at, slice_at;
    uint32_t given, left; /* turns or messages from the last look to the next */
    pgs_parker *awaited;  /* a token there ends the step */
};

/* ----------------------------------------------------------------------------------------------------- who drives */

static uintptr_t me(void)
{
    static _Thread_local char here;
    return (uintptr_t)&here;
}

/* The calling thread drives until release(): true; false: another does.  Not twice by one thread. */
static bool take(pgs_guest *g)
{
    uintptr_t nobody = 0;
    /* Acquire: partner: release.  Release: who finds the driver there sees what it wants; partner: was_host. */
    if (!cas_acq_rel(&g->driver, &nobody, me())) return false;
    uintptr_t before = load_relaxed(&g->host);
    store_relaxed(&g->before, before);
    if (before != me()) store_release(&g->host, me()); /* behind `before`; partner: was_host */
    if (g->inside != me()) pgs_fiber_thread_init(&g->worker->fiber_thread);
    g->inside = me();
    return true;
}

static void release(pgs_guest *g)
{
    store_release(&g->driver, 0); /* partner: take */
}

/* Where a host waits: it drives from here on, if it does not already. */
static bool take_as_host(pgs_guest *g, bool *releases)
{
    *releases = false;
    if (load_relaxed(&g->host) != me() || pgs_worker_self()) return false;
    if (load_relaxed(&g->driver) == me()) return true;
    return *releases = take(g);
}

bool pgs_guest_take(pgs_sched *s, int64_t deadline)
{
    pgs_guest *g = s->guest;
    if (!g || load_relaxed(&g->driver) == me()) return true;
    bool taken;
    for (;;) {
        store_seq_cst(&g->wanted, true); /* before the kick; partner: wait_for_token */
        taken = take(g);
        if (taken || pgs_now() >= deadline) break;
        pgs_poller_kick(&s->poller);
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    if (!taken) store_relaxed(&g->wanted, false);
    return taken;
}

void pgs_guest_give_back(pgs_sched *s)
{
    pgs_guest *g = s->guest;
    if (!g) return;
    store_relaxed(&g->host, load_relaxed(&g->before));
    release(g);
    store_release(&g->wanted, false); /* partner: is_wanted; who comes back finds that it is the host */
}

static bool is_wanted(pgs_guest *g)
{
    return load_acquire(&g->wanted); /* partner: pgs_guest_give_back, pgs_guest_end */
}

/* Of one that cannot drive: whether somebody has taken its place who may give it back. */
static bool was_host(pgs_guest *g)
{
    if (pgs_worker_self() || !is_wanted(g)) return false;
    return load_acquire(&g->host) == me() || load_relaxed(&g->before) == me(); /* partner: take */
}

void pgs_guest_forget(pgs_sched *s)
{
    if (!s->guest) return;
    store_relaxed(&s->guest->driver, UINTPTR_MAX);
    store_relaxed(&s->guest->host, UINTPTR_MAX); /* who forked in the middle of a step lets go of it at its end */
}

/* ---------------------------------------------------------------------------------------------------------- a step */

/* How many turns or messages there may be until the next look. */
static void plan(pgs_guest *g, int64_t now)
{
    int64_t elapsed = now - g->looked_at;
    uint32_t most = g->given < LOOK_TURNS / 2 ? 2 * g->given : LOOK_TURNS;
    int64_t fitting = elapsed > 0 ? (int64_t)g->given * LOOK_NS / elapsed : most;
    g->given = fitting < 1 ? 1 : fitting < most ? (uint32_t)fitting : most;
    g->left = g->given;
    g->looked_at = now;
}

static void look(pgs_guest *g, int64_t now)
{
    plan(g, now);
    bool over = now >= g->until || (g->awaited && pgs_parker_has_token(g->awaited));
    if (over) store_relaxed(&g->worker->face.slice_over, PGS_SLICE_OVER);
}

uint32_t pgs_guest_look(pgs_sched *s, int64_t now)
{
    pgs_guest *g = s->guest;
    look(g, now);
    if (now - g->slice_at >= SLICE_NS) {
        g->slice_at = now;
        g->worker->slices++;
        g->worker->aged = true;
    }
    if (load_relaxed(&s->poller.sources) > 0 && now - load_relaxed(&s->poller.polled_at) >= PGS_POLL_EVERY_NS) {
        pgs_poller_harvest(&s->poller, 0);
        pgs_poller_fire(&s->poller);
    }
    return g->given;
}

bool pgs_guest_ends_slice(pgs_sched *s)
{
    pgs_guest *g = s->guest;
    if (g->left > 1) {
        g->left--;
        return false;
    }
    int64_t now = pgs_now();
    look(g, now);
    if (now - g->slice_at < SLICE_NS) return load_relaxed(&g->worker->face.slice_over) == PGS_SLICE_OVER;
    g->slice_at = now;
    return true;
}

/* Whether the worker sleeps now, so that who makes something ready kicks; else there is more to do, and it is
 * kicked.  Of events that were left behind a loop that is told of changes only would not hear. */
static bool arm(pgs_guest *g)
{
    bool over = load_relaxed(&g->worker->face.slice_over) == PGS_SLICE_OVER;
    bool more = g->sched->poller.full || (over && !pgs_worker_alone(g->worker));
    bool armed = !more && pgs_idle_arm(g->worker);
    store_relaxed(&g->armed, armed);
    if (!armed) pgs_poller_kick(&g->sched->poller);
    return armed;
}

static void disarm(pgs_guest *g)
{
    pgs_poller *poller = &g->sched->poller;
    if (load_relaxed(&g->armed)) pgs_idle_disarm(g->worker);
    store_relaxed(&g->armed, false);
    if (!g->harvested) pgs_poller_harvest(poller, 0);
    g->harvested = false;
    pgs_poller_fire(poller);
}

/* True: there is more. */
static bool step(pgs_guest *g, int64_t ns, pgs_parker *awaited)
{
    disarm(g);
    g->awaited = awaited;
    g->looked_at = g->slice_at = pgs_now();
    g->until = ns == PGS_NEVER || ns > PGS_NEVER - g->looked_at ? PGS_NEVER : g->looked_at + (ns > 0 ? ns : 0);
    g->given = g->left = 1;
    store_relaxed(&g->worker->face.slice_over, PGS_SLICE_ASKS);
    g->worker->turns_left = 0;
    pgs_worker_turn(g->worker);
    return !arm(g);
}

int pgs_guest_step(pgs_sched *s, int64_t ns)
{
    if (pgs_worker_self()) return -EDEADLK;
    if (!take(s->guest)) return -EBUSY;
    bool more = step(s->guest, ns, NULL);
    release(s->guest);
    return more;
}

bool pgs_guest_turn(pgs_sched *s)
{
    bool releases;
    if (!s->guest || !take_as_host(s->guest, &releases)) return false;
    step(s->guest, TURN_NS, NULL);
    if (releases) release(s->guest);
    return true;
}

int pgs_guest_fd(pgs_sched *s)
{
    return s->poller.epoll;
}

int64_t pgs_guest_next(pgs_sched *s)
{
    pgs_guest *g = s->guest;
    if (!load_relaxed(&g->armed) || !pgs_idle_is_armed(g->worker)) return 0;
    int64_t next = pgs_wheel_next(&g->worker->wheel);
    if (next == PGS_NEVER) return PGS_NEVER;
    int64_t now = pgs_now();
    return next > now ? next - now : 0;
}

/* ---------------------------------------------------------------------------------------------------------- waiting */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool has_come(int64_t deadline)
{
    return deadline != PGS_NEVER && pgs_now() >= deadline;
}

/* Until there is a token, or the deadline has come, or, unless the caller is whoever has taken it, somebody wants to be
 * the host: then `*lost`. */
static bool wait_for_token(pgs_guest *g, pgs_parker *p, int64_t deadline, bool is_taker, bool *lost)
{
    pgs_poller *poller = &g->sched->poller;
    for (*lost = false;;) {
        if (pgs_parker_try_take(p)) return true;
        if (has_come(deadline)) return false;
        *lost = !is_taker && load_seq_cst(&g->wanted); /* partner: pgs_guest_take, which kicks behind that */
        if (*lost) return false;
        if (step(g, WAIT_NS, p)) continue;
        if (!pgs_parker_poll_begin(p, poller->kick)) return true;
        pgs_poller_harvest(poller, earlier(deadline, pgs_wheel_next(&g->worker->wheel)));
        g->harvested = true;
        if (pgs_parker_poll_end(p)) return true;
    }
}

static void fire_harvested(pgs_guest *g)
{
    pgs_poller *poller = &g->sched->poller;
    if (!g->harvested) return;
    g->harvested = false;
    pgs_poller_fire(poller);
    if (poller->full) pgs_poller_kick(poller);
}

/* The host waits while whoever has taken its place drives.  False: there is a token, or the deadline has come. */
static bool wait_for_return(pgs_guest *g, pgs_parker *p, int64_t deadline, bool *token)
{
    while (is_wanted(g)) {
        *token = pgs_parker_park(p, earlier(deadline, pgs_now() + BACK_NS));
        if (*token || has_come(deadline)) return false;
    }
    return true;
}

bool pgs_sched_park(pgs_sched *s, pgs_parker *p, int64_t deadline)
{
    bool releases, token, lost;
    if (likely(!s || !s->guest)) return pgs_parker_park(p, deadline);
    pgs_guest *g = s->guest;
    for (;;) {
        if (take_as_host(g, &releases)) {
            token = wait_for_token(g, p, deadline, !releases, &lost);
            fire_harvested(g);
            if (releases) release(g);
            if (!lost) return token;
        } else if (!was_host(g)) {
            return pgs_parker_park(p, deadline);
        }
        if (!wait_for_return(g, p, deadline, &token)) return token;
    }
}

/* For the time until the deadline, or the next timer, for one or the other. */
static int poll_both(pgs_guest *g, struct pollfd both[2], int64_t deadline)
{
    int64_t until = earlier(deadline, pgs_wheel_next(&g->worker->wheel));
    int64_t left = until == PGS_NEVER ? PGS_NEVER : until - pgs_now();
    if (left < 0) left = 0;
    struct timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    int n = ppoll(both, 2, left == PGS_NEVER ? NULL : &timeout, NULL);
    return n < 0 ? -errno : n;
}

static int wait_for_descriptor(pgs_guest *g, int fd, short events, int64_t deadline)
{
    struct pollfd both[2] = {{.fd = fd, .events = events}, {.fd = g->sched->poller.epoll, .events = POLLIN}};
    for (;;) {
        int n = poll_both(g, both, load_relaxed(&g->armed) ? deadline : 0);
        if (n < 0) return n;
        if (n > 0 && both[0].revents) return both[0].revents;
        if (has_come(deadline)) return 0;
        if (load_seq_cst(&g->wanted)) return -EAGAIN; /* partner: pgs_guest_take */
        step(g, WAIT_NS, NULL);
    }
}

/* As wait_for_return(), for the descriptor: false: *result is what pgs_guest_poll() returns. */
static bool poll_for_return(pgs_guest *g, int fd, short events, int64_t deadline, int *result)
{
    struct pollfd one = {.fd = fd, .events = events};
    while (is_wanted(g)) {
        int n = poll(&one, 1, BACK_NS / 1000000);
        *result = n < 0 ? -errno : n > 0 ? one.revents : 0;
        if (n != 0 || has_come(deadline)) return false;
    }
    return true;
}

int pgs_guest_poll(pgs_sched *s, int fd, short events, int64_t deadline)
{
    bool releases;
    pgs_guest *g = s->guest;
    while (g) {
        int result = -EAGAIN;
        if (take_as_host(g, &releases)) {
            result = wait_for_descriptor(g, fd, events, deadline);
            if (releases) release(g);
        } else if (!was_host(g)) {
            break;
        }
        if (result != -EAGAIN || !poll_for_return(g, fd, events, deadline, &result)) return result;
    }
    return -EAGAIN;
}

/* ------------------------------------------------------------------------------------------------ beginning and end */

int pgs_guest_begin(pgs_sched *s)
{
    pgs_guest *g = aligned_alloc(_Alignof(pgs_guest), sizeof *g);
    if (!g) return -ENOMEM;
    *g = (pgs_guest){.sched = s, .given = 1};
    int error = pgs_poller_open(&s->poller);
    g->worker = error ? NULL : pgs_worker_lend(s);
    if (!g->worker) {
        free(g);
        return error ? error : -ENOMEM;
    }
    store_relaxed(&s->poller.watch, g->worker->number + 1);
    store_relaxed(&g->host, me());
    g->inside = me();
    pgs_worker_begin(g->worker);
    s->guest = g;
    arm(g);
    return 0;
}

void pgs_guest_end(pgs_sched *s)
{
    pgs_guest *g = s->guest;
    store_relaxed(&g->host, UINTPTR_MAX); /* who has ended it may still wait, as an attached process */
    store_release(&g->wanted, false);     /* partner: is_wanted */
    pgs_worker_free(g->worker);
}
