/* explorer.c - the explorer of explorer.h.
 *
 * Threads are fibers that are made once and go from execution to execution; the running one decides before each
 * operation who goes on, so that an execution switches only where it has to.  Everything here is one OS thread.
 *
 * A plain store always goes into its thread's buffer.  When it leaves is decided as late as possible: when another
 * thread operates on its address.  Then either the buffer is written to memory up to and with that store, which costs
 * nothing, or the store is overlooked, which costs a delay.  All other moments of writing lead to the same results.
 *
 * Happens-before is kept in vector clocks: one for each thread, one for each atomic location (what an acquire load of
 * its value brings), one for each buffered store.  Locations are found by address in a small hash table.
 *
 * Rejected: partial-order reduction (the cases are small enough without, and its mistakes would be silent). */
#undef _FORTIFY_SOURCE /* its longjmp takes a switch of stacks for an error */
#include "explorer.h"
#include "history.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

enum {
    MAX_TRACE = 200,
    MAIN = MODEL_MAX_THREADS,
    MAX_STEPS = 3000,
    BUFFER = 32,
    PLACE_BITS = 11,
    PLACES = 1 << PLACE_BITS,
    MAX_FREED = 64,
    TIMEOUTS = 2,    /* so many come whenever they like; later ones when nobody else can go on */
    LARGE = 2500000, /* operations in the round with store buffers, beyond which weak orders have a preemption less */
    STACK = 64 * 1024
};

enum status { RUNNING, SPINNING, SLEEPING, DONE };
enum wake { WOKEN, TIMED_OUT, INTERRUPTED };

struct thread {
    enum status status;
    enum wake wake;
    uint64_t seen_version; /* SPINNING: goes on when memory has changed since */
    const void *futex;     /* SLEEPING: on this word */
    bool has_deadline;     /* SLEEPING: may time out */
    int64_t deadline;
    struct clock clock;   /* all that happened before its next operation */
    struct clock fetched; /* what its relaxed loads saw released: counts after a fence */
    struct clock fence;   /* its clock at its last fence: what its relaxed stores release */
    struct clock light;   /* weak: its clock at its last light fence */
    struct clock ordered; /* weak: what heavy fences have shown it, and it may not overlook behind its next light one */
    uint32_t
        fenced[MODEL_MAX_THREADS]; /* weak, by C17: whose writes, up to where, it may not overlook for fences' sake */
    bool was_stale; /* weak: it has read an old value, and need not wait for a change to see the new one */
    struct buffered buffer[BUFFER];
    int buffered;
    int marked; /* so many of them, the oldest, are before a light fence */
};

struct step {
    int thread;
    const char *what;
    const volatile void *address;
    uint64_t value;
};

static const struct model_case *the_case;
static int thread_count, current = MAIN;
static struct thread threads[MODEL_MAX_THREADS];
static jmp_buf contexts[MODEL_MAX_THREADS + 1];
static ucontext_t birth[MODEL_MAX_THREADS], birth_return;
static char stacks[MODEL_MAX_THREADS][STACK] __attribute__((aligned(64)));
static bool born[MODEL_MAX_THREADS];
static void **local_word, *local[MODEL_MAX_THREADS + 1]; /* model_thread_local, and what it is for each thread */

static uint8_t choice[4 * MAX_STEPS], alternatives[4 * MAX_STEPS];
static int depth, recorded;
static int timeouts, preemptions_left, delays_left, stale_left, spurious_left;
static bool weak;
bool model_fences_by_c17 = true;
static struct {
    int preemptions, delays;
} bounds;                                                /* of the case, in this round */
static uint64_t execution, operations, version, settled; /* settled: the version that time has passed in */
static struct place places[PLACES];
static struct past pasts[PLACES];              /* of the place of the same index */
static uint32_t consistent[MODEL_MAX_THREADS]; /* weak: what all that is sequentially consistent has been shown */
static struct step steps[MAX_STEPS];
static int step_count;
static struct {
    const char *from, *to;
    int by;
} freed[MAX_FREED];
static int freed_count;
static int64_t clock_ns;     /* the clock: moved by timeouts */
static uint32_t epoll_ready; /* MODEL_EPOLL_... that nobody has harvested */

