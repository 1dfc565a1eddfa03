"""The conventions of values as tables: complex numbers, dtypes, containers, conversions, lifetimes.

Each row is a promise in words and a call with what it returns or raises. Derivatives at singular points are
in test_conventions.py.
"""

import copy
import gc
import math
import sys
import threading
import weakref

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
import dualdiff.numpy as dnp
from dualdiff import errors

X = np.array([1.0, 2.0, 3.0])
A = np.array([[1 + 2j, 3j], [0, 1 - 1j]])
MODES = pytest.mark.parametrize("mode", ["forward", "reverse"])


def table(*rows):
    """Parametrise by rows whose first entry is the promise."""
    ids, values = zip(*((row[0], row[1:]) for row in rows), strict=True)
    assert len(set(ids)) == len(ids)
    return list(map(lambda v, i: pytest.param(*v, id=i), values, ids))


# -------------------------------------------------- complex numbers
GRADIENTS = table(
    ("CPX-1 the gradient of abs(z)**2 is 2 z", lambda z: np.abs(z) ** 2, 1 + 2j, 2 + 4j),
    ("CPX-2 a real part gives the conjugate derivative", lambda z: np.real(z * z), 1 + 2j, 2 - 4j),
    ("CPX-3 the gradient of the real part is 1", np.real, 1 + 2j, 1 + 0j),
    ("CPX-3 the gradient of the imaginary part is i", np.imag, 1 + 2j, 1j),
    ("CPX-4 the gradient of abs is the direction", np.abs, 3 + 4j, 0.6 + 0.8j),
    ("CPX-4 abs is flat at 0", np.abs, 0j, 0j),
    ("CPX-5 angle grows across", np.angle, 1 + 1j, -0.5 + 0.5j),
    ("CPX-5 angle is flat at 0", np.angle, 0j, 0j),
    (
        "CPX-6 sign moves across",
        lambda z: np.real(np.sign(z)),
        1 + 2j,
        0.35777087639996635 - 0.17888543819998315j,
    ),
    ("CPX-6 sign is flat at 0", lambda z: np.real(np.sign(z)), 0j, 0j),
)


@MODES
@pytest.mark.parametrize(("f", "z", "expected"), GRADIENTS)
def test_complex_gradient(f, z, expected, mode):
    found = dd.grad(f, mode=mode)(z)
    assert type(found) is np.complex128
    assert found == pytest.approx(expected, rel=1e-15, abs=1e-15)
    np.testing.assert_allclose(dd.vmap(dd.grad(f, mode=mode))(np.array([z, z])), [expected] * 2, rtol=1e-15)


COMPLEX = table(
    ("CPX-7 the tangent of a conjugate is conjugated", lambda: dd.jvp(np.conj, (1 + 2j,), (1j,))[1], -1j),
    (
        "CPX-8 a product is pulled back by the adjoint matrix",
        lambda: dd.vjp(lambda x: A @ x, np.ones(2, complex))[1](np.array([1, 1j]))[0],
        [1 - 2j, -1 - 2j],
    ),
    (
        "CPX-9 a holomorphic derivative is not conjugated",
        lambda: dd.grad(lambda z: z**3, holomorphic=True)(1 + 2j),
        -9 + 12j,
    ),
    (
        "CPX-13 a real argument has a real gradient",
        lambda: dd.grad(lambda x: np.real(np.exp(1j * x)))(1.0),
        -0.8414709848078965,
    ),
    (
        "CPX-16 a holomorphic Jacobian is not conjugated",
        lambda: dd.jacobian(lambda z: A @ z, holomorphic=True)(np.ones(2, complex)),
        A,
    ),
)


@pytest.mark.parametrize(("call", "expected"), COMPLEX)
def test_complex_derivative(call, expected):
    found = np.asarray(call())
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert found.dtype == np.asarray(expected).dtype


