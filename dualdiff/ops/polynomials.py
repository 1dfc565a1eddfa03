"""Convolutions, and what is made of them: polynomials by their coefficients, the highest power first.

Two ops are declared here, the sum of products along a shift and the roots of a polynomial; the others are
composites. `poly1d` objects hold plain coefficients, so tensors stay in arrays.
"""

from __future__ import annotations

import warnings

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, op
from dualdiff.domains import reals
from dualdiff.ops.arrange import sliding_window_view
from dualdiff.ops.contraction import conjugated
from dualdiff.ops.creation import vander
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.indexing import spread
from dualdiff.ops.joining import trim_zeros
from dualdiff.ops.linalg import inv, pinv
from dualdiff.ops.linalg_eigen import eigvals
from dualdiff.ops.linalg_functions import lstsq
from dualdiff.ops.linalg_spectral import safe_divide
from dualdiff.ops.questions import plain
from dualdiff.ops.structural import as_array, astype, atleast_1d, concatenate, reshape_to


# -------------------------------------------------- convolution
@op
class convolve_full:
    """y_k = sum_j a_j v_(k-j) for every shift at which they meet; the adjoints are correlations."""

    def evaluate(a, v):
        return np.convolve(a, v)

    def out(a, v):
        return Aval((a.shape[0] + v.shape[0] - 1,), np.result_type(a.dtype, v.dtype))

    transposes = (
        lambda y_bar, a, v: inner_shifts(y_bar, conjugated(v)[::-1]),
        lambda y_bar, a, v: inner_shifts(y_bar, conjugated(a)[::-1]),
    )

    def structure(a, v):
        i, j = np.indices((a.shape[0], v.shape[0])).reshape(2, -1)
        return (i + j, i), (i + j, j)

    def batch(size, mapped, values, params):
        a, v = values
        a, v, both = (v, a, all(mapped)) if not mapped[0] else (a, v, all(mapped))
        n = v.shape[-1]
        key = (slice(None), slice(n - 1, n - 1 + a.shape[1]))
        padded = spread(a, key=key, shape=(a.shape[0], a.shape[1] + 2 * (n - 1)))
        windows = sliding_window_view(padded, n, axis=1)
        return (windows @ v[:, ::-1, None])[..., 0] if both else windows @ v[::-1]

    def domain(rng, dtype):
        yield (reals.sample(rng, (4,), dtype), reals.sample(rng, (3,), dtype)), {}
        yield (reals.sample(rng, (1,), dtype), reals.sample(rng, (2,), dtype)), {}


def inner_shifts(a, v):
    """convolve_full at the shifts at which all of v, the shorter one, lies within a."""
    n = v.shape[0]
    return convolve_full(a, v)[n - 1 : a.shape[0]]


