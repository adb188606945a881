/* sugar.h - the variadic forms of paragram.h, each over one plain function that takes an array of pg_value.
 *
 * In C they are macros: PG_V() chooses a conversion by the argument's type, PG_VALUES() applies it to each argument. In
 * C++ they are templates over an overloaded pg_v().  Up to 32 arguments compile, so that a message of more than
 * PG_VALUES_MAX values is refused by the function, with its error, and not by a page of the compiler's. */
#ifndef PARAGRAM_SUGAR_H
#define PARAGRAM_SUGAR_H

/* In place: a value that a function returns is stored as two words, and compilers copy it as one, which waits for both
 * to reach the cache. */
static inline pg_value pg_v_process(const pg_process *process)
{
    return process ? pg_v_pid(pg_self(process)) : pg_v_make(PG_T_INVALID, 0, 0);
}

#ifndef __cplusplus

/* clang-format off */
#define PG_V(x) _Generic((x), \
    bool: pg_v_bool, \
    char: pg_v_int, signed char: pg_v_int, short: pg_v_int, int: pg_v_int, long: pg_v_int, long long: pg_v_int, \
    unsigned char: pg_v_uint, unsigned short: pg_v_uint, unsigned: pg_v_uint, \
    unsigned long: pg_v_uint, unsigned long long: pg_v_uint, \
    float: pg_v_float, double: pg_v_float, \
    char *: pg_v_str, const char *: pg_v_str, \
    pg_pid: pg_v_pid, pg_ref: pg_v_ref, pg_value: pg_v_value, \
    pg_process *: pg_v_process, const pg_process *: pg_v_process, const pg_term *: pg_v_term, \
    pg_buffer *: pg_v_buffer, const pg_buffer *: pg_v_buffer, \
    default: pg_v_ptr)(x)

#define PG_CAT(a, b) PG_CAT_(a, b)
#define PG_CAT_(a, b) a##b

/* The number of arguments, 1 to 32; whether there are two or more; whether the only one is empty (the test is
 * J. Gustedt's, "Detect empty macro arguments", 2010). */
#define PG_NTH(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21,        \
    a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, n, ...) n
#define PG_COUNT(...) PG_NTH(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15,     \
    14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define PG_MORE(...) PG_NTH(__VA_ARGS__, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,      \
    1, 1, 1, 1, 1, 1, 1, 0, 0)
#define PG_TRIGGER(...) ,
#define PG_NONE(...) \
    PG_NONE_(PG_MORE(__VA_ARGS__), PG_MORE(PG_TRIGGER __VA_ARGS__), PG_MORE(__VA_ARGS__ ()), \
             PG_MORE(PG_TRIGGER __VA_ARGS__ ()))
#define PG_NONE_(a, b, c, d) PG_MORE(PG_CAT(PG_NONE_CASE_, PG_CAT(PG_CAT(a, b), PG_CAT(c, d))))
#define PG_NONE_CASE_0001 ,

/* "count, array of values" from C values; "0, NULL" from none. */
#define PG_VALUES(...) PG_CAT(PG_VALUES_, PG_NONE(__VA_ARGS__))(__VA_ARGS__)
#define PG_VALUES_1(...) 0, NULL
#define PG_VALUES_0(...) \
    PG_COUNT(__VA_ARGS__), (const pg_value[]) { PG_CAT(PG_EACH_, PG_COUNT(__VA_ARGS__))(__VA_ARGS__) }
