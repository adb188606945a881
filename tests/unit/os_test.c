/* os_test.c - what is remembered of ends in other operating-system processes: the last abnormal ones, and that of the
 * others none has been forgotten. */
#include "os.h"

#include "check.h"
#include "runtime.h"

static void remember(pg_pid pid, pg_exit_kind kind, bool first)
{
    pg_exit_info why = {.kind = kind, .pid = pid, .text = "why"};
    pgi_os_remember(&why, first);
}

static pg_exit_kind kind_of(uint32_t node, uint32_t generation, uint32_t index)
{
    pg_exit_info why;
    pg_pid pid = pgi_pid_make(node, generation, index);
    pgi_os_look_back(pid, &why);
    CHECK(pg_same(why.pid, pid));
    return why.kind;
}

/* As many as are kept, of other nodes than the test looks at. */
static void fill(bool first)
{
    for (uint32_t i = 0; i < PGI_EXITS_KEPT; i++) remember(pgi_pid_make(1000 + i, 1, 0), PG_EXIT_FAILED, first);
}

static void test_first_processes(void)
{
    CHECK_EQ(kind_of(1, 11, 0), PG_EXIT_NORMAL);
    remember(pgi_pid_make(1, 11, 0), PG_EXIT_FAILED, true);
    remember(pgi_pid_make(2, 11, 0), PG_EXIT_NORMAL, true);
    CHECK_EQ(kind_of(1, 11, 0), PG_EXIT_FAILED);
    fill(true);
    CHECK_EQ(kind_of(1, 11, 0), PG_EXIT_UNKNOWN);
    CHECK_EQ(kind_of(1, 12, 0), PG_EXIT_NORMAL); /* of the same number, but a later one */
    CHECK_EQ(kind_of(2, 11, 0), PG_EXIT_NORMAL);
    CHECK_EQ(kind_of(3, 11, 0), PG_EXIT_NORMAL);
    CHECK_EQ(kind_of(1000 + PGI_EXITS_KEPT - 1, 1, 0), PG_EXIT_FAILED);
}

/* A crash is that of all processes of its child, unless they are known to have ended before. */
static void test_crashes(void)
{
    remember(pgi_pid_make(4, 21, 0), PG_EXIT_NORMAL, true);
    remember(pgi_pid_make(4, 22, 7), PG_EXIT_FAILED, false);
    remember(pgi_pid_make(4, 20, 0), PG_EXIT_CRASHED, true);
    CHECK_EQ(kind_of(4, 20 + PGI_GENERATION_WINDOW, 9), PG_EXIT_CRASHED);
    CHECK_EQ(kind_of(4, 21 + PGI_GENERATION_WINDOW, 0), PG_EXIT_NORMAL);
    fill(true);
    CHECK_EQ(kind_of(4, 21, 0), PG_EXIT_NORMAL);
    CHECK_EQ(kind_of(4, 22, 7), PG_EXIT_FAILED);
    CHECK_EQ(kind_of(4, 20 + PGI_GENERATION_WINDOW, 9), PG_EXIT_UNKNOWN);
    CHECK_EQ(kind_of(4, 21 + PGI_GENERATION_WINDOW, 0), PG_EXIT_NORMAL);
}

static void test_others(void)
{
    remember(pgi_pid_make(5, 31, 0), PG_EXIT_NORMAL, true);
    remember(pgi_pid_make(5, 33, 2), PG_EXIT_FAILED, false);
    fill(false);
    CHECK_EQ(kind_of(5, 33, 2), PG_EXIT_UNKNOWN);
    CHECK_EQ(kind_of(5, 32, 3), PG_EXIT_UNKNOWN); /* it may have been another one */
    CHECK_EQ(kind_of(5, 34, 2), PG_EXIT_NORMAL);
    CHECK_EQ(kind_of(5, 31, 0), PG_EXIT_NORMAL);
    CHECK_EQ(kind_of(6, 31, 0), PG_EXIT_NORMAL);
}

int main(void)
{
    test_first_processes();
    test_crashes();
    test_others();
    return 0;
}
