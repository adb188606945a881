/* limits_test.c - mailboxes that are full: who is refused and told, who waits and in which order, what always comes;
 * the alarm before; what is counted; handlers that are slow; and a runtime whose memory is limited.
 *
 * A process in another operating-system process refuses what has arrived already, and its sender is not told. */
#include "conformance.h"

enum { MOST = 10 };

/* Ends when it is told to: what others wait for that are not to receive meanwhile. */
static void open_gate(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void be_gate(pg_process *self)
{
    pg_receive(self, open_gate, "open");
}

static pg_pid make_gate(pg_process *self)
{
    return good(pg_spawn(self, be_gate, .kind = PG_GREEN, .name = "gate"));
}

static pg_mailbox_stats stats_of(pg_pid pid)
{
    pg_mailbox_stats stats = {.messages = 4711};
    CHECK_EQ(pg_get_mailbox_stats(pid, &stats), PG_OK);
    return stats;
}

/* Takes all that has come when the gate is open, and tells the first one what it was and what was refused.  Arguments:
 * who is told, the gate. */
static void drain(pg_process *self)
{
    const pg_message *msg;
    int64_t taken = 0, sum = 0;
    CHECK_EQ(pg_wait(pg_get_pid(self, pg_args(self), 1), PATIENCE, NULL), PG_OK);
    for (; pg_recv(self, &msg, PG_MS(the_kind == PG_OS ? 100 : 0)) == PG_OK; taken++) sum += pg_get_int(NULL, msg, 0);
    pg_mailbox_stats stats = stats_of(pg_self(self));
    CHECK_EQ(stats.messages, 0);
    CHECK_EQ(stats.bytes, 0);
    CHECK_EQ(pg_send(first_arg(self), "drained", taken, sum, stats.refused), PG_OK);
}

/* Sends the numbers from 1, and checks who is told what; then sees what is taken. */
static void flood(pg_process *self, const pg_mailbox *mailbox, int fits)
{
    char expected[60];
    pg_pid gate = make_gate(self);
    pg_pid pid = good(pg_spawn(self, drain, .mailbox = mailbox, .args = pg_tuple(self, gate)));
    for (int i = 1; i <= MOST; i++) CHECK_EQ(pg_send(pid, i), i <= fits || the_kind == PG_OS ? PG_OK : PG_EFULL);
    if (the_kind != PG_OS) {
        CHECK_EQ(stats_of(pid).messages, fits);
        CHECK_EQ(stats_of(pid).bytes, 64 * fits);
        CHECK_EQ(stats_of(pid).refused, MOST - fits);
    } else {
        pg_mailbox_stats stats;
        CHECK_EQ(pg_get_mailbox_stats(pid, &stats), PG_EUNSUPPORTED);
    }
    CHECK_EQ(pg_send(gate, "open"), PG_OK);
    snprintf(expected, sizeof expected, "(\"drained\", %d, %d, %d)", fits, fits * (fits + 1) / 2, MOST - fits);
    EXPECT(self, expected);
    end_of(pid);
    if (the_kind == PG_OS) return;
    pg_stats all;
    CHECK_EQ(pg_get_stats(pg_runtime_of(self), &all), PG_OK);
    CHECK_EQ(all.refused, MOST - fits);
    CHECK_EQ(all.dropped, 0);
}

static void refuses_by_count(pg_process *self)
{
    flood(self, &(pg_mailbox){.max_messages = 3}, 3);
}

static void refuses_by_bytes(pg_process *self)
{
    flood(self, &(pg_mailbox){.max_bytes = 4 * 64 + 63}, 4);
}

static void counts_without_limits(pg_process *self)
{
    flood(self, &(pg_mailbox){0}, MOST);
}

/* ------------------------------------------------------------------------------------------- an attached process */

static void limits_itself(pg_process *self)
{
    pg_mailbox_stats stats;
    const pg_message *msg;
    pg_pid me = pg_self(self);
    CHECK_EQ(pg_get_mailbox_stats(me, &stats), PG_EINVAL);
    CHECK_EQ(pg_send(me, "before"), PG_OK);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 2}), PG_OK);
    CHECK_EQ(pg_send(me, 1), PG_OK);
    CHECK_EQ(pg_send(me, 2, "a string of more than fourteen bytes"), PG_OK);
    CHECK_EQ(pg_send(me, 3), PG_EFULL);
    CHECK_EQ(pg_send_wait(self, me, PATIENCE, 3), PG_EINSIDE);
    CHECK_EQ(stats_of(me).messages, 2);
    EXPECT(self, "(\"before\")");
    CHECK_EQ(pg_send(me, 3), PG_EFULL); /* that one did not count */
    EXPECT(self, "(1)");
    CHECK_EQ(pg_send(me, 3), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_INT), PG_OK); /* out of the middle */
    CHECK_EQ(pg_get_int(NULL, msg, 0), 3);
    CHECK_EQ(stats_of(me).messages, 1);
    CHECK_EQ(pg_forward(me, msg), PG_OK);
    CHECK_EQ(pg_forward(me, msg), PG_EFULL);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){0}), PG_OK); /* none any more */
    CHECK_EQ(pg_forward(me, msg), PG_OK);
    EXPECT(self, "(2, \"a string of more than fourteen bytes\")");
    EXPECT(self, "(3)");
    EXPECT(self, "(3)");
    expect_nothing(self);
    CHECK_EQ(stats_of(me).messages, 0);
    CHECK_EQ(stats_of(me).bytes, 0);
    CHECK_EQ(stats_of(me).refused, 3);
}

