/* buffer.c - see buffer.h. */
#include "buffer.h"

#include <stdlib.h>

bool buffer_reserve(buffer *b, size_t more)
{
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity - b->length < more) capacity *= 2;
    if (capacity == b->capacity) return true;
    char *data = b->failed ? NULL : realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void buffer_free(buffer *b)
{
    free(b->data);
    *b = (buffer){0};
}

void reply_head(buffer *b, char type, int64_t n)
{
    char text[24], *end = text + sizeof text, *at = end;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (n < 0) *--at = '-';
    *--at = type;
    buffer_put(b, at, (size_t)(end - at));
}

void reply_bulk(buffer *b, const char *data, size_t length)
{
    reply_head(b, '$', (int64_t)length);
    buffer_put(b, data, length);
    buffer_put(b, "\r\n", 2);
}

void reply_error(buffer *b, const char *text)
{
    buffer_put(b, "-", 1);
    buffer_text(b, text);
    buffer_put(b, "\r\n", 2);
}

void reply_nil(buffer *b)
{
    buffer_put(b, "$-1\r\n", 5);
}

void reply_ok(buffer *b)
{
    buffer_put(b, "+OK\r\n", 5);
}

bool slice_number(slice s, int64_t *number)
{
    size_t i = s.length > 0 && s.data[0] == '-';
    bool negative = i;
    uint64_t n = 0, most = (uint64_t)INT64_MAX + negative;
    if (i == s.length || s.length > 20) return false;
    if (s.data[i] == '0' && s.length > 1) return false; /* no "007", no "-0" */
    for (; i < s.length; i++) {
        unsigned digit = (unsigned)(s.data[i] - '0');
        if (digit > 9 || n > (most - digit) / 10) return false;
        n = 10 * n + digit;
    }
    *number = (int64_t)(negative ? 0 - n : n);
    return true;
}
