"""Constant tensors: an array that no transform has touched but that tensors may be written into.

`np.zeros_like(x)` and `dualdiff.numpy.zeros` make one. Once a tensor was written into it, it is a tensor of
that one's mode. Beside other tensors it is the plain array that it holds (core.bind), so that no mode knows
of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import CONSTANT, FUNCTIONS, Level, Op, Tracer, new_level, plain
from dualdiff.ops import ufuncs
from dualdiff.tensor import Tensor
from dualdiff.tree import map_tree


class ConstantTensor(Tensor):
    """A plain array that can be written to with tensors. It converts like an array: no derivative is lost."""

    __slots__ = ()

    def __init__(self, value: Any):
        self.level = CONSTANT
        self.primal = np.asarray(value)
        self.part = new_level()  # when it was made: before or after the level of what is written to it

    def concrete(self) -> Any:
        return self.primal

    as_mask = concrete

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.primal, dtype)  # a copy: what is held here is never written

    def __float__(self) -> float:
        return float(self.primal)

    def __complex__(self) -> complex:
        return complex(self.primal)

    def item(self, *args: Any) -> Any:
        return self.primal.item(*args)

    def tolist(self) -> Any:
        return self.primal.tolist()

    def __repr__(self) -> str:
        return repr(self.primal)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "at" and "out" not in kwargs and ufunc not in FUNCTIONS and alone(inputs):
            return plainly(getattr(ufunc, method), inputs, kwargs)
        return ufuncs.call(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if func in FUNCTIONS or not all(issubclass(kind, ConstantTensor) for kind in types):
            return ufuncs.call_function(func, args, kwargs)
        return plainly(func, args, kwargs)

    @classmethod
    def interpret(cls, op: Op, level: Level, args: tuple, params: dict) -> Any:
        y = op.evaluate(*map(plain, args), **params)
        return tuple(map(constant, y)) if op.multiple else constant(y)


def constant(y: Any) -> Any:
    """An array as a tensor that can be written to; numbers and answers to questions stay what they are."""
    return ConstantTensor(y) if type(y) is np.ndarray and y.ndim and y.dtype.kind != "b" else y


def alone(values: tuple) -> bool:
    return all(not isinstance(x, Tracer) or x.level is CONSTANT for x in values)


def plainly(func: Callable, args: tuple, kwargs: dict) -> Any:
    """A function without a rule, which needs none where nothing carries a derivative."""
    args, kwargs = map_tree(plain, (args, kwargs))
    return map_tree(constant, func(*args, **kwargs))


Tracer.constant = ConstantTensor
