/* faults.c - see faults.h. */
#define _GNU_SOURCE
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { CALLERS = 12, DELAY_NS = 20000000 };

const char *const fault_kind_names[FAULT_KINDS] = {
    [FAULT_MEMORY] = "memory",          [FAULT_MAPPING] = "mappings", [FAULT_THREAD] = "threads",
    [FAULT_DESCRIPTOR] = "descriptors", [FAULT_FORK] = "forks",       [FAULT_SYSTEM] = "others"};

/* In memory that is shared with what is forked. */
static struct control {
    _Atomic(bool) armed;
    _Atomic(uint64_t) left; /* until the one that fails; 0: it has failed, or there is none */
    _Atomic(uint64_t) counted[FAULT_KINDS];
    _Atomic(const char *) injected;
    _Atomic(const char *) slow;
    void *callers[CALLERS];
    size_t depth;
} * control;

static _Atomic(int64_t) blocks, bytes;

void faults_begin(void)
{
    void *first[1];
    CHECK(backtrace(first, 1) >= 0); /* loads a library when it is first called */
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    control = at;
}

void faults_arm(uint64_t nth)
{
    atomic_store(&control->armed, false);
    atomic_store(&control->left, nth);
    atomic_store(&control->injected, NULL);
    control->depth = 0;
    for (int i = 0; i < FAULT_KINDS; i++) atomic_store(&control->counted[i], 0);
    atomic_store(&control->armed, true);
}

void faults_disarm(void)
{
    atomic_store(&control->armed, false);
}

uint64_t faults_counted(fault_kind kind)
{
    return atomic_load(&control->counted[kind]);
}

const char *faults_injected(void)
{
    return atomic_load(&control->injected);
}

size_t faults_where(void **callers, size_t most)
{
    size_t n = control->depth < most ? control->depth : most;
    memcpy(callers, control->callers, n * sizeof *callers);
    return n;
}

void faults_delay(const char *function)
{
    atomic_store(&control->slow, function);
}

faults_balance faults_held(void)
{
    return (faults_balance){atomic_load(&blocks), atomic_load(&bytes)};
}

/* Whether this call is the one; errno is set then. */
static bool fails(fault_kind kind, const char *function, int error)
{
    if (!control) return false;
    const char *slow = atomic_load(&control->slow);
    if (slow && strcmp(slow, function) == 0) nanosleep(&(struct timespec){.tv_nsec = DELAY_NS}, NULL);
    if (!atomic_load(&control->armed)) return false;
    atomic_fetch_add(&control->counted[kind], 1);
    uint64_t left = atomic_load(&control->left);
    while (left > 0 && !atomic_compare_exchange_weak(&control->left, &left, left - 1)) continue;
    if (left != 1) return false;
    int depth = backtrace(control->callers, CALLERS);
    control->depth = depth > 0 ? (size_t)depth : 0;
    atomic_store(&control->injected, function);
    errno = error;
    return true;
}

/* A call of NAME in the library comes to __wrap_NAME; the true function is __real_NAME.  Weak: in a program that has no
 * NAME, or does not wrap it, nobody comes here. */
#define DECLARE(type, name, ...)                           \
    type __real_##name(__VA_ARGS__) __attribute__((weak)); \
    type __wrap_##name(__VA_ARGS__)

