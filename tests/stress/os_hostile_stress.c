/* os_hostile_stress.c - children that attack the hub, while others of its processes count.
 *
 * A hostile child is a process of kind PG_OS whose target takes hold of its end of the bridge and does one of the
 * things in `attacks` to it, until the hub has killed it, or its time is over.  Main keeps a few of them alive, one
 * after the other, is linked with each, and has a green process that waits for each: the exit has to come once, and the
 * wait to end, whatever the child has said.  Meanwhile it exchanges numbered messages with a green process and with a
 * child that is not hostile; every number comes back once and in order, and no other message does.
 *
 * Afterwards the runtime stops in time, and no descriptor, process, or much memory is left.  PG_TEST_MS for how long,
 * PG_TEST_SEED; PG_TEST_ATTACK selects one by its name. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "proc.h"
#include "runtime/parcel.h"
#include "runtime/runtime.h"

enum { HOSTILE = 3, UNDER_WAY = 32, LIFE_MS = 150, MEMORY_MB = 1024 };

/* ------------------------------------------------------------------------------------------------- in the child */

typedef struct attacker {
    pgi_bridge *up;
    uint64_t random;
    pg_pid self, main, victim, other; /* the last two: a green process of the hub, and one of another child */
    uint64_t number;
} attacker;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t below(attacker *a, uint64_t n)
{
    return next_random(&a->random) % n;
}

static void ring(const attacker *a)
{
    uint64_t one = 1;
    ssize_t n = write(a->up->bell_out, &one, sizeof one);
    (void)n;
}

/* Writes a head and a body as they are, once there is room. */
static void put_behind(attacker *a, const void *head, size_t length, const void *body, size_t bytes)
{
    pgs_ring_writer *w = &a->up->rings.writer;
    size_t size = length + pgi_frame_padded(bytes);
    unsigned char *at;
    while (!(at = pgs_ring_reserve(w, size))) {
        ring(a);
        sched_yield();
    }
    memcpy(at, head, length);
    memset(at + length, 0, size - length);
    if (bytes > 0) memcpy(at + length, body, bytes);
    pgs_ring_commit(w, size);
    if (pgs_ring_reader_sleeps(w)) ring(a);
}

/* Writes a frame as it is told; the length is that of the frame, whatever the body. */
static void put(attacker *a, pgi_frame frame, const void *body, size_t bytes)
{
    put_behind(a, &frame, sizeof frame, body, bytes);
}

/* A brief, which now and then has a bit that is wrong. */
static void put_brief(attacker *a, uint64_t to)
{
    const size_t count = below(a, 4);
    struct {
        pgi_brief head;
        pg_term values[3];
    } brief = {.head = {(uint32_t)(count * sizeof(pg_term)), PGI_F_BRIEF, {0}, to}};
    for (size_t i = 0; i < count; i++) brief.values[i] = (pg_term){PG_T_INT, a->number++};
    if (below(a, 1000) == 0) ((unsigned char *)&brief)[below(a, sizeof brief)] ^= (unsigned char)(1 << below(a, 8));
    put_behind(a, &brief, sizeof brief.head + count * sizeof(pg_term), NULL, 0);
}

/* With a message for its body, which is consumed. */
static void put_message(attacker *a, pgi_frame frame, pg_message *msg)
{
    size_t bytes;
    CHECK_EQ(pgi_wire_prepare(NULL, &msg, &bytes), PG_OK);
    char *image = malloc(bytes);
    pgi_wire_write(msg, bytes, 0, image, bytes);
    pgi_message_free(NULL, msg);
    frame.length = (uint32_t)bytes;
    put(a, frame, image, bytes);
    free(image);
}

static pg_message *some_message(attacker *a)
{
    pg_message *msg;
    const pg_value inner[] = {pg_v_int((int64_t)a->number++), pg_v_str("a text that is longer than inline ones are")};
    const pg_value values[] = {pg_list_of(2, inner), pg_v_str("short"), pg_v_pid(a->self)};
    CHECK_EQ(pgi_message_build(NULL, 3, values, &msg), PG_OK);
    return msg;
}

