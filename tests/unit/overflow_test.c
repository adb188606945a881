/* overflow_test.c - pg_options.report_overflow: a process that runs out of stack is named, and the program dies as it
 * would have; a host's own handler keeps its say; nobody gets a handler who did not ask for one.
 *
 * Each death happens in a child of its own, which says on a pipe what it has to say on stderr. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "paragram.h"
#include "proc.h"
#include "sched/fiber.h"

/* Deeper than any stack; and not to be made a loop of. */
static __attribute__((noinline)) int recurse(volatile int depth)
{
    volatile char frame[256];
    frame[depth % 256] = (char)depth;
    int deeper = depth < 1 << 28 ? recurse(depth + 1) : 0;
    return deeper + frame[0];
}

static void overflowing(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    recurse(1);
}

static void deep(pg_process *self)
{
    pg_receive(self, overflowing, "dive");
}

static void host_handler(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    static const char text[] = "the host's handler\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(3);
    signal(number, SIG_DFL);
}

static void plain_handler(int number)
{
    host_handler(number, NULL, NULL);
}

static struct sigaction now(void)
{
    struct sigaction action;
    CHECK_EQ(sigaction(SIGSEGV, NULL, &action), 0);
    return action;
}

static void install(bool plain)
{
    struct sigaction action = {.sa_flags = plain ? SA_ONSTACK : SA_SIGINFO | SA_ONSTACK};
    if (plain) {
        action.sa_handler = plain_handler;
    } else {
        action.sa_sigaction = host_handler;
    }
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
}

static pg_runtime *start(bool report)
{
    pg_runtime *rt = pg_start(&(pg_options){.workers = 2, .max_processes = 1000, .report_overflow = report});
    CHECK(rt);
    return rt;
}

/* Does not return, unless nothing happens. */
static void dive(pg_runtime *rt, pg_kind kind)
{
    pg_process *self = pg_attach(rt, "main");
    pg_pid pid = pg_spawn(self, deep, .name = "the deep one", .kind = kind);
    CHECK_EQ(pg_send(pid, "dive"), PG_OK);
    pg_wait(pid, PG_SECONDS(20), NULL);
}

/* ------------------------------------------------------------------------------------------------------ the deaths */

static void green(void)
{
    dive(start(true), PG_GREEN);
}

static void thread(void)
{
    dive(start(true), PG_THREAD);
}

static void second_of_two(void)
{
    pg_runtime *first = start(true);
    pg_runtime *second = start(true);
    CHECK_EQ(pg_stop(first, PG_SECONDS(5)), PG_OK);
    dive(second, PG_GREEN);
}

/* Of two that one thread drives, which report by the same alternate stack of its. */
static void second_of_two_guests(void)
{
    const pg_options guest = {.guest = true, .no_os = true, .max_processes = 1000, .report_overflow = true};
    pg_runtime *first = pg_start(&guest), *second = pg_start(&guest);
    CHECK(first && second);
    CHECK_EQ(pg_stop(first, PG_SECONDS(5)), PG_OK);
    dive(second, PG_GREEN);
}

static void one_that_did_not_ask(void)
{
    start(true);
    dive(start(false), PG_GREEN);
}

static void after_sa_sigaction(void)
{
    install(false);
    dive(start(true), PG_GREEN);
}

static void after_sa_handler(void)
{
    install(true);
    dive(start(true), PG_GREEN);
}

/* A host's handler on top of ours that calls what it found; then ours must not be put on top of it again. */
static struct sigaction below;

static void top_handler(int number, siginfo_t *info, void *context)
{
    static const char text[] = "on top\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(3);
    below.sa_sigaction(number, info, context);
}

static void under_another(void)
{
    pg_runtime *first = start(true);
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = top_handler;
    CHECK_EQ(sigaction(SIGSEGV, &action, &below), 0);
    CHECK_EQ(pg_stop(first, PG_SECONDS(5)), PG_OK);
    CHECK(now().sa_sigaction == top_handler);
    pg_runtime *second = start(true);
    CHECK(now().sa_sigaction == top_handler);
    dive(second, PG_GREEN);
}

static void touch_guard(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
}

static void wild(pg_process *self)
{
    pg_receive(self, touch_guard, "dive");
}

static void wild_pointer(void)
{
    pg_process *self = pg_attach(start(true), "main");
    pg_pid pid = pg_spawn(self, wild, .name = "the wild one");
    CHECK_EQ(pg_send(pid, "dive"), PG_OK);
    pg_wait(pid, PG_SECONDS(20), NULL);
}

/* Where the guard of a stack would be, but not of the one that it runs on: stacks of 64 KiB lie side by side, each with
 * its guard below, at multiples of their size. */
static void touch_another_guard(pg_process *self)
{
    (void)self;
    volatile char here = 0;
    uintptr_t own = (uintptr_t)&here & ~(uintptr_t)0xffff;
    *(volatile char *)(own + (uintptr_t)512 * 0x10000) = 1;
}

