"""Strong zeros: a tangent or cotangent that is exactly 0 makes every product with it 0, also with infinity.

A `Strong` stands for a tangent or cotangent while a sweep carries it. The rules multiply it as they do any
other; where the product is not finite and the tangent is 0 there, the product is 0. A finite product is left
as it is, in its bits and in what outer levels record of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import OPS, Level, Op, bind
from dualdiff.modes.diagonal import Diagonal
from dualdiff.modes.seeds import Lanes
from dualdiff.modes.zero import Zero
from dualdiff.tensor import OPERATORS, Tensor

_OUTSIDE = Level("strong zeros")
_OUTSIDE.number = math.nextafter(math.nextafter(math.inf, 0), 0)  # above all but Zero and Aval


class Strong(Tensor):
    """A tangent or cotangent whose zeros are strong."""

    __slots__ = ()
    level = _OUTSIDE

    def __init__(self, primal: Any):
        self.primal = primal

    def again(self) -> Strong:
        return self

    def __repr__(self) -> str:
        return f"Strong({self.primal!r})"

    @classmethod
    def interpret(cls, op: Op, level: Level, args: tuple, params: dict) -> Any:
        return carried(op, op, args, params)


def carried(op: Op, f: Callable, args: tuple, params: dict) -> Any:
    """What op makes of tangents with strong zeros; f is op, or the operator that was applied."""
    values = [weak(x) for x in args]
    y = f(*values, **params)
    if op.kind == "constant":
        return y
    mine = [i for i, x in enumerate(args) if type(x) is Strong]
    if op.multiple:
        return tuple(map(Strong, y))
    if len(mine) == 1 < len(args) and not finite(y):
        y = without_zeros(op, mine[0], values, params, y)
    return Strong(y)


def _operators(op: Op, f: Callable) -> tuple[Callable, Callable]:
    """The methods for one operator: numbers of NumPy are not multiplied to the same bits by its ufunc."""

    def call(x: Any, *y: Any) -> Any:
        return (
            bind(op, (x, *y), {}) if any(type(v) in (Zero, Aval) for v in y) else carried(op, f, (x, *y), {})
        )

    return call, lambda x, y: bind(op, (y, x), {}) if type(y) in (Zero, Aval) else carried(op, f, (y, x), {})


for _name, (_method, _reflected, _f) in OPERATORS.items():
    _direct, _other_way = _operators(OPS[_name], _f)
    setattr(Strong, _method, _direct)
    if _reflected:
        setattr(Strong, _reflected, _other_way)


def strong(x: Any) -> Any:
    """x with strong zeros; symbolic tangents have no numbers, and structural zeros are strong as they are."""
    return x if x is None or type(bottom(x)) in (Strong, Aval, Zero) else Strong(x)


def weak(x: Any) -> Any:
    """x as any other tangent."""
    return x.primal if type(x) is Strong else x


def bottom(x: Any) -> Any:
    """What stands under every level: a plain array or number, or what has none."""
    while isinstance(x, Tensor) and type(x) not in (Zero, Strong):
        x = x.d if type(x) is Diagonal else x.full() if isinstance(x, Lanes) else x.primal
    return x


def finite(y: Any) -> bool:
    y = bottom(y)
    return not isinstance(y, (np.ndarray, np.generic)) or bool(np.isfinite(y).all())


def without_zeros(op: Op, i: int, values: list, params: dict, y: Any) -> Any:
    """y = op(.., t, ..), linear in the tangent t in place i, without the terms in which t is 0."""
    t = values[i]
    if op.name in ("multiply", "divide"):
        return where_not(np.logical_and(np.equal(t, 0), np.logical_not(np.isfinite(y))), y)
    if op.kind == "multilinear":
        return contracted(op, i, values, params, y)
    nothing = bottom(t)
    if isinstance(nothing, (np.ndarray, np.generic)) and not np.any(nothing):
        return np.broadcast_to(np.zeros((), y.dtype), y.shape)
    return y


def where_not(bad: Any, y: Any) -> Any:
    """y, and 0 where it is bad."""
    found = np.where(bad, y.dtype.type(0), y)
    return found[()] if isinstance(y, np.generic) else found


def contracted(op: Op, i: int, values: list, params: dict, y: Any) -> Any:
    """A sum of products: that of the finite ones, but where a tangent other than 0 meets infinity or nan."""
    t = values[i]

    def summed(mine: Any, other: Any) -> Any:
        """How many terms of each sum have `mine` in the tangent and `other` in any of the other factors."""
        total: Any = 0
        for k, x in enumerate(values):
            if k != i:
                factors = [np.ones(v.shape) for v in values]
                factors[i], factors[k] = mine.astype(float), other(x).astype(float)
                total = total + op(*factors, **params)
        return total > 0

    tame = [v if k == i else np.where(np.isfinite(v), v, v.dtype.type(0)) for k, v in enumerate(values)]
    found = op(*tame, **params)
    met = summed(np.not_equal(t, 0), lambda x: np.logical_not(np.isfinite(x)))
    infinite: Any = np.nan
    if len(values) == 2 and y.dtype.kind == "f":
        rising, falling = np.greater(t, 0), np.less(t, 0)
        high, low = (lambda x: np.equal(x, np.inf)), (lambda x: np.equal(x, -np.inf))
        up = summed(rising, high) | summed(falling, low)
        down = summed(rising, low) | summed(falling, high)
        lost = summed(np.not_equal(t, 0), np.isnan) | (up & down)
        infinite = np.where(lost, np.nan, np.where(up, np.inf, -np.inf))
    found = np.where(met, infinite, found).astype(y.dtype)
    return np.where(np.isfinite(y), y, found)  # a sum that is finite keeps its bits
