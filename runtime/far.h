/* far.h - processes of other nodes: what is asked of them, and what they ask.
 *
 * Everything here is about pids that belong to no runtime of this program. */
#ifndef PGI_FAR_H
#define PGI_FAR_H

#include "bridge.h"
#include "link.h"

/* Sends a message, which is consumed.  PG_OK: on its way.  PG_ENOPROC, PG_EINVAL (it holds a local pointer), PG_EFULL,
 * PG_ENOMEM. */
int pgi_send_far(pg_pid pid, pg_message *msg);

/* The same for a message of these values, of kind PGI_USER. */
int pgi_send_far_values(pg_pid pid, size_t count, const pg_value *values);

/* pg_link(), pg_unlink(); pg_wait(), which with a timeout of 0 is pg_why(). */
int pgi_link_far(pg_process *self, pg_pid pid);
int pgi_unlink_far(pg_process *self, pg_pid pid);

/* Links on this side, where the other has been told already.  PG_OK, PG_ENOMEM, PG_EENDED, PG_ENOPROC. */
int pgi_linked_far(pg_process *self, pg_pid pid);
int pgi_wait_far(pg_pid pid, int64_t timeout, pg_exit_info *exit);

/* Answers a question: with `status`, or with PG_OK, a pid and, unless NULL, how that one has ended. */
void pgi_far_answer(pg_pid asker, int status, pg_pid pid, const pg_exit_info *exit);

/* For pgi_links_tell(): tells the far end of a link that `pid` has ended, whose name is `name`, or NULL. */
void pgi_tell_far(pg_pid far, pg_pid pid, const char *name, const pgi_end *end);

/* What remains known of a process whose node is gone.  PG_OK, or PG_ENOPROC: there never was one. */
int pgi_look_back_far(pg_pid pid, pg_exit_info *exit);

/* Acts on a frame that has come, with its body of `length` bytes in a block that is consumed, or NULL.  False: it says
 * what it must not, or the body is not what it should be.  The bridge's task. */
bool pgi_far_deliver(pgi_bridge *bridge, const pgi_frame *frame, void *block, uint64_t length);

/* Messages that have come one after the other for one process, and go into its mailbox together: zeros at first. */
typedef struct pgi_bunch {
    pg_pid to;
    pg_message *first, *last;
} pgi_bunch;

/* Puts a message to the bunch, or begins a new one. */
void pgi_far_deliver_brief(pgi_bridge *bridge, pgi_bunch *bunch, pg_pid to, pg_message *msg);

/* Delivers the bunch: before any other frame, and when no more have come. */
void pgi_far_deliver_bunch(pgi_bridge *bridge, pgi_bunch *bunch);

/* Answers for one that does not live any more, or never did, what a frame for it has asked. */
void pgi_far_refuse(pg_runtime *rt, uint8_t type, uint8_t flags, pg_pid to, pg_pid from);

/* The node is gone: tells those here who are linked to its processes, or wait for them.  `why` NULL: what is remembered
 * of each of these.  Returns how many were told. */
size_t pgi_far_node_down(pgi_bridge *bridge, uint32_t node, const pg_exit_info *why);

#endif
