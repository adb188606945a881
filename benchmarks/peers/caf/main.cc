/* main.cc - the workloads of benchmarks/ with CAF 0.17, the C++ Actor Framework: a process is an event-based actor.
 *
 *   g++ -std=c++17 -O3 -DNDEBUG -o caf main.cc -lcaf_core -ljemalloc -pthread
 *   ./caf WORKLOAD WORKERS SCALE        prints WORKLOAD WORKERS NANOSECONDS_PER_OPERATION [NAME=VALUE...]
 *
 * Debian: libcaf-dev, libjemalloc-dev.  The scheduler has CAF's own settings but for the number of threads, and for
 * `spawn_bulk` and `idle`, which take the policy "sharing": "stealing" walks through the victim's whole queue to its
 * end, and with a million actors there this takes minutes.  The main thread starts the first actor and waits for its
 * result; it runs no others.
 *
 *   pingpong      a message between two actors; the pong is the value that the handler of the ping returns
 *   ring          a hop between 503 actors
 *   flood, flow   a message of 10 senders to one actor; in `flow` the senders make way after each 100, by a message
 *                 to themselves
 *   spawn_bulk    an actor without a behavior, all 1,000,000 spawned by one; until the last has ended
 *   spawn_one     an actor without a behavior, spawned and monitored; the next one when it is down
 *   idle          an actor that has been started and waits; bytes: resident ones for it; answer: a message to it and
 *                 back
 *   skynet        a leaf of the tree of 1,111,111 actors
 *   big           a ping and its pong among 1,000 actors
 *   fib           a call: an actor that sends its number to the one that has spawned it
 *   mailbox_long  a request whose response is awaited, which skips the 100,000 messages that lie in the mailbox
 *   call          a request with its response: the server answers response promises in reverse order by 100 */
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <caf/all.hpp>

#include "../peer.h"

