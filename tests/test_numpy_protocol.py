"""NumPy's protocols on tensors: what np.* does, what Python's conversions do, and what is refused, and how.

Rows of the conventions that a test holds are named beside it (CV: conversions, NP: NumPy, INT: integers).
"""

import copy
import inspect
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
import dualdiff.numpy as dnp
from dualdiff.core import FUNCTIONS, Op

X = np.array([1.5, -2.0, 3.0])
ONES = np.ones(3)
Y = np.array([0.5, 1.25, 2.0])


def forward(f, x):
    return dd.jvp(f, (x,), (np.ones_like(x),))[0]


def reverse(f, x):
    return dd.vjp(f, x)[0]


each_mode = pytest.mark.parametrize("run", [forward, reverse])


def seen(run, f, x=X):
    """What f returns for a live tensor, carried out past the transform."""
    found = []
    run(lambda x: found.append(f(x)) or np.sum(x), x)
    return found[0]


# -------------------------------------------------- the namespace
# Not handed to tensors by NumPy, because no argument of theirs is an array.
NO_ARRAY_ARGUMENTS = {
    "bartlett", "blackman", "broadcast_shapes", "diag_indices", "errstate", "fftfreq", "from_dlpack",
    "fromfunction",
    "hamming", "hanning", "indices", "isdtype", "isfortran", "isscalar", "issubdtype", "iterable", "kaiser",
    "mask_indices", "promote_types", "rfftfreq", "tril_indices", "triu_indices",
}  # fmt: skip


def registered(module):
    return {
        name: getattr(module, name)
        for name in dir(module)
        if not name.startswith("_")
        and callable(getattr(module, name))
        and _in_registry(getattr(module, name))
    }


def _in_registry(function):
    try:
        return function in FUNCTIONS
    except TypeError:
        return False


@pytest.mark.parametrize(
    "ours, numpys",
    [(dnp, np), (dnp.linalg, np.linalg), (dnp.fft, np.fft)],
    ids=["numpy", "numpy.linalg", "numpy.fft"],
)
def test_namespace_has_every_covered_function(ours, numpys):
    missing = [
        name
        for name, function in registered(numpys).items()
        if FUNCTIONS.get(found := getattr(ours, name, None), found) is not FUNCTIONS[function]
    ]
    assert missing == []


# Names newer than the oldest supported NumPy, which dualdiff.numpy has in any case.
NEWER = {"cumulative_prod", "cumulative_sum", "matvec", "unstack", "vecmat"}


@pytest.mark.parametrize("ours", [dnp, dnp.linalg, dnp.fft], ids=["numpy", "numpy.linalg", "numpy.fft"])
def test_namespace_has_nothing_that_is_not_covered(ours):
    answers = {id(f) for f in FUNCTIONS.values()}
    uncovered = [
        name
        for name, value in vars(ours).items()
        if callable(value)
        and not name.startswith("_")
        and not isinstance(value, type)
        and name not in NO_ARRAY_ARGUMENTS
        and value is not dnp.asarray_chkfinite  # NumPy does not hand it over
        and not (name in NEWER and not hasattr(np, name))
        and not _in_registry(value)
        and id(value) not in answers
    ]
    assert uncovered == []


def test_namespace_is_that_of_the_array_api():
    assert seen(reverse, lambda x: x.__array_namespace__()) is dnp
    assert dnp.newaxis is None and dnp.pi == math.pi and dnp.float32 is np.float32
    assert dnp.linalg.matmul is np.linalg.matmul


