"""Functional writing: x.at[key].set(v) and its kin, which return the updated array.

Two ops write: `replace` to a basic key, a box of elements, and `overwrite` to the flat positions that any
other key reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import Tracer
from dualdiff.declare import op
from dualdiff.domains import reals
from dualdiff.errors import ConversionError
from dualdiff.ops.elementwise import divide, maximum, minimum, multiply, power
from dualdiff.ops.indexing import cut, gather, getitem, is_basic, is_mask, scatter_add, where
from dualdiff.ops.structural import as_array, astype, expand_to


@op
class replace:
    """x with v in the elements that a basic key reads, of which v has the shape."""

    def evaluate(x, v, *, key):
        y = np.array(x)
        y[key] = v
        return y

    def out(x, v, *, key):
        return Aval(x.shape, x.dtype)

    def transpose(y_bar, x, v, *, key):
        return replace(y_bar, np.zeros(v.shape, y_bar.dtype), key=key), cut(y_bar, key=key)

    def batch(size, mapped, values, params):
        x, v = (
            value if m else expand_to(value, shape=(size, *value.shape))
            for value, m in zip(values, mapped, strict=True)
        )
        return replace(x, v, key=(slice(None), *params["key"]))

    def domain(rng, dtype):
        x, v = reals.sample(rng, (4, 3), dtype), reals.sample(rng, (2, 1), dtype)
        yield (x, v), {"key": (slice(3, 0, -2), slice(1, 2))}


@op
class overwrite:
    """x with v written at flat positions; the last writer of a position wins, as in NumPy."""

    linear = (0, 1)

    def evaluate(x, v, positions):
        y = np.array(x).reshape(-1)
        y[positions] = v
        return y.reshape(x.shape)

    def out(x, v, positions):
        return Aval(x.shape, x.dtype)

    def transpose(y_bar, x, v, positions):
        written = mark(positions, x.size).reshape(x.shape)
        last = last_writers(positions, x.size)
        v_bar = np.where(last, gather(y_bar.reshape(-1), positions), 0)
        return np.where(written, 0, y_bar), v_bar

    def batch(size, mapped, values, params):
        return overwrite(*written_examples(size, mapped, values))

    def domain(rng, dtype):
        yield (reals.sample(rng, (4,), dtype), reals.sample(rng, (3,), dtype), np.array([0, 0, 3])), {}


@op
class add_at:
    """x with v added at flat positions, one after another where they repeat."""

    linear = (0, 1)

    def evaluate(x, v, positions):
        y = np.array(x).reshape(-1)
        np.add.at(y, positions, v)
        return y.reshape(x.shape)

    def out(x, v, positions):
        return Aval(x.shape, x.dtype)

    def transpose(y_bar, x, v, positions):
        return y_bar, gather(y_bar.reshape(-1), positions)

    def batch(size, mapped, values, params):
        return add_at(*written_examples(size, mapped, values))

    def domain(rng, dtype):
        yield (reals.sample(rng, (4,), dtype), reals.sample(rng, (3,), dtype), np.array([0, 0, 3])), {}


def written_examples(size, mapped, values):
    """Target, values and positions of all examples, where the examples follow one another in memory."""
    x, v, positions = (
        value if m else expand_to(value, shape=(size, *value.shape))
        for value, m in zip(values, mapped, strict=True)
    )
    rows = np.arange(size).reshape((size,) + (1,) * (positions.ndim - 1))
    return x, v, positions + x.size // max(size, 1) * rows


def mark(positions, size):
    """Booleans, True at the positions."""
    return scatter_add(np.ones(positions.shape), positions, shape=(size,)) > 0


def last_writers(positions, size):
    """Whether each write is the last one to its position."""
    order = np.arange(1.0, positions.size + 1).reshape(positions.shape)
    written = overwrite(np.zeros(size), order, positions)
    return gather(written, positions) == order


# -------------------------------------------------- functional updates
class At:
    """x.at[key]: updates that return a new tensor. Duplicates: set keeps the last, the others apply each."""

    __slots__ = ("x", "key")

    def __init__(self, x: Any, key: Any = None):
        self.x = x
        self.key = key

    def __getitem__(self, key: Any) -> At:
        return At(self.x, key)

    def _positions(self) -> Any:
        return getitem(np.arange(self.x.size).reshape(self.x.shape), self.key)

    def set(self, v: Any) -> Any:
        x, key = self.x, self.key if isinstance(self.key, tuple) else (self.key,)
        if all(map(is_basic, key)):
            shape = np.broadcast_to(False, x.shape)[key].shape
            return replace(x, fitted(v, shape, x), key=key)
        if len(key) == 1 and isinstance(key[0], Tracer) and is_mask(key[0]) and np.ndim(v) == 0:
            return where(key[0], fitted(v, (), x), x)  # of which no example decides the shape
        return write(x, v, self._positions())

    def add(self, v: Any) -> Any:
        positions = self._positions()
        return add_at(self.x, fitted(v, positions.shape, self.x), positions)

    def multiply(self, v: Any) -> Any:
        return self.apply(multiply, v)

    def divide(self, v: Any) -> Any:
        return self.apply(divide, v)

    def power(self, v: Any) -> Any:
        return self.apply(power, v)

    def min(self, v: Any) -> Any:
        return self.apply(minimum, v)

    def max(self, v: Any) -> Any:
        return self.apply(maximum, v)

    def apply(self, op: Any, *vs: Any) -> Any:
        """op(element, *vs) in place of each element; a position that repeats is written again."""
        # One round per repetition of a position: within a round every position is written once.
        x, positions = self.x, self._positions()
        flat = positions.reshape(-1)
        values = [fitted(v, positions.shape, x).reshape(-1) for v in vs]
        # Which positions repeat differs between the examples of a batch, so there a round is one write.
        batched = isinstance(positions, Tracer)
        for chosen in np.arange(flat.size)[:, None] if batched else rounds(flat):
            current = gather(x.reshape(-1), flat[chosen])
            x = write(x, op(current, *(gather(v, chosen) for v in values)), flat[chosen])
        return x


def rounds(positions: np.ndarray) -> list[np.ndarray]:
    """Split writes into rounds in which every position occurs once, in the order of writing."""
    order = np.argsort(positions, kind="stable")
    ordered = positions[order]
    start = np.searchsorted(ordered, ordered, side="left")
    repetition = np.arange(positions.size) - start
    return [np.sort(order[repetition == k]) for k in range(int(repetition.max(initial=-1)) + 1)]


def fitted(v: Any, shape: tuple[int, ...], x: Any) -> Any:
    """v as NumPy would write it into x: broadcast to the written elements and in the dtype of the target."""
    v = as_array(v)
    if v.dtype.kind == "c" and x.dtype.kind != "c":
        raise ConversionError(
            f"writing {v.dtype} values into a tensor of {x.dtype} would drop the imaginary part.",
            "Write np.real(v), or make the target complex first.",
        )
    v = v if v.dtype == x.dtype else astype(v, x.dtype)
    if v.shape == shape:
        return v
    if v.ndim > len(shape):  # NumPy drops leading axes of 1
        lead = v.ndim - len(shape)
        v = v.reshape(v.shape[lead:]) if all(n == 1 for n in v.shape[:lead]) else v
    return np.broadcast_to(v, shape)


def write(x: Any, v: Any, positions: Any) -> Any:
    """x with v at the flat positions."""
    return overwrite(x, fitted(v, positions.shape, x), positions)
