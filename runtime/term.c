/* term.c - the order of terms, look-up in dicts, and the accessors of paragram.h with their checks.
 *
 * Called from handlers through the public interface, and by message.c, pattern.c and print.c.  A term is never nested
 * deeper than PG_DEPTH_MAX + 1, which message.c sees to, so recursion here is bounded.
 *
 * A check that fails goes through fail_argument() or fail_term(), both cold, which put the index, the type found, the
 * type wanted and the value into the process's reason.  pg_fail() does not return; with no process the neutral value
 * does. */
#include "term.h"

#include "buffer.h"
#include "message.h"
#include "print.h"

/* ------------------------------------------------------------------------------------------------------- order */

static inline int order(bool less, bool greater)
{
    return (int)greater - (int)less;
}

static inline int compare_numbers(uint64_t a, uint64_t b)
{
    return order(a<b, a> b);
}

static int compare_doubles(double a, double b)
{
    bool a_is_nan = a != a, b_is_nan = b != b;
    if (a_is_nan || b_is_nan) return (int)a_is_nan - (int)b_is_nan;
    return order(a<b, a> b);
}

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int found = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return found != 0 ? found : compare_numbers(a_length, b_length);
}

/* Two scalars of one type. */
static int compare_scalars(pg_type type, uint64_t a, uint64_t b)
{
    double x, y;
    switch (type) {
    case PG_T_FLOAT:
        memcpy(&x, &a, sizeof x);
        memcpy(&y, &b, sizeof y);
        return compare_doubles(x, y);
    case PG_T_INT: return order((int64_t)a<(int64_t)b, (int64_t)a>(int64_t) b);
    default: return compare_numbers(a, b);
    }
}

int pgi_term_compare(const pg_term *a, const pg_term *b)
{
    pg_type type = pgi_term_type(a);
    if (type != pgi_term_type(b)) return compare_numbers(type, pgi_term_type(b));
    if (pgi_in(type, PGI_TEXTS)) {
        size_t a_length, b_length;
        const char *a_text = pgi_term_text(a, &a_length), *b_text = pgi_term_text(b, &b_length);
        return compare_bytes(a_text, a_length, b_text, b_length);
    }
    if (!pgi_in(type, PGI_SEQUENCES)) {
        int found = compare_scalars(type, a->body, b->body);
        return found != 0 ? found : compare_numbers(a->head, b->head); /* of buffers only may they differ */
    }

    size_t count = pgi_term_count(a);
    if (count != pgi_term_count(b)) return compare_numbers(count, pgi_term_count(b));
    const pg_term *x = pgi_term_elements(a), *y = pgi_term_elements(b);
    for (size_t i = 0; i < count; i++) {
        int found = pgi_term_compare(&x[i], &y[i]);
        if (found != 0) return found;
    }
    return 0;
}

bool pgi_term_equal_deep(const pg_term *a, const pg_term *b)
{
    return pgi_term_compare(a, b) == 0;
}

/* A dict in a value has its pairs in any order, and perhaps twice: it is built, and compared then.  Where that fails it
 * equals nothing. */
static int compare_built(const pg_term *term, pg_value value)
{
    pg_message *built;
    if (pgi_message_build(NULL, 1, &value, &built) != PG_OK) return -1;
    int found = pgi_term_compare(term, pgi_message_terms(built));
    pgi_message_free(NULL, built);
    return found;
}

