/* main.cc - runs the cases, and prints the ratios between those that are to be compared, from the medians of this run.
 *
 * All cases are in one program for that reason: on a machine that is shared, or changes its clock, only figures of one
 * run can be compared, best with --benchmark_repetitions and --benchmark_enable_random_interleaving (tools/bench). */
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "support.h"

namespace
{

struct Ratio {
    const char *what, *over, *under; /* `under` NULL: the time itself, in milliseconds */
    double bar = 0;                  /* 0: none */
    const char *or_under = nullptr;  /* whichever of the two is smaller; NULL: there is one */
};

/* The bars are the project's own: what it wants to reach on any machine. */
const Ratio ratios[] = {
    {"a message between handlers, to its floor", "pingpong/h/workers:1", "floor_message", 2.5},
    {"... on two workers, to one", "pingpong/h/workers:2", "pingpong/h/workers:1", 1.3},
    {"a message between blocking receives, to handlers", "pingpong/b/workers:1", "pingpong/h/workers:1", 3},
    {"... on two workers, to handlers on two", "pingpong/b/workers:2", "pingpong/h/workers:2", 3},
    {"... on two workers, to one", "pingpong/b/workers:2", "pingpong/b/workers:1", 1.3},
    {"a hop in the ring, to a message of ping-pong", "ring/h/workers:1", "pingpong/h/workers:1", 0},
    {"... on two workers, to one", "ring/h/workers:2", "ring/h/workers:1", 0},
    {"... of blocking receives, to handlers", "ring/b/workers:1", "ring/h/workers:1", 0},
    {"a switch of suspended fibers, to its floor", "floor_switch_pgs", "floor_switch", 2},
    {"spawn and wait, to the floor of spawn", "spawn/one_by_one/workers:1", "floor_spawn", 0},
    {"spawn in bulk, to the floor of spawn", "spawn/bulk/workers:1", "floor_spawn", 3},
    {"... on two workers, to one", "spawn/bulk/workers:2", "spawn/bulk/workers:1", 0},
    {"a flood's message, to the floor of a message", "flood/h/workers:1", "floor_message", 0},
    {"skynet on two workers, to one", "skynet/h/workers:2", "skynet/h/workers:1", 0},
    {"a ping with its pong of 1,000, to a message", "big/h/workers:1", "pingpong/h/workers:1", 0},
    {"... on two workers, to one", "big/h/workers:2", "big/h/workers:1", 0},
    {"a call with its answer, to a message", "call/h/workers:1", "pingpong/h/workers:1", 0},
    {"... of blocking receives, to handlers", "call/b/workers:1", "call/h/workers:1", 0},
    {"... on two workers, to one", "call/h/workers:2", "call/h/workers:1", 0},
    {"a process for a call of fib, to the floor of spawn", "fib/h/workers:1", "floor_spawn", 0},
    {"... of blocking receives, to handlers", "fib/b/workers:1", "fib/h/workers:1", 0},
    {"... on two workers, to one", "fib/h/workers:2", "fib/h/workers:1", 0},
    {"a wake of the other worker, to a bare futex's", "wake/within/processors:2",
     "floor_futex_threads/asleep/processors:2", 1.2},
    {"... from a host thread", "wake/host/processors:2", "floor_futex_threads/asleep/processors:2", 0},
    {"... on the same processor", "wake/host/processors:1", "floor_futex_threads/asleep/processors:1", 0},
    {"a message from an OS process, to a bare ring's", "os_flood/up", "floor_ring", 3},
    {"a message to an OS process, to a bare ring's", "os_flood/down", "floor_ring", 3},
    {"... that sleeps, to a futex or eventfd", "os_pingpong/asleep/processors:2", "floor_futex/asleep/processors:2",
     1.5, "floor_eventfd/asleep/processors:2"},
    {"... on the same processor", "os_pingpong/asleep/processors:1", "floor_futex/asleep/processors:1", 1.5,
     "floor_eventfd/asleep/processors:1"},
    {"... in ping-pong, to a futex or eventfd", "os_pingpong/hub", "floor_futex", 1.5, "floor_eventfd"},
    {"between two OS processes, to one and the program", "os_pingpong/children", "os_pingpong/hub", 0},
    {"to an OS process by ZeroMQ, to ours: a flood", "peer_zeromq/flood", "os_flood/down", 0},
    {"... in ping-pong", "peer_zeromq/pingpong", "os_pingpong/hub", 0},
    {"spawn of an OS process to its first message, ms", "os_spawn/small", nullptr, 2},
    {"... from a program of 1 GB, ms", "os_spawn/big", nullptr, 2},
    {"... to that from a small one", "os_spawn/big", "os_spawn/small", 1.5},
};

class Reporter : public benchmark::ConsoleReporter
{
  public:
    Reporter() : ConsoleReporter(isatty(STDOUT_FILENO) ? OO_Color : OO_None)
    {
    }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs) {
            if (run.error_occurred) continue;
            bool median = run.run_type == Run::RT_Aggregate && run.aggregate_name == "median";
            if (!median && (run.run_type == Run::RT_Aggregate || run.repetitions > 1)) continue;
            /* In seconds, whatever the unit of the case. */
            times_[run.run_name.function_name + (run.run_name.args.empty() ? "" : "/" + run.run_name.args)] =
                run.GetAdjustedRealTime() / benchmark::GetTimeUnitMultiplier(run.time_unit);
        }
        ConsoleReporter::ReportRuns(runs);
    }

    void Finalize() override
    {
        ConsoleReporter::Finalize();
        std::printf("\n");
        for (const Ratio &ratio : ratios) {
            double over = time_of(ratio.over), under = ratio.under ? time_of(ratio.under) : 1e-3;
            double other = ratio.or_under ? time_of(ratio.or_under) : 0;
            if (other > 0 && (under == 0 || other < under)) under = other;
            if (over == 0 || under == 0) continue;
            std::printf("%-52s %6.2f", ratio.what, over / under);
            if (ratio.bar > 0) std::printf("   (at most %.1f)", ratio.bar);
            std::printf("\n");
        }
    }

  private:
    /* 0: it was not run. */
    double time_of(const char *name) const
    {
        auto found = times_.find(name);
        return found == times_.end() ? 0 : found->second;
    }

    std::map<std::string, double> times_;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc == 4 && std::strcmp(argv[1], "--child") == 0) {
        return bench::run_child(argv[2], static_cast<unsigned>(std::atoi(argv[3])));
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    Reporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
    return 0;
}
