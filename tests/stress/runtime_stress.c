/* runtime_stress.c - everything at once, with books that have to balance.
 *
 * A few hundred green processes and some with a thread of their own handle work: each message makes its receiver do one
 * thing drawn at random, from sending on over linking, blocking in every way and spawning to ending in every way, its
 * neighbours or itself.  Host threads send, spawn and wait, attached and not.  Every process has a record that is never
 * used again:
 *
 *   1. A record is begun once and ended once, by the clean-up; nothing of it runs before or after, or twice at a time.
 *   2. A message carries the record that it is meant for: it never reaches another one's process.
 *   3. What a host thread sends to one process arrives in order.
 *   4. Messages whose send said PG_OK were handled, or received, or are counted in pg_stats.dropped.
 *   5. Processes whose spawn said PG_OK are those counted in pg_stats.spawned, and all of them end. */
#include "awake.h"
#include "check.h"

#include <paragram.h>
#include <pthread.h>
#include <stdatomic.h>

#if SANITIZED
enum { RECORDS = 20000 };
#else
enum { RECORDS = 200000 };
#endif
enum { TABLE = 400, LOW = 150, HIGH = 350, HOSTS = 3, ATTACHED = 2, THREADS_AT_ONCE = 6 };

typedef struct record {
    _Atomic(uint64_t) pid;
    _Atomic(int) begun, ended, busy;
    _Atomic(uint64_t) last[HOSTS + ATTACHED]; /* the number of the last message of each host */
    uint64_t random;
    pg_kind kind;
} record;

static pg_runtime *rt;
static record *records;
static _Atomic(int) used, alive, threads;
static _Atomic(int) table[TABLE];
static _Atomic(bool) over;
static _Atomic(uint64_t) sent, handled, spawned, exits, kills, waits, timeouts;
static uint64_t seed;

/* ------------------------------------------------------------------------------------------------------- sending */

static record *somebody(uint64_t *random)
{
    int n = atomic_load(&table[check_random(random) % TABLE]);
    return n < 0 ? NULL : &records[n];
}

static int send_work(record *to, int host, uint64_t number)
{
    pg_pid pid = {atomic_load(&to->pid)};
    if (pid.id == 0) return PG_ENOPROC;
    atomic_fetch_add(&sent, 1);
    int status = pg_send(pid, "work", (int)(to - records), host, number);
    CHECK(status == PG_OK || status == PG_ENOPROC);
    if (status != PG_OK) atomic_fetch_sub(&sent, 1);
    return status;
}

static void send_reply(pg_pid pid)
{
    atomic_fetch_add(&sent, 1);
    if (pg_send(pid, "reply", pid) != PG_OK) atomic_fetch_sub(&sent, 1);
}

/* ------------------------------------------------------------------------------------------------------ spawning */

static void target(pg_process *self);

static record *new_record(pg_kind kind)
{
    if (atomic_load(&used) >= RECORDS - 64 || atomic_load(&over)) return NULL;
    int n = atomic_fetch_add(&used, 1);
    if (n >= RECORDS) return NULL;
    records[n].kind = kind;
    records[n].random = seed + (uint64_t)n;
    return &records[n];
}

static void enter_table(record *r, pg_pid pid, uint64_t random)
{
    uint64_t before = atomic_exchange(&r->pid, pid.id);
    CHECK(before == 0 || before == pid.id); /* the process itself may have been faster */
    atomic_store(&table[random % TABLE], (int)(r - records));
}

static void spawn_one(pg_process *self, bool link, uint64_t random)
{
    pg_kind kind = random % 64 == 0 && atomic_load(&threads) < THREADS_AT_ONCE ? PG_THREAD : PG_GREEN;
    record *r = atomic_load(&alive) < HIGH ? new_record(kind) : NULL;
    if (!r) return;
    if (kind == PG_THREAD) atomic_fetch_add(&threads, 1);
    atomic_fetch_add(&alive, 1);
    pg_spawn_options options = {.name = random & 1 ? "worker" : NULL, .args = pg_tuple((void *)r), .kind = kind};
    pg_pid pid = !self  ? pg_spawn_in(rt, target, &options)
                 : link ? pg_spawn_link_with(self, target, &options)
                        : pg_spawn_with(self, target, &options);
    CHECK_EQ(pg_pid_status(pid), PG_OK);
    atomic_fetch_add(&spawned, 1);
    enter_table(r, pid, random >> 8);
}

