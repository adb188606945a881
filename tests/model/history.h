/* history.h - what the explorer keeps of each thread and each place: clocks, and for weak orders the values of a place.
 *
 * Nothing here knows the explorer: functions of what they are given. */
#ifndef HISTORY_H
#define HISTORY_H

#include <string.h>

#include "explorer.h"

/* Values of a place that may still be read; what is older is forgotten, so nobody reads it. */
enum { HISTORY = 16 };

/* Up to which operation of each thread something is: before, by happens-before; and not to be overlooked, which is
 * more, since what is sequentially consistent adds to it. */
struct clock {
    uint32_t at[MODEL_MAX_THREADS];
    uint32_t seen[MODEL_MAX_THREADS];
};

static inline void join(uint32_t *into, const uint32_t *from)
{
    for (int i = 0; i < MODEL_MAX_THREADS; i++) {
        if (from[i] > into[i]) into[i] = from[i];
    }
}

static inline void clock_join(struct clock *into, const struct clock *from)
{
    join(into->at, from->at);
    join(into->seen, from->seen);
}

/* What a place holds. */
static inline uint64_t memory_get(const volatile void *address, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, (const void *)(uintptr_t)address, size);
    return value;
}

static inline void memory_put(volatile void *address, unsigned size, uint64_t value)
{
    memcpy((void *)(uintptr_t)address, &value, size);
}

/* A store that its thread alone sees yet. */
struct buffered {
    volatile void *address;
    uint64_t value;
    unsigned size;
    struct clock release;
};

struct place {
    const volatile void *address;
    uint64_t execution;   /* the entry is of this execution */
    struct clock release; /* atomic: what an acquire load gets */
    struct clock reads;   /* plain: the last read of each thread */
    int writer;           /* plain: the last writer, or MAIN */
    uint32_t written;     /* plain: the writer's clock then */
};

/* Weak: the values of a place, in the order in which they were written. */
struct value {
    uint64_t value;
    struct clock release; /* what an acquire load of it gets */
    int writer;           /* -1: it was there before there were threads */
    uint32_t written;     /* the writer's clock then */
    uint32_t
        first[MODEL_MAX_THREADS]; /* the operation by which each thread wrote it, or read it first; 0: it has not */
};

struct past {
    struct value value[HISTORY];
    int count;
};

/* Begins with what the place holds. */
static inline void past_begin(struct past *past, uint64_t value)
{
    past->count = 1;
    past->value[0] = (struct value){.value = value, .writer = -1};
}

static inline struct value *past_newest(struct past *past)
{
    return &past->value[past->count - 1];
}

/* The oldest value that may still be read by who may overlook nothing in `seen` (coherence), nor in `shown`, unless
 * that is NULL: a value that was written or read by then.  With `fenced`, by the letter of C17, only what was written
 * counts of `shown`, and of `fenced`, which is what fences have shown. */
static inline int past_oldest(const struct past *past, const uint32_t *seen, const uint32_t *shown,
                              const uint32_t *fenced)
{
    for (int i = past->count - 1; i > 0; i--) {
        const struct value *v = &past->value[i];
        for (int t = 0; t < MODEL_MAX_THREADS; t++) {
            uint32_t first = v->first[t];
            if (first && (first <= seen[t] || (shown && !fenced && first <= shown[t]))) return i;
        }
        if (!fenced || v->writer < 0) continue;
        if (v->written <= fenced[v->writer] || (shown && v->written <= shown[v->writer])) return i;
    }
    return 0;
}

/* Written by a thread, by its operation `at`. */
static inline void past_append(struct past *past, uint64_t value, const struct clock *release, int thread, uint32_t at)
{
    if (past->count == HISTORY) memmove(past->value, past->value + 1, sizeof past->value[0] * (size_t)--past->count);
    struct value *v = &past->value[past->count++];
    *v = (struct value){.value = value, .release = *release, .writer = thread, .written = at};
    v->first[thread] = at;
}

#endif
