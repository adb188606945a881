/* paragram.h - Erlang-style processes for C: the whole interface, and its manual.
 *
 * A runtime schedules processes, millions of them, over a few threads.  A process has a mailbox; it handles one message
 * at a time, in order of arrival, with the first of its receivers whose pattern matches; processes are linked so that
 * failure travels.  While a process handles a message nothing else of it runs, so its data need no lock.
 *
 *     #include <paragram.h>
 *     #include <stdio.h>
 *
 *     static void go_away(pg_process *self, const pg_message *msg)
 *     {
 *         (void)msg;
 *         puts("process ending.");
 *         pg_exit(self);
 *     }
 *
 *     static void init_process(pg_process *self)
 *     {
 *         puts("process started!");
 *         pg_receive(self, go_away, "go away");
 *     }
 *
 *     int main(void)
 *     {
 *         pg_runtime *rt = pg_start(NULL);
 *         pg_process *self = pg_attach(rt, "main");
 *         pg_pid proc = pg_spawn_link(self, init_process, .name = "my first process");
 *         pg_send(proc, "go away");
 *         pg_wait(proc, PG_FOREVER, NULL);
 *         return pg_stop(rt, PG_SECONDS(5));
 *     }
 *
 * CONVENTIONS
 *   Errors.   A function that can fail returns PG_OK (0) or a negative pg_status.  A function that gives a pid gives,
 *             when it fails, one that names no process and carries the status: pg_pid_status().  Nothing is set on the
 *             side.
 *   Threads.  A function that takes `pg_process *self` is for the process's own code: its target, its handlers, what
 *             they call; for an attached process, its host thread.  All others may be called from any thread of the
 *             program and from any process, at any time, until pg_stop() of the runtime concerned has returned PG_OK;
 *             those that take a pid, even then.
 *   Time.     Timeouts are int64_t nanoseconds from now: PG_MS(20), PG_SECONDS(5), PG_FOREVER; 0 or less does not wait.
 *   Options.  A structure of zeros is the default.
 *   Macros.   These take C values, and are sugar over a function with _values behind the name, which takes arrays and
 *             is what other languages bind:
 *               pg_send(pid, ...), pg_send_wait, pg_send_after, pg_send_every, pg_broadcast,
 *               pg_receive(self, handler, ...), pg_on, pg_recv_match, pg_call, pg_reply, pg_reply_to
 *             and these with _value: pg_matches(term, pattern), pg_term_lookup; pg_fail_with and pg_terminate_with are
 *             over pg_fail_value and pg_terminate_value; pg_tuple(...), pg_list(...) and pg_dict(key, value, ...), of
 *             which of two equal keys the last counts, over pg_tuple_of, pg_list_of and pg_dict_of;
 *             and these take field initialisers behind the target:
 *               pg_spawn(self, target, .name = "x", ...), pg_spawn_link    pg_spawn_with, pg_spawn_link_with
 *             In C++ the former are templates, and the options of a spawn a structure that is passed by reference:
 *               pg_spawn_options o{}; o.name = "x"; pg_spawn(self, target, o);
 *             What C values become is told in paragram/value.h.
 *   Further:  paragram/call.h: monitors; calls and replies.  paragram/registry.h: names, groups.  paragram/timer.h:
 *             messages sent later.  paragram/limits.h: bounded mailboxes, waiting for room in one.  paragram/io.h:
 *             descriptors.  paragram/supervisor.h: processes that start others again.  paragram/guest.h: in the event
 *             loop of the program.  paragram/signals.h: signals as messages.  paragram.hpp: C++.
 *
 * OPERATING-SYSTEM PROCESSES
 *   A process of kind PG_OS runs in an operating-system process of its own, and is used as any other: sent to, linked,
 *   waited for, terminated, by its pid, from wherever that is known; it may spawn processes of all kinds.  When it
 *   crashes, or exits, that is the end of it and of the processes of other kinds in it, and of nothing else: those
 *   linked get an exit of kind PG_EXIT_CRASHED that says how it died, and where.  What it had sent before still
 *   arrives, but for what another of its threads was about to write.  It begins with the program's memory as it was at
 *   pg_start() or pg_zygote_early(), not as it is now; its arguments and messages are copied.  So local pointers cannot
 *   be sent to it, and targets, handlers and tables have to be from the program or libraries that were loaded by then.
 *   It has the program's stdout and stderr as they were then, an empty stdin, and no other descriptor of the program.
 *   It lives until all processes in it have ended; then stdout and stderr are flushed, and what was registered with
 *   atexit() is not done.  When the program ends, however that happens, all of them are told to end, as by pg_stop(),
 *   and those that have not ended 0.3 s later are killed; pg_stop() kills those that have not ended in time.
 *   Sending to one that has ended may still return PG_OK, until the news has come; the message is dropped then.  So may
 *   unlinking, and linking to a pid that names none, which then brings an exit.  How they ended is remembered longer
 *   than their runtime lives.  More than 256 MB on their way to one are refused with PG_EFULL; between two of them,
 *   they are dropped.  What is within one may only send to the attached and green processes of other runtimes of the
 *   program. pg_start() within one is PG_EUNSUPPORTED; fork() and exec() are its own to use, unless its sandbox
 *   forbids.
 *
 * SIMULATION
 *   A runtime with a .seed in its options shows what can go wrong in a program, and shows it again.  All of it runs on
 *   the thread that has called pg_start(), while that waits in a call: pg_wait(), pg_recv(), pg_serve(), pg_sleep(),
 *   pg_yield(), pg_stop().  Who runs next, who is suspended behind a send or a spawn, or before the next message, who
 *   is late by some milliseconds: all that is drawn from the seed.  One seed is one order, on any machine; another is
 *   another.
 *   Time is the simulation's own.  A step takes a microsecond, and when nobody can run it is the next deadline: an hour
 *   of pg_sleep() takes none.  pg_now() says what time it is.
 *   When nobody can run, no time is waited for, and the thread waits for ever, that is a deadlock: the log says who
 *   receives or waits in the middle of his code, and the call returns as if PG_FOREVER had passed, with PG_ETIMEDOUT.
 *   What is different: .workers counts as 1; PG_THREAD is run as PG_GREEN; PG_OS is PG_EUNSUPPORTED, and so is another
 *   pg_start(), by that thread, before pg_stop().  Other threads do not attach to it (NULL) or stop it
 *   (PG_EUNSUPPORTED), and should not send to it, which no seed decides.  Any send or spawn may suspend, so hold no
 *   mutex across one; and let a loop that looks for something to change wait in between, by pg_yield() say.  Nothing
 *   runs while the thread itself does: what is to be tried out in every order belongs into processes.  A program that
 *   is to be replayed lets no address, no clock and no random number of its own decide what it does. */
