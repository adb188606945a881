/* chat.c - a chat server: a process reads from each connection, another one writes to it; a room is a group.
 *
 *     chat PORT      serves at that port of this machine:  nc localhost PORT
 *     chat           has three users talk to a server, and prints what each of them sees
 *
 *     ada                      the first line of a user is a name
 *     /join kitchen            into another room than the lobby
 *     /tell bob you are late   to one user, wherever that is
 *     anything else            to all who are in the room
 *
 * Two processes since one that waits for a line does not handle messages meanwhile.  Each of them has a descriptor of
 * its own, a duplicate, so that none is closed while the other one uses it: who ends shuts the connection down, and
 * the other sees its end.  A user who does not take what is sent is cut off; nobody else waits for that. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 512, NAME = 32 };

/* ------------------------------------------------------------------------------------------- from the connection */

static void hang_up(void *argument)
{
    int fd = (int)(intptr_t)argument;
    shutdown(fd, SHUT_RDWR);
    close(fd);
}

static void read_lines(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    pg_pid user = pg_get_pid(self, pg_args(self), 1);
    pg_defer(self, hang_up, (void *)(intptr_t)fd);
    char buffer[LINE];
    size_t held = 0;
    while (held < sizeof buffer) { /* a longer line is the end */
        ssize_t n = pg_read(self, fd, buffer + held, sizeof buffer - held, PG_SECONDS(3600));
        if (n <= 0) break;
        held += (size_t)n;
        char *line = buffer, *end;
        while ((end = memchr(line, '\n', held - (size_t)(line - buffer))) != NULL) {
            size_t length = (size_t)(end - line);
            if (length > 0 && line[length - 1] == '\r') length--;
            if (length > 0) pg_send(user, "line", pg_strn(line, length));
            line = end + 1;
        }
        held -= (size_t)(line - buffer);
        memmove(buffer, line, held);
    }
}

/* ------------------------------------------------------------------------------------------------------ the user */

typedef struct user {
    int fd;
    char name[NAME], room[NAME];
} user;

static void show(pg_process *self, const char *text)
{
    user *u = pg_data(self);
    char line[2 * LINE];
    int length = snprintf(line, sizeof line, "%s\n", text);
    if (pg_write_all(self, u->fd, line, (size_t)length, PG_SECONDS(10)) != PG_OK) pg_exit(self);
}

static void on_show(pg_process *self, const pg_message *msg)
{
    show(self, pg_get_str(self, msg, 1));
}

static void tell_room(pg_process *self, const char *before, const char *after)
{
    user *u = pg_data(self);
    char text[2 * LINE];
    snprintf(text, sizeof text, "%s%s%s", before, u->name, after);
    pg_broadcast(pg_runtime_of(self), u->room, "show", text);
}

static void enter(pg_process *self, const char *room)
{
    user *u = pg_data(self);
    snprintf(u->room, sizeof u->room, "%s", room);
    if (pg_join(pg_runtime_of(self), u->room, pg_self(self)) != PG_OK) pg_fail(self, "cannot join %s", u->room);
    tell_room(self, "* ", " is here");
}

static void leave(pg_process *self)
{
    user *u = pg_data(self);
    if (!u->room[0]) return;
    pg_leave(pg_runtime_of(self), u->room, pg_self(self));
    tell_room(self, "* ", " has left");
}

static void tell(pg_process *self, const char *whom, const char *what)
{
    user *u = pg_data(self);
    char text[2 * LINE];
    snprintf(text, sizeof text, "%s, to you: %s", u->name, what);
    if (pg_send(pg_whereis(pg_runtime_of(self), whom), "show", text) != PG_OK) show(self, "* nobody has that name");
}

static void on_name(pg_process *self, const char *name)
{
    user *u = pg_data(self);
    if (strlen(name) >= NAME || strpbrk(name, " /")) {
        show(self, "* a name is a short word");
    } else if (pg_register(pg_runtime_of(self), name, pg_self(self)) != PG_OK) {
        show(self, "* somebody has that name");
    } else {
        snprintf(u->name, sizeof u->name, "%s", name);
        enter(self, "lobby");
    }
}

