/* zygote.c - see zygote.h: the program's side.  What the zygote itself does is in nursery.c.
 *
 * The zygote is made by clone(2) without an exit signal, which is what hides it from SIGCHLD and waitpid(-1); fork()
 * has no way to ask for that.  The handlers of pthread_atfork() do not run for it: they guard against other threads,
 * and there are none.  Program and zygote are joined by one socket, the master.
 *
 * Invariants:
 *   1. `h` is looked at and changed under the lock.  A fork of the program takes it too, so that its copy is whole.
 *   2. h.pid is a child of this process that has not been reaped: its number is its own.
 *   3. Nobody but the zygote has its end of the master, save a child in its first moment; so the master hangs up when
 *      the zygote ends, and not before.
 *
 * Rejected: PR_SET_PDEATHSIG for the zygote, which acts when the *thread* ends that forked it.  vfork() and exec() of
 * the program itself for each child: addresses of functions differ from one execution to the next.  Forking twice, for
 * a zygote that is nobody's child: the program would see the end of the process in between. */
#define _GNU_SOURCE
#include "zygote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nursery.h"
#include "paragram.h"
#include "sched/clock.h"

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

#if defined(__SANITIZE_THREAD__)
#define PGI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PGI_TSAN 1
#endif
#endif
#ifndef PGI_TSAN
#define PGI_TSAN 0
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct host_state {
    pid_t pid;  /* 0: there is none */
    int master; /* while there is one */
    unsigned users;
    bool for_ever;
    pgi_codemap known;
} h; /* under the lock */

/* The lock is held over a fork of the program, so that the copy is whole.  The copy has no zygote: that one belongs to
 * its parent. */
static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void forget(void)
{
    if (h.pid != 0) close(h.master);
    pgi_codemap_free(&h.known);
    h = (struct host_state){0};
    pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static bool watch_forks(void)
{
    static bool watched;
    if (!watched) watched = pthread_atfork(before_fork, after_fork_in_parent, forget) == 0;
    return watched;
}

static int status_of(int error)
{
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ? PG_ENOMEM : PG_EUNSUPPORTED;
}

/* A field of a stat file of /proc, counted as proc(5) does, from 3 on. */
static unsigned long field(const char *stat, int number)
{
    const char *at = strrchr(stat, ')');
    for (int i = 2; at && i < number; i++) at = strchr(at + 1, ' ');
    return at ? strtoul(at, NULL, 10) : 0;
}

/* Whether a thread of ours, found in /proc/self/task, still runs code: one that has been joined may be about to vanish,
 * and ThreadSanitizer has threads of its own, known by what nobody else blocks. */
static bool thread_runs(int tasks, const char *id)
{
    enum { FLAGS = 9, BLOCKED = 32, EXITING = 4 /* the kernel's PF_EXITING */ };
    char path[64], text[1024];
    snprintf(path, sizeof path, "%.20s/stat", id);
    int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno != ENOENT;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return false;
    text[n] = '\0';
    if (PGI_TSAN && (field(text, BLOCKED) & 1ul << (SIGSEGV - 1))) return false;
    return !(field(text, FLAGS) & EXITING);
}

/* Whether nobody but the caller runs: PG_OK, PG_EUNSUPPORTED; PG_ENOMEM: it cannot be told. */
static int check_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return status_of(errno);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(tasks));) {
        if (entry->d_name[0] != '.') n += thread_runs(dirfd(tasks), entry->d_name);
    }
    closedir(tasks);
    return n <= 1 ? PG_OK : PG_EUNSUPPORTED;
}

#if PGI_TSAN
/* Of its runtime: what it does around a fork that is not made by fork(). */
extern void __sanitizer_syscall_pre_impl_fork(void);
extern void __sanitizer_syscall_post_impl_fork(long result);
#endif

/* fork() without an exit signal.  The C library's note of the thread's number is put right, as fork() does. */
static pid_t clone_unseen(void)
{
    int *tid = NULL;
    unsigned long flags = 0;
    if (prctl(PR_GET_TID_ADDRESS, &tid) == 0 && tid) flags = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
#if PGI_TSAN
    __sanitizer_syscall_pre_impl_fork();
#endif
    /* Which of the last two it is depends on the processor; the other is not looked at. */
    pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, tid, tid);
#if PGI_TSAN
    __sanitizer_syscall_post_impl_fork(pid);
#endif
    return pid;
}

static void wait_for_end(void)
{
    siginfo_t info;
    while (waitid(P_PID, (id_t)h.pid, &info, WEXITED | __WALL) < 0 && errno == EINTR) {}
    close(h.master);
    h.pid = 0;
    pgi_codemap_free(&h.known);
}

