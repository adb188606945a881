/* codemap.h - which addresses held which code at one moment.
 *
 * A function's address means the same in two processes if one was forked from the other, and the library that holds the
 * function was loaded before that, and is loaded in both still.  A map is made of all executable segments that the
 * dynamic loader has placed; code that lies elsewhere, generated at run time say, is in none. */
#ifndef PGI_CODEMAP_H
#define PGI_CODEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An executable segment, by its addresses and by the name of what was loaded there. */
typedef struct pgi_segment {
    uintptr_t start, end;
    uint64_t name; /* its hash */
} pgi_segment;

typedef struct pgi_codemap {
    pgi_segment *list;
    size_t n, room;
} pgi_codemap;

/* Maps what is loaded now.  False: memory is short, and the map is empty.  Any thread; a map of its own for each. */
bool pgi_codemap_make(pgi_codemap *map);

/* Leaves an empty map; one that is all zeros is empty. */
void pgi_codemap_free(pgi_codemap *map);

/* The segment of an address; NULL: it lay in none. */
const pgi_segment *pgi_codemap_find(const pgi_codemap *map, uintptr_t address);

/* Whether the same is loaded there now. */
bool pgi_codemap_still(const pgi_segment *segment);

#endif
