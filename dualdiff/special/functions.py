"""Special functions that are Python functions in SciPy, with its signatures: polygamma, comb and others.

They call ufuncs, which hand themselves over to tensors; lambertw needs no more than a rule for its ufunc.
"""

from __future__ import annotations

import math
import operator

import numpy as np
from scipy import special

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, op
from dualdiff.domains import positive
from dualdiff.errors import NoDerivative
from dualdiff.ops.structural import as_array
from dualdiff.special import gammas as family


def polygamma(n, x):
    """The n-th derivative of psi at x, for a whole number n."""
    return family.polygamma_of(as_array(x), n=operator.index(n))


def multigammaln(a, d):
    """The logarithm of the gamma function of d dimensions, for a whole number d."""
    d = operator.index(d)
    total = d * (d - 1) / 4 * math.log(math.pi)
    for k in range(d):
        total = total + special.gammaln(a - k / 2)
    return total


def factorial(n, exact=False):
    """gamma(n + 1), and 0 for negative n."""
    return np.where(np.less(n, 0), 0, special.gamma(n + 1)) if not exact else refuse_exact("factorial")


def comb(N, k, *, exact=False, repetition=False):
    """The number of ways to choose k of N things, between whole numbers by gamma functions."""
    if exact:
        refuse_exact("comb")
    return special.binom(N + k - 1 if repetition else N, k)


def refuse_exact(function: str):
    raise NoDerivative(
        f"scipy.special.{function} of tensors does not support exact=True, which counts in whole numbers.",
        "Leave it out.",
    )


def softplus(x):
    """log(1 + exp(x)) without overflow."""
    return np.logaddexp(as_array(x), 0.0)


# -------------------------------------------------- Lambert's W
@op
class lambert:
    """w exp(w) = z: dw = dz exp(-w) / (1 + w), by the implicit function theorem."""

    name = "special.lambertw"
    core = 0

    def evaluate(z, *, k, tol):
        return special.lambertw(z, k, tol)

    def differential(w, z, dz, *, k, tol):
        return np.exp(-w) / (1 + w) * dz

    def domain(rng, dtype):
        if np.dtype(dtype).char in "fdFD":
            yield (positive.sample(rng, (2, 3), dtype),), {"k": 0, "tol": 1e-10}


@numpy_function(special._ufuncs._lambertw)
def lambertw(z, k, tol):
    """What scipy.special.lambertw calls with its branch and its tolerance."""
    if isinstance(k, Tracer) or isinstance(tol, Tracer):
        raise NoDerivative("special.lambertw has no derivative by its branch or tolerance.", "Pass numbers.")
    return lambert(as_array(z), k=k, tol=tol)


# -------------------------------------------------- spherical Bessel functions
def spherical(f, below: int, above: int):
    """The op of one kind: f_n' = (below n f_(n-1) + above (n + 1) f_(n+1)) / (2 n + 1), smooth at 0.

    Source      NIST DLMF 10.51.2 and 10.51.5
    """

    @op
    class function:
        name = f"special.{f.__name__}"
        __doc__ = "A spherical Bessel function: its derivative is a sum of those of neighbouring orders."
        core = 0

        def evaluate(z, *, n):
            return f(n, z)

        def differential(y, z, dz, *, n):
            slope = function(z, n=n + 1) * (above * (n + 1) / (2 * n + 1))
            if n:
                slope = slope + function(z, n=n - 1) * (below * n / (2 * n + 1))
            return slope * dz

        def domain(rng, dtype):
            if np.dtype(dtype).char in "fdFD":
                yield (positive.sample(rng, (2, 3), dtype),), {"n": 1}
                yield (positive.sample(rng, (2,), dtype),), {"n": 0}

    return function


KINDS = {
    "spherical_jn": spherical(special.spherical_jn, 1, -1),
    "spherical_yn": spherical(special.spherical_yn, 1, -1),
    "spherical_in": spherical(special.spherical_in, 1, 1),
    "spherical_kn": spherical(special.spherical_kn, -1, -1),
}


def _of_sphere(name: str):
    def function(n, z, derivative=False):
        n, z = operator.index(n), as_array(z)
        if not derivative:
            return KINDS[name](z, n=n)
        ones = np.ones(z.shape, z.dtype)
        return KINDS[name].differential(None, z, ones, n=n)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"scipy.special.{name}, or its derivative, for a whole number n."
    return function


spherical_jn, spherical_yn, spherical_in, spherical_kn = map(_of_sphere, KINDS)