/* Failure */

void model_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "model \"%s\", %s, execution %llu: ", the_case ? the_case->name : "?", weak ? "weak" : "tso",
            (unsigned long long)execution);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    for (int i = step_count > MAX_TRACE ? step_count - MAX_TRACE : 0; i < step_count; i++) {
        fprintf(stderr, "  %3d  thread %d  %-12s %p  %#llx\n", i, steps[i].thread, steps[i].what,
                (const void *)(uintptr_t)steps[i].address, (unsigned long long)steps[i].value);
    }
    _Exit(1);
}

void pgs_panic(const char *file, int line, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    model_fail("%s:%d: %s", file, line, text);
}

static void trace(int thread, const char *what, const volatile void *address, uint64_t value)
{
    if (step_count == MAX_STEPS) model_fail("does not end");
    steps[step_count++] = (struct step){thread, what, address, value};
}

/* Clocks and places */

static struct place *place_of(const volatile void *address)
{
    size_t i = ((uintptr_t)address >> 2) * 0x9e3779b97f4a7c15u >> (64 - PLACE_BITS);
    for (int tries = 0; tries < PLACES; tries++, i = (i + 1) % PLACES) {
        if (places[i].execution != execution) {
            places[i] = (struct place){.address = address, .execution = execution, .writer = MAIN};
            pasts[i].count = 0;
            return &places[i];
        }
        if (places[i].address == address) return &places[i];
    }
    model_fail("more than %d shared words", PLACES);
}

void model_read(const volatile void *address)
{
    if (current == MAIN) return;
    struct place *p = place_of(address);
    struct clock *mine = &threads[current].clock;
    trace(current, "plain read", address, 0);
    if (p->writer != MAIN && p->written > mine->at[p->writer]) {
        model_fail("data race: thread %d reads what thread %d wrote", current, p->writer);
    }
    p->reads.at[current] = ++mine->at[current];
}

void model_write(const volatile void *address)
{
    if (current == MAIN) return;
    struct place *p = place_of(address);
    struct clock *mine = &threads[current].clock;
    trace(current, "plain write", address, 0);
    if (p->writer != MAIN && p->written > mine->at[p->writer]) {
        model_fail("data race: thread %d writes what thread %d wrote", current, p->writer);
    }
    for (int i = 0; i < thread_count; i++) {
        if (p->reads.at[i] > mine->at[i]) model_fail("data race: thread %d writes what thread %d reads", current, i);
    }
    p->writer = current;
    p->written = ++mine->at[current];
}

void model_free(const void *address, size_t size)
{
    if (freed_count == MAX_FREED) model_fail("more than %d pieces freed", MAX_FREED);
    freed[freed_count].from = address;
    freed[freed_count].to = (const char *)address + size;
    freed[freed_count++].by = current;
}

void model_revive(const void *address)
{
    for (int i = 0; i < freed_count; i++) {
        if (freed[i].from == address) freed[i--] = freed[--freed_count];
    }
}

/* `late_by`: the thread whose own earlier store only now leaves its buffer, or MAIN. */
static void touch(const volatile void *address, int late_by)
{
    const char *at = (const char *)(uintptr_t)address;
    for (int i = 0; i < freed_count; i++) {
        if (at < freed[i].from || at >= freed[i].to) continue;
        if (late_by == MAIN || late_by != freed[i].by) model_fail("use after free: %p", (const void *)at);
    }
}

/* Memory */

static void flush_one(int t)
{
    struct thread *th = &threads[t];
    struct buffered *b = &th->buffer[0];
    trace(t, "written", b->address, b->value);
    touch(b->address, t);
    if (memory_get(b->address, b->size) != b->value) version++; /* a spinner may have overlooked it */
    memory_put(b->address, b->size, b->value);
    place_of(b->address)->release = b->release;
    memmove(b, b + 1, sizeof *b * (size_t)--th->buffered);
    if (th->marked > 0) th->marked--;
}

