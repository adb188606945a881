/* links_stress.c - links under fire: processes that link, unlink and die at the same moment, on both ends.
 *
 * Part one counts.  A few hundred processes link at random; when all links stand, some of the processes are told to end
 * from several threads at once, neighbours together.  Each survivor must get one exit for each of its neighbours that
 * died, none for any other, and the error that it died with.
 *
 * Part two storms.  Processes link and unlink each other and end while this goes on.  For a pair, no end hears of the
 * other's exit more often than it linked; a link to the dead tells at once; a link that stands until the end is told.
 *
 * Part three falls.  Nobody in a ring of links has a receiver for exits: one ends, all end, each by an unhandled
 * exit. */
#include "check.h"

#include <paragram.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#if SANITIZED
enum { PEERS = 150, ROUNDS = 4, RING = 1000, STORM_STEPS = 60 };
#else
enum { PEERS = 300, ROUNDS = 10, RING = 5000, STORM_STEPS = 200 };
#endif
enum { KILLERS = 3 };

typedef struct peer {
    pg_pid pid;
    uint64_t random;
    _Atomic(uint32_t) exits[PEERS]; /* of that peer, heard by this one */
    uint32_t links[PEERS];          /* storm: how often this one has linked to that peer since it last unlinked */
    uint32_t linked_ever[PEERS];
    bool unlinked[PEERS]; /* storm: this one has taken back a link with that peer, whoever made it */
    bool linked[PEERS], dies;
    _Atomic(uint32_t) done, wrong;
} peer;

static pg_runtime *rt;
static peer *peers;
static uint64_t seed;
static _Atomic(bool) go;

static void quiet(void *unused, pg_log_level level, const char *line)
{
    (void)unused;
    (void)level;
    (void)line;
}

static int number_of(pg_pid pid)
{
    for (int i = 0; i < PEERS; i++) {
        if (pg_same(peers[i].pid, pid)) return i;
    }
    return -1;
}

static void on_exit_of(pg_process *self, const pg_message *msg)
{
    peer *me = pg_data(self);
    pg_pid who = pg_get_pid(self, msg, 1);
    int n = number_of(who);
    CHECK(n >= 0);
    atomic_fetch_add(&me->exits[n], 1);
    pg_exit_info why;
    pg_get_exit(self, msg, 0, &why);
    if (!pg_same(why.pid, who)) atomic_fetch_add(&me->wrong, 1);
    /* An even one dies by a failure with its number, an odd one normally. */
    if (n % 2 == 0 && why.kind == PG_EXIT_FAILED && atoi(why.text) != n) atomic_fetch_add(&me->wrong, 1);
    if (n % 2 == 1 && why.kind != PG_EXIT_NORMAL) atomic_fetch_add(&me->wrong, 1);
}

static void on_link(pg_process *self, const pg_message *msg)
{
    peer *me = pg_data(self);
    int n = (int)pg_get_int(self, msg, 1);
    CHECK_EQ(pg_link(self, peers[n].pid), PG_OK);
    atomic_fetch_add(&me->done, 1);
}

static void end_as(pg_process *self, const peer *me)
{
    int n = (int)(me - peers);
    if (n % 2 == 0) pg_fail(self, "%d", n);
    pg_exit(self);
}

static void on_die(pg_process *self, const pg_message *msg)
{
    (void)msg;
    end_as(self, pg_data(self));
}

static void counted(pg_process *self)
{
    pg_set_data(self, pg_get_ptr(self, pg_args(self), 0));
    pg_receive(self, on_exit_of, PG_EXIT, PG_PID);
    pg_receive(self, on_link, "link", PG_INT);
    pg_receive(self, on_die, "die");
}

