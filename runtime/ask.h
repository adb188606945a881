/* ask.h - questions to other nodes, and their answers: who waits for one, and finding him again. */
#ifndef PGI_ASK_H
#define PGI_ASK_H

#include "bridge.h"

typedef struct pgi_question pgi_question;

/* Called with the answer, under the lock of all questions, when the question is in no list any more: it may go. */
typedef void (*pgi_told)(pgi_question *question, int status, const pg_exit_info *exit);

/* Private to ask.c, but for its memory. */
struct pgi_question {
    pgi_question *next, *prev;
    pg_pid address;
    pg_pid to;
    uint32_t node;        /* that was asked: of `to` */
    pgi_sleeper *sleeper; /* NULL: nobody waits, and `told` is called */
    union {
        pgs_sched *sched; /* of the sleeper */
        pgi_told told;
    };
    pg_exit_info *exit;
    pg_pid *pid;
    pg_process *linked; /* with the process that is the answer, or NULL */
    int status;
    bool answered;
};

/* Questions of this operating-system process begin with this number, the first generation of its node: so that none has
 * the address of one that a process before it with this node has asked.  Before the first question. */
void pgi_ask_begin(uint32_t generation);

/* Asks the node of `to`, and waits for the answer until the timeout.  `what` is PGI_ASK_KILL, PGI_ASK_WHY,
 * PGI_ASK_WAIT or PGI_ASK_SPAWN; `body` and `args` a letter's (PGI_ASK_SPAWN), which are consumed; `linked`, unless
 * NULL, the caller, who is linked on this side with the process that is the answer before anything else is heard of
 * that. Returns the status of the answer, or of linking; *exit and *pid are filled in with what it brings.
 * PG_ETIMEDOUT: none came in time; PG_ENOPROC: nothing leads there. */
int pgi_ask(uint8_t what, pg_pid to, void *body, uint64_t length, pg_message *args, int64_t timeout, pg_exit_info *exit,
            pg_pid *pid, pg_process *linked);

/* Asks for the end of a process, which may be long, in a question that stays where it is.  PG_OK: `told` is called, or
 * has been, unless pgi_ask_no_more() returns true.  PG_ENOPROC: nothing leads there; PG_ENOMEM. */
int pgi_ask_to_be_told(pgi_question *question, pg_pid to, pgi_told told);

/* Takes such a question back.  False: it has been answered. */
bool pgi_ask_no_more(pgi_question *question);

/* The answer to a question has come from `node`; where that is 0, from one that may answer for all.  `exit` may be
 * NULL.
 *  Answers that nobody waits for, or that somebody else was asked for, are ignored. */
void pgi_ask_answer(pg_pid address, uint32_t node, int status, pg_pid pid, const pg_exit_info *exit);

/* Nothing comes from `node` any more: all who wait for it get `exit`; where that is NULL, what is remembered.  Returns
 * how many were told. */
size_t pgi_ask_give_up(uint32_t node, const pg_exit_info *exit);

#endif
