/* receiver_test.c - sets of receivers: who is found, what is shared and with whom, tables, and what is left behind; and
 * random sets against a matcher that is slow and plain, asked one pattern after the other. */
#include <pthread.h>

#include "check.h"
#include "plain.h"
#include "runtime/receiver.h"
#include "runtime/wire.h"

/* Handlers are only compared here. */
#define HANDLER(name)                                         \
    static void name(pg_process *self, const pg_message *msg) \
    {                                                         \
        (void)self;                                           \
        (void)msg;                                            \
        puts(#name);                                          \
    }
HANDLER(handle_a)
HANDLER(handle_b)
HANDLER(handle_c)

static int add(pgi_receiver_store *store, const pgi_receivers **set, pg_handler handler, size_t count,
               const pg_value *values)
{
    return pgi_receivers_add(store, *set, handler, count, values, set);
}

/* The handler that a message of these values finds. */
static pg_handler found(const pgi_receivers *set, size_t count, const pg_value *values)
{
    pg_message *msg;
    CHECK_EQ(pgi_message_build(NULL, count, values, &msg), PG_OK);
    const pgi_receiver *receiver = pgi_receivers_find(set, msg);
    pg_handler handler = receiver != NULL ? receiver->handler : NULL;
    pgi_message_free(NULL, msg);
    return handler;
}

static void test_find(pgi_receiver_store *store)
{
    const pgi_receivers *set = NULL;
    CHECK(found(set, PG_VALUES(1)) == NULL);
    CHECK_EQ(pgi_receivers_count(set), 0);
    CHECK_EQ(add(store, &set, handle_a, PG_VALUES("a", PG_INT)), PG_OK);
    CHECK_EQ(add(store, &set, handle_b, PG_VALUES("a", PG_ETC)), PG_OK);
    CHECK_EQ(add(store, &set, handle_c, 0, NULL), PG_OK);
    CHECK_EQ(add(store, &set, handle_a, PG_VALUES(PG_STR)), PG_OK);
    CHECK_EQ(pgi_receivers_count(set), 4);
    CHECK(found(set, PG_VALUES("a", 1)) == handle_a);
    CHECK(found(set, PG_VALUES("a", "b")) == handle_b);
    CHECK(found(set, PG_VALUES("a")) == handle_b);
    CHECK(found(set, PG_VALUES("a", 1, 2)) == handle_b);
    CHECK(found(set, 0, NULL) == handle_c);
    CHECK(found(set, PG_VALUES("b")) == handle_a);
    CHECK(found(set, PG_VALUES("b", 1)) == NULL);
    CHECK(found(set, PG_VALUES(1)) == NULL);
    CHECK(!pgi_receivers_is_private(set));

    /* One element, and more to it than a gate can say. */
    CHECK_EQ(add(store, &set, handle_b, PG_VALUES(pg_tuple(1, PG_ANY))), PG_OK);
    CHECK_EQ(add(store, &set, handle_c, PG_VALUES(pg_tuple(2, PG_ANY))), PG_OK);
    CHECK(found(set, PG_VALUES(pg_tuple(1, 1))) == handle_b);
    CHECK(found(set, PG_VALUES(pg_tuple(2, 1))) == handle_c);
    CHECK(found(set, PG_VALUES(pg_tuple(3, 1))) == NULL);
}

static void test_sharing(pgi_receiver_store *store)
{
    const pgi_receivers *one = NULL, *two = NULL, *other = NULL, *first;
    char text[] = "a text of more than fourteen bytes";
    CHECK_EQ(add(store, &one, handle_a, PG_VALUES(text, pg_tuple(1, PG_ANY))), PG_OK);
    first = one;
    CHECK_EQ(add(store, &one, handle_b, PG_VALUES(PG_ETC)), PG_OK);
    char same_text[] = "a text of more than fourteen bytes";
    CHECK_EQ(add(store, &two, handle_a, PG_VALUES(same_text, pg_tuple(1, PG_ANY))), PG_OK);
    CHECK(two == first);
    CHECK_EQ(add(store, &two, handle_b, PG_VALUES(PG_ETC)), PG_OK);
    CHECK(one == two);
    /* Another handler, pattern or beginning is another set; and going back and forth finds the old ones. */
    for (unsigned i = 0; i < 3; i++) {
        const pgi_receivers *x = first, *y = first, *z = NULL, *back = first;
        CHECK_EQ(add(store, &x, handle_c, PG_VALUES(PG_ETC)), PG_OK);
        CHECK_EQ(add(store, &y, handle_b, PG_VALUES(PG_ANY)), PG_OK);
        CHECK_EQ(add(store, &z, handle_b, PG_VALUES(PG_ETC)), PG_OK);
        CHECK_EQ(add(store, &back, handle_b, PG_VALUES(PG_ETC)), PG_OK);
        CHECK(x != one && y != one && z != one && x != y && back == one);
        CHECK(other == NULL || other == x);
        other = x;
    }
    CHECK_EQ(load_relaxed(&store->shared_count), 5);
}

static void test_errors(pgi_receiver_store *store)
{
    const pgi_receivers *set = NULL, *before;
    CHECK_EQ(add(store, &set, NULL, PG_VALUES(1)), PG_EINVAL);
    CHECK_EQ(add(store, &set, handle_a, 1, NULL), PG_EINVAL);
    CHECK_EQ(add(store, &set, handle_a, PG_VALUES(PG_ETC, 1)), PG_EPATTERN);
    CHECK(set == NULL);
    CHECK_EQ(add(store, &set, handle_a, PG_VALUES(1)), PG_OK);
    before = set;
    CHECK_EQ(add(store, &set, handle_a, PG_VALUES(UINT64_MAX)), PG_EINVAL);
    CHECK(set == before);
    pgi_receivers_drop(set);
    pgi_receivers_drop(NULL);
    CHECK(found(set, PG_VALUES(1)) == handle_a);
}

static void test_private(pgi_receiver_store *store)
{
    const pgi_receivers *shared = NULL, *one, *two;
    const pg_pid pid = {1234};
    CHECK_EQ(add(store, &shared, handle_a, PG_VALUES("go")), PG_OK);
    one = two = shared;
    CHECK_EQ(add(store, &one, handle_b, PG_VALUES("from", pid)), PG_OK);
    CHECK_EQ(add(store, &two, handle_b, PG_VALUES("from", pid)), PG_OK);
    CHECK(one != two && pgi_receivers_is_private(one) && pgi_receivers_is_private(two));
    CHECK(!pgi_receivers_is_private(shared) && !pgi_receivers_is_private(NULL));
    for (int i = 0; i < 40; i++) CHECK_EQ(add(store, &one, handle_c, PG_VALUES("more", i)), PG_OK);
    CHECK(pgi_receivers_is_private(one));
    CHECK_EQ(pgi_receivers_count(one), 42);
    const pgi_receivers *before = one;
    CHECK_EQ(add(store, &one, handle_c, PG_VALUES(PG_ETC, PG_ETC)), PG_EPATTERN);
    CHECK(one == before);
    CHECK(found(one, PG_VALUES("go")) == handle_a);
    CHECK(found(one, PG_VALUES("from", pid)) == handle_b);
    CHECK(found(one, PG_VALUES("from", (pg_pid){1})) == NULL);
    CHECK(found(one, PG_VALUES("more", 39)) == handle_c);
    CHECK(found(two, PG_VALUES("more", 39)) == NULL);
    CHECK(found(shared, PG_VALUES("from", pid)) == NULL);
    pgi_receivers_drop(one);
    pgi_receivers_drop(two);
}

/* More receivers than a shared set holds, and more sets than a store does. */
static void test_limits(pgi_receiver_store *store)
{
    const pgi_receivers *set = NULL, *again = NULL;
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(add(store, &set, i % 2 ? handle_a : handle_b, PG_VALUES("n", i)), PG_OK);
        CHECK_EQ(pgi_receivers_is_private(set), i >= PGI_SHARED_RECEIVERS);
        if (i < 100) CHECK_EQ(add(store, &again, i % 2 ? handle_a : handle_b, PG_VALUES("n", i)), PG_OK);
    }
    for (int i = 0; i < 200; i++) CHECK(found(set, PG_VALUES("n", i)) == (i % 2 ? handle_a : handle_b));
    CHECK(found(again, PG_VALUES("n", 99)) == handle_a);
    CHECK(found(again, PG_VALUES("n", 100)) == NULL);
    pgi_receivers_drop(set);
    pgi_receivers_drop(again);

    unsigned privates = 0;
    for (int i = 0; i < 5000; i++) {
        const pgi_receivers *one = NULL;
        CHECK_EQ(add(store, &one, handle_c, PG_VALUES("distinct", i)), PG_OK);
        CHECK(found(one, PG_VALUES("distinct", i)) == handle_c);
        CHECK(found(one, PG_VALUES("distinct", i + 1)) == NULL);
        privates += pgi_receivers_is_private(one);
        pgi_receivers_drop(one);
    }
    CHECK_EQ(load_relaxed(&store->shared_count), PGI_SHARED_SETS);
    CHECK_EQ(privates, 5000 - (PGI_SHARED_SETS - PGI_SHARED_RECEIVERS));
}

