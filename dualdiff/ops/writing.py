"""Writing in place: what x[key] = v, x += v, np.add.at and out= do, and when they may.

Underneath nothing is written: the tensor becomes its updated value (Tensor.become), under every name that it
has. So a write is right as long as no other living tensor shows the memory that NumPy would write to
(memory.py); otherwise it raises and names the rewrite. `x[key] += v` reaches a tensor in two calls, a write
into the view x[key] and x[key] = that: after the first all that show the memory are unsettled, so that
whatever is done with them raises, until the second settles them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dualdiff.core import FUNCTIONS, Level, Op, Tracer
from dualdiff.errors import ConversionError, MutationError
from dualdiff.memory import is_read_only, is_view, members
from dualdiff.ops.creation import asarray
from dualdiff.ops.indexing import where
from dualdiff.ops.structural import astype
from dualdiff.ops.updates import At


# -------------------------------------------------- may it be written?
def update(x: Any, statement: str, new: Callable, *values: Any, operand: bool = False) -> None:
    """Let x become new(), if it may be written.

    The values that are written may be views of x, as in x[1:] = x[:-1]: they hold the old numbers, which is
    right in that statement, and cannot be used after it.
    """
    given = [v for v in parts(values) if v is not x and any(v is member for member in members(x))]
    writable(x, statement, operand, given)
    x.become(new())
    for v in given:
        v.level = Unsettled(v.level, object())


def parts(values: Any) -> list:
    """The tensors among values and in lists of them."""
    found = [v for v in values if isinstance(v, Tracer)]
    return found + [v for value in values if isinstance(value, (list, tuple)) for v in parts(value)]


def writable(x: Any, statement: str, operand: bool = False, given: Any = ()) -> None:
    """Raise unless a write to x shows nowhere but in the `given`; NumPy's errors where NumPy has one."""
    if not isinstance(x, Tracer):
        into_array(statement)
    if type(x.level) is Unsettled:
        x.level.escaped()
    if is_read_only(x):
        raise ValueError(f"{'output array' if operand else 'assignment destination'} is read-only")
    if is_number(x):
        raise TypeError(f"a {type(x).__name__} without axes cannot be written in place, as no number can")
    others = [y for y in members(x) if y is not x and all(y is not v for v in given)]
    if others:
        raise MutationError(
            f"{statement} on a tensor of shape {x.shape} would show in {len(others)} more that NumPy lets "
            f"show the same memory, such as one of shape {others[0].shape}.",
            "Write to a copy (v = x[0:2].copy()), write x[0:2] = v instead of writing into a view, or let go "
            "of the views of x before writing to it.",
        )


def into_array(statement: str) -> NoReturn:
    raise ConversionError(
        f"{statement} would write a tensor into a plain array and drop its derivative.",
        "Start from dualdiff.numpy.zeros(shape), np.zeros_like(x) or x.copy(), which hold tensors.",
    )


def is_number(x: Any) -> bool:
    """Whether a tensor without axes stands for a number, which NumPy does not write in place."""
    if x.shape or len(members(x)) > 1:
        return False
    value = x
    while isinstance(value, Tracer):
        value = getattr(value, "primal", None)
    return not (type(value) is np.ndarray and value.ndim == 0)


class Unsettled(Level):
    """The level of tensors that a write into a view has made out of date; it holds their own."""

    __slots__ = ("settled", "write")
    guarded = None

    def __init__(self, settled: Level, write: object):
        self.number = settled.number
        self.closed = True
        self.settled = settled
        self.write = write  # one object for all that one write unsettled

    def escaped(self) -> NoReturn:
        raise MutationError(
            "a tensor was used after a write that NumPy would let show in it, such as `v += ...` on a view.",
            "Write x[0:2] += ... in one statement, v = v + ..., or take a copy: v = x[0:2].copy().",
        )

    tick = escaped


