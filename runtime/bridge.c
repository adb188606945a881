/* bridge.c - see bridge.h: posting letters, writing and reading frames, opening and closing.  What frames mean is said
 * in far.c.
 *
 * A body that is longer than PIECE is written as frames of type PGI_F_PART and a last one of its own type, so that it
 * may be of any length and the ring never has to hold it.  The reader puts it together.
 *
 * Invariants:
 *   1. Frames are written in the order of their letters, and all frames of one letter one after the other.
 *   2. Whoever takes the idle bit of `letters` is the writer, until it is done or has left that to the task: by `left`.
 *      Only the writer touches the writer's half of the rings, `written`, and the letters.  A bridge that is OPEN,
 *      held, and has no writer has no letters.
 *   3. Before the task rests, the ring that it reads has its announcement of sleep, and so has the ring that it writes
 *      if the task is the writer; so the next frame, or room, or what is left to it makes it ready again.
 *   4. An OPEN or BROKEN bridge becomes DEAD once, by pgi_bridge_bury(), and FREE by its task, after the last frame.
 *
 * Rejected: to have the task write all letters (what a process had sent in the moment before its death would be lost
 * with it; and each message to a sleeper would wake two threads).  A lock for the writer (a sender that loses its
 * processor would hold up the others: as it is, they leave their letters to it).  A ring for each pair of children: 200
 * of them would need 40,000. */
#define _GNU_SOURCE /* sched_getcpu */
#include "bridge.h"

#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "child.h"
#include "far.h"
#include "os.h"
#include "parcel.h"
#include "runtime.h"

enum {
    LETTER_UNITS = (sizeof(pgi_letter) + PGI_UNIT - 1) / PGI_UNIT,
    FRAMES_A_SLICE = 128,
    TRIES = 4,   /* of a sender to write what comes meanwhile, too, before the task has to */
    FEW = 16,    /* frames that are better read together with others, where they keep coming */
    PAUSES = 24, /* until some more have come: half a microsecond or one */
    SPINS = 1000 /* looks at an empty ring before sleep, where nothing else is to be done: some microseconds */
};

static uint64_t piece(const pgi_bridge *b)
{
    return (b->rings.writer.mask + 1) / 4;
}

/* ---------------------------------------------------------------------------------------------------------- posting */

static void free_body(const pgi_letter *letter)
{
    pgi_cache *cache = pgi_cache_here(NULL);
    if (unlikely(letter->args)) pgi_message_free(cache, letter->args);
    if (letter->is_message) {
        pgi_message_free(cache, letter->body);
    } else if (letter->body) {
        pgi_free(letter->body, letter->length);
    }
}

static void free_letter(pgs_mpsc_node *node)
{
    if (node) pgi_block_free(pgi_cache_here(NULL), container_of(node, pgi_letter, node), LETTER_UNITS);
}

/* The writer gives its part up.  False: letters have come meanwhile. */
static bool is_done(pgi_bridge *b)
{
    pgs_mpsc_node *released;
    if (!pgs_mpsc_rest(&b->letters, &released)) return false;
    free_letter(released);
    return true;
}

static bool write_directly(pgi_bridge *b, const pgi_letter *frame);
static inline bool write_brief(pgi_bridge *b, uint64_t to, size_t count, const pg_value *values);
static void wake_reader(pgi_bridge *b);
static void go_on(pgi_bridge *b);
static void write_at_once(pgi_bridge *b);

/* Whether the other side may live. */
static inline bool is_open(pgi_bridge *b)
{
    return load_acquire(&b->state) == PGI_BRIDGE_OPEN; /* partner: pgi_bridge_open */
}

/* Whether the caller is the writer from now on, whom no letter is before. */
static inline bool becomes_writer(pgi_bridge *b)
{
    return pgs_mpsc_idle_hint(&b->letters) && pgs_mpsc_claim(&b->letters);
}

/* The writer has written its frame, and gives its part up. */
static inline void conclude(pgi_bridge *b)
{
    bool done = is_done(b);
    if (unlikely(pgs_ring_reader_slept(&b->rings.writer))) wake_reader(b);
    if (unlikely(!done)) write_at_once(b);
}