namespace
{

using caf::actor;
using caf::actor_system;
using caf::behavior;
using caf::event_based_actor;
using caf::scoped_actor;
using caf::stateful_actor;
using peer::check;
using peer::Figures;
using peer::resident_bytes;
using peer::Stopwatch;

using ping_atom = caf::atom_constant<caf::atom("ping")>;
using pong_atom = caf::atom_constant<caf::atom("pong")>;
using token_atom = caf::atom_constant<caf::atom("token")>;
using number_atom = caf::atom_constant<caf::atom("number")>;
using answer_atom = caf::atom_constant<caf::atom("answer")>;
using step_atom = caf::atom_constant<caf::atom("step")>;
using start_atom = caf::atom_constant<caf::atom("start")>;
using ready_atom = caf::atom_constant<caf::atom("ready")>;

// Runs an actor that is given the main thread's own handle, and takes the number that it reports.
template <class... Args> std::int64_t run(actor_system &system, Args &&...args)
{
    scoped_actor self(system);
    std::int64_t number = 0;
    actor first = self->spawn(std::forward<Args>(args)..., actor(self)); // nobody else may hold it
    self->receive([&](number_atom, std::int64_t value) { number = value; });
    return number;
}

behavior ponger(event_based_actor *)
{
    return {[](ping_atom, std::int64_t n) -> caf::result<pong_atom, std::int64_t> {
        return {pong_atom::value, n + 1};
    }};
}

behavior pinger(event_based_actor *self, std::int64_t rounds, actor boss)
{
    actor other = self->spawn(ponger);
    self->send(other, ping_atom::value, std::int64_t{0});
    return {[=](pong_atom, std::int64_t n) {
        if (n < rounds) {
            self->send(other, ping_atom::value, n);
        } else {
            self->send(boss, number_atom::value, n);
            self->quit();
        }
    }};
}

double pingpong_of(actor_system &system, std::int64_t messages)
{
    Stopwatch watch;
    std::int64_t got = run(system, pinger, messages / 2);
    double ns = watch.per(messages);
    check(got == messages / 2, "a message of pingpong is lost");
    return ns;
}

Figures pingpong(actor_system &system, int scale)
{
    std::int64_t messages = 2000000 / scale;
    pingpong_of(system, messages / 10);
    return {pingpong_of(system, messages)};
}

// Passes the token on until it has made all hops; who takes it last ends the ring, whose actors are linked.
behavior ring_node(event_based_actor *self, std::int64_t id, actor next, actor boss)
{
    return {[=](token_atom, std::int64_t hops) {
        if (hops > 0) {
            self->send(next, token_atom::value, hops - 1);
        } else {
            self->send(boss, number_atom::value, id);
            self->quit(caf::exit_reason::user_shutdown);
        }
    }};
}

behavior ring_head(event_based_actor *self, std::int64_t nodes, std::int64_t hops, actor boss)
{
    actor next = self;
    for (std::int64_t id = nodes - 1; id > 0; id--) next = self->spawn<caf::linked>(ring_node, id, next, boss);
    self->send(self, token_atom::value, hops);
    return ring_node(self, 0, next, boss);
}

double ring_of(actor_system &system, std::int64_t hops)
{
    constexpr std::int64_t nodes = 503;
    Stopwatch watch;
    std::int64_t at = run(system, ring_head, nodes, hops);
    double ns = watch.per(hops);
    check(at == hops % nodes, "the token ended elsewhere");
    return ns;
}

Figures ring(actor_system &system, int scale)
{
    std::int64_t hops = 5000000 / scale;
    ring_of(system, hops / 10);
    return {ring_of(system, hops)};
}

// Sums up the numbers that it is sent, and reports the sum when none is missing.
struct Sum {
    std::int64_t sum = 0, missing = 0;
};

behavior adder(stateful_actor<Sum> *self, std::int64_t missing, actor boss)
{
    self->state.missing = missing;
    return {[=](number_atom, std::int64_t n) {
        self->state.sum += n;
        if (--self->state.missing > 0) return;
        self->send(boss, number_atom::value, self->state.sum);
        self->quit();
    }};
}

// Sends the numbers from 1 to `last`, a batch at a time.
behavior sender(event_based_actor *self, std::int64_t last, std::int64_t batch, actor receiver)
{
    self->send(self, step_atom::value, std::int64_t{1});
    return {[=](step_atom, std::int64_t next) {
        std::int64_t end = std::min(last, next + batch - 1);
        for (std::int64_t n = next; n <= end; n++) self->send(receiver, number_atom::value, n);
        if (end < last) {
            self->send(self, step_atom::value, end + 1);
        } else {
            self->quit();
        }
    }};
}

behavior flood_receiver(stateful_actor<Sum> *self, std::int64_t senders, std::int64_t each, std::int64_t batch,
                        actor boss)
{
    for (std::int64_t i = 0; i < senders; i++) self->spawn(sender, each, batch, actor(self));
    return adder(self, senders * each, boss);
}

Figures flood_by(actor_system &system, std::int64_t each, std::int64_t batch)
{
    constexpr std::int64_t senders = 10;
    Stopwatch watch;
    std::int64_t sum = run(system, flood_receiver, senders, each, batch);
    double ns = watch.per(senders * each);
    check(sum == senders * (each * (each + 1) / 2), "the sum of what was sent is wrong");
    return {ns};
}

Figures flood(actor_system &system, int scale)
{
    return flood_by(system, 1000000 / scale, 1000000 / scale);
}

Figures flow(actor_system &system, int scale)
{
    return flood_by(system, 1000000 / scale, 100);
}

void do_nothing(event_based_actor *, std::atomic<std::int64_t> *ran)
{
    ran->fetch_add(1, std::memory_order_relaxed);
}

void bulk_spawner(event_based_actor *self, std::int64_t count, std::atomic<std::int64_t> *ran)
{
    for (std::int64_t i = 0; i < count; i++) self->spawn(do_nothing, ran);
}

Figures spawn_bulk(actor_system &system, int scale)
{
    std::int64_t count = 1000000 / scale;
    std::atomic<std::int64_t> ran = 0;
    Stopwatch watch;
    system.spawn(bulk_spawner, count, &ran);
    system.await_all_actors_done();
    double ns = watch.per(count);
    check(ran == count, "not each actor ran once");
    return {ns};
}

behavior one_spawner(stateful_actor<Sum> *self, std::int64_t count, std::atomic<std::int64_t> *ran, actor boss)
{
    self->set_down_handler([=](caf::down_msg &) {
        if (++self->state.sum < count) {
            self->spawn<caf::monitored>(do_nothing, ran);
        } else {
            self->send(boss, number_atom::value, self->state.sum);
            self->quit();
        }
    });
    self->spawn<caf::monitored>(do_nothing, ran);
    return {[](step_atom) {}}; // without a behavior it would end
}

Figures spawn_one(actor_system &system, int scale)
{
    std::int64_t count = 1000000 / scale;
    std::atomic<std::int64_t> ran = 0;
    Stopwatch watch;
    std::int64_t down = run(system, one_spawner, count, &ran);
    double ns = watch.per(count);
    check(down == count && ran == count, "not each actor ran once");
    return {ns};
}

// Echoes a number; the last one to be started says so.
behavior idler(event_based_actor *self, std::atomic<std::int64_t> *unstarted, actor boss)
{
    if (unstarted->fetch_sub(1, std::memory_order_acq_rel) == 1) self->send(boss, ready_atom::value, std::int64_t{0});
    return {[](ping_atom, std::int64_t n) -> caf::result<answer_atom, std::int64_t> {
        return {answer_atom::value, n};
    }};
}

struct Idle {
    std::vector<actor> idlers;
    std::atomic<std::int64_t> unstarted;
    std::int64_t resident, sum = 0, missing;
    double spawning;
    Stopwatch watch;
};

behavior idle_boss(stateful_actor<Idle> *self, std::int64_t count, Figures *figures, actor boss)
{
    Idle &state = self->state;
    state.unstarted = state.missing = count;
    state.resident = resident_bytes();
    state.watch = Stopwatch();
    state.idlers.reserve(count);
    for (std::int64_t i = 0; i < count; i++) {
        state.idlers.push_back(self->spawn(idler, &state.unstarted, actor(self)));
    }
    return {
        [=, &state](ready_atom, std::int64_t) {
            figures->ns = state.watch.per(count);
            figures->extra = " bytes=" + std::to_string((resident_bytes() - state.resident) / count);
            state.watch = Stopwatch();
            for (std::int64_t i = 0; i < count; i++) self->send(state.idlers[i], ping_atom::value, i);
        },
        [=, &state](answer_atom, std::int64_t n) {
            state.sum += n;
            if (--state.missing > 0) return;
            figures->extra += " answer=" + std::to_string(state.watch.per(count));
            self->send(boss, number_atom::value, state.sum);
            self->quit();
        },
    };
}

Figures idle(actor_system &system, int scale)
{
    std::int64_t count = 1000000 / scale;
    Figures figures = {0};
    std::int64_t sum = run(system, idle_boss, count, &figures);
    check(sum == count * (count - 1) / 2, "not each actor answered once");
    return figures;
}

behavior skynet_node(stateful_actor<Sum> *self, std::int64_t first, std::int64_t size, actor parent)
{
    constexpr std::int64_t children = 10;
    if (size == 1) {
        self->send(parent, number_atom::value, first);
        return {};
    }
    std::int64_t part = size / children;
    for (std::int64_t i = 0; i < children; i++) self->spawn(skynet_node, first + i * part, part, actor(self));
    return adder(self, children, parent);
}

Figures skynet(actor_system &system, int)
{
    constexpr std::int64_t leaves = 1000000;
    Stopwatch watch;
    std::int64_t sum = run(system, skynet_node, std::int64_t{0}, leaves);
    double ns = watch.per(leaves);
    check(sum == 499999500000, "the sum of the leaves is wrong");
    return {ns};
}

// Pings all others when it is told them, answers their pings, and reports the sum of those who have answered.
behavior big_node(stateful_actor<Sum> *self, std::int64_t id, actor boss)
{
    return {
        [=](start_atom, const std::vector<actor> &all) {
            self->state.missing = static_cast<std::int64_t>(all.size()) - 1;
            for (const actor &other : all) {
                if (other != self) self->send(other, ping_atom::value, id);
            }
        },
        [=](ping_atom, std::int64_t) -> caf::result<pong_atom, std::int64_t> {
            return {pong_atom::value, id};
        },
        [=](pong_atom, std::int64_t other) {
            self->state.sum += other;
            if (--self->state.missing == 0) self->send(boss, number_atom::value, self->state.sum);
        },
    };
}

behavior big_boss(stateful_actor<Sum> *self, std::int64_t count, actor boss)
{
    std::vector<actor> all;
    for (std::int64_t id = 0; id < count; id++) all.push_back(self->spawn(big_node, id, actor(self)));
    auto start = caf::make_message(start_atom::value, all);
    for (const actor &node : all) self->send(node, start);
    return adder(self, count, boss);
}

Figures big(actor_system &system, int scale)
{
    std::int64_t count = scale == 1 ? 1000 : 320;
    Stopwatch watch;
    std::int64_t sum = run(system, big_boss, count);
    double ns = watch.per(count * (count - 1));
    check(sum == (count - 1) * (count * (count - 1) / 2), "not all pongs have come");
    return {ns};
}

behavior fib_node(stateful_actor<Sum> *self, std::int64_t n, actor parent)
{
    if (n < 2) {
        self->send(parent, number_atom::value, n);
        return {};
    }
    self->spawn(fib_node, n - 1, actor(self));
    self->spawn(fib_node, n - 2, actor(self));
    return adder(self, 2, parent);
}

Figures fib(actor_system &system, int scale)
{
    bool full = scale == 1;
    Stopwatch watch;
    std::int64_t number = run(system, fib_node, std::int64_t{full ? 25 : 20});
    double ns = watch.per(full ? 242785 : 21891);
    check(number == (full ? 75025 : 6765), "a wrong number of Fibonacci");
    return {ns};
}

behavior echo(event_based_actor *)
{
    return {[](ping_atom, std::int64_t n) -> caf::result<answer_atom, std::int64_t> {
        return {answer_atom::value, n};
    }};
}

struct Asker {
    actor helper;
    std::int64_t asked = 0, seen = 0;
    Stopwatch watch;
};

void ask(stateful_actor<Asker> *self, std::int64_t rounds, double *ns)
{
    self->request(self->state.helper, caf::infinite, ping_atom::value, self->state.asked)
        .await([=](answer_atom, std::int64_t n) {
            check(n == self->state.asked && self->state.seen == 0, "an answer out of order");
            if (++self->state.asked < rounds) {
                ask(self, rounds, ns);
            } else {
                *ns = self->state.watch.per(rounds);
            }
        });
}

// Asks its helper with a mailbox full of numbers, which it takes when it has all answers.
behavior asker(stateful_actor<Asker> *self, std::int64_t rounds, std::int64_t numbers, double *ns, actor boss)
{
    self->state.helper = self->spawn(echo);
    for (std::int64_t i = 0; i < numbers; i++) self->send(self, number_atom::value, i);
    self->state.watch = Stopwatch();
    ask(self, rounds, ns);
    return {[=](number_atom, std::int64_t) {
        if (++self->state.seen < numbers) return;
        self->send(boss, number_atom::value, self->state.asked);
        self->quit();
    }};
}

Figures mailbox_long(actor_system &system, int scale)
{
    std::int64_t rounds = 1000 / scale;
    double ns = 0;
    check(run(system, asker, rounds, std::int64_t{100000}, &ns) == rounds, "an answer is missing");
    return {ns};
}

constexpr std::int64_t window = 100; // requests under way

using Held = std::vector<std::pair<caf::response_promise, std::int64_t>>;

behavior call_server(stateful_actor<Held> *self)
{
    return {[=](ping_atom, std::int64_t n) {
        Held &held = self->state;
        held.emplace_back(self->make_response_promise(), n + 1);
        if (held.size() < window) return;
        for (auto h = held.rbegin(); h != held.rend(); ++h) h->first.deliver(answer_atom::value, h->second);
        held.clear();
    }};
}

struct Client {
    actor server;
    std::int64_t asked = 0, answered = 0;
};

void ask_window(stateful_actor<Client> *self, std::int64_t calls, actor boss)
{
    for (std::int64_t i = 0; i < window; i++) {
        std::int64_t n = self->state.asked++;
        self->request(self->state.server, caf::infinite, ping_atom::value, n)
            .then([=](answer_atom, std::int64_t answer) {
                check(answer == n + 1, "the answer to another request");
                if (++self->state.answered < self->state.asked) return;
                if (self->state.answered < calls) {
                    ask_window(self, calls, boss);
                } else {
                    self->send(boss, number_atom::value, self->state.answered);
                }
            });
    }
}

void client(stateful_actor<Client> *self, std::int64_t calls, actor boss)
{
    self->state.server = self->spawn(call_server);
    ask_window(self, calls, boss);
}

double call_of(actor_system &system, std::int64_t calls)
{
    Stopwatch watch;
    check(run(system, client, calls) == calls, "an answer is missing");
    return watch.per(calls);
}

Figures call(actor_system &system, int scale)
{
    std::int64_t calls = 1000000 / scale;
    call_of(system, calls / 10);
    return {call_of(system, calls)};
}

using Workload = Figures (*)(actor_system &, int);

const std::map<std::string, Workload> workloads = {
    {"pingpong", pingpong},         {"ring", ring}, {"flood", flood},   {"flow", flow}, {"spawn_bulk", spawn_bulk},
    {"spawn_one", spawn_one},       {"idle", idle}, {"skynet", skynet}, {"big", big},   {"fib", fib},
    {"mailbox_long", mailbox_long}, {"call", call},
};

} // namespace

int main(int argc, char **argv)
{
    return peer::main(argc, argv, workloads, [](Workload workload, int workers, int scale) {
        caf::actor_system_config config;
        config.set("scheduler.max-threads", workers);
        if (workload == spawn_bulk || workload == idle) config.set("scheduler.policy", caf::atom("sharing"));
        actor_system system(config);
        return workload(system, scale);
    });
}
