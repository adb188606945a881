/* main.cc - the workloads of benchmarks/ with Boost.Fiber: a process is a fiber, its mailbox a buffered channel.
 *
 *   g++ -std=c++17 -O3 -DNDEBUG -o boost_fiber main.cc -lboost_fiber -lboost_context -ljemalloc -pthread
 *   ./boost_fiber WORKLOAD WORKERS SCALE        prints WORKLOAD WORKERS NANOSECONDS_PER_OPERATION [NAME=VALUE...]
 *
 * Debian: libboost-fiber-dev, libboost-context-dev, libjemalloc-dev.  One worker runs `round_robin`, more run
 * `work_stealing`; each workload starts in a fiber that may move between the workers, since the main one may not.
 * Stacks are of 16 KiB, by `fixedsize_stack`, that is malloc: the thread caches of jemalloc do what
 * `pooled_fixedsize_stack` would, which is not for several threads, and no stack is a mapping of its own.  What
 * `spawn_*`, `skynet` and `fib` start runs by `launch::dispatch`, ahead of who starts it: with `launch::post` a million
 * stacks would have been touched before the first fiber runs, at three to thirty times the cost.  Idle
 * workers of `work_stealing` spin where there is much to steal: `spawn_bulk`, `idle`, `skynet`, `big` and `fib`.
 * Elsewhere they sleep (`suspend`), since by spinning they take messages that follow one another apart.
 *
 *   pingpong      a message between two fibers, each with a mailbox of the smallest capacity
 *   ring          a hop between 503 such fibers
 *   flood, flow   a message of 10 senders to one mailbox of 1,024; in `flow` the senders yield after each 100
 *   spawn_bulk    a fiber started and detached, all by one that waits for the last to have ended
 *   spawn_one     a fiber started and joined
 *   idle          a fiber that waits at its mailbox; bytes: resident ones for it; answer: a message to it and back
 *   skynet        a leaf of the tree of 1,111,111 fibers; each inner one has a channel for its children
 *   big           a ping and its pong among 1,000 fibers; mailboxes hold all that can come, or two that are full could
 *                 wait for each other
 *   fib           a call: `async`, and the future's value
 *   call          a request with a promise, answered in reverse order by 100; the client holds the futures
 *
 * There is no selective receive, hence no `mailbox_long`.  A waiting fiber takes two pages of stack; where 1,000,000
 * would not fit into memory, `idle` takes 100,000 and says so: n=100000. */
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/fiber/all.hpp>

#include "../peer.h"

namespace
{

namespace fibers = boost::fibers;
using fibers::launch;
using peer::check;
using peer::Figures;
using peer::kilobytes;
using peer::resident_bytes;
using peer::Stopwatch;

enum class Tag { ping, pong, token, number, answer };

struct Message {
    Tag tag;
    std::int64_t value;
};

using Mailbox = fibers::buffered_channel<Message>;

constexpr std::size_t stack_size = 16 * 1024;
constexpr std::size_t smallest = 2; // a channel's capacity

// Starts a fiber.
template <class Function> fibers::fiber start(launch policy, Function &&function)
{
    return fibers::fiber(policy, std::allocator_arg, fibers::fixedsize_stack(stack_size),
                         std::forward<Function>(function));
}

std::int64_t take(Mailbox &mailbox, Tag tag)
{
    Message msg = mailbox.value_pop();
    check(msg.tag == tag, "a message of another kind");
    return msg.value;
}

// Waits for a number of fibers that are detached.
class Countdown
{
  public:
    explicit Countdown(std::int64_t count) : left(count)
    {
    }
    void hit()
    {
        if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) done.set_value();
    }
    void wait()
    {
        done.get_future().wait();
    }

  private:
    std::atomic<std::int64_t> left;
    fibers::promise<void> done;
};

