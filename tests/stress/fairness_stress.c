/* fairness_stress.c - no process starves, whatever its neighbours do, and an idle runtime uses no processor time.
 *
 * What a case measures is how long a process waits that is ready.  The machine itself makes its threads wait too, the
 * more the busier it is; so a thread of this test does in the same moments what a process does here, sleep for a
 * millisecond, and its worst delay is the noise: a limit is the one promised, plus three times the noise.  Both are
 * printed.
 *
 *   blocked    a handler on each worker sleeps 200 ms in a system call: others wait at most 30 ms
 *   computing  a handler on each worker computes for 2 s: likewise, and each is reported
 *   hot        two ping-pong pairs per worker that never rest, and 1,000 others: each runs within 50 ms
 *   heavy      three processes per worker that always have mail, each message worth 0.1 ms: others wait 100 ms
 *   hidden     a process sends, then computes: the receiver does not wait for it in the LIFO slot
 *   idle       a runtime at rest uses less than 1 ms of processor time in a second (5 ms in 5 s with PG_TEST_MS=5000)
 */
#include "check.h"

#include <paragram.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { SLOW = SANITIZED ? 4 : 1 }; /* a factor */
enum { WORKERS = 2, OTHERS = 1000, TICKERS = 8 };

static pg_runtime *rt;
static _Atomic(int64_t) worst, ticks, noise;
static _Atomic(bool) over, noise_over;
static _Atomic(int) stuck_reports;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    while (nanosleep(&t, &t) != 0) continue;
}

static void raise_to(_Atomic(int64_t) *most, int64_t value)
{
    int64_t was = atomic_load(most);
    while (value > was && !atomic_compare_exchange_weak(most, &was, value)) continue;
}

static void compute(int64_t ns)
{
    int64_t until = check_now_ns() + ns;
    while (check_now_ns() < until) continue;
}

/* ------------------------------------------------------------------------------------------- the machine's noise */

static void *listen_to_noise(void *unused)
{
    while (!atomic_load(&noise_over)) {
        int64_t before = check_now_ns();
        sleep_ns(PG_MS(1));
        raise_to(&noise, check_now_ns() - before - PG_MS(1));
    }
    return unused;
}

static pthread_t listener;

static void begin_case(void)
{
    atomic_store(&worst, 0);
    atomic_store(&ticks, 0);
    atomic_store(&noise, 0);
    atomic_store(&stuck_reports, 0);
    atomic_store(&over, false);
    atomic_store(&noise_over, false);
    CHECK_EQ(pthread_create(&listener, NULL, listen_to_noise, NULL), 0);
}

static void end_case(const char *name, int64_t promised)
{
    atomic_store(&over, true);
    atomic_store(&noise_over, true);
    pthread_join(listener, NULL);
    double ms = 1e-6;
    printf("%-10s longest wait %.1f ms, %" PRId64 " runs; promised %.0f ms; noise of the machine %.1f ms\n", name,
           (double)worst * ms, ticks, (double)promised * ms, (double)noise * ms);
    fflush(stdout);
    CHECK(ticks > 0);
    CHECK(worst <= SLOW * (promised + 3 * noise));
}

/* ----------------------------------------------------------------------------------------------------- processes */

static void log_line(void *unused, pg_log_level level, const char *line)
{
    (void)unused;
    if (level == PG_LOG_STUCK && strstr(line, "hog")) atomic_fetch_add(&stuck_reports, 1);
}

/* Sleeps for a moment again and again, and tells how late it wakes. */
static void ticker(pg_process *self)
{
    while (!atomic_load(&over)) {
        int64_t before = check_now_ns();
        pg_sleep(self, PG_MS(1));
        raise_to(&worst, check_now_ns() - before - PG_MS(1));
        atomic_fetch_add(&ticks, 1);
    }
}

static void on_call(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 0), "answer");
}

static void answerer(pg_process *self)
{
    pg_receive(self, on_call, PG_PID);
}

/* The same by messages: asks another process, and waits for the answer. */
static void caller(pg_process *self)
{
    const pg_message *msg;
    pg_pid other = pg_spawn(self, answerer);
    while (!atomic_load(&over)) {
        int64_t before = check_now_ns();
        pg_send(other, self);
        CHECK_EQ(pg_recv_match(self, &msg, PG_FOREVER, "answer"), PG_OK);
        raise_to(&worst, check_now_ns() - before);
        atomic_fetch_add(&ticks, 1);
        pg_sleep(self, PG_MS(1));
    }
    pg_terminate(other);
}

static void sleep_hog(pg_process *self)
{
    (void)self;
    sleep_ns(PG_MS(200));
}

static void compute_hog(pg_process *self)
{
    (void)self;
    compute(PG_SECONDS(2));
}

static pg_pid spawn(pg_target target, const char *name, pg_pid argument)
{
    pg_pid pid = pg_spawn_in(rt, target, &(pg_spawn_options){.name = name, .args = pg_tuple(argument)});
    CHECK_EQ(pg_pid_status(pid), PG_OK);
    return pid;
}

