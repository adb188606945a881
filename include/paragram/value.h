/* value.h - what a message is made of: values to build with, and their conversion from C.  Included by paragram.h.
 *
 * A pg_value is 16 bytes, passed by value, and owns nothing: a long string, or the elements of a tuple, stay where the
 * program has them until the value is copied into a message.  So a value lives as long as what it was built from; one
 * that is built inside a call of pg_send() lives long enough.  Its two words are private: build values with the
 * functions below or with PG_V(), which chooses one by the type of its argument.
 *
 *   C type                          value          note
 *   bool                            bool           in C17 `true` itself is an int: write PG_TRUE, or (bool)1
 *   every integer type, enums       int            64 bits, signed; an unsigned one above INT64_MAX is refused
 *   float, double                   float          64 bits
 *   char *, const char *            str            to the NUL; NULL is nil
 *   pg_pid, pg_ref                  pid, ref
 *   pg_process *                    pid            the pid of that process: pg_v_process() of sugar.h
 *   const pg_term *                 any            a part of a received message, copied whole
 *   pg_buffer *                     buffer         the memory itself, which is not copied: see SHARED BUFFERS
 *   pg_value                        itself
 *   other pointers                  ptr            a local pointer: the address is sent, not what it points to
 *
 * Layout (the same in memory and on the wire, little-endian): byte 0 is the type.  A scalar has its bits in the second
 * word.  A string of up to 14 bytes lies in bytes 1 to 14, padded with zeros, and byte 15 holds 14 minus its length, so
 * that it is terminated in any case.  What is longer has its length, or its number of elements, in bytes 1 to 7, and
 * the second word leads to the data; byte 15 of a long string is 255. */
#ifndef PARAGRAM_VALUE_H
#define PARAGRAM_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pg_process pg_process; /* a process, as its own code sees it */
typedef struct pg_message pg_message; /* a received message; read-only */
typedef struct pg_term pg_term;       /* a value inside a received message; read-only */
typedef struct pg_buffer pg_buffer;   /* memory that processes of all kinds share; see pg_buffer_new() */

/* Names a process, living or dead, for ever: a pid is never given to another one.  {0} names none. */
typedef struct pg_pid {
    uint64_t id;
} pg_pid;

/* A value equal to no other: pg_make_ref(). */
typedef struct pg_ref {
    uint64_t id;
} pg_ref;

/* Who waits in a pg_call(), and for the answer to what: see paragram/call.h. */
typedef struct pg_from {
    pg_pid pid;
    pg_ref ref;
} pg_from;

typedef struct pg_value {
    uint64_t head;
    uint64_t body;
} pg_value;

typedef enum pg_type {
    PG_T_NIL,
    PG_T_BOOL,
    PG_T_INT,
    PG_T_FLOAT,
    PG_T_STR,
    PG_T_BYTES,
    PG_T_PID,
    PG_T_REF,
    PG_T_TUPLE,
    PG_T_LIST,
    PG_T_DICT,
    PG_T_EXIT,
    PG_T_PTR,
    PG_T_BUFFER,
    /* In patterns only: */
    PG_T_ANY,
    PG_T_ETC,
    PG_T_TYPE,
    PG_T_WHERE,
    /* While building only: */
    PG_T_TERM,
    PG_T_INVALID
} pg_type;

/* Says whether a pattern matches; must not block, send or fail. */
typedef bool (*pg_predicate)(const pg_term *term);

enum { PG_INLINE_MAX = 14 };

#define PG_LONG_MARK (UINT64_C(255) << 56)

static inline pg_value pg_v_make(pg_type type, uint64_t count, uint64_t body)
{
    pg_value v;
    v.head = (uint64_t)type | count << 8;
    v.body = body;
    return v;
}

/* Up to seven bytes from `at` on, as a word, the first one lowest. */
static inline PG_ALWAYS_INLINE uint64_t pg_v_bytes7(const unsigned char *data, size_t length, size_t at)
{
    uint64_t word = 0;
    if (at + 0 < length) word |= (uint64_t)data[at + 0];
    if (at + 1 < length) word |= (uint64_t)data[at + 1] << 8;
    if (at + 2 < length) word |= (uint64_t)data[at + 2] << 16;
    if (at + 3 < length) word |= (uint64_t)data[at + 3] << 24;
    if (at + 4 < length) word |= (uint64_t)data[at + 4] << 32;
    if (at + 5 < length) word |= (uint64_t)data[at + 5] << 40;
    if (at + 6 < length) word |= (uint64_t)data[at + 6] << 48;
    return word;
}

static inline PG_ALWAYS_INLINE pg_value pg_v_text(pg_type type, const void *data, size_t length)
{
    unsigned char cell[16] = {0};
    size_t copied = length & 15; /* the length, on the path that copies: said so that gcc 12 sees it too */
    pg_value v;
    if (length > PG_INLINE_MAX) return pg_v_make(type, length, (uint64_t)(uintptr_t)data | PG_LONG_MARK);
#if defined(__GNUC__)
    /* A literal: both words are constants. Compilers would write its bytes one by one into the value, and whoever reads
     * a whole word of it right afterwards waits until they have all reached the cache. */
    if (__builtin_constant_p(length)) {
        const unsigned char *bytes = (const unsigned char *)data;
        v.head = (uint64_t)type | pg_v_bytes7(bytes, length, 0) << 8;
        v.body = pg_v_bytes7(bytes, length, 7) | (uint64_t)(PG_INLINE_MAX - length) << 56;
        return v;
    }
#endif
    cell[0] = (unsigned char)type;
    if (copied != 0) memcpy(cell + 1, data, copied);
    cell[15] = (unsigned char)(PG_INLINE_MAX - length);
    memcpy(&v, cell, sizeof v);
    return v;
}

