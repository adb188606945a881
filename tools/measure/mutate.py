"""mutate - run by tools/mutate: breaks the lock-free sources in one place at a time, and sees whether anything notices.

    tools/mutate                    all mutants of all sources: some 15 minutes on 2 processors
    tools/mutate deque lifo         those of the subjects named; slots, process and stop, of runtime/, only so
    tools/mutate --weak-only        of the models, the rounds with weak orders alone
    tools/mutate --only 'park: drop'    those whose names match (regular expression)
    tools/mutate --list             the names, and nothing is run
    tools/mutate --sample N --seed S    N of them, chosen by a seed (printed)
    tools/mutate -j N --out FOLDER  N at once (the processors); where mutants.tsv goes (build/mutate)

mutants.py says what a mutant is. Each is built into the models of its subject, one after the other, and then into its
tests, under ThreadSanitizer or AddressSanitizer, until one of them fails: that one has killed it. One that runs for far
longer than without the mutant has not ended, and has killed it too. A mutant that does not compile is none.

What survives is to stand in tests/model/survivors.tsv with the reason. A survivor that is not listed there makes status
1; a listed one that is killed by now, or is gone, is named, so that the list can be shortened.
"""

import argparse
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
from measuring import ROOT, die, progress
from mutants import blank, effects_of_functions, functions_of, missing_orders, mutants_of

SURVIVORS = ROOT / "tests/model/survivors.tsv"
ROOMS = ["sched", "runtime", "include"]  # copied for each job
EVERYWHERE = ["-std=gnu17", "-w", "-pthread"]
STRESS_MS = "1000"  # how long a stress test runs
SUPPRESSIONS = ROOT / "tests/support/tsan.supp"


# ------------------------------------------------------------------------------------------------------ the subjects


@dataclass(frozen=True)
class Check:
    """A program that may kill: a model or a test, and the sources that it is built from, mutant included."""

    name: str  # as model/deque_model
    parts: tuple
    sanitizer: str = "thread"  # of a test
    is_whole: bool = False  # a model that runs all of runtime/, of which the mutant is a part

    @property
    def is_model(self):
        return self.name.startswith("model/")


def model(name, *parts):
    return Check(f"model/{name}_model", parts)


def test(name, *parts):
    return Check(name, parts)


def leaks(name, *parts):
    """The same under AddressSanitizer, which tells what is left behind, too."""
    return Check(name, parts, "address")


def world(name):
    """A model that runs the whole runtime: tests/model/world.h."""
    return Check(f"model/{name}_model", (), is_whole=True)


@dataclass(frozen=True)
class Subject:
    """Sources, and what judges them, in the order in which it is asked."""

    name: str
    sources: tuple
    checks: tuple
    is_runtime: bool = False  # of runtime/: only when it is named, and calls don't change places, operations alone do


IDLE = model("idle", "sched/deque.c", "sched/injector.c", "sched/lifo.c", "sched/parker.c")
STOP = model("stop", "sched/deque.c", "sched/epoch.c", "sched/injector.c", "sched/lifo.c", "sched/parker.c")

WORLD = (world("process"), world("slots"))

