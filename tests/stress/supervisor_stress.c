/* supervisor_stress.c - a tree of supervisors whose children are killed, told to end, made to fail, stopped and started
 * again at random: it ends as its strategies say, the books agree, and nothing is left.
 *
 *   - A child that fails 100 times is started 101 times where 100 restarts are allowed, and then the supervisor fails.
 *   - A tree, in which for PG_TEST_MS everything happens to the workers, and then to the supervisors in it, too.  What
 *     is supervised runs in the end; while no supervisor was killed, each worker has begun once for its start and once
 *     for each restart that its supervisor has counted.
 *   - The same, shorter, simulated: PG_TEST_SEEDS seeds, from PG_TEST_SEED on.
 * At last the tree is told to end, and nobody but main lives.  How long a restart takes is printed. */
#include "away.h"

#include <limits.h>
#include <paragram.h>

#if SANITIZED
enum { SEEDS = 20 };
#else
enum { SEEDS = 100 };
#endif
enum { SUBS = 3, WORKERS = 5, ALL = SUBS * WORKERS };

static const int64_t patience = PG_SECONDS(60);

/* Shared with operating-system processes. */
static struct shared {
    _Atomic(uint64_t) pid[ALL], starts[ALL];
} * shared;

/* Of the run. */
static bool with_os; /* else green, all of them */
static uint64_t random_state;
static int64_t duration; /* of each phase */

static void quiet(void *unused, pg_log_level level, const char *line)
{
    (void)unused, (void)level, (void)line;
}

static void ignore(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
}

static void on_fail(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_fail(self, "it was told to");
}

static void on_abort(pg_process *self, const pg_message *msg)
{
    (void)msg;
    if (pg_kind_of(self) == PG_OS) _exit(3);
    pg_exit(self);
}

/* (number). */
static void worker(pg_process *self)
{
    int64_t number = pg_get_int(self, pg_args(self), 0);
    pg_receive(self, on_fail, "fail");
    pg_receive(self, on_abort, "abort");
    atomic_store(&shared->pid[number], pg_self(self).id);
    atomic_fetch_add(&shared->starts[number], 1);
}

static bool is_os(int number)
{
    return with_os && number % WORKERS == 4;
}

/* (number of the supervisor, whether there are workers of kind PG_OS): with the strategy of this number. */
static void sub(pg_process *self)
{
    int number = (int)pg_get_int(self, pg_args(self), 0);
    bool os = pg_get_bool(self, pg_args(self), 1);
    char id[WORKERS][8];
    pg_value own[WORKERS];
    pg_child children[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        snprintf(id[i], sizeof id[i], "%d", i);
        own[i] = pg_v_int(number * WORKERS + i);
        children[i] = (pg_child){.id = id[i], .target = worker, .spawn = {.args = pg_tuple_of(1, &own[i])}};
        if (i == 1) children[i].restart = PG_TRANSIENT;
        if (os && i == 3) children[i].spawn.kind = PG_THREAD;
        if (os && i == 4) children[i].spawn.kind = PG_OS;
    }
    const pg_supervisor_options o = {
        .strategy = (pg_strategy)number, .intensity = INT_MAX, .backoff_min = PG_MS(1) / 10, .backoff_max = PG_MS(4)};
    CHECK_EQ(pg_supervisor_become(self, &o, WORKERS, children), PG_OK);
}

static pg_pid start_tree(pg_process *self)
{
    static const char *const names[SUBS] = {"0", "1", "2"};
    pg_value own[SUBS][2];
    pg_child children[SUBS];
    for (int i = 0; i < SUBS; i++) {
        own[i][0] = pg_v_int(i);
        own[i][1] = pg_v_bool(with_os);
        children[i] = (pg_child){.id = names[i],
                                 .target = sub,
                                 .supervisor = true,
                                 .registered = names[i],
                                 .spawn = {.args = pg_tuple_of(2, own[i])}};
    }
    const pg_supervisor_options o = {.intensity = INT_MAX, .backoff_min = PG_MS(1) / 10, .backoff_max = PG_MS(4)};
    pg_pid top = pg_supervise(self, &o, SUBS, children);
    CHECK_EQ(pg_pid_status(top), PG_OK);
    return top;
}

static unsigned below(unsigned n)
{
    return (unsigned)(check_random(&random_state) % n);
}

static pg_pid find(pg_process *self, int number)
{
    char name[8];
    snprintf(name, sizeof name, "%d", number);
    return pg_whereis(pg_runtime_of(self), name);
}

/* What may come of a request while supervisors are killed, or not. */
static void check_request(int status, bool killing)
{
    if (status != PG_OK && !(killing && status == PG_ENOPROC)) CHECK_FAIL("a request: %s", pg_strerror(status));
}

