/* base.h - the few words that every file of sched/ and runtime/ uses. */
#ifndef PGS_BASE_H
#define PGS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGS_CACHE_LINE 64

/* Two lines: processors prefetch lines in pairs. */
#define PGS_ALIGNED _Alignas(2 * PGS_CACHE_LINE)

#define PGS_COLD __attribute__((cold, noinline))
#define PGS_NORETURN __attribute__((noreturn))
#define PGS_PRINTF(string, first) __attribute__((format(printf, string, first)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The address of the structure that holds `member` at `p`. */
#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* Prints one line that says what was violated and where, and aborts. */
PGS_COLD PGS_NORETURN void pgs_panic(const char *file, int line, const char *format, ...) PGS_PRINTF(3, 4);

/* Unless NULL, told the line before the program aborts.  In the middle of anything: async-signal-safe.  Set while there
 * is one thread only. */
extern void (*pgs_on_panic)(const char *line);

/* Always on: a broken invariant stops the program where it broke. */
#define pgs_assert(x) (likely(x) ? (void)0 : pgs_panic(__FILE__, __LINE__, "assertion failed: %s", #x))

#endif
