"""Structural ops: they move, repeat or join elements and compute nothing. All are linear.

Each op stands beside its adjoint: reshape with reshape, broadcast with sum, concatenate with slices.
Functions with NumPy's signature follow the ops that they are made of; a few lines longer than 400 for that.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from dualdiff.avals import Aval, inexact
from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import reals
from dualdiff.errors import NoDerivative
from dualdiff.memory import share
from dualdiff.ops.elementwise import stop_gradient


def normal_axis(axis, ndim: int) -> int:
    """A non-negative axis number, or NumPy's AxisError."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def normal_axes(axis, ndim: int) -> tuple[int, ...]:
    """The axes that `axis` names, as non-negative numbers; None names them all."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(normal_axis(a, ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(set(axes)) < len(axes):
        raise ValueError("duplicate value in 'axis'")
    return axes


def reduced_axes(axis, ndim: int) -> tuple[int, ...]:
    """The axes that a reduction runs over."""
    return () if of_a_number(axis, ndim) else ufunc_axes(axis, ndim)


def ufunc_axes(axis, ndim: int) -> tuple[int, ...]:
    """As normal_axes, for the functions of NumPy that take neither a list nor a boolean."""
    if isinstance(axis, (list, bool)):
        raise TypeError(f"axis is None, an integer or a tuple of integers, not of type {type(axis).__name__}")
    return normal_axes(axis, ndim)


def integer_axis(axis, ndim: int) -> int:
    """As normal_axis, for the functions of NumPy that take no boolean."""
    if isinstance(axis, bool):
        raise TypeError("an integer is required for the axis, not a boolean")
    return normal_axis(axis, ndim)


def as_dtype(dtype) -> np.dtype:
    """The dtype that a keyword names. An array or tensor names none, though it has one."""
    if isinstance(dtype, (Tracer, np.ndarray)):
        raise TypeError("Cannot construct a dtype from an array; pass its dtype.")
    return np.dtype(dtype)


def of_a_number(axis, ndim: int) -> bool:
    """Whether this is the axis 0 or -1 of a number, which NumPy's reductions and scans take for none."""
    return ndim == 0 and type(axis) is int and axis in (0, -1)


def check_order(order) -> None:
    """NumPy's error for a memory order that is none; a tensor has no memory order of its own."""
    if order != "K":
        np.copy(np.empty(0), order=order)


def as_array(x):
    """x itself if it is an array or a tensor, else the array that it spells."""
    return x if isinstance(x, (Tracer, np.ndarray)) else np.asarray(x)


# -------------------------------------------------- the ops
@op
class reshape_to:
    """The same elements in C order under another shape."""

    moves = True
    views = True

    def evaluate(x, *, shape):
        return x.reshape(shape)

    def out(x, *, shape):
        return Aval(shape, x.dtype)

    def transpose(y_bar, x, *, shape):
        return reshape_to(y_bar, shape=x.shape)

    def batch(size, mapped, values, params):
        return reshape_to(values[0], shape=(size, *params["shape"]))

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3), dtype),), {"shape": (3, 2)}


@op
class permute:
    """Axes in another order."""

    moves = True
    views = True

    def evaluate(x, *, axes):
        return x.transpose(axes)

    def out(x, *, axes):
        return Aval(tuple(x.shape[a] for a in axes), x.dtype)

    def transpose(y_bar, x, *, axes):
        inverse = sorted(range(len(axes)), key=axes.__getitem__)
        return permute(y_bar, axes=tuple(inverse))

    def batch(size, mapped, values, params):
        return permute(values[0], axes=(0, *(a + 1 for a in params["axes"])))

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3, 4), dtype),), {"axes": (2, 0, 1)}


@op
class expand_to:
    """Broadcasting; its adjoint sums the copies, which reverse mode does for every rule in one place."""

    moves = True
    views = "read-only"

    def evaluate(x, *, shape):
        return np.broadcast_to(x, shape)

    def out(x, *, shape):
        return Aval(shape, x.dtype)

    def transpose(y_bar, x, *, shape):
        return y_bar

    def batch(size, mapped, values, params):
        x, shape = values[0], params["shape"]
        lifted = reshape_to(x, shape=(size, *(1,) * (len(shape) - x.ndim + 1), *x.shape[1:]))
        return expand_to(lifted, shape=(size, *shape))

    def domain(rng, dtype):
        yield (reals.sample(rng, (3, 1), dtype),), {"shape": (2, 3, 4)}


@op
class join:
    """Arrays one after another along `axis`; the adjoint cuts the pieces apart."""

    def evaluate(*xs, axis):
        return np.concatenate(xs, axis=axis)

    linear = None  # every argument

    def out(*xs, axis):
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return Aval(tuple(shape), np.result_type(*(x.dtype for x in xs)))

    def transpose(y_bar, *xs, axis):
        pieces, start = [], 0
        for x in xs:
            stop = start + x.shape[axis]
            pieces.append(y_bar[(slice(None),) * axis + (slice(start, stop),)])
            start = stop
        return tuple(pieces)

    def batch(size, mapped, values, params):
        full = [x if m else expand_to(x, shape=(size, *x.shape)) for m, x in zip(mapped, values, strict=True)]
        return join(*full, axis=params["axis"] + 1)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 1), dtype), reals.sample(rng, (2, 3), dtype)), {"axis": 1}