#ifndef PARAGRAM_H
#define PARAGRAM_H

#include <stdio.h>

#include "paragram/limits.h"
#include "paragram/value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PG_VALUES_MAX 16 /* values in a message, elements at the top of a pattern */
#define PG_DEPTH_MAX 64  /* levels of nesting in a value or pattern */

#define PG_FOREVER INT64_MAX
#define PG_MS(n) ((int64_t)((n)*INT64_C(1000000))) /* of fractions, too */
#define PG_SECONDS(n) ((int64_t)((n)*INT64_C(1000000000)))

typedef enum pg_status {
    PG_OK = 0,
    PG_ENOPROC = -1,       /* no such process: it has ended, its runtime has stopped, or the pid is null or made up */
    PG_EINVAL = -2,        /* an argument is wrong: NULL, not a value, an odd number of values for a dict, ... */
    PG_ENOMEM = -3,        /* memory, stacks or threads could not be had, or .memory is used up; nothing has changed */
    PG_ETIMEDOUT = -4,     /* the time has passed */
    PG_ETOOMANY = -5,      /* more than PG_VALUES_MAX values, or nested deeper than PG_DEPTH_MAX */
    PG_EPATTERN = -6,      /* not a pattern: "etc" is not last, or stands in a dict */
    PG_ESTOPPED = -7,      /* the runtime is stopping or has stopped */
    PG_EINSIDE = -8,       /* a process asked for what would wait for itself */
    PG_ELIMIT = -9,        /* the runtime has as many processes as its options allow */
    PG_EENDED = -10,       /* the process is in its clean-ups, and cannot block or register any more; or it is an
                             attached one that has ended */
    PG_EUNSUPPORTED = -11, /* this build or system cannot do that, or the program as it was started: the log says why */
    PG_EFULL = -12,    /* the mailbox is at the limit that its process has asked for (paragram/limits.h); or too much
                             is on its way already to a process in another operating-system process */
    PG_ETAKEN = -13,   /* the name is a living process's, maybe this one's */
    PG_ESYSTEM = -1000 /* minus an errno: the system's error, see pg_errno() in paragram/io.h */
} pg_status;

/* One line that says what a status means.  Any value may be asked for; the string is static. */
PG_API const char *pg_strerror(int status);

typedef struct pg_runtime pg_runtime;
typedef struct pg_table pg_table;

/* The code of a process.  A target runs once, first; it sets receivers up, and may send, spawn and block.  When it
 * returns, the process handles messages until it ends; if it has set up no receiver, it ends normally right then.
 * A handler runs once for each message that its pattern matches.  `msg` lives until the handler returns. */
