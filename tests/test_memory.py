"""What is kept and for how long: long chains, wide graphs, reference cycles, residuals freed by the sweep."""

import contextlib
import gc
import itertools
import time
import tracemalloc
import weakref

import numpy as np
import pytest

import dualdiff as dd

X = np.linspace(0.5, 1.5, 4)


# -------------------------------------------------- long and wide
def chain(length, factor):
    def f(x):
        for _ in range(length):
            x = x * factor
        return x

    return f


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("length", [20_000, 200_000])
def test_long_chain_has_no_recursion(length, mode):
    factor = 1 + 1 / (2 * length)
    found = dd.grad(chain(length, factor), mode=mode)(1.0)
    assert found == pytest.approx(factor**length, rel=1e-11)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_chain_of_in_place_products(mode):
    def f(x):
        for _ in range(20_000):
            x *= 1.00001
        return x

    assert dd.grad(f, mode=mode)(1.0) == pytest.approx(1.00001**20_000, rel=1e-12)


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
def test_long_chain_at_second_order(outer, inner):
    def f(x):
        y = x
        for _ in range(2_000):
            y = y * 1.0001 + x * x * 1e-4
        return y

    # y_n = a^n x + (a^n - 1) x^2: the second derivative is 2 (a^n - 1)
    second = dd.grad(dd.grad(f, mode=inner), mode=outer)(0.5)
    assert second == pytest.approx(2 * (1.0001**2_000 - 1), rel=1e-9)


def test_long_chain_of_arrays_linearized_and_pulled_twice():
    y, lin = dd.linearize(chain(20_000, 1.00001), X)
    np.testing.assert_allclose(lin(X), y, rtol=1e-12)
    _, pullback = dd.vjp(chain(20_000, 1.00001), X)
    for _ in range(2):
        np.testing.assert_allclose(pullback(X)[0], y, rtol=1e-12)


def test_long_chain_that_is_never_swept_is_freed_without_recursion():
    def f(x):
        y = x
        for _ in range(200_000):
            y = y + 1.0
        return x

    assert dd.grad(f, mode="reverse")(1.0) == 1.0


def seconds(run):
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


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
def test_wide_graph_is_right(mode):
    found = dd.grad(fan(10_000), mode=mode)(X)
    np.testing.assert_allclose(found, np.cos(X) * 10_000 * 9_999 / 2, rtol=1e-12)


@pytest.mark.parametrize(
    "program", [fan, lambda n: lambda x: np.sum(chain(n, 1.0001)(x))], ids=["fan", "chain"]
)
def test_time_and_memory_are_linear(program):
    short, long = (dd.grad(program(n), mode="reverse") for n in (1_000, 10_000))
    assert seconds(lambda: long(X)) < 50 * seconds(lambda: short(X))  # 10 if linear, 100 if quadratic
    # Memory from 3,000 on: below that, Python's own free lists blur the counts.
    short, long = (dd.grad(program(n), mode="reverse") for n in (3_000, 9_000))
    assert peak(lambda: long(X)) < 6 * peak(lambda: short(X))  # 3 if linear, 9 if quadratic


def peak(run):
    """Bytes allocated at the highest point of a run, above what is there before."""
    run()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_bytes_per_op_are_bounded():
    n = 5_000
    used = peak(lambda: dd.grad(lambda x: np.sum(chain(n, 1.0001)(x)), mode="reverse")(X))
    assert used / n < 700  # a node, its parents, its id and one small array; the factor is shared


# -------------------------------------------------- what the sweep frees
N = 100_000
LARGE = 8 * N
STEPS = 40


def test_forward_mode_keeps_nothing_of_a_chain():
    x = np.ones(N)
    f = lambda x: chain(STEPS, 1.01)(np.sin(x))  # noqa: E731
    assert peak(lambda: dd.jvp(f, (x,), (x,))) < 8 * LARGE


def test_linear_chain_keeps_no_values():
    x = np.ones(N)
    f = lambda x: np.sum(chain(STEPS, 1.01)(x) + 1.0 - x[::-1])  # noqa: E731
    assert peak(lambda: dd.grad(f, mode="reverse")(x)) < 8 * LARGE


def test_residuals_of_a_nonlinear_chain_are_kept_once():
    def f(x):
        for _ in range(STEPS):
            x = np.tanh(x)
        return np.sum(x)

    used = peak(lambda: dd.grad(f, mode="reverse")(np.ones(N)))
    assert STEPS * LARGE * 0.9 < used < (STEPS + 8) * LARGE


def test_residuals_are_freed_as_the_sweep_passes():
    alive = []

    def count(y):
        return sum(ref() is not None for ref in alive)

    counts = []
    watch = dd.elementwise(
        lambda x: 1.0 * x, lambda y, x: counts.append(count(y)) or 1.0, name="watch_memory"
    )

    def f(x):
        for _ in range(10):
            x = np.tanh(watch(x))
            alive.append(weakref.ref(x.primal))
        return np.sum(x)

    try:
        dd.grad(f, mode="reverse")(np.ones(5))
    finally:
        from dualdiff.core import OPS

        del OPS["watch_memory"]
    # The sweep meets the ten watches last to first. Behind it every tanh output is gone, except those that
    # the next watch reads as its input.
    assert len(counts) >= 10
    assert all(later <= earlier for earlier, later in itertools.pairwise(counts))
    assert counts[-1] <= 1
    assert counts[0] >= 9