static pg_message *some_exit(attacker *a, pg_pid of, uint8_t kind)
{
    pg_message *msg;
    pg_exit_kind how = (pg_exit_kind)below(a, PG_EXIT_UNKNOWN + 1);
    CHECK_EQ(pgi_message_build_exit(NULL, how, "a forged end", pg_v_nil(), of, kind, &msg), PG_OK);
    return msg;
}

/* A pid of nobody: of this child, of the hub, or of whatever node. */
static pg_pid made_up(attacker *a, uint32_t node)
{
    uint32_t generation = PGI_GENERATION_MAX / 2 + (uint32_t)below(a, PGI_GENERATION_MAX / 2);
    return pgi_pid_make(node, generation, (uint32_t)below(a, 1 << 20));
}

static uint32_t any_node(attacker *a)
{
    switch (below(a, 4)) {
    case 0: return pgi_pid_node(a->self);
    case 1: return pgi_pid_node(a->main);
    case 2: return pgi_pid_node(a->other);
    default: return (uint32_t)below(a, 1 << PGI_NODE_BITS);
    }
}

/* One that may be somebody; never in a message or terminate, which would be well. */
static pg_pid any_pid(attacker *a)
{
    const pg_pid known[] = {a->main, a->victim, a->other, a->self};
    return below(a, 2) ? known[below(a, 4)] : made_up(a, any_node(a));
}

static pg_pid own_pid(attacker *a)
{
    return below(a, 4) ? made_up(a, pgi_pid_node(a->self)) : a->self;
}

/* Random bytes, words that might be indices, and zeros, anywhere in what is shared. */
static void scribble(attacker *a)
{
    pgs_ring_pair *rings = &a->up->rings;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = rings->size - page;
    unsigned char *base = rings->base;
    size_t at = below(a, 3) ? below(a, 3 * page) : below(a, size);
    if (below(a, 2)) {
        pgs_ring_shared *shared = below(a, 2) ? rings->writer.shared : rings->reader.shared;
        uint64_t near = below(a, 2) ? rings->writer.tail : rings->reader.head;
        _Atomic(uint64_t) *index = below(a, 2) ? &shared->tail : &shared->head;
        if (below(a, 8) == 0) index = &shared->writer_waits;
        store_release(index, near + 16 * below(a, below(a, 2) ? 64 : 40000));
        store_release(&shared->reader_sleeps, (uint32_t)below(a, 2));
    } else {
        size_t n = 1 + below(a, 200);
        for (size_t i = 0; i < n && at + i < size; i++) base[at + i] = (unsigned char)(below(a, 2) ? below(a, 256) : 0);
    }
    ring(a);
}

/* Frames that are right, written over while the hub reads them. */
static void rewrite(attacker *a)
{
    put_message(a, (pgi_frame){.type = PGI_F_MESSAGE, .to = made_up(a, any_node(a)).id}, some_message(a));
    put_brief(a, made_up(a, any_node(a)).id);
    pgs_ring_writer *w = &a->up->rings.writer;
    for (int i = 0; i < 200; i++) w->data[(w->tail - 1 - below(a, 512)) & w->mask] ^= (unsigned char)(1 << below(a, 8));
}

/* Headers with one field or another wrong, and bodies of random bytes. */
static void garble(attacker *a)
{
    unsigned char body[512];
    pgi_frame frame = {.type = (uint8_t)(1 + below(a, PGI_F_TYPES)),
                       .flags = (uint8_t)below(a, 5),
                       .to = any_pid(a).id,
                       .from = any_pid(a).id,
                       .word = below(a, 2) ? 0 : next_random(&a->random),
                       .length = 16 * (uint32_t)below(a, 33)};
    if (frame.type == PGI_F_MESSAGE || frame.type == PGI_F_TERMINATE) frame.to = made_up(a, any_node(a)).id;
    if (below(a, 3)) frame.word = 0;
    if (below(a, 8) == 0) frame.length = (uint32_t)next_random(&a->random);
    for (size_t i = 0; i < sizeof body; i++) body[i] = (unsigned char)below(a, 256);
    put(a, frame, body, below(a, 2) ? sizeof body : frame.length % 513);
}

