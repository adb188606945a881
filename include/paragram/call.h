/* call.h - monitors: being told that a process has ended.  Included by paragram.h. */
#ifndef PARAGRAM_CALL_H
#define PARAGRAM_CALL_H

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------------------------------------- monitors
 * A link is for processes that stand and fall together; a monitor for one that only wants to know.  It goes one way:
 * the monitored process does not notice, and its end is no failure of who is told.  It may be any process: of another
 * runtime of the program, or within another operating-system process, too.
 *
 *     pg_ref ref;
 *     pg_monitor(self, pid, &ref);
 *     pg_receive(self, on_down, "down", PG_REF, PG_PID, PG_EXIT);
 */

/* When `pid` ends, or has ended already, `self` gets one message ("down", ref, pid, exit), behind all that it had sent
 * to `self` before.  It is an ordinary message: who monitors has a receiver for it.  pg_get_exit(self, msg, 3, &exit)
 * reads the exit, and pg_get_error() its error; of one in another operating-system process only its text is known.
 * Several monitors of one process are told one by one.  They end with `self`.  The ref, in *ref unless that is NULL,
 * tells them apart.  Memory that is short later loses no such message, but maybe the text in it.
 * PG_OK.  PG_ENOPROC: the pid names none; but of one in another operating-system process that may come as a message,
 * whose exit is PG_EXIT_UNKNOWN.  PG_EINVAL: NULL, or oneself; PG_EENDED, PG_ESTOPPED, PG_ENOMEM. */
PG_API int pg_monitor(pg_process *self, pg_pid pid, pg_ref *ref);

/* Takes a monitor back.  Its message does not come any more, and if it is in the mailbox it will not be seen.
 * PG_EINVAL: `self` has none with this ref: its message has been received. */
PG_API int pg_demonitor(pg_process *self, pg_ref ref);

#ifdef __cplusplus
}
#endif

#endif
