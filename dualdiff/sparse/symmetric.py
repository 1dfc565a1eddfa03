"""Colourings of symmetric matrices: an entry is read once for its two places, so fewer colours do.

Star colouring: neighbours differ, and a path of four vertices has three colours or more; each entry is then
read from one place. Acyclic colouring: neighbours differ, and every cycle has three colours or more; entries
are then found one after the other (recovery.py). The graph is that of the off-diagonal entries.
Source: A. H. Gebremedhin, A. Tarafdar, F. Manne, A. Pothen 2007, New acyclic and star coloring algorithms
with application to computing Hessians, algorithms 3.1 and 4.1; here with sets of colours in place of lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dualdiff.sparse.ordering import neighbours


def off_diagonal(s: Any) -> Any:
    """The graph of a symmetric pattern."""
    graph = s.copy()
    graph.setdiag(False)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def color_star(graph: Any, order: Iterable[int]) -> np.ndarray:
    """The smallest colour for each vertex, in that order, that leaves no path of four with two colours.

    A vertex v may not have the colour of a neighbour w, nor that of a neighbour x of w, where u - v - w - x
    or v - w - x - y would be such a path: where v has two neighbours of w's colour, or x has.

    Cost        O(edges) operations on integers whose bits are colours
    """
    adjacent = neighbours(graph)
    n = len(adjacent)
    colors = [-1] * n
    around: list[dict[int, int]] = [{} for _ in range(n)]  # colour -> the first neighbour that has it
    twice: list[int] = [0] * n  # the colours that two or more neighbours have
    near: list[int] = [0] * n  # the colours of the neighbours
    beyond: list[int] = [0] * n  # the colours of neighbours x that have another neighbour coloured like this
    for v in order:
        taken = near[v]
        for w in adjacent[v]:
            c = colors[w]
            if c >= 0:
                taken |= near[w] if twice[v] >> c & 1 else beyond[w]
        free = ~taken & (taken + 1)
        c = colors[v] = free.bit_length() - 1
        for x in adjacent[v]:
            bit = 1 << colors[x] if colors[x] >= 0 else 0
            if not near[x] & free:
                around[x][c] = v
            else:
                if not twice[x] & free:
                    twice[x] |= free
                    beyond[around[x][c]] |= bit  # v and this one are the two neighbours of x
                beyond[v] |= bit
            near[x] |= free
            if bit and twice[v] & bit:
                beyond[x] |= free
    return np.array(colors, np.intp)


def color_acyclic(graph: Any, order: Iterable[int]) -> np.ndarray:
    """The smallest colour for each vertex, in that order, that closes no cycle of two colours.

    Edges of two colours form trees, kept as sets of edges. A colour is taken if two neighbours of v lead into
    one tree of it.

    Cost        O(edges times colours), with an almost constant factor for the sets
    """
    adjacent = neighbours(graph)
    n = len(adjacent)
    colors = [-1] * n
    tree: list[dict[int, int]] = [{} for _ in range(n)]  # colour of a neighbour -> one edge to such
    parent: list[int] = []  # of each edge in its set

    def root(e: int) -> int:
        while parent[e] != e:
            parent[e] = e = parent[parent[e]]
        return e

    for v in order:
        taken = 0
        entered: dict[int, int] = {}
        for w in adjacent[v]:
            if colors[w] < 0:
                continue
            taken |= 1 << colors[w]
            for c, e in tree[w].items():
                if entered.setdefault(root(e), w) != w:
                    taken |= 1 << c
        c = colors[v] = (~taken & (taken + 1)).bit_length() - 1
        for w in adjacent[v]:
            if colors[w] < 0:
                continue
            new = len(parent)
            parent.append(new)
            for e in (tree[w].setdefault(c, new), tree[v].setdefault(colors[w], new)):
                parent[root(e)] = root(new)
    return np.array(colors, np.intp)
