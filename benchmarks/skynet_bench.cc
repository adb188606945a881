/* skynet_bench.cc - a tree of processes, each with ten children, 1,000,000 leaves: every process is spawned, sends its
 * number or its sum to its parent, and ends.  examples/skynet.c is the same program.
 *
 *   skynet/h   inner processes add up by a receiver
 *
 * One operation is the whole tree of 1,111,111 processes, in a program of its own: so the first use of all memory is
 * included, and `peak_MB` is that program's.  Not included: starting the program and the runtime.  The sum is
 * checked. */
#include <cstdlib>

#include "support.h"

namespace
{

constexpr int64_t leaves = 1000000;

struct Sums {
    pg_pid parent;
    int64_t sum;
    int missing;
};

void add(pg_process *self, const pg_message *msg)
{
    Sums *s = static_cast<Sums *>(pg_data(self));
    s->sum += pg_get_int(self, msg, 0);
    if (--s->missing > 0) return;
    pg_send(s->parent, s->sum);
    pg_exit(self);
}

void node(pg_process *self)
{
    const pg_message *args = pg_args(self);
    pg_pid parent = pg_get_pid(self, args, 0);
    int64_t first = pg_get_int(self, args, 1), size = pg_get_int(self, args, 2);
    if (size == 1) {
        pg_send(parent, first);
        return;
    }
    Sums *s = static_cast<Sums *>(std::malloc(sizeof *s));
    if (!s) pg_fail(self, "no memory for sums");
    pg_defer(self, std::free, s);
    *s = {parent, 0, 10};
    pg_set_data(self, s);
    pg_receive(self, add, PG_INT);
    for (int64_t i = 0; i < 10; i++) {
        auto child = pg_tuple(self, first + i * (size / 10), size / 10);
        pg_spawn_options options = pg_spawn_options();
        options.args = child;
        if (pg_pid_status(pg_spawn(self, node, options)) != PG_OK) pg_fail(self, "a child could not be spawned");
    }
}

bool skynet_child(unsigned workers, bench::Figures &figures)
{
    figures["start"] = bench::resident();
    bench::Runtime runtime(workers);
    auto args = pg_tuple(runtime.main, 0, leaves);
    pg_spawn_options options = pg_spawn_options();
    options.args = args;
    double begin = bench::seconds();
    pg_spawn(runtime.main, node, options);
    bool right = runtime.answer() == leaves * (leaves - 1) / 2;
    figures["seconds"] = bench::seconds() - begin;
    figures["peak"] = bench::peak_resident();
    return right;
}

const bool added = (bench::add_child("skynet", skynet_child), true);

void skynet(benchmark::State &state)
{
    bench::Figures figures;
    for (auto _ : state) {
        bool right = bench::measure_in_child("skynet", static_cast<unsigned>(state.range(0)), figures);
        if (!bench::expect(state, right, "the sum is wrong")) break;
        state.SetIterationTime(figures["seconds"]);
    }
    state.counters["peak_MB"] = figures["peak"] / 1e6;
    state.counters["start_MB"] = figures["start"] / 1e6;
}
BENCH_EACH_WORKERS(skynet, "skynet/h")->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);

} // namespace