static void hogs(const char *name, pg_target target, int64_t promised)
{
    pg_pid pids[2 * TICKERS], hog[WORKERS];
    begin_case();
    for (int i = 0; i < 2 * TICKERS; i++) pids[i] = spawn(i % 2 ? caller : ticker, "other", (pg_pid){0});
    sleep_ns(PG_MS(20));
    for (int i = 0; i < WORKERS; i++) hog[i] = spawn(target, "hog", (pg_pid){0});
    for (int i = 0; i < WORKERS; i++) CHECK_EQ(pg_wait(hog[i], PG_SECONDS(100), NULL), PG_OK);
    end_case(name, promised);
    for (int i = 0; i < 2 * TICKERS; i++) CHECK_EQ(pg_wait(pids[i], PG_SECONDS(100), NULL), PG_OK);
}

/* ------------------------------------------------------------------------------------------------------- the hot */

static void on_ball(pg_process *self, const pg_message *msg)
{
    if (atomic_load(&over)) pg_exit(self);
    pg_send(pg_get_pid(self, msg, 1), "ball", self);
}

static void player(pg_process *self)
{
    pg_receive(self, on_ball, "ball", PG_PID);
}

static void on_turn(pg_process *self, const pg_message *msg)
{
    (void)self;
    raise_to(&worst, check_now_ns() - pg_get_int(self, msg, 0));
    atomic_fetch_add(&ticks, 1);
}

static void other(pg_process *self)
{
    pg_receive(self, on_turn, PG_INT);
}

static void hot(void)
{
    static pg_pid others[OTHERS];
    pg_pid players[4 * WORKERS];
    for (int i = 0; i < OTHERS; i++) others[i] = spawn(other, "other", (pg_pid){0});
    begin_case();
    for (int i = 0; i < 4 * WORKERS; i++) players[i] = spawn(player, "player", (pg_pid){0});
    for (int i = 0; i < 4 * WORKERS; i += 2) CHECK_EQ(pg_send(players[i], "ball", players[i + 1]), PG_OK);
    for (int round = 0; round < 5; round++) {
        sleep_ns(PG_MS(60));
        int64_t before = atomic_load(&ticks);
        for (int i = 0; i < OTHERS; i++) CHECK_EQ(pg_send(others[i], check_now_ns()), PG_OK);
        for (int t = 0; atomic_load(&ticks) < before + OTHERS; t++) {
            CHECK(t < 30000);
            sleep_ns(PG_MS(1));
        }
    }
    end_case("hot", PG_MS(50));
    for (int i = 0; i < 4 * WORKERS; i++) {
        pg_terminate(players[i]);
        CHECK_EQ(pg_wait(players[i], PG_SECONDS(20), NULL), PG_OK);
    }
    for (int i = 0; i < OTHERS; i++) pg_terminate(others[i]);
}

static void on_heavy(pg_process *self, const pg_message *msg)
{
    (void)msg;
    if (atomic_load(&over)) pg_exit(self);
    compute(PG_MS(1) / 10);
    pg_send(pg_self(self), "go on");
}

static void heavy_worker(pg_process *self)
{
    pg_receive(self, on_heavy, "go on");
    for (int i = 0; i < 100; i++) pg_send(pg_self(self), "go on");
}

static void heavy(void)
{
    pg_pid tickers[TICKERS], workers[3 * WORKERS];
    begin_case();
    for (int i = 0; i < 3 * WORKERS; i++) workers[i] = spawn(heavy_worker, "heavy", (pg_pid){0});
    for (int i = 0; i < TICKERS; i++) tickers[i] = spawn(i % 2 ? caller : ticker, "other", (pg_pid){0});
    sleep_ns(PG_MS(700));
    end_case("heavy", PG_MS(100));
    for (int i = 0; i < 3 * WORKERS; i++) CHECK_EQ(pg_wait(workers[i], PG_SECONDS(20), NULL), PG_OK);
    for (int i = 0; i < TICKERS; i++) CHECK_EQ(pg_wait(tickers[i], PG_SECONDS(20), NULL), PG_OK);
}

/* Sends to one at rest, which so comes into the LIFO slot, and computes. */
static void sender(pg_process *self)
{
    pg_pid to = pg_get_pid(self, pg_args(self), 0);
    for (int i = 0; i < 5; i++) {
        pg_send(to, check_now_ns());
        compute(PG_MS(80));
        pg_yield(self);
    }
}

static void hidden(void)
{
    pg_pid to = spawn(other, "receiver", (pg_pid){0});
    begin_case();
    pg_pid from = spawn(sender, "sender", to);
    CHECK_EQ(pg_wait(from, PG_SECONDS(100), NULL), PG_OK);
    end_case("hidden", PG_MS(30));
    pg_terminate(to);
}

static void idle(void)
{
    int64_t duration = PG_MS(check_duration_ms(1000));
    sleep_ns(PG_MS(100));
    int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    sleep_ns(duration);
    int64_t used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
    printf("idle       %.3f ms of processor time in %.0f ms\n", (double)used * 1e-6, (double)duration * 1e-6);
    CHECK(used < SLOW * duration / 1000);
}

int main(void)
{
    rt = pg_start(&(pg_options){.workers = WORKERS, .log = log_line});
    CHECK(rt);
    idle();
    hogs("blocked", sleep_hog, PG_MS(30));
    CHECK_EQ(stuck_reports, WORKERS);
    hogs("computing", compute_hog, PG_MS(30));
    CHECK_EQ(stuck_reports, WORKERS);
    hot();
    heavy();
    hidden();
    idle();
    CHECK_EQ(pg_stop(rt, PG_SECONDS(10)), PG_OK);
    return 0;
}
