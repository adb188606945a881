/* receive_stress.c - selective receives against a model, while processes and host threads send.
 *
 * Sender s sends (s, class, number), numbers from 0 on, classes at random.  The receivers take them by plain receive,
 * by class, by sender, by both, by a predicate, with and without time, from their target and from a handler, and let
 * some go through the handler loop.  What the model knows of each message that comes: it has not come before; it is the
 * first of its sender that the pattern matches among those that have not come.  When all have been sent, all must
 * come. */
#include "check.h"

#include <paragram.h>
#include <pthread.h>
#include <time.h>

#if SANITIZED
enum { MESSAGES = 600 };
#else
enum { MESSAGES = 2500 };
#endif
enum { SENDERS = 6, HOSTS = 2, CLASSES = 5, RECEIVERS = 3 };

typedef struct state {
    uint64_t random;
    bool seen[SENDERS][MESSAGES];
    unsigned char class[SENDERS][MESSAGES]; /* of those that have been sent: written before the message is */
    int first[SENDERS];                     /* all before it have come */
    int left;
    uint64_t received, timeouts, by_handler;
    pg_pid pid;
} state;

static state states[RECEIVERS];
static uint64_t seed;

/* The first message of `sender` that has not come and is of `class` (-1: any); the model may look beyond what has been
 * sent, since what has come is before that. */
static int next_of(const state *st, int sender, int class)
{
    for (int i = st->first[sender]; i < MESSAGES; i++) {
        if (!st->seen[sender][i] && (class < 0 || st->class[sender][i] == class)) return i;
    }
    return -1;
}

static void came(pg_process *self, state *st, const pg_message *msg, int sender, int class)
{
    CHECK_EQ(pg_count(msg), 3);
    int s = (int)pg_get_int(self, msg, 0), c = (int)pg_get_int(self, msg, 1), n = (int)pg_get_int(self, msg, 2);
    CHECK(s >= 0 && s < SENDERS && n >= 0 && n < MESSAGES);
    CHECK_EQ(c, st->class[s][n]);
    CHECK(sender < 0 || s == sender);
    CHECK(class < 0 || c == class);
    CHECK(!st->seen[s][n]);
    CHECK_EQ(n, next_of(st, s, class));
    st->seen[s][n] = true;
    while (st->first[s] < MESSAGES && st->seen[s][st->first[s]]) st->first[s]++;
    st->left--;
    st->received++;
}

static bool is_even(const pg_term *term)
{
    return pg_term_int(NULL, term) % 2 == 0;
}

static int64_t some_time(state *st)
{
    switch (check_random(&st->random) % 4) {
    case 0: return 0;
    case 1: return PG_MS(1);
    default: return (int64_t)(check_random(&st->random) % 300000);
    }
}

/* One receive of some kind. */
static void receive_one(pg_process *self, state *st)
{
    const pg_message *msg = NULL;
    int sender = (int)(check_random(&st->random) % SENDERS), class = (int)(check_random(&st->random) % CLASSES);
    int64_t timeout = some_time(st);
    int status;
    switch (check_random(&st->random) % 6) {
    case 0:
        status = pg_recv(self, &msg, timeout);
        sender = class = -1;
        break;
    case 1:
        status = pg_recv_match(self, &msg, timeout, PG_ANY, class, PG_INT);
        sender = -1;
        break;
    case 2:
        status = pg_recv_match(self, &msg, timeout, sender, PG_ANY, PG_ANY);
        class = -1;
        break;
    case 3:
        status = pg_recv_match(self, &msg, timeout, PG_WHERE(is_even), class, PG_ANY);
        sender = -1;
        break;
    default: /* the same pattern again and again: the scan goes on where it was */
        sender = 1;
        class = (int)(st->received / 64 % CLASSES);
        status = pg_recv_match(self, &msg, timeout, sender, class, PG_ETC);
        break;
    }
    if (status == PG_ETIMEDOUT) {
        st->timeouts++;
        return;
    }
    CHECK_EQ(status, PG_OK);
    came(self, st, msg, sender, class);
}