#define PG_EACH_1(x) PG_V(x)
#define PG_EACH_2(x, ...) PG_V(x), PG_EACH_1(__VA_ARGS__)
#define PG_EACH_3(x, ...) PG_V(x), PG_EACH_2(__VA_ARGS__)
#define PG_EACH_4(x, ...) PG_V(x), PG_EACH_3(__VA_ARGS__)
#define PG_EACH_5(x, ...) PG_V(x), PG_EACH_4(__VA_ARGS__)
#define PG_EACH_6(x, ...) PG_V(x), PG_EACH_5(__VA_ARGS__)
#define PG_EACH_7(x, ...) PG_V(x), PG_EACH_6(__VA_ARGS__)
#define PG_EACH_8(x, ...) PG_V(x), PG_EACH_7(__VA_ARGS__)
#define PG_EACH_9(x, ...) PG_V(x), PG_EACH_8(__VA_ARGS__)
#define PG_EACH_10(x, ...) PG_V(x), PG_EACH_9(__VA_ARGS__)
#define PG_EACH_11(x, ...) PG_V(x), PG_EACH_10(__VA_ARGS__)
#define PG_EACH_12(x, ...) PG_V(x), PG_EACH_11(__VA_ARGS__)
#define PG_EACH_13(x, ...) PG_V(x), PG_EACH_12(__VA_ARGS__)
#define PG_EACH_14(x, ...) PG_V(x), PG_EACH_13(__VA_ARGS__)
#define PG_EACH_15(x, ...) PG_V(x), PG_EACH_14(__VA_ARGS__)
#define PG_EACH_16(x, ...) PG_V(x), PG_EACH_15(__VA_ARGS__)
#define PG_EACH_17(x, ...) PG_V(x), PG_EACH_16(__VA_ARGS__)
#define PG_EACH_18(x, ...) PG_V(x), PG_EACH_17(__VA_ARGS__)
#define PG_EACH_19(x, ...) PG_V(x), PG_EACH_18(__VA_ARGS__)
#define PG_EACH_20(x, ...) PG_V(x), PG_EACH_19(__VA_ARGS__)
#define PG_EACH_21(x, ...) PG_V(x), PG_EACH_20(__VA_ARGS__)
#define PG_EACH_22(x, ...) PG_V(x), PG_EACH_21(__VA_ARGS__)
#define PG_EACH_23(x, ...) PG_V(x), PG_EACH_22(__VA_ARGS__)
#define PG_EACH_24(x, ...) PG_V(x), PG_EACH_23(__VA_ARGS__)
#define PG_EACH_25(x, ...) PG_V(x), PG_EACH_24(__VA_ARGS__)
#define PG_EACH_26(x, ...) PG_V(x), PG_EACH_25(__VA_ARGS__)
#define PG_EACH_27(x, ...) PG_V(x), PG_EACH_26(__VA_ARGS__)
#define PG_EACH_28(x, ...) PG_V(x), PG_EACH_27(__VA_ARGS__)
#define PG_EACH_29(x, ...) PG_V(x), PG_EACH_28(__VA_ARGS__)
#define PG_EACH_30(x, ...) PG_V(x), PG_EACH_29(__VA_ARGS__)
#define PG_EACH_31(x, ...) PG_V(x), PG_EACH_30(__VA_ARGS__)
#define PG_EACH_32(x, ...) PG_V(x), PG_EACH_31(__VA_ARGS__)

#define pg_tuple(...) pg_tuple_of(PG_VALUES(__VA_ARGS__))
#define pg_list(...) pg_list_of(PG_VALUES(__VA_ARGS__))
#define pg_dict(...) pg_dict_of(PG_VALUES(__VA_ARGS__))

/* f(fixed..., last) or f(fixed..., last, values...): the values may be left out. */
#define pg_send(...) PG_CAT(PG_SEND_, PG_MORE(__VA_ARGS__))(__VA_ARGS__)
#define PG_SEND_0(pid) pg_send_values(pid, 0, NULL)
#define PG_SEND_1(pid, ...) pg_send_values(pid, PG_VALUES(__VA_ARGS__))

