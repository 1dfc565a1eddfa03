"""Sums, means, variances and products along axes; extremes.py, logsums.py and scans.py have the others.

An op takes its axes as a tuple of non-negative numbers; functions have NumPy's signature. Where `where` and
`initial` change the rounding, they enter the op, so that values are NumPy's to the last bit. A few lines
longer than 400, so that mean, variance and their counts of nothing stand together.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import Tracer
from dualdiff.declare import elementwise, numpy_function, op, refuse
from dualdiff.domains import positive, reals
from dualdiff.errors import InputTypeError
from dualdiff.ops.elementwise import over_length, stop_gradient
from dualdiff.ops.indexing import select_where
from dualdiff.ops.scans import accumulate_multiply
from dualdiff.ops.structural import (
    as_array,
    as_dtype,
    astype,
    broadcast_to,
    expand_to,
    join,
    permute,
    reduced_axes,
    reshape_to,
    ufunc_axes,
)
from dualdiff.ops.ufuncs import ufunc_method


# -------------------------------------------------- axes
def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with the reduced axes as 1."""
    return tuple(1 if k in axis else n for k, n in enumerate(shape))


def reduced(x, axis: tuple[int, ...], dtype=None) -> Aval:
    return Aval(tuple(n for k, n in enumerate(x.shape) if k not in axis), dtype or x.dtype)


def lift(y, x, axis):
    """y, one value per slice of x along `axis`, with the reduced axes as 1: it broadcasts against x."""
    return reshape_to(y, shape=kept_shape(x.shape, axis))


def expand_back(y, x, axis):
    """y, one value per slice of x along `axis`, against every element of its slice."""
    if len(axis) == x.ndim and x.size < 4096 and not isinstance(y, Tracer):
        copies = np.empty(x.shape, y.dtype)  # for few elements a sixth of the time of the two views
        copies.fill(y)
        return copies
    return expand_to(lift(y, x, axis), shape=x.shape)


def merged(x, axis: tuple[int, ...]):
    """x with the axes in `axis` as one last axis."""
    free = tuple(k for k in range(x.ndim) if k not in axis)
    if free + axis != tuple(range(x.ndim)):
        x = permute(x, axes=free + axis)
    length = math.prod(x.shape[len(free) :])
    return reshape_to(x, shape=(*x.shape[: len(free)], length))


def unmerged(y, x, axis: tuple[int, ...]):
    """y, made of `merged(x, axis)` and of its shape, with the axes of x."""
    free = tuple(k for k in range(x.ndim) if k not in axis)
    y = reshape_to(y, shape=tuple(x.shape[k] for k in free + axis))
    order = free + axis
    return y if order == tuple(range(x.ndim)) else permute(y, axes=tuple(np.argsort(order).tolist()))


def with_first(initial, flat):
    """One more element in front on the last axis, in the dtype of the others."""
    start = broadcast_to(astype(as_array(initial), flat.dtype), (*flat.shape[:-1], 1))
    return join(start, flat, axis=flat.ndim - 1)


def count(x, axis: tuple[int, ...]) -> int:
    """The number of elements in each slice along `axis`."""
    return math.prod(x.shape[k] for k in axis)


def nowhere(exceptional) -> bool:
    """Whether plain booleans are all False, so that a rule may skip the exception; a batch does not tell."""
    return not isinstance(exceptional, Tracer) and not exceptional.any()


# -------------------------------------------------- keywords
def given(value) -> bool:
    """Whether `where` or another keyword was given a value that is not its neutral default."""
    return value is not None and value is not np._NoValue and value is not True and value is not np.True_


def begun(initial) -> bool:
    """Whether `initial` was given; True counts as 1 there."""
    return initial is not None and initial is not np._NoValue


def keep(y, a, axes, keepdims):
    """y with the reduced axes as 1, if asked."""
    return lift(y, a, axes) if keepdims is not np._NoValue and operator.index(keepdims) else y


