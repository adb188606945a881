/* resp.h - requests as Redis clients send them: arrays of bulk strings, or lines of words, one behind another.
 *
 * A parser is asked again as bytes arrive, and goes on where it stopped: however a request is cut into pieces, each
 * byte is looked at once, or, of a line that has not ended, for its end again.  What a client announces allocates
 * nothing; what it has sent does. */
#ifndef KV_RESP_H
#define KV_RESP_H

#include "buffer.h"

enum {
    RESP_LINE_MAX = 64 << 10, /* bytes of a line, as Redis has it */
    RESP_ARGS_MAX = 1 << 20,
    RESP_REQUEST_MAX = 64 << 20 /* bytes of a request in all, and so of a value */
};

typedef enum resp_status {
    RESP_REQUEST, /* a whole one: `args`, and `used` bytes of the data; an empty one has no arguments */
    RESP_MORE,    /* it goes on behind the end of the data */
    RESP_ERROR    /* it is none: `error` says why, as a Redis server does; nothing after it can be understood */
} resp_status;

/* All zero: at the beginning of a request. */
typedef struct resp_parser {
    size_t used;       /* bytes of the request that are understood */
    int64_t missing;   /* arguments that are still to come */
    int64_t bulk;      /* the length of the next one plus 1; 0: not known yet */
    bool within;       /* an array has begun */
    const char *error; /* of RESP_ERROR */
    char text[48];     /* what `error` may point to */
    slice *args;       /* while the request is not complete, `data` is an offset */
    size_t count, capacity;
} resp_parser;

/* `data` begins with the first byte of the request, at each call for it; it may have been moved in between.  The
 * arguments of a whole request point into it; the words of a line are changed in place. */
resp_status resp_parse(resp_parser *p, char *data, size_t length);

/* Behind a whole request: at the beginning of the next one. */
void resp_next(resp_parser *p);

void resp_free(resp_parser *p);

#endif
