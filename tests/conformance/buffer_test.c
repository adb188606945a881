/* buffer_test.c - shared buffers between processes of every kind. */
#define _GNU_SOURCE
#include "conformance.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc.h"
#include "runtime/bridge.h"
#include "runtime/parcel.h"

static pg_runtime *rt;
static pg_process *self_main;

static pg_pid spawn_kind(pg_kind kind, pg_target target, const char *name, pg_value args)
{
    return good(pg_spawn(self_main, target, .name = name, .args = args, .kind = kind));
}

static void finish(pg_pid pid)
{
    pg_terminate(pid);
    end_of(pid);
}

/* Holds of buffers, descriptors and mappings, by this process, its zygote, and the children of that. */
static int family_holds(void)
{
    pid_t zygotes[4], children[64];
    int n = proc_count_memfds(getpid(), "pg-buffer");
    int z = proc_children(getpid(), zygotes, 4);
    for (int i = 0; i < z; i++) {
        n += proc_count_memfds(zygotes[i], "pg-buffer");
        int c = proc_children(zygotes[i], children, 64);
        for (int j = 0; j < c; j++) n += proc_count_memfds(children[j], "pg-buffer");
    }
    return n;
}

static void expect_no_holds(void)
{
    for (int i = 0; i < 1000 && family_holds() > 0; i++) pg_sleep(self_main, PG_MS(10));
    CHECK_EQ(family_holds(), 0);
}

/* Shared memory of the whole system, in kB. */
static long shared(void)
{
    return proc_number("/proc/meminfo", "Shmem");
}

static pg_buffer *filled(size_t size, unsigned seed)
{
    pg_buffer *b = pg_buffer_new(size);
    CHECK(b != NULL);
    unsigned char *data = pg_buffer_data(b);
    for (size_t i = 0; i < size; i++) data[i] = (unsigned char)(i * 7 + i / 4096 + seed);
    return b;
}

static bool is_filled(const unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != (unsigned char)(i * 7 + i / 4096 + seed)) return false;
    return true;
}

/* The message before the next one is freed when that is received. */
static void let_go(void)
{
    CHECK_EQ(pg_send(pg_self(self_main), 0), PG_OK);
    CHECK_EQ(next_int(self_main), 0);
}

/* ------------------------------------------------------------------------------------------------------ all kinds */

static void on_buffer(pg_process *self, const pg_message *msg)
{
    size_t size;
    const unsigned char *data = pg_get_buffer(self, msg, 1, &size);
    bool well = is_filled(data, size, (unsigned)pg_get_int(self, msg, 2));
    pg_send(pg_get_pid(self, msg, 0), well, (int64_t)size, pg_get(self, msg, 1));
}

static void reader(pg_process *self)
{
    pg_receive(self, on_buffer, PG_PID, PG_BUFFER, PG_INT);
}

static void expect_back(pg_buffer *b, size_t size)
{
    const pg_message *msg = next_of(self_main);
    CHECK(pg_get_bool(NULL, msg, 0));
    CHECK_EQ(pg_get_int(NULL, msg, 1), size);
    CHECK(pg_matches(pg_get(NULL, msg, 2), b)); /* it has come back as itself, and where it was */
    CHECK(pg_get_buffer(NULL, msg, 2, NULL) == pg_buffer_data(b));
}

static void test_kinds(void)
{
    static const pg_kind kinds[] = {PG_GREEN, PG_THREAD, PG_OS};
    static const size_t sizes[] = {1, 4096, 100000};
    for (size_t i = 0; i < 3; i++) {
        pg_pid pid = spawn_kind(kinds[i], reader, "reader", pg_tuple());
        for (size_t j = 0; j < 3; j++) {
            pg_buffer *b = filled(sizes[j], (unsigned)j);
            CHECK_EQ(pg_send(pid, self_main, b, j), PG_OK);
            expect_back(b, sizes[j]);
            pg_buffer_release(b);
        }
        finish(pid);
    }
}

