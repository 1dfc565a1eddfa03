"""Random wrong calls: what is wrong with them must be said by a DualdiffError, or as plain NumPy says it.

A call takes public functions of dualdiff and NumPy functions on tensors, with arguments of wrong types, shapes,
axes, keywords and dtypes. An AttributeError, IndexError or KeyError from inside, where NumPy raises something
else or nothing, is a finding.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import dualdiff as dd
from dualdiff.core import FUNCTIONS
from dualdiff.errors import DualdiffError
from dualdiff.testing.terms import spelled, spelled_function

PACKAGE = str(Path(dd.__file__).parent)
MODES = ("forward", "reverse", "batch")
KEYWORDS = (
    "axis",
    "keepdims",
    "dtype",
    "where",
    "initial",
    "ddof",
    "n",
    "mode",
    "k",
    "out",
    "order",
    "axes",
    "ord",
)
# Random arguments make these allocate without bound, or write to files or the terminal.
LEFT_OUT = {"resize", "tile", "repeat", "pad", "vander", "eye", "identity", "arange", "tri", "linspace", "logspace",
            "geomspace", "zeros", "ones", "empty", "full", "matrix_power", "einsum_path", "bincount",
            "histogram", "histogramdd", "histogram2d", "histogram_bin_edges", "binom", "roots"}  # fmt: skip
PUBLIC: dict[str, Callable] = {
    "dd.grad": lambda f, *a, **k: dd.grad(f, **k)(*a),
    "dd.jacobian": lambda f, *a, **k: dd.jacobian(f, **k)(*a),
    "dd.jacfwd": lambda f, *a, **k: dd.jacfwd(f, **k)(*a),
    "dd.jacrev": lambda f, *a, **k: dd.jacrev(f, **k)(*a),
    "dd.hessian": lambda f, *a, **k: dd.hessian(f, **k)(*a),
    "dd.vmap": lambda f, *a, **k: dd.vmap(f, **k)(*a),
    "dd.value_and_grad": lambda f, *a, **k: dd.value_and_grad(f, **k)(*a),
    "dd.jvp": lambda f, *a, **k: dd.jvp(f, *a, **k),
    "dd.vjp": lambda f, *a, **k: dd.vjp(f, *a, **k)[1](a[0] if a else None),
    "dd.linearize": lambda f, *a, **k: dd.linearize(f, *a, **k)[1](*a),
    "dd.hvp": lambda f, *a, **k: dd.hvp(f, *a, **k),
    "dd.stop_gradient": lambda f, *a, **k: dd.stop_gradient(*a),
}
OPTIONS = ("argnums", "mode", "has_aux", "holomorphic", "chunk_size", "in_axes", "out_axes", "fallback")
STRANGE: tuple[Callable, ...] = (
    lambda: None, lambda: "axis", lambda: "", lambda: -1, lambda: 0, lambda: 1, lambda: 7, lambda: -9, lambda: 2.5,
    lambda: 10**20, lambda: (0, 1), lambda: (0, 0), lambda: [], lambda: (), lambda: [[1.0], [2.0, 3.0]], lambda: {},
    lambda: {"a": 1.0}, lambda: np.array([]), lambda: np.array(1.5), lambda: np.zeros((0, 3)),
    lambda: np.array(["a", "b"]), lambda: np.array([None, 1.0], object), lambda: np.array([1, 2, 3]),
    lambda: np.array([True, False, True]), lambda: np.ones((3, 3)), lambda: np.ones((2, 3)), lambda: np.ones(4),
    lambda: np.array([1j, 2.0, 3.0]), lambda: float("nan"), lambda: True, lambda: object(), lambda: slice(1, 2),
    lambda: Ellipsis, lambda: int, lambda: "float32", lambda: np.array([0.5, 1.5, 2.5]), lambda: [0.5, 1.0, 2.0],
    lambda: np.datetime64("2020-01-01"), lambda: b"x", lambda: {1, 2}, lambda: 1j, lambda: np.float32(2), lambda: len,
)  # fmt: skip
POINTS: tuple[Callable, ...] = (
    lambda: np.array([0.5, 1.5, 2.5]), lambda: np.ones((2, 3)), lambda: np.eye(3), lambda: np.float64(0.5),
    lambda: np.zeros((0, 3)), lambda: np.array(2.0), lambda: np.array([1j, 2.0]), lambda: np.ones((2, 2, 2)),
)  # fmt: skip


class Mistake(NamedTuple):
    """A call that is likely wrong. `tensor` is the place of the tensor among the arguments; None: no tensor."""

    name: str
    function: Callable
    args: tuple
    kwargs: dict
    tensor: int | None
    mode: str
    nested: bool

    def failure(self) -> str | None:
        """What it raises that it may not, or None."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            error = raised(self.live)
            if error is None or isinstance(error, (DualdiffError, NotImplementedError)):
                return None
            plain = raised(self.plain) if self.tensor is not None else None
        if plain is not None and isinstance(error, type(plain)):
            return None
        if (
            plain is not None
            and isinstance(plain, (TypeError, ValueError))
            and isinstance(error, type(plain))
        ):
            return None
        if self.tensor is None and not from_package(error):
            return None  # the user's function, or Python's own check of a call
        return f"{self.name} raises {type(error).__name__} ({str(error)[:80]}), plainly {kind_of(plain)}"

    def plain(self) -> Any:
        return self.function(*self.args, **self.kwargs)

    def live(self) -> Any:
        """The call with a tensor in its place, inside a transform."""
        if self.tensor is None:
            return self.plain()
        point = self.args[self.tensor]

        def f(x: Any) -> Any:
            args = list(self.args)
            args[self.tensor] = [x, 1.0] if self.nested else x  # type: ignore[index]
            y = self.function(*args, **self.kwargs)
            return x if y is None else np.sum(x) if not hasattr(y, "dtype") else y

        if self.mode == "batch":
            return dd.vmap(f)(np.stack([point, point]))
        y, pullback = dd.vjp(f, point) if self.mode == "reverse" else (dd.jvp(f, (point,), (point,))[1], None)
        return y if pullback is None else pullback(np.ones(np.shape(y), np.asarray(y).dtype))

    def script(self) -> str:
        args = [spelled(x) for x in self.args]
        if self.tensor is not None:
            args[self.tensor] = "[x, 1.0]" if self.nested else "x"
        keywords = [f"{key}={spelled(part)}" for key, part in self.kwargs.items()]
        where = "" if self.tensor is None else f"   # {self.mode}, at x = {spelled(self.args[self.tensor])}"
        return f"{self.name}({', '.join([*args, *keywords])}){where}"


