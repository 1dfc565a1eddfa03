"""Which arrays were written in place, and when: how a sweep notices a saved value that has changed.

One counter per piece of memory, shared by all its views. A write takes a number from the same clock that
numbers the nodes, so a node knows by comparing two integers whether anything it saved was written after it.
Nothing is noted when an operation is recorded, and nothing is looked up unless there was such a write.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np


class Writes:
    """The number of writes into one piece of memory, and the time of the last."""

    __slots__ = ("count", "last", "owner")

    def __init__(self, owner: np.ndarray):
        self.count = 0
        self.last = 1
        key = id(owner)
        self.owner = weakref.ref(owner, lambda _: _written.pop(key, None))


_written: dict[int, Writes] = {}  # by id of the array that owns the memory


class Clock:
    """The time of the latest write of all; times fall, as ids of nodes do."""

    __slots__ = ("latest", "tick", "lock")

    def __init__(self, tick: Callable[[], int]):
        self.latest = 1
        self.tick = tick
        self.lock = threading.RLock()  # two threads must not enter their times in the wrong order

    def note(self, x: np.ndarray) -> None:
        """x is about to be written, or has just been."""
        owner = owner_of(x)
        with self.lock:
            entry = _written.get(id(owner))
            if entry is None:
                entry = _written[id(owner)] = Writes(owner)
            entry.count += 1
            entry.last = self.latest = self.tick()


def owner_of(x: np.ndarray) -> np.ndarray:
    """The array that x is a view of, through any number of views."""
    while type(x.base) is np.ndarray:
        x = x.base
    return x


def version(x: np.ndarray) -> int:
    """How often the memory of x was written in place."""
    entry = _written.get(id(owner_of(x)))
    return 0 if entry is None else entry.count


def changed_since(x: Any, time: int) -> bool:
    """Whether the memory of x was written after that time."""
    if type(x) is not np.ndarray:
        return False
    entry = _written.get(id(owner_of(x)))
    return entry is not None and entry.last < time