#define pg_send_wait(self, pid, ...) PG_CAT(PG_SEND_WAIT_, PG_MORE(__VA_ARGS__))(self, pid, __VA_ARGS__)
#define PG_SEND_WAIT_0(self, pid, timeout) pg_send_wait_values(self, pid, timeout, 0, NULL)
#define PG_SEND_WAIT_1(self, pid, timeout, ...) pg_send_wait_values(self, pid, timeout, PG_VALUES(__VA_ARGS__))

#define pg_receive(self, ...) PG_CAT(PG_RECEIVE_, PG_MORE(__VA_ARGS__))(self, __VA_ARGS__)
#define PG_RECEIVE_0(self, handler) pg_receive_values(self, handler, 0, NULL)
#define PG_RECEIVE_1(self, handler, ...) pg_receive_values(self, handler, PG_VALUES(__VA_ARGS__))

#define pg_on(table, ...) PG_CAT(PG_ON_, PG_MORE(__VA_ARGS__))(table, __VA_ARGS__)
#define PG_ON_0(table, handler) pg_on_values(table, handler, 0, NULL)
#define PG_ON_1(table, handler, ...) pg_on_values(table, handler, PG_VALUES(__VA_ARGS__))

#define pg_recv_match(self, msg, ...) PG_CAT(PG_RECV_MATCH_, PG_MORE(__VA_ARGS__))(self, msg, __VA_ARGS__)
#define PG_RECV_MATCH_0(self, msg, timeout) pg_recv_match_values(self, msg, timeout, 0, NULL)
#define PG_RECV_MATCH_1(self, msg, timeout, ...) pg_recv_match_values(self, msg, timeout, PG_VALUES(__VA_ARGS__))

#define pg_call(self, pid, reply, ...) PG_CAT(PG_CALL_, PG_MORE(__VA_ARGS__))(self, pid, reply, __VA_ARGS__)
#define PG_CALL_0(self, pid, reply, timeout) pg_call_values(self, pid, reply, timeout, 0, NULL)
#define PG_CALL_1(self, pid, reply, timeout, ...) pg_call_values(self, pid, reply, timeout, PG_VALUES(__VA_ARGS__))

#define pg_reply(...) PG_CAT(PG_REPLY_, PG_MORE(__VA_ARGS__))(__VA_ARGS__)
#define PG_REPLY_0(msg) pg_reply_values(msg, 0, NULL)
#define PG_REPLY_1(msg, ...) pg_reply_values(msg, PG_VALUES(__VA_ARGS__))

#define pg_reply_to(...) PG_CAT(PG_REPLY_TO_, PG_MORE(__VA_ARGS__))(__VA_ARGS__)
#define PG_REPLY_TO_0(from) pg_reply_to_values(from, 0, NULL)
#define PG_REPLY_TO_1(from, ...) pg_reply_to_values(from, PG_VALUES(__VA_ARGS__))

#define pg_broadcast(rt, ...) PG_CAT(PG_BROADCAST_, PG_MORE(__VA_ARGS__))(rt, __VA_ARGS__)
#define PG_BROADCAST_0(rt, group) pg_broadcast_values(rt, group, 0, NULL)
#define PG_BROADCAST_1(rt, group, ...) pg_broadcast_values(rt, group, PG_VALUES(__VA_ARGS__))

#define pg_send_after(self, pid, ...) \
    PG_CAT(PG_SEND_TIMED_, PG_MORE(__VA_ARGS__))(pg_send_after_values, self, pid, __VA_ARGS__)
#define pg_send_every(self, pid, ...) \
    PG_CAT(PG_SEND_TIMED_, PG_MORE(__VA_ARGS__))(pg_send_every_values, self, pid, __VA_ARGS__)
#define PG_SEND_TIMED_0(f, self, pid, time) f(self, pid, time, 0, NULL)
#define PG_SEND_TIMED_1(f, self, pid, time, ...) f(self, pid, time, PG_VALUES(__VA_ARGS__))

