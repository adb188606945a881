/* os_stress.c - many operating-system processes, one after the other, at rest, stopped, and of several runtimes: every
 * message is counted, and nothing is left.  What kill -9 does to them is os_kill_stress.c's.
 *
 * Each part runs in a process of its own; an argument selects parts by name. */
#define _GNU_SOURCE
#include "check.h"

#include <paragram.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

enum { CROWD = SANITIZED ? 16 : 200, EACH = 10, IN_TURN = SANITIZED ? 60 : 1000, IDLERS = 20 };

static const int64_t patience = PG_SECONDS(100);
static pg_runtime *rt;
static pg_process *self_main;
static pid_t zygote;

static void quiet(void *context, pg_log_level level, const char *line)
{
    (void)context;
    (void)level;
    (void)line; /* who is killed is named: that is intended here */
}

static void start(void)
{
    rt = pg_start(&(pg_options){.workers = 2, .log = quiet});
    CHECK(rt);
    self_main = pg_attach(rt, "main");
    zygote = proc_only_child(getpid());
}

static void stop(void)
{
    pg_detach(self_main);
    CHECK_EQ(pg_stop(rt, patience), PG_OK);
    if (!SANITIZED) CHECK_EQ(proc_stat(getpid(), 20), 1); /* threads */
}

static void nap_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static pg_pid spawn_os(pg_target target, pg_value args)
{
    pg_pid pid = pg_spawn(self_main, target, .name = "child", .args = args, .kind = PG_OS);
    CHECK_EQ(pg_pid_status(pid), PG_OK);
    return pid;
}

static const pg_message *next(void)
{
    const pg_message *msg;
    CHECK_EQ(pg_recv(self_main, &msg, patience), PG_OK);
    return msg;
}

static void ends_normally(pg_pid pid)
{
    pg_exit_info why;
    CHECK_EQ(pg_wait(pid, patience, &why), PG_OK);
    if (why.kind != PG_EXIT_NORMAL) CHECK_FAIL("%d: %s", (int)why.kind, why.text);
}

typedef struct traces {
    proc_traces hub, zygote;
} traces;

static traces traces_now(void)
{
    int64_t deadline = check_now_ns() + patience;
    while (proc_count_children(zygote) > 0 && check_now_ns() < deadline) nap_ms(1);
    nap_ms(50); /* for the descriptors of the last one */
    return (traces){.hub = proc_traces_of(getpid()), .zygote = proc_traces_of(zygote)};
}

/* Fewer it may be: what was counted before may still have been going. */
static void expect_no_more(int now, int before)
{
    if (now > before) CHECK_EQ(now, before);
}

/* Nothing is there that was not before; memory that is kept for the next ones may be. */
static void expect_traces(traces before)
{
    int64_t deadline = check_now_ns() + patience;
    traces now = traces_now();
    while (now.hub.fds > before.hub.fds && check_now_ns() < deadline) now = traces_now();
    CHECK_EQ(now.zygote.children, 0);
    expect_no_more(now.hub.fds, before.hub.fds);
    expect_no_more(now.hub.memfds, before.hub.memfds);
    expect_no_more(now.zygote.fds, before.zygote.fds);
    expect_no_more(now.zygote.memfds, before.zygote.memfds);
    /* Workers that have stood in for others stay a while, and each has its stacks. */
    int more_threads = now.hub.threads > before.hub.threads ? now.hub.threads - before.hub.threads : 0;
    if (!SANITIZED && now.hub.maps > before.hub.maps + 40 + 6 * more_threads) CHECK_EQ(now.hub.maps, before.hub.maps);
}

/* ------------------------------------------------------------------------------------------------ all with all */

static int64_t own_number, heard;
static int64_t from[CROWD];

