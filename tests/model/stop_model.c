/* stop_model.c - how a scheduler ends: stop_threads() of sched/scheduler.c, the monitor's thread, and idle.c, under the
 * explorer.
 *
 * The sources are included whole, so that their static functions can be called.  What is copied is a worker's loop
 * (find_work in worker.c), and that whoever stops the runtime waits until the last task says that it has ended
 * (pg_stop). A thread is joined when it has said that it is done; its worker's memory is given up then, and must not be
 * touched.
 *
 * Invariants checked:
 *   1. All threads end, whatever they were doing: searching, about to park, parked, retired, waking another, asleep in
 *      epoll_wait, or the monitor in or before its sleep (else: deadlock).
 *   2. Nobody touches a worker that has been joined and freed.
 *   3. No task is left behind: what was ready when the last one ended has been run.
 *   4. Who has been told to stop runs nothing more, and sees what was done before (happens-before), as what the host
 *      calls at the end of each thread may have to. */
#define _GNU_SOURCE /* as scheduler.c */
#include "explorer.h"
#include "sched_setup.h"
#include "worker.h"

/* A thread of the case by its number; it has to say that it is done. */
#define pthread_join(thread, result) join_thread(thread)
static int join_thread(pthread_t thread);

#include "idle.c"
#include "monitor.c"
#include "scheduler.c"

enum { WORKERS = 2, TASKS = 2, MONITOR = WORKERS };

static pgs_sched sched;
static pgs_worker workers[WORKERS];
static pgs_task tasks[TASKS];
static int undone;
static bool stop_was_asked;
static pgs_parker stopper; /* as pg_runtime.stopper: waits for the last task */
static _Atomic(uint32_t) over[WORKERS + 1];

static int join_thread(pthread_t thread)
{
    while (!load_acquire(&over[thread])) cpu_relax(); /* partner: the end of each thread */
    return 0;
}

/* --------------------------------------------------------------------------------------------- what is not included */

void pgs_worker_free(pgs_worker *w)
{
    model_free(w, sizeof *w);
}

pgs_worker *pgs_worker_new(pgs_sched *s)
{
    (void)s;
    return NULL;
}

pgs_worker *pgs_worker_lend(pgs_sched *s)
{
    (void)s;
    return NULL;
}

int pgs_guest_begin(pgs_sched *s)
{
    (void)s;
    return -ENOMEM;
}

void pgs_guest_end(pgs_sched *s)
{
    (void)s;
}

pgs_sim *pgs_sim_new(pgs_sched *s, uint64_t seed)
{
    (void)s, (void)seed;
    return NULL;
}

void pgs_sim_begin(pgs_sim *sim, pgs_worker *w)
{
    (void)sim, (void)w;
}

void pgs_sim_end(pgs_sim *sim)
{
    (void)sim;
}

void pgs_worker_work(pgs_worker *w)
{
    (void)w;
}

void *pgs_worker_main(void *arg)
{
    return arg;
}

int64_t pgs_now(void)
{
    return model_now();
}

int64_t pgs_deadline(int64_t timeout_ns)
{
    return model_now() + timeout_ns;
}

int pgs_poller_init(pgs_poller *p)
{
    (void)p;
    return 0;
}

void pgs_poller_destroy(pgs_poller *p)
{
    (void)p;
}

int pgs_poller_add(pgs_poller *p, pgs_source *source, uint32_t events)
{
    (void)p, (void)source, (void)events;
    return 0;
}

int pgs_poller_arm(pgs_poller *p, pgs_source *source, uint32_t events)
{
    (void)p, (void)source, (void)events;
    return 0;
}

void pgs_poller_remove(pgs_poller *p, pgs_source *source)
{
    (void)p, (void)source;
}

/* No event comes: who sleeps here is kicked. */
void pgs_poller_harvest(pgs_poller *p, int64_t deadline)
{
    (void)p;
    (void)model_epoll_wait(deadline);
}

void pgs_poller_fire(pgs_poller *p)
{
    (void)p;
}

int pgs_stack_pool_init(pgs_stack_pool *pool, size_t stack_size, size_t stacks)
{
    (void)pool, (void)stack_size, (void)stacks;
    return 0;
}

void pgs_stack_pool_destroy(pgs_stack_pool *pool)
{
    (void)pool;
}

unsigned pgs_wheel_expire_due(pgs_wheel *w, int64_t now)
{
    (void)w, (void)now;
    return 0;
}

