/* far.c - see far.h.
 *
 * A link between two nodes is one link on each of them, between the process there and the bridge (link.h), made when
 * the LINK frame is posted and when it arrives.  Whoever ends tells the far end by a DOWN frame, behind all that it had
 * sent; on arrival the link there is taken out, and the exit goes into the mailbox only if it was one.  So an exit is
 * told once, whatever unlinks and ends cross on the way.  What is linked to one that does not live is told at once, by
 * its node, or by the hub if that is gone.
 *
 * Both sides may link and unlink as they like, and their frames cross; in the end both are linked or neither is.  So
 * whoever unlinks keeps his link, marked as `unlinking`, until the other side answers his UNLINK, by UNLINKED with the
 * same number.  A LINK that arrives meanwhile was sent by one that is yet to read the UNLINK, and means nothing; an
 * UNLINK is answered, and leaves the mark; linking again takes the mark off, and the answer then finds another number,
 * or none.  Every change and the frame that tells it are one step under the process's lock, so frames about a pair are
 * in the order of its changes.  This is Erlang's: "Link Protocol" in the chapter "Distribution Protocol" of its
 * manual.  Of a process or a node that is gone no answer is needed: its DOWN or NODE_DOWN comes, and ends all.
 *
 * A wait for an end is a question (ask.h).  The node that is asked keeps it as a watcher of the process.
 *
 * What a child may cost the hub is bounded: the links and the questions that it has standing here, by number, and what
 * it is to be told and does not read, by bytes.  One that goes beyond is killed. */
#include "far.h"

#include "ask.h"
#include "call.h"
#include "child.h"
#include "kill.h"
#include "os.h"
#include "parcel.h"
#include "runtime.h"

/* Links that were asked for by a child, and questions of it that wait: as many as it may have processes. */
enum { STANDING_MAX = 1 << 18, ANSWER_MAX = 4096 /* bytes of its body: an exit without an error */ };

/* A far node waits for an end here. */
typedef struct far_watcher {
    pgi_watcher watcher; /* told by tell_far() */
    pgi_bridge *bridge;  /* by which the question came */
    pg_pid asker;        /* the address of the question */
} far_watcher;

static bool is_here(const pg_runtime *rt, pg_pid pid)
{
    return pgi_pid_node(pid) == rt->node;
}

/* A letter was lost that must not be: the bridge's task breaks it. */
static void lose(pgi_bridge *bridge)
{
    store_relaxed(&bridge->lost, true);
    pgi_bridge_wake(bridge);
}

/* A child has been told far more than pg_send() would have tried to tell it, and does not read. */
static bool is_flooded(pgi_bridge *bridge)
{
    return !bridge->is_uplink && load_relaxed(&bridge->queued) > 2 * PGI_BRIDGE_LIMIT;
}

/* Posts what must not be lost: where memory is so short that it cannot be, the bridge breaks, and all are told. */
static void post_surely_on(pgi_bridge *bridge, uint8_t type, pg_pid to, pg_pid from, uint64_t word, pg_message *body)
{
    if (is_flooded(bridge)) {
        pgi_message_free(pgi_cache_here(NULL), body);
        lose(bridge);
    } else if (pgi_post(bridge, type, to, from, word, body) == PG_ENOMEM) {
        lose(bridge);
    }
}

static void post_surely(pg_pid to, uint8_t type, pg_pid from, pg_message *body)
{
    uint32_t node = pgi_pid_node(to);
    pgi_bridge *bridge = pgi_hold_bridge(node);
    if (bridge) {
        post_surely_on(bridge, type, to, from, 0, body);
        pgi_release_bridge(node);
    } else {
        pgi_message_free(pgi_cache_here(NULL), body);
    }
}

static pg_message *exit_message(const pg_exit_info *exit)
{
    pg_message *msg;
    pgi_message_build_exit(pgi_cache_here(NULL), exit->kind, exit->text, pg_v_nil(), exit->pid, PGI_DOWN, &msg);
    return msg; /* NULL: the frame that lacks it is refused over there, which breaks the bridge */
}

/* ---------------------------------------------------------------------------------------------------------- sending */

/* Whether a message, sent by a program or not, may be posted for the process: PG_OK, PG_ENOPROC, PG_EFULL. */
static inline int may_post(pgi_bridge *bridge, pg_pid pid, bool is_sent)
{
    if (!bridge || load_acquire(&bridge->ended) == pid.id) return PG_ENOPROC; /* partner: the arrival of ENDED */
    bool room = is_sent ? load_relaxed(&bridge->queued) <= PGI_BRIDGE_LIMIT : !is_flooded(bridge);
    return likely(room) ? PG_OK : PG_EFULL;
}

