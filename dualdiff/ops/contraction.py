"""Contractions: matmul and einsum, multilinear ops, and the products of NumPy that are made of them.

The transpose of a contraction is a contraction: the cotangent takes the place of one operand. Batched
operands become one large product where a stack of small ones would cost more (measured, see `small`).
"""

from __future__ import annotations

import math

import numpy as np

from dualdiff.avals import Aval
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import reals
from dualdiff.ops.structural import as_array


def conjugated(x):
    """conj(x), and x itself where it is real."""
    return np.conj(x) if x.dtype.kind == "c" else x


def adjoint(x):
    """The conjugate transpose of the last two axes."""
    return conjugated(x.T if x.ndim == 2 else x.mT)


# ------------------------------------------------------------------------------ matmul
def small(m: int, n: int, p: int) -> bool:
    """Whether a product in a stack is so small that its overhead of about 0.05 us outweighs copying operands.

    Measured: one tall product is up to 6 times faster below 1000 multiplications, and up to 5 times slower
    above where the rows have to be copied together first.
    """
    return m * n * p < 1000


def tall(x):
    """A stack of matrices as one matrix with all their rows."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def times_matrix(a, b):
    """A stack of matrices times one matrix or vector, as one product where that is faster."""
    if a.ndim > 2:
        columns = b.shape[1] if b.ndim == 2 else 1
        adjacent = columns == 1 and (not isinstance(a, np.ndarray) or a.flags.c_contiguous)
        if adjacent or small(*a.shape[-2:], columns):
            return (tall(a) @ b).reshape(a.shape[:-1] + b.shape[1:])
    return a @ b


def aligned(x, stack: int):
    """A batched stack of matrices with axes of 1 behind the batch axis, `stack` axes before each matrix."""
    missing = stack - (x.ndim - 3)
    return x.reshape((x.shape[0],) + (1,) * missing + x.shape[1:]) if missing > 0 else x


def left_bar(y_bar, a, b):
    """y_bar b^H; a vector on either side makes it a matrix-vector product or an outer product."""
    b = conjugated(b)
    if b.ndim == 1:
        return y_bar * b if a.ndim == 1 else y_bar[..., None] * b
    if a.ndim == 1:
        return b @ y_bar if b.ndim == 2 else (b @ y_bar[..., None])[..., 0]
    if b.ndim == 2:
        return times_matrix(y_bar, b.T)
    if a.ndim == 2 and b.ndim == 3:  # one product that also sums over the stack
        m, (stack, n, p) = a.shape[0], b.shape
        y_bar = y_bar.transpose(1, 0, 2).reshape(m, stack * p)
        return y_bar @ b.transpose(0, 2, 1).reshape(stack * p, n)
    return y_bar @ b.mT


def right_bar(y_bar, a, b):
    """a^H y_bar"""
    a = conjugated(a)
    if a.ndim == 1:
        return y_bar * a if b.ndim == 1 else a[:, None] * y_bar[..., None, :]
    if b.ndim == 1:
        return (y_bar if y_bar.ndim == 1 else y_bar.reshape(-1)) @ tall(a)
    if b.ndim == 2:  # one product that also sums over the stack
        return tall(a).T @ tall(y_bar)
    return a.mT @ y_bar


@op
class matrix_product:
    """Y = A B: dY = dA B + A dB, with the adjoints A_bar = Y_bar B^H and B_bar = A^H Y_bar.

    Source      M. Giles 2008, Collected matrix derivative results for AD
    """

    name = "matmul"

    def evaluate(a, b):
        return np.matmul(a, b)

    def out(a, b):
        if not a.shape or not b.shape:
            raise ValueError("matmul: an operand has no axes; multiply by a scalar with *")
        inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
        if a.shape[-1] != inner:
            raise ValueError(f"matmul: the inner axes of {a.shape} and {b.shape} do not match")
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return Aval(stack + a.shape[-2:-1] + b.shape[-1:] * (b.ndim > 1), np.result_type(a.dtype, b.dtype))

    transposes = left_bar, right_bar

    def batch(size, mapped, values, params):
        a, b = values
        if not mapped[1]:
            return left_batched(a, b)
        if not mapped[0]:
            return right_batched(a, b)
        left, right = a.ndim - 1, b.ndim - 1  # axes of one example
        a = a[:, None, :] if left == 1 else a
        b = b[:, :, None] if right == 1 else b
        stack = max(a.ndim, b.ndim) - 3
        y = aligned(a, stack) @ aligned(b, stack)
        y = y[..., 0] if right == 1 else y
        return y if left > 1 else y[..., 0] if right == 1 else y[..., 0, :]

    def domain(rng, dtype):
        shapes = [
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 2)),
            ((2, 3), (3, 4)),
            ((2, 2, 3), (3,)),
            ((3,), (2, 3, 2)),
            ((2, 2, 3), (3, 2)),
            ((2, 3), (2, 3, 2)),
            ((2, 1, 2, 3), (3, 3, 1)),
        ]
        for a, b in shapes:
            yield (reals.sample(rng, a, dtype), reals.sample(rng, b, dtype)), {}


def left_batched(a, b):
    """A batch of left operands times one right operand."""
    if b.ndim <= 2:
        return a @ b if a.ndim == 2 else times_matrix(a, b)
    if a.ndim == 2:  # vectors (S, n) against a stack (..., n, p): the batch makes them the rows of a matrix
        return np.moveaxis(a @ b, -2, 0)
    return aligned(a, b.ndim - 2) @ b


def right_batched(a, b):
    """One left operand times a batch of right operands."""
    if b.ndim == 2:  # vectors (S, n): one product, also against a stack of matrices
        if a.ndim <= 2:
            return b @ a.T
        return (b @ tall(a).T).reshape((b.shape[0],) + a.shape[:-1])
    if a.ndim == 1:
        return a @ b
    if a.ndim == 2 and b.ndim == 3 and (b.shape[2] == 1 or small(*a.shape, b.shape[2])):
        size, _, columns = b.shape
        return (tall(b.mT) @ a.T).reshape(size, columns, a.shape[0]).mT
    return a @ aligned(b, a.ndim - 2)


@numpy_function(np.matmul, np.linalg.matmul)
def matmul(x1, x2, /, *, axes=None, axis=None):
    """The matrix product of the last two axes, stacks broadcast, vectors without their axis; also x1 @ x2."""
    refuse("np.matmul", axes=axes, axis=axis)
    return matrix_product(as_array(x1), as_array(x2))
