/* bridge_fuzz.c - any sequence of frames, from a child that is none: the hub's bridge reads them from a ring in memory,
 * in a runtime that lives, acts on them, and closes as if the child had died.
 *
 * The child is this thread, which has the other side of the rings.  A second child of that sort gets what is passed on,
 * and checks that nothing is said in the name of others.  Beside them there is a process to be linked with and asked
 * for.  After each input both bridges are as before: all that the first one had is gone, and it takes up its next life.
 *
 * An input is a row of records, each with a byte that says what follows: a frame whose fields are bytes of the input
 * and pids chosen by them, with a body of bytes, or of a message that is well-formed; or eight bytes written somewhere
 * into the shared memory. */
#include "check.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAPACITY = 16384 };

static const int64_t PATIENCE = PG_SECONDS(20);

/* One that the hub takes for a child. */
typedef struct fake {
    pgi_bridge *bridge;
    pgs_ring_pair rings; /* its side */
    int memory, bell_in, bell_out;
} fake;

static pg_runtime *rt;
static pg_process *self_main;
static pg_pid victim;
static fake child, other;
static bool scribbled; /* by this input */

static void on_any(pg_process *self, const pg_message *msg)
{
    (void)self;
    walk_message(msg);
}

static void be_victim(pg_process *self)
{
    pg_receive(self, on_any, PG_EXIT, PG_PID);
    pg_receive(self, on_any, PG_ANY);
    pg_receive(self, on_any, PG_ANY, PG_ANY);
    pg_receive(self, on_any, PG_ANY, PG_ANY, PG_ANY);
}

static void no_log(void *context, pg_log_level level, const char *line)
{
    (void)context;
    (void)level;
    CHECK(strlen(line) < 4096);
}

/* As give_birth() in os.c, but that nobody is born. */
static void be_born(fake *f)
{
    uint32_t first;
    if (!f->bridge) f->bridge = pgi_alloc_aligned(sizeof *f->bridge, _Alignof(pgi_bridge));
    CHECK(f->bridge != NULL);
    pgi_bridge *b = f->bridge;
    b->node = pgi_node_reserve(PGI_GENERATION_WINDOW, &first);
    CHECK(b->node != 0);
    b->first_generation = first;
    b->root = pgi_pid_make(b->node, first + 1, 0);
    b->bell_kept = -1;
    f->memory = pgs_ring_memory(CAPACITY);
    f->bell_in = eventfd(0, EFD_NONBLOCK);
    f->bell_out = eventfd(0, EFD_NONBLOCK);
    CHECK_EQ(pgs_ring_pair_map(&b->rings, f->memory, 0), 0);
    CHECK_EQ(pgs_ring_pair_map(&f->rings, f->memory, 1), 0);
    close(f->memory);
    store_relaxed(&b->state, PGI_BRIDGE_TAKEN);
    add_seq_cst(&rt->os.alive, 1);
    CHECK_EQ(pgi_bridge_open(b, rt, f->bell_in, f->bell_out, false), PG_OK);
}

static void ring(const fake *f)
{
    uint64_t one = 1;
    CHECK(write(f->bell_in, &one, sizeof one) == sizeof one);
}

/* What has come for one of them has to be well-formed, and told by who may tell it. */
static void read_all(fake *f, bool judged)
{
    size_t ready;
    const char *at;
    while ((at = pgs_ring_peek(&f->rings.reader, &ready)) != NULL) {
        pgi_frame frame;
        memcpy(&frame, at, sizeof frame);
        if (judged) {
            uint32_t from = pgi_pid_node((pg_pid){frame.from}), node = child.bridge->node;
            CHECK_EQ(pgi_frame_check(&frame, ready, CAPACITY), PG_OK);
            CHECK(frame.type != PGI_F_DOWN || from != other.bridge->node);
            if (frame.type == PGI_F_ANSWER) CHECK(frame.word == 0 || frame.word == node);
            if (frame.type == PGI_F_NODE_DOWN || frame.type == PGI_F_LINK || frame.type == PGI_F_ASK)
                CHECK_EQ(from, node);
            CHECK(frame.type != PGI_F_SPAWN && frame.type != PGI_F_STOP && frame.type != PGI_F_ENDED);
        }
        pgs_ring_release(&f->rings.reader, judged ? pgi_frame_bytes(&frame) : ready);
    }
    if (pgs_ring_writer_wake(&f->rings.reader)) ring(f);
}

static bool is_open(const fake *f)
{
    return load_acquire(&f->bridge->state) == PGI_BRIDGE_OPEN;
}

/* Waits for the hub; a hang is a finding. */
static void wait_a_moment(int64_t since)
{
    if (pgs_now() - since > PATIENCE) CHECK_FAIL("the bridge hangs in state %u", load_relaxed(&child.bridge->state));
    sched_yield();
}

/* Whether the hub may still read, as far as this side can tell: after a scribble over an index each side may think that
 * it is the other's turn. */
static bool may_read(int64_t since)
{
    return is_open(&child) && !(scribbled && pgs_now() - since > PG_MS(5));
}

static void put(const pgi_frame *frame, const void *body, size_t bytes)
{
    pgs_ring_writer *w = &child.rings.writer;
    int64_t since = pgs_now();
    unsigned char *at;
    while ((at = pgs_ring_reserve(w, sizeof *frame + pgi_frame_padded(bytes))) == NULL) {
        if (w->broken || !may_read(since)) return;
        read_all(&other, true);
        ring(&child);
        wait_a_moment(since);
    }
    memcpy(at, frame, sizeof *frame);
    memset(at + sizeof *frame, 0, pgi_frame_padded(bytes));
    if (bytes != 0) memcpy(at + sizeof *frame, body, bytes);
    pgs_ring_commit(w, sizeof *frame + pgi_frame_padded(bytes));
    if (pgs_ring_reader_sleeps(w)) ring(&child);
}

