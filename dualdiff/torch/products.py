"""Products of vectors and matrices, under PyTorch's names and with its checks of sizes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.core import OPS
from dualdiff.torch.dispatch import FAST, apply, fast, method, methods, titled
from dualdiff.torch.errors import DtypeError, SizeError
from dualdiff.torch.tensor import Tensor, current

_MATMUL = OPS["matmul"]
_LABELS = {(1, 1): "DotBackward0", (2, 1): "MvBackward0", (1, 2): "SqueezeBackward4", (2, 2): "MmBackward0"}


@method
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product of the last two dims; vectors lose theirs, other dims broadcast."""
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        given = f"{type(input).__name__} and {type(other).__name__}"
        raise TypeError(f"matmul takes two tensors; it was given {given}")
    x, y = current(input), current(other)
    m, n = len(x.shape), len(y.shape)
    if x.dtype is not y.dtype:
        raise DtypeError(f"matmul of {input.dtype} and {other.dtype}.", "Convert one of them with to(dtype).")
    label = _LABELS.get((m, n), "UnsafeViewBackward0")
    if type(x) in FAST and type(y) in FAST:
        return fast(operator.matmul, _MATMUL, x, y, label)
    return apply(label, np.matmul, input, other)


def _operator(self: Tensor, other: Any) -> Any:
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


methods(__matmul__=_operator)


def sized(name: str, first: int, second: int, label: str, fits: Callable) -> Callable:
    """A product of tensors with so many dims each, whose sizes fit."""

    def product(input: Tensor, other: Tensor) -> Tensor:
        if (input.ndim, other.ndim) != (first, second) or not fits(input.value.shape, other.value.shape):
            raise SizeError(
                f"{name} of tensors of shape {tuple(input.shape)} and {tuple(other.shape)}: it takes "
                f"{first}-d and {second}-d tensors whose sizes fit.",
                "matmul (@) takes any number of dims; * multiplies element by element.",
            )
        y = matmul(input, other)
        if label and y.grad_fn is not None:
            y.grad_fn.label = label
        return y

    return method(titled(product, name, f"The product of a {first}-d and a {second}-d tensor."))


dot = sized("dot", 1, 1, "", lambda a, b: a == b)
vdot = sized("vdot", 1, 1, "", lambda a, b: a == b)
mv = sized("mv", 2, 1, "", lambda a, b: a[1] == b[0])
mm = sized("mm", 2, 2, "", lambda a, b: a[1] == b[0])
bmm = sized("bmm", 3, 3, "BmmBackward0", lambda a, b: a[0] == b[0] and a[2] == b[1])


@method
def outer(input: Tensor, other: Tensor) -> Tensor:
    """Every product of an element of one vector with one of the other."""
    return apply("MulBackward0", np.outer, input, other)


@method
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products over the last dims."""
    return apply("ViewBackward0", np.inner, input, other)


def einsum(equation: str, *operands: Any) -> Tensor:
    """Einstein's sum: einsum("ij,jk->ik", a, b)."""
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    return apply("ViewBackward0", partial(np.einsum, equation.replace(" ", "")), *tensors)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over pairs of dims."""
    return apply("ViewBackward0", lambda x, y: np.tensordot(x, y, dims), a, b)


@method
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker's product."""
    return apply("UnsafeViewBackward0", np.kron, input, other)


@method
def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """The cross product of vectors of three numbers."""
    return apply("LinalgCrossBackward0", lambda x, y: np.linalg.cross(x, y, axis=dim), input, other)


@method
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta input + alpha mat1 @ mat2."""
    return apply(
        "AddmmBackward0",
        lambda c, a, b: (c if beta == 1 else beta * c) + (a @ b if alpha == 1 else alpha * (a @ b)),
        input,
        mat1,
        mat2,
    )


@method
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    return apply("TraceBackward0", np.trace, input)
