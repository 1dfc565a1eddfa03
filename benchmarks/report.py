"""What was measured, as one table in text or Markdown, and as JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from importlib import metadata

import numpy as np

import dualdiff
from benchmarks.harness import SUBJECT, Case, Row

HEADER = [
    "workload",
    "candidate",
    "median",
    "least",
    "first, ms",
    "/ function",
    "dualdiff / it",
    "replay / it",
    "target",
]
Measured = list[tuple[Case, list[Row]]]


def environment(clock: str, rounds: int) -> dict[str, str]:
    """The machine and the versions, without which no number means anything."""
    found = {
        "python": platform.python_version(),
        "cpu": processor(),
        "cores": str(os.cpu_count()),
        "threads": "1",
        "clock": clock,
        "rounds": str(rounds),
        "dualdiff": dualdiff.__version__,
        "numpy": np.__version__,
    }
    for package in ("autograd", "torch", "jax", "mygrad", "advect"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def digits(x: float | None, count: int) -> str:
    """x with that many significant digits, and never with an exponent."""
    if x is None:
        return ""
    text = f"{x:.{count}g}"
    return f"{x:.0f}" if "e" in text or abs(x) >= 10**count else text


def cells(case: Case, row: Row, first: bool) -> list[str]:
    """One line of the table; the case is named in the first of its lines."""
    title = f"{case.name}, {case.unit}" if first else ""
    start = "" if row.first is None or case.measured else digits(1e3 * row.first, 2)
    ratio = "1" if row.label == SUBJECT else digits(row.subject_over, 3)
    missed = " by replay alone" if row.met_by_replay else " MISSED" if row.missed else ""
    target = "" if row.target is None else f"<= {row.target:g}{missed}"
    replayed = digits(row.replayed_over, 3)
    measured = [digits(row.median, 3), digits(row.least, 3), start, digits(row.over_function, 2)]
    return [title, row.label, *measured, ratio, replayed, target]


def table(measured: Measured) -> list[list[str]]:
    lines = [HEADER]
    for case, rows in measured:
        found = [row for row in rows if row.median is not None]
        lines += [cells(case, row, k == 0) for k, row in enumerate(found)]
    return lines


def absent(measured: Measured) -> list[str]:
    """What was not measured and why, a reason a line."""
    reasons: dict[str, list[str]] = {}
    for case, rows in measured:
        for row in rows:
            if row.note:
                reasons.setdefault(f"{row.label} {row.note}", []).append(case.name)
    return [f"{reason} ({', '.join(names)})" for reason, names in reasons.items()]


def text(measured: Measured) -> str:
    lines = table(measured)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(aligned(line, widths) for line in lines) + "".join(f"\n{x}" for x in absent(measured))


def aligned(line: list[str], widths: list[int]) -> str:
    """Names to the left, numbers to the right."""
    pairs = list(zip(line, widths, strict=True))
    return "  ".join([f"{x:<{w}}" for x, w in pairs[:2]] + [f"{x:>{w}}" for x, w in pairs[2:]]).rstrip()


def markdown(measured: Measured, where: dict[str, str]) -> str:
    header, *lines = table(measured)
    rows = ["| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *lines)]
    cases = [f"* **{case.name}**: {case.what}; {case.unit}" for case, _ in measured]
    left_out = [f"* {reason}" for reason in absent(measured)]
    versions = ", ".join(f"{name} {value}" for name, value in where.items())
    return "\n".join([versions, "", *cases, "", *rows, "", *left_out]).rstrip() + "\n"


def as_json(measured: Measured, where: dict[str, str]) -> str:
    found = [
        {
            "name": case.name,
            "what": case.what,
            "unit": case.unit,
            "rows": [
                {**dataclasses.asdict(row), "missed": row.missed, "met_by_replay": row.met_by_replay}
                for row in rows
            ],
        }
        for case, rows in measured
    ]
    return json.dumps({"environment": where, "cases": found}, indent=1) + "\n"
