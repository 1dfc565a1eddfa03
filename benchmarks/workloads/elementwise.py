"""sum(tanh(x) exp(-x^2) + log1p(x^2)) on long arrays: work per element and memory traffic, no overhead."""

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def f(np, x):
    return np.sum(np.tanh(x) * np.exp(-(x**2)) + np.log1p(x**2))


def by_hand(x):
    square = x * x
    t, e = np.tanh(x), np.exp(-square)
    te = t * e
    slope = (1 - t * t) * e - 2 * x * te + 2 * x / (1 + square)
    return np.sum(te + np.log1p(square)), slope


def cases(tiny=False):
    sizes = {"elementwise-1e4": (10_000, {}), "elementwise-1e6": (1_000_000, {"by hand": 1.5})}
    for name, (n, accepted) in sizes.items():
        x = np.random.default_rng(0).normal(size=7 if tiny else n)
        case = Case(name, f"sum(tanh exp + log1p) of {len(x):,} numbers, gradient", targets=accepted)
        case.add("function", lambda x=x: lambda: f(np, x))
        case.add("by hand", lambda x=x: lambda: by_hand(x))
        add_libraries(case, "gradient", f, x)
        yield case
