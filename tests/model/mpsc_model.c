/* mpsc_model.c - sched/mpsc.h under the explorer.
 *
 * Whoever is told to schedule the consumer runs it on the spot, as a worker might.
 *
 * Invariants checked:
 *   1. Every node is consumed exactly once, and the nodes of one producer in their order.
 *   2. At most one thread runs the consumer: each rest is answered by exactly one schedule.
 *   3. A run sees the messages that it consumes, and the private state that the run before left (happens-before).
 *   4. No producer touches a node that has been released.
 *   5. Nothing is lost: at the end all nodes are consumed, and the queue is idle.
 *   6. A consumer that scans for one message, leaves the others in the queue and goes idle behind them is scheduled by
 *      the next push, and finds each node in its place.
 *   7. What a claimer wrote before its claim is seen by a run after it, or by the one that found its trace; and after a
 *      claim in vain it is visible to whoever then rests (happens-before).
 *   8. All that is stored in a link is stored in one order (happens-before): the NULL of who pushes the node before the
 *      node behind it, and that before what the consumer writes there. */
#include "explorer.h"

/* The stores of mpsc.h count as writes of plain memory, too: then two that are not ordered are a data race. */
#undef store_relaxed
#undef store_release
#define store_relaxed(p, v) (model_write((const void *)(p)), MODEL_STORE(p, v, MODEL_RELAXED))
#define store_release(p, v) (model_write((const void *)(p)), MODEL_STORE(p, v, MODEL_RELEASE))
#include "mpsc.h"

enum { NODES = 6 };

struct node {
    pgs_mpsc_node link;
    int producer, number, message;
    bool consumed;
};

static pgs_mpsc queue;
static struct node nodes[NODES];
static int running, consumed, expected, last_number[2], state;
static bool sleeps; /* the consumer blocks in the middle of each message when it can */
static bool in_message;
static _Atomic(uint32_t) news; /* what a claimer has to say, beside the queue */
static bool news_handled, claims;
static bool watches;              /* the consumer looks whether there was a claim in vain */
static int said;                  /* plain: before the claim */
static _Atomic(uint32_t) in_vain; /* there was */

static void start(bool with_sleep, bool with_claim, int count)
{
    for (int i = 0; i < NODES; i++) nodes[i] = (struct node){.number = 0};
    pgs_mpsc_init(&queue, true);
    running = consumed = state = 0;
    last_number[0] = last_number[1] = 0;
    expected = count;
    sleeps = with_sleep;
    claims = with_claim;
    in_message = news_handled = watches = false;
    store_relaxed(&news, 0);
    store_relaxed(&in_vain, 0);
}

static void released(pgs_mpsc_node *link)
{
    if (!link) return;
    struct node *n = container_of(link, struct node, link);
    MODEL_CHECK(n->consumed);
    model_write(&n->message);
    model_free(n, sizeof *n);
}

static void consume(pgs_mpsc_node *link)
{
    struct node *n = container_of(link, struct node, link);
    released(pgs_mpsc_advance(&queue, link));
    model_read(&n->message);
    MODEL_CHECK(!n->consumed);
    MODEL_CHECK(n->number == last_number[n->producer] + 1);
    n->consumed = true;
    last_number[n->producer]++;
    consumed++;
}

static void look_at_news(void)
{
    if (load_relaxed(&news)) news_handled = true;
}

/* One turn of the consumer; false when it gave itself up. */
static bool turn(void)
{
    pgs_mpsc_node *link = pgs_mpsc_peek(&queue), *last = NULL;
    if (claims) look_at_news();
    if (link) {
        consume(link);
        in_message = sleeps;
        return true;
    }
    running--;
    bool blocks = in_message;
    in_message = false; /* before the hand-over: it is private state; resumed, the message goes on and ends */
    bool was_claimed = watches && load_relaxed(&in_vain);
    if (blocks ? pgs_mpsc_sleep(&queue, queue.head) : pgs_mpsc_rest(&queue, &last)) {
        if (was_claimed) model_read(&said);
        released(last);
        return false;
    }
    in_message = blocks;
    running++;
    if (!pgs_mpsc_peek(&queue)) cpu_relax();
    return true;
}

static void run_consumer(void)
{
    for (;;) {
        MODEL_CHECK(running == 0);
        running++;
        model_write(&state);
        while (turn()) model_write(&state);
        if (!claims || news_handled || !load_relaxed(&news) || !pgs_mpsc_claim(&queue)) return;
    }
}

static void push(int i, int producer, int number)
{
    struct node *n = &nodes[i];
    n->producer = producer;
    n->number = number;
    model_write(&n->message);
    if (pgs_mpsc_push(&queue, &n->link)) run_consumer();
}

static void producer_a(void)
{
    push(0, 0, 1);
    push(1, 0, 2);
}

/* Both together. */
static void producer_of_chain(void)
{
    for (int i = 0; i < 2; i++) {
        nodes[i].producer = 0;
        nodes[i].number = i + 1;
        model_write(&nodes[i].message);
    }
    pgs_mpsc_link(&nodes[0].link, &nodes[1].link);
    if (pgs_mpsc_push_chain(&queue, &nodes[0].link, &nodes[1].link)) run_consumer();
}

static void producer_b(void)
{
    push(2, 1, 1);
    push(3, 1, 2);
}

static void producer_once(void)
{
    push(2, 1, 1);
}

