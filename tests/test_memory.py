"""What is kept and for how long: bytes per op, residuals freed by the sweep, reference cycles, growth."""

import contextlib
import functools
import gc
import itertools
import os
import sys
import tracemalloc
import weakref

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd

X = np.linspace(0.5, 1.5, 4)


def chain(length, factor):
    def f(x):
        for _ in range(length):
            x = x * factor
        return x

    return f


def fan(width):
    """One value used `width` times."""

    def f(x):
        y = np.sin(x)
        total = 0.0
        for k in range(width):
            total = total + y * float(k)
        return np.sum(total)

    return f


# -------------------------------------------------- bytes per op
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


@pytest.mark.parametrize(
    "program", [fan, lambda n: lambda x: np.sum(chain(n, 1.0001)(x))], ids=["fan", "chain"]
)
def test_memory_is_linear(program):
    # From 3,000 on: below that, Python's own free lists blur the counts.
    short, long = (dd.grad(program(n), mode="reverse") for n in (3_000, 9_000))
    assert peak(lambda: long(X)) < 6 * peak(lambda: short(X))  # 3 if linear, 9 if quadratic


ARRAY = sys.getsizeof(np.ones(4)) + 16  # with what the allocator and the collector add
PARAMS = sys.getsizeof({"index": None}) + sys.getsizeof(slice(None))

# One link of a chain of small arrays, its ops, and how many bytes its rules have to keep.
LINKS = {
    "number": (lambda x: x * 1.0001, 1, 0),
    "array": (lambda x: x * X, 1, ARRAY),  # a copy of the constant, which may be written after it
    "unary": (np.tanh, 1, ARRAY),
    "sum-of-two": (lambda x: x + x, 1, 0),
    "product-of-two": (lambda x: x * x, 1, ARRAY),
    "slice": (lambda x: x[::-1], 1, PARAMS),
    "two-ops": (lambda x: x * 1.0 + 1.0, 2, 0),
}


@pytest.mark.parametrize("link", LINKS)
def test_bytes_per_op_are_bounded(link):
    """At most 400 bytes for a node with its id, its rule and its parents, beside what the rule keeps."""
    step, ops, residuals = LINKS[link]
    links = 5_000

    def f(x):
        for _ in range(links):
            x = step(x)
        return np.sum(x)

    with np.errstate(all="ignore"):
        used = peak(lambda: dd.vjp(f, X))
    assert used / links < 400 * ops + residuals


# -------------------------------------------------- what the sweep frees
N = 100_000
LARGE = 8 * N
STEPS = 40


# What a chain of n ops on large arrays holds at its highest point, in arrays: n times what the rule of one
# keeps, and a few that are being worked on (a value, a cotangent, a partial, their product).
PEAKS = {
    "sin": (np.sin, 1),  # its argument
    "tanh": (np.tanh, 1),  # its value
    "square": (lambda x: x * x, 1),
    "times-a-number": (lambda x: x * 1.01, 0),
    "add-a-number": (lambda x: x + 1.0, 0),
    "two-uses": (lambda x: x + x[::-1], 0),
}
SWEEPS = {
    "jvp": (lambda f, x: dd.jvp(f, (x,), (x,)), 0, 6),
    "grad": (lambda f, x: dd.grad(f, mode="reverse")(x), 1, 3),
    "vjp": (lambda f, x: dd.vjp(f, x)[1](1.0), 1, 4),
    "hvp": (lambda f, x: dd.hvp(f, (x,), (x,)), 2, 6),  # residuals have tangents
}


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize("op", PEAKS)
def test_peak_of_a_chain_is_what_its_rules_keep(op, sweep):
    step, kept = PEAKS[op]
    run, times, working = SWEEPS[sweep]

    def f(x):
        for _ in range(STEPS):
            x = step(x)
        return np.sum(x)

    arrays = peak(lambda: run(f, np.ones(N))) / LARGE - 1  # without the argument
    needed = STEPS * kept * times
    assert needed - 3 < arrays < needed + working + 0.1


def test_the_sweep_of_grad_frees_what_it_has_read():
    """Ten cotangents of a branch that is as large as the tape: they take the places that the tape leaves."""

    def f(x):
        for _ in range(STEPS):
            x = np.sin(x)
        return np.sum(x)

    outer = lambda x: f(x) + sum(np.sum(x * float(k)) for k in range(STEPS))  # noqa: E731
    assert peak(lambda: dd.grad(outer, mode="reverse")(np.ones(N))) / LARGE - 1 < STEPS + 4


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


def sparse(run):
    def attempt():
        pytest.importorskip("scipy")
        run()

    return attempt


@functools.cache
def cube():
    """A function with a backward of its own; a class is a cycle, so it is made once."""
    import dualdiff.torch as torch

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, y_bar):
            (x,) = ctx.saved_tensors
            return 3 * x * x * y_bar

    return Cube