static void on_peers(pg_process *self, const pg_message *msg)
{
    const pg_term *peers = pg_get(self, msg, 1);
    for (int n = 0; n < EACH; n++) {
        for (int i = 0; i < CROWD; i++) {
            if (i == own_number) continue;
            CHECK_EQ(pg_send(pg_term_pid(self, pg_term_at(self, peers, (size_t)i)), own_number, n), PG_OK);
        }
    }
}

static void on_hello(pg_process *self, const pg_message *msg)
{
    int64_t who = pg_get_int(self, msg, 0);
    CHECK_EQ(pg_get_int(self, msg, 1), from[who]);
    from[who]++;
    if (++heard == (CROWD - 1) * EACH) pg_send(pg_main(pg_runtime_of(self)), own_number, heard);
    CHECK(heard <= (CROWD - 1) * EACH);
}

static void one_of_all(pg_process *self)
{
    own_number = pg_get_int(self, pg_args(self), 0);
    pg_receive(self, on_peers, "peers", PG_ANY);
    pg_receive(self, on_hello, PG_INT, PG_INT);
}

static void target_ends(pg_process *self)
{
    pg_send(pg_main(pg_runtime_of(self)), (int)getpid());
}

static void test_all_with_all(void)
{
    pg_pid pids[CROWD];
    pg_value values[CROWD];
    start();
    ends_normally(spawn_os(target_ends, pg_tuple()));
    next();
    traces before = traces_now();
    for (int i = 0; i < CROWD; i++) {
        pids[i] = spawn_os(one_of_all, pg_tuple(i));
        values[i] = pg_v_pid(pids[i]);
    }
    for (int i = 0; i < CROWD; i++) CHECK_EQ(pg_send(pids[i], "peers", pg_list_of(CROWD, values)), PG_OK);
    bool done[CROWD] = {false};
    for (int i = 0; i < CROWD; i++) {
        const pg_message *msg = next();
        int64_t who = pg_get_int(NULL, msg, 0);
        CHECK(!done[who]);
        done[who] = true;
        CHECK_EQ(pg_get_int(NULL, msg, 1), (CROWD - 1) * EACH);
    }
    for (int i = 0; i < CROWD; i++) pg_terminate(pids[i]);
    for (int i = 0; i < CROWD; i++) ends_normally(pids[i]);
    expect_traces(before);
    stop();
}

/* -------------------------------------------------------------------------------------------------- one by one */

static void test_in_turn(void)
{
    start();
    traces before = {0};
    for (int i = 0; i < IN_TURN; i++) {
        pg_pid pid = spawn_os(target_ends, pg_tuple());
        next();
        ends_normally(pid);
        if (i == 20) before = traces_now();
    }
    expect_traces(before);
    stop();
}

/* Those who link with one that is just ending, and wait for it, hear of it: from other children. */
static void links_the_ending(pg_process *self)
{
    const pg_message *msg;
    for (int i = 0; i < (SANITIZED ? 10 : 60); i++) {
        pg_exit_info why;
        pg_pid pid = pg_spawn(self, target_ends, .kind = PG_OS);
        CHECK_EQ(pg_pid_status(pid), PG_OK);
        pg_sleep(self, i % 20 * (PG_MS(1) / 8));
        CHECK_EQ(pg_link(self, pid), PG_OK);
        CHECK_EQ(pg_wait(pid, PG_FOREVER, &why), PG_OK);
        CHECK_EQ(why.kind, PG_EXIT_NORMAL);
        CHECK_EQ(pg_recv_match(self, &msg, PG_FOREVER, PG_EXIT, pid), PG_OK);
    }
}

static void test_just_ending(void)
{
    start();
    pg_pid pids[4];
    for (int i = 0; i < 4; i++) pids[i] = spawn_os(links_the_ending, pg_tuple());
    for (int i = 0; i < 4; i++) ends_normally(pids[i]);
    stop();
}

/* ------------------------------------------------------------------------------------------------------ at rest */

static void on_echo(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 0), (int)getpid(), pg_get(self, msg, 1));
}

static void echo(pg_process *self)
{
    pg_receive(self, on_echo, PG_PID, PG_ANY);
}

