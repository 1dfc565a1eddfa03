"""The command line: what forward and reverse mode do to a formula at a point, line by line.

python -m dualdiff "log(x1) + x1*x2 - sin(x2)" x1=2 x2=5
python -m dualdiff --python model.py:loss x=[1,2,3] --html page.html
"""

from __future__ import annotations

import argparse
import ast
import inspect
import math
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from dualdiff.expression import CONSTANTS, FUNCTIONS, Expression, ExpressionError, names_in
from dualdiff.teach.report import Report


# -------------------------------------------------- what is asked for
def of_formula(text: str, assignments: list[str]) -> tuple[Callable, tuple, dict[str, Any]]:
    """A formula, its arguments, and what a report says of it."""
    values = read_values(assignments)
    f = read_formula(text, values)
    point = tuple(values.values())
    notes = []
    failure = f.first_failure(*point)
    if failure:
        reason = "outside its domain" if math.isnan(failure[1]) else "a pole, or beyond the range of float64"
        notes.append(f"note: {failure[0]} is {failure[1]} at this point: {reason}.")
    return f, point, {"text": f.text, "notes": notes}


def of_file(place: str, assignments: list[str]) -> tuple[Callable, tuple, dict[str, Any]]:
    """A function in a file of Python, which is run, and its arguments in their order."""
    path, colon, name = place.rpartition(":")
    if not colon or not path or not name.isidentifier():
        raise ExpressionError(f"cannot read {place!r}: write FILE:FUNCTION, such as model.py:loss")
    try:
        scope = runpy.run_path(path)
    except Exception as error:
        raise ExpressionError(f"cannot run {path}: {said(error)}") from error
    f = scope.get(name)
    if not callable(f):
        raise ExpressionError(f"{path} has no function {name}")
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, written = text.partition("=")
        if not equals or name in values:
            raise ExpressionError(f"cannot read {text!r}: write NAME=VALUE once, such as x=2 or x=[1,2]")
        values[name] = read_array(text, written)
    try:
        bound = inspect.signature(f).bind(**values)
    except (TypeError, ValueError) as error:
        raise ExpressionError(f"{place}: {error}") from error
    if bound.kwargs:
        raise ExpressionError(f"{place} takes {next(iter(bound.kwargs))} by keyword alone: wrap it")
    return f, bound.args, {}


def read_array(text: str, written: str) -> Any:
    """A number, or an array for nested lists of numbers."""
    try:
        value = np.asarray(ast.literal_eval(written), dtype=float)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ExpressionError(f"cannot read {text!r}: write a number, or lists of numbers") from None
    if not np.isfinite(value).all():
        raise ExpressionError(f"cannot differentiate at {text}: give finite numbers")
    return value[()]


def said(error: BaseException) -> str:
    """An error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


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
        description="Show what forward and reverse mode do to a formula, or to a function, at a point.",
        epilog="A formula has numbers, variables, + - * / ** %, parentheses, the constants "
        f"{' '.join(CONSTANTS)} and the functions {' '.join(FUNCTIONS)}.",
        allow_abbrev=False,
    )
    made.add_argument("expression", nargs="?", help='a formula, such as "log(x1) + x1*x2 - sin(x2)"')
    made.add_argument("values", nargs="*", metavar="NAME=NUMBER", help="a value for each variable")
    made.add_argument("--python", metavar="FILE:FUNCTION", help="a function of a file instead of a formula")
    made.add_argument("--time", action="store_true", help="measure time and memory of the modes as well")
    made.add_argument(
        "--html", metavar="FILE", help="write an interactive page as well, measured as by --time"
    )
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
    chosen = command.parse_intermixed_args(given)
    try:
        if chosen.python is not None:
            assignments = [] if chosen.expression is None else [chosen.expression, *chosen.values]
            f, point, shown = of_file(chosen.python, assignments)
        elif chosen.expression is None:
            raise ExpressionError("give a formula, or --python FILE:FUNCTION")
        else:
            f, point, shown = of_formula(chosen.expression, chosen.values)
        report = made(f, point, timed=chosen.time or chosen.html is not None, **shown)
        if chosen.html is not None:
            write(chosen.html, report.to_html())
    except ExpressionError as error:
        command.error(str(error))
    print(report)
    return 0


def made(f: Callable, point: tuple, **shown: Any) -> Report:
    """The report; what the function raises is an error of the command."""
    try:
        return Report(f, point, **shown)
    except Exception as error:
        raise ExpressionError(said(error)) from error


def write(path: str, text: str) -> None:
    """Write a file; that it cannot be written is an error of the command."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ExpressionError(f"cannot write {path}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
