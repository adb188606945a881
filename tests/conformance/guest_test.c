/* guest_test.c - runtimes that the program's own loop drives: that they have no thread, that the descriptor and the
 * deadline say when to step, that a step ends in time, who may step, and who waits while nobody does.
 *
 * That processes do in a guest what they do anywhere is shown by the other conformance tests, which run in one as well,
 * driven by main where it waits. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "conformance.h"

static pg_runtime *begin(void)
{
    int status = 1;
    pg_runtime *rt = pg_start(&(pg_options){
        .guest = true, .no_os = true, .log = log_line, .log_context = &the_log, .status = &status, .workers = 7});
    CHECK_EQ(status, PG_OK);
    CHECK(rt != NULL);
    return rt;
}

static unsigned entries(const char *folder)
{
    unsigned n = 0;
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    while (readdir(dir)) n++;
    closedir(dir);
    return n;
}

static unsigned threads(void)
{
    return entries("/proc/self/task");
}

static bool is_readable(const pg_runtime *rt)
{
    struct pollfd look = {.fd = pg_fd(rt), .events = POLLIN};
    return poll(&look, 1, 0) == 1;
}

/* One round of an event loop: whether there was something before the time was over. */
static bool round_of_loop(pg_runtime *rt, int64_t most)
{
    int64_t ns = pg_next_deadline(rt);
    CHECK(ns >= 0);
    if (ns > most) ns = most;
    struct timespec timeout = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    struct pollfd look = {.fd = pg_fd(rt), .events = POLLIN};
    int n = ppoll(&look, 1, &timeout, NULL);
    int more = pg_step(rt, PG_MS(1));
    CHECK(more == 0 || more == 1);
    return n > 0 || more;
}

/* Steps as an event loop does, until the number is reached. */
static void loop_until(pg_runtime *rt, atomic_int *count, int enough)
{
    for (int64_t end = pg_now() + PATIENCE; atomic_load(count) < enough;) {
        CHECK(pg_now() < end);
        round_of_loop(rt, PG_SECONDS(1));
    }
}

/* -------------------------------------------------------------------------------------------------- without a
 * thread */

static atomic_int done;

static void nap_and_count(pg_process *self)
{
    pg_sleep(self, PG_MS(5));
    atomic_fetch_add(&done, 1);
}

static void read_and_count(pg_process *self)
{
    char c;
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    CHECK_EQ(pg_read(self, fd, &c, 1, PATIENCE), 1);
    atomic_fetch_add(&done, 1);
}

static void write_and_count(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    pg_sleep(self, PG_MS(10));
    CHECK_EQ(pg_write(self, fd, "x", 1, PATIENCE), 1);
    atomic_fetch_add(&done, 1);
}

static void on_tick(pg_process *self, const pg_message *msg)
{
    (void)msg;
    atomic_fetch_add(&done, 1);
    pg_exit(self);
}

static void wants_tick(pg_process *self)
{
    pg_receive(self, on_tick, "tick");
    pg_send_after(self, pg_self(self), PG_MS(3), "tick");
}

static void in_pool(void *unused)
{
    (void)unused;
    atomic_fetch_add(&done, 1);
}

static void calls_pool(pg_process *self)
{
    CHECK_EQ(pg_blocking(self, in_pool, NULL), PG_OK);
}

static void *does_nothing(void *unused)
{
    return unused;
}

static void has_no_thread(void)
{
    pthread_t first; /* a sanitizer may start one of its own with it */
    CHECK_EQ(pthread_create(&first, NULL, does_nothing, NULL), 0);
    CHECK_EQ(pthread_join(first, NULL), 0);
    unsigned threads_before = threads(), files = entries("/proc/self/fd");
    pg_runtime *rt = begin();
    pg_stats stats;
    CHECK_EQ(pg_get_stats(rt, &stats), PG_OK);
    CHECK_EQ(stats.workers, 1);
    int fd[2];
    CHECK_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    atomic_store(&done, 0);
    for (int i = 0; i < 100; i++) pg_spawn_in(rt, nap_and_count, NULL);
    pg_spawn_in(rt, read_and_count, &(pg_spawn_options){.args = pg_tuple(fd[0])});
    pg_spawn_in(rt, write_and_count, &(pg_spawn_options){.args = pg_tuple(fd[1])});
    pg_spawn_in(rt, wants_tick, NULL);
    loop_until(rt, &done, 103);
    CHECK_EQ(threads(), threads_before);
    pg_spawn_in(rt, calls_pool, NULL);
    loop_until(rt, &done, 104);
    CHECK_EQ(threads(), threads_before + 1); /* that call needs one */
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    CHECK_EQ(threads(), threads_before);
    close(fd[0]);
    close(fd[1]);
    CHECK_EQ(entries("/proc/self/fd"), files);
}

