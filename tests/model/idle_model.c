/* idle_model.c - sched/idle.c, and of monitor.c how the monitor parks, under the explorer: nobody sleeps while there is
 * work.
 *
 * The sources are included whole, so that their static functions can be called; queues, parkers and epoch are the real
 * ones too.  What is copied here is small: a worker's loop (find_work in worker.c), the foreign half of pgs_ready, and
 * the end (stop_threads in scheduler.c), which comes when the last job is done.
 *
 * The poller is its header, with an epoll instance of the explorer's: an event is a bit, which fire turns into a job.
 *
 * Invariants checked:
 *   1. No job stays in a queue while workers are parked and no waker is under way: a lost wake-up is a deadlock, since
 *      the end does not come.  A job may wait inside for another, so a worker that only will be free one day does not
 *      count.
 *   2. Each unpark that is owed is delivered: whoever waits for it would wait for ever.
 *   3. `searching` is never negative and, at the end, the number of those that search; idle_count is the number of
 *      bits.
 *   4. The monitor does not stay parked while a worker works.
 *   5. Events are harvested by whoever has the watch, one at a time (happens-before), who sees what was opened for the
 *      sources; and no event stays unseen while all workers sleep, nor does a source that has just been added: the job
 *      would not be done.
 *   6. Who looks asleep to the monitor has nothing that only the monitor could give to others.
 *   7. Whoever wakes a worker finds it by its number.
 *   8. Who sleeps as the host of a guest is kicked for each job that it has not seen. */
#include "explorer.h"
#include "sched_setup.h"
#include "worker.h"

#include "idle.c"
#include "monitor.c"

enum { WORKERS = 2, JOBS = 3 };

typedef struct job {
    pgs_task task;
    enum { QUICK, WAITS_FOR_NEXT, WAITS_FOR_MONITOR, WAITS_TO_BE_STUCK } kind;
    pgs_parker parker; /* where it waits */
} job;

static pgs_sched sched;
static pgs_worker workers[WORKERS];
static job jobs[JOBS];
static int undone;
static bool timer_armed;
static _Atomic(pgs_parker *) wants_monitor;
static int event_job; /* the job that an event makes ready */

static void submit(job *j)
{
    pgs_injector_push(&sched.injector, &j->task.link);
    fence_seq_cst(); /* as in pgs_ready */
    pgs_idle_hint(&sched);
}

/* Into the inbox of worker 0. */
static void mail(job *j)
{
    pgs_idle_hand_over(&workers[0], &j->task);
}

/* --------------------------------------------------------------------------------------------- what is not included */

unsigned pgs_wheel_expire_due(pgs_wheel *w, int64_t now)
{
    (void)w;
    (void)now;
    return 0;
}

/* Nobody has come from watching for long, so that the monitor may do all that it ever does. */
int64_t pgs_now(void)
{
    return 1000000000;
}

int pgs_poller_add(pgs_poller *p, pgs_source *source, uint32_t events)
{
    (void)source;
    (void)events;
    model_write(&p->epoll); /* opens both */
    add_seq_cst(&p->sources, 1);
    return 0;
}

int pgs_poller_arm(pgs_poller *p, pgs_source *source, uint32_t events)
{
    (void)p, (void)source, (void)events;
    return 0;
}

void pgs_poller_remove(pgs_poller *p, pgs_source *source)
{
    (void)p;
    (void)source;
}

void pgs_poller_harvest(pgs_poller *p, int64_t deadline)
{
    MODEL_CHECK(load_relaxed(&p->watch) != PGS_WATCH_FREE);
    model_read(&p->epoll);
    model_write(&p->found);
    p->found = (model_epoll_wait(deadline) & MODEL_EPOLL_EVENT) != 0;
}

/* A worker pushes to its own deque, the monitor to the injector. */
void pgs_poller_fire(pgs_poller *p)
{
    model_write(&p->found);
    if (p->found == 0) return;
    p->found = 0;
    uint32_t watch = load_relaxed(&p->watch);
    if (watch == PGS_WATCH_MONITOR) {
        submit(&jobs[event_job]);
        return;
    }
    pgs_deque_push(&workers[watch - 1].deque, &jobs[event_job].task);
    pgs_idle_hint(&sched);
}

