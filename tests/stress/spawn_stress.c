/* spawn_stress.c - bursts of 100,000 processes in the same slots: every pid is new, every stale one is refused for
 * ever.
 *
 * A burst is spawned by a host thread and by processes at once.  Each process waits for one message, says that it has
 * had it, and ends.  Pids of all bursts are kept: none comes twice, and a sample of the old ones is sent to after each
 * burst, when their slots belong to others.  What is spawned, handled and ended has to balance, and no slot may be
 * lost: all bursts together are many times what the runtime may hold at once. */
#include "check.h"

#include <paragram.h>
#include <stdatomic.h>

enum { SLOW = SANITIZED ? 10 : 1 }; /* a factor */
enum { BURST = 100000 / SLOW, BURSTS = 8, SPAWNERS = 4, EACH = BURST / (SPAWNERS + 1), STALE = 2000 };

static pg_pid pids[BURSTS][(SPAWNERS + 1) * EACH];
static _Atomic(uint64_t) handled, strange, cleaned;
static unsigned bursts; /* that have ended */
static uint64_t seed;

static void clean(void *unused)
{
    (void)unused;
    atomic_fetch_add(&cleaned, 1);
}

static void on_go(pg_process *self, const pg_message *msg)
{
    atomic_fetch_add(&handled, 1);
    if (pg_get_pid(self, msg, 1).id != pg_self(self).id) atomic_fetch_add(&strange, 1); /* meant for another one */
    if (pg_self(self).id % 2) pg_exit(self);
    pg_receive(self, on_go, "again"); /* ends all the same: told to */
    pg_terminate(pg_self(self));
}

static void define(pg_table *table)
{
    pg_on(table, on_go, "go", PG_PID);
}

static pg_table table = PG_TABLE(define);

static void short_lived(pg_process *self)
{
    if (pg_self(self).id % 3 == 0) pg_defer(self, clean, NULL);
    pg_use(self, &table);
}

/* Pids of bursts that have ended, while another burst lives in their slots, and after it. */
static void refuse_stale(void)
{
    for (int i = 0; i < STALE && bursts > 0; i++) {
        pg_pid pid = pids[check_random(&seed) % bursts][check_random(&seed) % ((SPAWNERS + 1) * EACH)];
        CHECK_EQ(pg_send(pid, "go", pid), PG_ENOPROC);
        CHECK_EQ(pg_terminate(pid), PG_ENOPROC);
        CHECK(!pg_is_alive(pid));
        pg_exit_info why;
        CHECK_EQ(pg_why(pid, &why), PG_OK);
        CHECK_EQ(why.kind, PG_EXIT_NORMAL);
    }
}

/* Spawns, and lets them go when `before_they_go` has been called while all of them live. */
static void fill(pg_process *self, pg_runtime *rt, pg_pid *out, void (*before_they_go)(void))
{
    for (int i = 0; i < EACH; i++) {
        out[i] = self ? pg_spawn(self, short_lived) : pg_spawn_in(rt, short_lived, NULL);
        CHECK_EQ(pg_pid_status(out[i]), PG_OK);
        if (!before_they_go) CHECK_EQ(pg_send(out[i], "go", out[i]), PG_OK);
    }
    if (!before_they_go) return;
    before_they_go();
    for (int i = 0; i < EACH; i++) CHECK_EQ(pg_send(out[i], "go", out[i]), PG_OK);
}

static void spawner(pg_process *self)
{
    fill(self, NULL, pg_get_ptr(self, pg_args(self), 0), NULL);
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const pg_pid *)a)->id, y = ((const pg_pid *)b)->id;
    return x < y ? -1 : x > y;
}

static void burst(pg_runtime *rt, pg_pid *out)
{
    pg_pid spawners[SPAWNERS];
    for (int i = 0; i < SPAWNERS; i++) {
        pg_spawn_options options = {.args = pg_tuple((void *)(out + (i + 1) * EACH))};
        spawners[i] = pg_spawn_in(rt, spawner, &options);
        CHECK_EQ(pg_pid_status(spawners[i]), PG_OK);
    }
    fill(NULL, rt, out, refuse_stale);
    for (int i = 0; i < SPAWNERS; i++) CHECK_EQ(pg_wait(spawners[i], PG_SECONDS(60), NULL), PG_OK);
    for (int i = 0; i < (SPAWNERS + 1) * EACH; i++) CHECK_EQ(pg_wait(out[i], PG_SECONDS(60), NULL), PG_OK);
}

static void check_all_different(void)
{
    size_t n = sizeof pids / sizeof(pg_pid);
    pg_pid *all = &pids[0][0];
    qsort(all, n, sizeof *all, by_id);
    for (size_t i = 1; i < n; i++) CHECK(all[i].id != all[i - 1].id);
}

int main(void)
{
    seed = check_seed();
    /* Room for two bursts: slots have to come back in time. */
    pg_runtime *rt = pg_start(&(pg_options){.workers = 3, .max_processes = 2 * BURST + 20000});
    CHECK(rt);
    for (int i = 0; i < BURSTS; i++) {
        burst(rt, pids[i]);
        bursts++;
        refuse_stale();
    }
    uint64_t all = (uint64_t)BURSTS * (SPAWNERS + 1) * EACH;
    CHECK_EQ(handled, all);
    CHECK_EQ(strange, 0);
    pg_stats stats;
    CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
    CHECK_EQ(stats.spawned, all + BURSTS * SPAWNERS);
    CHECK_EQ(stats.dropped, 0);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(10)), PG_OK);
    CHECK_EQ(pg_send(pids[0][0], "go"), PG_ENOPROC);
    uint64_t expected = 0;
    for (size_t i = 0; i < all; i++) expected += (&pids[0][0])[i].id % 3 == 0;
    CHECK_EQ(cleaned, expected);
    check_all_different();
    printf("%" PRIu64 " processes in %d bursts\n", all, BURSTS);
    return 0;
}
