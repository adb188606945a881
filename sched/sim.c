/* sim.c - see sim.h.
 *
 * Tasks become ready in the worker's queues, as anywhere.  At each step what is in them goes into an array, from which
 * one is drawn; or, where it is to be late, to the wheel.  The order in which queues are emptied does not depend on
 * whether there is a LIFO slot: its task, the newest, would be at the same end of the deque.
 *
 * Invariants, whenever a task runs:
 *   1. A task that is queued is in one of the worker's queues, in `ready`, or in a `late` that is pending.
 *   2. pgs_sim_here is set on the thread that started this, and on no other; so is pgs_worker_current, while tasks run.
 *   3. The time only grows, and no deadline that has come is left for the next step. */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>

#include "worker.h"

_Thread_local pgs_sim *pgs_sim_here;

struct pgs_sim {
    pgs_sched *sched;
    pgs_worker *worker;
    int64_t now;
    uint64_t random;
    uint32_t suspends; /* one in so many, where a task asks */
    uint32_t delays;   /* likewise, of those made ready */
    pgs_task *running; /* in this step */
    pgs_task **ready;
    size_t count, room;
    /* What the thread waits for. */
    _Atomic(uint32_t) *word;
    uint32_t value;
    int64_t deadline;
};

enum { ROOM = 64, DELAY_MIN_LOG = 10, DELAY_MAX_LOG = 23 }; /* 1 us to 8 ms */

bool pgs_sim_is_elsewhere(pgs_sched *s)
{
    return s->sim != pgs_sim_here;
}

void pgs_sim_forget(void)
{
    pgs_sim_here = NULL;
}

int64_t pgs_sim_now(void)
{
    return pgs_sim_here->now;
}

static bool one_in(pgs_sim *sim, uint32_t n)
{
    return pgs_random_below(&sim->random, n) == 0;
}

bool pgs_sim_suspends(pgs_sched *s)
{
    return one_in(s->sim, s->sim->suspends);
}

/* ----------------------------------------------------------------------------------------------- who is ready */

/* A task that is ready, and has to wait. */
typedef struct late {
    pgs_timer timer;
    pgs_sched *sched;
    pgs_task *task;
} late;

static void arrive_late(pgs_timer *timer)
{
    late *l = container_of(timer, late, timer);
    pgs_ready(l->sched, l->task);
    free(l);
}

static bool is_late(pgs_sim *sim, pgs_task *task)
{
    if (!one_in(sim, sim->delays)) return false;
    int64_t scale = INT64_C(1) << (DELAY_MIN_LOG + pgs_random_below(&sim->random, DELAY_MAX_LOG - DELAY_MIN_LOG));
    int64_t delay = scale + pgs_random_below(&sim->random, (uint32_t)scale);
    late *l = malloc(sizeof *l);
    if (!l) return false;
    *l = (late){.sched = sim->sched, .task = task};
    pgs_timer_init(&l->timer, arrive_late);
    pgs_wheel_add(&sim->worker->wheel, &l->timer, sim->now + delay);
    return true;
}

/* The oldest in any of the queues. */
static pgs_task *take_queued(pgs_worker *w)
{
    pgs_task *task = pgs_task_of(pgs_injector_pop(&w->face.sched->injector));
    if (!task) task = pgs_task_of(pgs_injector_pop(&w->fifo));
    if (!task) task = pgs_task_of(pgs_injector_pop(&w->inbox));
    if (!task) task = pgs_deque_take_oldest(&w->deque);
    return task ? task : pgs_lifo_swap(&w->face.lifo, NULL);
}

/* Room for one more; where there is no memory, what is queued stays so until there is some. */
static bool make_room(pgs_sim *sim)
{
    if (sim->count < sim->room) return true;
    pgs_task **more = realloc(sim->ready, 2 * sim->room * sizeof *more);
    if (!more) return false;
    sim->ready = more;
    sim->room *= 2;
    return true;
}

