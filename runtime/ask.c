/* ask.c - see ask.h.
 *
 * A question has an address, like a pid: the node that asks, and in the other bits its number.
 *
 * Who asks waits on its token, as for the end of a process (wait.c), with its question in a list, in its own frame.
 * The list is one for the program, under a lock: questions are rare, and cost two passages between processes. */
#include "ask.h"

#include <errno.h>

#include "far.h"
#include "runtime.h"

typedef struct question question;
struct question {
    question *next, *prev;
    pg_pid address;
    pg_pid to;
    uint32_t node; /* that was asked: of `to` */
    pgi_sleeper *sleeper;
    pgs_sched *sched; /* of the sleeper */
    pg_exit_info *exit;
    pg_pid *pid;
    pg_process *linked; /* with the process that is the answer, or NULL */
    int status;
    bool answered;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static question *questions;
static uint64_t last_number;

void pgi_ask_begin(uint32_t generation)
{
    last_number = (uint64_t)generation << PGI_INDEX_BITS;
}

static void put_in(question *q, uint32_t asker)
{
    pthread_mutex_lock(&lock);
    q->address.id = pgi_pid_make(asker, 0, 0).id | (++last_number & (pgi_pid_make(1, 0, 0).id - 1));
    q->next = questions;
    if (questions) questions->prev = q;
    questions = q;
    pthread_mutex_unlock(&lock);
}

static void take_out(question *q)
{
    pthread_mutex_lock(&lock);
    if (q->next) q->next->prev = q->prev;
    if (q->prev) {
        q->prev->next = q->next;
    } else {
        questions = q->next;
    }
    pthread_mutex_unlock(&lock);
}

/* Under the lock: the waiter takes its question out before it returns, and so waits for this to be over. */
static void answer(question *q, int status, pg_pid pid, const pg_exit_info *exit)
{
    if (q->answered) return;
    q->answered = true;
    if (q->linked && status == PG_OK) status = pgi_linked_far(q->linked, pid); /* before the next frame is read */
    q->status = status;
    if (q->exit && status == PG_OK) *q->exit = exit ? *exit : (pg_exit_info){.kind = PG_EXIT_UNKNOWN};
    if (q->pid) *q->pid = pid;
    pgi_sleeper_wake(q->sched, q->sleeper);
}

void pgi_ask_answer(pg_pid address, uint32_t node, int status, pg_pid pid, const pg_exit_info *exit)
{
    pthread_mutex_lock(&lock);
    for (question *q = questions; q; q = q->next) {
        if (pg_same(q->address, address) && (node == 0 || q->node == node)) answer(q, status, pid, exit);
    }
    pthread_mutex_unlock(&lock);
}

size_t pgi_ask_give_up(uint32_t node, const pg_exit_info *exit)
{
    size_t told = 0;
    pthread_mutex_lock(&lock);
    for (question *q = questions; q; q = q->next) {
        if (q->node != node) continue;
        pg_exit_info remembered;
        int status = exit ? PG_OK : pgi_look_back_far(q->to, &remembered);
        answer(q, q->pid ? PG_ENOPROC : status, (pg_pid){0}, exit ? exit : &remembered);
        told++;
    }
    pthread_mutex_unlock(&lock);
    return told;
}

/* The node that an answer finds its way back to: of the runtime whose bridge the question takes; 0: nothing leads to
 * `node`. */
static uint32_t asking_node(uint32_t node)
{
    pgi_bridge *bridge = pgi_hold_bridge(node);
    uint32_t own = bridge ? bridge->process.rt->node : 0;
    if (bridge) pgi_release_bridge(node);
    return own;
}

/* Posts a frame about the question; the body and the arguments are consumed. */
static int post(const question *q, uint8_t type, uint8_t flags, pg_pid to, void *body, uint64_t length,
                pg_message *args)
{
    pgi_bridge *bridge = pgi_hold_bridge(q->node);
    if (!bridge) {
        if (body) pgi_free(body, length);
        pgi_message_free(pgi_cache_here(NULL), args);
        return PG_ENOPROC;
    }
    int status = pgi_post_frame(bridge, &(pgi_letter){.type = type,
                                                      .flags = flags,
                                                      .to = to.id,
                                                      .from = q->address.id,
                                                      .body = body,
                                                      .length = length,
                                                      .args = args});
    pgi_release_bridge(q->node);
    return status;
}

int pgi_ask(uint8_t what, pg_pid to, void *body, uint64_t length, pg_message *args, int64_t timeout, pg_exit_info *exit,
            pg_pid *pid, pg_process *linked)
{
    pg_process *self = pg_current();
    if (self && self->phase == PGI_ENDING) self = NULL; /* it waits as a plain thread does */
    pgi_sleeper stranger = {.task = {.parker = &stranger.parker}};
    pgs_parker_init(&stranger.parker);
    question q = {.to = to,
                  .node = pgi_pid_node(to),
                  .sleeper = self ? &self->sleeper : &stranger,
                  .sched = self ? self->rt->sched : NULL,
                  .exit = exit,
                  .pid = pid,
                  .linked = linked,
                  .status = PG_ETIMEDOUT};
    store_relaxed(&q.sleeper->token, PGI_AWAKE);
    put_in(&q, asking_node(q.node));
    int status = post(&q, PGI_F_ASK, what, to, body, length, args);
    int error = 0;
    if (status == PG_OK) {
        pgs_wait wait = {pgi_sleeper_commit, pgi_sleeper_claim, pgs_deadline(timeout)};
        error = pgs_block(q.sched, &q.sleeper->task, &wait);
    }
    take_out(&q);
    if (status != PG_OK) return status;
    if (!q.answered) post(&q, PGI_F_CANCEL, 0, to, NULL, 0, NULL);
    return q.answered ? q.status : error == -ENOMEM ? PG_ENOMEM : PG_ETIMEDOUT;
}
