"""vmap: a batch equals the loop, for all axes, containers, sizes, nestings and with derivatives."""

import collections

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.errors import ControlFlowError, ConversionError, InputTypeError, MutationError, ShapeError
from dualdiff.ops.indexing import take  # as dualdiff.numpy.take: NumPy's own does not look at the indices

RNG = np.random.default_rng(11)
ROWS = RNG.normal(size=(4, 3))
MATRICES = RNG.normal(size=(4, 2, 3))
EXACT = {"rtol": 1e-12, "atol": 1e-13}


def loop(f, *columns):
    return np.stack([f(*row) for row in zip(*columns, strict=True)])


PROGRAMS = {
    "elementwise": lambda x: np.sin(x) * x + 2.0 ** np.abs(x),
    "reduction": lambda x: np.sum(x * x),
    "scalar-of-row": lambda x: x[0] * x[2] - x[1],
    "fancy": lambda x: x[[2, 0, 0]] * x[::-1],
    "outer": lambda x: x[:, None] * x + np.arange(6.0).reshape(3, 1, 2)[..., 0],
    "concatenate": lambda x: np.concatenate([x, np.ones(2), x[:1] * x[1]]),
    "stack": lambda x: np.stack([x, x * x], axis=1),
    "where": lambda x: np.where(x > 0, x, 10.0 * x),
    "matmul": lambda x: np.ones((2, 3)) @ x,
    "reshape": lambda x: x.reshape(3, 1).T,
    "transpose": lambda x: (x[:, None] + np.zeros((3, 2))).T,
    "broadcast": lambda x: np.broadcast_to(x, (2, 3)) * 1.0,
    "constant": lambda x: np.arange(2.0),
    "number": lambda x: 7.0,
    "identity": lambda x: x,
    "integer": lambda x: x > 0,
    "astype": lambda x: x.astype(np.float32),
    "astype-int": lambda x: (10 * x).astype(int),
    "compare-and-index": lambda x: take(np.arange(5.0), (x[0] > 0).astype(int)) * x,
    "at-set": lambda x: x.at[1].set(x[0] * x[2]),
    "at-add": lambda x: x.at[[0, 0]].add(x[1:]),
    "ellipsis": lambda x: x[..., None, :] * 2,
    "len": lambda x: x * len(x) + x.ndim + x.size,
    "iterate": lambda x: sum(v * v for v in x),
    "power": lambda x: (x * x + 1) ** x,
    "clip-like": lambda x: np.minimum(np.maximum(x, -0.5), 0.5),
}


# Of these no number is computed.
STRUCTURAL = ["reshape", "transpose", "broadcast", "constant", "number", "identity", "integer", "astype"]


@pytest.mark.parametrize("name", PROGRAMS)
@convention("VM-6")
def test_batch_equals_the_loop(name):
    f = PROGRAMS[name]
    plain = f if not name.startswith("at-") else None
    if plain is None:
        exact = {
            "at-set": np.stack([ROWS[:, 0], ROWS[:, 0] * ROWS[:, 2], ROWS[:, 2]], axis=1),
            "at-add": np.stack([ROWS[:, 0] + ROWS[:, 1] + ROWS[:, 2], ROWS[:, 1], ROWS[:, 2]], axis=1),
        }[name]
    else:
        exact = loop(f, ROWS)
    found = dd.vmap(f)(ROWS)
    if name in STRUCTURAL:
        np.testing.assert_array_equal(found, exact)
    assert found.shape == exact.shape
    assert found.dtype == exact.dtype
    np.testing.assert_allclose(found, exact, **EXACT)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("name", PROGRAMS)
def test_chunks_equal_one_batch(name, chunk_size):
    f = PROGRAMS[name]
    np.testing.assert_allclose(dd.vmap(f, chunk_size=chunk_size)(ROWS), dd.vmap(f)(ROWS), **EXACT)


@pytest.mark.parametrize("name", PROGRAMS)
@convention("VM-6")
def test_one_example_and_no_example(name):
    f = PROGRAMS[name]
    whole = dd.vmap(f)(ROWS)
    np.testing.assert_allclose(dd.vmap(f)(ROWS[:1]), whole[:1], **EXACT)
    none = dd.vmap(f)(ROWS[:0])
    assert none.shape == (0, *whole.shape[1:])
    assert none.dtype == whole.dtype


@pytest.mark.parametrize("name", PROGRAMS)
@convention("VM-7")
def test_batch_of_batches(name):
    f = PROGRAMS[name]
    stacked = np.stack([ROWS, 2 * ROWS])
    found = dd.vmap(dd.vmap(f))(stacked)
    np.testing.assert_allclose(found, np.stack([dd.vmap(f)(rows) for rows in stacked]), **EXACT)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@convention("VM-6")