static void gather(pgs_sim *sim)
{
    pgs_task *task;
    while (make_room(sim) && (task = take_queued(sim->worker)) != NULL) {
        if (!is_late(sim, task)) sim->ready[sim->count++] = task;
    }
}

static bool thread_is_ready(const pgs_sim *sim)
{
    return load_relaxed(sim->word) != sim->value || sim->now >= sim->deadline;
}

/* ----------------------------------------------------------------------------------------------------- a step */

static void watch(const pgs_sim *sim, pgs_task *task, bool begins)
{
    const pgs_ops *ops = &sim->sched->ops;
    if (ops->watch) ops->watch(ops->context, task, begins);
}

/* Any of those that are ready, the last of whom is the thread, if it is: then NULL. */
static pgs_task *pick(pgs_sim *sim, bool with_thread)
{
    size_t i = pgs_random_below(&sim->random, (uint32_t)(sim->count + with_thread));
    sim->running = NULL;
    if (i < sim->count) {
        sim->running = sim->ready[i];
        sim->ready[i] = sim->ready[--sim->count];
    }
    watch(sim, sim->running, true);
    return sim->running;
}

/* Nobody can run: it is the next deadline.  False: there is none, and never will be. */
static bool skip_time(pgs_sim *sim)
{
    const pgs_ops *ops = &sim->sched->ops;
    if (ops->local_idle) ops->local_idle(ops->context, sim->worker->face.local);
    int64_t next = pgs_wheel_next(&sim->worker->wheel);
    if (sim->deadline < next) next = sim->deadline;
    if (next == PGS_NEVER) return false;
    sim->now = next;
    return true;
}

pgs_task *pgs_sim_next(pgs_sim *sim)
{
    if (sim->running) watch(sim, sim->running, false);
    sim->running = NULL;
    sim->now += PGS_SIM_STEP_NS;
    do {
        pgs_wheel_expire(&sim->worker->wheel, sim->now);
        gather(sim);
        bool with_thread = thread_is_ready(sim);
        if (sim->count > 0 || with_thread) return pick(sim, with_thread);
    } while (skip_time(sim));
    if (sim->sched->ops.deadlock) sim->sched->ops.deadlock(sim->sched->ops.context);
    return NULL;
}

/* -------------------------------------------------------------------------------------------------- the thread */

int pgs_sim_wait(_Atomic(uint32_t) *word, uint32_t value, int64_t deadline)
{
    pgs_sim *sim = pgs_sim_here;
    if (pgs_worker_self()) {
        pgs_panic(__FILE__, __LINE__, "a process that blocks its thread stops the simulation: in a clean-up, perhaps");
    }
    sim->word = word;
    sim->value = value;
    sim->deadline = deadline;
    pgs_worker_turn(sim->worker);
    return load_relaxed(word) != value ? 0 : ETIMEDOUT;
}

bool pgs_sim_yield(void)
{
    if (!pgs_sim_here) return false;
    _Atomic(uint32_t) nothing;
    store_relaxed(&nothing, 0);
    pgs_sim_wait(&nothing, 0, 0);
    return true;
}

pgs_sim *pgs_sim_new(pgs_sched *s, uint64_t seed)
{
    pgs_sim *sim = malloc(sizeof *sim);
    if (!sim) return NULL;
    *sim = (pgs_sim){.sched = s, .now = PGS_SIM_BEGIN_NS, .random = seed, .room = ROOM};
    sim->suspends = 4u << pgs_random_below(&sim->random, 5);
    sim->delays = 16u << pgs_random_below(&sim->random, 6);
    sim->ready = malloc(sim->room * sizeof *sim->ready);
    if (!sim->ready) {
        free(sim);
        return NULL;
    }
    pgs_sim_here = sim;
    return sim;
}

void pgs_sim_begin(pgs_sim *sim, pgs_worker *w)
{
    sim->worker = w;
    store_relaxed(&w->face.slice_over, PGS_SLICE_OVER);
    pgs_worker_begin(w);
}

void pgs_sim_end(pgs_sim *sim)
{
    pgs_sim_here = NULL;
    free(sim->ready);
    free(sim);
}
