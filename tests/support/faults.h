/* faults.h - makes one call to the system or the allocator fail, chosen by number: the nth from now on, of any thread
 * and of any operating-system process that has been forked meanwhile.
 *
 * The functions that are meant are those of FAULTS_WRAPPED in tests/CMakeLists.txt.  A test that is linked with
 * --wrap=NAME for each of them calls the ones of faults.c instead, with all objects of the library; what libraries call
 * inside themselves is not seen.  The count lies in memory that processes share.  What is taken and not given back is
 * counted too, in blocks and bytes, by each process for itself.
 *
 * Rejected: libfiu, whose preloaded library chooses by name and likelihood: it knows neither the nth call of all
 * functions together nor memfd_create(), eventfd() and system calls by number, and counts in each process apart. */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum fault_kind {
    FAULT_MEMORY,
    FAULT_MAPPING,
    FAULT_THREAD,
    FAULT_DESCRIPTOR,
    FAULT_FORK,
    FAULT_SYSTEM, /* what else the system may refuse: seccomp, membarrier, limits, ... */
    FAULT_KINDS
} fault_kind;

extern const char *const fault_kind_names[FAULT_KINDS];

/* Once, first thing in main(). */
void faults_begin(void);

/* From now on calls are counted, by all; the nth fails; 0: none.  Forgets what was before. */
void faults_arm(uint64_t nth);

/* Nothing fails or is counted any more. */
void faults_disarm(void);

/* How many calls of a kind were counted since faults_arm(). */
uint64_t faults_counted(fault_kind kind);

/* The function that has failed since faults_arm(), NULL: none yet; and where it was called, as addresses of the
 * program's code. */
const char *faults_injected(void);
size_t faults_where(void **callers, size_t most);

/* From now on each call of this function takes 20 ms longer; NULL: none does. */
void faults_delay(const char *function);

/* What this process holds: blocks of memory, bytes of mappings. */
typedef struct faults_balance {
    int64_t blocks, bytes;
} faults_balance;

faults_balance faults_held(void);

#endif
