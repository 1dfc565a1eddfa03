"""Random programs and random wrong calls, a few of each here; at length by python -m dualdiff.testing.fuzz.

What is compared is in dualdiff/testing/agreement.py. The fuzzer's own test plants errors in rules, in the
engine and in shapes, and counts how many it finds with a few programs each.
"""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_mutations import ENGINE, equivalent, mutants_of

import dualdiff as dd
from dualdiff.core import FUNCTIONS, OPS, Op, register
from dualdiff.errors import GradientMismatch
from dualdiff.modes.reverse import linear_rule, recorder_of
from dualdiff.testing import fuzz, programs
from dualdiff.testing.agreement import agree, failure
from dualdiff.testing.calls import examples
from dualdiff.testing.mistakes import internal, mistake, raised
from dualdiff.testing.terms import name, spelled_function
from dualdiff.tree import flatten

pytest.importorskip("scipy")

PROGRAMS = range(150)
WRONG_CALLS = range(20)  # of fifty each


# -------------------------------------------------- programs
@pytest.mark.parametrize("seed", PROGRAMS)
def test_modes_agree_on_random_program(seed):
    agree(fuzz.program(seed))


@given(st.integers(0, 2**32 - 1))
def test_modes_agree_on_any_program_to_first_order(seed):
    agree(programs.generate(seed), order=1)


