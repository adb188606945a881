/* fiber_pair.c - sched/fiber.h for floor_bench.cc.  Both sides switch by the same call, as the processes of a runtime
 * do. */
#include "fiber_pair.h"

#include "fiber.h"
#include "stack_pool.h"

typedef struct pair {
    pgs_fiber_thread thread;
    pgs_fiber host, *side[2];
    uint64_t left, visits;
} pair;

/* What each side runs: the other one, until all has been done. */
static void take_turns(void *arg)
{
    pair *p = arg;
    for (;;) {
        pgs_fiber *from = p->side[p->visits++ % 2], *to = p->side[p->visits % 2];
        pgs_fiber_switch(&p->thread, from, p->left-- > 0 ? to : &p->host);
    }
}

uint64_t fiber_pair_switch(uint64_t count)
{
    pgs_stack_pool pool;
    pair p = {.left = count};
    if (pgs_stack_pool_init(&pool, 0, 2) != 0) return 0;
    pgs_fiber_thread_init(&p.thread);
    pgs_fiber_adopt(&p.host);
    for (int i = 0; i < 2; i++) p.side[i] = pgs_fiber_create(&pool, take_turns, &p);
    if (p.side[0] && p.side[1]) pgs_fiber_switch(&p.thread, &p.host, p.side[0]);
    for (int i = 0; i < 2; i++)
        if (p.side[i]) pgs_fiber_destroy(&pool, p.side[i]);
    pgs_stack_pool_destroy(&pool);
    return p.visits;
}
