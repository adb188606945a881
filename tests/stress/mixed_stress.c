/* mixed_stress.c - all kinds of processes at once, sending, spawning, linking, waiting, monitoring, calling, setting
 * timers, reading and writing, ending and being killed, with books in shared memory that have to balance.
 *
 * Rounds, each with a runtime of its own, until the time is over.  In a round green processes, threads and operating-
 * system processes, with green ones in them, get messages; each makes its receiver do one thing drawn at random.  One
 * of an operating-system process may be to die of a signal or by exit(), with all that is in it.  Host threads send,
 * too. In the end everybody is told to end, the youngest first.  Then:
 *
 *   1. A message is handled at most once, by the process that it was for, and never after its send was refused.  What a
 *      host thread sends to one process arrives in order.
 *   2. Each message between two in the program that its send accepted was handled, or is counted in pg_stats.dropped.
 *      (Of one that leaves or enters an operating-system process, the same or nothing is known: it may die with it.)
 *   3. Of a link that was made and not taken back, whoever made it was told exactly once that the other one has ended,
 *      or has ended itself.  Nobody is told twice of one end.  Who has no receiver for it has ended by it.
 *   4. A process whose end was told, by an exit or a wait, runs no more: no message is handled, its clean-ups are over,
 *      and a send from the program to one in it is refused.
 *   5. A monitor that was not taken back tells once, and one that was tells nothing.  An answer is that to the caller's
 *      question.  What a cancelled timer was to send does not come.  Nobody who was known to be dead has a name.  What
 *      is written to a descriptor is read once.
 *   6. Each process that was spawned begins and ends once, and can be waited for; one that has died with its operating-
 *      system process, which says so, need not have come to its clean-ups.
 *
 * Records are shared by all operating-system processes.  A link is made by the older of two records only, and not again
 * once it has been taken back, so that it is plain who has to be told, and how often. */
#include "awake.h"
#include "away.h"

#include <paragram.h>
#include <pthread.h>
#include <signal.h>

enum { RECORDS = 1500, TICKETS = 200000, TABLE = 100, HOSTS = 2, ROUND_MS = 700 };
enum { MONITORS = 4, NAMES = 8, PAIRS = 4, PACKETS = 50000 };
enum { LOW = SLOWED ? 40 : 80, OS_AT_ONCE = SLOWED ? 2 : 4, THREADS_AT_ONCE = 4 };

static const int64_t patience = PG_SECONDS(SLOWED ? 100 : 60);

/* Of a message.  FAR also of one whose fate is not known: a call's, a timer's. */
enum { ACCEPTED = 1, REFUSED = 2, HANDLED = 4, FAR = 8 };

/* Of a pair of processes, the older one's side: it has linked the younger one, and is owed an exit; it has had one; it
 * has taken the link back, or it was never made, so that nothing is owed. */
enum { OWED = 1, TOLD = 2, CLOSED = 4 };

typedef struct monitor {
    _Atomic(uint64_t) ref; /* 0: none */
    uint64_t pid;
} monitor;

typedef struct record {
    _Atomic(uint64_t) pid;
    _Atomic(int) begun, ended, busy;
    _Atomic(bool) dead; /* somebody was told */
    uint64_t last[HOSTS];
    uint64_t random;
    _Atomic(int) root; /* the record of the operating-system process that it is in; -1: the program */
    _Atomic(pg_kind) kind;
    _Atomic(bool) traps;
    monitor monitors[MONITORS]; /* its own, of younger ones */
    pg_timer timer;             /* the last that it has set, and what that sends */
    int timer_ticket;
    pg_from asker; /* whom it has still to answer, and what he has asked */
    int64_t asked;
} record;

static struct world {
    uint64_t seed;
    record records[RECORDS];
    _Atomic(uint8_t) tickets[TICKETS];
    _Atomic(uint8_t) pairs[RECORDS][RECORDS];
    _Atomic(int) table[TABLE]; /* records that are sent to; their number plus one */
    _Atomic(int) used, issued, green_wanted, os_wanted, thread_wanted;
    _Atomic(uint64_t) news_sent, news_handled; /* to groups of the program's, and by their members */
    _Atomic(uint8_t) packets[PACKETS];
    _Atomic(int) written;
    _Atomic(uint64_t) downs, calls, answers, timers, cancelled, named, read, blocked;
    _Atomic(bool) over;
} * world;

