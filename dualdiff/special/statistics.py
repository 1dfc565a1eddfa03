"""Error functions, the normal distribution, the logistic function, entropies and losses.

Formulas without a source are first-year calculus, or the definition of the function as an integral.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from dualdiff.domains import nonzero, positive, reals, unit
from dualdiff.special.rows import below_two, negative, probabilities, row

ROOT_PI = math.sqrt(math.pi)
ROOT_2PI = math.sqrt(2 * math.pi)
ROOT_HALF = math.sqrt(0.5)

# -------------------------------------------------- error functions
erf = row(special.erf, lambda _y, x: np.exp(-x * x) * (2 / ROOT_PI), complex=True)
erfc = row(special.erfc, lambda _y, x: np.exp(-x * x) * (-2 / ROOT_PI), complex=True)
erfi = row(special.erfi, lambda _y, x: np.exp(x * x) * (2 / ROOT_PI), complex=True)
erfcx = row(special.erfcx, lambda y, x: 2.0 * x * y - 2 / ROOT_PI, complex=True)
dawsn = row(special.dawsn, lambda y, x: 1.0 - 2.0 * x * y, complex=True)
wofz = row(
    special.wofz, lambda y, x: -2.0 * x * y + 2j / ROOT_PI, complex="to rounding", source="NIST DLMF 7.10.2"
)
erfinv = row(special.erfinv, lambda y, _x: np.exp(y * y) * (ROOT_PI / 2), on=unit)
erfcinv = row(special.erfcinv, lambda y, _x: np.exp(y * y) * (-ROOT_PI / 2), on=below_two)

# -------------------------------------------------- the normal distribution
ndtr = row(special.ndtr, lambda _y, x: np.exp(-0.5 * x * x) * (1 / ROOT_2PI))
log_ndtr = row(special.log_ndtr, lambda _y, x: (2 / ROOT_2PI) / erfcx(-x * ROOT_HALF))
ndtri = row(special.ndtri, lambda y, _x: np.exp(0.5 * y * y) * ROOT_2PI, on=probabilities)
ndtri_exp = row(special.ndtri_exp, lambda y, x: np.exp(x + 0.5 * y * y) * ROOT_2PI, on=negative)


def voigt(x, sigma, gamma):
    """z = (x + i gamma) / (sigma sqrt(2)) and w'(z) over sigma sqrt(2 pi); the profile is Re w(z) over it."""
    z = (x + 1j * gamma) * (ROOT_HALF / sigma)
    return z, (2j / ROOT_PI - 2.0 * z * wofz(z)) / (sigma * ROOT_2PI)


def voigt_by_sigma(y, x, sigma, gamma):
    z, slope = voigt(x, sigma, gamma)
    return -(y + np.real(slope * z)) / sigma


voigt_profile = row(
    special.voigt_profile,
    lambda _y, x, sigma, gamma: np.real(voigt(x, sigma, gamma)[1]) * (ROOT_HALF / sigma),
    voigt_by_sigma,
    lambda _y, x, sigma, gamma: -np.imag(voigt(x, sigma, gamma)[1]) * (ROOT_HALF / sigma),
    on=(reals, positive, positive),
)

# -------------------------------------------------- logistic
expit = row(special.expit, lambda y, _x: y * (1 - y))
logit = row(special.logit, lambda _y, x: 1 / (x * (1 - x)), on=probabilities)
log_expit = row(special.log_expit, lambda _y, x: expit(-x))


# -------------------------------------------------- entropies
def log_beside(x, y):
    """log(y), and 0 where x is 0 as well, for the convention 0 log 0 = 0."""
    both = np.logical_and(np.equal(x, 0), np.equal(y, 0))
    return np.where(both, 0, np.log(np.where(both, 1, y)))


def ratio(x, y):
    """x / y, and 0 where x is 0, also over 0."""
    none = np.equal(x, 0)
    return np.where(none, 0, x / np.where(none, 1, y))


entr = row(special.entr, lambda _y, x: -1 - np.log(x), on=positive, kink="inf at 0, the limit.")
rel_entr = row(
    special.rel_entr, lambda _z, x, y: 1 + np.log(x / y), lambda _z, x, y: -ratio(x, y), on=positive
)
kl_div = row(special.kl_div, lambda _z, x, y: np.log(x / y), lambda _z, x, y: 1 - ratio(x, y), on=positive)
xlogy = row(
    special.xlogy,
    lambda _z, x, y: log_beside(x, y),
    lambda _z, x, y: ratio(x, y),
    on=(nonzero, positive),
    complex=True,
    kink="0, 0 at the origin.",
)
xlog1py = row(
    special.xlog1py,
    lambda _z, x, y: log_beside(x, 1 + y),
    lambda _z, x, y: ratio(x, 1 + y),
    on=(nonzero, positive),
    complex=True,
    kink="0, 0 at (0, -1).",
)

# -------------------------------------------------- losses
huber = row(
    special.huber,
    lambda _z, d, r: np.where(np.abs(r) <= d, 0, np.abs(r) - d),
    lambda _z, d, r: np.where(np.abs(r) <= d, r, d * np.sign(r)),
    on=(positive, nonzero),
)


def bend(d, r):
    return np.sqrt(1 + (r / d) ** 2)


pseudo_huber = row(
    special.pseudo_huber,
    lambda _z, d, r: 2 * d * (bend(d, r) - 1) - r * r / (d * bend(d, r)),
    lambda _z, d, r: r / bend(d, r),
    on=(positive, reals),
)
