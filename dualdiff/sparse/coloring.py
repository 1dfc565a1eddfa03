"""color: group the columns or rows of a pattern so that each group shares one seed.

The algorithms are in orthogonal.py (columns, rows) and symmetric.py (star, acyclic, and bidirectional, which
is a star colouring of the two-sided graph); the orders in ordering.py. Here is which of them are tried.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError, ShapeError
from dualdiff.sparse import orthogonal, relation, symmetric
from dualdiff.sparse.ordering import ORDERS

PARTITIONS = ("auto", "column", "row", "bidirectional", "star", "acyclic")
SYMMETRIC = ("star", "acyclic")
FEW = 2**17  # edges or pairs of entries up to which every order is tried, in about 0.1 s
MANY = 2**24  # and up to which degrees are counted
REVERSE = 1.25  # a reverse seed's cost over a forward one's, measured: it keeps a tape


@dataclass(frozen=True, eq=False)
class Coloring:
    """A pattern, and the colours of its columns and rows; -1 where a column or row needs no seed.

    partition   "column", "row", "bidirectional", "star" or "acyclic"
    order       the order in which the vertices were visited
    pattern     the boolean CSR array that was coloured
    columns     the colour of each column; rows: the colour of each row
    """

    partition: str
    order: str
    pattern: Any
    columns: np.ndarray
    rows: np.ndarray

    @property
    def ncolors(self) -> int:
        """How many seeds there are, those of columns and of rows together."""
        return len(self.column_groups) + len(self.row_groups)

    @property
    def groups(self) -> list[np.ndarray]:
        """The columns of each colour, then the rows of each."""
        return self.column_groups + self.row_groups

    @property
    def column_groups(self) -> list[np.ndarray]:
        """The columns of each colour: one forward sweep each."""
        return members(self.columns)

    @property
    def row_groups(self) -> list[np.ndarray]:
        """The rows of each colour: one reverse sweep each."""
        return members(self.rows)

    @property
    def cost(self) -> float:
        """The number of forward sweeps that all sweeps amount to."""
        return len(self.column_groups) + REVERSE * len(self.row_groups)

    def __repr__(self) -> str:
        m, n = self.pattern.shape
        found = f"{len(self.column_groups)} colours of columns, {len(self.row_groups)} of rows"
        return f"Coloring({self.partition}, {m} x {n}, {self.pattern.nnz} entries: {found})"

    def save(self, file: str | os.PathLike) -> None:
        """Write everything to a file of NumPy's npz format."""
        p = self.pattern
        np.savez_compressed(
            file, partition=self.partition, order=self.order, shape=p.shape, indptr=p.indptr,
            indices=p.indices, columns=self.columns, rows=self.rows,
        )  # fmt: skip

    @classmethod
    def load(cls, file: str | os.PathLike) -> Coloring:
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as found:
            m, n = found["shape"].tolist()
            pattern = relation.assembled(found["indptr"], found["indices"], (m, n))
            words = str(found["partition"]), str(found["order"])
            return cls(*words, pattern, found["columns"], found["rows"])


def members(colors: np.ndarray) -> list[np.ndarray]:
    """The places of each colour."""
    count = int(colors.max(initial=-1)) + 1
    order = np.argsort(colors, kind="stable")
    cuts = np.searchsorted(colors[order], np.arange(count + 1))
    return [order[a:b] for a, b in itertools.pairwise(cuts)]


# -------------------------------------------------- what is given
def as_pattern(given: Any) -> Any:
    """A boolean CSR array from a sparse matrix, whose stored entries count, or from a dense one."""
    sparse = relation.scipy_sparse()
    if sparse.issparse(given):
        found = sparse.csr_array(given)
        if found.dtype == bool and not found.data.all():
            found = found.copy()
            found.eliminate_zeros()
        return relation.canonical(relation.assembled(found.indptr, found.indices, found.shape).copy())
    dense = np.asarray(given)
    if dense.ndim != 2 or dense.dtype.kind not in "biufc":
        raise InputTypeError(
            f"a sparsity pattern was given as {type(given).__name__} of shape {dense.shape} and dtype "
            f"{dense.dtype}.",
            "Give a matrix of booleans: a sparse array of SciPy, or a dense one.",
        )
    return relation.canonical(sparse.csr_array(dense != 0))