# A method, a version of a signature or a name that NumPy gave up on purpose.
@pytest.mark.parametrize(
    "function",
    [f for f in FUNCTIONS if not isinstance(f, np.ufunc) and not isinstance(FUNCTIONS[f], Op)],
    ids=lambda f: f"{f.__module__}.{f.__name__}",
)
def test_function_takes_numpys_keywords(function):
    try:
        theirs = inspect.signature(function).parameters
    except ValueError:
        pytest.skip("NumPy states no signature for it")
    ours = inspect.signature(FUNCTIONS[function]).parameters
    if any(p.kind is p.VAR_KEYWORD for p in ours.values()):
        return
    named = [k for k, p in theirs.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    assert [k for k in named if k not in ours and k != "like"] == []
    order = [k for k, p in theirs.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if function is np.reshape and "shape" not in theirs:
        order[order.index("newshape")] = "shape"  # by place; newshape= is a keyword of ours
    assert [k for k in ours if k in order] == order


# -------------------------------------------------- conversions
@each_mode
@pytest.mark.parametrize(
    "convert",
    [
        float,
        complex,
        lambda x: x.item(),
        lambda x: x.tolist(),
        math.sin,
        math.floor,
        lambda x: "%.2f" % x,  # noqa: UP031
        np.float64,
        np.asarray,
        lambda x: np.array([x, x]),
        lambda x: np.asarray([x, 1.0]),
        lambda x: np.array([x, 1.0], dtype=object),
        lambda x: np.array(x, dtype=object),
        lambda x: np.sin([x, x]),
        lambda x: np.sum([x, x]),
        lambda x: np.ma.masked_array(x),
        lambda x: np.vectorize(lambda v: v)(x),
        lambda x: np.asarray_chkfinite(x),
    ],
    ids=[
        "float", "complex", "item", "tolist", "math.sin", "math.floor", "%", "np.float64", "asarray",
        "array-list", "asarray-list", "array-list-object", "array-object", "ufunc-of-list", "sum-of-list",
        "masked", "vectorize", "chkfinite",
    ],
)  # fmt: skip
@convention("CV-5", "CV-6", "NP-1", "NP-3")
def test_conversion_to_numbers_is_refused(run, convert):
    with pytest.raises(dd.errors.ConversionError, match=r"stop_gradient|np\.stack"):
        run(lambda x: convert(x), 2.0)
    assert issubclass(dd.errors.ConversionError, TypeError)


@each_mode
@convention("NP-4")
def test_writing_into_a_plain_array_is_refused(run):
    def whole(x):
        a = np.zeros(3)
        a[:] = x
        return a

    def in_place(x):
        a = np.zeros(3)
        a += x
        return a

    def element(x):
        a = np.zeros(3)
        a[0] = x[0]
        return a

    for f in (whole, in_place, element):
        with pytest.raises(dd.errors.ConversionError, match=r"numpy\.zeros"):
            run(f, X)


@each_mode
@convention("CV-1", "CV-2", "CV-3", "CV-4")
def test_python_sees_the_primal(run):
    assert seen(run, lambda x: bool(x[0]))
    assert seen(run, lambda x: not x[0]) is False
    assert seen(run, lambda x: int(x[2])) == 3
    assert seen(run, lambda x: len(x)) == 3
    assert seen(run, lambda x: f"{x[0]:.3f}") == "1.500"
    assert seen(run, str) == str(X)
    assert "Tensor" in seen(run, repr)
    assert seen(run, lambda x: -2.0 in x) and not seen(run, lambda x: 7.0 in x)
    with pytest.raises(ValueError, match="ambiguous"):
        run(lambda x: x if x else -x, X)
    with pytest.raises(TypeError):
        run(lambda x: range(x[2]), X)
    with pytest.raises(TypeError):
        run(lambda x: len(x[0]), X)
    with pytest.raises(TypeError):
        run(lambda x: list(x[0]), X)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_native_control_flow_steers_by_the_primal(mode):
    f = dd.grad(lambda x: x * x if x > 0 else -x, mode=mode)
    assert (f(2.0), f(-2.0)) == (4.0, -1.0)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@convention("CV-3", "CV-9")
def test_unpacking_iterating_and_copying_keep_the_derivative(mode):
    def f(x):
        a, b, c = x
        return a * b + sum(x) + copy.copy(c) * copy.deepcopy({"k": [c]})["k"][0] + max(x)

    np.testing.assert_array_equal(dd.grad(f, mode=mode)(X), [-2 + 1, 1.5 + 1, 2 * 3 + 1 + 1])


@each_mode
@convention("CV-7")
def test_stopped_value_is_a_plain_array(run):
    assert seen(run, lambda x: float(dd.stop_gradient(x[0]))) == 1.5
    assert type(seen(run, dd.stop_gradient)) is np.ndarray


@each_mode
@convention("CV-8")
def test_shape_and_dtype_are_plain(run):
    x = X.astype(np.float32).reshape(3, 1)
    facts = seen(
        run,
        lambda x: (
            x.shape, x.dtype, x.ndim, x.size, x.itemsize, x.nbytes,
            np.shape(x), np.ndim(x), np.size(x), np.size(x, 0), np.result_type(x, 1.0), np.result_type(x, X),
            np.iscomplexobj(x), np.isrealobj(x), np.can_cast(x, np.float64), np.common_type(x),
        ),
        x,
    )  # fmt: skip
    assert facts == (
        (3, 1), np.float32, 2, 3, 4, 12,
        (3, 1), 2, 3, 3, np.float32, np.float64,
        False, True, True, np.float32,
    )  # fmt: skip
    assert all(not isinstance(fact, dd.core.Tracer) for fact in facts)


@each_mode
@convention("NP-11")
def test_tensor_is_no_ndarray(run):
    assert not seen(run, lambda x: isinstance(x, np.ndarray))


# -------------------------------------------------- operators and ufuncs
LEFT = {
    "ndarray": Y,
    "int array": np.array([1, 2, 3]),
    "0-d": np.array(2.0),
    "np.float64": np.float64(2),
    "np.float32": np.float32(2),
    "np.int64": np.int64(2),
    "float": 2.0,
    "int": 3,
    "list": [1.0, 2.0, 3.0],
}
OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "%": lambda a, b: a % b,
    "//": lambda a, b: a // b,
    "divmod": lambda a, b: divmod(a, b)[1],
}


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("left", LEFT)
@convention("NP-9")
def test_operand_on_either_side(left, symbol):
    f, c = OPERATORS[symbol], LEFT[left]
    for g in (lambda x: f(c, x), lambda x: f(x, c)):
        y, pullback = dd.vjp(g, np.abs(X))
        np.testing.assert_array_equal(y, g(np.abs(X)))
        step = 1e-6
        quotient = (g(np.abs(X) + step) - g(np.abs(X) - step)) / (2 * step)
        if symbol in ("//", "%", "divmod"):  # jumps where an operand is a multiple of the other
            quotient = np.where(np.abs(quotient) > 1e3, np.nan, quotient)
        expected = np.where(np.isnan(quotient), pullback(ONES)[0], quotient)
        np.testing.assert_allclose(pullback(ONES)[0], expected, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(dd.jvp(g, (np.abs(X),), (ONES,))[1], pullback(ONES)[0], rtol=1e-13)


@each_mode
def test_reflected_operator_is_one_operation(run):
    assert type(seen(run, lambda x: Y * x)).__name__ in ("DualTensor", "TapeTensor")
    assert type(seen(run, lambda x: np.eye(3) @ x)).__name__ in ("DualTensor", "TapeTensor")


def test_matmul_with_an_array_on_the_left():
    A = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(dd.jacobian(lambda x: A @ x)(X), A)
    np.testing.assert_array_equal(dd.jacobian(lambda x: x @ A.T)(X), A)


@convention("INT-12")
def test_comparison_gives_plain_booleans():
    for run in (forward, reverse):
        for question in (lambda x: x > 0, lambda x: np.less(Y, x), lambda x: x == Y, np.isnan, np.signbit):
            answer = seen(run, question)
            assert type(answer) is np.ndarray and answer.dtype == bool
            np.testing.assert_array_equal(answer, question(X))


@each_mode
def test_ufunc_dtype_is_honoured(run):
    for f in (
        lambda x: np.add(x, 1, dtype=np.float32),
        lambda x: np.sin(x, dtype=np.float32),
        lambda x: np.multiply(x, Y, dtype=np.longdouble),
        lambda x: np.exp(x, dtype=complex),
        lambda x: np.add.reduce(x, dtype=np.float32),
    ):
        y = run(f, X)
        assert y.dtype == f(X).dtype
        np.testing.assert_array_equal(y, f(X))
    assert dd.grad(lambda x: np.sum(np.sin(x, dtype=np.float32)))(X).dtype == np.float64


@each_mode
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.add(x, 1j * ONES, dtype=float),
        lambda x: np.add(x, Y.astype(np.float32), casting="no"),
        lambda x: np.add(x, x, dtype=np.float32, casting="safe"),
        lambda x: np.add(x, x, dtype=int),
    ],
)
def test_ufunc_casting_is_numpys(run, f):
    with pytest.raises(TypeError, match=r"[Cc]ast"):
        f(X)
    with pytest.raises(TypeError, match=r"[Cc]ast"):
        run(f, X)


