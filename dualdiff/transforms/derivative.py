"""grad and jacobian: the first derivatives that users ask for, made of jvp and vjp.

The cost rule of mode="auto" is `choose_mode`, and nothing else decides.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import TapeLevel
from dualdiff.errors import InputTypeError, ScalarOutputError
from dualdiff.modes import guard
from dualdiff.modes.tape import Tape, sweep
from dualdiff.transforms.boundary import (
    check_callable,
    check_mode,
    compact,
    fresh_values,
    give_back_all,
    name_of,
)
from dualdiff.transforms.lanes import chunked, swept
from dualdiff.transforms.linear import columns_forward, push_forward, record_forward, run_on_tape
from dualdiff.transforms.selection import Selection
from dualdiff.tree import LEAF, Tree, is_value, unflatten


def choose_mode(inputs: int, outputs: int = 1) -> str:
    """Forward mode for a single input direction, or when there are no more inputs than outputs.

    A batched forward sweep costs about as much per lane as a reverse sweep costs per lane, and keeps no
    tape; benchmarks/ measures where the two cross.
    """
    return "forward" if inputs <= outputs else "reverse"


# -------------------------------------------------- grad
def grad(
    f: Callable, argnums: Any = 0, *, has_aux: bool = False, holomorphic: bool = False, mode: str = "auto"
) -> Callable:
    """A function with f's signature that returns the gradient of the scalar function f.

    Shapes      the gradient has the structure, shapes and dtypes of the argument; a tuple of them when
                argnums is a tuple; (gradient, aux) with has_aux, where f returns (value, aux)
    Derivative  dL/dx; for complex z = u + iv the conjugate convention dL/du + i dL/dv, so that z - t grad
                descends. holomorphic=True: the complex derivative f'(z) of a complex-valued f.
    Raises      ScalarOutputError, InputTypeError (integer arrays, argnums), StructureError

    >>> grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    """
    both = value_and_grad(f, argnums, has_aux=has_aux, holomorphic=holomorphic, mode=mode)

    return derivative_alone(both, f, has_aux)


def derivative_alone(both: Callable, f: Callable, has_aux: bool) -> Callable:
    """A function of (value, derivative) without the value, but with aux."""

    @functools.wraps(f)
    def only(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return only


def value_and_grad(
    f: Callable, argnums: Any = 0, *, has_aux: bool = False, holomorphic: bool = False, mode: str = "auto"
) -> Callable:
    """As `grad`, and returns (value, gradient), or ((value, aux), gradient) with has_aux."""
    return with_gradient(f, argnums, has_aux, holomorphic, mode, "grad")


def gradient_for(transform: str, f: Callable, argnums: Any, has_aux: bool, mode: str) -> Callable:
    """`grad` as a part of another transform, which its errors name and which has checked f and mode."""

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = gradient_at(f, argnums, has_aux, False, mode, transform, args, kwargs)
        return (found, value[1]) if has_aux else found

    # What functools.wraps sets and messages read; the rest of it takes as long as ten ops on small arrays.
    gradient.__name__, gradient.__wrapped__ = name_of(f), f  # type: ignore[attr-defined]
    return gradient


def with_gradient(
    f: Callable, argnums: Any, has_aux: bool, holomorphic: bool, mode: str, transform: str
) -> Callable:
    check_callable(f, transform)
    check_mode(mode, transform)

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> tuple:
        return gradient_at(f, argnums, has_aux, holomorphic, mode, transform, args, kwargs)

    return both


def gradient_at(
    f: Callable,
    argnums: Any,
    has_aux: bool,
    holomorphic: bool,
    mode: str,
    transform: str,
    args: tuple,
    kwargs: dict,
) -> tuple:
    """The value, or (value, aux), and the gradient at these arguments."""
    chosen = Selection(f, argnums, args, kwargs, transform)
    check_holomorphic_input(chosen, holomorphic)
    forward = (choose_mode(chosen.size) if mode == "auto" else mode) == "forward"
    gradient = gradient_forward if forward else gradient_reverse
    value, bars, aux, tree = gradient(chosen, has_aux, holomorphic)
    if holomorphic:
        bars = [bar if bar is None else np.conj(bar) for bar in bars]
    found = chosen.result(give_back_all(bars, chosen.leaves))
    if type(value) is np.ndarray:  # an input of shape () that f returned as it was
        value = value.copy()
    value = value if tree is LEAF else unflatten(tree, [value])
    return ((value, aux), found) if has_aux else (value, found)


def gradient_reverse(chosen: Selection, has_aux: bool, holomorphic: bool) -> tuple:
    """Value, cotangent of each leaf, aux, tree of the value: one sweep, which frees the tape as it goes."""
    level = TapeLevel("grad", chosen.alone, guarded={})
    try:
        idents, ys, roots, tree, aux = run_on_tape(level, chosen.alone, chosen.leaves, chosen.trees, has_aux)
        check_scalar(ys, tree, chosen, holomorphic)
        (root,) = roots
        del roots
        start = [] if root is None else [(root, ys[0].dtype.type(1))]
        del root
        bars = sweep(start)
    finally:
        guard.release(level)
    return ys[0], [bars.get(ident) for ident in idents], aux, tree


def gradient_forward(chosen: Selection, has_aux: bool, holomorphic: bool) -> tuple:
    """The same from one forward sweep: batched over the inputs, or plain for a single real one."""
    if len(chosen.leaves) == 1 and chosen.size == 1 and not chosen.complex:
        (x,) = chosen.leaves
        ys, y_dots, tree, aux = push_forward(chosen.alone, [x], chosen.trees, [one_like(x)], has_aux, "grad")
        check_scalar(ys, tree, chosen, holomorphic)
        y_dot = y_dots[0]
        return ys[0], [y_dot if y_dot is None or x.ndim == 0 else y_dot.reshape(x.shape)], aux, tree
    ys, pull, tree, aux = record_forward(chosen.alone, chosen.leaves, chosen.trees, has_aux, "grad")
    check_scalar(ys, tree, chosen, holomorphic)
    return ys[0], pull([ys[0].dtype.type(1)]), aux, tree


def one_like(x: Any) -> Any:
    """The unit tangent of a leaf with one element."""
    return np.ones(x.shape, x.dtype) if x.ndim else x.dtype.type(1)


def check_holomorphic_input(chosen: Selection, holomorphic: bool) -> None:
    if holomorphic and not all(x.dtype.kind == "c" for x in chosen.leaves):
        raise InputTypeError(
            f"{chosen.transform} with holomorphic=True needs complex arguments; it was given "
            f"{', '.join(sorted({str(x.dtype) for x in chosen.leaves}))}.",
            "Pass complex arrays, or leave holomorphic away.",
        )


def check_scalar(ys: list, tree: Tree, chosen: Selection, holomorphic: bool) -> None:
    """One real number, or one complex number when the function is declared holomorphic."""
    if is_value(tree) and ys[0].shape == () and ys[0].dtype.kind == ("c" if holomorphic else "f"):
        return
    f, y = name_of(chosen.f), ys[0]
    if not is_value(tree):
        raise ScalarOutputError(
            f"{chosen.transform} needs a scalar output; {f} returned a {tree.kind.__name__}.",
            "Return one number, or use jacobian or vjp; has_aux=True carries extra results.",
        )
    if y.shape != ():
        raise ScalarOutputError(
            f"{chosen.transform} needs a scalar output; {f} returned shape {y.shape}.",
            "Sum it, or use jacobian (all rows), vjp (one weighted row) or vmap(grad(f)) (one per example).",
        )
    if y.dtype.kind not in "fc":
        raise ScalarOutputError(
            f"{chosen.transform} needs a real output; {f} returned dtype {y.dtype}.",
            "Integers and booleans have no derivative; for a constant return a float, such as 0.0.",
        )
    if holomorphic and y.dtype.kind != "c":
        raise ScalarOutputError(
            f"{chosen.transform} with holomorphic=True needs a complex output; {f} returned {y.dtype}.",
            "Leave holomorphic away for real-valued functions.",
        )
    if not holomorphic and y.dtype.kind == "c":
        raise ScalarOutputError(
            f"{chosen.transform} needs a real output; {f} returned {y.dtype}.",
            "Return np.real(...) or np.abs(...), pass holomorphic=True, or use jvp or vjp.",
        )


# -------------------------------------------------- jacobian
def jacobian(
    f: Callable,
    argnums: Any = 0,
    *,
    mode: str = "auto",
    has_aux: bool = False,
    holomorphic: bool = False,
    chunk_size: int | str | None = "auto",
) -> Callable:
    """A function with f's signature that returns the derivative of every output by every input.

    Shapes      output shape + input shape; containers give containers of blocks, outputs outside
    Dtypes      a block has the dtype of its input, as the gradient of one output has
    Derivative  J[i, j] = dy_i / dx_j; complex arguments or values need holomorphic=True
    Cost        seeds in one batched sweep per chunk: all inputs in forward mode, all outputs in reverse mode
    Raises      InputTypeError, StructureError
    """
    both = value_and_jacobian(
        f, argnums, mode=mode, has_aux=has_aux, holomorphic=holomorphic, chunk_size=chunk_size
    )

    return derivative_alone(both, f, has_aux)


def jacfwd(
    f: Callable,
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
    chunk_size: Any = "auto",
) -> Callable:
    """`jacobian` by forward mode: one batched sweep over the inputs."""
    options: Any = {"has_aux": has_aux, "holomorphic": holomorphic, "chunk_size": chunk_size}
    return jacobian(f, argnums, mode="forward", **options)


def jacrev(
    f: Callable,
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
    chunk_size: Any = "auto",
) -> Callable:
    """`jacobian` by reverse mode: one batched sweep over the outputs."""
    options: Any = {"has_aux": has_aux, "holomorphic": holomorphic, "chunk_size": chunk_size}
    return jacobian(f, argnums, mode="reverse", **options)


def value_and_jacobian(
    f: Callable,
    argnums: Any = 0,
    *,
    mode: str = "auto",
    has_aux: bool = False,
    holomorphic: bool = False,
    chunk_size: int | str | None = "auto",
) -> Callable:
    """As `jacobian`, and returns (value, Jacobian), or ((value, aux), Jacobian) with has_aux."""
    check_callable(f, "jacobian")
    check_mode(mode, "jacobian")
    chunked(1, chunk_size, 1)

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> tuple:
        chosen = Selection(f, argnums, args, kwargs, "jacobian")
        check_holomorphic_input(chosen, holomorphic)
        if chosen.complex and not holomorphic:
            raise InputTypeError(
                "jacobian of complex arguments needs holomorphic=True.",
                "For functions that are not, use jvp or vjp.",
            )
        # The number of outputs is known once f has run: small inputs go forward, and otherwise the tape of
        # one run decides.
        if mode == "forward" or (mode == "auto" and chosen.size == 1):
            ys, blocks, tree, aux = blocks_forward(chosen, has_aux, chunk_size)
        else:
            ys, blocks, tree, aux = blocks_taped(chosen, has_aux, chunk_size, mode)
        check_jacobian_output(ys, chosen, holomorphic)
        value = unflatten(tree, fresh_values(ys, chosen.leaves))
        found = unflatten(tree, [chosen.result(row) for row in blocks])
        return ((value, aux), found) if has_aux else (value, found)

    return both


def check_jacobian_output(ys: list, chosen: Selection, holomorphic: bool) -> None:
    for y in ys:
        if (y.dtype.kind == "c") != holomorphic and (y.dtype.kind == "c" or holomorphic):
            raise InputTypeError(
                f"jacobian with holomorphic={holomorphic} was given {name_of(chosen.f)}, which returns "
                f"{y.dtype}.",
                "Complex outputs need holomorphic=True, real ones need it left away.",
            )


def blocks_forward(chosen: Selection, has_aux: bool, chunk_size: Any) -> tuple:
    """Value leaves, a row of blocks per output leaf, tree, aux: all inputs in batched forward sweeps."""
    ys, columns, tree, aux = columns_forward(chosen.alone, chosen.leaves, chosen.trees, has_aux, chunk_size)
    return ys, [column_blocks(c, y, chosen.leaves) for c, y in zip(columns, ys, strict=True)], tree, aux


def column_blocks(columns: Any, y: Any, leaves: list) -> list:
    """(inputs, *y.shape) cut into one block y.shape + x.shape per input leaf."""
    if columns is None:
        return [compact(np.zeros(y.shape + x.shape, x.dtype)) for x in leaves]
    blocks, start = [], 0
    for x in leaves:
        part = columns[start : start + x.size]
        part = part.transpose((*range(1, part.ndim), 0))
        if part.dtype != x.dtype and part.dtype.kind == "f":  # complex: refused before it is given out
            part = part.astype(x.dtype)
        blocks.append(compact(part.reshape(y.shape + x.shape)))
        start += x.size
    return blocks


def blocks_taped(chosen: Selection, has_aux: bool, chunk_size: Any, mode: str) -> tuple:
    """The same from one recorded run; "auto" turns to forward mode when the outputs outnumber the inputs."""
    leaves = chosen.leaves
    level = TapeLevel("jacobian", chosen.alone, guarded={})
    try:
        idents, ys, roots, tree, aux = run_on_tape(level, chosen.alone, leaves, chosen.trees, has_aux)
        if mode == "auto" and choose_mode(chosen.size, sum(y.size for y in ys)) == "forward":
            outputs = sum(y.size for y in ys)
            columns = swept(Tape(idents, roots).push, leaves, chunk_size, chosen, found_size=outputs)
            return ys, [column_blocks(c, y, leaves) for c, y in zip(columns, ys, strict=True)], tree, aux
        rows = [row_blocks(y, root, idents, leaves, chunk_size) for y, root in zip(ys, roots, strict=True)]
        return ys, rows, tree, aux
    finally:
        guard.release(level)


def row_blocks(y: Any, root: Any, idents: list, leaves: list, chunk_size: Any) -> list:
    """One block y.shape + x.shape per input leaf, from batched reverse sweeps over the elements of y."""
    if root is None:
        return [compact(np.zeros(y.shape + x.shape, x.dtype)) for x in leaves]

    def pull(y_bars: list) -> list:
        bars = sweep([(root, y_bars[0])])
        return [bars.get(ident) for ident in idents]

    lanes = swept(pull, [y], chunk_size, found_size=sum(x.size for x in leaves))
    joined = [
        np.zeros((y.size, *x.shape), x.dtype) if v is None else v for v, x in zip(lanes, leaves, strict=True)
    ]
    blocks = [np.reshape(rows, y.shape + x.shape) for rows, x in zip(joined, leaves, strict=True)]
    return [compact(np.conj(b) if b.dtype.kind == "c" else b) for b in blocks]
