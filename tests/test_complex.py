"""Complex numbers: the conjugate convention at named points, and the adjoint identity in every mode."""

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd

by_mode = pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
A = np.array([[1 + 2j, 3j], [0, 1 - 1j]])
RNG = np.random.default_rng(4)


def normal(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


GRADIENTS = [
    ("CPX-1", lambda z: np.abs(z) ** 2, 1 + 2j, 2 + 4j),
    ("CPX-2", lambda z: np.real(z * z), 1 + 2j, 2 - 4j),
    ("CPX-3-real", np.real, 1 + 2j, 1 + 0j),
    ("CPX-3-imag", np.imag, 1 + 2j, 1j),
    ("attribute-real", lambda z: z.real, 1 + 2j, 1 + 0j),
    ("attribute-imag", lambda z: z.imag, 1 + 2j, 1j),
    ("CPX-4", np.abs, 3 + 4j, 0.6 + 0.8j),
    ("CPX-4 SP-17 zero", np.abs, 0j, 0j),
    ("CPX-5", np.angle, 1 + 1j, -0.5 + 0.5j),
    ("CPX-5 SP-17 zero", np.angle, 0j, 0j),
    ("CPX-5-degrees", lambda z: np.angle(z, deg=True), 1 + 1j, (-0.5 + 0.5j) * 180 / np.pi),
    ("CPX-6", lambda z: np.real(np.sign(z)), 1 + 2j, 0.35777087639996635 - 0.17888543819998315j),
    ("CPX-6 SP-17 zero", lambda z: np.real(np.sign(z)), 0j, 0j),
    ("conjugate", lambda z: np.real(np.conj(z) * z), 1 + 2j, 2 + 4j),
    ("sqrt", lambda z: np.real(np.sqrt(z)), 3 + 4j, np.conj(0.5 / (2 + 1j))),
    ("exp", lambda z: np.imag(np.exp(z)), 1 + 2j, 1j * np.conj(np.exp(1 + 2j))),
    ("log", lambda z: np.real(np.log(z)), 1 + 2j, 1 / (1 - 2j)),
    ("divide", lambda z: np.real(1 / z), 1 + 2j, np.conj(-1 / (1 + 2j) ** 2)),
    ("power", lambda z: np.real(z ** (1 + 1j)), 1 + 2j, np.conj((1 + 1j) * (1 + 2j) ** 1j)),
]


@by_mode
@pytest.mark.parametrize("f, z, exact", [pytest.param(*row[1:], id=row[0]) for row in GRADIENTS])
def test_gradient_at_a_named_point(f, z, exact, mode):
    found = dd.grad(f, mode=mode)(z)
    assert type(found) is np.complex128
    np.testing.assert_allclose(found, exact, rtol=1e-15, atol=1e-16)
    array = dd.grad(lambda z: np.sum(f(z)), mode=mode)(np.array([z, z]))
    np.testing.assert_allclose(array, [exact, exact], rtol=1e-15, atol=1e-16)
    pushed = [dd.jvp(f, (z,), (t,), mode=mode)[1] for t in (1.0 + 0j, 1j)]
    np.testing.assert_allclose(pushed, [np.real(exact), np.imag(exact)], rtol=1e-15, atol=1e-16)
    rows = dd.vmap(dd.grad(f, mode=mode))(np.array([z, z]))
    np.testing.assert_allclose(rows, [exact, exact], rtol=1e-15, atol=1e-16)


@by_mode
def test_descent_direction(mode):
    loss = lambda z: np.abs(z - (3 - 1j)) ** 2  # noqa: E731
    z = 1 + 2j
    for _ in range(60):
        z = z - 0.2 * dd.grad(loss, mode=mode)(z)
    assert z == pytest.approx(3 - 1j)


@by_mode
@convention("CPX-7")
def test_pushforward_of_the_conjugate_is_the_conjugate(mode):
    assert dd.jvp(np.conj, (1 + 2j,), (1j,), mode=mode)[1] == -1j


@by_mode
@convention("CPX-8")
def test_pullback_of_a_matrix_is_its_adjoint(mode):
    for product in (lambda x: np.sum(A * x, axis=1), lambda x: A @ x):
        found = dd.vjp(product, np.array([1 + 1j, 2 - 1j]), mode=mode)[1](np.array([1, 1j]))[0]
        np.testing.assert_allclose(found, [1 - 2j, -1 - 2j], rtol=1e-15)


@by_mode
@convention("CPX-9")
def test_holomorphic_derivative(mode):
    assert dd.grad(lambda z: z**3, holomorphic=True, mode=mode)(1 + 2j) == pytest.approx(-9 + 12j)


@by_mode
@convention("CPX-10", "CPX-11", "CPX-16")
def test_not_holomorphic_functions_need_a_choice(mode):
    with pytest.raises(TypeError, match=r"holomorphic=True.*jvp.*vjp"):
        dd.grad(lambda z: z * z, mode=mode)(1 + 2j)
    for x in (1.0, np.ones(2)):
        with pytest.raises(TypeError, match="complex"):
            dd.grad(lambda z: np.sum(z * z), holomorphic=True, mode=mode)(x)
    with pytest.raises(TypeError, match="complex output"):
        dd.grad(np.abs, holomorphic=True, mode=mode)(1 + 2j)
    for f in (lambda z: z * z, np.abs):
        with pytest.raises(TypeError):
            dd.jacobian(f, mode=mode)(A)
        with pytest.raises(TypeError):
            dd.hessian(lambda z, f=f: np.sum(np.abs(f(z))), mode=mode)(A)
    with pytest.raises(TypeError):
        dd.jacobian(lambda x: 1j * x, mode=mode)(np.ones(2))


@by_mode
@convention("CPX-13")
def test_real_to_complex_to_real(mode):
    f = lambda x: np.real(np.exp(1j * x))  # noqa: E731
    found = dd.grad(f, mode=mode)(1.0)
    assert type(found) is np.float64
    assert found == pytest.approx(-0.8414709848078965, rel=1e-15)
    assert dd.grad(dd.grad(f, mode=mode), mode=mode)(1.0) == pytest.approx(-np.cos(1.0), rel=1e-15)


@by_mode
@convention("CPX-14")
def test_real_by_complex_product(mode):
    x, c = np.array([1.0, -2.0, 0.5]), np.array([1 + 2j, 0.5j, -1.0])
    gradient = dd.grad(lambda x: np.abs(np.sum(x * c)) ** 2, mode=mode)(x)
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, 2 * np.real(np.conj(c) * np.sum(x * c)), rtol=1e-14)
    hessian = dd.hessian(lambda x: np.abs(np.sum(x * c)) ** 2, mode=mode)(x)
    np.testing.assert_allclose(hessian, 2 * np.real(np.outer(np.conj(c), c)), rtol=1e-13)
    single = dd.grad(lambda x: np.abs(np.sum(x * c)) ** 2, mode=mode)(x.astype(np.float32))
    assert single.dtype == np.float32


