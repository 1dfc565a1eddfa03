"""Tensors out of nothing: from data, from a shape, from a range; PyTorch's dtypes by default."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.torch.dispatch import method, titled
from dualdiff.torch.dtypes import as_numpy, default_complex, default_real
from dualdiff.torch.metadata import device as place
from dualdiff.torch.shapes import listed
from dualdiff.torch.tensor import Tensor, operand, outside, restored


def finished(array: np.ndarray, requires_grad: bool, device: Any) -> Tensor:
    """A leaf on a new array."""
    if device is not None:
        place(device)
    return restored(array, requires_grad)


def inferred(array: np.ndarray) -> np.dtype:
    """The dtype for numbers of Python: the default one for floats, int64 for integers."""
    default = {"f": default_real, "c": default_complex}.get(array.dtype.kind)
    return array.dtype if default is None else default()


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new leaf with a copy of data: numbers, nested lists of them, arrays or tensors."""
    if isinstance(data, Tensor):
        warnings.warn(
            "tensor() of a tensor copies it without its history: say so with x.detach().clone().",
            UserWarning,
            stacklevel=2,
        )
        array = np.array(operand(data.detach()))
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data)
    else:
        array = np.array(plain(data))
        if dtype is None and not holds_arrays(data):
            dtype = default_real() if array.size == 0 else inferred(array)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"tensor() was given data of {array.dtype}; it takes numbers of equal depth")
    return finished(array if dtype is None else array.astype(as_numpy(dtype)), requires_grad, device)


def plain(data: Any) -> Any:
    """Nested lists with arrays in the place of tensors."""
    if isinstance(data, (list, tuple)):
        return [plain(part) for part in data]
    return data.detach().array if isinstance(data, Tensor) else data


def holds_arrays(data: Any) -> bool:
    """Whether nested lists begin with NumPy's numbers or a tensor, which keep their dtype."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.generic, np.ndarray, Tensor))


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Data as a tensor, on the same memory where that is possible."""
    if isinstance(data, (np.ndarray, Tracer)):
        data = from_numpy(data)
    return data.to(dtype=dtype) if isinstance(data, Tensor) else tensor(data, dtype=dtype, device=device)


asarray = as_tensor


def from_numpy(array: Any) -> Tensor:
    """A tensor on the memory of an array: writing one changes the other."""
    if isinstance(array, Tracer):  # inside a functional transform
        return outside(array)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy takes an array, not {type(array).__name__}")
    return Tensor(array)


# -------------------------------------------------- from a shape
def _filled(name: str, make: Callable) -> Callable:
    def create(
        *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **shape: Any
    ) -> Tensor:
        sizes = tuple(shape["size"]) if "size" in shape else listed(size)
        return finished(
            make(sizes, default_real() if dtype is None else as_numpy(dtype)), requires_grad, device
        )

    return titled(create, name, f"A tensor of a size: {name}.")


zeros, ones, empty = _filled("zeros", np.zeros), _filled("ones", np.ones), _filled("empty", np.zeros)


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One value everywhere."""
    value = np.asarray(plain(fill_value))
    kind = inferred(value) if dtype is None else as_numpy(dtype)
    return finished(np.full(size, value, kind), requires_grad, device)


def _like(name: str, value: int) -> Callable:
    def create(
        input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        kind = input.value.dtype if dtype is None else as_numpy(dtype)
        return finished(np.full(input.value.shape, value, kind), requires_grad, device)

    return titled(create, f"{name}_like", f"{name} in the shape and dtype of a tensor.")


zeros_like, ones_like, empty_like = _like("zeros", 0), _like("ones", 1), _like("empty", 0)


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """One value in the shape and dtype of a tensor."""
    kind = input.dtype if dtype is None else dtype
    return full(input.value.shape, fill_value, dtype=kind, requires_grad=requires_grad)


@method
def new_tensor(input: Tensor, data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Data in the dtype of a tensor."""
    return tensor(data, dtype=input.dtype if dtype is None else dtype, requires_grad=requires_grad)


def _new(name: str, make: Callable) -> None:
    def create(input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
        return make(*size, dtype=input.dtype if dtype is None else dtype, requires_grad=requires_grad)

    method(titled(create, f"new_{name}", f"{name} in the dtype of a tensor."))


for _name, _make in {"zeros": zeros, "ones": ones, "empty": empty, "full": full}.items():
    _new(_name, _make)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal."""
    kind = default_real() if dtype is None else as_numpy(dtype)
    return finished(np.eye(n, m, dtype=kind), requires_grad, None)


# -------------------------------------------------- from a range
def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to, but without, end; integers if all three are."""
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if dtype is None:
        dtype = np.dtype(np.int64) if all(isinstance(x, int) for x in (start, end, step)) else default_real()
    count = max(0, math.ceil((end - start) / step))
    values = start + step * np.arange(count)
    return finished(values.astype(as_numpy(dtype)), requires_grad, device)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Evenly spaced numbers from start to end, both included."""
    kind = default_real() if dtype is None else as_numpy(dtype)
    return finished(np.linspace(start, end, steps).astype(kind), requires_grad, device)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """base to the powers of evenly spaced numbers."""
    kind = default_real() if dtype is None else as_numpy(dtype)
    return finished(np.logspace(start, end, steps, base=base).astype(kind), requires_grad, device)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """For each index a row of zeros with a 1 at that place, in int64."""
    places = input.array
    classes = int(places.max()) + 1 if num_classes < 0 else num_classes
    return Tensor((places[..., None] == np.arange(classes)).astype(np.int64))
