"""graph: the computational graph of a function at a point, each box with its value, tangents and adjoint.

The drawing is our own (layout.py): SVG needs no other program. Large graphs are folded (folding.py).
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError
from dualdiff.teach.evaluation import Evaluation, Value
from dualdiff.teach.folding import Group, folded
from dualdiff.teach.layout import Layout
from dualdiff.teach.words import NAME, Formula, brief

LIMIT = 60  # boxes that one can still read
LONGEST = 36  # characters of a line in a box; the whole stands in its tooltip
LETTER, LINE, PAD = 7.3, 17.0, 9.0  # of the monospaced font, in pixels

STYLE = """
.dualdiff-graph { --paper: #ffffff; --ink: #1f2328; --faint: #59636e; --line: #818b98; --edge: #d1d9e0;
  --op: #f6f8fa; --input: #ddf4ff; --output: #dafbe1; --fold: #fff8c5; --tangent: #0550ae; --adjoint: #a40e26;
  font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
@media (prefers-color-scheme: dark) {
  .dualdiff-graph { --paper: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #656c76; --edge: #3d444d;
    --op: #151b23; --input: #0c2d4d; --output: #0f3a1f; --fold: #3a2f05;
    --tangent: #79c0ff; --adjoint: #ffa198; } }
.dualdiff-graph text { fill: var(--ink); white-space: pre; }
.dualdiff-graph .label { fill: var(--faint); }
.dualdiff-graph .tangent { fill: var(--tangent); }
.dualdiff-graph .adjoint { fill: var(--adjoint); }
.dualdiff-graph rect { stroke: var(--edge); stroke-width: 1.2; fill: var(--op); }
.dualdiff-graph rect.paper { stroke: none; fill: var(--paper); }
.dualdiff-graph rect.input { fill: var(--input); }
.dualdiff-graph rect.output { fill: var(--output); }
.dualdiff-graph rect.fold { fill: var(--fold); stroke-dasharray: 4 3; }
.dualdiff-graph path { fill: none; stroke: var(--line); stroke-width: 1.3; }
.dualdiff-graph path.tip { fill: var(--line); stroke: none; }
""".strip()


@dataclass(frozen=True)
class Box:
    """A box of the drawing: one value, or several that were folded.

    title    "v3 = sin v0", or "v3 ... v9" of a folded box
    lines    what stands under it, as (kind, text): "value", "tangent", "adjoint", "fold"
    members  the names of its values
    x, y     of the left upper corner, in pixels
    """

    name: str
    kind: str
    title: Formula
    lines: tuple[tuple[str, str], ...]
    members: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    layer: int


@dataclass(frozen=True)
class Edge:
    """A line from box to box: `path` is the d of an SVG path, `count` how many reads it stands for."""

    source: str
    target: str
    count: int
    points: tuple[tuple[float, float], ...]
    path: str


class Graph:
    """The computational graph of a function at a point.

    nodes, edges    what is drawn, with places in pixels
    width, height   of the drawing
    evaluation      the data: every value, the reverse sweep, costs
    folding         how values were folded into boxes, in words; "" where every value has its own
    """

    def __init__(self, evaluation: Evaluation, limit: int = LIMIT):
        self.evaluation = evaluation
        values = [value for value in evaluation.values + evaluation.results if value.kind != "constant"]
        groups = folded(values, limit)
        self.folding = said_of(values, groups)
        home = {name: k for k, group in enumerate(groups) for name in group.names}
        reads: dict[tuple[int, int], int] = {}
        wires: list[tuple[int, int]] = []
        for k, group in enumerate(groups):
            for value in group.members:
                for parent in value.parents:
                    ends = (home[parent], k)
                    if ends[0] == k:
                        continue
                    if ends not in reads or len(groups) == len(values):  # x * x has two lines
                        wires.append(ends)
                    reads[ends] = reads.get(ends, 0) + 1
        texts = [text_of(group) for group in groups]
        layout = Layout([size_of(*text) for text in texts], wires)
        self.width, self.height = layout.width, layout.height
        self.nodes = [
            box_of(group, *text, layout, k) for k, (group, text) in enumerate(zip(groups, texts, strict=True))
        ]
        self.edges = []
        for k, (a, b) in enumerate(wires):
            points = layout.line(k)
            count = reads[a, b] if len(groups) < len(values) else 1
            names = self.nodes[a].name, self.nodes[b].name
            self.edges.append(Edge(*names, count, tuple(points), path_of(points)))

    def __repr__(self) -> str:
        folding = f"; {self.folding}" if self.folding else ""
        return (
            f"Graph of {self.evaluation.function}: {len(self.nodes)} boxes, {len(self.edges)} edges{folding}"
        )

    # -------------------------------------------------- forms
    def to_dot(self) -> str:
        """The graph in the language of Graphviz."""
        lines = ["digraph {", "  node [shape=box, fontname=monospace];"]
        for box in self.nodes:
            text = "\\n".join([str(box.title), *(f"{kind} {text}" for kind, text in box.lines)])
            lines.append(f"  {quoted(box.name)} [label={quoted(text)}];")
        lines += [f"  {quoted(edge.source)} -> {quoted(edge.target)};" for edge in self.edges]
        return "\n".join([*lines, "}"]) + "\n"

    def to_svg(self) -> str:
        """The drawing; its colours follow the reader's choice of light or dark."""
        w, h = round(self.width), round(self.height) + (20 if self.folding else 0)
        name = html.escape(self.evaluation.function)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" class="dualdiff-graph" width="{w}" height="{h}" '
                f'viewBox="0 0 {w} {h}" role="img" aria-label="computational graph of {name}">',
                f"<style>{STYLE}</style>",
                f'<rect class="paper" width="{w}" height="{h}"/>',
                *(drawn_edge(edge) for edge in self.edges),
                *(drawn_box(box) for box in self.nodes),
                *(
                    [f'<text class="label" x="18" y="{h - 12}">{html.escape(self.folding)}</text>']
                    if self.folding
                    else []
                ),
                "</svg>",
            ]
        )

    _repr_svg_ = to_svg


def graph(
    f: Callable,
    *args: Any,
    mode: str = "both",
    wrt: Any = None,
    seed: Any = None,
    order: str = "depth",
    limit: int = LIMIT,
) -> Graph:
    """The computational graph of f at args: each op with its value, its tangents and its adjoint.

    The arguments are those of trace_table. Beyond `limit` boxes, runs of ops and ops that do the same are
    drawn as one dashed box with their number.

    Raises      InputTypeError, StructureError, ShapeError

    >>> import numpy as np
    >>> graph(lambda x: np.sin(x) * x, 0.0)
    Graph of <lambda>: 4 boxes, 4 edges
    """
    if type(limit) is not int or limit < 6:
        raise InputTypeError(f"graph was given limit={limit!r}.", "Give an int of at least 6.")
    return Graph(Evaluation(f, args, mode, wrt, seed, order, "graph"), limit)


# -------------------------------------------------- boxes
def text_of(group: Group) -> tuple[Formula, tuple[tuple[str, str], ...]]:
    """The title of a box and the lines under it."""
    first, last = group.members[0], group.members[-1]
    if len(group.members) > 1:
        noun = {"input": "inputs", "output": "outputs"}.get(group.kind, "ops")
        lines = [("fold", f"{len(group.members)} {noun}")]
        if group.kind == "op":
            lines.append(("fold", shortened(group.ops())))
        return Formula(f"{first.name.marked} ... {last.name.marked}"), tuple(lines)
    return Formula(f"{first.name.marked} = {first.expression.marked}"), numbers(first)


def numbers(value: Value) -> tuple[tuple[str, str], ...]:
    lines = [("value", short(value.primal))]
    if value.tangents:
        lines.append(("tangent", ", ".join(map(short, value.tangents))))
    if value.adjoint is not None:
        lines.append(("adjoint", short(value.adjoint)))
    return tuple((kind, shortened(text)) for kind, text in lines)


def short(x: Any) -> str:
    """A number in six digits, a vector in three."""
    return brief(x, 6 if np.ndim(x) == 0 else 3)


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def size_of(title: Formula, lines: tuple) -> tuple[float, float]:
    """Width and height of a box in pixels."""
    longest = max([min(len(title), LONGEST), *(len(text) + len(label(kind)) for kind, text in lines)])
    return longest * LETTER + 2 * PAD, (1 + len(lines)) * LINE + 2 * PAD - 4


def label(kind: str) -> str:
    return "" if kind == "fold" else f"{kind:<8}"


def box_of(group: Group, title: Formula, lines: tuple, layout: Layout, k: int) -> Box:
    spot = layout.spots[k]
    kind = "fold" if len(group.members) > 1 else group.kind
    corner = (spot.x - spot.width / 2, spot.y)
    return Box(group.names[0], kind, title, lines, group.names, *corner, spot.width, spot.height, spot.layer)


def said_of(values: list[Value], groups: list[Group]) -> str:
    """How values were folded, in one sentence."""
    if len(groups) == len(values):
        return ""
    several = [group for group in groups if len(group.members) > 1]
    inside = sum(len(group.members) for group in several)
    return f"{inside} of {len(values)} values are folded into {len(several)} dashed boxes"


# -------------------------------------------------- SVG
def drawn_box(box: Box) -> str:
    x, y = box.x + PAD, box.y + PAD + 8
    rows = [f'<text x="{x:.1f}" y="{y:.1f}">{svg_formula(box.title)}</text>']
    for i, (kind, text) in enumerate(box.lines, 1):
        said, below = html.escape(text), y + i * LINE
        named = f'<tspan class="label">{label(kind)}</tspan>' if label(kind) else ""
        rows.append(f'<text x="{x:.1f}" y="{below:.1f}">{named}<tspan class="{kind}">{said}</tspan></text>')
    frame = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="5"'
    tip = html.escape(str(box.title))
    return (
        f'<g class="node" id="node-{html.escape(box.name, quote=True)}"><title>{tip}</title>'
        f'<rect class="{box.kind}" {frame}/>{"".join(rows)}</g>'
    )


def drawn_edge(edge: Edge) -> str:
    x, y = edge.points[-1]
    tip = f'<path class="tip" d="M{x - 4:.1f} {y - 8:.1f}L{x:.1f} {y:.1f}L{x + 4:.1f} {y - 8:.1f}Z"/>'
    ends = f"{html.escape(edge.source)} to {html.escape(edge.target)}"
    return f'<g class="edge"><title>{ends}</title><path d="{edge.path}"/>{tip}</g>'


def path_of(points: list[tuple[float, float]]) -> str:
    """A smooth line: upright in the layers, curved between them."""
    (x, y), *rest = points
    pieces = [f"M{x:.1f} {y:.1f}"]
    for k, (a, b) in enumerate(rest):
        if k % 2 == 0:
            pieces.append(f"L{a:.1f} {b:.1f}")
        else:
            end = b - 6 if k == len(rest) - 2 else b  # the tip covers the rest
            middle = (y + end) / 2
            pieces.append(f"C{x:.1f} {middle:.1f} {a:.1f} {middle:.1f} {a:.1f} {end:.1f}")
            if end != b:
                break
        x, y = a, b
    return "".join(pieces)


def svg_formula(formula: Formula) -> str:
    """A formula as text of SVG, with subscripts, cut where it is too long."""
    pieces: list[str] = []
    start = length = 0
    raised = ""  # brings the line back up behind a subscript
    for match in [*NAME.finditer(formula.marked), None]:
        plain = formula.marked[start : match.start() if match else None]
        if length + len(plain) > LONGEST - 3 and len(formula) > LONGEST:
            plain, match = plain[: max(0, LONGEST - 3 - length)] + "...", None
            pieces.append(f"<tspan{raised}>{html.escape(plain)}</tspan>")
            break
        if plain:
            pieces.append(f"<tspan{raised}>{html.escape(plain)}</tspan>")
            raised = ""
        if match is None:
            break
        length += len(plain) + len(match[1]) + len(match[2])
        pieces.append(f'<tspan{raised} font-style="italic">{html.escape(match[1])}</tspan>')
        raised = ""
        if match[2]:
            pieces.append(f'<tspan dy="3" font-size="9.5">{match[2]}</tspan>')
            raised = ' dy="-3"'
        start = match.end()
    return "".join(pieces)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