/* Leaves a letter; `writer`: the caller is. */
static int post_letter(pgi_bridge *bridge, const pgi_letter *frame, bool writer)
{
    int status = PG_OK;
    pgi_letter *letter = pgi_block_alloc(pgi_cache_here(NULL), LETTER_UNITS);
    if (likely(letter)) {
        *letter = *frame;
        add_relaxed(&bridge->queued, sizeof *letter + letter->length);
        writer |= pgs_mpsc_push(&bridge->letters, &letter->node);
        if (!writer) go_on(bridge);
    } else {
        free_body(frame);
        status = PG_ENOMEM;
    }
    if (writer) write_at_once(bridge);
    return status;
}

int pgi_post_frame(pgi_bridge *bridge, const pgi_letter *frame)
{
    bool writer = becomes_writer(bridge);
    if (!writer || unlikely(!write_directly(bridge, frame))) return post_letter(bridge, frame, writer);
    free_body(frame);
    conclude(bridge);
    return PG_OK;
}

/* Writes a brief, if nobody else writes at the moment, and there is room.  *writer: the caller has become the writer,
 * and is it still where nothing was written. */
static inline bool brief_is_written(pgi_bridge *b, pg_pid to, size_t count, const pg_value *values, bool *writer)
{
    *writer = becomes_writer(b);
    if (unlikely(!*writer) || unlikely(!is_open(b)) || unlikely(!write_brief(b, to.id, count, values))) return false;
    conclude(b);
    return true;
}

static int post_brief_letter(pgi_bridge *b, pg_pid to, pg_message *msg, bool writer)
{
    const pgi_letter frame = {
        .type = PGI_F_BRIEF, .to = to.id, .body = msg, .length = pgi_brief_bytes(msg->count), .is_message = true};
    return post_letter(b, &frame, writer);
}

int pgi_post_message(pgi_bridge *bridge, pg_pid to, pg_message *msg)
{
    bool writer;
    if (!pgi_brief_fits_message(msg)) return pgi_post(bridge, PGI_F_MESSAGE, to, (pg_pid){0}, 0, msg);
    if (!brief_is_written(bridge, to, msg->count, pgi_brief_values(msg), &writer))
        return post_brief_letter(bridge, to, msg, writer);
    pgi_message_free(pgi_cache_here(NULL), msg);
    return PG_OK;
}

int pgi_post_brief(pgi_bridge *bridge, pg_pid to, size_t count, const pg_value *values)
{
    bool writer;
    if (likely(brief_is_written(bridge, to, count, values, &writer))) return PG_OK;
    pg_message *msg;
    int status = pgi_message_build(pgi_cache_here(NULL), count, values, &msg);
    if (status == PG_OK) return post_brief_letter(bridge, to, msg, writer);
    if (writer) conclude(bridge);
    return status;
}

int pgi_post(pgi_bridge *bridge, uint8_t type, pg_pid to, pg_pid from, uint64_t word, pg_message *body)
{
    size_t length = 0;
    if (body) {
        int status = pgi_wire_prepare(pgi_cache_here(NULL), &body, &length);
        if (unlikely(status != PG_OK)) {
            pgi_message_free(pgi_cache_here(NULL), body);
            return status;
        }
    }
    return pgi_post_frame(bridge, &(pgi_letter){.type = type,
                                                .to = to.id,
                                                .from = from.id,
                                                .word = word,
                                                .body = body,
                                                .length = length,
                                                .is_message = true});
}

void pgi_bridge_wake(pgi_bridge *bridge)
{
    /* Partner: work; before the claim, for a task that is about to rest; see pgs_mpsc_claim. */
    store_release(&bridge->news, true);
    if (pgs_mpsc_claim(&bridge->process.mailbox)) pgs_ready(bridge->process.rt->sched, &bridge->process.sleeper.task);
}

/* ---------------------------------------------------------------------------------------------------------- writing */

static void ring_bell(int bell)
{
    static const uint64_t one = 1; /* to a pipe: eight bytes that say nothing */
    ssize_t written = write(bell, &one, sizeof one);
    (void)written; /* full: it has been rung and not heard, which is as good */
}

