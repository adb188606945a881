/* message.h - messages: one block each, made by a deep copy of values, and freed by whoever has handled it.
 *
 * A block is a header of 16 bytes, the terms of the message one after the other, and then the data of those that do not
 * fit into their term.  It holds no address of itself, so a copy of its bytes is a copy of the message, and its form in
 * memory is its form on a wire.  The data of one term, with all that lies beneath it, are contiguous and begin with its
 * text or its first element; thus a term of a received message is copied into a new one by one memcpy.
 *
 * Built once, a message is not written to any more, but for `node`, which belongs to the queue that holds it. */
#ifndef PGI_MESSAGE_H
#define PGI_MESSAGE_H

#include "memory.h"
#include "sched/mpsc.h"
#include "term.h"

/* What a message is to the runtime. */
enum {
    PGI_USER,      /* sent by pg_send() */
    PGI_TERMINATE, /* (exit): told to end */
    PGI_DOWN,      /* (exit, pid): a linked process has ended */
    PGI_NEWS,      /* ("down", ref, pid, exit): a monitored process has ended (watch.h) */
    PGI_NOTICE,    /* a signal, or an alarm of a mailbox's (limit.h): as a user's, but that it always comes */
    PGI_RETIRED,   /* no message: the limits of a process that has ended, in the mailbox that it had */
    /* And with one unit more behind its terms, a pg_from: */
    PGI_CALL, /* sent by pg_call(), and who is to be answered */
    PGI_REPLY /* on its way from another node, and to what (call.c); never in a mailbox */
};

/* How its block is owned, in `flags`. */
enum {
    PGI_EMBEDDED = 1, /* part of another object, which gets it back by pgi_embedded_free() */
    PGI_STATIC = 2,   /* for ever */
    PGI_BUFFERS = 4,  /* not its block, but its terms: they have references of buffers (buffer.h) */
    /* What it is to a mailbox: cleared before it is freed. */
    PGI_CONSUMED = 0x10, /* handled, yet still linked in the mailbox: it was the last when it was taken */
    PGI_LOOSE = 0x20,    /* handled, and in no queue: to be freed by whoever drops it */
    PGI_COUNTED = 0x40,  /* it takes room in a mailbox that has limits (limit.h), until it is taken */
    PGI_NO_NEWS = 0x80,  /* of an end that was kept: pgi_end.no_news */
    PGI_IN_MAILBOX = PGI_CONSUMED | PGI_LOOSE | PGI_COUNTED | PGI_NO_NEWS
};

struct pg_message {
    pgs_mpsc_node node;
    uint32_t units; /* of 16 bytes, header included: what the block really has */
    uint16_t count; /* of terms */
    uint8_t kind;
    uint8_t flags;
};

_Static_assert(sizeof(struct pg_message) == 16, "the terms follow at a multiple of 16");
_Static_assert(sizeof(pg_from) == 16, "it takes one unit");

/* The largest block, in units: 64 GiB. */
#define PGI_UNITS_MAX UINT32_MAX

/* A message of no terms, for a process that was given no arguments.  It may be freed, which does nothing. */
extern pg_message pgi_no_args;

static inline const pg_term *pgi_message_terms(const pg_message *message)
{
    return (const pg_term *)(const void *)(message + 1);
}

/* Whether a program has sent it: if it is dropped it is counted. */
static inline bool pgi_message_is_sent(const pg_message *message)
{
    return message->kind == PGI_USER || message->kind >= PGI_CALL;
}

/* The units between its terms and their data. */
static inline size_t pgi_message_extra(const pg_message *message)
{
    return message->kind >= PGI_CALL;
}

/* Where that of a message is which has it. */
static inline const pg_from *pgi_message_from(const pg_message *message)
{
    return (const pg_from *)(const void *)(pgi_message_terms(message) + message->count);
}

/* The message that was put behind another by pgs_mpsc_link(), in a chain that ends with `last`: NULL behind that. */
static inline pg_message *pgi_message_behind(pg_message *message, const pg_message *last)
{
    return message == last ? NULL : container_of(load_relaxed(&message->node.next), pg_message, node);
}

/* Makes a message of kind PGI_USER, a deep copy of `count` values; they may be changed or freed afterwards.
 * `cache` is the calling thread's own, or NULL.  PG_OK; PG_ETOOMANY: more than PG_VALUES_MAX values, or nested deeper
 * than PG_DEPTH_MAX; PG_EINVAL: a value is malformed, or only for patterns, or a buffer
 * that is gone; PG_ENOMEM.  *out is NULL unless PG_OK.  Buffers are sealed. */
int pgi_message_build(pgi_cache *cache, size_t count, const pg_value *values, pg_message **out);

/* The same of kind PGI_CALL or PGI_REPLY. */
int pgi_message_build_call(pgi_cache *cache, uint8_t kind, pg_from from, size_t count, const pg_value *values,
                           pg_message **out);

/* Copies a value that is the term's two words.  False, and nothing useful written: it is another one.
 *
 * The words are kept in two registers by force: senders have stored them one by one just before, and a load of both at
 * once, which compilers like, would find neither whole in the store buffer and wait for the cache. */
static inline bool pgi_copy_inline(pg_term *term, const pg_value *value)
{
    uint64_t head = value->head, body = value->body;
    __asm__("" : "+r"(head), "+r"(body));
    *term = (pg_term){head, body};
    return likely(pgi_words_are_inline(head, body));
}

