/* mixed.c - see mixed.h.  All of it runs on one thread, so that its books need no lock. */
#include "mixed.h"

#include <paragram.h>

#include "check.h"

enum { WORKERS = 40, AT_ONCE = 8, ACTIONS = 300 };

typedef struct worker {
    pg_pid pid;
    bool begun, ended, exit_seen, survives;
    int reported, reports_seen;
    pg_exit_kind why;                   /* it ends so by its own will; PG_EXIT_UNKNOWN: by another's */
    int links[WORKERS], exits[WORKERS]; /* with each of the others, and from it */
} worker;

static struct {
    uint64_t seed; /* 0: no run is under way */
    uint64_t random;
    pg_pid supervisor;
    worker workers[WORKERS];
    int used, actions;
    int64_t sent, handled;
} books;

static void say_seed(void)
{
    if (books.seed != 0) fprintf(stderr, "with seed %" PRIu64 "\n", books.seed);
}

static unsigned below(unsigned n)
{
    return (unsigned)(check_random(&books.random) % n);
}

static worker *worker_of(pg_process *self)
{
    return pg_data(self);
}

static int number_of(const worker *w)
{
    return (int)(w - books.workers);
}

static worker *find(pg_pid pid)
{
    for (int i = 0; i < WORKERS; i++) {
        if (pg_same(books.workers[i].pid, pid)) return &books.workers[i];
    }
    CHECK_FAIL("an exit of nobody");
}

static worker *somebody(void)
{
    return &books.workers[below((unsigned)books.used)];
}

/* ------------------------------------------------------------------------------------------------------- messages */

static void send_work(worker *to)
{
    bool ended = to->ended; /* behind the send it may be, too */
    int status = pg_send(to->pid, "work", number_of(to));
    CHECK_EQ(status, ended ? PG_ENOPROC : PG_OK);
    books.sent += status == PG_OK;
}

static void report(worker *w)
{
    CHECK_EQ(pg_send(books.supervisor, "report", number_of(w), ++w->reported), PG_OK);
    books.sent++;
}

/* Whatever a worker is given. */
static void take(pg_process *self, const pg_message *msg)
{
    worker *w = worker_of(self);
    CHECK(w->begun && !w->ended);
    if (pg_term_type(pg_get(NULL, msg, 0)) == PG_T_STR) {
        CHECK_EQ(pg_get_int(NULL, msg, 1), number_of(w));
        books.handled++;
        return;
    }
    int from = number_of(find(pg_get_pid(NULL, msg, 1)));
    CHECK(w->survives);
    CHECK(++w->exits[from] <= w->links[from]);
    CHECK(books.workers[from].ended);
}

/* -------------------------------------------------------------------------------------------------------- actions */

static void receive(pg_process *self, bool selective)
{
    const pg_message *msg;
    int64_t timeout = PG_MS(below(10)), begin = pg_now();
    int status = selective ? pg_recv_match(self, &msg, timeout, "work", PG_INT) : pg_recv(self, &msg, timeout);
    if (status == PG_OK) {
        take(self, msg);
    } else {
        CHECK_EQ(status, PG_ETIMEDOUT);
        CHECK(pg_now() - begin >= timeout);
    }
}

static void wait_for(worker *other)
{
    pg_exit_info info;
    int64_t timeout = PG_MS(below(10)), begin = pg_now();
    int status = pg_wait(other->pid, timeout, &info);
    if (status == PG_OK) {
        CHECK(other->ended);
        if (other->why != PG_EXIT_UNKNOWN) CHECK_EQ(info.kind, other->why);
    } else {
        CHECK_EQ(status, PG_ETIMEDOUT);
        CHECK(pg_now() - begin >= timeout);
    }
}

static void link_to(pg_process *self, worker *other)
{
    worker *w = worker_of(self);
    w->links[number_of(other)]++; /* before: the exit of one that has ended is there at once */
    other->links[number_of(w)]++;
    CHECK_EQ(pg_link(self, other->pid), PG_OK);
}

static void end_as(pg_process *self, pg_exit_kind kind)
{
    worker *w = worker_of(self);
    w->why = kind;
    if (kind == PG_EXIT_FAILED) pg_fail(self, "worker %d has had enough", number_of(w));
    pg_exit(self);
}

static void act_on(pg_process *self, worker *other)
{
    switch (below(16)) {
    case 0: receive(self, false); break;
    case 1: receive(self, true); break;
    case 2: wait_for(other); break;
    case 3: link_to(self, other); break;
    case 4: (void)pg_unlink(self, other->pid); break;
    case 5: (void)pg_terminate(other->pid); break;
    case 6: end_as(self, PG_EXIT_FAILED); break;
    case 7: end_as(self, PG_EXIT_NORMAL); break;
    default: send_work(other); break;
    }
}

static void act(pg_process *self)
{
    if (books.actions == ACTIONS || books.used == 0) return;
    books.actions++;
    worker *other = somebody();
    switch (below(4)) {
    case 0: report(worker_of(self)); break;
    case 1: pg_sleep(self, PG_MS(below(20))); break;
    default:
        if (other != worker_of(self)) act_on(self, other);
    }
}