def _mode(y, n: int, m: int, mode: str):
    """Of all shifts of lengths n >= m: all, the n in the middle, or those without an overhang."""
    if mode == "full":
        return y
    if mode == "same":
        return y[(m - 1) // 2 : (m - 1) // 2 + n]
    if mode == "valid":
        return y[m - 1 : n]
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


@numpy_function(np.convolve)
def convolve(a, v, mode="full"):
    """Sums of products of a with v turned round, at every shift, in the middle, or without overhang."""
    a, v = (reshape_to(x, shape=(1,)) if x.ndim == 0 else x for x in map(as_array, (a, v)))
    a, v = (v, a) if v.size > a.size else (a, v)
    if not a.size or not v.size:
        raise ValueError("a cannot be empty" if not a.size else "v cannot be empty")
    return _mode(convolve_full(a, v), a.size, v.size, mode)


@numpy_function(np.correlate)
def correlate(a, v, mode="valid"):
    """c_k = sum_n a_(n+k) conj(v_n) at every shift, in the middle, or without overhang."""
    a, v = (reshape_to(x, shape=(1,)) if x.ndim == 0 else x for x in map(as_array, (a, v)))
    if not a.size or not v.size:
        raise ValueError("first array argument cannot be empty")
    if v.size > a.size:
        return conjugated(correlate(v, a, mode))[::-1]
    return _mode(convolve_full(a, conjugated(v)[::-1]), a.size, v.size, mode)


# -------------------------------------------------- sums and products of polynomials
def coefficients(p):
    """p as an array; a number has no coefficients to go through, as in NumPy."""
    p = as_array(p)
    if p.ndim == 0:
        raise TypeError("the coefficients of a polynomial are a sequence, not one number")
    return p


@numpy_function(np.polyval)
def polyval(p, x):
    """The value of a polynomial at x, by Horner's scheme; coefficients and points are differentiable."""
    p, x = coefficients(p), as_array(x)
    y = np.zeros(x.shape, x.dtype)
    for k in range(p.shape[0]):
        y = y * x + p[k]
    return y


def _aligned(a1, a2):
    """Both with as many coefficients, leading ones 0."""
    a1, a2 = atleast_1d(a1), atleast_1d(a2)
    n = max(a1.shape[0], a2.shape[0])
    return [concatenate([np.zeros(n - a.shape[0], a.dtype), a]) if a.shape[0] < n else a for a in (a1, a2)]


@numpy_function(np.polyadd)
def polyadd(a1, a2):
    """The sum of two polynomials."""
    a1, a2 = _aligned(a1, a2)
    return a1 + a2


@numpy_function(np.polysub)
def polysub(a1, a2):
    """The difference of two polynomials."""
    a1, a2 = _aligned(a1, a2)
    return a1 - a2


@numpy_function(np.polymul)
def polymul(a1, a2):
    """The product of two polynomials, without the zeros that they begin with."""
    a1, a2 = (trim_zeros(atleast_1d(a), "f") for a in (a1, a2))
    return convolve(*(a if a.size else np.zeros(1, a.dtype) for a in (a1, a2)))


@numpy_function(np.polydiv)
def polydiv(u, v):
    """Quotient and remainder; what of the remainder is 0 but for rounding is left out, as in NumPy."""
    u, v = atleast_1d(u) + 0.0, atleast_1d(v) + 0.0
    m, n = u.shape[0] - 1, v.shape[0] - 1
    dtype = np.result_type(u.dtype, v.dtype)
    rest, quotient = astype(u, dtype), []
    scale = 1.0 / v[0]
    for k in range(m - n + 1):
        d = scale * rest[k]
        quotient.append(reshape_to(d, shape=(1,)))
        rest = concatenate([rest[:k], rest[k : k + n + 1] - d * v, rest[k + n + 1 :]])
    while rest.shape[0] > 1 and np.allclose(rest[0], 0, rtol=1e-14):
        rest = rest[1:]
    return concatenate(quotient) if quotient else np.zeros(1, dtype), rest


@numpy_function(np.polyder)
def polyder(p, m=1):
    """The m-th derivative of a polynomial."""
    if int(m) < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    p = coefficients(p)
    for _ in range(min(int(m), p.shape[0])):  # nothing is left after that
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


@numpy_function(np.polyint)
def polyint(p, m=1, k=None):
    """The m-th antiderivative of a polynomial, with the constants k, the first integration's first."""
    m = int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else atleast_1d(k)
    if constants.shape[0] == 1 and m > 1:
        constants = constants[0] * np.ones(m)
    if constants.shape[0] < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    p = coefficients(p)
    for i in range(m):
        p = concatenate([p / np.arange(p.shape[0], 0, -1), constants[i : i + 1]])
    return p


# -------------------------------------------------- least squares
@numpy_function(np.polyfit)
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """The polynomial of least squares through points, which may be tensors, and its covariance."""
    x, y = as_array(x) + 0.0, as_array(y) + 0.0
    count = int(deg) + 1
    if count < 1:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1 or not x.size:
        raise TypeError("expected 1D vector for x" if x.ndim != 1 else "expected non-empty vector for x")
    if y.ndim not in (1, 2):
        raise TypeError("expected 1D or 2D array for y")
    if y.shape[0] != x.shape[0]:
        raise TypeError("expected x and y to have same length")
    rcond = x.size * np.finfo(x.dtype).eps if rcond is None else rcond
    powers, values = vander(x, count), y
    if w is not None:
        w = as_array(w) + 0.0
        if w.shape != x.shape:
            raise TypeError("expected a 1-d array for weights, as long as y")
        powers, values = powers * w[:, None], values * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(powers * powers, axis=0))  # columns of one length make it well conditioned
    powers = powers / scale
    if full:
        c, residuals, rank, s = lstsq(powers, values, rcond)
        return (c.T / scale).T, residuals, rank, s, rcond
    c = pinv(powers, rcond) @ values  # without what of lstsq has a shape that depends on the rank
    known = stop_gradient(powers)
    if not isinstance(known, Tracer) and np.linalg.matrix_rank(known, rtol=rcond) != count:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=3)
    coefficients = (c.T / scale).T
    if not cov:
        return coefficients
    base = inv(powers.T @ powers) / np.outer(scale, scale)
    if isinstance(cov, str) and cov == "unscaled":
        factor = np.ones(values.shape[1:])
    elif x.size <= count:
        raise ValueError("the number of data points must exceed order to scale the covariance matrix")
    else:
        missed = values - powers @ c
        factor = np.sum(np.real(np.conj(missed) * missed), axis=0) / (x.size - count)
    return coefficients, base * factor if y.ndim == 1 else base[:, :, None] * factor


