/* wire.h - what lies on the rings between the operating-system processes of a program: frames, and message blocks.
 *
 * Everything on a ring is a frame: a header of 32 bytes and a body, padded with zeros to a multiple of 16,
 * contiguous, at a multiple of 16.  The usual message, a short one whose values are all in their words, has a frame
 * of its own kind, a brief: 16 bytes and the values, so that three of them make one cache line, which is what a busy
 * ring has to carry from core to core for each.  What comes from a peer is checked before it means anything, and only
 * after it was copied into private memory, where the peer cannot change it any more: first the header, then the body.
 * Not one byte of what is refused has been used; what is accepted may be read by every function that reads messages.
 *
 * The wire form of a message is its block (message.h) with nothing left to choose: `node` and `flags` are zero,
 * `units` is what the message takes and not what its block happened to have, and the data lie as message.c fills
 * them in, depth first: the text or the elements of each term begin where those of the term before it, with all that
 * lies beneath, have ended, and the message ends with the last of them.  Bytes behind a text are zero, the pairs of
 * a dict ascend.  So two messages are alike when their bytes are, but for the zeros and NaNs that term.h calls
 * equal; one pass checks a message, since no data can be reached by two ways; and nothing leaves that was not sent:
 * the block of a message has bytes behind its end, and a dict that was written out of order has holes, that hold
 * what the memory held before.  pgi_wire_prepare() gives a message this form, by copying the few that do not have
 * it.
 *
 * Whether the bytes of a str are UTF-8 is not asked: a str may hold any bytes (value.h), and printing escapes
 * them. */
#ifndef PGI_WIRE_H
#define PGI_WIRE_H

#include "message.h"
#include "sandbox.h"

typedef struct pgi_frame {
    uint32_t length; /* of the body, in bytes, without its padding */
    uint8_t type;
    uint8_t flags;     /* zero but as told by the type */
    uint8_t buffers;   /* in the parcel that was sent before it (parcel.h): of MESSAGE, SPAWN and PGI_ASK_SPAWN, and of
                        their pieces */
    uint8_t spare;     /* 0 */
    uint64_t to, from; /* pids */
    uint64_t word;
} pgi_frame;

_Static_assert(sizeof(pgi_frame) == 32, "the body follows at a multiple of 16");

/* The types.  Of `to`, `from`, `word` and the body a frame has those that are named behind its type, and the
 * others are zero.  A pid that is named is not null, unless "or none" is said.  (exit, pid) is a message of kind
 * PGI_DOWN. */
enum {
    PGI_F_MESSAGE = 1, /* to; body: a message of kind PGI_USER, PGI_CALL or PGI_REPLY */
    PGI_F_PART,        /* a piece of a body that is longer than a frame may be.  flags: the type of frame that the
                          whole would have been, MESSAGE, TERMINATE, DOWN, SPAWN, or ASK for PGI_ASK_SPAWN; to, from as
                          that has them; word: bytes that are still to come after this piece, 0 in the last; body: a
                          multiple of 16 bytes */
    PGI_F_TERMINATE,   /* to; body: (exit), of kind PGI_TERMINATE */
    PGI_F_DOWN,        /* to, from: the linked process that has ended; body: (exit, pid) */
    PGI_F_LINK,        /* to, from */
    PGI_F_UNLINK,      /* to, from, word: what the answer is to say */
    PGI_F_SPAWN,       /* the first frame to a child; body: pgi_spawn_body */
    PGI_F_ASK,         /* to, from: the address of the question: the node that asks, and a number of its own in the
                          other bits; flags: PGI_ASK_...; PGI_ASK_SPAWN: to: of the hub, but the rest of it that of
                          the process of `from` that is to be linked, if any; body: pgi_spawn_body */
    PGI_F_ANSWER,    /* to: the address of the question; from: a pid, or the status of pgi_refused(); word, to a child:
                          the node that answers, as the hub knows it, 0: the hub, for whatever node; body: (exit, pid),
                          or nothing */
    PGI_F_CANCEL,    /* to, from: as in the question */
    PGI_F_STOP,      /* nothing */
    PGI_F_NODE_DOWN, /* from: a pid of the node; body: (exit, pid) */
    PGI_F_ENDED,     /* from: the first process of the child, which has ended, or another one, which has ended
                        abnormally; body: (exit, pid) */
    PGI_F_GOODBYE,   /* of a child: word: the last generation that its processes had; of the hub, as the answer: nothing
                          comes any more */
    PGI_F_LOG,       /* flags: the pg_log_level; body: the text, at least one byte */
    PGI_F_UNLINKED,  /* to, from, word: as the UNLINK that it answers has them, the other way round */
    PGI_F_TYPES,

