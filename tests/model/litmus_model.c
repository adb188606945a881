/* litmus_model.c - the explorer itself: what it shows of the small cases by which memory models are told apart.
 *
 * Each case has one outcome that is in question, and says for each round whether some execution has to have it, or none
 * may.  The names are the usual ones: SB store buffering, MP message passing, IRIW independent reads of independent
 * writes, WRC write-to-read causality, RWC read-to-write causality, LB load buffering, CoRR coherence of two reads.
 *
 * Invariants checked:
 *   1. What x86 does is seen with store buffers, and nothing more.
 *   2. What C11 allows is seen with weak orders, but for what explorer.h leaves out; nothing that C11 forbids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explorer.h"
#include "fence.h"

static _Atomic(uint32_t) x, y;
static uint32_t r[4];
static bool seen[2]; /* in the round with store buffers, and with weak orders */

static void setup(void)
{
    store_relaxed(&x, 0);
    store_relaxed(&y, 0);
    for (int i = 0; i < 4; i++) r[i] = 9;
}

#define THREAD(name, ...)  \
    static void name(void) \
    {                      \
        __VA_ARGS__;       \
    }

/* The outcome in question. */
#define OUTCOME(name, ...)                             \
    static void name(void)                             \
    {                                                  \
        if (__VA_ARGS__) seen[model_is_weak()] = true; \
    }

THREAD(sb_0, store_relaxed(&x, 1); r[0] = load_relaxed(&y))
THREAD(sb_1, store_relaxed(&y, 1); r[1] = load_relaxed(&x))
THREAD(sb_fence_0, store_relaxed(&x, 1); fence_seq_cst(); r[0] = load_relaxed(&y))
THREAD(sb_fence_1, store_relaxed(&y, 1); fence_seq_cst(); r[1] = load_relaxed(&x))
THREAD(sb_sc_0, store_seq_cst(&x, 1); r[0] = load_seq_cst(&y))
THREAD(sb_sc_1, store_seq_cst(&y, 1); r[1] = load_seq_cst(&x))
THREAD(sb_half_0, store_seq_cst(&x, 1); r[0] = load_relaxed(&y))
THREAD(sb_half_1, store_seq_cst(&y, 1); r[1] = load_relaxed(&x))
THREAD(sb_rmw_0, xchg_seq_cst(&x, 1); r[0] = load_relaxed(&y))
THREAD(sb_rmw_1, xchg_seq_cst(&y, 1); r[1] = load_relaxed(&x))
THREAD(sb_light_0, store_relaxed(&x, 1); fence_light(); r[0] = load_relaxed(&y))
THREAD(sb_light_1, store_relaxed(&y, 1); fence_light(); r[1] = load_relaxed(&x))
THREAD(sb_heavy_1, store_relaxed(&y, 1); fence_heavy(); r[1] = load_relaxed(&x))
OUTCOME(both_missed, r[0] == 0 && r[1] == 0)

THREAD(mp_write, store_relaxed(&x, 1); store_relaxed(&y, 1))
THREAD(mp_read, r[0] = load_relaxed(&y); r[1] = load_relaxed(&x))
THREAD(mp_release, store_relaxed(&x, 1); store_release(&y, 1))
THREAD(mp_acquire, r[0] = load_acquire(&y); r[1] = load_relaxed(&x))
THREAD(mp_write_fence, store_relaxed(&x, 1); fence_seq_cst(); store_relaxed(&y, 1))
THREAD(mp_fence_read, r[0] = load_relaxed(&y); fence_seq_cst(); r[1] = load_relaxed(&x))
THREAD(mp_add, add_relaxed(&y, 1))
THREAD(mp_cas, r[0] = load_relaxed(&y); uint32_t one = 1; r[1] = cas_relaxed(&x, &one, 2))
OUTCOME(old_behind_new, r[0] == 1 && r[1] == 0)
OUTCOME(old_behind_two, r[0] == 2 && r[1] == 0)

THREAD(co_write, store_relaxed(&x, 1))
THREAD(co_read, r[0] = load_relaxed(&x); r[1] = load_relaxed(&x))

THREAD(write_x, store_release(&x, 1))
THREAD(write_y, store_release(&y, 1))
THREAD(iriw_0, r[0] = load_acquire(&x); r[1] = load_acquire(&y))
THREAD(iriw_1, r[2] = load_acquire(&y); r[3] = load_acquire(&x))
THREAD(write_x_sc, store_seq_cst(&x, 1))
THREAD(write_y_sc, store_seq_cst(&y, 1))
THREAD(iriw_sc_0, r[0] = load_seq_cst(&x); r[1] = load_seq_cst(&y))
THREAD(iriw_sc_1, r[2] = load_seq_cst(&y); r[3] = load_seq_cst(&x))
OUTCOME(disagree, r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0)

THREAD(wrc_1, r[0] = load_acquire(&x); store_release(&y, r[0]))
THREAD(wrc_2, r[1] = load_acquire(&y); r[2] = load_relaxed(&x))
OUTCOME(cause_missed, r[1] == 1 && r[2] == 0)

