/* os_kill_stress.c - kill -9 at random of operating-system processes that send, spawn, link and wait: what survives has
 * counted right, nobody hangs, and nothing is left.
 *
 * Main keeps a few slots filled, each with a child of some role, and kills one after the other: mostly one that is
 * known to have begun, sometimes whatever the zygote has at that moment, which may be one that begins, or a child's
 * child.
 *   - One that sends small messages says in shared memory how many; all of them have to arrive, in order.
 *   - One that sends small and large ones, up to more than a ring holds: what arrives has no gap, and each is whole.
 *   - One that spawns, green and as PG_OS, linked and not, and waits for their ends.
 *   - One that links and unlinks others, asks whether they live, and waits for them.
 * Main is linked with each child, and a green process of its own waits for it.  Two watchers, children that are not
 * killed, link with each and wait for it, too.  Each of these has to hear of each end once.
 *
 * PG_TEST_KILLS: how many to kill, however long it takes; else it goes on for PG_TEST_MS. */
#define _GNU_SOURCE
#include "check.h"

#include <paragram.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc.h"

enum { SLOTS = SANITIZED ? 5 : 10, WATCHERS = 2, ACK_EVERY = 16, PEERS = 3, LARGE = 300000, SERIALS = 1 << 17 };
enum { ROLE_STRICT, ROLE_TORRENT, ROLE_SPAWNER, ROLE_LINKER, ROLES };

/* What comes to main, in front of the serial number of the child that it is about. */
enum { WORD = 1, WAITED, WATCHER_WAITED, WATCHER_EXIT };

/* Of a child, whose memory is shared with it. */
static struct shared {
    _Atomic(pid_t) pid;
    _Atomic(uint64_t) sent;
} * shared; /* [SERIALS]: untouched, and so no memory, until a child begins */

static struct slot {
    pg_pid pid;
    int64_t serial;
    int role;
    int64_t received;
    bool filled;
} slots[SLOTS];

static struct told {
    uint8_t waited, watcher_waited[WATCHERS], watcher_exit[WATCHERS];
} * told;              /* [SERIALS] */
static pg_pid *pid_of; /* [SERIALS] */

static pg_runtime *rt;
static pg_process *self_main;
static pg_pid watchers[WATCHERS], bystander;
static pid_t watcher_os[WATCHERS], zygote;
static int64_t serials, exits, words, kills;
static uint64_t random_state;

/* ------------------------------------------------------------------------------------------------ what is sent */

/* The length and the bytes of the body of a torrent's message follow from its number. */
static size_t body_of(int64_t serial, int64_t number, unsigned char **out)
{
    static unsigned char body[LARGE];
    uint64_t state = (uint64_t)(serial * 1000003 + number);
    uint64_t r = check_random(&state);
    size_t length = r % 16 == 0 ? r / 16 % LARGE : r / 16 % 500;
    for (size_t i = 0; i < length; i++) body[i] = (unsigned char)(r + i * 31 + i / 1000);
    *out = body;
    return length;
}

