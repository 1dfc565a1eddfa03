"""The rules of ops in words: a rule applied to values that have names says what it makes of them.

A rule is an ordinary function of arrays, so it runs on worded values as it runs on tensors, and what it does
to them is its formula. Where that would be longer than a line, the derivative is named instead of written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import Level, Op
from dualdiff.declare import over
from dualdiff.modes.forward import PUSH
from dualdiff.modes.reverse import PULL
from dualdiff.modes.tape import Slots, fit_cotangent
from dualdiff.modes.zero import Zero
from dualdiff.teach import words
from dualdiff.teach.words import Formula, Words, known_as
from dualdiff.tensor import Tensor

LONGEST = 64  # characters of a rule that is written out

_LEVEL = Level("teach")


class Worded(Tensor):
    """A plain value and the words for it."""

    __slots__ = ()
    value: Any = vars(Tensor)["primal"]
    words: Any = vars(Tensor)["part"]

    def __init__(self, value: Any, words: Words):
        self.level = _LEVEL
        self.value = value
        self.words = words

    def __repr__(self) -> str:
        return f"Worded({self.words.text!r})"

    @classmethod
    def interpret(cls, op: Op, level: Level, args: tuple, params: dict) -> Any:
        values = [x.value if type(x) is cls else x for x in args]
        y = op(*values, **params)
        i = unsaid(op, values, y)
        if i is None:
            said = words.write_call(op, [worded(x) for x in args], [np.ndim(v) for v in values], params)
        else:
            said = worded(args[i])
        if op.multiple:
            return tuple(cls(part, Words(f"{said.text}[{k}]")) for k, part in enumerate(y))
        return cls(y, said)


def worded(x: Any) -> Words:
    return x.words if type(x) is Worded else words.constant(x)


def arrived(x: Any) -> Words:
    """The words of a tangent or cotangent, of which there may be none."""
    return Words("0") if x is None or type(x) is Zero else worded(x)


def unsaid(op: Op, values: list, y: Any) -> int | None:
    """The position of the argument that a call passes on as it is, up to what a formula leaves unsaid.

    That is axes of length 1, casts, conjugates of real numbers, and a choice where all elements are alike.
    """
    same_axes = op.name == "reshape_to" and squeezed(values[0].shape) == squeezed(y.shape)
    if same_axes or op.name == "convert" or (op.name == "conjugate" and y.dtype.kind != "c"):
        return 0
    if op.name == "select_where" and np.ndim(values[0]) <= y.ndim:
        taken = np.unique(values[0])
        return None if taken.size != 1 else 1 if taken[0] else 2
    return None


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


class Spelled:
    """One call with its values and the names of its arguments: what its rules are spelled from.

    active   positions of the arguments that carry a derivative
    names    the words of each argument
    results  the names of what it makes
    """

    def __init__(
        self,
        op: Op,
        values: list,
        y: Any,
        params: dict,
        active: tuple[int, ...],
        names: list[Words],
        results: list[Words],
    ):
        self.op, self.params, self.active = op, params, active
        self.values, self.y = values, y
        self.names, self.results = names, results

    # -------------------------------------------------- forward
    def tangent(self, k: int, dots: dict[int, Words]) -> Formula:
        """The tangent of result k from those of the active arguments."""
        said = attempt(lambda: self._pushed(k, dots))
        if said is None:
            said = Words(f"D {self._call()}[{', '.join(dots[i].text for i in self.active)}]")
        return Formula(said.text)

    def _pushed(self, k: int, dots: dict[int, Words]) -> Words:
        if self.op.kind == "elementwise":
            return self._sum_of_terms(dots)
        x_dots: list = [None] * len(self.values)
        for i, said in dots.items():
            x_dots[i] = Worded(self.values[i], said)  # any number will do: the rule is linear in it
        y_dot = PUSH[self.op.kind](self.op, self._named_y(), self._named_xs(), x_dots, self.params)
        return arrived(y_dot[k] if self.op.multiple else y_dot)

    def _sum_of_terms(self, dots: dict[int, Words]) -> Words:
        total: Words | None = None
        for i in self.active:
            d = self.op.partials[i]
            if d is None:
                continue
            if total is not None and isinstance(d, (int, float)) and d == -1:
                total = words.subtracted(total, dots[i])
                continue
            term = self._times_partial(dots[i], i, plain=True)
            total = term if total is None else words.added(total, term)
        assert total is not None
        return total

    # -------------------------------------------------- reverse
    def cotangent(self, i: int, bars: dict[int, Words], y_bars: dict[int, Any], like: Aval) -> Formula:
        """What argument i receives from the cotangents of the results."""
        said = attempt(lambda: self._pulled(i, bars, y_bars, like))
        if said is None:
            arrived = ", ".join(bars[k].text for k in sorted(bars))
            part = f", {i}" if len(self.active) > 1 else ""
            said = Words(f"D {self._call()}^T[{arrived}]{part and f' for {self.names[i].text}'}")
        return Formula(said.text)

    def _pulled(self, i: int, bars: dict[int, Words], y_bars: dict[int, Any], like: Aval) -> Words:
        if self.op.kind == "elementwise":
            said = self._times_partial(bars[0], i, plain=False)
            return self._summed(said, like)
        named = {k: Worded(y_bars[k], said) for k, said in bars.items()}
        y_bar = Slots(named) if self.op.multiple else named[0]
        pull = PULL[self.op.kind](self.op, self.active)
        found = pull(y_bar, self._named_y(), self._named_xs(), self.params)
        x_bar = found[self.active.index(i)]
        return arrived(x_bar if x_bar is None else fit_cotangent(x_bar, like.shape, like.dtype))

    def _summed(self, said: Words, like: Aval) -> Words:
        """The sum over what broadcasting repeated."""
        extra = len(self.y.shape) - len(like.shape)
        repeated = [k for k, n in enumerate(like.shape) if n == 1 != self.y.shape[extra + k]]
        axes = (*range(extra), *(extra + k for k in repeated))
        if not axes:
            return said
        every = len(axes) == len(self.y.shape)
        return Words(f"sum({said.text}{'' if every else f', axis={axes[0] if len(axes) == 1 else axes}'})")

    # -------------------------------------------------- both
    def _times_partial(self, said: Words, i: int, plain: bool) -> Words:
        """`said` times dy/dx_i; a partial of 1 is left out where `plain`."""
        d = self.op.partials[i]
        if type(d) is over:
            return words.divided(said, self._partial(d.divisor))
        if callable(d):
            return words.multiplied(said, self._partial(d))
        if plain and d == 1:
            return said
        return words.multiplied(said, words.constant(d))

    def partial(self, i: int) -> str | None:
        """The partial by argument i of an elementwise op, None where it does not fit on a line."""
        said = attempt(lambda: self._times_partial(Words("1"), i, plain=False))
        if said is None:
            return None
        text = said.text.removeprefix("1 * ")
        return str(Formula(text[1:-1] if text.startswith("(") and balanced(text[1:-1]) else text))

    def _partial(self, d: Callable) -> Words:
        return worded(d(self._named_y(), *self._named_xs()))

    def _named_y(self) -> Any:
        parts = self.y if self.op.multiple else (self.y,)
        named = tuple(Worded(part, said) for part, said in zip(parts, self.results, strict=True))
        return named if self.op.multiple else named[0]

    def _named_xs(self) -> list:
        return [
            Worded(x, said) if hasattr(x, "shape") else x
            for x, said in zip(self.values, self.names, strict=True)
        ]

    def _call(self) -> str:
        return f"{known_as(self.op.name)}({', '.join(self.names[i].text for i in self.active)})"


def balanced(text: str) -> bool:
    """Whether no parenthesis is closed before it is opened."""
    depth = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return False
    return depth == 0


def attempt(spell: Callable[[], Words]) -> Words | None:
    """The words of a rule, or None where they are too long or the rule does not run on worded values."""
    try:
        with np.errstate(all="ignore"):
            said = spell()
    except Exception:  # a rule of a user's op may do anything; it is then named and not written out
        return None
    return said if len(Formula(said.text)) <= LONGEST and "array" not in said.text else None
