/* zygote_test.c - processes from the zygote: what they begin with, what is told of their end, who goes down with whom,
 * and that nothing is left behind nor seen by the program.
 *
 * Each test runs in a process of its own (a host), which has a single thread as the zygote wants it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "on_valgrind.h"
#include "paragram.h"
#include "proc.h"
#include "zygote.h"

enum { MANY = SANITIZED ? 150 : 500, WAIT_MS = 20000 };

/* Shared by a host and its children: where they write what they have seen. */
static struct board {
    _Atomic(int) pid, failed_line;
    _Atomic(int) values[8];
} * board;

static int given[PGI_BIRTH_FDS];

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

#define CHECK_SOON(condition)                                                                  \
    do {                                                                                       \
        for (int64_t until = check_now_ns() + WAIT_MS * INT64_C(1000000); !(condition); nap()) \
            CHECK(check_now_ns() < until && #condition);                                       \
    } while (0)

/* ----------------------------------------------------------------------------------------------------- the children */

static void none(const pgi_birth *birth, const int *fds)
{
    (void)birth;
    (void)fds;
}

static void exit_as_told(const pgi_birth *birth, const int *fds)
{
    (void)fds;
    _exit(birth->isolation[0]);
}

static void die_as_told(const pgi_birth *birth, const int *fds)
{
    (void)fds;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    raise(birth->isolation[0]);
}

static void sleep_on(const pgi_birth *birth, const int *fds)
{
    (void)birth;
    (void)fds;
    for (;;) pause();
}

static void ring_bell(const pgi_birth *birth, const int *fds)
{
    (void)birth;
    ssize_t n = write(fds[1], "", 1);
    _exit(n != 1);
}

static void *work_in_thread(void *unused)
{
    char *text = strdup("thread");
    int good = text && printf("%.0s", text) == 0;
    free(text);
    return good ? &given : unused;
}

#define EXPECT(condition)                  \
    do {                                   \
        if (!(condition)) {                \
            board->failed_line = __LINE__; \
            return;                        \
        }                                  \
    } while (0)

static bool only_these(const int *fds)
{
    DIR *all = opendir("/proc/self/fd");
    int n = 0;
    for (struct dirent *entry; (entry = readdir(all));) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] == '.' || fd <= 2 || fd == dirfd(all)) continue;
        if (fd != fds[0] && fd != fds[1] && fd != fds[2] && fd != fds[3]) return false;
        n++;
    }
    closedir(all);
    return n == PGI_BIRTH_FDS;
}

static void look_around(const pgi_birth *birth, const int *fds)
{
    board->pid = getpid();
    EXPECT(only_these(fds));
    for (int i = 0; i < PGI_BIRTH_FDS; i++) EXPECT(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
    char letter;
    EXPECT(pread(fds[0], &letter, 1, 0) == 1 && letter == 'm'); /* in the order in which they were given */
    EXPECT(write(fds[2], "x", 1) == 1);
    EXPECT(read(0, &letter, 1) == 0);
    sigset_t mask;
    EXPECT(sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && sigisemptyset(&mask));
    for (int i = 1; i < NSIG; i++) {
        struct sigaction action;
        EXPECT(sigaction(i, NULL, &action) < 0 || i >= 32 || action.sa_handler == SIG_DFL);
    }
    stack_t stack;
    EXPECT(sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE));
    int at_death = 0;
    EXPECT(prctl(PR_GET_PDEATHSIG, &at_death) == 0 && at_death == SIGKILL);
    char name[16];
    EXPECT(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "looker") == 0);
    EXPECT(birth->node == 77 && getsid(0) == getppid());
    struct rlimit files;
    EXPECT(getrlimit(RLIMIT_NOFILE, &files) == 0 && (int)files.rlim_cur == board->values[0]);
    board->values[1] = 1;
}

