"""Logarithms of sums of exponentials along axes: logsumexp, and np.logaddexp.reduce.

Both are one function of their input and share its derivative; they differ in how they compute the value.
"""

from __future__ import annotations

import numpy as np

from dualdiff.declare import op, refuse
from dualdiff.domains import reals
from dualdiff.ops.elementwise import constant, stop_gradient
from dualdiff.ops.indexing import where as select
from dualdiff.ops.reductions import (
    as_inexact,
    begun,
    given,
    keep,
    kept_shape,
    lift,
    masked,
    merged,
    nowhere,
    reduce_sum,
    reduced,
    sum,
    weighted,
    with_first,
)
from dualdiff.ops.structural import as_array, broadcast_to, normal_axes, reshape_to
from dualdiff.ops.ufuncs import ufunc_method


def _softmax(y, x, axis):
    """The share of each element in the sum: exp(x) / sum(exp(x)), shifted by the largest element.

    exp(x - y) would be one pass less, but carries the rounding of y, which is eps * abs(y) in the exponent.
    Infinite elements share evenly.
    """
    if x.size == 0:
        return x
    peak = lift(np.max(stop_gradient(x), axis=axis), x, axis)
    infinite = np.isinf(peak)
    if nowhere(infinite):
        shifted = x - peak
    else:
        at_peak = np.where(np.equal(x, peak), constant(0, x), constant(-np.inf, x))
        shifted = np.where(infinite, at_peak, x - np.where(infinite, 0, peak))
    part = np.exp(shifted)
    return part / lift(reduce_sum(part, axis=axis), x, axis)


def _log_sum_exp(x, axis):
    peak = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    peak = np.where(np.isfinite(peak), peak, 0)
    with np.errstate(divide="ignore", over="ignore"):
        y = np.log(np.add.reduce(np.exp(x - peak), axis=axis))
    return y + peak.reshape(np.shape(y))


@op
class reduce_logsumexp:
    """log(sum(exp(x))) along axes, shifted by the largest element: dy = sum exp(x - y) dx."""

    shifts = ("axis",)

    def evaluate(x, *, axis):
        return _log_sum_exp(x, axis)

    def out(x, *, axis):
        return reduced(x, axis)

    differential, pullback = weighted(_softmax)

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": (0, 2)}


@op
class reduce_logaddexp:
    """The same function as np.logaddexp.reduce computes it, pair by pair."""

    shifts = ("axis",)

    def evaluate(x, *, axis):
        return np.logaddexp.reduce(x, axis=axis)

    def out(x, *, axis):
        return reduced(x, axis)

    differential, pullback = weighted(_softmax)
    domain = reduce_logsumexp.domain


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """log(sum(b * exp(a))) along axes without overflow, with SciPy's signature.

    Derivative  exp(a - y), the softmax; where y is infinite, the infinite elements share evenly. With weights
                b, or complex a, the derivatives of the shifted formula.
    Raises      as the functions it is made of; return_sign=True returns (log of the magnitude, sign)
    """
    a = as_inexact(a, None)
    if b is None and a.dtype.kind == "f" and not return_sign:
        axes = normal_axes(axis, a.ndim)
        return keep(reduce_logsumexp(a, axis=axes), a, axes, keepdims)
    if b is not None:
        b = as_array(b)
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = broadcast_to(a, shape), broadcast_to(b, shape)
    axes = normal_axes(axis, a.ndim)
    size = stop_gradient(a.real)
    size = size if b is None else select(stop_gradient(b) == 0, -np.inf, size)
    peak = np.max(size, axis=axes, initial=-np.inf, keepdims=True)
    peak = select(np.isfinite(peak), peak, 0)
    terms = np.exp(a - peak) if b is None else b * np.exp(a - peak)
    total = sum(terms, axes, keepdims=True)
    shape = kept_shape(a.shape, axes) if keepdims else reduced(a, axes).shape
    if return_sign:
        y = reshape_to(np.log(np.abs(total)) + peak, shape=shape)
        return y, reshape_to(np.sign(total), shape=shape)
    return reshape_to(np.log(total) + peak, shape=shape)


@ufunc_method(np.logaddexp, "reduce")
def _logaddexp_reduce(array, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=None):
    refuse("np.logaddexp.reduce", out=out)
    a = as_inexact(array, dtype)
    axes = normal_axes(axis, a.ndim)
    if not given(where) and not begun(initial):
        return keep(reduce_logaddexp(a, axis=axes), a, axes, keepdims)
    flat = merged(masked(a, where, -np.inf), axes)
    flat = with_first(initial, flat) if begun(initial) else flat
    return keep(reduce_logaddexp(flat, axis=(flat.ndim - 1,)), a, axes, keepdims)