# -------------------------------------------------- types that come back
TYPES = table(
    ("DT-9 a float gives a NumPy scalar", lambda: dd.grad(np.sin)(1.0), np.float64, float),
    ("INT-1 an int is taken as a float", lambda: dd.grad(lambda x: x**2)(3), np.float64, float),
    ("DT-12 a complex number gives a NumPy scalar", lambda: dd.grad(np.abs)(1j), np.complex128, complex),
    (
        "DT-11 a NumPy scalar gives one of its type",
        lambda: dd.grad(np.sin)(np.float32(1)),
        np.float32,
        np.float32,
    ),
    ("DT-10 a 0-d array gives a 0-d array", lambda: dd.grad(np.sin)(np.array(1.0)), np.ndarray, float),
    (
        "DT-9 a scalar in a container is one too",
        lambda: dd.grad(lambda t: t["a"] ** 2)({"a": 1.0})["a"],
        np.float64,
        float,
    ),
    (
        "DT-4 Python numbers are weak",
        lambda: dd.grad(lambda x: np.sum(2.0 * x))(np.ones(3, "f4")),
        np.ndarray,
        "f4",
    ),
    ("DT-5 half precision stays", lambda: dd.grad(np.sin)(np.float16(1)), np.float16, "f2"),
    ("DT-5 extended precision stays", lambda: dd.grad(np.sin)(np.longdouble(1)), np.longdouble, "g"),
    (
        "DT-3 single precision stays beside double",
        lambda: dd.grad(lambda x: np.sum(x * X))(np.ones(3, "f4")),
        np.ndarray,
        "f4",
    ),
    (
        "DT-3 double stays beside single precision",
        lambda: dd.grad(lambda x: np.sum(x * np.ones(3, "f4")))(X),
        np.ndarray,
        "f8",
    ),
)


@pytest.mark.parametrize(("call", "kind", "dtype"), TYPES)
def test_type_of_gradient(call, kind, dtype):
    found = call()
    assert type(found) is kind and found.dtype == np.dtype(dtype)


ANY = [
    np.mean,
    np.var,
    np.std,
    np.sum,
    np.prod,
    np.cumsum,
    np.linalg.norm,
    np.nanmean,
    np.average,
    np.fft.fft,
]
REAL = [np.log2, np.log10, np.max, np.sinc, np.rad2deg, np.median, lambda x: np.where(x > 0, x, 1)]


@pytest.mark.parametrize(
    ("f", "dtype"),
    [
        pytest.param(f, dtype, id=f"{number} {getattr(f, '__name__', 'where')}")
        for number, dtype, functions in (("DT-2", "f4", ANY + REAL), ("DT-6", "c8", ANY))
        for f in functions
    ],
)
def test_single_precision_stays_single(f, dtype):
    x = np.array([0.5, 1.5, 2.0], dtype)
    y, pullback = dd.vjp(f, x)
    assert y.dtype == f(x).dtype and pullback(y)[0].dtype == x.dtype
    assert dd.jvp(f, (x,), (x,))[1].dtype == y.dtype


SHAPES = table(
    ("DT-7 cotangents of copies add up", lambda x, y: np.sum(x + y), (3, 1), (1, 4), 4.0, 3.0),
    ("DT-8 an axis of length 0 gives zeros", lambda x, y: np.sum(x + y), (0, 3), (3,), 0.0, 0.0),
    ("DT-7 a number beside an array adds up all", lambda x, y: np.sum(x * y), (2, 3), (), 1.0, 6.0),
)


@pytest.mark.parametrize(("f", "left", "right", "a", "b"), SHAPES)
def test_shape_of_cotangents(f, left, right, a, b):
    found = dd.grad(f, (0, 1))(np.ones(left), np.ones(right))
    np.testing.assert_array_equal(found[0], np.full(left, a))
    np.testing.assert_array_equal(found[1], np.full(right, b))


@pytest.mark.parametrize(
    "layout", [np.asfortranarray, lambda x: x[::-1][::-1], lambda x: np.repeat(x, 2, 1)[:, ::2], np.array]
)
@convention("DT-13")
def test_memory_layout_changes_no_number(layout):
    x = np.arange(6.0).reshape(2, 3)
    f = lambda x: np.sum(np.sin(x) @ x.T)  # noqa: E731
    np.testing.assert_allclose(dd.grad(f)(layout(x)), dd.grad(f)(x), rtol=1e-15)


