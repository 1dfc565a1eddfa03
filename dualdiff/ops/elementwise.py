"""Elementwise ops: one row each, the function and its partial derivatives from the output and the inputs.

A parameter that starts with an underscore is not read by the partial, and so is not kept. Conventions at
kinks follow one policy: the subgradient of smallest norm, the limit where there is one, and ties shared
evenly; the rows say where. Formulas without a source are first-year calculus. Longer than 400 lines because
the rows are one table.
"""

from __future__ import annotations

import math

import numpy as np

from dualdiff.declare import elementwise, numpy_function, op, over
from dualdiff.domains import (
    above_minus_one,
    above_one,
    between_integers,
    nonzero,
    positive,
    reals,
    small_integers,
    unit,
)
from dualdiff.quiet import quiet

PI = np.longdouble("3.14159265358979323846264338327950288")
LN2 = np.longdouble("0.693147180559945309417232121458176568")
LN10 = np.longdouble("2.30258509299404568401799145468436421")


def constant(value, x):
    """`value` in the dtype of x, so that a rule keeps float32 and longdouble what they are."""
    return x.dtype.type(value)


def is_scalar(x, value) -> bool:
    """Whether x is a plain number equal to `value`; a tensor never is."""
    return isinstance(x, (int, float, np.generic)) and x == value


# -------------------------------------------------- arithmetic
#                      function         dy/dx_i, from the output and the inputs            smooth on
add = elementwise(np.add, 1, 1, complex=True)
subtract = elementwise(np.subtract, 1, -1, complex=True)
multiply = elementwise(np.multiply, lambda _z, _x, y: y, lambda _z, x, _y: x, complex=True)
divide = elementwise(
    np.divide, over(lambda _z, _x, y: y), lambda z, _x, y: -z / y, on=(reals, nonzero), complex=True
)
negative = elementwise(np.negative, -1, complex=True)
positive_ = elementwise(np.positive, 1, complex=True)
square = elementwise(np.square, lambda _y, x: 2.0 * x, complex=True)
reciprocal = elementwise(np.reciprocal, lambda y, _x: -y * y, on=nonzero, complex=True)
sqrt = elementwise(np.sqrt, lambda y, _x: 0.5 / y, on=positive, complex=True)
cbrt = elementwise(np.cbrt, lambda y, _x: 1.0 / (3.0 * y * y), on=nonzero)


def phase_conjugate(x):
    """conj(x) / abs(x), and 0 at 0: the partial of abs, which is sign(x) for real x."""
    s = np.sign(x)
    return np.conj(s) if s.dtype.kind == "c" else s


absolute = elementwise(
    np.absolute,
    lambda _y, x: phase_conjugate(x),
    on=nonzero,
    complex=True,
    kink="0 at 0, the least subgradient.",
)
fabs = elementwise(np.fabs, lambda _y, x: np.sign(x), on=nonzero, kink="0 at 0.")


def power_base(_z, x, y):
    """y x**(y - 1), and 0 where y is 0, also at x = 0; small constant exponents become products."""
    if is_scalar(y, 2):
        return 2.0 * x
    if is_scalar(y, 1):
        return 1.0
    if is_scalar(y, 0):
        return 0.0
    if is_scalar(y, 3):
        return 3.0 * (x * x)
    if isinstance(y, (int, float)):
        y = constant(y, x) if x.dtype.kind == "f" else y  # y - 1 in extended precision where x has it
        return y * x ** (y - 1)
    if getattr(y, "dtype", x.dtype) != x.dtype:
        y = y.astype(np.result_type(x.dtype, y.dtype))  # where y - 1 loses nothing
    flat = np.equal(y, 0)
    return np.where(flat, 0, y * x ** np.where(flat, 1, y - 1))


def power_exponent(z, x, y):
    """z log(x), and 0 at x = 0 for y >= 0, where the function is flat in y."""
    flat = np.logical_and(np.equal(x, 0), np.greater_equal(np.real(y), 0))
    return z * np.log(np.where(flat, constant(1, z), x))  # the logarithm in the dtype of z, complex if z is


power = elementwise(
    np.power,
    power_base,
    power_exponent,
    on=(positive, reals),
    complex=True,
    kink="0 for the base where the exponent is 0; 0 for the exponent at base 0 and exponent >= 0.",
)

# -------------------------------------------------- exp and log
exp = elementwise(np.exp, lambda y, _x: y, complex=True)
exp2 = elementwise(np.exp2, lambda y, _x: y * constant(LN2, y), complex=True)
expm1 = elementwise(np.expm1, lambda _y, x: np.exp(x), complex=True)
log = elementwise(np.log, lambda _y, x: 1.0 / x, on=positive, complex=True)
log2 = elementwise(np.log2, lambda _y, x: 1.0 / (x * constant(LN2, x)), on=positive, complex=True)
log10 = elementwise(np.log10, lambda _y, x: 1.0 / (x * constant(LN10, x)), on=positive, complex=True)
log1p = elementwise(np.log1p, lambda _y, x: 1.0 / (1.0 + x), on=above_minus_one, complex=True)


