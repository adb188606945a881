/* os_links_stress.c - links between operating-system processes, made and taken away from both ends at once: whatever
 * has crossed on the way, both ends are linked or neither is.
 *
 * In each round actors, here and in children, link and unlink one another at random.  When all that is settled, one of
 * them is chosen; of every other one either that itself or the chosen one says once more whether they are to be linked,
 * which does nothing where the sayer thinks that it is so.  Then the chosen one ends, or its operating-system process
 * is killed, and those hear of it that are linked with it, and no others. */
#define _GNU_SOURCE
#include "check.h"

#include <paragram.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { HERE = 2, CHILDREN = 3, ACTORS = HERE + CHILDREN, MOVES = 60 };

static const int64_t patience = PG_SECONDS(100);
static pg_process *self_main;
static uint64_t state;

/* ------------------------------------------------------------------------------------------------------- an actor */

typedef struct actor {
    pg_pid peers[ACTORS];
    int64_t own, pongs;
    uint64_t random;
} actor;

static void report(pg_process *self, const char *what)
{
    actor *a = pg_data(self);
    pg_send(pg_main(pg_runtime_of(self)), what, a->own);
}

static void on_peers(pg_process *self, const pg_message *msg)
{
    actor *a = pg_data(self);
    a->own = pg_get_int(self, msg, 2);
    a->random = (uint64_t)pg_get_int(self, msg, 3);
    for (size_t i = 0; i < ACTORS; i++) a->peers[i] = pg_term_pid(self, pg_term_at(self, pg_get(self, msg, 1), i));
    pg_send(pg_main(pg_runtime_of(self)), "ready", a->own, (int)getpid());
}

static void on_mess(pg_process *self, const pg_message *msg)
{
    actor *a = pg_data(self);
    (void)msg;
    for (int i = 0; i < MOVES; i++) {
        pg_pid peer = a->peers[check_random(&a->random) % ACTORS];
        if (pg_same(peer, pg_self(self))) continue;
        CHECK_EQ(check_random(&a->random) % 2 ? pg_link(self, peer) : pg_unlink(self, peer), PG_OK);
        if (check_random(&a->random) % 4 == 0) pg_yield(self);
        if (check_random(&a->random) % 32 == 0) pg_sleep(self, PG_MS(1) / 20);
    }
    report(self, "done");
}

/* Once through all peers, and back: what was sent before has arrived, and what that has brought about. */
static void on_settle(pg_process *self, const pg_message *msg)
{
    actor *a = pg_data(self);
    a->pongs = 0;
    for (int64_t i = 0; i < ACTORS; i++) {
        if (i == pg_get_int(self, msg, 1)) {
            a->pongs++; /* it does not live */
        } else {
            CHECK_EQ(pg_send(a->peers[i], "ping", self), PG_OK);
        }
    }
}

static void on_ping(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), "pong");
}

static void on_pong(pg_process *self, const pg_message *msg)
{
    actor *a = pg_data(self);
    (void)msg;
    if (++a->pongs == ACTORS) report(self, "done");
}

static void on_decide(pg_process *self, const pg_message *msg)
{
    pg_pid peer = pg_get_pid(self, msg, 1);
    CHECK_EQ(pg_get_bool(self, msg, 2) ? pg_link(self, peer) : pg_unlink(self, peer), PG_OK);
    report(self, "done");
}

static void on_exit_of(pg_process *self, const pg_message *msg)
{
    actor *a = pg_data(self);
    pg_send(pg_main(pg_runtime_of(self)), "told", a->own, pg_get_pid(self, msg, 1));
}

static void act(pg_process *self)
{
    actor *a = calloc(1, sizeof *a);
    CHECK(a);
    pg_set_data(self, a);
    pg_defer(self, free, a);
    pg_receive(self, on_peers, "peers", PG_ANY, PG_INT, PG_INT);
    pg_receive(self, on_mess, "mess");
    pg_receive(self, on_settle, "settle", PG_INT);
    pg_receive(self, on_ping, "ping", PG_PID);
    pg_receive(self, on_pong, "pong");
    pg_receive(self, on_decide, "decide", PG_PID, PG_BOOL);
    pg_receive(self, on_exit_of, PG_EXIT, PG_PID);
}

/* ---------------------------------------------------------------------------------------------------------- a round */

static pg_pid actors[ACTORS];
static pid_t os[ACTORS];
static bool linked[ACTORS]; /* with the chosen one */

