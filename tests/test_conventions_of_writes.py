"""Writing in place: the derivative of each kind of write, what views allow, and constants that change.

Longer programs, every kind of view and large constants are in test_in_place.py and test_guard.py.
"""

import numpy as np
import pytest
from conventions import convention, each_mode, table

import dualdiff as dd
import dualdiff.numpy as dnp

X = np.array([1.0, 2.0, 3.0])
V = np.array([10.0, 20.0])
WEIGHTS = np.array([5.0, 2.0, 3.0])


# -------------------------------------------------- what a write gives
def one_element(x):
    y = x.copy()
    y[0] = 3 * x[1]
    return np.sum(y * y)


def each_operator(x, v):
    y = x * 1.0
    y[:2] += v[0]
    y[0] -= v[1]
    y[[1, 2]] *= v
    y[2] /= v[0]
    y[x > 0] **= 2
    return np.sum(y)


def in_place_of_an_item(x):
    x[0] += 4.0  # although x[0] alone would be a number of its own
    return np.sum(x * x)


def under_every_name(x):
    y = x * 1.0
    z, held = y, [y]
    y += x
    return np.sum(y * WEIGHTS) + np.sum(z * WEIGHTS) + np.sum(held[0] * WEIGHTS)


def at_every_kind_of_index(x):
    y = np.zeros_like(x, shape=(2, 3))
    y[0, :] = x
    y[1, [0, 2]] = x[:2]
    y[:, np.array([False, True, False])] = x[2]
    y[..., -1] = x[0]
    y[None, 0, 0] = x[1]
    return np.sum(y * np.array([WEIGHTS, 10 * WEIGHTS]))


def twice_assigned(v):
    y = np.zeros_like(v, shape=3)
    y[[0, 0]] = v
    return np.sum(y * X)


def twice_added_by_operator(y, v):
    y[[0, 0]] += v
    return np.sum(y * WEIGHTS)


def twice_added_at(y, v):
    np.add.at(y, [0, 0], v)
    return np.sum(y * WEIGHTS)


def spread(s):
    y = np.ones_like(s, shape=4)
    y[1:3] = s
    return np.sum(y * np.arange(4.0))


def over_the_argument(x):
    x[0] = 5.0
    return np.sum(x * x)


def number_apart(x):
    s = x[0]
    s += 1.0
    x[0] = 5.0
    return s * 2.0 + np.sum(x * x)


@pytest.mark.parametrize(
    ("f", "xs", "value", "slopes"),
    table(
        ("IP-1 an element is written", one_element, (X,), 36 + 4 + 9, ([0, 40, 6],)),
        # y = [(1 + 10 - 20)**2, ((2 + 10) * 10)**2, (3 * 20 / 10)**2]
        (
            "IP-2 every operator writes in place",
            each_operator,
            (X, V),
            81 + 120**2 + 36,
            ([-18, 2400, 24], [-18 + 2400 + 2880 - 7.2, 18 + 3.6]),
        ),
        ("IP-2 also into one element", in_place_of_an_item, (X,), 25 + 4 + 9, ([10, 4, 6],)),
        ("IP-3 every name sees the new value", under_every_name, (X,), 6 * 18, (6 * WEIGHTS,)),
        (
            "IP-4 slices, places, masks, dots and None are targets",
            at_every_kind_of_index,
            (X,),
            5 * 2 + 2 * 3 + 3 + 50 + 20 * 3 + 30,
            ([3 + 50 + 30, 5, 2 + 20],),
        ),
        ("IP-5 the last of two writes to a place counts", twice_assigned, (V,), 20, ([0, 1],)),
        ("IP-6 an operator increments once", twice_added_by_operator, (X, V), 105 + 4 + 9, (WEIGHTS, [0, 5])),
        ("IP-7 add.at increments each time", twice_added_at, (X, V), 155 + 4 + 9, (WEIGHTS, [5, 5])),
        ("IP-9 a number written to several places counts for each", spread, (2.0,), 2 + 4 + 3, (3.0,)),
        ("IP-11 the derivative is by the value on entry", over_the_argument, (X,), 38, ([0, 4, 6],)),
        ("VW-6 a number is a copy", number_apart, (X,), 4 + 38, ([2, 4, 6],)),
    ),
)
@each_mode
def test_write_has_numpys_value_and_its_derivative(f, xs, value, slopes, mode):
    plain = tuple(np.array(x) for x in xs)
    assert f(*plain) == pytest.approx(value, rel=1e-15)  # of NumPy's arrays
    argnums = tuple(range(len(xs)))
    found, gradients = dd.value_and_grad(f, argnums, mode=mode)(*xs)
    assert found == pytest.approx(value, rel=1e-15)
    batched = dd.grad(f, argnums, mode=mode)
    if f is not each_operator:  # a mask of the batch is no index
        batches = dd.vmap(batched)(*(np.stack([x, x]) for x in xs))
        for batch, slope in zip(batches, slopes, strict=True):
            np.testing.assert_allclose(batch[1], slope, rtol=1e-14)
    for gradient, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, rtol=1e-14)


