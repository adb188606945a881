/* signals.c - see signals.h.
 *
 * A runtime has one signalfd, of all signals that some process has asked for, and it is a source of the scheduler's.
 * Whoever fires it reads what is there, and sends it to each that has asked for that number, as a timer would.  So a
 * signal is taken from the kernel once, and handed to all; with a descriptor for each process, one of them would get
 * it.
 *
 * What threads block is read from /proc: the calling thread's own mask says nothing, since a green process is on a
 * worker, where all are blocked.  It is a look at this moment; who unblocks a signal later has it delivered there.
 *
 * Rejected: a process that reads the descriptor (it would count, and show up, as one); a handler that writes to a pipe
 * (a guest installs none); blocking what is not blocked (only in this thread, which is not the one that matters). */
#define _GNU_SOURCE
#include "signals.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime.h"

struct pgi_subscriber {
    pgi_subscriber *next;
    pg_process *process;
    pg_pid pid;
    sigset_t set;
};

void pgi_signals_init(pgi_signals *signals)
{
    pthread_mutex_init(&signals->setup, NULL);
    pthread_mutex_init(&signals->lock, NULL);
    signals->source.fd = -1;
}

void pgi_signals_destroy(pgi_signals *signals)
{
    pthread_mutex_destroy(&signals->setup);
    pthread_mutex_destroy(&signals->lock);
}

/* The descriptor is the parent's: what is done to it, or to the epoll instance that it is in, is done to the parent.  A
 * thread that there is not any more may have had the locks. */
void pgi_signals_forget(pgi_signals *signals)
{
    pgi_signals_init(signals);
    signals->over = true;
}

/* ------------------------------------------------------------------------------------------- what is blocked */

/* The mask of blocked signals in a thread's status; all, where the thread has gone.  0 or an errno. */
static int blocked_in(const char *tid, uint64_t *mask)
{
    char line[300];
    *mask = UINT64_MAX;
    snprintf(line, sizeof line, "/proc/self/task/%.20s/status", tid);
    FILE *file = fopen(line, "re");
    if (!file) return errno == ENOENT || errno == ESRCH ? 0 : errno;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "SigBlk:", 7) == 0) *mask = strtoull(line + 7, NULL, 16);
    }
    fclose(file);
    return 0;
}

static int status_of(int error)
{
    return error == ENOMEM ? PG_ENOMEM : pgi_system_error(error);
}

/* Whether all threads block these; else the log says who does not. */
static int all_block(pg_runtime *rt, uint64_t wanted)
{
    DIR *dir = opendir("/proc/self/task");
    if (!dir) return status_of(errno);
    const struct dirent *entry;
    int status = PG_OK;
    while (status == PG_OK && (entry = readdir(dir)) != NULL) {
        uint64_t blocked = UINT64_MAX;
        int error = entry->d_name[0] == '.' ? 0 : blocked_in(entry->d_name, &blocked);
        uint64_t missing = wanted & ~blocked;
        if (error != 0) status = status_of(error);
        if (missing == 0) continue;
        int number = __builtin_ctzll(missing) + 1;
        pgi_log(rt, PG_LOG_WARNING, "signal %d (%s) cannot be a message: thread %s does not block it, see pg_signals()",
                number, strsignal(number), entry->d_name);
        status = PG_EUNSUPPORTED;
    }
    closedir(dir);
    return status;
}

static bool may_be_asked_for(int number)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (number == never[i]) return false;
    }
    return number > 0 && number <= 64 && sigaddset(&set, number) == 0; /* not those that the C library keeps */
}

/* ------------------------------------------------------------------------------------------------------- one comes */

/* The lock is held. */
static void tell(const pgi_signals *signals, const struct signalfd_siginfo *info)
{
    int64_t value = info->ssi_signo == SIGCHLD ? info->ssi_status : info->ssi_int;
    const pg_value values[] = {pg_v_str("signal"), pg_v_int(info->ssi_signo), pg_v_int(info->ssi_pid),
                               pg_v_int(info->ssi_code), pg_v_int(value)};
    for (const pgi_subscriber *s = signals->all; s; s = s->next) {
        pg_message *msg;
        if (!sigismember(&s->set, (int)info->ssi_signo)) continue;
        if (pgi_message_build(pgi_cache_here(s->process->rt), 5, values, &msg) != PG_OK) continue;
        msg->kind = PGI_NOTICE;
        pgi_send_as_visitor(s->pid, msg);
    }
}

static void fire(pgs_source *source, uint32_t events)
{
    (void)events;
    pgi_signals *signals = container_of(source, pgi_signals, source);
    struct signalfd_siginfo info;
    pthread_mutex_lock(&signals->lock);
    while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info) tell(signals, &info);
    pthread_mutex_unlock(&signals->lock);
}

/* ------------------------------------------------------------------------------------------------------- who asks */

/* Where the subscriber of `p` hangs, or would.  `setup` is held, or the lock. */
static pgi_subscriber **find(pgi_signals *signals, const pg_process *p)
{
    pgi_subscriber **at = &signals->all;
    while (*at && (*at)->process != p) at = &(*at)->next;
    return at;
}

/* All that somebody has asked for but `p`, with `more`, which may be NULL.  `setup` is held. */
static bool unite(const pgi_signals *signals, const pg_process *p, const sigset_t *more, sigset_t *set)
{
    bool any = more;
    sigemptyset(set);
    if (more) sigorset(set, set, more);
    for (const pgi_subscriber *s = signals->all; s; s = s->next) {
        if (s->process == p) continue;
        sigorset(set, set, &s->set);
        any = true;
    }
    return any;
}

