"""Measuring the modes: each one run for all derivatives of a function, its calls counted, its time taken.

Ops and multiplications are counted on tensors that count (modes/count.py), memory is what Python's allocator
saw at most, times are the shortest of several runs. A mode that would take many sweeps is run for some of
them and its numbers are multiplied; such rows say so.
"""

from __future__ import annotations

import importlib.util
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.errors import DualdiffError, InputTypeError
from dualdiff.modes.count import CountLevel
from dualdiff.sparse.plan import prepare_jacobian
from dualdiff.testing.differences import finite_difference
from dualdiff.transforms.batching import vmap
from dualdiff.transforms.boundary import rebuild
from dualdiff.transforms.derivative import jacobian
from dualdiff.transforms.linear import jvp, vjp
from dualdiff.transforms.selection import Selection
from dualdiff.tree import flatten

FEW = 64  # sweeps that are all run; of more only SAMPLE
SAMPLE = 16
ENTRIES = 4_000_000  # of seeds and derivatives that are still computed at once
SECONDS = 0.05  # to spend on timing a mode


@dataclass(frozen=True)
class ModeRun:
    """What all derivatives take in one mode.

    sweeps           runs over the ops, such as "2 forward"
    ops              calls of NumPy in all sweeps, those of f's own values included; None where not counted
    multiplications  of numbers in them
    peak             bytes that were allocated at most at one time, beyond the arguments; None if not timed
    seconds, ratio   the time, and by how much it is longer than that of f; None if not timed
    disagreement     the largest difference from reverse mode, relative to the largest derivative
    sampled          whether only some sweeps were run, and the numbers multiplied
    """

    mode: str
    sweeps: str
    ops: int | None
    multiplications: int | None
    peak: int | None
    seconds: float | None
    ratio: float | None
    disagreement: float
    sampled: bool


class Subject:
    """A function of the differentiated leaves alone, which returns its leaves of numbers.

    columns, rows     the inputs and outputs whose derivatives are compared: all, or some of many
    matrix            their derivatives by reverse mode
    """

    def __init__(self, chosen: Selection):
        self.chosen, self.leaves = chosen, chosen.leaves
        if chosen.complex:
            raise InputTypeError("compare_modes was given complex arguments.", "It counts real derivatives.")
        self.alone = CountLevel()
        ys = self(*map(self.alone.watch, self.leaves))
        self.ys = [np.asarray(getattr(y, "value", y))[()] for y in ys]
        if any(y.dtype.kind == "c" for y in self.ys):
            raise InputTypeError(
                "compare_modes was given a function with complex values.", "Take their parts."
            )
        self.inputs, self.outputs = chosen.size, sum(y.size for y in self.ys)
        if not self.inputs or not self.outputs:
            raise InputTypeError(
                "compare_modes was given nothing to differentiate.", "Give arrays of numbers."
            )
        self.columns, self.rows = some(self.inputs), some(self.outputs)
        self.matrix = np.zeros(0)

    def __call__(self, *leaves: Any) -> list:
        ys = flatten(self.chosen(*rebuild(self.chosen.trees, list(leaves))))[0]
        return [y for y in ys if getattr(getattr(y, "dtype", None), "kind", "f") in "fc"]

    def run_plainly(self) -> Any:
        """f on plain copies of the leaves, which it may write to."""
        return self.chosen(*rebuild(self.chosen.trees, [x.copy() for x in self.leaves]))

    def unit(self, k: int, like: list) -> list:
        """A tangent of the inputs, or a cotangent of the outputs, with a single 1."""
        flat = np.zeros(sum(x.size for x in like))
        flat[k] = 1
        cuts = np.split(flat, np.cumsum([x.size for x in like])[:-1])
        return [cut.reshape(x.shape).astype(x.dtype)[()] for cut, x in zip(cuts, like, strict=True)]

    def apart(self, matrix: np.ndarray) -> float:
        """How far a matrix of the compared derivatives is from that of reverse mode."""
        with np.errstate(all="ignore"):
            scale = np.max(np.abs(self.matrix), initial=0.0) or 1.0
            return float(np.max(np.abs(matrix - self.matrix), initial=0.0) / scale)


def some(n: int) -> np.ndarray:
    """All of n numbers, or some evenly among many."""
    return np.arange(n) if n <= FEW else np.unique(np.linspace(0, n - 1, SAMPLE).astype(int))


def raveled(parts: list) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in parts])


def shortest(run: Callable[[], Any]) -> float:
    """The shortest time of several runs."""
    best, spent, count = np.inf, 0.0, 0
    while count < 2 or (spent < SECONDS and count < 100):
        start = time.perf_counter()
        with np.errstate(all="ignore"):
            run()
        took = time.perf_counter() - start
        best, spent, count = min(best, took), spent + took, count + 1
    return best


