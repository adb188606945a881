/* parcel.h - the buffers of a frame, on their way between two operating-system processes.
 *
 * Beside its rings a bridge has a socket, the channel.  Before a frame that refers to buffers a parcel is sent there:
 * one packet with a descriptor, the name and the size of each, and the frame says how many they are.  So frames and
 * parcels are in the same order, a frame that can be read has its parcel waiting, and who reads the one takes the
 * other.  A parcel whose frame is never written, for want of a sender, goes with the socket. */
#ifndef PGI_PARCEL_H
#define PGI_PARCEL_H

#include "buffer.h"

enum {
    PGI_PARCEL_MAX = 32,          /* buffers of a frame */
    PGI_CHANNEL_BYTES = 16 * 1024 /* of a channel, each way: some twenty parcels */
};

typedef struct pgi_parcel {
    unsigned count;
    pg_buffer *buffers[PGI_PARCEL_MAX]; /* a reference of each */
    pg_term names[PGI_PARCEL_MAX];
} pgi_parcel;

/* Sends what the message refers to; *count says how many they are.  PG_OK, also when nobody is there any more to
 * receive it; PG_EFULL: there is no room now; PG_ENOMEM: descriptors cannot be sent now, since too many are on their
 * way.  Does not block.  One thread at a time. */
int pgi_parcel_send(int channel, const pg_message *message, unsigned *count);

/* Receives a parcel of `count` buffers from a child of that node, or with 0 from the hub.  PG_OK: it is to be given
 * back by pgi_parcel_free(), at the latest when the message has references of its own.  PG_EINVAL: there is none, or it
 * is not what it should be.  PG_EFULL: the child has too many buffers here; PG_ENOMEM: descriptors or memory are short;
 * in both cases it is gone.  Does not block.  One thread at a time. */
int pgi_parcel_receive(pgi_parcel *parcel, int channel, unsigned count, uint32_t node);
void pgi_parcel_free(pgi_parcel *parcel);

#endif
