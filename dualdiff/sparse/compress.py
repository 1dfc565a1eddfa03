"""Compressed seeds: one tangent or cotangent for each colour, which has a 1 at every column or row of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Seeds(NamedTuple):
    """What is swept: an array per leaf with the seeds in front.

    lanes      how many seeds there are
    direction  the last of them, if it is there to check the others: random numbers for every column or row
    """

    arrays: list[np.ndarray]
    lanes: int
    direction: np.ndarray | None

    @property
    def colors(self) -> int:
        """The seeds that entries are read from."""
        return self.lanes - (self.direction is not None)


def compressed(colors: np.ndarray, leaves: list, watched: bool) -> Seeds:
    """A seed for each colour of these columns (or rows), and a random one if they are to be watched."""
    count = int(colors.max(initial=-1)) + 1
    rows = np.zeros((count + watched, len(colors)))
    coloured = np.flatnonzero(colors >= 0)
    rows[colors[coloured], coloured] = 1.0
    if watched:
        rows[-1] = directions(1, len(colors))[0]
    return Seeds(split(rows, leaves), len(rows), rows[-1] if watched else None)


def directions(count: int, size: int) -> np.ndarray:
    """Random vectors without small elements, the same in every run."""
    rng = np.random.default_rng(size)
    return rng.choice([-1.0, 1.0], (count, size)) * rng.uniform(1, 2, (count, size))


def split(rows: np.ndarray, leaves: list) -> list[np.ndarray]:
    """The rows cut into an array per leaf, in its shape and dtype."""
    arrays, start = [], 0
    for x in leaves:
        part = rows[:, start : start + x.size].reshape((len(rows), *x.shape))
        arrays.append(np.ascontiguousarray(part, x.dtype if x.dtype.kind == "f" else float))
        start += x.size
    return arrays
