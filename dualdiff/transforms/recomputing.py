"""Steps that are run again in the sweep instead of being recorded: what checkpoint and its loop are made of.

The steps run as they always do, on the tensors that they were given, so that forward mode, vmap and values
that they close over need nothing here. What is dropped is the tape of each step: from its results the nodes
made in it are walked to those that were there before, arguments or closed over, and one node with these as
parents takes their place. Its rule opens the levels again, repeats the steps in the order of the binomial
schedule, and sweeps each on its own.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from dualdiff.core import CONSTANT, Level, TapeLevel, Tracer
from dualdiff.errors import MutationError
from dualdiff.modes.ambient import AMBIENT
from dualdiff.modes.batch import BatchTensor
from dualdiff.modes.forward import DualTensor
from dualdiff.modes.guard import COPIED, kept
from dualdiff.modes.reverse import TapeTensor
from dualdiff.modes.seeds import Lanes
from dualdiff.modes.strong import Strong
from dualdiff.modes.tape import PARENTS, SELECT, Node, Rule, Tape, sweep
from dualdiff.tensor import Tensor
from dualdiff.transforms.binomial import schedule
from dualdiff.tree import flatten

Step = Callable[[int, list], list]  # of the number of a step and the leaves of the state before it


# -------------------------------------------------- tensors inside tensors
KNOWN = (TapeTensor, DualTensor, BatchTensor)
INSIDE = (Lanes, Strong)  # what may stand between them, of no transform


def inside(x: Any) -> Iterator:
    """The tensors of transforms in x, which holds those of lower levels, in one order."""
    while isinstance(x, (*KNOWN, *INSIDE)):
        if isinstance(x, INSIDE):
            x = x.d if isinstance(x, Lanes) else x.primal
            continue
        yield x
        if isinstance(x, DualTensor):
            yield from inside(x.tangent)
        x = x.primal


def opaque(x: Any) -> bool:
    """Whether x holds tensors inside one of another kind, where they are not looked for."""
    while isinstance(x, (*KNOWN, *INSIDE)):
        if isinstance(x, DualTensor) and opaque(x.tangent):
            return True
        x = x.d if isinstance(x, Lanes) else x.primal
    return isinstance(x, Tensor) and isinstance(getattr(x, "primal", None), Tensor)


def rebuilt(x: Any, node_of: Callable) -> Any:
    """x with other nodes for the tape tensors in it, or the same where node_of gives none."""
    if type(x) is Strong:
        return Strong(rebuilt(x.primal, node_of))
    if isinstance(x, Lanes):
        return x.on(rebuilt(x.d, node_of))
    if not isinstance(x, KNOWN):
        return x
    part = None
    if isinstance(x, TapeTensor):  # in the order of `inside`
        part = node_of(x) or x.node
    elif isinstance(x, DualTensor):
        part = rebuilt(x.tangent, node_of)
    y = object.__new__(type(x))
    y.level, y.part, y.primal = x.level, part, rebuilt(x.primal, node_of)
    return y


def on_tape(leaves: list, level: Level) -> list:
    """The tensors of a tape in these leaves."""
    return [t for x in leaves for t in inside(x) if t.level is level]


def cut(leaves: list, levels: Any) -> list:
    """The leaves without what the tapes of these levels know of how they were made."""

    def node_of(t: Any) -> Node | None:
        shape, dtype = t.node[1], t.node[2]
        return (t.level.tick(), shape, dtype, None, None, None, None) if t.level in levels else None

    return [rebuilt(x, node_of) for x in leaves]


def anew(leaves: list) -> list:
    """The leaves for one more run, which may write to its arguments."""
    return [
        x.again()
        if isinstance(x, Tensor)
        else x.copy()
        if type(x) is np.ndarray and x.nbytes <= COPIED
        else x
        for x in leaves
    ]


def levels_of(f: Callable, leaves: list) -> set:
    """The levels of the tensors in the leaves, and of those that f closes over as far as they are found."""
    found = {t.level for x in leaves for t in inside(x)}
    todo, seen = [f], set()
    while todo:
        g = todo.pop()
        if id(g) in seen:
            continue
        seen.add(id(g))
        held = [
            getattr(g, name, None) for name in ("__defaults__", "__kwdefaults__", "__self__", "__wrapped__")
        ]
        for cell in getattr(g, "__closure__", None) or ():
            try:
                held.append(cell.cell_contents)
            except ValueError:  # a name that has no value yet
                continue
        if isinstance(g, partial):
            held += [g.func, g.args, g.keywords]
        for value in flatten(held)[0]:
            if isinstance(value, Tracer):
                found |= {t.level for t in inside(value)}
            elif callable(value):
                todo.append(value)
    return found - {CONSTANT}


# -------------------------------------------------- levels that are open once more
_again = itertools.count(-(1 << 60), -1).__next__  # ids of nodes made in a sweep: newer than all of any tape
_opened: dict[Level, int] = {}  # how many sweeps want a closed level open
_turn = threading.Lock()


@contextmanager
def reopened(levels: set) -> Iterator[None]:
    """Let ops on tensors of levels that have returned be recorded again."""
    with _turn:
        mine = [level for level in levels if level.closed or level in _opened]
        for level in mine:
            _opened[level] = _opened.get(level, 0) + 1
            level.closed = False
            if isinstance(level, TapeLevel):
                careful = AMBIENT.get()
                level.tick = _again if careful is None else careful.tick(_again)
    try:
        yield
    finally:
        with _turn:
            for level in mine:
                _opened[level] -= 1
                if not _opened[level]:
                    del _opened[level]
                    level.close()


# -------------------------------------------------- the same again?
def mark(leaves: list) -> tuple[float, float]:
    """A sum of some elements of the leaves, and by how much it may differ when the step is run again."""
    total = scale = eps = 0.0
    for x in leaves:
        while isinstance(x, Tensor):
            x = getattr(x, "primal", None)
        if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc":
            with np.errstate(all="ignore"):
                some = x.reshape(-1)[:: max(1, x.size // 16)]
                total += float(np.sum(some.real, dtype=float) + np.sum(some.imag, dtype=float))
                scale += float(np.sum(np.abs(some), dtype=float))
            if x.dtype.kind in "fc":
                eps = max(eps, float(np.finfo(x.dtype).eps))
    return total, scale * eps**0.5


def check(leaves: list, before: tuple[float, float], name: str) -> None:
    after, tolerance = mark(leaves)
    # nan and inf compare with themselves alone, and then by their text
    if not abs(after - before[0]) <= tolerance and repr(after) != repr(before[0]):
        raise changed(name)


def changed(name: str) -> MutationError:
    return MutationError(
        f"{name} gave another result when it was run again in the reverse sweep: something that it reads has "
        "changed, or it draws random numbers.",
        "Draw them outside and pass them as arguments; leave arrays that it closes over as they are.",
    )


# -------------------------------------------------- the node in place of the steps
class Steps:
    """n steps from a state, as the rule of a node of one tape level sees them."""

    def __init__(
        self, step: Step, n: int, slots: int, name: str, level: TapeLevel, levels: set, parents: list
    ):
        self.step, self.n, self.slots, self.name = step, n, slots, name
        self.level = level
        self.levels = levels  # all that may have closed when the steps are run again
        self.cuts = {x for x in levels if isinstance(x, TapeLevel) and x.number >= level.number}
        self.parents, self.read = parents, set(parents)  # ids of the nodes that the steps read
        self.first: list = []  # the state before them
        self.stored: list[dict] = []  # the states kept by the run that gave the value, for the first sweep
        self.marks: list = []

    def pull(self, y_bars: list) -> list:
        """Cotangents of the parents from those of the results."""
        totals: dict[int, Any] = {}
        states = self.stored.pop() if self.stored else {0: self.first}
        state, bars = states[0], y_bars
        with reopened(self.levels):
            for action, i, j in schedule(self.n, self.slots):
                if action == "advance":
                    state = states.pop(j) if j in states else self.advance(i, j, state)
                elif action == "store":
                    states[i] = state
                elif action == "restore":
                    state = states[i]
                elif action == "free":
                    del states[i]
                else:
                    bars = self.reverse(i, state, bars, totals)
                    state = []
        return [totals.get(ident) for ident in self.parents]

    def advance(self, i: int, j: int, state: list) -> list:
        for k in range(i, j):
            state = cut(self.step(k, anew(state)), self.cuts)
        return state

    def reverse(self, k: int, state: list, bars: list, totals: dict) -> list:
        """Step k, recorded and swept: cotangents of the state before it; those of parents are added up."""
        mine = [t.node[0] for t in on_tape(state, self.level)]
        seeds = self.seeds(k, state, mine, bars)
        found = sweep(seeds, dict.fromkeys(self.parents, True) | dict.fromkeys(mine, True))
        for ident, bar in found.items():
            if ident in self.read:
                totals[ident] = bar if ident not in totals else totals[ident] + bar
        return [found.get(ident) for ident in mine]

    def seeds(self, k: int, state: list, mine: list, bars: list) -> list:
        """The results of step k and their cotangents; nothing else holds its tape, which the sweep frees."""
        tensors = on_tape(self.recorded(k, state, mine), self.level)
        if len(tensors) != len(bars):
            raise changed(self.name)
        return [(t.node, bar) for t, bar in zip(tensors, bars, strict=True) if bar is not None]

    def recorded(self, k: int, state: list, mine: list) -> list:
        """The results of step k, made of the same numbers and nodes as when it ran first."""
        start = self.level.tick()
        read: dict[int, Node] = {}
        ys = self.step(k, anew(state))
        foreign(on_tape(ys, self.level), start, read)
        if not read.keys() <= self.read.union(mine):
            raise changed(self.name)
        check(ys, self.marks[k], self.name)
        return ys

    def push(self, x_dots: list) -> list:
        """Tangents of the results from those of the parents."""
        given = dict(zip(self.parents, x_dots, strict=True))
        state = self.first
        dots = [given.get(t.node[0]) for t in on_tape(state, self.level)]
        with reopened(self.levels):
            for k in range(self.n):
                mine = [t.node[0] for t in on_tape(state, self.level)]
                here = given | dict(zip(mine, dots, strict=True))
                ys = self.recorded(k, state, mine)
                roots = [t.node for t in on_tape(ys, self.level)]
                dots = Tape(list(here), roots).push(here.values())
                state = cut(ys, self.cuts)
        return dots


STEPS = Rule(
    lambda y_bar, y, xs, params: params["steps"].pull([y_bar.get(k) for k in range(params["outputs"])]),
    lambda x_dots, y, xs, params: params["steps"].push(x_dots),
    op="checkpoint",
)


def run_steps(f: Callable, step: Step, first: list, n: int, slots: int, name: str) -> list:
    """The leaves after n steps, with one node on each tape in place of all that was recorded."""
    levels = levels_of(f, first)
    tapes = {level: level.tick() for level in levels if isinstance(level, TapeLevel) and not level.closed}
    if not tapes or not n:
        return plainly(step, first, n)
    held = anew(first)
    for level in tapes:
        held = [kept(level, x) for x in held]
    early = stored_at_first(n, slots)
    inputs: dict[TapeLevel, dict[int, Node]] = {level: {} for level in tapes}
    state, states, marks = first, {0: held}, []
    lowest = min(tapes, key=lambda level: level.number)
    for k in range(n):
        ys = step(k, state)
        marks.append(mark(ys))
        found = {t.level for x in ys for t in inside(x)}
        unknown = (isinstance(x, TapeLevel) and x not in tapes and x.number > lowest.number for x in found)
        if any(unknown) or any(opaque(x) for x in ys):
            # A tape not known of, above one that is: its nodes would hold values cut off from their history.
            return ys if n == 1 else plainly(step, held, n)
        levels |= found
        for level, start in tapes.items():
            foreign(on_tape(ys, level), start, inputs[level])
        if k < n - 1:
            state, ys = cut(ys, tapes), []  # the tape of this step is gone before the next one runs
            if k + 1 in early or k + 2 == n:  # the last one is at hand when the sweep begins
                states[k + 1] = state
                state = anew(state)
    nodes = {}
    for level, start in tapes.items():
        outputs = on_tape(ys, level)
        if inputs[level] and any(t.node[0] < start for t in outputs):
            steps = Steps(step, n, slots, name, level, levels, list(inputs[level]))
            steps.first, steps.marks = cut(held, {x for x in tapes if x.number > level.number}), marks
            if level is lowest:
                steps.stored.append({**states, 0: steps.first})
            params = {"steps": steps, "outputs": len(outputs)}
            node = (level.tick(), None, None, STEPS, None, (), params, *inputs[level].values())
            nodes[level] = node, itertools.count()

    def node_of(t: Any) -> Node | None:
        if t.level not in nodes:
            return None
        node, count = nodes[t.level]
        k = next(count)
        if t.node[0] > tapes[t.level]:
            return None  # a tensor that was there before, given back as it is
        return (t.level.tick(), t.node[1], t.node[2], SELECT, None, None, k, node)

    return [rebuilt(x, node_of) for x in ys]


def plainly(step: Step, state: list, n: int) -> list:
    for k in range(n):
        state = step(k, state)
    return state


def stored_at_first(n: int, slots: int) -> set[int]:
    """The states that the schedule stores on its way to the end."""
    actions = itertools.takewhile(lambda action: action[0] != "reverse", schedule(n, slots))
    return {i for action, i, _ in actions if action == "store"}


def foreign(tensors: list, start: int, found: dict[int, Node]) -> None:
    """Enter the nodes that these were made of and that are older than `start`."""
    seen: set[int] = set()
    todo = [t.node for t in tensors]
    while todo:
        node = todo.pop()
        if node[0] > start:
            found[node[0]] = node
        elif node[0] not in seen:
            seen.add(node[0])
            todo.extend(node[PARENTS])
