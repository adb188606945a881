/* worker.c - a worker's life: take a task, run it, switch stacks when it blocks.
 *
 * Borrowed stacks.  A worker runs its loop on a runner fiber.  A task without a fiber is run by a plain call on that
 * stack, which is warm; most tasks return from it and have never owned a stack.  A task that blocks keeps the runner
 * fiber with its frames, and the worker goes on with another runner from its spares, or straight with the fiber of the
 * next task: one switch between two blocked tasks.  A fiber whose task has come to its end goes on as a runner.
 *
 *          +------------------------------- kept by the task: pgs_block ------------------------+
 *          |                                                                                    v
 *       runner  <---- keep (a task's fiber is continued in its place) ---- spare          task->fiber
 *          ^            |____________________________________________________^                  |
 *          +------------------------------ the task returns from ops->run <--------------------+
 *
 * Invariants:
 *   1. What has to be done for the fiber that was left (publish its task, keep it) is done by arrive(), first thing on
 *      the other stack: until then its registers are not saved, and no other thread may continue it.
 *   2. While a task's code runs, its worker has at least one spare, so that pgs_abandon() always succeeds.
 *   3. A commit that returned true has given the task away: nothing of it, not even its pgs_wait, is touched after
 *      that.
 *
 * Rejected: a stack per task (a first touch of a page costs more than a hundred messages); setjmp before each task for
 * its early end (12 to 19 ns; abandoning the stack costs a switch, but only to those who use it). */
#define _GNU_SOURCE /* gettid */
#include "worker.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Thread_local pgs_worker *pgs_worker_current;

__attribute__((noinline)) pgs_worker *pgs_worker_self(void)
{
    __asm__ volatile(""); /* keeps the compiler from merging two calls */
    return pgs_worker_current;
}

/* ------------------------------------------------------------------------------------------------------ queues */

static __attribute__((noinline)) void push_shared(pgs_worker *w, pgs_task *task)
{
    if (unlikely(pgs_deque_push(&w->deque, task) != 0)) pgs_injector_push(&w->fifo, &task->link);
    pgs_idle_hint(w->face.sched);
}

static inline void push_local(pgs_worker *w, pgs_task *task)
{
    if (pgs_forced(PGS_AT_READY)) {
        push_shared(w, task);
        return;
    }
    pgs_task *displaced = pgs_lifo_swap(&w->face.lifo, task);
    if (displaced) push_shared(w, displaced);
}

void pgs_ready(pgs_sched *sched, pgs_task *task)
{
    if (task->parker) {
        pgs_parker_unpark(task->parker);
        return;
    }
    pgs_worker *w = pgs_worker_self();
    if (likely(w && w->face.sched == sched && !load_relaxed(&w->retired))) {
        push_local(w, task);
        return;
    }
    pgs_injector_push(&sched->injector, &task->link);
    fence_seq_cst(); /* partner: the fence in show_idle; the push is before the look at who sleeps */
    pgs_idle_hint(sched);
}

void pgs_ready_elsewhere(pgs_worker *w, pgs_task *task)
{
    if (unlikely(task->parker)) {
        pgs_parker_unpark(task->parker);
    } else {
        push_shared(w, task);
    }
}

void pgs_requeue(pgs_worker *w, pgs_task *task)
{
    pgs_injector_push(&w->fifo, &task->link);
    pgs_idle_hint(w->face.sched);
}

void pgs_requeue_beside(pgs_worker *w, pgs_task *task)
{
    if (pgs_injector_is_empty(&w->inbox)) {
        pgs_requeue(w, task);
    } else {
        pgs_injector_push(&w->inbox, &task->link);
    }
}

void pgs_linger(pgs_worker *w, pgs_task *task)
{
    pgs_injector_push(&w->fifo, &task->link);
}

void pgs_worker_give_way(pgs_worker *w)
{
    w->gives_way = true;
}

static bool others_wait(pgs_worker *w)
{
    return pgs_deque_size_hint(&w->deque) > 0 || !pgs_injector_is_empty(&w->fifo) ||
           !pgs_injector_is_empty(&w->inbox) || !pgs_injector_is_empty(&w->face.sched->injector);
}

