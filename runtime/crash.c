/* crash.c - see crash.h.
 *
 * The handler runs in the middle of anything, on an alternate stack, in a process whose memory may be garbage.
 *
 *   1. The signal, its address and the program counter are written first, from what the kernel has handed over: nothing
 *      that can fail.
 *   2. Then, each as a step of its own: whether a stack has run out; the backtrace; which process ran; the message
 *      that it was handling.  A fault in a step ends that step only: its handler jumps back behind it.  What a step
 *      has written by then stays.
 *   3. Nothing allocates, locks, or follows more links than fit into the words; should something hang nevertheless, an
 *      alarm ends the process after PATIENCE seconds, and the words tell of the signal that began it.
 *   4. The first thread to fault writes.  Another one that faults meanwhile waits for the end of the process.
 *   5. In the end the default action is restored.  A fault happens again when the handler returns, so that a core shows
 *      it where it was; any other signal is raised again.
 *
 * Unwinding is libgcc's, called directly: glibc's backtrace() loads libgcc when it is called first, which a process
 * that has crashed cannot do.  Its search for unwind tables takes no lock with glibc 2.35 and later; before, a crash
 * inside dlopen() may meet the lock of another thread, and the alarm.  Frame pointers are not there in an optimised
 * build.
 *
 * Rejected: naming functions in the child (dladdr() locks, and a sandbox does not let it read files); writing a line to
 * stderr (a child's may be closed, and the hub has a log); a handler for each runtime as in overflow.c, since a child
 * belongs to us from its fork on, and no host has handlers in it to be chained to. */
#define _GNU_SOURCE
#include "crash.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "overflow.h"
#include "runtime.h"
#include "sandbox.h"
#include "symbol.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code of SIGSYS: a filter's */
#endif

enum {
    FRAMES = 48,
    FRAMES_TOLD = 12,
    PATIENCE = 5,      /* seconds */
    VISITS_MAX = 1024, /* frames of the unwinder, ours before the signal included */
};

static const uint64_t magic = 0x0173645774736c50;

typedef enum doing { RAN, BEGAN, HANDLED } doing;

typedef struct last_words {
    uint64_t magic; /* somebody listens */
    int32_t signal; /* stored when the first group is complete; 0: no signal has come */
    int32_t code;   /* si_code */
    uint64_t address, pc;
    int32_t call; /* the system call of a SIGSYS */
    uint32_t arch;
    uint64_t seconds; /* by pgi_crash_limit(); 0: unknown.  The kernel's own limit is one more by the time of SIGXCPU */
    uint64_t overflow; /* bytes of the stack that has run out; 0: none has */
    uint64_t pid;
    uint32_t frame_count;
    uint32_t doing;
    uint64_t frames[FRAMES];
    char name[128]; /* of the process */
    char said[512];
    char message[1024];
} last_words;

_Static_assert(sizeof(last_words) <= PGI_CRASH_SIZE, "the words fit");

static const int listened[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP, SIGXCPU};

#define LISTENED (sizeof listened / sizeof listened[0])

/* Of the child; set by pgi_crash_listen(). */
static last_words *volatile shared;
static pid_t listener;
static _Atomic(int) owner; /* the thread that writes; 0: none yet */

/* The owner's own. */
static sigjmp_buf rescue;
static volatile sig_atomic_t rescuing; /* `rescue` is set */

/* ---------------------------------------------------------------------------------------------------- the context */

/* What a step needs; written before the first one. */
typedef struct scene {
    last_words *words;
    siginfo_t *info;
    ucontext_t *context;
} scene;

static uint64_t *place_of_pc(ucontext_t *context)
{
#if defined(__x86_64__)
    return (uint64_t *)(void *)&context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uint64_t *)&context->uc_mcontext.pc;
#else
    (void)context;
    return NULL;
#endif
}

static uint64_t *place_of_sp(ucontext_t *context)
{
#if defined(__x86_64__)
    return (uint64_t *)(void *)&context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uint64_t *)&context->uc_mcontext.sp;
#else
    (void)context;
    return NULL;
#endif
}

/* Makes the context that of the caller of a function which has just been entered. */
static void leave_function(ucontext_t *context)
{
#if defined(__x86_64__)
    uint64_t *sp = place_of_sp(context);
    *place_of_pc(context) = *(const volatile uint64_t *)(uintptr_t)*sp;
    *sp += 8;
#elif defined(__aarch64__)
    context->uc_mcontext.pc = context->uc_mcontext.regs[30];
#else
    (void)context;
#endif
}

/* ------------------------------------------------------------------------------------------------------ the steps */

