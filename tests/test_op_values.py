"""Derivatives of elementwise functions at named points: kinks, ties, poles, infinities, NaN.

Each row is one promise of the conventions (ids SP-* and CPX-*): it must come out of forward mode, of reverse
mode and under vmap, without a warning of its own.
"""

import itertools

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.core import OPS

NAN, INF, PI = np.nan, np.inf, np.pi
LN2 = np.log(2)
sigmoid = OPS["sigmoid"]


def row(id, f, points, *expected):
    """One promise: at each point (the arguments, or the only one) the derivative for each argument."""
    for point, *slopes in zip(points, *expected, strict=True):
        point = tuple(map(np.float64, point if isinstance(point, tuple) else (point,)))
        name = f"{id}-{getattr(f, '__name__', 'f')}-{','.join(map(str, point))}"
        for i, slope in enumerate(slopes):
            yield pytest.param(f, point, i, slope, id=f"{name}-{i}" if len(slopes) > 1 else name)


ROWS = [
    *row("SP-1", np.abs, [0.0, -0.0, 1.0, -1.0, NAN], [0, 0, 1, -1, NAN]),
    *(
        param
        for f in (np.sign, np.floor, np.ceil, np.rint, np.round, np.trunc, np.fix)
        for param in row("SP-3", f, [0.3, 0.0, 1.0], [0, 0, 0])
    ),
    *row("SP-4", np.sqrt, [0.0, 4.0, -1.0], [INF, 0.25, NAN]),
    *row("SP-5", np.cbrt, [0.0, 8.0, -8.0], [INF, 1 / 12, 1 / 12]),
    *(param for f in (np.log, np.log2, np.log10) for param in row("SP-6", f, [0.0], [INF])),
    *row("SP-6", np.log1p, [-1.0], [INF]),
    *row("SP-7", np.reciprocal, [0.0], [-INF]),
    *row("SP-7", lambda x: 1 / x, [0.0], [-INF]),
    *row("SP-8", np.arcsin, [1.0, -1.0], [INF, INF]),
    *row("SP-8", np.arccos, [1.0, -1.0], [-INF, -INF]),
    *row("SP-8", np.arctanh, [1.0, -1.0], [INF, INF]),
    *row("SP-8", np.arccosh, [1.0], [INF]),
    *row("SP-10", np.sinc, [0.5], [-4 / PI]),
    *row("SP-11", np.tanh, [1000.0], [0]),
    *row("SP-12", sigmoid, [-1000.0, 1000.0], [0, 0]),
    *row("SP-13", lambda x: np.logaddexp(x, 0.0), [-INF], [0]),
    *row("SP-14", np.expm1, [1e-20], [1]),
    *row("SP-15", np.nan_to_num, [NAN, INF, 1.0], [0, 0, 1]),
    *row("SP-16", lambda x: np.maximum(x, 0.0), [0.0], [0.5]),
    *row("SP-21", lambda x: np.frexp(x)[0], [3.0], [0.25]),
    *row("SP-21", lambda x: np.ldexp(x, 3), [3.0], [8]),
    *row("SP-22", np.spacing, [1.0, 0.3], [0, 0]),
    *row("SP-22", np.nextafter, [(1.0, 2.0), (1.0, 0.0)], [1, 1], [0, 0]),
    *row("SP-24", lambda x: np.exp(-1 / x), [0.0], [NAN]),
    *row("SP-24", lambda x: 0 * np.log(x), [0.0], [NAN]),
    *row("SP-24", lambda x: np.sqrt(x**2), [0.0], [NAN]),
    *(param for f in (np.maximum, np.minimum) for param in row("SP-30", f, [(1.0, 1.0)], [0.5], [0.5])),
    *(
        param
        for f in (np.maximum, np.minimum)
        for param in row("SP-31", f, [(NAN, 1.0), (1.0, NAN), (NAN, NAN)], [1, 0, 0.5], [0, 1, 0.5])
    ),
    *(param for f in (np.fmax, np.fmin) for param in row("SP-32", f, [(1.0, 1.0)], [0.5], [0.5])),
    *(
        param
        for f in (np.fmax, np.fmin)
        for param in row("SP-33", f, [(NAN, 1.0), (1.0, NAN), (NAN, NAN)], [0, 1, 0], [1, 0, 0])
    ),
    *row(
        "SP-34",
        np.clip,
        [(0.0, 0.0, 1.0), (1.0, 0.0, 1.0), (-1.0, 0.0, 1.0), (2.0, 0.0, 1.0), (0.5, 0.0, 1.0)],
        [0.5, 0.5, 0, 0, 1],
        [0.5, 0, 1, 0, 0],
        [0, 0.5, 0, 1, 0],
    ),
    *row("SP-35", np.power, [(0.0, 0.0), (2.0, 0.0)], [0, 0], [0, LN2]),
    *row("SP-36", lambda x: x**0, [0.0], [0]),
    *row("SP-36", lambda x: x**0.0, [0.0], [0]),
    *row("SP-37", np.power, [(0.0, 2.0), (0.0, 1.0), (0.0, 0.5)], [0, 1, INF], [0, 0, 0]),
    *row("SP-38", np.power, [(0.0, -1.0)], [-INF], [-INF]),
    *row("SP-39", np.power, [(-2.0, 2.0), (-2.0, 3.0), (-2.0, 0.5)], [-4, 12, NAN], [NAN, NAN, NAN]),
    *row("SP-40", lambda x: x**3.0, [-2.0], [12]),
    *row("SP-42", np.arctan2, [(0.0, 0.0)], [0], [0]),
    *row("SP-43", np.hypot, [(0.0, 0.0)], [0], [0]),
    *(
        param
        for f in (np.logaddexp, np.logaddexp2)
        for param in row("SP-44", f, [(-INF, -INF), (INF, INF)], [0.5, 0.5], [0.5, 0.5])
    ),
    *row("SP-45", np.logaddexp, [(INF, 0.0), (0.0, INF), (-INF, 0.0)], [1, 0, 0], [0, 1, 1]),
    *row("SP-47", np.remainder, [(5.3, 2.0), (-5.3, 2.0), (5.3, -2.0)], [1, 1, 1], [-2, 3, 3]),
    *row("SP-48", np.fmod, [(5.3, 2.0), (-5.3, 2.0), (5.3, -2.0)], [1, 1, 1], [-2, 2, 2]),
    *row("SP-49", np.floor_divide, [(5.3, 2.0)], [0], [0]),
    *row("SP-49", lambda x, y: np.divmod(x, y)[0], [(5.3, 2.0)], [0], [0]),
    *row("SP-49", lambda x, y: np.divmod(x, y)[1], [(5.3, 2.0), (-5.3, 2.0)], [1, 1], [-2, 3]),
    *row("SP-50", np.copysign, [(0.0, -1.0), (1.0, -1.0), (-1.0, 1.0)], [0, -1, -1], [0, 0, 0]),
    *row("SP-51", np.heaviside, [(0.0, 0.5), (1.0, 0.5)], [0, 0], [1, 0]),
    *row("NAN-1", np.sin, [NAN], [NAN]),
    *row("NAN-1", lambda x: 2 * x, [NAN], [2]),
]
PROMISES = pytest.mark.parametrize(("f", "point", "i", "expected"), ROWS)


