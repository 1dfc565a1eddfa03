"""What a function did at one point: the calls of ops, written down as the function makes them.

It runs the function once on values that compute as plain NumPy does, steer control flow as numbers do, and
remember where they come from. Recorded calls can be played again on anything that the ops take: dual tensors,
tape tensors, counting tensors. So every number that is shown comes from the modes themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import Level, Op, Tracer
from dualdiff.errors import InputTypeError
from dualdiff.modes.reverse import recorder_of
from dualdiff.tensor import SEQUENCES, Tensor, numeric
from dualdiff.transforms.boundary import check_callable, input_leaves, name_of, output_leaves, own, rebuild
from dualdiff.transforms.selection import Selection
from dualdiff.tree import flatten, paths


class Place(int):
    """Where a value stands in a recording; an int of its own type, since constants may be ints."""


class Constant(NamedTuple):
    """An argument that does not depend on the inputs: its value, its name or where it was computed."""

    value: Any
    known: str | Place | None


class Call(NamedTuple):
    """One application of an op. Constant calls have results that no derivative flows through."""

    op: Op
    args: tuple[Place | Constant, ...]
    params: dict
    results: tuple[Place | None, ...]
    constant: bool


class RecordingLevel(Level):
    """A level that keeps the calls, and what each place held."""

    __slots__ = ("calls", "values", "known")

    def __init__(self, f: Callable, known: dict[int, tuple]):
        super().__init__("teach", f)
        self.calls: list[Call] = []
        self.values: list[Any] = []
        self.known = known  # by id: a plain value kept alive, and its name or place

    def enter(self, value: Any) -> Place:
        self.values.append(value)
        return Place(len(self.values) - 1)

    def watch(self, x: Any) -> Watched:
        return Watched(self, x, self.enter(x))

    def constant(self, x: Any) -> Constant:
        """A plain argument as it is now, with the name that it is known by."""
        _, known = self.known.get(id(x), (None, None))
        return Constant(np.array(x) if isinstance(x, (np.ndarray, *SEQUENCES)) else x, known)


class Watched(Tensor):
    """A plain value and its place."""

    __slots__ = ()
    value: Any = vars(Tensor)["primal"]
    place: Any = vars(Tensor)["part"]
    level: Any
    # No fast entries are installed: a function is recorded once.

    def __init__(self, level: RecordingLevel, value: Any, place: Place):
        self.level = level
        self.value = value
        self.place = place

    def __repr__(self) -> str:
        return f"Watched({self.value!r})"

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        mine = [own(x, cls, level) for x in args]
        active = tuple(i for i, m in enumerate(mine) if m)
        kept = tuple(x.place if m else level.constant(x) for x, m in zip(args, mine, strict=True))
        values = [x.value if m else x for x, m in zip(args, mine, strict=True)]
        y = op(*values, **params)
        flat = op.kind == "constant" or recorder_of(op, active) is None
        parts = y if op.multiple else (numeric(op, y),)
        places = [level.enter(part) if flat or part.dtype.kind in "fc" else None for part in parts]
        level.calls.append(Call(op, kept, params, tuple(places), flat))
        if flat:
            known = [(part, p) for part, p in zip(parts, places, strict=True) if type(part) is not np.bool_]
            level.known.update({id(part): (part, p) for part, p in known})  # True and False are nobody's own
            return y
        found = tuple(
            part if p is None else cls(level, part, p) for part, p in zip(parts, places, strict=True)
        )
        return found if op.multiple else found[0]


class Output(NamedTuple):
    """One leaf of the result: how Python reaches it, its place (None for a constant), its value."""

    path: str
    place: Place | None
    value: Any


class Recording:
    """The calls that a function made at a point, in an order in which each finds its arguments ready.

    inputs    the leaves that are differentiated, in places 0, 1, ...; `names` are theirs
    calls     in the order "run", as Python made them, or "depth": those that need fewest calls before them
              first, which is the order of textbooks
    """

    def __init__(self, f: Callable, args: tuple, wrt: Any, order: str, asked: str):
        check_callable(f, asked)
        if order not in ("depth", "run"):
            raise InputTypeError(f"{asked} was given order={order!r}.", "Choose one of 'depth', 'run'.")
        if not args:
            raise InputTypeError(f"{asked} was given no argument to run {name_of(f)} at.", "Give its values.")
        chosen = Selection(f, differentiable(args) if wrt is None else wrt, args, {}, asked)
        if any(isinstance(x, Tracer) for x in chosen.leaves):
            raise InputTypeError(f"{asked} was called inside another transform.", "Call it on plain arrays.")
        self.name, self._chosen = name_of(f), chosen
        self.inputs, self.trees, self.single = chosen.leaves, chosen.trees, chosen.single
        self.whole = len(chosen.keys) == len(args)
        parameters = parameter_names(f, len(args))
        self.names = [
            parameters[int(key)] + path
            for key, tree in zip(chosen.keys, chosen.trees, strict=True)
            for path in paths(tree)
        ]
        level = RecordingLevel(f, names_of_constants(f, args, parameters, chosen.keys))
        try:
            watched = [level.watch(x) for x in self.inputs]
            leaves, tree = output_leaves(chosen(*rebuild(chosen.trees, watched)), f, asked)
        finally:
            level.close()
        self.y_tree = tree
        self.outputs = [
            Output(path, y.place, y.value) if own(y, Watched, level) else Output(path, None, y)
            for path, y in zip(paths(tree), leaves, strict=True)
        ]
        self.values = level.values
        self.depths = depths(level.calls, len(self.inputs), len(self.values))
        self.calls = level.calls
        if order == "depth":
            self.calls = sorted(level.calls, key=lambda call: self.depth_of(call))

    def depth_of(self, call: Call) -> int:
        """How many calls stand one behind another up to this one."""
        return max((self.depths[p] for p in call.results if p is not None), default=0)

    def function(self, *xs: Any) -> list:
        """What f itself, not the recording of it, returns for these inputs where that depends on them."""
        found = flatten(self._chosen(*rebuild(self.trees, list(xs))))[0]
        return [z for z, y in zip(found, self.outputs, strict=True) if y.place is not None]

    def play(self, *xs: Any) -> list:
        """What each place holds when the inputs are `xs`, which may be tensors of any mode."""
        found = list(self.values)
        found[: len(xs)] = xs
        for op, args, params, results, constant in self.calls:
            if constant:
                continue
            y = op(*[found[a] if isinstance(a, Place) else a.value for a in args], **params)
            for place, part in zip(results, y if op.multiple else (y,), strict=True):
                if place is not None:
                    found[place] = part
        return found

    def final(self, *xs: Any) -> list:
        """The outputs that depend on the inputs, when the inputs are `xs`."""
        found = self.play(*xs)
        return [found[y.place] for y in self.outputs if y.place is not None]


# -------------------------------------------------- arguments and their names
def differentiable(args: tuple) -> Any:
    """The positions of the arguments that hold numbers to differentiate by."""
    found = []
    for i, x in enumerate(args):
        try:
            leaves, _ = input_leaves((x,), "teach", (i,))
        except InputTypeError:
            continue
        if leaves:
            found.append(i)
    return (found[0] if len(found) == 1 else tuple(found)) if found else tuple(range(len(args)))


def parameter_names(f: Callable, count: int) -> list[str]:
    """What f calls its positional arguments: x, or args[1]."""
    variables = getattr(f, "variables", None)  # of a formula
    if isinstance(variables, list):
        return variables[:count]
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # some functions of NumPy state none
        return ["x"] if count == 1 else [f"x{i + 1}" for i in range(count)]
    found: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            found += [f"{parameter.name}[{i}]" for i in range(count - len(found))]
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            found.append(parameter.name)
    return (found + [f"x{i + 1}" for i in range(len(found), count)])[:count]


def names_of_constants(f: Callable, args: tuple, parameters: list[str], keys: list) -> dict[int, tuple]:
    """By id, the arrays that f finds under a name: its other arguments, its closure, its globals."""
    named = {parameters[i]: x for i, x in enumerate(args) if i not in keys}
    code = getattr(f, "__code__", None)
    if code is not None:
        cells = zip(code.co_freevars, getattr(f, "__closure__", None) or (), strict=False)
        named.update({name: cell.cell_contents for name, cell in cells if filled(cell)})
        scope = f.__globals__  # type: ignore[attr-defined]
        named.update({name: scope[name] for name in code.co_names if name in scope and name not in named})
    return {id(x): (x, name) for name, x in named.items() if isinstance(x, np.ndarray)}


def filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is assigned later
        return False


def depths(calls: list[Call], inputs: int, size: int) -> list[int]:
    """For each place how many calls stand one behind another up to it."""
    found = [0] * size
    for call in calls:
        read = [found[p] for p in map(place_of, call.args) if p is not None]
        for place in call.results:
            if place is not None:
                found[place] = 1 + max(read, default=0)
    return found


def place_of(arg: Place | Constant) -> Place | None:
    """The place that an argument was read from; None for a constant of the program text."""
    if isinstance(arg, Place):
        return arg
    return arg.known if type(arg.known) is Place else None
