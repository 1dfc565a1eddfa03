"""An evaluation trace: every value of one run with its name, its formula, its tangents and its adjoint.

Names are those of Griewank and Walther: of n inputs the first is v1-n and the last v0, results are v1, v2 ...
Numbers come from the sweeps (sweeps.py), formulas from the rules (formulas.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.avals import aval_of
from dualdiff.errors import InputTypeError, StructureError
from dualdiff.teach import words
from dualdiff.teach.formulas import Spelled
from dualdiff.teach.recording import Call, Constant, Place, Recording, place_of
from dualdiff.teach.sweeps import Arrival, costs, pulled, pushed
from dualdiff.teach.words import Formula, Words
from dualdiff.transforms.boundary import matching_leaves, rebuild
from dualdiff.tree import flatten

COLUMNS = 4  # inputs of so many numbers in all get a tangent each
MODES = ("forward", "reverse", "both")


@dataclass(frozen=True)
class Value:
    """One value of the run, or one leaf of what the function returned.

    name        v-1, v0 for inputs, v1, v2 ... for results of ops, c1 ... for values without a derivative;
                y for what the function returned, or y[0], y['a'] in a container
    kind        "input", "op", "constant" or "output"
    op          the name of the op, "" for an input
    expression  how it is computed, in names; of an input, what the function calls it
    parents     the names of the values with a derivative that the op read, argument by argument
    depth       how many ops stand one behind another up to it
    primal      the value itself
    rule        the formula of its tangent, "" where there is none
    tangents    one for each direction
    adjoint     None where no cotangent arrives
    """

    name: Formula
    kind: str
    op: str
    expression: Formula
    parents: tuple[str, ...]
    depth: int
    primal: Any
    rule: Formula
    tangents: tuple
    adjoint: Any

    @property
    def tangent(self) -> Any:
        """The tangent along the one direction; with several, all of them."""
        return self.tangents[0] if len(self.tangents) == 1 else self.tangents

    @property
    def dot(self) -> Formula:
        """The name of the tangent."""
        return Formula(words.name(self.name, ".").text)

    @property
    def bar(self) -> Formula:
        """The name of the adjoint."""
        return Formula(words.name(self.name, "~").text)


@dataclass(frozen=True)
class AdjointStep:
    """One line of the reverse sweep: an adjoint is made, or more of it arrives.

    target    the name of the value whose adjoint it is
    sources   the names of the values whose adjoints it comes from; none for a seed
    formula   of what arrives; `line` is the whole assignment
    first     whether nothing had arrived before
    arriving  the number that arrives
    adjoint   the number after it
    """

    target: Formula
    sources: tuple[str, ...]
    formula: Formula
    first: bool
    arriving: Any
    adjoint: Any

    @property
    def bar(self) -> Formula:
        """The name of the adjoint."""
        return Formula(words.name(self.target, "~").text)

    @property
    def right(self) -> Formula:
        """What is assigned: the formula, behind the adjoint so far."""
        if self.first:
            return self.formula
        arriving = self.formula.marked
        signed = f"- {arriving[1:]}" if arriving.startswith("-") else f"+ {arriving}"
        return Formula(f"{self.bar.marked} {signed}")

    @property
    def line(self) -> Formula:
        """v0_bar = v0_bar + v2_bar * v-1"""
        return Formula(f"{self.bar.marked} = {self.right.marked}")


class Evaluation:
    """The evaluation trace of a function at a point.

    function    its name
    inputs      how many numbers go in, `outputs` how many come out
    values      every value, inputs first, each behind those that it is computed from
    results     a Value for each leaf of what the function returned; `parents` holds the one that it is
    directions  what the tangents are along, such as "x1"
    steps       the reverse sweep, in the order in which adjoints are made
    costs       {"f": .., "forward": .., "reverse": ..} for all derivatives: sweeps, and calls of NumPy
    """

    def __init__(
        self, f: Callable, args: tuple, mode: str, wrt: Any, seed: Any, order: str, asked: str = "trace_table"
    ):
        if mode not in MODES:
            raise InputTypeError(f"{asked} was given mode={mode!r}.", f"Choose one of {', '.join(MODES)}.")
        tangents, y_bar = both_seeds(seed, mode, asked)
        self.mode = mode
        self.recording = recording = Recording(f, args, wrt, order, asked)
        self.function = recording.name
        self._names = names_of_places(recording)
        self.inputs = sum(x.size for x in recording.inputs)
        self.outputs = sum(y.value.size for y in recording.outputs)
        with np.errstate(all="ignore"):  # what f warns of it said when it was recorded
            swept = [] if mode == "reverse" else directions(recording, tangents, asked)
            self.directions = [label for label, _ in swept]
            self._tangents = [pushed(recording, dots) for _, dots in swept]
            bars = cotangents(recording, y_bar, asked)
            arrivals, self._adjoints = pulled(recording, bars) if mode != "forward" else ([], {})
            self._spelled = {id(c): self._spell(c) for c in recording.calls if not c.constant}
            self.results = [self._result(k, bar) for k, bar in enumerate(bars)]
            self.steps = self._steps(arrivals)
            self.values = self._inputs() + [
                self._value(call, k, place)
                for call in recording.calls
                for k, place in enumerate(call.results)
                if place is not None and place in self._names
            ]
            self.costs = costs(recording)

    def __getitem__(self, name: str) -> Value:
        """The value of this name."""
        return next(value for value in self.values if value.name == name)

    # -------------------------------------------------- other seeds
    def tangents(self, x_dots: list) -> list:
        """The tangents of all values, then of all results, for these of the inputs; None for constants."""
        y_dots = pushed(self.recording, x_dots)
        places = {name: place for place, name in self._names.items()}
        found = [None if v.kind == "constant" else y_dots[places[v.name]] for v in self.values]
        return found + [None if y.place is None else y_dots[y.place] for y in self.recording.outputs]

    def adjoints(self, y_bars: list) -> list[tuple[Any, Any]]:
        """What arrives in each of the steps, and the adjoint after it, for these seeds of the results."""
        arrivals, _ = pulled(self.recording, y_bars)
        return [(arrival.bar, total) for arrival, total, _ in accumulated(arrivals)]

    # -------------------------------------------------- values
    def _inputs(self) -> list[Value]:
        recording = self.recording
        return [
            Value(
                name=self._formula(place),
                kind="input",
                op="",
                expression=Formula(said),
                parents=(),
                depth=0,
                primal=recording.inputs[place],
                rule=Formula(words.name(said, ".").text),
                tangents=self._tangents_at(place),
                adjoint=self._adjoints.get(place),
            )
            for place, said in enumerate(recording.names)
        ]

    def _value(self, call: Call, k: int, place: Place) -> Value:
        read = [self._formula(a) for a in call.args if isinstance(a, Place)]
        rule = Formula("")
        if not call.constant:
            spelled = self._spelled[id(call)]
            dots = {i: words.name(name, ".") for i, name in zip(spelled.active, read, strict=True)}
            rule = spelled.tangent(k, dots)
        return Value(
            name=self._formula(place),
            kind="constant" if call.constant else "op",
            op=call.op.name,
            expression=self._expression(call, k),
            parents=tuple(map(str, read)),
            depth=self.recording.depths[place],
            primal=self.recording.values[place],
            rule=rule,
            tangents=() if call.constant else self._tangents_at(place),
            adjoint=self._adjoints.get(place),
        )

    def _result(self, k: int, bar: Any) -> Value:
        path, place, primal = self.recording.outputs[k]
        source = None if place is None else self._formula(place)
        return Value(
            name=Formula(words.name("y" + path).text),
            kind="output",
            op="",
            expression=source or Formula(words.constant(primal).text),
            parents=() if source is None else (str(source),),
            depth=0 if place is None else self.recording.depths[place] + 1,
            primal=primal,
            rule=Formula("") if source is None else Formula(words.name(source, ".").text),
            tangents=() if place is None else self._tangents_at(place),
            adjoint=bar if place is not None and self.mode != "forward" else None,
        )

    def _tangents_at(self, place: int) -> tuple:
        return tuple(y_dots[place] for y_dots in self._tangents)

    # -------------------------------------------------- the reverse sweep
    def _steps(self, arrivals: list[Arrival]) -> list[AdjointStep]:
        steps = []
        for (target, call, argument, bar, read), total, first in accumulated(arrivals):
            if call is None:
                sources: tuple = ()
                formula = Formula(words.name(self.results[argument].name, "~").text)
            else:
                named = {k: self._names[call.results[k]] for k in sorted(read)}  # type: ignore[index]
                sources = tuple(named.values())
                bars = {k: words.name(name, "~") for k, name in named.items()}
                formula = self._spelled[id(call)].cotangent(argument, bars, read, aval_of(bar))
            steps.append(AdjointStep(self._formula(target), sources, formula, first, bar, total))
        return steps

    # -------------------------------------------------- words
    def _formula(self, place: int) -> Formula:
        return Formula(words.name(self._names[place]).text)

    def _words(self, arg: Place | Constant) -> Words:
        place = place_of(arg)
        if place is not None and (isinstance(arg, Place) or place in self._names):
            return words.name(self._names[place])
        assert isinstance(arg, Constant)
        return Words(arg.known) if type(arg.known) is str else words.constant(arg.value)

    def _argument(self, arg: Place | Constant) -> Any:
        return self.recording.values[arg] if isinstance(arg, Place) else arg.value

    def _expression(self, call: Call, k: int) -> Formula:
        ndims = [np.ndim(self._argument(a)) for a in call.args]
        said = words.write_call(call.op, [self._words(a) for a in call.args], ndims, call.params)
        return Formula(f"{said.within(words.ATOM)}[{k}]" if call.op.multiple else said.text)

    def _spell(self, call: Call) -> Spelled:
        held = self.recording.values
        parts = tuple(None if p is None else held[p] for p in call.results)
        return Spelled(
            call.op,
            [self._argument(a) for a in call.args],
            parts if call.op.multiple else parts[0],
            call.params,
            active=tuple(i for i, a in enumerate(call.args) if isinstance(a, Place)),
            names=[self._words(a) for a in call.args],
            results=[Words("") if p is None else self._words(p) for p in call.results],
        )


def accumulated(arrivals: list[Arrival]) -> Iterator[tuple[Arrival, Any, bool]]:
    """Each arrival, all that has arrived at its place with it, and whether it is the first there."""
    totals: dict[int, Any] = {}
    for arrival in arrivals:
        target = arrival.target
        first = target not in totals
        totals[target] = arrival.bar if first else totals[target] + arrival.bar
        yield arrival, totals[target], first


# -------------------------------------------------- names
def names_of_places(recording: Recording) -> dict[int, str]:
    """v1-n to v0 for the inputs, v1 ... for results, c1 ... for plain results that are read or steer."""
    n = len(recording.inputs)
    names = {i: f"v{i + 1 - n}" for i in range(n)}
    read = {place for call in recording.calls for place in map(place_of, call.args) if place is not None}
    results = constants = 0
    for call in recording.calls:
        for place in call.results:
            if place is not None and not call.constant:
                results += 1
                names[place] = f"v{results}"
            elif place is not None and (place in read or steers(recording.values[place])):
                constants += 1
                names[place] = f"c{constants}"
    return names


def steers(x: Any) -> bool:
    """Whether a plain result is one truth value, which the function may have branched on."""
    return isinstance(x, (bool, np.bool_))


# -------------------------------------------------- seeds
def both_seeds(seed: Any, mode: str, asked: str) -> tuple[Any, Any]:
    """The tangents and the cotangent that a call asks for, None where it leaves them open."""
    if mode != "both":
        return (seed, None) if mode == "forward" else (None, seed)
    if seed is None:
        return None, None
    if not isinstance(seed, tuple) or len(seed) != 2:
        raise StructureError(
            f"{asked} with mode='both' takes two seeds; it was given {type(seed).__name__}.",
            "Give the pair (tangents, cotangent); None for either takes the usual one.",
        )
    return seed


def directions(recording: Recording, tangents: Any, asked: str) -> list[tuple[str, list]]:
    """The tangents of the inputs for each forward sweep, and what to call it."""
    inputs = recording.inputs
    if tangents is not None:
        given = (tangents,) if recording.single else tangents
        like = flatten(rebuild(recording.trees, inputs))[1]
        return [("seed", matching_leaves(given, like, inputs, "tangent", asked))]
    if sum(x.size for x in inputs) > COLUMNS:
        return [("all ones", [np.ones(x.shape, x.dtype)[()] for x in inputs])]
    found = []
    for k, x in enumerate(inputs):
        for index in np.ndindex(x.shape):
            dots = [np.zeros(z.shape, z.dtype) for z in inputs]
            dots[k][index] = 1
            label = recording.names[k] + (f"[{', '.join(map(str, index))}]" if index else "")
            found.append((label, [dot[()] for dot in dots]))
    return found


def cotangents(recording: Recording, y_bar: Any, asked: str) -> list:
    """The cotangent of each output: ones, unless it is given."""
    ys = [y.value for y in recording.outputs]
    if y_bar is None:
        return [np.ones(y.shape, y.dtype if y.dtype.kind in "fc" else float)[()] for y in ys]
    return matching_leaves(y_bar, recording.y_tree, ys, "cotangent", asked)