/* The processor that this runs on, plus one. */
static uint32_t here(void)
{
    return (uint32_t)sched_getcpu() + 1;
}

/* Wakes a reader that has announced its sleep.  One that slept on this processor has to wait for it. */
static PGS_COLD void wake_reader(pgi_bridge *b)
{
    ring_bell(b->bell_out);
    pgs_worker *w = pgs_worker_self();
    if (w && pgs_ring_reader_place(&b->rings.writer) == here()) pgs_worker_give_way(w);
}

/* What the frame refers to buffers by; NULL: it refers to none. */
static inline const pg_message *buffers_of(const pgi_letter *letter)
{
    const pg_message *with = letter->is_message ? letter->body : letter->args;
    return unlikely(with && with->flags & PGI_BUFFERS) ? with : NULL;
}

/* Sends what the letter's frames refer to, before the first of them.  PG_OK; PG_EFULL: there is no room now;
 * PG_ENOMEM. */
static int send_parcel(pgi_bridge *b, const pgi_letter *letter)
{
    const pg_message *with = buffers_of(letter);
    if (likely(!with) || b->parcel > 0) return PG_OK;
    unsigned count;
    int status = pgi_parcel_send(b->channel, with, &count);
    if (status == PG_OK) b->parcel = count;
    b->crowded = status == PG_EFULL;
    return status;
}

/* Writes a brief.  False: there is no room now. */
static inline bool write_brief(pgi_bridge *b, uint64_t to, size_t count, const pg_value *values)
{
    void *at = pgs_ring_reserve(&b->rings.writer, pgi_brief_bytes(count));
    if (!at) return false;
    pgi_brief_write(to, count, values, at);
    pgs_ring_commit(&b->rings.writer, pgi_brief_bytes(count));
    return true;
}

/* Writes the next frame of a letter.  False: there is no room now. */
static bool write_frame(pgi_bridge *b, const pgi_letter *letter)
{
    if (likely(letter->type == PGI_F_BRIEF)) {
        const pg_message *msg = letter->body;
        bool written = write_brief(b, letter->to, msg->count, pgi_brief_values(msg));
        if (written) b->written = letter->length;
        return written;
    }
    uint64_t left = letter->length - b->written;
    uint64_t length = left <= piece(b) ? left : piece(b);
    bool part = letter->length > piece(b);
    size_t size = sizeof(pgi_frame) + pgi_frame_padded(length);
    unsigned char *at = pgs_ring_reserve(&b->rings.writer, size);
    if (!at) return false;
    *(pgi_frame *)(void *)at = (pgi_frame){.length = (uint32_t)length,
                                           .type = part ? PGI_F_PART : letter->type,
                                           .flags = part ? letter->type : letter->flags,
                                           .buffers = (uint8_t)b->parcel,
                                           .to = letter->to,
                                           .from = letter->from,
                                           .word = part ? left - length : letter->word};
    if (length > 0) {
        unsigned char *body = at + sizeof(pgi_frame);
        if (letter->is_message) {
            pgi_wire_write(letter->body, letter->length, b->written, body, length);
        } else {
            memcpy(body, (const char *)letter->body + b->written, length);
        }
        if (length % PGI_UNIT != 0) memset(body + length, 0, pgi_frame_padded(length) - length);
    }
    pgs_ring_commit(&b->rings.writer, size);
    b->written += length;
    return true;
}

/* The next letter, behind the last one that was written: NULL: there is none. */
static pgi_letter *next_letter(pgi_bridge *b)
{
    pgs_mpsc_node *node = pgs_mpsc_peek(&b->letters);
    return node ? container_of(node, pgi_letter, node) : NULL;
}

static void finish_letter(pgi_bridge *b, pgi_letter *letter)
{
    sub_relaxed(&b->queued, sizeof *letter + letter->length);
    free_body(letter);
    letter->body = NULL; /* it stays in the queue as its head, maybe until pgi_bridge_destroy() */
    letter->args = NULL;
    b->written = 0;
    b->parcel = 0;
    free_letter(pgs_mpsc_advance(&b->letters, &letter->node));
}

