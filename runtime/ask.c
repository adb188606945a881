/* ask.c - see ask.h.
 *
 * A question has an address, like a pid: the node that asks, and in the other bits its number.
 *
 * Who asks waits on its token, as for the end of a process (wait.c), with its question in a list, in its own frame; or
 * does not wait, and is told (watch.c).  The lists are the program's, under one lock: questions are rare, and cost two
 * passages between processes. */
#include "ask.h"

#include <errno.h>

#include "far.h"
#include "runtime.h"

enum { LISTS = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static pgi_question *questions[LISTS];                   /* by their numbers */
static uint64_t last_number;

void pgi_ask_begin(uint32_t generation)
{
    last_number = (uint64_t)generation << PGI_INDEX_BITS;
}

static pgi_question **list_of(pg_pid address)
{
    return &questions[address.id % LISTS];
}

static void put_in(pgi_question *q, uint32_t asker)
{
    pthread_mutex_lock(&lock);
    q->address.id = pgi_pid_make(asker, 0, 0).id | (++last_number & (pgi_pid_make(1, 0, 0).id - 1));
    pgi_question **list = list_of(q->address);
    q->next = *list;
    q->prev = NULL;
    if (q->next) q->next->prev = q;
    *list = q;
    pthread_mutex_unlock(&lock);
}

static void take_out_locked(pgi_question *q)
{
    if (q->next) q->next->prev = q->prev;
    if (q->prev) {
        q->prev->next = q->next;
    } else {
        *list_of(q->address) = q->next;
    }
}

static void take_out(pgi_question *q)
{
    pthread_mutex_lock(&lock);
    take_out_locked(q);
    pthread_mutex_unlock(&lock);
}

/* Under the lock: the waiter takes its question out before it returns, and so waits for this to be over.  One that is
 * told is out before, and may be gone when this returns. */
static void answer(pgi_question *q, int status, pg_pid pid, const pg_exit_info *exit)
{
    if (q->answered) return;
    q->answered = true;
    if (!q->sleeper) {
        take_out_locked(q);
        q->told(q, status, exit);
        return;
    }
    if (q->linked && status == PG_OK) status = pgi_linked_far(q->linked, pid); /* before the next frame is read */
    q->status = status;
    if (q->exit && status == PG_OK) *q->exit = exit ? *exit : (pg_exit_info){.kind = PG_EXIT_UNKNOWN};
    if (q->pid) *q->pid = pid;
    pgi_sleeper_wake(q->sched, q->sleeper);
}

void pgi_ask_answer(pg_pid address, uint32_t node, int status, pg_pid pid, const pg_exit_info *exit)
{
    pthread_mutex_lock(&lock);
    pgi_question *q = *list_of(address);
    while (q && !(pg_same(q->address, address) && (node == 0 || q->node == node))) q = q->next;
    if (q) answer(q, status, pid, exit);
    pthread_mutex_unlock(&lock);
}

static size_t give_up(pgi_question *list, uint32_t node, const pg_exit_info *exit)
{
    size_t told = 0;
    for (pgi_question *q = list, *next; q; q = next) {
        next = q->next;
        if (q->node != node) continue;
        pg_exit_info remembered;
        int status = exit ? PG_OK : pgi_look_back_far(q->to, &remembered);
        answer(q, q->pid ? PG_ENOPROC : status, (pg_pid){0}, exit ? exit : &remembered);
        told++;
    }
    return told;
}

size_t pgi_ask_give_up(uint32_t node, const pg_exit_info *exit)
{
    size_t told = 0;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < LISTS; i++) told += give_up(questions[i], node, exit);
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

/* The runtime of this number, held, if it is a guest: its host drives it while it waits.  Else NULL. */
static pg_runtime *hold_guest(uint32_t node)
{
    pg_runtime *rt = node == 0 ? NULL : pgi_hold_node(node);
    if (!rt || rt->options.guest) return rt;
    pgi_release_node(node);
    return NULL;
}

/* Posts a frame about the question; the body and the arguments are consumed. */
static int post(const pgi_question *q, uint8_t type, uint8_t flags, pg_pid to, void *body, uint64_t length,
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
    uint32_t node = asking_node(pgi_pid_node(to));
    pg_runtime *driven = self ? NULL : hold_guest(node);
    pgi_question q = {.to = to,
                      .node = pgi_pid_node(to),
                      .sleeper = self ? &self->sleeper : &stranger,
                      .sched = self ? self->rt->sched : driven ? driven->sched : NULL,
                      .exit = exit,
                      .pid = pid,
                      .linked = linked,
                      .status = PG_ETIMEDOUT};
    store_relaxed(&q.sleeper->token, PGI_AWAKE);
    put_in(&q, node);
    int status = post(&q, PGI_F_ASK, what, to, body, length, args);
    int error = 0;
    if (status == PG_OK) {
        pgs_wait wait = {pgi_sleeper_commit, pgi_sleeper_claim, pgs_deadline(timeout)};
        error = pgs_block(q.sched, &q.sleeper->task, &wait);
    }
    take_out(&q);
    if (driven) pgi_release_node(node);
    if (status != PG_OK) return status;
    if (!q.answered) post(&q, PGI_F_CANCEL, 0, to, NULL, 0, NULL);
    return q.answered ? q.status : error == -ENOMEM ? PG_ENOMEM : PG_ETIMEDOUT;
}

int pgi_ask_to_be_told(pgi_question *q, pg_pid to, pgi_told told)
{
    *q = (pgi_question){.to = to, .node = pgi_pid_node(to), .told = told};
    put_in(q, asking_node(q->node));
    int status = post(q, PGI_F_ASK, PGI_ASK_WAIT, to, NULL, 0, NULL);
    if (status == PG_OK) return PG_OK;
    pthread_mutex_lock(&lock);
    bool answered = q->answered;
    if (!answered) take_out_locked(q);
    q->answered = true; /* there is nothing to take back */
    pthread_mutex_unlock(&lock);
    return answered ? PG_OK : status;
}

bool pgi_ask_no_more(pgi_question *q)
{
    pthread_mutex_lock(&lock);
    bool answered = q->answered;
    if (!answered) take_out_locked(q);
    pthread_mutex_unlock(&lock);
    if (!answered) post(q, PGI_F_CANCEL, 0, q->to, NULL, 0, NULL);
    return !answered;
}
