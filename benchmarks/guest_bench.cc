/* guest_bench.cc - a runtime that the program's own loop drives, beside one that has a worker.
 *
 *   guest/pingpong  two processes that send one message back and forth, by receivers, within one step
 *   guest/worker    the same in a runtime of one worker, to compare it with: pingpong/h, in the same run
 *   guest/wake      from another thread to a process, by a loop that has been asleep in epoll_wait for half a
 *                   millisecond: from before pg_send() until the handler runs; the median of single ways.  wake/host is
 *                   the same of a worker
 *
 * One operation is one message.  Included: building, the look-up, the queue, scheduling; in guest/wake the waking of
 * the loop, and its step.  Not included: starting, and the pauses. */
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "support.h"

namespace
{

constexpr int64_t batch = 1000000;

struct Player {
    pg_pid peer;
    std::atomic<int64_t> *ended;
};

void ping(pg_process *self, const pg_message *msg)
{
    const auto *player = static_cast<const Player *>(pg_data(self));
    int64_t left = pg_get_int(self, msg, 1);
    if (left > 0)
        pg_send(player->peer, "ping", left - 1);
    else
        player->ended->fetch_add(1);
}

void plays(pg_process *self)
{
    pg_set_data(self, bench::shared<Player>(self));
    pg_receive(self, ping, "ping", PG_INT);
}

pg_runtime *start(bool guest)
{
    pg_options options{};
    options.guest = guest;
    options.workers = 1;
    options.no_os = true;
    return pg_start(&options);
}

pg_pid spawn(pg_runtime *rt, pg_target target, void *shared)
{
    const pg_value pointer = pg_v_ptr(shared);
    pg_spawn_options options{};
    options.args = pg_tuple_of(1, &pointer);
    return pg_spawn_in(rt, target, &options);
}

void pingpong(benchmark::State &state, bool guest)
{
    pg_runtime *rt = start(guest);
    std::atomic<int64_t> ended{0};
    Player players[2];
    pg_pid pids[2];
    for (int i = 0; i < 2; i++) pids[i] = spawn(rt, plays, &players[i]);
    for (int i = 0; i < 2; i++) players[i] = {pids[1 - i], &ended};
    int64_t rounds = 0;
    while (state.KeepRunningBatch(batch)) {
        pg_send(pids[0], "ping", batch - 1);
        rounds++;
        while (guest && pg_step(rt, PG_MS(1)) == 1) continue;
        while (!guest && ended.load() < rounds) bench::nap(20000);
        if (!bench::expect(state, ended.load() == rounds, "the ping-pong has not ended")) break;
    }
    bench::count_items(state);
    pg_stop(rt, PG_SECONDS(5));
}

void guest_pingpong(benchmark::State &state)
{
    pingpong(state, true);
}
BENCHMARK(guest_pingpong)->Name("guest/pingpong")->UseRealTime();

void guest_worker(benchmark::State &state)
{
    pingpong(state, false);
}
BENCHMARK(guest_worker)->Name("guest/worker")->UseRealTime();

constexpr int64_t ways = 1000;

struct Wake {
    std::vector<int64_t> taken;
    std::atomic<int64_t> handled{0};
};

void note(pg_process *self, const pg_message *msg)
{
    auto *wake = static_cast<Wake *>(pg_data(self));
    wake->taken.push_back(bench::nanoseconds() - pg_get_int(self, msg, 0));
    wake->handled.fetch_add(1);
}

void notes(pg_process *self)
{
    pg_set_data(self, bench::shared<Wake>(self));
    pg_receive(self, note, PG_INT);
}

void send_all(pg_pid pid, const Wake *wake)
{
    for (int64_t i = 0; i < ways; i++) {
        while (wake->handled.load() < i) bench::nap(20000);
        bench::nap(500000);
        pg_send(pid, bench::nanoseconds());
    }
}

void guest_wake(benchmark::State &state)
{
    pg_runtime *rt = start(true);
    while (state.KeepRunningBatch(ways)) {
        Wake wake;
        pg_pid pid = spawn(rt, notes, &wake);
        while (pg_step(rt, PG_FOREVER) == 1) continue;
        std::thread sender(send_all, pid, &wake);
        while (wake.handled.load() < ways) {
            pollfd look{pg_fd(rt), POLLIN, 0};
            poll(&look, 1, pg_next_deadline(rt) == 0 ? 0 : 1000);
            pg_step(rt, PG_FOREVER);
        }
        sender.join();
        std::nth_element(wake.taken.begin(), wake.taken.begin() + ways / 2, wake.taken.end());
        state.SetIterationTime(1e-9 * static_cast<double>(wake.taken[ways / 2]) * ways);
        pg_terminate(pid);
    }
    pg_stop(rt, PG_SECONDS(5));
}
BENCHMARK(guest_wake)->Name("guest/wake")->UseManualTime()->Iterations(ways);

} // namespace
