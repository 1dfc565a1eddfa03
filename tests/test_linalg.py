"""Linear algebra: every function against differences and loops, and what is known where it is singular.

Each function is tried on single matrices and stacks, real and complex, in both modes, batched, and to second
order.
"""

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.core import OPS
from dualdiff.errors import ControlFlowError, NoDerivative

INF, NAN = np.inf, np.nan


def draw(rng, shape, dtype=float):
    x = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return np.asarray(x, dtype)


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def real_inner(a, b):
    return np.real(np.vdot(a, b))


def gradients(f, x):
    """The gradient of a scalar function in reverse mode, in forward mode and in a batch."""
    yield dd.grad(f)(x)
    yield dd.jacfwd(f)(x)
    yield dd.vmap(dd.grad(f))(np.stack([x, x]))[1]


# ------------------------------------------------------------------------------ singular points
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
RANK2 = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]])
EYE = np.eye(2)
HERM = np.array([[2.0, 0.5], [0.5, 1.0]])


@convention("LA-4")
def test_slogdet_of_a_singular_matrix_has_the_signs_of_the_cofactors():
    found = dd.grad(lambda a: np.linalg.slogdet(a)[1])(SINGULAR)
    np.testing.assert_array_equal(found, [[INF, -INF], [-INF, INF]])
    batched = dd.vmap(dd.grad(lambda a: np.linalg.slogdet(a)[1]))(np.stack([SINGULAR, HERM]))
    np.testing.assert_array_equal(batched[0], [[INF, -INF], [-INF, INF]])
    np.testing.assert_allclose(batched[1], np.linalg.inv(HERM).T)
    for sign in (1, -1):
        tangent = dd.jvp(lambda a: np.linalg.slogdet(a)[1], (SINGULAR,), (sign * EYE,))[1]
        assert tangent == sign * INF


def test_svd_of_equal_values_gauge_dependent_is_not_finite():
    assert not np.isfinite(dd.grad(lambda a: np.linalg.svd(a)[0][0, 1])(EYE)).all()


def test_det_second_derivative_of_a_singular_matrix_is_exact():
    # det of 2x2: d^2 / da dd = 1 and d^2 / db dc = -1 everywhere
    expected = np.zeros((2, 2, 2, 2))
    expected[0, 0, 1, 1] = expected[1, 1, 0, 0] = 1
    expected[0, 1, 1, 0] = expected[1, 0, 0, 1] = -1
    for a in (SINGULAR, np.zeros((2, 2)), HERM):
        np.testing.assert_allclose(dd.hessian(np.linalg.det)(a), expected, atol=1e-14)


def test_det_second_derivative_of_rank_one():
    # det is a cubic form in 3x3, so central differences of its gradient with unit step are exact
    a, rng = np.ones((3, 3)), np.random.default_rng(0)
    direction = rng.normal(size=(3, 3))
    gradient = dd.grad(np.linalg.det)
    expected = (gradient(a + direction) - gradient(a - direction)) / 2
    np.testing.assert_allclose(dd.jvp(gradient, (a,), (direction,))[1], expected, atol=1e-13)


def det_third(a):
    return dd.jacfwd(dd.jacfwd(dd.grad(np.linalg.det)))(a)


