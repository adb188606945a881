/* world.c - see world.h: a scheduler as scheduler.h wants it, memory as memory.h wants it, and a clock. */
#undef _FORTIFY_SOURCE /* as in explorer.c */
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sched/alarm.h"
#include "sched/cpus.h"
#include "sched/guest.h"
#include "sched/injector.h"
#include "sched/sim.h"

enum { READY = 8, MEMORY = 256 * 1024, SLOTS = 4 };

/* Of a task that is blocked, on the stack of its thread; stands in its task for the fiber. */
typedef struct blocked {
    _Atomic(bool) resumed;
} blocked;

/* Where a task that is given up goes back to. */
typedef struct base {
    jmp_buf context;
    struct base *outer;
} base;

struct pgs_worker {
    pgs_worker_face face; /* first: see scheduler.h */
    unsigned number;
    base *base;
    pgs_task *ready[READY]; /* its own, made ready before the one in the LIFO slot */
    unsigned ready_count;
    bool requeued; /* a task that found a sender between its exchange and its link: to look again at once is in vain */
    pgs_epoch_member member;
    pgs_wheel wheel;
};

struct pgs_sched {
    pgs_ops ops;
    unsigned count;
    pgs_epoch epoch;
    pgs_injector injector;
    pgs_stack_pool stacks;
    _Atomic(bool) stopped;
    _Atomic(unsigned) serving; /* workers that go on until it is stopped */
    bool driven;               /* by whoever stops it */
    pgs_worker worker[WORLD_WORKERS];
};

pg_runtime *world_rt;
_Thread_local pgs_worker *pgs_worker_current; /* one for each thread of the explorer: model_thread_local */
void (*pgs_on_panic)(const char *line);

static pgs_sched sched;

/* ------------------------------------------------------------------------------------------------------------ memory
 * */

_Atomic long pgi_memory_armed;

static _Alignas(128) char memory[MEMORY];
static size_t used;

void *pgi_alloc_aligned(size_t size, size_t align)
{
    used = (used + align - 1) & ~(align - 1);
    void *block = memory + used;
    used += size;
    if (used > sizeof memory) model_fail("more than %zu bytes of memory", sizeof memory);
    return memset(block, 0, size);
}

void *pgi_alloc_zero(size_t size)
{
    return pgi_alloc_aligned(size, 16);
}

void *pgi_alloc(size_t size)
{
    return pgi_alloc_aligned(size, 16);
}

void *pgi_alloc_table(size_t size)
{
    return pgi_alloc_aligned(size, 16);
}

/* Whoever announces that he reads or writes the first byte has to be done with it. */
void pgi_free(void *p, size_t size)
{
    if (!p) return;
    model_write(p);
    model_free(p, size);
}

void pgi_free_aligned(void *p, size_t size, size_t align)
{
    (void)align;
    pgi_free(p, size);
}

void pgi_free_table(void *p, size_t size)
{
    pgi_free(p, size);
}

void pgi_memory_thread_begin(void)
{
}

void pgi_depot_init(pgi_depot *depot)
{
    (void)depot;
}

void pgi_depot_destroy(pgi_depot *depot)
{
    (void)depot;
}

/* A cache holds nothing. */
void pgi_cache_init(pgi_cache *cache, pgi_depot *depot)
{
    *cache = (pgi_cache){.depot = depot};
}

void pgi_cache_drain(pgi_cache *cache)
{
    (void)cache;
}

void *pgi_rack_alloc(pgi_cache *cache, unsigned class_index)
{
    (void)cache;
    return pgi_alloc((size_t)PGI_UNIT * 4 << class_index);
}

void pgi_rack_free(pgi_cache *cache, unsigned class_index, void *block)
{
    (void)cache;
    pgi_free(block, (size_t)PGI_UNIT * 4 << class_index);
}

/* -------------------------------------------------------------------------------------------- the system, as it seems
 * */

int64_t pgs_now(void)
{
    return model_now();
}

int64_t pgs_deadline(int64_t timeout_ns)
{
    if (timeout_ns <= 0) return 0;
    return timeout_ns == PGS_NEVER ? PGS_NEVER : model_now() + timeout_ns;
}

int pgs_errno(void)
{
    return errno;
}

void pgs_set_errno(int value)
{
    errno = value;
}

unsigned pgs_cpus(void)
{
    return 1;
}

/* The linker puts these in the place of the C library's (--wrap): a mutex is a word, and who waits for a while spins.
 * */
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_nanosleep(const struct timespec *duration, struct timespec *rest);

static _Atomic(uint32_t) *word_of(pthread_mutex_t *mutex)
{
    return (_Atomic(uint32_t) *)(void *)mutex;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    while (xchg_acquire(word_of(mutex), 1) != 0) cpu_relax(); /* partner: unlock */
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    store_release(word_of(mutex), 0); /* partner: lock */
    return 0;
}

