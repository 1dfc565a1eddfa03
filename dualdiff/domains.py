"""Where an op is smooth: named sets of points to draw from, for tests, error messages and documentation.

The draws stay away from the boundary of each set, so that finite differences around them are meaningful.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Domain:
    """A named set of real numbers and how to draw from its inside; complex draws add an imaginary part."""

    __slots__ = ("name", "_real")

    def __init__(self, name: str, real: Callable):
        self.name = name
        self._real = real

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = float) -> np.ndarray:
        dtype = np.dtype(dtype)
        x = self._real(rng, shape)
        if dtype.kind == "c":
            x = x + 1j * rng.uniform(0.2, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
        return np.asarray(x).astype(dtype)

    def __repr__(self) -> str:
        return self.name


class WholeNumbers(Domain):
    """A set of integers; its draws are integers, whatever dtype the other arguments have."""

    __slots__ = ()


def _signed(low: float, high: float) -> Callable:
    return lambda rng, shape: rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape)


def _between(low: float, high: float) -> Callable:
    return lambda rng, shape: rng.uniform(low, high, shape)


reals = Domain("reals", _between(-2.0, 2.0))
positive = Domain("positive", _between(0.3, 2.0))
nonzero = Domain("nonzero", _signed(0.4, 2.0))
unit = Domain("between -1 and 1", _between(-0.85, 0.85))
above_one = Domain("above 1", _between(1.2, 3.0))
above_minus_one = Domain("above -1", _between(-0.7, 2.0))
between_integers = Domain(
    "between integers", lambda rng, shape: rng.integers(-3, 3, shape) + rng.uniform(0.2, 0.8, shape)
)


def whole_numbers(name: str, low: int, high: int) -> Domain:
    """Integers from low to high - 1: arguments that an op has no derivative by."""
    return WholeNumbers(name, lambda rng, shape: rng.integers(low, high, shape))


small_integers = whole_numbers("small integers", -3, 4)
