"""where_safe and strong_zero: two ways to keep what is not taken out of a derivative."""

import itertools
import threading
import warnings

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.errors import StructureError
from dualdiff.testing import finite_difference

nan, inf = np.nan, np.inf
X = np.array([0.0, 1.0])
MODES = ("forward", "reverse")
# a function, its first and its second derivative at 1, and one that is smooth at 0 to take elsewhere
SINGULAR = [
    pytest.param(np.log, 1.0, -1.0, id="log"),
    pytest.param(np.sqrt, 0.5, -0.25, id="sqrt"),
    pytest.param(lambda v: 1 / v, -1.0, 2.0, id="reciprocal"),
    pytest.param(lambda v: np.log(v) * np.sqrt(v) / v, 1.0, -2.0, id="product"),
]


def safe(f, g=0.0):
    return lambda x: dd.where_safe(x > 0, f, g, x)


# -------------------------------------------------- where_safe: nothing of the branch that is not taken
@pytest.mark.parametrize(("f", "slope", "_"), SINGULAR)
@pytest.mark.parametrize("mode", MODES)
@convention("NAN-4")
def test_first_derivative_is_that_of_the_branch_taken(f, slope, _, mode):
    np.testing.assert_allclose(dd.jacobian(safe(f), mode=mode)(X), np.diag([0, slope]), rtol=1e-15)
    np.testing.assert_allclose(dd.vmap(dd.grad(safe(f), mode=mode))(X), [0, slope], rtol=1e-15)
    _, pullback = dd.vjp(safe(f), X, mode=mode)
    np.testing.assert_allclose(pullback(np.ones(2))[0], [0, slope], rtol=1e-15)


@pytest.mark.parametrize(("f", "_", "curvature"), SINGULAR)
@pytest.mark.parametrize("modes", list(itertools.product(MODES, MODES)), ids="-".join)
@convention("NAN-4")
def test_second_derivative_is_that_of_the_branch_taken(f, _, curvature, modes):
    total = lambda x: np.sum(safe(f)(x))  # noqa: E731
    np.testing.assert_allclose(dd.hessian(total, mode=modes)(X), np.diag([0, curvature]), rtol=1e-15)
    batch = np.array([[0.0, 1], [0, 0], [1, -1]])
    found = dd.vmap(dd.hessian(total, mode=modes))(batch)
    np.testing.assert_allclose(found, [np.diag((row > 0) * curvature) for row in batch], rtol=1e-15)


def test_value_is_that_of_where_and_nothing_warns():
    x = np.array([-1.0, 0.0, nan, inf, 4.0])
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        np.testing.assert_array_equal(dd.where_safe(x > 0, np.sqrt, lambda v: -v, x), [1, 0, nan, inf, 2])
        np.testing.assert_array_equal(dd.vmap(safe(np.log))(X), [0, 0])
        dd.hessian(lambda x: np.sum(safe(np.log)(x)))(X)
        dd.grad(lambda x: np.sum(safe(np.log)(x)))(-X)  # taken nowhere


def test_branch_that_is_taken_warns_as_it_does():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        dd.where_safe(np.array([True, False]), np.log, 0.0, X)


def test_both_branches_may_be_singular():
    f = lambda x: dd.where_safe(x > 0, np.log, lambda v: np.sqrt(-v), x)  # noqa: E731
    x = np.array([-4.0, 2.0])
    np.testing.assert_allclose(f(x), [2, np.log(2)])
    for mode in MODES:
        np.testing.assert_allclose(dd.jacobian(f, mode=mode)(x), np.diag([-0.25, 0.5]))


def test_arguments_broadcast_with_each_other_and_with_the_condition():
    cond = np.array([[True], [False]])
    u, v = np.array([1.0, 2.0, 0.0]), np.array(0.0)

    def f(u, v):
        return np.sum(dd.where_safe(cond, lambda u, v: u * v, lambda u, v: u + v, u, v))

    for mode in MODES:
        du, dv = dd.grad(f, argnums=(0, 1), mode=mode)(u, v)
        np.testing.assert_array_equal(du, [1, 1, 1])
        np.testing.assert_array_equal(dv, 3 + 3)
        assert du.shape == u.shape and dv.shape == v.shape


def test_one_place_is_substituted_in_all_arguments():
    """u / v is evaluated at pairs that occur, not at the u of one place and the v of another."""
    u, v = np.array([1.0, 1e300]), np.array([2.0, 1e-300])
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(dd.where_safe([True, False], np.divide, 0.0, u, v), [0.5, 0])


def test_what_a_branch_closes_over_is_differentiated_too():
    def f(a):
        return np.sum(dd.where_safe(X > 0, lambda v: a * np.log(v + 1), 0.0, X - 1e-300))

    for mode in MODES:
        assert dd.grad(f, mode=mode)(3.0) == pytest.approx(np.log(2), rel=1e-15)


