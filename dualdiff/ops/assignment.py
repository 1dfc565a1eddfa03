"""NumPy's functions and methods that write into their argument: copyto, put, place, fill_diagonal, x.sort().

Each gives the tensor a new value where writing.py allows it.
"""

from __future__ import annotations

import numpy as np

from dualdiff.declare import numpy_function
from dualdiff.ops.creation import asarray
from dualdiff.ops.indexing import along_axis, nonzero
from dualdiff.ops.indexing import where as selected  # some functions have a keyword `where`
from dualdiff.ops.ordering import partition as partitioned
from dualdiff.ops.ordering import sort as sorted_
from dualdiff.ops.structural import normal_axis, ravel, reshape
from dualdiff.ops.updates import At, write
from dualdiff.ops.writing import assign, checked, writable


@numpy_function(np.copyto)
def copyto(dst, src, casting="same_kind", where=True):
    """dst[...] = src, where the condition holds."""
    writable(dst, "np.copyto")
    src = asarray(src)
    if not np.can_cast(src.dtype, dst.dtype, casting):
        raise TypeError(f"Cannot cast array data from {src.dtype} to {dst.dtype} according to {casting!r}")
    v = np.broadcast_to(checked(src, dst), dst.shape)
    dst.become(At(dst, ...).set(v if where is True else selected(where, v, dst)))


@numpy_function(np.put)
def put(a, ind, v, mode="raise"):
    """a.flat[ind] = v, with v repeated to the number of indices."""
    writable(a, "np.put")
    positions = np.asarray(ind).ravel()
    if mode == "wrap":
        positions = positions % a.size
    elif mode == "clip":
        positions = np.clip(positions, 0, a.size - 1)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    _write_cyclic(a, np.arange(a.size)[positions], v)


@numpy_function(np.place)
def place(arr, mask, vals):
    """arr[mask] = as many of vals, repeated, as the mask has true elements."""
    writable(arr, "np.place")
    positions = nonzero(ravel(_mask(mask)))[0]
    if positions.size and np.size(vals) == 0:
        raise ValueError("Cannot insert from an empty array!")
    _write_cyclic(arr, positions, vals)


@numpy_function(np.putmask)
def putmask(a, mask, values):
    """a.flat[n] = values[n], repeated, for each n where the mask is true."""
    writable(a, "np.putmask")
    mask = np.broadcast_to(_mask(mask), a.shape)
    every = reshape(np.resize(checked(asarray(values), a), a.size), a.shape)
    a.become(At(a, ...).set(selected(mask, every, a)))


@numpy_function(np.fill_diagonal)
def fill_diagonal(a, val, wrap=False):
    """The main diagonal of a set to val, repeated along it."""
    writable(a, "np.fill_diagonal")
    chosen = np.zeros(a.shape, bool)
    np.fill_diagonal(chosen, True, wrap)
    _write_cyclic(a, np.flatnonzero(chosen), val)


@numpy_function(np.put_along_axis)
def put_along_axis(arr, indices, values, axis=-1):
    """The elements that take_along_axis would read, set to values."""
    writable(arr, "np.put_along_axis")
    if axis is None:
        arr.become(write(arr, checked(asarray(values), arr), indices))
    else:
        key = along_axis(arr, asarray(indices), normal_axis(axis, arr.ndim))
        arr.become(At(arr, key).set(checked(asarray(values), arr)))


def _mask(mask):
    mask = asarray(mask)
    return mask if mask.dtype.kind == "b" else mask != 0


def _write_cyclic(x, positions, v):
    """v, repeated or cut to the number of flat positions, written to them."""
    v = checked(ravel(asarray(v)), x)
    if positions.size:
        v = v[np.arange(positions.size) % v.size]
        x.become(write(x, v, positions))


# -------------------------------------------------- methods of an array
def fill(self, value):
    """Every element set to a number."""
    assign(self, ..., value)


def sort(self, axis=-1, kind=None, order=None, *, stable=None):
    """The elements sorted along an axis, in place."""
    writable(self, "x.sort()")
    self.become(sorted_(self, axis, kind, order, stable=stable))


def partition(self, kth, axis=-1, kind="introselect", order=None):
    """The elements partitioned along an axis, in place."""
    writable(self, "x.partition()")
    self.become(partitioned(self, kth, axis, kind, order))
