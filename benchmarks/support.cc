/* support.cc - see support.h. */
#include "support.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench
{

Runtime::Runtime(unsigned workers)
{
    pg_options options = pg_options();
    options.workers = workers;
    options.log = log;
    options.log_context = this;
    rt = pg_start(&options);
    main = pg_attach(rt, "main");
    if (!main) {
        std::fprintf(stderr, "the runtime could not be started\n");
        std::exit(1);
    }
}

Runtime::~Runtime()
{
    pg_stop(rt, PG_SECONDS(60));
    pg_detach(main);
}

void Runtime::log(void *context, pg_log_level level, const char *line)
{
    if (level == PG_LOG_STUCK) return; /* a target that spawns a million keeps its worker long, as it should here */
    __atomic_store_n(&static_cast<Runtime *>(context)->failed_, true, __ATOMIC_RELAXED);
    std::fprintf(stderr, "%s\n", line);
}

bool Runtime::failed() const
{
    return __atomic_load_n(&failed_, __ATOMIC_RELAXED);
}

pg_pid Runtime::spawn(pg_target target, void *shared)
{
    auto args = pg_tuple(static_cast<const void *>(shared));
    pg_spawn_options options = pg_spawn_options();
    options.args = args;
    return pg_spawn(main, target, options);
}

int64_t Runtime::answer(size_t index)
{
    const pg_message *msg;
    if (pg_recv(main, &msg, PG_SECONDS(60)) != PG_OK || failed()) return -1;
    return pg_get_int(nullptr, msg, index);
}

bool Runtime::ended(uint64_t n)
{
    double begin = seconds();
    for (;;) {
        pg_stats stats;
        pg_get_stats(rt, &stats);
        if (stats.spawned - stats.alive >= n) return true;
        if (failed() || seconds() - begin > 60) return false;
        nap(50000);
    }
}

int64_t nanoseconds()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

double seconds()
{
    return static_cast<double>(nanoseconds()) / 1e9;
}

void nap(int64_t ns)
{
    timespec t = {ns / 1000000000, static_cast<long>(ns % 1000000000)};
    nanosleep(&t, nullptr);
}

/* The processors that the program may use: asked for once, when the cases are registered and no thread is bound. */
static const cpu_set_t &allowed()
{
    static const cpu_set_t at_first = [] {
        cpu_set_t set;
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof set, &set);
        return set;
    }();
    return at_first;
}

void each_number_of_workers(benchmark::internal::Benchmark *registered)
{
    int64_t processors = CPU_COUNT(&allowed());
    registered->ArgName("workers")->Arg(1)->Arg(2);
    for (int64_t count = 4; count < processors; count *= 2) registered->Arg(count);
    if (processors > 2) registered->Arg(processors);
}

void pin(int64_t which)
{
    cpu_set_t one;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed()) || which-- > 0) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
}

Pinned::Pinned()
{
    sched_getaffinity(0, sizeof before_, &before_);
    pin(0);
}

Pinned::~Pinned()
{
    sched_setaffinity(0, sizeof before_, &before_);
}

void show_median(benchmark::State &state, int64_t *taken, int count)
{
    std::nth_element(taken, taken + count / 2, taken + count);
    state.SetIterationTime(static_cast<double>(taken[count / 2]) / 1e9 * count);
}

/* A line of /proc/self/status, which says kilobytes. */
static double status(const char *key)
{
    char line[256];
    double kilobytes = 0;
    FILE *f = std::fopen("/proc/self/status", "r");
    while (f && std::fgets(line, sizeof line, f)) {
        if (std::strncmp(line, key, std::strlen(key)) == 0) kilobytes = std::atof(line + std::strlen(key));
    }
    if (f) std::fclose(f);
    return kilobytes * 1024;
}

double resident()
{
    long size = 0, pages = 0;
    if (FILE *f = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(f, "%ld %ld", &size, &pages) != 2) pages = 0;
        std::fclose(f);
    }
    return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double peak_resident()
{
    return status("VmHWM:"); /* the maximum that getrusage() gives counts the program before exec(), too */
}

double page_tables()
{
    return status("VmPTE:");
}

/* ------------------------------------------------------------------------------------------------------- children */

static std::map<std::string, Child> &children()
{
    static std::map<std::string, Child> all;
    return all;
}

void add_child(const char *name, Child run)
{
    children()[name] = run;
}

int run_child(const char *name, unsigned workers)
{
    auto found = children().find(name);
    Figures figures;
    if (found == children().end() || !found->second(workers, figures)) return 1;
    for (const auto &figure : figures) std::printf("%s %.9g\n", figure.first.c_str(), figure.second);
    return 0;
}

bool measure_in_child(const char *name, unsigned workers, Figures &figures)
{
    char self[4096], command[4352], key[64];
    double value;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) return false;
    self[length] = '\0';
    std::snprintf(command, sizeof command, "exec '%s' --child %s %u", self, name, workers);
    FILE *from = popen(command, "r");
    if (!from) return false;
    while (std::fscanf(from, "%63s %lf", key, &value) == 2) figures[key] = value;
    return pclose(from) == 0;
}

} // namespace bench
