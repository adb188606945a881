/* supervisor.h - processes that start others, and start them again when they fail.  Included by paragram.h.
 *
 * A supervisor is a process that has children, of any kind, and is linked with each.  It starts them in the order
 * given, and stops them in reverse; when one ends, it decides what becomes of that one and of the others.  The model is
 * that of Erlang's supervisors.
 *
 *     static const pg_child children[] = {
 *         {.id = "store", .target = store, .registered = "store"},
 *         {.id = "parser", .target = parse, .spawn = {.kind = PG_OS, .sandbox = PG_SANDBOX_COMPUTE}},
 *     };
 *     pg_supervisor_options options = {.name = "services", .strategy = PG_REST_FOR_ONE};
 *     pg_pid services = pg_supervise(self, &options, 2, children);
 *     ...
 *     pg_send(pg_whereis(rt, "store"), "put", "key", 1);
 *
 *   A child that is started again has another pid.  So those who use it know it by its name, as above, and look that up
 *   for each message or after an error; or they monitor it; or it tells them itself when it begins.
 *
 * ENDS
 *   A child that ends by itself is started again if it is PG_PERMANENT, however it ended, also normally; or if it is
 *   PG_TRANSIENT and its end was abnormal: any exit that is not PG_EXIT_NORMAL.  One that was ended by pg_terminate()
 *   of somebody else has ended normally.  What the supervisor has stopped stays stopped.  Each end after which
 *   something is started again, and each abnormal one, is told in the log (PG_LOG_WARNING).
 *   Not at once: after .backoff_min, and twice as long after each failure that follows, until the child has lived for
 *   .backoff_reset.  Where that is more often than .intensity allows, the supervisor stops all children and fails,
 *   which those linked to it see; its own supervisor, for one, starts it again.
 *   A child that cannot be started again has failed once more.
 *   When something else that is linked to the supervisor ends, who has called pg_supervise() for one, it stops its
 *   children and ends, too: normally, or as a failure, as the other did.  A terminate does the same.  When it is ended
 *   by force, or fails, its children end by their links; one that has a receiver for (PG_EXIT, PG_PID) sees to that
 *   itself.
 *
 * STOPPING
 *   A child is stopped by a terminate.  If it has not ended when its .shutdown is over, it is ended by pg_kill(): one
 *   of kind PG_OS is killed, others end where they wait.  One that computes half a second longer is named in the log
 *   and left behind, no longer linked: it ends when it next waits, and another may run in its place by then.
 *   pg_stop() tells all processes to end at once: what ends then has not failed.  Where the order counts, the
 *   supervisor is terminated and waited for before.
 *
 * A supervisor is busy while it waits for a child to start or to stop, and looks at other ends and requests afterwards.
 * Each end takes it a time that grows with the number of its children: for thousands, not for millions.  What it does
 * not know it drops, and says so in the log. */
#ifndef PARAGRAM_SUPERVISOR_H
#define PARAGRAM_SUPERVISOR_H

#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Who is started again with one that has to be. */
typedef enum pg_strategy {
    PG_ONE_FOR_ONE, /* nobody else */
    PG_ONE_FOR_ALL, /* all that run: they are stopped first */
    PG_REST_FOR_ONE /* those that were started after it, likewise */
} pg_strategy;

/* Whether a child is started again when it has ended by itself: see ENDS. */
typedef enum pg_restart {
    PG_PERMANENT, /* always */
    PG_TRANSIENT, /* when its end was abnormal */
    PG_TEMPORARY  /* never; and it is forgotten when it has ended, or is stopped with others */
} pg_restart;

enum { PG_CHILD_ID_MAX = 63 }; /* bytes */

typedef struct pg_child {
    const char *id;         /* what it is called in its supervisor: 1 to PG_CHILD_ID_MAX bytes, no other child's */
    pg_target target;       /* as of pg_spawn(); may be NULL where there is a table */
    pg_spawn_options spawn; /* .name: the id, if left out; .args may be nested three levels less than else */
    pg_restart restart;
    /* Nanoseconds that it has to end in when it is stopped; PG_FOREVER; less than 0: it is ended by force at once.  0:
     * 5 s, of a supervisor PG_FOREVER. */
    int64_t shutdown;
    /* Not 0: it has started only when it calls pg_started(), for which it has so many nanoseconds, or PG_FOREVER; the
     * next one is started after that.  One that ends before could not be started; so fails a start, and pg_fail() says
     * why.  0: it has started when it has been spawned; of a supervisor PG_FOREVER. */
    int64_t start_timeout;
    /* A name by which the runtime of the supervisor knows it, whenever it is started again: see pg_register(); NULL:
     * none. */
    const char *registered;
    bool
        supervisor; /* it is one, by pg_supervisor_become(): another default above, and it need not call pg_started() */
} pg_child;

