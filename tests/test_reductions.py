"""Reductions and scans: stated derivatives at kinks, zeros and ties; every keyword against differences."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.errors import ConversionError, NoDerivative
from dualdiff.ops.logsums import logsumexp
from dualdiff.testing import check_grads
from dualdiff.tree import flatten

inf, nan = np.inf, np.nan
A = np.random.default_rng(1).uniform(0.3, 2, (3, 4))
CUBE = np.random.default_rng(2).uniform(-2, 2, (2, 3, 4))
V = np.random.default_rng(3).uniform(-2, 2, 5)
LONG = np.random.default_rng(4).uniform(0.8, 1.2, 75)
Z = CUBE[0] + 1j * CUBE[1]
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
ROW = np.array([True, False, True, True])


# -------------------------------------------------- ways to the same derivative
def forward(f, x):
    return dd.jacobian(f, mode="forward")(x)


def one_by_one(f, x):
    """jvp along one basis vector at a time."""
    columns = [dd.jvp(f, (x,), (e,))[1] for e in np.eye(x.size).reshape((-1, *x.shape))]
    return np.moveaxis(np.reshape(columns, x.shape + np.shape(f(x))), range(x.ndim), range(-x.ndim, 0))


def reverse(f, x):
    return dd.jacobian(f, mode="reverse")(x)


def batched_forward(f, x):
    return dd.vmap(dd.jacobian(f, mode="forward"))(np.stack([np.ones_like(x), x]))[1]


def batched_reverse(f, x):
    return dd.vmap(dd.jacobian(f, mode="reverse"))(np.stack([np.ones_like(x), x]))[1]


WAYS = [forward, one_by_one, reverse, batched_forward, batched_reverse]

# name: (function, point, gradient of the sum of its values)
POINTS = {
    "max": (np.max, [1.0, 2, 2], [0, 0.5, 0.5]),
    "min": (np.min, [2.0, 1, 1], [0, 0.5, 0.5]),
    "max-axis": (
        lambda x: np.max(x, axis=1),
        [[1.0, 2, 2], [3, 3, 3]],
        [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]],
    ),
    "max-nan": (np.max, [1, nan, 2], [0, 1, 0]),
    "max-nans": (np.max, [nan, nan], [0.5, 0.5]),
    "min-nan": (np.min, [1, nan, 2], [0, 1, 0]),
    "initial-ties": (lambda x: np.max(x, initial=2.0), [1.0, 2], [0, 0.5]),
    "initial-wins": (lambda x: np.max(x, initial=10.0), [1.0, 2], [0, 0]),
    "initial-loses": (lambda x: np.max(x, initial=0.0), [1.0, 2], [0, 1]),
    "initial-ties-two": (lambda x: np.min(x, initial=1.0), [1.0, 1], [1 / 3, 1 / 3]),
    "fmax-nan": (np.fmax.reduce, [1, nan, 2, 2], [0, 0, 0.5, 0.5]),
    "fmin-nans": (np.fmin.reduce, [nan, nan], [0, 0]),
    "running-max": (np.maximum.accumulate, [1.0, 2, 2, 1], [1, 2, 1, 0]),
    "running-max-ties": (np.maximum.accumulate, [2.0, 2, 2], [1.75, 0.75, 0.5]),
    "running-min-ties": (np.minimum.accumulate, [2.0, 2, 2], [1.75, 0.75, 0.5]),
    "running-max-nan": (np.maximum.accumulate, [1, nan, 2], [1, 2, 0]),
    "running-fmax-nan": (np.fmax.accumulate, [1, nan, 2], [2, 0, 1]),
    "prod-zero": (np.prod, [0.0, 2, 3], [6, 0, 0]),
    "prod-zeros": (np.prod, [0.0, 0, 3], [0, 0, 0]),
    "prod-zero-4": (np.prod, [0.0, 3, 4], [12, 0, 0]),
    "prod-axes": (lambda x: np.prod(x, axis=(0, 1)), [[0.0, 2], [3, 5]], [[30, 0], [0, 0]]),
    "prod-one": (np.prod, [0.0], [1]),
    "cumprod": (np.cumprod, [2.0, 0, 3], [1, 8, 0]),
    "var": (np.var, [1.0, 1, 1], [0, 0, 0]),
    "std": (np.std, [1.0, 1, 1], [0, 0, 0]),
    "std-one": (np.std, [1.0], [0]),
    "logsumexp -inf": (logsumexp, [-inf, -inf], [0.5, 0.5]),
    "logsumexp inf": (logsumexp, [inf, 0], [1, 0]),
    "logsumexp infs": (logsumexp, [inf, inf], [0.5, 0.5]),
    "logsumexp -inf 0": (logsumexp, [-inf, 0], [0, 1]),
    "logaddexp.reduce": (np.logaddexp.reduce, [-inf, -inf], [0.5, 0.5]),
    "logsumexp": (logsumexp, [1000.0, 1000], [0.5, 0.5]),
    "softmax": (lambda x: np.exp(x - logsumexp(x))[0], [1000.0, 0], [0, 0]),
    "ptp": (np.ptp, [1.0, 1, 3], [-0.5, -0.5, 1]),
    "scalar-max": (np.max, 3.0, 1),
    "scalar-prod": (np.prod, 0.0, 1),
    "scalar-cumprod": (np.cumprod, 0.0, 1),
    "scalar-var": (np.var, 3.0, 0),
    "scalar-mean": (np.mean, 3.0, 1),
    "sum-no-axes": (lambda x: np.sum(x, axis=()), [1.0, 2], [1, 1]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", POINTS)
def test_reduction_has_stated_derivative(name, way):
    f, x, expected = POINTS[name]
    x = np.asarray(x, float)
    jacobian = way(f, x)
    assert jacobian.shape == np.shape(f(x)) + x.shape
    found = jacobian.reshape(-1, *x.shape).sum(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)


@pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("way", [forward, reverse])
def test_std_without_freedom_has_nan_derivative(way):
    """The value is nan as well."""
    assert np.isnan(way(lambda x: np.std(x, ddof=1), np.array([1.0]))).all()


HESSIANS = {
    "prod": (np.prod, [0.0, 2, 3], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
    "prod-two-zeros": (np.prod, [0.0, 0, 3], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
    "cumprod": (lambda x: np.sum(np.cumprod(x)), [2.0, 0, 3], [[0, 4, 0], [4, 0, 2], [0, 2, 0]]),
    "std": (np.std, [1.0, 1, 1], np.zeros((3, 3))),
    "logsumexp": (logsumexp, [1000.0, 1000], [[0.25, -0.25], [-0.25, 0.25]]),
    "var": (np.var, [1.0, 3], [[0.5, -0.5], [-0.5, 0.5]]),
    "max": (np.max, [1.0, 2, 2], np.zeros((3, 3))),
}


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
@pytest.mark.parametrize("name", HESSIANS)
def test_reduction_has_stated_hessian(name, outer, inner):
    f, x, expected = HESSIANS[name]
    found = dd.jacobian(dd.jacobian(f, mode=inner), mode=outer)(np.array(x))
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


def test_third_derivative_of_prod_at_zeros():
    third = dd.jacobian(dd.jacobian(dd.grad(np.prod)))(np.zeros(3))
    expected = np.zeros((3, 3, 3))
    for i, j, k in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        expected[i, j, k] = 1
    assert np.array_equal(third, expected)


def test_logsumexp_has_stated_value():
    assert logsumexp(np.array([1000.0, 1000.0])) == 1000.6931471805599
    assert dd.value_and_grad(logsumexp)(np.array([1000.0, 1000.0]))[0] == 1000.6931471805599


# -------------------------------------------------- keywords
# Smooth points: value, both modes, both orders, batch and single precision of each.
CASES = {
    "sum": (np.sum, CUBE),
    "sum-axis": (lambda x: np.sum(x, 1), CUBE),
    "sum-axes-keepdims": (lambda x: np.sum(x, axis=(0, -1), keepdims=True), CUBE),
    "sum-keepdims-int": (lambda x: np.sum(x, axis=0, keepdims=1), A),
    "sum-where": (lambda x: np.sum(x, where=MASK), A),
    "sum-where-axis": (lambda x: np.sum(x * x, axis=1, where=MASK, keepdims=True), A),
    "sum-where-row": (lambda x: np.sum(x * x, axis=0, where=ROW), A),
    "sum-where-of-x": (lambda x: np.sum(x * x, axis=0, where=x > 1), A),
    "sum-initial": (lambda x: np.sum(x * x, initial=3.0), A),
    "sum-initial-true": (lambda x: np.sum(x * x, initial=True), A),
    "sum-initial-axis": (lambda x: np.sum(x * x, 0, initial=3.0), A),
    "sum-initial-where": (lambda x: np.sum(x * x, axis=1, initial=3.0, where=MASK), A),
    "sum-initial-tensor": (lambda x: np.sum(x * x, axis=1, initial=x[0, 0] ** 2, where=x > 1), A),
    "sum-positional": (lambda x: np.sum(x * x, 1, None, None, True), A),
    "sum-method": (lambda x: (x * x).sum(axis=0, where=MASK), A),
    "sum-complex": (lambda x: np.sum(x * x, axis=0, where=MASK, initial=1j), Z),
    "add.reduce": (lambda x: np.add.reduce(x * x), A),
    "add.reduce-where": (lambda x: np.add.reduce(x * x, axis=None, where=MASK, initial=1.0), A),
    "mean": (np.mean, CUBE),
    "mean-axes": (lambda x: np.mean(x * x, axis=(0, 2)), CUBE),
    "mean-keepdims": (lambda x: np.mean(x * x, axis=-1, keepdims=True), CUBE),
    "mean-where": (lambda x: np.mean(x * x, axis=1, where=MASK), A),
    "mean-where-of-x": (lambda x: np.mean(x * x, where=x > 1), A),
    "mean-method": (lambda x: (x * x).mean(0), A),
    "mean-complex": (lambda x: np.mean(x * x, axis=0), Z),
    "var": (np.var, CUBE),
    "var-axes-ddof": (lambda x: np.var(x, axis=(0, 2), ddof=1), CUBE),
    "var-correction": (lambda x: np.var(x, axis=1, correction=1.5), CUBE),
    "var-keepdims": (lambda x: np.var(x, axis=1, keepdims=True), CUBE),
    "var-where": (lambda x: np.var(x, axis=1, where=MASK, ddof=0.5), A),
    "var-where-keepdims": (lambda x: np.var(x, where=MASK, keepdims=True), A),
    "var-mean": (lambda x: np.var(x, axis=1, mean=np.ones((3, 1))), A),
    "var-mean-tensor": (lambda x: np.var(x, axis=1, mean=np.mean(x, axis=1, keepdims=True) ** 2), A),
    "var-mean-where": (lambda x: np.var(x, axis=0, mean=np.ones((1, 4)), where=MASK), A),
    "var-complex": (lambda x: np.var(x, axis=1), Z),
    "var-complex-where": (lambda x: np.var(x, axis=1, where=MASK), Z),
    "var-method": (lambda x: x.var(1, ddof=1), A),
    "std": (np.std, CUBE),
    "std-axes-ddof": (lambda x: np.std(x, axis=(0, 2), ddof=1, keepdims=True), CUBE),
    "std-correction": (lambda x: np.std(x, axis=1, correction=1), CUBE),
    "std-where": (lambda x: np.std(x, axis=1, where=MASK), A),
    "std-mean": (lambda x: np.std(x, axis=1, mean=np.ones((3, 1))), A),
    "std-complex": (lambda x: np.std(x, axis=1), Z),
    "std-method": (lambda x: x.std(), A),
    "prod": (np.prod, A),
    "prod-axis": (lambda x: np.prod(x, axis=1), CUBE),
    "prod-axes": (lambda x: np.prod(x, axis=(0, 2), keepdims=True), CUBE),
    "prod-where": (lambda x: np.prod(x, axis=1, where=MASK), A),
    "prod-initial": (lambda x: np.prod(x, axis=0, initial=3.0), A),
    "prod-initial-where": (lambda x: np.prod(x, initial=3.0, where=MASK), A),
    "prod-initial-tensor": (lambda x: np.prod(x, axis=0, initial=x[1, 1]), A),
    "prod-complex": (lambda x: np.prod(x, axis=0), Z),
    "prod-method": (lambda x: x.prod(axis=0), A),
    "multiply.reduce": (lambda x: np.multiply.reduce(x, where=MASK), A),
    "max": (np.max, CUBE),
    "max-axes": (lambda x: np.max(x * x, axis=(0, 2)), CUBE),
    "max-keepdims": (lambda x: np.max(x * x, axis=1, keepdims=True), CUBE),
    "max-initial": (lambda x: np.max(x * x, axis=1, initial=1.5), CUBE),
    "max-initial-keepdims": (lambda x: np.max(x * x, axis=1, initial=1.5, keepdims=True), CUBE),
    "max-initial-tensor": (lambda x: np.max(x, axis=1, initial=2 * x[0, 0] ** 2), A),
    "max-where": (lambda x: np.max(x * x, axis=1, initial=0.5, where=MASK), A),
    "max-method": (lambda x: x.max(0), A),
    "amax": (lambda x: np.amax(x, axis=-1), A),
    "maximum.reduce": (lambda x: np.maximum.reduce(x * x, keepdims=True), A),
    "maximum.reduce-where": (lambda x: np.maximum.reduce(x * x, axis=None, initial=0.0, where=MASK), A),
    "min": (np.min, CUBE),
    "min-initial": (lambda x: np.min(x * x, axis=1, initial=0.5), CUBE),
    "min-where": (lambda x: np.min(x * x, axis=1, initial=0.5, where=MASK), A),
    "min-method": (lambda x: x.min(0), A),
    "amin": (lambda x: np.amin(x, axis=-1), A),
    "minimum.reduce": (lambda x: np.minimum.reduce(x * x), A),
    "fmax.reduce": (lambda x: np.fmax.reduce(x * x, axis=(0, 1)), A),
    "fmin.reduce": (lambda x: np.fmin.reduce(x * x, axis=1), A),
    "ptp": (np.ptp, CUBE),
    "ptp-axis": (lambda x: np.ptp(x * x, axis=1, keepdims=True), CUBE),
    "cumsum": (np.cumsum, A),
    "cumsum-axis": (lambda x: np.cumsum(x * x, axis=1), CUBE),
    "cumsum-method": (lambda x: (x * x).cumsum(0), A),
    "cumsum-complex": (lambda x: np.cumsum(x * x, axis=0), Z),
    "add.accumulate": (lambda x: np.add.accumulate(x * x), A),
    "cumprod": (np.cumprod, V),
    "cumprod-axis": (lambda x: np.cumprod(x, axis=1), CUBE),
    "cumprod-method": (lambda x: x.cumprod(-1), A),
    "cumprod-complex": (lambda x: np.cumprod(x, axis=0), Z),
    "cumprod-long": (np.cumprod, LONG),
    "multiply.accumulate": (lambda x: np.multiply.accumulate(x), A),
    "maximum.accumulate": (lambda x: np.maximum.accumulate(x * x), CUBE),
    "minimum.accumulate": (lambda x: np.minimum.accumulate(x * x, axis=2), CUBE),
    "maximum.accumulate-long": (lambda x: np.maximum.accumulate(x * x), LONG),
    "logaddexp.accumulate": (lambda x: np.logaddexp.accumulate(x, axis=1), A),
    "logaddexp.accumulate-long": (lambda x: np.logaddexp.accumulate(x), LONG),
    "hypot.accumulate": (np.hypot.accumulate, A),
    "subtract.accumulate": (lambda x: np.subtract.accumulate(x * x), A),
    "divide.accumulate": (np.divide.accumulate, A),
    "logsumexp": (logsumexp, CUBE),
    "logsumexp-axis": (lambda x: logsumexp(x, axis=1), CUBE),
    "logsumexp-axes": (lambda x: logsumexp(x, axis=(0, -1), keepdims=True), CUBE),
    "logsumexp-weights": (lambda x: logsumexp(x, axis=1, b=np.arange(4.0)), A),
    "logsumexp-weights-of-x": (lambda x: logsumexp(x[0], b=x, axis=1, keepdims=True), A),
    "logsumexp-sign": (lambda x: logsumexp(x, axis=1, b=-np.ones(4), return_sign=True), A),
    "logsumexp-complex": (lambda x: logsumexp(x, axis=0), Z),
    "logaddexp.reduce": (lambda x: np.logaddexp.reduce(x), A),
    "logaddexp.reduce-initial-true": (lambda x: np.logaddexp.reduce(x, axis=1, initial=True), A),
    "logaddexp.reduce-where": (lambda x: np.logaddexp.reduce(x, axis=1, where=MASK, initial=0.5), A),
    "logaddexp2.reduce": (lambda x: np.logaddexp2.reduce(x, axis=1, keepdims=True), A),
    "hypot.reduce": (lambda x: np.hypot.reduce(x), A),
    "subtract.reduce": (lambda x: np.subtract.reduce(x * x, axis=1), A),
    "divide.reduce": (lambda x: np.divide.reduce(x, axis=-1), A),
}
if hasattr(np, "cumulative_sum"):
    CASES |= {
        "cumulative_sum": (lambda x: np.cumulative_sum(x * x), V),
        "cumulative_sum-initial": (lambda x: np.cumulative_sum(x * x, axis=-1, include_initial=True), A),
        "cumulative_prod": (lambda x: np.cumulative_prod(x), V),
        "cumulative_prod-initial": (lambda x: np.cumulative_prod(x, axis=0, include_initial=True), A),
    }


def leaves(y):
    return flatten(y)[0]


def same(found, expected):
    """Values to the last bit, shapes and dtypes."""
    for x, y in zip(leaves(found), leaves(expected), strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("logsumexp")])
def test_reduction_value_is_numpys(name):
    f, x = CASES[name]
    same(dd.jvp(f, (x,), (x,))[0], f(x))
    same(dd.vjp(f, x)[0], f(x))


@pytest.mark.parametrize("name", CASES)
def test_reduction_agrees_with_differences(name):
    f, x = CASES[name]
    check_grads(f, (x,))


@pytest.mark.parametrize("name", CASES)
def test_reduction_batches_as_a_loop(name):
    f, x = CASES[name]
    examples = np.stack([x, x[::-1], 1.1 * x], axis=-1)

    def slope(x):
        return dd.jvp(f, (x,), (x * x,))[1], dd.vjp(f, x)[1](f(x))[0]

    for g in (f, slope):
        found = dd.vmap(g, in_axes=-1)(examples)
        loop = [leaves(g(examples[..., i])) for i in range(3)]
        for k, y in enumerate(leaves(found)):
            np.testing.assert_allclose(y, np.stack([row[k] for row in loop]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_reduction_stays_in_single_precision(name):
    f, x = CASES[name]
    half = x.astype("c8" if x.dtype.kind == "c" else "f4")
    y, y_dot = dd.jvp(f, (half,), (half,))
    y, pullback = dd.vjp(f, half)
    (x_bar,) = pullback(y)
    assert x_bar.dtype == half.dtype
    for a, b, plain in zip(leaves(y), leaves(y_dot), leaves(f(half)), strict=True):
        assert a.dtype == b.dtype == plain.dtype
    expected = dd.jvp(f, (x,), (x,))[1]
    for a, b in zip(leaves(y_dot), leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-4)


LARGE = np.random.default_rng(5).standard_normal((37, 41, 29))
BELOW = LARGE < 0.3
ROUNDED = {
    "sum": np.sum,
    "sum-axes": lambda x: np.sum(x, (0, 2)),
    "sum-where": lambda x: np.sum(x, (0, 2), where=BELOW),
    "sum-where-all": lambda x: np.sum(x, where=BELOW),
    "sum-initial": lambda x: np.sum(x, (0, 1), initial=0.1),
    "sum-initial-flat": lambda x: np.sum(x.ravel(), initial=0.1),
    "sum-dtype": lambda x: np.sum(x, dtype="f4"),
    "mean": np.mean,
    "mean-where": lambda x: np.mean(x, where=BELOW),
    "mean-dtype": lambda x: np.mean(x, dtype="f4"),
    "mean-dtype-where": lambda x: np.mean(x, dtype="f4", where=BELOW),
    "var": np.var,
    "var-where": lambda x: np.var(x, axis=1, where=BELOW),
    "var-mean": lambda x: np.var(x, mean=np.full((1, 1, 1), 0.3)),
    "std-mean-where": lambda x: np.std(x, axis=1, mean=np.ones((37, 1, 29)), where=BELOW),
    "prod-where": lambda x: np.prod(x, (0, 2), where=BELOW, initial=0.3),
    "median": lambda x: np.median(x, axis=(0, 2)),
    "cumsum": np.cumsum,
    "logaddexp": lambda x: np.logaddexp.reduce(x, axis=None),
    "logaddexp-where": lambda x: np.logaddexp.reduce(x, axis=1, where=BELOW, initial=0.2),
}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g"])
@pytest.mark.parametrize("name", ROUNDED)
def test_rounding_of_a_large_reduction_is_numpys(name, dtype):
    f, x = ROUNDED[name], LARGE.astype(dtype)
    for view in (x, x[::-1], np.asfortranarray(x)):
        with np.errstate(over="ignore"):
            y, pullback = dd.vjp(f, view)
            same(y, f(view))
        assert pullback(y)[0].dtype == x.dtype


@pytest.mark.parametrize("way", [one_by_one, reverse, batched_reverse])
@pytest.mark.parametrize("f", [np.sum, np.mean, np.var, np.std, np.prod])
def test_nan_that_is_left_out_stays_out_of_the_derivative(f, way):
    x, some = np.array([1.0, nan, 3.0, 4.5]), np.array([True, False, True, True])
    found = way(lambda x: f(x, where=some), x)
    expected = reverse(f, x[some])
    np.testing.assert_allclose(found, np.insert(expected, 1, 0.0), rtol=1e-14)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 31, 32, 33, 64, 65, 66, 67, 129])
def test_cumprod_pullback_by_halving_is_that_of_the_loop(n):
    """The recurrence is solved by halving from some length on; wide arrays use a loop at every length."""
    x = np.random.default_rng(n).uniform(0.5, 1.5, n)
    wide = np.broadcast_to(x[:, None], (n, n + 1))
    narrow = dd.vjp(np.cumprod, x)[1](np.ones(n))[0]
    loop = dd.vjp(lambda x: np.cumprod(x, axis=0), wide)[1](np.ones(wide.shape))[0]
    np.testing.assert_allclose(np.broadcast_to(narrow[:, None], wide.shape), loop, rtol=1e-12)


def test_sum_of_integers_under_vmap_keeps_numpys_dtype():
    x = np.arange(6).reshape(2, 3)
    found = dd.vmap(lambda i: (np.sum(i), np.mean(i), np.cumsum(i), np.max(i), np.prod(i), np.var(i)))(x)
    expected = [(np.sum(i), np.mean(i), np.cumsum(i), np.max(i), np.prod(i), np.var(i)) for i in x]
    same(found, tuple(map(np.stack, zip(*expected, strict=True))))


def test_sum_to_integers_stops_the_derivative():
    assert dd.jvp(lambda x: np.sum(x, dtype=int), (V,), (V,))[1] == 0.0


@pytest.mark.parametrize("f", [np.sum, np.mean, np.prod, np.var, np.std, np.cumsum, np.cumprod])
def test_reduction_honours_dtype(f):
    x = A[0].astype("f4")
    y, pullback = dd.vjp(lambda x: f(x, dtype="f8"), x)
    same(y, f(x, dtype="f8"))
    assert pullback(y)[0].dtype == "f4"


# -------------------------------------------------- constants
ANSWERS = {
    "argmax": np.argmax,
    "argmax-axis": lambda x: np.argmax(x, axis=1),
    "argmax-keepdims": lambda x: np.argmax(x, axis=-1, keepdims=True),
    "argmax-all-keepdims": lambda x: np.argmax(x, keepdims=True),
    "argmax-method": lambda x: x.argmax(0),
    "argmin": np.argmin,
    "argmin-axis": lambda x: np.argmin(x, 0),
    "argmin-method": lambda x: x.argmin(1),
    "all": lambda x: np.all(x > 0.5, axis=0),
    "all-float": lambda x: np.all(x),
    "all-where": lambda x: np.all(x > 1, axis=(0, 1), where=MASK, keepdims=True),
    "all-method": lambda x: x.all(axis=1),
    "any": lambda x: np.any(x > 1.9, axis=1),
    "any-where": lambda x: np.any(x > 1, axis=1, where=MASK),
    "any-method": lambda x: x.any(),
    "count_nonzero": lambda x: np.count_nonzero(x > 1),
    "count_nonzero-axis": lambda x: np.count_nonzero(x > 1, axis=0, keepdims=True),
    "logical_and.reduce": lambda x: np.logical_and.reduce(x > 1),
    "logical_or.reduce": lambda x: np.logical_or.reduce(x > 1, axis=1),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_is_plain_and_batches_as_a_loop(name):
    f = ANSWERS[name]
    seen = []

    def g(x):
        seen.append(f(x))
        return np.sum(x)

    dd.jvp(g, (A,), (A,))
    dd.vjp(g, A)
    for y in seen:
        assert type(y) is type(f(A))  # an integer of Python's from count_nonzero, in older NumPy
        same(np.asarray(y), np.asarray(f(A)))
    examples = np.stack([A, A[::-1], A - 1])
    same(dd.vmap(f)(examples), np.stack([f(x) for x in examples]))


def test_argmax_of_a_batch_is_an_index():
    x = np.stack([V, V[::-1]])
    assert np.array_equal(dd.vmap(lambda v: v[np.argmax(v)])(x), x.max(axis=1))
    assert np.array_equal(dd.vmap(dd.grad(lambda v: v[v.argmax()] ** 2))(x), 2 * x * (x == x.max(1)[:, None]))


# -------------------------------------------------- empty arrays
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(
    "f", [np.sum, np.prod, lambda x: np.sum(np.cumsum(x)), lambda x: np.sum(np.cumprod(x))]
)
def test_empty_gradient_has_the_shape_of_the_input(f, mode):
    assert dd.grad(f, mode=mode)(np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("f", [np.sum, np.prod])
def test_empty_axis_gives_the_neutral_element(f):
    x = np.zeros((2, 0, 3))
    jacobian = dd.jacobian(lambda x: f(x, axis=1), mode="reverse")(x)
    assert jacobian.shape == (2, 3, 2, 0, 3)


def test_empty_mean_warns_as_numpy_and_not_in_the_pullback():
    with pytest.warns(RuntimeWarning) as caught:
        np.mean(np.zeros(0))
    plain = [str(w.message) for w in caught]
    with pytest.warns(RuntimeWarning) as caught:
        y, pullback = dd.vjp(np.mean, np.zeros(0))
    assert [str(w.message) for w in caught] == plain
    assert np.isnan(y) and pullback(np.float64(1.0))[0].shape == (0,)


@pytest.mark.parametrize("f", [np.max, np.min])
def test_empty_extreme_raises_as_numpy(f):
    with pytest.raises(ValueError, match="zero-size"):
        dd.grad(f)(np.zeros(0))


@pytest.mark.parametrize("f", [np.sum, np.mean, np.max, np.prod, np.std, logsumexp, np.cumprod])
def test_empty_batch_keeps_the_shape_of_an_example(f):
    y = dd.vmap(f)(np.zeros((0, 3), "f4"))
    assert y.shape == (0, *np.shape(f(np.ones(3)))) and y.dtype == "f4"


# -------------------------------------------------- warnings and refusals
QUIET = {
    "std": (np.std, np.ones(3)),
    "prod": (np.prod, np.array([0.0, 0.0, 3.0])),
    "cumprod": (lambda x: np.sum(np.cumprod(x)), np.array([0.0, 0.0, 3.0])),
    "logsumexp": (logsumexp, np.array([-inf, -inf])),
    "max": (np.max, np.array([1.0, 2.0])),
}


@pytest.mark.parametrize("name", QUIET)
def test_derivative_does_not_warn(name):
    f, x = QUIET[name]
    y, lin = dd.linearize(f, x)
    _, pullback = dd.vjp(f, x)
    with np.errstate(all="raise"):
        lin(np.ones_like(x))
        pullback(np.ones_like(y))


FUNCTIONS = [np.sum, np.mean, np.var, np.std, np.prod, np.max, np.min, np.ptp, np.cumsum, np.cumprod]


@pytest.mark.parametrize("f", [*FUNCTIONS, np.argmax, np.all, np.any])
def test_out_is_refused(f):
    with pytest.raises(ConversionError, match="out="):
        dd.grad(lambda x: np.sum(f(x, out=np.zeros(()))))(V)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.subtract.reduce(x, initial=1.0),
        lambda x: np.hypot.reduce(x, where=np.ones(5, bool)),
        lambda x: np.logical_and.reduce(x, initial=False),
        lambda x: np.logaddexp.reduceat(x, [0, 2]),
        lambda x: np.power.accumulate(x),
    ],
)
def test_keyword_or_method_without_a_rule_is_refused(f):
    with pytest.raises(NoDerivative):
        dd.jvp(f, (V,), (V,))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.max(x, where=MASK), "initial"),
        (lambda x: np.var(x, ddof=1, correction=1), "correction"),
        pytest.param(
            lambda x: np.cumulative_sum(x),
            "axis",
            marks=pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="NumPy lacks cumulative_sum"),
        ),
        (lambda x: np.sum(x, axis=(0, 0)), "duplicate"),
        (lambda x: np.sum(x, axis=2), "out of bounds"),
        (lambda x: np.sum(x, where=np.ones((2, 3, 4), bool)), "broadcast"),
    ],
)
def test_call_that_numpy_refuses_raises_the_same_type(f, message):
    with pytest.raises(ValueError) as plain:
        f(A)
    with pytest.raises(ValueError, match=message) as ours:
        dd.jvp(f, (A,), (A,))
    assert issubclass(plain.type, ValueError) and issubclass(ours.type, plain.type)


@pytest.mark.parametrize("f", [np.sum, np.mean, np.var, np.prod])
def test_mask_of_integers_is_refused_as_by_numpy(f):
    for g in (f, lambda x, where: dd.jvp(lambda x: f(x, where=where), (x,), (x,))):
        with pytest.raises(TypeError):
            g(A, where=np.ones((3, 4), int))
