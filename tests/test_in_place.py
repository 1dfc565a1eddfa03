"""Writing in place: values as NumPy's, derivatives against differences, views and copies as NumPy's.

Each program runs on plain arrays as it stands. Single writes, and what each is worth, are in
test_conventions_of_writes.py.
"""

import gc
import weakref

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
import dualdiff.numpy as dnp
from dualdiff.errors import EscapedTensor, MutationError
from dualdiff.testing import check_grads, finite_difference

X = np.array([1.0, 2.0, 3.0])
V = np.array([0.7, -1.3, 0.4, 2.1, -0.6, 1.7])
MODES = ["forward", "reverse"]
each_mode = pytest.mark.parametrize("mode", MODES)


def weighted(y):
    return np.sum(np.sin(y) * np.arange(1.0, y.size + 1).reshape(y.shape))


def element(x):
    y = x.copy()
    y[0] = 3 * x[1]
    return weighted(y)


def augmented(x):
    y = x * 1.0
    y[1:3] += x[:2] ** 2
    y[0] -= x[5]
    y[[4, 3]] *= x[:2]
    y[y > 1.0] /= 2.0
    y[..., -1] **= 2
    y[2:][::2]  # reading a view of a view leaves nothing behind
    return weighted(y)


def whole(x):
    y = x + 0.0
    z = y
    y += x**2
    y *= 2.0
    y -= 1.0
    y /= x + 3.0
    return weighted(y) + np.sum(z * x)


def powers(x):
    y = np.abs(x)
    y **= 1.5
    y %= 1.7
    return weighted(y)


def matrix(x):
    a = x.reshape(2, 3).copy()
    a @= np.eye(3) + np.outer(X, X) / 10
    a[1] = a[0] * a[1]
    a[:, 2] = x[:2]
    a[None, 0, 1] = x[5]
    return weighted(a)


def duplicates(x):
    y = np.zeros_like(x)
    y[[0, 0, 2]] = x[:3]
    y[[1, 1]] += x[3:5]
    np.add.at(y, [2, 2, 3], x[:3])
    np.subtract.at(y, [3, 3], x[4])
    np.multiply.at(y, [2, 2], x[1:3])
    np.maximum.at(y, [4, 4], x[:2])
    np.negative.at(y, [2])
    return weighted(y)


def buffer(x):
    y = np.zeros_like(x)
    for i in range(x.size):
        y[i] = x[i] ** 2 if i % 2 else x[i]
    z = np.full_like(y, x[2])
    z[1:] = y[:-1]
    o = np.ones_like(x)
    o[::2] += z[::2]
    e = np.empty_like(x)
    e[...] = o
    return weighted(e)


def masks(x):
    y = x.copy()
    y[x < 0] = 0.0
    y[x > 1] = x[x > 1] ** 2
    y[~(x > 1)] *= 3.0
    return weighted(y)


def functions(x):
    y = x.copy()
    np.copyto(y, x[::-1], where=x > 0)
    np.put(y, [0, -1], [x[3], x[4]])
    np.place(y, x < 0, x[:2])
    np.putmask(y, x > 1.5, x * 2)
    a = np.outer(y, x)
    np.fill_diagonal(a, x[:4])
    np.put_along_axis(a, np.argmax(a, axis=1)[:, None], x[0], axis=1)
    np.put_along_axis(a, np.array([3, 5]), x[1], axis=None)
    return weighted(a)


def methods(x):
    y = x.copy()
    y.sort()
    z = x.reshape(3, 2).copy()
    z.sort(axis=0)
    z.partition(1)
    z.put([0, 7], x[0], mode="wrap")
    y[:3] = z[:, 0]
    w = x.copy()
    w.fill(x[3])
    return weighted(y) + weighted(w)


