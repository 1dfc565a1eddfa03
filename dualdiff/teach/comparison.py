"""compare_modes: what all derivatives of one function cost in each mode, counted and measured side by side.

The table and the plot; how the numbers are found is in measuring.py.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError
from dualdiff.teach.grid import Grid
from dualdiff.teach.measuring import MEASURES, ModeRun, Subject, shortest
from dualdiff.teach.recording import differentiable
from dualdiff.transforms.boundary import check_callable, name_of
from dualdiff.transforms.explanation import ModeChoice, explain_mode
from dualdiff.transforms.selection import Selection

ROWS = ["forward", "forward, batched", "reverse", "reverse, batched", "sparse", "finite differences"]


@dataclass(frozen=True)
class ModeComparison:
    """The modes side by side, for one function at one point; prints as a table.

    runs           a ModeRun for each mode
    choice         what `auto` takes and why: the ModeChoice of explain_mode
    ops, multiplications, seconds   of f alone
    disagreement   the largest between modes; `differences` is that from finite differences
    """

    function: str
    inputs: int
    outputs: int
    runs: list[ModeRun]
    choice: ModeChoice
    ops: int
    multiplications: int
    seconds: float | None

    def __getitem__(self, mode: str) -> ModeRun:
        """The run of a mode: "forward", "forward, batched", "reverse", ..."""
        return next(run for run in self.runs if run.mode == mode)

    @property
    def disagreement(self) -> float:
        return max(run.disagreement for run in self.runs if run.mode != "finite differences")

    @property
    def differences(self) -> float:
        return self["finite differences"].disagreement

    def __str__(self) -> str:
        return "\n".join([self.head(), "", self.grid().to_text(), "", *self.foot()])

    __repr__ = __str__

    def to_markdown(self) -> str:
        """The table as Markdown."""
        return "\n\n".join([self.head(), self.grid().to_markdown(), *self.foot()]) + "\n"

    def to_html(self) -> str:
        """The table as a piece of HTML."""
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in [self.head(), *self.foot()])
        return f'<div class="dualdiff">{self.grid().to_html("dualdiff-modes")}\n{lines}</div>'

    _repr_html_ = to_html

    def grid(self) -> Grid:
        """The table of the modes."""
        heads = ["mode", "sweeps", "ops", "multiplications"]
        heads += ["peak bytes", "time", "time / f"] if self.seconds is not None else []
        return Grid([*heads, "differs by"], [cells(run) for run in self.runs])

    def head(self) -> str:
        """What the function takes alone."""
        ins, outs = numbered(self.inputs, "input"), numbered(self.outputs, "output")
        counts = f"{numbered(self.ops, 'op')}, {numbered(self.multiplications, 'multiplication')}"
        took = "" if self.seconds is None else f", {said_time(self.seconds)}"
        return f"{self.function}: {ins}, {outs}; alone it takes {counts}{took}"

    def foot(self) -> list[str]:
        """What `auto` takes and why, and notes on the table."""
        lines = [f"auto takes {self.choice.mode} mode: {self.choice.reason}."]
        if any(run.sampled for run in self.runs):
            lines.append("~ from some of the sweeps")
        return lines

    # -------------------------------------------------- the plot
    def plot(self, axes: Any = None) -> Any:
        """Cost against the number of inputs and of outputs, in runs of f, from the sweeps that were measured.

        Reverse mode runs f once and then sweeps for each output; how its time splits is taken from the ops.

        axes    two axes of matplotlib; made if not given
        Raises  ImportError without matplotlib, the extra `plot`
        """
        if axes is None:
            try:
                from matplotlib import pyplot
            except ImportError as error:
                raise ImportError("plot needs matplotlib: pip install 'dualdiff[plot]'") from error
            axes = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")[1]
        n, m = self.inputs, self.outputs
        forward, reverse = self["forward"].ratio, self["reverse"].ratio
        if forward is None or reverse is None:
            raise InputTypeError("plot needs times.", "Leave timed=False away.")
        forward, recorded = forward / n, reverse * self.ops / (self["reverse"].ops or self.ops)
        backward = (reverse - recorded) / m
        for axis, here, name in ((axes[0], n, "inputs"), (axes[1], m, "outputs")):
            counts = np.unique(np.geomspace(1, max(10, 10 * here), 40).round())
            ones = np.ones_like(counts)
            axis.loglog(counts, forward * (counts if name == "inputs" else n * ones), label="forward")
            swept = backward * (counts if name == "outputs" else m * ones)
            axis.loglog(counts, recorded + swept, label="reverse")
            axis.axvline(
                here, color="gray", linestyle=":", label=f"{self.function}: {numbered(here, name[:-1])}"
            )
            axis.set_xlabel(f"number of {name}")
            axis.legend()
        axes[0].set_ylabel("all derivatives, in runs of f")
        return axes[0].figure


def cells(run: ModeRun) -> list[str]:
    about = "~" if run.sampled else ""
    counted = ["" if n is None else str(n) for n in (run.ops, run.multiplications)]
    found = [run.mode, run.sweeps, *counted]
    if run.peak is not None and run.seconds is not None:
        found += [said_bytes(run.peak), about + said_time(run.seconds), f"{about}{run.ratio:.3g}"]
    return [*found, "" if run.mode == "reverse" else said_apart(run.disagreement)]


def said_apart(disagreement: float) -> str:
    """The next power of ten; what a few roundings explain is called that."""
    if disagreement < 64 * np.finfo(float).eps:
        return "rounding"
    return (
        f"< {10.0 ** np.ceil(np.log10(disagreement)):.0e}" if np.isfinite(disagreement) else str(disagreement)
    )


def numbered(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def said_time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale or unit == "us":
            return f"{seconds / scale:.3g} {unit}"
    raise AssertionError


def said_bytes(n: int) -> str:
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if n >= scale:
            return f"{n / scale:.3g} {unit}"
    return f"{n} B"


def compare_modes(f: Callable, *args: Any, argnums: Any = None, timed: bool = True) -> ModeComparison:
    """What all derivatives of f at args take in each mode: sweeps, ops, multiplications, memory, time.

    The modes are forward mode with one direction at a time and with all in one batched sweep, reverse mode
    the same way, a sparse plan where that needs fewer seeds, and central finite differences as the control.
    argnums as elsewhere; None takes all arguments that hold numbers. timed=False only counts, so that the
    result is the same every time.

    Dtypes      real
    Cost        several times all derivatives in every mode; of more than 64 sweeps 16 are run
    Raises      InputTypeError, StructureError

    >>> import numpy as np
    >>> def square(x):
    ...     return np.sum(x * x)
    >>> print(compare_modes(square, np.arange(5.0), timed=False))
    square: 5 inputs, 1 output; alone it takes 2 ops, 5 multiplications
    <BLANKLINE>
    mode                sweeps                 ops  multiplications  differs by
    forward             5 forward              30   75               rounding
    forward, batched    1 forward of 5 lanes   7    55               rounding
    reverse             1 forward, 1 backward  7    15
    finite differences  20 runs of f           40   100              < 1e-12
    <BLANKLINE>
    auto takes reverse mode: there are fewer outputs than inputs.
    """
    check_callable(f, "compare_modes")
    argnums = differentiable(args) if argnums is None else argnums
    chosen = Selection(f, argnums, args, {}, "compare_modes")
    subject = Subject(chosen)
    base = shortest(subject.run_plainly) if timed else None
    runs = [run for measure in MEASURES for run in measure(subject, base)]
    return ModeComparison(
        name_of(f),
        subject.inputs,
        subject.outputs,
        sorted(runs, key=lambda run: ROWS.index(run.mode)),
        explain_mode(f, *args, argnums=argnums),
        subject.alone.total,
        subject.alone.multiplications,
        base,
    )