typedef struct pg_supervisor_options {
    const char *name;       /* for people, as of pg_spawn() */
    const char *registered; /* as of a child */
    pg_kind kind;           /* 0: PG_GREEN, whatever the runtime's default */
    pg_strategy strategy;
    int intensity;       /* restarts at most in a period; 0: 10; less than 0: none; INT_MAX: it never gives up */
    int64_t period;      /* nanoseconds; 0: 60 s */
    int64_t backoff_min; /* nanoseconds from an end to the restart, the first time; 0: 20 ms; less than 0: none ever */
    int64_t backoff_max; /* nanoseconds that this may grow to; 0: 5 s, or backoff_min if that is more */
    int64_t backoff_reset; /* nanoseconds of life after which it begins anew; 0: as backoff_max */
    int jitter;            /* per cent of this time of which a random part is left out; 0: 50; less than 0: none */
    int64_t start_timeout; /* nanoseconds that pg_supervise() waits; 0: PG_FOREVER */
    pg_exit_info *why;     /* where pg_supervise() says how it ended if it could not be started; NULL: nowhere */
} pg_supervisor_options;

/* Starts a supervisor, linked to `self`, with `count` children, and returns when all have started.  `options` may be
 * NULL; all is copied.
 * A pid that names no process: what the child that could not be started has met: a status of pg_spawn(), PG_ENOPROC: it
 * ended first, PG_ETIMEDOUT, PG_ETAKEN: the name is another's; those before it have been stopped then, in reverse.  Or
 * PG_EINVAL: an option or a child is wrong, or two have one id; PG_ETIMEDOUT: the supervisor is told to end; and those
 * of pg_spawn() and pg_call().  Waits as pg_call() does. */
PG_API pg_pid pg_supervise(pg_process *self, const pg_supervisor_options *options, size_t count,
                           const pg_child *children);

/* Makes the calling process a supervisor, and returns when all children have started: the last thing that the target of
 * a child does, which is a supervisor itself, to any depth.  Of the options those count that are not for its beginning.
 * Its pg_data() is used, and receivers are added that take every message.  If a child cannot be started the process
 * fails, and says which and why.  PG_OK; PG_EINVAL: as above, or `self` is attached; PG_ENOMEM, PG_EENDED, PG_ESTOPPED.
 *     static void upper(pg_process *self)
 *     {
 *         pg_supervisor_become(self, &options, 2, children);
 *     }
 *     ... {.id = "upper", .target = upper, .supervisor = true} */
PG_API int pg_supervisor_become(pg_process *self, const pg_supervisor_options *options, size_t count,
                                const pg_child *children);

/* Tells the supervisor that its child `self` has started.  For children with a .start_timeout, once, in their target;
 * it is a receive.  PG_OK; PG_ETIMEDOUT: nobody has asked within 5 s; PG_ENOPROC: nobody waits any more; and those of
 * pg_recv(). */
PG_API int pg_started(pg_process *self);

/* Requests to a supervisor; from its own child only such as do not stop that, and not before pg_started(), for which
 * the supervisor waits.  Each waits for `timeout` nanoseconds, as pg_call() does, with its errors: PG_ETIMEDOUT says
 * that it may still be done.  PG_ENOPROC: the supervisor has ended.  PG_EINVAL: it knows no child of that id, or an
 * argument is wrong. */

/* Starts one more child, the last in order, and returns its pid; with PG_ONE_FOR_ALL or PG_REST_FOR_ONE, if others are
 * about to be started again, after that.  A pid that names no process: PG_ETAKEN: there is one of that id; a status as
 * of pg_supervise(), and it is not kept; PG_EINVAL also: the supervisor is in another operating-system process, which
 * nobody may tell what to run. */
PG_API pg_pid pg_supervisor_start(pg_process *self, pg_pid supervisor, const pg_child *child, int64_t timeout);

/* Stops a child, or takes back that it is to be started again; it is kept, unless PG_TEMPORARY.  PG_OK also if it is
 * stopped already. */
PG_API int pg_supervisor_stop(pg_process *self, pg_pid supervisor, const char *id, int64_t timeout);

/* Stops it, and forgets it. */
PG_API int pg_supervisor_remove(pg_process *self, pg_pid supervisor, const char *id, int64_t timeout);

/* Stops it, if it is running, and starts it; it alone, and now.  Returns its pid; or one that names no process, as
 * above, and it is stopped then, or forgotten, if PG_TEMPORARY.  It does not count for .intensity. */
PG_API pg_pid pg_supervisor_restart(pg_process *self, pg_pid supervisor, const char *id, int64_t timeout);

typedef enum pg_child_state {
    PG_CHILD_RUNNING,
    PG_CHILD_WAITING, /* it has ended, or was stopped with others, and is to be started again */
    PG_CHILD_STOPPED
} pg_child_state;

typedef struct pg_child_info {
    char id[PG_CHILD_ID_MAX + 1];
    pg_pid pid; /* null unless it is running */
    pg_child_state state;
    uint64_t restarts; /* how often it was started again */
} pg_child_info;

/* Writes what its children are, in order, at most `max`, and returns how many there are; or a status, which is below
 * 0. */
PG_API int64_t pg_supervisor_children(pg_process *self, pg_pid supervisor, size_t max, pg_child_info *children,
                                      int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
