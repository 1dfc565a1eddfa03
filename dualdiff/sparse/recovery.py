"""Where each entry of a matrix is read from, once few compressed seeds have been swept.

Forward sweeps give one row of outputs for each colour of columns, reverse sweeps one row of inputs for each
colour of rows. They lie one after the other in a flat array, and a recovery is a list of places in it, found
once; acyclic colourings also solve a triangular system whose order and factors are found once.
Source: A. H. Gebremedhin, A. Tarafdar, A. Pothen, A. Walther 2009, Efficient computation of sparse Hessians
using coloring and automatic differentiation, sections 3 and 4 (direct and indirect recovery).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError
from dualdiff.sparse.coloring import Coloring, alone
from dualdiff.sparse.ordering import neighbours


def entries(s: Any) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each entry, in the order of the data."""
    return np.repeat(np.arange(s.shape[0]), np.diff(s.indptr)), s.indices.astype(np.intp)


def recovery(coloring: Coloring) -> Callable:
    """The function from all sweeps, one after the other in a flat array, to the data of the CSR matrix."""
    if coloring.partition == "acyclic":
        return by_substitution(coloring)
    if coloring.partition == "star":
        take = symmetric_places(coloring)
    else:
        take = direct_places(coloring)
    return lambda swept: swept.take(take)


def misfit(coloring: Coloring, row: int, column: int) -> InputTypeError:
    return InputTypeError(
        f"the {coloring.partition} colouring does not separate entry ({row}, {column}) of its pattern from "
        "others in its row or column.",
        "Colour this very pattern with dualdiff.sparse.color.",
    )


def direct_places(coloring: Coloring) -> np.ndarray:
    """By the colour of its column where it is alone in its row with it, else by that of its row."""
    m, n = coloring.pattern.shape
    row, column = entries(coloring.pattern)
    by_column, by_row = coloring.columns[column], coloring.rows[row]
    forward = alone(row, by_column, m)
    backward = alone(column, by_row, n)
    lost = np.flatnonzero(~forward & ~backward)
    if len(lost):
        raise misfit(coloring, row[lost[0]], column[lost[0]])
    start = len(coloring.column_groups) * m
    return np.where(forward, by_column * m + row, start + by_row * n + column)


def mirrored(s: Any, flags: np.ndarray) -> np.ndarray:
    """For each entry (i, j) of a symmetric pattern, what holds for (j, i)."""
    return type(s)((flags + 1, s.indices, s.indptr), shape=s.shape).T.tocsr().data - 1


def symmetric_places(coloring: Coloring) -> np.ndarray:
    """One place for (i, j) and (j, i): by the column of the larger index, else by that of the smaller."""
    s, colors = coloring.pattern, coloring.columns
    n = s.shape[0]
    row, column = entries(s)
    single = alone(row, colors[column], n).astype(np.int8)
    other = mirrored(s, single)
    low, high = np.minimum(row, column), np.maximum(row, column)
    from_low = np.where(row <= column, single, other).astype(bool)
    from_high = np.where(row <= column, other, single).astype(bool)
    lost = np.flatnonzero(~from_low & ~from_high)
    if len(lost):
        raise misfit(coloring, row[lost[0]], column[lost[0]])
    return np.where(from_low, colors[high] * n + low, colors[low] * n + high)


# -------------------------------------------------- acyclic
def by_substitution(coloring: Coloring) -> Callable:
    """Diagonal entries are read; the others solve a system that is triangular in the order of `peeled`.

    The sweep of colour c shows at v the sum of v's entries with columns of that colour. In a forest of two
    colours a leaf has one entry left; with that known, the next vertex becomes a leaf.
    """
    import scipy.sparse.linalg

    s, colors = coloring.pattern, coloring.columns
    n = s.shape[0]
    row, column = entries(s)
    edges, ends = peeled(coloring)
    count = len(edges)
    number = {edge: k for k, edge in enumerate(edges)}
    on_diagonal = row == column
    held = row[on_diagonal]
    diagonal = colors[held] * n + held
    pairs = zip(np.minimum(row, column).tolist(), np.maximum(row, column).tolist(), strict=True)
    index = np.array([number.get(pair, -1) for pair in pairs], np.intp)
    index[on_diagonal] = count + np.arange(len(held))
    at, toward = np.array(ends, np.intp).reshape(-1, 2).T
    take = colors[toward] * n + at
    rows, columns = summed_edges(coloring, ends, number)
    ones = np.ones(len(rows))
    system = scipy.sparse.coo_array((ones, (rows, columns)), shape=(count, count)).tocsc()
    options = {"permc_spec": "NATURAL", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    factors = scipy.sparse.linalg.splu(system, **options) if count else None

    def recover(swept: np.ndarray) -> np.ndarray:
        found = factors.solve(swept[take].astype(float)) if factors is not None else swept[take]
        return np.concatenate([found.astype(swept.dtype), swept[diagonal]])[index]

    return recover


def peeled(coloring: Coloring) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The edges (low, high) in the order in which they become known, and for each (leaf, other end)."""
    colors = coloring.columns.tolist()
    adjacent = neighbours(coloring.pattern)
    left: dict[tuple[int, int], set[int]] = {}  # (vertex, colour) -> neighbours with entries not yet known
    for v, around in enumerate(adjacent):
        for w in around:
            if w != v:
                left.setdefault((v, colors[w]), set()).add(w)
    leaves = [key for key, others in left.items() if len(others) == 1]
    edges, ends = [], []
    while leaves:
        v, c = leaves.pop()
        if not left[v, c]:
            continue
        (w,) = left[v, c]
        edges.append((min(v, w), max(v, w)))
        ends.append((v, w))
        left[v, c].clear()
        others = left[w, colors[v]]
        others.discard(v)
        if len(others) == 1:
            leaves.append((w, colors[v]))
    unknown = next(((v, min(others)) for (v, _), others in left.items() if others), None)
    if unknown is not None:
        raise misfit(coloring, *unknown)
    return edges, ends


def summed_edges(coloring: Coloring, ends: list, number: dict) -> tuple[list, list]:
    """For each edge, the edges whose sum its sweep shows: all of the leaf with the other end's colour."""
    colors = coloring.columns.tolist()
    adjacent = neighbours(coloring.pattern)
    rows, columns = [], []
    for k, (v, w) in enumerate(ends):
        for x in adjacent[v]:
            if x != v and colors[x] == colors[w]:
                rows.append(k)
                columns.append(number[min(v, x), max(v, x)])
    return rows, columns
