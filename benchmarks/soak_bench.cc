/* soak_bench.cc - whether memory stands still while messages and processes come and go, for as many seconds as
 * PARAGRAM_BENCH_SOAK says (tools/bench --soak); without it nothing is run.  Each in a program of its own.
 *
 *   soak/flow    ten processes send to one, and yield every 100 messages: flow/h, without an end
 *   soak/churn   1,000,000 processes at rest with two receivers each, and 10,000 more spawned in each second.  As many
 *                end: by themselves or failing while linked, with messages left or without, having received in the
 *                middle of their targets or not.  Every fifth stays, and one at rest, at random, goes for it
 *
 * The time is that of the whole.  The figures are
 *   MB         resident memory at its highest in the first sixth of the time, which is for warming up
 *   end_MB     resident memory at the end
 *   grown_MB   resident memory at its highest after the first sixth, above MB: more than `bound` is an error
 *   rate       messages, or processes that have ended, per second
 *
 * That every message arrives is checked, and that those who are to end do and no others. */
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "support.h"

namespace
{

/* How long, in seconds; 0: it is not wanted. */
double duration()
{
    const char *wanted = std::getenv("PARAGRAM_BENCH_SOAK");
    return wanted ? std::atof(wanted) : 0;
}

/* What `grown_MB` may be: 2 % of what there was, or 8 MB.  In a minute of churn these are 16 bytes, the least that an
 * allocator gives, for each process; in one of flow, a message of 10,000.  The caches of blocks and the allocator keep
 * less than that back, now and then. */
double bound(double MB)
{
    return std::max(8.0, MB / 50);
}

/* Looks at the resident memory every second, and 60 times at least, until the time is over or a gigabyte has come
 * together, which is enough to know; false after a failure. */
bool watch(const bench::Runtime &runtime, bench::Figures &figures)
{
    double begin = bench::seconds(), length = duration(), pause = std::min(1.0, length / 60), passed = 0;
    double first = bench::resident() / 1e6, warm = first, highest = 0, now = first;
    while (passed < length && now - first < 1000 && !runtime.failed()) {
        bench::nap(static_cast<int64_t>(pause * 1e9));
        now = bench::resident() / 1e6;
        passed = bench::seconds() - begin;
        double &sample = passed <= length / 6 ? warm : highest;
        sample = std::max(sample, now);
    }
    if (passed < length / 6) warm = first; /* it was not for warming up */
    figures["MB"] = warm;
    figures["end_MB"] = now;
    figures["grown_MB"] = std::max(highest, now) - warm;
    figures["seconds"] = passed;
    return !runtime.failed();
}

/* ------------------------------------------------------------------------------------------------------------ flow */

constexpr int64_t senders = 10, yield_every = 100;

struct Flow {
    pg_pid receiver, main;
    std::atomic<bool> over{false};
    int64_t count = 0, sum = 0, done = 0; /* the receiver's */
};

void take(pg_process *self, const pg_message *msg)
{
    Flow *flow = static_cast<Flow *>(pg_data(self));
    flow->count++;
    flow->sum += pg_get_int(self, msg, 1);
}

/* A sender has sent 1, 2, ... up to the number in the message: taken away again, nothing must be left in the end. */
void done(pg_process *self, const pg_message *msg)
{
    Flow *flow = static_cast<Flow *>(pg_data(self));
    int64_t last = pg_get_int(self, msg, 1);
    flow->sum -= last * (last + 1) / 2;
    if (++flow->done == senders) pg_send(flow->main, flow->sum, flow->count);
}

void receiver(pg_process *self)
{
    pg_set_data(self, bench::shared<Flow>(self));
    pg_receive(self, take, "item", PG_INT);
    pg_receive(self, done, "done", PG_INT);
}

void sender(pg_process *self)
{
    const Flow *flow = bench::shared<Flow>(self);
    int64_t last = 0;
    while (!flow->over.load(std::memory_order_relaxed)) {
        for (int64_t i = 0; i < yield_every; i++) {
            if (pg_send(flow->receiver, "item", ++last) != PG_OK) pg_fail(self, "a message was refused");
        }
        pg_yield(self);
    }
    pg_send(flow->receiver, "done", last);
}

bool flow_child(unsigned workers, bench::Figures &figures)
{
    bench::Runtime runtime(workers);
    Flow flow;
    flow.main = pg_self(runtime.main);
    flow.receiver = runtime.spawn(receiver, &flow);
    for (int64_t i = 0; i < senders; i++) runtime.spawn(sender, &flow);
    bool right = watch(runtime, figures);
    flow.over = true;
    right = right && runtime.answer() == 0;
    figures["rate"] = static_cast<double>(flow.count) / figures["seconds"];
    return right;
}

/* ----------------------------------------------------------------------------------------------------------- churn */

constexpr int64_t residents = 1000000, per_second = 10000;

struct Town {
    pg_pid main;
    std::vector<pg_pid> all; /* who live there */
    std::atomic<bool> over{false};
    double begin = 0;
    int64_t spawned = 0;            /* since then */
    int64_t answers = 0, exits = 0; /* that are to come */
    int64_t left_over = 0;          /* messages that were accepted, and that nobody will handle */
    std::vector<pg_pid> blocked;    /* who wait for a message until the next tick */
    uint64_t random = 88172645463325252;
};

Town *town_of(pg_process *self)
{
    return static_cast<Town *>(pg_data(self));
}

void give(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), "answer");
}

