/* node.h - the numbers of runtimes: which are taken, and what a number leads to.
 *
 * A pid begins with the number of its runtime (pid.h).  In this program a number leads to a runtime, or to the bridge
 * (bridge.h) by which an operating-system process is reached whose runtime has it.  In such a process every number but
 * its own leads to its uplink.
 *
 * One table for the whole program: the only global state of the library beside thread-locals, since a pid is a bare
 * value.  What a number leads to does not go away while somebody holds the number. */
#ifndef PGI_NODE_H
#define PGI_NODE_H

#include <stdbool.h>

#include "pid.h"

typedef struct pgi_bridge pgi_bridge;

/* Generations that the processes of an operating-system process may use: what one that crashed has used is not known,
 * so as many are given up. */
enum { PGI_GENERATION_WINDOW = 1 << 12 };

/* A number that nobody has, and the first generation that nobody before has used with it, and that has at least `room`
 * of them left; 0: there is none. */
uint32_t pgi_node_reserve(uint32_t room, uint32_t *first_generation);

/* Gives a number back; its next owner begins with `next_generation`. */
void pgi_node_free(uint32_t node, uint32_t next_generation);

/* The generation that timers of a number begin with (delay.c), and, before a runtime gives it back, the one that those
 * of its next owner do. */
uint32_t pgi_node_timers(uint32_t node);
void pgi_node_used_timers(uint32_t node, uint32_t next_generation);

void pgi_node_publish(uint32_t node, pg_runtime *rt);

/* Nobody finds the runtime any more.  Until pgi_node_is_held() is false some are still inside. */
void pgi_node_unpublish(uint32_t node);
bool pgi_node_is_held(uint32_t node);

/* The runtime of this number, which does not go away until it is released; NULL: there is none in this program, and
 * nothing to release. */
pg_runtime *pgi_hold_node(uint32_t node);
void pgi_release_node(uint32_t node);

/* What leads to a number that is no runtime's of this program; NULL: nothing does.  The bridge's memory stays a
 * bridge's until the number is released. */
pgi_bridge *pgi_hold_bridge(uint32_t node);
void pgi_release_bridge(uint32_t node);

/* Whether a number leads to a bridge: without holding it, so it may just have changed. */
bool pgi_node_is_far(uint32_t node);
void pgi_node_bridge(uint32_t node, pgi_bridge *bridge);
void pgi_node_uplink(pgi_bridge *bridge);

/* Whether this is a process of kind PG_OS: it has an uplink. */
bool pgi_node_is_child(void);

/* Whether an operating-system process of this number had a process of this generation. */
bool pgi_node_was(uint32_t node, uint32_t generation);

/* In the child of a fork: no runtime and no bridge is there any more.  Returns those that were, one after the other.
 * Forks of a process that has nothing in here since cost nothing. */
pg_runtime *pgi_node_forget_one(void);

#endif
