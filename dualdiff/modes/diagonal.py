"""Seeds that are still diagonal: the identity a Jacobian starts with, scaled, before an op mixes its lanes.

Multiplying an identity of n lanes by partials, or by a matrix, as if it were full costs n times the work that
the result holds, and a partial that is infinite or nan would reach the lanes of other elements as 0 * inf. A
`Diagonal` stands in a batched tensor for its full array, follows the few ops that keep it diagonal,
multiplies a matrix by scaling its rows, and becomes the full array for everything else.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import OPS, Op, bind
from dualdiff.modes.scaled import LARGE, Scaled
from dualdiff.modes.seeds import Lanes
from dualdiff.tensor import PLAIN


class Diagonal(Lanes):
    """The array of shape (lanes, *d.shape) that has element k of d in lane `first` + k and zeros elsewhere.

    Some lanes may be without an element (those of other inputs), and some elements without a lane (those of
    another chunk). By default each has its own.
    """

    __slots__ = ("d", "lanes", "first", "unit")

    def __init__(self, d: Any, lanes: int | None = None, first: int = 0, unit: bool = False):
        self.d = d  # never written: it may be another's array
        self.lanes = d.size if lanes is None else lanes
        self.first = first
        self.unit = unit  # whether d is all ones, so that a product with it is the other factor

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.lanes, *self.d.shape)

    @property
    def dtype(self) -> Any:
        return self.d.dtype

    def __repr__(self) -> str:
        return f"Diagonal({self.d!r})"

    @property
    def square(self) -> bool:
        """Whether each lane has one element."""
        return self.first == 0 and self.lanes == self.d.size

    def full(self) -> Any:
        if self.square and type(self.d) is np.ndarray:
            return np.diag(self.d.reshape(-1)).reshape(self.shape)
        return np.where(self.here(), self.d.reshape(-1), 0).reshape(self.shape)

    def here(self) -> np.ndarray:
        """Where the elements are, lane by lane."""
        return np.eye(self.lanes, self.d.size, -self.first, dtype=bool)

    def on(self, d: Any) -> Diagonal:
        return Diagonal(d, self.lanes, self.first)


# -------------------------------------------------- the ops that keep it diagonal, or None where they do not
def scaled(x: Any, y: Any) -> Any:
    """Diagonal times an array without lanes."""
    if type(x) is not Diagonal:
        x, y = y, x
    if x.unit and type(y) is np.ndarray and y.shape == x.d.shape and y.dtype is x.d.dtype:
        return x.on(y.copy())  # it may be an array that the function goes on to write
    return elementwise(x, y, operator.mul)


def divided(x: Any, y: Any) -> Any:
    """Diagonal by an array without lanes."""
    return elementwise(x, y, operator.truediv) if type(x) is Diagonal else None


def elementwise(x: Diagonal, y: Any, f: Callable) -> Any:
    """f(x, y), in which zeros stay zeros also where y is infinite or nan."""
    if isinstance(y, Lanes) or np.ndim(y) > x.d.ndim:
        return None
    d = f(x.d, y)
    if d.shape == x.d.shape:
        return x.on(d)
    if type(d) is np.ndarray and np.isfinite(d).all():
        return None
    return np.where(x.here().reshape(x.shape), f(x.full(), y), 0)


def times_matrix(x: Any, y: Any) -> Any:
    """Diagonal of vectors times a matrix: its rows, scaled. Large ones wait for what else will scale them."""
    if type(x) is Diagonal and x.square and type(y) is np.ndarray and x.d.ndim == 1 and y.ndim == 2:
        if x.unit and y.dtype is x.d.dtype:
            rows = y.copy(order="K")
        else:
            rows = np.multiply(x.d[:, None], y, order="C")  # lanes contiguous, for the ops to come
        return rows if rows.size < LARGE else Scaled(rows, np.ones(rows.shape[1], rows.dtype))
    return None


def reshaped(x: Diagonal, *, shape: tuple[int, ...]) -> Diagonal | None:
    """The same lanes, each in another shape."""
    fits = shape and shape[0] == x.lanes and math.prod(shape[1:]) == x.d.size  # empty ones fit any other size
    return Diagonal(x.d.reshape(shape[1:]), x.lanes, x.first, x.unit) if fits else None


def cut_in_front(x: Diagonal, *, key: tuple) -> Diagonal | None:
    """One place or a range on the first axis of d: neighbours, in the lanes that they had."""
    if len(key) != 2 or key[0] != slice(None) or not x.d.ndim:
        return None
    n = x.d.shape[0]
    if type(key[1]) is int:
        start = key[1] % n if -n <= key[1] < n else None
    elif type(key[1]) is slice:
        start, _, step = key[1].indices(n)
        start = start if step == 1 else None
    else:
        start = None
    if start is None:
        return None
    return Diagonal(x.d[key[1]], x.lanes, x.first + start * math.prod(x.d.shape[1:]))


Diagonal.follow = {
    "multiply": scaled,
    "divide": divided,
    "negative": lambda x: x.on(-x.d),
    "matmul": times_matrix,
    "reshape_to": reshaped,
    "cut": cut_in_front,
}


def _operator(op: Op) -> Callable:
    follow = Diagonal.follow[op.name]

    def call(x, y):
        z = follow(x, y) if type(y) in PLAIN else None
        return bind(op, (x, y), {}) if z is None else z

    return call


for _name, _method in (("multiply", "__mul__"), ("divide", "__truediv__"), ("matmul", "__matmul__")):
    setattr(Diagonal, _method, _operator(OPS[_name]))
