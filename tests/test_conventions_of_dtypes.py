"""Integers and booleans, the dtypes, shapes and types of derivatives, and what is no number at all."""

import numpy as np
import pytest
from conventions import convention, each_mode, table

import dualdiff as dd

X = np.array([1.0, 2.0, 3.0])
F32 = X.astype(np.float32)
WANTS_FLOATS = r"\.astype\(float\)"


# -------------------------------------------------- integers
@each_mode
@convention("INT-1")
def test_python_int_is_taken_as_a_float(mode):
    found = dd.grad(lambda x: x**2, mode=mode)(3)
    assert found == 6.0 and type(found) is np.float64


@pytest.mark.parametrize(
    ("f", "x", "named"),
    table(
        ("INT-2 an array of integers", np.sum, np.array([1, 2, 3]), WANTS_FLOATS),
        ("INT-3 an array of booleans", np.sum, np.array([True, False]), WANTS_FLOATS),
        ("INT-4 a number of NumPy carries its dtype on purpose", lambda x: x * 1.0, np.int64(3), "int64"),
        ("INT-4 a boolean of NumPy too", lambda x: x * 1.0, np.bool_(True), "bool"),
        ("INT-4 a boolean of Python too", lambda x: x * 1.0, True, "bool"),
        ("INT-5 an integer leaf of a dict", lambda d: d["a"], {"a": 1.0, "n": 2}, r"\['n'\]"),
        ("INT-5 an integer leaf of a list", lambda d: d[0], [1.0, np.arange(3)], r"\[1\]"),
        ("INT-7 a string", lambda d: d["a"], {"a": 1.0, "s": "x"}, r"\['s'\]"),
        ("INT-7 an object", lambda d: d["a"], {"a": 1.0, "b": [2.0, object()]}, r"\['b'\]\[1\]"),
        ("INT-9 an output of integers", np.argmax, X, "int64"),
        ("INT-9 an output of booleans", lambda x: x[0] > 1, X, "bool"),
    ),
)
@each_mode
def test_what_is_no_float_is_refused_by_name(f, x, named, mode):
    with pytest.raises(TypeError, match=named):
        dd.grad(f, mode=mode)(x)


@each_mode
@convention("INT-6")
def test_none_in_a_container_stays_none(mode):
    assert dd.grad(lambda d: d["a"] * 2, mode=mode)({"a": 1.0, "n": None}) == {"a": 2.0, "n": None}
    assert dd.grad(lambda t: t[0] ** 2, mode=mode)([2.0, None]) == [4.0, None]


@each_mode
@convention("INT-8")
def test_argument_that_is_not_differentiated_passes_untouched(mode):
    seen, index = [], np.array([0, 2])

    def f(x, *rest):
        seen.append(rest)
        return np.sum(x[rest[1]]) * rest[0]

    np.testing.assert_array_equal(dd.grad(f, mode=mode)(X, 3, index, "abc"), [3, 0, 3])
    assert type(seen[0][0]) is int and seen[0][1] is index and seen[0][2] == "abc"


@each_mode
@convention("INT-10")
def test_tangent_of_integers_is_floating_zeros(mode):
    _, y_dots = dd.jvp(lambda x: (np.argmax(x), x > 1, x.astype(int)), (X,), (X,), mode=mode)
    for y_dot, shape in zip(y_dots, ((), (3,), (3,)), strict=True):
        assert y_dot.dtype == np.float64 and y_dot.shape == shape and not y_dot.any()


@each_mode
@convention("INT-11")
def test_cotangent_of_integers_is_ignored(mode):
    _, pullback = dd.vjp(np.argmax, X, mode=mode)
    for y_bar in (1, 7.5):
        np.testing.assert_array_equal(pullback(y_bar)[0], np.zeros(3))
    _, pullback = dd.vjp(lambda x: (np.sum(x), np.argmax(x)), X, mode=mode)
    np.testing.assert_array_equal(pullback((1.0, 5))[0], np.ones(3))


PLAIN = pytest.mark.parametrize(
    "f",
    table(
        ("INT-12 a comparison", lambda x: x > 2),
        ("INT-12 the place of the largest", np.argmax),
        ("INT-12 a test for nan", np.isnan),
        ("INT-12 an order", np.argsort),
        ("INT-12 the bins of values", lambda x: np.searchsorted(np.array([1.5, 2.5]), x)),
        ("INT-12 the places of what is not zero", lambda x: np.nonzero(x)[0]),
        ("INT-13 integers", lambda x: x.astype(int)),
    ),
)


