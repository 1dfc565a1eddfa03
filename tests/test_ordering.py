"""Sorting, medians, clipping, rounding: stated derivatives at ties and bounds; orders as plain integers."""

import inspect

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.errors import ConversionError, InputTypeError, MutationError, NoDerivative
from dualdiff.testing import check_grads

inf, nan = np.inf, np.nan
A = np.random.default_rng(11).uniform(-2, 2, (3, 4))
CUBE = (np.random.default_rng(12).permutation(30).reshape(2, 3, 5) - 15.7) / 8  # apart, and so are squares
V = np.random.default_rng(13).uniform(-2, 2, 6)
Z = A[:, ::-1] + 1j * A


def forward(f, x):
    return dd.jacobian(f, mode="forward")(x)


def reverse(f, x):
    return dd.jacobian(f, mode="reverse")(x)


def batched_forward(f, x):
    return dd.vmap(dd.jacobian(f, mode="forward"))(np.stack([np.arange(x.size).reshape(x.shape) * 1.0, x]))[1]


def batched_reverse(f, x):
    return dd.vmap(dd.jacobian(f, mode="reverse"))(np.stack([np.arange(x.size).reshape(x.shape) * 1.0, x]))[1]


WAYS = [forward, reverse, batched_forward, batched_reverse]
EDGES = [0.0, 1, -1, 2, 0.5]

# name: (function, point, gradient of the sum of its values)
POINTS = {
    "sort": (lambda x: np.sort(x) * np.array([1.0, 2, 3]), [2.0, 2, 1], [2, 3, 1]),
    "sort-nan": (lambda x: np.sort(x)[-1:] * 3, [nan, 2, 1], [3, 0, 0]),
    "median-even": (np.median, [4.0, 1, 2, 3], [0, 0, 0.5, 0.5]),
    "median-ties": (np.median, [1.0, 2, 2, 3], [0, 0.5, 0.5, 0]),
    "median-odd": (np.median, [4.0, 1, 2], [0, 0, 1]),
    "median-nan": (np.median, [4, nan, 2, 1], [0, 1, 0, 0]),
    "median-inf": (np.median, [inf, inf, inf, 1], [0.5, 0.5, 0, 0]),
    "clip": (lambda x: np.clip(x, 0.0, 1.0), EDGES, [0.5, 0.5, 0, 0, 1]),
    "clip as composed": (lambda x: np.minimum(np.maximum(x, 0.0), 1.0), EDGES, [0.5, 0.5, 0, 0, 1]),
    "clip-lower": (lambda low: np.clip(np.array(EDGES), low, 1.0), 0.0, 1.5),
    "clip-upper": (lambda high: np.clip(np.array(EDGES), 0.0, high), 1.0, 1.5),
    "clip-nan": (lambda x: np.clip(x, 0.0, 1.0), [nan, 0.5], [1, 1]),
    "nan_to_num": (np.nan_to_num, [nan, inf, 1, -inf], [0, 0, 1, 0]),
    "round": (np.round, [0.3, 0, 1], [0, 0, 0]),
}
HAS_DESCENDING = "descending" in inspect.signature(np.sort).parameters  # from NumPy 2.5 on
if HAS_DESCENDING:
    POINTS |= {
        "sort-descending-ties": (
            lambda x: np.sort(x, descending=True) * np.array([1.0, 2, 3]), [1.0, 2, 2], [3, 1, 2],
        ),
        "sort-descending-nan": (lambda x: np.sort(x, descending=True)[-1:] * 3, [nan, 2, 1], [3, 0, 0]),
    }  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", POINTS)
def test_ordering_has_stated_derivative(name, way):
    f, x, expected = POINTS[name]
    x = np.asarray(x, float)
    jacobian = way(f, x)
    assert jacobian.shape == np.shape(f(x)) + x.shape
    assert np.array_equal(jacobian.reshape(-1, *x.shape).sum(axis=0), expected)


