/* exit_rules_test.c - links, exits, traps and ends: random programs of them, beside a reference that is plain.
 *
 * A program is some thirty steps.  Processes spawn others and link with them, link with any, unlink, change their
 * receivers, and end in each way there is, one alone or several at once.  The reference, `model`, knows the rules and
 * nothing else: who ends tells all that he is linked with, once each; who is told and has no receiver for that, ends.
 * After each step the program waits until every process is as the model has it: who has ended, and how; who has got how
 * many exits, of whom, of which kind, with which error.  One exit too many is a failure at once; so is one at the end.
 *
 * A step may only set off ends whose outcome no schedule changes: it begins when nothing is on its way.  Where several
 * are told to end at once, and one of them may as well end by another, how it ended is not asked.
 *
 * PG_TEST_MS: how long programs are tried for each kind of process; PG_TEST_SEED, PG_TEST_PROGRAM: this one alone. */
#include <stdarg.h>

#include "conformance.h"

enum { MOST = 8, STEPS = 30, A_RUNTIME = 10, KEPT = 1000 };

/* -------------------------------------------------------------------------------------------------- the processes */

/* How one receives; the first two are bits. */
enum { TRAPS = 1, TELLS = 2, BLOCKS = 4 };

typedef enum order {
    SPAWN, /* linked with whoever spawns */
    LINK,
    UNLINK,
    CHANGE,
    REPORT,
    EXIT, /* from here on it ends; the last three by what is sent to it */
    FAIL,
    FAIL_WITH,
    TERMINATE,
    TERMINATE_WITH,
    UNHANDLED,
    ORDERS
} order;

static const char *const order_names[] = {"spawn", "link",      "unlink",    "change",         "report",   "exit",
                                          "fail",  "fail with", "terminate", "terminate with", "unhandled"};

/* What a process has been told of the end of another one. */
typedef struct notice {
    pg_pid of;
    int64_t count, kind, error; /* the last one's */
} notice;

typedef struct memory {
    size_t used;
    notice notices[4 * MOST];
} memory;

static void note(pg_process *self, const pg_message *msg)
{
    memory *m = pg_data(self);
    pg_exit_info why;
    pg_get_exit(self, msg, 0, &why);
    pg_pid of = pg_get_pid(self, msg, 1);
    const pg_term *error = pg_get_error(self, msg, 0);
    size_t i = 0;
    while (i < m->used && !pg_same(m->notices[i].of, of)) i++;
    if (i == m->used) m->notices[m->used++] = (notice){.of = of};
    m->notices[i].count++;
    m->notices[i].kind = why.kind;
    m->notices[i].error = error && pg_term_type(error) == PG_T_INT ? pg_term_int(self, error) : -1;
}

static void report(pg_process *self, pg_ref ref)
{
    const pg_message *msg;
    memory *m = pg_data(self);
    pg_value fields[4 * MOST][4], rows[4 * MOST];
    while (pg_recv_match(self, &msg, 0, PG_EXIT, PG_PID) == PG_OK) note(self, msg); /* of one that blocks */
    for (size_t i = 0; i < m->used; i++) {
        const notice *n = &m->notices[i];
        fields[i][0] = PG_V(n->of);
        fields[i][1] = PG_V(n->count);
        fields[i][2] = PG_V(n->kind);
        fields[i][3] = PG_V(n->error);
        rows[i] = pg_tuple_of(4, fields[i]);
    }
    pg_send(pg_main(pg_runtime_of(self)), "done", ref, pg_list_of(m->used, rows));
}

static void lives(pg_process *self);
static pg_table tables[4];

/* Of one that has ended it may be said that it has. */
static void unlink_from(pg_process *self, pg_pid other, bool lives)
{
    int status = pg_unlink(self, other);
    CHECK(status == PG_OK || (status == PG_ENOPROC && !lives));
}