typedef void (*pg_target)(pg_process *self);
typedef void (*pg_handler)(pg_process *self, const pg_message *msg);

/* What runs a process.  All kinds do the same things; pids of all kinds mix freely. */
typedef enum pg_kind {
    PG_KIND_DEFAULT, /* the runtime's default, PG_GREEN unless its options say otherwise */
    PG_GREEN,        /* scheduled with all others over a few threads: the cheapest; should not block the thread */
    PG_THREAD,       /* a thread of its own: for blocking calls and for libraries that are bound to a thread */
    PG_OS /* an operating-system process of its own, isolated by the kernel: see OPERATING-SYSTEM PROCESSES */
} pg_kind;

/* ---------------------------------------------------------------------------------------------------- runtimes */

typedef enum pg_log_level {
    /* A process ended abnormally, and nobody was linked to it, monitored it or waited for it; but not for no other
     * reason than the normal end of one that it was linked to. */
    PG_LOG_FAILED,
    /* A process has kept its worker for longer than .stuck_after; told once for each time. */
    PG_LOG_STUCK,
    /* Anything else that an operator should see: a process that does not stop, refused patterns, ... */
    PG_LOG_WARNING
} pg_log_level;

typedef struct pg_options {
    /* Threads that run green processes; 0: as many as this process may use processors, by its affinity mask and by the
     * CPU quotas of its control groups; at most 256. */
    unsigned workers;
    /* What .kind = PG_KIND_DEFAULT means in a spawn; 0: PG_GREEN. */
    pg_kind kind;
    /* Bytes of stack for green processes, rounded up to a power of two of at least four pages; 0: 64 KiB. */
    size_t stack_size;
    /* Alive at once, of kind PG_OS too (but not what those spawn), at most 268,000,000, and as many stacks.  Address
     * space is reserved for all of them: where it is limited (ulimit -v), ask for fewer.  0: 4,194,304. */
    uint32_t max_processes;
    /* Bytes that waiting messages, processes and stacks may take together, as paragram/limits.h counts them: beyond
     * that sends and spawns are refused with PG_ENOMEM, and what must come still does.  0: no limit. */
    uint64_t memory;
    /* Nanoseconds in one handler until PG_LOG_STUCK; 0: 100 ms.  Others do not wait for it: after a few
     * milliseconds, 10 where it computes, another thread takes over their queue. */
    int64_t stuck_after;
    /* Install a SIGSEGV handler that names the process whose stack ran out before the program dies as it would have;
     * chains to the host's own handler.  For PG_GREEN and PG_THREAD; the stack of an attached host thread is the host's
     * affair.  False: none is installed. */
    bool report_overflow;
    /* Look at each pg_call() for processes that wait for each other in a circle, which is logged by name, and ends the
     * call with PG_EINSIDE.  For looking for bugs: it takes time, and also finds those whose answer another one would
     * give; and it does not see what waits within operating-system processes. */
    bool debug_calls;
    /* Start no zygote: processes of kind PG_OS are refused, and the start does not fork. */
    bool no_os;
    /* Where lines of the log go, from any thread; NULL: to stderr. */
    void (*log)(void *context, pg_log_level level, const char *line);
    void *log_context;
    /* Where pg_start() says why it returned NULL; may be NULL. */
    int *status;
    /* Not 0: it is simulated, and this decides every choice: see SIMULATION. */
    uint64_t seed;
    /* Of a simulation: where a line goes for each step of a process; NULL: nowhere. */
    FILE *trace;
    /* It has no threads: one of the program's drives it: see paragram/guest.h. */
    bool guest;
} pg_options;

/* Starts a runtime.  Several may exist in a program.  `options` may be NULL, and is copied.
 * Returns NULL on failure: PG_ENOMEM (memory, address space, threads, descriptors, the zygote), PG_EINVAL (an option
 * out of range), PG_EUNSUPPORTED (a simulation has this thread) in *options->status.  Installs no signal handler (see
 * report_overflow) and blocks all signals in its own threads. */
PG_API pg_runtime *pg_start(const pg_options *options);

/* Ends a runtime: every process is sent a terminate; those that have not ended after `timeout` nanoseconds are named in
 * the log, and ended where they rest, receive, sleep or wait, which is waited for as long as it goes on; what is still
 * running half a second later is named too.  Attached processes end as well.
 * PG_OK: all has ended, its threads too, and `rt` is gone.  PG_ETIMEDOUT: some code of a process has not returned; no
 * new process starts, and the call may be repeated.  PG_EINSIDE: called from one of its processes; nothing has changed.
 * PG_EINVAL: `rt` is NULL.  PG_ESTOPPED: in the child of a fork, where a runtime has no threads and counts as stopped.
 * Not from two threads at once. */
