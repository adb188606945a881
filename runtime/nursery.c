/* nursery.c - see nursery.h: the zygote's loop, and how a child begins.
 *
 * The zygote waits in epoll for the master, the connections, a pidfd for the program and one for each child.  Children
 * are made by fork(), so that handlers of pthread_atfork() run.
 *
 * Invariants:
 *   1. It has one thread, blocks all signals, and never waits for anything but epoll: a program that does not read its
 *      reports delays nobody, since what does not fit into a socket stays in a list.
 *   2. Every child that it has forked and not yet reaped has its pidfd in epoll and counts in `living`; its number is
 *      therefore its own, and a signal sent by pidfd or number hits no other.
 *   3. The first report of a child is PGI_BORN and its second its end, or its only one is PGI_UNBORN.  Both lie in its
 *      record, so that no report needs memory; the record goes when its last report has gone out.
 *   4. A connection that is closed takes its reports along, and the records of children that do not live.  It stays in
 *      the list until the others have ended or their time of grace has, when it goes: then they are killed, and their
 *      records stay, without a connection, until they are reaped.
 *   5. A source may be freed in its own event: one event is taken from epoll at a time, so that none is left over.
 *
 * Rejected: a group of its own in the program's session instead of a session of its own: a child that reads from
 * /dev/tty would be stopped without a word.  Letting the zygote die of SIGTERM: who shuts a system down sends it to all
 * processes at once, and the children would be gone before the program has decided anything. */
#define _GNU_SOURCE
#include "nursery.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "memory.h"
#include "node.h"
#include "sched/clock.h"

/* Numbers that are the same on all processors; headers may be older than the kernel. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* --------------------------------------------------------------------------------------------------------- messages */

int pgi_send_message(int fd, const void *data, size_t size, const int *fds, unsigned n, int flags)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(PGI_BIRTH_FDS * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (n > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(header), fds, n * sizeof(int));
    }
    for (;;) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL | flags) >= 0) return 0;
        if (errno != EINTR) return errno;
    }
}

/* One message, with up to PGI_BIRTH_FDS descriptors, which are the caller's to close.  Its size, or -1 with errno. */
static ssize_t receive_message(int fd, void *data, size_t size, int *fds, unsigned *n)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(PGI_BIRTH_FDS * sizeof(int))];
    } control;
    struct iovec part = {data, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(PGI_BIRTH_FDS * sizeof(int))};
    *n = 0;
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        *n = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(header), *n * sizeof(int));
    }
    return got;
}

static void close_all(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) close(fds[i]);
}

/* --------------------------------------------------------------------------------------------- the zygote's sources */

typedef struct source {
    enum { MASTER, HOST, CLIENT, CHILD } kind;
    int fd; /* -1: none */
} source;

typedef struct report {
    struct report *next;
    pgi_death death;
} report;

typedef struct client {
    source source;
    struct client *next, **back; /* back: what points here */
    struct child *children;
    report *reports, **reports_end; /* that have not gone out, oldest first */
    bool blocked;                   /* they wait for room in the socket */
    int64_t kill_at;                /* it is closed, and its children are killed then; 0: it is open */
} client;

typedef struct child {
    source source;
    client *client; /* NULL: it is closed */
    struct child *next, **back;
    pid_t pid; /* 0: reaped, or never born */
    report born, ended;
} child;

/* The zygote's own state; untouched in the program. */
static struct zygote_state {
    int epoll;
    pid_t pid;
    source master, host;
    client *clients;
    child *unborn; /* the record of the next one; NULL: none is at hand */
    size_t living;
    struct rlimit files; /* as the program had it */
    pgi_codemap known;
} z;

static bool watch(source *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    return epoll_ctl(z.epoll, EPOLL_CTL_ADD, s->fd, &event) == 0;
}

/* Taken from epoll by hand: a child that has just been forked may have a copy of the descriptor for a moment yet. */
static void shut(source *s)
{
    if (s->fd < 0) return;
    epoll_ctl(z.epoll, EPOLL_CTL_DEL, s->fd, NULL);
    close(s->fd);
    s->fd = -1;
}

static void free_child(child *k)
{
    shut(&k->source);
    if (k->client) {
        *k->back = k->next;
        if (k->next) k->next->back = k->back;
    }
    pgi_free(k, sizeof *k);
}