static void lets_a_large_one_in_alone(pg_process *self)
{
    static const char large[10000];
    const pg_message *msg;
    pg_pid me = pg_self(self);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_bytes = 1000}), PG_OK);
    CHECK_EQ(pg_send(me, pg_bytes(large, sizeof large)), PG_OK);
    CHECK_EQ(pg_send(me, 1), PG_EFULL);
    CHECK(stats_of(me).bytes >= sizeof large);
    CHECK_EQ(pg_recv(self, &msg, 0), PG_OK);
    CHECK_EQ(pg_send(me, 1), PG_OK);
    CHECK_EQ(pg_send(me, pg_bytes(large, sizeof large)), PG_EFULL);
    CHECK_EQ(next_int(self), 1);
}

static void refuses_what_is_none(pg_process *self)
{
    pg_pid me = pg_self(self);
    static const pg_mailbox wrong[] = {{.max_messages = 134217727},
                                       {.max_messages = UINT32_MAX},
                                       {.max_bytes = UINT64_MAX},
                                       {.low = 1},
                                       {.high = 5, .low = 5}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_EQ(pg_limit(self, &wrong[i]), PG_EINVAL);
        CHECK_EQ(pg_pid_status(pg_spawn(self, be_gate, .mailbox = &wrong[i])), PG_EINVAL);
    }
    CHECK_EQ(pg_pid_status(pg_spawn(self, be_gate, .max_slice = -1)), PG_EINVAL);
    CHECK_EQ(pg_limit(NULL, &wrong[0]), PG_EINVAL);
    CHECK_EQ(pg_limit(self, NULL), PG_EINVAL);
    CHECK_EQ(pg_get_mailbox_stats(me, NULL), PG_EINVAL);
    CHECK_EQ(pg_send_wait(NULL, me, 0, 1), PG_EINVAL);
    CHECK_EQ(pg_send_wait_values(self, make_gate(self), 0, 1, NULL), PG_EINVAL);
    CHECK_EQ(pg_send_wait(self, (pg_pid){0}, 0, 1), PG_ENOPROC);
    CHECK_EQ(pg_send_wait(self, (pg_pid){UINT64_MAX}, 0, 1), PG_ENOPROC);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 134217726, .max_bytes = UINT64_C(1) << 37}), PG_OK);
}

/* ----------------------------------------------------------------------------------------------- what always comes */

static void end_at_once(pg_process *self)
{
    (void)self;
}

static void on_exit_of_other(pg_process *self, const pg_message *msg)
{
    (void)msg;
    CHECK_EQ(pg_send(*(pg_pid *)pg_data(self), "exit came"), PG_OK);
}

static void on_down(pg_process *self, const pg_message *msg)
{
    (void)msg;
    CHECK_EQ(pg_send(*(pg_pid *)pg_data(self), "down came"), PG_OK);
}

static void on_late(pg_process *self, const pg_message *msg)
{
    (void)msg;
    CHECK_EQ(pg_send(*(pg_pid *)pg_data(self), "timer came"), PG_OK);
}

static void on_number(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
}

static void on_terminate(pg_process *self, const pg_message *msg)
{
    (void)msg;
    CHECK_EQ(pg_send(*(pg_pid *)pg_data(self), "terminate came", stats_of(pg_self(self)).messages), PG_OK);
}

/* Its mailbox is full all the time until the gate opens. */
static void hear_all_the_same(pg_process *self)
{
    pg_pid teller = first_arg(self);
    pg_pid gate = pg_get_pid(self, pg_args(self), 1);
    pg_set_data(self, &teller);
    pg_receive(self, on_exit_of_other, PG_EXIT, PG_PID);
    pg_receive(self, on_terminate, PG_EXIT);
    pg_receive(self, on_down, "down", PG_ETC);
    pg_receive(self, on_late, "late");
    pg_receive(self, on_number, PG_INT);
    good(pg_spawn_link(self, end_at_once, .kind = PG_GREEN));
    CHECK_EQ(pg_monitor(self, good(pg_spawn(self, end_at_once, .kind = PG_GREEN)), NULL), PG_OK);
    pg_send_after(self, pg_self(self), PG_MS(1), "late");
    CHECK_EQ(pg_wait(gate, PATIENCE, NULL), PG_OK);
    CHECK_EQ(pg_sleep(self, PG_MS(20)), PG_OK); /* the timer has come, and the others before it */
    pg_terminate(pg_self(self));
    const pg_message *msg;
    while (pg_recv_match(self, &msg, 0, PG_ANY) == PG_OK) on_number(self, msg);
}

