"""How a special function is declared: a row under the name that SciPy gives it; the domains of arguments.

The rows are in the other files of this package, by chapter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Op
from dualdiff.declare import elementwise
from dualdiff.domains import Domain, reals, whole_numbers
from dualdiff.errors import NoDerivative

probabilities = Domain("between 0 and 1", lambda rng, shape: rng.uniform(0.1, 0.9, shape))
below_two = Domain("between 0 and 2", lambda rng, shape: rng.uniform(0.2, 1.8, shape))
negative = Domain("negative", lambda rng, shape: -rng.uniform(0.3, 3.0, shape))
counts = whole_numbers("1 to 4", 1, 5)
orders = whole_numbers("0 to 3", 0, 4)
above_two = Domain("above 2", lambda rng, shape: rng.uniform(2.2, 4.0, shape))


def row(
    ufunc: np.ufunc,
    *partials: Any,
    on: Any = reals,
    complex: bool | str = False,
    source: str = "",
    kink: str = "",
) -> Op:
    """An elementwise op for a ufunc of scipy.special, whose name says so: NumPy has some of the names too.

    `complex` is "to rounding" where SciPy's complex values are right as a whole and not in each part, so that
    a complex step with a tiny imaginary part reads nothing from them.
    """
    name = f"special.{ufunc.__name__.lstrip('_')}"
    partials = tuple(in_precision_of_result(d) if callable(d) and ufunc.nin > 1 else d for d in partials)
    return elementwise(ufunc, *partials, on=on, complex=complex, name=name, source=source, kink=kink)


def in_precision_of_result(partial: Callable) -> Callable:
    """The partial from arguments as wide as the result: a narrow one beside others loses nothing."""
    wide = lambda z, x: x.astype(precision(z, x)) if precision(z, x) else x  # noqa: E731
    return {
        3: lambda z, x, y: partial(z, wide(z, x), wide(z, y)),
        4: lambda z, x, y, v: partial(z, wide(z, x), wide(z, y), wide(z, v)),
        5: lambda z, x, y, v, w: partial(z, wide(z, x), wide(z, y), wide(z, v), wide(z, w)),
    }[partial.__code__.co_argcount]


def precision(z: Any, x: Any) -> Any:
    """The dtype of x in the precision of z; None where x has it, or is a number or integers."""
    dtype = getattr(x, "dtype", None)
    if dtype is None or dtype.kind not in "fc":
        return None
    real = z.dtype.type(0).real.dtype
    target = np.result_type(dtype, real)
    return None if target == dtype else target


def unknown(ufunc: np.ufunc, argument: str) -> Callable:
    """The partial by an argument for which none is known: it raises when a derivative is asked for."""

    def refuse():
        raise NoDerivative(
            f"scipy.special.{ufunc.__name__.lstrip('_')} has no derivative by its argument {argument!r}.",
            "Hold it fixed: pass a plain number, or stop_gradient(x).",
        )

    return {
        2: lambda _z, _x, _y: refuse(),
        3: lambda _z, _x, _y, _w: refuse(),
        4: lambda _z, _x, _y, _w, _v: refuse(),
    }[ufunc.nin]
