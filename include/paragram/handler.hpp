/* handler.hpp - what a handler's parameters ask for, and how a process keeps handlers.  Included by paragram.hpp.
 *
 * The runtime calls a handler as a function of a process and a message.  That function is made for the type of the
 * handler, on_message() of paragram.hpp, and finds the closure in the process by its own address.  A lambda without
 * captures is not kept at all.  Where several closures of one lambda have been registered, the address is the same, and
 * the first one whose pattern matches is meant, since the runtime has asked them in the same order: for that the
 * pattern is copied.
 *
 * Rejected: a closure's address in the receiver: sets of receivers are shared by all processes that have registered the
 * same ones, and closures are each process's own. */
#ifndef PARAGRAM_HANDLER_HPP
#define PARAGRAM_HANDLER_HPP

#include "typed.hpp"

#include <cstring>
#include <memory>
#include <new>

namespace pg
{

class process;

namespace detail
{

template <class F, class = void> struct signature {
    static_assert(sizeof(F) == 0, "paragram: a handler is a lambda, function or object with one operator(), and no "
                                  "`auto` among its parameters: their types say which messages it is for");
    using returned = void;
    using parameters = std::tuple<>;
};
template <class R, class... A> struct signature<R (*)(A...)> {
    using returned = R;
    using parameters = std::tuple<A...>;
};
template <class R, class... A> struct signature<R (*)(A...) noexcept> : signature<R (*)(A...)> {
};
template <class F> struct member;
template <class R, class C, class... A> struct member<R (C::*)(A...)> : signature<R (*)(A...)> {
};
template <class R, class C, class... A> struct member<R (C::*)(A...) const> : signature<R (*)(A...)> {
};
template <class R, class C, class... A> struct member<R (C::*)(A...) noexcept> : signature<R (*)(A...)> {
};
template <class R, class C, class... A> struct member<R (C::*)(A...) const noexcept> : signature<R (*)(A...)> {
};
template <class F> struct signature<F, std::void_t<decltype(&F::operator())>> : member<decltype(&F::operator())> {
};

template <class T> inline constexpr bool is_about = std::is_same_v<T, message> || std::is_same_v<T, from>;

/* Whether a parameter stands for a value. */
template <class A> constexpr bool is_element()
{
    using T = std::decay_t<A>;
    constexpr bool is_self = std::is_same_v<T, process>;
    static_assert(!is_self || std::is_same_v<A, process &>, "paragram: a process is handed on by reference");
    static_assert(is_self || !std::is_lvalue_reference_v<A> || std::is_const_v<std::remove_reference_t<A>>,
                  "paragram: a received value cannot be changed: take it by value or by const reference");
    return !is_self && !is_about<T>;
}

/* How many of the first `n` parameters do. */
template <class... A> constexpr size_t elements_before(size_t n)
{
    size_t count = 0, i = 0;
    ((count += i++ < n && is_element<A>()), ...);
    return count;
}

template <class A> auto pattern_of()
{
    using T = std::decay_t<A>;
    if constexpr (!is_element<A>()) {
        return std::tuple<>();
    } else if constexpr (std::is_same_v<T, rest>) {
        return std::make_tuple(plain{PG_ETC});
    } else {
        return std::make_tuple(type<T>::pattern());
    }
}

template <class A> PG_ALWAYS_INLINE inline decltype(auto) argument(process &self, const pg_message *m, size_t index)
{
    using T = std::decay_t<A>;
    (void)m, (void)index;
    if constexpr (std::is_same_v<T, process>) {
        return (self);
    } else if constexpr (std::is_same_v<T, message>) {
        return message(m);
    } else if constexpr (std::is_same_v<T, from>) {
        return pg_call_from(m);
    } else if constexpr (std::is_same_v<T, rest>) {
        return rest(m, index);
    } else {
        return at<T>(m, index);
    }
}

template <class F, class... A, size_t... I>
PG_ALWAYS_INLINE inline decltype(auto) call(F &f, process &self, const pg_message *m, size_t first, std::tuple<A...> *,
                                            std::index_sequence<I...>)
{
    (void)self, (void)m, (void)first;
    return f(argument<A>(self, m, first + elements_before<A...>(I))...);
}

/* Calls f with a message whose values from `first` on are its arguments. */
template <class F> PG_ALWAYS_INLINE inline decltype(auto) call(F &f, process &self, const pg_message *m, size_t first)
{
    using P = typename signature<F>::parameters;
    return detail::call(f, self, m, first, static_cast<P *>(nullptr), std::make_index_sequence<std::tuple_size_v<P>>());
}

/* The answer to a call; who tells only gets none.  One that cannot be said in a message is a failure of who gives it:
 * else the other would wait for it.  (With detail:: and pg:: before them, functions of the program are not meant whose
 * names are the same, and which belong to the types of values and handlers.) */
template <class... R> void answer(const pg_message *m, const R &...values)
{
    if (pg_call_from(m).pid.id == 0) return;
    auto send = [&](size_t n, const pg_value *v) { return pg_reply_values(m, n, v); };
    int status = detail::with(send, detail::put(values)...);
    if (status == PG_ENOMEM) throw std::bad_alloc();
    if (status == PG_EINVAL || status == PG_ETOOMANY) throw error(status, "an answer");
}
template <class... R> void answer(const pg_message *m, const std::tuple<R...> &values)
{
    std::apply([&](const R &...v) { detail::answer(m, v...); }, values);
}

template <class... A> auto pattern_of_all(std::tuple<A...> *)
{
    return std::tuple_cat(pattern_of<A>()...);
}

/* What a handler's parameters ask for. */
template <class F> auto pattern_of_handler()
{
    return detail::pattern_of_all(static_cast<typename signature<F>::parameters *>(nullptr));
}

/* Has nothing in it, so that one is as good as another: it need not be kept, and goes to other processes. */
template <class F> inline constexpr bool is_stateless = std::is_empty_v<F> &&std::is_trivially_copyable_v<F>;

template <class F> struct stateless {
    alignas(F) unsigned char room[sizeof(F)] = {};
    F &f()
    {
        return *std::launder(reinterpret_cast<F *>(room));
    }
};

struct owned {
    owned *before = nullptr;
    virtual ~owned() = default;
};

template <class T> struct made : owned {
    T object;
    template <class... A> explicit made(A &&...a) : object(std::forward<A>(a)...)
    {
    }
};

/* A copy of a pattern. */
class pattern_copy
{
  public:
    pattern_copy(size_t count, const pg_value *values) : values_(values, values + count)
    {
        for (pg_value &v : values_) own(v);
    }
    bool matches(const pg_message *m) const
    {
        size_t n = values_.size();
        bool etc = n > 0 && (values_[n - 1].head & 0xff) == PG_T_ETC;
        if (etc) n--;
        if (etc ? pg_count(m) < n : pg_count(m) != n) return false;
        for (size_t i = 0; i < n; i++) {
            if (!pg_matches_value(pg_get(nullptr, m, i), values_[i])) return false;
        }
        return true;
    }