/* -------------------------------------------------------------------------------------------- descriptor and
 * deadline */

static void sleeps_for_an_hour(pg_process *self)
{
    pg_sleep(self, PG_SECONDS(3600));
}

static void says_when(void)
{
    pg_runtime *rt = begin();
    CHECK(!is_readable(rt));
    CHECK_EQ(pg_next_deadline(rt), PG_FOREVER);
    CHECK_EQ(pg_step(rt, PG_FOREVER), 0);
    CHECK(!is_readable(rt));
    atomic_store(&done, 0);
    good(pg_spawn_in(rt, nap_and_count, NULL));
    CHECK(is_readable(rt));
    CHECK_EQ(pg_next_deadline(rt), 0);
    CHECK_EQ(pg_step(rt, PG_FOREVER), 0);
    CHECK(!is_readable(rt));
    int64_t ns = pg_next_deadline(rt);
    CHECK(ns >= 0 && ns <= PG_MS(6));
    loop_until(rt, &done, 1);
    CHECK_EQ(pg_next_deadline(rt), PG_FOREVER);
    CHECK(!is_readable(rt));
    good(pg_spawn_in(rt, sleeps_for_an_hour, NULL));
    CHECK_EQ(pg_step(rt, PG_FOREVER), 0);
    ns = pg_next_deadline(rt);
    CHECK(ns > 0 && ns <= PG_SECONDS(3601));
    CHECK_EQ(pg_stop(rt, 0), PG_OK);
}

/* An idle loop waits: of its rounds in that time most would be of a loop that spins. */
static void is_idle(void)
{
    pg_runtime *rt = begin();
    good(pg_spawn_in(rt, sleeps_for_an_hour, NULL));
    int rounds = 0;
    for (int64_t end = pg_now() + PG_MS(300); pg_now() < end; rounds++) round_of_loop(rt, PG_MS(100));
    CHECK(rounds < 50);
    CHECK_EQ(pg_stop(rt, 0), PG_OK);
}

static void on_number(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
    atomic_fetch_add(&done, 1);
}

static void counts(pg_process *self)
{
    pg_receive(self, on_number, PG_INT);
}

/* How often the loop was woken so far: what was written to the one eventfd of the program, which nobody reads. */
static uint64_t wake_ups(void)
{
    char line[128];
    unsigned long long count = 0;
    for (int fd = 0; fd < 100; fd++) {
        snprintf(line, sizeof line, "/proc/self/fdinfo/%d", fd);
        FILE *file = fopen(line, "re");
        while (file && fgets(line, sizeof line, file)) sscanf(line, "eventfd-count: %llx", &count);
        if (file) fclose(file);
    }
    return count;
}

