"""The Jacobian of tanh(A x), tall, wide and square: how well many seeds in one sweep do."""

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def f(np, x, a):
    return np.tanh(a @ x)


def by_hand(x, a):
    y = np.tanh(a @ x)
    return (1 - y * y)[:, None] * a


def by_columns(x, a):
    """What batched forward mode amounts to in NumPy: all columns of the identity at once."""
    y = np.tanh(a @ x)
    return ((np.eye(len(x)) @ a.T) * (1 - y * y)).T


def by_rows(x, a):
    """What batched reverse mode amounts to in NumPy: all rows of the identity at once."""
    y = np.tanh(a @ x)
    return (np.eye(len(y)) * (1 - y * y)) @ a


def cases(tiny=False):
    shapes = {
        "jacobian-tall": (10, 1000, "forward", {"by hand": 2.5}),
        "jacobian-wide": (1000, 10, "reverse", {"by hand": 2.5}),
        "jacobian-square": (200, 200, "forward", {}),
    }
    for name, (n, m, mode, accepted) in shapes.items():
        n, m = (n // 10 + 1, m // 10 + 1) if tiny else (n, m)
        rng = np.random.default_rng(0)
        x, a = rng.normal(size=n), rng.normal(size=(m, n)) / np.sqrt(n)
        case = Case(name, f"Jacobian of tanh(A x), {n} -> {m}", targets=accepted)
        case.add("function", lambda x=x, a=a: lambda: f(np, x, a))
        case.add("by hand", lambda x=x, a=a: lambda: by_hand(x, a))
        if n <= m:
            case.add("by columns", lambda x=x, a=a: lambda: by_columns(x, a))
        if m <= n:
            case.add("by rows", lambda x=x, a=a: lambda: by_rows(x, a))
        modes = (mode,) if n != m else ("forward", "reverse")
        add_libraries(case, "jacobian", f, x, mode, a, modes=modes)
        yield case
