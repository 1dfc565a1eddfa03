"""The record of an op, the levels, and the one dispatch: there is no mode and no op in this file.

Read this first. An `Op` says what is true of a function; a `Tracer` is a value that stands for a number
inside a transform; a `Level` is one call of a transform. `bind` hands an op to the tracer of the highest
level among its arguments, whose mode decides what to make of the record.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import numpy as np

from dualdiff.errors import EscapedTensor, InputTypeError
from dualdiff.memory import shown

new_level = itertools.count(1).__next__  # never reset: no transform call can meet another one's number


class Level:
    """One call of a transform: its number orders nesting, and it knows whether it is still running."""

    __slots__ = ("number", "closed", "transform", "named", "guarded")

    def __init__(self, transform: str, f: Callable | None = None, guarded: dict | None = None):
        self.number: float = new_level()
        self.closed = False
        self.guarded = guarded  # arrays that must not be written (modes/guard.py); None: no guard
        self.transform = transform
        inner = getattr(f, "__wrapped__", f)  # of a transform inside another
        # Names f and the user's line without keeping f alive: its code, or its name where it has none.
        self.named: Any = getattr(inner, "__code__", None) or getattr(inner, "__name__", type(inner).__name__)

    @property
    def function(self) -> str:
        """The name of the function that the transform was given."""
        return self.named if isinstance(self.named, str) else self.named.co_name

    def close(self) -> None:
        self.closed = True

    def escaped(self) -> NoReturn:
        """Raise the error that names where the tensors of this level were made."""
        raise_escaped(self.transform, self.named)


class TapeLevel(Level):
    """A level of reverse mode: `tick` numbers its nodes downwards, the newest has the smallest number.

    Closing the level replaces `tick` by a function that raises: the hot path notices an escaped tensor
    without testing for it.
    """

    __slots__ = ("tick",)

    def __init__(self, transform: str, f: Callable | None = None, guarded: dict | None = None):
        super().__init__(transform, f, guarded)
        self.tick = itertools.count(0, -1).__next__

    def close(self) -> None:
        self.closed = True
        self.tick = partial(raise_escaped, self.transform, self.named)  # no cycle through self


def raise_escaped(transform: str, named: Any) -> NoReturn:
    if not isinstance(named, str):
        file = named.co_filename.rpartition("/")[2]
        where = f"{transform}({named.co_name}) at {file}:{named.co_firstlineno}"
    else:
        where = f"{transform}({named})"
    raise EscapedTensor(
        f"this tensor was made inside {where}, which has returned.",
        "Return it from the function (has_aux=True carries extra results out), or store stop_gradient(x).",
    )


CONSTANT = Level("constant")
CONSTANT.number = -1  # of the arrays that no transform has touched but that tensors may be written into


class Tracer:
    """A value inside a transform; `level` says which call made it. Operators live in tensor.py."""

    __slots__ = ()
    level: Any
    primal: Any
    constant: Any  # the class of CONSTANT, set by modes/constant.py

    def again(self) -> Any:
        """A tracer of the same value that keeps it when this one is written to; here, none ever is."""
        return self

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        """What this mode makes of `op`; `level` is the highest among the arguments."""
        raise NotImplementedError


class Op:
    """What is true of one function, declared once (see declare.py) and read by every mode.

    Positional arguments of an op are arrays, keyword arguments are static parameters.

    name          unique, as it appears in errors and tables
    kind          "elementwise", "linear", "multilinear", "general" or "constant"
    evaluate      the function on plain arrays
    partials      elementwise: per argument, None (no derivative), a number, or f(y, *xs)
    reads         elementwise: per argument, which of (y, *xs) its partial reads
    linear        positions in which the op is jointly linear; the other arguments are data
    transpose     linear: (y_bar, *xs) -> cotangents of the linear arguments; xs carry shapes only
    transposes    multilinear: per argument (y_bar, *xs) -> x_bar, or None where the op is not linear
    differential  general: (y, *xs, *dxs) -> dy, linear in the dxs
    pullback      general, optional: (y_bar, y, *xs) -> x_bars, where measured to pay
    out           avals of the arguments -> aval of the result
    batch         optional batching rule: (size, mapped, values, params) -> values with the batch axis first
    core          acts on that many trailing axes; leading axes broadcast
    shifts        names of parameters that hold non-negative axis numbers
    multiple      whether evaluate returns a tuple
    moves         linear: whether it only moves elements and computes nothing, so that nothing can warn
    views         whether NumPy's result shows the memory of the argument; "read-only" if it cannot be written
    undefined     optional: (y, *xs) -> a sentence where the derivative is a convention or there is none
    gauge         optional: (y_bar, y, *xs) -> a sentence where a cotangent asks what the value leaves open
    structure     optional, what reaches what: "prefix", or (*xs, **params) -> labels or places (declare.py)
    domain        where it is smooth: domains.py, one per argument, or a function that yields (args, params)
    complex       elementwise: whether it accepts complex arguments
    kink          elementwise: which derivative it takes where there is none
    doc, source   the mathematics, with the kink, and where it comes from
    """

    __slots__ = (
        "name", "kind", "evaluate", "partials", "reads", "linear", "transpose", "transposes",
        "differential", "pullback", "out", "batch", "core", "shifts", "multiple", "moves",
        "views", "undefined", "gauge", "structure", "domain", "kink", "doc", "source", "arity",
        "complex",
    )  # fmt: skip
    name: str
    kind: str
    evaluate: Callable
    doc: str
    # Which of the others are there follows from the kind, so they are Any rather than optional everywhere.
    partials: Any
    reads: Any
    linear: Any
    transpose: Any
    transposes: Any
    differential: Any
    pullback: Any
    out: Any
    batch: Any
    core: Any
    shifts: Any
    multiple: Any
    moves: Any
    views: Any
    undefined: Any
    gauge: Any
    structure: Any
    domain: Any
    kink: Any
    source: Any
    arity: Any
    complex: Any

    def __init__(self, **facts: Any):
        for name in self.__slots__:
            setattr(self, name, facts.get(name))

    def __call__(self, *args: Any, **params: Any) -> Any:
        if len(args) != self.arity and self.arity is not None:
            raise_count(self, len(args))  # an array among the params would be differentiated past its rule
        return bind(self, args, params)

    def __repr__(self) -> str:
        return f"<op {self.name}: {self.kind}>"

    @property
    def __name__(self) -> str:
        return self.name  # as a function has it, for messages


def raise_count(op: Op, given: int) -> NoReturn:
    raise InputTypeError(
        f"{op.name} takes its arrays by position, {op.arity} of them; it was given {given}.",
        "Keyword arguments of an op are static parameters.",
    )


def bind(op: Op, args: tuple, params: dict) -> Any:
    """Apply `op`: the argument with the highest level acts, and with no tracer NumPy does."""
    top = None
    constants = False
    for x in args:
        if type(x) is np.ndarray or not isinstance(x, Tracer):  # the first test only saves time
            continue
        if x.level is CONSTANT:
            constants = True
        if top is None or x.level.number > top.level.number:
            top = x
    if top is None:
        return op.evaluate(*args, **params)
    level = top.level
    if level.closed:
        level.escaped()
    if constants and level is not CONSTANT:
        args = tuple(map(plain, args))
    y = type(top).interpret(op, level, args, params)
    return shown(args[0], y, op.views == "read-only") if op.views and isinstance(y, Tracer) else y


def plain(x: Any) -> Any:
    """x, or the array under it if no transform has touched it."""
    return x.primal if isinstance(x, Tracer) and x.level is CONSTANT else x


OPS: dict[str, Op] = {}
FUNCTIONS: dict[Callable, Callable] = {}  # NumPy's function -> ours with the same signature
_listeners: list[Callable[[Op], None]] = []


def register(op: Op) -> Op:
    """Enter a declared op in the registry and tell every mode about it."""
    OPS[op.name] = op
    for listener in _listeners:
        listener(op)
    return op


def on_register(listener: Callable[[Op], None]) -> None:
    """Call `listener` with every op, those declared so far and those to come."""
    _listeners.append(listener)
    for op in OPS.values():
        listener(op)
