"""The derivatives of norms and of linear algebra where they tie, vanish or are not determined."""

import numpy as np
import pytest
from conventions import convention, each_mode, each_way, hold, points, table

import dualdiff as dd

nan, inf = np.nan, np.inf
E2, ZERO = np.eye(2), np.zeros((2, 2))
ORIGIN = [0.0, 0]
TIED = np.array([3.0, -3.0, 0.0, 1.0])
SINGULAR = np.array([[1.0, 2], [2, 4]])
SYMMETRIC = np.array([[2, 0.5], [0.5, 1]])
BY_SMALLEST = [[0.14644660940672624, -0.3535533905932738], [-0.3535533905932738, 0.8535533905932737]]
BY_CORNER = [[-0.08838834764831842, 0.35355339059327373], [0.35355339059327373, 0]]


def weighted(values):
    """The first value and twice the second."""
    return lambda a: values(a) @ np.array([1.0, 2.0])


def vectors(promise, order, x, slopes):
    """The row for norm and for vector_norm."""
    yield promise, lambda x: np.linalg.norm(x, order), (x,), (slopes,)
    yield f"{promise}, as vector_norm", lambda x: np.linalg.vector_norm(x, ord=order), (x,), (slopes,)


def matrices(promise, order, a, slopes):
    """The row for norm and for matrix_norm."""
    yield promise, lambda a: np.linalg.norm(a, order), (a,), (slopes,)
    yield f"{promise}, as matrix_norm", lambda a: np.linalg.matrix_norm(a, ord=order), (a,), (slopes,)


