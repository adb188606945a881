/* patterns.c - what a receiver can ask for.  The first one registered that matches handles the message.
 *
 * One process gets a dozen messages and says for each what it took it for. */
#include <paragram.h>
#include <stdio.h>

static void say(const char *what, const pg_message *msg)
{
    char text[200];
    pg_format_message(text, sizeof text, msg);
    printf("%-12s %s\n", what, text);
}

/* clang-format off */
static void on_hello(pg_process *self, const pg_message *msg)  { (void)self; say("literal", msg); }
static void on_even(pg_process *self, const pg_message *msg)   { (void)self; say("predicate", msg); }
static void on_int(pg_process *self, const pg_message *msg)    { (void)self; say("type", msg); }
static void on_true(pg_process *self, const pg_message *msg)   { (void)self; say("true", msg); }
static void on_rest(pg_process *self, const pg_message *msg)   { (void)self; say("etc", msg); }
static void on_list(pg_process *self, const pg_message *msg)   { (void)self; say("list", msg); }
static void on_any(pg_process *self, const pg_message *msg)    { (void)self; say("anything", msg); }
static void on_done(pg_process *self, const pg_message *msg)   { (void)msg; pg_exit(self); }
/* clang-format on */

/* Terms are looked into by index, or by key; an accessor that meets another type fails the process. */
static void on_point(pg_process *self, const pg_message *msg)
{
    const pg_term *point = pg_get(self, msg, 1);
    double x = pg_term_float(self, pg_term_at(self, point, 0));
    double y = pg_term_float(self, pg_term_at(self, point, 1));
    printf("%-12s x = %g, y = %g\n", "tuple", x, y);
}

static void on_person(pg_process *self, const pg_message *msg)
{
    const pg_term *person = pg_get(self, msg, 0);
    const char *name = pg_term_str(self, pg_term_lookup(self, person, "name"), NULL);
    printf("%-12s %s, and %zu keys in all\n", "dict", name, pg_term_count(self, person));
}

static bool is_even(const pg_term *term)
{
    return pg_term_type(term) == PG_T_INT && pg_term_int(NULL, term) % 2 == 0;
}

static void define(pg_process *self)
{
    pg_receive(self, on_done, "done");
    pg_receive(self, on_hello, "hello", 123);                       /* what equals it: 123.0 does not */
    pg_receive(self, on_even, PG_WHERE(is_even));                   /* what a function says yes to */
    pg_receive(self, on_int, PG_INT);                               /* any value of a type */
    pg_receive(self, on_true, PG_TRUE);                             /* in C17 `true` is an int: PG_TRUE is a bool */
    pg_receive(self, on_point, "at", pg_tuple(PG_FLOAT, PG_FLOAT)); /* a tuple of that length */
    pg_receive(self, on_list, pg_list(PG_STR, PG_ETC));             /* a list that begins with a string */
    pg_receive(self, on_person, pg_dict("name", PG_STR));           /* a dict with that key, perhaps others */
    pg_receive(self, on_rest, "log", PG_ETC);                       /* "log" and any number of values */
    pg_receive(self, on_any, PG_ANY);                               /* any one value */
}

int main(void)
{
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    if (!self) return 1;
    pg_pid pid = pg_spawn(self, define, .name = "reader");

    pg_send(pid, "hello", 123);
    pg_send(pid, 8);
    pg_send(pid, 9);
    pg_send(pid, 9.0);
    pg_send(pid, PG_TRUE);
    pg_send(pid, "at", pg_tuple(1.5, -2.0));
    pg_send(pid, pg_list("bread", "butter", 2));
    pg_send(pid, pg_dict("name", "Ada", "born", 1815));
    pg_send(pid, "log");
    pg_send(pid, "log", "disk", 3, pg_list(1, 2));
    pg_send(pid, PG_NIL);
    pg_send(pid, "done");
    pg_wait(pid, PG_FOREVER, NULL);

    /* A message that nothing matches ends the process, and its exit says why. */
    pg_pid strict = pg_spawn_link(self, define, .name = "strict reader");
    pg_send(strict, "hello", 124);
    const pg_message *msg;
    pg_exit_info info;
    pg_recv_match(self, &msg, PG_FOREVER, PG_EXIT, PG_PID);
    pg_get_exit(self, msg, 0, &info);
    printf("%-12s %.60s...\n", "unhandled", info.text);
    return pg_stop(rt, PG_SECONDS(5));
}
