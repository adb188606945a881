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
 *   4. pg_stop() ends a process wherever it waits, however that meets with what it waits for; all is given back.
 *   5. pg_stop() leaves nobody behind: who is spawned meanwhile is ended, and who is attached meanwhile is told.
 *   6. Who counts the living never counts too few; who counts none sees all that its processes have done.  Who learns
 *      that the runtime has stopped sees all that its processes and threads have done.
 *   7. The last one who lets go of the structure frees it, when all others are done with it. */
#include "world.h"

#include "runtime/call.h"

static pg_pid victim, waiter;
static pg_process *host;
static _Atomic(bool) begun;
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

static void leave_behind(void *unused)
{
    (void)unused;
    model_write(&left_behind);
}

static void look_behind(void *unused)
{
    (void)unused;
    model_read(&left_behind);
}

static void look_around(void *unused)
{
    look_behind(unused);
    world_is_over();
}

static void leaves_behind(pg_process *self)
{
    MODEL_CHECK(pg_defer(self, leave_behind, NULL) == PG_OK);
    at_rest(self);
}

static void ends(pg_process *self)
{
    (void)self;
}

static void calls(pg_process *self)
{
    const pg_message *reply;
    outcome = pg_call(self, victim, &reply, PG_FOREVER, 1);
    MODEL_CHECK(outcome == PG_ENOPROC);
    model_read(&left_behind);
    finished++;
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
    model_write(&ended);
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

/* Drives it, and has patience. */
static void stop_driving(void)
{
    MODEL_CHECK(pg_stop(world_rt, PG_SECONDS(1)) == PG_OK);
    stopped = true;
}

/* As a child does when its hub says so. */
static void end_all(void)
{
    pgi_end_all(world_rt);
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

/* For want of a thread it is taken back after others may have found it. */
static void visitor_spawns_thread(void)
{
    int status = pg_pid_status(pg_spawn_in(world_rt, at_rest, &(pg_spawn_options){.kind = PG_THREAD}));
    MODEL_CHECK(status == PG_ENOMEM || status == PG_ESTOPPED);
}

static void worker_spawns_one_that_ends(void)
{
    world_enter(0);
    MODEL_CHECK(pg_pid_status(pg_spawn_in(world_rt, ends, NULL)) == PG_OK);
    world_work();
    world_leave();
}

/* As a worker counts that spawns a process of kind PG_THREAD, and that one's thread when it has ended. */
static void worker_begins_thread(void)
{
    world_enter(0);
    pgi_count_spawned(world_rt, pgi_local_here(world_rt));
    world_leave();
    store_release(&begun, true); /* partner: thread_ends */
}

static void thread_ends(void)
{
    while (!load_acquire(&begun)) cpu_relax(); /* partner: worker_begins_thread */
    pgi_count_ended(world_rt, NULL);
}

static void count(void)
{
    uint64_t alive = pgi_alive(world_rt);
    MODEL_CHECK(alive == 1 || alive == 2);
}

static void last_one_is_gone(void)
{
    leave_behind(NULL);
    pgi_os_gone(world_rt);
}

static void count_none(void)
{
    if (pgi_alive(world_rt) == 0) look_behind(NULL);
}

static void attach(void)
{
    host = pgi_spawn_attached(world_rt, NULL);
}

static void detach(void)
{
    pg_detach(host);
}

/* Learns that it has stopped, and nothing else by that. */
static void await_stop(void)
{
    while (!load_relaxed(&world_rt->stopped)) cpu_relax();
}

static void host_serves(void)
{
    await_stop();
    MODEL_CHECK(pg_serve(host, 0) == PG_ESTOPPED);
    look_around(NULL);
}

static void host_asks_for_runtime(void)
{
    await_stop();
    MODEL_CHECK(!pg_runtime_of(host));
    look_around(NULL);
}

/* Whoever attaches anew is detached from what has stopped, and its clean-ups run. */
static void host_attaches_anew(void)
{
    await_stop();
    MODEL_CHECK(!pg_attach(world_rt, NULL));
    host = NULL;
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

static void nobody(void)
{
    start(0);
}

static void nobody_to_be_stopped(void)
{
    start(1);
}

static void waiting(unsigned serving)
{
    start(serving);
    victim = world_spawn(at_rest);
    world_settle();
    waiter = world_spawn(waits);
}

static void waiting_for_ever(void)
{
    waiting(0);
}

static void waiting_to_be_stopped(void)
{
    waiting(1);
}

static void calling(void)
{
    start(0);
    victim = world_spawn(at_rest);
    world_settle();
    waiter = world_spawn(calls);
}

static void one_alive(void)
{
    resting();
    store_relaxed(&begun, false);
}

/* An operating-system process, as far as it counts. */
static void one_far_away(void)
{
    start(0);
    store_relaxed(&world_rt->os.alive, 1);
}

static void nobody_to_be_driven(void)
{
    start(0);
    world_drive();
    host = NULL;
}

static void host_to_be_stopped(void)
{
    start(0);
    world_drive();
    victim = world_spawn(leaves_behind);
    world_settle();
    world_rt->slots.max++; /* the worker keeps all others */
    host = pg_attach(world_rt, NULL);
    MODEL_CHECK(host && pg_defer(host, look_around, NULL) == PG_OK);
}

/* The runtime and its host hold it, and nobody else. */
static void host_alone(void)
{
    start(0);
    host = pg_attach(world_rt, NULL);
    MODEL_CHECK(host);
    sub_relaxed(&world_rt->references, 1);
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

static void check_called(void)
{
    world_end();
    MODEL_CHECK(finished == 1);
}

static void check_attached(void)
{
    pgs_mpsc_node *first = host ? pgs_mpsc_peek(&host->mailbox) : NULL;
    MODEL_CHECK(!host || (first && pgi_of_node(first)->kind == PGI_TERMINATE));
    world_end();
}

static void check_host(void)
{
    if (host) pg_detach(host);
    world_end();
}

static void check_stopped(void)
{
    MODEL_CHECK(stopped);
}

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
    {"process: a sleep, its deadline, a stop", sleeping_to_be_stopped, {serve_0, time_passes, stop}, check, 1, 0, 0},
    {"process: a receive, a visitor that sends, a stop",
     receiving_to_be_stopped,
     {serve_0, visitor, stop},
     check,
     1,
     0,
     0},
    {"process: a visitor that spawns, a stop", nobody_to_be_stopped, {serve_0, visitor_spawns, stop}, check, 1, 1, 0},
    {"process: a wait for one at rest, a stop", waiting_to_be_stopped, {serve_0, stop}, check, 1, 1, 0},
    {"process: a wait, an end", waiting_for_ever, {worker_0, end_victim}, check_waited, 2, 1, 0},
    {"process: a call, an end", calling, {worker_0, end_victim}, check_called, 1, 1, 0},
    {"process: a visitor that spawns, an end of all", nobody, {visitor_spawns, end_all}, check, 2, 1, 0},
    {"process: a visitor that spawns a thread in vain, an end of all",
     nobody,
     {visitor_spawns_thread, end_all},
     check,
     2,
     1,
     0},
    {"process: a visitor that spawns, a stop that drives",
     nobody_to_be_driven,
     {visitor_spawns, stop_driving},
     check,
     2,
     1,
     0},
    {"process: a worker spawns one that ends, a count",
     one_alive,
     {worker_spawns_one_that_ends, count},
     check,
     1,
     1,
     0},
    {"process: a worker begins a thread that ends, a count",
     one_alive,
     {worker_begins_thread, thread_ends, count},
     check,
     1,
     1,
     0},
    {"process: the last one far away, a count", one_far_away, {last_one_is_gone, count_none}, check, 1, 1, 0},
    {"process: one attaches, a stop", nobody_to_be_driven, {attach, stop_driving}, check_attached, 2, 1, 0},
    {"process: a host detaches, a stop", host_alone, {detach, stop}, check_stopped, 0, 0, 0},
    {"process: a stop, then a host serves", host_to_be_stopped, {stop_driving, host_serves}, check_host, 0, 0, 0},
    {"process: a stop, then a host asks for the runtime",
     host_to_be_stopped,
     {stop_driving, host_asks_for_runtime},
     check_host,
     0,
     0,
     0},
    {"process: a stop, then a host attaches anew",
     host_to_be_stopped,
     {stop_driving, host_attaches_anew},
     check_host,
     0,
     0,
     0},
};

int main(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
