"""Checks for users: of an op of their own, and of the derivatives of a whole function.

They raise GradientMismatch with the argument, the direction and both numbers; no rule is trusted, since the
other side is a difference (differences.py) or another mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import Op
from dualdiff.errors import DeclarationError, DualdiffError, GradientMismatch, InputTypeError
from dualdiff.testing.differences import (
    Tolerance,
    difference,
    double,
    epsilon,
    finite_difference,
    furthest,
    single,
)
from dualdiff.testing.laws import LAWS, inner, size
from dualdiff.testing.samples import Case, cases, direction, generator, zeros
from dualdiff.transforms.boundary import name_of
from dualdiff.transforms.linear import jvp, vjp
from dualdiff.tree import argument_path, flatten, map_tree, unflatten


# -------------------------------------------------- ops
@lru_cache(None)
def cases_of(op: Op, law: str, dtype: str) -> tuple[Case, ...]:
    """The cases of an op in one dtype that a law speaks of."""
    return tuple(case for case in cases(op, dtype) if LAWS[law].speaks_of(case))


def grid(ops: Iterable[Op]) -> list[tuple[Op, str, str]]:
    """Every (op, law, dtype) in which the law has something to say about the op."""
    return [
        (op, name, dtype) for op in ops for name, law in LAWS.items() for dtype in law.dtypes
        if cases_of(op, name, dtype)
    ]  # fmt: skip


def check_law(op: Op, law: str, dtype: str) -> None:
    """Try one law on all cases of an op in one dtype."""
    for case in cases_of(op, law, dtype):
        LAWS[law].check(case)


def check_op(op: Op, *, laws: Iterable[str] | None = None) -> int:
    """Try a declared op against every law, at points drawn from its domain; returns how many trials passed.

    Dtypes      float64 and complex128 as far as the domain yields them, float32 and complex64 against these
    Raises      GradientMismatch naming the law, the op and the arguments; DeclarationError if the domain
                yields no point; InputTypeError for what is no op

    >>> import numpy as np, dualdiff
    >>> from dualdiff.testing import check_op
    >>> cube = dualdiff.elementwise(lambda x: x**3, lambda y, x: 3 * x * x, name="cube")
    >>> check_op(cube) > 0
    True
    """
    if not isinstance(op, Op):
        raise InputTypeError(
            f"check_op was given a {type(op).__name__}, which is no declared op.",
            "Pass what elementwise or op returned; check_grads takes any function.",
        )
    cells = [(name, dtype) for _, name, dtype in grid([op]) if laws is None or name in laws]
    if not cells:
        raise DeclarationError(
            f"the domain of op {op.name!r} yields no point to try it at.",
            "Yield (args, params) for float64 at least.",
        )
    for name, dtype in cells:
        try:
            check_law(op, name, dtype)
        except DualdiffError as error:  # also the wrong shape or the missing `out` of a rule
            raise GradientMismatch(f"{op.name} breaks the law {name!r}: {error}") from error
    return len(cells)


# -------------------------------------------------- functions
def check_grads(
    f: Callable,
    args: Any,
    *,
    order: int = 2,
    modes: tuple[str, ...] = ("forward", "reverse"),
    holomorphic: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check the derivatives of f at `args` in each mode and every nesting of modes, up to an order.

    Shapes      args: a tuple with one entry per argument of f; each may be a container
    Dtypes      float and complex, and integers are refused: hold them fixed, as in lambda x: f(x, n); for
                float32 the differences are taken in double precision
    Derivative  forward mode against central differences along one random direction, reverse mode through
                Re<y_bar, J x_dot>; order k + 1 checks pushforward and pullback as functions of the point.
                With holomorphic=True, which declares it, also the Cauchy-Riemann equations.
    Cost        4 runs of f for order 1, each order four times the one before
    Raises      GradientMismatch naming the argument, the direction and both numbers

    >>> import numpy as np
    >>> from dualdiff.testing import check_grads
    >>> check_grads(lambda x: np.sin(x) * x, (np.array([0.3, 1.2]),))
    """
    for mode in modes:
        if mode not in ("forward", "reverse"):
            raise InputTypeError(f"check_grads was given mode {mode!r}.", "Choose 'forward' and 'reverse'.")
    args = args if isinstance(args, tuple) else (args,)
    if holomorphic:
        _check_holomorphic(f, args, _tolerance(args, (rtol, atol), 1))
    _check(f, args, order, modes, (rtol, atol), f"{name_of(f)}", 1)


