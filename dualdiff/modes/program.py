"""A program: the list of steps that replay.py has written down, as lines of Python that run them again."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from functools import partial
from keyword import iskeyword
from typing import Any

import numpy as np

from dualdiff.ops.reductions import reduce_mean, reduce_sum
from dualdiff.quiet import quiet

# One step: the function and the name of its op, the places of its arguments, its static parameters, the place
# of its result, how many parts it has if it is a tuple (which stand there and behind), and the places not
# read after it.
Step = tuple[Callable, str, tuple[int, ...], dict, int, int, tuple[int, ...]]

# NumPy's functions that have a symbol. It gives the same bits (of complex numbers the last may differ), and
# takes numbers in a tenth of the time that the call takes.
SYMBOLS: dict[Any, str] = {
    np.add: "{} + {}", np.subtract: "{} - {}", np.multiply: "{} * {}", np.divide: "{} / {}",
    operator.pow: "{} ** {}", np.matmul: "{} @ {}", np.negative: "-{}",
}  # fmt: skip


class Program:
    """The steps that some results need, to be run on other inputs of the same shapes.

    `source` is the program as Python, a line for each step, and what runs: between two calls of NumPy the
    interpreter does no more than find their names.
    """

    def __init__(
        self, inputs: list[int], places: list, steps: list[Step], ends: list[int], sizes: dict | None = None
    ):
        """`places` holds the constants; inputs, results of steps and ends are known by their places. `sizes`
        has shape and dtype of arrays that steps make, by place."""
        self.steps = needed(steps, set(ends))
        made = {step[4] + k for step in self.steps for k in range(max(step[5], 1))}
        read = set(ends).union(*(step[2] for step in self.steps)) - made - set(inputs)
        letters = {"x": inputs, "c": sorted(read), "v": sorted(made)}
        names = {place: f"{letter}{k}" for letter, group in letters.items() for k, place in enumerate(group)}
        self.constants = {names[k]: places[k] for k in letters["c"]}
        known: dict[str, Any] = dict(self.constants)
        free = overwritten(self.steps, sizes or {})
        lines = [line for step in self.steps for line in spelled(step, names, known, free.get(step[4]))]
        heading = f"def program({', '.join([names[k] for k in inputs])}):"
        ending = f"return [{', '.join([names[k] for k in ends])}]"
        self.source = "\n    ".join([heading, *lines, ending])
        result: dict[str, Any] = {}  # not `known`, or the function could be reached from itself
        exec(compile(self.source, "<replay>", "exec"), known, result)
        self.program = result["program"]

    def run(self, values: list) -> list:
        """The results for these inputs."""
        with quiet():
            return self.program(*values)

    def listing(self) -> str:
        """The source under the constants that it reads. What else it names is NumPy's or an op's."""
        constants = [f"{name} = {x!r}" for name, x in self.constants.items()]
        return "\n".join([*constants, "", self.source] if constants else [self.source])


def spelled(step: Step, names: dict[int, str], known: dict[str, Any], free: int | None = None) -> list[str]:
    """The lines of one step; what they name that is no place is put into `known`. `free` is the place of an
    array that may be overwritten by the result."""
    function, name, read, params, put, parts, dropped = step
    args = [names[k] for k in read]
    # A Python complex number computes by itself, as Python does, where the other operand is a NumPy number.
    weak = any(type(known.get(arg)) is complex for arg in args)
    if free is not None:
        call = f"{bound(name, function, known)}({', '.join(args)}, out={names[free]})"
    elif function in SYMBOLS and not params and not weak:
        call = SYMBOLS[function].format(*args)
    else:
        if not all(map(is_name, params)):
            function, params = partial(function, **params), {}
        stated = [f"{key}={bound(key, value, known)}" for key, value in params.items()]
        call = f"{bound(name, function, known)}({', '.join([*args, *stated])})"
    result = ", ".join([names[k] for k in range(put, put + max(parts, 1))]) + ("," if parts == 1 else "")
    lines = [f"{result} = {call}"]
    if done := [names[k] for k in sorted(dropped) if names[k][0] == "v"]:
        lines.append(f"del {', '.join(done)}")  # its memory is free for the next
    return lines


LARGE = 2**15  # bytes from which memory that was just read is worth more than new one
SUMS = frozenset([reduce_sum.evaluate, reduce_mean.evaluate])  # whose results show no memory of the argument


def overwritten(steps: list[Step], sizes: dict[int, tuple]) -> dict[int, int]:
    """For the result of a step the place of an operand to put it in: an array of its kind, made by a step,
    that nobody reads any more and nobody has a view of. Large results cost page faults, not arithmetic."""
    fresh, found = set(), {}
    shown = {k for step in steps if not is_fresh(step) for k in step[2]}
    for step in steps:
        function, _, read, params, put, parts, dropped = step
        if not is_fresh(step):
            continue
        if put in sizes and not parts and put not in shown:
            fresh.add(put)
        size = sizes.get(put)
        if size is None or params or math.prod(size[0]) * size[1].itemsize < LARGE:
            continue
        if isinstance(function, np.ufunc) and function.signature is None and function.nout == 1:
            free = [k for k in read if k in fresh and k in dropped and sizes[k] == size]
            if free:
                found[put] = free[0]
    return found


def is_fresh(step: Step) -> bool:
    """Whether the result of a step is memory of its own for certain."""
    return isinstance(step[0], np.ufunc) or step[0] in SUMS


def bound(name: str, value: Any, known: dict[str, Any]) -> str:
    """How a line spells a function or a static parameter: as a literal, or by a name put into `known`."""
    if literal(value):
        return repr(value)
    if not is_name(name) or TAKEN.fullmatch(name):
        name = "f"
    stem, k = name, len(known)
    while known.setdefault(name, value) is not value:
        name, k = f"{stem}_{k}", k + 1
    return name


def is_name(text: str) -> bool:
    return text.isidentifier() and not iskeyword(text)


def literal(value: Any) -> bool:
    """Whether Python reads the repr of a static parameter as that parameter."""
    if type(value) is slice:
        return literal((value.start, value.stop, value.step))
    return all(map(literal, value)) if type(value) is tuple else type(value) in LITERALS


LITERALS = frozenset([int, bool, str, type(None), type(...)])
TAKEN = re.compile(r"[xcv]\d+|slice|Ellipsis")  # names of places, and those that literals use


def needed(steps: list[Step], wanted: set[int]) -> list[Step]:
    """The steps that the wanted places depend on, each with the places that nobody reads after it."""
    found: list[Step] = []
    kept = set(wanted)
    for function, name, read, params, put, parts, _ in reversed(steps):
        results = set(range(put, put + max(parts, 1)))
        if results & wanted:
            dropped = (set(read) | results) - kept
            kept.update(read, results)
            wanted |= set(read)
            found.append((function, name, read, params, put, parts, tuple(dropped)))
    return found[::-1]