static void lets_in_what_must_come(pg_process *self)
{
    static const pg_mailbox small = {.max_messages = 1};
    pg_pid gate = make_gate(self);
    pg_pid pid = good(pg_spawn(self, hear_all_the_same, .mailbox = &small, .args = pg_tuple(self, gate)));
    CHECK_EQ(pg_send(pid, 1), PG_OK);
    if (the_kind != PG_OS) CHECK_EQ(pg_send(pid, 2), PG_EFULL);
    CHECK_EQ(pg_send(gate, "open"), PG_OK);
    bool seen[4] = {false};
    static const char *const texts[4] = {"exit came", "down came", "timer came", "terminate came"};
    for (int i = 0; i < 3; i++) {
        const pg_message *msg = next_of(self);
        for (int j = 0; j < 4; j++) seen[j] |= strcmp(pg_get_str(NULL, msg, 0), texts[j]) == 0;
        if (seen[3]) break; /* met in the receive: the end of it */
    }
    CHECK(seen[0] || seen[3]);
    pg_terminate(pid);
    end_of(pid);
}

static void reply_to_all(pg_process *self, const pg_message *msg)
{
    (void)self;
    CHECK_EQ(pg_reply(msg, "answer"), PG_OK);
}

static void be_server(pg_process *self)
{
    pg_receive(self, reply_to_all, "ask");
}

/* Answers do not come by the mailbox, terminates and exits always. */
static void a_full_one_is_answered(pg_process *self)
{
    const pg_message *msg;
    pg_pid me = pg_self(self), server = good(pg_spawn(self, be_server));
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 1}), PG_OK);
    CHECK_EQ(pg_send(me, 1), PG_OK);
    CHECK_EQ(pg_call(self, server, &msg, PATIENCE, "ask"), PG_OK);
    CHECK_STR(pg_get_str(NULL, msg, 0), "answer");
    pg_ref ref;
    CHECK_EQ(pg_monitor(self, server, &ref), PG_OK);
    CHECK_EQ(pg_link(self, server), PG_OK);
    CHECK_EQ(pg_terminate(server), PG_OK);
    end_of(server);
    pg_receive(self, on_number, PG_EXIT, PG_PID);
    CHECK_EQ(next_int(self), 1);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "down", PG_REF, PG_PID, PG_EXIT), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, PG_PID), PG_OK);
    CHECK_EQ(stats_of(me).messages, 0);
}

/* -------------------------------------------------------------------------------------- the others who send */

static void calls_and_groups_are_told(pg_process *self)
{
    const pg_message *reply;
    pg_runtime *rt = pg_runtime_of(self);
    pg_pid gate = make_gate(self);
    static const pg_mailbox small = {.max_messages = 1};
    pg_pid full = good(pg_spawn(self, drain, .mailbox = &small, .args = pg_tuple(self, gate)));
    CHECK_EQ(pg_join(rt, "group", full), PG_OK);
    CHECK_EQ(pg_join(rt, "group", pg_self(self)), PG_OK);
    CHECK_EQ(pg_broadcast(rt, "group", 1), 2);
    CHECK_EQ(pg_broadcast(rt, "group", 1), 1);
    CHECK_EQ(pg_call(self, full, &reply, PATIENCE, 1), PG_EFULL);
    CHECK_EQ(stats_of(full).refused, 2);
    CHECK_EQ(next_int(self), 1);
    CHECK_EQ(next_int(self), 1);
    CHECK_EQ(pg_send(gate, "open"), PG_OK);
    EXPECT(self, "(\"drained\", 1, 1, 2)");
    end_of(full);
}

static void timers_of_others_are_refused(pg_process *self)
{
    pg_pid gate = make_gate(self), me = pg_self(self);
    static const pg_mailbox small = {.max_messages = 1};
    pg_pid full = good(pg_spawn(self, drain, .mailbox = &small, .args = pg_tuple(self, gate)));
    CHECK_EQ(pg_send(full, 1), PG_OK);
    pg_send_after(self, full, 0, 2);
    pg_timer again = pg_send_every(self, full, PG_MS(1), 3);
    while (stats_of(full).refused < 4) pg_sleep(self, PG_MS(1));
    CHECK(pg_cancel_timer(again));
    CHECK_EQ(stats_of(full).messages, 1);
    pg_send(gate, "open");
    const pg_message *msg = next_of(self);
    CHECK_EQ(pg_get_int(NULL, msg, 1), 1);
    CHECK_EQ(pg_limit(self, &small), PG_OK);
    CHECK_EQ(pg_send(me, 1), PG_OK);
    pg_send_after(self, me, 0, 2); /* its own */
    while (stats_of(me).messages < 2) pg_sleep(self, PG_MS(1));
    CHECK_EQ(pg_send(me, 3), PG_EFULL);
    CHECK_EQ(next_int(self), 1);
    CHECK_EQ(pg_send(me, 3), PG_EFULL);
    CHECK_EQ(next_int(self), 2);
    CHECK_EQ(pg_send(me, 3), PG_OK);
    CHECK_EQ(next_int(self), 3);
    end_of(full);
}