/* Of all rounds. */
static struct totals {
    uint64_t rounds, processes, systems, crashes, messages, handled, dropped, refused, far_lost, exits, links;
    uint64_t downs, calls, answers, timers, cancelled, news, named, read, blocked;
} totals;

static pg_runtime *rt;      /* the program's; what is in another process asks for its own */
static int pairs[PAIRS][2]; /* of sockets, the program's */

/* ------------------------------------------------------------------------------------------------------- records */

static int number_of(const record *r)
{
    return (int)(r - world->records);
}

static bool is_far(const record *r)
{
    return r && r->root >= 0;
}

/* Mostly one that lives. */
static record *somebody(uint64_t *random)
{
    record *r = NULL;
    for (int tries = 0; tries < 4 && (!r || r->ended || r->dead); tries++) {
        int n = atomic_load(&world->table[check_random(random) % TABLE]);
        r = n == 0 ? NULL : &world->records[n - 1];
    }
    return r;
}

static pg_pid pid_of(const record *r)
{
    return (pg_pid){atomic_load(&((record *)(uintptr_t)r)->pid)};
}

static record *record_of(pg_pid pid)
{
    for (int i = 0; i < RECORDS; i++) {
        if (atomic_load(&world->records[i].pid) == pid.id) return &world->records[i];
    }
    CHECK_FAIL("there is no record of the pid %" PRIx64, pid.id);
}

/* The caller was told that it has ended. */
static void is_dead(record *r)
{
    atomic_store(&r->dead, true);
    if (is_far(r)) return;
    CHECK_EQ(r->ended, r->begun);
    CHECK_EQ(r->ended, 1);
}

/* ------------------------------------------------------------------------------------------------------- sending */

/* One of the program's own sends to another: whoever was dead before is found dead. */
static void must_be_refused(bool was_dead, const record *from, const record *to, int status)
{
    if (was_dead && !is_far(from) && !is_far(to)) CHECK_EQ(status, PG_ENOPROC);
}

/* A new one; -1: there are no more. */
static int new_ticket(void)
{
    int ticket = atomic_load(&world->issued) < TICKETS ? atomic_fetch_add(&world->issued, 1) : TICKETS;
    return ticket < TICKETS ? ticket : -1;
}

static uint8_t mark_ticket(int64_t ticket, uint8_t what)
{
    return atomic_fetch_or(&world->tickets[ticket], what);
}

static void send_work(record *from, record *to, int host, uint64_t number)
{
    pg_pid pid = pid_of(to);
    int ticket = pid.id == 0 ? -1 : new_ticket();
    if (ticket < 0) return;
    bool was_dead = atomic_load(&to->dead), far = is_far(from) || is_far(to);
    int status = pg_send(pid, "work", ticket, number_of(to), host, number);
    CHECK(status == PG_OK || status == PG_ENOPROC || (far && (status == PG_EFULL || status == PG_ESTOPPED)));
    must_be_refused(was_dead, from, to, status);
    uint8_t before = mark_ticket(ticket, (uint8_t)((status ? REFUSED : ACCEPTED) | (far ? FAR : 0)));
    CHECK(status == PG_OK || !(before & HANDLED));
}

static int64_t handle_ticket(pg_process *self, const record *r, const pg_message *msg)
{
    int64_t ticket = pg_get_int(self, msg, 1);
    CHECK_EQ(pg_get_int(self, msg, 2), number_of(r));
    CHECK(ticket >= 0 && ticket < TICKETS);
    CHECK(!(mark_ticket(ticket, HANDLED) & (HANDLED | REFUSED)));
    return ticket;
}

