"""report: all there is to see of one function at one point, as the command line prints it.

The value, both traces, the derivatives by both modes and by finite differences, the comparison. The parts are
attributes, for whoever shows them in another form.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.teach.comparison import ModeComparison, compare_modes
from dualdiff.teach.evaluation import Evaluation
from dualdiff.teach.graph import Graph
from dualdiff.teach.grid import Grid
from dualdiff.teach.table import TraceTable
from dualdiff.teach.words import brief
from dualdiff.testing.differences import finite_difference
from dualdiff.transforms.derivative import jacobian

METHODS = ("forward mode", "reverse mode", "finite differences")
MOST = 400  # numbers in, beyond which finite differences would take too long


@dataclass(frozen=True)
class Derivative:
    """The derivative of one output by one input, found in three ways; `found` has them in their order."""

    name: str
    found: tuple

    def cells(self) -> list[str]:
        return [self.name, *("" if x is None else said(x) for x in self.found)]


class Report:
    """What both modes do to a function at a point; prints as text.

    trace        the TraceTable with tangents and adjoints; `trace.evaluation` is the data
    derivatives  each output by each input, by forward mode, reverse mode and finite differences
    comparison   the ModeComparison; `timed` says whether it was measured as well as counted
    notes        lines to print under the value
    """

    def __init__(
        self, f: Callable, args: tuple, text: str = "", notes: list[str] | None = None, timed: bool = False
    ):
        self.text, self.notes = text, notes or []
        with np.errstate(all="ignore"):
            evaluation = Evaluation(f, args, "both", None, None, "depth", "report")
            self.trace = TraceTable(evaluation)
            self.derivatives = derivatives(evaluation)
            self.comparison: ModeComparison = compare_modes(f, *args, timed=timed)
        self._graph: Graph | None = None

    @property
    def evaluation(self) -> Evaluation:
        return self.trace.evaluation

    @property
    def graph(self) -> Graph:
        """The computational graph, drawn when first asked for."""
        if self._graph is None:
            self._graph = Graph(self.evaluation)
        return self._graph

    def __str__(self) -> str:
        traces = [grid.to_text() for _, grid in self.trace.parts()]
        parts = [self.head(), *traces, self.grid().to_text(), str(self.comparison)]
        return "\n\n".join(parts)

    __repr__ = __str__

    def to_html(self) -> str:
        """One page of HTML that loads nothing: a reader steps through both sweeps and changes the seeds.

        Cost    a sweep in each mode for each seed that can be changed, of which there are at most 12
        """
        from dualdiff.teach.page import to_page  # with modules that the report as text does not need

        return to_page(self)

    def _repr_html_(self) -> str:
        """The page in a frame, which keeps its style from the notebook around it."""
        page = html.escape(self.to_html(), quote=True)
        return f'<iframe srcdoc="{page}" title="both sweeps" width="100%" height="860"></iframe>'

    def head(self) -> str:
        """The function, its value, and the notes."""
        e = self.evaluation
        names, at = ", ".join(e.recording.names), ", ".join(map(entered, e.recording.inputs))
        heads = [f"{e.function}({names})", f"{e.function}({at})"]
        width = max(map(len, heads))
        values = [
            said(y.primal) if len(e.results) == 1 else f"{y.name} = {said(y.primal)}" for y in e.results
        ]
        lines = [f"{heads[0]:<{width}} = {self.text}"] if self.text else []
        lines.append(f"{heads[1]:<{width if self.text else 0}} = {', '.join(values)}")
        return "\n".join([*lines, *self.notes])

    def grid(self) -> Grid:
        """The table of the derivatives."""
        return Grid(["", *METHODS], [row.cells() for row in self.derivatives])


def report(f: Callable, *args: Any, text: str = "", timed: bool = True) -> Report:
    """All there is to see of f at args: both traces, the derivatives in three ways, the comparison.

    text    the formula of f, to be printed beside its name

    Raises      InputTypeError, StructureError, ShapeError
    """
    return Report(f, args, text, timed=timed)


def derivatives(evaluation: Evaluation) -> list[Derivative]:
    """Every output by every input, in three ways; nan throughout where the value is nan."""
    recording = evaluation.recording
    xs, every = recording.inputs, tuple(range(len(recording.inputs)))
    outputs = [y for y in recording.outputs if y.place is not None]
    if not outputs:
        return []
    forward, reverse = (
        jacobian(recording.function, every, mode=mode)(*xs) for mode in ("forward", "reverse")
    )
    differences = (
        by_differences(evaluation, [y.value for y in outputs]) if evaluation.inputs <= MOST else None
    )
    rows = []
    for i, y in enumerate(outputs):
        undefined = np.isnan(y.value).any()  # 1 / x would be found for log(x) at -1, where there is nothing
        for j, name in enumerate(recording.names):
            found: list = [forward[i][j], reverse[i][j], None if differences is None else differences[i][j]]
            if undefined:
                found = [None if x is None else x * math.nan for x in found]
            above = evaluation.function if len(outputs) == 1 else f"y{y.path}"
            rows.append(Derivative(f"d{above}/d{name}", tuple(found)))
    return rows


def by_differences(evaluation: Evaluation, ys: list) -> list[list[np.ndarray]]:
    """The same blocks from values alone."""
    recording = evaluation.recording
    blocks = [[np.zeros((y.size, x.size)) for x in recording.inputs] for y in ys]
    for j, x in enumerate(recording.inputs):
        for k in range(x.size):
            dots = [np.zeros(z.shape) for z in recording.inputs]
            dots[j][np.unravel_index(k, x.shape)] = 1
            columns = finite_difference(
                recording.function, tuple(recording.inputs), tuple(d[()] for d in dots)
            )
            for i, column in enumerate(columns):
                blocks[i][j][:, k] = np.real(column).ravel()
    return [
        [block.reshape(y.shape + x.shape)[()] for block, x in zip(row, recording.inputs, strict=True)]
        for row, y in zip(blocks, ys, strict=True)
    ]


def said(x: Any) -> str:
    """A number in all its digits, an array by shape and norm."""
    return repr(float(x)) if np.ndim(x) == 0 and np.isrealobj(x) else brief(x, 12)


def entered(x: Any) -> str:
    return f"{x:.12g}" if np.ndim(x) == 0 else brief(x)