// As many fibers, all alive, as are wanted, or 100,000 if those take more than memory has.
std::int64_t affordable(std::int64_t wanted, std::string &extra)
{
    constexpr std::int64_t few = 100000, kilobytes_each = 12;
    if (wanted <= few || wanted * kilobytes_each < kilobytes("/proc/meminfo", "MemAvailable:")) return wanted;
    extra = " n=" + std::to_string(few);
    return few;
}

double pingpong_of(std::int64_t messages)
{
    Mailbox pings(smallest), pongs(smallest);
    std::int64_t rounds = messages / 2, got = 0;
    Stopwatch watch;
    auto ponger = start(launch::post, [&] {
        for (std::int64_t i = 0; i < rounds; i++) pongs.push({Tag::pong, take(pings, Tag::ping) + 1});
    });
    auto pinger = start(launch::post, [&] {
        for (std::int64_t i = 0; i < rounds; i++) {
            pings.push({Tag::ping, got});
            got = take(pongs, Tag::pong);
        }
    });
    pinger.join();
    ponger.join();
    double ns = watch.per(messages);
    check(got == rounds, "a message of pingpong is lost");
    return ns;
}

Figures pingpong(int scale)
{
    std::int64_t messages = 2000000 / scale;
    pingpong_of(messages / 10);
    return {pingpong_of(messages)};
}

// Passes the token on until it has made all hops; who takes it last closes the ring.
void ring_node(Mailbox &own, Mailbox &next, fibers::promise<std::int64_t> &last, std::int64_t id)
{
    Message msg;
    while (own.pop(msg) == fibers::channel_op_status::success) {
        check(msg.tag == Tag::token, "not the token");
        if (msg.value == 0) {
            last.set_value(id);
            break;
        }
        next.push({Tag::token, msg.value - 1});
    }
    next.close();
}

double ring_of(std::int64_t hops)
{
    constexpr std::int64_t nodes = 503;
    std::deque<Mailbox> mailboxes;
    for (std::int64_t i = 0; i < nodes; i++) mailboxes.emplace_back(smallest);
    std::vector<fibers::fiber> ring;
    fibers::promise<std::int64_t> last;
    for (std::int64_t i = 0; i < nodes; i++) {
        ring.push_back(start(launch::post,
                             [&mailboxes, &last, i] { ring_node(mailboxes[i], mailboxes[(i + 1) % nodes], last, i); }));
    }
    Stopwatch watch;
    mailboxes[0].push({Tag::token, hops});
    std::int64_t at = last.get_future().get();
    double ns = watch.per(hops);
    for (auto &node : ring) node.join();
    check(at == hops % nodes, "the token ended elsewhere");
    return ns;
}

Figures ring(int scale)
{
    std::int64_t hops = 5000000 / scale;
    ring_of(hops / 10);
    return {ring_of(hops)};
}

Figures flood_with(std::int64_t each, std::int64_t batch)
{
    constexpr std::int64_t senders = 10;
    Mailbox mailbox(1024);
    std::int64_t sum = 0;
    Stopwatch watch;
    auto receiver = start(launch::post, [&] {
        for (std::int64_t i = 0; i < senders * each; i++) sum += take(mailbox, Tag::number);
    });
    for (std::int64_t s = 0; s < senders; s++) {
        start(launch::post, [&mailbox, each, batch] {
            for (std::int64_t i = 1; i <= each; i++) {
                mailbox.push({Tag::number, i});
                if (i % batch == 0) boost::this_fiber::yield();
            }
        }).detach();
    }
    receiver.join();
    double ns = watch.per(senders * each);
    check(sum == senders * (each * (each + 1) / 2), "the sum of what was sent is wrong");
    return {ns};
}

Figures flood(int scale)
{
    return flood_with(1000000 / scale, std::numeric_limits<std::int64_t>::max());
}

Figures flow(int scale)
{
    return flood_with(1000000 / scale, 100);
}

Figures spawn_bulk(int scale)
{
    std::int64_t count = 1000000 / scale;
    Stopwatch watch;
    Countdown ended(count);
    for (std::int64_t i = 0; i < count; i++) start(launch::dispatch, [&ended] { ended.hit(); }).detach();
    ended.wait();
    return {watch.per(count)};
}