bool pgs_worker_alone(pgs_worker *w)
{
    return pgs_lifo_is_empty(&w->face.lifo) && !others_wait(w);
}

/* The LIFO slot has had its turns: its task goes behind the others, if there are any. */
static __attribute__((noinline)) pgs_task *cap_lifo(pgs_worker *w, pgs_task *task)
{
    w->lifo_turns = 0;
    if (!task || !others_wait(w)) return task;
    pgs_injector_push(&w->fifo, &task->link);
    w->inbox_first = true;
    return NULL;
}

/* Of those whose slice was over, whether thieves may have them or not, by turns. */
static inline pgs_task *take_requeued(pgs_worker *w)
{
    bool inbox_first = w->inbox_first;
    w->inbox_first = !inbox_first;
    pgs_task *task = pgs_task_of(pgs_injector_pop(inbox_first ? &w->inbox : &w->fifo));
    return task ? task : pgs_task_of(pgs_injector_pop(inbox_first ? &w->fifo : &w->inbox));
}

static inline pgs_task *take_lifo(pgs_worker *w)
{
    if (pgs_lifo_is_empty(&w->face.lifo)) return NULL;
    pgs_task *task = pgs_lifo_swap(&w->face.lifo, NULL);
    return likely(++w->lifo_turns <= PGS_LIFO_CAP) ? task : cap_lifo(w, task);
}

static inline pgs_task *take_newest(pgs_worker *w)
{
    pgs_task *task = take_lifo(w);
    if (likely(task)) return task;
    w->lifo_turns = 0;
    task = pgs_deque_take(&w->deque);
    return task ? task : take_requeued(w);
}

/* Some of those that came from outside: the oldest to be run, the others into the deque, to be taken in their order.
 * One at a time would be one for all the turns between two looks, while a thread outside makes a thousand of them
 * ready. */
static pgs_task *take_injected(pgs_worker *w)
{
    pgs_task *batch[PGS_INJECTED_BATCH];
    unsigned n = 0;
    while (n < PGS_INJECTED_BATCH) {
        batch[n] = pgs_task_of(pgs_injector_pop(&w->face.sched->injector));
        if (!batch[n]) break;
        n++;
    }
    if (n == 0) return NULL;
    while (n > 1) push_shared(w, batch[--n]);
    return batch[0];
}

/* The queue whose oldest has its turn.  After so many turns, mostly those that came from outside and those that used up
 * their slice; the old end of the deque is a cold one, and costs a tree of processes its order.  After a time they all
 * take turns: PGS_OLDEST_EVERY slow tasks are a long time. */
static enum pgs_old_end next_old_end(pgs_worker *w)
{
    if (w->aged) {
        w->aged = false;
        return w->slices / 2 % PGS_OLD_ENDS;
    }
    uint32_t look = w->looks++;
    if (look % (PGS_OLDEST_EVERY / PGS_QUEUES_EVERY) == 0) return PGS_OLD_DEQUE;
    return look % 2 == 0 ? PGS_OLD_INJECTOR : PGS_OLD_REQUEUED;
}

/* What would starve if only the newest were taken; timers; and sources. */
static PGS_COLD pgs_task *take_oldest(pgs_worker *w)
{
    int64_t now = pgs_now();
    if (unlikely(w->face.sched->guest)) w->turns_left = pgs_guest_look(w->face.sched, now) - 1;
    pgs_wheel_expire(&w->wheel, now);
    pgs_poller *poller = &w->face.sched->poller;
    if (pgs_poller_is_due(poller, now)) pgs_poller_look(poller, w->number + 1);
    enum pgs_old_end first = next_old_end(w);
    pgs_task *task = NULL;
    if (first == PGS_OLD_DEQUE) task = pgs_deque_take_oldest(&w->deque);
    if (!task && first == PGS_OLD_INJECTOR) task = take_injected(w);
    if (!task) task = take_requeued(w);
    return task ? task : take_injected(w);
}

/* The monitor has looked: some milliseconds have passed.  Turns may be long, so that counting them is not enough:
 * timers are due, and every other time the next task is an old one.  False: all this is a simulation's to do, or the
 * step of a guest is over. */
