/* os_test.c - processes of kind PG_OS: what works as with any other, and what is theirs alone. */
#define _GNU_SOURCE
#include "conformance.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pg_runtime *rt;
static pg_process *self_main;

static pg_pid spawn_os(pg_target target, const char *name, pg_value args)
{
    return good(pg_spawn(self_main, target, .name = name, .args = args, .kind = PG_OS));
}

static pg_exit_info ended(pg_pid pid)
{
    pg_exit_info why;
    CHECK_EQ(pg_wait(pid, PG_SECONDS(20), &why), PG_OK);
    CHECK(pg_same(why.pid, pid));
    if (why.kind == PG_EXIT_CRASHED) printf("%s\n", why.text);
    return why;
}

/* The next message to main, of an int in front. */
static int64_t answer(const pg_message **msg)
{
    CHECK_EQ(pg_recv(self_main, msg, PG_SECONDS(20)), PG_OK);
    return pg_get_int(NULL, *msg, 0);
}

/* ----------------------------------------------------------------------------------------------------------- basics */

static void on_echo(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 0), (int)getpid(), pg_get(self, msg, 1));
}

static void echo(pg_process *self)
{
    pg_receive(self, on_echo, PG_PID, PG_ANY);
}

static void test_echo(void)
{
    const pg_message *msg;
    pg_pid pid = spawn_os(echo, "echo", pg_tuple());
    CHECK_EQ(pg_send(pid, self_main, "hello"), PG_OK);
    CHECK(answer(&msg) != (int64_t)getpid());
    CHECK_STR(pg_get_str(NULL, msg, 1), "hello");
    CHECK(pg_is_alive(pid));
    CHECK_EQ(pg_why(pid, NULL), PG_ETIMEDOUT);
    pg_terminate(pid);
    CHECK_EQ(ended(pid).kind, PG_EXIT_NORMAL);
    CHECK(!pg_is_alive(pid));
    CHECK_EQ(pg_send(pid, 1), PG_ENOPROC);
}

static void tell_main(pg_process *self)
{
    const pg_message *args = pg_args(self);
    CHECK_EQ(pg_kind_of(self), PG_OS);
    pg_send(pg_main(pg_runtime_of(self)), pg_count(args), pg_name(self), self, pg_get(self, args, 1));
}

static void test_arguments(void)
{
    const pg_message *msg;
    pg_pid pid = spawn_os(tell_main, "a name", pg_tuple(1, pg_list(2, "three", pg_dict("four", 5.0))));
    CHECK_EQ(answer(&msg), 2);
    CHECK_STR(pg_get_str(NULL, msg, 1), "a name");
    CHECK(pg_same(pg_get_pid(NULL, msg, 2), pid));
    CHECK(pg_matches(pg_get(NULL, msg, 3), pg_list(2, "three", pg_dict("four", 5.0))));
    CHECK_EQ(ended(pid).kind, PG_EXIT_NORMAL);
    int local = 0;
    CHECK_EQ(pg_pid_status(pg_spawn(self_main, tell_main, .args = pg_tuple(&local), .kind = PG_OS)), PG_EINVAL);
}

static void test_large(void)
{
    static const size_t sizes[] = {1, 15, 1000, 60000, 70000, 300000, SANITIZED ? 5000000 : 100000000};
    const pg_message *msg;
    pg_pid pid = spawn_os(echo, "large", pg_tuple());
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *text = malloc(sizes[i]);
        CHECK(text != NULL);
        for (size_t j = 0; j < sizes[i]; j++) text[j] = (char)('a' + (j * 7 + j / 1000) % 26);
        CHECK_EQ(pg_send(pid, self_main, pg_strn(text, sizes[i])), PG_OK);
        answer(&msg);
        size_t length;
        const char *back = pg_term_str(NULL, pg_get(NULL, msg, 1), &length);
        CHECK_EQ(length, sizes[i]);
        CHECK(memcmp(back, text, length) == 0);
        free(text);
    }
    int local = 0;
    CHECK_EQ(pg_send(pid, self_main, &local), PG_EINVAL);
    pg_terminate(pid);
    ended(pid);
}

