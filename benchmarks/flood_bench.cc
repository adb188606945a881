/* flood_bench.cc - ten processes that send 1,000,000 messages each to one, which counts them.
 *
 *   flood/h   the senders do nothing else, and give way only when the runtime makes them (paragram.h, pg_send_values).
 *             With two workers it takes them to the worker of their receiver
 *   flow/h    the senders yield every 100 messages
 *
 * One operation is one message.  Included: spawning ten senders for each ten million messages.  The receiver counts,
 * and adds up what it gets; both are checked. */
#include "support.h"

namespace
{

constexpr int64_t senders = 10, each = 1000000;

struct Flood {
    pg_pid receiver, main;
    int64_t yield_every; /* 0: never */
    int64_t count, sum;  /* the receiver's */
};

void take(pg_process *self, const pg_message *msg)
{
    Flood *flood = static_cast<Flood *>(pg_data(self));
    flood->sum += pg_get_int(self, msg, 1);
    if (++flood->count < senders * each) return;
    pg_send(flood->main, flood->sum);
    flood->count = flood->sum = 0;
}

void receiver(pg_process *self)
{
    pg_set_data(self, bench::shared<Flood>(self));
    pg_receive(self, take, "item", PG_INT);
}

void sender(pg_process *self)
{
    const Flood *flood = bench::shared<Flood>(self);
    for (int64_t i = 1; i <= each; i++) {
        if (pg_send(flood->receiver, "item", i) != PG_OK) pg_fail(self, "a message was refused");
        if (flood->yield_every != 0 && i % flood->yield_every == 0) pg_yield(self);
    }
}

void flood(benchmark::State &state, int64_t yield_every)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    Flood flood = {pg_pid(), pg_self(runtime.main), yield_every, 0, 0};
    flood.receiver = runtime.spawn(receiver, &flood);
    while (state.KeepRunningBatch(senders * each)) {
        for (int64_t i = 0; i < senders; i++) runtime.spawn(sender, &flood);
        bool right = runtime.answer() == senders * (each * (each + 1) / 2);
        if (!bench::expect(state, right, "messages were lost")) break;
    }
    bench::count_items(state);
}

void flood_h(benchmark::State &state)
{
    flood(state, 0);
}
BENCH_WORKERS(flood_h, "flood/h");

void flow_h(benchmark::State &state)
{
    flood(state, 100);
}
BENCH_WORKERS(flow_h, "flow/h");

} // namespace
