/* wire.c - judging frames and messages that a peer has written, and giving messages the form in which they leave.
 *
 * Called by the bridge on both sides of a ring, by the senders of messages that cross one, and by a child that reads
 * its spawn.
 *
 * The check of a message goes through the block with a cursor, as fill() of message.c did when it was built: the
 * data of each term have to begin where the cursor stands, which then moves behind them.  The cursor never goes
 * back, so each byte is judged once, whatever distances a peer writes; that data do not overlap, lie in the block
 * and belong to one term needs no proof beside it.  Keys are compared after both have been judged, which reads the
 * keys of a dict within a key again, once for each level.
 *
 * Rejected: taking blocks as they lie in memory, where the data of a dict that was sorted are in the order in which
 * they were written, with holes.  Showing that its data do not overlap takes sorting them by address, with memory
 * for that, in the reader that trusts nobody; and the bytes in the holes, and behind the end, would be whatever
 * other message had been there.  Rejected too: repairing what is wrong while copying; what a peer of ours has not
 * written is refused. */
#include "wire.h"

#include "parcel.h"

/* ------------------------------------------------------------------------------------------------------- frames */

/* What a field may be. */
enum { ZERO, GIVEN, FREE };

/* What a body may be: none, a multiple of 16 bytes, that or none, a spawn, any bytes. */
enum { NOTHING, BLOCK, MAYBE, SPAWN, TEXT };

typedef struct rule {
    uint8_t to, from, word;
    uint8_t body;
    uint8_t least, most; /* of the flags */
} rule;

/* The smallest block is a header; the smallest spawn has a NUL for a name. */
enum { LEAST_BLOCK = sizeof(pg_message), LEAST_SPAWN = (sizeof(pgi_spawn_body) + 16) & ~15 };

static const rule rules[PGI_F_TYPES] = {
    [PGI_F_MESSAGE] = {GIVEN, ZERO, ZERO, BLOCK, 0, 0},
    [PGI_F_PART] = {FREE, FREE, FREE, BLOCK, PGI_F_MESSAGE, PGI_F_ASK},
    [PGI_F_TERMINATE] = {GIVEN, ZERO, ZERO, BLOCK, 0, 0},
    [PGI_F_DOWN] = {GIVEN, GIVEN, ZERO, BLOCK, 0, 0},
    [PGI_F_LINK] = {GIVEN, GIVEN, ZERO, NOTHING, 0, 0},
    [PGI_F_UNLINK] = {GIVEN, GIVEN, GIVEN, NOTHING, 0, 0},
    [PGI_F_SPAWN] = {ZERO, ZERO, ZERO, SPAWN, 0, 0},
    [PGI_F_ASK] = {GIVEN, GIVEN, ZERO, NOTHING, PGI_ASK_KILL, PGI_ASK_WAIT},
    [PGI_F_ANSWER] = {GIVEN, FREE, FREE, MAYBE, 0, 0},
    [PGI_F_CANCEL] = {GIVEN, GIVEN, ZERO, NOTHING, 0, 0},
    [PGI_F_STOP] = {ZERO, ZERO, ZERO, NOTHING, 0, 0},
    [PGI_F_NODE_DOWN] = {ZERO, GIVEN, ZERO, BLOCK, 0, 0},
    [PGI_F_ENDED] = {ZERO, GIVEN, ZERO, BLOCK, 0, 0},
    [PGI_F_GOODBYE] = {ZERO, ZERO, FREE, NOTHING, 0, 0},
    [PGI_F_LOG] = {ZERO, ZERO, ZERO, TEXT, PG_LOG_FAILED, PG_LOG_WARNING},
    [PGI_F_UNLINKED] = {GIVEN, GIVEN, GIVEN, NOTHING, 0, 0},
};

static const rule ask_to_spawn = {GIVEN, GIVEN, ZERO, SPAWN, PGI_ASK_SPAWN, PGI_ASK_SPAWN};

static inline bool field_fits(uint64_t field, unsigned wanted)
{
    return wanted == FREE || (field != 0) == (wanted == GIVEN);
}

static inline bool length_fits(size_t length, unsigned body)
{
    switch (body) {
    case NOTHING: return length == 0;
    case MAYBE:
        if (length == 0) return true;
        /* fall through */
    case BLOCK: return length >= LEAST_BLOCK && length % 16 == 0;
    case SPAWN: return length >= LEAST_SPAWN && length % 16 == 0;
    default: return length != 0;
    }
}

