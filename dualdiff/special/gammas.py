"""The gamma function and its family: logarithms, derivatives, beta functions, incomplete ones.

The derivatives of log gamma are the polygamma functions, one op for every order.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from dualdiff.declare import elementwise, op
from dualdiff.domains import positive
from dualdiff.errors import NoDerivative
from dualdiff.special.rows import above_two, counts, in_precision_of_result, probabilities, row
from dualdiff.special.statistics import xlog1py, xlogy

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # B_2 to B_16


def _polygamma(x, n: int):
    """The n-th derivative of psi, n > 0. For complex x by steps to the right and an asymptotic series.

    Source      NIST DLMF section 5.15 (the sum over x + k, the recurrence and the series)
    """
    sign = (-1) ** (n + 1)
    if np.asarray(x).dtype.kind != "c":
        return sign * math.factorial(n) * special.zeta(n + 1, x)
    z, total = np.asarray(x, complex), 0
    z = np.where(np.abs(z.real) < 1e4, z, np.where(z.real > 0, z, np.nan))  # as many steps are enough
    while np.any(z.real < 16):
        left = z.real < 16
        total = total + np.where(left, sign * math.factorial(n) * z ** -(n + 1), 0)
        z = np.where(left, z + 1, z)
    series = math.factorial(n - 1) * z**-n + math.factorial(n) / 2 * z ** -(n + 1)
    for k, b in enumerate(BERNOULLI, 1):
        series = series + b * (math.factorial(2 * k + n - 1) / math.factorial(2 * k)) * z ** -(2 * k + n)
    return (total + sign * series).astype(np.asarray(x).dtype)[()]


@op
class polygamma_of:
    """The n-th derivative of psi, the logarithmic derivative of gamma; its derivative is the next."""

    name = "special.polygamma"
    core = 0

    def evaluate(x, *, n):
        return special.psi(x) if n == 0 else _polygamma(x, n)

    def differential(y, x, dx, *, n):
        return polygamma_of(x, n=n + 1) * dx

    def domain(rng, dtype):
        if np.dtype(dtype).char in "fdFD":
            yield (above_two.sample(rng, (2, 3), dtype),), {"n": 1}
            yield (np.array([0.4, -0.6, 1.7]).astype(dtype),), {"n": 2}


psi = row(special.psi, lambda _y, x: polygamma_of(x, n=1), on=positive, complex=True)
gamma = row(special.gamma, lambda y, x: y * psi(x), on=positive, complex=True)
gammaln = row(special.gammaln, lambda _y, x: psi(x), on=positive)
loggamma = row(special.loggamma, lambda _y, x: psi(x), on=positive, complex=True)
rgamma = row(special.rgamma, lambda y, x: -y * psi(x), on=positive, complex=True)
gammasgn = row(special.gammasgn, None, on=positive)

beta = row(
    special.beta,
    lambda z, x, y: z * (psi(x) - psi(x + y)),
    lambda z, x, y: z * (psi(y) - psi(x + y)),
    on=positive,
)
betaln = row(
    special.betaln,
    lambda _z, x, y: psi(x) - psi(x + y),
    lambda _z, x, y: psi(y) - psi(x + y),
    on=positive,
)
binom = row(
    special.binom,
    lambda z, n, k: z * (psi(n + 1) - psi(n - k + 1)),
    lambda z, n, k: z * (psi(n - k + 1) - psi(k + 1)),
    on=(above_two, positive),
)
poch = row(
    special.poch,
    lambda y, z, m: y * (psi(z + m) - psi(z)),
    lambda y, z, m: y * psi(z + m),
    on=positive,
)


# -------------------------------------------------- zeta functions
def zeta_slope(s, q):
    """d zeta(s, q) / ds by Euler-Maclaurin summation, whose every term is elementary in s and q.

    Source      NIST DLMF 25.2.9 for q = 1, differentiated; the first 16 terms are summed as they are
    """
    total, count = 0, 16
    for k in range(count):
        total = total - np.log(q + k) * (q + k) ** -s
    w = q + count
    log = np.log(w)
    total = total - w ** (1 - s) * (log + 1 / (s - 1)) / (s - 1) - 0.5 * log * w**-s
    rising, slope = s, 1.0  # s (s + 1) ... (s + 2 j - 2), and its derivative
    for j, b in enumerate(BERNOULLI, 1):
        total = total + (slope - log * rising) * w ** (1 - s - 2 * j) * (b / math.factorial(2 * j))
        for shift in (2 * j - 1, 2 * j):
            rising, slope = rising * (s + shift), slope * (s + shift) + rising
    return total


zeta = row(
    special._ufuncs._zeta,
    lambda _z, x, q: zeta_slope(x, q),
    lambda _z, x, q: -x * zeta(x + 1, q),
    on=(above_two, positive),
    source="NIST DLMF 25.11.17",
)
riemann_zeta = row(special._ufuncs._riemann_zeta, lambda _y, x: zeta_slope(x, 1.0), on=above_two)

# -------------------------------------------------- incomplete gamma and beta functions
# By the argument the derivative is the integrand, by a parameter an integral of its own, which is computed.


def gamma_density(a, x):
    """x**(a - 1) exp(-x) / gamma(a)"""
    return np.exp(xlogy(a - 1, x) - x - gammaln(a))


def beta_density(a, b, x):
    """x**(a - 1) (1 - x)**(b - 1) / beta(a, b)"""
    return np.exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


def _gamma_slope(a, x):
    """dP/da for the share P of the gamma density below x: its integral with the weight log(t) - psi(a).

    Up to the middle by the series of P, whose terms then all have one sign; above it over what is beyond x,
    where the weight is positive, by the trapezoid rule for t = x + exp(s - exp(-s)).

    Source      NIST DLMF 8.7.1 for the series, differentiated term by term; H. Takahasi and M. Mori 1974,
                Double exponential formulas for numerical integration, for the substitution
    """
    dtype = np.result_type(*(v.dtype for v in map(np.asarray, (a, x)) if v.dtype.kind == "f"))
    if dtype.itemsize > 8:
        raise TypeError(f"the derivative of gammainc by a is not computed in {dtype}")  # nor is gammainc
    a, x = np.broadcast_arrays(np.asarray(a, float), np.asarray(x, float))
    low = x <= a + 0.5
    inside = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    with np.errstate(all="ignore"):
        p, t = np.where(inside & low, a, 1.0), np.where(inside & low, x, 0.5)
        term = np.exp(special.xlogy(p, t) - t - special.gammaln(p + 1))
        log, digamma, below, n = np.log(t), special.psi(p + 1), 0.0, 1
        while np.any(term > 1e-18 * np.abs(below)) and n < 100_000:
            below = below + term * (log - digamma)
            term, digamma, n = term * t / (p + n), digamma + 1 / (p + n), n + 1
        p, t = np.where(inside & ~low, a, 1.0), np.where(inside & ~low, x, 2.0)
        digamma, above = special.psi(p), 0.0
        step = 1 / 16
        for s in np.arange(-4.5, 6.7, step):
            beyond = math.exp(s - math.exp(-s))
            u = t + beyond
            density = np.exp(special.xlogy(p - 1, u) - u - special.gammaln(p))
            above = above + density * (np.log(u) - digamma) * (beyond * (1 + math.exp(-s)) * step)
    ends = np.where((x == 0) | np.isinf(x), 0.0, np.nan)  # where P is 0 or 1 whatever a is
    return np.where(inside, np.where(low, below, -above), ends).astype(np.result_type(dtype, np.float32))[()]


def no_second_slope(_z, _a, _x):
    raise NoDerivative(
        "scipy.special.gammainc has no second derivative by its argument 'a'.",
        "Hold it fixed: pass a plain number, or stop_gradient(x).",
    )


gammainc_slope = elementwise(
    lambda a, x: _gamma_slope(a, x),
    no_second_slope,
    in_precision_of_result(lambda _z, a, x: gamma_density(a, x) * (np.log(x) - psi(a))),
    on=(counts, positive),
    name="special.gammainc_slope",
    doc="The derivative of gammainc by a.",
    source="M. Abramowitz and I. Stegun 1964, 6.5.1, differentiated",
)


def _beta_slope(a, b, x, y):
    """dI/da for the share I of the beta density below x: that of log(t) - psi(a) + psi(a + b) over it.

    Where the weight is negative the integral below x is taken, with t = x exp(-w), else that above it, with
    1 - t = y exp(-w), by the trapezoid rule for w = exp(s - exp(-s)). y is 1 - x, to all its digits.

    Source      H. Takahasi and M. Mori 1974, Double exponential formulas for numerical integration
    """
    dtype = np.result_type(*(v.dtype for v in map(np.asarray, (a, b, x)) if v.dtype.kind == "f"))
    if dtype.itemsize > 8:
        raise TypeError(f"the derivative of betainc by a is not computed in {dtype}")  # nor is betainc
    a, b, x, y = np.broadcast_arrays(*(np.asarray(v, float) for v in (a, b, x, y)))
    inside = (a > 0) & (b > 0) & (x > 0) & (y > 0)
    with np.errstate(all="ignore"):
        a, b = np.where(inside, a, 1.0), np.where(inside, b, 1.0)
        middle = special.psi(a) - special.psi(a + b)
        below = np.log(x) <= middle
        end = np.where(inside, np.where(below, x, y), 0.5)
        total, step = 0.0, 1 / 12
        for s in np.arange(-4.5, 10.5, step):
            w = math.exp(s - math.exp(-s))
            near = end * np.exp(-w)  # the distance from 0 or from 1
            log, other = np.log(end) - w, np.log1p(-near)
            t, u = np.where(below, log, other), np.where(below, other, log)
            density = np.exp(a * t + b * u - np.where(below, u, t) - special.betaln(a, b))
            total = total + np.where(density > 0, density * (t - middle), 0) * (w * (1 + math.exp(-s)) * step)
    ends = np.where((x == 0) | (y == 0), 0.0, np.nan)
    value = np.where(inside, np.where(below, total, -total), ends)
    return value.astype(np.result_type(dtype, np.float32))[()]


gammainc = row(
    special.gammainc,
    lambda _z, a, x: gammainc_slope(a, x),
    lambda _z, a, x: gamma_density(a, x),
    on=(counts, positive),
)
gammaincc = row(
    special.gammaincc,
    lambda _z, a, x: -gammainc_slope(a, x),
    lambda _z, a, x: -gamma_density(a, x),
    on=(counts, positive),
)
gammaincinv = row(
    special.gammaincinv,
    lambda z, a, _y: -gammainc_slope(a, z) / gamma_density(a, z),
    lambda z, a, _y: 1 / gamma_density(a, z),
    on=(counts, probabilities),
)
gammainccinv = row(
    special.gammainccinv,
    lambda z, a, _y: -gammainc_slope(a, z) / gamma_density(a, z),
    lambda z, a, _y: -1 / gamma_density(a, z),
    on=(counts, probabilities),
)


def no_second_slope_of_beta(_z, _a, _b, _x):
    raise NoDerivative(
        "scipy.special.betainc has no second derivative by its arguments 'a' and 'b'.",
        "Hold them fixed: pass plain numbers, or stop_gradient(x).",
    )


def beta_slope(name: str, evaluate, by_x):
    return elementwise(
        evaluate,
        no_second_slope_of_beta,
        no_second_slope_of_beta,
        in_precision_of_result(by_x),
        on=(counts, counts, probabilities),
        name=f"special.betainc_slope_{name}",
        doc=f"The derivative of betainc by {name}.",
        source="M. Abramowitz and I. Stegun 1964, 6.6.1, differentiated",
    )


beta_by_a = beta_slope(
    "a",
    lambda a, b, x: _beta_slope(a, b, x, 1 - x),
    lambda _z, a, b, x: beta_density(a, b, x) * (np.log(x) - psi(a) + psi(a + b)),
)
beta_by_b = beta_slope(
    "b",
    lambda a, b, x: -_beta_slope(b, a, 1 - x, x),
    lambda _z, a, b, x: beta_density(a, b, x) * (np.log1p(-x) - psi(b) + psi(a + b)),
)


def of_two_parameters(f, sign):
    """A row for one of the shares of the beta density, that below x or that above it."""
    return row(
        f,
        lambda _z, a, b, x: beta_by_a(a, b, x) * sign,
        lambda _z, a, b, x: beta_by_b(a, b, x) * sign,
        lambda _z, a, b, x: beta_density(a, b, x) * sign,
        on=(counts, counts, probabilities),
    )


def inverse_of_two_parameters(f, sign):
    """A row for the x with a given share below or above it."""
    return row(
        f,
        lambda z, a, b, _y: -beta_by_a(a, b, z) / beta_density(a, b, z),
        lambda z, a, b, _y: -beta_by_b(a, b, z) / beta_density(a, b, z),
        lambda z, a, b, _y: sign / beta_density(a, b, z),
        on=(counts, counts, probabilities),
    )


betainc, betaincc = of_two_parameters(special.betainc, 1), of_two_parameters(special.betaincc, -1)
betaincinv = inverse_of_two_parameters(special.betaincinv, 1)
betainccinv = inverse_of_two_parameters(special.betainccinv, -1)
