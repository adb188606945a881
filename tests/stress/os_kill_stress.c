/* os_kill_stress.c - kill -9 at random of operating-system processes that send, spawn, link and wait: what survives has
 * counted right, nobody hangs, and nothing is left.
 *
 * Main keeps a few slots filled, each with a child of some role, and kills one after the other: mostly one that is
 * known to have begun, sometimes whatever the zygote has at that moment, which may be one that begins, or a child's
 * child.
 *   - One that sends small messages says in shared memory how many; all of them have to arrive, in order; or, seldom,
 *     all but what another of its threads, which was answering somebody, was about to write when both were killed.
 *   - One that sends small and large ones, up to more than a ring holds: what arrives has no gap, and each is whole.
 *   - One that spawns, green and as PG_OS, linked and not, and waits for their ends.
 *   - One that links and unlinks others, asks whether they live, and waits for them.
 *   - One that makes shared buffers, and holds some, its own and others'; it sends them to main, which has to get all
 *     of them in order, as above, to others of its sort, and to the watchers.
 * Main is linked with each child, and a green process of its own waits for it.  Two watchers, children that are not
 * killed, link with each and wait for it, too.  Each of these has to hear of each end once.
 *
 * Main and the watchers hold some buffers of the dead, whose bytes have to stay what they were.  When all have let go,
 * no descriptor or mapping of a buffer, or of a dead child's rings, is left in main, in the watchers, or in the zygote.
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
enum { ROLE_STRICT, ROLE_TORRENT, ROLE_SPAWNER, ROLE_LINKER, ROLE_SHARER, ROLES };

/* Of buffers.  What a child has sent and what is held outside of it stays below the 256 that it may make others hold;
 * between two acks it sends fewer than its channel has room for, so that what it has sent does not wait in it. */
enum { SHARED_ACK_EVERY = 8, SHARED_MAX = 96, PASSED_MAX = 48, KEPT = 48, HELD = 8, BUFFER_LARGE = 1 << 20 };

/* What comes to main, in front of the serial number of the child that it is about. */
enum { WORD = 1, WAITED, WATCHER_WAITED, WATCHER_EXIT, LET_GO };

enum { OF_MAIN = -1 }; /* in place of a serial number */

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
    int passed; /* buffers that main has passed on */
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
static pg_buffer *kept[KEPT];
static int64_t serials, exits, complete, incomplete, words, kills, given, let_go;
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

/* On each page of a buffer, as far as it fits. */
typedef struct stamp {
    int64_t maker, number, size;
} stamp;

enum { PAGE = 4096 };

static pg_buffer *make_buffer(int64_t maker, int64_t number)
{
    uint64_t state = (uint64_t)(maker * 1000003 + number);
    uint64_t r = check_random(&state);
    size_t size = sizeof(stamp) + r / 16 % (r % 16 == 0 ? BUFFER_LARGE : 10000);
    pg_buffer *b = pg_buffer_new(size);
    CHECK(b);
    unsigned char *data = pg_buffer_data(b);
    const stamp mark = {maker, number, (int64_t)size};
    for (size_t at = 0; at + sizeof mark <= size; at += PAGE) memcpy(data + at, &mark, sizeof mark);
    return b;
}

/* What it says of itself, which has to be the same all over. */
static stamp stamp_of(const void *data, size_t size)
{
    stamp mark;
    CHECK(data && size >= sizeof mark);
    memcpy(&mark, data, sizeof mark);
    CHECK_EQ(mark.size, size);
    for (size_t at = 0; at + sizeof mark <= size; at += PAGE)
        CHECK(memcmp((const unsigned char *)data + at, &mark, sizeof mark) == 0);
    return mark;
}

/* Looks at a buffer once more, then lets it go. */
static void release(pg_buffer **buffer)
{
    if (*buffer) stamp_of(pg_buffer_data(*buffer), pg_buffer_size(*buffer));
    pg_buffer_release(*buffer);
    *buffer = NULL;
}