@by_mode
def test_each_argument_gets_its_own_field(mode):
    x, z = np.array([1.0, 2.0]), np.array([1 + 1j, 2 - 1j])
    f = lambda x, z: np.real(np.sum(x * z * z))  # noqa: E731
    x_bar, z_bar = dd.grad(f, argnums=(0, 1), mode=mode)(x, z)
    assert (x_bar.dtype, z_bar.dtype) == (np.float64, np.complex128)
    np.testing.assert_allclose(x_bar, np.real(z * z), rtol=1e-14)
    np.testing.assert_allclose(z_bar, np.conj(2 * x * z), rtol=1e-14)


@by_mode
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.clongdouble])
@convention("DT-6")
def test_complex_precision_is_kept(dtype, mode):
    z = np.array([1 + 2j, 0.5], dtype)
    found = dd.grad(lambda z: np.sum(np.abs(np.sin(2.0 * z) * z) ** 2), mode=mode)(z)
    assert found.dtype == dtype
    assert dd.jacobian(lambda z: z**2 + 1, holomorphic=True, mode=mode)(z).dtype == dtype
    y, y_dot = dd.jvp(lambda z: np.exp(z) / 3, (z,), (z,), mode=mode)
    assert y.dtype == y_dot.dtype == dtype
    assert type(dd.grad(np.abs, mode=mode)(dtype(1j))) is dtype


@by_mode
@convention("CPX-16")
def test_jacobian_of_a_holomorphic_function(mode):
    z = normal(3)
    f = lambda z: np.concatenate([z[:2] * z[1:], np.sum(z)[None] ** 2])  # noqa: E731
    exact = np.array([[z[1], z[0], 0], [0, z[2], z[1]], [2 * np.sum(z)] * 3])
    for chunk_size in (1, 2, None, "auto"):
        found = dd.jacobian(f, holomorphic=True, mode=mode, chunk_size=chunk_size)(z)
        np.testing.assert_allclose(found, exact, rtol=1e-14)


@by_mode
@convention("CPX-16")
def test_hessian_of_a_holomorphic_function_is_a_jacobian_of_its_gradient(mode):
    f = lambda z: z[0] ** 2 * z[1]  # noqa: E731
    z = np.array([1 + 2j, 0.5j])
    with pytest.raises(TypeError, match=r"jacobian\(grad\(f, holomorphic=True\), holomorphic=True\)"):
        dd.hessian(f, mode=mode)(z)
    found = dd.jacobian(dd.grad(f, holomorphic=True, mode=mode), holomorphic=True, mode=mode)(z)
    np.testing.assert_allclose(found, [[2 * z[1], 2 * z[0]], [2 * z[0], 0]], rtol=1e-15)


@by_mode
@convention("CPX-12")
def test_flag_is_believed_of_a_function_that_is_not_holomorphic(mode):
    """Nothing checks it at run time; check_grads does (test_laws.py)."""
    assert np.isfinite(dd.grad(np.conj, holomorphic=True, mode=mode)(1 + 2j))


