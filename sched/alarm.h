/* alarm.h - the deadline of a blocked task: it is made ready by its time, or by somebody else, and by one of them only.
 *
 * The alarm lies in the frame of the one that blocks.  It is set in one step with the task's commit, by the worker that
 * the task has left; it is cancelled by the task once it goes on, maybe on another worker, while the first may still be
 * on its way out of the wheel: the wheel's lock makes the frame its owner's again.
 *
 *   set:     lock the wheel; add the timer; wait->commit(task); unlock
 *   fires:   under the lock: wait->claim(task); true: this one makes the task ready, and says that the time was up
 *   cancel:  lock; take the timer out if it has not fired; unlock */
#ifndef PGS_ALARM_H
#define PGS_ALARM_H

#include "hostile.h"
#include "scheduler.h"
#include "timer.h"

typedef struct pgs_alarm {
    pgs_timer timer;
    pgs_sched *sched;
    pgs_task *task;
    const pgs_wait *wait;
    bool timed_out; /* written by who fires, before it makes the task ready; read by the task */
} pgs_alarm;

static inline void pgs_alarm_fire(pgs_timer *timer)
{
    pgs_alarm *alarm = container_of(timer, pgs_alarm, timer);
    if (!alarm->wait->claim(alarm->task)) return;
    pgs_delay(PGS_AT_FIRE);
    alarm->timed_out = true;
    pgs_ready(alarm->sched, alarm->task);
}

static inline bool pgs_alarm_commit(void *alarm)
{
    const pgs_alarm *a = alarm;
    return a->wait->commit(a->task);
}

/* Before the task leaves its stack. */
static inline void pgs_alarm_init(pgs_alarm *alarm, pgs_sched *sched, pgs_task *task, const pgs_wait *wait)
{
    *alarm = (pgs_alarm){.sched = sched, .task = task, .wait = wait};
    pgs_timer_init(&alarm->timer, pgs_alarm_fire);
}

/* Commits, with the deadline of its wait.  Returns what commit said; true: the alarm is not to be touched any more. */
static inline bool pgs_alarm_set(pgs_alarm *alarm, pgs_wheel *wheel)
{
    return pgs_wheel_add_with(wheel, &alarm->timer, alarm->wait->deadline, pgs_alarm_commit, alarm);
}

/* By the task, first thing when it goes on.  Whether its time was up; nobody else touches the alarm any more. */
static inline bool pgs_alarm_cancel(pgs_alarm *alarm)
{
    pgs_timer_cancel(&alarm->timer);
    return alarm->timed_out;
}

#endif