static void on_work(pg_process *self, const pg_message *msg)
{
    take(self, msg);
    for (unsigned n = below(4); n > 0; n--) act(self);
}

static void note_end(void *argument)
{
    worker *w = argument;
    CHECK(w->begun && !w->ended);
    w->ended = true;
}

static void work(pg_process *self)
{
    worker *w = pg_get_ptr(self, pg_args(self), 0);
    CHECK(!w->begun);
    w->begun = true;
    w->pid = pg_self(self); /* before the spawn has returned, maybe */
    pg_set_data(self, w);
    CHECK_EQ(pg_defer(self, note_end, w), PG_OK);
    CHECK_EQ(pg_receive(self, on_work, "work", PG_INT), PG_OK);
    if (w->survives) CHECK_EQ(pg_receive(self, take, PG_EXIT, PG_PID), PG_OK);
    act(self);
}

/* ----------------------------------------------------------------------------------------------------- supervisor */

static void hire(pg_process *self)
{
    worker *w = &books.workers[books.used];
    w->why = PG_EXIT_UNKNOWN;
    w->survives = below(2);
    w->pid = pg_spawn_link(self, work, .name = "worker", .args = pg_tuple((void *)w),
                           .kind = below(2) ? PG_GREEN : PG_THREAD);
    CHECK_EQ(pg_pid_status(w->pid), PG_OK);
    books.used++;
}

static void see_exit(const pg_message *msg)
{
    pg_exit_info info;
    pg_get_exit(NULL, msg, 0, &info);
    worker *w = find(info.pid);
    CHECK(w->ended && !w->exit_seen);
    w->exit_seen = true;
    CHECK_EQ(w->reports_seen, w->reported);
    if (w->why != PG_EXIT_UNKNOWN) CHECK_EQ(info.kind, w->why);
    if (w->why == PG_EXIT_UNKNOWN) CHECK(info.kind == PG_EXIT_NORMAL || info.kind == PG_EXIT_UNHANDLED_EXIT);
}

static void see(const pg_message *msg)
{
    if (pg_term_type(pg_get(NULL, msg, 0)) != PG_T_STR) {
        see_exit(msg);
        return;
    }
    worker *w = &books.workers[pg_get_int(NULL, msg, 1)];
    CHECK(!w->exit_seen);
    CHECK_EQ(pg_get_int(NULL, msg, 2), ++w->reports_seen);
    books.handled++;
}

/* Nothing has come for a while: they get something to do, or are told to end. */
static void rouse(worker *w)
{
    if (books.actions < ACTIONS) {
        send_work(w);
    } else if (!w->ended) {
        CHECK_EQ(pg_terminate(w->pid), PG_OK);
    }
}

/* So that exits are for it to receive. */
static void never(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
}

static void supervise(pg_process *self)
{
    const pg_message *msg;
    int seen = 0;
    int64_t begin = pg_now();
    pg_receive(self, never, PG_EXIT, PG_PID);
    for (int i = 0; i < AT_ONCE; i++) hire(self);
    while (seen < books.used) {
        int status = pg_recv(self, &msg, PG_MS(30));
        if (status == PG_ETIMEDOUT) {
            CHECK(pg_now() - begin < PG_SECONDS(600)); /* or else an exit is missing */
            for (int i = 0; i < books.used; i++) rouse(&books.workers[i]);
            continue;
        }
        CHECK_EQ(status, PG_OK);
        bool exit = pg_term_type(pg_get(NULL, msg, 0)) != PG_T_STR;
        see(msg);
        seen += exit;
        if (exit && books.used < WORKERS && books.actions < ACTIONS) hire(self);
    }
    pg_exit(self);
}

static void log_nothing(void *context, pg_log_level level, const char *line)
{
    (void)context, (void)level, (void)line;
}

void mixed_run(uint64_t seed, FILE *trace)
{
    static bool says_seed;
    pg_exit_info why;
    pg_stats stats;
    if (!says_seed) atexit(say_seed);
    says_seed = true;
    memset(&books, 0, sizeof books);
    books.seed = books.random = seed;
    pg_runtime *rt = pg_start(&(pg_options){.seed = seed, .trace = trace, .log = log_nothing});
    CHECK(rt != NULL);
    pg_process *self = pg_attach(rt, "main");
    CHECK(self != NULL);
    books.supervisor = pg_spawn(self, supervise, .name = "supervisor");
    CHECK_EQ(pg_wait(books.supervisor, PG_FOREVER, &why), PG_OK);
    if (why.kind != PG_EXIT_NORMAL) CHECK_FAIL("the supervisor has ended: %s", why.text);
    CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
    CHECK_EQ(stats.alive, 1);
    CHECK_EQ(stats.spawned, books.used + 2);
    CHECK_EQ(books.sent, books.handled + (int64_t)stats.dropped);
    for (int i = 0; i < books.used; i++) CHECK(books.workers[i].exit_seen);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(30)), PG_OK);
    books.seed = 0;
}