def of_one(f, point, i):
    """f as a function of its argument i."""
    return lambda x: f(*point[:i], x, *point[i + 1 :])


def assert_slope(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0)


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")  # of the plain call
@PROMISES
def test_derivative_at_point_in_forward_mode(f, point, i, expected):
    with np.errstate(all="ignore"):  # the function itself may warn here, as without a derivative
        value, slope = dd.jvp(of_one(f, point, i), (point[i],), (1.0,))
        np.testing.assert_array_equal(value, f(*point))
    assert_slope(slope, expected)


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")  # of the plain call
@PROMISES
def test_derivative_at_point_in_reverse_mode(f, point, i, expected):
    with np.errstate(all="ignore"):
        value, pullback = dd.vjp(f, *point)
        np.testing.assert_array_equal(value, f(*point))
    assert_slope(pullback(1.0)[i], expected)


@PROMISES
def test_derivative_at_point_under_vmap(f, point, i, expected):
    twice = [np.array([x, x]) for x in point]
    axes = tuple(0 if k == i else None for k in range(len(point)))
    with np.errstate(all="ignore"):
        one = dd.vmap(lambda x: dd.grad(of_one(f, point, i))(x))(twice[i])
        mixed = dd.vmap(dd.grad(f, argnums=i), in_axes=axes)(
            *(t if k == i else p for k, (t, p) in enumerate(zip(twice, point, strict=True)))
        )
        every = dd.vmap(dd.grad(f, argnums=i))(*twice)
    for found in (one, mixed, every):
        assert_slope(found, [expected, expected])


@PROMISES
def test_derivative_at_point_is_silent(f, point, i, expected):
    with np.errstate(all="ignore"):
        _, pullback = dd.vjp(f, *point)
        _, lin = dd.linearize(of_one(f, point, i), point[i])
    with np.errstate(all="raise"):
        pullback(1.0)
        lin(1.0)


# -------------------------------------------------- higher orders
def forward(f):
    return lambda x: dd.jvp(f, (x,), (np.ones(()),))[1]


def reverse(f):
    return lambda x: dd.vjp(f, x)[1](np.ones(()))[0]


HIGHER = [
    ("SP-2", lambda x: x * np.abs(x), 0.0, {2: 0}),
    ("SP-9", np.sinc, 0.0, {1: 0, 2: -(PI**2) / 3, 3: 0, 4: PI**4 / 5}),
    ("SP-11", np.tanh, 30.0, {2: 0}),
    ("SP-14", np.expm1, 1e-20, {1: 1, 2: 1}),
    ("SP-41", lambda x: x**2, 0.0, {2: 2}),
    ("SP-41", lambda x: x**3.0, 0.0, {2: 0, 3: 6}),
    ("SP-41", lambda x: x**1, 0.0, {2: 0}),
    ("SP-43", lambda x: np.hypot(x, 0.0), 0.0, {2: 0}),
    ("SP-46", lambda x: np.logaddexp(x, 0.0), 0.0, {2: 0.25}),
    ("HO-4", np.exp, 1.0, {2: np.e, 3: np.e}),
]
WORDS = [
    pytest.param(f, x, word, expected, id=f"{id}-{k}-{''.join(mode.__name__[0] for mode in word)}")
    for k, (id, f, x, orders) in enumerate(HIGHER)
    for order, expected in orders.items()
    for word in itertools.product((forward, reverse), repeat=order)
]


