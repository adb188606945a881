/* print.c - text of messages, terms, values and patterns.
 *
 * Called for reasons of failures, warnings and logs, and by the public pg_format_*().  Everything goes through
 * pgi_print_bytes(), which writes what fits and counts the rest.
 *
 * Values are the caller's, so one may contain itself: at a depth that no message has, the printer stops for good.
 * Without that, a list of two elements that are both itself would take 2^64 steps. */
#include "print.h"

#include "pid.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

/* Terms may be one level deeper than values: an exit does not count where it is the message's own. */
enum { DEEPEST = PG_DEPTH_MAX + 2 };

/* ----------------------------------------------------------------------------------------------------- writing */

void pgi_print_init(pgi_print *p, char *buffer, size_t size)
{
    *p = (pgi_print){.buffer = buffer, .size = buffer != NULL ? size : 0};
    if (p->size != 0) buffer[0] = 0;
}

void pgi_print_bytes(pgi_print *p, const char *data, size_t length)
{
    if (p->length + 1 < p->size) {
        size_t room = p->size - 1 - p->length;
        size_t part = length < room ? length : room;
        memcpy(p->buffer + p->length, data, part);
        p->buffer[p->length + part] = 0;
    }
    p->length += length;
}

void pgi_print_text(pgi_print *p, const char *text)
{
    pgi_print_bytes(p, text, strlen(text));
}

