"""Indexing: reading with any key NumPy knows, and selection.

Two linear ops and their adjoints do all of it: `cut` for slices, with `spread`, and `gather` for integer
arrays on the leading axes, with `scatter_add`. A key is split once into those parts. Writing: updates.py.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import reals
from dualdiff.errors import ControlFlowError
from dualdiff.memory import share
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.structural import as_array, expand_to, normal_axis, permute


# -------------------------------------------------- the ops
@op
class cut:
    """Basic indexing: integers, slices, None and `...`, a view in NumPy; the adjoint pads with zeros."""

    moves = True
    views = True

    def evaluate(x, *, key):
        return x[key]

    def out(x, *, key):
        view = np.broadcast_to(np.empty((), bool), x.shape)[key]
        return Aval(view.shape, x.dtype)

    def transpose(y_bar, x, *, key):
        return spread(y_bar, key=key, shape=x.shape)

    def batch(size, mapped, values, params):
        return cut(values[0], key=(slice(None), *params["key"]))

    def domain(rng, dtype):
        yield (reals.sample(rng, (4, 3), dtype),), {"key": (slice(3, 0, -2), None, 1)}


@op
class spread:
    """Zeros of the given shape with x at a basic key: the adjoint of `cut`."""

    moves = True

    def evaluate(x, *, key, shape):
        y = np.zeros(shape, x.dtype)
        y[key] = x
        return y

    def out(x, *, key, shape):
        return Aval(shape, x.dtype)

    def transpose(y_bar, x, *, key, shape):
        return cut(y_bar, key=key)

    def batch(size, mapped, values, params):
        return spread(values[0], key=(slice(None), *params["key"]), shape=(size, *params["shape"]))

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 1), dtype),), {"key": (slice(3, 0, -2), None, 1), "shape": (4, 3)}


def index_shape(indices) -> tuple[int, ...]:
    return np.broadcast_shapes(*(i.shape for i in indices))


def batched_indices(size, mapped, values):
    """Index arrays with the batch axis in front of all other index axes, where there is one."""
    free = max(i.ndim - m for i, m in zip(values, mapped, strict=True))
    return [
        i.reshape((size,) + (1,) * (free - i.ndim + 1) + i.shape[1:]) if m else i
        for i, m in zip(values, mapped, strict=True)
    ], free


@op
class gather:
    """x[i, j, ...] with broadcasting integer arrays on the first axes of x, which is linear in x."""

    linear = (0,)

    def evaluate(x, *indices):
        return x[indices]

    def out(x, *indices):
        return Aval(index_shape(indices) + x.shape[len(indices) :], x.dtype)

    def transpose(y_bar, x, *indices):
        return scatter_add(y_bar, *indices, shape=x.shape)

    def batch(size, mapped, values, params):
        x, indices = values[0], values[1:]
        indices, free = batched_indices(size, mapped[1:], indices)
        if not mapped[0]:
            return gather(x, *indices)
        if any(mapped[1:]):
            return gather(x, np.arange(size).reshape((size,) + (1,) * free), *indices)
        k = len(indices)  # the indexed axes stay together behind the batch axis
        y = gather(permute(x, axes=(*range(1, k + 1), 0, *range(k + 1, x.ndim))), *indices)
        return permute(y, axes=(free, *range(free), *range(free + 1, y.ndim)))

    def domain(rng, dtype):
        yield (reals.sample(rng, (3, 4), dtype), np.array([[0], [2]]), np.array([1, 1, -1])), {}
        yield (reals.sample(rng, (3, 2), dtype), np.array([0, 0, 2])), {}


@op
class scatter_add:
    """Zeros of the given shape with x added at [i, j, ...], duplicates each: the adjoint of gather."""

    linear = (0,)

    def evaluate(x, *indices, shape):
        y = np.zeros(shape, x.dtype)
        np.add.at(y, indices, x)
        return y

    def out(x, *indices, shape):
        return Aval(shape, x.dtype)

    def transpose(y_bar, x, *indices, shape):
        return gather(y_bar, *indices)

    def batch(size, mapped, values, params):
        x, indices, shape = values[0], values[1:], params["shape"]
        indices, free = batched_indices(size, mapped[1:], indices)
        if not mapped[0]:
            x = expand_to(x, shape=(size, *x.shape))
        rows = np.arange(size).reshape((size,) + (1,) * free)
        return scatter_add(x, rows, *indices, shape=(size, *shape))

    def domain(rng, dtype):
        yield (reals.sample(rng, (3, 2), dtype), np.array([0, 0, 2])), {"shape": (4, 2)}


# -------------------------------------------------- keys
def getitem(x: Any, key: Any) -> Any:
    """x[key] for a tensor x, or for an array x and tensors of integers in the key."""
    key = key if isinstance(key, tuple) else (key,)
    if all(map(is_basic, key)):
        y = cut(x, key=key)
        return y if y.shape or ... not in key else share(x, y)  # NumPy makes x[0, ...] an array
    parts = [normal_part(part) for part in key]
    parts, gap = one_per_axis(parts, x.shape)
    if not any(isinstance(part, (np.ndarray, Tracer)) for part in parts):
        return cut(x, key=tuple(parts))
    return advanced(x, parts, gap)


_POINTS = frozenset([int, type(None), type(Ellipsis)])
_ENDS = frozenset([int, type(None)])


def is_basic(part: Any) -> bool:
    """Whether an element of a key is one that NumPy takes as it stands and that reads a view."""
    kind = type(part)
    if kind is slice:
        return type(part.start) in _ENDS and type(part.stop) in _ENDS and type(part.step) in _ENDS
    return kind in _POINTS


def normal_part(part: Any) -> Any:
    """One element of a key as an int, a slice, None, Ellipsis or an integer or boolean array."""
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        ends = (part.start, part.stop, part.step)
        return slice(*(end if end is None else operator.index(end) for end in ends))
    if isinstance(part, (bool, np.bool_)):
        return np.asarray(part)
    if isinstance(part, (int, np.integer)):
        return int(part)
    array = as_array(part)
    if (
        isinstance(array, np.ndarray)
        and array.size == 0
        and array.dtype.kind == "f"
        and isinstance(part, (list, tuple))
    ):
        array = array.astype(int)
    if array.dtype.kind not in "biu":
        raise IndexError("only integers, slices, None, ... and integer or boolean arrays are valid indices")
    return array


def is_mask(part: Any) -> bool:
    return hasattr(part, "dtype") and part.dtype.kind == "b"


def one_per_axis(parts: list, shape: tuple[int, ...]) -> tuple[list, int]:
    """The key with a slice for every axis that it leaves out and an integer array for every axis of a mask.

    What takes no axis stays: None, and a single boolean, which makes an axis of length 0 or 1. Also where the
    ellipsis stood: it separates index arrays even where it stands for no axis.
    """
    takes = [p.ndim if is_mask(p) else int(p is not None and p is not Ellipsis) for p in parts]
    if sum(takes) > len(shape):
        raise IndexError(
            f"too many indices: the array is {len(shape)}-dimensional, but {sum(takes)} were indexed"
        )
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    fill = [slice(None)] * (len(shape) - sum(takes))
    found: list = []
    axis = gap = 0
    for part, n in zip(parts, takes, strict=True):
        if part is Ellipsis:
            gap = len(found)
            found += fill
            axis += len(fill)
            fill = []
        else:
            found += mask_to_indices(part, shape[axis : axis + n]) if is_mask(part) and n else [part]
            axis += n
    return found + fill, gap


def mask_to_indices(mask: Any, shape: tuple[int, ...]) -> tuple:
    mask = plain_mask(mask)
    if mask.shape != shape:
        raise IndexError(
            f"boolean index of shape {mask.shape} did not match the indexed axes of shape {shape}"
        )
    return np.nonzero(mask)


def plain_mask(mask: Any) -> Any:
    """The booleans themselves; a tensor of booleans says whether it can decide a shape."""
    return mask.as_mask() if isinstance(mask, Tracer) else mask


def batched_mask() -> ControlFlowError:
    return ControlFlowError(
        "indexing with a batched boolean mask: the shape of the result would depend on the example.",
        "Use np.where(mask, x, 0).",
    )


def advanced(x: Any, parts: list, gap: int) -> Any:
    """Slices first, then the indexed axes to the front, gather, and the new axes to NumPy's place."""
    arrays = [k for k, p in enumerate(parts) if isinstance(p, (np.ndarray, Tracer, int))]
    basic = tuple(
        None if is_mask(p) else slice(None) if k in arrays else p for k, p in enumerate(parts)
    )  # a single boolean chooses all or nothing of a new axis
    x = cut(x, key=basic) if any(p != slice(None) for p in basic) else x
    indices = [index_array(parts[k]) for k in arrays]
    order = arrays + [k for k in range(x.ndim) if k not in arrays]
    if order != list(range(x.ndim)):
        x = permute(x, axes=tuple(order))
    y = gather(x, *indices)
    together = arrays == list(range(arrays[0], arrays[0] + len(arrays)))
    if not together or arrays[0] == 0 or arrays[0] < gap <= arrays[-1]:
        return y
    free = len(index_shape(indices))
    axes = (*range(free, free + arrays[0]), *range(free), *range(free + arrays[0], y.ndim))
    return permute(y, axes=axes)