def test_mapped_condition_arguments_and_closures():
    x = np.array([[0.0, 1.0], [2.0, 0.0]])
    a = np.array([3.0, 5.0])
    found = dd.vmap(lambda x, a: dd.where_safe(x > 0, lambda v: a * np.log(v), 0.0, x))(x, a)
    np.testing.assert_allclose(found, [[0, 0], [5 * np.log(2), 0]])
    found = dd.vmap(lambda c: dd.where_safe(c, np.log, 0.0, np.array([1.0, 2.0])))(x > 0)
    np.testing.assert_allclose(found, [[0, np.log(2)], [0, 0]])
    nested = dd.vmap(dd.vmap(safe(np.log)))(x)
    np.testing.assert_allclose(nested, [[0, 0], [np.log(2), 0]])
    found = dd.grad(lambda x: np.sum(dd.vmap(safe(np.sqrt))(x)), mode="reverse")(X)
    np.testing.assert_array_equal(found, [0, 0.5])


def test_containers_go_in_and_come_out():
    def f(d):
        return dd.where_safe(d["x"] > 0, lambda d: {"log": np.log(d["x"]), "y": d["y"]}, 0.0, d)

    d = {"x": X, "y": np.array([5.0, 6.0])}
    found = f(d)
    np.testing.assert_array_equal(found["log"], [0, 0])
    np.testing.assert_array_equal(found["y"], [0, 6])
    for mode in MODES:
        bars = dd.grad(lambda d: np.sum(f(d)["log"] + f(d)["y"]), mode=mode)(d)
        np.testing.assert_array_equal(bars["x"], [0, 1])
        np.testing.assert_array_equal(bars["y"], [0, 1])


def test_different_containers_are_refused():
    with pytest.raises(StructureError, match="where_safe was given functions that return"):
        dd.where_safe(X > 0, lambda v: (v, v), lambda v: v, X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble, np.complex128])
def test_dtype_is_kept(dtype):
    x = X.astype(dtype)
    assert dd.where_safe(X > 0, np.log, 0.0, x).dtype == dtype
    assert dd.where_safe(X > 9, np.log, 0.0, x).dtype == dtype  # taken nowhere
    assert dd.where_safe(X > 0, lambda v, s: v * s, 0.0, x, 2.0).dtype == dtype
    bar = dd.grad(lambda x: np.sum(np.real(dd.where_safe(X > 0, np.log, 0.0, x))))(x)
    assert bar.dtype == dtype
    np.testing.assert_array_equal(bar, [0, 1])


def test_function_that_changes_the_dtype():
    f = lambda x: dd.where_safe(x > 0, lambda v: np.sqrt(-v.astype(complex)), 0.0, x)  # noqa: E731
    assert f(X).dtype == complex
    g = lambda x: np.sum(np.imag(f(x)))  # noqa: E731
    np.testing.assert_allclose(
        dd.grad(g)(X), [0, finite_difference(g, (X,), (np.array([0.0, 1.0]),))], rtol=1e-7
    )


def test_numbers_integers_and_empty_arrays():
    assert dd.where_safe(True, np.log, 0.0, 1.0) == 0.0
    assert dd.grad(lambda x: dd.where_safe(x > 0, np.log, 0.0, x), mode="reverse")(0.0) == 0.0
    np.testing.assert_array_equal(dd.where_safe(X > 0, np.reciprocal, 7, np.array([0, 1])), [7, 1])
    assert dd.where_safe(X[:0] > 0, np.log, 0.0, X[:0]).shape == (0,)
    assert dd.grad(lambda x: np.sum(safe(np.log)(x)))(X[:0]).shape == (0,)


def test_condition_may_be_a_tensor_or_a_list():
    found = dd.grad(lambda x: np.sum(dd.where_safe(x, np.log, 0.0, x)), mode="reverse")(X)
    np.testing.assert_array_equal(found, [0, 1])
    np.testing.assert_array_equal(dd.where_safe([0, 1], np.log, 0.0, X), [0, 0])


def test_pattern_of_any_input_is_that_of_both_branches():
    pytest.importorskip("scipy")
    pattern = dd.sparse.pattern(safe(np.log), np.array([1.0, 2.0, 0.0])).toarray()
    np.testing.assert_array_equal(pattern, np.eye(3, dtype=bool))


def test_debug_finds_nothing():
    with dd.debug():
        np.testing.assert_array_equal(dd.grad(lambda x: np.sum(safe(np.log)(x)))(X), [0, 1])


# -------------------------------------------------- strong_zero
MASKED = [
    pytest.param(lambda x: np.where(x > 0, np.log(x), 0.0), [0, 1.0], [0, -1.0], id="log"),
    pytest.param(lambda x: np.where(x > 0, np.sqrt(x), 0.0), [0, 0.5], [0, -0.25], id="sqrt"),
]


@pytest.fixture
def strong():
    with dd.strong_zero(), np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize(("f", "slopes", "curvatures"), MASKED)
