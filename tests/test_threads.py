"""Threads, tasks and pools: no result is wrong, and nothing that one does shows in another.

No transform keeps its state anywhere but in the tensors it makes, so a tensor that is handed to another
thread or task takes its level along, and one that is not handed over is not seen.
"""

import asyncio
import contextvars
import itertools
import math
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.errors import EscapedTensor, MutationError
from dualdiff.modes import reverse

THREADS = 8
X = np.array([0.3, -0.7, 1.1])
M = np.array([[2.0, 0.5, 0.0], [0.25, 3.0, -1.0], [1.0, 0.0, 1.5]])


pytestmark = pytest.mark.usefixtures("restless")


def together(work, count=THREADS):
    """What work(k) gives in threads k = 0, 1, ... that start at once; an exception in one is raised here."""
    barrier = threading.Barrier(count)

    def run(k):
        barrier.wait(30)
        return work(k)

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(run, k) for k in range(count)]]


# -------------------------------------------------- nested transforms in every thread
def curried(s):
    """Two levels made by one derived function: untagged, the answer would be 0."""
    derivative = lambda g: lambda a: dd.grad(lambda u: g(a + u))(0.0)  # noqa: E731
    return derivative(derivative(lambda t: s * np.exp(t)))(1.0)


SQUASH = 1 / np.cosh(X) ** 2

# name -> (what a thread computes with its own number s, the answer)
PROGRAMS = {
    "grad-of-grad": (lambda s: dd.grad(dd.grad(lambda x: s * x**4))(1.5), lambda s: 27 * s),
    "grad-of-grad-in-reverse": (
        lambda s: dd.grad(lambda x: x * dd.grad(lambda y: s * x * y * y, mode="reverse")(x), mode="reverse")(
            2.0
        ),
        lambda s: 24 * s,
    ),
    "jvp-in-grad": (
        lambda s: dd.grad(lambda x: x * dd.jvp(lambda y: s * x * y * y, (x,), (1.0,))[1], mode="reverse")(
            2.0
        ),
        lambda s: 24 * s,
    ),
    "grad-in-jvp": (
        lambda s: dd.jvp(lambda x: x * dd.grad(lambda y: s * x * y**3, mode="reverse")(x), (2.0,), (1.0,))[1],
        lambda s: 96 * s,
    ),
    "curried": (curried, lambda s: math.e * s),
    "vmap-of-grad": (
        lambda s: dd.vmap(dd.grad(lambda x: s * np.sum(x * np.sin(x))))(np.stack([X, 2 * X])),
        lambda s: s * np.stack([np.sin(x) + x * np.cos(x) for x in (X, 2 * X)]),
    ),
    "hessian": (
        lambda s: dd.hessian(lambda x: s * np.sum(x) ** 3)(X),
        lambda s: np.full((3, 3), 6 * s * X.sum()),
    ),
    "hvp": (lambda s: dd.hvp(lambda x: s * np.sum(x**3), (X,), (X,))[1], lambda s: 6 * s * X * X),
    "linearize": (lambda s: dd.linearize(np.tanh, X)[1](s * X), lambda s: s * X * SQUASH),
    "general-op": (
        lambda s: dd.grad(lambda a: s * np.linalg.slogdet(a)[1])(M),
        lambda s: s * np.linalg.inv(M).T,
    ),
}
ROUNDS = 10_000 // (THREADS * len(PROGRAMS))


def test_ten_thousand_nested_derivatives_are_right():
    def work(k):
        s = k + 1.0
        expected = {name: answer(s) for name, (_, answer) in PROGRAMS.items()}
        names = sorted(PROGRAMS, key=lambda name: hash((name, k)))  # another order in every thread
        return [
            (name, found)
            for _ in range(ROUNDS)
            for name in names
            if not np.allclose(found := PROGRAMS[name][0](s), expected[name], rtol=1e-12, atol=1e-14)
        ]

    assert THREADS * ROUNDS * len(PROGRAMS) == 10_000
    assert together(work) == [[]] * THREADS