/* Large sets by the index, against asking one pattern after the other. */
static void test_index(pgi_receiver_store *store)
{
    uint64_t random = check_seed();
    for (unsigned round = 0; round < 300; round++) {
        const pgi_receivers *set = NULL;
        unsigned size = 1 + (unsigned)(check_random(&random) % 40);
        for (unsigned i = 0; i < size; i++) {
            const pg_value firsts[] = {PG_ANY,
                                       PG_INT,
                                       pg_v_int((int64_t)(check_random(&random) % 10)),
                                       pg_v_float(0.0),
                                       pg_v_float((double)(check_random(&random) % 3)),
                                       PG_ETC,
                                       pg_v_pid((pg_pid){round}),
                                       pg_v_str("name"),
                                       PG_NIL,
                                       pg_strn("aaaaaaaaaaaaaaaaaa", check_random(&random) % 18)};
            const pg_value values[] = {firsts[check_random(&random) % 10],
                                       pg_v_int((int64_t)(check_random(&random) % 2))};
            unsigned count = (values[0].head & 0xff) == PG_T_ETC ? 1 : 1 + (unsigned)(check_random(&random) % 2);
            if (check_random(&random) % 20 != 0 && count == 1 && (values[0].head & 0xff) != PG_T_INT) count = 2;
            if ((values[0].head & 0xff) == PG_T_ETC && i + 5 < size) continue;
            int status = add(store, &set, handle_a, (values[0].head & 0xff) == PG_T_ETC ? 1 : count, values);
            CHECK_EQ(status, PG_OK);
        }
        for (unsigned i = 0; i < 60; i++) {
            const pg_value firsts[] = {pg_v_int((int64_t)(check_random(&random) % 12)),
                                       pg_v_float(-0.0),
                                       pg_v_float((double)(check_random(&random) % 3)),
                                       pg_v_pid((pg_pid){round}),
                                       pg_v_str("name"),
                                       pg_strn("aaaaaaaaaaaaaaaaaa", check_random(&random) % 18),
                                       PG_NIL};
            const pg_value values[] = {firsts[check_random(&random) % 7],
                                       pg_v_int((int64_t)(check_random(&random) % 3))};
            pg_message *msg;
            CHECK_EQ(pgi_message_build(NULL, check_random(&random) % 3, values, &msg), PG_OK);
            const pgi_receiver *expected = NULL;
            for (size_t j = 0; expected == NULL && j < pgi_receivers_count(set); j++)
                if (pgi_pattern_match(set->list[j].pattern, msg)) expected = &set->list[j];
            CHECK(pgi_receivers_find(set, msg) == expected);
            pgi_message_free(NULL, msg);
        }
        pgi_receivers_drop(set);
    }
}

