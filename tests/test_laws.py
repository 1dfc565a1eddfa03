"""Laws of differentiation on random programs: linearity, sum, product and chain rule, adjointness, symmetry.

The oracle is the complex step where a derivative itself is checked; the other laws relate derivatives of
different functions, so that no rule is compared with itself.
"""

import numpy as np
import pytest
from conventions import convention
from hypothesis import given

import dualdiff as dd
from dualdiff.errors import GradientMismatch, InputTypeError
from dualdiff.testing import (
    check_grads,
    check_op,
    complex_step,
    dot_test,
    finite_difference,
    taylor_test,
)
from dualdiff.testing.differences import Tolerance, algebra, difference, furthest
from dualdiff.testing.strategies import arrays, programs

VECTOR = arrays((3,))
ONE, TWO = programs(arguments=1), programs(arguments=2)


def assert_close(found, expected):
    assert np.shape(found) == np.shape(expected)
    assert furthest(found, expected, algebra(float)) is None, (found, expected)


def push(f, xs, x_dots):
    return dd.jvp(f, xs, x_dots)[1]


def pull(f, xs, y_bar):
    return dd.vjp(f, *xs)[1](y_bar)


def ones_like_value(f, *xs):
    return np.linspace(0.5, 1.5, np.size(f(*xs))).reshape(np.shape(f(*xs)))


# -------------------------------------------------- first order
@given(TWO, VECTOR, VECTOR, VECTOR, VECTOR)
def test_pushforward_is_complex_step(f, x, y, u, v):
    assert_close(push(f, (x, y), (u, v)), complex_step(f, (x, y), (u, v)))


@given(TWO, VECTOR, VECTOR, VECTOR, VECTOR)
def test_pushforward_is_linear(f, x, y, u, v):
    together = push(f, (x, y), (2 * u - v, 2 * v + u))
    assert_close(together, 2 * push(f, (x, y), (u, v)) + push(f, (x, y), (-v, u)))


@given(TWO, VECTOR, VECTOR)
def test_pullback_is_linear(f, x, y):
    g = ones_like_value(f, x, y)
    h = np.cos(g)
    for both, one, other in zip(
        pull(f, (x, y), 2 * g - h), pull(f, (x, y), g), pull(f, (x, y), h), strict=True
    ):
        assert_close(both, 2 * one - other)


@given(TWO, VECTOR, VECTOR, VECTOR, VECTOR)
def test_pullback_is_adjoint_of_pushforward(f, x, y, u, v):
    g = ones_like_value(f, x, y)
    x_bar, y_bar = pull(f, (x, y), g)
    assert_close(np.vdot(g, push(f, (x, y), (u, v))), np.vdot(x_bar, u) + np.vdot(y_bar, v))


@given(ONE, ONE, VECTOR, VECTOR)
def test_chain_rule(f, g, x, u):
    y = f(x) + np.zeros(3)
    composed = lambda x: g(f(x) + np.zeros(3))  # noqa: E731
    y_dot = push(lambda x: f(x) + np.zeros(3), (x,), (u,))
    assert_close(push(composed, (x,), (u,)), push(g, (y,), (y_dot,)))
    z_bar = ones_like_value(composed, x)
    (y_bar,) = pull(g, (y,), z_bar)
    assert_close(pull(composed, (x,), z_bar)[0], pull(lambda x: f(x) + np.zeros(3), (x,), y_bar)[0])


@given(ONE, ONE, VECTOR, VECTOR)
def test_product_rule(f, g, x, u):
    product = push(lambda x: f(x) * g(x), (x,), (u,))
    assert_close(product, push(f, (x,), (u,)) * g(x) + f(x) * push(g, (x,), (u,)))


@given(ONE, ONE, VECTOR)
def test_sum_rule_in_reverse(f, g, x):
    together = dd.grad(lambda x: np.sum(f(x)) - 3 * np.sum(g(x)))(x)
    assert_close(together, dd.grad(lambda x: np.sum(f(x)))(x) - 3 * dd.grad(lambda x: np.sum(g(x)))(x))


@given(TWO, VECTOR, VECTOR)
def test_jacobians_of_both_modes_are_equal(f, x, y):
    for forward, reverse in zip(
        dd.jacfwd(f, argnums=(0, 1))(x, y), dd.jacrev(f, argnums=(0, 1))(x, y), strict=True
    ):
        assert_close(forward, reverse)


@given(TWO, VECTOR, VECTOR, VECTOR, VECTOR)
def test_linearize_is_jvp_and_vjp(f, x, y, u, v):
    value, lin = dd.linearize(f, x, y)
    assert_close(value, f(x, y))
    assert_close(lin(u, v), push(f, (x, y), (u, v)))
    g = ones_like_value(f, x, y)
    for found, expected in zip(lin.T(g), pull(f, (x, y), g), strict=True):
        assert_close(found, expected)