/* What a piece has beside other frames: the fields of the frame that it is part of, and an end. */
static bool part_fits(const pgi_frame *frame)
{
    const uint64_t longest = (uint64_t)PGI_UNITS_MAX * PGI_UNIT;
    bool spawn = frame->flags == PGI_F_SPAWN || frame->flags == PGI_F_ASK;
    bool message = frame->flags == PGI_F_MESSAGE || frame->flags == PGI_F_TERMINATE || frame->flags == PGI_F_DOWN;
    const rule *whole = frame->flags == PGI_F_ASK ? &ask_to_spawn : &rules[frame->flags];
    if (!spawn && !message) return false;
    if (!field_fits(frame->to, whole->to) || !field_fits(frame->from, whole->from)) return false;
    return frame->word % 16 == 0 && frame->word <= longest - frame->length;
}

/* Frames that have some. */
static bool buffers_fit(const pgi_frame *frame)
{
    uint8_t type = frame->type == PGI_F_PART ? frame->flags : frame->type;
    if (type == PGI_F_ASK && frame->type != PGI_F_PART && frame->flags != PGI_ASK_SPAWN) return false;
    return frame->buffers <= PGI_PARCEL_MAX && (type == PGI_F_MESSAGE || type == PGI_F_SPAWN || type == PGI_F_ASK);
}

int pgi_frame_check(const pgi_frame *copy, size_t readable, size_t capacity)
{
    if (copy->type == 0 || copy->type >= PGI_F_TYPES) return PG_EINVAL;
    const rule *r = &rules[copy->type];
    if (copy->type == PGI_F_ASK && copy->flags == PGI_ASK_SPAWN) r = &ask_to_spawn;
    if (copy->flags < r->least || copy->flags > r->most || copy->spare != 0) return PG_EINVAL;
    if (copy->buffers != 0 && !buffers_fit(copy)) return PG_EINVAL;
    if (!field_fits(copy->to, r->to) || !field_fits(copy->from, r->from) || !field_fits(copy->word, r->word))
        return PG_EINVAL;
    if (!length_fits(copy->length, r->body)) return PG_EINVAL;
    if (copy->type == PGI_F_PART && !part_fits(copy)) return PG_EINVAL;
    if (capacity < sizeof *copy || pgi_frame_padded(copy->length) > capacity - sizeof *copy) return PG_EINVAL;
    return readable >= pgi_frame_bytes(copy) ? PG_OK : PGI_WIRE_PART;
}

/* ------------------------------------------------------------------------------------------------ messages: check */

/* The bytes that have not been judged yet; both ends are multiples of 16. */
typedef struct rest {
    const char *cursor;
    const char *end;
    const pg_term *names; /* of buffers that may be referred to */
    unsigned count;
} rest;

static bool is_named(const pg_term *buffer, const rest *r)
{
    for (unsigned i = 0; i < r->count; i++)
        if (r->names[i].head == buffer->head && r->names[i].body == buffer->body) return true;
    return false;
}

static inline size_t left(const rest *r)
{
    return (size_t)(r->end - r->cursor);
}

/* Whether the terms' words alone say what it is: a scalar that may cross, or a short text, its padding zero. */
static inline bool is_inline(uint64_t head, uint64_t body)
{
    if (!pgi_words_are_inline(head, body)) return false;
    if ((head & 0xfe) != PG_T_STR) return head != PG_T_PTR;
    unsigned length = PG_INLINE_MAX - (unsigned)(body >> 56);
    uint64_t tail = body & PGI_BODY_MASK; /* the text's bytes from the eighth on */
    return length >= 7 ? tail >> 8 * (length - 7) == 0 : (tail | head >> 8 * (length + 1)) == 0;
}

/* As the values of a brief are. */
static inline bool all_inline(const pg_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_inline(values[i].head, values[i].body)) return false;
    return true;
}

/* A text of more than PG_INLINE_MAX bytes. */
static bool check_text(const pg_term *term, rest *r)
{
    size_t length = pgi_term_count(term);
    if (!pgi_term_is_long(term) || length <= PG_INLINE_MAX || length >= left(r)) return false;
    if ((term->body & PGI_BODY_MASK) != (uint64_t)(r->cursor - (const char *)term)) return false;
    r->cursor += length;
    for (size_t i = length % 16; i < 16; i++)
        if (*r->cursor++ != 0) return false;
    return true;
}