static void kill_child(const child *k, int number)
{
    if (k->pid != 0) syscall(SYS_pidfd_send_signal, k->source.fd, number, NULL, 0);
}

static void drop_client(client *c)
{
    for (child *k = c->children, *next; k; k = next) {
        next = k->next;
        if (k->pid == 0) {
            free_child(k);
        } else {
            kill_child(k, SIGKILL);
            k->client = NULL;
        }
    }
    *c->back = c->next;
    if (c->next) c->next->back = c->back;
    shut(&c->source);
    pgi_free(c, sizeof *c);
}

/* The program has closed it, or is no more; or it makes no sense. */
static void close_client(client *c)
{
    shut(&c->source);
    c->kill_at = pgs_deadline(PGI_ZYGOTE_GRACE);
    for (child *k = c->children, *next; k; k = next) {
        next = k->next;
        if (k->pid == 0) free_child(k);
    }
    if (!c->children) drop_client(c);
}

/* Drops those whose time has come.  Returns when that of the next one comes. */
static int64_t drop_late(void)
{
    int64_t now = pgs_now(), first = PGS_NEVER;
    for (client *c = z.clients, *next; c; c = next) {
        next = c->next;
        if (c->kill_at == 0) continue;
        if (c->kill_at <= now) {
            drop_client(c);
        } else if (c->kill_at < first) {
            first = c->kill_at;
        }
    }
    return first;
}

static void add_client(int fd)
{
    client *c = pgi_alloc_zero(sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    *c = (client){.source = {CLIENT, fd}, .next = z.clients, .back = &z.clients, .reports_end = &c->reports};
    if (c->next) c->next->back = &c->next;
    z.clients = c;
    if (!watch(&c->source)) drop_client(c);
}

/* ---------------------------------------------------------------------------------------------------------- reports */

/* Sends what can be sent.  False: the connection is of no use any more. */
static bool flush_reports(client *c)
{
    int error = 0;
    while (c->reports) {
        report *r = c->reports;
        error = pgi_send_message(c->source.fd, &r->death, sizeof r->death, NULL, 0, MSG_DONTWAIT);
        if (error != 0) break;
        c->reports = r->next;
        if (!c->reports) c->reports_end = &c->reports;
        if (r->death.code != PGI_BORN) free_child(container_of(r, child, ended));
    }
    if (error == ENOMEM || error == ENOBUFS) {
        nap(); /* there is room in the socket, so that epoll reports it again at once */
    } else if (error != 0 && error != EAGAIN) {
        return false;
    }
    bool blocked = c->reports != NULL;
    if (blocked == c->blocked) return true;
    c->blocked = blocked;
    struct epoll_event event = {.events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = &c->source};
    return epoll_ctl(z.epoll, EPOLL_CTL_MOD, c->source.fd, &event) == 0;
}

static void add_report(client *c, report *r)
{
    r->next = NULL;
    *c->reports_end = r;
    c->reports_end = &r->next;
}

static uint64_t to_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_usec * 1000;
}

/* The pidfd says that it has ended. */
static void reap(child *k)
{
    int status;
    struct rusage used;
    pid_t got = wait4(k->pid, &status, WNOHANG | __WALL, &used);
    if (got == 0 || (got < 0 && errno == EINTR)) return;
    if (got < 0) { /* somebody else has reaped it: a handler of pthread_atfork(), which runs here as well */
        status = SIGKILL;
        used = (struct rusage){0};
    }
    pgi_death *death = &k->ended.death;
    death->pid = k->pid;
    death->code = WIFEXITED(status) ? CLD_EXITED : WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
    death->status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    death->user_ns = to_ns(used.ru_utime);
    death->system_ns = to_ns(used.ru_stime);
    death->max_rss = (uint64_t)used.ru_maxrss * 1024;
    k->pid = 0;
    z.living--;
    shut(&k->source);
    client *c = k->client;
    if (!c || c->kill_at != 0) {
        free_child(k);
        if (c && !c->children) drop_client(c);
        return;
    }
    add_report(c, &k->ended);
    if (!flush_reports(c)) close_client(c);
}

/* ---------------------------------------------------------------------------------------------------------- a child */