int __wrap_nanosleep(const struct timespec *duration, struct timespec *rest)
{
    (void)duration, (void)rest;
    cpu_relax();
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- scheduler
 * */

int pgs_sched_start(pgs_sched **out, const pgs_config *config, const pgs_ops *ops)
{
    sched.ops = *ops;
    sched.count = config->workers;
    pgs_epoch_init(&sched.epoch);
    pgs_injector_init(&sched.injector);
    store_relaxed(&sched.stopped, false);
    store_relaxed(&sched.serving, 0);
    sched.driven = false;
    *out = &sched;
    for (unsigned i = 0; i < sched.count; i++) {
        pgs_worker *w = &sched.worker[i];
        w->face = (pgs_worker_face){.sched = &sched, .member = &w->member};
        w->number = i;
        w->base = NULL;
        w->ready_count = 0;
        w->requeued = false;
        pgs_lifo_init(&w->face.lifo, true);
        pgs_epoch_register(&sched.epoch, &w->member);
        pgs_wheel_init(&w->wheel, 0);
        w->face.local = ops->local_make(ops->context);
    }
    return 0;
}

void pgs_sched_stop(pgs_sched *s)
{
    store_release(&s->stopped, true);                   /* partner: world_serve */
    while (load_acquire(&s->serving) != 0) cpu_relax(); /* partner: world_serve */
    for (unsigned i = 0; i < s->count; i++) s->ops.local_free(s->ops.context, s->worker[i].face.local);
    model_write(s); /* the real one is freed but for a shell */
}

void pgs_sched_each_local(pgs_sched *s, void (*f)(void *context, void *local), void *context)
{
    for (unsigned i = 0; i < s->count; i++) f(context, s->worker[i].face.local);
}

pgs_epoch *pgs_sched_epoch(pgs_sched *s)
{
    return &s->epoch;
}

pgs_stack_pool *pgs_sched_stacks(pgs_sched *s)
{
    return &s->stacks;
}

unsigned pgs_sched_workers(pgs_sched *s)
{
    return s->count;
}

pgs_worker *pgs_worker_self(void)
{
    return pgs_worker_current;
}

unsigned pgs_worker_number(const pgs_worker *w)
{
    return w->number;
}

static void push(pgs_worker *w, pgs_task *task)
{
    if (w->ready_count == READY) model_fail("more than %d tasks are ready", READY);
    w->ready[w->ready_count++] = task;
}

void pgs_ready_elsewhere(pgs_worker *w, pgs_task *task)
{
    push(w, task);
}

void pgs_requeue(pgs_worker *w, pgs_task *task)
{
    w->requeued = true;
    push(w, task);
}

void pgs_requeue_beside(pgs_worker *w, pgs_task *task)
{
    push(w, task);
}

void pgs_ready(pgs_sched *s, pgs_task *task)
{
    model_read(&task->fiber); /* hands it on as it has seen it: whoever runs it knows no more */
    pgs_worker *w = pgs_worker_current;
    if (w) {
        pgs_ready_on(w, task);
    } else {
        pgs_injector_push(&s->injector, &task->link);
    }
}

static pgs_task *take(pgs_worker *w)
{
    if (w->requeued) cpu_relax();
    w->requeued = false;
    pgs_task *task = pgs_lifo_is_empty(&w->face.lifo) ? NULL : pgs_lifo_swap(&w->face.lifo, NULL);
    if (!task && w->ready_count > 0) task = w->ready[--w->ready_count];
    if (task) return task;
    pgs_link *link = pgs_injector_is_empty(&sched.injector) ? NULL : pgs_injector_pop(&sched.injector);
    return link ? container_of(link, pgs_task, link) : NULL;
}

/* Of a task that is blocked on the stack of its thread: the thread goes on. */
static void resume(pgs_task *task)
{
    model_read(&task->fiber); /* as written in pgs_block */
    blocked *b = (blocked *)(void *)task->fiber;
    task->fiber = NULL;
    MODEL_CHECK(!load_relaxed(&b->resumed));
    store_release(&b->resumed, true); /* partner: pgs_block */
}

static void run(pgs_worker *w, pgs_task *task)
{
    pgs_task *outer = pgs_worker_task(w);
    if (task->fiber) {
        resume(task);
        return;
    }
    base here = {.outer = w->base};
    w->base = &here;
    store_relaxed(&w->face.running, task);
    if (_setjmp(here.context) == 0) {
        pgs_worker *ended_on = w->face.sched->ops.run(w, task);
        MODEL_CHECK(ended_on == w);
    }
    w->base = here.outer;
    store_relaxed(&w->face.running, outer);
}

/* What the real one does on two stacks: the worker commits for the task that it has left, then looks for others. */
int pgs_block(pgs_sched *s, pgs_task *task, const pgs_wait *wait)
{
    pgs_worker *w = pgs_worker_current;
    if (task->parker) model_fail("a thread of kind PG_THREAD is not modelled");
    blocked *b = pgi_alloc(sizeof *b); /* not of the frame: a store may leave its buffer after that is gone */
    pgs_alarm alarm;
    pgs_alarm_init(&alarm, s, task, wait);
    model_write(&task->fiber); /* stands for all that the task has done: who goes on with it sees it */
    task->fiber = (pgs_fiber *)(void *)b;
    store_relaxed(&w->face.running, NULL);
    bool has_alarm = wait->deadline != PGS_NEVER;
    if (!(has_alarm ? pgs_alarm_set(&alarm, &w->wheel) : wait->commit(task))) {
        resume(task);
        cpu_relax(); /* as in take(): maybe a sender stands between its exchange and its link */
    }
    while (!load_acquire(&b->resumed)) { /* partner: resume */
        pgs_task *other = take(w);
        if (other) {
            run(w, other);
        } else {
            cpu_relax();
        }
    }
    store_relaxed(&w->face.running, task);
    return has_alarm && pgs_alarm_cancel(&alarm) ? -ETIME : 0;
}

void pgs_abandon(void)
{
    _longjmp(pgs_worker_current->base->context, 1);
}

/* What no case comes to, or what changes nothing here. */
#define NOT_HERE model_fail("%s is not modelled", __func__)

void pgs_linger(pgs_worker *w, pgs_task *task)
{
    push(w, task);
}

void pgs_worker_give_way(pgs_worker *w)
{
    (void)w;
}

bool pgs_worker_alone(pgs_worker *w)
{
    (void)w;
    return true;
}

void pgs_yield(pgs_task *task)
{
    (void)task;
}

void pgs_yield_to(pgs_task *task, unsigned worker)
{
    (void)task, (void)worker;
}

/* No runtime here is simulated. */
_Thread_local pgs_sim *pgs_sim_here;

/* Nor is one a guest. */
bool pgs_worker_slice_ends(pgs_worker *w)
{
    (void)w;
    return true;
}

bool pgs_guest_turn(pgs_sched *s)
{
    (void)s;
    return false;
}

bool pgs_guest_take(pgs_sched *s, int64_t deadline)
{
    (void)s, (void)deadline;
    return true;
}

void pgs_guest_give_back(pgs_sched *s)
{
    (void)s;
}

void pgs_guest_forget(pgs_sched *s)
{
    (void)s;
}

void pgs_sched_forget(pgs_sched *s)
{
    (void)s;
}

/* As the host of a guest, who drives it when he waits. */
bool pgs_sched_park(pgs_sched *s, pgs_parker *p, int64_t deadline)
{
    if (s->driven) {
        world_enter(0);
        world_work();
        world_leave();
    }
    return pgs_parker_park(p, deadline);
}

int pgs_guest_fd(pgs_sched *s)
{
    (void)s;
    NOT_HERE;
}

int64_t pgs_guest_next(pgs_sched *s)
{
    (void)s;
    NOT_HERE;
}

int pgs_guest_step(pgs_sched *s, int64_t ns)
{
    (void)s, (void)ns;
    NOT_HERE;
}

int pgs_guest_poll(pgs_sched *s, int fd, short events, int64_t deadline)
{
    (void)s, (void)fd, (void)events, (void)deadline;
    NOT_HERE;
}

/* There are no exceptions, either. */
void pgs_fiber_thread_init(pgs_fiber_thread *thread)
{
    *thread = (pgs_fiber_thread){0};
}

bool pgs_sim_is_elsewhere(pgs_sched *s)
{
    (void)s;
    return false;
}

bool pgs_sim_suspends(pgs_sched *s)
{
    (void)s;
    NOT_HERE;
}

void pgs_sim_forget(void)
{
    NOT_HERE;
}

pgs_task *pgs_worker_hand(pgs_worker *w, pgs_task *task)
{
    (void)w, (void)task;
    NOT_HERE;
}

/* For who has turns to give; here nobody has. */
pgs_task *pgs_worker_next_of_deque(pgs_worker *w)
{
    (void)w;
    NOT_HERE;
}

pgs_stack_pool_stats pgs_stack_pool_get_stats(pgs_stack_pool *pool)
{
    (void)pool;
    return (pgs_stack_pool_stats){0};
}

bool pgs_stack_pool_find(const pgs_stack_pool *pool, const void *address, pgs_stack_place *out)
{
    (void)pool, (void)address, (void)out;
    NOT_HERE;
}

pgs_stack pgs_worker_stack(const pgs_worker *w)
{
    (void)w;
    NOT_HERE;
}

int pgs_sched_thread(pthread_t *thread, void *(*entry)(void *), void *arg, const char *name)
{
    (void)thread, (void)entry, (void)arg, (void)name;
    return EAGAIN;
}

int pgs_sched_watch(pgs_sched *s)
{
    (void)s;
    NOT_HERE;
}

void pgs_sched_work(pgs_sched *s)
{
    (void)s;
    NOT_HERE;
}

int pgs_source_add(pgs_sched *s, pgs_source *source, uint32_t events)
{
    (void)s, (void)source, (void)events;
    return -ENOMEM;
}

int pgs_source_arm(pgs_sched *s, pgs_source *source, uint32_t events)
{
    (void)s, (void)source, (void)events;
    NOT_HERE;
}

void pgs_timer_set(pgs_sched *s, pgs_timer *timer, int64_t deadline)
{
    (void)s, (void)timer, (void)deadline;
    NOT_HERE;
}

void *pgs_timer_local(const pgs_timer *timer)
{
    (void)timer;
    NOT_HERE;
}

void pgs_source_remove(pgs_sched *s, pgs_source *source)
{
    (void)s, (void)source;
}

/* --------------------------------------------------------------------------------------------------------- the world
 * */

static void silent(void *context, pg_log_level level, const char *line)
{
    (void)context, (void)level, (void)line;
}

void world_start(unsigned workers, unsigned serving)
{
    used = 0;
    model_thread_local((void **)&pgs_worker_current);
    world_rt = pg_start(&(pg_options){.workers = workers, .max_processes = 16, .no_os = true, .log = silent});
    MODEL_CHECK(world_rt);
    world_rt->slots.max = SLOTS;
    add_relaxed(&world_rt->references, 1); /* as an attached host has one: the memory goes in the check */
    store_relaxed(&sched.serving, serving);
}

void world_enter(unsigned number)
{
    pgs_worker_current = &sched.worker[number];
    pgs_epoch_member_online(&sched.epoch, &sched.worker[number].member);
}

void world_leave(void)
{
    pgs_epoch_member_offline(&sched.epoch, &pgs_worker_current->member);
    pgs_worker_current = NULL;
}

void world_work(void)
{
    pgs_worker *w = pgs_worker_current;
    for (pgs_task *task = take(w); task; task = take(w)) run(w, task);
}

void world_serve(unsigned number)
{
    world_enter(number);
    do {
        world_work();
        if (!load_acquire(&sched.stopped)) cpu_relax(); /* partner: pgs_sched_stop */
    } while (!load_acquire(&sched.stopped));
    world_leave();
    sub_release(&sched.serving, 1); /* partner: pgs_sched_stop */
}

void world_tidy(void)
{
    pgs_worker *w = pgs_worker_current;
    sched.ops.local_idle(sched.ops.context, w->face.local);
}

pg_pid world_spawn(pg_target target)
{
    world_enter(0);
    pg_pid pid = pg_spawn_in(world_rt, target, NULL);
    MODEL_CHECK(pg_pid_status(pid) == PG_OK);
    world_leave();
    return pid;
}

void world_settle(void)
{
    world_enter(0);
    world_work();
    world_leave();
}

void world_drive(void)
{
    sched.driven = true;
}

void world_no_more_slots(void)
{
    pgi_slot_cache *cache = &((pgi_local *)sched.worker[0].face.local)->slots;
    world_rt->slots.max = load_relaxed(&world_rt->slots.used);
    cache->free = NULL;
    cache->free_count = 0;
}

void world_stop(void)
{
    if (!load_relaxed(&sched.stopped)) {
        world_enter(0);
        pgi_end_all(world_rt);
        world_work();
        world_leave();
        MODEL_CHECK(pgi_alive(world_rt) == 0);
        MODEL_CHECK(pg_stop(world_rt, 0) == PG_OK);
    }
}

void world_is_over(void)
{
    model_read(&sched);
}

void world_end(void)
{
    world_stop();
    pgi_runtime_drop(world_rt);
}

pg_message *world_message(int number)
{
    pg_message *msg = pgi_alloc_aligned(64, 16);
    msg->units = 4;
    msg->count = 1;
    msg->kind = PGI_USER;
    msg->flags = 0;
    *(pg_term *)(void *)(msg + 1) = (pg_term){PG_T_INT, (uint64_t)number};
    return msg;
}

int world_number(const pg_message *msg)
{
    return (int)pgi_message_terms(msg)[0].body;
}

void world_expire(unsigned number)
{
    pgs_wheel_expire(&sched.worker[number].wheel, INT64_MAX / 2);
}

uint64_t world_dropped(void)
{
    pg_stats stats;
    pg_get_stats(world_rt, &stats);
    return stats.dropped;
}