    PGI_F_BRIEF /* of a pgi_brief, which is no pgi_frame */
};

/* What is asked. */
enum { PGI_ASK_KILL, PGI_ASK_WHY, PGI_ASK_WAIT, PGI_ASK_SPAWN };

/* A frame that is well-formed so far, but not all of whose bytes can be read. */
enum { PGI_WIRE_PART = 1 };

/* The head of a brief, a message of kind PGI_USER to the process `to`: its values follow, as they lie in a block. */
typedef struct pgi_brief {
    uint32_t length; /* of the values, in bytes: a multiple of 16, at most PGI_BRIEF_MAX */
    uint8_t type;    /* PGI_F_BRIEF, where the other frames have their type */
    uint8_t zero[3];
    uint64_t to;
} pgi_brief;

_Static_assert(sizeof(pgi_brief) == 16, "the values follow at a multiple of 16");
_Static_assert(offsetof(pgi_brief, type) == offsetof(pgi_frame, type), "whoever reads can tell them apart");

/* A ring holds some of these, whatever its size. */
#define PGI_BRIEF_MAX ((uint32_t)240)

/* The bytes of a body with its padding, and those that the whole frame takes of a ring. */
static inline size_t pgi_frame_padded(size_t length)
{
    return (length + 15) & ~(size_t)15;
}

static inline size_t pgi_frame_bytes(const pgi_frame *frame)
{
    return sizeof *frame + pgi_frame_padded(frame->length);
}

/* Judges a header, which was copied from a ring of `capacity` bytes; `readable` bytes of it, from the header's
 * first on, may be read.  PG_OK: the type is known, the frame has the fields of its type and no others, and its
 * bytes are there.  PG_EINVAL: not so.  PGI_WIRE_PART: all of it but the last.  A peer publishes whole frames, so
 * whoever reads a ring takes that for PG_EINVAL too; it is told apart for those who read a stream.  The body is not
 * looked at.  From any thread. */
int pgi_frame_check(const pgi_frame *copy, size_t readable, size_t capacity);

/* The same for a brief, whose type is known: whether it is one, and all of it may be read. */
static inline bool pgi_brief_check(const pgi_brief *copy, size_t readable)
{
    return (copy->zero[0] | copy->zero[1] | copy->zero[2]) == 0 && copy->to != 0 && copy->length <= PGI_BRIEF_MAX &&
           copy->length % PGI_UNIT == 0 && readable >= sizeof *copy + copy->length;
}

/* Makes a message in `block`, from pgi_block_alloc(), of `count` values, which are copied from `values`, where a peer
 * may change them meanwhile.  False: not all of them are in their words, or one is a ptr. */
bool pgi_brief_read(void *block, size_t count, const void *values);

/* Judges the wire form of a message: `bytes` at `block`, in private memory, aligned to 16.  `kind` is the one that is
 * wanted: PGI_USER, of any values, or one of the two with a pg_from; PGI_TERMINATE, (exit); PGI_DOWN, (exit, pid).
 * PG_OK, or PG_EINVAL: another kind, not the form told above, or a ptr, which means nothing elsewhere.  Reads no byte
 * behind `bytes`, each at most once for every level of dicts that it is a key in; recursion is bounded by
 * PG_DEPTH_MAX.  It may refer to the buffers of these `names`.  From any thread. */
int pgi_wire_check(const void *block, size_t bytes, uint8_t kind, const pg_term *names, unsigned named);

/* Makes a block from pgi_block_alloc() that has passed pgi_wire_check() a message to be freed by
 * pgi_message_free(). */
static inline pg_message *pgi_wire_adopt(void *block)
{
    pg_message *message = block;
    message->units = (uint32_t)pgi_block_units(message->units);
    return message;
}

/* Whether a message of this program may be sent to another operating-system process: there is no ptr in it, nor a
 * buffer in an exit. */
bool pgi_wire_may_cross(const pg_message *message);

