/* support.h - what the benchmarks share: a runtime for the length of a case, results that are checked, and measurements
 * in a process of their own.
 *
 * One iteration of Google Benchmark is one operation (a message, a hop, a process): cases run them in batches, so that
 * the time shown is that of one operation, and starting a batch and hearing of its end is spread over all of it.  Times
 * are real times: the work is done by the runtime's threads, and not by the one that measures. */
#ifndef BENCHMARKS_SUPPORT_H
#define BENCHMARKS_SUPPORT_H

#include <benchmark/benchmark.h>
#include <paragram.h>
#include <sched.h>

#include <cstdint>
#include <map>
#include <string>

namespace bench
{

/* A runtime of so many workers, and the process that stands for the measuring thread.  A process that fails, and nobody
 * is linked to, makes failed() true. */
class Runtime
{
  public:
    explicit Runtime(unsigned workers);
    ~Runtime();
    Runtime(const Runtime &) = delete;
    Runtime &operator=(const Runtime &) = delete;

    pg_runtime *rt = nullptr;
    pg_process *main = nullptr;

    bool failed() const;

    /* Spawns a process whose only argument is a pointer, by which it finds what it shares with the case. */
    pg_pid spawn(pg_target target, void *shared);

    /* Waits for a message of the main process, and gives the int at `index`; -1 after 60 s or a failure. */
    int64_t answer(size_t index = 0);

    /* Waits until `n` processes have ended since the start; false after 60 s or a failure. */
    bool ended(uint64_t n);

  private:
    static void log(void *context, pg_log_level level, const char *line);
    bool failed_ = false;
};

/* The pointer that Runtime::spawn() gave to a target. */
template <class T> T *shared(pg_process *self)
{
    return static_cast<T *>(pg_get_ptr(self, pg_args(self), 0));
}

/* Ends the case with an error unless `ok`; returns it. */
inline bool expect(benchmark::State &state, bool ok, const char *what)
{
    if (!ok) state.SkipWithError(what);
    return ok;
}

/* Shows the rate of operations beside the time of one. */
inline void count_items(benchmark::State &state)
{
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

/* Seconds of the monotonic clock; resident memory of this process in bytes, now and at its peak; its page tables. */
double seconds();
double resident();
double peak_resident();
double page_tables();

/* The same clock in nanoseconds; it is that of all processes.  Sleeps. */
int64_t nanoseconds();
void nap(int64_t ns);

/* Binds the calling thread to the first, or second, of the processors that the program may use. */
void pin(int64_t which);

/* The arguments of a case that is run with several numbers of workers: 1, 2, and, where there are more processors than
 * that, each further power of two, and as many as there are. */
void each_number_of_workers(benchmark::internal::Benchmark *registered);

/* Tells the processor that the thread waits in a loop. */
inline void relax()
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The calling thread on the first processor, for a while. */
class Pinned
{
  public:
    Pinned();
    ~Pinned();
    Pinned(const Pinned &) = delete;
    Pinned &operator=(const Pinned &) = delete;

  private:
    cpu_set_t before_;
};

/* A ping-pong in which all sleep: how long each side pauses before it sends, and how often it does so in an iteration.
 * The sides are bound to one processor or to two, as state.range(0) says.  Where there is only one way, it is gone
 * twice as often.
 * One operation of such a case is one way, and its time, manual, the median of `count` of them in nanoseconds. */
constexpr int64_t sleepy_pause = 500000;
constexpr int sleepy_rounds = 500;
void show_median(benchmark::State &state, int64_t *taken, int count);

/* Figures of a measurement in a process of its own, where memory that an earlier case has left behind does not blur
 * them.  The child is this program, started anew with the name of the measurement; it finds its function in
 * `children`. */
using Figures = std::map<std::string, double>;
using Child = bool (*)(unsigned workers, Figures &figures); /* false: the result is wrong */
void add_child(const char *name, Child run);
bool measure_in_child(const char *name, unsigned workers, Figures &figures);

/* What main() does when it was started as a child. */
int run_child(const char *name, unsigned workers);

} // namespace bench

/* Registers a case for each number of workers. */
#define BENCH_EACH_WORKERS(f, name) BENCHMARK(f)->Name(name)->Apply(bench::each_number_of_workers)
#define BENCH_WORKERS(f, name) BENCH_EACH_WORKERS(f, name)->UseRealTime()->MeasureProcessCPUTime()

/* Registers a ping-pong with pauses: on one processor and on two, or only on two. */
#define BENCH_SLEEPY_ON(f, name) \
    BENCHMARK(f)->Name(name)->ArgName("processors")->UseManualTime()->Iterations(2 * bench::sleepy_rounds)
#define BENCH_SLEEPY(f, name) BENCH_SLEEPY_ON(f, name)->Arg(1)->Arg(2)
#define BENCH_SLEEPY_APART(f, name) BENCH_SLEEPY_ON(f, name)->Arg(2)

#endif
