/* consumer_hpp.cc - a stranger's program with paragram.hpp, against an installed paragram.  Says ok.  header_test.sh
 * compiles it with every warning. */
#include <paragram.hpp>

#include <cstdio>
#include <stdexcept>

static double half(double x) noexcept
{
    return x / 2;
}

/* Has what functions and lambdas do not. */
struct adder {
    int64_t sum = 0;
    int64_t operator()(int64_t n, pg::from)
    {
        return sum += n;
    }
};

static void fill(pg::process &self)
{
    self.receive("half", half);
    self.receive("add", adder());
    self.receive("scalars", 1, 2.5, true, nullptr, std::string("s"), self, PG_ANY,
                 [](bool, char, unsigned short, float, pg::pid, pg::ref, void *) {});
    self.receive("others", [](std::string, std::string_view, const char *, pg::bytes, const std::tuple<int, double> &,
                              std::vector<std::optional<int>>, pg::term, pg::process &, pg::message, pg::rest) {});
    self.receive(PG_EXIT, [] { throw std::runtime_error("enough"); });
}

int main()
{
    pg::runtime rt;
    bool right = true;
    {
        pg::attached me(rt, "main");
        pg::pid proc = pg::spawn_link(me, fill, {"stranger"});
        right = right && me.call<double>(proc, std::chrono::seconds(20), "half", 3.0).value() == 1.5;
        right = right && me.call<int64_t>(proc, PG_SECONDS(20), "add", 2).value() == 2;
        pg_terminate(proc);
        pg::exit_info end = pg::wait(proc, PG_SECONDS(20)).value();
        right = right && std::string(end.text) == "enough";
        pg_unlink(me, pg::spawn_in(rt, [n = 0](pg::process &self) {
                      self.exit();
                      (void)n;
                  }));
        right = right && me.blocking([] {}) == PG_OK && me.sleep(1) == PG_OK;
    }
    right = rt.stop(PG_SECONDS(20)) == PG_OK && right;
    std::puts(right ? "ok" : "wrong");
    return right ? 0 : 1;
}
