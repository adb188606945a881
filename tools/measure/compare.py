"""compare - run by tools/compare: the same work in paragram and in other runtimes, side by side on this machine.

    tools/compare                   all workloads and runtimes: 5 rounds, medians; some 25 minutes
    tools/compare --quick           a tenth of the work, and fewer rounds: about 3 minutes
    tools/compare ring flood        the workloads whose names match (regular expressions)
    tools/compare --runtimes go,tokio
    tools/compare --rounds N --workers 1,2,4 --out FOLDER

Installs what is missing (tools/setup --compare), builds the preset bench and the peers in benchmarks/peers, and runs
each workload in all runtimes by turns, so that what else the machine does falls upon all alike; at last the bare
operations of the machine, and ZeroMQ, beside ours. Every program checks its own result; one that is wrong ends the
comparison. Writes compare.tsv, one line for each workload, number of workers and runtime, and compare.svg to FOLDER
(build/bench/compare unless given), and prints a table with the ratio of the best other to paragram. Let nothing else
run meanwhile. benchmarks/README.md says what the workloads are.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
from measuring import BENCH, ROOT, build_bench, die, measure_case, plot, progress, readable, run_measured

PEERS = ROOT / "benchmarks/peers"
BUILT = ROOT / "build/bench/peers"
OURS = "paragram"


# ---------------------------------------------------------------------------------------------------------- runtimes


class Peer:
    """A runtime under benchmarks/peers: how its program is built, and how it is called."""

    def __init__(self, name, build, needs, run=None, stackful=False):
        self.name, self.build, self.needs, self.stackful = name, build, needs, stackful
        self.run = run or [str(BUILT / name)]

    def make(self):
        """Builds it. Returns why not, or None."""
        missing = [tool for tool in self.needs if not (shutil.which(tool) or Path(tool).exists())]
        if missing:
            return f"{', '.join(missing)} not found"
        BUILT.mkdir(parents=True, exist_ok=True)
        said = subprocess.run(self.build, shell=True, cwd=PEERS / self.name, env={**os.environ, "OUT": str(BUILT)},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return None if said.returncode == 0 else "it does not build:\n" + said.stdout

    def measure(self, row, workers, quick):
        """Runs the workload once. Returns {figure: value}, or None where it does not have it."""
        scale = "10" if quick else "1"
        said, peak = run_measured([*self.run, row.workload, str(workers), scale], may_lack=True)
        if said is None:
            return None
        fields = said.split()
        if len(fields) < 3 or fields[0] != row.workload:
            die(f"{self.name} {row.workload}: not understood: {said!r}")
        figures = {"ns": float(fields[2]), "MB": peak}
        figures.update((key, float(value)) for key, value in (field.split("=") for field in fields[3:]))
        return figures


CXX = "g++ -std=c++17 -O3 -DNDEBUG"
ALL_PEERS = [
    Peer("go", 'go build -buildvcs=false -o "$OUT/go/compare" .', ["go"],
         run=[str(BUILT / "go/compare")], stackful=True),
    Peer("erlang", 'mkdir -p "$OUT/erlang" && erlc -o "$OUT/erlang" compare.erl && cp compare "$OUT/erlang"', ["erlc"],
         run=[str(BUILT / "erlang/compare")]),
    Peer("tokio", 'PATH=/usr/bin:$PATH cargo build --release --quiet --target-dir "$OUT/tokio"', ["cargo"],
         run=[str(BUILT / "tokio/release/tokio-peer")]),
    Peer("boost_fiber", f'{CXX} -o "$OUT/boost_fiber" main.cc -lboost_fiber -lboost_context -ljemalloc -pthread',
         ["g++", "/usr/include/boost/fiber"], stackful=True),
    Peer("caf", f'{CXX} -o "$OUT/caf" main.cc -lcaf_core -ljemalloc -pthread', ["g++", "/usr/include/caf"]),
]


# --------------------------------------------------------------------------------------------------------- workloads


class Row:
    """A line of the table: a case of paragram_bench, and what the peers call it. `figure`: which of its figures."""

    def __init__(self, case, workload, figure="ns", counter=None, stackful_only=False):
        self.case, self.workload, self.figure = case, workload, figure
        self.counter = counter  # of the case, where it is not the time of an operation
        self.stackful_only = stackful_only  # compared with those who suspend in the middle of a function, as it does

    @property
    def name(self):
        return self.case if self.figure == "ns" else f"{self.case} {self.figure}"


ROWS = [
    Row("pingpong/h", "pingpong"),
    Row("pingpong/b", "pingpong", stackful_only=True),
    Row("ring/h", "ring"),
    Row("ring/b", "ring", stackful_only=True),
    Row("flood/h", "flood"),
    Row("flow/h", "flow"),
    Row("call/h", "call"),
    Row("call/b", "call", stackful_only=True),
    Row("spawn/bulk", "spawn_bulk"),
    Row("spawn/one_by_one", "spawn_one"),
    Row("skynet/h", "skynet"),
    Row("idle/h", "idle", counter="spawn_ns"),
    Row("idle/h", "idle", figure="bytes", counter="bytes"),
    Row("idle/h", "idle", figure="answer", counter="answer_ns"),
    Row("big/h", "big"),
    Row("fib/h", "fib"),
    Row("mailbox_long/b", "mailbox_long"),
]

# Cases of paragram_bench that have no peer but the machine, and those that they are compared with.
FLOORS = "^(floor_|wake/(host|within)|os_flood|os_pingpong/(hub|asleep)|peer_zeromq|(pingpong/h|spawn/bulk)/workers:1)"


class Samples:
    """What has been measured: samples[row name, workers, runtime] is a list of {ns, MB}."""

    def __init__(self):
        self.all = {}

    def add(self, row, workers, runtime, value, peak):
        self.all.setdefault((row.name, workers, runtime), []).append((value, peak))

    def median(self, row, workers, runtime, which=0):
        values = self.all.get((row.name, workers, runtime))
        return statistics.median(value[which] for value in values) if values else None

    def spread(self, row, workers, runtime):
        values = [value[0] for value in self.all[row.name, workers, runtime]]
        return min(values), max(values)


def one_round(rows, workers, peers, quick, number, samples):
    """Each workload in each runtime once; whoever is first is another one in each round."""
    runs = {}  # one run serves all rows that take a figure of it
    for row in rows:
        runs.setdefault((row.case, row.workload), []).append(row)
    for (case, workload), group in runs.items():
        for count in workers:
            runtimes = [None, *(peer for peer in peers if peer.stackful or not group[0].stackful_only)]
            first = number % len(runtimes)
            for peer in runtimes[first:] + runtimes[:first]:
                figures = peer.measure(group[0], count, quick) if peer else measure_case(case, count, quick)
                for row in group if figures else []:
                    key = row.figure if peer else row.counter or "ns"
                    if key in figures:
                        samples.add(row, count, peer.name if peer else OURS, figures[key], figures["MB"])
            progress(f"round {number + 1}: {workload}, {count} workers")


# ------------------------------------------------------------------------------------------------------------ output


def write_tsv(path, rows, workers, runtimes, samples):
    with open(path, "w", encoding="utf-8") as out:
        print("workload", "workers", "runtime", "ns_per_operation", "peak_MB", "lowest", "highest", sep="\t", file=out)
        for row in rows:
            for count in workers:
                for runtime in runtimes:
                    value = samples.median(row, count, runtime)
                    if value is None:
                        continue
                    low, high = samples.spread(row, count, runtime)
                    peak = samples.median(row, count, runtime, which=1)
                    print(row.name, count, runtime, f"{value:.2f}", f"{peak:.1f}", f"{low:.2f}", f"{high:.2f}",
                          sep="\t", file=out)


def print_table(rows, workers, runtimes, samples):
    width = max(len(row.name) for row in rows) + 2
    heads = "".join(f"{name:>13}" for name in runtimes)
    print(f"\n{'ns per operation':{width}} {'workers':>7}{heads}   best other")
    for row in rows:
        for count in workers:
            values = {name: samples.median(row, count, name) for name in runtimes}
            ours = values[OURS]
            others = {name: value for name, value in values.items() if name != OURS and value is not None}
            best = min(others, key=others.get) if others else None
            ratio = f"{others[best] / ours:8.1f} x  {best}" if best and ours else ""
            print(f"{row.name:{width}} {count:7}" + "".join(f"{readable(values[name]):>13}" for name in runtimes)
                  + "  " + ratio)
    print("\nEach figure is a median; \"bytes\" are bytes of memory per process. A ratio over 1: paragram takes less.")


def print_floors(rounds, quick):
    """What our operations take beside what the machine takes for the like, and ZeroMQ: as paragram_bench says it."""
    said, _ = run_measured([str(BENCH), f"--benchmark_filter={FLOORS}", f"--benchmark_repetitions={rounds}",
                            "--benchmark_enable_random_interleaving=true", "--benchmark_color=false",
                            f"--benchmark_min_time={0.02 if quick else 0.2}"])
    print("\nOurs as multiples of the machine's, and ZeroMQ's of ours, in one run:")
    for line in re.findall(r"^\S.* +[0-9]+\.[0-9][0-9](?: +\(at most [0-9.]+\))?$", said, re.MULTILINE):
        print(line)


def draw(path, rows, workers, runtimes, samples):
    """How many times as long, or as much memory, each other runtime takes, with the most workers."""
    count = max(workers)
    drawn = [row for row in rows if samples.median(row, count, OURS)]
    others = [name for name in runtimes if name != OURS]
    if not drawn or not others:
        return False
    lines = []
    for row in drawn:
        ours = samples.median(row, count, OURS)
        values = (samples.median(row, count, name) for name in others)
        lines.append(f'"{row.name}" ' + " ".join("NaN" if value is None else f"{value / ours:.3f}" for value in values))
    plots = ", ".join(f"$data using {i + 2}:xtic(1) title '{name}' noenhanced" for i, name in enumerate(others))
    return plot(path, f"""
        set title 'Time or memory that others take, as multiples of what paragram takes; {count} workers'
        set style data histogram
        set style histogram clustered gap 1
        set style fill solid 0.9 border -1
        set logscale y
        set yrange [0.1:*]
        set bmargin 7
        set grid ytics
        set key outside top center horizontal
        set xtics nomirror rotate by 35 right noenhanced
        set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 2
        $data << EOD\n""" + "\n".join(lines) + f"\nEOD\nplot {plots}\n")


# -------------------------------------------------------------------------------------------------------------- main


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="regular expressions; all where none is given")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, 2 rounds")
    parser.add_argument("--rounds", type=int, help="rounds (5; with --quick 2)")
    parser.add_argument("--workers", default="1,2", help="numbers of workers (1,2)")
    parser.add_argument("--runtimes", help="the peers to compare with, separated by commas (all)")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench/compare", help="where the results go")
    return parser.parse_args()


def prepare(names):
    """Installs and builds. Returns the peers that are there."""
    build_bench("--compare")
    peers = []
    for peer in ALL_PEERS:
        if names is not None and peer.name not in names:
            continue
        print(f"building {peer.name}", flush=True)
        why_not = peer.make()
        if why_not:
            print(f"without {peer.name}: {why_not}")
        else:
            peers.append(peer)
    return peers


def main():
    options = arguments()
    names = options.runtimes.split(",") if options.runtimes is not None else None
    unknown = set(names or []) - {peer.name for peer in ALL_PEERS}
    if unknown:
        die(f"unknown runtimes: {', '.join(sorted(unknown))}; there are {', '.join(peer.name for peer in ALL_PEERS)}")
    rows = [row for row in ROWS
            if not options.workloads or any(re.search(pattern, row.name) for pattern in options.workloads)]
    if not rows:
        die(f"no workload matches; there are {', '.join(row.name for row in ROWS)}")
    workers = [int(count) for count in options.workers.split(",")]
    rounds = options.rounds or (2 if options.quick else 5)
    peers = prepare(names)
    options.out.mkdir(parents=True, exist_ok=True)
    runtimes = [OURS, *(peer.name for peer in peers)]
    samples = Samples()
    began = time.monotonic()
    for number in range(rounds):
        one_round(rows, workers, peers, options.quick, number, samples)
    progress("")
    write_tsv(options.out / "compare.tsv", rows, workers, runtimes, samples)
    print_table(rows, workers, runtimes, samples)
    if not options.workloads:
        print_floors(rounds, options.quick)
    drawn = draw(options.out / "compare.svg", rows, workers, runtimes, samples)
    print(f"{rounds} rounds, {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}: "
          f"{options.out}/compare.tsv" + (" and compare.svg" if drawn else ""))


if __name__ == "__main__":
    main()
