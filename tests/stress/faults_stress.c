/* faults_stress.c - everything that may fail does so once: each allocation, mapping, thread, descriptor and fork.
 *
 * A chapter uses a part of the interface.  It is run to count the calls by which it could be failed, its points; then
 * once for each point, in an operating-system process of its own, with that one failing.  What fails comes back as an
 * error, and the same call must succeed when it is made again; the chapter has to reach its end; a second round in the
 * same runtime, with nothing failing, has to go as ever; and when the runtime has stopped, nothing may be left that a
 * run without a failure does not leave: memory, mappings, descriptors, threads, processes.  AddressSanitizer looks for
 * leaks as well.
 *
 * An operating-system process may end by a failure: what cannot be had at its start is its end, and so is what it must
 * be told and cannot be.  Then its exit comes, and another one takes its place.  A message that arrives in one and
 * finds no memory is dropped: who waits for the answer asks again.
 *
 * PG_TEST_STRIDE=N: every Nth point is taken, 1 for all, the first of them drawn by the seed; left out, what CI has
 * time for: all that need no operating-system process, a quarter of the others, and fewer under sanitizers.
 * PG_TEST_CHAPTER: this one alone; PG_TEST_POINT: this point alone; PG_TEST_VERBOSE: each point is shown. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <paragram.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "faults.h"
#include "proc.h"
#include "runtime/memory.h"

#define PATIENCE PG_SECONDS(20)

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifndef TSAN
#define TSAN 0
#endif

enum { LIFE_SECONDS = 40, BLOCKED = 20, LONG = 3000 };

/* What a life says of itself, in memory shared with it. */
static struct report {
    atomic_uint failed; /* conditions, in any process */
    uint64_t points[FAULT_KINDS];
    faults_balance held;
    int fds;
} * report;

/* In another operating-system process a failing condition would be one more end of it. */
#undef CHECK_END
#define CHECK_END()                           \
    do {                                      \
        atomic_fetch_add(&report->failed, 1); \
        _exit(1);                             \
    } while (0)

/* --------------------------------------------------------------------------------------------- one call fails, once */

static FILE *null_file;
static bool far; /* the chapter has operating-system processes */

/* Whether a call may be made again: it has failed as it may, and something was made to fail. */
static bool excused(int status, const char *call, int line)
{
    if (status == PG_OK) return false;
    const char *injected = faults_injected();
    bool known = status == PG_ENOMEM || (far && status == PG_ESTOPPED); /* the zygote has closed its connection */
    if (injected && strcmp(injected, "fcntl") == 0) known = known || status == PG_EINVAL;         /* a buffer's seals */
    if (injected && strcmp(injected, "syscall") == 0) known = known || status == PG_EUNSUPPORTED; /* seccomp */
    if (!injected || !known) CHECK_FAIL("line %d: %s: %s", line, call, pg_strerror(status));
    return true;
}

