"""The gamma function and its family: logarithms, derivatives, beta functions, incomplete ones.

The derivatives of log gamma are the polygamma functions, one op for every order.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from dualdiff.declare import op
from dualdiff.domains import positive
from dualdiff.special.rows import above_two, counts, probabilities, row, unknown
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
# By the argument the derivative is the integrand; by the parameters there is no closed form.


def gamma_density(a, x):
    """x**(a - 1) exp(-x) / gamma(a)"""
    return np.exp(xlogy(a - 1, x) - x - gammaln(a))


def beta_density(a, b, x):
    """x**(a - 1) (1 - x)**(b - 1) / beta(a, b)"""
    return np.exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


def of_one_parameter(f, slope, on):
    return row(f, unknown(f, "a"), slope, on=(counts, on))


def of_two_parameters(f, slope):
    return row(f, unknown(f, "a"), unknown(f, "b"), slope, on=(counts, counts, probabilities))


gammainc = of_one_parameter(special.gammainc, lambda _z, a, x: gamma_density(a, x), positive)
gammaincc = of_one_parameter(special.gammaincc, lambda _z, a, x: -gamma_density(a, x), positive)
gammaincinv = of_one_parameter(special.gammaincinv, lambda z, a, _y: 1 / gamma_density(a, z), probabilities)
gammainccinv = of_one_parameter(
    special.gammainccinv, lambda z, a, _y: -1 / gamma_density(a, z), probabilities
)
betainc = of_two_parameters(special.betainc, lambda _z, a, b, x: beta_density(a, b, x))
betaincc = of_two_parameters(special.betaincc, lambda _z, a, b, x: -beta_density(a, b, x))
betaincinv = of_two_parameters(special.betaincinv, lambda z, a, b, _y: 1 / beta_density(a, b, z))
betainccinv = of_two_parameters(special.betainccinv, lambda z, a, b, _y: -1 / beta_density(a, b, z))