@points(
    # ---- norms
    *vectors("NR-1 the norm of zeros is flat", 2, ORIGIN, ORIGIN),
    ("NR-1 norm without an order is the same", np.linalg.norm, (ORIGIN,), (ORIGIN,)),
    ("NR-1 the norm of a zero matrix is flat", np.linalg.norm, (ZERO,), (ZERO,)),
    *matrices("NR-1 the Frobenius norm of a zero matrix is flat", "fro", ZERO, ZERO),
    *vectors("NR-2 the 1-norm is flat at the origin", 1, ORIGIN, ORIGIN),
    *vectors("NR-2 the 1-norm has the signs, and 0 at zeros", 1, TIED, [1, -1, 0, 1]),
    *vectors(
        "NR-3 the 2-norm has the direction",
        2,
        TIED,
        [0.6882472016116852, -0.6882472016116852, 0, 0.22941573387056174],
    ),
    *vectors("NR-4 the 3-norm is flat at the origin", 3, ORIGIN, ORIGIN),
    *vectors(
        "NR-4 the 3-norm away from it",
        3,
        TIED,
        [0.6223013117609552, -0.6223013117609552, 0, 0.06914459019566169],
    ),
    *vectors("NR-5 the norm of order inf is flat at the origin", inf, ORIGIN, ORIGIN),
    *vectors("NR-5 the norm of order inf shares ties, with signs", inf, TIED, [0.5, -0.5, 0, 0]),
    *vectors("NR-6 the norm of order -inf is flat at the origin", -inf, ORIGIN, ORIGIN),
    *vectors("NR-6 the norm of order -inf is flat at a zero", -inf, TIED, [0, 0, 0, 0]),
    *vectors("NR-6 the norm of order -inf shares ties", -inf, [3.0, -3, 1, 1], [0, 0, 0.5, 0.5]),
    *vectors("NR-7 the norm of order 0 counts", 0, TIED, [0, 0, 0, 0]),
    *vectors("NR-8 the norm of order 1/2 is flat at the origin", 0.5, ORIGIN, ORIGIN),
    *vectors(
        "NR-8 the norm of order 1/2 rises infinitely fast at a zero",
        0.5,
        TIED,
        [2.5773502691896253, -2.5773502691896253, inf, 4.464101615137754],
    ),
    *vectors("NR-9 the norm of order -1 is flat where an element is 0", -1, TIED, [0, 0, 0, 0]),
    *vectors("NR-9 the norm of order -2 is too", -2, TIED, [0, 0, 0, 0]),
    *matrices("NR-10 the matrix 2-norm shares equal singular values", 2, E2, E2 / 2),
    *matrices("NR-10 the matrix 2-norm is flat at zero", 2, ZERO, ZERO),
    *matrices("NR-11 the nuclear norm is flat at zero", "nuc", ZERO, ZERO),
    *matrices("NR-11 the nuclear norm of the identity", "nuc", E2, E2),
    (
        "NR-12 singular values that are 0 are at their least",
        lambda a: np.sum(np.linalg.svdvals(a)),
        (ZERO,),
        (ZERO,),
    ),
    *matrices("NR-13 the matrix 1-norm shares tied columns", 1, [[1.0, 2], [3, 2]], np.full((2, 2), 0.5)),
    *matrices("NR-13 the matrix inf-norm shares tied rows", inf, [[1.0, 2], [2, 1]], np.full((2, 2), 0.5)),
    (
        "NR-14 the square of a norm is flat at zero",
        lambda x: np.linalg.norm(x) ** 2,
        (ORIGIN,),
        (ORIGIN,),
    ),
    # ---- linear algebra
    ("LA-1 det of a singular matrix has its cofactors", np.linalg.det, (SINGULAR,), ([[4, -2], [-2, 1]],)),
    (
        "LA-2 det of a matrix of rank 2 of 3 has them too",
        np.linalg.det,
        ([[1.0, 2, 3], [2, 4, 6], [0, 1, 5]],),
        ([[14, -10, 2], [-7, 5, -1], [0, 0, 0]],),
    ),
    ("LA-3 det of rank 1 of 3 is flat", np.linalg.det, (np.ones((3, 3)),), (np.zeros((3, 3)),)),
    ("LA-3 det of rank 0 is flat", np.linalg.det, (np.zeros((3, 3)),), (np.zeros((3, 3)),)),
    ("LA-3 det of one zero has slope 1", np.linalg.det, ([[0.0]],), ([[1]],)),
    (
        "LA-4 slogdet of a singular matrix has the signs of the cofactors",
        lambda a: np.linalg.slogdet(a)[1],
        (SINGULAR,),
        ([[inf, -inf], [-inf, inf]],),
    ),
    (
        "LA-5 equal eigenvalues have the derivative of their sum",
        lambda a: np.sum(np.linalg.eigvalsh(a)),
        (E2,),
        (E2,),
    ),
    (
        "LA-5 UN-5 weighted equal eigenvalues are finite beside vectors that are not used",
        weighted(lambda a: np.linalg.eigh(a)[0]),
        (E2,),
        (np.diag([1.0, 2]),),
    ),
    ("LA-5 and without vectors", weighted(np.linalg.eigvalsh), (E2,), (np.diag([1.0, 2]),)),
    (
        "LA-6 an eigenvector asked nothing about its equals is flat",
        lambda a: np.linalg.eigh(a)[1][0, 0],
        (E2,),
        (ZERO,),
    ),
    *(
        (
            f"LA-8 UN-5 weighted equal singular values are finite, full_matrices={full}",
            weighted(lambda a, full=full: np.linalg.svd(a, full_matrices=full)[1]),
            (E2,),
            (np.diag([1.0, 2]),),
        )
        for full in (True, False)
    ),
    *(
        (
            f"LA-10 eigvalsh moves with both triangles alike, UPLO={uplo}",
            lambda a, uplo=uplo: np.linalg.eigvalsh(a, uplo)[0],
            (SYMMETRIC,),
            (BY_SMALLEST,),
        )
        for uplo in "LU"
    ),
    (
        "LA-11 cholesky moves with both triangles alike",
        lambda a: np.linalg.cholesky(a)[1, 0],
        (SYMMETRIC,),
        (BY_CORNER,),
    ),
    (
        "LA-13 a matrix to the power 0 is constant",
        lambda a: np.linalg.matrix_power(a, 0),
        ([[1.0, 2], [3, 4]],),
        (ZERO,),
    ),
    (
        "LA-13 a negative power is that of the inverse",
        lambda a: np.linalg.matrix_power(a, -1),
        ([[2.0, 0], [0, 4]],),
        ([[-0.25, -0.125], [-0.125, -0.0625]],),
    ),
    (
        "LA-16 cond is the quotient of singular values",
        np.linalg.cond,
        (np.diag([2.0, 1]),),
        (np.diag([1.0, -2]),),
    ),
    ("LA-16 cond of equal singular values is flat", np.linalg.cond, (E2,), (ZERO,)),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the function itself, as without a derivative
@each_way
def test_derivative_at_point(f, xs, slopes, way):
    hold(way, f, xs, slopes)


# -------------------------------------------------- norms of slices
ROWS = np.array([[3.0, -3, 0, 1], [1, 2, 2, -2], [0, 0, 0, 0]])
STACK = np.stack([SINGULAR, E2, ZERO, np.array([[1.0, 2], [3, 2]])])


def total(f, mode):
    return dd.grad(lambda x: np.sum(f(x)), mode=mode)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # NumPy's own, from 0.0 ** -1
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("order", [None, 0, 1, 2, 3, inf, -inf, 0.5, -1, -2])
@each_mode
@convention("NR-15")
def test_norm_of_rows_has_the_numbers_of_each(order, keepdims, mode):
    expected = [total(lambda x: np.linalg.norm(x, order), mode)(x) for x in ROWS]
    found = total(lambda x: np.linalg.norm(x, order, axis=1, keepdims=keepdims), mode)(ROWS)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    found = total(lambda x: np.linalg.norm(x, order, axis=-2, keepdims=keepdims), mode)(ROWS.T)
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-14)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, inf, -inf])
@each_mode
@convention("NR-15")
def test_norm_of_matrices_has_the_numbers_of_each(order, keepdims, mode):
    expected = np.stack([total(lambda x: np.linalg.norm(x, order), mode)(a) for a in STACK])
    for axes, order_of_axes in (((1, 2), (0, 1, 2)), ((0, 2), (1, 0, 2)), ((-2, -3), (2, 1, 0))):
        a = np.moveaxis(STACK, (0, 1, 2), order_of_axes)
        found = total(lambda x: np.linalg.norm(x, order, axis=axes, keepdims=keepdims), mode)(a)  # noqa: B023
        np.testing.assert_allclose(
            np.moveaxis(found, order_of_axes, (0, 1, 2)), expected, rtol=1e-13, atol=1e-15
        )


