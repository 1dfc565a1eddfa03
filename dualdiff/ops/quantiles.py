"""Quantiles along axes by every method of NumPy, with and without NaN, and the median without NaN.

There is no rule in this file. A quantile lies between two elements of known rank: it is gathered from the
values by their order, which is a constant, and moves linearly between the two with its position, so that it
has a derivative by the data and by q.
"""

from __future__ import annotations

import warnings

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, refuse
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.indexing import select_where
from dualdiff.ops.nans import nanmean, warn_where
from dualdiff.ops.ordering import order_of
from dualdiff.ops.reductions import kept_shape, merged
from dualdiff.ops.structural import (
    as_array,
    astype,
    broadcast_to,
    moveaxis,
    normal_axes,
    permute,
    reshape_to,
)


# -------------------------------------------------- where a quantile lies
# Positions among n ordered elements, the first at 0.
# Source: R. Hyndman and Y. Fan 1996, Sample quantiles in statistical packages, The American Statistician
# 50(4), 361-365: `between` is their p_k with parameters alpha and beta, shifted by one.
def between(alpha: float, beta: float):
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


CONTINUOUS = {
    "interpolated_inverted_cdf": between(0, 1),
    "hazen": between(0.5, 0.5),
    "weibull": between(0, 0),
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": between(1 / 3, 1 / 3),
    "normal_unbiased": between(3 / 8, 3 / 8),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
}


def _above(position, stays):
    """The rank below a position where `stays` holds, else the one above."""
    return np.where(stays, np.floor(position), np.floor(position) + 1)


def _inverted_cdf(n, q):
    position = n * q - 1
    return _above(position, np.equal(position % 1, 0))


def _closest_observation(n, q):
    position = n * q - 1 - 0.5
    return _above(position, np.logical_and(np.equal(position % 1, 0), np.equal(np.floor(position) % 2, 1)))


DISCRETE = {
    "inverted_cdf": _inverted_cdf,
    "closest_observation": _closest_observation,
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.round((n - 1) * q),
}


def weight_above(method: str, position):
    """The weight of the upper neighbour: the fractional part, but for methods that have two weights only."""
    part = position - np.floor(stop_gradient(position))
    if method == "averaged_inverted_cdf":
        return np.where(np.equal(part, 0), 0.5, 1.0).astype(part.dtype)
    if method == "midpoint":
        return np.where(np.equal(part, 0), 0.0, 0.5).astype(part.dtype)
    return part


# -------------------------------------------------- elements of given rank
def ranked(flat, order, rank, n):
    """The elements of the last axis with the given ranks, of n; a rank beyond the ends is that of the end."""
    rank = np.maximum(np.minimum(rank, n - 1), 0)
    rank = np.where(np.isnan(rank), n - 1, rank).astype(np.intp)
    return np.take_along_axis(flat, np.take_along_axis(order, rank, axis=-1), axis=-1)


def _by_position(flat, order, n, q, method: str, weak: bool):
    if method in DISCRETE:
        return ranked(flat, order, DISCRETE[method](n, stop_gradient(q)), n)
    position = CONTINUOUS[method](n, q)
    fixed = stop_gradient(position)
    low = ranked(flat, order, np.floor(fixed), n)
    high = ranked(flat, order, np.where(fixed < 0, 0, np.floor(fixed) + 1), n)
    t = weight_above(method, position)
    t = astype(t, low.dtype) if weak and low.dtype.kind == "f" else t
    step = high - low
    return np.where(stop_gradient(t) >= 0.5, high - step * (1 - t), low + step * t)


def _by_weight(flat, order, n, q, weights):
    """The first element at which the share of the weights reaches q: flat in the weights."""
    w = np.cumsum(np.take_along_axis(weights, order, axis=-1), axis=-1, dtype=np.float64)
    share = w / w[..., -1:]
    share = astype(share, q.dtype) if q.dtype.kind == "f" else share
    below = np.logical_or(share[..., None, :] < q[..., None], np.equal(share, 0)[..., None, :])
    return ranked(flat, order, np.sum(below, axis=-1), n)


# -------------------------------------------------- axes, keywords, NaN
def quantiles(a, q, axis, out, method, keepdims, weights, function: str, *, skip_nan: bool, scale: int):
    """The quantiles q / scale of a; the axes of q come first in the result."""
    refuse(function, out=out)
    a = as_array(a)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    if method not in DISCRETE and method not in CONTINUOUS:
        raise ValueError(
            f"{method!r} is not a valid method. Use one of: {', '.join({**CONTINUOUS, **DISCRETE})}"
        )
    axes = normal_axes(axis, a.ndim)
    weak = type(q) in (int, float)
    q = as_array(q) / scale if scale != 1 else as_array(q)
    q = q if q.dtype.kind == "f" else astype(q, float)
    inside = stop_gradient(q)
    if not isinstance(inside, Tracer) and not np.all((inside >= 0) & (inside <= 1)):
        raise ValueError(f"{'Quantiles' if scale == 1 else 'Percentiles'} must be in the range [0, {scale}]")
    flat = merged(a, axes)
    if flat.shape[-1] == 0:
        if skip_nan:
            return nanmean(a, axis, keepdims=keepdims)
        raise IndexError(f"cannot take a {function.partition('.')[2]} of no elements")
    y = _along_last(
        flat, reshape_to(q, shape=(q.size,)), method, _checked(weights, a, axes, method), skip_nan, weak
    )
    y = reshape_to(moveaxis(y, -1, 0), shape=q.shape + flat.shape[:-1])
    kept = keepdims is not np._NoValue and keepdims
    return reshape_to(y, shape=q.shape + kept_shape(a.shape, axes)) if kept else y