static void wilder_pointer(void)
{
    pg_process *self = pg_attach(start(true), "main");
    pg_wait(pg_spawn(self, touch_another_guard, .name = "the wild one"), PG_SECONDS(20), NULL);
}

static void sent(void)
{
    start(true);
    kill(getpid(), SIGSEGV);
    for (;;) pause();
}

/* Runs `life` in a child; returns what it said on stderr.  It must have died of SIGSEGV. */
static const char *death_of(void (*life)(void))
{
    static char said[8192];
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        life();
        _exit(2);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t n; (n = read(ends[0], said + length, sizeof said - 1 - length)) != 0;
         length += n > 0 ? (size_t)n : 0) {
        CHECK(n > 0 || errno == EINTR);
    }
    said[length] = '\0';
    close(ends[0]);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV) CHECK_FAIL("status %#x, said: %s", status, said);
    return said;
}

static bool says(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void test_deaths(void)
{
    static const char line[] = " \"the deep one\" overflowed its stack of 64 KiB; see pg_options.stack_size\n";
    const char *said = death_of(green);
    CHECK(says(said, line));
    CHECK(strncmp(said, "paragram: process <pid ", 23) == 0);
    CHECK(!says(strchr(said, '\n') + 1, "overflowed")); /* once */
    said = death_of(thread);
    CHECK(says(said, "\"the deep one\" overflowed its stack of "));
    CHECK(says(said, "; see ulimit -s\n"));
    CHECK(says(death_of(second_of_two), line));
    CHECK(says(death_of(second_of_two_guests), line));
    CHECK(!says(death_of(one_that_did_not_ask), "overflowed"));
    CHECK(!says(death_of(wild_pointer), "overflowed"));
    CHECK(!says(death_of(wilder_pointer), "overflowed"));
    CHECK(!says(death_of(sent), "overflowed"));
}

static void test_chains(void)
{
    static void (*const lives[])(void) = {after_sa_sigaction, after_sa_handler};
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        const char *said = death_of(lives[i]);
        CHECK(says(said, "\"the deep one\" overflowed its stack"));
        CHECK(says(said, "the host's handler\n"));
        CHECK(strstr(said, "the host's") > strstr(said, "overflowed"));
    }
    const char *said = death_of(under_another);
    CHECK(says(said, "on top\n"));
    CHECK(says(said, "\"the deep one\" overflowed its stack"));
    CHECK(!says(strstr(said, "on top") + 1, "on top"));
}

/* -------------------------------------------------------------------------------------------------- taken and given */

static void check_alternate(pg_process *self)
{
    stack_t stack;
    CHECK_EQ(sigaltstack(NULL, &stack), 0);
    CHECK_EQ(!(stack.ss_flags & SS_DISABLE), pg_get_bool(self, pg_args(self), 0));
}

static void once(bool report)
{
    struct sigaction before = now();
    pg_runtime *rt = start(report);
    CHECK_EQ(now().sa_sigaction != before.sa_sigaction, report);
    pg_process *self = pg_attach(rt, "main");
    pg_pid pid = pg_spawn(self, check_alternate, .kind = PG_THREAD, .args = pg_tuple(report));
    CHECK_EQ(pg_wait(pid, PG_SECONDS(20), NULL), PG_OK);
    pg_pid green_one = pg_spawn(self, check_alternate, .args = pg_tuple(report));
    CHECK_EQ(pg_wait(green_one, PG_SECONDS(20), NULL), PG_OK);
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(20)), PG_OK);
    struct sigaction after = now();
    const int restorer = 0x04000000; /* a flag of the C library's own */
    CHECK(after.sa_sigaction == before.sa_sigaction);
    CHECK_EQ(after.sa_flags | restorer, before.sa_flags | restorer);
}

static void *many_times(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) CHECK_EQ(pg_stop(start(i % 3 != 0), PG_SECONDS(20)), PG_OK);
    return NULL;
}

static void test_taken_and_given(void)
{
    once(false);
    once(true);
    install(false);
    once(false);
    once(true);
    int before = proc_count_maps(getpid(), "");
    struct sigaction mine = now();
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) CHECK_EQ(pthread_create(&threads[i], NULL, many_times, NULL), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK(now().sa_sigaction == mine.sa_sigaction);
    CHECK(proc_count_maps(getpid(), "") <
          before + 20); /* glibc keeps a few stacks and arenas; forty runtimes would leave a hundred */
    signal(SIGSEGV, SIG_DFL);
}

/* Sent by somebody to a host that ignores it, the signal is still ignored. */
static void be_sent_what_is_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    pg_runtime *rt = start(true);
    CHECK_EQ(raise(SIGSEGV), 0);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(20)), PG_OK);
}

/* A sanitizer brings a handler of its own, and AddressSanitizer alternate stacks too. */
#if defined(PGS_FIBER_ASAN) || defined(PGS_FIBER_TSAN)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

int main(void)
{
    if (!sanitized) {
        test_deaths();
        test_chains();
        test_taken_and_given();
        proc_run(be_sent_what_is_ignored);
    }
    many_times(NULL);
    return 0;
}