@pytest.mark.parametrize("a", [RANK2, np.diag([1.0, 2.0, 0.0]), np.diag([1.0, 2.0, 5.0])])
def test_det_third_derivative_of_rank_n_minus_1_is_exact(a):
    # det of 3x3 = sum of e_ijk e_pqr a_ip a_jq a_kr / 6, whose third derivative is e_ijk e_pqr
    e = np.zeros((3, 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        e[i, j, k], e[i, k, j] = 1, -1
    expected = np.einsum("ijk,pqr->ipjqkr", e, e)
    np.testing.assert_allclose(det_third(a), expected, atol=1e-12)


def test_det_third_derivative_is_nan_where_it_is_not_known():
    assert np.isnan(det_third(np.ones((3, 3)))).any()
    a = (RANK2 * (1 + 0j)).astype(complex)
    direction = np.arange(9.0).reshape(3, 3) * (1 + 0.5j)
    second = lambda a: dd.jvp(lambda a: dd.jvp(np.linalg.det, (a,), (direction,))[1], (a,), (direction,))[1]  # noqa: E731
    assert np.isnan(dd.jvp(second, (a,), (direction,))[1])


# ------------------------------------------------------------------------------ every function, everywhere
def general(rng, shape, dtype):
    return draw(rng, shape, dtype) * 0.5 + 2 * np.eye(*shape[-2:])


def definite(rng, shape, dtype):
    x = general(rng, shape, dtype)
    return x @ adjoint(x) + np.diag(np.arange(shape[-1]) * 3.0)


def spread(rng, shape, dtype):
    apart = np.eye(*shape[-2:]) * (1.0 + 2 * np.arange(shape[-1]))
    return draw(rng, shape, dtype) * 0.3 + apart


def projectors(v):
    """What does not depend on the phase of the vectors: each one's outer product with itself."""
    return v[..., :, None, :] * np.conj(v[..., None, :, :])


def eigh_projectors(a, **keywords):
    w, v = np.linalg.eigh(a, **keywords)
    return w, projectors(v)


def svd_projectors(a, **keywords):
    u, s, vh = np.linalg.svd(a, **keywords)
    k = s.shape[-1]
    v = np.conj(np.swapaxes(vh, -1, -2))
    # the columns beyond the singular values turn among themselves: their projector together does not
    u2, v2 = u[..., k:], v[..., k:]
    return (
        s,
        projectors(u[..., :k]),
        projectors(v[..., :k]),
        u[..., :, :k] @ vh[..., :k, :],
        u2 @ np.conj(np.swapaxes(u2, -1, -2)),
        v2 @ np.conj(np.swapaxes(v2, -1, -2)),
    )


def qr_complete(a):
    q, r = np.linalg.qr(a, mode="complete")
    q2 = q[..., min(a.shape[-2:]) :]
    return q[..., : min(a.shape[-2:])], r, q2 @ np.conj(np.swapaxes(q2, -1, -2))


def lstsq(a, b):
    """The solution, the residuals and the singular values, without the rank."""
    x, residuals, _, s = np.linalg.lstsq(a, b)
    return x, residuals, s


UNBATCHED = {"lstsq", "lstsq-matrix"}


BOTH = (float, complex)
# name: (function, how a point is drawn, shapes, dtypes)
FUNCTIONS = {
    "solve-vector": (
        lambda a: np.linalg.solve(a, a[..., 0, :][0] if a.ndim > 2 else a[0]),
        general,
        [(3, 3)],
        BOTH,
    ),
    "solve-stack-vector": (lambda a: np.linalg.solve(a, np.arange(3.0)), general, [(2, 3, 3)], BOTH),
    "solve-matrix": (lambda a: np.linalg.solve(a, a[..., :2] ** 2), general, [(3, 3), (2, 3, 3)], BOTH),
    "solve-broadcast": (lambda a: np.linalg.solve(a[0], a), general, [(2, 3, 3)], BOTH),
    "inv": (np.linalg.inv, general, [(3, 3), (2, 3, 3), (1, 1)], BOTH),
    "det": (np.linalg.det, general, [(3, 3), (2, 3, 3), (1, 1)], BOTH),
    "det-ill": (
        np.linalg.det,
        lambda rng, s, t: draw(rng, s[:-1] + (1,), t) @ draw(rng, (1, s[-1]), t),
        [(3, 3)],
        BOTH,
    ),
    "slogdet": (lambda a: tuple(np.linalg.slogdet(a)), general, [(3, 3), (2, 3, 3)], BOTH),
    "cholesky": (np.linalg.cholesky, definite, [(3, 3), (2, 3, 3)], BOTH),
    "cholesky-upper": (lambda a: np.linalg.cholesky(a, upper=True), definite, [(3, 3)], BOTH),
    "pinv": (np.linalg.pinv, general, [(3, 3), (4, 2), (2, 2, 3)], BOTH),
    "pinv-rcond": (lambda a: np.linalg.pinv(a, 1e-8), general, [(3, 2)], BOTH),
    "pinv-rtol": (lambda a: np.linalg.pinv(a, rtol=None), general, [(3, 2)], BOTH),
    "pinv-hermitian": (lambda a: np.linalg.pinv(a, hermitian=True), definite, [(3, 3)], BOTH),
    "eigh": (eigh_projectors, definite, [(3, 3), (2, 3, 3)], BOTH),
    "eigh-upper": (lambda a: eigh_projectors(a, UPLO="U"), definite, [(3, 3)], BOTH),
    "eigh-vectors": (lambda a: np.linalg.eigh(a)[1], definite, [(3, 3), (2, 3, 3)], (float,)),
    "eigvalsh": (np.linalg.eigvalsh, definite, [(3, 3)], BOTH),
    "svd-full": (svd_projectors, spread, [(3, 3), (4, 2), (2, 4), (2, 3, 2)], BOTH),
    "svd-thin": (lambda a: svd_projectors(a, full_matrices=False), spread, [(4, 2), (2, 4), (2, 3, 3)], BOTH),
    "svd-vectors": (
        lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
        spread,
        [(3, 2), (2, 3)],
        (float,),
    ),
    "svd-hermitian": (lambda a: svd_projectors(a - 6 * np.eye(3), hermitian=True), definite, [(3, 3)], BOTH),
    "svd-values": (lambda a: np.linalg.svd(a, compute_uv=False), spread, [(3, 2), (2, 2, 3)], BOTH),
    "svdvals": (np.linalg.svdvals, spread, [(3, 2)], BOTH),
    "qr": (lambda a: tuple(np.linalg.qr(a)), general, [(3, 3), (4, 2), (2, 4), (2, 3, 2)], BOTH),
    "qr-complete": (qr_complete, general, [(3, 3), (4, 2), (2, 3), (2, 4, 2)], BOTH),
    "qr-r": (lambda a: np.linalg.qr(a, mode="r"), general, [(4, 2)], BOTH),
    "matrix-power-3": (lambda a: np.linalg.matrix_power(a, 3), general, [(3, 3)], BOTH),
    "matrix-power-5": (lambda a: np.linalg.matrix_power(a, 5), general, [(2, 2, 2)], BOTH),
    "matrix-power-negative": (lambda a: np.linalg.matrix_power(a, -2), general, [(3, 3)], BOTH),
    "multi-dot": (
        lambda a: np.linalg.multi_dot([a[0], a[:, :2], a[:2], a, a[:, 1]]),
        general,
        [(3, 3)],
        BOTH,
    ),
    "lstsq": (lambda a: lstsq(a, a[:, 0] ** 2), general, [(4, 2), (2, 4)], BOTH),
    "lstsq-matrix": (lambda a: lstsq(a, a**2), general, [(4, 2)], BOTH),
    "tensorsolve": (
        lambda a: np.linalg.tensorsolve(a.reshape(2, 3, 6), a[:2, :3]),
        general,
        [(6, 6)],
        BOTH,
    ),
    "tensorsolve-axes": (
        lambda a: np.linalg.tensorsolve(a.reshape(6, 2, 3), a[:2, :3], axes=(0,)),
        general,
        [(6, 6)],
        BOTH,
    ),
    "tensorinv": (lambda a: np.linalg.tensorinv(a.reshape(2, 3, 6)), general, [(6, 6)], BOTH),
    "cond": (np.linalg.cond, spread, [(3, 3), (2, 3, 2)], BOTH),
    "cond--2": (lambda a: np.linalg.cond(a, -2), spread, [(3, 3)], BOTH),
    "cond-fro": (lambda a: np.linalg.cond(a, "fro"), general, [(3, 3)], BOTH),
    "cond-1": (lambda a: np.linalg.cond(a, 1), general, [(3, 3)], BOTH),
}
# Real numbers in a complex dtype, in older NumPy; ours are real
COND_IS_COMPLEX = np.iscomplexobj(np.linalg.cond(np.eye(2, dtype=complex), 1))
VECTOR_ORDERS = [None, 0, 1, 2, 3, 0.5, -1, -2, INF, -INF]
MATRIX_ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, INF, -INF]
for _ord in VECTOR_ORDERS:
    FUNCTIONS[f"norm-vector-{_ord}"] = (
        lambda a, ord=_ord: np.linalg.norm(a, ord, axis=1, keepdims=True), general, [(3, 4), (2, 3, 2)], BOTH
    )  # fmt: skip
    FUNCTIONS[f"vector-norm-{_ord}"] = (
        lambda a, ord=_ord: np.linalg.vector_norm(a, axis=(0, 2), ord=2 if ord is None else ord),
        general, [(2, 3, 3)], BOTH,
    )  # fmt: skip
for _ord in MATRIX_ORDERS:
    FUNCTIONS[f"norm-matrix-{_ord}"] = (
        lambda a, ord=_ord: np.linalg.norm(a, ord), general, [(3, 3), (3, 2)], BOTH
    )  # fmt: skip
    FUNCTIONS[f"norm-axes-{_ord}"] = (
        lambda a, ord=_ord: np.linalg.norm(a, ord, axis=(2, 0), keepdims=True), general, [(2, 3, 3)], BOTH
    )  # fmt: skip
    FUNCTIONS[f"matrix-norm-{_ord}"] = (
        lambda a, ord=_ord: np.linalg.matrix_norm(a, ord=ord or "fro", keepdims=True),
        general, [(2, 3, 3)], BOTH,
    )  # fmt: skip
FUNCTIONS["norm-all"] = (lambda a: np.linalg.norm(a, keepdims=True), general, [(2, 3, 3)], BOTH)
FUNCTIONS["vector-norm-all"] = (lambda a: np.linalg.vector_norm(a, ord=3), general, [(2, 3, 3)], BOTH)

HERMITIAN = {name for name, (_, point, _, _) in FUNCTIONS.items() if point is definite}
CASES = [
    pytest.param(name, shape, dtype, id=f"{name}-{'x'.join(map(str, shape))}-{dtype.__name__}")
    for name, (_, _, shapes, dtypes) in FUNCTIONS.items()
    for shape in shapes
    for dtype in dtypes
]
every = pytest.mark.parametrize(("name", "shape", "dtype"), CASES)


def setting(name, shape, dtype):
    """The function, a point, and a direction in which its matrices stay what they are."""
    f, point, _, _ = FUNCTIONS[name]
    rng = np.random.default_rng([len(name), *shape, dtype is complex])
    x, x_dot = np.asarray(point(rng, shape, dtype), dtype), draw(rng, shape, dtype)
    return rng, f, x, (x_dot + adjoint(x_dot)) / 2 if name in HERMITIAN else x_dot


def parts(y):
    return y if isinstance(y, tuple) else (y,)


def assert_close(found, expected, **tolerance):
    for a, b in zip(parts(found), parts(expected), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@every
def test_function_pushforward_is_the_difference(name, shape, dtype):
    _, f, x, x_dot = setting(name, shape, dtype)
    y, y_dot = dd.jvp(f, (x,), (x_dot,))
    assert_close(y, f(x), rtol=1e-12, atol=1e-12)
    step = 1e-3  # fourth-order central difference
    near = [parts(f(x + k * step * x_dot)) for k in (-2, -1, 1, 2)]
    expected = tuple((a - 8 * b + 8 * c - d) / (12 * step) for a, b, c, d in zip(*near, strict=True))
    assert_close(y_dot, expected, rtol=1e-6, atol=1e-7)


@every
def test_function_pullback_is_the_adjoint(name, shape, dtype):
    rng, f, x, x_dot = setting(name, shape, dtype)
    y, y_dot = dd.jvp(f, (x,), (x_dot,))
    y_bar = tuple(draw(rng, np.shape(part), part.dtype) for part in parts(y))
    (x_bar,) = dd.vjp(f, x)[1](y_bar if isinstance(y, tuple) else y_bar[0])
    left, right = sum(map(real_inner, y_bar, parts(y_dot))), real_inner(x_bar, x_dot)
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)
    if name in HERMITIAN:
        np.testing.assert_allclose(x_bar, adjoint(x_bar), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "shape", "dtype"), [c for c in CASES if c.values[0] not in UNBATCHED])
