/* peer.h - what the peers in C++ share: the form of their programs, a clock, results that are checked.
 *
 * A peer is called as PROGRAM WORKLOAD WORKERS SCALE, and prints WORKLOAD WORKERS NANOSECONDS_PER_OPERATION
 * [NAME=VALUE...].  Its main() hands its workloads, a map by their names, to peer::main() with a function that runs one
 * of them.
 *
 * Rejected: exceptions for wrong results.  One ends an actor of CAF, and the program would wait
 * for ever. */
#ifndef BENCHMARKS_PEERS_PEER_H
#define BENCHMARKS_PEERS_PEER_H

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace peer
{

// Ends the program at a wrong result, in whatever thread it is seen.
inline void check(bool right, const char *what)
{
    if (right) return;
    std::fprintf(stderr, "%s\n", what);
    std::_Exit(1);
}

class Stopwatch
{
  public:
    double per(std::int64_t operations) const
    {
        std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
        return spent.count() / static_cast<double>(operations);
    }

  private:
    std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
};

struct Figures {
    double ns;
    std::string extra = "";
};

// A number of kB out of a file of /proc.
inline std::int64_t kilobytes(const char *file, const std::string &name)
{
    std::ifstream in(file);
    for (std::string word; in >> word;) {
        std::int64_t value;
        if (word == name && in >> value) return value;
    }
    check(false, ("no " + name + " in " + file).c_str());
    return 0;
}

inline std::int64_t resident_bytes()
{
    return kilobytes("/proc/self/status", "VmRSS:") * 1024;
}

// Runs the workload that the arguments name: run(workload, workers, scale) gives its figures.  Returns the exit status.
template <class Workloads, class Run> int main(int argc, char **argv, const Workloads &workloads, Run run)
{
    constexpr int not_there = 77;
    if (argc != 4) {
        std::fprintf(stderr, "usage: %s WORKLOAD WORKERS SCALE\n", argv[0]);
        return 2;
    }
    auto found = workloads.find(argv[1]);
    if (found == workloads.end()) return not_there;
    Figures figures = run(found->second, std::atoi(argv[2]), std::atoi(argv[3]));
    std::printf("%s %s %.1f%s\n", argv[1], argv[2], figures.ns, figures.extra.c_str());
    return 0;
}

} // namespace peer

#endif
