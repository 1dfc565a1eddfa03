"""Functions that rearrange one array: flips, rolls, repeats, triangles, diagonals, grids and windows.

One op is here, `cycle`; everything else is made of slices, gathers, joins and broadcasts, and inherits both
modes, batching and every order from them. See also joining.py, padding.py and differences.py.
"""

from __future__ import annotations

import operator

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, op
from dualdiff.domains import reals
from dualdiff.errors import ControlFlowError
from dualdiff.memory import apart, read_only
from dualdiff.ops.indexing import cut, gather, spread, take, where
from dualdiff.ops.structural import (
    as_array,
    broadcast_arrays,
    expand_to,
    moveaxis,
    normal_axes,
    normal_axis,
    ravel,
    reshape_to,
    swapaxes,
)


def slices(a, parts: dict[int, slice]):
    """a with a slice on some axes and all of every other."""
    return cut(a, key=tuple(parts.get(k, slice(None)) for k in range(a.ndim)))


def on_axis(a, axis: int, start=None, stop=None, step=None):
    """a[start:stop:step] along one axis."""
    return slices(a, {axis: slice(start, stop, step)})


def deciding(x, what: str):
    """Plain numbers that decide a shape or an order; a batched tensor cannot."""
    if isinstance(x, Tracer):
        raise ControlFlowError(
            f"{what} depend on the example, so the place of every element or the shape would as well.",
            "Use vmap(..., fallback='loop').",
        )
    return x


# -------------------------------------------------- flips and rolls
@numpy_function(np.flip)
def flip(m, axis=None):
    """The elements in reverse order along axes; all of them by default."""
    m = as_array(m)
    return slices(m, dict.fromkeys(normal_axes(axis, m.ndim), slice(None, None, -1)))


@numpy_function(np.flipud)
def flipud(m):
    """The rows in reverse order."""
    if m.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(m, 0)


@numpy_function(np.fliplr)
def fliplr(m):
    """The columns in reverse order."""
    if m.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(m, 1)


@numpy_function(np.rot90)
def rot90(m, k=1, axes=(0, 1)):
    """Quarter turns in the plane of two axes, from the first towards the second."""
    first, second = normal_axes(tuple(axes), m.ndim)
    turns = k % 4
    if turns % 2 == 0:
        return flip(m, (first, second)) if turns else m
    return (
        swapaxes(flip(m, second), first, second) if turns == 1 else flip(swapaxes(m, first, second), second)
    )


@op
class cycle:
    """The elements moved on along an axis, the last ones to its start. The adjoint moves back.

    Two slices and a join would do; stencils are made of little else, and this is a third of their ops.
    """

    shifts = ("axis",)

    def evaluate(x, *, places, axis):
        edge, ahead = -places % max(x.shape[axis], 1), (slice(None),) * axis
        return np.concatenate([x[(*ahead, slice(edge, None))], x[(*ahead, slice(edge))]], axis=axis)

    def out(x, *, places, axis):
        return x

    def transpose(y_bar, x, *, places, axis):
        return cycle(y_bar, places=-places, axis=axis)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 4), dtype),), {"places": 1, "axis": 1}
        yield (reals.sample(rng, (3, 2), dtype),), {"places": -5, "axis": 0}


@numpy_function(np.roll)
def roll(a, shift, axis=None):
    """The elements shifted along axes; what leaves at the end enters at the start."""
    a = as_array(a)
    if axis is None:
        return reshape_to(roll(ravel(a), shift, 0), shape=a.shape)
    if type(shift) is int and type(axis) is int:  # the usual case, told at once
        axis = normal_axis(axis, a.ndim)
        return cycle(a, places=shift, axis=axis) if shift % max(a.shape[axis], 1) else a
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    for s, k in np.broadcast(deciding(shift, "shifts"), axes):
        k = normal_axis(k, a.ndim)
        places = operator.index(s)
        if places % max(a.shape[k], 1):
            a = cycle(a, places=places, axis=k)
    return a


@numpy_function(np.rollaxis)
def rollaxis(a, axis, start=0):
    """One axis moved to stand before the axis `start`."""
    axis, start = normal_axis(axis, a.ndim), start + a.ndim if start < 0 else start
    if not 0 <= start <= a.ndim:
        raise np.exceptions.AxisError(start, a.ndim + 1)
    return moveaxis(a, axis, start - 1 if axis < start else start)


# -------------------------------------------------- repeats
@numpy_function(np.tile)
def tile(A, reps):
    """The array as a block, repeated along each axis."""
    a, reps = as_array(A), tuple(np.atleast_1d(deciding(reps, "repetitions")).tolist())
    ndim = max(a.ndim, len(reps))
    reps, shape = (1,) * (ndim - len(reps)) + reps, (1,) * (ndim - a.ndim) + a.shape
    pairs = tuple(zip(reps, shape, strict=True))
    lifted = reshape_to(a, shape=tuple(n for _, size in pairs for n in (1, size)))
    blocks = expand_to(lifted, shape=tuple(n for pair in pairs for n in pair))
    return apart(reshape_to(blocks, shape=tuple(rep * size for rep, size in pairs)))


