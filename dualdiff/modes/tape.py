"""The tape: what a node is, and the sweeps over nodes, backwards for cotangents and forwards for tangents.

The graph of nodes with falling ids *is* the tape. `sweep` visits the newest node first, from a heap of those
that hold a cotangent, so it needs no recursion and no list of everything recorded: what does not reach the
output was never kept, and a node swept is a node freed. `Tape` replays the same nodes, both ways, as often as
asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from typing import Any

import numpy as np

from dualdiff.avals import Aval
from dualdiff.errors import ShapeError
from dualdiff.modes.ambient import AMBIENT
from dualdiff.modes.forward import fit_tangent
from dualdiff.modes.zero import Zero
from dualdiff.quiet import quiet

# A node: (id, shape, dtype, rule, y, xs, params, *parents). The ids of one level fall with time. y, xs and
# params are residuals, which hold only what the rule reads. A leaf has rule None.
Node = tuple
PARENTS = slice(7, None)


class Rule:
    """What a sweep does at a node: `pull` cotangents to the parents, or `push` their tangents to y."""

    __slots__ = ("pull", "push", "exact", "op")

    def __init__(self, pull: Callable, push: Callable, exact: int = 0, op: str = ""):
        self.op = op  # the name of the op, for errors
        self.pull = pull  # (y_bar, y, xs, params) -> one cotangent per parent, or None
        self.push = push  # (x_dots, y, xs, params) -> y_dot
        # 1 or 2 where pull gives the cotangent of the one parent alone, or those of two, exactly in their
        # shapes and dtypes, so that the sweep need not look; 0 for a sequence that it fits to the parents.
        self.exact = exact


# -------------------------------------------------- ops with several outputs
# Each output is a node of its own whose parent is the op's node; cotangents meet there in a Slots.
class Slots(dict):
    """Cotangents of some outputs of one op, by position."""

    shape = dtype = None

    def __add__(self, other: Slots) -> Slots:
        return Slots({**self, **other})


SELECT = Rule(lambda y_bar, y, xs, k: (Slots({k: y_bar}),), lambda x_dots, y, xs, k: x_dots[0][k])


# -------------------------------------------------- the sweeps
def sweep(seeds: list[tuple[Node, Any]], last: Mapping[int, bool] | None = None) -> dict[int, Any]:
    """Pull the cotangents in `seeds` back to the leaves; returns {leaf id: cotangent}.

    The nodes whose ids are in `last` count as leaves, and it says whether their cotangents are looked for.

    `seeds` is emptied, and each node is dropped after its visit: when the caller holds no other reference to
    the graph, residuals are freed as the sweep passes.
    """
    careful = AMBIENT.get()
    if careful is not None:
        return careful.sweep(seeds, last)
    pending: dict[int, list] = {}  # id -> [node, cotangent, whether the sweep owns its memory]
    heap: list[int] = []
    leaves = {}
    while seeds:
        node, y_bar = seeds.pop()
        deliver(pending, heap, node, fit_cotangent(y_bar, node[1], node[2]))
    with quiet():
        while heap:
            node, y_bar, _ = pending.pop(heappop(heap))
            while True:
                rule = node[3]
                if rule is None or (last and node[0] in last):
                    if not last or last.get(node[0], True):
                        leaves[node[0]] = y_bar
                    break
                exact = rule.exact
                if exact == 1:
                    y_bar = rule.pull(y_bar, node[4], node[5], node[6])
                    node = node[7]
                elif exact == 2:
                    y_bar, older_bar = rule.pull(y_bar, node[4], node[5], node[6])
                    node, older = node[7], node[8]
                    if node is older:  # as in x * x
                        y_bar = y_bar + older_bar
                    else:
                        if older[0] < node[0]:
                            node, older, y_bar, older_bar = older, node, older_bar, y_bar
                        deliver(pending, heap, older, older_bar)
                    del older, older_bar
                else:
                    bars = rule.pull(y_bar, node[4], node[5], node[6])
                    for parent, x_bar in zip(node[PARENTS], bars, strict=True):
                        if x_bar is not None:
                            bar = fit_cotangent(x_bar, parent[1], parent[2], rule.op)
                            deliver(pending, heap, parent, bar)
                    parent = x_bar = bar = bars = None
                    break
                if heap and heap[0] <= node[0]:
                    deliver(pending, heap, node, y_bar)
                    break  # another node comes first, or another cotangent belongs here as well
            del node, y_bar  # free what was just visited
    return leaves


def deliver(pending: dict, heap: list, node: Node, bar: Any) -> None:
    """Add a cotangent to a node's, in place once the sum is the sweep's own array."""
    place = pending.get(node[0])
    if place is None:
        pending[node[0]] = [node, bar, False]
        heappush(heap, node[0])
    elif place[2] and type(bar) is np.ndarray:  # a tensor of an outer level cannot be written into an array
        np.add(place[1], bar, out=place[1])
    else:
        place[1] = total = place[1] + bar
        place[2] = type(total) is np.ndarray


def fit_cotangent(x_bar: Any, shape: tuple | None, dtype: Any, op: str = "") -> Any:
    """The cotangent in its primal's shape and dtype: the one place where copies of a broadcast are summed and
    the imaginary part is dropped for a real primal."""
    if shape is None or (x_bar.shape == shape and x_bar.dtype is dtype):
        return x_bar  # as it should be; or the Slots of an op with several outputs
    if x_bar.shape != shape:
        x_bar = sum_to_shape(x_bar, shape, op)
    if x_bar.dtype != dtype:
        if x_bar.dtype.kind == "c" and dtype.kind != "c":
            x_bar = np.real(x_bar)
        x_bar = x_bar.astype(dtype)
    return x_bar


def sum_to_shape(x_bar: Any, shape: tuple[int, ...], op: str = "") -> Any:
    """Sum the leading axes, then those that were 1: the transpose of broadcasting."""
    extra = x_bar.ndim - len(shape)
    if extra < 0 or any(m not in (1, n) for n, m in zip(x_bar.shape[extra:], shape, strict=True)):
        try:
            return np.broadcast_to(x_bar, shape)
        except ValueError:
            raise ShapeError(
                f"the rule of {op or 'an op'} returned a cotangent of shape {x_bar.shape} for an argument of "
                f"shape {shape}.",
                "A transpose or pullback returns the shape of its argument.",
            ) from None
    if x_bar.size == math.prod(shape):  # every axis to be summed has length 1
        return x_bar.reshape(shape)
    ones = tuple(extra + i for i, n in enumerate(shape) if n == 1 and x_bar.shape[extra + i] != 1)
    axes = (*range(extra), *ones)
    return x_bar.sum(axis=axes).reshape(shape) if axes else np.broadcast_to(x_bar, shape)


class Tape:
    """The nodes between some leaves and some outputs, oldest first, to be swept both ways."""

    __slots__ = ("nodes", "roots", "leaves", "check")

    def __init__(self, leaves: list[int], roots: list[Node | None], check: Callable = lambda: None):
        self.leaves = leaves
        self.roots = roots
        self.check = check  # before a sweep: that what the tape keeps has not changed
        reached = {root[0]: root for root in roots if root is not None}
        ends = set(
            leaves
        )  # where the tape of a part of a function begins, they may have been made themselves
        todo = list(reached.values())
        while todo:
            node = todo.pop()
            for parent in () if node[0] in ends else node[PARENTS]:
                if parent[0] not in reached:
                    reached[parent[0]] = parent
                    todo.append(parent)
        nodes = [reached[i] for i in sorted(reached, reverse=True)]
        self.nodes = [node for node in nodes if node[3] is None or node[0] not in ends]

    def pull(self, y_bars: Iterable) -> list:
        """Cotangents of the leaves, None where nothing arrives."""
        self.check()
        pairs = zip(self.roots, y_bars, strict=True)
        bars = sweep([(root, y_bar) for root, y_bar in pairs if root is not None])
        return [bars.get(ident) for ident in self.leaves]

    def push(self, x_dots: Iterable) -> list:
        """Tangents of the roots, None where nothing arrives."""
        self.check()
        careful = AMBIENT.get()
        if careful is not None:
            return careful.push(self, x_dots)
        dots = {i: x_dot for i, x_dot in zip(self.leaves, x_dots, strict=True) if x_dot is not None}
        with quiet():
            for ident, shape, dtype, rule, y, xs, params, *parents in self.nodes:
                if rule is None:
                    continue
                arrived = [dots.get(parent[0]) for parent in parents]
                if all(x_dot is None for x_dot in arrived):
                    continue
                y_dot = rule.push(arrived, y, xs, params)
                if y_dot is None or type(y_dot) is Zero:
                    continue
                if shape is not None and (y_dot.shape != shape or y_dot.dtype != dtype):
                    y_dot = fit_tangent(y_dot, Aval(shape, dtype))
                dots[ident] = y_dot
        return [None if root is None else dots.get(root[0]) for root in self.roots]
