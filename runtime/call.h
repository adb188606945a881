/* call.h - answers to calls, as they come from other nodes. */
#ifndef PGI_CALL_H
#define PGI_CALL_H

#include "message.h"

/* pgi_send() of a message that has come from another node: an answer is put where it is waited for, if it is still. */
int pgi_send_arrived(pg_pid to, pg_message *msg);

#endif
