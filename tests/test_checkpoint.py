"""checkpoint and checkpointed_loop: derivatives of plain code, with less kept, and never silently wrong."""

import functools
import gc
import threading
import tracemalloc

import numpy as np
import pytest

import dualdiff as dd
import dualdiff.tree
from dualdiff.errors import InputTypeError, MutationError, StructureError
from dualdiff.transforms.binomial import advances, longest, repeats, schedule, slots_for

MODES = ("forward", "reverse")
HELD = {}
W, H = np.array([[0.3, -0.2], [0.5, 0.1]]), np.array([0.4, 0.9])
PAIRS = pytest.mark.parametrize("modes", [(a, b) for a in MODES for b in MODES], ids="-over-".join)


def same(found, expected, rtol=1e-11):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-14)


def cell(w, h):
    return np.tanh(w @ h) + h * np.sin(h)


def repeated(w, h, wrap=lambda f: f):
    for _ in range(5):
        h = wrap(cell)(w, h)
    return np.sum(h**2)


def closing(w, h):
    step = dd.checkpoint(lambda h: cell(w, h))
    for _ in range(5):
        h = step(h)
    return np.sum(h**2)


def nested(w, h):
    twice = dd.checkpoint(lambda h: dd.checkpoint(lambda h: cell(w, h))(cell(w, h)))
    return np.sum(twice(twice(dd.checkpoint(cell)(w, h))) ** 2)


def looped(slots):
    def f(w, h):
        return np.sum(dd.checkpointed_loop(lambda k, h: cell(w, h), h, 5, slots=slots) ** 2)

    return f


VARIANTS = {
    "arguments": lambda w, h: repeated(w, h, dd.checkpoint),
    "closure": closing,
    "nested": nested,
    "loop-1": looped(1),
    "loop-2": looped(2),
    "loop-5": looped(5),
    "loop-auto": looped(None),
}
EACH = pytest.mark.parametrize("f", VARIANTS.values(), ids=VARIANTS)


# -------------------------------------------------- the matrix of modes and nestings
@EACH
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("argnum", [0, 1])
def test_gradient_is_that_of_the_plain_loop(f, mode, argnum):
    assert f(W, H) == repeated(W, H)
    same(dd.grad(f, argnum, mode=mode)(W, H), dd.grad(repeated, argnum)(W, H))


@EACH
@PAIRS
def test_hessian_is_that_of_the_plain_loop(f, modes):
    found, expected = dd.hessian(f, (0, 1), mode=modes)(W, H), dd.hessian(repeated, (0, 1))(W, H)
    dd.tree.map_tree(same, found, expected)


@EACH
@pytest.mark.parametrize("mode", MODES)
@PAIRS
def test_third_derivative_is_that_of_the_plain_loop(f, modes, mode):
    def third(f):
        return dd.jacobian(dd.hessian(f, 1, mode=modes), 1, mode=mode)(W, H)

    same(third(f), third(repeated), rtol=1e-9)


@EACH
def test_gradient_is_that_of_finite_differences(f):
    dd.testing.check_grads(f, (W, H), order=2)


@EACH
def test_linearize_goes_both_ways_as_often_as_asked(f):
    (_, lin), (_, expected) = dd.linearize(f, W, H), dd.linearize(repeated, W, H)
    for _ in range(2):
        same(lin(W, H), expected(W, H))
        dd.tree.map_tree(same, lin.T(1.0), expected.T(1.0))
    same(lin.to_dense(), expected.to_dense())


@EACH
def test_a_pullback_may_be_called_again(f):
    _, pull = dd.vjp(f, W, H)
    first, second = pull(1.0), pull(1.0)
    dd.tree.map_tree(np.testing.assert_array_equal, first, second)


@EACH
def test_vmap_inside_and_outside_of_derivatives(f):
    rows = np.stack([H, 2 * H, H * H])

    def each(f):
        return dd.vmap(dd.grad(f, 1), (None, 0))(W, rows)

    def total(f):
        return lambda w: np.sum(dd.vmap(f, (None, 0))(w, rows) ** 2)

    same(each(f), each(repeated))
    same(dd.grad(total(f))(W), dd.grad(total(repeated))(W))
    same(dd.hessian(total(f))(W), dd.hessian(total(repeated))(W))
    same(
        dd.hessian(total(f), mode=("reverse", "reverse"))(W),
        dd.hessian(total(repeated))(W),
    )