@each_mode
@convention("IP-3")
def test_in_place_operator_returns_the_object_itself(mode):
    def f(x):
        y = z = x * 1.0
        y += x
        assert y is z
        return np.sum(y)

    np.testing.assert_array_equal(dd.grad(f, mode=mode)(X), [2, 2, 2])


@each_mode
@convention("IP-11", "ER-4")
def test_array_of_the_caller_is_not_written(mode):
    x = X.copy()
    for transform in (dd.grad, dd.value_and_grad, dd.jacobian, dd.hessian):
        transform(over_the_argument, mode=mode)(x)
        np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize(
    ("update", "value", "by_y", "by_v"),
    table(
        ("IP-8 set keeps the last", lambda y, v: y.at[[0, 0]].set(v), [20, 2, 3], [0, 2, 3], [0, 5]),
        ("IP-8 add counts each", lambda y, v: y.at[[0, 0]].add(v), [31, 2, 3], [5, 2, 3], [5, 5]),
        ("IP-8 multiply", lambda y, v: y.at[1:].multiply(v), [1, 20, 60], [5, 20, 60], [4, 9]),
        ("IP-8 divide", lambda y, v: y.at[1:].divide(v), [1, 0.2, 0.15], [5, 0.2, 0.15], [-0.04, -0.0225]),
        (
            "IP-8 power",
            lambda y, v: y.at[1:].power(v / 10),
            [1, 2, 9],
            [5, 2, 18],
            [0.4 * np.log(2), 2.7 * np.log(3)],
        ),
        ("IP-8 max shares a tie", lambda y, v: y.at[1:].max(v / 10 + 1), [1, 2, 3], [5, 1, 1.5], [0.1, 0.15]),
        ("IP-8 min shares a tie", lambda y, v: y.at[1:].min(v / 10 + 1), [1, 2, 3], [5, 1, 1.5], [0.1, 0.15]),
    ),
)
@each_mode
def test_functional_update_leaves_its_tensor_alone(update, value, by_y, by_v, mode):
    def f(y, v):
        z = update(y, v)
        np.testing.assert_array_equal(dd.stop_gradient(y), X)
        return z

    y, pullback = dd.vjp(f, X, V, mode=mode)
    np.testing.assert_allclose(y, value, rtol=1e-15)
    found = pullback(WEIGHTS)
    np.testing.assert_allclose(found[0], by_y, rtol=1e-15)
    np.testing.assert_allclose(found[1], by_v, rtol=1e-14)


@each_mode
@convention("IP-10")
def test_dtype_of_the_target_is_kept(mode):
    seen = []

    def f(x):
        y = np.zeros_like(x, dtype=np.float32)
        y[0] = x[0]
        y += x
        seen.append(y.dtype)
        return np.sum(y * y)

    found = dd.grad(f, mode=mode)(X)
    assert seen[0] == np.float32 and found.dtype == np.float64
    np.testing.assert_allclose(found, [8, 4, 6], rtol=1e-6)

    def into_integers(x):
        y = np.zeros_like(x, dtype=int)
        y += x

    with pytest.raises(TypeError):
        into_integers(X)
    for refused in (
        into_integers,
        lambda x: np.zeros_like(x, dtype=int).__setitem__(0, x[0]),  # NumPy cuts, which has no derivative
        lambda x: np.zeros_like(x).__setitem__(0, x[0] * 1j),
    ):
        with pytest.raises(TypeError):
            dd.grad(refused, mode=mode)(X)


def written(use):
    def f(x):
        y = x.copy()
        use(y)
        return np.sum(y)

    return f


@pytest.mark.parametrize(
    "f",
    table(
        ("IP-12 read", lambda x: x[7]),
        ("IP-12 read of several", lambda x: np.sum(x[[0, -4]])),
        ("IP-12 take", lambda x: np.sum(np.take(x, [0, 7]))),
        ("IP-12 write", written(lambda y: y.__setitem__(7, 1.0))),
        ("IP-12 write of a tensor", written(lambda y: y.__setitem__([0, 7], y[:2]))),
        ("IP-12 add.at", written(lambda y: np.add.at(y, [7], 1.0))),
        ("IP-12 put", written(lambda y: np.put(y, [7], 1.0))),
    ),
)
@each_mode
def test_place_that_is_not_there_raises_as_in_numpy(f, mode):
    with pytest.raises(IndexError):
        f(X.copy())
    with pytest.raises(IndexError):
        dd.grad(f, mode=mode)(X)
    with pytest.raises(IndexError):
        dd.vmap(f)(np.stack([X, X]))


@convention("IP-12")
def test_functional_update_of_a_place_that_is_not_there_raises():
    for update in (lambda x: x.at[7].set(0.0), lambda x: x.at[[0, 7]].add(1.0)):
        with pytest.raises(IndexError):
            dd.vjp(update, X)


