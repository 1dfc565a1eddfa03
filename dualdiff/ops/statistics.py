"""Weighted averages, covariances and correlations; var and std are in reductions.py.

There is no rule in this file. Weights are differentiable where they are real numbers, not where they count.
"""

from __future__ import annotations

import warnings

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, refuse
from dualdiff.ops.contraction import conjugated
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.quantiles import weights_like
from dualdiff.ops.reductions import keep, mean, sum
from dualdiff.ops.structural import as_array, astype, atleast_2d, concatenate, normal_axes


@numpy_function(np.average)
def average(a, axis=None, weights=None, returned=False, *, keepdims=np._NoValue):
    """The mean along axes with weights, which may be tensors; `returned` gives the sum of the weights too."""
    a = as_array(a)
    axes = normal_axes(axis, a.ndim)
    if weights is None:
        y = mean(a, axes, keepdims=keepdims)
        return (y, np.full(y.shape, a.size / max(y.size, 1), y.dtype)[()]) if returned else y
    weights = as_array(weights)
    if weights.shape != a.shape and axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    weights = weights_like(weights, a, axes)
    dtype = np.result_type(a.dtype, weights.dtype, *([np.float64] if a.dtype.kind in "biu" else []))
    total = sum(weights, axes, dtype)
    if not isinstance(stop_gradient(total), Tracer) and np.any(stop_gradient(total) == 0):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    y = sum(astype(a, dtype) * astype(weights, dtype), axes) / total
    y, total = keep(y, a, axes, keepdims), keep(total, a, axes, keepdims)
    return (y, total) if returned else y


# -------------------------------------------------- covariance
def _variables(x, rowvar, dtype):
    """One variable in each row."""
    if x.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    rows = astype(atleast_2d(x), dtype)
    return rows.T if not rowvar and x.ndim == 2 else rows


def _sample_weights(weights, what: str, samples: int):
    w = as_array(weights)
    w = w if w.dtype.kind == "f" else astype(w, float)
    if w.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {what}")
    if w.shape[0] != samples:
        raise RuntimeError(f"incompatible numbers of samples and {what}")
    values = stop_gradient(w)
    if not isinstance(values, Tracer) and np.any(values < 0):
        raise ValueError(f"{what} cannot be negative")
    return w


def _frequencies(fweights, samples: int):
    w = stop_gradient(_sample_weights(fweights, "fweights", samples))
    if not isinstance(w, Tracer) and np.any(w != np.round(w)):
        raise TypeError("fweights must be integer")
    return w


@numpy_function(np.cov)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """The covariances of variables in rows: X W X^H over the freedom that is left, X without its means.

    `aweights` say how much a sample counts and are differentiable; `fweights` how often it was seen.
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    samples = [as_array(x) for x in ([m] if y is None else [m, y])]
    if dtype is None:
        dtype = np.result_type(*(x.dtype for x in samples), np.float64)
    elif np.dtype(dtype).kind not in "fc":
        raise TypeError(f"cov computes means, which {np.dtype(dtype)} does not hold")
    parts = [_variables(x, rowvar or x.ndim == 1, dtype) for x in samples]
    x = parts[0] if y is None else concatenate(parts, axis=0)
    if x.shape[0] == 0:
        return np.zeros((0, 0))
    ddof = (0 if bias else 1) if ddof is None else ddof
    n, w = x.shape[1], None
    if fweights is not None:
        w = _frequencies(fweights, n)
    if aweights is not None:
        aweights = _sample_weights(aweights, "aweights", n)
        w = aweights if w is None else w * aweights
    middle, total = average(x, 1, w, returned=True)
    freedom = _freedom(n, None if w is None else total[0], w, aweights, ddof)
    away = x - middle[:, None]
    weighted = away if w is None else away * w
    c = away @ conjugated(weighted.T)
    c = c * astype(as_array(1 / freedom), c.dtype.type(0).real.dtype)
    return np.squeeze(c)


def _freedom(n, total, w, aweights, ddof):
    if w is None:
        left = np.float64(n - ddof)
    elif ddof == 0:
        left = total
    elif aweights is None:
        left = total - ddof
    else:
        left = total - ddof * sum(w * aweights) / total
    left = left.real  # weights are, but the samples beside them need not be
    value = stop_gradient(left)
    if not isinstance(value, Tracer) and value <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=4)
        return np.float64(0)
    return left


def _inside_unit(x):
    """x, and 1 or -1 where rounding took it beyond, with no derivative there."""
    return np.where(np.abs(stop_gradient(x)) > 1, np.sign(stop_gradient(x)), x)


@numpy_function(np.corrcoef)
def corrcoef(x, y=None, rowvar=True, bias=np._NoValue, ddof=np._NoValue, *, dtype=None):
    """The correlations of variables in rows: covariances over both standard deviations.

    `bias` and `ddof` never had an effect; NumPy gave them up in 2.4.
    """
    refuse("np.corrcoef", bias=bias, ddof=ddof)
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.diag(c).real)
    c = c / deviation[:, None] / deviation[None, :]
    if c.dtype.kind != "c":
        return _inside_unit(c)
    return _inside_unit(c.real) + _inside_unit(c.imag) * c.dtype.type(1j)
