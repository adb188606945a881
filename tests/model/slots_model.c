/* slots_model.c - the pid table under the explorer, as world.h has it: a process is sent to, linked and waited for
 * while it ends, its slot rests for a grace period, and another process gets it.
 *
 * The table has no other slot, so that whoever spawns gets that one, or none.  What is run is pgi_send, pg_link,
 * pg_wait, a spawn, and an end with all that is beneath: slots.c, spawn.c, exit.c, link.c and sched/epoch.c.
 *
 * Invariants checked:
 *   1. No message, signal or end of the one reaches the other, its successor: a sender that has compared the pid may
 *      still exchange the mailbox's tail.
 *   2. A message that was sent was handled, or is counted as dropped, or was refused.
 *   3. Who links with one that ends is told once: as a linked process, or at once.
 *   4. Once nobody is inside any more the slot is used again: reuse comes.
 *   5. Who is told that there is no such process sees what it has done; who finds one sees it whole, however the pid
 *      has come to him. */
#include "world.h"

static pg_pid old, successor, parent;
static int sent, refused, handled, told;
static bool reused;
static int left_behind;           /* by the first one, at its end */
static _Atomic(uint64_t) hearsay; /* a pid that is passed on without order */
static int link_status, wait_status;
static pg_exit_info seen;

enum { END = 0, HELLO = 1, LINK = 2, WAIT = 3 };

/* ------------------------------------------------------------------------------------------------------- processes */

static void handle(pg_process *self, const pg_message *msg)
{
    handled++;
    if (world_number(msg) != END) return;
    model_write(&left_behind);
    pg_exit(self);
}

static void first(pg_process *self)
{
    MODEL_CHECK(pg_receive(self, handle, PG_INT) == PG_OK);
}

/* The successor is sent nothing; what it gets was for the one before it. */
static void must_not(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
    if (msg->kind == PGI_USER) model_fail("a message for the one before has reached its successor");
}

static void second(pg_process *self)
{
    MODEL_CHECK(!self->links && !self->watchers);
    MODEL_CHECK(pg_receive(self, must_not, PG_ETC) == PG_OK);
}

static void hear(pg_process *self, const pg_message *msg)
{
    pg_exit_info exit;
    pg_get_exit(self, msg, 0, &exit);
    MODEL_CHECK(pg_same(exit.pid, old));
    told++;
}

static void act(pg_process *self, const pg_message *msg)
{
    if (world_number(msg) == LINK) {
        link_status = pg_link(self, old);
    } else {
        wait_status = pg_wait(old, PG_FOREVER, &seen);
    }
}

static void neighbour(pg_process *self)
{
    MODEL_CHECK(pg_receive(self, hear, PG_EXIT, PG_PID) == PG_OK);
    MODEL_CHECK(pg_receive(self, act, PG_INT) == PG_OK);
}

/* --------------------------------------------------------------------------------------------------------- threads */

static void post(void)
{
    int status = pgi_send(old, world_message(HELLO));
    MODEL_CHECK(status == PG_OK || status == PG_ENOPROC);
    sent++;
    if (status == PG_OK) return;
    refused++;
    model_read(&left_behind);
}

static void member(void)
{
    world_enter(0);
    post();
    world_work();
    world_leave();
}

/* Computes for long after that: does not say that it holds nothing. */
static void busy_member(void)
{
    world_enter(0);
    post();
}

static void spawner(void)
{
    world_enter(1);
    pg_pid pid = pg_spawn_in(world_rt, first, NULL);
    MODEL_CHECK(pg_pid_status(pid) == PG_OK);
    store_relaxed(&hearsay, pid.id);
    world_work();
    world_leave();
}

/* One that it does not find yet it may take for one that never was. */
static void member_who_has_heard(void)
{
    world_enter(0);
    pg_pid pid = {load_relaxed(&hearsay)};
    int status = pgi_send(pid, world_message(HELLO));
    MODEL_CHECK(status == PG_OK || status == PG_ENOPROC);
    sent++;
    refused += status != PG_OK;
    world_work();
    world_leave();
}

