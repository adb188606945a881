/* symbol.h - the name of the code at an address, for people: which function, in which module.
 *
 * For backtraces of processes of kind PG_OS, told by the program that they were forked from: what was loaded at the
 * fork lies at the same addresses in both.  A module that only the child has loaded since has no name here, or that of
 * what happens to lie there in this program. */
#ifndef PGI_SYMBOL_H
#define PGI_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pgi_symbol {
    char name[128];  /* of the function; "": unknown */
    char module[64]; /* the last part of the file's name */
    uint64_t offset; /* from the beginning of the function; of the module where the name is unknown */
} pgi_symbol;

/* Finds the code at `address`, whatever that is; false: no module is there.  Reads the module's file, and may allocate:
 * from any thread, but not from a handler of a signal. */
bool pgi_symbol_find(uint64_t address, pgi_symbol *out);

#endif