@each_mode
def test_complex_number_is_not_cast_to_float(run):
    f = lambda x: np.add(x, 1j, dtype=float)  # noqa: E731
    with pytest.raises(TypeError, match=r"[Cc]ast|float\(\) argument"):  # NumPy 2.0 calls float(1j)
        f(X)
    with pytest.raises(TypeError, match=r"[Cc]ast"):
        run(f, X)


@each_mode
@pytest.mark.parametrize(
    "f, keyword",
    [
        (lambda x: np.add(x, 1, where=X > 0), "where="),
        (lambda x: np.add(x, 1, out=np.zeros(3)), "out="),
        (lambda x: np.modf(x, out=(None, np.zeros(3))), "out="),
        (lambda x: np.add(x, 1, signature="dd->d"), "signature="),
        (lambda x: np.less(x, 1, dtype=bool), "dtype="),
        (lambda x: np.sum(x, out=np.zeros(())), "out="),
        (lambda x: np.cumsum(x, out=np.zeros(3)), "out="),
        (lambda x: np.matmul(np.eye(3), x, out=np.zeros(3)), "out="),
        (lambda x: np.concatenate([x, x], out=np.zeros(6)), "out="),
        (lambda x: np.take(x, [0], out=np.zeros(1)), "out="),
        (lambda x: np.isneginf(x, out=np.zeros(3, bool)), "out="),
        (lambda x: np.fix(x, out=np.zeros(3)), "out="),
        (lambda x: np.fix(x, np.zeros(3)), "out"),
    ],
)
@convention("NP-7", "NP-8")
def test_keyword_without_a_rule_is_refused_by_name(run, f, keyword):
    with pytest.raises(TypeError, match=keyword):
        run(f, X)