static void ignore(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

/* What others do who link with it is not to end it. */
static void begin(pg_process *self, int64_t *serial)
{
    pg_receive(self, ignore, PG_EXIT, PG_PID);
    *serial = pg_get_int(self, pg_args(self), 0);
    atomic_store(&shared[*serial].pid, getpid());
}

static void target_strict(pg_process *self)
{
    const pg_message *msg;
    int64_t serial;
    begin(self, &serial);
    for (int64_t n = 0;; n++) {
        CHECK_EQ(pg_send(pg_main(pg_runtime_of(self)), WORD, serial, n), PG_OK);
        atomic_store(&shared[serial].sent, (uint64_t)n + 1);
        if (n % ACK_EVERY == ACK_EVERY - 1) pg_recv_match(self, &msg, PG_FOREVER, "ack");
    }
}

static void target_torrent(pg_process *self)
{
    const pg_message *msg;
    int64_t serial;
    begin(self, &serial);
    for (int64_t n = 0;; n++) {
        unsigned char *body;
        size_t length = body_of(serial, n, &body);
        CHECK_EQ(pg_send(pg_main(pg_runtime_of(self)), WORD, serial, n, pg_bytes(body, length)), PG_OK);
        if (n % ACK_EVERY == ACK_EVERY - 1) pg_recv_match(self, &msg, PG_FOREVER, "ack");
    }
}

static void target_ends(pg_process *self)
{
    (void)self;
}

static void target_rests(pg_process *self)
{
    const pg_message *msg;
    pg_recv_match(self, &msg, PG_FOREVER, "never");
}

/* Ends with the one that it was given, whether or not it is linked with it. */
static void target_outlives(pg_process *self)
{
    pg_wait(pg_get_pid(self, pg_args(self), 0), PG_FOREVER, NULL);
}

static void target_spawner(pg_process *self)
{
    int64_t serial;
    begin(self, &serial);
    uint64_t state = (uint64_t)serial;
    for (;;) {
        const pg_message *msg;
        pg_pid pid = {0};
        switch (check_random(&state) % 5) {
        case 0: pid = pg_spawn(self, target_ends, .kind = PG_GREEN); break;
        case 1: pid = pg_spawn(self, target_ends, .kind = PG_OS); break;
        case 2: pid = pg_spawn(self, target_outlives, .args = pg_tuple(self), .kind = PG_OS); break;
        case 3: pid = pg_spawn_link(self, target_rests, .kind = PG_OS); break;
        default: pid = pg_spawn_link(self, target_ends, .kind = PG_OS); break;
        }
        if (pg_pid_status(pid) != PG_OK) continue; /* descriptors are short for a moment */
        if (check_random(&state) % 2) pg_terminate(pid);
        pg_wait(pid, PG_MS(20), NULL);
        pg_terminate(pid);
        while (pg_recv_match(self, &msg, 0, PG_EXIT, PG_PID) == PG_OK) continue;
    }
}

static void target_linker(pg_process *self)
{
    int64_t serial;
    begin(self, &serial);
    uint64_t state = (uint64_t)serial;
    pg_pid peers[PEERS];
    for (int i = 0; i < PEERS; i++) peers[i] = pg_get_pid(self, pg_args(self), 1 + (size_t)i);
    for (;;) {
        const pg_message *msg;
        pg_pid peer = peers[check_random(&state) % PEERS];
        switch (check_random(&state) % 6) {
        case 0:
        case 1: pg_link(self, peer); break;
        case 2: pg_unlink(self, peer); break;
        case 3: pg_wait(peer, PG_MS(1), NULL); break;
        case 4: pg_is_alive(peer); break;
        default: pg_sleep(self, PG_MS(1)); break;
        }
        while (pg_recv_match(self, &msg, 0, PG_EXIT, PG_PID) == PG_OK) continue;
    }
}

static const pg_target targets[ROLES] = {target_strict, target_torrent, target_spawner, target_linker};

/* --------------------------------------------------------------------------------------------------- the watchers */

static void wait_and_tell(pg_process *self)
{
    const pg_message *args = pg_args(self);
    pg_exit_info why;
    CHECK_EQ(pg_wait(pg_get_pid(self, args, 0), PG_FOREVER, &why), PG_OK);
    CHECK_EQ(why.kind, PG_EXIT_CRASHED);
    pg_send(pg_main(pg_runtime_of(self)), pg_get(self, args, 1), pg_get(self, args, 2), pg_get(self, args, 3));
}

static void on_watch(pg_process *self, const pg_message *msg)
{
    pg_pid pid = pg_get_pid(self, msg, 1);
    CHECK_EQ(pg_link(self, pid), PG_OK);
    pg_pid waiter =
        pg_spawn(self, wait_and_tell, .kind = PG_GREEN,
                 .args = pg_tuple(pid, WATCHER_WAITED, pg_get(self, msg, 2), (int64_t)(intptr_t)pg_data(self)));
    CHECK_EQ(pg_pid_status(waiter), PG_OK);
}

static void on_watched_exit(pg_process *self, const pg_message *msg)
{
    pg_exit_info why;
    pg_get_exit(self, msg, 0, &why);
    pg_send(pg_main(pg_runtime_of(self)), WATCHER_EXIT, (int)why.kind, (int64_t)(intptr_t)pg_data(self), why.pid);
}

static void watcher(pg_process *self)
{
    pg_set_data(self, (void *)(intptr_t)pg_get_int(self, pg_args(self), 0));
    pg_receive(self, on_watch, "watch", PG_PID, PG_INT);
    pg_receive(self, on_watched_exit, PG_EXIT, PG_PID);
    pg_send(pg_main(pg_runtime_of(self)), 0, 0, (int)getpid());
}

/* ------------------------------------------------------------------------------------------------------------ main */

static void bystands(pg_process *self)
{
    pg_receive(self, ignore, PG_EXIT, PG_PID);
}

static void fill(struct slot *s)
{
    int64_t serial = serials++;
    CHECK(serial < SERIALS);
    *s = (struct slot){.serial = serial, .role = (int)(check_random(&random_state) % ROLES), .filled = true};
    pg_pid peers[PEERS];
    for (int i = 0; i < PEERS; i++) {
        peers[i] = slots[check_random(&random_state) % SLOTS].pid;
        if (peers[i].id == 0) peers[i] = bystander;
    }
    s->pid = pg_spawn_link(self_main, targets[s->role], .name = "victim", .kind = PG_OS,
                           .args = pg_tuple(serial, peers[0], peers[1], peers[2]));
    CHECK_EQ(pg_pid_status(s->pid), PG_OK);
    pid_of[serial] = s->pid;
    pg_spawn(self_main, wait_and_tell, .args = pg_tuple(s->pid, WAITED, serial, 0));
    for (int i = 0; i < WATCHERS; i++) CHECK_EQ(pg_send(watchers[i], "watch", s->pid, serial), PG_OK);
}

static void on_exit_of(pg_pid pid, const pg_exit_info *why)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &slots[i];
        if (!s->filled || !pg_same(s->pid, pid)) continue;
        if (why->kind != PG_EXIT_CRASHED || !strstr(why->text, "signal 9"))
            CHECK_FAIL("serial %d of role %d ended: %d %s", (int)s->serial, s->role, (int)why->kind, why->text);
        /* It may have been killed between the send and the note of it. */
        int64_t sent = (int64_t)atomic_load(&shared[s->serial].sent);
        if (s->role == ROLE_STRICT && s->received != sent) CHECK_EQ(s->received, sent + 1);
        s->filled = false;
        exits++;
        return;
    }
    CHECK_FAIL("an exit of nobody, or a second one: %s", why->text);
}