/* Its buffers cannot be sent. */
static PGS_COLD void lose_letter(pgi_bridge *b, pgi_letter *letter)
{
    if (letter->type == PGI_F_SPAWN) { /* a child is not to wait for its first process for ever */
        store_relaxed(&b->lost, true);
        pgi_bridge_wake(b);
    }
    pgi_far_refuse(b->process.rt, letter->type, letter->flags, (pg_pid){letter->to}, (pg_pid){letter->from});
    finish_letter(b, letter);
}

typedef enum outcome {
    DONE, /* all is written, and the caller is the writer no more */
    MORE, /* enough for once */
    FULL  /* there is no room */
} outcome;

/* The writer only. */
static outcome write_letters(pgi_bridge *b)
{
    unsigned frames = 0;
    outcome result = MORE;
    pgi_letter *letter;
    while (result == MORE && frames < FRAMES_A_SLICE && (letter = next_letter(b)) != NULL) {
        int status = send_parcel(b, letter);
        if (unlikely(status == PG_ENOMEM)) {
            lose_letter(b, letter);
        } else if (status != PG_OK || !write_frame(b, letter)) {
            result = FULL;
        } else {
            frames++;
            if (b->written == letter->length) finish_letter(b, letter);
        }
    }
    if (frames > 0 && pgs_ring_reader_sleeps(&b->rings.writer)) wake_reader(b);
    if (result == FULL || next_letter(b)) return result;
    pgs_parker *idle = load_acquire(&b->idle); /* partner: child.c */
    if (is_done(b)) result = DONE;
    if (idle && result == DONE) pgs_parker_unpark(idle);
    return result;
}

/* A frame that no letter is before, without a letter.  False: it is long, or has buffers, or there is no room.  The
 * writer only. */
static bool write_directly(pgi_bridge *b, const pgi_letter *frame)
{
    if (!is_open(b) || frame->length > piece(b)) return false;
    if (buffers_of(frame)) return false; /* they may have to wait for room of their own */
    if (!write_frame(b, frame)) return false;
    b->written = 0;
    return true;
}

/* What whoever posted is made to do who found no writer: so his letter lies in the ring when he goes on, and arrives
 * even if he dies at his next instruction.  What would keep him is left to the task. */
static void write_at_once(pgi_bridge *b)
{
    outcome written = MORE;
    for (int i = 0; i < TRIES && written == MORE && is_open(b); i++) written = write_letters(b);
    if (written == DONE) return;
    store_release(&b->left, true); /* partner: is_writer */
    pgi_bridge_wake(b);
}

/* Whether the task is the writer: what somebody has left to it. */
static bool is_writer(pgi_bridge *b)
{
    return load_acquire(&b->left); /* partner: write_at_once */
}

/* The task may rest and wait for room that there is already: its worker, if it is the caller's, hears the bell late. */
static void go_on(pgi_bridge *b)
{
    if (!is_writer(b) || !pgs_mpsc_idle_hint(&b->process.mailbox)) return;
    if (pgs_ring_writer_may_go_on(b->rings.writer.shared)) pgi_bridge_wake(b);
}

/* Nobody reads them any more. */
static void drop_letters(pgi_bridge *b)
{
    if (!is_writer(b) && !pgs_mpsc_claim(&b->letters)) return; /* somebody else is, and leaves it to the task */
    store_relaxed(&b->left, false);
    do {
        pgi_letter *letter;
        while ((letter = next_letter(b)) != NULL) {
            pgi_far_refuse(b->process.rt, letter->type, letter->flags, (pg_pid){letter->to}, (pg_pid){letter->from});
            finish_letter(b, letter);
        }
    } while (!is_done(b));
}

/* ---------------------------------------------------------------------------------------------------------- reading */

static void drop_parts(pgi_bridge *b)
{
    if (b->parts) pgi_block_free(NULL, b->parts, b->parts_size / PGI_UNIT);
    b->parts = NULL;
    b->parts_length = b->parts_size = 0;
}

