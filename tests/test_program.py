"""Programs as Python: their lines give NumPy's bits, whatever the names and parameters are called."""

import gc
import keyword
import operator
import weakref

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.errors import InputTypeError
from dualdiff.modes.program import SYMBOLS, Program

EDGES = np.array([0.0, -0.0, 1.0, -2.5, 1e300, np.inf, -np.inf, np.nan])
NUMBERS = [np.float64(x) for x in EDGES]
OF_TWO = [f for f in SYMBOLS if f not in (np.negative, np.matmul, operator.pow)]


def run(function, *args, params=None, name="f"):
    """What one step gives, its arguments being inputs."""
    k = len(args)
    made = Program(list(range(k)), [None] * k, [(function, name, (*range(k),), params or {}, k, 0, ())], [k])
    return made.run(list(args))[0]


@pytest.mark.parametrize("function", OF_TWO)
def test_symbol_of_two_arguments_gives_the_bits_of_the_function(function):
    pairs = [(a, b) for a in NUMBERS for b in NUMBERS] + [(EDGES[:, None], EDGES), (EDGES + 1j, EDGES)]
    with np.errstate(all="ignore"):
        for a, b in pairs:
            expected, found = function(a, b), run(function, a, b)
            assert type(found) is type(expected) and found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(np.signbit(np.real(found)), np.signbit(np.real(expected)))


def test_symbols_of_one_argument_and_of_matrices_do_too():
    np.testing.assert_array_equal(run(np.negative, EDGES), -EDGES)
    a = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(run(np.matmul, a, a.T), a @ a.T)
    assert set(SYMBOLS) - set(OF_TWO) == {np.negative, np.matmul, operator.pow}


def test_symbol_of_powers_of_numbers_gives_the_bits_of_numpys_function():
    with np.errstate(all="ignore"):
        for a, b in [(a, b) for a in NUMBERS for b in (*NUMBERS, 2, -1, 3.5)]:
            expected, found = np.power(a, b), run(operator.pow, a, b)
            assert type(found) is type(expected)
            np.testing.assert_array_equal(found, expected)
            assert np.signbit(found) == np.signbit(expected)