/* The pairs have been judged. */
static bool keys_ascend(const pg_term *pairs, size_t count)
{
    for (size_t i = 2; i < count; i += 2)
        if (pgi_term_compare(&pairs[i - 2], &pairs[i]) >= 0) return false;
    return true;
}

/* The parts of an exit, which are three or, with a name, four, have been judged. */
static bool parts_fit(const pg_term *parts, size_t count)
{
    return pgi_term_type(&parts[0]) == PG_T_INT && parts[0].body <= PG_EXIT_UNKNOWN &&
           pgi_term_type(&parts[1]) == PG_T_STR && (count == 3 || pgi_term_type(&parts[3]) == PG_T_STR);
}

/* Terms one after the other, which lie before the cursor; `levels` of nesting are allowed to them. */
static bool check_terms(const pg_term *terms, size_t count, unsigned levels, rest *r)
{
    for (const pg_term *term = terms; term != terms + count; term++) {
        if (is_inline(term->head, term->body)) continue;
        if (pgi_in(term->head, PGI_TEXTS)) {
            if (!check_text(term, r)) return false;
            continue;
        }
        if (pgi_term_type(term) == PG_T_BUFFER) {
            if (!is_named(term, r)) return false;
            continue;
        }
        size_t inner = pgi_term_count(term);
        pg_type type = pgi_term_type(term);
        if (!pgi_in(type, PGI_SEQUENCES) || levels == 0 || inner > left(r) / sizeof(pg_term)) return false;
        if ((type == PG_T_DICT && inner % 2 != 0) || (type == PG_T_EXIT && inner != 3 && inner != 4)) return false;
        if (term->body != (inner != 0 ? (uint64_t)(r->cursor - (const char *)term) : 0)) return false;
        const pg_term *elements = (const pg_term *)(const void *)r->cursor;
        r->cursor += inner * sizeof(pg_term);
        if (!check_terms(elements, inner, levels - 1, r)) return false;
        if (type == PG_T_DICT && !keys_ascend(elements, inner)) return false;
        if (type == PG_T_EXIT && !parts_fit(elements, inner)) return false;
    }
    return true;
}

/* An exit at the top may carry an error that is as deep as any value: pgi_message_build_exit(). */
static bool check_deep(const pg_term *terms, size_t count, rest *r)
{
    for (size_t i = 0; i < count; i++) {
        unsigned levels = pgi_term_type(&terms[i]) == PG_T_EXIT ? PG_DEPTH_MAX + 1 : PG_DEPTH_MAX;
        if (!check_terms(&terms[i], 1, levels, r)) return false;
    }
    return r->cursor == r->end;
}

/* Whether the values are those that the runtime expects in a message of its own. */
static bool kind_fits(const pg_message *message, const pg_term *terms)
{
    if (pgi_message_is_sent(message)) return true;
    if (message->count == 0 || pgi_term_type(&terms[0]) != PG_T_EXIT) return false;
    if (message->kind == PGI_TERMINATE) return message->count == 1;
    return message->kind == PGI_DOWN && message->count == 2 && pgi_term_type(&terms[1]) == PG_T_PID;
}

/* A message whose header has been judged. */
static int check_values(const pg_message *message, size_t bytes, const pg_term *names, unsigned named)
{
    const pg_term *terms = pgi_message_terms(message);
    rest r = {(const char *)(terms + message->count + pgi_message_extra(message)), (const char *)message + bytes, names,
              named};
    return kind_fits(message, terms) && check_deep(terms, message->count, &r) ? PG_OK : PG_EINVAL;
}

/* PG_EINVAL, or: the header is well. */
static inline int check_header(const pg_message *message, size_t bytes, uint8_t kind)
{
    uint64_t node;
    if (bytes < sizeof *message || bytes != (size_t)message->units * PGI_UNIT) return PG_EINVAL;
    memcpy(&node, &message->node, sizeof node);
    bool is_it =
        message->kind == kind || (kind == PGI_USER && (message->kind == PGI_CALL || message->kind == PGI_REPLY));
    if (node != 0 || !is_it || message->flags != 0) return PG_EINVAL;
    return message->count <= PG_VALUES_MAX && message->count + pgi_message_extra(message) < message->units ? PG_OK
                                                                                                           : PG_EINVAL;
}

