/* os_bench.cc - what lies beneath messages between OS processes, measured without a runtime: two OS processes, the one
 * that measures and a child of it; for one case two threads, for what lies beneath a wake within a runtime.
 *
 *   floor_ring          one slot of 64 bytes, written by one and read by the other, through a bare ring of 4,096 slots
 *                       in shared memory; both poll, on a processor each. Throughput
 *   floor_ring_pgs      the same through sched/ring.h, 256 KiB as well, in frames of 64 bytes
 *   floor_eventfd       one way of a ping-pong in which the one who waits sleeps: by an eventfd each. Latency
 *   floor_futex         the same by a futex in shared memory
 *   floor_socketpair    the same by a pair of Unix sockets, 64 bytes each time
 *   .../asleep          the same, where whoever is to answer sleeps for half a millisecond first: by then the other has
 *                       been asleep for long, and its processor too. Both are bound to one processor, or each to one of
 *                       its own. The median of all single ways
 *   floor_futex_threads/asleep
 *                       the same between two threads of one OS process, by a private futex
 *   peer_zeromq         ZeroMQ over ipc, 64 bytes: /pingpong one way of a PAIR's, /flood one message by PUSH and PULL.
 *                       Only where libzmq was found
 *
 * What the child has seen is compared with what was sent. */
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstring>
#include <new>
#include <thread>
#include <type_traits>

#include "os_ring.h"
#include "support.h"

#ifdef BENCH_ZEROMQ
#include <zmq.h>
#endif

namespace
{

/* Memory that this process shares with the child that it forks next. */
template <class T> class Shared
{
  public:
    Shared()
    {
        void *p = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (p == MAP_FAILED) throw std::bad_alloc();
        it_ = new (p) T;
    }
    ~Shared()
    {
        munmap(it_, sizeof(T));
    }
    Shared(const Shared &) = delete;
    Shared &operator=(const Shared &) = delete;
    T *operator->() const
    {
        return it_;
    }

  private:
    T *it_;
};

/* A forked process that runs a function until it is killed, with this object or with its parent. */
class Child
{
  public:
    template <class F> explicit Child(F run)
    {
        pid_t parent = getpid();
        pid_ = fork();
        if (pid_ != 0) return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) run();
        _exit(0);
    }
    ~Child()
    {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;

  private:
    pid_t pid_;
};

/* A thread that runs a function to its end. */
class Thread
{
  public:
    template <class F> explicit Thread(F run) : thread_(run)
    {
    }
    ~Thread()
    {
        thread_.join();
    }
    Thread(const Thread &) = delete;
    Thread &operator=(const Thread &) = delete;