static void obey(pg_process *self, const pg_message *msg)
{
    pg_ref ref = pg_get_ref(self, msg, 1);
    pg_pid other = pg_get_pid(self, msg, 3);
    int64_t number = pg_get_int(self, msg, 4);
    switch ((order)pg_get_int(self, msg, 2)) {
    case SPAWN:
        other = good(pg_spawn_link(self, lives, .kind = (pg_kind)(number / 8), .args = pg_tuple(number % 8)));
        break;
    case LINK: CHECK_EQ(pg_link(self, other), PG_OK); break;
    case UNLINK: unlink_from(self, other, number); break;
    case CHANGE: CHECK_EQ(pg_use(self, &tables[number]), PG_OK); break;
    case REPORT: report(self, ref); return;
    case EXIT: pg_exit(self);
    case FAIL: pg_fail(self, "as it was told");
    case FAIL_WITH: pg_fail_with(self, number);
    default: CHECK_FAIL("no order");
    }
    pg_send(pg_main(pg_runtime_of(self)), "done", ref, other);
}

static void tell(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_send(pg_main(pg_runtime_of(self)), "told", self);
}

static void define(pg_table *table, int how)
{
    pg_on(table, obey, "order", PG_REF, PG_INT, PG_PID, PG_INT);
    if (how & TRAPS) pg_on(table, note, PG_EXIT, PG_PID);
    if (how & TELLS) pg_on(table, tell, PG_EXIT);
}

static void define_none(pg_table *table)
{
    define(table, 0);
}

static void define_traps(pg_table *table)
{
    define(table, TRAPS);
}

static void define_tells(pg_table *table)
{
    define(table, TELLS);
}

static void define_both(pg_table *table)
{
    define(table, TRAPS | TELLS);
}

static pg_table tables[4] = {PG_TABLE(define_none), PG_TABLE(define_traps), PG_TABLE(define_tells),
                             PG_TABLE(define_both)};

static void release(void *kept)
{
    pg_release(kept);
}

/* One that blocks leaves exits that it has a receiver for in the mailbox, until it reports. */
static void lives(pg_process *self)
{
    int64_t how = pg_get_int(self, pg_args(self), 0);
    memory *m = calloc(1, sizeof *m);
    CHECK(m);
    pg_set_data(self, m);
    CHECK_EQ(pg_defer(self, free, m), PG_OK);
    CHECK_EQ(pg_use(self, &tables[how & 3]), PG_OK);
    while (how & BLOCKS) {
        const pg_message *msg;
        CHECK_EQ(pg_recv_match(self, &msg, PG_FOREVER, "order", PG_REF, PG_INT, PG_PID, PG_INT), PG_OK);
        const pg_message *kept = pg_keep(self, msg); /* who is to report receives again */
        CHECK(kept);
        CHECK_EQ(pg_defer(self, release, (void *)(uintptr_t)kept), PG_OK);
        obey(self, kept);
        CHECK_EQ(pg_undefer(self, release, (void *)(uintptr_t)kept), PG_OK);
        pg_release(kept);
    }
}

/* -------------------------------------------------------------------------------------------------- the reference */

enum { UNASKED = -2 }; /* a kind, or an error, that may be any */

typedef struct model {
    int count;
    bool alive[MOST];
    int how[MOST], kind[MOST];
    int64_t error[MOST]; /* that it ended with; -1: none, or no number */
    bool linked[MOST][MOST];
    int64_t got[MOST][MOST], got_kind[MOST][MOST], got_error[MOST][MOST];
    int told, perhaps_told; /* to terminate, and has said so */
} model;

static void ends(model *m, int who, int kind, int64_t error);

static void is_told(model *m, int who, int of, int64_t error)
{
    if (!m->alive[who]) return;
    if (!(m->how[who] & TRAPS)) {
        ends(m, who, PG_EXIT_UNHANDLED_EXIT, UNASKED);
        return;
    }
    m->got[who][of]++;
    m->got_kind[who][of] = m->kind[of];
    m->got_error[who][of] = error;
}

static void ends(model *m, int who, int kind, int64_t error)
{
    if (!m->alive[who]) return;
    m->alive[who] = false;
    m->kind[who] = kind;
    m->error[who] = error;
    for (int i = 0; i < m->count; i++) {
        if (!m->linked[who][i]) continue;
        m->linked[who][i] = m->linked[i][who] = false;
        is_told(m, i, who, error);
    }
}