@each_mode
def test_ufunc_where_true_and_technical_keywords_pass(run):
    f = lambda x: np.add(x, 1, where=True, order="K", subok=True, casting="same_kind", out=None)  # noqa: E731
    np.testing.assert_array_equal(run(f, X), X + 1)


OUTER = {
    "add.outer": lambda x: np.add.outer(x, Y),
    "subtract.outer-left": lambda x: np.subtract.outer(Y, x),
    "multiply.outer-both": lambda x: np.multiply.outer(x, x),
    "divide.outer": lambda x: np.divide.outer([[1.0, 2.0]], x),
    "power.outer": lambda x: np.power.outer(np.abs(x), [2.0, 3.0]),
    "hypot.outer": lambda x: np.hypot.outer(x, Y),
    "maximum.outer": lambda x: np.maximum.outer(x, Y),
    "arctan2.outer": lambda x: np.arctan2.outer(x, Y),
    "logaddexp.outer": lambda x: np.logaddexp.outer(x, Y),
    "remainder.outer": lambda x: np.remainder.outer(Y, np.abs(x) + 0.1),
    "ldexp.outer": lambda x: np.ldexp.outer(x, [1, 2]),
    "scalar": lambda x: np.multiply.outer(x[0], x),
    "add.reduce": np.add.reduce,
    "add.reduce-axis": lambda x: np.add.reduce(np.outer(x, Y), axis=1),
    "add.reduce-0": lambda x: np.add.reduce(np.outer(x, Y)),
    "add.reduce-None": lambda x: np.add.reduce(np.outer(x, Y), axis=None, keepdims=True),
    "add.reduce-where": lambda x: np.add.reduce(x, where=X > 0, initial=1.0),
    "multiply.reduce": np.multiply.reduce,
    "maximum.reduce": lambda x: np.maximum.reduce(np.outer(x, Y), axis=1),
    "minimum.reduce": np.minimum.reduce,
    "add.accumulate": lambda x: np.add.accumulate(np.outer(x, Y), axis=1),
    "add.accumulate-0": lambda x: np.add.accumulate(np.outer(x, Y)),
    "multiply.accumulate": np.multiply.accumulate,
}


