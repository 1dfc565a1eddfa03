"""torch.linalg: PyTorch's names for NumPy's linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.torch.dispatch import apply
from dualdiff.torch.products import cross, matmul
from dualdiff.torch.reductions import axes, floating
from dualdiff.torch.tensor import Tensor


def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The norm of the elements, all or along dims, as of one vector."""
    return apply(
        "LinalgVectorNormBackward0",
        lambda v: np.linalg.vector_norm(floating(v, "norm"), axis=axes(dim, v), keepdims=keepdim, ord=ord),
        x,
    )


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """The norm of matrices in two dims."""
    return apply(
        "LinalgVectorNormBackward0" if ord == "fro" else "AmaxBackward0",
        lambda v: np.linalg.norm(floating(v, "norm"), ord, tuple(dim), keepdim),
        A,
    )


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The norm of all elements; of vectors or matrices where ord or dim says so."""
    dims = A.ndim if dim is None else 1 if isinstance(dim, int) else len(dim)
    if ord is None or dims == 1:
        return vector_norm(A, 2 if ord is None else ord, dim, keepdim)
    return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim)


def inv(A: Tensor) -> Tensor:
    """The inverse of matrices."""
    return apply("LinalgInvExBackward0", np.linalg.inv, A)


def solve(A: Tensor, B: Tensor) -> Tensor:
    """X with A X = B; B is a vector if it has one dim."""
    return apply("LinalgSolveExBackward0", np.linalg.solve, A, B)


def det(A: Tensor) -> Tensor:
    """The determinant of matrices."""
    return apply("LinalgDetBackward0", np.linalg.det, A)


def slogdet(A: Tensor) -> tuple:
    """(sign, logarithm of the absolute value) of the determinant."""
    return apply("LinalgSlogdetBackward0", lambda v: tuple(np.linalg.slogdet(v)), A)


def cholesky(A: Tensor) -> Tensor:
    """The lower triangular L with A = L L^H."""
    return apply("LinalgCholeskyExBackward0", np.linalg.cholesky, A)


def eigh(A: Tensor) -> tuple:
    """(eigenvalues, eigenvectors) of Hermitian matrices."""
    return apply("LinalgEighBackward0", lambda v: tuple(np.linalg.eigh(v)), A)


def eigvalsh(A: Tensor) -> Tensor:
    """Eigenvalues of Hermitian matrices."""
    return apply("LinalgEighBackward0", np.linalg.eigvalsh, A)


def qr(A: Tensor) -> tuple:
    """(Q, R) with A = Q R, Q with orthonormal columns and R upper triangular."""
    return apply("LinalgQrBackward0", lambda v: tuple(np.linalg.qr(v)), A)


def svd(A: Tensor, full_matrices: bool = True) -> tuple:
    """(U, S, Vh) with A = U diag(S) Vh."""
    return apply("LinalgSvdBackward0", lambda v: tuple(np.linalg.svd(v, full_matrices)), A)


def svdvals(A: Tensor) -> Tensor:
    """Singular values."""
    return apply("LinalgSvdBackward0", lambda v: np.linalg.svd(v, compute_uv=False), A)


__all__ = [
    "cholesky", "cross", "det", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "norm", "qr", "slogdet",
    "solve", "svd", "svdvals", "vector_norm",
]  # fmt: skip
