"""Drawing a graph in layers: which box stands where, and where the lines run.

The layers are the longest paths from the inputs; a line across several layers has a slot of its own in each,
so that it runs between boxes and never through one. Within the layers the order is improved by barycentres,
and then every box moves as close to its neighbours as the order allows, which is isotonic regression.

K. Sugiyama, S. Tagawa, M. Toda, Methods for visual understanding of hierarchical system structures, IEEE
Transactions on Systems, Man, and Cybernetics 11 (1981).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

GAP = 18.0  # between neighbours in a layer
SLOT = 10.0  # the width that a line takes in a layer
BETWEEN = 44.0  # between layers
ROUNDS = 12


@dataclass
class Spot:
    """A box, or a line on its way through a layer (`box` is None); x is its middle."""

    box: int | None
    layer: int
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


class Layout:
    """Places for boxes of given sizes and the edges between them.

    spots   those of the boxes, in their order, then those of lines
    wires   for each edge the spots that it passes, its ends included
    width, height   of the whole drawing
    """

    def __init__(self, sizes: list[tuple[float, float]], edges: list[tuple[int, int]]):
        layers = longest_paths(len(sizes), edges)
        self.spots = [Spot(k, layers[k], *size) for k, size in enumerate(sizes)]
        self._slots: dict[tuple[int, int], int] = {}
        self.wires = [self._wire(a, b) for a, b in edges]
        rows: list[list[int]] = [[] for _ in range(1 + max(layers, default=0))]
        for k, spot in enumerate(self.spots):
            rows[spot.layer].append(k)
        self.rows = rows
        self._above: list[list[int]] = [[] for _ in self.spots]
        self._below: list[list[int]] = [[] for _ in self.spots]
        for wire in self.wires:
            for a, b in pairwise(wire):
                if self.spots[b].box is not None or b not in self._below[a]:
                    self._below[a].append(b)
                    self._above[b].append(a)
        self._order()
        self._place()
        self._stack()

    def _wire(self, a: int, b: int) -> list[int]:
        """The spots of an edge, with a slot in every layer that it crosses: one for all edges of a box."""
        wire = [a]
        for layer in range(self.spots[a].layer + 1, self.spots[b].layer):
            if (a, layer) not in self._slots:
                self._slots[a, layer] = len(self.spots)
                self.spots.append(Spot(None, layer, SLOT, 0.0))
            wire.append(self._slots[a, layer])
        return [*wire, b]

    # -------------------------------------------------- the order within layers
    def _order(self) -> None:
        best, fewest = [list(row) for row in self.rows], self.crossings()
        for k in range(ROUNDS):
            down = k % 2 == 0
            for row in self.rows if down else self.rows[::-1]:
                self._sort(row, self._above if down else self._below)
            crossed = self.crossings()
            if crossed < fewest:
                best, fewest = [list(row) for row in self.rows], crossed
        self.rows = best

    def _sort(self, row: list[int], neighbours: list[list[int]]) -> None:
        place = {k: i for other in self.rows for i, k in enumerate(other)}
        means = {k: mean([place[n] for n in neighbours[k]], place[k]) for k in row}
        row.sort(key=means.__getitem__)

    def crossings(self) -> int:
        """How many pairs of lines cross."""
        place = {k: i for row in self.rows for i, k in enumerate(row)}
        total = 0
        for row in self.rows:
            ends = [place[b] for a in row for b in sorted(self._below[a], key=place.__getitem__)]
            total += sum(later < end for i, end in enumerate(ends) for later in ends[i + 1 :])
        return total

    # -------------------------------------------------- places
    def _place(self) -> None:
        spots = self.spots
        for row in self.rows:
            for i, k in enumerate(row):
                spots[k].x = 0.0 if not i else spots[row[i - 1]].x + self._apart(row[i - 1], k)
        for step in range(2 * ROUNDS):
            for row in self.rows if step % 2 == 0 else self.rows[::-1]:
                wanted, weights = [], []
                for k in row:
                    near = self._above[k] + self._below[k]
                    wanted.append(mean([spots[n].x for n in near], spots[k].x))
                    weights.append(4.0 if spots[k].box is None else 1.0 + len(near))
                steps = [self._apart(a, b) for a, b in pairwise(row)]
                for k, x in zip(row, closest(wanted, weights, steps), strict=True):
                    spots[k].x = x
        left = min((s.x - s.width / 2 for s in spots), default=0.0)
        for spot in spots:
            spot.x += GAP - left
        self.width = max((s.x + s.width / 2 for s in spots), default=0.0) + GAP

    def _apart(self, a: int, b: int) -> float:
        return (self.spots[a].width + self.spots[b].width) / 2 + GAP

    def _stack(self) -> None:
        y = GAP
        for row in self.rows:
            height = max((self.spots[k].height for k in row), default=0.0)
            for k in row:
                spot = self.spots[k]
                spot.y = y
                spot.height = spot.height if spot.box is not None else height
            y += height + BETWEEN
        self.height = y - BETWEEN + GAP
        self.bottoms = [max(self.spots[k].y + self.spots[k].height for k in row) for row in self.rows]

    # -------------------------------------------------- lines
    def line(self, k: int) -> list[tuple[float, float]]:
        """The points of edge k: pairs of ends of its upright pieces, which curves join between layers."""
        wire = self.wires[k]
        points = []
        for i, n in enumerate(wire):
            spot = self.spots[n]
            bottom = self.bottoms[spot.layer]
            if i == 0:
                points += [(self._port(k, n, False), spot.y + spot.height), (self._port(k, n, False), bottom)]
            elif i == len(wire) - 1:
                points += [(self._port(k, n, True), spot.y), (self._port(k, n, True), spot.y)]
            else:
                points += [(spot.x, spot.y), (spot.x, bottom)]
        return points

    def _port(self, k: int, n: int, top: bool) -> float:
        """Where edge k meets box n: its edges side by side, in the order in which they come."""
        end, near = (-1, -2) if top else (0, 1)
        # Edges that share a slot leave as one line; two edges between the same boxes are two lines.
        here = {self._line_at(i, near): i for i, wire in enumerate(self.wires) if wire[end] == n}
        lines = sorted(here, key=lambda line: (self.spots[line[0]].x, line[1]))
        spot = self.spots[n]
        step = min(16.0, (spot.width - 16.0) / max(1, len(lines) - 1))
        return spot.x + step * (lines.index(self._line_at(k, near)) - (len(lines) - 1) / 2)

    def _line_at(self, k: int, near: int) -> tuple[int, int]:
        """The spot next to an end of edge k, and which of several lines to it this is."""
        spot = self.wires[k][near]
        return spot, -1 if self.spots[spot].box is None else k


def longest_paths(size: int, edges: list[tuple[int, int]]) -> list[int]:
    """The layer of each box: the most edges on a way to it. Boxes stand behind those that they read.

    A box that reads nothing goes down to its first reader, so that its lines are short.
    """
    layers = [0] * size
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        layers[b] = max(layers[b], layers[a] + 1)
    for a in set(range(size)) - {b for _, b in edges}:
        layers[a] = min((layers[b] for other, b in edges if other == a), default=1) - 1
    return layers


def mean(values: list, otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def closest(wanted: list[float], weights: list[float], steps: list[float]) -> list[float]:
    """The places nearest to the wanted ones, in least squares, with at least these steps between neighbours.

    The pool of adjacent violators: less the steps so far, the places must not fall, and where the wanted ones
    do, neighbours share their mean.
    """
    offsets = [0.0]
    for step in steps:
        offsets.append(offsets[-1] + step)
    pools: list[list[float]] = []  # mean, weight, count
    for x, weight, offset in zip(wanted, weights, offsets, strict=False):
        pools.append([x - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            x2, w2, n2 = pools.pop()
            x1, w1, n1 = pools.pop()
            pools.append([(x1 * w1 + x2 * w2) / (w1 + w2), w1 + w2, n1 + n2])
    flat = [pool[0] for pool in pools for _ in range(int(pool[2]))]
    return [x + offset for x, offset in zip(flat, offsets, strict=False)]
