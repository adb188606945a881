/* limits.h - bounds on what a process lets come together: a limit on a mailbox, a wait for room there, an alarm before
 * it is full; counters; a warning of handlers that are slow.  Included by paragram.h.
 *
 *     static const pg_mailbox small = {.max_messages = 1000, .high = 800};
 *     pg_pid sink = pg_spawn(self, write_out, .mailbox = &small);
 *
 *     if (pg_send(sink, "line", text) == PG_EFULL) lost++;                    refused: the sender decides what then
 *     pg_send_wait(self, sink, PG_SECONDS(5), "line", text);                  or waits until there is room
 *
 * A mailbox has no limit unless it is given one; then a sender that is faster than its receiver is told, and nothing is
 * dropped behind its back.  Nobody is suspended who has not asked for it. */
#ifndef PARAGRAM_LIMITS_H
#define PARAGRAM_LIMITS_H

#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What may wait in a mailbox: messages that have arrived and that no handler or receive has taken yet.
 *
 * What the limit is for: messages that programs send, by pg_send(), pg_forward(), pg_broadcast(), the request of a
 * pg_call(), and timers.  At the limit
 *   pg_send, pg_forward, pg_call   return PG_EFULL, and nothing was sent
 *   pg_broadcast                   leaves the process out, and does not count it
 *   pg_send_wait                   waits
 *   pg_send_every                  leaves this one out: the next one comes at its time
 *   pg_send_after                  is dropped, unless it is the process's own, set by itself: that one always comes,
 *                                  and takes its room
 * and while somebody waits for room by pg_send_wait(), the others are refused: first come, first served.
 * What has no limit, takes no room and always comes: exits of linked processes, terminates, the messages of monitors,
 * answers to calls (which do not come by the mailbox), signals, and alarms, but for one to another operating-system
 * process, which is a message there as any other.
 *
 * The limit is exact, however many send at once: none makes it more than .max_messages, nor more than .max_bytes, but
 * for a message that is larger than all of .max_bytes by itself, which comes in when nothing else is there.
 *
 * Every refusal is counted, for the process and in pg_stats.refused.  For a process within another operating-system
 * process the sender does not know: its pg_send() returns PG_OK, its pg_call() waits until the time has passed, and the
 * message is refused where it arrives, which is counted there, in pg_stats.dropped too.  So the memory of the receiver
 * is bounded all the same. */
typedef struct pg_mailbox {
    uint32_t max_messages; /* at most 134,217,726; 0: no limit */
    /* What they take, each a block of 64, 128 or 256 bytes, or as many as it has; shared buffers do not count, for they
     * are shared.  Less than 256 GiB; 0: no limit. */
    uint64_t max_bytes;
    /* When so many messages wait, `alarm` is sent ("mailbox", "high", pid, count), and when no more than `low` do after
     * that, ("mailbox", "low", pid, count): once for each crossing, in this order.  It may be any process, itself too.
     * A message that is lost for want of memory is made up for at the next occasion.  `high` 0: none; `low` 0: half of
     * `high`, at most `high` less 1. */
    uint32_t high, low;
    pg_pid alarm; /* null: nobody is told, and only counted */
} pg_mailbox;

/* Gives the calling process other limits than those of its spawn (.mailbox), or an attached one its first.  What waits
 * already stays, though it be too much; what has come before a process's first limits is not counted.  Zeros: no limits
 * any more, but it goes on counting.  Who waits for room that there is now goes on.  New marks hold for what waits
 * already: the alarm that is due by them is sent, and that a crossing is over is told to whoever is .alarm by then.
 * PG_EINVAL: NULL, out of range, or `low` not below `high`; PG_EENDED, PG_ESTOPPED, PG_ENOMEM: nothing has changed. */
PG_API int pg_limit(pg_process *self, const pg_mailbox *mailbox);

/* Sends a message as pg_send_values() does, but waits for room in a mailbox that is at its limit, `timeout` nanoseconds
 * at most; 0 or less: not at all, but then others have a turn where they could have none otherwise, in a guest and in a
 * simulation.  Who waits is served in the order of arrival.  It is no receive: what arrives meanwhile, a terminate too,
 * takes its turn later.  Two processes that wait for room in each other's mailboxes wait until the time has passed.
 * To another operating-system process it is pg_send(): there is no waiting for room beyond the rings, and PG_OK says no
 * more than that it is on its way.
 * PG_OK: it is in the mailbox.  PG_ETIMEDOUT: there was no room in time; nothing was sent.  PG_ENOPROC: the receiver
 * has ended, before or meanwhile, of which the wait ends at once.  PG_EINSIDE for oneself, which would never end;
 * PG_EENDED, PG_ESTOPPED; and those of pg_send, but for PG_EFULL of the limit: PG_ENOMEM at once, where .memory is used
 * up, which is not waited for.
 *     pg_send_wait(self, pid, PG_SECONDS(5), "work", item) */
PG_API int pg_send_wait_values(pg_process *self, pg_pid pid, int64_t timeout, size_t count, const pg_value *values);

/* What a process with limits has counted.  `messages` and `bytes` are of one moment. */
typedef struct pg_mailbox_stats {
    uint64_t messages; /* that wait */
    uint64_t bytes;    /* that these take */
    uint64_t refused;  /* sends refused, and waits for room that were given up, since it has limits */
    uint64_t alarms;   /* times that `high` was reached */
    uint64_t slow;     /* handlers that took longer than .max_slice */
    uint32_t waiting;  /* senders that wait for room now */
} pg_mailbox_stats;

/* PG_EINVAL: it has no limits, and nothing is counted, or `stats` is NULL.  PG_ENOPROC; PG_EUNSUPPORTED: it is in
 * another operating-system process. */
PG_API int pg_get_mailbox_stats(pg_pid pid, pg_mailbox_stats *stats);

/* What .memory in the options of a runtime limits: the messages that wait in mailboxes, or for room there, as max_bytes
 * counts them, exactly; some 500 bytes for each process; and a page of 4 KiB for each stack that is in use or kept
 * warm, which may have touched more.  Not counted are messages being handled, timers, names, shared buffers, and what
 * the program allocates; nor operating-system processes, which have .limits.  It is summed up whenever 64 KiB of
 * messages have come, something is spawned, or a send would be refused: so between two sums it may be exceeded by
 * the stacks of those who have begun to wait meanwhile.  Whatever has no limit in a mailbox has none here.
 * All sends of the runtime count in one place then, which costs some time where several workers send. */

#ifdef __cplusplus
}
#endif

#endif
