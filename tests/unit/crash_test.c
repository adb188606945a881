/* crash_test.c - the last words of a child that a signal kills: who faults where, what it was doing, in one line of
 * text; faults while the words are written; words that are garbage; and that the death itself stays what it was.
 *
 * Each death happens in a child of its own, which shares its words with this program, as the hub's children do. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "paragram.h"
#include "runtime/message.h"
#include "runtime/process.h"
#include "sched/base.h"
#include "words.h"

#define DEATH __attribute__((noinline, no_sanitize("undefined", "address", "thread")))

static void dies_of(void (*life)(void), int number)
{
    siginfo_t info = end_of_life(NULL, life);
    if (info.si_code == CLD_EXITED || info.si_status != number) {
        CHECK_FAIL("code %d, status %d: %s", info.si_code, info.si_status, text);
    }
}

static void says(const char *part)
{
    if (!strstr(text, part)) CHECK_FAIL("\"%s\" does not say \"%s\"", text, part);
}

static void says_not(const char *part)
{
    if (strstr(text, part)) CHECK_FAIL("\"%s\" says \"%s\"", text, part);
}

static void begins_with(const char *part)
{
    if (strncmp(text, part, strlen(part)) != 0) CHECK_FAIL("\"%s\" does not begin with \"%s\"", text, part);
}

/* ---------------------------------------------------------------------------------------------- without a runtime */

static void *volatile nowhere;
static volatile int zero;

static DEATH int read_null(void)
{
    return *(volatile int *)nowhere + 1;
}

static void null_pointer(void)
{
    zero = read_null();
}

static DEATH void divide(void)
{
    zero = 7 / zero;
}

static DEATH void jump_away(void)
{
    void (*volatile away)(void) = (void (*)(void))(uintptr_t)0x12340;
    away();
    zero = 1;
}

static DEATH void bad_instruction(void)
{
    __builtin_trap();
}

static DEATH void breakpoint(void)
{
#if defined(__x86_64__)
    __asm__ volatile("int3");
#else
    raise(SIGTRAP);
#endif
}

static void aborting(void)
{
    abort();
}

static void panicking(void)
{
    pgs_assert(zero == 17);
}

static void sent(void)
{
    kill(getpid(), SIGSEGV);
    for (;;) pause();
}

static void killed(void)
{
    kill(getpid(), SIGKILL);
}

static void exiting(void)
{
    _exit(7);
}

static void exiting_with_a_reason(void)
{
    pgi_crash_say("no room\x1b[31m at\nall");
    pgi_crash_say("ignored");
    _exit(3);
}

static void spinning(void)
{
    const struct rlimit limit = {1, 2};
    setrlimit(RLIMIT_CPU, &limit);
    pgi_crash_limit(1);
    for (;;) zero = 0;
}

/* A child of the child, whose death is none of ours. */
static void forking(void)
{
    if (fork() == 0) null_pointer();
    int status;
    wait(&status);
    _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 5 : 6);
}

static void *fault_at_once(void *barrier)
{
    pgi_crash_thread_begin(true);
    pthread_barrier_wait(barrier);
    null_pointer();
    return NULL;
}

static void two_at_once(void)
{
    pthread_barrier_t barrier;
    pthread_t threads[4];
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, fault_at_once, &barrier);
    for (;;) pause();
}

static void test_plain(void)
{
    dies_of(null_pointer, SIGSEGV);
    begins_with("killed by signal 11 (Segmentation fault) at address 0x0 in read_null+0x");
    says(" (unit.crash)");
    says("; backtrace: read_null+0x");
    says(", null_pointer+0x");
    says(", end_of_life+0x");
    says_not("process");
    dies_of(two_at_once, SIGSEGV);
    begins_with("killed by signal 11 (Segmentation fault) at address 0x0 in read_null+0x");
    dies_of(jump_away, SIGSEGV);
    begins_with(
        "killed by signal 11 (Segmentation fault) at address 0x12340, which is no code, called from jump_away+0x");
    says("; backtrace: 0x12340, jump_away+0x");
    says(", end_of_life+0x");
#if defined(__x86_64__)
    dies_of(divide, SIGFPE);
    begins_with("killed by signal 8 (Floating point exception) in divide+0x");
    dies_of(bad_instruction, SIGILL);
    begins_with("killed by signal 4 (Illegal instruction) in bad_instruction+0x");
    dies_of(breakpoint, SIGTRAP);
    begins_with("killed by signal 5 (Trace/breakpoint trap) in breakpoint+0x");
#endif
    dies_of(aborting, SIGABRT);
    begins_with("killed by signal 6 (Aborted); backtrace: ");
    says("abort+0x");
    says(", aborting+0x");
}

