/* os_ends_test.c - what is known of ends when their operating-system process is gone, and what becomes of children
 * when the program, or the zygote, ends first. */
#define _GNU_SOURCE
#include "conformance.h"

#include <signal.h>
#include <sys/wait.h>

#include "proc.h"

static pg_runtime *rt;
static pg_process *self_main;

static void start(void)
{
    log_clear();
    rt = pg_start(&(pg_options){.workers = 2, .log = log_line, .log_context = &the_log});
    CHECK(rt != NULL);
    self_main = pg_attach(rt, "main");
}

static void stop(void)
{
    pg_detach(self_main);
    CHECK_EQ(pg_stop(rt, PATIENCE), PG_OK);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* ------------------------------------------------------------------------------------------- what is remembered */

static void fail(pg_process *self)
{
    pg_fail(self, "for reason %d", (int)pg_get_int(self, pg_args(self), 0));
}

static void nothing(pg_process *self)
{
    (void)self;
}

/* Has processes that end, each in its way, and then does as it is told. */
static void parent(pg_process *self)
{
    const pg_message *msg;
    pg_pid failed = pg_spawn(self, fail, .args = pg_tuple(1), .kind = PG_GREEN);
    pg_pid thread = pg_spawn(self, fail, .args = pg_tuple(2), .kind = PG_THREAD);
    pg_pid normal = pg_spawn(self, nothing, .kind = PG_GREEN);
    pg_wait(failed, PATIENCE, NULL);
    pg_wait(thread, PATIENCE, NULL);
    pg_wait(normal, PATIENCE, NULL);
    pg_send(pg_main(pg_runtime_of(self)), failed, thread, normal);
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    const char *how = pg_get_str(self, msg, 0);
    if (strcmp(how, "kill") == 0) kill(getpid(), SIGKILL);
    if (strcmp(how, "fail") == 0) pg_fail(self, "for reason 3");
}

static void is_told(pg_pid pid, pg_exit_kind kind, const char *text)
{
    pg_exit_info why;
    const pg_message *msg;
    CHECK_EQ(pg_why(pid, &why), PG_OK);
    CHECK_EQ(why.kind, kind);
    CHECK(strstr(why.text, text) != NULL);
    CHECK_EQ(pg_link(self_main, pid), PG_OK);
    CHECK_EQ(pg_recv_match(self_main, &msg, PATIENCE, PG_EXIT, pid), PG_OK);
    pg_get_exit(NULL, msg, 0, &why);
    CHECK_EQ(why.kind, kind);
    CHECK(strstr(why.text, text) != NULL);
}

static void ends_that_outlive_their_child(const char *how, pg_exit_kind kind, const char *text)
{
    const pg_message *msg;
    pg_pid pid = good(pg_spawn(self_main, parent, .kind = PG_OS)), ended[3];
    CHECK_EQ(pg_recv(self_main, &msg, PATIENCE), PG_OK);
    for (size_t i = 0; i < 3; i++) ended[i] = pg_get_pid(NULL, msg, i);
    CHECK_EQ(pg_send(pid, how), PG_OK);
    CHECK_EQ(pg_wait(pid, PATIENCE, NULL), PG_OK);
    pg_stats stats;
    while (pg_get_stats(rt, &stats) == PG_OK && stats.alive > 1) nap(); /* until the child is gone */
    is_told(ended[0], PG_EXIT_FAILED, "for reason 1");
    is_told(ended[1], PG_EXIT_FAILED, "for reason 2");
    if (kind != PG_EXIT_CRASHED) is_told(ended[2], PG_EXIT_NORMAL, "");
    is_told(pid, kind, text);
}

/* The first process has ended before the rest crashes. */
static void crash_later(pg_process *self)
{
    const pg_message *msg;
    pg_send(pg_main(pg_runtime_of(self)), "here", self);
    CHECK_EQ(pg_recv(self, &msg, PATIENCE), PG_OK);
    kill(getpid(), SIGKILL);
}

static void leave_one(pg_process *self)
{
    pg_spawn(self, crash_later, .kind = PG_GREEN);
}

static void test_crash_after_the_end(void)
{
    const pg_message *msg;
    pg_pid pid = good(pg_spawn(self_main, leave_one, .kind = PG_OS));
    CHECK_EQ(pg_recv_match(self_main, &msg, PATIENCE, "here", PG_PID), PG_OK);
    pg_pid left = pg_get_pid(NULL, msg, 1);
    CHECK_EQ(pg_wait(pid, PATIENCE, NULL), PG_OK);
    CHECK_EQ(pg_send(left, "go"), PG_OK);
    CHECK_EQ(pg_wait(left, PATIENCE, NULL), PG_OK);
    is_told(left, PG_EXIT_CRASHED, "signal 9");
    is_told(pid, PG_EXIT_NORMAL, "");
}

/* More than are remembered, in one child: of others it is still known how they ended. */
static void fail_often(pg_process *self)
{
    for (int i = 0; i < 1500; i++) {
        pg_pid pid = pg_spawn(self, fail, .args = pg_tuple(i), .kind = PG_GREEN);
        pg_wait(pid, PATIENCE, NULL);
    }
}

static void test_many(void)
{
    pg_pid first = good(pg_spawn(self_main, fail, .args = pg_tuple(7), .kind = PG_OS));
    pg_pid normal = good(pg_spawn(self_main, nothing, .kind = PG_OS));
    CHECK_EQ(pg_wait(first, PATIENCE, NULL), PG_OK);
    CHECK_EQ(pg_wait(normal, PATIENCE, NULL), PG_OK);
    pg_pid many = good(pg_spawn(self_main, fail_often, .kind = PG_OS));
    CHECK_EQ(pg_wait(many, PATIENCE, NULL), PG_OK);
    is_told(first, PG_EXIT_FAILED, "for reason 7");
    is_told(normal, PG_EXIT_NORMAL, "");
    is_told(many, PG_EXIT_NORMAL, "");
}

/* Whoever asks, in whatever moment of its death, is told the truth. */
static _Atomic(uint64_t) asked_for;

static void *ask(void *unused)
{
    (void)unused;
    pg_pid pid, last = {0};
    while ((pid.id = asked_for) != UINT64_MAX) {
        pg_exit_info why;
        if (pg_same(pid, last) || pg_why(pid, &why) != PG_OK) continue;
        CHECK_EQ(why.kind, PG_EXIT_CRASHED);
        last = pid;
    }
    return NULL;
}

static void crash(pg_process *self)
{
    const pg_message *msg;
    pg_recv(self, &msg, PATIENCE);
    kill(getpid(), SIGKILL);
}

static void test_asked_meanwhile(void)
{
    pthread_t asker;
    asked_for = 0;
    for (int i = 0; i < (SANITIZED ? 20 : 150); i++) {
        pg_pid pid = good(pg_spawn(self_main, crash, .kind = PG_OS));
        asked_for = pid.id;
        if (i == 0) CHECK_EQ(pthread_create(&asker, NULL, ask, NULL), 0);
        CHECK_EQ(pg_send(pid, "go"), PG_OK);
        CHECK_EQ(pg_wait(pid, PATIENCE, NULL), PG_OK);
        nap();
    }
    asked_for = UINT64_MAX;
    pthread_join(asker, NULL);
}

/* ------------------------------------------------------------------------------------------------ the program ends */

enum { RETURNS, EXITS, LEAVES, IS_KILLED, SENDS, ENDS };

static struct board {
    _Atomic(int) how, child, stubborn, told, cleaned;
    _Atomic(bool) first_told; /* the first process of the child */
} * board;                    /* shared by all */

static void on_exit_asked(pg_process *self, const pg_message *msg)
{
    (void)msg;
    if (pg_kind_of(self) == PG_OS) board->first_told = true;
    atomic_fetch_add(&board->told, 1);
}

static void on_last(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
    CHECK(!board->first_told);
}

static void clean_up(void *unused)
{
    (void)unused;
    atomic_fetch_add(&board->cleaned, 1);
}

static void listener(pg_process *self)
{
    pg_defer(self, clean_up, NULL);
    pg_receive(self, on_exit_asked, PG_EXIT);
    pg_receive(self, on_last, "the last");
    if (pg_kind_of(self) != PG_OS) return;
    pg_spawn(self, listener, .kind = PG_GREEN);
    board->child = getpid();
}

static void stubborn(pg_process *self)
{
    (void)self;
    board->stubborn = getpid();
    for (;;) nap();
}

static void short_life(void)
{
    start();
    pg_pid pid = good(pg_spawn(self_main, listener, .kind = PG_OS));
    good(pg_spawn(self_main, stubborn, .kind = PG_OS));
    while (!board->child || !board->stubborn) nap();
    pg_sleep(self_main, PG_MS(20));
    int how = board->how;
    switch (how) {
    case RETURNS: return;
    case EXITS: exit(0);
    case LEAVES: _exit(0);
    case SENDS: /* so that the child hears the bell, and that nobody rings it any more, in one moment */
        kill(board->child, SIGSTOP);
        pg_sleep(self_main, PG_MS(20));
        pg_send(pid, "the last");
        _exit(0);
    default: kill(getpid(), SIGKILL);
    }
}

static void test_program_ends(int how)
{
    *board = (struct board){.how = how};
    pid_t pid = proc_start(short_life);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    if (how == SENDS) kill(board->child, SIGCONT);
    int64_t from = check_now_ns(), until = from + PG_SECONDS(1) * (SANITIZED ? 5 : 1);
    for (int i = 0; i < 2; i++) {
        pid_t left = i ? board->stubborn : board->child;
        while (!proc_gone(left) && proc_stat(left, 23) != 0 && check_now_ns() < until)
            nap(); /* zombies have no memory */
        CHECK(proc_gone(left) || proc_stat(left, 23) == 0);
    }
    CHECK_EQ(board->told, 2);
    CHECK_EQ(board->cleaned, 2);
}

/* ------------------------------------------------------------------------------------------------- the zygote ends */

enum { BORN = 64 };

static void *kill_the_zygote(void *delay)
{
    nanosleep(&(struct timespec){.tv_nsec = *(long *)delay}, NULL);
    kill(proc_only_child(getpid()), SIGKILL);
    return NULL;
}

static void test_zygote_ends(long delay)
{
    pthread_t killer;
    pg_pid pids[BORN];
    int born = 0;
    start();
    pids[born++] = good(pg_spawn(self_main, nothing, .kind = PG_OS));
    CHECK_EQ(pthread_create(&killer, NULL, kill_the_zygote, &delay), 0);
    int status = PG_OK;
    while (born < BORN && status == PG_OK) {
        pids[born] = pg_spawn(self_main, nothing, .kind = PG_OS);
        status = pg_pid_status(pids[born]);
        born += status == PG_OK;
    }
    if (status != PG_OK) CHECK_EQ(status, PG_ESTOPPED);
    pthread_join(killer, NULL);
    for (int i = 0; i < born; i++) CHECK_EQ(pg_wait(pids[i], PATIENCE, NULL), PG_OK);
    stop();
    for (int i = 0; i < born; i++) CHECK_EQ(pg_send(pids[i], 1), PG_ENOPROC);
}

int main(void)
{
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(board != MAP_FAILED);
    for (int how = 0; how < ENDS; how++) test_program_ends(how);
    start();
    ends_that_outlive_their_child("return", PG_EXIT_NORMAL, "");
    ends_that_outlive_their_child("fail", PG_EXIT_FAILED, "for reason 3");
    ends_that_outlive_their_child("kill", PG_EXIT_CRASHED, "signal 9");
    test_crash_after_the_end();
    test_many();
    test_asked_meanwhile();
    stop();
    for (long i = 0; i < 20; i++) test_zygote_ends(i * 100000);
    return 0;
}
