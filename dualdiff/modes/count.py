"""Counting mode: a tensor that computes as plain NumPy does and counts the ops that were applied, and the
multiplications of numbers in them.

It is run *under* the other modes: a dual or tape tensor whose primal is a counting tensor applies its rules
to counting tensors, so that the ops of the tangents and cotangents are counted too. The modes themselves know
nothing of it, and nothing is counted unless someone asks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core import Level, Op
from dualdiff.ops.contraction import label_sizes, terms
from dualdiff.tensor import Tensor, slot


class CountLevel(Level):
    """A level that remembers how often each op was applied, and counts the numbers multiplied or divided."""

    __slots__ = ("applied", "multiplications")

    def __init__(self) -> None:
        super().__init__("count")
        self.applied: dict[str, int] = {}
        self.multiplications = 0

    @property
    def total(self) -> int:
        return sum(self.applied.values())

    def watch(self, x: Any) -> CountTensor:
        """x, from now on counted."""
        return CountTensor(self, x if hasattr(x, "dtype") else np.asarray(x)[()])


class CountTensor(Tensor):
    """A plain value that reports every op it takes part in to its level."""

    __slots__ = ()
    value = slot("primal")
    # No fast entries are installed: counting is not a hot path.

    def __init__(self, level: CountLevel, value: Any):
        self.level = level
        self.value = value

    # What a mode hands out as plain is counted here, and converts as the plain value would.
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.concrete(), dtype)

    def __float__(self) -> float:
        return float(self.concrete())

    def __complex__(self) -> complex:
        return complex(self.concrete())

    def item(self, *args: Any) -> Any:
        return self.concrete().item(*args)

    def tolist(self) -> Any:
        return self.concrete().tolist()

    def __repr__(self) -> str:
        return f"CountTensor({self.value!r})"

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        values = [x.value if type(x) is CountTensor and x.level is level else x for x in args]
        y = op(*values, **params)
        level.applied[op.name] = level.applied.get(op.name, 0) + 1
        level.multiplications += multiplications(op, values, y, params)
        return tuple(_counted(level, part) for part in y) if op.multiple else _counted(level, y)


SCALING = frozenset(["multiply", "divide", "square", "power", "safe_product", "safe_divide"])


def multiplications(op: Op, xs: list, y: Any, params: dict) -> int:
    """How many numbers an op multiplies or divides, as its definition says; 0 for functions such as sin."""
    if op.name in SCALING:
        return y.size
    if op.name == "matmul":
        return y.size * np.shape(xs[0])[-1]
    if op.name == "reduce_prod":
        return np.size(xs[0]) - y.size
    if op.name == "einsum":
        inputs, _ = terms(params["subscripts"])
        return math.prod(label_sizes(inputs, xs).values()) * (len(xs) - 1)
    return 0


def _counted(level: CountLevel, y: Any) -> Any:
    return CountTensor(level, y) if y.dtype.kind in "fc" else y  # integers and booleans steer, and stay plain