/* ------------------------------------------------------------------------------------------------------ handling */

static void end_record(void *arg)
{
    record *r = arg;
    CHECK_EQ(r->begun, 1);
    CHECK_EQ(atomic_fetch_add(&r->ended, 1), 0);
    atomic_fetch_sub(&alive, 1);
    if (r->kind == PG_THREAD) atomic_fetch_sub(&threads, 1);
}

static void enter(pg_process *self)
{
    record *r = pg_data(self);
    CHECK_EQ(r->begun, 1);
    CHECK_EQ(r->ended, 0);
    CHECK_EQ(atomic_exchange(&r->busy, 1), 0);
    CHECK_EQ(r->pid, pg_self(self).id);
}

static void leave(pg_process *self)
{
    record *r = pg_data(self);
    CHECK_EQ(r->ended, 0);
    CHECK_EQ(atomic_exchange(&r->busy, 0), 1);
}

/* A message of ours has come, by whatever way. */
static void take_in(pg_process *self, const pg_message *msg)
{
    record *r = pg_data(self);
    if (pg_term_type(pg_get(self, msg, 0)) == PG_T_EXIT) {
        atomic_fetch_add(&exits, 1);
        return;
    }
    atomic_fetch_add(&handled, 1);
    if (strcmp(pg_get_str(self, msg, 0), "reply") == 0) {
        CHECK(pg_same(pg_get_pid(self, msg, 1), pg_self(self)));
        return;
    }
    CHECK_EQ(pg_get_int(self, msg, 1), r - records);
    int host = (int)pg_get_int(self, msg, 2);
    if (host < 0) return;
    /* A selective receive takes replies only, so that work stays in order. */
    uint64_t number = (uint64_t)pg_get_int(self, msg, 3);
    CHECK(number > atomic_load(&r->last[host]));
    atomic_store(&r->last[host], number);
}

static void fail_deep(pg_process *self, int depth)
{
    volatile char ballast[64] = {0};
    ballast[depth % 64] = 1;
    if (depth > 0) fail_deep(self, depth - 1);
    if (ballast[depth % 64]) pg_fail_value(self, pg_tuple("deep", depth));
}

static void receive_some(pg_process *self, uint64_t random)
{
    const pg_message *msg;
    int64_t timeout = (int64_t)(random % 4 * 100000);
    int status = random & 16 ? pg_recv(self, &msg, timeout) : pg_recv_match(self, &msg, timeout, "reply", PG_PID);
    if (status == PG_OK) take_in(self, msg);
    if (status == PG_ETIMEDOUT) atomic_fetch_add(&timeouts, 1);
    CHECK(status == PG_OK || status == PG_ETIMEDOUT);
}

static void wait_for(pg_process *self, pg_pid pid, uint64_t random)
{
    (void)self;
    pg_exit_info why;
    int status = pg_wait(pid, (int64_t)(random % 500000), &why);
    CHECK(status == PG_OK || status == PG_ETIMEDOUT || status == PG_EINSIDE);
    if (status == PG_OK) CHECK(pg_same(why.pid, pid) && !pg_is_alive(pid));
    atomic_fetch_add(&waits, 1);
}

