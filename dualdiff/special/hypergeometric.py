"""Integrals of elementary functions, hypergeometric functions, elliptic integrals, orthogonal polynomials.

Parameters and degrees are constants where no closed form of the derivative is known.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from dualdiff.declare import numpy_function, op
from dualdiff.domains import above_minus_one, nonzero, positive, reals, unit
from dualdiff.special.rows import counts, orders, probabilities, row, unknown
from dualdiff.special.statistics import erf

# -------------------------------------------------- exponential integrals
exp1 = row(special.exp1, lambda _y, x: -np.exp(-x) / x, on=positive, complex=True)
expi = row(special.expi, lambda _y, x: np.exp(x) / x, on=positive, complex="to rounding")


def expn_slope(_y, n, x):
    """-E_(n-1)(x), which is elementary for n = 1 and n = 0."""
    first = -np.exp(-x) / x
    return np.where(n > 1, -expn(np.maximum(n - 1, 1), x), np.where(n > 0, first, first * (1 + 1 / x)))


expn = row(special.expn, unknown(special.expn, "n"), expn_slope, on=(counts, positive))


@op
class exprel_moment:
    """The integral of t**n exp(x t) over 0 < t < 1: the n-th derivative of (exp(x) - 1) / x, smooth at 0.

    Source      NIST DLMF 13.4.1, an integral of Kummer's function with a = n + 1 and b = n + 2
    """

    name = "special.exprel_moment"
    core = 0

    def evaluate(x, *, n):
        return special.hyp1f1(n + 1, n + 2, x) / (n + 1)

    def differential(y, x, dx, *, n):
        return exprel_moment(x, n=n + 1) * dx

    def domain(rng, dtype):
        if np.dtype(dtype).char in "fd":
            yield (np.array([0.0, 0.7, -1.6]).astype(dtype),), {"n": 1}


exprel = row(special.exprel, lambda _y, x: exprel_moment(x, n=1))


def spence_slope(_y, x):
    """log(x) / (1 - x), and -1 at x = 1."""
    u = x - 1
    near = np.abs(u) < 1e-4
    v = np.where(near, 1, u)
    return np.where(near, -1 + u * (0.5 - u * (1 / 3 - u * (0.25 - u * 0.2))), -np.log1p(v) / v)


spence = row(special.spence, spence_slope, on=positive)


def two_outputs(ufunc, slopes, on):
    """A ufunc of one argument with two results, and the derivatives of both."""

    @numpy_function(ufunc)
    @op
    class integral:
        name = f"special.{ufunc.__name__}"
        __doc__ = "Two integrals, whose derivatives are what they integrate."
        core = 0
        multiple = True

        def evaluate(x):
            return ufunc(x)

        def differential(y, x, dx):
            first, second = slopes(x)
            return first * dx, second * dx

        def domain(rng, dtype):
            if np.dtype(dtype).char in "fd":
                yield (on.sample(rng, (2, 3), dtype),), {}

    return integral


fresnel = two_outputs(
    special.fresnel, lambda x: (np.sin(math.pi / 2 * x * x), np.cos(math.pi / 2 * x * x)), reals
)
sici = two_outputs(special.sici, lambda x: (np.sinc(x / math.pi), np.cos(x) / x), positive)
shichi = two_outputs(special.shichi, lambda x: (np.sinh(x) / x, np.cosh(x) / x), positive)

owens_t = row(
    special.owens_t,
    lambda _y, h, a: np.exp(-0.5 * h * h) * erf(a * h * math.sqrt(0.5)) * (-0.5 / math.sqrt(2 * math.pi)),
    lambda _y, h, a: np.exp(-0.5 * h * h * (1 + a * a)) / (1 + a * a) * (0.5 / math.pi),
    source="D. Owen 1956, Tables for computing bivariate normal probabilities (the definition)",
)

# -------------------------------------------------- powers and logarithms under other names
cosm1 = row(special.cosm1, lambda _y, x: -np.sin(x))
expm1 = row(special.expm1, lambda _y, x: np.exp(x), complex=True)
log1p = row(special.log1p, lambda _y, x: 1 / (1 + x), on=above_minus_one, complex=True)
exp2 = row(special.exp2, lambda y, _x: y * math.log(2))
exp10 = row(special.exp10, lambda y, _x: y * math.log(10))
cbrt = row(special.cbrt, lambda y, _x: 1 / (3 * y * y), on=nonzero)
powm1 = row(
    special.powm1,
    lambda _z, x, y: y * x ** (y - 1),
    lambda z, x, _y: (z + 1) * np.log(x),
    on=(positive, reals),
)
sindg = row(special.sindg, lambda _y, x: special.cosdg(x) * (math.pi / 180))
cosdg = row(special.cosdg, lambda _y, x: special.sindg(x) * (-math.pi / 180))


def box_by_power(log, power):
    """d/dp of (exp(p log) - 1) / p, also at p = 0."""
    return log * log * exprel_moment(power * log, n=1)


boxcox = row(
    special.boxcox,
    lambda _y, x, p: x ** (p - 1),
    lambda _y, x, p: box_by_power(np.log(x), p),
    on=(positive, reals),
)
boxcox1p = row(
    special.boxcox1p,
    lambda _y, x, p: (1 + x) ** (p - 1),
    lambda _y, x, p: box_by_power(np.log1p(x), p),
    on=(above_minus_one, reals),
)
inv_boxcox = row(
    special.inv_boxcox,
    lambda z, _y, p: z ** (1 - p),
    lambda z, _y, p: -box_by_power(np.log(z), p) * z ** (1 - p),
    on=(probabilities, unit),
)
inv_boxcox1p = row(
    special.inv_boxcox1p,
    lambda z, _y, p: (1 + z) ** (1 - p),
    lambda z, _y, p: -box_by_power(np.log1p(z), p) * (1 + z) ** (1 - p),
    on=(probabilities, unit),
)


# -------------------------------------------------- hypergeometric functions, by their argument
hyp0f1 = row(
    special.hyp0f1,
    unknown(special.hyp0f1, "v"),
    lambda _y, b, z: hyp0f1(b + 1, z) / b,
    on=(counts, reals),
    complex="to rounding",
    source="NIST DLMF 16.3.1",
)
hyp1f1 = row(
    special.hyp1f1,
    unknown(special.hyp1f1, "a"),
    unknown(special.hyp1f1, "b"),
    lambda _y, a, b, z: hyp1f1(a + 1, b + 1, z) * (a / b),
    on=(counts, counts, reals),
    complex="to rounding",
    source="NIST DLMF 13.3.15",
)
hyp2f1 = row(
    special.hyp2f1,
    unknown(special.hyp2f1, "a"),
    unknown(special.hyp2f1, "b"),
    unknown(special.hyp2f1, "c"),
    lambda _y, a, b, c, z: hyp2f1(a + 1, b + 1, c + 1, z) * (a * b / c),
    on=(counts, counts, counts, unit),
    source="NIST DLMF 15.5.1",
)

# -------------------------------------------------- elliptic integrals, of the parameter m = k**2
ellipk = row(
    special.ellipk, lambda _y, m: hyp2f1(1.5, 1.5, 2.0, m) * (math.pi / 8), on=unit, source="NIST DLMF 19.5.1"
)
ellipe = row(
    special.ellipe,
    lambda _y, m: hyp2f1(0.5, 1.5, 2.0, m) * (-math.pi / 8),
    on=unit,
    source="NIST DLMF 19.5.2",
)
ellipkm1 = row(
    special.ellipkm1,
    lambda y, p: (special.ellipe(1 - p) / p - y) / (2 * (p - 1)),
    on=probabilities,
    source="NIST DLMF 19.4.1",
)


def incomplete(phi, m):
    return np.sqrt(1 - m * np.sin(phi) ** 2)


def first_by_m(f, phi, m):
    e = special.ellipeinc(phi, m)
    turn = np.sin(phi) * np.cos(phi) / incomplete(phi, m)
    return (e / (1 - m) - f) / (2 * m) - turn / (2 * (1 - m))


ellipkinc = row(
    special.ellipkinc,
    lambda _f, phi, m: 1 / incomplete(phi, m),
    lambda f, phi, m: first_by_m(f, phi, m),
    on=(unit, probabilities),
    source="NIST DLMF 19.4.5 in m = k**2; nan at m = 0",
)
ellipeinc = row(
    special.ellipeinc,
    lambda _e, phi, m: incomplete(phi, m),
    lambda e, phi, m: (e - ellipkinc(phi, m)) / (2 * m),
    on=(unit, probabilities),
    source="NIST DLMF 19.4.6 in m = k**2; nan at m = 0",
)

# -------------------------------------------------- orthogonal polynomials, by their argument
# Source: NIST DLMF 18.9.15 to 18.9.27: each derivative is a polynomial of the next lower degree. That of
# degree 0 has none below it, and its factor is 0.


def lower(n):
    return np.maximum(n - 1, 0)


def of_degree(f, slope, on=unit):
    return row(f, unknown(f, "n"), slope, on=(orders, on))


chebyu = of_degree(special.eval_chebyu, lambda _y, n, x: gegenbauer(lower(n), 2.0, x) * 2.0 * (n > 0))
chebyt = of_degree(special.eval_chebyt, lambda _y, n, x: chebyu(lower(n), x) * n)
legendre = of_degree(
    special.eval_legendre, lambda _y, n, x: jacobi(lower(n), 1.0, 1.0, x) * ((n + 1) * 0.5 * (n > 0))
)
hermite = of_degree(special.eval_hermite, lambda _y, n, x: hermite(lower(n), x) * (2.0 * n), reals)
hermitenorm = of_degree(special.eval_hermitenorm, lambda _y, n, x: hermitenorm(lower(n), x) * n, reals)
laguerre = of_degree(
    special.eval_laguerre, lambda _y, n, x: genlaguerre(lower(n), 1.0, x) * -1.0 * (n > 0), reals
)
genlaguerre = row(
    special.eval_genlaguerre,
    unknown(special.eval_genlaguerre, "n"),
    unknown(special.eval_genlaguerre, "alpha"),
    lambda _y, n, alpha, x: genlaguerre(lower(n), alpha + 1, x) * -1.0 * (n > 0),
    on=(orders, counts, reals),
)
gegenbauer = row(
    special.eval_gegenbauer,
    unknown(special.eval_gegenbauer, "n"),
    unknown(special.eval_gegenbauer, "alpha"),
    lambda _y, n, alpha, x: gegenbauer(lower(n), alpha + 1, x) * (2.0 * alpha * (n > 0)),
    on=(orders, counts, unit),
)
jacobi = row(
    special.eval_jacobi,
    unknown(special.eval_jacobi, "n"),
    unknown(special.eval_jacobi, "alpha"),
    unknown(special.eval_jacobi, "beta"),
    lambda _y, n, alpha, beta, x: (
        jacobi(lower(n), alpha + 1, beta + 1, x) * ((n + alpha + beta + 1) * 0.5 * (n > 0))
    ),
    on=(orders, counts, counts, unit),
)
