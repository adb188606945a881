/* on_valgrind.h - RUNNING_ON_VALGRIND, 0 where its header is not installed. */
#ifndef ON_VALGRIND_H
#define ON_VALGRIND_H

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>) && !defined(NVALGRIND)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

#endif
