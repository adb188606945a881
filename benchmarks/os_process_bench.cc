/* os_process_bench.cc - messages between processes of kind PG_OS, and what it takes to have one.  What lies beneath is
 * in os_bench.cc.
 *
 *   os_flood/up          a process of kind PG_OS sends to one of the program, which counts and adds up what it gets;
 *                        both are busy.  A message is three values, 64 bytes as it lies in memory, and as many on
 *                        the ring, its frame's head included.  The sender yields every 100 messages
 *   os_flood/down        the other way round
 *   os_pingpong/hub      one way of a ping-pong between the program and a process of kind PG_OS
 *   os_pingpong/children the same between two of these, all of whose messages the program passes on
 *   os_pingpong/asleep   as os_pingpong/hub, where each side sleeps for half a millisecond before it answers, so that
 *                        the message meets one that is asleep: as floor_eventfd/asleep
 *   os_spawn/small, /big from before the spawn until the first message is handled, the median of 100 one after the
 *                        other; big: by a program that has touched 1 GB since its start.  In a program of its own
 *
 * One operation is one message, or one spawn. */
#include <algorithm>
#include <vector>

#include "support.h"

namespace
{

pg_pid spawn_os(bench::Runtime &runtime, pg_target target, pg_pid peer, int64_t number = 1)
{
    auto args = pg_tuple(peer, runtime.main, number);
    pg_spawn_options options = pg_spawn_options();
    options.args = args;
    options.kind = PG_OS;
    return pg_spawn(runtime.main, target, options);
}

/* A process's own, here as there; its arguments: (peer, main, number). */
struct Role {
    pg_pid peer, main;
    int64_t number, count, sum;
};

Role *role_of(pg_process *self)
{
    return static_cast<Role *>(pg_data(self));
}

void take_role(pg_process *self)
{
    const pg_message *args = pg_args(self);
    auto clean_up = [](void *role) { delete static_cast<Role *>(role); };
    Role *role = new Role{pg_get_pid(self, args, 0), pg_get_pid(self, args, 1), pg_get_int(self, args, 2), 0, 0};
    pg_set_data(self, role);
    pg_defer(self, clean_up, role);
}

void meet(pg_process *self, const pg_message *msg)
{
    role_of(self)->peer = pg_get_pid(self, msg, 1);
}

/* Two processes that know each other, the second of kind PG_OS, the first of `kind`. */
struct Pair {
    pg_pid first, second;

    Pair(bench::Runtime &runtime, pg_target one, pg_target two, pg_kind kind)
    {
        auto args = pg_tuple(pg_pid(), runtime.main, 0);
        pg_spawn_options options = pg_spawn_options();
        options.args = args;
        options.kind = kind;
        first = pg_spawn(runtime.main, one, options);
        second = spawn_os(runtime, two, first);
        pg_send(first, "peer", second);
    }
};

/* ----------------------------------------------------------------------------------------------------------- floods */

constexpr int64_t flood = 1000000;

void take(pg_process *self, const pg_message *msg)
{
    Role *role = role_of(self);
    role->sum += pg_get_int(self, msg, 1) ^ pg_get_int(self, msg, 2);
    if (++role->count < flood) return;
    pg_send(role->main, role->sum);
    role->count = role->sum = 0;
}

void receiver(pg_process *self)
{
    take_role(self);
    pg_receive(self, take, "item", PG_INT, PG_INT);
    pg_receive(self, meet, "peer", PG_PID);
}

void send_all(pg_process *self, const pg_message *)
{
    pg_pid peer = role_of(self)->peer;
    for (int64_t i = 1; i <= flood; i++) {
        int status;
        while ((status = pg_send(peer, "item", i, INT64_C(1))) == PG_EFULL) pg_sleep(self, PG_MS(1));
        if (status != PG_OK) pg_fail(self, "a message was refused");
        if (i % 100 == 0) pg_yield(self);
    }
}

void sender(pg_process *self)
{
    take_role(self);
    pg_receive(self, send_all, "go");
    pg_receive(self, meet, "peer", PG_PID);
}

void run_flood(benchmark::State &state, bool up)
{
    bench::Runtime runtime(1);
    Pair pair(runtime, up ? receiver : sender, up ? sender : receiver, PG_GREEN);
    int64_t sum = 0;
    for (int64_t i = 1; i <= flood; i++) sum += i ^ 1;
    while (state.KeepRunningBatch(flood)) {
        pg_send(up ? pair.second : pair.first, "go");
        if (!bench::expect(state, runtime.answer() == sum, "messages were lost")) break;
    }
    bench::count_items(state);
}

void os_flood_up(benchmark::State &state)
{
    run_flood(state, true);
}
BENCHMARK(os_flood_up)->Name("os_flood/up")->UseRealTime();

void os_flood_down(benchmark::State &state)
{
    run_flood(state, false);
}
BENCHMARK(os_flood_down)->Name("os_flood/down")->UseRealTime();

/* -------------------------------------------------------------------------------------------------------- ping-pong */

constexpr int64_t batch = 10000;

void ping(pg_process *self, const pg_message *msg)
{
    int64_t left = pg_get_int(self, msg, 1);
    if (left > 0)
        pg_send(role_of(self)->peer, "ping", left - 1);
    else
        pg_send(role_of(self)->main, role_of(self)->number);
}

void player(pg_process *self)
{
    take_role(self);
    pg_receive(self, ping, "ping", PG_INT);
    pg_receive(self, meet, "peer", PG_PID);
}

void run_pingpong(benchmark::State &state, pg_kind kind)
{
    bench::Runtime runtime(1);
    Pair pair(runtime, player, player, kind);
    while (state.KeepRunningBatch(batch)) {
        pg_send(pair.first, "ping", batch - 1); /* an odd number: the other one ends it */
        if (!bench::expect(state, runtime.answer() == 1, "the ping-pong ended at the wrong process")) break;
    }
    bench::count_items(state);
}

void os_pingpong_hub(benchmark::State &state)
{
    run_pingpong(state, PG_GREEN);
}
BENCHMARK(os_pingpong_hub)->Name("os_pingpong/hub")->UseRealTime();

void os_pingpong_children(benchmark::State &state)
{
    run_pingpong(state, PG_OS);
}
BENCHMARK(os_pingpong_children)->Name("os_pingpong/children")->UseRealTime();

/* ---------------------------------------------------------------------------------------------- ping-pong, asleep */

/* What the ways have taken; filled in by the process of the program. */
struct Ways {
    pg_pid peer, main;
    int64_t count, taken[2 * bench::sleepy_rounds];
};

/* Messages of both: when it was sent, and what the way before has taken. */
void sleepy_child(pg_process *self)
{
    pg_pid peer = pg_get_pid(self, pg_args(self), 0);
    const pg_message *msg;
    bench::pin(pg_get_int(self, pg_args(self), 2) - 1); /* the only worker */
    while (pg_recv(self, &msg, PG_FOREVER) == PG_OK) {
        int64_t taken = bench::nanoseconds() - pg_get_int(self, msg, 0);
        pg_sleep(self, bench::sleepy_pause);
        pg_send(peer, bench::nanoseconds(), taken);
    }
}

void sleepy_hub(pg_process *self)
{
    Ways *ways = bench::shared<Ways>(self);
    const pg_message *msg;
    bench::pin(0);
    while (pg_recv_match(self, &msg, PG_FOREVER, "go") == PG_OK) {
        for (ways->count = 0; ways->count < 2 * bench::sleepy_rounds;) {
            pg_sleep(self, bench::sleepy_pause);
            pg_send(ways->peer, bench::nanoseconds());
            if (pg_recv(self, &msg, PG_SECONDS(10)) != PG_OK) break;
            ways->taken[ways->count++] = bench::nanoseconds() - pg_get_int(self, msg, 0);
            ways->taken[ways->count++] = pg_get_int(self, msg, 1);
        }
        pg_send(ways->main, ways->count);
    }
}

void os_pingpong_asleep(benchmark::State &state)
{
    bench::Runtime runtime(1);
    Ways ways;
    ways.main = pg_self(runtime.main);
    pg_pid hub = runtime.spawn(sleepy_hub, &ways);
    ways.peer = spawn_os(runtime, sleepy_child, hub, state.range(0));
    while (state.KeepRunningBatch(2 * bench::sleepy_rounds)) {
        pg_send(hub, "go");
        if (!bench::expect(state, runtime.answer() == 2 * bench::sleepy_rounds, "no answer")) break;
        bench::show_median(state, ways.taken, 2 * bench::sleepy_rounds);
    }
}
BENCH_SLEEPY(os_pingpong_asleep, "os_pingpong/asleep");

/* ----------------------------------------------------------------------------------------------------------- spawns */

constexpr int spawns = 100;
constexpr size_t much = static_cast<size_t>(1) << 30;

void tell_time(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 0), bench::nanoseconds());
}