def test_every_input_axis(axis):
    f = lambda m: m * m[::-1] + np.sum(m)  # noqa: E731
    x = RNG.normal(size=(2, 3, 4))
    exact = loop(f, np.moveaxis(x, axis, 0))
    np.testing.assert_allclose(dd.vmap(f, in_axes=axis)(x), exact, **EXACT)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_every_output_axis(axis):
    f = lambda m: m * 2 + m[::-1]  # noqa: E731
    exact = np.moveaxis(loop(f, MATRICES), 0, axis)
    found = dd.vmap(f, out_axes=axis)(MATRICES)
    np.testing.assert_array_equal(found, exact)
    assert found.flags.writeable


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (1, 0), (0, -1), (-1, 1), [0, None]])
@convention("VM-6")
def test_every_choice_of_mapped_arguments(axes):
    f = lambda x, y: x * y + np.sum(y)  # noqa: E731
    arguments = [ROWS[:3] if a is None else ROWS for a in axes]
    arguments = [x[0] if a is None else np.moveaxis(x, 0, a) for x, a in zip(arguments, axes, strict=True)]
    rows = [[x] * 4 if a is None else np.moveaxis(x, a, 0) for x, a in zip(arguments, axes, strict=True)]
    np.testing.assert_allclose(dd.vmap(f, in_axes=axes)(*arguments), loop(f, *rows), **EXACT)


RANKS = [(), (3,), (2, 3), (2, 1)]


@pytest.mark.parametrize("left", RANKS)
@pytest.mark.parametrize("right", RANKS)
@pytest.mark.parametrize("mapped", [(0, 0), (0, None), (None, 0)])
def test_ranks_align_as_in_one_example(left, right, mapped):
    x, y = RNG.normal(size=(4, *left)), RNG.normal(size=(4, *right))
    arguments = [v if m == 0 else v[0] for v, m in zip((x, y), mapped, strict=True)]
    rows = [v if m == 0 else [v] * 4 for v, m in zip(arguments, mapped, strict=True)]
    for f in (np.multiply, np.arctan2, lambda a, b: np.where(a > b, a, b), lambda a, b: np.maximum(b, a)):
        np.testing.assert_allclose(dd.vmap(f, in_axes=mapped)(*arguments), loop(f, *rows), **EXACT)


Pair = collections.namedtuple("Pair", "left right")


@convention("VM-6")
def test_prefixes_of_containers():
    tree = {"a": ROWS, "b": [MATRICES, 2.0], "c": None}
    f = lambda t: Pair(t["a"] * t["b"][1], {"m": np.sum(t["b"][0])})  # noqa: E731
    exact = ROWS * 2.0, np.sum(MATRICES, axis=(1, 2))
    for axes in ({"a": 0, "b": [0, None], "c": None}, {"b": (0, None), "a": 0, "c": 0}):
        found = dd.vmap(f, in_axes=(axes,))(tree)
        assert type(found) is Pair
        np.testing.assert_allclose(found.left, exact[0], **EXACT)
        np.testing.assert_allclose(found.right["m"], exact[1], **EXACT)
    found = dd.vmap(f, in_axes=({"a": 0, "b": [0, None], "c": None},), out_axes=(1, 0))(tree)
    np.testing.assert_allclose(found.left, exact[0].T, **EXACT)
    found = dd.vmap(lambda p: p["x"] + p["y"], in_axes=({"x": 1, "y": 0},))({"x": ROWS.T, "y": ROWS})
    np.testing.assert_allclose(found, 2 * ROWS, **EXACT)


def test_keyword_arguments_are_shared():
    found = dd.vmap(lambda x, *, scale: x * scale)(ROWS, scale=np.arange(3.0))
    np.testing.assert_array_equal(found, ROWS * np.arange(3.0))


@convention("VM-5")
def test_shapes_are_those_of_one_example():
    seen = []

    def f(x, m):
        seen.append((x.shape, x.ndim, x.size, len(x), m.shape, m.T.shape, np.shape(m), x.dtype, np.ndim(m)))
        return x

    dd.vmap(f)(ROWS, MATRICES)
    assert seen == [((3,), 1, 3, 3, (2, 3), (3, 2), (2, 3), np.dtype(float), 2)]