static PGS_COLD bool end_slice(pgs_worker *w)
{
    if (w->face.sched->driven) return false;
    store_relaxed(&w->face.slice_over, PGS_SLICE_LASTS);
    pgs_wheel_expire(&w->wheel, pgs_now());
    if (++w->slices % 2 == 0) return true;
    w->aged = true;
    w->turns_left = 0;
    return true;
}

bool pgs_worker_slice_ends(pgs_worker *w)
{
    bool asks = load_relaxed(&w->face.slice_over) == PGS_SLICE_ASKS;
    return !asks || pgs_guest_ends_slice(w->face.sched);
}

/* Turns that pgs_worker_next() has given count like those taken here; and those that it may give from now on. */
static inline void settle_turns(pgs_worker *w)
{
    uint32_t taken = w->lent - w->face.turns;
    w->lent = w->face.turns;
    w->turns_left -= taken;
    w->lifo_turns += taken;
}

static inline void lend_turns(pgs_worker *w)
{
    settle_turns(w);
    uint32_t cap = w->lifo_turns < PGS_LIFO_CAP ? PGS_LIFO_CAP - w->lifo_turns : 0;
    w->lent = w->face.turns = cap < w->turns_left ? cap : w->turns_left;
}

static pgs_task *steal(pgs_worker *w);

/* The next task of this worker's own, if it has one. */
static inline pgs_task *take_own(pgs_worker *w)
{
    settle_turns(w);
    if (unlikely(load_relaxed(&w->face.slice_over) == PGS_SLICE_OVER) && !end_slice(w)) return NULL;
    if (unlikely(w->turns_left-- == 0)) {
        w->turns_left = PGS_QUEUES_EVERY - 1;
        pgs_task *task = take_oldest(w);
        if (task) return task;
    }
    if (pgs_forced(PGS_AT_NEXT)) {
        pgs_task *task = steal(w);
        if (task) return task;
    }
    return take_newest(w);
}

/* One round over everybody's queues, from a random victim on. */
static pgs_task *steal(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    pgs_task *task = take_injected(w);
    if (task) return task;
    unsigned n = load_relaxed(&s->workers), start = pgs_random_below(&w->random, n);
    for (unsigned i = 0; i < n; i++) {
        pgs_worker *victim = pgs_worker_at(s, (start + i) % n);
        if (!victim) continue;
        task = pgs_deque_steal(&victim->deque);
        if (task) return task;
        if (pgs_injector_is_empty(&victim->fifo)) continue;
        task = pgs_task_of(pgs_injector_pop(&victim->fifo));
        if (task) return task;
    }
    return NULL;
}

/* Looks into everybody's queues for a while, unless enough workers do so already. */
static pgs_task *search(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    if (!w->searching) {
        if (2 * load_relaxed(&s->searching) >= (int)s->config.workers) return steal(w);
        add_seq_cst(&s->searching, 1); /* partner: the reads in pgs_idle_hint */
        w->searching = true;
    }
    unsigned rounds = unlikely(w->gives_way) ? 1 : PGS_SEARCH_ROUNDS;
    w->gives_way = false;
    for (unsigned round = 1; round <= rounds; round++) {
        pgs_epoch_quiesce(&s->epoch, &w->member);
        bool look = round % PGS_SOURCES_EVERY == 0 && unlikely(pgs_poller_is_unwatched(&s->poller));
        pgs_task *task = look && pgs_poller_look(&s->poller, w->number + 1) ? take_newest(w) : NULL;
        if (task) return task;
        task = steal(w);
        if (task) return task;
        cpu_relax();
    }
    return NULL;
}

/* The worker is a thread of the caller's, and has nothing of its own to do, or is not to do it; NULL: it is the
 * thread's turn. */
static PGS_COLD pgs_task *find_driven(pgs_worker *w)
{
    pgs_sched *s = w->face.sched;
    if (s->sim) return pgs_sim_next(s->sim);
    if (load_relaxed(&w->face.slice_over) == PGS_SLICE_OVER) return NULL;
    pgs_task *task = pgs_wheel_expire(&w->wheel, pgs_now()) ? take_newest(w) : NULL;
    return task ? task : take_injected(w);
}

