"""A tensor as plain Python and NumPy see it: numbers, arrays, truth, iteration, text."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from dualdiff.torch.errors import SizeError, TrackedError


class Conversions:
    """The methods of a tensor by which Python and NumPy take it for a number, an array or a sequence."""

    __slots__ = ()
    __array_priority__ = 1000  # NumPy's operators leave the operation to ours
    value: Any
    array: Any
    shape: Any
    ndim: Any
    requires_grad: bool
    numel: Any
    unbind: Any

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The array itself, in the same memory; a tensor that requires a gradient is detached first."""
        if self.requires_grad and not force:
            raise TrackedError(
                "numpy() of a tensor that requires a gradient would drop its derivative.",
                "Write x.detach().numpy().",
            )
        return np.asarray(self.array)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        x = self.numpy()
        if dtype is not None and x.dtype != dtype:
            return x.astype(dtype)
        return x.copy() if copy else x

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        return type(self)(array)  # type: ignore[call-arg]  # np.sin(x) of an untracked tensor is a tensor

    def item(self) -> Any:
        """The number in a tensor of one element."""
        if self.numel() != 1:
            raise SizeError(
                f"item() of a tensor of shape {tuple(self.shape)} with {self.numel()} elements.",
                "Index one element first, or use tolist().",
            )
        return self.array.item()

    def tolist(self) -> Any:
        return self.array.tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise SizeError(
                f"the truth of a tensor of shape {tuple(self.shape)} with {self.numel()} elements.",
                "Say any() or all().",
            )
        return bool(self.array.any())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.value.dtype.kind not in "iub":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return operator.index(self.item())

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.value.shape[0]

    def __contains__(self, other: Any) -> bool:
        return bool((self == other).any())

    def __iter__(self) -> Iterator:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if not self.ndim and spec else format(str(self), spec)
