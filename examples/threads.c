/* threads.c - a process of kind PG_THREAD for calls that block, and threads of the program's own among the processes.
 *
 * A pid is a pid: who has one sends to it, and never asks what runs it. */
#include <paragram.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WRITERS = 4 };

/* Reads lines from a pipe, and hands them to main.  fgets() blocks for as long as nobody writes: a thread of its own is
 * the place for that. */
static void read_lines(pg_process *self)
{
    pg_pid main = pg_get_pid(self, pg_args(self), 0);
    FILE *pipe = fdopen((int)pg_get_int(self, pg_args(self), 1), "r");
    char line[100];
    if (!pipe) pg_fail(self, "fdopen failed");
    while (fgets(line, sizeof line, pipe)) {
        line[strcspn(line, "\n")] = '\0';
        pg_send(main, "line", line);
    }
    fclose(pipe);
    pg_send(main, "end of file", (bool)(pg_kind_of(self) == PG_THREAD)); /* without the cast, C makes it an int */
}

/* A thread that the program made.  It attaches, and is a process until it detaches. */
static void *host_thread(void *rt)
{
    pg_process *self = pg_attach(rt, "host thread");
    const pg_message *msg;
    if (!self) return NULL;
    pg_send(pg_main(rt), "who writes?", self);
    if (pg_recv_match(self, &msg, PG_SECONDS(30), "you", PG_INT, PG_INT) == PG_OK) {
        int fd = (int)pg_get_int(self, msg, 1), number = (int)pg_get_int(self, msg, 2);
        dprintf(fd, "greetings from thread %d\n", number);
    }
    pg_detach(self);
    return NULL;
}

/* What main knows.  Its handlers run in its own thread, inside pg_serve(). */
typedef struct desk {
    int write_end, writers, lines;
} desk;

static void on_question(pg_process *self, const pg_message *msg)
{
    desk *d = pg_data(self);
    pg_send(pg_get_pid(self, msg, 1), "you", d->write_end, ++d->writers);
}

static void on_line(pg_process *self, const pg_message *msg)
{
    desk *d = pg_data(self);
    int number;
    if (sscanf(pg_get_str(self, msg, 1), "greetings from thread %d", &number) == 1) d->lines++;
    if (d->lines == WRITERS) close(d->write_end);
}

static void on_end(pg_process *self, const pg_message *msg)
{
    desk *d = pg_data(self);
    printf("%d lines came through the pipe; read by a thread of its own: %s\n", d->lines,
           pg_get_bool(self, msg, 1) ? "yes" : "no");
    pg_exit(self); /* pg_serve() returns */
}

int main(void)
{
    int ends[2];
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    if (!self || pipe(ends) != 0) return 1;
    desk d = {.write_end = ends[1]};
    pg_set_data(self, &d);
    pg_receive(self, on_question, "who writes?", PG_PID);
    pg_receive(self, on_line, "line", PG_STR);
    pg_receive(self, on_end, "end of file", PG_BOOL);

    pg_spawn(self, read_lines, .name = "reader", .kind = PG_THREAD, .args = pg_tuple(self, ends[0]));
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        if (pthread_create(&threads[i], NULL, host_thread, rt) != 0) return 1;
    }
    int status = pg_serve(self, PG_SECONDS(30));
    for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
    pg_exit_info info;
    if (status == PG_EENDED) status = pg_why(pg_self(self), &info);
    printf("main was a process until it ended: %s\n", status != PG_OK               ? pg_strerror(status)
                                                      : info.kind == PG_EXIT_NORMAL ? "normally"
                                                                                    : info.text);
    return pg_stop(rt, PG_SECONDS(5));
}
