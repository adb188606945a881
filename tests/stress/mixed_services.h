/* mixed_services.h - what the processes of mixed_stress.c do beside sending and linking: they monitor, call, set
 * timers, have names, read and write, and block.  Included there, behind the records and the tickets. */
#ifndef MIXED_SERVICES_H
#define MIXED_SERVICES_H

#include <sys/socket.h>

/* ------------------------------------------------------------------------------------------------ what has come */

static void handle_down(pg_process *self, record *r, const pg_message *msg)
{
    monitor *m = r->monitors;
    while (m < r->monitors + MONITORS && m->ref != pg_get_ref(self, msg, 1).id) m++;
    CHECK(m < r->monitors + MONITORS); /* not one that was taken back, or has told before */
    CHECK_EQ(pg_get_pid(self, msg, 2).id, m->pid);
    is_dead(record_of(pg_get_pid(self, msg, 2)));
    atomic_store(&m->ref, 0);
    atomic_fetch_add(&world->downs, 1);
}

static void reply_late(record *r)
{
    if (r->asker.pid.id == 0) return;
    int status = pg_reply_to(r->asker, r->asked);
    CHECK(status == PG_OK || status == PG_ENOPROC || status == PG_EFULL);
    r->asker.pid.id = 0;
}

/* A question, which need not be answered, or not by now. */
static void handle_ask(pg_process *self, record *r, const pg_message *msg)
{
    int64_t ticket = handle_ticket(self, r, msg);
    uint64_t random = check_random(&r->random);
    reply_late(r);
    r->asker = pg_call_from(msg);
    r->asked = ticket;
    if (random % 4 == 0) return;
    if (random % 4 == 1) pg_yield(self);
    reply_late(r);
    if (random % 8 == 2) pg_reply(msg, ticket + 1); /* nobody waits for another one */
}

/* ------------------------------------------------------------------------------------------------ what they do */

static void begin_monitor(pg_process *self, record *me, record *other)
{
    monitor *m = me->monitors;
    while (m < me->monitors + MONITORS && m->ref != 0) m++;
    if (me >= other || m == me->monitors + MONITORS) return;
    pg_ref ref;
    m->pid = other->pid;
    int status = pg_monitor(self, pid_of(other), &ref);
    CHECK(status == PG_OK || is_far(me) || is_far(other));
    if (status == PG_OK) atomic_store(&m->ref, ref.id);
}

static void end_monitor(pg_process *self, record *me, uint64_t random)
{
    monitor *m = &me->monitors[random % MONITORS];
    uint64_t ref = m->ref;
    if (ref == 0) return;
    CHECK_EQ(pg_demonitor(self, (pg_ref){ref}), PG_OK);
    CHECK_EQ(pg_demonitor(self, (pg_ref){ref}), PG_EINVAL);
    atomic_store(&m->ref, 0);
}

static void call(pg_process *self, record *me, record *other, uint64_t random)
{
    const pg_message *reply;
    bool far = is_far(me) || is_far(other);
    int ticket = new_ticket();
    if (ticket < 0) return;
    int status = pg_call(self, pid_of(other), &reply, (int64_t)(random % 400000), "ask", ticket, number_of(other));
    uint8_t before = mark_ticket(ticket, ACCEPTED | FAR); /* whoever has ended may have had it, or not */
    CHECK(far || status == PG_OK || status == PG_ENOPROC || status == PG_ETIMEDOUT || status == PG_EINSIDE);
    atomic_fetch_add(&world->calls, 1);
    if (status == PG_ENOPROC && !far) is_dead(other);
    if (status != PG_OK) return;
    CHECK_EQ(pg_get_int(self, reply, 0), ticket);
    CHECK(before & HANDLED);
    atomic_fetch_add(&world->answers, 1);
}

/* Cancels the last timer, or lets it go, and sets another one. */
static void set_timer(pg_process *self, record *me, record *other, uint64_t random)
{
    if (random % 2 && pg_cancel_timer(me->timer)) {
        CHECK(!(mark_ticket(me->timer_ticket, REFUSED) & HANDLED));
        CHECK(!pg_cancel_timer(me->timer));
        atomic_fetch_add(&world->cancelled, 1);
    }
    int ticket = new_ticket();
    if (ticket < 0) return;
    mark_ticket(ticket, ACCEPTED | FAR);
    int64_t delay = (int64_t)(random >> 8) % 500000;
    me->timer = pg_send_after(self, pid_of(other), delay, "work", ticket, number_of(other), -1, 0);
    me->timer_ticket = ticket;
    CHECK_EQ(pg_timer_status(me->timer), PG_OK);
    atomic_fetch_add(&world->timers, 1);
}

