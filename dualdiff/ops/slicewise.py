"""Functions that call a function of the user's on slices, and those that go to complex numbers by need.

There is no rule in this file. What the called function does is recorded as it is; the slices are a loop.
"""

from __future__ import annotations

import itertools

import numpy as np

from dualdiff.declare import numpy_function, refuse
from dualdiff.ops.arrange import deciding, on_axis
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.ordering import sort
from dualdiff.ops.questions import plain
from dualdiff.ops.structural import (
    as_array,
    astype,
    expand_dims,
    moveaxis,
    normal_axis,
    reshape_to,
    stack,
)
from dualdiff.ops.ufuncs import ufunc_method


@numpy_function(np.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """func1d of every slice along an axis; its results stand where the slices stood."""
    arr = as_array(arr)
    axis = normal_axis(axis, arr.ndim)
    last = moveaxis(arr, axis, -1)
    free = last.shape[:-1]
    if 0 in free:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    places = itertools.product(*map(range, free))
    results = stack([as_array(func1d(last[place], *args, **kwargs)) for place in places])
    inner = results.ndim - 1
    y = reshape_to(results, shape=free + results.shape[1:])
    source = tuple(range(len(free), len(free) + inner))
    return moveaxis(y, source, tuple(range(axis, axis + inner)))


@numpy_function(np.apply_over_axes)
def apply_over_axes(func, a, axes):
    """func(a, axis) for one axis after the other, each result with as many axes as a."""
    value = as_array(a)
    for axis in axes if np.ndim(axes) else (axes,):
        axis = normal_axis(axis, value.ndim)
        result = func(value, axis)
        value = result if result.ndim == value.ndim else expand_dims(result, axis)
        if value.ndim != np.ndim(a):
            raise ValueError("function is not returning an array of the correct shape")
    return value


def reduceat(ufunc: np.ufunc):
    """The method reduceat of a ufunc: its reductions of consecutive slices, one by one."""

    @ufunc_method(ufunc, "reduceat")
    def reduce_slices(array, indices, axis=0, dtype=None, out=None):
        refuse(f"np.{ufunc.__name__}.reduceat", out=out)
        a = as_array(array)
        a = a if dtype is None else astype(a, dtype)
        axis = normal_axis(axis, a.ndim)
        starts = np.asarray(deciding(indices, "starts of slices")).tolist()
        if any(not 0 <= k < a.shape[axis] for k in starts):
            raise IndexError(f"starts {starts} are out of bounds for an axis of length {a.shape[axis]}")
        ends = [*starts[1:], a.shape[axis]]  # a slice that ends before it starts is its first element
        slices = (on_axis(a, axis, k, max(end, k + 1)) for k, end in zip(starts, ends, strict=True))
        return stack([ufunc.reduce(part, axis=axis) for part in slices], axis=axis)

    return reduce_slices


for _f in (np.add, np.multiply, np.maximum, np.minimum):
    reduceat(_f)


@numpy_function(np.sort_complex)
def sort_complex(a):
    """The elements in order, real part first, as complex numbers."""
    y = sort(as_array(a))
    if y.dtype.kind == "c":
        return y
    return astype(y, "F" if y.dtype.char in "bhBH" else "G" if y.dtype.char == "g" else "D")


# -------------------------------------------------- complex where the values ask for it (np.emath)
def _complex(x):
    return astype(x, np.complex64 if x.dtype.char in "fFbhBH" else np.complex128)


def _where_real(x, outside):
    """x, complex if it is real and `outside` holds for one of its elements."""
    x = as_array(x)
    return _complex(x) if x.dtype.kind != "c" and np.any(outside(plain(stop_gradient(x)))) else x


def _negative(x):
    return _where_real(x, lambda x: x < 0)


def _beyond_one(x):
    return _where_real(x, lambda x: np.abs(x) > 1)


@numpy_function(np.emath.sqrt)
def sqrt(x):
    """The square root, complex if an element is negative."""
    return np.sqrt(_negative(x))


@numpy_function(np.emath.log)
def log(x):
    """The logarithm, complex if an element is negative."""
    return np.log(_negative(x))


@numpy_function(np.emath.log2)
def log2(x):
    """The logarithm to base 2, complex if an element is negative."""
    return np.log2(_negative(x))


@numpy_function(np.emath.log10)
def log10(x):
    """The logarithm to base 10, complex if an element is negative."""
    return np.log10(_negative(x))


@numpy_function(np.emath.logn)
def logn(n, x):
    """The logarithm to base n, complex if an element is negative."""
    return np.log(_negative(x)) / np.log(_negative(n))


@numpy_function(np.emath.power)
def power(x, p):
    """x ** p, complex if an element of x is negative."""
    p = as_array(p)
    p = astype(p, float) if p.dtype.kind == "i" and np.any(plain(p) < 0) else p
    return np.power(_negative(x), p)


@numpy_function(np.emath.arccos)
def arccos(x):
    """The inverse cosine, complex if an element is beyond -1 or 1."""
    return np.arccos(_beyond_one(x))


@numpy_function(np.emath.arcsin)
def arcsin(x):
    """The inverse sine, complex if an element is beyond -1 or 1."""
    return np.arcsin(_beyond_one(x))


@numpy_function(np.emath.arctanh)
def arctanh(x):
    """The inverse hyperbolic tangent, complex if an element is beyond -1 or 1."""
    return np.arctanh(_beyond_one(x))
