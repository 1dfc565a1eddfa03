"""Convolutions, polynomials, sets, functions of slices, general eigenvalues, axes of matrix products.

Calls with their keywords against differences and NumPy's values; the rest by what must hold exactly.
"""

import warnings

import numpy as np
import pytest
from families import family

import dualdiff as dd
from dualdiff.errors import ControlFlowError
from dualdiff.testing import check_grads

rng = np.random.default_rng(51)
A = rng.uniform(-2, 2, (3, 4))
B = rng.uniform(0.3, 2, (3, 4))
V, U, W = rng.uniform(-2, 2, 6), rng.uniform(-2, 2, 3), rng.uniform(0.4, 2, 6)
Z, Y = V + 1j * V[::-1], U - 1j * U[::-1]
CUBE = rng.uniform(-2, 2, (2, 3, 4))
STACK = rng.uniform(-2, 2, (4, 5, 2))
BRICK = rng.uniform(-2, 2, (5, 3, 2))
SQUARE = rng.uniform(-1, 1, (3, 3)) + np.diag([0.0, 4.0, 8.0])
TURN = np.array([[1.0, -2.0, 0.3], [2.5, 0.5, 0.1], [0.2, 0.4, 3.0]])  # one real value, one conjugate pair

CASES = {
    f"{f.__name__}-{mode}-{name}": (lambda a, v, f=f, mode=mode: f(a, v, mode), pair)
    for f in (np.convolve, np.correlate)
    for mode in ("full", "same", "valid")
    for name, pair in {"longer": (V, U), "shorter": (U, V), "equal": (U, U[::-1]), "complex": (Z, Y)}.items()
} | {
    "convolve-default": (np.convolve, (V, U)),
    "correlate-default": (np.correlate, (Y, Z)),
    "convolve-even": (lambda a, v: np.convolve(a, v, "same"), (V, V[:4])),
    "correlate-even-shorter": (lambda a, v: np.correlate(a, v, "same"), (V[:4], V)),
    "convolve-one": (lambda a: np.convolve(a, [2.0]), V),
    "polyval": (np.polyval, (V, A)),
    "polyval-complex": (np.polyval, (U, Z)),
    "polyadd": (np.polyadd, (V, U)),
    "polysub": (np.polysub, (U, V)),
    "polymul": (np.polymul, (V, U)),
    "polymul-zeros": (lambda p: np.polymul(np.concatenate([[0.0, 0.0], p]), p), U),
    "polydiv": (np.polydiv, (V, U)),
    "polydiv-shorter": (np.polydiv, (U, V)),
    "polyder": (lambda p: np.polyder(p, 2), V),
    "polyint": (lambda p: np.polyint(p, 2), V),
    "polyint-k": (lambda p, k: np.polyint(p, 3, k), (U, V[:3])),
    "polyint-one-k": (lambda p, k: np.polyint(p, m=2, k=k), (U, np.array(0.7))),
    "polyfit": (lambda x, y: np.polyfit(x, y, 2), (V, W)),
    "polyfit-weights": (lambda x, y, w: np.polyfit(x, y, 1, w=w), (V, W[::-1], W)),
    "polyfit-columns": (lambda x, y: np.polyfit(x, y, 2), (V, np.stack([W, V], 1))),
    "polyfit-cov": (lambda x, y: np.polyfit(x, y, 1, cov=True), (V, W)),
    "polyfit-unscaled": (lambda x, y: np.polyfit(x, y, 1, cov="unscaled"), (V, W)),
    "roots": (np.roots, np.array([1.0, 1.0, -4.0, 0.7])),
    "roots-pair": (np.roots, np.array([1.0, 0.3, 2.0, -3.0])),
    "roots-complex": (lambda p: np.sort(np.abs(np.roots(p))), Z[:4]),
    "poly": (np.poly, U),
    "poly-complex": (np.poly, Y),
    "poly-matrix": (np.poly, SQUARE),
    "eigvals": (np.linalg.eigvals, SQUARE),
    "eigvals-pair": (np.linalg.eigvals, TURN),
    "eigvals-complex": (lambda a: np.sort(np.abs(np.linalg.eigvals(a))), SQUARE + 1j * TURN),
    "eig-lengths": (lambda a: np.abs(np.linalg.eig(a)[1]), TURN),
    "eig-values": (lambda a: np.linalg.eig(a).eigenvalues, np.stack([SQUARE, SQUARE.T + 1])),
    "eig-projectors": (
        lambda a: np.einsum("ik,jk->kij", (e := np.linalg.eig(a))[1], np.conj(e[1])), SQUARE + 1j * TURN,
    ),
    "eig-real-vectors": (lambda a: np.linalg.eig(a), SQUARE),
    "unique": (np.unique, A),
    "unique-axis": (lambda a: np.unique(a, axis=0), A),
    "unique_values": (np.unique_values, A),
    "union1d": (np.union1d, (V, U)),
    "intersect1d": (lambda a: np.intersect1d(a, a[2:4]), V),
    "setdiff1d": (lambda a: np.setdiff1d(a, a[2:4]), V),
    "setxor1d": (lambda a, b: np.setxor1d(a, np.concatenate([a[:3], b])), (V, U)),
    "apply_along_axis": (lambda a: np.apply_along_axis(lambda v: v[0] * v[1:], 1, a), A),
    "apply_along_axis-scalar": (lambda a: np.apply_along_axis(np.prod, 0, a), CUBE),
    "apply_along_axis-matrix": (lambda a: np.apply_along_axis(np.outer, 1, a, [1.0, 2.0]), CUBE),
    "apply_over_axes": (lambda a: np.apply_over_axes(np.prod, a, [0, -1]), CUBE),
    "apply_over_axes-one": (lambda a: np.apply_over_axes(np.mean, a, 1), CUBE),
    "add.reduceat": (lambda a: np.add.reduceat(a * a, [0, 3, 1, 4]), V),
    "add.reduceat-axis": (lambda a: np.add.reduceat(a, np.array([0, 2]), axis=1), A),
    "multiply.reduceat": (lambda a: np.multiply.reduceat(a, [1, 4]), V),
    "maximum.reduceat": (lambda a: np.maximum.reduceat(a, [0, 2], axis=-1), A),
    "minimum.reduceat": (lambda a: np.minimum.reduceat(a, [0]), A),
    "sort_complex": (np.sort_complex, Z),
    "sort_complex-real": (np.sort_complex, V),
    "matmul-axes": (lambda a, b: np.matmul(a, b, axes=[(1, 2), (0, 1), (-2, -1)]), (CUBE, STACK)),
    "matmul-axes-moved": (lambda a, b: np.matmul(a, b, axes=[(2, 0), (2, 0), (0, 2)]), (CUBE, BRICK)),
    "vecdot-axes": (lambda a, b: np.vecdot(a, b, axes=[0, 1, ()]), (A, rng.uniform(-1, 1, (4, 3)))),
    "vecdot-axis": (lambda a: np.vecdot(a, a + 1j, axis=0, keepdims=True), A),
    "emath.sqrt": (np.emath.sqrt, V),
    "emath.sqrt-positive": (np.emath.sqrt, W),
    "emath.log": (np.emath.log, V),
    "emath.log2": (np.emath.log2, V),
    "emath.log10": (np.emath.log10, V),
    "emath.logn": (np.emath.logn, (W + 2, V)),
    "emath.power": (np.emath.power, (V, W)),
    "emath.arccos": (np.emath.arccos, V),
    "emath.arcsin": (np.emath.arcsin, V),
    "emath.arctanh": (np.emath.arctanh, V),
}  # fmt: skip
if hasattr(np, "matvec"):
    CASES |= {
        "matvec-axes": (lambda a, b: np.matvec(a, b, axes=[(0, 2), 0, 0]), (CUBE, STACK[:, 0, :1])),
        "vecmat-axes": (lambda a, b: np.vecmat(a, b, axes=[0, (1, 2), 0]), (A, CUBE[:1])),
    }