static void tell_overflow(const scene *s)
{
    size_t size;
    if (s->words->signal != SIGSEGV || s->info->si_code <= 0) return;
    const pg_process *p = pgi_overflow_of(s->info->si_addr, &size);
    if (p) s->words->overflow = size;
}

typedef struct walk {
    last_words *words;
    uint64_t pc; /* of the signal: the frames before it are the handler's */
    bool found;
    int visits;
} walk;

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *argument)
{
    walk *w = argument;
    int exact = 0;
    uint64_t pc = _Unwind_GetIPInfo(context, &exact);
    if (++w->visits > VISITS_MAX || pc == 0) return _URC_END_OF_STACK;
    if (!w->found) {
        w->found = pc == w->pc;
        return _URC_NO_REASON;
    }
    uint32_t n = w->words->frame_count;
    if (n >= FRAMES) return _URC_END_OF_STACK;
    w->words->frames[n] = pc;
    w->words->frame_count = n + 1;
    return _URC_NO_REASON;
}

static bool is_code(uint64_t pc)
{
    return _Unwind_FindEnclosingFunction((void *)(uintptr_t)(pc + 1)) != NULL; /* it looks before what it is given */
}

/* A call through a wild pointer leaves a program counter that no unwinder can begin at.  The handler's own frame is
 * then made to look as if the signal had come right after that call; whoever called us mends it again. */
static void tell_frames(const scene *s)
{
    walk w = {.words = s->words, .pc = s->words->pc};
    if (!place_of_pc(s->context)) return;
    w.words->frames[0] = w.pc;
    w.words->frame_count = 1;
    if (!is_code(w.pc)) {
        leave_function(s->context);
        w.pc = *place_of_pc(s->context);
        if (!is_code(w.pc)) return;
        w.words->frames[1] = w.pc;
        w.words->frame_count = 2;
    }
    _Unwind_Backtrace(on_frame, &w);
}

static void tell_process(const scene *s)
{
    const pg_process *p = pg_current();
    if (!p) return;
    s->words->pid = pgi_pid_of(p).id;
    s->words->doing = p->current ? HANDLED : p->args ? BEGAN : RAN;
    const char *name = p->name;
    for (size_t i = 0; name && name[i] != '\0' && i + 1 < sizeof s->words->name; i++) s->words->name[i] = name[i];
}

static void tell_message(const scene *s)
{
    const pg_process *p = pg_current();
    if (!p || !p->current) return;
    pgi_print out;
    pgi_print_init(&out, s->words->message, sizeof s->words->message);
    out.brief = true;
    pgi_print_message(&out, p->current);
    static const char cut[] = "...";
    if (out.length >= out.size) memcpy(s->words->message + out.size - sizeof cut, cut, sizeof cut);
}

/* --------------------------------------------------------------------------------------------------- the handlers */

/* sigaction(2), as a handler may call it. */
static void set_action(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_flags = handler ? SA_SIGINFO | SA_ONSTACK | flags : 0};
    if (handler) {
        action.sa_sigaction = handler;
        sigfillset(&action.sa_mask);
        for (size_t i = 0; i < LISTENED; i++) sigdelset(&action.sa_mask, listened[i]);
        sigdelset(&action.sa_mask, SIGALRM);
        sigaddset(&action.sa_mask, SIGXCPU);
    } else {
        action.sa_handler = SIG_DFL;
    }
    sigaction(number, &action, NULL);
}

static void let_through(int number)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

static void let_all_through(void)
{
    sigset_t all;
    sigemptyset(&all);
    for (size_t i = 0; i < LISTENED; i++) sigaddset(&all, listened[i]);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
}

static void restore_defaults(void)
{
    for (size_t i = 0; i < LISTENED; i++) set_action(listened[i], NULL, 0);
}

static PGS_NORETURN void die_of(int number)
{
    restore_defaults();
    let_through(number);
    raise(number);
    _exit(128 + number); /* not reached */
}