#define pg_matches(term, value) pg_matches_value(term, PG_V(value))
#define pg_fail_with(self, value) pg_fail_value(self, PG_V(value))
#define pg_terminate_with(pid, value) pg_terminate_value(pid, PG_V(value))
#define pg_term_lookup(self, term, key) pg_term_lookup_value(self, term, PG_V(key))

/* pg_spawn(self, target, .name = "x", ...): what follows the target initialises a pg_spawn_options. */
#define pg_spawn(self, ...) PG_CAT(PG_SPAWN_, PG_MORE(__VA_ARGS__))(pg_spawn_with, self, __VA_ARGS__)
#define pg_spawn_link(self, ...) PG_CAT(PG_SPAWN_, PG_MORE(__VA_ARGS__))(pg_spawn_link_with, self, __VA_ARGS__)
#define PG_SPAWN_0(f, self, target) f(self, target, NULL)
#define PG_SPAWN_1(f, self, target, ...) f(self, target, &(const pg_spawn_options){__VA_ARGS__})
/* clang-format on */

#else /* C++ */

/* What takes text is inlined by force: a literal's value is then known when the program is compiled, as it is in C. */

inline pg_value pg_v(bool b)
{
    return pg_v_bool(b);
}
inline pg_value pg_v(char i)
{
    return pg_v_int(i);
}
inline pg_value pg_v(signed char i)
{
    return pg_v_int(i);
}
inline pg_value pg_v(short i)
{
    return pg_v_int(i);
}
inline pg_value pg_v(int i)
{
    return pg_v_int(i);
}
inline pg_value pg_v(long i)
{
    return pg_v_int(i);
}
inline pg_value pg_v(long long i)
{
    return pg_v_int(i);
}
inline pg_value pg_v(unsigned char i)
{
    return pg_v_uint(i);
}
inline pg_value pg_v(unsigned short i)
{
    return pg_v_uint(i);
}
inline pg_value pg_v(unsigned i)
{
    return pg_v_uint(i);
}
inline pg_value pg_v(unsigned long i)
{
    return pg_v_uint(i);
}
inline pg_value pg_v(unsigned long long i)
{
    return pg_v_uint(i);
}
inline pg_value pg_v(float d)
{
    return pg_v_float(d);
}
inline pg_value pg_v(double d)
{
    return pg_v_float(d);
}
PG_ALWAYS_INLINE inline pg_value pg_v(const char *s)
{
    return pg_v_str(s);
}
inline pg_value pg_v(pg_pid pid)
{
    return pg_v_pid(pid);
}
inline pg_value pg_v(pg_ref ref)
{
    return pg_v_ref(ref);
}
inline pg_value pg_v(pg_value v)
{
    return pg_v_value(v);
}
inline pg_value pg_v(const pg_process *process)
{
    return pg_v_process(process);
}
inline pg_value pg_v(const pg_term *term)
{
    return pg_v_term(term);
}
inline pg_value pg_v(const pg_buffer *buffer)
{
    return pg_v_buffer(buffer);
}
inline pg_value pg_v(const void *p)
{
    return pg_v_ptr(p);
}

inline pg_value pg_v(decltype(nullptr))
{
    return pg_v_nil();
}

/* A sequence that keeps its elements; what pg_tuple(), pg_list() and pg_dict() give.  It must outlive what is built
 * from it, as a temporary in the same expression does. */
template <pg_type T, size_t N> struct pg_sequence {
    pg_value values[N + 1];
    PG_ALWAYS_INLINE inline operator pg_value() const
    {
        return T == PG_T_TUPLE  ? pg_tuple_of(N, values)
               : T == PG_T_LIST ? pg_list_of(N, values)
                                : pg_dict_of(N, values);
    }
};

template <pg_type T, size_t N> PG_ALWAYS_INLINE inline pg_value pg_v(const pg_sequence<T, N> &sequence)
{
    return sequence;
}

template <class... A> PG_ALWAYS_INLINE inline pg_sequence<PG_T_TUPLE, sizeof...(A)> pg_tuple(const A &...a)
{
    return {{pg_v(a)..., pg_v_nil()}};
}

