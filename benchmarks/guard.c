/* guard.c - the workloads whose instructions tools/bench-guard counts, under Valgrind's callgrind.
 *
 *   paragram_guard                  prints what its counts depend on
 *   paragram_guard WORKLOAD         warms up, then does OPERATIONS of it while instructions are counted
 *
 * Time depends on what else the machine does, the number of instructions hardly: some tenths of a percent, by how often
 * the monitor has looked.  Counted is what the only worker does from the end of the warm-up to the last operation.
 * CALLGRIND_TOGGLE_COLLECT turns counting on and off for the thread that calls it, so processes call it, and waiting
 * threads, the monitor, start and stop are left out.  While a window lasts there is always something to do: an idle
 * worker's search for work would be counted by the time it takes.
 *
 * Where the machine withholds a processor from the worker for long, the monitor makes another one, and a part of the
 * work is done where nobody counts.  So each operation is counted in the thread that does it as well, and a window that
 * lacks some is void: the exit status is 75, and the run is to be repeated.
 *
 *   pingpong   a message between two processes that handle it
 *   blocking   the same between two that receive in their targets: two switches of stacks
 *   flood      a message of ten senders to one process, each 100 at a time, whenever that has handled all of them
 *   spawn      a process that does nothing: spawned in batches of 100, run, ended
 *   call       a request and its reply; ten are under way, the last is answered first, and the client takes the replies
 *              by their references, in the order of its requests */
#include <gnu/libc-version.h>
#include <paragram.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT ((void)0)
#endif

/* Of a window; a multiple of what the workloads do at once.  The warm-up is as long. */
enum { OPERATIONS = 20000, SPAWNED = 100, SENDERS = 10, SENT = 100, REQUESTS = 10, VOID = 75 };

/* ---------------------------------------------------------------------------------------------------- counting */

static pg_pid main_pid;
static _Thread_local int64_t done_here; /* operations */

/* Not inlined, so that no address of a thread-local is kept over a switch. */
static __attribute__((noinline)) int64_t add_here(int64_t operations)
{
    __asm__ volatile("");
    return done_here += operations;
}

/* Called by the workload in one of its processes: after the warm-up, and after OPERATIONS more, which ends it. */
static void mark(void)
{
    static bool counting;
    static int64_t before;
    if (!counting) {
        counting = true;
        before = add_here(0);
        CALLGRIND_TOGGLE_COLLECT;
    } else {
        CALLGRIND_TOGGLE_COLLECT;
        pg_send(main_pid, add_here(0) - before == OPERATIONS ? "done" : "void");
    }
}

/* --------------------------------------------------------------------------------- pingpong, blocking */

static pg_pid player[2];

/* `left` messages are still to come. */
static void pass(pg_process *self, const pg_message *msg)
{
    int64_t left = pg_get_int(self, msg, 1);
    add_here(1);
    if (left % OPERATIONS == 0) mark();
    if (left > 0) pg_send(player[left % 2], "ping", left - 1);
}

static void handling_player(pg_process *self)
{
    pg_receive(self, pass, "ping", PG_INT);
}

static void blocking_player(pg_process *self)
{
    const pg_message *msg;
    while (pg_recv(self, &msg, PG_FOREVER) == PG_OK) pass(self, msg);
}

static void play(pg_process *self, pg_target target)
{
    for (int i = 0; i < 2; i++) player[i] = pg_spawn_link(self, target);
    pg_send(player[0], "ping", 2 * OPERATIONS - 1);
}

static void pingpong(pg_process *self)
{
    play(self, handling_player);
}

static void blocking(pg_process *self)
{
    play(self, blocking_player);
}

/* ------------------------------------------------------------------------------------------------------- flood */

static pg_pid receiver, sender[SENDERS];

static void ask_all(void)
{
    for (int i = 0; i < SENDERS; i++) pg_send(sender[i], "go");
}

static void take(pg_process *self, const pg_message *msg)
{
    static int64_t count;
    if (pg_get_int(self, msg, 1) >= SENT) pg_fail(self, "not what was sent");
    add_here(1);
    if (++count % OPERATIONS == 0) mark();
    if (count % (SENDERS * SENT) == 0 && count < 2 * OPERATIONS) ask_all();
}

/* Begins with as many as there can be later on, so that memory for them is there. */
static void receiving(pg_process *self)
{
    receiver = pg_self(self);
    for (int i = 0; i < SENDERS * SENT; i++) pg_send(receiver, "item", 0);
    pg_receive(self, take, "item", PG_INT);
}

static void send_batch(pg_process *self, const pg_message *msg)
{
    (void)msg;
    for (int64_t i = 0; i < SENT; i++) {
        if (pg_send(receiver, "item", i) != PG_OK) pg_fail(self, "a message was refused");
    }
}

static void sending(pg_process *self)
{
    pg_receive(self, send_batch, "go");
}

