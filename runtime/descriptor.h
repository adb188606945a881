/* descriptor.h - descriptors that processes wait for: a table by their numbers. */
#ifndef PGI_DESCRIPTOR_H
#define PGI_DESCRIPTOR_H

#include <pthread.h>

#include "process.h"

enum { PGI_DESCRIPTOR_CHUNK = 1 << 12, PGI_DESCRIPTOR_CHUNKS = 1 << 10 };

typedef struct pgi_descriptor pgi_descriptor;

/* What is known of a descriptor, as bits. */
enum {
    PGI_FOLLOWED = 1, /* it is a connection of pg_accept()'s: its source stays armed, and these are true of it: */
    PGI_READABLE = 2, /* something may be there; else what came last has been read, and nothing has come since */
    PGI_SPECIAL = 4   /* it has come to its end, or has urgent data: reading is always worth a try */
};

/* Of a runtime.  What is in it stays until the end: a few bytes for each number that was ever waited for. */
typedef struct pgi_descriptors {
    pthread_mutex_t lock; /* for what is added to the table */
    _Atomic(pgi_descriptor *) chunks[PGI_DESCRIPTOR_CHUNKS];
} pgi_descriptors;

void pgi_descriptors_init(pgi_descriptors *table);

/* When no thread of the scheduler's runs any more. */
void pgi_descriptors_destroy(pgi_descriptors *table);

/* Waits until one of the events (as of poll(2)) may be there, or until the deadline: PG_OK, which is no promise, or an
 * error as of pg_wait_fd().  In the process's own code. */
int pgi_descriptor_wait(pg_process *self, int fd, int events, int64_t deadline);

/* Wakes whoever waits for it: `closed`: to return with EBADF as a system's error; else to look again. */
void pgi_descriptor_wake(pg_runtime *rt, int fd, bool closed);

/* `fd` is a connection that has just been accepted, and is followed from now on, if memory and the kind of socket allow
 * it. */
void pgi_descriptor_accepted(pg_runtime *rt, int fd);

/* The descriptor if it is followed, else NULL. */
pgi_descriptor *pgi_descriptor_followed(pg_runtime *rt, int fd);

/* Before each read of a descriptor that is followed: whether it may find something. */
bool pgi_descriptor_may_read(pgi_descriptor *d);

/* After a read that may have left something. */
void pgi_descriptor_has_more(pgi_descriptor *d);

/* As pgi_descriptor_wait() for POLLIN, when a read has found nothing, or would not. */
int pgi_descriptor_wait_more(pg_process *self, pgi_descriptor *d, int64_t deadline);

/* What a public function returns for an errno. */
static inline int pgi_system_error(int error)
{
    return PG_ESYSTEM - error;
}

#endif