static void visitor(void)
{
    post();
}

static void tell_parent(int what)
{
    world_enter(0);
    MODEL_CHECK(pgi_send(parent, world_message(what)) == PG_OK);
    world_work();
    world_leave();
}

static void linker(void)
{
    tell_parent(LINK);
}

static void watcher(void)
{
    tell_parent(WAIT);
}

/* Makes a successor as soon as it can be had, which has the slot that was the only one. */
static void try_to_reuse(void)
{
    world_tidy();
    pg_pid pid = pg_spawn_in(world_rt, second, NULL);
    if (pg_pid_status(pid) != PG_OK) return;
    successor = pid;
    reused = true;
    MODEL_CHECK(pgi_pid_index(pid) == pgi_pid_index(old) && !pg_same(pid, old));
    world_work();
}

static void end_and_reuse(bool by_force)
{
    world_enter(1);
    int status = pgi_send(old, world_message(END));
    MODEL_CHECK(status == PG_OK);
    sent++;
    world_work();
    for (int i = 0; i < 3 && !reused; i++) {
        if (by_force) {
            (void)pgs_epoch_force_advance(pgs_sched_epoch(world_rt->sched));
        } else {
            pgs_epoch_quiesce(pgs_sched_epoch(world_rt->sched), pgs_worker_member(pgs_worker_self()));
        }
        try_to_reuse();
    }
    world_leave();
}

static void ender(void)
{
    end_and_reuse(false);
}

static void ender_by_force(void)
{
    end_and_reuse(true);
}

/* ----------------------------------------------------------------------------------------------------------- cases */

static void start(bool with_parent)
{
    sent = refused = handled = told = 0;
    reused = false;
    link_status = wait_status = 1;
    world_start(2, 0);
    parent = with_parent ? world_spawn(neighbour) : (pg_pid){0};
    old = world_spawn(first);
    world_settle();
    world_no_more_slots();
}

static void alone(void)
{
    start(false);
}

static void with_neighbour(void)
{
    start(true);
}

static void nobody(void)
{
    sent = refused = handled = 0;
    store_relaxed(&hearsay, 0);
    world_start(2, 0);
}

/* Nobody is inside now; the slot rests at the worker on which the process has ended. */
static void reuse_comes(void)
{
    for (unsigned i = 0; i < 8 && !reused; i++) {
        world_enter(i % 2);
        world_work();
        try_to_reuse();
        world_leave();
    }
    MODEL_CHECK(reused);
}

static void check_sent(void)
{
    world_stop();
    MODEL_CHECK((uint64_t)sent == (uint64_t)(handled + refused) + world_dropped());
    world_end();
}

static void check(void)
{
    reuse_comes();
    MODEL_CHECK(pg_is_alive(successor) && !pg_is_alive(old));
    check_sent();
}

static void check_link(void)
{
    check();
    MODEL_CHECK(link_status == PG_OK && told == 1);
}

static void check_wait(void)
{
    check();
    MODEL_CHECK(wait_status == PG_OK && pg_same(seen.pid, old) && seen.kind == PG_EXIT_NORMAL);
}

int main(void)
{
    static const struct model_case cases[] = {
        {"slots: a worker sends to one that ends", alone, {member, ender}, check, 2, 1, 0},
        {"slots: the same, forced", alone, {member, ender_by_force}, check, 2, 1, 0},
        {"slots: a busy worker sends, forced", alone, {busy_member, ender_by_force}, check, 2, 1, 0},
        {"slots: a visitor sends to one that ends", alone, {visitor, ender}, check, 2, 1, 0},
        {"slots: two send to one that ends", alone, {member, visitor, ender_by_force}, check, 1, 1, 0},
        {"slots: one links with one that ends", with_neighbour, {linker, ender}, check_link, 2, 1, 0},
        {"slots: one waits for one that ends", with_neighbour, {watcher, ender}, check_wait, 2, 1, 0},
        {"slots: a worker sends to one that it has heard of",
         nobody,
         {spawner, member_who_has_heard},
         check_sent,
         2,
         1,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