/* The C library, and a sanitizer, have to work in there as anywhere. */
static void use_everything(const pgi_birth *birth, const int *fds)
{
    (void)birth;
    (void)fds;
    void *blocks[100];
    for (int i = 0; i < 100; i++) EXPECT((blocks[i] = malloc((size_t)i * 1000 + 1)));
    for (int i = 0; i < 100; i++) free(blocks[i]);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) EXPECT(pthread_create(&threads[i], NULL, work_in_thread, NULL) == 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        EXPECT(pthread_join(threads[i], &result) == 0 && result == &given);
    }
    pthread_mutex_t mutex;
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &kind);
    EXPECT(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_lock(&mutex) == EDEADLK);
    pid_t child = fork();
    if (child == 0) _exit(5);
    int status;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
    EXPECT(system("exit 6") >> 8 == 6);
    board->values[1] = 1;
}

/* -------------------------------------------------------------------------------------------------------- the hosts */

static int connect_now(void)
{
    int connection = pgi_zygote_connect();
    CHECK(connection >= 0);
    return connection;
}

static void spawn(int connection, uint32_t node, void (*f)(const pgi_birth *, const int *), int number)
{
    pgi_birth birth = {.main = f, .node = node, .name = "looker", .isolation = {(unsigned char)number}};
    CHECK_EQ(pgi_zygote_spawn(connection, &birth, given), PG_OK);
}

static int next(int connection, pgi_death *out)
{
    struct pollfd p = {.fd = connection, .events = POLLIN};
    int n;
    while ((n = poll(&p, 1, WAIT_MS)) < 0 && errno == EINTR) {}
    CHECK_EQ(n, 1);
    return pgi_zygote_read(connection, out);
}

static pid_t born(int connection, uint32_t node)
{
    pgi_death d;
    CHECK_EQ(next(connection, &d), PG_OK);
    CHECK_EQ(d.code, PGI_BORN);
    CHECK_EQ(d.node, node);
    CHECK(d.pid > 0);
    return d.pid;
}

static void ended(int connection, uint32_t node, int code, int status)
{
    pgi_death d;
    CHECK_EQ(next(connection, &d), PG_OK);
    CHECK_EQ(d.node, node);
    CHECK_EQ(d.code, code);
    CHECK_EQ(d.status, status);
}

static int begin(void)
{
    CHECK_EQ(pgi_zygote_acquire(false), PG_OK);
    return connect_now();
}

/* A host's end, with nothing left over. */
static void finish(int connection)
{
    pid_t zygote = proc_only_child(getpid());
    pgi_zygote_disconnect(connection);
    pgi_zygote_release();
    CHECK(proc_gone(zygote));
    CHECK_EQ(proc_count_children(getpid()), 0);
}

/* ------------------------------------------------------------------------------------------------- ends and reports */

static void ends(void)
{
    int c = begin();
    pgi_death d;
    CHECK_EQ(pgi_zygote_read(c, &d), PG_ETIMEDOUT);
    spawn(c, 1, none, 0);
    born(c, 1);
    ended(c, 1, CLD_EXITED, 0);
    spawn(c, 2, exit_as_told, 7);
    pid_t pid = born(c, 2);
    CHECK_EQ(next(c, &d), PG_OK);
    CHECK(d.node == 2 && d.pid == pid && d.code == CLD_EXITED && d.status == 7);
    CHECK(d.user_ns + d.system_ns > 0 && d.user_ns + d.system_ns < 5000000000u && d.max_rss > 4096);
    static const int signals[] = {SIGSEGV, SIGABRT, SIGTERM, SIGINT, SIGKILL, SIGUSR1};
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        spawn(c, 3 + i, die_as_told, signals[i]);
        born(c, 3 + i);
        ended(c, 3 + i, CLD_KILLED, signals[i]);
    }
    CHECK_EQ(pgi_zygote_read(c, &d), PG_ETIMEDOUT);
    finish(c);
}