int pgi_wire_check(const void *block, size_t bytes, uint8_t kind, const pg_term *names, unsigned named)
{
    if (check_header(block, bytes, kind) != PG_OK) return PG_EINVAL;
    return check_values(block, bytes, names, named);
}

bool pgi_brief_read(void *block, size_t count, const void *values)
{
    pg_message *message = block;
    pg_value *copy = (pg_value *)(void *)(message + 1);
    for (size_t i = 0; i < count; i++) memcpy(&copy[i], (const pg_value *)values + i, sizeof *copy);
    fence_compiler(); /* judged below is the copy */
    message->units = (uint32_t)pgi_block_units(1 + count);
    message->count = (uint16_t)count;
    message->kind = PGI_USER;
    message->flags = 0;
    return all_inline(copy, count);
}

/* ----------------------------------------------------------------------------------------------- messages: sending */

/* What a message of this program takes, and whether it lies as it will be sent. */
typedef struct survey {
    const char *cursor;
    size_t units;
    bool dense;
} survey;

/* The data of a term, `bytes` long, have been come upon. */
static inline void note(survey *s, const void *data, size_t bytes)
{
    if (s->cursor != data) s->dense = false;
    s->cursor = (const char *)data + bytes;
    s->units += bytes / PGI_UNIT;
}

/* The bytes of a long text with its NUL and its padding. */
static inline size_t text_bytes(size_t length)
{
    return (length / PGI_UNIT + 1) * PGI_UNIT;
}

/* Adds up what lies beneath the terms; false: there is a ptr. */
static bool survey_terms(const pg_term *terms, size_t count, survey *s)
{
    for (const pg_term *term = terms; term != terms + count; term++) {
        size_t inner;
        if (pgi_in(term->head, PGI_SCALARS)) {
            if (pgi_term_type(term) == PG_T_PTR) return false;
        } else if (pgi_in(term->head, PGI_TEXTS)) {
            const char *text = pgi_term_text(term, &inner);
            if (pgi_term_is_long(term)) note(s, text, text_bytes(inner));
        } else if (pgi_in(term->head, PGI_SEQUENCES) && (inner = pgi_term_count(term)) != 0) {
            const pg_term *elements = pgi_term_elements(term);
            note(s, elements, inner * sizeof(pg_term));
            if (!survey_terms(elements, inner, s)) return false;
        }
    }
    return true;
}

/* Writes the terms at `to`, and what lies beneath them at the cursor, depth first. */
static void pack_terms(pg_term *to, const pg_term *terms, size_t count, char **cursor)
{
    for (const pg_term *term = terms; term != terms + count; term++, to++) {
        bool text = pgi_in(term->head, PGI_TEXTS);
        size_t inner = pgi_term_count(term);
        *to = *term;
        if (text ? !pgi_term_is_long(term) : !pgi_in(term->head, PGI_SEQUENCES) || inner == 0) continue;
        char *data = *cursor;
        to->body = (uint64_t)(data - (char *)to) | (text ? PG_LONG_MARK : 0);
        if (text) {
            size_t bytes = text_bytes(inner);
            memset(data + bytes - PGI_UNIT, 0, PGI_UNIT);
            memcpy(data, pgi_term_text(term, &inner), inner);
            *cursor += bytes;
        } else {
            *cursor += inner * sizeof(pg_term);
            pack_terms((pg_term *)(void *)data, pgi_term_elements(term), inner, cursor);
        }
    }
}

/* A dense copy, in a block of its own; NULL when memory is short. */
static pg_message *pack(pgi_cache *cache, const pg_message *message, size_t units)
{
    pg_message *copy = pgi_block_alloc(cache, units);
    if (copy == NULL) return NULL;
    copy->units = (uint32_t)pgi_block_units(units);
    copy->count = message->count;
    copy->kind = message->kind;
    copy->flags = 0;
    pg_term *terms = (pg_term *)(void *)(copy + 1);
    size_t extra = pgi_message_extra(message);
    char *cursor = (char *)(terms + copy->count + extra);
    if (extra) memcpy(terms + copy->count, pgi_message_from(message), sizeof(pg_from));
    pack_terms(terms, pgi_message_terms(message), copy->count, &cursor);
    pgs_assert(cursor == (char *)copy + units * PGI_UNIT);
    if (unlikely(message->flags & PGI_BUFFERS)) pgi_buffers_take(copy); /* the original has them */
    return copy;
}

bool pgi_brief_fits(size_t count, const pg_value *values)
{
    return likely(count <= PGI_BRIEF_MAX / sizeof *values) && likely(values || count == 0) && all_inline(values, count);
}

