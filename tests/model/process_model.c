/* process_model.c - a process that is sent to, waits, is woken by its deadline, and is killed, all at once: runtime/
 * under the explorer, as world.h has it.  What is run is pg_recv, pg_sleep, pg_wait, pg_stop and what is beneath them:
 * mailbox, token, watcher, alarm, wheel, and the way out of a process.
 *
 * Invariants checked:
 *   1. A process is made ready by exactly one for each time that it rests or blocks (world.c looks), and it is: nobody
 *      waits for ever.
 *   2. A receive returns a message that was sent to it, once, or PG_ETIMEDOUT; each message that was sent is received,
 *      or counted as dropped, or was refused.
 *   3. pg_wait() says PG_OK with the end that there was, and then what the ended one did is seen, or PG_ETIMEDOUT; once
 *      it has returned nobody touches what was in its frame.
 *   4. pg_stop() ends a process wherever it waits, however that meets with what it waits for; all is given back. */
#include "world.h"

static pg_pid victim, waiter;
static int sent, refused, handled, finished;
static int outcome; /* of the call that waits */
static pg_exit_info ended;
static bool stopped;
static int left_behind; /* by the one that is waited for, at its end */

static void start(unsigned serving)
{
    sent = refused = handled = finished = 0;
    outcome = 1;
    stopped = false;
    world_start(2, serving);
}

static void post(int number)
{
    int status = pgi_send(victim, world_message(number));
    MODEL_CHECK(status == PG_OK || status == PG_ENOPROC);
    sent++;
    refused += status != PG_OK;
}

/* ------------------------------------------------------------------------------------------------------- processes */

static void handle(pg_process *self, const pg_message *msg)
{
    handled++;
    if (world_number(msg) != 0) return;
    model_write(&left_behind);
    pg_exit(self);
}

static void at_rest(pg_process *self)
{
    MODEL_CHECK(pg_receive(self, handle, PG_INT) == PG_OK);
}

static void receive_for(pg_process *self, int64_t timeout)
{
    const pg_message *msg;
    outcome = pg_recv(self, &msg, timeout);
    MODEL_CHECK(outcome == PG_OK || outcome == PG_ETIMEDOUT);
    handled += outcome == PG_OK;
    if (outcome == PG_OK) MODEL_CHECK(world_number(msg) == 1 || world_number(msg) == 2);
    finished++;
}

static void receives_in_time(pg_process *self)
{
    receive_for(self, PG_MS(1));
}

static void receives(pg_process *self)
{
    receive_for(self, PG_FOREVER);
}

static void sleeps(pg_process *self)
{
    outcome = pg_sleep(self, PG_MS(1));
    MODEL_CHECK(outcome == PG_OK);
    finished++;
}

static void wait_for(int64_t timeout)
{
    outcome = pg_wait(victim, timeout, &ended);
    MODEL_CHECK(outcome == PG_OK || outcome == PG_ETIMEDOUT);
    if (outcome == PG_OK) MODEL_CHECK(pg_same(ended.pid, victim) && ended.kind == PG_EXIT_NORMAL);
    if (outcome == PG_OK) model_read(&left_behind);
    ended.kind = PG_EXIT_KILLED; /* nobody else's any more */
    finished++;
}

static void waits_in_time(pg_process *self)
{
    (void)self;
    wait_for(PG_MS(1));
}

static void waits(pg_process *self)
{
    (void)self;
    wait_for(PG_FOREVER);
}

/* --------------------------------------------------------------------------------------------------------- threads */

static void worker_0(void)
{
    world_enter(0);
    world_work();
    world_leave();
}

static void serve_0(void)
{
    world_serve(0);
}

static void send_number(int number)
{
    world_enter(1);
    post(number);
    world_work();
    world_leave();
}

static void send_1(void)
{
    send_number(1);
}

static void end_victim(void)
{
    send_number(0);
}

static void send_2_from_0(void)
{
    world_enter(0);
    post(2);
    world_work();
    world_leave();
}

static void terminate(void)
{
    world_enter(1);
    pg_terminate(victim);
    world_work();
    world_leave();
}

static void time_passes(void)
{
    world_expire(0);
}

/* Again, when it has lost its patience before the others had their turn. */
static void stop(void)
{
    int status;
    while ((status = pg_stop(world_rt, 0)) == PG_ETIMEDOUT) cpu_relax();
    MODEL_CHECK(status == PG_OK);
    stopped = true;
}

static void visitor_spawns(void)
{
    int status = pg_pid_status(pg_spawn_in(world_rt, at_rest, NULL));
    MODEL_CHECK(status == PG_OK || status == PG_ESTOPPED);
}

static void visitor(void)
{
    post(1);
}

/* ----------------------------------------------------------------------------------------------------------- cases */

static void resting(void)
{
    start(0);
    victim = world_spawn(at_rest);
    world_settle();
}

static void receiving_in_time(void)
{
    start(0);
    victim = world_spawn(receives_in_time);
}

static void waiting_in_time(void)
{
    start(0);
    victim = world_spawn(at_rest);
    world_settle();
    waiter = world_spawn(waits_in_time);
}

static void sleeping_to_be_stopped(void)
{
    start(1);
    victim = world_spawn(sleeps);
}

static void receiving_to_be_stopped(void)
{
    start(1);
    victim = world_spawn(receives);
}

static void nobody_to_be_stopped(void)
{
    start(1);
}

static void waiting_to_be_stopped(void)
{
    start(1);
    victim = world_spawn(at_rest);
    world_settle();
    waiter = world_spawn(waits);
}

static void check(void)
{
    world_stop();
    MODEL_CHECK(pgi_alive(world_rt) == 0);
    MODEL_CHECK((uint64_t)sent == (uint64_t)(handled + refused) + world_dropped());
    world_end();
}

static void check_finished(void)
{
    check();
    MODEL_CHECK(finished == 1);
}

static void check_waited(void)
{
    check_finished();
    MODEL_CHECK(ended.kind == PG_EXIT_KILLED);
}

int main(void)
{
    static const struct model_case cases[] = {
        {"process: two senders to one at rest", resting, {send_1, send_2_from_0}, check, 2, 1, 0},
        {"process: a sender and a terminate", resting, {send_2_from_0, terminate}, check, 2, 1, 0},
        {"process: a receive, a sender, its deadline",
         receiving_in_time,
         {worker_0, send_1, time_passes},
         check_finished,
         1,
         0,
         0},
        {"process: a wait, an end, its deadline",
         waiting_in_time,
         {worker_0, end_victim, time_passes},
         check_waited,
         1,
         0,
         0},
        {"process: a sleep, its deadline, a stop",
         sleeping_to_be_stopped,
         {serve_0, time_passes, stop},
         check,
         1,
         0,
         0},
        {"process: a receive, a visitor that sends, a stop",
         receiving_to_be_stopped,
         {serve_0, visitor, stop},
         check,
         1,
         0,
         0},
        {"process: a visitor that spawns, a stop",
         nobody_to_be_stopped,
         {serve_0, visitor_spawns, stop},
         check,
         1,
         1,
         0},
        {"process: a wait for one at rest, a stop", waiting_to_be_stopped, {serve_0, stop}, check, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
