/* parker_model.c - sched/parker.h and parker.c under the explorer, the futex, the epoll instance and their timeouts
 * being choices.
 *
 * Invariants checked:
 *   1. No token is lost: an owner that parks for ever until it has seen all news does see it (else: deadlock).
 *   2. Tokens are conserved: an unpark is answered by one park that returns true, or is still there at the end.
 *   3. What was written before unpark is visible after the park that consumed its token (happens-before).
 *   4. When park has returned, the state is not PARKED.
 *   5. Going to sleep and looking for sleepers: a worker parks only if the producer will unpark it. */
#include "explorer.h"
#include "parker.h"

static pgs_parker parker;
static _Atomic(uint32_t) news[2], work, asleep;
static int data, tokens, unparks;

static void setup(void)
{
    pgs_parker_init(&parker);
    store_relaxed(&news[0], 0);
    store_relaxed(&news[1], 0);
    store_relaxed(&work, 0);
    store_relaxed(&asleep, 0);
    tokens = unparks = 0;
}

static void unparker_a(void)
{
    store_relaxed(&news[0], 1);
    unparks++;
    pgs_parker_unpark(&parker);
}

static void unparker_b(void)
{
    store_relaxed(&news[1], 1);
    unparks++;
    pgs_parker_unpark(&parker);
}

static void owner_for_ever(void)
{
    while (!load_relaxed(&news[0]) || !load_relaxed(&news[1])) {
        MODEL_CHECK(pgs_parker_park(&parker, PGS_NEVER));
        MODEL_CHECK(load_relaxed(&parker.state) != PGS_PARKER_PARKED);
    }
}

static void unparker_twice(void)
{
    unparks++;
    pgs_parker_unpark(&parker);
    unparks++;
    pgs_parker_unpark(&parker);
}

static void owner_with_deadline(void)
{
    tokens += pgs_parker_park(&parker, 1000);
    MODEL_CHECK(load_relaxed(&parker.state) != PGS_PARKER_PARKED);
    tokens += pgs_parker_park(&parker, 2000);
    MODEL_CHECK(load_relaxed(&parker.state) != PGS_PARKER_PARKED);
    tokens += pgs_parker_try_take(&parker);
}

/* Two unparks may meet in one token, but at least one is seen by somebody. */
static void finish_tokens(void)
{
    bool left = load_relaxed(&parker.state) == PGS_PARKER_NOTIFIED;
    MODEL_CHECK(load_relaxed(&parker.state) != PGS_PARKER_PARKED);
    MODEL_CHECK(tokens + left >= 1 && tokens + left <= unparks);
}

static void unparker_once(void)
{
    model_write(&data);
    unparks++;
    pgs_parker_unpark(&parker);
}

static void owner_reads(void)
{
    bool token = pgs_parker_park(&parker, 1000);
    if (!token) token = pgs_parker_park(&parker, PGS_NEVER);
    MODEL_CHECK(token);
    tokens++;
    model_read(&data);
}

static void finish_one(void)
{
    MODEL_CHECK(tokens == 1 && load_relaxed(&parker.state) == PGS_PARKER_EMPTY);
}

static void producer(void)
{
    store_relaxed(&work, 1);
    fence_seq_cst();
    if (load_relaxed(&asleep)) pgs_parker_unpark(&parker);
}

static void worker(void)
{
    while (!load_relaxed(&work)) {
        store_relaxed(&asleep, 1);
        fence_seq_cst();
        if (!load_relaxed(&work)) pgs_parker_park(&parker, PGS_NEVER);
        store_relaxed(&asleep, 0);
    }
}

/* Now it sleeps in one way, now in the other; a kick for an earlier sleep may end a later one. */
static void owner_in_turns(void)
{
    for (int turn = 0; !load_relaxed(&news[0]) || !load_relaxed(&news[1]); turn++) {
        if (turn % 2) {
            MODEL_CHECK(pgs_parker_park(&parker, PGS_NEVER));
        } else if (pgs_parker_poll_begin(&parker, 5)) {
            model_epoll_wait(PGS_NEVER);
            pgs_parker_poll_end(&parker);
        }
        MODEL_CHECK(load_relaxed(&parker.state) < PGS_PARKER_PARKED);
    }
}

static void owner_polls(void)
{
    bool token = false;
    for (int64_t deadline = 1000; !token; deadline = PGS_NEVER) {
        token = true;
        if (pgs_parker_poll_begin(&parker, 5)) {
            model_epoll_wait(deadline);
            token = pgs_parker_poll_end(&parker);
        }
    }
    tokens++;
    model_read(&data);
}

int main(void)
{
    static const struct model_case cases[] = {
        {"parker: for ever, two unparkers", setup, {owner_for_ever, unparker_a, unparker_b}, NULL, 4, 2, 1},
        {"parker: deadlines, two unparks", setup, {owner_with_deadline, unparker_twice}, finish_tokens, 5, 1, 1},
        {"parker: one token, a timeout, and what it carries", setup, {owner_reads, unparker_once}, finish_one, 5, 1, 2},
        {"parker: going to sleep against news", setup, {worker, producer}, NULL, 4, 2, 1},
        {"parker: futex and epoll in turns, two unparkers",
         setup,
         {owner_in_turns, unparker_a, unparker_b},
         NULL,
         4,
         2,
         1},
        {"parker: in epoll, one token and what it carries", setup, {owner_polls, unparker_once}, finish_one, 5, 1, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
