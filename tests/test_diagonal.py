"""Diagonal seeds stand for their full array: every op gives what it gives on the full array."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.modes.diagonal import Diagonal

D = Diagonal(np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]]))
V = Diagonal(np.array([1.5, -2.0, 0.5]))
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