  private:
    std::thread thread_;
};

/* ----------------------------------------------------------------------------------------------------- polled rings */

constexpr uint64_t slots = 4096, batch = 100000;

struct Slot {
    uint64_t word[8];
};
static_assert(sizeof(Slot) == 64, "one cache line");

/* How far the child is: batches read, and the sum of all words. */
struct Progress {
    alignas(128) std::atomic<uint64_t> batches{0};
    uint64_t sum = 0;
};

struct Bare : Progress {
    alignas(128) std::atomic<uint64_t> tail{0};
    alignas(128) std::atomic<uint64_t> head{0};
    alignas(128) Slot slot[slots];
};

uint64_t bare_read(Bare &ring, uint64_t &head, uint64_t &seen)
{
    uint64_t sum = 0;
    for (uint64_t end = head + batch; head != end;) {
        while (seen == head) {
            seen = ring.tail.load(std::memory_order_acquire);
            if (seen == head) bench::relax();
        }
        for (uint64_t word : ring.slot[head % slots].word) sum += word;
        ring.head.store(++head, std::memory_order_release);
    }
    return sum;
}

void bare_write(Bare &ring, uint64_t &tail, uint64_t &seen)
{
    for (uint64_t end = tail + batch; tail != end;) {
        while (tail - seen == slots) {
            seen = ring.head.load(std::memory_order_acquire);
            if (tail - seen == slots) bench::relax();
        }
        for (uint64_t &word : ring.slot[tail % slots].word) word = tail;
        ring.tail.store(++tail, std::memory_order_release);
    }
}

/* Waits until the child has read so many batches, and checks what it has read. */
bool has_read(benchmark::State &state, Progress &progress, uint64_t batches)
{
    double deadline = bench::seconds() + 60;
    for (uint64_t n = 1; progress.batches.load(std::memory_order_acquire) != batches; n++) {
        bench::relax();
        if (n % 1000000 == 0 && bench::seconds() > deadline) break;
    }
    uint64_t count = batches * batch;
    return bench::expect(state, progress.sum == count * (count - 1) / 2 * 8, "not what was written");
}

void floor_ring(benchmark::State &state)
{
    Shared<Bare> ring;
    Child child([&] {
        uint64_t head = 0, seen = 0;
        for (;;) {
            ring->sum += bare_read(*ring.operator->(), head, seen);
            ring->batches.fetch_add(1, std::memory_order_release);
        }
    });
    uint64_t tail = 0, seen = 0;
    while (state.KeepRunningBatch(batch)) {
        bare_write(*ring.operator->(), tail, seen);
        if (!has_read(state, *ring.operator->(), tail / batch)) break;
    }
    bench::count_items(state);
}
BENCHMARK(floor_ring)->UseRealTime();

void floor_ring_pgs(benchmark::State &state)
{
    Shared<Progress> progress;
    int fd = os_ring_memory();
    os_ring *ring = os_ring_open(fd, 0);
    if (!bench::expect(state, ring != nullptr, "no memory for the ring")) return;
    Child child([&] {
        os_ring *other = os_ring_open(fd, 1);
        while (other) {
            progress->sum += os_ring_read(other, batch);
            progress->batches.fetch_add(1, std::memory_order_release);
        }
    });
    uint64_t written = 0;
    while (state.KeepRunningBatch(batch)) {
        os_ring_write(ring, written, batch);
        written += batch;
        if (!has_read(state, *progress.operator->(), written / batch)) break;
    }
    os_ring_close(ring);
    close(fd);
    bench::count_items(state);
}
BENCHMARK(floor_ring_pgs)->UseRealTime();

/* ---------------------------------------------------------------------------------------------- sleeping and waking */

/* What the ways of a ping-pong with pauses have taken, in both directions. */
struct Ways {
    bool over;
    int64_t sent[2]; /* when; handed over with the bell, as `over` is */
    int64_t taken[2][bench::sleepy_rounds];
};

/* A ping-pong with pauses by two functions: ring(side) wakes that side, wait(side) sleeps until it is woken.  The other
 * side is a Child or a Thread. */
template <class Other, class Ring, class Wait> void sleepy(benchmark::State &state, Ring ring, Wait wait)
{
    Shared<Ways> ways;
    auto send = [&](int side) {
        bench::nap(bench::sleepy_pause);
        ways->sent[side] = bench::nanoseconds();
        return ring(side);
    };
    auto receive = [&](int side, int round) {
        if (!wait(side) || ways->over) return false;
        ways->taken[side][round] = bench::nanoseconds() - ways->sent[side];
        return true;
    };
    Other other([&] {
        bench::pin(state.range(0) - 1);
        for (int round = 0;; round = (round + 1) % bench::sleepy_rounds) {
            if (!receive(1, round) || !send(0)) return;
        }
    });
    bench::Pinned here;
    while (state.KeepRunningBatch(2 * bench::sleepy_rounds)) {
        bool right = true;
        for (int round = 0; right && round < bench::sleepy_rounds; round++) right = send(1) && receive(0, round);
        if (!bench::expect(state, right, "a turn went wrong")) break;
        bench::show_median(state, ways->taken[0], 2 * bench::sleepy_rounds);
    }
    ways->over = true;
    ring(1);
}

/* A ping-pong by two functions: one for this side's turn, there and back, and one for the child's. */
template <class Turn, class Answer> void ping_pong(benchmark::State &state, Turn turn, Answer answer)
{
    Child child([&] {
        while (answer()) continue;
    });
    bool right = turn(); /* the child is there */
    while (right && state.KeepRunningBatch(2)) right = turn();
    bench::expect(state, right, "a turn went wrong");
    bench::count_items(state);
}

bool ring_bell(int fd)
{
    uint64_t one = 1;
    return write(fd, &one, sizeof one) == sizeof one;
}

bool wait_bell(int fd)
{
    uint64_t count = 0;
    return read(fd, &count, sizeof count) == sizeof count && count == 1;
}

void floor_eventfd(benchmark::State &state)
{
    int here = eventfd(0, EFD_CLOEXEC), there = eventfd(0, EFD_CLOEXEC);
    ping_pong(
        state, [=] { return ring_bell(there) && wait_bell(here); },
        [=] { return wait_bell(there) && ring_bell(here); });
    close(here);
    close(there);
}
BENCHMARK(floor_eventfd)->UseRealTime();

void floor_eventfd_asleep(benchmark::State &state)
{
    int fd[2] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
    sleepy<Child>(
        state, [=](int side) { return ring_bell(fd[side]); }, [=](int side) { return wait_bell(fd[side]); });
    close(fd[0]);
    close(fd[1]);
}
BENCH_SLEEPY(floor_eventfd_asleep, "floor_eventfd/asleep");

struct Words {
    alignas(128) std::atomic<uint32_t> here{0};
    alignas(128) std::atomic<uint32_t> there{0};
};

/* `scope` is FUTEX_PRIVATE_FLAG between threads, and 0 between OS processes. */
bool wake(std::atomic<uint32_t> &word, int scope = 0)
{
    word.store(1, std::memory_order_release);
    return syscall(SYS_futex, &word, FUTEX_WAKE | scope, 1, nullptr, nullptr, 0) >= 0;
}

bool wait(std::atomic<uint32_t> &word, int scope = 0)
{
    while (word.exchange(0, std::memory_order_acquire) == 0) {
        syscall(SYS_futex, &word, FUTEX_WAIT | scope, 0, nullptr, nullptr, 0);
    }
    return true;
}

void floor_futex(benchmark::State &state)
{
    Shared<Words> words;
    ping_pong(
        state, [&] { return wake(words->there) && wait(words->here); },
        [&] { return wait(words->there) && wake(words->here); });
}
BENCHMARK(floor_futex)->UseRealTime();

template <class Other> void floor_futex_asleep(benchmark::State &state)
{
    Shared<Words> words;
    int scope = std::is_same<Other, Thread>::value ? FUTEX_PRIVATE_FLAG : 0;
    auto word = [&](int side) -> std::atomic<uint32_t> & { return side == 0 ? words->here : words->there; };
    sleepy<Other>(
        state, [&](int side) { return wake(word(side), scope); }, [&](int side) { return wait(word(side), scope); });
}
BENCH_SLEEPY(floor_futex_asleep<Child>, "floor_futex/asleep");
BENCH_SLEEPY(floor_futex_asleep<Thread>, "floor_futex_threads/asleep");

void floor_socketpair(benchmark::State &state)
{
    int fd[2];
    if (!bench::expect(state, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0, "no sockets")) return;
    auto out = [](int to, const Slot &slot) { return write(to, &slot, sizeof slot) == sizeof slot; };
    auto in = [](int from, Slot &slot) { return recv(from, &slot, sizeof slot, MSG_WAITALL) == sizeof slot; };
    Slot mine = {}, theirs = {};
    ping_pong(
        state,
        [&] {
            mine.word[0]++;
            return out(fd[0], mine) && in(fd[0], theirs) && theirs.word[0] == mine.word[0];
        },
        [&] { return in(fd[1], theirs) && out(fd[1], theirs); });
    close(fd[0]);
    close(fd[1]);
}
BENCHMARK(floor_socketpair)->UseRealTime();

/* ----------------------------------------------------------------------------------------------------------- ZeroMQ */

#ifdef BENCH_ZEROMQ

/* A socket and its context; made on either side of the fork, since ZeroMQ has threads. */
class Zmq
{
  public:
    Zmq(int type, const char *endpoint, bool binds) : context_(zmq_ctx_new()), socket_(zmq_socket(context_, type))
    {
        ok_ = socket_ && (binds ? zmq_bind(socket_, endpoint) : zmq_connect(socket_, endpoint)) == 0;
    }
    ~Zmq()
    {
        int no_wait = 0;
        zmq_setsockopt(socket_, ZMQ_LINGER, &no_wait, sizeof no_wait);
        zmq_close(socket_);
        zmq_ctx_term(context_);
    }
    Zmq(const Zmq &) = delete;
    Zmq &operator=(const Zmq &) = delete;
    bool send(const Slot &slot)
    {
        return ok_ && zmq_send(socket_, &slot, sizeof slot, 0) == sizeof slot;
    }
    bool receive(Slot &slot)
    {
        return ok_ && zmq_recv(socket_, &slot, sizeof slot, 0) == sizeof slot;
    }

