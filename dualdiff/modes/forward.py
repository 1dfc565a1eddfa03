"""Forward mode: a dual tensor carries a primal and its tangent, and every op pushes the tangent forward.

`push` is the JVP of each kind; reverse mode uses it as well, to sweep a tape forwards (linearize).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Level, Op, bind, on_register
from dualdiff.declare import over
from dualdiff.domains import reals
from dualdiff.modes.zero import Zero
from dualdiff.quiet import quiet
from dualdiff.tensor import FLOAT64, LIFTS, PLAIN, SEQUENCES, Tensor, has_entries, install, numeric, slot


class DualTensor(Tensor):
    """A value and its tangent, of one shape and dtype. A value without a tangent is never wrapped."""

    __slots__ = ()
    tangent = slot("part")

    def __init__(self, level: Level, primal: Any, tangent: Any):
        self.level = level
        self.primal = primal
        self.tangent = tangent

    def __repr__(self) -> str:
        return f"DualTensor({self.primal!r}, tangent={self.tangent!r})"

    @classmethod
    def interpret(cls, op: Op, level: Level, args: tuple, params: dict) -> Any:
        if len(args) == 1 and op.kind == "linear":
            return dual_linear(op, level, args[0], params)
        primals, tangents = [], []
        for x in args:
            mine = type(x) is DualTensor and x.level is level
            primals.append(x.primal if mine else np.asarray(x) if type(x) in SEQUENCES else x)
            tangents.append(x.tangent if mine else None)
        y = op(*primals, **params)
        if op.kind == "constant":
            return y
        if not op.multiple:
            numeric(op, y)
        with quiet():  # a derivative warns of nothing that the function does not
            y_dot = PUSH[op.kind](op, y, primals, tangents, params)
        if op.multiple:
            return tuple(dual(level, *pair) for pair in zip(y, y_dot, strict=True))
        return dual(level, y, y_dot)


def dual_linear(op: Op, level: Level, x: DualTensor, params: dict) -> Any:
    """A linear op of one array, such as a slice or a sum, on a value and on its tangent."""
    x, x_dot = x.primal, x.tangent
    y = op.evaluate(x, **params) if type(x) is np.ndarray else op(x, **params)
    if op.moves:
        y_dot = op.evaluate(x_dot, **params) if type(x_dot) is np.ndarray else op(x_dot, **params)
    else:
        with quiet():
            y_dot = op.evaluate(x_dot, **params) if type(x_dot) is np.ndarray else op(x_dot, **params)
    # The same op on the same shape and dtype: the tangent fits.
    return DualTensor(level, y, y_dot) if numeric(op, y).dtype.kind in "fc" else y


def dual(level: Level, y: Any, y_dot: Any) -> Any:
    """y with its tangent, or y alone where nothing flows."""
    if y_dot is None or type(y_dot) is Zero or y.dtype.kind not in "fc":
        return y
    if y_dot.shape != y.shape or y_dot.dtype is not y.dtype:
        y_dot = fit_tangent(y_dot, y)
    return DualTensor(level, y, y_dot)


def fit_tangent(y_dot: Any, y: Any) -> Any:
    """The tangent in y's shape and dtype: broadcast, and the real part where y is real."""
    if y_dot.dtype != y.dtype:
        if y_dot.dtype.kind == "c" and y.dtype.kind != "c":
            y_dot = np.real(y_dot)
        if y_dot.dtype != y.dtype:
            y_dot = y_dot.astype(y.dtype)
    return y_dot if y_dot.shape == y.shape else np.broadcast_to(y_dot, y.shape)


# -------------------------------------------------- the JVP of each kind
def push_elementwise(op: Op, y: Any, xs: Any, x_dots: Any, params: dict) -> Any:
    """sum_i d_i x_dot_i"""
    total = None
    for d, x_dot in zip(op.partials, x_dots, strict=True):
        if d is None or x_dot is None:
            continue
        if type(d) is over:
            term = x_dot / d.divisor(y, *xs)
        elif callable(d):
            term = x_dot * d(y, *xs)
        else:
            term = x_dot if d == 1 else x_dot * d
        total = term if total is None else total + term
    return total


def push_linear(op: Op, y: Any, xs: Any, x_dots: Any, params: dict) -> Any:
    """op(x_dots), with the data arguments as they are"""
    positions = range(len(xs)) if op.linear is None else op.linear
    if all(x_dots[i] is None for i in positions):
        return None
    dots = list(xs)
    for i in positions:
        dots[i] = zero_tangent(xs[i]) if x_dots[i] is None else x_dots[i]
    return op(*dots, **params)


def zero_tangent(x: Any) -> Any:
    """Zeros for an argument without a tangent; a Python number stays weak, so that float32 stays float32."""
    return Zero.like(x).materialise() if hasattr(x, "dtype") else 0


def push_multilinear(op: Op, y: Any, xs: Any, x_dots: Any, params: dict) -> Any:
    """sum_i op(.., x_dot_i, ..)"""
    total = None
    for i, x_dot in enumerate(x_dots):
        if x_dot is not None:
            term = op(*xs[:i], x_dot, *xs[i + 1 :], **params)
            total = term if total is None else total + term
    return total


def push_general(op: Op, y: Any, xs: Any, x_dots: Any, params: dict) -> Any:
    """the differential itself"""
    dots = (Zero.like(x) if x_dot is None else x_dot for x, x_dot in zip(xs, x_dots, strict=True))
    return op.differential(y, *xs, *dots, **params)