def raised(f: Callable) -> BaseException | None:
    try:
        f()
    except Exception as error:
        return error
    return None


def kind_of(error: BaseException | None) -> str:
    return "nothing" if error is None else f"{type(error).__name__} ({str(error)[:60]})"


def from_package(error: BaseException) -> bool:
    """Whether an error that tells of no mistake of the caller came from a file of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename.startswith(PACKAGE)]
    internal = (AttributeError, IndexError, KeyError, UnboundLocalError, RecursionError, AssertionError)
    return isinstance(error, internal) and bool(inside) and frames[-1].filename.startswith(PACKAGE) and (
        not frames[-1].filename.endswith("mistakes.py")
    )  # fmt: skip


def mistake(seed: int) -> Mistake:
    """The wrong call of a seed."""
    rng = np.random.default_rng(seed)
    pick = lambda options: options[int(rng.integers(len(options)))]  # noqa: E731
    if rng.random() < 0.25:
        name = pick(list(PUBLIC))
        f = pick([np.sum, np.sin, lambda x: x[0] * 2.0, lambda *xs: xs, lambda x: None, None, 3, lambda x: "a",
                  lambda x: {"a": x}, lambda x: len, lambda x: x + "a"])  # fmt: skip
        args = tuple(pick(STRANGE + POINTS)() for _ in range(int(rng.integers(0, 3))))
        kwargs = {pick(OPTIONS): pick(STRANGE)() for _ in range(int(rng.integers(0, 2)))}
        return Mistake(name, PUBLIC[name], (f, *args), kwargs, None, "", False)
    functions = [f for f in FUNCTIONS if f.__name__.lstrip("_") not in LEFT_OUT]
    function = pick(functions)
    count = function.nin if isinstance(function, np.ufunc) else int(rng.integers(1, 4))
    args = [pick(STRANGE)() for _ in range(count)]
    at = int(rng.integers(len(args))) if rng.random() < 0.4 else 0
    args[at] = pick(POINTS)()
    kwargs = {}
    for _ in range(int(rng.integers(0, 3))):
        kwargs[pick(KEYWORDS)] = pick(STRANGE)()
    return Mistake(
        spelled_function(function), function, tuple(args), kwargs, at, pick(MODES), rng.random() < 0.1
    )
