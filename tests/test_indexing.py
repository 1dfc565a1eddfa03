"""Reading with every key that NumPy knows, functional writing, and selection: values, derivatives, batches.

Reading is linear and moves elements, so indexing an array of positions says which element each result is.
"""

import numpy as np
import pytest
from conventions import convention
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dualdiff as dd
import dualdiff.numpy
import dualdiff.ops.updates as updates

A = np.random.default_rng(3).uniform(-2, 2, (4, 3))
CUBE = np.random.default_rng(4).uniform(-2, 2, (2, 3, 4))
V = np.random.default_rng(5).uniform(-2, 2, 5)


# -------------------------------------------------- keys
def integers(n: int):
    return st.integers(-n, n - 1)


def index_arrays(n: int, shape: tuple):
    return hnp.arrays(np.int64, shape, elements=integers(n))


@st.composite
def keys(draw, shape=(2, 3, 4)):
    """Ints, slices, None, Ellipsis, integer arrays of one broadcastable shape, and masks, mixed."""
    parts, axis = [], 0
    common = draw(st.sampled_from([(), (2,), (3, 2)]))
    shapes = [common, common[-1:], (1,) * len(common)]
    used_ellipsis = False
    while axis < len(shape):
        n = min(shape) if used_ellipsis else shape[axis]  # behind the ellipsis any axis may be meant
        kind = draw(st.sampled_from(["int", "slice", "None", "...", "array", "mask", "list", "stop"]))
        if kind == "mask" and used_ellipsis:
            continue
        if kind == "stop":
            break
        if kind == "None":
            parts.append(None)
            continue
        if kind == "...":
            if not used_ellipsis:
                parts.append(Ellipsis)
                used_ellipsis = True
            continue
        if kind == "mask":  # it selects as many elements as broadcast against the index arrays
            count = common[-1] if common else 1
            chosen = draw(
                st.lists(st.integers(0, n - 1), min_size=min(count, n), max_size=min(count, n), unique=True)
            )
            mask = np.zeros(n, bool)
            mask[chosen if len(chosen) == count else chosen[:1]] = True
            parts.append(mask)
        elif kind == "array":
            parts.append(draw(index_arrays(n, draw(st.sampled_from(shapes)))))
        elif kind == "list":
            parts.append(draw(index_arrays(n, draw(st.sampled_from(shapes)))).tolist())
        elif kind == "slice":
            parts.append(draw(st.slices(n)))
        else:
            parts.append(draw(integers(n)))
        axis += 1
    return tuple(parts)


@settings(max_examples=300, deadline=None)
@given(keys())
def test_getitem_moves_elements_as_numpy_does(key):
    source = np.arange(CUBE.size).reshape(CUBE.shape)[key]
    y, pullback = dd.vjp(lambda x: x[key], CUBE)
    np.testing.assert_array_equal(y, CUBE[key])
    assert y.shape == np.shape(CUBE[key])
    weights = np.arange(1.0, source.size + 1).reshape(source.shape)
    expected = np.bincount(source.reshape(-1), weights.reshape(-1), CUBE.size).reshape(CUBE.shape)
    np.testing.assert_array_equal(pullback(weights)[0], expected)
    x_dot = np.sin(CUBE)
    np.testing.assert_array_equal(dd.jvp(lambda x: x[key], (CUBE,), (x_dot,))[1], x_dot[key])


@settings(max_examples=150, deadline=None)
@given(keys())
def test_getitem_batched_is_a_loop(key):
    X = np.stack([CUBE, -CUBE, CUBE + 1])
    np.testing.assert_array_equal(dd.vmap(lambda x: x[key])(X), np.stack([x[key] for x in X]))


@settings(max_examples=150, deadline=None)
@given(keys(), st.sampled_from(["set", "add", "multiply", "min", "max"]))
def test_update_at_any_key_is_numpys_in_place_write(key, name):
    writes = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}
    v = np.cos(np.arange(np.size(CUBE[key])).reshape(np.shape(CUBE[key])))
    expected = CUBE.copy()
    if name == "set":
        expected[key] = v
    else:
        writes[name].at(expected, key, v)
    y, _ = dd.vjp(lambda x, v: getattr(x.at[key], name)(v), CUBE, v)
    np.testing.assert_allclose(y, expected, rtol=1e-15)


