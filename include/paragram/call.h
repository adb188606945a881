/* call.h - monitors: being told that a process has ended; calls: asking, and waiting for the answer.  Included by
 * paragram.h. */
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

/* -------------------------------------------------------------------------------------------------------- calls
 * A call is a message that its sender waits to be answered.  Who gets it sees the values as they were sent, and its
 * receivers match it as any other: who asks, and for what, goes beside them.  So one handler serves those who ask and
 * those who only tell:
 *
 *     static void get(pg_process *self, const pg_message *msg)       for ("get", PG_STR)
 *     {
 *         pg_reply(msg, "value", look_up(pg_get_str(self, msg, 1)));
 *     }
 *
 *     const pg_message *reply;
 *     if (pg_call(self, pid, &reply, PG_SECONDS(5), "get", "key") == PG_OK) use(self, reply);
 *
 * The answer does not come by the mailbox: it is found at once, however full that is, and one that comes too late
 * is dropped and reaches nobody. */

/* Sends a message and waits for its answer.  *reply lives until the next receive or call of `self`, or until the target
 * or handler that called this returns; pg_keep() makes it last longer.  It is no receive: messages that arrive
 * meanwhile, a terminate too, take their turn later.
 * PG_OK.  PG_ENOPROC: the callee has ended, before or meanwhile, without an answer; how is told by pg_why(pid).
 * PG_ETIMEDOUT: it may still have done what it was asked for, or do it later.  PG_EINSIDE for oneself, also by way of
 * others if pg_options.debug_calls finds that; PG_EENDED, PG_ESTOPPED; and those of pg_send. */
PG_API int pg_call_values(pg_process *self, pg_pid pid, const pg_message **reply, int64_t timeout, size_t count,
                          const pg_value *values);

/* Answers a call: from the handler that got it or later, with a copy by pg_keep(); once.  From any thread.
 * PG_OK: the caller has it, or, in another operating-system process, it is on its way.  PG_ENOPROC: nobody waits for
 * it any more.  PG_EINVAL: `msg` is no call, and nothing is sent: what a handler for both ignores.  And those of
 * pg_send. */
PG_API int pg_reply_values(const pg_message *msg, size_t count, const pg_value *values);

/* The same for an answer that is given elsewhere.  Who asks is a pid and a ref, and can be sent as these two values; of
 * a message that is no call they are null.  pg_forward() hands the whole call on.
 *     pg_from from = pg_call_from(msg);
 *     pg_send(worker, "work", from.pid, from.ref, ...);      and the worker:  pg_reply_to(from, "done") */
PG_API pg_from pg_call_from(const pg_message *msg);
PG_API int pg_reply_to_values(pg_from from, size_t count, const pg_value *values);

#ifdef __cplusplus
}
#endif

#endif