static long ticks_of(pid_t pid)
{
    return proc_stat(pid, 14) + proc_stat(pid, 15);
}

static void test_idle(void)
{
    enum { ALL = IDLERS + 2, MOST = SANITIZED ? 30 : 1 };
    pid_t who[ALL];
    long before[ALL];
    start();
    for (int i = 0; i < IDLERS; i++) {
        CHECK_EQ(pg_send(spawn_os(echo, pg_tuple()), self_main, i), PG_OK);
        who[i] = (pid_t)pg_get_int(NULL, next(), 0);
    }
    who[IDLERS] = zygote;
    who[IDLERS + 1] = getpid();
    nap_ms(300);
    for (int i = 0; i < ALL; i++) before[i] = ticks_of(who[i]);
    nap_ms(2000);
    for (int i = 0; i < ALL; i++) {
        long used = ticks_of(who[i]) - before[i];
        if (used > MOST) CHECK_FAIL("number %d has used %ld ticks of processor time, at rest", i, used);
    }
    /* A zygote that is killed takes all with it, and is heard of once. */
    kill(zygote, SIGKILL);
    for (int i = 0; i < IDLERS; i++) {
        for (int n = 0; n < 1000 && !proc_gone(who[i]) && proc_stat(who[i], 4) == zygote; n++) nap_ms(1);
    }
    nap_ms(100);
    long used = ticks_of(getpid());
    nap_ms(500);
    CHECK(ticks_of(getpid()) - used <= MOST);
    CHECK_EQ(pg_pid_status(pg_spawn(self_main, echo, .kind = PG_OS)), PG_ESTOPPED);
    stop();
}

/* --------------------------------------------------------------------------------------------------- who is stopped */

static void on_count(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    heard++;
}

static void on_how_many(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_send(pg_main(pg_runtime_of(self)), (int)getpid(), heard);
}

static void counter(pg_process *self)
{
    pg_receive(self, on_count, PG_BYTES);
    pg_receive(self, on_how_many, "how many");
}

static void test_stopped(void)
{
    static char megabyte[1 << 20];
    start();
    pg_pid pid = spawn_os(counter, pg_tuple()), other = spawn_os(echo, pg_tuple());
    CHECK_EQ(pg_send(pid, "how many"), PG_OK);
    pid_t os = (pid_t)pg_get_int(NULL, next(), 0);
    kill(os, SIGSTOP);
    int64_t sent = 0;
    int status;
    while ((status = pg_send(pid, pg_bytes(megabyte, sizeof megabyte))) == PG_OK) sent++;
    CHECK_EQ(status, PG_EFULL);
    CHECK(sent >= 250 && sent <= 260);
    pg_exit_info why;
    CHECK_EQ(pg_wait(pid, PG_MS(50), &why), PG_ETIMEDOUT);
    int64_t began = check_now_ns();
    CHECK(pg_is_alive(pid)); /* it cannot say so: nothing says that it is not */
    CHECK(check_now_ns() - began < PG_SECONDS(20));
    CHECK_EQ(pg_send(other, self_main, "the others go on"), PG_OK);
    next();
    CHECK_EQ(pg_send(pid, "how many"), PG_EFULL);
    kill(os, SIGCONT);
    while ((status = pg_send(pid, "how many")) == PG_EFULL) nap_ms(1);
    CHECK_EQ(status, PG_OK);
    CHECK_EQ(pg_get_int(NULL, next(), 1), sent);
    kill(os, SIGSTOP);
    CHECK_EQ(pg_send(pid, pg_bytes(megabyte, sizeof megabyte)), PG_OK);
    began = check_now_ns();
    pg_detach(self_main);
    CHECK_EQ(pg_stop(rt, PG_MS(100)), PG_OK);
    CHECK(check_now_ns() - began < PG_SECONDS(5));
    CHECK(proc_gone(os) && proc_gone(zygote));
}

/* ------------------------------------------------------------------------------------------ a parent that is killed */