def test_intermediate_cotangents_do_not_pile_up():
    def f(x):
        y = x
        for k in range(STEPS):
            y = y + float(k)
        return np.sum(y)

    assert peak(lambda: dd.grad(f, mode="reverse")(np.ones(N))) < 8 * LARGE


# -------------------------------------------------- no cycles
def live(kind):
    return sum(type(thing) is kind for thing in gc.get_objects())


def fails(x):
    np.sum(np.exp(x) * x)
    raise ValueError("halfway")


def raising(run):
    def attempt():
        with contextlib.suppress(ValueError):
            run()

    return attempt


f = lambda x: np.sum(np.exp(x) * x[::-1]) + np.sum(np.concatenate([x, x * x])) ** 2  # noqa: E731
RUNS = {
    "grad-forward": lambda: dd.grad(f, mode="forward")(X),
    "grad-reverse": lambda: dd.grad(f, mode="reverse")(X),
    "vjp": lambda: dd.vjp(np.tanh, X)[1](X),
    "jvp": lambda: dd.jvp(np.tanh, (X,), (X,)),
    "jvp-reverse": lambda: dd.jvp(np.tanh, (X,), (X,), mode="reverse"),
    "linearize": lambda: dd.linearize(np.tanh, X)[1].to_dense(),
    "jacobian-forward": lambda: dd.jacobian(np.tanh, mode="forward")(X),
    "jacobian-reverse": lambda: dd.jacobian(np.tanh, mode="reverse")(X),
    "hessian": lambda: dd.hessian(f)(X),
    "hessian-reverse": lambda: dd.hessian(f, mode="reverse")(X),
    "hvp": lambda: dd.hvp(f, (X,), (X,)),
    "vmap": lambda: dd.vmap(dd.grad(f))(np.stack([X, X])),
    "exception-reverse": raising(lambda: dd.grad(fails, mode="reverse")(X)),
    "exception-forward": raising(lambda: dd.grad(fails, mode="forward")(X)),
    "exception-vmap": raising(lambda: dd.vmap(fails)(np.stack([X, X]))),
    "exception-nested": raising(lambda: dd.grad(lambda x: np.sum(dd.grad(fails)(x)))(X)),
}


@pytest.fixture
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_no_reference_cycles(run, without_collector):
    for _ in range(3):
        run()  # what is made once stays: rules, cached dtypes
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        run()
    assert len(gc.get_objects()) - before <= 5
    assert gc.collect() == 0


def test_tape_dies_with_its_pullback(without_collector):
    kept = []

    def f(x):
        y = np.exp(x)
        kept.append(weakref.ref(y))
        kept.append(weakref.ref(y.primal))
        return np.sum(y)

    _y, pullback = dd.vjp(f, X)
    tensor, residual = kept
    assert tensor() is None  # the tensors of f are gone, the tape holds nodes
    assert residual() is not None
    pullback(1.0)
    assert residual() is not None
    del pullback
    assert residual() is None


def test_linear_map_dies_with_its_last_name(without_collector):
    kept = []

    def f(x):
        y = np.exp(x)
        kept.append(weakref.ref(y.primal))
        return y * y

    _, lin = dd.linearize(f, X)
    lin.T(X)
    transpose = lin.T
    del lin
    assert kept[0]() is not None
    del transpose
    assert kept[0]() is None


def test_gradient_keeps_no_tape(without_collector):
    kept = []

    def f(x):
        y = np.exp(x)
        square = y * y
        kept.extend(map(weakref.ref, (x, y, y.primal, square, square.primal)))
        return np.sum(square)

    _value, _gradient = dd.value_and_grad(f, mode="reverse")(X)
    assert not any(reference() for reference in kept)


def test_function_and_arguments_are_released(without_collector):
    class Function:
        def __call__(self, x):
            return np.sum(x * x)

    function, x = Function(), np.ones(3)
    refs = [weakref.ref(function)]
    dd.grad(function, mode="reverse")(x)
    dd.grad(function, mode="forward")(x)
    dd.jacobian(function)(x)
    dd.vmap(function)(np.ones((2, 3)))
    escaped = []

    def stores(v, function=function):
        escaped.append(v)
        return function(v)

    dd.grad(stores, mode="reverse")(x)
    del function, stores
    assert refs[0]() is None  # an escaped tensor names its function without keeping it
    assert len(escaped) == 1


def test_unused_branch_is_not_kept(without_collector):
    kept = []

    def f(x):
        for _ in range(5):
            unused = np.exp(x)
            kept.append(weakref.ref(unused.primal))
        del unused
        assert all(ref() is None for ref in kept)
        return np.sum(x)

    dd.grad(f, mode="reverse")(X)
    assert len(kept) == 5
