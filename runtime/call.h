/* call.h - answers to calls, as they come from other nodes. */
#ifndef PGI_CALL_H
#define PGI_CALL_H

#include "message.h"

/* An answer of kind PGI_REPLY, which is consumed, for a process of this program.  PG_OK, or PG_ENOPROC: it does not wait
 * for that any more. */
int pgi_reply_arrived(pg_pid to, pg_message *msg);

#endif
