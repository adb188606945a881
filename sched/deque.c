/* deque.c - the rarer half of deque.h, which has the invariants: growth, and the top end. */
#include "deque.h"

#include <errno.h>
#include <stdlib.h>

/* The cells are left as they are: each is written before the bottom passes it, and read only after. */
static struct pgs_deque_array *array_new(size_t capacity, struct pgs_deque_array *older)
{
    struct pgs_deque_array *a = malloc(sizeof *a + capacity * sizeof a->cell[0]);
    if (!a) return NULL;
    a->mask = (int64_t)capacity - 1;
    a->older = older;
    return a;
}

int pgs_deque_init(pgs_deque *d, size_t capacity)
{
    pgs_assert(capacity > 0 && (capacity & (capacity - 1)) == 0);
    struct pgs_deque_array *a = array_new(capacity, NULL);
    if (!a) return -ENOMEM;
    store_relaxed(&d->top, 0);
    store_relaxed(&d->bottom, 0);
    store_relaxed(&d->array, a);
    d->top_seen = 0;
    return 0;
}

void pgs_deque_destroy(pgs_deque *d)
{
    struct pgs_deque_array *a = load_relaxed(&d->array);
    store_relaxed(&d->array, NULL);
    while (a) {
        struct pgs_deque_array *older = a->older;
        free(a);
        a = older;
    }
}

int pgs_deque_make_room(pgs_deque *d)
{
    struct pgs_deque_array *a = load_relaxed(&d->array);
    int64_t b = load_relaxed(&d->bottom);
    int64_t t = load_acquire(&d->top); /* partner: the swap in try_steal: the thief has read the cell that is reused */
    d->top_seen = t;
    if (b - t <= a->mask) return 0;
    struct pgs_deque_array *wider = array_new(2 * ((size_t)a->mask + 1), a);
    if (!wider) return -ENOMEM;
    for (int64_t i = t; i < b; i++) {
        store_relaxed(&wider->cell[i & wider->mask], load_relaxed(&a->cell[i & a->mask]));
    }
    store_release(&d->array, wider); /* partner: the acquire of array in try_steal; publishes mask and copied cells */
    return 0;
}

struct pgs_task *pgs_deque_take_oldest(pgs_deque *d)
{
    /* No fence: the bottom is the caller's own, so only other takers of the top are to be beaten.  It has only grown
     * since the fence of the last take, so that a thief that has read the new top, and done its fence, reads no bottom
     * from before the take. */
    int64_t b = load_relaxed(&d->bottom);
    struct pgs_deque_array *a = load_relaxed(&d->array);
    int64_t t = load_acquire(&d->top); /* partner: the swap in try_steal */
    while (t < b) {
        struct pgs_task *item = load_relaxed(&a->cell[t & a->mask]);
        if (cas_acquire(&d->top, &t, t + 1)) { /* partner: the swap in try_steal */
            d->top_seen = t + 1;
            return item;
        }
    }
    d->top_seen = t;
    return NULL;
}

struct pgs_task *pgs_deque_try_steal(pgs_deque *d, bool *lost)
{
    *lost = false;
    if (pgs_deque_size_hint(d) == 0) return NULL;
    int64_t t = load_relaxed(&d->top);
    fence_seq_cst();                      /* partner: the fence in take; acquires what the top has brought, too */
    int64_t b = load_acquire(&d->bottom); /* partner: the release of bottom in push and take */
    if (t >= b) return NULL;
    struct pgs_deque_array *a = load_acquire(&d->array); /* partner: the release in make_room */
    struct pgs_task *item = load_relaxed(&a->cell[t & a->mask]);
    pgs_delay(PGS_AT_STEAL);
    /* Sequentially consistent, which includes release: the read of the cell is before the push that reuses it;
     * partners: the acquires of top in take, take_oldest and make_room.  Consistent for the sake of C17, whose fences
     * order only what their own threads wrote: a second thief that has read this top, done its fence and read a bottom
     * from before the owner's take relies on the owner's reading this top, too, behind its own fence. */
    if (cas_seq_cst(&d->top, &t, t + 1)) return item;
    *lost = true;
    return NULL;
}

struct pgs_task *pgs_deque_steal(pgs_deque *d)
{
    bool lost = true;
    while (lost) {
        struct pgs_task *item = pgs_deque_try_steal(d, &lost);
        if (item) return item;
    }
    return NULL;
}
