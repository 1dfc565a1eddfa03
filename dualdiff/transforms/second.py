"""hessian and hvp: second derivatives, as a first derivative of a first derivative in any pair of modes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError, StructureError
from dualdiff.transforms.boundary import (
    MODES,
    check_callable,
    check_mode,
    give_back_all,
    input_leaves,
    matching_arguments,
)
from dualdiff.transforms.derivative import gradient_for, jacobian
from dualdiff.transforms.linear import jvp, push_forward, vjp
from dualdiff.transforms.selection import Selection
from dualdiff.tree import flatten, unflatten

HVP_MODES = ("auto", *(f"{a}-over-{b}" for a in MODES[1:] for b in MODES[1:]))


def hessian(
    f: Callable,
    argnums: Any = 0,
    *,
    mode: Any = "auto",
    has_aux: bool = False,
    chunk_size: int | str | None = "auto",
) -> Callable:
    """A function with f's signature that returns all second derivatives of the scalar function f.

    Shapes      input shape + input shape; containers give containers of blocks
    Derivative  the Jacobian of the gradient. mode is a pair, outer first, such as ("forward", "reverse"),
                which is what "auto" takes; one word stands for both.
    Raises      ScalarOutputError, InputTypeError
    """
    check_callable(f, "hessian")
    if mode == "auto":
        mode = "forward", "reverse"
    pair = mode if isinstance(mode, tuple) and len(mode) == 2 else (mode, mode)
    if not all(word in MODES for word in pair):
        raise InputTypeError(
            f"hessian was given mode={mode!r}.",
            "Choose 'auto', 'forward', 'reverse', or a pair of these, outer first.",
        )
    outer, inner = pair
    gradient = gradient_for("hessian", f, argnums, has_aux, inner)
    second = jacobian(gradient, argnums, mode=outer, has_aux=has_aux, chunk_size=chunk_size)

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        if Selection(f, argnums, args, kwargs, "hessian").complex:
            raise InputTypeError(
                "hessian needs real arguments; it was given complex ones.",
                "For a holomorphic f: jacobian(grad(f, holomorphic=True), holomorphic=True).",
            )
        return second(*args, **kwargs)

    return both


def hvp(f: Callable, primals: Any, tangents: Any, *, mode: str = "auto", has_aux: bool = False) -> tuple:
    """The gradient of the scalar f at `primals` and its Hessian times `tangents`, without the Hessian.

    Shapes      primals, tangents: tuples, one entry per argument of f; both results have their structure
                (not wrapped in a tuple for one argument)
    Derivative  H v with one of the mode pairs "forward-over-reverse" (which "auto" takes),
                "reverse-over-forward", "reverse-over-reverse", "forward-over-forward"
    Raises      ScalarOutputError, StructureError, ShapeError, InputTypeError
    """
    check_callable(f, "hvp")
    check_mode(mode, "hvp", HVP_MODES)
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise StructureError("hvp takes its primals and tangents as tuples.", "Write hvp(f, (x,), (v,)).")
    outer, inner = ("forward", "reverse") if mode == "auto" else mode.split("-over-")
    argnums = tuple(range(len(primals))) if len(primals) != 1 else 0
    leaves, trees = input_leaves(tuple(primals), "hvp", range(len(primals)))
    dots = matching_arguments(tuple(tangents), tuple(primals), leaves, "tangent", "hvp")
    if outer == "forward":
        gradient = gradient_for("hvp", f, argnums, has_aux, inner)
        gs, products, tree, aux = push_forward(gradient, leaves, trees, dots, has_aux, "hvp")
        given = [*leaves, *dots]
        g, product = (unflatten(tree, give_back_all(found, leaves, given)) for found in (gs, products))
        return (g, product, aux) if has_aux else (g, product)
    if inner == "reverse":
        gradient = gradient_for("hvp", f, argnums, has_aux, "reverse")
        g, pullback, *aux = vjp(gradient, *primals, has_aux=has_aux)
        product = pullback(tangents[0] if argnums == 0 else tuple(tangents))
    else:
        g, aux = None, []

        def slope(*xs):
            y, y_dot, *rest = jvp(f, xs, tangents, has_aux=has_aux)
            return y_dot, (y, rest)

        y_dot, pullback, (_, aux) = vjp(slope, *primals, has_aux=True)
        product = pullback(np.ones_like(y_dot))
        g = gradient_for("hvp", f, argnums, has_aux, "auto")(*primals)
        g = g[0] if has_aux else g
    product = product[0] if argnums == 0 else product
    return (in_kind(g, leaves), in_kind(product, leaves), *aux)


def in_kind(found: Any, leaves: list) -> Any:
    """Derivatives as scalars and arrays of shape () where the inputs were."""
    derivatives, tree = flatten(found)
    return unflatten(tree, give_back_all(derivatives, leaves))
