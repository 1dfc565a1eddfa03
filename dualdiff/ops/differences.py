"""Differences of neighbours: diff, ediff1d and gradient.

There is no rule in this file: slices, subtractions and products of them.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function
from dualdiff.errors import NoDerivative
from dualdiff.ops.arrange import on_axis
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.structural import (
    as_array,
    astype,
    broadcast_to,
    concatenate,
    normal_axes,
    normal_axis,
    ravel,
)


@numpy_function(np.diff)
def diff(a, n=1, axis=-1, prepend=np._NoValue, append=np._NoValue):
    """n-th differences of neighbours along an axis, with values put before or after it first."""
    a = as_array(a)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if a.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    if n == 0:
        return a
    axis = normal_axis(axis, a.ndim)
    before, after = ([] if v is np._NoValue else [_end_values(v, a, axis)] for v in (prepend, append))
    if before or after:
        a = concatenate([*before, a, *after], axis=axis)
    for _ in range(n):
        later, earlier = on_axis(a, axis, 1), on_axis(a, axis, None, -1)
        a = np.not_equal(later, earlier) if a.dtype.kind == "b" else later - earlier
    return a


def _end_values(v, a, axis):
    v = as_array(v)
    return broadcast_to(v, a.shape[:axis] + (1,) + a.shape[axis + 1 :]) if v.ndim == 0 else v


@numpy_function(np.ediff1d)
def ediff1d(ary, to_end=None, to_begin=None):
    """Differences of neighbours of the flattened array, between given values."""
    flat = ravel(ary)
    parts = [to_begin, on_axis(flat, 0, 1) - on_axis(flat, 0, None, -1), to_end]
    parts = [ravel(as_array(part)) for part in parts if part is not None]
    if any(not np.can_cast(part.dtype, flat.dtype, "same_kind") for part in parts):
        raise TypeError("dtype of `to_begin` and `to_end` must be compatible with input `ary`.")
    return concatenate(parts, dtype=flat.dtype)


# -------------------------------------------------- derivatives of sampled functions
@numpy_function(np.gradient)
def gradient(f, *varargs, axis=None, edge_order=1):
    """The derivative of samples along axes, by the parabola through each three neighbours.

    Spacings are numbers or the coordinates of the samples, one for all axes or one for each; both may be
    tensors. At the two ends it is the line through two samples, or with edge_order=2 the parabola again.
    """
    f = as_array(f)
    f = f if f.dtype.kind in "fc" else astype(f, float)
    axes = normal_axes(axis, f.ndim)
    spacings = list(varargs) if varargs else [1.0]
    if len(spacings) == 1 and np.ndim(spacings[0]) == 0:
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    slopes = tuple(
        _slope(f, k, h, edge_order) for k, h in zip(axes, map(_plain_or_tensor, spacings), strict=True)
    )
    return slopes[0] if len(slopes) == 1 else slopes


def _plain_or_tensor(h):
    return h if isinstance(h, (int, float)) else as_array(h)


def _slope(f, axis, h, edge_order):
    if f.shape[axis] < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )
    if np.ndim(h) == 0:
        inner, first, last = _even_slopes(f, axis, h, edge_order)
    else:
        inner, first, last = _uneven_slopes(f, axis, _steps(h, f, axis), edge_order)
    return concatenate([first, inner, last], axis=axis, dtype=f.dtype)


def _steps(h, f, axis):
    """The distances of coordinates, along the axis of f; equal constant ones are one number, as in NumPy."""
    if h.ndim != 1:
        raise ValueError("distances must be either scalars or 1d")
    if h.size != f.shape[axis]:
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    h = h if h.dtype.kind in "fc" else astype(h, float)
    return (h[1:] - h[:-1]).reshape((-1,) + (1,) * (f.ndim - axis - 1))


def _sample(f, axis, k):
    return on_axis(f, axis, k, k + 1 or None)


def _even_slopes(f, axis, h, edge_order):
    """For samples at one distance h."""

    at = partial(_sample, f, axis)
    inner = (on_axis(f, axis, 2) - on_axis(f, axis, None, -2)) / (2.0 * h)
    if edge_order == 1:
        return inner, (at(1) - at(0)) / h, (at(-1) - at(-2)) / h
    first = -1.5 / h * at(0) + 2.0 / h * at(1) + -0.5 / h * at(2)
    last = 0.5 / h * at(-3) + -2.0 / h * at(-2) + 1.5 / h * at(-1)
    return inner, first, last


def _uneven_slopes(f, axis, d, edge_order):
    """For samples at distances d: with u and v the two distances of three neighbours, the weights of each."""
    if not isinstance(d, Tracer) and (d == d.reshape(-1)[0]).all():
        return _even_slopes(f, axis, d.reshape(-1)[0], edge_order)

    at = partial(_sample, f, axis)
    u, v = d[:-1], d[1:]
    middle = on_axis(f, axis, 1, -1)
    inner = (
        -v / (u * (u + v)) * on_axis(f, axis, None, -2)
        + (v - u) / (u * v) * middle
        + u / (v * (u + v)) * on_axis(f, axis, 2)
    )
    if edge_order == 1:
        return inner, (at(1) - at(0)) / d[:1], (at(-1) - at(-2)) / d[-1:]
    u, v = d[:1], d[1:2]
    first = -(2 * u + v) / (u * (u + v)) * at(0) + (u + v) / (u * v) * at(1) + -u / (v * (u + v)) * at(2)
    u, v = d[-2:-1], d[-1:]
    last = v / (u * (u + v)) * at(-3) + -(v + u) / (u * v) * at(-2) + (2 * v + u) / (v * (u + v)) * at(-1)
    return inner, first, last


@numpy_function(np.unwrap)
def unwrap(p, discont=None, axis=-1, *, period=2 * np.pi):
    """p with multiples of the period added where neighbours jump: the multiples are constants."""
    p = as_array(p)
    axis = normal_axis(axis, p.ndim)
    jump = stop_gradient(diff(p, axis=axis))
    if p.dtype.kind in "iu" or np.asarray(period).dtype.kind in "iu":
        raise NoDerivative("np.unwrap on a tensor does not support an integer period.", "Pass a float.")
    half = period / 2
    rest = np.mod(jump + half, period) - half
    rest = np.where(np.logical_and(np.equal(rest, -half), jump > 0), half, rest)
    small = np.abs(jump) < (half if discont is None else max(discont, half))
    added = np.cumsum(np.where(small, 0, rest - jump), axis=axis)
    first, others = on_axis(p, axis, None, 1), on_axis(p, axis, 1)
    return concatenate([first, others + added], axis=axis)
