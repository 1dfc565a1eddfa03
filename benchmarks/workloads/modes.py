"""Jacobians of tanh(A sin(x)) from very tall to very wide: where forward and reverse mode cross.

The peers are in jacobian.py; what is asked here is whether the mode that "auto" takes is the cheaper one.
"""

import numpy as np

from benchmarks.candidates import Dualdiff
from benchmarks.harness import Case

SHAPES = ((1, 256), (16, 256), (128, 256), (256, 256), (256, 128), (256, 16), (256, 1))


def f(np, x, a):
    return np.tanh(a @ np.sin(x))


def by_hand(x, a):
    y = np.tanh(a @ np.sin(x))
    return (1 - y * y)[:, None] * a * np.cos(x)


def cases(tiny=False):
    for n, m in ((2, 3), (3, 2)) if tiny else SHAPES:
        rng = np.random.default_rng(0)
        x, a = rng.normal(size=n), rng.normal(size=(m, n)) / np.sqrt(n)
        case = Case(f"modes-{n}-{m}", f"Jacobian of tanh(A sin(x)), {n} -> {m}")
        case.add("function", lambda x=x, a=a: lambda: f(np, x, a))
        case.add("by hand", lambda x=x, a=a: lambda: by_hand(x, a))
        for label, mode in {"dualdiff": "auto", "forward": "forward", "reverse": "reverse"}.items():
            case.add(label, lambda x=x, a=a, mode=mode: Dualdiff(mode).jacobian(f, x, mode, a))
        yield case
