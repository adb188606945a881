/* proc.h - processes of a test's own, and others as /proc tells of them, for tests that count what is left over. */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <sys/types.h>

/* Forks a process that calls `life` and ends with exit code 0. */
pid_t proc_start(void (*life)(void));

/* The same, and waits for it, which CHECKs that it has ended so. */
void proc_run(void (*life)(void));

/* A field of /proc/PID/stat, counted as proc(5) does, from 4 on; 0 when there is no such process. */
long proc_stat(pid_t pid, int field);

/* The processes whose parent is `parent`, zombies too: writes at most `max` of them, and returns how many. */
int proc_children(pid_t parent, pid_t *out, int max);

/* How many those are, up to 64. */
int proc_count_children(pid_t parent);

/* The one that there has to be. */
pid_t proc_only_child(pid_t parent);

/* How many descriptors a process has open, how many of those are files in whose name `of` stands, and how many of its
 * mappings are of such ("": of anything).  The last two are 0 when there is no such process. */
int proc_count_fds(pid_t pid);
int proc_count_open(pid_t pid, const char *of);
int proc_count_maps(pid_t pid, const char *of);

/* Its descriptors and mappings of memfds of that name, or of all: "". */
int proc_count_memfds(pid_t pid, const char *name);

/* The number that a line "NAME:  123 kB" of a file of /proc says; -1: there is no such line. */
long proc_number(const char *path, const char *name);

/* What a process has that it could have kept by mistake. */
typedef struct proc_traces {
    int threads, children, fds, maps, memfds;
} proc_traces;

proc_traces proc_traces_of(pid_t pid);

/* Whether there is no such process, not even a zombie. */
bool proc_gone(pid_t pid);

#endif