/* Takes a block of the class from the cache, for `count` terms, and writes its header; NULL: there is none at hand. */
static inline pg_message *pgi_message_take(pgi_cache *cache, unsigned class_index, size_t count)
{
    pgi_rack *rack = &cache->racks[class_index];
    const uint32_t units = 4u << class_index;
    if (PGI_CACHE_OFF || unlikely(count >= units) || unlikely(rack->top == rack->bottom) ||
        unlikely(load_relaxed(&pgi_memory_armed) != 0))
        return NULL;
    pg_message *message = *--rack->top;
    message->units = units;
    message->count = (uint16_t)count;
    message->kind = PGI_USER;
    message->flags = 0;
    return message;
}

/* Undoes the last take. */
static inline void pgi_message_put_back(pgi_cache *cache, unsigned class_index)
{
    cache->racks[class_index].top++; /* it is still there */
}

/* The same of up to three values; what is written is of use only if it is true.  No loop: what it would count takes as
 * long as what it does. */
static inline bool pgi_copy_small(pg_term *term, size_t count, const pg_value *values)
{
    return count == 0 ||
           (pgi_copy_inline(term, values) && (count == 1 || (pgi_copy_inline(term + 1, values + 1) &&
                                                             (count == 2 || pgi_copy_inline(term + 2, values + 2)))));
}

/* The usual message, without a call: up to three values, all of them inline, in a block of the smallest class, which is
 * at hand in the cache.  NULL, and nothing done: it is not one of these. */
static inline pg_message *pgi_message_small(pgi_cache *cache, size_t count, const pg_value *values)
{
    if (unlikely(!values)) return NULL;
    pg_message *message = pgi_message_take(cache, 0, count);
    if (unlikely(!message)) return NULL;
    if (pgi_copy_small((pg_term *)(void *)(message + 1), count, values)) return message;
    pgi_message_put_back(cache, 0);
    return NULL;
}

/* The same of four to seven values, in a block of the next class. */
static inline pg_message *pgi_message_medium(pgi_cache *cache, size_t count, const pg_value *values)
{
    if (unlikely(!values) || unlikely(count < 4)) return NULL;
    pg_message *message = pgi_message_take(cache, 1, count);
    if (unlikely(!message)) return NULL;
    pg_term *term = (pg_term *)(void *)(message + 1);
    bool fits = pgi_copy_inline(term, values) && pgi_copy_inline(term + 1, values + 1) &&
                pgi_copy_inline(term + 2, values + 2) && pgi_copy_inline(term + 3, values + 3);
    for (size_t i = 4; fits && i < count; i++) fits = pgi_copy_inline(term + i, values + i);
    if (likely(fits)) return message;
    pgi_message_put_back(cache, 1);
    return NULL;
}

/* The same of the elements of a tuple; of none where `args` is nil, as a value of zeros is.  PG_EINVAL for anything
 * else. */
int pgi_message_build_args(pgi_cache *cache, pg_value args, pg_message **out);

/* Makes (exit), or (exit, pid) unless the pid is null, of the kind PGI_TERMINATE, PGI_DOWN or PGI_USER.  `text` may be
 * NULL; `error` may be nil, or a term by pg_v_term(); it may be nested PG_DEPTH_MAX deep by itself.  Returns as
 * pgi_message_build(). */
int pgi_message_build_exit(pgi_cache *cache, pg_exit_kind kind, const char *text, pg_value error, pg_pid pid,
                           uint8_t message_kind, pg_message **out);

/* The same with the name of the process that has ended as a fourth part, for those who cannot look it up; NULL:
 * none. */
int pgi_message_build_named_exit(pgi_cache *cache, pg_exit_kind kind, const char *text, pg_value error, pg_pid pid,
                                 const char *name, uint8_t message_kind, pg_message **out);

/* The same into a block that the caller has, of PGI_SIGNAL_BYTES, aligned to 16, as a message of flags PGI_EMBEDDED:
 * the exit whose error is nil.  Of the text only the first PG_INLINE_MAX bytes are kept.  Cannot fail: it is how a
 * process that ends tells those linked to it when memory is short. */
#define PGI_SIGNAL_BYTES ((size_t)96)
pg_message *pgi_signal_build(void *block, pg_exit_kind kind, const char *text, pg_pid pid, uint8_t message_kind);

/* The two of ("down", ref, pid, exit), of kind PGI_NEWS; the block is of PGI_NEWS_BYTES. */
#define PGI_NEWS_BYTES ((size_t)128)
int pgi_message_build_news(pgi_cache *cache, pg_ref ref, pg_pid pid, pg_exit_kind kind, const char *text,
                           pg_value error, pg_message **out);
pg_message *pgi_news_build(void *block, pg_ref ref, pg_pid pid, pg_exit_kind kind, const char *text);

/* A copy of its own block, whatever the original's flags are; PG_ENOMEM. */
int pgi_message_copy(pgi_cache *cache, const pg_message *message, pg_message **out);

/* What pgi_message_free() calls for a message of flags PGI_EMBEDDED; defined by the owner of such blocks. */
void pgi_embedded_free(pg_message *message);

/* The path of pgi_message_free() for messages with flags. */
void pgi_message_free_flagged(pgi_cache *cache, pg_message *message);

/* Frees a message, which no queue holds.  `cache` is the calling thread's own, or NULL; it need not be the one that the
 * message was made with.  `message` may be NULL. */
static inline void pgi_message_free(pgi_cache *cache, pg_message *message)
{
    if (unlikely(message == NULL)) return;
    if (unlikely(message->flags != 0))
        pgi_message_free_flagged(cache, message);
    else
        pgi_block_free(cache, message, message->units);
}

#endif
