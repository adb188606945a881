/* skynet.c - a tree of processes: each has ten children, the leaves count themselves, and the sums travel up.
 *
 *     skynet [LEAVES]     default 1,000,000, a power of ten; its processes are 1,111,111
 *
 * A leaf sends its number to its parent and ends; an inner process waits for ten numbers and sends their sum. */
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

typedef struct sums {
    pg_pid parent;
    int64_t sum;
    int missing;
} sums;

static void add(pg_process *self, const pg_message *msg)
{
    sums *s = pg_data(self);
    s->sum += pg_get_int(self, msg, 0);
    if (--s->missing > 0) return;
    pg_send(s->parent, s->sum);
    pg_exit(self);
}

static void node(pg_process *self)
{
    const pg_message *args = pg_args(self);
    pg_pid parent = pg_get_pid(self, args, 0);
    int64_t first = pg_get_int(self, args, 1);
    int64_t leaves = pg_get_int(self, args, 2);
    if (leaves == 1) {
        pg_send(parent, first);
        return;
    }
    sums *s = malloc(sizeof *s);
    if (!s) pg_fail(self, "no memory for sums");
    pg_defer(self, free, s);
    *s = (sums){.parent = parent, .missing = 10};
    pg_set_data(self, s);
    pg_receive(self, add, PG_INT);
    for (int64_t i = 0; i < 10; i++) {
        int64_t part = leaves / 10;
        pg_pid child = pg_spawn(self, node, .args = pg_tuple(self, first + i * part, part));
        if (pg_pid_status(child) != PG_OK) pg_fail(self, "spawn: %s", pg_strerror(pg_pid_status(child)));
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    int64_t leaves = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000000;
    for (int64_t n = leaves; n != 1; n /= 10) {
        if (n > 0 && n % 10 == 0) continue;
        fprintf(stderr, "usage: %s [LEAVES]   (a power of ten)\n", argv[0]);
        return 2;
    }
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    if (!self) return 1;

    double begin = now();
    pg_spawn(self, node, .name = "root", .args = pg_tuple(self, 0, leaves));
    const pg_message *msg;
    int status = pg_recv(self, &msg, PG_SECONDS(60));
    double took = now() - begin;
    if (status != PG_OK) {
        fprintf(stderr, "skynet: %s\n", pg_strerror(status));
        return 1;
    }
    int64_t sum = pg_get_int(self, msg, 0);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("sum %lld in %.1f ms, peak %.1f MB\n", (long long)sum, took, (double)usage.ru_maxrss / 1024);
    pg_stop(rt, PG_SECONDS(5));
    return sum == leaves * (leaves - 1) / 2 ? 0 : 1;
}
