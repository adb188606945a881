/* pingpong_bench.cc - two processes that send one message back and forth: the latency of a message when nothing else is
 * to be done.
 *
 *   pingpong/h      both handle ("ping", n) by a receiver, and send ("ping", n - 1)
 *   pingpong/b      both receive in the middle of their targets, each on a stack of its own
 *   pingpong/pairs  16 pairs of them at once, by receivers: what workers get done together that have nothing to do with
 *                   each other
 *
 * One operation is one message: building it from two values, finding the process by its pid, enqueueing, scheduling the
 * receiver, dispatch by the literal first element, the checked access to n, freeing.  Not included: starting the
 * runtime and the processes.  Whoever gets n = 0 reports to the main process, which checks that it is the right one, or
 * that they are. */
#include "support.h"

namespace
{

constexpr int64_t batch = 1000000;

struct Player {
    pg_pid peer, main;
    int64_t number;
};

void pass(pg_process *self, const Player *player, const pg_message *msg)
{
    int64_t left = pg_get_int(self, msg, 1);
    if (left > 0)
        pg_send(player->peer, "ping", left - 1);
    else
        pg_send(player->main, player->number);
}

void ping(pg_process *self, const pg_message *msg)
{
    pass(self, static_cast<const Player *>(pg_data(self)), msg);
}

void handling(pg_process *self)
{
    pg_set_data(self, bench::shared<Player>(self));
    pg_receive(self, ping, "ping", PG_INT);
}

void blocking(pg_process *self)
{
    const Player *player = bench::shared<Player>(self);
    const pg_message *msg;
    while (pg_recv(self, &msg, PG_FOREVER) == PG_OK) pass(self, player, msg);
}

void pingpong(benchmark::State &state, pg_target target)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    Player players[2];
    pg_pid pids[2];
    for (int i = 0; i < 2; i++) pids[i] = runtime.spawn(target, &players[i]);
    for (int i = 0; i < 2; i++) players[i] = {pids[1 - i], pg_self(runtime.main), i};
    int64_t hops = batch - 1; /* an odd number: the other one ends it */
    while (state.KeepRunningBatch(batch)) {
        pg_send(pids[0], "ping", hops);
        if (!bench::expect(state, runtime.answer() == 1, "the ping-pong ended at the wrong process")) break;
    }
    bench::count_items(state);
}

void pingpong_h(benchmark::State &state)
{
    pingpong(state, handling);
}
BENCH_WORKERS(pingpong_h, "pingpong/h");

void pingpong_b(benchmark::State &state)
{
    pingpong(state, blocking);
}
BENCH_WORKERS(pingpong_b, "pingpong/b");

constexpr int pairs = 16;

void pingpong_pairs(benchmark::State &state)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    Player players[2 * pairs];
    pg_pid pids[2 * pairs];
    for (int i = 0; i < 2 * pairs; i++) pids[i] = runtime.spawn(handling, &players[i]);
    for (int i = 0; i < 2 * pairs; i++) players[i] = {pids[i ^ 1], pg_self(runtime.main), i};
    constexpr int64_t hops = batch / 10 - 1; /* an odd number, as above */
    while (state.KeepRunningBatch(pairs * (hops + 1))) {
        int64_t sum = 0;
        for (int i = 0; i < pairs; i++) pg_send(pids[2 * i], "ping", hops);
        for (int i = 0; i < pairs; i++) sum += runtime.answer();
        if (!bench::expect(state, sum == pairs * pairs, "a ping-pong ended at the wrong process")) break;
    }
    bench::count_items(state);
}
BENCH_WORKERS(pingpong_pairs, "pingpong/pairs");

} // namespace
