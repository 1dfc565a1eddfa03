"""How the first value that is not finite is put into words: op, line, operands, domain and cause."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.domains import reals
from dualdiff.errors import NonFiniteError

SMALL = 4  # elements up to which an array is written out
ORDINALS = ("first", "second", "third", "fourth", "fifth")
OUTSIDE = "Keep such places out: where_safe(cond, f, g, x) applies f where cond holds, and g elsewhere."
ENTERED = "An operand was not finite when it came in: look for it in the inputs and constants."
BLOCKED = (
    "A branch that is not taken is multiplied by 0, which infinity survives: write where_safe(cond, f, g, "
    "x), or use strong_zero()."
)
MASKED = "Values that are not finite on purpose are passed over by debug(primal=False)."


def value_error(call: Any, value: Any, place: tuple[int, ...]) -> NonFiniteError:
    """The function's own value is not finite, though its operands are."""
    return NonFiniteError(
        f"{received(call, value, place)}{domain(call)}; the value is {number(value[place])}{said(call)}.",
        MASKED,
    )


def derivative_error(
    call: Any, what: str, value: Any, place: tuple[int, ...], seed: Any, zero_met_infinity: bool
) -> NonFiniteError:
    """A tangent or cotangent is not finite, though what it was made of is."""
    met = "" if seed is None else f" made of {number(seed)}"
    because = ": 0 * inf" if zero_met_infinity else ""
    if zero_met_infinity:
        remedy = BLOCKED
    elif not all(np.isfinite(x).all() for x in map(np.asarray, call.operands) if x.dtype.kind in "fc"):
        remedy = ENTERED
    else:
        remedy = "" if call.undefined() else OUTSIDE
    return NonFiniteError(
        f"{received(call, value, place)}{domain(call)}; a {what}{met} became {number(value[place])}{because}"
        f"{said(call)}.",
        remedy,
    )


def said(call: Any) -> str:
    """What the op itself says of its derivative at these operands."""
    text = call.undefined()
    return f". {text[0].upper()}{text[1:]}" if text else ""


def received(call: Any, value: Any, place: tuple[int, ...]) -> str:
    """What an op was given, and where: for an elementwise op the elements behind one place of the result."""
    if not call.operands:
        return f"{call.name} at {call.line}"
    if elementwise_at(call, value):
        words = " and ".join(number(element(x, place)) for x in call.operands)
        shape = np.broadcast_shapes(*map(np.shape, call.operands))  # without the lanes of a Jacobian
        if shape:
            words += f" (element {list(place[len(place) - len(shape) :])} of shape {shape})"
    else:
        words = " and ".join(described(x) for x in call.operands)
    return f"{call.name} received {words} at {call.line}"


def elementwise_at(call: Any, value: Any) -> bool:
    return (
        call.op is not None and call.op.kind == "elementwise" and all(fits(x, value) for x in call.operands)
    )


def domain(call: Any) -> str:
    """The domains of an elementwise op in words, but for the real line."""
    domains: tuple = call.op.domain if call.op is not None and call.op.kind == "elementwise" else ()
    if len(domains) == 1 and domains[0] is not reals:
        return f"; its domain is {domains[0].name}"
    named = [
        f"the domain of its {ORDINALS[i]} argument is {d.name}"
        for i, d in enumerate(domains)
        if d is not reals
    ]
    return "".join(f"; {words}" for words in named)


def described(x: Any) -> str:
    """A value if it is small, else its shape, how many elements are not finite and where the first is."""
    if getattr(x, "dtype", None) is None:
        return repr(x) if isinstance(x, (int, float, complex)) else f"a {type(x).__name__}"
    if x.size <= SMALL:
        return number(x) if not x.shape else " ".join(np.array2string(x, separator=", ").split())
    words = f"an array of shape {x.shape}"
    odd: Any = np.argwhere(~np.isfinite(x)) if x.dtype.kind in "fc" else ()
    if len(odd):
        first = tuple(map(int, odd[0]))
        words += f", {len(odd)} of {x.size} not finite, the first {number(x[first])} at {list(first)}"
    return words


def number(x: Any) -> str:
    return str(x.item() if isinstance(x, (np.ndarray, np.generic)) else x)


# -------------------------------------------------- places
def fits(x: Any, value: Any) -> bool:
    """Whether x broadcasts to the shape of value."""
    try:
        return np.broadcast_shapes(np.shape(x), np.shape(value)) == np.shape(value)
    except ValueError:
        return False


def element(x: Any, place: tuple[int, ...]) -> Any:
    """The element of x that broadcasts to this place."""
    n = np.ndim(x)
    place = (0,) * (n - len(place)) + place[len(place) - n :] if n else ()
    return np.asarray(x)[tuple(i if m > 1 else 0 for i, m in zip(place, np.shape(x), strict=True))]
