/* paragram.hpp - paragram for C++17: lambdas as targets and handlers, typed arguments, exceptions that become exits.
 *
 *     #include <paragram.hpp>
 *     #include <cstdio>
 *
 *     int main()
 *     {
 *         pg::runtime rt;
 *         pg::attached me(rt, "main");
 *         pg::pid counter = pg::spawn(me, [sum = int64_t{0}](pg::process &self) mutable {
 *             self.receive("add", [&](int64_t n) { sum += n; });
 *             self.receive("sum?", [&] { return sum; });
 *         });
 *         pg::send(counter, "add", 3);
 *         std::printf("%ld\n", me.call<long>(counter, std::chrono::seconds(5), "sum?").value());
 *     }
 *
 * It lies over paragram.h, which stays the manual: all of that can be used beside it, with a pg::process wherever a
 * pg_process * is asked for.  What begins with pg_ there begins with pg:: here.  No RTTI is needed.
 *
 * LIFETIMES
 *   A target is moved into its process, and destroyed with it: once, however it ends, and where the spawn fails, too.
 *   So handlers may refer to what the target has captured, as above, to `self`, and to what self.make<T>() has made.
 *   They must not refer to locals of the target, which has returned when they are called.
 * HANDLERS
 *   self.receive(values..., handler) receives messages of these values, followed by one for each parameter of the
 *   handler, whose type says what that is: see paragram/typed.hpp.  A string_view and the like live until the handler
 *   returns.  Parameters that stand for no value may be among them: pg::process &; pg::message, the whole of it;
 *   pg::from, who calls, for a pg::reply() later on.  pg::rest as the last one stands for any further values.  What
 *   the handler returns, unless that is void, is the answer to a pg_call(); a tuple is an answer of several values.
 *   One that cannot be sent, no value or too many, is a pg::error, so that who asks does not wait for it.
 * ERRORS
 *   What can happen to a program that is right, the time has passed, the other one has ended, is returned: a status as
 *   in C, or a pg::result, which is a value or a status.  What cannot, a pattern that is none, and what it cannot go on
 *   without, a value() that is not there, memory, throws pg::error or std::bad_alloc.  An exception that leaves a
 *   target or handler, any exception, goes no further: the process fails (PG_EXIT_FAILED) with the text of e.what(), or
 *   with the name of the type where that is no std::exception.
 * ENDS
 *   When a process ends in the middle of its code, by exit() or fail(), or by a terminate, the exit of a linked one or
 *   pg_stop() where it receives, sleeps or waits, its frames are left by an exception, pg::ended, and destructors run.
 *   In them, what would block returns PG_EENDED.  `catch (...)` should rethrow; a process that has caught it and goes
 *   on ends when its handler returns.  As any exception it must not leave what is noexcept, or the program is
 *   std::terminate()d: no receiving, sleeping or waiting there, nor in destructors.  Two times only what the process
 *   owns is destroyed, its target and what it has made, and the frames are given up: where it meets its end while
 *   another exception is on its way, whose memory is lost then, and where memory is too short to keep the reason.
 * SUSPENSION
 *   A process may be suspended anywhere, also in a catch block or in a destructor, and go on on another thread: the
 *   exceptions that are on their way or being handled are the process's own: their state is exchanged with the stack.
 *   (The runtime does that in all programs that are linked with the C++ library.)  Other things of a thread stay with
 *   it: see README.md, "What is not".
 * KINDS
 *   PG_OS takes targets that capture nothing, since it begins elsewhere, with the program's memory as it was at the
 *   start: pg::spawn<PG_OS>() tells others when it is compiled; where options or the runtime say so it is PG_EINVAL.
 * pg_data() and pg_set_data() of a process that has a pg::process are this header's; its pg_use() is self.use(). */
#ifndef PARAGRAM_HPP
#define PARAGRAM_HPP

