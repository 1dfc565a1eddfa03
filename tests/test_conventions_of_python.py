"""What Python and NumPy make of a live tensor: truth, numbers, items, text, arrays, functions, keywords."""

import cmath
import copy
import math
import operator

import numpy as np
import pytest
from conventions import convention, each_mode, table

import dualdiff as dd
import dualdiff.numpy as dnp
from dualdiff import errors

X = np.array([1.0, 2.0, 3.0])


def seen(f, mode, x=X):
    """What f gives for a live tensor."""
    found = []
    dd.grad(lambda x: (found.append(f(x)), np.sum(x))[1], mode=mode)(x)
    return found[0]


# -------------------------------------------------- what works on the value
def branch(x):
    return x * x if x > 0 else -x


def loop(x):
    while x > 1:
        x = x / 3
    return x


def turned(x):
    return -x if not x else x * x


@pytest.mark.parametrize(
    ("f", "points", "slopes"),
    table(
        ("CV-1 an if takes the branch of the value", branch, [2.0, -2.0], [4.0, -1.0]),
        ("CV-1 a while runs as often as the value asks for", loop, [2.0, 0.5], [1 / 3, 1.0]),
        ("CV-1 not asks the value", turned, [2.0, 0.0], [4.0, -1.0]),
    ),
)
@each_mode
def test_control_flow_is_that_of_the_value(f, points, slopes, mode):
    gradient = dd.grad(f, mode=mode)
    assert [gradient(x) for x in points] == slopes
    value, pullback = dd.vjp(lambda x: dd.grad(f, mode=mode)(x), points[0])  # as one of an outer transform
    assert value == slopes[0] and pullback(1.0)[0] == dd.grad(gradient)(points[0])


@pytest.mark.parametrize(
    ("f", "expected"),
    table(
        ("CV-1 truth", lambda x: (bool(x[0]), not x[0], bool(x[0] - 1)), (True, False, False)),
        ("CV-1 membership", lambda x: (2.0 in x, 5.0 in x), (True, False)),
        ("CV-2 int", lambda x: (int(x[2]), int(-x[1] / 4)), (3, 0)),
        ("CV-2 a place found in a tensor is an index", lambda x: X[np.argmax(x)], 3.0),
        ("CV-2 and counts", lambda x: list(range(np.argmax(x))), [0, 1]),
        ("CV-2 integers of a tensor are too", lambda x: "abcd"[x.astype(int)[2]], "d"),
        ("CV-3 len", len, 3),
        (
            "CV-4 text",
            lambda x: (f"{x[1]:.3f}", format(x[2], ".1f"), f"{x[0]}", str(x)),
            ("2.000", "3.0", "1.0", "[1. 2. 3.]"),
        ),
        (
            "CV-8 shape",
            lambda x: (x.shape, x.ndim, x.size, np.shape(x), np.ndim(x), np.size(x)),
            ((3,), 1, 3, (3,), 1, 3),
        ),
        ("CV-8 dtype", lambda x: (x.dtype, np.result_type(x), np.iscomplexobj(x)), (float, float, False)),
        ("NP-11 is no array of NumPy's", lambda x: isinstance(x, np.ndarray), False),
    ),
)
@each_mode
def test_python_sees_the_value(f, expected, mode):
    found = seen(f, mode)
    assert found == expected
    parts = found if isinstance(found, tuple) else (found,)
    assert not any(isinstance(part, dd.core.Tracer) for part in parts)


@pytest.mark.parametrize(
    "use", [operator.index, lambda x: range(x), lambda x: [1, 2, 3][x], lambda x: X[x]],
    ids=["index", "range", "list", "array"],
)  # fmt: skip
@each_mode
@convention("CV-2")
def test_float_is_no_index_as_in_numpy(use, mode):
    with pytest.raises((TypeError, IndexError)):
        use(np.float64(1.0))
    with pytest.raises(TypeError):
        dd.grad(lambda x: use(x[0]), mode=mode)(X)


@pytest.mark.parametrize(
    ("mode", "kind"),
    table(("CV-4 forward", "forward", "DualTensor"), ("CV-4 reverse", "reverse", "TapeTensor")),
)
def test_repr_names_the_kind_of_tensor(mode, kind):
    assert seen(repr, mode).startswith(f"{kind}(array([1., 2., 3.])")