Figures spawn_one(int scale)
{
    std::int64_t count = 1000000 / scale, sum = 0;
    Stopwatch watch;
    for (std::int64_t i = 0; i < count; i++) start(launch::dispatch, [&sum, i] { sum += i; }).join();
    double ns = watch.per(count);
    check(sum == count * (count - 1) / 2, "not each fiber ran once");
    return {ns};
}

Figures idle(int scale)
{
    std::string extra;
    std::int64_t count = affordable(1000000 / scale, extra);
    std::int64_t resident = resident_bytes();
    Stopwatch spawning;
    Countdown ready(count);
    std::deque<Mailbox> mailboxes;
    Mailbox answers(1024);
    for (std::int64_t i = 0; i < count; i++) {
        Mailbox &own = mailboxes.emplace_back(smallest);
        start(launch::post, [&ready, &answers, &own] {
            ready.hit();
            answers.push({Tag::answer, take(own, Tag::number)});
        }).detach();
    }
    ready.wait();
    double ns = spawning.per(count);
    resident = resident_bytes() - resident;

    Stopwatch answering;
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; i++) mailboxes[i].push({Tag::number, i});
    for (std::int64_t i = 0; i < count; i++) sum += take(answers, Tag::answer);
    extra += " bytes=" + std::to_string(resident / count) + " answer=" + std::to_string(answering.per(count));
    check(sum == count * (count - 1) / 2, "not each fiber answered once");
    return {ns, extra};
}

void skynet_node(Mailbox &parent, std::int64_t first, std::int64_t size)
{
    constexpr std::int64_t children = 10;
    if (size == 1) {
        parent.push({Tag::number, first});
        return;
    }
    Mailbox own(16);
    for (std::int64_t i = 0; i < children; i++) {
        start(launch::dispatch, [&own, first = first + i * (size / children), part = size / children] {
            skynet_node(own, first, part);
        }).detach();
    }
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < children; i++) sum += take(own, Tag::number);
    parent.push({Tag::number, sum});
}

Figures skynet(int)
{
    constexpr std::int64_t leaves = 1000000;
    Mailbox root(smallest);
    Stopwatch watch;
    start(launch::post, [&root] { skynet_node(root, 0, leaves); }).detach();
    std::int64_t sum = take(root, Tag::number);
    double ns = watch.per(leaves);
    check(sum == 499999500000, "the sum of the leaves is wrong");
    return {ns};
}

// Pings all others, answers their pings, and says the sum of those who have answered.
std::int64_t big_node(std::deque<Mailbox> &mailboxes, std::int64_t id)
{
    std::int64_t count = static_cast<std::int64_t>(mailboxes.size()), sum = 0;
    for (std::int64_t i = 0; i < count; i++) {
        if (i != id) mailboxes[i].push({Tag::ping, id});
    }
    for (std::int64_t i = 0; i < 2 * (count - 1); i++) {
        Message msg = mailboxes[id].value_pop();
        if (msg.tag == Tag::ping) {
            mailboxes[msg.value].push({Tag::pong, id});
        } else {
            sum += msg.value;
        }
    }
    return sum;
}

Figures big(int scale)
{
    std::int64_t count = scale == 1 ? 1000 : 320, sum = 0;
    Stopwatch watch;
    std::deque<Mailbox> mailboxes;
    for (std::int64_t i = 0; i < count; i++) mailboxes.emplace_back(2048);
    std::atomic<std::int64_t> total = 0;
    Countdown done(count);
    for (std::int64_t i = 0; i < count; i++) {
        start(launch::post, [&mailboxes, &total, &done, i] {
            total.fetch_add(big_node(mailboxes, i), std::memory_order_relaxed);
            done.hit();
        }).detach();
    }
    done.wait();
    double ns = watch.per(count * (count - 1));
    for (std::int64_t i = 0; i < count; i++) sum += i * (count - 1);
    check(total == sum, "not all pongs have come");
    return {ns};
}

