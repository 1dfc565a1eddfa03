"""Bytes that a recorded op keeps alive, on arrays of 10 numbers.

PyTorch and JAX allocate where tracemalloc does not see it and are left out.
"""

import gc
import tracemalloc

import numpy as np

import dualdiff as dd
from benchmarks.harness import Case
from benchmarks.workloads.chain import chain


def kept(record):
    """Bytes that the result of record() keeps alive."""
    record()  # what the first call caches is not the tape's
    gc.collect()  # empties Python's lists of free tuples, whose reuse tracemalloc would not see
    tracemalloc.start()
    try:
        tape = record()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del tape
    return size


def outputs(x, scale, blocks):
    """The arrays of all intermediate results and nothing else."""
    results = []
    for _ in range(blocks):
        for f in (np.sin, lambda x: x * 0.5, lambda x: x + x, np.tanh, lambda x: x * scale):
            x = f(x)
            results.append(x)
    return results


def cases(tiny=False):
    n, blocks = 10, 2 if tiny else 100
    x, scale = np.linspace(0.5, 2, n), np.linspace(0.8, 1.2, n)

    def autograd():
        import autograd
        import autograd.numpy as np

        make = autograd.make_vjp(lambda x: chain(np, x, scale, blocks))
        return lambda: kept(lambda: make(x))

    def mygrad():
        import mygrad

        return lambda: kept(lambda: chain(mygrad, mygrad.tensor(x), scale, blocks))

    case = Case("tape-memory", f"kept per op on {n} numbers", "bytes per op", 5 * blocks, measured=True)
    case.add("every output", lambda: lambda: kept(lambda: outputs(x, scale, blocks)))
    case.add("dualdiff", lambda: lambda: kept(lambda: dd.vjp(lambda x: chain(np, x, scale, blocks), x)))
    case.add("autograd", autograd)
    case.add("mygrad", mygrad)
    yield case