  private:
    void *context_, *socket_;
    bool ok_;
};

/* A name in the abstract name space: nothing to be removed afterwards. */
std::string endpoint()
{
    static int count = 0;
    return "ipc://@paragram-bench-" + std::to_string(getpid()) + "-" + std::to_string(count++);
}

void peer_zeromq_pingpong(benchmark::State &state)
{
    std::string name = endpoint();
    Child child([&] {
        Zmq socket(ZMQ_PAIR, name.c_str(), false);
        Slot slot = {};
        while (socket.receive(slot) && socket.send(slot)) continue;
    });
    Zmq socket(ZMQ_PAIR, name.c_str(), true);
    Slot mine = {}, theirs = {};
    auto turn = [&] {
        mine.word[0]++;
        return socket.send(mine) && socket.receive(theirs) && theirs.word[0] == mine.word[0];
    };
    bool right = turn();
    while (right && state.KeepRunningBatch(2)) right = turn();
    bench::expect(state, right, "a turn went wrong");
    bench::count_items(state);
}
BENCHMARK(peer_zeromq_pingpong)->Name("peer_zeromq/pingpong")->UseRealTime();

void peer_zeromq_flood(benchmark::State &state)
{
    std::string name = endpoint();
    Shared<Progress> progress;
    Child child([&] {
        Zmq socket(ZMQ_PULL, name.c_str(), false);
        Slot slot = {};
        for (uint64_t n = 1; socket.receive(slot); n++) {
            for (uint64_t word : slot.word) progress->sum += word;
            if (n % batch == 0) progress->batches.fetch_add(1, std::memory_order_release);
        }
    });
    Zmq socket(ZMQ_PUSH, name.c_str(), true);
    uint64_t sent = 0;
    while (state.KeepRunningBatch(batch)) {
        bool right = true;
        for (uint64_t end = sent + batch; right && sent != end; sent++) {
            Slot slot;
            for (uint64_t &word : slot.word) word = sent;
            right = socket.send(slot);
        }
        if (!bench::expect(state, right, "not sent")) break;
        if (!has_read(state, *progress.operator->(), sent / batch)) break;
    }
    bench::count_items(state);
}
BENCHMARK(peer_zeromq_flood)->Name("peer_zeromq/flood")->UseRealTime();

#endif

} // namespace