/* ------------------------------------------------------------------------------------------- waiting for room */

/* Sends its number, and tells what came of it.  Arguments: to whom, who is told, the number, the timeout. */
static void wait_to_send(pg_process *self)
{
    const pg_message *args = pg_args(self);
    int64_t number = pg_get_int(self, args, 2);
    pg_pid told = pg_get_pid(self, args, 1);
    int status = pg_send_wait(self, first_arg(self), pg_get_int(self, args, 3), number);
    int told_it; /* who is told may be full, too */
    while ((told_it = pg_send(told, "sent", number, status)) == PG_EFULL) pg_sleep(self, PG_MS(1));
    CHECK_EQ(told_it, PG_OK);
}

static pg_pid spawn_sender(pg_process *self, pg_pid to, int number, int64_t timeout)
{
    pg_kind kind = the_kind == PG_OS ? PG_GREEN : the_kind;
    return good(pg_spawn(self, wait_to_send, .kind = kind, .args = pg_tuple(to, self, number, timeout)));
}

static void wait_for_waiters(pg_process *self, pg_pid pid, unsigned count)
{
    while (stats_of(pid).waiting != count) pg_sleep(self, PG_MS(1));
}

/* Each comes in when there is room for it, in the order in which they have begun to wait. */
static void waits_in_order(pg_process *self)
{
    enum { SENDERS = 6 };
    static const pg_mailbox small = {.max_messages = 2};
    pg_pid gate = make_gate(self);
    pg_pid pid = good(pg_spawn(self, drain, .mailbox = &small, .args = pg_tuple(self, gate)));
    for (int i = 1; i <= 2; i++) CHECK_EQ(pg_send(pid, i), PG_OK);
    for (int i = 1; i <= SENDERS; i++) {
        spawn_sender(self, pid, i, PG_FOREVER);
        wait_for_waiters(self, pid, (unsigned)i);
    }
    CHECK_EQ(pg_send(pid, 99), PG_EFULL); /* nobody comes before them */
    CHECK_EQ(pg_send(gate, "open"), PG_OK);
    int sent = 0, drained = 0;
    while (sent < SENDERS || !drained) {
        const pg_message *msg = next_of(self);
        if (strcmp(pg_get_str(NULL, msg, 0), "drained") == 0) {
            CHECK_EQ(pg_get_int(NULL, msg, 1), 2 + SENDERS);
            CHECK_EQ(pg_get_int(NULL, msg, 2), 3 + SENDERS * (SENDERS + 1) / 2);
            drained = 1;
        } else {
            CHECK_EQ(pg_get_int(NULL, msg, 2), PG_OK);
            sent++;
        }
    }
    end_of(pid);
}

/* The order itself, as an attached process takes them. */
static void comes_first_is_served_first(pg_process *self)
{
    enum { SENDERS = 5 };
    const pg_message *msg;
    pg_pid me = pg_self(self);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 1}), PG_OK);
    CHECK_EQ(pg_send(me, 0), PG_OK);
    pg_pid sender[SENDERS + 1];
    for (int i = 1; i <= SENDERS; i++) {
        sender[i] = spawn_sender(self, me, i, PG_FOREVER);
        wait_for_waiters(self, me, (unsigned)i);
    }
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 2}), PG_OK); /* one more has room */
    wait_for_waiters(self, me, SENDERS - 1);
    for (int i = 0; i <= SENDERS; i++) {
        do {
            CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_INT), PG_OK);
        } while (pg_count(msg) != 1);
        CHECK_EQ(pg_get_int(NULL, msg, 0), i);
        if (i > 0) CHECK_EQ(pg_limit(self, &(pg_mailbox){0}), PG_OK); /* for what they tell */
    }
    for (int i = 1; i <= SENDERS; i++) end_of(sender[i]);
}