# -------------------------------------------------- views
@pytest.mark.parametrize("view", [lambda z: z.real, lambda z: z.imag], ids=["real", "imag"])
@pytest.mark.parametrize("how", ["VW-1 element", "VW-2 in place", "VW-3 base"])
@each_mode
def test_write_that_a_part_of_complex_numbers_would_show_is_refused(view, how, mode):
    def f(z):
        v = view(z)
        if how == "VW-1 element":
            v[0] = 1.0
        elif how == "VW-2 in place":
            v += 1.0
        else:
            z[0] = 5.0
        return np.sum(np.real(z)) + np.sum(v)

    with pytest.raises(RuntimeError, match=r"copy\(\)"):
        dd.grad(f, mode=mode)(X + 1j)


@each_mode
@convention("VW-8")
def test_reshape_that_copies_in_numpy_may_be_refused(mode):
    def f(x):
        v = x.T.reshape(6)
        v[0] = 1.0
        return np.sum(v * np.arange(6.0))

    assert f(np.ones((2, 3))) == 15.0  # a copy, in NumPy
    with pytest.raises(RuntimeError, match=r"copy\(\)"):
        dd.grad(f, mode=mode)(np.ones((2, 3)))

    def copied(x):
        v = x.T.reshape(6).copy()
        v[0] = 1.0
        return np.sum(v * np.arange(6.0))

    np.testing.assert_array_equal(dd.grad(copied, mode=mode)(np.ones((2, 3))), [[0, 2, 4], [1, 3, 5]])


# -------------------------------------------------- constants that change
SMALL, LARGE = 3, 5000
# name -> (use of x and a constant, the constant)
CONSTANTS = {
    "AL-2 a factor": (lambda x, c: np.sum(x * c), lambda size: np.full(size, 2.0)),
    "AL-3 a matrix": (lambda x, c: np.sum(c @ x), lambda size: np.full((2, size), 2.0)),
    "AL-3 a mask": (lambda x, c: np.sum(np.where(c, x * x, 0.0)), lambda size: np.ones(size, bool)),
    "AL-3 an index": (lambda x, c: np.sum(x[c] ** 2), lambda size: np.arange(size)),
}
TAPES = {
    "vjp": lambda f, x: dd.vjp(f, x)[1],
    "linearize": lambda f, x: dd.linearize(f, x)[1].T,
}


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("make", TAPES.values(), ids=TAPES)
@pytest.mark.parametrize(("use", "constant"), CONSTANTS.values(), ids=CONSTANTS)
def test_constant_written_before_the_sweep_gives_the_derivative_or_raises(use, constant, make, size):
    x, c = np.full(size, 3.0), constant(size)
    pullback = make(lambda x: use(x, c), x)
    expected = pullback(1.0)[0]
    np.testing.assert_array_equal(expected, dd.grad(use, mode="forward")(x, constant(size)))
    c[...] = 0
    if size == SMALL:
        np.testing.assert_array_equal(pullback(1.0)[0], expected)
    else:
        with pytest.raises(RuntimeError, match="was changed between"):
            pullback(1.0)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("make", TAPES.values(), ids=TAPES)
@convention("AL-4")
def test_argument_written_before_the_sweep_gives_the_derivative_or_raises(make, size):
    x = np.full(size, 3.0)
    pullback = make(lambda x: np.sum(x * x), x)
    x[:] = 0.0
    if size == SMALL:
        np.testing.assert_array_equal(pullback(1.0)[0], np.full(size, 6.0))
    else:
        with pytest.raises(RuntimeError, match="was changed between"):
            pullback(1.0)


@convention("AL-5")
def test_large_constant_is_read_only_while_the_function_runs_and_no_longer():
    c, frozen, x = np.full(LARGE, 2.0), np.full(LARGE, 2.0), np.ones(LARGE)
    frozen.flags.writeable = False
    seen = []

    def f(x):
        y = np.sum(x * c * frozen)
        seen.append(c.flags.writeable)
        return y

    for run in (lambda: dd.grad(f, mode="reverse")(x), lambda: dd.vjp(f, x)[1](1.0), lambda: dd.vjp(f, x)):
        run()
        assert seen.pop() is False
        assert c.flags.writeable and x.flags.writeable and not frozen.flags.writeable


# -------------------------------------------------- a buffer that all examples share
@convention("VM-9")
def test_buffer_of_one_example_does_not_hold_a_batch():
    y = dnp.zeros(3)
    with pytest.raises(TypeError, match="all examples share"):
        dd.vmap(lambda x: y.__setitem__(0, x))(X)

    def f(t):
        def one(x):
            t[0] = x
            return np.sum(t)

        return np.sum(dd.vmap(one)(X))

    with pytest.raises(TypeError, match="all examples share"):
        dd.grad(f)(X)
