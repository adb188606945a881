/* overflow.c - see overflow.h.
 *
 * The handler runs in the middle of anything, so it takes no lock, allocates nothing and calls only what is
 * async-signal-safe. What it reads is the faulting thread's own: which worker it is, which task that runs, the pool of
 * its stacks.  None of these can go away while the thread is in the handler, and a process's name is not replaced while
 * it runs.
 *
 * Chaining.  `previous` is what was there before, and is written before the handler is installed.  The last runtime
 * takes the handler back if it is still the one in force.  If the host has put another on top meanwhile, ours must
 * stay: theirs will call it.  It then passes on all that it is given, and is not installed a second time, which would
 * make a ring.
 *
 * Rejected: a lock-free list of the runtimes that asked, searched for the address: a fault that is not on a stack of
 * the thread's own is a wild pointer, and no overflow.  SIGBUS: Linux reports guard pages, of either kind, by
 * SIGSEGV. */
#define _GNU_SOURCE
#include "overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime.h"

#define INITIAL_EXEC __attribute__((tls_model("initial-exec")))

enum { ALTERNATE_SIZE = 64 * 1024 }; /* the host's handler runs on it too; memory is used when it is touched */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for the two below; never taken by the handler */
static unsigned asked;
static bool installed;

static struct sigaction previous;

/* Of a thread whose processes run on its own stack: where that ends, and the guard below it. */
static INITIAL_EXEC _Thread_local struct {
    uintptr_t low;
    size_t guard, size;
} own;
static INITIAL_EXEC _Thread_local void *alternate; /* its mapping, guard page included */
static INITIAL_EXEC _Thread_local unsigned begun;  /* runtimes for which the thread has it: it may drive several */

/* ------------------------------------------------------------------------------------------------- in the handler */

typedef struct line {
    char text[384];
    size_t length;
} line;

static void put(line *out, const char *text, size_t most)
{
    for (size_t i = 0; i < most && text[i] && out->length < sizeof out->text; i++) out->text[out->length++] = text[i];
}

static void put_text(line *out, const char *text)
{
    put(out, text, SIZE_MAX);
}

static void put_number(line *out, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    put(out, digits + at, sizeof digits - at);
}

/* As pgi_print_process(), which takes a lock. */
static void put_process(line *out, const pg_process *p)
{
    pg_pid pid = pgi_pid_of(p);
    put_text(out, "process <pid ");
    put_number(out, pid.id >> (64 - PGI_NODE_BITS));
    put_text(out, ".");
    put_number(out, pgi_pid_generation(pid));
    put_text(out, ".");
    put_number(out, pid.id & PGI_INDEX_MAX);
    put_text(out, ">");
    if (!p->name) return;
    put_text(out, " \"");
    put(out, p->name, 200);
    put_text(out, "\"");
}

static void report(const pg_process *p, size_t size, const char *see)
{
    line out = {.length = 0};
    put_text(&out, "paragram: ");
    put_process(&out, p);
    put_text(&out, " overflowed its stack of ");
    put_number(&out, size / 1024);
    put_text(&out, " KiB; see ");
    put_text(&out, see);
    put_text(&out, "\n");
    for (size_t done = 0; done < out.length;) {
        ssize_t n = write(STDERR_FILENO, out.text + done, out.length - done);
        if (n <= 0 && errno != EINTR) return;
        if (n > 0) done += (size_t)n;
    }
}

const pg_process *pgi_overflow_of(const void *address, size_t *size)
{
    pgs_worker *w = pgs_worker_self();
    if (!w) {
        uintptr_t at = (uintptr_t)address;
        const pg_process *p = pgi_host_current();
        *size = own.size;
        return p && at < own.low && at >= own.low - own.guard ? p : NULL;
    }
    pgs_task *task = pgs_worker_task(w);
    pgs_stack_pool *pool = pgs_sched_stacks(pgs_worker_sched(w));
    pgs_stack_place place;
    if (!task || !pgs_stack_pool_find(pool, address, &place) || !place.in_guard) return NULL;
    if (place.stack.base != pgs_worker_stack(w).base) return NULL; /* a wild pointer, to the guard of another stack */
    *size = pool->slot_size;
    return pgi_of_task(task);
}

static void look_at(const void *address)
{
    size_t size;
    const pg_process *p = pgi_overflow_of(address, &size);
    if (p && p->rt->options.report_overflow) {
        report(p, size, pgs_worker_self() ? "pg_options.stack_size" : "ulimit -s");
    }
}

/* Leaves the signal to whoever had it before.  After the return a fault happens again, a sent signal does not. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    bool sent = info->si_code <= 0;
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler == SIG_IGN && sent) {
        return;
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    } else {
        struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(number, &standard, NULL);
        if (sent) raise(number); /* comes when the handler has returned: it is blocked in here */
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int saved = pgs_errno();
    if (info->si_code > 0) look_at(info->si_addr);
    pgs_set_errno(saved);
    pass_on(number, info, context);
}

/* ------------------------------------------------------------------------------------------------------ installing */

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_fault;
}

static bool is_nobodys(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN);
}

void pgi_overflow_ask(void)
{
    pthread_mutex_lock(&lock);
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    asked++;
    if (!is_ours(&now) && (!installed || is_nobodys(&now))) {
        struct sigaction ours = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
        ours.sa_sigaction = on_fault;
        sigemptyset(&ours.sa_mask);
        previous = now;
        installed = sigaction(SIGSEGV, &ours, NULL) == 0;
    }
    pthread_mutex_unlock(&lock);
}

void pgi_overflow_release(void)
{
    pthread_mutex_lock(&lock);
    struct sigaction now;
    if (--asked == 0 && sigaction(SIGSEGV, NULL, &now) == 0 && is_ours(&now)) {
        installed = sigaction(SIGSEGV, &previous, NULL) != 0;
    }
    pthread_mutex_unlock(&lock);
}

/* --------------------------------------------------------------------------------------------------------- threads */

static void find_own_stack(void)
{
    pthread_attr_t attributes;
    void *low;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    if (pthread_attr_getstack(&attributes, &low, &own.size) == 0 &&
        pthread_attr_getguardsize(&attributes, &own.guard) == 0) {
        own.low = (uintptr_t)low;
    }
    pthread_attr_destroy(&attributes);
}

void pgi_overflow_thread_begin(bool own_stack)
{
    stack_t there;
    if (own_stack) find_own_stack();
    begun++;
    if (sigaltstack(NULL, &there) != 0 || !(there.ss_flags & SS_DISABLE)) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, page + ALTERNATE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    stack_t mine = {.ss_sp = memory + page, .ss_size = ALTERNATE_SIZE};
    if (mprotect(memory + page, ALTERNATE_SIZE, PROT_READ | PROT_WRITE) != 0 || sigaltstack(&mine, NULL) != 0) {
        munmap(memory, page + ALTERNATE_SIZE);
        return;
    }
    alternate = memory;
}

void pgi_overflow_thread_end(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    own.low = own.guard = own.size = 0;
    if (begun == 0 || --begun > 0) return; /* 0: another thread had begun it */
    if (!alternate || sigaltstack(&none, NULL) != 0) return;
    munmap(alternate, (size_t)sysconf(_SC_PAGESIZE) + ALTERNATE_SIZE);
    alternate = NULL;
}
