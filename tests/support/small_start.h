/* small_start.h - included before an example that Valgrind runs: its runtimes reserve less address space than they
 * would, which Valgrind has not got, and start no zygote, whose system calls it does not know. */
#ifndef SMALL_START_H
#define SMALL_START_H

#include <paragram.h>

static inline pg_runtime *small_start(const pg_options *options)
{
    pg_options small = options ? *options : (pg_options){0};
    small.max_processes = 20000;
    small.no_os = true;
    return pg_start(&small);
}

#define pg_start small_start

#endif