#include "paragram/handler.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace pg
{

/* Goes through the code of a process that ends in the middle of it. */
class ended final
{
    ended() = default;
    friend class process;
};

/* ---------------------------------------------------------------------------------------------------- messages */

struct releaser {
    void operator()(const pg_message *m) const
    {
        pg_release(m);
    }
};

/* What pg_keep() gives. */
using kept = std::unique_ptr<const pg_message, releaser>;

/* As in paragram.h: the values are of what paragram/typed.hpp lists. */
template <class... A> PG_ALWAYS_INLINE inline int send(pid to, const A &...a)
{
    return detail::with([&](size_t n, const pg_value *v) { return pg_send_values(to, n, v); }, detail::put(a)...);
}

template <class... A> pg_timer send_after(pg_process *self, pid to, duration delay, const A &...a)
{
    return detail::with([&](size_t n, const pg_value *v) { return pg_send_after_values(self, to, delay, n, v); },
                        detail::put(a)...);
}

template <class... A> pg_timer send_every(pg_process *self, pid to, duration interval, const A &...a)
{
    return detail::with([&](size_t n, const pg_value *v) { return pg_send_every_values(self, to, interval, n, v); },
                        detail::put(a)...);
}

template <class... A> PG_ALWAYS_INLINE inline int reply(from who, const A &...a)
{
    return detail::with([&](size_t n, const pg_value *v) { return pg_reply_to_values(who, n, v); }, detail::put(a)...);
}

template <class... A> PG_ALWAYS_INLINE inline int reply(const pg_message *m, const A &...a)
{
    return pg::reply(pg_call_from(m), a...);
}

template <class... A> int broadcast(pg_runtime *rt, const char *group, const A &...a)
{
    return detail::with([&](size_t n, const pg_value *v) { return pg_broadcast_values(rt, group, n, v); },
                        detail::put(a)...);
}

inline result<exit_info> wait(pid p, duration timeout = forever)
{
    exit_info exit;
    int status = pg_wait(p, timeout, &exit);
    return status == PG_OK ? result<exit_info>(exit) : result<exit_info>::failed(status);
}

/* --------------------------------------------------------------------------------------------------- processes */

namespace detail
{

template <class F, size_t First> void on_message(pg_process *c, const pg_message *m);

} // namespace detail

/* A process, as its own code sees it; lives as long as it. */
class process
{
  public:
    process(const process &) = delete;
    process &operator=(const process &) = delete;
    operator pg_process *() const noexcept
    {
        return c_;
    }

    /* Adds a receiver: see HANDLERS.  The handler is moved into the process, or copied where it has a name.
     *     self.receive("add", [&](int64_t n, std::string_view what) { ... }); */
    template <class... A> void receive(A &&...values_and_handler)
    {
        static_assert(sizeof...(A) > 0, "paragram: receive(values..., handler)");
        using G = std::tuple_element_t<sizeof...(A) - 1, std::tuple<A &&...>>;
        apart<sizeof...(A) - 1>(
            [&](auto &f, size_t n, const pg_value *v) { add<sizeof...(A) - 1>(static_cast<G>(f), n, v); },
            values_and_handler...);
    }

    /* pg_use(): handlers that were added before are not asked any more. */
    int use(pg_table &table)
    {
        int status = pg_use(c_, &table);
        if (status == PG_OK) first_ = last_ = nullptr;
        return status;
    }

    /* The next message; or, where anything is asked for, the first one of these values and then of one value for each
     * T: those, or the message where there is no T.  Statuses as for pg_recv() and pg_recv_match().
     *     auto reply = self.recv<int64_t, std::string_view>(std::chrono::seconds(1), "reply");
     *     if (reply) use(std::get<0>(*reply), std::get<1>(*reply)); */
    template <class... T, class... A> auto recv(duration timeout = forever, const A &...values)
    {
        const pg_message *m = nullptr;
        auto asked = std::tuple_cat(detail::pattern_of<T>()...);
        auto receive = [&](size_t n, const pg_value *v) {
            return sizeof...(T) + sizeof...(A) == 0 ? pg_recv(c_, &m, timeout)
                                                    : pg_recv_match_values(c_, &m, timeout, n, v);
        };
        int status = std::apply(
            [&](auto &...pattern) { return detail::with(receive, detail::put(values)..., pattern...); }, asked);
        return got<T...>(status, m, sizeof...(A));
    }

    /* The same with the values as arguments of a visitor, which is called in place.  PG_OK: it has been.
     *     self.recv_match(pg::forever, "reply", [&](int64_t n) { ... }); */
    template <class... A> int recv_match(duration timeout, A &&...values_and_visitor)
    {
        return apart<sizeof...(A) - 1>(
            [&](auto &&f, size_t n, const pg_value *v) {
                const pg_message *m = nullptr;
                int status = pg_recv_match_values(c_, &m, timeout, n, v);
                if (status == PG_OK) (void)detail::call(f, *this, m, sizeof...(A) - 1), void();
                return status;
            },
            values_and_visitor...);
    }

    /* pg_call(): the values of the answer, one for each T, or the message where there is none.  Statuses as there, and
     * PG_EINVAL: there is an answer, but not of these types. */
    template <class... T, class... A> auto call(pid to, duration timeout, const A &...values)
    {
        const pg_message *m = nullptr;
        auto ask = [&](size_t n, const pg_value *v) { return pg_call_values(c_, to, &m, timeout, n, v); };
        int status = detail::with(ask, detail::put(values)...);
        size_t i = 0;
        if (status == PG_OK && sizeof...(T) > 0) {
            bool right = pg_count(m) == sizeof...(T) && (detail::is_a<T>(pg_get(nullptr, m, i++)) && ...);
            if (!right) status = PG_EINVAL;
        }
        return got<T...>(status, m, 0);
    }

    /* Makes an object that lives until the process has ended; those made last are destroyed first. */
    template <class T, class... A> T &make(A &&...arguments)
    {
        auto *node = new detail::made<T>(std::forward<A>(arguments)...);
        own(node);
        return node->object;
    }

    int sleep(duration time)
    {
        return pg_sleep(c_, time);
    }

    /* pg_blocking(); what f throws is thrown here. */
    template <class F> int blocking(F &&f)
    {
        struct job {
            std::remove_reference_t<F> &f;
            std::exception_ptr thrown;
        } j{f, nullptr};
        int status = pg_blocking(c_, run_job<job>, &j);
        if (j.thrown) std::rethrow_exception(j.thrown);
        return status;
    }

    kept keep(message m)
    {
        return kept(pg_keep(c_, m));
    }

    /* The ends of pg_exit(), pg_fail() and pg_fail_with(): see ENDS. */
    [[noreturn]] void exit()
    {
        pg_exit(c_);
    }
    [[noreturn]] void fail(std::string_view text)
    {
        pg_fail(c_, "%.*s", static_cast<int>(text.size()), text.data());
    }
    template <class T> [[noreturn]] void fail_with(const T &value)
    {
        detail::with([&](size_t, const pg_value *v) { pg_fail_value(c_, v[0]); }, detail::put(value));
        std::abort();
    }

  protected:
    process() = default;
    ~process()
    {
        disown();
    }

    /* From now on `c` has its receivers here, and its ends are this one's.  `f` is its clean-up.  False: memory is
     * short. */
    bool bind(pg_process *c, void (*f)(void *), void *argument)
    {
        c_ = c;
        if (pg_defer_unwinding(c, f, unwind, argument) != PG_OK) return false;
        pg_set_data(c, this);
        return true;
    }
    void disown()
    {
        while (newest_) delete std::exchange(newest_, newest_->before);
        std::free(std::exchange(reason_, nullptr));
    }

    /* Calls code of the process.  No exception comes back from it. */
    template <class B> PG_ALWAYS_INLINE inline void run(B &&body)
    {
        bool outer = inside_; /* a receive that calls a handler for (exit) has code beneath it */
        inside_ = true;
        try {
            body();
        } catch (...) {
            caught();
        }
        inside_ = outer;
        if (over_ != goes_on) end();
    }

    pg_process *c_ = nullptr;

  private:
    template <class F, size_t First> friend void detail::on_message(pg_process *c, const pg_message *m);

    enum over : unsigned char { goes_on, failed, unwound };

    /* g(the last of `all`, count, values) with the values of the others, and of the pattern that the last one asks
     * for. */
    template <size_t N, class G, class... A> static decltype(auto) apart(G &&g, A &...all)
    {
        return apart(std::forward<G>(g), std::tie(all...), std::make_index_sequence<N>());
    }
    template <class G, class T, size_t... I> static decltype(auto) apart(G &&g, T all, std::index_sequence<I...>)
    {
        auto &&f = std::get<sizeof...(I)>(all);
        auto asked = detail::pattern_of_handler<std::decay_t<decltype(f)>>();
        auto on_values = [&](size_t n, const pg_value *v) { return g(f, n, v); };
        return std::apply(
            [&](auto &...pattern) { return detail::with(on_values, detail::put(std::get<I>(all))..., pattern...); },
            asked);
    }

    template <size_t First, class G> void add(G &&f, size_t n, const pg_value *v)
    {
        using F = std::decay_t<G>;
        const pg_handler key = detail::on_message<F, First>;
        if constexpr (detail::is_stateless<F>) {
            (void)f;
            check(pg_receive_values(c_, key, n, v));
        } else {
            auto node = std::make_unique<detail::closure<F>>(std::forward<G>(f), key, n, v);
            check(pg_receive_values(c_, key, n, v));
            for (auto *at = first_; at; at = at->next) {
                if (at->key == key) at->alone = node->alone = false;
            }
            (last_ ? last_->next : first_) = node.get();
            last_ = node.get();
            own(node.release());
        }
    }
    template <class F> F &find(pg_handler key, const pg_message *m) const
    {
        return static_cast<detail::closure<F> *>(detail::called(first_, key, m))->f;
    }
    void own(detail::owned *node) noexcept
    {
        node->before = newest_;
        newest_ = node;
    }

    template <class... T> static auto got(int status, const pg_message *m, size_t first)
    {
        return got<T...>(status, m, first, std::index_sequence_for<T...>());
    }
    template <class... T, size_t... I>
    static auto got(int status, const pg_message *m, size_t first, std::index_sequence<I...>)
    {
        if constexpr (sizeof...(T) == 0) {
            (void)first;
            return status == PG_OK ? result<message>(m) : result<message>::failed(status);
        } else {
            using R = typename std::conditional_t<sizeof...(T) == 1, std::tuple_element<0, std::tuple<T..., void>>,
                                                  detail::itself<std::tuple<T...>>>::type;
            return status == PG_OK ? result<R>(R(detail::at<T>(m, first + I)...)) : result<R>::failed(status);
        }
    }

    template <class J> static void run_job(void *p)
    {
        auto *job = static_cast<J *>(p);
        try {
            job->f();
        } catch (...) {
            job->thrown = std::current_exception();
        }
    }

    static void check(int status)
    {
        if (status == PG_ENOMEM) throw std::bad_alloc();
        if (status != PG_OK) throw error(status, "a receiver is refused");
    }

    /* Called by the runtime when the process ends: has its frames left, if there are any, and if that is possible. */
    static void unwind(void *p)
    {
        auto *self = static_cast<process *>(p);
        if (!self->inside_ || std::uncaught_exceptions() > 0) return;
        self->over_ = unwound;
        throw ended();
    }

    __attribute__((noinline)) void caught() noexcept
    {
        if (over_ == unwound) return;
        over_ = failed;
        try {
            throw;
        } catch (const std::exception &e) {
            reason_ = strdup(e.what());
        } catch (...) {
            const std::type_info *type = abi::__cxa_current_exception_type();
            reason_ = type ? abi::__cxa_demangle(type->name(), nullptr, nullptr, nullptr) : nullptr;
        }
    }

    /* When no exception is on its way or being handled any more: the runtime may take the stack away. */
    [[noreturn]] __attribute__((noinline)) void end()
    {
        if (over_ == unwound) pg_unwound(c_);
        char text[sizeof(exit_info::text)] = "an exception";
        if (reason_) std::strncpy(text, reason_, sizeof text - 1);
        std::free(std::exchange(reason_, nullptr));
        pg_fail(c_, "%s", text);
    }

    detail::owned *newest_ = nullptr;
    detail::registered *first_ = nullptr, *last_ = nullptr;
    char *reason_ = nullptr;
    bool inside_ = false; /* its code is on the stack */
    over over_ = goes_on;
};

namespace detail
{

template <class F, size_t First> void on_message(pg_process *c, const pg_message *m)
{
    auto &self = *static_cast<process *>(pg_data(c));
    auto deliver = [&](F &f) {
        if constexpr (std::is_void_v<typename signature<F>::returned>) {
            detail::call(f, self, m, First);
        } else {
            detail::answer(m, detail::call(f, self, m, First));
        }
    };
    self.run([&] {
        if constexpr (is_stateless<F>) {
            stateless<F> any;
            deliver(any.f());
        } else {
            deliver(self.template find<F>(on_message<F, First>, m));
        }
    });
}

/* A process and its target. */
template <class F> struct box : process {
    F f;
    template <class G> explicit box(G &&g) : f(std::forward<G>(g))
    {
    }
    ~box()
    {
        disown(); /* which may refer to f */
    }
    static void destroy(void *p)
    {
        delete static_cast<box *>(static_cast<process *>(p));
    }
    void begin(pg_process *c)
    {
        if (!bind(c, destroy, static_cast<process *>(this))) {
            delete this;
            pg_fail(c, "memory is short");
        }
        run([this] {
            if constexpr (std::is_invocable_v<F &, process &>) {
                f(*this);
            } else {
                f();
            }
        });
    }
};

template <class F> void on_begin(pg_process *c)
{
    if constexpr (is_stateless<F>) {
        stateless<F> any;
        auto *b = new (std::nothrow) box<F>(any.f());
        if (!b) pg_fail(c, "memory is short");
        b->begin(c);
    } else {
        static_cast<box<F> *>(pg_get_ptr(nullptr, pg_args(c), 0))->begin(c);
    }
}

template <pg_kind K, class F, class G> pid spawn(F &&f, pg_spawn_options o, G &&give)
{
    using T = std::decay_t<F>;
    static_assert(std::is_invocable_v<T &, process &> || std::is_invocable_v<T &>,
                  "paragram: a target takes a pg::process &, or nothing");
    static_assert(K != PG_OS || is_stateless<T>,
                  "paragram: a target that captures something cannot begin in another operating-system process: use a "
                  "lambda without captures, and send it what it needs");
    if (K != PG_KIND_DEFAULT) o.kind = K;
    if constexpr (is_stateless<T>) {
        return give(on_begin<T>, o);
    } else {
        if (o.args.head != 0) throw error(PG_EINVAL, "arguments for a target that captures");
        auto b = std::make_unique<box<T>>(std::forward<F>(f));
        const pg_value where = pg_v_ptr(b.get());
        o.args = pg_tuple_of(1, &where);
        pid p = give(on_begin<T>, o);
        if (pg_pid_status(p) == PG_OK) (void)b.release();
        return p;
    }
}

} // namespace detail

/* pg_spawn_options, whose other fields are set by name. */
struct options : pg_spawn_options {
    options(const char *the_name = nullptr, pg_kind the_kind = PG_KIND_DEFAULT) : pg_spawn_options()
    {
        name = the_name;
        kind = the_kind;
    }
};

/* Start a process that runs f(its pg::process), or f(), as pg_spawn(), pg_spawn_link() and pg_spawn_in() do; statuses
 * as there, by pg_pid_status().  Its args are for targets that capture nothing: message(pg_args(self))[0].as<int>().
 *     pg::spawn(self, [](pg::process &self) { ... }, {"its name", PG_THREAD});
 *     pg::spawn<PG_OS>(self, [] { ... }); */
template <pg_kind K = PG_KIND_DEFAULT, class F> pid spawn(pg_process *self, F &&f, const options &o = {})
{
    auto give = [&](pg_target t, const pg_spawn_options &all) { return pg_spawn_with(self, t, &all); };
    return detail::spawn<K>(std::forward<F>(f), o, give);
}

template <pg_kind K = PG_KIND_DEFAULT, class F> pid spawn_link(pg_process *self, F &&f, const options &o = {})
{
    auto give = [&](pg_target t, const pg_spawn_options &all) { return pg_spawn_link_with(self, t, &all); };
    return detail::spawn<K>(std::forward<F>(f), o, give);
}

template <pg_kind K = PG_KIND_DEFAULT, class F> pid spawn_in(pg_runtime *rt, F &&f, const options &o = {})
{
    auto give = [&](pg_target t, const pg_spawn_options &all) { return pg_spawn_in(rt, t, &all); };
    return detail::spawn<K>(std::forward<F>(f), o, give);
}

/* The calling thread as a process, from pg_attach() to pg_detach().  pg::error: it cannot be. */
class attached : public process
{
  public:
    explicit attached(pg_runtime *rt, const char *name = nullptr)
    {
        pg_process *c = pg_attach(rt, name);
        if (!c) throw error(PG_EINVAL, "pg_attach");
        if (bind(
                c, [](void *) {}, static_cast<process *>(this)))
            return;
        pg_detach(c);
        throw std::bad_alloc();
    }
    ~attached()
    {
        pg_detach(c_);
    }
};

/* A runtime, from pg_start() to pg_stop(), which has `patience` of time where the destructor calls it, and whose status
 * is lost then: stop() gives it.  pg::error: it cannot be started. */
class runtime
{
  public:
    explicit runtime(const pg_options &o = pg_options(), duration patience = PG_SECONDS(5)) : patience_(patience)
    {
        int status = PG_OK;
        pg_options mine = o;
        mine.status = &status;
        rt_ = pg_start(&mine);
        if (o.status) *o.status = status;
        if (!rt_) throw error(status, "pg_start");
    }
    runtime(const runtime &) = delete;
    runtime &operator=(const runtime &) = delete;
    ~runtime()
    {
        if (rt_) (void)stop(patience_);
    }
    operator pg_runtime *() const noexcept
    {
        return rt_;
    }
    int stop(duration timeout)
    {
        int status = pg_stop(rt_, timeout);
        if (status == PG_OK) rt_ = nullptr;
        return status;
    }

  private:
    pg_runtime *rt_ = nullptr;
    duration patience_;
};

} // namespace pg

#endif
