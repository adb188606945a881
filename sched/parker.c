/* parker.c - park and unpark on a private futex, or by a kick; parker.h has the states and invariants. */
#include "parker.h"

#include <errno.h>

#if defined(PGS_MODEL)

#define futex_wait model_futex_wait
#define futex_wake model_futex_wake
#define write_kick(kick) model_epoll_post(MODEL_EPOLL_KICK)

#else

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

/* Sleeps while *word is `value`.  0 when woken, else the error: EAGAIN, EINTR or ETIMEDOUT. */
static int futex_wait(_Atomic(uint32_t) *word, uint32_t value, int64_t deadline_ns)
{
    if (unlikely(pgs_sim_here != NULL)) return pgs_sim_wait(word, value, deadline_ns);
    struct timespec at = {0, 0}, *until = NULL;
    if (deadline_ns != PGS_NEVER) {
        int64_t ns = deadline_ns > 0 ? deadline_ns : 0;
        at = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        until = &at;
    }
    /* WAIT_BITSET takes an absolute deadline on CLOCK_MONOTONIC; plain WAIT takes a relative one, which a signal would
     * restart. */
    long rc =
        syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
    return rc == 0 ? 0 : errno;
}

static void futex_wake(_Atomic(uint32_t) *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static void write_kick(int kick)
{
    uint64_t one = 1;
    ssize_t written = write(kick, &one, sizeof one);
    if (unlikely(written != (ssize_t)sizeof one)) pgs_panic(__FILE__, __LINE__, "a kick failed: error %d", errno);
}

#endif

bool pgs_parker_park(pgs_parker *p, int64_t deadline_ns)
{
    uint32_t expected = PGS_PARKER_EMPTY;
    if (!cas_relaxed(&p->state, &expected, PGS_PARKER_PARKED)) {
        pgs_assert(expected == PGS_PARKER_NOTIFIED);
        return xchg_acquire(&p->state, PGS_PARKER_EMPTY) == PGS_PARKER_NOTIFIED; /* partner: the exchange in unpark */
    }
    int saved = errno;
    bool token = false;
    for (;;) {
        int rc = futex_wait(&p->state, PGS_PARKER_PARKED, deadline_ns);
        if (rc == ETIMEDOUT) {
            token = xchg_acquire(&p->state, PGS_PARKER_EMPTY) == PGS_PARKER_NOTIFIED; /* partner: unpark */
            break;
        }
        token = pgs_parker_try_take(p);
        if (token) break;
        if (unlikely(rc != 0 && rc != EINTR && rc != EAGAIN)) {
            pgs_panic(__FILE__, __LINE__, "futex wait failed: error %d", rc);
        }
    }
    errno = saved;
    return token;
}

bool pgs_parker_unpark(pgs_parker *p)
{
    /* Release: partner the acquires of park.  An exchange, not a store: the release sequence of an earlier unpark goes
     * on through it. */
    uint32_t before = xchg_release(&p->state, PGS_PARKER_NOTIFIED);
    if (before < PGS_PARKER_PARKED) return false;
    int saved = errno;
    if (before == PGS_PARKER_PARKED) {
        futex_wake(&p->state);
    } else {
        write_kick((int)(before - PGS_PARKER_POLLING));
    }
    errno = saved;
    return true;
}