PUSH: dict[str, Callable] = {
    "elementwise": push_elementwise,
    "linear": push_linear,
    "multilinear": push_multilinear,
    "general": push_general,
}


# -------------------------------------------------- fast entries
# One closure per op: operator -> entry -> NumPy -> one slotted object. Anything unusual (another level, an
# operand of another type) goes to `bind`. Rows that are smooth everywhere raise no new warnings and skip the
# errstate, which costs as much as an op.
float64, ndarray = np.float64, np.ndarray
new = object.__new__  # with the slots set one by one, which costs less than calling the class


def entry(op: Op, f: Callable) -> Callable:
    if op.kind == "constant":
        return constant_unary(f) if op.arity == 1 else constant_binary(DualTensor, op, f)
    return unary(op, f) if op.arity == 1 else binary(op, f)


def multiplier(op: Op, i: int) -> Callable:
    """(x_dot, y, *xs) -> the term d_i x_dot, for the partial as declared; a product with x_dot in place i."""
    if op.kind == "multilinear":
        f = op.evaluate
        return (lambda x_dot, z, x, y: f(x_dot, y)) if i == 0 else (lambda y_dot, z, x, y: f(x, y_dot))
    d = op.partials[i]
    term: Callable
    if d is None:
        return lambda x_dot, *_: None
    if not callable(d):
        return (lambda x_dot, *_: x_dot) if d == 1 else (lambda x_dot, *_: x_dot * d)
    if type(d) is over:
        term = quotient_of_two(d.divisor) if op.arity == 1 else quotient_of_three(d.divisor)
    else:
        term = product_of_two(d) if op.arity == 1 else product_of_three(d)
    if all(domain is reals for domain in op.domain):
        return term

    def silent(x_dot, *args):
        with quiet():
            return term(x_dot, *args)

    return silent


def product_of_two(d: Callable) -> Callable:
    return lambda x_dot, y, x: x_dot * d(y, x)


def product_of_three(d: Callable) -> Callable:
    return lambda x_dot, z, x, y: x_dot * d(z, x, y)


def quotient_of_two(divisor: Callable) -> Callable:
    return lambda x_dot, y, x: x_dot / divisor(y, x)


def quotient_of_three(divisor: Callable) -> Callable:
    return lambda x_dot, z, x, y: x_dot / divisor(z, x, y)


def unary(op: Op, f: Callable) -> Callable:
    term = multiplier(op, 0)

    def call(x):
        level = x.level
        if level.closed:
            level.escaped()
        primal = x.primal
        y = f(primal)
        y_dot = term(x.tangent, y, primal)
        kind = type(y)
        if kind is not type(y_dot) or (kind is not float64 and y_dot.dtype is not y.dtype):
            y_dot = fit_tangent(y_dot, y)
        tensor = new(DualTensor)
        tensor.level, tensor.primal, tensor.tangent = level, y, y_dot
        return tensor

    return call


def binary(op: Op, f: Callable) -> Callable:
    left, right = multiplier(op, 0), multiplier(op, 1)
    lifts = op.name in LIFTS

    def call(x, y):
        if type(x) is DualTensor:
            level = x.level
            if type(y) is DualTensor and y.level is level:
                x_dot, y_dot, x, y = x.tangent, y.tangent, x.primal, y.primal
                z = f(x, y)
                z_dot, other = left(x_dot, z, x, y), right(y_dot, z, x, y)
                if z_dot is None:
                    z_dot = other
                elif other is not None:
                    z_dot = z_dot + other
            elif type(y) in PLAIN:
                x_dot, x = x.tangent, x.primal
                if lifts and (type(y) is float or type(y) is int) and type(x) is ndarray:
                    y = np.array(y, FLOAT64) if x.dtype is FLOAT64 else y
                z = f(x, y)
                z_dot = left(x_dot, z, x, y)
            else:
                return bind(op, (x, y), {})
        elif type(y) is DualTensor and type(x) in PLAIN:
            level = y.level
            y_dot, y = y.tangent, y.primal
            if lifts and (type(x) is float or type(x) is int) and type(y) is ndarray:
                x = np.array(x, FLOAT64) if y.dtype is FLOAT64 else x
            z = f(x, y)
            z_dot = right(y_dot, z, x, y)
        else:
            return bind(op, (x, y), {})
        if level.closed:
            level.escaped()
        if z_dot is None:
            return z
        numbers = type(z) is float64 is type(z_dot)
        if not numbers and (z_dot.shape != z.shape or z_dot.dtype is not z.dtype):
            z_dot = fit_tangent(z_dot, z)
        tensor = new(DualTensor)
        tensor.level, tensor.primal, tensor.tangent = level, z, z_dot
        return tensor

    return call


def constant_unary(f: Callable) -> Callable:
    def call(x):
        if x.level.closed:
            x.level.escaped()
        return f(x.primal)

    return call


def constant_binary(cls: type, op: Op, f: Callable) -> Callable:
    def call(x, y):
        if type(x) is cls and type(y) in PLAIN:
            if x.level.closed:
                x.level.escaped()
            return f(x.primal, y)
        return bind(op, (x, y), {})

    return call


def _install(op: Op) -> None:
    if has_entries(op):
        install(DualTensor, op, entry)


on_register(_install)