def test_integer_and_boolean_examples():
    n = np.array([2, 0, 1])
    found = dd.vmap(lambda i, x: x[i])(n, ROWS[:3])
    np.testing.assert_array_equal(found, ROWS[[0, 1, 2], n])
    np.testing.assert_array_equal(dd.vmap(lambda i: take(ROWS, i, axis=0))(n), ROWS[n])
    np.testing.assert_array_equal(dd.vmap(lambda b, x: np.where(b, x, -x))(n > 0, ROWS[:3])[1], -ROWS[1])
    assert dd.vmap(lambda i: i + 1)(n).dtype == n.dtype


@convention("VM-4")
def test_comparisons_are_batched_and_usable_in_where_and_as_indices():
    f = lambda x: np.where(np.isnan(x) | (x < 0), 0.0, x)[(x[0] > 0).astype(int)]  # noqa: E731
    np.testing.assert_array_equal(dd.vmap(f)(ROWS), loop(f, ROWS))


# -------------------------------------------------- with derivatives
def scalar(x):
    y = np.sin(x) * x[::-1] + x[0]
    return np.sum(y * y[[1, 2, 0]]) / (2 + np.cos(x[1]))


def vector(x):
    return scalar(x) * x + np.exp(-x * x)[::-1]


MODES = ["forward", "reverse", "auto"]


@pytest.mark.parametrize("mode", MODES)
@convention("VM-7")
def test_batch_of_gradients(mode):
    g = dd.grad(scalar, mode=mode)
    np.testing.assert_allclose(dd.vmap(g)(ROWS), loop(g, ROWS), **EXACT)
    value, gradient = dd.vmap(dd.value_and_grad(scalar, mode=mode))(ROWS)
    np.testing.assert_allclose(value, loop(scalar, ROWS), **EXACT)
    np.testing.assert_allclose(gradient, loop(g, ROWS), **EXACT)


@pytest.mark.parametrize("mode", MODES)
def test_batch_of_jacobians_and_hessians(mode):
    for transform in (dd.jacobian(vector, mode=mode), dd.hessian(scalar, mode=mode)):
        np.testing.assert_allclose(dd.vmap(transform)(ROWS), loop(transform, ROWS), **EXACT)
    chunked = dd.jacobian(vector, mode=mode, chunk_size=2)
    np.testing.assert_allclose(dd.vmap(chunked, chunk_size=3)(ROWS), loop(chunked, ROWS), **EXACT)


@pytest.mark.parametrize("mode", MODES)
@convention("VM-7")
def test_gradient_of_a_batch(mode):
    f = lambda rows: np.sum(dd.vmap(scalar)(rows))  # noqa: E731
    np.testing.assert_allclose(dd.grad(f, mode=mode)(ROWS), loop(dd.grad(scalar), ROWS), **EXACT)


@pytest.mark.parametrize("mode", MODES)
def test_gradient_through_a_shared_argument(mode):
    f = lambda w: np.sum(dd.vmap(lambda x: np.sum(x * w) ** 2)(ROWS))  # noqa: E731
    w = np.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(dd.grad(f, mode=mode)(w), 2 * ROWS.T @ (ROWS @ w), **EXACT)
    g = lambda w: np.sum(dd.vmap(lambda x, w: np.sum(x * w) ** 2, in_axes=(0, None))(ROWS, w))  # noqa: E731
    np.testing.assert_allclose(dd.hessian(g, mode=mode)(w), 2 * ROWS.T @ ROWS, **EXACT)


@pytest.mark.parametrize("mode", MODES)
@convention("VM-7")
def test_jvp_of_a_batch_and_batch_of_jvps(mode):
    dots = RNG.normal(size=ROWS.shape)
    one = lambda x, v: dd.jvp(vector, (x,), (v,), mode=mode)[1]  # noqa: E731
    exact = loop(one, ROWS, dots)
    np.testing.assert_allclose(dd.vmap(one)(ROWS, dots), exact, **EXACT)
    np.testing.assert_allclose(dd.jvp(dd.vmap(vector), (ROWS,), (dots,), mode=mode)[1], exact, **EXACT)
    pushed = dd.vmap(lambda v: dd.jvp(vector, (ROWS[0],), (v,), mode=mode)[1])(dots)
    np.testing.assert_allclose(pushed, dots @ dd.jacobian(vector)(ROWS[0]).T, **EXACT)


@pytest.mark.parametrize("mode", MODES)
def test_vjp_of_a_batch_and_batch_of_vjps(mode):
    bars = RNG.normal(size=ROWS.shape)
    one = lambda x, g: dd.vjp(vector, x, mode=mode)[1](g)[0]  # noqa: E731
    exact = loop(one, ROWS, bars)
    np.testing.assert_allclose(dd.vmap(one)(ROWS, bars), exact, **EXACT)
    np.testing.assert_allclose(dd.vjp(dd.vmap(vector), ROWS, mode=mode)[1](bars)[0], exact, **EXACT)
    pullback = dd.vjp(vector, ROWS[0], mode=mode)[1]
    pulled = dd.vmap(lambda g: pullback(g)[0])(bars)
    np.testing.assert_allclose(pulled, bars @ dd.jacobian(vector)(ROWS[0]), **EXACT)


