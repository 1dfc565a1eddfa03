"""Reading by index, and the functions that gather; writing by index is in inplace.py.

PyTorch takes integers, slices, None and ... first, as a view, and tensors of indices and masks then.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core import OPS
from dualdiff.ops.indexing import getitem, take_along_axis
from dualdiff.torch.dispatch import apply, method, view_of
from dualdiff.torch.tensor import Tensor, operand


def split_key(key: Any) -> tuple[tuple, list | None]:
    """The basic key, with a slice in the place of every tensor, and the key of tensors for what is left."""
    basic: list = []
    advanced: list = []
    for part in key if isinstance(key, tuple) else (key,):
        array = index_array(part)
        if array is None:
            basic.append(part)
            if part is Ellipsis or isinstance(part, slice) or part is None:
                advanced.append(part if part is Ellipsis else slice(None))
        elif array.ndim == 0 and array.dtype.kind in "iu":
            basic.append(int(array))
        else:
            basic += [slice(None)] * (array.ndim if array.dtype.kind == "b" else 1)
            if array.ndim == 0:  # a single boolean takes no dim
                basic[-1:] = []
            advanced.append(array)
    return tuple(basic), advanced if any(isinstance(part, np.ndarray) for part in advanced) else None


def index_array(part: Any) -> np.ndarray | None:
    """The indices or mask in a part of a key; None for an integer, a slice, None or an ellipsis."""
    if isinstance(part, Tensor):
        return part.array
    if isinstance(part, (list, np.ndarray)):
        array = np.asarray(part)
        return array.astype(np.int64) if array.size == 0 else array
    if isinstance(part, bool):
        return np.asarray(part)
    if isinstance(part, slice) and part.step is not None and part.step < 1:
        raise ValueError("a slice of a tensor must have a step greater than 0; use flip()")
    return None


def full_key(basic: tuple) -> tuple:
    """The key with an ellipsis, with which NumPy gives a view also where every dim has a number."""
    return basic if ... in basic else (*basic, ...)


def basic_label(key: tuple) -> str:
    """PyTorch's name for the last of the steps that a basic key stands for."""
    kinds = [part for part in key if not (isinstance(part, slice) and part == slice(None))]
    last = kinds[-1] if kinds else None
    if not kinds or all(part is Ellipsis for part in kinds):
        return "AliasBackward0"
    if last is None:
        return "UnsqueezeBackward0"
    return "SliceBackward0" if isinstance(last, slice) else "SelectBackward0"


@method
def __getitem__(input: Tensor, key: Any) -> Tensor:
    basic, advanced = split_key(key)
    y = input
    if advanced is None or any(part != slice(None) and part is not Ellipsis for part in basic):
        y = view_of(input, basic_label(basic), OPS["cut"], key=full_key(basic))
    if advanced is None:
        return y
    return apply("IndexBackward0", lambda x: getitem(x, tuple(advanced)), y)


@method
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices with these numbers along a dim."""
    return apply("IndexSelectBackward0", lambda x, i: np.take(x, i, dim), input, index)


@method
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Elements along a dim, by one index for each element of the result."""
    places = index.array
    key = [slice(0, n) for n in places.shape]
    key[dim] = slice(None)
    return apply("GatherBackward0", lambda x: take_along_axis(x[tuple(key)], places, dim), input)


@method
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Elements along a dim by index, as argsort and its kin give them."""
    return apply("GatherBackward0", lambda x: take_along_axis(x, indices.array, dim), input)


@method
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in one dim."""
    shape = np.broadcast_shapes(input.value.shape, mask.value.shape)
    where = np.broadcast_to(mask.array, shape)
    return apply("MaskedSelectBackward0", lambda x: np.broadcast_to(x, shape)[where], input)


@method
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not 0: one row for each, or one tensor for each dim."""
    found = np.nonzero(np.asarray(operand(input.detach())))
    return tuple(Tensor(i) for i in found) if as_tuple else Tensor(np.stack(found, 1))
