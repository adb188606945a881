/* walk.h - reads a message in every way that there is, for tests of what may have come from a peer. */
#ifndef WALK_H
#define WALK_H

#include "paragram.h"

/* Gives the message to every accessor, with every index, prints it and each of its values, compares, matches and
 * copies them, and CHECKs what has to be true of any message.  A sanitizer sees the rest. */
void walk_message(const pg_message *message);

#endif