static void drain(int t)
{
    while (threads[t].buffered) flush_one(t);
}

/* Choices */

static int choose(int count)
{
    if (count == 1) return 0;
    if (depth == (int)sizeof choice) model_fail("does not end: too many choices");
    if (depth == recorded) {
        choice[depth] = 0;
        alternatives[depth] = (uint8_t)count;
        recorded++;
    } else if (alternatives[depth] != count) {
        model_fail("the case is not deterministic: %d alternatives became %d", alternatives[depth], count);
    }
    return choice[depth++];
}

static bool next_sequence(void)
{
    while (recorded > 0 && choice[recorded - 1] + 1 == alternatives[recorded - 1]) recorded--;
    if (recorded == 0) return false;
    choice[recorded - 1]++;
    return true;
}

static void switch_to(int to)
{
    int from = current;
    current = to;
    if (local_word) {
        local[from] = *local_word;
        *local_word = local[to];
    }
    if (_setjmp(contexts[from]) == 0) _longjmp(contexts[to], 1);
}

/* The current thread operates on `address`: which stores to it in the buffers of others does it see? */
static void write_what_is_seen(const volatile void *address)
{
    for (int t = 0; t < thread_count; t++) {
        if (t == current) continue;
        struct thread *th = &threads[t];
        int upto[BUFFER + 1], n = 0; /* upto[k]: how many entries to write so that all but the last k are seen */
        for (int i = th->buffered - 1; i >= 0; i--) {
            if (th->buffer[i].address == address) upto[n++] = i + 1;
        }
        if (n == 0) continue;
        upto[n] = 0;
        int overlooked = choose(delays_left > 0 ? n + 1 : 1);
        if (overlooked) delays_left--;
        for (int i = upto[overlooked]; i > 0; i--) flush_one(t);
    }
}

struct option {
    enum { GO, TIME_OUT, INTERRUPT } kind;
    int thread;
};

static int list_options(struct option *options, bool self_can_go)
{
    int n = 0, late = MAIN;
    if (self_can_go) options[n++] = (struct option){GO, current};
    for (int t = 0; t < thread_count; t++) {
        struct thread *th = &threads[t];
        if (t == current && self_can_go) continue;
        bool free_of_charge = !self_can_go || preemptions_left > 0;
        bool ready = th->status == RUNNING || (th->status == SPINNING && th->seen_version != version);
        if (ready && free_of_charge) options[n++] = (struct option){GO, t};
        bool may_time_out = th->status == SLEEPING && th->has_deadline;
        if (may_time_out && free_of_charge && timeouts < TIMEOUTS) options[n++] = (struct option){TIME_OUT, t};
        if (th->status == SLEEPING && spurious_left > 0) options[n++] = (struct option){INTERRUPT, t};
        if (may_time_out && timeouts >= TIMEOUTS) late = t;
    }
    if (n == 0 && late != MAIN) options[n++] = (struct option){TIME_OUT, late};
    return n;
}

/* Time passes: all buffers are written, and who spins has one more look at what has changed since the last time, maybe
 * between its look and its spin.  False: there was nothing. */
static bool settle(void)
{
    bool any = version != settled;
    for (int t = 0; t < thread_count; t++) {
        any = any || threads[t].buffered;
        drain(t);
    }
    if (any) settled = ++version;
    return any;
}

/* Decides who goes on; returns when the calling thread does. */
static void decide(void)
{
    struct option options[3 * MODEL_MAX_THREADS], o;
    bool self_can_go = threads[current].status == RUNNING;
    int n = list_options(options, self_can_go);
    if (n == 0 && settle()) n = list_options(options, self_can_go);
    if (n == 0) {
        for (int t = 0; t < thread_count; t++) {
            if (threads[t].status != DONE) model_fail("deadlock or lost wake-up: thread %d waits for ever", t);
        }
        switch_to(MAIN);
        return;
    }
    o = options[choose(n)];
    if (o.thread != current && self_can_go) preemptions_left--;
    if (o.kind == INTERRUPT) spurious_left--;
    if (o.kind == TIME_OUT) {
        timeouts++;
        threads[o.thread].wake = TIMED_OUT;
        if (threads[o.thread].deadline > clock_ns) clock_ns = threads[o.thread].deadline;
    }
    if (o.kind == INTERRUPT) threads[o.thread].wake = INTERRUPTED;
    threads[o.thread].status = RUNNING;
    if (o.thread != current) switch_to(o.thread);
}

