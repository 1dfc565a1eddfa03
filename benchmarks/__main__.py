"""python -m benchmarks [names...]: measure and print one table; --profile NAME shows where the time goes."""

# Before NumPy and the peers start any threads: one each, so that ratios compare libraries and not pools.
import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["NPROC"] = "1"  # XLA's pool
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import cProfile
import pstats
import sys
import time

from benchmarks import report
from benchmarks.harness import SUBJECT, Case, measure, prepared
from benchmarks.workloads import chosen

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def profile(cases: list[Case], seconds: float = 1.0) -> None:
    """Where dualdiff's candidate spends its time, by function."""
    for case in cases:
        runs, rows = prepared(case, [SUBJECT])
        print(f"{case.name}: {case.what} {rows[SUBJECT].note}")
        for run in runs.values():
            profiler, calls, start = cProfile.Profile(), 0, time.perf_counter()
            while time.perf_counter() - start < seconds:
                profiler.runcall(run)
                calls += 1
            print(f"{calls} calls; the profiler itself costs most where functions are short")
            pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="workloads or cases; all without any")
    parser.add_argument("--json", metavar="FILE", help="also write every number")
    parser.add_argument("--markdown", metavar="FILE", help="also write the table for the documentation")
    parser.add_argument("--profile", metavar="NAME", help="profile dualdiff there and measure nothing")
    parser.add_argument("--rounds", type=int, default=9, help="turns of every candidate (%(default)s)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: for a machine with other users")
    options = parser.parse_args()
    try:
        cases = chosen([options.profile] if options.profile else options.names)
    except ValueError as error:
        parser.error(str(error))
    if options.profile:
        return profile(cases)
    measured = []
    for case in cases:
        print(f"{case.name}: {case.what}", file=sys.stderr)
        measured.append((case, measure(case, options.rounds, clock=CLOCKS[options.clock])))
    where = report.environment(options.clock, options.rounds)
    print(", ".join(f"{name} {value}" for name, value in where.items()), report.text(measured), sep="\n\n")
    for path, written in ((options.json, report.as_json), (options.markdown, report.markdown)):
        if path:
            with open(path, "w") as file:
                file.write(written(measured, where))


if __name__ == "__main__":
    main()
