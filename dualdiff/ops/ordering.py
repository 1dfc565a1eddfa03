"""Order: sort, partition, median, clipping to bounds, rounding, and the integers that describe an order.

Sorting is a permutation found in the forward pass, so it is linear: the adjoint applies the inverse
permutation. It is the stable one, also where NumPy would choose another among equal elements.
"""

from __future__ import annotations

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import Op
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import between_integers, reals
from dualdiff.errors import InputTypeError
from dualdiff.ops.elementwise import maximum, minimum, stop_gradient
from dualdiff.ops.indexing import select_where
from dualdiff.ops.reductions import keep, merged
from dualdiff.ops.scans import to_last
from dualdiff.ops.structural import (
    as_array,
    convert,
    copy,
    expand_to,
    normal_axes,
    normal_axis,
    of_a_number,
    reshape_to,
)


# -------------------------------------------------- permutations
def _ranked(x, order):
    """Both with the same number of axes."""
    ndim = max(x.ndim, order.ndim)
    return (v.reshape((1,) * (ndim - v.ndim) + v.shape) for v in (x, order))


@op
class rearrange:
    """The elements of the last axis in the given order, which holds every index once."""

    core = 1
    linear = (0,)

    def evaluate(x, order):
        return np.take_along_axis(*_ranked(x, order), axis=-1)

    def out(x, order):
        return Aval(np.broadcast_shapes(x.shape, order.shape), x.dtype)

    def transpose(y_bar, x, order):
        return rearrange(y_bar, inverse_order(order))

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 4), dtype), np.array([[2, 0, 3, 1], [1, 0, 2, 3]])), {}
        yield (reals.sample(rng, (2, 3), dtype), np.array([2, 0, 1])), {}


@op
class inverse_order:
    """The permutation that undoes one: the place of each index."""

    core = 1
    constant = True

    def evaluate(order):
        places = np.zeros_like(order)
        np.put_along_axis(places, order, np.arange(order.shape[-1]), axis=-1)
        return places

    def domain(rng, dtype):
        yield (np.array([[2, 0, 3, 1], [1, 0, 2, 3]]),), {}


# -------------------------------------------------- the order of elements: plain integers
@op
class order_of:
    """The stable permutation that sorts along an axis."""

    constant = True
    shifts = ("axis",)

    def evaluate(x, *, axis, descending):
        keywords = {"descending": True} if descending else {}  # unknown to NumPy before 2.5
        return np.argsort(x, axis=axis, stable=True, **keywords)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 4), dtype),), {"axis": 1, "descending": False}


@op
class partition_of:
    """The permutation that partitions along an axis at the places kth."""

    constant = True
    shifts = ("axis",)

    def evaluate(x, *, axis, kth):
        return np.argpartition(x, kth, axis=axis)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 4), dtype),), {"axis": 1, "kth": 2}


def each_example(op: Op, size, mapped, values, params):
    """The batching rule of an op from (a, v) to integers in the shape of v, which takes a as a whole."""
    if not mapped[0]:
        return op(*values, **params)
    if size == 0:
        return np.zeros((0, *np.shape(values[1])[mapped[1] :]), np.intp)
    a, v = values
    return np.stack([op(a[i], v[i] if mapped[1] else v, **params) for i in range(size)])


@op
class places_in:
    """Where the values v would be inserted in a sorted axis a."""

    constant = True

    def evaluate(a, v, *, side):
        return np.searchsorted(a, v, side=side)

    def batch(size, mapped, values, params):
        return each_example(places_in, size, mapped, values, params)

    def domain(rng, dtype):
        yield (np.sort(reals.sample(rng, (5,), dtype)), reals.sample(rng, (2, 3), dtype)), {"side": "left"}


@op
class bins_of:
    """The index of the bin of each element of x, for monotonic edges."""

    constant = True

    def evaluate(edges, x, *, right):
        return np.digitize(x, edges, right)

    def batch(size, mapped, values, params):
        return each_example(bins_of, size, mapped, values, params)

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield (
                (np.array([-1.0, 0.0, 1.0]).astype(dtype), reals.sample(rng, (2, 3), dtype)),
                {"right": False},
            )


@op
class lexical_order:
    """The stable permutation that sorts by several keys along an axis, the last key first."""

    constant = True

    def evaluate(*keys, axis):
        return np.lexsort(keys, axis=axis)

    def batch(size, mapped, values, params):
        full = [v if m else expand_to(v, shape=(size, *v.shape)) for v, m in zip(values, mapped, strict=True)]
        return lexical_order(*full, axis=params["axis"] + 1)

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield (reals.sample(rng, (4,), dtype), np.array([1, 0, 0, 1])), {"axis": 0}


def _along(a, axis):
    """A whole array along one non-negative axis; None flattens."""
    a = as_array(a)
    if axis is None:
        return reshape_to(a, shape=(a.size,)), 0
    return a, normal_axis(axis, a.ndim)


def _check_kind(kind, stable, descending):
    if kind is not None and (stable is not None or descending is not None):
        raise ValueError("`kind` and `stable` or `descending` can't be provided at the same time.")


@numpy_function(np.argsort)
def argsort(a, axis=-1, kind=None, order=None, *, stable=None, descending=None):
    """The stable permutation that sorts along an axis; every `kind` gives this one.

    `descending` is for a NumPy that has it, from 2.5 on.
    """
    refuse("np.argsort", order=order)
    if kind is not None:
        np.sort(np.empty(0), kind=kind)
    _check_kind(kind, stable, descending)
    a = as_array(a)
    a, axis = _along(a if a.ndim else reshape_to(a, shape=(1,)), axis)
    return order_of(stop_gradient(a), axis=axis, descending=bool(descending))


