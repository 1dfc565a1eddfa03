"""Terms: expressions that NumPy code builds when it runs on them, to be evaluated later and printed.

np.sin(x) + 1 on a term x is a term that knows what to call and how it is written, so that a random program
(programs.py) states each of its steps once. Nothing here differentiates.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Op

SYMBOLS = {
    "__add__": "+", "__sub__": "-", "__mul__": "*", "__truediv__": "/", "__pow__": "**", "__floordiv__": "//",
    "__mod__": "%", "__matmul__": "@", "__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">=",
    "__eq__": "==", "__ne__": "!=", "__and__": "&", "__or__": "|", "__xor__": "^",
}  # fmt: skip
INF = float("inf")
SIGNS = {"__neg__": "-", "__pos__": "+", "__invert__": "~"}


class Term:
    """A call that has not been made: a function, its arguments, among them terms, and its text."""

    __slots__ = ("function", "args", "kwargs", "text", "names")

    def __init__(
        self, function: Callable | None, args: tuple, kwargs: dict, text: str, names: frozenset | None = None
    ):
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.text = text
        self.names = names_in((args, kwargs)) if names is None else names

    def evaluate(self, values: dict[str, Any]) -> Any:
        """The value, given those of the names; every call is made anew."""
        if self.function is None:
            return values[self.text]
        return self.function(*filled(self.args, values), **filled(self.kwargs, values))

    def __repr__(self) -> str:
        return self.text

    __hash__ = object.__hash__

    # ---------------------------------------------------------------- what NumPy code does to it
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Term:
        if method == "__call__":
            return call(ufunc, *inputs, **kwargs)
        return call(getattr(ufunc, method), *inputs, text=f"{spelled(ufunc)}.{method}", **kwargs)

    def __array_function__(self, func: Callable, types: Any, args: tuple, kwargs: dict) -> Term:
        return call(func, *args, **kwargs)

    def __getitem__(self, key: Any) -> Term:
        return Term(operator.getitem, (self, key), {}, f"{inner(self)}[{subscript(key)}]")

    __iter__ = None  # __getitem__ alone would make it endless

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: Term(
            lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs),
            (self, *args),
            kwargs,
            f"{inner(self)}.{name}({arguments(args, kwargs)})",
        )

    def __abs__(self) -> Term:
        return call(abs, self)

    @property
    def T(self) -> Term:
        return self._attribute("T")

    @property
    def real(self) -> Term:
        return self._attribute("real")

    @property
    def imag(self) -> Term:
        return self._attribute("imag")

    def _attribute(self, name: str) -> Term:
        return Term(lambda x: getattr(x, name), (self,), {}, f"{inner(self)}.{name}")


def _binary(method: str, symbol: str) -> tuple[Callable, Callable]:
    plain = getattr(operator, method)

    def straight(self: Term, other: Any) -> Term:
        return Term(plain, (self, other), {}, f"{inner(self)} {symbol} {inner(other)}")

    def reflected(self: Term, other: Any) -> Term:
        return Term(plain, (other, self), {}, f"{inner(other)} {symbol} {inner(self)}")

    return straight, reflected


def _unary(method: str, symbol: str) -> Callable:
    plain = getattr(operator, method)
    return lambda self: Term(plain, (self,), {}, f"{symbol}{inner(self)}")


for _method, _symbol in SYMBOLS.items():
    _straight, _reflected = _binary(_method, _symbol)
    setattr(Term, _method, _straight)
    if _symbol in {"+", "-", "*", "/", "**", "//", "%", "@", "&", "|", "^"}:
        setattr(Term, _method.replace("__", "__r", 1), _reflected)
for _method, _symbol in SIGNS.items():
    setattr(Term, _method, _unary(_method, _symbol))


# -------------------------------------------------- making terms
def name(text: str) -> Term:
    """A variable."""
    return Term(None, (), {}, text, frozenset([text]))


def call(function: Callable, *args: Any, text: str | None = None, **kwargs: Any) -> Term:
    """The call of any function; `text` is how it is spelled where that is not its name in NumPy."""
    return Term(function, args, kwargs, f"{text or spelled(function)}({arguments(args, kwargs)})")


def apply(op: Op, *args: Any, **params: Any) -> Term:
    """The call of an op by its record."""
    return call(op, *args, text=f'OPS["{op.name}"]', **params)


def function_of(parameter: str, body: Term) -> Term:
    """The function lambda parameter: body, which closes over the other names."""
    term = Term(None, (), {}, f"lambda {parameter}: {body.text}", body.names - {parameter})
    return Closure(parameter, body, term)


class Closure(Term):
    """A lambda; its value is a Python function that reads the values it was made with."""

    __slots__ = ("parameter", "body")

    def __init__(self, parameter: str, body: Term, term: Term):
        super().__init__(None, (), {}, term.text, term.names)
        self.parameter = parameter
        self.body = body

    def evaluate(self, values: dict[str, Any]) -> Callable:
        return lambda x: self.body.evaluate({**values, self.parameter: x})


# -------------------------------------------------- looking through containers
def filled(value: Any, values: dict[str, Any]) -> Any:
    """A container with its terms replaced by their values."""
    if isinstance(value, Term):
        return value.evaluate(values)
    if isinstance(value, (tuple, list)):
        return type(value)([filled(part, values) for part in value])
    if isinstance(value, dict):
        return {key: filled(part, values) for key, part in value.items()}
    return value


def names_in(value: Any) -> frozenset:
    """The variables that the terms of a container read."""
    if isinstance(value, Term):
        return value.names
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return frozenset().union(*map(names_in, value))
    return frozenset()


# -------------------------------------------------- source text
def inner(value: Any) -> str:
    """The text of an operand, in parentheses where it is more than a name or a call."""
    text = spelled(value)
    compound = isinstance(value, Term) and value.function is not None and not closed(text)
    return f"({text})" if compound or text.startswith(("-", "lambda")) else text


def closed(text: str) -> bool:
    """Whether nothing outside brackets could bind to a neighbour: a name, a call, a subscript."""
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character in " -+~":
            return False
    return True


def arguments(args: tuple, kwargs: dict) -> str:
    return ", ".join([*map(spelled, args), *(f"{key}={spelled(part)}" for key, part in kwargs.items())])


def subscript(key: Any) -> str:
    if isinstance(key, tuple) and key:
        return ", ".join(map(subscript, key)) + ("," if len(key) == 1 else "")
    if isinstance(key, slice):
        parts = ["" if part is None else spelled(part) for part in (key.start, key.stop, key.step)]
        return ":".join(parts if parts[2] else parts[:2])
    return "..." if key is Ellipsis else spelled(key)


def spelled(value: Any) -> str:
    """A value as Python source, with NumPy as np."""
    if isinstance(value, Term):
        return value.text
    if isinstance(value, np.ndarray):
        return spelled_array(value)
    if isinstance(value, np.generic):
        return repr(value) if repr(value).startswith("np.") else f"np.{value!r}"
    if isinstance(value, np.dtype):
        return f"np.dtype({value.name!r})"
    if isinstance(value, slice):
        return f"slice({spelled(value.start)}, {spelled(value.stop)}, {spelled(value.step)})"
    if isinstance(value, (tuple, list)):
        parts = ", ".join(map(spelled, value))
        return f"[{parts}]" if isinstance(value, list) else f"({parts}{',' if len(value) == 1 else ''})"
    if isinstance(value, type):
        return f"np.{value.__name__}" if issubclass(value, np.generic) else value.__name__
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {spelled(part)}" for key, part in value.items()) + "}"
    if callable(value):
        return spelled_function(value)
    return f"np.{value!r}".replace("np.-", "-np.") if value in (INF, -INF) else repr(value)


def spelled_array(x: np.ndarray) -> str:
    if x.size == 0:
        return f"np.zeros({x.shape}, {x.dtype.name!r})"
    dtype = (
        "" if x.dtype in (np.dtype(float), np.dtype(int), np.dtype(complex), np.dtype(bool)) else x.dtype.name
    )
    return f"np.array({spelled(x.tolist())}{f', {dtype!r}' if dtype else ''})"


def spelled_function(function: Callable) -> str:
    """np.linalg.solve and its like; ufuncs of SciPy as special.erf."""
    label = function.__name__
    if isinstance(function, np.ufunc):
        if getattr(np, label, None) is function:
            return f"np.{label}"
        return f"special._ufuncs.{label}" if label.startswith("_") else f"special.{label}"
    module = (getattr(function, "__module__", None) or "").replace("numpy", "np", 1)
    return f"{module}.{label}" if module.startswith("np") else label
