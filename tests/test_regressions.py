"""Defects that were found by random programs, each reduced to its least form: one test a defect."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.errors import NoDerivative

by_mode = pytest.mark.parametrize("mode", ["forward", "reverse"])
X = np.array([2.0, 3.0])


def gradient(f, x, mode, **options):
    return dd.grad(lambda x: np.sum(f(x)), mode=mode, **options)(x)


# -------------------------------------------------- elementwise
@by_mode
@pytest.mark.parametrize("x", [X, X.astype(np.float32), X + 1j], ids=lambda x: x.dtype.name)
def test_division_by_python_zero_is_numpys_infinity(x, mode):
    options = {"holomorphic": True} if x.dtype.kind == "c" else {}
    with np.errstate(all="ignore"):
        g = gradient(lambda x: x / 0, x, mode, **options)
    assert not np.isfinite(g).any() and g.dtype == x.dtype


@by_mode
def test_power_of_negative_base_and_complex_exponent_takes_the_complex_logarithm(mode):
    z = np.array([0.3 + 0.2j, -1.0 + 0.5j])
    g = gradient(lambda z: (-2) ** z, z, mode, holomorphic=True)
    np.testing.assert_allclose(g, (-2 + 0j) ** z * np.log(-2 + 0j), rtol=1e-14)


@by_mode
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.float16, np.float32])
def test_power_takes_the_logarithm_of_a_narrow_base_in_the_dtype_of_the_result(dtype, mode):
    g = gradient(lambda x: np.array([3, 7], dtype) ** x, X, mode)
    np.testing.assert_allclose(g, [9 * np.log(3), 343 * np.log(7)], rtol=1e-15)


@by_mode
def test_float_power_takes_lists(mode):
    np.testing.assert_allclose(gradient(lambda x: np.float_power(x, [2, 3]), X, mode), [4, 27])


@by_mode
@pytest.mark.parametrize("number", [3, 0.3, 0.1, 3.0])
@pytest.mark.parametrize("reflected", [False, True])
@pytest.mark.parametrize("f", [np.divide, np.power, np.logaddexp, np.hypot, np.arctan2, np.fmod, np.maximum])
def test_python_number_beside_extended_precision_loses_nothing(f, reflected, number, mode):
    x = np.longdouble(2) / 7
    g = f if not reflected else lambda x, y: f(y, x)
    found = gradient(lambda x: g(x, number), x, mode)
    expected = gradient(lambda x: g(x, np.longdouble(number)), x, mode)
    assert abs(found - expected) <= 4 * np.finfo(np.longdouble).eps * abs(expected)


@by_mode
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8])
@pytest.mark.parametrize("f", [np.divide, np.power, np.logaddexp, np.hypot, np.arctan2, np.float_power])
def test_constant_of_a_narrow_dtype_loses_nothing(f, dtype, mode):
    c = np.array([3.1, -128.0]).astype(dtype)  # for int8 the least number there is
    with np.errstate(all="ignore"):
        found = gradient(lambda x: f(x, c), X, mode)
        np.testing.assert_allclose(found, gradient(lambda x: f(x, c.astype(float)), X, mode), rtol=2e-15)


# -------------------------------------------------- methods and keywords of ufuncs
@by_mode
@pytest.mark.parametrize("axis", [None, (0, 2), (2, 0), (), (1,)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduce_of_hypot_takes_axes(axis, keepdims, mode):
    x = np.arange(1.0, 13.0).reshape(2, 2, 3)
    np.testing.assert_allclose(
        dd.jacobian(lambda x: np.hypot.reduce(x, axis=axis, keepdims=keepdims), mode=mode)(x),
        dd.jacobian(lambda x: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)), mode=mode)(x),
        rtol=1e-13,
        atol=1e-16,
    )


def test_reduce_of_nothing_is_the_identity_or_numpys_error():
    y, y_dot = dd.jvp(np.hypot.reduce, (X[:0],), (X[:0],))
    assert y == y_dot == 0
    with pytest.raises(ValueError, match="no identity"):
        dd.jvp(np.subtract.reduce, (X[:0],), (X[:0],))
    with pytest.raises(ValueError, match="not reorderable"):
        dd.jvp(lambda x: np.divide.reduce(x[None], axis=None), (X,), (X,))


@pytest.mark.parametrize(
    "call", [lambda x: np.sign(x, where=x > 0), lambda x: np.float_power(x, 2, signature="dd->d")]
)
def test_keyword_that_a_function_behind_a_ufunc_lacks_is_named(call):
    with pytest.raises(NoDerivative, match=r"does not support (where|signature)="):
        dd.jvp(call, (X,), (X,))


# -------------------------------------------------- transforms
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("f", [lambda x: x * x, lambda x: 2 * x, lambda x: x, lambda x: 3.0])
def test_jacobian_and_hessian_of_a_number_are_numbers(f, mode):
    assert type(dd.jacobian(f, mode=mode)(2.0)) is np.float64
    assert type(dd.hessian(f, mode=mode)(2.0)) is np.float64


# -------------------------------------------------- linear algebra
@by_mode
@pytest.mark.parametrize("size", [2, 3, 4])
def test_third_derivative_of_the_determinant_at_equal_singular_values(size, mode):
    m = np.random.default_rng(0).normal(size=(size, size))

    def f(t):
        return np.linalg.det(np.eye(size) + t * m)

    thrice = dd.grad(dd.grad(dd.grad(f, mode=mode), mode=mode), mode=mode)
    third = thrice(0.0)
    np.testing.assert_allclose(
        dd.vmap(thrice)(np.array([0.0, 0.25])), [third, thrice(0.25)], rtol=1e-11, atol=1e-12
    )
    minors = np.poly(m)  # det(x - m), so that the coefficient of t**3 in f is minus that of x**(size - 3)
    np.testing.assert_allclose(third, -6 * minors[3] if size > 2 else 0, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 3)])
@pytest.mark.parametrize(
    "f",
    [
        np.linalg.cholesky,
        np.linalg.eigh,
        np.linalg.eigvalsh,
        lambda a: np.linalg.svd(a, hermitian=True),
        lambda a: np.linalg.pinv(a, hermitian=True),
    ],
    ids=["cholesky", "eigh", "eigvalsh", "svd", "pinv"],
)
def test_function_of_a_hermitian_matrix_refuses_other_shapes(f, shape):
    with pytest.raises(np.linalg.LinAlgError):
        dd.jvp(f, (np.ones(shape),), (np.ones(shape),))


@by_mode
def test_gradient_of_the_determinant_of_nan_is_nan(mode):
    a = np.stack([np.eye(2), np.full((2, 2), np.nan), np.array([[1.0, 2.0], [2.0, 4.0]])])
    with np.errstate(all="ignore"):
        g = dd.vmap(dd.grad(np.linalg.det, mode=mode))(a)
    np.testing.assert_allclose(g[[0, 2]], [np.eye(2), [[4, -2], [-2, 1]]], atol=1e-14)
    assert np.isnan(g[1]).all()


@by_mode
@pytest.mark.parametrize("garbage", [1.0, 1e20, np.inf, np.nan])
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_functions_of_a_hermitian_matrix_read_one_triangle(uplo, garbage, mode):
    s = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
    a = np.where(np.tri(3) if uplo == "L" else np.tri(3).T, s, garbage)
    for f in (
        lambda a: np.linalg.cholesky(a, upper=uplo == "U"),
        lambda a: np.linalg.eigvalsh(a, uplo),
        lambda a: np.linalg.eigh(a, uplo)[0],
    ):
        y, j = dd.value_and_jacobian(f, mode=mode)(a)
        np.testing.assert_allclose(y, f(a), rtol=1e-13)
        if np.isfinite(garbage):
            np.testing.assert_allclose(j, dd.jacobian(f, mode=mode)(s), rtol=1e-13)


def test_multi_dot_of_two_arrays_is_dot():
    a, b = np.arange(8.0).reshape(2, 2, 2), np.arange(12.0).reshape(3, 2, 2)
    y, y_dot = dd.jvp(lambda a: np.linalg.multi_dot([a, b]), (a,), (a,))
    np.testing.assert_array_equal(y, np.dot(a, b))
    np.testing.assert_array_equal(y_dot, np.dot(a, b))
    with pytest.raises(np.linalg.LinAlgError):
        dd.jvp(lambda a: np.linalg.multi_dot([a, a, a]), (a,), (a,))


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
@pytest.mark.parametrize("a", [2 * np.eye(2), np.eye(3)[:, :2], np.eye(2, 3) * 0.5, np.diag([3.0, 3, 1])])
def test_second_derivative_of_the_nuclear_norm_at_equal_singular_values(a, outer, inner):
    found = dd.hessian(lambda a: np.linalg.norm(a, "nuc"), mode=(outer, inner))(a)
    steps = 1e-4 * np.eye(a.size).reshape(a.size, *a.shape)

    def polar(a):
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        return u @ vh

    expected = [(polar(a + h) - polar(a - h)) / 2e-4 for h in steps]
    np.testing.assert_allclose(found.reshape(a.size, *a.shape), expected, atol=1e-7)


@pytest.mark.parametrize("p", [1, -1, np.inf, "fro"])
def test_condition_of_a_singular_matrix_is_infinite(p):
    a = np.stack([np.eye(2), np.ones((2, 2)), np.zeros((2, 2))])
    y, slope = dd.jvp(lambda a: np.linalg.cond(a, p), (a,), (np.stack([np.eye(2)] * 3),))
    np.testing.assert_array_equal(y, np.linalg.cond(a, p))
    assert np.isfinite(slope[0]) and np.isposinf(y[1:]).all()
    np.testing.assert_array_equal(dd.vmap(lambda a: np.linalg.cond(a, p))(a), y)


@by_mode
def test_factors_of_a_matrix_of_lower_rank_have_no_derivative(mode):
    y, j = dd.value_and_jacobian(lambda a: np.linalg.qr(a)[1], mode=mode)(np.zeros((2, 2)))
    np.testing.assert_array_equal(y, 0)
    assert np.isnan(j).any()


def test_geometric_sequence_does_not_begin_at_zero():
    with pytest.raises(ValueError, match="cannot include zero"):
        dd.jvp(lambda x: np.geomspace(x, 8.0, 4), (0.0,), (1.0,))


def test_dtype_that_is_none_is_refused():
    with pytest.raises(TypeError):
        dd.jvp(lambda x: np.zeros_like(x, 0), (X,), (X,))


@by_mode
@pytest.mark.parametrize("f", [np.var, np.std])
def test_variance_in_another_dtype_is_that_of_numpy(f, mode):
    y, g = dd.value_and_grad(lambda x: f(x, dtype=np.float32), mode=mode)(X)
    assert y == f(X, dtype=np.float32) and y.dtype == np.float32
    np.testing.assert_allclose(g, dd.grad(f)(X), rtol=1e-6)


# -------------------------------------------------- dtypes
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, np.complex64])
@pytest.mark.parametrize("f", [np.vander, lambda x: np.geomspace(x, 2 * x, 4)], ids=["vander", "geomspace"])
def test_creation_function_gives_numpys_dtype(f, dtype):
    x = np.array([1.5, 2.0], dtype)
    y, y_dot = dd.jvp(f, (x,), (x,))
    assert y.dtype == y_dot.dtype == f(x).dtype
    np.testing.assert_allclose(y, f(x), rtol=1e-14)


def test_fix_of_the_namespace_is_not_the_name_that_numpy_deprecates():
    assert dd.numpy.fix is np.trunc
    assert dd.grad(lambda x: x * dd.numpy.fix(x))(2.5) == 2


# -------------------------------------------------- batches
@pytest.mark.parametrize(
    "f",
    [
        np.linalg.inv,
        np.linalg.qr,
        np.linalg.pinv,
        np.linalg.det,
        np.linalg.svd,
        lambda x: dd.numpy.matvec(x, x),
        lambda x: dd.numpy.vecmat(x, x),
        lambda x: np.linalg.solve(x[0], x),
    ],
    ids=["inv", "qr", "pinv", "det", "svd", "matvec", "vecmat", "solve"],
)
def test_batch_axis_is_no_axis_of_a_matrix(f):
    with pytest.raises(ValueError, match=r"axes|two-dimensional|matrices"):
        dd.vmap(f)(np.eye(3))


@pytest.mark.parametrize("shapes", [((3,), (3, 1)), ((3, 1), (3,)), ((3,), (3,))])
def test_batch_axis_is_no_axis_of_a_product(shapes):
    with pytest.raises(ValueError, match="no axes"):
        dd.vmap(np.matmul)(*map(np.ones, shapes))


def test_where_with_one_branch_is_refused():
    with pytest.raises(ValueError, match="either both or neither"):
        dd.jvp(lambda x: np.where(x > 0, x), (X,), (X,))


# -------------------------------------------------- shapes
def test_vecdot_does_not_broadcast_along_its_axis():
    with pytest.raises(ValueError, match="equal lengths"):
        dd.jvp(lambda x: np.linalg.vecdot(x, np.ones(1)), (X,), (X,))


@by_mode
def test_piecewise_conditions_are_read_as_an_index(mode):
    x, rows = np.arange(4.0).reshape(2, 2), [np.array([True, False]), np.array([False, True])]

    def f(x):
        return np.piecewise(x, rows, [np.square, np.exp])

    y, j = dd.value_and_jacobian(f, mode=mode)(x)
    np.testing.assert_array_equal(y, f(x))
    np.testing.assert_allclose(np.einsum("ijij->ij", j), [[0, 2], np.exp([2, 3])])
    with pytest.raises(IndexError):
        dd.jvp(lambda x: np.piecewise(x, [[True, False, True]], [np.square]), (x,), (x,))


# -------------------------------------------------- arrays that a tape keeps
def test_two_views_of_one_array_are_constants_and_writable_again():
    t, whole = np.ones(1000), np.arange(2000.0)
    left, right = whole[:1000], whole[1000:]
    np.testing.assert_array_equal(
        dd.grad(lambda t: np.sum(t * left + t * right), mode="reverse")(t), left + right
    )
    assert whole.flags.writeable and left.flags.writeable and right.flags.writeable


def test_view_kept_by_an_inner_tape_is_writable_after_the_outer_one():
    t, whole = np.ones(1000), np.arange(2000.0)
    left, right = whole[:1000], whole[1000:]

    def f(t):
        y = np.sum(t * left)
        return y + np.sum(dd.grad(lambda s: np.sum(s * right), mode="reverse")(t) * t)

    np.testing.assert_array_equal(dd.grad(f, mode="reverse")(t), left + right)
    assert whole.flags.writeable and left.flags.writeable and right.flags.writeable
    locked = whole[:]
    locked.flags.writeable = False  # by its owner, and it stays so
    dd.grad(lambda t: np.sum(t * locked[:1000]), mode="reverse")(t)
    assert whole.flags.writeable and not locked.flags.writeable


# -------------------------------------------------- found by python -m dualdiff.testing.fuzz
@by_mode
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_take_reads_booleans_as_zero_and_one(axis, mode):
    x, indices = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([True, False, True])
    y = dd.vjp(lambda x: np.take(x, indices, axis=axis), x, mode=mode)[0]
    np.testing.assert_array_equal(y, np.take(x, indices, axis=axis))


@by_mode
@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x: np.take(x, np.array([1.5])), TypeError),
        (lambda x: np.take_along_axis(x, np.array([True, False]), 0), IndexError),
        (lambda x: np.polyder(np.sum(x)), TypeError),
        (lambda x: np.polyint(np.sum(x)), TypeError),
        (lambda x: np.polyval(np.sum(x), x), TypeError),
        (lambda x: np.lexsort(np.zeros((0, 2)) * x), TypeError),
        (lambda x: np.linalg.tensordot(np.ones((2, 2, 2)) * x, np.ones(3)), ValueError),
        (lambda x: np.float_power(x, None), TypeError),
        (lambda x: np.vsplit(object(), x), ValueError),
        (lambda x: np.hsplit(1.0, x), ValueError),
        (lambda x: np.dsplit("x", x), ValueError),
    ],
)
def test_wrong_call_raises_as_numpy_does(f, error, mode):
    with pytest.raises(error):
        f(X)
    with pytest.raises(error) as caught:
        gradient(f, X, mode)
    assert not isinstance(caught.value, AttributeError)


@by_mode
def test_least_squares_without_equations(mode):
    value, pullback = dd.vjp(lambda a: np.linalg.lstsq(a, np.zeros(0))[0], np.zeros((0, 3)), mode=mode)
    np.testing.assert_array_equal(value, np.zeros(3))
    assert pullback(np.ones(3))[0].shape == (0, 3)


@by_mode
@pytest.mark.parametrize("nothing", [(), [], {"a": None}], ids=repr)
def test_gradient_by_an_empty_container_is_that_container(nothing, mode):
    assert dd.grad(lambda x: np.sum(X), mode=mode)(nothing) == nothing


def test_lambertw_refuses_a_tensor_for_its_tolerance():
    special = pytest.importorskip("scipy.special")
    with pytest.raises(NoDerivative, match="tolerance"):
        dd.grad(lambda tol: special.lambertw(1.0, 0, tol).real)(1e-8)


def test_jacobian_in_forward_mode_reads_a_buffer_before_it_is_filled_anew():
    def f(x):
        buffer = np.array([2.0, 3.0])
        y = x * buffer
        buffer *= 100
        return y

    np.testing.assert_array_equal(dd.jacfwd(f)(X), np.diag([2.0, 3.0]))


@pytest.mark.parametrize("transform", [dd.grad, dd.jacfwd, dd.jacrev, dd.hessian])
def test_function_that_returns_an_integer_beyond_64_bits_is_refused(transform):
    with pytest.raises(dd.errors.StructureError):
        transform(lambda x: 10**20)(2.0)