static void handle_work(pg_process *self, record *r, const pg_message *msg)
{
    int64_t host = pg_get_int(self, msg, 3);
    handle_ticket(self, r, msg);
    if (host < 0) return;
    uint64_t number = (uint64_t)pg_get_int(self, msg, 4);
    CHECK(number > r->last[host]);
    r->last[host] = number;
}

static void handle_exit(pg_process *self, record *r, const pg_message *msg)
{
    record *other = record_of(pg_get_pid(self, msg, 1));
    is_dead(other);
    CHECK(!(atomic_fetch_or(&world->pairs[number_of(r)][number_of(other)], TOLD) & TOLD));
}

#include "mixed_services.h"

/* A message of ours has come, by whatever way. */
static void take_in(pg_process *self, const pg_message *msg)
{
    record *r = pg_data(self);
    if (pg_term_type(pg_get(self, msg, 0)) == PG_T_EXIT) {
        handle_exit(self, r, msg);
        return;
    }
    const char *what = pg_get_str(self, msg, 0);
    if (strcmp(what, "down") == 0) {
        handle_down(self, r, msg);
    } else if (strcmp(what, "ask") == 0) {
        handle_ask(self, r, msg);
    } else if (strcmp(what, "news") == 0) {
        if (!is_far(r)) atomic_fetch_add(&world->news_handled, 1);
    } else {
        handle_work(self, r, msg);
    }
}

/* ------------------------------------------------------------------------------------------------------ spawning */

static void target(pg_process *self);

static bool take_one(_Atomic(int) *wanted)
{
    int n = atomic_load(wanted);
    while (n > 0) {
        if (atomic_compare_exchange_weak(wanted, &n, n - 1)) return true;
    }
    return false;
}

static pg_kind kind_wanted(void)
{
    if (atomic_load(&world->over) || atomic_load(&world->used) >= RECORDS - 10) return PG_KIND_DEFAULT;
    if (take_one(&world->os_wanted)) return PG_OS;
    if (take_one(&world->thread_wanted)) return PG_THREAD;
    return take_one(&world->green_wanted) ? PG_GREEN : PG_KIND_DEFAULT;
}

/* What is in an operating-system process spawns more of them, and green ones. */
static record *new_record(const record *parent, pg_kind kind, uint64_t random)
{
    int n = atomic_fetch_add(&world->used, 1);
    if (n >= RECORDS) return NULL;
    record *r = &world->records[n];
    r->random = world->seed + (uint64_t)n * 77;
    r->kind = kind;
    r->traps = random % 4 != 0;
    r->root = kind == PG_OS ? n : parent ? parent->root : -1;
    return r;
}

static void enter_table(record *r, pg_pid pid)
{
    uint64_t before = atomic_exchange(&r->pid, pid.id);
    CHECK(before == 0 || before == pid.id); /* the process itself may have been faster */
    atomic_store(&world->table[number_of(r) * 7919 % TABLE], number_of(r) + 1);
}

static void spawn_one(pg_process *self, record *parent, bool link, uint64_t random)
{
    pg_kind kind = kind_wanted();
    record *r = kind == PG_KIND_DEFAULT ? NULL : new_record(parent, kind, random);
    if (!r) return;
    pg_spawn_options options = {.name = random & 64 ? "one" : NULL, .args = pg_tuple(number_of(r)), .kind = kind};
    _Atomic(uint8_t) *pair = parent ? &world->pairs[number_of(parent)][number_of(r)] : NULL;
    if (link) atomic_fetch_or(pair, OWED);
    pg_pid pid = !self  ? pg_spawn_in(rt, target, &options)
                 : link ? pg_spawn_link_with(self, target, &options)
                        : pg_spawn_with(self, target, &options);
    int status = pg_pid_status(pid);
    CHECK(status == PG_OK || is_far(parent));
    if (status == PG_OK) {
        enter_table(r, pid);
    } else if (link) {
        atomic_fetch_or(pair, CLOSED);
    }
}

/* ---------------------------------------------------------------------------------------------- what processes do */

