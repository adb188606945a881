// cxx.cc - paragram.hpp: a process in C++17.  Its target captures its state, which lives as long as the process does:
// handlers refer to it.  Their parameters say which messages they are for, and what they return answers a call.
#include <paragram.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{
struct Journal {
    std::vector<std::string> lines;
    ~Journal()
    {
        if (!lines.empty()) std::printf("journal closed after %zu lines\n", lines.size());
    }
};

std::string longest_of(const Journal &journal)
{
    if (journal.lines.empty()) throw std::runtime_error("there are no lines"); // the end of the process, as its reason
    const std::string *longest = &journal.lines[0];
    for (const auto &line : journal.lines) {
        if (line.size() > longest->size()) longest = &line;
    }
    return *longest;
}
} // namespace

int main()
{
    using namespace std::chrono_literals;
    pg::runtime rt;
    pg::attached me(rt, "main");
    auto keep_journal = [journal = Journal()](pg::process &self) mutable {
        self.receive("line", [&](std::string line) { journal.lines.push_back(std::move(line)); });
        self.receive("longest?", [&] { return longest_of(journal); });
    };
    pg::pid journal = pg::spawn(me, keep_journal, {"journal"});
    pg::pid empty = pg::spawn(me, keep_journal, {"empty one"});

    for (const char *line : {"a short one", "one that is somewhat longer", "the last"}) pg::send(journal, "line", line);
    std::string longest = me.call<std::string>(journal, 30s, "longest?").value();
    std::printf("the longest line is '%s'\n", longest.c_str());

    // Links and calls tell of ends as they do in C.
    pg_link(me, empty);
    bool answered = bool(me.call<std::string>(empty, 30s, "longest?"));
    me.recv_match(30s, [&](pg::exit_info end, pg::pid) { std::printf("answered: %d; %s\n", answered, end.text); });
    pg_terminate(journal);
    return pg::wait(journal).status();
}