static int ends_of[2];

static void on_flood(pg_process *self, const pg_message *msg)
{
    static const char text[3000];
    (void)msg;
    for (int i = 0; i < 3; i++) {
        pg_send(pg_main(pg_runtime_of(self)), pg_bytes(text, sizeof text));
        pg_send(pg_get_pid(self, msg, 0), self, pg_bytes(text, (size_t)i * 1000));
    }
}

/* Each message makes three of another, most of which are refused as soon as too much is on its way. */
static void flooder(pg_process *self)
{
    pg_receive(self, on_flood, PG_PID, PG_BYTES);
    pg_send(pg_main(pg_runtime_of(self)), (int)getpid());
}

static void life_of_parent(void)
{
    enum { CHILDREN = 10 };
    pid_t all[CHILDREN + 1];
    pg_pid pids[CHILDREN];
    start();
    for (int i = 0; i < CHILDREN; i++) {
        pids[i] = spawn_os(flooder, pg_tuple());
        all[i] = (pid_t)pg_get_int(NULL, next(), 0);
    }
    all[CHILDREN] = zygote;
    for (int i = 0; i < CHILDREN; i++) pg_send(pids[i], pids[(i + 1) % CHILDREN], pg_bytes("", 0));
    CHECK_EQ(write(ends_of[1], all, sizeof all), sizeof all);
    const pg_message *msg;
    while (pg_recv(self_main, &msg, PG_SECONDS(30)) == PG_OK) continue;
}

static void test_parent_killed(void)
{
    pid_t all[11];
    CHECK_EQ(pipe(ends_of), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t parent = proc_start(life_of_parent);
    CHECK_EQ(read(ends_of[0], all, sizeof all), sizeof all);
    nap_ms(50);
    kill(parent, SIGKILL);
    int64_t began = check_now_ns(), took;
    for (;;) {
        int left = 0;
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) continue;
        for (int i = 0; i < 11; i++) left += !proc_gone(all[i]);
        took = check_now_ns() - began;
        if (left == 0) break;
        if (took > PG_SECONDS(SANITIZED ? 5 : 1)) CHECK_FAIL("%d are left after a second", left);
        nap_ms(1);
    }
    printf("all gone %.0f ms after their parent\n", (double)took / 1e6);
}

/* ----------------------------------------------------------------------------------------------- several runtimes */

static void test_runtimes(void)
{
    CHECK_EQ(pg_zygote_early(), PG_OK);
    start();
    pg_runtime *first = rt;
    pg_process *first_main = self_main;
    pg_pid first_child = spawn_os(echo, pg_tuple());
    CHECK_EQ(pg_send(first_child, first_main, "begun"), PG_OK);
    next();
    int fds = 0;
    for (int round = 0; round < (SANITIZED ? 10 : 50); round++) {
        rt = pg_start(&(pg_options){.workers = 1, .log = quiet});
        CHECK(rt);
        self_main = pg_attach(rt, "second");
        pg_pid a = spawn_os(echo, pg_tuple()), b = spawn_os(target_ends, pg_tuple());
        CHECK_EQ(pg_send(a, self_main, "of the second"), PG_OK);
        CHECK_EQ(pg_send(first_child, self_main, "of the first"), PG_OK);
        CHECK_EQ(pg_send(a, first_main, "the other way"), PG_OK);
        if (round % 3 == 0) ends_normally(b);
        for (int i = 0; i < 3; i++) next();
        self_main = first_main;
        next();
        if (round % 2) CHECK_EQ(pg_send(a, first_main, "a last one"), PG_OK);
        int status = pg_stop(rt, round % 5 == 0 ? 0 : patience);
        if (status == PG_ETIMEDOUT) status = pg_stop(rt, patience); /* a busy machine takes long to kill */
        CHECK_EQ(status, PG_OK);
        CHECK_EQ(pg_send(a, first_main, "nobody"), PG_ENOPROC);
        const pg_message *msg;
        pg_recv(first_main, &msg, 0);
        if (round == 5) fds = proc_count_fds(getpid());
        CHECK(round <= 5 || proc_count_fds(getpid()) <= fds);
    }
    rt = first;
    stop();
    CHECK_EQ(proc_count_children(zygote), 0);
}

