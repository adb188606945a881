/* receiver.c - sets of receivers: their layout, their index, and the store in which they are shared.
 *
 * Called when a process registers a receiver, by table.c, and for each message through pgi_receivers_find().
 *
 * A set is one block: the holder, then the arrays that the set in it points at.  Registration is common at the start of
 * processes, by millions of them and always the same, so it is recognised in three steps, each dearer than the last:
 *   - the set before remembers its last child; the caller's values are compared with it as they are;
 *   - the values are compiled on the stack, and the store's hash table is asked for (set before, handler, pattern);
 *   - the compiled pattern is copied, a set is made, and added to the table unless somebody has been faster.
 *
 * Invariants:
 *   1. What is in the table, a child slot or a chunk is complete and never changes, except for its child slot.
 *   2. A shared set lives as long as its store, and so do the set before it and all patterns that it uses: each set
 *      owns the patterns from `owned` on, a shared one its last.  Nothing is ever taken out, so nothing read needs
 *      protection; the read lock is only what cds_lfht asks for.
 *   3. The number of shared sets is bounded, and their size: intermediate sets of a long registration would add up to
 *      the square of its length.  What does not fit is private, and grows by doubling.
 *
 * The index of a large set has chains by the hash of a first value that is an inline literal, and one chain of all
 * other receivers.  Both are in order of registration; finding merges the two chains that can match, so first match
 * wins as it does in a scan.
 *
 * Rejected: a reference count on sets.  All processes of one kind would write to it, from all cores, when they start
 * and when they end.  Rejected too: taking a set's pattern from its child only, without a table; processes that begin
 * alike and go on in different ways would make new sets all the time. */
#include "receiver.h"

#include <urcu/urcu-bp.h>

#include <urcu/rculfhash.h>

enum { SHARED, TABLE, PRIVATE };
enum { BUCKETS = 512, FIRST_CAPACITY = PGI_SCANNED };

typedef struct holder {
    struct cds_lfht_node node;   /* of a shared set */
    const pgi_receivers *before; /* of a shared set: what it was made from; NULL: none */
    uint64_t hash;               /* of its key */
    size_t bytes;
    uint32_t capacity;
    uint32_t owned; /* the first receiver whose pattern is this set's own */
    uint8_t kind;
    _Atomic bool ready; /* the liburcu in between is not compiled with sanitizers, which take the order from here */
    pgi_receivers set;
    _Alignas(16) pgi_receiver list[]; /* the first array that follows */
} holder;

/* What is looked for in the table. */
typedef struct wanted {
    const pgi_receivers *before;
    pg_handler handler;
    const pgi_pattern *pattern;
    uint64_t hash;
} wanted;