SUBJECTS = [
    Subject("deque", ("sched/deque.h", "sched/deque.c"),
            (model("deque", "sched/deque.c"),
             test("unit/deque_test", "sched/deque.c"), test("stress/deque_stress", "sched/deque.c"),
             leaks("unit/deque_test", "sched/deque.c"))),
    Subject("mpsc", ("sched/mpsc.h",), (model("mpsc"), test("unit/mpsc_test"), test("stress/mpsc_stress"))),
    Subject("lifo", ("sched/lifo.h", "sched/lifo.c"),
            (model("lifo", "sched/lifo.c"), test("stress/lifo_stress", "sched/lifo.c"))),
    Subject("epoch", ("sched/epoch.h", "sched/epoch.c"),
            (model("epoch", "sched/epoch.c"),
             test("unit/epoch_test", "sched/epoch.c"), test("stress/epoch_stress", "sched/epoch.c"))),
    Subject("injector", ("sched/injector.h", "sched/injector.c"),
            (model("injector"), IDLE, test("unit/injector_test", "sched/injector.c"),
             test("stress/injector_stress", "sched/injector.c"))),
    Subject("parker", ("sched/parker.h", "sched/parker.c"),
            (model("parker", "sched/parker.c"),
             test("unit/parker_test", "sched/parker.c"), test("stress/parker_stress", "sched/parker.c"))),
    Subject("ring", ("sched/ring.h",),
            (model("ring"), test("unit/ring_test", "sched/ring.c"), test("stress/ring_stress", "sched/ring.c"))),
    Subject("idle", ("sched/idle.c", "sched/monitor.c", "sched/poller.h"),
            (STOP, IDLE,
             test("unit/scheduler_test", "sched/idle.c", "sched/monitor.c", "sched/worker.c", "sched/scheduler.c"),
             test("unit/poller_test", "sched/idle.c", "sched/monitor.c", "sched/worker.c", "sched/scheduler.c",
                  "sched/poller.c"))),
    Subject("timer", ("sched/timer.h", "sched/timer.c"),
            (model("timer", "sched/timer.c"), test("unit/timer_test", "sched/timer.c"))),
    # Models alone judge these: only when they are named.
    Subject("slots", ("runtime/slots.h", "runtime/slots.c", "runtime/spawn.c", "runtime/exit.c"), WORLD, True),
    Subject("process", ("runtime/process.h", "runtime/process.c", "runtime/wait.c", "runtime/host.c", "runtime/kill.c",
                        "runtime/link.c"), WORLD, True),
    Subject("stop", ("runtime/runtime.h", "runtime/runtime.c"), WORLD, True),
]

# What a model of the whole runtime has of sched/, and how it is linked.
WORLD_PARTS = ["epoch", "injector", "lifo", "parker", "ring", "timer"]
WORLD_LINK = ["-lurcu-bp", "-lurcu-cds", "-Wl,--wrap=pthread_mutex_lock,--wrap=pthread_mutex_unlock,--wrap=nanosleep"]


# ------------------------------------------------------------------------------------------------- building, running


