/* limits_stress.c - bounded mailboxes under load: many senders who are refused or wait, receivers of several kinds that
 * are told to end at any time, limits that change; and a flood.
 *
 * PG_TEST_SEEDS rounds of it are simulated, by the seeds from PG_TEST_SEED on.
 *
 * What has to hold: no mailbox is ever seen above its limit; what one sender has sent arrives in order, and once; what
 * was let in is handled or counted as dropped; what was refused is counted once.  Under the flood memory stays where it
 * is, and exits arrive soon. */
#include <paragram.h>
#include <stdatomic.h>

#include "check.h"
#include "proc.h"

enum { RECEIVERS = 6, SENDERS = 12, ROUND = 300, FLOODERS = 4, FLOODED = 1000, SEEDS = 20 };

#define PATIENCE PG_SECONDS(60)

/* ----------------------------------------------------------------------------------------------- refused or waiting */

typedef struct receiver {
    pg_pid pid;
    uint32_t most;
    int64_t last[SENDERS]; /* the number that each has sent last */
    _Atomic(uint64_t) handled;
} receiver;

static receiver receivers[RECEIVERS];
static _Atomic(uint64_t) let_in, refused, gone;
static uint64_t seed;

/* Of those that are killed; that they are is no news here. */
static void count_line(void *context, pg_log_level level, const char *text)
{
    (void)context, (void)level, (void)text;
}

static void on_item(pg_process *self, const pg_message *msg)
{
    receiver *r = pg_data(self);
    int64_t sender = pg_get_int(self, msg, 1), number = pg_get_int(self, msg, 2);
    CHECK(number > r->last[sender]);
    r->last[sender] = number;
    atomic_fetch_add(&r->handled, 1);
    if (number % 64 != 0) return;
    pg_mailbox_stats stats;
    CHECK_EQ(pg_get_mailbox_stats(pg_self(self), &stats), PG_OK);
    CHECK(stats.messages <= r->most && stats.bytes <= 256 * stats.messages);
    const pg_message *next;
    if (number % 128 == 0 && pg_recv_match(self, &next, 0, "item", PG_INT, PG_INT, PG_ETC) == PG_OK)
        on_item(self, next);
    uint32_t most = 1 + (uint32_t)(number / 64) % r->most; /* less, and more again */
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = most, .high = most, .alarm = pg_self(self)}), PG_OK);
    if (number % 512 == 0) pg_yield(self);
}

static void on_alarm(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
}

static void be_receiver(pg_process *self)
{
    pg_set_data(self, &receivers[pg_get_int(self, pg_args(self), 0)]);
    pg_receive(self, on_item, "item", PG_INT, PG_INT, PG_ETC);
    pg_receive(self, on_alarm, "mailbox", PG_ETC);
}

static void be_sender(pg_process *self)
{
    int64_t me = pg_get_int(self, pg_args(self), 0);
    uint64_t random = seed ^ (uint64_t)me << 32;
    for (int64_t number = 1; number <= ROUND; number++) {
        pg_pid to = receivers[check_random(&random) % RECEIVERS].pid;
        uint64_t how = check_random(&random) % 8;
        int64_t timeout = how == 0 ? 0 : how == 1 ? (int64_t)(check_random(&random) % PG_MS(1)) : PATIENCE;
        const char *more = how % 2 ? "some more" : "a string of more than fourteen bytes";
        int status =
            how >= 5 ? pg_send(to, "item", me, number) : pg_send_wait(self, to, timeout, "item", me, number, more);
        if (status == PG_OK) {
            atomic_fetch_add(&let_in, 1);
        } else if (status == PG_EFULL || status == PG_ETIMEDOUT) {
            CHECK(status == (how >= 5 ? PG_EFULL : PG_ETIMEDOUT));
            atomic_fetch_add(&refused, 1);
        } else {
            CHECK_EQ(status, PG_ENOPROC);
            atomic_fetch_add(&gone, 1);
        }
    }
}

