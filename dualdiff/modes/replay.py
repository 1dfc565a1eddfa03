"""Recording mode: a value that computes as plain NumPy does and writes down what it was asked to do.

It runs *under* the other modes, as counting mode does (count.py): the program that comes out is what all of
them together did to the numbers, derivatives included, and can be run again on other numbers without any of
them. What does not depend on the inputs is a constant of the program, as it was when it was read. A program
holds for other inputs only if no value steered Python, so a recorded value refuses to.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dualdiff.core import Level, Op, Tracer
from dualdiff.errors import ControlFlowError
from dualdiff.modes.program import Program, Step
from dualdiff.tensor import FLOAT64, LIFTS, Tensor, slot


class RecordLevel(Level):
    """A level that keeps a list of steps, and one place for every input, constant and result."""

    __slots__ = ("steps", "places", "inputs", "known", "constants", "sizes", "lock")

    def __init__(self, f: Callable | None = None):
        super().__init__("replay", f)
        self.lock = threading.RLock()  # the function may use threads: one step at a time is written down
        self.steps: list[Step] = []
        self.places: list[Any] = []  # constants; None where a step or an input puts a value
        self.inputs: list[int] = []
        self.sizes: dict[int, tuple] = {}  # shape and dtype of the arrays that steps made, by their places
        self.known: dict[Any, Any] = {}  # what was computed before, by op, places and parameters
        self.constants: dict[tuple, int] = {}  # places of arrays, by where and how they lay in memory

    def close(self) -> None:
        super().close()
        self.known.clear()  # its values point back at this level

    def reserve(self, constant: Any = None) -> int:
        self.places.append(constant)
        return len(self.places) - 1

    def constant(self, x: Any, lift: bool = False) -> int:
        """The place of a constant as it is now: a copy that nobody can write, one for all that read it.

        lift: a Python number stands beside a float64 array, which takes it sooner as an array.
        """
        if lift and (type(x) is float or type(x) is int):
            return self.reserve(np.array(x, FLOAT64))
        if not isinstance(x, (np.ndarray, list, tuple)):
            return self.reserve(x)
        x = np.asarray(x)
        key = x.__array_interface__["data"], x.shape, x.strides, x.dtype
        place = self.constants.get(key)
        if place is None or self.places[place].tobytes() != x.tobytes():  # not ==, which -0.0 and 0.0 are
            self.constants[key] = place = self.reserve(np.array(x))
        return place

    def watch(self, x: Any) -> Recorded:
        """x as an input of the program."""
        recorded = Recorded(self, x if hasattr(x, "dtype") else np.asarray(x)[()], self.reserve())
        self.inputs.append(recorded.place)
        return recorded


class Recorded(Tensor):
    """A plain value and its place in the program."""

    __slots__ = ()
    value, place = slot("primal"), slot("part")
    # No fast entries are installed: recording is done once.

    def __init__(self, level: RecordLevel, value: Any, place: int):
        self.level = level
        self.value = value
        self.place = place

    def concrete(self) -> NoReturn:
        raise ControlFlowError(
            "a value steers Python control flow, so that what was recorded does not hold for other inputs.",
            "Leave replay=True away: the function is then run for every input.",
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        self.concrete()

    as_mask = __float__ = __complex__ = concrete

    def item(self, *args: Any) -> NoReturn:
        self.concrete()

    tolist = concrete

    def __repr__(self) -> str:
        return f"Recorded({self.value!r})"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        with level.lock:
            return cls.written(op, level, args, params)

    @classmethod
    def written(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        """What op gives, and the step that gives it."""
        key = step_key(op, args, params)
        if key is not None and key in level.known:
            y = level.known[key]  # again as objects of its own, since one may be written to
            return tuple([part.again() for part in y]) if op.multiple else y.again()
        values = [x.value if type(x) is cls else x for x in args]
        function = op if any(isinstance(x, Tracer) for x in values) else op.evaluate
        y = function(*values, **params)
        if function is np.power and type(y) is np.float64 and np.ndarray not in map(type, values):
            function = operator.pow  # not of arrays, whose ** has shortcuts: the square of a bool is an int8
        same = unchanged(op, args, y)
        if same is not None:
            return same.again()
        lift = op.name in LIFTS and type(y) is np.ndarray and y.dtype is FLOAT64
        places = tuple([x.place if type(x) is cls else level.constant(x, lift) for x in args])
        parts = y if op.multiple else (y,)
        first = level.reserve()
        for _ in parts[1:]:
            level.reserve()
        level.steps.append((function, op.name, places, params, first, len(parts) if op.multiple else 0, ()))
        for k, part in enumerate(parts):
            if type(part) is np.ndarray:
                level.sizes[first + k] = part.shape, part.dtype
        parts = tuple(Recorded(level, part, first + k) for k, part in enumerate(parts))
        y = parts if op.multiple else parts[0]
        if key is not None:
            level.known[key] = y
        return y


RESHAPING = frozenset(["reshape_to", "expand_to", "convert"])


def program_of(level: RecordLevel, results: list) -> Program:
    """What was recorded, as far as these results need it."""
    ends = [x.place if type(x) is Recorded else level.constant(x) for x in results]
    return Program(level.inputs, level.places, level.steps, ends, level.sizes)


def unchanged(op: Op, args: tuple, y: Any) -> Recorded | None:
    """The argument that the result equals to the last bit, whatever its numbers are; None for most ops."""
    if op.name in RESHAPING:
        return args[0] if (y.shape, y.dtype) == (args[0].shape, args[0].dtype) else None
    if op.name == "multiply" and y.dtype.kind != "c":  # inf + 1j times 1 + 0j has a nan
        for x, one in (args, args[::-1]):
            kept = type(x) is Recorded and (y.shape, y.dtype) == (x.shape, x.dtype)
            if kept and not isinstance(one, Tracer) and np.all(one == np.ones((), y.dtype)):
                return x
    return None


def step_key(op: Op, args: tuple, params: dict) -> Any:
    """What tells whether a step was there before; None where that would take a look into constant arrays."""
    spelled = repr(params)
    if not all(type(x) in SHORT for x in args) or "array(" in spelled:
        return None
    return op.name, tuple([x.place if type(x) is Recorded else (type(x), repr(x)) for x in args]), spelled


SHORT = frozenset([Recorded, float, int, bool, complex, np.float64, np.float32, np.int64, np.bool_])