int64_t pgs_deadline(int64_t timeout_ns)
{
    return timeout_ns;
}

void pgs_thread_begin(pgs_sched *s)
{
    (void)s;
}

void pgs_thread_end(pgs_sched *s)
{
    (void)s;
}

pgs_worker *pgs_worker_new(pgs_sched *s)
{
    (void)s;
    return NULL;
}

void pgs_ready(pgs_sched *s, pgs_task *task)
{
    pgs_injector_push(&s->injector, &task->link);
    fence_seq_cst(); /* partner: the fence in show_idle */
    pgs_idle_hint(s);
}

/* --------------------------------------------------------------------------------------------------------- a worker */

static void stop(void)
{
    store_release(&sched.stopping, true);
    pgs_parker_unpark(&sched.monitor_parker);
    for (int i = 0; i < WORKERS; i++) pgs_parker_unpark(&workers[i].parker);
}

static void run(pgs_worker *w, pgs_task *task)
{
    job *j = container_of(task, job, task);
    store_relaxed(&w->face.running, task);
    if (j->kind == WAITS_FOR_NEXT) pgs_parker_park(&j->parker, PGS_NEVER);
    if (j > jobs && j[-1].kind == WAITS_FOR_NEXT) pgs_parker_unpark(&j[-1].parker);
    if (j->kind == WAITS_FOR_MONITOR) {
        store_seq_cst(&wants_monitor, &j->parker);
        pgs_parker_park(&j->parker, PGS_NEVER);
    }
    if (j->kind == WAITS_TO_BE_STUCK) pgs_parker_park(&j->parker, PGS_NEVER);
    if (--undone == 0) stop();
}

static pgs_task *look(pgs_worker *w)
{
    pgs_task *task = pgs_deque_take(&w->deque);
    if (task) return task;
    pgs_link *link = pgs_injector_pop(&sched.injector);
    if (!link) link = pgs_injector_pop(&w->inbox);
    if (link) return container_of(link, pgs_task, link);
    return pgs_deque_steal(&workers[1 - w->number].deque);
}

/* A pop says NULL though the queue is not empty, and is not being popped: a push has not linked yet. */
static bool has_gap(pgs_injector *queue)
{
    pgs_link *first = queue->head;
    if (load_acquire(&first->next) || load_relaxed(&queue->tail) == first) return false;
    return !pgs_injector_is_empty(queue) && queue->head == first;
}

/* As the rounds of search(): looks again when it may come to something else. */
static void await_pushes(pgs_injector *queue)
{
    for (;;) {
        uint64_t moves = model_moves_of_others(); /* who comes while this looks */
        if (!load_relaxed(&queue->lock) && !has_gap(queue)) return;
        if (model_moves_of_others() == moves) cpu_relax();
    }
}

static pgs_task *search(pgs_worker *w)
{
    if (!w->searching) {
        if (2 * load_relaxed(&sched.searching) >= WORKERS) return NULL;
        add_seq_cst(&sched.searching, 1);
        w->searching = true;
    }
    return look(w);
}

static void fire(pgs_worker *w)
{
    timer_armed = false;
    store_relaxed(&w->wheel.next, PGS_NEVER);
    pgs_deque_push(&w->deque, &jobs[JOBS - 1].task);
    pgs_idle_hint(&sched);
}

static void worker(pgs_worker *w)
{
    for (;;) {
        pgs_task *task = look(w);
        if (!task && pgs_idle_retire_if_surplus(w)) continue;
        if (!task) task = search(w);
        if (task) {
            if (w->searching) pgs_idle_found_work(w);
            MODEL_CHECK(!w->searching && load_relaxed(&sched.searching) >= 0);
            run(w, task);
            continue;
        }
        if (!pgs_idle_park(w)) return;
        MODEL_CHECK(load_relaxed(&sched.searching) >= 0);
        if (timer_armed && w == &workers[0]) fire(w);
        await_pushes(&sched.injector);
        await_pushes(&w->inbox);
    }
}

