/* pace_test.c - sends and spawns count towards the slice (runtime/pace.h): who does little else makes way, and nobody
 * who must not. On one worker, so that nothing runs beside the one that floods. Then on two: who floods goes where its
 * receiver is. */
#include <stdatomic.h>

#include "check.h"
#include "runtime.h"

enum { MANY = 100000, LENGTH = 5000 };

static atomic_int handled, begun;
static atomic_bool chain_ended;

static void handle(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    handled++;
}

static void take_all(pg_process *self)
{
    pg_receive(self, handle, PG_ANY, PG_ANY, PG_ETC);
}

static void begin(pg_process *self)
{
    (void)self;
    begun++;
}

/* What the worker beneath has done so far: the same while nobody is suspended on it, also where others run elsewhere
 * because this takes long. */
static uint64_t steps(void)
{
    return pgs_worker_steps(pgs_worker_self());
}

/* How often the caller was suspended while it did something many times: others have run on its worker meanwhile. */
typedef struct suspensions {
    uint64_t steps;
    int count;
} suspensions;

static void look(suspensions *seen)
{
    uint64_t now = steps();
    seen->count += now != seen->steps;
    seen->steps = now;
}

/* A tenth of the times that it would be suspended if nothing else happened: a monitor that finds this machine slow may
 * have others run elsewhere. */
static void check_many(const suspensions *seen, int done_between)
{
    CHECK(seen->count >= MANY / done_between / 10);
}

static void flood(pg_process *self)
{
    pg_pid to = pg_get_pid(self, pg_args(self), 0);
    suspensions seen = {.steps = steps()};
    for (int i = 1; i <= MANY; i++) {
        int status = i % 2 ? pg_send(to, "one", i) : pg_send(to, "of", "five", "values", i, "here");
        CHECK_EQ(status, PG_OK);
        look(&seen);
    }
    check_many(&seen, PGI_PACE);
}

static void spawn_many(pg_process *self)
{
    suspensions seen = {.steps = steps()};
    for (int i = 1; i <= MANY; i++) {
        CHECK_EQ(pg_pid_status(pg_spawn(self, begin)), PG_OK);
        look(&seen);
    }
    check_many(&seen, PGI_PACE / PGI_PACE_SPAWN);
}

/* A clean-up must not block. */
static void clean_up(void *arg)
{
    pg_pid *to = arg;
    uint64_t before = steps();
    for (int i = 0; i < MANY / 10; i++) CHECK_EQ(pg_send(*to, "late", i), PG_OK);
    CHECK_EQ(steps(), before);
}

static void flood_at_the_end(pg_process *self)
{
    static pg_pid to;
    to = pg_get_pid(self, pg_args(self), 0);
    CHECK_EQ(pg_defer(self, clean_up, &to), PG_OK);
}

/* Who sends to many is not suspended. */
static void tell_all(pg_process *self)
{
    enum { LISTENERS = 200 };
    pg_pid all[LISTENERS];
    for (int i = 0; i < LISTENERS; i++) all[i] = pg_spawn(self, take_all);
    uint64_t before = steps();
    for (int i = 0; i < 10 * LISTENERS; i++) CHECK_EQ(pg_send(all[i % LISTENERS], "news", i), PG_OK);
    CHECK_EQ(steps(), before);
    for (int i = 0; i < LISTENERS; i++) pg_terminate(all[i]);
}

/* Many that each send a little to one are not suspended either. */
static void send_some(pg_process *self)
{
    pg_pid to = pg_get_pid(self, pg_args(self), 0);
    int64_t left = pg_get_int(self, pg_args(self), 1);
    if (left > 0) pg_spawn(self, send_some, .args = pg_tuple(to, left - 1));
    uint64_t before = steps();
    for (int i = 0; i < 10; i++) CHECK_EQ(pg_send(to, "some", i), PG_OK);
    CHECK_EQ(steps(), before);
    if (left == 0) chain_ended = true;
}

