"""The sweeps of both modes over a recording, with everything that they compute on the way.

Tangents are those of jvp. Adjoints are those of the tape: its rules are given another `pull`, which calls the
rule's own and writes down what it hands out, and then the sweep of reverse mode runs as always.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from dualdiff.core import TapeLevel
from dualdiff.modes.count import CountLevel
from dualdiff.modes.tape import PARENTS, Node, Rule, Tape, fit_cotangent, sweep
from dualdiff.teach.recording import Call, Place, Recording
from dualdiff.transforms.linear import jvp, run_on_tape, vjp
from dualdiff.tree import LEAF


class Arrival(NamedTuple):
    """A cotangent on its way: it arrives at the place `target`.

    call      whose rule handed it out, or None for a seed
    argument  the position of the target among the arguments of the call; of a seed, the number of the output
    bar       the cotangent, as the sweep adds it
    read      the cotangents of the call's results that the rule made it of, by their positions
    """

    target: Place
    call: Call | None
    argument: int
    bar: Any
    read: dict[int, Any]


def pushed(recording: Recording, tangents: list) -> list:
    """The tangent of every place from those of the inputs: one forward sweep."""
    return jvp(recording.play, tuple(recording.inputs), tuple(tangents))[1]


def pulled(recording: Recording, y_bars: list) -> tuple[list[Arrival], dict[int, Any]]:
    """What arrives where, in order, and the adjoint of every place: one reverse sweep."""
    leaves = recording.inputs
    level = TapeLevel("teach", recording.play)
    idents, _, roots, _, _ = run_on_tape(level, recording.play, leaves, [LEAF] * len(leaves))
    places = {root[0]: Place(p) for p, root in enumerate(roots) if root is not None}
    calls = calls_of_nodes(recording, roots)
    arrivals: list[Arrival] = []
    adjoints: dict[int, Any] = {}
    pull = partial(reporting_pull, places, calls, arrivals, adjoints)
    outputs = [None if y.place is None else roots[y.place] for y in recording.outputs]
    fresh: dict[int, Node] = {}
    for node in Tape(idents, [root for root in outputs if root is not None]).nodes:
        rule = node[3] and Rule(partial(pull, node), node[3].push, op=node[3].op)
        fresh[node[0]] = (*node[:3], rule, *node[4:7], *(fresh[parent[0]] for parent in node[PARENTS]))
    seeds: list = []
    for k, (root, y_bar) in enumerate(zip(outputs, y_bars, strict=True)):
        if root is not None:
            bar = fit_cotangent(y_bar, root[1], root[2])
            arrivals.append(Arrival(places[root[0]], None, k, bar, {}))
            seeds.insert(0, (fresh[root[0]], bar))  # the sweep takes the last one first
    for ident, bar in sweep(seeds).items():
        adjoints[places[ident]] = bar
    return arrivals, adjoints


def calls_of_nodes(recording: Recording, roots: list) -> dict[int, Call]:
    """By the id of a node of the tape, the call that made it."""
    found = {}
    for call in recording.calls:
        for place in call.results:
            root = None if place is None or call.constant else roots[place]
            if root is not None:  # one of several outputs has a node whose parent is the op's
                found[root[PARENTS][0][0] if call.op.multiple else root[0]] = call
    return found


def reporting_pull(
    places: dict,
    calls: dict,
    arrivals: list,
    adjoints: dict,
    node: Node,
    y_bar: Any,
    y: Any,
    xs: Any,
    params: Any,
) -> Any:
    """Pull back through one node as its rule does, and write down what goes where."""
    if node[0] in places:
        adjoints[places[node[0]]] = y_bar  # all of it has arrived: the sweep comes once
    found = node[3].pull(y_bar, y, xs, params)
    call = calls.get(node[0])
    if call is None:
        return found  # one of several outputs hands over to the op's node
    read = dict(y_bar) if call.op.multiple else {0: y_bar}
    positions = [i for i, a in enumerate(call.args) if isinstance(a, Place)]
    fitted = []
    for i, bar, parent in zip(positions, found, node[PARENTS], strict=True):
        bar = bar if bar is None else fit_cotangent(bar, parent[1], parent[2], node[3].op)
        fitted.append(bar)
        if bar is not None:
            arrivals.append(Arrival(places[parent[0]], call, i, bar, read))
    return fitted


# -------------------------------------------------- what it takes
@dataclass(frozen=True)
class Cost:
    """What all derivatives take in one mode: sweeps, and calls of NumPy in all of them, f's own included."""

    sweeps: int
    ops: int


def costs(recording: Recording) -> dict[str, Cost]:
    """Of f, of forward mode with a sweep for each number in, of reverse mode with one for each number out."""
    inputs, flat = recording.inputs, sum(call.constant for call in recording.calls)
    ys = [y.value for y in recording.outputs if y.place is not None]
    n, m = sum(x.size for x in inputs), sum(y.size for y in ys)
    alone = Cost(1, len(recording.calls))
    if not ys:  # nothing depends on anything
        return {"f": alone, "forward": Cost(0, 0), "reverse": Cost(0, 0)}
    forward, reverse = CountLevel(), CountLevel()
    jvp(recording.final, [forward.watch(x) for x in inputs], [forward.watch(x) for x in inputs])
    _, pullback = vjp(recording.final, *map(reverse.watch, inputs))
    recorded = reverse.total
    pullback([reverse.watch(y) for y in ys])
    return {
        "f": alone,
        "forward": Cost(n, n * (flat + forward.total)),
        "reverse": Cost(m, flat + recorded + m * (reverse.total - recorded)),
    }