/* Operations */

static bool acquires(enum model_order order)
{
    return order == MODEL_ACQUIRE || order >= MODEL_ACQ_REL;
}

static bool releases(enum model_order order)
{
    return order >= MODEL_RELEASE;
}

static void take_in(struct thread *th, const struct clock *release, enum model_order order)
{
    clock_join(acquires(order) ? &th->clock : &th->fetched, release);
}

/* Weak orders: a place has a past, and a load chooses from it. */

static struct past *past_of(const volatile void *address, unsigned size)
{
    struct past *past = &pasts[place_of(address) - places];
    uint64_t now = memory_get(address, size);
    if (past->count > 0 && past->value[past->count - 1].value == now) return past;
    past_begin(past, now); /* as it was made, before it was shared */
    return past;
}

/* What a load reads, or a compare-and-swap that fails: the newest, or an older one that is not `expected`. */
static struct value *choose_value(struct past *past, struct thread *th, enum model_order order,
                                  const uint64_t *expected)
{
    int options[HISTORY], n = 0;
    options[n++] = past->count - 1;
    const uint32_t *shown = order == MODEL_SEQ_CST ? consistent : NULL;
    const uint32_t *fenced = model_fences_by_c17 ? th->fenced : NULL;
    int oldest = stale_left > 0 ? past_oldest(past, th->clock.seen, shown, fenced) : past->count - 1;
    for (int i = past->count - 2; i >= oldest; i--) {
        if (!expected || past->value[i].value != *expected) options[n++] = i;
    }
    int chosen = choose(n);
    if (chosen > 0) {
        stale_left--;
        th->was_stale = true;
    }
    struct value *v = &past->value[options[chosen]];
    if (!v->first[current]) v->first[current] = th->clock.at[current];
    return v;
}

/* From here on the thread overlooks nothing that has been shown by what is sequentially consistent. */
static void look_consistently(struct thread *th)
{
    join(model_fences_by_c17 ? th->fenced : th->clock.seen, consistent);
}

static void show_consistently(const struct thread *th)
{
    consistent[current] = th->clock.at[current];
    if (!model_fences_by_c17) join(consistent, th->clock.seen);
}

static void fence_consistently(struct thread *th)
{
    look_consistently(th);
    show_consistently(th);
}

/* The start of each operation of a thread; NULL outside of threads, where memory is simply memory. */
static struct thread *begin(const volatile void *address)
{
    if (current == MAIN) return NULL;
    decide();
    operations++;
    touch(address, MAIN);
    if (address) write_what_is_seen(address);
    struct thread *th = &threads[current];
    th->clock.seen[current] = ++th->clock.at[current];
    return th;
}

uint64_t model_load(const volatile void *address, unsigned size, enum model_order order)
{
    struct thread *th = begin(address);
    if (!th) return memory_get(address, size);
    if (weak) {
        struct past *past = past_of(address, size);
        struct value *v = choose_value(past, th, order, NULL);
        trace(current, v == past_newest(past) ? "load" : "load old", address, v->value);
        take_in(th, &v->release, order);
        return v->value;
    }
    for (int i = th->buffered - 1; i >= 0; i--) {
        if (th->buffer[i].address != address) continue;
        trace(current, "load own", address, th->buffer[i].value);
        return th->buffer[i].value;
    }
    uint64_t value = memory_get(address, size);
    trace(current, "load", address, value);
    take_in(th, &place_of(address)->release, order);
    return value;
}