/* Makes room for the next piece.  Memory is had as pieces come, so that a false promise costs nothing. */
static bool grow_parts(pgi_bridge *b, uint64_t needed, uint64_t whole)
{
    if (b->parts && needed <= b->parts_size) return true;
    uint64_t size = 4 * b->parts_size > needed ? 4 * b->parts_size : needed;
    if (size > whole) size = whole;
    size_t units = pgi_frame_padded(size) / PGI_UNIT;
    unsigned char *larger = pgi_block_alloc(NULL, units);
    if (!larger) return false;
    if (b->parts) memcpy(larger, b->parts, b->parts_length);
    uint64_t length = b->parts_length;
    drop_parts(b);
    b->parts = larger;
    b->parts_length = length;
    b->parts_size = units * PGI_UNIT;
    return true;
}

/* A piece of a long body.  NULL: it is well and more is to come, or it is not and the bridge is broken. */
static void *add_part(pgi_bridge *b, const pgi_frame *frame, const void *body, uint64_t *whole)
{
    *whole = b->parts_length + frame->length + frame->word;
    if (frame->word > (uint64_t)PGI_UNITS_MAX * PGI_UNIT || *whole > (uint64_t)PGI_UNITS_MAX * PGI_UNIT) {
        pgi_bridge_break(b, "a message that is too long");
        return NULL;
    }
    if (!b->parts) b->parts_whole = *whole;
    if (*whole != b->parts_whole) { /* a block that is freed as smaller than it was made is the end of the heap */
        pgi_bridge_break(b, "pieces that do not fit");
        return NULL;
    }
    if (!grow_parts(b, b->parts_length + frame->length, *whole)) {
        pgi_bridge_break(b, "memory is short for a message");
        return NULL;
    }
    memcpy(b->parts + b->parts_length, body, frame->length);
    b->parts_length += frame->length;
    if (frame->word > 0) return NULL;
    void *block = b->parts;
    b->parts = NULL;
    b->parts_length = b->parts_size = 0;
    return block;
}

/* Copies the body of a frame, and acts on it. */
static void read_frame(pgi_bridge *b, const pgi_frame *frame, const void *body)
{
    pgi_frame whole = *frame;
    uint64_t length = frame->length;
    void *block = NULL;
    if (frame->type == PGI_F_PART) {
        block = add_part(b, frame, body, &length);
        if (!block) return;
        whole.type = frame->flags;
        whole.flags = whole.type == PGI_F_ASK ? PGI_ASK_SPAWN : 0; /* the one with a body */
    } else if (b->parts) {
        pgi_bridge_break(b, "half a message");
        return;
    } else if (length > 0) {
        block = pgi_block_alloc(pgi_cache_here(NULL), pgi_frame_padded(length) / PGI_UNIT);
        if (!block) {
            pgi_bridge_break(b, "memory is short for a message");
            return;
        }
        memcpy(block, body, length);
    }
    if (!pgi_far_deliver(b, &whole, block, length)) pgi_bridge_break(b, "a malformed frame");
}

/* A brief, of which that many bytes can be read: its message is put to the bunch.  Returns the bytes that it takes. */
static inline size_t read_brief(pgi_bridge *b, pgi_cache *cache, pgi_bunch *bunch, const pgi_brief *frame, size_t bytes)
{
    pgi_brief head = *frame;
    fence_compiler(); /* the frame may change under our eyes */
    size_t count = head.length / sizeof(pg_term);
    if (unlikely(!pgi_brief_check(&head, bytes)) || unlikely(b->parts)) {
        pgi_bridge_break(b, b->parts ? "half a message" : "a malformed frame");
        return bytes;
    }
    pg_message *msg = pgi_block_alloc(cache, 1 + count);
    if (unlikely(!msg)) {
        pgi_bridge_break(b, "memory is short for a message");
    } else if (unlikely(!pgi_brief_read(msg, count, frame + 1))) {
        pgi_message_free(cache, msg);
        pgi_bridge_break(b, "a malformed frame");
    } else {
        pgi_far_deliver_brief(b, bunch, (pg_pid){head.to}, msg);
    }
    return sizeof head + head.length;
}