bool pgi_brief_fits_message(const pg_message *message)
{
    return likely(message->kind == PGI_USER && message->flags == 0) &&
           pgi_brief_fits(message->count, pgi_brief_values(message));
}

static bool survey_message(const pg_message *message, survey *s)
{
    const pg_term *terms = pgi_message_terms(message);
    size_t count = message->count + pgi_message_extra(message);
    *s = (survey){.cursor = (const char *)(terms + count), .units = 1 + count, .dense = true};
    return survey_terms(terms, message->count, s);
}

/* PG_OK; what pgi_wire_prepare() refuses a message with buffers for. */
static PGS_COLD int check_buffers(const pg_message *message)
{
    pg_buffer *list[PGI_PARCEL_MAX];
    if (!pgi_message_is_sent(message)) return PG_EINVAL;
    return pgi_buffers_list(message, list, PGI_PARCEL_MAX) <= PGI_PARCEL_MAX ? PG_OK : PG_ETOOMANY;
}

bool pgi_wire_may_cross(const pg_message *message)
{
    survey s;
    if (message->flags & PGI_BUFFERS && check_buffers(message) != PG_OK) return false;
    return survey_message(message, &s);
}

int pgi_wire_prepare(pgi_cache *cache, pg_message **message, size_t *bytes)
{
    survey s;
    if (!survey_message(*message, &s)) return PG_EINVAL;
    int status = unlikely((*message)->flags & PGI_BUFFERS) ? check_buffers(*message) : PG_OK;
    if (unlikely(status != PG_OK)) return status;
    *bytes = s.units * PGI_UNIT;
    if (likely(s.dense)) return PG_OK;
    pg_message *copy = pack(cache, *message, s.units);
    if (copy == NULL) return PG_ENOMEM;
    pgi_message_free(cache, *message);
    *message = copy;
    return PG_OK;
}

void pgi_wire_write(const pg_message *message, size_t bytes, size_t offset, void *to, size_t length)
{
    if (offset < sizeof *message && length != 0) {
        pg_message header = {.units = (uint32_t)(bytes / PGI_UNIT), .count = message->count, .kind = message->kind};
        size_t part = sizeof header - offset < length ? sizeof header - offset : length;
        memcpy(to, (const char *)&header + offset, part);
        to = (char *)to + part;
        offset += part;
        length -= part;
    }
    if (length != 0) memcpy(to, (const char *)message + offset, length);
}

/* -------------------------------------------------------------------------------------------------------- spawns */

static inline size_t args_offset(size_t name_length)
{
    return pgi_frame_padded(sizeof(pgi_spawn_body) + name_length + 1);
}

size_t pgi_wire_spawn_size(size_t name_length, size_t args_bytes)
{
    return args_offset(name_length) + args_bytes;
}

void pgi_wire_spawn_write(void *to, const pgi_spawn_body *head, const char *name, const pg_message *args)
{
    size_t name_length = head->name_length, args_at = args_offset(name_length);
    char *at = to;
    memcpy(at, head, sizeof *head);
    at += sizeof *head;
    if (name_length != 0) memcpy(at, name, name_length);
    memset(at + name_length, 0, args_at - sizeof *head - name_length);
    if (head->args_bytes != 0) pgi_wire_write(args, head->args_bytes, 0, (char *)to + args_at, head->args_bytes);
}

int pgi_wire_spawn_check(const void *body, size_t bytes, const pg_term *names, unsigned count)
{
    const pgi_spawn_body *head = body;
    const char *name = pgi_wire_spawn_name(head);
    if (bytes < LEAST_SPAWN) return PG_EINVAL;
    size_t name_length = head->name_length, args_at = args_offset(name_length);
    if (args_at > bytes || bytes - args_at != head->args_bytes) return PG_EINVAL;
    if (memchr(name, 0, name_length) != NULL) return PG_EINVAL;
    for (const char *pad = name + name_length; pad != (const char *)body + args_at; pad++)
        if (*pad != 0) return PG_EINVAL;
    if (head->args_bytes == 0) return PG_OK;
    if (pgi_wire_check((const char *)body + args_at, head->args_bytes, PGI_USER, names, count) != PG_OK)
        return PG_EINVAL;
    return pgi_wire_spawn_args(head)->kind == PGI_USER ? PG_OK : PG_EINVAL;
}