/* NULL: the scheduler stops, or it is the turn of the thread that drives it. */
static pgs_task *find_work(pgs_worker *w)
{
    for (;;) {
        /* Only here: under leave() there is a task on this stack that is not published yet. */
        pgs_idle_retire_if_surplus(w);
        pgs_task *task = take_own(w);
        if (!task) {
            store_relaxed(&w->face.running, NULL);
            if (unlikely(w->face.sched->driven)) return find_driven(w);
            if (pgs_idle_retire_if_surplus(w)) continue;
            if (pgs_wheel_expire(&w->wheel, pgs_now())) continue;
            task = search(w);
        }
        if (task) {
            if (w->searching) pgs_idle_found_work(w);
            return task;
        }
        if (!pgs_idle_park(w)) return NULL;
    }
}

/* ------------------------------------------------------------------------------------------------------ fibers */

static void runner(void *unused);

static void keep_fiber(pgs_worker *w, pgs_fiber *fiber)
{
    if (unlikely(w->spares == PGS_SPARE_FIBERS)) {
        unsigned give = PGS_SPARE_FIBERS / 2; /* the oldest: the newest are warm */
        for (unsigned i = 0; i < give; i++) pgs_fiber_destroy(&w->face.sched->stacks, w->spare[i]);
        memmove(w->spare, w->spare + give, (PGS_SPARE_FIBERS - give) * sizeof(w->spare[0]));
        w->spares -= give;
    }
    w->spare[w->spares++] = fiber;
}

/* A runner for a worker whose fiber stays with its task; NULL: no stack is to be had.  Leaves one for pgs_abandon(). */
static pgs_fiber *take_fiber(pgs_worker *w)
{
    if (likely(w->spares > 1)) return w->spare[--w->spares];
    return pgs_fiber_create(&w->face.sched->stacks, runner, NULL);
}

static void commit(pgs_worker *w, const pgs_after *after)
{
    pgs_task *task = after->task;
    pgs_delay(PGS_AT_COMMIT);
    if (!after->wait) {
        if (after->inbox)
            pgs_idle_hand_over(after->inbox, task);
        else
            pgs_requeue(w, task);
        return;
    }
    bool waits = after->alarm ? pgs_alarm_set(after->alarm, &w->wheel) : after->wait->commit(task);
    if (!waits) push_local(w, task);
}

/* First thing after each switch, on the stack that was switched to. */
static __attribute__((noinline)) void arrive(void)
{
    pgs_worker *w = pgs_worker_at_entry();
    pgs_after *after = &w->after;
    enum pgs_after_what what = after->what;
    after->what = PGS_AFTER_NOTHING;
    switch (what) {
    case PGS_AFTER_NOTHING: break;
    case PGS_AFTER_REMAKE:
        pgs_fiber_remake(after->fiber, runner, NULL);
        keep_fiber(w, after->fiber);
        break;
    case PGS_AFTER_KEEP: keep_fiber(w, after->fiber); break;
    case PGS_AFTER_COMMIT: commit(w, after); break;
    }
}

static void go(pgs_worker *w, pgs_fiber *to)
{
    pgs_fiber *from = w->fiber;
    w->fiber = to;
    pgs_fiber_switch(&w->fiber_thread, from, to);
    arrive();
}

static inline void begin(pgs_worker *w, pgs_task *task)
{
    pgs_worker_step(w);
    lend_turns(w);
    store_relaxed(&w->face.running, task);
    pgs_epoch_quiesce(&w->face.sched->epoch, &w->member);
}

/* The task goes on where it blocked. */
static pgs_fiber *take_stack(pgs_worker *w, pgs_task *task)
{
    pgs_fiber *fiber = task->fiber;
    task->fiber = NULL;
    begin(w, task);
    return fiber;
}

static void runner(void *unused)
{
    (void)unused;
    arrive();
    pgs_worker *w = pgs_worker_self();
    for (;;) {
        pgs_task *task = w->handoff;
        w->handoff = NULL;
        if (!task) task = find_work(w);
        if (task && !task->fiber) {
            begin(w, task);
            w = w->face.sched->ops.run(w, task);
        } else {
            w->after = (pgs_after){.what = PGS_AFTER_KEEP, .fiber = w->fiber};
            go(w, task ? take_stack(w, task) : &w->native);
            w = pgs_worker_self();
        }
    }
}

