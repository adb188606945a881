/* fence.h - the heavy half of an asymmetric pair of fences; the light one is fence_light() in atomic.h.
 *
 * Who does something all the time pays nothing, who asks about it now and then pays for both: fence_heavy() makes every
 * running thread of the program do a full fence at some moment between its call and its return, and one that does not
 * run has done one when it was switched off.  So either a light fence of another thread is before that moment, and what
 * that thread stored before it is visible to all that the caller reads afterwards; or the moment is before the light
 * fence, and what that thread reads after it finds all that was visible before the heavy one.
 *
 * By membarrier(2).  After Desnoyers, McKenney, Stern, Dagenais, Walpole, "User-Level Implementations of Read-Copy
 * Update", IEEE TPDS 23(2), 2012, and Goldblatt, "Asymmetric Fences", ISO C++ paper P1202R5. */
#ifndef PGS_FENCE_H
#define PGS_FENCE_H

#include "atomic.h"
#include "base.h"

#if defined(PGS_MODEL)
#define register_heavy model_register_heavy
#define fence_heavy model_fence_heavy
#else
#define register_heavy pgs_fence_register
#define fence_heavy pgs_fence_heavy

/* The program, not a thread of it, is registered; again is harmless, and costs little.  False: an old kernel, or a
 * filter of calls.  The first time it may take some milliseconds if the program has threads already. */
bool pgs_fence_register(void);

/* A full fence in each thread of the program, the calling one included; some microseconds.  False: the system has
 * refused. */
bool pgs_fence_heavy(void);
#endif

#endif