void model_store(volatile void *address, unsigned size, uint64_t value, enum model_order order)
{
    struct thread *th = begin(address);
    if (!th) {
        memory_put(address, size, value);
        return;
    }
    if (size < 8) value &= ((uint64_t)1 << 8 * size) - 1;
    trace(current, order == MODEL_SEQ_CST ? "store sc" : "store", address, value);
    if (memory_get(address, size) != value) version++; /* writing the same again wakes no spinner */
    if (weak) {
        struct past *past = past_of(address, size);
        memory_put(address, size, value);
        past_append(past, value, releases(order) ? &th->clock : &th->fence, current, th->clock.at[current]);
        if (order == MODEL_SEQ_CST) show_consistently(th);
        return;
    }
    if (th->buffered == BUFFER) flush_one(current);
    th->buffer[th->buffered++] = (struct buffered){address, value, size, releases(order) ? th->clock : th->fence};
    if (order == MODEL_SEQ_CST) drain(current);
}

/* The two halves of a read-modify-write. */
static void take_latest(struct thread *th, const volatile void *address, unsigned size, enum model_order order)
{
    if (!weak) {
        take_in(th, &place_of(address)->release, order);
        return;
    }
    struct value *v = past_newest(past_of(address, size));
    if (!v->first[current]) v->first[current] = th->clock.at[current];
    take_in(th, &v->release, order);
}

static void write_back(struct thread *th, volatile void *address, unsigned size, uint64_t value, enum model_order order)
{
    const struct clock *released = releases(order) ? &th->clock : &th->fence;
    if (memory_get(address, size) != value) version++;
    if (!weak) {
        memory_put(address, size, value);
        clock_join(&place_of(address)->release, released);
        return;
    }
    struct past *past = past_of(address, size);
    struct clock release = past_newest(past)->release; /* the release sequence goes on */
    clock_join(&release, released);
    memory_put(address, size, value);
    past_append(past, value, &release, current, th->clock.at[current]);
    if (order == MODEL_SEQ_CST) show_consistently(th);
}

uint64_t model_rmw(volatile void *address, unsigned size, enum model_rmw kind, uint64_t operand, enum model_order order)
{
    static const char *const names[] = {"exchange", "add", "sub", "or", "and"};
    struct thread *th = begin(address);
    if (th) drain(current);
    uint64_t before = memory_get(address, size), after = operand;
    switch (kind) {
    case MODEL_XCHG: break;
    case MODEL_ADD: after = before + operand; break;
    case MODEL_SUB: after = before - operand; break;
    case MODEL_OR: after = before | operand; break;
    case MODEL_AND: after = before & operand; break;
    }
    if (size < 8) after &= ((uint64_t)1 << 8 * size) - 1;
    if (!th) {
        memory_put(address, size, after);
        return before;
    }
    trace(current, names[kind], address, after);
    take_latest(th, address, size, order);
    write_back(th, address, size, after, order);
    return before;
}

bool model_cas(volatile void *address, unsigned size, void *expected, uint64_t desired, enum model_order success,
               enum model_order failure)
{
    struct thread *th = begin(address);
    if (th) drain(current);
    uint64_t wanted = memory_get(expected, size), before = memory_get(address, size);
    const struct clock *release = NULL;
    if (th && weak) {
        const struct value *v = choose_value(past_of(address, size), th, failure, &wanted);
        before = v->value;
        release = &v->release;
    } else if (th) {
        release = &place_of(address)->release;
    }
    bool same = before == wanted;
    if (same && !th) memory_put(address, size, desired);
    if (th) {
        trace(current, same ? "swap" : "failed swap", address, same ? desired : before);
        take_in(th, release, same ? success : failure);
        if (same) write_back(th, address, size, desired, success);
    }
    if (!same) memcpy(expected, &before, size);
    return same;
}

void model_fence(void)
{
    struct thread *th = begin(NULL);
    if (!th) return;
    trace(current, "fence", NULL, 0);
    drain(current);
    clock_join(&th->clock, &th->fetched);
    fence_consistently(th);
    th->fence = th->clock;
}