/* With workers, or in the simulation of that seed. */
static void mix(uint64_t round, bool simulated)
{
    uint64_t random = seed = round;
    pg_runtime *rt = pg_start(&(pg_options){
        .workers = simulated ? 1 : check_workers(2), .seed = simulated ? round : 0, .no_os = true, .log = count_line});
    CHECK(rt != NULL);
    pg_process *self = pg_attach(rt, "main");
    pg_pid sender[SENDERS];
    atomic_store(&let_in, 0);
    atomic_store(&refused, 0);
    memset(receivers, 0, sizeof receivers);
    for (int i = 0; i < RECEIVERS; i++) {
        receivers[i].most = (uint32_t)(1 + check_random(&random) % 40);
        const pg_mailbox mailbox = {.max_messages = receivers[i].most,
                                    .max_bytes = check_random(&random) % 2 ? 2000 : 0};
        receivers[i].pid = pg_spawn(self, be_receiver, .kind = i % 3 == 0 ? PG_THREAD : PG_GREEN, .mailbox = &mailbox,
                                    .args = pg_tuple(i));
        CHECK_EQ(pg_pid_status(receivers[i].pid), PG_OK);
    }
    for (int i = 0; i < SENDERS; i++) {
        pg_kind kind = i % 4 == 0 ? PG_THREAD : PG_GREEN;
        sender[i] = pg_spawn(self, be_sender, .kind = kind, .args = pg_tuple(i));
        CHECK_EQ(pg_pid_status(sender[i]), PG_OK);
    }
    for (int i = 0; i < 2; i++) { /* in the midst of it, mostly */
        pg_sleep(self, (int64_t)(check_random(&random) % PG_MS(2)));
        pg_pid one = receivers[check_random(&random) % RECEIVERS].pid;
        if (check_random(&random) % 2) {
            pg_terminate(one);
        } else {
            pg_kill(one);
        }
    }
    for (int i = 0; i < SENDERS; i++) CHECK_EQ(pg_wait(sender[i], PATIENCE, NULL), PG_OK);
    uint64_t handled = 0;
    for (int i = 0; i < RECEIVERS; i++) {
        pg_terminate(receivers[i].pid);
        CHECK_EQ(pg_wait(receivers[i].pid, PATIENCE, NULL), PG_OK);
        handled += atomic_load(&receivers[i].handled);
    }
    pg_stats stats;
    for (int tries = 0;; tries++) { /* what arrives in the moment of an end is counted a little later */
        CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
        if (stats.dropped + handled == atomic_load(&let_in)) break;
        if (tries == 2000) break;
        for (int i = 0; i < 64; i++) pg_wait(pg_spawn(self, pg_exit), PATIENCE, NULL); /* whose slots push others on */
    }
    CHECK_EQ(stats.refused, atomic_load(&refused));
    CHECK_EQ(stats.dropped + handled, atomic_load(&let_in));
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

/* ------------------------------------------------------------------------------------------------------ late limits */

static void on_late(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
}

/* Gives itself its first limits when others are about to send, who have seen that it has none. */
static void limit_late(pg_process *self)
{
    pg_sleep(self, pg_get_int(self, pg_args(self), 0));
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 1}), PG_OK);
    pg_receive(self, on_late, PG_INT);
}

static void send_late(pg_process *self)
{
    pg_pid to = pg_get_pid(self, pg_args(self), 0);
    for (int i = 0; i < 100; i++) CHECK_EQ(pg_send_wait(self, to, PATIENCE, i), PG_OK);
}

