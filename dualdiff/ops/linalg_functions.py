"""Linear algebra made of products, systems and decompositions: matrix_power, multi_dot, lstsq and others.

No rules here but for matrix_rank, which is a constant.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from dualdiff.declare import numpy_function, op
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.linalg import inv, pinv, solve
from dualdiff.ops.linalg_spectral import svdvals, well_conditioned
from dualdiff.ops.products import dot
from dualdiff.ops.structural import as_array, permute, reshape_to


@numpy_function(np.linalg.matrix_power)
def matrix_power(a, n):
    """a @ a @ ... @ a, n times, by squaring; of the inverse for a negative n; a constant for n = 0."""
    a, n = as_array(a), operator.index(n)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power needs square matrices, not shape {a.shape}")
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    a = inv(a) if n < 0 else a
    power, result, n = a, None, abs(n)
    while True:
        if n % 2:
            result = power if result is None else result @ power
        n //= 2
        if not n:
            return result
        power = power @ power


@numpy_function(np.linalg.multi_dot)
def multi_dot(arrays, *, out=None):
    """The product of several matrices in the order with the fewest multiplications."""
    arrays = [as_array(x) for x in arrays]
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    if len(arrays) == 2:
        return dot(*arrays)
    inner = arrays[1:-1] + [x for x in (arrays[0], arrays[-1]) if x.ndim != 1]
    if any(x.ndim != 2 for x in inner):
        raise np.linalg.LinAlgError(
            "multi_dot of three or more arrays needs matrices, and vectors at the ends"
        )
    first, last = arrays[0].ndim == 1, arrays[-1].ndim == 1
    arrays[0] = arrays[0][None, :] if first else arrays[0]
    arrays[-1] = arrays[-1][:, None] if last else arrays[-1]
    y = product_in_order(arrays, cheapest_splits([x.shape[0] for x in arrays] + [arrays[-1].shape[1]]), 0)
    y = y[..., 0] if last else y
    return y[0] if first else y


def cheapest_splits(sizes: list[int]) -> dict:
    """Where to split each run of matrices i..j, by dynamic programming over their sizes.

    Source      T. Cormen et al., Introduction to Algorithms, chapter on dynamic programming: matrix chains
    """
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            ]
            cost[i, j], split[i, j] = min(options)
    return split


def product_in_order(arrays: list, split: dict, start: int):
    """The product of a run of matrices, of which the first has number `start`."""
    if len(arrays) == 1:
        return arrays[0]
    cut = split[start, start + len(arrays) - 1] + 1 - start
    return product_in_order(arrays[:cut], split, start) @ product_in_order(arrays[cut:], split, start + cut)


@op
class matrix_rank_of:
    """The number of singular values above a tolerance: an integer."""

    name = "matrix_rank"
    constant = True
    core = 2

    def evaluate(a, **keywords):
        return np.linalg.matrix_rank(a, **keywords)

    def domain(rng, dtype):
        yield (well_conditioned(rng, (2, 3, 3), dtype),), {}


@numpy_function(np.linalg.matrix_rank)
def matrix_rank(A, tol=None, hermitian=False, *, rtol=None):
    """The number of singular values above a tolerance; of a vector, whether any element is not 0."""
    A = as_array(A)
    if A.ndim < 2:
        return np.any(np.not_equal(A, 0)).astype(int)
    return matrix_rank_of(A, tol=tol, hermitian=hermitian, rtol=rtol)


@numpy_function(np.linalg.lstsq)
def lstsq(a, b, rcond=None):
    """The least x among those that make |a x - b| least, the residuals, the rank, the singular values.

    Derivative  of constant rank: x = pinv(a) b
    Raises      ControlFlowError for a batch of tall matrices: the shape of the residuals depends on the rank
    """
    a, b = as_array(a), as_array(b)
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise np.linalg.LinAlgError(
            f"lstsq needs a matrix and a vector or matrix, not {a.shape} and {b.shape}"
        )
    m, n = a.shape
    if rcond is None:
        rcond = np.finfo(np.result_type(a.dtype, b.dtype)).eps * max(m, n)
    x = pinv(a, max(rcond, 0)) @ b
    s = svdvals(a)
    rank = np.sum(stop_gradient(s) > rcond * np.max(stop_gradient(s), initial=0), dtype=np.intc)
    residuals = np.zeros(0, s.dtype)
    if m > n and rank == n:
        missed = b - a @ x
        residuals = np.sum(np.real(np.conj(missed) * missed), axis=0).reshape(-1)
    return x, residuals, rank, s


@numpy_function(np.linalg.tensorsolve)
def tensorsolve(a, b, axes=None):
    """The x with tensordot(a, x, x.ndim) = b, one system after reshaping."""
    a, b = as_array(a), as_array(b)
    if axes is not None:
        order = [k for k in range(a.ndim) if k not in axes] + list(axes)
        a = permute(a, axes=tuple(order))
    shape = a.shape[b.ndim :]
    n = math.prod(shape)
    if a.size != n * n:
        raise np.linalg.LinAlgError(f"tensorsolve needs as many equations as unknowns, not shape {a.shape}")
    x = solve(reshape_to(a, shape=(n, n)), reshape_to(b, shape=(b.size,)))
    return reshape_to(x, shape=shape)


@numpy_function(np.linalg.tensorinv)
def tensorinv(a, ind=2):
    """The inverse of tensordot with a, for its first `ind` axes against the others."""
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    a = as_array(a)
    rows, columns = a.shape[:ind], a.shape[ind:]
    y = inv(reshape_to(a, shape=(math.prod(rows), math.prod(columns))))
    return reshape_to(y, shape=columns + rows)
