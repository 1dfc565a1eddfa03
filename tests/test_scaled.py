"""Rows of one matrix that wait for their scale: every op gives what it gives on the full array."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.modes.scaled import LARGE, Scaled
from dualdiff.modes.seeds import Lanes

rng = np.random.default_rng(11)
BASE = rng.normal(size=(3, 4))
S, T = Scaled(BASE, rng.normal(size=4)), Scaled(BASE, rng.normal(size=4))
OTHER = Scaled(BASE.copy(), rng.normal(size=4))
ROW, FULL, SQUARE = rng.normal(size=4), rng.normal(size=(3, 4)), rng.normal(size=(4, 4))

KEEPING = {
    "row": lambda s, t, o: s * ROW,
    "row on the left": lambda s, t, o: ROW * s,
    "number": lambda s, t, o: 2.0 * s,
    "one number": lambda s, t, o: s * np.array([3.0]),
    "quotient": lambda s, t, o: s / ROW,
    "negative": lambda s, t, o: -s,
    "sum": lambda s, t, o: s + t,
    "difference": lambda s, t, o: s - t,
    "chain": lambda s, t, o: -(s * ROW + t / 3.0) * 0.5,
    "complex row": lambda s, t, o: s * (ROW + 1j),
}
ENDING = {
    "lanes": lambda s, t, o: s * FULL,
    "quotient by it": lambda s, t, o: ROW / s,
    "product of two": lambda s, t, o: s * t,
    "other matrix": lambda s, t, o: s + o,
    "number added": lambda s, t, o: s + 1.0,
    "matrix": lambda s, t, o: s @ SQUARE,
    "sine": lambda s, t, o: np.sin(s),
    "sum along lanes": lambda s, t, o: np.sum(s, axis=1),
    "reshape": lambda s, t, o: np.reshape(s, (3, 2, 2)),
    "index": lambda s, t, o: s[:, [0, 2]],
    "sum of all": lambda s, t, o: np.sum(s),
    "sum across": lambda s, t, o: np.sum(s, axis=0),
    "sum in another dtype": lambda s, t, o: np.sum(s, axis=1, dtype=complex),
    "mean along lanes": lambda s, t, o: np.mean(s, axis=1),
    "vector": lambda s, t, o: s @ ROW,
    "matrix on the left": lambda s, t, o: SQUARE[:, :3] @ s,
    "transpose": lambda s, t, o: s.T,
    "where": lambda s, t, o: np.where(ROW > 0, s, t),
}


@pytest.mark.parametrize("name", [*KEEPING, *ENDING])
def test_scaled_lanes_equal_the_full_array(name):
    f = (KEEPING | ENDING)[name]
    found, expected = f(S, T, OTHER), f(S.full(), T.full(), OTHER.full())
    assert isinstance(found, Lanes) == (name in KEEPING)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.full() if name in KEEPING else found, expected, rtol=1e-13)


# -------------------------------------------------- whole derivatives, large enough that lanes wait
A = rng.normal(size=(LARGE // 50, 60)) / 8
W = rng.normal(size=60)


def logistic(w):
    return np.mean(np.log1p(np.exp(-(A @ w))))


def logistic_hessian(w):
    e = np.exp(-(A @ w))
    return (A * (e / (1 + e) ** 2 / len(A))[:, None]).T @ A


def network(x):
    y = A @ x
    return np.tanh(y) * y - 1.0 / (1.0 + y * y)


def network_jacobian(x):
    y = A @ x
    slope = (1 - np.tanh(y) ** 2) * y + np.tanh(y) + 2 * y / (1 + y * y) ** 2
    return slope[:, None] * A


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
def test_hessian_through_a_large_matrix(outer, inner):
    found = dd.hessian(logistic, mode=(outer, inner))(W)
    np.testing.assert_allclose(found, logistic_hessian(W), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian_through_a_large_matrix(mode):
    np.testing.assert_allclose(dd.jacobian(network, mode=mode)(W), network_jacobian(W), rtol=1e-10)


def test_matrix_is_multiplied_once(monkeypatch):
    made, full = [], Scaled.full

    def counted(self):
        made.append(self.shape)
        return full(self)

    monkeypatch.setattr(Scaled, "full", counted)
    dd.hessian(logistic)(W)
    dd.jacobian(network, mode="forward")(W)
    assert made == [(60, len(A))] * 2


def test_matrix_may_be_written_after_its_use():
    def f(x):
        buffer = A.copy()
        y = buffer @ x
        buffer[:] = 0.0
        return np.sin(y)

    expected = np.cos(A @ W)[:, None] * A
    np.testing.assert_allclose(dd.jacobian(f, mode="forward")(W), expected, rtol=1e-12)


def test_other_transforms_around_and_inside():
    expected = network_jacobian(W)
    jacobian = dd.jacobian(network, mode="forward")
    np.testing.assert_allclose(dd.replay(jacobian)(W), expected, rtol=1e-10)
    np.testing.assert_allclose(dd.vmap(jacobian)(np.stack([W, 2 * W]))[0], expected, rtol=1e-10)
    checkpointed = dd.jacobian(dd.checkpoint(network), mode="forward")(W)
    np.testing.assert_allclose(checkpointed, expected, rtol=1e-10)
    along = dd.jvp(lambda w: dd.hessian(logistic)(w), (W,), (W,))[1]
    step = 1e-5
    differences = (logistic_hessian(W * (1 + step)) - logistic_hessian(W * (1 - step))) / (2 * step)
    np.testing.assert_allclose(along, differences, rtol=1e-4, atol=1e-9)
    weighted = dd.grad(lambda w: np.sum(jacobian(w) ** 2))(W)
    plain = dd.grad(lambda w: np.sum(network_jacobian(w) ** 2))(W)
    np.testing.assert_allclose(weighted, plain, rtol=1e-9)


def test_strong_zeros_and_debug_see_the_full_lanes():
    rows = A.copy()
    rows[:, 0] = 0.0
    f = lambda x: np.sqrt(np.abs(rows @ x) * 0.0)  # noqa: E731
    with np.errstate(all="ignore"):
        plain = dd.jacobian(f, mode="forward")(W)
        with dd.strong_zero():
            strong = dd.jacobian(f, mode="forward")(W)
    assert np.isnan(plain).all() and not strong.any()
    with dd.debug(), pytest.raises(FloatingPointError):
        dd.jacobian(lambda x: np.sqrt(rows @ (x * 0.0)), mode="forward")(W)
