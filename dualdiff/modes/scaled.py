"""Seeds behind a matrix product: lanes that are the rows of one matrix, all scaled with the same numbers.

A diagonal seed that meets a large matrix makes every lane a row of it. The partials of the ops to come have
no lanes, so that each of them would scale all lanes alike: a `Scaled` collects them in one array of the size
of a lane, and the matrix is multiplied once. A Hessian A^T S A costs one pass over A and the product, not
a pass for each op between the two.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.modes.seeds import Lanes
from dualdiff.quiet import quiet

LARGE = 2**16  # elements of a matrix below which a pass over it costs less than what is done here


class Scaled(Lanes):
    """The array base * d: `base` of shape (lanes, n) is a matrix that nobody else has, d of shape (n,)."""

    __slots__ = ("base", "d")

    def __init__(self, base: np.ndarray, d: Any):
        self.base = base
        self.d = d

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    @property
    def dtype(self) -> Any:
        return np.result_type(self.base.dtype, self.d.dtype)

    def __repr__(self) -> str:
        return f"Scaled({self.base!r}, {self.d!r})"

    def full(self) -> Any:
        with quiet():  # this may be after the sweep
            return self.base * self.d

    def on(self, d: Any) -> Scaled:
        return Scaled(self.base, d)


# -------------------------------------------------- the ops that keep it, or None where they do not
def times(x: Any, y: Any) -> Scaled | None:
    """The lanes times an array without lanes."""
    return scaled(x, y, operator.mul) if type(x) is Scaled else scaled(y, x, operator.mul)


def divided(x: Any, y: Any) -> Scaled | None:
    """The lanes by an array without lanes."""
    return scaled(x, y, operator.truediv) if type(x) is Scaled else None


def scaled(x: Scaled, y: Any, f: Callable) -> Scaled | None:
    if isinstance(y, Lanes) or np.ndim(y) > 1:
        return None
    d = f(x.d, y)
    return x.on(d) if d.shape == x.d.shape else None


def combined(f: Callable) -> Callable:
    """f(x, y), linear in both, of the same matrix scaled in two ways."""

    def follow(x: Any, y: Any) -> Scaled | None:
        alike = type(x) is Scaled is type(y) and x.base is y.base
        return x.on(f(x.d, y.d)) if alike else None

    return follow


def times_vector(x: Any, y: Any) -> Any:
    """The sum of each lane, weighted."""
    return x.base @ (x.d * y) if type(x) is Scaled and not isinstance(y, Lanes) and np.ndim(y) == 1 else None


def summed(x: Scaled, *, axis: tuple[int, ...], dtype: Any = None) -> Any:
    """The sum of each lane."""
    return x.base @ x.d if axis == (1,) and dtype is None else None


def averaged(x: Scaled, *, axis: tuple[int, ...], dtype: Any = None) -> Any:
    y = summed(x, axis=axis, dtype=dtype)
    return None if y is None else y / max(1, x.shape[1])


Scaled.follow = {
    "multiply": times,
    "divide": divided,
    "negative": lambda x: x.on(-x.d),
    "add": combined(operator.add),
    "subtract": combined(operator.sub),
    "matmul": times_vector,
    "reduce_sum": summed,
    "reduce_mean": averaged,
}
