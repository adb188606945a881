/* unwind.h - for languages whose frames have something to do when they are left.  Included by paragram.h.
 *
 * A process that ends in the middle of its code gives up its stack as it stands.  Where objects in its frames have
 * destructors, they have to be left one by one instead, which only their language knows how to do: by an exception.
 * paragram.hpp does it for C++, with what is here; a binding of another language finds here what it needs. */
#ifndef PARAGRAM_UNWIND_H
#define PARAGRAM_UNWIND_H

#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Registers f(argument) as pg_defer() does; and, unless `unwind` is NULL, unwind(argument), which is called when the
 * process ends in the middle of its code, by pg_exit() or a failure, or where it receives, sleeps or waits: on its
 * stack, after the clean-ups that are newer than this one, and before f.
 * It leaves by an exception, or by longjmp(), to a frame at the base of the target or handler that is running, and that
 * one calls pg_unwound().  The frames of the runtime between the two are compiled to be left so.  If it returns, the
 * stack is given up as it stands; it has to return when it has left all there was, for pg_unwound() calls it once more,
 * and when no code of the process is on the stack.  It is not called when memory is too short to keep the reason of the
 * end.  From then on the process is in its clean-ups: what would block returns PG_EENDED.  Errors as for pg_defer(). */
PG_API int pg_defer_unwinding(pg_process *self, void (*f)(void *argument), void (*unwind)(void *argument),
                              void *argument);

/* Goes on with the end for which unwind() was called, and for the reason that it had.  If that was in a handler for
 * (PG_EXIT), which a receive has called, there is more code beneath: unwind() is called again for it. */
PG_API PG_NORETURN void pg_unwound(pg_process *self);

#ifdef __cplusplus
}
#endif

#endif