static void sum_args(pg_process *self)
{
    int64_t sum = 0;
    const pg_message *args = pg_args(self);
    const pg_term *list = pg_get(self, args, 1);
    for (size_t i = 0; i < pg_term_count(self, list); i++)
        sum += *(const int *)pg_term_buffer(self, pg_term_at(self, list, i), NULL);
    pg_send(pg_get_pid(self, args, 0), sum);
}

/* Passes its arguments on to one more. */
static void spawn_sum(pg_process *self)
{
    const pg_message *args = pg_args(self);
    pg_pid pid =
        pg_spawn(self, sum_args, .args = pg_tuple(pg_get(self, args, 0), pg_get(self, args, 1)), .kind = PG_OS);
    CHECK_EQ(pg_pid_status(pid), PG_OK);
}

static void test_arguments(void)
{
    pg_buffer *b[2] = {pg_buffer_new(sizeof(int)), pg_buffer_new(sizeof(int))};
    *(int *)pg_buffer_data(b[0]) = 40;
    *(int *)pg_buffer_data(b[1]) = 2;
    static const pg_kind kinds[] = {PG_GREEN, PG_OS};
    for (size_t i = 0; i < 2; i++) {
        end_of(spawn_kind(kinds[i], sum_args, "sum", pg_tuple(self_main, pg_list(b[0], b[1], b[0]))));
        CHECK_EQ(next_int(self_main), 82);
        end_of(spawn_kind(kinds[i], spawn_sum, "spawn", pg_tuple(self_main, pg_list(b[1], b[1]))));
        CHECK_EQ(next_int(self_main), 4);
    }
    pg_buffer_release(b[0]);
    pg_buffer_release(b[1]);
}

/* ------------------------------------------------------------------------------------------- through two of them */

/* (next or main, buffer): reads it, and passes it on with what it has cost. */
static void on_relay(pg_process *self, const pg_message *msg)
{
    size_t size, sum = 0;
    long before = proc_number("/proc/self/status", "RssAnon");
    const unsigned char *data = pg_get_buffer(self, msg, 1, &size);
    for (size_t i = 0; i < size; i += 4096) sum += data[i];
    long grown = proc_number("/proc/self/status", "RssAnon") - before;
    pg_send(pg_get_pid(self, msg, 0), pg_main(pg_runtime_of(self)), pg_get(self, msg, 1),
            pg_get_int(self, msg, 2) + grown, sum);
}

static void relay(pg_process *self)
{
    pg_receive(self, on_relay, PG_PID, PG_BUFFER, PG_INT, PG_ETC);
}

static void test_without_copying(void)
{
    enum { MB = 100 };
    const size_t size = (size_t)MB << 20;
    pg_pid b = spawn_kind(PG_OS, relay, "b", pg_tuple(self_main));
    pg_pid a = spawn_kind(PG_OS, relay, "a", pg_tuple(b));
    long before = shared();
    pg_buffer *buffer = pg_buffer_new(size);
    unsigned char *data = pg_buffer_data(buffer);
    size_t sum = 0;
    for (size_t i = 0; i < size; i += 4096) sum += data[i] = (unsigned char)(i >> 12);
    int64_t start = check_now_ns();
    /* a reads it and sends it to b, which is told to answer main. */
    CHECK_EQ(pg_send(a, b, buffer, 0), PG_OK);
    const pg_message *msg = next_of(self_main);
    int64_t took = check_now_ns() - start;
    CHECK_EQ(pg_get_int(NULL, msg, 3), sum);
    printf("%d MB through two processes in %.1f ms, which have grown by %" PRId64 " kB\n", MB, (double)took / 1e6,
           pg_get_int(NULL, msg, 2));
    if (!SANITIZED) CHECK(pg_get_int(NULL, msg, 2) < 10 * 1024);
    CHECK_EQ(proc_count_maps(getpid(), "/memfd:pg-buffer"), 1);
    pg_buffer_release(buffer);
    let_go();
    finish(a);
    finish(b);
    expect_no_holds();
    /* Of the whole system, where others have some, too. */
    for (int i = 0; i < 1000 && shared() - before > MB * 900; i++) pg_sleep(self_main, PG_MS(10));
    CHECK(shared() - before <= MB * 900);
}

