/* misuse_test.c - wrong input and shortage: each gives its documented error, and harms nobody.
 *
 * After each case the runtime still works: run_case() stops it, which waits for all of its processes. */
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"
#include "runtime/memory.h"

static void do_nothing(pg_process *self)
{
    (void)self;
}

static void ignore(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

static void idle(pg_process *self)
{
    pg_receive(self, ignore, "ignored");
}

/* ------------------------------------------------------------------------------------------------------ bad pids */

static void expect_no_process(pg_process *self, pg_pid pid)
{
    const pg_message *msg;
    pg_exit_info why;
    CHECK_EQ(pg_send(pg_self(self), 1), PG_OK);
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    CHECK_EQ(pg_forward(pid, msg), PG_ENOPROC);
    CHECK_EQ(pg_send(pid, "x", 1), PG_ENOPROC);
    CHECK_EQ(pg_send(pid), PG_ENOPROC);
    CHECK_EQ(pg_terminate(pid), PG_ENOPROC);
    CHECK_EQ(pg_terminate_with(pid, "error"), PG_ENOPROC);
    CHECK_EQ(pg_wait(pid, PATIENCE, &why), PG_ENOPROC);
    CHECK_EQ(pg_wait(pid, 0, NULL), PG_ENOPROC);
    CHECK_EQ(pg_why(pid, &why), PG_ENOPROC);
    CHECK(!pg_is_alive(pid));
    int linked = pg_link(self, pid), unlinked = pg_unlink(self, pid);
    CHECK(linked == PG_ENOPROC || linked == PG_EINVAL); /* the latter: it might be of another runtime */
    CHECK(unlinked == PG_ENOPROC || unlinked == PG_EINVAL);
}

static void pids_that_name_nobody(pg_process *self)
{
    pg_pid own = pg_self(self);
    pg_pid failed = pg_spawn(self, NULL);
    CHECK_EQ(pg_pid_status(failed), PG_EINVAL);
    CHECK_EQ(pg_pid_status((pg_pid){0}), PG_ENOPROC);
    CHECK_EQ(pg_pid_status((pg_pid){UINT64_C(1) << 40}), PG_ENOPROC);
    CHECK_EQ(pg_pid_status(own), PG_OK);
    expect_no_process(self, (pg_pid){0});
    expect_no_process(self, failed);
    expect_no_process(self, (pg_pid){12345});
    expect_no_process(self, (pg_pid){UINT64_MAX});
    expect_no_process(self, (pg_pid){own.id ^ UINT64_C(0xfffff)});                  /* no such slot */
    expect_no_process(self, (pg_pid){own.id + (UINT64_C(3) << 28)});                /* not yet lived there */
    expect_no_process(self, (pg_pid){own.id & ~(((UINT64_C(1) << 24) - 1) << 28)}); /* never did */
    uint64_t state = 1;
    for (int i = 0; i < 1000; i++) {
        pg_pid random = {check_random(&state)};
        if (!pg_same(random, own)) CHECK_EQ(pg_send(random, i), PG_ENOPROC);
    }
}

static void pids_of_the_dead(pg_process *self)
{
    pg_pid dead = good(pg_spawn(self, do_nothing));
    end_of(dead);
    for (int i = 0; i < scaled(2000, 100); i++) {
        pg_pid next = good(pg_spawn(self, do_nothing));
        end_of(next);
        CHECK(!pg_same(next, dead));
    }
    CHECK_EQ(pg_send(dead, 1), PG_ENOPROC);
    CHECK_EQ(pg_terminate(dead), PG_ENOPROC);
    CHECK_EQ(pg_unlink(self, dead), PG_ENOPROC);
    CHECK_EQ(pg_pid_status(dead), PG_OK);
    CHECK_EQ(end_of(dead).kind, PG_EXIT_NORMAL);
}

static void to_oneself_and_abroad(pg_process *self)
{
    pg_runtime *other = start_runtime();
    pg_process *there = pg_attach(other, "there");
    CHECK_EQ(pg_send(pg_self(self), "me"), PG_OK);
    EXPECT(self, "(\"me\")");
    CHECK_EQ(pg_send(pg_self(there), "you", self), PG_OK);
    CHECK(pg_same(pg_get_pid(NULL, next_of(there), 1), pg_self(self)));
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
    CHECK_EQ(pg_send(pg_self(there), "nobody"), PG_ENOPROC);
    pg_detach(there);
}

/* ---------------------------------------------------------------------------------------------------- bad values */

#define SEVENTEEN 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17

static pg_value nested_values[100];

/* A tuple in a tuple, in all `depth` of them. */
static pg_value nested(int depth)
{
    nested_values[0] = pg_v_int(1);
    for (int i = 1; i <= depth; i++) nested_values[i] = pg_tuple_of(1, &nested_values[i - 1]);
    return nested_values[depth];
}

static void values_that_are_none(pg_process *self)
{
    const pg_message *msg;
    pg_pid own = pg_self(self);
    pg_value tuple_of_null = pg_tuple_of(2, NULL);
    const struct bad {
        pg_value value;
        int status;
    } bad[] = {
        {pg_v_uint(UINT64_MAX), PG_EINVAL},
        {pg_v_uint((uint64_t)INT64_MAX + 1), PG_EINVAL},
        {pg_dict_of(3, (const pg_value[]){pg_v_int(1), pg_v_int(2), pg_v_int(3)}), PG_EINVAL},
        {tuple_of_null, PG_EINVAL},
        {pg_v_process(NULL), PG_EINVAL},
        {pg_v_term(NULL), PG_EINVAL},
        {pg_v_make((pg_type)200, 0, 0), PG_EINVAL},
        {pg_strn(NULL, 100), PG_EINVAL},
        {PG_ANY, PG_EINVAL},
        {PG_ETC, PG_EINVAL},
        {PG_INT, PG_EINVAL},
        {pg_tuple_of(1, (const pg_value[]){PG_ANY}), PG_EINVAL},
        {nested(65), PG_ETOOMANY},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[100];
        int sent = pg_send(own, 1, bad[i].value), ended = pg_terminate_with(own, bad[i].value);
        CHECK_EQ(sent, bad[i].status);
        CHECK_EQ(ended, bad[i].status);
        if (i < 6) CHECK_EQ(pg_pid_status(pg_spawn(self, do_nothing, .args = bad[i].value)), PG_EINVAL);
        CHECK(pg_format_value(text, sizeof text, bad[i].value) > 0);
    }
    CHECK_EQ(pg_send_values(own, 1, NULL), PG_EINVAL);
    CHECK_EQ(pg_pid_status(pg_spawn(self, do_nothing, .args = pg_v_int(1))), PG_EINVAL);
    expect_nothing(self);
    CHECK_EQ(pg_send(own, nested(64)), PG_OK);
    CHECK_EQ(pg_recv(self, &msg, 0), PG_OK);
    const pg_term *term = pg_get(NULL, msg, 0);
    for (int i = 0; i < 64; i++) term = pg_term_at(NULL, term, 0);
    CHECK_EQ(pg_term_int(NULL, term), 1);
    /* A message handed on does not grow, but a part of it in a new tuple may. */
    CHECK_EQ(pg_send(own, pg_tuple(pg_get(NULL, msg, 0))), PG_ETOOMANY);
}

static void define_seventeen(pg_table *t)
{
    int status = pg_on(t, ignore, SEVENTEEN);
    CHECK_EQ(status, PG_ETOOMANY);
}

static pg_table seventeen = PG_TABLE(define_seventeen);

static void seventeen_values(pg_process *self)
{
    const pg_message *msg;
    int status = pg_send(pg_self(self), SEVENTEEN);
    CHECK_EQ(status, PG_ETOOMANY);
    status = pg_receive(self, ignore, SEVENTEEN);
    CHECK_EQ(status, PG_ETOOMANY);
    status = pg_recv_match(self, &msg, 0, SEVENTEEN);
    CHECK_EQ(status, PG_ETOOMANY);
    pg_pid pid = pg_spawn(self, do_nothing, .args = pg_tuple(SEVENTEEN));
    CHECK_EQ(pg_pid_status(pid), PG_ETOOMANY);
    CHECK_EQ(pg_use(self, &seventeen), PG_ETOOMANY);
    CHECK_EQ(pg_pid_status(pg_spawn(self, NULL, .table = &seventeen)), PG_ETOOMANY);
    status = pg_send(pg_self(self), pg_tuple(SEVENTEEN)); /* inside of a tuple there is room */
    CHECK_EQ(status, PG_OK);
    CHECK_EQ(pg_term_count(NULL, pg_get(NULL, next_of(self), 0)), 17);
}

/* ---------------------------------------------------------------------------------------------------- bad patterns */

static void define_etc_first(pg_table *t)
{
    CHECK_EQ(pg_on(t, ignore, PG_ETC, 1), PG_EPATTERN);
    CHECK_EQ(pg_on(t, ignore, 1), PG_OK);
}

static pg_table etc_first = PG_TABLE(define_etc_first);

static void etc_in_the_middle(pg_process *self)
{
    const pg_message *msg;
    pg_pid pid = good(pg_spawn(self, idle));
    int refused[] = {
        pg_receive(self, ignore, PG_ETC, 1),
        pg_receive(self, ignore, 1, PG_ETC, PG_ETC),
        pg_receive(self, ignore, 1, pg_tuple(PG_ETC, 2)),
        pg_receive(self, ignore, pg_list(1, PG_ETC, 2), 2),
        pg_receive(self, ignore, pg_dict("k", PG_ETC)),
        pg_receive(self, ignore, pg_dict(PG_ANY, 1)),
        pg_receive(self, ignore, pg_dict(PG_INT, 1)),
        pg_recv_match(self, &msg, PATIENCE, PG_ETC, 1),
        pg_recv_match(self, &msg, PATIENCE, pg_tuple(PG_ETC, PG_INT)),
        pg_use(self, &etc_first),
        pg_pid_status(pg_spawn(self, NULL, .table = &etc_first)),
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) CHECK_EQ(refused[i], PG_EPATTERN);
    CHECK(log_has("refused"));
    CHECK_EQ(pg_receive(self, ignore, PG_WHERE(NULL)), PG_EINVAL);
    CHECK_EQ(pg_receive(self, ignore, pg_v_uint(UINT64_MAX)), PG_EINVAL);
    CHECK_EQ(pg_receive(self, NULL, 1), PG_EINVAL);
    CHECK_EQ(pg_receive(NULL, ignore, 1), PG_EINVAL);
    CHECK_EQ(pg_receive_values(self, ignore, 1, NULL), PG_EINVAL);
    CHECK_EQ(pg_receive(self, ignore, nested(65)), PG_ETOOMANY);
    CHECK_EQ(pg_receive(self, ignore, nested(64)), PG_OK);
    CHECK_EQ(pg_recv_match(NULL, &msg, 0, 1), PG_EINVAL);
    CHECK_EQ(pg_recv_match(self, NULL, 0, 1), PG_EINVAL);
    CHECK_EQ(pg_on(NULL, ignore, 1), PG_EINVAL);
    CHECK_EQ(pg_on(&etc_first, ignore, 1), PG_EINVAL); /* not while it is being defined */
    CHECK_EQ(pg_use(self, NULL), PG_EINVAL);
    pg_table empty = PG_TABLE(NULL);
    CHECK_EQ(pg_use(self, &empty), PG_EINVAL);
    CHECK(pg_is_alive(pid));
}

/* ------------------------------------------------------------------------------------------------------ accessors */

/* The last value of the message says which accessor is to be misused. */
static void misuse(pg_process *self, const pg_message *msg)
{
    size_t length;
    int accessor = (int)pg_get_int(self, msg, 3);
    pg_exit_info why;
    const pg_term *text = pg_get(self, msg, 0), *number = pg_get(self, msg, 1), *dict = pg_get(self, msg, 2);
    switch (accessor) {
    case 0: pg_get_int(self, msg, 0); break;
    case 1: pg_get_float(self, msg, 1); break;
    case 2: pg_get_bool(self, msg, 1); break;
    case 3: pg_get_str(self, msg, 1); break;
    case 4: pg_get_bytes(self, msg, 0, &length); break;
    case 5: pg_get_pid(self, msg, 0); break;
    case 6: pg_get_ref(self, msg, 0); break;
    case 7: pg_get_ptr(self, msg, 1); break;
    case 8: pg_get_exit(self, msg, 1, &why); break;
    case 9: pg_get_error(self, msg, 0); break;
    case 10: pg_get(self, msg, 4); break;
    case 11: pg_get_int(self, msg, SIZE_MAX); break;
    case 12: pg_term_int(self, text); break;
    case 13: pg_term_float(self, number); break;
    case 14: pg_term_bool(self, text); break;
    case 15: pg_term_str(self, number, &length); break;
    case 16: pg_term_bytes(self, text, &length); break;
    case 17: pg_term_pid(self, text); break;
    case 18: pg_term_ref(self, number); break;
    case 19: pg_term_ptr(self, text); break;
    case 20: pg_term_count(self, text); break;
    case 21: pg_term_at(self, dict, 0); break;
    case 22: pg_term_key(self, dict, 1); break;
    case 23: pg_term_val(self, number, 0); break;
    case 24: pg_term_lookup(self, text, "key"); break;
    case 25: pg_term_int(self, pg_term_lookup(self, dict, "absent")); break;
    default: pg_exit(self);
    }
    CHECK_FAIL("misuse %d was let through", accessor);
}

static void misuser(pg_process *self)
{
    pg_receive(self, misuse, PG_STR, PG_INT, PG_DICT, PG_INT);
}

static void confused_types_fail(pg_process *self)
{
    pg_exit_info why;
    int accessor = 0;
    for (;; accessor++) {
        pg_pid proc = good(pg_spawn(self, misuser));
        CHECK_EQ(pg_send(proc, "text", 1, pg_dict("key", 2), accessor), PG_OK);
        why = end_of(proc);
        if (why.kind == PG_EXIT_NORMAL) break;
        CHECK_EQ(why.kind, PG_EXIT_FAILED);
        CHECK(begins(why.text, "argument ") || begins(why.text, "a term is ") || begins(why.text, "element "));
        if (accessor == 0) CHECK_STR(why.text, "argument 0 is str, not int: (\"text\", 1, {\"key\": 2}, 0)");
    }
    CHECK_EQ(accessor, 26);
}

static void without_a_process_they_are_neutral(pg_process *self)
{
    size_t length = 7;
    pg_exit_info why;
    CHECK_EQ(pg_send(pg_self(self), "text", 1, pg_bytes("\1\2", 2)), PG_OK);
    const pg_message *msg = next_of(self);
    const pg_term *text = pg_get(NULL, msg, 0);
    CHECK(pg_get(NULL, msg, 3) == NULL && pg_get(NULL, NULL, 0) == NULL);
    CHECK_EQ(pg_count(NULL), 0);
    CHECK_EQ(pg_get_int(NULL, msg, 0), 0);
    CHECK(pg_get_float(NULL, msg, 0) == 0.0);
    CHECK(!pg_get_bool(NULL, msg, 0));
    CHECK(pg_get_str(NULL, msg, 1) == NULL);
    CHECK(pg_get_bytes(NULL, msg, 0, &length) == NULL && length == 0);
    CHECK(memcmp(pg_get_bytes(NULL, msg, 2, &length), "\1\2", 2) == 0 && length == 2);
    CHECK(pg_get_bytes(NULL, msg, 2, NULL) != NULL);
    CHECK_EQ(pg_get_pid(NULL, msg, 0).id, 0);
    CHECK_EQ(pg_get_ref(NULL, msg, 0).id, 0);
    CHECK(pg_get_ptr(NULL, msg, 0) == NULL);
    pg_get_exit(NULL, msg, 0, &why);
    CHECK_EQ(why.kind, PG_EXIT_UNKNOWN);
    CHECK(pg_get_error(NULL, msg, 0) == NULL);
    CHECK_EQ(pg_term_type(NULL), PG_T_INVALID);
    CHECK_EQ(pg_term_int(NULL, text), 0);
    CHECK(pg_term_float(NULL, NULL) == 0.0 && !pg_term_bool(NULL, text));
    CHECK(pg_term_bytes(NULL, text, NULL) == NULL && pg_term_str(NULL, NULL, NULL) == NULL);
    CHECK(pg_term_pid(NULL, text).id == 0 && pg_term_ref(NULL, text).id == 0 && pg_term_ptr(NULL, text) == NULL);
    CHECK(pg_term_count(NULL, text) == 0 && pg_term_at(NULL, text, 0) == NULL);
    CHECK(pg_term_key(NULL, text, 0) == NULL && pg_term_val(NULL, text, 0) == NULL);
    CHECK(pg_term_lookup(NULL, text, 1) == NULL);
}

/* --------------------------------------------------------------------------------------------------------- NULLs */

static void nulls_are_refused(pg_process *self)
{
    const pg_message *msg;
    char text[8];
    pg_pid own = pg_self(self);
    CHECK(pg_attach(NULL, "x") == NULL);
    CHECK_EQ(pg_main(NULL).id, 0);
    CHECK_EQ(pg_pid_status(pg_spawn(NULL, do_nothing)), PG_EINVAL);
    CHECK_EQ(pg_pid_status(pg_spawn_link(NULL, do_nothing)), PG_EINVAL);
    CHECK_EQ(pg_pid_status(pg_spawn_in(NULL, do_nothing, NULL)), PG_EINVAL);
    CHECK_EQ(pg_pid_status(pg_spawn(self, NULL)), PG_EINVAL);
    CHECK_EQ(pg_pid_status(pg_spawn(self, do_nothing, .kind = (pg_kind)77)), PG_EINVAL);
    CHECK(pg_self(NULL).id == 0 && pg_data(NULL) == NULL && pg_runtime_of(NULL) == NULL);
    CHECK_EQ(pg_kind_of(NULL), PG_KIND_DEFAULT);
    CHECK_STR(pg_name(NULL), "");
    CHECK_EQ(pg_count(pg_args(NULL)), 0);
    pg_set_data(NULL, text);
    pg_detach(NULL);
    CHECK_EQ(pg_forward(own, NULL), PG_EINVAL);
    CHECK_EQ(pg_recv(NULL, &msg, 0), PG_EINVAL);
    CHECK_EQ(pg_recv(self, NULL, 0), PG_EINVAL);
    CHECK_EQ(pg_sleep(NULL, 1), PG_EINVAL);
    CHECK_EQ(pg_yield(NULL), PG_EINVAL);
    CHECK_EQ(pg_defer(NULL, free, NULL), PG_EINVAL);
    CHECK_EQ(pg_defer(self, NULL, NULL), PG_EINVAL);
    CHECK_EQ(pg_undefer(NULL, free, NULL), PG_EINVAL);
    CHECK_EQ(pg_undefer(self, NULL, NULL), PG_EINVAL);
    CHECK(!pg_matches(NULL, 1));
    CHECK(pg_format_message(text, sizeof text, NULL) > 0 && strlen(text) < sizeof text);
    CHECK(pg_format_term(NULL, 0, NULL) > 0);
    CHECK_EQ(pg_format_value(NULL, 0, pg_v_int(1234)), 4);
    for (int i = -20; i <= 5; i++) CHECK(strlen(pg_strerror(i)) > 5);
    CHECK_STR(pg_strerror(5), "unknown status");
}

static void bad_options(pg_process *self)
{
    (void)self;
    int status;
    pg_options bad[] = {
        {.workers = 257},
        {.kind = (pg_kind)9},
        {.stuck_after = -1},
        {.max_processes = UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        status = 1;
        bad[i].status = &status;
        CHECK(pg_start(&bad[i]) == NULL);
        CHECK_EQ(status, PG_EINVAL);
        bad[i].status = NULL;
        CHECK(pg_start(&bad[i]) == NULL);
    }
}

/* ------------------------------------------------------------------------------------------------ large and many */

static void a_huge_string(pg_process *self)
{
    size_t length = SANITIZED ? 10000000 : 100000000;
    char *text = malloc(length);
    CHECK(text != NULL);
    memset(text, 'x', length);
    text[length - 1] = 'y';
    int sent = pg_send(pg_self(self), pg_strn(text, length));
    free(text);
    CHECK_EQ(sent, PG_OK);
    size_t received;
    const char *got = pg_term_str(NULL, pg_get(NULL, next_of(self), 0), &received);
    CHECK_EQ(received, length);
    CHECK(got[0] == 'x' && got[length - 1] == 'y' && got[length] == '\0');
    expect_nothing(self); /* and so it is freed */
}

static void count_down(pg_process *self, const pg_message *msg)
{
    int64_t *next = pg_data(self);
    CHECK_EQ(pg_get_int(self, msg, 1), (*next)++);
}

static void tell_count(pg_process *self, const pg_message *msg)
{
    int64_t *next = pg_data(self);
    pg_send(pg_get_pid(self, msg, 1), *next);
}

static void counts(pg_process *self)
{
    const pg_message *msg;
    static int64_t next;
    next = 0;
    pg_set_data(self, &next);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "begin"), PG_OK);
    pg_receive(self, count_down, "count", PG_INT);
    pg_receive(self, tell_count, "told", PG_PID);
}

