"""The computational graph: what is in it, that the drawing keeps its promises, and folding.

The promises: no two boxes overlap, no text leaves its box, no line crosses a box, everything is inside.
"""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from dualdiff import teach
from dualdiff.errors import InputTypeError
from dualdiff.teach.graph import LETTER
from dualdiff.teach.layout import closest

SVG = "{http://www.w3.org/2000/svg}"


def baydin(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


def network(layers, x):
    for w, b in layers:
        x = np.tanh(w @ x + b)
    return np.sum(x**2)


def rosenbrock(x):
    return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(len(x) - 1))


def loop(x, w):
    for _ in range(60):
        x = np.sin(x) * 0.5 + w @ x
    return x.sum()


def wide(*xs):
    return sum(k * x for k, x in enumerate(xs))


def containers(x):
    return {"square": x * x, "ratio": (x * x) / x, "itself": x, "nothing": 3.0}


GRAPHS = {
    "baydin": lambda: teach.graph(baydin, 2, 5),
    "network": lambda: teach.graph(
        network, [(np.ones((4, 3)), np.ones(4)), (np.eye(4), np.zeros(4))], np.ones(3)
    ),
    "rosenbrock": lambda: teach.graph(rosenbrock, np.arange(4.0)),
    "folded rosenbrock": lambda: teach.graph(rosenbrock, np.arange(30.0)),
    "loop": lambda: teach.graph(loop, np.ones(3), np.eye(3)),
    "wide": lambda: teach.graph(wide, *np.arange(40.0)),
    "containers": lambda: teach.graph(containers, 3.0),
    "eigh": lambda: teach.graph(np.linalg.eigh, np.array([[2.0, 0.5], [0.5, 1.0]])),
    "forward": lambda: teach.graph(baydin, 2, 5, mode="forward"),
    "few boxes": lambda: teach.graph(rosenbrock, np.arange(30.0), limit=12),
}
EACH = pytest.mark.parametrize("name", GRAPHS)


# -------------------------------------------------- what is in it
def test_boxes_have_value_tangent_and_adjoint():
    found = teach.graph(baydin, 2, 5)
    boxes = {box.name: box for box in found.nodes}
    assert set(boxes) == {"v-1", "v0", "v1", "v2", "v3", "v4", "v5", "y"}
    assert dict(boxes["v3"].lines) == {"value": "-0.958924", "tangent": "0, 0.283662", "adjoint": "-1"}
    assert boxes["v2"].title == "v2 = v-1 * v0"


def test_edges_are_those_of_the_paper():
    edges = {(edge.source, edge.target) for edge in teach.graph(baydin, 2, 5).edges}
    pairs = "v-1 v1, v-1 v2, v0 v2, v0 v3, v1 v4, v2 v4, v4 v5, v3 v5, v5 y"
    assert edges == {tuple(pair.split()) for pair in pairs.split(", ")}


def test_value_read_twice_by_one_op_has_two_lines():
    edges = teach.graph(lambda x: x * x, 3.0).edges
    assert [(e.source, e.target) for e in edges].count(("v0", "v1")) == 2
    assert len({e.path for e in edges}) == len(edges)


@EACH
def test_every_value_is_in_one_box_and_every_read_in_one_edge(name):
    found = GRAPHS[name]()
    values = [v for v in found.evaluation.values + found.evaluation.results if v.kind != "constant"]
    members = [member for box in found.nodes for member in box.members]
    assert sorted(members) == sorted(str(v.name) for v in values)
    home = {member: box.name for box in found.nodes for member in box.members}
    reads = [(home[p], home[v.name]) for v in values for p in v.parents if home[p] != home[v.name]]
    assert set(reads) == {(e.source, e.target) for e in found.edges}
    assert len(reads) == sum(e.count for e in found.edges)


# -------------------------------------------------- the drawing
@EACH
def test_boxes_do_not_overlap_and_are_inside(name):
    found = GRAPHS[name]()
    for i, a in enumerate(found.nodes):
        assert a.x >= 0 and a.x + a.width <= found.width
        assert a.y >= 0 and a.y + a.height <= found.height
        for b in found.nodes[i + 1 :]:
            beside = a.x + a.width <= b.x or b.x + b.width <= a.x
            assert beside or a.y + a.height <= b.y or b.y + b.height <= a.y, (a.name, b.name)


@EACH
def test_text_fits_its_box(name):
    for box in GRAPHS[name]().nodes:
        longest = max(len(text) + (0 if kind == "fold" else 8) for kind, text in box.lines)
        assert longest * LETTER <= box.width


