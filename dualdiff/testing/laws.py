"""What every op must obey: one function per law, so that the name of a failing test says what is wrong.

A law takes a `Case` (samples.py), one op at one point, and raises GradientMismatch. It knows no op: the
oracle is a difference, another mode, a loop or the derived rule, never the rule under test alone. Checks of a
whole function are in check.py. Longer than 400 lines because the laws are one list, to be read as one.
"""

from __future__ import annotations

import importlib.util
import itertools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualdiff.avals import aval_of
from dualdiff.core import FUNCTIONS, OPS, Op
from dualdiff.errors import GradientMismatch
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.sparse.detect import pattern
from dualdiff.tensor import OPERATORS
from dualdiff.testing.differences import (
    Tolerance,
    algebra,
    complex_step,
    difference,
    epsilon,
    finite_difference,
    furthest,
    single,
)
from dualdiff.testing.samples import Case, direction, subsets, zeros
from dualdiff.transforms.batching import vmap
from dualdiff.transforms.derivative import jacobian
from dualdiff.transforms.linear import jvp, vjp
from dualdiff.tree import flatten, map_tree, paths

EXACT = Tolerance(0.0, 0.0)
MODES = ("forward", "reverse")


class Law(NamedTuple):
    """A law: its function, which cases it speaks of, and in which dtypes it is tried."""

    check: Callable[[Case], None]
    speaks_of: Callable[[Case], bool]
    dtypes: tuple[str, ...]


LAWS: dict[str, Law] = {}


def differentiable(case: Case) -> bool:
    """Whether the op has floating arguments, and results that can vary with them."""
    return bool(case.active)


def curved(case: Case) -> bool:
    """Whether a derivative is there to be differentiated."""
    return bool(case.active) and case.op.kind != "constant" and any(x.size for x in case.primals)


def law(speaks_of: Callable = differentiable, dtypes: tuple = ("float64", "complex128")) -> Callable:
    """Enter the decorated function among the laws, under its own name."""

    def enter(check: Callable) -> Callable:
        LAWS[check.__name__] = Law(check, speaks_of, dtypes)
        return check

    return enter


# -------------------------------------------------- saying what is wrong
def expect(case: Case, what: str, found: Any, expected: Any, tolerance: Tolerance | None = None) -> None:
    """Raise GradientMismatch where `found` is not `expected`, leaf by leaf: shape, then numbers."""
    tolerance = algebra(case.dtype) if tolerance is None else tolerance
    (leaves, tree), wanted = flatten(found), flatten(expected)[0]
    if len(leaves) != len(wanted):
        raise GradientMismatch(f"{case!r}: {what} has {len(leaves)} parts, not {len(wanted)}.")
    for x, y, path in zip(leaves, wanted, paths(tree), strict=True):
        if np.shape(x) != np.shape(y):
            raise GradientMismatch(f"{case!r}: {what}{path} has shape {np.shape(x)}, not {np.shape(y)}.")
        at = furthest(x, y, tolerance)
        if at is not None:
            x, y = np.asarray(x)[at], np.asarray(y)[at]
            raise GradientMismatch(f"{case!r}: {what}{path} at {at} is {x!r}, not {y!r}.")


def expect_like(case: Case, what: str, found: Any, like: Any) -> None:
    """Raise GradientMismatch where shapes or dtypes differ; integers have floating zeros for derivatives."""
    for x, y in zip(flatten(found)[0], flatten(like)[0], strict=True):
        dtype = y.dtype if y.dtype.kind in "fc" else np.dtype(float)
        if (x.shape, x.dtype) != (y.shape, dtype):
            raise GradientMismatch(f"{case!r}: {what} is {x.dtype}{x.shape}, not {dtype}{y.shape}.")


def inner(a: Any, b: Any) -> float:
    """Re<a, b> over all leaves."""
    pairs = zip(flatten(a)[0], flatten(b)[0], strict=True)
    return float(sum(np.real(np.vdot(x, y)) for x, y in pairs))


def size(a: Any) -> float:
    return float(np.sqrt(inner(a, a)))


def tangents(case: Case) -> tuple:
    return direction(case.rng("tangent"), case.primals)


def cotangent(case: Case, y: Any) -> Any:
    """A random cotangent of the value y; of its integer parts as well, where it is ignored."""
    return direction(case.rng("cotangent"), y)