/* Leaves the stack to `task`, and takes it up again when the task is continued.  `inbox`: see pgs_after.  False: no
 * stack for the worker. */
static bool leave(pgs_worker *w, pgs_task *task, const pgs_wait *wait, pgs_alarm *alarm, pgs_worker *inbox)
{
    pgs_task *next = take_own(w);
    pgs_fiber *to = next && next->fiber ? NULL : take_fiber(w);
    if (unlikely(!to && !(next && next->fiber))) {
        if (next) push_local(w, next);
        lend_turns(w); /* anew: that turn was not taken by the task that goes on */
        return false;
    }
    task->fiber = w->fiber;
    w->after = (pgs_after){.what = PGS_AFTER_COMMIT, .task = task, .wait = wait, .alarm = alarm, .inbox = inbox};
    if (to) {
        store_relaxed(&w->face.running, NULL); /* see pgs_worker_still */
        w->handoff = next;
    } else {
        to = take_stack(w, next);
    }
    go(w, to);
    return true;
}

static int block_thread(pgs_sched *sched, pgs_task *task, const pgs_wait *wait)
{
    if (!wait->commit(task) || pgs_sched_park(sched, task->parker, wait->deadline)) return 0;
    if (wait->claim(task)) return -ETIME;
    pgs_parker_park(task->parker, PGS_NEVER); /* somebody is about to unpark */
    return 0;
}

__attribute__((noinline)) int pgs_block(pgs_sched *sched, pgs_task *task, const pgs_wait *wait)
{
    pgs_worker *w = pgs_worker_at_entry();
    if (unlikely(task->parker)) return block_thread(sched, task, wait);
    if (wait->deadline == PGS_NEVER) return leave(w, task, wait, NULL, NULL) ? 0 : -ENOMEM;

    pgs_alarm alarm;
    pgs_alarm_init(&alarm, sched, task, wait);
    if (!leave(w, task, wait, &alarm, NULL)) return -ENOMEM;
    return pgs_alarm_cancel(&alarm) ? -ETIME : 0;
}

void pgs_timer_set(pgs_sched *s, pgs_timer *timer, int64_t deadline)
{
    pgs_worker *w = pgs_worker_self();
    bool own = w && w->face.sched == s;
    if (unlikely(!own)) w = pgs_worker_at(s, 0);
    bool earlier = pgs_wheel_add(&w->wheel, timer, deadline);
    if (unlikely(!own) && earlier) pgs_parker_unpark(&w->parker); /* a token: it looks again */
}

void *pgs_timer_local(const pgs_timer *timer)
{
    return container_of(timer->wheel, pgs_worker, wheel)->face.local;
}

void pgs_yield(pgs_task *task)
{
    if (task->parker) {
        if (!pgs_sim_yield()) sched_yield();
        return;
    }
    pgs_worker *w = pgs_worker_self();
    bool alone = pgs_worker_alone(w) && pgs_wheel_next(&w->wheel) == PGS_NEVER && !w->face.sched->driven;
    if (alone) {
        begin(w, task); /* it is not stuck, and holds nothing */
    } else {
        leave(w, task, NULL, NULL, NULL);
    }
}

void pgs_yield_to(pgs_task *task, unsigned worker)
{
    pgs_worker *w = pgs_worker_self();
    leave(w, task, NULL, NULL, pgs_worker_at(w->face.sched, worker));
}

void pgs_abandon(void)
{
    pgs_worker *w = pgs_worker_self();
    pgs_assert(w->spares > 0);
    pgs_fiber *to = w->spare[--w->spares];
    w->after = (pgs_after){.what = PGS_AFTER_REMAKE, .fiber = w->fiber};
    go(w, to);
    pgs_panic(__FILE__, __LINE__, "an abandoned stack was continued");
}

/* ----------------------------------------------------------------------------------------------------- workers */

void pgs_worker_begin(pgs_worker *w)
{
    store_relaxed(&w->tid, gettid());
    pgs_fiber_thread_init(&w->fiber_thread);
    pgs_epoch_register(&w->face.sched->epoch, &w->member);
}