/* A kernel that answers a system call with an error; only where one of `bits` is set in its first argument, if any. */
static void refuse(long call, uint32_t bits, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | (bits ? BPF_JSET : BPF_JGE) | BPF_K, bits, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void no_child_can_be_had(void)
{
    refuse(SYS_clone, SIGCHLD, EAGAIN); /* fork(); the zygote, which has no exit signal, can be made */
    int c = begin();
    spawn(c, 1, none, 0);
    ended(c, 1, PGI_UNBORN, EAGAIN);
    void *code_page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    spawn(c, 2, (void (*)(const pgi_birth *, const int *))(uintptr_t)code_page, 0);
    ended(c, 2, PGI_UNBORN, EFAULT);
    finish(c);
}

static void few_files(void)
{
    enum { FILES = 40 };
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &(struct rlimit){FILES / 2, FILES}), 0);
    int c = begin();
    int living = 0, refused = 0;
    for (uint32_t i = 1; i <= FILES; i++) spawn(c, i, sleep_on, 0);
    for (int i = 1; i <= FILES; i++) {
        pgi_death d;
        CHECK_EQ(next(c, &d), PG_OK);
        CHECK(d.code == PGI_BORN || (d.code == PGI_UNBORN && d.status == EMFILE));
        living += d.code == PGI_BORN;
        refused += d.code == PGI_UNBORN;
    }
    CHECK(living > FILES / 2 && refused > 0);
    CHECK_EQ(proc_count_children(proc_only_child(getpid())), living);
    pgi_zygote_kill(c, 1, SIGKILL); /* there is room again */
    ended(c, 1, CLD_KILLED, SIGKILL);
    finish(c);
}

static void birthplace(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur > 500) files.rlim_cur = 500; /* the zygote lifts its own */
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    board->values[0] = (int)files.rlim_cur;
    int extra[2];
    CHECK_EQ(pipe(extra), 0);
    CHECK_EQ(dup2(extra[0], 300), 300);
    signal(SIGUSR1, SIG_IGN);
    sigset_t mask;
    sigfillset(&mask);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    int c = begin();
    sigset_t after;
    sigprocmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&after, SIGTERM) && signal(SIGUSR1, SIG_IGN) == SIG_IGN);
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    spawn(c, 77, look_around, 0);
    pid_t pid = born(c, 77);
    ended(c, 77, CLD_EXITED, 0);
    CHECK_EQ(board->failed_line, 0);
    CHECK(board->pid == pid && board->values[1] == 1);
    board->values[1] = 0;
    spawn(c, 78, use_everything, 0);
    born(c, 78);
    ended(c, 78, CLD_EXITED, 0);
    CHECK_EQ(board->failed_line, 0);
    CHECK_EQ(board->values[1], 1);
    char text[64] = "";
    snprintf(text, sizeof text, "/proc/%d/comm", proc_only_child(getpid()));
    FILE *f = fopen(text, "r");
    CHECK(f && fgets(text, sizeof text, f));
    fclose(f);
    CHECK_STR(text, "pg-zygote\n");
    finish(c);
}

/* Linux before 5.9. */
static void birthplace_of_old(void)
{
    refuse(SYS_close_range, 0, ENOSYS);
    birthplace();
}

static void no_stdio(void)
{
    int out = dup(1), err = dup(2);
    for (int fd = 0; fd <= 2; fd++) close(fd);
    int c = begin();
    CHECK(c <= 2);
    spawn(c, 1, exit_as_told, 3);
    pgi_death d;
    bool good = next(c, &d) == PG_OK && d.code == PGI_BORN && next(c, &d) == PG_OK && d.status == 3;
    int moved = fcntl(c, F_DUPFD_CLOEXEC, 3);
    dup2(out, 1);
    dup2(err, 2);
    CHECK(good);
    finish(moved);
}

/* ------------------------------------------------------------------------------------------------------ left behind */

