"""Plain arrays that the function writes after it has used them: the right gradient, or an error."""

import contextlib
import threading

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.errors import MutationError

SMALL, LARGE = 3, 5000


def constant_factor(x, c):
    y = x * c
    c[:] = 100.0
    return np.sum(y)


def constant_left(x, c):
    y = c / x
    c[:] = 100.0
    return np.sum(y)


def constant_power(x, c):
    y = x**c
    c[:] = 5.0
    return np.sum(y)


def matrix(x, c):
    a = np.outer(np.ones(2), c)
    y = a @ x
    a[:] = 7.0
    return np.sum(y)


def mask(x, c):
    chosen = c > 0.0
    y = np.where(chosen, x, 0.0)
    chosen[:] = False
    return np.sum(y)


def index(x, c):
    i = np.arange(x.size)
    y = x[i]
    i[:] = 0
    return np.sum(y)


def work_buffer(x, c):
    total, buffer = 0.0, np.empty_like(c)
    for k in range(3):
        np.multiply(c, k + 1.0, out=buffer)
        total = total + np.sum(buffer * x)
    return total


def through_a_base(x, c):
    half = c[: x.size]
    y = x * half
    c += 1.0
    return np.sum(y)


PROGRAMS = [constant_factor, constant_left, constant_power, matrix, mask, index, work_buffer, through_a_base]


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("f", PROGRAMS)
@convention("AL-1", "AL-3")
def test_constant_written_after_use_gives_the_gradient_or_raises(f, size):
    x, c = np.linspace(0.5, 1.5, size), np.full(size, 2.0)
    expected = dd.jvp(lambda x: f(x, c.copy()), (x,), (np.ones(size),))[1]
    needed = f is not constant_left  # the derivative of c / x is -y / x
    if size == SMALL or not needed:
        np.testing.assert_allclose(np.sum(dd.grad(f, mode="reverse")(x, c)), expected, rtol=1e-12)
    else:
        with pytest.raises(MutationError, match="wrote into a plain array"):
            dd.grad(f, mode="reverse")(x, c)
        assert c.flags.writeable
    np.testing.assert_array_equal(dd.grad(lambda x: np.sum(x * x), mode="reverse")(x), 2 * x)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@convention("AL-4")
def test_argument_written_by_the_function_gives_the_gradient_or_raises(size):
    x = np.linspace(0.5, 1.5, size)
    kept = x.copy()

    def f(t):
        y = t * t
        x[:] = 0.0
        return np.sum(y)

    context = contextlib.nullcontext() if size == SMALL else pytest.raises(MutationError)
    with context:
        np.testing.assert_array_equal(dd.grad(f, mode="reverse")(x), 2 * kept)


@pytest.mark.parametrize("make", [lambda f, x: dd.vjp(f, x)[1], lambda f, x: dd.linearize(f, x)[1].T])
def test_small_arrays_written_before_the_pullback_do_not_matter(make):
    x, c = np.ones(3), np.full(3, 2.0)
    pullback = make(lambda x: np.sin(x) * c * x, x)
    expected = pullback(np.ones(3))[0]
    x[:] = c[:] = 50.0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], expected)


@pytest.mark.parametrize("fails", [False, True])
@convention("AL-5")
def test_arrays_come_back_as_they_were(fails):
    owner, frozen = np.ones(2 * LARGE), np.ones(LARGE)
    view = owner[::2]
    frozen.flags.writeable = False

    def f(x):
        y = np.sum(x * view * frozen)
        return 1 / 0 if fails else y

    x = np.ones(LARGE)
    with pytest.raises(ZeroDivisionError) if fails else contextlib.nullcontext():
        dd.grad(f, mode="reverse")(x)
    assert x.flags.writeable and view.flags.writeable and owner.flags.writeable
    assert not frozen.flags.writeable
    view[:] = owner[:] = x[:] = 3.0


def test_other_value_errors_stay_as_they_are():
    with pytest.raises(ValueError, match="mine") as caught:
        dd.grad(lambda x: int("mine, read-only") * x, mode="reverse")(np.ones(LARGE)[0])
    assert not isinstance(caught.value, MutationError)


def test_auxiliary_and_stopped_values_are_not_the_tape():
    x = np.ones(3)
    _, pullback, aux = dd.vjp(lambda x: (np.exp(y := x * 2.0), y), x, has_aux=True)
    expected = pullback(np.ones(3))[0]
    aux[:] = 77.0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], expected)

    def f(x):
        dd.stop_gradient(x)[:] = 5.0
        return np.sum(x)

    for mode in ("forward", "reverse"):
        with pytest.raises(ValueError, match="read-only"):
            dd.grad(f, mode=mode)(x)
    np.testing.assert_array_equal(x, np.ones(3))


def test_threads_share_a_large_constant():
    c, x, found = np.full(LARGE, 2.0), np.ones(LARGE), []

    def run():
        for _ in range(50):
            found.append(float(dd.grad(lambda x: np.sum(x * c), mode="reverse")(x)[0]))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2.0] * 200 and c.flags.writeable and x.flags.writeable
