/* fib_bench.cc - fib(25) with a process for each call: each spawns two, waits for both results, and ends.
 *
 *   fib/h   a receiver adds the results up; the caller is at rest meanwhile
 *   fib/b   the caller receives twice in its target, and keeps a stack for that long
 *
 * One operation is one call, of 242,785: spawn with two arguments, the message with the result, the end.  There is no
 * cut-off: half of the calls do nothing but send 0 or 1. */
#include <cstdlib>

#include "support.h"

namespace
{

constexpr int64_t number = 25, result = 75025, calls = 242785;

void spawn_call(pg_process *self, pg_target target, int64_t n)
{
    auto args = pg_tuple(self, n);
    pg_spawn_options options = pg_spawn_options();
    options.args = args;
    if (pg_pid_status(pg_spawn(self, target, options)) != PG_OK) pg_fail(self, "a call could not be spawned");
}

/* ---------------------------------------------------------------------------------------------------- by receivers */

struct Sum {
    pg_pid caller;
    int64_t sum;
    int missing;
};

void add(pg_process *self, const pg_message *msg)
{
    Sum *s = static_cast<Sum *>(pg_data(self));
    s->sum += pg_get_int(self, msg, 1);
    if (--s->missing > 0) return;
    pg_send(s->caller, "result", s->sum);
    pg_exit(self);
}

void handling(pg_process *self)
{
    pg_pid caller = pg_get_pid(self, pg_args(self), 0);
    int64_t n = pg_get_int(self, pg_args(self), 1);
    if (n < 2) {
        pg_send(caller, "result", n);
        return;
    }
    Sum *s = static_cast<Sum *>(std::malloc(sizeof *s));
    if (!s) pg_fail(self, "no memory for a sum");
    pg_defer(self, std::free, s);
    *s = {caller, 0, 2};
    pg_set_data(self, s);
    pg_receive(self, add, "result", PG_INT);
    spawn_call(self, handling, n - 1);
    spawn_call(self, handling, n - 2);
}

/* ------------------------------------------------------------------------------------------------------ by receives */

int64_t receive_result(pg_process *self)
{
    const pg_message *msg;
    if (pg_recv(self, &msg, PG_FOREVER) != PG_OK) pg_fail(self, "no result was received");
    return pg_get_int(self, msg, 1);
}

void blocking(pg_process *self)
{
    pg_pid caller = pg_get_pid(self, pg_args(self), 0);
    int64_t n = pg_get_int(self, pg_args(self), 1);
    if (n >= 2) {
        spawn_call(self, blocking, n - 1);
        spawn_call(self, blocking, n - 2);
        n = receive_result(self);
        n += receive_result(self);
    }
    pg_send(caller, "result", n);
}

void fib(benchmark::State &state, pg_target target)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    uint64_t ended = 0;
    while (state.KeepRunningBatch(calls)) {
        spawn_call(runtime.main, target, number);
        ended += calls;
        bool right = runtime.answer(1) == result && runtime.ended(ended);
        if (!bench::expect(state, right, "the sum is wrong, or not every call has ended")) break;
    }
    bench::count_items(state);
}

void fib_h(benchmark::State &state)
{
    fib(state, handling);
}
BENCH_WORKERS(fib_h, "fib/h");

void fib_b(benchmark::State &state)
{
    fib(state, blocking);
}
BENCH_WORKERS(fib_b, "fib/b");

} // namespace