static void do_something(pg_process *self, bool killing)
{
    int number = (int)below(ALL);
    char id[8];
    pg_pid pid = {atomic_load(&shared->pid[number])}, sup = find(self, number / WORKERS);
    snprintf(id, sizeof id, "%d", number % WORKERS);
    switch (below(killing ? 9 : 8)) {
    case 0: pg_kill(pid); break;
    case 1: pg_terminate(pid); break;
    case 2: pg_send(pid, "fail"); break;
    case 3: pg_send(pid, "abort"); break;
    case 4: check_request(pg_pid_status(pg_supervisor_restart(self, sup, id, patience)), killing); break;
    case 5: check_request(pg_supervisor_stop(self, sup, id, patience), killing); break;
    case 6:
    case 7: pg_sleep(self, PG_MS(1) / 100 * below(300)); break;
    default:
        if (below(3) == 0) pg_kill(sup);
    }
}

/* Whether all run that ought to, and have begun as often as their supervisor says; starts what was stopped. */
static bool is_whole(pg_process *self, bool exact)
{
    bool whole = true;
    for (int i = 0; i < SUBS; i++) {
        pg_child_info info[WORKERS];
        pg_pid sup = find(self, i);
        int64_t count = pg_supervisor_children(self, sup, WORKERS, info, patience);
        if (count == PG_ENOPROC) return false;
        CHECK_EQ(count, WORKERS);
        for (int j = 0; j < WORKERS; j++) {
            int number = i * WORKERS + j;
            uint64_t starts = atomic_load(&shared->starts[number]);
            if (info[j].state == PG_CHILD_STOPPED) pg_supervisor_restart(self, sup, info[j].id, patience);
            bool runs = info[j].state == PG_CHILD_RUNNING && pg_is_alive(info[j].pid);
            bool told = !exact || (is_os(number) ? starts <= 1 + info[j].restarts : starts == 1 + info[j].restarts);
            if (exact && starts > 1 + info[j].restarts + 1) CHECK_FAIL("%d has begun too often", number);
            whole = whole && runs && told;
        }
    }
    return whole;
}

static void phase(pg_process *self, bool killing)
{
    int64_t until = pg_now() + duration;
    uint64_t done = 0;
    for (; pg_now() < until; done++) do_something(self, killing);
    until = pg_now() + patience;
    while (!is_whole(self, !killing)) {
        if (pg_now() > until) CHECK_FAIL("%s: not all is as it should be", killing ? "supervisors" : "workers");
        pg_sleep(self, PG_MS(1));
    }
    uint64_t starts = 0;
    for (int i = 0; i < ALL; i++) starts += atomic_load(&shared->starts[i]);
    if (with_os) {
        printf("%s: %" PRIu64 " things done, %" PRIu64 " starts so far\n", killing ? "supervisors" : "workers", done,
               starts);
    }
}

static void control(pg_process *self)
{
    pg_receive(self, ignore, PG_EXIT, PG_PID);
    pg_pid top = start_tree(self);
    phase(self, false);
    phase(self, true);
    pg_terminate(top);
    pg_exit_info why;
    CHECK_EQ(pg_wait(top, patience, &why), PG_OK);
    CHECK_EQ(why.kind, PG_EXIT_NORMAL);
    pg_exit(self);
}

/* -------------------------------------------------------------------------------------------- a hundred failures */

/* (main, number): fails as soon as it has begun. */
static void fails(pg_process *self)
{
    int64_t number = pg_get_int(self, pg_args(self), 0);
    atomic_fetch_add(&shared->starts[number], 1);
    pg_fail(self, "again");
}

static void hundred(pg_process *self)
{
    pg_receive(self, ignore, PG_EXIT, PG_PID);
    for (int strategy = 0; strategy < 3; strategy++) {
        const pg_child children[] = {
            {.id = "before", .target = worker, .spawn = {.args = pg_tuple_of(1, (const pg_value[]){pg_v_int(0)})}},
            {.id = "fails", .target = fails, .spawn = {.args = pg_tuple_of(1, (const pg_value[]){pg_v_int(1)})}},
            {.id = "behind", .target = worker, .spawn = {.args = pg_tuple_of(1, (const pg_value[]){pg_v_int(2)})}}};
        for (int i = 0; i < 3; i++) atomic_store(&shared->starts[i], 0);
        const pg_supervisor_options o = {
            .strategy = (pg_strategy)strategy, .intensity = 100, .period = PG_FOREVER, .backoff_min = -1};
        pg_pid sup = pg_supervise(self, &o, 3, children);
        CHECK_EQ(pg_pid_status(sup), PG_OK);
        pg_exit_info why;
        CHECK_EQ(pg_wait(sup, patience, &why), PG_OK);
        CHECK_EQ(why.kind, PG_EXIT_FAILED);
        CHECK_EQ(atomic_load(&shared->starts[1]), 101);
        CHECK_EQ(atomic_load(&shared->starts[0]), strategy == PG_ONE_FOR_ALL ? 101 : 1);
        CHECK_EQ(atomic_load(&shared->starts[2]), strategy == PG_ONE_FOR_ONE ? 1 : 101);
    }
    pg_exit(self);
}