def along(path):
    """Points on a path of lines and cubic curves, as rows."""
    numbers = [np.array(part.split(), float).reshape(-1, 2) for part in re.split("[MLC]", path)[1:]]
    t = np.linspace(0, 1, 25)[:, None]
    pieces, at = [], numbers[0][0]
    for to in numbers:
        points = [at, *to]
        while len(points) > 1:  # de Casteljau
            points = [(1 - t) * a + t * b for a, b in pairwise(points)]
        pieces.append(points[0])
        at = to[-1]
    return np.concatenate(pieces)


@EACH
def test_lines_do_not_run_through_boxes(name):
    found = GRAPHS[name]()
    corners = np.array([[box.x, box.y] for box in found.nodes])
    sizes = np.array([[box.width, box.height] for box in found.nodes])
    for edge in found.edges:
        points = along(edge.path)
        assert (points >= 0).all() and (points <= [found.width, found.height]).all()
        into = points[:, None] - corners
        inside = ((into > 1) & (into < sizes - 1)).all(axis=2).any(axis=0)
        assert not inside.any(), (edge.source, edge.target, found.nodes[inside.argmax()].name)


@EACH
def test_lines_go_from_box_to_box_downwards(name):
    found = GRAPHS[name]()
    boxes = {box.name: box for box in found.nodes}
    for edge in found.edges:
        a, b = boxes[edge.source], boxes[edge.target]
        (x, y), (u, v) = edge.points[0], edge.points[-1]
        assert a.x <= x <= a.x + a.width and y == pytest.approx(a.y + a.height)
        assert b.x <= u <= b.x + b.width and v == pytest.approx(b.y)
        assert a.y + a.height < b.y


@EACH
def test_svg_is_well_formed_and_shows_every_box(name):
    found = GRAPHS[name]()
    root = ET.fromstring(found._repr_svg_())
    assert root.tag == f"{SVG}svg" and float(root.get("width")) >= found.width - 1
    nodes = [g for g in root.iter(f"{SVG}g") if g.get("class") == "node"]
    assert len(nodes) == len(found.nodes)
    assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text


def test_svg_escapes_what_the_user_wrote():
    def f(d):
        return {"<&>": d['"<']}

    ET.fromstring(teach.graph(f, {'"<': 1.0}).to_svg())


def test_dot_has_every_box_and_edge():
    found = teach.graph(baydin, 2, 5)
    text = found.to_dot()
    assert text.count(" -> ") == len(found.edges) and text.count("[label=") == len(found.nodes)
    assert '"v-1" -> "v2";' in text


# -------------------------------------------------- folding
@pytest.mark.parametrize("name", ["folded rosenbrock", "loop", "wide", "few boxes"])
def test_large_graphs_are_folded_and_say_so(name):
    found = GRAPHS[name]()
    assert len(found.nodes) <= (12 if name == "few boxes" else 60)
    folded = [box for box in found.nodes if box.kind == "fold"]
    inside = sum(len(box.members) for box in folded)
    assert f"{inside} of " in found.folding and found.folding in found.to_svg()
    for box in folded:
        assert box.lines[0][1].startswith(f"{len(box.members)} ")


def test_small_graphs_are_not_folded():
    assert teach.graph(baydin, 2, 5).folding == ""


def test_a_chain_is_one_box():
    def f(x):
        for _ in range(50):
            x = np.sin(np.cos(x))
        return x

    found = teach.graph(f, 1.0)
    assert [len(box.members) for box in found.nodes] == [1, 100, 1]


def test_limit_is_checked():
    with pytest.raises(InputTypeError):
        teach.graph(baydin, 2, 5, limit=2)


# -------------------------------------------------- places
def test_closest_places_keep_their_distance_and_are_the_nearest():
    rng = np.random.default_rng(0)
    wanted, weights = rng.normal(size=6), rng.uniform(1, 3, 6)
    steps = rng.uniform(0.2, 0.6, 5)
    found = np.array(closest(list(wanted), list(weights), list(steps)))
    assert np.all(np.diff(found) >= steps - 1e-12)
    best = np.sum(weights * (found - wanted) ** 2)
    for _ in range(300):  # no other places that keep the distances are nearer
        other = found + rng.normal(scale=0.1, size=6)
        offsets = np.concatenate([[0], np.cumsum(steps)])
        other = np.maximum.accumulate(other - offsets) + offsets
        assert np.sum(weights * (other - wanted) ** 2) >= best - 1e-12
