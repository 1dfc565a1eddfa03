"""Fast entries of reverse mode: one closure per elementwise op or product, which records without a detour.

What the general path (reverse.py) finds out at every call is settled here once per op: the rule objects, what
they keep, which arguments are on the tape. Per call there is one NumPy call, one node tuple and one slotted
object. The residuals of an elementwise node are the output and the two inputs themselves, in the places of
y, xs and params. Float64 arguments of one shape have a rule of their own, whose cotangents fit as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import Op, bind, on_register
from dualdiff.declare import over
from dualdiff.modes.forward import constant_binary, constant_unary, push_elementwise, push_multilinear
from dualdiff.modes.guard import kept
from dualdiff.modes.reverse import TapeTensor, scale
from dualdiff.modes.tape import Rule
from dualdiff.tensor import FLOAT64, LIFTS, PLAIN, has_entries, install

ndarray, array = np.ndarray, np.array
new = object.__new__  # with the slots set one by one, which costs less than calling the class


def entry(op: Op, f: Callable) -> Callable:
    """What answers `op` on tape tensors; `f` is the ufunc, or the operator that stands for it."""
    if op.kind == "constant":
        return constant_unary(f) if op.arity == 1 else constant_binary(TapeTensor, op, f)
    if op.kind == "multilinear":
        return product(op, f)
    return unary(op, f) if op.arity == 1 else binary(op, f)


# -------------------------------------------------- one argument
def unary(op: Op, f: Callable) -> Callable:
    (d,) = op.partials
    keep_y, keep_x = 0 in op.reads[0], 1 in op.reads[0]

    def pull(y_bar, y, x, _):
        return (scale(y_bar, d, y, x),)

    def push(x_dots, y, x, _):
        return push_elementwise(op, y, (x,), x_dots, None)

    general, real = Rule(pull, push, op=op.name), Rule(term(d, 1), push, exact=1, op=op.name)

    def call(x):
        level, parent, x = x.level, x.node, x.primal
        y = f(x)
        dtype = y.dtype
        rule = real if dtype is FLOAT64 and parent[2] is FLOAT64 else general
        y_kept, x_kept = y if keep_y else None, x if keep_x else None
        tensor = new(TapeTensor)
        tensor.level, tensor.primal = level, y
        tensor.node = (level.tick(), parent[1], dtype, rule, y_kept, x_kept, None, parent)
        return tensor

    return call


# -------------------------------------------------- two arguments
def binary(op: Op, f: Callable) -> Callable:
    left, right = beside_constant(op, f, 0), beside_constant(op, f, 1)
    general, real = rules(op, (0, 1))
    reads = {position for group in op.reads for position in group}
    keep_z, keep_x, keep_y = 0 in reads, 1 in reads, 2 in reads

    def call(x, y):
        if type(x) is not TapeTensor:
            return right(y, x)
        if type(y) is not TapeTensor:
            return left(x, y)
        level = x.level
        if y.level is not level:
            return bind(op, (x, y), {})
        p, q, x, y = x.node, y.node, x.primal, y.primal
        z = f(x, y)
        z_kept, x_kept, y_kept = z if keep_z else None, x if keep_x else None, y if keep_y else None
        tensor = new(TapeTensor)
        tensor.level, tensor.primal = level, z
        dtype, shape = z.dtype, p[1]
        if dtype is FLOAT64 and p[2] is FLOAT64 and q[2] is FLOAT64 and shape == q[1]:
            tensor.node = (level.tick(), shape, dtype, real, z_kept, x_kept, y_kept, p, q)
        else:
            tensor.node = (level.tick(), z.shape, dtype, general, z_kept, x_kept, y_kept, p, q)
        return tensor

    call.reflected = right  # type: ignore[attr-defined]
    return call


def beside_constant(op: Op, f: Callable, active: int) -> Callable:
    """The entry for a tape tensor as argument number `active` and a plain operand c; it takes them in this
    order. The residuals of such a node are the output, the argument of the tape and c."""
    general, real = rules(op, (active,))
    lifts, first = op.name in LIFTS, active == 0
    reads = op.reads[active]
    keep_z, keep_x, keep_c = 0 in reads, 1 + active in reads, 2 - active in reads

    def call(tensor, c):
        kind = type(c)
        if kind not in PLAIN:
            return bind(op, (tensor, c) if first else (c, tensor), {})
        level, parent, x = tensor.level, tensor.node, tensor.primal
        shape, dtype = parent[1], parent[2]
        if kind is ndarray:
            if keep_c:
                c = kept(level, c)
        elif lifts and dtype is FLOAT64 and (kind is float or kind is int) and type(x) is ndarray:
            c = array(c, FLOAT64)
        z = f(x, c) if first else f(c, x)
        plain = kind is not ndarray or z.shape == shape  # a number leaves the shape as it is
        z_kept, x_kept, c_kept = z if keep_z else None, x if keep_x else None, c if keep_c else None
        tensor = new(TapeTensor)
        tensor.level, tensor.primal = level, z
        if plain and dtype is FLOAT64 and z.dtype is FLOAT64:
            tensor.node = (level.tick(), shape, dtype, real, z_kept, x_kept, c_kept, parent)
        else:
            tensor.node = (level.tick(), z.shape, z.dtype, general, z_kept, x_kept, c_kept, parent)
        return tensor

    return call


def product(op: Op, f: Callable) -> Callable:
    """The entry of a product such as matmul, whose arguments are kept for the cotangents of each other. Of an
    argument that is alone on the tape only the aval is kept."""
    (both, real_both), (left, real_left), (right, real_right) = (
        product_rules(op, active) for active in ((0, 1), (0,), (1,))
    )

    def call(x, y):
        if type(x) is TapeTensor:
            level, p = x.level, x.node
            if type(y) is TapeTensor and y.level is level:
                x, y, q = x.primal, y.primal, y.node
                z = f(x, y)
                dtype = z.dtype
                real = dtype is FLOAT64 and p[2] is FLOAT64 is q[2] and len(p[1]) <= 2 >= len(q[1])
                rule = real_both if real else both
                return TapeTensor(level, z, (level.tick(), z.shape, dtype, rule, None, x, y, p, q))
            if type(y) in PLAIN:
                y = kept(level, y)
                z, x = f(x.primal, y), Aval(p[1], p[2])
                dtype = z.dtype
                rule = real_left if dtype is FLOAT64 is p[2] and len(p[1]) <= 2 >= y.ndim else left
                return TapeTensor(level, z, (level.tick(), z.shape, dtype, rule, None, x, y, p))
        elif type(y) is TapeTensor and type(x) in PLAIN:
            level, q = y.level, y.node
            x = kept(level, x)
            z, y = f(x, y.primal), Aval(q[1], q[2])
            dtype = z.dtype
            rule = real_right if dtype is FLOAT64 is q[2] and x.ndim <= 2 >= len(q[1]) else right
            return TapeTensor(level, z, (level.tick(), z.shape, dtype, rule, None, x, y, q))
        return bind(op, (x, y), {})

    return call


def product_rules(op: Op, active: tuple[int, ...]) -> tuple[Rule, Rule]:
    """The general rule of a product, and that of two real matrices or vectors: nothing is broadcast, so
    that their cotangents fit as they are."""
    transposes = [op.transposes[i] for i in active]
    first, last = transposes[0], transposes[-1]

    def pull(z_bar, _, x, y):
        return [transpose(z_bar, x, y) for transpose in transposes]

    def push(x_dots, z, x, y):
        dots: list = [None, None]
        for i, x_dot in zip(active, x_dots, strict=True):
            dots[i] = x_dot
        return push_multilinear(op, z, (x, y), dots, {})

    def pull_both(z_bar, _, x, y):
        return first(z_bar, x, y), last(z_bar, x, y)

    def pull_one(z_bar, _, x, y):
        return first(z_bar, x, y)

    general = Rule(pull, push, op=op.name)
    if op.evaluate is not np.matmul:  # such as vecdot, which broadcasts matrices
        return general, general
    both = len(active) == 2
    return general, Rule(pull_both if both else pull_one, push, exact=len(active), op=op.name)


# -------------------------------------------------- rules
def rules(op: Op, active: tuple[int, ...]) -> tuple[Rule, Rule]:
    """The general rule and that of real arguments of one shape, with these arguments on the tape."""
    partials = [op.partials[i] for i in active]
    if active == (1,):
        partials = [swapped(d) for d in partials]

    def pull(z_bar, z, x, y):
        return [scale(z_bar, d, z, x, y) for d in partials]

    def push(x_dots, z, x, y):
        if len(active) == 2:
            return push_elementwise(op, z, (x, y), x_dots, None)
        xs, dots = ((x, y), (*x_dots, None)) if active == (0,) else ((y, x), (None, *x_dots))
        return push_elementwise(op, z, xs, dots, None)

    real = pair(partials) if len(active) == 2 else term(partials[0], 2)
    return Rule(pull, push, op=op.name), Rule(real, push, exact=len(active), op=op.name)


def swapped(d: Any) -> Any:
    """The partial by the second argument, as a function of the output, the second and the first."""
    if type(d) is over:
        return over(swapped(d.divisor))
    return (lambda z, y, x: d(z, x, y)) if callable(d) else d


def term(d: Any, arity: int) -> Callable:
    """d y_bar for a real partial."""
    if type(d) is over:
        f = d.divisor
        if arity == 1:
            return lambda y_bar, y, x, _: y_bar / f(y, x)
        return lambda z_bar, z, x, y: z_bar / f(z, x, y)
    if callable(d):
        return (
            (lambda y_bar, y, x, _: y_bar * d(y, x))
            if arity == 1
            else lambda z_bar, z, x, y: z_bar * d(z, x, y)
        )
    if d == 1:
        return lambda z_bar, z, x, y: z_bar
    return (lambda z_bar, z, x, y: -z_bar) if d == -1 else lambda z_bar, z, x, y: z_bar * d


def pair(partials: list) -> Callable:
    """Both cotangents at once; the commonest kinds without a call for each."""
    if tuple(partials) == (1, 1):
        return lambda z_bar, z, x, y: (z_bar, z_bar)
    if all(callable(d) and type(d) is not over for d in partials):
        first, second = partials
        return lambda z_bar, z, x, y: (z_bar * first(z, x, y), z_bar * second(z, x, y))
    a, b = (term(d, 2) for d in partials)
    return lambda z_bar, z, x, y: (a(z_bar, z, x, y), b(z_bar, z, x, y))


def _install(op: Op) -> None:
    flat = op.kind == "elementwise" and None in op.partials  # may record nothing: the general path knows
    if has_entries(op) and not (flat and op.arity == 2):
        install(TapeTensor, op, entry)


on_register(_install)
