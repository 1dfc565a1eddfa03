"""The page of a report: one HTML document on which a reader steps through both sweeps.

Every number on it is the modes' own. Derivatives are linear in the seed, so the page carries them along each
direction and page.js adds them up; what it shows for a seed is what the modes give for it, up to rounding.
The document is page.html with page.css, page.js and the data put in. It loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections import Counter
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dualdiff.teach import words
from dualdiff.teach.evaluation import Evaluation, Value
from dualdiff.teach.graph import Box, Graph, path_of
from dualdiff.teach.grid import Grid
from dualdiff.teach.layout import Layout
from dualdiff.teach.words import NAME, Formula, brief

if TYPE_CHECKING:
    from dualdiff.teach.report import Report

HERE = Path(__file__).parent
DIRECTIONS = 12  # seeds that a reader still changes one by one
NUMBERS = 40_000  # that a page carries: a megabyte
LARGE = 100  # elements of an array beyond which a page carries its norm, where that is enough
TITLE = 34  # characters of a formula in a box; the whole stands in the table
LETTER, ROW, PAD, LABEL = 8.3, 21.0, 11.0, 56.0  # of the boxes, in pixels


def to_page(report: Report) -> str:
    """The document."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    head, lines = heads_of(report)
    comparison = report.comparison
    texts = {
        "policy": f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'",
        "style": style,
        "script": script,
        "title": html.escape(head),
        "lines": "".join(f"<p>{html.escape(line)}</p>" for line in lines),
        "derivatives": table_of(report.grid())
        if report.derivatives
        else "<p>Nothing depends on the inputs.</p>",
        "comparison": table_of(comparison.grid(), chosen=comparison.choice.mode),
        "alone": html.escape(comparison.head()),
        "chosen": "".join(f"<p>{html.escape(line)}</p>" for line in comparison.foot()),
        "data": inert(json.dumps(data_of(report), allow_nan=False, separators=(",", ":"))),
    }
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(texts)


def heads_of(report: Report) -> tuple[str, list[str]]:
    """The function as the title, its value and the notes as lines under it."""
    e = report.evaluation
    title = f"{e.function}({', '.join(e.recording.names)})" + (f" = {report.text}" if report.text else "")
    lines = report.head().splitlines()[1 if report.text else 0 :]
    return title, [" ".join(line.split()) for line in lines]