def color(pattern: Any, *, partition: str = "auto", order: Any = "auto") -> Coloring:
    """Group the columns or rows of a sparsity pattern so that few seeds show all entries of a matrix.

    partition   "column": columns of one group share no row, one forward sweep each; "row": the same of rows,
                one reverse sweep each; "bidirectional": some entries from either; "star", "acyclic": for
                symmetric matrices, "acyclic" with fewer groups and more rounding; "auto": the cheapest of the
                first three, where a reverse sweep counts as 1.25 forward ones
    order       "natural", "largest-first", "smallest-last", "incidence-degree", "dynamic-largest-first",
                "smallest-first", "random", or a permutation; "auto" tries several and keeps the best
    Cost        each order takes O(entries) for columns and rows, O(entries * colours) for the others
    Raises      InputTypeError, ShapeError for a symmetric partition of what is not symmetric
    Source      A. H. Gebremedhin, F. Manne, A. Pothen 2005, What color is your Jacobian?
    """
    if partition not in PARTITIONS:
        raise InputTypeError(
            f"color was given partition={partition!r}.", f"Choose one of {', '.join(map(repr, PARTITIONS))}."
        )
    s = as_pattern(pattern)
    if partition == "auto":
        return cheapest(s, order)
    if partition in SYMMETRIC:
        check_symmetric(s, partition)
    return {"column": by_columns, "row": by_rows, "bidirectional": by_both}.get(partition, by_symmetry)(
        s, order, partition
    )


def check_symmetric(s: Any, partition: str) -> None:
    if s.shape[0] != s.shape[1] or (s != s.T).nnz:
        raise ShapeError(
            f"color was given partition={partition!r} and a pattern of shape {s.shape}, not a symmetric one.",
            "Use 'column', 'row' or 'bidirectional', or the pattern | pattern.T.",
        )


