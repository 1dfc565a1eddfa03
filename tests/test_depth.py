"""Depth and width: a million ops in a row, without recursion when they are swept and when they are freed."""

import contextlib
import gc
import sys
import threading
import time

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd

X = np.linspace(0.5, 1.5, 4)
MILLION = 1_000_000
# Bytes. Freeing 20,000 nested tuples by recursion takes several times as much. Python 3.13 frees up to 10,000
# by recursion, of any objects, before it turns to a list: without dualdiff too, it dies of that on 512 KiB.
SMALL_STACK = (1024 if sys.version_info[:2] == (3, 13) else 256) * 1024


def chain(length, factor):
    def f(x):
        for _ in range(length):
            x = x * factor
        return x

    return f


def on_a_small_stack(run):
    """What run gives in a thread whose stack has no room for recursion in C."""
    found = []
    before = threading.stack_size(SMALL_STACK)
    try:
        thread = threading.Thread(target=lambda: found.append(run()))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    return found[0]


# -------------------------------------------------- a million ops
def pushed(f):
    return dd.jvp(f, (1.0,), (1.0,))[1]


def pulled(f):
    return dd.grad(f, mode="reverse")(1.0)


def linearized(f):
    _, lin = dd.linearize(f, 1.0)
    forward, (backward,) = lin(1.0), lin.T(1.0)
    assert forward == pytest.approx(backward, rel=1e-9)
    return backward


@pytest.mark.parametrize("derivative", [pushed, pulled, linearized])
def test_a_million_ops_take_ten_times_as_long_as_a_hundred_thousand(derivative):
    short, long = (
        timed(lambda n=n: derivative(chain(n, 1 + 0.5 / n)), repeats)
        for n, repeats in ((MILLION // 10, 3), (MILLION, 1))
    )
    assert short[1] == pytest.approx((1 + 5 / MILLION) ** (MILLION // 10), rel=1e-10)
    assert long[1] == pytest.approx((1 + 0.5 / MILLION) ** MILLION, rel=1e-9)
    assert long[0] < 50 * short[0]  # 10 if linear, 100 if quadratic


def timed(run, repeats):
    """The shortest time of some runs, on this process's own clock, and what they give.

    Without the collector: it looks at all that the process holds, as often as a run makes many objects.
    """
    best = np.inf
    gc.disable()
    try:
        for _ in range(repeats):
            start = time.process_time()
            found = run()
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best, found


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
def test_long_chain_at_second_order(outer, inner):
    def f(x):
        y = x
        for _ in range(20_000):
            y = y * 1.00001 + x * x * 1e-5
        return y

    # y_n = a^n x + (a^n - 1) x^2: the second derivative is 2 (a^n - 1)
    second = dd.grad(dd.grad(f, mode=inner), mode=outer)(0.5)
    assert second == pytest.approx(2 * (1.00001**20_000 - 1), rel=1e-9)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@convention("UN-10")
def test_chain_of_in_place_products(mode):
    def f(x):
        for _ in range(20_000):
            x *= 1.00001
        return x

    assert dd.grad(f, mode=mode)(1.0) == pytest.approx(1.00001**20_000, rel=1e-12)


def test_long_chain_of_arrays_linearized_and_pulled_twice():
    y, lin = dd.linearize(chain(20_000, 1.00001), X)
    np.testing.assert_allclose(lin(X), y, rtol=1e-12)
    _, pullback = dd.vjp(chain(20_000, 1.00001), X)
    for _ in range(2):
        np.testing.assert_allclose(pullback(X)[0], y, rtol=1e-12)


# -------------------------------------------------- freed without recursion
LINKS = {
    "number": lambda x: x * 1.00001,
    "unary": np.sin,
    "twice": lambda x: x + x * 0.0,
    "slice": lambda x: x[::-1],
    "update": lambda x: x.at[0].set(0.5),
    "several-arguments": lambda x: np.concatenate([x[1:], x[:1]]),
    "several-outputs": lambda x: np.modf(x)[0],
    "general": np.cumprod,
    "product": lambda x: np.eye(4) @ x,
}


@pytest.mark.parametrize("link", LINKS)
def test_a_tape_that_is_never_swept_is_freed_on_a_small_stack(link):
    def f(x):
        for _ in range(20_000):
            x = LINKS[link](x)
        return x

    def run():
        _, pullback = dd.vjp(f, X)
        _, lin = dd.linearize(f, X)
        del pullback, lin
        with contextlib.suppress(ZeroDivisionError):  # and one that an exception drops
            dd.vjp(lambda x: f(x) / (1 // 0), X)
        return True

    with np.errstate(all="ignore"):
        assert on_a_small_stack(run)


@pytest.mark.parametrize("link", LINKS)
def test_a_tape_is_swept_on_a_small_stack(link):
    def f(x):
        for _ in range(10_000):
            x = LINKS[link](x)
        return np.sum(x)

    with np.errstate(all="ignore"):
        found = on_a_small_stack(lambda: dd.grad(f, mode="reverse")(X))
        along = on_a_small_stack(lambda: dd.jvp(f, (X,), (X,))[1])
    np.testing.assert_allclose(found @ X, along, rtol=1e-9, atol=1e-300)


def test_nested_levels_are_freed_on_a_small_stack():
    f = chain(20_000, 1.00001)
    run = lambda: dd.vjp(lambda x: dd.vjp(lambda y: f(y) * x, x)[1](1.0)[0], 1.0)[0]  # noqa: E731
    assert on_a_small_stack(run) == pytest.approx(1.00001**20_000, rel=1e-11)


def test_a_graph_of_the_front_end_is_swept_and_freed_on_a_small_stack():
    import dualdiff.torch as torch

    def run():
        w = torch.ones(3, dtype=torch.float64, requires_grad=True)
        y = w
        for _ in range(50_000):
            y = y * 1.00001
        dropped = torch.sin(y)
        del dropped
        y.sum().backward(retain_graph=True)
        del y
        return w.grad.numpy()

    np.testing.assert_allclose(on_a_small_stack(run), 1.00001**50_000, rtol=1e-11)


def test_chain_beside_the_value_is_freed_without_recursion():
    def f(x):
        y = x
        for _ in range(MILLION // 2):
            y = y + 1.0
        return x

    assert dd.grad(f, mode="reverse")(1.0) == 1.0


# -------------------------------------------------- wide
def fan(width):
    """One value used `width` times."""

    def f(x):
        y = np.sin(x)
        total = 0.0
        for k in range(width):
            total = total + y * float(k)
        return np.sum(total)

    return f


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_value_that_is_used_a_hundred_thousand_times(mode):
    found = dd.grad(fan(100_000), mode=mode)(X)
    np.testing.assert_allclose(found, np.cos(X) * 100_000 * 99_999 / 2, rtol=1e-11)


def test_time_of_a_wide_graph_is_linear():
    short, long = (
        timed(lambda n=n: dd.grad(fan(n), mode="reverse")(X), repeats)
        for n, repeats in ((2_000, 3), (20_000, 2))
    )
    assert long[0] < 50 * short[0]  # 10 if linear, 100 if quadratic


def test_an_op_of_many_arguments():
    """Ten thousand arrays joined at once: one node with ten thousand parents."""
    f = lambda x: np.sum(np.stack([x * float(k) for k in range(10_000)]) ** 2)  # noqa: E731
    squares = 9_999 * 10_000 * 19_999 / 6
    np.testing.assert_allclose(dd.grad(f, mode="reverse")(X), 2 * X * squares, rtol=1e-12)
