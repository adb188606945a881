"""scaling - run by tools/scaling: what more workers bring: cases of paragram_bench with 1, 2, 4, ... of them, up to the number of processors.

    tools/scaling                   16 pairs of pingpong, skynet, big, flood, fib, wake: 5 rounds, medians
    tools/scaling --quick           2 short rounds
    tools/scaling ring spawn/bulk   the cases whose names match (regular expressions), of all that have workers
    tools/scaling --rounds N --workers 1,2,4 --out FOLDER

Installs what is missing (tools/setup --scaling), builds the preset bench, and runs each case with each number of
workers by turns, so that what else the machine does falls upon all alike. Every case checks its own result; one that is
wrong ends the measurement. Prints a table, and writes scaling.tsv and a chart, scaling.svg, to FOLDER
(build/bench/scaling unless given). Let nothing else run meanwhile. benchmarks/README.md says what the cases are.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
from measuring import BENCH, ROOT, build_bench, die, measure_case, plot, progress, readable

CASES = ["pingpong/pairs", "skynet/h", "big/h", "flood/h", "fib/h", "wake/any"]
NOT_HERE = ["soak/", "blocked/"]  # what is run only when asked for: tools/bench


def all_cases():
    """The cases that are run with several numbers of workers, and these numbers: {name: [workers, ...]}."""
    listed = subprocess.run([BENCH, "--benchmark_list_tests"], check=True, capture_output=True, text=True).stdout
    found = {}
    for case, count in re.findall(r"^(.+)/workers:(\d+)(?:/|$)", listed, re.MULTILINE):
        if not case.startswith(tuple(NOT_HERE)):
            found.setdefault(case, []).append(int(count))
    return found


def measure(cases, workers, rounds, quick):
    """Returns {(case, workers): [nanoseconds, ...]}."""
    samples = {}
    for number in range(rounds):
        for case in cases:
            for count in workers:
                progress(f"round {number + 1}: {case}, {count} workers")
                samples.setdefault((case, count), []).append(measure_case(case, count, quick)["ns"])
    progress("")
    return samples


def speed_up(samples, case, count, least):
    return statistics.median(samples[case, least]) / statistics.median(samples[case, count])


def write_tsv(path, cases, workers, samples):
    with open(path, "w", encoding="utf-8") as out:
        print("case", "workers", "ns_per_operation", "speed_up", "lowest", "highest", sep="\t", file=out)
        for case in cases:
            for count in workers:
                values = samples[case, count]
                print(case, count, f"{statistics.median(values):.2f}",
                      f"{speed_up(samples, case, count, workers[0]):.3f}", f"{min(values):.2f}", f"{max(values):.2f}",
                      sep="\t", file=out)


def print_table(cases, workers, samples):
    width = max(len(case) for case in cases) + 2
    heads = "".join(f"{count:>9}" for count in workers)
    print(f"\n{'ns per operation, workers':{width + 16}}{heads}")
    for case in cases:
        print(f"{case:{width + 16}}" + "".join(f"{readable(statistics.median(samples[case, count])):>9}"
                                              for count in workers))
        print(f"{'  speed-up':{width + 16}}" + "".join(f"{speed_up(samples, case, count, workers[0]):9.2f}"
                                                      for count in workers))
    print("\nEach figure is a median. Of wake, which waits for one worker, 1 is all that can be had.")


def draw(path, cases, workers, samples):
    """The speed-up by workers, beside that of a machine without any cost of having several."""
    lines = [" ".join(str(value) for value in
                      [count, count / workers[0], *(speed_up(samples, case, count, workers[0]) for case in cases)])
             for count in workers]
    plots = ", ".join(["$data using 1:2 with lines dashtype 2 lw 1 lc rgb 'black' title 'ideal'",
                       *(f"$data using 1:{i + 3} with linespoints lw 2 pt 7 ps 0.6 title '{case}' noenhanced"
                         for i, case in enumerate(cases))])
    tics = ", ".join(str(count) for count in workers)
    return plot(path, f"""
        set title 'Speed-up over {workers[0]} worker{"s" if workers[0] > 1 else ""}'
        set logscale xy 2
        set xlabel 'workers'
        set xtics ({tics})
        set xrange [{workers[0]}:{workers[-1]}]
        set grid
        set key outside right
        $data << EOD\n""" + "\n".join(lines) + f"\nEOD\nplot {plots}\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="regular expressions")
    parser.add_argument("--quick", action="store_true", help="2 short rounds")
    parser.add_argument("--rounds", type=int, help="rounds (5; with --quick 2)")
    parser.add_argument("--workers", help="numbers of workers (those of the cases)")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench/scaling", help="where the results go")
    return parser.parse_args()


def main():
    options = arguments()
    build_bench("--scaling")
    there = all_cases()
    cases = [case for case in there if any(re.search(pattern, case) for pattern in options.cases)]
    if not options.cases:
        cases = CASES
    if not cases:
        die(f"no case matches; there are {', '.join(there)}")
    workers = sorted({count for case in cases for count in there[case]})
    if options.workers is not None:
        workers = sorted({int(count) for count in options.workers.split(",")})
    for case in cases:
        missing = set(workers) - set(there[case])
        if missing:
            die(f"{case} is not run with {sorted(missing)} workers, but with {there[case]}")
    rounds = options.rounds or (2 if options.quick else 5)
    began = time.monotonic()
    samples = measure(cases, workers, rounds, options.quick)
    options.out.mkdir(parents=True, exist_ok=True)
    write_tsv(options.out / "scaling.tsv", cases, workers, samples)
    print_table(cases, workers, samples)
    drawn = draw(options.out / "scaling.svg", cases, workers, samples)
    print(f"{os.cpu_count()} processors, {rounds} rounds, {time.monotonic() - began:.0f} s, "
          f"load {os.getloadavg()[0]:.1f}: {options.out}/scaling.tsv" + (" and scaling.svg" if drawn else ""))


if __name__ == "__main__":
    main()
