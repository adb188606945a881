/* sandbox_test.c - what a confined child may do, what it may not and how it is told so, and that limits are hit.
 *
 * Each child is forked by hand, confines itself as a child of the runtime does, and does one thing.  It ends with 0
 * when all was as it should be.  Sanitizers need more than a sandbox gives: under them only what does not start a
 * filter and limits no address space is tried. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "paragram.h"
#include "words.h"

#define MB ((size_t)1 << 20)

/* In the child: a condition that must hold; the line is the exit code's reason. */
#define MUST(condition)                             \
    do {                                            \
        if (!(condition)) {                         \
            pgi_crash_say("not true: " #condition); \
            _exit(2);                               \
        }                                           \
    } while (0)

static void lives(const pgi_isolation *isolation, void (*life)(void))
{
    siginfo_t info = end_of_life(isolation, life);
    if (info.si_code != CLD_EXITED || info.si_status != 0) CHECK_FAIL("%s", text);
}

static const pgi_isolation compute = {.level = PG_SANDBOX_COMPUTE};
static const pgi_isolation humble = {.level = PG_SANDBOX_NO_PRIVILEGES};

/* ------------------------------------------------------------------------------------------------ what is allowed */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turns;

static void *take_turns(void *odd)
{
    pthread_mutex_lock(&mutex);
    while (turns < 1000) {
        while (turns < 1000 && turns % 2 != (odd != NULL)) pthread_cond_wait(&condition, &mutex);
        turns++;
        pthread_cond_broadcast(&condition);
    }
    pthread_mutex_unlock(&mutex);
    char *small = malloc(1000);
    MUST(small);
    memset(small, 1, 1000);
    free(small);
    return NULL;
}

static void threads(void)
{
    pthread_t thread[4];
    for (size_t i = 0; i < 4; i++) MUST(pthread_create(&thread[i], NULL, take_turns, i % 2 ? &mutex : NULL) == 0);
    for (int i = 0; i < 4; i++) MUST(pthread_join(thread[i], NULL) == 0);
    MUST(turns >= 1000);
}

static void memory(void)
{
    char *large = malloc(100 * MB);
    MUST(large);
    memset(large, 1, 100 * MB);
    large = realloc(large, 150 * MB);
    MUST(large);
    free(large);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(page != MAP_FAILED && mprotect(page, 4096, PROT_NONE) == 0 && munmap(page, 4096) == 0);
}

static void times_and_signals(void)
{
    struct timespec now;
    MUST(clock_gettime(CLOCK_REALTIME, &now) == 0);
    MUST(nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL) == 0);
    MUST(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    MUST(raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
    cpu_set_t set;
    MUST(sched_getaffinity(0, sizeof set, &set) == 0);
    MUST(prctl(PR_SET_NAME, "confined") == 0);
}

static _Atomic(int) handled;

static void count(pg_process *self, const pg_message *msg)
{
    handled += (int)pg_get_int(self, msg, 1);
}

static void counter(pg_process *self)
{
    pg_receive(self, count, "count", PG_ANY);
}

/* The runtime itself: both kinds, timers, stop. */
static void runtime(void)
{
    pg_runtime *rt = pg_start(&(pg_options){.workers = 2, .max_processes = 1000});
    MUST(rt);
    pg_process *self = pg_attach(rt, "main");
    MUST(self);
    pg_pid green = pg_spawn(self, counter, .name = "green");
    pg_pid thread = pg_spawn(self, counter, .name = "thread", .kind = PG_THREAD);
    for (int i = 0; i < 1000; i++) MUST(pg_send(green, "count", 1) == PG_OK && pg_send(thread, "count", 1) == PG_OK);
    const pg_message *msg;
    MUST(pg_recv(self, &msg, PG_MS(20)) == PG_ETIMEDOUT);
    MUST(pg_terminate(green) == PG_OK && pg_terminate(thread) == PG_OK);
    MUST(pg_wait(green, PG_SECONDS(20), NULL) == PG_OK && pg_wait(thread, PG_SECONDS(20), NULL) == PG_OK);
    MUST(handled == 2000);
    MUST(pg_stop(rt, PG_SECONDS(20)) == PG_OK);
}

static void output_to_pipe(void)
{
    struct stat status;
    MUST(printf("said %d\n", 17) == 8 && fflush(stdout) == 0);
    MUST(fstat(STDOUT_FILENO, &status) == 0 && S_ISFIFO(status.st_mode));
}

/* stdout is a pipe by then. */
static void test_output(void)
{
    char said[100];
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    int before = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    siginfo_t info = end_of_life(&compute, output_to_pipe);
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    if (info.si_status != 0) CHECK_FAIL("%s", text);
    ssize_t length = read(ends[0], said, sizeof said - 1);
    CHECK(length > 0);
    said[length] = '\0';
    CHECK(strstr(said, "said 17\n"));
    close(ends[0]);
    close(ends[1]);
    close(before);
}

static void test_allowed(void)
{
    lives(&compute, threads);
    lives(&compute, memory);
    lives(&compute, times_and_signals);
    lives(&compute, runtime);
    lives(&humble, runtime);
    test_output();
}

/* ---------------------------------------------------------------------------------------------- what is forbidden */

static void files(void)
{
    struct stat status;
    char link[100];
    MUST(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES);
    MUST(open("/dev/null", O_RDWR) == -1 && errno == EACCES);
    MUST(fopen("/proc/self/maps", "r") == NULL && errno == EACCES);
    MUST(stat("/etc/passwd", &status) == -1 && errno == EACCES);
    MUST(access("/etc/passwd", F_OK) == -1 && errno == EACCES);
    MUST(readlink("/proc/self/exe", link, sizeof link) == -1 && errno == EACCES);
    MUST(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
}

static void call_execve(void)
{
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    execve("/bin/true", arguments, arguments + 1);
}

static void call_socket(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}

static void call_connect(void)
{
    connect(0, NULL, 0);
}

static void call_fork(void)
{
    if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) _exit(0);
}

static void call_unshare(void)
{
    unshare(CLONE_NEWNET);
}

static void call_kill(void)
{
    kill(getppid(), 0);
}

static void call_tgkill(void)
{
    syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static void call_ptrace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void call_mmap(void)
{
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void call_mprotect(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void call_prctl(void)
{
    prctl(PR_SET_DUMPABLE, 1);
}

static void call_ioctl(void)
{
    ioctl(0, 0x5412 /* TIOCSTI */, "x");
}

static void call_unlink(void)
{
    syscall(SYS_unlinkat, AT_FDCWD, "/nonexistent", 0);
}

static void call_prlimit(void)
{
    syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, NULL);
}

static void call_io_uring(void)
{
    syscall(425, 1, NULL);
}

static void *fork_in_thread(void *unused)
{
    pgi_crash_thread_begin(true);
    call_fork();
    return unused;
}

static void in_thread(void)
{
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, fork_in_thread, NULL) == 0);
    pthread_join(thread, NULL);
}

static void asking(pg_process *self)
{
    (void)self;
    call_socket();
}

static void in_process(void)
{
    pg_runtime *rt = pg_start(&(pg_options){.workers = 1, .max_processes = 1000});
    MUST(rt);
    pg_wait(pg_spawn_in(rt, asking, &(pg_spawn_options){.name = "curious", .kind = PG_THREAD}), PG_SECONDS(20), NULL);
}

static void blocked(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    syscall(SYS_execve, NULL, NULL, NULL);
}

#if defined(__x86_64__)
static void call_i386(void)
{
    long result = 20; /* getpid */
    __asm__ volatile("int $0x80" : "+a"(result)::"memory");
}

static void call_x32(void)
{
    syscall(0x40000000 | SYS_getpid);
}
#endif

static void forbidden(void (*life)(void), const char *name, long number)
{
    char expected[200];
    siginfo_t info = end_of_life(&compute, life);
    snprintf(expected, sizeof expected,
             "killed by signal 31 (Bad system call): system call %ld (%s) is not allowed in its sandbox", number, name);
    if (info.si_code == CLD_EXITED || info.si_status != SIGSYS || strncmp(text, expected, strlen(expected)) != 0) {
        CHECK_FAIL("%s: %s", name, text);
    }
}

#define FORBIDDEN(name) forbidden(call_##name, #name, SYS_##name)

static void test_forbidden(void)
{
    lives(&compute, files);
    FORBIDDEN(execve);
    CHECK(strstr(text, "; backtrace: "));
    CHECK(strstr(text, ", call_execve+0x"));
    FORBIDDEN(socket);
    FORBIDDEN(connect);
    forbidden(call_fork, "clone", SYS_clone);
    forbidden(in_thread, "clone", SYS_clone);
    FORBIDDEN(unshare);
    FORBIDDEN(kill);
    FORBIDDEN(tgkill);
    FORBIDDEN(ptrace);
    FORBIDDEN(mmap);
    FORBIDDEN(mprotect);
    FORBIDDEN(prctl);
    FORBIDDEN(ioctl);
    forbidden(call_unlink, "unlinkat", SYS_unlinkat);
    forbidden(call_prlimit, "prlimit64", SYS_prlimit64);
    forbidden(call_io_uring, "io_uring_setup", 425);
#if defined(__x86_64__)
    static void (*const others[])(void) = {call_i386, call_x32};
    for (int i = 0; i < 2; i++) {
        siginfo_t info = end_of_life(&compute, others[i]);
        CHECK(info.si_code != CLD_EXITED ||
              (i == 0 && info.si_status == 0)); /* a kernel without i386 has no such call */
        if (info.si_code != CLD_EXITED) CHECK(info.si_status == SIGSYS || info.si_status == SIGSEGV);
    }
#endif
    siginfo_t info = end_of_life(&compute, in_process);
    CHECK_EQ(info.si_status, SIGSYS);
    info = end_of_life(&compute, blocked);
    CHECK_EQ(info.si_status, SIGSYS);
    CHECK_STR(text, "killed by signal 31 (Bad system call): a system call is not allowed in its sandbox");
}

/* -------------------------------------------------------------------------------------------------- no privileges */

static void humility(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3];
    struct rlimit core;
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    MUST(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
    MUST(syscall(SYS_capget, &head, held) == 0 && held[0].permitted == 0 && held[1].permitted == 0);
    int file = open("/dev/null", O_RDONLY);
    MUST(file >= 0);
}

/* --------------------------------------------------------------------------------------------------------- limits */

static void use_100_mb(void)
{
    MUST(malloc(10 * MB) != NULL);
    void *page = mmap(NULL, 100 * MB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    MUST(page == MAP_FAILED && errno == ENOMEM);
}

static void open_many(void)
{
    int last = 0;
    for (int i = 0; i < 100 && last >= 0; i++) last = dup(0);
    MUST(last == -1 && errno == EMFILE);
}

static void spin(void)
{
    for (volatile unsigned i = 0;; i++) {}
}

static void *spin_in_thread(void *unused)
{
    pgi_crash_thread_begin(true);
    spin();
    return unused;
}

/* As in the runtime: threads that block all signals until they are ready. */
static void spin_elsewhere(void)
{
    sigset_t all;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_create(&thread, NULL, spin_in_thread, NULL);
    pthread_join(thread, NULL);
}

static void ignore_and_spin(void)
{
    signal(SIGXCPU, SIG_IGN);
    spin();
}

static void raise_limits(void)
{
    const struct rlimit more = {200, 200};
    MUST(setrlimit(RLIMIT_NOFILE, &more) == -1 && errno == EPERM);
}

static void test_limits(void)
{
    static const char used_up[] =
        "killed by signal 24 (CPU time limit exceeded): it has used up its 1 s of processor time";
    lives(&(pgi_isolation){.open_files = 50}, open_many);
    lives(&(pgi_isolation){.open_files = 50, .level = PG_SANDBOX_NO_PRIVILEGES}, raise_limits);
    CHECK_EQ(end_of_life(&(pgi_isolation){.cpu_seconds = 1}, spin_elsewhere).si_status,
             DEFERS_SIGNALS ? SIGKILL : SIGXCPU);
    if (!DEFERS_SIGNALS) {
        CHECK(strncmp(text, used_up, strlen(used_up)) == 0);
        CHECK(strstr(text, "; backtrace: spin"));
    }
    CHECK_EQ(end_of_life(&(pgi_isolation){.cpu_seconds = 1}, ignore_and_spin).si_status, SIGKILL);
    CHECK_STR(text, "killed by signal 9 (Killed); it was allowed 1 s of processor time");
    if (SANITIZED) return;
    lives(&(pgi_isolation){.address_space = 50 * MB}, use_100_mb);
    lives(&(pgi_isolation){.address_space = UINT64_MAX}, memory);
    if (pgi_isolation_check(&compute) != PG_OK) return;
    lives(&(pgi_isolation){.address_space = 50 * MB, .level = PG_SANDBOX_COMPUTE}, use_100_mb);
    lives(&(pgi_isolation){.open_files = 50, .level = PG_SANDBOX_COMPUTE}, raise_limits);
    CHECK_EQ(end_of_life(&(pgi_isolation){.cpu_seconds = 1, .level = PG_SANDBOX_COMPUTE}, spin).si_status, SIGXCPU);
    CHECK(strncmp(text, used_up, strlen(used_up)) == 0);
}

/* -------------------------------------------------------------------------------------------------------- merging */

static void test_check_and_merge(void)
{
    CHECK_EQ(pgi_isolation_check(&(pgi_isolation){0}), PG_OK);
    CHECK_EQ(pgi_isolation_check(&humble), PG_OK);
    CHECK_EQ(pgi_isolation_check(&(pgi_isolation){.level = 3}), PG_EINVAL);
    CHECK_EQ(pgi_isolation_check(&(pgi_isolation){.spare = 3}), PG_EINVAL);
    const pgi_isolation own = {.address_space = 100, .cpu_seconds = 0, .open_files = 20, .level = PG_SANDBOX_COMPUTE};
    const pgi_isolation asked = {.address_space = 200, .cpu_seconds = 7, .open_files = 10};
    pgi_isolation both = pgi_isolation_merge(own, asked);
    CHECK_EQ(both.address_space, 100);
    CHECK_EQ(both.cpu_seconds, 7);
    CHECK_EQ(both.open_files, 10);
    CHECK_EQ(both.level, PG_SANDBOX_COMPUTE);
    both = pgi_isolation_merge(asked, own);
    CHECK_EQ(both.address_space, 100);
    CHECK_EQ(both.level, PG_SANDBOX_COMPUTE);
    both = pgi_isolation_merge((pgi_isolation){0}, (pgi_isolation){0});
    CHECK_EQ(both.address_space, 0);
}

static void nothing(void)
{
}

int main(void)
{
    test_check_and_merge();
    lives(&humble, humility);
    test_limits();
    if (pgi_isolation_check(&compute) != PG_OK) {
        printf("no filter of system calls here\n");
        CHECK_EQ(pgi_isolation_check(&compute), PG_EUNSUPPORTED);
        CHECK_EQ(end_of_life(&compute, nothing).si_status, 3);
        CHECK(strncmp(text, "exited with code 3: its sandbox could not be made: ", 51) == 0);
        return 0;
    }
    if (SANITIZED) return 0;
    test_allowed();
    test_forbidden();
    return 0;
}