/* ------------------------------------------------------------------------------------------------ ends and links */

static void fail_as_told(pg_process *self)
{
    const char *how = pg_get_str(self, pg_args(self), 0);
    if (strcmp(how, "fail") == 0) pg_fail(self, "for a reason");
    if (strcmp(how, "crash") == 0) raise(SIGSEGV);
    if (strcmp(how, "abort") == 0) abort();
    if (strcmp(how, "exit") == 0) _exit(7);
    if (strcmp(how, "kill") == 0) kill(getpid(), SIGKILL);
}

static void test_ends(void)
{
    static const struct {
        const char *how;
        pg_exit_kind kind;
        const char *text;
    } cases[] = {{"return", PG_EXIT_NORMAL, ""},           {"fail", PG_EXIT_FAILED, "for a reason"},
                 {"crash", PG_EXIT_CRASHED, "signal 11"},  {"abort", PG_EXIT_CRASHED, "signal 6"},
                 {"exit", PG_EXIT_CRASHED, "with code 7"}, {"kill", PG_EXIT_CRASHED, "signal 9"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pg_pid pid = good(
            pg_spawn_link(self_main, fail_as_told, .name = "failing", .args = pg_tuple(cases[i].how), .kind = PG_OS));
        const pg_message *msg;
        pg_exit_info why, again;
        CHECK_EQ(pg_recv_match(self_main, &msg, PG_SECONDS(20), PG_EXIT, pid), PG_OK);
        pg_get_exit(NULL, msg, 0, &why);
        if (why.kind != cases[i].kind) CHECK_FAIL("%s: of kind %d", cases[i].how, (int)why.kind);
        CHECK(pg_same(why.pid, pid));
        if (!strstr(why.text, cases[i].text)) CHECK_FAIL("%s: \"%s\"", cases[i].how, why.text);
        CHECK_EQ(pg_wait(pid, PG_SECONDS(5), &again), PG_OK);
        CHECK_EQ(again.kind, cases[i].kind);
        /* Linking to the dead tells at once. */
        CHECK_EQ(pg_link(self_main, pid), PG_OK);
        CHECK_EQ(pg_recv_match(self_main, &msg, PG_SECONDS(20), PG_EXIT, pid), PG_OK);
    }
}

/* ------------------------------------------------------------------------------------------- among each other */

static void on_pass(pg_process *self, const pg_message *msg)
{
    int64_t left = pg_get_int(self, msg, 1);
    if (left > 0) {
        pg_send(pg_get_pid(self, msg, 0), self, left - 1);
    } else {
        pg_send(pg_main(pg_runtime_of(self)), 1, "passed");
    }
}

static void passer(pg_process *self)
{
    pg_receive(self, on_pass, PG_PID, PG_INT);
}

static void test_between_two(void)
{
    const pg_message *msg;
    pg_pid a = spawn_os(passer, "a", pg_tuple()), b = spawn_os(passer, "b", pg_tuple());
    CHECK_EQ(pg_send(a, b, 2000), PG_OK);
    answer(&msg);
    CHECK_STR(pg_get_str(NULL, msg, 1), "passed");
    pg_terminate(a);
    pg_terminate(b);
    ended(a);
    ended(b);
}

static void parent_of_all_kinds(pg_process *self)
{
    pg_pid main_pid = pg_main(pg_runtime_of(self));
    static const pg_kind kinds[] = {PG_GREEN, PG_THREAD, PG_OS};
    for (int i = 0; i < 3; i++) {
        const pg_message *msg;
        pg_pid pid = pg_spawn(self, echo, .kind = kinds[i]);
        CHECK_EQ(pg_pid_status(pid), PG_OK);
        pg_send(pid, self, "child");
        CHECK_EQ(pg_recv(self, &msg, PG_SECONDS(10)), PG_OK);
        pg_send(main_pid, i, pid, (bool)(pg_get_int(self, msg, 0) == (int64_t)getpid()));
    }
}

static void test_children_of_children(void)
{
    const pg_message *msg;
    pg_pid pid = spawn_os(parent_of_all_kinds, "parent", pg_tuple());
    pg_pid child[3];
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(answer(&msg), i);
        child[i] = pg_get_pid(NULL, msg, 1);
        CHECK_EQ(pg_get_bool(NULL, msg, 2), i < 2);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pg_send(child[i], self_main, i), PG_OK);
        answer(&msg);
        CHECK_EQ(pg_get_int(NULL, msg, 1), i);
    }
    CHECK_EQ(ended(pid).kind, PG_EXIT_NORMAL);
    for (int i = 0; i < 3; i++) {
        pg_terminate(child[i]);
        CHECK_EQ(ended(child[i]).kind, PG_EXIT_NORMAL);
    }
}