template <class... A> PG_ALWAYS_INLINE inline pg_sequence<PG_T_LIST, sizeof...(A)> pg_list(const A &...a)
{
    return {{pg_v(a)..., pg_v_nil()}};
}

template <class... A> PG_ALWAYS_INLINE inline pg_sequence<PG_T_DICT, sizeof...(A)> pg_dict(const A &...a)
{
    return {{pg_v(a)..., pg_v_nil()}};
}

template <class... A> PG_ALWAYS_INLINE inline int pg_send(pg_pid pid, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_send_values(pid, sizeof...(A), values);
}

template <class... A>
PG_ALWAYS_INLINE inline int pg_send_wait(pg_process *self, pg_pid pid, int64_t timeout, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_send_wait_values(self, pid, timeout, sizeof...(A), values);
}

template <class... A>
PG_ALWAYS_INLINE inline pg_timer pg_send_after(pg_process *self, pg_pid pid, int64_t delay, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_send_after_values(self, pid, delay, sizeof...(A), values);
}

template <class... A>
PG_ALWAYS_INLINE inline pg_timer pg_send_every(pg_process *self, pg_pid pid, int64_t interval, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_send_every_values(self, pid, interval, sizeof...(A), values);
}

template <class... A> PG_ALWAYS_INLINE inline int pg_receive(pg_process *self, pg_handler handler, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_receive_values(self, handler, sizeof...(A), values);
}

template <class... A> PG_ALWAYS_INLINE inline int pg_on(pg_table *table, pg_handler handler, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_on_values(table, handler, sizeof...(A), values);
}

template <class... A>
PG_ALWAYS_INLINE inline int pg_recv_match(pg_process *self, const pg_message **msg, int64_t timeout, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_recv_match_values(self, msg, timeout, sizeof...(A), values);
}

template <class... A>
PG_ALWAYS_INLINE inline int pg_call(pg_process *self, pg_pid pid, const pg_message **reply, int64_t timeout,
                                    const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_call_values(self, pid, reply, timeout, sizeof...(A), values);
}

template <class... A> PG_ALWAYS_INLINE inline int pg_reply(const pg_message *msg, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_reply_values(msg, sizeof...(A), values);
}

template <class... A> PG_ALWAYS_INLINE inline int pg_reply_to(pg_from from, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_reply_to_values(from, sizeof...(A), values);
}

template <class... A> PG_ALWAYS_INLINE inline int pg_broadcast(pg_runtime *rt, const char *group, const A &...a)
{
    const pg_value values[sizeof...(A) + (sizeof...(A) == 0)] = {pg_v(a)...};
    return pg_broadcast_values(rt, group, sizeof...(A), values);
}

template <class T> PG_ALWAYS_INLINE inline bool pg_matches(const pg_term *term, const T &value)
{
    return pg_matches_value(term, pg_v(value));
}

template <class T> [[noreturn]] inline void pg_fail_with(pg_process *self, const T &value)
{
    pg_fail_value(self, pg_v(value));
}

template <class T> PG_ALWAYS_INLINE inline int pg_terminate_with(pg_pid pid, const T &value)
{
    return pg_terminate_value(pid, pg_v(value));
}

template <class T>
PG_ALWAYS_INLINE inline const pg_term *pg_term_lookup(pg_process *self, const pg_term *term, const T &key)
{
    return pg_term_lookup_value(self, term, pg_v(key));
}

inline pg_pid pg_spawn(pg_process *self, pg_target target, const pg_spawn_options &options = pg_spawn_options())
{
    return pg_spawn_with(self, target, &options);
}

inline pg_pid pg_spawn_link(pg_process *self, pg_target target, const pg_spawn_options &options = pg_spawn_options())
{
    return pg_spawn_link_with(self, target, &options);
}

#endif

#endif