/* ------------------------------------------------------------------------------------------------------- tables */

static _Atomic int defined;
static pg_table *nested_table;
static pgi_receiver_store *nested_store;
static int given; /* by pg_on() in define_pid() */
static const pg_pid known = {77};

static void define_counter(pg_table *t)
{
    add_relaxed(&defined, 1);
    CHECK_EQ(pg_on(t, handle_a, "add", PG_INT), PG_OK);
    CHECK_EQ(pg_on(t, handle_b, "stop"), PG_OK);
    for (int i = 0; i < 20; i++) CHECK_EQ(pg_on(t, handle_c, "n", i), PG_OK);
}

static void define_pid(pg_table *t)
{
    given = pg_on(t, handle_a, known);
}

static void define_nothing(pg_table *t)
{
    (void)t;
}

static void define_wrong(pg_table *t)
{
    add_relaxed(&defined, 1);
    CHECK_EQ(pg_on(t, handle_a, "fine"), PG_OK);
    CHECK_EQ(pg_on(t, handle_a, PG_ETC, 1), PG_EPATTERN);
    CHECK_EQ(pg_on(t, NULL, "no handler"), PG_EINVAL);
    CHECK_EQ(pg_on(t, handle_a, "fine, too"), PG_OK);
}

static void define_nested(pg_table *t)
{
    const pgi_receivers *set;
    CHECK_EQ(pgi_table_use(nested_store, nested_table, &set), PG_EINVAL);
    CHECK_EQ(pg_on(t, handle_a, "x"), PG_OK);
}

