"""What is known of a value without its numbers: an aval (abstract value) is a shape and a dtype.

An aval is also a tracer, above every level: an op applied to one gives the aval of its result. Symbolic
tangents are tape tensors over avals, which is how a differential is transposed (modes/reverse.py).
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from dualdiff.core import FUNCTIONS, OPS, Level, Op, Tracer
from dualdiff.errors import NoDerivative

SYMBOLIC = Level("symbolic")
SYMBOLIC.number = math.inf


class Aval(Tracer):
    """Shape and dtype of an array, nothing else."""

    __slots__ = ("shape", "dtype")
    level = SYMBOLIC

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __bool__(self) -> NoReturn:
        raise NoDerivative(
            "a rule branched on a value of which it is given the shape and dtype alone.",
            "A transpose reads numbers of its data arguments only; a differential is linear in its tangents.",
        )

    def __repr__(self) -> str:
        return f"Aval({self.shape}, {self.dtype})"

    @classmethod
    def interpret(cls, op: Op, level: Level, args: tuple, params: dict) -> Any:
        if op.out is None:
            raise NoDerivative(
                f"{op.name} was applied to a tangent, but it states no `out`, so it cannot be transposed.",
                "Differentials and custom rules must be linear in their tangents; give the op an `out`.",
            )
        return op.out(*args, **params)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return OPS[ufunc.__name__](*inputs)

    def __array_function__(self, func: Any, types: Any, args: tuple, kwargs: dict) -> Any:
        return FUNCTIONS[func](*args, **kwargs)


def aval_of(x: Any) -> Aval:
    """The aval of an array, a tensor or a Python scalar."""
    if hasattr(x, "dtype"):
        return x if type(x) is Aval else Aval(x.shape, x.dtype)
    x = np.asarray(x)
    return Aval(x.shape, x.dtype)


def inexact(dtype: np.dtype) -> bool:
    """Whether values of this dtype can carry a derivative."""
    return dtype.kind in "fc"