static void worker_0(void)
{
    worker(&workers[0]);
}

static void worker_1(void)
{
    worker(&workers[1]);
}

/* The host of a guest: steps as in guest.c, and sleeps in between, without a time, until there is something in the
 * epoll instance. */
static void host(void)
{
    pgs_worker *w = &workers[0];
    bool armed = false;
    do {
        pgs_task *task;
        if (armed) pgs_idle_disarm(w);
        while ((task = look(w)) != NULL) run(w, task);
        armed = undone > 0 && pgs_idle_arm(w);
        if (armed) {
            model_epoll_wait(PGS_NEVER);
        } else {
            await_pushes(&sched.injector);
        }
    } while (undone > 0 || armed);
}

/* Comes from watching sources that are gone by now. */
static void leaving_watcher(void)
{
    end_watch(&sched);
    worker(&workers[0]);
}

/* As find_work in worker.c, which looks into its queues later. */
static void retiring_worker(void)
{
    pgs_idle_retire_if_surplus(&workers[0]);
    worker(&workers[0]);
}

/* One that is made just now: what add_worker in worker.c ends with, and its thread. */
static void new_worker(void)
{
    add_seq_cst(&sched.searching, 1);
    store_release(&sched.worker[1], &workers[1]); /* partner: pgs_worker_at */
    worker(&workers[1]);
}

/* ------------------------------------------------------------------------------------------------------- the others */

static void submit_first(void)
{
    submit(&jobs[0]);
}

static void submit_second(void)
{
    submit(&jobs[1]);
}

static void submit_both(void)
{
    submit(&jobs[0]);
    submit(&jobs[1]);
}

static void mail_first(void)
{
    mail(&jobs[0]);
}

static void mail_second(void)
{
    mail(&jobs[1]);
}

/* Has seen a parked worker that is awake by now. */
static void late_waker(void)
{
    pgs_idle_wake_one(&sched);
}

/* The monitor's loop, with a look that does one thing: who wants to be seen is seen. */
static void monitor(void)
{
    while (!load_acquire(&sched.stopping)) {
        uint64_t moves = model_moves_of_others(); /* what comes during a look is seen by the next one */
        if (everyone_sleeps(&sched) && monitor_may_park(&sched)) {
            pgs_parker_park(&sched.monitor_parker, PGS_NEVER);
            store_relaxed(&sched.monitor_parked, false);
            continue;
        }
        look_at_sources(&sched, pgs_now());
        pgs_parker *waits = xchg_seq_cst(&wants_monitor, NULL);
        if (waits) {
            pgs_parker_unpark(waits);
            return;
        }
        if (model_moves_of_others() == moves) cpu_relax();
    }
}

/* What the monitor takes for asleep it does not rescue: then nothing may be left to be rescued.  With weak orders it
 * may see old values, and would rescue at its next look. */
static void observer(void)
{
    pgs_worker *w = &workers[0];
    if (model_is_weak() || !sleeps(&sched, w)) return;
    MODEL_CHECK(pgs_deque_size_hint(&w->deque) == 0 && pgs_injector_is_empty(&w->fifo));
}

/* The real one, whose look finds that a task is stuck. */
static void whole_monitor(void)
{
    pgs_monitor_main(&sched);
}

static void stuck(void *context, pgs_task *task, int64_t duration)
{
    (void)context, (void)duration;
    pgs_parker_unpark(&container_of(task, job, task)->parker);
}

static void device(void)
{
    model_epoll_post(MODEL_EPOLL_EVENT);
}

static void device_is_added(void)
{
    pgs_source_add(&sched, NULL, 0);
    device();
}

/* The monitor takes a worker back, if one has retired by then. */
static void submit_and_unretire(void)
{
    submit(&jobs[0]);
    pgs_idle_unretire_one(&sched);
    submit(&jobs[1]);
}

