/* sandbox.c - see sandbox.h.
 *
 * Applied in two parts.  Whatever threads inherit from their maker (no_new_privs, capabilities, Landlock, the filter)
 * is set on the only thread there is, before the runtime has others.  The limits come afterwards: the runtime reserves
 * address space by the gigabyte when it starts, which the limit is to be counted from.  How much is mapped stands in
 * /proc/self/statm, which by then cannot be opened any more, so it is opened before.
 *
 * The filter lets the limits through (prlimit64 on oneself): without capabilities they can only be lowered.  It cannot
 * look behind pointers, which leaves one hole that is known: newfstatat() with AT_EMPTY_PATH, which fstat() is made
 * of, also tells the size and dates of a file by name, where the caller may search its folder.
 *
 * Rejected: a filter written in BPF by hand, without libseccomp (numbers of system calls differ by processor, and the
 * order of arguments of clone too); SECCOMP_FILTER_FLAG_TSYNC after the start (Landlock has no such thing before Linux
 * 7, and a start outside of the sandbox would show late that something in it needs more); user namespaces (many systems
 * forbid them, and they add attack surface in the kernel); SCMP_ACT_ERRNO for all that is forbidden (a failure far from
 * its cause: what a program does after a call that never fails has failed is anybody's guess). */
#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(PGI_SECCOMP)
#include <seccomp.h>
#endif

#include "crash.h"
#include "paragram.h"

static int statm = -1; /* of the child: /proc/self/statm between the two parts */

/* Says what went wrong; returns the status.  `error`: of errno's kind. */
static int refused(const char *what, int error)
{
    char text[200];
    snprintf(text, sizeof text, "its sandbox could not be made: %s: %s", what, strerror(error));
    pgi_crash_say(text);
    return error == ENOMEM ? PG_ENOMEM : PG_EUNSUPPORTED;
}

/* -------------------------------------------------------------------------------------------------- no privileges */

static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    return syscall(SYS_capset, &head, none) == 0 ? 0 : errno;
}

static int drop_privileges(void)
{
    const struct rlimit no_core = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused("no_new_privs", errno);
    int error = drop_capabilities();
    if (error) return refused("capset", error);
    if (setrlimit(RLIMIT_CORE, &no_core) != 0) return refused("RLIMIT_CORE", errno);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return refused("PR_SET_DUMPABLE", errno);
    return PG_OK;
}

/* ------------------------------------------------------------------------------------------------------- Landlock */

/* As in <linux/landlock.h> of Linux 6.12; a kernel that knows less of it wants zeros in the rest. */
typedef struct landlock_rules {
    uint64_t files, net, scopes;
} landlock_rules;

enum { SYS_CREATE_RULES = 444, SYS_RESTRICT_SELF = 446 }; /* the same on all processors */

/* All that this kernel's Landlock can deny, by the version of its ABI. */
static landlock_rules all_of(long version)
{
    const unsigned rights = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
    return (landlock_rules){.files = (UINT64_C(1) << rights) - 1,
                            .net = version >= 4 ? 3 : 0,     /* bind, connect */
                            .scopes = version >= 6 ? 3 : 0}; /* abstract sockets, signals */
}

/* No file, nowhere.  Where there is no Landlock the filter stands alone. */
static int restrict_files(void)
{
    const unsigned ask_version = 1;
    const long version = syscall(SYS_CREATE_RULES, NULL, (size_t)0, ask_version);
    if (version < 1) return PG_OK;
    const landlock_rules rules = all_of(version);
    const int made = (int)syscall(SYS_CREATE_RULES, &rules, sizeof rules, 0u);
    if (made < 0) return refused("Landlock", errno);
    const int error = syscall(SYS_RESTRICT_SELF, made, 0u) == 0 ? 0 : errno;
    close(made);
    return error ? refused("Landlock", error) : PG_OK;
}

/* ---------------------------------------------------------------------------------------------------- the filter */

#if defined(PGI_SECCOMP)

#define NAMESPACES \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)

/* What the runtime, glibc's malloc and stdio, and jemalloc call.  Those that a processor lacks are passed over. */
static const int allowed[] = {
    /* open descriptors */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(ftruncate),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    /* memory */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(mincore),
    SCMP_SYS(sysinfo),
    /* threads */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    /* signals */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(pause),
    SCMP_SYS(alarm),
    SCMP_SYS(setitimer),
    SCMP_SYS(getitimer),
    /* time */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    /* who and what */
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(times),
    SCMP_SYS(uname),
};

/* What libraries try in passing. */
static const int denied[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),    SCMP_SYS(openat2),    SCMP_SYS(creat),
    SCMP_SYS(access),     SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(stat),      SCMP_SYS(lstat),      SCMP_SYS(statx),
};

typedef struct rule {
    uint32_t action;
    int call;
    struct scmp_arg_cmp argument;
} rule;

#define IF(number, comparison, a, b)     \
    {                                    \
        (number), (comparison), (a), (b) \
    }

