"""Lanes: many seeds in one sweep, as batched tangents or cotangents, in chunks that fit a memory budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError
from dualdiff.modes.batch import BatchLevel, BatchTensor
from dualdiff.modes.diagonal import Diagonal
from dualdiff.modes.seeds import Lanes
from dualdiff.modes.strong import Strong
from dualdiff.transforms.boundary import own

BUDGET = 256 * 2**20  # bytes of seeds and lanes that chunk_size="auto" allows


def directions(leaves: list, real_directions: bool) -> int:
    """How many columns the Jacobian with respect to these leaves has."""
    return sum(x.size * (2 if real_directions and x.dtype.kind == "c" else 1) for x in leaves)


def seeds(leaves: list, start: int, stop: int, real_directions: bool) -> list:
    """Rows start to stop of the identity on all directions, as one array with a leading axis per leaf."""
    arrays: list[Any] = []
    offset = 0
    for x in leaves:
        if real_directions and x.dtype.kind == "c":
            arrays.append(real_units(x, offset, start, stop))
            offset += 2 * x.size
        else:
            ones = np.empty(x.shape, x.dtype)
            ones.fill(1)  # np.ones takes four times as long
            arrays.append(Diagonal(ones, stop - start, offset - start, unit=True))
            offset += x.size
    return arrays


def real_units(x: Any, offset: int, start: int, stop: int) -> np.ndarray:
    """1 and then i for every element of a complex leaf whose directions begin at `offset`."""
    rows = np.zeros((stop - start, x.size), x.dtype)
    for unit, first in ((1, offset), (1j, offset + x.size)):
        rows += unit * np.eye(stop - start, x.size, start - first, dtype=x.dtype)
    return rows.reshape((stop - start, *x.shape))


def spread_lanes(y_dot: Any, level: BatchLevel) -> Any:
    """The values of a batched tangent with the lanes in front; None for zero."""
    if y_dot is None:
        return None
    if type(y_dot) is Strong:
        return Strong(spread_lanes(y_dot.primal, level))
    if own(y_dot, BatchTensor, level):
        return y_dot.value.full() if isinstance(y_dot.value, Lanes) else y_dot.value
    return np.broadcast_to(y_dot, (level.size, *y_dot.shape))


def swept(
    sweep: Callable,
    leaves: list,
    chunk_size: Any,
    f: Any = None,
    real_directions: bool = False,
    transform: str = "jacobian",
    found_size: int = 0,
) -> list:
    """Run `sweep` on the identity over all directions of the leaves, chunk by chunk.

    `sweep` takes one batched seed per leaf and returns a list; for each place in it the result is an array
    with one lane per direction in front, or None where nothing arrives. `found_size` is the size of one lane
    of all results, where it is known: the memory goes to whichever side is larger.
    """
    n = directions(leaves, real_directions)
    chunks = chunked(n, chunk_size, 16 * max(1, found_size, sum(x.size for x in leaves)))
    results: list = []
    for start, stop in chunks:
        level = BatchLevel(transform, f, stop - start)
        try:
            rows = seeds(leaves, start, stop, real_directions)
            found = sweep([BatchTensor(level, row) for row in rows])
        finally:
            level.close()
        lanes = [spread_lanes(v, level) for v in found]
        if len(chunks) == 1:
            return lanes
        results = results or [None] * len(lanes)
        results = [put(whole, v, n, start, stop) for whole, v in zip(results, lanes, strict=True)]
    return results


def put(whole: Any, part: Any, n: int, start: int, stop: int) -> Any:
    """All n lanes with those of one more chunk, in one array, so that no chunk is kept; None while zero."""
    if part is None:
        return whole
    if whole is None:
        whole = np.zeros((n, *part.shape[1:]), part.dtype)
    if type(whole) is np.ndarray and type(part) is np.ndarray:
        whole[start:stop] = part
        return whole
    return np.concatenate([whole[:start], part, whole[stop:]])  # tensors of an outer transform


def chunked(n: int, chunk_size: int | str | None, lane_bytes: int) -> list[tuple[int, int]]:
    """The ranges of lanes swept together: balanced chunks of at most `chunk_size`, or within the budget."""
    if chunk_size == "auto" and n * lane_bytes <= BUDGET:
        return [(0, n)]
    if chunk_size == "auto":
        chunk_size = max(1, BUDGET // lane_bytes)
    elif chunk_size is not None and (type(chunk_size) is not int or chunk_size < 1):
        raise InputTypeError(
            f"chunk_size={chunk_size!r} is not a positive int.",
            "Give a positive int, None for all at once, or 'auto' for what fits in memory.",
        )
    count = 1 if chunk_size is None else max(1, math.ceil(n / chunk_size))
    size = math.ceil(n / count) if n else 0
    return [(k * size, min(n, (k + 1) * size)) for k in range(count) if k * size < n or k == 0]
