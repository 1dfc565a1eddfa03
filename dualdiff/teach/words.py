"""How a call of an op is written: as the formula that a reader would write, from the words of its arguments.

`Words` are a text and how tightly it holds together, so that parentheses stand where they are needed and
nowhere else. Names of values are kept apart from the text around them and are spelled last: `v-1_dot` in
plain text, with a dot and a subscript in HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import Op

COMPARE, SUM, MINUS, PRODUCT, POWER, CALL, ATOM = range(7)  # how tightly a text holds together
NAME = re.compile("\x01([^|]*)\\|([^|]*)\\|([^\x02]*)\x02")
SUFFIX = {"": "", ".": "_dot", "~": "_bar"}
ACCENT = {"": "", ".": "&#775;", "~": "&#772;"}  # a dot above, a bar above


class Words(NamedTuple):
    """A formula and how tightly it holds together."""

    text: str
    bond: int = ATOM

    def within(self, bond: int) -> str:
        """The text as a part of a formula that holds this tightly."""
        return self.text if self.bond >= bond else f"({self.text})"


class Formula(str):
    """A formula as plain text; `to_html()` has subscripts, dots and bars."""

    marked: str

    def __new__(cls, marked: str) -> Formula:
        made = super().__new__(cls, NAME.sub(lambda m: m[1] + m[2] + SUFFIX[m[3]], marked))
        made.marked = marked
        return made

    def to_html(self) -> str:
        """The formula for a page."""
        text = html.escape(self.marked, quote=False).replace(" * ", " &middot; ")
        return NAME.sub(lambda m: f"<i>{m[1]}</i>{ACCENT[m[3]]}{f'<sub>{m[2]}</sub>' if m[2] else ''}", text)


def name(text: str, mark: str = "") -> Words:
    """The name of a value, such as v-1; mark "." is its tangent, "~" its adjoint."""
    letters = text.rstrip("-0123456789") if re.fullmatch(r"[a-z]-?\d+", text) else text
    return Words(f"\x01{letters}|{text[len(letters) :]}|{mark}\x02")


# -------------------------------------------------- constants
def number(x: Any, digits: int = 6) -> str:
    """A number in so many digits at most."""
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if isinstance(x, (complex, np.complexfloating)):
        return f"{x.real:.{digits}g}{x.imag:+.{digits}g}j"
    return f"{x + 0:.{digits}g}"  # -0 is 0 to a reader


def brief(x: Any, digits: int = 6) -> str:
    """A value on one line: numbers and short vectors themselves, other arrays by shape and norm."""
    x = np.asarray(x)
    if x.ndim == 0:
        return number(x[()], digits)
    if x.ndim == 1 and x.size <= 4:
        return "[" + ", ".join(number(element, digits) for element in x) + "]"
    if x.dtype.kind == "b":
        return f"{shape_text(x.shape)}, {np.count_nonzero(x)} True"
    return f"{shape_text(x.shape)}, norm {number(np.linalg.norm(x.ravel()), digits)}"


def shape_text(x: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, x)) + ("," if len(x) == 1 else "") + ")"


def constant(x: Any) -> Words:
    """A constant in a formula."""
    if isinstance(x, (list, tuple)):
        x = np.asarray(x)
    if getattr(x, "ndim", 0):
        short = x.ndim == 1 and x.size <= 4
        return Words(brief(x)) if short else Words("array" + "x".join(map(str, x.shape)))
    text = number(x[()] if isinstance(x, np.ndarray) else x)
    return Words(text, MINUS if text.startswith("-") or "j" in text else ATOM)


# -------------------------------------------------- operators
def infix(sign: str, bond: int) -> Callable:
    """A writer of a binary operator."""

    def write(a: Words, b: Words) -> Words:
        right = f"({b.text})" if b.text.startswith("-") else b.within(bond + 1)
        return behind(a, bond, f" {sign} {right}")

    return write


def behind(a: Words, bond: int, rest: str) -> Words:
    """What begins with a; a minus in front of a product is that of the whole product."""
    if bond == PRODUCT and a.bond == MINUS:
        return Words(a.text + rest, MINUS)
    return Words(a.within(bond) + rest, bond)


def added(a: Words, b: Words) -> Words:
    if b.text.startswith("-"):
        return Words(f"{a.within(SUM)} - {b.text[1:]}", SUM)
    right = b.within(SUM)  # a sum needs no parentheses behind a plus
    return Words(f"{a.within(SUM)} + {right}", SUM)


subtracted, divided = infix("-", SUM), infix("/", PRODUCT)


def multiplied(a: Words, b: Words) -> Words:
    """a * b, and a / c for b = 1 / c."""
    if b.bond == PRODUCT and b.text.startswith("1 / "):
        return behind(a, PRODUCT, f" / {b.text[4:]}")
    return behind(a, PRODUCT, f" * {b.within(POWER)}")


def raised(a: Words, b: Words) -> Words:
    return Words(f"{a.within(ATOM)}**{b.within(ATOM)}", POWER)


def applied(function: str) -> Callable:
    """A writer of a function of one argument: sin v0, sin(v0 + 1)."""

    def write(a: Words) -> Words:
        return Words(f"{function} {a.text}" if a.bond == ATOM else f"{function}({a.text})", CALL)

    return write


INFIX: dict[str, Callable] = {
    "add": added, "subtract": subtracted, "multiply": multiplied, "divide": divided, "power": raised,
    "matmul": infix("@", PRODUCT), "remainder": infix("%", PRODUCT), "floor_divide": infix("//", PRODUCT),
    "less": infix("<", COMPARE), "less_equal": infix("<=", COMPARE), "equal": infix("==", COMPARE),
    "not_equal": infix("!=", COMPARE), "greater": infix(">", COMPARE), "greater_equal": infix(">=", COMPARE),
    "negative": lambda a: Words(f"-{a.within(PRODUCT)}", MINUS),
    "positive": lambda a: a,
    "square": lambda a: raised(a, Words("2")),
    "reciprocal": lambda a: divided(Words("1"), a),
}  # fmt: skip

# The names that readers know, where the op has another.
KNOWN = {
    "log": "ln", "absolute": "abs", "conjugate": "conj", "select_where": "where", "join": "concatenate",
    "length": "norm", "cycle": "roll", "accumulate_add": "cumsum", "accumulate_multiply": "cumprod",
    "fourier": "fft", "inverse_fourier": "ifft", "real_fourier": "rfft", "inverse_real_fourier": "irfft",
    "convolve_full": "convolve", "polynomial_roots": "roots", "reduce_maximum": "max",
    "reduce_minimum": "min", "sum_from": "sum",
    "reduce_logaddexp": "logsumexp", "phase": "sign", "sign_real": "sign",
    "cut": "index", "gather": "index", "reshape_to": "reshape", "permute": "transpose",
    "expand_to": "broadcast",
    "safe_product": "multiply", "safe_divide": "divide", "rounded": "round", "order_of": "argsort",
}  # fmt: skip


def known_as(op: str) -> str:
    """The name of an op for readers."""
    return KNOWN.get(op) or op.removeprefix("special.").removeprefix("reduce_").rstrip("_")


# -------------------------------------------------- indexing and shapes
def key_text(key: Any) -> str:
    """What stands between the brackets of an index."""
    key = key if isinstance(key, tuple) else (key,)
    return ", ".join(map(part_text, key))


def part_text(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends) + ("" if part.step is None else f":{part.step}")
    if isinstance(part, np.ndarray):
        return constant(part).text
    return "..." if part is Ellipsis else str(part)


def taken(a: Words, *indices: Words) -> Words:
    """x[i, j]"""
    return Words(f"{a.within(ATOM)}[{', '.join(i.text for i in indices)}]")


def put(a: Words, *indices: Words, shape: tuple) -> Words:
    """The adjoint of x[i, j]: zeros but at these places."""
    return Words(f"{a.within(CALL)} at [{', '.join(i.text for i in indices)}]", CALL)


def permuted(a: Words, *, axes: tuple[int, ...]) -> Words:
    n = len(axes)
    if axes == tuple(range(n))[::-1] and n == 2:
        return Words(f"{a.within(ATOM)}.T")
    if n > 2 and axes == (*range(n - 2), n - 1, n - 2):
        return Words(f"{a.within(ATOM)}.mT")
    return Words(f"transpose({a.text}, {shape_text(axes)})")


SHAPES: dict[str, Callable] = {
    "cut": lambda a, *, key: Words(f"{a.within(ATOM)}[{key_text(key)}]"),
    "spread": lambda a, *, key, shape: Words(f"{a.within(CALL)} at [{key_text(key)}]", CALL),
    "gather": taken,
    "scatter_add": put,
    "permute": permuted,
    "reshape_to": lambda a, *, shape: Words(f"reshape({a.text}, {shape_text(shape)})"),
    "expand_to": lambda a, *, shape: Words(f"broadcast({a.text}, {shape_text(shape)})"),
    "convert": lambda a, *, dtype: Words(f"{a.within(ATOM)}.astype({np.dtype(dtype)})"),
    "replace": lambda a, v, *, key: Words(f"{a.within(CALL)} with {v.text} at [{key_text(key)}]", CALL),
    "overwrite": lambda a, v, at: Words(f"{a.within(CALL)} with {v.text} at {at.text}", CALL),
    "einsum": lambda *xs, subscripts, **_: Words(f"einsum({', '.join([repr(subscripts), *texts(xs)])})"),
    "join": lambda *xs, axis: Words(f"concatenate([{', '.join(texts(xs))}]{f', axis={axis}' * (axis > 0)})"),
}  # fmt: skip


def texts(words: Any) -> list[str]:
    return [w.text for w in words]


# -------------------------------------------------- a call
def write_call(op: Op, args: list[Words], ndims: list[int], params: dict) -> Words:
    """The words of op(*args, **params); ndims are the numbers of axes of the arguments."""
    if op.name in INFIX:
        return INFIX[op.name](*args)
    if op.name in SHAPES:
        return SHAPES[op.name](*args, **params)
    said = known_as(op.name)
    if len(args) == 1 and op.kind == "elementwise":
        return applied(said)(args[0])
    if op.name == "sum_from" and args[1].text == "0":
        args = [args[0], Words(f"where={args[2].text}")]
    return Words(f"{said}({', '.join([*texts(args), *keywords(params, ndims[0] if ndims else 0)])})")


def keywords(params: dict, ndim: int) -> list[str]:
    """The parameters that say something: not all axes of the argument, and no None."""
    found = []
    for key, value in params.items():
        if value is None or value is False or (key == "ddof" and not value):
            continue
        if key == "axis" and (value == tuple(range(ndim)) or ndim == 1):
            continue
        if isinstance(value, tuple) and len(value) == 1:
            value = value[0]
        said = value.__name__ if callable(value) else constant(value).text if is_array(value) else repr(value)
        found.append(f"{key}={said if len(said) <= 24 else '...'}")
    return found


def is_array(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic))