static int add_conditional(scmp_filter_ctx filter)
{
    const uint64_t me = (uint64_t)getpid();
    const rule rules[] = {
        {SCMP_ACT_ALLOW, SCMP_SYS(mmap), IF(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(mprotect), IF(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(clone), IF(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD | NAMESPACES, CLONE_THREAD)},
        {SCMP_ACT_ALLOW, SCMP_SYS(tgkill), IF(0, SCMP_CMP_EQ, me, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(kill), IF(0, SCMP_CMP_EQ, me, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), IF(0, SCMP_CMP_EQ, 0, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(prctl), IF(0, SCMP_CMP_EQ, PR_SET_NAME, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(prctl), IF(0, SCMP_CMP_EQ, PR_GET_NAME, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(prctl), IF(0, SCMP_CMP_EQ, 0x53564d41 /* PR_SET_VMA: allocators name memory */, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(ioctl), IF(1, SCMP_CMP_EQ, TCGETS, 0)}, /* isatty() */
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), IF(1, SCMP_CMP_EQ, F_GETFL, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), IF(1, SCMP_CMP_EQ, F_GETFD, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(fcntl), IF(1, SCMP_CMP_EQ, F_ADD_SEALS, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(memfd_create), IF(1, SCMP_CMP_EQ, MFD_CLOEXEC | MFD_ALLOW_SEALING, 0)},
        {SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), IF(3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)},
        {SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), IF(3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0)},
    };
    int error = 0;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && !error; i++) {
        error = seccomp_rule_add_array(filter, rules[i].action, rules[i].call, 1, &rules[i].argument);
    }
    return error;
}

static int add_plain(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0] && !error; i++) {
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    }
    for (size_t i = 0; i < sizeof denied / sizeof denied[0] && !error; i++) {
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), denied[i], 0);
    }
    return error;
}

static int filter_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    if (!filter) return refused("seccomp", ENOMEM);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list; older versions have only lists */
    int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!error) error = add_plain(filter);
    if (!error) error = add_conditional(filter);
    if (!error) error = seccomp_load(filter);
    seccomp_release(filter);
    return error ? refused("seccomp", -error) : PG_OK;
}

static bool can_filter(void)
{
    uint32_t action = SECCOMP_RET_TRAP;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool pgi_sandbox_call_name(uint32_t arch, int call, char *out, size_t size)
{
    char *name = seccomp_syscall_resolve_num_arch(arch, call);
    if (name) snprintf(out, size, "%s", name);
    free(name);
    return name != NULL;
}

#else

static int filter_calls(void)
{
    return refused("seccomp", ENOSYS);
}

static bool can_filter(void)
{
    return false;
}

bool pgi_sandbox_call_name(uint32_t arch, int call, char *out, size_t size)
{
    (void)arch;
    (void)call;
    if (size > 0) out[0] = '\0';
    return false;
}

#endif

/* ------------------------------------------------------------------------------------------------------- limits */

/* Lowers a limit; never raises it, which without privileges cannot be done. */
static int lower(int resource, rlim_t soft, rlim_t hard, const char *what)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) return refused(what, errno);
    if (hard < limit.rlim_max) limit.rlim_max = hard;
    if (soft < limit.rlim_cur) limit.rlim_cur = soft;
    if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
    return setrlimit(resource, &limit) == 0 ? PG_OK : refused(what, errno);
}

static int limit_address_space(uint64_t bytes)
{
    char text[64];
    const ssize_t length = statm < 0 ? -1 : pread(statm, text, sizeof text - 1, 0);
    const int error = errno;
    if (statm >= 0) close(statm);
    statm = -1;
    if (length <= 0) return refused("/proc/self/statm", error);
    text[length] = '\0';
    const uint64_t mapped = strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (mapped + bytes < bytes || mapped + bytes > INT64_MAX) return PG_OK; /* more than there is */
    return lower(RLIMIT_AS, mapped + bytes, mapped + bytes, "RLIMIT_AS");
}

int pgi_isolation_apply_limits(const pgi_isolation *isolation)
{
    int status = PG_OK;
    if (isolation->address_space > 0) status = limit_address_space(isolation->address_space);
    /* SIGXCPU at the soft limit; who does not die of that gets SIGKILL a second later. */
    const rlim_t seconds = isolation->cpu_seconds;
    if (seconds > 0) pgi_crash_limit(isolation->cpu_seconds);
    if (status == PG_OK && seconds > 0) status = lower(RLIMIT_CPU, seconds, seconds + 1, "RLIMIT_CPU");
    const rlim_t files = isolation->open_files;
    if (status == PG_OK && files > 0) status = lower(RLIMIT_NOFILE, files, files, "RLIMIT_NOFILE");
    return status;
}

/* ------------------------------------------------------------------------------------------------------ together */

int pgi_isolation_check(const pgi_isolation *isolation)
{
    if (isolation->level > PG_SANDBOX_COMPUTE || isolation->spare != 0) return PG_EINVAL;
    if (isolation->level == PG_SANDBOX_COMPUTE && !can_filter()) return PG_EUNSUPPORTED;
    return PG_OK;
}

static uint64_t tighter(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

pgi_isolation pgi_isolation_merge(pgi_isolation own, pgi_isolation asked)
{
    return (pgi_isolation){.address_space = tighter(own.address_space, asked.address_space),
                           .cpu_seconds = (uint32_t)tighter(own.cpu_seconds, asked.cpu_seconds),
                           .open_files = (uint32_t)tighter(own.open_files, asked.open_files),
                           .level = own.level > asked.level ? own.level : asked.level};
}

int pgi_isolation_apply(const pgi_isolation *isolation)
{
    int status = PG_OK;
    if (isolation->address_space > 0) {
        statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
        if (statm < 0) return refused("/proc/self/statm", errno);
    }
    if (isolation->level >= PG_SANDBOX_NO_PRIVILEGES) status = drop_privileges();
    if (status == PG_OK && isolation->level >= PG_SANDBOX_COMPUTE) status = restrict_files();
    if (status == PG_OK && isolation->level >= PG_SANDBOX_COMPUTE) status = filter_calls();
    return status;
}