static void all_done(int count)
{
    const pg_message *msg;
    while (count-- > 0) CHECK_EQ(pg_recv_match(self_main, &msg, patience, "done", PG_INT), PG_OK);
}

static void settle(int but)
{
    for (int i = 0; i < ACTORS; i++) {
        if (i != but) CHECK_EQ(pg_send(actors[i], "settle", but), PG_OK);
    }
    all_done(but < 0 ? ACTORS : ACTORS - 1);
}

static void begin(void)
{
    const pg_message *msg;
    for (int i = 0; i < ACTORS; i++) {
        actors[i] = pg_spawn(self_main, act, .name = "actor", .kind = i < HERE ? PG_GREEN : PG_OS);
        CHECK_EQ(pg_pid_status(actors[i]), PG_OK);
    }
    for (int i = 0; i < ACTORS; i++) {
        pg_send(actors[i], "peers", pg_list(actors[0], actors[1], actors[2], actors[3], actors[4]), i,
                (int64_t)(check_random(&state) >> 1));
    }
    for (int i = 0; i < ACTORS; i++) {
        CHECK_EQ(pg_recv_match(self_main, &msg, patience, "ready", PG_INT, PG_INT), PG_OK);
        os[pg_get_int(NULL, msg, 1)] = (pid_t)pg_get_int(NULL, msg, 2);
    }
}

/* Every link of the chosen one's is decided, by either end. */
static void decide(int chosen)
{
    for (int i = 0; i < ACTORS; i++) {
        if (i == chosen) continue;
        linked[i] = check_random(&state) % 2;
        bool by_chosen = check_random(&state) % 2;
        pg_send(actors[by_chosen ? chosen : i], "decide", actors[by_chosen ? i : chosen], linked[i]);
    }
    all_done(ACTORS - 1);
}

static void expect_told(int chosen)
{
    const pg_message *msg;
    int expected = 0;
    bool told[ACTORS] = {false};
    for (int i = 0; i < ACTORS; i++) expected += i != chosen && linked[i];
    while (expected-- > 0) {
        if (pg_recv_match(self_main, &msg, patience, "told", PG_INT, actors[chosen]) != PG_OK) break;
        int64_t who = pg_get_int(NULL, msg, 1);
        CHECK(linked[who] && !told[who]);
        told[who] = true;
    }
    for (int i = 0; i < ACTORS; i++) {
        if (i != chosen && linked[i] && !told[i]) CHECK_FAIL("%d is not told of the end of %d", i, chosen);
    }
    settle(chosen);
    if (pg_recv_match(self_main, &msg, 0, "told", PG_INT, actors[chosen]) == PG_OK)
        CHECK_FAIL("%d is told of the end of %d", (int)pg_get_int(NULL, msg, 1), chosen);
}

static void end(void)
{
    const pg_message *msg;
    for (int i = 0; i < ACTORS; i++) pg_terminate(actors[i]);
    for (int i = 0; i < ACTORS; i++) CHECK_EQ(pg_wait(actors[i], patience, NULL), PG_OK);
    while (pg_recv(self_main, &msg, 0) == PG_OK) continue;
}

static void one_round(void)
{
    begin();
    for (int i = 0; i < ACTORS; i++) CHECK_EQ(pg_send(actors[i], "mess"), PG_OK);
    all_done(ACTORS);
    settle(-1);
    int chosen = (int)(check_random(&state) % ACTORS);
    decide(chosen);
    settle(-1);
    if (chosen >= HERE && check_random(&state) % 2) {
        CHECK_EQ(kill(os[chosen], SIGKILL), 0);
    } else {
        CHECK_EQ(pg_terminate(actors[chosen]), PG_OK);
    }
    CHECK_EQ(pg_wait(actors[chosen], patience, NULL), PG_OK);
    expect_told(chosen);
    end();
}

static void quiet(void *context, pg_log_level level, const char *line)
{
    (void)context;
    if (level != PG_LOG_FAILED) fprintf(stderr, "%s\n", line); /* who is killed is named: that is intended here */
}

int main(void)
{
    state = check_seed();
    int64_t until = check_now_ns() + PG_MS(check_duration_ms(2000));
    pg_runtime *rt = pg_start(&(pg_options){.workers = 2, .log = quiet});
    CHECK(rt);
    self_main = pg_attach(rt, "main");
    int rounds = 0;
    for (; check_now_ns() < until; rounds++) one_round();
    pg_detach(self_main);
    CHECK_EQ(pg_stop(rt, patience), PG_OK);
    printf("%d rounds\n", rounds);
    return 0;
}
