"""When forward mode, when reverse mode, when neither: the same function with many inputs or many outputs.

A small network maps n numbers to m. The counts are exact and the same in every run: a forward sweep for each
input, a backward sweep for each output. Where many inputs meet in one number and part again, both modes
multiply more than they need to, and eliminating the vertices in another order takes a third fewer.
"""

import numpy as np

import dualdiff as dd
from dualdiff import teach


def network(n, m):
    rng = np.random.default_rng(0)
    hidden, out = rng.normal(size=(8, n)), rng.normal(size=(m, 8))
    return lambda x: np.tanh(out @ np.tanh(hidden @ x))


def bottleneck(x):
    middle = np.cos(np.sum(np.sin(x)))
    return np.sin(middle * np.arange(1.0, 5.0))


def main():
    result = {}
    for n, m in ((40, 1), (1, 40), (10, 10)):
        found = dd.compare_modes(network(n, m), np.linspace(-1, 1, n), timed=False)
        result[f"{n} in, {m} out: auto takes"] = found.choice.mode
        result[f"{n} in, {m} out: ops forward"] = found["forward"].ops
        result[f"{n} in, {m} out: ops reverse"] = found["reverse"].ops
        result[f"{n} in, {m} out: modes differ by"] = found.disagreement
        result[f"{n} in, {m} out: differences by"] = found.differences
    counts = teach.elimination(bottleneck, np.linspace(0.1, 0.9, 4)).counts
    for order, (multiplications, _) in counts.items():
        result[f"bottleneck, multiplications {order}"] = multiplications
    trace = teach.trace_table(network(2, 1), np.array([0.5, -0.5]), mode="reverse")
    result["lines of a reverse sweep"] = len(trace.steps)
    result["the last one"] = trace.steps[-1].line
    return result


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>38}: {number}")
