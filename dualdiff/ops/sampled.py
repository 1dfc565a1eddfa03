"""Functions known at points: linear interpolation between them, and the integral by trapezoids.

There is no rule in this file: the interval of a point is a constant, and within it a line has two ends.
"""

from __future__ import annotations

import numpy as np

from dualdiff.declare import numpy_function
from dualdiff.ops.arrange import on_axis
from dualdiff.ops.differences import diff
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.indexing import take
from dualdiff.ops.ordering import argsort, searchsorted
from dualdiff.ops.reductions import sum
from dualdiff.ops.structural import as_array, astype, concatenate, normal_axis, reshape_to


def _interval(x, xp):
    """For each x the number of the interval of xp that it lies in, that of the nearest beyond the ends."""
    last = max(xp.shape[0] - 2, 0)
    place = searchsorted(xp, x, side="right") - 1
    return np.maximum(np.minimum(place, last), 0)


@numpy_function(np.interp)
def interp(x, xp, fp, left=None, right=None, period=None):
    """The lines between neighbouring points (xp, fp) at x; beyond the ends their values, or left and right.

    At a knot it has the slope to its right, so 0 at the last one and beyond.
    """
    x, xp, fp = as_array(x), as_array(xp), as_array(fp)
    x, xp = astype(x, np.float64), astype(xp, np.float64)
    fp = astype(fp, np.complex128 if fp.dtype.kind == "c" else np.float64)
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError("Data points must be 1-D sequences")
    if xp.shape != fp.shape:
        raise ValueError("fp and xp are not of the same length")
    if not xp.size:
        raise ValueError("array of sample points is empty")
    if period is not None:
        if period == 0:
            raise ValueError("period must be a non-zero value")
        x, xp, fp = _unrolled(x, xp, fp, np.abs(period))
        left = right = None
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    if xp.size == 1:
        inside = fp[0]
    else:
        k = _interval(stop_gradient(x), stop_gradient(xp))
        x0, x1, f0, f1 = take(xp, k), take(xp, k + 1), take(fp, k), take(fp, k + 1)
        slope = (f1 - f0) / (x1 - x0)
        inside = np.where(stop_gradient(x) == stop_gradient(xp[-1]), fp[-1], slope * (x - x0) + f0)
    outside = np.where(stop_gradient(x) < stop_gradient(xp[0]), left, inside)
    return np.where(stop_gradient(x) > stop_gradient(xp[-1]), right, outside)


def _unrolled(x, xp, fp, period):
    """One period of the points in ascending order, with one point more at each end."""
    x, xp = x % period, xp % period
    order = argsort(xp)
    xp, fp = take(xp, order), take(fp, order)
    return x, concatenate([xp[-1:] - period, xp, xp[:1] + period]), concatenate([fp[-1:], fp, fp[:1]])


@numpy_function(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral along an axis of the lines between samples at the points x, or at equal distances dx."""
    y = as_array(y)
    axis = normal_axis(axis, y.ndim)
    step = dx
    if x is not None:
        x = as_array(x)
        step = diff(x, axis=axis if x.ndim > 1 else 0)
        if x.ndim == 1:
            step = reshape_to(step, shape=(step.size,) + (1,) * (y.ndim - axis - 1))
    return sum(step * (on_axis(y, axis, 1) + on_axis(y, axis, None, -1)) / 2.0, axis)
