/* pipeline.c - a pipeline whose last stage is slow: bounded mailboxes hold the others back, and nothing is lost.
 *
 *     source --> parse --> check --> sink
 *
 * Each stage lets 32 messages wait at most.  Who sends to a full one waits by pg_send_wait(), so the sink's speed is,
 * after a while, everybody's: memory stays where it is, however long the source goes on.  An alarm
 * tells when it begins. */
#include <paragram.h>
#include <stdio.h>

enum { ITEMS = 20000, MOST = 32 };

typedef struct stage {
    pg_pid next;
    uint64_t highest; /* messages that waited, at most */
    int64_t items, sum;
} stage;

static void note_waiting(pg_process *self)
{
    stage *s = pg_data(self);
    pg_mailbox_stats stats;
    if (pg_get_mailbox_stats(pg_self(self), &stats) == PG_OK && stats.messages > s->highest)
        s->highest = stats.messages;
}

/* A stage between: something is done with the item, then the next one has it. */
static void pass_on(pg_process *self, const pg_message *msg)
{
    stage *s = pg_data(self);
    note_waiting(self);
    s->items++;
    int status = pg_send_wait(self, s->next, PG_SECONDS(60), "item", 2 * pg_get_int(self, msg, 1));
    if (status != PG_OK) pg_fail(self, "the next stage takes nothing: %s", pg_strerror(status));
}

static void write_out(pg_process *self, const pg_message *msg)
{
    stage *s = pg_data(self);
    note_waiting(self);
    s->items++;
    s->sum += pg_get_int(self, msg, 1);
    if (s->items % 1000 == 0) pg_sleep(self, PG_MS(1)); /* it is a slow one */
}

/* Behind the last item: tells who asked, by way of the others, how many waited here at most. */
static void report(pg_process *self, const pg_message *msg)
{
    const stage *s = pg_data(self);
    pg_pid main_process = pg_get_pid(self, msg, 1);
    pg_send(main_process, "stage", pg_name(self), s->items, (bool)(s->highest <= MOST));
    if (s->next.id != 0) {
        pg_send_wait(self, s->next, PG_FOREVER, "report", main_process);
    } else {
        pg_send(main_process, "sum", s->sum);
    }
    pg_exit(self);
}

static void run_stage(pg_process *self)
{
    stage s = {.next = pg_get_pid(self, pg_args(self), 0)};
    const pg_message *msg;
    pg_set_data(self, &s);
    for (;;) {
        if (pg_recv(self, &msg, PG_FOREVER) != PG_OK) return;
        if (pg_matches(pg_get(self, msg, 0), "report")) {
            report(self, msg);
        } else if (s.next.id != 0) {
            pass_on(self, msg);
        } else {
            write_out(self, msg);
        }
    }
}

static void run_source(pg_process *self)
{
    pg_pid next = pg_get_pid(self, pg_args(self), 0), main_process = pg_get_pid(self, pg_args(self), 1);
    int refused = 0;
    for (int i = 1; i <= ITEMS; i++) {
        if (pg_send(next, "item", i) == PG_OK)
            continue; /* or it could be left out, where that is better than to wait */
        refused++;
        pg_send_wait(self, next, PG_FOREVER, "item", i);
    }
    pg_send(main_process, "source", (bool)(refused > 0));
    pg_send_wait(self, next, PG_FOREVER, "report", main_process);
}

int main(void)
{
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    const pg_mailbox bounded = {.max_messages = MOST},
                     watched = {.max_messages = MOST, .high = MOST, .alarm = pg_self(self)};
    pg_pid sink =
        pg_spawn(self, run_stage, .name = "sink", .mailbox = &watched, .args = pg_tuple(pg_v_pid((pg_pid){0})));
    pg_pid check = pg_spawn(self, run_stage, .name = "check", .mailbox = &bounded, .args = pg_tuple(sink));
    pg_pid parse = pg_spawn(self, run_stage, .name = "parse", .mailbox = &bounded, .args = pg_tuple(check));
    pg_spawn(self, run_source, .name = "source", .args = pg_tuple(parse, self));

    const pg_message *msg;
    pg_recv_match(self, &msg, PG_FOREVER, "mailbox", "high", sink, PG_INT);
    printf("the sink is slow: %d wait\n", (int)pg_get_int(self, msg, 3));
    pg_recv_match(self, &msg, PG_FOREVER, "source", PG_BOOL);
    printf("the source was held back: %s\n", pg_get_bool(self, msg, 1) ? "yes" : "no");
    for (int i = 0; i < 3; i++) {
        pg_recv_match(self, &msg, PG_FOREVER, "stage", PG_STR, PG_INT, PG_BOOL);
        printf("%-5s  %d items, never more than %d waiting: %s\n", pg_get_str(self, msg, 1),
               (int)pg_get_int(self, msg, 2), MOST, pg_get_bool(self, msg, 3) ? "yes" : "no");
    }
    pg_recv_match(self, &msg, PG_FOREVER, "sum", PG_INT);
    printf("nothing is lost: %s\n", pg_get_int(self, msg, 1) == 4 * (int64_t)ITEMS * (ITEMS + 1) / 2 ? "yes" : "no");
    return pg_stop(rt, PG_SECONDS(5));
}