PG_API int pg_stop(pg_runtime *rt, int64_t timeout);

/* Makes the calling host thread a process of `rt`, of kind PG_THREAD, that sends, spawns, links and receives; `name` is
 * copied and may be NULL.  The first one of a runtime is its main process: pg_main().  A thread may attach to several
 * runtimes, and several times.  NULL: `rt` is NULL or stopping, memory is short, or
 * the caller is a green process, whose thread is not its own.
 * Its `self` is valid until pg_detach() or the end of the thread, even after pg_stop(), where what it asks of the
 * runtime is answered with PG_ESTOPPED.  Such a process handles messages inside pg_serve() and receives in pg_recv();
 * when it meets its end there the call returns PG_EENDED, since a host's stack cannot be taken away. */
PG_API pg_process *pg_attach(pg_runtime *rt, const char *name);

/* Ends an attached process normally (those linked to it are told) and frees it.  From the thread that attached it. */
PG_API void pg_detach(pg_process *self);

/* Handles messages of the attached process `self` by its receivers until it ends (PG_EENDED) or `timeout` has passed
 * (PG_ETIMEDOUT).  PG_ESTOPPED: its runtime has stopped.  PG_EINVAL: `self` is not attached, or the call is nested. */
PG_API int pg_serve(pg_process *self, int64_t timeout);

/* Forks the zygote now, from which processes of kind PG_OS are forked later, of all runtimes of the program, until it
 * ends.  pg_start() does so by itself, but only in a program of one thread: to be called first thing in main() by
 * programs that start threads before it, and by those that have data which those processes are not to have.  PG_OK,
 * also when there is one already; PG_EUNSUPPORTED: there are threads already, or the system lacks what it takes (Linux
 * 5.4, /proc); PG_ENOMEM. */
PG_API int pg_zygote_early(void);

/* The pid of the first attached process; a null pid when there is none.  In a process of kind PG_OS that of the program
 * that it came from. */
PG_API pg_pid pg_main(const pg_runtime *rt);

typedef struct pg_stats {
    uint64_t alive;     /* processes, attached ones included */
    uint64_t spawned;   /* since the start */
    uint64_t dropped;   /* messages that reached a process and were never handled, since it ended first; those that
                           arrive in the moment of its end are counted when its worker is next awake */
    uint64_t refused;   /* sends to mailboxes at their limit or beyond .memory, and waits for room given up */
    uint64_t memory;    /* bytes, where .memory limits them */
    uint64_t stuck;     /* times that PG_LOG_STUCK was reported */
    uint64_t unguarded; /* stacks without a guard page: the kernel's limit on mappings was near */
    unsigned workers;   /* threads that run green processes now */
} pg_stats;

PG_API int pg_get_stats(const pg_runtime *rt, pg_stats *stats);

/* Writes the living processes and their links in the DOT language of Graphviz, clustered by operating-system process.
 * A snapshot while processes run: each node and edge was true at some moment of the call.  PG_EINVAL: NULL, or the file
 * could not be written; PG_ENOMEM; PG_ESTOPPED. */
PG_API int pg_graph(pg_runtime *rt, FILE *file);

/* --------------------------------------------------------------------------------------------------- processes */

/* What a process of kind PG_OS may use up; 0: no limit but the program's own. */
typedef struct pg_limits {
    uint64_t address_space; /* bytes, beyond what its runtime reserves at its start */
    unsigned cpu_seconds;   /* processor time of all its threads together */
    unsigned open_files;    /* descriptors, some ten of its runtime's own included */
} pg_limits;

/* What it may ask of the system.  What it spawns is confined as it is, or more. */
typedef enum pg_sandbox {
    PG_SANDBOX_NONE,          /* what the program may */
    PG_SANDBOX_NO_PRIVILEGES, /* no capabilities, and none that exec could give; no core; not to be traced by others of
                                 the user */
    PG_SANDBOX_COMPUTE        /* memory, threads, time, messages and open descriptors; no files, which fail to open; no
                                 sockets, no processes: any other system call is its end, PG_EXIT_CRASHED with its name.
                                 PG_EUNSUPPORTED without seccomp */
} pg_sandbox;

typedef struct pg_spawn_options {
    const char *name;          /* for people: in exits, logs, graphs; copied; need not be unique; NULL: none */
    pg_value args;             /* a tuple, read by the target with pg_args(); copied; left out: no arguments */
    pg_kind kind;              /* 0: the runtime's default */
    pg_table *table;           /* receivers to begin with: see pg_table; NULL: none */
    const pg_mailbox *mailbox; /* limits of its mailbox, copied: see paragram/limits.h; NULL: none */
    /* Nanoseconds that a handler or the target may keep its worker: one that takes longer is counted, and logged as a
     * PG_LOG_WARNING that names the process, once a second at most.  One that waits in its middle is not looked at, nor
     * is a process with a thread of its own; and in a simulation no time passes.  0: none. */
    int64_t max_slice;
    /* For PG_OS: */
    pg_limits limits;
    pg_sandbox sandbox;
} pg_spawn_options;