def test_batch_of_linear_maps_and_hvps():
    _, lin = dd.linearize(vector, ROWS[0])
    np.testing.assert_allclose(dd.vmap(lin)(ROWS), ROWS @ lin.to_dense().T, **EXACT)
    np.testing.assert_allclose(dd.vmap(lambda g: lin.T(g)[0])(ROWS), ROWS @ lin.to_dense(), **EXACT)
    hessian = dd.hessian(scalar)(ROWS[0])
    for mode in (
        "forward-over-reverse",
        "reverse-over-forward",
        "reverse-over-reverse",
        "forward-over-forward",
    ):
        product = dd.vmap(lambda v, mode=mode: dd.hvp(scalar, (ROWS[0],), (v,), mode=mode)[1])(ROWS)
        np.testing.assert_allclose(product, ROWS @ hessian, **EXACT)


def test_nested_batches_with_derivatives_between():
    f = lambda a, b: np.sum(np.sin(a * b) * b)  # noqa: E731
    found = dd.vmap(lambda a: dd.vmap(lambda b: dd.grad(f)(a, b))(ROWS))(2 * ROWS)
    exact = np.stack([[dd.grad(f)(a, b) for b in ROWS] for a in 2 * ROWS])
    np.testing.assert_allclose(found, exact, **EXACT)
    found = dd.grad(lambda s: np.sum(dd.vmap(lambda a: dd.grad(lambda b: f(a * s, b))(a))(ROWS)))(1.5)
    exact = dd.grad(lambda s: sum(np.sum(dd.grad(lambda b, a=a: f(a * s, b))(a)) for a in ROWS))(1.5)
    assert found == pytest.approx(exact, rel=1e-12)


def test_gradients_of_an_empty_batch():
    for mode in MODES:
        assert dd.vmap(dd.grad(scalar, mode=mode))(ROWS[:0]).shape == (0, 3)
        assert dd.vmap(dd.jacobian(vector, mode=mode))(ROWS[:0]).shape == (0, 3, 3)
        assert dd.grad(lambda r: np.sum(dd.vmap(scalar)(r)), mode=mode)(ROWS[:0]).shape == (0, 3)


def test_dtype_of_the_batch_is_kept():
    for dtype in (np.float32, np.longdouble, np.complex64):
        x = ROWS.astype(dtype)
        assert dd.vmap(lambda x: np.sin(x) * 2.0)(x).dtype == dtype
        assert dd.vmap(lambda x: np.sin(x) * 2.0)(x[:0]).dtype == dtype
        if dtype is not np.complex64:
            assert dd.vmap(dd.grad(scalar))(x).dtype == dtype


# -------------------------------------------------- control flow
def while_positive(x):
    while x > 0:
        x = x - 1
    return x


@pytest.mark.parametrize(
    "use",
    [
        bool,
        int,
        lambda x: [1, 2][x],
        lambda x: x if x > 0 else -x,
        while_positive,
        lambda x: max(x, 0.0),
        lambda x: not x,
    ],
)
@convention("VM-1", "VM-2")
def test_value_that_steers_python_is_refused(use):
    with pytest.raises(ControlFlowError, match=r"np\.where"):
        dd.vmap(use)(np.array([1.0, -1.0]))


@pytest.mark.parametrize("use", [float, complex, lambda x: x.item(), lambda x: x.tolist()])
@convention("VM-2")
def test_batched_value_has_no_single_number(use):
    with pytest.raises(ConversionError):
        dd.vmap(use)(np.array([1.0, -1.0]))


