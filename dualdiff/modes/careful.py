"""The sweeps while something is asked of them (ambient.py): to look at what they make, or for strong zeros.

They do what those of tape.py do, in the same order and to the same bits, without shortcuts. A `Careful` is
what the with-statements ask; transforms call it where they make their tensors, sweep and return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop
from typing import Any

import numpy as np

from dualdiff.avals import Aval
from dualdiff.errors import UndefinedDerivative, UnusedInputWarning
from dualdiff.modes.forward import fit_tangent
from dualdiff.modes.report import derivative_error, element, elementwise_at, fits
from dualdiff.modes.strong import Strong, strong, weak, where_not
from dualdiff.modes.tape import PARENTS, Rule, Slots, Tape, deliver, fit_cotangent
from dualdiff.modes.watch import (
    CALL,
    WatchedDual,
    WatchedTape,
    all_finite,
    dense,
    parts_of,
    placing,
    warn,
)
from dualdiff.modes.zero import Zero
from dualdiff.tree import Tree, paths


class Watch:
    """What debug asks: whether the function's own values are looked at, beside its derivatives."""

    __slots__ = ("primal",)

    def __init__(self, primal: bool):
        self.primal = primal


class Unplaced:
    """What stands for the call of a node that was recorded while debug was off."""

    op = None
    params: dict = {}
    line = "a line that was not recorded"

    def __init__(self, name: str):
        self.name = name
        self.operands: list = []

    def undefined(self) -> None:
        return None

    def verify(self) -> None:
        pass


class Careful:
    """What is asked of the transforms called here: a Watch or None, and whether zeros are strong."""

    __slots__ = ("watch", "strong")

    def __init__(self, watch: Watch | None, strong: bool):
        self.watch = watch
        self.strong = strong

    # ---------------------------------------------------------------- where transforms make their tensors
    def duals(self, duals: list) -> None:
        """The inputs of forward mode, before the function runs."""
        for x in duals:
            if self.strong:
                x.tangent = strong(x.tangent)
            if self.watch is not None:
                x.__class__ = WatchedDual

    def leaves(self, level: Any, leaves: list) -> None:
        """The inputs of reverse mode, before the function runs."""
        if self.watch is not None:
            level.tick = self.tick(level.tick)
            for x in leaves:
                x.__class__ = WatchedTape

    def tick(self, tick: Callable[[], int]) -> Callable[[], int]:
        """What numbers the nodes of a level that records."""
        return tick if self.watch is None else placing(tick)

    def tangents(self, level: Any, y_dots: list, f: Any, trees: list[Tree]) -> list:
        """The results of forward mode, for the user."""
        if self.watch is not None and all(y_dot is None for y_dot in y_dots):
            for k in range(sum(tree.leaves for tree in trees)):
                unused(level, f, trees, k)
        return [weak(y_dot) for y_dot in y_dots]

    def roots(self, level: Any, roots: list, idents: list, f: Any, trees: list[Tree]) -> None:
        """The results of reverse mode: which inputs do they depend on?"""
        if self.watch is None:
            return
        todo = [root for root in roots if root is not None]
        reached = {root[0] for root in todo}
        while todo:
            for parent in todo.pop()[PARENTS]:
                if parent[0] not in reached:
                    reached.add(parent[0])
                    todo.append(parent)
        for k, ident in enumerate(idents):
            if ident not in reached:
                unused(level, f, trees, k)

    def products(self, columns: Any, y_bar: Any) -> Any:
        """conj(columns) y_bar, for a pullback that is made of columns."""
        terms = np.conj(columns) * y_bar
        if not self.strong:
            return terms
        return where_not(np.logical_and(np.equal(y_bar, 0), np.logical_not(np.isfinite(terms))), terms)

    # ---------------------------------------------------------------- sweeps
    def sweep(self, seeds: list, last: Mapping[int, bool] | None) -> dict[int, Any]:
        """As tape.sweep."""
        pending: dict[int, list] = {}
        heap: list[int] = []
        found = {}
        wrapped = self.strong and not any(type(y_bar) is Strong for _, y_bar in seeds)
        looked_at = self.watch is not None and CALL.get() is None and all(all_finite(bar) for _, bar in seeds)
        outer = CALL.get()
        token = CALL.set(outer)
        try:
            with np.errstate(all="ignore"):
                while seeds:
                    node, y_bar = seeds.pop()
                    y_bar = strong(y_bar) if wrapped else y_bar
                    deliver(pending, heap, node, fit_cotangent(y_bar, node[1], node[2]))
                while heap:
                    node, y_bar, _ = pending.pop(heappop(heap))
                    rule = node[3]
                    if rule is None or (last and node[0] in last):
                        if not last or last.get(node[0], True):
                            found[node[0]] = weak(y_bar) if wrapped else y_bar
                        continue
                    call = enter(node, rule, outer)
                    if looked_at:
                        call.verify()
                        check_gauge(call, y_bar)
                    parents = node[PARENTS]
                    if (
                        type(rule) is not Rule
                    ):  # of the PyTorch-style front end, whose hooks see the cotangent
                        y_bar = weak(y_bar)
                    bars = rule.pull(y_bar, node[4], node[5], node[6])
                    if rule.exact == 1:
                        bars = (bars,)
                    elif rule.exact == 2 and parents[0] is parents[1]:  # as in x * x: added first, as there
                        parents, bars = parents[:1], (bars[0] + bars[1],)
                    for parent, x_bar in zip(parents, bars, strict=True):
                        if x_bar is not None:
                            bar = fit_cotangent(x_bar, parent[1], parent[2], call.name)
                            if looked_at:
                                check_cotangent(call, node, y_bar, bar)
                            deliver(pending, heap, parent, bar)
        finally:
            CALL.reset(token)
        return found

    def push(self, tape: Tape, x_dots: Any) -> list:
        """As Tape.push."""
        given = {i: x_dot for i, x_dot in zip(tape.leaves, x_dots, strict=True) if x_dot is not None}
        looked_at = self.watch is not None and CALL.get() is None and all(map(all_finite, given.values()))
        dots = {i: strong(x_dot) for i, x_dot in given.items()} if self.strong else given
        outer = CALL.get()
        token = CALL.set(outer)
        try:
            with np.errstate(all="ignore"):
                for node in tape.nodes:
                    y_dot = self.push_node(node, dots, looked_at, outer)
                    if y_dot is not None:
                        dots[node[0]] = y_dot
        finally:
            CALL.reset(token)
        return [None if root is None else weak(dots.get(root[0])) for root in tape.roots]

    def push_node(self, node: tuple, dots: dict, looked_at: bool, outer: Any) -> Any:
        """The tangent of one node, None where none arrives."""
        _, shape, dtype, rule, y, xs, params, *parents = node
        arrived = [dots.get(parent[0]) for parent in parents]
        if rule is None or all(x_dot is None for x_dot in arrived):
            return None
        call = enter(node, rule, outer)
        y_dot = rule.push(arrived, y, xs, params)
        if y_dot is None or type(y_dot) is Zero:
            return None
        if shape is not None and (y_dot.shape != shape or y_dot.dtype != dtype):
            y_dot = fit_tangent(y_dot, Aval(shape, dtype))
        if looked_at:
            call.verify()
            for part in y_dot if isinstance(y_dot, tuple) else (y_dot,):
                for _, value in parts_of(part):
                    check(call, "tangent", value, None, False)
        return y_dot


