/* call.h - answers to calls, as they come from other nodes; calls of those who are left when their runtime stops. */
#ifndef PGI_CALL_H
#define PGI_CALL_H

#include "process.h"

/* pgi_send() of a message that has come from another node: an answer is put where it is waited for, if it is still. */
int pgi_send_arrived(pg_pid to, pg_message *msg);

/* Wakes `p` if it is in a call, which it returns: no answer finds it any more. */
bool pgi_call_dismiss(pg_process *p);

#endif