def index_array(part: Any) -> Any:
    if not is_mask(part):
        return np.asarray(part) if isinstance(part, int) else part
    return np.zeros(int(plain_mask(part)), int)


# -------------------------------------------------- selection
@op
class select_where:
    """x where the condition holds, else y: each argument receives the cotangent of its own elements."""

    linear = (1, 2)
    core = 0

    def evaluate(condition, x, y):
        return np.where(condition, x, y)

    def out(condition, x, y):
        shape = np.broadcast_shapes(*(np.shape(v) for v in (condition, x, y)))
        return Aval(shape, np.result_type(*(getattr(v, "dtype", v) for v in (x, y))))

    def transpose(z_bar, condition, x, y):
        return select_where(condition, z_bar, 0), select_where(condition, 0, z_bar)

    def domain(rng, dtype):
        x, y = reals.sample(rng, (2, 3), dtype), reals.sample(rng, (3,), dtype)
        yield (np.array([[True], [False]]), x, y), {}


@numpy_function(np.where)
def where(condition, x=None, y=None, /):
    """NumPy's where; with the condition alone, the indices of its true elements."""
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    condition = stop_gradient(as_array(condition))
    if condition.dtype.kind != "b":
        condition = condition != 0
    return select_where(
        condition, *(v if isinstance(v, (int, float, complex)) else as_array(v) for v in (x, y))
    )


