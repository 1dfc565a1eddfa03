"""NumPy's products made of matmul and einsum: dot, inner, tensordot, outer, kron, vecdot, trace and others.

No rules here: they inherit everything from the two ops in contraction.py.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from dualdiff.declare import numpy_function, refuse
from dualdiff.ops.contraction import conjugated, einsum, matrix_product, with_axes
from dualdiff.ops.structural import (
    as_array,
    astype,
    expand_dims,
    moveaxis,
    normal_axes,
    permute,
    ravel,
    reshape_to,
)


@numpy_function(np.dot)
def dot(a, b, out=None):
    """The product of vectors and matrices; of more axes, the last of a with the one before the last of b."""
    refuse("np.dot", out=out)
    a, b = as_array(a), as_array(b)
    if not a.ndim or not b.ndim:
        return a * b
    return matrix_product(a, b) if b.ndim <= 2 else tensordot(a, b, (-1, -2))


@numpy_function(np.inner)
def inner(a, b, /):
    """The sum of products over the last axes."""
    a, b = as_array(a), as_array(b)
    if not a.ndim or not b.ndim:
        return a * b
    return matrix_product(a, b) if b.ndim == 1 else tensordot(a, b, (-1, -1))


@numpy_function(np.vdot)
def vdot(a, b, /):
    """The sum of conj(a) b over all elements."""
    return matrix_product(conjugated(ravel(a)), ravel(b))


@numpy_function(np.tensordot, np.linalg.tensordot)
def tensordot(a, b, axes=2):
    """The sum of products over pairs of axes: one matrix product after moving them together."""
    a, b = as_array(a), as_array(b)
    if isinstance(axes, (tuple, list)):
        left, right = (x if isinstance(x, (tuple, list)) else (x,) for x in axes)
        left, right = normal_axes(tuple(left), a.ndim), normal_axes(tuple(right), b.ndim)
    else:
        count = operator.index(axes)
        if count > min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: {count} axes of {a.shape} and {b.shape}")
        left, right = tuple(range(a.ndim - count, a.ndim)), tuple(range(count))
    if [a.shape[k] for k in left] != [b.shape[k] for k in right]:
        raise ValueError(f"tensordot: axes {left} of {a.shape} and {right} of {b.shape} do not match")
    rows = tuple(k for k in range(a.ndim) if k not in left)
    columns = tuple(k for k in range(b.ndim) if k not in right)
    shape = tuple(a.shape[k] for k in rows) + tuple(b.shape[k] for k in columns)
    y = matrix(a, rows, left) @ matrix(b, right, columns)
    return reshape_to(y, shape=shape)


def matrix(x, rows: tuple[int, ...], columns: tuple[int, ...]):
    """x as a matrix, the axes `rows` running down and `columns` across."""
    x = x if rows + columns == tuple(range(x.ndim)) else permute(x, axes=rows + columns)
    m = math.prod(x.shape[: len(rows)])
    return x if len(rows) == len(columns) == 1 else reshape_to(x, shape=(m, math.prod(x.shape[len(rows) :])))


@numpy_function(np.outer)
def outer(a, b, out=None):
    """Every product of an element of a with one of b."""
    refuse("np.outer", out=out)
    return ravel(a)[:, None] * ravel(b)


@numpy_function(np.linalg.outer)
def outer_of_vectors(x1, x2, /):
    """Every product of two vectors' elements."""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(f"outer needs vectors, not arrays of {np.ndim(x1)} and {np.ndim(x2)} axes")
    return outer(x1, x2)


@numpy_function(np.kron)
def kron(a, b):
    """The Kronecker product: b scaled by every element of a, in blocks."""
    a, b = as_array(a), as_array(b)
    ndim = max(a.ndim, b.ndim)
    left, right = (1,) * (ndim - a.ndim) + a.shape, (1,) * (ndim - b.ndim) + b.shape
    blocks = reshape_to(a, shape=tuple(k for n in left for k in (n, 1)))
    inside = reshape_to(b, shape=tuple(k for n in right for k in (1, n)))
    return reshape_to(blocks * inside, shape=tuple(m * n for m, n in zip(left, right, strict=True)))