void go_away(pg_process *self, const pg_message *)
{
    pg_exit(self);
}

void resident(pg_process *self)
{
    pg_receive(self, give, "ask", PG_PID, PG_STR);
    pg_receive(self, go_away, "go away");
}

void give_and_go(pg_process *self, const pg_message *msg)
{
    give(self, msg);
    pg_exit(self);
}

void guest(pg_process *self)
{
    pg_receive(self, give_and_go, "ask", PG_PID, PG_STR);
}

/* Blocks on a stack of its own, and has something to clean up. */
void blocking_guest(pg_process *self)
{
    const pg_message *msg;
    void *luggage = std::malloc(1000);
    if (!luggage || pg_defer(self, std::free, luggage) != PG_OK) pg_fail(self, "no memory for the luggage");
    if (pg_recv(self, &msg, PG_FOREVER) == PG_OK) give(self, msg);
}

void fail(pg_process *self, const pg_message *)
{
    pg_fail(self, "this one was to fail");
}

void failing_guest(pg_process *self)
{
    pg_receive(self, fail, "ask", PG_PID, PG_STR);
}

/* Who lets them come and go.  The first to fail fails the case. */

pg_pid spawn(pg_process *self, pg_target target, const char *name, bool linked)
{
    pg_spawn_options options = pg_spawn_options();
    options.name = name;
    pg_pid pid = linked ? pg_spawn_link(self, target, options) : pg_spawn(self, target, options);
    if (pg_pid_status(pid) != PG_OK) pg_fail(self, "spawn: %s", pg_strerror(pg_pid_status(pid)));
    return pid;
}

int ask(pg_process *self, pg_pid pid)
{
    return pg_send(pid, "ask", self, "a string, so that the message is of another size than most");
}

/* One at rest, at random (xorshift), goes, and another one stays. */
void move(pg_process *self, Town *town)
{
    town->random ^= town->random << 13;
    town->random ^= town->random >> 7;
    town->random ^= town->random << 17;
    pg_pid &one = town->all[town->random % town->all.size()];
    if (pg_send(one, "go away") != PG_OK) pg_fail(self, "one that was at rest has ended");
    one = spawn(self, resident, nullptr, false);
}

void spawn_one(pg_process *self, Town *town, int64_t number)
{
    pg_pid pid;
    switch (number % 5) {
    case 0: move(self, town); break;
    case 1:
        ask(self, spawn(self, guest, nullptr, false));
        town->answers++;
        break;
    case 2:
        town->blocked.push_back(spawn(self, blocking_guest, "one that blocks", false));
        town->answers++;
        break;
    case 3:
        ask(self, spawn(self, failing_guest, "one that fails", true));
        town->exits++;
        break;
    default: /* it ends with messages left */
        pid = spawn(self, resident, nullptr, false);
        pg_send(pid, "go away");
        for (int i = 0; i < 3; i++) town->left_over += ask(self, pid) == PG_OK;
    }
}