static void wait_ends_with_its_time(pg_process *self)
{
    static const pg_mailbox small = {.max_messages = 1};
    pg_pid gate = make_gate(self);
    pg_pid pid = good(pg_spawn(self, drain, .mailbox = &small, .args = pg_tuple(self, gate)));
    CHECK_EQ(pg_send_wait(self, pid, 0, 7), PG_OK);
    CHECK_EQ(pg_send_wait(self, pid, 0, 8), PG_ETIMEDOUT);
    int64_t began = pg_now();
    CHECK_EQ(pg_send_wait(self, pid, PG_MS(20), 8), PG_ETIMEDOUT);
    CHECK(pg_now() - began >= PG_MS(20));
    spawn_sender(self, pid, 9, PG_MS(10));
    EXPECT(self, "(\"sent\", 9, -4)");
    CHECK_EQ(stats_of(pid).waiting, 0);
    CHECK_EQ(stats_of(pid).refused, 3);
    CHECK_EQ(pg_send(gate, "open"), PG_OK);
    EXPECT(self, "(\"drained\", 1, 7, 3)");
    end_of(pid);
}

static void end_at_gate(pg_process *self)
{
    CHECK_EQ(pg_wait(pg_get_pid(self, pg_args(self), 1), PATIENCE, NULL), PG_OK);
}

/* Of which a wait ends at once, and all are told; what was in the mailbox is counted as dropped. */
static void wait_ends_with_the_receiver(pg_process *self)
{
    enum { SENDERS = 4 };
    static const pg_mailbox small = {.max_messages = 1};
    pg_pid gate = make_gate(self);
    pg_pid pid = good(pg_spawn(self, end_at_gate, .mailbox = &small, .args = pg_tuple(self, gate)));
    CHECK_EQ(pg_send(pid, 0), PG_OK);
    for (int i = 1; i <= SENDERS; i++) spawn_sender(self, pid, i, PG_FOREVER);
    wait_for_waiters(self, pid, SENDERS);
    CHECK_EQ(pg_send(gate, "open"), PG_OK);
    CHECK_EQ(pg_send_wait(self, pid, PATIENCE, 5), PG_ENOPROC);
    for (int i = 1; i <= SENDERS; i++) {
        const pg_message *msg = next_of(self);
        CHECK_EQ(pg_get_int(NULL, msg, 2), PG_ENOPROC);
    }
    end_of(pid);
    CHECK_EQ(pg_send(pid, 1), PG_ENOPROC);
    CHECK_EQ(pg_send_wait(self, pid, PATIENCE, 1), PG_ENOPROC);
    pg_mailbox_stats stats;
    CHECK_EQ(pg_get_mailbox_stats(pid, &stats), PG_ENOPROC);
    pg_stats all;
    CHECK_EQ(pg_get_stats(pg_runtime_of(self), &all), PG_OK);
    CHECK_EQ(all.dropped, 1);
}

/* One that ends has much to tell, and its mailbox is full: who gives up waiting meanwhile finds it dying. */
static void rest_for_ever(pg_process *self)
{
    pg_receive(self, on_number, "nothing");
}

static void end_with_many_links(pg_process *self)
{
    enum { LINKS = 2000 };
    for (int i = 0; i < LINKS; i++) good(pg_spawn_link(self, rest_for_ever, .kind = PG_GREEN));
    CHECK_EQ(pg_send(first_arg(self), "linked"), PG_OK);
    CHECK_EQ(pg_wait(pg_get_pid(self, pg_args(self), 1), PATIENCE, NULL), PG_OK);
}

static void gives_up_while_it_ends(pg_process *self)
{
    enum { SENDERS = 40 };
    static const pg_mailbox small = {.max_messages = 1};
    for (int round = 0; round < scaled(20, 4); round++) {
        pg_pid gate = make_gate(self);
        pg_pid pid = good(pg_spawn(self, end_with_many_links, .mailbox = &small, .args = pg_tuple(self, gate)));
        EXPECT(self, "(\"linked\")");
        CHECK_EQ(pg_send(pid, 0), PG_OK);
        for (int i = 1; i <= SENDERS; i++) spawn_sender(self, pid, i, PG_MS(1) + i * PG_MS(1) / 20);
        pg_sleep(self, PG_MS(1));
        CHECK_EQ(pg_send(gate, "open"), PG_OK);
        for (int i = 1; i <= SENDERS; i++) {
            int64_t status = pg_get_int(NULL, next_of(self), 2);
            CHECK(status == PG_ENOPROC || status == PG_ETIMEDOUT);
        }
        end_of(pid);
    }
}

static void be_patient(pg_process *self)
{
    CHECK_EQ(pg_wait(first_arg(self), PATIENCE, NULL), PG_OK);
    pg_receive(self, on_number, PG_INT);
}

/* Who asks again and again without waiting lets others run, be he a process or a thread that drives them. */
static void asks_in_vain(pg_process *self)
{
    static const pg_mailbox small = {.max_messages = 1};
    pg_pid gate = make_gate(self);
    pg_pid pid = good(pg_spawn(self, be_patient, .mailbox = &small, .args = pg_tuple(gate)));
    CHECK_EQ(pg_send(pid, 1), PG_OK);
    CHECK_EQ(pg_send(gate, "open"), PG_OK);
    int status;
    int64_t end = pg_now() + PATIENCE;
    while ((status = pg_send_wait(self, pid, 0, 2)) == PG_ETIMEDOUT) CHECK(pg_now() < end);
    CHECK_EQ(status, PG_OK);
    pg_terminate(pid);
    end_of(pid);
}