class Workshop:
    """A copy of the sources in which one mutant at a time is built and run. One for each job."""

    def __init__(self, folder, shared, weak_only):
        self.folder, self.shared, self.weak_only = folder, shared, weak_only
        self.mutant = None  # which is built
        for room in ROOMS:
            shutil.copytree(ROOT / room, folder / room)

    def includes(self):
        folders = [self.folder, self.folder / "sched", self.folder / "runtime", self.folder / "include",
                   ROOT, ROOT / "tests", ROOT / "tests/model", ROOT / "tests/support"]
        quoted = [argument for folder in folders for argument in ("-iquote", str(folder))]
        return [*quoted, "-I", str(self.folder / "include")]

    def build(self, check):
        """Returns the command that runs it, or None: it does not compile."""
        program = self.folder / "program"
        parts = [str(self.folder / part) for part in check.parts] + (self.parts_anew() if check.is_whole else [])
        command = [*EVERYWHERE, "-include", str(self.shared / "orders.h"), *self.includes(),
                   str(ROOT / "tests" / f"{check.name}.c"), *parts]
        if check.is_model:
            rest = [str(self.shared / "world.a"), *WORLD_LINK, "-lm"] if check.is_whole else []
            command = ["cc", "-O2", "-DPGS_MODEL", *command, str(self.shared / "explorer.o"), *rest]
        else:
            rest = self.shared / f"{check.sanitizer}.a"
            command = ["clang", "-O1", f"-fsanitize={check.sanitizer}", *command, str(rest), "-lm"]
        if subprocess.run([*command, "-o", str(program)], stderr=subprocess.DEVNULL).returncode != 0:
            return None
        return [str(program)] if check.is_model else ["setarch", "-R", str(program)]

    def parts_anew(self):
        """The sources of the whole runtime that the mutant is in: of one in a header, all that may call it."""
        if self.mutant is None:
            return []
        if self.mutant.file.endswith(".c"):
            return [str(self.folder / self.mutant.file)]
        names = callers_in_headers(self.mutant.function, self.folder / "runtime")
        sources = [source for source in sorted((self.folder / "runtime").glob("*.c")) if source.name != "memory.c"]
        sources.append(ROOT / "tests/model/world.c")
        return [str(source) for source in sources if names & set(re.findall(r"\w+", source.read_text()))]

    def run(self, check, limit, quick=False):
        """Builds and runs; a model's round with weak orders alone, if `quick`. Returns "passed", "failed", "hangs" or "no
        program"."""
        command = self.build(check)
        if command is None:
            return "no program"
        environment = {**os.environ, "PG_TEST_MS": STRESS_MS, "PG_TEST_SEED": "1",
                       "TSAN_OPTIONS": f"halt_on_error=1:atexit_sleep_ms=0:suppressions={SUPPRESSIONS}"}
        if quick:
            environment["MODEL_WEAK"] = "1"
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
                                   start_new_session=True)
        try:
            return "passed" if process.wait(limit) == 0 else "failed"
        except subprocess.TimeoutExpired:
            return "hangs"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # and what it has forked
            except ProcessLookupError:
                pass
            process.wait()

    def judge(self, mutant, checks, limits):
        """Which check kills the mutant, and how: a pair; (None, None): it survives, (None, "no program"): it is none."""
        path = self.folder / mutant.file
        whole = path.read_text()
        path.write_text(whole[:mutant.begin] + mutant.text + whole[mutant.end:])
        self.mutant = mutant
        try:
            # Most are seen with weak orders, in a fraction of the time.
            models, tests = ([check for check in checks if check.is_model == is_model] for is_model in (True, False))
            rounds = [(check, True) for check in models] + [(check, False) for check in models if not self.weak_only]
            for check, quick in rounds + [(check, False) for check in tests]:
                how = self.run(check, limits[check], quick)
                if how != "passed":
                    return (None, how) if how == "no program" else (check, how)
            return None, None
        finally:
            path.write_text(whole)
            self.mutant = None


def callers_in_headers(function, folder):
    """The function and all those in headers by which it may be called."""
    bodies = {}
    for header in folder.glob("*.h"):
        code = blank(header.read_text())
        bodies.update((f.name, set(re.findall(r"\w+", code[f.begin:f.end]))) for f in functions_of(code))
    names = {function}
    while more := {name for name, body in bodies.items() if name not in names and body & names}:
        names |= more
    return names


class Workshops:
    """As many as there are jobs; each job takes one and gives it back."""

    def __init__(self, folder, jobs, checks, weak_only):
        shared = folder / "shared"
        shared.mkdir()
        (shared / "orders.h").write_text(missing_orders((ROOT / "sched/atomic.h").read_text()))
        self.free = queue.Queue()
        for number in range(jobs):
            self.free.put(Workshop(folder / str(number), shared, weak_only))
        first = self.free.queue[0]
        self.compile([["cc", "-O2", "-DPGS_MODEL", *EVERYWHERE, *first.includes(), "-c",
                       str(ROOT / "tests/model/explorer.c"), "-o", str(shared / "explorer.o")]], 1)
        for sanitizer in {check.sanitizer for check in checks if not check.is_model}:
            self.build_rest(first, shared, jobs, sanitizer)
        if any(check.is_whole for check in checks):
            units = [unit for unit in sorted((ROOT / "runtime").glob("*.c")) if unit.name != "memory.c"]
            units += [ROOT / "tests/model/world.c", *(ROOT / f"sched/{part}.c" for part in WORLD_PARTS)]
            self.archive(first, shared / "world.a", units, ["cc", "-O2", "-DPGS_MODEL"], jobs)

    def build_rest(self, workshop, shared, jobs, sanitizer):
        """What tests are linked with, without a mutant, and where a mutated part takes precedence."""
        units = [*sorted((ROOT / "sched").glob("*.[cS]")), *sorted((ROOT / "tests/support").glob("*.c"))]
        units = [unit for unit in units if unit.stem != "fiber_ucontext"]
        self.archive(workshop, shared / f"{sanitizer}.a", units, ["clang", "-O1", f"-fsanitize={sanitizer}"], jobs)

    def archive(self, workshop, archive, units, compiler, jobs):
        objects = [str(archive.with_name(f"{archive.stem}.{unit.stem}.o")) for unit in units]
        self.compile([[*compiler, *EVERYWHERE, *workshop.includes(), "-c", str(unit), "-o", made]
                      for unit, made in zip(units, objects)], jobs)
        subprocess.run(["ar", "rc", str(archive), *objects], check=True)

    @staticmethod
    def compile(commands, jobs):
        with ThreadPoolExecutor(jobs) as pool:
            for _ in pool.map(lambda command: subprocess.run(command, check=True), commands):
                pass

    def with_one(self, work, *arguments):
        workshop = self.free.get()
        try:
            return getattr(workshop, work)(*arguments)
        finally:
            self.free.put(workshop)


