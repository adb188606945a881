/* floor_bench.cc - the bare operations that a message, a process and a switch are made of, without a runtime: the
 * limits that the other cases of the same run are compared with.  One thread, everything in its first cache, nothing
 * contended.
 *
 *   floor_message   allocate 64 bytes, enqueue them by an exchange, dequeue, call the handler that they name, free.
 *                   The allocator is the program's malloc (jemalloc where the library is built with it)
 *   floor_pool      the same with a free list in the place of the allocator: what nothing that allocates can reach
 *   floor_spawn     allocate 256 bytes, clear them, call the function that they name, free
 *   floor_switch    leave one stack for another by a hand-written switch of the six callee-saved registers; without
 *                   what a correct one also has to keep: floating-point control, errno, exceptions.  x86-64 only
 *   floor_switch_pgs
 *                   the same by the runtime's fibers (sched/fiber.h), which keep all that */
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "fiber_pair.h"
#include "support.h"

namespace
{

/* ------------------------------------------------------------------------------------------------------ messages */

struct Message {
    std::atomic<Message *> next;
    void (*handler)(Message *);
    uint64_t payload[6];
};
static_assert(sizeof(Message) == 64, "a small message is one cache line");

/* D. Vyukov's MPSC queue: the message dequeued last stays as its head, and is freed by the next dequeue. */
struct Queue {
    alignas(128) std::atomic<Message *> tail;
    alignas(128) Message *head;
};

uint64_t handled;

void handler(Message *m)
{
    handled += m->payload[0];
}

struct Malloc {
    void *take()
    {
        return std::malloc(sizeof(Message));
    }
    void give(void *p)
    {
        std::free(p);
    }
};

struct Pool {
    void *list[64];
    size_t count = 0;
    void *take()
    {
        return count > 0 ? list[--count] : std::malloc(sizeof(Message));
    }
    void give(void *p)
    {
        if (count < 64)
            list[count++] = p;
        else
            std::free(p);
    }
    ~Pool()
    {
        while (count > 0) std::free(list[--count]);
    }
};

template <class Allocator> void floor_message(benchmark::State &state)
{
    Allocator allocator;
    Queue q;
    void (*volatile which)(Message *) = handler;
    auto make = [&](uint64_t payload) {
        Message *m = static_cast<Message *>(allocator.take());
        m->next.store(nullptr, std::memory_order_relaxed);
        m->handler = which;
        m->payload[0] = payload;
        return m;
    };
    q.head = make(0);
    q.tail.store(q.head, std::memory_order_relaxed);
    handled = 0;
    for (auto _ : state) {
        Message *m = make(1);
        Message *before = q.tail.exchange(m, std::memory_order_acq_rel);
        before->next.store(m, std::memory_order_release);

        Message *old = q.head;
        Message *first = old->next.load(std::memory_order_acquire);
        q.head = first;
        first->handler(first);
        allocator.give(old);
        benchmark::ClobberMemory();
    }
    allocator.give(q.head);
    bench::expect(state, handled == static_cast<uint64_t>(state.iterations()), "not every message was handled");
    bench::count_items(state);
}
BENCHMARK_TEMPLATE(floor_message, Malloc)->Name("floor_message");
BENCHMARK_TEMPLATE(floor_message, Pool)->Name("floor_pool");

/* ------------------------------------------------------------------------------------------------------ processes */

struct Block {
    void (*target)(Block *);
    uint64_t state[31];
};
static_assert(sizeof(Block) == 256, "a control block");

void target(Block *b)
{
    handled += b->state[30] + 1;
}

void floor_spawn(benchmark::State &state)
{
    void (*volatile which)(Block *) = target;
    handled = 0;
    for (auto _ : state) {
        Block *b = static_cast<Block *>(std::malloc(sizeof(Block)));
        std::memset(b, 0, sizeof *b);
        b->target = which;
        benchmark::DoNotOptimize(b);
        benchmark::ClobberMemory();
        b->target(b);
        std::free(b);
    }
    bench::expect(state, handled == static_cast<uint64_t>(state.iterations()), "not every block was used");
    bench::count_items(state);
}
BENCHMARK(floor_spawn);

/* -------------------------------------------------------------------------------------------------------- switches */

#if defined(__x86_64__) && defined(__LP64__)

extern "C" void floor_switch_to(void **from, void **to);

/* The return is a pop and a jump: a `ret` would be predicted to go where the latest call came from. */
__asm__(".text\n"
        ".type floor_switch_to, @function\n"
        "floor_switch_to:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq (%rsi), %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    popq %rcx\n"
        "    jmpq *%rcx\n"
        ".size floor_switch_to, .-floor_switch_to\n");

void *here, *there;
uint64_t visits;

[[noreturn]] void other()
{
    for (;;) {
        visits++;
        floor_switch_to(&there, &here);
    }
}

void floor_switch(benchmark::State &state)
{
    alignas(64) static void *stack[2048];
    void **top = stack + 2048;
    *--top = nullptr; /* keeps the stack aligned as after a call */
    *--top = reinterpret_cast<void *>(other);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    there = top;
    visits = 0;
    while (state.KeepRunningBatch(2)) floor_switch_to(&here, &there);
    bench::expect(state, 2 * visits == static_cast<uint64_t>(state.iterations()), "a switch went elsewhere");
    bench::count_items(state);
}
BENCHMARK(floor_switch);

#endif

void floor_switch_pgs(benchmark::State &state)
{
    constexpr uint64_t batch = 1000000;
    while (state.KeepRunningBatch(batch)) {
        if (!bench::expect(state, fiber_pair_switch(batch - 1) == batch, "a fiber has not had its turns")) break;
    }
    bench::count_items(state);
}
BENCHMARK(floor_switch_pgs);

} // namespace