static void a_million_messages(pg_process *self)
{
    int64_t many = SANITIZED ? 30000 : 1000000;
    pg_pid proc = good(pg_spawn(self, counts));
    for (int64_t i = 0; i < many; i++) CHECK_EQ(pg_send(proc, "count", i), PG_OK);
    CHECK_EQ(pg_send(proc, "begin"), PG_OK);
    CHECK_EQ(pg_send(proc, "told", self), PG_OK);
    CHECK_EQ(next_int(self), many);
    pg_terminate(proc);
    end_of(proc);
}

static void more_than_allowed(pg_process *self)
{
    (void)self;
    uint32_t most = (uint32_t)scaled(1000, 100);
    static pg_pid pids[1000];
    pg_runtime *rt = pg_start(&(pg_options){
        .workers = the_workers, .kind = the_kind, .max_processes = most, .log = log_line, .log_context = &the_log});
    CHECK(rt != NULL);
    for (int round = 0; round < 2; round++) {
        uint32_t begun = 0, refused = 0;
        for (uint32_t i = 0; i < 5 * most; i++) {
            pg_pid pid = pg_spawn_in(rt, idle, NULL);
            if (pg_pid_status(pid) == PG_OK) {
                pids[begun++] = pid;
            } else {
                CHECK_EQ(pg_pid_status(pid), PG_ELIMIT);
                refused++;
            }
        }
        /* Slots of the dead rest for a moment, and workers keep a few for themselves. */
        CHECK(begun <= most && refused >= 4 * most);
        if (round == 0) CHECK_EQ(begun, most);
        for (uint32_t i = 0; i < begun; i++) CHECK_EQ(pg_terminate(pids[i]), PG_OK);
        for (uint32_t i = 0; i < begun; i++) CHECK_EQ(end_of(pids[i]).kind, PG_EXIT_NORMAL);
        int64_t limit = check_now_ns() + PATIENCE;
        pg_pid pid;
        while (pg_pid_status(pid = pg_spawn_in(rt, do_nothing, NULL)) == PG_ELIMIT && check_now_ns() < limit)
            usleep(100);
        CHECK_EQ(pg_pid_status(pid), PG_OK);
    }
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

/* -------------------------------------------------------------------------------------------------- failing code */

static void fails(pg_process *self)
{
    pg_fail(self, "in its target");
}

static void fails_again(void *argument)
{
    pg_get_int(pg_current(), argument, 99);
}

static void cleans_up_badly(pg_process *self)
{
    CHECK_EQ(pg_defer(self, fails_again, NULL), PG_OK);
    CHECK_EQ(pg_defer(self, fails_again, NULL), PG_OK);
    pg_fail(self, "the first reason");
}

static void failures_harm_nobody(pg_process *self)
{
    const pg_message *msg;
    pg_pid bystander = good(pg_spawn(self, idle));
    CHECK_STR(end_of(good(pg_spawn(self, fails))).text, "in its target");
    CHECK_STR(end_of(good(pg_spawn(self, cleans_up_badly))).text, "the first reason");
    pg_pid linked = good(pg_spawn_link(self, fails));
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, linked), PG_OK);
    CHECK_STR(pg_term_str(NULL, pg_get_error(NULL, msg, 0), NULL), "in its target");
    CHECK(pg_is_alive(bystander));
}