/* One write for all that is sent while the loop sleeps. */
static void is_woken_once(void)
{
    pg_runtime *rt = begin();
    pg_pid pid = good(pg_spawn_in(rt, counts, NULL));
    while (pg_step(rt, PG_FOREVER) == 1) continue;
    atomic_store(&done, 0);
    uint64_t before = wake_ups();
    for (int i = 0; i < 1000; i++) CHECK_EQ(pg_send(pid, i), PG_OK);
    CHECK(is_readable(rt));
    CHECK_EQ(wake_ups(), before + 1);
    CHECK_EQ(pg_step(rt, PG_FOREVER), 0);
    CHECK_EQ(atomic_load(&done), 1000);
    CHECK(!is_readable(rt));
    CHECK_EQ(wake_ups(), before + 1);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

static void waits_and_counts(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    CHECK_EQ(pg_wait_fd(self, fd, POLLIN, PATIENCE), POLLIN);
    atomic_fetch_add(&done, 1);
}

/* More events at once than a step takes in, for a loop that is told of changes only. */
static void edges_are_enough(void)
{
    enum { MOST = 100 };
    int fd[MOST], loop = epoll_create1(EPOLL_CLOEXEC);
    pg_runtime *rt = begin();
    struct epoll_event edge = {.events = EPOLLIN | EPOLLET};
    CHECK_EQ(epoll_ctl(loop, EPOLL_CTL_ADD, pg_fd(rt), &edge), 0);
    for (int i = 0; i < MOST; i++) {
        CHECK((fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
        good(pg_spawn_in(rt, waits_and_counts, &(pg_spawn_options){.args = pg_tuple(fd[i])}));
    }
    while (pg_step(rt, PG_FOREVER) == 1) continue;
    epoll_wait(loop, &edge, 1, 0);
    atomic_store(&done, 0);
    for (int i = 0; i < MOST; i++) CHECK_EQ(eventfd_write(fd[i], 1), 0);
    while (atomic_load(&done) < MOST) {
        CHECK_EQ(epoll_wait(loop, &edge, 1, 5000), 1);
        while (pg_step(rt, PG_FOREVER) == 1) continue;
    }
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    for (int i = 0; i < MOST; i++) close(fd[i]);
    close(loop);
}

/* ----------------------------------------------------------------------------------------------------- steps that
 * end */

static void yields_for_ever(pg_process *self)
{
    for (;;) pg_yield(self);
}

static void sends_to_itself(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_send(pg_self(self), 1);
}

static void mails_for_ever(pg_process *self)
{
    pg_receive(self, sends_to_itself, PG_INT);
    for (int i = 0; i < 100; i++) pg_send(pg_self(self), 1);
}

static void reads_for_ever(pg_process *self)
{
    char c[16];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    for (;;) CHECK_EQ(pg_read(self, fd, c, sizeof c, PATIENCE), (int)sizeof c);
}

static void looks_for_ever(pg_process *self)
{
    const pg_message *msg;
    for (;;) CHECK_EQ(pg_recv(self, &msg, 0), PG_ETIMEDOUT);
}

static void handles_slowly(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
    for (int64_t end = pg_now() + PG_MS(1); pg_now() < end;) continue;
}

static void is_slow(pg_process *self)
{
    pg_receive(self, handles_slowly, PG_INT);
    for (int i = 0; i < 80; i++) pg_send(pg_self(self), i);
}

static int64_t processor_time(void)
{
    struct timespec t;
    CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return PG_SECONDS(t.tv_sec) + t.tv_nsec;
}

static void steps_end(void)
{
    static const pg_target busy[] = {yields_for_ever, mails_for_ever, reads_for_ever, looks_for_ever, is_slow};
    for (size_t i = 0; i <= sizeof busy / sizeof busy[0]; i++) {
        pg_runtime *rt = begin();
        for (size_t j = 0; j < sizeof busy / sizeof busy[0]; j++) {
            if (i == j || i == sizeof busy / sizeof busy[0]) good(pg_spawn_in(rt, busy[j], NULL));
        }
        int64_t longest = 0; /* of the processor's time: what else runs here takes its own */
        for (int round = 0; round < 20; round++) {
            int64_t ns = processor_time();
            CHECK_EQ(pg_step(rt, round % 2 ? PG_MS(1) : 0), 1);
            ns = processor_time() - ns;
            CHECK(is_readable(rt));
            CHECK_EQ(pg_next_deadline(rt), 0);
            if (ns > longest) longest = ns;
        }
        printf("busy %zu: the longest step of 1 ms took %.1f ms of processor time\n", i, (double)longest / 1e6);
        CHECK(longest < PG_MS(40));
        /* Most of them end only when they are ended, and the slow one when it has done all, on a processor that others
         * need as well. */
        int64_t end = pg_now() + PATIENCE;
        while (pg_stop(rt, PG_MS(100)) == PG_ETIMEDOUT) CHECK(pg_now() < end);
    }
}

/* Whatever others do without end: one that sleeps, and one that waits for a descriptor, have their turns in one
 * step. */
static void nobody_starves(void)
{
    pg_runtime *rt = begin();
    int fd[2];
    CHECK_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    good(pg_spawn_in(rt, yields_for_ever, NULL));
    good(pg_spawn_in(rt, mails_for_ever, NULL));
    good(pg_spawn_in(rt, reads_for_ever, NULL));
    good(pg_spawn_in(rt, looks_for_ever, NULL));
    atomic_store(&done, 0);
    for (int i = 0; i < 20; i++) good(pg_spawn_in(rt, nap_and_count, NULL));
    good(pg_spawn_in(rt, read_and_count, &(pg_spawn_options){.args = pg_tuple(fd[0])}));
    good(pg_spawn_in(rt, write_and_count, &(pg_spawn_options){.args = pg_tuple(fd[1])}));
    for (int64_t end = pg_now() + PATIENCE; atomic_load(&done) < 22;) {
        CHECK(pg_now() < end);
        CHECK_EQ(pg_step(rt, PG_MS(100)), 1);
    }
    CHECK_EQ(pg_stop(rt, 0), PG_OK);
    close(fd[0]);
    close(fd[1]);
}

/* ---------------------------------------------------------------------------------------------------------- misuse */

static pg_runtime *the_runtime;

static void steps_inside(pg_process *self)
{
    (void)self;
    CHECK_EQ(pg_step(the_runtime, 0), PG_EINSIDE);
    CHECK_EQ(pg_stop(the_runtime, 0), PG_EINSIDE);
    atomic_fetch_add(&done, 1);
}

static void *steps_meanwhile(void *unused)
{
    (void)unused;
    CHECK_EQ(pg_step(the_runtime, 0), PG_EINSIDE);
    atomic_fetch_add(&done, 1);
    return NULL;
}

static void has_another_step(pg_process *self)
{
    (void)self;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, steps_meanwhile, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void forks(pg_process *self)
{
    (void)self;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(pg_step(the_runtime, 0) == PG_ESTOPPED && pg_fd(the_runtime) == PG_ESTOPPED ? 0 : 1);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    atomic_fetch_add(&done, 1);
}

static void misuse_is_an_error(void)
{
    int status = 1;
    pg_runtime *rt = pg_start(&(pg_options){.no_os = true, .workers = 1});
    CHECK_EQ(pg_fd(rt), PG_EINVAL);
    CHECK_EQ(pg_next_deadline(rt), PG_EINVAL);
    CHECK_EQ(pg_step(rt, 0), PG_EINVAL);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    CHECK_EQ(pg_fd(NULL), PG_EINVAL);
    CHECK_EQ(pg_next_deadline(NULL), PG_EINVAL);
    CHECK_EQ(pg_step(NULL, 0), PG_EINVAL);
    CHECK(pg_start(&(pg_options){.guest = true, .seed = 1, .status = &status}) == NULL);
    CHECK_EQ(status, PG_EINVAL);
    the_runtime = begin();
    atomic_store(&done, 0);
    good(pg_spawn_in(the_runtime, steps_inside, NULL));
    good(pg_spawn_in(the_runtime, has_another_step, NULL));
    good(pg_spawn_in(the_runtime, forks, NULL));
    loop_until(the_runtime, &done, 3);
    /* The child of a fork of the host's. */
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(pg_step(the_runtime, 0) == PG_ESTOPPED ? 0 : 1);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    good(pg_spawn_in(the_runtime, nap_and_count, NULL)); /* and its child has disturbed nothing */
    loop_until(the_runtime, &done, 4);
    CHECK_EQ(pg_stop(the_runtime, PATIENCE), PG_OK);
}

/* ---------------------------------------------------------------------------------------------------- other threads */

static void echo_back(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 0), pg_get_int(self, msg, 1));
}

static void echoes(pg_process *self)
{
    pg_receive(self, echo_back, PG_PID, PG_INT);
}

typedef struct attached_thread {
    pthread_t thread;
    pg_runtime *rt;
    pg_pid to;
    int rounds;
} attached_thread;

/* A process of a thread of its own, which waits in the kernel. */
static void *plays(void *argument)
{
    const attached_thread *t = argument;
    pg_process *self = pg_attach(t->rt, "other");
    CHECK(self != NULL);
    for (int i = 0; i < t->rounds; i++) {
        CHECK_EQ(pg_send(t->to, self, i), PG_OK);
        CHECK_EQ(next_int(self), i);
    }
    CHECK_EQ(pg_sleep(self, PG_MS(1)), PG_OK);
    CHECK_EQ(end_of(good(pg_spawn(self, nap_and_count))).kind, PG_EXIT_NORMAL);
    pg_detach(self);
    atomic_fetch_add(&done, 1);
    return NULL;
}

static void others_are_served(void)
{
    enum { THREADS = 3 };
    attached_thread all[THREADS];
    pg_runtime *rt = begin();
    pg_pid pid = good(pg_spawn_in(rt, echoes, NULL));
    atomic_store(&done, 0);
    for (int i = 0; i < THREADS; i++) {
        all[i] = (attached_thread){.rt = rt, .to = pid, .rounds = 300};
        CHECK_EQ(pthread_create(&all[i].thread, NULL, plays, &all[i]), 0);
    }
    loop_until(rt, &done, 2 * THREADS);
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(all[i].thread, NULL), 0);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

static void *steps_for_long(void *argument)
{
    pg_runtime *rt = argument;
    pg_process *self = pg_attach(rt, "the new host");
    CHECK(self != NULL);
    CHECK(pg_step(rt, 0) >= 0); /* from now on it is this one that drives where it waits */
    CHECK_EQ(end_of(good(pg_spawn(self, nap_and_count))).kind, PG_EXIT_NORMAL);
    atomic_fetch_add(&done, 1);
    const pg_message *msg;
    int status = pg_recv(self, &msg, PATIENCE); /* the stop takes the runtime over meanwhile */
    CHECK_EQ(status, PG_EENDED);
    pg_detach(self);
    return NULL;
}

/* The host moves to another thread, and is taken from it by pg_stop() of this one. */
static void the_host_moves(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pg_runtime *rt = begin();
        good(pg_spawn_in(rt, sleeps_for_an_hour, NULL));
        atomic_store(&done, 0);
        CHECK_EQ(pthread_create(&thread, NULL, steps_for_long, rt), 0);
        while (atomic_load(&done) < 2) usleep(100);
        CHECK_EQ(pg_stop(rt, PG_MS(i)), PG_OK);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

static void *sends_slowly(void *argument)
{
    pg_pid pid = *(pg_pid *)argument;
    uint64_t random = 12345;
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(pg_send(pid, i), PG_OK);
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t n = random >> 54; n > 0; n--) __asm__ volatile("");
        if (random >> 60 == 0) usleep(50);
    }
    return NULL;
}

/* The loop sleeps without a time limit, so that a wake-up which is lost is a loop that does not come back. */
static void no_wake_up_is_lost(void)
{
    enum { THREADS = 2 };
    pthread_t thread[THREADS];
    pg_runtime *rt = begin();
    pg_pid pid = good(pg_spawn_in(rt, counts, NULL));
    atomic_store(&done, 0);
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&thread[i], NULL, sends_slowly, &pid), 0);
    int rounds = 0;
    for (; atomic_load(&done) < THREADS * 2000; rounds++) {
        struct pollfd look = {.fd = pg_fd(rt), .events = POLLIN};
        if (pg_next_deadline(rt) != 0) CHECK(poll(&look, 1, (int)(PATIENCE / 1000000)) == 1);
        CHECK(pg_step(rt, rounds % 2 ? 0 : PG_FOREVER) >= 0);
    }
    printf("%d messages in %d rounds\n", THREADS * 2000, rounds);
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

