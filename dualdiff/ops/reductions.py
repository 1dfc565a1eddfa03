"""Reductions and scans. An op takes its axes as a tuple of non-negative numbers; functions have NumPy's signature."""

from __future__ import annotations

import numpy as np

from dualdiff.avals import Aval
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import reals
from dualdiff.ops.indexing import where as select
from dualdiff.ops.structural import as_array, astype, expand_to, normal_axes, reshape_to
from dualdiff.ops.ufuncs import ufunc_method


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with the reduced axes as 1."""
    return tuple(1 if k in axis else n for k, n in enumerate(shape))


def reduced(x, axis: tuple[int, ...]) -> Aval:
    return Aval(tuple(n for k, n in enumerate(x.shape) if k not in axis), x.dtype)


def expand_back(y, x, axis):
    """y, one value per slice of x along `axis`, against every element of its slice."""
    return expand_to(reshape_to(y, shape=kept_shape(x.shape, axis)), shape=x.shape)


@op
class reduce_sum:
    """The sum along axes; its adjoint copies the cotangent along them."""

    shifts = ("axis",)

    def evaluate(x, *, axis):
        return np.add.reduce(x, axis=axis)

    def out(x, *, axis):
        return reduced(x, axis)

    def transpose(y_bar, x, *, axis):
        return expand_back(y_bar, x, axis)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": (0, 2)}


@numpy_function(np.sum)
@ufunc_method(np.add, "reduce")
def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """The sum along axes. `initial` is a constant, `where` leaves elements out."""
    refuse("np.sum", out=out)
    a = masked(as_array(a), where, 0)
    a = a if dtype is None else astype(a, dtype)
    axes = normal_axes(axis, a.ndim)
    y = reduce_sum(a, axis=axes)
    y = y if initial is None or initial is np._NoValue else y + initial
    return keep(y, a, axes, keepdims)


def masked(a, where, neutral):
    """a with the neutral element where the mask is False."""
    if where is None or where is True or where is np._NoValue:
        return a
    return select(where, a, neutral)


def keep(y, a, axes, keepdims):
    """y with the reduced axes as 1, if asked."""
    return reshape_to(y, shape=kept_shape(a.shape, axes)) if keepdims is True else y
