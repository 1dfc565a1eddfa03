"""Seeds that are known by fewer numbers than their full array has: what diagonal.py and scaled.py share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Level, Op
from dualdiff.tensor import Tensor

INSIDE = Level("lanes")
INSIDE.number = 1e300  # a value inside the lanes, above all tensors that meet it there: d may be one of them


class Lanes(Tensor):
    """An array of lanes that is known by fewer numbers, those of `d`."""

    __slots__ = ()
    level = INSIDE
    d: Any
    # Per class: op name -> a function of its arguments that gives lanes of the class, or None if it cannot.
    follow: dict[str, Callable]

    def again(self) -> Lanes:
        return self

    def concrete(self) -> np.ndarray:
        return self.full()

    def full(self) -> Any:
        """The array itself."""
        raise NotImplementedError

    def on(self, d: Any) -> Lanes:
        """The same lanes with other numbers."""
        raise NotImplementedError

    @classmethod
    def interpret(cls, op: Op, level: Level, args: tuple, params: dict) -> Any:
        follow = cls.follow.get(op.name)
        y = None if follow is None else follow(*args, **params)
        if y is not None:
            return y
        return op(*(x.full() if isinstance(x, Lanes) else x for x in args), **params)