def limits_of(checks, workshops, pool, options):
    """{check: seconds after which a mutant has not ended}. All of them have to pass as the sources are."""
    def timed(check):
        began = time.monotonic()
        how = workshops.with_one("run", check, 600, options.weak_only and check.is_model)
        if how != "passed":
            die(f"{check.name} without a mutant: {how}")
        return time.monotonic() - began
    return {check: 20 + 4 * seconds for check, seconds in zip(checks, pool.map(timed, checks))}


# ------------------------------------------------------------------------------------------------------------ output


@dataclass
class Verdict:
    subject: Subject
    mutant: object
    check: Check
    how: str

    @property
    def survives(self):
        return self.check is None

    def __str__(self):
        if self.survives:
            return f"survives  {self.mutant}"
        return f"killed    {self.mutant}   by {self.check.name}" + (", which hangs" if self.how == "hangs" else "")


def listed_survivors():
    """{name of a mutant: reason}, of survivors.tsv."""
    listed = {}
    for line in SURVIVORS.read_text().splitlines():
        fields = line.split("\t")
        if line.startswith("#") or fields[0] == "file":
            continue
        if len(fields) != 5 or not fields[4]:
            die(f"{SURVIVORS.name}: five columns expected: {line}")
        listed[tuple(fields[:4])] = fields[4]
    return listed


def write_tsv(path, verdicts):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        print("file", "function", "change", "number", "killed_by", "how", sep="\t", file=out)
        for verdict in verdicts:
            print(*verdict.mutant.name, verdict.check.name if verdict.check else "-", verdict.how or "-", sep="\t",
                  file=out)


def print_table(verdicts):
    rows = {}
    for verdict in verdicts:
        row = rows.setdefault(verdict.mutant.file, [0, 0, 0, 0])
        row[0] += 1
        row[3 if verdict.survives else 1 if verdict.check.is_model else 2] += 1
    rows["all"] = [sum(column) for column in zip(*rows.values())]
    print(f"\n{'':22}{'mutants':>9}{'by model':>10}{'by test':>9}{'survived':>10}{'killed':>9}")
    for file, (count, by_model, by_test, survived) in rows.items():
        print(f"{file:22}{count:9}{by_model:10}{by_test:9}{survived:10}{100 * (count - survived) / count:8.1f}%")


def compare_with_list(verdicts, every_name):
    """Says what survivors.tsv does not know, and what it knows too much. Returns whether it knows enough."""
    listed = listed_survivors()
    unlisted = [verdict.mutant for verdict in verdicts if verdict.survives and verdict.mutant.name not in listed]
    for mutant in unlisted:
        print(f"survives, and is not listed: {mutant}")
    for verdict in verdicts:
        if not verdict.survives and verdict.mutant.name in listed:
            print(f"listed as a survivor, but {verdict}")
    for name in listed:
        if name not in every_name:
            print(f"listed as a survivor, but gone: {' '.join(name)}")
    return not unlisted


