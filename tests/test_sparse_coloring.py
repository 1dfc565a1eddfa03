"""Colourings: published ones colour by colour, theorems on random patterns, and what is refused.

A published colouring counts from 1, ours from 0.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dualdiff as dd
from dualdiff.errors import InputTypeError, ShapeError

pytest.importorskip("scipy")
import scipy.sparse as sp

from dualdiff.sparse.ordering import ORDERS
from dualdiff.sparse.recovery import recovery

color = dd.sparse.color


def graph(n, edges):
    """The full diagonal and these edges, which count from 1."""
    matrix = np.eye(n, dtype=bool)
    for a, b in edges:
        matrix[a - 1, b - 1] = matrix[b - 1, a - 1] = True
    return matrix


def band(n, width):
    i = np.arange(n)
    return abs(i[:, None] - i) <= width


def arrowhead(n, width=1):
    matrix = np.eye(n, dtype=bool)
    matrix[:width] = matrix[:, :width] = True
    return matrix


def brusselator(n):
    """Each unknown meets its four neighbours on a torus, itself, and the other species at its place."""
    place = np.arange(n * n).reshape(n, n)
    near = [place, *(np.roll(place, s, axis) for s in (1, -1) for axis in (0, 1))]
    rows = np.concatenate([place.ravel()] * 5)
    columns = np.concatenate([p.ravel() for p in near])
    one = sp.coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(n * n, n * n))
    eye = sp.diags_array(np.ones(n * n), dtype=bool)
    return sp.block_array([[one, eye], [eye, one]], format="csr")


def by_one(colors):
    return (colors + 1).tolist()


# -------------------------------------------------- published colourings
SMALL = np.array([[int(c) for c in row] for row in ("001101", "100010", "010010", "011000")])


def test_columns_and_rows_of_a_small_matrix():
    assert by_one(color(SMALL, partition="column", order="natural").columns) == [1, 1, 2, 1, 2, 3]
    assert by_one(color(SMALL, partition="row", order="natural").rows) == [1, 1, 2, 3]


# A. H. Gebremedhin, F. Manne, A. Pothen 2005, What color is your Jacobian?, figures 4.1 and 6.1; the second
# also as figure 4 of A. H. Gebremedhin, A. Tarafdar, F. Manne, A. Pothen 2007, New acyclic and star coloring.
FIGURE_4_1 = graph(6, [(1, 2), (2, 3), (2, 5), (2, 6), (3, 4), (4, 6)])
FIGURE_6_1 = graph(
    10,
    [
        (1, 2),
        (1, 7),
        (2, 3),
        (2, 5),
        (3, 4),
        (3, 6),
        (4, 10),
        (5, 6),
        (5, 8),
        (6, 9),
        (7, 8),
        (8, 9),
        (9, 10),
    ],
)
PUBLISHED = {
    "figure 4.1": (FIGURE_4_1, [1, 2, 1, 3, 1, 1], [1, 2, 1, 2, 1, 3], [1, 2, 3, 1, 4, 5]),
    "figure 6.1": (
        FIGURE_6_1,
        [1, 2, 1, 3, 1, 4, 3, 5, 1, 2],
        [1, 2, 1, 2, 1, 3, 2, 3, 2, 1],
        [1, 2, 3, 1, 4, 5, 3, 6, 2, 4],
    ),
    "tridiagonal": (band(8, 1), [1, 2, 1, 3] * 2, [1, 2] * 4, [1, 2, 3, 1, 2, 3, 1, 2]),
    "pentadiagonal": (
        band(10, 2),
        [1, 2, 3, 1, 4, 5, 1, 2, 3, 1],
        [1, 2, 3, 1, 2, 3, 1, 2, 3, 1],
        [1, 2, 3, 4, 5] * 2,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize(("partition", "place"), [("star", 1), ("acyclic", 2), ("column", 3)])
def test_colouring_is_the_published_one(name, partition, place):
    found = color(PUBLISHED[name][0], partition=partition, order="natural")
    assert by_one(found.columns) == PUBLISHED[name][place]


@pytest.mark.parametrize(("width", "direct", "acyclic"), [(1, 3, 2), (2, 5, 3), (3, 7, 4), (5, 11, 6)])
def test_colours_of_bands(width, direct, acyclic):
    found = [
        color(band(60, width), partition=p, order="natural").ncolors for p in ("column", "star", "acyclic")
    ]
    assert found == [direct, direct, acyclic]


@pytest.mark.parametrize("n", [6, 10, 30])
def test_colours_of_arrowheads(n):
    matrix = arrowhead(n)
    assert color(matrix, partition="column").ncolors == n
    assert by_one(color(matrix, partition="star", order="natural").columns) == [1] + [2] * (n - 1)
    assert color(matrix, partition="acyclic").ncolors == 2


@pytest.mark.parametrize(
    ("n", "expected"), [(6, (9, 9, 10, 10)), (12, (10, 10, 11, 11)), (24, (10, 10, 11, 10))]
)
def test_colours_of_the_brusselator(n, expected):
    pattern = brusselator(n)
    orders = "natural", "largest-first", "smallest-last", "incidence-degree"
    assert pattern.nnz == 12 * n * n
    assert tuple(color(pattern, partition="column", order=order).ncolors for order in orders) == expected


def test_colours_of_a_larger_brusselator():
    assert color(brusselator(48), partition="column", order="natural").ncolors == 10


def test_diagonal_has_one_colour_and_a_full_matrix_all():
    assert color(np.eye(7)).ncolors == 1
    assert color(np.ones((5, 5)), partition="column").ncolors == 5
    assert color(np.ones((4, 5))).partition == "column" and color(np.ones((2, 9))).partition == "row"


TALL = np.zeros((10, 20), bool)
TALL[[0, -1]] = TALL[:, [0, -1]] = True
CORNER = np.zeros((4, 5), bool)
CORNER[0] = CORNER[:, 0] = True
BOTH = {
    "dense first and last row and column": (TALL, 20, 10, 10, (2, 2)),
    "arrowhead 10": (arrowhead(10), 10, 10, 10, (2, 1)),
    "arrowhead 50": (arrowhead(50), 50, 50, 50, (2, 1)),
    "arrowhead 50, width 3": (arrowhead(50, 3), 50, 50, 50, (4, 3)),
    "first row and column": (CORNER, 5, 4, 2, (1, 1)),
    "antidiagonal": (np.fliplr(np.eye(4, dtype=bool)), 1, 1, 1, (1, 0)),
    "cycle": (np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]]), 3, 3, 3, (0, 3)),
}


@pytest.mark.parametrize("name", BOTH)
def test_bidirectional_colours_of_known_matrices(name):
    matrix, column, row, natural, best = BOTH[name]
    assert color(matrix, partition="column").ncolors == column
    assert color(matrix, partition="row").ncolors == row
    assert color(matrix, partition="bidirectional", order="natural").ncolors == natural
    found = color(matrix, partition="bidirectional", order="smallest-first")
    assert (len(found.column_groups), len(found.row_groups)) == best


@pytest.mark.parametrize(
    ("name", "partition"),
    [("arrowhead 50", "bidirectional"), ("antidiagonal", "column"), ("cycle", "column")],
)
def test_auto_takes_the_cheapest(name, partition):
    found = color(BOTH[name][0])
    assert found.partition == partition
    assert found.cost <= min(
        color(BOTH[name][0], partition=p).cost for p in ("column", "row", "bidirectional")
    )


# -------------------------------------------------- theorems
@st.composite
def patterns(draw, symmetric=False):
    m, n = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    seed, density = draw(st.integers(0, 10**6)), draw(st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0]))
    matrix = np.random.default_rng(seed).uniform(size=(n, n) if symmetric else (m, n)) < density
    return matrix | matrix.T if symmetric else matrix


def swept(coloring, matrix):
    """What sweeps with the seeds of a colouring give, one after the other."""
    forward = [matrix[:, group].sum(axis=1) for group in coloring.column_groups]
    reverse = [matrix[group].sum(axis=0) for group in coloring.row_groups]
    return np.concatenate([*forward, *reverse, np.zeros(0)])


def recovered(coloring, matrix):
    pattern = coloring.pattern
    data = recovery(coloring)(swept(coloring, matrix))
    return type(pattern)((data, pattern.indices, pattern.indptr), shape=pattern.shape).toarray()


def numbers(pattern, rng):
    return np.where(pattern, rng.integers(1, 64, pattern.shape), 0).astype(float)


ORDER = st.sampled_from(["auto", *ORDERS])


@given(pattern=patterns(), order=ORDER, partition=st.sampled_from(["column", "row", "bidirectional", "auto"]))
def test_every_entry_of_a_matrix_is_recovered(pattern, order, partition):
    matrix = numbers(pattern, np.random.default_rng(0))
    found = color(pattern, partition=partition, order=order)
    np.testing.assert_array_equal(recovered(found, matrix), matrix)


@given(pattern=patterns(symmetric=True), order=ORDER, partition=st.sampled_from(["star", "acyclic"]))
def test_every_entry_of_a_symmetric_matrix_is_recovered(pattern, order, partition):
    matrix = numbers(pattern, np.random.default_rng(0))
    matrix = matrix + matrix.T
    found = color(pattern, partition=partition, order=order)
    back = recovered(found, matrix)
    np.testing.assert_array_equal(back, matrix)  # integers, so that substitution is exact too
    np.testing.assert_array_equal(back, back.T)


@given(pattern=patterns(), order=st.sampled_from(list(ORDERS)))
def test_columns_of_one_colour_share_no_row_and_the_fullest_row_bounds_them(pattern, order):
    found = color(pattern, partition="column", order=order)
    for group in found.column_groups:
        assert pattern[:, group].sum(axis=1).max(initial=0) <= 1
    assert found.ncolors >= pattern.sum(axis=1).max(initial=0)
    assert found.ncolors >= color(pattern, partition="column", order="auto").ncolors


@given(pattern=patterns(symmetric=True), order=st.sampled_from(list(ORDERS)))
def test_star_colouring_has_no_path_of_four_in_two_colours(pattern, order):
    colors = color(pattern | np.eye(len(pattern), dtype=bool), partition="star", order=order).columns
    for forest in two_coloured(pattern, colors):
        assert forest.sum(axis=1).max(initial=0) <= 1 or stars(forest)


@given(pattern=patterns(symmetric=True), order=st.sampled_from(list(ORDERS)))
def test_acyclic_colouring_has_no_cycle_in_two_colours(pattern, order):
    colors = color(pattern | np.eye(len(pattern), dtype=bool), partition="acyclic", order=order).columns
    for forest in two_coloured(pattern, colors):
        trees = sp.csgraph.connected_components(sp.csr_array(forest))[0]
        assert forest.sum() // 2 == len(forest) - trees


def two_coloured(pattern, colors):
    """The adjacency matrix that each pair of colours spans; neighbours have different ones."""
    edges = pattern & ~np.eye(len(pattern), dtype=bool)
    assert not (edges & (colors[:, None] == colors)).any()
    for a in range(colors.max(initial=-1) + 1):
        for b in range(a):
            inside = (colors == a) | (colors == b)
            yield edges & inside & inside[:, None]


def stars(forest):
    """Whether no edge joins two vertices that both have another neighbour."""
    many = forest.sum(axis=1) > 1
    return not (forest & many & many[:, None]).any()


@pytest.mark.parametrize("order", [name for name in ORDERS if name != "natural"])
def test_order_visits_every_vertex_once(order):
    found = ORDERS[order](sp.csr_array(band(9, 2) & ~np.eye(9, dtype=bool)))
    assert sorted(found) == list(range(9))


def test_orders_of_a_small_graph():
    """A path 0 - 1 - 2 with a triangle 2 - 3 - 4 at its end."""
    edges = graph(5, [(1, 2), (2, 3), (3, 4), (3, 5), (4, 5)]) & ~np.eye(5, dtype=bool)
    found = {name: f(sp.csr_array(edges)) for name, f in ORDERS.items()}
    assert found["largest-first"] == [2, 1, 3, 4, 0]
    assert found["smallest-first"] == [0, 1, 3, 4, 2]
    assert found["smallest-last"] == [4, 3, 2, 1, 0]
    assert found["incidence-degree"] == [0, 1, 2, 3, 4]
    assert found["dynamic-largest-first"] == [2, 0, 3, 1, 4]


def test_greedy_order_matters():
    crown = 1 - np.eye(6, dtype=int)  # the complete graph, where no order is better
    assert len({color(crown | np.eye(6, dtype=int), partition="star", order=o).ncolors for o in ORDERS}) == 1
    permutation = [5, 0, 3, 1, 4, 2]
    found = color(band(6, 1), partition="column", order=permutation)
    assert found.order == "given" and found.columns[5] == 0


# -------------------------------------------------- the object, and what is refused
def test_coloring_can_be_saved(tmp_path):
    made = color(arrowhead(9))
    made.save(tmp_path / "arrow.npz")
    read = dd.sparse.Coloring.load(tmp_path / "arrow.npz")
    assert (read.partition, read.order, read.ncolors) == (made.partition, made.order, made.ncolors)
    np.testing.assert_array_equal(read.columns, made.columns)
    np.testing.assert_array_equal(read.rows, made.rows)
    assert (read.pattern != made.pattern).nnz == 0


def test_groups_hold_every_line_that_has_entries():
    found = color(np.array([[1, 0, 1], [0, 0, 1]]), partition="column")
    assert sorted(np.concatenate(found.groups).tolist()) == [0, 2]
    assert repr(found) == "Coloring(column, 2 x 3, 3 entries: 2 colours of columns, 0 of rows)"


@pytest.mark.parametrize("kind", [sp.coo_array, sp.csc_array, sp.csr_matrix, np.array])
def test_pattern_may_be_any_matrix(kind):
    assert by_one(color(kind(SMALL), partition="column", order="natural").columns) == [1, 1, 2, 1, 2, 3]


def test_stored_zeros_are_entries_and_stored_false_is_none():
    numbers = sp.csr_array((np.array([0.0, 1.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
    assert color(numbers).pattern.nnz == 2
    flags = sp.csr_array((np.array([False, True]), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
    assert color(flags).pattern.nnz == 1


def test_empty_patterns():
    for shape in ((0, 3), (3, 0), (0, 0), (2, 2)):
        assert color(np.zeros(shape)).ncolors == 0


@pytest.mark.parametrize(
    ("pattern", "how", "error", "words"),
    [
        (np.eye(2), {"partition": "rows"}, InputTypeError, "partition='rows'"),
        (np.eye(2), {"order": "best"}, InputTypeError, "order='best'"),
        (np.eye(3), {"order": [0, 1, 1]}, InputTypeError, "permutation"),
        (np.ones(3), {}, InputTypeError, "shape \\(3,\\)"),
        (np.array([["a"]]), {}, InputTypeError, "dtype <U1"),
        (np.tri(3), {"partition": "star"}, ShapeError, "not a symmetric one"),
        (np.ones((2, 3)), {"partition": "acyclic"}, ShapeError, "not a symmetric one"),
    ],
)
def test_color_refuses(pattern, how, error, words):
    with pytest.raises(error, match=words):
        color(pattern, **how)