def peak_of(run: Callable[[], Any]) -> int:
    """The most bytes that were allocated at one time while it ran."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with np.errstate(all="ignore"):
        run()
    peak = tracemalloc.get_traced_memory()[1] - before
    if not running:
        tracemalloc.stop()
    return peak


def measured(
    subject: Subject,
    base: float | None,
    mode: str,
    sweeps: str,
    run: Callable[[], np.ndarray],
    share: float,
    counted: tuple,
) -> ModeRun:
    """One row; `run` gives the compared derivatives and does this share of the work."""
    with np.errstate(all="ignore"):
        matrix = run()
    if mode == "reverse":
        subject.matrix = matrix
    ops, multiplications = counted
    apart, sampled = subject.apart(matrix), share < 1
    if base is None:
        return ModeRun(mode, sweeps, ops, multiplications, None, None, None, apart, sampled)
    seconds, peak = shortest(run) / share, peak_of(run)
    return ModeRun(mode, sweeps, ops, multiplications, peak, seconds, seconds / base, apart, sampled)


# -------------------------------------------------- the modes
def by_reverse(subject: Subject, base: float | None) -> list[ModeRun]:
    """One run that records, one backward sweep for each number out."""
    m, leaves, ys = subject.outputs, subject.leaves, subject.ys

    def run() -> np.ndarray:
        _, pullback = vjp(subject, *leaves)
        rows = [raveled(pullback(subject.unit(i, ys))) for i in subject.rows]
        return np.stack(rows)[:, subject.columns]

    level = CountLevel()
    with np.errstate(all="ignore"):
        _, pullback = vjp(subject, *map(level.watch, leaves))
        recorded = level.total, level.multiplications
        pullback([level.watch(y) for y in ys])
    counted = [r + m * (t - r) for r, t in zip(recorded, (level.total, level.multiplications), strict=True)]
    share = len(subject.rows) / m
    return [measured(subject, base, "reverse", f"1 forward, {m} backward", run, share, tuple(counted))]


def by_forward(subject: Subject, base: float | None) -> list[ModeRun]:
    """One forward sweep for each number in."""
    n, leaves = subject.inputs, subject.leaves

    def run() -> np.ndarray:
        dots = [subject.unit(k, leaves) for k in subject.columns]
        return np.stack([raveled(jvp(subject, leaves, dot)[1]) for dot in dots], axis=1)[subject.rows]

    level = CountLevel()
    with np.errstate(all="ignore"):
        jvp(subject, [level.watch(x) for x in leaves], [level.watch(x) for x in leaves])
    counted = n * level.total, n * level.multiplications
    return [measured(subject, base, "forward", f"{n} forward", run, len(subject.columns) / n, counted)]


def batched(mode: str) -> Callable:
    """All seeds of a mode in one batched sweep, as jacobian does it."""

    def measure(subject: Subject, base: float | None) -> list[ModeRun]:
        n, m = subject.inputs, subject.outputs
        lanes = n if mode == "forward" else m
        if lanes == 1 or lanes * (n + m) > ENTRIES:
            return []
        whole = jacobian(subject, tuple(range(len(subject.leaves))), mode=mode)

        def run() -> np.ndarray:
            return assembled(whole(*subject.leaves), subject)[np.ix_(subject.rows, subject.columns)]

        counted = in_lanes(subject, mode)
        said = f"1 forward of {n} lanes" if mode == "forward" else f"1 forward, 1 backward of {m} lanes"
        return [measured(subject, base, f"{mode}, batched", said, run, 1.0, counted)]

    return measure


def in_lanes(subject: Subject, mode: str) -> tuple[int, int]:
    """The ops and multiplications of a batched sweep with all seeds, each as long as the input or output."""
    level, leaves, ys = CountLevel(), subject.leaves, subject.ys
    like = leaves if mode == "forward" else ys
    count = sum(x.size for x in like)
    units = [np.stack(unit) for unit in zip(*(subject.unit(k, like) for k in range(count)), strict=True)]
    watched, seeds = [level.watch(x) for x in leaves], [level.watch(unit) for unit in units]
    with np.errstate(all="ignore"):
        if mode == "forward":
            vmap(lambda *dots: jvp(subject, watched, dots)[1])(*seeds)
        else:
            _, pullback = vjp(subject, *watched)
            vmap(lambda *bars: pullback(list(bars)))(*seeds)
    return level.total, level.multiplications


def assembled(blocks: list, subject: Subject) -> np.ndarray:
    """The matrix of the blocks that jacobian returns: a list of tuples."""
    rows = []
    for y, row in zip(subject.ys, blocks, strict=True):
        parts = row if isinstance(row, (tuple, list)) else (row,)
        rows.append(
            np.concatenate(
                [np.reshape(b, (y.size, x.size)) for b, x in zip(parts, subject.leaves, strict=True)], axis=1
            )
        )
    return np.concatenate(rows)


def by_plan(subject: Subject, base: float | None) -> list[ModeRun]:
    """A sparse plan, where SciPy is there and the colours are fewer than inputs and outputs."""
    fewest = min(subject.inputs, subject.outputs)
    if fewest < 3 or importlib.util.find_spec("scipy") is None:
        return []
    every = tuple(range(len(subject.leaves)))
    try:
        plan = prepare_jacobian(subject, *subject.leaves, argnums=every, check=None)
    except DualdiffError:  # the function does what a pattern cannot follow
        return []
    seeds = plan.report()
    if seeds.forward_seeds + seeds.reverse_seeds >= fewest:
        return []

    def run() -> np.ndarray:
        return plan(*subject.leaves).tocsr()[subject.rows][:, subject.columns].toarray()

    lanes = [
        f"1 {way} of {k} lanes"
        for way, k in (("forward", seeds.forward_seeds), ("backward", seeds.reverse_seeds))
        if k
    ]
    return [measured(subject, base, "sparse", ", ".join(lanes), run, 1.0, (None, None))]


def by_differences(subject: Subject, base: float | None) -> list[ModeRun]:
    """Four values of f for each number in."""
    n, leaves = subject.inputs, subject.leaves

    def run() -> np.ndarray:
        columns = [finite_difference(subject, leaves, subject.unit(k, leaves)) for k in subject.columns]
        return np.stack([raveled(column) for column in columns], axis=1)[subject.rows]

    counted = 4 * n * subject.alone.total, 4 * n * subject.alone.multiplications
    share = len(subject.columns) / n
    return [measured(subject, base, "finite differences", f"{4 * n} runs of f", run, share, counted)]


# Reverse mode first: the others are compared with it.
MEASURES: tuple[Callable, ...] = (
    by_reverse,
    by_forward,
    batched("forward"),
    batched("reverse"),
    by_plan,
    by_differences,
)