static void links(model *m, int who, int with)
{
    if (m->alive[with])
        m->linked[who][with] = m->linked[with][who] = true;
    else
        is_told(m, who, with, UNASKED); /* how it ended is remembered, its error is not */
}

static int kind_of_end(order by)
{
    return by == EXIT || by == TERMINATE ? PG_EXIT_NORMAL
           : by == UNHANDLED             ? PG_EXIT_UNHANDLED_MESSAGE
                                         : PG_EXIT_FAILED;
}

static int64_t error_of_end(order by, int64_t number)
{
    return by == FAIL_WITH || by == TERMINATE_WITH ? number : by == EXIT || by == TERMINATE ? -1 : UNASKED;
}

/* Several at once.  Whoever of them may be told of an end before his own order comes, may end by that. */
static void end_together(model *m, const bool chosen[MOST], const order by[MOST], int64_t number)
{
    model after = *m;
    for (int i = 0; i < m->count; i++) {
        if (chosen[i]) ends(&after, i, kind_of_end(by[i]), error_of_end(by[i], number));
    }
    int clear[MOST];
    for (int i = 0; i < m->count; i++) {
        clear[i] = true;
        for (int j = 0; j < m->count; j++) {
            if (chosen[i] && !(m->how[i] & TRAPS) && m->linked[i][j] && !after.alive[j]) clear[i] = false;
        }
    }
    *m = after;
    for (int i = 0; i < m->count; i++) {
        if (clear[i]) continue;
        m->kind[i] = UNASKED;
        m->error[i] = UNASKED;
        for (int j = 0; j < m->count; j++) {
            if (m->got[j][i] > 0) m->got_kind[j][i] = m->got_error[j][i] = UNASKED;
        }
    }
}

/* -------------------------------------------------------------------------------------------------- the comparison */

static uint64_t seed, program, os_failures;
static pg_pid pids[MOST];
static char story[STEPS * 80];

#define DIFFERS(...)                                                                               \
    do {                                                                                           \
        printf("PG_TEST_SEED=%" PRIu64 " PG_TEST_PROGRAM=%" PRIu64 ":\n%s", seed, program, story); \
        CHECK_FAIL(__VA_ARGS__);                                                                   \
    } while (0)

static void say(const char *format, ...) PG_FORMAT(1, 2);
static void say(const char *format, ...)
{
    size_t used = strlen(story);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(story + used, sizeof story - used, format, arguments);
    va_end(arguments);
}

/* Orders one to do something, and waits until it has. */
static const pg_message *command(pg_process *self, int who, order what, pg_pid other, int64_t number)
{
    const pg_message *msg;
    pg_ref ref = pg_make_ref();
    int status = pg_send(pids[who], "order", ref, (int)what, other, number);
    if (status == PG_OK) status = pg_recv_match(self, &msg, PATIENCE, "done", ref, PG_ANY);
    if (status != PG_OK) DIFFERS("%d does not %s: %s", who, order_names[what], pg_strerror(status));
    return msg;
}

/* The program remembers a thousand failures of its operating-system processes. */
static bool may_be_forgotten(int64_t kind)
{
    return kind == PG_EXIT_UNKNOWN && os_failures > KEPT;
}

/* Whether the living one has got what the model has; never more. */
static bool has_got_all(pg_process *self, const model *m, int who)
{
    int64_t got[MOST] = {0};
    const pg_term *rows = pg_get(self, command(self, who, REPORT, (pg_pid){0}, 0), 2);
    for (size_t r = 0; r < pg_term_count(self, rows); r++) {
        const pg_term *row = pg_term_at(self, rows, r);
        int of = 0;
        while (of < m->count && !pg_same(pids[of], pg_term_pid(self, pg_term_at(self, row, 0)))) of++;
        CHECK(of < m->count);
        got[of] = pg_term_int(self, pg_term_at(self, row, 1));
        int64_t kind = pg_term_int(self, pg_term_at(self, row, 2)), error = pg_term_int(self, pg_term_at(self, row, 3));
        if (got[of] > m->got[who][of])
            DIFFERS("%d has got %" PRId64 " exits of %d instead of %" PRId64, who, got[of], of, m->got[who][of]);
        if (got[of] < m->got[who][of]) continue;
        if (m->got_kind[who][of] != UNASKED && kind != m->got_kind[who][of] && !may_be_forgotten(kind))
            DIFFERS("%d has got an exit of %d of kind %" PRId64 " instead of %" PRId64, who, of, kind,
                    m->got_kind[who][of]);
        if (m->got_error[who][of] != UNASKED && error != m->got_error[who][of])
            DIFFERS("%d has got an exit of %d with %" PRId64 " instead of %" PRId64, who, of, error,
                    m->got_error[who][of]);
    }
    return memcmp(got, m->got[who], sizeof got) == 0;
}