@settings(max_examples=60, deadline=None)
@given(keys(), st.sampled_from(["set", "add", "multiply"]))
def test_update_modes_agree(key, name):
    v = np.cos(np.arange(np.size(CUBE[key])).reshape(np.shape(CUBE[key])))

    def f(x, v):
        return getattr(x.at[key], name)(v)

    x_dot, v_dot = np.sin(CUBE), v + 0.5
    _, y_dot = dd.jvp(f, (CUBE, v), (x_dot, v_dot))
    y_bar = np.exp(-CUBE)
    x_bar, v_bar = dd.vjp(f, CUBE, v)[1](y_bar)
    assert np.sum(y_bar * y_dot) == pytest.approx(np.sum(x_bar * x_dot) + np.sum(v_bar * v_dot), rel=1e-12)


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        np.int32(2),
        np.array(1),
        (1, 2),
        slice(None, None, -2),
        Ellipsis,
        None,
        (Ellipsis, None, 0),
        (None, 0, Ellipsis, [0, 1]),
        (None, [1, 2], Ellipsis, 0),
        (slice(1, 3), None, [0, 2]),
        [],
        [[0, 1], [3, 3]],
        ([0, 1], slice(None)),
        (slice(None), np.array([[0], [2]])),
        np.array([0, 0, 3], dtype=np.uint8),
        A > 0,
        (A[:, 0] > 0, 1),
        (slice(None), np.array([True, False, True])),
        np.zeros((4, 3), bool),
        True,
        False,
        np.True_,
        (),
        (slice(2, 2),),
    ],
    ids=repr,
)
def test_getitem_of_odd_keys_is_numpys(key):
    y, pullback = dd.vjp(lambda x: x[key], A)
    np.testing.assert_array_equal(y, A[key])
    assert np.shape(y) == np.shape(A[key])
    expected = np.zeros_like(A)
    np.add.at(expected, key, 2.0)
    np.testing.assert_array_equal(pullback(np.full(np.shape(y), 2.0))[0], expected)


@pytest.mark.parametrize(
    "key, error",
    [
        (4, IndexError),
        (-5, IndexError),
        ((0, 0, 0), IndexError),
        ([0, 4], IndexError),
        ((slice(None), [-4]), IndexError),
        (1.0, IndexError),
        ("a", IndexError),
        (np.array([0.0]), IndexError),
        (np.array([True, False]), IndexError),
        ((Ellipsis, Ellipsis), IndexError),
        (([0, 1], [0, 1, 2]), IndexError),
        (slice(0.5, None), TypeError),
    ],
    ids=repr,
)
def test_getitem_errors_are_numpys(key, error):
    with pytest.raises(error):
        A[key]
    with pytest.raises(error):
        dd.vjp(lambda x: x[key], A)
    with pytest.raises(error):
        dd.vjp(lambda x: x.at[key].set(1.0), A)


def test_getitem_with_a_tensor_of_integers():
    X = np.stack([V, 2 * V])
    rows = np.array([[0, 0, 4], [3, 1, -1]])
    expected = np.stack([x[i] for x, i in zip(X, rows, strict=True)])
    np.testing.assert_array_equal(dd.vmap(lambda x, i: x[i])(X, rows), expected)
    np.testing.assert_array_equal(dd.vmap(lambda i: dualdiff.numpy.take(V, i))(rows), V[rows])
    np.testing.assert_array_equal(dd.vmap(lambda i: dualdiff.numpy.take(V, i))(np.array([2, 0])), V[[2, 0]])
    np.testing.assert_array_equal(
        dd.vmap(lambda x, i: x[:, i])(np.stack([A, -A]), np.array([2, 0])), [A[:, 2], -A[:, 0]]
    )


@pytest.mark.parametrize("shared", ["x", "i", "neither"])
def test_batched_gather_is_a_loop_in_value_and_gradient(shared):
    X, rows = np.stack([A, A + 1, -A]), np.array([[0, 0], [3, 1], [2, 3]])
    columns = np.array([[1], [2]])
    axes = {"x": (None, 0), "i": (0, None), "neither": (0, 0)}[shared]
    args = [arg[0] if axis is None else arg for arg, axis in zip((X, rows), axes, strict=True)]

    def f(x, i):
        return np.sum(np.sin(x[i, columns]) * np.arange(4.0).reshape(2, 2))

    gradient = dd.vmap(dd.grad(f), in_axes=axes)(*args)
    full = [np.broadcast_to(arg, like.shape) for arg, like in zip(args, (X, rows), strict=True)]
    expected = np.stack([dd.grad(f)(x, i) for x, i in zip(*full, strict=True)])
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


