"""Exceptions and interrupts, in the function, in a rule and in the sweep: the next call is right.

A transform keeps its state in the tensors it makes, so there is nothing to put back but what it borrowed:
NumPy's error settings, and the write flags of large arrays that a tape reads.
"""

import signal
import sys

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd

LIBRARY = dd.__file__.removesuffix("__init__.py")
X3 = np.arange(1.0, 4.0)
TRANSFORMS = {
    "grad-forward": lambda f: dd.grad(f, mode="forward")(X3),
    "grad-reverse": lambda f: dd.grad(f, mode="reverse")(X3),
    "jvp": lambda f: dd.jvp(f, (X3,), (X3,)),
    "vjp": lambda f: dd.vjp(f, X3)[1](1.0),
    "linearize": lambda f: dd.linearize(f, X3),
    "jacobian-forward": lambda f: dd.jacobian(f, mode="forward")(X3),
    "jacobian-reverse": lambda f: dd.jacobian(f, mode="reverse")(X3),
    "hessian": lambda f: dd.hessian(f)(X3),
    "hvp": lambda f: dd.hvp(f, (X3,), (X3,)),
    "vmap": lambda f: dd.vmap(f)(np.stack([X3, X3])),
}
TWO = [lambda f: lambda x: dd.jvp(f, (x,), (1.0,))[1], lambda f: dd.grad(f, mode="reverse")]


# -------------------------------------------------- exceptions in the function
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit, StopIteration])
@pytest.mark.parametrize("transform", TRANSFORMS)
@convention("ER-1", "ER-2", "WN-3")
def test_exception_in_f_passes_through_and_leaves_nothing_behind(transform, error):
    def f(x):
        y = np.sum(x * x)
        dd.grad(lambda z: z * z)(2.0)
        raise error("halfway", 17)
        return y

    settings = np.geterr()
    with pytest.raises(error) as caught:
        TRANSFORMS[transform](f)
    assert caught.value.args == ("halfway", 17)
    assert any(entry.name == "f" for entry in caught.traceback)
    assert np.geterr() == settings
    assert dd.grad(lambda x: x * x)(3.0) == 6.0
    assert dd.grad(lambda x: x * dd.grad(lambda y: x * y)(2.0))(3.0) == 6.0


def test_exception_inside_an_inner_transform_can_be_caught_inside_the_outer():
    def f(x):
        try:
            dd.grad(lambda y: y * x / 0)(1)
        except ZeroDivisionError:
            return x * x
        return x * np.nan

    def fails(y):
        raise ZeroDivisionError

    def g(x):
        try:
            dd.grad(fails)(x)
        except ZeroDivisionError:
            return x**3

    for d in TWO:
        assert d(g)(2.0) == 12.0


@convention("WN-3")
def test_exception_in_a_rule_restores_errstate(unregistered):
    broken = dd.elementwise(lambda x: x * 1.0, lambda y, x: 1 / 0, name="broken_partial")
    settings = np.geterr()
    for d in TWO:
        with pytest.raises(ZeroDivisionError):
            d(broken)(2.0)
        assert np.geterr() == settings
        assert d(lambda x: x * x)(3.0) == 6.0


# -------------------------------------------------- exceptions in a rule, half-way through a sweep
class Broken(Exception):
    pass


@pytest.fixture
def breaks(unregistered):
    """An op that is right until it is told to raise, in its partial or in its value."""
    state = {"raise": True}

    def partial(y, x):
        if state["raise"]:
            raise Broken
        return 2.0 * x

    return dd.elementwise(lambda x: x * x, partial, name="breaks_in_its_rule"), state


SWEEPS = {
    "grad-reverse": lambda f: dd.grad(f, mode="reverse"),
    "grad-forward": lambda f: dd.grad(f, mode="forward"),
    "vjp": lambda f: lambda x: dd.vjp(f, x)[1](1.0)[0],
    "linearize-pull": lambda f: lambda x: dd.linearize(f, x)[1].T(1.0)[0],
    "linearize-push": lambda f: lambda x: np.array([dd.linearize(f, x)[1](e) for e in np.eye(x.size)]),
    "hessian-row-sum": lambda f: lambda x: dd.hvp(f, (x,), (np.ones(x.size),))[0],
    "vmap": lambda f: lambda x: dd.vmap(dd.grad(f))(x[None])[0],
}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_rule_that_raises_half_way(sweep, breaks):
    op, state = breaks
    constant, x = np.full(3, 3.0), X3.copy()
    f = lambda x: np.sum(np.exp(0.1 * op(np.sin(x) * constant)) * x)  # noqa: E731
    settings = np.geterr()
    for _ in range(3):
        with pytest.raises(Broken):
            SWEEPS[sweep](f)(x)
        assert np.geterr() == settings
    state["raise"] = False
    u = np.sin(x) * 3.0
    slope = np.exp(0.1 * u * u)
    np.testing.assert_allclose(SWEEPS[sweep](f)(x), slope + x * slope * 0.2 * u * 3.0 * np.cos(x), rtol=1e-13)
    assert constant.flags.writeable and x.flags.writeable