/* Another thread is writing: the process is about to end. */
static PGS_NORETURN void wait_for_end(void)
{
    for (;;) nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

/* A fault while a step is under way. */
static void on_nested(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    if (load_relaxed(&owner) != gettid()) wait_for_end();
    if (!rescuing) die_of(shared->signal ? shared->signal : number);
    rescuing = false;
    siglongjmp(rescue, 1);
}

static void try_step(void (*step)(const scene *), const scene *s)
{
    if (sigsetjmp(rescue, 0) == 0) {
        rescuing = true;
        step(s);
    }
    rescuing = false;
}

static void tell_essential(const scene *s)
{
    last_words *words = s->words;
    const siginfo_t *info = s->info;
    bool fault = info->si_code > 0; /* the kernel's, not somebody's */
    uint64_t *pc = place_of_pc(s->context);
    words->code = info->si_code;
    words->pc = pc ? *pc : 0;
    words->address = fault && info->si_signo != SIGSYS ? (uintptr_t)info->si_addr : 0;
    if (info->si_signo == SIGSYS && fault) {
        words->call = info->si_syscall;
        words->arch = info->si_arch;
    }
    *(volatile int32_t *)&words->signal = info->si_signo;
}

static void tell_rest(const scene *s)
{
    uint64_t *pc = place_of_pc(s->context), *sp = place_of_sp(s->context);
    const uint64_t saved_pc = pc ? *pc : 0, saved_sp = sp ? *sp : 0;
    try_step(tell_overflow, s);
    try_step(tell_process, s);
    try_step(tell_frames, s);
    if (pc && sp) {
        *pc = saved_pc;
        *sp = saved_sp;
    }
    try_step(tell_message, s);
}

static bool happens_again(int number, const siginfo_t *info)
{
    return info->si_code > 0 && (number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved = pgs_errno(), nobody = 0;
    const int me = gettid();
    if (getpid() != listener) die_of(number); /* forked by the code of a process: the words are its parent's */
    if (!cas_acq_rel(&owner, &nobody, me)) {  /* partner: itself, on another thread */
        if (nobody == me) die_of(number);
        wait_for_end();
    }
    set_action(SIGALRM, NULL, 0);
    let_through(SIGALRM);
    alarm(PATIENCE);
    const scene s = {.words = shared, .info = info, .context = context};
    tell_essential(&s);
    for (size_t i = 0; i < LISTENED; i++) {
        if (listened[i] == SIGXCPU) continue;
        set_action(listened[i], on_nested, SA_NODEFER);
        let_through(listened[i]);
    }
    tell_rest(&s);
    if (!happens_again(number, info)) die_of(number);
    restore_defaults();
    alarm(0);
    pgs_set_errno(saved);
}

/* ------------------------------------------------------------------------------------------------------- listening */

void pgi_crash_listen(void *words, size_t size)
{
    if (size < sizeof(last_words)) return;
    shared = words;
    shared->magic = magic;
    listener = getpid();
    store_relaxed(&owner, 0);
    pgs_on_panic = pgi_crash_say;
    set_action(SIGALRM, NULL, 0);
    for (size_t i = 0; i < LISTENED; i++) set_action(listened[i], on_signal, 0);
}

void pgi_crash_thread_begin(bool own_stack)
{
    pgi_overflow_thread_begin(own_stack);
    let_all_through();
}

void pgi_crash_thread_end(void)
{
    pgi_overflow_thread_end();
}

void pgi_crash_say(const char *text)
{
    last_words *words = shared;
    if (!words || words->said[0] != '\0') return;
    for (size_t i = 0; text[i] != '\0' && i + 1 < sizeof words->said; i++) words->said[i] = text[i];
}

void pgi_crash_limit(unsigned seconds)
{
    if (shared) shared->seconds = seconds;
}

/* ------------------------------------------------------------------------------------------------- told in the hub */

/* Text of the child's, of at most `most` bytes. */
static void put_clean(pgi_print *out, const char *text, size_t most)
{
    pgi_print_clean(out, text, strnlen(text, most));
}

static void put_signal(pgi_print *out, int number)
{
    const char *name = number > 0 && number < NSIG ? strsignal(number) : NULL;
    pgi_print_format(out, "signal %d", number);
    if (name) pgi_print_format(out, " (%s)", name);
}

/* function+0x14, or module+0x1234, or 0x7f1234567890.  All frames but the first are where calls return to, which may be
 * behind the end of the function. */
static void put_frame(pgi_print *out, uint64_t pc, bool exact, bool with_module)
{
    pgi_symbol symbol;
    if (!pgi_symbol_find(exact ? pc : pc - 1, &symbol)) {
        pgi_print_format(out, "0x%" PRIx64, pc);
        return;
    }
    const char *name = symbol.name[0] ? symbol.name : symbol.module;
    pgi_print_clean(out, name, strlen(name));
    pgi_print_format(out, "+0x%" PRIx64, symbol.offset + !exact);
    if (!with_module || !symbol.name[0]) return;
    pgi_print_text(out, " (");
    pgi_print_clean(out, symbol.module, strlen(symbol.module));
    pgi_print_text(out, ")");
}

static void put_process(pgi_print *out, const last_words *w)
{
    pgi_print_text(out, "process ");
    pgi_print_pid(out, (pg_pid){w->pid});
    if (w->name[0] == '\0') return;
    pgi_print_text(out, " \"");
    put_clean(out, w->name, sizeof w->name);
    pgi_print_text(out, "\"");
}

static void put_call(pgi_print *out, const last_words *w)
{
    char name[64];
    pgi_print_format(out, ": system call %d", w->call);
    if (pgi_sandbox_call_name(w->arch, w->call, name, sizeof name)) pgi_print_format(out, " (%s)", name);
    pgi_print_text(out, " is not allowed in its sandbox");
}

static void put_seconds(pgi_print *out, const last_words *w)
{
    pgi_print_text(out, ": it has used up its ");
    if (w && w->seconds != 0 && w->seconds < INT32_MAX) pgi_print_format(out, "%" PRIu64 " s of ", w->seconds);
    pgi_print_text(out, "processor time");
}

static void put_cause(pgi_print *out, const last_words *w)
{
    const bool kernels = w->code > 0;
    if (w->signal == SIGSYS && w->code == SYS_SECCOMP) {
        put_call(out, w);
    } else if (w->signal == SIGXCPU) {
        put_seconds(out, w);
    } else if (w->overflow != 0) {
        pgi_print_text(out, ": stack overflow of ");
        put_process(out, w);
        pgi_print_format(out, " (of %" PRIu64 " KiB)", w->overflow / 1024);
    } else if (kernels && w->code != SI_KERNEL && (w->signal == SIGSEGV || w->signal == SIGBUS)) {
        pgi_print_format(out, " at address 0x%" PRIx64, w->address);
        if (w->pc == w->address) {
            pgi_print_text(out, ", which is no code");
            if (w->frame_count > 1) pgi_print_text(out, ", called from ");
            if (w->frame_count > 1) put_frame(out, w->frames[1], false, true);
            return;
        }
    }
    if (kernels && w->pc != 0 && w->signal != SIGSYS && w->signal != SIGXCPU) {
        pgi_print_text(out, " in ");
        put_frame(out, w->pc, w->signal != SIGTRAP, true);
    }
}

static void put_circumstances(pgi_print *out, const last_words *w)
{
    if (w->pid != 0) {
        pgi_print_text(out, ", while ");
        if (w->overflow != 0) {
            pgi_print_text(out, "it"); /* has been named */
        } else {
            put_process(out, w);
        }
        pgi_print_text(out, w->doing == HANDLED ? " was handling " : w->doing == BEGAN ? " ran its target" : " ran");
        if (w->doing == HANDLED) put_clean(out, w->message[0] ? w->message : "a message", sizeof w->message);
    }
    const uint32_t count = w->frame_count < FRAMES ? w->frame_count : FRAMES;
    for (uint32_t i = 0; i < count && i < FRAMES_TOLD; i++) {
        pgi_print_text(out, i == 0 ? "; backtrace: " : ", ");
        put_frame(out, w->frames[i], i == 0 && w->code > 0, false);
    }
    if (count > FRAMES_TOLD) pgi_print_text(out, ", ...");
}

static void put_death(pgi_print *out, int number, const last_words *w)
{
    pgi_print_text(out, "killed by ");
    put_signal(out, number);
    if (w && w->signal == number) {
        put_cause(out, w);
    } else if (number == SIGXCPU) {
        put_seconds(out, w);
    } else if (number == SIGSYS) { /* the kernel does not ask a handler where the signal is blocked, as in system() */
        pgi_print_text(out, ": a system call is not allowed in its sandbox");
    } else if (number == SIGKILL && w && w->seconds != 0 && w->seconds < INT32_MAX) {
        pgi_print_format(out, "; it was allowed %" PRIu64 " s of processor time", w->seconds);
    } else if (w && w->signal > 0 && w->signal < NSIG) {
        pgi_print_text(out, ", after ");
        put_signal(out, w->signal);
        put_cause(out, w);
    }
}

void pgi_crash_text(const void *words, size_t size, int code, int status, char *text, size_t text_size)
{
    last_words copy;
    const last_words *w = NULL;
    if (words && size >= sizeof copy) {
        memcpy(&copy, words, sizeof copy);
        if (copy.magic == magic) w = &copy;
    }
    pgi_print out;
    pgi_print_init(&out, text, text_size);
    if (code == CLD_EXITED) {
        pgi_print_format(&out, "exited with code %d", status);
    } else {
        put_death(&out, status, w);
    }
    if (w && w->said[0] != '\0') {
        pgi_print_text(&out, ": ");
        put_clean(&out, w->said, sizeof w->said);
    }
    if (w && code != CLD_EXITED && w->signal != 0) put_circumstances(&out, w);
}
