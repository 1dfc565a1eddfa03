"""The suite's own test: errors planted in the rules of every op are caught by the laws.

Mutants are made from the record of each registered op, by its kind; no op is named. A mutant that no law
catches must be one that changes nothing at the points of the domain (a flipped sign of zero), which is
computed, not listed.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pytest

from dualdiff.avals import Aval
from dualdiff.core import OPS, Op
from dualdiff.domains import WholeNumbers
from dualdiff.errors import DualdiffError
from dualdiff.modes import forward, tape
from dualdiff.modes.batch import BatchLevel, BatchTensor
from dualdiff.modes.zero import Zero
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.testing.check import check_law
from dualdiff.testing.laws import LAWS, changed, cotangent, curved, pull, push, tangents
from dualdiff.testing.samples import cases
from dualdiff.transforms.linear import jvp, vjp
from dualdiff.tree import flatten

FIRST = ("pushforward_is_directional_derivative", "pullback_is_adjoint_of_pushforward")
ADJOINT = ("pullback_is_adjoint_of_pushforward",)
ALONE = (*ADJOINT, "subsets_of_arguments_agree_with_all")
SECOND = ("second_derivative_is_difference_of_pullback", "four_nestings_agree")
BATCH = ("batching_equals_loop",)


class Mutant(NamedTuple):
    """A wrong record, and the laws that should say so."""

    error: str
    op: Op
    laws: tuple[str, ...]


# -------------------------------------------------- errors in one rule
def flipped(rule):
    return lambda *args, **params: each(rule(*args, **params), lambda value: -value)


def doubled(rule):
    return lambda *args, **params: each(rule(*args, **params), lambda value: 2 * value)


def each(value, f):
    """f on each part of a result, leaving structural zeros alone."""
    if isinstance(value, tuple):
        return tuple(each(part, f) for part in value)
    return value if value is None else f(value)


def detached(rule, kept=0):
    """The rule with a copy of what it reads that hides its dependence; the first `kept` arguments stay."""
    return lambda *args, **params: rule(*args[:kept], *map(cut_off, args[kept:]), **params)


def cut_off(value):
    if isinstance(value, tuple):
        return tuple(map(cut_off, value))
    return value if isinstance(value, (Aval, Zero)) else stop_gradient(value)


def without_conj(transpose):
    """A transpose as it would be for real numbers."""
    return lambda y_bar, *xs, **params: transpose(y_bar, *map(conjugated, xs), **params)


def conjugated(x):
    return np.conj(x) if getattr(x, "dtype", None) is not None and x.dtype.kind == "c" else x


def replaced(values, i, value):
    return (*values[:i], value, *values[i + 1 :])


# -------------------------------------------------- by kind
def mutants_of(op):
    """The wrong versions of one op."""
    return [*BY_KIND[op.kind](op), *mutants_of_out(op), *mutants_of_batching(op), *mutants_of_evaluate(op)]


def elementwise_mutants(op):
    for i, d in enumerate(op.partials):
        if d is None or isinstance(op.domain[i], WholeNumbers):  # by whole numbers there is no derivative
            continue
        rule = d if callable(d) else lambda *_, d=d: d
        for error, partial, laws in (
            ("sign flipped", lambda *args, f=rule: -f(*args), FIRST),
            ("factor 2", lambda *args, f=rule: 2 * f(*args), FIRST),
            ("dropped", None, FIRST),
            ("detached", detached(rule), SECOND),
            ("conj dropped", lambda *args, f=rule: np.conj(f(*args)), FIRST),
        ):
            if error == "conj dropped" and not op.complex:
                continue
            yield mutant(op, f"{error}, argument {i}", laws, partials=replaced(op.partials, i, partial))
        if op.reads[i]:
            yield mutant(op, f"nothing kept, argument {i}", ALONE, reads=replaced(op.reads, i, ()))
    if op.arity == 2:
        yield mutant(op, "partials swapped", FIRST, partials=op.partials[::-1], reads=op.reads[::-1])


def linear_mutants(op):
    yield mutant(op, "transpose flipped", ADJOINT, transpose=flipped(op.transpose))
    yield mutant(op, "transpose doubled", ADJOINT, transpose=doubled(op.transpose))
    yield mutant(op, "transpose of another map", ADJOINT, transpose=of_another_map(op.transpose))


def of_another_map(transpose):
    """The transpose of the op followed by an exchange of two elements along the last axis."""

    def wrong(y_bar, *xs, **params):
        if y_bar.ndim and y_bar.shape[-1] > 1:
            y_bar = y_bar[..., [1, 0, *range(2, y_bar.shape[-1])]]
        return transpose(y_bar, *xs, **params)

    return wrong


def argument_count(op):
    return op.arity or max(len(case.args) for case in cases(op))


def multilinear_mutants(op):
    stated = tuple(op.transposes[i] for i in range(argument_count(op)))
    for i, transpose in enumerate(stated):
        for error, rule, laws in (
            ("flipped", flipped(transpose), ADJOINT),
            ("doubled", doubled(transpose), ADJOINT),
            ("of another map", of_another_map(transpose), ADJOINT),
            ("conj dropped", without_conj(transpose), ADJOINT),
            ("detached", detached(transpose, kept=1), SECOND),
        ):
            yield mutant(op, f"transpose {i} {error}", laws, transposes=replaced(stated, i, rule))


def general_mutants(op):
    n, rule = argument_count(op), op.differential
    yield mutant(op, "differential flipped", FIRST, differential=flipped(rule))
    yield mutant(op, "differential doubled", FIRST, differential=doubled(rule))
    yield mutant(op, "differential detached", SECOND, differential=detached_differential(rule, n))
    for i in range(n):
        dropped = without_tangent(rule, n, i)
        yield mutant(op, f"tangent {i} dropped", FIRST, differential=dropped)
    if op.pullback is not None:
        yield mutant(op, "pullback flipped", ADJOINT, pullback=flipped(op.pullback))
        yield mutant(op, "pullback doubled", ADJOINT, pullback=doubled(op.pullback))
        yield mutant(op, "pullback detached", SECOND, pullback=detached(op.pullback, kept=1))
    for i, transpose in enumerate(op.transposes or ()):
        if transpose is not None:
            transposes = replaced(op.transposes, i, doubled(transpose))
            yield mutant(op, f"transpose {i} doubled", ADJOINT, transposes=transposes)


def detached_differential(differential, n):
    return lambda y, *args, **params: differential(cut_off(y), *map(cut_off, args[:n]), *args[n:], **params)


def without_tangent(differential, n, i):
    def wrong(y, *args, **params):
        return differential(y, *replaced(args, n + i, Zero.like(args[i])), **params)

    return wrong


def mutants_of_out(op):
    if op.out is None or op.multiple:
        return
    law = ("out_predicts_shape_and_dtype",)

    def in_half_precision(*xs, **params):
        return Aval(op.out(*xs, **params).shape, np.dtype(np.float16))

    def with_one_axis_more(*xs, **params):
        aval = op.out(*xs, **params)
        return Aval((*aval.shape, 1), aval.dtype)

    yield mutant(op, "out in another dtype", law, out=in_half_precision)
    yield mutant(op, "out of another shape", law, out=with_one_axis_more)


def mutants_of_batching(op):
    yield mutant(op, "batch off by one", BATCH, batch=off_by_one(op))
    if op.shifts is not None:
        yield mutant(op, "axes not shifted", BATCH, batch=as_if_one_example(op))
    if op.arity != 1:
        yield mutant(op, "one example for all", BATCH, batch=one_example_of_later_arguments(op))
        if op.core is not None and any(len({x.ndim for x in case.args}) > 1 for case in cases(op)):
            yield mutant(op, "ranks not aligned", BATCH, batch=as_if_one_example(op))


def as_if_one_example(op):
    return lambda size, mapped, values, params: op(*values, **params)


def off_by_one(op):
    def wrong(size, mapped, values, params):
        level = BatchLevel("mutant", None, size)
        y = op(*(BatchTensor(level, v) if m else v for m, v in zip(mapped, values, strict=True)), **params)
        return each(y, lambda part: np.roll(part.value, 1, axis=0))

    return wrong


def one_example_of_later_arguments(op):
    def wrong(size, mapped, values, params):
        first = [(v, 0) if m else (v, None) for m, v in zip(mapped, values, strict=True)]

        def example(i):
            return op(
                *(v if at is None else v[i if k == 0 else 0] for k, (v, at) in enumerate(first)), **params
            )

        rows = [example(i) for i in range(max(size, 1))]
        if op.multiple:
            return tuple(np.stack(parts)[:size] for parts in zip(*rows, strict=True))
        return np.stack(rows)[:size]

    return wrong


def mutants_of_evaluate(op):
    """A function that leaves its first floating argument changed."""

    def writes(*xs, **params):
        y = op.evaluate(*xs, **params)
        for x in xs:
            if isinstance(x, np.ndarray) and x.flags.writeable and x.dtype.kind in "fc":
                x *= 0.5
                break
        return y

    if op.kind != "constant":
        yield mutant(op, "writes into its input", ("inputs_are_not_mutated",), evaluate=writes)


BY_KIND = {
    "elementwise": elementwise_mutants,
    "linear": linear_mutants,
    "multilinear": multilinear_mutants,
    "general": general_mutants,
    "constant": lambda op: (),
}


def mutant(op, error, laws, **facts):
    return Mutant(error, changed(op, **facts), laws)


# -------------------------------------------------- whether it is caught
DOUBLE = ("float64", "complex128")
SINGLE = {"float32": "float64", "complex64": "complex128"}


def points_of(op, law, few, dtypes):
    """Cases of the original op, for a law; private copies, since a mutant may write into them."""
    for dtype in LAWS[law].dtypes:
        if SINGLE.get(dtype, dtype) in dtypes:
            found = [case for case in cases(op, dtype) if LAWS[law].speaks_of(case)]
            for case in found[:2] if few and isinstance(op.domain, tuple) else found:
                yield case._replace(args=tuple(np.array(x) for x in case.args))


def caught(original, mutant, laws, few, dtypes):
    """Whether one of the laws fails on the mutant; a mutant that raises is caught as well."""
    for law in laws:
        for case in points_of(original, law, few, dtypes):
            try:
                with np.errstate(all="ignore"):
                    LAWS[law].check(case._replace(op=mutant.op))
            except Exception:
                return True
    return False


def equivalent(original, mutant, dtypes):
    """Whether the mutant gives what the original gives, in every mode, at every point of the domain. One that
    raises does not."""
    if mutant.laws == BATCH:
        return constant_on_its_domain(original, dtypes)
    found = [case for dtype in dtypes for case in cases(original, dtype) if curved(case)]
    for case in found:
        expected = behaviour(case)
        try:
            given = behaviour(case._replace(op=mutant.op))
        except Exception:
            return False
        if not all(np.array_equal(x, y, equal_nan=True) for x, y in zip(expected, given, strict=True)):
            return False
    return True


def constant_on_its_domain(op, dtypes):
    """Whether all examples have the same value, so that taking one for another is right."""
    values = {
        (dtype, value)
        for dtype in dtypes
        for case in cases(op, dtype)
        for args in (case.args, case.sibling)
        for part in flatten(op(*args, **case.params))[0]
        for value in np.ravel(part)
    }
    return len(values) == len({dtype for dtype, _ in values})


def behaviour(case):
    """What the op does at a point: tangents, cotangents, second derivatives, as a flat list."""
    y_bar = cotangent(case, case.function(*case.primals))
    pullback = lambda *xs: vjp(case.function, *xs)[1](y_bar)  # noqa: E731
    second = jvp(pullback, case.primals, tangents(case))[1]
    return flatten((push(case), pull(case), second))[0]


class Score(NamedTuple):
    """How many errors were planted in an op and caught, and which survived though they change something."""

    planted: int
    caught: int
    survivors: list[str]


@lru_cache(None)
def score(op, few=True, dtypes=DOUBLE):
    planted = list(mutants_of(op))
    missed = [
        wrong
        for wrong in planted
        if not caught(op, wrong, wrong.laws, few, dtypes) and not caught(op, wrong, LAWS, False, dtypes)
    ]
    survivors = [wrong.error for wrong in missed if not equivalent(op, wrong, dtypes)]
    return Score(len(planted), len(planted) - len(missed), survivors)


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_planted_error_is_caught(op):
    assert score(op).survivors == []


def test_score_of_all_planted_errors():
    """Nine in ten are caught; the rest are those that change nothing, as a second derivative of zero."""
    scores = [score(op) for op in OPS.values()]
    planted, found = sum(s.planted for s in scores), sum(s.caught for s in scores)
    assert planted > 5 * len(OPS)
    assert found > 0.9 * planted, f"{found} of {planted} planted errors were caught"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DOUBLE)
@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_planted_error_is_caught_in_each_dtype(op, dtype):
    """The full grid: neither real nor complex points leave an error to the other."""
    assert score(op, few=False, dtypes=(dtype,)).survivors == []


# -------------------------------------------------- errors in the engine
def overwrite(pending, heap, node, bar):
    """A cotangent replaces what was there."""
    if node[0] not in pending:
        tape.heappush(heap, node[0])
    pending[node[0]] = [node, bar, False]


def first_copy_only(x_bar, shape, op):
    """The cotangent of one copy of a broadcast argument instead of the sum of all."""
    extra = x_bar.ndim - len(shape)
    key = (slice(0, 1),) * extra + tuple(slice(0, n) for n in shape)
    return x_bar[key].reshape(shape)


def not_made_real(x_bar, shape, dtype, op=""):
    return x_bar if shape is None else tape.sum_to_shape(x_bar, shape)


def not_broadcast(y_dot, y):
    return y_dot if y_dot.dtype.kind == "c" else y_dot.astype(y.dtype)


ENGINE = {
    "cotangents overwritten": (tape, "deliver", overwrite, "cotangents_accumulate"),
    "copies not summed": (tape, "sum_to_shape", first_copy_only, "pullback_is_adjoint_of_pushforward"),
    "cotangents not made real": (tape, "fit_cotangent", not_made_real, "single_precision_agrees_with_double"),
    "tangents not broadcast": (forward, "fit_tangent", not_broadcast, "tangent_has_shape_and_dtype_of_value"),
}


@pytest.mark.parametrize("error", ENGINE)
def test_error_planted_in_the_engine_is_caught(error, monkeypatch):
    module, name, wrong, law = ENGINE[error]
    monkeypatch.setattr(module, name, wrong)
    with pytest.raises(DualdiffError):
        for op in (OPS["add"], OPS["multiply"], OPS["real"], OPS["logaddexp2"]):
            for dtype in LAWS[law].dtypes:
                check_law(op, law, dtype)