def test_function_batches_like_a_loop(name, shape, dtype):
    _, f, x, x_dot = setting(name, shape, dtype)
    xs = np.stack([x, x + 0.01 * x_dot, x - 0.01 * x_dot])
    rows = [f(row) for row in xs]
    expected = tuple(np.stack(p) for p in zip(*map(parts, rows), strict=True))
    assert_close(dd.vmap(f)(xs), expected, rtol=1e-9, atol=1e-9)
    tangents = [parts(dd.jvp(f, (row,), (x_dot,))[1]) for row in xs]
    expected = tuple(np.stack(p) for p in zip(*tangents, strict=True))
    assert_close(dd.vmap(lambda x: dd.jvp(f, (x,), (x_dot,))[1])(xs), expected, rtol=1e-8, atol=1e-8)


def smooth_loss(f):
    """A real function of everything f returns."""
    return lambda x: sum(np.sum(np.sin(np.real(p)) + np.cos(np.imag(p))) for p in parts(f(x)))


@every
def test_function_second_order_is_the_difference_of_gradients(name, shape, dtype):
    _, f, x, x_dot = setting(name, shape, dtype)
    gradient = dd.grad(smooth_loss(f))
    forward_reverse = dd.jvp(gradient, (x,), (x_dot,))[1]
    step = 1e-4
    near = [gradient(x + k * step * x_dot) for k in (-2, -1, 1, 2)]
    expected = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * step)
    np.testing.assert_allclose(forward_reverse, expected, rtol=1e-5, atol=1e-6)
    reverse_reverse = dd.grad(lambda x: np.sum(np.real(np.conj(x_dot) * gradient(x))))(x)
    reverse_forward = dd.grad(lambda x: dd.jvp(smooth_loss(f), (x,), (x_dot,))[1])(x)
    np.testing.assert_allclose(reverse_reverse, forward_reverse, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(reverse_forward, forward_reverse, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("name", "shape", "dtype"), [case for case in CASES if case.values[2] is float])
def test_function_jacobians_agree_in_both_modes(name, shape, dtype):
    _, f, x, _ = setting(name, shape, dtype)
    assert_close(dd.jacfwd(f)(x), dd.jacrev(f)(x), rtol=1e-9, atol=1e-9)


@every
def test_function_keeps_single_precision(name, shape, dtype):
    _, f, x, x_dot = setting(name, shape, dtype)
    x, x_dot = (v.astype(np.complex64 if dtype is complex else np.float32) for v in (x, x_dot))
    y, y_dot = dd.jvp(f, (x,), (x_dot,))
    theirs = np.real(f(x)) if name in ("cond-fro", "cond-1") and COND_IS_COMPLEX else f(x)
    assert [p.dtype for p in parts(y)] == [p.dtype for p in parts(theirs)]
    assert [p.dtype for p in parts(y_dot)] == [p.dtype for p in parts(y)]
    assert dd.vjp(f, x)[1](y)[0].dtype == x.dtype


# ------------------------------------------------------------------------------ results and refusals
@pytest.mark.parametrize(
    ("f", "names"),
    [
        (np.linalg.eigh, ("eigenvalues", "eigenvectors")),
        (np.linalg.svd, ("U", "S", "Vh")),
        (np.linalg.qr, ("Q", "R")),
        (np.linalg.slogdet, ("sign", "logabsdet")),
    ],
)
def test_result_has_the_names_of_numpy(f, names):
    seen = []
    dd.jvp(lambda a: seen.append(f(a)) or a, (HERM,), (EYE,))
    assert type(seen[0]) is type(f(HERM))
    assert [getattr(seen[0], name) for name in names] == list(seen[0])


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh_reads_one_triangle_as_numpy(uplo):
    a = np.array([[2.0, 7.0], [0.5, 1.0]])
    value = dd.jvp(lambda a: np.linalg.eigvalsh(a, UPLO=uplo), (a,), (EYE,))[0]
    np.testing.assert_allclose(value, np.linalg.eigvalsh(a, UPLO=uplo), rtol=1e-13)


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_reads_one_triangle_as_numpy(upper):
    a = np.array([[9.0, 2.0], [0.5, 1.0]])
    value = dd.jvp(lambda a: np.linalg.cholesky(a, upper=upper), (a,), (EYE,))[0]
    np.testing.assert_allclose(value, np.linalg.cholesky(a, upper=upper), rtol=1e-13)


def test_solve_with_respect_to_the_right_hand_side():
    rng = np.random.default_rng(3)
    a, b, b_dot = general(rng, (3, 3), float), draw(rng, 3), draw(rng, 3)
    np.testing.assert_allclose(
        dd.jvp(lambda b: np.linalg.solve(a, b), (b,), (b_dot,))[1], np.linalg.inv(a) @ b_dot
    )
    np.testing.assert_allclose(dd.jacrev(lambda b: np.linalg.solve(a, b))(b), np.linalg.inv(a))


def test_lstsq_in_a_batch_needs_its_rank():
    rng = np.random.default_rng(4)
    a, b = draw(rng, (3, 4, 2)), draw(rng, (3, 4))
    with pytest.raises(ControlFlowError):
        dd.vmap(lambda a, b: np.linalg.lstsq(a, b)[0])(a, b)
    x = dd.vmap(lambda a, b: np.linalg.lstsq(a, b)[0], fallback="loop")(a, b)
    np.testing.assert_allclose(x, (np.linalg.pinv(a) @ b[..., None])[..., 0])


def test_lstsq_of_a_deficient_matrix_has_no_residuals():
    x, residuals, rank, _ = dd.jvp(
        lambda b: np.linalg.lstsq(np.ones((3, 2)), b), (np.ones(3),), (np.ones(3),)
    )[0]
    assert residuals.shape == (0,) and rank == 1
    np.testing.assert_allclose(x, [0.5, 0.5])


def test_qr_refuses_raw():
    with pytest.raises(NoDerivative, match="raw"):
        dd.grad(lambda a: np.linalg.qr(a, mode="raw")[0][0, 0])(HERM)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: np.linalg.eigvalsh(a, UPLO="X"),
        lambda a: np.linalg.norm(a, "nothing"),
        lambda a: np.linalg.norm(a, 3),
        lambda a: np.linalg.norm(a, "fro", axis=0),
        lambda a: np.linalg.norm(a, axis=(0, 0)),
        lambda a: np.linalg.norm(a[None], 2),
        lambda a: np.linalg.pinv(a, 1e-3, rtol=1e-3),
        lambda a: np.linalg.matrix_power(a[0], 2),
        lambda a: np.linalg.multi_dot([a]),
    ],
)
def test_wrong_argument_raises_as_numpy(call):
    with pytest.raises(ValueError):
        call(HERM)
    with pytest.raises(ValueError):
        dd.jvp(call, (HERM,), (EYE,))