/* One that waits is ended by pg_stop() like any other, and leaves nothing. */
static void never_take(pg_process *self)
{
    pg_receive(self, on_number, "nothing");
    pg_sleep(self, PG_FOREVER);
}

static void stop_ends_who_waits(pg_process *self)
{
    static const pg_mailbox small = {.max_messages = 1};
    pg_runtime *rt = start_runtime();
    pg_process *other = pg_attach(rt, "other");
    pg_kind kind = the_kind == PG_OS ? PG_GREEN : the_kind;
    pg_pid pid = good(pg_spawn(other, never_take, .kind = kind, .mailbox = &small));
    CHECK_EQ(pg_send(pid, 1), PG_OK);
    pg_pid a = good(pg_spawn(other, wait_to_send, .kind = kind, .args = pg_tuple(pid, other, 1, PG_FOREVER)));
    pg_pid b = spawn_sender(self, pid, 2, PG_FOREVER); /* of another runtime */
    wait_for_waiters(self, pid, 2);
    CHECK_EQ(pg_stop(rt, PG_MS(10)), PG_OK);
    pg_detach(other);
    EXPECT(self, "(\"sent\", 2, -1)");
    end_of(b);
    CHECK(!pg_is_alive(a));
}

/* --------------------------------------------------------------------------------------------------------- alarms */

static void alarms_once_for_each_crossing(pg_process *self)
{
    char high[60], low[60];
    pg_pid gate = make_gate(self);
    const pg_mailbox mailbox = {.high = 6, .alarm = pg_self(self)};
    pg_pid pid = good(pg_spawn(self, drain, .mailbox = &mailbox, .args = pg_tuple(self, gate)));
    for (int i = 1; i <= MOST; i++) CHECK_EQ(pg_send(pid, i), PG_OK);
    const pg_message *msg = next_of(self);
    pg_format_message(high, sizeof high, msg);
    CHECK(begins(high, "(\"mailbox\", \"high\", "));
    CHECK(pg_same(pg_get_pid(NULL, msg, 2), pid));
    CHECK_EQ(pg_get_int(NULL, msg, 3), 6);
    expect_nothing(self);
    CHECK_EQ(pg_send(gate, "open"), PG_OK);
    msg = next_of(self);
    pg_format_message(low, sizeof low, msg);
    CHECK(begins(low, "(\"mailbox\", \"low\", "));
    CHECK(pg_same(pg_get_pid(NULL, msg, 2), pid));
    CHECK_EQ(pg_get_int(NULL, msg, 3), 3);
    EXPECT(self, "(\"drained\", 10, 55, 0)");
    end_of(pid);
}

/* Of oneself it comes behind what has raised it, and is no message that counts. */
static void alarms_oneself(pg_process *self)
{
    pg_pid me = pg_self(self);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 2, .high = 2, .low = 1, .alarm = me}), PG_OK);
    for (int round = 1; round <= 3; round++) {
        const pg_message *msg;
        CHECK_EQ(pg_send(me, 1), PG_OK);
        CHECK_EQ(pg_send(me, 2), PG_OK);
        CHECK_EQ(stats_of(me).messages, 2);
        CHECK_EQ(stats_of(me).alarms, round);
        CHECK_EQ(next_int(self), 1);
        CHECK_EQ(next_int(self), 2);
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "mailbox", "high", me, 2), PG_OK);
        CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "mailbox", "low", me, 1), PG_OK);
        expect_nothing(self);
    }
}

/* New marks hold at once for what is there already. */
static void marks_are_moved(pg_process *self)
{
    const pg_message *msg;
    pg_pid me = pg_self(self);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 4}), PG_OK);
    for (int i = 1; i <= 4; i++) CHECK_EQ(pg_send(me, i), PG_OK);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.max_messages = 2, .high = 2, .low = 1, .alarm = me}), PG_OK);
    CHECK_EQ(pg_send(me, 5), PG_EFULL);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "mailbox", "high", me, 4), PG_OK);
    CHECK_EQ(stats_of(me).alarms, 1);
    CHECK_EQ(pg_limit(self, &(pg_mailbox){.high = 6, .low = 4, .alarm = me}), PG_OK);
    CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, "mailbox", "low", me, 4), PG_OK);
    for (int i = 1; i <= 4; i++) CHECK_EQ(next_int(self), i);
    expect_nothing(self);
    CHECK_EQ(stats_of(me).alarms, 1);
}

/* ---------------------------------------------------------------------------------------------------------- slices */