int pgi_term_compare_value(const pg_term *term, pg_value value)
{
    if ((value.head & 0xff) == PG_T_TERM)
        return value.body != 0 ? pgi_term_compare(term, (const pg_term *)(uintptr_t)value.body) : -1;
    if (pgi_value_is_inline(&value) || (value.head & 0xff) == PG_T_BUFFER) {
        pg_term inlined = {value.head, value.body};
        return pgi_term_compare(term, &inlined);
    }
    pg_type type = pgi_term_type(term);
    if (type != (value.head & 0xff)) return compare_numbers(type, value.head & 0xff);

    size_t count = pgi_value_count(value);
    if (pgi_in(type, PGI_TEXTS)) {
        size_t length;
        const char *text = pgi_term_text(term, &length);
        if (value.body < PG_LONG_MARK || pgi_value_text(value) == NULL) return -1;
        return compare_bytes(text, length, pgi_value_text(value), count);
    }
    if (type == PG_T_DICT) return compare_built(term, value);
    if (type != PG_T_TUPLE && type != PG_T_LIST) return -1;
    if (count != pgi_term_count(term)) return compare_numbers(pgi_term_count(term), count);
    if (count != 0 && value.body == 0) return -1;
    const pg_term *x = pgi_term_elements(term);
    const pg_value *y = pgi_value_elements(value);
    for (size_t i = 0; i < count; i++) {
        int found = pgi_term_compare_value(&x[i], y[i]);
        if (found != 0) return found;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- dicts */

static inline int by_term(const pg_term *found, const void *key)
{
    return pgi_term_compare(found, key);
}

static inline int by_value(const pg_term *found, const void *key)
{
    return pgi_term_compare_value(found, *(const pg_value *)key);
}

static inline const pg_term *search(const pg_term *dict, int (*compare)(const pg_term *, const void *), const void *key)
{
    const pg_term *pairs = pgi_term_elements(dict);
    size_t low = 0, high = pgi_term_count(dict) / 2;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int found = compare(&pairs[2 * middle], key);
        if (found == 0) return &pairs[2 * middle + 1];
        if (found < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const pg_term *pgi_dict_find(const pg_term *dict, const pg_term *key)
{
    return search(dict, by_term, key);
}

const pg_term *pgi_dict_find_value(const pg_term *dict, pg_value key)
{
    if (!pgi_value_is_inline(&key)) return search(dict, by_value, &key);
    pg_term inlined = {key.head, key.body};
    return search(dict, by_term, &inlined);
}

/* ------------------------------------------------------------------------------------------------------ checks */

const char *pgi_type_name(unsigned type)
{
    static const char *const names[] = {"nil", "bool",  "int",  "float", "str",  "bytes", "pid",
                                        "ref", "tuple", "list", "dict",  "exit", "ptr",   "buffer",
                                        "any", "etc",   "type", "where", "term"};
    return type < sizeof names / sizeof names[0] ? names[type] : "invalid";
}

/* Fails `self`, if there is one, since the value at `index` of the message, or the term where there is no message, is
 * not `wanted`. */
static PGS_COLD void fail_type(pg_process *self, const pg_message *msg, size_t index, const pg_term *term,
                               const char *wanted)
{
    char text[300];
    if (self == NULL) return;
    if (term == NULL) pg_fail(self, "a term is wanted, %s, but NULL is given", wanted);
    if (msg == NULL) {
        pg_format_term(text, sizeof text, term);
        pg_fail(self, "a term is %s, not %s: %s", pgi_type_name(pgi_term_type(term)), wanted, text);
    }
    pg_format_message(text, sizeof text, msg);
    pg_fail(self, "argument %zu is %s, not %s: %s", index, pgi_type_name(pgi_term_type(term)), wanted, text);
}

static PGS_COLD void fail_index(pg_process *self, const pg_message *msg, size_t index)
{
    char text[300];
    if (self == NULL) return;
    if (msg == NULL) pg_fail(self, "argument %zu of a message that is NULL", index);
    pg_format_message(text, sizeof text, msg);
    pg_fail(self, "argument %zu is asked for, but there %s %u: %s", index, msg->count == 1 ? "is" : "are",
            (unsigned)msg->count, text);
}

/* The same for an element of a term. */
static PGS_COLD void fail_element(pg_process *self, const pg_term *term, size_t index, size_t count)
{
    char text[300];
    if (self == NULL) return;
    pg_format_term(text, sizeof text, term);
    pg_fail(self, "element %zu of a %s is asked for, but it has %zu: %s", index, pgi_type_name(pgi_term_type(term)),
            count, text);
}

/* The term if it is of a type in the set, else a failure or NULL. */
static inline const pg_term *checked(pg_process *self, const pg_term *term, uint32_t set, const char *wanted)
{
    if (likely(term != NULL) && likely(pgi_in(term->head, set))) return term;
    fail_type(self, NULL, 0, term, wanted);
    return NULL;
}

/* The same for a value of a message. */
static inline const pg_term *checked_at(pg_process *self, const pg_message *msg, size_t index, pg_type type)
{
    const pg_term *term = pg_get(self, msg, index);
    if (unlikely(term == NULL)) return NULL;
    if (likely(pgi_term_type(term) == type)) return term;
    fail_type(self, msg, index, term, pgi_type_name(type));
    return NULL;
}

/* ------------------------------------------------------------------------------------------- values of messages */

size_t pg_count(const pg_message *msg)
{
    return msg != NULL ? msg->count : 0;
}

const pg_term *pg_get(pg_process *self, const pg_message *msg, size_t index)
{
    if (likely(msg != NULL) && likely(index < msg->count)) return &pgi_message_terms(msg)[index];
    fail_index(self, msg, index);
    return NULL;
}

int64_t pg_get_int(pg_process *self, const pg_message *msg, size_t index)
{
    const pg_term *term = checked_at(self, msg, index, PG_T_INT);
    return term != NULL ? (int64_t)term->body : 0;
}

double pg_get_float(pg_process *self, const pg_message *msg, size_t index)
{
    const pg_term *term = checked_at(self, msg, index, PG_T_FLOAT);
    return term != NULL ? pgi_term_double(term) : 0;
}

bool pg_get_bool(pg_process *self, const pg_message *msg, size_t index)
{
    const pg_term *term = checked_at(self, msg, index, PG_T_BOOL);
    return term != NULL && term->body != 0;
}

const char *pg_get_str(pg_process *self, const pg_message *msg, size_t index)
{
    size_t length;
    const pg_term *term = checked_at(self, msg, index, PG_T_STR);
    return term != NULL ? pgi_term_text(term, &length) : NULL;
}

const void *pg_get_bytes(pg_process *self, const pg_message *msg, size_t index, size_t *length)
{
    size_t ignored;
    if (length == NULL) length = &ignored;
    *length = 0;
    const pg_term *term = checked_at(self, msg, index, PG_T_BYTES);
    return term != NULL ? pgi_term_text(term, length) : NULL;
}

pg_pid pg_get_pid(pg_process *self, const pg_message *msg, size_t index)
{
    const pg_term *term = checked_at(self, msg, index, PG_T_PID);
    return (pg_pid){term != NULL ? term->body : 0};
}

pg_ref pg_get_ref(pg_process *self, const pg_message *msg, size_t index)
{
    const pg_term *term = checked_at(self, msg, index, PG_T_REF);
    return (pg_ref){term != NULL ? term->body : 0};
}

void *pg_get_ptr(pg_process *self, const pg_message *msg, size_t index)
{
    const pg_term *term = checked_at(self, msg, index, PG_T_PTR);
    return term != NULL ? (void *)(uintptr_t)term->body : NULL;
}

const void *pg_get_buffer(pg_process *self, const pg_message *msg, size_t index, size_t *size)
{
    if (size != NULL) *size = 0;
    const pg_term *term = checked_at(self, msg, index, PG_T_BUFFER);
    return term != NULL ? pg_term_buffer(self, term, size) : NULL;
}

void pg_get_exit(pg_process *self, const pg_message *msg, size_t index, pg_exit_info *exit)
{
    if (exit != NULL) {
        memset(exit, 0, sizeof *exit);
        exit->kind = PG_EXIT_UNKNOWN;
    }
    const pg_term *term = checked_at(self, msg, index, PG_T_EXIT);
    if (term == NULL || exit == NULL) return;
    size_t length;
    const pg_term *parts = pgi_term_elements(term);
    const char *text = pgi_term_text(&parts[1], &length);
    if (length > sizeof exit->text - 1) length = sizeof exit->text - 1;
    memcpy(exit->text, text, length);
    exit->kind = (pg_exit_kind)parts[0].body;
    const pg_term *all = pgi_message_terms(msg), *pid = NULL; /* behind it, or, as monitors are told, before */
    if (index > 0 && pgi_term_type(&all[index - 1]) == PG_T_PID) pid = &all[index - 1];
    if (index + 1 < msg->count && pgi_term_type(&all[index + 1]) == PG_T_PID) pid = &all[index + 1];
    if (pid) exit->pid.id = pid->body;
}

const pg_term *pg_get_error(pg_process *self, const pg_message *msg, size_t index)
{
    const pg_term *term = checked_at(self, msg, index, PG_T_EXIT);
    if (term == NULL) return NULL;
    const pg_term *parts = pgi_term_elements(term);
    return parts[0].body == PG_EXIT_NORMAL ? NULL : &parts[2];
}

/* ------------------------------------------------------------------------------------------------------- terms */

pg_type pg_term_type(const pg_term *term)
{
    return term != NULL ? pgi_term_type(term) : PG_T_INVALID;
}

int64_t pg_term_int(pg_process *self, const pg_term *term)
{
    term = checked(self, term, PGI_BIT(PG_T_INT), "int");
    return term != NULL ? (int64_t)term->body : 0;
}

double pg_term_float(pg_process *self, const pg_term *term)
{
    term = checked(self, term, PGI_BIT(PG_T_FLOAT), "float");
    return term != NULL ? pgi_term_double(term) : 0;
}

bool pg_term_bool(pg_process *self, const pg_term *term)
{
    term = checked(self, term, PGI_BIT(PG_T_BOOL), "bool");
    return term != NULL && term->body != 0;
}

static const char *checked_text(pg_process *self, const pg_term *term, size_t *length, pg_type type)
{
    size_t ignored;
    if (length == NULL) length = &ignored;
    *length = 0;
    term = checked(self, term, PGI_BIT(type), pgi_type_name(type));
    return term != NULL ? pgi_term_text(term, length) : NULL;
}

const char *pg_term_str(pg_process *self, const pg_term *term, size_t *length)
{
    return checked_text(self, term, length, PG_T_STR);
}

const void *pg_term_bytes(pg_process *self, const pg_term *term, size_t *length)
{
    return checked_text(self, term, length, PG_T_BYTES);
}

pg_pid pg_term_pid(pg_process *self, const pg_term *term)
{
    term = checked(self, term, PGI_BIT(PG_T_PID), "pid");
    return (pg_pid){term != NULL ? term->body : 0};
}

pg_ref pg_term_ref(pg_process *self, const pg_term *term)
{
    term = checked(self, term, PGI_BIT(PG_T_REF), "ref");
    return (pg_ref){term != NULL ? term->body : 0};
}

void *pg_term_ptr(pg_process *self, const pg_term *term)
{
    term = checked(self, term, PGI_BIT(PG_T_PTR), "ptr");
    return term != NULL ? (void *)(uintptr_t)term->body : NULL;
}

pg_buffer *pg_buffer_keep(pg_process *self, const pg_term *term)
{
    term = checked(self, term, PGI_BIT(PG_T_BUFFER), "buffer");
    return term != NULL ? pgi_buffer_find(term) : NULL;
}

const void *pg_term_buffer(pg_process *self, const pg_term *term, size_t *size)
{
    if (size != NULL) *size = 0;
    pg_buffer *buffer = pg_buffer_keep(self, term);
    if (buffer == NULL) return NULL;
    const void *data = pgi_buffer_map(buffer);
    size_t bytes = buffer->size;
    pg_buffer_release(buffer); /* the message has another reference */
    if (data == NULL && self != NULL) pg_fail(self, "memory is short: a buffer of %zu bytes cannot be mapped", bytes);
    if (data != NULL && size != NULL) *size = bytes;
    return data;
}

size_t pg_term_count(pg_process *self, const pg_term *term)
{
    term = checked(self, term, PGI_BIT(PG_T_TUPLE) | PGI_BIT(PG_T_LIST) | PGI_BIT(PG_T_DICT), "tuple, list or dict");
    if (term == NULL) return 0;
    return pgi_term_type(term) == PG_T_DICT ? pgi_term_count(term) / 2 : pgi_term_count(term);
}

const pg_term *pg_term_at(pg_process *self, const pg_term *term, size_t index)
{
    term = checked(self, term, PGI_BIT(PG_T_TUPLE) | PGI_BIT(PG_T_LIST), "tuple or list");
    if (term == NULL) return NULL;
    if (likely(index < pgi_term_count(term))) return &pgi_term_elements(term)[index];
    fail_element(self, term, index, pgi_term_count(term));
    return NULL;
}

/* The key (0) or the value (1) of the pair at `index`. */
static const pg_term *checked_pair(pg_process *self, const pg_term *term, size_t index, unsigned part)
{
    term = checked(self, term, PGI_BIT(PG_T_DICT), "dict");
    if (term == NULL) return NULL;
    if (likely(index < pgi_term_count(term) / 2)) return &pgi_term_elements(term)[2 * index + part];
    fail_element(self, term, index, pgi_term_count(term) / 2);
    return NULL;
}

const pg_term *pg_term_key(pg_process *self, const pg_term *term, size_t index)
{
    return checked_pair(self, term, index, 0);
}

const pg_term *pg_term_val(pg_process *self, const pg_term *term, size_t index)
{
    return checked_pair(self, term, index, 1);
}

const pg_term *pg_term_lookup_value(pg_process *self, const pg_term *term, pg_value key)
{
    term = checked(self, term, PGI_BIT(PG_T_DICT), "dict");
    return term != NULL ? pgi_dict_find_value(term, key) : NULL;
}