def _check_holomorphic(f: Callable, args: tuple, tolerance: Tolerance) -> None:
    """The Cauchy-Riemann equations f'(i t) = i f'(t), by differences: no transform asks for them."""
    leaves = flatten(args)[0]
    if not all(np.asarray(x).dtype.kind == "c" for x in leaves):
        raise InputTypeError(
            "check_grads with holomorphic=True needs complex arguments.", "Pass complex arrays."
        )
    t = direction(generator(f"{name_of(f)} holomorphic"), args)
    along = finite_difference(f, args, t)
    across = finite_difference(f, args, map_tree(lambda x: 1j * x, t))
    for x, y in zip(flatten(across)[0], flatten(along)[0], strict=True):
        at = furthest(x, 1j * y, tolerance)
        if at is not None:
            raise GradientMismatch(
                f"{name_of(f)} is not holomorphic: along 1j * t its derivative at {at} is "
                f"{np.asarray(x)[at]!r}, and 1j times that along t is {(1j * np.asarray(y))[at]!r}.",
                "Leave holomorphic away, and use jvp, vjp, or grad of a real value.",
            )


def _check(f: Callable, args: tuple, order: int, modes: tuple, given: tuple, name: str, depth: int) -> None:
    tolerance = _tolerance(args, given, depth)
    rng = generator(f"{name} {depth}")
    t = direction(rng, args)
    y_bar = direction(rng, f(*args))
    if "forward" in modes:
        _check_forward(f, args, t, tolerance, name)
    if "reverse" in modes:
        _check_reverse(f, args, t, y_bar, tolerance, name)
    if order > 1 and "forward" in modes:
        along = lambda *xs: jvp(f, xs, _as_dtypes(t, xs))[1]  # noqa: E731
        _check(along, args, order - 1, modes, given, f"the pushforward of {name}", depth + 1)
    if order > 1 and "reverse" in modes:
        back = lambda *xs: _pullback(f, xs, y_bar)  # noqa: E731
        _check(back, args, order - 1, modes, given, f"the pullback of {name}", depth + 1)


def _pullback(f: Callable, xs: tuple, y_bar: Any) -> tuple:
    y, pullback = vjp(f, *xs)
    return pullback(_as_dtypes(y_bar, y))


def _as_dtypes(value: Any, like: Any) -> Any:
    """Directions in the dtypes of the point, which the differences take in double precision."""

    def in_dtype(v: Any, x: Any) -> Any:
        if not hasattr(x, "dtype"):  # Python numbers are differentiated in double precision
            x = np.complex128(x) if isinstance(x, complex) else np.float64(x)
        dtype = x.dtype
        return np.asarray(v, dtype) if dtype.kind in "fc" else v

    return map_tree(in_dtype, value, like)


def _tolerance(args: tuple, given: tuple, depth: int) -> Tolerance:
    """The user's tolerances where given, else those of the least precise argument."""
    derived = difference(depth)
    for x in flatten(args)[0]:
        if np.asarray(x).dtype.kind in "fc" and epsilon(np.asarray(x).dtype) > epsilon(float):
            derived = max(derived, single(np.asarray(x).dtype))
    return Tolerance(*(d if g is None else g for g, d in zip(given, derived, strict=True)))


def _check_forward(f: Callable, args: tuple, t: tuple, tolerance: Tolerance, name: str) -> None:
    found = jvp(f, args, t)[1]
    expected = finite_difference(f, args, t)
    for x, y in zip(flatten(found)[0], flatten(expected)[0], strict=True):
        at = furthest(x, y, tolerance)
        if at is not None:
            forward = lambda s: (jvp(f, args, s)[1], finite_difference(f, args, s))  # noqa: E731
            raise _mismatch(
                "forward", name, args, t, forward, np.asarray(x)[at], np.asarray(y)[at], tolerance
            )


def _check_reverse(f: Callable, args: tuple, t: tuple, y_bar: Any, tolerance: Tolerance, name: str) -> None:
    x_bars = vjp(f, *args)[1](y_bar)
    y_dot = finite_difference(f, args, t)
    found, expected = inner(x_bars, t), inner(y_bar, y_dot)
    scale = max(1.0, size(x_bars) * size(t), size(y_bar) * size(y_dot))
    if not abs(found - expected) <= (tolerance.rtol + tolerance.atol) * scale:
        reverse = lambda s: (inner(x_bars, s), inner(y_bar, finite_difference(f, args, s)))  # noqa: E731
        raise _mismatch("reverse", name, args, t, reverse, found, expected, tolerance)


def _mismatch(
    mode: str,
    name: str,
    args: tuple,
    t: tuple,
    both: Callable,
    found: Any,
    expected: Any,
    tolerance: Tolerance,
) -> GradientMismatch:
    """The error, with the first argument whose direction alone shows the difference."""
    leaves, tree = flatten(t)
    still = flatten(zeros(t))[0]
    for k in range(tree.leaves):
        alone = unflatten(tree, [*still[:k], leaves[k], *still[k + 1 :]])
        pairs = zip(*(flatten(side)[0] for side in both(alone)), strict=True)
        worst = [(x, y, at) for x, y in pairs if (at := furthest(x, y, tolerance)) is not None]
        if worst:
            x, y, at = worst[0]
            where = argument_path(tree, k)
            return GradientMismatch(
                f"the {mode} derivative of {name} with respect to {where} along {leaves[k].tolist()} is "
                f"{np.asarray(x)[at]!r}; differences give {np.asarray(y)[at]!r}.",
                "Check the rule, and that f is smooth at this point.",
            )
    return GradientMismatch(
        f"the {mode} derivative of {name} along all arguments is {found!r}; differences give {expected!r}."
    )


