"""Vertex elimination: the counts of the three orders, the optimum by trying all orders, the Jacobian.

The counts follow from sums of |predecessors| * |successors|; a test does them again on sets of edges alone.
"""

import itertools

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import teach
from dualdiff.errors import InputTypeError


def baydin(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


def bottleneck(m):
    weights = np.arange(1.0, m + 1)
    return lambda x: np.sin(np.cos(np.sum(np.sin(x))) * weights)


def product(*xs):
    y = xs[0]
    for x in xs[1:]:
        y = y * x
    return y


def shared(x1, x2):
    v = x1 * x2
    s = np.sin(v)
    return np.log(s), v + s


def star(x, y):
    v = x * y
    s = np.sin(v)
    return np.sin(s), np.cos(s), np.exp(s), s * v


def star_and_more(x, y):
    s = (v := x * y) * np.exp(y)
    return np.sin(s), np.cos(s), np.exp(s), s * v


def layers(*sizes):
    rng = np.random.default_rng(1)
    matrices = [rng.normal(size=pair[::-1]) for pair in itertools.pairwise(sizes)]

    def f(x):
        for matrix in matrices:
            x = matrix @ x
        return x

    return f, (np.ones(sizes[0]),)


def ones(n):
    return tuple(np.arange(1.0, n + 1) / n)


#     function, arguments, (multiplications, additions) of forward, reverse, Markowitz
COUNTS = {
    "baydin": (baydin, (2.0, 5.0), (6, 2), (6, 2), (6, 2)),
    "bottleneck 4 4": (bottleneck(4), (np.array(ones(4)),), (40, 0), (40, 0), (28, 0)),
    "bottleneck 10 10": (bottleneck(10), (np.array(ones(10)),), (220, 0), (220, 0), (130, 0)),
    "bottleneck 1 8": (bottleneck(8), (np.array(ones(1)),), (18, 0), (32, 0), (18, 0)),
    "bottleneck 8 1": (bottleneck(1), (np.array(ones(8)),), (32, 0), (18, 0), (18, 0)),
    "product of 4": (product, ones(4), (5, 0), (4, 0), (5, 0)),
    "product of 6": (product, ones(6), (14, 0), (8, 0), (12, 0)),
    "product of 8": (product, ones(8), (27, 0), (12, 0), (17, 0)),
    "shared": (shared, (1.0, 0.5), (8, 2), (6, 1), (6, 1)),
    "star": (star, (1.0, 0.5), (12, 2), (12, 1), (12, 2)),
    "layers 3 3 1 3 3": (*layers(3, 3, 1, 3, 3), (45, 24), (45, 24), (27, 12)),
    "layers 2 3 1 3 2": (*layers(2, 3, 1, 3, 2), (24, 12), (24, 12), (16, 8)),
    "layers 1 3 3 1": (*layers(1, 3, 3, 1), (12, 8), (12, 8), (13, 8)),
    "layers 4 2 1 2 4": (*layers(4, 2, 1, 2, 4), (48, 20), (48, 20), (32, 8)),
    "layers 5 1 5 1 5": (*layers(5, 1, 5, 1, 5), (75, 20), (75, 20), (35, 4)),
}
EACH = pytest.mark.parametrize("name", COUNTS)


@EACH
def test_counts_of_the_three_orders(name):
    f, args, *counts = COUNTS[name]
    found = teach.elimination(f, *args)
    assert [found.counts[order] for order in ("forward", "reverse", "markowitz")] == counts
    assert (found.multiplications, found.additions) == counts[0]


def by_sets(graph, order):
    """Multiplications and additions on sets of edges, without numbers."""
    edges = set(graph.partials)
    multiplications = additions = 0
    for v in order:
        before, after = {a for a, b in edges if b == v}, {b for a, b in edges if a == v}
        new = {(a, b) for a in before for b in after}
        multiplications += len(before) * len(after)
        additions += len(new & edges)
        edges = {edge for edge in edges | new if v not in edge}
    return multiplications, additions


@EACH
def test_counts_are_those_of_sets_of_edges(name):
    f, args, *_ = COUNTS[name]
    graph = teach.elimination(f, *args).graph
    todo = graph.intermediates
    assert graph.eliminate("forward")[1:3] == by_sets(graph, todo)
    assert graph.eliminate("reverse")[1:3] == by_sets(graph, todo[::-1])
    chosen, *counts, _ = graph.eliminate("markowitz")
    assert tuple(counts) == by_sets(graph, chosen)


@pytest.mark.parametrize(
    "name, fewest",
    [
        ("baydin", (6, 2)),
        ("product of 4", (4, 0)),
        ("product of 6", (8, 0)),
        ("product of 8", (12, 0)),
        ("shared", (6, 1)),
        ("star", (12, 1)),
        ("layers 2 3 1 3 2", (16, 8)),
        ("layers 1 3 3 1", (12, 8)),
        ("layers 4 2 1 2 4", (32, 8)),
    ],
)
def test_no_order_takes_fewer_than_the_optimum(name, fewest):
    f, args, *_ = COUNTS[name]
    graph = teach.elimination(f, *args).graph
    assert min(graph.eliminate(order)[1:3] for order in itertools.permutations(graph.intermediates)) == fewest


@EACH
@pytest.mark.parametrize("order", ["forward", "reverse", "markowitz"])
def test_jacobian_is_that_of_the_engine(name, order):
    f, args, *_ = COUNTS[name]
    found = teach.elimination(f, *args, order=order).jacobian
    np.testing.assert_allclose(found, dd.linearize(f, *args)[1].to_dense(), rtol=1e-12, atol=1e-14)


PROGRAMS = {
    "arrays": (lambda x: np.tanh(np.arange(6.0).reshape(2, 3) @ x) / np.sum(x), (np.array([1.0, 2.0, 0.5]),)),
    "broadcast": (lambda a, x: np.sum(a * x, axis=1), (np.array([[1.0], [2.0]]), np.array([3.0, 4.0, 5.0]))),
    "output read again": (lambda x: (x * x, np.sin(x * x)), (1.5,)),
    "one value twice": (lambda x: (x, x, x + 0.0), (1.5,)),
    "a constant": (lambda x: (x * x, 3.0), (1.5,)),
    "nothing kept": (lambda x: [np.sin(x), x * x][1], (1.5,)),
    "several outputs": (lambda a: np.linalg.eigh(a)[0], (np.array([[2.0, 0.5], [0.5, 1.0]]),)),
    "indexing": (lambda x: x[1:] * x[:-1], (np.arange(4.0),)),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("order", ["forward", "reverse", "markowitz"])
def test_jacobian_of_any_program(name, order):
    f, args = PROGRAMS[name]
    found = teach.elimination(f, *args, order=order).jacobian
    np.testing.assert_allclose(found, dd.linearize(f, *args)[1].to_dense(), rtol=1e-12, atol=1e-14)


def test_order_may_be_given_by_names():
    found = teach.elimination(star_and_more, 1.0, 0.5, order=["v3", "v1", "v2"])
    assert found.sequence == ["v3", "v1", "v2"] and found.order == "given"
    assert found.counts["given"] == by_sets(
        found.graph, [found.graph.labels.index(v) for v in found.sequence]
    )
    reverse = teach.elimination(star_and_more, 1.0, 0.5, order="reverse")
    np.testing.assert_allclose(found.jacobian, reverse.jacobian, rtol=1e-14)


def test_name_of_an_array_stands_for_its_elements():
    f, args, *_ = COUNTS["bottleneck 4 4"]
    forward = teach.elimination(f, *args)
    names = list(dict.fromkeys(label.partition("[")[0] for label in forward.sequence))
    assert teach.elimination(f, *args, order=names).sequence == forward.sequence


@pytest.mark.parametrize(
    "order", ["sideways", ["v9"], ["v1"], ["v1", "v1", "v2", "v3", "v4"], ["v-1", "v1", "v2", "v3", "v4"]]
)
def test_bad_order_is_refused(order):
    with pytest.raises(InputTypeError):
        teach.elimination(baydin, 2.0, 5.0, order=order)


def test_complex_and_large_are_refused():
    with pytest.raises(InputTypeError):
        teach.elimination(np.sin, 1j)
    with pytest.raises(InputTypeError):
        teach.elimination(np.sin, np.ones(5000))


def test_text_has_a_line_for_each_order():
    text = str(teach.elimination(baydin, 2.0, 5.0, order=["v4", "v1", "v2", "v3"]))
    assert [line.split()[0] for line in text.splitlines()[3:]] == ["forward", "reverse", "markowitz", "given"]
