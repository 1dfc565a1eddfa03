"""Time and memory against size: one chain of 10 elementwise ops, from 10 numbers to a million, in both modes.

Small arrays show the overhead per op, large ones the work and the memory per number, which should be those
of the derivative by hand. The peers are in the other workloads.
"""

import tracemalloc

import numpy as np

from benchmarks.candidates import Dualdiff
from benchmarks.harness import Case
from benchmarks.workloads.chain import chain, gradient_by_hand, pushforward_by_hand

SIZES = (10, 100, 1000, 10_000, 100_000, 1_000_000)


def peak(run):
    """The most bytes in use at any time during run()."""
    run()  # what the first call caches stays
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def cases(tiny=False):
    blocks = 2
    for n in (3,) if tiny else SIZES:
        x, scale, ones = np.linspace(0.5, 2, n), np.linspace(0.8, 1.2, n), np.ones(n)

        def f(np, x, scale):  # the number of blocks is no array
            return np.sum(chain(np, x, scale, blocks))

        def forward_by_hand(x=x, scale=scale, ones=ones):
            return tuple(map(np.sum, pushforward_by_hand(x, ones, scale, blocks)))

        candidates = {
            "forward": {
                "function": lambda x=x, scale=scale: f(np, x, scale),
                "by hand": forward_by_hand,
                "dualdiff": Dualdiff("forward").pushforward(f, x, ones, scale),
            },
            "reverse": {
                "function": lambda x=x, scale=scale: f(np, x, scale),
                "by hand": lambda x=x, scale=scale: gradient_by_hand(x, scale, blocks),
                "dualdiff": Dualdiff("reverse").gradient(f, x, scale),
            },
        }
        for mode, runs in candidates.items():
            what = f"{5 * blocks} ops and a sum of {n:,} numbers, {mode} mode"
            time = Case(f"growth-{mode}-{n}", what)
            memory = Case(f"growth-{mode}-{n}-peak", what, "bytes per number", n, measured=True)
            for label, run in runs.items():
                time.add(label, lambda run=run: run)
                memory.add(label, lambda run=run: lambda: peak(run))
            yield time
            yield memory
