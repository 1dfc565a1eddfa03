"""A chain of 30 elementwise ops on 10 numbers: next to no arithmetic, so the time is the overhead per op."""

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def chain(np, x, scale, blocks):
    for _ in range(blocks):
        x = np.sin(x)
        x = x * 0.5
        x = x + x
        x = np.tanh(x)
        x = x * scale
    return x


def by_hand(x, y_bar, scale, blocks):
    """The value and the pullback of y_bar."""
    kept = []
    for _ in range(blocks):
        s = np.sin(x) * 0.5
        t = np.tanh(s + s)
        kept.append((x, t))
        x = t * scale
    y = x
    for x, t in reversed(kept):
        y_bar = y_bar * scale * (1 - t * t)
        y_bar = (y_bar + y_bar) * 0.5 * np.cos(x)
    return y, y_bar


def gradient_by_hand(x, scale, blocks):
    y, x_bar = by_hand(x, np.ones_like(x), scale, blocks)
    return np.sum(y), x_bar


def pushforward_by_hand(x, x_dot, scale, blocks):
    for _ in range(blocks):
        x_dot, x = x_dot * np.cos(x), np.sin(x)
        x_dot, x = x_dot * 0.5, x * 0.5
        x_dot, x = x_dot + x_dot, x + x
        x = np.tanh(x)
        x_dot = x_dot * (1 - x * x)
        x_dot, x = x_dot * scale, x * scale
    return x, x_dot


def cases(tiny=False):
    n, blocks = (3, 1) if tiny else (10, 6)
    x = np.linspace(0.5, 2, n)
    scale, ones = np.linspace(0.8, 1.2, n), np.ones(n)
    unit, count = "us per op", 5 * blocks
    accepted = {"torch eager": 0.4, "autograd": 0.2}

    def f(np, x, scale):  # the number of blocks is no array, so that no library converts it
        return chain(np, x, scale, blocks)

    def total(np, x, scale):
        return np.sum(chain(np, x, scale, blocks))

    case = Case("chain-vjp", f"{count} ops on {n} numbers, vjp", unit, count, accepted)
    case.add("function", lambda: lambda: f(np, x, scale))
    case.add("by hand", lambda: lambda: by_hand(x, ones, scale, blocks)[1])
    add_libraries(case, "pullback", f, x, ones, scale)
    yield case

    case = Case("chain-gradient", f"{count} ops on {n} numbers, sum, gradient", unit, count, accepted)
    case.add("function", lambda: lambda: total(np, x, scale))
    case.add("by hand", lambda: lambda: gradient_by_hand(x, scale, blocks))
    add_libraries(case, "gradient", total, x, scale)
    yield case

    case = Case("chain-jvp", f"{count} ops on {n} numbers, jvp", unit, count)
    case.add("function", lambda: lambda: f(np, x, scale))
    case.add("by hand", lambda: lambda: pushforward_by_hand(x, ones, scale, blocks))
    add_libraries(case, "pushforward", f, x, ones, scale)
    yield case

    xs = np.stack([x, x + 0.1, x - 0.1])
    case = Case("chain-vmap", f"{count} ops on {n} numbers, vmap of 3 examples", unit, count)
    case.add("function", lambda: lambda: f(np, xs, scale))
    case.add("by hand", lambda: lambda: f(np, xs, scale))
    add_libraries(case, "batched", f, xs, scale)
    yield case
