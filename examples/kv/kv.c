/* kv.c - a key-value server that Redis clients talk to: redis-cli, redis-benchmark, libraries.
 *
 *     kv [--port N] [--bind ADDRESS] [--shards N] [--workers N] [--os-shards]
 *
 *     main --- supervisor --+-- shard 0 ...    each owns a part of the keys               shard.c, store.c
 *                           |-- watcher        says what the end of a shard means           watch.c
 *                           `-- door           accepts, and spawns for each connection      accept.c
 *                                 `-- client   reads, parses, asks shards, replies          connection.c, command.c
 *
 * No lock anywhere: a key belongs to one shard, a shard to one process.  What fails takes with it what it owned: a
 * client its connection, a shard its keys, and the others go on.  Nothing is written to a disk. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "command.h"
#include "server.h"

typedef struct arguments {
    const char *bind;
    int port;
    unsigned shards, workers;
    bool os_shards;
} arguments;

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--port N] [--bind ADDRESS] [--shards N] [--workers N] [--os-shards]\n"
            "  -p, --port N        6379; 0: one that is free\n"
            "  -b, --bind ADDRESS  127.0.0.1; an IPv4 address\n"
            "  -s, --shards N      processes that own the keys, 1 to %d; as many as workers\n"
            "  -w, --workers N     threads that run the processes; as many as there are processors\n"
            "      --os-shards     shards are operating-system processes of their own\n",
            program, SHARDS_MAX);
    return 2;
}

static bool number(const char *text, int least, int most, int *n)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    *n = (int)value;
    return errno == 0 && end != text && *end == '\0' && value >= least && value <= most;
}

static bool parse(int argc, char **argv, arguments *a)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},   {"bind", required_argument, NULL, 'b'},
        {"shards", required_argument, NULL, 's'}, {"workers", required_argument, NULL, 'w'},
        {"os-shards", no_argument, NULL, 'o'},    {0}};
    int option, n = 0;
    while ((option = getopt_long(argc, argv, "p:b:s:w:", options, NULL)) != -1) {
        bool good = true;
        switch (option) {
        case 'p': good = number(optarg, 0, 65535, &a->port); break;
        case 'b': a->bind = optarg; break;
        case 's':
            good = number(optarg, 1, SHARDS_MAX, &n);
            a->shards = (unsigned)n;
            break;
        case 'w':
            good = number(optarg, 1, 256, &n);
            a->workers = (unsigned)n;
            break;
        case 'o': a->os_shards = true; break;
        default: good = false;
        }
        if (!good) return false;
    }
    return optind == argc;
}

/* A socket that listens, and the port that it has got; -1: errno says why not. */
static int listen_at(const char *address, int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t length = sizeof at;
    const int on = 1;
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 4096) == 0 &&
        getsockname(fd, (struct sockaddr *)&at, &length) == 0) {
        *port = ntohs(at.sin_port);
        return fd;
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static unsigned raise_descriptors(void)
{
    struct rlimit limit = {1024, 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 1 << 20 ? limit.rlim_max : 1 << 20;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return (unsigned)limit.rlim_cur;
}

/* A process that waits for SIGINT or SIGTERM, which are blocked. */
static void wait_for_signals(pg_process *self)
{
    struct signalfd_siginfo info;
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    if (pg_read(self, fd, &info, sizeof info, PG_FOREVER) > 0) pg_send(pg_main(pg_runtime_of(self)), "shut down");
}

/* Shards first: the door opens when they are there.  Each is started anew, however often and however it ends. */
static pg_pid supervise(pg_process *self, const server *s)
{
    pg_child children[SHARDS_MAX + 2];
    char names[SHARDS_MAX][SHARD_NAME];
    pg_value shard[SHARDS_MAX][2], server_here = pg_v_ptr(s);
    unsigned n = 0;
    for (; n < s->shards; n++) {
        shard_name(names[n], n);
        shard[n][0] = pg_v_int((int)n);
        shard[n][1] = pg_v_bool(s->os_shards);
        children[n] = (pg_child){.id = names[n], .registered = names[n], .target = serve_shard};
        children[n].spawn.kind = s->os_shards ? PG_OS : PG_GREEN;
        children[n].spawn.args = pg_tuple_of(2, shard[n]);
    }
    children[n] = (pg_child){.id = "watcher", .target = watch_shards};
    children[n++].spawn.args = pg_tuple_of(1, &server_here);
    children[n] =
        (pg_child){.id = "door", .target = accept_clients, .shutdown = -1}; /* it accepts, and hears nothing */
    children[n++].spawn.args = pg_tuple_of(1, &server_here);
    return pg_supervise(
        self, &(pg_supervisor_options){.name = "supervisor", .intensity = INT_MAX, .backoff_max = PG_SECONDS(1)}, n,
        children);
}

/* Nobody new comes, and those that are there read the end of their connections, and end; then the shards. */
static void stop(pg_process *self, server *s, pg_pid supervisor)
{
    pg_supervisor_stop(self, supervisor, "door", PG_SECONDS(5));
    for (int patience = 0; patience < 500 && s->clients > 0; patience++) {
        for (unsigned fd = 0; fd < s->descriptors; fd++) {
            if (s->connected[fd]) shutdown((int)fd, SHUT_RDWR);
        }
        pg_sleep(self, PG_MS(10));
    }
    pg_unlink(self, supervisor);
    pg_terminate(supervisor);
    pg_wait(supervisor, PG_SECONDS(5), NULL);
}

static int serve(server *s, int signals)
{
    pg_process *self = pg_attach(s->rt, "main");
    if (!self) return 1;
    pg_spawn(self, wait_for_signals, .name = "signals", .args = pg_tuple(signals));
    pg_pid supervisor = supervise(self, s);
    if (pg_pid_status(supervisor) != PG_OK) {
        server_log("cannot start: %s", pg_strerror(pg_pid_status(supervisor)));
        return 1;
    }
    server_log("ready at port %d, %u shards%s, process %d", s->port, s->shards,
               s->os_shards ? " in processes of their own" : "", (int)getpid());
    const pg_message *msg;
    int status = pg_recv_match(self, &msg, PG_FOREVER, "shut down"); /* or the supervisor has ended */
    server_log("shuts down");
    pg_close(self, signals); /* wakes who waits there */
    stop(self, s, supervisor);
    return status != PG_OK;
}

int main(int argc, char **argv)
{
    static server s;
    arguments a = {.bind = "127.0.0.1", .port = 6379};
    if (!parse(argc, argv, &a)) return usage(argv[0]);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    s.descriptors = raise_descriptors();
    commands_prepare();
    int status = PG_OK;
    s.rt = pg_start(&(pg_options){.workers = a.workers, .no_os = !a.os_shards, .status = &status});
    if (!s.rt) {
        server_log("cannot start: %s", pg_strerror(status));
        return 1;
    }
    pg_stats stats;
    pg_get_stats(s.rt, &stats);
    s.port = a.port;
    s.workers = stats.workers;
    s.shards = a.shards ? a.shards : stats.workers < SHARDS_MAX ? stats.workers : SHARDS_MAX;
    s.os_shards = a.os_shards;
    s.started = pg_now();
    s.connected = calloc(s.descriptors, sizeof s.connected[0]);
    s.listener = listen_at(a.bind, &s.port);
    int signals = signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC);
    int result = 1;
    if (s.listener < 0) {
        server_log("cannot listen at %s:%d: %s", a.bind, s.port, strerror(errno));
    } else if (signals < 0 || !s.connected || getrandom(&s.key, sizeof s.key, 0) != sizeof s.key) {
        server_log("cannot start: %s", strerror(errno));
    } else {
        result = serve(&s, signals);
    }
    if (pg_stop(s.rt, PG_SECONDS(5)) != PG_OK) result = 1;
    free((void *)s.connected);
    return result;
}
