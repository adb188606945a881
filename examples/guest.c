/* guest.c - processes in a libuv loop, and on its thread: the runtime has none.
 *
 * The loop has a timer of its own that ticks; beside it a process sleeps and says so, another reads what comes through
 * a pipe, and a thread of the program's sends to a third.  Three handles drive the runtime: a poll handle on its
 * descriptor, a timer for its next deadline, and, while a step has left something, an idle handle, so that the loop
 * comes back without keeping anybody else from his turn. */
#define _GNU_SOURCE /* pipe2 */
#include <fcntl.h>
#include <paragram.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

/* ----------------------------------------------------------------------------------------- the runtime in the loop */

typedef struct guest {
    pg_runtime *rt;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_idle_t idle;
} guest;

static void on_timer(uv_timer_t *timer);
static void on_idle(uv_idle_t *idle);

/* After everything that gave the runtime something to do, and so from all three handles. */
static void step(guest *g)
{
    if (pg_step(g->rt, PG_MS(1)) == 1) {
        uv_idle_start(&g->idle, on_idle);
        return;
    }
    uv_idle_stop(&g->idle);
    int64_t ns = pg_next_deadline(g->rt);
    if (ns == PG_FOREVER) {
        uv_timer_stop(&g->timer);
    } else {
        uv_update_time(g->timer.loop);
        uv_timer_start(&g->timer, on_timer, (uint64_t)((ns + PG_MS(1) - 1) / PG_MS(1)), 0);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    step(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    step(timer->data);
}

static void on_idle(uv_idle_t *idle)
{
    step(idle->data);
}

static bool guest_start(guest *g, uv_loop_t *loop)
{
    g->rt = pg_start(&(pg_options){.guest = true, .no_os = true});
    if (!g->rt) return false;
    uv_poll_init(loop, &g->poll, pg_fd(g->rt));
    uv_timer_init(loop, &g->timer);
    uv_idle_init(loop, &g->idle);
    g->poll.data = g->timer.data = g->idle.data = g;
    return uv_poll_start(&g->poll, UV_READABLE, on_poll) == 0;
}

/* The handles first: what pg_stop() closes must not be polled any more. */
static int guest_stop(guest *g, uv_loop_t *loop)
{
    uv_close((uv_handle_t *)&g->poll, NULL);
    uv_close((uv_handle_t *)&g->timer, NULL);
    uv_close((uv_handle_t *)&g->idle, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    return pg_stop(g->rt, PG_SECONDS(5));
}

/* --------------------------------------------------------------------------------------------------- the processes */

static int ticks, naps, lines, sums; /* of one thread, so no locks */

static void sleeper(pg_process *self)
{
    for (; naps < 5; naps++) pg_sleep(self, PG_MS(10));
}

static void reader(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    char c;
    while (pg_read(self, fd, &c, 1, PG_FOREVER) == 1) lines += c == '\n';
    pg_close(self, fd);
}

static void writer(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    for (int i = 0; i < 3; i++) {
        pg_write_all(self, fd, "a line\n", 7, PG_FOREVER);
        pg_sleep(self, PG_MS(5));
    }
    pg_close(self, fd);
}

static void add(pg_process *self, const pg_message *msg)
{
    sums += (int)pg_get_int(self, msg, 1);
}

static void adder(pg_process *self)
{
    pg_receive(self, add, "add", PG_INT);
}

/* A thread of the program's: its sends wake the loop. */
static void *sender(void *argument)
{
    pg_pid pid = *(pg_pid *)argument;
    for (int i = 1; i <= 1000; i++) pg_send(pid, "add", i);
    return NULL;
}

/* ----------------------------------------------------------------------------------------------------- the loop's own */

static void on_tick(uv_timer_t *timer)
{
    ticks++;
    if (naps == 5 && lines == 3 && sums == 500500) uv_stop(timer->loop);
}

int main(void)
{
    guest g;
    uv_loop_t loop;
    uv_timer_t tick;
    pthread_t thread;
    int ends[2];
    if (uv_loop_init(&loop) != 0 || !guest_start(&g, &loop) || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return 1;
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 5, 5);

    pg_spawn_in(g.rt, sleeper, NULL);
    pg_spawn_in(g.rt, reader, &(pg_spawn_options){.args = pg_tuple(ends[0])});
    pg_spawn_in(g.rt, writer, &(pg_spawn_options){.args = pg_tuple(ends[1])});
    pg_pid pid = pg_spawn_in(g.rt, adder, NULL);
    if (pthread_create(&thread, NULL, sender, &pid) != 0) return 1;

    uv_run(&loop, UV_RUN_DEFAULT);
    pthread_join(thread, NULL);
    printf("the loop has ticked: %s; %d naps, %d lines, a sum of %d\n", ticks >= 5 ? "yes" : "no", naps, lines, sums);
    uv_close((uv_handle_t *)&tick, NULL);
    int status = guest_stop(&g, &loop);
    return status != PG_OK || uv_loop_close(&loop) != 0;
}