def test_batched_mask_is_refused():
    with pytest.raises(dd.errors.ControlFlowError):
        dd.vmap(lambda x: x[x > 0])(A)
    np.testing.assert_array_equal(dd.vmap(lambda x: np.where(x > 0, x, 0))(A), np.where(A > 0, A, 0))


def test_mask_of_the_value_itself_selects():
    np.testing.assert_array_equal(dd.grad(lambda x: np.sum(x[x > 0] ** 2))(A), np.where(A > 0, 2 * A, 0))


# -------------------------------------------------- the rows of the conventions, in functional form
@convention("IX-1")
def test_repeated_index_accumulates():
    np.testing.assert_array_equal(dd.grad(lambda x: np.sum(x[[0, 0, 2]]))(V[:3]), [2, 0, 1])


@convention("IP-5")
def test_set_with_duplicates_keeps_the_last_writer():
    def loss(v, x):
        return np.sum(x.at[[0, 0]].set(v) * np.array([1.0, 2.0, 3.0]))

    v = np.array([10.0, 20.0])
    value, (v_bar, x_bar) = dd.value_and_grad(loss, argnums=(0, 1))(v, np.zeros(3))
    assert value == 20.0
    np.testing.assert_array_equal(v_bar, [0, 1])
    np.testing.assert_array_equal(x_bar, [0, 2, 3])
    np.testing.assert_array_equal(dd.jacobian(loss, mode="forward")(v, dd_tensor(np.zeros(3))), [0, 1])


def dd_tensor(x):
    """x as something with .at: a constant under a transform is a plain array, which has none."""
    return Constant(x)


class Constant:
    """A plain array with the functional updates of a tensor."""

    def __init__(self, x):
        self.at = updates.At(x)


@convention("IP-7")
def test_add_with_duplicates_adds_each():
    weights = np.array([1.0, 2.0, 3.0])

    def loss(y, v):
        return np.sum(y.at[[0, 0]].add(v) * weights)

    value, (y_bar, v_bar) = dd.value_and_grad(loss, argnums=(0, 1))(np.ones(3), np.array([10.0, 20.0]))
    assert value == 31 + 2 + 3
    np.testing.assert_array_equal(y_bar, weights)
    np.testing.assert_array_equal(v_bar, [1, 1])


@pytest.mark.parametrize("name", ["max", "min"])
@convention("IP-8")
def test_extreme_at_ties_share(name):
    loss = lambda x, v: np.sum(getattr(x.at[1], name)(v))  # noqa: E731
    x_bar, v_bar = dd.grad(loss, argnums=(0, 1))(np.array([5.0, 2.0]), 2.0)
    np.testing.assert_array_equal(x_bar, [1, 0.5])
    assert v_bar == 0.5