/* Each sends what it gets to the other: a step for each send. */
static void pass(pg_process *self, const pg_message *msg)
{
    int64_t left = pg_get_int(self, msg, 2);
    pg_pid other = pg_get_pid(self, msg, 1);
    if (left > 0) pg_send(other, "ball", self, left - 1);
    if (left <= 1) pg_exit(self);
}

static void play(pg_process *self)
{
    pg_receive(self, pass, "ball", PG_PID, PG_INT);
}

/* ------------------------------------------------------------------------------------------------ on two workers */

static atomic_uint receiver_on;
static atomic_int together, apart;

static void note_worker(pg_process *self, const pg_message *msg)
{
    receiver_on = pgs_worker_number(pgs_worker_self());
    handle(self, msg);
}

static void take_there(pg_process *self)
{
    pg_receive(self, note_worker, "item", PG_INT);
}

/* Sends as fast as it can, and yields now and then of its own accord if `yields`. */
static void flood_there(pg_process *self)
{
    pg_pid to = pg_get_pid(self, pg_args(self), 0);
    bool yields = pg_get_bool(self, pg_args(self), 1);
    for (int i = 1; i <= 5 * MANY; i++) {
        CHECK_EQ(pg_send(to, "item", i), PG_OK);
        if (i % 100 != 0) continue;
        atomic_int *count = pgs_worker_number(pgs_worker_self()) == receiver_on ? &together : &apart;
        ++*count;
        if (yields) pg_yield(self);
    }
}

/* For the most part; where a send takes long its sender is none that does nothing else. */
static void check_together(void)
{
    if (SLOWED) return;
    CHECK(together > apart);
}

static void test_together(bool yields)
{
    enum { SENDERS = 4 };
    pg_runtime *rt = pg_start(&(pg_options){.workers = 2, .no_os = true});
    CHECK(rt != NULL);
    pg_process *main = pg_attach(rt, "main");
    pg_pid senders[SENDERS], taker = pg_spawn(main, take_there);
    handled = together = apart = 0;
    for (int i = 0; i < SENDERS; i++) senders[i] = pg_spawn(main, flood_there, .args = pg_tuple(taker, (bool)yields));
    for (int i = 0; i < SENDERS; i++) CHECK_EQ(pg_wait(senders[i], PG_SECONDS(60), NULL), PG_OK);
    while (handled < SENDERS * 5 * MANY) pg_sleep(main, PG_MS(1));
    check_together();
    pg_detach(main);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(30)), PG_OK);
}

/* ------------------------------------------------------------------------------------------------- on one worker */

static void wait_for(pg_pid pid)
{
    pg_exit_info end;
    CHECK_EQ(pg_wait(pid, PG_SECONDS(60), &end), PG_OK);
    CHECK_EQ(end.kind, PG_EXIT_NORMAL);
}

int main(void)
{
    pg_runtime *rt = pg_start(&(pg_options){.workers = 1, .no_os = true});
    CHECK(rt != NULL);
    pg_process *main = pg_attach(rt, "main");
    pg_pid taker = pg_spawn(main, take_all);

    wait_for(pg_spawn(main, flood, .args = pg_tuple(taker)));
    wait_for(pg_spawn(main, spawn_many));
    wait_for(pg_spawn(main, flood_at_the_end, .args = pg_tuple(taker)));
    wait_for(pg_spawn(main, tell_all));
    pg_pid thread = pg_spawn(main, take_all, .kind = PG_THREAD);
    wait_for(pg_spawn(main, send_some, .args = pg_tuple(thread, LENGTH)));
    while (!chain_ended) pg_sleep(main, PG_MS(1));
    pg_pid one = pg_spawn(main, play), other = pg_spawn(main, play);
    CHECK_EQ(pg_send(one, "ball", other, MANY), PG_OK);
    wait_for(one);
    wait_for(other);

    pg_detach(main);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(30)), PG_OK);
    CHECK_EQ(handled, MANY + MANY / 10 + 2000 + 10 * (LENGTH + 1));
    CHECK_EQ(begun, MANY);
    test_together(false);
    test_together(true);
    return 0;
}
