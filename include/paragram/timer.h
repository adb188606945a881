/* timer.h - messages that are sent later, once or again and again.  Included by paragram.h.
 *
 *     static void on_tick(pg_process *self, const pg_message *msg) { ... }
 *
 *     static void target(pg_process *self)
 *     {
 *         pg_receive(self, on_tick, "tick");
 *         pg_send_every(self, pg_self(self), PG_SECONDS(1), "tick");
 *     }
 *
 * A timer is no process, and costs no stack: some 150 bytes with a small message.  Setting one and cancelling it takes
 * about as long as a message does, and most timers are expected to be cancelled. */
#ifndef PARAGRAM_TIMER_H
#define PARAGRAM_TIMER_H

#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names a timer for ever: it is never given to another one of the program.  {0} names none.  It means nothing in another
 * operating-system process. */
typedef struct pg_timer {
    uint64_t id;
} pg_timer;

/* Sends a message to `pid` when `delay` nanoseconds have passed, never sooner; later by less than a millisecond while a
 * processor is free.  The values are copied now.  A delay of 0 or less is over as soon as others have had their turn.
 * The timer is the runtime's: it goes on when `self` has ended, until the runtime stops, or the operating-system
 * process ends in which it was set.  If `pid` has ended by its time, or cannot be sent that (pg_send_values()), the
 * message is dropped.
 * A timer of which pg_timer_status() is not PG_OK: PG_EINVAL, PG_ETOOMANY, PG_ENOMEM; PG_ELIMIT: 16 million are pending
 * in this runtime; PG_ESTOPPED.
 *     pg_timer timer = pg_send_after(self, pid, PG_MS(20), "late", 123) */
PG_API pg_timer pg_send_after_values(pg_process *self, pg_pid pid, int64_t delay, size_t count, const pg_value *values);

/* The same again and again, each `interval` nanoseconds, for the first time after one, until it is cancelled or `pid`
 * has ended.  Times that have been missed altogether are left out, and those that follow do not shift.  An interval of
 * 0 or less is PG_EINVAL.
 *     pg_timer timer = pg_send_every(self, pid, PG_SECONDS(1), "tick") */
PG_API pg_timer pg_send_every_values(pg_process *self, pg_pid pid, int64_t interval, size_t count,
                                     const pg_value *values);

/* Cancels a timer, from any thread.  True: it was pending, and sends nothing any more.  False: it has sent its message,
 * or was cancelled before, or its runtime has stopped, or `timer` names none.  What has been sent already stays in the
 * mailbox. */
PG_API bool pg_cancel_timer(pg_timer timer);

/* PG_OK for a timer that was set, pending or not; else why it could not be. */
PG_API int pg_timer_status(pg_timer timer);

#ifdef __cplusplus
}
#endif

#endif
