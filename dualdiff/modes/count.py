"""Counting mode: a tensor that computes as plain NumPy does and counts the ops that were applied.

It is run *under* the other modes: a dual or tape tensor whose primal is a counting tensor applies its rules
to counting tensors, so that the ops of the tangents and cotangents are counted too. The modes themselves know
nothing of it, and nothing is counted unless someone asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core import Level, Op
from dualdiff.tensor import Tensor


class CountLevel(Level):
    """A level that remembers how often each op was applied."""

    __slots__ = ("applied",)

    def __init__(self) -> None:
        super().__init__("count")
        self.applied: dict[str, int] = {}

    @property
    def total(self) -> int:
        return sum(self.applied.values())

    def watch(self, x: Any) -> CountTensor:
        """x, from now on counted."""
        return CountTensor(self, x if hasattr(x, "dtype") else np.asarray(x)[()])


class CountTensor(Tensor):
    """A plain value that reports every op it takes part in to its level."""

    __slots__ = ()
    value = Tensor.primal
    # No fast entries are installed: counting is not a hot path.

    def __init__(self, level: CountLevel, value: Any):
        self.level = level
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype

    def concrete(self) -> Any:
        return self.value.concrete() if isinstance(self.value, Tensor) else self.value

    def __repr__(self) -> str:
        return f"CountTensor({self.value!r})"

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        y = op(*(x.value if type(x) is CountTensor and x.level is level else x for x in args), **params)
        level.applied[op.name] = level.applied.get(op.name, 0) + 1
        return tuple(_counted(level, part) for part in y) if op.multiple else _counted(level, y)


def _counted(level: CountLevel, y: Any) -> Any:
    return CountTensor(level, y) if y.dtype.kind in "fc" else y  # integers and booleans steer, and stay plain
