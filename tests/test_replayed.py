"""replay(f): the values of f at other points, in memory of its own; refused where it would not hold."""

import threading

import numpy as np
import pytest

import dualdiff as dd
import dualdiff.modes.program
from dualdiff.errors import ControlFlowError, InputTypeError

rng = np.random.default_rng(5)
A = rng.normal(size=(4, 3))
X, Y = rng.normal(size=3), rng.normal(size=3)


@pytest.fixture(autouse=True)
def small_arrays_are_overwritten(monkeypatch):
    """As large ones are, whose memory costs more than the arithmetic."""
    monkeypatch.setattr(dualdiff.modes.program, "LARGE", 0)


def loss(x):
    return np.sum(np.tanh(A @ x) ** 2) + np.linalg.norm(x[1:])


def fills(x):
    y = np.zeros_like(x)
    y[1:] = x[:-1] ** 2
    y *= x
    return np.sum(y)


DERIVATIVES = {
    "function": lambda f: f,
    "gradient": dd.grad,
    "forward gradient": lambda f: dd.grad(f, mode="forward"),
    "value and gradient": dd.value_and_grad,
    "jacobian": lambda f: dd.jacobian(lambda x: np.stack([f(x), x[0]])),
    "hessian": dd.hessian,
    "hvp": lambda f: lambda x: dd.hvp(f, (x,), (X + 1,)),
    "vmap": lambda f: lambda x: dd.vmap(dd.grad(f))(np.stack([x, x * 2])),
    "linearize": lambda f: lambda x: dd.linearize(f, x)[1](X),
    "pullback": lambda f: lambda x: dd.vjp(f, x)[1](2.0),
}


@pytest.mark.parametrize("f", [loss, fills])
@pytest.mark.parametrize("derive", DERIVATIVES.values(), ids=DERIVATIVES)
def test_replay_gives_what_the_function_gives_elsewhere(f, derive):
    g = derive(f)
    fast = dd.replay(g)
    for point in (X, Y, X * 3):
        expected, found = dd.tree.flatten(g(point)), dd.tree.flatten(fast(point))
        assert expected[1] == found[1]
        for a, b in zip(expected[0], found[0], strict=True):
            assert type(a) is type(b) and a.dtype == b.dtype
            np.testing.assert_allclose(b, a, rtol=1e-14)


def test_function_runs_once_for_each_kind_of_arguments():
    calls = []

    def f(x, n=2, flag="a", indices=None):
        calls.append(n)
        y = x if indices is None else x[indices]
        return np.sum(y**n) if flag == "a" else np.sum(y)

    fast = dd.replay(dd.grad(f))
    for scale in (1.0, 2.0):
        np.testing.assert_allclose(fast(X * scale), 2 * X * scale)
        np.testing.assert_allclose(fast(X * scale, 3), 3 * (X * scale) ** 2)
        np.testing.assert_allclose(fast(X * scale, flag="b"), np.ones(3))
        np.testing.assert_allclose(fast(X[:2] * scale), 2 * X[:2] * scale)
        assert fast(X.astype(np.float32)).dtype == np.float32
        np.testing.assert_allclose(fast(X * scale, indices=np.array([0, 0])), [4 * X[0] * scale, 0, 0])
        np.testing.assert_allclose(fast(X * scale, indices=np.array([1, 1])), [0, 4 * X[1] * scale, 0])
    assert len(calls) == 7


def test_numbers_and_containers_are_inputs():
    fast = dd.replay(dd.grad(lambda p, t: p["a"] * t + np.sum(p["b"]) ** 2))
    for a, t in ((1.0, 2.0), (3, 5.0), (2.0, np.float64(7.0))):
        found = fast({"a": float(a), "b": X * a}, t)
        assert found["a"] == t and type(found["a"]) is np.float64
        np.testing.assert_allclose(found["b"], 2 * np.sum(X * a) * np.ones(3))