@pytest.mark.parametrize(
    "name, expected, x_bar, v_bar",
    [
        ("multiply", [12.0, 3.0], [6.0, 1.0], [6.0, 4.0]),  # 2 * 2 * 3
        ("divide", [1 / 3, 3.0], [1 / 6, 1.0], [-1 / 6, -1 / 9]),
        ("power", [64.0, 3.0], [192.0, 1.0], [192 * np.log(2), 128 * np.log(2)]),  # (x**2)**3
    ],
)
def test_update_with_duplicates_applies_each_in_turn(name, expected, x_bar, v_bar):
    x, v = np.array([2.0, 3.0]), np.array([2.0, 3.0])
    y, pullback = dd.vjp(lambda x, v: getattr(x.at[[0, 0]], name)(v), x, v)
    np.testing.assert_allclose(y, expected, rtol=1e-15)
    for found, wanted in zip(pullback(np.ones(2)), (x_bar, v_bar), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


@convention("IP-9")
def test_broadcast_value_receives_the_sum():
    assert dd.grad(lambda s: np.sum(dd_tensor(np.zeros(4)).at[1:3].set(s) * np.arange(4.0)))(1.5) == 3.0


@convention("IP-10")
def test_dtype_of_the_target_is_kept():
    y, pullback = dd.vjp(lambda y, v: y.at[0].set(v), np.ones(2, np.float32), np.float64(2))
    assert y.dtype == np.float32
    y_bar, v_bar = pullback(np.ones(2, np.float32))
    assert y_bar.dtype == np.float32 and type(v_bar) is np.float64
    with pytest.raises(TypeError, match="imaginary"):
        dd.vjp(lambda y, v: y.at[0].set(v), np.ones(2), 1j)


@pytest.mark.parametrize("name", ["set", "add", "multiply", "max"])
def test_update_batched_is_a_loop(name):
    X, Y = np.stack([V, V + 1]), np.array([[1.0, 2.0], [-3.0, 0.5]])
    places = np.array([[0, 3], [4, 1]])

    def f(x, i, v):
        return getattr(x.at[i], name)(v)

    for axes in [(0, 0, 0), (0, 0, None), (0, None, 0), (None, 0, 0), (None, 0, None)]:
        args = [a[0] if axis is None else a for a, axis in zip((X, places, Y), axes, strict=True)]
        rows = [[a if axis is None else a[k] for a, axis in zip(args, axes, strict=True)] for k in range(2)]
        expected = np.stack([f_on_array(name, *row) for row in rows])
        if axes[0] is None:  # a plain array has no .at
            found = dd.vmap(lambda x, i, v: f(dd_tensor(x), i, v), in_axes=axes)(*args)
        else:
            found = dd.vmap(f, in_axes=axes)(*args)
        np.testing.assert_allclose(found, expected, rtol=1e-15)


def f_on_array(name, x, i, v):
    y = x.copy()
    if name == "set":
        y[i] = v
    else:
        {"add": np.add, "multiply": np.multiply, "max": np.maximum}[name].at(y, i, v)
    return y


def test_batched_duplicates_follow_the_same_rules():
    places = np.array([[0, 0], [1, 0]])
    X, v = np.ones((2, 3)), np.array([2.0, 5.0])
    for name, expected in {
        "set": [[5, 1, 1], [5, 2, 1]],
        "add": [[8, 1, 1], [6, 3, 1]],
        "multiply": [[10, 1, 1], [5, 2, 1]],
        "max": [[5, 1, 1], [5, 2, 1]],
    }.items():
        found = dd.vmap(lambda x, i, name=name: getattr(x.at[i], name)(v))(X, places)
        np.testing.assert_array_equal(found, expected)


def test_update_leaves_its_source_unchanged():
    def f(x):
        y = x.at[0].set(100.0)
        return np.sum(x * y)

    value, gradient = dd.value_and_grad(f)(np.array([2.0, 3.0]))
    assert value == 209.0
    np.testing.assert_array_equal(gradient, [100, 6])


def test_second_derivative_through_updates_and_reads():
    def f(x):
        return np.sum(x.at[[0, 2]].multiply(x[1:3])[::-1] ** 2)

    x = np.array([1.0, 2.0, 3.0])
    # f = (x0 x1)**2 + x1**2 + (x2 x2)**2
    expected = [[8, 8, 0], [8, 4, 0], [0, 0, 108]]
    for mode in (
        ("forward", "reverse"),
        ("reverse", "forward"),
        ("reverse", "reverse"),
        ("forward", "forward"),
    ):
        np.testing.assert_allclose(dd.hessian(f, mode=mode)(x), expected, rtol=1e-13)


# -------------------------------------------------- selection
@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_take_is_numpys(mode):
    indices = np.array([[0, -1], [2, 1]]) if mode == "raise" else np.array([[7, -9], [2, 1]])
    for axis in (None, 0, -1):
        f = lambda x, axis=axis: np.take(x, indices, axis, mode=mode)  # noqa: E731
        positions = f(np.arange(A.size).reshape(A.shape))
        y, pullback = dd.vjp(f, A)
        np.testing.assert_array_equal(y, f(A))
        counts = np.bincount(positions.reshape(-1), minlength=A.size).reshape(A.shape)
        np.testing.assert_array_equal(pullback(np.ones(y.shape))[0], counts)


def test_take_out_of_range_raises():
    with pytest.raises(IndexError):
        dd.vjp(lambda x: np.take(x, 99), A)
    with pytest.raises(ValueError):
        dd.vjp(lambda x: np.take(x, 0, mode="nearest"), A)


@pytest.mark.parametrize("axis", [0, -1, None])
def test_take_along_axis_is_numpys(axis):
    order = np.argsort(A, axis=axis)
    y, pullback = dd.vjp(lambda x: np.take_along_axis(x, order, axis), A)
    np.testing.assert_array_equal(y, np.take_along_axis(A, order, axis))
    weights = np.exp(y)
    back = np.take_along_axis(weights, np.argsort(order, axis=axis), axis).reshape(A.shape)
    np.testing.assert_array_equal(pullback(weights)[0], back)


def test_where_sends_each_cotangent_to_its_own_elements():
    m = A > 0
    x_bar, y_bar = dd.grad(lambda x, y: np.sum(np.where(m, x, y) * A), argnums=(0, 1))(A, A[0])
    np.testing.assert_array_equal(x_bar, np.where(m, A, 0))
    np.testing.assert_allclose(y_bar, np.where(m, 0, A).sum(axis=0), rtol=1e-15)


def test_where_with_the_condition_alone_is_nonzero():
    found = []
    dd.grad(lambda x: found.append(np.where(x > 0)) or np.sum(x))(A)
    np.testing.assert_array_equal(found[0], np.where(A > 0))


# -------------------------------------------------- selection by conditions and numbers
NUMBERS = np.array([[0, 1, 2], [2, 2, 0], [1, 1, 1], [0, 2, 1]])
SELECTIONS = {
    "compress": lambda x: np.compress([True, False, True], x),
    "compress-axis": lambda x: np.compress([False, True, True], x, axis=1),
    "compress-method": lambda x: x.compress([True, False, True], axis=0),
    "compress-condition-of-x": lambda x: np.compress(x[:, 0] > 0, x, axis=0),
    "extract": lambda x: np.extract(A > 0, x),
    "extract-of-x": lambda x: np.extract(x < 0, x * x),
    "choose": lambda x: np.choose(NUMBERS, [x, 2 * x[:1], -1.0]),
    "choose-wrap": lambda x: np.choose(NUMBERS * 4 - 3, [x, 2 * x], mode="wrap"),
    "choose-clip": lambda x: np.choose(NUMBERS * 4 - 3, [x, 2 * x], mode="clip"),
    "select": lambda x: np.select([A > 1, A > 0], [x, x * x]),
    "select-of-x": lambda x: np.select([x > 1, x > 0], [x[0], np.exp(x)], default=x[1]),
    "piecewise": lambda x: np.piecewise(x, [x < 0, x > 1], [lambda v: v * v, np.log]),
    "piecewise-otherwise": lambda x: np.piecewise(x, [x < 0], [np.negative, np.sqrt]),
    "piecewise-numbers": lambda x: np.piecewise(x[:, 0], x[:, 0] < 0, [3.0, lambda v, k: k * v], 5.0),
    "piecewise-overlap": lambda x: np.piecewise(x, [x < 1, x < 0], [np.sin, np.cos]),
}


@pytest.mark.parametrize("f", SELECTIONS.values(), ids=SELECTIONS.keys())
def test_selection_is_numpys(f):
    y, pullback = dd.vjp(f, A)
    np.testing.assert_array_equal(y, f(A))
    assert y.dtype == f(A).dtype and y.shape == f(A).shape
    x_dot, step = np.cos(A), 1e-6
    y_dot = dd.jvp(f, (A,), (x_dot,))[1]
    np.testing.assert_allclose(y_dot, (f(A + step * x_dot) - f(A - step * x_dot)) / (2 * step), atol=1e-8)
    y_bar = np.sin(np.arange(y.size)).reshape(y.shape)
    assert np.sum(y_bar * y_dot) == pytest.approx(np.sum(pullback(y_bar)[0] * x_dot), rel=1e-12)
    assert dd.vjp(f, A.astype(np.float32))[0].dtype == f(A.astype(np.float32)).dtype


@pytest.mark.parametrize("name", ["choose", "choose-wrap", "choose-clip", "select", "select-of-x", "extract"])
def test_selection_batched_is_a_loop(name):
    X, f = np.stack([A, -A]), SELECTIONS[name]
    np.testing.assert_array_equal(dd.vmap(f)(X), np.stack([f(x) for x in X]))


@pytest.mark.parametrize("name", ["compress-condition-of-x", "extract-of-x", "piecewise"])
def test_selection_whose_shape_depends_on_the_example_is_refused(name):
    with pytest.raises(dd.errors.ControlFlowError):
        dd.vmap(SELECTIONS[name])(np.stack([A, -A]))


def test_piecewise_keeps_other_branches_out_of_the_derivative():
    f = lambda x: np.sum(np.piecewise(x, [x > 0], [np.log, 0.0]))  # noqa: E731
    for mode in ("forward", "reverse"):
        np.testing.assert_array_equal(dd.grad(f, mode=mode)(np.array([0.0, 2.0])), [0, 0.5])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.choose(NUMBERS, [x, x]),
        lambda x: np.select([A > 0], [x, x]),
        lambda x: np.select([], []),
        lambda x: np.piecewise(x, [x > 0], [1.0, 2.0, 3.0]),
        lambda x: np.compress(A > 0, x),
    ],
)
def test_selection_errors_are_numpys(f):
    with pytest.raises(ValueError):
        f(A)
    with pytest.raises(ValueError):
        dd.vjp(f, A)