# -------------------------------------------------- plain values inside
PLAIN = table(
    ("INT-12 a comparison is plain booleans", lambda x: x > 2),
    ("INT-12 a place is a plain integer", np.argmax),
    ("INT-12 a test for nan is plain", np.isnan),
    ("INT-12 an order is plain", np.argsort),
    ("INT-12 the bins of values are plain", lambda x: np.searchsorted(X, x)),
    ("INT-12 the places of non-zeros are plain", lambda x: np.nonzero(x)[0]),
    ("INT-13 integers are plain", lambda x: x.astype(int)),
    ("CV-7 a value without derivative is plain", dd.stop_gradient),
    ("INT-14 what depends on integers alone is plain", lambda x: np.sin(x.astype(int) * 1.0)),
)


@MODES
@pytest.mark.parametrize("f", [p.values[0] for p in PLAIN], ids=[p.id for p in PLAIN])
def test_value_inside_is_plain(f, mode):
    seen = []
    dd.grad(lambda x: (seen.append(f(x)), np.sum(x))[1], mode=mode)(X)
    assert isinstance(seen[0], (np.ndarray, np.generic))
    np.testing.assert_array_equal(seen[0], f(X))


PYTHON = table(
    ("CV-1 truth", lambda x: bool(x[0]), True),
    ("CV-1 not", lambda x: not x[0], False),
    ("CV-2 int", lambda x: int(x[2]), 3),
    ("CV-3 len", len, 3),
    ("CV-4 formatting", lambda x: f"{x[1]:.3f}", "2.000"),
    (
        "CV-8 shape",
        lambda x: (x.shape, x.ndim, x.size, np.shape(x), np.ndim(x), np.size(x)),
        ((3,), 1, 3, (3,), 1, 3),
    ),
    ("CV-8 dtype", lambda x: (x.dtype, np.result_type(x), np.iscomplexobj(x)), (float, float, False)),
    ("CV-1 membership", lambda x: (2.0 in x, 5.0 in x), (True, False)),
    ("NP-11 is no array of NumPy's", lambda x: isinstance(x, np.ndarray), False),
)


@MODES
@pytest.mark.parametrize(("f", "expected"), PYTHON)
def test_python_sees_the_value(f, expected, mode):
    seen = []
    dd.grad(lambda x: (seen.append(f(x)), np.sum(x))[1], mode=mode)(X)
    assert seen[0] == expected


@MODES
@convention("CV-1", "CV-3", "CV-9")
def test_branches_and_items_and_copies_keep_the_derivative(mode):
    f = dd.grad(lambda x: x * x if x > 0 else -x, mode=mode)
    assert (f(2.0), f(-2.0)) == (4.0, -1.0)

    def g(x):
        a, b, _ = x
        return a * b + copy.copy(x)[2] * copy.deepcopy(x)[2]

    np.testing.assert_array_equal(dd.grad(g, mode=mode)(X), [2, 1, 6])