/* Holds a buffer of a message instead of another one. */
static void hold(pg_process *self, pg_buffer **held, const pg_term *term)
{
    release(held);
    *held = pg_buffer_keep(self, term);
    CHECK(*held);
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
    for (int64_t n = 0;; n++) {
        const pg_message *msg;
        pg_pid pid = {0};
        switch (check_random(&state) % 5) {
        case 0: pid = pg_spawn(self, target_ends, .kind = PG_GREEN); break;
        case 1: pid = pg_spawn(self, target_ends, .kind = PG_OS); break;
        case 2: {
            pg_buffer *b = make_buffer(serial, n);
            pid = pg_spawn(self, target_outlives, .args = pg_tuple(self, b), .kind = PG_OS);
            pg_buffer_release(b);
            break;
        }
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

/* Of its arguments the last is a buffer of main's, which it holds, too. */
static void target_sharer(pg_process *self)
{
    int64_t serial;
    const pg_message *msg;
    pg_buffer *held[HELD] = {NULL};
    begin(self, &serial);
    uint64_t state = (uint64_t)serial;
    pg_pid peers[PEERS], to_main = pg_main(pg_runtime_of(self));
    for (int i = 0; i < PEERS; i++) peers[i] = pg_get_pid(self, pg_args(self), 1 + (size_t)i);
    hold(self, &held[0], pg_get(self, pg_args(self), 1 + PEERS));
    for (int64_t n = 0, passed = 0;; n++) {
        pg_buffer *b = make_buffer(serial, n), **any = &held[check_random(&state) % HELD];
        if (passed < SHARED_MAX && check_random(&state) % 2) {
            int status = pg_send(peers[check_random(&state) % PEERS], "take", *any ? *any : b);
            CHECK(status == PG_OK || status == PG_ENOPROC || status == PG_EFULL);
            passed++;
        }
        CHECK_EQ(pg_send(to_main, WORD, serial, n, b), PG_OK);
        atomic_store(&shared[serial].sent, (uint64_t)n + 1);
        release(any);
        *any = b;
        if (n % SHARED_ACK_EVERY == SHARED_ACK_EVERY - 1) pg_recv_match(self, &msg, PG_FOREVER, "ack");
        while (pg_recv_match(self, &msg, 0, "take", PG_BUFFER) == PG_OK)
            hold(self, &held[check_random(&state) % HELD], pg_get(self, msg, 1));
    }
}

static const pg_target targets[ROLES] = {target_strict, target_torrent, target_spawner, target_linker, target_sharer};

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

static pg_buffer *watcher_held[HELD];
static int64_t watcher_taken, watcher_given; /* the latter by main */

static void on_take(pg_process *self, const pg_message *msg)
{
    if (pg_matches(pg_get(self, msg, 0), "given")) watcher_given++;
    hold(self, &watcher_held[watcher_taken++ % HELD], pg_get(self, msg, 1));
}

static void on_let_go(pg_process *self, const pg_message *msg)
{
    (void)msg;
    for (int i = 0; i < HELD; i++) release(&watcher_held[i]);
    pg_send(pg_main(pg_runtime_of(self)), LET_GO, watcher_given, (int64_t)(intptr_t)pg_data(self));
}

static void watcher(pg_process *self)
{
    pg_set_data(self, (void *)(intptr_t)pg_get_int(self, pg_args(self), 0));
    pg_receive(self, on_watch, "watch", PG_PID, PG_INT);
    pg_receive(self, on_watched_exit, PG_EXIT, PG_PID);
    pg_receive(self, on_take, PG_STR, PG_BUFFER);
    pg_receive(self, on_let_go, "let go");
    pg_send(pg_main(pg_runtime_of(self)), 0, 0, (int)getpid());
}

/* ------------------------------------------------------------------------------------------------------------ main */

static void looks(pg_process *self, const pg_message *msg)
{
    size_t size;
    const void *data = pg_get_buffer(self, msg, 1, &size);
    stamp_of(data, size);
}

static void bystands(pg_process *self)
{
    pg_receive(self, ignore, PG_EXIT, PG_PID);
    pg_receive(self, looks, "take", PG_BUFFER);
}

/* One that takes buffers. */
static pg_pid any_taker(void)
{
    uint64_t r = check_random(&random_state);
    const struct slot *s = &slots[r % SLOTS];
    if (s->filled && s->role == ROLE_SHARER) return s->pid;
    return r / SLOTS % 2 ? bystander : watchers[r / SLOTS % WATCHERS];
}

static void fill(struct slot *s)
{
    int64_t serial = serials++;
    CHECK(serial < SERIALS);
    *s = (struct slot){.serial = serial, .role = (int)(check_random(&random_state) % ROLES), .filled = true};
    pg_pid peers[PEERS];
    for (int i = 0; i < PEERS; i++) {
        peers[i] = s->role == ROLE_SHARER ? any_taker() : slots[check_random(&random_state) % SLOTS].pid;
        if (peers[i].id == 0) peers[i] = bystander;
    }
    pg_buffer *b = make_buffer(OF_MAIN, serial);
    s->pid = pg_spawn_link(self_main, targets[s->role], .name = "victim", .kind = PG_OS,
                           .args = pg_tuple(serial, peers[0], peers[1], peers[2], b));
    CHECK_EQ(pg_pid_status(s->pid), PG_OK);
    for (int i = 0; i < WATCHERS; i++) CHECK_EQ(pg_send(watchers[i], "given", b), PG_OK);
    pg_buffer_release(b);
    given++;
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
        bool exact = s->role == ROLE_STRICT || s->role == ROLE_SHARER;
        complete += exact && s->received >= sent;
        incomplete += exact && s->received < sent;
        if (exact) CHECK(s->received <= sent + 1 && s->received >= sent - ACK_EVERY);
        s->filled = false;
        exits++;
        return;
    }
    CHECK_FAIL("an exit of nobody, or a second one: %s", why->text);
}

/* Main looks at it, keeps it for a while, and passes it on. */
static void take_shared(struct slot *s, const pg_message *msg, int64_t number)
{
    size_t size;
    const void *data = pg_get_buffer(NULL, msg, 3, &size);
    stamp mark = stamp_of(data, size);
    CHECK_EQ(mark.maker, s->serial);
    CHECK_EQ(mark.number, number);
    uint64_t r = check_random(&random_state);
    if (r % 2) hold(NULL, &kept[r / 2 % KEPT], pg_get(NULL, msg, 3));
    if (s->passed == PASSED_MAX) return;
    s->passed++;
    int status = pg_send(any_taker(), "take", pg_get(NULL, msg, 3));
    CHECK(status == PG_OK || status == PG_ENOPROC);
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
    if (s->role == ROLE_SHARER) take_shared(s, msg, number);
    int every = s->role == ROLE_SHARER ? SHARED_ACK_EVERY : ACK_EVERY;
    if (number % every == every - 1) pg_send(s->pid, "ack");
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
    case LET_GO:
        CHECK_EQ(pg_get_int(self, msg, 1), given);
        let_go++;
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

/* What is open and mapped by main, the zygote and the watchers. */
typedef struct family {
    int fds, memfds, buffers;
    long shared_kb; /* resident, of main's mappings */
} family;

static family family_now(void)
{
    pid_t all[2 + WATCHERS] = {getpid(), zygote, watcher_os[0], watcher_os[1]};
    family f = {.shared_kb = proc_number("/proc/self/status", "RssShmem")};
    for (int i = 0; i < 2 + WATCHERS; i++) {
        f.fds += proc_count_fds(all[i]);
        f.memfds += proc_count_memfds(all[i], "");
        f.buffers += proc_count_memfds(all[i], "pg-buffer");
    }
    return f;
}

/* All let their buffers go; then there is nothing more than in the beginning, when there were the watchers. */
static void expect_nothing_left(family first)
{
    for (int i = 0; i < KEPT; i++) release(&kept[i]);
    let_go = 0;
    for (int i = 0; i < WATCHERS; i++) CHECK_EQ(pg_send(watchers[i], "let go"), PG_OK);
    for (int i = 0; i < 20000 && let_go < WATCHERS; i++) serve_ms(1);
    CHECK_EQ(let_go, WATCHERS);
    family now = family_now();
    for (int i = 0; i < 1000 && (now.fds > first.fds || now.memfds > first.memfds); i++) {
        serve_ms(1); /* of the last to end */
        now = family_now();
    }
    CHECK_EQ(now.buffers, 0);
    CHECK_EQ(now.memfds, first.memfds);
    CHECK_EQ(now.fds, first.fds);
    long own_kb = (long)(serials * (int64_t)sizeof *shared / 1024) + 4096; /* and the rings of the watchers */
    if (now.shared_kb > first.shared_kb + own_kb) CHECK_EQ(now.shared_kb, first.shared_kb);
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
    /* A child may run before the zygote has closed what it has handed to it. */
    for (int i = 0; i < 10000 && proc_count_memfds(zygote, "") > 0; i++) serve_ms(1);
    CHECK_EQ(proc_count_memfds(zygote, ""), 0);
}

int main(void)
{
    const char *wanted = getenv("PG_TEST_KILLS");
    int64_t most = wanted ? strtoll(wanted, NULL, 0) : INT64_MAX;
    int64_t began = check_now_ns(), end = wanted ? INT64_MAX : began + PG_MS(check_duration_ms(2000));
    random_state = check_seed();
    int fds = proc_count_fds(getpid());
    begin_all();
    const family first = family_now();
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
        expect_nothing_left(first);
        printf("%d kills, %.1f s: %d exits, %d messages; resident: %ld pages, %ld kB of them shared\n", (int)kills,
               (double)(check_now_ns() - began) / 1e9, (int)exits, (int)words, resident_pages(),
               proc_number("/proc/self/status", "RssShmem"));
        fflush(stdout);
        settled = kills;
    }
    settle();
    expect_nothing_left(first);
    if (!SANITIZED && pages) CHECK(resident_pages() < pages + 8000 + kills / 2);
    printf("%d kills of %d processes, %.1f s; %d messages\n", (int)kills, (int)serials,
           (double)(check_now_ns() - began) / 1e9, (int)words);
    CHECK_EQ(exits, serials);
    if (incomplete > 0)
        printf("%d of %d did not get their last ones out\n", (int)incomplete, (int)(complete + incomplete));
    CHECK(incomplete <= 1 + complete / 20);
    for (int i = 0; i < WATCHERS; i++) {
        pg_exit_info why;
        pg_terminate(watchers[i]);
        CHECK_EQ(pg_wait(watchers[i], PG_SECONDS(20), &why), PG_OK);
        /* Unknown, if it was quicker than the wait, and more have been killed since the start than are remembered. */
        CHECK(why.kind == PG_EXIT_NORMAL || why.kind == PG_EXIT_UNKNOWN);
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