@convention("NAN-5")
def test_branch_not_taken_has_a_zero_that_is_strong(f, slopes, curvatures, strong):
    np.testing.assert_array_equal(dd.vjp(f, X)[1](np.ones(2))[0], slopes)
    np.testing.assert_array_equal(dd.vjp(f, X, mode="forward")[1](np.ones(2))[0], slopes)
    np.testing.assert_array_equal(dd.jvp(f, (X,), (np.ones(2),))[1], slopes)
    np.testing.assert_array_equal(dd.jvp(f, (X,), (np.ones(2),), mode="reverse")[1], slopes)
    _, lin = dd.linearize(f, X)
    np.testing.assert_array_equal(lin(np.ones(2)), slopes)
    np.testing.assert_array_equal(lin.T(np.ones(2))[0], slopes)
    np.testing.assert_array_equal(dd.jacrev(f)(X), np.diag(slopes))
    np.testing.assert_array_equal(dd.vmap(dd.grad(f, mode="reverse"))(X), slopes)
    np.testing.assert_array_equal(dd.grad(lambda x: np.sum(dd.vmap(f)(x)), mode="reverse")(X), slopes)
    for modes in itertools.product(MODES, MODES):
        np.testing.assert_array_equal(dd.hessian(lambda x: np.sum(f(x)), mode=modes)(X), np.diag(curvatures))


def test_zero_of_the_function_is_not_strong(strong):
    for f, reverse, forward in (
        (lambda x: 0 * np.log(x), 0.0, nan),
        (lambda x: np.sqrt(x**2), nan, 0.0),
    ):
        np.testing.assert_equal(dd.grad(f, mode="reverse")(0.0), reverse)
        np.testing.assert_equal(dd.grad(f, mode="forward")(0.0), forward)


@convention("SP-25")
def test_number_zero_as_a_tangent_is_strong(strong):
    assert dd.jvp(np.sqrt, (0.0,), (0.0,))[1] == 0.0
    assert dd.jvp(np.sqrt, (0.0,), (0.0,), mode="reverse")[1] == 0.0


A = np.array([[inf, 1.0, -inf], [2.0, nan, 3.0]])


@pytest.mark.parametrize(
    "product",
    [lambda x: A @ x, lambda x: np.einsum("ij,j->i", A, x), lambda x: np.sum(A * x, axis=1)],
    ids=["matmul", "einsum", "multiply"],
)
@pytest.mark.parametrize(
    ("x_dot", "expected"),
    [
        ([1.0, 0, 0], [inf, 2]),
        ([-1.0, 0, 0], [-inf, -2]),
        ([0.0, 1, 0], [1, nan]),
        ([1.0, 0, -1], [inf, -1]),
        ([1.0, 0, 1], [nan, 5]),
        ([0.0, 0, 0], [0, 0]),
    ],
)
def test_zeros_of_a_sum_of_products_are_strong(product, x_dot, expected, strong):
    np.testing.assert_array_equal(dd.jvp(product, (np.ones(3),), (np.array(x_dot),))[1], expected)


@pytest.mark.parametrize(("y_bar", "expected"), [([0.0, 1], [2, nan, 3]), ([1.0, 0], [inf, 1, -inf])])
def test_zeros_of_a_cotangent_of_matmul_are_strong(y_bar, expected, strong):
    pull = lambda v: dd.vjp(lambda x: A @ x, v)[1](np.array(y_bar))[0]  # noqa: E731
    np.testing.assert_array_equal(pull(np.ones(3)), expected)
    np.testing.assert_array_equal(dd.vmap(pull)(np.ones((2, 3))), [expected] * 2)


def test_other_infinities_stay(strong):
    assert dd.grad(np.sqrt)(0.0) == inf
    np.testing.assert_array_equal(dd.grad(lambda x: np.sum(np.sqrt(x)))(X), [inf, 0.5])
    assert np.isnan(dd.grad(np.sin)(nan))


def test_zero_tangent_keeps_the_derivative_by_itself(strong):
    """A product that is finite is recorded as it is: the slope of x_dot cos(x) in x_dot is not 0 at 0."""
    slope = dd.grad(lambda t: dd.jvp(np.sin, (0.5,), (t,))[1])(0.0)
    assert slope == np.cos(0.5)


def test_without_it_zeros_are_numbers():
    with np.errstate(all="ignore"):
        with dd.strong_zero():
            pass
        f = lambda x: np.sum(np.where(x > 0, np.log(x), 0.0))  # noqa: E731
        np.testing.assert_array_equal(dd.grad(f, mode="reverse")(X), [nan, 1])
        results = []

        def elsewhere():
            with np.errstate(all="ignore"):
                results.append(dd.grad(f, mode="reverse")(X))

        with dd.strong_zero():
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            with dd.debug(primal=False), dd.strong_zero():
                np.testing.assert_array_equal(dd.grad(f, mode="reverse")(X), [0, 1])
        np.testing.assert_array_equal(results, [[nan, 1]])