@each_mode
@convention("CV-3")
def test_items_carry_derivatives(mode):
    def f(x):
        a, b, _ = x
        first, *others = x
        return a * b + sum(v * v for v in others) + first + max(x)

    np.testing.assert_array_equal(dd.grad(f, mode=mode)(X), [2 + 1, 1 + 4, 6 + 1])


@each_mode
@convention("CV-7")
def test_stopped_value_is_plain_and_converts(mode):
    assert seen(lambda x: float(dd.stop_gradient(x)[0]), mode) == 1.0
    assert seen(lambda x: math.sin(dd.stop_gradient(x[1])), mode) == math.sin(2.0)
    assert type(seen(dd.stop_gradient, mode)) is np.ndarray


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: copy.deepcopy({"a": [x]})["a"][0]])
@each_mode
@convention("CV-9")
def test_copy_keeps_the_derivative_and_is_written_alone(duplicate, mode):
    def f(x):
        y = duplicate(x)
        y[0] = 5.0
        z = duplicate(x)
        x[1] = 7.0
        return np.sum(x * x) + np.sum(y * y) + np.sum(z * z)

    np.testing.assert_array_equal(dd.grad(f, mode=mode)(X), [2 + 2, 4 + 4, 6 + 6 + 6])


# -------------------------------------------------- what would drop the derivative
def numbers_of(module, *xs):
    """The functions of a module of Python's that take these numbers."""
    for name, f in vars(module).items():
        if callable(f) and not name.startswith("_"):
            try:
                f(*xs)
            except (TypeError, ValueError):
                continue
            yield pytest.param(f, xs, id=f"CV-6 {module.__name__}.{name} of {len(xs)}")


@pytest.mark.parametrize(
    ("f", "xs"),
    [
        *(p for module in (math, cmath) for p in numbers_of(module, 0.5)),
        *(p for p in numbers_of(math, 0.5, 0.5) if "prod" not in p.id),
    ],
)
@each_mode
def test_functions_of_math_are_refused(f, xs, mode):
    with pytest.raises(TypeError, match="stop_gradient"):
        dd.grad(lambda x: f(x, *xs[1:]), mode=mode)(xs[0])


WRITE = r"np\.stack|numpy\.array"


def write_element(x):
    a = np.zeros(3)
    a[0] = x[0]
    return np.sum(a)


def write_all(x):
    a = np.zeros(3)
    a[:] = x
    return np.sum(a)


@pytest.mark.parametrize(
    ("f", "named"),
    table(
        ("CV-5 float", lambda x: float(x[0]), "stop_gradient"),
        ("CV-5 complex", lambda x: complex(x[0]), "stop_gradient"),
        ("CV-5 item", lambda x: x[0].item(), "stop_gradient"),
        ("CV-5 tolist", lambda x: x.tolist(), "stop_gradient"),
        ("NP-1 an array of items", lambda x: np.array([x[0], x[1]]), WRITE),
        ("NP-1 asarray", lambda x: np.sum(np.asarray(x)), WRITE),
        ("NP-1 asarray of a list with numbers", lambda x: np.asarray([x[0], 1.0]), WRITE),
        ("NP-1 a number of NumPy's", lambda x: np.float64(x[0]), WRITE),
        ("NP-3 a ufunc of a list", lambda x: np.sum(np.sin([x[0], x[1]])), WRITE),
        ("NP-3 a reduction of a list", lambda x: np.sum([x[0], x[1]]), WRITE),
        ("NP-4 an element of a plain array", write_element, r"numpy\.zeros|np\.stack"),
        ("NP-4 a whole plain array", write_all, r"numpy\.zeros|np\.zeros_like"),
        ("NP-4 copyto", lambda x: np.copyto(X.copy(), x), r"numpy\.zeros"),
    ),
)
@each_mode
def test_derivative_is_never_dropped_in_silence(f, named, mode):
    with pytest.raises(errors.ConversionError, match=named) as caught:
        dd.grad(lambda x: np.sum(f(x)), mode=mode)(X)
    assert isinstance(caught.value, TypeError)