static void use_names(pg_process *self, record *me, record *other, uint64_t random)
{
    pg_runtime *own = pg_runtime_of(self);
    char name[8];
    snprintf(name, sizeof name, "n%d", (int)(random % NAMES));
    bool was_dead = other->dead, far = is_far(me) || is_far(other);
    pg_pid pid = pg_whereis(own, name), listed[4];
    size_t members = pg_members(own, name, 4, listed);
    for (size_t i = 0; was_dead && !far && i < members && i < 4; i++) CHECK(!pg_same(listed[i], pid_of(other)));
    CHECK(far || !(was_dead && pg_same(pid, pid_of(other))));
    if (pid.id != 0 && !is_far(me)) send_work(me, record_of(pid), -1, 0);
    int status = PG_OK, sent = 0;
    switch (random >> 4 & 7) {
    case 0: status = pg_register(own, name, pid_of(other)); break;
    case 1: status = pg_unregister(own, name); break;
    case 2:
    case 3: status = pg_join(own, name, pg_self(self)); break;
    case 4: status = pg_leave(own, name, pg_self(self)); break;
    default: sent = pg_broadcast(own, name, "news"); break;
    }
    CHECK(status == PG_OK || status == PG_ETAKEN || status == PG_ENOPROC || far);
    CHECK(sent >= 0);
    if (!is_far(me)) atomic_fetch_add(&world->news_sent, sent);
    if (status == PG_OK) atomic_fetch_add(&world->named, 1);
}

/* One packet goes into one of the program's sockets, or comes out of it. */
static void read_or_write(pg_process *self, const record *me, uint64_t random)
{
    if (is_far(me)) return;
    const int *fd = pairs[random % PAIRS];
    int packet = -1, timeout = (int)(random >> 8 & 0x3ffff);
    if (random & 16) {
        ssize_t n = pg_read(self, fd[0], &packet, sizeof packet, timeout);
        CHECK(n == sizeof packet || n == PG_ETIMEDOUT);
        if (n < 0) return;
        CHECK(packet >= 0 && packet < PACKETS);
        CHECK_EQ(atomic_fetch_add(&world->packets[packet], 1), 0);
        atomic_fetch_add(&world->read, 1);
    } else if ((packet = atomic_fetch_add(&world->written, 1)) < PACKETS) {
        ssize_t n = pg_write(self, fd[1], &packet, sizeof packet, timeout);
        CHECK(n == sizeof packet || n == PG_ETIMEDOUT);
        if (n < 0) CHECK_EQ(atomic_fetch_add(&world->packets[packet], 1), 0);
    }
}

static void block(void *argument)
{
    int *us = argument;
    check_pause_us(*us);
    *us = -1;
}

static void block_for(pg_process *self, const record *me, uint64_t random)
{
    int us = (int)(random % 100);
    int status = pg_blocking(self, block, &us);
    CHECK(status == PG_OK || is_far(me));
    if (status == PG_OK) CHECK_EQ(us, -1);
    atomic_fetch_add(&world->blocked, 1);
}

/* A monitor that has still to tell it; NULL: none. */
static const monitor *owes_news(const record *r)
{
    for (int i = 0; i < MONITORS; i++) {
        if (((record *)(uintptr_t)r)->monitors[i].ref != 0) return &r->monitors[i];
    }
    return NULL;
}

/* What is still in a socket has been read by nobody; everything else by one. */
static void balance_packets(void)
{
    for (int i = 0; i < PAIRS; i++) {
        int packet;
        while (read(pairs[i][0], &packet, sizeof packet) == sizeof packet) {
            CHECK_EQ(atomic_fetch_add(&world->packets[packet], 1), 0);
        }
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    int written = world->written < PACKETS ? world->written : PACKETS;
    for (int i = 0; i < written; i++) CHECK_EQ(world->packets[i], 1);
}

#endif