@pytest.mark.parametrize("seed", range(40))
def test_program_prints_as_source_that_runs(seed):
    program, space = programs.generate(seed), {}
    exec(program.script().rpartition("\n")[0], space)
    with np.errstate(all="ignore"):
        found, expected = space["program"](*program.point()), program(*program.point())
    for x, y in zip(flatten(found)[0], flatten(expected)[0], strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("kind", ["float64", "float32", "complex128", "mixed"])
def test_program_is_the_same_for_the_same_seed(kind):
    assert repr(programs.generate(5, kind=kind)) == repr(programs.generate(5, kind=kind))


def test_program_takes_in_what_it_is_to_focus_on():
    example = next(e for e in examples() if e.text == "np.linalg.solve(x, y)")
    assert sum("np.linalg.solve" in repr(programs.generate(k, focus=example)) for k in range(20)) > 15


def test_differences_say_something_at_nearly_every_point():
    smooth = [agree(programs.generate(seed), order=1).smooth for seed in range(60)]
    assert np.mean(smooth) > 0.9


def test_failing_program_is_cut_down_to_what_fails():
    program = programs.generate(3, steps=6, kind="float64")
    assert len(program.statements) > 4
    least = programs.least(program, lambda p: failure(p, order=1) is None)
    assert len(least.statements) < len(program.statements)
    assert failure(least, order=1) is None


NOT_DRAWN = {
    "no derivative to compare": {
        "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm", "invert",
        "bitwise_count", "inverse_order", "all", "any", "isin", "allclose", "array_equal", "array_equiv",
        "argwhere", "nanargmax", "nanargmin", "matrix_rank", "signbit", "histogram_bin_edges",
    },
    "about arrays, not their numbers": {
        "shape", "ndim", "size", "result_type", "iscomplexobj", "isrealobj", "shares_memory", "common_type",
        "may_share_memory", "min_scalar_type", "can_cast", "einsum_path", "array2string", "array_repr",
        "array_str", "unravel_index", "ravel_multi_index", "ix_", "diag_indices_from", "tril_indices_from",
        "triu_indices_from", "empty", "empty_like", "zeros", "ones", "eye", "identity", "arange", "tri",
        "full",
    },
    "a statement of its own, which writes": {
        "copyto", "fill_diagonal", "place", "put", "putmask", "put_along_axis",
    },
    "not asked by its name on a tensor": {
        "asarray", "asanyarray", "array", "ascontiguousarray", "asfortranarray", "require", "astype", "amax",
        "around", "real_if_close",
    },
    "the op stands under another name": {
        "matrix_transpose", "log2", "log10", "logn", "arccos", "arcsin", "arctanh", "eig", "_lambertw",
        "unique_values", "unique_counts", "unique_inverse", "unique_all", "union1d", "intersect1d",
        "setdiff1d", "setxor1d", "sort_complex", "histogramdd", "histogram2d", "roots",
    },
}  # fmt: skip


def test_every_function_is_drawn_or_has_a_reason():
    drawn = " ".join(example.text for example in examples())
    reasons = set().union(*NOT_DRAWN.values())
    assert [
        f.__name__ for f, ours in FUNCTIONS.items()
        if f"{spelled_function(f)}(" not in drawn and f.__name__ not in reasons
        and not (isinstance(ours, Op) and f'OPS["{ours.name}"]' in drawn)
    ] == []  # fmt: skip


def test_terms_are_written_with_the_parentheses_they_need():
    x, y = name("x"), name("y")
    assert repr((x + y) * -x) == "(x + y) * (-x)"
    assert repr(2.0 / (x[1:, None] - np.sin(y))) == "2.0 / (x[1:, None] - np.sin(y))"
    assert repr((x + y)[..., ::2].sum(axis=0)) == "(x + y)[..., ::2].sum(axis=0)"
    assert repr(np.where(x > 0, x, -np.inf)) == "np.where(x > 0, x, -np.inf)"


# -------------------------------------------------- wrong calls
@pytest.mark.parametrize("chunk", WRONG_CALLS)
def test_wrong_call_raises_no_error_from_inside(chunk):
    """The long run reports more: values where NumPy raises, and TypeErrors where it gives a value."""
    found = []
    for seed in range(50 * chunk, 50 * chunk + 50):
        call = mistake(seed)
        what = call.failure()
        if what is not None and " raises " in what and internal(raised(call.live)):
            found.append(f"{seed}: {what}\n    {call.script()}")
    assert found == [], "\n".join(found)


# -------------------------------------------------- planted errors
SAMPLE = 60  # mutants of the thousands that there are
BUDGET = 8  # programs that look for each


def enter(op):
    """Tell every mode about the record as it is now, and forget the rules made of what it was."""
    recorder_of.cache_clear()
    linear_rule.cache_clear()
    register(op)


@contextlib.contextmanager
def planted(op, mutant):
    """The facts of a mutant in the record of the op, known to every mode."""
    facts = {fact: getattr(op, fact) for fact in Op.__slots__}
    changed = {
        fact: getattr(mutant.op, fact) for fact in facts if getattr(mutant.op, fact) is not facts[fact]
    }
    try:
        for fact, value in changed.items():
            setattr(op, fact, value)
        enter(op)
        yield
    finally:
        for fact, value in facts.items():
            setattr(op, fact, value)
        enter(op)


def found_within_budget(op, mutant):
    """Whether one of the first programs with the op fails with the error in; every other one is complex."""
    about = [e for e in examples() if e.text.startswith(f'OPS["{op.name}"]')]
    made = []
    for k in range(BUDGET):
        focus = about[k // 2 % len(about)]
        kind = "complex128" if "complex128" in focus.centres and k % 2 else None
        made.append(programs.generate(k, steps=2, kind=kind, focus=focus))
    with planted(op, mutant):
        return any(failure(program) is not None for program in made)


def sample():
    """Errors of every sort in ops of every kind, the same in every run."""
    pool = [
        (op, mutant) for op in OPS.values()
        if any(e.text.startswith(f'OPS["{op.name}"]') for e in examples())
        for mutant in mutants_of(op)
        if not mutant.error.startswith(("out ", "writes ", "nothing kept"))
    ]  # fmt: skip
    chosen = np.random.default_rng(1).permutation(len(pool))
    changing = (
        (op, m) for op, m in (pool[i] for i in chosen) if not equivalent(op, m, ("float64", "complex128"))
    )
    return [pair for pair, _ in zip(changing, range(SAMPLE), strict=False)]


def test_planted_errors_are_found_by_few_programs():
    wrong = sample()
    missed = [f"{op.name}: {m.error}" for op, m in wrong if not found_within_budget(op, m)]
    assert len(missed) <= 0.1 * len(wrong), f"{len(missed)} of {len(wrong)} missed: {missed}"


@pytest.mark.parametrize("error", ENGINE)
def test_error_in_the_engine_is_found(error, monkeypatch):
    module, attribute, wrong, _ = ENGINE[error]
    kind = "complex128" if "real" in error else "float64"
    made = [programs.generate(k, kind=kind, writes=False) for k in range(25)]
    monkeypatch.setattr(module, attribute, wrong)
    assert any(failure(program, order=1) is not None for program in made)


def test_swapped_axis_is_found(monkeypatch):
    """A function that sums along the axis beside the one asked for has other values than NumPy's."""
    ours = FUNCTIONS[np.sum]
    monkeypatch.setitem(FUNCTIONS, np.sum, lambda x, axis=None, **k: ours(x, -1 if axis == 0 else axis, **k))
    example = next(e for e in examples() if e.text == "np.sum(x, axis=0)")
    assert failure(programs.generate(1, steps=1, focus=example), order=1) is not None


class Detached(programs.Program):
    """A program whose result has lost its derivative."""

    def __call__(self, *args):
        return dd.stop_gradient(super().__call__(*args))


def test_detached_output_is_found():
    program = programs.generate(2, steps=2, kind="float64")
    with pytest.raises(GradientMismatch):
        agree(Detached(2, program.arguments, program.statements, program.outputs, set(), True))
