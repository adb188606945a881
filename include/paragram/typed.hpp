/* typed.hpp - which C++ types stand for which values; errors, results, times.  Included by paragram.hpp.
 *
 *   C++                                    value          note
 *   bool                                   bool
 *   integers, enums                        int            a received one that does not fit is a pg::error
 *   float, double                          float
 *   std::string, std::string_view          str            a view lives as long as its message; any bytes
 *   const char *, a literal                str            likewise, to the NUL
 *   pg::bytes                              bytes          likewise
 *   pg::pid, pg::ref, T *                  pid, ref, ptr
 *   pg::exit_info                          exit           only received, and not within other values
 *   std::tuple, std::vector                tuple, list    of what is in this table
 *   std::optional                          nil, or it
 *   pg::term                               any            lives as long as its message
 *
 * Sent can be, too: a pg::process (its pid), nullptr (nil), a pg_value and so pg_tuple(), pg_list(), pg_dict(), a
 * pg_buffer *.  The elements of a list are looked at when a handler is called: one of another type is a pg::error,
 * while with a tuple the pattern sees to it. */
#ifndef PARAGRAM_TYPED_HPP
#define PARAGRAM_TYPED_HPP

#include "../paragram.h"

#include <chrono>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace pg
{

using pid = pg_pid;
using ref = pg_ref;
using from = pg_from;
using exit_info = pg_exit_info;

/* A status that nobody has dealt with. */
class error : public std::exception
{
  public:
    explicit error(int status, const std::string &what = "")
        : status_(status), text_(what.empty() ? pg_strerror(status) : what + ": " + pg_strerror(status))
    {
    }
    int status() const noexcept
    {
        return status_;
    }
    const char *what() const noexcept override
    {
        return text_.c_str();
    }

  private:
    int status_;
    std::string text_;
};

/* A timeout or interval: nanoseconds, as in C, or one of std::chrono. */
class duration
{
  public:
    constexpr duration(int64_t ns) : ns_(ns)
    {
    }
    template <class R, class P> constexpr duration(std::chrono::duration<R, P> d) : ns_(nanoseconds_of(d))
    {
    }
    constexpr operator int64_t() const
    {
        return ns_;
    }

  private:
    template <class D> static constexpr int64_t nanoseconds_of(D d)
    {
        double seconds = std::chrono::duration<double>(d).count();
        if (seconds > 9.2e9) return PG_FOREVER;
        if (!(seconds > -9.2e9)) return -PG_FOREVER; /* what is no number does not wait, either */
        return static_cast<int64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(d).count());
    }
    int64_t ns_;
};

inline constexpr duration forever{PG_FOREVER};

/* A value, or the status that says why there is none. */
template <class T> class [[nodiscard]] result
{
  public:
    result(T value) : status_(PG_OK), value_(std::move(value))
    {
    }
    static result failed(int status)
    {
        return result(status, nullptr);
    }
    int status() const noexcept
    {
        return status_;
    }
    explicit operator bool() const noexcept
    {
        return status_ == PG_OK;
    }
    T value() const /* throws pg::error */
    {
        if (status_ != PG_OK) throw error(status_);
        return *value_;
    }
    const T &operator*() const noexcept
    {
        return *value_;
    }
    const T *operator->() const noexcept
    {
        return &*value_;
    }

  private:
    result(int status, std::nullptr_t) : status_(status)
    {
    }
    int status_;
    std::optional<T> value_;
};

struct bytes {
    const void *data;
    size_t size;
};

namespace detail
{

/* Any that a size_t can be made of, exactly as it is: the pointers that terms and messages are, too, have an index of a
 * signed type, and would be as good. */
template <class I> using if_index = std::enable_if_t<std::is_convertible_v<I, size_t>>;

} // namespace detail

/* A received value; lives as long as its message. */
class term
{
  public:
    term(const pg_term *t) noexcept : t_(t)
    {
    }
    operator const pg_term *() const noexcept
    {
        return t_;
    }
    pg_type type() const noexcept
    {
        return pg_term_type(t_);
    }
    template <class T> bool is() const;
    template <class T> T as() const; /* pg::error: it is of another type */
    size_t size() const              /* of a tuple, a list or a dict */
    {
        return pg_term_count(nullptr, t_);
    }
    template <class I, class = detail::if_index<I>> term operator[](I index) const
    {
        return pg_term_at(nullptr, t_, static_cast<size_t>(index));
    }

  private:
    const pg_term *t_;
};

/* A received message.  Lives as the C interface says: until the handler returns, or until the next receive or call. */
class message
{
  public:
    message(const pg_message *m) noexcept : m_(m)
    {
    }
    operator const pg_message *() const noexcept
    {
        return m_;
    }
    size_t size() const noexcept
    {
        return pg_count(m_);
    }
    template <class I, class = detail::if_index<I>> term operator[](I index) const
    {
        return pg_get(nullptr, m_, static_cast<size_t>(index));
    }

  private:
    const pg_message *m_;
};