/* ------------------------------------------------------------------------------------------------------------ cases */

static void setup(int count)
{
    sched_setup(&sched, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) worker_setup(&sched, &workers[i], i);
    store_relaxed(&wants_monitor, NULL);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].kind = QUICK;
        store_relaxed(&jobs[i].task.link.next, NULL);
        pgs_parker_init(&jobs[i].parker);
    }
    undone = count;
    timer_armed = false;
}

static void one(void)
{
    setup(1);
}

/* The first keeps its worker until the second has been done, by the other one. */
static void dependent(void)
{
    setup(2);
    jobs[0].kind = WAITS_FOR_NEXT;
}

/* A timer of worker 0 makes the last job ready, when it has a look. */
static void with_timer(void)
{
    setup(2);
    timer_armed = true;
    store_relaxed(&workers[0].wheel.next, 1000);
}

/* One worker, which is done with something and searches for nothing yet. */
static void alone(void)
{
    setup(1);
    store_relaxed(&sched.workers, 1);
    store_relaxed(&sched.searching, 0);
    workers[0].searching = workers[1].searching = false;
}

static void guest(void)
{
    alone();
    undone = 2;
}

static void with_monitor(void)
{
    alone();
    jobs[0].kind = WAITS_FOR_MONITOR;
}

static void with_whole_monitor(void)
{
    alone();
    jobs[0].kind = WAITS_TO_BE_STUCK;
    sched.ops.stuck = stuck;
    sched.config.stuck_after = 0;
}

static void with_surplus(void)
{
    setup(2);
    sched.config.workers = 1;
    store_relaxed(&sched.surplus, 1);
}

/* The one that retires searches for nothing, and has something in its inbox. */
static void surplus_with_mail(void)
{
    with_surplus();
    undone = 1;
    store_relaxed(&sched.searching, 1);
    workers[0].searching = false;
    pgs_injector_push(&workers[0].inbox, &jobs[0].task.link);
}

/* The one that retires has done one task, and has another. */
static void surplus_with_task(void)
{
    with_surplus();
    undone = 1;
    store_relaxed(&workers[0].face.running, &jobs[1].task);
    pgs_deque_push(&workers[0].deque, &jobs[0].task);
}

/* The first job is a submitter's, or the event's itself; the second, if there is one, is the event's. */
static void with_sources(int count)
{
    setup(count);
    event_job = count - 1;
    store_relaxed(&sched.poller.sources, 1);
}

static void event(void)
{
    with_sources(1);
}

static void event_and_job(void)
{
    with_sources(2);
}

/* The worker that found the event is busy until the other one has done the submitter's job. */
static void event_waits(void)
{
    with_sources(2);
    event_job = 0;
    jobs[0].kind = WAITS_FOR_NEXT;
}

/* The other one has to come to watch, since the job's worker waits for the event. */
static void job_waits(void)
{
    with_sources(2);
    jobs[0].kind = WAITS_FOR_NEXT;
}

static void alone_with_sources(void)
{
    alone();
    event_job = 0;
    store_relaxed(&sched.poller.sources, 1);
}

static void source_comes(void)
{
    alone();
    event_job = 0;
}

static void watched_for_nothing(void)
{
    source_comes();
    store_relaxed(&sched.poller.watch, 1);
}

static void surplus_with_sources(void)
{
    with_surplus();
    undone = 1;
    event_job = 0;
    store_relaxed(&sched.poller.sources, 1);
}

/* Nobody searches but the one that comes. */
static void newcomer(void)
{
    setup(1);
    store_relaxed(&sched.searching, 0);
    store_relaxed(&sched.worker[1], NULL);
    workers[0].searching = false;
}

static void two(void)
{
    setup(2);
}

static void check(void)
{
    int bits = __builtin_popcountll(load_relaxed(&sched.idle[0])), searching = 0;
    for (int i = 0; i < WORKERS; i++) searching += workers[i].searching;
    MODEL_CHECK(undone == 0);
    MODEL_CHECK(load_relaxed(&sched.idle_count) == bits);
    MODEL_CHECK(load_relaxed(&sched.searching) == searching);
    MODEL_CHECK(!pgs_idle_any_work(&sched));
}

