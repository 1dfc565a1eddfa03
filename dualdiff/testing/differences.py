"""Numerical derivatives that trust no rule, and how far each of them may be from the truth.

Not a way to differentiate: these are the oracles that the laws (laws.py) and check_grads (check.py) compare
with. Steps and tolerances follow from the dtype and the stencil here and are stated nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualdiff.errors import InputTypeError, StructureError
from dualdiff.tree import Tree, flatten, unflatten

# f'(x) = sum_k c_k (f(x + k h) - f(x - k h)) / h + h**4 f^(5) / 30   (Abramowitz and Stegun 25.3.6)
STENCIL = {1: 2 / 3, 2: -1 / 12}
COMPLEX_STEP = 1e-30  # no difference is taken, so nothing cancels however small the step is


class Tolerance(NamedTuple):
    """How far two numbers may be apart: `rtol` of the larger one, and `atol` of the largest in the array."""

    rtol: float
    atol: float


def epsilon(dtype: Any) -> float:
    """The relative spacing of numbers of this dtype."""
    return float(np.finfo(np.dtype(dtype)).eps)


def step_size(dtype: Any = float) -> float:
    """The step of the stencil at a point of size 1: where its truncation h**4 meets the rounding eps / h."""
    return epsilon(dtype) ** (1 / 5)


def algebra(dtype: Any) -> Tolerance:
    """For two ways to compute one number, which differ by rounding alone."""
    eps = epsilon(dtype)
    return Tolerance(4096 * eps, 4096 * eps)


def difference(order: int = 1) -> Tolerance:
    """For a derivative against central differences in double precision, of the function or of its gradient.

    The error of the stencil is about eps**(4/5) = 3e-13 times the size of the function and of its fifth
    derivative; the factor covers fifth derivatives as they occur inside the domains.
    """
    error = epsilon(float) ** (4 / 5) * 10.0 ** (order - 1)
    return Tolerance(3e5 * error, 3e3 * error)


def single(dtype: Any) -> Tolerance:
    """For a result in single precision against the same rule in double precision."""
    eps = epsilon(dtype)
    return Tolerance(160 * eps, 160 * eps)


def furthest(found: Any, expected: Any, tolerance: Tolerance) -> tuple[int, ...] | None:
    """The index of the element that misses the tolerance most; None if all keep it. NaN equals NaN."""
    found, expected = (
        x if x.dtype.kind in "fc" else x.astype(float) for x in map(np.asarray, (found, expected))
    )
    if found.size == 0:
        return None
    with np.errstate(all="ignore"):
        gap = np.abs(found - expected)
        sizes = np.maximum(np.abs(found), np.abs(expected))
    scale = max(1.0, np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    allowed = tolerance.rtol * np.where(np.isfinite(sizes), sizes, 0) + tolerance.atol * scale
    excess = np.where(same, -1.0, np.where(np.isfinite(gap), gap - allowed, np.inf))
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    return tuple(int(i) for i in worst) if excess[worst] > 0 else None


# -------------------------------------------------- the oracles
def finite_difference(f: Callable, primals: Any, tangents: Any, *, step: float | None = None) -> Any:
    """The derivative of f at `primals` along `tangents` from four values of f, by central differences.

    Shapes      primals, tangents: tuples with one entry per argument, as for jvp; the result is as f's value
    Dtypes      points are taken in double precision, whatever came in; integer outputs give float zeros
    Cost        four runs of f
    Raises      StructureError if tangents do not have the structure of primals
    Source      M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 25.3.6.

    >>> from dualdiff.testing import finite_difference
    >>> round(float(finite_difference(lambda x: x**3, (2.0,), (1.0,))), 6)
    12.0
    """
    xs, dots, tree = _double_leaves(primals, tangents)
    h = _displacement(xs, dots) if step is None else step

    def moved(k: int) -> tuple[list, Tree]:
        points = [x + k * h * x_dot for x, x_dot in zip(xs, dots, strict=True)]
        ys, y_tree = flatten(f(*unflatten(tree, points)))
        return [double(y) for y in ys], y_tree

    total: list = []
    for k, weight in STENCIL.items():
        (right, y_tree), (left, _) = moved(k), moved(-k)
        terms = [weight * (a - b) for a, b in zip(right, left, strict=True)]
        total = [a + b for a, b in zip(total, terms, strict=True)] if total else terms
    return unflatten(y_tree, [t / h for t in total])


def complex_step(f: Callable, primals: Any, tangents: Any) -> Any:
    """The derivative of f at real `primals` along `tangents`, to the last digits: Im f(x + i h x_dot) / h.

    f must be analytic and compute with complex numbers: no abs, max, norm, sort or comparison.

    Shapes      primals, tangents: tuples with one entry per argument, as for jvp; the result is as f's value
    Cost        one run of f on complex numbers
    Raises      InputTypeError if a primal is complex
    Source      W. Squire, G. Trapp, Using complex variables to estimate derivatives of real functions,
                SIAM Review 40 (1998).

    >>> from dualdiff.testing import complex_step
    >>> float(complex_step(lambda x: x**3, (2.0,), (1.0,)))
    12.0
    """
    xs, dots, tree = _double_leaves(primals, tangents)
    if any(x.dtype.kind == "c" for x in xs):
        raise InputTypeError("complex_step was given a complex primal.", "Use finite_difference there.")
    points = [x + 1j * COMPLEX_STEP * x_dot for x, x_dot in zip(xs, dots, strict=True)]
    ys, y_tree = flatten(f(*unflatten(tree, points)))
    return unflatten(y_tree, [np.imag(y) / COMPLEX_STEP for y in ys])


def double(x: Any) -> np.ndarray:
    """x in double precision at least."""
    x = np.asarray(x)
    return x.astype(np.result_type(x.dtype, float))


def _double_leaves(primals: Any, tangents: Any) -> tuple[list, list, Tree]:
    xs, tree = flatten(tuple(primals))
    dots, other = flatten(tuple(tangents))
    if other != tree:
        raise StructureError(f"tangents of structure {other!r} for primals of structure {tree!r}.")
    return [double(x)[()] for x in xs], [double(x_dot)[()] for x_dot in dots], tree


def _displacement(xs: list, dots: list) -> float:
    """The largest h that moves no element further than the step at a point of its size."""
    ratios = [
        np.min(np.maximum(1, np.abs(x[moves])) / np.abs(x_dot[moves]))
        for x, x_dot in zip(map(np.asarray, xs), map(np.asarray, dots), strict=True)
        if (moves := x_dot != 0).any()
    ]
    return step_size() * float(min(ratios, default=1.0))