static void test_others(void)
{
    dies_of(panicking, SIGABRT);
    begins_with("killed by signal 6 (Aborted): paragram: ");
    says("crash_test.c");
    says("assertion failed: zero == 17");
    dies_of(sent, SIGSEGV);
    begins_with("killed by signal 11 (Segmentation fault); backtrace: ");
    dies_of(killed, SIGKILL);
    CHECK_STR(text, "killed by signal 9 (Killed)");
    if (!DEFERS_SIGNALS) {
        dies_of(spinning, SIGXCPU);
        begins_with("killed by signal 24 (CPU time limit exceeded): it has used up its 1 s of processor time");
        says("spinning+0x");
    }
    CHECK_EQ(end_of_life(NULL, exiting).si_status, 7);
    CHECK_STR(text, "exited with code 7");
    end_of_life(NULL, exiting_with_a_reason);
    CHECK_STR(text, "exited with code 3: no room\\x1b[31m at\\nall");
    end_of_life(NULL, forking);
    CHECK_STR(text, "exited with code 5");
}

/* ------------------------------------------------------------------------------------------------- with a runtime */

static pg_kind the_kind;

static void fault(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    null_pointer();
}

static DEATH int recurse(volatile int depth)
{
    volatile char frame[256];
    frame[depth % 256] = (char)depth;
    int deeper = depth < 1 << 28 ? recurse(depth + 1) : 0;
    return deeper + frame[0];
}

static void dive(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    zero = recurse(1);
}

static void panic(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    panicking();
}

/* What is left of a message after somebody has written over it. */
static void fault_with_garbage(pg_process *self, const pg_message *msg)
{
    pg_term *terms = (pg_term *)(uintptr_t)pgi_message_terms(msg);
    terms[1].head = PG_T_TUPLE | 1000 << 8;
    terms[1].body = UINT64_C(0x7fffffffffffffff);
    (void)self;
    null_pointer();
}

/* A tuple that is its own two elements: printed to its full depth it would be of 2^64 parts. */
static void fault_with_knot(pg_process *self, const pg_message *msg)
{
    pg_term *terms = (pg_term *)(uintptr_t)pgi_message_terms(msg);
    terms[1].head = terms[2].head = PG_T_TUPLE | 2 << 8;
    terms[1].body = 0;
    terms[2].body = (uint64_t) - (int64_t)sizeof terms[0];
    (void)self;
    null_pointer();
}

/* A process whose name points nowhere. */
static void fault_without_name(pg_process *self, const pg_message *msg)
{
    (void)msg;
    self->name = (char *)(uintptr_t)0x30;
    null_pointer();
}

static void parser(pg_process *self)
{
    pg_receive(self, fault, "parse", PG_ETC);
    pg_receive(self, dive, "dive");
    pg_receive(self, panic, "panic");
    pg_receive(self, fault_with_garbage, "garbage", PG_ETC);
    pg_receive(self, fault_with_knot, "knot", PG_ETC);
    pg_receive(self, fault_without_name, "nameless");
}

static void in_target(pg_process *self)
{
    (void)self;
    null_pointer();
}

static void begin_thread(pg_process *self)
{
    pgi_crash_thread_begin(true);
    parser(self);
}

/* The runtime's threads are made ready for the handler by report_overflow, which the child's own runtime does by
 * itself; its handler chains to ours. */
static pg_pid start_parser(pg_target target)
{
    pg_runtime *rt = pg_start(&(pg_options){.workers = 2, .max_processes = 1000, .report_overflow = true});
    CHECK(rt);
    CHECK(freopen("/dev/null", "w", stderr));
    pg_process *self = pg_attach(rt, "main");
    return pg_spawn(self, target, .name = "the parser", .kind = the_kind);
}

static void wait_long(pg_pid pid)
{
    pg_wait(pid, PG_SECONDS(20), NULL);
    _exit(98);
}

static void parsing(void)
{
    pg_pid pid = start_parser(parser);
    pg_send(pid, "parse", 1, 2.5, "a \"text\"");
    wait_long(pid);
}

static void parsing_much(void)
{
    static char many[5000];
    memset(many, 'x', sizeof many - 1);
    pg_pid pid = start_parser(parser);
    pg_send(pid, "parse", (const char *)many);
    wait_long(pid);
}

static void diving(void)
{
    pg_pid pid = start_parser(parser);
    pg_send(pid, "dive");
    wait_long(pid);
}

static void panicking_process(void)
{
    pg_pid pid = start_parser(begin_thread);
    pg_send(pid, "panic");
    wait_long(pid);
}

static void garbage(void)
{
    pg_pid pid = start_parser(parser);
    pg_send(pid, "garbage", pg_tuple(1, 2));
    wait_long(pid);
}

static void knot(void)
{
    pg_pid pid = start_parser(parser);
    pg_send(pid, "knot", 1, 2);
    wait_long(pid);
}

static void nameless(void)
{
    pg_pid pid = start_parser(parser);
    pg_send(pid, "nameless");
    wait_long(pid);
}

