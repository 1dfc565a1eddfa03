"""Contractions against differences, loops and NumPy itself: shapes, conjugation, batches, second order."""

import numpy as np
import pytest

import dualdiff as dd

RNG = np.random.default_rng(7)


def draw(shape, dtype=float):
    x = RNG.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * RNG.normal(size=shape)
    return np.asarray(x, dtype)


def real_inner(a, b):
    return np.real(np.vdot(a, b))


MATMUL_SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((2, 2, 3), (3,)),
    ((3,), (2, 3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 1)),
    ((4, 2, 3), (4, 3, 2)),
    ((12, 11), (11, 13)),
    ((5, 12, 11), (11, 13)),
    ((12, 11), (5, 11, 13)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
]

# name: (function of the operands, shapes)
PRODUCTS = {
    "ij,jk->ik": (lambda a, b: np.einsum("ij,jk->ik", a, b), [(2, 3), (3, 4)]),
    "implicit": (lambda a, b: np.einsum("ji,jk", a, b), [(2, 3), (2, 4)]),
    "implicit-order": (lambda a: np.einsum("ba", a), [(2, 3)]),
    "trace": (lambda a: np.einsum("ii", a), [(3, 3)]),
    "trace-explicit": (lambda a: np.einsum("ii->", a), [(3, 3)]),
    "diagonal": (lambda a: np.einsum("ii->i", a), [(3, 3)]),
    "diagonal-and-alone": (lambda a: np.einsum("iijk->ik", a), [(2, 2, 3, 4)]),
    "triple-diagonal": (lambda a, b: np.einsum("iii,i->", a, b), [(2, 2, 2), (2,)]),
    "two-diagonals": (lambda a: np.einsum("ijij->j", a), [(2, 3, 2, 3)]),
    "alone": (lambda a: np.einsum("ij->j", a), [(2, 3)]),
    "alone-in-one": (lambda a, b: np.einsum("ij,k->k", a, b), [(2, 3), (4,)]),
    "permute": (lambda a: np.einsum("ijk->kij", a), [(2, 3, 4)]),
    "three": (lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c), [(2, 3), (3, 2), (2, 4)]),
    "optimized": (
        lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c, optimize="optimal"),
        [(2, 3), (3, 2), (2, 4)],
    ),
    "path": (
        lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c, optimize=["einsum_path", (0, 1), (0, 1)]),
        [(2, 3), (3, 2), (2, 4)],
    ),
    "ellipsis": (lambda a, b: np.einsum("...ij,...jk->...ik", a, b), [(2, 1, 2, 3), (3, 3, 2)]),
    "ellipsis-implicit": (lambda a, b: np.einsum("...i,i", a, b), [(2, 2, 3), (3,)]),
    "ellipsis-missing": (lambda a, b: np.einsum("i...,j->j...", a, b), [(3, 2), (4,)]),
    "ellipsis-diagonal": (lambda a: np.einsum("ii...->...", a), [(3, 3, 2)]),
    "ones-broadcast": (lambda a, b: np.einsum("ij,ij->i", a, b), [(1, 3), (2, 1)]),
    "ones-broadcast-diagonal": (lambda a, b: np.einsum("iij,ij->ij", a, b), [(2, 2, 3), (2, 1)]),
    "sublist": (lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), [(2, 3), (3, 4)]),
    "sublist-implicit": (lambda a, b: np.einsum(a, [7, 1], b, [1, 30]), [(2, 3), (3, 4)]),
    "sublist-ellipsis": (lambda a: np.einsum(a, [0, Ellipsis], [Ellipsis, 0]), [(2, 3, 4)]),
    "scalar-operand": (lambda a, b: np.einsum(",ij->ji", a, b), [(), (2, 3)]),
    "large": (lambda a, b: np.einsum("ij,jk->ik", a, b), [(40, 41), (41, 39)]),
    "dot-scalar": (np.dot, [(), (2, 3)]),
    "dot-vectors": (np.dot, [(3,), (3,)]),
    "dot-stacks": (np.dot, [(2, 3), (2, 3, 2)]),
    "inner-vectors": (np.inner, [(3,), (3,)]),
    "inner-stacks": (np.inner, [(2, 3), (2, 2, 3)]),
    "vdot": (np.vdot, [(2, 3), (3, 2)]),
    "tensordot-2": (np.tensordot, [(2, 3, 4), (3, 4, 2)]),
    "tensordot-0": (lambda a, b: np.tensordot(a, b, 0), [(2,), (3,)]),
    "tensordot-pairs": (lambda a, b: np.tensordot(a, b, ([0, 2], [1, 0])), [(2, 3, 4), (4, 2)]),
    "tensordot-numbers": (lambda a, b: np.tensordot(a, b, (1, -1)), [(2, 3), (2, 3)]),
    "linalg-tensordot": (lambda a, b: np.linalg.tensordot(a, b, axes=1), [(2, 3), (3, 2)]),
    "outer": (np.outer, [(2, 2), (3,)]),
    "linalg-outer": (np.linalg.outer, [(2,), (3,)]),
    "kron": (np.kron, [(2, 3), (3, 2)]),
    "kron-ranks": (np.kron, [(3,), (2, 2, 2)]),
    "vecdot": (np.vecdot, [(2, 3), (3,)]),
    "linalg-vecdot-axis": (lambda a, b: np.linalg.vecdot(a, b, axis=0), [(3, 2), (3, 2)]),
    "trace-offset": (lambda a: np.trace(a, offset=1), [(3, 3)]),
    "trace-axes": (lambda a: np.trace(a, -1, 0, 2), [(3, 2, 4)]),
    "linalg-trace": (lambda a: np.linalg.trace(a, offset=-1), [(2, 3, 4)]),
    "cross": (np.cross, [(2, 3), (3,)]),
    "cross-axes": (lambda a, b: np.cross(a, b, axisa=0, axisb=1, axisc=0), [(3, 2), (2, 3)]),
    "linalg-cross": (lambda a, b: np.linalg.cross(a, b, axis=0), [(3, 2), (3, 2)]),
    "linalg-matmul": (np.linalg.matmul, [(2, 3), (3, 2)]),
}
if hasattr(np, "matvec"):
    PRODUCTS |= {
        "matvec": (np.matvec, [(2, 3), (3,)]),
        "matvec-stacks": (np.matvec, [(2, 3), (4, 3)]),
        "vecmat": (np.vecmat, [(3,), (3, 2)]),
        "vecmat-stacks": (np.vecmat, [(4, 3), (4, 3, 2)]),
    }