/* Starts a process that runs `target(its self)`, not linked, or linked to `self`.  `target` may be NULL where a table
 * is given.  Returns at once; the target runs later, on some worker.  `options` may be NULL.
 * A pid that names no process: PG_EINVAL, PG_ENOMEM, PG_ETOOMANY (arguments), PG_EPATTERN (the table), PG_ELIMIT,
 * PG_ESTOPPED, PG_EUNSUPPORTED; nothing has changed then.
 *     pg_spawn(self, target, .name = "x", .args = pg_tuple(1, 2)) */
PG_API pg_pid pg_spawn_with(pg_process *self, pg_target target, const pg_spawn_options *options);
PG_API pg_pid pg_spawn_link_with(pg_process *self, pg_target target, const pg_spawn_options *options);

/* The same from any thread, attached or not; never linked. */
PG_API pg_pid pg_spawn_in(pg_runtime *rt, pg_target target, const pg_spawn_options *options);

/* PG_OK for a pid that names a process, alive or not; else the status that a failed spawn left in it. */
PG_API int pg_pid_status(pg_pid pid);

static inline bool pg_same(pg_pid a, pg_pid b)
{
    return a.id == b.id;
}

PG_API pg_process *pg_current(void);                      /* the process that is running on this thread, or NULL */
PG_API pg_pid pg_self(const pg_process *self);            /* its pid */
PG_API const char *pg_name(const pg_process *self);       /* its name, or "" */
PG_API pg_kind pg_kind_of(const pg_process *self);        /* its kind */
PG_API pg_runtime *pg_runtime_of(const pg_process *self); /* its runtime; NULL once that has stopped */
PG_API const pg_message *pg_args(const pg_process *self); /* the arguments, while the target runs; never NULL */

/* The process's data: a pointer of its own, NULL at first. */
PG_API void pg_set_data(pg_process *self, void *data);
PG_API void *pg_data(const pg_process *self);

/* A new unique value.  Refs are made by this alone: a receive that asks for one passes over what came before it was
 * made. */
PG_API pg_ref pg_make_ref(void);

/* ---------------------------------------------------------------------------------------------------- messages */

/* Sends a message of `count` values, at most PG_VALUES_MAX, all of them copied.  Messages from one sender arrive in the
 * order sent.  Any process may be sent to, of any runtime, oneself too.
 * Sends to one process count towards a green process's slice, and so do spawns: one that does a hundred in a row, and
 * little else, may be suspended in them while others have their turn, as by pg_yield().  Do not hold a mutex across
 * such a loop.
 * PG_OK: it is in the mailbox.  It may still be dropped, counted in pg_stats.dropped, if the receiver ends first.
 * PG_ENOPROC, PG_ETOOMANY, PG_EINVAL (a value is none, or a pattern; or a local pointer, to another operating-system
 * process), PG_EFULL (its mailbox is at the limit that it has asked for; or too much is on its way already to another
 * operating-system process), PG_ENOMEM: nothing was sent.
 *     pg_send(pid, "hello", 123, other_pid) */
PG_API int pg_send_values(pg_pid pid, size_t count, const pg_value *values);

/* Sends a received message on, as it is. */
PG_API int pg_forward(pg_pid pid, const pg_message *msg);

PG_API size_t pg_count(const pg_message *msg); /* the number of its values */

/* The value at `index`, from 0; checked: an index out of range, or another type than the one asked for, is a failure of
 * the process, with a message that says both.  With `self` NULL it is instead: NULL, 0, false, a null pid or ref.
 * What they point to lives as long as the message.  Strings are terminated; those of pg_get_bytes are not, and lie at
 * any address: copy out what wants to be aligned. */
PG_API const pg_term *pg_get(pg_process *self, const pg_message *msg, size_t index);
PG_API int64_t pg_get_int(pg_process *self, const pg_message *msg, size_t index);
PG_API double pg_get_float(pg_process *self, const pg_message *msg, size_t index);
PG_API bool pg_get_bool(pg_process *self, const pg_message *msg, size_t index);
PG_API const char *pg_get_str(pg_process *self, const pg_message *msg, size_t index);
PG_API const void *pg_get_bytes(pg_process *self, const pg_message *msg, size_t index, size_t *length);
PG_API pg_pid pg_get_pid(pg_process *self, const pg_message *msg, size_t index);
PG_API pg_ref pg_get_ref(pg_process *self, const pg_message *msg, size_t index);
PG_API void *pg_get_ptr(pg_process *self, const pg_message *msg, size_t index);