def push(case: Case, f: Callable | None = None, **how: Any) -> Any:
    """The tangent of the value along the case's direction."""
    return jvp(f or case.function, case.primals, tangents(case), **how)[1]


def pull(case: Case, f: Callable | None = None, **how: Any) -> tuple:
    """The cotangents of the primals for the case's cotangent."""
    y, pullback = vjp(f or case.function, *case.primals, **how)
    return pullback(cotangent(case, y))


# -------------------------------------------------- values, shapes, dtypes
@law()
def value_is_that_of_the_plain_call(case: Case) -> None:
    """A transform changes no bit of the value."""
    y = case.function(*case.primals)
    expect(case, "the value under jvp", jvp(case.function, case.primals, tangents(case))[0], y, EXACT)
    expect(case, "the value under vjp", vjp(case.function, *case.primals)[0], y, EXACT)
    expect_type(case, y, vjp(case.function, *case.primals)[0])


def expect_type(case: Case, y: Any, found: Any) -> None:
    for a, b in zip(flatten(found)[0], flatten(y)[0], strict=True):
        if a.dtype != b.dtype:
            raise GradientMismatch(f"{case!r}: the value has dtype {a.dtype}, not {b.dtype}.")


@law(lambda case: case.op.out is not None, ("float64", "complex128", "float32"))
def out_predicts_shape_and_dtype(case: Case) -> None:
    """The aval that `out` states is that of the value."""
    avals = [aval_of(x) if i in case.active else x for i, x in enumerate(case.args)]
    predicted, y = case.op.out(*avals, **case.params), case.function(*case.primals)
    pairs = zip(predicted, y, strict=True) if case.op.multiple else ((predicted, y),)
    for aval, part in pairs:
        if (tuple(aval.shape), np.dtype(aval.dtype)) != (part.shape, part.dtype):
            raise GradientMismatch(f"{case!r}: out states {aval!r}, evaluate gives {aval_of(part)!r}.")


@law()
def tangent_has_shape_and_dtype_of_value(case: Case) -> None:
    y, y_dot = jvp(case.function, case.primals, tangents(case))
    expect_like(case, "the tangent", y_dot, y)


@law()
def cotangents_have_shapes_and_dtypes_of_primals(case: Case) -> None:
    expect_like(case, "a cotangent", pull(case), case.primals)


# -------------------------------------------------- first order
@law(lambda case: differentiable(case) and case.op is not stop_gradient)
def pushforward_is_directional_derivative(case: Case) -> None:
    """Forward mode against central differences. stop_gradient alone denies the derivative that it has."""
    expected = finite_difference(case.function, case.primals, tangents(case))
    expect(case, "the pushforward, against differences,", push(case), expected, difference())


@law(lambda case: case.op.complex is True and curved(case), dtypes=("float64", "longdouble"))
def pushforward_is_complex_step(case: Case) -> None:
    """Forward mode against the complex step, for rows that are analytic at the point.

    In extended precision a constant that is right to double precision only is wrong.
    """
    if analytic(case):
        expected = complex_step(case.function, case.primals, tangents(case))
        last_digits = Tolerance(*(64 * epsilon(case.dtype),) * 2)
        expect(case, "the pushforward, against the complex step,", push(case), expected, last_digits)
        expect_like(case, "the tangent", push(case), case.function(*case.primals))


def analytic(case: Case) -> bool:
    """Whether the values obey the Cauchy-Riemann equations: f'(i t) = i f'(t), by differences."""
    dots = tangents(case)
    points = tuple(x + 0.1j for x in case.primals)
    along = finite_difference(case.function, points, dots)
    across = finite_difference(case.function, points, tuple(1j * x_dot for x_dot in dots))
    return furthest(across, 1j * along, difference()) is None


@law()
def pullback_is_adjoint_of_pushforward(case: Case) -> None:
    """Re<y_bar, J x_dot> = Re<J^H y_bar, x_dot>."""
    x_dots, y_dot = tangents(case), push(case)
    y_bar = cotangent(case, y_dot)
    x_bars = vjp(case.function, *case.primals)[1](y_bar)
    left, right = inner(y_bar, y_dot), inner(x_bars, x_dots)
    scale = abs(left) + abs(right) + size(y_bar) * size(y_dot) + size(x_bars) * size(x_dots)
    if not abs(left - right) <= 64 * epsilon(case.dtype) * scale:
        raise GradientMismatch(f"{case!r}: Re<y_bar, J x_dot> is {left!r}, Re<J^H y_bar, x_dot> {right!r}.")