static void start_peers(pg_target target)
{
    memset(peers, 0, PEERS * sizeof *peers);
    for (int i = 0; i < PEERS; i++) {
        peers[i].random = seed + (uint64_t)i;
        peers[i].pid = pg_spawn_in(rt, target, &(pg_spawn_options){.args = pg_tuple((void *)&peers[i])});
        CHECK_EQ(pg_pid_status(peers[i].pid), PG_OK);
    }
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static void link_at_random(uint64_t *random)
{
    uint32_t asked[PEERS] = {0};
    for (int k = 0; k < PEERS * 6; k++) {
        int a = (int)(check_random(random) % PEERS), b = (int)(check_random(random) % PEERS);
        if (a == b) continue;
        peers[a].linked[b] = peers[b].linked[a] = true;
        asked[a]++;
        CHECK_EQ(pg_send(peers[a].pid, "link", b), PG_OK);
    }
    for (int i = 0; i < PEERS; i++) {
        for (int t = 0; peers[i].done < asked[i]; t++) {
            CHECK(t < 20000);
            pause_ms(1);
        }
    }
}

static void *killer(void *arg)
{
    int part = (int)(intptr_t)arg;
    while (!atomic_load(&go)) continue;
    for (int i = part; i < PEERS; i += KILLERS) {
        if (peers[i].dies) CHECK_EQ(pg_send(peers[i].pid, "die"), PG_OK);
    }
    return NULL;
}

static int expected_exits(int of, int from)
{
    return peers[of].linked[from] && peers[from].dies;
}

static bool all_told(void)
{
    for (int i = 0; i < PEERS; i++) {
        for (int k = 0; k < PEERS && !peers[i].dies; k++) {
            if (peers[i].exits[k] < (uint32_t)expected_exits(i, k)) return false;
        }
    }
    return true;
}

static void wait_until(bool (*told)(void))
{
    for (int t = 0; !told(); t++) {
        if (t == 20000) CHECK_FAIL("an exit has not been told");
        pause_ms(1);
    }
}

static void end_survivors(void)
{
    for (int i = 0; i < PEERS; i++) pg_send(peers[i].pid, "die");
    for (int i = 0; i < PEERS; i++) CHECK_EQ(pg_wait(peers[i].pid, PG_SECONDS(30), NULL), PG_OK);
}

static void count_exits(uint64_t *random)
{
    start_peers(counted);
    link_at_random(random);
    for (int i = 0; i < PEERS; i++) peers[i].dies = check_random(random) % 3 != 0;
    pthread_t killers[KILLERS];
    atomic_store(&go, false);
    for (intptr_t i = 0; i < KILLERS; i++) CHECK_EQ(pthread_create(&killers[i], NULL, killer, (void *)i), 0);
    atomic_store(&go, true);
    for (int i = 0; i < KILLERS; i++) pthread_join(killers[i], NULL);
    for (int i = 0; i < PEERS; i++) {
        if (peers[i].dies) CHECK_EQ(pg_wait(peers[i].pid, PG_SECONDS(30), NULL), PG_OK);
    }
    wait_until(all_told);
    pause_ms(5); /* for those that should not come */
    for (int i = 0; i < PEERS; i++) {
        CHECK_EQ(peers[i].wrong, 0);
        for (int k = 0; k < PEERS && !peers[i].dies; k++) CHECK_EQ(peers[i].exits[k], expected_exits(i, k));
    }
    end_survivors();
}

/* ------------------------------------------------------------------------------------------------------ part two */

static void on_step(pg_process *self, const pg_message *msg)
{
    peer *me = pg_data(self);
    int left = (int)pg_get_int(self, msg, 1);
    int n = (int)(check_random(&me->random) % PEERS);
    uint64_t what = check_random(&me->random) % 16;
    if (&peers[n] != me) {
        if (what < 10) {
            CHECK_EQ(pg_link(self, peers[n].pid), PG_OK);
            me->linked_ever[n]++;
            me->links[n]++;
        } else {
            int status = pg_unlink(self, peers[n].pid);
            CHECK(status == PG_OK || status == PG_ENOPROC);
            me->links[n] = 0;
            me->unlinked[n] = true;
        }
    }
    if (what == 15 && check_random(&me->random) % 8 == 0) end_as(self, me);
    if (left == 0) {
        atomic_store(&me->done, 1);
        return;
    }
    pg_send(pg_self(self), "step", left - 1);
}

static void storming(pg_process *self)
{
    counted(self);
    pg_receive(self, on_step, "step", PG_INT);
    while (!atomic_load(&go)) pg_yield(self);
}

static bool ended[PEERS];

static bool has_to_hear(int i, int k)
{
    return !ended[i] && ended[k] && peers[i].links[k] > 0 && !peers[k].unlinked[i];
}

static bool all_heard(void)
{
    for (int i = 0; i < PEERS; i++) {
        for (int k = 0; k < PEERS; k++) {
            if (has_to_hear(i, k) && peers[i].exits[k] == 0) return false;
        }
    }
    return true;
}

static void storm(void)
{
    atomic_store(&go, false);
    start_peers(storming);
    for (int i = 0; i < PEERS; i++) CHECK_EQ(pg_send(peers[i].pid, "step", STORM_STEPS), PG_OK);
    atomic_store(&go, true);
    for (int i = 0; i < PEERS; i++) {
        int t = 0;
        while (pg_is_alive(peers[i].pid) && !peers[i].done) {
            CHECK(++t < 30000);
            pause_ms(1);
        }
    }
    pause_ms(20);
    for (int i = 0; i < PEERS; i++) ended[i] = !pg_is_alive(peers[i].pid);
    wait_until(all_heard);
    for (int i = 0; i < PEERS; i++) {
        CHECK_EQ(peers[i].wrong, 0);
        for (int k = 0; k < PEERS && !ended[i]; k++) {
            uint32_t exits = peers[i].exits[k], most = peers[i].linked_ever[k] + peers[k].linked_ever[i];
            CHECK(exits <= most);
            if (!ended[k]) CHECK_EQ(exits, 0);
        }
    }
    end_survivors();
}

/* ---------------------------------------------------------------------------------------------------- part three */

static void fall_link(pg_process *self, const pg_message *msg)
{
    CHECK_EQ(pg_link(self, pg_get_pid(self, msg, 0)), PG_OK);
    pg_send(pg_get_pid(self, msg, 1), "linked");
}

static void falling(pg_process *self)
{
    pg_receive(self, fall_link, PG_PID, PG_PID);
}

static void fall(uint64_t *random)
{
    static pg_pid ring[RING];
    pg_process *self = pg_attach(rt, "main");
    CHECK(self);
    for (int i = 0; i < RING; i++) ring[i] = pg_spawn(self, falling);
    for (int i = 0; i < RING; i++) CHECK_EQ(pg_send(ring[i], ring[(i + 1) % RING], self), PG_OK);
    const pg_message *msg;
    for (int i = 0; i < RING; i++) CHECK_EQ(pg_recv_match(self, &msg, PG_SECONDS(30), "linked"), PG_OK);
    int first = (int)(check_random(random) % RING);
    pg_terminate(ring[first]);
    for (int i = 0; i < RING; i++) {
        pg_exit_info why;
        CHECK_EQ(pg_wait(ring[i], PG_SECONDS(30), &why), PG_OK);
        if (i == first) CHECK_EQ(why.kind, PG_EXIT_NORMAL);
        if (i != first) CHECK(why.kind == PG_EXIT_UNHANDLED_EXIT || why.kind == PG_EXIT_UNKNOWN);
    }
    pg_detach(self);
}

int main(void)
{
    seed = check_seed();
    uint64_t random = seed;
    peers = calloc(PEERS, sizeof *peers);
    rt = pg_start(&(pg_options){.workers = 3, .log = quiet});
    CHECK(rt && peers);
    for (int i = 0; i < ROUNDS; i++) {
        count_exits(&random);
        seed += PEERS;
        storm();
        seed += PEERS;
    }
    fall(&random);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(20)), PG_OK);
    free(peers);
    return 0;
}
