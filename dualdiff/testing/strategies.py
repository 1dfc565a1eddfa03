"""Hypothesis strategies: arrays, and small random programs that are smooth everywhere.

A program is a list of instructions on numbered values, so that a failing one prints as Python. Every function
in it is analytic, which lets the complex step check it to the last digits. Needs hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError("dualdiff.testing.strategies needs hypothesis: pip install hypothesis") from error

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
class Instruction(NamedTuple):
    """One step: a Python expression with places for the values it reads, and the same as a function."""

    text: str
    function: Callable
    reads: tuple[int, ...]


class Program(NamedTuple):
    """A function of `arguments` vectors; its value is that of the last instruction."""

    arguments: int
    instructions: tuple[Instruction, ...]

    def __call__(self, *xs: Any) -> Any:
        values = list(xs)
        for step in self.instructions:
            values.append(step.function(*(values[i] for i in step.reads)))
        return values[-1]

    def __repr__(self) -> str:
        lines = [
            f"    v{self.arguments + k} = {step.text.format(*(f'v{i}' for i in step.reads))}"
            for k, step in enumerate(self.instructions)
        ]
        names = ", ".join(f"v{i}" for i in range(self.arguments))
        last = self.arguments + len(self.instructions) - 1
        return "\n".join([f"def program({names}):", *lines, f"    return v{last}"])


ANY_SHAPE = (
    ("np.sin({0})", np.sin),
    ("np.cos({0})", np.cos),
    ("np.exp(np.sin({0}))", lambda x: np.exp(np.sin(x))),
    ("{0} / (2 + np.cos({0}))", lambda x: x / (2 + np.cos(x))),
    ("np.log(3 + np.sin({0}))", lambda x: np.log(3 + np.sin(x))),
    ("np.sqrt(3 + np.cos({0}))", lambda x: np.sqrt(3 + np.cos(x))),
    ("1 - 0.5 * {0}", lambda x: 1 - 0.5 * x),
    ("np.square({0})", np.square),
    ("(3 + np.sin({0})) ** 1.5", lambda x: (3 + np.sin(x)) ** 1.5),
)
TWO = (
    ("{0} + {1}", lambda x, y: x + y),
    ("{0} - {1}", lambda x, y: x - y),
    ("{0} * np.cos({1})", lambda x, y: x * np.cos(y)),
    ("np.sin({0}) * {1}", lambda x, y: np.sin(x) * y),
    ("{0} / (3 + np.sin({1}))", lambda x, y: x / (3 + np.sin(y))),
)
VECTOR = (
    ("{0}[::-1]", lambda x: x[::-1]),
    ("{0}[np.array([0, 0, 2])]", lambda x: x[np.array([0, 0, 2])]),
    ("np.concatenate([{0}[1:], {0}[:1]])", lambda x: np.concatenate([x[1:], x[:1]])),
    ("({0}[:, None] * {0}).sum(axis=0)", lambda x: (x[:, None] * x).sum(axis=0)),
    ("np.where([True, False, True], {0}, 0)", lambda x: np.where([True, False, True], x, 0)),
)
TO_SCALAR = (
    ("np.sum({0})", np.sum),
    ("{0}[1]", lambda x: x[1]),
)


@st.composite
def programs(draw: Callable, arguments: int = 2, steps: int = 5, scalar: bool = False) -> Program:
    """Programs of some vectors of length 3; `scalar` ends them with a sum.

    Each step reads values made before, vectors or scalars, and grows them by little, so that derivatives of
    the second order stay of moderate size.
    """
    vector = [True] * arguments
    instructions: list[Instruction] = []
    for _ in range(draw(st.integers(1, steps))):
        first = draw(st.integers(0, len(vector) - 1))
        choices = ANY_SHAPE + TWO + (VECTOR + TO_SCALAR if vector[first] else ())
        text, function = draw(st.sampled_from(choices))
        reads: tuple[int, ...] = (first,)
        if (text, function) in TWO:
            reads = (first, draw(st.integers(0, len(vector) - 1)))
        instructions.append(Instruction(text, function, reads))
        vector.append((text, function) not in TO_SCALAR and any(vector[i] for i in reads))
    if scalar:
        last = len(vector) - 1
        instructions.append(Instruction("np.sum({0})", np.sum, (last,)))
    return Program(arguments, tuple(instructions))