def test_fallback_loop_runs_example_by_example():
    calls = []

    def f(x, w):
        calls.append(type(x).__name__)
        if np.sum(x) > 0:
            return np.sum(x * w), x
        return -np.sum(x), 2 * x

    total, moved = dd.vmap(f, in_axes=(0, None), fallback="loop")(ROWS, np.ones(3))
    np.testing.assert_allclose(total, np.abs(np.sum(ROWS, axis=1)), **EXACT)
    np.testing.assert_allclose(moved, np.where(np.sum(ROWS, axis=1)[:, None] > 0, ROWS, 2 * ROWS), **EXACT)
    assert len(calls) == 5  # one batched attempt, then one run per example
    gradient = dd.grad(lambda w: np.sum(dd.vmap(f, in_axes=(0, None), fallback="loop")(ROWS, w)[0]))(
        np.ones(3)
    )
    np.testing.assert_allclose(gradient, np.sum(ROWS[np.sum(ROWS, axis=1) > 0], axis=0), **EXACT)
    # the axes and the chunks of the loop are those of the batch
    by_columns = dd.vmap(f, in_axes=(1, None), out_axes=(0, 1), chunk_size=3, fallback="loop")(
        ROWS.T, np.ones(3)
    )
    np.testing.assert_allclose(by_columns[0], total, **EXACT)
    np.testing.assert_allclose(by_columns[1], moved.T, **EXACT)


def test_fallback_loop_is_not_used_without_need():
    calls = []
    dd.vmap(lambda x: calls.append(1) or np.sum(x), fallback="loop")(ROWS)
    assert len(calls) == 1


def test_fallback_does_not_hide_errors_of_the_user():
    def f(x):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        dd.vmap(f, fallback="loop")(ROWS)


def test_outer_control_flow_on_plain_values_is_free():
    found = dd.vmap(lambda x: np.sum(x) if len(x) > 2 else x)(ROWS)
    np.testing.assert_allclose(found, np.sum(ROWS, axis=1), **EXACT)


def test_data_dependent_shapes_are_refused():
    for f in (lambda x: x[x > 0], lambda x: np.zeros(3)[x > 0]):
        with pytest.raises(TypeError):
            dd.vmap(f)(ROWS)


@pytest.mark.parametrize(
    ("f", "named"),
    [
        (lambda x: x[x > 0], "indexing with a batched boolean mask"),
        (lambda x: np.nonzero(x)[0], r"np\.nonzero of a batched value of 4 examples"),
        (np.flatnonzero, r"np\.flatnonzero of"),
        (np.argwhere, r"np\.argwhere of"),
        (np.unique, r"np\.unique of"),
        (lambda x: np.union1d(x, x), r"np\.(union1d|unique) of"),
        (lambda x: np.allclose(x, x), r"np\.allclose of"),
        (lambda x: np.bincount(x.astype(int)), r"np\.bincount of"),
    ],
)
@convention("VM-3")
def test_function_whose_result_depends_on_the_example_is_refused_by_name(f, named):
    with pytest.raises(ControlFlowError, match=named):
        dd.vmap(f)(np.abs(ROWS))
    with pytest.raises(ControlFlowError, match=named):
        dd.vmap(dd.grad(lambda x: np.sum(x) + np.sum(f(x))))(np.abs(ROWS))


def test_batched_value_cannot_be_written_into_a_plain_array():
    def f(x):
        a = np.zeros(3)
        a[:] = x
        return a

    def g(x):
        a = np.zeros(3)
        a += x
        return a

    for use in (f, g):
        with pytest.raises(ConversionError):
            dd.vmap(use)(ROWS)


@convention("VM-9")
def test_unbatched_outer_tensor_cannot_hold_a_batched_value():
    """The shape of one example has no room for all of them."""

    def f(t):
        def one(x):
            nonlocal t
            t += x
            return t

        return np.sum(dd.vmap(one)(ROWS))

    with pytest.raises(MutationError, match="all examples share") as caught:
        dd.grad(f)(np.ones(3))
    assert isinstance(caught.value, TypeError)


@convention("VM-10")
def test_random_samples_are_the_same_for_all_examples():
    found = dd.vmap(lambda x: 0 * x + np.random.default_rng(3).normal(size=3))(ROWS)
    np.testing.assert_array_equal(found, np.tile(np.random.default_rng(3).normal(size=3), (4, 1)))


@convention("VM-8")
def test_sizes_must_agree():
    with pytest.raises(ShapeError, match=r"2 \(argument 0\), 4 \(argument 1\)"):
        dd.vmap(np.add)(ROWS[:2], ROWS)
    with pytest.raises(InputTypeError, match="out_axes"):
        dd.vmap(np.add, out_axes=(0, None))


def test_results_do_not_alias_the_batch():
    rows = ROWS.copy()
    for axis in (0, 1):
        for f in (lambda x: x, lambda x: x[::-1], lambda x: x.reshape(1, 3), lambda x: (x, x)):
            found = dd.vmap(f, out_axes=axis)(rows)
            for part in found if isinstance(found, tuple) else (found,):
                assert not np.shares_memory(part, rows)
                part[...] = 0
    first, second = dd.vmap(lambda x: (x, x))(rows)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(rows, ROWS)
