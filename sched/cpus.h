/* cpus.h - how many processors this process may use: the default number of workers. */
#ifndef PGS_CPUS_H
#define PGS_CPUS_H

#include "base.h"

/* The processors in the calling thread's affinity mask, capped by the CPU quota of the process's cgroup and of each
 * of its ancestors, rounded up; at least 1.  Any thread; reads a handful of files, so it is for start-up. */
unsigned pgs_cpus(void);

/* The two halves, for tests.  pgs_cpus_quota: the tightest quota in processors, rounded up; 0 when there is none, or
 * none that can be read.  `root` stands before every path that is opened: "" on a real machine. */
unsigned pgs_cpus_affinity(void);
unsigned pgs_cpus_quota(const char *root);

#endif