@pytest.mark.parametrize("f", OUTER.values(), ids=OUTER.keys())
def test_ufunc_method_is_numpys(f):
    y, pullback = dd.vjp(f, X)
    np.testing.assert_allclose(y, f(X), rtol=1e-15)
    assert np.shape(y) == np.shape(f(X))
    y_dot = dd.jvp(f, (X,), (Y,))[1]
    step = 1e-6
    np.testing.assert_allclose(y_dot, (f(X + step * Y) - f(X - step * Y)) / (2 * step), rtol=1e-7, atol=1e-8)
    y_bar = np.cos(np.arange(np.size(y))).reshape(np.shape(y))
    assert np.sum(y_bar * y_dot) == pytest.approx(np.sum(pullback(y_bar)[0] * Y), rel=1e-12)


@each_mode
def test_ufunc_outer_of_questions_is_plain(run):
    answer = seen(run, lambda x: np.less.outer(Y, x))
    assert type(answer) is np.ndarray
    np.testing.assert_array_equal(answer, np.less.outer(Y, X))


@each_mode
@pytest.mark.parametrize(
    "f, name",
    [
        (lambda x: np.power.reduce(x), r"np\.power\.reduce"),
        (lambda x: np.busday_count(x, x), r"np\.busday_count"),
        (lambda x: np.packbits(x), r"np\.packbits"),
        (lambda x: np.savetxt("never", x), r"np\.savetxt"),
        (lambda x: np.unpackbits(x), r"np\.unpackbits"),
        (lambda x: np.frompyfunc(lambda v: v, 1, 1)(x), r"vectorized"),
        (lambda x: x.resize(3), r"ndarray\.resize changes[\s\S]*np\.resize"),
        (lambda x: x.tofile("never"), r"ndarray\.tofile"),
        (lambda x: x.strides, r"ndarray\.strides"),
        (lambda x: x.data, r"ndarray\.data"),
        (lambda x: x.flags, r"ndarray\.flags"),
        (lambda x: x.tobytes(), r"ndarray\.tobytes"),
    ],
)
@convention("NP-6")
def test_what_has_no_rule_is_refused_by_name(run, f, name):
    with pytest.raises((dd.errors.NoDerivative, dd.errors.MutationError), match=name):
        run(f, X)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_flat_and_device_keep_the_derivative(mode):
    x = np.arange(4.0).reshape(2, 2)
    found = dd.grad(lambda x: x.flat[1] ** 2 + sum(x.to_device(x.device).flat), mode=mode)(x)
    np.testing.assert_array_equal(found, [[1, 3], [1, 1]])
    assert seen(forward if mode == "forward" else reverse, lambda x: x.view() is x.view(float))
    with pytest.raises(dd.errors.NoDerivative, match="view"):
        dd.grad(lambda x: x.view(int), mode=mode)(1.0)
    with pytest.raises(ValueError, match="cpu"):
        dd.grad(lambda x: x.to_device("gpu"), mode=mode)(1.0)


@each_mode
def test_unknown_names_stay_attribute_errors(run):
    assert not seen(run, lambda x: hasattr(x, "nonsense"))
    with pytest.raises(TypeError):
        run(lambda x: np.sum(x, nonsense=1), X)
    with pytest.raises(TypeError):
        run(lambda x: pow(x, 2, 5), X)


@convention("NP-5")
def test_function_with_a_rule_is_right_where_a_peer_is_silent():
    np.testing.assert_array_equal(dd.grad(lambda x: np.tensordot(x, x, 1))(X), 2 * X)
    np.testing.assert_array_equal(dd.grad(lambda x: np.nextafter(x, 9.0).sum())(X), ONES)


