"""Random programs and wrong calls for as long as you like: python -m dualdiff.testing.fuzz --seconds 600.

Each failure is cut down and printed as a script with its seed. What is compared is in agreement.py, what a
wrong call may raise in mistakes.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from dualdiff.testing.agreement import agree, failure
from dualdiff.testing.calls import examples
from dualdiff.testing.mistakes import Mistake, mistake
from dualdiff.testing.programs import Program, generate, least

MISTAKES = 20  # wrong calls for each program: they take a tenth of its time


class Finding(NamedTuple):
    """A seed and what is wrong with its program or call, in one line, and a script that shows it."""

    seed: int
    what: str
    script: str


def program(seed: int) -> Program:
    """The program of a seed; one after the other, each call of the tables and each op is in one of them."""
    table = examples()
    return generate(seed, focus=table[seed * 7919 % len(table)])


def check(seed: int) -> Finding | None:
    """One program, compared in every way; the finding shows the least program that fails as well."""
    made = program(seed)
    what = failure(made)
    if what is None:
        return None
    smallest = least(made, lambda shorter: same_failure(failure(shorter), what))
    return Finding(seed, failure(smallest) or what, smallest.script())


def same_failure(found: str | None, wanted: str) -> bool:
    """Whether a shorter program fails in the same comparison, not because a name is gone."""
    return found is not None and found.split(",")[0].split(":")[0] == wanted.split(",")[0].split(":")[0]


def check_mistakes(seed: int) -> Iterator[Finding]:
    """Some wrong calls."""
    for k in range(MISTAKES):
        made: Mistake = mistake(seed * MISTAKES + k)
        what = made.failure()
        if what is not None:
            yield Finding(seed * MISTAKES + k, what, made.script())


def fuzz(
    seconds: float, start: int, say: Callable[[str], object], once: bool = True
) -> tuple[int, list[Finding]]:
    """Check seeds from `start` until the time is over: how many programs, and what was found."""
    end, seed, findings, known = time.monotonic() + seconds, start, [], set()
    while time.monotonic() < end:
        found = [check(seed)] + list(check_mistakes(seed))
        for finding in filter(None, found):
            signature = (finding.what.split(":")[0], finding.script.count("\n"))
            if once and signature in known:
                continue
            known.add(signature)
            findings.append(finding)
            say(f"--- seed {finding.seed}: {finding.what}\n{finding.script}\n")
        seed += 1
    return seed - start, findings


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dualdiff.testing.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    parser.add_argument("--start", type=int, default=None, help="the first seed; a random one by default")
    parser.add_argument("--seed", type=int, default=None, help="one program alone, printed and compared")
    options = parser.parse_args(argv)
    if options.seed is not None:
        made = program(options.seed)
        print(made.script())
        print(agree(made))
        return 0
    start = options.start if options.start is not None else int(np.random.default_rng().integers(1 << 31))
    count, findings = fuzz(options.seconds, start, print)
    print(f"{count} programs from seed {start}, {count * MISTAKES} wrong calls: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    import dualdiff.special  # noqa: F401  its ops are in the registry then; SciPy is an extra

    sys.exit(main())