@law(curved)
def reverse_jvp_is_forward_jvp(case: Case) -> None:
    """The pullback transposed once more pushes forward."""
    expect(case, "the reverse-mode pushforward", push(case, mode="reverse"), push(case))


@law(curved, dtypes=("float64",))
def forward_vjp_is_reverse_vjp(case: Case) -> None:
    """Pushing the whole basis forward gives the pullback."""
    expect(case, "the forward-mode pullback", pull(case, mode="forward"), pull(case))


def curved_and_real(case: Case) -> bool:
    """Whether real arguments have real results, as Jacobians need."""
    return curved(case) and all(y.dtype.kind != "c" for y in flatten(case.function(*case.primals))[0])


@law(curved_and_real, dtypes=("float64",))
def jacobians_are_made_of_pushforwards(case: Case) -> None:
    """All columns in one sweep, and all rows in one sweep, against one basis vector at a time."""
    every = tuple(range(len(case.active)))
    forward, reverse = (jacobian(case.function, every, mode=mode)(*case.primals) for mode in MODES)
    expect(case, "the Jacobian by rows, against columns,", reverse, forward)
    still = zeros(case.primals)
    for k, x in enumerate(case.primals):
        for at in np.ndindex(x.shape):
            dots = [np.array(zero) for zero in still]
            dots[k][at] = 1.0
            column = jvp(case.function, case.primals, tuple(dots))[1]
            blocks = [part[k] for part in forward] if case.op.multiple else [forward[k]]
            found = [block[(..., *at)] for block in blocks]
            expect(case, f"column {at} of the Jacobian for argument {k}", found, flatten(column)[0])


@law(lambda case: case.op.kind == "general" and bool(case.op.pullback or case.op.transposes))
def written_pullback_is_transposed_differential(case: Case) -> None:
    """What is written by hand for speed equals what follows from the differential."""
    derived = case._replace(op=changed(case.op, pullback=None, transposes=None))
    expect(case, "the hand-written pullback", pull(case), pull(derived))


def changed(op: Op, **facts: Any) -> Op:
    """A record with some facts replaced, not registered."""
    return Op(**{name: facts.get(name, getattr(op, name)) for name in Op.__slots__})


@law()
def cotangents_accumulate(case: Case) -> None:
    """What arrives at a primal from elsewhere is added to, not overwritten."""
    y, pullback = vjp(lambda *xs: (xs, case.function(*xs)), *case.primals)
    y_bar = cotangent(case, y[1])
    first = direction(case.rng("first"), case.primals)
    alone = vjp(case.function, *case.primals)[1](y_bar)
    expect(case, "the cotangent", pullback((first, y_bar)), map_tree(np.add, first, alone))


@law(lambda case: len(case.active) > 1)
def subsets_of_arguments_agree_with_all(case: Case) -> None:
    """Differentiating some arguments gives what differentiating all gives for them."""
    x_dots, x_bars = tangents(case), pull(case)
    still = zeros(x_dots)
    for chosen in subsets(case.active, proper=True):
        some = case._replace(active=chosen)
        places = [case.active.index(i) for i in chosen]
        expect(case, f"the cotangents of arguments {chosen}", pull(some), tuple(x_bars[k] for k in places))
        dots = tuple(x_dots[k] if k in places else still[k] for k in range(len(x_dots)))
        _, partial = jvp(some.function, some.primals, tuple(x_dots[k] for k in places))
        _, full = jvp(case.function, case.primals, dots)
        expect(case, f"the tangent along arguments {chosen}", partial, full)


@law()
def zeros_give_zeros(case: Case) -> None:
    """Numerical zeros for tangents and cotangents come out as zeros, inside the domain."""
    y, y_dot = jvp(case.function, case.primals, zeros(case.primals))
    expect(case, "the pushforward of zero", y_dot, zeros(y), EXACT)
    x_bars = vjp(case.function, *case.primals)[1](zeros(y))
    expect(case, "the pullback of zero", x_bars, zeros(case.primals), EXACT)


# -------------------------------------------------- second order
def pulled(case: Case, y_bar: Any) -> Callable:
    """The pullback at a point as a function of the point: xs -> J(xs)^H y_bar."""
    return lambda *xs: vjp(case.function, *xs)[1](y_bar)


