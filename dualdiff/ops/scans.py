"""Scans: running sums, products and extremes along an axis. Reductions to one number are in reductions.py.

Every scan but the running sum is y_k = g(y_(k-1), x_k) for an elementwise op g, so its derivative is the
first-order recurrence dy_k = d_1 g dy_(k-1) + d_2 g dx_k with the partials that g declares: no rule is typed
here, nothing is divided, and zeros and ties come out as those of g.
"""

from __future__ import annotations

import math

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import Op
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import positive, reals
from dualdiff.ops.elementwise import (
    divide,
    fmax,
    fmin,
    hypot,
    logaddexp,
    logaddexp2,
    maximum,
    minimum,
    multiply,
    subtract,
)
from dualdiff.ops.indexing import spread
from dualdiff.ops.structural import (
    as_array,
    astype,
    integer_axis,
    join,
    normal_axes,
    normal_axis,
    of_a_number,
    permute,
    reshape_to,
    swapaxes,
)
from dualdiff.ops.ufuncs import ufunc_method

SEQUENTIAL = 32  # up to this length a loop over the axis beats halving it


def to_last(x, axis: int):
    """x with `axis` and the last axis exchanged, which is its own inverse."""
    return x if axis == x.ndim - 1 else swapaxes(x, axis, -1)


# -------------------------------------------------- the recurrence
def _solve_recurrence(a, b):
    """h_k = a_k h_(k-1) + b_k by a loop, or by halving: pairs of steps are composed into one step each.

    Source: G. E. Blelloch, Prefix sums and their applications, 1990, section 1.4 (recurrence equations).
    Cost: O(n) operations; about 4 log2(n) NumPy calls for long axes, n calls for short or wide ones.
    """
    n = b.shape[-1]
    if not np.isfinite(a).all():
        return _solve_with_strong_zeros(a, b)
    if n <= SEQUENTIAL or b.size > n * n:
        steps = [b[..., 0]] if n else []
        for k in range(1, n):
            steps.append(a[..., k - 1] * steps[-1] + b[..., k])
        return np.stack(steps, -1) if n else b
    # Two steps: h_(2j+1) = a_(2j+1) a_(2j) h_(2j-1) + (a_(2j+1) b_(2j) + b_(2j+1)), with a_k at a[k - 1].
    m = n // 2
    pairs = a[..., 2::2][..., : m - 1] * a[..., 1::2][..., : m - 1]
    odd = _solve_recurrence(pairs, a[..., 0::2][..., :m] * b[..., 0::2][..., :m] + b[..., 1::2])
    even = a[..., 1::2] * odd[..., : n - 1 - m] + b[..., 2::2]
    h = np.empty(odd.shape[:-1] + (n,), odd.dtype)
    h[..., 0] = b[..., 0]
    h[..., 1::2], h[..., 2::2] = odd, even
    return h


def _solve_with_strong_zeros(a, b):
    """The same by a loop where some a are infinite or nan: what is 0 they carry on as 0.

    Else such a step would reach the tangents of elements behind it, which do not pass through it, and in
    reverse mode the cotangents of those before it.
    """
    steps = [b[..., 0]]
    with np.errstate(all="ignore"):
        for k in range(1, b.shape[-1]):
            before = steps[-1]
            steps.append(np.where(np.equal(before, 0), 0, a[..., k - 1] * before).astype(b.dtype) + b[..., k])
    return np.stack(steps, -1)


@op
class recurrence:
    """h_0 = b_0, h_k = a_k h_(k-1) + b_k on the last axis, where a holds a_1 to a_(n-1).

    dh_k = a_k dh_(k-1) + (db_k + da_k h_(k-1)), a recurrence again; its adjoint in b runs backwards. 0 is
    carried on as 0 also by an infinite a.
    """

    core = 1
    structure = "prefix"

    def evaluate(a, b):
        free = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
        return _solve_recurrence(a, b if b.shape[:-1] == free else np.broadcast_to(b, free + b.shape[-1:]))

    def out(a, b):
        shape = np.broadcast_shapes(a.shape[:-1], b.shape[:-1]) + b.shape[-1:]
        return Aval(shape, np.result_type(a.dtype, b.dtype))

    def differential(h, a, b, da, db):
        later = (slice(None),) * (h.ndim - 1) + (slice(1, None),)
        return recurrence(a, db + spread(da * h[..., :-1], key=later, shape=h.shape))

    transposes = None, lambda h_bar, a, b: recurrence(np.conj(a)[..., ::-1], h_bar[..., ::-1])[..., ::-1]

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 4), dtype), reals.sample(rng, (2, 5), dtype)), {}