#define WRAP(type, name, kind, failure, error, arguments, ...) \
    DECLARE(type, name, __VA_ARGS__);                          \
    type __wrap_##name(__VA_ARGS__)                            \
    {                                                          \
        if (fails(kind, #name, error)) return failure;         \
        return __real_##name arguments;                        \
    }

/* ----------------------------------------------------------------------------------------------------------- memory */

static void *taken(void *block)
{
    if (block) atomic_fetch_add(&blocks, 1);
    return block;
}

#define WRAP_ALLOCATOR(name, arguments, ...)                 \
    DECLARE(void *, name, __VA_ARGS__);                      \
    void *__wrap_##name(__VA_ARGS__)                         \
    {                                                        \
        if (fails(FAULT_MEMORY, #name, ENOMEM)) return NULL; \
        return taken(__real_##name arguments);               \
    }

WRAP_ALLOCATOR(malloc, (size), size_t size)
WRAP_ALLOCATOR(calloc, (count, size), size_t count, size_t size)
WRAP_ALLOCATOR(aligned_alloc, (align, size), size_t align, size_t size)

DECLARE(void *, realloc, void *block, size_t size);
void *__wrap_realloc(void *block, size_t size)
{
    if (fails(FAULT_MEMORY, "realloc", ENOMEM)) return NULL;
    return block ? __real_realloc(block, size) : taken(__real_realloc(block, size));
}

DECLARE(int, posix_memalign, void **out, size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size)
{
    if (fails(FAULT_MEMORY, "posix_memalign", ENOMEM)) return ENOMEM;
    int error = __real_posix_memalign(out, align, size);
    if (error == 0) taken(*out);
    return error;
}

DECLARE(char *, strdup, const char *text);
char *__wrap_strdup(const char *text)
{
    if (fails(FAULT_MEMORY, "strdup", ENOMEM)) return NULL;
    return taken(__real_strdup(text));
}

int __wrap_asprintf(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **out, const char *format, ...)
{
    if (fails(FAULT_MEMORY, "asprintf", ENOMEM)) return -1;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(out, format, arguments);
    va_end(arguments);
    if (length >= 0) taken(*out);
    return length;
}

DECLARE(ssize_t, __getdelim, char **line, size_t *room, int end, FILE *file);
ssize_t __wrap___getdelim(char **line, size_t *room, int end, FILE *file)
{
    if (fails(FAULT_MEMORY, "getline", ENOMEM)) return -1;
    bool had = *line != NULL;
    ssize_t length = __real___getdelim(line, room, end, file);
    if (!had) taken(*line);
    return length;
}

DECLARE(void, free, void *block);
void __wrap_free(void *block)
{
    if (block) atomic_fetch_sub(&blocks, 1);
    __real_free(block);
}

/* jemalloc's, where the program has it. */
DECLARE(void *, mallocx, size_t size, int flags);
void *__wrap_mallocx(size_t size, int flags)
{
    return fails(FAULT_MEMORY, "mallocx", ENOMEM) ? NULL : taken(__real_mallocx(size, flags));
}

DECLARE(void, sdallocx, void *block, size_t size, int flags);
void __wrap_sdallocx(void *block, size_t size, int flags)
{
    atomic_fetch_sub(&blocks, 1);
    __real_sdallocx(block, size, flags);
}

struct cds_lfht;
WRAP(struct cds_lfht *, _cds_lfht_new, FAULT_MEMORY, NULL, ENOMEM, (a, b, c, d, e, f, g), unsigned long a,
     unsigned long b, unsigned long c, int d, const void *e, const void *f, pthread_attr_t *g)

/* --------------------------------------------------------------------------------------------------------- mappings */

DECLARE(void *, mmap, void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fails(FAULT_MAPPING, "mmap", ENOMEM)) return MAP_FAILED;
    void *mapping = __real_mmap(at, size, protection, flags, fd, offset);
    if (mapping != MAP_FAILED && !(flags & MAP_FIXED)) atomic_fetch_add(&bytes, (int64_t)size);
    return mapping;
}

DECLARE(int, munmap, void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
    int status = __real_munmap(at, size);
    if (status == 0) atomic_fetch_sub(&bytes, (int64_t)size);
    return status;
}

WRAP(int, mprotect, FAULT_MAPPING, -1, ENOMEM, (at, size, protection), void *at, size_t size, int protection)
WRAP(int, madvise, FAULT_MAPPING, -1, ENOMEM, (at, size, advice), void *at, size_t size, int advice)

/* ---------------------------------------------------------------------------------------------------------- threads */

WRAP(int, pthread_create, FAULT_THREAD, EAGAIN, EAGAIN, (thread, attributes, entry, argument), pthread_t *thread,
     const pthread_attr_t *attributes, void *(*entry)(void *), void *argument)
WRAP(int, pthread_key_create, FAULT_THREAD, EAGAIN, EAGAIN, (key, destroy), pthread_key_t *key, void (*destroy)(void *))
WRAP(int, pthread_setspecific, FAULT_THREAD, ENOMEM, ENOMEM, (key, value), pthread_key_t key, const void *value)
WRAP(int, pthread_atfork, FAULT_THREAD, ENOMEM, ENOMEM, (before, parent, child), void (*before)(void),
     void (*parent)(void), void (*child)(void))
WRAP(int, pthread_mutexattr_init, FAULT_THREAD, ENOMEM, ENOMEM, (attributes), pthread_mutexattr_t *attributes)
WRAP(int, pthread_getattr_np, FAULT_THREAD, ENOMEM, ENOMEM, (thread, attributes), pthread_t thread,
     pthread_attr_t *attributes)

/* ------------------------------------------------------------------------------------------------------ descriptors */

WRAP(int, memfd_create, FAULT_DESCRIPTOR, -1, EMFILE, (name, flags), const char *name, unsigned flags)
WRAP(int, ftruncate, FAULT_DESCRIPTOR, -1, ENOSPC, (fd, size), int fd, off_t size)
WRAP(int, fallocate, FAULT_DESCRIPTOR, -1, ENOSPC, (fd, mode, from, size), int fd, int mode, off_t from, off_t size)
WRAP(int, eventfd, FAULT_DESCRIPTOR, -1, EMFILE, (value, flags), unsigned value, int flags)
WRAP(int, epoll_create1, FAULT_DESCRIPTOR, -1, EMFILE, (flags), int flags)
WRAP(int, pipe2, FAULT_DESCRIPTOR, -1, EMFILE, (ends, flags), int ends[2], int flags)
WRAP(int, socketpair, FAULT_DESCRIPTOR, -1, EMFILE, (domain, type, protocol, ends), int domain, int type, int protocol,
     int ends[2])
WRAP(int, dup3, FAULT_DESCRIPTOR, -1, EBUSY, (from, to, flags), int from, int to, int flags)
WRAP(int, dup2, FAULT_DESCRIPTOR, -1, EMFILE, (from, to), int from, int to)
WRAP(DIR *, opendir, FAULT_DESCRIPTOR, NULL, EMFILE, (path), const char *path)
WRAP(FILE *, fopen, FAULT_DESCRIPTOR, NULL, EMFILE, (path, mode), const char *path, const char *mode)

DECLARE(int, epoll_ctl, int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && fails(FAULT_DESCRIPTOR, "epoll_ctl", ENOSPC)) return -1;
    return __real_epoll_ctl(epoll, operation, fd, event);
}

DECLARE(int, open, const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    return fails(FAULT_DESCRIPTOR, "open", EMFILE) ? -1 : __real_open(path, flags);
}

DECLARE(int, openat, int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...)
{
    return fails(FAULT_DESCRIPTOR, "openat", EMFILE) ? -1 : __real_openat(directory, path, flags);
}

DECLARE(int, fcntl, int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    int argument = va_arg(arguments, int);
    va_end(arguments);
    if (command == F_DUPFD_CLOEXEC && fails(FAULT_DESCRIPTOR, "fcntl", EMFILE)) return -1;
    if (command == F_ADD_SEALS && fails(FAULT_DESCRIPTOR, "fcntl", EBUSY)) return -1;
    return __real_fcntl(fd, command, argument);
}

/* With descriptors: the sender has too many under way, or the receiver has none left, which the kernel says by leaving
 * them out. */
DECLARE(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (message->msg_controllen > 0 && fails(FAULT_DESCRIPTOR, "sendmsg", ENOMEM)) return -1;
    return __real_sendmsg(fd, message, flags);
}

DECLARE(ssize_t, recvmsg, int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    int passed;
    ssize_t got = __real_recvmsg(fd, message, flags);
    struct cmsghdr *head = got >= 0 ? CMSG_FIRSTHDR(message) : NULL;
    if (!head || head->cmsg_type != SCM_RIGHTS || !fails(FAULT_DESCRIPTOR, "recvmsg", EMFILE)) return got;
    for (size_t i = 0; CMSG_LEN((i + 1) * sizeof passed) <= head->cmsg_len; i++) {
        memcpy(&passed, CMSG_DATA(head) + i * sizeof passed, sizeof passed);
        close(passed);
    }
    message->msg_controllen = 0;
    message->msg_flags |= MSG_CTRUNC;
    return got;
}

/* ------------------------------------------------------------------------------------------------ forks, and others */

WRAP(pid_t, fork, FAULT_FORK, -1, EAGAIN, (), void)
WRAP(int, setrlimit, FAULT_SYSTEM, -1, EPERM, (what, limit), int what, const struct rlimit *limit)
WRAP(ssize_t, getrandom, FAULT_SYSTEM, -1, ENOSYS, (to, size, flags), void *to, size_t size, unsigned flags)
WRAP(int, sched_getaffinity, FAULT_SYSTEM, -1, EPERM, (pid, size, set), pid_t pid, size_t size, void *set)
WRAP(void *, seccomp_init, FAULT_SYSTEM, NULL, ENOMEM, (action), uint32_t action)
WRAP(int, seccomp_load, FAULT_SYSTEM, -ENOMEM, ENOMEM, (rules), const void *rules)

/* Taking one away never fails. */
DECLARE(int, sigaltstack, const stack_t *to, stack_t *before);
int __wrap_sigaltstack(const stack_t *to, stack_t *before)
{
    if (to && !(to->ss_flags & SS_DISABLE) && fails(FAULT_SYSTEM, "sigaltstack", ENOMEM)) return -1;
    return __real_sigaltstack(to, before);
}

DECLARE(int, prctl, int operation, ...);
int __wrap_prctl(int operation, ...)
{
    unsigned long a[4];
    va_list arguments;
    va_start(arguments, operation);
    for (int i = 0; i < 4; i++) a[i] = va_arg(arguments, unsigned long);
    va_end(arguments);
    return fails(FAULT_SYSTEM, "prctl", EINVAL) ? -1 : __real_prctl(operation, a[0], a[1], a[2], a[3]);
}

/* Those that wait or wake are no resource. */
static bool syscall_fails(long number)
{
    switch (number) {
    case SYS_futex:
    case SYS_epoll_pwait2:
    case SYS_rt_sigprocmask: return false;
    case SYS_clone: return fails(FAULT_FORK, "clone", EAGAIN);
    case SYS_pidfd_open: return fails(FAULT_DESCRIPTOR, "pidfd_open", EMFILE);
    default: return fails(FAULT_SYSTEM, "syscall", ENOSYS);
    }
}

DECLARE(long, syscall, long number, ...);
long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
    va_end(arguments);
    return syscall_fails(number) ? -1 : __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
