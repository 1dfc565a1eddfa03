"""Points to try an op at, drawn from its record; no op is named here and none needs a test of its own.

A row of an elementwise op is drawn from one domain per argument, in shapes that cover scalars, empty arrays
and broadcasting; a class-body op yields its own points.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import Op
from dualdiff.domains import Domain, WholeNumbers
from dualdiff.tree import map_tree

SHAPES: dict[int, tuple] = {
    1: (((2, 3),), ((),), ((0,),), ((3,),)),
    2: (
        ((2, 1, 2), (2, 1)),
        ((3,), (3,)),
        ((), ()),
        ((3,), ()),
        ((3, 1), (1, 2)),
        ((0, 3), (3,)),
    ),
    3: (((2, 1), (3,), ()), ((), (), ()), ((0, 1), (1,), (3,))),
    4: (((2, 1), (3,), (), (2, 3)), ((), (), (), ())),
}


class Case(NamedTuple):
    """One op at one point: what a law is tried on.

    active      the arguments that a derivative exists for
    sibling     the same call at another point, for batches
    """

    op: Op
    args: tuple
    params: dict
    active: tuple[int, ...]
    sibling: tuple

    @property
    def primals(self) -> tuple:
        """The active arguments."""
        return tuple(self.args[i] for i in self.active)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the active arguments together."""
        return np.result_type(*self.primals) if self.active else np.dtype(float)

    def function(self, *primals: Any) -> Any:
        """The op as a function of its active arguments, the others held fixed."""
        return self.op(*self.filled(self.args, primals), **self.params)

    def filled(self, args: tuple, primals: tuple) -> list:
        """All arguments, the active ones replaced by `primals`."""
        full = list(args)
        for i, x in zip(self.active, primals, strict=True):
            full[i] = x
        return full

    def rng(self, purpose: str) -> np.random.Generator:
        """The generator of random directions for one purpose: the same in every run."""
        return generator(f"{self.op.name} {purpose}")

    def __repr__(self) -> str:
        shapes = ", ".join(f"{np.asarray(x).dtype}{list(np.shape(x))}" for x in self.args)
        params = "".join(f", {k}={v!r}" for k, v in self.params.items())
        return f"{self.op.name}({shapes}{params})"


def generator(name: str) -> np.random.Generator:
    """A random generator whose seed is the name, so that a failure can be repeated."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def cases(op: Op, dtype: Any = float) -> tuple[Case, ...]:
    """The op at points inside its domain; none if it does not take this dtype."""
    return _cases(op, np.dtype(dtype))


@lru_cache(None)
def _cases(op: Op, dtype: np.dtype) -> tuple[Case, ...]:
    draws = list(points(op, generator(op.name), dtype))
    siblings = list(points(op, generator(op.name + "'"), dtype))
    found = []
    for k, (args, params) in enumerate(draws):
        active = active_arguments(op, args)
        if active and not any(args[i].dtype == dtype for i in active):
            continue  # a domain with points of one dtype only, which is not this one
        other = siblings[k][0] if k < len(siblings) and same_call(siblings[k], (args, params)) else args
        found.append(Case(op, args, params, active, tuple(map(apart, args, other))))
    return tuple(found)


def points(op: Op, rng: np.random.Generator, dtype: np.dtype) -> Iterator[tuple[tuple, dict]]:
    """(args, params) as the record says."""
    if not isinstance(op.domain, tuple):
        for args, params in op.domain(rng, dtype):
            yield tuple(x if isinstance(x, np.ndarray) else np.asarray(x) for x in args), params
    elif (dtype.kind == "f" or op.complex) and computes_in(op, dtype):
        for shapes in SHAPES[len(op.domain)]:
            yield tuple(draw(domain, rng, s, dtype) for domain, s in zip(op.domain, shapes, strict=True)), {}


def computes_in(op: Op, dtype: np.dtype) -> bool:
    """Whether the function of a row takes this dtype; not every ufunc has half or extended precision."""
    if dtype.name in ("float64", "complex128"):
        return True
    try:
        op.evaluate(*(draw(domain, generator(op.name), (), dtype) for domain in op.domain))
    except TypeError:
        return False
    return True


def draw(domain: Domain, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array from the domain: integers if it holds nothing else."""
    return domain.sample(rng, shape, int if isinstance(domain, WholeNumbers) else dtype)


def active_arguments(op: Op, args: tuple) -> tuple[int, ...]:
    """The arguments that a derivative exists for: floats, and where the op is linear in some, only those."""
    positions = range(len(args)) if op.linear is None else op.linear
    return tuple(i for i in positions if args[i].dtype.kind in "fc")


def same_call(a: tuple, b: tuple) -> bool:
    """Whether two draws differ in nothing but the numbers."""
    alike = [(x.shape, x.dtype) for x in a[0]] == [(x.shape, x.dtype) for x in b[0]]
    return alike and repr(a[1]) == repr(b[1])


def apart(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`other`, made different from x where a domain always gives the same numbers."""
    if not np.array_equal(x, other):
        return other
    return (x * (1 + 1 / 32)).astype(x.dtype) if x.dtype.kind in "fc" else np.flip(x)


# -------------------------------------------------- directions
def direction(rng: np.random.Generator, like: Any) -> Any:
    """A random tangent or cotangent in the structure of `like`; eighths, so that a failure is readable."""
    return map_tree(lambda x: _eighths(rng, np.asarray(x)), like)


def _eighths(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    values = rng.integers(1, 17, x.shape) / 8 * rng.choice([-1.0, 1.0], x.shape)
    if x.dtype.kind == "c":
        values = values + 1j * rng.integers(1, 17, x.shape) / 8
    return np.asarray(values, x.dtype if x.dtype.kind in "fc" else float)


def zeros(like: Any) -> Any:
    """Numerical zeros in the structure of `like`."""
    return map_tree(lambda x: np.zeros(np.shape(x), x.dtype if x.dtype.kind in "fc" else float), like)


def subsets(positions: tuple[int, ...], *, empty: bool = False, proper: bool = False) -> list[tuple]:
    """The subsets of positions, of the first three where there are more."""
    few = positions[:3]
    sizes = range(0 if empty else 1, len(few) + 1)
    found = [s for n in sizes for s in itertools.combinations(few, n)]
    return [s for s in found if s != positions] if proper else found