TWO = [lambda f: lambda x: dd.jvp(f, (x,), (1.0,))[1], lambda f: dd.grad(f, mode="reverse")]


@convention("TH-1")
def test_threads_do_not_share_levels():
    # SY-1: a known library answers wrongly in 71 of these 1200 runs.
    wrong = []

    def work(modes):
        d, e = modes
        for _ in range(300):
            found = d(lambda x: x * e(lambda y: x * y)(2.0))(3.0)
            if found != 6.0:
                wrong.append(found)

    pairs = list(itertools.product(TWO, repeat=2))
    together(lambda k: work(pairs[k]), len(pairs))
    assert wrong == []


@convention("TH-2")
def test_tensor_handed_to_a_thread_keeps_its_level():
    def f(x):
        found = []
        thread = threading.Thread(target=lambda: found.append(x * dd.grad(lambda y: x * y * y)(x)))
        thread.start()
        thread.join()
        return found[0]

    for d in TWO:
        assert d(f)(3.0) == pytest.approx(3 * 2 * 9.0)  # 2 x^3


# -------------------------------------------------- what several threads share
def test_linear_map_is_shared():
    _, lin = dd.linearize(lambda x: np.sin(x) * M @ x, X)
    matrix = lin.to_dense()
    exact = dd.jacobian(lambda x: np.sin(x) * M @ x, mode="forward")(X)
    np.testing.assert_allclose(matrix, exact, rtol=1e-14)

    def work(k):
        v = X + k
        pushed, pulled = lin(v), lin.T(v)[0]
        return all(
            np.array_equal(lin(v), pushed) and np.array_equal(lin.T(v)[0], pulled) for _ in range(50)
        ) and (np.allclose(pushed, matrix @ v) and np.allclose(pulled, v @ matrix))

    assert all(together(work))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_pullback_is_called_from_other_threads(mode):
    _, pullback = dd.vjp(lambda x: np.linalg.solve(M, x * x), X, mode=mode)
    for k, found in enumerate(together(lambda k: [pullback(X + k)[0] for _ in range(20)])):
        np.testing.assert_allclose(found, [2 * X * np.linalg.solve(M.T, X + k)] * 20, rtol=1e-13)


def test_derived_function_is_shared():
    gradient = dd.value_and_grad(lambda x, s: s * np.sum(np.exp(x) * x), mode="reverse")

    def work(k):
        s = float(k)
        return [gradient(X * s, s)[1] for _ in range(50)]

    for k, found in enumerate(together(work)):
        np.testing.assert_allclose(found, [k * np.exp(X * k) * (1 + X * k)] * 50, rtol=1e-14)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_threads_inside_a_function_record_on_one_tape(mode):
    """Eight threads work on the tensors of one level: no op is lost, and none comes twice."""

    def f(x):
        def work(k):
            y = x
            for _ in range(100):
                y = y * 1.001 + x * 0.001
            return y * float(k) + dd.grad(lambda z: np.sum(x * z * z))(x)

        return sum(np.sum(part) for part in together(work))

    # y_n = (2 a^n - 1) x with a = 1.001; the inner gradient is 2 x^2
    expected = 28 * (2 * 1.001**100 - 1) + 8 * 4 * X
    np.testing.assert_allclose(dd.grad(f, mode=mode)(X), expected, rtol=1e-12)


def test_threads_inside_vmap():
    f = lambda x: sum(together(lambda k: np.sum(x * x * k)))  # noqa: E731
    np.testing.assert_allclose(dd.vmap(f)(np.stack([X, 2 * X])), [28 * X @ X, 112 * X @ X], rtol=1e-14)


def test_thread_that_outlives_the_transform_raises():
    go, made = threading.Event(), []

    def f(x):
        def late():
            assert go.wait(30)
            return x * 2

        made.append(pool.submit(late))
        return np.sum(x * x)

    for mode in ("forward", "reverse"):
        with ThreadPoolExecutor(1) as pool:
            dd.grad(f, mode=mode)(X)
            go.set()
            with pytest.raises(EscapedTensor):
                made.pop().result()
        go.clear()


