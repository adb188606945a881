/* overflow.h - says whose stack ran out, before the program dies of it: pg_options.report_overflow.
 *
 * While any runtime asks for it there is a handler of SIGSEGV.  When a green process, or one of kind PG_THREAD, of a
 * runtime that asked has run into the guard below its stack, the handler writes one line to stderr; in each case it
 * then leaves the signal to whoever had it before, or to its default, so that the program ends as it would have.
 *
 * A process of kind PG_OS has a handler of its own for all that kills it (crash.h), which stands on the same alternate
 * stacks and asks here whether a fault was an overflow.
 *
 * Not for attached hosts: their stacks and alternate stacks are the host's, and what happens there stays the
 * kernel's. */
#ifndef PGI_OVERFLOW_H
#define PGI_OVERFLOW_H

#include "sched/base.h"

struct pg_process;

/* A runtime asks for the handler; and does so no more, when none of its threads runs any longer.  Any thread. */
void pgi_overflow_ask(void);
void pgi_overflow_release(void);

/* What a thread has for the handler to stand on.  Each on the thread itself, the first and the last thing that it does
 * with the library.  `own_stack`: its processes run on the thread's stack, not on fibers.  A thread that has an
 * alternate stack already keeps it; where there is no memory for one the thread dies without a word, as by default. */
void pgi_overflow_thread_begin(bool own_stack);
void pgi_overflow_thread_end(void);

/* In a handler, on the thread that has faulted at `address`: the process whose stack has run out there, with the size
 * of that stack in bytes; NULL: the fault is something else.  Async-signal-safe. */
const struct pg_process *pgi_overflow_of(const void *address, size_t *size);

#endif