def outs(x):
    y = np.zeros_like(x)
    np.multiply(x, 3.0, out=y)
    np.add(y, x, out=y, where=x > 0)
    total = np.zeros_like(x[:1])
    np.sum(y.reshape(1, 6), axis=1, out=total)
    np.cumsum(x, out=y)
    fraction, whole = np.zeros_like(x), np.zeros_like(x)
    np.modf(x * 1.3, out=(fraction, whole))
    np.clip(x, -1.0, 1.0, out=x2) if (x2 := np.zeros_like(x)) is not None else None
    return weighted(y) + total[0] ** 2 + weighted(fraction) + weighted(x2)


def own_argument(x):
    x[0] = 5.0
    x *= x
    return weighted(x)


def swapped(x):
    y = x.copy()
    y[0], y[1] = y[1], y[0]
    y[[2, 3]] = y[[3, 2]]
    return weighted(y)


def loop_of_updates(x):
    u = x.copy()
    for _ in range(3):
        v = np.zeros_like(u)
        v[1:-1] = u[:-2] - 2 * u[1:-1] + u[2:]
        u += 0.1 * v
    return weighted(u)


def containers(x):
    state = {"a": x.copy(), "b": [x[:2] * 2.0]}
    state["a"] += 1.0
    state["b"][0][1] = x[4]
    return weighted(state["a"]) + weighted(state["b"][0])


def overlapping(x):
    y = x * 0.2
    y[1:] = y[:-1]
    y += y[::-1]
    np.add(y, y[::-1], out=y)
    np.copyto(y, y[::-1])
    y[:2] = [y[3], y[4]]
    a = y.reshape(2, 3).copy()
    a[:, 1] = a[:, 0]
    a[[0, 1]] = [a[1], a[0]]
    a *= a[:, :1]
    np.add.at(a, 0, a[1])
    a[1] -= a[0] * a[1]
    return weighted(a)


def scalars(x):
    s = x[0]
    t = s
    s += 1.0
    x[0] = s * 3.0
    return s * t + x[0] * x[1]


PROGRAMS = [
    element, augmented, whole, powers, matrix, duplicates, buffer, masks, functions, methods, outs,
    own_argument, overlapping, swapped, loop_of_updates, containers, scalars,
]  # fmt: skip
NUMBERS = {
    element: "IP-1", augmented: "IP-2 IP-4", whole: "IP-2 IP-3", powers: "IP-2", matrix: "IP-2 IP-4",
    duplicates: "IP-5 IP-6 IP-7", masks: "IP-4", functions: "IP-13", methods: "IP-13", own_argument: "IP-11",
    scalars: "VW-6",
}  # fmt: skip
each_program = pytest.mark.parametrize(
    "f", PROGRAMS, ids=[f"{NUMBERS.get(f, '')} {f.__name__}".strip() for f in PROGRAMS]
)


def plain(f):
    return lambda x: f(x.copy())


@each_program
@each_mode
def test_program_has_numpys_value_and_the_gradient_of_its_differences(f, mode):
    value, gradient = dd.value_and_grad(f, mode=mode)(V)
    assert value == plain(f)(V)
    direction = np.cos(np.arange(6.0))
    expected = finite_difference(plain(f), (V,), (direction,))
    np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-6, atol=1e-8)


@each_program
def test_program_has_second_derivatives(f):
    check_grads(f, (V,), order=2)


@each_program
def test_program_under_vmap_is_the_loop(f):
    if f in (masks, functions):
        pytest.skip("indexing with a mask of the batch has no single shape")
    rows = np.stack([V, V[::-1], V + 0.05])
    if f is augmented:
        f = lambda x: augmented_without_mask(x)  # noqa: E731
    np.testing.assert_allclose(dd.vmap(f)(rows), [plain(f)(row) for row in rows], rtol=1e-14)
    expected = [dd.grad(f)(row) for row in rows]
    np.testing.assert_allclose(dd.vmap(dd.grad(f))(rows), expected, rtol=1e-12, atol=1e-13)
    both = dd.grad(lambda rows: np.sum(dd.vmap(f)(rows)), mode="reverse")(rows)
    np.testing.assert_allclose(both, expected, rtol=1e-12, atol=1e-13)


