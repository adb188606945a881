/* ring_bench.cc - 503 processes in a ring pass one message on: what a message costs when the process that it goes to
 * has left the first cache.
 *
 *   ring/h   by receivers; ring/b by receives in the middle of their targets, 503 stacks
 *
 * One operation is one hop, with all that pingpong_bench.cc says of a message.  Where the message ends tells whether it
 * has made every hop. */
#include <vector>

#include "support.h"

namespace
{

constexpr int64_t members = 503, batch = 1000000;

struct Member {
    pg_pid next, main;
    int64_t number;
};

void pass(pg_process *self, const Member *member, const pg_message *msg)
{
    int64_t left = pg_get_int(self, msg, 1);
    if (left > 0)
        pg_send(member->next, "hop", left - 1);
    else
        pg_send(member->main, member->number);
}

void hop(pg_process *self, const pg_message *msg)
{
    pass(self, static_cast<const Member *>(pg_data(self)), msg);
}

void handling(pg_process *self)
{
    pg_set_data(self, bench::shared<Member>(self));
    pg_receive(self, hop, "hop", PG_INT);
}

void blocking(pg_process *self)
{
    const Member *member = bench::shared<Member>(self);
    const pg_message *msg;
    while (pg_recv(self, &msg, PG_FOREVER) == PG_OK) pass(self, member, msg);
}

void ring(benchmark::State &state, pg_target target)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    std::vector<Member> ring(members);
    std::vector<pg_pid> pids;
    for (auto &member : ring) pids.push_back(runtime.spawn(target, &member));
    for (int64_t i = 0; i < members; i++) {
        ring[static_cast<size_t>(i)] = {pids[static_cast<size_t>((i + 1) % members)], pg_self(runtime.main), i};
    }
    while (state.KeepRunningBatch(batch)) {
        pg_send(pids[0], "hop", batch - 1);
        if (!bench::expect(state, runtime.answer() == (batch - 1) % members, "a hop was lost")) break;
    }
    bench::count_items(state);
}

void ring_h(benchmark::State &state)
{
    ring(state, handling);
}
BENCH_WORKERS(ring_h, "ring/h");

void ring_b(benchmark::State &state)
{
    ring(state, blocking);
}
BENCH_WORKERS(ring_b, "ring/b");

} // namespace
