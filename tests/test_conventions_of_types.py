"""Integers, dtypes, empty arrays, unused inputs: a row for each convention, under its number, in both modes.

The numbers are the row's names: INT integers, DT dtypes, UN unused inputs and outputs, EM empty arrays, IX
indices, RD reductions, CPX complex numbers.
"""

import numpy as np
import pytest

import dualdiff as dd

X = np.array([1.0, 2.0, 3.0])
F32 = X.astype(np.float32)

# number -> (gradient by (f, x), f, x, expected)
GRADIENTS = {
    "CPX-14 real by complex": (lambda x: np.abs(np.sum(x * np.array([1j, 2, 3]))) ** 2, X, [2, 52, 78]),
    "INT-1 a Python int is a float": (lambda x: x**2, 3, 6.0),
    "INT-6 None stays": (lambda d: d["a"] * 2, {"a": 1.0, "n": None}, {"a": 2.0, "n": None}),
    "INT-13 integers of a tensor are plain": (lambda x: np.sum(x.astype(int) * x), X, [1, 2, 3]),
    "INT-14 no derivative flows through integers": (
        lambda x: np.sum(np.sin(x.astype(int) * 1.0)),
        X,
        [0, 0, 0],
    ),
    "INT-15 flat functions": (lambda x: np.sum(np.floor(x) + np.sign(x) + np.rint(x)), X + 0.3, [0, 0, 0]),
    "UN-3 constant function": (lambda x: 1.0, 2.0, 0.0),
    "UN-4 the output is the input": (lambda x: x, 2.0, 1.0),
    "EM-1 sum of nothing": (np.sum, np.zeros(0), np.zeros(0)),
    "EM-1 product of nothing": (np.prod, np.zeros(0), np.zeros(0)),
    "IX-2 take, wrapped": (lambda x: np.sum(np.take(x, [4, -5], mode="wrap")), X, [0, 2, 0]),
    "IX-2 take, clipped": (lambda x: np.sum(np.take(x, [4, -5], mode="clip")), X, [1, 0, 1]),
    "IX-3 negative indices": (lambda x: x[-1] * x[-3], X, [3, 0, 1]),
    "IX-4 choose": (lambda x: np.sum(np.choose([0, 1], [x[:2], x[1:]])), X, [1, 0, 1]),
    "RD-4 max with initial in the tie": (lambda x: np.max(x, initial=2.0), X[:2], [0, 0.5]),
    "RD-4 max with initial above": (lambda x: np.max(x, initial=10.0), X[:2], [0, 0]),
    "RD-9 running maximum": (lambda x: np.sum(np.maximum.accumulate(x)), np.full(3, 2.0), [1.75, 0.75, 0.5]),
    "RD-18 range": (np.ptp, np.array([1.0, 1.0, 3.0]), [-0.5, -0.5, 1]),
    "RD-20 interp at a knot, x": (lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 5.0]), 1.0, 4.0),
    "RD-20 interp at a knot, values": (lambda f: np.interp(1.0, [0.0, 1.0, 2.0], f), X, [0, 1, 0]),
}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_is_that_of_the_row(name, mode):
    f, x, expected = GRADIENTS[name]
    found = dd.grad(f, mode=mode)(x)
    if isinstance(expected, dict):
        assert found == expected
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        assert np.shape(found) == np.shape(expected)


# number -> (argument, the type and dtype of its gradient by sin)
TYPES = {
    "DT-2 float32 stays": (F32, np.ndarray, np.float32),
    "DT-5 longdouble stays": (np.longdouble(1), np.longdouble, np.longdouble),
    "DT-5 float16 stays": (np.float16(1), np.float16, np.float16),
    "DT-9 a Python float gives a number": (1.0, np.float64, np.float64),
    "DT-10 an array without axes gives one": (np.array(1.0), np.ndarray, np.float64),
    "DT-11 a NumPy number gives one of its type": (np.float32(1), np.float32, np.float32),
}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", TYPES)
def test_gradient_has_the_type_of_its_argument(name, mode):
    x, kind, dtype = TYPES[name]
    found = dd.grad(lambda x: np.sum(np.sin(x)), mode=mode)(x)
    inside = dd.grad(lambda d: np.sum(np.sin(d["a"])), mode=mode)({"a": x})["a"]
    for y in (found, inside):
        assert type(y) is kind and y.dtype == dtype and np.shape(y) == np.shape(x)
    np.testing.assert_allclose(np.float64(found), np.cos(np.float64(x)), rtol=1e-3)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_mixed_dtypes_and_weak_numbers(mode):
    by_x, by_y = dd.grad(lambda x, y: np.sum(x * y), (0, 1), mode=mode)(F32, X)  # DT-3
    assert by_x.dtype == np.float32 and by_y.dtype == np.float64
    assert dd.grad(lambda x: np.sum(2.0 * x), mode=mode)(F32).dtype == np.float32  # DT-4
    summed = dd.grad(lambda x, y: np.sum(x + y), (0, 1), mode=mode)(np.ones((3, 1)), np.ones((1, 4)))  # DT-7
    np.testing.assert_array_equal(summed[0], np.full((3, 1), 4.0))
    np.testing.assert_array_equal(summed[1], np.full((1, 4), 3.0))
    found = dd.grad(lambda a, b: np.sum(a + b), 1, mode=mode)(np.zeros((0, 3)), X)  # DT-8
    np.testing.assert_array_equal(found, np.zeros(3))
    unused = dd.grad(lambda x, y: x * x, (0, 1), mode=mode)(2.0, F32)  # UN-1
    assert unused[0] == 4.0 and unused[1].dtype == np.float32 and not unused[1].any()


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: a[::-1][::-1], lambda a: a.T.copy().T])
def test_layout_does_not_matter(layout):  # DT-13
    a = np.arange(6.0).reshape(2, 3)
    read_only = layout(a)
    read_only.flags.writeable = False
    f = lambda a: np.sum(np.sin(a) * a[::-1])  # noqa: E731
    for mode in ("forward", "reverse"):
        np.testing.assert_array_equal(dd.grad(f, mode=mode)(read_only), dd.grad(f, mode=mode)(a))