THREAD(write_x_relaxed, store_relaxed(&x, 1))
THREAD(rwc_1, r[0] = load_relaxed(&x); fence_seq_cst(); r[1] = load_relaxed(&y))
THREAD(rwc_2, store_relaxed(&y, 1); fence_seq_cst(); r[2] = load_relaxed(&x))
OUTCOME(read_missed, r[0] == 1 && r[1] == 0 && r[2] == 0)

THREAD(lb_0, r[0] = load_relaxed(&x); store_relaxed(&y, 1))
THREAD(lb_1, r[1] = load_relaxed(&y); store_relaxed(&x, 1))
OUTCOME(from_the_future, r[0] == 1 && r[1] == 1)

THREAD(add_x, add_relaxed(&x, 1))
OUTCOME(one_is_lost, load_relaxed(&x) != 2)

static const struct litmus {
    struct model_case c;
    bool tso, weak; /* whether the outcome is seen */
} litmus[] = {
    {{"litmus: SB", setup, {sb_0, sb_1}, both_missed, 4, 2, 0}, true, true},
    {{"litmus: SB, fences", setup, {sb_fence_0, sb_fence_1}, both_missed, 4, 2, 0}, false, false},
    {{"litmus: SB, consistent", setup, {sb_sc_0, sb_sc_1}, both_missed, 4, 2, 0}, false, false},
    {{"litmus: SB, consistent stores", setup, {sb_half_0, sb_half_1}, both_missed, 4, 2, 0}, false, true},
    {{"litmus: SB, exchanges", setup, {sb_rmw_0, sb_rmw_1}, both_missed, 4, 2, 0}, false, true},
    {{"litmus: SB, light fences", setup, {sb_light_0, sb_light_1}, both_missed, 4, 2, 0}, true, true},
    {{"litmus: SB, light and heavy", setup, {sb_light_0, sb_heavy_1}, both_missed, 4, 2, 0}, false, false},
    {{"litmus: SB, heavy without light", setup, {sb_0, sb_heavy_1}, both_missed, 4, 2, 0}, true, true},
    {{"litmus: MP", setup, {mp_write, mp_read}, old_behind_new, 4, 2, 0}, false, true},
    {{"litmus: MP, release and acquire", setup, {mp_release, mp_acquire}, old_behind_new, 4, 2, 0}, false, false},
    {{"litmus: MP, release only", setup, {mp_release, mp_read}, old_behind_new, 4, 2, 0}, false, true},
    {{"litmus: MP, fences", setup, {mp_write_fence, mp_fence_read}, old_behind_new, 4, 2, 0}, false, false},
    {{"litmus: MP, release sequence", setup, {mp_release, mp_add, mp_acquire}, old_behind_two, 4, 2, 0}, false, false},
    {{"litmus: MP, a swap that fails", setup, {mp_write, mp_cas}, old_behind_new, 4, 2, 0}, false, true},
    {{"litmus: CoRR", setup, {co_write, co_read}, old_behind_new, 4, 2, 0}, false, false},
    {{"litmus: IRIW", setup, {write_x, write_y, iriw_0, iriw_1}, disagree, 4, 2, 0}, false, true},
    {{"litmus: IRIW, consistent", setup, {write_x_sc, write_y_sc, iriw_sc_0, iriw_sc_1}, disagree, 4, 2, 0},
     false,
     false},
    {{"litmus: WRC", setup, {write_x, wrc_1, wrc_2}, cause_missed, 4, 2, 0}, false, false},
    {{"litmus: RWC, fences", setup, {write_x_relaxed, rwc_1, rwc_2}, read_missed, 4, 2, 0}, false, true},
    {{"litmus: RWC, fences of C++20", setup, {write_x_relaxed, rwc_1, rwc_2}, read_missed, 4, 2, 0}, false, false},
    {{"litmus: SB, fences of C++20", setup, {sb_fence_0, sb_fence_1}, both_missed, 4, 2, 0}, false, false},
    {{"litmus: LB", setup, {lb_0, lb_1}, from_the_future, 4, 2, 0}, false, false},
    {{"litmus: two additions", setup, {add_x, add_x}, one_is_lost, 4, 2, 0}, false, false},
};

int main(void)
{
    int wrong = 0;
    for (size_t i = 0; i < sizeof litmus / sizeof litmus[0]; i++) {
        const struct litmus *l = &litmus[i];
        seen[0] = seen[1] = false;
        model_fences_by_c17 = !strstr(l->c.name, "C++20");
        model_explore(&l->c);
        if (seen[0] == l->tso && seen[1] == l->weak) continue;
        fprintf(stderr, "%s: seen with store buffers: %d, with weak orders: %d; to be seen: %d, %d\n", l->c.name,
                seen[0], seen[1], l->tso, l->weak);
        wrong++;
    }
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
