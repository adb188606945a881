/* resp.c - see resp.h.  The texts of errors are those that clients know from Redis. */
#include "resp.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static resp_status fail(resp_parser *p, const char *error)
{
    p->error = error;
    return RESP_ERROR;
}

static bool add(resp_parser *p, size_t at, size_t length)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 4;
        slice *args = realloc(p->args, capacity * sizeof *args);
        if (!args) return false;
        p->args = args;
        p->capacity = capacity;
    }
    p->args[p->count++] = (slice){(const char *)at, length};
    return true;
}

static resp_status complete(resp_parser *p, const char *data)
{
    for (size_t i = 0; i < p->count; i++) p->args[i].data = data + (size_t)p->args[i].data;
    return RESP_REQUEST;
}

/* The number behind the byte of a type, and the end of its line: RESP_REQUEST.  `at` is the type's byte. */
static resp_status number(resp_parser *p, const char *data, size_t length, const char *too_long, const char *invalid,
                          int64_t *n)
{
    const char *start = data + p->used + 1, *end = data + length;
    const char *stop = start < end ? memchr(start, '\r', (size_t)(end - start)) : NULL;
    if (!stop || stop + 1 == end) return (size_t)(end - start) > RESP_LINE_MAX ? fail(p, too_long) : RESP_MORE;
    if (!slice_number((slice){start, (size_t)(stop - start)}, n)) return fail(p, invalid);
    p->used = (size_t)(stop + 2 - data);
    return RESP_REQUEST;
}

static resp_status parse_array(resp_parser *p, char *data, size_t length)
{
    if (!p->within) {
        int64_t n;
        resp_status status = number(p, data, length, "ERR Protocol error: too big mbulk count string",
                                    "ERR Protocol error: invalid multibulk length", &n);
        if (status != RESP_REQUEST) return status;
        if (n > RESP_ARGS_MAX) return fail(p, "ERR Protocol error: invalid multibulk length");
        p->missing = n > 0 ? n : 0;
        p->within = true;
    }
    for (; p->missing > 0; p->missing--) {
        if (p->bulk == 0) {
            int64_t n;
            if (p->used == length) return RESP_MORE;
            if (data[p->used] != '$') {
                unsigned char c = (unsigned char)data[p->used];
                snprintf(p->text, sizeof p->text, "ERR Protocol error: expected '$', got '%c'", isprint(c) ? c : '?');
                return fail(p, p->text);
            }
            resp_status status = number(p, data, length, "ERR Protocol error: too big bulk count string",
                                        "ERR Protocol error: invalid bulk length", &n);
            if (status != RESP_REQUEST) return status;
            if (n < 0 || n > RESP_REQUEST_MAX || p->used + (size_t)n + 2 > RESP_REQUEST_MAX) {
                return fail(p, "ERR Protocol error: invalid bulk length");
            }
            p->bulk = n + 1;
        }
        size_t size = (size_t)p->bulk - 1;
        if (length - p->used < size + 2) return RESP_MORE;
        if (!add(p, p->used, size)) return fail(p, "ERR out of memory");
        p->used += size + 2;
        p->bulk = 0;
    }
    return complete(p, data);
}

/* ------------------------------------------------------------------------------------------------------ lines */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

/* One character of a quoted word, at *from; what an escape stands for. */
static char unescape(const char *data, size_t *from, size_t end, bool escapes)
{
    char c = data[(*from)++];
    if (c != '\\' || *from == end) return c;
    if (!escapes) return data[*from] == '\'' ? data[(*from)++] : c;
    char e = data[(*from)++];
    if (e == 'x' && end - *from >= 2 && hex(data[*from]) >= 0 && hex(data[*from + 1]) >= 0) {
        c = (char)(hex(data[*from]) << 4 | hex(data[*from + 1]));
        *from += 2;
        return c;
    }
    return e == 'n' ? '\n' : e == 'r' ? '\r' : e == 't' ? '\t' : e == 'b' ? '\b' : e == 'a' ? '\a' : e;
}

/* One word at *from, written over itself, for it does not grow: false for quotes that do not fit. */
static bool word(resp_parser *p, char *data, size_t *from, size_t end)
{
    size_t start = *from, to = start;
    while (*from < end && !isspace((unsigned char)data[*from])) {
        char quote = data[*from];
        if (quote != '"' && quote != '\'') {
            data[to++] = data[(*from)++];
            continue;
        }
        ++*from;
        while (*from < end && data[*from] != quote) data[to++] = unescape(data, from, end, quote == '"');
        if (*from == end) return false;
        ++*from;
        if (*from < end && !isspace((unsigned char)data[*from])) return false;
    }
    return add(p, start, to - start);
}

static resp_status parse_line(resp_parser *p, char *data, size_t length)
{
    size_t looked = p->used; /* without an end of line */
    const char *newline = memchr(data + looked, '\n', length - looked);
    if (!newline) {
        p->used = length;
        return length > RESP_LINE_MAX ? fail(p, "ERR Protocol error: too big inline request") : RESP_MORE;
    }
    size_t end = (size_t)(newline - data), at = 0;
    if (end > RESP_LINE_MAX) return fail(p, "ERR Protocol error: too big inline request");
    for (;;) {
        while (at < end && isspace((unsigned char)data[at])) at++;
        if (at == end) break;
        if (!word(p, data, &at, end)) return fail(p, "ERR Protocol error: unbalanced quotes in request");
    }
    p->used = (size_t)(newline + 1 - data);
    return complete(p, data);
}

resp_status resp_parse(resp_parser *p, char *data, size_t length)
{
    if (length == 0) return RESP_MORE;
    return data[0] == '*' ? parse_array(p, data, length) : parse_line(p, data, length);
}

void resp_next(resp_parser *p)
{
    p->used = p->count = 0;
    p->missing = p->bulk = 0;
    p->within = false;
}

void resp_free(resp_parser *p)
{
    free(p->args);
    *p = (resp_parser){0};
}
