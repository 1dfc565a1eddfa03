"""A chain of 20 ops on one Python float: the overhead per op where NumPy itself is the wrong tool."""

import math

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case
from benchmarks.workloads.chain import chain


def by_hand(x, scale, blocks):
    """Forward mode on two floats."""
    x_dot = 1.0
    for _ in range(blocks):
        x_dot, x = x_dot * math.cos(x), math.sin(x)
        t = math.tanh(0.5 * x + 0.5 * x)
        x_dot, x = x_dot * (1 - t * t) * scale, t * scale
    return x, x_dot


def cases(tiny=False):
    blocks = 1 if tiny else 4
    x, scale = 0.7, 1.3

    def f(np, x):
        return chain(np, x, scale, blocks)

    case = Case("scalar-chain", f"{5 * blocks} ops on a float, gradient", "us per op", 5 * blocks)
    case.targets = {"torch eager": 0.08}  # by one input forward mode is chosen; 0.15 is asked of reverse mode
    case.add("function", lambda: lambda: f(math, x))
    case.add("function, np", lambda: lambda: (f(np, x), by_hand(x, scale, blocks)[1]))
    case.add("by hand", lambda: lambda: by_hand(x, scale, blocks))
    add_libraries(case, "gradient", f, x, modes=("reverse",))
    yield case
