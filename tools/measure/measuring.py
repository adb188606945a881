"""measuring - what compare.py and scaling.py share; imported by them, never run."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "build/bench/benchmarks/paragram_bench"
NOT_THERE = 77  # what a peer says of a workload that it does not have


def die(message):
    """Ends the tool that runs."""
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")


def build_bench(*setup):
    """Installs what is missing (`setup`: more arguments of tools/setup), and builds the preset bench."""
    subprocess.run([ROOT / "tools/setup", *setup], check=True)
    subprocess.run(["cmake", "--preset", "bench"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "build/bench"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def run_measured(command, may_lack=False):
    """Runs a program. Returns what it printed and its peak memory in MB; (None, None): it lacks the workload."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for stream in (out, err):
            stream.seek(0)
        if may_lack and process.returncode == NOT_THERE:
            return None, None
        if process.returncode != 0:
            die(f"{' '.join(command)} ended with {process.returncode}:\n{err.read().decode()}")
        return out.read().decode(), usage.ru_maxrss / 1024


def measure_case(case, workers, quick):
    """Runs a case of paragram_bench once. Returns {figure or counter: value}; None: not with so many workers."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [str(BENCH), f"--benchmark_filter=^{case}/workers:{workers}(/|$)",
                   f"--benchmark_min_time={0.1 if quick else 0.5}",
                   f"--benchmark_out={report.name}", "--benchmark_out_format=json"]
        _, peak = run_measured(command)
        report_text = report.read()
    if not report_text:
        return None
    runs = json.loads(report_text)["benchmarks"]
    if runs[0].get("error_occurred"):
        die(f"{case}: {runs[0]['error_message']}")
    unit = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[runs[0]["time_unit"]]
    figures = {key: value for key, value in runs[0].items() if isinstance(value, float)}
    figures.update(ns=runs[0]["real_time"] * unit, MB=runs[0].get("peak_MB", peak))
    if case == "skynet/h":
        figures["ns"] /= 1e6  # leaves
    return figures


def progress(text):
    """Shows what is being done, in the place of what was shown before; not in a file."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def readable(value):
    return "-" if value is None else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def plot(path, script):
    """Draws an SVG by a script for gnuplot. False: there is no gnuplot."""
    if not shutil.which("gnuplot"):
        return False
    head = f"set terminal svg size 1200,520 font 'sans,12'\nset output '{path}'\n"
    subprocess.run(["gnuplot"], input=head + script, text=True, check=True, stderr=subprocess.DEVNULL)
    return True
