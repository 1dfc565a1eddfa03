"""`with quiet():` is np.errstate(all="ignore") in a third of its time, for what runs at every op or sweep.

NumPy keeps what it does about floating-point errors in a context variable. Its value for "ignore everything"
is read once, here (with the size of its buffers, which changes no value); to enter is then to set the
variable, and to leave is to set it back. A NumPy that keeps it elsewhere is asked through np.errstate.
"""

from __future__ import annotations

from contextvars import ContextVar, Token, copy_context
from functools import partial
from typing import Any

import numpy as np


def error_state() -> tuple[ContextVar, Any] | None:
    """The variable of NumPy's error state and its value where all errors are ignored, or None."""
    with np.errstate(all="ignore"):
        found = [(var, value) for var, value in copy_context().items() if var.name == "numpy.ufunc.extobj"]
        return found[0] if len(found) == 1 else None


class Quiet:
    """A context without floating-point warnings or errors; the user's comes back when it is left."""

    __slots__ = ("token",)
    token: Token

    def __enter__(self) -> None:
        before = state()
        try:
            self.token = hush(IGNORE)
        except BaseException:  # an interrupt between the two, after which nobody leaves
            hush(before)
            raise

    def __exit__(self, *exception: Any) -> None:
        restore(self.token)


FOUND = error_state()
if FOUND is None:
    quiet: Any = partial(np.errstate, all="ignore")
else:
    STATE, IGNORE = FOUND
    state, hush, restore = STATE.get, STATE.set, STATE.reset
    quiet = Quiet