@pytest.mark.parametrize("x", [EDGES, np.array(-2.5), np.float64(-2.5), np.float32(0.3), EDGES[5:] + 1j])
@pytest.mark.parametrize("exponent", [2, -1, 3, 0.5])
def test_replayed_power_is_numpys_function(x, exponent):
    """Not the operator of arrays, which is a square of int8 for truth values and a reciprocal for -1."""

    def f(x):
        return np.power(x, exponent), np.power(np.isfinite(x), abs(exponent))

    with np.errstate(all="ignore"):
        for found, expected in zip(dd.replay(f)(x), f(x), strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_name_that_was_made_is_not_given_twice():
    calls = [(name, lambda x, k=k: x * k) for k, name in enumerate(["f", "f_2", "f", "f_3", "f"], 2)]
    steps = [(call, name, (0,), {}, k, 0, ()) for k, (name, call) in enumerate(calls, 1)]
    program = Program([0], [None] * 6, steps, [1, 2, 3, 4, 5])
    assert program.run([np.float64(1.0)]) == [2, 3, 4, 5, 6]


def test_python_complex_number_beside_a_number_computes_as_numpy_does():
    with np.errstate(all="ignore"):
        f = dd.replay(lambda x: 1j / x)
        for x in (2.0, 0.0):
            found, expected = f(x), np.divide(1j, x)
            assert type(found) is np.complex128
            np.testing.assert_array_equal(found, expected)


def test_single_precision_stays_beside_python_numbers():
    x = np.ones(3, np.float32)
    assert dd.replay(lambda x: 2.0 * x / 3 + 0.5)(x).dtype == np.float32
    assert dd.replay(lambda x: 2.0 * x / 3 + 0.5)(x[0]).dtype == np.float32


@pytest.mark.parametrize("name", ["x0", "c0", "v0", "slice", "program", "lambda", "<lambda>", "a b", "sin"])
def test_functions_may_have_any_name(name):
    def f(x, *, key):
        return x[key]

    def g(x):
        return dd.custom_jvp(f_of_x)(np.sin(x[1:])) * 2.0

    def f_of_x(x):
        return x * 3.0

    f_of_x.__name__ = name
    assert run(f, EDGES, params={"key": slice(1, 3)}, name=name).tolist() == EDGES[1:3].tolist()
    custom = dd.custom_jvp(f_of_x)
    custom.defjvp(lambda primals, tangents: (f_of_x(*primals), tangents[0] * 3.0))
    h = dd.replay(dd.grad(lambda x: np.sum(custom(np.sin(x[1:])) ** 2)))
    x = np.array([1.0, 2.0, 3.0])
    expected = np.concatenate([[0.0], 18 * np.sin(x[1:]) * np.cos(x[1:])])
    np.testing.assert_allclose(h(x), expected, rtol=1e-14)


@pytest.mark.parametrize("key", [*keyword.kwlist[:3], "a b", "x0", "key"])
def test_parameters_may_have_any_name(key):
    assert run(lambda x, **params: x * params[key], 2.0, params={key: 3}) == 6.0
    array = np.array([1.0, 2.0])
    assert run(lambda x, **params: x * params[key], 2.0, params={key: array}).tolist() == [2.0, 4.0]


def test_parameters_of_one_name_are_kept_apart():
    steps = [
        (lambda x, *, by: x + by, "add_by", (0,), {"by": np.array([1.0])}, 1, 0, ()),
        (lambda x, *, by: x * by, "add_by", (1,), {"by": np.array([5.0])}, 2, 0, ()),
    ]
    assert Program([0], [None], steps, [2]).run([2.0])[0] == 15.0


def test_program_is_freed_without_the_collector():
    made = Program([0], [None], [(np.sin, "sin", (0,), {}, 1, 0, ())], [1])
    dead = weakref.ref(made.program)
    gc.disable()
    try:
        del made
        assert dead() is None
    finally:
        gc.enable()


def test_recording_of_a_long_program_takes_time_in_proportion():
    """Twice the ops, twice the lines, and no set that is copied at every step: counted, not timed."""

    def chain(n):
        def f(x):
            for _ in range(n):
                x = np.sin(x)
            return np.sum(x)

        return f

    lines = [dd.replay(dd.grad(chain(n))).source(np.ones(3)).count("\n") for n in (100, 200, 400)]
    assert lines[2] - lines[1] == 2 * (lines[1] - lines[0])
    np.testing.assert_allclose(dd.replay(chain(20000))(np.ones(3)), chain(20000)(np.ones(3)))


def test_source_shows_constants_and_a_line_for_each_step():
    source = dd.replay(dd.grad(lambda x: np.sum(np.sin(x) * 2.0))).source
    lines = [
        "c0 = array([2., 2.])",
        "",
        "def program(x0):",
        "v0 = cos(x0)",
        "v1 = c0 * v0",
        "del v0",
        "return [v1]",
    ]
    assert [line.strip() for line in source(np.ones(2)).split("\n")] == lines
    assert source(0.5).startswith("c0 = ")
    with pytest.raises(InputTypeError, match="inside another transform"):
        dd.grad(lambda x: float(len(source(x))))(1.0)


# -------------------------------------------------- large results in memory that is read for the last time
BIG = np.linspace(0.1, 1.0, 10_000).reshape(100, 100)

OVERWRITING = {
    "chain": lambda x: np.exp(np.sin(x) * 2.0) + 1.0,
    "twice the same": lambda x: (y := np.cos(x)) * y,
    "read later": lambda x: (y := np.cos(x)) * 2.0 + y,
    "a view is alive": lambda x: (y := np.cos(x), z := y.T, w := y * 2.0, w + z)[-1],
    "a view of a row": lambda x: (y := np.cos(x), z := y[0], w := y * 2.0, w + z)[-1],
    "a reshaped view": lambda x: (y := np.cos(x), z := y.reshape(-1), w := np.sin(y), z[:100] + w)[-1],
    "the input": lambda x: np.sin(x) + x,
    "other shape": lambda x: np.cos(x) + np.sin(x)[:, :, None][:3],
    "other dtype": lambda x: np.real(np.exp(np.sin(x) * 1j) * (1 + 2j)),
    "comparison": lambda x: np.where(np.sin(x) > np.cos(x), np.tan(x), 0.0),
    "product": lambda x: (np.sin(x) @ np.cos(x)) * 2.0,
    "two results": lambda x: (np.sin(x) * 2.0, np.sin(x)),
}


@pytest.mark.parametrize("f", OVERWRITING.values(), ids=OVERWRITING)
def test_overwriting_changes_no_result_input_or_constant(f):
    replayed = dd.replay(f)
    for x in (BIG, 2 * BIG, BIG):
        given = x.copy()
        found, expected = replayed(given), f(x)
        np.testing.assert_array_equal(given, x)
        for a, b in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
            np.testing.assert_array_equal(a, b)


def test_large_results_take_memory_that_is_free_and_small_ones_new():
    f = lambda x: np.exp(np.sin(x) * 2.0)  # noqa: E731
    source = dd.replay(f).source
    assert "multiply(v0, c0, out=v0)" in source(BIG) and "exp(v1, out=v1)" in source(BIG)
    assert "v0 * c0" in source(BIG[0]) and "exp(v1)" in source(BIG[0])
    shown = dd.replay(lambda x: (y := np.sin(x), y.T + np.cos(y))[-1]).source(BIG)
    assert "cos(v0)" in shown