void pgs_worker_turn(pgs_worker *w)
{
    pgs_worker_current = w;
    pgs_fiber_adopt(&w->native);
    w->fiber = &w->native;
    pgs_epoch_member_online(&w->face.sched->epoch, &w->member);
    go(w, w->spare[--w->spares]);
    pgs_epoch_member_offline(&w->face.sched->epoch, &w->member);
    pgs_worker_current = NULL;
}

void pgs_worker_work(pgs_worker *w)
{
    pgs_worker_begin(w);
    pgs_worker_turn(w);
    while (w->spares > 0) pgs_fiber_destroy(&w->face.sched->stacks, w->spare[--w->spares]);
}

void *pgs_worker_main(void *arg)
{
    pgs_worker *w = arg;
    pgs_thread_begin(w->face.sched);
    pgs_worker_work(w);
    pgs_thread_end(w->face.sched);
    return NULL;
}

pgs_task *pgs_worker_hand(pgs_worker *w, pgs_task *task)
{
    w->handoff = task;
    return NULL;
}

pgs_task *pgs_worker_next_of_deque(pgs_worker *w)
{
    settle_turns(w);
    w->lifo_turns = 0;
    pgs_task *task = w->turns_left > 0 ? pgs_deque_take(&w->deque) : NULL;
    if (!task) return NULL;
    w->turns_left--;
    if (unlikely(task->fiber)) return pgs_worker_hand(w, task);
    begin(w, task);
    return task;
}

unsigned pgs_worker_number(const pgs_worker *w)
{
    return w->number;
}

static bool make_fibers(pgs_worker *w)
{
    for (; w->spares < 2; w->spares++) { /* one to run on, one for pgs_abandon */
        w->spare[w->spares] = pgs_fiber_create(&w->face.sched->stacks, runner, NULL);
        if (!w->spare[w->spares]) return false;
    }
    return true;
}

void pgs_worker_free(pgs_worker *w)
{
    while (w->spares > 0) pgs_fiber_destroy(&w->face.sched->stacks, w->spare[--w->spares]);
    if (w->face.local) w->face.sched->ops.local_free(w->face.sched->ops.context, w->face.local);
    pgs_deque_destroy(&w->deque);
    free(w);
}

/* One that can be found by its number, and counts as searching: it begins by looking for work. */
static pgs_worker *add_worker(pgs_sched *s, unsigned number)
{
    pgs_worker *w = aligned_alloc(_Alignof(pgs_worker), sizeof(pgs_worker));
    if (!w) return NULL;
    memset(w, 0, sizeof *w);
    w->face.sched = s;
    w->number = number;
    w->face.member = &w->member;
    w->random = pgs_seed();
    pgs_parker_init(&w->parker);
    pgs_lifo_init(&w->face.lifo, s->epoch.can_force);
    pgs_injector_init(&w->fifo);
    pgs_injector_init(&w->inbox);
    pgs_wheel_init(&w->wheel, pgs_now());
    if (pgs_deque_init(&w->deque, PGS_DEQUE_INITIAL) != 0) {
        free(w);
        return NULL;
    }
    w->face.local = s->ops.local_make(s->ops.context);
    if (!w->face.local || !make_fibers(w)) {
        pgs_worker_free(w);
        return NULL;
    }
    add_seq_cst(&s->searching, 1); /* partner: pgs_idle_hint */
    w->searching = true;
    store_release(&s->worker[number], w); /* partner: pgs_worker_at */
    return w;
}

pgs_worker *pgs_worker_lend(pgs_sched *s)
{
    pgs_worker *w = add_worker(s, 0);
    if (w) store_release(&s->workers, 1); /* partners: the monitor, each_local */
    return w;
}

/* Only the starting thread and the monitor make workers, so there is one at a time. */
pgs_worker *pgs_worker_new(pgs_sched *s)
{
    unsigned number = load_relaxed(&s->workers);
    pgs_worker *w = number < PGS_WORKERS_MAX ? add_worker(s, number) : NULL;
    if (!w) return NULL;
    if (pgs_sched_thread(&w->thread, pgs_worker_main, w, "pg-worker") != 0) {
        store_relaxed(&s->worker[number], NULL);
        sub_seq_cst(&s->searching, 1); /* partner: pgs_idle_hint */
        pgs_worker_free(w);
        return NULL;
    }
    store_release(&s->workers, number + 1); /* partners: the monitor, each_local */
    return w;
}
