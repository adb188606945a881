/* conformance.h - runs the cases of a conformance test against every kind of process.
 *
 * Each case is a function that gets an attached main process of a fresh runtime.  It is run with the runtime's
 * default kind set to PG_GREEN on one worker and on two, or PG_TEST_WORKERS, to PG_THREAD, and to PG_OS, simulated, and
 * as a guest; afterwards the runtime is stopped, which has to succeed.  What the runtime logs is kept, and can be
 * searched.  Arguments of the program: a part of the names of the cases to be run, and one of green, thread, OS,
 * simulated and guest.
 *
 * A process of kind PG_OS begins with the program's memory as it was when the runtime was started: it sees the_kind,
 * but nothing that the case has written.  So what processes have to know goes to them in arguments and messages.  A
 * case that needs memory shared between processes, since that is its subject, is excepted from PG_OS with the reason.
 * A condition that does not hold in another operating-system process makes the case fail as it does in this one; so
 * does a crash of one.  Likewise a case is excepted from the simulation that needs what there is none of in it; and
 * from the guest, which main drives where it waits for processes of it, when main waits for something else.
 *
 * A wait that should end at once is given PATIENCE: it is only ever used up by a failure. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <paragram.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "away.h"

#define PATIENCE PG_SECONDS(30)

/* ----------------------------------------------------------------------------------------------------- the log */

typedef struct log_book {
    pthread_mutex_t lock;
    size_t length;
    char text[1 << 16];
} log_book;

static log_book the_log = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void log_clear(void)
{
    pthread_mutex_lock(&the_log.lock);
    the_log.length = 0;
    the_log.text[0] = '\0';
    pthread_mutex_unlock(&the_log.lock);
}

static inline void log_line(void *context, pg_log_level level, const char *line)
{
    log_book *book = context;
    pthread_mutex_lock(&book->lock);
    int written = snprintf(book->text + book->length, sizeof book->text - book->length, "%d %s\n", (int)level, line);
    if (written > 0 && book->length + (size_t)written < sizeof book->text) book->length += (size_t)written;
    book->text[book->length] = '\0';
    pthread_mutex_unlock(&book->lock);
}

static inline bool log_has(const char *part)
{
    pthread_mutex_lock(&the_log.lock);
    bool found = strstr(the_log.text, part) != NULL;
    pthread_mutex_unlock(&the_log.lock);
    return found;
}

/* --------------------------------------------------------------------------------------------------- the cases */

typedef struct test_case {
    const char *name;
    void (*run)(pg_process *self);
    const char *shared; /* why it needs memory that processes share; NULL: it does not */
    const char *real;   /* why it cannot be simulated; NULL: it can */
    const char *loose;  /* why it cannot be a guest's; NULL: it can */
} test_case;

#define CASE(function)                        \
    {                                         \
#function, function, NULL, NULL, NULL \
    }
#define CASE_SHARED(function, reason)           \
    {                                           \
#function, function, reason, NULL, NULL \
    }
#define CASE_REAL(function, reason)             \
    {                                           \
#function, function, NULL, reason, NULL \
    }
#define CASE_LOOSE(function, real, reason)      \
    {                                           \
#function, function, NULL, real, reason \
    }

/* What the case runs under. */
static pg_kind the_kind;
static unsigned the_workers;
static uint64_t the_seed; /* not 0: it is simulated */
static bool the_guest;    /* the next to be started is one: main drives it where it waits */

/* As many of something as fits the kind: threads cost more than green processes, and others more than threads; and
 * simulated delays take more of a patience. */
static inline int scaled(int green, int threads)
{
    return the_kind == PG_GREEN && the_seed == 0 ? green : the_kind == PG_OS ? threads / 5 : threads;
}

static inline pg_runtime *start_runtime(void)
{
    int status = 1;
    pg_runtime *rt = pg_start(&(pg_options){.workers = the_workers,
                                            .kind = the_kind,
                                            .log = log_line,
                                            .log_context = &the_log,
                                            .status = &status,
                                            .seed = the_seed,
                                            .guest = the_guest});
    CHECK_EQ(status, PG_OK);
    CHECK(rt != NULL);
    return rt;
}

typedef struct test_run {
    const char *name;
    pg_kind kind;
    unsigned workers;
    uint64_t seed;
    bool guest;
} test_run;