def digest(text: str) -> str:
    """By which the policy of the page knows its own style and script, and refuses any other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def inert(text: str) -> str:
    """JSON that no parser of HTML finds a tag in."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def table_of(grid: Grid, chosen: str | None = None) -> str:
    """A table of HTML; the row that begins with `chosen` is marked."""
    heads = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in grid.heads)
    rows = "".join(
        f"<tr{' class=chosen' * (name == chosen)}><th scope=row>{html.escape(name)}</th>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in grid.rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


# -------------------------------------------------- the data
def data_of(report: Report) -> dict[str, Any]:
    """What page.js reads. Values are referred to by their position in `values`, boxes by theirs in `boxes`.

    values   name, kind, op, expression, rule, parents, primal, tangents (one for each direction)
    steps    of the reverse sweep: target, sources, right side, arriving and adjoint (one for each seed)
    forward, reverse   the directions: what is seeded, and how the page begins
    """
    e = report.evaluation
    values = e.values + e.results
    places = {str(value.name): k for k, value in enumerate(e.values)}
    into, out = directions_in(e), directions_out(e)
    tangents = [e.tangents(x_dots) for x_dots in into.seeds]
    adjoints = [e.adjoints(y_bars) for y_bars in out.seeds]
    boxes, edges, size = drawing(report.graph)
    return {
        "function": e.function,
        "values": [
            said_value(value, k, places, [each[k] for each in tangents]) for k, value in enumerate(values)
        ],
        "inputs": len(e.recording.inputs),
        "results": len(e.results),
        "steps": said_steps(e, places, adjoints),
        "forward": into.said(),
        "reverse": out.said(),
        "boxes": [
            {**box, "members": [number_of(name, places, e) for name in box["members"]]} for box in boxes
        ],
        "edges": edges,
        **size,
        "folding": report.graph.folding,
    }


def number_of(name: str, places: dict[str, int], e: Evaluation) -> int:
    """The position of a value or result."""
    if name in places:
        return places[name]
    return len(e.values) + [str(y.name) for y in e.results].index(name)


def said_value(value: Value, k: int, places: dict[str, int], tangents: list) -> dict[str, Any]:
    own = {str(value.expression): k} if value.kind == "input" else {}
    constant = value.kind == "constant"
    return {
        "name": pieces(value.name, {str(value.name): k})[0],
        "kind": value.kind,
        "op": words.known_as(value.op),
        "expression": pieces(value.expression, places),
        "rule": pieces(value.rule, {**places, **own}),
        "parents": [places[name] for name in value.parents],
        "primal": brief(value.primal) if constant else packed(value.primal, True),
        "tangents": [] if any(x is None for x in tangents) else all_packed(tangents),
    }


def said_steps(e: Evaluation, places: dict[str, int], adjoints: list) -> list[dict[str, Any]]:
    """The reverse sweep. A seed has no sources: it comes from the result that its formula names."""
    results = {str(y.name): len(e.values) + k for k, y in enumerate(e.results)}
    parts: Counter = Counter()
    found = []
    for i, step in enumerate(e.steps):
        parts[step.target] += 1
        seeded = [] if step.sources else [results[m[1] + m[2]] for m in NAME.finditer(step.formula.marked)]
        found.append(
            {
                "target": places[step.target],
                "sources": seeded or [places[name] for name in step.sources],
                "right": pieces(step.right, {**places, **({} if step.sources else results)}),
                "part": parts[step.target],
                "arriving": all_packed([each[i][0] for each in adjoints]),
                "adjoint": all_packed([each[i][1] for each in adjoints]),
            }
        )
    for step, said in zip(e.steps, found, strict=True):
        said["parts"] = parts[step.target]
    return found


def pieces(formula: Formula, places: dict[str, int]) -> list:
    """A formula as texts and names; a name is (letters, subscript, mark, position of the value or None)."""
    found: list = []
    start = 0
    for match in NAME.finditer(formula.marked):
        found += [formula.marked[start : match.start()], [*match.groups(), places.get(match[1] + match[2])]]
        start = match.end()
    found.append(formula.marked[start:])
    return [piece for piece in found if piece != ""]


def all_packed(xs: list) -> list:
    """One value along each direction. A single direction is told by its norm; sums of several are not."""
    return [packed(x, len(xs) == 1) for x in xs]


def packed(x: Any, short: bool) -> Any:
    """A number, or an array as its shape and its numbers in order; a large one by its norm if `short`."""
    x = np.asarray(x)
    if x.ndim == 0 and x.dtype.kind != "c":
        return plain(x)
    found: dict[str, Any] = {"shape": list(x.shape)}
    if short and x.size > LARGE:
        return {**found, "norm": plain(np.linalg.norm(x.ravel())), "re": []}
    found["re"] = [plain(element) for element in x.real.ravel()]
    if x.dtype.kind == "c":
        found["im"] = [plain(element) for element in x.imag.ravel()]
    return found


def plain(x: Any) -> float | str:
    """A number of JSON, which has neither nan nor infinity."""
    number = float(x)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


# -------------------------------------------------- directions
class Directions(NamedTuple):
    """Seeds that a reader combines: what each is along, the seeds themselves, and whether of whole arrays."""

    labels: list[str]
    seeds: list[list]
    whole: bool
    forward: bool

    def said(self) -> dict[str, Any]:
        begin = [1.0 if k == 0 or not self.forward else 0.0 for k in range(len(self.labels))]
        mark = "." if self.forward else "~"
        names = [pieces(Formula(words.name(label, mark).text), {})[0] for label in self.labels]
        return {"labels": names, "weights": begin, "whole": self.whole}


def directions_in(e: Evaluation) -> Directions:
    """The tangents of the inputs, the first of which a reader sees at first."""
    size = sum(np.size(value.primal) for value in e.values + e.results)
    return directions(e.recording.names, e.recording.inputs, size, True)


def directions_out(e: Evaluation) -> Directions:
    """The cotangents of the results, all of which a reader sees at first."""
    size = 2 * sum(np.size(step.adjoint) for step in e.steps)
    return directions([str(y.name) for y in e.results], [y.primal for y in e.results], size, False)


def directions(names: list[str], xs: list, size: int, forward: bool) -> Directions:
    """One for each number, or for each array, or for all: as many as a reader can use and a page carries."""
    most = max(1, min(DIRECTIONS, NUMBERS // max(size, 1)))
    xs = [np.asarray(x) for x in xs]
    xs = [x if x.dtype.kind in "fc" else x.astype(float) for x in xs]
    if sum(x.size for x in xs) <= most:
        spots = [(k, index) for k, x in enumerate(xs) for index in np.ndindex(x.shape)]
        labels = [names[k] + (f"[{', '.join(map(str, index))}]" if index else "") for k, index in spots]
        return Directions(labels, [seeded(xs, {k: index}) for k, index in spots], False, forward)
    if len(xs) <= most:
        return Directions(names, [seeded(xs, {k: ...}) for k in range(len(xs))], True, forward)
    label = f"{names[0]} ... {names[-1]}"
    return Directions([label], [seeded(xs, dict.fromkeys(range(len(xs)), ...))], True, forward)


def seeded(xs: list, ones: dict[int, Any]) -> list:
    """Zeros, but ones at these places."""
    found = [np.zeros(x.shape, x.dtype) for x in xs]
    for k, index in ones.items():
        found[k][index] = 1
    return [x[()] for x in found]


# -------------------------------------------------- the drawing
def drawing(graph: Graph) -> tuple[list[dict], list[dict], dict[str, float]]:
    """The graph laid out anew: a box has room for one value and one derivative along any seed."""
    home = {box.name: k for k, box in enumerate(graph.nodes)}
    ends = [(home[edge.source], home[edge.target]) for edge in graph.edges]
    e = graph.evaluation
    values = {str(value.name): value for value in e.values + e.results}
    layout = Layout([size_of(box, values) for box in graph.nodes], ends)
    boxes = []
    for box, spot in zip(graph.nodes, layout.spots, strict=False):  # the other spots are those of lines
        said = {
            "id": f"node-{box.name}",
            "kind": box.kind,
            "title": cut(pieces(box.title, {})),
            "full": str(box.title),
            "fold": [text for kind, text in box.lines if kind == "fold"],
            "members": list(box.members),
        }
        place = (spot.x - spot.width / 2, spot.y, spot.width, spot.height)
        boxes.append({**said, **{key: round(n, 1) for key, n in zip("xywh", place, strict=True)}})
    edges = [
        {"source": a, "target": b, "count": edge.count, "path": path_of(layout.line(k))}
        for k, ((a, b), edge) in enumerate(zip(ends, graph.edges, strict=True))
    ]
    return boxes, edges, {"width": round(layout.width, 1), "height": round(layout.height, 1)}


def size_of(box: Box, values: dict[str, Value]) -> tuple[float, float]:
    shapes = [np.shape(values[name].primal) for name in box.members]
    long = max((shape[0] if len(shape) == 1 and shape[0] <= 4 else 2 * (len(shape) > 0)) for shape in shapes)
    numbers = LABEL + LETTER * (10 + 6 * long)
    texts = [text for kind, text in box.lines if kind == "fold"]
    title = LETTER * max(min(len(box.title), TITLE), *(0.9 * len(text) for text in [*texts, ""]))
    return max(numbers, title) + 2 * PAD, (3 + len(texts)) * ROW + PAD


def cut(found: list) -> list:
    """The beginning of a formula, where it is too long for a box."""
    room = TITLE
    short: list = []
    for piece in found:
        length = len(piece) if isinstance(piece, str) else len(piece[0] + piece[1])
        if length > room:
            return [*short, (piece[:room] if isinstance(piece, str) else "") + "\N{HORIZONTAL ELLIPSIS}"]
        short.append(piece)
        room -= length
    return short
