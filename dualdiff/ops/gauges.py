"""What a decomposition leaves open, in words for debug: rotations among equal values, phases of vectors."""

from __future__ import annotations

import numpy as np


def coinciding(values, what: str) -> str | None:
    """The first two neighbours that are equal among sorted values, as a sentence."""
    pairs = np.argwhere(np.equal(values[..., 1:], values[..., :-1]))
    if not len(pairs):
        return None
    *stack, i = map(int, pairs[0])
    where = f" of matrix {stack}" if stack else ""
    return (
        f"{what} {i} and {i + 1}{where} are equal ({values[(*stack, i)].item()}), so any rotation of their "
        "vectors will do: only what does not depend on the choice has a derivative"
    )


def turning(asked, scale) -> bool:
    """Whether a loss would change if the phases of vectors turned, by more than rounding."""
    size = np.finfo(scale.dtype).eps * 1024 * np.max(scale, initial=1)
    return bool(np.any(np.abs(np.imag(asked)) > size))


PHASE = (
    "the loss depends on the phases of complex {}, which are LAPACK's choice: only what is the same for "
    "every phase, such as np.abs(v) or v @ v.conj().T, has a derivative"
)