def front_end(create_graph):
    import dualdiff.torch as torch

    w = torch.tensor(X, requires_grad=True)
    w.register_hook(lambda g: 2 * g)
    y = (cube().apply(w) * torch.sin(w)[0]).sum()
    (g,) = torch.autograd.grad(y, w, create_graph=True)
    (g * g).sum().backward(retain_graph=create_graph)
    with contextlib.suppress(RuntimeError, ValueError):
        y.backward()


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
    "hvp-reverse": lambda: dd.hvp(f, (X,), (X,), mode="reverse-over-reverse"),
    "jacobian-in-chunks": lambda: dd.jacobian(np.tanh, mode="reverse", chunk_size=2)(X),
    "linearize-unused": lambda: dd.linearize(f, X),
    "vjp-unused": lambda: dd.vjp(f, X),
    "pullback-twice": lambda: [pull(1.0) for pull in [dd.vjp(f, X)[1]] * 2],
    "auxiliary": lambda: dd.value_and_grad(lambda x: (f(x), x * x), has_aux=True)(X),
    "vmap-by-loop": lambda: dd.vmap(lambda x: x if x[0] > 1 else -x, fallback="loop")(np.stack([X, X])),
    "several-outputs": lambda: dd.grad(lambda x: np.linalg.slogdet(np.outer(x, x) + np.eye(4))[1])(X),
    "general": lambda: dd.hessian(lambda x: np.sum(np.linalg.solve(np.diag(x), x) ** 2))(X),
    "explain_mode": lambda: dd.explain_mode(f, X),
    "sparse-jacobian": sparse(lambda: dd.sparse.jacobian(np.tanh)(X)),
    "sparse-hessian": sparse(lambda: dd.sparse.hessian(f)(X)),
    "sparse-plan": sparse(lambda: dd.sparse.prepare_jacobian(np.tanh, X)(X)),
    "sparse-replay": sparse(lambda: dd.sparse.prepare_jacobian(np.tanh, X, replay=True)(X)),
    "torch": lambda: front_end(False),
    "torch-twice": lambda: front_end(True),
    "exception-reverse": raising(lambda: dd.grad(fails, mode="reverse")(X)),
    "exception-forward": raising(lambda: dd.grad(fails, mode="forward")(X)),
    "exception-vmap": raising(lambda: dd.vmap(fails)(np.stack([X, X]))),
    "exception-nested": raising(lambda: dd.grad(lambda x: np.sum(dd.grad(fails)(x)))(X)),
    "exception-hessian": raising(lambda: dd.hessian(fails)(X)),
    "exception-sparse": sparse(raising(lambda: dd.sparse.hessian(fails)(X))),
    "exception-linearize": raising(lambda: dd.linearize(fails, X)),
    "exception-in-the-sweep": raising(lambda: dd.vjp(f, X)[1](np.ones(3))),
}


@pytest.fixture
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@convention("UN-11")
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


# -------------------------------------------------- growth
def resident():
    """Bytes of memory that the process has now."""
    with open("/proc/self/statm") as facts:
        return int(facts.read().split()[1]) * 4096


def test_two_thousand_gradients_do_not_grow_the_process():
    runs = [RUNS[name] for name in ("grad-reverse", "grad-forward", "hessian", "vmap", "linearize", "torch")]

    def gradients(count):
        for k in range(count):
            runs[k % len(runs)]()

    gradients(300)
    gc.collect()
    tracemalloc.start()
    try:
        gradients(60)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        gradients(240)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
    if os.path.exists("/proc/self/statm"):
        before = resident()
        gradients(2_000)
        assert resident() - before < 2 * 2**20


def test_lists_of_any_length_leave_nothing_behind():
    """Rules are made once per op and set of arguments: not for each length of a list that is ever joined."""
    x = np.float64(2.0)

    def joined(count):
        return dd.grad(lambda x: np.sum(np.stack([x * k for k in range(count)])), mode="reverse")(x)

    joined(400)
    tracemalloc.start()
    try:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for count in range(100, 200):
            assert joined(count) == count * (count - 1) / 2
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 50_000  # the rules would be three times that
    finally:
        tracemalloc.stop()


def test_every_cache_of_the_library_is_bounded():
    modules = [m for name, m in sorted(sys.modules.items()) if name.startswith("dualdiff")]
    caches = {f.__qualname__: f for m in modules for f in vars(m).values() if hasattr(f, "cache_info")}
    assert "recorder_of" in caches
    for name, cache in caches.items():
        if not cache.__module__.startswith("dualdiff.testing"):  # those are one for each op of the registry
            assert cache.cache_info().maxsize is not None, name