def test_results_are_the_callers_own():
    c = np.ones(3)
    fast = dd.replay(lambda x: (x, x[:2], c, x.T, np.broadcast_to(c, (2, 3)), x * 1.0, [x * 2.0] * 2))
    given = X.copy()
    for _ in range(2):
        leaves = dd.tree.flatten(fast(given))[0]
        for k, y in enumerate(leaves):
            assert y.flags.writeable
            assert not any(np.shares_memory(y, z) for z in (given, c, *leaves[:k]))
            y[...] = 99.0
    np.testing.assert_array_equal(given, X)
    np.testing.assert_array_equal(c, np.ones(3))


def test_results_show_no_memory_behind_an_input_that_is_a_view():
    behind = rng.normal(size=(4, 3))
    given = behind[1:]
    for y in dd.replay(lambda x: (x.T, x[0], x.reshape(-1)))(given):
        assert not np.shares_memory(y, behind)


def test_constant_result_is_what_it_was_at_the_recording():
    c, n = np.ones(3), np.arange(3)
    fast = dd.replay(lambda x, n: (x * 2.0, c, n))
    fast(X, n)
    c[:] = 5.0
    n[:] = 7
    _, found, whole = fast(X, np.arange(3))
    np.testing.assert_array_equal(found, np.ones(3))
    np.testing.assert_array_equal(whole, np.arange(3))


def test_constant_whose_zeros_change_their_sign_is_another_constant():
    def f(x, c):
        y = np.copysign(x, c)
        c[:] = -0.0
        return y, np.copysign(x, c)

    plus, minus = dd.replay(lambda x: f(x, np.zeros(3)))(X)
    np.testing.assert_array_equal(plus, np.abs(X))
    np.testing.assert_array_equal(minus, -np.abs(X))


def test_complex_infinity_times_one_is_that_of_numpy():
    x = np.array([complex(np.inf, 1.0), 2.0 + 1j])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(dd.replay(lambda x: x * 1.0)(x), x * 1.0)


def test_value_that_steers_is_refused():
    for f in (lambda x: x if x[0] > 0 else -x, lambda x: np.sin(float(x[0])), lambda x: x[x > 0]):
        with pytest.raises(ControlFlowError):
            dd.replay(f)(X)
    with pytest.raises(InputTypeError, match="set"):
        dd.replay(lambda x, s: x)(X, {1})
    with pytest.raises(InputTypeError):
        dd.replay(3.0)


def test_what_is_read_elsewhere_is_read_once():
    c = np.ones(3)
    fast = dd.replay(lambda x: x * c)
    fast(X)
    c[:] = 5.0
    np.testing.assert_array_equal(fast(X), X)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_replayed_function_inside_a_transform_is_the_function(mode):
    fast = dd.replay(loss)
    fast(X)
    np.testing.assert_allclose(dd.grad(fast, mode=mode)(X), dd.grad(loss)(X), rtol=1e-13)
    np.testing.assert_allclose(dd.hessian(dd.replay(dd.grad(loss)) and loss)(X), dd.hessian(loss)(X))


def test_replay_in_threads():
    fast, expected = dd.replay(dd.grad(loss)), dd.grad(loss)
    points = rng.normal(size=(200, 3))
    found = [None] * 4

    def work(k):
        found[k] = [fast(x) for x in points]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for rows in found:
        np.testing.assert_allclose(rows, [expected(x) for x in points], rtol=1e-13)


def test_recordings_are_bounded():
    ran = []

    def f(x, n):
        ran.append(n)
        return x * n

    fast = dd.replay(f)
    for n in (*range(200), 199, 0):
        np.testing.assert_array_equal(fast(X, n), X * n)
    assert ran == [*range(200), 0]


def test_constant_that_is_read_twice_is_kept_once_unless_it_changed():
    big = rng.normal(size=(200, 3))

    def f(x, c):
        y = big @ x
        c[0] += 1.0
        return np.sum(y**2) + np.sum(x * c), np.sum(x * (c + 0.0))

    fast = dd.replay(dd.grad(lambda x: f(x, np.zeros(3))[0]))
    np.testing.assert_allclose(fast(X), 2 * big.T @ (big @ X) + [1, 0, 0])
    recorded = dd.replay(lambda x: (x * (c := np.ones(3)), c.fill(2.0), x * c)[::2])
    np.testing.assert_array_equal(recorded(X), (X, 2 * X))
    np.testing.assert_array_equal(recorded(Y), (Y, 2 * Y))