CASES = {
    "sort": (np.sort, V),
    "sort-squares": (lambda x: np.sort(x * x), CUBE),
    "sort-axis": (lambda x: np.sort(x * x, axis=0), CUBE),
    "sort-middle-axis": (lambda x: np.sort(x * x, 1), CUBE),
    "sort-flat": (lambda x: np.sort(x, axis=None), CUBE),
    "sort-kind": (lambda x: np.sort(x, kind="heapsort"), CUBE),
    "sort-stable": (lambda x: np.sort(x, stable=True), CUBE),
    "sort-complex": (lambda x: np.sort(x, axis=0), Z),
    "partition": (lambda x: np.partition(x * x, 2), V),
    "partition-axis": (lambda x: np.partition(x, 1, axis=0), CUBE),
    "partition-several": (lambda x: np.partition(x, (1, 3), axis=-1), CUBE),
    "partition-flat": (lambda x: np.partition(x, 4, axis=None), A),
    "median": (np.median, V),
    "median-odd": (lambda x: np.median(x * x, axis=1), CUBE),
    "median-axes": (lambda x: np.median(x * x, axis=(0, -1)), CUBE),
    "median-keepdims": (lambda x: np.median(x, axis=0, keepdims=True), CUBE),
    "median-all-keepdims": (lambda x: np.median(x, keepdims=True), CUBE),
    "median-overwrite": (lambda x: np.median(x, axis=1, overwrite_input=False), A),
    "clip": (lambda x: np.clip(x, -0.5, 0.7), A),
    "clip-lower": (lambda x: np.clip(x, -0.5, None), A),
    "clip-upper": (lambda x: np.clip(x, None, 0.7), A),
    "clip-bounds-of-x": (lambda x: np.clip(x, np.sin(x[:, :1]), x[0] ** 2), A),
    "clip-a_min-a_max": (lambda x: np.clip(x * x, a_min=x[0, 0], a_max=1.3), A),
    "clip-method": (lambda x: (x * x).clip(0.5, max=None), A),
    "nan_to_num": (np.nan_to_num, A),
    "nan_to_num-complex": (lambda x: np.nan_to_num(x * x), Z),
    "round": (lambda x: np.round(x) * x, A),
    "round-decimals": (lambda x: np.around(x, decimals=1) * x, A),
    "round-method": (lambda x: x.round(1) * x, A),
    "argsort-gather": (lambda x: np.take_along_axis(x * x, np.argsort(x, axis=1), axis=1), A),
}
# What only a newer NumPy understands.
if "min" in inspect.signature(np.clip).parameters:
    CASES |= {
        "clip-keywords": (lambda x: np.clip(x, min=-0.5, max=0.7), A),
        "clip-min": (lambda x: np.clip(x, min=-0.5), A),
        "clip-none": (lambda x: np.clip(x, None, None), A),
    }
if HAS_DESCENDING:
    TIES = np.round(CUBE)
    CASES |= {
        "sort-descending": (lambda x: np.sort(x * x, descending=True), CUBE),
        "sort-descending-axis": (lambda x: np.sort(x, axis=1, stable=True, descending=True), CUBE),
        "sort-descending-flat": (lambda x: np.sort(x, axis=None, descending=True), CUBE),
        "sort-descending-complex": (lambda x: np.sort(x, axis=0, descending=True), Z),
        "sort-not-descending": (lambda x: np.sort(x, descending=False), CUBE),
        "argsort-descending": (lambda x: x[np.argsort(x, descending=True)] ** 2, V),
        "argsort-descending-ties": (
            lambda x: np.take_along_axis(x, np.argsort(TIES, stable=True, descending=True), 2) * x,
            CUBE,
        ),
    }


@pytest.mark.parametrize("name", CASES)
def test_ordering_value_is_numpys(name):
    f, x = CASES[name]
    for y in (dd.jvp(f, (x,), (x,))[0], dd.vjp(f, x)[0]):
        assert y.dtype == f(x).dtype and y.shape == f(x).shape
        np.testing.assert_array_equal(y, f(x))


@pytest.mark.parametrize("name", CASES)
def test_ordering_agrees_with_differences(name):
    f, x = CASES[name]
    check_grads(f, (x,))