PRODUCTS |= {f"matmul{a}{b}": (np.matmul, [a, b]) for a, b in MATMUL_SHAPES}

product = pytest.mark.parametrize("name", PRODUCTS)
dtypes = pytest.mark.parametrize("dtype", [float, complex])


@product
@dtypes
def test_product_pushforward_is_the_difference(name, dtype):
    # Exact for the products of operands: the central difference with unit step of a multilinear function in
    # one operand has no truncation error.
    f, shapes = PRODUCTS[name]
    xs = tuple(draw(shape, dtype) for shape in shapes)
    y, y_dot, expected = None, 0, 0
    for i, x in enumerate(xs):
        x_dot = draw(x.shape, dtype)
        y, term = dd.jvp(lambda v, i=i: f(*xs[:i], v, *xs[i + 1 :]), (x,), (x_dot,))
        plus, minus = (f(*xs[:i], x + sign * x_dot, *xs[i + 1 :]) for sign in (1, -1))
        y_dot, expected = y_dot + term, expected + (plus - minus) / 2
        np.testing.assert_allclose(term, (plus - minus) / 2, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(y, f(*xs), rtol=1e-12, atol=1e-12)
    x_dots = tuple(draw(x.shape, dtype) for x in xs)
    together = dd.jvp(f, xs, x_dots)[1]
    alone = sum(
        dd.jvp(lambda v, i=i: f(*xs[:i], v, *xs[i + 1 :]), (x,), (x_dots[i],))[1] for i, x in enumerate(xs)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-11, atol=1e-11)


@product
@dtypes
def test_product_pullback_is_the_adjoint(name, dtype):
    f, shapes = PRODUCTS[name]
    xs = tuple(draw(shape, dtype) for shape in shapes)
    x_dots = tuple(draw(shape, dtype) for shape in shapes)
    y, y_dot = dd.jvp(f, xs, x_dots)
    y_bar = draw(np.shape(y), dtype)
    bars = dd.vjp(f, *xs)[1](y_bar)
    assert [bar.shape for bar in bars] == [x.shape for x in xs]
    left, right = real_inner(y_bar, y_dot), sum(map(real_inner, bars, x_dots))
    np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-10)
    for i, x in enumerate(xs):  # each operand alone keeps other residuals
        (bar,) = dd.vjp(lambda v, i=i: f(*xs[:i], v, *xs[i + 1 :]), x)[1](y_bar)
        np.testing.assert_allclose(bar, bars[i], rtol=1e-11, atol=1e-11)


@product
def test_product_batches_like_a_loop(name):
    f, shapes = PRODUCTS[name]
    for mapped in np.ndindex((2,) * len(shapes)):
        if not any(mapped):
            continue
        xs = [draw((3,) * m + shape) for m, shape in zip(mapped, shapes, strict=True)]
        batched = dd.vmap(f, in_axes=tuple(0 if m else None for m in mapped))(*xs)
        rows = [f(*(x[k] if m else x for m, x in zip(mapped, xs, strict=True))) for k in range(3)]
        np.testing.assert_allclose(batched, np.stack(rows), rtol=1e-11, atol=1e-11)


