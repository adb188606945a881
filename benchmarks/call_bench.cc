/* call_bench.cc - requests and replies: a client sends 100 requests, each with its pid and a fresh reference; the
 * server collects them, and answers the last one first.
 *
 *   call/h   by receivers; the client finds by the reference which request an answer is for
 *   call/b   both receive in their targets; the client receives the answers in the order of its requests, by their
 *            references: each receive passes over those that wait for a later one, 50 on average
 *   call/c   by pg_call() and pg_reply(), one at a time: the server has a receiver, the client waits for each answer
 *
 * One operation is a call: a reference, a request of four values, an answer of three; of call/c two and one.  Each
 * answer is checked against its request. */
#include "support.h"

namespace
{

constexpr int64_t window = 100, batch = 100000;

/* ---------------------------------------------------------------------------------------------------------- servers */

struct Server {
    struct {
        pg_pid client;
        pg_ref ref;
        int64_t number;
    } request[window];
    int64_t count = 0;

    /* Takes a request ("call", client, ref, number); the last of a window has all of them answered. */
    void take(pg_process *self, const pg_message *msg)
    {
        request[count++] = {pg_get_pid(self, msg, 1), pg_get_ref(self, msg, 2), pg_get_int(self, msg, 3)};
        if (count < window) return;
        while (count > 0) {
            const auto &r = request[--count];
            pg_send(r.client, "answer", r.ref, 2 * r.number);
        }
    }
};

void serve(pg_process *self, const pg_message *msg)
{
    static_cast<Server *>(pg_data(self))->take(self, msg);
}

void handling_server(pg_process *self)
{
    pg_set_data(self, bench::shared<Server>(self));
    pg_receive(self, serve, "call", PG_PID, PG_REF, PG_INT);
}

void blocking_server(pg_process *self)
{
    Server *server = bench::shared<Server>(self);
    const pg_message *msg;
    while (pg_recv(self, &msg, PG_FOREVER) == PG_OK) server->take(self, msg);
}

/* ---------------------------------------------------------------------------------------------------------- clients */

/* The requests of a window that are not answered: a hash table by their references, emptied when all are answered. */
class Pending
{
  public:
    void add(pg_ref ref, int64_t number)
    {
        Entry &entry = find(ref);
        entry.ref = ref;
        entry.number = number;
        left_++;
    }

    /* The number of the request with this reference, which is answered now; -1: there is none. */
    int64_t take(pg_ref ref)
    {
        Entry &entry = find(ref);
        int64_t number = entry.number;
        entry.number = -1;
        if (--left_ == 0) *this = Pending();
        return number;
    }

    bool empty() const
    {
        return left_ == 0;
    }

  private:
    struct Entry {
        pg_ref ref = {0};
        int64_t number = -1;
    };

    Entry &find(pg_ref ref)
    {
        uint64_t i = ref.id % size;
        while (entry_[i].ref.id != 0 && entry_[i].ref.id != ref.id) i = (i + 1) % size;
        return entry_[i];
    }

    static constexpr uint64_t size = 256;
    Entry entry_[size];
    int64_t left_ = 0;
};

struct Client {
    pg_pid server, main;
    int64_t number; /* of requests sent */
    Pending pending;

    void ask(pg_process *self)
    {
        for (int64_t end = number + window; number < end; number++) {
            pg_ref ref = pg_make_ref();
            pending.add(ref, number);
            pg_send(server, "call", self, ref, number);
        }
    }
};

void begin(pg_process *self, const pg_message *)
{
    Client *client = static_cast<Client *>(pg_data(self));
    client->number = 0;
    client->ask(self);
}

void answered(pg_process *self, const pg_message *msg)
{
    Client *client = static_cast<Client *>(pg_data(self));
    int64_t number = client->pending.take(pg_get_ref(self, msg, 1));
    if (number < 0 || pg_get_int(self, msg, 2) != 2 * number) pg_fail(self, "an answer is wrong");
    if (!client->pending.empty()) return;
    if (client->number < batch)
        client->ask(self);
    else
        pg_send(client->main, client->number);
}

void handling_client(pg_process *self)
{
    pg_set_data(self, bench::shared<Client>(self));
    pg_receive(self, answered, "answer", PG_REF, PG_INT);
    pg_receive(self, begin, "begin");
}

/* A window's requests, then their answers, in the same order. */
void call_window(pg_process *self, pg_pid server, int64_t first)
{
    pg_ref refs[window];
    const pg_message *msg;
    for (int64_t i = 0; i < window; i++) {
        refs[i] = pg_make_ref();
        pg_send(server, "call", self, refs[i], first + i);
    }
    for (int64_t i = 0; i < window; i++) {
        if (pg_recv_match(self, &msg, PG_FOREVER, "answer", refs[i], PG_INT) != PG_OK) pg_fail(self, "no answer");
        if (pg_get_int(self, msg, 2) != 2 * (first + i)) pg_fail(self, "an answer is wrong");
    }
}

void blocking_client(pg_process *self)
{
    const Client *client = bench::shared<Client>(self);
    const pg_message *msg;
    while (pg_recv_match(self, &msg, PG_FOREVER, "begin") == PG_OK) {
        for (int64_t first = 0; first < batch; first += window) call_window(self, client->server, first);
        pg_send(client->main, batch);
    }
}

/* pg_call() and pg_reply(). */
void reply(pg_process *self, const pg_message *msg)
{
    pg_reply(msg, 2 * pg_get_int(self, msg, 1));
}

void replying_server(pg_process *self)
{
    pg_receive(self, reply, "call", PG_INT);
}

void waiting_client(pg_process *self)
{
    const Client *client = bench::shared<Client>(self);
    const pg_message *msg;
    while (pg_recv_match(self, &msg, PG_FOREVER, "begin") == PG_OK) {
        for (int64_t i = 0; i < batch; i++) {
            if (pg_call(self, client->server, &msg, PG_FOREVER, "call", i) != PG_OK) pg_fail(self, "no answer");
            if (pg_get_int(self, msg, 0) != 2 * i) pg_fail(self, "an answer is wrong");
        }
        pg_send(client->main, batch);
    }
}

void run(benchmark::State &state, pg_target client_target, pg_target server_target)
{
    bench::Runtime runtime(static_cast<unsigned>(state.range(0)));
    Server server;
    Client client = {runtime.spawn(server_target, &server), pg_self(runtime.main), 0, Pending()};
    pg_pid pid = runtime.spawn(client_target, &client);
    while (state.KeepRunningBatch(batch)) {
        pg_send(pid, "begin");
        if (!bench::expect(state, runtime.answer() == batch, "a call was not answered, or wrongly")) break;
    }
    bench::count_items(state);
}

void call_h(benchmark::State &state)
{
    run(state, handling_client, handling_server);
}
BENCH_WORKERS(call_h, "call/h");

void call_b(benchmark::State &state)
{
    run(state, blocking_client, blocking_server);
}
BENCH_WORKERS(call_b, "call/b");

void call_c(benchmark::State &state)
{
    run(state, waiting_client, replying_server);
}
BENCH_WORKERS(call_c, "call/c");

} // namespace
