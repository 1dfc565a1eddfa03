"""Inputs that are not used, tensors that outlive their transform, errors, threads: what is left behind."""

import asyncio
import gc
import threading
import weakref

import numpy as np
import pytest
from conventions import convention, each_mode, table

import dualdiff as dd
from dualdiff import errors

X = np.array([1.0, 2.0, 3.0])
F32 = X.astype(np.float32)


# -------------------------------------------------- values, seeds and inputs
@each_mode
@convention("GEN-4")
def test_value_is_that_of_the_plain_call_to_the_last_bit(mode):
    f = lambda x: np.sum(np.exp(x) / (1 + np.sin(x) ** 2))  # noqa: E731
    x = np.random.default_rng(1).standard_normal(1000)
    assert dd.value_and_grad(f, mode=mode)(x)[0] == f(x)


@each_mode
@convention("GEN-5")
def test_sample_is_a_constant(mode):
    f = lambda x: np.sum(x * np.random.default_rng(7).normal(size=3))  # noqa: E731
    np.testing.assert_array_equal(dd.grad(f, mode=mode)(X), np.random.default_rng(7).normal(size=3))


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: np.random.default_rng(seed).normal(),
        lambda seed: np.random.default_rng(np.random.SeedSequence(seed)).normal(),
        lambda seed: np.random.RandomState(seed).normal(),
        lambda seed: np.random.seed(seed) or np.random.normal(),
    ],
    ids=["default_rng", "SeedSequence", "RandomState", "seed"],
)
@pytest.mark.parametrize("seed", [3, 3.0])
@each_mode
@convention("GEN-5")
def test_seed_has_no_derivative(draw, seed, mode):
    with pytest.raises(TypeError):
        dd.grad(draw, mode=mode)(seed)


@pytest.mark.parametrize(
    ("f", "argnums", "xs", "expected"),
    table(
        ("UN-1 an unused argument has zeros", lambda x, y: x * x, (0, 1), (2.0, 3.0), (4.0, 0.0)),
        ("UN-3 a constant function is flat", lambda x: 1.0, 0, (2.0,), 0.0),
        ("UN-4 the output may be the input", lambda x: x, 0, (2.0,), 1.0),
    ),
)
@each_mode
def test_gradient_of_little(f, argnums, xs, expected, mode):
    assert dd.grad(f, argnums, mode=mode)(*xs) == expected
    rows = dd.vmap(dd.grad(f, argnums, mode=mode))(*(np.full(2, x) for x in xs))
    np.testing.assert_array_equal(rows, np.transpose([expected, expected]))


@each_mode
@convention("UN-1")
def test_zeros_of_an_unused_argument_are_like_it(mode):
    gradient = dd.grad(lambda x, y: x * x, (0, 1), mode=mode)
    np.testing.assert_array_equal(gradient(2.0, F32)[1], np.zeros(3, np.float32), strict=True)
    rows = dd.vmap(gradient)(np.ones(2), np.stack([F32, F32]))[1]
    np.testing.assert_array_equal(rows, np.zeros((2, 3), np.float32), strict=True)


@pytest.mark.parametrize("transform", [dd.grad, dd.value_and_grad, dd.jacobian])
@each_mode
@convention("UN-8")
def test_function_as_a_result_is_refused(transform, mode):
    with pytest.raises(TypeError, match="function"):
        transform(lambda x: lambda y: x, mode=mode)(2.0)
    with pytest.raises(TypeError, match="function"):
        dd.jvp(lambda x: lambda y: x, (2.0,), (1.0,), mode=mode)


@each_mode
@convention("UN-9")
def test_pullback_gives_the_same_again(mode):
    _, pullback = dd.vjp(lambda x: np.exp(x) * np.cumsum(x), X, mode=mode)
    first = pullback(X)[0].copy()
    pullback(2 * X)[0][:] = 7.0  # a result is the caller's own
    np.testing.assert_array_equal(pullback(X)[0], first)


