/* words.h - lives that end badly: each in a child that listens to its signals as the hub's children do, with its last
 * words in memory that it shares with the test. */
#ifndef WORDS_H
#define WORDS_H

#include <signal.h>

#include "runtime/crash.h"
#include "runtime/sandbox.h"
#include "sched/fiber.h"

/* ThreadSanitizer keeps a signal that no fault has caused until its thread waits, which one that spins does not. */
#if defined(PGS_FIBER_TSAN)
#define DEFERS_SIGNALS 1
#else
#define DEFERS_SIGNALS 0
#endif

extern unsigned char *words;          /* PGI_CRASH_SIZE bytes, from the first life on */
extern char text[PGI_CRASH_TEXT_MAX]; /* what they say of the last one */

/* Calls `life` in a child that is confined so, NULL: not at all; exit code 0 when it returns, 3 and 4 when it could not
 * be confined.  Returns how it has ended, when it has. */
siginfo_t end_of_life(const pgi_isolation *isolation, void (*life)(void));

#endif