/* The zygote's end of the master closes when it ends; nothing else makes it hang up. */
static bool hung_up(int64_t timeout)
{
    int64_t deadline = pgs_deadline(timeout);
    struct pollfd master = {.fd = h.master};
    int n;
    do {
        int64_t left = deadline - pgs_now();
        n = poll(&master, 1, left > 0 ? (int)(left / 1000000) + 1 : 0);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Forks, and waits until the zygote has let go of the program's descriptors. */
static int fork_zygote(int ends[2])
{
    sigset_t all, before;
    sigfillset(&all);
    fflush(NULL);
    pid_t host = getpid();
    pthread_sigmask(SIG_BLOCK, &all, &before); /* no handler of the program's runs in the zygote */
    pid_t pid = clone_unseen();
    if (pid == 0) {
        pgi_codemap known = h.known;
        h = (struct host_state){0};
        lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
        pgi_nursery_run(ends[1], host, &known);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    ends[1] = -1;
    if (pid < 0) return status_of(error);
    h.pid = pid;
    h.master = ends[0];
    ssize_t n;
    while ((n = recv(h.master, &error, sizeof error, 0)) < 0 && errno == EINTR) {}
    if (n == sizeof error && error == 0) return PG_OK;
    wait_for_end();
    ends[0] = -1;
    return n == sizeof error ? status_of(error) : PG_ENOMEM;
}

static int make(void)
{
    int ends[2];
    int status = check_threads();
    if (status != PG_OK) return status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return status_of(errno);
    status = pgi_codemap_make(&h.known) ? fork_zygote(ends) : PG_ENOMEM;
    if (status == PG_OK) return PG_OK;
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0) close(ends[i]);
    }
    pgi_codemap_free(&h.known);
    return status;
}

int pgi_zygote_acquire(bool for_ever)
{
    int saved = errno;
    pthread_mutex_lock(&lock);
    if (h.pid != 0 && hung_up(0)) wait_for_end();
    int status = !watch_forks() ? PG_ENOMEM : h.pid != 0 ? PG_OK : make();
    if (status == PG_OK && for_ever) h.for_ever = true;
    if (status == PG_OK && !for_ever) h.users++;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return status;
}

void pgi_zygote_release(void)
{
    int saved = errno;
    pthread_mutex_lock(&lock);
    if (h.users > 0) h.users--; /* 0 in a fork of the program, where it was somebody else's */
    if (h.users == 0 && !h.for_ever && h.pid != 0) {
        shutdown(h.master, SHUT_WR);
        if (!hung_up(2 * PGI_ZYGOTE_PATIENCE)) kill(h.pid, SIGKILL); /* somebody has stopped it */
        wait_for_end();
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
}

bool pgi_zygote_knows(const void *function)
{
    pthread_mutex_lock(&lock);
    const pgi_segment *found = pgi_codemap_find(&h.known, (uintptr_t)function);
    pgi_segment s = found ? *found : (pgi_segment){0};
    pthread_mutex_unlock(&lock);
    return found && pgi_codemap_still(&s);
}

int pgi_zygote_connect(void)
{
    int saved = errno, ends[2], error = EPIPE;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        errno = saved;
        return PG_ENOMEM;
    }
    pthread_mutex_lock(&lock);
    if (h.pid != 0) error = pgi_send_message(h.master, &(char){0}, 1, &ends[1], 1, 0);
    pthread_mutex_unlock(&lock);
    close(ends[1]);
    if (error != 0) close(ends[0]);
    errno = saved;
    return error == 0 ? ends[0] : error == EPIPE || error == ECONNRESET ? PG_ESTOPPED : PG_ENOMEM;
}

void pgi_zygote_disconnect(int connection)
{
    int saved = errno;
    shutdown(connection, SHUT_RDWR);
    close(connection);
    errno = saved;
}

/* Waits while there are more descriptors under way than the program may have open. */
static int ask(int connection, pgi_request *r, const int *fds, unsigned n)
{
    int saved = errno, error;
    int64_t deadline = pgs_deadline(PGI_ZYGOTE_PATIENCE);
    while ((error = pgi_send_message(connection, r, sizeof *r, fds, n, 0)) == ETOOMANYREFS && pgs_now() < deadline) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    errno = saved;
    switch (error) {
    case 0: return PG_OK;
    case EPIPE:
    case ECONNRESET: return PG_ESTOPPED;
    case EBADF: return PG_EINVAL;
    default: return PG_ENOMEM;
    }
}

int pgi_zygote_spawn(int connection, const pgi_birth *birth, const int fds[PGI_BIRTH_FDS])
{
    pgi_request r = {.what = PGI_REQUEST_SPAWN, .birth = *birth};
    return ask(connection, &r, fds, PGI_BIRTH_FDS);
}

int pgi_zygote_kill(int connection, uint32_t node, int signal)
{
    pgi_request r = {.what = PGI_REQUEST_KILL, .signal = signal, .birth.node = node};
    return ask(connection, &r, NULL, 0);
}

int pgi_zygote_read(int connection, pgi_death *out)
{
    int saved = errno, status = PG_ESTOPPED;
    ssize_t n;
    /* ECONNRESET, once, when the zygote has ended with requests unread; its last reports come behind. */
    while ((n = recv(connection, out, sizeof *out, MSG_DONTWAIT)) < 0 && (errno == EINTR || errno == ECONNRESET)) {}
    if (n == sizeof *out) {
        status = PG_OK;
    } else if (n < 0 && errno == EAGAIN) {
        status = PG_ETIMEDOUT;
    }
    errno = saved;
    return status;
}
