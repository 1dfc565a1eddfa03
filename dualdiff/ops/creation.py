"""Arrays made of tensors: array of nested sequences, zeros and its kin to write to, linspace and its kin.

What is constant and stays so (arange, eye) is NumPy's own and is no concern of this file.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, refuse
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.structural import (
    as_array,
    astype,
    broadcast_to,
    check_order,
    concatenate,
    copy,
    expand_dims,
    moveaxis,
    reshape_to,
    stack,
)


def holds_tensor(value: Any) -> bool:
    """Whether a tensor stands anywhere in nested lists and tuples."""
    if isinstance(value, (list, tuple)):
        return any(map(holds_tensor, value))
    return isinstance(value, Tracer)


def stacked(value: Any) -> Any:
    """Nested sequences, of which some hold tensors, as one array."""
    if isinstance(value, (list, tuple)) and holds_tensor(value):
        return stack([stacked(child) for child in value])
    return as_array(value)


@numpy_function(np.array)
def array(object, dtype=None, *, copy=True, order="K", subok=False, ndmin=0, ndmax=None, like=None):
    """An array of nested sequences that may hold tensors; dtypes combine as NumPy combines them."""
    if not holds_tensor(object):
        depth = {} if ndmax is None else {"ndmax": ndmax}  # NumPy 2.4
        return np.array(object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin, **depth)
    refuse("np.array", ndmax=ndmax)
    x = stacked(object)
    x = x if dtype is None else astype(x, dtype, copy=False)
    x = x.again() if copy and x is object else x
    return reshape_to(x, shape=(1,) * (ndmin - x.ndim) + x.shape) if ndmin > x.ndim else x


@numpy_function(np.asarray, np.asanyarray)
def asarray(a, dtype=None, order=None, *, device=None, copy=None, like=None):
    """The argument as an array; a tensor is one already."""
    if not holds_tensor(a):
        return np.asarray(a, dtype, order, device=device, copy=copy)
    return array(a, dtype, copy=copy)


@numpy_function(np.ascontiguousarray, np.asfortranarray)
def ascontiguousarray(a, dtype=None, *, like=None):
    """The argument with at least one axis; memory order means nothing to a tensor."""
    return array(a, dtype, copy=None, ndmin=1)


@numpy_function(np.require)
def require(a, dtype=None, requirements=None, *, like=None):
    """The argument in a dtype; a tensor meets every requirement on memory, as it shows none."""
    return asarray(a, dtype) if holds_tensor(a) else np.require(a, dtype, requirements)


def asarray_chkfinite(a, dtype=None, order=None):
    """asarray that refuses infinities and NaN."""
    x = asarray(a, dtype, order)
    np.asarray_chkfinite(x.concrete() if isinstance(x, Tracer) else x)
    return x


# -------------------------------------------------- arrays to be written
# What these make can be written to with tensors, which a plain array cannot.
@numpy_function(np.zeros)
def zeros(shape, dtype=float, order="C", *, device=None, like=None):
    """Zeros that tensors can be written into."""
    return Tracer.constant(np.zeros(shape, dtype, order, device=device))


@numpy_function(np.empty)
def empty(shape, dtype=float, order="C", *, device=None, like=None):
    """An array without values that tensors can be written into."""
    return Tracer.constant(np.empty(shape, dtype, order, device=device))


@numpy_function(np.ones)
def ones(shape, dtype=None, order="C", *, device=None, like=None):
    """Ones that tensors can be written into."""
    return Tracer.constant(np.ones(shape, dtype, order, device=device))


@numpy_function(np.full)
def full(shape, fill_value, dtype=None, order="C", *, device=None, like=None):
    """The fill value, with its derivative, everywhere; other tensors can be written into it."""
    if not holds_tensor(fill_value):
        return Tracer.constant(np.full(shape, fill_value, dtype, order, device=device))
    x = array(fill_value)
    return copy(astype(broadcast_to(x, shape), x.dtype if dtype is None else dtype))


@numpy_function(np.zeros_like)
def zeros_like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """Zeros in the shape and dtype of an array, that tensors can be written into."""
    return Tracer.constant(np.zeros(*shape_and_dtype(a, dtype, order, shape)))


@numpy_function(np.empty_like)
def empty_like(prototype, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """An array in the shape and dtype of another, without values, that tensors can be written into."""
    return Tracer.constant(np.empty(*shape_and_dtype(prototype, dtype, order, shape)))


@numpy_function(np.ones_like)
def ones_like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """Ones in the shape and dtype of an array, that tensors can be written into."""
    return Tracer.constant(np.ones(*shape_and_dtype(a, dtype, order, shape)))


@numpy_function(np.full_like)
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """The fill value, with its derivative, in the shape and dtype of an array."""
    shape, dtype = shape_and_dtype(a, dtype, order, shape)
    return full(shape, fill_value, dtype)


def shape_and_dtype(a: Any, dtype: Any, order: Any, shape: Any) -> tuple:
    """Those given, else those of the array."""
    check_order(order)
    a = as_array(a)
    return a.shape if shape is None else shape, a.dtype if dtype is None else dtype


# With like=x the other constant creators come here as well; their arrays are plain.
for _f in (np.eye, np.identity, np.arange, np.tri):
    numpy_function(_f)(_f)


# -------------------------------------------------- between two ends
def ends(*values: Any) -> list:
    """The ends in their common floating dtype; Python numbers are weak."""
    values = [v if isinstance(v, (int, float, complex)) else asarray(v) for v in values]
    dtype = np.result_type(0.0, *(getattr(v, "dtype", v) for v in values))
    return [astype(asarray(v), dtype) for v in values]


@numpy_function(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """Evenly spaced numbers from start to stop, which may be tensors: start + k (stop - start) / n."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    start, stop = ends(start, stop)
    width = stop - start
    intervals = num - 1 if endpoint else num
    step = width / intervals if intervals > 0 else np.nan
    k = np.arange(num).reshape((-1,) + (1,) * width.ndim).astype(width.dtype)
    y = start + k * (step if intervals > 0 else width)
    if endpoint and num > 1:  # exactly, not but for rounding
        y = concatenate([y[:-1], broadcast_to(stop, width.shape)[None]])
    if dtype is not None:
        y = astype(np.floor(y) if np.dtype(dtype).kind in "iu" else y, dtype)
    y = moveaxis(y, 0, axis) if axis else y
    return (y, step) if retstep else y