def _sigmoid(x):
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + z), z / (1 + z)).astype(z.dtype)[()]


sigmoid = elementwise(_sigmoid, lambda y, _x: y * (1.0 - y), name="sigmoid", doc="1 / (1 + exp(-x)).")


def log_ratio(x, y):
    """x - y, and 0 where both are the same infinity, whose weights are then even."""
    with quiet():  # inf - inf, of which logaddexp itself does not warn
        return np.where(np.logical_and(np.equal(x, y), np.isinf(x)), 0, x - y)


logaddexp = elementwise(
    np.logaddexp,
    lambda _z, x, y: sigmoid(log_ratio(x, y)),
    lambda _z, x, y: sigmoid(log_ratio(y, x)),
    kink="1/2, 1/2 where both arguments are the same infinity.",
)
logaddexp2 = elementwise(
    np.logaddexp2,
    lambda z, x, y: sigmoid(log_ratio(x, y) * constant(LN2, z)),
    lambda z, x, y: sigmoid(log_ratio(y, x) * constant(LN2, z)),
    kink="1/2, 1/2 where both arguments are the same infinity.",
)

# -------------------------------------------------- circle and hyperbola
sin = elementwise(np.sin, lambda _y, x: np.cos(x), complex=True)
cos = elementwise(np.cos, lambda _y, x: -np.sin(x), complex=True)
tan = elementwise(np.tan, lambda y, _x: 1.0 + y * y, on=unit, complex=True)
arcsin = elementwise(np.arcsin, lambda _y, x: 1.0 / np.sqrt((1.0 - x) * (1.0 + x)), on=unit, complex=True)
arccos = elementwise(np.arccos, lambda _y, x: -1.0 / np.sqrt((1.0 - x) * (1.0 + x)), on=unit, complex=True)
arctan = elementwise(np.arctan, lambda _y, x: 1.0 / (1.0 + x * x), on=nonzero, complex=True)
sinh = elementwise(np.sinh, lambda _y, x: np.cosh(x), complex=True)
cosh = elementwise(np.cosh, lambda _y, x: np.sinh(x), complex=True)
tanh = elementwise(np.tanh, lambda y, _x: 1.0 - y * y, complex=True)
arcsinh = elementwise(np.arcsinh, lambda _y, x: 1.0 / np.sqrt(1.0 + x * x), on=unit, complex=True)
arccosh = elementwise(
    np.arccosh, lambda _y, x: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)), on=above_one, complex=True
)
arctanh = elementwise(np.arctanh, lambda _y, x: 1.0 / ((1.0 - x) * (1.0 + x)), on=unit, complex=True)
deg2rad = elementwise(np.deg2rad, lambda y, _x: constant(PI / 180, y))
rad2deg = elementwise(np.rad2deg, lambda y, _x: constant(180 / PI, y))
radians = elementwise(np.radians, lambda y, _x: constant(PI / 180, y))
degrees = elementwise(np.degrees, lambda y, _x: constant(180 / PI, y))


def over_length(x, h):
    """x / h, and 0 where the length h is 0, to every order."""
    empty = np.equal(h, 0)
    return np.where(empty, 0, x / np.where(empty, 1, h))


def turn(x, y):
    """x / (x**2 + y**2) without overflow, and 0 at the origin: the partials of arctan2."""
    h = np.hypot(x, y)
    return over_length(over_length(x, h), h)


hypot = elementwise(
    np.hypot,
    lambda z, x, _y: over_length(x, z),
    lambda z, _x, y: over_length(y, z),
    on=nonzero,
    kink="0, 0 at the origin.",
)
arctan2 = elementwise(
    np.arctan2,
    lambda _z, x, y: turn(y, x),
    lambda _z, x, y: -turn(x, y),
    on=nonzero,
    kink="0, 0 at the origin.",
)

# -------------------------------------------------- complex parts
# The values are real, so the partial d of each is the number with dy = Re(d dx).
real = elementwise(np.real, 1, complex=True)
imag = elementwise(np.imag, -1j, complex=True)
real.views = imag.views = True


@numpy_function(np.conjugate)
@op
class conjugate:
    """The complex conjugate: real-linear, its own adjoint under Re<a, b>."""

    core = 0

    def evaluate(x):
        return np.conjugate(x)

    def out(x):
        return x

    def transpose(y_bar, x):
        return np.conjugate(y_bar)

    def domain(rng, dtype):
        yield (reals.sample(rng, (2, 3), dtype),), {}


