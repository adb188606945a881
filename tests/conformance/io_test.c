/* io_test.c - waiting for descriptors, for every kind of process: what is there, timeouts, several waiters, numbers
 * that are used again, closing, connections, and pg_stop().
 *
 * Descriptors do not cross to an operating-system process of its own, so each case makes them within a process, and
 * whoever shares them is of another kind where that one is PG_OS. */
#define _GNU_SOURCE /* POLLRDHUP */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "conformance.h"

/* The kind of those who share a descriptor with a process of the_kind. */
static pg_kind beside(void)
{
    return the_kind == PG_OS ? PG_GREEN : the_kind;
}

static void make_pair(int fd[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

static void close_pair(pg_process *self, const int fd[2])
{
    CHECK_EQ(pg_close(self, fd[0]), PG_OK);
    CHECK_EQ(pg_close(self, fd[1]), PG_OK);
}

static int arg(pg_process *self, size_t index)
{
    return (int)pg_get_int(self, pg_args(self), index);
}

/* Runs `body` in a process of the_kind, and waits for its normal end. */
static void run_in_process(pg_process *self, pg_target body)
{
    pg_exit_info why = end_of(good(pg_spawn(self, body, .name = "body")));
    if (why.kind != PG_EXIT_NORMAL) CHECK_FAIL("it ended so: %s", why.text);
}

/* --------------------------------------------------------------------------------------------------- what is there */

static void look(pg_process *self)
{
    int fd[2];
    make_pair(fd);
    CHECK_EQ(pg_wait_fd(self, fd[0], POLLIN, 0), PG_ETIMEDOUT);
    int64_t began = check_now_ns();
    CHECK_EQ(pg_wait_fd(self, fd[0], POLLIN, PG_MS(20)), PG_ETIMEDOUT);
    CHECK(check_now_ns() - began >= PG_MS(20));
    CHECK_EQ(pg_wait_fd(self, fd[0], POLLIN | POLLOUT, PATIENCE), POLLOUT);
    CHECK_EQ(pg_write(self, fd[1], "x", 1, 0), 1);
    CHECK_EQ(pg_wait_fd(self, fd[0], POLLIN, PATIENCE), POLLIN);
    CHECK_EQ(pg_close(self, fd[1]), PG_OK);
    CHECK_EQ(pg_wait_fd(self, fd[0], POLLIN | POLLRDHUP, PATIENCE), POLLIN | POLLRDHUP | POLLHUP);
    char c;
    CHECK_EQ(pg_read(self, fd[0], &c, 1, 0), 1);
    CHECK_EQ(pg_read(self, fd[0], &c, 1, PATIENCE), 0);
    CHECK_EQ(pg_errno(pg_write(self, fd[0], "x", 1, PATIENCE)), EPIPE);
    CHECK_EQ(pg_close(self, fd[0]), PG_OK);
}

static void says_what_is_there(pg_process *self)
{
    look(self);
    run_in_process(self, look);
}

static void ask_wrongly(pg_process *self)
{
    int fd[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    make_pair(fd);
    CHECK_EQ(pg_wait_fd(NULL, fd[0], POLLIN, 0), PG_EINVAL);
    CHECK_EQ(pg_wait_fd(self, fd[0], 0, 0), PG_EINVAL);
    CHECK_EQ(pg_wait_fd(self, fd[0], POLLERR, 0), PG_EINVAL);
    CHECK_EQ(pg_read(self, fd[0], NULL, 1, 0), PG_EINVAL);
    CHECK_EQ(pg_errno(pg_wait_fd(self, -1, POLLIN, PATIENCE)), EBADF);
    CHECK_EQ(pg_wait_fd(self, file, POLLIN, PATIENCE), POLLIN);
    CHECK_EQ(pg_wait_fd(self, file, POLLPRI, PATIENCE), PG_EUNSUPPORTED);
    close(file);
    close_pair(self, fd);
    CHECK_EQ(pg_errno(pg_wait_fd(self, fd[0], POLLIN, PATIENCE)), EBADF);
    CHECK_EQ(pg_errno(pg_read(self, fd[0], &file, 1, PATIENCE)), EBADF);
    CHECK_EQ(pg_errno(pg_close(self, fd[0])), EBADF);
    CHECK_EQ(pg_errno(PG_ETIMEDOUT), 0);
    CHECK_STR(pg_strerror(PG_ESYSTEM - EPIPE), "Broken pipe");
    CHECK_STR(pg_strerror(PG_ESYSTEM), "unknown status");
}

static void refuses_what_is_wrong(pg_process *self)
{
    run_in_process(self, ask_wrongly);
}

/* ------------------------------------------------------------------------------------------------------- waiting */

static void write_later(pg_process *self)
{
    for (int i = 0; i < arg(self, 1); i++) {
        pg_sleep(self, PG_MS(1));
        CHECK_EQ(pg_write(self, arg(self, 0), "x", 1, PATIENCE), 1);
    }
}

static void read_often(pg_process *self)
{
    int fd[2];
    char c;
    make_pair(fd);
    pg_pid writer = good(pg_spawn(self, write_later, .kind = beside(), .args = pg_tuple(fd[1], 20)));
    for (int i = 0; i < 10; i++) CHECK_EQ(pg_read(self, fd[0], &c, 1, PATIENCE), 1);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(pg_wait_fd(self, fd[0], POLLIN, PATIENCE), POLLIN);
        CHECK_EQ(pg_read(self, fd[0], &c, 1, 0), 1);
    }
    end_of(writer);
    close_pair(self, fd);
}

static void waits_again_and_again(pg_process *self)
{
    read_often(self);
    run_in_process(self, read_often);
}

/* Two that wait for one descriptor, one to read, one to write: neither takes the other's event. */
static void fill_up(pg_process *self)
{
    static char zeros[1 << 20];
    CHECK_EQ(pg_write_all(self, arg(self, 0), zeros, sizeof zeros, PATIENCE), PG_OK);
}

static void read_one(pg_process *self)
{
    char c;
    CHECK_EQ(pg_read(self, arg(self, 0), &c, 1, PATIENCE), 1);
}

static void have_two_waiters(pg_process *self)
{
    int fd[2];
    static char buffer[1 << 12];
    make_pair(fd);
    pg_pid reader = good(pg_spawn(self, read_one, .kind = beside(), .args = pg_tuple(fd[0])));
    pg_pid another = good(pg_spawn(self, read_one, .kind = beside(), .args = pg_tuple(fd[0])));
    pg_pid writer = good(pg_spawn(self, fill_up, .kind = beside(), .args = pg_tuple(fd[0])));
    for (size_t got = 0; got < 1 << 20;) {
        ssize_t n = pg_read(self, fd[1], buffer, sizeof buffer, PATIENCE);
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK_EQ(end_of(writer).kind, PG_EXIT_NORMAL);
    CHECK(pg_is_alive(reader) && pg_is_alive(another));
    CHECK_EQ(pg_write(self, fd[1], "xx", 2, PATIENCE), 2); /* one event, which wakes both */
    CHECK_EQ(end_of(reader).kind, PG_EXIT_NORMAL);
    CHECK_EQ(end_of(another).kind, PG_EXIT_NORMAL);
    close_pair(self, fd);
}

static void two_wait_for_one(pg_process *self)
{
    run_in_process(self, have_two_waiters);
}

/* ----------------------------------------------------------------------------------------------- numbers and files */

/* The number is closed behind the library's back while a duplicate keeps the old file alive, and another file gets it:
 * who waits for the number waits for the new file, and the old one's events are nobody's. */
static void change_files(pg_process *self)
{
    for (int round = 0; round < 3; round++) {
        int old[2], new[2];
        char c;
        make_pair(old);
        int copy = dup(old[0]);
        CHECK_EQ(pg_wait_fd(self, old[0], POLLIN, PG_MS(1)), PG_ETIMEDOUT); /* stays armed for the old file */
        CHECK_EQ(close(old[0]), 0);
        make_pair(new);
        CHECK_EQ(new[0], old[0]);
        CHECK_EQ(write(old[1], "o", 1), 1);
        CHECK_EQ(pg_wait_fd(self, new[0], POLLIN, PG_MS(5)), PG_ETIMEDOUT);
        pg_pid writer = good(pg_spawn(self, write_later, .kind = beside(), .args = pg_tuple(new[1], 1)));
        CHECK_EQ(pg_read(self, new[0], &c, 1, PATIENCE), 1);
        CHECK_EQ(c, 'x');
        CHECK_EQ(pg_read(self, copy, &c, 1, PATIENCE), 1);
        CHECK_EQ(c, 'o');
        end_of(writer);
        close(copy);
        close(old[1]);
        close(new[0]);
        close(new[1]);
    }
}

static void a_number_may_be_anothers(pg_process *self)
{
    change_files(self);
    run_in_process(self, change_files);
}

static void wait_for_close(pg_process *self)
{
    CHECK_EQ(pg_errno(pg_wait_fd(self, arg(self, 0), POLLIN, PATIENCE)), EBADF);
}

static void close_under_waiters(pg_process *self)
{
    int fd[2];
    make_pair(fd);
    pg_pid waiter[3];
    for (int i = 0; i < 3; i++) {
        waiter[i] = good(pg_spawn(self, wait_for_close, .kind = beside(), .args = pg_tuple(fd[0])));
    }
    pg_sleep(self, PG_MS(20));
    close_pair(self, fd);
    for (int i = 0; i < 3; i++) CHECK_EQ(end_of(waiter[i]).kind, PG_EXIT_NORMAL);
}

static void closing_wakes(pg_process *self)
{
    run_in_process(self, close_under_waiters);
}

/* Who comes to wait while it is being closed is not left behind: readers that an event has woken in vain, mostly. */
static void read_until_closed(pg_process *self)
{
    char c;
    ssize_t n;
    while ((n = pg_read(self, arg(self, 0), &c, 1, PATIENCE)) == 1) continue;
    /* The number may be another file's by then: an eventfd's, or that of one of /proc, which comes to its end. */
    CHECK(n == 0 || pg_errno(n) == EBADF || pg_errno(n) == EINVAL);
}

static void close_among_readers(pg_process *self)
{
    enum { READERS = 3 };
    int fd[2];
    pg_pid reader[READERS];
    for (int round = 0; round < (the_kind == PG_GREEN ? 2000 : 200); round++) {
        make_pair(fd);
        for (int i = 0; i < READERS; i++) {
            reader[i] = good(pg_spawn(self, read_until_closed, .kind = beside(), .args = pg_tuple(fd[0])));
        }
        for (int i = 0; i < round % 7; i++) {
            CHECK_EQ(pg_write(self, fd[1], "x", 1, PATIENCE), 1);
            pg_yield(self);
        }
        CHECK_EQ(pg_close(self, fd[0]), PG_OK);
        for (int i = 0; i < READERS; i++) CHECK_EQ(end_of(reader[i]).kind, PG_EXIT_NORMAL);
        CHECK_EQ(pg_close(self, fd[1]), PG_OK);
    }
}

static void closing_leaves_nobody(pg_process *self)
{
    run_in_process(self, close_among_readers);
}

/* ----------------------------------------------------------------------------------------------------- connections */

static int listener(struct sockaddr_in *at)
{
    socklen_t length = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_EQ(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    CHECK_EQ(listen(fd, 64), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)at, &length), 0);
    return fd;
}

static int connect_to(pg_process *self, int port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    int status = pg_connect(self, fd, (struct sockaddr *)&at, sizeof at, PATIENCE);
    if (status == PG_OK) return fd;
    close(fd);
    return status;
}

static void echo(pg_process *self)
{
    char buffer[256];
    ssize_t n;
    int fd = arg(self, 0);
    while ((n = pg_read(self, fd, buffer, sizeof buffer, PATIENCE)) > 0) {
        CHECK_EQ(pg_write_all(self, fd, buffer, (size_t)n, PATIENCE), PG_OK);
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(pg_close(self, fd), PG_OK);
}

/* Accepts until its descriptor is closed. */
static void accept_all(pg_process *self)
{
    for (;;) {
        int fd = pg_accept(self, arg(self, 0), NULL, NULL, PATIENCE);
        if (fd < 0) CHECK_EQ(pg_errno(fd), EBADF);
        if (fd < 0) return;
        CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
        good(pg_spawn(self, echo, .kind = beside(), .args = pg_tuple(fd)));
    }
}

static void talk(pg_process *self)
{
    char buffer[16];
    int fd = connect_to(self, arg(self, 0));
    CHECK(fd >= 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(pg_write_all(self, fd, "hello", 5, PATIENCE), PG_OK);
        for (size_t got = 0; got < 5;) {
            ssize_t n = pg_read(self, fd, buffer + got, 5 - got, PATIENCE);
            CHECK(n > 0);
            got += (size_t)n;
        }
        CHECK(memcmp(buffer, "hello", 5) == 0);
    }
    CHECK_EQ(pg_close(self, fd), PG_OK);
}

/* Many at once, for two that accept from one socket. */
static void serve_many(pg_process *self)
{
    enum { MANY = 300 };
    static pg_pid talker[MANY];
    struct sockaddr_in at;
    int fd = listener(&at), clients = the_kind == PG_THREAD ? 20 : SANITIZED ? 50 : MANY;
    pg_pid acceptor[2];
    for (int i = 0; i < 2; i++) {
        acceptor[i] = good(pg_spawn(self, accept_all, .kind = beside(), .args = pg_tuple(fd)));
    }
    for (int i = 0; i < clients; i++) {
        talker[i] = good(pg_spawn(self, talk, .kind = beside(), .args = pg_tuple(ntohs(at.sin_port))));
    }
    for (int i = 0; i < clients; i++) CHECK_EQ(end_of(talker[i]).kind, PG_EXIT_NORMAL);
    CHECK_EQ(pg_close(self, fd), PG_OK);
    for (int i = 0; i < 2; i++) CHECK_EQ(end_of(acceptor[i]).kind, PG_EXIT_NORMAL);
}

static void an_echo_server(pg_process *self)
{
    run_in_process(self, serve_many);
}

static void connect_in_vain(pg_process *self)
{
    struct sockaddr_in at;
    int fd = listener(&at);
    CHECK_EQ(pg_accept(self, fd, NULL, NULL, PG_MS(1)), PG_ETIMEDOUT);
    CHECK_EQ(pg_errno(pg_accept(self, fd + 100, NULL, NULL, PATIENCE)), EBADF);
    close(fd);
    CHECK_EQ(pg_errno(connect_to(self, ntohs(at.sin_port))), ECONNREFUSED);
}

static void nobody_listens(pg_process *self)
{
    connect_in_vain(self);
    run_in_process(self, connect_in_vain);
}

/* Connections that were accepted are not asked again when they were found empty: what comes in whichever way is read
 * all the same. */
static void connect_both(pg_process *self, int fd[2])
{
    struct sockaddr_in at;
    int door = listener(&at);
    fd[1] = connect_to(self, ntohs(at.sin_port));
    CHECK(fd[1] >= 0);
    fd[0] = pg_accept(self, door, NULL, NULL, PATIENCE);
    CHECK(fd[0] >= 0);
    CHECK_EQ(pg_close(self, door), PG_OK);
}

static void read_text(pg_process *self, int fd, size_t size, const char *text)
{
    char buffer[16] = "";
    CHECK(size < sizeof buffer);
    CHECK_EQ(pg_read(self, fd, buffer, size, PATIENCE), (ssize_t)strlen(text));
    CHECK_STR(buffer, text);
}

static void write_text(pg_process *self, int fd, const char *text)
{
    CHECK_EQ(pg_write_all(self, fd, text, strlen(text), PATIENCE), PG_OK);
}

static void read_shortly(pg_process *self)
{
    int fd[2];
    char c;
    connect_both(self, fd);
    write_text(self, fd[1], "0123456789");
    read_text(self, fd[0], 4, "0123");
    read_text(self, fd[0], 4, "4567");
    read_text(self, fd[0], 4, "89");
    int64_t began = check_now_ns();
    CHECK_EQ(pg_read(self, fd[0], &c, 1, PG_MS(20)), PG_ETIMEDOUT);
    CHECK(check_now_ns() - began >= PG_MS(20));
    CHECK_EQ(pg_wait_fd(self, fd[0], POLLIN, PG_MS(20)), PG_ETIMEDOUT);
    write_text(self, fd[1], "ab");
    CHECK_EQ(pg_wait_fd(self, fd[0], POLLIN, PATIENCE), POLLIN);
    read_text(self, fd[0], 1, "a");
    CHECK_EQ(pg_read(self, fd[0], &c, 1, 0), 1);
    CHECK_EQ(pg_read(self, fd[0], &c, 1, 0), PG_ETIMEDOUT);
    pg_pid writer = good(pg_spawn(self, write_later, .kind = beside(), .args = pg_tuple(fd[1], 20)));
    for (int i = 0; i < 20; i++) CHECK_EQ(pg_read(self, fd[0], &c, 1, PATIENCE), 1);
    end_of(writer);
    write_text(self, fd[1], "a");
    CHECK_EQ(send(fd[1], "!", 1, MSG_OOB), 1); /* a read stops before it */
    write_text(self, fd[1], "b");
    read_text(self, fd[0], 8, "a");
    read_text(self, fd[0], 8, "b");
    write_text(self, fd[1], "end");
    CHECK_EQ(pg_close(self, fd[1]), PG_OK);
    read_text(self, fd[0], 8, "end");
    read_text(self, fd[0], 8, "");
    read_text(self, fd[0], 8, "");
    CHECK_EQ(pg_close(self, fd[0]), PG_OK);
}

/* Two readers of one connection, and what comes at once for both; and its duplicate lives on. */
static void read_together(pg_process *self)
{
    int fd[2];
    connect_both(self, fd);
    for (int round = 0; round < 50; round++) {
        pg_pid reader = good(pg_spawn(self, read_one, .kind = beside(), .args = pg_tuple(fd[0])));
        pg_pid another = good(pg_spawn(self, read_one, .kind = beside(), .args = pg_tuple(fd[0])));
        if (round % 2) pg_sleep(self, PG_MS(1));
        write_text(self, fd[1], "xx");
        CHECK_EQ(end_of(reader).kind, PG_EXIT_NORMAL);
        CHECK_EQ(end_of(another).kind, PG_EXIT_NORMAL);
    }
    int copy = dup(fd[0]);
    CHECK_EQ(pg_close(self, fd[0]), PG_OK);
    write_text(self, fd[1], "copy");
    read_text(self, copy, 8, "copy");
    CHECK_EQ(pg_close(self, copy), PG_OK);
    CHECK_EQ(pg_close(self, fd[1]), PG_OK);
}

/* It is closed behind the library's back, and its number is a socket's of another sort. */
static void close_behind(pg_process *self)
{
    int fd[2], other[2];
    char c;
    connect_both(self, fd);
    CHECK_EQ(pg_read(self, fd[0], &c, 1, PG_MS(1)), PG_ETIMEDOUT);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, other), 0);
    CHECK_EQ(dup2(other[0], fd[0]), fd[0]);
    write_text(self, other[1], "one");
    write_text(self, other[1], "two");
    read_text(self, fd[0], 8, "one");
    read_text(self, fd[0], 8, "two");
    pg_pid writer = good(pg_spawn(self, write_later, .kind = beside(), .args = pg_tuple(other[1], 1)));
    read_text(self, fd[0], 8, "x");
    end_of(writer);
    CHECK_EQ(close(fd[0]), 0);
    CHECK_EQ(pg_close(self, fd[1]), PG_OK);
    close_pair(self, other);
}

static void follows_connections(pg_process *self)
{
    run_in_process(self, read_shortly);
    run_in_process(self, read_together);
    run_in_process(self, close_behind);
    read_shortly(self);
    close_behind(self);
}

/* ------------------------------------------------------------------------------------------------------------ ends */

static void wait_for_ever(pg_process *self)
{
    int fd[2];
    char c;
    make_pair(fd);
    pg_send(first_arg(self), 1);
    pg_read(self, fd[0], &c, 1, PG_FOREVER);
    CHECK_FAIL("it returned");
}

static void in_clean_up(void *argument)
{
    pg_process *self = argument;
    int fd[2];
    char c;
    make_pair(fd);
    CHECK_EQ(pg_write(self, fd[1], "x", 1, PATIENCE), 1);
    CHECK_EQ(pg_read(self, fd[0], &c, 1, PATIENCE), 1);
    CHECK_EQ(pg_read(self, fd[0], &c, 1, PATIENCE), PG_EENDED);
    close_pair(self, fd);
}

static void end_with_clean_up(pg_process *self)
{
    CHECK_EQ(pg_defer(self, in_clean_up, self), PG_OK);
}

static void cleans_up(pg_process *self)
{
    run_in_process(self, end_with_clean_up);
}

/* A terminate takes its turn; when pg_stop() has lost its patience the wait is the end. */
static void is_ended_by_stop(pg_process *self)
{
    (void)self;
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    good(pg_spawn(host, wait_for_ever, .name = "waits", .args = pg_tuple(host)));
    CHECK_EQ(next_int(host), 1);
    pg_detach(host);
    CHECK_EQ(pg_stop(rt, PG_MS(20)), PG_OK);
    if (the_kind != PG_OS) CHECK(log_has("\"waits\" did not end in time: it is ended where it sleeps or waits"));
    log_clear();
}

/* A thousand that wait, and nothing happens: nobody looks. */
static void wait_in_pair(pg_process *self)
{
    pg_send(first_arg(self), 1);
    pg_wait_fd(self, arg(self, 1), POLLIN, PG_FOREVER);
    CHECK_FAIL("it returned");
}

static int64_t processor_time(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * PG_SECONDS(1) +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * (int64_t)1000;
}

static void watch_idle(pg_process *host, int (*fd)[2], int count)
{
    struct rusage usage;
    for (int i = 0; i < count; i++) {
        make_pair(fd[i]);
        good(pg_spawn(host, wait_in_pair, .args = pg_tuple(host, fd[i][0])));
    }
    for (int i = 0; i < count; i++) next_int(host);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    getrusage(RUSAGE_SELF, &usage);
    int64_t before = processor_time();
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    int64_t used = processor_time() - before;
    printf("%d idle connections: %lld us of processor time in 0.5 s; peak memory %ld KiB\n", count,
           (long long)used / 1000, usage.ru_maxrss);
    if (!SANITIZED) CHECK(used < PG_MS(10));
}

static void idle_costs_nothing(pg_process *self)
{
    (void)self;
    const char *asked = getenv("PG_TEST_CONNECTIONS");
    int count = asked ? atoi(asked) : 500;
    if (the_kind != PG_GREEN) return;
    int(*fd)[2] = calloc((size_t)count, sizeof *fd);
    pg_runtime *rt = start_runtime();
    pg_process *host = pg_attach(rt, "host");
    CHECK(fd && host);
    watch_idle(host, fd, count);
    pg_detach(host);
    CHECK_EQ(pg_stop(rt, 0), PG_OK);
    log_clear();
    for (int i = 0; i < count; i++) {
        close(fd[i][0]);
        close(fd[i][1]);
    }
    free(fd);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE_REAL(says_what_is_there, "descriptors are not simulated"),
        CASE_REAL(refuses_what_is_wrong, "descriptors are not simulated"),
        CASE_REAL(waits_again_and_again, "descriptors are not simulated"),
        CASE_REAL(two_wait_for_one, "descriptors are not simulated"),
        CASE_REAL(a_number_may_be_anothers, "descriptors are not simulated"),
        CASE_REAL(closing_wakes, "descriptors are not simulated"),
        CASE_REAL(closing_leaves_nobody, "descriptors are not simulated"),
        CASE_REAL(an_echo_server, "descriptors are not simulated"),
        CASE_REAL(follows_connections, "descriptors are not simulated"),
        CASE_REAL(nobody_listens, "descriptors are not simulated"),
        CASE_REAL(cleans_up, "descriptors are not simulated"),
        CASE_REAL(is_ended_by_stop, "descriptors are not simulated"),
        CASE_REAL(idle_costs_nothing, "descriptors are not simulated"),
    };
    return RUN_CASES(cases);
}