static void do_something(pg_process *self, uint64_t random)
{
    record *me = pg_data(self), *other = somebody(&me->random);
    pg_pid pid = {other ? atomic_load(&other->pid) : 0};
    if (atomic_load(&over) || !other || pid.id == 0) return;
    uint64_t more = random >> 16;
    switch (random % 40) {
    case 0: spawn_one(self, true, more); break;
    case 1: spawn_one(self, false, more); break;
    case 2: pg_link(self, pid); break;
    case 3: pg_unlink(self, pid); break;
    case 4: pg_sleep(self, (int64_t)(more % 300000)); break;
    case 5: pg_yield(self); break;
    case 6: wait_for(self, pid, more); break;
    case 7: receive_some(self, more); break;
    case 8: receive_some(self, more | 16); break;
    case 9: send_reply(pid); break;
    case 10: send_reply(pg_self(self)); break;
    case 11:
        if (more % 4 == 0) pg_exit(self);
        break;
    case 12:
        if (more % 4 == 0) pg_fail(self, "no reason %d", (int)more);
        break;
    case 13:
        if (more % 4 == 0) fail_deep(self, (int)((more >> 4) % 20));
        break;
    case 14:
        if (more % 2 == 0) break;
        if ((more & 2 ? pg_terminate(pid) : pg_terminate_value(pid, pg_v_str("told to"))) == PG_OK) {
            atomic_fetch_add(&kills, 1);
        }
        break;
    default: /* on average a message makes about one message */
        send_work(other, -1, 0);
        if (more % 2 == 0 && (other = somebody(&me->random)) != NULL) send_work(other, -1, 0);
        break;
    }
}

static void on_work(pg_process *self, const pg_message *msg)
{
    record *r = pg_data(self);
    enter(self);
    take_in(self, msg);
    do_something(self, check_random(&r->random));
    leave(self);
}

static void on_reply(pg_process *self, const pg_message *msg)
{
    enter(self);
    take_in(self, msg);
    leave(self);
}

static void on_exit_told(pg_process *self, const pg_message *msg)
{
    record *r = pg_data(self);
    enter(self);
    take_in(self, msg);
    if (check_random(&r->random) % 4 == 0) receive_some(self, check_random(&r->random) & ~UINT64_C(16));
    leave(self);
}

static void define(pg_table *t)
{
    pg_on(t, on_work, "work", PG_INT, PG_INT, PG_INT);
    pg_on(t, on_reply, "reply", PG_PID);
    pg_on(t, on_exit_told, PG_EXIT, PG_PID);
}

static pg_table receivers = PG_TABLE(define);

static void begin_record(pg_process *self, record *r)
{
    uint64_t before = atomic_exchange(&r->pid, pg_self(self).id);
    CHECK(before == 0 || before == pg_self(self).id);
    CHECK_EQ(atomic_fetch_add(&r->begun, 1), 0);
    pg_set_data(self, r);
    CHECK_EQ(pg_defer(self, end_record, r), PG_OK);
    CHECK_EQ(pg_use(self, &receivers), PG_OK);
}

static void target(pg_process *self)
{
    record *r = pg_get_ptr(self, pg_args(self), 0);
    begin_record(self, r);
    enter(self);
    if (check_random(&r->random) % 16 == 0) receive_some(self, check_random(&r->random));
    leave(self);
}

/* --------------------------------------------------------------------------------------------------------- hosts */

static void *host(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t random = seed + 77 + (uint64_t)me, number = 0;
    while (!atomic_load(&over)) {
        while (atomic_load(&alive) < LOW && atomic_load(&used) < RECORDS / 2) {
            spawn_one(NULL, false, check_random(&random) | 63);
        }
        if (atomic_load(&alive) < LOW) spawn_one(NULL, false, check_random(&random));
        for (int i = 0; i < 30; i++) {
            record *r = somebody(&random);
            if (r) send_work(r, me, ++number);
        }
        record *r = somebody(&random);
        if (r && atomic_load(&r->pid) && check_random(&random) % 4 == 0) {
            wait_for(NULL, (pg_pid){atomic_load(&r->pid)}, check_random(&random));
        }
        check_pause_us((int)(check_random(&random) % 200));
    }
    return NULL;
}

