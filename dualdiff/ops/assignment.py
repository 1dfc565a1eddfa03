"""NumPy's functions and methods that write into their argument: copyto, put, place, fill_diagonal, x.sort().

Each gives the tensor a new value where writing.py allows it.
"""

from __future__ import annotations

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function
from dualdiff.ops.creation import asarray
from dualdiff.ops.indexing import along_axis, nonzero
from dualdiff.ops.indexing import where as selected  # some functions have a keyword `where`
from dualdiff.ops.ordering import partition as partitioned
from dualdiff.ops.ordering import sort as sorted_
from dualdiff.ops.structural import normal_axis, ravel, reshape
from dualdiff.ops.updates import At, write
from dualdiff.ops.writing import assign, checked, into_array, update


@numpy_function(np.copyto)
def copyto(dst, src, casting="same_kind", where=True):
    """dst[...] = src, where the condition holds."""

    def new():
        v = asarray(src)
        if not np.can_cast(v.dtype, dst.dtype, casting):
            raise TypeError(f"Cannot cast array data from {v.dtype} to {dst.dtype} according to {casting!r}")
        v = np.broadcast_to(checked(v, dst), dst.shape)
        return At(dst, ...).set(v if where is True else selected(where, v, dst))

    update(target(dst, "np.copyto"), "np.copyto", new, src)


@numpy_function(np.put)
def put(a, ind, v, mode="raise"):
    """a.flat[ind] = v, with v repeated to the number of indices."""
    positions = np.asarray(ind).ravel()
    size = target(a, "np.put").size
    if positions.dtype.kind not in "iub" and positions.size:
        raise TypeError(
            f"Cannot cast array data from {positions.dtype} to int64 according to the rule 'safe'"
        )
    positions = positions.astype(int)
    if mode == "wrap":
        positions = positions % size
    elif mode == "clip":
        positions = np.clip(positions, 0, size - 1)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    write_cyclic(a, "np.put", np.arange(size)[positions], v)


@numpy_function(np.place)
def place(arr, mask, vals):
    """arr[mask] = as many of vals, repeated, as the mask has true elements."""
    positions = nonzero(ravel(truth(mask, target(arr, "np.place"), "place")))[0]
    if positions.size and np.size(vals) == 0:
        raise ValueError("Cannot insert from an empty array!")
    write_cyclic(arr, "np.place", positions, vals)


@numpy_function(np.putmask)
def putmask(a, mask, values):
    """a.flat[n] = values[n], repeated, for each n where the mask is true."""
    mask = reshape(truth(mask, target(a, "np.putmask"), "putmask"), a.shape)

    def new():
        v = asarray(values)
        every = reshape(np.resize(checked(v, a), a.size), a.shape)
        return At(a, ...).set(selected(mask, every, a)) if v.size else a.again()

    update(a, "np.putmask", new, values)


@numpy_function(np.fill_diagonal)
def fill_diagonal(a, val, wrap=False):
    """The main diagonal of a set to val, repeated along it."""
    chosen = np.zeros(target(a, "np.fill_diagonal").shape, bool)
    np.fill_diagonal(chosen, True, wrap)
    write_cyclic(a, "np.fill_diagonal", np.flatnonzero(chosen), val)


@numpy_function(np.put_along_axis)
def put_along_axis(arr, indices, values, axis=-1):
    """The elements that take_along_axis would read, set to values."""

    def new():
        v = checked(asarray(values), arr)
        if axis is None:
            return write(arr, v, asarray(indices))
        return At(arr, along_axis(arr, asarray(indices), normal_axis(axis, arr.ndim))).set(v)

    update(target(arr, "np.put_along_axis"), "np.put_along_axis", new, values)


def target(x, name):
    """x, which has to be a tensor: some argument is."""
    return x if isinstance(x, Tracer) else into_array(name)


def truth(mask, x, name):
    """A mask as booleans, as many as x has elements."""
    mask = asarray(mask)
    if mask.size != x.size:
        raise ValueError(f"{name}: mask and data must be the same size")
    return mask if mask.dtype.kind == "b" else mask != 0


def write_cyclic(x, name, positions, values):
    """The values, repeated or cut to the number of flat positions, written to them."""

    def new():
        v = checked(ravel(asarray(values)), x)
        if not v.size:
            raise ValueError(f"{name}: there are no values to write")
        return write(x, v[np.arange(positions.size) % v.size], positions)

    if positions.size:
        update(x, name, new, values)


# -------------------------------------------------- methods of an array
def fill(self, value):
    """Every element set to a number."""
    assign(self, ..., value)


def sort(self, axis=-1, kind=None, order=None, *, stable=None):
    """The elements sorted along an axis, in place."""
    update(self, "x.sort()", lambda: sorted_(self, axis, kind, order, stable=stable))


def partition(self, kth, axis=-1, kind="introselect", order=None):
    """The elements partitioned along an axis, in place."""
    update(self, "x.partition()", lambda: partitioned(self, kth, axis, kind, order))