static inline void run_case(const test_case *which, const test_run *run)
{
    const char *excepted = run->kind == PG_OS ? which->shared
                           : run->seed != 0   ? which->real
                           : run->guest       ? which->loose
                                              : NULL;
    if (excepted) {
        printf("%s: %s, excepted: %s\n", which->name, run->name, excepted);
        return;
    }
    the_kind = run->kind;
    the_workers = run->workers;
    the_seed = run->seed;
    the_guest = run->guest;
    printf("%s: %s, %u worker%s\n", which->name, run->name, run->workers, run->workers == 1 ? "" : "s");
    fflush(stdout);
    log_clear();
    pg_runtime *rt = start_runtime();
    the_guest = false; /* another one is none: main would not drive it while it drives this one */
    pg_process *self = pg_attach(rt, "main");
    CHECK(self != NULL);
    which->run(self);
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    CHECK_EQ(away_failed(), 0);
    if (log_has("operating-system process ")) CHECK_FAIL("one has crashed:\n%s", the_log.text);
}

static inline int run_cases(const test_case *cases, size_t count, int argc, char **argv)
{
    static const test_run runs[] = {{"green", PG_GREEN, 1, 0, false},     {"green", PG_GREEN, 2, 0, false},
                                    {"thread", PG_THREAD, 1, 0, false},   {"OS", PG_OS, 1, 0, false},
                                    {"simulated", PG_GREEN, 1, 1, false}, {"simulated", PG_GREEN, 1, 2, false},
                                    {"guest", PG_GREEN, 1, 0, true}};
    away_begin();
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && !strstr(cases[i].name, argv[1])) continue;
        for (size_t j = 0; j < sizeof runs / sizeof runs[0]; j++) {
            if (argc > 2 && strcmp(argv[2], runs[j].name) != 0) continue;
            test_run run = runs[j];
            if (run.workers > 1) run.workers = check_workers(run.workers);
            run_case(&cases[i], &run);
        }
    }
    return 0;
}

#define RUN_CASES(cases) run_cases(cases, sizeof(cases) / sizeof(cases)[0], argc, argv)

/* ------------------------------------------------------------------------------------------------------ helpers */

/* The next message of `self`, which has to come. */
static inline const pg_message *next_of(pg_process *self)
{
    const pg_message *msg = NULL;
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    CHECK(msg != NULL);
    return msg;
}

/* The next message has to be one int, which is returned. */
static inline int64_t next_int(pg_process *self)
{
    const pg_message *msg = next_of(self);
    if (pg_count(msg) != 1 || pg_term_type(pg_get(NULL, msg, 0)) != PG_T_INT) {
        char text[300];
        pg_format_message(text, sizeof text, msg);
        CHECK_FAIL("expected one int, but got %s", text);
    }
    return pg_get_int(NULL, msg, 0);
}

/* The next message has to look like `expected`. */
static inline void expect_at(pg_process *self, const char *expected, const char *file, int line)
{
    char text[600];
    const pg_message *msg = NULL;
    int status = pg_recv(self, &msg, PATIENCE);
    if (status == PG_OK) pg_format_message(text, sizeof text, msg);
    if (status == PG_OK && strcmp(text, expected) == 0) return;
    CHECK_FAIL("at %s:%d expected %s, but got %s", file, line, expected, status == PG_OK ? text : pg_strerror(status));
}

#define EXPECT(self, text) expect_at(self, text, __FILE__, __LINE__)

static inline void expect_nothing(pg_process *self)
{
    const pg_message *msg = NULL;
    int status = pg_recv(self, &msg, 0);
    char text[300] = "";
    if (status == PG_OK) pg_format_message(text, sizeof text, msg);
    CHECK_STR(text, "");
    CHECK_EQ(status, PG_ETIMEDOUT);
}

/* Waits for the end of a process and says how it ended. */
static inline pg_exit_info end_of(pg_pid pid)
{
    pg_exit_info why = {.kind = PG_EXIT_UNKNOWN};
    CHECK_EQ(pg_wait(pid, PATIENCE, &why), PG_OK);
    CHECK(pg_same(why.pid, pid));
    CHECK(!pg_is_alive(pid));
    return why;
}

static inline pg_pid good(pg_pid pid)
{
    CHECK_EQ(pg_pid_status(pid), PG_OK);
    return pid;
}

static inline bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The pid that a process was given as its first argument. */
static inline pg_pid first_arg(pg_process *self)
{
    return pg_get_pid(self, pg_args(self), 0);
}

#endif
