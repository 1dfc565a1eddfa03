"""jvp, vjp, linearize, stop_gradient: the transforms that everything else is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dualdiff.avals import aval_of
from dualdiff.core import Level, TapeLevel
from dualdiff.errors import InputTypeError, StructureError
from dualdiff.modes import constant, guard, reverse_entries  # noqa: F401  (two for what they install)
from dualdiff.modes.ambient import AMBIENT
from dualdiff.modes.forward import DualTensor
from dualdiff.modes.reverse import TapeTensor, leaf, transpose_linear
from dualdiff.modes.tape import Tape, sweep
from dualdiff.ops.elementwise import stop_gradient as stop_gradient_op
from dualdiff.transforms.boundary import (
    check_callable,
    check_mode,
    fresh_values,
    give_back_all,
    input_leaves,
    matching_arguments,
    matching_leaves,
    name_of,
    output_leaves,
    own,
    rebuild,
    split_aux,
)
from dualdiff.transforms.lanes import swept
from dualdiff.tree import Tree, flatten, map_tree, unflatten


# -------------------------------------------------- forward: jvp
def jvp(f: Callable, primals: Any, tangents: Any, *, has_aux: bool = False, mode: str = "auto") -> tuple:
    """The value of f at `primals` and its derivative along `tangents`: the pushforward.

    Shapes      primals: one entry per argument of f; tangents: the same structure and shapes
    Dtypes      float or complex; integer primals are refused, Python ints are promoted to float64
    Derivative  y_dot = J x_dot; zeros for outputs of integer dtype. mode="forward" (and "auto") runs f once
                on dual numbers; mode="reverse" transposes the pullback.
    Raises      StructureError, ShapeError, InputTypeError before f runs
    """
    check_callable(f, "jvp")
    check_mode(mode, "jvp")
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise StructureError(
            f"jvp takes its primals and tangents as tuples; it was given {type(primals).__name__} and "
            f"{type(tangents).__name__}.",
            "Write jvp(f, (x,), (x_dot,)).",
        )
    leaves, trees = input_leaves(tuple(primals), "jvp", range(len(primals)))
    dots = matching_arguments(tuple(tangents), tuple(primals), leaves, "tangent", "jvp")
    push = push_reverse if mode == "reverse" else push_forward
    ys, y_dots, y_tree, aux = push(f, leaves, trees, dots, has_aux)
    y_dots = give_back_all(y_dots, ys, dots)
    y, y_dot = unflatten(y_tree, fresh_values(ys, leaves)), unflatten(y_tree, y_dots)
    return (y, y_dot, aux) if has_aux else (y, y_dot)


def push_forward(
    f: Callable, leaves: list, trees: list[Tree], dots: list, has_aux: bool = False, transform: str = "jvp"
) -> tuple:
    """Leaves of the value and of its tangent (None for zero), their tree, and aux without tangents."""
    level = Level(transform, f, guarded={})
    try:
        duals = []
        for x, x_dot in zip(leaves, dots, strict=True):
            duals.append(DualTensor(level, guard.kept(level, x), x_dot))
        careful = AMBIENT.get()
        if careful is not None:
            careful.duals(duals)
        y, aux = split_aux(f(*rebuild(trees, duals)), has_aux, f)
        outputs, tree = output_leaves(y, f, transform)
    except (TypeError, ValueError) as error:
        guard.explain(level, error)
        raise
    finally:
        guard.release(level)
        level.close()
    ys, y_dots = [], []
    for y in outputs:
        mine = own(y, DualTensor, level)
        ys.append(y.primal if mine else y)
        y_dots.append(y.tangent if mine else None)
    if careful is not None:
        y_dots = careful.tangents(level, y_dots, f, trees)
    if has_aux:
        aux = map_tree(lambda x: x.primal if own(x, DualTensor, level) else x, aux)
    return ys, y_dots, tree, aux


def push_reverse(f: Callable, leaves: list, trees: list[Tree], dots: list, has_aux: bool = False) -> tuple:
    """The same from reverse mode alone: the pullback is linear in the cotangent, and its transpose pushes."""
    ys, pull, tree, aux = record(f, leaves, trees, has_aux, "jvp")
    avals = [aval_of(y) for y in ys]
    floating = [k for k, y in enumerate(ys) if y.dtype.kind in "fc"]

    def pullback(*y_bars):
        bars = [None] * len(ys)
        for k, y_bar in zip(floating, y_bars, strict=True):
            bars[k] = y_bar
        return tuple(pull(bars))

    found = transpose_linear(pullback, [avals[k] for k in floating], dots, name_of(f))
    y_dots: list = [None] * len(ys)
    for k, y_dot in zip(floating, found, strict=True):
        y_dots[k] = y_dot
    return ys, y_dots, tree, aux


# -------------------------------------------------- reverse: vjp
def vjp(f: Callable, *primals: Any, has_aux: bool = False, mode: str = "auto") -> tuple:
    """The value of f and its pullback, which takes a cotangent of the value to one of each primal.

    Shapes      pullback(y_bar): y_bar has the structure and shapes of the value; the result is a tuple with
                one cotangent per primal, in its structure, shapes and dtypes
    Derivative  x_bar = J^H y_bar under the inner product Re<a, b>; complex values follow the conjugate
                convention. mode="reverse" (and "auto") records a tape; mode="forward" pushes the basis.
    Raises      StructureError, ShapeError, InputTypeError
    """
    check_callable(f, "vjp")
    check_mode(mode, "vjp")
    leaves, trees = input_leaves(primals, "vjp", range(len(primals)))
    if mode == "forward":
        ys, pull, tree, aux = record_forward(f, leaves, trees, has_aux)
    else:
        ys, pull, tree, aux = record(f, leaves, trees, has_aux)

    def pullback(y_bar):
        bars = matching_leaves(y_bar, tree, ys, "cotangent", "the pullback")
        return rebuild(trees, give_back_all(pull(bars), leaves, bars))

    y = unflatten(tree, fresh_values(ys))
    return (y, pullback, aux) if has_aux else (y, pullback)


def run_on_tape(
    level: TapeLevel, f: Callable, leaves: list, trees: list[Tree], has_aux: bool = False
) -> tuple:
    """Run f on leaves of a tape: the ids of the leaves, value leaves and their nodes, tree, aux.

    What the tape keeps stays guarded until the caller releases the level, which is closed on return.
    """
    try:
        inputs, idents = [], []
        for x in leaves:
            tensor = leaf(level, guard.kept(level, x))
            inputs.append(tensor)
            idents.append(tensor.node[0])  # now, since f may write to its arguments
        careful = AMBIENT.get()
        if careful is not None:
            careful.leaves(level, inputs)
        y, aux = split_aux(f(*rebuild(trees, inputs)), has_aux, f)
        outputs, tree = output_leaves(y, f, level.transform)
    except (TypeError, ValueError) as error:
        guard.explain(level, error)
        raise
    finally:
        level.close()
    ys, roots = [], []
    for y in outputs:
        mine = own(y, TapeTensor, level)
        ys.append(y.primal if mine else y)
        roots.append(y.node if mine else None)
    if careful is not None:
        careful.roots(level, roots, idents, f, trees)
    if has_aux:
        aux = map_tree(lambda x: fresh_values([x.primal])[0] if own(x, TapeTensor, level) else x, aux)
    return idents, ys, roots, tree, aux


def run_and_stamp(f: Callable, leaves: list, trees: list[Tree], has_aux: bool, transform: str) -> tuple:
    """The same for sweeps that come later: with the stamps by which they know that nothing has changed."""
    level = TapeLevel(transform, f, guarded={})
    try:
        found = run_on_tape(level, f, leaves, trees, has_aux)
        return *found, guard.Stamps(level) if level.guarded else guard.NOTHING
    finally:
        guard.release(level)


def record(
    f: Callable, leaves: list, trees: list[Tree], has_aux: bool = False, transform: str = "vjp"
) -> tuple:
    """Value leaves, a reusable pull from cotangent leaves to leaf cotangents (None for zero), tree, aux."""
    idents, ys, roots, tree, aux, stamps = run_and_stamp(f, leaves, trees, has_aux, transform)

    def pull(y_bars: Iterable) -> list:
        stamps.check()
        seeds = []
        for root, y_bar in zip(roots, y_bars, strict=True):
            if root is not None is not y_bar:
                seeds.append((root, y_bar))
        bars = sweep(seeds)
        return [bars.get(ident) for ident in idents]

    return ys, pull, tree, aux


def record_forward(
    f: Callable, leaves: list, trees: list[Tree], has_aux: bool = False, transform: str = "vjp"
) -> tuple:
    """As `record`, from forward mode alone: all columns of the Jacobian in one batched sweep, then products.

    A complex input has two real directions for each element, 1 and i.
    """
    ys, columns, tree, aux = columns_forward(
        f, leaves, trees, has_aux, real_directions=True, transform=transform
    )

    def pull(y_bars: Iterable) -> list:
        totals: list = [None] * len(leaves)
        for y_bar, column in zip(y_bars, columns, strict=True):
            if column is None or y_bar is None:
                continue
            axes = tuple(range(1, column.ndim))
            careful = AMBIENT.get()
            terms = np.conj(column) * y_bar if careful is None else careful.products(column, y_bar)
            products = np.real(np.sum(terms, axis=axes))
            totals[0] = products if totals[0] is None else totals[0] + products
        return (
            [None] * len(leaves) if not leaves or totals[0] is None else split_directions(totals[0], leaves)
        )

    return ys, pull, tree, aux


def split_directions(values: Any, leaves: list) -> list:
    """One real number per real direction, as an array for each leaf."""
    parts, start = [], 0
    for x in leaves:
        part = values[start : start + x.size].reshape(x.shape)
        start += x.size
        if x.dtype.kind == "c":
            part = part + 1j * values[start : start + x.size].reshape(x.shape)
            start += x.size
        parts.append(part.astype(x.dtype))
    return parts


def columns_forward(
    f: Callable,
    leaves: list,
    trees: list[Tree],
    has_aux: bool = False,
    chunk_size: int | str | None = "auto",
    real_directions: bool = False,
    transform: str = "jacobian",
) -> tuple:
    """Value leaves, for each the derivatives along all directions (leading axis), tree, aux."""
    found: tuple = ()

    def push(dots: list) -> list:
        nonlocal found
        found = push_forward(f, leaves, trees, dots, has_aux, transform)
        return found[1]

    columns = swept(push, leaves, chunk_size, f, real_directions, transform)
    ys, _, tree, aux = found
    return ys, columns, tree, aux


# -------------------------------------------------- linearize
def linearize(f: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """The value of f and its derivative there as a linear map; f runs once and is not run again.

    Shapes      lin(*tangents) -> the tangent of the value; lin.T(y_bar) -> a tuple of cotangents;
                lin.to_dense() -> a matrix of lin.shape = (outputs, inputs), all leaves ravelled in order
    Cost        one run of f; each call sweeps the recorded tape once
    Raises      StructureError, ShapeError, InputTypeError
    """
    check_callable(f, "linearize")
    leaves, trees = input_leaves(primals, "linearize", range(len(primals)))
    idents, ys, roots, tree, aux, stamps = run_and_stamp(f, leaves, trees, has_aux, "linearize")
    lin = LinearMap(Tape(idents, roots, stamps.check), leaves, trees, flatten(primals)[1], ys, tree)
    y = unflatten(tree, fresh_values(ys))
    return (y, lin, aux) if has_aux else (y, lin)


class LinearMap:
    """The derivative of a function at a point: a tape that is swept forwards by a call, backwards by `.T`."""

    def __init__(self, tape: Tape, leaves: list, trees: list[Tree], tree: Tree, ys: list, y_tree: Tree):
        self._tape = tape
        self._leaves, self._trees, self._tree = leaves, trees, tree
        self._ys, self._y_tree = ys, y_tree

    def __repr__(self) -> str:
        return f"LinearMap of shape {self.shape}"

    @property
    def shape(self) -> tuple[int, int]:
        return sum(y.size for y in self._ys), sum(x.size for x in self._leaves)

    def __call__(self, *tangents: Any) -> Any:
        """The pushforward: y_dot = J x_dot."""
        dots = matching_leaves(tangents, self._tree, self._leaves, "tangent", "the pushforward")
        return unflatten(self._y_tree, give_back_all(self._tape.push(dots), self._ys, dots))

    def T(self, y_bar: Any) -> tuple:
        """The pullback: x_bar = J^H y_bar, one cotangent per primal."""
        bars = matching_leaves(y_bar, self._y_tree, self._ys, "cotangent", "the pullback")
        return rebuild(self._trees, give_back_all(self._tape.pull(bars), self._leaves, bars))

    def to_dense(self, *, holomorphic: bool = False) -> np.ndarray:
        """The matrix of the map, from one batched sweep in the direction with fewer seeds.

        Dtypes      the result type of all inputs and outputs. Complex inputs have a matrix only where the map
                    is complex-linear, which holomorphic=True declares, as for jacobian.
        Raises      InputTypeError
        """
        outputs = [y for y in self._ys if y.dtype.kind in "fc"]
        if holds_complex(self._leaves) and not (holomorphic and all(y.dtype.kind == "c" for y in outputs)):
            raise InputTypeError(
                "to_dense of complex arguments needs complex values and holomorphic=True.",
                "Where the function is not holomorphic, call lin(...) and lin.T(...).",
            )
        (m, n), dtype = self.shape, np.result_type(*(x.dtype for x in (*self._leaves, *outputs)))
        # A cotangent of a real input is real: it would lose the imaginary part of a complex output's row.
        real_to_complex = holds_complex(outputs) and any(x.dtype.kind == "f" for x in self._leaves)
        forward = n <= m or real_to_complex
        ins, outs = (self._leaves, self._ys) if forward else (self._ys, self._leaves)
        lanes = swept(self._tape.push if forward else self._tape.pull, ins, None)
        count = n if forward else m
        full = [
            np.zeros((count, x.size), dtype) if v is None else np.reshape(v, (count, x.size))
            for v, x in zip(lanes, outs, strict=True)
        ]
        matrix = np.concatenate(full, axis=1).astype(dtype, copy=False)
        return matrix.T if forward else np.conj(matrix)

    def as_linear_operator(self) -> Any:
        """The map as a scipy.sparse.linalg.LinearOperator on ravelled vectors, for SciPy's solvers."""
        try:
            from scipy.sparse.linalg import LinearOperator
        except ImportError as error:
            raise ImportError("as_linear_operator needs SciPy: pip install 'dualdiff[scipy]'") from error
        dtype = np.result_type(*(x.dtype for x in (*self._leaves, *self._ys)))
        return LinearOperator(self.shape, matvec=self._matvec, rmatvec=self._rmatvec, dtype=dtype)

    # SciPy hands complex vectors to a map of real inputs too: J (u + i v) = J u + i J v, and the pullback
    # gives the real part of J^H w, whose imaginary part is the real part of J^H (-i w).
    def _matvec(self, v: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(v) and not holds_complex(self._leaves):
            return self._matvec(np.real(v)) + 1j * self._matvec(np.imag(v))
        return ravelled(self._tape.push(unravelled(v, self._leaves)), self._ys)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        if holds_complex(self._leaves) or not (np.iscomplexobj(v) or holds_complex(self._ys)):
            return self._pulled(v)
        real, imag = (v, -1j * v) if holds_complex(self._ys) else (np.real(v), np.imag(v))
        return self._pulled(real) + 1j * self._pulled(imag)

    def _pulled(self, v: np.ndarray) -> np.ndarray:
        return ravelled(self._tape.pull(unravelled(v, self._ys)), self._leaves)


def holds_complex(leaves: list) -> bool:
    return any(x.dtype.kind == "c" for x in leaves)


def unravelled(v: np.ndarray, like: list) -> list:
    v, parts, start = np.reshape(v, -1), [], 0
    for x in like:
        parts.append(v[start : start + x.size].reshape(x.shape).astype(x.dtype))
        start += x.size
    return parts


def ravelled(parts: list, like: list) -> np.ndarray:
    full = [np.zeros(x.shape, x.dtype) if p is None else p for p, x in zip(parts, like, strict=True)]
    return np.concatenate([np.reshape(p, -1) for p in full])


# -------------------------------------------------- stop_gradient
def stop_gradient(x: Any) -> Any:
    """x, treated as a constant by every mode and level; containers keep their structure.

    Outside vmap the result is a plain array, which can be converted, printed and branched on. It is
    read-only: it may be what a tape keeps.
    """
    return map_tree(read_only, x)


def read_only(x: Any) -> Any:
    """The value of x without its derivative; the array under a tensor is shown, not handed out."""
    y = stop_gradient_op(x)
    if type(y) is np.ndarray and y is not x:
        y = y.view()
        y.flags.writeable = False
    return y


__all__ = ["jvp", "vjp", "linearize", "stop_gradient", "LinearMap"]