static void many(void)
{
    int c = begin();
    pid_t zygote = proc_only_child(getpid());
    spawn(c, 0, none, 0);
    born(c, 0);
    ended(c, 0, CLD_EXITED, 0); /* the zygote knows the connection by now */
    int mine = proc_count_fds(getpid()), its = proc_count_fds(zygote);
    CHECK_EQ(its, 7); /* stdio, the master, epoll, a pidfd for the program, the connection */
    for (uint32_t i = 1; i <= MANY; i++) {
        spawn(c, i, exit_as_told, (int)(i % 250));
        born(c, i);
        ended(c, i, CLD_EXITED, (int)(i % 250));
    }
    CHECK_EQ(proc_count_fds(getpid()), mine);
    CHECK_EQ(proc_count_fds(zygote), its);
    CHECK_EQ(proc_count_children(zygote), 0);
    CHECK_EQ(proc_count_children(getpid()), 1);
    finish(c);
    CHECK_EQ(proc_count_fds(getpid()), mine - 2); /* the connection and the master */
}

/* More reports than a socket holds wait until somebody reads them. */
static void unread(void)
{
    int c = begin(), other = connect_now();
    for (uint32_t i = 1; i <= MANY; i++) spawn(c, i, none, 0);
    spawn(other, 1, none, 0); /* nobody else has to wait */
    born(other, 1);
    ended(other, 1, CLD_EXITED, 0);
    CHECK_SOON(proc_count_children(proc_only_child(getpid())) == 0);
    static unsigned char stage[MANY + 1];
    for (int i = 0; i < 2 * MANY; i++) {
        pgi_death d;
        CHECK_EQ(next(c, &d), PG_OK);
        CHECK(d.node >= 1 && d.node <= MANY);
        CHECK_EQ(d.code, stage[d.node] == 0 ? PGI_BORN : CLD_EXITED);
        stage[d.node]++;
    }
    pgi_death d;
    CHECK_EQ(pgi_zygote_read(c, &d), PG_ETIMEDOUT);
    for (uint32_t i = 1; i <= MANY; i++) spawn(other, i, none, 0);
    pgi_zygote_disconnect(other); /* with all of its own unread */
    finish(c);
}

static _Atomic(int) children_signals;

static void on_child_signal(int number)
{
    (void)number;
    children_signals++;
}

static void unseen(void)
{
    signal(SIGCHLD, on_child_signal);
    int c = begin();
    CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
    for (uint32_t i = 1; i <= 20; i++) {
        spawn(c, i, i % 2 ? none : sleep_on, 0);
        CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    }
    pid_t own = fork(); /* a child of the program's own, meanwhile, is seen */
    if (own == 0) _exit(9);
    int status;
    CHECK_EQ(waitpid(-1, &status, 0), own);
    CHECK_EQ(WEXITSTATUS(status), 9);
    CHECK_EQ(children_signals, 1);
    finish(c);
    CHECK_EQ(children_signals, 1);
    CHECK(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD);
}

static void counted(void)
{
    pgi_zygote_release(); /* of nothing */
    CHECK_EQ(pgi_zygote_connect(), PG_ESTOPPED);
    CHECK(!pgi_zygote_knows((void *)(uintptr_t)none));
    int c = begin();
    pid_t zygote = proc_only_child(getpid());
    CHECK_EQ(pgi_zygote_acquire(false), PG_OK);
    pgi_zygote_release();
    CHECK_EQ(proc_only_child(getpid()), zygote);
    CHECK_EQ(pgi_zygote_acquire(true), PG_OK);
    pgi_zygote_release();
    spawn(c, 1, none, 0);
    born(c, 1);
    CHECK_EQ(proc_only_child(getpid()), zygote);
}

/* ---------------------------------------------------------------------------------------------- going down together */

static pid_t a_sleeper(int c, uint32_t node)
{
    spawn(c, node, sleep_on, 0);
    return born(c, node);
}