static void close_source(pg_runtime *rt)
{
    pgi_signals *signals = &rt->signals;
    if (signals->source.fd < 0) return;
    pgs_source_remove(rt->sched, &signals->source);
    close(signals->source.fd);
    signals->source.fd = -1;
}

/* Of the descriptor that there is.  Under the lock: nobody reads from it meanwhile, though the kernel would not
 * mind. */
static int change_source(pgi_signals *signals, const sigset_t *set)
{
    pthread_mutex_lock(&signals->lock);
    int error = signalfd(signals->source.fd, set, 0) < 0 ? -errno : 0;
    pthread_mutex_unlock(&signals->lock);
    return error;
}

/* 0 or -errno.  `setup` is held. */
static int open_source(pg_runtime *rt, const sigset_t *set)
{
    pgi_signals *signals = &rt->signals;
    if (signals->source.fd >= 0) return change_source(signals, set);
    int fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) return -errno;
    signals->source = (pgs_source){.fd = fd, .fire = fire};
    int error = pgs_source_add(rt->sched, &signals->source, EPOLLIN | EPOLLET);
    if (!error) return 0;
    close(fd);
    signals->source.fd = -1;
    return error;
}

/* What is left when `p` asks for nothing any more.  `setup` is held. */
static void leave(pg_runtime *rt, const pg_process *p)
{
    pgi_signals *signals = &rt->signals;
    sigset_t set;
    bool any = unite(signals, p, NULL, &set);
    if (!any) {
        close_source(rt);
    } else if (signals->source.fd >= 0) {
        change_source(signals, &set); /* to fewer: it cannot fail */
    }
    pthread_mutex_lock(&signals->lock);
    pgi_subscriber **at = find(signals, p), *s = *at;
    if (s) *at = s->next;
    pthread_mutex_unlock(&signals->lock);
    if (s) pgi_free(s, sizeof *s);
}

/* Its clean-up: the process ends. */
static void leave_at_end(void *process)
{
    pg_process *p = process;
    pg_runtime *rt = p->rt;
    pthread_mutex_lock(&rt->signals.setup);
    leave(rt, p);
    pthread_mutex_unlock(&rt->signals.setup);
}

/* Puts `p` into the list, or changes what it has there.  The source is one of that already.  `setup` is held. */
static int enter(pg_runtime *rt, pg_process *p, const sigset_t *set)
{
    pgi_signals *signals = &rt->signals;
    pgi_subscriber *s = *find(signals, p), *fresh = NULL;
    if (!s) {
        fresh = pgi_alloc(sizeof *fresh);
        if (!fresh || pg_defer(p, leave_at_end, p) != PG_OK) {
            if (fresh) pgi_free(fresh, sizeof *fresh);
            return PG_ENOMEM;
        }
        *fresh = (pgi_subscriber){.process = p, .pid = pgi_pid_of(p)};
        s = fresh;
    }
    pthread_mutex_lock(&signals->lock);
    s->set = *set;
    if (fresh) {
        fresh->next = signals->all;
        signals->all = fresh;
    }
    pthread_mutex_unlock(&signals->lock);
    return PG_OK;
}

/* The list before the source, so that what is there already finds its process.  `setup` is held. */
static int subscribe(pg_runtime *rt, pg_process *p, const sigset_t *set)
{
    pgi_signals *signals = &rt->signals;
    if (signals->over) return PG_ESTOPPED;
    const pgi_subscriber *before = *find(signals, p);
    sigset_t had, all;
    if (before) had = before->set;
    int status = enter(rt, p, set);
    if (status != PG_OK) return status;
    unite(signals, p, set, &all);
    int error = open_source(rt, &all);
    if (!error) return PG_OK;
    if (before) {
        enter(rt, p, &had);
    } else {
        pg_undefer(p, leave_at_end, p);
        leave(rt, p);
    }
    return status_of(-error);
}

int pg_signals(pg_process *self, size_t count, const int *numbers)
{
    if (!self || (count > 0 && !numbers)) return PG_EINVAL;
    if (self->phase == PGI_ENDING) return PG_EENDED;
    pg_runtime *rt = self->rt;
    sigset_t set;
    uint64_t wanted = 0;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) {
        if (!may_be_asked_for(numbers[i])) return PG_EINVAL;
        sigaddset(&set, numbers[i]);
        wanted |= UINT64_C(1) << (numbers[i] - 1);
    }
    if (load_acquire(&rt->stopped)) return PG_ESTOPPED; /* partner: the end of pg_stop */
    if (rt->child || rt->options.seed != 0) return PG_EUNSUPPORTED;
    int status = count > 0 ? all_block(rt, wanted) : PG_OK;
    if (status != PG_OK) return status;
    pthread_mutex_lock(&rt->signals.setup);
    if (count > 0) {
        status = subscribe(rt, self, &set);
    } else if (pg_undefer(self, leave_at_end, self) == PG_OK) {
        leave(rt, self);
    }
    pthread_mutex_unlock(&rt->signals.setup);
    return status;
}

void pgi_signals_stop(pg_runtime *rt)
{
    pthread_mutex_lock(&rt->signals.setup);
    rt->signals.over = true;
    close_source(rt);
    pthread_mutex_unlock(&rt->signals.setup);
}