VALUES_DECIDE = {  # which elements there are, how many, and whether they are complex
    name: "batches_as_a_loop"
    for name in CASES
    if name.startswith(("emath", "union", "intersect", "setdiff", "setxor", "unique", "polymul", "polydiv"))
    or name in ("poly-complex", "poly-matrix", "roots-pair", "eigvals-pair")
}  # fmt: skip


@family(CASES, without={f"{name}-{law}" for name, law in VALUES_DECIDE.items()})
def test_function_obeys(law, f, xs):
    law(f, xs)


@pytest.mark.parametrize(
    "f", [np.unique, np.emath.sqrt, lambda x: np.polymul(x, x), lambda x: np.union1d(x, x)]
)
def test_values_of_a_batch_decide_no_shape(f):
    with pytest.raises(ControlFlowError):
        dd.vmap(f)(A)


# -------------------------------------------------- polynomials
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_roots_move_as_vieta_says(mode):
    """The Jacobian of roots is the inverse of that of poly, whose first coefficient stays 1."""
    z = np.array([3.0, 1.5, -0.5])
    down = dd.jacobian(np.poly, mode=mode)(z)[1:]
    p = np.poly(z)
    order = np.argsort(np.roots(p))[::-1]
    up = dd.jacobian(np.roots, mode=mode)(p)[order][:, 1:]
    np.testing.assert_allclose(up @ down, np.eye(3), atol=1e-12)


def test_multiple_root_has_no_derivative():
    J = dd.jacobian(lambda p: np.roots(p).real)(np.array([1.0, -4.0, 5.0, -2.0]))  # 2, 1, 1
    assert np.isfinite(J[0]).all() and np.isnan(J[1:]).all()
    J = dd.jacobian(np.roots)(np.array([1.0, -1.0, 0.0]))
    np.testing.assert_allclose(J, [[-1, -1, -1], [0, 0, 1]], atol=1e-15)