# -------------------------------------------------- what is refused, and what the message names
REFUSED = table(
    (
        "INT-2 integers have no derivative",
        lambda: dd.grad(np.sum)(np.arange(3)),
        TypeError,
        r"\.astype\(float\)",
    ),
    ("INT-3 booleans have none", lambda: dd.grad(np.sum)(np.array([True])), TypeError, r"\.astype\(float\)"),
    (
        "INT-4 a NumPy integer carries its dtype on purpose",
        lambda: dd.grad(np.sin)(np.int64(3)),
        TypeError,
        "int64",
    ),
    ("INT-4 a boolean number too", lambda: dd.grad(np.sin)(True), TypeError, "bool"),
    (
        "INT-5 an integer leaf is named by its path",
        lambda: dd.grad(lambda t: t["a"])({"a": 1.0, "n": np.int64(2)}),
        TypeError,
        r"\['n'\]",
    ),
    ("INT-5 so is one in a list", lambda: dd.grad(lambda t: t[0])([1.0, np.arange(3)]), TypeError, r"\[1\]"),
    (
        "INT-7 a string leaf is named by its path",
        lambda: dd.grad(lambda t: t["a"])({"a": 1.0, "s": "x"}),
        TypeError,
        r"\['s'\]",
    ),
    (
        "INT-9 an output that is an integer is no scalar to differentiate",
        lambda: dd.grad(np.argmax)(X),
        TypeError,
        "int",
    ),
    (
        "DT-14 a vector output names the other transforms",
        lambda: dd.grad(np.sin)(X),
        TypeError,
        "jacobian.*vjp",
    ),
    (
        "DT-14 an output of one element is a vector too",
        lambda: dd.grad(np.sin)(np.ones(1)),
        TypeError,
        "jacobian",
    ),
    (
        "CPX-10 a complex output needs the flag",
        lambda: dd.grad(lambda z: z * z)(1j),
        TypeError,
        "holomorphic=True",
    ),
    (
        "CPX-11 the flag needs complex arguments",
        lambda: dd.grad(np.sin, holomorphic=True)(1.0),
        TypeError,
        "holomorphic",
    ),
    ("CPX-11 and complex results", lambda: dd.grad(np.abs, holomorphic=True)(1j), TypeError, "holomorphic"),
    (
        "CPX-16 a complex Jacobian needs the flag",
        lambda: dd.jacobian(lambda z: z * z)(np.ones(2, complex)),
        TypeError,
        "holomorphic",
    ),
    (
        "CV-5 float() would drop the derivative",
        lambda: dd.grad(lambda x: float(x))(1.0),
        TypeError,
        "stop_gradient",
    ),
    ("CV-5 complex() would", lambda: dd.grad(lambda x: complex(x))(1.0), TypeError, "stop_gradient"),
    ("CV-5 item() would", lambda: dd.grad(lambda x: x.item())(1.0), TypeError, "stop_gradient"),
    ("CV-5 tolist() would", lambda: dd.grad(lambda x: x.tolist())(1.0), TypeError, "stop_gradient"),
    ("CV-6 math would", lambda: dd.grad(math.sin)(1.0), TypeError, "stop_gradient"),
    (
        "NP-1 an array of tensors would",
        lambda: dd.grad(lambda x: np.array([x[0], x[1]]))(X),
        TypeError,
        r"np\.stack|numpy\.array",
    ),
    (
        "NP-1 asarray would",
        lambda: dd.grad(lambda x: np.sum(np.asarray(x)))(X),
        TypeError,
        r"np\.stack|numpy\.array",
    ),
    (
        "NP-3 a ufunc of a list would",
        lambda: dd.grad(lambda x: np.sum(np.sin([x[0], x[1]])))(X),
        TypeError,
        r"np\.stack|numpy\.array",
    ),
    (
        "NP-4 writing into a plain array would",
        lambda: dd.grad(lambda x: np.copyto(X.copy(), x))(X),
        TypeError,
        r"numpy\.zeros",
    ),
    (
        "NP-6 a function without a rule names itself",
        lambda: dd.grad(lambda x: np.packbits(x))(X),
        TypeError,
        "packbits",
    ),
    (
        "NP-7 a keyword without a rule names itself",
        lambda: dd.grad(lambda x: np.sum(x, out=np.zeros(())))(X),
        TypeError,
        "out=",
    ),
    (
        "NP-8 a ufunc mask without out leaves garbage",
        lambda: dd.grad(lambda x: np.sum(np.add(x, x, where=X > 1)))(X),
        TypeError,
        "where=",
    ),
    (
        "VW-1 assignment to an element of a view names the way",
        lambda: dd.grad(lambda x: x[:2].__setitem__(0, 1.0))(X),
        RuntimeError,
        r"\.copy\(\)",
    ),
    ("IP-12 an index out of range is not clamped", lambda: dd.grad(lambda x: x[7])(X), IndexError, ""),
    ("IP-12 nor one in a write", lambda: dd.grad(lambda x: np.sum(x.at[7].set(0.0)))(X), IndexError, ""),
    (
        "VM-1 a batched value has no truth",
        lambda: dd.vmap(lambda x: x if x > 0 else -x)(X),
        TypeError,
        r"np\.where",
    ),
    ("VM-2 nor a number", lambda: dd.vmap(lambda x: int(x))(X), TypeError, ""),
    ("VM-3 nor does it choose a shape", lambda: dd.vmap(lambda x: x[x > 0])(np.eye(2)), TypeError, "mask"),
    ("VM-3 nor the places of its non-zeros", lambda: dd.vmap(np.nonzero)(np.eye(2)), TypeError, ""),
    ("VM-3 nor its unique elements", lambda: dd.vmap(np.unique)(np.eye(2)), TypeError, ""),
    (
        "VM-8 mapped axes of two lengths are both named",
        lambda: dd.vmap(np.add)(np.ones(2), np.ones(3)),
        ValueError,
        r"2[\s\S]*3",
    ),
    ("EM-3 max of nothing raises as NumPy's", lambda: dd.grad(np.max)(np.zeros(0)), ValueError, ""),
    (
        "UN-8 a function as a result is refused",
        lambda: dd.jvp(lambda x: lambda y: x, (1.0,), (1.0,)),
        TypeError,
        "",
    ),
    (
        "ER-1 an error of the function comes out as it is",
        lambda: dd.grad(lambda x: 1 / 0)(1.0),
        ZeroDivisionError,
        "division by zero",
    ),
    ("NP-10 a masked array is refused", lambda: dd.grad(np.sum)(np.ma.masked_array(X)), TypeError, ""),
    (
        "NP-10 a structured array is refused",
        lambda: dd.grad(np.sum)(np.zeros(2, [("a", float)])),
        TypeError,
        "",
    ),
)


