/* restart_stress.c - runtimes started and stopped a thousand times, two at once, from two threads: nothing stays
 * behind.
 *
 * Each round runs a little of everything that has threads, memory or descriptors: processes that end, that rest, that
 * sleep, that wait for one another and for a process of the other thread's runtime, one with a thread of its own,
 * attached hosts that detach before the stop, after it, or never.  After the first rounds no thread, descriptor or
 * mapping may be added.  The heap is the sanitizers' to watch. */
#include "check.h"

#include <paragram.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

#if SANITIZED
enum { ROUNDS = 120, FIRST = 20, SLACK = 100 }; /* their own tables grow; less than one mapping for each runtime */
#else
enum { ROUNDS = 500, FIRST = 50, SLACK = 8 }; /* slack: arenas and thread stacks that libc and malloc keep */
#endif
enum { THREADS = 2 };

static _Atomic(uint64_t) somebody; /* a pid of the other thread's runtime, perhaps */
static pthread_barrier_t barrier;
static proc_traces early, late;
static uint64_t seed;

static void quiet(void *unused, pg_log_level level, const char *line)
{
    (void)unused;
    (void)level;
    (void)line; /* who is killed is named: that is intended here */
}

static void on_text(pg_process *self, const pg_message *msg)
{
    if (strcmp(pg_get_str(self, msg, 0), "end") == 0) pg_exit(self);
}

static void rests(pg_process *self)
{
    pg_receive(self, on_text, PG_STR);
}

static void receives(pg_process *self)
{
    const pg_message *msg;
    pg_recv_match(self, &msg, PG_FOREVER, "never", PG_ANY);
}

static void sleeps(pg_process *self)
{
    pg_sleep(self, PG_SECONDS(1000));
}

static void waits(pg_process *self)
{
    pg_wait(pg_get_pid(self, pg_args(self), 0), PG_FOREVER, NULL);
}

static void ends(pg_process *self)
{
    pg_spawn_link(self, rests, .name = "child");
}

static pg_pid spawn(pg_runtime *rt, pg_target target, pg_kind kind, pg_pid argument)
{
    return pg_spawn_in(rt, target, &(pg_spawn_options){.name = "x", .kind = kind, .args = pg_tuple(argument)});
}

static void round_of(uint64_t *random)
{
    uint64_t r = check_random(random);
    pg_runtime *rt = pg_start(&(pg_options){.workers = 1 + r % 3, .max_processes = 10000, .log = quiet});
    CHECK(rt);
    pg_process *self = r & 8 ? pg_attach(rt, "host") : NULL;
    pg_pid rest = spawn(rt, rests, PG_GREEN, (pg_pid){0});
    pg_pid thread = spawn(rt, r & 16 ? rests : receives, PG_THREAD, (pg_pid){0});
    for (int i = 0; i < 50; i++) spawn(rt, ends, PG_GREEN, rest);
    spawn(rt, receives, PG_GREEN, rest);
    bool kills = (r >> 32) % 8 == 0; /* costs some patience */
    if (kills) {
        spawn(rt, sleeps, r & 32 ? PG_THREAD : PG_GREEN, rest);
        pg_pid other = {atomic_load(&somebody)};
        for (int i = 0; i < 5; i++) spawn(rt, waits, PG_GREEN, i % 2 ? other : thread);
    }
    if (self) {
        pg_link(self, thread);
        pg_send(rest, "hello");
        pg_pid child = pg_spawn_link(self, rests);
        pg_terminate(child);
        const pg_message *msg;
        CHECK_EQ(pg_recv_match(self, &msg, PG_SECONDS(20), PG_EXIT, child), PG_OK);
    }
    atomic_store(&somebody, r & 256 ? rest.id : thread.id);
    if (r & 64) nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    bool detach = r & 128;
    if (self && detach) pg_detach(self);
    CHECK_EQ(pg_stop(rt, kills ? PG_MS(2) : PG_SECONDS(20)), PG_OK);
    CHECK_EQ(pg_send(rest, "hello"), PG_ENOPROC);
    if (self && !detach) {
        const pg_message *msg;
        int status = pg_recv(self, &msg, 0);
        CHECK(status == PG_ESTOPPED || status == PG_EENDED);
        CHECK_EQ(pg_pid_status(pg_spawn(self, ends)), PG_ESTOPPED);
        if (r & 512) pg_detach(self); /* else the next pg_attach(), or the end of the thread, does it */
    }
}

static void *thread_main(void *arg)
{
    uint64_t random = seed + (uint64_t)(intptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        round_of(&random);
        if (i != FIRST && i != ROUNDS - 1) continue;
        /* Both are between two rounds. */
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            *(i == FIRST ? &early : &late) = proc_traces_of(getpid());
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

int main(void)
{
    seed = check_seed();
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, thread_main, (void *)i), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    const proc_traces *seen[] = {&early, &late};
    for (int i = 0; i < 2; i++)
        printf("after %d rounds of %d threads: %d threads, %d descriptors, %d mappings\n", i ? ROUNDS : FIRST, THREADS,
               seen[i]->threads, seen[i]->fds, seen[i]->maps);
    CHECK_EQ(late.threads, early.threads);
    CHECK_EQ(late.children, early.children);
    CHECK_EQ(late.fds, early.fds);
    CHECK_EQ(late.memfds, early.memfds);
    CHECK(late.maps <= early.maps + SLACK);
    return 0;
}
