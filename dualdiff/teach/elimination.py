"""elimination: the Jacobian from the scalar graph of partial derivatives, one vertex after another.

Eliminating a vertex v multiplies every edge into v with every edge out of v and adds the product to the edge
that leads around it. In the order of computation that is forward mode on scalars, in the reverse order it is
reverse mode, and other orders can need fewer multiplications than both. To find the best is NP-complete.

A. Griewank, A. Walther, Evaluating Derivatives, 2nd ed., SIAM 2008, chapter 9; U. Naumann, Optimal Jacobian
accumulation is NP-complete, Mathematical Programming 112 (2008); the rule of Markowitz, who states it for the
solution of sparse linear equations (Management Science 3, 1957), is to take the vertex that costs least now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError
from dualdiff.teach.grid import Grid
from dualdiff.teach.recording import Call, Place, Recording
from dualdiff.transforms.derivative import jacobian
from dualdiff.transforms.linear import jvp

ORDERS = ("forward", "reverse", "markowitz")
LARGEST = 4000  # vertices


class LinearGraph:
    """A graph of scalars with a partial derivative on each edge.

    labels    of the vertices, each behind those that it is computed from
    inputs, outputs     their vertices, by position in `labels`; every other one may be eliminated
    partials  {source: {target: number}}
    """

    def __init__(
        self, labels: list[str], inputs: list[int], outputs: list[int], partials: dict[tuple[int, int], Any]
    ):
        self.labels, self.inputs, self.outputs = labels, inputs, outputs
        self.partials = partials

    @property
    def intermediates(self) -> list[int]:
        """The vertices that can be eliminated: those on a way from an input to an output."""
        ends = {*self.inputs, *self.outputs}
        onward = reached(self.outputs, [(b, a) for a, b in self.partials])
        live = onward & reached(self.inputs, self.partials)
        return [v for v in range(len(self.labels)) if v in live and v not in ends]

    def eliminate(self, order: str | Iterable[int]) -> tuple[list[int], int, int, np.ndarray]:
        """The vertices in their order, the multiplications and additions that it took, and the Jacobian."""
        todo = self.intermediates
        live = {*todo, *self.inputs, *self.outputs}
        into: dict[int, dict[int, Any]] = {v: {} for v in live}
        out: dict[int, dict[int, Any]] = {v: {} for v in live}
        for (a, b), partial in self.partials.items():
            if a in live and b in live:
                into[b][a] = out[a][b] = partial
        chosen: list[int] = []
        multiplications = additions = 0
        fixed = iter(todo if order == "forward" else todo[::-1] if order == "reverse" else order)
        while len(chosen) < len(todo):
            if order == "markowitz":  # of several the first, as they are listed
                v = min((u for u in todo if u in into), key=lambda u: len(into[u]) * len(out[u]))
            else:
                v = next(fixed)  # type: ignore[assignment]
            for a, left in into[v].items():
                for b, right in out[v].items():
                    multiplications += 1
                    product = left * right
                    if b in out[a]:
                        additions += 1
                        product = out[a][b] + product
                    out[a][b] = into[b][a] = product
            for a in into.pop(v):
                del out[a][v]
            for b in out.pop(v):
                del into[b][v]
            chosen.append(v)
        matrix = np.zeros((len(self.outputs), len(self.inputs)))
        for i, b in enumerate(self.outputs):
            for j, a in enumerate(self.inputs):
                matrix[i, j] = into[b].get(a, 0.0)
        return chosen, multiplications, additions, matrix


class Elimination:
    """What an order of elimination costs, and the Jacobian that it gives; prints as a table of orders.

    order            as it was asked for; `sequence` has the labels of the vertices as they went
    multiplications  that it took, and `additions`; partials of 1 count as any other
    jacobian         outputs by inputs, all leaves ravelled in order
    counts           {order: (multiplications, additions)} of forward, reverse, Markowitz, and this one
    graph            the graph of scalars before it
    """

    def __init__(self, graph: LinearGraph, order: Any):
        self.graph = graph
        self.order = order if isinstance(order, str) else "given"
        wanted = order if isinstance(order, str) else positions(graph, order)
        chosen, self.multiplications, self.additions, self.jacobian = graph.eliminate(wanted)
        self.sequence = [graph.labels[v] for v in chosen]
        self.counts = {name: graph.eliminate(name)[1:3] for name in ORDERS}
        self.counts[self.order] = (self.multiplications, self.additions)

    def __str__(self) -> str:
        n, m, k = len(self.graph.inputs), len(self.graph.outputs), len(self.sequence)
        head = f"inputs {n}, outputs {m}, vertices to eliminate {k}, edges {len(self.graph.partials)}"
        rows = [[name, str(muls), str(adds)] for name, (muls, adds) in self.counts.items()]
        return f"{head}\n\n{Grid(['order', 'multiplications', 'additions'], rows).to_text()}"

    __repr__ = __str__


def elimination(f: Callable, *args: Any, order: Any = "forward", wrt: Any = None) -> Elimination:
    """Eliminate the vertices of f's scalar graph at args: how many multiplications the Jacobian takes.

    order    "forward", "reverse", "markowitz", or a list of the names of all vertices to eliminate: "v3", or
             "v3[0]" for an element; the name of an array stands for all its elements in order
    wrt      which arguments are differentiated, as argnums elsewhere; all that hold numbers

    Shapes      any; each element is a vertex, and the partials of an op that are 0 at args are no edges,
                except those of an elementwise op
    Dtypes      real
    Cost        one derivative of each op, then what is counted
    Raises      InputTypeError for complex arguments, more than 4000 vertices, or an order that is none
    Source      A. Griewank, A. Walther, Evaluating Derivatives, 2nd ed., SIAM 2008, chapter 9.

    >>> print(elimination(lambda a, b, c, d: a * b * c * d, 1.0, 2.0, 3.0, 4.0))
    inputs 4, outputs 1, vertices to eliminate 2, edges 6
    <BLANKLINE>
    order      multiplications  additions
    forward    5                0
    reverse    4                0
    markowitz  5                0
    """
    if isinstance(order, str) and order not in ORDERS:
        raise InputTypeError(
            f"elimination was given order={order!r}.", f"Choose one of {', '.join(ORDERS)}, or give a list."
        )
    recording = Recording(f, args, wrt, "depth", "elimination")
    if any(np.iscomplexobj(x) for x in recording.values):
        raise InputTypeError("elimination was given complex numbers.", "It counts real partials.")
    return Elimination(scalar_graph(recording), order)


def positions(graph: LinearGraph, order: Iterable) -> list[int]:
    """The vertices that an order names, all of them once."""
    todo = graph.intermediates
    found: list[int] = []
    for name in order:
        mine = [v for v in todo if graph.labels[v] == name or graph.labels[v].partition("[")[0] == name]
        if not mine:
            raise InputTypeError(
                f"elimination was given {name!r} in its order, which is no vertex to eliminate.",
                f"They are {', '.join(graph.labels[v] for v in todo[:12])}{', ...' * (len(todo) > 12)}.",
            )
        found += mine
    if sorted(found) != todo:
        wrong = next(v for v in todo if found.count(v) != 1)
        times = found.count(wrong)
        raise InputTypeError(
            f"elimination was given an order in which {graph.labels[wrong]} stands {times} times.",
            "Name every vertex once.",
        )
    return found


def reached(start: list[int], edges: Iterable[tuple[int, int]]) -> set[int]:
    """The vertices on any way from these along the edges."""
    onward: dict[int, list[int]] = {}
    for a, b in edges:
        onward.setdefault(a, []).append(b)
    found, todo = set(start), list(start)
    while todo:
        for b in onward.get(todo.pop(), ()):
            if b not in found:
                found.add(b)
                todo.append(b)
    return found


# -------------------------------------------------- the graph of scalars
def scalar_graph(recording: Recording) -> LinearGraph:
    """A vertex for each element of each value, an edge for each partial derivative of each op."""
    n = len(recording.inputs)
    names: dict[Place, str] = {Place(i): f"v{i + 1 - n}" for i in range(n)}
    for call in recording.calls:
        if not call.constant:
            names.update({p: f"v{len(names) + 1 - n}" for p in call.results if p is not None})
    labels: list[str] = []
    first: dict[int, int] = {}
    for place, name in names.items():
        value = recording.values[place]
        first[place] = len(labels)
        labels += labels_of(name, np.shape(value))
        if len(labels) > LARGEST:
            raise InputTypeError(
                f"elimination works scalar by scalar, and {recording.name} computes more than {LARGEST}.",
                "Give smaller arrays.",
            )
    partials: dict[tuple[int, int], Any] = {}
    for call in recording.calls:
        if not call.constant:
            add_partials(partials, first, recording, call)
    inputs = [first[i] + k for i, x in enumerate(recording.inputs) for k in range(x.size)]
    outputs: list[int] = []
    read = {a for a, _ in partials} | set(inputs)
    for y in recording.outputs:
        for k, label in enumerate(labels_of(f"y{y.path}", np.shape(y.value))):
            v = None if y.place is None else first[y.place] + k
            if (
                v is None or v in read or v in outputs
            ):  # an output of its own, since it is no end of the graph
                labels.append(label)
                if v is not None:
                    partials[v, len(labels) - 1] = 1.0
                v = len(labels) - 1
            outputs.append(v)
    return LinearGraph(labels, inputs, outputs, partials)


def labels_of(name: str, shape: tuple[int, ...]) -> list[str]:
    return [name + (f"[{', '.join(map(str, i))}]" if i else "") for i in np.ndindex(shape)]


def add_partials(partials: dict, first: dict, recording: Recording, call: Call) -> None:
    """The partial derivatives of one call, from the derivatives of its op."""
    values = [recording.values[a] if isinstance(a, Place) else a.value for a in call.args]
    for i, a in enumerate(call.args):
        if not isinstance(a, Place):
            continue

        def along(x: Any, i: int = i) -> list:
            y = call.op(*values[:i], x, *values[i + 1 :], **call.params)
            parts = y if call.op.multiple else (y,)
            return [part for part, p in zip(parts, call.results, strict=True) if p is not None]

        places = [p for p in call.results if p is not None]
        for place, block in zip(places, blocks(call, along, values[i]), strict=True):
            for row, column, partial in block:
                edge = first[a] + column, first[place] + row
                partials[edge] = partials.get(edge, 0.0) + partial


def blocks(call: Call, along: Callable, x: Any) -> list[list[tuple[int, int, Any]]]:
    """For each result of an op the partials by one argument: (row, column, number)."""
    with np.errstate(all="ignore"):
        if call.op.kind == "elementwise":
            y_dot = np.asarray(jvp(along, (x,), (np.ones_like(x),))[1][0])
            columns = np.broadcast_to(np.arange(np.size(x)).reshape(np.shape(x)), y_dot.shape)
            return [list(zip(range(y_dot.size), columns.ravel().tolist(), y_dot.ravel(), strict=True))]
        found = []
        for block in jacobian(along, mode="forward")(x):
            dense = np.reshape(block, (-1, np.size(x)))
            found.append([(r, c, dense[r, c]) for r, c in np.argwhere(dense != 0).tolist()])
        return found