/* ------------------------------------------------------------------------------------------------ holders that die */

static pg_buffer *held[64];
static unsigned held_count;

static void on_hold(pg_process *self, const pg_message *msg)
{
    held[held_count++] = pg_buffer_keep(self, pg_get(self, msg, 1));
    CHECK(held[held_count - 1] != NULL);
    pg_send(pg_get_pid(self, msg, 0), (int)getpid());
}

/* Keeps what it gets, and a buffer of its own, and one that was sent to nobody who lives. */
static void holder(pg_process *self)
{
    pg_receive(self, on_hold, PG_PID, PG_BUFFER);
    pg_buffer *mine = filled(8 << 20, 1);
    pg_send(pg_get_pid(self, pg_args(self), 0), mine);
    pg_send(pg_get_pid(self, pg_args(self), 0), pg_get(self, pg_args(self), 1));
}

static void test_killed_holder(void)
{
    pg_buffer *first = filled(16 << 20, 2);
    pg_pid pid = spawn_kind(PG_OS, holder, "holder", pg_tuple(self_main, first));
    const pg_message *msg = next_of(self_main);
    size_t size;
    const unsigned char *data = pg_get_buffer(NULL, msg, 0, &size);
    pg_buffer *of_child = pg_buffer_keep(NULL, pg_get(NULL, msg, 0));
    CHECK(of_child && is_filled(data, size, 1));
    next_of(self_main);
    pg_buffer *second = filled(16 << 20, 3);
    CHECK_EQ(pg_send(pid, self_main, second), PG_OK);
    pid_t os = (pid_t)next_int(self_main);
    pg_buffer_release(second); /* the child alone has it now */
    CHECK(family_holds() >= 6);
    CHECK_EQ(kill(os, SIGKILL), 0);
    CHECK_EQ(end_of(pid).kind, PG_EXIT_CRASHED);
    /* What the child has made lives on here. */
    CHECK(is_filled(pg_buffer_data(of_child), pg_buffer_size(of_child), 1));
    pg_buffer_release(of_child);
    pg_buffer_release(first);
    expect_no_holds();
}

/* -------------------------------------------------------------------------------------------------------- the rules */

static void write_after_send(pg_process *self)
{
    pg_buffer *b = pg_buffer_new(4096);
    volatile unsigned char *data = pg_buffer_data(b);
    data[0] = 1;
    pg_send(pg_get_pid(self, pg_args(self), 0), b);
    data[0] = 2;
}

static void test_write_faults(void)
{
    pg_pid pid = spawn_kind(PG_OS, write_after_send, "writer", pg_tuple(self_main));
    const pg_message *msg = next_of(self_main);
    CHECK_EQ(*(const unsigned char *)pg_get_buffer(NULL, msg, 0, NULL), 1);
    pg_exit_info why = end_of(pid);
    CHECK_EQ(why.kind, PG_EXIT_CRASHED);
    if (!SANITIZED) CHECK(strstr(why.text, "signal 11"));
    CHECK_EQ(*(const unsigned char *)pg_get_buffer(NULL, msg, 0, NULL), 1);
}

static void test_refusals(void)
{
    pg_pid pid = spawn_kind(PG_OS, reader, "reader", pg_tuple());
    pg_buffer *b[33];
    pg_value v[33];
    for (int i = 0; i < 33; i++) {
        b[i] = pg_buffer_new(1);
        v[i] = PG_V(b[i]);
    }
    CHECK_EQ(pg_send(pid, pg_list_of(33, v)), PG_ETOOMANY);
    CHECK_EQ(pg_terminate_with(pid, b[0]), PG_EINVAL);
    CHECK(pg_is_alive(pid));
    v[32] = v[0]; /* 32 of them, one twice */
    pg_pid sum = spawn_kind(PG_OS, reader, "reader", pg_tuple(pg_list_of(33, v)));
    finish(sum);
    for (int i = 0; i < 33; i++) pg_buffer_release(b[i]);
    CHECK_EQ(pg_send(pid, self_main, v[1], 0), PG_EINVAL); /* it is gone */
    finish(pid);
}