/* Nothing happens, so that nobody has to decide anything. */
void model_fence_light(void)
{
    if (current == MAIN) return;
    struct thread *th = &threads[current];
    th->marked = th->buffered;
    join(th->clock.seen, th->ordered.seen);
    th->light = th->clock;
}

bool model_register_heavy(void)
{
    return true;
}

/* The other threads' fences are steps of their own, as on processors that are interrupted one by one.  They order
 * nothing as far as happens-before goes: the subject has to bring its own acquire and release. */
bool model_fence_heavy(void)
{
    model_fence();
    if (current == MAIN) return true;
    for (int t = 0; t < thread_count; t++) {
        if (t == current || (!weak && !threads[t].marked)) continue;
        begin(NULL);
        trace(current, "heavy fence", NULL, (uint64_t)t);
        while (threads[t].marked) flush_one(t);
        join(consistent, threads[t].light.seen);
        join(threads[t].ordered.seen, consistent);
    }
    look_consistently(&threads[current]);
    return true;
}

void model_thread_local(void **word)
{
    local_word = word;
}

bool model_is_weak(void)
{
    return weak;
}

int64_t model_now(void)
{
    return clock_ns;
}

void model_kill(int t)
{
    struct thread *th = begin(NULL);
    if (!th || t == current) model_fail("only another thread can be killed");
    trace(current, "kill", NULL, (uint64_t)t);
    drain(t);
    clock_join(&th->clock, &threads[t].clock);
    if (threads[t].status == DONE) return;
    threads[t].status = DONE;
    born[t] = false; /* it begins anew with the next execution */
    version++;
}

void model_spin(void)
{
    if (current == MAIN) model_fail("would spin for ever outside of threads");
    threads[current].seen_version = version - threads[current].was_stale; /* another look is news enough */
    threads[current].was_stale = false;
    threads[current].status = SPINNING;
    decide();
}

uint64_t model_moves_of_others(void)
{
    uint64_t moves = 0;
    for (int t = 0; t < thread_count; t++) {
        if (t != current) moves += threads[t].clock.at[t];
    }
    return moves;
}

int model_futex_wait(_Atomic(uint32_t) *word, uint32_t value, int64_t deadline_ns)
{
    struct thread *th = begin(word);
    if (!th) model_fail("a futex sleep outside of threads");
    drain(current);
    fence_consistently(th);
    if (memory_get(word, sizeof *word) != value) return EAGAIN;
    trace(current, "sleep", word, value);
    th->status = SLEEPING;
    th->futex = word;
    th->has_deadline = deadline_ns != INT64_MAX;
    th->deadline = deadline_ns;
    th->wake = WOKEN;
    decide();
    trace(current, th->wake == WOKEN ? "woken" : th->wake == TIMED_OUT ? "timed out" : "interrupted", word, 0);
    return th->wake == WOKEN ? 0 : th->wake == TIMED_OUT ? ETIMEDOUT : EINTR;
}

void model_futex_wake(_Atomic(uint32_t) *word)
{
    struct thread *th = begin(word);
    if (!th) return;
    drain(current);
    fence_consistently(th);
    trace(current, "wake", word, 0);
    for (int t = 0; t < thread_count; t++) {
        if (threads[t].status == SLEEPING && threads[t].futex == word) {
            threads[t].status = RUNNING;
            return;
        }
    }
}

void model_epoll_post(uint32_t events)
{
    struct thread *th = begin(&epoll_ready);
    if (!th) model_fail("an event outside of threads");
    drain(current);
    fence_consistently(th);
    epoll_ready |= events;
    version++;
    trace(current, "post", &epoll_ready, epoll_ready);
    clock_join(&place_of(&epoll_ready)->release, &th->clock);
    for (int t = 0; t < thread_count; t++) {
        if (threads[t].status == SLEEPING && threads[t].futex == &epoll_ready) threads[t].status = RUNNING;
    }
}

