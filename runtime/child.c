/* child.c - see child.h.
 *
 * A child starts a runtime of its own, under the node number that the hub has given it, and opens its uplink.  The
 * first letter that comes says what its first process is; so that is in the mailbox before anything that was sent to
 * it. The child lives as long as any of its processes does; then it says goodbye, answers what was on its way to it
 * until the hub says the same, and leaves by _exit(): what the program has registered to be done at its exit is not for
 * a child to do.  Were it to leave at once, those who had just linked to one of its processes, or asked for its end,
 * would never hear of it.
 *
 * When the hub ends without a word, by kill -9 or the end of main(), the pipe on which it rings this child's bell hangs
 * up.  Then all processes are told to end, as by a stop.  Those who have not ended within the zygote's time of grace
 * are killed, as are all where a process that the program has forked keeps the pipe open.
 *
 * The first process is green, on the one worker, which also reads the ring: whatever comes from outside wakes one
 * thread.  The worker is the main thread, which is there and warm: another one would be a third of the time until the
 * first process runs.  A second thread, the keeper, starts the monitor, and then waits for the end.
 *
 * A thread's first allocation must not meet an exhausted address space (jemalloc 5.3 crashes), so where that is limited
 * all threads have made theirs before any code of a process runs. */
#include "child.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ask.h"
#include "crash.h"
#include "limit.h"
#include "os.h"
#include "runtime.h"

static const int64_t look_again = PG_MS(100);

/* The bridge stays for ever: it ends with the operating-system process. */
static pgi_bridge uplink;
static pgi_child child;
static pgs_parker starter; /* of the main thread, until its keeper and the monitor have begun */

/* Lines of the log are the hub's to show. */
static void log_to_hub(void *context, pg_log_level level, const char *line)
{
    (void)context;
    size_t length = strlen(line);
    char *text = length > 0 ? pgi_alloc(length) : NULL;
    if (!text) return;
    for (size_t i = 0; i < length; i++) text[i] = line[i]; /* without its NUL */
    pgi_post_frame(&uplink, &(pgi_letter){.type = PGI_F_LOG, .flags = (uint8_t)level, .body = text, .length = length});
}

static PGS_NORETURN void give_up(const char *what)
{
    pgi_crash_say(what);
    _exit(EXIT_FAILURE);
}

static bool all_ended(pg_runtime *rt)
{
    return load_acquire(&child.ended) && pgi_alive(rt) == 0; /* partner: pgi_child_ended */
}

static void say_goodbye(pg_runtime *rt)
{
    store_release(&uplink.idle, &rt->stopper); /* partner: work in bridge.c */
    bool said = pgi_post(&uplink, PGI_F_GOODBYE, (pg_pid){0}, (pg_pid){0}, pgi_slots_highest_generation(&rt->slots),
                         NULL) == PG_OK;
    /* Partners: pgi_child_orphan, pgi_child_dismiss, finish_letter in bridge.c. */
    while (!load_acquire(&child.orphaned) &&
           ((said && !load_acquire(&child.dismissed)) || load_acquire(&uplink.queued) > 0)) {
        pgs_parker_park(&rt->stopper, pgs_deadline(look_again));
    }
    pgi_threads_join(rt, true);
    fflush(stdout);
    fflush(stderr);
}

/* The life of the keeper.  It has no signal blocked, as the main thread of any program: what is sent to the process is
 * its to take. */
static void *keep(void *arg)
{
    pg_runtime *rt = arg;
    prctl(PR_SET_NAME, "pg-keeper");
    pgi_memory_thread_begin();
    pgi_crash_thread_begin(false);
    if (pgs_sched_watch(rt->sched) != 0) give_up("its monitor could not be started");
    pgs_parker_unpark(&starter);
    while (!all_ended(rt)) {
        bool ended = load_acquire(&child.ended); /* partner: pgi_child_ended */
        pgs_parker_park(&rt->stopper, ended ? pgs_deadline(look_again) : PGS_NEVER);
    }
    say_goodbye(rt);
    _exit(0);
}

