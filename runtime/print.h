/* print.h - messages, terms, values and patterns as text, the way one would write them in C.
 *
 *     ("hello", 123, 2.5, true, nil, <pid 1.5.17>, <ref 42>, <ptr 0x1000>, b"ab\x00", (1, 2), [1, 2], {"k": 1},
 *      exit(normal), exit(failed: text), any, etc, int, where(0x4010))
 *
 * A printer writes into a bounded buffer and counts what it could not write, like snprintf.  Control characters,
 * quotes, backslashes and bytes that are no UTF-8 are escaped, so the text is one line.  Floats have the fewest digits
 * that read back as the same, always with a point or an exponent, whatever the locale. */
#ifndef PGI_PRINT_H
#define PGI_PRINT_H

#include "message.h"

typedef struct pgi_print {
    char *buffer;
    size_t size;   /* of buffer; may be 0 */
    size_t length; /* that the text has in full, so far */
    bool stopped;  /* a value was nested too deeply: nothing more is written of it */
    bool brief;    /* what does not fit is not even looked at, nor counted in full: a bounded number of steps, whatever
                      the message has become */
} pgi_print;

/* A printer into `size` bytes at `buffer`, which may be NULL where `size` is 0.  After each of the calls below the
 * buffer holds a terminated string; `length` may exceed what it holds. */
void pgi_print_init(pgi_print *p, char *buffer, size_t size);

void pgi_print_bytes(pgi_print *p, const char *data, size_t length); /* as they are */
void pgi_print_text(pgi_print *p, const char *text);                 /* as it is */
void pgi_print_clean(pgi_print *p, const char *data, size_t length); /* escaped as a string is, without its quotes */
void pgi_print_format(pgi_print *p, const char *format, ...) PG_FORMAT(2, 3); /* each call at most 511 bytes */

void pgi_print_message(pgi_print *p, const pg_message *message);
void pgi_print_term(pgi_print *p, const pg_term *term);
void pgi_print_value(pgi_print *p, pg_value value); /* pattern elements too */
/* In parentheses: a pattern, or a message to be. */
void pgi_print_values(pgi_print *p, size_t count, const pg_value *values);
void pgi_print_pid(pgi_print *p, pg_pid pid); /* <pid node.generation.index>; a null one: <pid none> */

/* "normal", "failed", "unhandled message", ...; "unknown" for what is no kind. */
const char *pgi_exit_kind_name(int kind);

#endif
