"""Rosenbrock's function of 1000 variables: slices and a few ops on middling arrays; gradient and H v."""

import numpy as np

from benchmarks.candidates import Dualdiff, add_libraries
from benchmarks.harness import FUNCTION, Case


def f(np, x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def gradient_by_hand(x):
    a = x[:-1]
    gap, rest = x[1:] - a * a, 1 - a
    slope = np.zeros_like(x)
    slope[:-1] = -400 * gap * a - 2 * rest
    slope[1:] += 200 * gap
    return np.sum(100 * gap * gap + rest * rest), slope


def hvp_by_hand(x, v):
    a, b, va, vb = x[:-1], x[1:], v[:-1], v[1:]
    product = np.zeros_like(x)
    product[:-1] = (1200 * a * a - 400 * b + 2) * va - 400 * a * vb
    product[1:] += 200 * vb - 400 * a * va
    return product


def cases(tiny=False):
    n = 5 if tiny else 1000
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=n), rng.normal(size=n)

    case = Case("rosenbrock-gradient", f"Rosenbrock n = {n}, gradient")
    case.add("function", lambda: lambda: f(np, x))
    case.add("by hand", lambda: lambda: gradient_by_hand(x))
    add_libraries(case, "gradient", f, x)
    yield case

    case = Case("rosenbrock-hvp", f"Rosenbrock n = {n}, Hessian times a vector", targets={"gradient": 2.2})
    case.apart = FUNCTION, "gradient"  # dualdiff's own
    case.add("function", lambda: lambda: f(np, x))
    case.add("by hand", lambda: lambda: hvp_by_hand(x, v))
    case.add("gradient", lambda: Dualdiff().gradient(f, x))
    add_libraries(case, "hvp", f, x, v)
    yield case
