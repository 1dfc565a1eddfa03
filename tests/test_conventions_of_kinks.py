"""The derivatives of elementwise functions at kinks, ties, poles and nan, at first and at higher order.

SciPy's functions are in test_special.py; reductions, norms and matrices have files of their own.
"""

import numpy as np
import pytest
from conventions import convention, each_mode, each_way, hold, orders, points

import dualdiff as dd
from dualdiff.core import OPS

nan, inf, pi = np.nan, np.inf, np.pi
EDGES = [0.0, 1, -1, 2, 0.5]
FLAT = (np.sign, np.floor, np.ceil, np.rint, np.round, np.trunc, np.fix)


def clipped(x, low, high):
    return np.minimum(np.maximum(x, low), high)


@points(
    # ---- one argument
    (
        "SP-1 abs has slope 0 at both zeros and nan at nan",
        np.abs,
        ([0.0, -0.0, 1, -1, nan],),
        ([0, 0, 1, -1, nan],),
    ),
    *(
        (f"SP-3 {f.__name__} is flat everywhere, also on a step", f, ([0.3, 0.0, 1.0],), ([0, 0, 0],))
        for f in FLAT
    ),
    ("SP-4 sqrt has an infinite slope at 0 and none below", np.sqrt, ([0.0, 4, -1],), ([inf, 0.25, nan],)),
    ("SP-5 cbrt has an infinite slope at 0", np.cbrt, ([0.0, 8, -8],), ([inf, 1 / 12, 1 / 12],)),
    *(
        (f"SP-6 {f.__name__} has an infinite slope at 0", f, ([0.0],), ([inf],))
        for f in (np.log, np.log2, np.log10)
    ),
    ("SP-6 log1p has an infinite slope at -1", np.log1p, ([-1.0],), ([inf],)),
    ("SP-7 reciprocal falls infinitely fast at 0", np.reciprocal, ([0.0],), ([-inf],)),
    ("SP-7 one divided by x does too", lambda x: 1 / x, ([0.0],), ([-inf],)),
    ("SP-8 arcsin has infinite slopes at both ends", np.arcsin, ([1.0, -1],), ([inf, inf],)),
    ("SP-8 arccos has infinite slopes at both ends", np.arccos, ([1.0, -1],), ([-inf, -inf],)),
    ("SP-8 arctanh has infinite slopes at both ends", np.arctanh, ([1.0, -1],), ([inf, inf],)),
    ("SP-8 arccosh has an infinite slope at 1", np.arccosh, ([1.0],), ([inf],)),
    ("SP-10 sinc at 1/2 falls by 4 / pi", np.sinc, ([0.5],), ([-4 / pi],)),
    ("SP-11 tanh is exactly flat where it has reached 1", np.tanh, ([1000.0],), ([0],)),
    (
        "SP-12 the logistic function is exactly flat far out",
        OPS["sigmoid"],
        ([-1000.0, 1000],),
        ([0, 0],),
    ),
    ("SP-13 softplus is flat at -inf", lambda x: np.logaddexp(x, 0.0), ([-inf],), ([0],)),
    ("SP-15 nan_to_num is flat where it replaces", np.nan_to_num, ([nan, inf, 1],), ([0, 0, 1],)),
    ("SP-16 maximum with 0 has slope 1/2 at 0", lambda x: np.maximum(x, 0.0), ([0.0],), ([0.5],)),
    ("SP-21 frexp scales its mantissa by a power of two", lambda x: np.frexp(x)[0], ([3.0],), ([0.25],)),
    ("SP-21 ldexp multiplies by a power of two", lambda x: np.ldexp(x, 3), ([3.0],), ([8],)),
    ("SP-22 spacing is flat", np.spacing, ([0.3, 0.0, 1.0],), ([0, 0, 0],)),
    (
        "SP-22 nextafter moves as its first argument does",
        np.nextafter,
        ([1.0, 1], [2.0, 0]),
        ([1, 1], [0, 0]),
    ),
    ("SP-23 unwrap adds constants", np.unwrap, ([0.0, 4, 8],), ([1, 1, 1],)),
    ("SP-24 no algebra rescues exp(-1/x) at 0", lambda x: np.exp(-1 / x), ([0.0],), ([nan],)),
    ("SP-24 no algebra rescues 0 log(x) at 0", lambda x: 0 * np.log(x), ([0.0],), ([nan],)),
    ("GEN-3 SP-24 no algebra rescues sqrt(x**2) at 0", lambda x: np.sqrt(x**2), ([0.0],), ([nan],)),
    ("GEN-3 no algebra rescues x log(x) at 0", lambda x: x * np.log(x), ([0.0],), ([nan],)),
    ("NAN-1 nan has a derivative where the value does not matter", lambda x: 2 * x, ([nan],), ([2],)),
    ("NAN-1 nan makes the derivative nan where it does", np.sin, ([nan],), ([nan],)),
    # ---- several arguments
    ("SP-30 maximum shares a tie", np.maximum, ([1.0], [1.0]), ([0.5], [0.5])),
    ("SP-30 minimum shares a tie", np.minimum, ([1.0], [1.0]), ([0.5], [0.5])),
    *(
        (
            f"SP-31 {f.__name__} selects the operand that is nan",
            f,
            ([nan, 1, nan], [1, nan, nan]),
            ([1, 0, 0.5], [0, 1, 0.5]),
        )
        for f in (np.maximum, np.minimum)
    ),
    *((f"SP-32 {f.__name__} shares a tie", f, ([1.0], [1.0]), ([0.5], [0.5])) for f in (np.fmax, np.fmin)),
    *(
        (
            f"SP-33 {f.__name__} passes over nan",
            f,
            ([nan, 1, nan], [1, nan, nan]),
            ([0, 1, 0], [1, 0, 0]),
        )
        for f in (np.fmax, np.fmin)
    ),
    ("SP-34 clip shares ties with its bounds", np.clip, (EDGES, 0.0, 1.0), ([0.5, 0.5, 0, 0, 1], 1.5, 1.5)),
    ("GEN-1 and so does minimum of maximum", clipped, (EDGES, 0.0, 1.0), ([0.5, 0.5, 0, 0, 1], 1.5, 1.5)),
    (
        "SP-35 power is flat in the base at exponent 0",
        np.power,
        ([0.0, 2], [0.0, 0]),
        ([0, 0], [0, np.log(2)]),
    ),
    ("SP-36 an integer as exponent 0 is flat too", lambda x: x**0, ([0.0],), ([0],)),
    ("SP-36 a float as exponent 0 is flat too", lambda x: x**0.0, ([0.0],), ([0],)),
    (
        "SP-37 power at base 0 is flat in the exponent",
        np.power,
        ([0.0, 0, 0], [2.0, 1, 0.5]),
        ([0, 1, inf], [0, 0, 0]),
    ),
    ("SP-38 power at base 0 and exponent -1 is a pole in both", np.power, ([0.0], [-1.0]), ([-inf], [-inf])),
    (
        "SP-39 power of a negative base has no slope in the exponent",
        np.power,
        ([-2.0, -2, -2], [2.0, 3, 0.5]),
        ([-4, 12, nan], [nan] * 3),
    ),
    ("SP-40 a constant exponent does not look at the logarithm", lambda x: x**3.0, ([-2.0],), ([12],)),
    ("SP-42 arctan2 is flat at the origin", np.arctan2, ([0.0], [0.0]), ([0], [0])),
    ("SP-43 hypot is flat at the origin", np.hypot, ([0.0], [0.0]), ([0], [0])),
    *(
        (
            f"SP-44 {f.__name__} shares evenly between equal infinities",
            f,
            ([-inf, inf], [-inf, inf]),
            ([0.5, 0.5], [0.5, 0.5]),
        )
        for f in (np.logaddexp, np.logaddexp2)
    ),
    (
        "SP-45 logaddexp gives all to the larger infinity",
        np.logaddexp,
        ([inf, 0, -inf], [0.0, inf, 0]),
        ([1, 0, 0], [0, 1, 1]),
    ),
    (
        "SP-47 remainder falls by the floor of the quotient",
        np.remainder,
        ([5.3, -5.3, 5.3], [2.0, 2, -2]),
        ([1, 1, 1], [-2, 3, 3]),
    ),
    (
        "SP-47 mod is remainder",
        lambda x, y: x % y,
        ([5.3, -5.3, 5.3], [2.0, 2, -2]),
        ([1, 1, 1], [-2, 3, 3]),
    ),
    (
        "SP-48 fmod falls by the quotient cut towards 0",
        np.fmod,
        ([5.3, -5.3, 5.3], [2.0, 2, -2]),
        ([1, 1, 1], [-2, 2, 2]),
    ),
    ("SP-49 floor_divide is flat", np.floor_divide, ([5.3], [2.0]), ([0], [0])),
    ("SP-49 the quotient of divmod is flat", lambda x, y: np.divmod(x, y)[0], ([5.3], [2.0]), ([0], [0])),
    (
        "SP-49 the rest of divmod is remainder",
        lambda x, y: np.divmod(x, y)[1],
        ([5.3, -5.3, 5.3], [2.0, 2, -2]),
        ([1, 1, 1], [-2, 3, 3]),
    ),
    (
        "SP-50 copysign has slope 0 at 0, and is flat in the sign",
        np.copysign,
        ([0.0, 1, -1], [-1.0, -1, 1]),
        ([0, -1, -1], [0, 0, 0]),
    ),
    (
        "SP-51 heaviside moves with its value at 0 there alone",
        np.heaviside,
        ([0.0, 1], [0.5, 0.5]),
        ([0, 0], [1, 0]),
    ),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the function itself, as without a derivative
@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")
@each_way
def test_derivative_at_point(f, xs, slopes, way):
    hold(way, f, xs, slopes)


# -------------------------------------------------- higher orders
@pytest.mark.parametrize(
    ("f", "x", "word", "expected"),
    orders(
        ("HO-2 SP-2 x abs(x) has no curvature at 0", lambda x: x * np.abs(x), 0.0, {2: 0}),
        (
            "SP-9 sinc is smooth to every order at 0",
            np.sinc,
            0.0,
            {1: 0, 2: -3.289868133696453, 3: 0, 4: 19.481818206800487},
        ),
        ("SP-11 tanh that has reached 1 has no curvature", np.tanh, 30.0, {2: 0}),
        ("SP-14 expm1 next to 0 keeps its digits twice", np.expm1, 1e-20, {1: 1, 2: 1}),
        ("SP-41 the square has curvature 2 at 0", lambda x: x**2, 0.0, {2: 2}),
        ("SP-41 the cube has a third derivative at 0", lambda x: x**3.0, 0.0, {2: 0, 3: 6}),
        ("SP-41 the first power has no curvature", lambda x: x**1, 0.0, {2: 0}),
        ("SP-43 hypot has no curvature at the origin", lambda x: np.hypot(x, 0.0), 0.0, {2: 0}),
        ("SP-46 logaddexp has curvature 1/4 at a tie", lambda x: np.logaddexp(x, 0.0), 0.0, {2: 0.25}),
        ("HO-2 x maximum(x, 0) has slope 1/2 inside", lambda x: x * np.maximum(x, 0.0), 0.0, {2: 1}),
        ("HO-2 x hypot(x, 0) is flat twice", lambda x: x * np.hypot(x, 0.0), 0.0, {2: 0}),
        ("HO-4 exp is its own derivative, also that of its output", np.exp, 1.0, {2: np.e, 3: np.e}),
        ("HO-4 tanh remembers where its output comes from", np.tanh, 0.0, {2: 0, 3: -2}),
        ("HO-4 sqrt remembers where its output comes from", np.sqrt, 4.0, {2: -1 / 32, 3: 3 / 256}),
        ("HO-4 prod does", lambda x: np.prod(np.stack([x, x, x])), 2.0, {2: 12, 3: 6}),
        (
            "HO-4 cholesky does",
            lambda x: np.linalg.cholesky(x * np.array([[4.0, 2], [2, 5]]))[1, 1],
            4.0,
            {2: -2 / 32, 3: 2 * 3 / 256},
        ),
    ),
)
def test_higher_derivative_at_point_in_every_nesting(f, x, word, expected):
    for mode in word:
        f = dd.grad(f, mode=mode)
    assert f(x) == pytest.approx(expected, rel=1e-13, abs=1e-15)
    np.testing.assert_allclose(dd.vmap(f)(np.array([x, x])), [expected] * 2, rtol=1e-13, atol=1e-15)


@convention("SP-11")
def test_tanh_is_flat_to_the_last_bit():
    """From the output: 1 - tanh**2, and not the square of 1 / cosh."""
    assert dd.grad(dd.grad(np.tanh))(30.0) == 0.0 and dd.grad(np.tanh)(1000.0) == 0.0


@convention("SP-40")
@each_mode
def test_constant_exponent_does_not_warn(mode):
    assert dd.grad(lambda x: x**3.0, mode=mode)(-2.0) == 12.0  # warnings are errors here


@convention("SP-16")
def test_relu_of_the_front_end_is_flat_at_0_where_maximum_is_not():
    import dualdiff.torch as torch

    x = torch.tensor(0.0, requires_grad=True)
    torch.relu(x).backward()
    assert x.grad.item() == 0.0
    y = torch.tensor(0.0, requires_grad=True)
    torch.maximum(y, torch.tensor(0.0)).backward()
    assert y.grad.item() == 0.5


@each_mode
@convention("GEN-1")
def test_equivalent_formulas_agree_at_kinks(mode):
    x = np.array(EDGES)
    by_name, by_parts = (
        dd.grad(lambda x, low, high: np.sum(f(x, low, high)), (0, 1, 2), mode=mode)(x, 0.0, 1.0)  # noqa: B023
        for f in (np.clip, clipped)
    )
    for a, b in zip(by_name, by_parts, strict=True):
        np.testing.assert_array_equal(a, b)


# -------------------------------------------------- zeros that are numbers
@convention("SP-25")
def test_number_zero_meets_a_pole_and_no_tangent_does_not():
    with np.errstate(all="ignore"):
        assert np.isnan(dd.jvp(np.sqrt, (0.0,), (0.0,))[1])
        assert dd.jvp(lambda x: x + np.sqrt(0.0), (1.0,), (1.0,))[1] == 1.0
        assert dd.jvp(lambda x: x + np.sqrt(dd.stop_gradient(x) - 1.0), (1.0,), (1.0,))[1] == 1.0
        with dd.strong_zero():
            assert dd.jvp(np.sqrt, (0.0,), (0.0,))[1] == 0.0


# -------------------------------------------------- the last digits of a wider type
@pytest.mark.parametrize(
    "f", [np.sin, np.exp2, np.log2, np.sinc, np.tanh, np.logaddexp, np.hypot, np.rad2deg]
)
@convention("DT-5")
def test_longdouble_keeps_its_digits(f):
    """Against differences taken in extended precision, which double precision would miss."""
    x = np.longdouble("0.3")
    args = (x,) * getattr(f, "nin", 1)
    h = np.longdouble(2) ** -12
    stencil = {1: np.longdouble(2) / 3, 2: -np.longdouble(1) / 12}
    g = lambda t: f(x + t, *args[1:])  # noqa: E731
    expected = sum(c * (g(k * h) - g(-k * h)) for k, c in stencil.items()) / h
    found = dd.grad(lambda x: f(x, *args[1:]))(x)
    assert found.dtype == np.longdouble
    assert abs(found - expected) < 1e-12 * abs(expected)