/* Sends what is asked for as fast as it can. */
static void on_flood(pg_process *self, const pg_message *msg)
{
    pg_pid to = pg_get_pid(self, msg, 0);
    int64_t count = pg_get_int(self, msg, 1);
    for (int64_t i = 0; i < count; i++) {
        pg_buffer *b = pg_buffer_new(sizeof i);
        CHECK(b != NULL);
        *(int64_t *)pg_buffer_data(b) = i;
        CHECK_EQ(pg_send(to, b), PG_OK);
        pg_buffer_release(b);
    }
}

static void flood(pg_process *self)
{
    pg_receive(self, on_flood, PG_PID, PG_INT);
}

/* More at once than the channel holds, both ways, and all arrive in order. */
static void on_count(pg_process *self, const pg_message *msg)
{
    int64_t *next = pg_data(self);
    CHECK_EQ(*(const int64_t *)pg_get_buffer(self, msg, 0, NULL), *next);
    ++*next;
}

static void on_tell(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 0), *(int64_t *)pg_data(self));
}

static void counter(pg_process *self)
{
    static int64_t next;
    pg_set_data(self, &next);
    pg_receive(self, on_count, PG_BUFFER);
    pg_receive(self, on_tell, PG_PID);
}

static void test_floods(void)
{
    enum { MANY = 200 };
    pg_pid to = spawn_kind(PG_OS, counter, "counter", pg_tuple());
    for (int64_t i = 0; i < MANY; i++) {
        pg_buffer *b = pg_buffer_new(sizeof i);
        *(int64_t *)pg_buffer_data(b) = i;
        CHECK_EQ(pg_send(to, b), PG_OK);
        pg_buffer_release(b);
    }
    CHECK_EQ(pg_send(to, self_main), PG_OK);
    CHECK_EQ(next_int(self_main), MANY);
    finish(to);

    pg_pid from = spawn_kind(PG_OS, flood, "flood", pg_tuple());
    CHECK_EQ(pg_send(from, self_main, MANY), PG_OK);
    for (int64_t i = 0; i < MANY; i++) CHECK_EQ(*(const int64_t *)pg_get_buffer(NULL, next_of(self_main), 0, NULL), i);

    /* More than it may make this process hold: these are dropped, and nobody is hurt. */
    let_go();
    log_clear();
    CHECK_EQ(pg_send(from, self_main, 300), PG_OK);
    while (!log_has("its sender has too many")) pg_sleep(self_main, PG_MS(5));
    for (int64_t i = 0; i < 256; i++) CHECK_EQ(*(const int64_t *)pg_get_buffer(NULL, next_of(self_main), 0, NULL), i);
    pg_exit_info why;
    CHECK_EQ(pg_why(from, &why), PG_ETIMEDOUT);
    finish(from);
    const pg_message *msg;
    while (pg_recv(self_main, &msg, PG_MS(50)) == PG_OK) continue;
}

/* ----------------------------------------------------------------------------------------------------- hostile ones */

enum { NO_PARCEL, NOT_SEALED, OTHER_NAME, OTHER_SIZE, NO_MEMFD, TOO_MANY, TOO_FEW, NO_FRAME, HOSTILE };

/* A packet in the channel, of `count` items that are all alike, and as many descriptors of `fd`. */
static void send_packet(int channel, pg_term name, uint64_t size, unsigned count, unsigned descriptors, int fd)
{
    struct {
        pg_term name;
        uint64_t size;
    } items[PGI_PARCEL_MAX];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(64 * sizeof(int))];
    } room = {.bytes = {0}};
    for (unsigned i = 0; i < count; i++) {
        items[i].name = name;
        items[i].size = size;
    }
    struct iovec part = {items, count * sizeof *items};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &room};
    packet.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    for (unsigned i = 0; i < descriptors; i++) memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof fd);
    sendmsg(channel, &packet, MSG_DONTWAIT);
}

