"""What a plan was prepared for: the structure, shapes and dtypes of its arguments, and what is fixed in them.

Numbers may change between calls: floats and arrays of floats. Everything else, such as arrays of integers
that say which elements meet, may decide the pattern, so it has to be what it was.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import Tracer
from dualdiff.errors import InputTypeError, PlanMismatch
from dualdiff.tree import Tree, flatten, paths


class Signature(NamedTuple):
    """The arguments of a call: their tree, and for each leaf shape and dtype, or the leaf if it is fixed."""

    tree: Tree
    leaves: list

    @classmethod
    def of(cls, args: tuple, kwargs: dict, differentiated: set[int | str]) -> Signature:
        values = {**dict(enumerate(args)), **kwargs}
        leaves: list = []
        trees = []
        for key, value in values.items():
            found, tree = flatten(value)
            leaves += [described(x, key in differentiated and type(x) is int) for x in found]
            trees.append(tree)
        return cls(Tree(dict, tuple(values), tuple(trees), len(leaves)), leaves)

    def frozen(self) -> Signature:
        """The same with copies of the arrays, which may be written after this."""
        return Signature(self.tree, [x.copy() if isinstance(x, np.ndarray) else x for x in self.leaves])

    def mismatch(self, other: Signature) -> str | None:
        """What is different in `other`, in words."""
        if self.tree != other.tree:
            return f"arguments of structure {self.tree!r}; it was called with {other.tree!r}"
        for k, (mine, theirs) in enumerate(zip(self.leaves, other.leaves, strict=True)):
            if not same(mine, theirs):
                return f"argument {paths(self.tree)[k]} {spelled(mine)}; it was called with {given(theirs)}"
        return None


class Numbers(NamedTuple):
    """A leaf whose numbers may change."""

    shape: tuple[int, ...]
    dtype: np.dtype


def described(x: Any, as_float: bool) -> Any:
    if isinstance(x, Tracer):
        raise InputTypeError(
            "a plan was called inside another transform; its sparse matrix has no derivative.",
            "Call it outside, or use jacobian and hessian, which nest.",
        )
    if isinstance(x, float) or as_float:
        return Numbers((), np.dtype(float))
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc":
        return Numbers(x.shape, x.dtype)
    return x


def same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and bool(a == b)


def spelled(x: Any) -> str:
    if isinstance(x, Numbers):
        return f"of shape {x.shape} and dtype {x.dtype}"
    if isinstance(x, np.ndarray):
        return f"with these {x.dtype} of shape {x.shape}, which are fixed"
    text = repr(x)
    return text if len(text) < 40 else f"{text[:36]} ..."


def given(x: Any) -> str:
    return f"one {spelled(x)}" if isinstance(x, (Numbers, np.ndarray)) else spelled(x)


def check(prepared: Signature, called: Signature, plan: Any) -> None:
    """Raise PlanMismatch where a plan is called with what it was not prepared for."""
    difference = prepared.mismatch(called)
    if difference is not None:
        raise PlanMismatch(
            f"{plan!r} was prepared for {difference}.",
            "Prepare another plan; sparse.jacobian and sparse.hessian do so by themselves.",
        )