static void on_word(const pg_message *msg)
{
    int64_t serial = pg_get_int(NULL, msg, 1), number = pg_get_int(NULL, msg, 2);
    struct slot *s = slots;
    while (s < slots + SLOTS && !(s->filled && s->serial == serial)) s++;
    CHECK(s < slots + SLOTS); /* nothing comes behind its exit */
    CHECK_EQ(number, s->received);
    s->received++;
    words++;
    if (s->role == ROLE_TORRENT) {
        unsigned char *body;
        size_t length, expected = body_of(serial, number, &body);
        const void *bytes = pg_get_bytes(NULL, msg, 3, &length);
        CHECK_EQ(length, expected);
        CHECK(memcmp(bytes, body, length) == 0);
    }
    if (number % ACK_EVERY == ACK_EVERY - 1) pg_send(s->pid, "ack");
}

static void once(uint8_t *flag)
{
    CHECK_EQ(*flag, 0);
    *flag = 1;
}

static void on_any(pg_process *self, const pg_message *msg)
{
    if (pg_term_type(pg_get(self, msg, 0)) != PG_T_INT) {
        pg_exit_info why;
        pg_get_exit(self, msg, 0, &why);
        on_exit_of(why.pid, &why);
        return;
    }
    int64_t what = pg_get_int(self, msg, 0), serial = pg_get_int(self, msg, 1), who = pg_get_int(self, msg, 2);
    switch (what) {
    case WORD: on_word(msg); break;
    case WAITED: once(&told[serial].waited); break;
    case WATCHER_WAITED: once(&told[serial].watcher_waited[who]); break;
    case WATCHER_EXIT:
        CHECK_EQ(pg_get_int(self, msg, 1), PG_EXIT_CRASHED);
        for (serial = serials - 1; !pg_same(pid_of[serial], pg_get_pid(self, msg, 3)); serial--) CHECK(serial > 0);
        once(&told[serial].watcher_exit[who]);
        break;
    default: CHECK_FAIL("a message of no kind");
    }
}

/* Any process of the zygote's but the watchers. */
static pid_t any_victim(void)
{
    pid_t all[256];
    int n = proc_children(zygote, all, 256);
    pid_t pid = n > 0 ? all[check_random(&random_state) % (uint64_t)n] : 0;
    for (int i = 0; i < WATCHERS; i++) {
        if (pid == watcher_os[i]) return 0;
    }
    return pid;
}

static void kill_one(void)
{
    uint64_t r = check_random(&random_state);
    const struct slot *s = &slots[r / 8 % SLOTS];
    pid_t pid = r % 8 == 0 ? any_victim() : s->filled ? atomic_load(&shared[s->serial].pid) : 0;
    if (pid > 0 && proc_stat(pid, 4) == zygote && kill(pid, SIGKILL) == 0) kills++;
}

static bool all_told(void)
{
    for (int64_t i = 0; i < serials; i++) {
        if (!told[i].waited) return false;
        for (int w = 0; w < WATCHERS; w++) {
            if (!told[i].watcher_waited[w] || !told[i].watcher_exit[w]) return false;
        }
    }
    return true;
}

static void say_what_lacks(void)
{
    for (int64_t i = 0; i < serials; i++) {
        const struct told *t = &told[i];
        bool all =
            t->waited && t->watcher_waited[0] && t->watcher_waited[1] && t->watcher_exit[0] && t->watcher_exit[1];
        if (!all) {
            printf("serial %d: waited %d; by watchers %d %d; exits %d %d\n", (int)i, t->waited, t->watcher_waited[0],
                   t->watcher_waited[1], t->watcher_exit[0], t->watcher_exit[1]);
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].filled) printf("slot %d: serial %d, role %d\n", i, (int)slots[i].serial, slots[i].role);
    }
}

