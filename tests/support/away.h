/* away.h - check.h for tests whose code runs in other operating-system processes, too: a condition that does not hold
 * in one of those makes the test fail as it does in the program itself.  To be included instead of check.h.
 *
 * away_begin() before the first runtime starts; away_failed() says, when all have ended, how many conditions failed. */
#ifndef AWAY_H
#define AWAY_H

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

static pid_t the_program;        /* 0: before away_begin() */
static atomic_uint *failed_away; /* in memory shared with all operating-system processes */

static inline _Noreturn void end_failed(void)
{
    if (the_program == 0 || the_program == getpid()) exit(1);
    atomic_fetch_add(failed_away, 1);
    _exit(1);
}

#undef CHECK_END
#define CHECK_END() end_failed()

/* Memory of zeros that this process and all that are forked from it have in common. */
static inline void *away_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static inline void away_begin(void)
{
    failed_away = away_shared(sizeof *failed_away);
    the_program = getpid();
}

static inline unsigned away_failed(void)
{
    return atomic_load(failed_away);
}

#endif