@numpy_function(np.angle)
def angle(z, deg=False):
    """The argument of a complex number, 0 or pi for a real one; derivative 0 at 0."""
    a = np.arctan2(z.imag, z.real)
    return a * constant(180 / PI, a) if deg else a


@numpy_function(np.float_power)
def float_power(x1, x2, /):
    """power in float64 or complex128, whichever the arguments need, also for integers."""
    x1, x2 = (x if hasattr(x, "astype") else np.asarray(x)[()] for x in (x1, x2))
    x1, x2 = (np.float64(x) if type(x) is int else x for x in (x1, x2))  # longer than 64 bits
    if not all(hasattr(x, "astype") for x in (x1, x2)):
        raise TypeError(f"float_power needs numbers, not {type(x1).__name__} and {type(x2).__name__}")
    dtype = np.result_type(x1, x2, np.float64)
    return power(x1.astype(dtype), x2.astype(dtype))


# -------------------------------------------------- choosing the larger
def share(mine, other, like):
    """1 where only `mine` holds, 1/2 where `other` holds as well, else 0."""
    return np.where(mine, np.where(other, 0.5, 1.0), 0.0).astype(like.dtype)


def chosen(z, x):
    """Where x is the value z of maximum or minimum; a NaN operand is the one selected."""
    return np.logical_or(np.equal(x, z), np.isnan(x))


_ties = "1/2, 1/2 at a tie; "
maximum, minimum = (
    elementwise(
        f,
        lambda z, x, y: share(chosen(z, x), chosen(z, y), z),
        lambda z, x, y: share(chosen(z, y), chosen(z, x), z),
        kink=_ties + "a NaN operand is the one selected.",
    )
    for f in (np.maximum, np.minimum)
)
fmax, fmin = (
    elementwise(
        f,
        lambda z, x, y: share(np.equal(x, z), np.equal(y, z), z),
        lambda z, x, y: share(np.equal(y, z), np.equal(x, z), z),
        kink=_ties + "the operand that is not NaN is the one selected; 0, 0 where both are NaN.",
    )
    for f in (np.fmax, np.fmin)
)

# -------------------------------------------------- remainders, signs, bits
remainder = elementwise(
    np.remainder, 1, lambda _z, x, y: -np.floor_divide(x, y), on=(between_integers, positive)
)
fmod = elementwise(np.fmod, 1, lambda _z, x, y: -np.trunc(x / y), on=(between_integers, positive))
copysign = elementwise(
    np.copysign,
    lambda _z, x, y: np.sign(x) * np.copysign(1, y).astype(x.dtype),
    None,
    on=nonzero,
    kink="0 at 0.",
)
heaviside = elementwise(
    np.heaviside,
    None,
    lambda z, x, _y: np.equal(x, 0).astype(z.dtype),
    on=nonzero,
    kink="0 in x, also at x = 0.",
)
nextafter = elementwise(np.nextafter, 1, None, doc="One ulp away moves as x does.")
ldexp = elementwise(np.ldexp, lambda z, _x, n: np.ldexp(constant(1, z), n), None, on=(reals, small_integers))


@numpy_function(np.modf)
@op
class modf:
    """Fractional and integral part: d(fraction) = dx, the integral part is flat."""

    core = 0
    multiple = True

    def evaluate(x):
        return np.modf(x)

    def differential(y, x, dx):
        return dx, None

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield (between_integers.sample(rng, (2, 3), dtype),), {}


@numpy_function(np.frexp)
@op
class frexp:
    """Mantissa and exponent, x = m 2**e: dm = 2**-e dx, e is an integer."""

    core = 0
    multiple = True

    def evaluate(x):
        return np.frexp(x)

    def differential(y, x, dx):
        return dx * np.ldexp(constant(1, x), -y[1]), None

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield (np.array([0.8, 1.5, 3.0, -5.0]).astype(dtype),), {}


@numpy_function(np.divmod)
@op
class divmod_:
    """Quotient and remainder, x = q y + r with integral q: dr = dx - q dy."""

    core = 0
    multiple = True

    def evaluate(x, y):
        return np.divmod(x, y)

    def differential(z, x, y, dx, dy):
        return None, dx - z[0] * dy

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield (between_integers.sample(rng, (2, 3), dtype), np.asarray(2.0, dtype)), {}