# -------------------------------------------------- roots
def _slopes(z, p):
    """p'(z), and nan where it is 0 but for rounding: at a multiple root, which has no derivative."""
    slope = polyval(polyder(p), z)
    size = polyval(np.abs(polyder(stop_gradient(p))), np.abs(stop_gradient(z)))
    flat = np.abs(stop_gradient(slope)) <= 16 * np.sqrt(np.finfo(size.dtype).eps) * size
    return np.where(flat, np.nan, slope)


@op
class polynomial_roots:
    """z with p(z) = 0: dz = -dp(z) / p'(z), by the implicit function theorem; nan at multiple roots."""

    def evaluate(p):
        return np.roots(p)

    def differential(z, p, dp):
        # Where a loss asks nothing of a multiple root, its nan must not enter.
        return -safe_divide(vander(z, p.shape[0]) @ dp, _slopes(z, p))

    def domain(rng, dtype):
        near = rng.uniform(-0.1, 0.1, 4)
        if np.dtype(dtype).kind == "c":  # in an order that no small change turns round
            yield ((np.poly([2.0, -1 + 1j, 0.3 - 2j]) + near).astype(dtype),), {}
        else:
            yield (np.array([1.0, 0.3, 2.0, -3.0] + near).astype(dtype),), {}  # one pair of complex roots
            yield (np.array([2.0, 1.0, 4.0, 0.0] + near * [1, 1, 1, 0]).astype(dtype),), {}


@numpy_function(np.roots)
def roots(p):
    """The roots of a polynomial, complex if one is; the derivative of a multiple one is nan."""
    p = atleast_1d(p)
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    return polynomial_roots(p if p.dtype.kind in "fc" else astype(p, float))


@numpy_function(np.poly)
def poly(seq_of_zeros):
    """The polynomial with these roots, or that of the eigenvalues of a matrix; its first coefficient is 1."""
    z = atleast_1d(seq_of_zeros)
    if z.ndim == 2 and z.shape[0] == z.shape[1] and z.shape[0]:
        z = eigvals(z)
    elif z.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if not z.shape[0]:
        return 1.0
    z = z if z.dtype.kind in "fc" else astype(z, float)
    p = np.ones(1, z.dtype)
    for k in range(z.shape[0]):
        p = concatenate([p, np.zeros(1, p.dtype)]) - concatenate([np.zeros(1, p.dtype), z[k] * p])
    if p.dtype.kind == "c":
        values = plain(z)
        if np.all(np.sort(values) == np.sort(values.conj())):
            return p.real
    return p