static void on_slow(pg_process *self, const pg_message *msg)
{
    int64_t until = pg_now() + PG_MS(5);
    while (pg_now() < until) continue;
    if (pg_count(msg) == 2) pg_send(pg_get_pid(self, msg, 1), "slow", stats_of(pg_self(self)).slow);
}

static void on_quick(pg_process *self, const pg_message *msg)
{
    if (pg_count(msg) == 2) pg_sleep(self, PG_MS(20)); /* which keeps no worker */
}

static void on_ask(pg_process *self, const pg_message *msg)
{
    pg_reply(msg, stats_of(pg_self(self)).slow);
}

static void be_slow(pg_process *self)
{
    pg_receive(self, on_slow, "slow", PG_ETC);
    pg_receive(self, on_quick, "quick", PG_ETC);
    pg_receive(self, on_ask, "ask");
    int64_t until = pg_now() + PG_MS(5);
    while (pg_now() < until) continue;
}

static void slow_handlers_are_told(pg_process *self)
{
    const pg_message *msg;
    pg_pid pid = good(pg_spawn(self, be_slow, .name = "slow one", .max_slice = PG_MS(2)));
    pg_send(pid, "quick", 1);
    pg_send(pid, "slow");
    pg_send(pid, "slow");
    pg_send(pid, "quick");
    CHECK_EQ(pg_call(self, pid, &msg, PATIENCE, "ask"), PG_OK);
    int64_t slow = pg_get_int(NULL, msg, 0); /* the target and two; more where the processor was taken away */
    CHECK(the_kind == PG_THREAD ? slow == 0 : slow >= 3);
    CHECK(log_has("\"slow one\" has kept its worker for") == (the_kind != PG_THREAD));
    pg_terminate(pid);
    end_of(pid);
}

/* ------------------------------------------------------------------------------------------------------------ ends */

/* Slots are used again by those without limits, and the other way round; pids of before reach nobody. */
static void leaves_nothing_behind(pg_process *self)
{
    static const pg_mailbox small = {.max_messages = 2};
    for (int i = 0; i < scaled(2000, 200); i++) {
        pg_pid pid = good(pg_spawn(self, end_at_once, .mailbox = i % 2 ? &small : NULL));
        int status = pg_send(pid, i);
        CHECK(status == PG_OK || status == PG_ENOPROC);
        end_of(pid);
        if (the_kind != PG_OS) CHECK_EQ(pg_send(pid, i), PG_ENOPROC);
    }
}

/* ------------------------------------------------------------------------------------------------ of a supervisor */

static void tell_its_limits(pg_process *self)
{
    pg_mailbox_stats stats = stats_of(pg_self(self));
    int fits = 0;
    while (fits < MOST && pg_send(pg_self(self), fits) == PG_OK) fits++;
    CHECK_EQ(pg_send(first_arg(self), "fits", fits, stats.refused), PG_OK);
    pg_receive(self, on_number, PG_INT);
}

static pg_pid start_with_limits(pg_process *self)
{
    pg_mailbox small = {.max_messages = 3};
    const pg_child child = {
        .id = "limited", .target = tell_its_limits, .spawn = {.mailbox = &small, .args = pg_tuple(self)}};
    pg_pid supervisor = pg_supervise(self, NULL, 1, &child);
    CHECK_EQ(pg_pid_status(supervisor), PG_OK);
    memset(&small, 0xff, sizeof small); /* it is the supervisor's own then */
    return supervisor;
}

/* A child has its limits also when whoever has said them is gone. */
static void children_keep_their_limits(pg_process *self)
{
    pg_pid supervisor = start_with_limits(self);
    EXPECT(self, "(\"fits\", 3, 0)");
    pg_mailbox more = {.max_messages = 5};
    const pg_child child = {
        .id = "another", .target = tell_its_limits, .spawn = {.mailbox = &more, .args = pg_tuple(self)}};
    CHECK_EQ(pg_pid_status(pg_supervisor_start(self, supervisor, &child, PATIENCE)), PG_OK);
    memset(&more, 0xff, sizeof more);
    EXPECT(self, "(\"fits\", 5, 0)");
    CHECK_EQ(pg_pid_status(pg_supervisor_restart(self, supervisor, "another", PATIENCE)), PG_OK);
    EXPECT(self, "(\"fits\", 5, 0)");
    pg_terminate(supervisor);
    end_of(supervisor);
}

/* ---------------------------------------------------------------------------------------------------------- memory */

static uint64_t memory_of(pg_runtime *rt)
{
    pg_stats stats;
    CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
    return stats.memory;
}

/* Sends until it is refused; returns how many were not. */
static int fill(pg_pid pid)
{
    int sent = 0, status;
    while ((status = pg_send(pid, sent)) == PG_OK) sent++;
    CHECK_EQ(status, PG_ENOMEM);
    return sent;
}