@EACH
def test_jacobian_in_chunks(f):
    def ys(f):
        return lambda h: np.stack([f(W, h), f(2 * W, h), h[0]])

    for mode in MODES:
        same(dd.jacobian(ys(f), mode=mode, chunk_size=2)(H), dd.jacobian(ys(repeated))(H))


@EACH
def test_debug_and_strong_zeros(f):
    expected = dd.grad(repeated)(W, H)
    with dd.debug():
        same(dd.grad(f)(W, H), expected)
    with dd.strong_zero():
        same(dd.grad(f)(W, H), expected)


@EACH
def test_an_inner_derivative_closes_over_an_outer_one(f):
    def program(f):
        def outer(w):
            return np.sum(dd.grad(lambda h: f(w, h) * np.sum(w))(H) ** 2)

        return [dd.grad(outer, mode=mode)(W) for mode in MODES]

    for found, expected in zip(program(f), program(repeated), strict=True):
        same(found, expected)


@pytest.mark.parametrize("hidden", ["list", "attribute", "global"])
@PAIRS
def test_closures_that_are_not_found_are_right_all_the_same(hidden, modes):
    class Box:
        pass

    def program(wrap, loop):
        def f(w):
            box = Box()
            box.w = w
            held = {"list": [[w]], "attribute": box, "global": None}[hidden]
            HELD["w"] = w

            readers = {"list": lambda: held[0][0], "attribute": lambda: held.w, "global": lambda: HELD["w"]}
            read = readers[hidden]

            def inner(h):
                a = wrap(lambda h: cell(read(), h))(h)
                return np.sum(loop(lambda k, h: cell(read(), h) + k * h, a, 3) * np.sin(h))

            return np.sum(dd.grad(inner, mode=modes[1])(H) * H)

        return dd.grad(f, mode=modes[0])(W)

    def plain_loop(step, state, n):
        for k in range(n):
            state = step(k, state)
        return state

    same(program(dd.checkpoint, dd.checkpointed_loop), program(lambda f: f, plain_loop))


@PAIRS
def test_an_inner_tape_that_is_not_found_is_right_all_the_same(modes):
    def program(loop):
        def outer(h):  # the state is known to the outer tape alone, the box holds tensors of the inner one
            def inner(w):
                box = type("Box", (), {"w": w})
                return np.sum(loop(lambda k, h: np.sin(box.w * h) + h * h, h, 4) ** 2)

            return np.sum(dd.grad(inner, mode=modes[1])(np.ones(2)) * h)

        return dd.grad(outer, mode=modes[0])(H)

    def plain_loop(step, state, n):
        for k in range(n):
            state = step(k, state)
        return state

    same(program(dd.checkpointed_loop), program(plain_loop))


# -------------------------------------------------- arguments and results
def test_containers_and_keyword_arguments():
    @dd.checkpoint
    def f(p, *, scale=1.0, n=2, label="x"):
        assert label == "y"
        return {"a": (p["u"] * scale) ** n, "n": n, "same": p["v"], "none": None}

    def g(u, v, s):
        y = f({"u": u, "v": v}, scale=s, n=3, label="y")
        assert y["n"] == 3 and y["none"] is None
        return np.sum(y["a"] * y["same"])

    def plain(u, v, s):
        return np.sum((u * s) ** 3 * v)

    for argnum in (0, 1, 2):
        same(dd.grad(g, argnum)(H, 2 * H, 0.7), dd.grad(plain, argnum)(H, 2 * H, 0.7))


def test_the_state_of_a_loop_is_a_container():
    def step(k, s):
        return {"x": s["x"] + 0.1 * s["v"], "v": s["v"] - 0.1 * np.sin(s["x"]) * s["c"], "c": s["c"], "k": k}

    def f(loop):
        def g(x, c):
            s = loop(step, {"x": x, "v": 0 * x, "c": c, "k": 0}, 20)
            assert s["k"] == 19
            return np.sum(s["x"] * s["v"])

        return g

    def plain(step, s, n):
        for k in range(n):
            s = step(k, s)
        return s

    for argnum in (0, 1):
        same(dd.grad(f(dd.checkpointed_loop), argnum)(H, 2.0), dd.grad(f(plain), argnum)(H, 2.0))


def test_a_loop_of_no_steps_and_of_one():
    assert dd.checkpointed_loop(lambda k, s: s + 1, 1.0, 0) == 1.0
    same(dd.grad(lambda x: dd.checkpointed_loop(lambda k, s: s * x, 1.0, 0) + x)(2.0), 1.0)
    same(dd.grad(lambda x: dd.checkpointed_loop(lambda k, s: s * x, 1.0, 1))(2.0), 1.0)