static void linker(pg_process *self)
{
    const pg_message *msg;
    pg_pid other = pg_get_pid(self, pg_args(self), 0);
    CHECK_EQ(pg_link(self, other), PG_OK);
    pg_send(pg_main(pg_runtime_of(self)), 1);
    pg_recv_match(self, &msg, PG_FOREVER, "never");
}

static void test_links_between_two(void)
{
    for (int crash = 0; crash < 2; crash++) {
        const pg_message *msg;
        pg_pid a = spawn_os(echo, "a", pg_tuple());
        pg_pid b = spawn_os(linker, "b", pg_tuple(a));
        answer(&msg);
        CHECK_EQ(pg_send(a, self_main, "its process"), PG_OK);
        pid_t os = (pid_t)answer(&msg);
        if (crash) {
            kill(os, SIGKILL);
        } else {
            pg_terminate_with(a, "told to");
        }
        pg_exit_info why = ended(b);
        CHECK_EQ(why.kind, PG_EXIT_UNHANDLED_EXIT);
        CHECK(strstr(why.text, crash ? "signal 9" : "told to"));
        CHECK_EQ(ended(a).kind, crash ? PG_EXIT_CRASHED : PG_EXIT_FAILED);
    }
}

/* ------------------------------------------------------------------------------------------------------ the host */

static volatile sig_atomic_t chld;

static void on_chld(int signal)
{
    (void)signal;
    chld++;
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 1024; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* However few are left, a spawn succeeds or is refused, and all stops in order. */
static void test_few_descriptors(void)
{
    struct rlimit all, few;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &all), 0);
    int status = PG_ENOMEM;
    for (rlim_t left = 0; left < 20; left++) {
        rt = pg_start(&(pg_options){.log = log_line, .log_context = &the_log});
        CHECK(rt != NULL);
        self_main = pg_attach(rt, "main");
        few = (struct rlimit){descriptors() + left, all.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
        pg_pid pid = pg_spawn(self_main, echo, .kind = PG_OS);
        status = pg_pid_status(pid);
        CHECK(status == PG_OK || status == PG_ENOMEM);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &all), 0);
        pg_detach(self_main);
        CHECK_EQ(pg_stop(rt, PG_SECONDS(10)), PG_OK);
    }
    CHECK_EQ(status, PG_OK);
}

int main(void)
{
    signal(SIGCHLD, on_chld);
    unsigned before = descriptors();
    for (int round = 0; round < 2; round++) {
        rt = pg_start(&(pg_options){.log = log_line, .log_context = &the_log});
        CHECK(rt != NULL);
        self_main = pg_attach(rt, "main");
        test_echo();
        test_arguments();
        test_large();
        test_ends();
        test_between_two();
        test_children_of_children();
        test_links_between_two();
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
        pg_detach(self_main);
        CHECK_EQ(pg_stop(rt, PG_SECONDS(10)), PG_OK);
    }
    test_few_descriptors();
    CHECK_EQ(chld, 0);
    CHECK_EQ(descriptors(), before);
    return 0;
}
