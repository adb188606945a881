/* wake_bench.cc - a message that meets a runtime asleep, or the other one of its workers: from before pg_send() until
 * the handler runs.  floor_futex_threads/asleep (os_bench.cc) is what it is to be compared with.
 *
 *   wake/host     from a host thread to a runtime of one worker, which has been asleep for half a millisecond.  The two
 *                 threads are bound to one processor, or each to its own
 *   wake/within   from one process to another, where the worker that is free for it has been asleep for that long, on
 *                 the other processor.  The sender sends to two, and goes on computing: the one sent to last is its own
 *                 worker's, to run next, and the first is there for whoever is woken.  That is the one which is
 *                 measured.  It cannot run on the sender's worker, which the sender does not leave before it has
 *   wake/alone    the same where the sender sends to that one only: nobody is woken for what a worker is to run next,
 *                 and it is the monitor that finds, by its second look, that the sender stays.  The price of not waking
 *                 a core for each message that is about to be handled anyway
 *   wake/any      from a host thread to a runtime of so many workers, all of them asleep and none of them bound: what
 *                 it adds to a wake that there are many who could be woken
 *
 * One operation is one way, the median of 1,000, of 100 for wake/alone.  Included: building, the look-up, the queue,
 * waking, the search of the worker that was woken.  Not included: the pauses.  The messages carry their numbers, and
 * have to come in order. */
#include <atomic>

#include "support.h"

namespace
{

constexpr int64_t ways_max = 2 * bench::sleepy_rounds, ways_alone = 100;

struct Wake {
    pg_pid sleeper, bystander, main;
    int64_t ways; /* in a run */
    int64_t taken[ways_max];
    std::atomic<int64_t> handled{0}, pinned{0}; /* messages of a run, workers */
};

Wake *wake_of(pg_process *self)
{
    return static_cast<Wake *>(pg_data(self));
}

void note(pg_process *self, const pg_message *msg)
{
    int64_t now = bench::nanoseconds(), number = pg_get_int(self, msg, 1);
    Wake *wake = wake_of(self);
    if (number != wake->handled.load(std::memory_order_relaxed)) pg_fail(self, "a message came out of turn");
    wake->taken[number] = now - pg_get_int(self, msg, 2);
    wake->handled.store(number + 1, std::memory_order_release);
}

/* Waits, without sleeping, until `what` is `count`; false after a second. */
bool becomes(const std::atomic<int64_t> &what, int64_t count)
{
    int64_t deadline = bench::nanoseconds() + PG_SECONDS(1);
    while (what.load(std::memory_order_acquire) != count) {
        if (bench::nanoseconds() > deadline) return false;
        bench::relax();
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------- from a host thread */

void note_and_tell(pg_process *self, const pg_message *msg)
{
    note(self, msg);
    pg_send(wake_of(self)->main, wake_of(self)->handled.load(std::memory_order_relaxed));
}

void pin_worker(pg_process *self, const pg_message *msg)
{
    bench::pin(pg_get_int(self, msg, 1));
    pg_send(wake_of(self)->main, 0);
}

void told(pg_process *self)
{
    pg_set_data(self, bench::shared<Wake>(self));
    pg_receive(self, note_and_tell, "wake", PG_INT, PG_INT);
    pg_receive(self, pin_worker, "pin", PG_INT);
}

void run_from_host(benchmark::State &state, bench::Runtime &runtime, Wake &wake)
{
    while (state.KeepRunningBatch(ways_max)) {
        bool right = true;
        wake.handled = 0;
        for (int64_t i = 0; right && i < ways_max; i++) {
            bench::nap(bench::sleepy_pause);
            pg_send(wake.sleeper, "wake", i, bench::nanoseconds());
            right = runtime.answer() == i + 1;
        }
        if (!bench::expect(state, right, "a message was not handled")) break;
        bench::show_median(state, wake.taken, static_cast<int>(ways_max));
    }
}

void wake_host(benchmark::State &state)
{
    bench::Runtime runtime(1);
    Wake wake;
    wake.main = pg_self(runtime.main);
    wake.sleeper = runtime.spawn(told, &wake);
    pg_send(wake.sleeper, "pin", state.range(0) - 1);
    bool pinned = runtime.answer() == 0;
    bench::Pinned here;
    if (bench::expect(state, pinned, "the worker was not bound")) run_from_host(state, runtime, wake);
}
BENCH_SLEEPY(wake_host, "wake/host");

void wake_any(benchmark::State &state)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    Wake wake;
    wake.main = pg_self(runtime.main);
    wake.sleeper = runtime.spawn(told, &wake);
    run_from_host(state, runtime, wake);
}
BENCH_EACH_WORKERS(wake_any, "wake/any")->UseManualTime()->Iterations(ways_max);

/* ---------------------------------------------------------------------------------------------- within the runtime */

void ignore(pg_process *, const pg_message *)
{
}

void sleeper(pg_process *self)
{
    pg_set_data(self, bench::shared<Wake>(self));
    pg_receive(self, note, "wake", PG_INT, PG_INT);
}

void bystander(pg_process *self)
{
    pg_receive(self, ignore, "wake", PG_INT);
}

/* One of two that keep a worker each until both are there. */
void pinner(pg_process *self)
{
    Wake *wake = bench::shared<Wake>(self);
    bench::pin(wake->pinned.fetch_add(1));
    if (!becomes(wake->pinned, 2)) pg_fail(self, "there is only one worker");
    pg_send(wake->main, 0);
}

void sender(pg_process *self)
{
    Wake *wake = bench::shared<Wake>(self);
    const pg_message *msg;
    while (pg_recv(self, &msg, PG_FOREVER) == PG_OK) {
        wake->handled = 0;
        for (int64_t i = 0; i < wake->ways; i++) {
            pg_sleep(self, bench::sleepy_pause);
            pg_send(wake->sleeper, "wake", i, bench::nanoseconds());
            if (wake->bystander.id != 0) pg_send(wake->bystander, "wake", i);
            if (!becomes(wake->handled, i + 1)) pg_fail(self, "a message was not handled");
        }
        pg_send(wake->main, wake->ways);
    }
}

void run_within(benchmark::State &state, int64_t ways, bool alone)
{
    bench::Runtime runtime(2);
    Wake wake;
    wake.main = pg_self(runtime.main);
    wake.ways = ways;
    for (int i = 0; i < 2; i++) runtime.spawn(pinner, &wake);
    bool right = runtime.answer() == 0 && runtime.answer() == 0;
    wake.sleeper = runtime.spawn(sleeper, &wake);
    wake.bystander = alone ? pg_pid() : runtime.spawn(bystander, nullptr);
    pg_pid pid = runtime.spawn(sender, &wake);
    while (state.KeepRunningBatch(ways)) {
        pg_send(pid, "begin");
        right = right && runtime.answer() == ways;
        if (!bench::expect(state, right, "a message was not handled")) break;
        bench::show_median(state, wake.taken, static_cast<int>(ways));
    }
}

void wake_within(benchmark::State &state)
{
    run_within(state, ways_max, false);
}
BENCH_SLEEPY_APART(wake_within, "wake/within");

void wake_alone(benchmark::State &state)
{
    run_within(state, ways_alone, true);
}
BENCH_SLEEPY_APART(wake_alone, "wake/alone")->Iterations(ways_alone);

} // namespace