def cheapest(s: Any, order: Any) -> Coloring:
    """Columns; rows unless the fullest column rules them out; both, where one has many colours for its size.

    Only what comes out is then coloured in every order.
    """
    quick = "quick" if order == "auto" else order
    found = [by_columns(s, quick)]
    if REVERSE * orthogonal.lower_bound(s.T.tocsr()) < found[0].cost:
        found.append(by_rows(s, quick))
    least = min(c.cost for c in found)
    if least > 2 and (s.nnz <= FEW // 16 or least > 4 * s.nnz / max(s.shape)):
        found.append(by_both(s, order))
    chosen = min(found, key=cost_of)
    if order != "auto" or chosen.partition == "bidirectional":
        return chosen
    return min(chosen, (by_columns if chosen.partition == "column" else by_rows)(s, "slow"), key=cost_of)


def cost_of(found: Coloring) -> float:
    return found.cost


# -------------------------------------------------- the partitions
def by_columns(s: Any, order: Any, partition: str = "column") -> Coloring:
    colors, name = best(
        lambda visited: orthogonal.color_columns(s, visited),
        lambda: orthogonal.intersection_graph(s),
        order,
        s.shape[1],
        orthogonal.pairs_in_rows(s),
        orthogonal.lower_bound(s),
    )
    empty = np.bincount(s.indices, minlength=s.shape[1]) == 0
    return Coloring(partition, name, s, compact(np.where(empty, -1, colors)), np.full(s.shape[0], -1))


def by_rows(s: Any, order: Any, partition: str = "row") -> Coloring:
    flipped = by_columns(s.T.tocsr(), order)
    return Coloring(partition, flipped.order, s, flipped.rows, flipped.columns)


def by_symmetry(s: Any, order: Any, partition: str) -> Coloring:
    graph = symmetric.off_diagonal(s)
    colour = symmetric.color_star if partition == "star" else symmetric.color_acyclic
    colors, name = best(
        lambda visited: colour(graph, visited), lambda: graph, order, graph.shape[0], graph.nnz, 1
    )
    empty = np.diff(s.indptr) == 0
    return Coloring(partition, name, s, compact(np.where(empty, -1, colors)), np.full(s.shape[0], -1))


def by_both(s: Any, order: Any, partition: str = "bidirectional") -> Coloring:
    """A star colouring of the graph of columns and rows; colours that no entry needs are dropped.

    Each entry is an edge between its column and its row. In the star of two colours that it belongs to it is
    read by the colour of the hub.
    """
    m, n = s.shape
    graph = relation.scipy_sparse().block_array([[None, s.T], [s, None]], format="csr")
    if s.nnz == 0:
        return Coloring(partition, "natural", s, np.full(n, -1), np.full(m, -1))
    graph.sort_indices()
    several = ["smallest-first", "random", "random", "random"] if s.nnz <= FEW else ["smallest-first"]
    orders: Iterable = several if order == "auto" else [order]
    tried = []
    for seed, name in enumerate(orders):
        visited, word = visiting(name, graph, seed)
        colors = symmetric.color_star(graph, visited)
        tried.append(Coloring(partition, word, s, *needed(s, colors[:n], colors[n:])))
    return min(tried, key=cost_of)


def needed(s: Any, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The colours of columns and rows without those that no entry is read by."""
    row, column = np.repeat(np.arange(s.shape[0]), np.diff(s.indptr)), s.indices
    forward = alone(row, columns[column], s.shape[0])
    backward = alone(column, rows[row], s.shape[1])
    use_columns = np.zeros(int(columns.max()) + 1, bool)
    use_rows = np.zeros(int(rows.max()) + 1, bool)
    use_columns[columns[column[~backward]]] = True
    use_rows[rows[row[~forward]]] = True
    rest = ~use_columns[columns[column]] & ~use_rows[rows[row]]  # either would do: prefer columns
    use_columns[columns[column[rest]]] = True
    return (
        compact(np.where(use_columns[columns], columns, -1)),
        compact(np.where(use_rows[rows], rows, -1)),
    )


def alone(line: np.ndarray, colors: np.ndarray, lines: int) -> np.ndarray:
    """For each entry, whether it is the only one in its line with its colour; False without a colour."""
    count = int(colors.max(initial=0)) + 1
    key = line.astype(np.int64) * count + colors
    if lines * count <= 8 * len(line) + 2**20:
        single = np.bincount(np.where(colors < 0, 0, key), minlength=1)[np.where(colors < 0, 0, key)] == 1
        if (colors < 0).any():
            valid = colors >= 0
            single = np.bincount(key[valid], minlength=lines * count)[np.where(valid, key, 0)] == 1
    else:
        _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
        single = counts[inverse] == 1
    return single & (colors >= 0)


def compact(colors: np.ndarray) -> np.ndarray:
    """The colours renumbered without gaps, in their order; -1 stays."""
    kept = np.unique(colors[colors >= 0])
    return np.where(colors < 0, -1, np.searchsorted(kept, colors))


# -------------------------------------------------- the orders
def best(
    colour: Callable, graph: Callable, order: Any, size: int, edges: int, bound: int
) -> tuple[np.ndarray, str]:
    """The colouring with fewest colours among the orders that are tried; the first of equals."""
    names: list[Any] = [order]
    if order in ("auto", "quick", "slow"):
        names = ["natural"] if order != "slow" or edges > FEW else []
        names += ["largest-first"] if edges <= MANY and order != "slow" else []
        names += ["smallest-last", "incidence-degree"] if edges <= FEW and order != "quick" else []
        names += ["dynamic-largest-first"] if edges <= FEW and order != "quick" else []
    made = None
    found: tuple[np.ndarray, str] | None = None
    for name in names:
        if made is None and name != "natural":
            made = graph()
        visited, word = (range(size), "natural") if name == "natural" else visiting(name, made)
        colors = colour(visited)
        if found is None or colors.max(initial=-1) < found[0].max(initial=-1):
            found = colors, word
        if found[0].max(initial=-1) + 1 <= bound:
            break
    assert found is not None
    return found


def visiting(order: Any, graph: Any, seed: int = 0) -> tuple[Iterable[int], str]:
    """The vertices of the graph in an order that has a name, or that was given as a permutation."""
    if isinstance(order, str):
        if order not in ORDERS:
            raise InputTypeError(
                f"color was given order={order!r}.",
                f"Choose 'auto', one of {', '.join(map(repr, ORDERS))}, or a permutation.",
            )
        made = ORDERS[order](graph, seed) if order == "random" else ORDERS[order](graph)
        return made, order
    given = np.asarray(order)
    if given.shape != graph.shape[:1] or not np.array_equal(np.sort(given), np.arange(len(given))):
        raise InputTypeError(
            f"color was given an order of shape {given.shape} for {graph.shape[0]} vertices.",
            "Give a permutation of their numbers.",
        )
    return given.tolist(), "given"
