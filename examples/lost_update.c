/* lost_update.c - a mistake that shows itself once in some thousand runs, found by trying seeds, and seen again.
 *
 * Two tellers pay into one account.  They should send to a process that has it; instead they share it, and between the
 * reading and the writing they write into the journal.  When one of them is suspended right there, for longer than it
 * takes the other to come by, what that one has paid in is lost.
 *
 *     lost_update          tries one seed after the other until money is missing
 *     lost_update SEED     the run with that seed, and what each process did in it; 1 when money is missing
 *
 *     tools/seedhunt build/release/examples/lost_update      a thousand seeds, and which of them fail */
#include <inttypes.h>
#include <paragram.h>
#include <stdlib.h>

enum { TELLERS = 2, DEPOSITS = 3, AMOUNT = 10, SEEDS = 100000 };

typedef struct account {
    int64_t balance;
    pg_pid journal;
} account;

static void write_down(pg_process *self, const pg_message *msg)
{
    pg_get_int(self, msg, 1); /* an entry is an amount, or the process fails */
}

static void keep_journal(pg_process *self)
{
    pg_receive(self, write_down, "deposit", PG_INT);
}

static void work(pg_process *self)
{
    account *a = pg_get_ptr(self, pg_args(self), 0);
    int64_t first = pg_get_int(self, pg_args(self), 1);
    pg_sleep(self, PG_MS(first));
    for (int i = 0; i < DEPOSITS; i++) {
        int64_t before = a->balance;
        pg_send(a->journal, "deposit", AMOUNT);
        a->balance = before + AMOUNT;
        pg_sleep(self, PG_MS(10));
    }
}

/* What is in the account at the end of a run. */
static int64_t run(uint64_t seed, FILE *trace)
{
    account a = {0};
    pg_pid tellers[TELLERS];
    pg_runtime *rt = pg_start(&(pg_options){.seed = seed, .trace = trace});
    pg_process *self = pg_attach(rt, "main");
    if (!self) exit(2);
    a.journal = pg_spawn(self, keep_journal, .name = "journal");
    for (int i = 0; i < TELLERS; i++) {
        tellers[i] = pg_spawn(self, work, .name = "teller", .args = pg_tuple((void *)&a, i * 5));
    }
    for (int i = 0; i < TELLERS; i++) pg_wait(tellers[i], PG_FOREVER, NULL);
    pg_stop(rt, PG_SECONDS(5));
    return a.balance;
}

int main(int argc, char **argv)
{
    const int64_t all = TELLERS * DEPOSITS * AMOUNT;
    if (argc > 1) {
        int64_t balance = run(strtoull(argv[1], NULL, 0), stdout);
        printf("of %" PRId64 " there are %" PRId64 "\n", all, balance);
        return balance == all ? 0 : 1;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int64_t balance = run(seed, NULL);
        if (balance == all) continue;
        printf("seed %" PRIu64 ": of %" PRId64 " there are %" PRId64 "\n", seed, all, balance);
        printf("again: of %" PRId64 " there are %" PRId64 "\n", all, run(seed, NULL));
        return 0;
    }
    printf("no seed up to %d shows a mistake\n", SEEDS);
    return 1;
}