def mask_like(where, a):
    """`where` as booleans in the shape of a; the number True if it was not given."""
    if not given(where):
        return np.True_
    mask = stop_gradient(as_array(where))
    if mask.dtype.kind != "b":
        raise InputTypeError(f"where= was given an array of {mask.dtype}.", "Give booleans: where=mask != 0.")
    return broadcast_to(mask, a.shape)


def masked(a, where, neutral):
    """a with the neutral element where the mask is False."""
    return select_where(mask_like(where, a), a, neutral) if given(where) else a


# -------------------------------------------------- sum and mean
@op
class reduce_sum:
    """The sum along axes; its adjoint copies the cotangent along them."""

    shifts = ("axis",)

    def evaluate(x, *, axis, dtype=None):
        return np.add.reduce(x, axis=axis, dtype=dtype)

    def out(x, *, axis, dtype=None):
        return reduced(x, axis, dtype)

    def transpose(y_bar, x, *, axis, dtype=None):
        return expand_back(y_bar, x, axis)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": (0, 2)}


@op
class sum_from:
    """start + the sum of the elements where the mask holds: booleans in the shape of x, or True for all."""

    linear = (0, 1)

    def evaluate(x, start, mask, *, axis, dtype=None):
        where = mask if np.ndim(mask) else bool(mask)
        return np.add.reduce(x, axis=axis, dtype=dtype, initial=start, where=where)

    def out(x, start, mask, *, axis, dtype=None):
        return reduced(x, axis, dtype)

    def transpose(y_bar, x, start, mask, *, axis, dtype=None):
        return select_where(mask, expand_back(y_bar, x, axis), 0), y_bar

    def batch(size, mapped, values, params):
        x, start, mask = values
        x = x if mapped[0] else expand_to(x, shape=(size, *x.shape))
        if mapped[2]:
            mask = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))
        elif np.ndim(mask):
            mask = expand_to(mask, shape=(size, *mask.shape))
        params = {**params, "axis": tuple(k + 1 for k in params["axis"])}
        if not mapped[1]:
            return sum_from(x, start, mask, **params)
        y = sum_from(x, 0, mask, **params)
        return y + start.reshape((size,) + (1,) * (y.ndim - 1))

    def domain(rng, dtype):
        x, start = reals.sample(rng, (2, 3), dtype), reals.sample(rng, (), dtype)
        yield (x, start, np.array([[True, False, True], [False, False, True]])), {"axis": (1,)}
        yield (x, start, np.True_), {"axis": (0, 1)}


@numpy_function(np.sum)
@ufunc_method(np.add, "reduce")
def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """The sum along axes. `initial` is added once, `where` leaves elements out."""
    if out is not None:
        refuse("np.sum", out=out)
    a = as_array(a)
    axes = reduced_axes(axis, a.ndim)
    dtype = {} if dtype is None else {"dtype": as_dtype(dtype)}
    if begun(initial) or given(where):
        y = sum_from(a, initial if begun(initial) else 0, mask_like(where, a), axis=axes, **dtype)
    else:
        y = reduce_sum(a, axis=axes, **dtype)
    return keep(y, a, axes, keepdims)


@op
class reduce_mean:
    """The arithmetic mean along axes: a sum over the number of elements."""

    shifts = ("axis",)

    def evaluate(x, *, axis, dtype=None):
        n = count(x, axis)
        if dtype is None and x.dtype.itemsize >= 4 and 0 < n < 2**24:
            return np.add.reduce(x, axis=axis) / n  # what np.mean does for these, in a third of the time
        return np.mean(x, axis=axis, dtype=dtype)

    def out(x, *, axis, dtype=None):
        return reduced(x, axis, dtype)

    def transpose(y_bar, x, *, axis, dtype=None):
        return expand_back(y_bar / max(count(x, axis), 1), x, axis)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": (0, 2)}


def as_inexact(a, dtype):
    """a in the dtype in which NumPy averages it: integers and booleans become float64."""
    a = as_array(a)
    if dtype is None and a.dtype.kind in "biu":
        dtype = np.float64
    return a if dtype is None else astype(a, dtype)