/* What is well-formed, and not its to say. */
static void forge(attacker *a)
{
    pg_pid foreign[] = {a->main, a->victim, a->other};
    pg_pid who = foreign[below(a, 3)], to = foreign[below(a, 3)];
    switch (below(a, 9)) {
    case 0:
        put_message(a, (pgi_frame){.type = PGI_F_DOWN, .to = to.id, .from = who.id}, some_exit(a, who, PGI_DOWN));
        break;
    case 1:
        put(a, (pgi_frame){.type = PGI_F_LINK, .to = to.id, .from = a->self.id}, NULL, 0);
        put_message(a, (pgi_frame){.type = PGI_F_DOWN, .to = to.id, .from = a->self.id}, some_exit(a, who, PGI_DOWN));
        break;
    case 2: put_message(a, (pgi_frame){.type = PGI_F_ENDED, .from = a->self.id}, some_exit(a, who, PGI_DOWN)); break;
    case 3: put_message(a, (pgi_frame){.type = PGI_F_NODE_DOWN, .from = who.id}, some_exit(a, who, PGI_DOWN)); break;
    case 4: put(a, (pgi_frame){.type = PGI_F_GOODBYE, .word = below(a, 1 << 14)}, NULL, 0); break;
    case 5: put(a, (pgi_frame){.type = PGI_F_STOP}, NULL, 0); break;
    case 6:
        put(a,
            (pgi_frame){.type = below(a, 2) ? PGI_F_UNLINK : PGI_F_UNLINKED,
                        .to = to.id,
                        .from = who.id,
                        .word = 1 + below(a, 9)},
            NULL, 0);
        break;
    case 7: {
        uint64_t question = pgi_pid_make(pgi_pid_node(to), 0, 0).id | (below(a, 2) ? below(a, 100) : a->number++);
        put_message(a, (pgi_frame){.type = PGI_F_ANSWER, .to = question, .from = who.id, .word = below(a, 9)},
                    some_exit(a, who, PGI_DOWN));
        break;
    }
    default:
        put(a, (pgi_frame){.type = PGI_F_ASK, .flags = PGI_ASK_WAIT, .to = to.id, .from = who.id + a->number++}, NULL,
            0);
    }
}

static void link_at_random(attacker *a)
{
    static const uint8_t types[] = {PGI_F_LINK, PGI_F_LINK, PGI_F_UNLINK, PGI_F_UNLINKED};
    uint8_t type = types[below(a, 4)];
    pg_pid to = below(a, 2) ? a->victim : made_up(a, any_node(a));
    put(a,
        (pgi_frame){.type = type, .to = to.id, .from = own_pid(a).id, .word = type == PGI_F_LINK ? 0 : 1 + below(a, 9)},
        NULL, 0);
}

static void ask_at_random(attacker *a)
{
    uint64_t question = pgi_pid_make(pgi_pid_node(a->self), 0, 0).id | ++a->number;
    pgi_frame frame = {.type = PGI_F_ASK, .flags = PGI_ASK_WAIT, .to = any_pid(a).id, .from = question};
    if (below(a, 8) == 0) frame.flags = PGI_ASK_WHY;
    if (below(a, 16) == 0) frame = (pgi_frame){.type = PGI_F_CANCEL, .to = frame.to, .from = question - below(a, 100)};
    put(a, frame, NULL, 0);
}

/* A gigabyte is promised, and never comes; or less comes than was promised, or more. */
static void promise(attacker *a)
{
    static unsigned char piece[16384];
    pgi_frame frame = {
        .type = PGI_F_PART, .flags = PGI_F_MESSAGE, .length = sizeof piece, .to = made_up(a, any_node(a)).id};
    frame.word = (UINT64_C(1) << 30) - a->number * sizeof piece;
    if (a->number++ == 500) frame.word = below(a, 3) ? 0 : UINT64_C(1) << 40;
    put(a, frame, piece, sizeof piece);
}

static void spawn_nonsense(attacker *a)
{
    struct {
        pgi_spawn_body head;
        char name[16];
    } body = {.head = {.target = below(a, 2) ? next_random(&a->random) : (uint64_t)(uintptr_t)&body, .name_length = 4}};
    memcpy(body.name, "x\033y\n", 4);
    if (below(a, 2)) body.head.table = next_random(&a->random);
    if (below(a, 4) == 0) body.head.isolation.level = (uint32_t)below(a, 9);
    uint64_t question = pgi_pid_make(pgi_pid_node(a->self), 0, 0).id | ++a->number;
    pgi_frame frame = {.type = PGI_F_ASK,
                       .flags = PGI_ASK_SPAWN,
                       .length = sizeof body,
                       .to = pgi_pid_make(pgi_pid_node(a->main), 0, 0).id,
                       .from = question};
    put(a, frame, &body, sizeof body);
}