/* ---------------------------------------------------------------------------------------------- a stop in a storm */

static void *storm(void *seed)
{
    uint64_t state = (uint64_t)(uintptr_t)seed;
    pg_process *self = pg_attach(rt, "storm");
    pg_pid pids[8] = {{0}};
    for (unsigned n = 0; self; n++) {
        pg_pid *pid = &pids[n % 8];
        if (pid->id) pg_terminate(*pid);
        *pid = pg_spawn(self, flooder, .name = "storm", .kind = PG_OS);
        int status = pg_pid_status(*pid);
        if (status == PG_ESTOPPED) break;
        if (status != PG_OK) continue;
        pg_send(*pid, pids[check_random(&state) % 8], pg_bytes("", 0));
    }
    if (self) pg_detach(self);
    return NULL;
}

static _Atomic(bool) storms;

static void *killer(void *seed)
{
    uint64_t state = (uint64_t)(uintptr_t)seed;
    while (atomic_load(&storms)) {
        pid_t all[256];
        int n = proc_children(zygote, all, 256);
        if (n > 0) kill(all[check_random(&state) % (uint64_t)n], check_random(&state) % 4 ? SIGKILL : SIGSTOP);
        nap_ms(1);
    }
    return NULL;
}

static void test_stop_in_storm(void)
{
    enum { STORMS = 3 };
    static const int64_t timeouts[] = {0, PG_MS(20), PG_MS(300)};
    CHECK_EQ(pg_zygote_early(), PG_OK);
    uint64_t state = check_seed();
    int fds = 0;
    for (int round = 0; round < (SANITIZED ? 4 : 8); round++) {
        pthread_t threads[STORMS + 1];
        start();
        atomic_store(&storms, true);
        for (int i = 0; i < STORMS; i++)
            pthread_create(&threads[i], NULL, storm, (void *)(uintptr_t)check_random(&state));
        pthread_create(&threads[STORMS], NULL, killer, (void *)(uintptr_t)check_random(&state));
        nap_ms(20 + (int)(check_random(&state) % 100));
        int64_t began = check_now_ns();
        int status;
        do { /* a thread in the middle of a spawn may wait long for a processor */
            status = pg_stop(rt, timeouts[round % 3]);
        } while (status == PG_ETIMEDOUT && check_now_ns() - began < patience);
        CHECK_EQ(status, PG_OK);
        atomic_store(&storms, false);
        for (int i = 0; i <= STORMS; i++) pthread_join(threads[i], NULL);
        pg_detach(self_main);
        for (int n = 0; n < 5000 && proc_count_children(zygote) > 0; n++) nap_ms(1);
        CHECK_EQ(proc_count_children(zygote), 0);
        if (round == 0) fds = proc_count_fds(getpid());
        CHECK_EQ(proc_count_fds(getpid()), fds);
    }
}

/* ------------------------------------------------------------------------------------------------------------ all */

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"all with all", test_all_with_all}, {"in turn", test_in_turn},
                 {"just ending", test_just_ending},   {"idle", test_idle},
                 {"stopped", test_stopped},           {"parent killed", test_parent_killed},
                 {"runtimes", test_runtimes},         {"storm", test_stop_in_storm}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (argc > 1 && !strstr(parts[i].name, argv[1])) continue;
        int64_t began = check_now_ns();
        int fds = proc_count_fds(getpid());
        proc_run(parts[i].run);
        CHECK_EQ(proc_count_fds(getpid()), fds);
        printf("%s: %.1f s\n", parts[i].name, (double)(check_now_ns() - began) / 1e9);
        fflush(stdout);
    }
    return 0;
}
