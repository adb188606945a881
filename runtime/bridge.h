/* bridge.h - the connection of two operating-system processes: letters out, frames in.
 *
 * Processes of kind PG_OS are children of one program, the hub, and each is connected with the hub alone, by a bridge
 * on either side: two rings in shared memory (sched/ring.h), and for each way a doorbell that is rung when the other
 * side sleeps.  The hub's bell is an eventfd, to which it only listens; a child's is a pipe, since whoever rings must
 * not be made to wait: of an eventfd the child could take O_NONBLOCK away and fill it, while the end of a pipe that the
 * hub writes to is the hub's alone.  What goes from one child to another is passed on by the hub.  The hub's bridge of
 * a child stands under the child's node number, a child's uplink under all numbers but its own (node.h).
 *
 * Whoever has something for the other side posts a letter, a frame that waits to be written.  If nobody writes at that
 * moment, and there is room, he writes it himself: it is in shared memory before he goes on, and survives him.  If
 * somebody does, that one writes it too.  Nobody who sends ever waits for the other side.
 *
 * A bridge is a task like any process, but that nothing is in its mailbox.  The task reads frames and delivers what is
 * in them, and writes letters for which there was no room.  It rests when there is nothing to do, and the doorbell
 * makes it ready.
 *
 * Links between processes of two nodes are links of either process with the bridge (link.h), which carry the pid of
 * the far one; how both sides stay of one mind is told in far.c.
 *
 * What a child sends is not trusted: frames are copied, then checked (wire.h), and a child may speak of its own
 * processes' ends only.  One that breaks the protocol is killed, and its processes end with that reason. */
#ifndef PGI_BRIDGE_H
#define PGI_BRIDGE_H

#include "node.h"
#include "process.h"
#include "sandbox.h"
#include "sched/poller.h"
#include "sched/ring.h"
#include "wire.h"
#include "zygote.h"

/* Bytes of letters that wait in one bridge: beyond that pg_send() refuses more messages. */
#define PGI_BRIDGE_LIMIT (UINT64_C(256) << 20)

/* A frame that waits to be written. */
typedef struct pgi_letter {
    pgs_mpsc_node node;
    void *body; /* its own: a message, or `length` bytes; NULL: none */
    uint64_t length;
    uint64_t to, from, word;
    uint8_t type, flags;
    bool is_message;
    pg_message *args; /* its own, where the body is a spawn whose arguments refer to buffers; NULL: none */
} pgi_letter;

typedef enum pgi_bridge_state {
    PGI_BRIDGE_FREE,   /* not in use */
    PGI_BRIDGE_TAKEN,  /* being opened */
    PGI_BRIDGE_OPEN,   /* the other side may live */
    PGI_BRIDGE_BROKEN, /* the other side broke the protocol: nothing is read or written, its death is awaited */
    PGI_BRIDGE_DYING,  /* its death is being written down */
    PGI_BRIDGE_DEAD    /* it has died: what it had sent is read, then the bridge is free */
} pgi_bridge_state;

struct pgi_bridge {
    pg_process process; /* first: what the scheduler runs, and links and letters know */
    _Atomic(uint32_t) state;
    _Atomic(bool) news;         /* to be looked at, told by pgi_bridge_wake() */
    _Atomic(bool) hung_up;      /* an uplink's: the hub is no more */
    pgs_mpsc letters;           /* whoever takes its idle bit writes them */
    _Atomic(bool) left;         /* the rest of that is the task's */
    _Atomic(uint64_t) queued;   /* bytes of letters not yet written */
    _Atomic(uint64_t) ended;    /* the pid of the child's first process, once that has ended */
    _Atomic(pgs_parker *) idle; /* to be unparked when all letters are written; NULL: nobody asks */

