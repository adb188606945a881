/* table.c - static tables of receivers: compiled once for each runtime, and pg_on().
 *
 * Called when a process is started with a table or asks for one, and by the program's own `define` functions.
 *
 * A table is numbered at its first use in the program; each store keeps the sets of its tables by that number, in
 * chunks that appear as needed, so that using a table is two loads.  Defining is rare and under one mutex of the
 * program: the table is the program's, and two runtimes may meet it at once.  While `define` runs, the table points at
 * a builder on the stack of who runs it.
 *
 * A table beyond the numbers that a store keeps is defined anew each time, by pgi_receivers_add(), which shares its
 * sets as it shares those of processes that register the same.
 *
 * Rejected: the set in the table itself.  Its patterns' memory is a runtime's, and another runtime may outlive that. */
#define _GNU_SOURCE /* PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP */

#include <pthread.h>

#include "receiver.h"

/* A table that is being defined. */
typedef struct builder {
    pgi_receiver_store *store; /* whose sets are shared; NULL: one set is made for the table alone */
    const pgi_receivers *set;
    int status; /* the first that was not PG_OK */
} builder;

/* Taken around all that is below, but for pg_on_values(), which is called inside it.  One that checks: a `define` which
 * uses a table gets an error and not a deadlock. */
static pthread_mutex_t defining = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static uint64_t last_number;

static int add(builder *b, pg_handler handler, size_t count, const pg_value *values)
{
    pgi_pattern *pattern;
    if (b->store != NULL) return pgi_receivers_add(b->store, b->set, handler, count, values, &b->set);
    if (handler == NULL) return PG_EINVAL;
    int status = pgi_pattern_compile(count, values, &pattern);
    if (status != PG_OK) return status;
    status = pgi_receivers_append(b->set, handler, pattern, &b->set);
    if (status != PG_OK) pgi_pattern_free(pattern);
    return status;
}

int pg_on_values(pg_table *table, pg_handler handler, size_t count, const pg_value *pattern)
{
    if (table == NULL || table->building == NULL) return PG_EINVAL;
    builder *b = table->building;
    int status = add(b, handler, count, pattern);
    if (b->status == PG_OK) b->status = status;
    return status;
}

/* Calls the table's function.  *out is written if PG_OK. */
static int define(pg_table *table, pgi_receiver_store *store, const pgi_receivers **out)
{
    builder b = {.store = store, .set = store == NULL ? pgi_receivers_empty() : NULL};
    if (store == NULL && b.set == NULL) return PG_ENOMEM;
    table->building = &b;
    table->define(table);
    table->building = NULL;
    if (b.status == PG_OK && b.set == NULL) b.set = pgi_receivers_empty();
    if (b.status == PG_OK && b.set == NULL) return PG_ENOMEM;
    if (b.status == PG_OK)
        *out = b.set;
    else
        pgi_receivers_drop(b.set);
    return b.status;
}

/* The place of the table in the store, made where there is none; NULL when memory is short. */
static pgi_receivers *_Atomic *place_of(pgi_receiver_store *store, uint64_t number)
{
    pgi_table_chunk *_Atomic *slot = &store->chunks[number / PGI_TABLE_CHUNK];
    pgi_table_chunk *chunk = load_relaxed(slot);
    if (chunk == NULL) {
        chunk = pgi_alloc_zero(sizeof *chunk);
        if (chunk == NULL) return NULL;
        store_release(slot, chunk); /* partner: pgi_table_use() */
    }
    return &chunk->sets[number % PGI_TABLE_CHUNK];
}

/* Inside the mutex. */
static int compile(pgi_receiver_store *store, pg_table *table, const pgi_receivers **out)
{
    if (table->define == NULL) return PG_EINVAL;
    if (table->id == 0) store_relaxed((_Atomic uint64_t *)&table->id, ++last_number);
    uint64_t number = table->id - 1;
    if (number >= (uint64_t)PGI_TABLE_CHUNKS * PGI_TABLE_CHUNK) return define(table, store, out);

    pgi_receivers *_Atomic *place = place_of(store, number);
    if (place == NULL) return PG_ENOMEM;
    const pgi_receivers *set = load_relaxed(place);
    if ((intptr_t)set < 0) return (int)(intptr_t)set;
    if (set == NULL) {
        int status = define(table, NULL, &set);
        if (status == PG_ENOMEM) return status;
        if (status == PG_OK) pgi_receivers_seal(set);
        uintptr_t kept = status == PG_OK ? (uintptr_t)set : (uintptr_t)(intptr_t)status;
        store_release(place, (pgi_receivers *)kept); /* partner: pgi_table_use() */
        if (status != PG_OK) return status;
    }
    *out = set;
    return PG_OK;
}

int pgi_table_compile(pgi_receiver_store *store, pg_table *table, const pgi_receivers **out)
{
    if (pthread_mutex_lock(&defining) != 0) return PG_EINVAL; /* this thread holds it: it is inside a `define` */
    int status = compile(store, table, out);
    pthread_mutex_unlock(&defining);
    return status;
}