static void kill_by_node(void)
{
    int c = begin(), other = connect_now();
    pid_t first = a_sleeper(c, 1), second = a_sleeper(c, 2), third = a_sleeper(other, 1);
    CHECK_EQ(pgi_zygote_kill(c, 1, SIGTERM), PG_OK);
    ended(c, 1, CLD_KILLED, SIGTERM);
    CHECK(proc_gone(first) && !proc_gone(second) && !proc_gone(third));
    CHECK_EQ(pgi_zygote_kill(c, 1, SIGKILL), PG_OK); /* nobody any more */
    CHECK_EQ(pgi_zygote_kill(other, 2, SIGKILL), PG_OK);
    CHECK_EQ(pgi_zygote_kill(c, 2, SIGKILL), PG_OK);
    ended(c, 2, CLD_KILLED, SIGKILL);
    CHECK(!proc_gone(third));
    /* A connection that is closed takes its own along, and nobody else. */
    second = a_sleeper(c, 2);
    pgi_zygote_disconnect(other);
    CHECK_SOON(proc_gone(third));
    CHECK(!proc_gone(second));
    other = connect_now();
    spawn(other, 5, sleep_on, 0);
    close(other);
    CHECK_SOON(proc_count_children(proc_only_child(getpid())) == 1);
    finish(c);
    CHECK(proc_gone(second));
}

static void zygote_is_killed(void)
{
    int c = begin();
    pid_t zygote = proc_only_child(getpid()), children[3];
    for (uint32_t i = 0; i < 3; i++) children[i] = a_sleeper(c, i + 1);
    kill(zygote, SIGTERM); /* which it does not mind */
    kill(zygote, SIGINT);
    spawn(c, 9, exit_as_told, 4);
    born(c, 9);
    ended(c, 9, CLD_EXITED, 4);
    kill(zygote, SIGKILL);
    pgi_death d;
    CHECK_EQ(next(c, &d), PG_ESTOPPED);
    pgi_birth birth = {.main = none, .node = 1};
    CHECK_EQ(pgi_zygote_spawn(c, &birth, given), PG_ESTOPPED);
    CHECK_EQ(pgi_zygote_kill(c, 1, SIGKILL), PG_ESTOPPED);
    CHECK_EQ(pgi_zygote_connect(), PG_ESTOPPED);
    for (int i = 0; i < 3; i++) CHECK_SOON(proc_gone(children[i]) || proc_stat(children[i], 4) != zygote);
    CHECK_EQ(pgi_zygote_acquire(false), PG_OK); /* another one */
    CHECK(proc_only_child(getpid()) != zygote);
    int again = connect_now();
    spawn(again, 1, none, 0);
    born(again, 1);
    pgi_zygote_disconnect(c);
    pgi_zygote_release();
    finish(again);
}

static void zygote_is_stopped(void)
{
    int c = begin();
    pid_t child = a_sleeper(c, 1);
    kill(proc_only_child(getpid()), SIGSTOP);
    int64_t from = check_now_ns();
    finish(c);
    CHECK(check_now_ns() - from < PG_SECONDS(10));
    CHECK_SOON(proc_gone(child) || proc_stat(child, 4) != 0);
}

static void doomed(void)
{
    int c = begin();
    for (uint32_t i = 0; i < 3; i++) board->values[i] = a_sleeper(c, i + 1);
    board->values[3] = proc_only_child(getpid());
    /* A process that has copies of all sockets and lives on. */
    pid_t copy = (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL, NULL, NULL);
    if (copy == 0) {
        for (;;) syscall(SYS_pause);
    }
    board->values[4] = copy;
    board->pid = 1;
    for (;;) pause();
}