static void end_record(void *arg)
{
    record *r = arg;
    CHECK_EQ(r->begun, 1);
    CHECK_EQ(atomic_fetch_add(&r->ended, 1), 0);
    CHECK(!r->dead);
}

static void enter(pg_process *self)
{
    record *r = pg_data(self);
    CHECK_EQ(r->begun, 1);
    CHECK_EQ(r->ended, 0);
    CHECK(!r->dead);
    CHECK_EQ(atomic_exchange(&r->busy, 1), 0);
    CHECK_EQ(r->pid, pg_self(self).id);
}

static void leave(pg_process *self)
{
    record *r = pg_data(self);
    CHECK_EQ(r->ended, 0);
    CHECK_EQ(atomic_exchange(&r->busy, 0), 1);
}

static void link_with(pg_process *self, record *me, record *other)
{
    _Atomic(uint8_t) *pair = &world->pairs[number_of(me)][number_of(other)];
    if (me >= other || atomic_load(pair) != 0) return;
    atomic_fetch_or(pair, OWED);
    int status = pg_link(self, pid_of(other));
    CHECK(status == PG_OK || is_far(me) || is_far(other));
    if (status != PG_OK) atomic_fetch_or(pair, CLOSED);
}

static void unlink_from(pg_process *self, record *me, record *other)
{
    _Atomic(uint8_t) *pair = &world->pairs[number_of(me)][number_of(other)];
    if (me >= other || atomic_load(pair) != OWED) return;
    atomic_fetch_or(pair, CLOSED);
    int status = pg_unlink(self, pid_of(other));
    CHECK(status == PG_OK || status == PG_ENOPROC || is_far(me) || is_far(other));
}

static void wait_for(record *me, record *other, uint64_t random)
{
    pg_exit_info why;
    int status = pg_wait(pid_of(other), (int64_t)(random % 500000), &why);
    CHECK(status == PG_OK || status == PG_ETIMEDOUT || status == PG_EINSIDE || is_far(me) || is_far(other));
    if (status != PG_OK) return;
    CHECK_EQ(why.pid.id, other->pid);
    is_dead(other);
}

static void receive_some(pg_process *self, uint64_t random)
{
    const pg_message *msg;
    int64_t timeout = (int64_t)(random % 4 * 100000);
    int status = random & 16 ? pg_recv(self, &msg, timeout)
                             : pg_recv_match(self, &msg, timeout, "work", PG_INT, PG_INT, PG_INT, PG_INT);
    CHECK(status == PG_OK || status == PG_ETIMEDOUT);
    if (status == PG_OK) take_in(self, msg);
}

/* The end of this operating-system process, and of all that is in it. */
static void crash(const record *me, uint64_t random)
{
    if (!is_far(me)) return;
    if (random % 3 == 0) _exit(3);
    raise(random % 3 == 1 ? SIGKILL : SIGTERM);
}

static void end_somehow(pg_process *self, record *me, uint64_t random)
{
    switch (random % 16) {
    case 0: pg_exit(self);
    case 1: pg_fail(self, "no reason %d", (int)random);
    case 2: pg_fail_value(self, pg_tuple("some", "value", 3));
    case 3:
    case 4: crash(me, random >> 8); break;
    default: break;
    }
}

static void do_something(pg_process *self, record *me, uint64_t random)
{
    record *other = somebody(&me->random);
    if (atomic_load(&world->over) || !other || pid_of(other).id == 0) return;
    uint64_t more = random >> 16;
    switch (random % 48) {
    case 0: spawn_one(self, me, true, more); break;
    case 1: spawn_one(self, me, false, more); break;
    case 2:
    case 3:
    case 4: link_with(self, me, other); break;
    case 5: unlink_from(self, me, other); break;
    case 6: pg_sleep(self, (int64_t)(more % 300000)); break;
    case 7: pg_yield(self); break;
    case 8: wait_for(me, other, more); break;
    case 9: receive_some(self, more | 16); break;
    case 10: receive_some(self, more & ~UINT64_C(16)); break;
    case 11: end_somehow(self, me, more); break;
    case 12:
        if (more % 8 == 0) pg_terminate(pid_of(other));
        if (more % 8 == 1) pg_terminate_value(pid_of(other), pg_v_str("told to"));
        break;
    case 32:
    case 33: begin_monitor(self, me, other); break;
    case 34: end_monitor(self, me, more); break;
    case 35:
    case 36: call(self, me, other, more); break;
    case 37:
    case 38: set_timer(self, me, other, more); break;
    case 39: use_names(self, me, other, more); break;
    case 40:
    case 41: read_or_write(self, me, more); break;
    case 42: block_for(self, me, more); break;
    default: /* on average a message makes about one message */
        send_work(me, other, -1, 0);
        if (more % 2 == 0 && (other = somebody(&me->random)) != NULL) send_work(me, other, -1, 0);
        break;
    }
}