#define SURE(call)                                                                  \
    do {                                                                            \
        int sure_ = (call);                                                         \
        if (excused(sure_, #call, __LINE__)) sure_ = (call);                        \
        if (sure_ != PG_OK) CHECK_FAIL("%s: %s, again", #call, pg_strerror(sure_)); \
    } while (0)

/* The same for what gives a pointer. */
#define SURE_POINTER(variable, call)                                               \
    do {                                                                           \
        (variable) = (call);                                                       \
        if (!(variable)) {                                                         \
            if (!faults_injected()) CHECK_FAIL("%s: NULL without a fault", #call); \
            (variable) = (call);                                                   \
        }                                                                          \
        CHECK(variable);                                                           \
    } while (0)

static pg_pid spawn(pg_process *self, pg_target target, bool linked, pg_spawn_options options)
{
    pg_pid (*spawn_it)(pg_process *, pg_target, const pg_spawn_options *) = linked ? pg_spawn_link_with : pg_spawn_with;
    pg_pid pid = spawn_it(self, target, &options);
    if (excused(pg_pid_status(pid), "spawn", __LINE__)) pid = spawn_it(self, target, &options);
    CHECK_EQ(pg_pid_status(pid), PG_OK);
    return pid;
}

/* Receives what has to come; false: it did not within `timeout`. */
static bool receive(pg_process *self, const pg_message **msg, int64_t timeout, size_t count, const pg_value *pattern)
{
    int status = pg_recv_match_values(self, msg, timeout, count, pattern);
    if (status != PG_ETIMEDOUT && excused(status, "pg_recv_match", __LINE__))
        status = pg_recv_match_values(self, msg, timeout, count, pattern);
    if (status == PG_ETIMEDOUT) return false;
    CHECK_EQ(status, PG_OK);
    return true;
}

#define RECEIVE(self, msg, timeout, ...) receive(self, msg, timeout, PG_VALUES(__VA_ARGS__))

/* The exit of a linked one. */
static pg_exit_info exit_of(pg_process *self, pg_pid pid)
{
    const pg_message *msg;
    pg_exit_info why;
    CHECK(RECEIVE(self, &msg, PATIENCE, PG_EXIT, pid));
    pg_get_exit(self, msg, 0, &why);
    return why;
}

static pg_exit_info end_of(pg_pid pid)
{
    pg_exit_info why = {.kind = PG_EXIT_UNKNOWN};
    SURE(pg_wait(pid, PATIENCE, &why));
    return why;
}

/* Asks for a number and waits for the answer; false: who was asked has been lost by the failure. */
static bool ask(pg_process *self, pg_pid who, const char *what, int64_t number, int64_t *answer)
{
    const pg_message *msg;
    for (int64_t since = check_now_ns(), sent = 0; check_now_ns() - since < PATIENCE;) {
        pg_ref ref = pg_make_ref();
        int status = pg_send(who, what, self, ref, number);
        if (far && status == PG_ENOPROC) return false;
        if (excused(status, "a question", __LINE__)) continue;
        sent = check_now_ns();
        while (check_now_ns() - sent < (far ? PG_MS(SANITIZED ? 2000 : 400) : PATIENCE)) {
            if (RECEIVE(self, &msg, PG_MS(20), "answer", ref, PG_INT)) {
                *answer = pg_get_int(self, msg, 2);
                return true;
            }
            if (far && RECEIVE(self, &msg, 0, PG_EXIT, who)) return false;
        }
        CHECK(far && faults_injected()); /* the question, or the answer, was dropped */
    }
    CHECK_FAIL("\"%s\" is not answered", what);
}

static void ignore(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

#include "faults_services.h"

/* ------------------------------------------------------------------------------------------------ who does the work */

static void answer(pg_process *self, const pg_message *msg, int64_t number)
{
    SURE(pg_send(pg_get_pid(self, msg, 1), "answer", pg_get_ref(self, msg, 2), number));
}

static void on_add(pg_process *self, const pg_message *msg)
{
    answer(self, msg, pg_get_int(self, msg, 3) + 1);
}

/* Blocks in a handler, beneath which it receives. */
static void on_slow(pg_process *self, const pg_message *msg)
{
    const pg_message *none;
    const pg_message *mine;
    SURE_POINTER(mine, pg_keep(self, msg));
    CHECK_EQ(pg_sleep(self, PG_MS(1)), PG_OK);
    SURE(pg_yield(self));
    CHECK(!RECEIVE(self, &none, PG_MS(1), "never", PG_TUPLE, PG_ETC));
    answer(self, mine, pg_get_int(self, mine, 3) + 2);
    pg_release(mine);
}

/* Keeps a message until it is asked for its length. */
static void on_store(pg_process *self, const pg_message *msg)
{
    const pg_message *kept;
    pg_release(pg_data(self));
    SURE_POINTER(kept, pg_keep(self, msg));
    pg_set_data(self, (void *)(uintptr_t)kept);
}

static int64_t length_of(const pg_message *msg)
{
    if (!msg) return 0;
    const pg_term *term = pg_get(NULL, msg, 1);
    if (pg_term_type(term) == PG_T_BUFFER) {
        size_t size;
        const char *data = pg_get_buffer(NULL, msg, 1, &size);
        return data ? (int64_t)strnlen(data, size) : -1;
    }
    return (int64_t)strlen(pg_term_str(NULL, pg_term_at(NULL, term, 0), NULL));
}

static void on_length(pg_process *self, const pg_message *msg)
{
    int64_t length = length_of(pg_data(self));
    if (length < 0) length = length_of(pg_data(self)); /* it could not be mapped */
    answer(self, msg, length);
}

static void on_child(pg_process *self, const pg_message *msg);

static void on_fail(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_fail_with(self, pg_tuple("an error that is longer than a value", pg_list(1, 2.5, pg_self(self))));
}

static void on_crash(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    raise(SIGKILL);
}

static bool is_even(const pg_term *term)
{
    return pg_term_int(NULL, term) % 2 == 0;
}

static void define(pg_table *table)
{
    pg_on(table, on_add, "add", PG_PID, PG_REF, PG_WHERE(is_even));
    pg_on(table, on_add, "add", PG_PID, PG_REF, PG_INT);
    pg_on(table, on_slow, "slow", PG_PID, PG_REF, PG_INT);
    pg_on(table, on_child, "child", PG_PID, PG_REF, PG_INT);
    pg_on(table, on_length, "length", PG_PID, PG_REF, PG_INT);
    pg_on(table, on_store, "store", pg_tuple(PG_STR, PG_LIST, pg_dict("key", PG_STR)));
}

static pg_table table = PG_TABLE(define);

static void drop_kept(void *self)
{
    pg_release(pg_data(self));
}

/* Has its receivers from the table, and more of its own. */
static void works(pg_process *self)
{
    SURE(pg_defer(self, drop_kept, self));
    SURE(pg_defer(self, drop_kept, NULL));
    CHECK_EQ(pg_undefer(self, drop_kept, NULL), PG_OK);
    SURE(pg_receive(self, on_store, "store", PG_BUFFER));
    SURE(pg_receive(self, on_fail, "fail"));
    SURE(pg_receive(self, on_crash, "crash", PG_ETC));
    CHECK(strlen(pg_get_str(self, pg_args(self), 1)) > PG_INLINE_MAX);
}

static pg_pid spawn_worker(pg_process *self, pg_kind kind, bool linked, pg_sandbox sandbox)
{
    return spawn(self, works, linked,
                 (pg_spawn_options){.name = "worker",
                                    .args = pg_tuple(1, "longer than what a value holds"),
                                    .kind = kind,
                                    .table = &table,
                                    .sandbox = sandbox});
}

/* Spawns one of another kind, links with it, and asks it. */
static void on_child(pg_process *self, const pg_message *msg)
{
    const pg_message *mine;
    int64_t number = -1;
    SURE_POINTER(mine, pg_keep(self, msg));
    pg_kind kind = (pg_kind)pg_get_int(self, mine, 3);
    SURE(pg_receive(self, on_add, PG_EXIT, PG_PID));
    pg_pid child = spawn_worker(self, kind, true, PG_SANDBOX_NONE);
    bool lost = !ask(self, child, "add", 1, &number);
    if (!lost) {
        SURE(pg_terminate(child));
        exit_of(self, child);
    }
    answer(self, mine, number);
    pg_release(mine);
}

/* ----------------------------------------------------------------------------------------------------- the chapters */

static void blocks(pg_process *self)
{
    const pg_message *msg;
    CHECK(RECEIVE(self, &msg, PATIENCE, "go", PG_PID));
    SURE(pg_send(pg_get_pid(self, msg, 1), "gone", 1));
}

/* Many stacks at once. */
static void crowd(pg_process *self, pg_kind kind, int many)
{
    static pg_pid pids[BLOCKED];
    const pg_message *msg;
    for (int i = 0; i < many; i++) pids[i] = spawn(self, blocks, false, (pg_spawn_options){.kind = kind});
    CHECK_EQ(pg_sleep(self, PG_MS(1)), PG_OK);
    for (int i = 0; i < many; i++) SURE(pg_send(pids[i], "go", self));
    for (int i = 0; i < many; i++) CHECK(RECEIVE(self, &msg, PATIENCE, "gone", PG_INT));
}

/* Numbers, long messages, and messages out of order. */
static bool talk(pg_process *self, pg_pid worker)
{
    char text[LONG + 1];
    const pg_message *msg;
    int64_t number;
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    for (int i = 1; i <= 2; i++) {
        if (!ask(self, worker, "add", i, &number)) return false;
        CHECK_EQ(number, i + 1);
    }
    int status = PG_OK;
    for (number = 0; number != LONG;) {
        status = pg_send(worker, "store", pg_tuple(text, pg_list(1, 2, 3), pg_dict("key", "value", "and", 2)));
        if (far && status == PG_ENOPROC) return false;
        excused(status, "a long message", __LINE__);
        if (!ask(self, worker, "length", 0, &number)) return false;
        CHECK(number == LONG || faults_injected());
    }
    if (!ask(self, worker, "slow", 5, &number)) return false;
    CHECK_EQ(number, 7);
    SURE(pg_send(pg_self(self), "second", 2));
    SURE(pg_send(pg_self(self), "first", 1));
    CHECK(!RECEIVE(self, &msg, PG_MS(1), "third", PG_ETC));
    CHECK(RECEIVE(self, &msg, PATIENCE, "first", PG_INT));
    CHECK(RECEIVE(self, &msg, PATIENCE, "second", PG_INT));
    return true;
}

/* Links, ends and what is told of them, by processes of the program's own. */
static void ends(pg_process *self, pg_kind kind)
{
    pg_exit_info why;
    const pg_message *msg;
    pg_pid failing = spawn_worker(self, kind, true, PG_SANDBOX_NONE);
    SURE(pg_send(failing, "fail"));
    CHECK_EQ(exit_of(self, failing).kind, PG_EXIT_FAILED);
    CHECK_EQ(end_of(failing).kind, PG_EXIT_FAILED);
    SURE(pg_why(failing, &why));

    pg_pid told = spawn_worker(self, kind, false, PG_SANDBOX_NONE);
    SURE(pg_link(self, told));
    SURE(pg_terminate_with(told, "an error that is longer than a value"));
    CHECK_EQ(exit_of(self, told).kind, PG_EXIT_FAILED);

    pg_pid unhandled = spawn_worker(self, kind, true, PG_SANDBOX_NONE);
    SURE(pg_unlink(self, unhandled));
    SURE(pg_send(unhandled, "nobody handles this", 1));
    CHECK_EQ(end_of(unhandled).kind, PG_EXIT_UNHANDLED_MESSAGE);
    CHECK(!RECEIVE(self, &msg, 0, PG_EXIT, unhandled));
}

static void everyday(pg_process *self, pg_kind kind)
{
    pg_stats stats;
    pg_pid worker = spawn_worker(self, kind, true, PG_SANDBOX_NONE);
    CHECK(talk(self, worker));
    int64_t number;
    CHECK(ask(self, worker, "child", kind == PG_GREEN ? PG_THREAD : PG_GREEN, &number));
    CHECK_EQ(number, 2);
    SURE(pg_graph(pg_runtime_of(self), null_file));
    CHECK_EQ(pg_get_stats(pg_runtime_of(self), &stats), PG_OK);
    ends(self, kind);
    crowd(self, kind, kind == PG_GREEN ? BLOCKED : 3);
    SURE(pg_terminate(worker));
    CHECK_EQ(exit_of(self, worker).kind, PG_EXIT_NORMAL);
}

static void green(pg_process *self)
{
    everyday(self, PG_GREEN);
}

static void thread(pg_process *self)
{
    everyday(self, PG_THREAD);
}

static bool send_buffer(pg_process *self, pg_pid worker, size_t size)
{
    pg_buffer *buffer;
    SURE_POINTER(buffer, pg_buffer_new(size));
    char *data;
    SURE_POINTER(data, pg_buffer_data(buffer));
    memset(data, 'y', size - 1);
    SURE(pg_buffer_seal(buffer));
    int64_t number;
    bool lived = true;
    do {
        int status = pg_send(worker, "store", buffer);
        lived = !(far && status == PG_ENOPROC);
        if (lived) excused(status, "a buffer", __LINE__);
        lived = lived && ask(self, worker, "length", 0, &number);
        CHECK(!lived || number == (int64_t)size - 1 || faults_injected());
    } while (lived && number != (int64_t)size - 1);
    pg_buffer_release(buffer);
    return lived;
}

static void buffers(pg_process *self)
{
    pg_pid worker = spawn_worker(self, PG_GREEN, true, PG_SANDBOX_NONE);
    CHECK(send_buffer(self, worker, 100));
    CHECK(send_buffer(self, worker, 100000));
    SURE(pg_terminate(worker));
    exit_of(self, worker);
}

/* The life of one operating-system process; false: it ended by the failure. */
static bool os_life(pg_process *self, pg_sandbox sandbox)
{
    int64_t number;
    pg_pid worker = spawn_worker(self, PG_OS, true, sandbox);
    if (!talk(self, worker) || !send_buffer(self, worker, 10000)) return false;
    if (sandbox == PG_SANDBOX_COMPUTE) {
        SURE(pg_send(worker, "crash", 1));
        CHECK_EQ(exit_of(self, worker).kind, PG_EXIT_CRASHED);
        return true;
    }
    if (!ask(self, worker, "child", PG_GREEN, &number)) return false;
    CHECK(number == 2 || faults_injected());
    if (!ask(self, worker, "child", PG_OS, &number)) return false;
    CHECK(number == 2 || faults_injected());
    int status = pg_graph(pg_runtime_of(self), null_file);
    excused(status, "pg_graph", __LINE__);
    status = pg_terminate(worker);
    if (status == PG_ENOPROC) return false;
    if (excused(status, "pg_terminate", __LINE__)) SURE(pg_terminate(worker));
    pg_exit_info why = exit_of(self, worker);
    CHECK(why.kind == PG_EXIT_NORMAL || faults_injected());
    end_of(worker);
    return true;
}

static void os(pg_process *self)
{
    if (!os_life(self, PG_SANDBOX_NO_PRIVILEGES)) CHECK(faults_injected() && os_life(self, PG_SANDBOX_NO_PRIVILEGES));
}

static void sandbox(pg_process *self)
{
    if (!os_life(self, PG_SANDBOX_COMPUTE)) CHECK(faults_injected() && os_life(self, PG_SANDBOX_COMPUTE));
}

/* A thread of the host's: attaches twice, serves, spawns, is linked. */
static void *guest(void *argument)
{
    pg_runtime *rt = argument;
    pg_process *self, *again;
    SURE_POINTER(self, pg_attach(rt, "a guest with a name that is long"));
    SURE_POINTER(again, pg_attach(rt, NULL));
    SURE(pg_receive(self, on_add, "add", PG_PID, PG_REF, PG_INT));
    SURE(pg_receive(self, on_add, PG_EXIT, PG_PID));
    SURE(pg_use(again, &table));
    SURE(pg_send(pg_self(again), "add", self, pg_make_ref(), 1));
    int status = pg_serve(again, PG_MS(1));
    CHECK_EQ(status, PG_ETIMEDOUT);
    const pg_message *msg;
    CHECK(RECEIVE(self, &msg, PATIENCE, "answer", PG_REF, 2));
    pg_spawn_options options = {.name = "spawned", .args = pg_tuple(1, "longer than a value holds"), .table = &table};
    pg_pid pid = pg_spawn_in(rt, works, &options);
    if (excused(pg_pid_status(pid), "pg_spawn_in", __LINE__)) pid = pg_spawn_in(rt, works, &options);
    SURE(pg_link(self, pid));
    SURE(pg_terminate(pid));
    exit_of(self, pid);
    pg_detach(again);
    pg_detach(self);
    return NULL;
}

static void host(pg_process *self)
{
    pthread_t other;
    int error = pthread_create(&other, NULL, guest, pg_runtime_of(self));
    if (error) error = pthread_create(&other, NULL, guest, pg_runtime_of(self));
    CHECK_EQ(error, 0);
    CHECK_EQ(pthread_join(other, NULL), 0);
}

static void nothing(pg_process *self)
{
    everyday(self, PG_GREEN);
    far = true;
    os(self);
    far = false;
}

/* Many at their rest, asleep and waiting when the runtime is stopped. */
static void sleeps(pg_process *self)
{
    pg_sleep(self, PG_SECONDS(1000));
}

static void leave_some(pg_process *self)
{
    spawn_worker(self, PG_GREEN, true, PG_SANDBOX_NONE);
    spawn_worker(self, PG_THREAD, true, PG_SANDBOX_NONE);
    pg_pid away = spawn_worker(self, PG_OS, true, PG_SANDBOX_NONE);
    pg_pid asleep = spawn(self, sleeps, false, (pg_spawn_options){0});
    SURE(pg_send(asleep, "never handled"));
    int64_t number;
    ask(self, away, "add", 1, &number);
}

/* ------------------------------------------------------------------------------ an end that is faster than the news */

static void ends_at_once(pg_process *self)
{
    (void)self;
}

/* Spawns linked ones of kind PG_OS, which have ended before it hears that they have begun. */
static void has_short_lived(pg_process *self)
{
    pg_pid parent = pg_get_pid(self, pg_args(self), 0);
    for (int i = 0; i < 3; i++) {
        pg_pid child = spawn(self, ends_at_once, true, (pg_spawn_options){.kind = PG_OS});
        CHECK_EQ(exit_of(self, child).kind, PG_EXIT_NORMAL);
    }
    SURE(pg_send(parent, "all have ended"));
}

static void short_lived(pg_process *self)
{
    const pg_message *msg;
    faults_delay("memfd_create"); /* what a spawn does last */
    spawn(self, has_short_lived, false, (pg_spawn_options){.kind = PG_OS, .args = pg_tuple(self)});
    CHECK(RECEIVE(self, &msg, PATIENCE, "all have ended"));
    faults_delay(NULL);
}

static const struct chapter {
    const char *name;
    void (*run)(pg_process *self);
    enum { AT_START, IN_ROUND, AT_STOP } when;
    bool caches, far;
} chapters[] = {
    {"start", nothing, AT_START, false, false},
    {"green", green, IN_ROUND, false, false},
    {"caches", green, IN_ROUND, true, false},
    {"thread", thread, IN_ROUND, false, false},
    {"host", host, IN_ROUND, false, false},
    {"buffers", buffers, IN_ROUND, false, false},
    {"os", os, IN_ROUND, false, true},
    {"sandbox", sandbox, IN_ROUND, false, true},
    {"services", services, IN_ROUND, false, false},
    {"far", far_services, IN_ROUND, false, true},
    {"supervisor", supervisor, IN_ROUND, false, false},
    {"stop", leave_some, AT_STOP, false, true},
};

static const struct chapter slow = {"slow", short_lived, IN_ROUND, false, true};

/* ----------------------------------------------------------------------------------------------------------- a life */

static void quiet(void *context, pg_log_level level, const char *line)
{
    (void)context;
    if (getenv("PG_TEST_VERBOSE")) printf("    log %d: %s\n", (int)level, line);
}

static pg_process *begin(pg_runtime **out)
{
    int status = PG_OK;
    pg_options options = {
        .workers = 2, .max_processes = 10000, .report_overflow = true, .log = quiet, .status = &status};
    pg_runtime *rt = pg_start(&options);
    CHECK_EQ(rt == NULL, status != PG_OK);
    if (excused(status, "pg_start", __LINE__)) rt = pg_start(&options);
    CHECK(rt);
    pg_process *self;
    SURE_POINTER(self, pg_attach(rt, "main"));
    SURE(pg_receive(self, ignore, PG_EXIT, PG_PID)); /* exits stay in the mailbox until they are received */
    *out = rt;
    return self;
}

static void end(pg_runtime *rt, pg_process *self, int64_t timeout)
{
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, timeout), PG_OK);
}

static void expect_threads(int threads)
{
    if (TSAN) return;                                                           /* it has threads of its own */
    for (int64_t since = check_now_ns(); proc_stat(getpid(), 20) != threads;) { /* who was joined may still vanish */
        if (check_now_ns() - since > PG_SECONDS(2)) CHECK_FAIL("%ld threads are left", proc_stat(getpid(), 20));
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

static void live(const struct chapter *chapter, uint64_t nth)
{
    pg_runtime *rt;
    int threads = (int)proc_stat(getpid(), 20);
    if (!chapter->caches) pgi_memory_fail(LONG_MAX); /* every block is an allocation */
    far = chapter->far;
    if (chapter->when == AT_START) faults_arm(nth);
    pg_process *self = begin(&rt);
    if (chapter->when == AT_START) faults_disarm();
    if (chapter->when == IN_ROUND) faults_arm(nth);
    chapter->run(self);
    if (chapter->when == IN_ROUND) {
        faults_disarm();
        chapter->run(self);
    }
    if (chapter->when == AT_STOP) faults_arm(nth);
    end(rt, self, chapter->when == AT_STOP ? PG_MS(SANITIZED ? 400 : 20) : PATIENCE);
    faults_disarm();
    if (chapter->when == AT_STOP) {
        self = begin(&rt);
        everyday(self, PG_GREEN);
        end(rt, self, PATIENCE);
    }
    expect_threads(threads);
    for (int i = 0; i < FAULT_KINDS; i++) report->points[i] = faults_counted((fault_kind)i);
    report->held = faults_held();
    report->fds = proc_count_fds(getpid());
}

/* ------------------------------------------------------------------------------------------------------- the points */

static int failures;

static void show(const struct chapter *chapter, uint64_t nth, double seconds, const char *what)
{
    void *callers[12];
    size_t n = faults_where(callers, 12);
    Dl_info here;
    CHECK(dladdr((void *)(uintptr_t)show, &here));
    const char *injected = faults_injected();
    printf("PG_TEST_CHAPTER=%s PG_TEST_POINT=%" PRIu64 ": %s: %s after %.2f s; addr2line -fpe %s", chapter->name, nth,
           injected ? injected : "nothing fails", what, seconds, here.dli_fname);
    for (size_t i = 2; i < n; i++) printf(" %#tx", (char *)callers[i] - (char *)here.dli_fbase - 1);
    printf("\n");
    fflush(stdout);
}

/* Nobody may be left whom the life has forked, a moment after its end: they become children of this process. */
static bool nobody_is_left(void)
{
    for (int64_t since = check_now_ns(); check_now_ns() - since < PG_SECONDS(3);) {
        if (waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD) return true;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return false;
}

/* One life; whether all was well. */
static bool try_point(const struct chapter *chapter, uint64_t nth, const struct report *usual)
{
    int status = 0;
    int64_t since = check_now_ns();
    memset(report, 0, sizeof *report);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(LIFE_SECONDS);
        live(chapter, nth);
        exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    char what[300] = "";
    if (!nobody_is_left()) snprintf(what, sizeof what, "processes are left");
    if (usual && report->held.blocks > usual->held.blocks)
        snprintf(what, sizeof what, "%" PRId64 " blocks are left instead of %" PRId64, report->held.blocks,
                 usual->held.blocks);
    if (usual && report->held.bytes > usual->held.bytes)
        snprintf(what, sizeof what, "%" PRId64 " bytes are mapped instead of %" PRId64, report->held.bytes,
                 usual->held.bytes);
    if (usual && report->fds > usual->fds)
        snprintf(what, sizeof what, "%d descriptors are open instead of %d", report->fds, usual->fds);
    if (atomic_load(&report->failed) != 0) snprintf(what, sizeof what, "a condition has failed");
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && !what[0])
        snprintf(what, sizeof what, "ended with %d", WEXITSTATUS(status));
    if (WIFSIGNALED(status)) snprintf(what, sizeof what, "ended by signal %d", WTERMSIG(status));
    if (what[0] || getenv("PG_TEST_VERBOSE"))
        show(chapter, nth, (double)(check_now_ns() - since) / 1e9, what[0] ? what : "passed");
    return !what[0];
}

static uint64_t sum(const struct report *of)
{
    uint64_t all = 0;
    for (int i = 0; i < FAULT_KINDS; i++) all += of->points[i];
    return all;
}

/* The numbers of the calls differ a little from run to run: points are tried until three in a row are none. */
static void run_chapter(const struct chapter *chapter, uint64_t first, uint64_t stride, uint64_t only)
{
    int64_t since = check_now_ns();
    uint64_t tried = 0;
    CHECK(try_point(chapter, 0, NULL));
    const struct report usual = *report;
    uint64_t points = sum(&usual);
    CHECK(points > 0);
    for (uint64_t n = only ? only : 1 + first % stride, missed = 0; missed < 3; n += stride) {
        failures += !try_point(chapter, n, &usual);
        if (faults_injected())
            tried++;
        else
            missed++;
        if (only) break;
    }
    printf("%s: %" PRIu64 " points (", chapter->name, points);
    for (int i = 0; i < FAULT_KINDS; i++)
        printf("%s%" PRIu64 " %s", i ? ", " : "", usual.points[i], fault_kind_names[i]);
    printf("), %" PRIu64 " of them failed in %.1f s\n", tried, (double)(check_now_ns() - since) / 1e9);
    fflush(stdout);
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *given = getenv(variable);
    return given ? strtoull(given, NULL, 0) : otherwise;
}

/* What CI has time for. */
static uint64_t stride_of(const struct chapter *chapter)
{
    if (TSAN) return 100;
    return SANITIZED ? 25 : chapter->far ? 4 : 1;
}

int main(void)
{
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    faults_begin();
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    null_file = fopen("/dev/null", "we");
    if (report == MAP_FAILED || !null_file || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return 2;
    uint64_t seed = check_seed();
    const char *chapter = getenv("PG_TEST_CHAPTER");
    CHECK(try_point(&slow, 0, NULL));
    for (size_t i = 0; i < sizeof chapters / sizeof *chapters; i++) {
        if (chapter && strcmp(chapter, chapters[i].name) != 0) continue;
        run_chapter(&chapters[i], check_random(&seed), number_of("PG_TEST_STRIDE", stride_of(&chapters[i])),
                    number_of("PG_TEST_POINT", 0));
    }
    CHECK_EQ(failures, 0);
    return 0;
}
