/* descriptor.h - descriptors that processes wait for: a table by their numbers. */
#ifndef PGI_DESCRIPTOR_H
#define PGI_DESCRIPTOR_H

#include <pthread.h>

#include "process.h"

enum { PGI_DESCRIPTOR_CHUNK = 1 << 12, PGI_DESCRIPTOR_CHUNKS = 1 << 10 };

typedef struct pgi_descriptor pgi_descriptor;

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

/* What a public function returns for an errno. */
static inline int pgi_system_error(int error)
{
    return PG_ESYSTEM - error;
}

#endif