/* In a child of the test's own, since it ends the program. */
static void a_host_may_not_exit(pg_process *self)
{
    (void)self;
    if (SANITIZED) return;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(2);
        pg_process *host = pg_attach(start_runtime(), "host");
        if (host) pg_exit(host);
        _exit(3);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ------------------------------------------------------------------------------------------------ allocation fails */

static const char long_text[] = "a text that is longer than fourteen bytes, so that it needs memory in many places";

static void define_fresh(pg_table *t)
{
    pg_on(t, ignore, "fresh", PG_INT);
}

/* The counter of allocations is each operating-system process's own: what is spawned stays inside. */
static pg_kind near_kind(void)
{
    return the_kind == PG_OS ? PG_GREEN : the_kind;
}

static int number; /* so that patterns are new to the runtime each time */

static int try_send(pg_process *self)
{
    return pg_send(pg_self(self), long_text, pg_list(1, 2, long_text));
}

static int try_spawn(pg_process *self)
{
    return pg_pid_status(
        pg_spawn(self, do_nothing, .name = long_text, .args = pg_tuple(1, long_text), .kind = near_kind()));
}

static int try_spawn_link(pg_process *self)
{
    return pg_pid_status(
        pg_spawn_link(self, idle, .name = long_text, .args = pg_tuple(1, long_text), .kind = near_kind()));
}

static int try_spawn_thread(pg_process *self)
{
    return pg_pid_status(pg_spawn_link(self, do_nothing, .name = "thread", .kind = PG_THREAD));
}

static int try_spawn_table(pg_process *self)
{
    static pg_table tables[100];
    pg_table *table = &tables[number++];
    *table = (pg_table)PG_TABLE(define_fresh);
    return pg_pid_status(pg_spawn(self, do_nothing, .table = table, .kind = near_kind()));
}

static int try_receive(pg_process *self)
{
    return pg_receive(self, ignore, "new", number++, pg_list(long_text));
}

static int try_recv_match(pg_process *self)
{
    const pg_message *msg;
    int status = pg_recv_match(self, &msg, 0, "never", pg_list(long_text, long_text), pg_dict(1, long_text), long_text,
                               long_text, long_text, long_text, long_text, pg_tuple(long_text));
    return status == PG_ETIMEDOUT ? PG_OK : status;
}

static int try_defer(pg_process *self)
{
    return pg_defer(self, free, NULL);
}

static int try_terminate(pg_process *self)
{
    pg_pid pid = pg_spawn(self, do_nothing, .kind = near_kind());
    int status = pg_pid_status(pid);
    if (status == PG_OK) status = pg_terminate_with(pid, long_text);
    return status == PG_ENOPROC ? PG_OK : status;
}

static int try_forward(pg_process *self)
{
    return pg_forward(pg_self(self), pg_args(self));
}

static int try_keep(pg_process *self)
{
    const pg_message *kept = pg_keep(self, pg_args(self));
    pg_release(kept);
    return kept ? PG_OK : PG_ENOMEM;
}

static int try_attach(pg_process *self)
{
    pg_process *again = pg_attach(pg_runtime_of(self), long_text);
    if (again) pg_detach(again);
    return again ? PG_OK : PG_ENOMEM;
}

static int try_start(pg_process *self)
{
    int status;
    (void)self;
    pg_runtime *rt = pg_start(&(pg_options){.workers = 1, .status = &status});
    CHECK_EQ(rt != NULL, status == PG_OK);
    if (rt) CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    return status;
}

static void fail_long(pg_process *self)
{
    pg_fail(self, "%s", long_text);
}

/* Of the end of one that is monitored it is always told, if not why. */
static int try_monitor(pg_process *self)
{
    pg_ref ref;
    const pg_message *msg;
    pg_pid pid = pg_spawn(self, fail_long, .kind = near_kind());
    int status = pg_pid_status(pid);
    if (status == PG_OK) status = pg_monitor(self, pid, &ref);
    if (status != PG_OK) return status;
    status = pg_recv_match(self, &msg, PATIENCE, "down", ref, pid, PG_EXIT);
    CHECK_EQ(pg_demonitor(self, ref), status == PG_OK ? PG_EINVAL : PG_OK);
    return status;
}

static void answer_long(pg_process *self, const pg_message *msg)
{
    int status = pg_reply(msg, long_text, long_text);
    if (status == PG_ENOMEM) pg_fail(self, "no memory for the answer");
}

static void answering(pg_process *self)
{
    if (pg_receive(self, answer_long, "ask", PG_STR) != PG_OK) pg_exit(self);
}

static int try_call(pg_process *self)
{
    const pg_message *reply;
    pg_pid pid = pg_spawn(self, answering, .kind = near_kind());
    int status = pg_pid_status(pid);
    if (status == PG_OK) status = pg_call(self, pid, &reply, PATIENCE, "ask", long_text);
    pg_terminate(pid);
    return status == PG_ENOPROC ? PG_ENOMEM : status; /* it has ended for want of memory */
}

static int try_register(pg_process *self)
{
    int status = pg_register(pg_runtime_of(self), long_text, pg_self(self));
    if (status == PG_OK) CHECK_EQ(pg_unregister(pg_runtime_of(self), long_text), PG_OK);
    return status;
}

/* The nth allocation fails, for each n until none is left to fail. */
static void each_allocation(pg_process *self, const char *name, int (*attempt)(pg_process *self))
{
    for (long n = 1; n < 200; n++) {
        pgi_memory_fail(n);
        int status = attempt(self);
        pgi_memory_fail(0);
        if (status == PG_OK) return;
        if (status != PG_ENOMEM) CHECK_FAIL("%s, allocation %ld: %s", name, n, pg_strerror(status));
    }
    CHECK_FAIL("%s: never succeeds", name);
}

/* With all its attempts in the code of a process: its worker's caches are passed by, too. */
static void short_of_memory(pg_process *self)
{
    each_allocation(self, "send", try_send);
    each_allocation(self, "spawn", try_spawn);
    each_allocation(self, "spawn with a table", try_spawn_table);
    each_allocation(self, "spawn linked", try_spawn_link);
    each_allocation(self, "spawn a thread", try_spawn_thread);
    each_allocation(self, "receive", try_receive);
    each_allocation(self, "receive by a pattern", try_recv_match);
    each_allocation(self, "monitor", try_monitor);
    each_allocation(self, "call", try_call);
    each_allocation(self, "register", try_register);
    each_allocation(self, "defer", try_defer);
    each_allocation(self, "terminate", try_terminate);
    each_allocation(self, "forward", try_forward);
    each_allocation(self, "keep", try_keep);
    if (pg_kind_of(self) == PG_THREAD) {
        each_allocation(self, "attach", try_attach);
    } else {
        CHECK_EQ(try_attach(self), PG_ENOMEM); /* it says NULL, that is: this thread is a worker's */
    }
    if (pg_kind_of(self) != PG_OS && the_seed == 0) each_allocation(self, "start", try_start);
}

static void expects_exits(pg_process *self)
{
    number = 0;
    CHECK_EQ(pg_receive(self, ignore, PG_EXIT, PG_PID), PG_OK);
    short_of_memory(self);
    pg_exit(self);
}

static void shortage_changes_nothing(pg_process *self)
{
    pg_exit_info why = end_of(good(pg_spawn(self, expects_exits, .args = pg_tuple(long_text))));
    CHECK_STR(why.text, "");
    CHECK_EQ(why.kind, PG_EXIT_NORMAL);
    if (the_kind == PG_OS)
        return; /* here the bridge's memory would be short, which is the end of the one that has gone */
    number = 0;
    CHECK_EQ(pg_receive(self, ignore, PG_EXIT, PG_PID), PG_OK);
    short_of_memory(self);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(pids_that_name_nobody),
        CASE(pids_of_the_dead),
        CASE_REAL(to_oneself_and_abroad, "it starts another runtime"),
        CASE(values_that_are_none),
        CASE(seventeen_values),
        CASE(etc_in_the_middle),
        CASE(confused_types_fail),
        CASE(without_a_process_they_are_neutral),
        CASE(nulls_are_refused),
        CASE(bad_options),
        CASE(a_huge_string),
        CASE(a_million_messages),
        CASE_REAL(more_than_allowed, "it starts another runtime"),
        CASE(failures_harm_nobody),
        CASE(a_host_may_not_exit),
        CASE_REAL(shortage_changes_nothing, "it starts other runtimes"),
    };
    return RUN_CASES(cases);
}