def test_pullback_and_linear_map_work_again_after_a_sweep_that_raised(breaks):
    op, state = breaks
    _, pullback = dd.vjp(lambda x: np.sum(op(x) * x), X3)
    _, lin = dd.linearize(lambda x: op(x) * x, X3)
    for _ in range(3):
        for call in (lambda: pullback(1.0), lambda: lin(X3), lambda: lin.T(X3)):
            with pytest.raises(Broken):
                call()
    state["raise"] = False
    np.testing.assert_allclose(pullback(1.0)[0], 3 * X3**2, rtol=1e-15)
    np.testing.assert_allclose(lin(X3), 3 * X3**3, rtol=1e-15)
    np.testing.assert_allclose(lin.T(X3)[0], 3 * X3**3, rtol=1e-15)


# -------------------------------------------------- interrupts at every moment
def interrupted(run, k):
    """Run with a KeyboardInterrupt at the k-th moment at which Python would hand over a signal in the library
    or in the function it runs: where one begins, and after each call of C. Whether there was a k-th.

    At the entry of `__exit__` and `__del__` no code in Python is safe from an interrupt: those are left out.
    """
    left = k

    def strike(frame, event, _):
        nonlocal left
        ours = frame.f_code.co_filename.startswith((LIBRARY, __file__))
        if ours and event in ("call", "c_return") and frame.f_code.co_name not in ("__exit__", "__del__"):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    sys.setprofile(strike)
    try:
        run()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return left <= 0


def program(x, c, w):
    y = np.sin(x) * c
    z = np.concatenate([y, y * x])[: x.size] + np.where(c > 0, x, y)
    return np.sum(z * w) + np.linalg.norm(z[:3])


def arrays(size):
    return [np.linspace(0.5, 1.5, size), np.full(size, 2.0), np.cos(np.arange(float(size)))]


def check_nothing_is_left(values, kept, answer, run):
    """The arrays are what they were and may be written, and the next call is right."""
    for x, before in zip(values, kept, strict=True):
        assert x.flags.writeable
        assert x.tobytes() == before.tobytes()
    np.testing.assert_array_equal(run(), answer)


RUNS = {
    "grad-reverse": lambda x, c, w: dd.grad(program, mode="reverse")(x, c, w),
    "grad-forward": lambda x, c, w: dd.grad(program, mode="forward")(x, c, w),
    "vjp": lambda x, c, w: dd.vjp(lambda x: program(x, c, w), x)[1](1.0)[0],
    "linearize": lambda x, c, w: dd.linearize(lambda x: program(x, c, w), x)[1](x),
    "hessian": lambda x, c, w: dd.hessian(program)(x, c, w),
    "vmap": lambda x, c, w: dd.vmap(lambda s: dd.grad(program)(x, c, s * w))(np.ones(2)),
    "torch": lambda x, c, w: backward(x, c, w),
}


def backward(x, c, w):
    import dualdiff.torch as torch

    leaf = torch.tensor(x, requires_grad=True)
    y = torch.sin(leaf) * torch.tensor(c)
    with torch.no_grad():
        torch.exp(leaf)
    (y * torch.tensor(w)).sum().backward()
    assert torch.is_grad_enabled()
    return leaf.grad.numpy()


# Python swallows what is raised while a generator is closed, and says so: the run goes on, and is right.
swallowed = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@swallowed
@pytest.mark.parametrize(
    "name, size", [*((name, 3) for name in RUNS), ("grad-reverse", 600), ("linearize", 600)]
)
def test_interrupt_at_every_moment(name, size):
    values = arrays(size)  # of 600 elements the guard makes them read-only
    kept = [x.copy() for x in values]
    run = lambda: RUNS[name](*values)  # noqa: E731
    answer, settings, k = run(), np.geterr(), 1
    while interrupted(run, k):
        assert np.geterr() == settings
        check_nothing_is_left(values, kept, answer, run)
        k += 1
    assert k > 30  # or nothing was interrupted


@swallowed
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
def test_signals_at_random_moments(rng):
    """The same by real signals, which arrive wherever they do."""
    values = arrays(4)
    kept = [x.copy() for x in values]
    run = lambda: dd.hessian(program)(*values)  # noqa: E731
    answer, settings, count = run(), np.geterr(), 0

    def strike(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, strike)
    try:
        for delay in rng.uniform(2e-6, 2e-3, 300):
            try:
                signal.setitimer(signal.ITIMER_REAL, delay)
                while True:
                    run()
            except KeyboardInterrupt:
                count += 1
            if np.geterr() != settings:  # the signal met NumPy's own errstate between two of its lines
                np.seterr(**settings)
            check_nothing_is_left(values, kept, answer, run)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert count == 300
