"""Eigenvalues and eigenvectors of matrices that need not be symmetric; eigh is in linalg_spectral.py.

Right eigenvectors have length 1; their phase is whatever LAPACK gives, as stated with the op.
"""

from __future__ import annotations

import numpy as np

from dualdiff.declare import numpy_function, op
from dualdiff.domains import reals
from dualdiff.ops.contraction import adjoint
from dualdiff.ops.gauges import PHASE, coinciding, turning
from dualdiff.ops.linalg_spectral import diagonal, gaps, safe_divide
from dualdiff.ops.structural import as_array

EigResult = type(np.linalg.eig(np.eye(1)))


@op
class eigen:
    """A V = V diag(w) with columns of length 1. With E = V^-1 dA V and M = V (E / (w_j - w_i)), 0 for i = j:

    dw = diag(E), dV = M - V Re diag(V^H M), whose second term keeps the length. A vector is determined up to
    its phase, so a loss must not depend on the phase of a complex one. Where eigenvalues coincide, a loss
    that asks about their vectors gets nan or inf.

    Source      C. Boeddeker et al. 2017, On the computation of complex-valued gradients with application to
                statistically optimum beamforming (arXiv:1701.00392); the division as in `safe_divide`
    """

    name = "eig"
    core = 2
    multiple = True

    def evaluate(a):
        return tuple(np.linalg.eig(a))

    def differential(y, a, da):
        w, v = y
        e = np.linalg.solve(v, da @ v)
        m = v @ safe_divide(e, gaps(w))
        along = np.real(np.sum(np.conj(v) * m, axis=-2))
        return diagonal(e), m - v * along[..., None, :]

    def pullback(y_bar, y, a):
        (w_bar, v_bar), (w, v) = y_bar, y
        m_bar = v_bar - v * np.real(np.sum(np.conj(v) * v_bar, axis=-2))[..., None, :]
        e_bar = safe_divide(adjoint(v) @ m_bar, np.conj(gaps(w)))
        e_bar = e_bar + np.eye(w.shape[-1]) * w_bar[..., None, :]
        return np.linalg.solve(adjoint(v), e_bar @ adjoint(v))

    def undefined(y, a):
        order = np.argsort(y[0], axis=-1)
        return coinciding(np.take_along_axis(y[0], order, axis=-1), "sorted eigenvalues")

    def gauge(y_bar, y, a):
        v_bar, v = y_bar[1], y[1]
        if v_bar is None or v.dtype.kind != "c":
            return None
        asked = diagonal(adjoint(v) @ v_bar)
        return PHASE.format("eigenvectors") if turning(asked, np.abs(v_bar)) else None

    def domain(rng, dtype):
        # Complex vectors have a phase that LAPACK chooses: their laws are in the tests of linear algebra.
        if np.dtype(dtype).kind == "f":
            for shape in ((3, 3), (2, 2, 2), (1, 1)):
                apart = np.diag(np.arange(shape[-1]) * 4.0)
                yield ((reals.sample(rng, shape) * 0.5 + apart).astype(dtype),), {}


@numpy_function(np.linalg.eig)
def eig(a):
    """Eigenvalues and right eigenvectors of length 1; complex where a value is, also for real a."""
    return EigResult(*eigen(square(a)))


@numpy_function(np.linalg.eigvals)
def eigvals(a):
    """The eigenvalues; complex where one is, also for real a."""
    return eigen(square(a))[0]


def square(a):
    a = as_array(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"the last two axes must be those of a square matrix; shape {a.shape}")
    return a
