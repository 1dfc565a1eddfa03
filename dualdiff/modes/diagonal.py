"""Seeds that are still diagonal: the identity a Jacobian starts with, scaled, before an op mixes its lanes.

Multiplying an identity of n lanes by partials, or by a matrix, as if it were full costs n times the work that
the result holds. A `Diagonal` stands in a batched tensor for its full array, follows the few ops that keep it
diagonal, multiplies a matrix by scaling its rows, and becomes the full array for everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import OPS, Level, Op, bind
from dualdiff.tensor import PLAIN, Tensor

_BOTTOM = Level("diagonal")
_BOTTOM.number = 0  # below every level: it is a value, not a transform


class Diagonal(Tensor):
    """The array of shape (n, *d.shape), n = d.size, that has d on its diagonal and zeros elsewhere."""

    __slots__ = ("d",)
    level = _BOTTOM

    def __init__(self, d: np.ndarray):
        self.d = d

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.d.size, *self.d.shape)

    @property
    def dtype(self) -> Any:
        return self.d.dtype

    def __repr__(self) -> str:
        return f"Diagonal({self.d!r})"

    def concrete(self) -> np.ndarray:
        return self.full()

    def full(self) -> np.ndarray:
        """The array itself."""
        return np.diag(self.d.reshape(-1)).reshape(self.shape)

    @classmethod
    def interpret(cls, op: Op, level: Level, args: tuple, params: dict) -> Any:
        follow = FOLLOW.get(op.name)
        y = None if follow is None else follow(*args, **params)
        if y is not None:
            return y
        return op(*(x.full() if type(x) is Diagonal else x for x in args), **params)


# -------------------------------------------------- the ops that keep it diagonal, or None where they do not
def scaled(x: Any, y: Any) -> Diagonal | None:
    """Diagonal times an array without lanes."""
    if type(x) is not Diagonal:
        x, y = y, x
    if type(y) is Diagonal or np.ndim(y) > x.d.ndim:
        return None
    d = x.d * y
    return Diagonal(d) if d.shape == x.d.shape else None


def divided(x: Any, y: Any) -> Diagonal | None:
    """Diagonal by an array without lanes."""
    if type(y) is Diagonal or np.ndim(y) > x.d.ndim:
        return None
    d = x.d / y
    return Diagonal(d) if d.shape == x.d.shape else None


def times_matrix(x: Any, y: Any) -> Any:
    """Diagonal of vectors times a matrix: the rows of the matrix, scaled."""
    if type(x) is Diagonal and type(y) is np.ndarray and x.d.ndim == 1 and y.ndim == 2:
        return np.multiply(x.d[:, None], y, order="C")  # lanes contiguous, for the ops to come
    return None


def reshaped(x: Diagonal, *, shape: tuple[int, ...]) -> Diagonal | None:
    """The same lanes, each in another shape."""
    one = x.d.size
    fits = shape and shape[0] == one == math.prod(shape[1:])  # empty lanes have a shape of any other size
    return Diagonal(x.d.reshape(shape[1:])) if fits else None


FOLLOW: dict[str, Callable] = {
    "multiply": scaled,
    "divide": divided,
    "negative": lambda x: Diagonal(-x.d),
    "matmul": times_matrix,
    "reshape_to": reshaped,
}


def _operator(op: Op) -> Callable:
    follow = FOLLOW[op.name]

    def call(x, y):
        z = follow(x, y) if type(y) in PLAIN else None
        return bind(op, (x, y), {}) if z is None else z

    return call


for _name, _method in (("multiply", "__mul__"), ("divide", "__truediv__"), ("matmul", "__matmul__")):
    setattr(Diagonal, _method, _operator(OPS[_name]))
