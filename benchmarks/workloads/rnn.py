"""A recurrent network, 100 steps of one example: a Python loop of small products whose weights add up."""

import itertools

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def loss(np, parameters, start, inputs):
    """The squared length of the last state; states and inputs are rows, `inputs` a list of them."""
    w, u, b = parameters
    h = start
    for x in inputs:
        h = np.tanh(h @ w + x @ u + b)
    return np.sum(h * h)


def by_hand(parameters, start, inputs):
    """Backpropagation through time as it is usually written."""
    w, u, b = parameters
    hs = [start]
    for x in inputs:
        hs.append(np.tanh(hs[-1] @ w + x @ u + b))
    h_bar = 2 * hs[-1]
    w_bar, u_bar, b_bar = np.zeros_like(w), np.zeros_like(u), np.zeros_like(b)
    for x, (before, h) in zip(reversed(inputs), reversed(list(itertools.pairwise(hs))), strict=True):
        z_bar = h_bar * (1 - h * h)
        w_bar += before.T @ z_bar
        u_bar += x.T @ z_bar
        b_bar += z_bar[0]
        h_bar = z_bar @ w.T
    return np.sum(hs[-1] * hs[-1]), (w_bar, u_bar, b_bar)


def batched(parameters, start, inputs):
    """The same with one product for the weights of all steps: what an engine that sees the loop could do."""
    w, u, b = parameters
    inputs, hs = np.concatenate(inputs), [start]
    for z in inputs @ u + b:
        hs.append(np.tanh(hs[-1] @ w + z))
    h_bar = 2 * hs[-1]
    z_bars = []
    for h in reversed(hs[1:]):
        z_bars.append(h_bar * (1 - h * h))
        h_bar = z_bars[-1] @ w.T
    before, z_bars = np.concatenate(hs[:-1]), np.concatenate(z_bars[::-1])
    return np.sum(hs[-1] * hs[-1]), (before.T @ z_bars, inputs.T @ z_bars, np.sum(z_bars, axis=0))


def cases(tiny=False):
    steps, n, m = (3, 4, 2) if tiny else (100, 64, 64)
    rng = np.random.default_rng(0)
    w, u = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(m, n)) / np.sqrt(m)
    parameters = w, u, 0.1 * rng.normal(size=n)
    start, inputs = rng.normal(size=(1, n)), list(0.5 * rng.normal(size=(steps, 1, m)))

    case = Case("rnn", f"{steps} steps of {m} inputs and {n} states, batch 1, value and gradient")
    case.targets = {"by hand": 1.5, "torch eager": 1}
    case.add("function", lambda: lambda: loss(np, parameters, start, inputs))
    case.add("by hand", lambda: lambda: by_hand(parameters, start, inputs))
    case.add("batched weights", lambda: lambda: batched(parameters, start, inputs))
    add_libraries(case, "gradient", loss, parameters, start, inputs)
    yield case