# -------------------------------------------------------------------------------------------------------------- main


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(s.name for s in SUBJECTS))
    parser.add_argument("--only", default="", help="a regular expression that the mutant's name matches")
    parser.add_argument("--list", action="store_true", help="names the mutants")
    parser.add_argument("--sample", type=int, help="so many of them")
    parser.add_argument("--seed", type=int, help="chooses the sample")
    parser.add_argument("--models-only", action="store_true", help="without the tests")
    parser.add_argument("--weak-only", action="store_true", help="of the models, the rounds with weak orders alone")
    parser.add_argument("--verbose", action="store_true", help="says of each killed mutant, too, what has killed it")
    parser.add_argument("-j", "--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=ROOT / "build/mutate", help="where mutants.tsv goes")
    return parser.parse_args()


def every_mutant():
    """[(subject, mutant)] of all subjects."""
    texts = {file: (ROOT / file).read_text() for subject in SUBJECTS for file in subject.sources}
    called = effects_of_functions(texts.values())
    return [(subject, mutant) for subject in SUBJECTS for file in subject.sources
            for mutant in mutants_of(file, texts[file], {} if subject.is_runtime else called)]


def chosen(pairs, options):
    unknown = set(options.subjects) - {subject.name for subject in SUBJECTS}
    if unknown:
        die(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in SUBJECTS)}")
    names = options.subjects or [subject.name for subject in SUBJECTS if not subject.is_runtime]
    pairs = [(subject, mutant) for subject, mutant in pairs
             if subject.name in names and re.search(options.only, str(mutant))]
    if options.sample is not None and options.sample < len(pairs):
        seed = options.seed if options.seed is not None else time.time_ns() % 1000000
        print(f"seed {seed}")
        pairs = random.Random(seed).sample(pairs, options.sample)
    return pairs


def checks_of(subject, options):
    return [check for check in subject.checks if check.is_model or not options.models_only]


def run_all(pairs, options):
    """Judges them all. Returns a verdict for each that compiles."""
    checks = list(dict.fromkeys(check for subject, _ in pairs for check in checks_of(subject, options)))
    verdicts, done = [], 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        workshops = Workshops(Path(folder), options.jobs, checks, options.weak_only)
        limits = limits_of(checks, workshops, pool, options)

        def judge(pair):
            subject, mutant = pair
            return Verdict(subject, mutant, *workshops.with_one("judge", mutant, checks_of(subject, options), limits))
        # The slowest first, so that the last ones to run are short.
        slowest_first = sorted(pairs, key=lambda pair: -limits[checks_of(pair[0], options)[0]])
        for finished in as_completed([pool.submit(judge, pair) for pair in slowest_first]):
            verdict = finished.result()
            done += 1
            progress(f"{done} of {len(pairs)}: {verdict}")
            if verdict.how == "no program":
                continue
            verdicts.append(verdict)
            if verdict.survives or options.verbose:
                progress("")
                print(verdict, flush=True)
    progress("")
    order = {mutant: place for place, (_, mutant) in enumerate(pairs)}
    return sorted(verdicts, key=lambda verdict: order[verdict.mutant])


def main():
    options = arguments()
    every = every_mutant()
    pairs = chosen(every, options)
    if options.list:
        print("\n".join(f"{subject.name}: {mutant}" for subject, mutant in pairs))
        return
    if not pairs:
        die("no mutant is called so")
    began = time.monotonic()
    verdicts = run_all(pairs, options)
    write_tsv(options.out / "mutants.tsv", verdicts)
    print_table(verdicts)
    is_known = compare_with_list(verdicts, {mutant.name for _, mutant in every})
    print(f"{time.monotonic() - began:.0f} s with {options.jobs} at once: {options.out}/mutants.tsv")
    sys.exit(0 if is_known else 1)


if __name__ == "__main__":
    main()