static void beginning(void)
{
    wait_long(start_parser(in_target));
}

static void test_processes(pg_kind kind)
{
    the_kind = kind;
    dies_of(parsing, SIGSEGV);
    begins_with("killed by signal 11 (Segmentation fault) at address 0x0 in read_null+0x");
    says(", while process <pid ");
    says("> \"the parser\" was handling (\"parse\", 1, 2.5, \"a \\\"text\\\"\"); backtrace: read_null+0x");
    says(", fault+0x");
    dies_of(parsing_much, SIGSEGV);
    says("> \"the parser\" was handling (\"parse\", \"xxxx");
    says("xxxx...; backtrace: ");
    dies_of(beginning, SIGSEGV);
    says("> \"the parser\" ran its target; backtrace: ");
    dies_of(diving, SIGSEGV);
    begins_with("killed by signal 11 (Segmentation fault): stack overflow of process <pid ");
    says("> \"the parser\" (of ");
    says(" KiB) in recurse+0x");
    says(", while it was handling (\"dive\")");
    says("recurse+0x");
    dies_of(garbage, SIGSEGV);
    begins_with("killed by signal 11 (Segmentation fault) at address 0x0 in read_null+0x");
    says("> \"the parser\" was handling (\"garbage\", (");
    says("; backtrace: read_null+0x");
    dies_of(knot, SIGSEGV);
    says("> \"the parser\" was handling (\"knot\", ((((((((((((");
    says("; backtrace: read_null+0x");
    dies_of(nameless, SIGSEGV);
    begins_with("killed by signal 11 (Segmentation fault) at address 0x0 in read_null+0x");
    says(", while process <pid ");
    says("> was handling (\"nameless\"); backtrace: read_null+0x");
    dies_of(panicking_process, SIGABRT);
    says("(Aborted): paragram: ");
    says("\"the parser\" was handling (\"panic\")");
}

/* --------------------------------------------------------------------------------------------------- hostile words */

static void check_text(int code, int status, size_t size)
{
    memset(text, 'Z', sizeof text);
    pgi_crash_text(words, PGI_CRASH_SIZE, code, status, text, size);
    if (size == 0) return;
    size_t length = strnlen(text, size);
    CHECK(length < size);
    CHECK(size == sizeof text || text[size] == 'Z');
    for (size_t i = 0; i < length; i++) CHECK((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void check_texts(int number)
{
    check_text(CLD_KILLED, number, sizeof text);
    begins_with("killed by signal ");
    check_text(CLD_EXITED, number, sizeof text);
    check_text(CLD_DUMPED, number, 40);
    check_text(CLD_DUMPED, number, 1);
    check_text(CLD_DUMPED, number, 0);
    check_text(CLD_DUMPED, 9, sizeof text);
}

/* Words as a child left them, then random bytes over each field, or over all but the magic and the signal. */
static void test_hostile(void)
{
    static unsigned char honest[PGI_CRASH_SIZE];
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGSYS, SIGTRAP, SIGXCPU};
    uint64_t seed = check_seed();
    end_of_life(NULL, null_pointer);
    memcpy(honest, words, sizeof honest);
    const int rounds = SANITIZED ? 200 : 1000;
    for (int i = 0; i < rounds; i++) {
        size_t from = (size_t)(check_random(&seed) % (i % 4 == 0 ? PGI_CRASH_SIZE : 600));
        size_t length = (size_t)(check_random(&seed) % (i % 4 == 0 ? PGI_CRASH_SIZE : 24));
        if (i % 5 == 0) from = 12, length = PGI_CRASH_SIZE;
        memcpy(words, honest, sizeof honest);
        for (size_t k = from; k < from + length && k < PGI_CRASH_SIZE; k++)
            words[k] = (unsigned char)check_random(&seed);
        int number = numbers[i % 7];
        if (i % 5 == 0) memcpy(words + 8, &number, sizeof number);
        check_texts(number);
    }
    memset(words, 0xff, PGI_CRASH_SIZE);
    check_texts(SIGSEGV);
    CHECK_STR(text, "killed by signal 9 (Killed)");
    pgi_crash_text(NULL, 0, CLD_KILLED, SIGSEGV, text, sizeof text);
    CHECK_STR(text, "killed by signal 11 (Segmentation fault)");
    pgi_crash_text(words, 100, CLD_KILLED, 1000, text, sizeof text);
    CHECK_STR(text, "killed by signal 1000");
    pgi_crash_text(NULL, 0, CLD_KILLED, SIGXCPU, text, sizeof text);
    CHECK_STR(text, "killed by signal 24 (CPU time limit exceeded): it has used up its processor time");
}

int main(void)
{
    test_hostile();
    test_others();
    test_plain();
    if (SANITIZED) return 0;
    test_processes(PG_GREEN);
    test_processes(PG_THREAD);
    return 0;
}