/* The same for a term, which may stand deeper. */
PG_API pg_type pg_term_type(const pg_term *term);
PG_API int64_t pg_term_int(pg_process *self, const pg_term *term);
PG_API double pg_term_float(pg_process *self, const pg_term *term);
PG_API bool pg_term_bool(pg_process *self, const pg_term *term);
PG_API const char *pg_term_str(pg_process *self, const pg_term *term, size_t *length); /* length may be NULL */
PG_API const void *pg_term_bytes(pg_process *self, const pg_term *term, size_t *length);
PG_API pg_pid pg_term_pid(pg_process *self, const pg_term *term);
PG_API pg_ref pg_term_ref(pg_process *self, const pg_term *term);
PG_API void *pg_term_ptr(pg_process *self, const pg_term *term);

/* Tuples and lists: the number of elements, and each; dicts: the number of pairs, the key and the value of each (in an
 * order of their own), and the value that a key has, or NULL. */
PG_API size_t pg_term_count(pg_process *self, const pg_term *term);
PG_API const pg_term *pg_term_at(pg_process *self, const pg_term *term, size_t index);
PG_API const pg_term *pg_term_key(pg_process *self, const pg_term *term, size_t index);
PG_API const pg_term *pg_term_val(pg_process *self, const pg_term *term, size_t index);
PG_API const pg_term *pg_term_lookup_value(pg_process *self, const pg_term *term, pg_value key);

/* Whether a pattern of one value matches a term; a plain value matches what equals it.  False for what is no
 * pattern. */
PG_API bool pg_matches_value(const pg_term *term, pg_value pattern);

/* Writes a message, term or value as text, at most `size` bytes with the NUL; returns the length that it has in full.
 * `buffer` may be NULL where `size` is 0. */
PG_API size_t pg_format_message(char *buffer, size_t size, const pg_message *msg);
PG_API size_t pg_format_term(char *buffer, size_t size, const pg_term *term);
PG_API size_t pg_format_value(char *buffer, size_t size, pg_value value);

/* --------------------------------------------------------------------------------------------- shared buffers
 * Memory that is sent without being copied, between threads and between operating-system processes alike.  It is
 * written by whoever made it, then sent, and only read from then on, by all who have it:
 *     pg_buffer *b = pg_buffer_new(size);
 *     fill(pg_buffer_data(b), size);
 *     pg_send(pid, "picture", b);
 *     pg_buffer_release(b);
 *   and in the receiver, for a message that matches ("picture", PG_BUFFER):
 *     const void *data = pg_get_buffer(self, msg, 1, &size);
 * Its memory goes when nobody has it any more: neither a message, nor one of the calls below that gives a reference,
 * nor an operating-system process that did and has died.
 * Each takes a descriptor in every operating-system process that has it.  Between those, a message may hold 32 of them
 * (PG_ETOOMANY), and an exit none (PG_EINVAL); and what one of them has sent that is held outside of it, all together,
 * is at most 256 buffers and 16 GB at a time: a message that would make it more is dropped. */

/* A buffer of `size` bytes, all zero.  NULL: no memory or descriptor, or a size of 0.  It is not inherited over a
 * fork() before it is sealed. */
PG_API pg_buffer *pg_buffer_new(size_t size);

/* Its first byte.  Once it is sealed, writing there is a fault (SIGSEGV).  NULL: it cannot be mapped. */
PG_API void *pg_buffer_data(pg_buffer *buffer);
PG_API size_t pg_buffer_size(const pg_buffer *buffer);

/* Makes it read-only, for good; sending does so, too.  Nobody may be touching it meanwhile.  PG_EINVAL: NULL, or the
 * kernel is writing into it, for an asynchronous read, say; PG_ENOMEM. */
PG_API int pg_buffer_seal(pg_buffer *buffer);

/* The bytes of a buffer in a message, and how many they are; `size` may be NULL.  Checked as pg_get() is, and they live
 * as long as the message does. */
PG_API const void *pg_get_buffer(pg_process *self, const pg_message *msg, size_t index, size_t *size);
PG_API const void *pg_term_buffer(pg_process *self, const pg_term *term, size_t *size);

/* The buffer itself, for longer than its message lives: a reference, to be given back with pg_buffer_release().
 * Checked as pg_get() is. */
PG_API pg_buffer *pg_buffer_keep(pg_process *self, const pg_term *term);

/* Gives back what pg_buffer_new() or pg_buffer_keep() gave; what has been sent stays with those who have it.  May be
 * NULL. */
PG_API void pg_buffer_release(pg_buffer *buffer);

/* --------------------------------------------------------------------------------------------------- receivers */