def test_custom_rules_and_checkpoints_in_each_other():
    f = dd.custom_jvp(lambda x: np.sin(x))
    f.defjvp(dd.checkpoint(lambda p, t: (f(p[0]), np.cos(p[0]) * t[0])))
    g = dd.custom_vjp(dd.checkpoint(lambda x: np.sin(x)))
    g.defvjp(lambda x: (g(x), x), dd.checkpoint(lambda x, b: (np.cos(x) * b,)))
    for h in (f, g, dd.checkpoint(f), dd.checkpoint(g)):
        for modes in [(a, b) for a in MODES for b in MODES]:
            same(dd.hessian(lambda x, h=h: np.sum(h(x) ** 2), mode=modes)(H), np.diag(2 * np.cos(2 * H)))


def test_tensors_of_the_front_end_pass_through():
    import dualdiff.torch as torch

    x = torch.tensor(H, requires_grad=True)
    dd.checkpoint(lambda x: x * x)(x).sum().backward()
    same(x.grad.numpy(), 2 * H)


def test_sparse_jacobian():
    pytest.importorskip("scipy")
    f = dd.checkpoint(lambda x: np.sin(x) * x)
    same(dd.sparse.jacobian(f)(H).toarray(), np.diag(np.cos(H) * H + np.sin(H)))


# -------------------------------------------------- the schedule
TABLE = {
    (10, 2): (20, 3), (10, 3): (15, 2), (14, 3): (27, 3), (20, 3): (45, 3), (50, 4): (144, 4),
    (56, 3): (210, 5), (100, 5): (316, 4), (100, 10): (222, 3), (1000, 10): (3636, 4), (1000, 20): (2747, 3),
}  # fmt: skip


@pytest.mark.parametrize("steps, slots", TABLE)
def test_advances_and_repeats_of_the_table(steps, slots):
    assert (advances(steps, slots), repeats(steps, slots)) == TABLE[steps, slots]


@pytest.mark.parametrize(
    "slots, chains",
    [(1, [2, 3, 4, 5, 6]), (2, [3, 6, 10, 15, 21]), (3, [4, 10, 20, 35, 56]), (6, [7, 28, 84, 210, 462])],
)
def test_longest_chains(slots, chains):
    assert [longest(slots, r) for r in range(1, 6)] == chains


@functools.cache
def fewest(steps, slots):
    """The recursion that the closed form solves."""
    if steps == 1:
        return 0
    if slots == 1:
        return steps * (steps - 1) // 2
    return min(k + fewest(k, slots) + fewest(steps - k, slots - 1) for k in range(1, steps))


def played(steps, slots):
    """(advances, most states kept, order of reversal) of a schedule, whose every action must be possible."""
    kept, here, count, most, order = {0}, 0, 0, 1, []
    for action, i, j in schedule(steps, slots):
        if action == "advance":
            assert here == i
            count, here = count + j - i, j
        elif action == "store":
            assert here == i
            kept.add(i)
            most = max(most, len(kept))
        elif action == "restore":
            assert i in kept
            here = i
        elif action == "free":
            kept.remove(i)
        else:
            assert here == i
            order.append(i)
            here = None
    assert not kept
    return count, most, order


@pytest.mark.parametrize("slots", range(1, 8))
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 10, 14, 21, 40, 79])
def test_schedule_is_optimal_and_keeps_its_slots(steps, slots):
    count, most, order = played(steps, slots)
    assert count == advances(steps, slots) == fewest(steps, slots)
    assert most <= slots
    assert order == list(range(steps))[::-1]


def test_schedule_of_ten_steps_with_three_slots():
    words = [f"{a} {i}" + (f" {j}" if a == "advance" else "") for a, i, j in schedule(10, 3)]
    expected = (
        "advance 0 4, store 4, advance 4 7, store 7, advance 7 9, reverse 9, "
        "restore 7, advance 7 8, reverse 8, restore 7, reverse 7, free 7, "
        "restore 4, advance 4 5, store 5, advance 5 6, reverse 6, restore 5, reverse 5, free 5, "
        "restore 4, reverse 4, free 4, restore 0, advance 0 1, store 1, advance 1 2, store 2, "
        "advance 2 3, reverse 3, restore 2, reverse 2, free 2, restore 1, reverse 1, free 1, "
        "restore 0, reverse 0, free 0"
    )
    assert ", ".join(words) == expected


