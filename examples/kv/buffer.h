/* buffer.h - bytes that grow: what is to be written to a client, and what has come from one. */
#ifndef KV_BUFFER_H
#define KV_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Somebody else's bytes. */
typedef struct slice {
    const char *data;
    size_t length;
} slice;

/* All zero: an empty one, without memory. */
typedef struct buffer {
    char *data;
    size_t length, capacity;
    bool failed; /* memory was short: something is missing, and what is there must not be used */
} buffer;

bool buffer_reserve(buffer *b, size_t more); /* room for so many more; false: no memory, and it has failed */
void buffer_free(buffer *b);

static inline void buffer_put(buffer *b, const void *data, size_t length)
{
    if (b->capacity - b->length < length && !buffer_reserve(b, length)) return;
    if (length > 0) memcpy(b->data + b->length, data, length);
    b->length += length;
}

static inline void buffer_text(buffer *b, const char *text)
{
    buffer_put(b, text, strlen(text));
}

/* Replies, as RESP2 has them. */
void reply_head(buffer *b, char type, int64_t n); /* type, number, end of line: integers, lengths of arrays */
void reply_bulk(buffer *b, const char *data, size_t length);
void reply_error(buffer *b, const char *text); /* "ERR ...": one line */
void reply_nil(buffer *b);
void reply_ok(buffer *b);

/* A decimal number, of an optional '-' and digits alone, that an int64_t holds; else false. */
bool slice_number(slice s, int64_t *number);

#endif