def test_fit_of_a_polynomial_returns_its_coefficients():
    J = dd.jacobian(lambda c: np.polyfit(V, np.polyval(c, V), 2))(U)
    np.testing.assert_allclose(J, np.eye(3), atol=1e-11)
    found = dd.vjp(lambda y: np.polyfit(V, y, 2, full=True), W)[0]
    for x, y in zip(found, np.polyfit(V, W, 2, full=True), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


def test_fit_of_too_few_points_warns():
    with pytest.warns(np.exceptions.RankWarning):
        dd.vjp(lambda y: np.polyfit(np.ones(3), y, 1), U)


# -------------------------------------------------- eigenvalues
def test_eigenvalues_of_a_symmetric_matrix_have_the_derivative_of_eigvalsh():
    S = SQUARE + SQUARE.T
    w = np.argsort(np.linalg.eigvals(S))
    general = dd.jacobian(lambda a: np.linalg.eigvals((a + a.T) / 2)[w])(S)
    np.testing.assert_allclose(general, dd.jacobian(np.linalg.eigvalsh)(S), atol=1e-13)


def test_trace_and_determinant_are_those_of_the_eigenvalues():
    w = dd.vjp(np.linalg.eigvals, TURN)[0]
    assert w.dtype.kind == "c"
    gradient = dd.grad(lambda a: np.sum(np.linalg.eigvals(a)).real)(TURN)
    np.testing.assert_allclose(gradient, np.eye(3), atol=1e-13)
    gradient = dd.grad(lambda a: np.prod(np.linalg.eigvals(a)).real)(TURN)
    np.testing.assert_allclose(gradient, np.linalg.det(TURN) * np.linalg.inv(TURN).T, rtol=1e-12)


def test_equal_eigenvalues_have_a_sum_and_their_vectors_no_derivative():
    np.testing.assert_allclose(dd.grad(lambda a: np.sum(np.linalg.eigvals(a)))(np.eye(2)), np.eye(2))
    assert not np.isfinite(dd.grad(lambda a: np.linalg.eig(a)[1][0, 1])(np.eye(2))).all()


# -------------------------------------------------- sets
def test_first_of_equal_elements_is_the_one_that_moves():
    x = np.array([2.0, 1.0, 2.0, 1.0, 3.0])
    J = dd.jacobian(np.unique)(x)
    np.testing.assert_array_equal(J, [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    J = dd.jacobian(lambda y: np.union1d(x, y))(np.array([3.0, 4.0]))
    np.testing.assert_array_equal(J, [[0, 0], [0, 0], [0, 0], [0, 1]])


@pytest.mark.parametrize("f", [np.unique_all, np.unique_counts, np.unique_inverse])
def test_numbers_of_elements_are_plain(f):
    x, seen = np.array([2.0, 1.0, 2.0]), []
    dd.vjp(lambda x: seen.append(f(x)) or x, x)
    expected = f(x)
    assert type(seen[0]) is type(expected)
    for a, b in zip(seen[0][1:], expected[1:], strict=True):
        assert type(a) is np.ndarray
        np.testing.assert_array_equal(a, b)


def test_unique_has_the_places_that_numpy_has():
    x = np.array([2.0, np.nan, 1.0, 2.0, np.nan])
    f = lambda x: np.unique(x, return_index=True, return_inverse=True, return_counts=True)  # noqa: E731
    for a, b in zip(dd.vjp(f, x)[0], f(x), strict=True):
        np.testing.assert_array_equal(a, b)
    _, i, j = dd.vjp(lambda x: np.intersect1d(x, [1.0, 2.0], return_indices=True), x[[0, 2]])[0]
    np.testing.assert_array_equal((i, j), ([1, 0], [0, 1]))


# -------------------------------------------------- what is refused
def test_what_numpy_refuses_is_refused():
    for f, error in (
        (lambda x: np.convolve(x, x[:0]), ValueError),
        (lambda x: np.convolve(x, x, "middle"), ValueError),
        (lambda x: np.polyfit(x, x[:2], 1), TypeError),
        (lambda x: np.polyfit(x, x, -1), ValueError),
        (lambda x: np.polyder(x, -1), ValueError),
        (lambda x: np.roots(np.outer(x, x)), ValueError),
        (lambda x: np.poly(np.outer(x, x)[:2]), ValueError),
        (lambda x: np.linalg.eig(np.outer(x, x)[:2]), np.linalg.LinAlgError),
        (lambda x: np.apply_along_axis(np.sum, 1, x), np.exceptions.AxisError),
        (lambda x: np.matmul(np.outer(x, x), x, axis=0), TypeError),
        (lambda x: np.vecdot(x, x, axis=0, axes=[0, 0]), TypeError),
        (lambda x: np.add.reduceat(x, [0, 6]), IndexError),
    ):
        with pytest.raises(error), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dd.vjp(f, V)


def test_product_of_a_batch_of_convolutions_at_every_order():
    check_grads(lambda a, v: dd.vmap(np.convolve, in_axes=(0, None))(a, v), (A, U))
    check_grads(lambda a, v: dd.vmap(np.convolve)(a, v), (A, B[:, :2]))