# -------------------------------------------------- other kinds of operand
@each_mode
@pytest.mark.parametrize(
    "operand",
    [
        np.array([1, 2, 3], dtype=object),
        Fraction(1, 2),
        Decimal("0.5"),
        np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]),
        np.array([(1.0,), (2.0,), (3.0,)], dtype=[("a", float)]),
        np.array(["a", "b", "c"]),
        "a",
        None,
    ],
    ids=lambda operand: type(operand).__name__ + str(getattr(operand, "dtype", "")),
)
@convention("NP-10")
def test_operand_that_is_no_array_of_numbers_is_refused(run, operand):
    for f in (lambda x: x * operand, lambda x: operand * x, lambda x: np.add(x, operand)):
        with pytest.raises(TypeError):
            run(lambda x, f=f: np.sum(f(x) * 1.0), X)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@each_mode
@convention("NP-10")
def test_matrix_is_refused(run):
    M = np.matrix(np.eye(3))
    for f in (lambda x: x * M, lambda x: M * x, lambda x: M @ x):
        with pytest.raises(TypeError):
            run(f, X)
    with pytest.raises(TypeError):
        run(lambda x: x, M)


@pytest.mark.parametrize(
    "x", [np.ma.masked_array(X), np.array([(1.0,)], dtype=[("a", float)]), np.array([1.0, 2.0], object)]
)
def test_input_that_is_no_array_of_numbers_is_refused(x):
    with pytest.raises(TypeError):
        dd.grad(np.sum)(x)


@each_mode
def test_tensors_in_an_object_array_do_not_leave_the_transform(run):
    def f(x):
        a = np.empty(2, object)
        a[0], a[1] = x[0], x[1]
        return a

    with pytest.raises(TypeError):
        run(f, X)


# -------------------------------------------------- arrays made of tensors
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: dnp.array([x[0], x[1]]),
        lambda x: dnp.array([[x[0], 2.0], [3, x[1]]]),
        lambda x: dnp.array([x, X]),
        lambda x: dnp.array((x[0], [x[1], x[2]][0]), dtype=np.float64, ndmin=3),
        lambda x: dnp.asarray([x[0], np.array(1.0)]),
        lambda x: dnp.asanyarray(x),
        lambda x: dnp.asarray(x, copy=True),
        lambda x: dnp.require(x, float, "C"),
        lambda x: dnp.full((2, 3), x),
        lambda x: dnp.full_like(np.zeros((2, 3)), x),
        lambda x: dnp.linspace([x[0], 1.0], x[2], 4),
        lambda x: dnp.pad(X, 1, constant_values=x[0]),
        lambda x: np.stack([x[0], x[1]]),
        lambda x: dnp.where(X > 0, x, 0.0),
        lambda x: dnp.zeros(3) + x,
        lambda x: np.eye(3, like=x) @ x,
        lambda x: np.arange(3.0, like=x) + np.ones(3, like=x) * x - np.zeros(3, like=x),
    ],
)
@convention("NP-2")
def test_array_of_tensors_carries_the_derivative(f, mode):
    J = dd.jacobian(f, mode=mode)(X)
    base = f(np.zeros(3))
    expected = np.stack([f(row) - base for row in np.eye(3)], axis=-1)
    np.testing.assert_allclose(J, expected, atol=1e-15)
    np.testing.assert_array_equal(reverse(f, X), f(X))
    np.testing.assert_array_equal(dd.vmap(f)(np.stack([X, Y])), np.stack([f(X), f(Y)]))


@pytest.mark.parametrize(
    "value", [[1, 2.5], [[1], [2]], (1, 2), 3, np.float32(2), np.arange(3), [True], [np.float32(1), 2]]
)
def test_array_of_plain_values_is_numpys(value):
    for ours, theirs in ((dnp.array, np.array), (dnp.asarray, np.asarray)):
        found, expected = ours(value), theirs(value)
        assert type(found) is np.ndarray and found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, strict=True)


def test_asarray_chkfinite_looks_at_the_value():
    np.testing.assert_array_equal(
        dd.grad(lambda x: np.sum(dnp.asarray_chkfinite([x[0], x[2]])))(X), [1, 0, 1]
    )
    with pytest.raises(ValueError):
        dd.grad(lambda x: np.sum(dnp.asarray_chkfinite(x * np.array([1.0, 1.0, np.inf]))))(X)
    with pytest.raises(dd.errors.ControlFlowError):
        dd.vmap(dnp.asarray_chkfinite)(np.stack([X, Y]))