/* Spawns those that are due, pauses, in which those that block do so, and goes on behind the answers and exits that
 * have come meanwhile.  When it is over, and all of these have come, it reports. */
void tick(pg_process *self, const pg_message *)
{
    Town *town = town_of(self);
    bool over = town->over.load(std::memory_order_relaxed);
    for (pg_pid pid : town->blocked) ask(self, pid);
    town->blocked.clear();
    if (over && town->answers == 0 && town->exits == 0) {
        pg_send(town->main, town->spawned);
        return;
    }
    int64_t due = static_cast<int64_t>((bench::seconds() - town->begin) * per_second);
    while (!over && town->spawned < due) spawn_one(self, town, town->spawned++);
    pg_sleep(self, PG_MS(1));
    pg_send(pg_self(self), "tick");
}

void answered(pg_process *self, const pg_message *)
{
    town_of(self)->answers--;
}

void exited(pg_process *self, const pg_message *msg)
{
    pg_exit_info exit;
    pg_get_exit(self, msg, 0, &exit);
    if (exit.kind != PG_EXIT_FAILED) pg_fail(self, "one that was to fail has ended otherwise");
    town_of(self)->exits--;
}

void keeper(pg_process *self)
{
    Town *town = bench::shared<Town>(self);
    pg_set_data(self, town);
    pg_receive(self, answered, "answer");
    pg_receive(self, exited, PG_EXIT, PG_PID);
    pg_receive(self, tick, "tick");
    for (int64_t i = 0; i < residents; i++) town->all.push_back(spawn(self, resident, nullptr, false));
    town->begin = bench::seconds();
    pg_send(town->main, 0);
    pg_send(pg_self(self), "tick");
}

bool churn_child(unsigned workers, bench::Figures &figures)
{
    bench::Runtime runtime(workers);
    Town town;
    town.main = pg_self(runtime.main);
    runtime.spawn(keeper, &town);
    if (runtime.answer() != 0 || !watch(runtime, figures)) return false;
    town.over = true;
    int64_t spawned = runtime.answer();
    if (spawned < 0 || !runtime.ended(static_cast<uint64_t>(spawned))) return false;
    figures["rate"] = static_cast<double>(spawned) / figures["seconds"];
    pg_stats stats;
    pg_get_stats(runtime.rt, &stats);
    if (stats.dropped < static_cast<uint64_t>(town.left_over)) { /* some are counted a little later */
        bench::nap(PG_SECONDS(1));
        pg_get_stats(runtime.rt, &stats);
    }
    return stats.alive == residents + 2 && stats.dropped == static_cast<uint64_t>(town.left_over);
}

/* ----------------------------------------------------------------------------------------------------- the cases */

const bool added = (bench::add_child("soak_flow", flow_child), bench::add_child("soak_churn", churn_child), true);

void soak(benchmark::State &state, const char *child)
{
    bench::Figures figures;
    if (duration() <= 0) {
        state.SkipWithError("takes a minute: set PARAGRAM_BENCH_SOAK=60, or to other seconds, to run it");
        return;
    }
    for (auto _ : state) {
        bool right = bench::measure_in_child(child, static_cast<unsigned>(state.range(0)), figures);
        if (!bench::expect(state, right, "a message or a process was lost")) return;
    }
    for (const char *name : {"MB", "end_MB", "grown_MB", "rate"}) state.counters[name] = figures[name];
    if (figures["grown_MB"] > bound(figures["MB"])) {
        char text[128];
        std::snprintf(text, sizeof text, "resident memory has grown by %.1f MB from %.1f MB", figures["grown_MB"],
                      figures["MB"]);
        state.SkipWithError(text);
    }
}

void soak_flow(benchmark::State &state)
{
    soak(state, "soak_flow");
}
BENCH_EACH_WORKERS(soak_flow, "soak/flow")->UseRealTime()->Iterations(1)->Unit(benchmark::kMillisecond);

void soak_churn(benchmark::State &state)
{
    soak(state, "soak_churn");
}
BENCH_EACH_WORKERS(soak_churn, "soak/churn")->UseRealTime()->Iterations(1)->Unit(benchmark::kMillisecond);

} // namespace