def test_sparse_plans_are_shared():
    pytest.importorskip("scipy")
    rosenbrock = lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)  # noqa: E731
    stencil = lambda x: x[1:-1] ** 2 * x[2:] - x[:-2]  # noqa: E731
    x = np.linspace(0.5, 1.5, 12)
    plans = [
        (dd.sparse.prepare_jacobian(stencil, x), dd.jacobian(stencil)),
        (dd.sparse.prepare_jacobian(stencil, x, replay=True), dd.jacobian(stencil)),
        (dd.sparse.prepare_hessian(rosenbrock, x), dd.hessian(rosenbrock)),
    ]

    def work(k):
        at = x + 0.1 * k
        dense = [derivative(at) for _, derivative in plans]
        return [
            np.abs(plan(at) - exact).max()
            for _ in range(5)
            for (plan, _), exact in zip(plans, dense, strict=True)
        ]

    assert np.max(together(work)) < 1e-10


def test_threads_inside_a_recorded_function_write_one_program():
    """Every step has places of its own, also if a thread is stopped between taking one and numbering it."""
    from dualdiff.modes.replay import RecordLevel, program_of

    class Slow(list):
        def append(self, x):
            super().append(x)
            time.sleep(1e-5)

    level = RecordLevel()
    level.places = Slow()
    x = level.watch(X)

    def work(k):
        y = x
        for _ in range(5):
            y = np.sin(y) * (k + 1.0) + x
        return y

    program = program_of(level, [sum(together(work))])
    level.close()
    expected = 0.0
    for k in range(THREADS):
        y = 2 * X
        for _ in range(5):
            y = np.sin(y) * (k + 1.0) + 2 * X
        expected = expected + y
    np.testing.assert_array_equal(program.run([2 * X])[0], expected)


# -------------------------------------------------- large constants, which a tape reads where they are
LARGE = 5000


def test_a_constant_stays_watched_when_another_thread_is_done_with_it():
    """Two threads keep one array; the first to finish must not give up what the second still needs."""
    c, x = np.full(LARGE, 2.0), np.ones(LARGE)
    first_kept, both_kept, first_done = (threading.Event() for _ in range(3))

    def first(x):
        y = np.sum(x * c)
        first_kept.set()
        assert both_kept.wait(30)
        return y

    def second(x):
        y = np.sum(x * c)
        both_kept.set()
        assert first_done.wait(30)
        c[:] = 100.0
        return y

    def work(k):
        if k == 0:
            dd.grad(first, mode="reverse")(x)
            return first_done.set()
        assert first_kept.wait(30)
        with pytest.raises(MutationError):
            dd.grad(second, mode="reverse")(x)

    together(work, 2)
    assert c.flags.writeable and c[0] == 2.0


def test_a_work_buffer_that_another_thread_writes_gives_the_gradient_or_raises():
    c, x = np.full(LARGE, 2.0), np.ones(LARGE)
    kept, wrote = threading.Event(), threading.Event()

    def f(x):
        y = np.sum(x * c)
        kept.set()
        assert wrote.wait(30)
        return y

    def work(k):
        if k == 0:
            return dd.grad(f, mode="reverse")(x)
        assert kept.wait(30)
        try:
            with pytest.raises(ValueError, match="read-only"):
                c[:] = 100.0
        finally:
            wrote.set()

    np.testing.assert_array_equal(together(work, 2)[0], 2.0)
    assert c.flags.writeable


def test_views_of_a_constant_that_threads_share_are_writable_afterwards():
    c, x = np.arange(2.0 * LARGE), np.ones(LARGE)

    def work(k):
        view = c[k % 2 :: 2]
        return all(np.array_equal(dd.grad(lambda x: np.sum(x * view))(x), view) for _ in range(30))

    assert all(together(work))
    c[:] = 0.0
    assert x.flags.writeable


