"""Batch mode: a batched tensor holds one value per example, batch axis first; an op acts on all at once.

Batched tangents and cotangents are how Jacobians are computed: one sweep with k seeds, not k sweeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dualdiff.core import Level, Op, bind, on_register
from dualdiff.errors import ControlFlowError, ConversionError, ShapeError
from dualdiff.ops.indexing import batched_mask
from dualdiff.tensor import PLAIN, Tensor, has_entries, install, slot


class BatchTensor(Tensor):
    """One value per example; `shape` is that of one example. The level knows the size of the batch."""

    __slots__ = ()
    value = slot("primal")  # with the batch axis first

    def __init__(self, level: BatchLevel, value: Any):
        self.level = level
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape[1:]

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    def concrete(self) -> NoReturn:
        if self.level.closed:
            self.level.escaped()
        raise ControlFlowError(
            f"a batched value of {self.value.shape[0]} examples cannot steer Python control flow.",
            "Use np.where, or vmap(..., fallback='loop').",
        )

    def as_mask(self) -> NoReturn:
        raise batched_mask()

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise ConversionError(
            f"a batched value of {self.value.shape[0]} examples was about to become a plain array for one.",
            "Use np.* functions on the tensor, dualdiff.numpy.take(a, i) for a[i], np.stack to build arrays.",
        )

    def _no_number(self, conversion: str) -> ConversionError:
        return ConversionError(
            f"{conversion}() of a batched value of {self.value.shape[0]} examples has no single result.",
            "Use np.* functions on the tensor, or vmap(..., fallback='loop').",
        )

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"BatchTensor({self.value!r})"

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        if len(args) == 1 and op.shifts is not None and op.batch is None and not op.multiple:
            x, params = args[0].value, shifted(op, params)
            return BatchTensor(level, op.evaluate(x, **params) if type(x) is np.ndarray else op(x, **params))
        mapped = [type(x) is BatchTensor and x.level is level for x in args]
        values = [x.value if m else x for x, m in zip(args, mapped, strict=True)]
        if op.batch is not None:
            y = op.batch(level.size, mapped, values, params)
        elif op.core is not None:
            if op.core:
                check_core(op, mapped, values)
            y = op(*align(op.core, mapped, values), **params)
        elif op.shifts is not None and len(values) == 1:
            y = op(values[0], **shifted(op, params))
        else:
            y = one_at_a_time(op, level.size, mapped, values, params)
        if op.multiple:
            return tuple(BatchTensor(level, part) for part in y)
        return BatchTensor(level, y)


class BatchLevel(Level):
    """A level that also knows how many examples there are."""

    __slots__ = ("size",)

    def __init__(self, transform: str, f: Callable | None, size: int):
        super().__init__(transform, f)
        self.size = size


def check_core(op: Op, mapped: list[bool], values: list) -> None:
    """Refuse examples with too few axes: the batch axis would pass for one of theirs."""
    for x, m in zip(values, mapped, strict=True):
        if np.ndim(x) - m < op.core:
            raise ShapeError(
                f"{op.name} acts on the last {op.core} axes; under vmap it was given examples of shape "
                f"{np.shape(x)[m:]}.",
                "Each example needs the axes that the function needs without vmap.",
            )


def align(core: int, mapped: list[bool], values: list) -> list:
    """Give mapped values axes of 1 behind the batch axis, so that all broadcast as one example does."""
    free = max(np.ndim(x) - m for x, m in zip(values, mapped, strict=True)) - core
    aligned = []
    for x, m in zip(values, mapped, strict=True):
        missing = free - (x.ndim - 1 - core) if m else 0
        if missing > 0:
            x = x.reshape((x.shape[0],) + (1,) * missing + x.shape[1:])
        aligned.append(x)
    return aligned


def shifted(op: Op, params: dict) -> dict:
    """The parameters with every axis number one higher, behind the batch axis."""
    moved = dict(params)
    for name in op.shifts:
        axis = params[name]
        moved[name] = tuple(a + 1 for a in axis) if isinstance(axis, tuple) else axis + 1
    return moved


def one_at_a_time(op: Op, size: int, mapped: list[bool], values: list, params: dict) -> Any:
    """The rule for an op that states none: example by example, stacked; no examples have the one's shape."""
    if size == 0:
        values = [
            np.ones((1, *x.shape[1:]), x.dtype) if m else x for x, m in zip(values, mapped, strict=True)
        ]
    rows = [
        op(*(x[i] if m else x for x, m in zip(values, mapped, strict=True)), **params)
        for i in range(max(size, 1))
    ]
    if op.multiple:
        return tuple(np.stack(parts)[:size] for parts in zip(*rows, strict=True))
    return np.stack(rows)[:size]


# -------------------------------------------------- fast entries
def entry(op: Op, f: Callable) -> Callable:
    if op.kind == "multilinear":
        return product(op)
    return unary(op, f) if op.arity == 1 else binary(op, f)


def unary(op: Op, f: Callable) -> Callable:
    def call(x):
        if x.level.closed:
            x.level.escaped()
        return BatchTensor(x.level, f(x.value))

    return call


def binary(op: Op, f: Callable) -> Callable:
    def call(x, y):
        if type(x) is BatchTensor:
            level = x.level
            if level.closed:
                level.escaped()
            if type(y) is BatchTensor:
                if y.level is level and x.value.ndim == y.value.ndim:
                    return BatchTensor(level, f(x.value, y.value))
            elif type(y) in PLAIN and (type(y) is not np.ndarray or y.ndim < x.value.ndim):
                return BatchTensor(level, f(x.value, y))
        elif (
            type(y) is BatchTensor
            and type(x) in PLAIN
            and (type(x) is not np.ndarray or x.ndim < y.value.ndim)
        ):
            if y.level.closed:
                y.level.escaped()
            return BatchTensor(y.level, f(x, y.value))
        return bind(op, (x, y), {})

    return call


def product(op: Op) -> Callable:
    def call(x, y):
        left, right = type(x) is BatchTensor, type(y) is BatchTensor
        if (left or type(x) in PLAIN) and (right or type(y) in PLAIN):
            level = x.level if left else y.level
            if level is (y.level if right else level):
                if level.closed:
                    level.escaped()
                values = [x.value if left else x, y.value if right else y]
                return BatchTensor(level, op.batch(level.size, [left, right], values, {}))
        return bind(op, (x, y), {})

    return call


def _install(op: Op) -> None:
    if has_entries(op):
        install(BatchTensor, op, entry)


on_register(_install)