@law(curved)
def second_derivative_is_difference_of_pullback(case: Case) -> None:
    """Forward over reverse against central differences of the pullback."""
    f = pulled(case, cotangent(case, case.function(*case.primals)))
    x_dots = direction(case.rng("second"), case.primals)
    expected = finite_difference(f, case.primals, x_dots)
    found = jvp(f, case.primals, x_dots)[1]
    expect(case, "the derivative of the pullback, against differences,", found, expected, difference(2))


@law(curved)
def four_nestings_agree(case: Case) -> None:
    """H t by forward over reverse, reverse over forward and reverse over reverse; t H u by two forwards."""
    f, xs = case.function, case.primals
    y_bar, t = cotangent(case, f(*xs)), direction(case.rng("second"), xs)
    pullback = pulled(case, y_bar)
    pushforward = lambda *points: jvp(f, points, t)[1]  # noqa: E731
    forward_reverse = jvp(pullback, xs, t)[1]
    y_dot, reverse_forward = vjp(pushforward, *xs)
    expect(case, "reverse over forward", reverse_forward(y_bar), forward_reverse)
    expect(case, "reverse over reverse", vjp(pullback, *xs)[1](t), forward_reverse)
    u = direction(case.rng("third"), xs)
    found = jvp(pushforward, xs, u)[1]
    left, right = inner(y_bar, found), inner(forward_reverse, u)
    scale = abs(left) + abs(right) + size(y_bar) * size(found) + size(forward_reverse) * size(u)
    expect_like(case, "the second tangent", found, y_dot)
    if not abs(left - right) <= algebra(case.dtype).rtol * scale:
        raise GradientMismatch(f"{case!r}: t H u is {left!r} by forward over forward, else {right!r}.")


@law(lambda case: curved(case) and len(case.active) > 1)
def arguments_at_different_levels_agree_with_all(case: Case) -> None:
    """One argument differentiated inside, another outside: a block of the whole second derivative."""
    y_bar, t = cotangent(case, case.function(*case.primals)), direction(case.rng("second"), case.primals)
    still = zeros(t)
    for i, j in itertools.permutations(range(len(case.active))[:3], 2):
        alone = tuple(t[k] if k == i else still[k] for k in range(len(t)))
        block = jvp(pulled(case, y_bar), case.primals, alone)[1][j]

        def inside(x, i=i, j=j):
            """The case with x for its argument i, to be differentiated by j."""
            args = case._replace(active=(case.active[i],)).filled(case.args, (x,))
            return case._replace(args=tuple(args), active=(case.active[j],))

        def pullback(x, j=j, inside=inside):
            return pulled(inside(x), y_bar)(case.primals[j])[0]

        def pushforward(x, j=j, inside=inside):
            return jvp(inside(x).function, (case.primals[j],), (t[j],))[1]

        expect(
            case,
            f"{i} forward outside {j} reverse",
            jvp(pullback, case.primals[i : i + 1], (t[i],))[1],
            block,
        )
        (found,) = vjp(pushforward, case.primals[i])[1](y_bar)
        scale = 1 + size(found) * size(t[i]) + size(block) * size(t[j])
        if not abs(inner(found, t[i]) - inner(block, t[j])) <= algebra(case.dtype).rtol * scale:
            raise GradientMismatch(f"{case!r}: {i} reverse outside {j} forward is {found!r} along {t[i]!r}.")


# -------------------------------------------------- batches
def pairs(xs: tuple, others: tuple, mapped: tuple) -> tuple[list, tuple, list]:
    """Arguments stacked where they are mapped, their axes, and the two examples one by one."""
    second = [other if k in mapped else x for k, (x, other) in enumerate(zip(xs, others, strict=True))]
    both = zip(xs, second, strict=True)
    stacked = [np.stack(pair) if k in mapped else pair[0] for k, pair in enumerate(both)]
    axes = tuple(0 if k in mapped else None for k in range(len(xs)))
    return stacked, axes, [list(xs), second]


def expect_loop(case: Case, what: str, f: Callable, xs: tuple, others: tuple, mapped: tuple) -> None:
    """vmap of f against f example by example."""
    stacked, axes, examples = pairs(xs, others, mapped)
    loop = [f(*example) for example in examples]
    found = vmap(f, in_axes=axes)(*stacked)
    tolerance = EXACT if case.op.kind == "constant" else algebra(case.dtype)
    stacks = map_tree(lambda *ys: np.stack(ys), *loop)
    expect(case, f"{what} with arguments {mapped} mapped", found, stacks, tolerance)