# -------------------------------------------------- scans made of an elementwise op
def scan(g: Op) -> Op:
    """The op y_0 = x_0, y_k = g(y_(k-1), x_k) along an axis: `accumulate` of the ufunc g."""

    @op
    class accumulate:
        name = f"accumulate_{g.name}"
        __doc__ = f"y_k = {g.name}(y_(k-1), x_k): its derivative is the recurrence of the partials."
        shifts = ("axis",)
        structure = "prefix"

        def evaluate(x, *, axis):
            return g.evaluate.accumulate(x, axis=axis)

        def out(x, *, axis):
            return x

        def differential(y, x, dx, *, axis):
            if x.shape[axis] < 2:
                return dx
            y, x = to_last(y, axis), to_last(x, axis)
            now = y[..., 1:], y[..., :-1], x[..., 1:]
            carry, enter = (d(*now) if callable(d) else np.full_like(now[2], d) for d in g.partials)
            enter = np.concatenate([np.ones_like(x[..., :1]), enter], axis=-1)
            entered = to_last(to_last(enter, axis) * dx, axis)  # element by element, before axes move
            return to_last(recurrence(carry, entered), axis)

        def domain(rng, dtype):
            if np.dtype(dtype).kind == "f" or g.complex:
                yield (positive.sample(rng, (3, 4), dtype),), {"axis": 0}
                yield (positive.sample(rng, (2, 5), dtype),), {"axis": 1}

    return accumulate


SCANS = {
    g.name: scan(g)
    for g in (multiply, maximum, minimum, fmax, fmin, logaddexp, logaddexp2, hypot, subtract, divide)
}
accumulate_multiply = SCANS["multiply"]


@op
class accumulate_add:
    """The running sum along an axis; its adjoint is the running sum from the other end."""

    shifts = ("axis",)
    structure = "prefix"

    def evaluate(x, *, axis):
        return np.add.accumulate(x, axis=axis)

    def out(x, *, axis):
        return x

    def transpose(y_bar, x, *, axis):
        backwards = (slice(None),) * axis + (slice(None, None, -1),)
        return accumulate_add(y_bar[backwards], axis=axis)[backwards]

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3), dtype),), {"axis": 1}
        yield (reals.sample(rng, (3,), dtype),), {"axis": 0}


# -------------------------------------------------- NumPy's functions
def run(scan: Op, function: str, a, axis, dtype, out):
    """The scan of a along an axis; None flattens."""
    refuse(function, out=out)
    a = as_array(a)
    a = a if dtype is None else astype(a, dtype)
    if axis is None or of_a_number(axis, a.ndim):
        a, axis = reshape_to(a, shape=(a.size,)), 0
    return scan(a, axis=integer_axis(axis, a.ndim))


@numpy_function(np.cumsum)
@ufunc_method(np.add, "accumulate")
def cumsum(a, axis=None, dtype=None, out=None):
    """Running sums along an axis, or of all elements in C order."""
    return run(accumulate_add, "np.cumsum", a, axis, dtype, out)


@numpy_function(np.cumprod)
@ufunc_method(np.multiply, "accumulate")
def cumprod(a, axis=None, dtype=None, out=None):
    """Running products along an axis, or of all elements in C order; right where elements are 0."""
    return run(accumulate_multiply, "np.cumprod", a, axis, dtype, out)


def _cumulative(cumulate, neutral, x, axis, dtype, out, include_initial):
    x = as_array(x)
    x = x if x.ndim else reshape_to(x, shape=(1,))
    axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    if axis is None:
        if x.ndim > 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    y = cumulate(x, axis, dtype, out)
    if not include_initial:
        return y
    axis = normal_axis(axis, y.ndim)
    first = np.full(tuple(1 if k == axis else n for k, n in enumerate(y.shape)), neutral, y.dtype)
    return join(first, y, axis=axis)


@numpy_function("cumulative_sum")  # NumPy 2.1
def cumulative_sum(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
    """Running sums along an axis, with the empty sum 0 in front if asked."""
    return _cumulative(cumsum, 0, x, axis, dtype, out, include_initial)


@numpy_function("cumulative_prod")  # NumPy 2.1
def cumulative_prod(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
    """Running products along an axis, with the empty product 1 in front if asked."""
    return _cumulative(cumprod, 1, x, axis, dtype, out, include_initial)


def _install(name: str, ufunc: np.ufunc) -> None:
    @ufunc_method(ufunc, "accumulate")
    def accumulate(array, axis=0, dtype=None, out=None):
        return run(SCANS[name], f"np.{name}.accumulate", array, axis, dtype, out)


for _name in SCANS:
    if _name != "multiply":
        _install(_name, getattr(np, _name))


def _install_reduce(name: str, ufunc: np.ufunc) -> None:
    @ufunc_method(ufunc, "reduce")
    def reduce(array, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=True):
        """The last value of the scan, which meets the elements in the same order."""
        refuse(f"np.{name}.reduce", initial=initial, where=None if where is True else where)
        a = as_array(array)
        axes = normal_axes(axis, a.ndim)
        kept = tuple(1 if k in axes else n for k, n in enumerate(a.shape))
        if a.size == 0 or (len(axes) > 1 and ufunc.identity is None):  # a constant, or NumPy's error
            return ufunc.reduce(np.zeros(a.shape, a.dtype), axis=axes, dtype=dtype, keepdims=keepdims)
        free = tuple(k for k in range(a.ndim) if k not in axes)
        flat = permute(a, axes=free + axes) if free + axes != tuple(range(a.ndim)) else a
        length = math.prod(a.shape[k] for k in axes)
        flat = reshape_to(flat, shape=(*flat.shape[: len(free)], length))
        y = run(SCANS[name], f"np.{name}.reduce", flat, flat.ndim - 1, dtype, out)[..., -1]
        return reshape_to(y, shape=kept) if keepdims else y


for _name in ("subtract", "divide", "hypot", "logaddexp2"):
    _install_reduce(_name, getattr(np, _name))