def enter(node: tuple, rule: Any, outer: Any) -> Any:
    """The call that a node was made for, which is worked on from now on; or the one that the sweep is in."""
    call = getattr(node[0], "call", None) or outer
    CALL.set(call)
    return call or Unplaced(named(rule))


def named(rule: Any) -> str:
    """The op of a rule; those of the PyTorch-style front end hold its record, or are called after it."""
    op = getattr(rule, "op", type(rule).__name__)
    return getattr(op, "name", op)


def unused(level: Any, f: Any, trees: list[Tree], k: int) -> None:
    """Warn of the k-th leaf of the differentiated arguments."""
    keys = getattr(f, "keys", None)
    keys = keys if isinstance(keys, list) else range(len(trees))
    for key, tree in zip(keys, trees, strict=True):
        if k < tree.leaves:
            warn(
                f"{level.transform}: the result of {level.function} does not depend on argument "
                f"{key!r}{paths(tree)[k]}, or by flat steps alone; its derivative is 0.",
                UnusedInputWarning,
            )
            return
        k -= tree.leaves


# -------------------------------------------------- looking
def check(call: Any, what: str, value: Any, seed: Any, met: bool) -> None:
    if not np.isfinite(value).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(value))[0]))
        raise derivative_error(call, what, value, place, seed, met)


def check_cotangent(call: Any, node: tuple, y_bar: Any, bar: Any) -> None:
    """Raise if a cotangent made of finite ones is not finite."""
    for part in bar.values() if type(bar) is Slots else (bar,):
        for _, value in parts_of(part):
            if np.isfinite(value).all():
                continue
            place = tuple(map(int, np.argwhere(~np.isfinite(value))[0]))
            seed = seed_at(call, y_bar, value, place)
            raise derivative_error(
                call,
                "cotangent",
                value,
                place,
                seed,
                zero_met_infinity(call, node, y_bar, value, place, seed),
            )


def seed_at(call: Any, y_bar: Any, value: Any, place: tuple[int, ...]) -> Any:
    """The cotangent behind one place of an elementwise op's, if it is as plain as that."""
    if type(y_bar) is Slots or not elementwise_at(call, value):
        return None
    return next((element(x, place) for _, x in parts_of(y_bar) if fits(x, value)), None)


def zero_met_infinity(call: Any, node: tuple, y_bar: Any, value: Any, place: Any, seed: Any) -> bool:
    """Whether a cotangent of 0 was multiplied by infinity: a rule is linear, so ones show its factors."""
    if type(y_bar) is Slots or not np.isnan(value[place]):
        return False
    if seed is None:
        infinite = any(np.isinf(x).any() for x in call.operands if getattr(x, "dtype", None) is not None)
        return bool(infinite and np.equal(dense(y_bar), 0).any())
    if seed != 0:
        return False
    bars = node[3].pull(np.ones(y_bar.shape, y_bar.dtype), node[4], node[5], node[6])
    factors = [dense(bar) for bar in ((bars,) if node[3].exact == 1 else bars) if bar is not None]
    return any(np.isinf(element(d, place)) for d in factors)


def check_gauge(call: Any, y_bar: Any) -> None:
    """Raise if a cotangent asks an op what its value leaves open."""
    if call.op is None or call.op.gauge is None or not call.results:
        return
    if call.op.multiple:
        y_bar = y_bar if type(y_bar) is Slots else {}
        asked: Any = tuple(dense(y_bar[k]) if k in y_bar else None for k in range(len(call.results)))
    else:
        asked = dense(y_bar)
    y = call.results if call.op.multiple else call.results[0]
    said = call.op.gauge(asked, y, *call.operands, **call.params)
    if said:
        raise UndefinedDerivative(f"{call.name} at {call.line}: {said}.")