@law(lambda case: True)
def batching_equals_loop(case: Case) -> None:
    """One run on a batch, for every choice of mapped arguments."""
    f = lambda *args: case.op(*args, **case.params)  # noqa: E731
    for mapped in subsets(tuple(range(len(case.args)))):
        expect_loop(case, "the batched value", f, case.args, case.sibling, mapped)


@law(lambda case: True)
def empty_batch_has_shape_of_one_example(case: Case) -> None:
    """A batch of no examples keeps the shape and dtype of each."""
    y = case.op(*case.args, **case.params)
    empty = [np.stack([x])[:0] for x in case.args]
    found = vmap(lambda *args: case.op(*args, **case.params))(*empty)
    for a, b in zip(flatten(found)[0], flatten(y)[0], strict=True):
        if (a.shape, a.dtype) != ((0, *b.shape), b.dtype):
            raise GradientMismatch(
                f"{case!r}: an empty batch gives {a.dtype}{a.shape} for {b.dtype}{b.shape}."
            )


@law(curved)
def batched_pushforward_equals_loop(case: Case) -> None:
    """Tangents always mapped, primals in every choice: none is how Jacobians are computed."""
    n = len(case.args)

    def f(*values):
        at = case._replace(args=values[:n])
        return jvp(at.function, at.primals, values[n:])[1]

    dots, others = tangents(case), direction(case.rng("other"), case.primals)
    along = tuple(range(n, n + len(dots)))
    for mapped in subsets(tuple(range(n)), empty=True):
        expect_loop(case, "the pushforward", f, case.args + dots, case.sibling + others, mapped + along)


@law(curved)
def batched_pullback_equals_loop(case: Case) -> None:
    """The cotangent always mapped, primals in every choice."""
    n = len(case.args)
    y = case.function(*case.primals)

    def f(*values):
        at = case._replace(args=values[:n])
        bars = values[n:] if case.op.multiple else values[n]
        return vjp(at.function, *at.primals)[1](bars)

    y_bars = flatten(cotangent(case, y))[0]
    others = flatten(direction(case.rng("other"), y))[0]
    along = tuple(range(n, n + len(y_bars)))
    for mapped in subsets(tuple(range(n)), empty=True):
        expect_loop(case, "the pullback", f, (*case.args, *y_bars), (*case.sibling, *others), mapped + along)


# -------------------------------------------------- the ways an op is called
def spellings(op: Op) -> list[Callable]:
    """NumPy's functions and Python's operator that mean this op."""
    if OPS.get(op.name) is not op:
        return []
    found = [numpys for numpys, ours in FUNCTIONS.items() if ours is op]
    return found + [plain for name, (_, _, plain) in OPERATORS.items() if name == op.name]


@law(lambda case: bool(spellings(case.op)))
def numpy_and_operators_equal_the_op(case: Case) -> None:
    """The fast ways in give what the dispatch gives, for every choice of arguments, in every mode."""
    for spelling in spellings(case.op):
        f = lambda *args: spelling(*args)  # noqa: B023, E731
        for chosen in subsets(case.active):
            some = case._replace(active=chosen)
            way = lambda *xs: f(*some.filled(some.args, xs))  # noqa: B023, E731
            expect(case, f"the tangent by {spelling.__name__}", push(some, way), push(some))
            expect(case, f"the cotangents by {spelling.__name__}", pull(some, way), pull(some))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's, of one of its names for the op
            for mapped in subsets(tuple(range(len(case.args)))):
                expect_loop(case, f"the batch by {spelling.__name__}", f, case.args, case.sibling, mapped)


@law()
def layout_does_not_matter(case: Case) -> None:
    """Fortran order, strides and read-only memory give the numbers of a plain array."""
    for layout in (fortran, strided):
        other = case._replace(args=tuple(map(read_only, map(layout, case.args))))
        expect(case, f"the pushforward of {layout.__name__} inputs", push(other), push(case))
        expect(case, f"the pullback of {layout.__name__} inputs", pull(other), pull(case))


def fortran(x: np.ndarray) -> np.ndarray:
    return np.array(x, order="F")


def strided(x: np.ndarray) -> np.ndarray:
    """x as every second element of a larger array, backwards."""
    return np.repeat(x, 2, axis=-1)[..., ::-2][..., ::-1] if x.ndim else x


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.view()
    x.flags.writeable = False
    return x


