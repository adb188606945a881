/* supervised.h - for the tests of supervisors: children that do what they are told to, and what main hears of them.
 *
 * Children tell main when they start and when they are told to end; each says that it has started (pg_started()) after
 * it has told main, so what main gets is in the order of the supervisor's steps. */
#ifndef SUPERVISED_H
#define SUPERVISED_H

#include <signal.h>

#include "conformance.h"

/* ------------------------------------------------------------------------------------------------------ children */

static inline void ignore(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

static inline void on_exit_do(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static inline void on_fail(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_fail(self, "as it was told to");
}

static inline void on_segv(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    raise(SIGSEGV);
}

static inline void on_hang(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_sleep(self, PG_SECONDS(3600));
}

static inline void on_name(pg_process *self, const pg_message *msg)
{
    pg_reply(msg, pg_name(self));
}

static inline void on_terminate(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_pid *main_pid = pg_data(self);
    pg_send(*main_pid, "stopping", pg_name(self));
}

/* (main). */
static inline void work(pg_process *self)
{
    pg_pid *main_pid = malloc(sizeof *main_pid);
    CHECK(main_pid);
    pg_defer(self, free, main_pid);
    *main_pid = first_arg(self);
    pg_set_data(self, main_pid);
    pg_receive(self, on_terminate, PG_EXIT);
    pg_receive(self, on_exit_do, "exit");
    pg_receive(self, on_fail, "fail");
    pg_receive(self, on_segv, "segv");
    pg_receive(self, on_hang, "hang");
    pg_receive(self, on_name, "name");
    pg_send(*main_pid, "started", pg_name(self), self);
    CHECK_EQ(pg_started(self), PG_OK);
}

static inline void fail_at_once(pg_process *self)
{
    pg_send(first_arg(self), "failing", pg_name(self), pg_now());
    pg_fail(self, "it always fails");
}

/* Neither starts nor ends, but by force. */
static inline void never_say(pg_process *self)
{
    pg_sleep(self, PG_SECONDS(3600));
}

#define ARGS(self) pg_tuple_of(1, (const pg_value[]){pg_v_process(self)})

static inline pg_child worker(pg_process *self, const char *id)
{
    static pg_value main_pid[1];
    main_pid[0] = pg_v_process(self);
    return (pg_child){.id = id, .target = work, .spawn = {.args = pg_tuple_of(1, main_pid)}, .start_timeout = PATIENCE};
}

/* --------------------------------------------------------------------------------------------------- what main sees */

/* The next message has to be (what, name, ...); its third value, if that is a pid. */
static inline pg_pid expect_event(pg_process *self, const char *what, const char *name, int line)
{
    const pg_message *msg = next_of(self);
    char text[600];
    pg_format_message(text, sizeof text, msg);
    bool is_it = pg_count(msg) >= 2 && pg_matches(pg_get(NULL, msg, 0), what) && pg_matches(pg_get(NULL, msg, 1), name);
    if (!is_it) CHECK_FAIL("at line %d expected (\"%s\", \"%s\", ...), but got %s", line, what, name, text);
    return pg_count(msg) > 2 ? pg_get_pid(NULL, msg, 2) : (pg_pid){0};
}

#define EVENT(self, what, name) expect_event(self, what, name, __LINE__)
#define EVENT_ANY(self, what) CHECK(pg_matches(pg_get(NULL, next_of(self), 0), what))

/* The supervisor's exit, which is linked to main. */
static inline pg_exit_info exit_of(pg_process *self, pg_pid pid)
{
    const pg_message *msg;
    pg_exit_info why;
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, pid), PG_OK);
    pg_get_exit(self, msg, 0, &why);
    return why;
}

static inline void survive(pg_process *self)
{
    pg_receive(self, ignore, PG_EXIT, PG_PID);
}

static inline pg_child_info info_of(pg_process *self, pg_pid sup, const char *id)
{
    pg_child_info all[32];
    int64_t count = pg_supervisor_children(self, sup, 32, all, PATIENCE);
    CHECK(count >= 0 && count <= 32);
    for (int64_t i = 0; i < count; i++) {
        if (strcmp(all[i].id, id) == 0) return all[i];
    }
    return (pg_child_info){.id = ""};
}

/* Until a child that has ended waits to be started again, or, where this thread was late, has been. */
static inline void await_waiting(pg_process *self, pg_pid sup, const char *id)
{
    uint64_t before = info_of(self, sup, id).restarts;
    for (int64_t until = pg_now() + PATIENCE; pg_now() < until; pg_yield(self)) {
        pg_child_info info = info_of(self, sup, id);
        if (info.state == PG_CHILD_WAITING || info.restarts != before) return;
    }
    CHECK_FAIL("child \"%s\" does not wait to be started again", id);
}

static inline void end_supervisor(pg_process *self, pg_pid sup)
{
    CHECK_EQ(pg_terminate(sup), PG_OK);
    CHECK_EQ(exit_of(self, sup).kind, PG_EXIT_NORMAL);
}

static const pg_supervisor_options quick = {.backoff_min = PG_MS(1), .backoff_max = PG_MS(1), .jitter = -1};

#endif