static void on_line(pg_process *self, const pg_message *msg)
{
    user *u = pg_data(self);
    const char *line = pg_get_str(self, msg, 1);
    char word[NAME];
    int rest = 0;
    if (!u->name[0]) {
        on_name(self, line);
    } else if (sscanf(line, "/join %31s", word) == 1) {
        leave(self);
        enter(self, word);
    } else if (sscanf(line, "/tell %31s %n", word, &rest) == 1) {
        tell(self, word, line + rest);
    } else {
        char text[2 * LINE];
        snprintf(text, sizeof text, ": %s", line);
        tell_room(self, "", text);
    }
}

static void on_end_of_lines(pg_process *self, const pg_message *msg)
{
    (void)msg;
    leave(self);
    pg_exit(self);
}

static void serve_user(pg_process *self)
{
    int fd = (int)pg_get_int(self, pg_args(self), 0);
    pg_defer(self, hang_up, (void *)(intptr_t)fd);
    user *u = calloc(1, sizeof *u);
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (!u || own < 0) pg_fail(self, "no memory or descriptor for another user");
    u->fd = fd;
    pg_defer(self, free, u);
    pg_set_data(self, u);
    pg_receive(self, on_show, "show", PG_STR);
    pg_receive(self, on_line, "line", PG_STR);
    pg_receive(self, on_end_of_lines, PG_EXIT, PG_PID);
    pg_pid reader = pg_spawn_link(self, read_lines, .name = "reader", .args = pg_tuple(own, self));
    if (pg_pid_status(reader) != PG_OK) close(own), pg_exit(self);
}

/* ---------------------------------------------------------------------------------------------------- the server */

static void accept_users(pg_process *self)
{
    int listening = (int)pg_get_int(self, pg_args(self), 0), fd;
    while ((fd = pg_accept(self, listening, NULL, NULL, PG_FOREVER)) >= 0) {
        pg_pid pid = pg_spawn(self, serve_user, .name = "user", .args = pg_tuple(fd));
        if (pg_pid_status(pid) != PG_OK) close(fd);
    }
    if (pg_errno(fd) != EBADF) pg_fail(self, "accept: %s", pg_strerror(fd));
}

static int listen_at(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    socklen_t length = sizeof *address;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(fd, (struct sockaddr *)address, sizeof *address) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)address, &length)) {
        perror("chat");
        exit(1);
    }
    return fd;
}

/* -------------------------------------------------------------------------------------------------- three users */

/* They are played by the program's own thread, which may block. */
typedef struct player {
    const char *name;
    FILE *in, *out;
} player;

static void say(player *p, const char *line)
{
    fprintf(p->out, "%s\n", line);
    fflush(p->out);
}

static void see(player *p)
{
    char line[LINE];
    printf("%s sees: %s", p->name, fgets(line, sizeof line, p->in) ? line : "the end\n");
}

static player come(const char *name, const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address)) {
        perror("chat");
        exit(1);
    }
    player p = {name, fdopen(fd, "r"), fdopen(dup(fd), "w")};
    say(&p, name);
    see(&p);
    return p;
}

static void go(player *p)
{
    fclose(p->out);
    fclose(p->in);
}

static void play(const struct sockaddr_in *address)
{
    player ada = come("ada", address), bob = come("bob", address);
    see(&ada);
    say(&bob, "Is there any tea?");
    see(&ada);
    see(&bob);
    player eve = come("eve", address);
    see(&ada);
    see(&bob);
    say(&ada, "/join kitchen");
    see(&bob);
    see(&ada);
    say(&ada, "/tell bob There is.");
    see(&bob);
    say(&eve, "/tell ida I cannot hear you.");
    see(&eve); /* that ada has left */
    see(&eve);
    go(&bob);
    see(&eve);
    go(&eve);
    go(&ada);
}

int main(int argc, char **argv)
{
    bool serving = argc > 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (serving) address.sin_port = htons((uint16_t)atoi(argv[1]));
    int listening = listen_at(&address);

    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    if (!self) return 1;
    pg_pid server = pg_spawn(self, accept_users, .name = "server", .args = pg_tuple(listening));
    if (serving) {
        printf("listening at port %d\n", (int)ntohs(address.sin_port));
        return pg_wait(server, PG_FOREVER, NULL);
    }
    play(&address);
    pg_close(self, listening); /* which ends who waits there */
    return pg_stop(rt, PG_SECONDS(5));
}