static void test_tables(pgi_receiver_store *store)
{
    static pg_table counter = PG_TABLE(define_counter), wrong = PG_TABLE(define_wrong),
                    empty = PG_TABLE(define_nothing);
    static pg_table with_pid = PG_TABLE(define_pid), nested = PG_TABLE(define_nested), none = PG_TABLE(NULL);
    const pgi_receivers *set = NULL, *again = NULL, *other;
    pgi_receiver_store second;
    store_relaxed(&defined, 0);
    CHECK_EQ(pg_on(&counter, handle_a, 1), PG_EINVAL); /* nobody is defining it */
    CHECK_EQ(pgi_table_use(store, &counter, &set), PG_OK);
    CHECK_EQ(pgi_table_use(store, &counter, &again), PG_OK);
    CHECK(set == again && !pgi_receivers_is_private(set));
    CHECK_EQ(load_relaxed(&defined), 1);
    CHECK(found(set, PG_VALUES("add", 5)) == handle_a);
    CHECK(found(set, PG_VALUES("stop")) == handle_b);
    CHECK(found(set, PG_VALUES("n", 19)) == handle_c);
    CHECK_EQ(pg_on(&counter, handle_a, 1), PG_EINVAL);

    /* More receivers after a table's are shared, too. */
    again = other = set;
    CHECK_EQ(add(store, &again, handle_a, PG_VALUES("extra")), PG_OK);
    CHECK_EQ(add(store, &other, handle_a, PG_VALUES("extra")), PG_OK);
    CHECK(again == other && again != set && !pgi_receivers_is_private(again));
    CHECK(found(again, PG_VALUES("extra")) == handle_a && found(again, PG_VALUES("n", 3)) == handle_c);

    CHECK_EQ(pgi_receiver_store_init(&second), PG_OK);
    CHECK_EQ(pgi_table_use(&second, &counter, &other), PG_OK);
    CHECK(other != set);
    CHECK_EQ(load_relaxed(&defined), 2);
    pgi_receiver_store_destroy(&second);

    store_relaxed(&defined, 0);
    set = NULL;
    for (unsigned i = 0; i < 3; i++) CHECK_EQ(pgi_table_use(store, &wrong, &set), PG_EPATTERN);
    CHECK(set == NULL);
    CHECK_EQ(load_relaxed(&defined), 1);
    CHECK_EQ(pgi_table_use(store, NULL, &set), PG_EINVAL);
    CHECK_EQ(pgi_table_use(store, &none, &set), PG_EINVAL);
    CHECK_EQ(pg_on(NULL, handle_a, 1), PG_EINVAL);
    CHECK_EQ(pgi_table_use(store, &empty, &set), PG_OK);
    CHECK(set != NULL);
    CHECK_EQ(pgi_receivers_count(set), 0);

    CHECK_EQ(pgi_table_use(store, &with_pid, &set), PG_OK);
    CHECK_EQ(given, PG_OK);
    CHECK(!pgi_receivers_is_private(set) && found(set, PG_VALUES(known)) == handle_a);

    nested_table = &counter;
    nested_store = &second;
    memset(&second, 0, sizeof second);
    CHECK_EQ(pgi_table_use(store, &nested, &set), PG_OK);
}

