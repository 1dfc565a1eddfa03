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
        raise missed(plan, chosen, int(wrong[0]), mode)


def missed(plan: Any, chosen: Selection, line: int, mode: str) -> GradientMismatch:
    """The error for a row (forward mode) or column (reverse mode) that is wrong: it is computed in full."""
    m, n = plan.shape
    if mode == "forward":
        unit = np.zeros((1, m))
        unit[0, line] = 1
        full = plan.pulled(chosen, split(unit, outputs(plan, chosen)), 1)[0]
        known = plan.pattern[[line]].toarray()[0]
    else:
        unit = np.zeros((1, n))
        unit[0, line] = 1
        full = plan.pushed(chosen, split(unit, chosen.leaves), 1)[0]
        known = plan.pattern[:, [line]].toarray()[:, 0]
    other = int(np.argmax(np.where(known, 0, np.abs(full))))
    row, column = (line, other) if mode == "forward" else (other, line)
    return GradientMismatch(
        f"the pattern of {plan.transform}({name_of(plan.f)}) has no entry ({row}, {column}); the derivative "
        f"there is {full[other]:.6g}.",
        "Leave pattern= away to have it detected. A pattern found with kind='path' or 'local' holds only "
        "where the same branches are taken, or the same values are 0.",
    )


def outputs(plan: Any, chosen: Selection) -> list:
    """The values of the function, whose shapes a cotangent needs."""
    return output_leaves(chosen(*rebuild(chosen.trees, chosen.leaves)), plan.f, plan.transform)[0]
