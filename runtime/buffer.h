/* buffer.h - shared buffers: memory that messages refer to, and that no message copies.
 *
 * A buffer is a memfd and its mapping.  It is written before it is sent, and by nobody from then on: sending seals it,
 * by F_SEAL_WRITE among others, which the kernel grants only when nobody has it mapped for writing and which nothing
 * takes back.  So whoever gets one may check it and then believe what it has seen.
 *
 * A term does not hold the buffer's address but its name, two words that mean the same in every process of the family
 * and are compared like any scalar: in the head, beside the type, the number of the memfd's inode; in the body 64
 * random bits.  A table of the program leads from names to buffers.  A name gives nothing to who has only guessed it,
 * since it leads to what this process holds already; and one cannot be given to other memory, since whoever gets a
 * descriptor compares its inode.
 *
 * References are counted in each process: one for each pg_buffer that the program has asked for, one for each term of
 * a message.  The last closes the descriptor and takes the mapping away.  Across processes the kernel counts
 * descriptors and mappings, those of the dead included; descriptors that are on their way are counted in their socket.
 *
 * Messages with buffers have PGI_BUFFERS in their flags, by which whoever frees or copies one comes here; the others
 * are never looked through.
 *
 * Invariants:
 *   1. A buffer is in the table from its beginning until its last reference goes; of a name there is one.
 *   2. The count leaves 0 never, and reaches it under the table's lock: who finds a buffer there may take a reference.
 *   3. Each term of a message that has PGI_BUFFERS, and lies in reach, has one reference.
 *   4. What a message refers to is sealed.
 *
 * Rejected: the address in the term (a message would not be its own wire form, and what a peer writes would be used as
 * an address).  Descriptors kept by the hub on behalf of all (the memory of a buffer that two children share would
 * outlive them until the hub knows).  F_SEAL_FUTURE_WRITE, under which the writer could keep its mapping, and write
 * what others have checked.  Sending by /proc/PID/fd (a sandbox has no /proc). */
#ifndef PGI_BUFFER_H
#define PGI_BUFFER_H

#include <pthread.h>

#include "message.h"
#include "sched/atomic.h"

enum {
    PGI_CHARGED_MAX = 256 /* buffers that one child can make this process hold */
};

/* And their bytes, all together. */
#define PGI_CHARGED_BYTES_MAX (UINT64_C(16) << 30)

struct pg_buffer {
    _Atomic(uint32_t) references;
    _Atomic(bool) sealed;
    _Atomic(unsigned char *) data; /* where it is mapped; NULL: nowhere yet, or memory was short */
    pthread_mutex_t lock;          /* for sealing and mapping */

    /* Constant. */
    pg_term name;
    size_t size;
    int fd;
    uint32_t node; /* of the child that it is charged to; 0: none */

    pg_buffer *next; /* in the table; under its lock */
};

/* Takes a reference for each buffer in the message, seals it, and marks the message if there are any: what has come in
 * a parcel need not be in the message.  PG_OK; PG_EINVAL: one is not
 * held by this process, or cannot be sealed; PG_ENOMEM.  Nothing is taken then.  Any thread. */
int pgi_buffers_take(pg_message *message);

/* Gives those references back, when the message is freed.  Any thread. */
void pgi_buffers_drop(const pg_message *message);

/* The buffers of a message, each once, as long as the message lives.  Returns how many there are; more than `most` are
 * not listed. */
unsigned pgi_buffers_list(const pg_message *message, pg_buffer **list, unsigned most);

/* The buffer of this name, with a reference, to be met by pg_buffer_release(); NULL: there is none.  Any thread. */
pg_buffer *pgi_buffer_find(const pg_term *name);

/* Where it can be read; NULL when memory or address space is short.  Any thread that has a reference. */
const void *pgi_buffer_map(pg_buffer *buffer);

/* A buffer that has come from elsewhere, with a reference: one that is here already, or a new one.  `fd` is consumed.
 * With `node`, 0 for the hub, which is believed, comes from whom: what a child claims is compared with what the kernel
 * says of the descriptor.  PG_OK; PG_EINVAL: it is not what is claimed, or not sealed; PG_EFULL: the child has too many
 * here; PG_ENOMEM.  Any thread. */
int pgi_buffer_import(const pg_term *name, uint64_t size, int fd, uint32_t node, pg_buffer **out);

/* In a process that was forked to be the zygote: it holds no buffers, and none of its children does. */
void pgi_buffers_forget(void);

#endif