std::int64_t fib_of(std::int64_t n)
{
    if (n < 2) return n;
    auto call = [](std::int64_t m) {
        return fibers::async(launch::dispatch, std::allocator_arg, fibers::fixedsize_stack(stack_size), fib_of, m);
    };
    auto a = call(n - 1), b = call(n - 2);
    return a.get() + b.get();
}

Figures fib(int scale)
{
    bool full = scale == 1;
    Stopwatch watch;
    std::int64_t number = fib_of(full ? 25 : 20);
    double ns = watch.per(full ? 242785 : 21891);
    check(number == (full ? 75025 : 6765), "a wrong number of Fibonacci");
    return {ns};
}

struct Request {
    std::int64_t value;
    fibers::promise<std::int64_t> reply;
};

constexpr std::int64_t window = 100; // requests under way

void call_server(fibers::buffered_channel<Request> &requests)
{
    std::vector<Request> held;
    Request request;
    while (requests.pop(request) == fibers::channel_op_status::success) {
        held.push_back(std::move(request));
        if (held.size() < window) continue;
        for (auto r = held.rbegin(); r != held.rend(); ++r) r->reply.set_value(r->value + 1);
        held.clear();
    }
}

double call_of(std::int64_t calls)
{
    fibers::buffered_channel<Request> requests(128);
    auto server = start(launch::post, [&requests] { call_server(requests); });
    Stopwatch watch;
    std::vector<fibers::future<std::int64_t>> answers;
    for (std::int64_t i = 0; i < calls; i += window) {
        for (std::int64_t j = i; j < i + window; j++) {
            Request request{j, {}};
            answers.push_back(request.reply.get_future());
            requests.push(std::move(request));
        }
        for (std::int64_t j = 0; j < window; j++) check(answers[j].get() == i + j + 1, "the answer to another request");
        answers.clear();
    }
    double ns = watch.per(calls);
    requests.close();
    server.join();
    return ns;
}

Figures call(int scale)
{
    std::int64_t calls = 1000000 / scale;
    call_of(calls / 10);
    return {call_of(calls)};
}

// The workers, of which the calling thread is the first.
class Runtime
{
  public:
    Runtime(unsigned workers, bool suspend)
    {
        if (workers == 1) {
            fibers::use_scheduling_algorithm<fibers::algo::round_robin>();
            return;
        }
        for (unsigned i = 1; i < workers; i++) {
            others.emplace_back([this, workers, suspend] {
                fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(workers, suspend);
                std::unique_lock<fibers::mutex> lock(mutex);
                ending.wait(lock, [this] { return ended; });
            });
        }
        fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(workers, suspend);
    }
    ~Runtime()
    {
        {
            std::lock_guard<fibers::mutex> lock(mutex);
            ended = true;
        }
        ending.notify_all();
        for (auto &thread : others) thread.join();
    }

  private:
    fibers::mutex mutex;
    fibers::condition_variable_any ending;
    bool ended = false;
    std::vector<std::thread> others;
};

struct Workload {
    Figures (*run)(int scale);
    bool suspend; // idle workers do not spin
};

const std::map<std::string, Workload> workloads = {
    {"pingpong", {pingpong, true}},
    {"ring", {ring, true}},
    {"flood", {flood, true}},
    {"flow", {flow, true}},
    {"call", {call, true}},
    {"spawn_bulk", {spawn_bulk, false}},
    {"spawn_one", {spawn_one, true}},
    {"idle", {idle, false}},
    {"skynet", {skynet, false}},
    {"big", {big, false}},
    {"fib", {fib, false}},
};

} // namespace

int main(int argc, char **argv)
{
    return peer::main(argc, argv, workloads, [](const Workload &workload, int workers, int scale) {
        Runtime runtime(static_cast<unsigned>(workers), workload.suspend);
        return fibers::async([&] { return workload.run(scale); }).get();
    });
}
