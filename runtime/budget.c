/* budget.c - see budget.h. */
#include "budget.h"

#include "extra.h"
#include "limit.h"
#include "runtime.h"

static const uint64_t process_bytes = sizeof(pg_process) + sizeof(pgi_limits) + sizeof(pgi_extra), stack_bytes = 4096;

static uint64_t sum_up(pg_runtime *rt)
{
    const pgs_stack_pool_stats stacks = pgs_stack_pool_get_stats(pgs_sched_stacks(rt->sched));
    uint64_t processes = pgi_alive(rt) + load_relaxed(&rt->attached);
    uint64_t others = processes * process_bytes + (stacks.in_use + stacks.warm) * stack_bytes;
    store_relaxed(&rt->budget.others, others);
    return others;
}

bool pgi_budget_add(pg_runtime *rt, const pg_message *msg, bool always)
{
    const uint64_t bytes = pgi_budget_bytes(msg);
    uint64_t before = add_relaxed(&rt->budget.mail, bytes), after = before + bytes;
    bool looks = before / PGI_BUDGET_STEP != after / PGI_BUDGET_STEP;
    uint64_t others = looks ? sum_up(rt) : load_relaxed(&rt->budget.others);
    if (likely(after + others <= rt->options.memory) || always) return true;
    if (!looks && after + sum_up(rt) <= rt->options.memory) return true;
    sub_relaxed(&rt->budget.mail, bytes);
    return false;
}

void pgi_budget_remove(pg_runtime *rt, const pg_message *msg)
{
    sub_relaxed(&rt->budget.mail, pgi_budget_bytes(msg));
}

bool pgi_budget_has_room(pg_runtime *rt)
{
    return load_relaxed(&rt->budget.mail) + sum_up(rt) + process_bytes <= rt->options.memory;
}

uint64_t pgi_budget_used(pg_runtime *rt)
{
    return rt->options.memory != 0 ? load_relaxed(&rt->budget.mail) + sum_up(rt) : 0;
}