@pytest.mark.parametrize(("call", "error", "named"), REFUSED)
def test_refusal_names_what_and_the_way_out(call, error, named):
    with pytest.raises(error, match=named or None):
        call()
    assert dd.grad(lambda x: x * x)(3.0) == 6.0  # and nothing is left behind


# -------------------------------------------------- answers
ANSWERS = table(
    ("UN-4 the output may be the input", lambda: dd.grad(lambda x: x)(2.0), 1.0),
    ("UN-3 a constant function has slope 0", lambda: dd.grad(lambda x: 1.0)(2.0), 0.0),
    ("UN-1 an unused argument has zeros", lambda: dd.grad(lambda x, y: x * x, (0, 1))(2.0, 3.0), (4.0, 0.0)),
    ("INT-6 None in a container stays None", lambda: dd.grad(lambda t: t[0] ** 2)([2.0, None]), [4.0, None]),
    (
        "INT-8 an argument held fixed may be anything",
        lambda: dd.grad(lambda x, n: x * len(n))(2.0, "abc"),
        3.0,
    ),
    ("INT-10 the tangent of an integer is 0", lambda: dd.jvp(np.argmax, (X,), (X,))[1], 0.0),
    (
        "INT-11 the cotangent of an integer is ignored",
        lambda: dd.vjp(np.argmax, X)[1](1)[0].tolist(),
        [0.0, 0.0, 0.0],
    ),
    ("UN-9 a pullback can be called again", lambda: (p := dd.vjp(np.sin, 0.0)[1])(1.0) == p(1.0), True),
    (
        "EM-1 the sum of nothing has an empty gradient",
        lambda: dd.vjp(np.sum, np.zeros(0))[1](1.0)[0].shape,
        (0,),
    ),
    ("EM-4 a Jacobian of nothing is empty", lambda: dd.jacobian(np.sin)(np.zeros(0)).shape, (0, 0)),
    (
        "EM-5 an empty batch has the shape of an example",
        lambda: dd.vmap(np.cumsum)(np.zeros((0, 3))).shape,
        (0, 3),
    ),
    (
        "IP-5 the last of two writes to a place counts",
        lambda: dd.grad(lambda v: np.sum((0 * v).at[[0, 0]].set(v)))(X[:2]).tolist(),
        [0.0, 1.0],
    ),
    (
        "IP-8 every addition to a place counts",
        lambda: dd.grad(lambda x: x.at[[0, 0]].add(x[1:])[0])(X).tolist(),
        [1.0, 1.0, 1.0],
    ),
    (
        "IP-11 a write overwrites a derivative",
        lambda: dd.grad(lambda x: np.sum(x.at[0].set(5.0) ** 2))(X).tolist(),
        [0.0, 4.0, 6.0],
    ),
    (
        "IP-9 a number written to several places counts for each",
        lambda: dd.grad(lambda s: np.sum((X + 0 * s).at[1:3].set(s)))(2.0),
        2.0,
    ),
    (
        "IP-10 a write keeps the dtype of its target",
        lambda: dd.vjp(lambda x: x.astype("f4").at[0].set(x[1]), X)[0].dtype,
        np.float32,
    ),
    (
        "NP-9 an array operand on the left is one operation",
        lambda: dd.grad(lambda x: np.sum(X * x) + X @ x)(X).tolist(),
        [2.0, 4.0, 6.0],
    ),
    (
        "NP-5 tensordot through plain NumPy is differentiated",
        lambda: dd.grad(lambda x: np.tensordot(x, x, 1))(X).tolist(),
        [2.0, 4.0, 6.0],
    ),
    (
        "NP-2 an array of tensors through the namespace",
        lambda: dd.grad(lambda x: np.sum(dnp.array([x[0], x[1]])))(X).tolist(),
        [1.0, 1.0, 0.0],
    ),
    (
        "NP-2 an array of tensors with like=",
        lambda: dd.grad(lambda x: np.sum(np.array([x[0], x[1]], like=x)))(X).tolist(),
        [1.0, 1.0, 0.0],
    ),
    (
        "GEN-1 clip is minimum of maximum",
        lambda: [
            dd.grad(lambda x: np.clip(x, 0, 1.0))(x)
            == dd.grad(lambda x: np.minimum(np.maximum(x, 0), 1.0))(x)
            for x in (0.0, 1.0, -1.0, 2.0, 0.5)
        ],
        [True] * 5,
    ),
    (
        "ER-5 inner and outer derivatives are kept apart",
        lambda: dd.grad(lambda x: x * dd.grad(lambda y: x * y)(2.0))(3.0),
        6.0,
    ),
    ("AL-1 a constant changed after its use", lambda: constant_changed().tolist(), [1.0, 1.0, 1.0]),
)