/* Adds a receiver: messages that the pattern matches are handled by `handler`, unless an earlier receiver matches.
 * The pattern has as many elements as the message has values, but for a last PG_ETC:
 *   PG_ANY; a type, PG_INT and so on; PG_WHERE(predicate); a tuple or list of patterns, its last may be PG_ETC;
 *   a dict of literal keys and patterns, where the message may have more keys; anything else is matched by what equals
 *   it.
 * Int, float and bool are different types: 1 does not match 1.0.
 * PG_EPATTERN, PG_EINVAL, PG_ETOOMANY, PG_ENOMEM: no receiver was added, and a warning is logged.
 *     pg_receive(self, handler, "hello", PG_INT, PG_ETC)
 * The two messages of the runtime's own are matched as any other: (PG_EXIT) when the process is told to terminate, and
 * (PG_EXIT, PG_PID) when a linked one has ended.  So (PG_ANY, PG_ANY), or PG_ETC alone, receives exits too, and
 * survives them. */
PG_API int pg_receive_values(pg_process *self, pg_handler handler, size_t count, const pg_value *pattern);

/* A static table of receivers, compiled when first used and shared by all processes that use it:
 *     static void define(pg_table *t) { pg_on(t, add, "add", PG_INT); pg_on(t, stop, "stop"); }
 *     static pg_table counter = PG_TABLE(define);
 *     ... pg_spawn(self, NULL, .table = &counter)   or, in a target,   pg_use(self, &counter)
 * It must outlive the runtimes that use it.  `define` is called once for each runtime, and only calls pg_on(). */
struct pg_table {
    void (*define)(pg_table *table);
    void *building; /* private */
    uint64_t id;    /* private */
};

/* clang-format off */
#define PG_TABLE(define) {define, NULL, 0}
/* clang-format on */

/* Adds a receiver to the table that is being defined.  Errors as for pg_receive; a table with an error is refused. */
PG_API int pg_on_values(pg_table *table, pg_handler handler, size_t count, const pg_value *pattern);

/* Replaces the receivers of `self` by those of the table.  PG_EPATTERN, PG_ENOMEM: they stay as they were. */
PG_API int pg_use(pg_process *self, pg_table *table);

/* ---------------------------------------------------------------------------------------------------- blocking
 * These may be called from targets and handlers at any depth.  Only the process waits: a green one gives its worker to
 * others meanwhile.  Do not hold a mutex across them. */

/* Receives the next message, whatever it is; an exit for which there is a receiver is returned, and that not called.
 * *msg lives until the next receive of this process, or until the target or handler that called this returns; pg_keep()
 * makes it last longer.
 * PG_ETIMEDOUT; PG_EENDED for an attached process that has ended.  A process that meets a terminate here, or the exit
 * of a linked one that it has no receiver for, ends: the call does not return, clean-ups run. */
PG_API int pg_recv(pg_process *self, const pg_message **msg, int64_t timeout);

/* Receives the first message that the pattern matches; others stay in the mailbox, in order, and are looked at once.
 * An exit of a linked process that the pattern matches is received like any message.  Errors as for pg_recv, and those
 * of a pattern as for pg_receive.
 *     pg_recv_match(self, &msg, PG_SECONDS(1), "reply", PG_ANY) */
PG_API int pg_recv_match_values(pg_process *self, const pg_message **msg, int64_t timeout, size_t count,
                                const pg_value *pattern);

/* A copy of a message, to be held for as long as it is wanted, by any thread, and to be given back with pg_release().
 * NULL when `msg` is not one that `self` is handling, has received last, or was given as arguments, or memory is
 * short. */
PG_API const pg_message *pg_keep(pg_process *self, const pg_message *msg);
PG_API void pg_release(const pg_message *msg);

/* Suspends the process for `duration` nanoseconds.  PG_OK, or PG_EINVAL for a NULL self. */
PG_API int pg_sleep(pg_process *self, int64_t duration);

/* Lets others that are ready run first. */
PG_API int pg_yield(pg_process *self);

/* The time, in nanoseconds since some moment in the past; in a simulation, its own. */
PG_API int64_t pg_now(void);

/* --------------------------------------------------------------------------------------------- ends and exits */

typedef enum pg_exit_kind {
    PG_EXIT_NORMAL,            /* returned without receivers, pg_exit(), pg_terminate(), pg_detach() */
    PG_EXIT_FAILED,            /* pg_fail(), a failed check, or terminated with an error */
    PG_EXIT_UNHANDLED_MESSAGE, /* a message came that no receiver matches */
    PG_EXIT_UNHANDLED_EXIT,    /* a linked process ended, and no receiver matches (exit, pid) */
    PG_EXIT_KILLED,            /* ended by pg_stop() or pg_kill() where it slept or waited */
    PG_EXIT_CRASHED,           /* its operating-system process died with it: by a signal, by exit(), by a sandbox */
    PG_EXIT_UNKNOWN            /* it ended abnormally or not, too long ago to be remembered */
} pg_exit_kind;

