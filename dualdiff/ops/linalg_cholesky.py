"""The Cholesky factor, and the inverse of a lower triangle that its derivative needs."""

from __future__ import annotations

import numpy as np

from dualdiff.avals import Aval
from dualdiff.declare import numpy_function, op
from dualdiff.ops.contraction import adjoint
from dualdiff.ops.linalg_spectral import hermitian, triangle, well_conditioned
from dualdiff.ops.structural import as_array

BLOCK = 64  # rows up to which LAPACK's general inverse is as fast as halves


@op
class inverse_of_lower:
    """Y = tril(A)^-1: dY = -Y tril(dA) Y; the upper triangle of A is not read.

    By halves: the inverse of [[P, 0], [Q, R]] is [[P^-1, 0], [-R^-1 Q P^-1, R^-1]], as a product shows,
    so that nearly all is products. np.linalg.inv knows of no triangles; measured: half of its time at
    n = 128, a quarter at n = 300.

    Source      M. Giles 2008, Collected matrix derivative results for AD (the inverse)
    """

    core = 2

    def evaluate(a):
        return halved(np.tril(a))

    def out(a):
        return Aval(a.shape, a.dtype)

    def differential(y, a, da):
        return -(y @ (da * lower_ones(a)) @ y)

    def pullback(y_bar, y, a):  # as that of inv; no column above the diagonal is anything but 0
        yh = adjoint(y)
        return -(yh @ y_bar @ yh) * lower_ones(a)

    def domain(rng, dtype):
        for shape in ((3, 3), (2, 2, 2), (1, 1)):
            yield (well_conditioned(rng, shape, dtype),), {}


def halved(a: np.ndarray) -> np.ndarray:
    """The inverse of a lower triangular matrix, or of a stack of them."""
    n = a.shape[-1]
    if n <= BLOCK:
        return np.tril(np.linalg.inv(a))
    half = n // 2
    first, second = halved(a[..., :half, :half]), halved(a[..., half:, half:])
    y = np.zeros(a.shape, first.dtype)
    y[..., :half, :half], y[..., half:, half:] = first, second
    y[..., half:, :half] = -(second @ a[..., half:, :half] @ first)
    return y


def lower_ones(a):
    """Ones in the lower triangle, to be multiplied with a."""
    return np.tril(np.ones(a.shape[-2:], a.dtype))


@op
class lower_cholesky:
    """A = L L^H: dL = L Phi(L^-1 dA L^-H), where Phi takes the lower triangle with half the diagonal.

    Source      I. Murray 2016, Differentiation of the Cholesky decomposition (arXiv:1602.07527)
    """

    name = "cholesky"
    core = 2

    def evaluate(a):
        return np.linalg.cholesky(hermitian(a))

    def out(a):
        return Aval(a.shape, a.dtype)

    def differential(y, a, da):
        # one inverse and products, not two systems: with k seeds at once only the products are repeated
        inverse_factor = inverse_of_lower(y)
        e = inverse_factor @ hermitian(da) @ adjoint(inverse_factor)
        return y @ (e * half_lower(e))

    def pullback(y_bar, y, a):  # measured: 0.6 of the time of the derived one at n = 5 and n = 50
        inverse_factor = inverse_of_lower(y)
        e_bar = adjoint(y) @ y_bar
        return hermitian(adjoint(inverse_factor) @ (e_bar * half_lower(e_bar)) @ inverse_factor)

    def domain(rng, dtype):
        for shape in ((3, 3), (2, 2, 2), (1, 1)):
            x = well_conditioned(rng, shape, dtype)
            yield (x @ adjoint(x),), {}


def half_lower(e):
    """Ones below the diagonal and halves on it, to be multiplied with e."""
    return lower_ones(e) - 0.5 * np.eye(e.shape[-1], dtype=e.dtype)


@numpy_function(np.linalg.cholesky)
def cholesky(a, /, *, upper=False):
    """The triangular factor of the positive definite matrix in one triangle of a."""
    factor = lower_cholesky(triangle(as_array(a), "U" if upper else "L"))
    return adjoint(factor) if upper else factor