  private:
    /* As value.h lays values out. */
    void own(pg_value &v)
    {
        unsigned t = v.head & 0xff;
        size_t length = static_cast<size_t>(v.head >> 8);
        uint64_t address = v.body & ~PG_LONG_MARK;
        if ((t == PG_T_STR || t == PG_T_BYTES) && v.body >> 56 == 255) {
            v.body = copy(address, length) | PG_LONG_MARK;
        } else if (t == PG_T_TUPLE || t == PG_T_LIST || t == PG_T_DICT) {
            v.body = copy(address, length * sizeof(pg_value));
            for (size_t i = 0; i < length; i++) own(reinterpret_cast<pg_value *>(static_cast<uintptr_t>(v.body))[i]);
        } else if (t == PG_T_TERM) {
            throw error(PG_EINVAL, "a part of a message in a pattern");
        }
    }
    uint64_t copy(uint64_t from, size_t bytes)
    {
        blocks_.emplace_back(new unsigned char[bytes + 1]);
        if (bytes > 0) std::memcpy(blocks_.back().get(), reinterpret_cast<void *>(static_cast<uintptr_t>(from)), bytes);
        return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(blocks_.back().get()));
    }
    std::vector<pg_value> values_;
    std::vector<std::unique_ptr<unsigned char[]>> blocks_;
};

/* A handler that a process has registered.  Which one is meant is known by the function that the runtime calls, `key`,
 * unless several closures of one lambda are registered: then the first that matches, as the runtime sees it. */
struct registered : owned {
    registered *next = nullptr;
    pg_handler key;
    bool alone = true;
    pattern_copy pattern;
    registered(pg_handler k, size_t count, const pg_value *values) : key(k), pattern(count, values)
    {
    }
};

/* The one that the runtime has called; the last one, if a PG_WHERE says no now that has said yes to it. */
inline registered *called(registered *first, pg_handler key, const pg_message *m)
{
    registered *found = nullptr;
    for (registered *at = first; at; at = at->next) {
        if (at->key != key) continue;
        found = at;
        if (at->alone || at->pattern.matches(m)) break;
    }
    return found;
}

template <class F> struct closure : registered {
    F f;
    template <class G>
    closure(G &&g, pg_handler k, size_t count, const pg_value *values)
        : registered(k, count, values), f(std::forward<G>(g))
    {
    }
};

} // namespace detail

} // namespace pg

#endif
