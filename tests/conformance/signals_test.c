/* signals_test.c - signals as messages: to all that ask, with their sender, none lost while they wait in the kernel;
 * the errors; and that no descriptor stays.  main() blocks those of the cases before it has threads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "conformance.h"

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir != NULL);
    while (readdir(dir)) n++;
    closedir(dir);
    return n;
}

/* Where there are none. */
static bool refused(pg_process *self)
{
    if (the_seed == 0) return false;
    CHECK_EQ(pg_signals(self, 1, (const int[]){SIGUSR1}), PG_EUNSUPPORTED);
    return true;
}

static void expect_signal(pg_process *self, int number, int value)
{
    const pg_message *msg = next_of(self);
    CHECK_EQ(pg_count(msg), 5);
    CHECK_STR(pg_get_str(NULL, msg, 0), "signal");
    CHECK_EQ(pg_get_int(NULL, msg, 1), number);
    if (number != SIGCHLD) CHECK_EQ(pg_get_int(NULL, msg, 2), getpid());
    CHECK_EQ(pg_get_int(NULL, msg, 4), value);
}

/* Passes on what it gets, up to the first SIGTERM. */
static void listens(pg_process *self)
{
    static const int both[] = {SIGUSR1, SIGTERM};
    const pg_message *msg;
    int status = pg_signals(self, 2, both);
    CHECK_EQ(status, the_kind == PG_OS ? PG_EUNSUPPORTED : PG_OK);
    pg_send(first_arg(self), "ready", status);
    while (status == PG_OK && pg_recv(self, &msg, PG_FOREVER) == PG_OK) {
        pg_forward(first_arg(self), msg);
        if (pg_get_int(self, msg, 1) == SIGTERM) break;
    }
}

static void all_that_ask_get_it(pg_process *self)
{
    if (refused(self)) return;
    enum { LISTENERS = 3 };
    unsigned files = descriptors();
    pg_pid pid[LISTENERS];
    const pg_message *msg;
    for (int i = 0; i < LISTENERS; i++) {
        pid[i] = good(pg_spawn(self, listens, .args = pg_tuple(self)));
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "ready", PG_INT), PG_OK);
    }
    if (the_kind == PG_OS) return;
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        for (int i = 0; i < LISTENERS; i++) expect_signal(self, SIGUSR1, 0);
    }
    CHECK_EQ(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42}), 0);
    for (int i = 0; i < LISTENERS; i++) expect_signal(self, SIGUSR1, 42);
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    for (int i = 0; i < LISTENERS; i++) expect_signal(self, SIGTERM, 0);
    for (int i = 0; i < LISTENERS; i++) CHECK_EQ(end_of(pid[i]).kind, PG_EXIT_NORMAL);
    expect_nothing(self);
    CHECK(descriptors() <= files + 2); /* those of the sources, which stay */
}

static void children_are_told(pg_process *self)
{
    if (refused(self)) return;
    CHECK_EQ(pg_signals(self, 1, (const int[]){SIGCHLD}), PG_OK);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(7);
    expect_signal(self, SIGCHLD, 7);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK_EQ(pg_signals(self, 0, NULL), PG_OK);
}

/* What came while nobody asked waits; what is asked for last counts. */
static void what_waits_is_told(pg_process *self)
{
    if (refused(self)) return;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    CHECK_EQ(pg_signals(self, 1, (const int[]){SIGUSR1}), PG_OK);
    expect_signal(self, SIGUSR1, 0);
    CHECK_EQ(pg_signals(self, 1, (const int[]){SIGUSR2}), PG_OK);
    expect_signal(self, SIGUSR2, 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(pg_signals(self, 0, NULL), PG_OK);
    CHECK_EQ(pg_signals(self, 0, NULL), PG_OK);
    CHECK_EQ(pg_signals(self, 2, (const int[]){SIGUSR2, SIGUSR1}), PG_OK);
    expect_signal(self, SIGUSR1, 0);
    CHECK_EQ(pg_signals(self, 0, NULL), PG_OK);
    expect_nothing(self);
}

static void errors(pg_process *self)
{
    static const int never[] = {0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 32};
    CHECK_EQ(pg_signals(NULL, 1, never), PG_EINVAL);
    CHECK_EQ(pg_signals(self, 1, NULL), PG_EINVAL);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) CHECK_EQ(pg_signals(self, 1, &never[i]), PG_EINVAL);
    CHECK_EQ(pg_signals(self, 2, (const int[]){SIGUSR1, SIGHUP}), PG_EUNSUPPORTED); /* that one is not blocked */
    if (the_seed == 0) CHECK(log_has("signal 1 (Hangup) cannot be a message"));
    expect_nothing(self);
}

/* An attached process keeps its `self` after the stop, and its clean-ups still run. */
static void stopping_ends_it(pg_process *self)
{
    if (refused(self)) return;
    unsigned files = descriptors();
    pg_runtime *rt = start_runtime();
    pg_process *other = pg_attach(rt, "other");
    CHECK_EQ(pg_signals(other, 1, (const int[]){SIGUSR1}), PG_OK);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    CHECK_EQ(descriptors(), files);
    CHECK_EQ(pg_signals(other, 1, (const int[]){SIGUSR1}), PG_ESTOPPED);
    pg_detach(other);
}

/* The child of a fork has its own copy of those who ask, and takes nothing from its parent when they end there. */
static void a_fork_takes_nothing(pg_process *self)
{
    if (refused(self)) return;
    for (int others = 0; others < 2; others++) {
        pg_pid pid = {0};
        const pg_message *msg;
        if (others && the_kind != PG_OS) {
            pid = good(pg_spawn(self, listens, .args = pg_tuple(self)));
            CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "ready", PG_INT), PG_OK);
        }
        CHECK_EQ(pg_signals(self, 1, (const int[]){SIGUSR2}), PG_OK);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            pg_detach(self);
            _exit(0);
        }
        CHECK_EQ(waitpid(child, NULL, 0), child);
        CHECK_EQ(kill(getpid(), SIGUSR2), 0);
        expect_signal(self, SIGUSR2, 0);
        CHECK_EQ(pg_signals(self, 0, NULL), PG_OK);
        if (pid.id == 0) continue;
        pg_terminate(pid);
        end_of(pid);
    }
}

/* Where descriptors are so short that it cannot be seen what a thread blocks, it is not taken for blocked. */
static void looks_or_refuses(pg_process *self)
{
    if (refused(self)) return;
    static const int both[] = {SIGUSR1, SIGHUP};
    struct rlimit all;
    CHECK_EQ(pg_signals(self, 1, both), PG_OK);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &all), 0);
    int next = dup(0);
    close(next);
    for (rlim_t more = 0; more < 3; more++) {
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)next + more, all.rlim_max}), 0);
        int status = pg_signals(self, 2, both);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &all), 0);
        CHECK(status == PG_EUNSUPPORTED || pg_errno(status) == EMFILE);
    }
    CHECK_EQ(pg_signals(self, 0, NULL), PG_OK);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(all_that_ask_get_it),  CASE(children_are_told), CASE(what_waits_is_told), CASE(errors),
        CASE(a_fork_takes_nothing), CASE(looks_or_refuses),  CASE(stopping_ends_it),
    };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    return RUN_CASES(cases);
}