def _along_last(flat, q, method, weights, skip_nan, weak):
    order = order_of(stop_gradient(flat), axis=flat.ndim - 1, descending=False)
    row = reshape_to(q, shape=(1,) * (flat.ndim - 1) + q.shape)
    n, missing = flat.shape[-1], None
    if flat.dtype.kind == "f":
        missing = np.isnan(stop_gradient(flat))
    if missing is not None and skip_nan:
        n = np.sum(np.logical_not(missing), axis=-1, keepdims=True)
        warn_where(np.equal(n, 0), "All-NaN slice encountered")
    if weights is not None:
        weights = weights if missing is None else np.where(missing, 0, weights)
        y = _by_weight(flat, order, n, stop_gradient(row), weights)
    else:
        y = _by_position(flat, order, n, row, method, weak)
    if missing is None or skip_nan:  # of NaN alone the first is selected, which is NaN
        return y
    last = np.take_along_axis(flat, order[..., -1:], axis=-1)
    return select_where(np.isnan(stop_gradient(last)), astype(last, y.dtype), y)


def _checked(weights, a, axes, method):
    """The weights as constants in the shape of a, with its axes in the same order as its values."""
    if weights is None:
        return None
    if method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    w = stop_gradient(as_array(weights))
    if not isinstance(w, Tracer) and np.any(w < 0):
        raise ValueError("Weights must be non-negative.")
    return merged(weights_like(w, a, axes), axes)


def weights_like(w, a, axes):
    """Weights for the elements of a, or for those along the given axes, in the shape of a."""
    if w.shape == a.shape:
        return w
    if w.shape != tuple(a.shape[k] for k in axes):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    order = tuple(np.argsort(axes).tolist())
    w = permute(w, axes=order) if order != tuple(range(w.ndim)) else w
    shape = tuple(n if k in axes else 1 for k, n in enumerate(a.shape))
    return broadcast_to(reshape_to(w, shape=shape), a.shape)


def renamed(method: str, interpolation):
    """`interpolation` is what NumPy before 2.4 also called the method, with a warning."""
    if interpolation is None:
        return method
    warnings.warn("interpolation= was renamed to method=", DeprecationWarning, stacklevel=4)
    return interpolation


@numpy_function(np.quantile)
def quantile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None,
    interpolation=None,
):  # fmt: skip
    """The q-quantiles along axes, with a derivative by a and, where the method interpolates, by q."""
    method = renamed(method, interpolation)
    return quantiles(a, q, axis, out, method, keepdims, weights, "np.quantile", skip_nan=False, scale=1)


@numpy_function(np.percentile)
def percentile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None,
    interpolation=None,
):  # fmt: skip
    """The quantiles q / 100 along axes."""
    method = renamed(method, interpolation)
    return quantiles(a, q, axis, out, method, keepdims, weights, "np.percentile", skip_nan=False, scale=100)


@numpy_function(np.nanquantile)
def nanquantile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=np._NoValue, *, weights=None,
    interpolation=None,
):  # fmt: skip
    """The q-quantiles along axes of what is not NaN."""
    method = renamed(method, interpolation)
    return quantiles(a, q, axis, out, method, keepdims, weights, "np.nanquantile", skip_nan=True, scale=1)


@numpy_function(np.nanpercentile)
def nanpercentile(
    a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=np._NoValue, *, weights=None,
    interpolation=None,
):  # fmt: skip
    """The quantiles q / 100 along axes of what is not NaN."""
    method = renamed(method, interpolation)
    return quantiles(a, q, axis, out, method, keepdims, weights, "np.nanpercentile", skip_nan=True, scale=100)


@numpy_function(np.nanmedian)
def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=np._NoValue):
    """The middle element along axes of what is not NaN, or the mean of the two in the middle."""
    refuse("np.nanmedian", out=out)
    a = as_array(a)
    if a.dtype.kind not in "fc":
        return np.median(a, axis, None, overwrite_input, keepdims is not np._NoValue and bool(keepdims))
    if a.size == 0:
        return nanmean(a, axis, keepdims=keepdims)
    axes = normal_axes(axis, a.ndim)
    flat = merged(a, axes)
    order = order_of(stop_gradient(flat), axis=flat.ndim - 1, descending=False)
    n = np.sum(np.logical_not(np.isnan(stop_gradient(flat))), axis=-1, keepdims=True)
    warn_where(np.equal(n, 0), "All-NaN slice encountered")
    low, high = (ranked(flat, order, np.floor_divide(n - 1 + k, 2), n)[..., 0] for k in (0, 1))
    y = np.where(np.equal(n[..., 0] % 2, 1), low, (low + high) / 2)
    return reshape_to(y, shape=kept_shape(a.shape, axes)) if keepdims is not np._NoValue and keepdims else y