@convention("NR-14")
def test_debug_warns_of_the_second_derivative_of_the_norm_of_zeros():
    with dd.debug(), pytest.warns(UserWarning, match="the norm of zeros has a kink"):
        dd.hessian(lambda x: np.linalg.norm(x) ** 2)(np.zeros(2))


# -------------------------------------------------- linear algebra
@each_mode
@convention("LA-7")
def test_loss_that_depends_on_the_choice_of_vectors_has_no_derivative(mode):
    loss = lambda a: np.linalg.eigh(a)[1][0, 1]  # noqa: E731
    assert np.isnan(dd.grad(loss, mode=mode)(E2)).any()
    assert np.isnan(dd.vmap(dd.grad(loss, mode=mode))(np.stack([E2, E2]))).any()
    with dd.debug(), pytest.raises(FloatingPointError, match=r"Eigenvalues 0 and 1 are equal \(1.0\)"):
        dd.grad(loss)(E2)


@pytest.mark.parametrize(
    "decompose", [lambda a: np.linalg.eigh(a)[1], lambda a: np.linalg.svd(a)[0]], ids=["eigh", "svd"]
)
@convention("LA-9")
def test_debug_refuses_a_loss_that_depends_on_the_phase_of_vectors(decompose):
    a = np.array([[2, 1j], [-1j, 3]])
    with dd.debug(), pytest.raises(ArithmeticError, match="the loss depends on the phases"):
        dd.grad(lambda a: np.real((1 + 2j) * decompose(a)[1, 1]))(a)


@each_mode
@convention("LA-12")
def test_pseudoinverse_of_a_singular_matrix_keeps_its_rank(mode):
    gradient = dd.grad(lambda a: np.sum(np.linalg.pinv(a)), mode=mode)
    expected = [[0.0048, -0.0144], [-0.0144, -0.0768]]
    np.testing.assert_allclose(gradient(SINGULAR), expected, rtol=1e-10)
    np.testing.assert_allclose(dd.vmap(gradient)(np.stack([SINGULAR] * 2)), [expected] * 2, rtol=1e-10)


@pytest.mark.parametrize("power", [-1, -2, -3])
@each_mode
@convention("LA-13")
def test_negative_power_is_that_of_the_inverse(power, mode):
    a = np.array([[2.0, 1], [0.5, 3]])
    expected = total(lambda a: np.linalg.matrix_power(np.linalg.inv(a), -power), mode)(a)
    np.testing.assert_allclose(
        total(lambda a: np.linalg.matrix_power(a, power), mode)(a), expected, rtol=1e-13
    )


@pytest.mark.parametrize("f", [lambda a: np.linalg.solve(a, np.ones(2)), np.linalg.inv], ids=["solve", "inv"])
@each_mode
@convention("LA-14")
def test_singular_system_raises_as_without_a_derivative(f, mode):
    with pytest.raises(np.linalg.LinAlgError) as outside:
        f(SINGULAR)
    with pytest.raises(np.linalg.LinAlgError) as inside:
        dd.jacobian(f, mode=mode)(SINGULAR)
    assert str(inside.value) == str(outside.value)


@each_mode
@convention("LA-15")
def test_integers_and_booleans_of_matrices_are_plain(mode):
    seen = []

    def f(a):
        seen.append((np.linalg.matrix_rank(a), a == a.T, np.allclose(a, SINGULAR)))
        return np.linalg.matrix_rank(a) * a[0, 0]

    np.testing.assert_array_equal(dd.grad(f, mode=mode)(SINGULAR), [[1, 0], [0, 0]])
    rank, symmetric, close = seen[0]
    assert rank == 1 and not isinstance(rank, dd.core.Tracer)
    assert type(symmetric) is np.ndarray and symmetric.all() and close is True
    np.testing.assert_array_equal(dd.vmap(np.linalg.matrix_rank)(np.stack([SINGULAR, E2])), [1, 2])


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, inf, -inf])
@pytest.mark.parametrize("a", [np.array([[2.0, 1], [0.5, 3]]), E2, np.array([[1.0, 2], [3, 2]])])
@each_mode
@convention("LA-16")
def test_condition_is_that_of_its_norms(a, order, mode):
    by_norms = lambda a: np.linalg.norm(a, order) * np.linalg.norm(np.linalg.inv(a), order)  # noqa: E731
    expected = dd.grad(by_norms, mode=mode)(a)
    found = dd.grad(lambda a: np.linalg.cond(a, order), mode=mode)(a)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("order", "slopes"),
    table(("LA-16 by 2", 2, [[1.0, 0], [0, -2]]), ("LA-16 by -2", -2, [[-0.25, 0], [0, 0.5]])),
)
@each_mode
def test_condition_by_singular_values(order, slopes, mode):
    np.testing.assert_allclose(
        dd.grad(lambda a: np.linalg.cond(a, order), mode=mode)(np.diag([2.0, 1])), slopes
    )
