"""Watched tensors: the tensors of the two modes, each op of which is looked at while `debug` is on.

They are DualTensor and TapeTensor with a look around every op. What the user applies is a `Call`, which knows
its line; ops inside rules belong to the call that they are made for and are not looked at themselves, since a
rule may compute infinities that it does not use. The sweeps that look at cotangents stand in careful.py.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any

import numpy as np

from dualdiff.core import Op, bind, on_register
from dualdiff.errors import MutationError, UndefinedDerivativeWarning
from dualdiff.modes import forward, reverse_entries
from dualdiff.modes.ambient import AMBIENT
from dualdiff.modes.batch import BatchTensor
from dualdiff.modes.diagonal import Diagonal
from dualdiff.modes.forward import PUSH, DualTensor
from dualdiff.modes.report import derivative_error, element, fits, value_error
from dualdiff.modes.reverse import TapeTensor
from dualdiff.modes.seeds import Lanes
from dualdiff.modes.strong import Strong, bottom
from dualdiff.tensor import OPERATORS, PLAIN, SEQUENCES, Tensor, install

HERE = os.path.dirname(os.path.dirname(__file__))  # of the package
LIBRARY = (os.path.join(HERE, ""), os.path.join(os.path.dirname(np.__file__), ""))
CALL: ContextVar[Any] = ContextVar("call", default=None)  # the call that is being worked on


class Call:
    """One op as the user applied it: where, to which plain values, and what it read that might change."""

    __slots__ = ("op", "name", "operands", "results", "params", "line", "constants")
    results: tuple

    def __init__(self, op: Op, args: tuple, params: dict):
        self.op, self.name = op, op.name
        self.results = ()
        self.operands = [bottom(np.asarray(x) if type(x) in SEQUENCES else x) for x in args]
        self.params = params
        self.line = line_of(users_frame())
        self.constants = [(x, digest(x)) for x in arrays_in((args, tuple(params.values())))]

    def undefined(self) -> str | None:
        """What the op says of its derivative at these operands, if there is something to say."""
        if self.op.undefined is None or not self.results:
            return None
        y = self.results if self.op.multiple else self.results[0]
        return self.op.undefined(y, *self.operands, **self.params)

    def verify(self) -> None:
        """Raise if an array that was a constant of this call has changed since."""
        for x, before in self.constants:
            if digest(x) != before:
                raise MutationError(
                    f"a constant of shape {x.shape} that {self.name} read at {self.line} has changed since.",
                    "Leave what a function reads as it is until the sweep is done, or give it a copy.",
                )


def arrays_in(value: Any) -> Iterator[np.ndarray]:
    if type(value) is np.ndarray:
        yield value
    elif type(value) in (tuple, list):
        for part in value:
            yield from arrays_in(part)


def digest(x: np.ndarray) -> Any:
    if x.dtype.hasobject:
        return None
    return hashlib.blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16).digest()


def users_frame() -> FrameType:
    """The innermost frame that is neither of this library nor of NumPy."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    return frame


def line_of(frame: FrameType) -> str:
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the user's line."""
    frame = users_frame()
    shown = frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, category, frame.f_code.co_filename, frame.f_lineno, registry=shown)


class Place(int):
    """The number of a node, which knows the call that the node was made for."""

    call: Call | None


def placing(tick: Callable[[], int]) -> Callable[[], int]:
    def numbered() -> int:
        place = Place(tick())
        place.call = CALL.get()
        return place

    return numbered


# -------------------------------------------------- the tensors
class WatchedDual(DualTensor):
    """A dual tensor whose ops are looked at."""

    __slots__ = ()

    @classmethod
    def around(cls, op: Op, level: Any, args: tuple, params: dict, run: Callable) -> Any:
        """What `run` makes of the args as bare tensors, looked at as the results of op."""
        return watched(cls, DualTensor, op, level, args, params, run)

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        return watched(cls, DualTensor, op, level, args, params)


class WatchedTape(TapeTensor):
    """A tape tensor whose ops are looked at."""

    __slots__ = ()

    @classmethod
    def around(cls, op: Op, level: Any, args: tuple, params: dict, run: Callable) -> Any:
        return watched(cls, TapeTensor, op, level, args, params, run)

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        return watched(cls, TapeTensor, op, level, args, params)


def entry_of(cls: Any, bare: Any, bare_entry: Callable) -> Callable:
    """How a watched class answers an op for which the bare one has a fast entry: by that, looked at."""

    def entry(op: Op, f: Callable) -> Callable:
        fast = bare_entry(op, f)

        def call(*args: Any) -> Any:
            level = next(x.level for x in args if type(x) is cls)
            if all(type(x) in PLAIN or (type(x) is cls and x.level is level) for x in args):
                return watched(cls, bare, op, level, args, {}, fast)
            return bind(op, args, {})

        return call

    return entry


BARE = ((WatchedDual, DualTensor, forward.entry), (WatchedTape, TapeTensor, reverse_entries.entry))


def _install(op: Op) -> None:
    for cls, bare, bare_entry in BARE:
        if bare.entries[op.evaluate]:
            install(cls, op, entry_of(cls, bare, bare_entry))
        elif op.name in OPERATORS:
            method, reflected, _ = OPERATORS[op.name]
            for name in filter(None, (method, reflected)):
                setattr(cls, name, vars(Tensor)[name])


on_register(_install)


