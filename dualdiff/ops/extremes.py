"""Extremes along axes, and reductions to integers and booleans: where the extreme is, how many, all, any.

Elements that tie share the derivative evenly, and a NaN that decides the result is the element selected.
"""

from __future__ import annotations

import numpy as np

from dualdiff.core import Op
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import reals
from dualdiff.ops.elementwise import chosen, fmax, fmin, maximum, minimum, stop_gradient
from dualdiff.ops.indexing import select_where
from dualdiff.ops.reductions import (
    begun,
    given,
    keep,
    lift,
    masked,
    merged,
    nowhere,
    reduce_sum,
    reduced,
    with_first,
)
from dualdiff.ops.structural import as_array, astype, integer_axis, of_a_number, reduced_axes, reshape_to
from dualdiff.ops.ufuncs import ufunc_method


# -------------------------------------------------- the ops
def extreme(f: Op, picked) -> Op:
    """The reduction by f, one of maximum, minimum, fmax, fmin; picked(y, x) says where x is the result y."""

    def shares(y, x, axis):
        hit = picked(lift(y, x, axis), x)
        number = np.maximum(reduce_sum(hit, axis=axis), 1)  # fmax of NaN alone picks none
        return hit, (1 / number).astype(x.dtype)

    @op
    class reduce:
        name = f"reduce_{f.name}"
        __doc__ = f"{f.name} along axes: dy is the mean of dx over the elements equal to y."
        shifts = ("axis",)

        def evaluate(x, *, axis):
            return f.evaluate.reduce(x, axis=axis)

        def out(x, *, axis):
            return reduced(x, axis)

        def differential(y, x, dx, *, axis):
            hit, share = shares(y, x, axis)
            return reduce_sum(select_where(hit, dx, 0), axis=axis) * share

        def pullback(y_bar, y, x, *, axis):
            hit, share = shares(y, x, axis)
            return select_where(hit, lift(y_bar * share, x, axis), 0)

        def domain(rng, dtype):
            distinct = rng.permutation(24).reshape(2, 3, 4) / 8
            yield (distinct.astype(dtype),), {"axis": (0, 2)}

    return reduce


def equal_to(y, x):
    """Where x is the value y; a NaN is nowhere equal."""
    return np.equal(x, y)


def selected(y, x):
    """Where x is the value y, a NaN included."""
    return np.equal(x, y) if nowhere(np.isnan(y)) else chosen(y, x)


EXTREMES = {
    f.name: extreme(f, picked)
    for f, picked in ((maximum, selected), (minimum, selected), (fmax, equal_to), (fmin, equal_to))
}


def lowest(dtype: np.dtype):
    """The value that every element is at least."""
    return False if dtype.kind == "b" else np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def highest(dtype: np.dtype):
    """The value that every element is at most."""
    return True if dtype.kind == "b" else np.iinfo(dtype).max if dtype.kind in "iu" else np.inf


NEUTRAL = {"maximum": lowest, "fmax": lowest, "minimum": highest, "fmin": highest}


def reduce_extreme(name: str, a, axis, out, keepdims, initial, where):
    """The extreme along axes; `initial` takes part like one more element, and `where` needs it."""
    refuse(f"np.{name}", out=out)
    a = as_array(a)
    axes = reduced_axes(axis, a.ndim)
    if not begun(initial):
        if given(where):
            raise ValueError(
                f"reduction operation '{name}' does not have an identity, "
                "so to use a where mask one has to specify 'initial'"
            )
        return keep(EXTREMES[name](a, axis=axes), a, axes, keepdims)
    flat = with_first(initial, merged(masked(a, where, NEUTRAL[name](a.dtype)), axes))
    return keep(EXTREMES[name](flat, axis=(flat.ndim - 1,)), a, axes, keepdims)