/* Asks and steps for as long as it is told that there is something to be asked. */
static void *loops_until_stopped(void *argument)
{
    pg_runtime *rt = argument;
    pg_process *self = pg_attach(rt, "the loop"); /* else `rt` would be gone */
    CHECK(self != NULL);
    atomic_fetch_add(&done, 1);
    for (int64_t ns; (ns = pg_next_deadline(rt)) != PG_ESTOPPED;) {
        CHECK(ns >= 0);
        int status = pg_step(rt, 0);
        CHECK(status >= 0 || status == PG_EINSIDE || status == PG_ESTOPPED);
    }
    CHECK_EQ(pg_fd(rt), PG_ESTOPPED);
    CHECK_EQ(pg_step(rt, 0), PG_ESTOPPED);
    pg_detach(self);
    return NULL;
}

static void stops_while_another_loops(void)
{
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        pg_runtime *rt = begin();
        atomic_store(&done, 0);
        CHECK_EQ(pthread_create(&thread, NULL, loops_until_stopped, rt), 0);
        while (atomic_load(&done) < 1) usleep(10);
        CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

static void sleep_long(void *unused)
{
    (void)unused;
    usleep(900000);
}

static void tell_end(void *to)
{
    pg_send(*(pg_pid *)to, "ended");
}

static void ends_late(pg_process *self)
{
    pg_pid to = first_arg(self);
    pg_defer(self, tell_end, &to);
    pg_blocking(self, sleep_long, NULL);
}

static bool comes_late;

/* Drives where it waits, as before, when a pg_stop() of another thread has had it in vain; or has it still. */
static void *waits_through_a_stop(void *argument)
{
    pg_runtime *rt = argument;
    pg_process *self = pg_attach(rt, "the host");
    CHECK(pg_step(rt, 0) >= 0);
    good(pg_spawn(self, ends_late, .args = pg_tuple(self)));
    atomic_store(&done, 1);
    if (comes_late) usleep(20000);
    EXPECT(self, "(\"ended\")");
    atomic_store(&done, 2);
    const pg_message *msg;
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_EENDED);
    pg_detach(self);
    return NULL;
}