static void memory_is_limited(pg_process *self)
{
    enum { MEMORY = 2 << 20 };
    const pg_message *msg;
    pg_kind kind = the_kind == PG_OS ? PG_GREEN : the_kind;
    pg_runtime *rt = pg_start(&(pg_options){.workers = the_workers, .kind = kind, .memory = MEMORY, .no_os = true});
    pg_process *other = pg_attach(rt, "other");
    CHECK_EQ(memory_of(pg_runtime_of(self)), 0); /* it has no budget, and counts nothing */
    pg_pid gate = make_gate(other), gone = good(pg_spawn(other, end_at_once));
    end_of(gone);
    pg_pid pid = good(pg_spawn(other, be_patient, .args = pg_tuple(gate)));
    uint64_t idle = memory_of(rt);
    CHECK(idle > 0 && idle < MEMORY / 2);
    int sent = fill(pid);
    CHECK(64 * sent > MEMORY / 2 && 64 * sent <= MEMORY);
    CHECK(memory_of(rt) <= MEMORY && memory_of(rt) > MEMORY - 20000);
    CHECK_EQ(pg_send_wait(other, pid, PATIENCE, 1), PG_ENOMEM);
    CHECK_EQ(pg_send_wait(other, gone, PATIENCE, 1), PG_ENOPROC);
    CHECK_EQ(pg_call(other, pid, &msg, PATIENCE, 1), PG_ENOMEM);
    pg_mailbox_stats stats = stats_of(pid);
    CHECK_EQ(stats.messages, sent);
    CHECK_EQ(stats.refused, 3);
    pg_pid more[64];
    int spawned = 0;
    while (spawned < 64 && pg_pid_status(more[spawned] = pg_spawn(other, be_gate)) == PG_OK) spawned++;
    CHECK(spawned < 64);
    CHECK_EQ(pg_pid_status(more[spawned]), PG_ENOMEM);
    for (int i = 0; i < spawned; i++) CHECK_EQ(pg_terminate(more[i]), PG_OK); /* which comes all the same */
    for (int i = 0; i < spawned; i++) end_of(more[i]);
    CHECK_EQ(pg_link(other, gate), PG_OK);
    CHECK_EQ(pg_terminate(gate), PG_OK);
    CHECK_EQ(pg_recv_match(other, &msg, PATIENCE, PG_EXIT, PG_PID), PG_OK);
    while (stats_of(pid).messages > 0) pg_sleep(other, PG_MS(1)); /* it handles them */
    CHECK(memory_of(rt) <= idle + 5 * 4096);
    for (int i = 0; i < 200; i++) CHECK_EQ(pg_send(pid, i), PG_OK);
    pg_terminate(pid); /* with what is in its mailbox */
    end_of(pid);
    good(pg_spawn(other, end_at_once));
    for (int i = 0; memory_of(rt) > idle + 5 * 4096; i++) {
        CHECK(i < 10000);
        end_of(good(pg_spawn(other, end_at_once)));
    }
    pg_detach(other);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

#define FAR_IS_NOT_TOLD "a sender is not told what another operating-system process refuses"
#define NO_TIME "no time passes in a simulated handler"
#define ONE_ONLY "there is one simulation at a time"
#define OTHERS_HOST "main waits for what the other one's processes do"

static const test_case cases[] = {CASE(refuses_by_count),
                                  CASE(refuses_by_bytes),
                                  CASE(counts_without_limits),
                                  CASE(limits_itself),
                                  CASE(lets_a_large_one_in_alone),
                                  CASE(refuses_what_is_none),
                                  CASE(lets_in_what_must_come),
                                  CASE(a_full_one_is_answered),
                                  CASE_SHARED(calls_and_groups_are_told, FAR_IS_NOT_TOLD),
                                  CASE_SHARED(timers_of_others_are_refused, FAR_IS_NOT_TOLD),
                                  CASE_SHARED(waits_in_order, FAR_IS_NOT_TOLD),
                                  CASE(comes_first_is_served_first),
                                  CASE_SHARED(wait_ends_with_its_time, FAR_IS_NOT_TOLD),
                                  CASE_SHARED(wait_ends_with_the_receiver, FAR_IS_NOT_TOLD),
                                  CASE_SHARED(gives_up_while_it_ends, FAR_IS_NOT_TOLD),
                                  CASE_SHARED(asks_in_vain, FAR_IS_NOT_TOLD),
                                  {"stop_ends_who_waits", stop_ends_who_waits, FAR_IS_NOT_TOLD, ONE_ONLY, OTHERS_HOST},
                                  CASE(alarms_once_for_each_crossing),
                                  CASE(alarms_oneself),
                                  CASE(marks_are_moved),
                                  CASE_REAL(slow_handlers_are_told, NO_TIME),
                                  CASE(leaves_nothing_behind),
                                  CASE(children_keep_their_limits),
                                  CASE_REAL(memory_is_limited, ONE_ONLY)};

int main(int argc, char **argv)
{
    return RUN_CASES(cases);
}