static void compare(pg_process *self, const model *m)
{
    for (int i = 0; i < m->count; i++) {
        pg_exit_info why = {.kind = PG_EXIT_UNKNOWN};
        if (m->alive[i]) continue;
        if (pg_wait(pids[i], PATIENCE, &why) != PG_OK) DIFFERS("%d has not ended", i);
        if (m->kind[i] != UNASKED && (int)why.kind != m->kind[i] && !may_be_forgotten((int)why.kind))
            DIFFERS("%d has ended by %d instead of %d: %s", i, why.kind, m->kind[i], why.text);
    }
    for (int i = 0; i < m->count; i++) {
        int64_t since = check_now_ns();
        while (m->alive[i] && !has_got_all(self, m, i)) {
            if (check_now_ns() - since > PATIENCE) DIFFERS("%d has not got all its exits", i);
            pg_sleep(self, PG_MS(1));
        }
    }
}

/* ------------------------------------------------------------------------------------------------------- the steps */

static unsigned below(uint64_t *random, unsigned n)
{
    return (unsigned)(check_random(random) % n);
}

static int any_living(const model *m, uint64_t *random)
{
    int living[MOST], n = 0;
    for (int i = 0; i < m->count; i++) {
        if (m->alive[i]) living[n++] = i;
    }
    return n > 0 ? living[below(random, (unsigned)n)] : -1;
}

/* Of the default kind, or of another one. */
static pg_kind draw_kind(uint64_t *random)
{
    unsigned n = below(random, 8);
    return n == 0 ? PG_GREEN : n == 1 ? PG_THREAD : PG_KIND_DEFAULT;
}

static void step_spawn(pg_process *self, model *m, uint64_t *random)
{
    int parent = any_living(m, random), child = m->count, how = (int)below(random, 8);
    pg_kind kind = draw_kind(random);
    if (child == MOST) return;
    bool linked = parent >= 0 && below(random, 2) == 0;
    if (linked) {
        pids[child] = pg_get_pid(self, command(self, parent, SPAWN, (pg_pid){0}, (int64_t)kind * 8 + how), 2);
    } else {
        pids[child] = good(pg_spawn(self, lives, .kind = kind, .args = pg_tuple(how)));
    }
    say("  spawn %d of kind %d, how %d, linked with %d\n", child, kind, how, linked ? parent : -1);
    m->count++;
    m->alive[child] = true;
    m->how[child] = how;
    if (linked) links(m, parent, child);
}

static void step_link(pg_process *self, model *m, uint64_t *random, bool on)
{
    int who = any_living(m, random), with = (int)below(random, (unsigned)m->count);
    if (who == with) return;
    say("  %s %d with %d\n", on ? "link" : "unlink", who, with);
    command(self, who, on ? LINK : UNLINK, pids[with], m->alive[with]);
    if (on)
        links(m, who, with);
    else
        m->linked[who][with] = m->linked[with][who] = false;
}

static void step_change(pg_process *self, model *m, uint64_t *random)
{
    int who = any_living(m, random), how = (int)below(random, 4);
    say("  change %d to how %d\n", who, how);
    command(self, who, CHANGE, (pg_pid){0}, how);
    m->how[who] = (m->how[who] & BLOCKS) | how;
}

