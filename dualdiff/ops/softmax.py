"""softmax and its logarithm along axes, two ops: the logarithm keeps its digits where softmax is tiny."""

from __future__ import annotations

import numpy as np

from dualdiff.declare import op
from dualdiff.domains import reals
from dualdiff.ops.reductions import as_inexact, lift, reduce_sum
from dualdiff.ops.structural import normal_axes


@op
class normalised_exponential:
    """y = exp(x) / sum(exp(x)), shifted by the largest element: dy = y (dx - sum(y dx))."""

    name = "softmax"
    shifts = ("axis",)

    def evaluate(x, *, axis):
        y = np.exp(x - np.max(x, axis=axis, keepdims=True))
        return y / np.add.reduce(y, axis=axis, keepdims=True)

    def out(x, *, axis):
        return x

    def differential(y, x, dx, *, axis):
        weighted = y * dx
        return weighted - y * lift(reduce_sum(weighted, axis=axis), x, axis)

    def pullback(y_bar, y, x, *, axis):
        weighted = y * y_bar
        return weighted - y * lift(reduce_sum(weighted, axis=axis), x, axis)

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": (0, 2)}


@op
class log_normalised_exponential:
    """y = x - log(sum(exp(x))), shifted by the largest element: dy = dx - sum(exp(y) dx)."""

    name = "log_softmax"
    shifts = ("axis",)

    def evaluate(x, *, axis):
        y = x - np.maximum.reduce(x, axis=axis, keepdims=True)
        return y - np.log(np.add.reduce(np.exp(y), axis=axis, keepdims=True))

    def out(x, *, axis):
        return x

    def differential(y, x, dx, *, axis):
        return dx - lift(reduce_sum(np.exp(y) * dx, axis=axis), x, axis)

    def pullback(y_bar, y, x, *, axis):
        return y_bar - np.exp(y) * np.add.reduce(y_bar, axis=axis, keepdims=True)

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": (0, 2)}


def softmax(x, axis=None):
    """exp(x) / sum(exp(x)) along axes, all of them by default, without overflow.

    Shapes      that of x
    Derivative  y (dx - sum(y dx))
    """
    x = as_inexact(x, None)
    return normalised_exponential(x, axis=normal_axes(axis, x.ndim))


def log_softmax(x, axis=None):
    """The logarithm of softmax, x - logsumexp(x), which keeps its digits where softmax is tiny."""
    x = as_inexact(x, None)
    return log_normalised_exponential(x, axis=normal_axes(axis, x.ndim))