int main(void)
{
    static const struct model_case cases[] = {
        {"idle: a task for one of them", one, {worker_0, worker_1, mail_first}, check, 2, 1, 0},
        {"idle: a task for one of them, and one for all",
         two,
         {worker_0, worker_1, mail_first, submit_second},
         check,
         1,
         0,
         0},
        {"idle: a task for one that may retire, and one for all",
         with_surplus,
         {worker_0, worker_1, mail_first, submit_second},
         check,
         1,
         1,
         0},
        {"idle: a guest and two submitters", guest, {host, submit_first, submit_second}, check, 3, 1, 0},
        {"idle: a guest, a submitter and a late waker", alone, {host, submit_first, late_waker}, check, 3, 1, 0},
        {"idle: one job", one, {worker_0, worker_1, submit_first}, check, 2, 1, 0},
        {"idle: the first job waits for the second", dependent, {worker_0, worker_1, submit_both}, check, 2, 1, 0},
        {"idle: a waker that comes late", alone, {worker_0, submit_first, late_waker}, check, 3, 1, 0},
        {"idle: the monitor goes to sleep", with_monitor, {worker_0, submit_first, monitor}, check, 2, 1, 0},
        {"idle: the monitor goes to sleep, and sees old values",
         with_monitor,
         {worker_0, submit_first, monitor},
         check,
         1,
         2,
         0},
        {"idle: all of the monitor", with_whole_monitor, {worker_0, submit_first, whole_monitor}, check, 1, 1, 0},
        {"idle: an event", event, {worker_0, worker_1, device}, check, 2, 1, 0},
        {"idle: an event and a job", event_and_job, {worker_0, worker_1, device, submit_first}, check, 1, 0, 0},
        {"idle: the event's job waits for another",
         event_waits,
         {worker_0, worker_1, device, submit_second},
         check,
         1,
         0,
         0},
        {"idle: one worker, an event and a late waker",
         alone_with_sources,
         {worker_0, device, late_waker},
         check,
         3,
         1,
         0},
        {"idle: one worker, an event and the monitor", alone_with_sources, {worker_0, device, monitor}, check, 2, 1, 0},
        {"idle: a source is added, and a late waker",
         source_comes,
         {worker_0, device_is_added, late_waker},
         check,
         3,
         1,
         0},
        {"idle: a source is added, and the monitor",
         source_comes,
         {worker_0, device_is_added, monitor},
         check,
         2,
         1,
         0},
        {"idle: a source is added, and who watched leaves",
         watched_for_nothing,
         {leaving_watcher, device_is_added},
         check,
         2,
         1,
         0},
        {"idle: one too many, and an event",
         surplus_with_sources,
         {worker_0, worker_1, device, monitor},
         check,
         1,
         0,
         0},
        {"idle: a job waits for the event's",
         job_waits,
         {worker_0, worker_1, submit_first, device, monitor},
         check,
         0,
         0,
         0},
        {"idle: one too many, and needed again",
         with_surplus,
         {worker_0, worker_1, submit_and_unretire},
         check,
         2,
         1,
         0},
        {"idle: one too many, with mail", surplus_with_mail, {retiring_worker, worker_1}, check, 2, 1, 0},
        {"idle: one too many, with a task", surplus_with_task, {retiring_worker, worker_1, observer}, check, 1, 0, 0},
        {"idle: a new worker", newcomer, {new_worker, submit_first, late_waker}, check, 2, 1, 0},
        {"idle: a timer against a submitter", with_timer, {worker_0, worker_1, submit_first}, check, 2, 0, 0},
        {"idle: the same jobs of two submitters",
         dependent,
         {worker_0, worker_1, submit_first, submit_second},
         check,
         1,
         0,
         0},
        {"idle: two tasks for one that may retire",
         with_surplus,
         {worker_0, worker_1, mail_first, mail_second},
         check,
         1,
         0,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
