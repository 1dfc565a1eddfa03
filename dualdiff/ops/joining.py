"""Functions that cut arrays apart, put elements in, take elements out, and build arrays from blocks.

There is no rule in this file. Where elements go, NumPy decides on plain indices; tensors are then gathered.
concatenate, stack and their kin are in structural.py.
"""

from __future__ import annotations

import operator

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function
from dualdiff.ops.arrange import deciding, on_axis, slices
from dualdiff.ops.indexing import nonzero, take
from dualdiff.ops.structural import (
    as_array,
    astype,
    broadcast_to,
    concatenate,
    moveaxis,
    normal_axes,
    normal_axis,
    ravel,
    reshape_to,
)


# -------------------------------------------------- cutting apart
@numpy_function(np.array_split)
def array_split(ary, indices_or_sections, axis=0):
    """Consecutive pieces along an axis: a number of nearly equal ones, or cut at given places."""
    a = as_array(ary)
    axis = normal_axis(axis, a.ndim)
    n = a.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        count = operator.index(indices_or_sections)
        if count <= 0:
            raise ValueError("number sections must be larger than 0.")
        longer = n % count
        places = np.arange(1, count).tolist()  # not a range: counts beyond all memory raise here at once
        cuts = [k * (n // count) + min(k, longer) for k in places]
    else:
        cuts = [operator.index(k) for k in deciding(indices_or_sections, "places to cut")]
    return [on_axis(a, axis, start, stop) for start, stop in zip([0, *cuts], [*cuts, n], strict=True)]


@numpy_function(np.split)
def split(ary, indices_or_sections, axis=0):
    """Consecutive pieces along an axis: a number of equal ones, or cut at given places."""
    a = as_array(ary)
    if np.ndim(indices_or_sections) == 0 and a.shape[normal_axis(axis, a.ndim)] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return array_split(a, indices_or_sections, axis)


@numpy_function(np.hsplit)
def hsplit(ary, indices_or_sections):
    """Pieces along the columns; of a vector, along its only axis."""
    ary = as_array(ary)
    if ary.ndim == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@numpy_function(np.vsplit)
def vsplit(ary, indices_or_sections):
    """Pieces along the rows."""
    ary = as_array(ary)
    if ary.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


@numpy_function(np.dsplit)
def dsplit(ary, indices_or_sections):
    """Pieces along the third axis."""
    ary = as_array(ary)
    if ary.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


@numpy_function("unstack")  # NumPy 2.1
def unstack(x, /, *, axis=0):
    """The slices along an axis, a tuple."""
    if x.ndim == 0:
        raise ValueError("Input array must be at least 1-d.")
    return tuple(moveaxis(x, axis, 0))


# -------------------------------------------------- putting in and taking out
@numpy_function(np.append)
def append(arr, values, axis=None):
    """Values after the end of an axis; by default of the flattened array."""
    if axis is None:
        arr, values, axis = ravel(arr), ravel(values), 0
    return concatenate([arr, values], axis=axis)


@numpy_function(np.insert)
def insert(arr, obj, values, axis=None):
    """Values put before the places `obj` of an axis; by default of the flattened array."""
    arr, values = as_array(arr), as_array(values)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normal_axis(axis, arr.ndim)
    values = reshape_to(values, shape=(1,) * (arr.ndim - values.ndim) + values.shape)
    obj, n = deciding(obj, "places"), arr.shape[axis]
    if not isinstance(obj, slice):
        obj = np.asarray(obj, None if np.size(obj) else int)  # NumPy itself takes no mask that is a list
        values = values if obj.ndim else moveaxis(values, 0, axis)
    # NumPy says which places obj names: versions differ in what a mask is
    count = np.insert(np.zeros(n), obj, 0.0).size - n
    count = values.shape[axis] if count == 1 else count
    values = broadcast_to(values, arr.shape[:axis] + (count,) + arr.shape[axis + 1 :])
    order = np.insert(np.arange(n), obj, n + np.arange(count))
    return take(concatenate([arr, astype(values, arr.dtype)], axis=axis), order, axis=axis)


@numpy_function(np.delete)
def delete(arr, obj, axis=None):
    """What is left without the places `obj` of an axis; by default of the flattened array."""
    arr = as_array(arr)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normal_axis(axis, arr.ndim)
    return take(arr, np.delete(np.arange(arr.shape[axis]), deciding(obj, "places")), axis=axis)


@numpy_function(np.trim_zeros)
def trim_zeros(filt, trim="fb", axis=None):
    """The array without the zeros at its front ("f") and back ("b"); the values decide the shape."""
    a = filt if isinstance(filt, Tracer) else np.asarray(filt)
    found = nonzero(a)
    chosen = {}
    for k in normal_axes(axis, a.ndim):
        start, stop = (found[k].min(), found[k].max() + 1) if found[k].size else (0, 0)
        front, back = "f" in trim.lower(), "b" in trim.lower()
        chosen[k] = slice(int(start) if front else None, int(stop) if back else None)
    return slices(a, chosen)


# -------------------------------------------------- blocks
@numpy_function(np.block)
def block(arrays):
    """Nested lists of blocks as one array: the innermost lists join along the last axis."""
    depth, ndim = _depth(arrays), max(as_array(leaf).ndim for leaf in _leaves(arrays))
    return _assembled(arrays, max(depth, ndim), depth)


def _depth(part) -> int:
    if isinstance(part, tuple):
        raise TypeError("only lists can be used to arrange blocks, and np.block does not allow tuples.")
    if not isinstance(part, list):
        return 0
    depths = {_depth(child) for child in part}
    if len(depths) != 1:
        raise ValueError("List depths are mismatched." if depths else "List cannot be empty.")
    return 1 + depths.pop()


def _leaves(part):
    if not isinstance(part, list):
        return [part]
    return [leaf for child in part for leaf in _leaves(child)]


def _assembled(part, ndim: int, depth: int):
    if depth == 0:
        x = as_array(part)
        return reshape_to(x, shape=(1,) * (ndim - x.ndim) + x.shape)
    return concatenate([_assembled(child, ndim, depth - 1) for child in part], axis=-depth)
