/* ask.h - questions to other nodes, and their answers: who waits for one, and finding him again. */
#ifndef PGI_ASK_H
#define PGI_ASK_H

#include "bridge.h"

/* Questions of this operating-system process begin with this number, the first generation of its node: so that none has
 * the address of one that a process before it with this node has asked.  Before the first question. */
void pgi_ask_begin(uint32_t generation);

/* Asks the node of `to`, and waits for the answer until the timeout.  `what` is PGI_ASK_WHY, PGI_ASK_WAIT or
 * PGI_ASK_SPAWN; `body` and `args` a letter's (PGI_ASK_SPAWN), which are consumed; `linked`, unless NULL, the caller,
 * who is linked on this side with the process that is the answer before anything else is heard of that.  Returns the
 * status of the answer, or of linking; *exit and *pid are filled in with what it brings.  PG_ETIMEDOUT: none came in
 * time; PG_ENOPROC: nothing leads there. */
int pgi_ask(uint8_t what, pg_pid to, void *body, uint64_t length, pg_message *args, int64_t timeout, pg_exit_info *exit,
            pg_pid *pid, pg_process *linked);

/* The answer to a question has come from `node`; where that is 0, from one that may answer for all.  `exit` may be
 * NULL.
 *  Answers that nobody waits for, or that somebody else was asked for, are ignored. */
void pgi_ask_answer(pg_pid address, uint32_t node, int status, pg_pid pid, const pg_exit_info *exit);

/* Nothing comes from `node` any more: all who wait for it get `exit`; where that is NULL, what is remembered.  Returns
 * how many were told. */
size_t pgi_ask_give_up(uint32_t node, const pg_exit_info *exit);

#endif
