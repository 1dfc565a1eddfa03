"""The binomial schedule: how to reverse l steps with s stored states and the fewest steps run again.

Nothing here runs a step. A. Griewank and A. Walther, Algorithm 799: revolve, ACM TOMS 26 (2000).
"""

from __future__ import annotations

import math
from collections.abc import Iterator


def longest(slots: int, sweeps: int) -> int:
    """beta(s, r) = C(s + r, s): the longest chain that s states reverse with at most r runs of each step."""
    return math.comb(slots + sweeps, slots) if slots >= 0 and sweeps >= 0 else 0


def repeats(steps: int, slots: int) -> int:
    """The smallest r with steps <= beta(slots, r): how often a step is run again, at most."""
    if slots == 1:
        return max(steps - 1, 0)
    r = 0
    while longest(slots, r) < steps:
        r += 1
    return r


def advances(steps: int, slots: int) -> int:
    """P(l, s) = r l - beta(s + 1, r - 1): the fewest steps to run again, those being reversed not counted."""
    r = repeats(steps, slots)
    return r * steps - longest(slots + 1, r - 1)


def split(steps: int, slots: int) -> int:
    """How many steps to advance before the next state is stored: the most that is optimal."""
    if slots == 1:
        return steps - 1
    r = repeats(steps, slots)
    return min(longest(slots, r - 1), steps - longest(slots - 1, r - 1))


def slots_for(steps: int) -> int:
    """The fewest slots with which no step is run again more than twice: about sqrt(2 steps)."""
    slots = 1
    while longest(slots, 2) < steps:
        slots += 1
    return slots


def schedule(steps: int, slots: int) -> Iterator[tuple[str, int, int]]:
    """What to do, in order, from the state 0, which is stored.

    ("advance", i, j)  run steps i to j - 1 from the state i, which is at hand
    ("store", i, 0)    keep the state i, which is at hand
    ("restore", i, 0)  take up the state i that was kept last
    ("reverse", i, 0)  run step i from the state i, recording, and sweep back through it
    ("free", i, 0)     the state i is not needed any more
    """
    kept, end, here = [0], steps, 0
    while end:
        start, free = kept[-1], slots - len(kept) + 1
        if here != start:
            yield "restore", start, 0
            here = start
        while end - here > 1:
            to = here + split(end - here, free)
            yield "advance", here, to
            here = to
            if free > 1:
                yield "store", here, 0
                kept.append(here)
                free -= 1
        yield "reverse", end - 1, 0
        end, here = end - 1, -1
        while kept and kept[-1] == end:
            yield "free", kept.pop(), 0