static void log_at_random(attacker *a)
{
    char line[2000];
    for (size_t i = 0; i < sizeof line; i++) line[i] = (char)below(a, 256);
    uint32_t length = 1 + (uint32_t)below(a, sizeof line);
    put(a, (pgi_frame){.type = PGI_F_LOG, .flags = PG_LOG_FAILED, .length = length}, line, length);
}

static void send_at_random(attacker *a)
{
    uint64_t to = made_up(a, any_node(a)).id;
    if (below(a, 4)) {
        put_brief(a, to);
        put_message(a, (pgi_frame){.type = PGI_F_MESSAGE, .to = to}, some_message(a));
    } else {
        put_message(a, (pgi_frame){.type = PGI_F_TERMINATE, .to = to}, some_exit(a, (pg_pid){0}, PGI_TERMINATE));
    }
}

static void close_descriptors(attacker *a)
{
    if (a->number++ > 100) close(3 + (int)below(a, 12));
    for (int i = 0; i < 20; i++) ring(a);
    fcntl(a->up->bell_in, F_SETFL, 0);
    fcntl(a->up->bell_out, F_SETFL, 0);
    send_at_random(a);
}

/* Parcels: right ones, in another number than the frame says, without a frame, or for one that names other buffers. */
static void share_nonsense(attacker *a)
{
    pg_buffer *b = pg_buffer_new(1 + below(a, 10000));
    if (!b) return;
    const pg_value values[] = {pg_v_buffer(b), pg_v_int((int64_t)a->number++)};
    pg_message *msg;
    unsigned count = 0;
    CHECK_EQ(pgi_message_build(NULL, 2, values, &msg), PG_OK);
    for (uint64_t n = below(a, 8) ? 1 : below(a, 3); n > 0; n--) pgi_parcel_send(a->up->channel, msg, &count);
    pg_term *name = (pg_term *)(uintptr_t)pgi_message_terms(msg);
    const pg_term own = *name;
    if (below(a, 200) == 0) name->body ^= 1;
    if (below(a, 200) == 0) name->head ^= UINT64_C(256) << below(a, 20);
    char image[sizeof *msg + 2 * sizeof *name];
    pgi_wire_write(msg, sizeof image, 0, image, sizeof image);
    *name = own;
    uint8_t buffers = below(a, 100) ? (uint8_t)count : (uint8_t)below(a, 40);
    pgi_frame frame = {.type = PGI_F_MESSAGE, .length = sizeof image, .buffers = buffers};
    frame.to = below(a, 2) ? a->other.id : made_up(a, any_node(a)).id;
    if (below(a, 10)) put(a, frame, image, sizeof image);
    pgi_message_free(NULL, msg);
    pg_buffer_release(b);
}

