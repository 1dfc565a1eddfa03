"""replay: a function, or a derivative of one, repeated as the list of calls of NumPy that it made.

modes/replay.py records the list; here stand what it is recorded for and what goes in and out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.errors import InputTypeError
from dualdiff.modes.replay import Recorded, RecordLevel, program_of
from dualdiff.transforms.boundary import check_callable, output_leaves
from dualdiff.tree import LEAF, LEAVES, Tree, flatten, unflatten

KEPT = 64  # programs kept for one function; the oldest goes first


def replay(f: Callable) -> Callable:
    """f as the calls of NumPy that it makes: recorded for arguments of a kind, repeated for all others.

    It is for functions that are called often on small arrays, above all derivatives: `replay(grad(f))`,
    `replay(jacobian(f))`. What the modes do is done once and left out of every later call.

    Shapes      those of f. A kind of arguments is their structure, shapes and dtypes, and all that is no
                floating number: each has a recording of its own.
    Derivative  a replayed function inside another transform is f itself
    Cost        one run of f under recording for each kind of arguments; then its calls of NumPy, less those
                that no result needs and those that only constants enter
    Raises      ControlFlowError where a value steers Python (`if x > 0`, float(x)): other values could take
                another path; InputTypeError

    What f reads elsewhere (closures, globals, attributes, random numbers) is read once, at the recording:
    what a derivative is taken by has to be an argument.
    Warnings of NumPy are silent in a replay. `replayed.source(*args)` is the program for these arguments as
    Python, to be read.

    >>> print(replay(lambda x: np.sin(x) * x).source(1.0))
    def program(x0):
        v0 = sin(x0)
        v1 = v0 * x0
        del v0
        return [v1]
    """
    check_callable(f, "replay")
    recordings: dict[tuple, Recording] = {}

    def find(args: tuple, kwargs: dict) -> tuple[list, Recording | None]:
        """The leaves of a call, and the recording for their kind; None where they are inside a transform."""
        if not kwargs and all([type(x) in LEAVES for x in args]):  # the usual arguments, told at once
            leaves, tree = list(args), None
        else:
            leaves, tree = flatten((args, kwargs))
        kind = tree, *[kind_of(x) for x in leaves]
        recording = recordings.get(kind)
        if recording is None and not any(isinstance(x, Tracer) for x in leaves):
            recording = Recording(f, leaves, tree or flatten((args, {}))[1])
            while len(recordings) >= KEPT:
                recordings.pop(next(iter(recordings)), None)
            recordings[kind] = recording
        return leaves, recording

    @functools.wraps(f)
    def replayed(*args: Any, **kwargs: Any) -> Any:
        leaves, recording = find(args, kwargs)
        return f(*args, **kwargs) if recording is None else recording.run(leaves)

    def source(*args: Any, **kwargs: Any) -> str:
        _, recording = find(args, kwargs)
        if recording is None:
            raise InputTypeError("source was asked for inside another transform.", "Ask outside, for arrays.")
        return recording.program.listing()

    replayed.source = source  # type: ignore[attr-defined]
    return replayed


def kind_of(x: Any) -> Any:
    """What of a leaf a recording is for: shape and dtype of floating numbers, anything else as it is."""
    if type(x) is np.ndarray:
        if x.dtype.kind in "fc":
            return x.shape, x.dtype
        return x.shape, x.dtype, x.tobytes() if x.dtype.kind != "O" else id(x)
    if isinstance(x, (float, complex, np.inexact)):  # which np.float64 is as well
        return type(x)
    if isinstance(x, Tracer):
        return None  # of which there is no recording
    try:
        hash(x)
    except TypeError:
        raise InputTypeError(
            f"replay was given a value of type {type(x).__name__}, which cannot be compared with that of "
            "another call.",
            "Pass arrays, numbers, containers of them and hashable values.",
        ) from None
    return type(x), x


def as_numpy(x: Any) -> Any:
    """An input as the program takes it."""
    return np.float64(x) if type(x) is float else x if hasattr(x, "dtype") else np.asarray(x)[()]


def is_input(x: Any) -> bool:
    """Whether a leaf may have another value in each call."""
    if type(x) is np.ndarray:
        return x.dtype.kind in "fc"
    return isinstance(x, (float, complex, np.inexact))


def shown_by(given: list) -> set[int]:
    """The arrays among these, and those that they are views of: a view of a view knows the last alone."""
    found = set()
    for x in given:
        while isinstance(x, np.ndarray):
            found.add(id(x))
            x = x.base
    return found


class Recording:
    """The program of one kind of arguments, and how its results become those of the function."""

    __slots__ = ("inputs", "program", "tree", "pair", "scalars", "constants")

    def __init__(self, f: Callable, leaves: list, tree: Tree):
        level = RecordLevel(f)
        self.inputs = [k for k, x in enumerate(leaves) if is_input(x)]
        watched = [level.watch(x) if is_input(x) else x for x in leaves]
        try:
            args, kwargs = unflatten(tree, watched)
            results, self.tree = output_leaves(f(*args, **kwargs), f, "replay")
            self.program = program_of(level, results)
        finally:
            level.close()
        values = [x.value if type(x) is Recorded else x for x in results]
        self.pair = self.tree.kind is tuple and all(child is LEAF for child in self.tree.children)
        self.scalars = [not isinstance(x, np.ndarray) for x in values]
        self.constants = {id(x) for x in self.program.constants.values()}

    def run(self, leaves: list) -> Any:
        given = [as_numpy(leaves[k]) for k in self.inputs]
        results = self.program.run(given)
        used = None
        for k, y in enumerate(results):
            if self.scalars[k]:
                if type(y) is np.ndarray:
                    results[k] = y[()]
                continue
            if used is None:
                used = shown_by(given)
            results[k] = self.own(np.asarray(y), used)
        return tuple(results) if self.pair else unflatten(self.tree, results)

    def own(self, y: np.ndarray, used: set[int]) -> np.ndarray:
        """y in memory that no input, constant or earlier result shows; `used` grows by it."""
        x: Any = y
        while isinstance(x, np.ndarray):
            if id(x) in used or id(x) in self.constants or not y.flags.writeable:
                return y.copy()
            root, x = x, x.base
        used.add(id(root))
        return y