/* Sends main a frame that says it has one buffer, after a parcel that is not what it should be. */
static void be_hostile(pg_process *self)
{
    int64_t how = pg_get_int(self, pg_args(self), 0);
    pgi_bridge *uplink = pgi_hold_bridge(pgi_pid_node(pg_main(pg_runtime_of(self))));
    int fd = memfd_create("pg-buffer-hostile", MFD_ALLOW_SEALING);
    struct stat info;
    CHECK(ftruncate(fd, 4096) == 0 && fstat(fd, &info) == 0);
    if (how != NOT_SEALED) fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    pg_term name = {PG_T_BUFFER | (uint64_t)info.st_ino << 8, 42};
    if (how == OTHER_NAME) name.head += 256;
    if (how == NO_MEMFD) fd = open("/dev/zero", O_RDONLY);
    unsigned count = how == TOO_FEW ? 2 : 1;
    if (how != NO_PARCEL)
        send_packet(uplink->channel, name, how == OTHER_SIZE ? 1 << 20 : 4096, count, how == TOO_MANY ? 40 : 1, fd);
    if (how == NO_FRAME) return;
    uplink->parcel = count;
    pg_send(pg_main(pg_runtime_of(self)), "not to arrive: too long for its term, so that it is no usual frame");
    pg_sleep(self, PG_SECONDS(20));
}

/* A term that names what another has: where nothing came with it, and where something else did. */
static void name_others(pg_process *self)
{
    const pg_message *args = pg_args(self);
    pg_pid to = pg_main(pg_runtime_of(self));
    pgi_bridge *uplink = pgi_hold_bridge(pgi_pid_node(to));
    pg_buffer *mine = pg_buffer_new(1);
    const pg_value v = PG_V(mine);
    pg_message *msg;
    CHECK_EQ(pgi_message_build(NULL, 1, &v, &msg), PG_OK);
    pg_term *term = (pg_term *)(uintptr_t)pgi_message_terms(msg);
    unsigned ignored;
    if (pg_get_int(self, args, 0) == 1) {
        CHECK_EQ(pgi_parcel_send(uplink->channel, msg, &ignored), PG_OK);
        uplink->parcel = 1;
    }
    term->body = (uint64_t)pg_get_int(self, args, 1);
    term->head = (uint64_t)pg_get_int(self, args, 2);
    msg->flags = 0;
    pgi_post_frame(uplink,
                   &(pgi_letter){.type = PGI_F_MESSAGE, .to = to.id, .body = msg, .length = 32, .is_message = true});
    pg_sleep(self, PG_SECONDS(20));
}

static void report(pg_process *self)
{
    const pg_message *msg;
    if (pg_count(pg_args(self)) == 0) CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    pg_send(pg_main(pg_runtime_of(self)), "has come");
}

/* Buffers come with a message that has none, and is passed on by the hub; and with the arguments of a process. */
static void send_unused(pg_process *self)
{
    pgi_bridge *uplink = pgi_hold_bridge(pgi_pid_node(pg_main(pg_runtime_of(self))));
    pg_buffer *mine = pg_buffer_new(1);
    const pg_value v = PG_V(mine);
    pg_message *msg;
    unsigned ignored;
    CHECK_EQ(pgi_message_build(NULL, 1, &v, &msg), PG_OK);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pgi_parcel_send(uplink->channel, msg, &ignored), PG_OK);
        uplink->parcel = 1;
        if (i == 0) pg_send(pg_get_pid(self, pg_args(self), 0), "too long for its term, so that it is no usual frame");
        if (i == 1) good(pg_spawn(self, report, .kind = PG_OS, .args = pg_tuple(1)));
        uplink->parcel = 0;
    }
    pgi_message_free(NULL, msg);
    pg_buffer_release(mine);
}