void pgi_print_format(pgi_print *p, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0) pgi_print_bytes(p, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* ----------------------------------------------------------------------------------------------------- strings */

/* The length of the UTF-8 sequence at the start of `s`, 1 to 4; 0: there is none.  After table 3-7 of the Unicode
 * Standard: no overlong forms, no surrogates, nothing above U+10FFFF. */
static size_t utf8_length(const unsigned char *s, size_t available)
{
    unsigned char first = s[0];
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length > available) return 0;
    for (size_t i = 1; i < length; i++) {
        if (s[i] < low || s[i] > high) return 0;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

static void print_escaped(pgi_print *p, unsigned char c)
{
    static const char letters[] = "abtnvfr"; /* 7 to 13 */
    char text[8];
    int length;
    if (c == '"' || c == '\\')
        length = snprintf(text, sizeof text, "\\%c", c);
    else if (c >= 7 && c <= 13)
        length = snprintf(text, sizeof text, "\\%c", letters[c - 7]);
    else
        length = snprintf(text, sizeof text, "\\x%02x", c);
    pgi_print_bytes(p, text, (size_t)length);
}

/* What can be shown as it is goes out in runs, so that a long string is cheap. */
static void print_escaping(pgi_print *p, const char *data, size_t length, bool utf8, bool quoted)
{
    const unsigned char *s = (const unsigned char *)data;
    size_t start = 0, i = 0;
    if (p->brief && length > p->size) length = p->size;
    while (i < length) {
        size_t part = utf8 || s[i] < 0x80 ? utf8_length(s + i, length - i) : 0;
        bool special = s[i] < ' ' || s[i] == 0x7f || (quoted && (s[i] == '"' || s[i] == '\\'));
        if (part > 1 || (part == 1 && !special)) {
            i += part;
            continue;
        }
        pgi_print_bytes(p, data + start, i - start);
        print_escaped(p, s[i]);
        start = ++i;
    }
    pgi_print_bytes(p, data + start, length - start);
}

static void print_quoted(pgi_print *p, const char *data, size_t length, bool utf8)
{
    pgi_print_bytes(p, "\"", 1);
    print_escaping(p, data, length, utf8, true);
    pgi_print_bytes(p, "\"", 1);
}

void pgi_print_clean(pgi_print *p, const char *data, size_t length)
{
    print_escaping(p, data, length, true, false);
}

/* ----------------------------------------------------------------------------------------------------- scalars */

/* Writes `text`, a number as printf gives it, with a point for the decimal point of the host's locale, which may be of
 * several bytes; and with one where it would read as an int. */
static void print_number(pgi_print *p, const char *text)
{
    bool is_float = false, in_point = false;
    char clean[64];
    size_t length = 0;
    for (; *text != 0 && length < sizeof clean - 3; text++) {
        bool point = (*text < '0' || *text > '9') && strchr("+-einfa", *text) == NULL;
        if (!point) clean[length++] = *text;
        if (point && !in_point) clean[length++] = '.';
        is_float = is_float || point || strchr("enf", *text) != NULL;
        in_point = point;
    }
    if (!is_float) {
        clean[length++] = '.';
        clean[length++] = '0';
    }
    pgi_print_bytes(p, clean, length);
}

static void print_double(pgi_print *p, double d)
{
    char text[64];
    if (d != d) {
        pgi_print_text(p, "nan"); /* whatever its sign */
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d) break;
    }
    print_number(p, text);
}

void pgi_print_pid(pgi_print *p, pg_pid pid)
{
    if (pid.id == 0)
        pgi_print_text(p, "<pid none>");
    else
        pgi_print_format(p, "<pid %u.%" PRIu32 ".%" PRIu32 ">", pgi_pid_node(pid), pgi_pid_generation(pid),
                         pgi_pid_index(pid));
}

/* A type whose second word says all. */
static void print_scalar(pgi_print *p, unsigned type, uint64_t body)
{
    double d;
    switch (type) {
    case PG_T_NIL: pgi_print_text(p, "nil"); break;
    case PG_T_BOOL: pgi_print_text(p, body != 0 ? "true" : "false"); break;
    case PG_T_INT: pgi_print_format(p, "%" PRId64, (int64_t)body); break;
    case PG_T_FLOAT:
        memcpy(&d, &body, sizeof d);
        print_double(p, d);
        break;
    case PG_T_PID: pgi_print_pid(p, (pg_pid){body}); break;
    case PG_T_REF: pgi_print_format(p, "<ref %" PRIu64 ">", body); break;
    case PG_T_PTR: pgi_print_format(p, "<ptr 0x%" PRIx64 ">", body); break;
    default: pgi_print_text(p, "<invalid>"); break;
    }
}

/* By the number of its inode: what else is in its name is for those who have it. */
static void print_buffer(pgi_print *p, uint64_t head)
{
    pgi_print_format(p, "<buffer %" PRIu64 ">", head >> 8);
}

/* --------------------------------------------------------------------------------------------------- sequences */

/* What stands around the elements of a sequence. */
static const char *opening(unsigned type)
{
    return type == PG_T_LIST ? "[" : type == PG_T_DICT ? "{" : "(";
}

static const char *closing(unsigned type)
{
    return type == PG_T_LIST ? "]" : type == PG_T_DICT ? "}" : ")";
}

/* What stands before the element at `index`. */
static const char *separator(unsigned type, size_t index)
{
    return index == 0 ? "" : type == PG_T_DICT && index % 2 != 0 ? ": " : ", ";
}

const char *pgi_exit_kind_name(int kind)
{
    static const char *const names[] = {"normal",  "failed", "unhandled message", "unhandled exit", "killed",
                                        "crashed", "unknown"};
    return kind >= 0 && (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

static void print_term(pgi_print *p, const pg_term *term, unsigned depth);

/* exit(kind), exit(kind: text), exit(kind: error) or exit(kind: text, error): without an error that only repeats it. */
static void print_exit(pgi_print *p, const pg_term *parts, unsigned depth)
{
    size_t length;
    const char *text = pgi_term_text(&parts[1], &length);
    if (p->brief && length > p->size) length = p->size;
    bool has_error = pgi_term_type(&parts[2]) != PG_T_NIL && !pgi_term_equal(&parts[1], &parts[2]);
    pgi_print_format(p, "exit(%s", pgi_exit_kind_name((int)parts[0].body));
    if (length != 0 || has_error) pgi_print_text(p, ": ");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 0x7f)
            print_escaped(p, c);
        else
            pgi_print_bytes(p, text + i, 1);
    }
    if (has_error) {
        if (length != 0) pgi_print_text(p, ", ");
        print_term(p, &parts[2], depth + 1);
    }
    pgi_print_text(p, ")");
}

static void print_elements(pgi_print *p, unsigned type, size_t count, const pg_term *elements, unsigned depth)
{
    pgi_print_text(p, opening(type));
    for (size_t i = 0; i < count && !(p->brief && p->length >= p->size); i++) {
        pgi_print_text(p, separator(type, i));
        print_term(p, &elements[i], depth);
    }
    pgi_print_text(p, closing(type));
}

static void print_term(pgi_print *p, const pg_term *term, unsigned depth)
{
    size_t length;
    unsigned type = (unsigned)(term->head & 0xff);
    if (depth > DEEPEST) {
        pgi_print_text(p, "...");
    } else if (pgi_in(type, PGI_TEXTS)) {
        const char *text = pgi_term_text(term, &length);
        if (type == PG_T_BYTES) pgi_print_text(p, "b");
        print_quoted(p, text, length, type == PG_T_STR);
    } else if (type == PG_T_EXIT) {
        print_exit(p, pgi_term_elements(term), depth);
    } else if (pgi_in(type, PGI_SEQUENCES)) {
        print_elements(p, type, pgi_term_count(term), pgi_term_elements(term), depth + 1);
    } else if (type == PG_T_BUFFER) {
        print_buffer(p, term->head);
    } else {
        print_scalar(p, type, term->body);
    }
}

void pgi_print_term(pgi_print *p, const pg_term *term)
{
    if (term == NULL)
        pgi_print_text(p, "<no term>");
    else
        print_term(p, term, 0);
}

void pgi_print_message(pgi_print *p, const pg_message *message)
{
    if (message == NULL)
        pgi_print_text(p, "<no message>");
    else
        print_elements(p, PG_T_TUPLE, message->count, pgi_message_terms(message), 0);
}

/* ---------------------------------------------------------------------------------------------------- patterns */

static void print_value(pgi_print *p, pg_value value, unsigned depth);

static void print_values(pgi_print *p, unsigned type, size_t count, const pg_value *values, unsigned depth)
{
    if (depth > DEEPEST) {
        p->stopped = true;
        pgi_print_text(p, "...");
        return;
    }
    if (values == NULL && count != 0) {
        pgi_print_text(p, "<invalid>");
        return;
    }
    pgi_print_text(p, opening(type));
    for (size_t i = 0; i < count && !p->stopped; i++) {
        pgi_print_text(p, separator(type, i));
        print_value(p, values[i], depth);
    }
    pgi_print_text(p, closing(type));
}

static void print_value_text(pgi_print *p, pg_value value)
{
    char cell[sizeof value];
    bool is_str = (value.head & 0xff) == PG_T_STR;
    size_t length = pgi_value_count(value);
    const char *text = value.body >= PG_LONG_MARK ? pgi_value_text(value) : NULL;
    if (pgi_value_is_inline(&value)) {
        memcpy(cell, &value, sizeof cell);
        length = PG_INLINE_MAX - (size_t)(value.body >> 56);
        text = cell + 1;
    }
    if (text == NULL) {
        pgi_print_text(p, "<invalid>");
        return;
    }
    if (!is_str) pgi_print_text(p, "b");
    print_quoted(p, text, length, is_str);
}

static void print_value(pgi_print *p, pg_value value, unsigned depth)
{
    unsigned type = (unsigned)(value.head & 0xff);
    switch (type) {
    case PG_T_STR:
    case PG_T_BYTES: print_value_text(p, value); break;
    case PG_T_TUPLE:
    case PG_T_LIST:
    case PG_T_DICT: print_values(p, type, pgi_value_count(value), pgi_value_elements(value), depth + 1); break;
    case PG_T_ANY:
    case PG_T_ETC: pgi_print_text(p, pgi_type_name(type)); break;
    case PG_T_TYPE: pgi_print_text(p, pgi_type_name((unsigned)(value.head >> 8 & 0xff))); break;
    case PG_T_BUFFER: print_buffer(p, value.head); break;
    case PG_T_WHERE: pgi_print_format(p, "where(0x%" PRIx64 ")", value.body); break;
    case PG_T_TERM: pgi_print_term(p, (const pg_term *)(uintptr_t)value.body); break;
    default: print_scalar(p, type, value.body); break;
    }
}

void pgi_print_value(pgi_print *p, pg_value value)
{
    p->stopped = false;
    print_value(p, value, 0);
}

void pgi_print_values(pgi_print *p, size_t count, const pg_value *values)
{
    p->stopped = false;
    print_values(p, PG_T_TUPLE, count, values, 0);
}

/* ------------------------------------------------------------------------------------------------------ public */

size_t pg_format_message(char *buffer, size_t size, const pg_message *msg)
{
    pgi_print p;
    pgi_print_init(&p, buffer, size);
    pgi_print_message(&p, msg);
    return p.length;
}

size_t pg_format_term(char *buffer, size_t size, const pg_term *term)
{
    pgi_print p;
    pgi_print_init(&p, buffer, size);
    pgi_print_term(&p, term);
    return p.length;
}

size_t pg_format_value(char *buffer, size_t size, pg_value value)
{
    pgi_print p;
    pgi_print_init(&p, buffer, size);
    pgi_print_value(&p, value);
    return p.length;
}