@law()
def inputs_are_not_mutated(case: Case) -> None:
    """Arguments, tangents and cotangents keep their bits, and a pullback gives the same when called again."""
    dots, before = tangents(case), [x.tobytes() for x in case.args]
    y, pullback = vjp(case.function, *case.primals)
    y_bar = cotangent(case, y)
    directions = flatten((dots, y_bar))[0]
    kept = [x.tobytes() for x in directions]
    first = [x.tobytes() for x in pullback(y_bar)]
    jvp(case.function, case.primals, dots)
    if [x.tobytes() for x in pullback(y_bar)] != first:
        raise GradientMismatch(f"{case!r}: the pullback gives something else when it is called again.")
    if [x.tobytes() for x in case.args] != before or [x.tobytes() for x in directions] != kept:
        raise GradientMismatch(f"{case!r}: an input was written to.")


# -------------------------------------------------- sparsity
@law(lambda case: curved(case) and importlib.util.find_spec("scipy") is not None)
def pattern_covers_the_jacobian(case: Case) -> None:
    """What the sparsity pattern leaves out is 0, so what the op says of its axes and structure is true."""
    every = tuple(range(len(case.primals)))
    covered = pattern(case.function, *case.primals, argnums=every, kind="global").toarray()
    column = 0
    for i, x in enumerate(case.primals):
        for element in range(x.size):
            for unit in (1, 1j) if x.dtype.kind == "c" else (1,):
                dots = zeros(case.primals)
                dots[i].reshape(-1)[element] = unit
                y_dot = jvp(case.function, case.primals, dots)[1]
                found = np.concatenate([np.reshape(v, -1) != 0 for v in flatten(y_dot)[0]])
                lacking = np.flatnonzero(found & ~covered[:, column])
                if lacking.size:
                    raise GradientMismatch(
                        f"{case!r}: element {lacking[0]} of the value depends on element {element} of "
                        f"argument {case.active[i]}, which the sparsity pattern leaves out."
                    )
            column += 1


# -------------------------------------------------- precision
@law(curved, dtypes=("float32", "complex64"))
def single_precision_agrees_with_double(case: Case) -> None:
    """The rule in single precision: its dtype is kept, its numbers are those of double precision."""
    wide = case._replace(args=tuple(map(widened, case.args)), params=map_params(case))
    expect_like(case, "a cotangent", pull(case), case.primals)
    tolerance = single(case.dtype)
    expect(case, "the pushforward, against double precision,", push(case), push(wide), tolerance)
    expect(case, "the pullback, against double precision,", pull(case), pull(wide), tolerance)


@law(lambda case: curved(case) and len(case.active) > 1, dtypes=("float64",))
def narrower_arguments_lose_nothing(case: Case) -> None:
    """A derivative by a float64 argument is the same for others in single precision and widened."""
    for wide in subsets(case.active, proper=True):
        narrow = [x.astype(np.float32) if i in case.active else x for i, x in enumerate(case.args)]
        mixed = [case.args[i] if i in wide else x for i, x in enumerate(narrow)]
        some = case._replace(active=wide, args=tuple(mixed))
        same = some._replace(args=tuple(map(widened, mixed)))
        expect(case, f"the pushforward along {wide}, others narrow,", push(some), push(same))
        expect(case, f"the pullback to {wide}, others narrow,", pull(some), pull(same))


def widened(x: np.ndarray) -> np.ndarray:
    wide = {"float32": "float64", "complex64": "complex128"}.get(x.dtype.name)
    return x.astype(wide) if wide else x


def map_params(case: Case) -> dict:
    """The parameters with a dtype among them widened as the arguments are."""
    dtypes = {np.dtype("float32"): np.dtype("float64"), np.dtype("complex64"): np.dtype("complex128")}
    return {k: dtypes.get(v, v) if isinstance(v, np.dtype) else v for k, v in case.params.items()}


@law(lambda case: curved(case) and case.op.core == 0, dtypes=("float16", "longdouble"))
def dtype_of_any_precision_is_kept(case: Case) -> None:
    """Elementwise rules hold no float64: half and extended precision come out as they went in."""
    y, y_dot = jvp(case.function, case.primals, tangents(case))
    expect_like(case, "the tangent", y_dot, y)
    expect_like(case, "a cotangent", pull(case), case.primals)
    second = jvp(pulled(case, cotangent(case, y)), case.primals, tangents(case))[1]
    expect_like(case, "the derivative of a cotangent", second, case.primals)