static void tell_to_end(int who, order by, int64_t number)
{
    int status = by == TERMINATE        ? pg_terminate(pids[who])
                 : by == TERMINATE_WITH ? pg_terminate_with(pids[who], number)
                 : by == UNHANDLED      ? pg_send(pids[who], "nobody handles this")
                                        : pg_send(pids[who], "order", pg_make_ref(), (int)by, pids[who], number);
    if (status != PG_OK && status != PG_ENOPROC) DIFFERS("%d cannot be told to end: %s", who, pg_strerror(status));
}

/* One, or several at once. */
static void step_end(model *m, uint64_t *random)
{
    bool chosen[MOST] = {false}, told[MOST];
    order by[MOST];
    int64_t number = (int64_t)below(random, 1000);
    unsigned many = below(random, 3) == 0 ? 2 + below(random, 2) : 1;
    for (unsigned i = 0; i < many; i++) chosen[any_living(m, random)] = true;
    for (int i = 0; i < m->count; i++) {
        by[i] = (order)(EXIT + below(random, ORDERS - EXIT));
        if (by[i] == UNHANDLED && (m->how[i] & BLOCKS)) by[i] = FAIL; /* its receive leaves the message where it is */
        told[i] = (by[i] == TERMINATE || by[i] == TERMINATE_WITH) && (m->how[i] & TELLS) && chosen[i];
        if (chosen[i]) say("  %d ends: %s %" PRId64 "%s\n", i, order_names[by[i]], number, many > 1 ? ", at once" : "");
    }
    for (int i = 0; i < m->count; i++) {
        if (chosen[i]) tell_to_end(i, by[i], number);
        if (told[i] && many == 1)
            m->told++;
        else if (told[i])
            m->perhaps_told++; /* another end may be faster */
    }
    end_together(m, chosen, by, number);
}

static void step(pg_process *self, model *m, uint64_t *random)
{
    unsigned n = below(random, 20);
    if (n < 5 || any_living(m, random) < 0)
        step_spawn(self, m, random);
    else if (n < 13)
        step_link(self, m, random, n < 11);
    else if (n < 16)
        step_change(self, m, random);
    else
        step_end(m, random);
}

static void run_program(pg_process *self)
{
    uint64_t random = seed + program * 1000003;
    const pg_message *msg;
    model m = {0};
    story[0] = '\0';
    for (int i = 0; i < STEPS; i++) {
        step(self, &m, &random);
        compare(self, &m);
    }
    int told = 0;
    while (pg_recv_match(self, &msg, 0, "told", PG_PID) == PG_OK) told++;
    if (told < m.told || told > m.told + m.perhaps_told)
        DIFFERS("%d were told to terminate and said so, instead of %d, perhaps %d more", told, m.told, m.perhaps_told);
    for (int i = 0; i < m.count; i++) {
        if (m.alive[i]) tell_to_end(i, TERMINATE, 0);
    }
    for (int i = 0; i < m.count; i++) {
        CHECK_EQ(pg_wait(pids[i], PATIENCE, NULL), PG_OK);
        if (the_kind == PG_OS) os_failures++;
    }
    while (pg_recv_match(self, &msg, 0, "told", PG_PID) == PG_OK) continue;
    expect_nothing(self);
}

/* A runtime of their own for some at a time: it remembers a thousand failures. */
static void run_some(uint64_t many)
{
    pg_runtime *rt = start_runtime();
    pg_process *self = pg_attach(rt, "main");
    CHECK(self);
    for (uint64_t i = 0; i < many; i++, program++) run_program(self);
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

static void programs(pg_process *unused)
{
    const char *only = getenv("PG_TEST_PROGRAM");
    int64_t until = check_now_ns() + check_duration_ms(SANITIZED ? 1000 : 500) * 1000000;
    uint64_t first = only ? strtoull(only, NULL, 0) : 0;
    (void)unused;
    program = first;
    os_failures = 0;
    do run_some(only ? 1 : A_RUNTIME);
    while (!only && check_now_ns() < until);
    printf("%" PRIu64 " programs\n", program - first);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {CASE_REAL(programs, "it starts another runtime")};
    seed = check_seed();
    return RUN_CASES(cases);
}