def test_array_of_tensors_of_different_shapes_is_refused():
    with pytest.raises(ValueError):
        dd.vjp(lambda x: dnp.array([x, x[0]]), X)


def test_dtypes_of_mixed_sequences_are_numpys():
    x = X.astype(np.float32)
    assert reverse(lambda x: dnp.array([x[0], x[1]]), x).dtype == np.float32
    assert reverse(lambda x: dnp.array([x[0], 1.0]), x).dtype == np.array([x[0], 1.0]).dtype
    assert reverse(lambda x: dnp.array([x[0], np.float32(1)]), x).dtype == np.float32
    assert reverse(lambda x: dnp.array([x[0], 1j]), x).dtype == np.array([x[0], 1j]).dtype


# -------------------------------------------------- questions with plain answers
QUESTIONS = {
    "isfinite": np.isfinite,
    "isneginf": np.isneginf,
    "isposinf": np.isposinf,
    "isreal": np.isreal,
    "iscomplex": np.iscomplex,
    "isclose": lambda x: np.isclose(x, [1.5, -2.1, 3.0], atol=0.2),
    "isin": lambda x: np.isin(x, [3.0, 1.5]),
    "isin-invert": lambda x: np.isin([1.5, 7.0], x, invert=True),
    "less": lambda x: x < 2,
}
WHOLE = {
    "allclose": lambda x: np.allclose(x, X + 1e-9),
    "array_equal": lambda x: np.array_equal(x, X),
    "array_equiv": lambda x: np.array_equiv([X, X], x),
    "flatnonzero": lambda x: np.flatnonzero(x > 0),
    "flatnonzero-values": lambda x: np.flatnonzero(x),
    "argwhere": lambda x: np.argwhere(x),
    "nonzero": lambda x: np.nonzero(x)[0],
    "min_scalar_type": lambda x: np.min_scalar_type(x),
    "shares_memory": lambda x: np.shares_memory(x, Y),
    "may_share_memory": lambda x: np.may_share_memory(x, Y),
    "array_str": lambda x: np.array_str(x, precision=2),
    "array_repr": np.array_repr,
    "array2string": lambda x: np.array2string(x, separator=","),
    "diag_indices_from": lambda x: np.diag_indices_from(np.outer(x, x)),
    "triu_indices_from": lambda x: np.triu_indices_from(np.outer(x, x), 1),
    "einsum_path": lambda x: str(np.einsum_path("i,i->", x, x)[0]),
    "isscalar": lambda x: np.isscalar(x),
    "iterable": lambda x: np.iterable(x),
    "can_cast": lambda x: np.can_cast(x, np.float32, "same_kind"),
}


@each_mode
@pytest.mark.parametrize("f", [*QUESTIONS.values(), *WHOLE.values()], ids=[*QUESTIONS, *WHOLE])
def test_question_has_numpys_plain_answer(run, f):
    answer, expected = seen(run, f), f(X)
    assert type(answer) is type(expected)
    np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize("f", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_elementwise_question_is_batched(f):
    batch = np.stack([X, Y, np.array([np.inf, -np.inf, np.nan])])
    np.testing.assert_array_equal(dd.vmap(f)(batch), np.stack([f(x) for x in batch]))


@pytest.mark.parametrize(
    "name",
    ["allclose", "array_equal", "array_equiv", "flatnonzero", "flatnonzero-values", "argwhere", "nonzero"],
)
def test_whole_question_about_a_batch_is_refused(name):
    with pytest.raises(dd.errors.ControlFlowError):
        dd.vmap(WHOLE[name])(np.stack([X, Y]))


def test_question_under_two_levels_is_asked_of_the_innermost_value():
    f = dd.grad(lambda x: dd.grad(lambda y: np.sum(y**2) * (2.0 if np.allclose(y, x) else 0.0))(x)[0])
    np.testing.assert_array_equal(f(X), [4, 0, 0])


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_real_if_close_keeps_the_derivative(mode):
    gradient = dd.grad(lambda x: np.sum(np.real_if_close(x * (1 + 0j)) ** 2), mode=mode)(X)
    np.testing.assert_array_equal(gradient, 2 * X)
    assert seen(reverse, lambda x: np.real_if_close(x * 1j).dtype.kind) == "c"