static void serve_ms(int64_t ms)
{
    CHECK_EQ(pg_serve(self_main, PG_MS(ms)), PG_ETIMEDOUT);
}

/* Kills what is left in the slots, and waits until all has been heard. */
static void settle(void)
{
    int64_t deadline = check_now_ns() + PG_SECONDS(SANITIZED ? 60 : 20);
    bool done = false;
    while (!done && check_now_ns() < deadline) {
        done = true;
        for (int i = 0; i < SLOTS; i++) {
            if (!slots[i].filled) continue;
            pid_t pid = atomic_load(&shared[slots[i].serial].pid);
            if (pid > 0 && proc_stat(pid, 4) == zygote) kill(pid, SIGKILL);
            done = false;
        }
        serve_ms(2);
        done = done && all_told() && proc_count_children(zygote) == WATCHERS;
    }
    if (!done) {
        say_what_lacks();
        CHECK_FAIL("not all was told: %d children of the zygote", proc_count_children(zygote));
    }
}

static void quiet(void *context, pg_log_level level, const char *line)
{
    (void)context;
    (void)level;
    (void)line; /* of those that nobody had got to know */
}

static long resident_pages(void)
{
    return proc_stat(getpid(), 24);
}

static void begin_all(void)
{
    const size_t size = SERIALS * sizeof *shared;
    shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(shared != MAP_FAILED);
    told = calloc(SERIALS, sizeof *told);
    pid_of = calloc(SERIALS, sizeof *pid_of);
    CHECK(told && pid_of);
    rt = pg_start(&(pg_options){.workers = 2, .log = quiet});
    CHECK(rt);
    zygote = proc_only_child(getpid());
    self_main = pg_attach(rt, "main");
    bystander = pg_spawn(self_main, bystands);
    for (int i = 0; i < WATCHERS; i++) {
        const pg_message *msg;
        watchers[i] = pg_spawn(self_main, watcher, .name = "watcher", .args = pg_tuple(i), .kind = PG_OS);
        CHECK_EQ(pg_recv(self_main, &msg, PG_SECONDS(20)), PG_OK);
        watcher_os[i] = (pid_t)pg_get_int(NULL, msg, 2);
    }
    CHECK_EQ(pg_receive(self_main, on_any, PG_ETC), PG_OK);
}

int main(void)
{
    const char *wanted = getenv("PG_TEST_KILLS");
    int64_t most = wanted ? strtoll(wanted, NULL, 0) : INT64_MAX;
    int64_t began = check_now_ns(), end = wanted ? INT64_MAX : began + PG_MS(check_duration_ms(2000));
    random_state = check_seed();
    int fds = proc_count_fds(getpid());
    begin_all();
    int fds_running = proc_count_fds(getpid());
    long pages = 0;
    for (int64_t settled = 0; kills < most && check_now_ns() < end;) {
        for (int i = 0; i < SLOTS; i++) {
            if (!slots[i].filled) fill(&slots[i]);
        }
        serve_ms((int64_t)(check_random(&random_state) % 4));
        kill_one();
        if (kills < settled + 1000 && !(settled == 0 && kills >= 100)) continue;
        settle(); /* and nothing has grown since the first time */
        if (settled == 0) pages = resident_pages();
        for (int i = 0; i < 1000 && proc_count_fds(getpid()) > fds_running; i++) serve_ms(1); /* of the last to end */
        CHECK_EQ(proc_count_fds(getpid()), fds_running);
        printf("%d kills, %.1f s: %d exits, %d messages, %ld pages resident\n", (int)kills,
               (double)(check_now_ns() - began) / 1e9, (int)exits, (int)words, resident_pages());
        fflush(stdout);
        settled = kills;
    }
    settle();
    if (!SANITIZED && pages) CHECK(resident_pages() < pages + 8000 + kills / 2);
    printf("%d kills of %d processes, %.1f s; %d messages\n", (int)kills, (int)serials,
           (double)(check_now_ns() - began) / 1e9, (int)words);
    CHECK_EQ(exits, serials);
    for (int i = 0; i < WATCHERS; i++) {
        pg_exit_info why;
        pg_terminate(watchers[i]);
        CHECK_EQ(pg_wait(watchers[i], PG_SECONDS(20), &why), PG_OK);
        CHECK_EQ(why.kind, PG_EXIT_NORMAL);
    }
    pg_detach(self_main);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(10)), PG_OK);
    CHECK(proc_gone(zygote));
    CHECK_EQ(proc_count_fds(getpid()), fds);
    munmap(shared, SERIALS * sizeof *shared);
    free(told);
    free(pid_of);
    return 0;
}
