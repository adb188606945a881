/* cxx_ends_test.cc - what a handler of paragram.hpp may still look at while its process ends; which one is called. */
#include <paragram.hpp>

#include "check.h"

#include <cstring>

namespace
{

constexpr int64_t patience = PG_SECONDS(30);

int looked_back, called;

struct looks_back {
    pg::message msg;
    ~looks_back()
    {
        char text[200];
        pg_format_message(text, sizeof text, msg);
        CHECK(std::strstr(text, "a long reason") != nullptr);
        looked_back++;
    }
};

pg_exit_kind kind_of_end(pg::pid pid)
{
    pg_exit_info why;
    CHECK_EQ(pg_wait(pid, patience, &why), PG_OK);
    return why.kind;
}

/* A handler for (exit), called in a receive, meets another end, or fails: its message is there until its frame has been
 * left. */
void what_it_ends_by_stays(pg::process &me)
{
    for (bool fails : {false, true}) {
        looked_back = 0;
        pg::pid p = pg::spawn(me, [fails](pg::process &self) {
            self.receive(PG_EXIT, [&](pg::message msg) {
                looks_back at_it{msg};
                if (!fails) pg::spawn_link(self, [] {});
                (void)self.recv(std::chrono::nanoseconds(patience));
                self.fail("no");
            });
            self.receive("nothing", [] {});
            (void)self.recv(pg::forever);
        });
        CHECK_EQ(pg_terminate_value(p, pg_v_str("a long reason, so that the message is a block of its own")), PG_OK);
        if (fails) CHECK_EQ(pg::send(p, "last words"), PG_OK);
        CHECK_EQ(kind_of_end(p), fails ? PG_EXIT_FAILED : PG_EXIT_UNHANDLED_EXIT);
        CHECK_EQ(looked_back, 1);
    }
}

/* Closures of one lambda, and a PG_WHERE that says no when it is asked again. */
void predicates_change_their_minds(pg::process &me)
{
    static int asked;
    asked = called = 0;
    pg::pid p = pg::spawn(me, [](pg::process &self) {
        for (int i = 0; i < 2; i++) {
            self.receive("got", PG_WHERE([](const pg_term *) { return asked++ == 0; }), [&self, i] {
                called += i >= 0;
                self.exit();
            });
        }
    });
    CHECK_EQ(pg::send(p, "got", 1), PG_OK);
    CHECK_EQ(kind_of_end(p), PG_EXIT_NORMAL);
    CHECK_EQ(called, 1);
}

} // namespace

int main()
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        pg_options options = {};
        options.workers = workers;
        options.log = [](void *, pg_log_level, const char *) {};
        pg::runtime rt(options);
        pg::attached me(rt, "main");
        what_it_ends_by_stays(me);
        predicates_change_their_minds(me);
    }
    return 0;
}