# -------------------------------------------------- second order
@given(programs(arguments=1, scalar=True), VECTOR, VECTOR, VECTOR)
@convention("HO-3")
def test_hessian_is_symmetric(f, x, u, v):
    hessian = dd.hessian(f)(x)
    assert_close(hessian, hessian.T)
    assert_close(v @ hessian @ u, u @ dd.jvp(dd.grad(f), (x,), (v,))[1])


@given(programs(arguments=1, scalar=True), VECTOR, VECTOR)
def test_hessian_product_is_complex_step_of_the_pushforward(f, x, u):
    rows = np.eye(3)
    expected = [complex_step(lambda x, e=e: push(f, (x,), (e.astype(x.dtype),)), (x,), (u,)) for e in rows]
    assert_close(dd.jvp(dd.grad(f), (x,), (u,))[1], np.array(expected))


@pytest.mark.parametrize("inner", ["forward", "reverse"])
@pytest.mark.parametrize("outer", ["forward", "reverse"])
@given(programs(arguments=1, steps=4, scalar=True), VECTOR)
@convention("HO-1")
def test_hessian_is_the_same_in_every_nesting(outer, inner, f, x):
    assert_close(dd.hessian(f, mode=(outer, inner))(x), dd.hessian(f)(x))


# -------------------------------------------------- batches
@given(TWO, arrays((4, 3)), VECTOR)
def test_vmap_is_a_loop(f, xs, y):
    assert_close(dd.vmap(f, in_axes=(0, None))(xs, y), np.stack([f(x, y) for x in xs]))


@given(programs(arguments=1, scalar=True), arrays((4, 3)))
def test_vmap_of_gradient_is_a_loop(f, xs):
    assert_close(dd.vmap(dd.grad(f))(xs), np.stack([dd.grad(f)(x) for x in xs]))


@given(ONE, arrays((4, 3)))
def test_gradient_of_vmap_is_a_loop(f, xs):
    together = dd.grad(lambda xs: np.sum(dd.vmap(f)(xs)))(xs)
    assert_close(together, np.stack([dd.grad(lambda x: np.sum(f(x)))(x) for x in xs]))


# -------------------------------------------------- the tools themselves
def half_sine():
    """sin with half its derivative: what the tools must notice."""
    return dd.elementwise(lambda x: np.sin(x), lambda _y, x: 0.5 * np.cos(x), name="half_sine")


def curved_wrongly():
    """sin with the right derivative, which hides its own: only the second order is wrong."""
    return dd.elementwise(
        lambda x: np.sin(x), lambda _y, x: np.cos(dd.stop_gradient(x)), name="curved_wrongly"
    )


@given(TWO, VECTOR, VECTOR)
def test_check_grads_passes_on_random_programs(f, x, y):
    check_grads(f, (x, y))


@given(programs(arguments=2, scalar=True), VECTOR, VECTOR)
def test_taylor_test_and_dot_test_pass_on_random_programs(f, x, y):
    dot_test(f, x, y)
    taylor_test(f, x, y)


X = np.array([0.3, -1.2, 0.7])


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_check_grads_names_argument_direction_and_numbers(mode, unregistered):
    wrong = half_sine()
    f = lambda a, b: np.square(a) + wrong(b["w"])  # noqa: E731
    with pytest.raises(
        GradientMismatch, match=rf"{mode} derivative of <lambda> .* argument 1\['w'\] along \["
    ):
        check_grads(f, (X, {"w": X}), modes=(mode,), order=1)


@pytest.mark.parametrize("modes", [("forward",), ("reverse",)])
def test_check_grads_sees_a_wrong_second_derivative(modes, unregistered):
    wrong = curved_wrongly()
    check_grads(wrong, (X,), modes=modes, order=1)
    with pytest.raises(GradientMismatch):
        check_grads(wrong, (X,), modes=modes, order=2)


def test_check_grads_in_single_precision_takes_differences_in_double():
    check_grads(lambda x: np.exp(np.sin(x)), (X.astype(np.float32),))


@pytest.mark.parametrize("args", [0.5, (0.5,), (np.float64(0.5),), ((0.5, {"a": 2.0}),)], ids=repr)
def test_check_grads_takes_python_numbers(args):
    check_grads(lambda x: x[0] * np.exp(x[1]["a"]) if isinstance(x, tuple) else np.sin(x) * x, args)


def test_check_grads_says_how_to_hold_an_integer_fixed():
    i = np.array([0, 2])
    with pytest.raises(InputTypeError, match=r"argument 1: its dtype is int64[\s\S]*lambda x: f\(x, n\)"):
        check_grads(lambda x, i: np.sum(x[i] ** 2), (X, i))
    check_grads(lambda x: np.sum(x[i] ** 2), (X,))


def test_check_grads_of_complex_functions():
    check_grads(lambda z: np.abs(z) * np.exp(1j * z), (X + 0.5j,))


@pytest.mark.parametrize("f", [np.conj, np.abs, np.real, lambda z: z * np.conj(z), lambda z: z + z.imag])
@convention("CPX-12")
def test_check_grads_reports_a_function_that_is_not_holomorphic(f):
    check_grads(f, (X + 0.5j,))
    with pytest.raises(GradientMismatch, match="is not holomorphic: along 1j"):
        check_grads(f, (X + 0.5j,), holomorphic=True)