static void on_work(pg_process *self, const pg_message *msg)
{
    record *r = pg_data(self);
    enter(self);
    take_in(self, msg);
    do_something(self, r, check_random(&r->random));
    leave(self);
}

static void on_told(pg_process *self, const pg_message *msg)
{
    enter(self);
    take_in(self, msg);
    leave(self);
}

static void define_mortal(pg_table *t)
{
    pg_on(t, on_work, "work", PG_INT, PG_INT, PG_INT, PG_INT);
    pg_on(t, on_told, "down", PG_REF, PG_PID, PG_EXIT);
    pg_on(t, on_told, "ask", PG_INT, PG_INT);
    pg_on(t, on_told, "news");
}

static void define_trapping(pg_table *t)
{
    define_mortal(t);
    pg_on(t, on_told, PG_EXIT, PG_PID);
}

static pg_table trapping = PG_TABLE(define_trapping), mortal = PG_TABLE(define_mortal);

static void target(pg_process *self)
{
    record *r = &world->records[pg_get_int(self, pg_args(self), 0)];
    CHECK_EQ(atomic_fetch_add(&r->begun, 1), 0);
    enter_table(r, pg_self(self));
    pg_set_data(self, r);
    CHECK_EQ(pg_defer(self, end_record, r), PG_OK);
    CHECK_EQ(pg_use(self, r->traps ? &trapping : &mortal), PG_OK);
    enter(self);
    if (check_random(&r->random) % 16 == 0) receive_some(self, check_random(&r->random));
    leave(self);
}

/* --------------------------------------------------------------------------------------------------------- hosts */

static void *host(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t random = world->seed + 7777 + (uint64_t)me, number = 0;
    while (!atomic_load(&world->over)) {
        spawn_one(NULL, NULL, false, check_random(&random));
        for (int i = 0; i < 20; i++) {
            record *r = somebody(&random);
            if (r) send_work(NULL, r, me, ++number);
        }
        record *r = somebody(&random);
        if (r && pid_of(r).id != 0 && check_random(&random) % 8 == 0) wait_for(NULL, r, check_random(&random));
        check_pause_us((int)(check_random(&random) % 200));
    }
    return NULL;
}

/* Has as many spawned, of each kind, as there should be: by whoever comes by next.  Records of processes that have died
 * with their operating-system process count as ended once that is known. */
static void keep_up(void)
{
    int green = 0, systems = 0, threads = 0, used = atomic_load(&world->used);
    for (int i = 0; i < used && i < RECORDS; i++) {
        record *r = &world->records[i];
        pg_pid pid = pid_of(r);
        if (pid.id == 0 || r->ended || r->dead || (is_far(r) && world->records[r->root].dead)) continue;
        if (r->kind == PG_OS && pg_wait(pid, 0, NULL) == PG_OK) is_dead(r);
        green += r->kind == PG_GREEN;
        systems += r->kind == PG_OS;
        threads += r->kind == PG_THREAD;
    }
    atomic_store(&world->green_wanted, green < LOW ? LOW - green : 0);
    atomic_store(&world->os_wanted, systems < OS_AT_ONCE);
    atomic_store(&world->thread_wanted, threads < THREADS_AT_ONCE);
}