# -------------------------------------------------- special shapes of sine and exponential
def _sinc_derivative(x, *, n):
    """The n-th derivative of sin(pi x) / (pi x).

    With u = pi x, f_n = (sin(u + n pi/2) - n f_(n-1)) / u, from differentiating u f = sin(u) n times; for
    small u, where that cancels, the Taylor series of sin(u)/u differentiated term by term.
    """
    u = np.asarray(x * constant(PI, x))
    small = np.abs(u) < 2 + n
    v = np.where(small, 1, u)
    f = np.sin(v) / v
    for k in range(1, n + 1):
        f = (np.sin(v + constant(k * PI / 2, u)) - k * f) / v
    w = np.where(small, u, 0)
    series, k = 0 * w, (n + 1) // 2
    term = w ** (2 * k - n) * ((-1) ** k / ((2 * k + 1) * math.factorial(2 * k - n)))
    while np.any(np.abs(term) > np.finfo(u.dtype).tiny) and k < 60:
        series = series + term
        ratio = (2 * k + 1) / ((2 * k + 3) * (2 * k + 1 - n) * (2 * k + 2 - n))
        term, k = -term * w * w * ratio, k + 1
    return (np.where(small, series, f) * constant(PI, u) ** n).astype(u.dtype)[()]


@op
class sinc_derivative:
    """d/dx of the n-th derivative is the next one: smooth at 0 to every order."""

    core = 0
    evaluate = _sinc_derivative

    def differential(y, x, dx, *, n):
        return sinc_derivative(x, n=n + 1) * dx

    def domain(rng, dtype):
        yield (np.array([0.0, 0.2, -0.7, 1.3, 4.2]).astype(dtype),), {"n": 1}


sinc = elementwise(np.sinc, lambda _y, x: sinc_derivative(x, n=1))


def _bessel_i(x, *, n):
    """Modified Bessel function of the first kind, I_n(x) = 1/pi int_0^pi exp(x cos t) cos(n t) dt.

    Source: NIST Digital Library of Mathematical Functions, 10.32.3. The integrand is periodic and analytic,
    so the trapezoid rule converges geometrically; pairing t with pi - t keeps odd orders odd.
    """
    x = np.asarray(x)
    half = np.sinh if n % 2 else np.cosh
    points = 128
    total = 0 * x
    for k in range(points):
        t = (k + 0.5) * math.pi / (2 * points)
        total = total + half(x * math.cos(t)) * math.cos(n * t)
    return (total / points)[()]


@op
class bessel_i:
    """dI_n/dx = (I_(n-1) + I_(n+1)) / 2   (NIST DLMF 10.29.1), with I_(-1) = I_1."""

    core = 0
    evaluate = _bessel_i

    def differential(y, x, dx, *, n):
        return (bessel_i(x, n=abs(n - 1)) + bessel_i(x, n=n + 1)) * (0.5 * dx)

    def domain(rng, dtype):
        yield (reals.sample(rng, (4,), dtype),), {"n": 1}


i0 = elementwise(np.i0, lambda _y, x: bessel_i(x, n=1))

# -------------------------------------------------- flat almost everywhere
floor, ceil, rint, trunc = (
    elementwise(f, None, on=between_integers) for f in (np.floor, np.ceil, np.rint, np.trunc)
)
numpy_function("fix")(trunc)  # NumPy 2.5 deprecates its name for it
spacing = elementwise(np.spacing, None)
floor_divide = elementwise(np.floor_divide, None, None, on=(between_integers, positive))
# Not np.sign itself: the ufunc means `sign` below, which has a derivative where x is complex.
sign_real = elementwise(lambda x: np.sign(x), None, on=nonzero, name="sign_real", kink="0 at 0.")


@op
class phase:
    """s = z / abs(z), 0 at 0: ds = (dz - s Re(conj(s) dz)) / abs(z), the part of dz across z."""

    core = 0

    def evaluate(z):
        return np.sign(z)

    def out(z):
        return z

    def differential(s, z, dz):
        return over_length(dz - s * np.real(np.conj(s) * dz), np.abs(z))

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "c":
            yield (nonzero.sample(rng, (3,), dtype),), {}


@numpy_function(np.sign)
def sign(x):
    """Sign of a real number (flat), z / abs(z) of a complex one."""
    return phase(x) if np.iscomplexobj(x) else sign_real(x)


stop_gradient = elementwise(
    lambda x: x, None, name="stop_gradient", complex=True, doc="x, with no derivative in any mode."
)

# -------------------------------------------------- questions: boolean and integer results
_unary = (np.isfinite, np.isinf, np.isnan, np.signbit, np.logical_not)
_binary = (
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_xor,
)  # fmt: skip
_of_integers = (
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift, np.gcd, np.lcm,
)  # fmt: skip
for _f in _unary:
    elementwise(_f, None, on=between_integers)
for _f in _binary:
    elementwise(_f, None, None, on=between_integers)
for _f in _of_integers:
    elementwise(_f, None, None, on=small_integers)
elementwise(np.invert, None, on=small_integers)
