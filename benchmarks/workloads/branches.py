"""A loop and a branch that the values steer, as in lessons of PyTorch: each input takes its own path."""

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def f(np, a):
    b = a * 2
    while np.linalg.norm(b) < 1000:
        b = b * 2
    if np.sum(b) > 0:
        c = b
    else:
        c = 100 * b
    return np.sum(c)


def by_hand(a):
    """On the path of a the function is a multiple of the sum."""
    b, factor = a * 2, 2.0
    while np.linalg.norm(b) < 1000:
        b, factor = b * 2, factor * 2
    total = np.sum(b)
    if not total > 0:
        total, factor = 100 * total, 100 * factor
    return total, factor * np.ones_like(a)


def cases(tiny=False):
    size = 100.0 if tiny else 1.0
    points = {
        "branches-number": ("one number", -0.37 * size),
        "branches-vector": ("3 numbers", np.array([0.5, -0.2, 0.3]) * size),
    }
    for name, (what, a) in points.items():
        case = Case(name, f"doubling {what} until the norm is 1000, value and gradient")
        case.add("function", lambda a=a: lambda: f(np, a))
        case.add("by hand", lambda a=a: lambda: by_hand(a))
        add_libraries(case, "gradient", f, a)
        yield case
