// cxx.cc - the same header in C++17.  pg_send(), pg_receive() and the others are templates there.
//
// One thing to know: pg_exit(), pg_fail() and a failed check leave the process's code without unwinding it, so no
// destructor runs.  What must be given back goes to pg_defer(); or the code returns first.  An exception must not
// leave a target or a handler.
#include <paragram.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace
{
// The state of a process: an object that the process owns, and deletes when it ends, however that happens.
struct Journal {
    std::vector<std::string> lines;
    ~Journal()
    {
        std::printf("journal closed after %zu lines\n", lines.size());
    }
};

void on_line(pg_process *self, const pg_message *msg)
{
    auto *journal = static_cast<Journal *>(pg_data(self));
    journal->lines.emplace_back(pg_get_str(self, msg, 1));
}

void on_longest(pg_process *self, const pg_message *msg)
{
    auto *journal = static_cast<Journal *>(pg_data(self));
    std::string longest;
    for (const auto &line : journal->lines) {
        if (line.size() > longest.size()) longest = line;
    }
    pg_send(pg_get_pid(self, msg, 1), "longest", longest.c_str(), pg_tuple(longest.size(), longest.empty()));
}

void keep_journal(pg_process *self)
{
    auto journal = std::make_unique<Journal>();
    pg_defer(
        self, [](void *j) { delete static_cast<Journal *>(j); }, journal.get());
    pg_set_data(self, journal.release());
    pg_receive(self, on_line, "line", PG_STR);
    pg_receive(self, on_longest, "longest?", PG_PID);
}
} // namespace

int main()
{
    pg_runtime *rt = pg_start(nullptr);
    pg_process *self = pg_attach(rt, "main");
    if (!self) return 1;
    pg_spawn_options options = {};
    options.name = "journal";
    pg_pid journal = pg_spawn(self, keep_journal, options);

    for (const char *line : {"a short one", "one that is somewhat longer", "the last"}) pg_send(journal, "line", line);
    pg_send(journal, "longest?", self);
    const pg_message *msg;
    if (pg_recv_match(self, &msg, PG_SECONDS(30), "longest", PG_STR, pg_tuple(PG_INT, PG_BOOL)) != PG_OK) return 1;
    std::printf("the longest line is '%s'\n", pg_get_str(self, msg, 1));
    pg_terminate(journal);
    pg_wait(journal, PG_FOREVER, nullptr);
    return pg_stop(rt, PG_SECONDS(5));
}