/* ------------------------------------------------------------------------------------------------------ a restart */

/* (who measures): tells him that it has begun. */
static void measured(pg_process *self)
{
    pg_receive(self, on_fail, "fail");
    pg_send(pg_get_pid(self, pg_args(self), 0), "begun", self);
}

/* From the failure of a child to the first message of the next. */
static void latency(pg_process *self, const char *what, pg_kind kind, int rounds)
{
    const pg_message *msg;
    const pg_value own[] = {pg_v_process(self)};
    const pg_child child = {.id = "0", .target = measured, .spawn = {.kind = kind, .args = pg_tuple_of(1, own)}};
    const pg_supervisor_options o = {.intensity = INT_MAX, .backoff_min = -1};
    pg_pid sup = pg_supervise(self, &o, 1, &child);
    CHECK_EQ(pg_pid_status(sup), PG_OK);
    int64_t least = INT64_MAX, begun = pg_now(), before = begun;
    for (int i = 0; i < rounds; i++) {
        CHECK_EQ(pg_recv_match(self, &msg, patience, "begun", PG_PID), PG_OK);
        int64_t now = pg_now();
        if (i > 0 && now - before < least) least = now - before;
        before = now;
        pg_send(pg_get_pid(self, msg, 1), "fail");
    }
    printf("a restart, %s: %.1f us, the quickest %.1f us\n", what, (double)(pg_now() - begun) / rounds / 1e3,
           (double)least / 1e3);
    pg_unlink(self, sup);
    pg_terminate(sup);
    CHECK_EQ(pg_wait(sup, patience, NULL), PG_OK);
}

static void measure(pg_process *self)
{
    latency(self, "green", PG_GREEN, SLOWED ? 500 : 5000);
    latency(self, "thread", PG_THREAD, SLOWED ? 50 : 500);
    latency(self, "operating-system process", PG_OS, SLOWED ? 5 : 50);
    pg_exit(self);
}

/* ----------------------------------------------------------------------------------------------------------- a run */

static void run(uint64_t seed, pg_target target, FILE *trace)
{
    memset(shared, 0, sizeof *shared);
    with_os = seed == 0;
    int status;
    pg_runtime *rt = pg_start(
        &(pg_options){.seed = seed, .trace = trace, .workers = check_workers(2), .log = quiet, .status = &status});
    CHECK_EQ(status, PG_OK);
    pg_process *self = pg_attach(rt, "main");
    pg_exit_info why;
    pg_pid pid = pg_spawn(self, target, .name = "control", .kind = PG_GREEN);
    CHECK_EQ(pg_wait(pid, 10 * patience + 10 * duration, &why), PG_OK);
    if (why.kind != PG_EXIT_NORMAL) CHECK_FAIL("seed %" PRIu64 ": %s", seed, why.text);
    pg_stats stats;
    /* What has ended by its links, and operating-system processes, may take a moment. */
    for (int64_t until = pg_now() + patience; pg_get_stats(rt, &stats) == PG_OK && stats.alive > 1;) {
        CHECK(pg_now() < until);
        pg_sleep(self, PG_MS(1));
    }
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, patience), PG_OK);
    CHECK_EQ(away_failed(), 0);
}

int main(int argc, char **argv)
{
    away_begin();
    shared = away_shared(sizeof *shared);
    if (argc > 1) {
        random_state = strtoull(argv[1], NULL, 0);
        duration = PG_MS(30);
        run(strtoull(argv[1], NULL, 0), control, stdout);
        return 0;
    }
    uint64_t first = check_seed();
    const char *given = getenv("PG_TEST_SEEDS");
    uint64_t seeds = given ? strtoull(given, NULL, 0) : SEEDS;
    duration = PG_MS(check_duration_ms(2000));
    random_state = first;
    run(0, hundred, NULL);
    run(0, measure, NULL);
    run(0, control, NULL);
    duration = PG_MS(30);
    for (uint64_t i = 0; i < seeds; i++) {
        uint64_t seed = first + i;
        random_state = seed;
        if (seed == 0) continue;
        run(seed, control, NULL);
        if (i % 10 == 0) run(seed, hundred, NULL);
    }
    printf("%" PRIu64 " seeds\n", seeds);
    return 0;
}
