/* big_bench.cc - 1,000 processes, all to all: each sends a ping to each other one, and answers each ping by a pong.
 *
 *   big/h   by receivers
 *
 * One operation is a ping with its pong: two messages.  A process sends its 999 pings in one turn, so mailboxes get
 * long, and what it sends to, and who it answers, has left the first caches.  Not included: spawning.  A ping carries
 * its sender's number, a pong the sum of both numbers; what a process has got is added up by one more, the referee,
 * which says when all have all their pongs. */
#include <vector>

#include "support.h"

namespace
{

constexpr int64_t members = 1000, pings = members * (members - 1);

struct Crowd {
    pg_pid referee, main;
    std::vector<pg_pid> pids;
    int64_t missing, sum; /* the referee's */
};

struct Member {
    const Crowd *crowd;
    int64_t number, missing, sum;
};

Member *member_of(pg_process *self)
{
    return static_cast<Member *>(pg_data(self));
}

void start(pg_process *self, const pg_message *)
{
    Member *me = member_of(self);
    me->missing = members - 1;
    me->sum = 0;
    for (pg_pid pid : me->crowd->pids) {
        if (!pg_same(pid, pg_self(self))) pg_send(pid, "ping", self, me->number);
    }
}

void ping(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), "pong", pg_get_int(self, msg, 2) + member_of(self)->number);
}

void pong(pg_process *self, const pg_message *msg)
{
    Member *me = member_of(self);
    me->sum += pg_get_int(self, msg, 1);
    if (--me->missing == 0) pg_send(me->crowd->referee, "done", me->sum);
}

void member(pg_process *self)
{
    pg_set_data(self, bench::shared<Member>(self));
    pg_receive(self, ping, "ping", PG_PID, PG_INT);
    pg_receive(self, pong, "pong", PG_INT);
    pg_receive(self, start, "start");
}

void start_all(pg_process *self, const pg_message *)
{
    Crowd *crowd = static_cast<Crowd *>(pg_data(self));
    crowd->missing = members;
    crowd->sum = 0;
    for (pg_pid pid : crowd->pids) pg_send(pid, "start");
}

void done(pg_process *self, const pg_message *msg)
{
    Crowd *crowd = static_cast<Crowd *>(pg_data(self));
    crowd->sum += pg_get_int(self, msg, 1);
    if (--crowd->missing == 0) pg_send(crowd->main, crowd->sum);
}

void referee(pg_process *self)
{
    pg_set_data(self, bench::shared<Crowd>(self));
    pg_receive(self, done, "done", PG_INT);
    pg_receive(self, start_all, "start");
}

void big_h(benchmark::State &state)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    Crowd crowd = {pg_pid(), pg_self(runtime.main), {}, 0, 0};
    std::vector<Member> all;
    for (int64_t i = 0; i < members; i++) all.push_back({&crowd, i, 0, 0});
    for (Member &one : all) crowd.pids.push_back(runtime.spawn(member, &one));
    crowd.referee = runtime.spawn(referee, &crowd);
    while (state.KeepRunningBatch(pings)) {
        pg_send(crowd.referee, "start");
        /* Each number stands in 999 pongs that its process gets, and in 999 that it sends. */
        bool right = runtime.answer() == 2 * (members - 1) * (members * (members - 1) / 2);
        if (!bench::expect(state, right, "a ping or a pong was lost")) break;
    }
    bench::count_items(state);
}
BENCH_WORKERS(big_h, "big/h");

} // namespace