@op
class convert:
    """The same numbers in another dtype; to an integer dtype no derivative flows."""

    core = 0

    def evaluate(x, *, dtype):
        return x.astype(dtype)

    def out(x, *, dtype):
        return Aval(x.shape, np.dtype(dtype))

    def transpose(y_bar, x, *, dtype):
        return y_bar

    def domain(rng, dtype):
        yield (reals.sample(rng, (3,), dtype),), {"dtype": dtype}


# -------------------------------------------------- NumPy's functions, made of them
@numpy_function("astype")  # NumPy 2.1
def astype(x, dtype, /, *, copy=True, device=None):
    """x in another dtype. The cotangent is cast back; casting to integers stops the derivative."""
    dtype = as_dtype(dtype)
    if dtype == x.dtype:
        return x.again() if copy and isinstance(x, Tracer) else x
    return convert(x if inexact(dtype) else stop_gradient(x), dtype=dtype)


def cast(x, dtype, casting: str):
    """x in another dtype, if the casting rule allows it."""
    if not np.can_cast(x.dtype, dtype, casting):
        raise TypeError(f"Cannot cast array data from {x.dtype} to {dtype} according to the rule {casting!r}")
    return astype(x, dtype)


@numpy_function(np.reshape)
def reshape(a, /, shape=None, order="C", *, newshape=None, copy=None):
    """The same elements under another shape, read and written in C or Fortran order.

    `newshape` is what NumPy 2.0 called `shape`.
    """
    a = as_array(a)
    shape = newshape if shape is None else shape
    shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    shape = _filled(tuple(operator.index(n) for n in shape), a.size)
    if order not in ("C", "F"):
        raise NoDerivative(f"np.reshape on a tensor does not support order={order!r}.", "Use 'C' or 'F'.")
    if order == "F":
        return transpose(reshape_to(transpose(a), shape=shape[::-1]))
    y = reshape_to(a, shape=shape)
    return y if shape else share(a, y)