static void check_doom(int number)
{
    *board = (struct board){0};
    pid_t pid = proc_start(doomed);
    CHECK_SOON(board->pid == 1);
    int64_t from = check_now_ns();
    kill(pid, number);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 4; i++) {
        /* Orphans are reaped by whoever adopts them, sooner or later. */
        pid_t left = board->values[i];
        CHECK_SOON(proc_gone(left) || proc_stat(left, 23) == 0); /* a zombie has no memory */
    }
    printf("a killed program's processes were gone after %" PRId64 " ms\n", (check_now_ns() - from) / 1000000);
    CHECK(check_now_ns() - from < PG_SECONDS(1) * (SANITIZED ? 5 : 1));
    kill(board->values[4], SIGKILL);
}

/* A fork of the program has no zygote, may have one of its own, and its end concerns nobody. */
static void a_fork_of_the_program(void)
{
    int c = begin();
    pid_t child = a_sleeper(c, 1), zygote = proc_only_child(getpid());
    pid_t copy = fork();
    CHECK(copy >= 0);
    if (copy == 0) {
        CHECK(pgi_zygote_connect() == PG_ESTOPPED && !pgi_zygote_knows((void *)(uintptr_t)none));
        pgi_zygote_release();
        int own = begin();
        spawn(own, 1, none, 0);
        born(own, 1);
        finish(own);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(copy, &status, 0), copy);
    CHECK_EQ(status, 0);
    CHECK(!proc_gone(child) && proc_only_child(getpid()) == zygote);
    CHECK(pgi_zygote_knows((void *)(uintptr_t)none));
    finish(c);
}

/* ---------------------------------------------------------------------------------------------------------- threads */

static _Atomic(bool) leave;

static void *stay(void *unused)
{
    while (!leave) nap();
    return unused;
}

static void with_threads(void)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, stay, NULL), 0);
    CHECK_EQ(pgi_zygote_acquire(false), PG_EUNSUPPORTED);
    CHECK_EQ(proc_count_children(getpid()), 0);
    leave = true;
    pthread_join(thread, NULL);
    for (int i = 0; i < 20; i++) { /* the joined count no more, even those that the kernel has not done with */
        pthread_t several[8];
        for (int j = 0; j < 8; j++) CHECK_EQ(pthread_create(&several[j], NULL, work_in_thread, NULL), 0);
        for (int j = 0; j < 8; j++) pthread_join(several[j], NULL);
        CHECK_EQ(pgi_zygote_acquire(false), PG_OK);
        pgi_zygote_release();
    }
    CHECK_EQ(pgi_zygote_acquire(true), PG_OK); /* early; threads may come then */
    leave = false;
    CHECK_EQ(pthread_create(&thread, NULL, stay, NULL), 0);
    CHECK_EQ(pgi_zygote_acquire(false), PG_OK);
    int c = connect_now();
    spawn(c, 1, exit_as_told, 6);
    born(c, 1);
    ended(c, 1, CLD_EXITED, 6);
    leave = true;
    pthread_join(thread, NULL);
}

static void *spawn_some(void *result)
{
    int c = connect_now();
    for (uint32_t i = 1; i <= MANY / 10; i++) {
        spawn(c, i, exit_as_told, (int)i);
        born(c, i);
        ended(c, i, CLD_EXITED, (int)i);
        CHECK(pgi_zygote_knows((void *)(uintptr_t)exit_as_told));
    }
    pgi_zygote_disconnect(c);
    return result;
}

static void from_threads(void)
{
    int c = begin();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_create(&threads[i], NULL, spawn_some, NULL), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    finish(c);
}

/* ------------------------------------------------------------------------------------------------- output, and code */

static void leave_by_exit(const pgi_birth *birth, const int *fds)
{
    (void)birth;
    (void)fds;
    printf("child\n");
    exit(0);
}

static FILE *book;

static void speak(void)
{
    printf("before");
    fprintf(book, "kept");
    int c = begin();
    spawn(c, 1, leave_by_exit, 0);
    born(c, 1);
    pgi_death d;
    CHECK_EQ(next(c, &d), PG_OK);
    printf("after\n");
    finish(c);
    fprintf(book, "more");
}