/* A process of its own goes on writing when it is dead. */
static void leave_a_writer(attacker *a)
{
    pid_t pid = a->number++ == 0 ? fork() : 1;
    if (pid == 0) {
        sigset_t none; /* workers block all signals, and this has been one */
        sigemptyset(&none);
        signal(SIGALRM, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        alarm(1);
        const pgi_frame frame = {.type = PGI_F_UNLINK, .to = a->victim.id, .from = a->self.id, .word = 1};
        for (;;) { /* faster than it can be read */
            void *at = pgs_ring_reserve(&a->up->rings.writer, sizeof frame);
            if (at) memcpy(at, &frame, sizeof frame);
            if (at) pgs_ring_commit(&a->up->rings.writer, sizeof frame);
        }
    }
    if (a->number == 3) kill(getpid(), SIGKILL);
    usleep(1000);
}

static const struct {
    const char *name;
    void (*step)(attacker *a);
} attacks[] = {{"scribble", scribble},    {"rewrite", rewrite},         {"garble", garble},
               {"forge", forge},          {"link", link_at_random},     {"ask", ask_at_random},
               {"promise", promise},      {"spawn", spawn_nonsense},    {"log", log_at_random},
               {"send", send_at_random},  {"close", close_descriptors}, {"parcel", share_nonsense},
               {"writer", leave_a_writer}};

enum { ATTACKS = sizeof attacks / sizeof attacks[0] };

static void be_hostile(pg_process *self)
{
    const pg_message *args = pg_args(self);
    attacker a = {.up = self->rt->child->uplink,
                  .self = pg_self(self),
                  .main = pg_main(pg_runtime_of(self)),
                  .random = (uint64_t)pg_get_int(self, args, 1),
                  .victim = pg_get_pid(self, args, 2),
                  .other = pg_get_pid(self, args, 3)};
    size_t which = (size_t)pg_get_int(self, args, 0);
    signal(SIGALRM, SIG_DFL);
    const struct itimerval later = {.it_value = {.tv_usec = LIFE_MS * 1000}}; /* whatever becomes of it */
    setitimer(ITIMER_REAL, &later, NULL);
    uint64_t steps = below(&a, 4) ? UINT64_MAX : below(&a, 2000);
    for (uint64_t i = 0; i < steps; i++) attacks[which].step(&a);
    switch (below(&a, 3)) {
    case 0: _exit(0);
    case 1: _exit(3);
    default: return;
    }
}

/* --------------------------------------------------------------------------------------------------- in the hub */

static void on_number(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 0), pg_get_int(self, msg, 1), pg_get_int(self, msg, 2));
}