# -------------------------------------------------- NumPy's functions
@numpy_function(np.max, np.amax)
def max(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """The largest element along axes."""
    return reduce_extreme("maximum", a, axis, out, keepdims, initial, where)


@numpy_function(np.min, np.amin)
def min(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """The smallest element along axes."""
    return reduce_extreme("minimum", a, axis, out, keepdims, initial, where)


@numpy_function(np.ptp)
def ptp(a, axis=None, out=None, keepdims=False):
    """The distance from the smallest to the largest element along axes."""
    refuse("np.ptp", out=out)
    a = as_array(a)
    return max(a, axis, None, keepdims) - min(a, axis, None, keepdims)


def _install(name: str, ufunc: np.ufunc) -> None:
    @ufunc_method(ufunc, "reduce")
    def reduce(array, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=None):
        array = as_array(array)
        array = array if dtype is None else astype(array, dtype)
        return reduce_extreme(name, array, axis, out, keepdims, initial, where)


for _name in EXTREMES:
    _install(_name, getattr(np, _name))


# -------------------------------------------------- integers and booleans
def question(function, example=(0, 2)) -> Op:
    """The reduction by a function of NumPy whose result has no derivative."""

    @op
    class reduce:
        name = f"reduce_{function.__name__}"
        __doc__ = f"np.{function.__name__} along axes: integers or booleans, no derivative."
        constant = True
        shifts = ("axis",)

        def evaluate(x, *, axis):
            return function(x, axis=axis)

        def domain(rng, dtype):
            yield (reals.sample(rng, (2, 3, 4), dtype),), {"axis": example}

    return reduce


reduce_all, reduce_any, reduce_count = (question(f) for f in (np.all, np.any, np.count_nonzero))
reduce_argmax, reduce_argmin = (question(f, 1) for f in (np.argmax, np.argmin))


def _answer(op: Op, a, axis, keepdims):
    a = stop_gradient(as_array(a))
    axes = reduced_axes(axis, a.ndim)
    return keep(op(a, axis=axes), a, axes, keepdims)


@numpy_function(np.all)
def all(a, axis=None, out=None, keepdims=False, *, where=None):
    """Whether all elements along axes are true; elements outside `where` count as true."""
    refuse("np.all", out=out)
    return _answer(reduce_all, masked(stop_gradient(as_array(a)), where, True), axis, keepdims)


@numpy_function(np.any)
def any(a, axis=None, out=None, keepdims=False, *, where=None):
    """Whether some element along axes is true; elements outside `where` count as false."""
    refuse("np.any", out=out)
    return _answer(reduce_any, masked(stop_gradient(as_array(a)), where, False), axis, keepdims)


@numpy_function(np.count_nonzero)
def count_nonzero(a, axis=None, *, keepdims=False):
    """How many elements along axes are not 0."""
    return _answer(reduce_count, a, axis, keepdims)


@ufunc_method(np.logical_and, "reduce")
def _all_reduce(array, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=None):
    refuse("np.logical_and.reduce", initial=initial, out=out)
    return all(array, axis, None, keepdims, where=where)


@ufunc_method(np.logical_or, "reduce")
def _any_reduce(array, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=None):
    refuse("np.logical_or.reduce", initial=initial, out=out)
    return any(array, axis, None, keepdims, where=where)


def _place(op: Op, function: str, a, axis, out, keepdims):
    refuse(function, out=out)
    a = stop_gradient(as_array(a))
    if axis is None or of_a_number(axis, a.ndim):
        y = op(reshape_to(a, shape=(a.size,)), axis=0)
        return keep(y, a, tuple(range(a.ndim)), keepdims is not np._NoValue and bool(keepdims))
    axis = integer_axis(axis, a.ndim)
    return keep(op(a, axis=axis), a, (axis,), keepdims is not np._NoValue and bool(keepdims))


@numpy_function(np.argmax)
def argmax(a, axis=None, out=None, *, keepdims=False):
    """The index of the first largest element along an axis, or among all in C order."""
    return _place(reduce_argmax, "np.argmax", a, axis, out, keepdims)


@numpy_function(np.argmin)
def argmin(a, axis=None, out=None, *, keepdims=False):
    """The index of the first smallest element along an axis, or among all in C order."""
    return _place(reduce_argmin, "np.argmin", a, axis, out, keepdims)