/* The same for any other frame, which is acted on at once. */
static size_t read_other(pgi_bridge *b, const void *frame, size_t bytes)
{
    pgi_frame head;
    if (bytes < sizeof head) {
        pgi_bridge_break(b, "half a frame");
        return bytes;
    }
    memcpy(&head, frame, sizeof head);
    fence_compiler(); /* as above */
    if (pgi_frame_check(&head, bytes, b->rings.reader.mask + 1) != PG_OK) {
        pgi_bridge_break(b, "a malformed frame");
    } else {
        read_frame(b, &head, (const pgi_frame *)frame + 1);
    }
    return pgi_frame_bytes(&head);
}

/* Returns the frames read. */
static unsigned read_frames(pgi_bridge *b)
{
    pgi_cache *cache = pgi_cache_here(NULL);
    pgi_bunch bunch = {0};
    unsigned frames = 0;
    size_t ready, done = 0;
    const char *at = pgs_ring_peek(&b->rings.reader, &ready);
    while (frames < FRAMES_A_SLICE && at && done < ready && !b->rings.reader.broken) {
        const pgi_brief *frame = (const void *)(at + done);
        if (likely(frame->type == PGI_F_BRIEF)) {
            done += read_brief(b, cache, &bunch, frame, ready - done);
        } else {
            pgi_far_deliver_bunch(b, &bunch);
            done += read_other(b, frame, ready - done);
        }
        frames++;
    }
    pgi_far_deliver_bunch(b, &bunch);
    if (done > 0 && !b->rings.reader.broken) {
        pgs_ring_release(&b->rings.reader, done);
        if (pgs_ring_writer_wake(&b->rings.reader)) ring_bell(b->bell_out);
    }
    if (b->rings.reader.broken) pgi_bridge_break(b, "an index that cannot be");
    return frames;
}

/* ------------------------------------------------------------------------------------------------------ the task */

/* Looks at the ring for a moment longer, if this worker has nothing else to do: who answers at once is not worth a
 * sleep and a wake.  One that is on the same processor cannot answer before this sleeps. */
static bool more_comes(pgi_bridge *b, pgs_worker *w)
{
    uint32_t place = here();
    pgs_ring_reader_at(&b->rings.reader, place);
    if (pgs_ring_reader_place(&b->rings.writer) == place) return false;
    for (unsigned i = 0; i < SPINS && pgs_worker_alone(w); i++) {
        if (pgs_ring_reader_look(&b->rings.reader) > 0) return true;
        if (load_relaxed(&b->news)) return true;
        cpu_relax();
    }
    return false;
}

/* A reader that takes each frame as soon as it is there has its line from the writer's core, and the ring's index with
 * it, each time: both are slower for it than if some come together. */
static void let_some_come(void)
{
    for (unsigned i = 0; i < PAUSES; i++) cpu_relax();
}

static void channel_opens(pgs_source *source, uint32_t events)
{
    (void)events;
    pgi_bridge_wake(container_of(source, pgi_bridge, outlet));
}

/* Listens to the channel from now on, since it has been full once.  False: memory is short. */
static PGS_COLD bool listen_to_channel(pgi_bridge *b)
{
    if (b->listening) return true;
    b->outlet = (pgs_source){.fd = b->channel, .fire = channel_opens};
    b->listening = pgs_source_add(b->process.rt->sched, &b->outlet, EPOLLOUT | EPOLLET) == 0;
    return b->listening;
}

/* The writer announces that it waits for room for the next letter, and some more.  False: there is room. */
static bool waits_for_room(pgi_bridge *b)
{
    const pgi_letter *next = next_letter(b);
    if (unlikely(b->crowded)) return listen_to_channel(b);
    uint64_t length = next->length - b->written;
    size_t wanted = sizeof(pgi_frame) + pgi_frame_padded(length <= piece(b) ? length : piece(b));
    size_t half = (size_t)(b->rings.writer.mask + 1) / 2;
    return pgs_ring_writer_sleep(&b->rings.writer, wanted > half ? wanted : half);
}

/* After a rest that was successful: takes the task back if there has come news that did not find it at rest.  True: it
 * is the caller's again. */
static bool takes_back(pgi_bridge *b)
{
    return load_relaxed(&b->news) && pgs_mpsc_claim(&b->process.mailbox);
}

/* Nothing is ever in the mailbox itself. */
static bool rest(pgi_bridge *b)
{
    pgs_mpsc_node *released;
    return pgs_mpsc_rest(&b->process.mailbox, &released);
}

