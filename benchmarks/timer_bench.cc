/* timer_bench.cc - timers that are cancelled, as nearly all are, and how late a sleep is.
 *
 *   timer/pair   one of 1,000,000 timers of a process, set with a delay of a minute and cancelled: all of them are set,
 *                and are pending together, before 99 of 100 are cancelled; the rest are cancelled afterwards, which is
 *                not measured.  Included: the message that is never sent, and the memory for it
 *   timer/late   how late a pg_sleep() of 1 to 20 ms is while the workers are busy for half of the time: each has a
 *                process that computes for 200 us and sleeps for as long, in turn.  100 processes sleep; the time shown
 *                is the median, beside which stand the 99th of 100 and the worst, in microseconds */
#include <algorithm>
#include <atomic>
#include <vector>

#include "support.h"

namespace
{

/* -------------------------------------------------------------------------------------------------- cancelled */

constexpr int64_t timers = 1000000;

struct Pairs {
    std::vector<pg_timer> pending = std::vector<pg_timer>(timers);
    double taken;
    pg_pid main;
};

void set_and_cancel(pg_process *self, const pg_message *)
{
    auto *pairs = static_cast<Pairs *>(pg_data(self));
    pg_pid pid = pg_self(self);
    int64_t cancelled = 0;
    double began = bench::seconds();
    for (pg_timer &timer : pairs->pending) timer = pg_send_after(self, pid, PG_SECONDS(60), "late", 1);
    for (int64_t i = 0; i < timers; i++) {
        if (i % 100 != 0) cancelled += pg_cancel_timer(pairs->pending[static_cast<size_t>(i)]);
    }
    pairs->taken = bench::seconds() - began;
    for (int64_t i = 0; i < timers; i += 100) cancelled += pg_cancel_timer(pairs->pending[static_cast<size_t>(i)]);
    pg_send(pairs->main, cancelled);
}

void setter(pg_process *self)
{
    pg_set_data(self, bench::shared<Pairs>(self));
    pg_receive(self, set_and_cancel, "go");
}

void timer_pair(benchmark::State &state)
{
    Pairs pairs;
    bench::Runtime runtime(1);
    pairs.main = pg_self(runtime.main);
    pg_pid pid = runtime.spawn(setter, &pairs);
    while (state.KeepRunningBatch(timers)) {
        pg_send(pid, "go");
        if (!bench::expect(state, runtime.answer() == timers, "a timer was not pending any more")) break;
        state.SetIterationTime(pairs.taken);
    }
    bench::count_items(state);
}

/* ------------------------------------------------------------------------------------------------------- late */

constexpr int sleepers = 100, sleeps = 100;
constexpr int64_t burst = 200000;

struct Late {
    std::atomic<bool> over{false};
    std::atomic<int> count{0};
    std::vector<int64_t> taken = std::vector<int64_t>(sleepers * sleeps);
};

void be_busy(pg_process *self)
{
    auto *late = bench::shared<Late>(self);
    while (!late->over.load(std::memory_order_relaxed)) {
        for (int64_t until = bench::nanoseconds() + burst; bench::nanoseconds() < until;) bench::relax();
        pg_sleep(self, burst);
    }
}

void sleep_often(pg_process *self)
{
    auto *late = bench::shared<Late>(self);
    uint64_t random = pg_self(self).id * UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < sleeps; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        int64_t duration = PG_MS(1) + static_cast<int64_t>((random >> 33) % UINT64_C(19000000));
        int64_t due = bench::nanoseconds() + duration;
        pg_sleep(self, duration);
        late->taken[static_cast<size_t>(late->count++)] = bench::nanoseconds() - due;
    }
}

void timer_late(benchmark::State &state)
{
    auto workers = static_cast<unsigned>(state.range(0));
    while (state.KeepRunningBatch(sleepers * sleeps)) {
        Late late;
        bench::Runtime runtime(workers);
        for (unsigned i = 0; i < workers; i++) runtime.spawn(be_busy, &late);
        for (int i = 0; i < sleepers; i++) runtime.spawn(sleep_often, &late);
        if (!bench::expect(state, runtime.ended(sleepers), "a sleeper has not ended")) break;
        late.over = true;
        if (!bench::expect(state, runtime.ended(sleepers + workers), "a busy one has not ended")) break;
        std::sort(late.taken.begin(), late.taken.end());
        auto share = [&](int64_t of_1000) {
            return static_cast<double>(late.taken[static_cast<size_t>(sleepers * sleeps * of_1000 / 1000)]);
        };
        bench::expect(state, late.taken.front() >= 0, "a sleep was too short");
        state.SetIterationTime(share(500) / 1e9 * sleepers * sleeps);
        state.counters["99%_us"] = share(990) / 1e3;
        state.counters["worst_us"] = static_cast<double>(late.taken.back()) / 1e3;
    }
}

BENCHMARK(timer_pair)->Name("timer/pair")->UseManualTime()->Iterations(5 * timers);
BENCHMARK(timer_late)
    ->Name("timer/late")
    ->Apply(bench::each_number_of_workers)
    ->UseManualTime()
    ->Iterations(sleepers *sleeps);

} // namespace
