"""where_safe: np.where of two functions, of which nothing enters a derivative where it is not taken."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.errors import ControlFlowError, StructureError
from dualdiff.modes.batch import BatchTensor
from dualdiff.transforms.boundary import own
from dualdiff.transforms.linear import stop_gradient
from dualdiff.tree import flatten, unflatten


def where_safe(cond: Any, f: Any, g: Any, *args: Any) -> Any:
    """np.where(cond, f(*args), g(*args)), of which the branch not taken enters no derivative, of any order.

    f and g are functions that act element by element, or constants. Each is given its arguments with the
    elements at which it is not taken replaced by those of a place at which it is. So it is not evaluated
    outside of what cond selects, and warns of nothing there.

    Shapes      cond: S, args: arrays or containers of arrays that broadcast with S; f and g return an array,
                or containers of one structure
    Derivative  that of f where cond holds, of g elsewhere, in both modes
    Raises      StructureError where f and g return different containers

    >>> where_safe(np.array([False, True]), np.log, 0.0, np.array([0.0, 1.0]))
    array([0., 0.])
    """
    leaves, tree = flatten(args)
    chosen: Any = stop_gradient(cond)
    chosen = chosen if isinstance(chosen, Tracer) else np.asarray(chosen)
    chosen = chosen if chosen.dtype == bool else np.not_equal(chosen, 0)
    taken, ys = (
        flatten(branch(f, chosen, leaves, tree)),
        flatten(branch(g, np.logical_not(chosen), leaves, tree)),
    )
    if taken[1] != ys[1]:
        if callable(f) and callable(g):
            raise StructureError(
                f"where_safe was given functions that return {taken[1]!r} and {ys[1]!r}.",
                "Let both return an array, or the same container.",
            )
        wide = taken if callable(f) else ys  # a constant stands for every leaf
        alone = (ys if callable(f) else taken)[0][0]
        same = [alone] * len(wide[0])
        taken, ys = ((wide[0], wide[1]), (same, wide[1])) if callable(f) else ((same, wide[1]), wide)
    return unflatten(taken[1], [np.where(chosen, y, z) for y, z in zip(taken[0], ys[0], strict=True)])


def branch(f: Any, chosen: Any, leaves: list, tree: Any) -> Any:
    """f where it is chosen, and elsewhere what f is at a place where it is chosen."""
    if not callable(f):
        return f
    arrays = [k for k, x in enumerate(leaves) if getattr(x, "dtype", None) is not None]
    found = a_place(chosen, *[stop_gradient(leaves[k]) for k in arrays])
    inside = list(leaves)
    if found is None:  # f is taken nowhere: its value alone is wanted, for its dtype
        with np.errstate(all="ignore"):
            return f(*unflatten(tree, stop_gradient(leaves)))
    for k, value in zip(arrays, found, strict=True):
        inside[k] = np.where(chosen, leaves[k], value)
    return f(*unflatten(tree, inside))


def a_place(*arrays: Any) -> list | None:
    """The elements of arrays at the first place that the first of them chooses, in any example; or None."""
    wide: Any = np.broadcast_arrays(*arrays)
    chosen, *xs = wide
    tracers: list[Any] = [x for x in wide if isinstance(x, Tracer)]
    if not tracers:
        place = np.argmax(chosen) if chosen.size else 0
        found = chosen.size and chosen.reshape(-1)[place]
        return [x.reshape(-1)[place] for x in xs] if found else None
    top = max(tracers, key=lambda x: x.level.number)
    if type(top) is BatchTensor:
        return a_place(*[x.primal if own(x, BatchTensor, top.level) else x for x in wide])
    try:
        return a_place(*[x.concrete() if x is top else x for x in wide])
    except ControlFlowError:  # a value that stands for any number, as in a pattern: 1 is as good as another
        return [x.dtype.type(1) for x in xs]