def watched(
    cls: Any, bare: Any, op: Op, level: Any, args: tuple, params: dict, run: Callable | None = None
) -> Any:
    """What the mode makes of op, looked at if the user applied it."""
    known = tuple(as_kind(x, bare) if type(x) is cls and x.level is level else x for x in args)
    if run is None:
        run = lambda *known: bare.interpret(op, level, known, params)  # noqa: E731
    careful = AMBIENT.get()
    if CALL.get() is not None or careful is None or careful.watch is None:
        return rewatched(cls, bare, op, level, run(*known))
    call = Call(op, args, params)
    token = CALL.set(call)
    try:
        # What NumPy would warn of is raised, if the values are looked at; else it warns as always.
        with np.errstate(all="ignore" if careful.watch.primal else None):
            y = run(*known)
        look(call, args, y, careful.watch.primal)
    finally:
        CALL.reset(token)
    return rewatched(cls, bare, op, level, y)


def as_kind(x: Any, kind: Any) -> Any:
    """The same tensor as one of this class."""
    twin = x.again()
    twin.__class__ = kind
    return twin


def rewatched(cls: Any, bare: Any, op: Op, level: Any, y: Any) -> Any:
    for part in y if op.multiple else (y,):
        if type(part) is bare and part.level is level:
            part.__class__ = cls
    return y


# -------------------------------------------------- looking
def parts_of(x: Any, derivative: bool = False) -> Iterator[tuple[bool, Any]]:
    """The plain arrays in a value, each with whether it is a derivative."""
    if isinstance(x, DualTensor):
        yield from parts_of(x.primal, derivative)
        yield from parts_of(x.tangent, True)
    elif isinstance(x, (TapeTensor, BatchTensor, Strong)):
        yield from parts_of(x.primal, derivative)
    elif isinstance(x, Lanes):  # outside the diagonal there are zeros
        yield from parts_of(x.d if type(x) is Diagonal else x.full(), derivative)
    elif isinstance(x, (float, complex)) or (isinstance(x, np.ndarray) and x.dtype.kind in "fc"):
        yield derivative, np.asarray(x)
    elif isinstance(x, np.generic) and x.dtype.kind in "fc":
        yield derivative, x


def depth(x: Any) -> int:
    """How many derivatives are being taken of x."""
    n = 0
    while isinstance(x, Tensor) and hasattr(type(x), "primal") and type(x) is not Strong:
        n += isinstance(x, (DualTensor, TapeTensor))
        x = x.primal
    return n


def all_finite(x: Any) -> bool:
    return all(np.isfinite(value).all() for _, value in parts_of(x))


def look(call: Call, args: tuple, y: Any, primal: bool) -> None:
    """Raise for the first value or tangent that is not finite though the op was given finite ones."""
    ys = y if call.op.multiple else (y,)
    call.results = tuple(map(bottom, ys))
    for derivative, value in (part for y in ys for part in parts_of(y)):
        if np.isfinite(value).all() or not (derivative or primal):
            continue
        given = [v for x in args for kind, v in parts_of(x) if kind == derivative]
        place = first_made(call.op, value, given)
        if place is None:
            continue
        if not derivative:
            raise value_error(call, value, place)
        met = zero_met_infinity(call, args, ys, place)
        raise derivative_error(call, "tangent", value, place, 0.0 if met else None, met)
    if call.op.undefined is not None and max(map(depth, args), default=0) > 1:
        said = call.undefined()
        if said:
            warn(
                f"{call.name} at {call.line}: {said}. Derivatives of order two through it follow from that "
                "convention, not from the function as a whole.",
                UndefinedDerivativeWarning,
            )


def first_made(op: Op, value: Any, given: list) -> tuple[int, ...] | None:
    """The first place of a value that is not finite and was not made of one that is not; None if all were."""
    made = ~np.isfinite(value)
    for x in given:
        if op.kind == "elementwise" and fits(x, value):
            made = made & np.isfinite(x)
        elif not np.isfinite(x).all():
            return None
    return tuple(map(int, np.argwhere(made)[0])) if np.any(made) else None


def zero_met_infinity(call: Call, args: tuple, ys: Any, place: tuple[int, ...]) -> bool:
    """Whether a tangent that is 0 at a place met a partial that is infinite there."""
    level = next((x.level for x in args if isinstance(x, DualTensor)), None)
    if call.op.kind != "elementwise" or level is None:
        return False
    mine = [isinstance(x, DualTensor) and x.level is level for x in args]
    xs = [x.primal if m else x for x, m in zip(args, mine, strict=True)]
    for i, x in enumerate(args):
        if mine[i] and element(dense(x.tangent), place) == 0:
            dots = [np.ones(x.shape, x.dtype) if k == i else None for k in range(len(args))]
            with np.errstate(all="ignore"):
                slope = bottom(PUSH["elementwise"](call.op, bare_value(ys[0]), xs, dots, call.params))
            if slope is not None and np.isinf(element(slope, place)):
                return True
    return False


def dense(x_dot: Any) -> Any:
    """The plain array under a tangent or cotangent, written out where only its diagonal is there."""
    x_dot = x_dot.primal if type(x_dot) is Strong else x_dot
    while isinstance(x_dot, Tensor):
        x_dot = x_dot.full() if isinstance(x_dot, Lanes) else x_dot.primal
    return x_dot


def bare_value(y: Any) -> Any:
    """The value under the outermost derivative."""
    return y.primal if isinstance(y, DualTensor) else y
