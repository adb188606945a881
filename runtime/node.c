/* node.c - see node.h. */
#include "node.h"

#include <pthread.h>

#include "sched/atomic.h"
#include "sched/base.h"

enum { NODES = 1 << PGI_NODE_BITS };

static struct node {
    _Atomic(pg_runtime *) rt;
    _Atomic(pgi_bridge *) bridge;
    _Atomic(uint32_t) holders;
    uint32_t next_generation; /* under the lock */
    uint32_t next_timers;     /* likewise */
    _Atomic(bool) far;        /* its last owner was an operating-system process */
} nodes[NODES];

static _Atomic(pgi_bridge *) uplink;
static _Atomic(bool) forgotten; /* nothing has stood in here since the last pgi_node_forget_one() */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t last_node; /* under the lock */

uint32_t pgi_node_reserve(uint32_t room, uint32_t *first_generation)
{
    uint32_t found = 0;
    pthread_mutex_lock(&lock);
    for (uint32_t i = 1; i < NODES && !found; i++) {
        uint32_t node = 1 + (last_node + i - 1) % (NODES - 1);
        /* One that is taken has the mark of a generation that is out of range. */
        if (nodes[node].next_generation + room >= PGI_GENERATION_MAX) continue;
        found = last_node = node;
        *first_generation = nodes[node].next_generation;
        nodes[node].next_generation = PGI_GENERATION_MAX;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void pgi_node_free(uint32_t node, uint32_t next_generation)
{
    pthread_mutex_lock(&lock);
    nodes[node].next_generation = next_generation < PGI_GENERATION_MAX ? next_generation : PGI_GENERATION_MAX;
    pthread_mutex_unlock(&lock);
}

uint32_t pgi_node_timers(uint32_t node)
{
    pthread_mutex_lock(&lock);
    uint32_t first = nodes[node].next_timers;
    pthread_mutex_unlock(&lock);
    return first;
}

void pgi_node_used_timers(uint32_t node, uint32_t next_generation)
{
    pthread_mutex_lock(&lock);
    nodes[node].next_timers = next_generation;
    pthread_mutex_unlock(&lock);
}

bool pgi_node_was(uint32_t node, uint32_t generation)
{
    pthread_mutex_lock(&lock);
    bool was = load_relaxed(&nodes[node].far) && generation > 0 && generation <= nodes[node].next_generation;
    pthread_mutex_unlock(&lock);
    return node != 0 && was;
}

void pgi_node_publish(uint32_t node, pg_runtime *rt)
{
    store_relaxed(&forgotten, false);
    store_relaxed(&nodes[node].far, false);
    store_seq_cst(&nodes[node].rt, rt); /* partner: pgi_hold_node */
}

void pgi_node_unpublish(uint32_t node)
{
    store_seq_cst(&nodes[node].rt, NULL); /* before the look at the holders; partner: pgi_hold_node */
}

bool pgi_node_is_held(uint32_t node)
{
    return load_seq_cst(&nodes[node].holders) > 0; /* partners: pgi_hold_node, pgi_release_node */
}

pg_runtime *pgi_hold_node(uint32_t node)
{
    if (node == 0) return NULL;
    add_seq_cst(&nodes[node].holders, 1); /* before the load; partner: pgi_node_unpublish, then pgi_node_is_held */
    pg_runtime *rt = load_seq_cst(&nodes[node].rt);
    if (!rt) pgi_release_node(node);
    return rt;
}

void pgi_release_node(uint32_t node)
{
    sub_release(&nodes[node].holders, 1); /* partner: pgi_node_is_held */
}

/* An uplink stays, and need not be held. */
pgi_bridge *pgi_hold_bridge(uint32_t node)
{
    if (node == 0) return NULL;
    pgi_bridge *up = load_acquire(&uplink); /* partner: pgi_node_uplink */
    if (up) return load_relaxed(&nodes[node].rt) ? NULL : up;
    add_seq_cst(&nodes[node].holders, 1); /* as in pgi_hold_node */
    pgi_bridge *bridge = load_seq_cst(&nodes[node].bridge);
    if (!bridge) pgi_release_node(node);
    return bridge;
}

void pgi_release_bridge(uint32_t node)
{
    if (!pgi_node_is_child()) pgi_release_node(node);
}

bool pgi_node_is_far(uint32_t node)
{
    return load_relaxed(&nodes[node].bridge) || (pgi_node_is_child() && !load_relaxed(&nodes[node].rt));
}

void pgi_node_bridge(uint32_t node, pgi_bridge *bridge)
{
    if (load_relaxed(&forgotten)) store_relaxed(&forgotten, false);
    store_relaxed(&nodes[node].far, true);
    store_seq_cst(&nodes[node].bridge, bridge); /* partner: pgi_hold_bridge */
}

void pgi_node_uplink(pgi_bridge *bridge)
{
    store_release(&uplink, bridge); /* partner: pgi_hold_bridge */
}

bool pgi_node_is_child(void)
{
    return load_relaxed(&uplink) != NULL;
}

pg_runtime *pgi_node_forget_one(void)
{
    if (load_relaxed(&forgotten)) return NULL;
    store_relaxed(&uplink, NULL);
    for (uint32_t node = 1; node < NODES; node++) {
        store_relaxed(&nodes[node].bridge, NULL);
        store_relaxed(&nodes[node].holders, 0);
        pg_runtime *rt = xchg_relaxed(&nodes[node].rt, NULL);
        if (rt) return rt;
    }
    store_relaxed(&forgotten, true);
    return NULL;
}