static inline holder *holder_of(const pgi_receivers *set)
{
    return container_of((uintptr_t)set, holder, set);
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t hash = (a ^ (b << 32 | b >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* -------------------------------------------------------------------------------------------------------- sets */

/* The chain of receivers that begin with an inline literal of these words. */
static inline uint32_t chain_of(const pgi_receivers *set, uint64_t head, uint64_t body)
{
    return (uint32_t)(mix(head, body) >> 32) & (set->slots - 1);
}

/* An empty set with room for `capacity` receivers. */
static holder *make(int kind, size_t capacity)
{
    size_t slots = 0;
    if (capacity > UINT32_MAX / 4) return NULL;
    if (capacity == 0) capacity = 1;
    if (capacity > PGI_SCANNED)
        for (slots = 2 * PGI_SCANNED; slots < 2 * capacity; slots *= 2) continue;
    size_t bytes = sizeof(holder) + capacity * sizeof(pgi_receiver);
    if (slots != 0) bytes += capacity * sizeof(uint32_t) + (slots + 1) * sizeof(pgi_chain);
    holder *h = pgi_alloc(bytes);
    if (h == NULL) return NULL;
    memset(h, 0, sizeof *h);
    h->bytes = bytes;
    h->capacity = (uint32_t)capacity;
    h->kind = (uint8_t)kind;
    h->set.slots = (uint32_t)slots;
    h->set.list = h->list;
    h->list[0] = (pgi_receiver){.least = UINT32_MAX}; /* until there is one */
    h->set.next = (uint32_t *)(void *)(h->set.list + capacity);
    h->set.chains = (pgi_chain *)(void *)(h->set.next + capacity);
    for (size_t i = 0; slots != 0 && i <= slots; i++) h->set.chains[i] = (pgi_chain){PGI_NO_RECEIVER, PGI_NO_RECEIVER};
    return h;
}

static void release(holder *h)
{
    for (uint32_t i = h->owned; i < h->set.count; i++)
        pgi_pattern_free((pgi_pattern *)(uintptr_t)h->set.list[i].pattern);
    pgi_free(h, h->bytes);
}

/* The gate of a pattern. */
static pgi_receiver make_receiver(pg_handler handler, const pgi_pattern *pattern)
{
    pgi_receiver r = {.handler = handler, .pattern = pattern};
    if (pattern->count > 0) r.first = pattern->tests[0];
    if (pattern->count > 1) r.second = pattern->tests[1];
    r.least = pattern->count;
    r.span = pattern->open ? PG_VALUES_MAX : 0;
    r.plain = pattern->slow == 0;
    r.whole = pattern->count <= 2 && r.plain;
    return r;
}

/* Whether it asks for these very words. */
static bool is_literal(const pgi_test *test)
{
    return (test->mask[0] & test->mask[1]) == UINT64_MAX;
}

/* Appends a receiver to a set that has room. */
static void append(pgi_receivers *set, pg_handler handler, const pgi_pattern *pattern)
{
    uint32_t i = set->count++;
    pgi_receiver *r = &set->list[i];
    *r = make_receiver(handler, pattern);
    if (set->slots == 0) {
        set->scanned = set->count;
        return;
    }
    bool literal = pattern->count != 0 && is_literal(&r->first);
    pgi_chain *chain = &set->chains[literal ? chain_of(set, r->first.want[0], r->first.want[1]) : set->slots];
    set->next[i] = PGI_NO_RECEIVER;
    if (chain->first == PGI_NO_RECEIVER)
        chain->first = i;
    else
        set->next[chain->last] = i;
    chain->last = i;
}

/* Whether receiver `i` matches a message whose first two values are given. */
static inline bool matches(const pgi_receivers *set, uint32_t i, const pg_message *msg, const pg_term *first,
                           const pg_term *second)
{
    const pgi_receiver *r = &set->list[i];
    return pgi_gate_passes(r, msg->count, first, second) &&
           (r->whole || pgi_pattern_match_from(r->pattern, 2, pgi_message_terms(msg)));
}

const pgi_receiver *pgi_receivers_find_from(const pgi_receivers *set, const pg_message *msg, uint32_t i)
{
    const pg_term *first = pgi_gate_term(msg, 0), *second = pgi_gate_term(msg, 1);
    for (; i < set->count; i++)
        if (matches(set, i, msg, first, second)) return &set->list[i];
    return NULL;
}

const pgi_receiver *pgi_receivers_find_indexed(const pgi_receivers *set, const pg_message *msg)
{
    const pg_term *first = pgi_gate_term(msg, 0), *second = pgi_gate_term(msg, 1);
    uint32_t a = set->chains[chain_of(set, first->head, first->body)].first, b = set->chains[set->slots].first;
    while (a != b) { /* equal: both at their ends */
        uint32_t i = a < b ? a : b;
        if (matches(set, i, msg, first, second)) return &set->list[i];
        if (a < b)
            a = set->next[a];
        else
            b = set->next[b];
    }
    return NULL;
}

/* A set of the receivers of `before`, which may be NULL, with room for more. */
static holder *make_from(int kind, const pgi_receivers *before, size_t capacity)
{
    holder *h = make(kind, capacity);
    if (h == NULL) return NULL;
    for (uint32_t i = 0; i < pgi_receivers_count(before); i++)
        append(&h->set, before->list[i].handler, before->list[i].pattern);
    h->owned = h->set.count;
    return h;
}

/* ------------------------------------------------------------------------------------------------ private sets */

bool pgi_receivers_is_private(const pgi_receivers *set)
{
    return set != NULL && holder_of(set)->kind == PRIVATE;
}

void pgi_receivers_drop(const pgi_receivers *set)
{
    if (pgi_receivers_is_private(set)) release(holder_of(set));
}

const pgi_receivers *pgi_receivers_empty(void)
{
    holder *h = make(PRIVATE, FIRST_CAPACITY);
    return h != NULL ? &h->set : NULL;
}

int pgi_receivers_append(const pgi_receivers *set, pg_handler handler, pgi_pattern *pattern, const pgi_receivers **out)
{
    bool mine = pgi_receivers_is_private(set);
    holder *h = mine ? holder_of(set) : NULL;
    if (h == NULL || h->set.count == h->capacity) {
        size_t capacity = 2 * (pgi_receivers_count(set) + 1);
        h = make_from(PRIVATE, set, capacity > FIRST_CAPACITY ? capacity : FIRST_CAPACITY);
        if (h == NULL) return PG_ENOMEM;
        if (mine) {
            h->owned = holder_of(set)->owned;
            pgi_free(holder_of(set), holder_of(set)->bytes);
        }
    }
    append(&h->set, handler, pattern);
    *out = &h->set;
    return PG_OK;
}

void pgi_receivers_seal(const pgi_receivers *set)
{
    holder_of(set)->kind = TABLE;
}

/* ------------------------------------------------------------------------------------------------- shared sets */

static int is_wanted(struct cds_lfht_node *node, const void *key)
{
    const wanted *w = key;
    holder *h = container_of(node, holder, node);
    if (!load_acquire(&h->ready) || h->hash != w->hash) return 0; /* partner: share() */
    const pgi_receiver *last = &h->set.list[h->set.count - 1];
    return h->before == w->before && last->handler == w->handler && pgi_pattern_same(last->pattern, w->pattern);
}

static pgi_receivers *find_shared(pgi_receiver_store *store, const wanted *w)
{
    struct cds_lfht_iter found;
    urcu_bp_read_lock();
    cds_lfht_lookup(store->shared, w->hash, is_wanted, w, &found);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&found);
    urcu_bp_read_unlock();
    return node != NULL ? &container_of(node, holder, node)->set : NULL;
}

/* Puts a complete shared set into the table, or, where another thread has been faster, releases it for that one's. */
static pgi_receivers *share(pgi_receiver_store *store, const wanted *w, holder *h)
{
    store_release(&h->ready, true); /* partner: is_wanted() */
    urcu_bp_read_lock();
    struct cds_lfht_node *node = cds_lfht_add_unique(store->shared, w->hash, is_wanted, w, &h->node);
    urcu_bp_read_unlock();
    if (node == &h->node) return &h->set;
    sub_relaxed(&store->shared_count, 1);
    release(h);
    return &container_of(node, holder, node)->set;
}

/* Makes the shared set that is wanted and is not there.  PG_OK, PG_ENOMEM, or PG_ELIMIT: the store is full. */
static int make_shared(pgi_receiver_store *store, const wanted *w, pgi_receivers **out)
{
    if (add_relaxed(&store->shared_count, 1) >= PGI_SHARED_SETS) {
        sub_relaxed(&store->shared_count, 1);
        return PG_ELIMIT;
    }
    holder *h = make_from(SHARED, w->before, pgi_receivers_count(w->before) + 1);
    pgi_pattern *pattern = h != NULL ? pgi_pattern_copy(w->pattern) : NULL;
    if (pattern == NULL) {
        sub_relaxed(&store->shared_count, 1);
        if (h != NULL) release(h);
        return PG_ENOMEM;
    }
    append(&h->set, w->handler, pattern);
    h->before = w->before;
    h->hash = w->hash;
    cds_lfht_node_init(&h->node);
    *out = share(store, w, h);
    return PG_OK;
}

/* Where the last child of a set is remembered. */
static inline pgi_receivers *_Atomic *child_slot(pgi_receiver_store *store, const pgi_receivers *set,
                                                 pg_handler handler)
{
    if (set != NULL) return &((pgi_receivers *)(uintptr_t)set)->child;
    return &store->roots[(mix((uint64_t)(uintptr_t)handler, 0) >> 32) & (PGI_ROOTS - 1)];
}

/* Adds a compiled pattern, of which a copy is kept where it is new. */
static int add(pgi_receiver_store *store, const pgi_receivers *set, pg_handler handler, const pgi_pattern *pattern,
               const pgi_receivers **out)
{
    if (pgi_pattern_shareable(pattern) && !pgi_receivers_is_private(set) &&
        pgi_receivers_count(set) < PGI_SHARED_RECEIVERS) {
        wanted w = {set, handler, pattern, mix((uint64_t)(uintptr_t)set, (uint64_t)(uintptr_t)handler)};
        w.hash = mix(w.hash, pgi_pattern_hash(pattern));
        pgi_receivers *found = find_shared(store, &w);
        int status = found != NULL ? PG_OK : make_shared(store, &w, &found);
        if (status == PG_OK) {
            store_release(child_slot(store, set, handler), found); /* partner: pgi_receivers_add() */
            *out = found;
        }
        if (status != PG_ELIMIT) return status;
    }
    pgi_pattern *copy = pgi_pattern_copy(pattern);
    if (copy == NULL) return PG_ENOMEM;
    int status = pgi_receivers_append(set, handler, copy, out);
    if (status != PG_OK) pgi_pattern_free(copy);
    return status;
}

int pgi_receivers_add(pgi_receiver_store *store, const pgi_receivers *set, pg_handler handler, size_t count,
                      const pg_value *values, const pgi_receivers **out)
{
    pgi_pattern_buffer buffer;
    pgi_pattern *pattern;
    if (handler == NULL) return PG_EINVAL;
    if (likely(!pgi_receivers_is_private(set))) {
        pgi_receivers *child = load_acquire(child_slot(store, set, handler)); /* partner: add() */
        if (likely(child != NULL)) {
            const pgi_receiver *last = &child->list[child->count - 1];
            if (last->handler == handler && pgi_pattern_same_as_values(last->pattern, count, values)) {
                *out = child;
                return PG_OK;
            }
        }
    }
    int status = pgi_pattern_compile_into(&buffer, count, values, &pattern);
    if (status != PG_OK) return status;
    status = add(store, set, handler, pattern, out);
    pgi_pattern_leave(&buffer, pattern);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- store */

int pgi_receiver_store_init(pgi_receiver_store *store)
{
    memset(store, 0, sizeof *store);
    /* Of a fixed size: a table that resizes itself starts a thread. */
    store->shared = cds_lfht_new_flavor(BUCKETS, BUCKETS, BUCKETS, 0, &urcu_bp_flavor, NULL);
    return store->shared != NULL ? PG_OK : PG_ENOMEM;
}

void pgi_receiver_store_destroy(pgi_receiver_store *store)
{
    struct cds_lfht_iter i;
    struct cds_lfht_node *node;
    urcu_bp_read_lock();
    cds_lfht_for_each(store->shared, &i, node)
    {
        cds_lfht_del(store->shared, node);
        release(container_of(node, holder, node)); /* at once: there are no readers, and `i` is past it */
    }
    urcu_bp_read_unlock();
    pgs_assert(cds_lfht_destroy(store->shared, NULL) == 0);

    for (unsigned c = 0; c < PGI_TABLE_CHUNKS; c++) {
        pgi_table_chunk *chunk = load_relaxed(&store->chunks[c]);
        for (unsigned t = 0; chunk != NULL && t < PGI_TABLE_CHUNK; t++) {
            pgi_receivers *set = load_relaxed(&chunk->sets[t]);
            if ((intptr_t)set > 0) release(holder_of(set));
        }
        pgi_free(chunk, sizeof *chunk);
    }
}
