/* parcel.c - see parcel.h. */
#define _GNU_SOURCE
#include "parcel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "paragram.h"

typedef struct item {
    pg_term name;
    uint64_t size;
} item;

/* Room for the descriptors of a parcel. */
typedef union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(PGI_PARCEL_MAX * sizeof(int))];
} control;

static int status_of(int error)
{
    switch (error) {
    case 0: return PG_OK;
    case EAGAIN: return PG_EFULL;
    case ETOOMANYREFS:
    case ENOMEM:
    case ENOBUFS: return PG_ENOMEM;
    default: return PG_OK; /* the other end is closed: its death is told elsewhere */
    }
}

int pgi_parcel_send(int channel, const pg_message *message, unsigned *count)
{
    pg_buffer *list[PGI_PARCEL_MAX];
    item items[PGI_PARCEL_MAX];
    control room = {.bytes = {0}};
    unsigned n = pgi_buffers_list(message, list, PGI_PARCEL_MAX);
    pgs_assert(n > 0 && n <= PGI_PARCEL_MAX); /* pgi_wire_prepare() sees to it */
    struct iovec part = {items, n * sizeof *items};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    packet.msg_control = &room;
    packet.msg_controllen = CMSG_SPACE(n * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(n * sizeof(int));
    for (unsigned i = 0; i < n; i++) {
        items[i] = (item){list[i]->name, list[i]->size};
        memcpy(CMSG_DATA(header) + i * sizeof(int), &list[i]->fd, sizeof(int));
    }
    int saved = errno, error = 0;
    while (sendmsg(channel, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && (error = errno) == EINTR) error = 0;
    errno = saved;
    *count = n;
    return status_of(error);
}

/* The descriptors that have come with a packet. */
static unsigned take_descriptors(struct msghdr *packet, int *fds)
{
    unsigned n = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(packet); header; header = CMSG_NXTHDR(packet, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        unsigned more = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds + n, CMSG_DATA(header), more * sizeof(int));
        n += more;
    }
    return n;
}

/* Receives a packet; -1 and errno.  That the other end was closed before it had read all of its own is said once,
 * before what it had sent comes. */
static ssize_t next_packet(int channel, struct msghdr *packet)
{
    ssize_t got;
    while ((got = recvmsg(channel, packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0) {
        if (errno != EINTR && errno != ECONNRESET) break;
    }
    return got;
}

/* One packet of `count` items.  *n descriptors are the caller's, whatever is returned. */
static int take_packet(int channel, item *items, unsigned count, int *fds, unsigned *n)
{
    control room;
    struct iovec part = {items, count * sizeof *items};
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof room.bytes};
    *n = 0;
    ssize_t got = next_packet(channel, &packet);
    if (got < 0) return errno == ENOMEM || errno == ENOBUFS ? PG_ENOMEM : PG_EINVAL;
    *n = take_descriptors(&packet, fds);
    if ((size_t)got != count * sizeof *items || (packet.msg_flags & MSG_TRUNC)) return PG_EINVAL;
    if (*n == count && !(packet.msg_flags & MSG_CTRUNC)) return PG_OK;
    /* Where this process has no room for all descriptors, the rest is missing. */
    return *n < count && (packet.msg_flags & MSG_CTRUNC) ? PG_ENOMEM : PG_EINVAL;
}

int pgi_parcel_receive(pgi_parcel *parcel, int channel, unsigned count, uint32_t node)
{
    item items[PGI_PARCEL_MAX];
    int fds[PGI_PARCEL_MAX];
    unsigned n, used = 0;
    int saved = errno;
    parcel->count = 0;
    pgs_assert(count <= PGI_PARCEL_MAX);
    int status = take_packet(channel, items, count, fds, &n);
    while (status == PG_OK && used < count) {
        const item *it = &items[used];
        status = pgi_buffer_import(&it->name, it->size, fds[used++], node, &parcel->buffers[parcel->count]);
        if (status == PG_OK) parcel->names[parcel->count++] = it->name;
    }
    while (used < n) close(fds[used++]);
    if (status != PG_OK) pgi_parcel_free(parcel);
    errno = saved;
    return status;
}

void pgi_parcel_free(pgi_parcel *parcel)
{
    for (unsigned i = 0; i < parcel->count; i++) pg_buffer_release(parcel->buffers[i]);
    parcel->count = 0;
}
