/* supervised_parser.c - hostile input, parsed where it can do no harm, by a parser that is started again when it did.
 *
 * The parser below has two faults, about which nothing is done: a line that says "repeat" may write behind its buffer,
 * and one that says "skip" may not come to an end.  It is a child of kind PG_OS of a supervisor: when it crashes,
 * another one takes its place, and its name, which is all that its user knows of it.
 *
 * A line of input is one of:
 *     say TEXT            gives TEXT
 *     repeat N CHAR       gives CHAR, N times
 *     skip N TEXT         gives each Nth character of TEXT */
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------ the parser */

enum { ROOM = 64 };

static bool parse(const char *line, char *out)
{
    long n;
    char c;
    int at = 0;
    if (strncmp(line, "say ", 4) == 0) {
        snprintf(out, ROOM, "%s", line + 4);
        return true;
    }
    if (sscanf(line, "repeat %ld %c", &n, &c) == 2) {
        for (long i = 0; i < n; i++) out[i] = c; /* A FAULT: nobody asks whether n is at most ROOM */
        return true;
    }
    if (sscanf(line, "skip %ld %n", &n, &at) == 1 && at > 0) {
        size_t length = 0;
        const char *end = line + strlen(line);
        for (const char *p = line + at; p < end; p += n) /* A FAULT: n may be 0 */
            if (length < ROOM - 1) out[length++] = *p;
        return true;
    }
    return false;
}

static void on_parse(pg_process *self, const pg_message *msg)
{
    char *out = calloc(ROOM, 1);
    if (!out) pg_fail(self, "no memory");
    if (parse(pg_get_str(self, msg, 1), out)) {
        pg_reply(msg, "parsed", out);
    } else {
        pg_reply(msg, "refused");
    }
    free(out);
}

static void parser(pg_process *self)
{
    pg_receive(self, on_parse, "parse", PG_STR);
}

/* --------------------------------------------------------------------------------------------------------- its user */

typedef struct app {
    pg_runtime *rt;
    pg_process *self;
    pg_pid supervisor;
    pg_pid lost; /* the parser that was asked last, if it is of no use any more */
    int parsed, refused, crashed, hung;
} app;

/* The one that has the name now; soon after a crash that is nobody, or still who has crashed. */
static pg_pid find_parser(const app *a)
{
    for (;;) {
        pg_pid pid = pg_whereis(a->rt, "parser");
        if (pid.id != 0 && !pg_same(pid, a->lost)) return pid;
        pg_sleep(a->self, PG_MS(1));
    }
}

static void try(app *a, const char *line)
{
    const pg_message *reply;
    pg_pid pid = find_parser(a);
    int status = pg_call(a->self, pid, &reply, PG_SECONDS(2), "parse", line);
    printf("%-24s ", line);
    if (status == PG_OK && pg_matches(pg_get(NULL, reply, 0), "parsed")) {
        printf("\"%s\"\n", pg_get_str(NULL, reply, 1));
        a->parsed++;
    } else if (status == PG_OK) {
        puts("refused");
        a->refused++;
    } else if (status == PG_ENOPROC) {
        puts("the parser has crashed");
        a->crashed++;
        a->lost = pid;
    } else {
        puts("the parser hangs");
        a->hung++;
        a->lost = pid;
        pg_supervisor_restart(a->self, a->supervisor, "parser", PG_SECONDS(30));
    }
}

/* The supervisor tells of each crash in the log; here who looks at the output sees them anyway. */
static void no_log(void *context, pg_log_level level, const char *line)
{
    (void)context, (void)level, (void)line;
}

int main(void)
{
    static const pg_child child = {
        .id = "parser",
        .target = parser,
        .spawn = {.kind = PG_OS, .sandbox = PG_SANDBOX_NO_PRIVILEGES, .limits = {.cpu_seconds = 60}},
        .registered = "parser",
        .shutdown = -1, /* it is stopped when it hangs: there is no use in asking */
    };
    app a = {.rt = pg_start(&(pg_options){.log = no_log})};
    a.self = pg_attach(a.rt, "main");
    if (!a.self) return 1;
    a.supervisor = pg_supervise(a.self, &(pg_supervisor_options){.intensity = 20}, 1, &child);
    if (pg_pid_status(a.supervisor) != PG_OK) {
        fprintf(stderr, "supervised_parser: %s\n", pg_strerror(pg_pid_status(a.supervisor)));
        return 1;
    }

    try(&a, "say hello");
    try(&a, "repeat 10 x");
    try(&a, "repeat 1000000000 x");
    try(&a, "say it goes on");
    try(&a, "skip 2 a-b-c-d");
    try(&a, "skip 0 a-b-c-d");
    try(&a, "nonsense");
    try(&a, "repeat 9999999999 y");
    try(&a, "repeat 3 z");

    pg_child_info info;
    if (pg_supervisor_children(a.self, a.supervisor, 1, &info, PG_SECONDS(30)) != 1) return 1;
    printf("%d parsed, %d refused; %d crashes, %d hung: the parser was started again %d times\n", a.parsed, a.refused,
           a.crashed, a.hung, (int)info.restarts);
    pg_unlink(a.self, a.supervisor);
    pg_terminate(a.supervisor);
    pg_wait(a.supervisor, PG_FOREVER, NULL);
    return pg_stop(a.rt, PG_SECONDS(5));
}