int pgi_send_far(pg_pid pid, pg_message *msg)
{
    uint32_t node = pgi_pid_node(pid);
    pgi_bridge *bridge = pgi_hold_bridge(node);
    if (msg->kind == PGI_NOTICE) msg->kind = PGI_USER;
    int status = may_post(bridge, pid, pgi_message_is_sent(msg));
    if (status != PG_OK) {
        pgi_message_free(pgi_cache_here(NULL), msg);
    } else if (pgi_message_is_sent(msg)) {
        status = pgi_post_message(bridge, pid, msg);
    } else {
        uint8_t type = msg->kind == PGI_TERMINATE ? PGI_F_TERMINATE : PGI_F_DOWN;
        status = pgi_post(bridge, type, pid, (pg_pid){0}, 0, msg);
    }
    if (bridge) pgi_release_bridge(node);
    return status;
}

int pgi_send_far_values(pg_pid pid, size_t count, const pg_value *values)
{
    if (unlikely(!pgi_brief_fits(count, values))) {
        pg_message *msg;
        int status = pgi_message_build(pgi_cache_here(NULL), count, values, &msg);
        return status == PG_OK ? pgi_send_far(pid, msg) : status;
    }
    uint32_t node = pgi_pid_node(pid);
    pgi_bridge *bridge = pgi_hold_bridge(node);
    int status = may_post(bridge, pid, true);
    if (likely(status == PG_OK)) status = pgi_post_brief(bridge, pid, count, values);
    if (bridge) pgi_release_bridge(node);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ links */

/* Links a process here, whose look protects it, with one that is elsewhere, whom it tells if the wish is of here.
 * PG_EENDED: it is dying. */
static int link_with(pg_process *p, pgi_bridge *bridge, pg_pid far, bool of_here)
{
    pgi_link *link = pgi_link_new(p, &bridge->process);
    if (!link) return PG_ENOMEM;
    link->far = far;
    pgi_lock_two(p, &bridge->process);
    int status = p->dying ? PG_EENDED : PG_OK;
    pgi_link *old = status == PG_OK ? pgi_link_find(p, &bridge->process, far) : NULL;
    bool changes = status == PG_OK && (!old || (of_here && old->unlinking));
    if (changes && of_here) status = pgi_post(bridge, PGI_F_LINK, far, pgi_pid_of(p), 0, NULL);
    if (changes && status == PG_OK && old) {
        old->unlinking = 0;
    } else if (changes && status == PG_OK) {
        pgi_link_insert(link, p);
        pgi_link_insert(link, &bridge->process);
        link = NULL;
    }
    pgi_unlock_two(p, &bridge->process);
    if (link) pgi_link_free(link);
    return status;
}

/* It is of here that they be linked no more. */
static void unlink_with(pg_process *p, pgi_bridge *bridge, pg_pid far)
{
    pgi_lock_two(p, &bridge->process);
    pgi_link *link = p->dying ? NULL : pgi_link_find(p, &bridge->process, far);
    if (link && !link->unlinking) {
        if (++bridge->unlinks == 0) ++bridge->unlinks;
        link->unlinking = bridge->unlinks;
        post_surely_on(bridge, PGI_F_UNLINK, far, pgi_pid_of(p), link->unlinking, NULL);
    }
    pgi_unlock_two(p, &bridge->process);
}

static int deliver_exit(pg_process *self, const pg_exit_info *exit)
{
    pg_message *msg = exit_message(exit);
    return msg ? pgi_send(pgi_pid_of(self), msg) : PG_ENOMEM;
}

int pgi_link_far(pg_process *self, pg_pid pid)
{
    uint32_t node = pgi_pid_node(pid);
    pg_exit_info exit;
    pgi_bridge *bridge = pgi_hold_bridge(node);
    if (!bridge) {
        int status = pgi_look_back_far(pid, &exit);
        return status == PG_OK ? deliver_exit(self, &exit) : status;
    }
    int status = bridge->process.rt != self->rt ? PG_EINVAL : link_with(self, bridge, pid, true);
    pgi_release_bridge(node);
    return status;
}

int pgi_linked_far(pg_process *self, pg_pid pid)
{
    uint32_t node = pgi_pid_node(pid);
    pgi_bridge *bridge = pgi_hold_bridge(node);
    if (!bridge) return PG_ENOPROC;
    int status = link_with(self, bridge, pid, false);
    pgi_release_bridge(node);
    return status;
}

int pgi_unlink_far(pg_process *self, pg_pid pid)
{
    uint32_t node = pgi_pid_node(pid);
    pgi_bridge *bridge = pgi_hold_bridge(node);
    if (!bridge) return PG_ENOPROC;
    int status = bridge->process.rt != self->rt ? PG_EINVAL : PG_OK;
    if (status == PG_OK) unlink_with(self, bridge, pid);
    pgi_release_bridge(node);
    return status;
}

void pgi_tell_far(pg_pid far, pg_pid pid, const char *name, const pgi_end *end)
{
    pgi_cache *cache = pgi_cache_here(NULL);
    pg_message *msg;
    int status = pgi_message_build_named_exit(cache, end->kind, end->text, end->error, pid, name, PGI_DOWN, &msg);
    if (status == PG_ETOOMANY || (msg && !pgi_wire_may_cross(msg))) {
        if (msg) pgi_message_free(cache, msg);
        pgi_message_build_named_exit(cache, end->kind, end->text, pg_v_nil(), pid, name, PGI_DOWN, &msg);
    }
    post_surely(far, PGI_F_DOWN, pid, msg);
}

/* How many links a bridge has, of whoever's wish. */
static uint32_t count_links(pgi_bridge *bridge)
{
    uint32_t count = 0;
    pgi_lock(&bridge->process);
    for (pgi_link *link = bridge->process.links; link; link = link->side[1].next) count++;
    pgi_unlock(&bridge->process);
    return count;
}

/* Whether a child may link once more.  What it has asked for is counted, and what has gone since is seen only by
 * counting all again: once in as many. */
static bool may_link(pgi_bridge *bridge)
{
    if (bridge->is_uplink || ++bridge->links_asked <= STANDING_MAX) return true;
    uint32_t count = count_links(bridge);
    bridge->links_asked = count / 2;
    return count < STANDING_MAX;
}

/* Somebody elsewhere links with one of here. */
static void arrived_link(pgi_bridge *bridge, pg_pid to, pg_pid from)
{
    pg_runtime *rt = bridge->process.rt;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    pgi_look_begin(&visit);
    pg_process *p = pgi_slot_find(&rt->slots, to);
    int status = p ? link_with(p, bridge, from, false) : PG_EENDED;
    pgi_look_end(&visit);
    pgi_leave(&visit);
    if (status == PG_ENOMEM) lose(bridge);
    if (status == PG_EENDED) pgi_far_refuse(rt, PGI_F_LINK, 0, to, from);
}

/* What a DOWN, UNLINK or UNLINKED does to the link of one of here with one elsewhere.  Returns whether they were
 * linked. */
static bool change_link(pgi_bridge *bridge, const pgi_frame *frame)
{
    const pg_pid here = {frame->to}, far = {frame->from};
    pg_runtime *rt = bridge->process.rt;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    pgi_look_begin(&visit);
    pg_process *p = pgi_slot_find(&rt->slots, here);
    if (p) pgi_lock_two(p, &bridge->process);
    pgi_link *link = p && !p->dying ? pgi_link_find(p, &bridge->process, far) : NULL;
    bool linked = link && !link->unlinking;
    bool ends = link && (frame->type == PGI_F_DOWN || (frame->type == PGI_F_UNLINK && linked) ||
                         (frame->type == PGI_F_UNLINKED && link->unlinking == frame->word));
    if (ends) pgi_link_take_out(link);
    if (frame->type == PGI_F_UNLINK) post_surely_on(bridge, PGI_F_UNLINKED, far, here, frame->word, NULL);
    if (p) pgi_unlock_two(p, &bridge->process);
    if (ends) pgi_link_free(link);
    pgi_look_end(&visit);
    pgi_leave(&visit);
    return linked;
}

/* One that is linked with one of here has ended. */
static void arrived_down(pgi_bridge *bridge, const pgi_frame *frame, pg_message *msg)
{
    if (change_link(bridge, frame)) {
        pgi_send((pg_pid){frame->to}, msg);
    } else {
        pgi_message_free(pgi_cache_here(NULL), msg);
    }
}

/* -------------------------------------------------------------------------------------------------------- questions */

void pgi_far_answer(pg_pid asker, int status, pg_pid pid, const pg_exit_info *exit)
{
    pg_pid result = status == PG_OK ? pid : pgi_refused(status);
    post_surely(asker, PGI_F_ANSWER, result, exit && status == PG_OK ? exit_message(exit) : NULL);
}

int pgi_look_back_far(pg_pid pid, pg_exit_info *exit)
{
    if (!pgi_node_was(pgi_pid_node(pid), pgi_pid_generation(pid))) return PG_ENOPROC;
    pgi_os_look_back(pid, exit);
    return PG_OK;
}

int pgi_wait_far(pg_pid pid, int64_t timeout, pg_exit_info *exit)
{
    static const int64_t patience = PG_SECONDS(5); /* for an answer that needs no end: then it is taken for alive */
    int status = timeout > 0 ? pgi_ask(PGI_ASK_WAIT, pid, NULL, 0, NULL, timeout, exit, NULL, NULL)
                             : pgi_ask(PGI_ASK_WHY, pid, NULL, 0, NULL, patience, exit, NULL, NULL);
    if (status == PG_OK) exit->pid = pid;
    return status == PG_ENOPROC ? pgi_look_back_far(pid, exit) : status;
}

static void drop_watcher(far_watcher *w)
{
    sub_relaxed(&w->bridge->watching, 1);
    pgi_free(w, sizeof *w);
}

/* Tells the far side, which waits, of an end, and frees the watcher. */
static void tell_far(pgi_watcher *watcher, const pg_exit_info *info, const pgi_end *end)
{
    (void)end; /* an answer has no room for an error */
    far_watcher *w = container_of(watcher, far_watcher, watcher);
    pgi_far_answer(w->asker, PG_OK, info->pid, info);
    drop_watcher(w);
}

static bool is_far_watcher(const pgi_watcher *watcher)
{
    return !watcher->sleeper && watcher->tell == tell_far;
}

static void arrived_question(pgi_bridge *bridge, uint8_t what, pg_pid to, pg_pid from)
{
    pg_runtime *rt = bridge->process.rt;
    pg_exit_info exit;
    far_watcher *w = NULL;
    if (what == PGI_ASK_KILL) {
        pgi_far_answer(from, pgi_kill_in(rt, to), to, NULL);
        return;
    }
    if (what == PGI_ASK_WAIT) {
        w = pgi_alloc(sizeof *w);
        if (!w) {
            pgi_far_answer(from, PG_ENOMEM, (pg_pid){0}, NULL);
            return;
        }
        *w = (far_watcher){.watcher = {.tell = tell_far}, .bridge = bridge, .asker = from};
        add_relaxed(&bridge->watching, 1); /* before somebody may tell it */
    }
    int status = pgi_look(rt, to, w ? &w->watcher : NULL, &exit);
    if (status == PG_ETIMEDOUT && w) return; /* answered at its end */
    pgi_far_answer(from, status, to, &exit);
    if (w) drop_watcher(w);
}

/* Whoever asked waits no longer. */
static void arrived_cancel(pg_runtime *rt, pg_pid to, pg_pid from)
{
    pg_process *p = pgi_slot_of(&rt->slots, to);
    if (!p) return;
    far_watcher *found = NULL;
    pgi_lock(p);
    for (pgi_watcher *w = p->watchers; w && !found; w = w->next) {
        far_watcher *far = container_of(w, far_watcher, watcher);
        if (is_far_watcher(w) && pg_same(far->asker, from)) found = far;
    }
    if (found) pgi_watcher_remove(p, &found->watcher);
    pgi_unlock(p);
    if (found) drop_watcher(found);
}

/* Nobody is left who waits on that node.  Inside a look: who lives here keeps the slot; nobody else is waited for. */
static void forget_askers(pgi_bridge *bridge, uint32_t node)
{
    pgi_slots *slots = &bridge->process.rt->slots;
    uint32_t used = load_relaxed(&slots->used);
    for (uint32_t i = 0; i < used && load_relaxed(&bridge->watching) > 0; i++) {
        pg_process *p = &slots->base[i];
        if (pgi_slot_pid(p).id == 0) continue;
        pgi_lock(p);
        for (pgi_watcher *w = p->watchers, *next; w; w = next) {
            next = w->next;
            far_watcher *far = container_of(w, far_watcher, watcher);
            if (!is_far_watcher(w) || pgi_pid_node(far->asker) != node) continue;
            pgi_watcher_remove(p, w);
            drop_watcher(far);
        }
        pgi_unlock(p);
    }
}

static void arrived_answer(pgi_bridge *bridge, const pgi_frame *frame, const pg_message *msg)
{
    pg_exit_info exit;
    pg_pid result = {frame->from};
    if (msg) pg_get_exit(NULL, msg, 0, &exit);
    uint32_t node = bridge->is_uplink ? (uint32_t)frame->word : bridge->node;
    pgi_ask_answer((pg_pid){frame->to}, node, pg_pid_status(result), result, msg ? &exit : NULL);
}

/* --------------------------------------------------------------------------------------------------- what arrives */

void pgi_far_refuse(pg_runtime *rt, uint8_t type, uint8_t flags, pg_pid to, pg_pid from)
{
    pg_exit_info exit;
    switch (type) {
    case PGI_F_MESSAGE:
    case PGI_F_BRIEF: pgi_count_dropped(rt, pgi_local_here(rt), 1); break;
    case PGI_F_LINK:
        if ((is_here(rt, to) ? pgi_look(rt, to, NULL, &exit) : pgi_look_back_far(to, &exit)) != PG_OK)
            exit = (pg_exit_info){.kind = PG_EXIT_UNKNOWN};
        exit.pid = to;
        post_surely(from, PGI_F_DOWN, to, exit_message(&exit));
        break;
    case PGI_F_ASK:
        if (is_here(rt, from)) {
            pgi_ask_answer(from, 0, PG_ENOPROC, (pg_pid){0}, NULL);
        } else if (flags == PGI_ASK_SPAWN) {
            pgi_far_answer(from, PG_EUNSUPPORTED, (pg_pid){0}, NULL);
        } else if (flags == PGI_ASK_KILL) {
            pgi_far_answer(from, PG_ENOPROC, (pg_pid){0}, NULL);
        } else {
            int status = pgi_look_back_far(to, &exit);
            pgi_far_answer(from, status, to, &exit);
        }
        break;
    default: break;
    }
}

static void free_block(void *block, uint64_t length)
{
    if (block) pgi_block_free(pgi_cache_here(NULL), block, pgi_frame_padded(length) / PGI_UNIT);
}

/* The kind of message that a frame has for its body; -1: none, or other bytes. */
static int message_kind(const pgi_frame *frame)
{
    switch (frame->type) {
    case PGI_F_MESSAGE: return PGI_USER;
    case PGI_F_TERMINATE: return PGI_TERMINATE;
    case PGI_F_DOWN:
    case PGI_F_ANSWER:
    case PGI_F_NODE_DOWN:
    case PGI_F_ENDED: return PGI_DOWN;
    default: return -1;
    }
}

/* Whether the end of one of a child's processes may be told: not of one that had the child's number before it; and of
 * the first, once. */
static bool may_end(const pgi_bridge *bridge, pg_pid pid)
{
    if (pg_same(pid, bridge->root)) return load_relaxed(&bridge->ended) != pid.id;
    uint32_t first = bridge->first_generation, generation = pgi_pid_generation(pid);
    return generation > first && generation <= first + PGI_GENERATION_WINDOW;
}

/* Whether this side may be told that: a child speaks for its own processes, and to the hub. */
static bool may_say(pgi_bridge *bridge, const pgi_frame *frame)
{
    bool own = pgi_pid_node((pg_pid){frame->from}) == bridge->node;
    switch (frame->type) {
    case PGI_F_MESSAGE:
    case PGI_F_TERMINATE:
    case PGI_F_ANSWER:
    case PGI_F_GOODBYE: return true;
    case PGI_F_DOWN:
    case PGI_F_LINK:
    case PGI_F_UNLINK:
    case PGI_F_UNLINKED:
    case PGI_F_ASK:
    case PGI_F_CANCEL: return bridge->is_uplink || own;
    case PGI_F_ENDED: return !bridge->is_uplink && own && may_end(bridge, (pg_pid){frame->from});
    case PGI_F_LOG: return !bridge->is_uplink;
    default: return bridge->is_uplink; /* SPAWN, STOP, NODE_DOWN */
    }
}

/* Processes of two runtimes are not linked.  True: that is what the frame asks for, and it has been refused. */
static bool refuse_abroad(const pgi_bridge *bridge, const pgi_bridge *next, const pgi_frame *frame)
{
    if (frame->type != PGI_F_LINK || next->process.rt == bridge->process.rt) return false;
    const pg_exit_info exit = {
        .kind = PG_EXIT_UNKNOWN, .pid = {frame->to}, .text = "it is of another runtime, and cannot be linked"};
    post_surely((pg_pid){frame->from}, PGI_F_DOWN, exit.pid, exit_message(&exit));
    return true;
}

/* True: the frame asks for the death of a child as a whole, which the hub sees to. */
static bool kill_for_another(pgi_bridge *next, const pgi_frame *frame)
{
    pg_pid from = {frame->from};
    if (frame->type != PGI_F_ASK || frame->flags != PGI_ASK_KILL || next->root.id != frame->to) return false;
    pgi_far_answer(from, pgi_kill_child(next), next->root, NULL);
    return true;
}

/* For another node: the hub passes it on. */
static void pass_on(pgi_bridge *bridge, const pgi_frame *frame, pg_message *msg)
{
    pg_runtime *rt = bridge->process.rt;
    pg_pid to = {frame->to}, from = {frame->from};
    uint32_t node = pgi_pid_node(to);
    pgi_bridge *next = bridge->is_uplink ? NULL : pgi_hold_bridge(node);
    bool answers = frame->type == PGI_F_ANSWER;
    if (!next) {
        pgi_message_free(pgi_cache_here(NULL), msg);
        pgi_far_refuse(rt, frame->type, frame->flags, to, from);
    } else if (is_flooded(next)) {
        /* Whoever asks for more is to blame; of what it was to be told, it is itself. */
        pgi_message_free(pgi_cache_here(NULL), msg);
        if (frame->type == PGI_F_DOWN || frame->type == PGI_F_UNLINKED || answers) {
            lose(next);
        } else {
            pgi_bridge_break(bridge, "it floods another process");
        }
    } else if (!refuse_abroad(bridge, next, frame) && !kill_for_another(next, frame)) {
        size_t bytes = 0;
        if (msg) pgi_wire_prepare(pgi_cache_here(NULL), &msg, &bytes); /* it has come in this form */
        int status = pgi_post_frame(next, &(pgi_letter){.type = frame->type,
                                                        .flags = frame->flags,
                                                        .to = to.id,
                                                        .from = from.id,
                                                        .word = answers ? bridge->node : frame->word,
                                                        .body = msg,
                                                        .length = bytes,
                                                        .is_message = true});
        if (status != PG_OK) lose(next);
    }
    if (next) pgi_release_bridge(node);
}

static void arrived_ended(pgi_bridge *bridge, pg_pid from, pg_message *msg)
{
    pg_exit_info exit;
    bool first = pg_same(from, bridge->root);
    pg_get_exit(NULL, msg, 0, &exit);
    exit.pid = from;
    pgi_os_remember(&exit, first);
    if (first) store_release(&bridge->ended, from.id); /* partner: pgi_send_far */
    pgi_message_free(pgi_cache_here(NULL), msg);
}

/* No process lives there, and none will: nobody reaches the child any more, and what was on its way is the last. */
static bool arrived_goodbye(pgi_bridge *bridge, uint64_t last_generation)
{
    if (bridge->last_generation != 0) return false; /* once: it is answered */
    if (last_generation <= bridge->first_generation) return false;
    if (last_generation > (uint64_t)bridge->first_generation + PGI_GENERATION_WINDOW) return false;
    bridge->last_generation = (uint32_t)last_generation;
    pgi_bridge_unpublish(bridge);
    return pgi_post(bridge, PGI_F_GOODBYE, (pg_pid){0}, (pg_pid){0}, 0, NULL) == PG_OK; /* else it is killed */
}

static void arrived_log(pgi_bridge *bridge, uint8_t level, const char *text, uint64_t length)
{
    char line[1024];
    size_t n = length < sizeof line - 1 ? (size_t)length : sizeof line - 1;
    for (size_t i = 0; i < n; i++) line[i] = (char)((unsigned char)text[i] < ' ' || text[i] == 127 ? ' ' : text[i]);
    line[n] = '\0';
    pgi_log(bridge->process.rt, level <= PG_LOG_WARNING ? (pg_log_level)level : PG_LOG_WARNING, "%s", line);
}

/* A frame about this node's own processes, or about the bridge. */
static bool act(pgi_bridge *bridge, const pgi_frame *frame, pg_message *msg)
{
    pg_runtime *rt = bridge->process.rt;
    pg_pid to = {frame->to}, from = {frame->from};
    pg_exit_info exit;
    switch (frame->type) {
    case PGI_F_DOWN: arrived_down(bridge, frame, msg); return true;
    case PGI_F_LINK:
        if (!may_link(bridge)) return false;
        arrived_link(bridge, to, from);
        return true;
    case PGI_F_UNLINK:
    case PGI_F_UNLINKED: change_link(bridge, frame); return true;
    case PGI_F_ASK:
        if (!bridge->is_uplink && load_relaxed(&bridge->watching) >= STANDING_MAX) return false;
        arrived_question(bridge, frame->flags, to, from);
        return true;
    case PGI_F_CANCEL: arrived_cancel(rt, to, from); return true;
    case PGI_F_ANSWER:
        arrived_answer(bridge, frame, msg);
        pgi_message_free(pgi_cache_here(NULL), msg);
        return true;
    case PGI_F_NODE_DOWN:
        pg_get_exit(NULL, msg, 0, &exit);
        pgi_message_free(pgi_cache_here(NULL), msg);
        pgi_far_node_down(bridge, pgi_pid_node(from), &exit);
        return true;
    case PGI_F_ENDED: arrived_ended(bridge, from, msg); return true;
    case PGI_F_STOP: pgi_child_stop(rt); return true;
    case PGI_F_GOODBYE:
        if (!bridge->is_uplink) return arrived_goodbye(bridge, frame->word);
        pgi_child_dismiss(rt);
        return true;
    default: return false;
    }
}

/* A frame whose body is no message. */
static bool act_on_bytes(pgi_bridge *bridge, const pgi_frame *frame, void *body, uint64_t length,
                         const pgi_parcel *parcel)
{
    if (frame->type == PGI_F_LOG) {
        arrived_log(bridge, frame->flags, body, length);
        return true;
    }
    if (pgi_wire_spawn_check(body, length, parcel->names, parcel->count) != PG_OK) return false;
    pg_message *args = (pg_message *)(uintptr_t)pgi_wire_spawn_args(body);
    if (args && parcel->count > 0) args->flags = PGI_BUFFERS; /* of the parcel's, until it is copied */
    if (frame->type == PGI_F_SPAWN) {
        pgi_child_begin(bridge->process.rt, body);
    } else {
        pg_pid to = {frame->to}, linked = {0};
        uint32_t generation = pgi_pid_generation(to);
        if (generation != 0) linked = pgi_pid_make(bridge->node, generation, pgi_pid_index(to));
        pgi_os_spawn_for(bridge, linked, (pg_pid){frame->from}, body);
    }
    return true;
}

/* Whether an exit is that of the process that the frame comes from, and an answer no longer than one can be. */
static bool body_fits(const pgi_frame *frame, const pg_message *block, uint64_t length)
{
    if (frame->type == PGI_F_ANSWER) return length <= ANSWER_MAX;
    return frame->type != PGI_F_DOWN || pgi_message_terms(block)[1].body == frame->from;
}

static void arrived_message(pgi_bridge *bridge, pg_pid to, pg_message *msg)
{
    pg_runtime *rt = bridge->process.rt;
    int status = pgi_send_arrived(to, msg);
    if (status == PG_EFULL || status == PG_ENOMEM) pgi_count_dropped(rt, pgi_local_here(rt), 1);
}

void pgi_far_deliver_bunch(pgi_bridge *bridge, pgi_bunch *bunch)
{
    if (!bunch->first) return;
    if (likely(is_here(bridge->process.rt, bunch->to))) {
        pgi_send_chain(bunch->to, bunch->first, bunch->last);
    } else {
        for (pg_message *msg = bunch->first, *next = NULL; msg; msg = next) {
            next = pgi_message_behind(msg, bunch->last);
            arrived_message(bridge, bunch->to, msg);
        }
    }
    bunch->first = NULL;
}

void pgi_far_deliver_brief(pgi_bridge *bridge, pgi_bunch *bunch, pg_pid to, pg_message *msg)
{
    if (likely(bunch->first) && likely(pg_same(bunch->to, to))) {
        pgs_mpsc_link(&bunch->last->node, &msg->node);
    } else {
        pgi_far_deliver_bunch(bridge, bunch);
        bunch->to = to;
        bunch->first = msg;
    }
    bunch->last = msg;
}

static bool deliver(pgi_bridge *bridge, const pgi_frame *frame, void *block, uint64_t length, const pgi_parcel *parcel)
{
    bool bytes = frame->type == PGI_F_LOG || frame->type == PGI_F_SPAWN ||
                 (frame->type == PGI_F_ASK && frame->flags == PGI_ASK_SPAWN);
    int kind = message_kind(frame);
    bool well = may_say(bridge, frame);
    if (well && bytes) {
        well = block && act_on_bytes(bridge, frame, block, length, parcel);
        free_block(block, length);
        return well;
    }
    if (well && block) {
        well = kind >= 0 && pgi_wire_check(block, length, (uint8_t)kind, parcel->names, parcel->count) == PG_OK &&
               body_fits(frame, block, length);
    }
    if (!well) {
        free_block(block, length);
        return false;
    }
    pg_message *msg = block ? pgi_wire_adopt(block) : NULL;
    if (msg && unlikely(parcel->count > 0)) pgi_buffers_take(msg);
    if (frame->type == PGI_F_MESSAGE || frame->type == PGI_F_TERMINATE) {
        arrived_message(bridge, (pg_pid){frame->to}, msg);
        return true;
    }
    bool to_somebody = frame->type != PGI_F_NODE_DOWN && frame->type != PGI_F_ENDED && frame->type != PGI_F_STOP &&
                       frame->type != PGI_F_GOODBYE;
    if (!to_somebody || is_here(bridge->process.rt, (pg_pid){frame->to})) return act(bridge, frame, msg);
    pass_on(bridge, frame, msg);
    return true;
}

/* A frame whose buffers are here no more. */
static bool do_without(pgi_bridge *bridge, const pgi_frame *frame, int why)
{
    pg_runtime *rt = bridge->process.rt;
    if (frame->type == PGI_F_SPAWN) return false; /* nothing can begin */
    pgi_log(rt, PG_LOG_WARNING, "a message with buffers to process <pid %u.%u.%u> is dropped: %s",
            pgi_pid_node((pg_pid){frame->to}), pgi_pid_generation((pg_pid){frame->to}),
            pgi_pid_index((pg_pid){frame->to}),
            why == PG_EFULL ? "its sender has too many" : "descriptors or memory are short");
    if (frame->type == PGI_F_ASK) {
        pgi_far_answer((pg_pid){frame->from}, PG_ENOMEM, (pg_pid){0}, NULL);
    } else {
        pgi_far_refuse(rt, frame->type, frame->flags, (pg_pid){frame->to}, (pg_pid){frame->from});
    }
    return true;
}

bool pgi_far_deliver(pgi_bridge *bridge, const pgi_frame *frame, void *block, uint64_t length)
{
    static const pgi_parcel none;
    if (likely(frame->buffers == 0)) return deliver(bridge, frame, block, length, &none);
    pgi_parcel parcel;
    int status = pgi_parcel_receive(&parcel, bridge->channel, frame->buffers, bridge->is_uplink ? 0 : bridge->node);
    bool well = status != PG_EINVAL && may_say(bridge, frame);
    if (well && status == PG_OK) {
        well = deliver(bridge, frame, block, length, &parcel);
    } else {
        free_block(block, length);
        if (well) well = do_without(bridge, frame, status);
    }
    pgi_parcel_free(&parcel);
    return well;
}

/* ------------------------------------------------------------------------------------------------ the end of a node */

size_t pgi_far_node_down(pgi_bridge *bridge, uint32_t node, const pg_exit_info *why)
{
    size_t told = 0;
    pgi_visit visit;
    pgi_visit_runtime(&visit, bridge->process.rt);
    pgi_look_begin(&visit);
    for (pgi_link *link = pgi_links_detach(&bridge->process, node), *next; link; link = next) {
        pg_exit_info exit;
        next = link->side[1].next;
        link->side[1].next = NULL;
        if (why) {
            exit = *why;
        } else if (pgi_look_back_far(link->far, &exit) != PG_OK) {
            exit = (pg_exit_info){.kind = PG_EXIT_UNKNOWN};
        }
        const pgi_end end = {.kind = exit.kind, .text = exit.text[0] ? exit.text : NULL, .error = pg_v_nil()};
        told += pgi_links_tell(&bridge->process, (pg_pid){0}, link, &end);
    }
    forget_askers(bridge, node);
    pgi_look_end(&visit);
    pgi_leave(&visit);
    return told + pgi_ask_give_up(node, why);
}