# -------------------------------------------------- x[key] = v
def assign(x: Any, key: Any, v: Any) -> None:
    """x[key] = v."""
    if type(x.level) is Unsettled:
        settle(x, v)
    if is_number(x):
        raise TypeError(f"a {type(x).__name__} without axes does not support item assignment")
    update(x, "x[key] = v", lambda: At(x, key).set(checked(asarray(v), x)), v)


def checked(v: Any, x: Any) -> Any:
    """v, unless its derivative would be lost in the dtype of x."""
    if isinstance(v, Tracer) and v.dtype.kind in "fc" and x.dtype.kind in "biu":
        raise ConversionError(
            f"writing a tensor of {v.dtype} into one of {x.dtype} would drop its derivative.",
            "Give the target a floating dtype.",
        )
    return v


def unsettle(x: Any, y: Any) -> Any:
    """y, the new value of the view x, in the hands of Python until it is assigned."""
    write = object()
    y = y.again() if isinstance(y, Tracer) else x.constant(y)
    for tensor in (*members(x), y):
        tensor.level = Unsettled(tensor.level, write)
    return y


def settle(x: Any, v: Any) -> None:
    """The second half of x[key] += v."""
    if not isinstance(v, Tracer) or getattr(v.level, "write", None) is not x.level.write:
        x.level.escaped()
    for tensor in (*members(x), v):
        if type(tensor.level) is Unsettled:
            tensor.level = tensor.level.settled


# -------------------------------------------------- x += v
def in_place(op: Op) -> Callable:
    """The method for `x op= v`."""

    def method(self: Any, other: Any) -> Any:
        if is_number(self):
            return op(self, other)
        y = fitting(op(self, asarray(other) if isinstance(other, (list, tuple)) else other), self, op.name)
        if is_view(self) and not is_read_only(self):  # as in x[key] += v, of which this is the first half
            return unsettle(self, y)
        update(self, f"in-place {op.name}", lambda: y, other, operand=True)
        return self

    return method


def fitting(y: Any, x: Any, name: str, casting: str = "same_kind") -> Any:
    """y as NumPy would store it in x: of its shape, and in its dtype if the casting rule allows it."""
    if y.shape != x.shape:
        if np.broadcast_shapes(y.shape, x.shape) != x.shape:
            raise ValueError(
                f"non-broadcastable output operand with shape {x.shape} doesn't match the broadcast shape "
                f"{np.broadcast_shapes(y.shape, x.shape)}"
            )
        y = np.broadcast_to(y, x.shape)
    if y.dtype == x.dtype:
        return y
    if not np.can_cast(y.dtype, x.dtype, casting):
        raise ConversionError(
            f"{name} in place of {y.dtype} values into a tensor of {x.dtype}: NumPy cannot cast them with "
            f"casting rule {casting!r}.",
            "Write x = x + v, or give x the wider dtype first.",
        )
    return astype(y, x.dtype)


def store(out: Any, y: Any, name: str, mask: Any = True, casting: str = "same_kind", inputs: Any = ()) -> Any:
    """y written into out where the mask holds, as the keywords out= and where= have it."""

    def new():
        fitted = fitting(asarray(y), out, name, casting)
        return fitted if mask is True else where(mask, fitted, out)

    update(out, f"{name}(..., out=)", new, *inputs, operand=True)
    return out


# -------------------------------------------------- ufunc.at
def at(ufunc: np.ufunc, name: str, x: Any, key: Any, *values: Any) -> None:
    """ufunc.at(x, key, v): one application after another, so that a repeated index is written again."""
    op = FUNCTIONS[ufunc]

    def new():
        if ufunc in (np.add, np.subtract) and len(values) == 1:
            (v,) = (asarray(v) for v in values)
            return At(x, key).add(checked(v if ufunc is np.add else -v, x))
        return At(x, key).apply(op, *(checked(asarray(v), x) for v in values))

    update(x, name, new, *values)
