"""The covered functions of numpy.linalg; each is NumPy's own, which hands itself over to tensors."""

# ruff: noqa: F401, I001
# fmt: off
from numpy.linalg import (
    LinAlgError, cholesky, cond, cross, det, diagonal, eig, eigh, eigvals, eigvalsh, inv, lstsq, matmul,
    matrix_norm, matrix_power, matrix_rank, matrix_transpose, multi_dot, norm, outer, pinv, qr, slogdet,
    solve, svd, svdvals, tensordot, tensorinv, tensorsolve, trace, vecdot, vector_norm,
)
