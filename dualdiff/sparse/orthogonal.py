"""Columns that share no row may share a seed: the greedy colouring of columns, and of rows by transposition.

Two columns with an entry in one row get different colours, which is a distance-2 colouring of the bipartite
graph of rows and columns (Curtis, Powell and Reid 1974, On the estimation of sparse Jacobian matrices).
Source: A. H. Gebremedhin, F. Manne, A. Pothen 2005, What color is your Jacobian?, algorithm 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dualdiff.sparse.ordering import neighbours


def intersection_graph(s: Any) -> Any:
    """The graph on the columns whose edges join columns that share a row."""
    count = s.astype(np.int32)
    graph = (count.T @ count).tocsr()
    graph.setdiag(0)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def pairs_in_rows(s: Any) -> int:
    """How many pairs of entries stand in one row: what the intersection graph costs."""
    return int((np.diff(s.indptr).astype(np.int64) ** 2).sum())


def lower_bound(s: Any) -> int:
    """No colouring of the columns has fewer colours than the fullest row has entries."""
    return int(np.diff(s.indptr).max(initial=0))


def color_columns(s: Any, order: Iterable[int]) -> np.ndarray:
    """The smallest colour for each column, in that order, that no other column with a common row has.

    Cost        O(entries) operations on integers whose bits are the colours that a row has met
    """
    rows_of = neighbours(s.tocsc())
    met = [0] * s.shape[0]
    colors = [0] * s.shape[1]
    for v in order:
        rows, taken = rows_of[v], 0
        for i in rows:
            taken |= met[i]
        free = ~taken & (taken + 1)  # the lowest bit that is not set
        for i in rows:
            met[i] |= free
        colors[v] = free.bit_length() - 1
    return np.array(colors, np.intp)