def test_slots_by_default_run_no_step_again_more_than_twice():
    for n in (1, 2, 10, 1000, 10_000):
        assert longest(slots_for(n), 2) >= n
        assert slots_for(n) <= (2 * n) ** 0.5 + 1


@pytest.mark.parametrize("steps, slots", [(10, 2), (10, 3), (20, 3), (50, 4), (100, 10), (7, 7)])
def test_steps_run_as_often_as_the_schedule_says(steps, slots):
    runs = []

    def step(k, s):
        runs.append((k, isinstance(s, np.ndarray)))
        return s * np.cos(s) + 0.01 * k

    def f(x):
        return np.sum(dd.checkpointed_loop(step, x, steps, slots=slots))

    _, pull = dd.vjp(f, H)
    assert [k for k, _ in runs] == list(range(steps))
    pull(1.0)
    # The run for the value takes the last step as well; each step is run once more to be recorded.
    assert len(runs) == advances(steps, slots) + 1 + steps


@pytest.mark.parametrize("slots", [1, 2, 3, 10, 99, None])
def test_gradient_of_a_loop_is_that_of_plain_reverse_mode_to_the_bit(slots):
    def step(k, s):
        return s * np.cos(s) + 0.01 * k

    def plain(x):
        for k in range(40):
            x = step(k, x)
        return np.sum(x)

    def f(x):
        return np.sum(dd.checkpointed_loop(step, x, 40, slots=slots))

    np.testing.assert_array_equal(dd.grad(f)(H), dd.grad(plain)(H))


def test_steps_are_swept_from_the_last_to_the_first():
    order = []

    def step(k, s):
        c = dd.custom_vjp(lambda s: s + 1)
        c.defvjp(lambda s: (s + 1, None), lambda _, b: order.append(k) or (b,))
        return c(s)

    dd.grad(lambda x: dd.checkpointed_loop(step, x, 12, slots=3), mode="reverse")(1.0)
    assert order == list(range(12))[::-1]


