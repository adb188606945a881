/* epoch_stress.c - sched/epoch: members and visitors read and retire slots; nobody reads a slot that was reused.
 *
 * The last member never announces anything after its first moment, as one in an endless handler: once it is there, the
 * epoch moves by force alone.  Where the system has no heavy fences it announces like the others.
 *
 * Each thread replaces slots of a small table, keeps what it unlinked with its stamp, and ruins and frees what has
 * passed. Reading a ruined slot is a failed check, a data race to ThreadSanitizer, and a use after free to
 * AddressSanitizer. */
#include "epoch.h"

#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

enum { MEMBERS = 3, THREADS = 5, TABLE = 8, LIMBO = 64, GOOD = 12345 };

struct slot {
    int state;
};

struct limbo { /* a ring: what was unlinked first passes first */
    struct {
        struct slot *slot;
        uint64_t stamp;
    } ring[LIMBO];
    unsigned from, to;
};

static pgs_epoch domain;
static pgs_epoch_member members[MEMBERS];
static _Atomic(struct slot *) table[TABLE];
static _Atomic(bool) stop;
static _Atomic(uint64_t) reused, reads, forced;
static uint64_t seeds[THREADS];

static struct slot *slot_new(void)
{
    struct slot *s = malloc(sizeof *s);
    CHECK(s);
    s->state = GOOD;
    return s;
}

static void read_some(uint64_t random)
{
    for (int i = 0; i < 4; i++, random >>= 8) {
        struct slot *s = load_acquire(&table[random % TABLE]); /* partner: the exchange in retire */
        for (int look = 0; look < 3; look++) CHECK_EQ(*(volatile int *)&s->state, GOOD);
    }
    add_relaxed(&reads, 4u);
}

/* Frees what has passed; true if the ring has room. */
static bool reclaim(struct limbo *l)
{
    while (l->from != l->to && pgs_epoch_passed(&domain, l->ring[l->from % LIMBO].stamp)) {
        struct slot *s = l->ring[l->from++ % LIMBO].slot;
        s->state = 0;
        free(s);
        add_relaxed(&reused, 1u);
    }
    return l->to - l->from < LIMBO;
}

static void retire(struct limbo *l, uint64_t random)
{
    if (!reclaim(l)) {
        if (!pgs_epoch_try_advance(&domain) && pgs_epoch_force_advance(&domain)) add_relaxed(&forced, 1u);
        return;
    }
    struct slot *old = xchg_acq_rel(&table[random % TABLE], slot_new()); /* partner: the load in read_some */
    l->ring[l->to % LIMBO].slot = old;
    l->ring[l->to++ % LIMBO].stamp = pgs_epoch_now(&domain);
}

static void member_turn(pgs_epoch_member *me, struct limbo *l, uint64_t random)
{
    for (int i = 0; i < 4; i++) { /* a task of a few operations, one in the other now and then */
        pgs_epoch_member_enter(me);
        if (random >> i & 1) {
            pgs_epoch_member_enter(me);
            pgs_epoch_member_leave(me);
        }
        read_some(random);
        pgs_epoch_member_leave(me);
    }
    if (random >> 40 & 1) retire(l, random >> 44);
    if (me == &members[MEMBERS - 1] && domain.can_force) return;
    pgs_epoch_quiesce(&domain, me);
    if ((random >> 50) % 64 == 0) { /* parks */
        pgs_epoch_member_offline(&domain, me);
        sched_yield();
        pgs_epoch_member_online(&domain, me);
    }
}

static void visitor_turn(struct limbo *l, uint64_t random)
{
    pgs_epoch_visitor g = pgs_epoch_enter(&domain);
    read_some(random);
    pgs_epoch_leave(&domain, g);
    if ((random >> 40 & 3) == 0) retire(l, random >> 44);
}

static void *reader(void *arg)
{
    int me = (int)(intptr_t)arg;
    struct limbo limbo = {.from = 0};
    if (me < MEMBERS) {
        pgs_epoch_register(&domain, &members[me]);
        pgs_epoch_member_online(&domain, &members[me]);
    }
    while (!load_relaxed(&stop)) {
        uint64_t random = check_random(&seeds[me]);
        if (me < MEMBERS) {
            member_turn(&members[me], &limbo, random);
        } else {
            visitor_turn(&limbo, random);
        }
    }
    if (me < MEMBERS) pgs_epoch_member_offline(&domain, &members[me]);
    while (limbo.from != limbo.to) {
        if (!pgs_epoch_force_advance(&domain)) sched_yield();
        reclaim(&limbo);
    }
    return NULL;
}

int main(void)
{
    uint64_t random = check_seed();
    int64_t limit = check_duration_ms(1000);
    pthread_t threads[THREADS];
    pgs_epoch_init(&domain);
    for (int i = 0; i < TABLE; i++) store_relaxed(&table[i], slot_new());
    for (int i = 0; i < THREADS; i++) seeds[i] = check_random(&random);
    for (intptr_t i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, reader, (void *)i), 0);
    struct timespec pause = {limit / 1000, limit % 1000 * 1000000};
    nanosleep(&pause, NULL);
    store_relaxed(&stop, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < TABLE; i++) free(load_relaxed(&table[i]));
    CHECK(load_relaxed(&reused) > 0);
    CHECK(load_relaxed(&forced) > 0 || !domain.can_force);
    printf("%" PRIu64 " reads, %" PRIu64 " slots reused, epoch %" PRIu64 ", %" PRIu64 " steps forced\n",
           load_relaxed(&reads), load_relaxed(&reused), load_relaxed(&domain.global), load_relaxed(&forced));
    return 0;
}