@numpy_function(np.cross)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The vector product in three dimensions; the third component of a 2-vector is 0."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(as_array(a), axisa, -1), moveaxis(as_array(b), axisb, -1)
    flat = a.shape[-1], b.shape[-1]
    if not set(flat) <= {2, 3}:
        raise ValueError("incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2] if flat[0] == 3 else None
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2] if flat[1] == 3 else None
    last = a0 * b1 - a1 * b0
    if flat == (2, 2):
        return last
    if a2 is None:
        first, second = a1 * b2, -(a0 * b2)
    elif b2 is None:
        first, second = -(a2 * b1), a2 * b0
    else:
        first, second = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2
    return moveaxis(np.stack([first, second, last], axis=-1), -1, axisc)


@numpy_function(np.linalg.cross)
def cross_of_vectors(x1, x2, /, *, axis=-1):
    """The vector product in three dimensions."""
    x1, x2 = as_array(x1), as_array(x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(f"cross needs 3-vectors, not {x1.shape[axis]} and {x2.shape[axis]} components")
    return cross(x1, x2, axis=axis)


def vecdot(x1, x2, /, *, axis=-1, keepdims=False, axes=None):
    """The sum of conj(x1) x2 along an axis."""
    x1, x2 = as_array(x1), as_array(x2)
    if axes is not None:
        if axis != -1 or keepdims:
            raise TypeError("vecdot takes axes= without axis= and keepdims=")
        return with_axes(vecdot, x1, x2, axes)
    if axis != -1:
        x1, x2 = moveaxis(x1, axis, -1), moveaxis(x2, axis, -1)
    if x1.shape[-1:] != x2.shape[-1:] or not x1.ndim:  # einsum would broadcast an axis of 1
        raise ValueError(f"vecdot needs vectors of equal lengths; its shapes are {x1.shape} and {x2.shape}")
    y = einsum("...i,...i->...", conjugated(x1), x2)
    return expand_dims(y, axis) if keepdims else y


def matvec(x1, x2, /, *, axes=None, axis=None):
    """Matrices times vectors, on the last axes."""
    refuse("np.matvec", axis=axis)
    if axes is not None:
        return with_axes(matvec, x1, x2, axes)
    x1, x2 = as_array(x1), as_array(x2)
    if x1.ndim < 2 or not x2.ndim:
        raise ValueError(
            f"matvec needs axes of matrices and vectors; its shapes are {x1.shape} and {x2.shape}"
        )
    return x1 @ x2 if x2.ndim == 1 else (x1 @ x2[..., None])[..., 0]


def vecmat(x1, x2, /, *, axes=None, axis=None):
    """Conjugated vectors times matrices, on the last axes."""
    refuse("np.vecmat", axis=axis)
    if axes is not None:
        return with_axes(vecmat, x1, x2, axes)
    x1, x2 = conjugated(as_array(x1)), as_array(x2)
    if x2.ndim < 2 or not x1.ndim:
        raise ValueError(
            f"vecmat needs axes of vectors and matrices; its shapes are {x1.shape} and {x2.shape}"
        )
    return x1 @ x2 if x1.ndim == 1 else (x1[..., None, :] @ x2)[..., 0, :]


numpy_function(np.vecdot, np.linalg.vecdot)(vecdot)
numpy_function("matvec")(matvec)  # NumPy 2.2
numpy_function("vecmat")(vecmat)


@numpy_function(np.trace)
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """The sum along a diagonal."""
    refuse("np.trace", out=out)
    a = moveaxis(as_array(a), (axis1, axis2), (0, 1))
    a = a if dtype is None else astype(a, dtype)
    rows, columns = max(-offset, 0), max(offset, 0)
    n = max(min(a.shape[0] - rows, a.shape[1] - columns), 0)
    if a.shape[:2] != (n, n):
        a = a[rows : rows + n, columns : columns + n]
    return einsum("ii...->...", a)


@numpy_function(np.linalg.trace)
def trace_of_matrix(x, /, *, offset=0, dtype=None):
    """The sum along a diagonal of the last two axes."""
    return trace(x, offset, -2, -1, dtype)