/* ------------------------------------------------------------------------------------------------------ an input */

typedef struct input {
    const uint8_t *at;
    size_t left;
} input;

static uint64_t take(input *in, size_t bytes)
{
    uint64_t value = 0;
    if (bytes > in->left) bytes = in->left;
    memcpy(&value, in->at, bytes);
    in->at += bytes;
    in->left -= bytes;
    return value;
}

static uint64_t take_pid(input *in)
{
    uint64_t how = take(in, 1), index = how >> 3;
    switch (how & 7) {
    case 0: return 0;
    case 1: return victim.id;
    case 2: return child.bridge->root.id;
    case 3: return other.bridge->root.id;
    case 4: return pgi_pid_make(child.bridge->node, child.bridge->first_generation + 1, 0).id + index;
    case 5: return pgi_pid_make(other.bridge->node, other.bridge->first_generation + 1, 0).id + index;
    case 6: return pgi_pid_make(rt->node, (uint32_t)index, (uint32_t)take(in, 1)).id;
    default: return take(in, 8);
    }
}

/* A message of the kind that the frame asks for, its values by the input. */
static pg_message *some_message(input *in, uint8_t type)
{
    pg_message *msg;
    pg_pid who = {take_pid(in)};
    pg_exit_kind kind = (pg_exit_kind)(take(in, 1) % (PG_EXIT_UNKNOWN + 1));
    if (type == PGI_F_MESSAGE) {
        const pg_value values[] = {pg_v_int((int64_t)take(in, 8)), pg_v_pid(who), pg_v_str("more than inline holds")};
        CHECK_EQ(pgi_message_build(NULL, take(in, 1) % 4, values, &msg), PG_OK);
    } else {
        pg_pid pid = type == PGI_F_TERMINATE ? (pg_pid){0} : who.id ? who : victim;
        uint8_t as = type == PGI_F_TERMINATE ? PGI_TERMINATE : PGI_DOWN;
        CHECK_EQ(pgi_message_build_exit(NULL, kind, "why", pg_v_nil(), pid, as, &msg), PG_OK);
    }
    return msg;
}

static void put_frame(input *in, uint8_t how)
{
    pgi_frame frame = {.type = (uint8_t)take(in, 1), .flags = (uint8_t)(how >> 4)};
    frame.to = take_pid(in);
    frame.from = take_pid(in);
    if (how & 4) frame.word = take(in, 1 + (how >> 5));
    if (how & 8) {
        size_t bytes;
        char image[1024];
        pg_message *msg = some_message(in, frame.type == PGI_F_PART ? frame.flags : frame.type);
        CHECK_EQ(pgi_wire_prepare(NULL, &msg, &bytes), PG_OK);
        CHECK(bytes <= sizeof image);
        pgi_wire_write(msg, bytes, 0, image, bytes);
        pgi_message_free(NULL, msg);
        frame.length = (uint32_t)bytes;
        put(&frame, image, bytes);
    } else {
        size_t bytes = take(in, 1) * 4;
        if (bytes > in->left) bytes = in->left;
        frame.length = (uint32_t)bytes;
        put(&frame, in->at, bytes);
        in->at += bytes;
        in->left -= bytes;
    }
}

static void scribble(input *in)
{
    size_t size = child.rings.size - (size_t)sysconf(_SC_PAGESIZE);
    uint64_t at = take(in, 3) % (size - 8), what = take(in, 8);
    scribbled = true;
    for (unsigned i = 0; i < 8; i++)
        store_relaxed((_Atomic(unsigned char) *)child.rings.base + at + i, (unsigned char)(what >> 8 * i));
}

static void begin(void)
{
    rt = pg_start(&(pg_options){.workers = 1, .no_os = true, .log = no_log});
    CHECK(rt != NULL);
    self_main = pg_attach(rt, "main");
    be_born(&other);
}

static void end(fake *f, uint8_t how)
{
    int64_t since = pgs_now();
    ring(f);
    while (may_read(since) && !f->rings.writer.broken && pgs_ring_writer_look(&f->rings.writer) < CAPACITY) {
        if (pgs_ring_is_broken(&f->rings)) break;
        read_all(&other, true);
        if (how & 64) read_all(f, false);
        ring(f);
        wait_a_moment(since);
    }
    const pgi_death death = {
        .code = how & 1 ? CLD_EXITED : CLD_KILLED, .status = how & 2 ? 0 : 9, .node = f->bridge->node};
    since = pgs_now();
    pgi_bridge_bury(f->bridge, &death);
    while (load_acquire(&f->bridge->state) != PGI_BRIDGE_FREE) {
        read_all(&other, true);
        wait_a_moment(since);
    }
    read_all(&other, true);
    pgs_ring_pair_unmap(&f->rings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, size};
    if (!rt) begin();
    if (!pg_is_alive(victim)) victim = pg_spawn(self_main, be_victim); /* a terminate is everybody's to send */
    scribbled = false;
    be_born(&child);
    uint8_t last = (uint8_t)take(&in, 1);
    while (in.left > 0 && is_open(&child)) {
        uint8_t how = (uint8_t)take(&in, 1);
        if (how % 4 == 3) {
            scribble(&in);
        } else {
            put_frame(&in, how);
        }
    }
    end(&child, last);
    CHECK_EQ(load_relaxed(&child.bridge->watching), 0);
    CHECK(child.bridge->process.links == NULL);
    return 0;
}