static void on_end(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

/* Sends numbers back.  The green one is the victim, too, whom hostile children link with. */
static void counter(pg_process *self)
{
    pg_receive(self, on_number, PG_PID, PG_INT, PG_INT);
    pg_receive(self, on_end, PG_EXIT, PG_PID);
    pg_receive(self, on_end, PG_BUFFER, PG_INT); /* of parcels that were right */
}

enum { FROM_GREEN, FROM_CHILD, FROM_WAITER };

static void waiter(pg_process *self)
{
    pg_exit_info why;
    pg_pid pid = pg_get_pid(self, pg_args(self), 0);
    CHECK_EQ(pg_wait(pid, PG_SECONDS(60), &why), PG_OK);
    CHECK(pg_same(why.pid, pid));
    CHECK(memchr(why.text, 0, sizeof why.text) != NULL);
    pg_send(pg_main(pg_runtime_of(self)), FROM_WAITER, 0);
}

static struct state {
    pg_process *self;
    pg_pid counters[2];
    int64_t sent[2], back[2];
    pg_pid hostile[HOSTILE];
    int64_t spawned, exits, waits;
    uint64_t random;
    int64_t by_attack[ATTACKS];
    size_t only; /* ATTACKS: all */
} s;

static void spawn_hostile(int i)
{
    size_t which = s.only < ATTACKS ? s.only : next_random(&s.random) % ATTACKS;
    int64_t seed = (int64_t)(next_random(&s.random) >> 1 | 1);
    s.hostile[i] =
        pg_spawn_link(s.self, be_hostile, .name = attacks[which].name, .kind = PG_OS,
                      .args = pg_tuple((int64_t)which, seed, s.counters[FROM_GREEN], s.counters[FROM_CHILD]));
    CHECK_EQ(pg_pid_status(s.hostile[i]), PG_OK);
    CHECK_EQ(pg_pid_status(pg_spawn(s.self, waiter, .kind = PG_GREEN, .args = pg_tuple(s.hostile[i]))), PG_OK);
    s.spawned++;
    s.by_attack[which]++;
}

static void send_number(int to)
{
    CHECK_EQ(pg_send(s.counters[to], s.self, to, s.sent[to]), PG_OK);
    s.sent[to]++;
}

static void take_exit(const pg_message *msg, bool again)
{
    pg_exit_info why;
    pg_get_exit(NULL, msg, 0, &why);
    int i = 0;
    while (i < HOSTILE && !pg_same(s.hostile[i], why.pid)) i++;
    if (i == HOSTILE) CHECK_FAIL("an exit of somebody else, or for the second time: %s", why.text);
    s.exits++;
    s.hostile[i] = (pg_pid){0};
    if (again) spawn_hostile(i);
}

static void take_number(const pg_message *msg, bool again)
{
    CHECK_EQ(pg_count(msg), 2);
    int64_t from = pg_get_int(NULL, msg, 0), number = pg_get_int(NULL, msg, 1);
    if (from == FROM_WAITER) {
        s.waits++;
        return;
    }
    CHECK(from == FROM_GREEN || from == FROM_CHILD);
    CHECK_EQ(number, s.back[from]);
    s.back[from]++;
    if (again) send_number((int)from);
}

static bool is_over(void)
{
    return s.exits == s.spawned && s.waits == s.spawned && s.back[0] == s.sent[0] && s.back[1] == s.sent[1];
}

static void run(int64_t ms)
{
    const pg_message *msg;
    struct timespec now, begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < HOSTILE; i++) spawn_hostile(i);
    for (int i = 0; i < UNDER_WAY; i++) {
        send_number(FROM_GREEN);
        send_number(FROM_CHILD);
    }
    bool again = true;
    while (again || !is_over()) {
        int status = pg_recv_match(s.self, &msg, PG_SECONDS(60), PG_ANY, PG_ANY);
        if (status != PG_OK) {
            CHECK_FAIL("%s: %lld spawned, %lld exits, %lld waits, numbers %lld of %lld, %lld of %lld",
                       pg_strerror(status), (long long)s.spawned, (long long)s.exits, (long long)s.waits,
                       (long long)s.back[0], (long long)s.sent[0], (long long)s.back[1], (long long)s.sent[1]);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        again = (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < ms;
        if (pg_term_type(pg_get(NULL, msg, 0)) == PG_T_EXIT) {
            take_exit(msg, again);
        } else {
            take_number(msg, again);
        }
    }
    CHECK_EQ(pg_recv(s.self, &msg, PG_MS(20)), PG_ETIMEDOUT);
}

static void ignore_line(void *context, pg_log_level level, const char *line)
{
    (void)level;
    if (context) fprintf(stderr, "%s\n", line);
}

static size_t attack_of(const char *name)
{
    for (size_t i = 0; name && i < ATTACKS; i++) {
        if (strcmp(attacks[i].name, name) == 0) return i;
    }
    CHECK(!name);
    return ATTACKS;
}

int main(void)
{
    const char *ms = getenv("PG_TEST_MS"), *seed = getenv("PG_TEST_SEED");
    s.random = seed ? strtoull(seed, NULL, 0) : (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15);
    s.only = attack_of(getenv("PG_TEST_ATTACK"));
    printf("PG_TEST_SEED=%#llx\n", (unsigned long long)s.random);
    fflush(stdout);
    int before = proc_count_fds(getpid());
    bool verbose = getenv("PG_TEST_VERBOSE") != NULL;
    pg_runtime *rt = pg_start(&(pg_options){.workers = 2, .log = ignore_line, .log_context = verbose ? &s : NULL});
    CHECK(rt != NULL);
    s.self = pg_attach(rt, "main");
    s.counters[FROM_GREEN] = pg_spawn(s.self, counter, .name = "green");
    s.counters[FROM_CHILD] = pg_spawn(s.self, counter, .name = "child", .kind = PG_OS);
    run(ms ? atoll(ms) : 2000);
    CHECK_EQ(pg_why(s.counters[FROM_GREEN], NULL), PG_ETIMEDOUT);
    CHECK_EQ(pg_why(s.counters[FROM_CHILD], NULL), PG_ETIMEDOUT);
    pg_detach(s.self);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(20)), PG_OK);
    CHECK_EQ(proc_count_fds(getpid()), before);
    CHECK_EQ(proc_count_memfds(getpid(), ""), 0);
    CHECK_EQ(proc_count_children(getpid()), 0);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("%lld hostile children, %lld and %lld numbers there and back, %ld MB at most\n", (long long)s.spawned,
           (long long)s.back[0], (long long)s.back[1], used.ru_maxrss / 1024);
    for (size_t i = 0; i < ATTACKS; i++) printf("%s %lld ", attacks[i].name, (long long)s.by_attack[i]);
    printf("\n");
    if (!SANITIZED) CHECK(used.ru_maxrss / 1024 < MEMORY_MB);
    return 0;
}
