"""The check of a plan: products with its sparse matrix against sweeps of the function itself.

An entry that the pattern lacks makes two columns of one colour look like one, so products with random vectors
are wrong in their first digits. The entry is then looked for and named.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.errors import GradientMismatch
from dualdiff.sparse.compress import directions, split
from dualdiff.transforms.boundary import name_of, output_leaves, rebuild
from dualdiff.transforms.selection import Selection

TRIED = 8  # lines that look wrong and are computed in full


def check(plan: Any, chosen: Selection, dense: bool = False) -> None:
    """Compare along two random directions, or all; a pattern that was given also at a point nearby."""
    n = chosen.size
    vectors = np.eye(n) if dense else directions(2, n)
    points = [chosen.leaves]
    if plan.program is not None:
        check_program(plan, chosen)
    if plan.scope == "given":  # what is 0 here may not be 0 there
        points.append([nearby(x) for x in chosen.leaves])
    for leaves in points:
        chosen.leaves = leaves
        matrix = plan.matrix(chosen)
        products = plan.pushed(chosen, split(vectors, leaves), len(vectors))
        for v, product in zip(vectors, products, strict=True):
            compare(plan, chosen, matrix, v, product, "forward")
    chosen.leaves = points[0]


def check_program(plan: Any, chosen: Selection) -> None:
    """What was recorded has to do nearby what the function does there: the same calls, the same numbers."""
    here = chosen.leaves
    chosen.leaves = [nearby(x) for x in here]
    for found, expected in zip(plan.replayed(chosen), plan.sweeps(chosen), strict=True):
        if expected is not None and not close(found, expected):
            raise GradientMismatch(
                f"what was recorded of {name_of(plan.f)} does not give its derivative at another point.",
                "Leave replay=True away for a function that is not the same at every call.",
            )
    chosen.leaves = here


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether all numbers agree to half of their digits, measured by the largest in their column."""
    with np.errstate(all="ignore"):
        size = np.max(np.abs(expected), axis=0, initial=0)
        far = np.abs(found - expected) > np.sqrt(np.finfo(expected.dtype).eps) * size
    return not np.any(far & np.isfinite(size))


def nearby(x: Any) -> Any:
    """A point one percent away."""
    step = directions(1, x.size)[0].reshape(x.shape).astype(x.dtype)
    return x + step * (np.abs(x) + x.dtype.type(0.01)) * x.dtype.type(0.01)


def compare(plan: Any, chosen: Selection, matrix: Any, v: np.ndarray, product: np.ndarray, mode: str) -> None:
    """Raise where `product`, swept with the function itself, is not that of the sparse matrix with v."""
    if mode == "reverse":
        matrix = matrix.T
    eps = np.finfo(product.dtype).eps
    with np.errstate(all="ignore"):
        size = abs(matrix) @ abs(v)
        tolerance = np.sqrt(eps) * size + 16 * eps * np.max(size, initial=0)
        known = np.isfinite(product) & np.isfinite(size)
        wrong = np.flatnonzero(known & (abs(matrix @ v - product) > tolerance))
    for line in wrong[:TRIED].tolist():
        error = mistake(plan, chosen, matrix.T if mode == "reverse" else matrix, line, mode)
        if error is not None:
            raise error


def mistake(plan: Any, chosen: Selection, matrix: Any, line: int, mode: str) -> GradientMismatch | None:
    """The error for a row (forward mode) or column (reverse mode) that is wrong, with the entry to blame.

    That is an entry which the pattern lacks in this line, or else in the line that crosses it where it is
    wrong: another entry there was read together with the one that is lacking. Where neither lacks one, the
    numbers differ by rounding, which cancellation in the function can make as large as they are; only where
    entries are found from one another can the cause lie elsewhere.
    """
    full, known, values = whole_line(plan, chosen, matrix, line, mode)
    at, value = lacking(full, known)
    row, column = (line, at) if mode == "forward" else (at, line)
    if value == 0:
        crossing = int(np.argmax(np.abs(full - values)))
        across = "reverse" if mode == "forward" else "forward"
        at, value = lacking(*whole_line(plan, chosen, matrix, crossing, across)[:2])
        row, column = (at, crossing) if mode == "forward" else (crossing, at)
    name = f"{plan.transform}({name_of(plan.f)})"
    found = f"the pattern of {name} has no entry ({row}, {column}); the derivative there is {value:.6g}."
    if value == 0:
        if plan.coloring.partition != "acyclic":
            return None
        found = f"row {line} of the sparse {name} is wrong: its pattern lacks an entry."
    return GradientMismatch(
        found,
        "Leave pattern= away to have it detected. A pattern found with kind='path' or 'local' holds only "
        "where the same branches are taken, or the same values are 0.",
    )


def lacking(full: np.ndarray, known: np.ndarray) -> tuple[int, float]:
    """The place and the value of the largest number of a line outside its pattern."""
    outside = np.where(known, 0, full)
    place = int(np.argmax(np.abs(outside)))
    return place, outside[place]


def whole_line(plan: Any, chosen: Selection, matrix: Any, line: int, mode: str) -> tuple:
    """A row (forward mode) or column: as swept by itself, where the pattern has entries, and these."""
    m, n = plan.shape
    unit = np.zeros((1, m if mode == "forward" else n))
    unit[0, line] = 1
    if mode == "forward":
        full = plan.pulled(chosen, split(unit, outputs(plan, chosen)), 1)[0]
        return full, plan.pattern[[line]].toarray()[0], matrix[[line]].toarray()[0]
    full = plan.pushed(chosen, split(unit, chosen.leaves), 1)[0]
    return full, plan.pattern[:, [line]].toarray()[:, 0], matrix[:, [line]].toarray()[:, 0]


def outputs(plan: Any, chosen: Selection) -> list:
    """The values of the function, whose shapes a cotangent needs."""
    return output_leaves(chosen(*rebuild(chosen.trees, chosen.leaves)), plan.f, plan.transform)[0]