/* Brings a message that the caller owns into its wire form, all but the header: where that takes a copy, *message
 * is the copy afterwards, and the original has been freed.  `*bytes` are those to be sent, header included.  PG_OK;
 * PG_EINVAL: there is a ptr in it, or a buffer in an exit; PG_ETOOMANY: more than PGI_PARCEL_MAX buffers; PG_ENOMEM;
 * *message is what it was, unless PG_OK.  `cache` is the calling thread's own, or NULL. */
int pgi_wire_prepare(pgi_cache *cache, pg_message **message, size_t *bytes);

/* Whether a message of these values may be sent as a brief; a message of this program's; and the bytes that it takes
 * then. */
bool pgi_brief_fits(size_t count, const pg_value *values);
bool pgi_brief_fits_message(const pg_message *message);

static inline size_t pgi_brief_bytes(size_t count)
{
    return sizeof(pgi_brief) + count * sizeof(pg_value);
}

/* Writes it, to memory as for pgi_wire_write(). */
static inline void pgi_brief_write(uint64_t to, size_t count, const pg_value *values, void *at)
{
    const pgi_brief head = {.length = (uint32_t)(count * sizeof(pg_value)), .type = PGI_F_BRIEF, .to = to};
    pg_value *copy = (pg_value *)((char *)at + sizeof head);
    memcpy(at, &head, sizeof head);
    for (size_t i = 0; i < count; i++) copy[i] = values[i];
}

/* The words of a message's values: those in their words are the same in a message as before. */
static inline const pg_value *pgi_brief_values(const pg_message *message)
{
    _Static_assert(sizeof(pg_value) == sizeof(pg_term), "the same two words");
    return (const pg_value *)(const void *)pgi_message_terms(message);
}

/* Writes `length` bytes of the wire form of a prepared message, from the byte at `offset` on, to `to`, which may be
 * memory that a peer writes to: nothing is read from it.  `bytes` as pgi_wire_prepare() said. */
void pgi_wire_write(const pg_message *message, size_t bytes, size_t offset, void *to, size_t length);

/* The limits of a process (paragram/limits.h), as they travel with its spawn.  All zero: it has none. */
typedef struct pgi_bounds {
    uint64_t max_bytes, alarm; /* a pid */
    int64_t max_slice;
    uint32_t max_messages, high, low;
    uint32_t limited; /* 1: it has some, though all of these be zero */
} pgi_bounds;

/* The body of PGI_F_SPAWN and PGI_ASK_SPAWN.  Behind it lie the name with its NUL, padded with zeros to a multiple of
 * 16, and the arguments, the wire form of a message of kind PGI_USER. */
typedef struct pgi_spawn_body {
    uint64_t target; /* addresses in the program: the code, */
    uint64_t table;  /* and what defines the table of receivers; 0: none */
    pgi_isolation isolation;
    pgi_bounds bounds;
    uint32_t name_length; /* without the NUL; 0: no name */
    uint32_t args_bytes;  /* 0: no arguments */
} pgi_spawn_body;

_Static_assert(sizeof(pgi_spawn_body) == 88, "the name follows without a gap");

/* The bytes of such a body; neither length may exceed UINT32_MAX. */
size_t pgi_wire_spawn_size(size_t name_length, size_t args_bytes);

/* Writes it to `to`, all pgi_wire_spawn_size() bytes, reading nothing there.  `head` says how long the name is and how
 * long the arguments, which were prepared; `name` may be NULL where it is empty, `args` where there are none. */
void pgi_wire_spawn_write(void *to, const pgi_spawn_body *head, const char *name, const pg_message *args);

/* Judges `bytes` at `body`, in private memory, aligned to 16.  PG_OK, or PG_EINVAL: the parts do not make up the
 * body, the name has a NUL in it, or the arguments are no message.  Addresses and pids are not judged: a peer's
 * spawn asks for code that runs in its own kind of place. */
int pgi_wire_spawn_check(const void *body, size_t bytes, const pg_term *names, unsigned count);

/* The name, "" where there is none, and the arguments, NULL where there are none, of a body that has been judged; they
 * lie in it. */
static inline const char *pgi_wire_spawn_name(const pgi_spawn_body *body)
{
    return (const char *)(body + 1);
}

static inline const pg_message *pgi_wire_spawn_args(const pgi_spawn_body *body)
{
    size_t at = pgi_frame_padded(sizeof *body + body->name_length + 1);
    return body->args_bytes != 0 ? (const pg_message *)(const void *)((const char *)body + at) : NULL;
}

#endif
