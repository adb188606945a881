/* crash.h - the last words of a process of kind PG_OS that is killed by a signal, and their text.
 *
 * The child writes into memory that it shares with the hub, in its handler of the signal that kills it; the hub reads
 * when the child is dead.  What it reads there is as trustworthy as the child: it decides on a text, never on anything
 * else. */
#ifndef PGI_CRASH_H
#define PGI_CRASH_H

#include <stdbool.h>
#include <stddef.h>

#include "sched/base.h"

/* How large the words are, in bytes. */
enum { PGI_CRASH_SIZE = 4096, PGI_CRASH_TEXT_MAX = 2048 };

/* ---- in the child */

/* From now on this process leaves its last words at `words`, `size` bytes aligned to 8, zeroed, which are never
 * unmapped; size < PGI_CRASH_SIZE: nothing is done.  Installs handlers for SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
 * SIGSYS, SIGTRAP and SIGXCPU, in the place of whatever the hub's program had, and SIG_DFL for SIGALRM.  After its
 * words the process dies by the same signal, with the status and the core that it would have had without. Once, while
 * there is one thread; before pg_start(), so that a handler of report_overflow comes on top. */
void pgi_crash_listen(void *words, size_t size);

/* Each thread, first and last: an alternate stack, and the signals above let through.  `own_stack` as for
 * pgi_overflow_thread_begin(), which need not be called besides; it reads /proc/self/maps, a fifth of a child's start.
 * The thread of pgi_crash_listen() too. */
void pgi_crash_thread_begin(bool own_stack);
void pgi_crash_thread_end(void);

/* Why this process is about to exit or abort; the first text counts.  pgs_panic() does so by itself.  Any thread, any
 * time; async-signal-safe; nothing where nobody listens. */
void pgi_crash_say(const char *text);

/* The processor time that this process may use: what a SIGXCPU is told with.  As pgi_crash_say(). */
void pgi_crash_limit(unsigned seconds);

/* ---- in the hub */

/* Says in one line how a child has ended: `code` and `status` are si_code and si_status of waitid(), `words` its words
 * (or a copy), of which one copy is made before anything is looked at; NULL or short: none.  `text` gets at most
 * text_size - 1 bytes of printable UTF-8 and a zero.
 *     killed by signal 11 (Segmentation fault) at address 0x0 in decode+0x14 (server), while process <pid 3.1.0>
 *     "parser" was handling ("parse", 1); backtrace: decode+0x14, on_parse+0x20, ...
 *     killed by signal 31 (Bad system call): system call 59 (execve) is not allowed in its sandbox, ...
 *     killed by signal 31 (Bad system call): a system call is not allowed in its sandbox, ...
 *     killed by signal 24 (CPU time limit exceeded): it has used up its 10 s of processor time, ...
 *     exited with code 7
 * Any thread; may block for a moment on the files of the program, and needs some 20 KiB of stack. */
void pgi_crash_text(const void *words, size_t size, int code, int status, char *text, size_t text_size);

#endif