@numpy_function(np.mean)
def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=None):
    """The arithmetic mean along axes; `where` leaves elements out of the sum and of the divisor."""
    if out is not None:
        refuse("np.mean", out=out)
    a = as_array(a)
    if dtype is None and a.dtype.kind in "biu":
        dtype = np.float64
    axes = (reduced_axes if given(where) else ufunc_axes)(axis, a.ndim)
    if count(a, axes) == 0:
        a = stop_gradient(a)  # the mean of nothing, nan, moves with nothing
    if given(where):
        half = dtype is None and a.dtype == np.float16  # which NumPy adds up in float32
        y = _masked_mean(a, mask_like(where, a), axes, np.float32 if half else dtype)
        y = astype(y, a.dtype) if half else y
    else:
        y = reduce_mean(a, axis=axes, **({} if dtype is None else {"dtype": as_dtype(dtype)}))
    return keep(y, a, axes, keepdims)


def _masked_mean(a, mask, axes, dtype=None):
    """The mean of the elements under a mask."""
    total = sum(a, axes, dtype, where=mask)
    return per(total, reduce_sum(mask, axis=axes))


def per(total, number, empty=None):
    """total / number, a constant where `empty`, by default where the number is 0: no element is behind it."""
    number = astype(as_array(number), total.dtype)
    empty = np.equal(number, 0) if empty is None else empty
    if nowhere(empty):
        return total / number
    return select_where(empty, stop_gradient(total) / number, total / np.where(empty, 1, number))


# -------------------------------------------------- variance
def _var_factor(x, axis, ddof) -> float:
    """2 / (n - ddof), which NumPy takes as 2 / 0 where ddof is n or more."""
    freedom = count(x, axis) - ddof
    return 2 / freedom if freedom > 0 else math.inf


@op
class reduce_var:
    """The mean square distance from the mean: dy = 2 / (n - ddof) sum Re(conj(x - mean) dx).

    The mean moves too, but the distances from it sum to 0.
    """

    shifts = ("axis",)

    def evaluate(x, *, axis, ddof, dtype=None):
        return np.var(x, axis=axis, ddof=ddof, dtype=dtype)

    def out(x, *, axis, ddof, dtype=None):
        return reduced(x, axis, dtype or x.dtype.type(0).real.dtype)

    def differential(y, x, dx, *, axis, ddof, dtype=None):
        away = np.conj(x - lift(reduce_mean(x, axis=axis), x, axis))
        return reduce_sum(away * _var_factor(x, axis, ddof) * dx, axis=axis)

    def pullback(y_bar, y, x, *, axis, ddof, dtype=None):
        away = x - lift(reduce_mean(x, axis=axis), x, axis)
        return away * lift(y_bar * _var_factor(x, axis, ddof), x, axis)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": (0, 2), "ddof": 0}
        yield (reals.sample(rng, (5,), dtype),), {"axis": (0,), "ddof": 1}


root = elementwise(
    lambda x: np.sqrt(x),
    lambda y, _x: over_length(0.5, y),
    on=positive,
    name="root",
    doc="The square root of a mean square.",
    kink="0 at 0, to every order: the length of a zero vector.",
)


@numpy_function(np.var)
def var(
    a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None
):
    """The variance along axes. A `mean` that is given is not moved by a; `correction` is ddof."""
    refuse("np.var", out=out)
    if given(correction) or correction is True:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    a = as_inexact(a, None)
    axes = (reduced_axes if given(where) else ufunc_axes)(axis, a.ndim)
    if count(a, axes) == 0:
        a = stop_gradient(a)
    if given(where) or given(mean):
        y = _var_around(a, mean, where, axes, ddof)
        y = y if dtype is None else astype(y, dtype)
    else:
        y = reduce_var(a, axis=axes, ddof=ddof, **({} if dtype is None else {"dtype": as_dtype(dtype)}))
    return keep(y, a, axes, keepdims)