/* Who would wait is never refused. */
static void limits_come_late(int64_t ms)
{
    uint64_t random = check_seed(), rounds = 0;
    pg_runtime *rt = pg_start(&(pg_options){.workers = check_workers(2), .no_os = true});
    pg_process *self = pg_attach(rt, "main");
    for (int64_t end = pg_now() + PG_MS(ms); pg_now() < end; rounds++) {
        pg_pid to = pg_spawn(self, limit_late, .args = pg_tuple((int64_t)(check_random(&random) % 50000)));
        pg_pid sender[4];
        for (int i = 0; i < 4; i++) {
            pg_kind kind = i % 2 ? PG_GREEN : PG_THREAD;
            sender[i] = pg_spawn(self, send_late, .kind = kind, .args = pg_tuple(to));
        }
        for (int i = 0; i < 4; i++) CHECK_EQ(pg_wait(sender[i], PATIENCE, NULL), PG_OK);
        pg_terminate(to);
        CHECK_EQ(pg_wait(to, PATIENCE, NULL), PG_OK);
    }
    printf("%" PRIu64 " times limits have come late\n", rounds);
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

/* ------------------------------------------------------------------------------------------------------- a flood */

static atomic_bool flooding;
static _Atomic(uint64_t) sent, too_many, exits, late; /* later than 100 ms */
static _Atomic(int64_t) ended_at, slowest;

static void on_flood(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
    int64_t until = pg_now() + 2000; /* slower than its senders */
    while (pg_now() < until) continue;
}

static void end_now(pg_process *self)
{
    (void)self;
    atomic_store(&ended_at, pg_now());
}

static void on_tick(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_spawn_link(self, end_now);
}

static void on_flood_exit(pg_process *self, const pg_message *msg)
{
    (void)msg;
    int64_t took = pg_now() - atomic_load(&ended_at);
    if (took > atomic_load(&slowest)) atomic_store(&slowest, took);
    atomic_fetch_add(&exits, 1);
    atomic_fetch_add(&late, took > PG_MS(100));
    pg_send_after(self, pg_self(self), PG_MS(20), "tick");
}

static void be_flooded(pg_process *self)
{
    pg_receive(self, on_flood, "flood", PG_INT);
    pg_receive(self, on_tick, "tick");
    pg_receive(self, on_flood_exit, PG_EXIT, PG_PID);
    pg_send_after(self, pg_self(self), PG_MS(1), "tick");
}

static void be_flooder(pg_process *self)
{
    pg_pid to = pg_get_pid(self, pg_args(self), 0);
    for (int64_t i = 0; atomic_load(&flooding); i++) {
        int status = pg_send(to, "flood", i);
        CHECK(status == PG_OK || status == PG_EFULL);
        atomic_fetch_add(status == PG_OK ? &sent : &too_many, 1);
    }
}

static void flood(int64_t ms)
{
    static const pg_mailbox small = {.max_messages = FLOODED};
    pg_runtime *rt = pg_start(&(pg_options){.workers = check_workers(2), .no_os = true});
    pg_process *self = pg_attach(rt, "main");
    pg_pid to = pg_spawn(self, be_flooded, .mailbox = &small), flooder[FLOODERS];
    pg_mailbox_stats mailbox;
    size_t before = 0, most = 0;
    int64_t end = pg_now() + PG_MS(ms);
    uint64_t highest = 0;
    atomic_store(&flooding, true);
    for (int i = 0; i < FLOODERS; i++) flooder[i] = pg_spawn(self, be_flooder, .args = pg_tuple(to));
    for (int i = 0; pg_now() < end; i++) {
        pg_sleep(self, PG_MS(ms < 2000 ? 10 : 100));
        CHECK_EQ(pg_get_mailbox_stats(to, &mailbox), PG_OK);
        CHECK(mailbox.messages <= FLOODED + 1); /* the tick is its own, and always comes */
        if (mailbox.messages > highest) highest = mailbox.messages;
        size_t now = (size_t)proc_number("/proc/self/status", "VmRSS");
        if (i < 5) before = now > before ? now : before;
        most = now > most ? now : most;
    }
    atomic_store(&flooding, false);
    for (int i = 0; i < FLOODERS; i++) CHECK_EQ(pg_wait(flooder[i], PATIENCE, NULL), PG_OK);
    CHECK_EQ(pg_get_mailbox_stats(to, &mailbox), PG_OK);
    CHECK_EQ(mailbox.refused, atomic_load(&too_many));
    printf("flood of %" PRId64 " ms: %" PRIu64 " let in, %" PRIu64 " refused, at most %" PRIu64 " waiting; resident "
           "%zu KiB at its beginning, %zu at most; %" PRIu64 " exits, %" PRIu64 " after more than 100 ms, "
           "the slowest after %.1f ms\n",
           ms, atomic_load(&sent), atomic_load(&too_many), highest, before, most, atomic_load(&exits),
           atomic_load(&late), (double)atomic_load(&slowest) / 1e6);
    CHECK(atomic_load(&too_many) > 0 && atomic_load(&exits) > 0);
    if (!SLOWED) {
        CHECK(most < before + 2048);
        CHECK(atomic_load(&late) * 5 <= atomic_load(&exits)); /* when others have had the processors */
    }
    pg_terminate(to);
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

int main(void)
{
    const uint64_t first = check_seed();
    const int64_t ms = check_duration_ms(3000), end = check_now_ns() + PG_MS(ms / 2);
    uint64_t round = first, rounds = 0;
    do {
        mix(check_random(&round), false);
        rounds++;
    } while (check_now_ns() < end);
    const char *given = getenv("PG_TEST_SEEDS");
    uint64_t seeds = given ? strtoull(given, NULL, 0) : SEEDS;
    for (uint64_t i = 1; i <= seeds; i++) mix(first + i != 0 ? first + i : 1, true);
    printf("%" PRIu64 " seeds\n", seeds);
    printf("%" PRIu64 " rounds of %d senders and %d receivers, %" PRIu64 " sends to ended ones\n", rounds, SENDERS,
           RECEIVERS, atomic_load(&gone));
    limits_come_late(ms / 4);
    flood(ms / 2);
    return 0;
}
