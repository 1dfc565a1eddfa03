"""Diagonal seeds stand for their full array: every op gives what it gives on the full array."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.modes.diagonal import Diagonal

D = Diagonal(np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]]))
V = Diagonal(np.array([1.5, -2.0, 0.5]))
PART = Diagonal(np.array([1.5, -2.0, 0.5]), 5, 1)  # of several inputs, the second
CHUNK = Diagonal(np.arange(1.0, 7.0).reshape(3, 2), 3, -2)
ROW, MATRIX = np.array([2.0, 3.0, -1.0]), np.arange(12.0).reshape(3, 4)
FULL = np.arange(36.0).reshape(6, 2, 3)


def on_full(x):
    return x.full() if isinstance(x, Diagonal) else x


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("scale_row", lambda d, v: d * ROW),
        ("scale_left", lambda d, v: ROW * d),
        ("scale_number", lambda d, v: 2.0 * d),
        ("scale_lanes", lambda d, v: d * FULL),
        ("square", lambda d, v: d * d),
        ("divide", lambda d, v: d / ROW),
        ("divide_lanes", lambda d, v: d / (1.0 + FULL)),
        ("divide_by", lambda d, v: (1.0 + 0 * FULL) * (d + 1.0) / (d + 3.5)),
        ("negative", lambda d, v: -d),
        ("add", lambda d, v: d + d),
        ("sine", lambda d, v: np.sin(d)),
        ("sum", lambda d, v: np.sum(d, axis=1)),
        ("reshape", lambda d, v: np.reshape(d, (6, 6))),
        ("reshape_across", lambda d, v: np.reshape(d, (9, 4))),
        ("index", lambda d, v: d[:, 1, [0, 2]]),
        ("matmul", lambda d, v: v @ MATRIX),
        ("matmul_vector", lambda d, v: v @ ROW),
        ("matmul_left", lambda d, v: MATRIX.T @ v),
        ("transpose", lambda d, v: d.T),
    ],
)
def test_diagonal_equals_full(name, f):
    np.testing.assert_array_equal(on_full(f(D, V)), f(D.full(), V.full()))


@pytest.mark.parametrize("x", [D, V, PART, CHUNK, Diagonal(np.array(2.0), 4, 3)])
@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("scale", lambda x: 3.0 * x),
        ("divide", lambda x: x / 4.0),
        ("negative", lambda x: -x),
        ("broadcast", lambda x: np.reshape(x, (x.shape[0], 1, -1)) * np.ones((2, 1))),
        ("reshape", lambda x: np.reshape(x, (x.shape[0], -1))),
        ("element", lambda x: np.reshape(x, (x.shape[0], -1))[:, -1]),
        ("range", lambda x: np.reshape(x, (x.shape[0], -1))[:, 1:]),
        ("none", lambda x: np.reshape(x, (x.shape[0], -1))[:, 3:1]),
        ("every other", lambda x: np.reshape(x, (x.shape[0], -1))[:, ::2]),
        ("row", lambda x: x[:, 0] if x.ndim > 1 else x),
        ("matmul", lambda x: np.reshape(x, (x.shape[0], -1)) @ np.ones((x.d.size, 2))),
    ],
)
def test_part_of_a_diagonal_equals_full(name, f, x):
    array = x.full()
    expected = f(array) if name != "matmul" else array.reshape(len(array), -1) @ np.ones((x.d.size, 2))
    np.testing.assert_array_equal(on_full(f(x)), expected)
    assert f(x).shape == expected.shape


@pytest.mark.parametrize("odd", [np.inf, np.nan])
@pytest.mark.parametrize("shape", [(3,), (2, 1), (2, 3)])
def test_zeros_of_a_diagonal_stay_zeros(shape, odd):
    y = np.full(shape, odd)
    for x in (V, PART):
        x = np.reshape(x, (x.lanes, 1, 3))
        zeros = np.broadcast_to(x.full() == 0, (x.lanes, *np.broadcast_shapes(x.shape[1:], shape)))
        with np.errstate(all="ignore"):
            for found in (x * y, x / y, x / np.zeros(shape)):
                assert not np.any(on_full(found)[zeros])


def test_diagonal_full_is_the_scaled_identity():
    full = D.full()
    assert full.shape == D.shape == (6, 2, 3)
    for lane in range(6):
        expected = np.zeros(6)
        expected[lane] = D.d.reshape(-1)[lane]
        np.testing.assert_array_equal(full[lane].reshape(-1), expected)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_elementwise_function_is_diagonal(mode):
    x = np.array([[0.3, -1.2], [2.0, 0.1]])
    jacobian = dd.jacobian(lambda x: np.sin(x) / 2.0, mode=mode)(x)
    np.testing.assert_array_equal(jacobian.reshape(4, 4), np.diag(np.cos(x).reshape(-1) / 2.0))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_identity_is_fresh(mode):
    f = dd.jacobian(lambda x: x, mode=mode)
    f(np.ones(3))[:] = 7.0
    np.testing.assert_array_equal(f(np.ones(3)), np.eye(3))
