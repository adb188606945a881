/* accept.c - the process that waits for clients, and spawns a process for each. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "server.h"

static void spawn(pg_process *self, server *s, int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    s->connections++;
    pg_pid client = pg_spawn(self, serve_client, .name = "client", .args = pg_tuple((void *)s, fd));
    if (pg_pid_status(client) == PG_OK) return;
    server_log("a client is turned away: %s", pg_strerror(pg_pid_status(client)));
    pg_close(self, fd);
}

void accept_clients(pg_process *self)
{
    server *s = pg_get_ptr(self, pg_args(self), 0);
    bool complained = false;
    for (;;) {
        int fd = pg_accept(self, s->listener, NULL, NULL, PG_FOREVER);
        if (fd >= 0 && (unsigned)fd < s->descriptors) {
            complained = false;
            spawn(self, s, fd);
            continue;
        }
        if (fd >= 0) pg_close(self, fd);
        if (pg_errno(fd) == EBADF || pg_errno(fd) == EINVAL) return; /* the server stops */
        if (!complained) server_log("no client can be accepted: %s", pg_strerror(fd));
        complained = true;
        pg_sleep(self, PG_MS(20)); /* until some of them have gone */
    }
}