# number -> (call, what its message has)
REFUSALS = {
    "CPX-10 complex output": (lambda: dd.grad(lambda z: z * z)(1 + 2j), ["holomorphic=True", "jvp", "vjp"]),
    "CPX-11 real input": (lambda: dd.grad(lambda z: z * z, holomorphic=True)(1.0), ["complex arguments"]),
    "CPX-11 real output": (lambda: dd.grad(np.abs, holomorphic=True)(1j), ["complex output"]),
    "CPX-16 jacobian": (lambda: dd.jacobian(lambda z: z * z)(X * 1j), ["holomorphic=True"]),
    "INT-2 integers": (lambda: dd.grad(np.sum)(np.array([1, 2, 3])), [".astype(float)"]),
    "INT-3 booleans": (lambda: dd.grad(np.sum)(np.array([True, False])), [".astype(float)"]),
    "INT-4 NumPy's int": (lambda: dd.grad(lambda x: x * 1.0)(np.int64(3)), ["int64"]),
    "INT-4 True": (lambda: dd.grad(lambda x: x * 1.0)(True), ["bool"]),
    "INT-5 leaf of a dict": (lambda: dd.grad(lambda d: d["a"])({"a": 1.0, "n": 2}), ["'n'"]),
    "INT-5 leaf of a list": (lambda: dd.grad(lambda d: d[0])([1.0, np.arange(3)]), ["[1]"]),
    "INT-7 string": (lambda: dd.grad(lambda d: d["a"])({"a": 1.0, "n": "s"}), ["'n'"]),
    "INT-9 integer output": (lambda: dd.grad(np.argmax)(X), ["int64"]),
    "DT-14 vector output": (lambda: dd.grad(lambda x: x)(X), ["jacobian", "vjp", "vmap(grad(f))"]),
    "DT-14 one element": (lambda: dd.grad(lambda x: x[:1])(X), ["(1,)"]),
    "UN-8 a function as output": (lambda: dd.grad(lambda x: lambda: x)(2.0), ["function"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_names_what(name):
    call, words = REFUSALS[name]
    with pytest.raises(TypeError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


def test_integer_arguments_and_outputs():
    assert dd.grad(lambda x, n: x**n)(2.0, 3) == 12.0  # INT-8
    y_dot = dd.jvp(np.argmax, (X,), (X,))[1]  # INT-10
    assert y_dot == 0.0 and y_dot.dtype == np.float64
    _, pullback = dd.vjp(lambda x: (np.sum(x), np.argmax(x)), X)  # INT-11
    np.testing.assert_array_equal(pullback((1.0, 0))[0], np.ones(3))


def test_empty_results():
    assert dd.jacobian(lambda x: x * 2)(np.zeros(0)).shape == (0, 0)  # EM-4
    found = dd.vmap(np.sin)(np.zeros((0, 2), np.float32))  # EM-5
    assert found.shape == (0, 2) and found.dtype == np.float32
    with pytest.raises(ValueError, match="zero-size"):  # EM-3
        dd.grad(np.max)(np.zeros(0))


def test_exception_of_the_function_is_its_own():  # ER-1, ER-2
    for transform in (dd.grad, dd.jacobian, dd.vmap):
        with pytest.raises(ZeroDivisionError):
            transform(lambda x: 1 / 0)(X)
    assert dd.grad(lambda x: x * x)(3.0) == 6.0
