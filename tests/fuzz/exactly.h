/* exactly.h - for fuzz targets: bytes of an input where AddressSanitizer sees what is read behind their end. */
#ifndef EXACTLY_H
#define EXACTLY_H

#include "check.h"

/* A copy in memory that ends with them; at least one byte, so that it is no NULL.  To be freed. */
static inline void *exactly(const void *data, size_t size)
{
    void *copy = malloc(size != 0 ? size : 1);
    CHECK(copy != NULL);
    if (size != 0) memcpy(copy, data, size);
    return copy;
}

#endif
