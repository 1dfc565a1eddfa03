"""What a tape keeps of plain arrays must stay as it was: small ones are copied, large ones cannot be written.

Reverse mode reads constants, masks and indices again when it sweeps back. A work buffer that the function
fills anew in between would give a wrong derivative. So a large array that was kept is read-only until the
function has returned, and writing it raises; the user's arrays are writable again afterwards, also after an
exception. Large arrays written between the return of vjp or linearize and a later sweep are not watched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core import TapeLevel
from dualdiff.errors import MutationError

COPIED = 4096  # bytes up to which a copy costs less than an op

# By id, the arrays that are read-only for a tape, each with the views that become writable only after it.
_locked: dict[int, list[np.ndarray]] = {}


def kept(level: TapeLevel, x: Any) -> Any:
    """x for the tape of `level`: a copy if it is a small array, else x, read-only while the level is open."""
    if level.guarded is None or type(x) is not np.ndarray:
        return x
    if x.nbytes <= COPIED:
        return x.copy()
    owner: Any = x
    while type(owner) is np.ndarray:  # a view, and what it is a view of
        if owner.flags.writeable:
            owner.setflags(write=False)
            level.guarded.append(owner)
            _locked[id(owner)] = []
        owner = owner.base
    return x


def release(level: TapeLevel) -> None:
    """Make the arrays writable again, owners before their views."""
    if level.guarded:
        for x in level.guarded if len(level.guarded) == 1 else sorted(level.guarded, key=depth):
            unlock(x)
    level.guarded = None


def depth(x: np.ndarray) -> int:
    """How many arrays x is a view of, one through another."""
    return 1 + depth(x.base) if type(x.base) is np.ndarray else 0


def unlock(x: np.ndarray) -> None:
    """Make x writable, and what waits for it; x waits while an outer level guards what it is a view of."""
    waiting = _locked.pop(id(x), [])
    try:
        x.setflags(write=True)
    except ValueError:
        owner: Any = x.base
        while type(owner) is np.ndarray and id(owner) not in _locked:
            owner = owner.base
        if type(owner) is np.ndarray:
            _locked[id(owner)].append(x)
    for view in waiting:
        unlock(view)


def explain(level: TapeLevel, error: ValueError) -> None:
    """Say why an array of the user's is read-only, if that is what the error is about."""
    if level.guarded and "read-only" in str(error):
        raise MutationError(
            f"{level.function} wrote into a plain array that it had combined with a tensor before: {error}.",
            "Reverse mode reads the old value when it sweeps back. Combine a copy (buffer.copy()), fill a "
            "new array, or use mode='forward'.",
        ) from error