# -------------------------------------------------- nothing stays
@convention("UN-11")
def test_tape_leaves_nothing_behind():
    seen = []

    def f(x):
        y = np.exp(x)
        z = y * y + x
        seen.extend(map(weakref.ref, (y, z)))
        return np.sum(z * y)

    gc.collect()
    gc.disable()
    try:
        for run in (
            lambda: dd.grad(f, mode="reverse")(X),
            lambda: dd.vjp(f, X)[1](1.0),
            lambda: dd.hessian(f)(X),
            lambda: dd.linearize(f, X)[1](X),
        ):
            run()
            assert seen and not any(ref() is not None for ref in seen)
            seen.clear()
    finally:
        gc.enable()


# -------------------------------------------------- errors
@each_mode
@convention("ER-1", "ER-2")
def test_error_of_the_function_is_its_own_and_leaves_nothing(mode):
    def fails(x):
        return 1 / 0

    for transform in (dd.grad, dd.jacobian, dd.hessian):
        with pytest.raises(ZeroDivisionError) as caught:
            transform(fails, mode=mode)(1.0)
        assert caught.value.args == ("division by zero",)
        assert caught.traceback[-1].name == "fails"  # the last line is the user's
        assert dd.grad(lambda x: x * x, mode=mode)(3.0) == 6.0

    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dd.grad(lambda x: dd.grad(interrupted)(x), mode=mode)(1.0)
    assert dd.grad(lambda x: x * dd.grad(lambda y: x * y)(2.0), mode=mode)(3.0) == 6.0


@pytest.mark.parametrize(
    ("f", "named"),
    table(
        ("ER-3 NP-6 a function", lambda x: np.sum(np.packbits(x)), r"np\.packbits has no derivative"),
        ("ER-3 a keyword", lambda x: np.sum(np.add(x, x, where=X > 1)), r"np\.add .* where="),
        ("ER-3 a method", lambda x: np.power.reduce(x), r"np\.power\.reduce"),
    ),
)
@each_mode
def test_missing_rule_is_named_and_nothing_that_the_user_did_not_ask_for(f, named, mode):
    """One rule serves both modes and all orders, so a missing one is missing in all of them."""
    for transform in (dd.grad, dd.hessian):
        with pytest.raises(errors.NoDerivative, match=named) as caught:
            transform(f, mode=mode)(X)
        assert "tangent" not in str(caught.value)


@each_mode
@convention("ER-4")
def test_inputs_keep_their_bits(mode):
    x, t = X.copy(), X.copy()
    f = lambda x: np.sum(x.at[0].set(9.0) * np.sort(x))  # noqa: E731
    for run in (
        lambda: dd.value_and_grad(f, mode=mode)(x),
        lambda: dd.jacobian(np.cumsum, mode=mode)(x),
        lambda: dd.hessian(f, mode=mode)(x),
        lambda: dd.jvp(f, (x,), (t,), mode=mode),
        lambda: dd.vjp(np.sort, x, mode=mode)[1](t),
        lambda: dd.linearize(np.sort, x)[1](t),
        lambda: dd.hvp(f, (x,), (t,)),
        lambda: dd.vmap(np.sin)(x),
    ):
        run()
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(t, X)


# -------------------------------------------------- threads, tasks, generators
@convention("TH-1")
def test_threads_do_not_see_each_other(restless):
    found = []

    def work():
        for _ in range(300):
            found.append(dd.grad(lambda x: x * dd.grad(lambda y: x * y)(2.0))(3.0))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [6.0] * 1200


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def in_a_task(work):
    async def later():
        return work()

    return asyncio.run(later())


def in_a_generator(work):
    def made():
        yield work()

    return next(made())


@pytest.mark.parametrize("run", [in_a_thread, in_a_task, in_a_generator])
@each_mode
@convention("TH-2")
def test_what_runs_inside_a_trace_sees_it_through_tensors_alone(run, mode):
    def f(x):
        apart = run(lambda: dd.grad(lambda y: y**3)(2.0))  # no tensor goes in: a plain number comes out
        assert type(apart) is np.float64
        plain = run(lambda: np.sin(X))
        assert type(plain) is np.ndarray
        handed = run(lambda: x * dd.grad(lambda y: x * y * y)(2.0))  # 4 x**2
        return apart * x + handed

    assert dd.grad(f, mode=mode)(3.0) == 12.0 + 24.0
