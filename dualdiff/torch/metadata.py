"""What a tensor says of itself: size, dtype, device, memory."""

from __future__ import annotations

import math
from typing import Any

from dualdiff.torch import dtypes


class Size(tuple):
    """The shape of a tensor: a tuple that prints as PyTorch prints it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def numel(self) -> int:
        return math.prod(self)


class device:
    """Where a tensor lives: always the processor."""

    __slots__ = ("type",)
    index = None

    def __init__(self, type: Any = "cpu", index: Any = None):
        if str(type).partition(":")[0] != "cpu":
            raise NotImplementedError(f"dualdiff.torch computes on the cpu alone; {type!r} was asked for")
        self.type = "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __str__(self) -> str:
        return self.type

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, device)

    def __hash__(self) -> int:
        return hash(self.type)


PROCESSOR = device()


class Described:
    """The attributes of a tensor that its array has too."""

    __slots__ = ()
    layout = "torch.strided"
    value: Any
    array: Any

    @property
    def shape(self) -> Size:
        return Size(self.value.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes.BY_NUMPY[self.value.dtype]

    @property
    def ndim(self) -> Any:
        return len(self.value.shape)

    @property
    def device(self) -> Any:
        return PROCESSOR

    @property
    def itemsize(self) -> int:
        return self.value.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.numel() * self.itemsize

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.value.shape[dim]

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> int:
        return math.prod(self.value.shape)

    nelement = numel

    def element_size(self) -> int:
        return self.itemsize

    def stride(self, dim: int | None = None) -> Any:
        steps = tuple(n // self.itemsize for n in self.array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self) -> bool:
        return self.array.flags.c_contiguous

    def data_ptr(self) -> int:
        return self.array.ctypes.data

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self.dtype.is_complex