@PLAIN
@each_mode
def test_value_inside_is_plain(f, mode):
    seen = []
    dd.grad(lambda x: (seen.append(f(x)), np.sum(x))[1], mode=mode)(X)
    assert isinstance(seen[0], (np.ndarray, np.generic))
    assert seen[0].dtype == f(X).dtype and seen[0].dtype.kind in "bi"
    np.testing.assert_array_equal(seen[0], f(X))


@pytest.mark.parametrize("f", [lambda x: x > 2, np.argmax, np.isnan, np.argsort, lambda x: x.astype(int)])
@convention("INT-12", "INT-13", "VM-4")
def test_value_inside_a_batch_is_a_batch_of_that_dtype(f):
    seen, rows = [], np.stack([X, X[::-1]])
    found = dd.vmap(lambda x: (seen.append(f(x)), f(x))[1])(rows)
    assert isinstance(seen[0], dd.core.Tracer) and seen[0].dtype == f(X).dtype
    np.testing.assert_array_equal(found, np.stack([f(x) for x in rows]))
    assert found.dtype == f(X).dtype


@pytest.mark.parametrize(
    ("f", "expected"),
    table(
        ("INT-13 integers of a tensor are constants", lambda x: np.sum(x.astype(int) * x), [1, 2, 3]),
        (
            "INT-14 what is computed from them is too",
            lambda x: np.sum(np.sin(x.astype(int) * 1.0)),
            [0, 0, 0],
        ),
        *(
            (f"INT-15 {f.__name__} is flat", lambda x, f=f: np.sum(f(x)), [0, 0, 0])
            for f in (np.sign, np.floor, np.ceil, np.rint, np.trunc, np.spacing)
        ),
    ),
)
@each_mode
def test_derivative_through_steps_is_zero(f, expected, mode):
    for x in (X, X + 0.3):
        value, found = dd.value_and_grad(f, mode=mode)(x)
        assert value == f(x) and found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(dd.vmap(dd.grad(f, mode=mode))(np.stack([x, x]))[1], found)


# -------------------------------------------------- dtypes
ANY = [np.mean, np.var, np.std, np.sum, np.prod, np.cumsum, np.linalg.norm, np.average, np.fft.fft]
REAL = [np.log2, np.log10, np.max, np.sinc, np.rad2deg, np.median, lambda x: np.where(x > 0, x, 1)]
COMPLEX = [np.exp, np.log, np.sin, np.sqrt, np.abs, np.angle, np.conj, np.real, lambda x: x * 2.0 + 1]


@pytest.mark.parametrize(
    ("f", "dtype"),
    [
        pytest.param(f, dtype, id=f"{number} {getattr(f, '__name__', '').replace('<lambda>', 'where')}")
        for number, dtype, functions in (("DT-2", "f4", ANY + REAL), ("DT-6", "c8", ANY + COMPLEX))
        for f in functions
    ],
)
@each_mode
def test_single_precision_stays_single(f, dtype, mode):
    x = np.array([0.5, 1.5, 2.0], dtype)
    y, pullback = dd.vjp(f, x, mode=mode)
    assert y.dtype == f(x).dtype and y.dtype in (np.float32, np.complex64)
    assert pullback(y)[0].dtype == x.dtype
    assert dd.jvp(f, (x,), (x,), mode=mode)[1].dtype == y.dtype
    gradient = dd.grad(lambda x: np.sum(np.abs(f(x))), mode=mode)
    assert gradient(x).dtype == dd.vmap(gradient)(np.stack([x, x])).dtype == x.dtype


@each_mode
@convention("DT-3")
def test_each_of_two_dtypes_keeps_its_own(mode):
    value, (by_x, by_y) = dd.value_and_grad(lambda x, y: np.sum(x * y), (0, 1), mode=mode)(F32, X)
    assert (value.dtype, by_x.dtype, by_y.dtype) == (np.float64, np.float32, np.float64)
    assert dd.grad(lambda x: np.sum(x * X), mode=mode)(F32).dtype == np.float32
    assert dd.grad(lambda x: np.sum(x * F32), mode=mode)(X).dtype == np.float64


