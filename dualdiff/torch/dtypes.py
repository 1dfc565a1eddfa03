"""PyTorch's dtypes over NumPy's, and PyTorch's rules for what the dtype of a result is.

NumPy's own rules differ: there float32 with int64 is float64, and arrays of no axes count as much as others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class dtype:
    """A dtype under PyTorch's name; `numpy` is NumPy's."""

    __slots__ = ("name", "numpy")

    def __init__(self, name: str, numpy: Any):
        self.name = name
        self.numpy = np.dtype(numpy)

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple:
        return named, (self.name,)  # copied and read back as the one object that it is

    @property
    def is_floating_point(self) -> bool:
        return self.numpy.kind == "f"

    @property
    def is_complex(self) -> bool:
        return self.numpy.kind == "c"

    @property
    def is_signed(self) -> bool:
        return self.numpy.kind in "ifc"

    @property
    def itemsize(self) -> int:
        return self.numpy.itemsize


float16, float32, float64 = dtype("float16", "f2"), dtype("float32", "f4"), dtype("float64", "f8")
complex64, complex128 = dtype("complex64", "c8"), dtype("complex128", "c16")
int8, int16, int32, int64 = (dtype(f"int{8 * n}", f"i{n}") for n in (1, 2, 4, 8))
uint8, uint16, uint32, uint64 = (dtype(f"uint{8 * n}", f"u{n}") for n in (1, 2, 4, 8))
bool_ = dtype("bool", "?")
half, float_, double, short, int_, long = float16, float32, float64, int16, int32, int64
cfloat, cdouble = complex64, complex128

BY_NUMPY = {
    d.numpy: d
    for d in (
        float16, float32, float64, complex64, complex128, int8, int16, int32, int64, uint8, uint16, uint32,
        uint64, bool_,
    )
}  # fmt: skip


def named(name: str) -> dtype:
    """The dtype of this name."""
    return next(d for d in BY_NUMPY.values() if d.name == name)


PYTHON = {float: float64, int: int64, bool: bool_, complex: complex128}

BOOL, INT64 = bool_.numpy, int64.numpy
_COMPLEX_OF = {
    float16.numpy: complex64.numpy,
    float32.numpy: complex64.numpy,
    float64.numpy: complex128.numpy,
}


def as_numpy(d: Any) -> np.dtype:
    """NumPy's dtype for one of PyTorch's, of Python's number types or of NumPy's."""
    if isinstance(d, dtype):
        return d.numpy
    return PYTHON[d].numpy if d in PYTHON else np.dtype(d)


# -------------------------------------------------- the default
class _Default:
    """What Python floats become: float32 at first, as in PyTorch."""

    real = float32.numpy


def set_default_dtype(d: dtype) -> None:
    """Let new tensors of Python floats, and quotients of integers, have this floating dtype."""
    if not (isinstance(d, dtype) and d.is_floating_point):
        raise TypeError(f"set_default_dtype was given {d!r}: only floating-point dtypes can be the default")
    _Default.real = d.numpy


def get_default_dtype() -> dtype:
    """The dtype of tensors made of Python floats."""
    return BY_NUMPY[_Default.real]


def default_real() -> np.dtype:
    return _Default.real


def default_complex() -> np.dtype:
    return _COMPLEX_OF[_Default.real]


def finfo(d: dtype | None = None) -> Any:
    """The limits of a floating dtype."""
    return np.finfo(_Default.real if d is None else as_numpy(d))


def iinfo(d: dtype) -> Any:
    """The limits of an integer dtype."""
    return np.iinfo(as_numpy(d))


# -------------------------------------------------- promotion
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def category(d: np.dtype) -> int:
    """0 boolean, 1 integer, 2 floating, 3 complex."""
    return _CATEGORY[d.kind]


def promote(a: np.dtype, b: np.dtype) -> np.dtype:
    """The dtype for values of two dtypes of equal standing."""
    if a is b:
        return a
    if category(a) != category(b) and category(min(a, b, key=category)) < 2:
        return max(a, b, key=category)  # an integer takes the other's dtype whatever its size
    return np.promote_types(a, b)


def prevail(strong: np.dtype | None, weak: np.dtype | None) -> np.dtype | None:
    """The dtype where one group of operands has priority: the other only raises the category."""
    if strong is None or weak is None:
        return weak if strong is None else strong
    if category(weak) <= category(strong):
        return promote(strong, weak) if category(strong) == 0 else strong
    return _COMPLEX_OF[strong] if strong.kind == "f" else promote(strong, weak)


def number_dtype(x: Any) -> np.dtype:
    """The dtype of a Python number."""
    if isinstance(x, bool):
        return BOOL
    if isinstance(x, int):
        return INT64
    return default_complex() if isinstance(x, complex) else default_real()


def result_dtype(operands: Iterable[Any]) -> np.dtype:
    """PyTorch's dtype for arrays (of some axes, then of none) and Python numbers together."""
    groups: list[np.dtype | None] = [None, None, None]
    for x in operands:
        if hasattr(x, "dtype"):
            place, found = (0 if x.ndim else 1), x.dtype
        else:
            place, found = 2, number_dtype(x)
        before = groups[place]
        groups[place] = found if before is None else promote(before, found)
    found = prevail(prevail(groups[0], groups[1]), groups[2])
    assert found is not None, "there is an operand"
    return found
