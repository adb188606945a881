/* idle_bench.cc - 1,000,000 processes that wait, each measurement in a program of its own, as memory left behind by
 * another case would blur the figures.
 *
 *   idle/h      processes at rest with two receivers each.  The time is that of the whole; the figures are
 *                 bytes     resident memory per process, over that of the started runtime without them
 *                 MB        the same for all of them
 *                 spawn_ns  from the first spawn until all targets have run, per process; each counts itself, which is
 *                           the one thing here that all workers write to
 *                 answer_ns one message to each from one process, and its answer to that one, per process
 *   blocked/b   processes that are blocked in pg_recv() inside their targets, each on a stack of its own, guarded:
 *                 bytes, MB and spawn_ns as above, answer_ns likewise; unguarded counts stacks without a guard.  It
 *                 takes some 5 GB, page tables not counted, and so is run only when PARAGRAM_BENCH_BLOCKED is set to 1
 *
 * Not included in MB: page tables, which the kernel does not count as the program's; `tables_MB` says them. */
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "support.h"

namespace
{

constexpr int64_t processes = 1000000;

struct Crowd {
    pg_target target;
    std::vector<pg_pid> pids;
    pg_pid main;
    int64_t sum; /* of the answers */
    int64_t missing;
};

std::atomic<int64_t> begun; /* targets */

/* ------------------------------------------------------------------------------------------------- the processes */

void give(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), "answer", pg_get_int(self, msg, 2));
}

void go_away(pg_process *self, const pg_message *)
{
    pg_exit(self);
}

void at_rest(pg_process *self)
{
    pg_receive(self, give, "ask", PG_PID, PG_INT);
    pg_receive(self, go_away, "go away");
    begun.fetch_add(1, std::memory_order_relaxed);
}

void blocked(pg_process *self)
{
    const pg_message *msg;
    begun.fetch_add(1, std::memory_order_relaxed);
    while (pg_recv(self, &msg, PG_FOREVER) == PG_OK) give(self, msg);
}

/* --------------------------------------------------------------------------------------------------- who asks them */

void take(pg_process *self, const pg_message *msg)
{
    Crowd *crowd = static_cast<Crowd *>(pg_data(self));
    crowd->sum += pg_get_int(self, msg, 1);
    if (--crowd->missing == 0) pg_send(crowd->main, crowd->sum);
}

void ask_all(pg_process *self, const pg_message *)
{
    Crowd *crowd = static_cast<Crowd *>(pg_data(self));
    int64_t number = 0;
    for (pg_pid pid : crowd->pids) pg_send(pid, "ask", self, ++number);
}

void spawn_all(pg_process *self, const pg_message *)
{
    Crowd *crowd = static_cast<Crowd *>(pg_data(self));
    for (int64_t i = 0; i < processes; i++) {
        pg_pid pid = pg_spawn(self, crowd->target);
        if (pg_pid_status(pid) != PG_OK) pg_fail(self, "spawn: %s", pg_strerror(pg_pid_status(pid)));
        crowd->pids.push_back(pid);
    }
    pg_send(crowd->main, 0);
}

void asker(pg_process *self)
{
    pg_set_data(self, bench::shared<Crowd>(self));
    pg_receive(self, take, "answer", PG_INT);
    pg_receive(self, ask_all, "ask all");
    pg_receive(self, spawn_all, "spawn all");
}

/* --------------------------------------------------------------------------------------------------- measurements */

/* Asks all of them, and checks the sum of the answers. */
bool ask(bench::Runtime &runtime, pg_pid asking, Crowd &crowd)
{
    crowd.sum = 0;
    crowd.missing = processes;
    pg_send(asking, "ask all");
    return runtime.answer() == processes * (processes + 1) / 2;
}

/* Nothing moves any more: resident memory stands still. */
void settle()
{
    double before;
    do {
        before = bench::resident();
        bench::nap(PG_MS(20));
    } while (bench::resident() != before);
}

bool measure(unsigned workers, bench::Figures &figures, pg_target target)
{
    bench::Runtime runtime(workers);
    Crowd crowd = {target, {}, pg_self(runtime.main), 0, 0};
    crowd.pids.assign(processes, pg_pid()); /* the list of pids is no part of the processes' memory */
    crowd.pids.clear();
    pg_pid asking = runtime.spawn(asker, &crowd);
    settle();
    double memory = bench::resident(), tables = bench::page_tables(), begin = bench::seconds();
    pg_send(asking, "spawn all");
    if (runtime.answer() != 0) return false;
    while (begun.load(std::memory_order_relaxed) < processes && !runtime.failed()) bench::nap(50000);
    double spawned = bench::seconds();
    settle();
    figures["bytes"] = (bench::resident() - memory) / processes;
    figures["MB"] = (bench::resident() - memory) / 1e6;
    figures["tables_MB"] = (bench::page_tables() - tables) / 1e6;
    figures["spawn_ns"] = (spawned - begin) * 1e9 / processes;
    begin = bench::seconds();
    if (!ask(runtime, asking, crowd)) return false;
    figures["answer_ns"] = (bench::seconds() - begin) * 1e9 / processes;
    pg_stats stats;
    pg_get_stats(runtime.rt, &stats);
    figures["unguarded"] = static_cast<double>(stats.unguarded);
    return stats.alive >= processes;
}

bool idle_child(unsigned workers, bench::Figures &figures)
{
    return measure(workers, figures, at_rest);
}

bool blocked_child(unsigned workers, bench::Figures &figures)
{
    return measure(workers, figures, blocked);
}

const bool added = (bench::add_child("idle", idle_child), bench::add_child("blocked", blocked_child), true);

void run(benchmark::State &state, const char *child)
{
    bench::Figures figures;
    for (auto _ : state) {
        bool right = bench::measure_in_child(child, static_cast<unsigned>(state.range(0)), figures);
        if (!bench::expect(state, right, "not every process answered")) break;
    }
    for (const auto &figure : figures) state.counters[figure.first] = figure.second;
}

void idle(benchmark::State &state)
{
    run(state, "idle");
}
BENCH_EACH_WORKERS(idle, "idle/h")->UseRealTime()->Iterations(1)->Unit(benchmark::kMillisecond);

void blocked_b(benchmark::State &state)
{
    const char *wanted = std::getenv("PARAGRAM_BENCH_BLOCKED");
    if (!wanted || std::strcmp(wanted, "1") != 0) {
        state.SkipWithError("takes some 5 GB: set PARAGRAM_BENCH_BLOCKED=1 to run it");
        return;
    }
    run(state, "blocked");
}
BENCHMARK(blocked_b)
    ->Name("blocked/b")
    ->ArgName("workers")
    ->Arg(2)
    ->UseRealTime()
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

} // namespace
