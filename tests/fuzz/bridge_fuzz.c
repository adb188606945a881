/* bridge_fuzz.c - any sequence of frames, from a child that is none: the hub's bridge reads them from a ring in memory,
 * in a runtime that lives, acts on them, and closes as if the child had died.
 *
 * The child is this thread, which has the other side of the rings.  A second child of that sort gets what is passed on,
 * and checks that nothing is said in the name of others.  Beside them there is a process to be linked with and asked
 * for.  After each input both bridges are as before: all that the first one had is gone, and it takes up its next life.
 *
 * An input is a row of records, each with a byte that says what follows: a frame whose fields are bytes of the input
 * and pids chosen by them, with a body of bytes, or of a message that is well-formed; a row of short messages to two
 * processes, one of which may have a flaw; a parcel of buffers, good ones and others, and a message that has such; or
 * eight bytes written somewhere into the shared memory. */
#define _GNU_SOURCE /* memfd_create */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/parcel.h"
#include "runtime/runtime.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAPACITY = 16384, MEMORY = 4096, MEMORIES = 4 };

static const int64_t PATIENCE = PG_SECONDS(20);

/* One that the hub takes for a child. */
typedef struct fake {
    pgi_bridge *bridge;
    pgs_ring_pair rings; /* its side */
    int memory, bell_in, bell_out;
    int channel; /* its end */
} fake;

/* As in parcel.c. */
typedef struct item {
    pg_term name;
    uint64_t size;
} item;

/* Of a buffer, or of what is none. */
typedef struct memory {
    int fd;
    pg_term name;
} memory;

static pg_runtime *rt;
static pg_process *self_main;
static pg_pid victim;
static fake child, other;
static memory memories[MEMORIES];
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
    int channel[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
    b->channel = channel[0];
    f->channel = channel[1];
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

/* Room for the descriptors of a packet. */
typedef union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(PGI_PARCEL_MAX * sizeof(int))];
} control;

/* One packet of such items and descriptors, if there is room. */
static void send_packet(const fake *f, const void *items, size_t bytes, const int *fds, unsigned n)
{
    control room = {.bytes = {0}};
    struct iovec part = {(void *)(uintptr_t)items, bytes};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (n > 0) {
        packet.msg_control = &room;
        packet.msg_controllen = CMSG_SPACE(n * sizeof(int));
        *CMSG_FIRSTHDR(&packet) =
            (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n * sizeof(int))};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&packet)), fds, n * sizeof(int));
    }
    CHECK(sendmsg(f->channel, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN || errno == EPIPE);
}

/* What was sent to one of them is closed. */
static void read_packets(const fake *f)
{
    control room;
    char bytes[1024];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof room.bytes};
    while (recvmsg(f->channel, &packet, MSG_DONTWAIT) > 0) {
        const struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
        size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            close(fd);
        }
        packet.msg_controllen = sizeof room.bytes;
    }
}

