/* ring.c - 503 processes in a ring pass a token on, as many times as they are told.
 *
 *     ring [HOPS]     default 5,000,000
 *
 * Each process knows the next one only, and keeps what it knows behind pg_data(). */
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PROCESSES = 503 };

typedef struct place {
    int64_t number;
    pg_pid next;
} place;

static void take_next(pg_process *self, const pg_message *msg)
{
    place *p = pg_data(self);
    p->next = pg_get_pid(self, msg, 1);
}

static void take_token(pg_process *self, const pg_message *msg)
{
    place *p = pg_data(self);
    int64_t hops = pg_get_int(self, msg, 0);
    if (hops > 0) {
        pg_send(p->next, hops - 1);
    } else {
        pg_send(pg_main(pg_runtime_of(self)), "done", p->number);
    }
}

static void stand_in_ring(pg_process *self)
{
    place *p = malloc(sizeof *p);
    if (!p) pg_fail(self, "no memory");
    pg_defer(self, free, p); /* called when the process ends, however that happens */
    *p = (place){.number = pg_get_int(self, pg_args(self), 0)};
    pg_set_data(self, p);
    pg_receive(self, take_token, PG_INT);
    pg_receive(self, take_next, "next", PG_PID);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    int64_t hops = argc > 1 ? strtoll(argv[1], NULL, 10) : 5000000;
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    if (!self) return 1;

    pg_pid ring[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) ring[i] = pg_spawn(self, stand_in_ring, .args = pg_tuple(i + 1));
    for (int i = 0; i < PROCESSES; i++) pg_send(ring[i], "next", ring[(i + 1) % PROCESSES]);

    double begin = now();
    pg_send(ring[0], hops);
    const pg_message *msg;
    int status = pg_recv_match(self, &msg, PG_SECONDS(60), "done", PG_INT);
    if (status != PG_OK) {
        fprintf(stderr, "ring: %s\n", pg_strerror(status));
        return 1;
    }
    double took = now() - begin;
    printf("after %lld hops the token is at process %lld (%.1f ns a hop)\n", (long long)hops,
           (long long)pg_get_int(self, msg, 1), hops > 0 ? took * 1e9 / (double)hops : 0);
    return pg_stop(rt, PG_SECONDS(5));
}