void pgi_bridge_unpublish(pgi_bridge *b)
{
    pgi_node_bridge(b->node, NULL);
    while (pgi_node_is_held(b->node)) sched_yield(); /* somebody is posting: a moment */
}

static void close_bridge(pgi_bridge *b)
{
    pgi_os_closed(b); /* unpublishes it, tells everybody, and gives the number back */
    pgs_source_remove(b->process.rt->sched, &b->source);
    if (b->listening) pgs_source_remove(b->process.rt->sched, &b->outlet);
    b->listening = b->crowded = false;
    drop_letters(b);
    drop_parts(b);
    pgs_ring_pair_unmap(&b->rings);
    close(b->bell_in);
    close(b->bell_out);
    close(b->bell_kept);
    close(b->channel);
    store_release(&b->state, PGI_BRIDGE_FREE); /* partner: take_bridge in os.c */
    pgi_os_gone(b->process.rt);
}

/* What the child had written when it died; a process that it has forked may go on writing for ever. */
static void read_rest(pgi_bridge *b)
{
    pgs_ring_reader *r = &b->rings.reader;
    uint64_t last = pgs_ring_reader_look(r) + r->head;
    while (!r->broken && (int64_t)(last - r->head) > 0 && read_frames(b) > 0) continue;
}

static const char *lost_why(pgi_bridge *b)
{
    return load_relaxed(&b->queued) > PGI_BRIDGE_LIMIT ? "it does not read" : "memory is short";
}

typedef enum turn {
    REST,  /* it is at rest */
    AGAIN, /* there is more to do */
    SLICE, /* likewise, but others have their turn first, or another worker takes it on */
    LATER  /* when those have run that wait for this worker: the other side may go on meanwhile, and need not wake
             anybody for it */
} turn;

static turn work(pgi_bridge *b, pgs_worker *w)
{
    (void)xchg_acquire(&b->news, false);      /* partner: pgi_bridge_wake: what the news are is seen below */
    uint32_t state = load_acquire(&b->state); /* partner: pgi_bridge_bury */
    if (unlikely(load_relaxed(&b->lost)) && state == PGI_BRIDGE_OPEN) pgi_bridge_break(b, lost_why(b));
    if (state == PGI_BRIDGE_DEAD) {
        read_rest(b);
        close_bridge(b);
        state = PGI_BRIDGE_FREE;
    }
    /* Letters of a BROKEN one wait for its death: how it has ended is not known before. */
    if (state != PGI_BRIDGE_OPEN) return !rest(b) || takes_back(b) ? AGAIN : REST;
    outcome written = DONE;
    if (is_writer(b)) {
        uint64_t before = b->rings.writer.tail;
        store_relaxed(&b->left, false); /* before it gives its part up */
        written = write_letters(b);
        if (written == DONE) return AGAIN;
        store_relaxed(&b->left, true);
        if (b->rings.writer.tail != before) b->lingers = true;
        if (b->rings.writer.broken) pgi_bridge_break(b, "an index that cannot be");
    }
    if (b->few_in_a_row >= 2 && pgs_worker_alone(w)) let_some_come();
    unsigned moved = read_frames(b);
    if (load_relaxed(&b->state) != PGI_BRIDGE_OPEN) return AGAIN;
    b->few_in_a_row = moved == 0 ? 0 : moved < FEW ? b->few_in_a_row + 1 : 1;
    if (moved > 0) {
        b->lingers = true;
        if (moved == FRAMES_A_SLICE) return SLICE;
        return pgs_worker_alone(w) ? AGAIN : LATER;
    }
    if (written == MORE) return AGAIN;
    if (unlikely(load_acquire(&b->hung_up))) pgi_child_orphan(b->process.rt); /* partner: bell_rings */
    if (written == DONE && more_comes(b, w)) return AGAIN;
    bool lingers = b->lingers;
    b->lingers = false;
    if (lingers && !pgs_worker_alone(w)) return LATER;
    if (!pgs_ring_reader_sleep(&b->rings.reader)) return AGAIN;
    if (written == FULL && !waits_for_room(b)) return AGAIN;
    return !rest(b) || takes_back(b) ? AGAIN : REST;
}