void pgs_ready(pgs_sched *s, pgs_task *task)
{
    pgs_injector_push(&s->injector, &task->link);
    fence_seq_cst(); /* partner: the fence in show_idle */
    pgs_idle_hint(s);
}

/* --------------------------------------------------------------------------------------------------------- the threads
 * */

static void end(unsigned thread)
{
    model_read(&stop_was_asked);
    store_release(&over[thread], 1); /* partner: join_thread */
}

static void run(pgs_worker *w, pgs_task *task)
{
    MODEL_CHECK(!stop_was_asked);
    store_relaxed(&w->face.running, task);
    if (--undone == 0) pgs_parker_unpark(&stopper);
}

static pgs_task *look(pgs_worker *w)
{
    pgs_task *task = pgs_deque_take(&w->deque);
    if (task) return task;
    pgs_link *link = pgs_injector_pop(&sched.injector);
    return link ? container_of(link, pgs_task, link) : NULL;
}

static void worker(unsigned number)
{
    pgs_worker *w = &workers[number];
    for (;;) {
        uint64_t moves = model_moves_of_others(); /* who comes while this looks */
        pgs_idle_retire_if_surplus(w);
        pgs_task *task = look(w);
        if (task) {
            if (w->searching) pgs_idle_found_work(w);
            run(w, task);
        } else if (!pgs_idle_park(w)) {
            break;
        } else if (model_moves_of_others() == moves) {
            cpu_relax(); /* another takes from the injector */
        }
    }
    end(number);
}

static void worker_0(void)
{
    worker(0);
}

static void worker_1(void)
{
    worker(1);
}

static void monitor(void)
{
    pgs_monitor_main(&sched);
    end(MONITOR);
}

static void stop(void)
{
    while (undone > 0) pgs_parker_park(&stopper, PGS_NEVER);
    model_write(&stop_was_asked);
    stop_was_asked = true;
    stop_threads(&sched, true);
}

/* ------------------------------------------------------------------------------------------------------------- cases
 * */

static void start(unsigned count, bool with_monitor)
{
    sched_setup(&sched, count);
    sched.config.stuck_after = PGS_NEVER;
    sched.monitor = MONITOR;
    for (unsigned i = 0; i < count; i++) {
        worker_setup(&sched, &workers[i], i);
        store_relaxed(&over[i], 0);
    }
    store_relaxed(&over[MONITOR], !with_monitor);
    pgs_parker_init(&stopper);
    undone = 0;
    stop_was_asked = false;
}

static void two(void)
{
    start(2, false);
}

static void two_and_a_task(void)
{
    start(2, false);
    undone = 1;
    pgs_injector_push(&sched.injector, &tasks[0].link);
}

/* One of them has them both, and wakes the other one for the second. */
static void two_and_two_tasks(void)
{
    start(2, false);
    undone = 2;
    for (int i = 0; i < TASKS; i++) pgs_deque_push(&workers[0].deque, &tasks[i]);
}

static void one_too_many(void)
{
    start(2, false);
    sched.config.workers = 1;
    store_relaxed(&sched.surplus, 1);
}

static void with_sources(void)
{
    start(2, false);
    store_relaxed(&sched.poller.sources, 1);
}

static void with_monitor(void)
{
    start(1, true);
}

static void with_monitor_and_task(void)
{
    start(1, true);
    undone = 1;
    pgs_injector_push(&sched.injector, &tasks[0].link);
}

static void check(void)
{
    MODEL_CHECK(undone == 0);
    MODEL_CHECK(pgs_injector_is_empty(&sched.injector));
}

int main(void)
{
    static const struct model_case cases[] = {
        {"stop: two workers", two, {stop, worker_0, worker_1}, check, 2, 1, 0},
        {"stop: two workers, behind the last task", two_and_a_task, {stop, worker_0, worker_1}, check, 2, 0, 0},
        {"stop: two workers, one wakes the other", two_and_two_tasks, {stop, worker_0, worker_1}, check, 1, 1, 0},
        {"stop: one too many retires", one_too_many, {stop, worker_0, worker_1}, check, 2, 0, 0},
        {"stop: two workers, one sleeps in epoll", with_sources, {stop, worker_0, worker_1}, check, 2, 1, 0},
        {"stop: the same, woken for nothing", with_sources, {stop, worker_0, worker_1}, check, 1, 0, 1},
        {"stop: the monitor and a worker", with_monitor, {stop, worker_0, monitor}, check, 2, 1, 0},
        {"stop: the same, behind the last task", with_monitor_and_task, {stop, worker_0, monitor}, check, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