def _filled(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The shape with its -1 replaced by what makes the sizes equal."""
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known and size % known == 0:
        shape = tuple(size // known if n == -1 else n for n in shape)
    if math.prod(shape) != size or -1 in shape:
        raise ValueError(f"cannot reshape array of size {size} into shape {shape}")
    return shape


@numpy_function(np.ravel)
def ravel(a, order="C"):
    """All elements on one axis."""
    return reshape(a, -1, order=order)


@numpy_function(np.transpose, np.permute_dims)
def transpose(a, axes=None):
    """Axes reversed, or in the order given."""
    a = as_array(a)
    if axes is None:
        return permute(a, axes=tuple(range(a.ndim))[::-1])
    axes = (axes,) if isinstance(axes, int) else axes
    if len(axes) != a.ndim:
        raise ValueError("axes don't match array")
    return permute(a, axes=normal_axes(tuple(axes), a.ndim))


@numpy_function(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x):
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


@numpy_function(np.swapaxes)
def swapaxes(a, axis1, axis2):
    """Two axes exchanged."""
    a = as_array(a)
    order = list(range(a.ndim))
    i, j = normal_axis(axis1, a.ndim), normal_axis(axis2, a.ndim)
    order[i], order[j] = order[j], order[i]
    return permute(a, axes=tuple(order))


@numpy_function(np.moveaxis)
def moveaxis(a, source, destination):
    """Axes moved to new places, the others in their order."""
    a = as_array(a)
    source, destination = normal_axes(source, a.ndim), normal_axes(destination, a.ndim)
    if len(source) != len(destination):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [k for k in range(a.ndim) if k not in source]
    for to, k in sorted(zip(destination, source, strict=True)):
        order.insert(to, k)
    return permute(a, axes=tuple(order))


@numpy_function(np.expand_dims)
def expand_dims(a, axis):
    """New axes of length 1."""
    a = as_array(a)
    places = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = normal_axes(tuple(places), a.ndim + len(places))
    old = iter(a.shape)
    return reshape_to(a, shape=tuple(1 if k in places else next(old) for k in range(a.ndim + len(places))))


@numpy_function(np.squeeze)
def squeeze(a, axis=None):
    """Axes of length 1 removed."""
    a = as_array(a)
    gone = [k for k, n in enumerate(a.shape) if n == 1] if axis is None else reduced_axes(axis, a.ndim)
    if any(a.shape[k] != 1 for k in gone):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return reshape_to(a, shape=tuple(n for k, n in enumerate(a.shape) if k not in gone))


@numpy_function(np.broadcast_to)
def broadcast_to(array, shape, subok=False):
    """The array repeated along new or length-1 axes."""
    shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    if np.broadcast_shapes(array.shape, shape) != shape:
        raise ValueError(f"cannot broadcast shape {array.shape} to shape {shape}")
    return expand_to(array, shape=shape)


@numpy_function(np.broadcast_arrays)
def broadcast_arrays(*args, subok=False):
    """All arguments in their common shape."""
    arrays = [as_array(x) for x in args]
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(expand_to(x, shape=shape) for x in arrays)


@numpy_function(np.concatenate)
def concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Arrays one after another along an axis; axis=None flattens them first."""
    refuse("np.concatenate", out=out)
    arrays = [as_array(x) for x in arrays]
    if axis is None:
        arrays, axis = [reshape_to(x, shape=(x.size,)) for x in arrays], 0
    if dtype is not None or casting != "same_kind":
        target = np.result_type(*(x.dtype for x in arrays)) if dtype is None else as_dtype(dtype)
        arrays = [cast(x, target, casting) for x in arrays]
    return join(*arrays, axis=integer_axis(axis, arrays[0].ndim))


@numpy_function(np.stack)
def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Arrays of one shape along a new axis."""
    arrays = [as_array(x) for x in arrays]
    if len({x.shape for x in arrays}) != 1:
        raise ValueError("all input arrays must have the same shape")
    axis = normal_axis(axis, arrays[0].ndim + 1)
    pieces = [expand_dims(x, axis) for x in arrays]
    return concatenate(pieces, axis=axis, out=out, dtype=dtype, casting=casting)


@numpy_function(np.vstack)
def vstack(tup, *, dtype=None, casting="same_kind"):
    """Rows stacked."""
    return concatenate([atleast_2d(x) for x in tup], axis=0, dtype=dtype, casting=casting)


@numpy_function(np.hstack)
def hstack(tup, *, dtype=None, casting="same_kind"):
    """Columns stacked; vectors end to end."""
    arrays = [atleast_1d(x) for x in tup]
    axis = 0 if arrays[0].ndim == 1 else 1
    return concatenate(arrays, axis=axis, dtype=dtype, casting=casting)


@numpy_function(np.dstack)
def dstack(tup):
    """Stacked along the third axis."""
    return concatenate([atleast_3d(x) for x in tup], axis=2)


@numpy_function(np.column_stack)
def column_stack(tup):
    """Vectors as the columns of a matrix."""
    arrays = [as_array(x) for x in tup]
    return concatenate([x if x.ndim > 1 else reshape(x, (-1, 1)) for x in arrays], axis=1)


def _atleast(name: str, lift):
    def atleast(*arys):
        lifted = tuple(lift(as_array(x)) for x in arys)
        return lifted[0] if len(lifted) == 1 else lifted

    atleast.__name__ = atleast.__qualname__ = name
    atleast.__doc__ = f"The arguments with enough axes for np.{name}."
    return atleast


atleast_1d = numpy_function(np.atleast_1d)(
    _atleast("atleast_1d", lambda x: x if x.ndim >= 1 else reshape(x, (1,)))
)
atleast_2d = numpy_function(np.atleast_2d)(
    _atleast("atleast_2d", lambda x: x if x.ndim >= 2 else reshape(x, (1, x.size)))
)
atleast_3d = numpy_function(np.atleast_3d)(
    _atleast("atleast_3d", lambda x: x if x.ndim >= 3 else expand_dims(atleast_2d(x), 2 if x.ndim else 0))
)


@numpy_function(np.copy)
def copy(a, order="K", subok=False):
    """The value again, with its derivative."""
    check_order(order)
    a = as_array(a)
    return a.again() if isinstance(a, Tracer) else a.copy()


def copy_op(a):
    """The same as an op of its own, for those who look at what was recorded."""
    return convert(a, dtype=a.dtype)


# -------------------------------------------------- questions about the shape
@numpy_function(np.shape)
def shape(a):
    """The shape, a plain tuple."""
    return a.shape if hasattr(a, "shape") else np.shape(a)


@numpy_function(np.ndim)
def ndim(a):
    """The number of axes, a plain int."""
    return a.ndim if hasattr(a, "ndim") else np.ndim(a)


@numpy_function(np.size)
def size(a, axis=None):
    """The number of elements, in all or along axes, a plain int."""
    return a.size if axis is None else math.prod(a.shape[k] for k in normal_axes(axis, a.ndim))


@numpy_function(np.result_type)
def result_type(*arrays_and_dtypes):
    """The dtype that combining the arguments would have."""
    return np.result_type(*(x.dtype if isinstance(x, Tracer) else x for x in arrays_and_dtypes))


@numpy_function(np.iscomplexobj)
def iscomplexobj(x):
    """Whether the dtype is complex."""
    return x.dtype.kind == "c"


@numpy_function(np.isrealobj)
def isrealobj(x):
    """Whether the dtype is not complex."""
    return x.dtype.kind != "c"
