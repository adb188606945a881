/* cxx_wrapper_test.cc - paragram.hpp: closures, typed arguments, exceptions, destructors; for each kind of process, and
 * simulated. */
#include <paragram.hpp>

#include "check.h"

#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>

using namespace std::chrono_literals;

/* A program with functions of names that the header uses: those are not meant there. */
namespace program
{

enum class mood { good, bad };

template <class F> int call(F &, pg::process &, const pg_message *, size_t)
{
    CHECK_FAIL("call() of the program");
}
template <class... A> int reply(const pg_message *, mood, const A &...)
{
    CHECK_FAIL("reply() of the program");
}
inline int answer(const pg_message *, mood)
{
    CHECK_FAIL("answer() of the program");
}
template <class... H> int with(H &&...)
{
    CHECK_FAIL("with() of the program");
}
inline int put(mood)
{
    CHECK_FAIL("put() of the program");
}

inline int twice(int n)
{
    return 2 * n;
}

inline void set_up(pg::process &self)
{
    self.receive([](mood m) { return m == mood::good ? mood::bad : mood::good; });
    self.receive("both", [n = 1] { return std::tuple(n, mood::good); });
}

} // namespace program

namespace
{

constexpr int64_t patience = PG_SECONDS(30);

/* Objects that are alive, of all that were made. */
std::atomic<int> alive{0}, made{0};

struct tracked {
    tracked()
    {
        alive++;
        made++;
    }
    tracked(const tracked &) : tracked()
    {
    }
    tracked(tracked &&) noexcept : tracked()
    {
    }
    ~tracked()
    {
        alive--;
    }
};

/* Does something when it is destroyed. */
template <class F> struct at_end {
    F f;
    explicit at_end(F g) : f(std::move(g))
    {
    }
    at_end(const at_end &) = delete;
    ~at_end()
    {
        f();
    }
};

pg::exit_info end_of(pg::pid p)
{
    CHECK_EQ(pg_pid_status(p), PG_OK);
    auto end = pg::wait(p, patience);
    CHECK_EQ(end.status(), PG_OK);
    return *end;
}

/* The next message of `me`, as text. */
std::string next(pg::process &me)
{
    auto m = me.recv(patience);
    CHECK_EQ(m.status(), PG_OK);
    std::string text(300, '\0');
    text.resize(pg_format_message(&text[0], text.size(), *m));
    return text;
}

void same(const std::string &is, const std::string &expected, int line)
{
    if (is != expected) CHECK_FAIL("at line %d: \"%s\", not \"%s\"", line, is.c_str(), expected.c_str());
}

void failed(pg::pid p, const std::string &what, int line)
{
    pg::exit_info end = end_of(p);
    same(end.text, what, line);
    CHECK_EQ(end.kind, PG_EXIT_FAILED);
}

#define EXPECT(me, text) same(next(me), text, __LINE__)
#define FAILED(pid, what) failed(pid, what, __LINE__)

/* ------------------------------------------------------------------------------------------------- typed arguments */

enum class colour : unsigned char { red, green = 7 };

/* Sends back what it gets. */
void echo(pg::process &self, pg::pid back)
{
    self.receive("numbers", [=](int a, int64_t b, uint8_t c, double d, float e, bool f, colour g) {
        pg::send(back, a, b, c, d, e, f, g);
    });
    self.receive("texts", [=](std::string a, const std::string &b, std::string_view c, const char *d) {
        pg::send(back, a, b, c, d);
    });
    self.receive("names", [=](pg::pid a, pg::ref b, pg::bytes c, const int *d) {
        pg::send(back, a, b, c, d == nullptr, "and", nullptr);
    });
    self.receive("nested", [=](const std::tuple<int, std::tuple<std::string, bool>> &a, std::vector<std::string> b,
                               std::optional<int> c, std::optional<int> d, pg::term e) {
        pg::send(back, a, b, c, d, e, e[1].as<std::string>(), e.is<std::tuple<int, std::string>>());
    });
    self.receive("rest", [=](int a, pg::rest r) { pg::send(back, a, r.size(), r.size() > 0 ? r[0].as<int>() : -1); });
    self.receive("whole", [=, &self](pg::process &s, pg::message m, int a) {
        pg::send(back, &s == &self, m.size(), m[1].as<int>() == a);
    });
    self.receive("literals", 7, std::string("a string of more than fourteen"), pg_tuple(1, PG_ANY), nullptr,
                 [=](int a) { pg::send(back, "literals", a); });
    self.receive([=] { pg::send(back, "empty"); });
}

void types_come_and_go(pg::process &me)
{
    pg::pid p = pg::spawn(me, [back = pg_self(me)](pg::process &self) { echo(self, back); });
    std::string big(1000, 'x');
    CHECK_EQ(pg::send(p, "numbers", -1, INT64_MIN, 255, 1.5, 2.5f, true, colour::green), PG_OK);
    EXPECT(me, "(-1, -9223372036854775808, 255, 1.5, 2.5, true, 7)");
    CHECK_EQ(pg::send(p, "texts", std::string("s"), big, std::string_view("v\0w", 3), "literal"), PG_OK);
    auto texts = me.recv<std::string, std::string_view, std::string, const char *>(patience);
    CHECK(std::get<0>(*texts) == "s" && std::get<1>(*texts) == big);
    CHECK(std::get<2>(*texts) == std::string_view("v\0w", 3));
    CHECK_STR(std::get<3>(*texts), "literal");
    pg::ref ref = pg_make_ref();
    CHECK_EQ(pg::send(p, "names", me, ref, pg::bytes{"b\0", 2}, static_cast<int *>(nullptr)), PG_OK);
    CHECK(me.recv(patience, me, ref, pg_bytes("b\0", 2), true, "and", nullptr));
    std::optional<int> none;
    CHECK_EQ(pg::send(p, "nested", std::tuple(1, std::tuple("deep", true)), std::vector<std::string>{"a", big}, 3, none,
                      std::tuple(4, "five")),
             PG_OK);
    auto nested = me.recv<std::tuple<int, std::tuple<std::string, bool>>, std::vector<std::string>, int, pg::term,
                          std::tuple<int, std::string>, std::string, bool>(patience);
    CHECK(std::get<0>(*nested) == std::tuple(1, std::tuple("deep", true)) && std::get<1>(*nested)[1] == big);
    CHECK(std::get<3>(*nested).type() == PG_T_NIL && std::get<5>(*nested) == "five" && std::get<6>(*nested));
    CHECK_EQ(pg::send(p, "rest", 1), PG_OK);
    EXPECT(me, "(1, 0, -1)");
    CHECK_EQ(pg::send(p, "rest", 1, 2, 3), PG_OK);
    EXPECT(me, "(1, 2, 2)");
    CHECK_EQ(pg::send(p, "whole", 8), PG_OK);
    EXPECT(me, "(true, 2, true)");
    CHECK_EQ(pg::send(p, "literals", 7, "a string of more than fourteen", std::tuple(1, "any"), PG_NIL, 9), PG_OK);
    EXPECT(me, "(\"literals\", 9)");
    CHECK_EQ(pg::send(p), PG_OK);
    EXPECT(me, "(\"empty\")");
    CHECK_EQ(pg::send(p, "numbers", -1, 0, 256, 1.5, 2.5f, true, 0), PG_OK);
    FAILED(p, std::string("256 does not fit into the type that is asked for: ") + pg_strerror(PG_EINVAL));
    CHECK_EQ(pg::send(pg_self(me), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17), PG_ETOOMANY);
}

void lists_are_looked_at(pg::process &me)
{
    pg::pid p = pg::spawn(me, [](pg::process &self) { self.receive([](std::vector<int>) {}); });
    CHECK_EQ(pg::send(p, std::vector<int>{}), PG_OK);
    CHECK_EQ(pg::send(p, pg_list(1, "two")), PG_OK);
    FAILED(p, std::string("not of the type that is asked for: \"two\": ") + pg_strerror(PG_EINVAL));
}

void receives_and_calls(pg::process &me)
{
    CHECK_EQ(pg::send(pg_self(me), "b", 2, "two"), PG_OK);
    CHECK_EQ(pg::send(pg_self(me), "a", 1), PG_OK);
    CHECK_EQ(me.recv<std::string>(0, "a").status(), PG_ETIMEDOUT);
    CHECK_EQ(me.recv<int>(1ms, "a").value(), 1);
    int seen = 0;
    CHECK_EQ(me.recv_match(0, "b", [&](int n, std::string_view s) { seen = s == "two" ? n : 0; }), PG_OK);
    CHECK_EQ(seen, 2);
    CHECK_EQ(me.recv_match(0, [](int) { CHECK_FAIL("called"); }), PG_ETIMEDOUT);
    bool thrown = false;
    try {
        me.recv(0).value();
    } catch (const pg::error &e) {
        thrown = e.status() == PG_ETIMEDOUT && std::string(e.what()) == pg_strerror(PG_ETIMEDOUT);
    }
    CHECK(thrown);

    pg::pid p = pg::spawn(me, [n = 0](pg::process &self) mutable {
        self.receive("next", [&] { return ++n; });
        self.receive("both", [&]() -> std::tuple<int, std::string> { return {n, "text"}; });
        self.receive("later", [&](pg::from who) { pg::spawn(self, [who] { pg::reply(who, "late"); }); });
        self.receive("as it is", [&](pg::message m) { pg::reply(m, m[0]); });
        self.receive("end", [&self] { self.exit(); });
    });
    CHECK_EQ(me.call<int>(p, patience, "next").value(), 1);
    CHECK_EQ(pg::send(p, "next"), PG_OK);
    CHECK((me.call<int, std::string>(p, patience, "both").value() == std::tuple(2, "text")));
    CHECK(me.call<std::string>(p, patience, "later").value() == "late");
    pg::kept kept = me.keep(*me.call(p, patience, "as it is"));
    CHECK_EQ(me.call<std::string>(p, patience, "next").status(), PG_EINVAL);
    CHECK_EQ(me.call(p, patience, "end").status(), PG_ENOPROC);
    CHECK_STR(pg_get_str(nullptr, kept.get(), 0), "as it is");
    CHECK_EQ(pg::reply(kept.get(), 1), PG_EINVAL);
}

/* Several closures of one lambda: by what is asked for with each. */
void one_lambda_many_times(pg::process &me)
{
    pg::pid p = pg::spawn(me, [](pg::process &self) {
        for (const char *name : {"a", "b", "a string of more than fourteen", "a"}) {
            static int n = 0;
            self.receive(name, pg_tuple(name, PG_ETC), [name = std::string(name), n = n++] { return name; });
        }
        for (int i : {1, 2}) self.receive(i, PG_ETC, [i](pg::message m) { return i * 10 + int(m.size()); });
    });
    for (const char *name : {"a string of more than fourteen", "b", "a"})
        CHECK(me.call<std::string>(p, patience, name, pg_tuple(name, 1)).value() == name);
    CHECK_EQ(me.call<int>(p, patience, 2, 3).value(), 22);
    CHECK_EQ(me.call<int>(p, patience, 1).value(), 11);
}

/* A handler that has a name may be registered again: it is copied. */
void handlers_that_have_names(pg::process &me)
{
    pg::pid p = pg::spawn(me, [](pg::process &self) {
        auto named = [text = std::string("a text that a string does not keep in itself")] { return text; };
        const auto fixed = [n = 7](int m) { return n + m; };
        self.receive("a", named);
        self.receive("b", named);
        self.receive("fixed", fixed);
        self.receive("function", program::twice);
    });
    for (const char *name : {"a", "b"})
        CHECK(me.call<std::string>(p, patience, name).value() == "a text that a string does not keep in itself");
    CHECK_EQ(me.call<int>(p, patience, "fixed", 1).value(), 8);
    CHECK_EQ(me.call<int>(p, patience, "function", 4).value(), 8);
}

void define_nothing(pg_table *t)
{
    pg_on(
        t, [](pg_process *, const pg_message *m) { pg_reply(m, "of the table"); }, "table");
}

pg_table nothing_else = PG_TABLE(define_nothing);

/* Where a table has taken the place of handlers, these are not asked any more, nor their closures. */
void tables_replace_handlers(pg::process &me)
{
    pg::pid p = pg::spawn(me, [](pg::process &self) {
        auto add = [&](int number) { self.receive("number", [number] { return number; }); };
        add(1);
        CHECK_EQ(self.use(nothing_else), PG_OK);
        add(2);
    });
    CHECK_EQ(me.call<int>(p, patience, "number").value(), 2);
    CHECK(me.call<std::string>(p, patience, "table").value() == "of the table");
}

void indexes_of_any_type(pg::process &me)
{
    CHECK_EQ(pg::send(pg_self(me), pg_list(1, 2, 3)), PG_OK);
    pg::message m = me.recv(patience).value();
    const pg::term list = m[int64_t{0}];
    int sum = 0;
    for (int64_t i = 0; i < 3; i++) sum += list[i].as<int>();
    for (unsigned char i = 0; i < 3; i++) sum += list[i].as<int>();
    CHECK_EQ(sum, 12);
    CHECK_EQ(list[2u].as<int>() + list[ptrdiff_t{1}].as<int>() + list[size_t{0}].as<int>() + list[0].as<int>(), 7);
}

void names_that_the_program_has_too(pg::process &me)
{
    pg::pid p = pg::spawn(me, [](pg::process &self) { program::set_up(self); });
    CHECK(me.call<program::mood>(p, patience, program::mood::good).value() == program::mood::bad);
    CHECK((me.call<int, program::mood>(p, patience, "both").value() == std::tuple(1, program::mood::good)));
}

/* What cannot be said in a message fails; else who asks would wait for it. */
void answers_that_are_none(pg::process &me)
{
    for (const char *which : {"number", "many"}) {
        pg::pid p = pg::spawn(me, [](pg::process &self) {
            self.receive("number", [] { return UINT64_MAX; });
            self.receive("many", [] { return std::tuple(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17); });
        });
        CHECK_EQ(pg::send(p, which), PG_OK); /* nobody asks */
        CHECK_EQ(me.call(p, patience, which).status(), PG_ENOPROC);
        FAILED(p, std::string("an answer: ") + pg_strerror(which[0] == 'n' ? PG_EINVAL : PG_ETOOMANY));
    }
}

void timers_and_groups(pg::process &me)
{
    pg_runtime *rt = pg_runtime_of(me);
    CHECK_EQ(pg_join(rt, "all", pg_self(me)), PG_OK);
    CHECK_EQ(pg::broadcast(rt, "all", std::string("hello")), 1);
    EXPECT(me, "(\"hello\")");
    CHECK_EQ(pg_timer_status(pg::send_after(me, pg_self(me), 1ms, std::string("late"))), PG_OK);
    EXPECT(me, "(\"late\")");
    pg_timer every = pg::send_every(me, pg_self(me), 1ms, std::vector<int>{1, 2});
    EXPECT(me, "([1, 2])");
    CHECK(pg_cancel_timer(every));
}

/* --------------------------------------------------------------------------------------------------- exceptions */

struct no_exception {
};

void exceptions_become_exits(pg::process &me)
{
    FAILED(pg::spawn(me, [] { throw std::runtime_error("in the target"); }), "in the target");
    FAILED(pg::spawn(me, [] { throw no_exception(); }), "(anonymous namespace)::no_exception");
    FAILED(pg::spawn(me, [] { throw 5; }), "int");
    FAILED(pg::spawn(me, [](pg::process &self) { self.recv(0).value(); }), pg_strerror(PG_ETIMEDOUT));
    FAILED(pg::spawn(me, [](pg::process &self) { self.fail("as it says"); }), "as it says");
    FAILED(pg::spawn(me, [](pg::process &self) { self.fail_with(std::tuple(1, std::string("why"))); }), "(1, \"why\")");
    FAILED(pg::spawn(me, [](pg::process &self) { pg_get_int(self, pg_args(self), 3); }),
           "argument 3 is asked for, but there are 0: ()");
    FAILED(pg::spawn(me, [](pg::process &self) { self.receive(PG_ETC, 1, [] {}); }),
           std::string("a receiver is refused: ") + pg_strerror(PG_EPATTERN));
    pg::pid p = pg::spawn_link(
        me, [](pg::process &self) { self.receive("do", [&] { throw std::logic_error("in a handler"); }); });
    CHECK_EQ(pg::send(p, "do"), PG_OK);
    int told = 0;
    auto on_exit = [&](pg::exit_info end, pg::pid who) {
        same(end.text, "in a handler", __LINE__);
        told += pg_same(who, p);
    };
    CHECK_EQ(me.recv_match(patience, on_exit), PG_OK);
    CHECK_EQ(told, 1);
    p = pg::spawn(me, [](pg::process &self) {
        self.receive(PG_EXIT, [] { throw std::runtime_error("asked to end"); });
        (void)self.recv();
    });
    CHECK_EQ(pg_terminate(p), PG_OK);
    FAILED(p, "asked to end");
    int blocking = 0;
    try {
        CHECK_EQ(me.blocking([&] { blocking++; }), PG_OK);
        (void)me.blocking([] { throw no_exception(); });
    } catch (const no_exception &) {
        blocking++;
    }
    CHECK_EQ(blocking, 2);
}

/* Each process has exceptions of its own, also while it is suspended with one: caught, and on its way. */
void juggle(pg::process &self, int number, int depth)
{
    const std::string what = std::to_string(number) + "/" + std::to_string(depth);
    try {
        try {
            at_end sleeper([&] {
                CHECK_EQ(std::uncaught_exceptions(), 1);
                self.sleep(1000 * (number % 7));
                CHECK_EQ(std::uncaught_exceptions(), 1);
            });
            throw std::runtime_error(what);
        } catch (const std::exception &) {
            CHECK_EQ(std::uncaught_exceptions(), 0);
            pg_yield(self);
            if (depth > 0) juggle(self, number, depth - 1);
            self.sleep(1000 * (number % 5));
            for (int i = 0; i < 5; i++) {
                pg::send(pg_self(self), "turn", i);
                CHECK_EQ(self.recv<int>(patience, "turn").value(), i);
            }
            std::string now;
            try {
                std::rethrow_exception(std::current_exception());
            } catch (const std::exception &e) {
                now = e.what();
            }
            same(now, what, __LINE__);
            throw;
        }
    } catch (const std::exception &e) {
        same(e.what(), what, __LINE__);
        CHECK_EQ(std::uncaught_exceptions(), 0);
    }
    CHECK(std::current_exception() == nullptr || depth < 3);
}

void exceptions_stay_with_their_process(pg::process &me)
{
    const int processes = pg_kind_of(me) == PG_THREAD && SLOWED ? 20 : 60, rounds = SLOWED ? 5 : 20;
    pg::pid back = pg_self(me);
    for (int i = 0; i < processes; i++) {
        pg::spawn(me, [=](pg::process &self) {
            for (int round = 0; round < rounds; round++) juggle(self, i * 100 + round, 3);
            pg::send(back, "done");
        });
    }
    for (int i = 0; i < processes; i++) EXPECT(me, "(\"done\")");
}

/* ---------------------------------------------------------------------------------------------- ends and lifetimes */

/* What has been destroyed, in order. */
struct notes {
    pg::pid to;
    auto of(const char *what) const
    {
        return at_end([to = to, what] { pg::send(to, what); });
    }
};

void deep(pg::process &self, notes n, int way)
{
    auto frame = n.of("frame");
    tracked object;
    switch (way) {
    case 0: self.exit();
    case 1: self.fail("deep");
    case 2: pg_fail(self, "deep");
    case 3: throw std::runtime_error("deep");
    case 4: (void)self.recv(); break;
    case 5: self.sleep(PG_FOREVER); break;
    case 6: (void)self.call(pg_main(pg_runtime_of(self)), pg::forever, "?"); break;
    case 7: (void)pg::wait(pg_main(pg_runtime_of(self))); break;
    case 8: (void)self.recv(pg::forever, "never"); break;
    default: break;
    }
}

/* The frames of one that ends in the middle of its code are left; then what it has made goes, then its target. */
void destructors_run(pg::process &me)
{
    notes n{pg_self(me)};
    for (bool in_handler : {false, true}) {
        for (int way : {0, 1, 2, 3, 4, 8}) {
            pg::pid p = pg::spawn(me, [n, way, in_handler, own = std::make_unique<at_end<std::function<void()>>>([n] {
                                                               pg::send(n.to, "target");
                                                           })](pg::process &self) {
                self.make<at_end<std::function<void()>>>([n] { pg::send(n.to, "made"); });
                if (!in_handler) deep(self, n, way);
                self.receive("go", [&, t = tracked()] { deep(self, n, way); });
            });
            int sent = pg::send(p, "go"); /* one that does not wait may have ended */
            CHECK(sent == PG_OK || (!in_handler && way < 4));
            if (way >= 4 && !in_handler) CHECK(pg_is_alive(p));
            if (way == 4 && !in_handler) EXPECT(me, "(\"frame\")"); /* it has received "go" */
            if (way >= 4) CHECK_EQ(pg_terminate(p), PG_OK);
            if (way != 4 || in_handler) EXPECT(me, "(\"frame\")");
            EXPECT(me, "(\"made\")");
            EXPECT(me, "(\"target\")");
            pg::exit_info end = end_of(p);
            bool fails = way >= 1 && way <= 3;
            CHECK_EQ(end.kind, fails ? PG_EXIT_FAILED : PG_EXIT_NORMAL);
            CHECK_STR(end.text, fails ? "deep" : "");
            CHECK_EQ(alive, 0);
        }
    }
}

/* In a destructor nothing blocks; whoever catches the end ends all the same; a handler for (exit) lies upon a
 * receive. */
void ends_are_kept(pg::process &me)
{
    notes n{pg_self(me)};
    pg::pid p = pg::spawn(me, [n](pg::process &self) {
        at_end last(
            [&] { pg::send(n.to, self.recv(0).status(), self.sleep(1), pg_receive_values(self, nullptr, 0, 0)); });
        self.fail("first");
    });
    EXPECT(me, "(-10, -10, -2)"); /* PG_EENDED, PG_EINVAL */
    FAILED(p, "first");
    p = pg::spawn(me, [n](pg::process &self) {
        try {
            self.fail("caught");
        } catch (...) {
            pg::send(n.to, self.recv().status() == PG_EENDED);
        }
        throw std::runtime_error("another");
    });
    EXPECT(me, "(true)");
    FAILED(p, "caught");
    p = pg::spawn(me, [n](pg::process &self) {
        auto outer = n.of("outer");
        self.receive(PG_EXIT, [&] {
            auto inner = n.of("inner");
            self.fail("in the handler for it");
        });
        (void)self.recv();
    });
    CHECK_EQ(pg_terminate_with(p, "as it is told"), PG_OK);
    EXPECT(me, "(\"inner\")");
    EXPECT(me, "(\"outer\")");
    FAILED(p, "in the handler for it");
    p = pg::spawn(me, [n](pg::process &self) {
        auto outer = n.of("outer");
        try {
            throw std::runtime_error("being handled");
        } catch (...) {
            (void)self.recv();
        }
    });
    CHECK_EQ(pg_terminate_with(p, pg_tuple("as", "told")), PG_OK);
    EXPECT(me, "(\"outer\")");
    FAILED(p, "(\"as\", \"told\")");
    /* While another exception is on its way only what the process owns goes, and that exception is never freed. */
    if (SANITIZED) return;
    p = pg::spawn(me, [t = tracked()](pg::process &self) {
        at_end in_between([&] { (void)self.recv(); });
        self.make<tracked>();
        throw no_exception();
    });
    CHECK_EQ(pg_terminate(p), PG_OK);
    CHECK_EQ(end_of(p).kind, PG_EXIT_NORMAL);
    CHECK_EQ(alive, 0);
}

/* A clean-up of C code that stands in a frame runs while that is there. */
void clean_ups_in_frames(pg::process &me)
{
    pg::pid p = pg::spawn(me, [back = pg_self(me)](pg::process &self) {
        struct frame {
            pg::pid back;
            int value;
            ~frame()
            {
                value = 0;
            }
        } f{back, 7};
        auto tell = [](void *at) { pg::send(static_cast<frame *>(at)->back, static_cast<frame *>(at)->value); };
        CHECK_EQ(pg_defer(self, tell, &f), PG_OK);
        self.exit();
    });
    EXPECT(me, "(7)");
    CHECK_EQ(end_of(p).kind, PG_EXIT_NORMAL);
}

/* Targets are destroyed once, whatever becomes of them. */
void targets_are_destroyed_once(pg::process &me)
{
    made = 0;
    pg::options all("x");
    auto args = pg_tuple(1);
    all.args = args;
    for (int i = 0; i < 2; i++) {
        tracked t;
        CHECK_EQ(pg_pid_status(pg::spawn(me, [t] {}, {"x", PG_OS})) == PG_OK, false);
        bool thrown = false;
        try {
            pg::spawn(
                me, [t] {}, all);
        } catch (const pg::error &e) {
            thrown = e.status() == PG_EINVAL;
        }
        CHECK(thrown);
        CHECK_EQ(alive, 1);
    }
    for (int way = 0; way < 4; way++) {
        pg::pid p = pg::spawn(me, [way, t = tracked()](pg::process &self) {
            if (way == 0) return;
            self.receive("end", [&self, u = tracked()] { self.exit(); });
            self.make<std::vector<tracked>>(3);
            if (way == 1) self.exit();
            if (way == 2) (void)self.recv();
        });
        pg_terminate(p);
        end_of(p);
        CHECK_EQ(alive, 0);
    }
    pg::pid p = pg::spawn(
        me, [](pg::process &self) { CHECK_EQ(pg::message(pg_args(self))[0].as<int>(), 1); }, all);
    CHECK_EQ(end_of(p).kind, PG_EXIT_NORMAL);
    CHECK(made > 0);
}

/* ---------------------------------------------------------------------------------------------------- runtimes */

struct kind {
    const char *name;
    pg_kind kind;
    unsigned workers;
    uint64_t seed;
};

pg_options options_of(const kind &k)
{
    pg_options o = {};
    o.kind = k.kind;
    o.workers = k.workers;
    o.seed = k.seed;
    o.log = [](void *, pg_log_level, const char *) {};
    return o;
}

/* Whoever has just been spawned, rests, receives, sleeps, calls or waits, when the runtime stops. */
void stops(const kind &k)
{
    alive = 0;
    for (int64_t timeout : {int64_t{0}, patience}) {
        pg::runtime rt(options_of(k));
        pg::attached me(rt, "main");
        notes n{pg_self(me)};
        const int each = k.kind == PG_THREAD ? 5 : 50;
        for (int i = 0; i < each; i++) {
            for (int way : {4, 5, 6, 7, 8, 9}) {
                if (timeout > 0 && way != 4 && way != 8 && way != 9) continue;
                pg::spawn(me, [n, way, t = tracked()](pg::process &self) {
                    self.receive("rests", [t = tracked()] {});
                    deep(self, n, way);
                });
            }
            if (i == each / 2) me.sleep(1ms);
        }
        CHECK_EQ(rt.stop(timeout), PG_OK);
        CHECK_EQ(alive, 0);
        CHECK_EQ(pg_pid_status(pg::spawn(me, [t = tracked()] {})), PG_ESTOPPED);
        CHECK_EQ(alive, 0);
    }
}

/* An attached process has handlers as well, which are called where it serves. */
void attached_ones_serve(const kind &k)
{
    pg::runtime rt(options_of(k));
    {
        pg::attached me(rt, "main");
        int sum = 0;
        me.receive("add", [&, t = tracked()](int n) { sum += n; });
        me.receive("end", [&] {
            tracked object;
            me.exit();
        });
        for (int n : {1, 2, 3}) CHECK_EQ(pg::send(pg_self(me), "add", n), PG_OK);
        while (sum < 6) CHECK_EQ(pg_serve(me, PG_MS(1)), PG_ETIMEDOUT);
        CHECK_EQ(pg::send(pg_self(me), "end"), PG_OK);
        CHECK_EQ(pg_serve(me, patience), PG_EENDED);
    }
    {
        pg::attached again(rt, "again");
        again.receive("fail", [&, t = tracked()] { throw std::runtime_error("while it served"); });
        CHECK_EQ(pg::send(pg_self(again), "fail"), PG_OK);
        CHECK_EQ(pg_serve(again, patience), PG_EENDED);
        pg::exit_info why;
        CHECK_EQ(pg_why(pg_self(again), &why), PG_OK);
        CHECK_STR(why.text, "while it served");
    }
    if (!SANITIZED) { /* it is never freed */
        pg_process *plain = pg_attach(rt, "plain");
        pg_receive(
            plain,
            [](pg_process *self, const pg_message *) {
                try {
                    throw no_exception();
                } catch (...) {
                    pg_exit(self);
                }
            },
            "end");
        CHECK_EQ(pg_send(pg_self(plain), "end"), PG_OK);
        CHECK_EQ(pg_serve(plain, patience), PG_EENDED);
        CHECK(std::current_exception() == nullptr);
        pg_detach(plain);
    }
    CHECK_EQ(alive, 0);
}

/* In another operating-system process: what captures nothing. */
void in_another_process()
{
    pg::runtime rt(options_of({"OS", PG_OS, 1, 0}));
    pg::attached me(rt, "main");
    tracked t;
    CHECK_EQ(pg_pid_status(pg::spawn(me, [t] {})), PG_EINVAL);
    CHECK_EQ(pg_pid_status(pg::spawn(me, [t] {}, {"x", PG_OS})), PG_EINVAL);
    pg::options o("far");
    auto args = pg_tuple(pg_self(me));
    o.args = args;
    pg::pid p = pg::spawn<PG_OS>(
        me,
        [](pg::process &self) {
            pg::pid back = pg::message(pg_args(self))[0].as<pg::pid>();
            auto &n = self.make<notes>(notes{back});
            self.make<at_end<std::function<void()>>>([&n] { pg::send(n.to, "made"); });
            self.receive("add", [sum = 0](int i) mutable { return sum += i; });
            self.receive("wait", [&] {
                auto frame = n.of("frame");
                (void)self.recv<int>(pg::forever, "never");
            });
            self.receive("fail", [&](std::string_view text) {
                auto frame = n.of("frame");
                throw std::runtime_error(std::string(text));
            });
        },
        o);
    CHECK_EQ(me.call<int>(p, patience, "add", 1).value(), 1);
    CHECK_EQ(me.call<int>(p, patience, "add", 2).value(), 3);
    CHECK_EQ(pg::send(p, "fail", "far away"), PG_OK);
    EXPECT(me, "(\"frame\")");
    EXPECT(me, "(\"made\")");
    FAILED(p, "far away");
}

void starts_and_fails()
{
    pg_options o = {};
    o.workers = 100000;
    bool thrown = false;
    try {
        pg::runtime rt(o);
    } catch (const pg::error &e) {
        thrown = e.status() == PG_EINVAL;
    }
    CHECK(thrown);
    pg::runtime rt;
    CHECK_EQ(rt.stop(patience), PG_OK);
    thrown = false;
    static_assert(int64_t{pg::duration(std::chrono::hours::max())} == PG_FOREVER);
    static_assert(int64_t{pg::duration(std::chrono::hours::min())} < 0);
    static_assert(int64_t{pg::duration(20ms)} == PG_MS(20) && int64_t{pg::duration(-1s)} == -PG_SECONDS(1));
}

} // namespace

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(pg::process &me);
    } cases[] = {
        {"types_come_and_go", types_come_and_go},
        {"lists_are_looked_at", lists_are_looked_at},
        {"receives_and_calls", receives_and_calls},
        {"one_lambda_many_times", one_lambda_many_times},
        {"handlers_that_have_names", handlers_that_have_names},
        {"tables_replace_handlers", tables_replace_handlers},
        {"indexes_of_any_type", indexes_of_any_type},
        {"names_that_the_program_has_too", names_that_the_program_has_too},
        {"answers_that_are_none", answers_that_are_none},
        {"timers_and_groups", timers_and_groups},
        {"exceptions_become_exits", exceptions_become_exits},
        {"exceptions_stay_with_their_process", exceptions_stay_with_their_process},
        {"destructors_run", destructors_run},
        {"ends_are_kept", ends_are_kept},
        {"clean_ups_in_frames", clean_ups_in_frames},
        {"targets_are_destroyed_once", targets_are_destroyed_once},
    };
    const kind kinds[] = {{"green", PG_GREEN, 1, 0},
                          {"green", PG_GREEN, check_workers(3), 0},
                          {"thread", PG_THREAD, 1, 0},
                          {"simulated", PG_GREEN, 1, 1},
                          {"simulated", PG_GREEN, 1, 2}};
    in_another_process();
    starts_and_fails();
    for (const kind &k : kinds) {
        for (const auto &c : cases) {
            if (argc > 1 && !std::strstr(c.name, argv[1])) continue;
            std::printf("%s: %s, %u workers\n", c.name, k.name, k.workers);
            std::fflush(stdout);
            pg::runtime rt(options_of(k), patience);
            {
                pg::attached me(rt, "main");
                c.run(me);
            }
            CHECK_EQ(rt.stop(patience), PG_OK);
        }
        stops(k);
        attached_ones_serve(k);
    }
    return 0;
}