static inline pg_value pg_v_nil(void)
{
    return pg_v_make(PG_T_NIL, 0, 0);
}

static inline pg_value pg_v_bool(bool b)
{
    return pg_v_make(PG_T_BOOL, 0, b);
}

static inline pg_value pg_v_int(int64_t i)
{
    return pg_v_make(PG_T_INT, 0, (uint64_t)i);
}

static inline pg_value pg_v_uint(uint64_t i)
{
    return i <= (uint64_t)INT64_MAX ? pg_v_int((int64_t)i) : pg_v_make(PG_T_INVALID, 0, 0);
}

static inline pg_value pg_v_float(double d)
{
    pg_value v = pg_v_make(PG_T_FLOAT, 0, 0);
    memcpy(&v.body, &d, sizeof d);
    return v;
}

static inline PG_ALWAYS_INLINE pg_value pg_v_str(const char *s)
{
    return s ? pg_v_text(PG_T_STR, s, strlen(s)) : pg_v_nil();
}

/* A string of `length` bytes, which may hold any byte, NUL too. */
static inline pg_value pg_strn(const char *s, size_t length)
{
    return pg_v_text(PG_T_STR, s, length);
}

/* `length` bytes that are no text. */
static inline pg_value pg_bytes(const void *data, size_t length)
{
    return pg_v_text(PG_T_BYTES, data, length);
}

static inline pg_value pg_v_pid(pg_pid pid)
{
    return pg_v_make(PG_T_PID, 0, pid.id);
}

static inline pg_value pg_v_ref(pg_ref ref)
{
    return pg_v_make(PG_T_REF, 0, ref.id);
}

static inline pg_value pg_v_ptr(const void *p)
{
    return pg_v_make(PG_T_PTR, 0, (uint64_t)(uintptr_t)p);
}

static inline pg_value pg_v_value(pg_value v)
{
    return v;
}

static inline pg_value pg_v_term(const pg_term *term)
{
    return term ? pg_v_make(PG_T_TERM, 0, (uint64_t)(uintptr_t)term) : pg_v_make(PG_T_INVALID, 0, 0);
}

PG_API pg_value pg_v_buffer(const pg_buffer *buffer);

/* Sequences over `count` values that the caller keeps; a dict's are key, value, key, value, ... */
static inline pg_value pg_tuple_of(size_t count, const pg_value *values)
{
    return pg_v_make(PG_T_TUPLE, count, (uint64_t)(uintptr_t)values);
}

static inline pg_value pg_list_of(size_t count, const pg_value *values)
{
    return pg_v_make(PG_T_LIST, count, (uint64_t)(uintptr_t)values);
}

static inline pg_value pg_dict_of(size_t count, const pg_value *values)
{
    return count % 2 == 0 ? pg_v_make(PG_T_DICT, count, (uint64_t)(uintptr_t)values) : pg_v_make(PG_T_INVALID, 0, 0);
}

/* Pattern elements. */
static inline pg_value pg_p_type(pg_type type)
{
    return pg_v_make(PG_T_TYPE, (uint64_t)type, 0);
}

static inline pg_value pg_p_where(pg_predicate f)
{
    return f ? pg_v_make(PG_T_WHERE, 0, (uint64_t)(uintptr_t)f) : pg_v_make(PG_T_INVALID, 0, 0);
}

#define PG_NIL pg_v_nil()
#define PG_TRUE pg_v_bool(1)
#define PG_FALSE pg_v_bool(0)

#define PG_ANY pg_v_make(PG_T_ANY, 0, 0) /* any one value */
#define PG_ETC pg_v_make(PG_T_ETC, 0, 0) /* last in a tuple, a list or a pattern: the rest, none included */
#define PG_WHERE(f) pg_p_where(f)        /* what the predicate f says yes to */
#define PG_BOOL pg_p_type(PG_T_BOOL)
#define PG_INT pg_p_type(PG_T_INT)
#define PG_FLOAT pg_p_type(PG_T_FLOAT)
#define PG_STR pg_p_type(PG_T_STR)
#define PG_BYTES pg_p_type(PG_T_BYTES)
#define PG_PID pg_p_type(PG_T_PID)
#define PG_REF pg_p_type(PG_T_REF)
#define PG_TUPLE pg_p_type(PG_T_TUPLE)
#define PG_LIST pg_p_type(PG_T_LIST)
#define PG_DICT pg_p_type(PG_T_DICT)
#define PG_EXIT pg_p_type(PG_T_EXIT)
#define PG_PTR pg_p_type(PG_T_PTR)
#define PG_BUFFER pg_p_type(PG_T_BUFFER)

#ifdef __cplusplus
}
#endif

#endif