/* ----------------------------------------------------------------------------------------------------- the books */

static void end_one(record *r);

/* A younger one of which it has still to be told; NULL: none. */
static record *owes_an_exit(const record *r)
{
    for (int i = number_of(r) + 1; i < RECORDS; i++) {
        if (atomic_load(&world->pairs[number_of(r)][i]) == OWED) return &world->records[i];
    }
    return NULL;
}

/* Likewise of its monitors. */
static void settle_monitors(const record *r, pg_pid pid)
{
    const monitor *m;
    int64_t deadline = check_now_ns() + patience;
    while ((m = owes_news(r)) != NULL && !((record *)(uintptr_t)r)->ended && !r->dead && pg_is_alive(pid)) {
        record *other = record_of((pg_pid){m->pid});
        if (!other->dead) end_one(other);
        if (check_now_ns() > deadline) {
            CHECK_FAIL("record %d (root %d), which lives, is owed news of %d", number_of(r), r->root, number_of(other));
        }
        check_pause_us(500);
    }
}

/* Waits until all links that it has made are accounted for.  The younger ones have ended, but for one whose pid was not
 * known yet when it had its turn: it was just being spawned. */
static void settle_links(record *r, pg_pid pid)
{
    record *other;
    int64_t deadline = check_now_ns() + patience;
    while ((other = owes_an_exit(r)) != NULL && !r->ended && !r->dead && pg_is_alive(pid)) {
        if (!other->dead && pid_of(other).id != 0) end_one(other);
        if (check_now_ns() > deadline) {
            CHECK_FAIL("record %d (root %d), which lives, is owed an exit by %d (pid %" PRIx64
                       ", root %d, begun %d, ended %d, dead %d)",
                       number_of(r), r->root, number_of(other), pid_of(other).id, other->root, other->begun,
                       other->ended, other->dead);
        }
        check_pause_us(500);
    }
}

static void end_one(record *r)
{
    pg_pid pid = pid_of(r);
    if (pid.id == 0) return;
    settle_links(r, pid);
    settle_monitors(r, pid);
    pg_exit_info why;
    pg_terminate(pid);
    CHECK_EQ(pg_wait(pid, patience, &why), PG_OK);
    is_dead(r);
    bool crashed = why.kind == PG_EXIT_CRASHED || why.kind == PG_EXIT_UNKNOWN;
    CHECK(!crashed || is_far(r));
    if (!crashed) CHECK(r->begun == 1 && r->ended == 1);
    totals.systems += r->kind == PG_OS;
    totals.crashes += r->kind == PG_OS && crashed;
}

static void end_everybody(void)
{
    int used = atomic_load(&world->used) < RECORDS ? atomic_load(&world->used) : RECORDS;
    for (int i = used - 1; i >= 0; i--) end_one(&world->records[i]);
    totals.processes += (uint64_t)used;
}

static void count_pairs(void)
{
    for (int i = 0; i < RECORDS; i++) {
        for (int j = 0; j < RECORDS; j++) {
            uint8_t pair = atomic_load(&world->pairs[i][j]);
            totals.links += (pair & OWED) != 0;
            totals.exits += (pair & TOLD) != 0;
        }
    }
}

/* Those that a process which has crashed meanwhile had just spawned, and nobody else knew before they began. */
static void end_late_ones(void)
{
    for (int i = 0; i < RECORDS; i++) {
        if (!world->records[i].dead) end_one(&world->records[i]);
    }
}

