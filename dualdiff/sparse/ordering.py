"""Orders in which a greedy colouring visits the vertices of a graph; which is best depends on the graph.

A graph is a symmetric CSR array of SciPy without a diagonal. Ties go to the smallest index, so that every
order is determined.
Source: A. H. Gebremedhin, F. Manne, A. Pothen 2005, What color is your Jacobian?, section 7 (the orderings).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np


def neighbours(graph: Any) -> list[list[int]]:
    """The neighbours of each vertex as plain lists, which loops in Python read fastest."""
    ends, indices = graph.indptr.tolist(), graph.indices.tolist()
    return [indices[a:b] for a, b in itertools.pairwise(ends)]


def natural(graph: Any) -> list[int]:
    """As the vertices come."""
    return list(range(graph.shape[0]))


def shuffled(graph: Any, seed: int = 0) -> list[int]:
    """A random order, the same for the same seed."""
    return np.random.default_rng(seed).permutation(graph.shape[0]).tolist()


def largest_first(graph: Any) -> list[int]:
    """By falling degree."""
    return np.argsort(-np.diff(graph.indptr), kind="stable").tolist()


def smallest_first(graph: Any) -> list[int]:
    """By rising degree: what bidirectional colouring wants, whose dense rows and columns are to come last."""
    return np.argsort(np.diff(graph.indptr), kind="stable").tolist()


def smallest_last(graph: Any) -> list[int]:
    """Last the vertex of smallest degree, before it the one of smallest degree in what remains, and so on."""
    return by_priority(graph, np.diff(graph.indptr).tolist(), -1)[::-1]


def incidence_degree(graph: Any) -> list[int]:
    """Next the vertex with most neighbours that were visited."""
    return by_priority(graph, [0] * graph.shape[0], -1)


def dynamic_largest_first(graph: Any) -> list[int]:
    """Next the vertex with most neighbours that were not visited yet."""
    return by_priority(graph, (-np.diff(graph.indptr)).tolist(), 1)


def by_priority(graph: Any, keys: list[int], step: int) -> list[int]:
    """Visit the vertex with the smallest key, then add `step` to the keys of its neighbours.

    Cost        O(edges log vertices): outdated places in the heap are skipped, not searched for
    """
    adjacent = neighbours(graph)
    n = len(keys)
    codes: list[Any] = [key * n + v for v, key in enumerate(keys)]  # one integer compares faster than a pair
    heap = codes.copy()
    heapify(heap)
    found, step = [], step * n
    visited = math.inf
    while heap:
        code = heappop(heap)
        v = code % n
        if codes[v] != code:
            continue
        codes[v] = visited
        found.append(v)
        for w in adjacent[v]:
            code = codes[w]
            if code is not visited:
                codes[w] = code = code + step
                heappush(heap, code)
    return found


ORDERS: dict[str, Callable] = {
    "natural": natural,
    "random": shuffled,
    "largest-first": largest_first,
    "smallest-first": smallest_first,
    "smallest-last": smallest_last,
    "incidence-degree": incidence_degree,
    "dynamic-largest-first": dynamic_largest_first,
}