static void test_unused(void)
{
    const pg_message *msg;
    pg_pid other = spawn_kind(PG_OS, report, "report", pg_tuple());
    pg_pid pid = spawn_kind(PG_OS, send_unused, "sender", pg_tuple(other));
    for (int i = 0; i < 2; i++) CHECK_EQ(pg_recv_match(self_main, &msg, PATIENCE, "has come"), PG_OK);
    CHECK_EQ(end_of(pid).kind, PG_EXIT_NORMAL);
    CHECK_EQ(end_of(other).kind, PG_EXIT_NORMAL);
}

static void test_hostile(void)
{
    pg_pid bystander = spawn_kind(PG_OS, reader, "bystander", pg_tuple());
    int fds = proc_count_fds(getpid());
    for (int how = 0; how < HOSTILE; how++) {
        pg_pid pid = spawn_kind(PG_OS, be_hostile, "hostile", pg_tuple(how));
        pg_exit_info why = end_of(pid);
        CHECK_EQ(why.kind, how == NO_FRAME ? PG_EXIT_NORMAL : PG_EXIT_CRASHED);
        if (how != NO_FRAME) CHECK(strstr(why.text, "broke the protocol"));
    }
    pg_buffer *b = filled(1000, 0);
    const pg_value v = PG_V(b);
    for (int with = 0; with < 2; with++) {
        pg_pid pid = spawn_kind(PG_OS, name_others, "hostile", pg_tuple(with, (int64_t)v.body, (int64_t)v.head));
        CHECK(strstr(end_of(pid).text, "broke the protocol"));
    }
    expect_nothing(self_main);
    CHECK_EQ(pg_send(bystander, self_main, b, 0), PG_OK);
    expect_back(b, 1000);
    pg_buffer_release(b);
    let_go();
    for (int i = 0; i < 500 && proc_count_fds(getpid()) > fds; i++) pg_sleep(self_main, PG_MS(10));
    CHECK(proc_count_fds(getpid()) <= fds);
    finish(bystander);
    expect_no_holds();
}

/* ---------------------------------------------------------------------------------------------------- in a sandbox */

static void draw(pg_process *self)
{
    pg_buffer *b = filled(1 << 20, 5);
    pg_send(pg_get_pid(self, pg_args(self), 0), b);
}

static void test_sandbox(void)
{
    pg_pid pid = pg_spawn(self_main, draw, .args = pg_tuple(self_main), .kind = PG_OS, .sandbox = PG_SANDBOX_COMPUTE);
    if (pg_pid_status(pid) == PG_EUNSUPPORTED) return;
    CHECK_EQ(pg_pid_status(pid), PG_OK);
    size_t size;
    const pg_message *msg = next_of(self_main);
    const unsigned char *data = pg_get_buffer(NULL, msg, 0, &size);
    CHECK(is_filled(data, size, 5));
    CHECK_EQ(end_of(pid).kind, PG_EXIT_NORMAL);
}

int main(void)
{
    int before = proc_count_fds(getpid());
    pg_buffer *early = filled(100, 9); /* no child has it from here */
    rt = pg_start(&(pg_options){.log = log_line, .log_context = &the_log});
    CHECK(rt != NULL);
    self_main = pg_attach(rt, "main");
    pg_pid pid = spawn_kind(PG_OS, reader, "reader", pg_tuple());
    CHECK_EQ(pg_send(pid, self_main, early, 9), PG_OK);
    expect_back(early, 100);
    pg_buffer_release(early);
    finish(pid);
    test_kinds();
    test_arguments();
    test_without_copying();
    test_killed_holder();
    test_write_faults();
    test_refusals();
    test_floods();
    test_sandbox();
    test_unused();
    test_hostile();
    pg_detach(self_main);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(10)), PG_OK);
    CHECK_EQ(family_holds(), 0);
    CHECK_EQ(proc_count_fds(getpid()), before);
    return 0;
}
