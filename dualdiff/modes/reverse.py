"""Reverse mode: a tape tensor remembers how it was made, by a node that a sweep (tape.py) pulls back through.

A rule is made once per op and set of arguments on the tape: what to keep, how the kind pulls a cotangent.
This is the general path, for every op; the fast entries of the commonest stand in reverse_entries.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from dualdiff.avals import Aval, aval_of
from dualdiff.core import Op, TapeLevel
from dualdiff.declare import over
from dualdiff.errors import NoDerivative
from dualdiff.modes.forward import PUSH
from dualdiff.modes.guard import kept
from dualdiff.modes.tape import SELECT, Node, Rule, sweep
from dualdiff.modes.zero import Zero
from dualdiff.tensor import SEQUENCES, Tensor, numeric, slot


class TapeTensor(Tensor):
    """A value and the node that made it."""

    __slots__ = ()
    node = slot("part")

    def __init__(self, level: TapeLevel, primal: Any, node: Node):
        self.level = level
        self.primal = primal
        self.node = node

    @property
    def shape(self) -> tuple[int, ...]:
        return self.node[1]

    @property
    def dtype(self) -> Any:
        return self.node[2]

    def __repr__(self) -> str:
        return f"TapeTensor({self.primal!r})"

    @classmethod
    def interpret(cls, op: Op, level: TapeLevel, args: tuple, params: dict) -> Any:
        if len(args) == 1 and op.kind == "linear":
            return record_linear(op, level, args[0], params)
        xs: list = []
        made_by: list = []
        active: list[int] = []
        for i, x in enumerate(args):
            if type(x) is TapeTensor and x.level is level:
                active.append(i)
                made_by.append(x.node)
                x = x.primal
            elif type(x) in SEQUENCES:
                x = np.asarray(x)
            xs.append(x)
        y = op(*xs, **params)
        if op.kind == "constant":
            return y
        # Lists of any length come and go (np.stack of the rows of a loop): theirs are not worth keeping.
        recorder = (recorder_of if len(active) <= 8 else recorder_of.__wrapped__)(op, tuple(active))
        if recorder is None:
            return y
        rule, keep = recorder
        if op.multiple:
            xs = [x if i in active else kept(level, x) for i, x in enumerate(xs)]
            node = (level.tick(), None, None, rule, y, tuple(xs), params, *made_by)
            return tuple(_output(level, node, k, part) for k, part in enumerate(y))
        if numeric(op, y).dtype.kind not in "fc":
            return y
        kept_y, kept_xs = keep(y, xs)
        if len(active) < len(xs):
            kept_xs = tuple([x if i in active else kept(level, x) for i, x in enumerate(kept_xs)])
        node = (level.tick(), y.shape, y.dtype, rule, kept_y, kept_xs, params, *made_by)
        return TapeTensor(level, y, node)


def leaf(level: TapeLevel, x: Any) -> TapeTensor:
    """x as an input of the tape."""
    return TapeTensor(level, x, (level.tick(), x.shape, x.dtype, None, None, None, None))


# -------------------------------------------------- recording
def record_linear(op: Op, level: TapeLevel, x: TapeTensor, params: dict) -> Any:
    """A linear op of one array, such as a slice or a sum: of its argument the aval is kept and no more."""
    parent, primal = x.node, x.primal
    y = op.evaluate(primal, **params) if type(primal) is np.ndarray else op(primal, **params)
    dtype = numeric(op, y).dtype
    if dtype.kind not in "fc":
        return y
    aval = Aval(parent[1], parent[2])
    return TapeTensor(level, y, (level.tick(), y.shape, dtype, linear_rule(op), None, aval, params, parent))


@lru_cache(4096)  # more than there are; an op that was declared again must not be kept for ever
def linear_rule(op: Op) -> Rule:
    """The rule of a linear op of one array, whose aval stands in the place of all."""

    def pull(y_bar, y, aval, params):
        bars = op.transpose(y_bar, aval, **params)
        return bars if isinstance(bars, (tuple, list)) else (bars,)

    push = lambda x_dots, y, aval, params: PUSH["linear"](op, y, (aval,), x_dots, params)  # noqa: E731
    return Rule(pull, push, op=op.name)


def _output(level: TapeLevel, node: Node, k: int, y: Any) -> Any:
    if y.dtype.kind not in "fc":
        return y
    return TapeTensor(level, y, (level.tick(), y.shape, y.dtype, SELECT, None, None, k, node))


# -------------------------------------------------- the VJP of each kind
def pull_elementwise(op: Op, active: tuple[int, ...]) -> Callable:
    """conj(d_i) y_bar"""

    def pull(y_bar, y, xs, params):
        return [scale(y_bar, op.partials[i], y, *xs) for i in active]

    return pull


def scale(y_bar: Any, d: Any, *values: Any) -> Any:
    """conj(d) y_bar for a partial as it was declared."""
    if type(d) is over:
        x_bar = y_bar / d.divisor(*values)
        return y_bar / np.conj(d.divisor(*values)) if x_bar.dtype.kind == "c" else x_bar
    if callable(d):
        x_bar = y_bar * d(*values)
        return y_bar * np.conj(d(*values)) if x_bar.dtype.kind == "c" else x_bar
    if d is None or d == 1:
        return y_bar if d else None
    return -y_bar if d == -1 else y_bar * np.conj(d)


def pull_linear(op: Op, active: tuple[int, ...]) -> Callable:
    """transpose(y_bar)"""

    def pull(y_bar, y, xs, params):
        bars = op.transpose(y_bar, *xs, **params)
        if not isinstance(bars, (tuple, list)):
            return (bars,)
        positions = range(len(xs)) if op.linear is None else op.linear
        return [bar for i, bar in zip(positions, bars, strict=True) if i in active]

    return pull


def pull_multilinear(op: Op, active: tuple[int, ...]) -> Callable:
    """transposes_i(y_bar), the other arguments held fixed"""
    transposes = [op.transposes[i] for i in active]
    return lambda y_bar, y, xs, params: [t(y_bar, *xs, **params) for t in transposes]


def pull_general(op: Op, active: tuple[int, ...]) -> Callable:
    """the pullback if one is written, else the transpose of the differential"""

    def pull(y_bar, y, xs, params):
        if op.multiple:
            y_bar = tuple(y_bar[k] if k in y_bar else Zero.like(part) for k, part in enumerate(y))
        known = op.transposes or (None,) * len(xs)
        if op.pullback is not None and any(known[i] is None for i in active):
            bars = op.pullback(y_bar, y, *xs, **params)
            bars = bars if isinstance(bars, tuple) else (bars,)
            return [nonzero(bars[i]) for i in active]
        bars = {i: known[i](y_bar, *xs, **params) for i in active if known[i] is not None}
        rest = tuple(i for i in active if i not in bars)
        if rest:
            bars.update(zip(rest, transpose_differential(op, rest, y_bar, y, xs, params), strict=True))
        return [nonzero(bars[i]) for i in active]

    return pull


def nonzero(x_bar: Any) -> Any:
    """None for a structural zero, which is what the sweeps understand."""
    return None if type(x_bar) is Zero else x_bar


def transpose_differential(op: Op, active: tuple, y_bar: Any, y: Any, xs: Any, params: dict) -> list:
    """Run the differential on symbolic tangents, recording its linear ops, and walk back from y_bar."""

    def differential(*tangents):
        dots = [Zero.like(x) for x in xs]
        for i, tangent in zip(active, tangents, strict=True):
            dots[i] = tangent
        return op.differential(y, *xs, *dots, **params)

    bars = y_bar if op.multiple else (y_bar,)
    return transpose_linear(differential, [aval_of(xs[i]) for i in active], bars, op.name)


def transpose_linear(f: Callable, avals: list[Aval], y_bars: Iterable, name: str) -> list:
    """The cotangents of the arguments of a linear function (of these avals) for those of its outputs."""
    level = TapeLevel(f"the transpose of {name}")
    inputs = [leaf(level, aval) for aval in avals]
    ys = f(*inputs)
    ys = ys if isinstance(ys, tuple) else (ys,)
    seeds = [
        (y.node, y_bar)
        for y, y_bar in zip(ys, y_bars, strict=True)
        if type(y) is TapeTensor and y.level is level and type(y_bar) is not Zero
    ]
    level.close()
    bars = sweep(seeds)
    found = [bars.get(x.node[0]) for x in inputs]
    if any(type(x) is Aval for x in (*ys, *found)):  # an op that is not linear gives no tangent at all
        raise NoDerivative(
            f"the differential of {name} is not linear in its tangents: it needs the value of one.",
            "Every term must hold exactly one tangent, to the first power.",
        )
    return found


PULL: dict[str, Callable] = {
    "elementwise": pull_elementwise,
    "linear": pull_linear,
    "multilinear": pull_multilinear,
    "general": pull_general,
}


# -------------------------------------------------- what a node keeps
@lru_cache(4096)
def recorder_of(op: Op, active: tuple[int, ...]) -> tuple[Rule, Callable] | None:
    """The rule of `op` with these arguments on the tape, and what to keep; None if no derivative flows."""
    if op.kind == "elementwise":
        active_reads = [op.reads[i] for i in active if op.partials[i] is not None]
        if all(op.partials[i] is None for i in active):
            return None
        reads = {position for group in active_reads for position in group}
        keep = lambda y, xs: _keep(reads, y, xs)  # noqa: E731
    elif op.kind == "linear":
        keep = _keep_shapes(op)
        if op.linear is not None and not set(op.linear) & set(active):
            return None
    elif op.kind == "multilinear":
        # x_i enters the transposes of the other arguments, its own needs no more than its shape
        def keep(y, xs):
            alone = active[0] if len(active) == 1 else -1
            return None, tuple(aval_of(x) if i == alone else x for i, x in enumerate(xs))
    else:
        keep = lambda y, xs: (y, tuple(xs))  # noqa: E731
    push = PUSH[op.kind]

    def push_forward(x_dots, y, xs, params):
        dots = [None] * len(xs)
        for i, x_dot in zip(active, x_dots, strict=True):
            dots[i] = x_dot
        return push(op, y, xs, dots, params)

    return Rule(PULL[op.kind](op, active), push_forward, op=op.name), keep


def _keep(reads: set[int], y: Any, xs: list) -> tuple:
    return y if 0 in reads else None, tuple(x if i in reads else None for i, x in enumerate(xs, 1))


def _keep_shapes(op: Op) -> Callable:
    if op.linear is None:
        return lambda y, xs: (None, tuple(aval_of(x) for x in xs))
    return lambda y, xs: (None, tuple(aval_of(x) if i in op.linear else x for i, x in enumerate(xs)))