/* Tables beyond those that a store keeps. */
static void test_many_tables(pgi_receiver_store *store)
{
    enum { MANY = PGI_TABLE_CHUNKS * PGI_TABLE_CHUNK + 10 };
    static pg_table tables[MANY];
    const pgi_receivers *set = NULL, *again;
    for (unsigned i = 0; i < MANY; i++) {
        tables[i] = (pg_table)PG_TABLE(define_counter);
        CHECK_EQ(pgi_table_use(store, &tables[i], &set), PG_OK);
    }
    CHECK_EQ(pgi_table_use(store, &tables[MANY - 1], &again), PG_OK);
    CHECK(set == again && found(set, PG_VALUES("n", 19)) == handle_c);
    pgi_receivers_drop(set);
    for (unsigned i = 0; i < 2; i++) {
        pg_table last = PG_TABLE(i == 0 ? define_nothing : define_wrong);
        set = NULL;
        CHECK_EQ(pgi_table_use(store, &last, &set), i == 0 ? PG_OK : PG_EPATTERN);
        CHECK_EQ(pgi_receivers_count(set), 0);
        pgi_receivers_drop(set);
    }
}

/* ------------------------------------------------------------------------------------------------------ threads */

enum { THREADS = 4, KINDS = 200, LENGTH = 4 };

typedef struct job {
    pgi_receiver_store *store;
    pg_table *tables;
    const pgi_receivers *sets[KINDS];
    const pgi_receivers *tabled[KINDS];
    pthread_barrier_t *start;
} job;

static void *register_all(void *argument)
{
    job *j = argument;
    pthread_barrier_wait(j->start);
    for (unsigned round = 0; round < 3; round++) {
        for (int kind = 0; kind < KINDS; kind++) {
            const pgi_receivers *set = NULL;
            for (int i = 0; i < LENGTH; i++) {
                /* Kinds begin alike and part then, so that threads meet at the same sets. */
                CHECK_EQ(add(j->store, &set, handle_a, PG_VALUES("kind", i < 2 ? kind % 10 : kind, i)), PG_OK);
                CHECK(found(set, PG_VALUES("kind", i < 2 ? kind % 10 : kind, i)) == handle_a);
            }
            CHECK(round == 0 || j->sets[kind] == set);
            j->sets[kind] = set;
            CHECK_EQ(pgi_table_use(j->store, &j->tables[kind], &j->tabled[kind]), PG_OK);
            CHECK(found(j->tabled[kind], PG_VALUES("stop")) == handle_b);
            const pgi_receivers *mine = set;
            CHECK_EQ(add(j->store, &mine, handle_b, PG_VALUES(&mine)), PG_OK);
            pgi_receivers_drop(mine);
        }
    }
    return NULL;
}