# -------------------------------------------------- tasks and contexts
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@convention("TH-2")
def test_tasks_interleave_inside_a_function(mode):
    async def task(x, k):
        y = x
        for _ in range(10):
            await asyncio.sleep(0)
            y = y * x + dd.grad(lambda z: x * z * z, mode=mode)(1.0) * 0.0
        return y * k

    async def all_tasks(x):
        return sum(await asyncio.gather(*(task(x, k) for k in range(8))))

    found = dd.grad(lambda x: asyncio.run(all_tasks(x)), mode=mode)(1.01)
    assert found == pytest.approx(28 * 11 * 1.01**10, rel=1e-13)


def test_tasks_hand_their_work_to_threads():
    async def main():
        runs = [asyncio.to_thread(PROGRAMS[name][0], s) for s in (1.0, 2.0, 3.0) for name in PROGRAMS]
        return await asyncio.gather(*runs)

    found = asyncio.run(main())
    for (s, name), y in zip(itertools.product((1.0, 2.0, 3.0), PROGRAMS), found, strict=True):
        np.testing.assert_allclose(y, PROGRAMS[name][1](s), rtol=1e-12)


@convention("TH-2")
def test_levels_are_not_bound_to_a_context():
    switch = contextvars.ContextVar("switch", default=1.0)

    def f(x):
        def inner():
            switch.set(5.0)
            return dd.grad(lambda y: x * y * y * switch.get())(x)

        there = contextvars.copy_context().run(inner)
        empty = contextvars.Context().run(lambda: dd.grad(lambda y: x * y * y * switch.get())(x))
        return there + empty * switch.get()

    for mode in ("forward", "reverse"):
        assert dd.grad(f, mode=mode)(3.0) == pytest.approx(24 * 3.0, rel=1e-14)  # 10 x^2 + 2 x^2
    assert switch.get() == 1.0


@convention("TH-2")
def test_interleaved_generators_each_keep_their_level():
    """Two transforms that are open at once, closed in another order than nesting would close them."""

    def squares(x):
        while True:
            x = x * x
            yield x

    def f(x):
        mine = squares(x)
        inner = dd.grad(lambda y: next(mine) * next(theirs := squares(y)) + 0 * next(theirs))(2.0)
        return inner * next(mine)  # 2 y x^2 x^4, with y = 2

    for mode in ("forward", "reverse"):
        assert dd.grad(f, mode=mode)(1.5) == pytest.approx(4 * 6 * 1.5**5, rel=1e-14)


# -------------------------------------------------- the front end
@convention("TH-3")
def test_backward_in_threads_is_each_thread_s_own():
    torch = dd_torch()

    def work(k):
        w = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
        for _ in range(20):
            y = ((w * float(k)) ** 3).sum()
            y.backward()
            (g,) = torch.autograd.grad((w * w).sum(), w, create_graph=True)
            g.sum().backward()
            with torch.no_grad():
                assert not (w * 2).requires_grad
            assert (w * 2).requires_grad
        return w.grad.numpy()

    for k, found in enumerate(together(work)):
        np.testing.assert_allclose(found, 20 * (3 * k**3 * np.array([1.0, 4.0, 9.0]) + 2), rtol=1e-13)


@pytest.mark.parametrize("size", [3, 5000])
def test_a_leaf_shared_by_threads_receives_every_gradient(size):
    torch = dd_torch()
    for _ in range(10):
        w = torch.ones(size, dtype=torch.float64, requires_grad=True)

        def work(k, w=w):
            for _ in range(25):
                (w * float(k)).sum().backward()

        together(work)
        np.testing.assert_array_equal(w.grad.numpy(), np.full(size, 25.0 * 28))


def test_one_graph_swept_by_threads():
    torch = dd_torch()
    w = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    v = torch.tensor([3.0, 5.0], dtype=torch.float64, requires_grad=True)
    y = ((w * v).exp() * 1e-3 + torch.sin(w) * v.neg()).sum()
    exact = torch.autograd.grad(y, (w, v), retain_graph=True)

    def work(k):
        for _ in range(50):
            wanted = ((w,), (v,), (w, v))[k % 3]
            found = torch.autograd.grad(y, wanted, retain_graph=True)
            for x, g in zip(wanted, found, strict=True):
                np.testing.assert_array_equal(g.numpy(), exact[0 if x is w else 1].numpy())

    together(work)