def augmented_without_mask(x):
    y = x * 1.0
    y[1:3] += x[:2] ** 2
    y[0] -= x[5]
    y[[4, 3]] *= x[:2]
    return weighted(y)


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_tensors_of_two_levels_write_into_each_other(outer, inner):
    def f(x):
        def g(z):
            y = x.copy()
            y[0] = z  # an inner tensor into an outer one
            y[1:] *= x[0] * z
            b = np.zeros_like(x)
            b[...] = y
            return np.sum(b**2)

        slope = dd.grad(g, mode=inner)(x[1])
        x[2] = slope  # an outer tensor in place, by an inner result
        return np.sum(np.sin(x))

    found = dd.grad(f, mode=outer)(X)
    # slope = 2 x1 + 2 x0^2 x1 (x1^2 + x2^2)
    a, b, c = X
    slope = 2 * b + 2 * a * a * b * (b * b + c * c)
    partials = [4 * a * b * (b * b + c * c), 2 + 2 * a * a * (3 * b * b + c * c), 4 * a * a * b * c]
    expected = np.cos(slope) * np.array(partials) + [np.cos(a), np.cos(b), 0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# -------------------------------------------------- names of one tensor, and its memory
def other_name(x):
    y = x.copy()
    z = y
    y[0] = 7.0
    return z[0] - 7.0 + np.sum(z * x)


def kept_copy(x):
    y = x.copy()
    z = y.copy()
    y[0] = 7.0
    return np.sum(z * x)


def made_before(x):
    y = x * 2.0
    z = y * x
    y[:] = 0.0
    return np.sum(z) + np.sum(y)


def through_a_list(x):
    ys = [x.copy()] * 2
    ys[0][0] = x[1]
    return np.sum(ys[1] * x)


@pytest.mark.parametrize("f", [other_name, kept_copy, made_before, through_a_list])
@each_mode
def test_every_name_and_no_copy_sees_a_write(f, mode):
    value, gradient = dd.value_and_grad(f, mode=mode)(X)
    assert value == plain(f)(X)
    np.testing.assert_allclose(np.sum(gradient), finite_difference(plain(f), (X,), (np.ones(3),)), rtol=1e-7)


VIEWS = {
    "slice": lambda x: x[0:2],
    "ellipsis": lambda x: x[...],
    "reshape": lambda x: x.reshape(2, 3),
    "ravel": lambda x: x.ravel(),
    "transpose": lambda x: np.transpose(x),
    "T": lambda x: x.T,
    "swapaxes": lambda x: x.reshape(2, 3).swapaxes(0, 1),
    "moveaxis": lambda x: np.moveaxis(x.reshape(2, 3), 0, 1),
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "squeeze": lambda x: np.squeeze(x[None]),
    "flip": lambda x: np.flip(x),
    "rot90": lambda x: np.rot90(x.reshape(2, 3)),
    "split": lambda x: np.split(x, 2)[1],
    "row": lambda x: next(iter(x.reshape(2, 3))),
    "atleast_2d": lambda x: np.atleast_2d(x),
    "newaxis": lambda x: x[:, None],
    "number of one axis": lambda x: x[1, ...].reshape(1),
    "flat": lambda x: x.flat,
}
each_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


@each_view
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(how, id=f"{number} {how}")
        for number, how in (
            ("VW-1", "element"),
            ("VW-1", "function"),
            ("VW-2", "in place"),
            ("VW-3", "base"),
            ("VW-3", "base in place"),
        )
    ],
)
@pytest.mark.parametrize("transform", ["forward", "reverse", "vmap"])
def test_write_that_would_show_elsewhere_is_refused(view, how, transform):
    def f(x):
        v = view(x)
        if how == "element":
            v[...] = 1.0
        elif how == "in place":
            v += 1.0
        elif how == "base":
            x[0] = 1.0
        elif how == "base in place":
            x *= 2.0
        else:
            np.add.at(v, ..., 1.0)
        return np.sum(x) + np.sum(v)

    with pytest.raises(MutationError, match=r"copy\(\)"):
        if transform == "vmap":
            dd.vmap(f)(np.ones((2, 6)))
        else:
            dd.grad(f, mode=transform)(np.ones(6))