void newborn(pg_process *self)
{
    pg_receive(self, tell_time, PG_PID);
}

/* Nanoseconds from before its spawn until it handles its first message; it has ended then.  -1: something went
 * wrong. */
int64_t spawn_one(bench::Runtime &runtime)
{
    int64_t before = bench::nanoseconds();
    pg_pid pid = spawn_os(runtime, newborn, pg_self(runtime.main));
    if (pg_send(pid, runtime.main) != PG_OK) return -1;
    int64_t handled = runtime.answer();
    pg_terminate(pid);
    return pg_wait(pid, PG_SECONDS(10), nullptr) == PG_OK && handled > 0 ? handled - before : -1;
}

bool measure_spawns(bench::Figures &figures, size_t touched)
{
    bench::Runtime runtime(1);
    std::vector<char> memory(touched, 1);
    std::vector<int64_t> taken;
    for (int i = 0; i < spawns; i++) {
        taken.push_back(spawn_one(runtime));
        if (taken.back() < 0) return false;
    }
    std::sort(taken.begin(), taken.end());
    figures["seconds"] = static_cast<double>(taken[spawns / 2]) / 1e9;
    figures["slowest_ms"] = static_cast<double>(taken.back()) / 1e6;
    figures["MB"] = bench::resident() / 1e6;
    return memory.empty() || memory[touched / 2] == 1;
}

bool small_child(unsigned, bench::Figures &figures)
{
    return measure_spawns(figures, 0);
}

bool big_child(unsigned, bench::Figures &figures)
{
    return measure_spawns(figures, much);
}

const bool added = (bench::add_child("os_spawn_small", small_child), bench::add_child("os_spawn_big", big_child), true);

void os_spawn(benchmark::State &state, const char *child)
{
    bench::Figures figures;
    for (auto _ : state) {
        bool right = bench::measure_in_child(child, 1, figures);
        if (!bench::expect(state, right, "a spawn went wrong")) return;
        state.SetIterationTime(figures["seconds"]);
    }
    state.counters["slowest_ms"] = figures["slowest_ms"];
    state.counters["MB"] = figures["MB"];
}

void os_spawn_small(benchmark::State &state)
{
    os_spawn(state, "os_spawn_small");
}
BENCHMARK(os_spawn_small)->Name("os_spawn/small")->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);

void os_spawn_big(benchmark::State &state)
{
    os_spawn(state, "os_spawn_big");
}
BENCHMARK(os_spawn_big)->Name("os_spawn/big")->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);

} // namespace
