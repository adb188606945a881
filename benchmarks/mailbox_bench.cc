/* mailbox_bench.cc - a selective receive while 100,000 messages lie in the mailbox that do not match.
 *
 *   mailbox_long/b   a helper is asked, with a fresh reference, and its answer received by pg_recv_match()
 *
 * One operation is such a question and answer, of 100.  The first walks over all 100,000, some 6 MB of messages; the
 * others ask for references that are newer than those messages, and pass over them.  Not included: filling the
 * mailbox.  In the end all 100,000 are received, and must come in their order. */
#include "support.h"

namespace
{

constexpr int64_t waiting = 100000, batch = 100;

struct Mailbox {
    pg_pid helper, main;
};

void help(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), pg_get_ref(self, msg, 2), pg_get_int(self, msg, 3) + 1);
}

void helper(pg_process *self)
{
    pg_receive(self, help, "ask", PG_PID, PG_REF, PG_INT);
}

/* What the helper answers to 1, 2, ..., added up. */
int64_t ask(pg_process *self, pg_pid helper, int64_t times)
{
    int64_t sum = 0;
    for (int64_t i = 1; i <= times; i++) {
        const pg_message *msg;
        pg_ref ref = pg_make_ref();
        pg_send(helper, "ask", self, ref, i);
        if (pg_recv_match(self, &msg, PG_FOREVER, ref, PG_INT) != PG_OK) pg_fail(self, "no answer was received");
        sum += pg_get_int(self, msg, 1);
    }
    return sum;
}

/* How many messages are there in their order. */
int64_t drain(pg_process *self)
{
    const pg_message *msg;
    int64_t n = 0;
    while (pg_recv(self, &msg, 0) == PG_OK && pg_get_int(self, msg, 1) == n) n++;
    return n;
}

/* Fills its mailbox, and then does what the main process says: asks so many times, or, for 0, drains it. */
void asker(pg_process *self)
{
    const Mailbox *mailbox = bench::shared<Mailbox>(self);
    const pg_message *msg;
    for (int64_t i = 0; i < waiting; i++) pg_send(pg_self(self), "waiting", i);
    pg_send(mailbox->main, 0);
    while (pg_recv_match(self, &msg, PG_FOREVER, "ask", PG_INT) == PG_OK) {
        int64_t times = pg_get_int(self, msg, 1);
        pg_send(mailbox->main, times > 0 ? ask(self, mailbox->helper, times) : drain(self));
        if (times == 0) return;
    }
}

void mailbox_long_b(benchmark::State &state)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    Mailbox mailbox = {runtime.spawn(helper, nullptr), pg_self(runtime.main)};
    pg_pid pid = runtime.spawn(asker, &mailbox);
    if (!bench::expect(state, runtime.answer() == 0, "the mailbox was not filled")) return;
    while (state.KeepRunningBatch(batch)) {
        pg_send(pid, "ask", batch);
        if (!bench::expect(state, runtime.answer() == batch * (batch + 3) / 2, "an answer is wrong")) return;
    }
    pg_send(pid, "ask", 0);
    bench::expect(state, runtime.answer() == waiting, "what was waiting is not as it was sent");
    bench::count_items(state);
}
BENCH_WORKERS(mailbox_long_b, "mailbox_long/b");

} // namespace
