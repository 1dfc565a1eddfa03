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


def check(plan: Any, chosen: Selection, dense: bool = False) -> None:
    """Compare along two random directions, or all; a pattern that was given also at a point nearby."""
    n = chosen.size
    vectors = np.eye(n) if dense else directions(2, n)
    points = [chosen.leaves]
    if plan.scope == "given":  # what is 0 here may not be 0 there
        points.append([nearby(x) for x in chosen.leaves])
    for leaves in points:
        chosen.leaves = leaves
        matrix = plan.matrix(chosen)
        products = plan.pushed(chosen, split(vectors, leaves), len(vectors))
        for v, product in zip(vectors, products, strict=True):
            compare(plan, chosen, matrix, v, product, "forward")
    chosen.leaves = points[0]


def nearby(x: Any) -> Any:
    """A point one percent away."""
    step = directions(1, x.size)[0].reshape(x.shape).astype(x.dtype)
    return x + step * (np.abs(x) + x.dtype.type(0.01)) * x.dtype.type(0.01)


def compare(plan: Any, chosen: Selection, matrix: Any, v: np.ndarray, product: np.ndarray, mode: str) -> None:
    """Raise where `product`, swept with the function itself, is not that of the sparse matrix with v."""
    if mode == "reverse":
        matrix = matrix.T
    eps = np.finfo(plan.dtype).eps
    with np.errstate(all="ignore"):
        size = abs(matrix) @ abs(v)
        tolerance = np.sqrt(eps) * size + 16 * eps * np.max(size, initial=0)
        known = np.isfinite(product) & np.isfinite(size)
        wrong = np.flatnonzero(known & (abs(matrix @ v - product) > tolerance))
    if len(wrong):
        raise mistake(plan, chosen, matrix.T if mode == "reverse" else matrix, int(wrong[0]), mode)


def mistake(plan: Any, chosen: Selection, matrix: Any, line: int, mode: str) -> GradientMismatch:
    """The error for a row (forward mode) or column (reverse mode) that is wrong, with the entry to blame.

    That is an entry which the pattern lacks in this line, or else in the line that crosses it where it is
    wrong: another entry there was read together with the one that is lacking.
    """
    full, known, values = whole_line(plan, chosen, matrix, line, mode)
    place = int(np.argmax(np.where(known, 0, np.abs(full))))
    at = (line, place)
    if known[place] or full[place] == 0:
        crossing = int(np.argmax(np.abs(full - values)))
        across = "reverse" if mode == "forward" else "forward"
        full, known, _ = whole_line(plan, chosen, matrix, crossing, across)
        place = int(np.argmax(np.where(known, 0, np.abs(full))))
        at = (place, crossing)
    row, column = at if mode == "forward" else at[::-1]
    name = f"{plan.transform}({name_of(plan.f)})"
    if known[place] or full[place] == 0:
        kind = "row" if mode == "forward" else "column"
        found = f"the sparse {name} is wrong in {kind} {line}, so an entry is missing in its pattern."
    else:
        lacking = f"has no entry ({row}, {column}); the derivative there is {full[place]:.6g}."
        found = f"the pattern of {name} {lacking}"
    return GradientMismatch(
        found,
        "Leave pattern= away to have it detected. A pattern found with kind='path' or 'local' holds only "
        "where the same branches are taken, or the same values are 0.",
    )


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