static void close_span(unsigned first, unsigned last)
{
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
    DIR *all = opendir("/proc/self/fd"); /* Linux before 5.9 */
    if (!all) return;
    for (struct dirent *entry; (entry = readdir(all));) {
        unsigned long fd = strtoul(entry->d_name, NULL, 10);
        if (entry->d_name[0] != '.' && fd >= first && fd <= last && (int)fd != dirfd(all)) close((int)fd);
    }
    closedir(all);
}

/* By insertion: qsort() would be one more page for each child to fault in. */
static void sort(int *fds, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        int fd = fds[i];
        unsigned at = i;
        for (; at > 0 && fds[at - 1] > fd; at--) fds[at] = fds[at - 1];
        fds[at] = fd;
    }
}

/* Closes all but 0, 1, 2 and those of `keep`, which are above. */
static void close_but(const int *keep, unsigned n)
{
    int sorted[PGI_BIRTH_FDS];
    memcpy(sorted, keep, n * sizeof *keep);
    sort(sorted, n);
    unsigned from = 3;
    for (unsigned i = 0; i < n; i++) {
        if ((unsigned)sorted[i] > from) close_span(from, (unsigned)sorted[i] - 1);
        from = (unsigned)sorted[i] + 1;
    }
    close_span(from, ~0u);
}

static PGS_NORETURN void be_child(const pgi_birth *birth, const int *fds)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != z.pid) _exit(1); /* the zygote has died since the fork */
    char name[PGI_BIRTH_NAME];
    memcpy(name, birth->name, sizeof name);
    name[sizeof name - 1] = '\0';
    prctl(PR_SET_NAME, name);
    close_but(fds, PGI_BIRTH_FDS);
    setrlimit(RLIMIT_NOFILE, &z.files);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    birth->main(birth, fds);
    _exit(0);
}

/* --------------------------------------------------------------------------------------------------------- requests */

static child *find_child(client *c, uint32_t node)
{
    child *k = c->children;
    while (k && (k->pid == 0 || k->born.death.node != node)) k = k->next;
    return k;
}

/* Forks.  0 or an errno. */
static int bear(child *k, const pgi_birth *birth, const int *fds)
{
    pid_t pid = fork();
    if (pid == 0) be_child(birth, fds);
    if (pid < 0) return errno;
    k->source = (source){CHILD, pidfd_of(pid)};
    if (k->source.fd >= 0 && watch(&k->source)) {
        k->pid = pid;
        z.living++;
        return 0;
    }
    int error = errno;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) {}
    return error;
}

/* False: the connection is of no use any more. */
static bool spawn(client *c, const pgi_birth *birth, const int *fds, unsigned n)
{
    child *k = z.unborn;
    z.unborn = NULL;
    *k = (child){.source = {CHILD, -1}, .client = c, .next = c->children, .back = &c->children};
    if (k->next) k->next->back = &k->next;
    c->children = k;
    k->born.death = (pgi_death){.node = birth->node, .code = PGI_BORN};
    k->ended.death = (pgi_death){.node = birth->node, .code = PGI_UNBORN};
    int error = n != PGI_BIRTH_FDS                                    ? EMFILE
                : !pgi_codemap_find(&z.known, (uintptr_t)birth->main) ? EFAULT
                                                                      : bear(k, birth, fds);
    if (error == 0) {
        k->born.death.pid = k->pid;
        add_report(c, &k->born);
    } else {
        k->ended.death.status = error;
        add_report(c, &k->ended);
    }
    return flush_reports(c);
}

/* One request.  False: the connection is closed, or speaks nonsense. */
static bool serve(client *c)
{
    pgi_request r;
    int fds[PGI_BIRTH_FDS];
    unsigned n;
    if (!z.unborn) z.unborn = pgi_alloc_zero(sizeof *z.unborn);
    if (!z.unborn) { /* not even a refusal could be kept until it goes out: the request stays where it is */
        nap();
        return true;
    }
    ssize_t size = receive_message(c->source.fd, &r, sizeof r, fds, &n);
    if (size < 0) return errno == EAGAIN || errno == EINTR || errno == ENOMEM || errno == ECONNRESET; /* then comes 0 */
    bool good = size == sizeof r && (r.what == PGI_REQUEST_SPAWN || r.what == PGI_REQUEST_KILL);
    if (good && r.what == PGI_REQUEST_KILL) {
        child *k = find_child(c, r.birth.node);
        if (k) kill_child(k, r.signal);
    } else if (good) {
        good = spawn(c, &r.birth, fds, n);
    }
    close_all(fds, n);
    return good;
}