def test_check_grads_takes_a_holomorphic_function_and_no_real_point():
    check_grads(lambda z, w: np.exp(z) * w / (1 + z * z), (X + 0.5j, 2.0 - 1j), holomorphic=True)
    with pytest.raises(InputTypeError, match="complex arguments"):
        check_grads(np.exp, (X,), holomorphic=True)


def test_check_grads_takes_the_tolerances_given(unregistered):
    close = dd.elementwise(lambda x: np.sin(x), lambda _y, x: 1.0001 * np.cos(x), name="close")
    check_grads(close, (X,), order=1, rtol=1e-3)
    with pytest.raises(GradientMismatch):
        check_grads(close, (X,), order=1)


def test_check_grads_refuses_unknown_modes():
    with pytest.raises(InputTypeError, match="sideways"):
        check_grads(np.sin, (X,), modes=("sideways",))


def test_taylor_test_measures_the_slopes(unregistered):
    slopes = taylor_test(lambda x: np.sum(np.exp(x)), X)
    assert slopes.value == pytest.approx(1, abs=0.1)
    assert slopes.gradient == pytest.approx(2, abs=0.1)
    assert slopes.hessian == pytest.approx(3, abs=0.1)
    for wrong in (half_sine(), curved_wrongly()):
        with pytest.raises(GradientMismatch, match="slopes"):
            taylor_test(lambda x, wrong=wrong: np.sum(wrong(x)), X)


def test_dot_test_sees_a_transpose_that_is_no_adjoint(unregistered):
    @dd.op
    class third:
        core = 0

        def evaluate(x):
            return x / 3

        def out(x):
            return x

        def transpose(y_bar, x):
            return y_bar

        def domain(rng, dtype):
            yield (rng.uniform(size=3).astype(dtype),), {}

    with pytest.raises(GradientMismatch, match=r"J\^H"):
        dot_test(third, X)
    with pytest.raises(GradientMismatch, match="law 'pullback_is_adjoint_of_pushforward'"):
        check_op(third, laws=["pullback_is_adjoint_of_pushforward"])


def test_finite_difference_of_known_derivatives():
    assert finite_difference(np.exp, (1.0,), (2.0,)) == pytest.approx(2 * np.e, rel=1e-10)
    value = finite_difference(lambda x, y: {"p": x * y, "n": np.argmax(x)}, (X, X), (X, 0 * X))
    np.testing.assert_allclose(value["p"], X * X, rtol=1e-10)
    assert value["n"] == 0


def test_complex_step_is_exact_and_refuses_complex_points():
    assert complex_step(lambda x: np.sin(x) * x, (0.7,), (1.0,)) == np.cos(0.7) * 0.7 + np.sin(0.7)
    with pytest.raises(InputTypeError, match="complex"):
        complex_step(np.sin, (1j,), (1.0,))


# -------------------------------------------------- the comparison itself
EXACT, CLOSE = Tolerance(0.0, 0.0), Tolerance(1e-3, 1e-6)


@pytest.mark.parametrize(
    ("found", "expected", "tolerance", "worst"),
    [
        ([1.0, 2.0], [1.0, 2.0], EXACT, None),
        ([1.0, 2.0], [1.0, 2.0 + 2**-50], EXACT, (1,)),
        ([1.0, 2.0], [1.0005, 2.1], CLOSE, (1,)),
        ([1e-9, 1.0], [0.0, 1.0], CLOSE, None),
        ([1e-3, 1.0], [0.0, 1.0], CLOSE, (0,)),
        ([1e-3, 1e4], [0.0, 1e4], CLOSE, None),
        ([np.nan, np.inf], [np.nan, np.inf], EXACT, None),
        ([np.nan, 1.0], [1.0, 1.0], CLOSE, (0,)),
        ([1.0, np.inf], [1.0, -np.inf], CLOSE, (1,)),
        ([1.0, 5.0], [1.0, np.inf], CLOSE, (1,)),
        ([True, False], [True, True], CLOSE, (1,)),
        ([1 + 1j], [1 - 1j], CLOSE, (0,)),
        (3.0, 4.0, CLOSE, ()),
        ([], [], EXACT, None),
    ],
)
def test_comparison_finds_the_worst_element(found, expected, tolerance, worst):
    assert furthest(np.array(found), np.array(expected), tolerance) == worst


def test_differences_reach_the_accuracy_that_the_tolerance_assumes():
    """The error of the stencil on known derivatives, a hundred times below what is allowed."""
    x = np.linspace(0.3, 2, 7)
    for f, slope in ((np.exp, np.exp(x)), (np.log, 1 / x), (np.sin, np.cos(x)), (np.sqrt, 0.5 / np.sqrt(x))):
        found = finite_difference(f, (x,), (np.ones(7),))
        assert np.max(np.abs(found / slope - 1)) < difference().rtol / 100