/* What has come for one of them has to be well-formed, and told by who may tell it. */
static void read_all(fake *f, bool judged)
{
    size_t ready;
    const char *at;
    while ((at = pgs_ring_peek(&f->rings.reader, &ready)) != NULL) {
        pgi_frame frame;
        pgi_brief brief;
        memcpy(&brief, at, sizeof brief);
        if (judged && brief.type == PGI_F_BRIEF) {
            CHECK(pgi_brief_check(&brief, ready));
            pgs_ring_release(&f->rings.reader, sizeof brief + brief.length);
            continue;
        }
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
    read_packets(f);
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

static void put_behind(const void *head, size_t length, const void *body, size_t bytes)
{
    pgs_ring_writer *w = &child.rings.writer;
    int64_t since = pgs_now();
    unsigned char *at;
    while ((at = pgs_ring_reserve(w, length + pgi_frame_padded(bytes))) == NULL) {
        if (w->broken || !may_read(since)) return;
        read_all(&other, true);
        ring(&child);
        wait_a_moment(since);
    }
    memcpy(at, head, length);
    memset(at + length, 0, pgi_frame_padded(bytes));
    if (bytes != 0) memcpy(at + length, body, bytes);
    pgs_ring_commit(w, length + pgi_frame_padded(bytes));
    if (pgs_ring_reader_sleeps(w)) ring(&child);
}

static void put(const pgi_frame *frame, const void *body, size_t bytes)
{
    put_behind(frame, sizeof *frame, body, bytes);
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

/* The block of a message as it is sent. */
/* Briefs, one after the other, to one process and another; one of them may have a byte that is wrong, in its values or
 * its head. */
static void put_row(input *in)
{
    uint64_t to[2] = {take_pid(in)};
    to[1] = take_pid(in);
    unsigned length = (unsigned)take(in, 1) % 64, order = (unsigned)take(in, 1);
    unsigned flawed = (unsigned)take(in, 1), place = (unsigned)take(in, 1);
    uint8_t flaw = (uint8_t)take(in, 1);
    for (unsigned i = 0; i < length && is_open(&child); i++) {
        unsigned count = (i + order) % 4;
        struct {
            pgi_brief head;
            pg_term values[3];
        } brief = {.head = {count * sizeof(pg_term), PGI_F_BRIEF, {0}, to[order >> i % 8 & 1]}};
        for (unsigned j = 0; j < count; j++) brief.values[j] = (pg_term){PG_T_INT, i};
        size_t bytes = sizeof brief.head + count * sizeof(pg_term);
        if (i == flawed) ((unsigned char *)&brief)[place % bytes] ^= flaw;
        put_behind(&brief, bytes, NULL, 0);
    }
}

/* Some buffers, in a packet that may be wrong, and a message that has some. */
static void put_parcel(input *in)
{
    item items[8] = {0};
    int fds[8];
    unsigned which = (unsigned)take(in, 2), n = 1 + (unsigned)take(in, 1) % 8, wrong = (unsigned)take(in, 1);
    for (unsigned i = 0; i < n; i++) {
        const memory *from = &memories[which >> 2 * i & 3];
        items[i] = (item){from->name, MEMORY};
        fds[i] = from->fd;
    }
    if (wrong & 1) items[0].size += take(in, 2);
    if (wrong & 2) items[0].name.body ^= take(in, 1);
    unsigned bytes = n * (unsigned)sizeof *items - (wrong & 4 ? (unsigned)take(in, 1) % 24 : 0);
    if (!(wrong & 8)) send_packet(&child, items, bytes, fds, wrong & 16 ? n - 1 : n);
    uint64_t to = take_pid(in);
    if (pgi_pid_node((pg_pid){to}) == rt->node) to = victim.id; /* main does not read */
    unsigned named = (unsigned)take(in, 2), count = (unsigned)take(in, 1) % 4;
    struct {
        pg_message header;
        pg_term values[3];
    } body = {.header = {.units = 1 + count, .count = (uint16_t)count, .kind = PGI_USER}};
    for (unsigned i = 0; i < count; i++) body.values[i] = memories[named >> 2 * i & 3].name;
    put(&(pgi_frame){.type = PGI_F_MESSAGE,
                     .to = to,
                     .length = (1 + count) * PGI_UNIT,
                     .buffers = (uint8_t)(wrong & 32 ? take(in, 1) : n)},
        &body, (1 + count) * PGI_UNIT);
}

static void scribble(input *in)
{
    size_t size = child.rings.size - (size_t)sysconf(_SC_PAGESIZE);
    uint64_t at = take(in, 3) % (size - 8), what = take(in, 8);
    scribbled = true;
    for (unsigned i = 0; i < 8; i++)
        store_relaxed((_Atomic(unsigned char) *)child.rings.base + at + i, (unsigned char)(what >> 8 * i));
}

/* Two that are what buffers are, one that is not sealed, and one that is no memory. */
static void make_memories(void)
{
    for (int i = 0; i < MEMORIES; i++) {
        memory *m = &memories[i];
        m->fd = i < 3 ? memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING) : open("/dev/zero", O_RDONLY | O_CLOEXEC);
        CHECK(m->fd >= 0 && (i == 3 || ftruncate(m->fd, MEMORY) == 0));
        if (i < 2) CHECK_EQ(fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL), 0);
        struct stat info;
        CHECK_EQ(fstat(m->fd, &info), 0);
        m->name = (pg_term){PG_T_BUFFER | (uint64_t)info.st_ino << 8, 1};
    }
}

static void begin(void)
{
    make_memories();
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
    close(f->channel);
}

/* All buffers have gone with the messages that had them. */
static void wait_for_buffers(void)
{
    int64_t since = pgs_now();
    for (int i = 0; i < MEMORIES; i++) {
        pg_buffer *b;
        while ((b = pgi_buffer_find(&memories[i].name)) != NULL) {
            pg_buffer_release(b);
            read_all(&other, true);
            wait_a_moment(since);
        }
    }
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
        if (how % 16 == 15) {
            put_parcel(&in);
        } else if (how % 16 == 7) {
            put_row(&in);
        } else if (how % 4 == 3) {
            scribble(&in);
        } else {
            put_frame(&in, how);
        }
    }
    end(&child, last);
    CHECK_EQ(load_relaxed(&child.bridge->watching), 0);
    CHECK(child.bridge->process.links == NULL);
    wait_for_buffers();
    return 0;
}