@numpy_function(np.logspace)
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """base ** linspace(start, stop): numbers evenly spaced on a log scale, from exponents."""
    start, stop, base = ends(start, stop, base)
    if base.ndim:
        ndim = max(start.ndim, stop.ndim, base.ndim)
        start, stop, base = (
            reshape_to(x, shape=(1,) * (ndim - x.ndim) + x.shape) for x in (start, stop, base)
        )
        base = expand_dims(base, axis)
    y = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else astype(y, dtype)


@numpy_function(np.geomspace)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """Numbers evenly spaced on a log scale, from the end points: start (stop / start)**(k / intervals)."""
    start, stop = ends(start, stop, np.float64(0))[:2]  # NumPy computes this in double precision at least
    for end in map(stop_gradient, (start, stop)):
        if not isinstance(end, Tracer) and np.any(end == 0):
            raise ValueError("Geometric sequence cannot include zero")
    shape = np.broadcast_shapes(start.shape, stop.shape)
    start, stop = broadcast_to(start, shape), broadcast_to(stop, shape)
    # A complex ratio is taken by its principal logarithm, so the numbers run along a logarithmic spiral.
    sign = np.sign(start)
    y = sign * logspace(np.log10(start / sign), np.log10(stop / sign), num, endpoint)
    if num > 0:
        y = concatenate([start[None], y[1:]])
    if num > 1 and endpoint:
        y = concatenate([y[:-1], stop[None]])
    y = y if dtype is None else astype(y, dtype)
    return moveaxis(y, 0, axis) if axis else y


@numpy_function(np.vander)
def vander(x, N=None, increasing=False):
    """The powers of a vector as columns, the highest first."""
    x = asarray(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    x = astype(x, np.promote_types(x.dtype, int))  # as in NumPy, where float32 becomes float64
    count = x.size if N is None else operator.index(N)
    if count < 0:
        raise ValueError("negative dimensions are not allowed")
    if count == 0:
        return np.zeros((x.size, 0), x.dtype)
    powers = [np.ones(x.shape, x.dtype)]
    for _ in range(count - 1):
        powers.append(powers[-1] * x)
    return stack(powers if increasing else powers[::-1], axis=1)
