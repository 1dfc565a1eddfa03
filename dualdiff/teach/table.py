"""trace_table: the evaluation trace of a function as a table, as in the textbooks, for any function.

One row for each op: its name, its formula, its value, the tangents or the adjoint. For reverse mode the lines
of the reverse sweep follow, in the order in which the adjoints are made.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from dualdiff.teach.evaluation import AdjointStep, Evaluation
from dualdiff.teach.grid import Grid
from dualdiff.teach.sweeps import Cost
from dualdiff.teach.words import Formula, brief


class TraceTable:
    """The evaluation trace of a function; prints as a table.

    rows        one Value for each input, op and output
    steps       the lines of the reverse sweep in their order; none for mode="forward"
    directions  what the tangents are along
    costs       sweeps and calls of NumPy of f and of both modes, for all derivatives
    evaluation  the data that all of it is made of
    """

    def __init__(self, evaluation: Evaluation):
        self.evaluation = evaluation
        self.mode = evaluation.mode
        self.rows = evaluation.values + evaluation.results

    @property
    def steps(self) -> list[AdjointStep]:
        return self.evaluation.steps

    @property
    def directions(self) -> list[str]:
        return self.evaluation.directions

    @property
    def costs(self) -> dict[str, Cost]:
        return self.evaluation.costs

    # -------------------------------------------------- forms
    def __str__(self) -> str:
        return "\n\n".join([*(grid.to_text() for _, grid in self.parts()), self.summary()])

    __repr__ = __str__

    def to_markdown(self) -> str:
        """The tables and the summary as Markdown."""
        parts = [f"**{title}**\n\n{grid.to_markdown()}" for title, grid in self.parts()]
        return "\n\n".join([*parts, self.summary().replace("\n", "\n\n")]) + "\n"

    def to_html(self) -> str:
        """The tables and the summary as a piece of HTML, without a page around it."""
        parts = [
            f"<p><b>{html.escape(title)}</b></p>\n{grid.to_html('dualdiff-trace')}"
            for title, grid in self.parts()
        ]
        lines = self.summary().replace("\n", "<br>\n")
        return "\n".join(['<div class="dualdiff">', *parts, f"<p>{lines}</p>", "</div>"])

    _repr_html_ = to_html
    _repr_markdown_ = to_markdown

    def parts(self) -> list[tuple[str, Grid]]:
        """The tables with their titles."""
        found = [(f"Evaluation trace of {self.evaluation.function}", self._trace())]
        if self.steps:
            found.append(("Reverse sweep", self._sweep()))
        return found

    def _trace(self) -> Grid:
        forward, reverse = self.mode != "reverse", self.mode != "forward"
        heads = ["primal", "value", *(["tangent"] if forward else [])]
        heads += [f"along {label}" if label != "seed" else "value" for label in self.directions]
        heads += ["adjoint"] if reverse else []
        rows = []
        for row in self.rows:
            cells: list[str] = [Formula(f"{row.name.marked} = {row.expression.marked}"), brief(row.primal)]
            if forward:
                cells.append(Formula(f"{row.dot.marked} = {row.rule.marked}") if row.rule else "")
                cells += [brief(dot) for dot in row.tangents] or [""] * len(self.directions)
            if reverse:
                cells.append("" if row.adjoint is None else brief(row.adjoint))
            rows.append(cells)
        return Grid(heads, rows)

    def _sweep(self) -> Grid:
        rows: list[list[str]] = [[step.line, brief(step.adjoint)] for step in self.steps]
        return Grid(["reverse sweep", "value"], rows)

    def summary(self) -> str:
        """What both modes take for all derivatives."""
        n, m, costs = self.evaluation.inputs, self.evaluation.outputs, self.costs
        plural = "s" * (n * m != 1)
        return (
            f"All {n} x {m} derivative{plural}: {told('forward', costs)}; {told('reverse', costs)}.\n"
            f"f alone takes {costs['f'].ops} calls of NumPy."
        )


def told(mode: str, costs: dict[str, Cost]) -> str:
    cost = costs[mode]
    return f"{mode} mode {cost.sweeps} sweep{'s' * (cost.sweeps != 1)}, {cost.ops} calls of NumPy"


def trace_table(
    f: Callable, *args: Any, mode: str = "forward", wrt: Any = None, seed: Any = None, order: str = "depth"
) -> TraceTable:
    """The evaluation trace of f at args: each op with its formula and its value, its tangents or its adjoint.

    mode     "forward": tangents, along every input number where there are at most four, else along all ones;
             "reverse": adjoints, and the lines of the reverse sweep; "both"
    wrt      which arguments are differentiated, as argnums elsewhere; all that hold numbers
    seed     the tangents, in the structure of the arguments; or the cotangent of the result; or the pair
    order    "depth": ops that need fewer others before them first, as in textbooks; "run": as f ran

    Shapes      arrays are shown by shape and norm; `rows` has the numbers
    Raises      InputTypeError, StructureError, ShapeError
    Source      A. G. Baydin, B. A. Pearlmutter, A. A. Radul, J. M. Siskind, Automatic differentiation in
                machine learning: a survey, Journal of Machine Learning Research 18 (2018), tables 2 and 3.

    >>> import numpy as np
    >>> print(trace_table(lambda x: np.sin(x) * x, 0.0, mode="reverse"))
    primal        value  adjoint
    v0 = x        0      0
    v1 = sin v0   0      0
    v2 = v1 * v0  0      1
    y = v2        0      1
    <BLANKLINE>
    reverse sweep                      value
    v2_bar = y_bar                     1
    v1_bar = v2_bar * v0               0
    v0_bar = v2_bar * v1               0
    v0_bar = v0_bar + v1_bar * cos v0  0
    <BLANKLINE>
    All 1 x 1 derivative: forward mode 1 sweep, 7 calls of NumPy; reverse mode 1 sweep, 7 calls of NumPy.
    f alone takes 2 calls of NumPy.
    """
    return TraceTable(Evaluation(f, args, mode, wrt, seed, order))
