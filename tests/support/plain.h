/* plain.h - random values and patterns, and a matcher that is slow and plain: the rules of paragram.h, one after the
 * other, on values that were never made a message.  What compiled patterns and sets of receivers are compared with. */
#ifndef PLAIN_H
#define PLAIN_H

#include <paragram.h>

#include "check.h"

#define LONG_A "a text of more than fourteen bytes, a"
#define LONG_B "a text of more than fourteen bytes, b"

/* The predicate of random patterns. */
bool is_positive(const pg_term *term);

/* What a case is made of; `used` goes back to 0 with each. */
typedef struct world {
    uint64_t random;
    size_t used;
    pg_value cells[1 << 14];
} world;

unsigned draw(world *w, unsigned below);

/* A value, nested at most that deep; one that is a tuple, the form of a message. */
pg_value random_value(world *w, unsigned depth);
pg_value random_message(world *w, unsigned depth);

/* A pattern that often matches the value; one that is a tuple, the form of a receiver's. */
pg_value random_pattern(world *w, pg_value v, unsigned depth);
pg_value random_receiver(world *w, pg_value message, unsigned depth);

bool plainly_matches(pg_value p, pg_value v);

#endif