    /* Constant while it is in use. */
    bool is_uplink;
    uint32_t node;             /* of the other side; 0: of all others */
    uint32_t first_generation; /* of the node */
    pg_pid root;               /* the child's first process */
    char name[64];             /* its name */
    pgi_isolation isolation;   /* of the child */
    int bell_in, bell_out;
    int bell_kept; /* the end of bell_out where the child listens: were it closed with the child, who rings would get a
                      SIGPIPE */
    int channel;   /* on which parcels go both ways (parcel.h) */
    pgs_source source; /* of bell_in */
    pgs_ring_pair rings;

    /* The writer's own. */
    uint64_t written;  /* of the body of the first letter */
    unsigned parcel;   /* buffers in the parcel that was sent for it; 0: none was */
    bool crowded;      /* there was no room in the channel for that */
    bool listening;    /* to when there is */
    pgs_source outlet; /* of the channel, while listening */

    /* The task's own. */
    bool lingers;          /* frames have come or gone since it looked around last */
    unsigned few_in_a_row; /* looks that found some frames, but few */
    unsigned char *parts;  /* of a long body: what has come so far */
    uint64_t parts_length, parts_size, parts_whole;
    uint32_t links_asked;     /* by the child: far.c */
    uint32_t unlinks;         /* asked of the other side; under the lock of `process` */
    uint32_t last_generation; /* that the child has used, as it says in its goodbye; 0: it has not */
    const char *broken;       /* how it broke the protocol; NULL: it has not */

    _Atomic(uint32_t) watching; /* questions that came by this bridge and wait for ends here */
    _Atomic(bool) lost;         /* a letter was lost for want of memory that must not be: the task breaks the bridge */
    pgi_death death;            /* written before the state says DEAD */

    pgi_bridge *next; /* in the runtime's list of all */
};

/* Makes `bridge`, of zeros or used before, ready for use: its rings are mapped, it listens to `bell_in`, and the hub's
 * is found by its number.  The descriptors are its own then, and the rings.  PG_OK, PG_ENOMEM. */
int pgi_bridge_open(pgi_bridge *bridge, pg_runtime *rt, int bell_in, int bell_out, bool is_uplink);

/* Posts a frame with a message for its body, or NULL, or `length` bytes from pgi_alloc(); the body is consumed in any
 * case.  PG_OK, PG_ENOMEM, PG_EINVAL (a local pointer).  Any thread that holds the bridge, or is its task. */
int pgi_post(pgi_bridge *bridge, uint8_t type, pg_pid to, pg_pid from, uint64_t word, pg_message *body);
int pgi_post_frame(pgi_bridge *bridge, const pgi_letter *frame);

/* The same for a message of kind PGI_USER from no process in particular. */
int pgi_post_message(pgi_bridge *bridge, pg_pid to, pg_message *msg);

/* The same for one of these values, which pgi_brief_fits().  Mostly they go to the ring without being a message. */
int pgi_post_brief(pgi_bridge *bridge, pg_pid to, size_t count, const pg_value *values);

/* Tells the hub's bridge what has become of its child: it reads what is left, and closes.  The first to tell counts:
 * one that is not OPEN or BROKEN is left alone.  Any thread. */
void pgi_bridge_bury(pgi_bridge *bridge, const pgi_death *death);

/* The child has broken the protocol: it is killed.  The bridge's task only. */
void pgi_bridge_break(pgi_bridge *bridge, const char *how);

/* Nobody finds the hub's bridge by its number any more, and nobody is posting to it who has.  Its task. */
void pgi_bridge_unpublish(pgi_bridge *bridge);

/* Frees what the bridge still holds, but not itself.  When nobody uses it any more. */
void pgi_bridge_destroy(pgi_bridge *bridge);

/* Makes the bridge look at its rings, its state, and whether it is killed.  Any thread. */
void pgi_bridge_wake(pgi_bridge *bridge);

static inline pgi_bridge *pgi_bridge_of(pg_process *p)
{
    return container_of(p, pgi_bridge, process);
}

#endif
