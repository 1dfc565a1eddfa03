"""What a transform keeps of plain arrays must stay as it was: small ones are copied, large ones are watched.

Reverse mode reads constants, masks and indices again when it sweeps back. A work buffer that the function
fills anew in between would give a wrong derivative. So a large array that was kept is read-only until the
sweep is done, and writing it raises; the user's arrays are writable again afterwards, also after an
exception. Where the sweep comes later, after vjp or linearize has returned, it compares the arrays with sums
taken of them (Stamps). An array that its owner has made read-only needs neither.
"""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakSet

import numpy as np

from dualdiff.core import Level
from dualdiff.errors import ConversionError, MutationError
from dualdiff.tensor import Tensor

COPIED = 4096  # bytes up to which a copy costs less than an op


_turn = threading.RLock()  # taken for large arrays alone; a signal handler may differentiate, too


class Lock:
    """An array that is read-only for some transforms: their holds, and the views that wait for it."""

    __slots__ = ("array", "holds", "waiting")

    def __init__(self, array: np.ndarray):
        self.array = array
        self.holds: WeakSet[Hold] = WeakSet()
        self.waiting: list[np.ndarray] = []


_locks: dict[int, Lock] = {}  # by id of the array, which its lock keeps alive


class Hold:
    """One level's part in a lock. It ends with this object, so that an interrupt leaves no array locked.

    An interrupt at the very entry of `__del__` does; then the lock ends with the next hold on the array.
    """

    __slots__ = ("lock", "__weakref__")

    def __init__(self, lock: Lock):
        self.lock = lock
        lock.holds.add(self)
        lock.array.setflags(write=False)

    def __del__(self) -> None:
        try:
            self.end()
        finally:  # an interrupt may have come in between
            self.end()

    def end(self) -> None:
        with _turn:
            if not hasattr(self, "lock"):  # interrupted before it began
                return
            lock = self.lock
            lock.holds.discard(self)
            if not lock.holds and _locks.get(id(lock.array)) is lock:
                unlock(lock.array, lock.waiting)
                del _locks[id(lock.array)]


def kept(level: Level, x: Any) -> Any:
    """x for the tape of `level`: a copy if it is a small array, else x, read-only while the level is guarded.

    A tensor of another level may be written to as well, but its value never is.
    """
    if level.guarded is None:
        return x
    if type(x) is not np.ndarray:
        return x.again() if isinstance(x, Tensor) else x
    if x.nbytes <= COPIED:
        return x.copy()
    if id(x) not in level.guarded:
        holds: list[Hold] = []
        level.guarded[id(x)] = x, holds
        hold(x, holds)
    return x


def hold(x: np.ndarray, holds: list[Hold]) -> None:
    """Make x and what it is a view of read-only, but for arrays that their owner has made so."""
    owner: Any = x
    while type(owner) is np.ndarray:
        with _turn:
            lock = _locks.get(id(owner))
            if lock is None and owner.flags.writeable:
                lock = _locks[id(owner)] = Lock(owner)
            if lock is not None:
                holds.append(Hold(lock))
        owner = owner.base


def release(level: Level) -> None:
    """End the holds of a level: arrays for which no other level waits are writable again."""
    level.guarded = None


def unlock(x: np.ndarray, waiting: list[np.ndarray]) -> None:
    """Make x writable, and the views that wait for it; x waits while what it is a view of is locked."""
    owner = x.base
    while type(owner) is np.ndarray:
        lock = _locks.get(id(owner))
        if lock is not None and lock.holds:
            lock.waiting += [x, *waiting]
            return
        owner = owner.base
    x.setflags(write=True)
    for view in waiting:
        unlock(view, [])


# -------------------------------------------------- after the function has returned
class Stamps:
    """The large arrays that a tape keeps, and sums of them by which a later sweep knows that they changed."""

    __slots__ = ("stamped", "function")

    def __init__(self, level: Level):
        self.function = level.function
        arrays = [x for x, holds in level.guarded.values() if holds] if level.guarded else ()
        self.stamped = [(x, sums(x)) for x in arrays]

    def check(self) -> None:
        for x, before in self.stamped:
            if any(not np.array_equal(a, b) for a, b in zip(before, sums(x), strict=True)):
                raise MutationError(
                    f"an array of shape {x.shape} and dtype {x.dtype} that {self.function} had combined with "
                    "a tensor was changed between its return and the sweep.",
                    "Leave what a function reads as it is while its pullback is in use, or give it a copy.",
                )


NOTHING = Stamps(Level("nothing"))  # of a tape that keeps no large array
ROW = 1021  # words; odd, so that the same change of every word of a row never adds up to zero modulo 2**64


def sums(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of the bytes of an array as words of 64 bits in rows: the sums of rows and of columns, and the rest.

    A change goes unnoticed only if every row and every column keeps its sum modulo 2**64. The cost is that of
    reading the array twice.
    """
    bytes_ = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    words = bytes_[: bytes_.size // 8 * 8].view(np.uint64)
    rows = words[: words.size // ROW * ROW].reshape(-1, ROW)
    return np.add.reduce(rows, axis=1), np.add.reduce(rows, axis=0), bytes_[rows.size * 8 :].copy()


# -------------------------------------------------- errors
def explain(level: Level, error: Exception) -> None:
    """Raise what an error of NumPy's is about: an array that is read-only for now, a tensor in an array."""
    if isinstance(error.__cause__, ConversionError):  # a[0] = tensor
        raise error.__cause__ from None
    if level.guarded and "read-only" in str(error):
        raise MutationError(
            f"{level.function} wrote into a plain array that it had combined with a tensor before: {error}.",
            "Reverse mode reads the old value when it sweeps back. Combine a copy (buffer.copy()), fill a "
            "new array, or use mode='forward'.",
        ) from error
