"""Histograms: sums of weights over bins. The bin of an element is a constant, its weight is not.

There is no rule in this file. Edges that NumPy finds from the data are lines between its least and its
largest element, so they move with these; a number of bins that it finds itself is a constant.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function
from dualdiff.errors import ControlFlowError
from dualdiff.ops.creation import linspace, stacked
from dualdiff.ops.differences import diff
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.indexing import scatter_add, select_where
from dualdiff.ops.ordering import searchsorted
from dualdiff.ops.questions import plain
from dualdiff.ops.reductions import sum
from dualdiff.ops.structural import as_array, astype, ravel, reshape_to


@numpy_function(np.bincount)
def bincount(x, /, weights=None, minlength=0):
    """How often each integer occurs, or the sum of its weights, which are differentiable."""
    places = stop_gradient(as_array(x))
    if isinstance(places, Tracer):
        raise ControlFlowError(
            "np.bincount of a batched array: the length of the result would depend on the example.",
            "Write np.zeros(n).at[x].add(weights) with dualdiff.numpy arrays, or vmap(..., fallback='loop').",
        )
    if weights is None:
        return np.bincount(places, minlength=minlength)
    counts = np.bincount(places, minlength=minlength)  # which also checks what it is given
    weights = as_array(weights)
    if weights.shape != places.shape:
        raise ValueError("The weights and list don't have the same length.")
    return scatter_add(astype(weights, np.float64), places.astype(np.intp), shape=counts.shape)


# -------------------------------------------------- edges
def outer_edges(a, range):
    """The first and the last edge: the range, or the extremes of the data."""
    if range is not None:
        first, last = range
        if first > last:
            raise ValueError("max must be larger than min in range parameter.")
        if not (np.isfinite(first) and np.isfinite(last)):
            raise ValueError(f"supplied range of [{first}, {last}] is not finite")
    elif a.size == 0:
        first, last = 0, 1
    else:
        first, last = np.min(a), np.max(a)
        if not isinstance(stop_gradient(first), Tracer) and not (np.isfinite(first) and np.isfinite(last)):
            raise ValueError(f"autodetected range of [{first}, {last}] is not finite")
    same = np.equal(first, last)
    if isinstance(same, Tracer):
        return np.where(same, first - 0.5, first), np.where(same, last + 0.5, last)
    return (first - 0.5, last + 0.5) if same else (first, last)


def bin_edges(a, bins, range, weights=None):
    """The edges of the bins, from their number, a rule for it, or as they are given."""
    if isinstance(bins, str):
        known = weights if weights is None else plain(weights)
        bins = np.histogram_bin_edges(plain(a), bins, range, known).size - 1
    if not listed(bins):
        try:
            count = operator.index(bins)
        except TypeError:
            raise TypeError("`bins` must be an integer, a string, or an array") from None
        if count < 1:
            raise ValueError("`bins` must be positive, when an integer")
        first, last = outer_edges(a, range)
        dtype = np.result_type(*(getattr(v, "dtype", v) for v in (first, last)), a.dtype)
        return linspace(first, last, count + 1, dtype=dtype if dtype.kind in "fc" else float)
    if np.ndim(bins) != 1:
        raise ValueError("`bins` must be 1d, when an array")
    edges = as_array(stacked(bins) if isinstance(bins, (list, tuple)) else bins)
    values = stop_gradient(edges)
    if not isinstance(values, Tracer) and np.any(values[:-1] > values[1:]):
        raise ValueError("`bins` must increase monotonically, when an array")
    return edges


def bin_of(a, edges):
    """For each element the number of its bin, and whether it has one; the last bin has its right edge too."""
    a, edges = stop_gradient(a), stop_gradient(edges)
    count = edges.shape[0] - 1
    place = searchsorted(edges, a, side="right") - 1
    place = np.where(np.equal(a, edges[-1]), count - 1, place)
    inside = np.logical_and(np.greater_equal(a, edges[0]), np.less_equal(a, edges[-1]))
    return np.where(inside, place, 0), inside


def listed(bins) -> bool:
    """Whether there is more than one number; the entries of a list may have different lengths."""
    return isinstance(bins, (list, tuple)) or np.ndim(bins) > 0


def _weights(weights, a):
    if weights is None:
        return np.ones(a.size, np.intp)
    weights = as_array(weights)
    if weights.shape != a.shape:
        raise ValueError("weights should have the same shape as a.")
    return ravel(weights)


# -------------------------------------------------- NumPy's functions
@numpy_function(np.histogram_bin_edges)
def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The edges that histogram would use; they move with the least and the largest element of a."""
    return bin_edges(ravel(a), bins, range, weights)


@numpy_function(np.histogram)
def histogram(a, bins=10, range=None, density=None, weights=None):
    """The number of elements in each bin, or the sum of their weights, and the edges of the bins.

    Numbers of elements are constants; a density moves with the widths of the bins as well.
    """
    a = as_array(a)
    w, a = _weights(weights, a), ravel(a)
    edges = bin_edges(a, bins, range, weights)
    place, inside = bin_of(a, edges)
    n = scatter_add(select_where(inside, w, 0), place, shape=(edges.shape[0] - 1,))
    return (n / astype(diff(edges), float) / sum(n) if density else n), edges


@numpy_function(np.histogramdd)
def histogramdd(sample, bins=10, range=None, density=None, weights=None):
    """The same for points in several dimensions: an array of one point a row, or a list of coordinates."""
    points = as_array(sample) if hasattr(sample, "shape") else stacked(list(map(as_array, sample))).T
    if points.ndim != 2:
        points = reshape_to(points, shape=(points.size, 1)) if points.ndim < 2 else points
    count = points.shape[1]
    bins = list(bins) if listed(bins) else [bins] * count
    if len(bins) != count:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    ranges = [None] * count if range is None else list(range)
    if len(ranges) != count:
        raise ValueError("range argument must have one entry per dimension")
    w = np.ones(points.shape[0]) if weights is None else astype(as_array(weights), float)
    edges, places, inside = [], [], np.True_
    for k, (b, r) in enumerate(zip(bins, ranges, strict=True)):
        edge = bin_edges(points[:, k], b, r)
        place, within = bin_of(points[:, k], edge)
        edges.append(edge)
        places.append(place)
        inside = np.logical_and(inside, within)
    shape = tuple(edge.shape[0] - 1 for edge in edges)
    flat = 0
    for place, n in zip(places, shape, strict=True):
        flat = flat * n + place
    h = scatter_add(select_where(inside, w, 0), flat, shape=(math.prod(shape),))
    h = reshape_to(h, shape=shape)
    if density:
        total = sum(h)
        for k, edge in enumerate(edges):
            h = h / reshape_to(diff(edge), shape=(shape[k],) + (1,) * (count - k - 1))
        h = h / total
    return h, edges


@numpy_function(np.histogram2d)
def histogram2d(x, y, bins=10, range=None, density=None, weights=None):
    """The histogram of points in the plane, and the edges along both axes."""
    if len(x) != len(y):
        raise ValueError("x and y must have the same length.")
    if listed(bins) and len(bins) not in (1, 2):  # edges for both axes
        bins = [bins, bins]
    h, (x_edges, y_edges) = histogramdd([x, y], bins, range, density, weights)
    return h, x_edges, y_edges