/* Why a process ended.  `text` says it in a line or more, "" when normal; cut short to what fits. */
typedef struct pg_exit_info {
    pg_exit_kind kind;
    pg_pid pid;
    char text[496];
} pg_exit_info;

/* Ends the calling process normally, or as a failure with a text or a value that says why.  They do not return, from
 * any depth; clean-ups run; those linked are told.  In the code of an attached process outside pg_serve() they are a
 * programming error, and abort the program with a message. */
PG_API PG_NORETURN void pg_exit(pg_process *self);
PG_API PG_NORETURN void pg_fail(pg_process *self, const char *format, ...) PG_FORMAT(2, 3);
PG_API PG_NORETURN void pg_fail_value(pg_process *self, pg_value error);

/* Registers f(argument) to be called when the process ends, however that happens; newest first, on the process's stack.
 * A clean-up that fails itself does not stop the others, nor change the reason.  It must not block.  PG_ENOMEM: it is
 * not registered. */
PG_API int pg_defer(pg_process *self, void (*f)(void *argument), void *argument);

/* Takes back the newest registration of f(argument); PG_EINVAL when there is none.  f is not called. */
PG_API int pg_undefer(pg_process *self, void (*f)(void *argument), void *argument);

/* Asks a process to end: a message that takes its turn in the mailbox.  A handler for (PG_EXIT) sees it; then the
 * process ends in any case: normally, or with the error given.  While that handler receives, it is not told again: the
 * first one counts.  PG_ENOPROC, PG_EINVAL (a value that is none), PG_ENOMEM. */
PG_API int pg_terminate(pg_pid pid);
PG_API int pg_terminate_value(pg_pid pid, pg_value error);

/* Ends a process by force, without asking it: one that rests, receives, sleeps, or waits, whatever for, ends there as
 * PG_EXIT_KILLED, and clean-ups run; one of kind PG_OS is killed, with all that is in it, and has crashed.  Nothing is
 * done to code that runs: it ends where it waits next, which nobody who is in the way of that can be sure of, so ask
 * again until it has ended; nor to a call of pg_blocking(), behind which it ends.  PG_OK; PG_ENOPROC; PG_EINVAL: it is
 * attached.  Of those within another operating-system process, PG_ETIMEDOUT: that does not answer in 5 s. */
PG_API int pg_kill(pg_pid pid);

/* Links two processes both ways: when one ends, also normally, the other gets (exit, pid), and ends too unless it has a
 * receiver for that.  Linking to one that has ended delivers the exit at once.  Linking twice is linking once.
 * PG_ENOPROC for a pid that names none, PG_EINVAL for oneself or for a process of another runtime, PG_ENOMEM. */
PG_API int pg_link(pg_process *self, pg_pid pid);

/* Takes the link away, if there is one.  An exit that is on its way by then still arrives.  Errors as for pg_link. */
PG_API int pg_unlink(pg_process *self, pg_pid pid);

/* Whether it lives.  An operating-system process is asked for those within it; where it does not answer, stopped by a
 * signal, say, it is taken for alive after 5 s. */
PG_API bool pg_is_alive(pg_pid pid);

/* Waits until the process has ended.  `exit` may be NULL; it says why.  From a process it suspends, from a host thread
 * it blocks; it is no receive, so a terminate that arrives meanwhile takes its turn later.
 * PG_ETIMEDOUT; PG_ENOPROC for a pid that names none; PG_EINSIDE for oneself. */
PG_API int pg_wait(pg_pid pid, int64_t timeout, pg_exit_info *exit);

/* Why it ended; PG_ETIMEDOUT while it lives: pg_wait() without waiting, but for an answer as above. */
PG_API int pg_why(pg_pid pid, pg_exit_info *exit);

/* The exit in a message of the runtime's (its pid stands beside it), and its error value, NULL when normal.  Checked as
 * pg_get() is. */
PG_API void pg_get_exit(pg_process *self, const pg_message *msg, size_t index, pg_exit_info *exit);
PG_API const pg_term *pg_get_error(pg_process *self, const pg_message *msg, size_t index);

#ifdef __cplusplus
}
#endif

#include "paragram/call.h"
#include "paragram/guest.h"
#include "paragram/io.h"
#include "paragram/registry.h"
#include "paragram/signals.h"
#include "paragram/supervisor.h"
#include "paragram/timer.h"
#include "paragram/unwind.h"

#include "paragram/sugar.h"

#endif