# -------------------------------------------------- other looks at one function
def dot_test(f: Callable, *primals: Any) -> tuple[float, float]:
    """Check that the pullback of f is the adjoint of its pushforward, and return the two inner products.

    Derivative  Re<y_bar, J x_dot> = Re<J^H y_bar, x_dot> for random x_dot and y_bar: exact, without a step
    Raises      GradientMismatch with both numbers

    >>> import numpy as np
    >>> from dualdiff.testing import dot_test
    >>> left, right = dot_test(np.sin, np.array([0.3, 1.2]))
    >>> abs(left - right) < 1e-14
    True
    """
    rng = generator(f"dot_test {name_of(f)}")
    t = direction(rng, primals)
    y_dot = jvp(f, primals, t)[1]
    y_bar = direction(rng, y_dot)
    x_bars = vjp(f, *primals)[1](y_bar)
    left, right = inner(y_bar, y_dot), inner(x_bars, t)
    eps = max(epsilon(x.dtype) for x in map(np.asarray, flatten((x_bars, y_dot))[0]) if x.dtype.kind in "fc")
    scale = size(y_bar) * size(y_dot) + size(x_bars) * size(t)
    if not abs(left - right) <= 4096 * eps * scale:
        raise GradientMismatch(
            f"{name_of(f)}: Re<y_bar, J x_dot> is {left!r}, Re<J^H y_bar, x_dot> is {right!r}.",
            "Run check_op on the ops that it calls: one of them has a transpose that is not its adjoint.",
        )
    return left, right


class TaylorSlopes(NamedTuple):
    """How fast the Taylor remainders shrink with the step: 1, 2 and 3 when the derivatives are right."""

    value: float
    gradient: float
    hessian: float


def taylor_test(f: Callable, *primals: Any) -> TaylorSlopes:
    """Check gradient and Hessian of a scalar function by the slopes of its Taylor remainders.

    Derivative  abs(f(x + h t) - f(x) - h g t - h**2/2 t H t) shrinks as h**3, without the last term as h**2;
                a wrong gradient gives slope 1, a wrong Hessian slope 2. A remainder that is rounding alone
                has slope inf. Along a direction in which the next derivative nearly vanishes no slope is
                clean, so three directions are tried.
    Cost        about 15 runs of f for each direction
    Raises      GradientMismatch with the slopes

    >>> import numpy as np
    >>> from dualdiff.testing import taylor_test
    >>> slopes = taylor_test(lambda x: np.sum(np.exp(x)), np.array([0.3, 1.2]))
    >>> slopes.gradient > 1.9 and slopes.hessian > 2.9
    True
    """
    primals = map_tree(lambda x: double(x)[()], primals)
    rng = generator(f"taylor_test {name_of(f)}")
    for _ in range(3):
        slopes = _taylor_slopes(f, primals, map_tree(lambda t: t[()] / 2, direction(rng, primals)))
        if slopes.gradient > 1.9 and slopes.hessian > 2.9:
            return slopes
    raise GradientMismatch(
        f"the Taylor remainders of {name_of(f)} shrink with slopes {slopes.gradient:.2f} and "
        f"{slopes.hessian:.2f}; right derivatives give 2 and 3.",
        "Slope 1 means a wrong gradient, slope 2 in the second place a wrong Hessian.",
    )


def _taylor_slopes(f: Callable, primals: tuple, t: tuple) -> TaylorSlopes:
    """The slopes of the three remainders along one direction."""
    back = lambda *points: _pullback(f, points, np.float64(1.0))  # noqa: E731
    gradient, turned = jvp(back, primals, t)
    first, second = inner(gradient, t), inner(turned, t)
    y = float(f(*primals))
    steps = 0.1 * 0.5 ** np.arange(10)
    moved = [map_tree(lambda x, x_dot, h=h: x + h * x_dot, primals, t) for h in steps]
    change = np.array([float(f(*point)) - y for point in moved])
    floor = 64 * epsilon(float) * max(1.0, abs(y))
    remainders = (change, change - steps * first, change - steps * first - steps**2 / 2 * second)
    return TaylorSlopes(*(_slope(steps, np.abs(r), floor) for r in remainders))


def _slope(steps: np.ndarray, remainders: np.ndarray, floor: float) -> float:
    """The slope in log-log between the smallest steps whose remainders stand clear of rounding."""
    clear = remainders > 100 * floor
    if clear.sum() < 3:
        return float("inf")
    h, r = np.log(steps[clear][-3:]), np.log(remainders[clear][-3:])
    return float((r[0] - r[-1]) / (h[0] - h[-1]))