def test_a_graph_freed_under_another_thread_raises_or_is_right():
    torch = dd_torch()
    from dualdiff.torch.errors import FreedGraph

    for _ in range(20):
        w = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        y = w
        for _ in range(20):
            y = torch.sin(y) * w
        (exact,) = torch.autograd.grad(y.sum(), w, retain_graph=True)
        y = y.sum()

        def work(k, y=y, w=w):
            try:
                return torch.autograd.grad(y, w)[0].numpy()
            except FreedGraph:
                return None

        found = [g for g in together(work) if g is not None]
        for g in found:
            np.testing.assert_array_equal(g, exact.numpy())


def test_writes_of_several_threads_are_timed_in_order():
    """The latest time is that of the latest write, or a sweep would not look whether a value changed."""
    dd_torch()
    from dualdiff.torch import writes
    from dualdiff.torch.graph import LEVEL

    drawn, noted = threading.Event(), threading.Event()

    def slow_tick():
        time_of_write = LEVEL.tick()
        if not drawn.is_set():  # the first to draw a number waits for the other, as far as that can go on
            drawn.set()
            noted.wait(0.1)
        return time_of_write

    clock, arrays = writes.Clock(slow_tick), np.ones((2, 3))

    def work(k):
        if k:
            assert drawn.wait(30)
        clock.note(mine := arrays[k].copy())
        if k:
            noted.set()
        return writes._written[id(mine)].last

    assert clock.latest == 1
    assert min(together(work, 2)) == clock.latest


def test_random_numbers_in_threads():
    torch = dd_torch()
    for _ in range(20):
        generator = torch.Generator()
        together(lambda k, g=generator: torch.rand(2, generator=g))


def dd_torch():
    import dualdiff.torch

    return dualdiff.torch


# -------------------------------------------------- what is made once
def test_rules_are_made_by_several_threads_at_once():
    for _ in range(20):
        reverse.recorder_of.cache_clear()
        reverse.linear_rule.cache_clear()

        def work(k):
            f = lambda x: np.sum(np.concatenate([x * x, x]) ** 2) + np.linalg.norm(x @ M)  # noqa: E731
            return dd.grad(f, mode="reverse")(X)

        rows = together(work)
        assert all(np.array_equal(row, rows[0]) for row in rows)


def test_ops_are_declared_while_others_are_used(unregistered):
    def work(k):
        for i in range(20):
            double = dd.elementwise(lambda x: 2.0 * x, lambda y, x: 2.0, name=f"thread_{k}_op_{i}")
            if dd.grad(lambda x, f=double: f(x) * x)(3.0) != 12.0 or dd.grad(dd.grad(np.sin))(0.0) != 0.0:
                return False
        return True

    assert all(together(work))


FIRST = """
import sys, threading
sys.setswitchinterval(1e-6)
barrier, found = threading.Barrier(8), []
def work(k):
    import numpy as np
    barrier.wait(30)
    if k % 2:
        import dualdiff.numpy, dualdiff.{module}
    import dualdiff as dd
    f = lambda x: np.sum(np.sin(x) * np.concatenate([x, x])[:3]) + np.linalg.slogdet(np.diag(x))[1]
    x = np.array([0.5, 1.0, 1.5])
    found.append(np.abs(dd.grad(f)(x) - np.sin(x) - x * np.cos(x) - 1 / x).max() < 1e-14)
    found.append(dd.grad(dd.grad(lambda t: t ** 3))(2.0) == 12.0)
threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(found.count(True))
"""


@pytest.mark.parametrize("module", ["torch", "sparse", "testing", "special"])
def test_first_import_and_first_use_in_threads(module):
    if module in ("sparse", "special"):
        pytest.importorskip("scipy")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIRST.format(module=module)], capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("16\n", "")