/* Attaches, works for a while, and detaches. */
static void attach_once(int me, uint64_t *random, uint64_t *number)
{
    record *r = new_record(PG_GREEN); /* the kind only says that it is not in `threads` */
    if (!r) {
        check_pause_us(200);
        return;
    }
    pg_process *self = pg_attach(rt, "attached");
    CHECK(self);
    atomic_fetch_add(&alive, 1);
    atomic_fetch_add(&spawned, 1);
    begin_record(self, r);
    enter_table(r, pg_self(self), check_random(random));
    int status = PG_ETIMEDOUT;
    for (uint64_t n = check_random(random) % 8; n > 0 && status == PG_ETIMEDOUT; n--) {
        spawn_one(self, check_random(random) % 2, check_random(random));
        for (int i = 0; i < 10; i++) {
            record *to = somebody(random);
            if (to) send_work(to, me, ++*number);
        }
        const pg_message *msg;
        if (check_random(random) % 2) {
            status = pg_recv_match(self, &msg, (int64_t)(check_random(random) % 100000), "reply", PG_PID);
            if (status == PG_OK) {
                take_in(self, msg);
                status = PG_ETIMEDOUT;
            }
        }
        if (status == PG_ETIMEDOUT) status = pg_serve(self, (int64_t)(check_random(random) % 300000));
    }
    CHECK(status == PG_ETIMEDOUT || status == PG_EENDED);
    pg_detach(self);
    CHECK_EQ(r->ended, 1);
}

static void *attaching_host(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t random = seed + 177 + (uint64_t)me, number = 0;
    while (!atomic_load(&over)) attach_once(me, &random, &number);
    return NULL;
}

/* ----------------------------------------------------------------------------------------------------- the books */

static void quiet(void *unused, pg_log_level level, const char *line)
{
    (void)unused;
    (void)level;
    (void)line;
}

static void end_everybody(void)
{
    int n = atomic_load(&used) < RECORDS ? atomic_load(&used) : RECORDS;
    for (int i = 0; i < n; i++) {
        pg_pid pid = {records[i].pid};
        if (pid.id == 0) continue;
        pg_terminate(pid);
        CHECK_EQ(pg_wait(pid, PG_SECONDS(60), NULL), PG_OK);
        CHECK_EQ(records[i].begun, 1);
        CHECK_EQ(records[i].ended, 1);
    }
}

static void balance(void)
{
    pg_stats stats = {0};
    for (int t = 0; t < 5000; t++) {
        CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
        if (stats.alive == 0 && sent == handled + stats.dropped) break;
        if (stats.alive < 100) spawned += awake_workers(rt, t);
        check_pause_us(1000);
    }
    printf("%" PRIu64 " processes; %" PRIu64 " messages: %" PRIu64 " handled, %" PRIu64 " dropped; %" PRIu64
           " exits, %" PRIu64 " killed, %" PRIu64 " waits, %" PRIu64 " timeouts\n",
           spawned, sent, handled, stats.dropped, exits, kills, waits, timeouts);
    CHECK_EQ(stats.alive, 0);
    CHECK_EQ(sent, handled + stats.dropped);
    CHECK_EQ(stats.spawned, spawned);
}

int main(void)
{
    seed = check_seed();
    int64_t limit = check_duration_ms(2000);
    records = calloc(RECORDS, sizeof *records);
    for (int i = 0; i < TABLE; i++) table[i] = -1;
    rt = pg_start(&(pg_options){.workers = 3, .log = quiet});
    CHECK(rt && records);
    pthread_t hosts[HOSTS + ATTACHED];
    for (intptr_t i = 0; i < HOSTS + ATTACHED; i++) {
        CHECK_EQ(pthread_create(&hosts[i], NULL, i < HOSTS ? host : attaching_host, (void *)i), 0);
    }
    for (int64_t t = 0; t < limit && atomic_load(&used) < RECORDS - 1000; t++) check_pause_us(999);
    atomic_store(&over, true);
    for (int i = 0; i < HOSTS + ATTACHED; i++) pthread_join(hosts[i], NULL);
    end_everybody();
    balance();
    CHECK_EQ(pg_stop(rt, PG_SECONDS(20)), PG_OK);
    free(records);
    return 0;
}
