"""One call of a custom function, as a function of its numeric leaves; what its rules return is checked here.

`Call` takes leaves to containers for the user's functions and back, `Batched` does it for many examples at
once. What a mode makes of a call is in custom.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.avals import aval_of, inexact
from dualdiff.core import CONSTANT, Tracer
from dualdiff.errors import InputTypeError, NoDerivative, ShapeError, StructureError
from dualdiff.modes.batch import BatchLevel, BatchTensor
from dualdiff.modes.zero import Zero
from dualdiff.transforms.boundary import described, output_leaf, own
from dualdiff.transforms.lanes import spread_lanes
from dualdiff.tree import LEAF, Tree, flatten, is_value, paths, unflatten


# -------------------------------------------------- leaves
def live(x: Any) -> bool:
    """Whether x is a tensor of some transform."""
    return isinstance(x, Tracer) and x.level is not CONSTANT


def number(x: Any) -> bool:
    """Whether a leaf holds numbers; others, such as strings, are handed on as they are."""
    return (
        isinstance(x, (bool, int, float, complex))
        or getattr(getattr(x, "dtype", None), "kind", "O") in "biufc"
    )


def bare(tree: Tree, fronts: list[Tree]) -> Tree:
    """The tree with a leaf for each value of a front end, which `fronts` collects: rules see arrays."""
    if is_value(tree):
        fronts.extend([] if tree is LEAF else [tree])
        return LEAF
    return tree._replace(children=tuple([bare(child, fronts) for child in tree.children]))


def zero_like(x: Any) -> Any:
    """The zero tangent of a leaf: floats for integers, so that rules can compute with them."""
    aval = aval_of(x)
    zeros = np.zeros(aval.shape, aval.dtype if inexact(aval.dtype) else float)
    return zeros if zeros.ndim or isinstance(x, np.ndarray) else zeros[()]


def aligned(found: Any, tree: Tree, complain: Callable[[str], StructureError]) -> list:
    """The leaves of what a rule returned for a value of structure `tree`; None for each under a None."""
    leaves, found_tree = flatten(found)
    return leaves if found_tree == tree else list(walk(found_tree, tree, iter(leaves), complain))


def walk(found: Tree, tree: Tree, leaves: Any, complain: Callable) -> Any:
    if found.kind is type(None):
        yield from [None] * tree.leaves
    elif found is LEAF and tree is LEAF:
        yield next(leaves)
    elif (found.kind, found.keys) == (tree.kind, tree.keys) and found.kind is not None:
        for pair in zip(found.children, tree.children, strict=True):
            yield from walk(*pair, leaves, complain)
    else:
        raise complain(f"{found!r} for {tree!r}")


# -------------------------------------------------- one call
class Call:
    """One call of a custom function, as a function of its numeric leaves."""

    def __init__(self, custom: Any, static: dict[int, Any], leaves: list, tree: Tree):
        self.custom, self.static, self.tree = custom, static, tree
        self.others = {k: x for k, x in enumerate(leaves) if not number(x)}
        self.where = [k for k in range(len(leaves)) if k not in self.others]  # places of the numeric ones
        self.out_tree: Any = None  # set by every run of f or of a rule

    def arguments(self, xs: list, other: Any = None) -> tuple:
        """The arguments that are not static, from their numeric leaves."""
        leaves = [self.others.get(k) if other is None else None for k in range(self.tree.leaves)]
        for k, x in zip(self.where, xs, strict=True):
            leaves[k] = x
        return unflatten(self.tree, leaves)

    def all_arguments(self, xs: list) -> list:
        args = list(self.arguments(xs))
        for i, x in sorted(self.static.items()):
            args.insert(i, x)
        return args

    def outputs(self, y: Any) -> list:
        leaves, self.out_tree = flatten(y)
        return [output_leaf(x, self.custom.f, self.custom.kind) for x in leaves]

    def run(self, xs: list) -> list:
        """f itself."""
        return self.outputs(self.custom.f(*self.all_arguments(xs)))

    # ---------------------------------------------------------------- custom_jvp
    def push(self, xs: list, x_dots: list) -> tuple[list, list]:
        """The rule: values and tangents, from values and tangents (None for zero)."""
        custom = self.custom
        if custom.rule is None:
            raise missing(custom, "defjvp(rule)")
        dots = [zero_like(x) if x_dot is None else x_dot for x, x_dot in zip(xs, x_dots, strict=True)]
        result = custom.rule(*self.static.values(), self.arguments(xs), self.arguments(dots, other="nothing"))
        if not (isinstance(result, (tuple, list)) and len(result) == 2):
            raise StructureError(
                f"the rule given to {custom.name}.defjvp returned {counted(result)}.",
                "Return a pair: the value of the function, and its tangent.",
            )
        y, y_dot = result
        ys = self.outputs(y)
        y_dots = aligned(
            y_dot,
            self.out_tree,
            lambda found: StructureError(
                f"the rule given to {custom.name}.defjvp returned a tangent of structure {found}.",
                "A tangent has the structure of its value.",
            ),
        )
        y_dots = [as_value(v, custom, "defjvp", "a tangent") for v in y_dots]
        for k, (v, part) in enumerate(zip(ys, y_dots, strict=True)):
            if part is not None:
                self.check_tangent(k, v, part)
        return ys, y_dots

    def check_tangent(self, k: int, y: Any, y_dot: Any) -> None:
        name, path = self.custom.name, paths(self.out_tree)[k]
        if y_dot.shape != y.shape:
            raise ShapeError(
                f"the rule given to {name}.defjvp returned a tangent{path} of shape {y_dot.shape} for a "
                f"value of shape {y.shape}.",
                "A tangent has the shape of its value.",
            )
        if y_dot.dtype.kind == "c" and y.dtype.kind == "f":
            raise InputTypeError(
                f"the rule given to {name}.defjvp returned a tangent{path} of dtype {y_dot.dtype} for a "
                f"value of dtype {y.dtype}.",
                "The tangent of a real value is real.",
            )

    # ---------------------------------------------------------------- custom_vjp
    def forward(self, xs: list) -> tuple[list, tuple]:
        """fwd: values and residuals, these as their leaves and what `backward` needs beside them."""
        custom = self.custom
        if custom.fwd is None:
            raise missing(custom, "defvjp(fwd, bwd)")
        result = custom.fwd(*self.all_arguments(xs))
        if not (isinstance(result, (tuple, list)) and len(result) == 2):
            raise StructureError(
                f"the fwd given to {custom.name}.defvjp returned {counted(result)}.",
                "Return a pair: the value of the function, and the residuals that bwd needs.",
            )
        y, residuals = result
        leaves, tree = flatten(residuals)
        return self.outputs(y), (leaves, (tree, [aval_of(x) for x in xs]))

    def backward(self, residuals: tuple, y_bars: list) -> list:
        """bwd: one cotangent per numeric leaf, None for zero."""
        custom = self.custom
        leaves, (tree, avals) = residuals
        found = custom.bwd(*self.static.values(), unflatten(tree, leaves), unflatten(self.out_tree, y_bars))
        n = len(self.tree.children)
        if not isinstance(found, (tuple, list)) or len(found) != n:
            raise StructureError(
                f"the bwd given to {custom.name}.defvjp returned {counted(found)} for {n} "
                f"argument{'s' if n > 1 else ''}.",
                "Return a tuple with one cotangent per argument, None for zero.",
            )
        all_bars = aligned(
            tuple(found),
            self.tree,
            lambda found: StructureError(
                f"the bwd given to {custom.name}.defvjp returned cotangents of structure {found}.",
                "A cotangent has the structure of its argument; None stands for zero.",
            ),
        )
        bars = []
        for k, aval in zip(self.where, avals, strict=True):
            bar = as_value(all_bars[k], custom, "defvjp", "a cotangent") if inexact(aval.dtype) else None
            if bar is not None and bar.shape != aval.shape:
                raise ShapeError(
                    f"the bwd given to {custom.name}.defvjp returned a cotangent of shape {bar.shape} for "
                    f"argument{paths(self.tree)[k]} of shape {aval.shape}.",
                    "A cotangent has the shape of its argument.",
                )
            bars.append(bar)
        return bars


def missing(custom: Any, method: str) -> NoDerivative:
    return NoDerivative(
        f"{custom.name} is a {custom.kind} function and has no rule.",
        f"Give one with {custom.name}.{method}.",
    )


def counted(result: Any) -> str:
    return f"{len(result)} values" if isinstance(result, (tuple, list)) else f"one {type(result).__name__}"


def as_value(x: Any, custom: Any, method: str, what: str) -> Any:
    """What a rule returned for one leaf, with a shape and a dtype; None for zero."""
    if x is None or type(x) is Zero:
        return None
    if not number(x):
        raise StructureError(
            f"the rule given to {custom.name}.{method} returned {what} of {described(x)}.",
            "Return arrays or numbers.",
        )
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


class Batched:
    """A call for many examples: f and its rules run once, on batched tensors."""

    def __init__(self, call: Any, size: int, mapped: list[bool]):
        self.call, self.size, self.mapped = call, size, mapped
        self.custom = call.custom

    def level(self) -> BatchLevel:
        return BatchLevel("vmap", self.custom.f, self.size)

    def inside(self, f: Callable) -> Any:
        level = self.level()
        try:
            return f(level)
        finally:
            level.close()

    def wrapped(self, level: BatchLevel, xs: list) -> list:
        pairs = zip(xs, self.mapped, strict=True)
        return [BatchTensor(level, x) if m and x is not None else x for x, m in pairs]

    def run(self, xs: list) -> list:
        return self.inside(lambda level: spread(self.call.run(self.wrapped(level, xs)), level))

    def push(self, xs: list, x_dots: list) -> tuple[list, list]:
        def push(level):
            ys, y_dots = self.call.push(self.wrapped(level, xs), self.wrapped(level, x_dots))
            return spread(ys, level), spread(y_dots, level)

        return self.inside(push)

    def forward(self, xs: list) -> tuple[list, tuple]:
        def forward(level):
            ys, (leaves, rest) = self.call.forward(self.wrapped(level, xs))
            mine = [own(x, BatchTensor, level) for x in leaves]
            leaves = [x.value if m else x for x, m in zip(leaves, mine, strict=True)]
            return spread(ys, level), (leaves, (mine, rest))

        return self.inside(forward)

    def backward(self, residuals: tuple, y_bars: list) -> list:
        leaves, (mine, rest) = residuals

        def backward(level):
            inner = [BatchTensor(level, x) if m else x for x, m in zip(leaves, mine, strict=True)]
            bars = self.call.backward((inner, rest), [BatchTensor(level, y_bar) for y_bar in y_bars])
            return spread(bars, level)

        bars = zip(self.inside(backward), self.mapped, strict=True)
        return [bar if m or bar is None else np.sum(bar, axis=0) for bar, m in bars]


def spread(ys: list, level: BatchLevel) -> list:
    return [spread_lanes(y, level) for y in ys]
