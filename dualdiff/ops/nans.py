"""Reductions that skip NaN: each puts the neutral element in its place and counts what is left.

There is no rule in this file: an element that is NaN is not selected, so its derivative is 0. Quantiles that
skip NaN are in quantiles.py.
"""

from __future__ import annotations

import warnings

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, refuse
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.extremes import argmax, argmin, reduce_extreme
from dualdiff.ops.indexing import select_where
from dualdiff.ops.reductions import (
    given,
    keep,
    lift,
    mask_like,
    mean,
    per,
    prod,
    reduce_sum,
    root_beside,
    std,
    sum,
    var,
)
from dualdiff.ops.scans import cumprod, cumsum
from dualdiff.ops.structural import as_array, astype, reduced_axes


def filled(a, neutral):
    """a with the neutral element where it is NaN, and where that is; None for integers, which have no NaN."""
    a = as_array(a)
    if a.dtype.kind not in "fc":
        return a, None
    missing = np.isnan(stop_gradient(a))
    return select_where(missing, neutral, a), missing


def warn_where(condition, text: str) -> None:
    """NumPy's warning, if the condition holds anywhere; of a batch it is not known."""
    if not isinstance(condition, Tracer) and np.any(condition):
        warnings.warn(text, RuntimeWarning, stacklevel=4)


def check_inexact(a, dtype) -> None:
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise TypeError("If a is inexact, then dtype must be inexact")


@numpy_function(np.nansum)
def nansum(a, axis=None, dtype=None, out=None, keepdims=np._NoValue, initial=np._NoValue, where=np._NoValue):
    """The sum along axes of what is not NaN."""
    return sum(filled(a, 0)[0], axis, dtype, out, keepdims, initial, where)


@numpy_function(np.nanprod)
def nanprod(a, axis=None, dtype=None, out=None, keepdims=np._NoValue, initial=np._NoValue, where=np._NoValue):
    """The product along axes of what is not NaN."""
    return prod(filled(a, 1)[0], axis, dtype, out, keepdims, initial, where)


@numpy_function(np.nancumsum)
def nancumsum(a, axis=None, dtype=None, out=None):
    """Running sums in which NaN counts as 0."""
    return cumsum(filled(a, 0)[0], axis, dtype, out)


@numpy_function(np.nancumprod)
def nancumprod(a, axis=None, dtype=None, out=None):
    """Running products in which NaN counts as 1."""
    return cumprod(filled(a, 1)[0], axis, dtype, out)


def _extreme(name: str, a, axis, out, keepdims, initial, where):
    y = reduce_extreme(name, a, axis, out, keepdims, initial, where)
    warn_where(np.isnan(stop_gradient(y)), "All-NaN slice encountered")
    return y


@numpy_function(np.nanmax)
def nanmax(a, axis=None, out=None, keepdims=np._NoValue, initial=np._NoValue, where=np._NoValue):
    """The largest element along axes that is not NaN."""
    return _extreme("fmax", a, axis, out, keepdims, initial, where)


@numpy_function(np.nanmin)
def nanmin(a, axis=None, out=None, keepdims=np._NoValue, initial=np._NoValue, where=np._NoValue):
    """The smallest element along axes that is not NaN."""
    return _extreme("fmin", a, axis, out, keepdims, initial, where)


def _place(find, a, neutral, axis, out, keepdims):
    a, missing = filled(stop_gradient(as_array(a)), neutral)
    if (
        missing is not None
        and a.size
        and not isinstance(missing, Tracer)
        and np.all(missing, axis=axis).any()
    ):
        raise ValueError("All-NaN slice encountered")
    return find(a, axis, out, keepdims=keepdims)


@numpy_function(np.nanargmax)
def nanargmax(a, axis=None, out=None, *, keepdims=np._NoValue):
    """The index of the first largest element that is not NaN."""
    return _place(argmax, a, -np.inf, axis, out, keepdims)


@numpy_function(np.nanargmin)
def nanargmin(a, axis=None, out=None, *, keepdims=np._NoValue):
    """The index of the first smallest element that is not NaN."""
    return _place(argmin, a, np.inf, axis, out, keepdims)


def counted(missing, axes, where):
    """How many elements along axes are there and under the mask."""
    there = np.logical_not(missing)
    return reduce_sum(np.logical_and(there, where) if given(where) else there, axis=axes)


@numpy_function(np.nanmean)
def nanmean(a, axis=None, dtype=None, out=None, keepdims=np._NoValue, *, where=np._NoValue):
    """The mean along axes of what is not NaN."""
    refuse("np.nanmean", out=out)
    a, missing = filled(a, 0)
    if missing is None:
        return mean(a, axis, dtype, None, keepdims, where=where)
    check_inexact(a, dtype)
    axes = reduced_axes(axis, a.ndim)
    number = counted(missing, axes, where)
    total = sum(a, axes, dtype, where=where)
    with np.errstate(all="ignore"):
        y = per(total, number)
    warn_where(np.equal(number, 0), "Mean of empty slice")
    return keep(y, a, axes, keepdims)


@numpy_function(np.nanvar)
def nanvar(
    a,
    axis=None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims=np._NoValue,
    *,
    where=np._NoValue,
    mean=np._NoValue,
    correction=np._NoValue,
):
    """The variance along axes of what is not NaN; a `mean` that is given is not moved by a."""
    refuse("np.nanvar", out=out)
    a, missing = filled(a, 0)
    if missing is None:
        return var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    check_inexact(a, dtype)
    if correction is not None and correction is not np._NoValue:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    axes = reduced_axes(axis, a.ndim)
    number = counted(missing, axes, where)
    with np.errstate(all="ignore"):
        if not given(mean):
            total = sum(a, axes, dtype, where=where)
            mean = lift(per(total, number), a, axes)
        away = select_where(missing, 0, astype(a - mean, a.dtype))
        if given(where):
            away = select_where(mask_like(where, a), away, 0)
        squares = away.real * away.real + away.imag * away.imag if away.dtype.kind == "c" else away * away
        freedom = number - ddof
        y = sum(squares, axes, dtype) / astype(as_array(freedom), squares.dtype)
    warn_where(np.less_equal(freedom, 0), "Degrees of freedom <= 0 for slice.")
    y = select_where(np.less_equal(freedom, 0), np.nan, y)
    return keep(y if dtype is None else astype(y, dtype), a, axes, keepdims)


@numpy_function(np.nanstd)
def nanstd(
    a,
    axis=None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims=np._NoValue,
    *,
    where=np._NoValue,
    mean=np._NoValue,
    correction=np._NoValue,
):
    """The standard deviation along axes of what is not NaN, with derivative 0 where all of it is equal."""
    refuse("np.nanstd", out=out)
    whole, missing = filled(a, 0)
    if missing is None:
        return std(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    y = nanvar(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    axes = reduced_axes(axis, whole.ndim)
    few = np.less_equal(counted(missing, axes, where), correction if given(correction) else ddof)
    return root_beside(y, keep(few, whole, axes, keepdims))