# -------------------------------------------------- the inverse of a lower triangle, by halves
@pytest.mark.parametrize("n", [1, 63, 64, 65, 130, 301])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_inverse_of_lower_triangle_is_the_inverse(n, dtype):
    r = np.random.default_rng(n)
    a = r.normal(size=(2, n, n)) + (1j * r.normal(size=(2, n, n)) if dtype is np.complex128 else 0)
    a = np.linalg.cholesky(a @ np.conj(a.mT) + n * np.eye(n))
    y = OPS["inverse_of_lower"](a + np.triu(a.mT, 1))  # what is above the diagonal is not read
    assert y.dtype == dtype and not np.triu(y, 1).any()
    np.testing.assert_allclose(y @ a, np.broadcast_to(np.eye(n), a.shape), atol=1e-12)


def test_gradient_through_a_large_cholesky_factor_is_the_inverse():
    """The derivative of log det A is A^-1, by the factor's diagonal."""
    n = 150
    a = np.random.default_rng(n).normal(size=(n, n))
    a = a @ a.T + n * np.eye(n)
    found = dd.grad(lambda a: 2 * np.sum(np.log(np.diag(np.linalg.cholesky(a)))))(a)
    np.testing.assert_allclose(found, np.linalg.inv(a), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_not_finite_in_the_triangle_read_has_no_zero_gradient(mode):
    a = np.diag([2.0, np.nan, 3.0])
    assert np.isnan(np.linalg.cholesky(a)).any()
    assert np.isnan(dd.grad(lambda a: np.sum(np.linalg.cholesky(a)), mode=mode)(a)).any()


def test_what_is_not_finite_in_the_other_triangle_is_not_read():
    a = np.array([[2.0, np.nan], [0.5, 3.0]])
    clean = np.array([[2.0, 0.5], [0.5, 3.0]])
    found, expected = (dd.grad(lambda a: np.sum(np.linalg.cholesky(a)))(m) for m in (a, clean))
    np.testing.assert_array_equal(found[0, 0], expected[0, 0])
    assert np.isfinite(found).all()