static void the_host_comes_back(void)
{
    for (int late = 0; late < 2; late++) {
        pthread_t thread;
        pg_runtime *rt = begin();
        comes_late = late;
        atomic_store(&done, 0);
        CHECK_EQ(pthread_create(&thread, NULL, waits_through_a_stop, rt), 0);
        while (atomic_load(&done) < 1) usleep(100);
        if (!late) usleep(20000); /* it waits, mostly */
        CHECK_EQ(pg_stop(rt, late ? PG_MS(60) : PG_MS(1)), PG_ETIMEDOUT);
        for (int64_t end = pg_now() + PATIENCE; atomic_load(&done) < 2; usleep(1000)) CHECK(pg_now() < end);
        CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

/* ---------------------------------------------------------------------------------------------- the host waits */

static void count_one(pg_process *self, const pg_message *msg)
{
    (void)self, (void)msg;
    atomic_fetch_add(&done, 1);
}

static void take_later(pg_process *self)
{
    pg_sleep(self, PG_MS(2));
    pg_receive(self, count_one, PG_INT);
}

/* For room in a mailbox of a guest, which nobody but this thread drives. */
static void waits_for_room(pg_process *self, pg_runtime *rt)
{
    static const pg_mailbox small = {.max_messages = 1};
    pg_pid pid = good(pg_spawn_in(rt, take_later, &(pg_spawn_options){.mailbox = &small}));
    CHECK_EQ(pg_send(pid, 1), PG_OK);
    CHECK_EQ(pg_send_wait(self, pid, 0, 2), PG_ETIMEDOUT);
    CHECK_EQ(pg_send_wait(self, pid, PATIENCE, 2), PG_OK);
    int64_t end = pg_now() + PATIENCE;
    while (pg_send_wait(self, pid, 0, 3) == PG_ETIMEDOUT) CHECK(pg_now() < end); /* each look is a turn */
    pg_terminate(pid);
    CHECK_EQ(pg_wait(pid, PATIENCE, NULL), PG_OK);
}

typedef struct pair {
    int fd;
    pg_pid to;
} pair;

static void *writes_and_sends(void *argument)
{
    const pair *p = argument;
    usleep(300);
    CHECK_EQ(write(p->fd, "x", 1), 1);
    CHECK_EQ(pg_send(p->to, 1), PG_OK);
    return NULL;
}

/* What comes together with what the host has waited for is there for the loop. */
static void a_wait_forgets_nothing(void)
{
    pg_runtime *rt = begin();
    pg_process *self = pg_attach(rt, "host");
    int fd[2];
    CHECK_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    for (int i = 1; i <= 300; i++) {
        pthread_t thread;
        pair both = {fd[1], pg_self(self)};
        atomic_store(&done, 0);
        good(pg_spawn(self, read_and_count, .args = pg_tuple(fd[0])));
        while (pg_step(rt, PG_FOREVER) == 1) continue;
        CHECK_EQ(pthread_create(&thread, NULL, writes_and_sends, &both), 0);
        CHECK_EQ(next_int(self), 1);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        while (atomic_load(&done) == 0) {
            struct pollfd look = {.fd = pg_fd(rt), .events = POLLIN};
            if (pg_next_deadline(rt) > PG_SECONDS(1)) CHECK_EQ(poll(&look, 1, 5000), 1);
            CHECK(pg_step(rt, PG_FOREVER) >= 0);
        }
    }
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    close(fd[0]);
    close(fd[1]);
}

/* Who has stopped it is its host no more. */
static void waits_after_the_stop(void)
{
    pg_runtime *rt = begin();
    pg_process *self = pg_attach(rt, "host");
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    int64_t start = pg_now();
    CHECK_EQ(pg_yield(self), PG_OK);
    CHECK_EQ(pg_sleep(self, PG_MS(2)), PG_OK);
    CHECK(pg_now() - start >= PG_MS(2));
    pg_detach(self);
}

static void host_waits(void)
{
    pg_runtime *rt = begin();
    pg_process *self = pg_attach(rt, "host");
    const pg_message *msg;
    pg_pid pid = good(pg_spawn(self, echoes));
    for (int i = 0; i < 1000; i++) {
        pg_send(pid, self, i);
        CHECK_EQ(next_int(self), i);
    }
    pg_send(pid, self, 7);
    while (pg_recv(self, &msg, 0) != PG_OK) continue; /* each look is a turn */
    CHECK_EQ(pg_get_int(NULL, msg, 0), 7);
    atomic_store(&done, 0);
    good(pg_spawn(self, nap_and_count));
    while (atomic_load(&done) < 1) CHECK_EQ(pg_yield(self), PG_OK);
    int64_t start = pg_now();
    CHECK_EQ(pg_recv(self, &msg, PG_MS(5)), PG_ETIMEDOUT);
    CHECK(pg_now() - start >= PG_MS(5));
    int fd[2];
    char c;
    CHECK_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    good(pg_spawn(self, write_and_count, .args = pg_tuple(fd[1])));
    CHECK_EQ(pg_read(self, fd[0], &c, 1, PATIENCE), 1);
    CHECK_EQ(pg_read(self, fd[0], &c, 1, PG_MS(2)), PG_ETIMEDOUT);
    /* Two guests of one thread. */
    pg_runtime *other = begin();
    CHECK_EQ(pg_wait(good(pg_spawn_in(other, nap_and_count, NULL)), PATIENCE, NULL), PG_OK);
    CHECK_EQ(end_of(good(pg_spawn(self, nap_and_count))).kind, PG_EXIT_NORMAL);
    waits_for_room(self, rt);
    waits_for_room(self, other);
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
    pg_detach(self);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
    close(fd[0]);
    close(fd[1]);
}

/* Argument: a part of the names of the cases to be run. */
int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"has_no_thread", has_no_thread},
        {"says_when", says_when},
        {"is_idle", is_idle},
        {"is_woken_once", is_woken_once},
        {"edges_are_enough", edges_are_enough},
        {"steps_end", steps_end},
        {"nobody_starves", nobody_starves},
        {"misuse_is_an_error", misuse_is_an_error},
        {"others_are_served", others_are_served},
        {"the_host_moves", the_host_moves},
        {"stops_while_another_loops", stops_while_another_loops},
        {"the_host_comes_back", the_host_comes_back},
        {"no_wake_up_is_lost", no_wake_up_is_lost},
        {"host_waits", host_waits},
        {"a_wait_forgets_nothing", a_wait_forgets_nothing},
        {"waits_after_the_stop", waits_after_the_stop},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (argc > 1 && !strstr(cases[i].name, argv[1])) continue;
        printf("%s\n", cases[i].name);
        fflush(stdout);
        log_clear();
        cases[i].run();
    }
    return 0;
}