@pytest.mark.parametrize("name", CASES)
def test_ordering_batches_as_a_loop(name):
    f, x = CASES[name]
    examples = np.stack([x, x[::-1], 0.9 * x], axis=1)

    def slope(x):
        return dd.jvp(f, (x,), (x * x,))[1], dd.vjp(f, x)[1](f(x))[0]

    for part in (f, lambda x: slope(x)[0], lambda x: slope(x)[1]):
        loop = np.stack([part(examples[:, i]) for i in range(3)])
        np.testing.assert_allclose(dd.vmap(part, in_axes=1)(examples), loop, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_ordering_stays_in_single_precision(name):
    f, x = CASES[name]
    half = x.astype("c8" if x.dtype.kind == "c" else "f4")
    y, y_dot = dd.jvp(f, (half,), (half,))
    (x_bar,) = dd.vjp(f, half)[1](y)
    assert y.dtype == y_dot.dtype == x_bar.dtype == half.dtype
    np.testing.assert_allclose(y_dot, dd.jvp(f, (x,), (x,))[1], rtol=2e-5, atol=1e-5)


def test_sort_pullback_is_the_transposed_permutation():
    rows = dd.jacobian(np.sort)(V)
    assert np.array_equal(rows, np.eye(V.size)[np.argsort(V)])


def test_sort_batches_over_the_array_alone_and_the_weights_alone():
    weights = np.stack([V, V + 1])
    found = dd.vmap(dd.grad(lambda x, w: np.sum(np.sort(x) * w)), in_axes=(None, 0))(V, weights)
    assert np.array_equal(found, weights[:, np.argsort(np.argsort(V))])


def test_median_of_nothing_warns_as_numpy_and_not_in_the_pullback():
    with pytest.warns(RuntimeWarning) as caught:
        np.median(np.zeros(0))
    plain = [str(w.message) for w in caught]
    with pytest.warns(RuntimeWarning) as caught:
        y, pullback = dd.vjp(np.median, np.zeros(0))
    assert [str(w.message) for w in caught] == plain
    assert np.isnan(y) and pullback(np.float64(1.0))[0].shape == (0,)


def test_nan_to_num_writes_the_given_numbers():
    x = np.array([nan, inf, -inf, 1.0])
    f = lambda x: np.nan_to_num(x, nan=2.0, posinf=3.0, neginf=-4.0)  # noqa: E731
    y, y_dot = dd.jvp(f, (x,), (np.ones(4),))
    assert np.array_equal(y, f(x)) and np.array_equal(y_dot, [0, 0, 0, 1])


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_nan_to_num_writes_the_limits_of_the_dtype(dtype):
    x = np.array([nan, inf, -inf, 1.0]).astype(dtype)
    y = dd.jvp(np.nan_to_num, (x,), (np.ones_like(x),))[0]
    assert y.dtype == dtype and np.array_equal(y, np.nan_to_num(x))


# -------------------------------------------------- integers
EDGE = np.array([-1.0, 0.0, 1.0])
ORDERS = {
    "argsort": np.argsort,
    "argsort-axis": lambda x: np.argsort(x, axis=0),
    "argsort-flat": lambda x: np.argsort(x, axis=None),
    "argsort-method": lambda x: x.argsort(axis=0, kind="stable"),
    "argsort-stable": lambda x: np.argsort(x, stable=True),
    "argpartition": lambda x: np.argpartition(x, 2),
    "argpartition-method": lambda x: x.argpartition((0, 1), axis=0),
    "searchsorted-values": lambda x: np.searchsorted(EDGE, x),
    "searchsorted-right": lambda x: np.searchsorted(EDGE, x, side="right"),
    "searchsorted-edges": lambda x: np.searchsorted(np.sort(x[0]), EDGE),
    "searchsorted-both": lambda x: np.searchsorted(np.sort(x[0]), x),
    "searchsorted-method": lambda x: np.sort(x[1]).searchsorted(x[0]),
    "searchsorted-sorter": lambda x: np.searchsorted(x[0], x, sorter=np.argsort(x[0])),
    "digitize": lambda x: np.digitize(x, EDGE),
    "digitize-right": lambda x: np.digitize(x, EDGE[::-1], right=True),
    "digitize-bins": lambda x: np.digitize(x, np.sort(x[0])),
    "lexsort": lambda x: np.lexsort((x[0], np.round(x[1]))),
    "lexsort-axis": lambda x: np.lexsort((x, np.round(x)), axis=0),
    "lexsort-mixed": lambda x: np.lexsort((x[0], [1, 0, 1, 0])),
}


@pytest.mark.parametrize("name", ORDERS)
def test_order_is_plain_and_batches_as_a_loop(name):
    f = ORDERS[name]
    seen = []

    def g(x):
        seen.append(f(x))
        return np.sum(x)

    dd.jvp(g, (A,), (A,))
    dd.vjp(g, A)
    for y in seen:
        assert type(y) is np.ndarray and y.dtype == f(A).dtype
        assert np.array_equal(y, f(A))
    examples = np.stack([A, A[::-1], A - 1])
    found = dd.vmap(f)(examples)
    assert found.dtype == f(A).dtype
    assert np.array_equal(found, np.stack([f(x) for x in examples]))


def test_batched_argsort_indexes_take_along_axis_under_grad():
    weights = np.arange(4.0)

    def f(x):
        return np.sum(np.take_along_axis(x, np.argsort(x), axis=-1) * weights)

    x = np.stack([A[0], A[1]])
    expected = np.argsort(np.argsort(x, axis=1), axis=1)
    assert np.array_equal(dd.vmap(dd.grad(f))(x), expected)


@pytest.mark.parametrize("f", [np.sort, np.median, np.argsort, lambda x: np.searchsorted(EDGE, x)])
def test_empty_batch_keeps_the_shape_of_an_example(f):
    y = dd.vmap(f)(np.zeros((0, 3)))
    assert y.shape == (0, *np.shape(f(np.ones(3)))) and y.dtype == f(np.ones(3)).dtype


# -------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x: np.clip(x, 0, 1, out=np.zeros(6)), ConversionError),
        (lambda x: np.median(x, out=np.zeros(())), ConversionError),
        (lambda x: np.round(x, out=np.zeros(6)), ConversionError),
        (lambda x: np.clip(x, 0, 1, where=np.ones(6, bool)), NoDerivative),
        (lambda x: np.sort(x, order="name"), NoDerivative),
        (lambda x: np.argsort(x, order="name"), NoDerivative),
        (lambda x: np.nan_to_num(x, copy=False), InputTypeError),
        (lambda x: np.clip(x, 0, 1, min=0), ValueError),
        (lambda x: np.sort(x, kind="stable", stable=True), ValueError),
        (lambda x: np.sort(x, axis=1), np.exceptions.AxisError),
        (lambda x: np.sort(x[0]), np.exceptions.AxisError),
        (lambda x: x[:].sort(), MutationError),
    ],
)
def test_ordering_refuses(f, error):
    with pytest.raises(error):
        dd.jvp(f, (V,), (V,))