uint32_t model_epoll_wait(int64_t deadline_ns)
{
    struct thread *th = begin(&epoll_ready);
    if (!th) model_fail("a sleep outside of threads");
    drain(current);
    fence_consistently(th);
    if (!epoll_ready && deadline_ns > 0) {
        trace(current, "sleep", &epoll_ready, 0);
        th->status = SLEEPING;
        th->futex = &epoll_ready;
        th->has_deadline = deadline_ns != INT64_MAX;
        th->deadline = deadline_ns;
        decide();
    }
    uint32_t harvest = epoll_ready;
    epoll_ready = 0;
    trace(current, "harvest", &epoll_ready, harvest);
    take_in(th, &place_of(&epoll_ready)->release, MODEL_ACQUIRE);
    return harvest;
}

/* Executions */

static void fiber_main(int t)
{
    if (_setjmp(contexts[t]) == 0) swapcontext(&birth[t], &birth_return);
    for (;;) {
        the_case->thread[t]();
        threads[t].status = DONE;
        decide();
    }
}

static void fiber_make(int t)
{
    if (born[t]) return;
    born[t] = true;
    getcontext(&birth[t]);
    birth[t].uc_stack.ss_sp = stacks[t];
    birth[t].uc_stack.ss_size = STACK;
    birth[t].uc_link = NULL;
    makecontext(&birth[t], (void (*)(void))(uintptr_t)fiber_main, 1, t);
    swapcontext(&birth_return, &birth[t]);
}

static void execute(void)
{
    const struct model_case *c = the_case;
    for (int t = 0; t < thread_count; t++) fiber_make(t);
    execution++;
    depth = step_count = freed_count = 0;
    preemptions_left = bounds.preemptions;
    delays_left = weak ? 0 : bounds.delays;
    stale_left = weak ? bounds.delays : 0;
    spurious_left = c->spurious;
    epoll_ready = 0;
    clock_ns = 1000000000;
    timeouts = 0;
    memset(local, 0, sizeof local);
    memset(consistent, 0, sizeof consistent);
    for (int t = 0; t < thread_count; t++) {
        struct thread *th = &threads[t];
        th->status = RUNNING;
        th->buffered = th->marked = 0;
        th->was_stale = false;
        memset(th->fenced, 0, sizeof th->fenced);
        th->clock = th->fetched = th->fence = th->light = th->ordered = (struct clock){0};
        th->clock.at[t] = th->clock.seen[t] = 1;
    }
    c->setup();
    switch_to(choose(thread_count));
    if (c->check) c->check();
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* All executions of the case within the bounds of this round.  Returns how many operations. */
static uint64_t explore(const struct model_case *c)
{
    double start = seconds();
    uint64_t first = execution;
    recorded = 0;
    operations = 0;
    do execute();
    while (next_sequence());
    uint64_t executions = execution - first;
    printf("%-54s %-4s %9llu executions, preemptions <= %d, %s <= %d, spurious <= %d, %.2f s\n", c->name,
           weak ? "weak" : "tso", (unsigned long long)executions, bounds.preemptions, weak ? "stale reads" : "delays",
           bounds.delays, c->spurious, seconds() - start);
    fflush(stdout);
    return operations;
}

void model_explore(const struct model_case *c)
{
    const char *only = getenv("MODEL_ONLY"), *deeper = getenv("MODEL_DEEPER");
    bool plainly = getenv("MODEL_PLAIN") != NULL, weakly = getenv("MODEL_WEAK") != NULL;
    if (only && !strstr(c->name, only)) return;
    int more = deeper ? atoi(deeper) : 0;
    the_case = c;
    thread_count = 0;
    while (thread_count < MODEL_MAX_THREADS && c->thread[thread_count]) thread_count++;
    weak = false;
    bounds.preemptions = c->preemptions + more;
    bounds.delays = plainly ? 0 : c->delays + more;
    bool large = weakly || explore(c) > LARGE;
    if (plainly) return;
    weak = true;
    if (large && bounds.preemptions > 0) bounds.preemptions--;
    if (bounds.delays == 0) bounds.delays = 1;
    explore(c);
}