static void test_threads(pgi_receiver_store *store)
{
    static pg_table tables[KINDS];
    static job jobs[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    CHECK_EQ(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (unsigned i = 0; i < KINDS; i++) tables[i] = (pg_table)PG_TABLE(define_counter);
    store_relaxed(&defined, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (job){.store = store, .tables = tables, .start = &start};
        CHECK_EQ(pthread_create(&threads[i], NULL, register_all, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 1; i < THREADS; i++) {
        for (unsigned kind = 0; kind < KINDS; kind++) {
            CHECK(jobs[i].sets[kind] == jobs[0].sets[kind]);
            CHECK(jobs[i].tabled[kind] == jobs[0].tabled[kind]);
        }
    }
    CHECK_EQ(load_relaxed(&defined), KINDS);
    CHECK_EQ(load_relaxed(&store->shared_count), 2 * 10 + 2 * KINDS);
    pthread_barrier_destroy(&start);
}

/* One thread makes a table's set and a shared set, and tells another that there is something by a flag that orders
 * nothing; ThreadSanitizer then sees whether the store itself does. */
static _Atomic bool told;
static pg_table told_table = PG_TABLE(define_counter);

static void *tell(void *argument)
{
    pgi_receiver_store *store = argument;
    const pgi_receivers *set = NULL, *tabled;
    CHECK_EQ(pgi_table_use(store, &told_table, &tabled), PG_OK);
    CHECK_EQ(add(store, &set, handle_a, PG_VALUES("told")), PG_OK);
    for (unsigned i = 0; i < PGI_ROOTS; i++) store_relaxed(&store->roots[i], NULL);
    store_relaxed(&told, true);
    return NULL;
}

static void test_order(pgi_receiver_store *store)
{
    const pgi_receivers *set = NULL, *tabled = NULL;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, tell, store), 0);
    while (!load_relaxed(&told)) cpu_relax();
    CHECK_EQ(pgi_table_use(store, &told_table, &tabled), PG_OK);
    CHECK(found(tabled, PG_VALUES("stop")) == handle_b);
    CHECK_EQ(add(store, &set, handle_a, PG_VALUES("told")), PG_OK);
    CHECK(found(set, PG_VALUES("told")) == handle_a);
    CHECK_EQ(load_relaxed(&store->shared_count), 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------------- memory */

/* Fails one allocation after the other, until all succeed: an error leaves all as it was, and nothing leaks. */
static void test_memory(void)
{
    pg_table table = PG_TABLE(define_pid);
    bool done = false;
    for (long nth = 1; !done; nth++) {
        pgi_receiver_store store;
        const pgi_receivers *set = NULL, *tabled = NULL;
        CHECK_EQ(pgi_receiver_store_init(&store), PG_OK);
        pgi_memory_fail(nth);
        done = true;
        for (int i = 0; i < 20; i++) {
            const pg_value values[] = {pg_v_str("a text of more than fourteen bytes"),
                                       i < 10 ? pg_v_int(i) : pg_v_pid(known)};
            const pgi_receivers *before = set;
            int status = add(&store, &set, handle_a, 2, values);
            if (status == PG_OK) continue;
            CHECK_EQ(status, PG_ENOMEM);
            CHECK(set == before);
            done = false;
        }
        int status = pgi_table_use(&store, &table, &tabled);
        if (status != PG_OK) {
            CHECK_EQ(status, PG_ENOMEM);
            done = false;
            CHECK_EQ(pgi_table_use(&store, &table, &tabled), PG_OK); /* not refused for ever */
        }
        pgi_memory_fail(0);
        CHECK(found(tabled, PG_VALUES(known)) == handle_a);
        pgi_receivers_drop(set);
        pgi_receiver_store_destroy(&store);
    }
}

static void with_store(void (*test)(pgi_receiver_store *store))
{
    pgi_receiver_store store;
    CHECK_EQ(pgi_receiver_store_init(&store), PG_OK);
    test(&store);
    pgi_receiver_store_destroy(&store);
}

/* -------------------------------------------------------------------------------------- random sets and tables */

enum { RECEIVERS = 16, MESSAGES = 12, DEPTH = 3, TABLES = 500 };

static pg_table random_tables[TABLES];

static struct random_set {
    world world;
    unsigned size;
    pg_value messages[MESSAGES], patterns[RECEIVERS];
} drawn;

/* Only compared, and told apart by their number. */
static pg_handler handler_of(unsigned number)
{
    return (pg_handler)(uintptr_t)(16 * (number + 1));
}

static void define_drawn(pg_table *table)
{
    for (unsigned i = 0; i < drawn.size; i++) {
        const pg_value *p = &drawn.patterns[i];
        CHECK_EQ(pg_on_values(table, handler_of(i), pgi_value_count(*p), pgi_value_elements(*p)), PG_OK);
    }
}

static void draw_set(void)
{
    drawn.world.used = 0;
    drawn.size = 1 + draw(&drawn.world, RECEIVERS);
    for (unsigned i = 0; i < MESSAGES; i++) drawn.messages[i] = random_message(&drawn.world, DEPTH);
    for (unsigned i = 0; i < drawn.size; i++) {
        pg_value like = drawn.messages[draw(&drawn.world, MESSAGES)];
        drawn.patterns[i] = random_receiver(&drawn.world, like, DEPTH);
    }
}

/* Who is registered first, of those that match plainly. */
static pg_handler expected_of(pg_value message)
{
    for (unsigned i = 0; i < drawn.size; i++)
        if (plainly_matches(drawn.patterns[i], message)) return handler_of(i);
    return NULL;
}

static void expect_found(const char *where, const pgi_receivers *set, const pg_message *msg, pg_handler expected)
{
    char text[2000];
    const pgi_receiver *receiver = pgi_receivers_find(set, msg);
    pg_handler handler = receiver ? receiver->handler : NULL;
    if (handler == expected) return;
    for (unsigned i = 0; i < drawn.size; i++) {
        pg_format_value(text, sizeof text, drawn.patterns[i]);
        printf("  %u: %s\n", i, text);
    }
    pg_format_message(text, sizeof text, msg);
    CHECK_FAIL("%s: %s finds %d instead of %d", where, text, (int)((uintptr_t)handler / 16) - 1,
               (int)((uintptr_t)expected / 16) - 1);
}

/* By its way over a ring, too: the same bytes, in a block of their own. */
static void expect_found_after_travel(const pgi_receivers *set, pg_message *msg, pg_handler expected)
{
    size_t bytes;
    CHECK_EQ(pgi_wire_prepare(NULL, &msg, &bytes), PG_OK);
    void *block = pgi_block_alloc(NULL, bytes / PGI_UNIT);
    pgi_wire_write(msg, bytes, 0, block, bytes);
    pgi_message_free(NULL, msg);
    CHECK_EQ(pgi_wire_check(block, bytes, PGI_USER, NULL, 0), PG_OK);
    msg = pgi_wire_adopt(block);
    expect_found("after its way over a ring", set, msg, expected);
    pgi_message_free(NULL, msg);
}

/* Added one by one, and from a table: the first that matches is found. */
static void test_random_sets(pgi_receiver_store *store)
{
    uint64_t sets = 0, hits = 0;
    drawn.world.random = check_seed();
    int64_t until = check_now_ns() + check_duration_ms(SANITIZED ? 2000 : 500) * 1000000;
    for (; check_now_ns() < until; sets++) {
        const pgi_receivers *set = NULL, *from_table = NULL;
        draw_set();
        for (unsigned i = 0; i < drawn.size; i++) {
            const pg_value *p = &drawn.patterns[i];
            CHECK_EQ(add(store, &set, handler_of(i), pgi_value_count(*p), pgi_value_elements(*p)), PG_OK);
        }
        CHECK_EQ(pgi_receivers_count(set), drawn.size);
        if (sets < TABLES) { /* of tables there is a limited number in a program */
            random_tables[sets].define = define_drawn;
            CHECK_EQ(pgi_table_use(store, &random_tables[sets], &from_table), PG_OK);
        }
        for (unsigned i = 0; i < MESSAGES; i++) {
            pg_message *msg;
            const pg_value *m = &drawn.messages[i];
            pg_handler expected = expected_of(*m);
            hits += expected != NULL;
            CHECK_EQ(pgi_message_build(NULL, pgi_value_count(*m), pgi_value_elements(*m), &msg), PG_OK);
            expect_found("added", set, msg, expected);
            if (from_table) expect_found("in a table", from_table, msg, expected);
            expect_found_after_travel(set, msg, expected);
        }
        pgi_receivers_drop(set);
        pgi_receivers_drop(from_table);
    }
    printf("%" PRIu64 " random sets, %" PRIu64 " messages of which %" PRIu64 " are found a receiver\n", sets,
           sets * MESSAGES, hits);
    CHECK(hits > sets * MESSAGES / 10 && hits < sets * MESSAGES * 19 / 20); /* else it tests little */
}

int main(void)
{
    with_store(test_find);
    with_store(test_sharing);
    with_store(test_errors);
    with_store(test_private);
    with_store(test_limits);
    with_store(test_index);
    with_store(test_tables);
    with_store(test_threads);
    with_store(test_order);
    test_memory();
    with_store(test_random_sets);
    with_store(test_many_tables);
    return 0;
}