def _var_around(a, center, where, axes, ddof):
    """The variance under a mask or around a given center, from its definition."""
    mask = mask_like(where, a)
    if not given(center):
        center = lift(_masked_mean(a, mask, axes), a, axes)
    away = a - center
    if given(where):
        away = select_where(mask, away, 0)  # a NaN that is left out stays out of the derivative
    squares = away.real * away.real + away.imag * away.imag if away.dtype.kind == "c" else away * away
    total = sum(squares, axes, where=mask)
    number = reduce_sum(mask, axis=axes) if given(where) else count(a, axes)
    return per(total, np.maximum(number - ddof, 0), np.equal(number, 0))


@numpy_function(np.std)
def std(
    a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None
):
    """The standard deviation along axes, with derivative 0 where all elements are equal."""
    refuse("np.std", out=out)
    if dtype is not None and as_dtype(dtype).kind not in "fc":
        raise InputTypeError(
            f"np.std was given dtype={np.dtype(dtype)}.", "Roots need a float or complex dtype."
        )
    y = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    if not given(where):
        return root(y)
    a = as_array(a)
    axes = reduced_axes(axis, a.ndim)
    return root_beside(y, keep(np.equal(reduce_sum(mask_like(where, a), axis=axes), 0), a, axes, keepdims))


def root_beside(y, empty):
    """The root of y, and y itself where `empty`: a constant nan, at which the slope of the root is nan."""
    return root(y) if nowhere(empty) else select_where(empty, y, root(select_where(empty, 1, y)))


# -------------------------------------------------- reductions with one weight per element
def weighted(weights):
    """The differential sum(w dx) over each slice and its adjoint, from the one formula w(y, x, ...)."""

    def differential(y, x, dx, *, axis, **params):
        return reduce_sum(weights(y, x, axis, **params) * dx, axis=axis)

    def pullback(y_bar, y, x, *, axis, **params):
        w = weights(y, x, axis, **params)
        return (np.conj(w) if w.dtype.kind == "c" else w) * lift(y_bar, x, axis)

    return differential, pullback


def _others(y, x, axis, initial):
    """For each element the product of all others in its slice: those before it times those behind it."""
    if x.size == 0:
        return x
    flat = merged(x, axis)
    before, behind = flat[..., :-1], flat[..., :0:-1]
    one = np.full(flat.shape[:-1] + (1,), 1, x.dtype)
    last = flat.ndim - 1
    before = accumulate_multiply(join(one, before, axis=last), axis=last)
    behind = accumulate_multiply(join(one, behind, axis=last), axis=last)[..., ::-1]
    w = unmerged(before * behind, x, axis)
    return w if initial == 1 else w * initial


@op
class reduce_prod:
    """initial times the product along axes: dy = sum_i (product of the others) dx_i, without division.

    The products of the others are two scans, whose own derivatives are right at zeros to every order.
    """

    shifts = ("axis",)

    def evaluate(x, *, axis, initial):
        return np.multiply.reduce(x, axis=axis, initial=initial)

    def out(x, *, axis, initial):
        return reduced(x, axis)

    differential, pullback = weighted(_others)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": (0, 2), "initial": 1}
        yield (np.array([2.0, 0.0, -1.5]).astype(dtype),), {"axis": (0,), "initial": 2.0}


@numpy_function(np.prod)
@ufunc_method(np.multiply, "reduce")
def prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """The product along axes. `initial` multiplies once, `where` leaves elements out."""
    refuse("np.prod", out=out)
    a = as_array(a)
    a = masked(a if dtype is None else astype(a, dtype), where, 1)
    axes = reduced_axes(axis, a.ndim)
    if isinstance(initial, Tracer):
        flat = with_first(initial, merged(a, axes))
        return keep(reduce_prod(flat, axis=(flat.ndim - 1,), initial=1), a, axes, keepdims)
    y = reduce_prod(a, axis=axes, initial=initial if begun(initial) else 1)
    return keep(y, a, axes, keepdims)