static pgs_worker *serve(pgs_worker *w, pg_process *p)
{
    pgi_bridge *b = pgi_bridge_of(p);
    for (unsigned n = 0; n < 16; n++) {
        turn next = work(b, w);
        if (next == LATER) pgs_linger(w, &p->sleeper.task);
        if (next == REST || next == LATER) return w;
        if (next == SLICE || pgs_worker_progress(w)) break;
    }
    pgs_requeue(w, &p->sleeper.task);
    return w;
}

static void bell_rings(pgs_source *source, uint32_t events)
{
    pgi_bridge *b = container_of(source, pgi_bridge, source);
    if (b->is_uplink) {
        char heard[256];
        while (read(source->fd, heard, sizeof heard) == (ssize_t)sizeof heard) continue;
        /* Not by the end of the file: behind the last ring it is not read, and there is no event of its own. */
        if (events & EPOLLHUP) store_release(&b->hung_up, true); /* partner: work */
    }
    pgi_bridge_wake(b);
}

/* ---------------------------------------------------------------------------------------------- opening and closing */

static void init_process(pg_process *p, pg_runtime *rt)
{
    if (p->rt) return; /* used before: the mailbox goes on */
    pgs_mpsc_init(&p->mailbox, true);
    pgs_mpsc_init(&pgi_bridge_of(p)->letters, true);
    pgs_parker_init(&p->sleeper.parker);
    p->rt = rt;
    p->args = &pgi_no_args;
    p->kind = PG_GREEN;
    p->phase = PGI_SERVICE;
    p->serve = serve;
}

int pgi_bridge_open(pgi_bridge *bridge, pg_runtime *rt, int bell_in, int bell_out, bool is_uplink)
{
    bridge->source = (pgs_source){.fd = bell_in, .fire = bell_rings};
    bridge->bell_in = bell_in;
    bridge->bell_out = bell_out;
    bridge->is_uplink = is_uplink;
    bridge->last_generation = bridge->links_asked = 0;
    bridge->broken = NULL;
    store_relaxed(&bridge->ended, 0);
    store_relaxed(&bridge->lost, false);
    init_process(&bridge->process, rt);
    if (pgs_source_add(rt->sched, &bridge->source, EPOLLIN | EPOLLET) != 0) return PG_ENOMEM;
    /* Before it is open: it closes as soon as its child's death is told, and nothing may lead there then. */
    if (!is_uplink) pgi_node_bridge(bridge->node, bridge);
    store_release(&bridge->state, PGI_BRIDGE_OPEN); /* partner: work */
    pgi_bridge_wake(bridge);
    return PG_OK;
}

void pgi_bridge_bury(pgi_bridge *bridge, const pgi_death *death)
{
    uint32_t open = PGI_BRIDGE_OPEN, broken = PGI_BRIDGE_BROKEN;
    if (!cas_acq_rel(&bridge->state, &open, PGI_BRIDGE_DYING) && /* partners: pgi_bridge_break, itself */
        !cas_acq_rel(&bridge->state, &broken, PGI_BRIDGE_DYING))
        return;
    bridge->death = *death;
    store_release(&bridge->state, PGI_BRIDGE_DEAD); /* partner: work */
    pgi_bridge_wake(bridge);
}

void pgi_bridge_break(pgi_bridge *bridge, const char *how)
{
    uint32_t open = PGI_BRIDGE_OPEN;
    bridge->rings.reader.broken = true; /* of one that has died, too, the rest is not read */
    if (!bridge->broken) bridge->broken = how;
    if (cas_acq_rel(&bridge->state, &open, PGI_BRIDGE_BROKEN)) pgi_os_kill(bridge); /* partner: pgi_bridge_bury */
}

void pgi_bridge_destroy(pgi_bridge *bridge)
{
    if (!bridge->process.rt) return; /* it was never opened: descriptors were short */
    pgs_mpsc_node *node;
    while ((node = pgs_mpsc_detach(&bridge->letters)) != NULL) {
        free_body(container_of(node, pgi_letter, node));
        free_letter(node);
    }
    drop_parts(bridge);
}