static bool address_space_is_limited(const pgi_isolation *isolation)
{
    struct rlimit limit;
    return isolation->address_space > 0 || getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

static void start_keeper(pg_runtime *rt, const pgi_isolation *isolation)
{
    pthread_t keeper;
    pgs_parker_init(&starter);
    if (pthread_create(&keeper, NULL, keep, rt) != 0) give_up("a thread could not be started");
    if (address_space_is_limited(isolation)) pgs_parker_park(&starter, PGS_NEVER);
}

void pgi_child_main(const pgi_birth *birth, const int fds[PGI_BIRTH_FDS])
{
    pgi_child_config config;
    memcpy(&config, birth->isolation, sizeof config);
    uplink.node = 0;
    child.hub = config.hub;
    child.uplink = &uplink;
    child.root = pgi_pid_make(birth->node, config.first_generation + 1, 0);
    pgi_ref_begin(birth->node, config.first_generation);
    pgi_ask_begin(config.first_generation);

    if (pgs_ring_pair_map(&uplink.rings, fds[0], 1) != 0) _exit(EXIT_FAILURE);
    close(fds[0]);
    uplink.channel = fds[3];
    pgi_crash_listen(uplink.rings.words, PGS_RING_WORDS);
    pgi_crash_thread_begin(false);
    if (pgi_isolation_apply(&config.isolation) != PG_OK) _exit(EXIT_FAILURE);
    const pg_options options = {.workers = 1,
                                .kind = (pg_kind)config.kind,
                                .stack_size = config.stack_size,
                                .max_processes = config.max_processes,
                                .stuck_after = config.stuck_after,
                                .report_overflow = config.report_overflow,
                                .log = log_to_hub,
                                .no_os = true};
    pg_runtime *rt = pgi_start_child(&options, birth->node, config.first_generation, &child, config.main);
    if (!rt) give_up("its runtime could not be started");
    start_keeper(rt, &config.isolation);
    if (pgi_isolation_apply_limits(&config.isolation) != PG_OK) _exit(EXIT_FAILURE);
    pgi_node_uplink(&uplink);
    if (pgi_bridge_open(&uplink, rt, fds[1], fds[2], true) != PG_OK) give_up("its uplink could not be opened");
    pgs_sched_work(rt->sched);
}

/* ------------------------------------------------------------------------------------------- what the hub says */

void pgi_child_begin(pg_runtime *rt, const pgi_spawn_body *body)
{
    static pg_table table;
    if (xchg_relaxed(&child.begun, true)) return;
    pg_message *args = NULL;
    const pg_message *sent = pgi_wire_spawn_args(body);
    table.define = (void (*)(pg_table *))(uintptr_t)body->table;
    int status = sent ? pgi_message_copy(pgi_cache_here(rt), sent, &args) : PG_OK;
    if (status == PG_OK) {
        status = pgi_spawn_root(rt, (pg_target)(uintptr_t)body->target, body->table ? &table : NULL,
                                pgi_wire_spawn_name(body), &body->bounds, args);
    }
    if (status != PG_OK) give_up(pg_strerror(status));
}

void pgi_child_stop(pg_runtime *rt)
{
    pgi_end_all(rt);
}

void pgi_child_orphan(pg_runtime *rt)
{
    if (xchg_release(&child.orphaned, true)) return; /* partner: say_goodbye */
    pgi_end_all(rt);
    pgs_parker_unpark(&rt->stopper);
}

void pgi_child_dismiss(pg_runtime *rt)
{
    store_release(&child.dismissed, true); /* partner: say_goodbye */
    pgs_parker_unpark(&rt->stopper);
}

/* How a process has ended whom others may ask for when nobody is here any more. */
static void tell_end(const pg_exit_info *exit)
{
    pg_message *msg;
    pgi_message_build_exit(NULL, exit->kind, exit->text, pg_v_nil(), exit->pid, PGI_DOWN, &msg);
    if (msg) pgi_post(&uplink, PGI_F_ENDED, (pg_pid){0}, exit->pid, 0, msg);
}

void pgi_child_failed(const pg_exit_info *exit)
{
    if (!pg_same(exit->pid, child.root)) tell_end(exit);
}

void pgi_child_ended(pg_runtime *rt, const pg_exit_info *exit)
{
    if (pg_same(exit->pid, child.root)) {
        tell_end(exit);
        store_release(&child.ended, true); /* partner: all_ended */
    }
    if (load_relaxed(&child.ended)) pgs_parker_unpark(&rt->stopper);
}

/* -------------------------------------------------------------------------------------------- what it asks of it */

pg_pid pgi_child_spawn(pg_process *self, pg_target target, const pg_spawn_options *options, pg_message *args)
{
    const char *name = options && options->name ? options->name : "";
    size_t bytes = 0;
    int status = args ? pgi_wire_prepare(NULL, &args, &bytes) : PG_OK;
    if (bytes > UINT32_MAX) status = PG_ENOMEM;
    void *body = NULL;
    size_t size = 0;
    if (status == PG_OK) {
        const pgi_spawn_body head = {.target = (uint64_t)(uintptr_t)target,
                                     .table =
                                         options && options->table ? (uint64_t)(uintptr_t)options->table->define : 0,
                                     .isolation = pgi_os_isolation_of(options),
                                     .bounds = pgi_bounds_of(options),
                                     .name_length = (uint32_t)strlen(name),
                                     .args_bytes = (uint32_t)bytes};
        size = pgi_wire_spawn_size(head.name_length, bytes);
        body = pgi_alloc(size);
        if (body) pgi_wire_spawn_write(body, &head, name, args);
        status = body ? PG_OK : PG_ENOMEM;
    }
    if (args && (status != PG_OK || !(args->flags & PGI_BUFFERS))) { /* else they go with the letter */
        pgi_message_free(NULL, args);
        args = NULL;
    }
    if (status != PG_OK) return pgi_refused(status);
    pg_pid pid = {0}, parent = self ? pgi_pid_of(self) : pid;
    pg_pid hub = pgi_pid_make(child.hub, pgi_pid_generation(parent), pgi_pid_index(parent));
    status = pgi_ask(PGI_ASK_SPAWN, hub, body, size, args, PG_SECONDS(30), NULL, &pid, self);
    if (status == PG_OK) return pid;
    if (pid.id != 0 && pg_pid_status(pid) == PG_OK) pg_terminate(pid); /* it lives, but memory was short for the link */
    return pgi_refused(status);
}