@pytest.mark.parametrize(("f", "x", "word", "expected"), WORDS)
def test_higher_derivative_at_point(f, x, word, expected):
    for mode in word:
        f = mode(f)
    np.testing.assert_allclose(f(x), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(dd.vmap(f)(np.array([x, x])), [expected] * 2, rtol=1e-13, atol=1e-15)


def test_numerical_zero_tangent_meets_a_pole():
    """SP-25: 0 * inf is nan; a structural zero is no multiplication at all."""
    assert np.isnan(dd.jvp(np.sqrt, (0.0,), (0.0,))[1])
    assert dd.jvp(lambda x: x + np.sqrt(0.0), (1.0,), (1.0,))[1] == 1.0


def test_equivalent_formulas_agree_at_kinks():
    """GEN-1"""
    for x in (0.0, 1.0, -1.0, 2.0, 0.5):
        clipped = dd.grad(lambda x: np.clip(x, 0.0, 1.0))(x)
        assert clipped == dd.grad(lambda x: np.minimum(np.maximum(x, 0.0), 1.0))(x)


# -------------------------------------------------- complex numbers
COMPLEX = [
    ("CPX-1", lambda z: np.abs(z) ** 2, 1 + 2j, 2 + 4j),
    ("CPX-2", lambda z: np.real(z * z), 1 + 2j, 2 - 4j),
    ("CPX-3", np.real, 1 + 2j, 1 + 0j),
    ("CPX-3", np.imag, 1 + 2j, 1j),
    ("CPX-4", np.abs, 3 + 4j, 0.6 + 0.8j),
    ("CPX-4", np.abs, 0j, 0j),
    ("CPX-6", lambda z: np.real(np.sign(z)), 1 + 2j, 0.35777087639996635 - 0.17888543819998315j),
    ("CPX-6", lambda z: np.real(np.sign(z)), 0j, 0j),
]


@pytest.mark.parametrize(
    ("f", "z", "expected"), [pytest.param(*rest, id=f"{id}-{k}") for k, (id, *rest) in enumerate(COMPLEX)]
)
def test_complex_gradient_at_point(f, z, expected):
    """The gradient of a real function is dL/du + i dL/dv, in both modes and under vmap."""
    for mode in ("reverse", "forward"):
        np.testing.assert_allclose(dd.grad(f, mode=mode)(z), expected, rtol=1e-15)
    u, v = (dd.jvp(f, (z,), (t,))[1] for t in (1.0 + 0j, 1j))
    np.testing.assert_allclose(u + 1j * v, expected, rtol=1e-15)
    np.testing.assert_allclose(dd.vmap(dd.grad(f))(np.array([z, z])), [expected] * 2, rtol=1e-15)


def test_tangent_of_conj_is_conj_of_tangent():
    """CPX-7"""
    assert dd.jvp(np.conj, (1 + 2j,), (1j,))[1] == -1j


def test_pullback_of_complex_matrix_product_is_the_adjoint():
    """CPX-8"""
    a = np.array([[1 + 2j, 3j], [0, 1 - 1j]])
    (x_bar,) = dd.vjp(lambda x: a @ x, np.array([1.0 + 0j, 2.0]))[1](np.array([1, 1j]))
    np.testing.assert_array_equal(x_bar, [1 - 2j, -1 - 2j])


def test_holomorphic_derivative_is_not_conjugated():
    """CPX-9"""
    assert dd.grad(lambda z: z**3, holomorphic=True)(1 + 2j) == pytest.approx(-9 + 12j, rel=1e-15)


def test_real_cotangent_of_a_real_input_of_complex_arithmetic():
    """CPX-13"""
    slope = dd.grad(lambda x: np.real(np.exp(1j * x)))(1.0)
    assert slope.dtype == float
    assert slope == pytest.approx(-0.8414709848078965, rel=1e-15)


@pytest.mark.parametrize(
    "f", [np.sin, np.exp2, np.log2, np.sinc, np.tanh, np.logaddexp, np.hypot, np.rad2deg]
)
def test_longdouble_keeps_its_digits(f):
    """DT-5: against differences taken in extended precision, which double precision would miss."""
    x = np.longdouble("0.3")
    args = (x,) * getattr(f, "nin", 1)
    h = np.longdouble(2) ** -12
    stencil = {1: np.longdouble(2) / 3, 2: -np.longdouble(1) / 12}
    g = lambda t: f(x + t, *args[1:])  # noqa: E731
    expected = sum(c * (g(k * h) - g(-k * h)) for k, c in stencil.items()) / h
    found = dd.grad(lambda x: f(x, *args[1:]))(x)
    assert found.dtype == np.longdouble
    assert abs(found - expected) < 1e-12 * abs(expected)