static void balance(void)
{
    uint64_t lost = 0, lost_far = 0, handled = 0, refused = 0;
    int issued = atomic_load(&world->issued) < TICKETS ? atomic_load(&world->issued) : TICKETS;
    for (int i = 0; i < issued; i++) {
        uint8_t ticket = atomic_load(&world->tickets[i]);
        handled += (ticket & HANDLED) != 0;
        refused += (ticket & REFUSED) != 0;
        if (!(ticket & HANDLED) && ticket & ACCEPTED) *(ticket & FAR ? &lost_far : &lost) += 1;
    }
    lost += world->news_sent - world->news_handled;
    totals.news += world->news_sent;
    pg_stats stats = {0};
    for (int t = 0; t < 5000; t++) {
        CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
        if (stats.alive == 0 && stats.dropped >= lost) break;
        end_late_ones();
        if (stats.alive < 100) awake_workers(rt, t);
        check_pause_us(1000);
    }
    CHECK_EQ(stats.alive, 0);
    if (stats.dropped < lost || stats.dropped > lost + lost_far) {
        CHECK_FAIL("%" PRIu64 " messages are counted as dropped; not handled were %" PRIu64 ", and %" PRIu64
                   " from or to "
                   "other operating-system processes",
                   stats.dropped, lost, lost_far);
    }
    totals.messages += (uint64_t)issued;
    totals.handled += handled;
    totals.refused += refused;
    totals.dropped += lost;
    totals.far_lost += lost_far;
}

static void add_up(void)
{
    totals.downs += world->downs;
    totals.calls += world->calls;
    totals.answers += world->answers;
    totals.timers += world->timers;
    totals.cancelled += world->cancelled;
    totals.named += world->named;
    totals.read += world->read;
    totals.blocked += world->blocked;
}

static void quiet(void *unused, pg_log_level level, const char *line)
{
    (void)unused;
    (void)level;
    (void)line;
}

static void play_round(uint64_t seed, int64_t ms)
{
    memset(world, 0, sizeof *world);
    world->seed = seed;
    int status;
    rt = pg_start(&(pg_options){.workers = 1 + (unsigned)(seed % 4), .log = quiet, .status = &status});
    CHECK_EQ(status, PG_OK);
    for (int i = 0; i < PAIRS; i++) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pairs[i]), 0);
    }
    pthread_t hosts[HOSTS];
    for (intptr_t i = 0; i < HOSTS; i++) CHECK_EQ(pthread_create(&hosts[i], NULL, host, (void *)i), 0);
    for (int64_t end = check_now_ns() + PG_MS(ms); check_now_ns() < end && world->issued < TICKETS;) {
        keep_up();
        check_pause_us(999);
    }
    atomic_store(&world->over, true);
    for (int i = 0; i < HOSTS; i++) pthread_join(hosts[i], NULL);
    end_everybody();
    balance();
    CHECK_EQ(pg_stop(rt, PG_SECONDS(20)), PG_OK);
    CHECK_EQ(away_failed(), 0);
    count_pairs();
    balance_packets();
    add_up();
    totals.rounds++;
}

int main(void)
{
    uint64_t seed = check_seed();
    int64_t end = check_now_ns() + PG_MS(check_duration_ms(3 * ROUND_MS));
    away_begin();
    world = away_shared(sizeof *world);
    for (uint64_t round = 0; check_now_ns() < end; round++) {
        printf("round: PG_TEST_SEED=%" PRIu64 "\n", seed + round);
        fflush(stdout);
        play_round(seed + round, ROUND_MS);
    }
    printf("%" PRIu64 " rounds; %" PRIu64 " processes, %" PRIu64 " of them PG_OS, of which %" PRIu64
           " crashed; %" PRIu64 " messages: %" PRIu64 " handled, %" PRIu64 " dropped, %" PRIu64 " refused, %" PRIu64
           " lost with an operating-system process; %" PRIu64 " links, %" PRIu64 " exits\n",
           totals.rounds, totals.processes, totals.systems, totals.crashes, totals.messages, totals.handled,
           totals.dropped, totals.refused, totals.far_lost, totals.links, totals.exits);
    printf("%" PRIu64 " monitors told; %" PRIu64 " calls, %" PRIu64 " answers; %" PRIu64 " timers, %" PRIu64
           " cancelled; %" PRIu64 " changes of names, %" PRIu64 " messages to groups; %" PRIu64
           " packets read; %" PRIu64 " calls that block\n",
           totals.downs, totals.calls, totals.answers, totals.timers, totals.cancelled, totals.named, totals.news,
           totals.read, totals.blocked);
    return 0;
}
