/* unwind_test.c - pg_defer_unwinding() and pg_unwound(), in C: frames that are left by longjmp(), and what is told of
 * the end.  The same with C++ and destructors is in cxx_wrapper_test.cc. */
#include "conformance.h"

#include <setjmp.h>

/* Of a process, in the frame at the base of its code. */
typedef struct base {
    pg_process *self;
    jmp_buf jump;
    bool returns; /* rather than to leave */
    bool left;    /* nothing is there any more */
    pg_pid main;
} base;

static void tell_cleaned(void *argument)
{
    base *b = argument;
    pg_send(b->main, "cleaned");
}

static void unwind(void *argument)
{
    base *b = argument;
    const pg_message *msg;
    if (b->left) return;
    b->left = true;
    CHECK_EQ(pg_recv(b->self, &msg, 0), PG_EENDED); /* it is in its clean-ups */
    pg_send(b->main, "unwinding");
    if (!b->returns) longjmp(b->jump, 1);
}

/* A frame that a clean-up refers to. */
static void in_frame(void *argument)
{
    int *value = argument;
    pg_send(pg_main(pg_runtime_of(pg_current())), "frame", *value);
}

static __attribute__((noinline)) void end(pg_process *self, int64_t way)
{
    const pg_message *msg;
    int value = 7;
    CHECK_EQ(pg_defer(self, in_frame, &value), PG_OK);
    switch (way) {
    case 0: pg_exit(self);
    case 1: pg_fail(self, "it %s", "fails");
    case 2: pg_fail_with(self, pg_tuple("why", 1));
    case 3: pg_recv(self, &msg, PG_FOREVER); break;
    case 4: pg_get_int(self, pg_args(self), 9); break;
    default: break;
    }
}

static __attribute__((noinline)) void overwrite(void)
{
    char frame[8192];
    memset(frame, 0x55, sizeof frame);
    __asm__ volatile("" : : "r"(frame) : "memory");
}

static void target(pg_process *self)
{
    base *b = calloc(1, sizeof *b);
    CHECK(b != NULL);
    int64_t way = pg_get_int(self, pg_args(self), 1);
    *b = (base){.self = self, .main = first_arg(self), .returns = pg_get_bool(self, pg_args(self), 2)};
    CHECK_EQ(pg_defer(self, free, b), PG_OK);
    CHECK_EQ(pg_defer_unwinding(self, tell_cleaned, unwind, b), PG_OK);
    if (setjmp(b->jump) == 0) {
        end(self, way);
    } else {
        overwrite(); /* where the reason stood */
        pg_unwound(self);
    }
}

static void the_reason_survives(pg_process *self)
{
    static const char *const texts[] = {"", "it fails", "(\"why\", 1)", "(\"as\", \"asked\")", NULL};
    for (int way = 0; way < 5; way++) {
        for (int returns = 0; returns < 2; returns++) {
            pg_pid p = good(pg_spawn_link(self, target, .args = pg_tuple(self, way, (bool)returns)));
            if (way == 3) CHECK_EQ(pg_terminate_with(p, pg_tuple("as", "asked")), PG_OK);
            EXPECT(self, "(\"frame\", 7)"); /* newer than the registration: before anything is left */
            EXPECT(self, "(\"unwinding\")");
            EXPECT(self, "(\"cleaned\")");
            const pg_message *msg;
            CHECK_EQ(pg_recv_match(self, &msg, PATIENCE, PG_EXIT, p), PG_OK);
            pg_exit_info why = end_of(p);
            CHECK_EQ(why.kind, way == 0 ? PG_EXIT_NORMAL : PG_EXIT_FAILED);
            if (texts[way]) CHECK_STR(why.text, texts[way]);
            if (way == 2) CHECK(pg_matches(pg_get_error(self, msg, 0), pg_tuple("why", 1)));
            if (way == 3) CHECK(pg_matches(pg_get_error(self, msg, 0), pg_tuple("as", "asked")));
        }
    }
}

static void on_nothing(pg_process *self, const pg_message *msg)
{
    (void)self;
    (void)msg;
}

static void must_return(void *argument)
{
    pg_send(*(pg_pid *)argument, "called");
}

static void told(void *argument)
{
    pg_send(*(pg_pid *)argument, "ended");
    free(argument);
}

static void rests(pg_process *self)
{
    pg_pid *to = malloc(sizeof *to);
    CHECK(to != NULL);
    *to = first_arg(self);
    CHECK_EQ(pg_defer_unwinding(self, told, must_return, to), PG_OK);
    CHECK_EQ(pg_receive(self, on_nothing, "nothing"), PG_OK);
}

/* One that ends between two messages has no frames. */
static void nothing_is_left_at_rest(pg_process *self)
{
    pg_pid p = good(pg_spawn(self, rests, .args = pg_tuple(self)));
    CHECK_EQ(pg_send(p, "nothing"), PG_OK);
    CHECK_EQ(pg_terminate(p), PG_OK);
    EXPECT(self, "(\"ended\")");
    CHECK_EQ(end_of(p).kind, PG_EXIT_NORMAL);
}

static void takes_back(pg_process *self)
{
    pg_pid *to = malloc(sizeof *to);
    CHECK(to != NULL);
    CHECK_EQ(pg_defer_unwinding(self, told, must_return, to), PG_OK);
    CHECK_EQ(pg_undefer(self, told, to), PG_OK);
    CHECK_EQ(pg_defer_unwinding(self, NULL, must_return, to), PG_EINVAL);
    CHECK_EQ(pg_defer_unwinding(NULL, told, must_return, to), PG_EINVAL);
    free(to);
    pg_exit(self);
}

static void it_can_be_taken_back(pg_process *self)
{
    CHECK_EQ(end_of(good(pg_spawn(self, takes_back))).kind, PG_EXIT_NORMAL);
    expect_nothing(self);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {CASE(the_reason_survives), CASE(nothing_is_left_at_rest),
                                      CASE(it_can_be_taken_back)};
    return RUN_CASES(cases);
}
