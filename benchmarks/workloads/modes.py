"""Jacobians of tanh(B tanh(A x)) from very tall to very wide: where forward and reverse mode cross.

Between the input and the output stand 256 numbers, so a seed is no unit vector any more when it gets there.
The peers are in jacobian.py; what is asked here is whether the mode that "auto" takes is the cheaper one.
"""

import numpy as np

from benchmarks.candidates import Dualdiff
from benchmarks.harness import Case

SHAPES = ((1, 256), (16, 256), (128, 256), (256, 256), (256, 128), (256, 16), (256, 1))


def f(np, x, a, b):
    return np.tanh(b @ np.tanh(a @ x))


def by_hand(x, a, b):
    h = np.tanh(a @ x)
    y = np.tanh(b @ h)
    outer, inner = (1 - y * y)[:, None] * b, (1 - h * h)[:, None]
    return outer @ (inner * a) if len(x) <= len(y) else (outer * inner.T) @ a


def cases(tiny=False):
    for n, m in ((2, 3), (3, 2)) if tiny else SHAPES:
        rng = np.random.default_rng(0)
        hidden = 4 if tiny else 256
        x = rng.normal(size=n)
        a, b = rng.normal(size=(hidden, n)) / np.sqrt(n), rng.normal(size=(m, hidden)) / np.sqrt(hidden)
        case = Case(f"modes-{n}-{m}", f"Jacobian of tanh(B tanh(A x)), {n} -> {hidden} -> {m}")
        case.add("function", lambda x=x, a=a, b=b: lambda: f(np, x, a, b))
        case.add("by hand", lambda x=x, a=a, b=b: lambda: by_hand(x, a, b))
        for label, mode in {"dualdiff": "auto", "forward": "forward", "reverse": "reverse"}.items():
            case.add(label, lambda x=x, a=a, b=b, mode=mode: Dualdiff(mode).jacobian(f, x, mode, a, b))
        yield case