@each_mode
@convention("DT-4")
def test_python_numbers_are_weak(mode):
    assert dd.grad(lambda x: np.sum(2.0 * x), mode=mode)(np.ones(3, np.float32)).dtype == np.float32
    assert dd.grad(lambda x: np.sum((x + 1) ** 2 / 3), mode=mode)(np.ones(3, np.float16)).dtype == np.float16


@each_mode
@convention("DT-5")
def test_half_and_extended_precision_are_kept(mode):
    found = dd.grad(np.sin, mode=mode)(np.longdouble(1))
    assert type(found) is np.longdouble
    assert abs(found - np.longdouble("0.5403023058681397174")) < 4 * np.finfo(np.longdouble).eps
    assert type(dd.grad(np.sin, mode=mode)(np.float16(1))) is np.float16


# -------------------------------------------------- shapes
@pytest.mark.parametrize(
    ("f", "left", "right", "a", "b"),
    table(
        ("DT-7 cotangents of copies add up", lambda x, y: np.sum(x + y), (3, 1), (1, 4), 4.0, 3.0),
        ("DT-7 of leading axes too", lambda x, y: np.sum(x + y), (2, 3), (3,), 1.0, 2.0),
        ("DT-7 a number beside an array adds up all", lambda x, y: np.sum(x * y), (2, 3), (), 1.0, 6.0),
        ("DT-8 an axis of length 0 gives zeros", lambda x, y: np.sum(x + y), (0, 3), (3,), 0.0, 0.0),
    ),
)
@each_mode
def test_shape_of_cotangents(f, left, right, a, b, mode):
    found = dd.grad(f, (0, 1), mode=mode)(np.ones(left), np.ones(right))
    np.testing.assert_array_equal(found[0], np.full(left, a), strict=True)
    np.testing.assert_array_equal(found[1], np.full(right, b), strict=bool(right))


@pytest.mark.parametrize(
    ("x", "kind", "dtype"),
    table(
        ("DT-9 a float gives a number of NumPy", 1.0, np.float64, "f8"),
        ("DT-10 an array without axes gives one", np.array(1.0), np.ndarray, "f8"),
        ("DT-10 of single precision too", np.array(1.0, "f4"), np.ndarray, "f4"),
        ("DT-11 a single gives a single", np.float32(1), np.float32, "f4"),
        ("DT-11 a half gives a half", np.float16(1), np.float16, "f2"),
        ("DT-11 a double gives a double", np.float64(1), np.float64, "f8"),
        ("DT-12 a complex number gives one of NumPy", 1j, np.complex128, "c16"),
    ),
)
@each_mode
def test_type_of_a_derivative(x, kind, dtype, mode):
    f = lambda x: np.abs(np.sin(x))  # noqa: E731
    alone = dd.grad(f, mode=mode)(x)
    inside = dd.grad(lambda t: f(t["a"][0]), mode=mode)({"a": (x, 1.0)})["a"][0]
    for found in (alone, inside):
        assert type(found) is kind and found.dtype == np.dtype(dtype) and found.shape == ()


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "negative strides": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "not contiguous": lambda x: np.repeat(x, 2, 1)[:, ::2],
    "read-only": lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@each_mode
@convention("DT-13")
def test_memory_layout_changes_no_number(layout, mode):
    x = np.arange(6.0).reshape(2, 3)
    assert not np.shares_memory(layout(x), x)
    f = lambda x: np.sum(np.sin(x) * x[::-1] + x[:, :1])  # noqa: E731
    np.testing.assert_array_equal(dd.grad(f, mode=mode)(layout(x)), dd.grad(f, mode=mode)(x))
    np.testing.assert_array_equal(dd.vmap(np.cumsum)(layout(x)), dd.vmap(np.cumsum)(x))


@pytest.mark.parametrize("x", [X, X[:1]], ids=["three elements", "one element"])
@each_mode
@convention("DT-14")
def test_gradient_of_a_vector_names_the_other_transforms(x, mode):
    with pytest.raises(TypeError) as caught:
        dd.grad(np.sin, mode=mode)(x)
    assert all(word in str(caught.value) for word in ("jacobian", "vjp", "vmap(grad(f))", str(x.shape)))