static void test_output(void)
{
    int ends_of[2];
    char text[256] = "", path[] = "/tmp/zygote_test.XXXXXX";
    CHECK_EQ(pipe(ends_of), 0);
    int file = mkstemp(path);
    CHECK(file >= 0);
    unlink(path);
    book = fdopen(file, "w+");
    fflush(NULL);
    int out = dup(1);
    dup2(ends_of[1], 1);
    proc_run(speak);
    dup2(out, 1);
    close(out);
    close(ends_of[1]);
    ssize_t n = 0;
    for (ssize_t got; (got = read(ends_of[0], text + n, sizeof text - 1 - (size_t)n)) > 0;) n += got;
    close(ends_of[0]);
    CHECK_STR(text, "beforechild\nafter\n");
    memset(text, 0, sizeof text);
    CHECK(pread(file, text, sizeof text - 1, 0) >= 0);
    CHECK_STR(text, "keptmore");
    fclose(book);
}

static void code(void)
{
    int c = begin();
    CHECK(pgi_zygote_knows((void *)(uintptr_t)code));
    CHECK(!pgi_zygote_knows(NULL) && !pgi_zygote_knows(&board));
    void *library = dlopen("libthread_db.so.1", RTLD_NOW);
    if (library) {
        void *function = dlsym(library, "td_init");
        CHECK(function && !pgi_zygote_knows(function)); /* it was not there when the zygote was forked */
    }
    finish(c);
}

/* ---------------------------------------------------------------------------------------------------------- latency */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(int c, const char *what)
{
    enum { TIMES = 100 };
    int64_t to_run[TIMES], to_end[TIMES];
    for (uint32_t i = 0; i < TIMES; i++) {
        char any;
        int64_t from = check_now_ns();
        spawn(c, i + 1, ring_bell, 0);
        CHECK_EQ(recv(given[2], &any, 1, 0), 1);
        to_run[i] = check_now_ns() - from;
        born(c, i + 1);
        ended(c, i + 1, CLD_EXITED, 0);
        to_end[i] = check_now_ns() - from;
    }
    qsort(to_run, TIMES, sizeof to_run[0], compare);
    qsort(to_end, TIMES, sizeof to_end[0], compare);
    printf("%s: a child runs after %" PRId64 " us, its end is read after %" PRId64 " us (medians of %d)\n", what,
           to_run[TIMES / 2] / 1000, to_end[TIMES / 2] / 1000, TIMES);
}

static void latency(void)
{
    int pair[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    given[1] = pair[1];
    given[2] = pair[0];
    int64_t from = check_now_ns();
    int c = begin();
    printf("the zygote was made in %" PRId64 " us\n", (check_now_ns() - from) / 1000);
    measure(c, "small program");
    size_t size = (size_t)(SANITIZED ? 50 : 500) << 20;
    char *much = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(much != MAP_FAILED);
    memset(much, 1, size);
    measure(c, "program that has grown by 500 MB since");
    munmap(much, size);
    finish(c);
}

int main(void)
{
    if (RUNNING_ON_VALGRIND) return 0;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(board != MAP_FAILED);
    given[0] = memfd_create("memory", MFD_CLOEXEC);
    CHECK(given[0] >= 0 && write(given[0], "m", 1) == 1);
    given[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    given[2] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    given[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
    static void (*const lives[])(void) = {ends,
                                          no_child_can_be_had,
                                          few_files,
                                          birthplace,
                                          birthplace_of_old,
                                          no_stdio,
                                          many,
                                          unread,
                                          unseen,
                                          counted,
                                          code,
                                          kill_by_node,
                                          latency,
                                          zygote_is_killed,
                                          zygote_is_stopped,
                                          with_threads,
                                          from_threads,
                                          a_fork_of_the_program};
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        *board = (struct board){0};
        proc_run(lives[i]);
    }
    test_output();
    check_doom(SIGKILL);
    check_doom(SIGTERM);
    CHECK_SOON(proc_count_children(getpid()) == 0);
    return 0;
}
