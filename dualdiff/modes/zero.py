"""The zero that modes pass to a differential for an argument without a tangent: it absorbs and costs nothing.

Rule authors never make one. It is a tensor above every level, so `db - da @ x` reads like the textbook and
computes only the terms that are there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.avals import Aval, aval_of
from dualdiff.core import Level, Op
from dualdiff.tensor import Tensor

_TOP = Level("zero")
_TOP.number = math.nextafter(math.inf, 0)  # above every level; a sum of Zero and Aval is the Aval


class Zero(Tensor):
    """A structural zero of known shape and dtype."""

    __slots__ = ("aval",)
    level = _TOP

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.aval = Aval(shape, dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    def again(self) -> Zero:
        return self

    def __repr__(self) -> str:
        return f"Zero({self.shape}, {self.dtype})"

    @classmethod
    def like(cls, x: Any) -> Zero:
        aval = aval_of(x)
        return cls(aval.shape, aval.dtype)

    @classmethod
    def interpret(cls, op: Op, level: Level, args: tuple, params: dict) -> Any:
        if op.name in ("add", "subtract"):
            return _sum(op, *args)
        if op.kind == "linear":
            positions = op.linear if op.linear is not None else range(len(args))
            if not all(type(args[i]) is Zero for i in positions):
                return op(*(x.materialise() if type(x) is Zero else x for x in args), **params)
        aval = op.out(*(x if hasattr(x, "dtype") else np.asarray(x) for x in args), **params)
        return cls(aval.shape, aval.dtype)

    def materialise(self) -> np.ndarray:
        """The zeros themselves, without memory of their own."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)


def _sum(op: Op, a: Any, b: Any) -> Any:
    aval = op.out(a, b)
    if type(a) is Zero:
        if type(b) is Zero:
            return Zero(aval.shape, aval.dtype)
        a = -b if op.name == "subtract" else b
    return a if a.shape == aval.shape else np.broadcast_to(a, aval.shape)