static void flood(pg_process *self)
{
    for (int i = 0; i < SENDERS; i++) sender[i] = pg_spawn_link(self, sending);
    pg_spawn_link(self, receiving);
}

/* ------------------------------------------------------------------------------------------------------- spawn */

static _Atomic int64_t ended;

static void nothing(pg_process *self)
{
    (void)self;
    ended++;
    add_here(1);
}

static void spawner(pg_process *self)
{
    for (int64_t spawned = SPAWNED; spawned <= 2 * OPERATIONS; spawned += SPAWNED) {
        for (int i = 0; i < SPAWNED; i++) pg_spawn(self, nothing);
        while (ended < spawned) pg_yield(self);
        if (spawned % OPERATIONS == 0) mark();
    }
}

static void spawn(pg_process *self)
{
    pg_spawn_link(self, spawner);
}

/* -------------------------------------------------------------------------------------------------------- call */

static void serve(pg_process *self, const pg_message *msg)
{
    static struct {
        pg_pid client;
        pg_ref ref;
        int64_t number;
    } request[REQUESTS];
    static int count;
    request[count].client = pg_get_pid(self, msg, 1);
    request[count].ref = pg_get_ref(self, msg, 2);
    request[count++].number = pg_get_int(self, msg, 3);
    if (count < REQUESTS) return;
    while (count > 0) {
        count--;
        pg_send(request[count].client, "answer", request[count].ref, 2 * request[count].number);
        add_here(1);
    }
}

static void server(pg_process *self)
{
    pg_receive(self, serve, "call", PG_PID, PG_REF, PG_INT);
}

static void client(pg_process *self)
{
    pg_pid to = pg_get_pid(self, pg_args(self), 0);
    for (int64_t asked = 0; asked < 2 * OPERATIONS;) {
        pg_ref ref[REQUESTS];
        for (int i = 0; i < REQUESTS; i++) {
            ref[i] = pg_make_ref();
            pg_send(to, "call", self, ref[i], asked + i);
        }
        for (int i = 0; i < REQUESTS; i++) {
            const pg_message *msg;
            if (pg_recv_match(self, &msg, PG_FOREVER, "answer", ref[i], PG_INT) != PG_OK) pg_fail(self, "no answer");
            if (pg_get_int(self, msg, 2) != 2 * (asked + i)) pg_fail(self, "a wrong answer");
        }
        asked += REQUESTS;
        if (asked % OPERATIONS == 0) mark();
    }
}

static void call(pg_process *self)
{
    pg_pid to = pg_spawn_link(self, server);
    pg_spawn_link(self, client, .args = pg_tuple(to));
}

/* -------------------------------------------------------------------------------------------------------- main */

/* In a program with the other allocator. */
int mallctl(const char *name, void *old_value, size_t *old_size, void *new_value, size_t new_size)
    __attribute__((weak));

/* One line: the architecture, the versions of what else makes the counts, the operations of a window; tabs between. */
static void print_configuration(void)
{
    struct utsname machine;
    const char *jemalloc = NULL;
    size_t size = sizeof jemalloc;
    if (mallctl) mallctl("version", &jemalloc, &size, NULL, 0);
    uname(&machine);
#ifdef __clang__
    printf("%s\tclang-%d.%d.%d", machine.machine, __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    printf("%s\tgcc-%d.%d.%d", machine.machine, __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    printf(" glibc-%s", gnu_get_libc_version());
    if (jemalloc) printf(" jemalloc-%.*s", (int)strcspn(jemalloc, "-"), jemalloc);
    printf("\t%d\n", OPERATIONS);
}

static int say(const char *what, int status)
{
    fprintf(stderr, "%s: %s\n", what, pg_strerror(status));
    return 1;
}

/* Returns the exit status. */
static int run(pg_target workload)
{
    int status;
    /* Valgrind has no address space for stacks of millions. */
    pg_runtime *rt = pg_start(&(pg_options){.workers = 1, .max_processes = 10000, .no_os = true, .status = &status});
    if (!rt) return say("the start", status);
    pg_process *self = pg_attach(rt, "main");
    const pg_message *msg;
    main_pid = pg_self(self);
    workload(self);
    status = pg_recv(self, &msg, PG_SECONDS(60));
    if (status != PG_OK) return say("the workload", status);
    bool whole = strcmp(pg_get_str(NULL, msg, 0), "done") == 0;
    status = pg_stop(rt, PG_SECONDS(5));
    if (status != PG_OK) return say("the stop", status);
    return whole ? 0 : VOID;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        pg_target start;
    } workload[] = {
        {"pingpong", pingpong}, {"blocking", blocking}, {"flood", flood}, {"spawn", spawn}, {"call", call},
    };
    if (argc == 1) {
        print_configuration();
        return 0;
    }
    for (size_t i = 0; i < sizeof workload / sizeof workload[0]; i++) {
        if (strcmp(argv[1], workload[i].name) == 0) return run(workload[i].start);
    }
    fprintf(stderr, "there is no workload '%s'\n", argv[1]);
    return 2;
}