# -------------------------------------------------- memory and length
def peak(f, *args):
    gc.collect()
    tracemalloc.start()
    try:
        f(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def busy(h):
    for _ in range(10):
        h = np.sin(h) * np.cos(h) + h
    return h


def test_checkpoints_keep_the_arguments_alone():
    x, steps = np.linspace(0, 1, 20_000), 20

    def f(x, wrap):
        for _ in range(steps):
            x = wrap(busy)(x)
        return np.sum(x)

    dd.grad(f)(x[:2], dd.checkpoint)
    plain = peak(dd.grad(f), x, lambda f: f)
    less = peak(dd.grad(f), x, dd.checkpoint)
    one = peak(dd.grad(lambda x: np.sum(busy(x))), x)
    assert plain > 0.9 * steps * one
    assert less < one + (steps + 8) * x.nbytes


def test_a_loop_keeps_its_slots():
    x, steps, slots = np.linspace(0, 1, 20_000), 60, 4

    def f(x):
        return np.sum(dd.checkpointed_loop(lambda k, s: busy(s), x, steps, slots=slots))

    dd.grad(f)(x[:2])
    one = peak(dd.grad(lambda x: np.sum(busy(x))), x)
    assert peak(dd.grad(f), x) < one + (slots + 8) * x.nbytes


@pytest.mark.parametrize("slots", [None, 3, 10_000])
def test_ten_thousand_steps(slots):
    n = 10_000 if slots != 3 else 2_000

    def f(x):
        return dd.checkpointed_loop(lambda k, s: s + 1e-4 * np.sin(s), x, n, slots=slots)

    def plain(x):
        for _ in range(n):
            x = x + 1e-4 * np.sin(x)
        return x

    assert dd.grad(f, mode="reverse")(0.5) == dd.grad(plain, mode="reverse")(0.5)


def test_no_cycles():
    def f(w):
        return np.sum(dd.checkpointed_loop(lambda k, h: cell(w, h), dd.checkpoint(np.sin)(H), 4, slots=2))

    dd.hessian(f, mode=("reverse", "reverse"))(W)
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            dd.grad(f)(W)
        assert gc.collect() == 0
    finally:
        gc.enable()


# -------------------------------------------------- what changes in between
def test_random_numbers_inside_are_noticed():
    rng = np.random.default_rng(0)
    f = dd.checkpoint(lambda x: x * x * rng.normal(size=x.shape))
    with pytest.raises(MutationError, match="gave another result when it was run again"):
        dd.grad(lambda x: np.sum(f(x)))(H)
    with pytest.raises(MutationError, match="gave another result"):
        dd.grad(lambda x: np.sum(dd.checkpointed_loop(lambda k, x: x * rng.normal(), x, 4)))(H)
    noise = rng.normal(size=H.shape)
    g = dd.checkpoint(lambda x, noise: x * x * noise)
    same(dd.grad(lambda x: np.sum(g(x, noise)))(H), 2 * H * noise)


@pytest.mark.parametrize("size", [2, 3000])
def test_plain_arguments_that_change_before_the_sweep(size):
    x, buffer = np.linspace(0.1, 1, size), np.ones(size)
    f = dd.checkpoint(lambda x, b: x * x * b)
    _, pull = dd.vjp(lambda x: f(x, buffer), x)
    buffer[:] = 5.0
    if size == 2:  # copied
        same(pull(np.ones(size))[0], 2 * x)
    else:
        with pytest.raises(MutationError):
            pull(np.ones(size))


def test_buffers_closed_over_that_change_are_noticed():
    buffer = np.ones(2)
    _, pull = dd.vjp(dd.checkpoint(lambda x: x * x * buffer), H)
    buffer[:] = 5.0
    with pytest.raises(MutationError, match="gave another result"):
        pull(np.ones(2))


@pytest.mark.parametrize("write", [lambda w: w + 1, lambda w: w**2], ids=["value", "history"])
def test_tensors_closed_over_that_are_written_to_are_noticed(write):
    def f(x):
        w = x * 1.0
        y = dd.checkpoint(lambda h: w * h)(np.ones(2))
        w[...] = write(w)
        return np.sum(y * w)

    with pytest.raises(MutationError, match="gave another result"):
        dd.grad(f)(np.ones(2))


def test_functions_that_write_to_their_arguments():
    def f(x, b):
        x[0] = x[1] * 2
        b += 1
        return np.sum(x * x * b)

    def program(f):
        return lambda x: f(x * 1.0, np.zeros(2)) + np.sum(x)

    same(dd.grad(program(dd.checkpoint(f)))(H), dd.grad(program(f))(H))


def test_values_that_are_not_finite_are_no_change():
    f = dd.checkpoint(lambda x: np.array([np.inf, np.nan]) * x)
    _, pull = dd.vjp(f, H)
    pull(np.ones(2))


def test_exceptions_pass_and_leave_levels_closed():
    calls = []

    @dd.checkpoint
    def f(x):
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError
        return x * x

    with pytest.raises(ZeroDivisionError):
        dd.grad(f, mode="reverse")(1.0)
    kept = []
    g = dd.checkpoint(lambda x: kept.append(x) or x * x)
    dd.grad(g, mode="reverse")(1.0)
    with pytest.raises(dd.errors.EscapedTensor):
        _ = kept[0] + 1
    same(dd.grad(lambda x: x * x)(3.0), 6.0)


def test_one_pullback_in_many_threads():
    _, pull = dd.vjp(closing, W, H)
    expected, found = pull(1.0), []
    _, pull_loop = dd.vjp(looped(2), W, H)

    def work():
        for _ in range(5):
            found.append(pull(1.0))
            found.append(pull_loop(1.0))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    for bars in found:
        dd.tree.map_tree(same, bars, expected)


# -------------------------------------------------- errors
def test_bad_calls_are_refused():
    with pytest.raises(InputTypeError, match="checkpoint needs a function"):
        dd.checkpoint(3)
    for n in (-1, 2.0, None):
        with pytest.raises(InputTypeError, match="checkpointed_loop was given n="):
            dd.checkpointed_loop(lambda k, s: s, 1.0, n)
    for slots in (0, 1.5):
        with pytest.raises(InputTypeError, match="checkpointed_loop was given slots="):
            dd.checkpointed_loop(lambda k, s: s, 1.0, 3, slots=slots)
    with pytest.raises(StructureError, match="returned a state of structure"):
        dd.checkpointed_loop(lambda k, s: (s, s), 1.0, 3)


# -------------------------------------------------- beside JAX
def test_gradients_are_those_of_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def theirs(w, h):
        def body(k, h):
            return jax.checkpoint(lambda h: jnp.tanh(w @ h) + h * jnp.sin(h))(h)

        return jnp.sum(jax.lax.fori_loop(0, 5, body, h) ** 2)

    for argnum in (0, 1):
        same(dd.grad(looped(3), argnum)(W, H), np.asarray(jax.grad(theirs, argnum)(W, H)))
