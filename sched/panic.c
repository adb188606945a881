/* panic.c - how a broken invariant ends the program.
 *
 * Called by pgs_assert and by whoever finds a state that cannot be.  It may run on the last bytes of a fiber's stack,
 * in the middle of the allocator or under any lock, so it takes no lock and allocates nothing: one line is composed in
 * a small buffer and leaves in one write, so that lines of several threads that panic at once do not mix.  Rejected:
 * fprintf (locks the stream, may allocate its buffer) and unwinding (the invariant that broke may be the one it
 * needs). */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void (*pgs_on_panic)(const char *line);

/* How much of a buffer of `size` bytes snprintf filled when it returned `length`: texts that do not fit are cut. */
static size_t filled(int length, size_t size)
{
    if (length < 0) return 0;
    return (size_t)length < size ? (size_t)length : size - 1;
}

void pgs_panic(const char *file, int line, const char *format, ...)
{
    char text[512];
    size_t room = sizeof text - 1; /* less the end of the line */
    size_t used = filled(snprintf(text, room, "paragram: %s:%d: ", file, line), room);
    va_list arguments;
    va_start(arguments, format);
    used += filled(vsnprintf(text + used, room - used, format, arguments), room - used);
    va_end(arguments);
    if (pgs_on_panic) pgs_on_panic(text);
    text[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, text, used);
    (void)written; /* Nobody is left to be told. */
    abort();
}
