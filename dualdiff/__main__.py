"""The command line: the derivative of a formula by forward mode, by reverse mode and by finite differences.

python -m dualdiff "log(x1) + x1*x2 - sin(x2)" x1=2 x2=5
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from dualdiff.expression import CONSTANTS, FUNCTIONS, Expression, ExpressionError, names_in
from dualdiff.modes.count import CountLevel
from dualdiff.transforms.linear import jvp, vjp

STEP = sys.float_info.epsilon ** (1 / 3)  # balances truncation, h**2, against rounding, eps / h


class Finding(NamedTuple):
    """A gradient, how it was found, and what that took."""

    method: str
    gradient: list[float]
    sweeps: str
    ops: int


# -------------------------------------------------- the three ways
# Ops are counted, not estimated: each way runs once, on counting tensors (modes/count.py), which are the
# primals and the seeds of the duals and tapes. So the rules of tangents and cotangents are counted as they
# run, on the very run whose numbers are shown, and the engine's fast paths carry no counter.
def by_forward_mode(f: Callable, point: list[float]) -> Finding:
    """One forward sweep per variable: its tangent is 1, those of the others are 0."""
    level = CountLevel()
    gradient = []
    for i in range(len(point)):
        seeds = [level.watch(float(i == j)) for j in range(len(point))]
        _, slope = jvp(f, [level.watch(x) for x in point], seeds)
        gradient.append(number(slope))
    return Finding("forward mode", gradient, f"{len(point)} forward", level.total)


def by_reverse_mode(f: Callable, point: list[float]) -> Finding:
    """One forward sweep that records the tape, one backward sweep for all variables."""
    level = CountLevel()
    _, pullback = vjp(f, *map(level.watch, point))
    gradient = [number(x_bar) for x_bar in pullback(level.watch(1.0))]
    return Finding("reverse mode", gradient, "1 forward, 1 backward", level.total)


def by_differences(f: Callable, point: list[float]) -> Finding:
    """(f(x + h) - f(x - h)) / 2h along each variable."""
    level = CountLevel()
    gradient = []
    for i, x in enumerate(point):
        ahead, behind = [level.watch(v) for v in point], [level.watch(v) for v in point]
        h = STEP * max(1.0, abs(x))
        ahead[i], behind[i] = ahead[i] + h, behind[i] - h
        gradient.append(number((f(*ahead) - f(*behind)) / (2 * h)))
    return Finding("finite differences", gradient, f"{2 * len(point)} runs of f", level.total)


def number(x: Any) -> float:
    """The plain number in the result of a counted run; one that depends on no variable was never wrapped."""
    return float(getattr(x, "value", x))


# -------------------------------------------------- the report
def report(f: Expression, point: list[float]) -> str:
    """What the command prints."""
    names = ", ".join(f.variables)
    at = ", ".join(f"{x:.12g}" for x in point)
    level = CountLevel()
    with np.errstate(all="ignore"):
        value = number(f(*map(level.watch, point)))
        findings = [way(f, point) for way in (by_forward_mode, by_reverse_mode, by_differences)]
    if math.isnan(value):  # 1/x would be found for log(x) at -1, where there is nothing to differentiate
        findings = [found._replace(gradient=[math.nan] * len(point)) for found in findings]
    heads = [f"f({names})", f"f({at})"]
    width = max(map(len, heads))
    lines = [f"{heads[0]:<{width}} = {f.text}", f"{heads[1]:<{width}} = {value!r}"]
    failure = f.first_failure(*point)
    if failure:
        reason = "outside its domain" if math.isnan(failure[1]) else "a pole, or beyond the range of float64"
        lines.append(f"note: {failure[0]} is {failure[1]} at this point: {reason}.")
    rows = [["", *(found.method for found in findings)]]
    for i, name in enumerate(f.variables):
        rows.append([f"df/d{name}", *(repr(found.gradient[i]) for found in findings)])
    rows.append(["sweeps", *(found.sweeps for found in findings)])
    rows.append(["ops", *(str(found.ops) for found in findings)])
    lines += ["", *aligned(rows), ""]
    lines.append(f"An op is one call of NumPy, for f or for its derivative; f alone takes {level.total}.")
    return "\n".join(lines)


def aligned(rows: list[list[str]]) -> list[str]:
    """The rows of a table with their columns padded to one width each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    pairs = (zip(row, widths, strict=True) for row in rows)
    return ["  ".join(cell.ljust(width) for cell, width in pair).rstrip() for pair in pairs]


# -------------------------------------------------- the arguments
class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    def error(self, message: str) -> NoReturn:
        message = " ".join(message.split())
        message = message if len(message) <= 200 else f"{message[:200]}..."
        self.exit(2, f"dualdiff: error: {message} (--help explains)\n")


def parser() -> Parser:
    made = Parser(
        prog="python -m dualdiff",
        description="Differentiate a formula at a point: forward mode, reverse mode, finite differences.",
        epilog="A formula has numbers, variables, + - * / ** %, parentheses, the constants "
        f"{' '.join(CONSTANTS)} and the functions {' '.join(FUNCTIONS)}.",
        allow_abbrev=False,
    )
    made.add_argument("expression", help='a formula, such as "log(x1) + x1*x2 - sin(x2)"')
    made.add_argument("values", nargs="*", metavar="NAME=NUMBER", help="a value for each variable")
    return made


def read_values(assignments: list[str]) -> dict[str, float]:
    """{name: number} of arguments such as x1=2."""
    values: dict[str, float] = {}
    for text in assignments:
        name, equals, digits = text.partition("=")
        if not equals or not name.isascii() or not name.isidentifier():
            raise ExpressionError(f"cannot read {text!r}: write NAME=NUMBER, such as x1=2")
        if name in CONSTANTS or name in FUNCTIONS:
            raise ExpressionError(f"{name} cannot be a variable: it is a constant or function of formulas")
        if name in values:
            raise ExpressionError(f"{name} is given twice")
        try:
            values[name] = float(digits)
        except ValueError:
            raise ExpressionError(f"cannot read {text!r}: {digits!r} is not a real number") from None
        if not math.isfinite(values[name]):
            raise ExpressionError(f"cannot differentiate at {text}: give a finite number")
    return values


def read_formula(text: str, values: dict[str, float]) -> Expression:
    """The formula, whose variables are exactly those that have a value."""
    f = Expression(text, list(values))
    occurring = names_in(text)
    if not occurring:
        raise ExpressionError("the expression has no variable to differentiate by")
    idle = [name for name in values if name not in occurring]
    if idle:
        raise ExpressionError(f"{idle[0]} does not occur in the expression")
    return f


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    command = parser()
    given = sys.argv[1:] if arguments is None else arguments
    # argparse would take a formula such as -x**2 for an option; with a space in front it does not.
    given = [f" {text}" if text[:1] == "-" and text[:2] != "--" and text != "-h" else text for text in given]
    chosen = command.parse_args(given)
    try:
        values = read_values(chosen.values)
        f = read_formula(chosen.expression, values)
    except ExpressionError as error:
        command.error(str(error))
    print(report(f, list(values.values())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