@numpy_function(np.argpartition)
def argpartition(a, kth, axis=-1, kind="introselect", order=None):
    """The permutation that brings the kth elements to their sorted places."""
    refuse("np.argpartition", order=order)
    if kind != "introselect":
        np.partition(np.empty(1), 0, kind=kind)
    a = as_array(a)
    a, axis = _along(a if a.ndim else reshape_to(a, shape=(1,)), axis)
    return partition_of(stop_gradient(a), axis=axis, kth=kth)


@numpy_function(np.searchsorted)
def searchsorted(a, v, side="left", sorter=None):
    """Where v would be inserted in the sorted a; integers, no derivative."""
    a, v = stop_gradient(as_array(a)), stop_gradient(as_array(v))
    if sorter is not None:
        a = np.take_along_axis(a, as_array(sorter), axis=-1)
    return places_in(a, v, side=side)


@numpy_function(np.digitize)
def digitize(x, bins, right=False):
    """The index of the bin of each element; integers, no derivative."""
    return bins_of(stop_gradient(as_array(bins)), stop_gradient(as_array(x)), right=bool(right))


@numpy_function(np.lexsort)
def lexsort(keys, axis=-1):
    """The permutation that sorts by several keys, the last of them first."""
    keys = [stop_gradient(as_array(key)) for key in keys]
    if not keys:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if of_a_number(axis, keys[0].ndim):
        return np.intp(0)
    return lexical_order(*keys, axis=normal_axis(axis, keys[0].ndim))


# -------------------------------------------------- sorted values
def _rearranged(a, order, axis: int):
    if a.ndim == 0:
        return a
    return to_last(rearrange(to_last(a, axis), to_last(order, axis)), axis)


@numpy_function(np.sort)
def sort(a, axis=-1, kind=None, order=None, *, stable=None, descending=None):
    """Elements in ascending or descending order along an axis, NaNs last; None flattens."""
    refuse("np.sort", order=order)
    if kind is not None:
        np.sort(np.empty(0), kind=kind)  # NumPy's error for a kind that is none
    _check_kind(kind, stable, descending)
    a, axis = _along(a, axis)
    return _rearranged(a, argsort(a, axis, descending=descending), axis)


@numpy_function(np.partition)
def partition(a, kth, axis=-1, kind="introselect", order=None):
    """Elements along an axis with the kth ones at their sorted places, smaller before and larger behind."""
    refuse("np.partition", order=order)
    if kind != "introselect":
        np.partition(np.empty(1), 0, kind=kind)
    a, axis = _along(a, axis)
    return _rearranged(a, argpartition(a, kth, axis), axis)


@numpy_function(np.median)
def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The middle element along axes, or the mean of the two in the middle.

    The median of a slice with a NaN is NaN, and the NaN that sorts last is the element selected.
    """
    refuse("np.median", out=out)
    a = as_array(a)
    a = a if a.dtype.kind in "fc" else convert(a, dtype=np.float64)
    axes = normal_axes(axis, a.ndim)
    flat = merged(a, axes)
    n = flat.shape[-1]
    if n == 0:
        return keep(flat.mean(axis=-1), a, axes, keepdims)
    order = order_of(stop_gradient(flat), axis=flat.ndim - 1, descending=False)
    picked = np.take_along_axis(flat, order[..., [(n - 1) // 2, n // 2, n - 1]], axis=-1)
    low, high, last = picked[..., 0], picked[..., 1], picked[..., 2]
    middle = (low + high) / 2 if n % 2 == 0 else low
    return keep(select_where(np.isnan(last), last, middle), a, axes, keepdims)


# -------------------------------------------------- bounds
@numpy_function(np.clip)
def clip(a, a_min=None, a_max=None, out=None, *, min=None, max=None, **kwargs):
    """minimum(maximum(a, a_min), a_max), with the derivatives of those two, also for the bounds."""
    refuse("np.clip", out=out, **kwargs)
    low, high = (None if v is np._NoValue else v for v in (a_min, a_max))
    if min is not None or max is not None:
        if low is not None or high is not None:
            raise ValueError(
                "Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided is forbidden."
            )
        low, high = min, max
    a = as_array(a)
    if low is None and high is None:
        return copy(a)
    y = a if low is None else maximum(a, low)
    return y if high is None else minimum(y, high)


@numpy_function(np.nan_to_num)
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """x with constants for NaN and the infinities, where the derivative is 0."""
    if copy is not True:
        raise InputTypeError(
            "np.nan_to_num on a tensor does not support copy=False, which writes into x.",
            "Use the result: x = np.nan_to_num(x).",
        )
    x = as_array(x)
    if x.dtype.kind == "c":
        real, imag = (nan_to_num(part, True, nan, posinf, neginf) for part in (x.real, x.imag))
        return real + imag * x.dtype.type(1j)
    if x.dtype.kind != "f":
        return x
    limits = np.finfo(x.dtype)
    x = select_where(np.isnan(x), nan, x)
    x = select_where(np.equal(x, np.inf), limits.max if posinf is None else posinf, x)
    return select_where(np.equal(x, -np.inf), limits.min if neginf is None else neginf, x)


@op
class rounded:
    """The nearest number with that many decimals: flat almost everywhere."""

    core = 0
    constant = True

    def evaluate(x, *, decimals):
        return np.round(x, decimals)

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield ((between_integers.sample(rng, (2, 3), dtype) - 0.5) / 10,), {"decimals": 1}


@numpy_function(np.round, np.around)
def round(a, decimals=0, out=None):
    """Rounded to a number of decimals, with derivative 0."""
    refuse("np.round", out=out)
    return rounded(as_array(a), decimals=decimals)
