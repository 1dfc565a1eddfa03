"""What enters and leaves a transform: leaves are checked and made arrays on the way in, and given back on the
way out as fresh arrays in the type that came in. Nothing in this file differentiates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualdiff.core import Tracer, plain
from dualdiff.errors import InputTypeError, ShapeError, StructureError
from dualdiff.tree import LEAF, Tree, flatten, paths, unflatten

MODES = ("auto", "forward", "reverse")
WITH_ARGNUMS = ("grad", "jacobian", "hessian")  # the others differentiate every argument


def check_mode(mode: Any, transform: str, allowed: tuple = MODES) -> None:
    if mode not in allowed:
        raise InputTypeError(
            f"{transform} was given mode={mode!r}.", f"Choose one of {', '.join(map(repr, allowed))}."
        )


def check_callable(f: Any, transform: str) -> None:
    if not callable(f):
        raise InputTypeError(
            f"{transform} needs a function; it was given a value of type {type(f).__name__}.",
            "Pass the function itself, not the result of calling it.",
        )


def path_of(key: Any, tree: Tree, k: int) -> str:
    """How to reach leaf k of the argument `key`; spelled out only for an error."""
    return f"argument {key!r}{paths(tree)[k]}"


def part_of(kind: str, tree: Tree, k: int) -> str:
    """How to reach leaf k of a tangent or cotangent."""
    return f"the {kind}{paths(tree)[k]}"


def input_leaf(x: Any, transform: str, path: Callable[[], str]) -> Any:
    """A differentiated leaf as a float or complex array or scalar; everything else is refused by its path."""
    kind = type(x)
    if kind is float or kind is int:
        return np.float64(x)
    if kind is complex:
        return np.complex128(x)
    dtype = getattr(x, "dtype", None)
    if dtype is None or dtype.kind not in "biufc" or isinstance(x, (np.matrix, np.ma.MaskedArray)):
        raise InputTypeError(
            f"{transform} cannot differentiate with respect to {path()}: it is of {described(x)}.",
            f"Pass float arrays, or {left_out(transform)}.",
        )
    if dtype.kind not in "fc":
        raise InputTypeError(
            f"{transform} cannot differentiate with respect to {path()}: its dtype is {dtype}.",
            f"Integers have no derivative: write x.astype(float), or {left_out(transform)}.",
        )
    return x.again() if isinstance(x, Tracer) else x  # f may write to the tensor


def left_out(transform: str) -> str:
    """How an argument is not differentiated, for a message."""
    fixed = "hold the argument fixed, as in lambda x: f(x, n)"
    return "leave the argument out of argnums" if transform in WITH_ARGNUMS else fixed


def described(x: Any) -> str:
    """What a leaf that is no number is, for a message."""
    dtype = getattr(x, "dtype", None)
    return f"type {type(x).__name__}" + (f" and dtype {dtype}" if isinstance(dtype, np.dtype) else "")


def input_leaves(values: tuple, transform: str, keys: Sequence) -> tuple[list, list[Tree]]:
    """The checked leaves of several arguments, known by position or name, and one tree each."""
    leaves: list = []
    trees: list[Tree] = []
    for i, value in enumerate(values):
        if type(value) is np.ndarray and value.dtype.kind in "fc":  # the usual leaf, told at once
            leaves.append(value)
            trees.append(LEAF)
            continue
        if type(value) is float:
            leaves.append(np.float64(value))
            trees.append(LEAF)
            continue
        found, tree = flatten(value)
        trees.append(tree)
        for k, x in enumerate(found):
            if type(x) is np.ndarray and x.dtype.kind in "fc":
                leaves.append(x)
                continue
            if tree is not LEAF and type(x) is int:  # a count in a container, not a number written short
                x = np.int64(x)
            leaves.append(input_leaf(x, transform, partial(path_of, keys[i], tree, k)))
    return leaves, trees


def rebuild(trees: list[Tree], leaves: list) -> tuple:
    """The arguments again, from all their leaves."""
    if len(trees) == 1 and trees[0] is LEAF:  # the usual case, told at once
        return (leaves[0],)
    if len(leaves) == len(trees) and all([tree is LEAF for tree in trees]):
        return tuple(leaves)
    values, start = [], 0
    for tree in trees:
        values.append(unflatten(tree, leaves[start : start + tree.leaves]))
        start += tree.leaves
    return tuple(values)


def split_aux(result: Any, has_aux: bool, f: Callable) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        found = f"{len(result)} things" if isinstance(result, tuple) else "one thing"
        raise StructureError(
            f"has_aux=True needs {name_of(f)} to return a pair (output, aux); it returned {found}.",
            "Return a pair, or leave has_aux away.",
        )
    return result


def output_leaves(y: Any, f: Callable, transform: str) -> tuple[list, Tree]:
    """The leaves of a result, each an array, a scalar or a live tensor."""
    if isinstance(y, Tracer) and not y.level.closed:
        return [plain(y)], LEAF
    leaves, tree = flatten(y)
    if not leaves:
        raise StructureError(
            f"{transform} needs {name_of(f)} to return a number or an array; it returned {y!r}.",
            "Is a return statement missing?",
        )
    return [output_leaf(x, f, transform) for x in leaves], tree


def output_leaf(x: Any, f: Callable, transform: str) -> Any:
    if isinstance(x, Tracer):
        if x.level.closed:
            x.level.escaped()
        return x
    if isinstance(x, (bool, int, float, complex)):
        x = np.asarray(x)[()]  # an int of more than 64 bits stays what it is, and is refused
    if getattr(getattr(x, "dtype", None), "kind", "O") not in "biufc":
        raise StructureError(
            f"{transform} needs {name_of(f)} to return numbers; it returned a value of {described(x)}.",
            "Return arrays, numbers or containers of them; use has_aux=True for anything else.",
        )
    return x


def matching_leaves(value: Any, tree: Tree, like: list, kind: str, transform: str) -> list:
    """Tangents or cotangents with the structure, shapes and dtypes of the leaves in `like`."""
    if type(value) is np.ndarray and tree is LEAF:
        (x,) = like
        if value.shape == x.shape and value.dtype is x.dtype:  # the usual case, told at once
            return [value]
    leaves, found = flatten(value)
    if found != tree:
        raise StructureError(
            f"{transform} was given a {kind} of structure {found!r} for a value of structure {tree!r}.",
            f"A {kind} has the structure of the value that it belongs to.",
        )
    pairs = enumerate(zip(leaves, like, strict=True))
    return [matching_leaf(v, x, transform, partial(part_of, kind, tree, k)) for k, (v, x) in pairs]


def matching_arguments(values: tuple, primals: tuple, leaves: list, kind: str, transform: str) -> list:
    """The same for one tangent or cotangent per argument."""
    if len(values) == len(primals) == len(leaves):  # arrays for arrays are told at once
        for v, p, x in zip(values, primals, leaves, strict=True):
            if type(v) is not np.ndarray or p is not x or v.shape != x.shape or v.dtype is not x.dtype:
                break
        else:
            return list(values)
    return matching_leaves(values, flatten(primals)[1], leaves, kind, transform)


def matching_leaf(v: Any, x: Any, transform: str, what: Callable[[], str]) -> Any:
    if not isinstance(v, Tracer):
        v = np.asarray(v)
    if v.shape != x.shape:
        raise ShapeError(
            f"{transform} was given {what()} of shape {v.shape} for a value of shape {x.shape}.",
            "Give it the shape of its value.",
        )
    if v.dtype.kind not in "biufc" or (v.dtype.kind == "c" and x.dtype.kind != "c"):
        raise InputTypeError(
            f"{transform} was given {what()} of dtype {v.dtype} for a value of dtype {x.dtype}.",
            "Give it the dtype of its value.",
        )
    if v.dtype != x.dtype and x.dtype.kind in "fc":
        return v.astype(x.dtype)
    return v.again() if isinstance(v, Tracer) else v


def give_back(derivative: Any, like: Any, seen: set[int]) -> Any:
    """A derivative for the user: zeros for None, fresh memory, scalars for scalars and arrays for arrays."""
    if derivative is None:
        derivative = np.zeros(like.shape, like.dtype if like.dtype.kind in "fc" else float)
    if isinstance(derivative, Tracer):
        return derivative
    if not isinstance(derivative, np.ndarray):  # NumPy scalars, and arrays of other libraries
        return np.asarray(derivative) if isinstance(like, np.ndarray) else derivative
    if derivative.base is not None or not derivative.flags.writeable or id(derivative) in seen:
        derivative = derivative.copy()
    seen.add(id(derivative))
    return derivative if isinstance(like, (np.ndarray, Tracer)) or derivative.ndim else derivative[()]


def give_back_all(derivatives: list, likes: list, given: Any = ()) -> list:
    """Each derivative for its leaf; arrays that the user gave in are never handed out again."""
    if len(derivatives) == 1:  # the usual cases, told at once
        (x_bar,), (x,) = derivatives, likes
        if type(x_bar) is np.float64 is type(x):
            return derivatives
        if type(x_bar) is np.ndarray is type(x) and x_bar.base is None and x_bar.flags.writeable:
            for v in given:
                if v is x_bar:
                    break
            else:
                return derivatives
    seen = set(map(id, given))
    return [give_back(d, x, seen) for d, x in zip(derivatives, likes, strict=True)]


def compact(block: Any) -> Any:
    """A block that the user may write: lanes made by the sweep are fresh, a broadcast is copied."""
    if isinstance(block, Tracer) or not isinstance(block, np.ndarray):
        return block
    return block if block.ndim and block.flags.writeable else block.copy()[()]


def fresh_values(ys: list, leaves: list | None = None) -> list:
    """The values for the user, in memory that no input shares. Without `leaves` every array is copied: it may
    be a residual of the pullback that goes out with it."""
    if len(ys) == 1 and type(ys[0]) is np.ndarray:  # the usual case, told at once
        return [ys[0].copy()] if shared(ys[0], leaves) else ys
    fresh: list = []
    for y in ys:
        if type(y) is np.ndarray and (shared(y, leaves) or any(y is z for z in fresh)):
            y = y.copy()
        fresh.append(y)
    return fresh


def shared(y: np.ndarray, leaves: list | None) -> bool:
    return leaves is None or y.base is not None or not y.flags.writeable or any([y is x for x in leaves])


def own(x: Any, kind: Any, level: Any) -> bool:
    """Whether x is a tensor of this very transform."""
    return isinstance(x, kind) and x.level is level


def name_of(f: Any) -> str:
    return getattr(f, "__name__", type(f).__name__)