/* The last parameter of a handler: all values from there on. */
class rest
{
  public:
    rest(message m, size_t first) noexcept : m_(m), first_(first)
    {
    }
    size_t size() const noexcept
    {
        return m_.size() - first_;
    }
    term operator[](size_t index) const
    {
        return m_[first_ + index];
    }

  private:
    message m_;
    size_t first_;
};

namespace detail
{

template <class T> struct itself {
    using type = T;
};

/* What a value is made of, for as long as that is needed; value() is called where it stays. */
struct plain {
    pg_value v;
    PG_ALWAYS_INLINE inline pg_value value() const
    {
        return v;
    }
};

template <class... H> struct held_tuple {
    std::tuple<H...> parts;
    pg_value values[sizeof...(H) + 1] = {};
    pg_value value()
    {
        size_t n = 0;
        std::apply([&](auto &...part) { ((values[n++] = part.value()), ...); }, parts);
        return pg_tuple_of(n, values);
    }
};

template <class H> struct held_list {
    std::vector<H> parts;
    std::vector<pg_value> values = {};
    pg_value value()
    {
        values.clear();
        for (H &part : parts) values.push_back(part.value());
        return pg_list_of(values.size(), values.data());
    }
};

template <class H> struct held_optional {
    std::optional<H> part;
    pg_value value()
    {
        return part ? part->value() : pg_v_nil();
    }
};

inline const pg_term *expect(const pg_term *t, pg_type type)
{
    if (pg_term_type(t) == type) return t;
    char text[100];
    pg_format_term(text, sizeof text, t);
    throw error(PG_EINVAL, std::string("not of the type that is asked for: ") + text);
}

template <class T> T fit(int64_t i)
{
    using limits = std::numeric_limits<T>;
    bool fits = std::is_signed_v<T> || i >= 0;
    if constexpr (sizeof(T) < 8) fits = i >= int64_t{limits::min()} && i <= int64_t{limits::max()};
    if (!fits) throw error(PG_EINVAL, std::to_string(i) + " does not fit into the type that is asked for");
    return static_cast<T>(i);
}

/* For each type: its pattern; the value of a term, checked; what it is sent as. */
template <class T, class = void> struct type {
    static_assert(sizeof(T) == 0, "paragram: no value of a message is of this type; see paragram/typed.hpp");
    static plain pattern();
    static T get(const pg_term *);
    static plain put(const T &);
};

template <pg_type P> struct typed {
    static plain pattern()
    {
        return {pg_p_type(P)};
    }
};

template <class T, pg_type P, auto Get> struct scalar : typed<P> {
    static T get(const pg_term *t)
    {
        return static_cast<T>(Get(nullptr, expect(t, P)));
    }
    static PG_ALWAYS_INLINE inline plain put(const T &value)
    {
        return {pg_v(value)};
    }
};

template <> struct type<bool> : scalar<bool, PG_T_BOOL, pg_term_bool> {
};
template <> struct type<pid> : scalar<pid, PG_T_PID, pg_term_pid> {
};
template <> struct type<ref> : scalar<ref, PG_T_REF, pg_term_ref> {
};
template <class T>
struct type<T, std::enable_if_t<std::is_floating_point_v<T>>> : scalar<T, PG_T_FLOAT, pg_term_float> {
};
template <class T> struct type<T *, std::enable_if_t<!std::is_function_v<T>>> : scalar<T *, PG_T_PTR, pg_term_ptr> {
};
template <> struct type<exit_info> : typed<PG_T_EXIT> {
};

template <class T> struct type<T, std::enable_if_t<std::is_integral_v<T> || std::is_enum_v<T>>> : typed<PG_T_INT> {
    using number = typename std::conditional_t<std::is_enum_v<T>, std::underlying_type<T>, itself<T>>::type;
    static T get(const pg_term *t)
    {
        return static_cast<T>(fit<number>(pg_term_int(nullptr, expect(t, PG_T_INT))));
    }
    static PG_ALWAYS_INLINE inline plain put(T value)
    {
        return {pg_v(static_cast<number>(value))};
    }
};

template <class T> struct text : typed<PG_T_STR> {
    static T get(const pg_term *t)
    {
        size_t length;
        const char *s = pg_term_str(nullptr, expect(t, PG_T_STR), &length);
        return T(s, length);
    }
    static plain put(const T &s)
    {
        return {pg_strn(s.data(), s.size())};
    }
};
template <> struct type<std::string> : text<std::string> {
};
template <> struct type<std::string_view> : text<std::string_view> {
};
template <> struct type<const char *> : typed<PG_T_STR> {
    static const char *get(const pg_term *t)
    {
        return pg_term_str(nullptr, expect(t, PG_T_STR), nullptr);
    }
    static PG_ALWAYS_INLINE inline plain put(const char *s)
    {
        return {pg_v_str(s)};
    }
};
template <> struct type<char *> : type<const char *> {
};

template <> struct type<bytes> : typed<PG_T_BYTES> {
    static bytes get(const pg_term *t)
    {
        bytes b{};
        b.data = pg_term_bytes(nullptr, expect(t, PG_T_BYTES), &b.size);
        return b;
    }
    static plain put(bytes b)
    {
        return {pg_bytes(b.data, b.size)};
    }
};

template <> struct type<term> {
    static plain pattern()
    {
        return {PG_ANY};
    }
    static term get(const pg_term *t)
    {
        return t;
    }
    static plain put(term t)
    {
        return {pg_v_term(t)};
    }
};

template <class... T> struct type<std::tuple<T...>> {
    static auto pattern()
    {
        return held_tuple<decltype(type<T>::pattern())...>{{type<T>::pattern()...}};
    }
    template <size_t... I> static std::tuple<T...> elements(const pg_term *t, std::index_sequence<I...>)
    {
        return {type<T>::get(pg_term_at(nullptr, t, I))...};
    }
    static std::tuple<T...> get(const pg_term *t)
    {
        if (pg_term_count(nullptr, expect(t, PG_T_TUPLE)) != sizeof...(T))
            throw error(PG_EINVAL, "a tuple is not of the length that is asked for");
        return elements(t, std::index_sequence_for<T...>());
    }
    static auto put(const std::tuple<T...> &values)
    {
        return std::apply([](const T &...v) { return held_tuple<decltype(type<T>::put(v))...>{{type<T>::put(v)...}}; },
                          values);
    }
};

template <class T> struct type<std::vector<T>> : typed<PG_T_LIST> {
    using held = decltype(type<T>::put(std::declval<const T &>()));
    static std::vector<T> get(const pg_term *t)
    {
        std::vector<T> elements;
        size_t n = pg_term_count(nullptr, expect(t, PG_T_LIST));
        elements.reserve(n);
        for (size_t i = 0; i < n; i++) elements.push_back(type<T>::get(pg_term_at(nullptr, t, i)));
        return elements;
    }
    static held_list<held> put(const std::vector<T> &elements)
    {
        held_list<held> list;
        list.parts.reserve(elements.size());
        for (const auto &element : elements) list.parts.push_back(type<T>::put(element));
        return list;
    }
};

template <class T> bool is_a(const pg_term *t)
{
    auto pattern = type<T>::pattern();
    return pg_matches_value(t, pattern.value());
}

template <class T> struct type<std::optional<T>> {
    using held = decltype(type<T>::put(std::declval<const T &>()));
    static bool is_one(const pg_term *t)
    {
        return pg_term_type(t) == PG_T_NIL || is_a<T>(t);
    }
    static plain pattern()
    {
        return {PG_WHERE(is_one)};
    }
    static std::optional<T> get(const pg_term *t)
    {
        if (pg_term_type(t) == PG_T_NIL) return std::nullopt;
        return type<T>::get(t);
    }
    static held_optional<held> put(const std::optional<T> &v)
    {
        if (!v) return {};
        return {type<T>::put(*v)};
    }
};

/* What is sent, or stands in a pattern: what the table has, and what is made of C values. */
template <class T>
inline constexpr bool is_raw = std::is_convertible_v<T, pg_value> || std::is_convertible_v<T, const pg_process *> ||
                               std::is_same_v<T, pg_buffer *> || std::is_same_v<T, const pg_buffer *> ||
                               std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, const pg_term *>;

template <class T> PG_ALWAYS_INLINE inline auto put(const T &value)
{
    using D = std::decay_t<const T &>;
    if constexpr (std::is_convertible_v<const T &, pg_value>) {
        return plain{static_cast<pg_value>(value)};
    } else if constexpr (std::is_convertible_v<const T &, const pg_process *> && std::is_class_v<D>) {
        return plain{pg_v_process(value)};
    } else if constexpr (is_raw<D>) {
        return plain{pg_v(value)};
    } else {
        return type<std::conditional_t<std::is_same_v<D, char *>, const char *, D>>::put(value);
    }
}

/* f(count, values) with the values of what is held. */
template <class F, class... H> PG_ALWAYS_INLINE inline auto with(F &&f, H &&...held)
{
    const pg_value values[sizeof...(H) + (sizeof...(H) == 0)] = {held.value()...};
    return f(sizeof...(H), values);
}

/* The value at `index` of a message that has matched the pattern of T. */
template <class T> PG_ALWAYS_INLINE inline T at(const pg_message *m, size_t index)
{
    if constexpr (std::is_same_v<T, bool>) {
        return pg_get_bool(nullptr, m, index);
    } else if constexpr (std::is_integral_v<T>) {
        return fit<T>(pg_get_int(nullptr, m, index));
    } else if constexpr (std::is_floating_point_v<T>) {
        return static_cast<T>(pg_get_float(nullptr, m, index));
    } else if constexpr (std::is_same_v<T, pid>) {
        return pg_get_pid(nullptr, m, index);
    } else if constexpr (std::is_same_v<T, exit_info>) {
        exit_info exit;
        pg_get_exit(nullptr, m, index, &exit);
        return exit;
    } else {
        return type<T>::get(pg_get(nullptr, m, index));
    }
}

} // namespace detail

template <class T> bool term::is() const
{
    return detail::is_a<T>(t_);
}

template <class T> T term::as() const
{
    return detail::type<T>::get(t_);
}

} // namespace pg

#endif
