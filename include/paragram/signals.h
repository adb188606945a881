/* signals.h - signals of the system's as messages.  Included by paragram.h.
 *
 *     static void on_signal(pg_process *self, const pg_message *msg) { pg_exit(self); }
 *
 *     static void target(pg_process *self)
 *     {
 *         pg_receive(self, on_signal, "signal", SIGTERM, PG_ETC);
 *         pg_signals(self, 1, (const int[]){SIGTERM});
 *     }
 *
 *     int main(void)
 *     {
 *         sigset_t set;
 *         sigemptyset(&set);
 *         sigaddset(&set, SIGTERM);
 *         pthread_sigmask(SIG_BLOCK, &set, NULL);     before the first thread, which inherits it
 *         pg_runtime *rt = pg_start(NULL);
 *         ...
 *
 * No handler is installed and no mask is changed: a signal that is blocked in every thread waits in the kernel, and the
 * runtime takes it from there, by signalfd(2).  So who asks for it has to have blocked it, in all threads that the
 * program itself has started; the runtime's own threads block all signals anyway.  Programs that are started by exec()
 * inherit what is blocked: unblock it in the child before that. */
#ifndef PARAGRAM_SIGNALS_H
#define PARAGRAM_SIGNALS_H

#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* From now on `self` gets a message for each of these signals that comes to the program, in the place of those that it
 * asked for before; with a count of 0, for none.  That ends with the process; what nobody asks for any more waits in
 * the kernel again.
 *     ("signal", number, sender, code, value)
 *   all of them ints: the sender's operating-system pid, or for SIGCHLD that of the child, 0: the kernel; si_code of
 *   sigaction(2); and the value that was sent with it by sigqueue(3), or for SIGCHLD the child's status, an exit
 *   status or a signal as `code` says.
 * Any number of processes of a runtime may ask for the same, and each gets it; of several runtimes one does.  The
 * kernel keeps one of each kind that waits, but for real-time signals: two of SIGCHLD may be one message, so after one
 * wait for all children that have ended.  One that is sent to a single thread, as by raise(3) or pthread_kill(3), does
 * not come.  Where memory is short a message is lost.
 * All kinds of the program's do the same.  In a process of kind PG_OS, and in a simulation, it is PG_EUNSUPPORTED.
 * PG_EINVAL: NULL, or no signal, or SIGKILL, SIGSTOP, or one that an instruction raises (SIGSEGV, SIGBUS, SIGFPE,
 * SIGILL); PG_EUNSUPPORTED: some thread of the program has not blocked one of them: the log says which, and what.
 * PG_ENOMEM; EMFILE and so on, as a system's error (paragram/io.h); PG_EENDED.  Nothing has changed then. */
PG_API int pg_signals(pg_process *self, size_t count, const int *numbers);

#ifdef __cplusplus
}
#endif

#endif