@convention("CPX-17")
def test_front_end_has_the_convention_of_the_core():
    """No name of dualdiff conjugates: what comes from another library does so at its own boundary."""
    import dualdiff.torch as torch

    z = torch.tensor(1 + 2j, requires_grad=True)
    (torch.abs(z) ** 2).backward()
    assert z.grad.item() == pytest.approx(2 + 4j, rel=1e-6) == dd.grad(lambda z: np.abs(z) ** 2)(1 + 2j)


PROGRAMS = {
    "elementwise": lambda z: np.sin(z) * np.conj(z) + np.exp(-z * z),
    "parts": lambda z: np.real(z) * 1j + np.imag(z) ** 2 + np.abs(z),
    "phase": lambda z: np.sign(z) * np.abs(z),
    "matmul": lambda z: A @ np.conj(z) + z @ A,
    "index": lambda z: z[[1, 0, 0]] * z[0] - np.conj(z[::-1])[[0, 0, 1]],
    "broadcast": lambda z: np.sum(z[:, None] * A * np.real(z), axis=0),
    "where": lambda z: np.where(np.real(z) > 0, z * z, np.conj(z)),
    "real-output": lambda z: np.abs(z) ** 2 + np.real(z),
    "astype": lambda z: np.real(z).astype(complex) * z,
    "joined": lambda z: np.concatenate([z, np.real(z)]) * np.concatenate([np.conj(z), z]),
}


@by_mode
@pytest.mark.parametrize("name", PROGRAMS)
@convention("CPX-15")
def test_adjoint_identity_and_differences(name, mode):
    f = PROGRAMS[name]
    z, t = normal(2), normal(2)
    y, y_dot = dd.jvp(f, (z,), (t,), mode=mode)
    w = normal(*y.shape) if y.dtype.kind == "c" else RNG.normal(size=y.shape)
    z_bar = dd.vjp(f, z, mode=mode)[1](w)[0]
    left, right = np.real(np.vdot(w, y_dot)), np.real(np.vdot(z_bar, t))
    size = np.linalg.norm(w) * np.linalg.norm(y_dot)
    assert abs(left - right) <= 64 * np.finfo(float).eps * (abs(left) + abs(right) + size)
    h = 1e-3
    plain = sum(c * f(z + k * h * t) for k, c in [(1, 8), (-1, -8), (2, -1), (-2, 1)]) / (12 * h)
    np.testing.assert_allclose(y_dot, plain, rtol=1e-8, atol=1e-8)
    _, lin = dd.linearize(f, z)
    np.testing.assert_allclose(lin(t), y_dot, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(lin.T(w)[0], z_bar, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("inner", ["forward", "reverse"])
@pytest.mark.parametrize("outer", ["forward", "reverse"])
def test_second_order_against_differences_of_gradients(name, outer, inner):
    f = PROGRAMS[name]
    z, t = normal(2), normal(2)
    gradient = dd.grad(lambda z: np.sum(np.abs(f(z)) ** 2), mode=inner)
    found = dd.jvp(gradient, (z,), (t,), mode=outer)[1]
    h = 1e-3
    plain = sum(c * gradient(z + k * h * t) for k, c in [(1, 8), (-1, -8), (2, -1), (-2, 1)]) / (12 * h)
    np.testing.assert_allclose(found, plain, rtol=1e-6, atol=1e-6)


@by_mode
def test_batch_of_complex_gradients(mode):
    zs = normal(3, 2)
    for f in PROGRAMS.values():
        gradient = dd.grad(lambda z, f=f: np.sum(np.abs(f(z)) ** 2), mode=mode)
        np.testing.assert_allclose(dd.vmap(gradient)(zs), [gradient(z) for z in zs], rtol=1e-12, atol=1e-13)


def test_real_cotangent_for_a_complex_value_and_back():
    _y, pullback = dd.vjp(lambda z: z * z, 1 + 2j)
    assert pullback(1.0)[0] == pytest.approx(np.conj(2 * (1 + 2j)))
    assert type(pullback(1.0)[0]) is np.complex128
    _, pullback = dd.vjp(np.abs, 3 + 4j)
    with pytest.raises(TypeError):
        pullback(1j)
    with pytest.raises(TypeError):
        dd.jvp(np.sin, (1.0,), (1j,))
    assert dd.jvp(lambda z: z * z, (1 + 2j,), (1.0,))[1] == 2 + 4j


def test_checked_against_a_second_library():
    torch = pytest.importorskip("torch")
    z = normal(3)
    t = torch.tensor(z, requires_grad=True)
    (torch.abs(torch.sin(t) * torch.conj(t)) ** 2).sum().backward()
    found = dd.grad(lambda z: np.sum(np.abs(np.sin(z) * np.conj(z)) ** 2))(z)
    np.testing.assert_allclose(found, t.grad.numpy(), rtol=1e-12)