def constant_changed():
    def f(x):
        c = np.ones(3)
        y = x * c
        c[:] = 100.0
        return np.sum(y)

    return dd.grad(f)(X)


@pytest.mark.parametrize(("call", "expected"), ANSWERS)
def test_answer(call, expected):
    assert call() == expected


@convention("GEN-4")
def test_value_is_that_of_the_plain_call_to_the_last_bit():
    f = lambda x: np.sum(np.exp(x) / (1 + np.sin(x) ** 2))  # noqa: E731
    x = np.random.default_rng(1).standard_normal(1000)
    assert dd.value_and_grad(f)(x)[0] == f(x)


@convention("ER-4")
def test_inputs_keep_their_bits():
    x = X.copy()
    for transform in (dd.grad(lambda x: np.sum(x.at[0].set(9.0) * x)), dd.jacobian(np.sort), dd.vmap(np.sin)):
        transform(x)
    np.testing.assert_array_equal(x, X)


@convention("UN-6")
def test_tensor_used_after_its_transform_is_recognised():
    kept = []
    dd.grad(lambda x: (kept.append(x), x * x)[1])(2.0)
    with pytest.raises(errors.EscapedTensor, match="grad"):
        kept[0] + 1.0


@convention("UN-11")
def test_tape_leaves_nothing_behind():
    class Mark(np.ndarray):
        pass

    seen = []

    def f(x):
        y = np.exp(x)
        seen.append(weakref.ref(y))
        return np.sum(y * y)

    gc.disable()
    try:
        dd.grad(f)(X)
        assert seen[0]() is None
    finally:
        gc.enable()


@convention("UN-10")
def test_long_chain_neither_recurses_nor_loses_digits():
    def f(x):
        for _ in range(20_000):
            x = x * 1.00001
        return x

    assert dd.grad(f)(1.0) == pytest.approx(1.00001**20_000, rel=1e-12)


@convention("TH-1")
def test_threads_do_not_see_each_other():
    found, interval = [], sys.getswitchinterval()

    def work():
        for _ in range(100):
            found.append(dd.grad(lambda x: x * dd.grad(lambda y: x * y)(2.0))(3.0))

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == [6.0] * 400


@convention("WN-3")
def test_settings_of_numpy_are_as_before():
    before = np.geterr()
    with pytest.raises(ZeroDivisionError):
        dd.grad(lambda x: np.sqrt(x) * (1 / 0))(1.0)
    dd.grad(np.sqrt)(4.0)
    assert np.geterr() == before


@pytest.mark.parametrize("axes", [0, -1, 1])
@pytest.mark.parametrize("size", [0, 1, 3])
@convention("VM-6")
def test_batch_equals_the_loop(axes, size):
    f = lambda x: np.cumsum(x) * np.max(x, initial=0.0)  # noqa: E731
    batch = np.moveaxis(np.random.default_rng(2).standard_normal((size, 4)), 0, axes)
    found = dd.vmap(f, in_axes=axes)(batch)
    assert found.shape == (size, 4)
    for k in range(size):
        np.testing.assert_allclose(found[k], f(np.take(batch, k, axes)), rtol=1e-12)
