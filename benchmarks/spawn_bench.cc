/* spawn_bench.cc - processes that do nothing, 1,000,000 of them, spawned by one process.
 *
 *   spawn/bulk         as fast as it can, without waiting for any; until the last has ended
 *   spawn/one_by_one   waiting for the end of each before the next is spawned
 *
 * One operation is one process: control block, pid, scheduling, its target, its end, and in one_by_one the pg_wait()
 * that suspends the spawner.  In bulk the runtime makes the spawner give way after each 32, so that there are few at a
 * time.  The end is looked for every 50 us. */
#include "support.h"

namespace
{

constexpr int64_t processes = 1000000;

void nothing(pg_process *)
{
}

struct Job {
    pg_pid main;
    bool wait;
};

void spawner(pg_process *self)
{
    const Job *job = bench::shared<Job>(self);
    int64_t spawned = 0;
    for (int64_t i = 0; i < processes; i++) {
        pg_pid pid = pg_spawn(self, nothing);
        if (pg_pid_status(pid) != PG_OK) break;
        if (job->wait && pg_wait(pid, PG_FOREVER, nullptr) != PG_OK) break;
        spawned++;
    }
    pg_send(job->main, spawned);
}

void spawn(benchmark::State &state, bool wait)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    Job job = {pg_self(runtime.main), wait};
    uint64_t ended = 0;
    while (state.KeepRunningBatch(processes)) {
        runtime.spawn(spawner, &job);
        ended += processes + 1;
        bool ok = runtime.answer() == processes && runtime.ended(ended);
        if (!bench::expect(state, ok, "not every process was spawned and has ended")) break;
    }
    bench::count_items(state);
}

void spawn_bulk(benchmark::State &state)
{
    spawn(state, false);
}
BENCH_WORKERS(spawn_bulk, "spawn/bulk");

void spawn_one_by_one(benchmark::State &state)
{
    spawn(state, true);
}
BENCH_WORKERS(spawn_one_by_one, "spawn/one_by_one");

} // namespace