@product
def test_product_jacobians_agree_in_both_modes(name):
    f, shapes = PRODUCTS[name]
    if max(int(np.prod(shape)) for shape in shapes) > 200:
        shapes = [tuple(min(n, 4) for n in shape) for shape in shapes]
    xs = tuple(draw(shape) for shape in shapes)
    every = tuple(range(len(xs)))
    for forward, backward in zip(
        dd.jacfwd(f, argnums=every)(*xs), dd.jacrev(f, argnums=every)(*xs), strict=True
    ):
        np.testing.assert_allclose(forward, backward, rtol=1e-11, atol=1e-11)


@product
def test_product_second_order_is_the_difference_of_gradients(name):
    f, shapes = PRODUCTS[name]
    if max(int(np.prod(shape)) for shape in shapes) > 200:
        shapes = [tuple(min(n, 4) for n in shape) for shape in shapes]
    xs = tuple(draw(shape) for shape in shapes)
    x_dots = tuple(draw(shape) for shape in shapes)
    every = tuple(range(len(xs)))
    gradient = dd.grad(lambda *xs: np.sum(np.sin(f(*xs))), argnums=every)
    step = 1e-5
    plus, minus = (
        gradient(*(x + sign * step * d for x, d in zip(xs, x_dots, strict=True))) for sign in (1, -1)
    )
    forward = dd.jvp(gradient, xs, x_dots)[1]
    weighted = dd.grad(
        lambda *xs: sum(np.sum(g * d) for g, d in zip(gradient(*xs), x_dots, strict=True)), argnums=every
    )(*xs)
    for a, b, tangent, cotangent in zip(plus, minus, forward, weighted, strict=True):
        np.testing.assert_allclose(tangent, (a - b) / (2 * step), rtol=1e-7, atol=1e-6)
        np.testing.assert_allclose(cotangent, tangent, rtol=1e-10, atol=1e-10)


@product
def test_product_keeps_float32(name):
    f, shapes = PRODUCTS[name]
    xs = tuple(draw(shape, np.float32) for shape in shapes)
    y, y_dot = dd.jvp(f, xs, xs)
    assert y.dtype == y_dot.dtype == np.float32
    assert all(bar.dtype == np.float32 for bar in dd.vjp(f, *xs)[1](y))


# ------------------------------------------------------------------------------ closed forms
def test_einsum_repeated_label_gives_the_identity():
    # coverage: "ii->" and "ii->i", which some libraries refuse
    a = draw((2, 2))
    np.testing.assert_array_equal(dd.grad(lambda a: np.einsum("ii->", a))(a), np.eye(2))
    np.testing.assert_array_equal(dd.grad(lambda a: np.sum(np.einsum("ii->i", a)))(a), np.eye(2))


def test_einsum_diagonal_cotangent_does_not_leak_nan():
    y_bar = np.array([np.nan, 1.0])
    (bar,) = dd.vjp(lambda a: np.einsum("ii->i", a), draw((2, 2)))[1](y_bar)
    np.testing.assert_array_equal(bar, [[np.nan, 0], [0, 1]])


def test_matmul_gradients_of_a_quadratic_form():
    a, x = draw((3, 3)), draw(3)
    np.testing.assert_allclose(dd.grad(lambda x: x @ a @ x)(x), (a + a.T) @ x)
    np.testing.assert_allclose(dd.hessian(lambda x: x @ a @ x)(x), a + a.T)


def test_matmul_reflected_and_lists():
    x = draw(3)
    np.testing.assert_allclose(dd.jacobian(lambda x: np.eye(3) @ x)(x), np.eye(3))
    np.testing.assert_allclose(dd.grad(lambda x: np.matmul([1.0, 2.0, 3.0], x))(x), [1, 2, 3])


def test_vecdot_keepdims():
    x, y = draw((2, 3)), draw((2, 3))
    value, tangent = dd.jvp(lambda x: np.vecdot(x, y, axis=0, keepdims=True), (x,), (y,))
    np.testing.assert_allclose(value, np.vecdot(x, y, axis=0, keepdims=True))
    np.testing.assert_allclose(tangent, np.vecdot(y, y, axis=0, keepdims=True))


def test_trace_dtype():
    x = draw((2, 2), np.float32)
    assert dd.jvp(lambda x: np.trace(x, dtype=np.float64), (x,), (x,))[1].dtype == np.float64


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x @ 2.0,
        lambda x: x @ np.ones((3, 2)),
        lambda x: np.einsum("ij", x, x),
        lambda x: np.einsum("ijk->", x),
        lambda x: np.einsum("i...->i", x),
        lambda x: np.tensordot(x, np.ones((3, 2)), 1),
        lambda x: np.linalg.outer(x, x),
    ],
)
def test_product_refuses_wrong_shapes_as_numpy(call):
    with pytest.raises(ValueError):
        dd.jvp(call, (np.eye(2),), (np.eye(2),))
    with pytest.raises(ValueError):
        call(np.eye(2))


def test_product_leaves_operands_alone():
    a, b = draw((2, 3)), draw((3, 2))
    before = a.copy(), b.copy()
    dd.grad(lambda a, b: np.sum(np.einsum("ij,jk->ik", a, b) @ np.dot(a, b)), argnums=(0, 1))(a, b)
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])