@each_mode
@convention("VW-2")
def test_in_place_on_a_view_spoils_the_base_and_what_was_made_of_it_alone(mode):
    def base(x):
        v = x[:2]
        v += 1.0
        return np.sum(x)

    def other_view(x):
        w = x[1:]
        v = x[:2]
        v += 1.0
        return np.sum(w)

    def held(x):
        v = w = x[:2]
        v += 1.0
        return np.sum(w)

    for f in (base, other_view, held):
        with pytest.raises(MutationError):
            dd.grad(f, mode=mode)(X)

    def unrelated(x):
        y = x.copy()
        v = y[:2]
        v += 1.0
        return np.sum(x * x)

    np.testing.assert_array_equal(dd.grad(unrelated, mode=mode)(X), 2 * X)


@each_mode
def test_view_that_was_written_into_its_base_is_not_used_again(mode):
    def f(x):
        v = x[:-1]
        x[1:] = v  # NumPy's v shows the write
        return np.sum(v)

    with pytest.raises(MutationError, match="was used after a write"):
        dd.grad(f, mode=mode)(X)


@each_mode
@convention("VW-4", "VW-5", "VW-6")
def test_view_that_is_gone_does_not_hinder(mode):
    def gone(x):
        v = x[0:2]
        s = np.sum(v)
        del v
        x[0] = 5.0
        return s + np.sum(x)

    np.testing.assert_array_equal(dd.grad(gone, mode=mode)(X), [1, 2, 1])

    def base_gone(x):
        v = (x * 1.0)[0:2]
        v[0] = 1.0
        v += x[:2]
        return np.sum(v)

    np.testing.assert_array_equal(dd.grad(base_gone, mode=mode)(X), [1, 2, 0])

    def copies(x):
        v = x[0:2].copy()
        v[0] = 1.0
        w = x[[0, 1]]
        w[0] = 1.0
        u = x.flatten()
        u[2] = 4.0
        t = x.astype(float)
        t[0] = 0.0
        a = dnp.array(x)
        a[1] = 0.0
        return np.sum(v) + np.sum(w) + np.sum(u) + np.sum(x) + np.sum(t) + np.sum(a)

    np.testing.assert_array_equal(dd.grad(copies, mode=mode)(X), [3, 5, 3])


@each_mode
@pytest.mark.parametrize(
    "view",
    [
        lambda x: np.broadcast_to(x, (2, 3)),
        lambda x: np.diagonal(np.outer(x, x)),
        lambda x: np.diag(np.outer(x, x)),
    ],
    ids=["broadcast_to", "diagonal", "diag"],
)
@convention("VW-7")
def test_read_only_results_are_read_only(view, mode):
    def element(x):
        v = view(x)
        v[...] = 1.0
        return np.sum(x)

    def in_place(x):
        v = view(x)
        v += 1.0
        return np.sum(x)

    for f in (element, in_place):
        with pytest.raises(ValueError, match="read-only"):
            f(X.copy())
        with pytest.raises(ValueError, match="read-only"):
            dd.grad(f, mode=mode)(X)


def test_slices_in_a_loop_leave_little_behind():
    def f(x):
        held = [x[k : k + 2] for k in range(5)]
        for k in range(3000):
            x[k % 5 : k % 5 + 1]
        assert len(x.alias) < 100
        with pytest.raises(MutationError):
            x[0] = 1.0
        return np.sum(held[2])

    np.testing.assert_array_equal(dd.grad(f)(V), [0, 0, 1, 1, 0, 0])