@numpy_function(np.repeat)
def repeat(a, repeats, axis=None):
    """Each element several times in a row: one count for all, or one for each along the axis."""
    a, counts = as_array(a), np.asarray(deciding(repeats, "counts"))
    if axis is None:
        a, axis = ravel(a), 0
    axis = normal_axis(axis, a.ndim)
    if counts.size != 1:
        return take(a, np.repeat(np.arange(a.shape[axis]), counts), axis=axis)
    n, shape = operator.index(counts.item()), a.shape
    if n < 0:
        raise ValueError("repeats may not contain negative values.")
    lifted = reshape_to(a, shape=shape[: axis + 1] + (1,) + shape[axis + 1 :])
    copies = expand_to(lifted, shape=shape[: axis + 1] + (n,) + shape[axis + 1 :])
    return apart(reshape_to(copies, shape=shape[:axis] + (shape[axis] * n,) + shape[axis + 1 :]))


@numpy_function(np.resize)
def resize(a, new_shape):
    """The elements in C order, again from the start when they run out, under a new shape."""
    a, shape = as_array(a), (new_shape,) if np.ndim(new_shape) == 0 else tuple(new_shape)
    positions = np.resize(np.arange(a.size), shape)
    if not a.size:
        return np.zeros(shape, a.dtype)
    return gather(ravel(a), positions)


# -------------------------------------------------- triangles and diagonals
@numpy_function(np.tril)
def tril(m, k=0):
    """The lower triangle of the last two axes, zeros above diagonal k."""
    m = as_array(m)
    return where(np.tri(*m.shape[-2:], k=k, dtype=bool), m, 0)


@numpy_function(np.triu)
def triu(m, k=0):
    """The upper triangle of the last two axes, zeros below diagonal k."""
    m = as_array(m)
    return where(np.tri(*m.shape[-2:], k=k - 1, dtype=bool), 0, m)


@numpy_function(np.diagonal)
def diagonal(a, offset=0, axis1=0, axis2=1):
    """The diagonals of the planes of two axes, as a last axis: every (columns + 1)-th element of a plane."""
    a = as_array(a)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    axis1, axis2 = normal_axes((axis1, axis2), a.ndim)
    a = moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = a.shape[-2:]
    start, length = (offset, columns - offset) if offset >= 0 else (-offset * columns, columns)
    length = max(0, min(length, rows + min(offset, 0)))
    flat = reshape_to(a, shape=a.shape[:-2] + (rows * columns,))
    return read_only(on_axis(flat, flat.ndim - 1, start, start + length * (columns + 1), columns + 1))


@numpy_function(np.linalg.diagonal)
def matrix_diagonal(x, /, *, offset=0):
    """The diagonals of the last two axes."""
    return diagonal(x, offset, -2, -1)


@numpy_function(np.diag)
def diag(v, k=0):
    """Diagonal k of a matrix, or the square matrix with a vector on that diagonal and zeros elsewhere."""
    v = as_array(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = v.size + abs(k)
    start = k if k >= 0 else -k * n
    key = (slice(start, start + v.size * (n + 1), n + 1),)
    return reshape_to(spread(v, key=key, shape=(n * n,)), shape=(n, n))


@numpy_function(np.diagflat)
def diagflat(v, k=0):
    """All elements on diagonal k of a square matrix."""
    return diag(ravel(v), k)


# -------------------------------------------------- grids and windows
@numpy_function(np.meshgrid)
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """Coordinates on a grid from the coordinates along its axes."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    ndim, grids = len(xi), []
    for k, x in enumerate(map(as_array, xi)):
        place = 1 - k if indexing == "xy" and ndim > 1 and k < 2 else k
        grids.append(reshape_to(x, shape=(1,) * place + (x.size,) + (1,) * (ndim - place - 1)))
    return tuple(grids) if sparse else broadcast_arrays(*grids)


@numpy_function(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
    """Windows along axes, each as a new last axis; the adjoint adds up where windows overlap."""
    x = as_array(x)
    windows = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    axes = tuple(range(x.ndim)) if axis is None else tuple(axis) if np.iterable(axis) else (axis,)
    if len(axes) != len(windows):
        raise ValueError(
            f"Must provide matching length window_shape and axis; got {len(windows)} window_shape elements "
            f"and {len(axes)} axes elements."
        )
    for k, width in zip([normal_axis(k, x.ndim) for k in axes], windows, strict=True):
        count = x.shape[k] - width + 1
        if width < 0 or count < 1:
            raise ValueError("window shape cannot be larger than input array shape")
        x = moveaxis(take(x, np.arange(count)[:, None] + np.arange(width), axis=k), k + 1, -1)
    return x