@each_mode
@convention("NP-4")
def test_array_made_for_tensors_takes_them(mode):
    def f(x):
        a, b = dnp.zeros(3), np.zeros_like(x)
        a[0], b[1:] = x[0], x[:2]
        return np.sum(a * a) + np.sum(b)

    np.testing.assert_array_equal(dd.grad(f, mode=mode)(X), [3, 1, 0])


# -------------------------------------------------- NumPy's functions
@pytest.mark.parametrize(
    ("f", "expected"),
    table(
        ("NP-2 array with like=", lambda x: np.array([x[0], x[1]], like=x), [1, 1, 0]),
        ("NP-2 array of the namespace", lambda x: dnp.array([x[0], x[1]]), [1, 1, 0]),
        ("NP-2 stack", lambda x: np.stack([x[0], x[1]]), [1, 1, 0]),
        ("NP-5 tensordot", lambda x: np.tensordot(x, x, 1), [2, 4, 6]),
        ("NP-9 an array on the left", lambda x: X * x + X @ x, [4, 8, 12]),
        ("NP-9 a matrix on the left", lambda x: np.eye(3) @ x, [1, 1, 1]),
        ("NP-9 a number as a base", lambda x: 2.0**x, np.log(2) * 2**X),
    ),
)
@each_mode
def test_plain_numpy_is_differentiated(f, expected, mode):
    gradient = dd.grad(lambda x: np.sum(f(x)), mode=mode)
    np.testing.assert_allclose(gradient(X), expected, rtol=1e-15)
    np.testing.assert_allclose(dd.vmap(gradient)(np.stack([X, X])), [expected] * 2, rtol=1e-15)


@each_mode
@convention("NP-9")
def test_reflected_operator_is_one_operation(mode):
    """The array does not go through its elements: f runs once, and gives one tensor."""
    for f in (lambda x: X * x, lambda x: np.eye(3) @ x, lambda x: 2.0**x, lambda x: X - x, lambda x: X / x):
        assert type(seen(f, mode)).__name__ in ("DualTensor", "TapeTensor")


@pytest.mark.parametrize(
    ("f", "named"),
    table(
        ("NP-6 ER-3 a function without a rule", np.packbits, r"np\.packbits[\s\S]*add-an-op"),
        ("NP-6 ER-3 a method of a ufunc without one", np.power.reduce, r"np\.power\.reduce"),
        ("NP-7 out= of a plain array", lambda x: np.sum(x, out=np.zeros(())), "out="),
        ("NP-7 NP-8 signature=", lambda x: np.add(x, 1, signature="dd->d"), "signature="),
        ("NP-7 dtype= of a comparison", lambda x: np.less(x, 1, dtype=bool), "dtype="),
        ("NP-8 where= without out=", lambda x: np.add(x, x, where=X > 1), "where="),
        ("NP-8 out= of a plain array", lambda x: np.add(x, 1.0, out=np.zeros(3)), "out="),
    ),
)
@each_mode
def test_what_has_no_rule_is_refused_by_name(f, named, mode):
    for transform in (
        dd.grad(lambda x: np.sum(f(x)), mode=mode),
        dd.hessian(lambda x: np.sum(f(x)), mode=mode),
    ):
        with pytest.raises(TypeError, match=named):
            transform(X)


@each_mode
@convention("NP-8")
def test_out_and_where_are_exact_where_they_have_a_meaning(mode):
    def f(x):
        y = x * 2.0
        np.multiply(x, x, out=y, where=X > 1)
        return np.sum(y)

    assert dd.value_and_grad(f, mode=mode)(X)[0] == f(X)
    np.testing.assert_array_equal(dd.grad(f, mode=mode)(X), [2, 4, 6])


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize(
    "x",
    [lambda: np.matrix(np.eye(2)), lambda: np.ma.masked_array(X), lambda: np.zeros(2, [("a", float)])],
    ids=["matrix", "masked", "structured"],
)
@each_mode
@convention("NP-10")
def test_other_kinds_of_array_are_refused(x, mode):
    with pytest.raises(TypeError):
        dd.grad(np.sum, mode=mode)(x())
    with pytest.raises(TypeError):
        dd.grad(lambda t: np.sum(t * x()), mode=mode)(2.0)