static void finish_if_all(pg_process *self, const state *st)
{
    if (st->left == 0) pg_exit(self);
}

static void on_message(pg_process *self, const pg_message *msg)
{
    state *st = pg_data(self);
    came(self, st, msg, -1, -1);
    st->by_handler++;
    for (uint64_t n = check_random(&st->random) % 40; n > 0 && st->left > 0; n--) receive_one(self, st);
    finish_if_all(self, st);
}

static void receiver(pg_process *self)
{
    state *st = pg_get_ptr(self, pg_args(self), 0);
    pg_set_data(self, st);
    pg_receive(self, on_message, PG_INT, PG_INT, PG_INT);
    for (int n = 0; n < MESSAGES && st->left > 0; n++) receive_one(self, st);
    finish_if_all(self, st);
}

static void send_all(int sender, void (*pause)(void *), void *arg)
{
    uint64_t random = seed + 1000 + (uint64_t)sender;
    for (int n = 0; n < MESSAGES; n++) {
        for (int r = 0; r < RECEIVERS; r++) {
            CHECK_EQ(pg_send(states[r].pid, sender, (int)states[r].class[sender][n], n), PG_OK);
        }
        if (check_random(&random) % 64 == 0) pause(arg);
    }
}

static void pause_process(void *self)
{
    pg_sleep(self, PG_MS(1) / 4);
}

static void pause_host(void *unused)
{
    (void)unused;
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void sender_process(pg_process *self)
{
    send_all((int)pg_get_int(self, pg_args(self), 0), pause_process, self);
}

static void *sender_host(void *arg)
{
    send_all((int)(intptr_t)arg, pause_host, NULL);
    return NULL;
}

int main(void)
{
    seed = check_seed();
    uint64_t random = seed;
    pg_runtime *rt = pg_start(&(pg_options){.workers = 3});
    CHECK(rt);
    for (int r = 0; r < RECEIVERS; r++) {
        state *st = &states[r];
        st->random = seed + (uint64_t)r;
        st->left = SENDERS * MESSAGES;
        for (int s = 0; s < SENDERS; s++) {
            for (int i = 0; i < MESSAGES; i++) st->class[s][i] = (unsigned char)(check_random(&random) % CLASSES);
        }
        pg_kind kind = r == 0 ? PG_THREAD : PG_GREEN;
        st->pid = pg_spawn_in(rt, receiver, &(pg_spawn_options){.args = pg_tuple((void *)st), .kind = kind});
        CHECK_EQ(pg_pid_status(st->pid), PG_OK);
    }
    pthread_t hosts[HOSTS];
    for (intptr_t i = 0; i < HOSTS; i++) CHECK_EQ(pthread_create(&hosts[i], NULL, sender_host, (void *)i), 0);
    for (int i = HOSTS; i < SENDERS; i++) {
        CHECK_EQ(pg_pid_status(pg_spawn_in(rt, sender_process, &(pg_spawn_options){.args = pg_tuple(i)})), PG_OK);
    }
    for (int i = 0; i < HOSTS; i++) pthread_join(hosts[i], NULL);
    for (int r = 0; r < RECEIVERS; r++) {
        pg_exit_info why;
        int status = pg_wait(states[r].pid, PG_SECONDS(100), &why);
        if (status != PG_OK) CHECK_FAIL("receiver %d: %d messages are missing", r, states[r].left);
        CHECK_EQ(why.kind, PG_EXIT_NORMAL);
        CHECK_EQ(states[r].left, 0);
        printf("receiver %d: %" PRIu64 " messages, %" PRIu64 " by its handler, %" PRIu64 " timeouts\n", r,
               states[r].received, states[r].by_handler, states[r].timeouts);
    }
    pg_stats stats;
    pg_get_stats(rt, &stats);
    CHECK_EQ(stats.dropped, 0);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(10)), PG_OK);
    return 0;
}