# -------------------------------------------------- arrays made to be written to
def test_arrays_made_to_be_written_to_read_like_arrays():
    y = dnp.zeros((2, 3))
    assert np.asarray(y).tolist() == y.tolist() == [[0.0] * 3] * 2
    y[0] = X
    assert y.sum() == 6.0 and float(y[0, 1]) == 2.0 and y[0, 2] == 3.0 and isinstance(y[0, 2], float)
    np.testing.assert_array_equal(y + 1, [[2, 3, 4], [1, 1, 1]])
    np.testing.assert_array_equal(np.linalg.matrix_rank(y), 1)
    assert repr(dnp.ones(2)) == "array([1., 1.])"
    np.testing.assert_array_equal(dd.grad(lambda x: np.sum(x * x))(dnp.full(2, 3.0)), [6, 6])
    v = y[:, 1:]
    with pytest.raises(MutationError):
        v[0] = 1.0
    assert np.asarray(y)[0, 1] == 2.0
    array = np.asarray(y)
    array[:] = 9.0  # a copy
    assert y[1, 0] == 0.0


@each_mode
def test_result_that_was_made_to_be_written_to_is_a_plain_array(mode):
    value, pullback = dd.vjp(lambda x: (np.zeros_like(x), x), X, mode=mode)
    assert type(value[0]) is np.ndarray
    assert type(dd.vmap(lambda x: np.ones_like(x))(np.ones((2, 3)))) is np.ndarray
    np.testing.assert_array_equal(pullback((X, X))[0], X)


def test_buffer_of_an_earlier_call_is_noticed():
    y = dnp.zeros(3)

    def f(x):
        y[0] = x
        return np.sum(y)

    assert dd.grad(f)(2.0) == 1.0
    with pytest.raises(EscapedTensor, match="grad"):
        np.sum(y)


@convention("VM-9")
def test_batched_value_does_not_fit_a_shared_buffer():
    y = dnp.zeros(3)
    with pytest.raises(MutationError, match="all examples share"):
        dd.vmap(lambda x: y.__setitem__(0, x))(X)


def test_mask_of_a_batch_takes_a_number():
    def f(x):
        y = x.copy()
        y[x < 1.0] = 0.0
        return y

    rows = np.stack([V, V[::-1]])
    np.testing.assert_array_equal(dd.vmap(f)(rows), np.where(rows < 1.0, 0.0, rows))


@each_mode
def test_number_is_not_written_in_place(mode):
    def f(x):
        y = x
        y += 1.0  # rebinds, as with a number of NumPy
        return x * y

    assert dd.grad(f, mode=mode)(2.0) == 5.0
    with pytest.raises(TypeError, match="item assignment"):
        dd.grad(lambda x: x.__setitem__((), 1.0), mode=mode)(2.0)

    def array(x):
        y = x
        y += 1.0  # an array without axes is written
        return x * y

    assert dd.grad(array, mode=mode)(np.array(2.0)) == 6.0


@pytest.mark.parametrize("name", ["shape", "dtype", "real", "imag", "flat"])
@pytest.mark.parametrize("transform", ["forward", "reverse", "vmap"])
def test_attribute_that_is_assigned_to_names_the_rewrite(name, transform):
    def f(x):
        setattr(x, name, (3, 1))
        return np.sum(x)

    with pytest.raises(MutationError, match="Write x"):
        if transform == "vmap":
            dd.vmap(f)(np.ones((2, 3)))
        else:
            dd.grad(f, mode=transform)(X)


def test_write_keeps_nothing_alive():
    gc.disable()
    try:
        found = []

        def f(x):
            y = x * 2.0
            found.append(weakref.ref(y))
            y[0] = 1.0
            y += x
            return np.sum(y)

        dd.grad(f, mode="reverse")(np.ones(10))
        assert found[0]() is None
    finally:
        gc.enable()