static void on_client(client *c, uint32_t events)
{
    bool good = true;
    if (events & EPOLLOUT) good = flush_reports(c);
    if (good && (events & ~(uint32_t)EPOLLOUT)) good = serve(c);
    if (!good) close_client(c);
}

/* A new connection.  False: the program lets the zygote go. */
static bool on_master(void)
{
    char any;
    int fds[PGI_BIRTH_FDS];
    unsigned n;
    ssize_t size = receive_message(z.master.fd, &any, 1, fds, &n);
    if (size < 0) return errno == EAGAIN || errno == EINTR || errno == ENOMEM || errno == ECONNRESET;
    if (size == 0) return false;
    if (n == 1) {
        add_client(fds[0]);
    } else {
        close_all(fds, n);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------------- the zygote */

/* One event, or none until the deadline.  False: it is over. */
static bool turn(int64_t deadline)
{
    struct epoll_event event;
    int64_t left = deadline - pgs_now();
    int n = epoll_wait(z.epoll, &event, 1, deadline == PGS_NEVER ? -1 : left > 0 ? (int)(left / 1000000) + 1 : 0);
    if (n <= 0) return n == 0 || errno == EINTR;
    source *s = event.data.ptr;
    switch (s->kind) {
    case MASTER: return on_master();
    case HOST: return false;
    case CLIENT: on_client(container_of(s, client, source), event.events); break;
    case CHILD: reap(container_of(s, child, source)); break;
    }
    return true;
}

/* The children are waited for, so that nobody else inherits them: a program that adopts orphans would see them. */
static PGS_NORETURN void end(void)
{
    shut(&z.host);
    epoll_ctl(z.epoll, EPOLL_CTL_DEL, z.master.fd,
              NULL); /* it stays open: that it closes tells the program of the end */
    for (client *c = z.clients, *next; c; c = next) {
        next = c->next;
        if (c->kill_at == 0) close_client(c);
    }
    while (z.clients && turn(drop_late())) {}
    while (z.clients) drop_client(z.clients);
    int64_t deadline = pgs_deadline(PGI_ZYGOTE_PATIENCE);
    while (z.living > 0 && pgs_now() < deadline && turn(deadline)) {}
    _exit(0);
}

static void default_signals(void)
{
    for (int i = 1; i < NSIG; i++) signal(i, SIG_DFL);
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
}

/* stdin is empty; stdout and stderr are the program's, if it has any. */
static bool arrange_files(int master)
{
    master = fcntl(master, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDWR);
    if (master < 0 || null < 0 || (null != 0 && dup2(null, 0) < 0)) return false;
    for (int fd = 1; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && dup2(null, fd) < 0) return false;
    }
    close_but(&master, 1);
    z.master = (source){MASTER, master};
    getrlimit(RLIMIT_NOFILE, &z.files); /* each child takes one */
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){z.files.rlim_max, z.files.rlim_max});
    return true;
}

static bool arrange_epoll(pid_t host)
{
    z.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (z.epoll < 0) return false;
    z.host = (source){HOST, pidfd_of(host)};
    if (z.host.fd < 0) return false;
    if (getppid() !=
        host) { /* it has died, or has its children in a namespace of their own: the socket tells its end */
        close(z.host.fd);
        z.host.fd = -1;
    }
    return watch(&z.master) && (z.host.fd < 0 || watch(&z.host));
}

void pgi_nursery_run(int master, pid_t host, const pgi_codemap *known)
{
    z.known = *known;
    z.pid = getpid();
    setsid();
    prctl(PR_SET_NAME, "pg-zygote");
    default_signals();
    pgi_buffers_forget();
    while (pgi_node_forget_one()) continue; /* here, once: else each child would write to the whole table */
    /* What the program could not flush is not the children's to write; nor what it has read theirs to read. */
    __fpurge(stdin);
    __fpurge(stdout);
    __fpurge(stderr);
    errno = 0;
    bool ready = arrange_files(master) && arrange_epoll(host);
    int error = ready ? 0 : errno;
    pgi_send_message(ready ? z.master.fd : master, &error, sizeof error, NULL, 0, 0);
    while (ready && turn(drop_late())) {}
    if (!ready) _exit(1);
    end();
}
