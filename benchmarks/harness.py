"""How candidates are compared: each is checked, then all are measured in turns, round after round.

A ratio is taken within each round and its median over the rounds is reported, so what disturbs the machine
for longer than a round disturbs both sides of a ratio. Nothing here knows a library; see candidates.py.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TOLERANCE = 1e-8  # on |x - y| / max(1, |x| + |y|), as ADBench accepts results
SUBJECT, REPLAYED, FUNCTION, BY_HAND = "dualdiff", "dualdiff.replay", "function", "by hand"


class LeftOut(Exception):
    """Raised by what prepares a candidate, with the reason why it is not measured."""


@dataclass
class Case:
    """One thing to do and the candidates that do it.

    count    the measurement is divided by it, to give a number per op
    targets  candidate -> the ratio dualdiff / candidate that is accepted at most
    apart    candidates that compute something else, which the derivative's time is held against
    measured whether a candidate returns its own measurement; otherwise calls of it are timed
    """

    name: str
    what: str
    unit: str = "us"
    count: int = 1
    targets: dict[str, float] = field(default_factory=dict)
    apart: tuple[str, ...] = (FUNCTION,)
    measured: bool = False
    candidates: dict[str, Callable[[], Callable]] = field(default_factory=dict)

    def add(self, label: str, prepare: Callable[[], Callable]) -> None:
        """Enter a candidate. `prepare()` imports and converts what it needs and returns what is timed."""
        self.candidates[label] = prepare


@dataclass
class Row:
    """What was found for one candidate of one case, or in `note` why nothing was."""

    label: str
    note: str = ""
    median: float | None = None
    least: float | None = None
    first: float | None = None  # the first call, with what it compiles or caches, in seconds
    over_function: float | None = None
    subject_over: float | None = None
    replayed_over: float | None = None
    target: float | None = None

    @property
    def missed(self) -> bool:
        """Whether dualdiff takes longer than is accepted."""
        return self.target is not None and self.subject_over is not None and self.subject_over > self.target

    @property
    def met_by_replay(self) -> bool:
        return self.missed and self.replayed_over is not None and self.replayed_over <= self.target


# -------------------------------------------------- preparing and checking
def numbers(result: Any) -> list[np.ndarray]:
    """The arrays in a result of any library, from left to right."""
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in numbers(part)]
    return [np.asarray(result.detach() if hasattr(result, "detach") else result)]


def disagreement(result: Any, reference: Any) -> float:
    """The largest |x - y| / max(1, |x| + |y|); infinite where the shapes differ or a value is not finite."""
    xs, ys = numbers(result), numbers(reference)
    if [x.shape for x in xs] != [y.shape for y in ys]:
        return float("inf")
    pairs = zip(xs, ys, strict=True)
    worst = [np.max(abs(x - y) / np.maximum(1, abs(x) + abs(y)), initial=0) for x, y in pairs]
    return max((float(w) if np.isfinite(w) else float("inf") for w in worst), default=float("inf"))


def prepared(case: Case, labels: Iterable[str]) -> tuple[dict[str, Callable], dict[str, Row]]:
    """What can be measured, each candidate run once and compared with the reference; and a row for each."""
    runs: dict[str, Callable] = {}
    rows = {label: Row(label, target=case.targets.get(label)) for label in labels}
    reference = None if case.measured else case.candidates[BY_HAND]()()
    for label, row in rows.items():
        try:
            run = case.candidates[label]()
            start = time.perf_counter()
            result = run()
            row.first = time.perf_counter() - start
        except (ImportError, LeftOut) as error:
            row.note = f"left out: {error}"
            continue
        except Exception as error:  # a peer or an op that is not there must not end the whole run
            row.note = f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0][:80]}"
            continue
        if reference is not None and label not in case.apart:
            wrong = disagreement(result, reference)
            if not wrong < TOLERANCE:
                row.note = f"wrong: differs from the reference by {wrong:.1e}"
                continue
        runs[label] = run
    return runs, rows


# -------------------------------------------------- measuring
def timed(run: Callable, number: int, clock: Callable[[], float]) -> float:
    """Seconds per call."""
    start = clock()
    for _ in range(number):
        run()
    return (clock() - start) / number


def enough_calls(run: Callable, clock: Callable[[], float], least: float) -> int:
    """How many calls take at least that many seconds."""
    number = 1
    while timed(run, number, clock) * number < least:
        number *= 2
    return number


def measure(
    case: Case, rounds: int = 9, least: float = 0.02, clock: Callable[[], float] = time.perf_counter
) -> list[Row]:
    """Every candidate of a case, in turns. The order turns as well, so that none always follows the same."""
    runs, rows = prepared(case, case.candidates)
    gc.collect()
    gc.freeze()  # the peers' own objects are not collected again and again within our timings
    calls = {label: 1 if case.measured else enough_calls(run, clock, least) for label, run in runs.items()}
    found: dict[str, list[float]] = {label: [] for label in runs}
    labels = list(runs)
    for turn in range(rounds):
        shift = turn % max(1, len(labels))
        for label in labels[shift:] + labels[:shift]:
            run = runs[label]
            value = run() if case.measured else 1e6 * timed(run, calls[label], clock)
            found[label].append(value / case.count)
    gc.unfreeze()
    for label, values in found.items():
        row = rows[label]
        row.median, row.least = statistics.median(values), min(values)
        row.over_function = paired(values, found.get(FUNCTION))
        if label != SUBJECT:
            row.subject_over = paired(found.get(SUBJECT), values)
        if label not in (SUBJECT, REPLAYED, *case.apart):
            row.replayed_over = paired(found.get(REPLAYED), values)
    return list(rows.values())


def paired(values: list[float] | None, others: list[float] | None) -> float | None:
    """The median of the ratios of each round."""
    if values is None or others is None:
        return None
    return statistics.median(x / y for x, y in zip(values, others, strict=True))
