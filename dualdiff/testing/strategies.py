"""Hypothesis strategies: arrays, and small random programs that are smooth everywhere.

A failing program prints as Python. Every function in it is analytic, at any point, which lets the complex
step check it to the last digits; programs.py has those that use all of NumPy at a point of their own. Needs
hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError("dualdiff.testing.strategies needs hypothesis: pip install hypothesis") from error

from dualdiff.testing.programs import Assign, Program
from dualdiff.testing.terms import Term, name

LENGTH = 3  # of the vectors in programs; the other shape is ()


# -------------------------------------------------- arrays
def shapes(max_dims: int = 3, max_side: int = 3) -> Any:
    """Shapes with few short axes, empty ones among them."""
    return st.lists(st.integers(0, max_side), max_size=max_dims).map(tuple)


def arrays(shape: tuple[int, ...] | Any = (LENGTH,), dtype: Any = float, bound: float = 2.0) -> Any:
    """Arrays of eighths in [-bound, bound], of one shape or of shapes drawn from a strategy.

    Dtypes      floating or complex; complex entries have eighths in both parts
    """
    if not isinstance(shape, tuple):
        return shape.flatmap(lambda one: arrays(one, dtype, bound))
    n, dtype = int(np.prod(shape)), np.dtype(dtype)
    eighths = st.integers(round(-8 * bound), round(8 * bound)).map(lambda k: k / 8)
    number = st.builds(complex, eighths, eighths) if dtype.kind == "c" else eighths
    return st.lists(number, min_size=n, max_size=n).map(lambda x: np.array(x, dtype).reshape(shape))


# -------------------------------------------------- programs
ANY_SHAPE: tuple[Callable, ...] = (
    np.sin,
    np.cos,
    lambda x: np.exp(np.sin(x)),
    lambda x: x / (2 + np.cos(x)),
    lambda x: np.log(3 + np.sin(x)),
    lambda x: np.sqrt(3 + np.cos(x)),
    lambda x: 1 - 0.5 * x,
    np.square,
    lambda x: (3 + np.sin(x)) ** 1.5,
)
TWO: tuple[Callable, ...] = (
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * np.cos(y),
    lambda x, y: np.sin(x) * y,
    lambda x, y: x / (3 + np.sin(y)),
)
VECTOR: tuple[Callable, ...] = (
    lambda x: x[::-1],
    lambda x: x[np.array([0, 0, 2])],
    lambda x: np.concatenate([x[1:], x[:1]]),
    lambda x: (x[:, None] * x).sum(axis=0),
    lambda x: np.where([True, False, True], x, 0),
)
TO_SCALAR: tuple[Callable, ...] = (np.sum, lambda x: x[1])


@st.composite
def programs(draw: Callable, arguments: int = 2, steps: int = 5, scalar: bool = False) -> Program:
    """Programs of some vectors of length 3 that are analytic everywhere; `scalar` ends them with a sum.

    Each step reads values made before, vectors or scalars, and grows them by little, so that derivatives of
    the second order stay of moderate size.
    """
    values, vector = [name(f"p{k}") for k in range(arguments)], [True] * arguments
    statements: list[Assign] = []

    def let(term: Term, is_vector: bool) -> None:
        statements.append(Assign(f"v{len(values)}", term))
        values.append(name(f"v{len(values)}"))
        vector.append(is_vector)

    for _ in range(draw(st.integers(1, steps))):
        first = draw(st.integers(0, len(vector) - 1))
        function = draw(st.sampled_from(ANY_SHAPE + TWO + (VECTOR + TO_SCALAR if vector[first] else ())))
        reads = (first, draw(st.integers(0, len(vector) - 1))) if function in TWO else (first,)
        let(
            function(*(values[i] for i in reads)), function not in TO_SCALAR and any(vector[i] for i in reads)
        )
    if scalar:
        let(np.sum(values[-1]), False)
    return Program(0, (np.ones(LENGTH),) * arguments, statements, values[-1], set(), True)