@numpy_function(np.nonzero)
def nonzero(a):
    """The indices of the non-zero elements: plain integers, no derivative."""
    a = as_array(a)
    return np.nonzero(a.concrete() if isinstance(a, Tracer) else a)


@numpy_function(np.take)
def take(a, indices, axis=None, out=None, mode="raise"):
    """Elements along an axis by integer indices; `mode` wrap or clip brings them into range first."""
    refuse("np.take", out=out)
    a, indices = as_array(a), as_array(indices)
    if indices.dtype.kind == "b":  # 0 and 1 here, which as an index would be a mask
        indices = indices.astype(np.intp)
    if indices.dtype.kind not in "iu" and indices.size:
        raise TypeError(f"np.take needs integer indices, not {indices.dtype}")
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normal_axis(axis, a.ndim)
    if mode == "wrap":
        indices = indices % a.shape[axis]
    elif mode == "clip":
        indices = np.clip(indices, 0, a.shape[axis] - 1)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    return getitem(a, (slice(None),) * axis + (indices,))


def along_axis(a, indices, axis):
    """The key that picks `indices` along `axis` and runs over all other axes of a."""
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if indices.ndim != a.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    grids = [np.arange(n).reshape((1,) * k + (n,) + (1,) * (a.ndim - k - 1)) for k, n in enumerate(a.shape)]
    grids[axis] = indices
    return tuple(grids)


@numpy_function(np.take_along_axis)
def take_along_axis(arr, indices, axis=-1):
    """Elements along an axis, by one index array per slice."""
    arr, indices = as_array(arr), as_array(indices)
    if axis is None:
        return gather(arr.reshape(-1), indices)
    return gather(arr, *along_axis(arr, indices, normal_axis(axis, arr.ndim)))