/* A selective consumer: takes the message of producer 1 out, wherever it stands, and leaves the others where they are.
 * `scan` is how far it has looked. */
static pgs_mpsc_node *scan;
static bool found;

static void scan_from(pgs_mpsc_node *before)
{
    pgs_mpsc_node *link;
    while ((link = pgs_mpsc_next(before)) != NULL) {
        struct node *n = container_of(link, struct node, link);
        model_read(&n->message);
        if (n->producer == 1 && !n->consumed) {
            found = n->consumed = true;
            last_number[1]++;
            consumed++;
            if (pgs_mpsc_unlink(before, link)) {
                released(link);
                continue;
            }
        }
        before = link;
    }
    scan = before;
}

static void run_scanner(void)
{
    for (;;) {
        MODEL_CHECK(running == 0);
        running++;
        model_write(&state);
        scan_from(scan ? scan : queue.head);
        pgs_mpsc_node *last = scan; /* before the hand-over, as is the line below */
        running--;
        if (pgs_mpsc_sleep(&queue, last)) return;
        if (!pgs_mpsc_next(last)) cpu_relax();
    }
}

static void scanned_push(int i, int producer, int number)
{
    nodes[i].producer = producer;
    nodes[i].number = number;
    model_write(&nodes[i].message);
    if (pgs_mpsc_push(&queue, &nodes[i].link)) run_scanner();
}

static void scanned_a(void)
{
    scanned_push(0, 0, 1);
    scanned_push(1, 0, 2);
}

static void scanned_b(void)
{
    scanned_push(2, 1, 1);
}

static void finish_scan(void)
{
    MODEL_CHECK(running == 0 && found && consumed == 1 && pgs_mpsc_idle_hint(&queue));
    int left = 0;
    for (pgs_mpsc_node *n = pgs_mpsc_peek(&queue); n; n = pgs_mpsc_next(n)) {
        struct node *node = container_of(n, struct node, link);
        if (!node->consumed) MODEL_CHECK(node->number == ++left);
    }
    MODEL_CHECK(left == 2);
}

static void claimer(void)
{
    model_write(&said);
    store_relaxed(&news, 1);
    if (pgs_mpsc_claim(&queue)) {
        run_consumer();
    } else if (watches) {
        store_relaxed(&in_vain, 1);
    }
}

static void setup_plain(void)
{
    start(false, false, 4);
}

static void setup_chain(void)
{
    start(false, false, 3);
}

static void setup_sleep(void)
{
    start(true, false, 4);
}

static void setup_claim(void)
{
    start(false, true, 3);
}

static void setup_sleep_claim(void)
{
    start(true, true, 3);
}

static void setup_watch(void)
{
    start(false, true, 1);
    watches = true;
}

static void setup_sleep_watch(void)
{
    start(true, true, 1);
    watches = true;
}

static void setup_scan(void)
{
    start(false, false, 3);
    scan = NULL;
    found = false;
}

/* Two nodes pushed and none consumed, IDLE clear: what a process that dies leaves behind. */
static void setup_detach(void)
{
    start(false, false, 3);
    pgs_mpsc_init(&queue, false);
}

static void detacher(void)
{
    while (consumed < expected) {
        pgs_mpsc_node *link = pgs_mpsc_detach(&queue);
        if (!link) {
            cpu_relax();
            continue;
        }
        struct node *n = container_of(link, struct node, link);
        model_read(&n->message);
        n->consumed = true;
        MODEL_CHECK(n->number == ++last_number[n->producer]);
        consumed++;
        released(link);
    }
    MODEL_CHECK(!pgs_mpsc_detach(&queue) && pgs_mpsc_is_empty_hint(&queue));
}

static void finish(void)
{
    MODEL_CHECK(running == 0);
    MODEL_CHECK(consumed == expected);
    MODEL_CHECK(pgs_mpsc_is_empty_hint(&queue) && !pgs_mpsc_peek(&queue));
    MODEL_CHECK(pgs_mpsc_idle_hint(&queue));
    MODEL_CHECK(!claims || news_handled);
}

static void finish_detach(void)
{
    MODEL_CHECK(consumed == expected && !pgs_mpsc_idle_hint(&queue));
}

int main(void)
{
    static const struct model_case cases[] = {
        {"mpsc: two producers, rest", setup_plain, {producer_a, producer_b}, finish, 5, 2, 0},
        {"mpsc: a producer of two at once", setup_chain, {producer_of_chain, producer_once}, finish, 5, 2, 0},
        {"mpsc: two producers, sleep and rest", setup_sleep, {producer_a, producer_b}, finish, 5, 2, 0},
        {"mpsc: two producers and a claim", setup_claim, {producer_a, producer_once, claimer}, finish, 4, 1, 0},
        {"mpsc: two producers and a claim, sleep",
         setup_sleep_claim,
         {producer_a, producer_once, claimer},
         finish,
         4,
         1,
         0},
        {"mpsc: a claim in vain", setup_watch, {producer_once, claimer}, finish, 5, 2, 0},
        {"mpsc: a claim in vain, sleep", setup_sleep_watch, {producer_once, claimer}, finish, 5, 2, 0},
        {"mpsc: a scan that leaves nodes behind", setup_scan, {scanned_a, scanned_b}, finish_scan, 5, 2, 0},
        {"mpsc: two producers and the end of life",
         setup_detach,
         {producer_a, producer_once, detacher},
         finish_detach,
         3,
         1,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) model_explore(&cases[i]);
    return 0;
}
