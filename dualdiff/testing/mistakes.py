"""Random wrong calls: what is wrong with them must be said by a DualdiffError, or as plain NumPy says it.

A call takes public functions of dualdiff and NumPy functions on tensors, with arguments of wrong types,
shapes, axes, keywords and dtypes. An AttributeError, IndexError or KeyError where NumPy raises something else
or nothing is a finding, and so is a value where NumPy raises.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import dualdiff as dd
from dualdiff.core import FUNCTIONS
from dualdiff.errors import DualdiffError
from dualdiff.testing.terms import spelled, spelled_function

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
LEFT_OUT = {
    "resize",
    "tile",
    "repeat",
    "pad",
    "vander",
    "eye",
    "identity",
    "arange",
    "tri",
    "linspace",
    "logspace",
    "geomspace",
    "zeros",
    "ones",
    "empty",
    "full",
    "matrix_power",
    "einsum_path",
    "bincount",
    "histogram",
    "histogramdd",
    "histogram2d",
    "histogram_bin_edges",
    "binom",
    "roots",
}
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
    lambda: None,
    lambda: "axis",
    lambda: "",
    lambda: -1,
    lambda: 0,
    lambda: 1,
    lambda: 7,
    lambda: -9,
    lambda: 2.5,
    lambda: 10**20,
    lambda: (0, 1),
    lambda: (0, 0),
    lambda: [],
    lambda: (),
    lambda: [[1.0], [2.0, 3.0]],
    lambda: {},
    lambda: {"a": 1.0},
    lambda: np.array([]),
    lambda: np.array(1.5),
    lambda: np.zeros((0, 3)),
    lambda: np.array(["a", "b"]),
    lambda: np.array([None, 1.0], object),
    lambda: np.array([1, 2, 3]),
    lambda: np.array([True, False, True]),
    lambda: np.ones((3, 3)),
    lambda: np.ones((2, 3)),
    lambda: np.ones(4),
    lambda: np.array([1j, 2.0, 3.0]),
    lambda: float("nan"),
    lambda: True,
    lambda: object(),
    lambda: slice(1, 2),
    lambda: Ellipsis,
    lambda: int,
    lambda: "float32",
    lambda: np.array([0.5, 1.5, 2.5]),
    lambda: [0.5, 1.0, 2.0],
    lambda: np.datetime64("2020-01-01"),
    lambda: b"x",
    lambda: {1, 2},
    lambda: 1j,
    lambda: np.float32(2),
    lambda: len,
)
POINTS: tuple[Callable, ...] = (
    lambda: np.array([0.5, 1.5, 2.5]),
    lambda: np.ones((2, 3)),
    lambda: np.eye(3),
    lambda: np.float64(0.5),
    lambda: np.zeros((0, 3)),
    lambda: np.array(2.0),
    lambda: np.array([1j, 2.0]),
    lambda: np.ones((2, 2, 2)),
)


class Mistake(NamedTuple):
    """A call that is likely wrong; `tensor` is the place of the tensor among the arguments, if any."""

    name: str
    function: Callable
    args: tuple
    kwargs: dict
    tensor: int | None
    mode: str
    nested: bool

    def failure(self) -> str | None:
        """What it does that it may not, or None."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            error = raised(self.live)
            plain = raised(self.plain) if self.tensor is not None else None
        if isinstance(error, (DualdiffError, NotImplementedError)):
            return None
        if error is None:
            return None if plain is None else f"{self.name} takes what NumPy refuses with {kind_of(plain)}"
        if plain is not None and (isinstance(error, type(plain)) or not internal(error)):
            return None  # of two mistakes in one call either may be told
        if self.tensor is None and not internal(error):
            return None  # raised by the function that was handed in
        return f"{self.name} raises {kind_of(error)}, plainly {kind_of(plain)}"

    def plain(self) -> Any:
        if self.tensor is None:
            return self.function(*self.args, **self.kwargs)
        return self.function(*self.placed(self.args[self.tensor]), **self.kwargs)

    def placed(self, x: Any) -> list:
        """The arguments with x in its place, alone or in a list."""
        args = list(self.args)
        args[self.tensor] = [x, 1.0] if self.nested else x  # type: ignore[index]
        return args

    def live(self) -> Any:
        """The call with a tensor in its place, inside a transform."""
        if self.tensor is None:
            return self.plain()
        point = self.args[self.tensor]

        def f(x: Any) -> Any:
            y = self.function(*self.placed(x), **self.kwargs)
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


def internal(error: BaseException) -> bool:
    """Whether an error tells of no mistake of the caller: what a slip in a file of ours would raise."""
    slips = (
        AttributeError,
        IndexError,
        KeyError,
        NameError,
        RecursionError,
        AssertionError,
        ZeroDivisionError,
    )
    return isinstance(error, slips) and not isinstance(error, np.exceptions.AxisError)


def mistake(seed: int) -> Mistake:
    """The wrong call of a seed."""
    rng = np.random.default_rng(seed)
    pick = lambda options: options[int(rng.integers(len(options)))]  # noqa: E731
    if rng.random() < 0.25:
        name = pick(list(PUBLIC))
        f = pick(
            [
                np.sum,
                np.sin,
                lambda x: 2.0 * x,
                lambda *xs: xs,
                lambda x: None,
                None,
                3,
                lambda x: "a",
                lambda x: {"a": x},
                lambda x: len,
                lambda x: x + "a",
            ]
        )
        args = tuple(pick(STRANGE + POINTS)() for _ in range(int(rng.integers(0, 3))))
        kwargs = {pick(OPTIONS): pick(STRANGE)() for _ in range(int(rng.integers(0, 2)))}
        return Mistake(name, PUBLIC[name], (f, *args), kwargs, None, "", False)
    # Not those of SciPy: some of its loops corrupt memory when called wrongly on plain arrays.
    functions = [f for f in FUNCTIONS if spelled_function(f).startswith("np.") and f.__name__ not in LEFT_OUT]
    function = pick(functions)
    count = function.nin if isinstance(function, np.ufunc) else int(rng.integers(1, 4))
    given = [pick(STRANGE)() for _ in range(count)]
    at = int(rng.integers(len(given))) if rng.random() < 0.4 else 0
    given[at] = pick(POINTS)()
    kwargs = {}
    for _ in range(int(rng.integers(0, 3))):
        kwargs[pick(KEYWORDS)] = pick(STRANGE)()
    if isinstance(function, np.ufunc):
        kwargs.pop("order", None)  # of memory, at which tensors do not look
    return Mistake(
        spelled_function(function), function, tuple(given), kwargs, at, pick(MODES), rng.random() < 0.1
    )
